package hotline

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"example.org/hotline/crypto/keys"
	"example.org/hotline/crypto/seal"
)

// Protocol is the version of everything in SPEC. It is bound into every
// signature, so nothing of one version verifies in another.
const Protocol = 1

// Domains of signatures and ids (SPEC §3.3). A signature made in one domain
// never verifies in another.
const (
	DomainStatement = "hotline/statement"
	DomainReceipt   = "hotline/receipt"
	DomainBody      = "hotline/body"
)

// HeaderLabel is the private COSE label under which the Hotline header stands
// in the protected header. It is listed in crit (RFC 9052 §3.1): a verifier
// that does not know it must not accept the statement.
const HeaderLabel = -70001

// Party is the short code of a state or observer: two to eight of A-Z, 0-9,
// beginning with a letter.
type Party string

// Valid reports whether p has the form of a party code.
func (p Party) Valid() bool {
	if len(p) < 2 || len(p) > 8 || p[0] < 'A' || p[0] > 'Z' {
		return false
	}
	for _, c := range []byte(p) {
		if (c < 'A' || c > 'Z') && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}

// Time is Unix milliseconds.
type Time int64

// ID names a statement: SHA-256 of the deterministic CBOR array
// [domain, protected, payload], without the signatures (SPEC §3.4).
type ID [32]byte

func (id ID) String() string { return hex.EncodeToString(id[:]) }

// Short is the first 12 hexadecimal digits: for people, never for machines.
func (id ID) Short() string { return hex.EncodeToString(id[:6]) }

// IsZero reports whether id is unset.
func (id ID) IsZero() bool { return id == ID{} }

// CaseID names a case: the party that opened it and the id of the opening
// statement.
type CaseID struct {
	_     struct{} `cbor:",toarray"`
	Party Party
	ID    ID
}

func (c CaseID) String() string { return string(c.Party) + "/" + c.ID.Short() }

// Key is the whole case name, fit for sorting and for maps.
func (c CaseID) Key() string { return string(c.Party) + "/" + c.ID.String() }

// Status keeps exercises and reality apart. It stands in the header and in
// the external AAD, so a statement of one status never verifies as another.
type Status uint8

// The three statuses (SPEC §3.2).
const (
	Actual   Status = 1
	Exercise Status = 2
	Test     Status = 3
)

func (s Status) String() string {
	switch s {
	case Actual:
		return "ACTUAL"
	case Exercise:
		return "EXERCISE"
	case Test:
		return "TEST"
	}
	return fmt.Sprintf("status(%d)", uint8(s))
}

// Precedence orders lanes and deadlines, after ACP 121.
type Precedence uint8

// The four precedences.
const (
	Flash     Precedence = 1
	Immediate Precedence = 2
	Priority  Precedence = 3
	Routine   Precedence = 4
)

func (p Precedence) String() string {
	switch p {
	case Flash:
		return "FLASH"
	case Immediate:
		return "IMMEDIATE"
	case Priority:
		return "PRIORITY"
	case Routine:
		return "ROUTINE"
	}
	return fmt.Sprintf("precedence(%d)", uint8(p))
}

// TLP is the Traffic Light Protocol 2.0 label.
type TLP uint8

// The labels of TLP 2.0.
const (
	TLPRed         TLP = 1
	TLPAmberStrict TLP = 2
	TLPAmber       TLP = 3
	TLPGreen       TLP = 4
	TLPClear       TLP = 5
)

func (t TLP) String() string {
	names := [...]string{"", "TLP:RED", "TLP:AMBER+STRICT", "TLP:AMBER", "TLP:GREEN", "TLP:CLEAR"}
	if int(t) < len(names) && t > 0 {
		return names[t]
	}
	return fmt.Sprintf("tlp(%d)", uint8(t))
}

// Verdict is the outcome of an assessment.
type Verdict uint8

// The two verdicts of an assessment.
const (
	Notifiable     Verdict = 1
	BelowThreshold Verdict = 2
)

func (v Verdict) String() string {
	switch v {
	case Notifiable:
		return "NOTIFIABLE"
	case BelowThreshold:
		return "BELOW-THRESHOLD"
	}
	return fmt.Sprintf("verdict(%d)", uint8(v))
}

// Disposition is what a statement decides about the one that it refers to.
type Disposition uint8

// The dispositions (SPEC §3.2).
const (
	Interim    Disposition = 1 // of a reply: for the time being
	Conclusive Disposition = 2 // of a reply: for good
	Approved   Disposition = 3 // of an assistance request
	Denied     Disposition = 4
	Pending    Disposition = 5 // not decided yet
	Suspended  Disposition = 6
	Resumed    Disposition = 7
)

func (d Disposition) String() string {
	names := [...]string{"", "INTERIM", "FINAL", "APPROVED", "DENIED", "PENDING", "SUSPENDED", "RESUMED"}
	if int(d) < len(names) && d > 0 {
		return names[d]
	}
	return fmt.Sprintf("disposition(%d)", uint8(d))
}

// Concludes reports whether nothing more has to follow about the same request.
func (d Disposition) Concludes() bool { return d != Interim && d != Pending }

// PeerHead is the newest cosigned checkpoint of another party that the author
// knew: what follows cannot be older than it.
type PeerHead struct {
	_      struct{} `cbor:",toarray"`
	Origin string
	Size   uint64
	Root   [32]byte
}

// Header is the signed part of a statement that both parties' nodes read.
// Everything a ledger decides on stands here (SPEC §3.2).
type Header struct {
	Kind              Kind       `cbor:"1,keyasint"`
	Status            Status     `cbor:"2,keyasint"`
	Precedence        Precedence `cbor:"3,keyasint"`
	TLP               TLP        `cbor:"4,keyasint"`
	From              Party      `cbor:"5,keyasint"`
	To                []Party    `cbor:"6,keyasint,omitempty"` // sorted, without doubles
	Authors           []keys.ID  `cbor:"7,keyasint"`           // one signature each, in this order
	Convention        ID         `cbor:"8,keyasint"`           // zero only in version 1 of the convention itself
	ConventionVersion uint64     `cbor:"9,keyasint"`
	Directory         uint64     `cbor:"10,keyasint"`           // number of the sender's directory that the author used
	Case              *CaseID    `cbor:"11,keyasint,omitempty"` // absent in an opening statement
	Re                *ID        `cbor:"12,keyasint,omitempty"` // in reply to
	Supersedes        *ID        `cbor:"13,keyasint,omitempty"`
	Cause             uint64     `cbor:"14,keyasint,omitempty"` // 1 + index of the own entry that asked for a group's statement
	Issued            Time       `cbor:"15,keyasint"`
	Detected          Time       `cbor:"16,keyasint,omitempty"`
	Assessed          Time       `cbor:"17,keyasint,omitempty"`
	Peer              *PeerHead  `cbor:"18,keyasint,omitempty"`
	Commitment        [32]byte   `cbor:"19,keyasint,omitzero"` // H(blind || body) of a sealed body
	Verdict           Verdict    `cbor:"20,keyasint,omitempty"`
	Notify            []Party    `cbor:"21,keyasint,omitempty"` // whom an assessment says must be told; sorted
	Reason            Code       `cbor:"22,keyasint,omitempty"`
	// Disposition of what Re names, or of the line.
	Disposition Disposition `cbor:"23,keyasint,omitempty"`
	// Answers of an assessment to the decision questions of the convention
	// version that the header names, in their order; Always is 1 + the index
	// of the always-notifiable item that applies.
	Answers []bool `cbor:"24,keyasint,omitempty"`
	Always  uint64 `cbor:"25,keyasint,omitempty"`
}

type protected struct {
	Crit   []int64 `cbor:"2,keyasint"`
	Header Header  `cbor:"-70001,keyasint"`
}

// Statement is a parsed statement: Raw are the accepted bytes, which are never
// encoded again.
type Statement struct {
	Raw       []byte
	ID        ID
	Header    Header
	Payload   []byte
	Signed    int // signatures present; less than len(Header.Authors) in a draft
	message   *seal.Message
	protected []byte
}

// AAD is the external additional data of a statement's signatures:
// [domain, protocol, convention, status] (SPEC §3.3).
func AAD(convention ID, status Status) []byte {
	w := signedUnder(4, DomainStatement, convention)
	number(&status, w)
	return w.b
}

// signedUnder begins an array of n with what stands in every signature.
func signedUnder(n uint64, domain string, convention ID) *wire {
	w := &wire{b: make([]byte, 0, 64), writing: true}
	w.exactly(majorArray, n)
	text(&domain, w)
	w.head(majorUint, Protocol)
	convention.code(w)
	return w
}

// BodyContext is what a sealed body is bound to, so that it opens under no
// other convention, sender or commitment of status.
func BodyContext(convention ID, from Party, status Status) []byte {
	return MustMarshal([]any{DomainBody, uint64(Protocol), convention, from, status})
}

// Sign builds a statement and signs it with the given signers, who must be
// the first of h.Authors in order. Fewer signers than authors make a draft.
func Sign(h Header, payload []byte, signers ...keys.Signer) ([]byte, error) {
	if err := h.check(); err != nil {
		return nil, err
	}
	if len(signers) == 0 || len(signers) > len(h.Authors) {
		return nil, Refuse(CodeMissingAuthor, "%d signers for %d authors", len(signers), len(h.Authors))
	}
	for i, s := range signers {
		if s.Public().ID() != h.Authors[i] {
			return nil, Refuse(CodeMissingAuthor, "signer %d is not author %d of the header", i+1, i+1)
		}
	}
	prot, err := Marshal(protected{Crit: []int64{HeaderLabel}, Header: h})
	if err != nil {
		return nil, err
	}
	if err := h.Kind.Rules().checkPayload(&h, payload); err != nil {
		return nil, err
	}
	raw, err := seal.Sign(prot, payload, AAD(h.Convention, h.Status), signers...)
	if err != nil {
		return nil, err
	}
	return raw, h.Kind.Rules().checkSize(len(raw))
}

// Countersign adds the signature of the draft's next author.
func Countersign(raw []byte, s keys.Signer) ([]byte, error) {
	st, err := Parse(raw)
	if err != nil {
		return nil, err
	}
	if st.Signed >= len(st.Header.Authors) {
		return nil, Refuse(CodeExtraAuthor, "all %d authors have signed", st.Signed)
	}
	if st.Header.Authors[st.Signed] != s.Public().ID() {
		return nil, Refuse(CodeMissingAuthor, "the draft waits for the signature of key %s", st.Header.Authors[st.Signed])
	}
	signed, err := seal.AddSignature(raw, AAD(st.Header.Convention, st.Header.Status), s)
	if err != nil {
		return nil, err
	}
	return signed, st.Header.Kind.Rules().checkSize(len(signed))
}

// Parse decodes a statement or a draft strictly. It verifies no signature.
// Every refusal carries its code (SPEC §3.5).
func Parse(raw []byte) (*Statement, error) {
	if len(raw) > MaxStatement {
		return nil, Refuse(CodeTooLarge, "statement of %d bytes, at most %d", len(raw), MaxStatement)
	}
	m, err := seal.Parse(raw, MaxStatement)
	if err != nil {
		return nil, Refuse(CodeMalformed, "%v", err)
	}
	var p protected
	if err := Unmarshal(m.Protected, &p, MaxStatement); err != nil {
		return nil, err
	}
	if len(p.Crit) != 1 || p.Crit[0] != HeaderLabel {
		return nil, Refuse(CodeMalformed, "crit must list exactly the hotline header")
	}
	if err := p.Header.check(); err != nil {
		return nil, err
	}
	if err := p.Header.Kind.Rules().checkSize(len(raw)); err != nil {
		return nil, err
	}
	if len(m.Signatures) > len(p.Header.Authors) {
		return nil, Refuse(CodeExtraAuthor, "%d signatures for %d authors", len(m.Signatures), len(p.Header.Authors))
	}
	if err := p.Header.Kind.Rules().checkPayload(&p.Header, m.Payload); err != nil {
		return nil, err
	}
	return &Statement{
		Raw: raw, ID: ID(seal.ID(DomainStatement, m.Protected, m.Payload)), Header: p.Header,
		Payload: m.Payload, Signed: len(m.Signatures), message: m, protected: m.Protected,
	}, nil
}

// InCase is the case that the statement stands in or opens; nil: none.
func (s *Statement) InCase() *CaseID {
	switch {
	case s.Header.Case != nil:
		return s.Header.Case
	case s.Header.Kind.Rules().Opens:
		return &CaseID{Party: s.Header.From, ID: s.ID}
	}
	return nil
}

// Complete reports whether every author has signed.
func (s *Statement) Complete() bool { return s.Signed == len(s.Header.Authors) }

// Verify checks the signatures present against the authors' public keys,
// which lookup finds by id. A draft verifies as far as it is signed; callers
// that need all signatures ask Complete.
func (s *Statement) Verify(lookup func(keys.ID) (keys.Public, bool)) error {
	pubs := make([]keys.Public, 0, s.Signed)
	for i, id := range s.Header.Authors[:s.Signed] {
		pub, ok := lookup(id)
		if !ok {
			return Refuse(CodeUnknownKey, "author %d: key %s is in no directory of %s", i+1, id, s.Header.From)
		}
		pubs = append(pubs, pub)
	}
	if err := s.message.Verify(AAD(s.Header.Convention, s.Header.Status), pubs...); err != nil {
		return Refuse(CodeBadSignature, "%v", err)
	}
	return nil
}

// check holds the rules of every header; those of its kind are in Rules.
func (h *Header) check() error {
	r := h.Kind.Rules()
	if r == nil {
		return Refuse(CodeUnknownKind, "kind %d is not in the closed set", uint64(h.Kind))
	}
	switch {
	case h.Status < Actual || h.Status > Test:
		return Refuse(CodeHeader, "status %d", h.Status)
	case h.Precedence < Flash || h.Precedence > Routine:
		return Refuse(CodeHeader, "precedence %d", h.Precedence)
	case h.TLP < TLPRed || h.TLP > TLPClear:
		return Refuse(CodeHeader, "tlp %d", h.TLP)
	case !h.From.Valid():
		return Refuse(CodeHeader, "from %q is no party code", h.From)
	case len(h.Authors) == 0:
		return Refuse(CodeMissingAuthor, "no authors")
	case len(h.Authors) > MaxAuthors:
		return Refuse(CodeExtraAuthor, "%d authors, at most %d", len(h.Authors), MaxAuthors)
	case h.Issued <= 0 || h.Detected < 0 || h.Assessed < 0:
		return Refuse(CodeHeader, "times must be positive")
	case h.Reason != "" && !h.Reason.wellFormed():
		return Refuse(CodeHeader, "reason is not 1 to 32 lower-case letters, digits and hyphens")
	case h.Disposition > Resumed || len(h.Answers) > maxQuestions || h.Always > maxAlways:
		return Refuse(CodeHeader, "disposition, answers or always-notifiable item out of range")
	case h.Peer != nil && !validOrigin(h.Peer.Origin):
		return Refuse(CodeHeader, "peer origin %q is not hotline/<party>/<generation>", h.Peer.Origin)
	case h.Case != nil && (!h.Case.Party.Valid() || h.Case.ID.IsZero()):
		return Refuse(CodeHeader, "case names no party or no statement")
	case h.Re != nil && h.Re.IsZero(), h.Supersedes != nil && h.Supersedes.IsZero():
		return Refuse(CodeHeader, "reference to the zero id")
	}
	for i, a := range h.Authors {
		if slices.Contains(h.Authors[:i], a) {
			return Refuse(CodeSameOfficer, "key %s stands twice among the authors", a)
		}
	}
	if err := checkParties("to", h.To, MaxAddressees); err != nil {
		return err
	}
	if err := checkParties("notify", h.Notify, MaxAddressees); err != nil {
		return err
	}
	if slices.Contains(h.To, h.From) || slices.Contains(h.Notify, h.From) {
		return Refuse(CodeWrongAddressee, "%s addresses itself", h.From)
	}
	return r.checkHeader(h)
}

// validOrigin accepts the origin of a party's log, hotline/<party>/<generation>
// with the generation in decimal, from 1 and without leading zeros (SPEC §7.5).
func validOrigin(s string) bool {
	rest, ok := strings.CutPrefix(s, "hotline/")
	party, generation, found := strings.Cut(rest, "/")
	n, err := strconv.ParseUint(generation, 10, 64)
	return ok && found && Party(party).Valid() && err == nil && n > 0 && strconv.FormatUint(n, 10) == generation
}

// checkParties holds a list of parties to its order and bound.
func checkParties(field string, list []Party, most int) error {
	if len(list) > most {
		return Refuse(CodeHeader, "%s names %d parties, at most %d", field, len(list), most)
	}
	for i, p := range list {
		if !p.Valid() {
			return Refuse(CodeHeader, "%s: %q is no party code", field, p)
		}
		if i > 0 && list[i-1] >= p {
			return Refuse(CodeHeader, "%s is not sorted without doubles", field)
		}
	}
	return nil
}
