package ledger

import (
	"slices"

	"example.org/hotline/hotline"
)

// This file holds what is due without a statement that asks for it: tests of
// the line and of its people, the alarm when they fail, and the confirmation of
// contact data (SPEC §4.11, §4.35, §6.12).

// scheduleLineTest sets the pair's next own test. Slots of the interval are
// counted from the epoch; the party whose code sorts first takes the even
// ones, the other the odd ones, as the Direct Communications Link does with
// its hours: both sides originate, and neither needs to agree on a phase.
func (r *run) scheduleLineTest(pair *Pair) {
	s := r.s
	c, at := r.testing(pair.Peer, func(t *hotline.Terms) bool { return t.LineTest != 0 })
	if c == nil || pair.has(hotline.DutyLineTest) {
		return
	}
	s.open(&Duty{Class: hotline.DutyLineTest, Peer: pair.Peer, Status: hotline.Test, Precedence: hotline.Routine,
		Opened: r.t, Deadline: lineSlot(c, s.self < pair.Peer, at, 1)}, single("line", nil))
}

// testing returns the version of the convention by which the line to p is tested
// with a term, and from when on; nil if it is not.
func (r *run) testing(p hotline.Party, has func(*hotline.Terms) bool) (*hotline.SignedConvention, hotline.Time) {
	return r.bringing(func(c *hotline.SignedConvention) bool { return r.s.testsLine(c, p) && has(&c.Terms) })
}

// bringing returns the version of the convention that knows a duty, and from when
// on it counts: the one in force, or the first of those that are valid later;
// nil if none does. So what an amendment brings is set when it comes into the
// ledger, and begins when it comes into force.
func (r *run) bringing(knows func(*hotline.SignedConvention) bool) (*hotline.SignedConvention, hotline.Time) {
	if c := r.s.Convention(r.t); knows(c) {
		return c, r.t
	}
	for _, later := range r.s.conventions {
		if at := later.ValidFrom; at > r.t {
			if c := r.s.Convention(at); knows(c) {
				return c, at
			}
		}
	}
	return nil, 0
}

// knownSince returns when the version in force at t, or one before it that no
// other came after, began to know a duty that it knows; 0: from the beginning.
func (s *State) knownSince(t hotline.Time, knows func(*hotline.SignedConvention) bool) (since hotline.Time) {
	i := int(s.Convention(t).Version) - 1
	for i > 0 && knows(s.conventions[i]) {
		since = s.conventions[i].ValidFrom
		i--
	}
	if knows(s.conventions[i]) {
		return 0
	}
	return since
}

// lineSlot is the time of the n-th slot after at of the party whose code sorts
// first, or of the other one.
func lineSlot(c *hotline.SignedConvention, first bool, at hotline.Time, n uint64) hotline.Time {
	interval := hotline.Time(c.Terms.LineTest)
	slot, parity := at/interval+1, hotline.Time(1)
	if first {
		parity = 0
	}
	if slot%2 != parity {
		slot++
	}
	return (slot + 2*hotline.Time(n-1)) * interval
}

func (p *Pair) has(class hotline.Duty) bool { return p.duty(class) != nil }

// duty returns the open duty of a class of which a pair has at most one.
func (p *Pair) duty(class hotline.Duty) *Duty {
	i := slices.IndexFunc(p.Duties, func(d *Duty) bool { return d.Class == class })
	if i < 0 {
		return nil
	}
	return p.Duties[i]
}

// scheduleLine sets whatever tests the line to a peer and is not set yet. The
// alarm waits for the own directory, which says whom it wakes; one that rings
// stops when the newest convention knows none.
func (r *run) scheduleLine(pair *Pair) {
	s := r.s
	r.scheduleLineTest(pair)
	r.scheduleWatchTest(pair)
	newest := s.conventions[len(s.conventions)-1]
	for _, class := range []hotline.Duty{hotline.DutyLineAnswered, hotline.DutyLineHeard} {
		d := pair.duty(class)
		switch {
		case d == nil && s.Directory(s.self) != nil:
			r.awaitLine(pair, class, hotline.ID{})
		case d != nil && d.Overdue && (newest.Terms.LineAlarm == 0 || !s.testsLine(newest, pair.Peer)):
			r.dischargeDuty(d)
		}
	}
}

// proved notes that a direction of the line is alive: the wait for it begins
// anew, and an alarm that rang is over.
func (r *run) proved(pair *Pair, class hotline.Duty, by hotline.ID) {
	switch d := pair.duty(class); {
	case d == nil:
		return
	case d.Overdue:
		r.dischargeDuty(d)
	default:
		r.s.close(d)
	}
	r.awaitLine(pair, class, by)
}

// awaitLine waits until so many tests of one direction have failed in a row
// that the desk must know. Both sides know the hours, so the one that should
// have been asked rings as well as the one that was not answered.
func (r *run) awaitLine(pair *Pair, class hotline.Duty, since hotline.ID) {
	s := r.s
	c, at := r.testing(pair.Peer, func(t *hotline.Terms) bool { return t.LineAlarm != 0 })
	if c == nil {
		return
	}
	// A test that comes may be a little early by the clock here: it is never
	// taken for that of the slot before.
	first, reply := s.self < pair.Peer, hotline.Time(c.Terms.LineReply)
	if class == hotline.DutyLineHeard {
		first, at = !first, at+reply
	}
	deadline := lineSlot(c, first, at, c.Terms.LineAlarm) + reply
	s.open(&Duty{Class: class, Subject: since, Peer: pair.Peer, Status: hotline.Actual, Precedence: hotline.Priority, Opened: r.t, Deadline: deadline},
		[]hotline.Rung{{Permille: hotline.Deadline, Office: "line", Targets: s.deskTargets(), Repeat: lineRepeat}})
}

