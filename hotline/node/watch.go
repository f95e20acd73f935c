package node

import (
	"context"
	"sync"

	"example.org/hotline/crypto/keys"
	"example.org/hotline/hotline"
	"example.org/hotline/hotline/desk"
	"example.org/hotline/hotline/ledger"
)

// watchers are the desks that look on, on any node: every node applies every
// command, so each hears everything without asking the leader.
type watchers struct {
	mu     sync.Mutex
	all    map[*watcher]bool
	closed bool
}

type watcher struct {
	key    keys.ID // of the officer who watches
	events chan desk.Event
	lost   uint64 // under watchers.mu: events that found the channel full
}

// watchQueue bounds the events that wait for a slow desk. Beyond it the desk
// is told how many it missed.
const watchQueue = 256

func newWatchers() *watchers { return &watchers{all: map[*watcher]bool{}} }

// add takes a place, or returns nil if there is none. One officer has no more of them
// than desks.
func (w *watchers) add(key keys.ID) *watcher {
	w.mu.Lock()
	defer w.mu.Unlock()
	own := 0
	for x := range w.all {
		if x.key == key {
			own++
		}
	}
	if w.closed || len(w.all) >= hotline.MaxWatchers || own >= maxDesksOfOne {
		return nil
	}
	x := &watcher{key: key, events: make(chan desk.Event, watchQueue)}
	w.all[x] = true
	return x
}

func (w *watchers) remove(x *watcher) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.all, x)
}

func (w *watchers) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
}

// tell gives effects to every watcher. It never waits: a desk that does not
// read is told later how much it missed.
func (w *watchers) tell(list []ledger.Effect) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.all) == 0 {
		return
	}
	for i := range list {
		e, ok := eventOf(&list[i])
		if !ok {
			continue
		}
		for x := range w.all {
			x.give(e)
		}
	}
}

// give is called with watchers.mu held. What was lost is told in its place,
// before what came after.
func (x *watcher) give(e desk.Event) {
	if x.lost > 0 {
		select {
		case x.events <- desk.Event{Type: desk.EventLost, Index: x.lost, Time: e.Time}:
			x.lost = 0
		default:
		}
	}
	if x.lost == 0 {
		select {
		case x.events <- e:
			return
		default:
		}
	}
	x.lost++
}

var eventTypes = map[ledger.EffectType]desk.EventType{
	ledger.Received: desk.EventReceived, ledger.Accepted: desk.EventAccepted, ledger.Settled: desk.EventSettled,
	ledger.Page: desk.EventPage, ledger.Stop: desk.EventStop, ledger.Wake: desk.EventWake, ledger.Published: desk.EventPublished,
}

func eventOf(e *ledger.Effect) (desk.Event, bool) {
	t, ok := eventTypes[e.Type]
	if !ok {
		return desk.Event{}, false
	}
	ev := desk.Event{Type: t, Index: e.Index, Time: e.Time, ID: e.ID, Kind: e.Kind, Peer: e.Peer, Case: e.Case,
		Precedence: e.Precedence, Status: e.Status, Duty: e.Duty, Overdue: e.Overdue, Office: e.Office, Targets: e.Targets, Text: e.Text}
	switch e.Type {
	case ledger.Page:
		ev.Due = e.Time
	case ledger.Received:
		ev.From = e.Peer
	case ledger.Published:
		ev.Text = e.Kind.String()
	}
	return ev, true
}

// watch streams events until the desk goes away.
func (n *Node) watch(ctx context.Context, who *desk.Officer, send func(*desk.Reply) error) error {
	x := n.watchers.add(who.Key)
	if x == nil {
		return hotline.Refuse(hotline.CodeBusy, "%d desks are watching this node, or %d of this officer; watch another", hotline.MaxWatchers, maxDesksOfOne)
	}
	defer n.watchers.remove(x)
	begin := desk.Event{Type: desk.EventBegin}
	n.machine.view(func(s *ledger.State) { begin.Index, begin.Time = s.Size(), s.Time() })
	if err := send(&desk.Reply{Event: &begin}); err != nil {
		return err
	}
	for {
		select {
		case e := <-x.events:
			if err := send(&desk.Reply{Event: &e}); err != nil {
				return err
			}
			if err := n.tellLost(x, send); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// tellLost tells what was lost when nothing has come after it.
func (n *Node) tellLost(x *watcher, send func(*desk.Reply) error) error {
	n.watchers.mu.Lock()
	var lost uint64
	if len(x.events) == 0 {
		lost, x.lost = x.lost, 0
	}
	n.watchers.mu.Unlock()
	if lost == 0 {
		return nil
	}
	return send(&desk.Reply{Event: &desk.Event{Type: desk.EventLost, Index: lost, Time: n.now()}})
}
