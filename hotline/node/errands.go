package node

import (
	"context"
	"sync"

	"example.org/hotline/crypto/keys"
	"example.org/hotline/crypto/seal"
	"example.org/hotline/hotline"
	"example.org/hotline/hotline/ledger"
)

// errands are what the leader does that has to wait for the group or costs
// more than a moment: statements of the group, and opening what peers sent.
// Each peer has its own queue and its own worker, and the party itself one
// more, so that a peer that causes much of it keeps only itself waiting.
type errands struct {
	n      *Node
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu     sync.Mutex
	closed bool
	queues map[hotline.Party]chan errand
	taken  map[errand]bool // waiting or under way
}

// errand is one thing to do about an entry: the statement of a kind for which
// it asks, or, if the kind is unreadable, opening what it holds.
type errand struct {
	entry uint64
	kind  hotline.Kind
}

// errandQueue bounds what waits for one worker. What does not fit is taken up
// again: asks every askPause, what is to be opened when a term begins.
const errandQueue = 1024

// recheckSpan is how many entries, counted from the end, a new leader opens
// again: its predecessor may have fallen between receiving and opening.
const recheckSpan = 1024

func newErrands(ctx context.Context, n *Node) *errands {
	x := &errands{n: n, queues: map[hotline.Party]chan errand{}, taken: map[errand]bool{}}
	x.ctx, x.cancel = context.WithCancel(ctx)
	return x
}

// stop ends every worker and waits for them.
func (x *errands) stop() {
	x.mu.Lock()
	x.closed = true
	x.mu.Unlock()
	x.cancel()
	x.wg.Wait()
}

// compose takes up an ask. What concerns the party's own duties goes before
// the answers to one peer.
func (x *errands) compose(a *ledger.Ask) {
	var queue hotline.Party
	switch a.Kind {
	case hotline.KindAutomaticAlert, hotline.KindNonDelivery:
	default:
		if len(a.To) == 1 {
			queue = a.To[0]
		}
	}
	x.give(queue, errand{a.Cause, a.Kind})
}

// read opens what a peer sent.
func (x *errands) read(from hotline.Party, index uint64) {
	x.give(from, errand{index, hotline.KindUnreadable})
}

func (x *errands) give(queue hotline.Party, e errand) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.closed || x.taken[e] {
		return
	}
	q := x.queues[queue]
	if q == nil {
		q = make(chan errand, errandQueue)
		x.queues[queue] = q
		x.wg.Go(func() { x.work(q) })
	}
	select {
	case q <- e:
		x.taken[e] = true
	default:
		x.n.log.Warn("too many statements of the group wait to be made; they are made later", "peer", queue, "kind", e.kind)
	}
}

func (x *errands) work(queue <-chan errand) {
	for {
		select {
		case e := <-queue:
			if e.kind == hotline.KindUnreadable {
				x.n.checkReadable(x.ctx, e.entry)
			} else {
				x.n.compose(x.ctx, e)
			}
			x.mu.Lock()
			delete(x.taken, e)
			x.mu.Unlock()
		case <-x.ctx.Done():
			return
		}
	}
}

// recheck opens what came last, once more.
func (x *errands) recheck() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.closed {
		return
	}
	x.wg.Go(func() { x.n.recheck(x.ctx) })
}

// recheck leaves out what is sealed to a key that this party has replaced: it was
// opened with that key when it came, and says nothing of its sender now.
func (n *Node) recheck(ctx context.Context) {
	size := n.machine.store.Size()
	for i := size - min(size, recheckSpan); i < size && ctx.Err() == nil; i++ {
		if st, err := n.acceptedAt(i); err != nil || !n.sealedBefore(st) {
			n.checkReadable(ctx, i)
		}
	}
}

// sealedBefore reports whether a statement is sealed to this party's key in an earlier
// directory, and not to the present one.
func (n *Node) sealedBefore(st *hotline.Statement) bool {
	if !st.Header.Kind.Rules().Sealed {
		return false
	}
	list, err := seal.Recipients(st.Payload)
	if err != nil {
		return false
	}
	to := map[keys.ID]bool{}
	for _, r := range list {
		to[r.Key] = true
	}
	before := false
	n.machine.view(func(s *ledger.State) {
		for _, d := range s.Directories(s.Self()) {
			before = before || to[d.Sealing.ID()]
		}
	})
	return before && !to[n.keys.sealing.Public().ID()]
}

// askOf returns what an entry asks for at present; nil if it no longer does, or
// if what it asks for would find no room: then it is taken up again later.
func (n *Node) askOf(e errand) (a *ledger.Ask) {
	n.machine.view(func(s *ledger.State) { a = s.Ask(e.entry, e.kind, n.now()) })
	return a
}
