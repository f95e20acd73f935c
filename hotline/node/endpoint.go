package node

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/quic-go/quic-go"

	"example.org/hotline/crypto/keys"
	"example.org/hotline/hotline"
	"example.org/hotline/hotline/desk"
	"example.org/hotline/hotline/link"
	"example.org/hotline/hotline/replica"
)

// closeUnknown is the application error for a conversation nobody here holds.
const closeUnknown quic.ApplicationErrorCode = 0x10

// acceptQueue bounds connections of the own group that wait to be taken.
const acceptQueue = 16

// endpoint owns the node's one UDP socket. ALPN chooses the conversation, the
// roster says who may hold it; a key proves who it is. Nothing else of TLS
// counts: no names, no chains, no tickets (SPEC §9.3).
type endpoint struct {
	socket    net.PacketConn
	transport *quic.Transport
	listener  *quic.Listener
	cert      tls.Certificate
	roster    *rosterBox
	log       *slog.Logger
	count     func(event string)
	fail      func(error) // an error of the second class

	group chan inbound // accepted connections of the own group
	serve func(alpn string, conn *quic.Conn, who caller)

	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu   sync.Mutex
	open map[*quic.Conn]peerKey // connections of the group and accepted ones
}

// peerKey is what the far end of a connection proved, and who that was then.
type peerKey struct {
	alpn string
	key  keys.Public
	who  caller
}

type inbound struct {
	conn *quic.Conn
	name string
}

// listenUDP opens the socket of a node that has the machine's network.
func listenUDP(addr *net.UDPAddr) (net.PacketConn, error) { return net.ListenUDP("udp", addr) }

func listen(addr string, open func(*net.UDPAddr) (net.PacketConn, error), tlsKey *keys.Private, r *rosterBox, log *slog.Logger,
	count func(string), fail func(error),
) (*endpoint, error) {
	cert, err := tlsKey.Certificate()
	if err != nil {
		return nil, fmt.Errorf("tls certificate: %w", err)
	}
	udp, err := net.ResolveUDPAddr("udp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen address: %w", err)
	}
	socket, err := open(udp)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on udp %s: %w; is another daemon running", addr, err)
	}
	seed, err := tlsKey.Sign([]byte("hotline stateless reset key"))
	if err != nil {
		return nil, errors.Join(err, socket.Close())
	}
	// Derived from the long-term key: after a restart on the same address peers
	// learn at once that their old connection is dead.
	reset := quic.StatelessResetKey(sha256.Sum256(seed))
	e := &endpoint{socket: socket, cert: cert, roster: r, log: log, count: count, fail: fail, group: make(chan inbound, acceptQueue),
		open: map[*quic.Conn]peerKey{}}
	e.transport = &quic.Transport{Conn: socket, StatelessResetKey: &reset}
	e.ctx, e.cancel = context.WithCancel(context.Background())
	return e, nil
}

// start begins to accept; serve is called on a goroutine of its own for each
// connection of a peer or an officer.
func (e *endpoint) start(serve func(alpn string, conn *quic.Conn, who caller)) error {
	e.serve = serve
	allow := func(cs tls.ConnectionState, peer keys.Public) error {
		if _, ok := e.roster.get().allows(cs.NegotiatedProtocol, peer); !ok {
			e.count("unauthenticated")
			return fmt.Errorf("this key may not hold the conversation %q", cs.NegotiatedProtocol)
		}
		return nil
	}
	ln, err := e.transport.Listen(keys.ServerTLS(e.cert, []string{link.ALPN, replica.ALPN, desk.ALPN}, allow), serverQUIC())
	if err != nil {
		return err
	}
	e.listener = ln
	e.wg.Add(1)
	go e.accept()
	return nil
}

// serverQUIC serves three conversations on one socket: the widest stream
// bound of the three and the group's shorter idle time decide.
func serverQUIC() *quic.Config {
	c := replica.QUICConfig()
	l := link.QUICConfig()
	c.MaxIncomingStreams = max(c.MaxIncomingStreams, l.MaxIncomingStreams)
	c.MaxIdleTimeout = l.MaxIdleTimeout
	c.Allow0RTT = false
	return c
}

