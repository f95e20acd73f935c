package replica

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"time"

	"github.com/quic-go/quic-go"
)

// The first byte of an answer.
const (
	answerOK       byte = 0
	answerBusy     byte = 1 // not served: a queue is full
	answerStopped  byte = 2 // not served: closing, or nothing to serve with
	answerFollower byte = 3 // not served: not the leader
	answerTooLarge byte = 4 // request or answer over its bound
)

const (
	// transferTimeout bounds reading one request, and writing one answer.
	transferTimeout = 30 * time.Second
	// acceptPause is the wait after a failed Accept of the Network; it doubles
	// with each further one, up to maxAcceptPause.
	acceptPause    = 100 * time.Millisecond
	maxAcceptPause = 5 * time.Second
)

// acceptLoop takes inbound connections until the member closes or fails.
func (m *Member) acceptLoop() {
	inbound := make(map[string][]*quic.Conn)
	pause := acceptPause
	for {
		conn, from, err := m.cfg.Network.Accept(m.ctx)
		if m.ctx.Err() != nil {
			if err == nil {
				_ = conn.CloseWithError(closedByUs, "closing")
			}
			return
		}
		if err != nil {
			m.cfg.Logger.Warn("accepting a connection failed", "error", err)
			select {
			case <-time.After(pause):
			case <-m.ctx.Done():
			}
			pause = min(2*pause, maxAcceptPause)
			continue
		}
		pause = acceptPause
		inbound[from] = keepNewest(append(inbound[from], conn))
		m.wg.Go(func() { m.serveConn(conn, from) })
	}
}

// keepNewest forgets dead connections and closes the oldest beyond maxInbound.
func keepNewest(conns []*quic.Conn) []*quic.Conn {
	alive := conns[:0]
	for _, c := range conns {
		if c.Context().Err() == nil {
			alive = append(alive, c)
		}
	}
	for len(alive) > maxInbound {
		_ = alive[0].CloseWithError(closedByUs, "too many connections")
		alive = alive[1:]
	}
	return alive
}

// serveConn takes the streams of one connection. Their number is bounded by
// MaxIncomingStreams of the connection.
func (m *Member) serveConn(conn *quic.Conn, from string) {
	stop := context.AfterFunc(m.ctx, func() { _ = conn.CloseWithError(closedByUs, "closing") })
	defer stop()
	for {
		s, err := conn.AcceptStream(m.ctx)
		if err != nil {
			_ = conn.CloseWithError(closedByUs, "closing")
			return
		}
		m.wg.Go(func() { m.serveStream(s, conn, from) })
	}
}

func (m *Member) serveStream(s *quic.Stream, conn *quic.Conn, from string) {
	var kind [1]byte
	_ = s.SetReadDeadline(time.Now().Add(headerTimeout))
	if _, err := io.ReadFull(s, kind[:]); err != nil {
		refuse(s)
		return
	}
	_ = s.SetReadDeadline(time.Time{})
	switch kind[0] {
	case kindRaft:
		if err := m.layer.give(s, conn); err != nil {
			m.cfg.Logger.Warn("a stream for raft was not taken", "from", from, "error", err)
		}
	case kindRequest, kindLeader, kindStatus:
		m.serveRequest(s, from, kind[0])
	default:
		refuse(s)
	}
}

// refuse frees both directions of a stream at once.
func refuse(s *quic.Stream) {
	s.CancelRead(noReason)
	s.CancelWrite(noReason)
}

// serveRequest answers one request. A place is taken before the body is read,
// so that waiting requests cost this member no memory.
func (m *Member) serveRequest(s *quic.Stream, from string, kind byte) {
	ctx, cancel := context.WithCancel(s.Context())
	defer cancel()
	defer context.AfterFunc(m.ctx, cancel)()
	// Behind a complete request this does nothing; else it frees the stream.
	defer s.CancelRead(noReason)

	answer, body := m.answer(ctx, s, from, kind)
	_ = s.SetWriteDeadline(time.Now().Add(transferTimeout))
	if _, err := s.Write(append([]byte{answer}, body...)); err != nil {
		s.CancelWrite(noReason)
		return
	}
	_ = s.Close()
}

func (m *Member) answer(ctx context.Context, s *quic.Stream, from string, kind byte) (byte, []byte) {
	if kind == kindStatus {
		return answerOK, m.status().append(nil)
	}
	if m.cfg.Serve == nil || m.stopped() {
		return answerStopped, nil
	}
	g := m.serveGates.of(from)
	if err := g.enter(ctx); err != nil {
		return answerBusy, nil
	}
	defer g.leave()
	_ = s.SetReadDeadline(time.Now().Add(transferTimeout))
	request, err := io.ReadAll(io.LimitReader(s, MaxRequest+1))
	switch {
	case err != nil: // cut off: the sender never finished it
		return answerStopped, nil
	case len(request) > MaxRequest:
		return answerTooLarge, nil
	case kind == kindLeader && !m.IsLeader():
		return answerFollower, nil
	}
	response := m.cfg.Serve(ctx, from, request)
	if len(response) > MaxResponse {
		m.cfg.Logger.Error("answer over its bound was not sent", "to", from, "bytes", len(response), "bound", MaxResponse)
		return answerTooLarge, nil
	}
	return answerOK, response
}

// progress is how far a member is; the answer to kindStatus.
type progress struct {
	term    uint64
	applied uint64
	unfit   string // why CaughtUp says no, at most maxUnfit bytes
}

const maxUnfit = 256

var errProgress = errors.New("malformed status of a member")

func (p progress) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(b, p.term)
	b = binary.BigEndian.AppendUint64(b, p.applied)
	return append(b, p.unfit...)
}

func parseProgress(b []byte) (progress, error) {
	if len(b) < 16 || len(b) > 16+maxUnfit {
		return progress{}, errProgress
	}
	return progress{binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:]), string(b[16:])}, nil
}

func (m *Member) status() progress {
	p := progress{term: m.raft.CurrentTerm(), applied: m.applied()}
	if m.cfg.CaughtUp != nil {
		if err := m.cfg.CaughtUp(); err != nil {
			p.unfit = err.Error()
			p.unfit = p.unfit[:min(len(p.unfit), maxUnfit)]
		}
	}
	return p
}
