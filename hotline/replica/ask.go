package replica

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// retryPause is the wait before the leader is asked again after it could not be
// reached or refused, unless leadership changes before.
const retryPause = 50 * time.Millisecond

// gates holds one gate per member.
type gates struct {
	inside, waiting int64

	mu       sync.Mutex
	byMember map[string]*gate
}

func (g *gates) of(member string) *gate {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.byMember == nil {
		g.byMember = make(map[string]*gate)
	}
	one := g.byMember[member]
	if one == nil {
		one = newGate(g.inside, g.waiting)
		g.byMember[member] = one
	}
	return one
}

// Ask sends a request to the current leader's Serve and returns its answer; on
// the leader itself it calls Serve directly. It waits within ctx for a leader,
// and asks again only while the request has surely not been delivered.
//
// ErrNoLeader, ErrBusy, ErrTooLarge (of the request) and ErrStopped: not
// delivered. ErrUnknown: it may have been served, or its leader was replaced
// before it answered.
func (m *Member) Ask(ctx context.Context, request []byte) ([]byte, error) {
	for {
		changed := m.leaderChanged()
		err := error(ErrNoLeader)
		if leader, ok := m.Leader(); ok {
			var response []byte
			asking, done := m.whileLeads(ctx, leader)
			response, err = m.askOne(asking, leader, kindLeader, request)
			done()
			if !retriable(err) {
				return response, err
			}
		}
		pause := time.NewTimer(retryPause)
		select {
		case <-changed:
			pause.Stop()
		case <-pause.C:
		case <-m.ctx.Done():
			pause.Stop()
			return nil, ErrStopped
		case <-ctx.Done():
			pause.Stop()
			if errors.Is(err, ErrNoLeader) {
				return nil, fmt.Errorf("%w: %w", ErrNoLeader, ctx.Err())
			}
			return nil, fmt.Errorf("%w: %w: %w", ErrNoLeader, err, ctx.Err())
		}
	}
}

// replacedGrace is how long a leader that another has replaced may still take
// to answer what it was asked before.
const replacedGrace = 200 * time.Millisecond

// whileLeads returns a context that ends some time after another member than
// leader has come to lead: a leader that died answers nothing, and its
// connection would be waited for much longer than its successor needs. done
// must be called; it waits until nothing runs any more.
func (m *Member) whileLeads(ctx context.Context, leader string) (_ context.Context, done func()) {
	ctx, cancel := context.WithCancel(ctx)
	if leader == m.cfg.ID {
		return ctx, cancel // it hears for itself
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			changed := m.leaderChanged()
			if next, ok := m.Leader(); ok && next != leader {
				break
			}
			select {
			case <-changed:
			case <-ctx.Done():
				return
			}
		}
		grace := time.NewTimer(replacedGrace)
		defer grace.Stop()
		select {
		case <-grace.C:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(); <-ended }
}

// retriable says that the request was surely not delivered and that another
// attempt may do better.
func retriable(err error) bool {
	return errors.Is(err, ErrUnreachable) || errors.Is(err, ErrNotLeader) || errors.Is(err, ErrNotMember)
}

// AskMember sends a request to one member's Serve, once, and returns its answer;
// for this member itself it calls Serve directly.
//
// ErrUnreachable, ErrNotMember, ErrBusy, ErrTooLarge (of the request) and
// ErrStopped: not delivered. ErrUnknown: it may have been served.
func (m *Member) AskMember(ctx context.Context, member string, request []byte) ([]byte, error) {
	return m.askOne(ctx, member, kindRequest, request)
}

func (m *Member) askOne(ctx context.Context, member string, kind byte, request []byte) ([]byte, error) {
	switch {
	case m.stopped():
		return nil, ErrStopped
	case len(request) > MaxRequest:
		return nil, fmt.Errorf("%w: request of %d bytes, at most %d", ErrTooLarge, len(request), MaxRequest)
	case member == m.cfg.ID:
		return m.askSelf(ctx, kind, request)
	}
	addr, err := m.addressOf(member)
	if err != nil {
		return nil, err
	}
	g := m.askGates.of(member)
	if err := g.enter(ctx); err != nil {
		return nil, notDelivered(err)
	}
	defer g.leave()
	return m.exchange(ctx, member, addr, kind, request)
}

