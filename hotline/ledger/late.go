package ledger

import (
	"slices"

	"example.org/hotline/hotline"
)

// Late is a duty of this party that was overdue. Nothing unmarks it; a signed
// reason may explain it (SPEC §6.3).
type Late struct {
	Class   hotline.Duty
	Subject hotline.ID
	Peer    hotline.Party
	Due     hotline.Time
	Entry   uint64       // the due entry that says overdue
	Done    hotline.Time // 0: not done yet
	Reason  hotline.Code // "": not explained yet
}

// late notes that a duty is overdue.
func (s *State) late(d *Duty, due hotline.Time, entry uint64) {
	if !d.Class.Owned() {
		return
	}
	list := s.lateOf(d.Case, d.Peer)
	if len(*list) >= hotline.MaxLate {
		*list = slices.Delete(*list, 0, 1)
	}
	*list = append(*list, Late{Class: d.Class, Subject: d.Subject, Peer: d.Peer, Due: due, Entry: entry})
}

// lateOf is where what was late in a case, or towards a peer, is kept.
func (s *State) lateOf(c *hotline.CaseID, peer hotline.Party) *[]Late {
	if c != nil {
		return &s.cases[c.Key()].Late
	}
	return &s.pairs[peer].Late
}

// lately notes that an overdue duty was done after all.
func (s *State) lately(d *Duty, at hotline.Time) {
	if !d.Class.Owned() {
		return
	}
	list := *s.lateOf(d.Case, d.Peer)
	for i := range list {
		if list[i].Class == d.Class && list[i].Subject == d.Subject && list[i].Peer == d.Peer && list[i].Done == 0 {
			list[i].Done = at
		}
	}
}

// explained finds what a late reason of a time is about, or nil.
func (s *State) explained(h *hotline.Header, t hotline.Time) *Late {
	find := func(list []Late) *Late {
		for i := range list {
			if list[i].Entry+1 == h.Cause && list[i].Subject == *h.Re {
				return &list[i]
			}
		}
		return nil
	}
	if k := s.caseOf(h.Case); k != nil {
		return find(k.Late)
	}
	for _, p := range sortedKeys(s.pairs) {
		if l := find(s.pairs[p].Late); l != nil && !l.forgotten(t) {
			return l
		}
	}
	return nil
}

// lateReason takes an operator's reason for a duty that was overdue.
func (r *run) lateReason(st *hotline.Statement) (func(uint64), error) {
	h := &st.Header
	l := r.s.explained(h, r.t)
	switch {
	case l == nil:
		return nil, hotline.Refuse(hotline.CodeNotOwed, "entry %d says of no own duty about %s that it was overdue", h.Cause-1, h.Re.Short())
	case l.Reason != "":
		return nil, hotline.Refuse(hotline.CodeDuplicate, "the reason for entry %d was given: %s", h.Cause-1, l.Reason)
	}
	return func(uint64) { l.Reason = h.Reason }, nil
}

// forgetLate drops what is no longer explained: a line has no end.
func (p *Pair) forgetLate(t hotline.Time) {
	p.Late = slices.DeleteFunc(p.Late, func(l Late) bool { return l.forgotten(t) })
}

// forgotten reports whether what belongs to no case is no longer explained at t.
func (l *Late) forgotten(t hotline.Time) bool { return l.Due+settledMemory < t }
