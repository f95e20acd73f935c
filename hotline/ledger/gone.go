package ledger

import (
	"slices"

	"example.org/hotline/hotline"
)

// This file ends what an amendment left standing for nothing: duties of which the
// terms are gone (SPEC §6.12), and what is owed towards whoever left or only observes
// now: nobody can do it any more, and nobody owes it (SPEC §6.3 rules 12 and 13).

// speaks reports whether p is a party by the convention in force at t, and not only
// an observer.
func (s *State) speaks(p hotline.Party, t hotline.Time) bool {
	c := s.Convention(t)
	return c.Member(p) != nil && !c.Observes(p)
}

// awaits reports whether a duty waits for what comes from the peer.
func awaits(d *Duty) bool { return d.Class == hotline.DutyDeliver || d.Class.Provisional() }

// forNobody reports whether by the convention in force at t nobody is left to whom a
// duty is owed, or from whom what it waits for may still come.
func (s *State) forNobody(d *Duty, t hotline.Time) bool {
	switch {
	case d.Class == hotline.DutyAlert:
		k := s.caseOf(d.Case)
		return k != nil && len(s.tellable(k.Untold, t)) == 0
	case d.Class == hotline.DutyRatify:
		alert := s.caseOf(d.Case).known(d.Subject)
		return alert != nil && !slices.ContainsFunc(alert.To, func(p hotline.Party) bool { return s.speaks(p, t) })
	case d.Class.Provisional() && !s.speaks(s.self, t):
		return true
	}
	return d.Peer != "" && !s.speaks(d.Peer, t)
}

// over reports whether the next clock of a duty stands for nothing any more: an
// amendment ended it. Then it passes without an entry; so only its due time may decide,
// which a replay knows too.
func (s *State) over(d *Duty) bool {
	clock := &d.Clocks[d.Next]
	c := s.Convention(clock.Due)
	switch d.Class {
	case hotline.DutyLineTest, hotline.DutyLineReply:
		return false // their one clock is the end of them
	case hotline.DutyLineAnswered, hotline.DutyLineHeard:
		return !s.testsLine(c, d.Peer) || c.Terms.LineAlarm == 0
	case hotline.DutyWatchTest:
		return !s.testsLine(c, d.Peer) || c.Terms.WatchTest == 0
	case hotline.DutyContacts:
		return c.Terms.Contacts == 0 || c.Observes(s.self)
	case hotline.DutyAlert:
		return d.Overdue && s.forNobody(d, clock.Due)
	case hotline.DutyAcknowledge: // before the deadline it wakes who must read what came
		return clock.Permille >= hotline.Deadline && s.forNobody(d, clock.Due)
	}
	if awaits(d) { // until the deadline: what does not come stays on the record
		return (d.Overdue || d.Class.Provisional() && !s.speaks(s.self, clock.Due)) && s.forNobody(d, clock.Due)
	}
	return s.forNobody(d, clock.Due)
}

// passOver drops a duty of which a clock stands for nothing any more, and sets what
// a later version of the convention brings in its place. Of that, too, only the due
// time of the clock may decide.
func (r *run) passOver(d *Duty) {
	then := &run{s: r.s, c: r.c, t: d.Clocks[d.Next].Due, res: r.res}
	r.pass(then.t)
	r.s.lift(d)
	switch d.Class {
	case hotline.DutyLineAnswered, hotline.DutyLineHeard:
		then.awaitLine(r.s.pairs[d.Peer], d.Class, hotline.ID{})
	case hotline.DutyWatchTest:
		then.scheduleWatchTest(r.s.pairs[d.Peer])
	case hotline.DutyContacts:
		then.confirmContacts()
	}
}

// goesLike reports whether addressees are those of an own statement, or all of them to
// whom something can be told at t: what is said about it is kept from nobody by one who
// left (SPEC §4.4, §4.21).
func (s *State) goesLike(to []hotline.Party, what *Known, t hotline.Time) bool {
	return slices.Equal(to, what.To) || slices.Equal(to, s.tellable(what.To, t))
}

// toldBefore are the addressees of what an own retraction takes back, or a
// ratification confirms: its scope names them all (SPEC §7.3).
func (s *State) toldBefore(h *hotline.Header) []hotline.Party {
	if h.Kind != hotline.KindRetract && h.Kind != hotline.KindRatification {
		return nil
	}
	if what := s.caseOf(h.Case).known(*h.Re); what != nil {
		return what.To
	}
	return nil
}

// vacate ends, when another version of the convention comes into force, the duties for
// nobody that have no clock left: the others end with their next one.
func (r *run) vacate() {
	s := r.s
	c := s.Convention(r.t)
	if c == nil || c.Version <= s.vacated {
		return
	}
	s.vacated = c.Version
	r.pass(min(r.t, c.ValidFrom))
	for _, d := range s.OpenDuties() {
		if d.Next == len(d.Clocks) && s.forNobody(d, r.t) {
			s.lift(d)
		}
	}
}