// lineRepeat is the pause of the repeated alarm about a dead line, in permille
// of the time until the first: with the hours of the profiles about an hour.
const lineRepeat = 200

// deskTargets is who stands on the first rung of the receiving side: the desk.
func (s *State) deskTargets() []string {
	if l := s.Ladder(); len(l.Receiving) > 0 {
		return l.Receiving[0].Targets
	}
	return nil
}

// scheduleWatchTest sets the pair's next watch test. In each interval every
// party has at most one partner, by the round-robin of its place in the
// convention, and each of the two asks the other: a desk that speaks with
// twenty answers as often as one that speaks with two. The party whose code
// sorts later asks half an interval later.
func (r *run) scheduleWatchTest(pair *Pair) {
	s := r.s
	c, at := r.testing(pair.Peer, func(t *hotline.Terms) bool { return t.WatchTest != 0 })
	if c == nil || pair.has(hotline.DutyWatchTest) {
		return
	}
	interval := hotline.Time(c.Terms.WatchTest)
	offset := hotline.Time(0)
	if s.self > pair.Peer {
		offset = interval / 2
	}
	slot := (at-offset)/interval + 1
	for !partners(c, s.self, pair.Peer, slot) {
		slot++
	}
	s.open(&Duty{Class: hotline.DutyWatchTest, Peer: pair.Peer, Status: hotline.Test, Precedence: hotline.Immediate,
		Opened: r.t, Deadline: slot*interval + offset}, single("line", nil))
}

// partners reports whether two parties test each other's watch in a slot. Of n
// parties every two do so in exactly one of n slots, or n-1 if n is even.
func partners(c *hotline.SignedConvention, a, b hotline.Party, slot hotline.Time) bool {
	list := c.Speakers()
	i, j, rounds := slices.Index(list, min(a, b)), slices.Index(list, max(a, b)), len(list)
	if rounds%2 == 0 {
		rounds--
		if j == rounds {
			j = i // the last one meets whoever would meet himself
		}
	}
	return (i+j)%rounds == int(slot%hotline.Time(rounds))
}

// manned notes that a person of a party answered a TEST of the other.
func (m *Manned) manned(d *hotline.SignedDirectory, st *hotline.Statement, t hotline.Time) {
	if o := d.Officer(st.Header.Authors[0]); o != nil {
		m.At, m.By = t, o.Name
	}
}

// house is what this ledger holds of no peer and no case: its clocks.
type house struct {
	NextClock uint64
	Duties    []*Duty
	Confirmed hotline.Time // contact data, by the own directory
}

func (h *house) owner() owner { return owner{"~", &h.NextClock, &h.Duties} }

// House returns the open duties of the whole party, towards no peer and in no
// case.
func (s *State) House() []*Duty { return slices.Clone(s.house.Duties) }

// confirmContacts follows the own directory, or new terms: the duty to try
// every contact point again runs from when the directory says that it was done,
// and for a party that never said so from when the duty is known. It is not
// overdue before the terms are in force, and what lies before it opens is no
// reminder.
func (r *run) confirmContacts() {
	s := r.s
	knows := func(c *hotline.SignedConvention) bool { return c.Terms.Contacts != 0 && !c.Observes(s.self) }
	c, at := r.bringing(knows)
	d := s.Directory(s.self)
	if c == nil || d == nil {
		return
	}
	if len(s.house.Duties) > 0 {
		if d.Confirmed <= s.house.Confirmed {
			return
		}
		r.dischargeDuty(s.house.Duties[0])
	}
	from, term := at, hotline.Time(c.Terms.Contacts)
	if s.house.Confirmed = d.Confirmed; d.Confirmed != 0 {
		from = max(d.Confirmed, s.knownSince(at, knows)-term)
	}
	who := s.onDuty(hotline.Authority)
	rungs := []hotline.Rung{{Permille: 900, Office: "contacts", Targets: who}, {Permille: hotline.Deadline, Office: "contacts", Targets: who, Repeat: contactRepeat}}
	if from+term*900/hotline.Deadline < at {
		rungs = rungs[1:]
	}
	s.open(&Duty{Class: hotline.DutyContacts, Status: hotline.Actual, Precedence: hotline.Routine, Opened: from, Deadline: from + term}, rungs)
}

// contactRepeat: with the term of the profiles the alarm comes every 9 days.
const contactRepeat = 50

// testsLine reports whether a version of the convention has the line to p
// tested: not that of a party that left or only observes, nor against a
// reservation.
func (s *State) testsLine(c *hotline.SignedConvention, p hotline.Party) bool {
	speaks := func(p hotline.Party) bool { return c.Member(p) != nil && !c.Observes(p) }
	return speaks(s.self) && speaks(p) && c.Terms.LineTest != 0 &&
		!c.Reserves(s.self, hotline.ReserveLineTest) && !c.Reserves(p, hotline.ReserveLineTest)
}

func (r *run) lineReplied(st *hotline.Statement) (func(uint64), error) {
	s, h := r.s, &st.Header
	pair := s.pairs[h.From]
	if pair == nil || find(pair.Duties, hotline.DutyLineReply, *h.Re, h.From) == nil {
		return nil, hotline.Refuse(hotline.CodeNotOwed, "no line test of this id waits for a reply")
	}
	return func(uint64) {
		d := find(pair.Duties, hotline.DutyLineReply, *h.Re, h.From)
		pair.Missed, pair.Tested, pair.RoundTrip = 0, r.t, r.t-d.Opened
		r.proved(pair, hotline.DutyLineAnswered, st.ID)
		r.discharge(hotline.DutyLineReply, pair.Duties, *h.Re, h.From)
	}, nil
}
