package ceremony

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"github.com/pelletier/go-toml/v2"

	"example.org/hotline/crypto/keys"
	"example.org/hotline/crypto/seal"
	"example.org/hotline/hotline"
	"example.org/hotline/ops/strict"
)

// MaxDraft bounds a draft, in bytes: hotline.MaxParties with keys and signatures in hexadecimal are far below it.
const MaxDraft = 256 << 10

// ConventionDraft is a version of the convention on its way round the parties. Each one reads the text, compares its hash with the
// others, and adds the signature of its root key, in any order; a signature fits one content only. Finish makes the document.
type ConventionDraft struct {
	Convention hotline.Convention
	ID         hotline.ID // of the convention; zero in version 1
	Issued     hotline.Time
	Signers    []ConventionSigner // in the order of the document's authors: by party, an old root key before a new one
}

// ConventionSigner is one root key that must sign.
type ConventionSigner struct {
	Party     hotline.Party
	Root      keys.Public
	Signature []byte // absent before this party signed
}

// DraftConvention completes a version: it sorts the parties, numbers the version and chains it to before (nil for version 1), names
// the signers and checks every rule that one version can break. Version 1 is signed by all parties, and signers must be empty. A
// later one is signed by the given parties of the version before (all of them if empty), with the root keys that they have there,
// and by every root key that is new; fewer than the share that before demands are refused here already.
func DraftConvention(c hotline.Convention, before *hotline.SignedConvention, signers []hotline.Party, issued hotline.Time) (*ConventionDraft, error) {
	d := &ConventionDraft{Convention: c, Issued: issued}
	c.Parties = slices.Clone(c.Parties)
	for i := range c.Parties {
		c.Parties[i].Reservations = slices.Clone(c.Parties[i].Reservations)
		slices.Sort(c.Parties[i].Reservations)
	}
	slices.SortFunc(c.Parties, func(a, b hotline.Member) int { return cmp.Compare(a.Party, b.Party) })
	c.Version, c.Previous, c.Suite = 1, hotline.ID{}, hotline.Suite1
	if before != nil {
		c.Version, c.Previous, d.ID = before.Version+1, before.Hash, before.ID
	}
	d.Convention = c
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if before != nil && c.ValidFrom < before.ValidFrom {
		return nil, hotline.Refuse(hotline.CodeDocument, "version %d would be valid before version %d", c.Version, before.Version)
	}
	var err error
	d.Signers, err = conventionSigners(&c, before, signers)
	return d, err
}

func conventionSigners(c *hotline.Convention, before *hotline.SignedConvention, asked []hotline.Party) ([]ConventionSigner, error) {
	var list []ConventionSigner
	for _, m := range c.Parties {
		if before.Demands(m) {
			list = append(list, ConventionSigner{Party: m.Party, Root: m.Root})
		}
	}
	if before == nil {
		if len(asked) > 0 {
			return nil, hotline.Refuse(hotline.CodeExtraAuthor, "version 1 is signed by every party, nobody is chosen")
		}
		return list, nil
	}
	if len(asked) == 0 {
		asked = before.Speakers()
	}
	for i, p := range asked {
		old := before.Member(p)
		if old == nil {
			return nil, hotline.Refuse(hotline.CodeExtraAuthor, "%s is no party of version %d, so it has no part in the amendment", p, before.Version)
		}
		if old.Observer {
			return nil, hotline.Refuse(hotline.CodeExtraAuthor, "%s only observes in version %d, so it has no vote on the amendment", p, before.Version)
		}
		if slices.Contains(asked[:i], p) {
			return nil, hotline.Refuse(hotline.CodeSameOfficer, "%s is named twice among the signers", p)
		}
		if !slices.ContainsFunc(list, func(s ConventionSigner) bool { return s.Root == old.Root }) { // whose role changes signs once
			list = append(list, ConventionSigner{Party: p, Root: old.Root})
		}
	}
	if n := len(before.Speakers()); len(asked) < before.Amend.Of(n) {
		return nil, hotline.Refuse(hotline.CodeMissingAuthor, "%d of %d parties would sign the amendment, %d are needed", len(asked), n, before.Amend.Of(n))
	}
	isOld := func(s ConventionSigner) int {
		if m := before.Member(s.Party); m != nil && m.Root == s.Root {
			return 0
		}
		return 1
	}
	slices.SortFunc(list, func(a, b ConventionSigner) int {
		return cmp.Or(cmp.Compare(a.Party, b.Party), cmp.Compare(isOld(a), isOld(b)))
	})
	return list, nil
}

