package node

import (
	"context"
	"sync"
	"time"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/ledger"
)

// keepLeading runs the leader's duties while this node leads. Only the leader
// acts; a new leader derives everything that is open from the state, so
// nothing hangs on what the former one remembered.
func (n *Node) keepLeading(ctx context.Context) {
	changes, stop := n.member.Leadership()
	defer stop()
	var t *term
	defer func() { t.end() }()
	for {
		select {
		case leads := <-changes:
			t.end()
			t = nil
			if leads {
				t = n.beginTerm(ctx)
			}
		case <-ctx.Done():
			return
		}
	}
}

// term is one stretch of leading; ending it waits until nothing acts any more.
type term struct {
	cancel context.CancelFunc
	done   chan struct{}
}

func (n *Node) beginTerm(ctx context.Context) *term {
	ctx, cancel := context.WithCancel(ctx)
	t := &term{cancel, make(chan struct{})}
	go func() {
		defer close(t.done)
		n.leadTerm(ctx)
	}()
	return t
}

func (t *term) end() {
	if t != nil {
		t.cancel()
		<-t.done
	}
}

// retryPause is how long a leader waits before it tries again what its group
// could not commit.
const retryPause = 200 * time.Millisecond

func (n *Node) leadTerm(ctx context.Context) {
	n.hearEffects()
	defer n.leading.Store(false)
	n.clocks.unproven.Store(false)
	n.clocks.alone.Store(false)
	defer n.whole.leave()
	if !n.settleIn(ctx) {
		return
	}
	n.office.enter()
	senders, errands := newSenders(n), newErrands(ctx, n)
	tick := make(chan struct{}, 1)
	var wg sync.WaitGroup
	defer func() { // ctx has ended by now
		n.whole.leave() // first: the next term may have begun for Raft
		n.office.leave()
		senders.stop()
		errands.stop()
		wg.Wait()
	}()
	n.rederive(senders, errands)
	errands.recheck()
	// What may wait for the group has a goroutine of its own, so that it never
	// keeps a warning from being sent or a deadline from firing.
	wg.Go(func() { n.keepTime(ctx, tick) })
	wg.Go(func() { n.keepMembers(ctx) })
	wg.Go(func() { n.keepPaging(ctx) })
	wg.Go(func() { n.keepCheckpoints(ctx) })
	asks := time.NewTicker(askPause)
	defer asks.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case list := <-n.effects:
			n.act(senders, errands, list)
		case <-n.resync:
			n.rederive(senders, errands)
			errands.recheck()
		case <-asks.C:
			n.takeUpAsks(errands)
			if senders.full.Swap(false) {
				n.act(senders, errands, n.undelivered())
			}
			continue
		}
		select {
		case tick <- struct{}{}:
		default:
		}
	}
}

// gate is open while something holds for as long as this node leads. Requests
// wait at it for a while: a new leader may be about to open it.
type gate struct {
	mu   sync.Mutex
	open chan struct{} // closed while the gate is open
}

func newGate() *gate { return &gate{open: make(chan struct{})} }

// enter opens the gate, if it is not open.
func (g *gate) enter() {
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-g.open:
	default:
		close(g.open)
	}
}

// leave closes it, if it is open.
func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-g.open:
		g.open = make(chan struct{})
	default:
	}
}

// gateWait bounds how long a request waits for a new leader to begin.
const gateWait = 2 * time.Second

// await reports whether the gate is open, now or soon.
func (g *gate) await(ctx context.Context) bool {
	g.mu.Lock()
	open := g.open
	g.mu.Unlock()
	limit := time.NewTimer(gateWait)
	defer limit.Stop()
	select {
	case <-open:
		return true
	case <-ctx.Done():
	case <-limit.C:
	}
	return false
}

// askPause is how often the leader takes up again what the ledger has asked
// for and what could not be done before: an outbox was full, files were not
// complete.
const askPause = 5 * time.Second

// settleIn makes sure that this node leads and brings the ledger up to date
// with the documents directory. It tries until the term ends: a leader that
// gave up would lead without acting.
func (n *Node) settleIn(ctx context.Context) bool {
	for told := false; ctx.Err() == nil; pause(ctx, retryPause) {
		err := n.member.Barrier(ctx)
		if err == nil {
			n.whole.enter() // also in a group that may not sign: it knows what it knows
			if err = n.found(ctx); err == nil {
				n.log.Info("this node leads its group")
				return true
			}
		}
		if !told && ctx.Err() == nil {
			n.log.Warn("cannot bring the ledger up to date yet; trying on", "why", err)
			told = true
		}
	}
	return false
}

// hearEffects opens the queue of effects for a new term. What an earlier term
// left in it is dropped: everything that is still open follows from the state.
func (n *Node) hearEffects() {
	for {
		select {
		case <-n.effects:
		case <-n.resync:
		default:
			n.leading.Store(true)
			return
		}
	}
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// idleWait bounds how long the leader sleeps without looking at its clock
// again: a machine that was suspended, or whose clock was set, is noticed.
const idleWait = time.Second

// keepTime proposes the time whenever a deadline has passed. changed says that
// an earlier one may have come up.
func (n *Node) keepTime(ctx context.Context, changed <-chan struct{}) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-timer.C:
			n.tick(ctx)
		}
		wait := idleWait
		if due, ok := n.nextDeadline(); ok {
			wait = min(max(time.Duration(due-n.now())*time.Millisecond, 0), idleWait)
		}
		timer.Reset(wait)
	}
}

