package ledger

import (
	"cmp"
	"slices"

	"example.org/hotline/crypto/tlog"
	"example.org/hotline/hotline"
)

// A witness must never cosign two histories of one log, whichever of its nodes
// leads. So the group commits what it is about to cosign before the cosignature
// leaves: in the working state, since a record of each would make two idle logs
// write about one another for ever. Once an interval the record says what has
// come together (SPEC §7.8).

// Cosigned is the newest checkpoint of a peer's log that this party has cosigned,
// or of which its record says so.
type Cosigned struct {
	Party      hotline.Party
	Generation uint64
	Size       uint64 // 0: none
	Root       tlog.Hash
	Note       []byte // as the log signed it; not kept in the record state
}

func (c *Cosigned) newer(than *Cosigned) bool {
	return c.Generation > than.Generation || c.Generation == than.Generation && c.Size > than.Size
}

// Cosigned returns the newest checkpoint of p that was cosigned here.
func (s *State) Cosigned(p hotline.Party) Cosigned {
	known := s.witnessed[p]
	for i := range s.working.Cosigned {
		if w := &s.working.Cosigned[i]; w.Party == p && !known.newer(w) {
			known = *w
		}
	}
	known.Party = p
	return known
}

// CallsForCheckpoint says whether an entry of this type is a reason to have the
// log cosigned: a witnessed entry is none, and a clock entry stands before the
// one that counts (SPEC §7.5).
func CallsForCheckpoint(t hotline.EntryType) bool {
	return t != hotline.EntryWitnessed && t != hotline.EntryClock
}

// Weighty returns the size of the log up to its newest entry that calls for a
// checkpoint. Those that only tell of other logs' checkpoints call for none, or
// idle logs would wake each other for ever.
func (s *State) Weighty() uint64 { return s.weighty }

// ToWitness returns what a witnessed entry at t is to say, or nil: nothing new
// was cosigned, or the last such entry is too young.
func (s *State) ToWitness(t hotline.Time) *hotline.Witnessed {
	if !s.mayWitness(t) {
		return nil
	}
	w := new(hotline.Witnessed)
	for i := range s.working.Cosigned {
		known := s.witnessed[s.working.Cosigned[i].Party]
		if c := &s.working.Cosigned[i]; c.newer(&known) {
			w.Heads = append(w.Heads, hotline.WitnessedHead{Party: c.Party, Checkpoint: c.Note})
		}
	}
	if len(w.Heads) == 0 {
		return nil
	}
	return w
}

func (s *State) mayWitness(t hotline.Time) bool {
	return s.witnessedAt == 0 || t >= s.witnessedAt+hotline.Time(hotline.WitnessInterval.Milliseconds())
}

// extension reads the checkpoint that a peer asks to have cosigned.
func (c *Command) extension() (x *tlog.Extension, head Cosigned, err error) {
	if x, err = tlog.ParseExtension(c.Extension); err != nil {
		return nil, head, hotline.Refuse(hotline.CodeMalformed, "%v", err)
	}
	w := hotline.WitnessedHead{Party: c.Peer, Checkpoint: x.Note}
	generation, claimed, err := w.Head()
	if err != nil {
		return nil, head, err
	}
	if x.Old > claimed.Size {
		return nil, head, hotline.Refuse(hotline.CodeMalformed, "the old size %d lies beyond the checkpoint of size %d", x.Old, claimed.Size)
	}
	return x, Cosigned{Party: c.Peer, Generation: generation, Size: claimed.Size, Root: claimed.Root, Note: x.Note}, nil
}

// MayCosign says why the checkpoint that a cosign command carries must not be
// cosigned, or nil. The signature under it is for Verify to check.
func (s *State) MayCosign(c *Command) (head Cosigned, err error) {
	x, head, err := c.extension()
	if err != nil {
		return head, err
	}
	known := s.Cosigned(head.Party)
	switch {
	case head.Party == s.self:
		return head, hotline.Refuse(hotline.CodeWrongSender, "nobody witnesses the own log")
	case head.Generation < known.Generation:
		return head, hotline.Refuse(hotline.CodeConflict, "generation %d of the log is cosigned here", known.Generation)
	case head.Generation > known.Generation:
		known = Cosigned{Generation: head.Generation}
	case head.Size == known.Size && head.Root != known.Root:
		return head, hotline.Refuse(hotline.CodeInconsistent, "another checkpoint of the same size %d is cosigned here", known.Size)
	}
	if x.Old != known.Size {
		return head, hotline.Refuse(hotline.CodeConflict, "the checkpoint cosigned here is of size %d, not %d", known.Size, x.Old)
	}
	if err := x.Extends(known.Root, tlog.Checkpoint{Size: head.Size, Root: head.Root}); err != nil {
		return head, hotline.Refuse(hotline.CodeInconsistent, "%v", err)
	}
	return head, nil
}

