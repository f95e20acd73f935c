package node

import "context"

// SnapshotNow makes the member snapshot at once, as it does by itself when its
// log has grown.
func (n *Node) SnapshotNow(ctx context.Context) error { return n.member.Snapshot(ctx) }
