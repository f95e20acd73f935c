package node

import (
	"context"
	"slices"
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
	if err := n.member.Barrier(ctx); err != nil {
		return // not the leader any more: the next change of leadership says who is
	}
	n.log.Info("this node leads its group")
	for ctx.Err() == nil {
		if err := n.found(ctx); err == nil {
			break
		} else {
			n.log.Warn("cannot bring the ledger up to date yet", "why", err)
		}
		pause(ctx, retryPause)
	}
	senders := newSenders(n)
	defer senders.stop()
	n.rederive(ctx, senders)
	timer := time.NewTimer(0)
	defer timer.Stop()
	members := time.NewTicker(membersPause)
	defer members.Stop()
	for {
		n.arm(timer)
		select {
		case <-ctx.Done():
			return
		case list := <-n.effects:
			n.act(ctx, senders, list)
		case <-n.resync:
			n.rederive(ctx, senders)
		case <-members.C:
			n.reconcile(ctx)
			if err := n.noteMembers(ctx); err != nil {
				n.log.Warn("the voters could not be recorded yet", "why", err)
			}
		case <-timer.C:
			n.tick(ctx)
		}
	}
}

const membersPause = time.Second

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
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// arm sets the timer to the earliest deadline of the ledger.
func (n *Node) arm(t *time.Timer) {
	var due hotline.Time
	var ok bool
	n.machine.view(func(s *ledger.State) { due, ok = s.NextDeadline() })
	wait := idleWait
	if ok {
		wait = min(max(time.Duration(due-n.now())*time.Millisecond, 0), idleWait)
	}
	t.Reset(wait)
}

// idleWait bounds how long the leader sleeps without looking at its clock
// again: a machine that was suspended, or whose clock was set, is noticed.
const idleWait = time.Second

// tick proposes the time when a deadline has passed.
func (n *Node) tick(ctx context.Context) {
	var due hotline.Time
	var ok bool
	n.machine.view(func(s *ledger.State) { due, ok = s.NextDeadline() })
	if !ok || due > n.now() {
		return
	}
	r, err := n.propose(ctx, &ledger.Command{Type: ledger.Tick})
	if err != nil || r.Time < due {
		// Either the group cannot commit now, or no majority of clocks backs this
		// one: the deadline waits, and an alarm says so.
		if err != nil {
			n.log.Warn("a deadline could not be committed yet", "due", due, "why", err)
		}
		pause(ctx, retryPause)
	}
}

// found makes the ledger's first entries, and takes in documents that were put
// into the documents directory since.
func (n *Node) found(ctx context.Context) error {
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
	if err != nil {
		return err
	}
	if r.Code != "" && r.Code != hotline.CodeDuplicate && r.Code != hotline.CodeOldNumber {
		return &hotline.Refusal{Code: r.Code, Text: r.Text}
	}
	return nil
}

// noteMembers records the voters when the group's configuration has changed,
// so that receipts can state their number.
func (n *Node) noteMembers(ctx context.Context) error {
	list, err := n.member.Members()
	if err != nil {
		return err
	}
	var voters, known []string
	for _, m := range list {
		if m.Voter {
			voters = append(voters, m.ID)
		}
	}
	slices.Sort(voters)
	n.machine.view(func(s *ledger.State) { known = s.Voters() })
	if slices.Equal(voters, known) || len(voters) == 0 {
		return nil
	}
	return n.must(ctx, &ledger.Command{Type: ledger.Members, Voters: voters})
}

// publishFiles proposes the documents of the documents directory that the
// ledger does not have. One that is refused is told of and passed over: it
// must not keep the node from its work.
func (n *Node) publishFiles(ctx context.Context) error {
	var versions int
	known := map[hotline.Party]uint64{}
	n.machine.view(func(s *ledger.State) {
		versions = len(s.Conventions())
		for _, d := range directoriesOf(s) {
			known[d.Party] = d.Number
		}
	})
	var raws [][]byte
	for _, c := range n.docs.Conventions[min(versions, len(n.docs.Conventions)):] {
		raws = append(raws, c.Raw)
	}
	for _, of := range n.docs.Directories {
		for _, d := range of {
			if d.Number > known[d.Party] {
				raws = append(raws, d.Raw)
			}
		}
	}
	for _, raw := range raws {
		r, err := n.propose(ctx, &ledger.Command{Type: ledger.Document, Document: raw})
		if err != nil {
			return err
		}
		if r.Code != "" && r.Code != hotline.CodeOldNumber {
			n.log.Error("a document in the documents directory is refused", "code", r.Code, "why", r.Text)
		}
	}
	return nil
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

// newRoster follows the documents in force.
func (n *Node) newRoster() {
	n.machine.view(func(s *ledger.State) {
		if list := directoriesOf(s); s.Directory(s.Self()) != nil {
			// Until every party's directory has been committed, those of the documents
			// directory still count for the rest.
			have := map[hotline.Party]bool{}
			for _, d := range list {
				have[d.Party] = true
			}
			for _, d := range newest(n.docs) {
				if !have[d.Party] {
					list = append(list, d)
				}
			}
			n.roster.p.Store(newRoster(s.Self(), list))
		}
	})
	if n.line != nil {
		n.line.SetPeers(n.roster.get().peers)
	}
	n.desks.follow(n.roster.get())
}

// act does what was decided. Effects may come twice; each way of acting makes
// that harmless.
func (n *Node) act(ctx context.Context, s *senders, list []ledger.Effect) {
	for i := range list {
		e := &list[i]
		switch e.Type {
		case ledger.Deliver:
			s.add(e)
		case ledger.Settled:
			s.settle(e)
		case ledger.Compose:
			n.compose(ctx, e.Ask)
		case ledger.Received:
			n.checkReadable(ctx, e)
		case ledger.Published:
			s.published(ctx)
		case ledger.Page:
			n.alarm(e)
		}
	}
}

// rederive takes up everything that is open: asks that nobody answered yet,
// statements that no receipt settled yet, and the highest rung that each open
// duty has reached. A page may come twice over a change of leader, never not
// at all.
func (n *Node) rederive(ctx context.Context, s *senders) {
	var asks []*ledger.Ask
	var pages []ledger.Effect
	n.machine.view(func(st *ledger.State) {
		asks = st.Asks()
		for _, d := range st.OpenDuties() {
			if d.Next > 0 && len(d.Clocks[d.Next-1].Targets) > 0 {
				c := d.Clocks[d.Next-1]
				pages = append(pages, ledger.Effect{Type: ledger.Page, Peer: d.Peer, ID: d.Subject, Precedence: d.Precedence, Status: d.Status,
					Time: c.Due, Case: d.Case, Duty: d.Class, Overdue: d.Overdue, Office: c.Office, Targets: c.Targets})
			}
		}
		for _, p := range st.Peers() {
			for _, o := range st.Outbox(p) {
				s.add(&ledger.Effect{Type: ledger.Deliver, Peer: p, ID: o.ID, Kind: o.Kind, Index: o.Index, Sequence: o.Sequence,
					Precedence: o.Precedence, Status: o.Status, Time: o.Time})
			}
		}
	})
	for i := range pages {
		n.alarm(&pages[i])
	}
	for _, a := range asks {
		n.compose(ctx, a)
	}
	s.published(ctx)
}
