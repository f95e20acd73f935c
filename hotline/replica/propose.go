package replica

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/raft"
)

// enqueueWait bounds how long a request waits to be taken by Raft's main loop.
const enqueueWait = 2 * time.Second

// Propose commits a command through the group and returns what the Machine on
// this member made of it. It works on the leader only. The command belongs to
// the log from then on and must not be changed.
//
// Only ErrUnknown leaves the outcome open; it must never be answered with a
// refusal. After every other error the command was certainly not proposed:
// ErrNotLeader, ErrBusy, ErrTooLarge, ErrStopped, or ctx's error when ctx had
// ended before the call.
func (m *Member) Propose(ctx context.Context, command []byte) (any, error) {
	size := int64(len(command))
	switch {
	case size > MaxCommand:
		return nil, fmt.Errorf("%w: command of %d bytes, at most %d", ErrTooLarge, size, MaxCommand)
	case m.stopped():
		return nil, ErrStopped
	case !m.IsLeader():
		return nil, ErrNotLeader
	case ctx.Err() != nil:
		return nil, ctx.Err()
	}
	release, err := m.reserve(size)
	if err != nil {
		return nil, err
	}
	f, err := m.decide(ctx, release, func(wait time.Duration) raft.Future { return m.raft.Apply(command, wait) })
	if err != nil {
		return nil, err
	}
	result := f.(raft.ApplyFuture).Response()
	if broken, ok := result.(*brokenMachine); ok {
		return nil, fmt.Errorf("%w: %w", ErrUnknown, broken)
	}
	return result, nil
}

// reserve takes a place for one proposal. The place is held until Raft has
// decided, also when the proposer has gone.
func (m *Member) reserve(size int64) (release func(), err error) {
	release = func() {
		m.proposals.Add(-1)
		m.proposalBytes.Add(-size)
	}
	n, b := m.proposals.Add(1), m.proposalBytes.Add(size)
	if n > MaxProposals || b > MaxProposalBytes {
		release()
		return nil, fmt.Errorf("%w: %d proposals of %d bytes are undecided", ErrBusy, n-1, b-size)
	}
	return release, nil
}

// Barrier waits until the Machine on this member, the leader, has applied
// everything that was committed before the call, and proves on the way that this
// member still leads. It works on the leader only.
func (m *Member) Barrier(ctx context.Context) error {
	release, err := m.reserve(0)
	if err != nil {
		return err
	}
	_, err = m.decide(ctx, release, m.raft.Barrier)
	if errors.Is(err, ErrUnknown) && ctx.Err() == nil {
		return fmt.Errorf("%w: %w", ErrNotLeader, err)
	}
	return err
}

// decide gives a request to Raft and waits for its answer, within ctx. Raft's
// futures cannot be abandoned, so a goroutine of its own waits for each; Raft
// answers all of them while it runs, at the latest when leadership is lost.
func (m *Member) decide(ctx context.Context, release func(), submit func(wait time.Duration) raft.Future) (raft.Future, error) {
	m.mu.Lock()
	if m.stopped() {
		m.mu.Unlock()
		release()
		return nil, ErrStopped
	}
	m.undecided.Add(1)
	m.mu.Unlock()

	wait := enqueueWait
	if deadline, ok := ctx.Deadline(); ok {
		wait = max(min(wait, time.Until(deadline)), time.Millisecond)
	}
	type answer struct {
		f   raft.Future
		err error
	}
	answered := make(chan answer, 1)
	go func() {
		defer m.undecided.Done()
		defer release()
		f := submit(wait)
		answered <- answer{f, f.Error()}
	}()
	select {
	case a := <-answered:
		return a.f, classify(a.err)
	case <-ctx.Done():
	case <-m.ctx.Done():
	}
	select {
	case a := <-answered: // both at once: the answer says more
		return a.f, classify(a.err)
	default:
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnknown, err)
	}
	return nil, fmt.Errorf("%w: %w", ErrUnknown, ErrStopped)
}

// classify keeps apart what was certainly not proposed and what may have been.
// Everything that Raft does not call "not leader" is the latter: a failed disk write
// may have reached the disk, and a lost leader's entry may survive it.
func classify(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, raft.ErrNotLeader), errors.Is(err, raft.ErrLeadershipTransferInProgress):
		return fmt.Errorf("%w: %w", ErrNotLeader, err)
	case errors.Is(err, raft.ErrEnqueueTimeout):
		return fmt.Errorf("%w: %w", ErrBusy, err)
	default:
		return fmt.Errorf("%w: %w", ErrUnknown, err)
	}
}
