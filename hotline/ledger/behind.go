package ledger

import (
	"maps"
	"slices"

	"example.org/hotline/hotline"
)

// Judge checks signatures and proofs in committed entries with the documents
// that one state knew. It shares nothing with the state that changes, so it may
// run beside Apply, and several may use it at once.
type Judge struct{ s *State }

// Judge returns a judge with the documents that stand in this ledger now.
func (s *State) Judge() *Judge {
	d := &State{self: s.self, generation: s.generation, convention: s.convention, rules: s.rules,
		conventions: slices.Clone(s.conventions), directories: maps.Clone(s.directories)}
	for p, list := range d.directories {
		d.directories[p] = slices.Clone(list)
	}
	return &Judge{d}
}

// Verify is State.Verify with the documents of the judge.
func (j *Judge) Verify(c *Command, own func(index uint64) (*Own, error)) error {
	return j.s.Verify(c, own)
}

// Entry verifies what an entry of the own log carries, as Verify does before it
// is proposed. judged is false for an entry whose directory is no longer
// remembered: Apply has held its authors against that directory, but the keys
// are not here any more. own is that of Verify. An error means that the group
// has committed what its leader never verified: the process must stop.
func (j *Judge) Entry(raw []byte, own func(index uint64) (*Own, error)) (judged bool, err error) {
	e, content, err := hotline.DecodeEntry(raw)
	if err != nil {
		return true, err
	}
	switch content.(type) {
	case *hotline.Sent, *hotline.Received, *hotline.Receipted, *hotline.Witnessed:
	default:
		return true, nil // documents prove themselves and Apply verifies them; the rest bears no signature
	}
	c, _ := recall(e, content)
	if err = j.s.Verify(c, own); err != nil && j.forgotten(content) {
		return false, nil
	}
	return true, err
}

// forgotten reports whether the directory under which an entry was made has
// fallen out of the memory of directories.
func (j *Judge) forgotten(content any) bool {
	older := func(p hotline.Party, number uint64) bool {
		list := j.s.directories[p]
		return len(list) == hotline.DirectoryMemory && number < list[0].Number
	}
	switch c := content.(type) {
	case *hotline.Sent:
		return older(j.s.self, c.Directory)
	case *hotline.Received:
		st, err := hotline.Parse(c.Statement)
		if err != nil {
			return false
		}
		sender, err := hotline.ParseSenderEntry(c.Sender)
		return err == nil && older(st.Header.From, sender.Sent.Directory)
	case *hotline.Receipted:
		// A receipt names no directory: the time at which it was made decides.
		rc, err := hotline.ParseReceipt(c.Receipt)
		if err != nil {
			return false
		}
		list := j.s.directories[rc.Party]
		return len(list) == hotline.DirectoryMemory && rc.Time < list[0].Issued
	case *hotline.Witnessed:
		return slices.ContainsFunc(c.Heads, func(h hotline.WitnessedHead) bool { return len(j.s.directories[h.Party]) == hotline.DirectoryMemory })
	}
	return false
}