func (n *Node) nextDeadline() (due hotline.Time, ok bool) {
	n.machine.mu.Lock() // it may drop clocks of duties that are done
	defer n.machine.mu.Unlock()
	return n.machine.state.NextDeadline()
}

// tick proposes the time when a deadline has passed.
func (n *Node) tick(ctx context.Context) {
	due, ok := n.nextDeadline()
	if !ok || due > n.now() {
		return
	}
	if n.maySign() != nil { // nothing may be written; the deadline bears its own time when it may
		pause(ctx, idleWait)
		return
	}
	c := &ledger.Command{Type: ledger.Tick}
	r, err := n.propose(ctx, c)
	switch {
	case ctx.Err() != nil:
	case err != nil:
		n.log.Warn("a deadline could not be committed yet", "due", due, "why", err)
		pause(ctx, retryPause)
	case r.Time < due:
		// No majority of clocks backs this one: the deadline waits.
		n.timeUnproven(c)
		pause(ctx, retryPause)
	}
}

// found does what a group's ledger begins with, and what the documents
// directory holds that the ledger does not. It says why when the group could
// not commit it.
func (n *Node) found(ctx context.Context) error {
	// Nor are members added: one that joins a restored node would not wait for
	// the peers, and could lead in its place.
	if err := n.maySign(); err != nil {
		return err
	}
	var size uint64
	n.machine.view(func(s *ledger.State) { size = s.Size() })
	if size == 0 {
		d := newestOf(n.docs, hotline.Party(n.cfg.Party))
		first := n.docs.Conventions[0]
		c := &ledger.Command{Type: ledger.Genesis, Genesis: &hotline.Genesis{Party: d.Party, Generation: d.Generation,
			Convention: first.ID, Rules: ledger.RulesVersion}}
		if err := n.must(ctx, c); err != nil {
			return err
		}
	}
	if err := n.noteMembers(ctx); err != nil {
		return err
	}
	return n.publishFiles(ctx)
}

// must proposes what may have been done before: a refusal for that is fine.
func (n *Node) must(ctx context.Context, c *ledger.Command) error {
	r, err := n.propose(ctx, c)
	if err == nil {
		err = refused(r)
	}
	if c := hotline.CodeOf(err); c == hotline.CodeDuplicate || c == hotline.CodeOldNumber {
		return nil
	}
	return err
}

// emit hands effects to the leader's loop and to the watchers of this node. It
// runs under Apply and never waits.
func (n *Node) emit(list []ledger.Effect) {
	n.watchers.tell(list)
	for i := range list {
		if list[i].Type == ledger.Published {
			n.newRoster()
			break
		}
	}
	if !n.leading.Load() {
		return
	}
	select {
	case n.effects <- list:
	default:
		select {
		case n.resync <- struct{}{}:
		default:
		}
	}
}

// act does what was decided, without waiting for the group. Effects may come
// twice; each way of acting makes that harmless.
func (n *Node) act(s *senders, x *errands, list []ledger.Effect) {
	for i := range list {
		e := &list[i]
		switch e.Type {
		case ledger.Deliver:
			s.add(e)
		case ledger.Settled:
			s.settle(e)
		case ledger.Compose:
			x.compose(e.Ask)
		case ledger.Received:
			if e.Kind.Rules().Sealed {
				x.read(e.Peer, e.Index)
			}
		case ledger.Published:
			s.published()
		case ledger.Page:
			n.alarm(e)
		case ledger.Stop:
			n.pages.changed()
		}
	}
}

// rederive takes up everything that is open: asks that nobody answered yet,
// statements that no receipt settled yet, and the highest rung that each open
// duty has reached. A page may come twice over a change of leader, never not
// at all.
func (n *Node) rederive(s *senders, x *errands) {
	var open []ledger.Effect
	n.machine.view(func(st *ledger.State) {
		for _, d := range st.OpenDuties() {
			if d.Next > 0 && len(d.Clocks[d.Next-1].Targets) > 0 {
				c := d.Clocks[d.Next-1]
				open = append(open, ledger.Effect{Type: ledger.Page, Peer: d.Peer, ID: d.Subject, Precedence: d.Precedence, Status: d.Status,
					Time: c.Due, Case: d.Case, Duty: d.Class, Overdue: d.Overdue, Office: c.Office, Targets: c.Targets})
			}
		}
	})
	// Outside the view: who acts looks at the state again, and a lock held twice
	// waits for ever when Apply comes in between.
	n.act(s, x, append(open, n.undelivered()...))
	n.takeUpAsks(x)
	s.published()
}

// undelivered are the statements that no receipt has settled.
func (n *Node) undelivered() (list []ledger.Effect) {
	n.machine.view(func(st *ledger.State) {
		for _, p := range st.Peers() {
			for _, o := range st.Outbox(p) {
				list = append(list, ledger.Effect{Type: ledger.Deliver, Peer: p, ID: o.ID, Kind: o.Kind, Index: o.Index,
					Sequence: o.Sequence, Precedence: o.Precedence, Status: o.Status, Time: o.Time})
			}
		}
	})
	return list
}

func (n *Node) takeUpAsks(x *errands) {
	var asks []*ledger.Ask
	n.machine.view(func(st *ledger.State) { asks = st.Asks(n.now()) })
	for _, a := range asks {
		x.compose(a)
	}
}
