package replica

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/hashicorp/raft"
	"github.com/quic-go/quic-go"
)

// The first byte of a stream says what it carries. A far end sees a stream only
// after that byte.
const (
	kindRaft    byte = 1 // Raft's own protocol, until closed
	kindRequest byte = 2 // one request for this member
	kindLeader  byte = 3 // one request for the leader; refused by others
	kindStatus  byte = 4 // one question how far this member is
)

const (
	// maxRaftStreams is the place of one connection for Raft's streams, beside those
	// for requests; Raft pools raftPool per peer and opens a few more during elections
	// and snapshots.
	maxRaftStreams = 64
	raftPool       = 3
	// maxInbound is how many connections of one member are kept: a member that
	// restarted may have an old one that is not yet known to be dead.
	maxInbound = 3
	// dialTimeout bounds one dial with its handshake.
	dialTimeout = 3 * time.Second
	// headerTimeout bounds the wait for the first byte of a stream, and the
	// wait for Raft to take the stream over.
	headerTimeout = 5 * time.Second
	// closedByUs is the QUIC application error code of an orderly end.
	closedByUs quic.ApplicationErrorCode = 0
	noReason   quic.StreamErrorCode      = 0
)

// links holds one dialled connection to each other member.
type links struct {
	network Network
	ctx     context.Context // ends when the member closes or fails

	mu     sync.Mutex
	peers  map[string]*link
	closed bool // no dial begins any more
	wg     sync.WaitGroup
}

// link is a connection that is being dialled or is in use.
type link struct {
	ready chan struct{} // closed when conn and err are set
	conn  *quic.Conn
	err   error
}

func (l *link) dead() bool {
	select {
	case <-l.ready:
		return l.err != nil || l.conn.Context().Err() != nil
	default:
		return false // being dialled
	}
}

func newLinks(ctx context.Context, network Network) *links {
	return &links{network: network, ctx: ctx, peers: make(map[string]*link)}
}

// open returns a new stream to member, behind its first byte. A connection found
// dead is dialled once more. After an error nothing was delivered.
func (p *links) open(ctx context.Context, member, addr string, kind byte) (*quic.Stream, *quic.Conn, error) {
	var err error
	for range 2 {
		var l *link
		if l, err = p.get(ctx, member, addr); err != nil {
			return nil, nil, err
		}
		var s *quic.Stream
		if s, err = l.conn.OpenStreamSync(ctx); err == nil {
			if _, err = s.Write([]byte{kind}); err == nil {
				return s, l.conn, nil
			}
		}
		if ctx.Err() != nil {
			return nil, nil, err
		}
		p.drop(member, l)
	}
	return nil, nil, err
}

// get returns a live connection, dialling when there is none. Callers that
// come while a dial is under way share it.
func (p *links) get(ctx context.Context, member, addr string) (*link, error) {
	p.mu.Lock()
	if p.closed || p.ctx.Err() != nil {
		p.mu.Unlock()
		return nil, ErrStopped
	}
	l := p.peers[member]
	if l == nil || l.dead() {
		l = &link{ready: make(chan struct{})}
		p.peers[member] = l
		p.wg.Go(func() { p.dial(l, member, addr) })
	}
	p.mu.Unlock()
	select {
	case <-l.ready:
		return l, l.err
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-p.ctx.Done():
		return nil, ErrStopped
	}
}

func (p *links) dial(l *link, member, addr string) {
	ctx, cancel := context.WithTimeout(p.ctx, dialTimeout)
	defer cancel()
	conn, err := p.network.Dial(ctx, member, addr)
	if err == nil && p.ctx.Err() != nil {
		_ = conn.CloseWithError(closedByUs, "closing")
		err = ErrStopped
	}
	l.conn, l.err = conn, err
	close(l.ready)
	if err == nil {
		// The member's end, however it comes, ends the connection.
		stop := context.AfterFunc(p.ctx, func() { _ = conn.CloseWithError(closedByUs, "closing") })
		context.AfterFunc(conn.Context(), func() { stop() })
	}
}

func (p *links) drop(member string, l *link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.peers[member] == l {
		delete(p.peers, member)
	}
	_ = l.conn.CloseWithError(closedByUs, "no stream")
}

