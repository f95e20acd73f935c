package hotline

import (
	"crypto/sha256"
	"slices"

	"example.org/hotline/crypto/keys"
	"example.org/hotline/crypto/seal"
)

// KindConvention carries a version of the convention (SPEC §5.1). Version 1
// is signed by every party's root key over 32 zero bytes in the id's place;
// its payload's SHA-256 is the id from then on. A later version is signed by
// at least the share of parties that the version before demands, and by every
// root key that it adds. Between nodes it travels as a document, not as a
// delivered statement: it proves itself.
var KindConvention = register(Rules{
	Kind: 17, Name: "convention", Class: ByRoots,
	ActualOnly: true,
	Body:       func() Body { return new(Convention) },
})

// Convention is the instrument that parties sign.
type Convention struct {
	Version   uint64   `cbor:"1,keyasint" json:"version"`
	Name      string   `cbor:"2,keyasint" json:"name"`
	Previous  ID       `cbor:"3,keyasint" json:"previous"` // SHA-256 of the payload of the version before; zero in version 1
	ValidFrom Time     `cbor:"4,keyasint" json:"valid_from"`
	Overlap   int64    `cbor:"5,keyasint" json:"overlap"` // ms for which the version before is still good for statements
	Suite     uint64   `cbor:"6,keyasint" json:"suite"`   // numbered set of algorithms; never negotiated
	Parties   []Member `cbor:"7,keyasint" json:"parties"` // sorted by code
	Amend     Share    `cbor:"8,keyasint" json:"amend"`
	Terms     Terms    `cbor:"9,keyasint" json:"terms"`
	Questions []string `cbor:"10,keyasint,omitempty" json:"questions,omitempty"`
	Always    []string `cbor:"11,keyasint,omitempty" json:"always,omitempty"`
	Witnesses uint64   `cbor:"12,keyasint" json:"witnesses"` // most witnesses per log
}

// Member is one party of a convention. An observer only witnesses and audits:
// it neither gives nor takes statements, owes nothing, and has no vote on an
// amendment (SPEC §5.1).
type Member struct {
	Party        Party       `cbor:"1,keyasint" json:"party"`
	Root         keys.Public `cbor:"2,keyasint" json:"root"`
	Observer     bool        `cbor:"3,keyasint,omitempty" json:"observer,omitempty"`
	Reservations []string    `cbor:"4,keyasint,omitempty" json:"reservations,omitempty"` // sorted
}

// Share of the parties, without observers, that must sign an amendment:
// ceil(parties × Num / Den).
type Share struct {
	_   struct{} `cbor:",toarray"`
	Num uint64   `json:"num"`
	Den uint64   `json:"den"`
}

// Of returns how many of n must sign.
func (s Share) Of(n int) int {
	return int((uint64(n)*s.Num + s.Den - 1) / s.Den)
}

// Suite1 is the only suite: Ed25519 and ES256 signatures, HPKE with
// X25519+ML-KEM-768, SHA-256 trees (RFC 9864, RFC 9180).
const Suite1 = 1

// The reservations that a party may make (SPEC §5.2).
const (
	ReserveAutomaticAlert = "automatic-alert" // the group sends none; the lapse is recorded
	ReserveLineTest       = "line-test"       // the party's pairs run no hourly tests
)

// Durations of a clock by precedence, in milliseconds: FLASH, IMMEDIATE,
// PRIORITY, ROUTINE.
type Durations [4]int64

// At returns the duration for p.
func (d Durations) At(p Precedence) int64 { return d[p-1] }

