package node

import (
	"context"
	"errors"
	"time"

	"example.org/hotline/hotline"
)

// A node whose snapshot came from another has the state but not the entries
// before it. It fetches them from its group, and counts as caught up only when
// they have the root that the group agreed on.

// keepHistory fetches what a restore left missing, whenever that happens, and
// keeps the index up with the files.
func (n *Node) keepHistory(ctx context.Context) {
	tick := time.NewTicker(fetchPause)
	defer tick.Stop()
	for round := 1; ; round++ {
		n.fetchHistory(ctx)
		n.sayMaySign()
		if round%flushRounds == 0 {
			if err := errors.Join(n.machine.syncSome(), n.machine.ids().flush()); err != nil {
				n.fatal(err) // the process must stop: its disk fails
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// flushRounds of fetchPause pass between two writes of the index, and two looks
// whether the files are to be synced: one second.
const flushRounds = 5

// history returns entries for a node that must fetch them, as many as fit.
func (n *Node) history(s *span) *told {
	t := &told{}
	size := 0
	for raw, err := range n.machine.store.Entries(s.From, min(s.To, n.machine.store.Size())) {
		if err != nil {
			return refusal(hotline.Refuse(hotline.CodeInternal, "%v", err))
		}
		if size += len(raw) + 16; size > hotline.HistoryChunk {
			break
		}
		t.Entries = append(t.Entries, raw)
		if len(t.Entries) == hotline.MaxArrayItems {
			break
		}
	}
	return t
}

// fetchHistory runs until the files are complete: it asks the other members
// for what is missing, in turn, and stops the process if what they give does
// not have the root that the group agreed on.
func (n *Node) fetchHistory(ctx context.Context) {
	for ctx.Err() == nil {
		from, to, behind := n.machine.missing()
		if !behind {
			break
		}
		if !n.fetchSome(ctx, from, to) {
			select {
			case <-time.After(fetchPause):
			case <-ctx.Done():
			}
		}
	}
	if ctx.Err() != nil {
		return
	}
	if err := n.machine.catchUpIndex(); err != nil {
		n.fatal(err) // the process must stop: what it signs is read back from these files
	}
}

const fetchPause = 200 * time.Millisecond

func (n *Node) fetchSome(ctx context.Context, from, to uint64) bool {
	members, err := n.member.Members()
	if err != nil {
		return false
	}
	for _, m := range members {
		if m.ID == n.cfg.Node {
			continue
		}
		cctx, cancel := context.WithTimeout(ctx, hotline.GroupExchange)
		t := n.askNode(cctx, m.ID, &ask{History: &span{From: from, To: to}})
		cancel()
		if t.Code != "" || len(t.Entries) == 0 {
			continue
		}
		if err := n.machine.fill(from, t.Entries); err != nil {
			n.fatal(err) // the process must stop: its files and its group disagree
			return false
		}
		return true
	}
	return false
}
