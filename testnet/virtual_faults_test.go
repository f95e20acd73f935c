package testnet_test

import (
	"time"

	"example.org/hotline/hotline"
)

// Faults of the virtual network, at times drawn from the seed: a line between two parties is cut for hours; a node is stopped in good
// order, as for an update, or lost without a word; a leader, a follower, or a majority.

const (
	cutEvery   = 30 * time.Hour // in the whole network
	faultEvery = 18 * time.Hour
	// wary is how long time is not skipped after a fault or its end: the others notice that a line is dead, or is back.
	wary = 45 * time.Second
)

// trouble plans the faults.
func (w *world) trouble(from, until hotline.Time) {
	for at := from; ; {
		if at += hotline.Time(w.roll(2 * cutEvery.Milliseconds())); at >= until {
			break
		}
		w.at(at, func() { w.cutLine(until) })
	}
	for at := from; ; {
		if at += hotline.Time(w.roll(2 * faultEvery.Milliseconds())); at >= until {
			break
		}
		w.at(at, func() { w.parties[w.roll(int64(len(w.parties)))].fail(until) })
	}
}

// lasts draws how long a fault lasts, at most until a time.
func (w *world) lasts(most time.Duration, until hotline.Time) hotline.Time {
	return min(w.now()+hotline.Time(10_000+w.roll(most.Milliseconds())), until)
}

func (w *world) cutLine(until hotline.Time) {
	a := w.roll(int64(len(w.parties)))
	b := (a + 1 + w.roll(int64(len(w.parties)-1))) % int64(len(w.parties))
	p, q := w.parties[a], w.parties[b]
	if w.net.severed(p.code, q.code) {
		return
	}
	w.net.sever(p.code, q.code, true)
	w.history.note(w.now(), "the line between %s and %s is cut", p.Code, q.Code)
	w.at(w.lasts(8*time.Hour, until), func() {
		w.net.sever(p.code, q.code, false)
		w.history.note(w.now(), "the line between %s and %s is mended", p.Code, q.Code)
		time.Sleep(wary)
	})
}

// fail loses one node of a party, or as many as make a majority.
func (p *party) fail(until hotline.Time) {
	w := p.w
	leader := p.leader()
	p.mu.Lock()
	failing := p.failing
	p.failing = true
	p.mu.Unlock()
	if failing {
		return
	}
	gone := []*seat{p.seats[w.roll(int64(len(p.seats)))]}
	if len(p.seats) > 1 && leader != nil {
		switch w.roll(3) {
		case 0:
			gone[0] = leader
		case 1:
			i := w.roll(int64(len(p.seats)))
			gone = []*seat{p.seats[i], p.seats[(i+1)%int64(len(p.seats))]}
		}
	}
	for i, s := range gone {
		if s == p.leader() || i >= len(p.seats)/2 {
			p.down()
		}
		p.stop(s, w.chance(50))
	}
	time.Sleep(wary)
	w.at(w.lasts(3*time.Hour, until), func() {
		for _, s := range gone {
			p.start(s)
		}
		time.Sleep(wary)
		p.mu.Lock()
		p.failing = false
		p.mu.Unlock()
	})
}
