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
// nothing may be forgotten because of it. Decisions do look at their own time,
// which is never earlier, and see none of this; but for the bounds of what is
// remembered, and for cases. A projection drops no case: it does not see what
// keeps one open towards a third party.
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
	n = 0
	for n < len(s.settling) && s.settling[n].Until < t {
		c := s.cases[s.settling[n].Key]
		if c != nil && s.part == nil && !c.holds() && c.Touched+settledMemory < t && !s.waits(c) {
			s.dropCase(s.settling[n].Key)
		}
		n++
	}
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
		for _, o := range p.Sent {
			if o.Case != nil && *o.Case == c.ID {
				return true
			}
		}
	}
	return false
}