func (d *ConventionDraft) header() (hotline.Header, error) {
	if len(d.Signers) == 0 {
		return hotline.Header{}, hotline.Refuse(hotline.CodeMissingAuthor, "the draft names nobody who must sign")
	}
	roots := make([]keys.Public, len(d.Signers))
	for i, s := range d.Signers {
		roots[i] = s.Root
	}
	return hotline.ConventionHeader(&d.Convention, d.ID, roots, d.Signers[0].Party, d.Issued), nil
}

// Hash is the SHA-256 of the content that is signed; that of version 1 is the convention's id. Parties read it to each other.
func (d *ConventionDraft) Hash() (hotline.ID, error) {
	payload, err := hotline.Marshal(&d.Convention)
	if err != nil {
		return hotline.ID{}, err
	}
	return sha256.Sum256(payload), nil
}

// Missing lists the signers that have not signed.
func (d *ConventionDraft) Missing() []ConventionSigner {
	return slices.DeleteFunc(slices.Clone(d.Signers), func(s ConventionSigner) bool { return len(s.Signature) > 0 })
}

// SignConvention adds the signature of key to the draft, after checking those that are there. A key that the draft does not name
// is refused with extra-author, one that has signed with same-officer.
func SignConvention(d *ConventionDraft, key keys.Signer) error {
	if err := d.Check(); err != nil {
		return err
	}
	i := slices.IndexFunc(d.Signers, func(s ConventionSigner) bool { return s.Root == key.Public() })
	if i < 0 {
		return hotline.Refuse(hotline.CodeExtraAuthor, "this draft does not wait for the key %s", oneLine(key.Public().Fingerprint()))
	}
	if len(d.Signers[i].Signature) > 0 {
		return hotline.Refuse(hotline.CodeSameOfficer, "this key of %s has signed already", d.Signers[i].Party)
	}
	m, err := d.signAlone(key)
	if err != nil {
		return err
	}
	d.Signers[i].Signature = m.Signatures[0].Bytes
	return nil
}

// protectedHeader is the protected header of SPEC §3.1. Finish builds the document with hotline.Sign, under which every signature is
// verified again, so this form cannot differ from that of package hotline unnoticed.
type protectedHeader struct {
	Crit   []int64        `cbor:"2,keyasint"`
	Header hotline.Header `cbor:"-70001,keyasint"`
}

// signAlone signs the content with one key. A COSE signature covers header, content and its own algorithm, and no other
// signature (RFC 9052 §4.4): so each can be made by itself, and all be put together later.
func (d *ConventionDraft) signAlone(key keys.Signer) (*seal.Message, error) {
	h, err := d.header()
	if err != nil {
		return nil, err
	}
	payload, err := hotline.Marshal(&d.Convention)
	if err != nil {
		return nil, err
	}
	protected, err := hotline.Marshal(protectedHeader{Crit: []int64{hotline.HeaderLabel}, Header: h})
	if err != nil {
		return nil, err
	}
	raw, err := seal.Sign(protected, payload, hotline.AAD(h.Convention, h.Status), key)
	if err != nil {
		return nil, err
	}
	return seal.Parse(raw, hotline.MaxDocument)
}

// Check verifies the draft as far as it is signed.
func (d *ConventionDraft) Check() error {
	if err := d.Convention.Validate(); err != nil {
		return err
	}
	for _, s := range d.Signers {
		if len(s.Signature) == 0 {
			continue
		}
		if _, err := d.signAlone(given{s}); err != nil {
			return err
		}
	}
	_, err := d.header()
	return err
}

// Finish puts the signatures together and verifies the result against the version before, which is nil for version 1.
func (d *ConventionDraft) Finish(before *hotline.SignedConvention) (*hotline.SignedConvention, error) {
	if err := d.Convention.Validate(); err != nil {
		return nil, err
	}
	signers := make([]keys.Signer, len(d.Signers))
	for i, s := range d.Signers {
		if len(s.Signature) == 0 {
			return nil, hotline.Refuse(hotline.CodeMissingAuthor, "the signature of %s is missing", s.Party)
		}
		signers[i] = given{s}
	}
	h, err := d.header()
	if err != nil {
		return nil, err
	}
	payload, err := hotline.Marshal(&d.Convention)
	if err != nil {
		return nil, err
	}
	raw, err := hotline.Sign(h, payload, signers...)
	if err != nil {
		return nil, err
	}
	return hotline.ParseConvention(raw, before)
}