func (e *endpoint) accept() {
	defer e.wg.Done()
	for {
		conn, err := e.listener.Accept(e.ctx)
		if e.ctx.Err() != nil {
			return // close is the only way out
		}
		if err != nil {
			// Second class. QUIC gives a socket up for good at the first error of
			// reading from it: this node would hear nobody and count its clocks on.
			e.fail(fmt.Errorf("the udp socket on %s has failed: %w", e.socket.LocalAddr(), err))
			return
		}
		cs := conn.ConnectionState().TLS
		key, err := keys.PeerKey(cs)
		if err != nil {
			_ = conn.CloseWithError(closeUnknown, "no key")
			continue
		}
		who, _ := e.roster.get().allows(cs.NegotiatedProtocol, key)
		e.keep(conn, peerKey{cs.NegotiatedProtocol, key, who})
		// Behind keep: a roster that is newer than this look ends it in follow.
		now, ok := e.roster.get().allows(cs.NegotiatedProtocol, key)
		if !ok || who.takes(now) {
			_ = conn.CloseWithError(closeUnknown, "unknown key")
			continue
		}
		e.take(cs.NegotiatedProtocol, conn, who)
	}
}

// keep remembers a connection until it ends.
func (e *endpoint) keep(conn *quic.Conn, who peerKey) {
	e.mu.Lock()
	e.open[conn] = who
	e.mu.Unlock()
	context.AfterFunc(conn.Context(), func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		delete(e.open, conn)
	})
}

// follow ends every connection whose key the roster does not allow any more, since a
// stolen key must not keep an old session, and those of officers from whom it takes
// something: they open anew.
func (e *endpoint) follow(r *roster) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for conn, who := range e.open {
		now, ok := r.allows(who.alpn, who.key)
		if ok && !who.who.takes(now) {
			continue
		}
		code := closeUnknown
		switch {
		case ok:
			code = desk.CloseEnd
		case who.alpn == desk.ALPN:
			code = desk.CloseDenied
		}
		// Not waited for: follow runs under Apply. Close ends it at the latest.
		go func() { _ = conn.CloseWithError(code, "this key is not in force any more") }()
	}
}

func (e *endpoint) take(alpn string, conn *quic.Conn, who caller) {
	if alpn == replica.ALPN {
		select {
		case e.group <- inbound{conn, who.name}:
		default:
			_ = conn.CloseWithError(closeUnknown, "busy")
		}
		return
	}
	e.wg.Add(1)
	go func() {
		defer e.wg.Done()
		e.serve(alpn, conn, who)
	}()
}

func (e *endpoint) dial(ctx context.Context, alpn, addr string, key keys.Public, cfg *quic.Config) (*quic.Conn, error) {
	udp, err := net.ResolveUDPAddr("udp", addr)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, dialWait)
	defer cancel()
	pin := func(peer keys.Public) error {
		if peer != key {
			return errors.New("the key at this address is not the one in the directory")
		}
		return nil
	}
	return e.transport.Dial(ctx, udp, keys.ClientTLS(e.cert, alpn, pin), cfg)
}

const dialWait = 3 * time.Second

// Dial opens a connection to a peer's node; it makes endpoint a link.Dialer.
func (e *endpoint) Dial(ctx context.Context, n hotline.Node) (*quic.Conn, error) {
	return e.dial(ctx, link.ALPN, n.Addr, n.Key, link.QUICConfig())
}

// groupNetwork is the endpoint as the replica sees it.
type groupNetwork struct{ e *endpoint }

// Dial opens a connection to a member of the own group. The directory's
// address counts, not the one in Raft's configuration: it may be newer.
func (g groupNetwork) Dial(ctx context.Context, member, _ string) (*quic.Conn, error) {
	n, ok := g.e.roster.get().nodes[member]
	if !ok {
		return nil, fmt.Errorf("node %s is not in the directory in force", member)
	}
	conn, err := g.e.dial(ctx, replica.ALPN, n.Addr, n.Key, replica.QUICConfig())
	if err != nil {
		return nil, err
	}
	g.e.keep(conn, peerKey{alpn: replica.ALPN, key: n.Key})
	if now := g.e.roster.get().nodes[member]; now.Key != n.Key {
		_ = conn.CloseWithError(closeUnknown, "this key is not in force any more")
		return nil, fmt.Errorf("the key of node %s has just changed", member)
	}
	return conn, nil
}

// Accept returns the next connection of a member of the own group.
func (g groupNetwork) Accept(ctx context.Context) (*quic.Conn, string, error) {
	select {
	case in := <-g.e.group:
		return in.conn, in.name, nil
	case <-ctx.Done():
		return nil, "", ctx.Err()
	case <-g.e.ctx.Done():
		return nil, "", net.ErrClosed
	}
}

func (e *endpoint) close() {
	e.cancel()
	if e.listener != nil {
		_ = e.listener.Close()
	}
	_ = e.transport.Close()
	_ = e.socket.Close()
	e.wg.Wait()
}