// Terms are the deadlines that the parties agreed on (SPEC §6.4). Durations
// are milliseconds.
type Terms struct {
	Profile      string    `cbor:"1,keyasint" json:"profile"`
	Assess       int64     `cbor:"2,keyasint" json:"assess"`             // detection → assessment
	Alert        Durations `cbor:"3,keyasint" json:"alert"`              // assessment → alert tendered
	AlertCap     int64     `cbor:"4,keyasint" json:"alert_cap"`          // never later than this after detection
	FirstAttempt Durations `cbor:"5,keyasint" json:"first_attempt"`      // commit → first attempt
	NextPath     Durations `cbor:"6,keyasint" json:"next_path"`          // no receipt → another path
	NonDelivery  Durations `cbor:"7,keyasint" json:"non_delivery"`       // no receipt → non-delivery recorded
	Acknowledge  Durations `cbor:"8,keyasint" json:"acknowledge"`        // received → acknowledged by a person
	Ratify       int64     `cbor:"9,keyasint" json:"ratify"`             // one-officer FLASH → ratification
	LineTest     int64     `cbor:"10,keyasint" json:"line_test"`         // interval per pair; 0: none
	LineReply    int64     `cbor:"11,keyasint" json:"line_reply"`        // test received → reply
	OneOfficer   bool      `cbor:"12,keyasint" json:"one_officer_flash"` // a releaser alone may send an ACTUAL FLASH alert
	Automatic    bool      `cbor:"13,keyasint" json:"automatic_alert"`   // the group sends what nobody released

	// Of what follows, 0 means: no such clock, or no such rule.
	Supplement int64     `cbor:"14,keyasint,omitempty" json:"supplement"` // alert → supplement
	Progress   Durations `cbor:"15,keyasint,omitzero" json:"progress"`    // alert or report → next report
	Final      int64     `cbor:"16,keyasint,omitempty" json:"final"`      // alert → final report
	Reply      Durations `cbor:"17,keyasint,omitzero" json:"reply"`       // inquiry, or interim reply → reply
	Assist     Durations `cbor:"18,keyasint,omitzero" json:"assist"`      // assistance request, or pending → response
	Consult    int64     `cbor:"19,keyasint,omitempty" json:"consult"`    // consult, or interim reply → reply
	Threshold  uint64    `cbor:"20,keyasint,omitempty" json:"threshold"`  // so many answers of yes make a case notifiable
	LineAlarm  uint64    `cbor:"21,keyasint,omitempty" json:"line_alarm"` // so many line tests in a row that fail ring the alarm at both desks
	WatchTest  int64     `cbor:"22,keyasint,omitempty" json:"watch_test"` // interval in which a person of each party answers one peer
	Contacts   int64     `cbor:"23,keyasint,omitempty" json:"contacts"`   // contact data confirmed → confirmed again
}

// maxLineAlarm bounds how many line tests may fail before the alarm.
const maxLineAlarm = 16

// maxAlways bounds the always-notifiable items of a convention.
const maxAlways = 64

const (
	second = int64(1000)
	minute = 60 * second
	hour   = 60 * minute
	day    = 24 * hour
)

// Instrument is the decision instrument that ships with the profiles (SPEC
// §6.11): four questions, after IHR Annex 2, and what is notifiable whatever
// the answers are. A convention may have its own.
func Instrument() (questions, always []string) {
	return []string{
			"Is the effect on a protected service, or on people, serious?",
			"Is the event unusual or unexpected?",
			"Does it come from or pass through the territory, or could it spread to that of another party?",
			"Could another party take it for an attack, or act on knowing of it now?",
		}, []string{
			"health service",
			"emergency or incident response team",
			"nuclear installation",
			"humanitarian organisation",
		}
}

// Profile returns the terms shipped under name: crisis (minutes) or standard
// (hours, as in NIS2). Numbers: DESIGN §6.
func Profile(name string) (Terms, bool) {
	t := Terms{
		Profile:      name,
		Assess:       hour,
		Alert:        Durations{15 * minute, hour, 4 * hour, 24 * hour},
		AlertCap:     24 * hour,
		FirstAttempt: Durations{5 * second, 60 * second, 10 * minute, 10 * minute},
		NextPath:     Durations{10 * second, 30 * second, 2 * minute, 10 * minute},
		NonDelivery:  Durations{4 * minute, 10 * minute, hour, 6 * hour},
		Acknowledge:  Durations{10 * minute, 30 * minute, 3 * hour, 24 * hour},
		Ratify:       24 * hour, LineTest: hour, LineReply: 5 * minute,
		OneOfficer: true, Automatic: true,
		Supplement: 72 * hour, Progress: Durations{24 * hour}, Final: 30 * day,
		Reply:   Durations{4 * hour, 24 * hour, 48 * hour, 5 * day},
		Assist:  Durations{4 * hour, 24 * hour, 48 * hour, 5 * day},
		Consult: 48 * hour, Threshold: 2,
		LineAlarm: 3, WatchTest: 8 * hour, Contacts: 180 * day,
	}
	switch name {
	case "crisis":
		return t, true
	case "standard":
		t.Assess = 24 * hour
		t.Alert = Durations{24 * hour, 24 * hour, 24 * hour, 24 * hour}
		t.Acknowledge = Durations{30 * minute, 3 * hour, 24 * hour, 72 * hour}
		t.Progress = Durations{} // on request: an inquiry asks for it
		t.Reply = Durations{48 * hour, 48 * hour, 48 * hour, 48 * hour}
		t.Assist = t.Reply
		return t, true
	}
	return Terms{}, false
}