// InspectConvention reads a signed version without verifying anything, so that people can look at it. Signers are those whose root
// key stands in the version itself; strangers counts the others, which are root keys of the version before if the document is good.
func InspectConvention(raw []byte) (d *ConventionDraft, strangers int, err error) {
	st, err := hotline.Parse(raw)
	if err != nil {
		return nil, 0, err
	}
	body, err := st.OpenBody()
	if err != nil {
		return nil, 0, err
	}
	c, ok := body.(*hotline.Convention)
	if !ok {
		return nil, 0, hotline.Refuse(hotline.CodeDocument, "this is a %s, not a convention", st.Header.Kind)
	}
	m, err := seal.Parse(raw, hotline.MaxDocument)
	if err != nil {
		return nil, 0, err
	}
	d = &ConventionDraft{Convention: *c, ID: st.Header.Convention, Issued: st.Header.Issued}
	for i, author := range st.Header.Authors {
		at := slices.IndexFunc(c.Parties, func(m hotline.Member) bool { return m.Root.ID() == author })
		if at < 0 {
			strangers++
			continue
		}
		s := ConventionSigner{Party: c.Parties[at].Party, Root: c.Parties[at].Root}
		if i < len(m.Signatures) {
			s.Signature = m.Signatures[i].Bytes
		}
		d.Signers = append(d.Signers, s)
	}
	return d, strangers, nil
}

// given is a signer whose signature was made elsewhere.
type given struct{ ConventionSigner }

func (g given) Public() keys.Public { return g.Root }

func (g given) Sign(msg []byte) ([]byte, error) {
	if err := g.Root.Verify(msg, g.Signature); err != nil {
		return nil, hotline.Refuse(hotline.CodeBadSignature, "the signature of %s does not fit: the draft was changed after %s signed it", g.Party, g.Party)
	}
	return g.Signature, nil
}

// conventionText is the text form of a draft.
type conventionText struct {
	Version    uint64       `toml:"version"`
	Convention string       `toml:"convention,omitempty" comment:"The id of the convention: SHA-256 of the content of version 1."`
	Previous   string       `toml:"previous,omitempty" comment:"SHA-256 of the content of the version before."`
	Name       string       `toml:"name"`
	Issued     time.Time    `toml:"issued"`
	ValidFrom  time.Time    `toml:"valid_from"`
	Overlap    millis       `toml:"overlap" comment:"How long the version before is still good for statements in flight."`
	Suite      uint64       `toml:"suite" comment:"The numbered set of algorithms."`
	Amend      string       `toml:"amend" comment:"The share of the parties that must sign an amendment."`
	Witnesses  *uint64      `toml:"witnesses" comment:"Most witnesses of one log."`
	Questions  []string     `toml:"questions,multiline" comment:"What an officer answers when assessing a detection."`
	Always     []string     `toml:"always,multiline" comment:"What is notifiable whatever the answers are."`
	Terms      termsText    `toml:"terms"`
	Parties    []memberText `toml:"parties"`
	Signatures []signerText `toml:"signatures,omitempty" comment:"Who must sign, with which root key. hotline convention sign fills in the signature."`
}

type memberText struct {
	Party        string   `toml:"party"`
	Observer     bool     `toml:"observer"`
	Reservations []string `toml:"reservations" comment:"automatic-alert: its group sends none; line-test: its pairs run none."`
	Fingerprint  string   `toml:"fingerprint"`
	Root         string   `toml:"root"`
}

type signerText struct {
	Party       string `toml:"party"`
	Fingerprint string `toml:"fingerprint"`
	Key         string `toml:"key"`
	Signature   string `toml:"signature"`
}

const conventionHead = `# Draft of a convention. Every party reads it, compares the fingerprints and the hash of the content
# (hotline convention show) with the others over another channel, and signs it with its root key
# (hotline convention sign), in any order; the file travels from one to the next. A change after the
# first signature makes the signatures void.

`

// Encode returns the text of the draft: TOML, always the same for the same draft.
func (d *ConventionDraft) Encode() ([]byte, error) { return d.encode(conventionHead) }

// Content returns the text of what is signed, without the signatures.
func (d *ConventionDraft) Content() ([]byte, error) {
	bare := *d
	bare.Signers = nil
	return bare.encode("")
}

