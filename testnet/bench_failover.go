package testnet

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/desk"
)

// failoverHedge is how often, after a leader's death, a fresh request with the same statement is made: the first that is answered shows when
// the group commits again. An accepted statement is known by its id, so that asking more than once does no harm.
const failoverHedge = 50 * time.Millisecond

// measureFailover kills the leader of the first party again and again.
func (b *bench) measureFailover(ctx context.Context, w *Network) error {
	var group, caller []float64
	for i := range b.count.failovers {
		b.tell("failover %d of %d", i+1, b.count.failovers)
		first, own, err := b.failOver(ctx, w)
		if err != nil {
			return err
		}
		group, caller = append(group, millis(first)), append(caller, millis(own))
	}
	const on = "the election time-out"
	timeout := millis(benchElection())
	b.add("failover: kill -9 of the leader to the next commit", "ms", 1, group).against(on, timeout)
	b.add("failover: the same, p99", "ms", len(group), []float64{quantile(group, 0.99)}).against(on, timeout)
	b.add("failover: a request made at that moment, until its answer", "ms", 1, caller).against(on, timeout)
	return nil
}

// failOver kills the leader, waits until a statement is committed, and starts the killed node again. It returns when the first of all requests
// was answered, and when that which was made at the moment of the kill.
func (b *bench) failOver(ctx context.Context, w *Network) (first, own time.Duration, err error) {
	p := w.Parties[0]
	leader, err := p.Leader(ctx, nil)
	if err != nil {
		return 0, 0, err
	}
	st, client, err := b.survivorDesk(ctx, w, leader)
	if err != nil {
		return 0, 0, err
	}
	defer client.Close()
	if err := leader.Kill(); err != nil {
		return 0, 0, err
	}
	first, own, err = hedged(ctx, client, st)
	if err != nil {
		return 0, 0, err
	}
	if err := leader.Start(ctx); err != nil {
		return 0, 0, err
	}
	return first, own, leader.caughtUp(ctx)
}

// survivorDesk signs a statement and opens a desk of its author at the nodes that stay.
func (b *bench) survivorDesk(ctx context.Context, w *Network, dies *Node) (*hotline.Statement, *desk.Client, error) {
	o := w.Parties[0].Officer("O1")
	st, err := o.Sign(Letter{Kind: hotline.KindText, Precedence: hotline.Routine, To: []hotline.Party{w.Parties[1].Code}, Body: &hotline.Note{Text: "The leader ends."}})
	if err != nil {
		return nil, nil, err
	}
	var names []string
	for _, n := range o.Party.Nodes {
		if n != dies {
			names = append(names, n.Name)
		}
	}
	c, err := o.dialAt(ctx, names...)
	return st, c, err
}

// hedged submits one statement at once and again every failoverHedge until one request is answered.
func hedged(ctx context.Context, c *desk.Client, st *hotline.Statement) (first, own time.Duration, err error) {
	began := time.Now()
	done := make(chan time.Duration, 1)
	var wg sync.WaitGroup
	ask := func(then func(time.Duration)) {
		wg.Go(func() {
			r, err := c.Do(ctx, &desk.Request{Submit: &desk.SubmitRequest{Statement: st.Raw}})
			if err != nil || r.Submit == nil {
				return
			}
			took := time.Since(began)
			then(took)
			select {
			case done <- took:
			default: // another was first
			}
		})
	}
	ask(func(took time.Duration) { own = took })
	again := time.NewTicker(failoverHedge)
	defer again.Stop()
	for made := 1; first == 0; made++ {
		select {
		case first = <-done:
		case <-ctx.Done():
			err = context.Cause(ctx)
		case <-again.C:
			if made < hotline.DeskStreams/2 { // one connection carries DeskStreams
				ask(func(time.Duration) {})
			} else if time.Since(began) > waitLimit {
				err = fmt.Errorf("the group commits nothing %v after its leader's death", waitLimit)
			}
		}
		if err != nil {
			break
		}
	}
	wg.Wait()
	if err == nil && own == 0 {
		err = errors.New("a request made at the moment of the leader's death was never answered")
	}
	return first, own, err
}

// caughtUp waits until the node itself says that it knows a leader and has all that another node has.
func (n *Node) caughtUp(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, waitLimit, fmt.Errorf("node %s does not catch up", n.Name))
	defer cancel()
	o := n.party.Officer("U1")
	c, err := o.dialAt(ctx, n.Name)
	if err != nil {
		return err
	}
	defer c.Close()
	for {
		all, err := n.party.Officer("T1").Status(ctx)
		if err == nil {
			var r *desk.Reply
			if r, err = c.Do(ctx, &desk.Request{Status: &desk.StatusRequest{}}); err == nil && r.Status != nil && r.Status.Leader != "" &&
				r.Status.Size >= all.Size && all.Leader == r.Status.Leader {
				return nil
			}
		}
		if wait(ctx, statusPause); ctx.Err() != nil {
			return errors.Join(err, context.Cause(ctx))
		}
	}
}