// Validate checks bounds: every duration from one second to 90 days, except
// LineTest and what came after Automatic, which may be 0.
func (t *Terms) Validate() error {
	if err := checkText("profile", t.Profile, 32); err != nil {
		return err
	}
	one := map[string]int64{"assess": t.Assess, "alert cap": t.AlertCap, "ratify": t.Ratify, "line reply": t.LineReply}
	if t.Threshold > maxQuestions {
		return Refuse(CodeDocument, "terms: threshold %d, at most %d answers", t.Threshold, maxQuestions)
	}
	if t.LineAlarm > maxLineAlarm {
		return Refuse(CodeDocument, "terms: line alarm after %d tests, at most %d", t.LineAlarm, maxLineAlarm)
	}
	if t.Contacts != 0 && (t.Contacts < second || t.Contacts > 366*day) {
		return Refuse(CodeDocument, "terms: contacts is %d ms, 1 s to 366 days are allowed", t.Contacts)
	}
	may := func(name string, v int64) {
		if v != 0 {
			one[name] = v
		}
	}
	may("line test", t.LineTest)
	may("supplement", t.Supplement)
	may("final", t.Final)
	may("consult", t.Consult)
	may("watch test", t.WatchTest)
	for name, d := range map[string]Durations{"progress": t.Progress, "reply": t.Reply, "assist": t.Assist} {
		for i, v := range d {
			may(name+" "+Precedence(i+1).String(), v)
		}
	}
	for name, d := range map[string]Durations{"alert": t.Alert, "first attempt": t.FirstAttempt, "next path": t.NextPath,
		"non-delivery": t.NonDelivery, "acknowledge": t.Acknowledge} {
		for i, v := range d {
			one[name+" "+Precedence(i+1).String()] = v
		}
	}
	names := make([]string, 0, len(one))
	for name := range one {
		names = append(names, name)
	}
	slices.Sort(names) // the same refusal for the same terms, always
	for _, name := range names {
		if v := one[name]; v < second || v > 90*day {
			return Refuse(CodeDocument, "terms: %s is %d ms, 1 s to 90 days are allowed", name, v)
		}
	}
	return nil
}

// Validate checks one version by itself (SPEC §5.1).
func (c *Convention) Validate() error {
	switch {
	case c.Version == 0:
		return Refuse(CodeDocument, "versions begin at 1")
	case c.Version == 1 && c.Previous != ID{}:
		return Refuse(CodeDocument, "version 1 has no version before it")
	case c.Version > 1 && c.Previous == ID{}:
		return Refuse(CodeDocument, "version %d does not name the version before it", c.Version)
	case c.Suite != Suite1:
		return Refuse(CodeDocument, "suite %d is not known here; known is %d", c.Suite, Suite1)
	case c.ValidFrom <= 0 || c.ValidFrom > LastTime || c.Overlap < 0 || c.Overlap > 90*day:
		return Refuse(CodeDocument, "valid-from must be positive and at most %d, and overlap 0 to 90 days", LastTime)
	case len(c.Parties) < 2 || len(c.Parties) > MaxParties:
		return Refuse(CodeDocument, "%d parties, 2 to %d are allowed", len(c.Parties), MaxParties)
	case len(c.Speakers()) < 2:
		return Refuse(CodeDocument, "%d parties that do not only observe, at least 2 are needed", len(c.Speakers()))
	case c.Amend.Num == 0 || c.Amend.Den == 0 || c.Amend.Num > c.Amend.Den || c.Amend.Den > MaxParties:
		return Refuse(CodeDocument, "amendment share %d/%d is not above 0 and at most 1", c.Amend.Num, c.Amend.Den)
	case c.Witnesses > 16 || len(c.Questions) > maxQuestions || len(c.Always) > maxAlways:
		return Refuse(CodeDocument, "too many witnesses, questions or always-notifiable items")
	}
	if err := c.checkTexts(); err != nil {
		return err
	}
	for i, m := range c.Parties {
		if err := m.validate(); err != nil {
			return err
		}
		if i > 0 && c.Parties[i-1].Party >= m.Party {
			return Refuse(CodeDocument, "parties are not sorted without doubles at %s", m.Party)
		}
		for _, other := range c.Parties[:i] {
			if other.Root == m.Root {
				return Refuse(CodeDocument, "%s and %s have the same root key", other.Party, m.Party)
			}
		}
	}
	return c.Terms.Validate()
}

