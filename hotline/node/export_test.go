package node

import (
	"context"
	"time"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/ledger"
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