// Here runs f where a request of this member to the leader would be served, if it
// leads itself: in a place among those requests, and without bytes in between.
// ErrNotLeader, ErrBusy, ErrStopped or ctx's error: f did not run.
func (m *Member) Here(ctx context.Context, f func(ctx context.Context)) error {
	if m.stopped() {
		return ErrStopped
	}
	g := m.serveGates.of(m.cfg.ID)
	if err := g.enter(ctx); err != nil {
		return err
	}
	defer g.leave()
	if !m.IsLeader() {
		return ErrNotLeader
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(m.ctx, cancel)()
	f(ctx)
	return nil
}

func notDelivered(err error) error {
	if errors.Is(err, ErrBusy) || errors.Is(err, ErrStopped) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrUnreachable, err)
}

func (m *Member) askSelf(ctx context.Context, kind byte, request []byte) ([]byte, error) {
	if m.cfg.Serve == nil {
		return nil, fmt.Errorf("%w: this member serves nothing", ErrUnreachable)
	}
	g := m.serveGates.of(m.cfg.ID)
	if err := g.enter(ctx); err != nil {
		return nil, notDelivered(err)
	}
	defer g.leave()
	if kind == kindLeader && !m.IsLeader() {
		return nil, ErrNotLeader
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(m.ctx, cancel)()
	response := m.cfg.Serve(ctx, m.cfg.ID, bytes.Clone(request))
	if len(response) > MaxResponse {
		return nil, fmt.Errorf("%w: %w: answer of %d bytes, at most %d", ErrUnknown, ErrTooLarge, len(response), MaxResponse) // it was served
	}
	return response, nil
}

// exchange sends one request on a stream of its own. The far end serves only what
// it has read to its proper end, so a request whose end was never sent was
// surely not served.
func (m *Member) exchange(ctx context.Context, member, addr string, kind byte, request []byte) ([]byte, error) {
	s, _, err := m.links.open(ctx, member, addr, kind)
	if err != nil {
		return nil, notDelivered(err)
	}
	defer s.CancelRead(noReason)
	defer context.AfterFunc(ctx, func() { _ = s.SetDeadline(time.Unix(1, 0)) })()

	_, sendErr := s.Write(request)
	if sendErr == nil {
		sendErr = s.Close() // fails when the far end has refused already
	}
	finished := sendErr == nil
	// Also after a refusal in the middle of the request there is an answer.
	answer, err := io.ReadAll(io.LimitReader(s, 1+MaxResponse+1))
	if !finished || err != nil {
		s.CancelWrite(noReason)
	}
	if err != nil || len(answer) == 0 {
		return nil, outcome(finished, member, errors.Join(ctx.Err(), sendErr, noAnswer(err)))
	}
	return parseAnswer(member, answer)
}

func noAnswer(err error) error {
	if err == nil {
		return io.ErrUnexpectedEOF
	}
	return err
}

func outcome(finished bool, member string, err error) error {
	if finished {
		return fmt.Errorf("%w: no answer from %s: %w", ErrUnknown, member, err)
	}
	return fmt.Errorf("%w: %s: %w", ErrUnreachable, member, err)
}

func parseAnswer(member string, answer []byte) ([]byte, error) {
	body := answer[1:]
	switch answer[0] {
	case answerOK:
		if len(body) > MaxResponse {
			return nil, fmt.Errorf("%w: %w: answer of %s", ErrUnknown, ErrTooLarge, member)
		}
		return body, nil
	case answerBusy:
		return nil, fmt.Errorf("%w: at %s", ErrBusy, member)
	case answerStopped:
		return nil, fmt.Errorf("%w: %s is closing", ErrUnreachable, member)
	case answerFollower:
		return nil, fmt.Errorf("%w: %s", ErrNotLeader, member)
	case answerTooLarge:
		// The request was within the bound here, so it is the answer.
		return nil, fmt.Errorf("%w: %w: answer of %s", ErrUnknown, ErrTooLarge, member)
	default:
		return nil, fmt.Errorf("%w: unknown answer %d of %s", ErrUnknown, answer[0], member)
	}
}
