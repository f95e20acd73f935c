package ledger

import (
	"cmp"
	"fmt"
	"slices"

	"example.org/hotline/hotline"
)

// This file decides who stands on a rung at a moment (SPEC §6.5). Due times
// are fixed when a duty opens, and so is who is asked at each: the ladder in
// force then may be replaced, and no duty needs it any more.

// newClock freezes one rung into a duty. The term is that of the duty; a rung
// of a duty that was born late is not repeated.
func (s *State) newClock(rung hotline.Rung, due, term hotline.Time, number uint64) Rung {
	c := Rung{Due: due, Number: number, Permille: rung.Permille, Office: rung.Office}
	if c.Targets = s.Ladder().OnCall(rung.Targets, due); !slices.Equal(c.Targets, rung.Targets) {
		c.Posts = rung.Targets
	}
	if rung.Repeat > 0 && term > 0 {
		c.Repeat = max(minRepeat, hotline.Time(int64(term)*int64(rung.Repeat)/hotline.Deadline))
	}
	return c
}

var minRepeat = hotline.Time(hotline.MinRepeatPause.Milliseconds())

// Repeats returns the pages that are due again after one time and up to
// another: of each open duty the newest of the highest rung that it reached,
// until ten times its term. They are effects only and make no due entry, and so
// they follow the rotas of the ladder in force: whoever has taken over the
// watch is woken. At most limit are returned, overdue ones and those of higher
// precedence first, and the number of the others.
func (s *State) Repeats(after, until hotline.Time, limit int) (pages []Effect, more int) {
	again := func(duties []*Duty) {
		for _, d := range duties {
			if at, n := d.repeat(until); n > 0 && at > after {
				pages = append(pages, s.pageAgain(d, at, n))
			}
		}
	}
	for _, c := range s.cases {
		again(c.Duties)
	}
	for _, p := range s.pairs {
		again(p.Duties)
	}
	again(s.house.Duties)
	slices.SortFunc(pages, func(a, b Effect) int {
		return cmp.Or(-compareBool(a.Overdue, b.Overdue), cmp.Compare(a.Precedence, b.Precedence), cmp.Compare(a.Time, b.Time),
			slices.Compare(a.ID[:], b.ID[:]), cmp.Compare(a.Peer, b.Peer)) // FLASH is the lowest number
	})
	if more = len(pages) - limit; more > 0 {
		return pages[:limit], more
	}
	return pages, 0
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// repeat returns the newest repeated page of a duty at or before t, and which
// one it is; 0 if there is none.
func (d *Duty) repeat(t hotline.Time) (at hotline.Time, n int64) {
	if d.Next == 0 || d.Clocks[d.Next-1].Repeat == 0 {
		return 0, 0
	}
	c := &d.Clocks[d.Next-1]
	last := d.Opened + (d.Deadline-d.Opened)*(hotline.MaxPermille/hotline.Deadline)
	n = int64((min(t, last) - c.Due) / c.Repeat)
	return c.Due + hotline.Time(n)*c.Repeat, n
}

func (s *State) pageAgain(d *Duty, at hotline.Time, n int64) Effect {
	c := d.Clocks[d.Next-1]
	if len(c.Posts) > 0 {
		if now := s.Ladder().OnCall(c.Posts, at); len(now) > 0 {
			c.Targets = now
		}
	}
	return Effect{Type: Page, Peer: d.Peer, ID: d.Subject, Precedence: d.Precedence, Status: d.Status, Time: at, Case: d.Case,
		Duty: d.Class, Overdue: d.Overdue, Office: c.Office, Targets: c.Targets, Text: fmt.Sprintf("repeat %d", n)}
}
