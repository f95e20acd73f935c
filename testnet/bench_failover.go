package testnet

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/desk"
	"example.org/hotline/ops/config"
)

// After a leader's death a fresh request with the same statement is made every failoverHedge and given up after failoverPatience: the first
// that is answered shows when the group commits again. A request that the dead leader has been handed waits much longer; how long, the
// first failoverAsked rounds show. An accepted statement is known by its id, so that asking more than once does no harm.
const (
	failoverHedge    = 50 * time.Millisecond
	failoverPatience = time.Second
	failoverAsked    = 5
)

// measureFailover kills the leader of the first party again and again.
func (b *bench) measureFailover(ctx context.Context, w *Network) error {
	var group, caller []float64
	leader, err := w.Parties[0].Leader(ctx, nil)
	if err != nil {
		return err
	}
	for i := range b.count.failovers {
		b.tell("failover %d of %d", i+1, b.count.failovers)
		first, own, next, err := w.failOver(ctx, leader, i < failoverAsked)
		if err != nil {
			return err
		}
		leader = next
		group = append(group, millis(first))
		if own > 0 {
			caller = append(caller, millis(own))
		}
	}
	const on = "the election time-out"
	timeout := millis(config.Default().Group.Election.Duration)
	b.add("failover: kill -9 of the leader to the next commit", "ms", 1, group).against(on, timeout)
	b.add("failover: the same, p99", "ms", len(group), []float64{quantile(group, 0.99)}).against(on, timeout).atMost(2000)
	b.add("failover: a request made at that moment, until its answer", "ms", 1, caller).against(on, timeout)
	return nil
}

// failOver kills the leader, waits until a statement is committed, and starts the killed node again. It returns when the first of all requests
// was answered, and, if that is to be waited for, when that which was made at the moment of the kill; and who leads now. Nobody is asked over
// a connection to the killed node: it would be waited for.
func (w *Network) failOver(ctx context.Context, leader *Node, both bool) (first, own time.Duration, next *Node, err error) {
	st, client, err := w.survivorDesk(ctx, leader)
	if err != nil {
		return 0, 0, nil, err
	}
	defer client.Close()
	if err := leader.Kill(); err != nil {
		return 0, 0, nil, err
	}
	h := &hedge{client: client, st: st, began: time.Now(), done: make(chan time.Duration, 1)}
	if first, own, err = h.run(ctx, both); err != nil {
		return 0, 0, nil, err
	}
	if err := leader.Start(ctx); err != nil {
		return 0, 0, nil, err
	}
	next, err = leader.caughtUp(ctx, client)
	return first, own, next, err
}

// survivorDesk signs a statement and opens a desk of its author at the nodes that stay.
func (w *Network) survivorDesk(ctx context.Context, dies *Node) (*hotline.Statement, *desk.Client, error) {
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

// hedge submits one statement again and again until one request is answered.
type hedge struct {
	client *desk.Client
	st     *hotline.Statement
	began  time.Time
	done   chan time.Duration // the first answer
	wg     sync.WaitGroup
}

// ask makes one request and returns when it was answered, 0 if it was not.
func (h *hedge) ask(ctx context.Context) time.Duration {
	r, err := h.client.Do(ctx, &desk.Request{Submit: &desk.SubmitRequest{Statement: h.st.Raw}})
	if err != nil || r.Submit == nil {
		return 0
	}
	took := time.Since(h.began)
	select {
	case h.done <- took:
	default: // another was first
	}
	return took
}

func (h *hedge) run(ctx context.Context, both bool) (first, own time.Duration, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, waitLimit, errors.New("the group commits nothing after its leader's death"))
	defer cancel()
	h.wg.Go(func() { own = h.ask(ctx) })
	again := time.NewTicker(failoverHedge)
	defer again.Stop()
	for first == 0 && err == nil {
		select {
		case first = <-h.done:
		case <-ctx.Done():
			err = context.Cause(ctx)
		case <-again.C:
			h.wg.Go(func() {
				ctx, cancel := context.WithTimeout(ctx, failoverPatience)
				defer cancel()
				h.ask(ctx)
			})
		}
	}
	if !both {
		cancel()
	}
	h.wg.Wait()
	if both && err == nil && own == 0 {
		err = errors.New("a request made at the moment of the leader's death was never answered")
	}
	return first, own, err
}

// caughtUp waits until the node itself says that it follows the leader of the others and has all that one of them has, whom client asks. It
// returns the leader.
func (n *Node) caughtUp(ctx context.Context, client *desk.Client) (*Node, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, waitLimit, fmt.Errorf("node %s does not catch up", n.Name))
	defer cancel()
	own, err := n.party.Officer("U1").dialAt(ctx, n.Name)
	if err != nil {
		return nil, err
	}
	defer own.Close()
	for {
		theirs, err := statusBy(ctx, client)
		if err == nil {
			var mine *desk.StatusView
			if mine, err = statusBy(ctx, own); err == nil && mine.Leader == theirs.Leader && mine.Size >= theirs.Size {
				for _, leader := range n.party.Nodes {
					if leader.Name == mine.Leader {
						return leader, nil
					}
				}
			}
		}
		if wait(ctx, statusPause); ctx.Err() != nil {
			return nil, errors.Join(err, context.Cause(ctx))
		}
	}
}

func statusBy(ctx context.Context, c *desk.Client) (*desk.StatusView, error) {
	r, err := c.Do(ctx, &desk.Request{Status: &desk.StatusRequest{}})
	if err != nil {
		return nil, err
	}
	if r.Status == nil {
		return nil, fmt.Errorf("%w: no status", desk.ErrAnswer)
	}
	return r.Status, nil
}
