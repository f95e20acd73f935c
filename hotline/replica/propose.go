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
// Commands that come while others are under way may leave as one entry of the
// log (bundle.go), in the order in which they came.
//
// Only ErrUnknown leaves the outcome open; it must never be answered with a
// refusal. After every other error the command was certainly not proposed:
// ErrNotLeader, ErrBusy (also when ctx ends while the command still waits its
// turn), ErrTooLarge, ErrStopped, or ctx's error when ctx had ended before the
// call.
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
	return m.await(ctx, command)
}

// await puts a command among those that wait for their place in the log, and
// waits for what is decided.
func (m *Member) await(ctx context.Context, command []byte) (any, error) {
	free, err := m.reserve(int64(len(command)))
	if err != nil {
		return nil, err
	}
	if !m.begin() {
		free()
		return nil, ErrStopped
	}
	p := &proposal{command: command, decided: make(chan decision, 1), release: func() { free(); m.undecided.Done() }}
	if list := m.waiting.put(p); list != nil {
		m.send(list)
	}
	select {
	case d := <-p.decided:
		return d.result, d.err
	case <-ctx.Done():
	case <-m.ctx.Done():
	}
	if m.waiting.withdraw(p) {
		p.release()
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrBusy, err)
		}
		return nil, ErrStopped
	}
	select {
	case d := <-p.decided: // both at once: the answer says more
		return d.result, d.err
	default:
		return nil, m.unknown(ctx)
	}
}

// begin counts one request in Raft's hands; false when nothing new is taken on.
// Whoever began calls undecided.Done.
func (m *Member) begin() bool {
	m.mu.Lock() // Close sets closing under it, so that nothing joins behind its wait
	defer m.mu.Unlock()
	if m.stopped() {
		return false
	}
	m.undecided.Add(1)
	return true
}

// unknown is the error of a request that is left in Raft's hands.
func (m *Member) unknown(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%w: %w", ErrUnknown, err)
	}
	return fmt.Errorf("%w: %w", ErrUnknown, ErrStopped)
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
	switch {
	case errors.Is(err, ErrUnknown) && ctx.Err() == nil:
		return fmt.Errorf("%w: %w", ErrNotLeader, err)
	case err == nil && m.state.broken.Load() != nil: // Raft's barriers do not pass the Machine
		return ErrStopped
	}
	return err
}

// decide gives a request to Raft and waits for its answer, within ctx. Raft's
// futures cannot be abandoned, so a goroutine of its own waits for each; Raft
// answers all of them while it runs, at the latest when leadership is lost.
func (m *Member) decide(ctx context.Context, release func(), submit func(wait time.Duration) raft.Future) (raft.Future, error) {
	if !m.begin() {
		release()
		return nil, ErrStopped
	}
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
		return nil, m.unknown(ctx)
	}
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
