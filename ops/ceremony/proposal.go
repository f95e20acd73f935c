package ceremony

import (
	"slices"
	"strings"

	"example.org/hotline/crypto/keys"
	"example.org/hotline/hotline"
)

// Proposal says what a new version of a convention shall be. For version 1, Name, Profile, Parties and ValidFrom are needed; for an
// amendment, everything that is left out stays as it is in the version before.
type Proposal struct {
	Name      string
	Profile   string // shipped terms; replaces all terms of the version before
	Parties   []PartyRoot
	Remove    []hotline.Party
	Observers []hotline.Party // of Parties or of the version before: from now on they only observe
	Speakers  []hotline.Party // observers of the version before that take full part from now on
	Reserve   []Reservation
	Scale     *hotline.Share // every duration of the terms times this, at least 1 s; before Settings
	Settings  []string       // for SetTerm
	Amend     *hotline.Share
	ValidFrom hotline.Time
	Overlap   *int64 // ms
	Witnesses *uint64
	Questions []string
	Always    []string
}

// PartyRoot is a party that joins, or the new root key of one that is there.
type PartyRoot struct {
	Party hotline.Party
	Root  keys.Public
}

// Reservation is what a party reserves against.
type Reservation struct {
	Party hotline.Party
	What  string
}

// What version 1 says where the proposal does not.
const (
	defaultOverlap   = 24 * 3600 * 1000 // ms
	defaultWitnesses = 7
)

var defaultAmend = hotline.Share{Num: 2, Den: 3}

// Version returns the content of the proposed version, which DraftConvention completes and checks.
func (p *Proposal) Version(before *hotline.SignedConvention) (hotline.Convention, error) {
	c := hotline.Convention{Overlap: defaultOverlap, Amend: defaultAmend, Witnesses: defaultWitnesses}
	if before != nil {
		c = before.Convention
		c.Parties = slices.Clone(c.Parties)
	} else if p.Name == "" || p.Profile == "" {
		return c, hotline.Refuse(hotline.CodeDocument, "version 1 needs a name and a profile, crisis or standard")
	} else {
		c.Questions, c.Always = hotline.Instrument()
	}
	if p.Name != "" {
		c.Name = p.Name
	}
	if p.ValidFrom != 0 {
		c.ValidFrom = p.ValidFrom
	}
	if p.Overlap != nil {
		c.Overlap = *p.Overlap
	}
	if p.Witnesses != nil {
		c.Witnesses = *p.Witnesses
	}
	if p.Amend != nil {
		c.Amend = *p.Amend
	}
	if len(p.Questions) > 0 {
		c.Questions = p.Questions
	}
	if len(p.Always) > 0 {
		c.Always = p.Always
	}
	if err := p.terms(&c.Terms); err != nil {
		return c, err
	}
	return c, p.members(&c)
}

func (p *Proposal) terms(t *hotline.Terms) error {
	if p.Profile != "" {
		terms, ok := hotline.Profile(p.Profile)
		if !ok {
			return hotline.Refuse(hotline.CodeDocument, "there is no profile %q: crisis or standard", p.Profile)
		}
		*t = terms
	}
	if p.Scale != nil {
		if err := ScaleTerms(t, int64(p.Scale.Num), int64(p.Scale.Den)); err != nil {
			return err
		}
	}
	for _, s := range p.Settings {
		if err := SetTerm(t, s); err != nil {
			return err
		}
	}
	return t.Validate()
}

// roles says who only observes. An observer has nothing to reserve against.
func (p *Proposal) roles(c *hotline.Convention) error {
	for _, list := range []struct {
		codes    []hotline.Party
		observer bool
	}{{p.Speakers, false}, {p.Observers, true}} {
		for _, code := range list.codes {
			m := c.Member(code)
			if m == nil {
				return noParty(code)
			}
			if m.Observer = list.observer; m.Observer {
				m.Reservations = nil
			}
		}
	}
	return nil
}

func (p *Proposal) members(c *hotline.Convention) error {
	for i, add := range p.Parties {
		if slices.ContainsFunc(p.Parties[:i], func(q PartyRoot) bool { return q.Party == add.Party }) {
			return hotline.Refuse(hotline.CodeDocument, "%s is given twice", add.Party)
		}
		if m := c.Member(add.Party); m != nil {
			m.Root = add.Root
			continue
		}
		c.Parties = append(c.Parties, hotline.Member{Party: add.Party, Root: add.Root})
	}
	for _, code := range p.Remove {
		if c.Member(code) == nil {
			return noParty(code)
		}
		c.Parties = slices.DeleteFunc(c.Parties, func(m hotline.Member) bool { return m.Party == code })
	}
	if err := p.roles(c); err != nil {
		return err
	}
	for _, r := range p.Reserve {
		m := c.Member(r.Party)
		if m == nil {
			return noParty(r.Party)
		}
		if !slices.Contains(m.Reservations, r.What) {
			m.Reservations = append(slices.Clone(m.Reservations), r.What)
		}
	}
	return nil
}

func noParty(code hotline.Party) error {
	return hotline.Refuse(hotline.CodeDocument, "%q is no party of this version", code)
}

// LoadPartyRoot reads "XA=root.pub"; the file must name the same party.
func LoadPartyRoot(text string) (PartyRoot, error) {
	code, path, ok := strings.Cut(text, "=")
	if !ok {
		return PartyRoot{}, hotline.Refuse(hotline.CodeDocument, "%q names no root key: write it like XA=root.pub", text)
	}
	k, err := LoadPublicKey(path, keys.PurposeRoot)
	if err != nil {
		return PartyRoot{}, err
	}
	if k.Name != code {
		return PartyRoot{}, hotline.Refuse(hotline.CodeDocument, "%s holds the root key of %s, not of %s", path, k.Name, code)
	}
	return PartyRoot{Party: hotline.Party(code), Root: k.Signing}, nil
}

// ParseReservation reads "XA=automatic-alert".
func ParseReservation(text string) (Reservation, error) {
	code, what, ok := strings.Cut(text, "=")
	if !ok || (what != hotline.ReserveAutomaticAlert && what != hotline.ReserveLineTest) {
		return Reservation{}, hotline.Refuse(hotline.CodeDocument, "%q is no reservation: write XA=%s or XA=%s", text,
			hotline.ReserveAutomaticAlert, hotline.ReserveLineTest)
	}
	return Reservation{Party: hotline.Party(code), What: what}, nil
}
