package node

import (
	"context"
	"fmt"
	"time"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/ledger"
)

// A rung that its ladder has repeat pages again until the next one, or until
// the duty is done (SPEC §6.5). Repeated pages are effects: no clock fires, and
// no due entry is made. Each node derives them from its own state and tells the desks that
// watch it; the leader alone wakes anybody. So a new leader goes on where the
// former one was, and an acknowledgement ends them as soon as it is committed.

// repeatPause is how often a node looks for what is due again.
const repeatPause = time.Second

// maxRepeats bounds the pages that one look makes again. What is more comes
// with its next repetition; overdue duties and FLASH come first.
const maxRepeats = 256

// expiryWarning is how long before the ladder's rotas end the status warns, and
// expiryPause how often the leader's log does.
const (
	expiryWarning = 14 * 24 * time.Hour
	expiryPause   = 24 * time.Hour
)

func (n *Node) keepRepeating(ctx context.Context) {
	tick := time.NewTicker(repeatPause)
	defer tick.Stop()
	var warned hotline.Time
	for last := repeated(n.now()); ; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		now := n.now()
		if after, ok := last.until(now); ok {
			n.repeat(after, now)
		}
		if n.leading.Load() && (warned == 0 || now-warned >= hotline.Time(expiryPause.Milliseconds())) {
			if text := n.expiry(); text != "" {
				n.log.Warn("the ladder is to be renewed", "why", text)
				warned = now
			}
		}
	}
}

// repeated is the time up to which pages were made again.
type repeated hotline.Time

// until moves it on to now, and says after when the pages fell due that are to be made
// again; false: none. A clock that was set back by a moment repeats nothing twice; one
// that is set right after it was far ahead must not silence the desks until then.
func (r *repeated) until(now hotline.Time) (after hotline.Time, ok bool) {
	after, ok = hotline.Time(*r), now > hotline.Time(*r)
	if ok || after-now > hotline.Time(hotline.MinRepeatPause.Milliseconds()) {
		*r = repeated(now)
	}
	return after, ok
}

// repeat makes the pages again that fell due after one time and up to another.
func (n *Node) repeat(after, until hotline.Time) {
	var pages []ledger.Effect
	var more int
	n.machine.view(func(s *ledger.State) { pages, more = s.Repeats(after, until, maxRepeats) })
	if len(pages) == 0 {
		return
	}
	n.watchers.tell(pages)
	if !n.leading.Load() {
		return
	}
	for i := range pages {
		n.alarm(&pages[i])
	}
	if more > 0 {
		n.log.Error("more pages are due again than can be made at once", "made", len(pages), "left out", more)
	}
}

// expiry says that the ladder's rotas end soon, or have ended; "" if neither.
func (n *Node) expiry() string {
	now, until := n.now(), n.rotasUntil()
	left := time.Duration(until-now) * time.Millisecond
	end := time.UnixMilli(int64(until)).UTC().Format("2006-01-02 15:04Z")
	switch {
	case until == 0 || left > expiryWarning:
		return ""
	case left <= 0:
		return "the ladder's rotas ended at " + end + " and everybody in them is woken: have an authority submit a new ladder"
	}
	return fmt.Sprintf("the ladder's rotas end at %s, in %d days: have an authority submit a new ladder", end, left/(24*time.Hour))
}

// rotasUntil is when the rotas of the ladder in force end; 0 if it has none.
func (n *Node) rotasUntil() (t hotline.Time) {
	n.viewIfOpen(func(s *ledger.State) { t = s.Ladder().Until })
	return t
}