// close waits for dials under way; ctx must have ended. It closes what they got.
func (p *links) close() {
	p.mu.Lock()
	p.closed = true // whoever came before has begun a dial by now
	p.mu.Unlock()
	p.wg.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range p.peers {
		if l.err == nil {
			_ = l.conn.CloseWithError(closedByUs, "closing")
		}
	}
	clear(p.peers)
}

// streamConn makes a stream a net.Conn for Raft.
type streamConn struct {
	*quic.Stream
	conn   *quic.Conn
	closed sync.Once
	onEnd  func()
}

func (s *streamConn) LocalAddr() net.Addr  { return s.conn.LocalAddr() }
func (s *streamConn) RemoteAddr() net.Addr { return s.conn.RemoteAddr() }

// Close frees both directions; quic's own Close ends only the sending one.
func (s *streamConn) Close() error {
	var err error
	s.closed.Do(func() {
		s.CancelRead(noReason)
		err = s.Stream.Close()
		if s.onEnd != nil {
			s.onEnd()
		}
	})
	return err
}

// Read gives io.EOF for every way in which the far end can go away: Raft treats
// that as a usual end and anything else as a fault worth a log line each time.
func (s *streamConn) Read(p []byte) (int, error) {
	n, err := s.Stream.Read(p)
	if err != nil && farEndGone(err) {
		err = io.EOF
	}
	return n, err
}

func farEndGone(err error) bool {
	var stream *quic.StreamError
	var app *quic.ApplicationError
	var idle *quic.IdleTimeoutError
	var reset *quic.StatelessResetError
	return errors.As(err, &stream) || errors.As(err, &app) || errors.As(err, &idle) || errors.As(err, &reset)
}

// raftAddr is what Raft's transport takes for an address: the member's ID. The
// address proper is looked up when dialling, so that a pooled stream and a
// changed address cannot disagree.
type raftAddr string

func (raftAddr) Network() string  { return "quic" }
func (a raftAddr) String() string { return string(a) }

// raftLayer is the raft.StreamLayer. It is live before Raft starts.
type raftLayer struct {
	id      string
	links   *links
	address func(member string) (string, error)
	ready   <-chan struct{} // closed when address may be called
	inbound chan net.Conn
	open    sync.WaitGroup // accepted connections that Raft's transport has not closed
	once    sync.Once
	closed  chan struct{}
}

var (
	_ raft.StreamLayer           = (*raftLayer)(nil)
	_ raft.ServerAddressProvider = (*raftLayer)(nil)
)

func newRaftLayer(id string, l *links, address func(string) (string, error), ready <-chan struct{}) *raftLayer {
	return &raftLayer{
		id: id, links: l, address: address, ready: ready,
		inbound: make(chan net.Conn), closed: make(chan struct{}),
	}
}

// ServerAddr makes the transport speak of members by ID.
func (r *raftLayer) ServerAddr(id raft.ServerID) (raft.ServerAddress, error) {
	return raft.ServerAddress(id), nil
}

// Dial opens a stream to the member with that ID.
func (r *raftLayer) Dial(member raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(r.links.ctx, timeout)
	defer cancel()
	select {
	case <-r.ready:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	addr, err := r.address(string(member))
	if err != nil {
		return nil, err
	}
	s, conn, err := r.links.open(ctx, string(member), addr, kindRaft)
	if err != nil {
		return nil, err
	}
	return &streamConn{Stream: s, conn: conn}, nil
}

// give hands an inbound stream to Raft's transport, which closes it.
func (r *raftLayer) give(s *quic.Stream, conn *quic.Conn) error {
	timer := time.NewTimer(headerTimeout)
	defer timer.Stop()
	r.open.Add(1)
	c := &streamConn{Stream: s, conn: conn, onEnd: r.open.Done}
	select {
	case r.inbound <- c:
		return nil
	case <-r.closed:
	case <-timer.C:
	}
	_ = c.Close()
	return os.ErrDeadlineExceeded
}

// Accept implements net.Listener.
func (r *raftLayer) Accept() (net.Conn, error) {
	select {
	case c := <-r.inbound:
		return c, nil
	case <-r.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener; it ends Accept only.
func (r *raftLayer) Close() error {
	r.once.Do(func() { close(r.closed) })
	return nil
}

// Addr implements net.Listener.
func (r *raftLayer) Addr() net.Addr { return raftAddr(r.id) }
