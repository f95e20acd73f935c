package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"example.org/hotline/hotline"
)

// A node whose snapshot came from another has the state but not the entries
// before it. It fetches them from its group, and counts as caught up only when
// they have the root that the group agreed on.

// missing returns what history must still be fetched: up to the entries that
// wait in the backlog, and the root that it must have.
func (m *machine) missing() (from, to uint64, ok bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.store.Size(), m.state.Size() - uint64(len(m.backlog)), m.behind
}

// fallBehind notes that history must be fetched. What is fetched can be checked
// only when all of it is there; a mark says how much was checked before, so that
// the rest does not stay if this process ends in between. m.mu is held.
func (m *machine) fallBehind() error {
	if m.behind { // also another snapshot in between has checked nothing of what was fetched
		return nil
	}
	size := m.store.Size()
	if err := m.fetching.saveSynced(size); err != nil {
		return err
	}
	m.behind, m.marked, m.checked = true, true, size
	return nil
}

// catchUp notes that the files are whole and checked. m.mu is held.
func (m *machine) catchUp() error {
	if !m.behind && !m.marked {
		return nil
	}
	if err := m.fetching.remove(); err != nil {
		return err
	}
	m.behind, m.marked, m.backlog, m.size = false, false, nil, 0
	return nil
}

// fill appends fetched history. When it is whole it is synced and checked
// against the root of the tree that the group agreed on; then the backlog
// follows and the node counts as caught up. History that does not fit is cut
// off again, so that a later start can ask anew.
func (m *machine) fill(from uint64, entries [][]byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.behind || m.store.Size() != from {
		return nil // a restore came in between: what was fetched is of no use
	}
	if err := m.store.Append(entries...); err != nil {
		return err
	}
	if m.store.Size()+uint64(len(m.backlog)) < m.state.Size() {
		return nil
	}
	if len(m.backlog) > 0 {
		if err := m.store.Append(m.backlog...); err != nil {
			return err
		}
	}
	if size := m.store.Size(); m.store.Root() != m.state.Root() {
		return errors.Join(fmt.Errorf("fetched history of size %d does not have the root that the group agreed on", size),
			m.store.Truncate(m.checked))
	}
	if err := m.store.Sync(); err != nil {
		return err
	}
	return m.catchUp()
}

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