// checkTexts bounds every text; no question and no item is empty.
func (c *Convention) checkTexts() error {
	if err := checkText("name", c.Name, 200); err != nil {
		return err
	}
	for _, list := range []struct {
		name  string
		texts []string
		most  int
	}{{"question", c.Questions, 500}, {"always-notifiable item", c.Always, 200}} {
		for i, text := range list.texts {
			if text == "" {
				return Refuse(CodeDocument, "%s %d is empty", list.name, i+1)
			}
			if err := checkText(list.name, text, list.most); err != nil {
				return err
			}
		}
	}
	return nil
}

func (m *Member) validate() error {
	if !m.Party.Valid() || m.Root.IsZero() {
		return Refuse(CodeDocument, "%q is no party code or has no root key", m.Party)
	}
	if alg := m.Root.Algorithm(); alg != keys.Ed25519 && alg != keys.ES256 {
		return Refuse(CodeDocument, "the root key of %s is %s; Ed25519 and ES256 are of the suite", m.Party, alg)
	}
	if m.Observer && len(m.Reservations) > 0 {
		return Refuse(CodeDocument, "%s only observes: there is nothing that it could reserve against", m.Party)
	}
	for i, r := range m.Reservations {
		if r != ReserveAutomaticAlert && r != ReserveLineTest {
			return Refuse(CodeDocument, "%s: reservation %q is not known", m.Party, r)
		}
		if i > 0 && m.Reservations[i-1] >= r {
			return Refuse(CodeDocument, "%s: reservations are not sorted without doubles", m.Party)
		}
	}
	return nil
}

// Member finds a party's line.
func (c *Convention) Member(p Party) *Member {
	for i := range c.Parties {
		if c.Parties[i].Party == p {
			return &c.Parties[i]
		}
	}
	return nil
}

// Observes reports whether p is a member that only observes.
func (c *Convention) Observes(p Party) bool {
	m := c.Member(p)
	return m != nil && m.Observer
}

// Speakers lists the parties that are no observers, in order: those between
// which statements go, and which have a vote on an amendment.
func (c *Convention) Speakers() []Party { return c.members(0, false) }

// WitnessesOf lists the members that the log of p asks to cosign its
// checkpoints, the observers first; none if p is no member (SPEC §7.8).
func (c *Convention) WitnessesOf(p Party) []Party {
	at := slices.IndexFunc(c.Parties, func(m Member) bool { return m.Party == p })
	if at < 0 {
		return nil
	}
	list := slices.DeleteFunc(append(c.members(at, true), c.members(at, false)...), func(q Party) bool { return q == p })
	return list[:min(len(list), int(c.Witnesses))]
}

// members lists the observers, or the others, from place at on and round.
func (c *Convention) members(at int, observers bool) (list []Party) {
	for i := range c.Parties {
		if m := &c.Parties[(at+i)%len(c.Parties)]; m.Observer == observers {
			list = append(list, m.Party)
		}
	}
	return list
}

// Demands reports whether the version that follows c must bear m's own
// signature, whatever the share is: m is new in it, or its root key or its
// role changes. c is nil before version 1.
func (c *SignedConvention) Demands(m Member) bool {
	if c == nil {
		return true
	}
	old := c.Member(m.Party)
	return old == nil || old.Root != m.Root || old.Observer != m.Observer
}

// Reserves reports whether p made reservation r.
func (c *Convention) Reserves(p Party, r string) bool {
	m := c.Member(p)
	return m != nil && slices.Contains(m.Reservations, r)
}

// SignedConvention is a version together with its proof.
type SignedConvention struct {
	Convention
	ID   ID // the convention's id: SHA-256 of version 1's payload
	Hash ID // SHA-256 of this version's payload
	Raw  []byte
}

// ParseConvention decodes and verifies one version against the version before
// it, which is nil for version 1. What is missing or superfluous is named.
func ParseConvention(raw []byte, before *SignedConvention) (*SignedConvention, error) {
	st, err := Parse(raw)
	if err != nil {
		return nil, err
	}
	if st.Header.Kind != KindConvention {
		return nil, Refuse(CodeDocument, "this is a %s, not a convention", st.Header.Kind)
	}
	body, err := st.OpenBody()
	if err != nil {
		return nil, err
	}
	c := &SignedConvention{Convention: *body.(*Convention), Hash: ID(sha256.Sum256(st.Payload)), Raw: raw}
	if err := c.follows(before, &st.Header); err != nil {
		return nil, err
	}
	if err := c.checkSigners(st, before); err != nil {
		return nil, err
	}
	return c, nil
}

