package ledger

import (
	"slices"

	"example.org/hotline/hotline"
)

// recents remembers ids until a time of the log: what must be known for a
// while and may then be forgotten, so that memory stays bounded (SPEC §6.6).
// Whoever asks says at which time: what is still kept beyond its time is known
// no more, so no answer depends on when it was dropped (SPEC §7.3).
type recents struct {
	at    map[hotline.ID]kept
	queue []recent // by expiry
}

type recent struct {
	ID    hotline.ID
	Index uint64
	Until hotline.Time
}

type kept struct {
	index uint64
	until hotline.Time
}

func newRecents() recents { return recents{at: map[hotline.ID]kept{}} }

func (r *recents) find(id hotline.ID, t hotline.Time) (uint64, bool) {
	k, ok := r.at[id]
	return k.index, ok && k.until >= t
}

// add remembers an id that is not known at t.
func (r *recents) add(id hotline.ID, index uint64, t, until hotline.Time) {
	switch k, ok := r.at[id]; {
	case ok && k.until >= t:
		return
	case ok:
		r.queue = slices.DeleteFunc(r.queue, func(x recent) bool { return x.ID == id })
	}
	r.at[id] = kept{index, until}
	i := len(r.queue)
	for i > 0 && r.queue[i-1].Until > until {
		i--
	}
	r.queue = slices.Insert(r.queue, i, recent{id, index, until})
}

func (r *recents) forget(t hotline.Time) {
	n := 0
	for n < len(r.queue) && r.queue[n].Until < t {
		delete(r.at, r.queue[n].ID)
		n++
	}
	r.queue = r.queue[n:] // what is left is moved when append needs room, not with every entry: a busy day holds 100,000 ids
}

// settling is a case that may be forgotten if nothing touches it until then.
type settling struct {
	Key   string
	Until hotline.Time
}

var settledMemory = hotline.Time(hotline.SettledMemory.Milliseconds())

// settle notes that a case was touched at t.
func (s *State) settle(c *Case, t hotline.Time) {
	c.Touched = t
	s.settling = append(s.settling, settling{c.ID.Key(), t + settledMemory})
}

// forget drops what its window has passed at t, the time of the newest entry.
// It never looks at the time of the command: a refused one makes no entry, so
// nothing may be forgotten because of it. Decisions look at their own time, which
// is never earlier, so they see none of this; but for the bounds of what is kept.
// A projection drops no case: it does not see what keeps one open towards a third
// party.
func (s *State) forget(t hotline.Time) {
	s.recent.forget(t)
	for _, p := range s.pairs {
		p.Seen.forget(t)
		p.Done.forget(t)
		p.forgetLate(t)
	}
	n := 0
	for ; n < len(s.answered); n++ { // in a queue: a peer can have thousands asked for, and every command comes through here
		if a := s.asks[s.answered[n]]; a != nil && a.Until != 0 {
			if a.Until >= t {
				break
			}
			delete(s.asks, s.answered[n])
		}
	}
	s.answered = s.answered[n:] // as in recents
	var over []string
	for n = 0; n < len(s.settling) && s.settling[n].Until < t; n++ {
		c := s.cases[s.settling[n].Key]
		if c != nil && s.part == nil && s.forgotten(c, t) {
			over = append(over, s.settling[n].Key)
		}
	}
	s.dropCases(over...)
	clear(s.settling[:n])
	s.settling = s.settling[n:] // as in recents
}

// holds reports whether a duty keeps the case in memory. Waiting for what the
// peer owes does so until its last rung: a peer that never ends a case shall
// not fill the memory.
func (c *Case) holds() bool {
	return slices.ContainsFunc(c.Duties, func(d *Duty) bool { return !d.inVain() })
}

// inVain reports whether the duty waits for a report or an answer of the peer
// and has no clock left.
func (d *Duty) inVain() bool {
	return d.Class.AwaitsReport() && d.Next == len(d.Clocks)
}

// waits reports whether a statement of the case is still on its way.
func (s *State) waits(c *Case) bool {
	for _, p := range s.pairs {
		if p.waits(c) {
			return true
		}
	}
	return false
}

func (p *Pair) waits(c *Case) bool {
	for _, o := range p.Sent {
		if o.Case != nil && *o.Case == c.ID {
			return true
		}
	}
	return false
}

// forgotten reports whether a case is one that nobody knows any more at t: it is
// settled, and was not touched for so long. A part that hides what others do in
// the case takes it from the entry, as far as what is shown allows it.
func (s *State) forgotten(c *Case, t hotline.Time) bool {
	open := slices.ContainsFunc(c.Duties, func(d *Duty) bool { return !d.inVain() && !s.mayBeDone(d, t) })
	return !open && c.Touched+settledMemory < t && !s.waits(c) && (!s.part.ofParties() || s.gone)
}

// quiet reports whether at t nothing between this party and p is remembered of a
// case: nothing between the two is open, and the last of it lies so far back.
func (s *State) quiet(c *Case, p hotline.Party, t hotline.Time) bool {
	last := hotline.Time(0)
	for i := range c.Known {
		if x := &c.Known[i]; x.From == p || x.goesTo(p) && x.From == s.self {
			last = max(last, x.Time)
		}
	}
	for _, d := range c.Duties {
		switch {
		case d.Peer != p:
		case !d.inVain():
			return false
		case d.Next > 0:
			last = max(last, d.Clocks[d.Next-1].Due)
		}
	}
	return last+settledMemory < t && (s.pairs[p] == nil || !s.pairs[p].waits(c))
}

// lapsed is quiet in a case that another party opened. It opens such a case anew
// when it is forgotten, and only the record of all of the parties in it would tell
// whether it was. So what stands between two is forgotten whatever the others do,
// and it comes to the same.
func (s *State) lapsed(c *Case, p hotline.Party, t hotline.Time) bool {
	return c.ID.Party != s.self && s.quiet(c, p, t)
}

// lapse returns what is still known of a case when what stood between self and p
// in it is forgotten. What went to others as well is known as theirs.
func lapse(known []Known, self, p hotline.Party) []Known {
	left := make([]Known, 0, len(known))
	for _, x := range known {
		switch {
		case x.From == p:
			continue
		case x.From == self && x.goesTo(p):
			x.Past = append(slices.Clone(x.Past), p)
		}
		left = append(left, x)
	}
	return left
}

// letGo drops what else stands in a case between this party and p when it is
// forgotten: what is owed in vain with the pages for it, and what was late.
func (s *State) letGo(c *Case, p hotline.Party) {
	c.Late = slices.DeleteFunc(c.Late, func(l Late) bool { return l.Peer == p })
	c.Duties = slices.DeleteFunc(c.Duties, func(d *Duty) bool {
		if d.Peer != p || !d.inVain() {
			return false
		}
		d.done = true
		s.endPages(d)
		return true
	})
}
