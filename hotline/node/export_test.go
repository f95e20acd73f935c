package node

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"math"
	"time"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/ledger"
	"example.org/hotline/hotline/link"
)

// SnapshotNow makes the member snapshot at once, as it does by itself when its
// log has grown.
func (n *Node) SnapshotNow(ctx context.Context) error { return n.member.Snapshot(ctx) }

// ProposeUnverified commits a command as a leader would that verifies nothing.
func (n *Node) ProposeUnverified(ctx context.Context, c *ledger.Command) (*ledger.Result, error) {
	c.Seed, c.Time = n.random(32), n.now()
	r, err := n.member.Propose(ctx, hotline.MustMarshal(c))
	if err != nil {
		return nil, err
	}
	return r.(*ledger.Result), nil
}

// Verified returns how many entries were verified behind the commit.
func (n *Node) Verified() uint64 { return n.behind.next.Load() }

// ScrubAt makes a node read its ledger files from its start on, again and again.
func (o *Options) ScrubAt(every time.Duration) { o.scrub = &pace{every: every, rate: 1 << 40} }

// Entry reads an own leaf back from the files.
func (n *Node) Entry(i uint64) ([]byte, error) { return n.machine.entry(i) }

// interrupted is a context that does something else once, when it is first asked
// whether it has ended.
type interrupted struct {
	context.Context
	f func()
}

func (c *interrupted) Err() error {
	if f := c.f; f != nil {
		c.f = nil
		f()
	}
	return c.Context.Err()
}

// CheckNewest verifies what was applied last and what between commits meanwhile,
// as the check behind the commit does.
func (n *Node) CheckNewest(between func()) error {
	return n.checkRecent(&interrupted{context.Background(), between}, n.machine.recents.at(n.machine.store.Size()-1))
}

// RefillAt makes a machine in dir that has the state of this node and no files,
// fills in the first entry of a wrong history, and opens it again, as a start
// does, to fill in the right one. It returns where that begins.
func (n *Node) RefillAt(dir string) (from uint64, err error) {
	write, err := n.machine.Snapshot()
	if err != nil {
		return 0, err
	}
	var snapshot bytes.Buffer
	if err := write(&snapshot); err != nil {
		return 0, err
	}
	var list [][]byte
	for raw, err := range n.machine.store.Entries(0, n.machine.state.Size()) {
		if err != nil {
			return 0, err
		}
		list = append(list, raw)
	}
	for _, wrong := range []bool{true, false} {
		m, err := openMachine(dir, slog.New(slog.DiscardHandler), func([]ledger.Effect) {}, func() {})
		if err != nil {
			return 0, err
		}
		if err := m.Restore(bytes.NewReader(snapshot.Bytes())); err != nil {
			return 0, err
		}
		if from = m.store.Size(); wrong {
			err = m.fill(from, [][]byte{[]byte("wrong")})
		} else {
			err = m.fill(from, list[from:])
		}
		if err := errors.Join(err, m.close()); err != nil {
			return from, err
		}
	}
	return from, nil
}

// Crowd fills the outbox towards a peer with statements that are none, and returns
// how they are taken out again, once another has found no place.
func (n *Node) Crowd(peer hotline.Party) (clear func()) {
	x := n.senders.Load().to(peer)
	x.mu.Lock()
	defer x.mu.Unlock()
	var list []hotline.ID
	for {
		it := link.Item{ID: hotline.ID(n.random(32)), Precedence: hotline.Routine, Index: math.MaxUint64, Committed: n.now()}
		if x.outbox.Add(it) != nil {
			break
		}
		list = append(list, it.ID)
	}
	return func() {
		for !x.s.full.Load() && n.ctx.Err() == nil {
			pause(n.ctx, time.Millisecond)
		}
		x.mu.Lock()
		defer x.mu.Unlock()
		for _, id := range list {
			x.outbox.Settle(id)
		}
	}
}
