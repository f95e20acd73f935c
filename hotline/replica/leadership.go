package replica

import (
	"context"
	"fmt"

	"github.com/hashicorp/raft"
)

// followLeadership passes on what Raft says until Raft has ended; Raft blocks
// while notify is not read.
func (m *Member) followLeadership(notify <-chan bool, moved <-chan raft.Observation) {
	for {
		select {
		case leading := <-notify:
			m.publish(leading)
		case <-moved:
			m.mu.Lock()
			m.announce()
			m.mu.Unlock()
		case <-m.quit:
			return
		}
	}
}

// publish tells every watcher whether this member leads now.
func (m *Member) publish(leading bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.leading = leading && m.failure == nil
	for ch := range m.watchers {
		select {
		case <-ch: // replaced by the newer state
		default:
		}
		ch <- m.leading
	}
	m.announce()
}

// announce wakes those who wait for another leader. The caller holds m.mu.
func (m *Member) announce() {
	close(m.changed)
	m.changed = make(chan struct{})
}

func (m *Member) leaderChanged() <-chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.changed
}

// Leadership returns a channel that yields at once whether this member leads,
// and then every change. A slow reader sees only the newest state; true after
// true means that leadership was lost and won again in between. The caller must
// call stop, which does not close the channel. After a failure and after Close
// the last state is false.
func (m *Member) Leadership() (changes <-chan bool, stop func()) {
	ch := make(chan bool, 1)
	m.mu.Lock()
	defer m.mu.Unlock()
	ch <- m.leading
	m.watchers[ch] = struct{}{}
	return ch, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.watchers, ch)
	}
}

// IsLeader says whether this member believes that it leads. A member cut off from
// the others may believe so for up to Timing.Lease; Barrier makes sure.
func (m *Member) IsLeader() bool { return m.ctx.Err() == nil && m.raft.State() == raft.Leader }

// Leader names the leader as far as this member knows.
func (m *Member) Leader() (id string, ok bool) {
	if m.ctx.Err() != nil {
		return "", false
	}
	_, leader := m.raft.LeaderWithID()
	return string(leader), leader != ""
}

// WaitLeader waits until this member knows a leader, and names it.
func (m *Member) WaitLeader(ctx context.Context) (string, error) {
	for {
		changed := m.leaderChanged()
		if id, ok := m.Leader(); ok {
			return id, nil
		}
		select {
		case <-changed:
		case <-m.ctx.Done():
			return "", ErrStopped
		case <-ctx.Done():
			return "", fmt.Errorf("%w: %w", ErrNoLeader, ctx.Err())
		}
	}
}