func (d *ConventionDraft) encode(head string) ([]byte, error) {
	c := &d.Convention
	t := conventionText{
		Version: c.Version, Name: c.Name, Issued: momentOf(d.Issued), ValidFrom: momentOf(c.ValidFrom), Overlap: millis(c.Overlap), Suite: c.Suite,
		Amend: fmt.Sprintf("%d/%d", c.Amend.Num, c.Amend.Den), Witnesses: &c.Witnesses, Questions: notNil(c.Questions), Always: notNil(c.Always),
		Terms: termsTextOf(c.Terms),
	}
	if !d.ID.IsZero() {
		t.Convention, t.Previous = d.ID.String(), c.Previous.String()
	}
	for _, m := range c.Parties {
		root, err := m.Root.MarshalText()
		if err != nil {
			return nil, fmt.Errorf("root key of %s: %w", m.Party, err)
		}
		t.Parties = append(t.Parties, memberText{Party: string(m.Party), Observer: m.Observer, Reservations: notNil(m.Reservations),
			Fingerprint: oneLine(m.Root.Fingerprint()), Root: string(root)})
	}
	for _, s := range d.Signers {
		key, err := s.Root.MarshalText()
		if err != nil {
			return nil, fmt.Errorf("root key of %s: %w", s.Party, err)
		}
		t.Signatures = append(t.Signatures, signerText{Party: string(s.Party), Fingerprint: oneLine(s.Root.Fingerprint()), Key: string(key),
			Signature: hex.EncodeToString(s.Signature)})
	}
	return encodeText(head, t)
}

func encodeText(head string, v any) ([]byte, error) {
	var text bytes.Buffer
	text.WriteString(head)
	if err := toml.NewEncoder(&text).Encode(v); err != nil {
		return nil, fmt.Errorf("draft: %w", err)
	}
	return text.Bytes(), nil
}

func notNil(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

// ParseConventionDraft reads what Encode returns, also after a person changed it. Every key must be there, none may be unknown, and
// fingerprints must fit their keys. It verifies no signature: Check does.
func ParseConventionDraft(text []byte) (*ConventionDraft, error) {
	t := conventionText{Overlap: missing, Terms: noTerms()}
	if _, err := strict.Read(text, MaxDraft, &t); err != nil {
		return nil, hotline.Refuse(hotline.CodeDocument, "draft of a convention: %v", err)
	}
	for _, line := range []struct {
		name   string
		absent bool
	}{{"name", t.Name == ""}, {"witnesses", t.Witnesses == nil}, {"profile", t.Terms.Profile == ""}} {
		if line.absent {
			return nil, hotline.Refuse(hotline.CodeDocument, "draft of a convention: %s is missing", line.name)
		}
	}
	readUTC(&t.Issued, &t.ValidFrom)
	c := hotline.Convention{Version: t.Version, Name: t.Name, ValidFrom: timeOf(t.ValidFrom), Overlap: int64(t.Overlap), Suite: t.Suite,
		Questions: orNil(t.Questions), Always: orNil(t.Always), Witnesses: *t.Witnesses}
	d := &ConventionDraft{Issued: timeOf(t.Issued)}
	var err error
	if c.Amend.Num, c.Amend.Den, err = ParseFraction(t.Amend); err != nil {
		return nil, err
	}
	if c.Terms, err = t.Terms.terms(); err != nil {
		return nil, err
	}
	if d.ID, err = ParseID(t.Convention); err != nil {
		return nil, err
	}
	if c.Previous, err = ParseID(t.Previous); err != nil {
		return nil, err
	}
	for _, m := range t.Parties {
		root, err := parseHexKey("root key of "+m.Party, m.Root, m.Fingerprint)
		if err != nil {
			return nil, err
		}
		c.Parties = append(c.Parties, hotline.Member{Party: hotline.Party(m.Party), Root: root, Observer: m.Observer, Reservations: orNil(m.Reservations)})
	}
	for _, s := range t.Signatures {
		signer := ConventionSigner{Party: hotline.Party(s.Party)}
		if signer.Root, err = parseHexKey("root key of "+s.Party, s.Key, s.Fingerprint); err != nil {
			return nil, err
		}
		if signer.Signature, err = hex.DecodeString(s.Signature); err != nil {
			return nil, hotline.Refuse(hotline.CodeDocument, "the signature of %s is not hexadecimal", s.Party)
		}
		d.Signers = append(d.Signers, signer)
	}
	d.Convention = c
	return d, c.Validate()
}

func orNil(list []string) []string {
	if len(list) == 0 {
		return nil
	}
	return list
}

// ParseID reads 64 hexadecimal digits; nothing is the zero id.
func ParseID(text string) (hotline.ID, error) {
	var id hotline.ID
	if text == "" {
		return id, nil
	}
	b, err := hex.DecodeString(text)
	if err != nil || len(b) != len(id) {
		return id, hotline.Refuse(hotline.CodeDocument, "%q is no hash: 64 hexadecimal digits", text)
	}
	copy(id[:], b)
	return id, nil
}