// cosign takes a checkpoint that is about to be cosigned. What it extends is
// judged here again, against the newest one committed: two that were both judged
// before either was committed could contradict each other.
func (r *run) cosign() error {
	head, err := r.s.MayCosign(r.c)
	if err != nil {
		return err
	}
	w := &r.s.working
	i, found := slices.BinarySearchFunc(w.Cosigned, head.Party, func(c Cosigned, p hotline.Party) int { return cmp.Compare(c.Party, p) })
	if found {
		w.Cosigned[i] = head
	} else {
		w.Cosigned = slices.Insert(w.Cosigned, i, head)
	}
	return nil
}

// witness records what was cosigned since the last time.
func (r *run) witness() error {
	s, w := r.s, r.c.Witnessed
	if w == nil {
		return hotline.Refuse(hotline.CodeMalformed, "the command carries no checkpoints")
	}
	if err := w.Validate(); err != nil {
		return err
	}
	if !s.mayWitness(r.t) {
		return hotline.Refuse(hotline.CodeBusy, "the last witnessed entry is younger than %v", hotline.WitnessInterval)
	}
	heads := make([]Cosigned, 0, len(w.Heads))
	for i := range w.Heads {
		h := &w.Heads[i]
		generation, c, err := h.Head()
		if err != nil {
			return err
		}
		head, known := Cosigned{Party: h.Party, Generation: generation, Size: c.Size, Root: c.Root}, s.witnessed[h.Party]
		switch {
		case h.Party == s.self:
			return hotline.Refuse(hotline.CodeWrongSender, "nobody witnesses the own log")
		case !head.newer(&known):
			return hotline.Refuse(hotline.CodeOldNumber, "size %d of generation %d of the log of %s is recorded", known.Size, known.Generation, h.Party)
		}
		heads = append(heads, head)
	}
	r.add(hotline.EntryWitnessed, hotline.Common(), hotline.Outside, w)
	for _, h := range heads {
		s.witnessed[h.Party] = h
	}
	s.witnessedAt = r.t
	return nil
}

// verifyCheckpoint checks that a checkpoint is signed with a log key of its party.
func (s *State) verifyCheckpoint(p hotline.Party, note []byte, generation uint64) error {
	list := s.LogKeys(p)
	if len(list) == 0 {
		return hotline.Refuse(hotline.CodeNeed, "no directory of %s is known here", p)
	}
	var err error
	for _, k := range list {
		if _, err = tlog.ParseCheckpoint(note, tlog.Origin(string(p), generation), k); err == nil {
			return nil
		}
	}
	return hotline.Refuse(hotline.CodeBadSignature, "%v", err)
}

// verifyCosign checks the signature under a checkpoint that is to be cosigned,
// and that it is of the generation in force.
func (s *State) verifyCosign(c *Command) error {
	x, head, err := c.extension()
	if err != nil {
		return err
	}
	if d := s.Directory(head.Party); d == nil || d.Generation < head.Generation {
		return hotline.Refuse(hotline.CodeNeed, "no directory of %s opens generation %d of its log", head.Party, head.Generation)
	}
	return s.verifyCheckpoint(head.Party, x.Note, head.Generation)
}

func (s *State) verifyWitnessed(w *hotline.Witnessed) error {
	if w == nil {
		return hotline.Refuse(hotline.CodeMalformed, "the command carries no checkpoints")
	}
	for i := range w.Heads {
		h := &w.Heads[i]
		generation, _, err := h.Head()
		if err == nil {
			err = s.verifyCheckpoint(h.Party, h.Checkpoint, generation)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