func (c *SignedConvention) follows(before *SignedConvention, h *Header) error {
	if h.ConventionVersion != c.Version {
		return Refuse(CodeDocument, "header says version %d, the convention %d", h.ConventionVersion, c.Version)
	}
	if before == nil {
		if c.Version != 1 {
			return Refuse(CodeNeed, "version %d needs the versions before it", c.Version)
		}
		c.ID = c.Hash
		return nil
	}
	c.ID = before.ID
	switch {
	case c.Version <= before.Version:
		return Refuse(CodeOldNumber, "version %d, but %d is in force", c.Version, before.Version)
	case h.Convention != before.ID:
		return Refuse(CodeConvention, "signed under another convention's id")
	case c.Version != before.Version+1:
		return Refuse(CodeNeed, "version %d needs version %d", c.Version, c.Version-1)
	case c.Previous != before.Hash:
		return Refuse(CodeDocument, "version %d names another version %d than the one known here", c.Version, before.Version)
	case c.ValidFrom < before.ValidFrom:
		return Refuse(CodeDocument, "version %d would be valid before version %d", c.Version, before.Version)
	}
	return nil
}

// checkSigners demands the exact set: all members for version 1; for a later
// one, enough parties of the version before that do not only observe, every
// root key whose party is new or changes its key or role, and nobody else.
func (c *SignedConvention) checkSigners(st *Statement, before *SignedConvention) error {
	roots := map[keys.ID]keys.Public{}
	owner := map[keys.ID]Party{}
	add := func(m Member) { roots[m.Root.ID()], owner[m.Root.ID()] = m.Root, m.Party }
	for _, m := range c.Parties {
		if before.Demands(m) {
			add(m)
		}
	}
	if before != nil {
		for _, m := range before.Parties {
			if !m.Observer {
				add(m)
			}
		}
	}
	signed := map[keys.ID]bool{}
	for i, id := range st.Header.Authors {
		p, ok := owner[id]
		if !ok {
			return Refuse(CodeExtraAuthor, "author %d (key %s) is no root key of a party that signs this version", i+1, id)
		}
		if i >= st.Signed {
			return Refuse(CodeMissingAuthor, "the signature of %s is missing", p)
		}
		signed[id] = true
	}
	if err := st.Verify(func(id keys.ID) (keys.Public, bool) { k, ok := roots[id]; return k, ok }); err != nil {
		return err
	}
	if p := owner[st.Header.Authors[0]]; p != st.Header.From {
		return Refuse(CodeWrongSender, "from is %s, but the first author is %s", st.Header.From, p)
	}
	for _, m := range c.Parties {
		if before.Demands(m) && !signed[m.Root.ID()] {
			return Refuse(CodeMissingAuthor, "the signature of %s, which is new or has a new root key or role, is missing", m.Party)
		}
	}
	if before == nil {
		return nil
	}
	count := 0
	voters := before.Speakers()
	for _, p := range voters {
		if signed[before.Member(p).Root.ID()] {
			count++
		}
	}
	if need := before.Amend.Of(len(voters)); count < need {
		return Refuse(CodeMissingAuthor, "%d of %d parties signed the amendment, %d are needed", count, len(voters), need)
	}
	return nil
}

// ConventionHeader is the header of a draft of c, to be signed by the root
// keys of signers in that order.
func ConventionHeader(c *Convention, id ID, signers []keys.Public, from Party, issued Time) Header {
	h := Header{Kind: KindConvention, Status: Actual, Precedence: Routine, TLP: TLPClear, From: from,
		Convention: id, ConventionVersion: c.Version, Issued: issued}
	for _, s := range signers {
		h.Authors = append(h.Authors, s.ID())
	}
	return h
}

// OpenSealed opens the sealed body of a statement with a party's sealing key
// and decodes it. It returns the blind, which discloses this one body to a
// third person (SPEC §3.6).
func (s *Statement) OpenSealed(key *keys.SealingPrivate) (blind [32]byte, body []byte, err error) {
	h := &s.Header
	blind, body, err = seal.OpenBody(s.Payload, BodyContext(h.Convention, h.From, h.Status), h.Commitment, key)
	if err != nil {
		return blind, nil, Refuse(CodeUnreadable, "%v", err)
	}
	return blind, body, nil
}

// Disclose checks a disclosed body against the commitment that the sender
// signed, and decodes it. It needs no key: that is the point.
func (s *Statement) Disclose(blind [32]byte, body []byte) (Body, error) {
	if !s.Header.Kind.Rules().Sealed {
		return nil, Refuse(CodeUnreadable, "the body of %s is not sealed", s.Header.Kind)
	}
	if seal.Commitment(blind, body) != s.Header.Commitment {
		return nil, Refuse(CodeBadSignature, "this is not the body that the sender committed to")
	}
	return DecodeBody(s.Header.Kind, body)
}
