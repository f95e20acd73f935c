package desk

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/quic-go/quic-go"

	"example.org/hotline/crypto/keys"
	"example.org/hotline/hotline"
)

// ErrUnreachable says that no node of the group could be asked: nothing of the
// request has reached one.
var ErrUnreachable = errors.New("no node of the group can be reached")

// ErrAnswer says that a node answered something that is no proper reply.
var ErrAnswer = errors.New("the node's answer is not a proper reply")

const (
	// stagger is how long one node may take to answer a dial before the next
	// one is tried beside it.
	stagger = 400 * time.Millisecond
	// attempt bounds one request to one node: a node answers within
	// hotline.GroupExchange what its group can answer.
	attempt = hotline.GroupExchange + 2*time.Second
)

// Node is one node of the officer's own group, as a verified directory has it.
type Node struct {
	Name string
	Addr string      // IP:port
	Key  keys.Public // of its TLS certificate
}

// Client talks to any one of the nodes of a group. It keeps one connection and,
// when that ends, tries the nodes anew, beginning with the one that answered
// last. It is safe for concurrent use.
type Client struct {
	nodes []Node
	cert  tls.Certificate

	dialing sync.Mutex // one dial at a time; held while waiting for it
	mu      sync.Mutex
	socket  *socket // that of conn, or of the next dial
	conn    *quic.Conn
	at      int // index of the node that answered last
	closed  bool
}

// socket is a UDP socket of this machine with QUIC on it.
type socket struct {
	udp *net.UDPConn
	*quic.Transport
}

func openSocket() (*socket, error) {
	udp, err := net.ListenUDP("udp", nil)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	return &socket{udp, &quic.Transport{Conn: udp}}, nil
}

func (s *socket) close() {
	_ = s.Transport.Close() // what is left is the socket's end
	_ = s.udp.Close()
}

// Dial connects to the first of nodes that answers and lets this key in. The
// error wraps ErrUnreachable, or is a Refusal of CodeDenied if a node answered
// that the key is no officer's. The caller closes the Client.
func Dial(ctx context.Context, key *keys.Private, nodes []Node) (*Client, error) {
	if len(nodes) == 0 {
		return nil, fmt.Errorf("%w: the directory names none", ErrUnreachable)
	}
	cert, err := key.Certificate()
	if err != nil {
		return nil, err
	}
	so, err := openSocket()
	if err != nil {
		return nil, err
	}
	c := &Client{nodes: nodes, cert: cert, socket: so}
	if _, _, err := c.connect(ctx, nil); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// Node returns the name of the node that answered last.
func (c *Client) Node() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.nodes[c.at].Name
}

// Close ends the connection and all that runs on it.
func (c *Client) Close() {
	c.mu.Lock()
	c.closed = true
	conn, so := c.conn, c.socket
	c.mu.Unlock()
	if conn != nil {
		_ = conn.CloseWithError(CloseEnd, "")
	}
	so.close()
}

// connect returns the live connection, or dials the nodes. failed is a
// connection that the caller found unfit: it is not returned again.
func (c *Client) connect(ctx context.Context, failed *quic.Conn) (*quic.Conn, string, error) {
	c.dialing.Lock()
	defer c.dialing.Unlock()
	c.mu.Lock()
	conn, first, so := c.conn, c.at, c.socket
	c.mu.Unlock()
	if conn != nil && conn != failed && conn.Context().Err() == nil {
		return conn, c.nodes[first].Name, nil
	}
	if conn != nil {
		_ = conn.CloseWithError(CloseEnd, "")
		first++ // the one that failed comes last
		var err error
		if so, err = c.reopen(); err != nil {
			return nil, "", err
		}
	}
	conn, at, err := c.race(ctx, so, first%len(c.nodes))
	if err != nil {
		return nil, "", err
	}
	c.mu.Lock()
	c.conn, c.at = conn, at
	c.mu.Unlock()
	return conn, c.nodes[at].Name, nil
}

// reopen takes another socket, since the old one may be what failed: an officer's
// machine sleeps, and goes from one network to another.
func (c *Client) reopen() (*socket, error) {
	so, err := openSocket()
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		so.close()
		return nil, fmt.Errorf("%w: this client was closed", ErrUnreachable)
	}
	old := c.socket
	c.socket = so
	c.mu.Unlock()
	old.close()
	return so, nil
}

// dialled is the outcome of one dial.
type dialled struct {
	conn *quic.Conn
	at   int
	err  error
}

// race dials the nodes one after the other, each a little after the one before
// or when that one failed, and takes the first that answers.
func (c *Client) race(ctx context.Context, so *socket, first int) (*quic.Conn, int, error) {
	ctx, cancel := context.WithTimeout(ctx, hotline.DeskHandshake)
	results := make(chan dialled, len(c.nodes))
	var wg sync.WaitGroup
	started := 0
	start := func() {
		at := (first + started) % len(c.nodes)
		started++
		wg.Go(func() {
			conn, err := c.dial(ctx, so, c.nodes[at])
			results <- dialled{conn, at, err}
		})
	}
	defer func() { // what lost the race is ended
		cancel()
		wg.Wait()
		close(results)
		for d := range results {
			if d.err == nil {
				_ = d.conn.CloseWithError(CloseEnd, "")
			}
		}
	}()
	var errs []error
	timer := time.NewTimer(stagger)
	defer timer.Stop()
	for start(); len(errs) < len(c.nodes); {
		select {
		case d := <-results:
			if d.err == nil {
				return d.conn, d.at, nil
			}
			errs = append(errs, fmt.Errorf("%s: %w", c.nodes[d.at].Name, d.err))
		case <-timer.C:
		}
		if started < len(c.nodes) {
			start()
			timer.Reset(stagger)
		}
	}
	return nil, 0, unreachable(errs)
}

func (c *Client) dial(ctx context.Context, so *socket, n Node) (*quic.Conn, error) {
	addr, err := net.ResolveUDPAddr("udp", n.Addr)
	if err != nil {
		return nil, err
	}
	cfg := keys.ClientTLS(c.cert, ALPN, func(peer keys.Public) error {
		if peer != n.Key {
			return errors.New("it shows another key than the directory's")
		}
		return nil
	})
	return so.Dial(ctx, addr, cfg, QUICConfig())
}

// unreachable joins what each node said; that a node refuses the key is said
// first.
func unreachable(errs []error) error {
	err := errors.Join(errs...)
	if denied(err) {
		return hotline.Refuse(hotline.CodeDenied, "the node knows no officer in force with this key: %s", oneLine(err))
	}
	return fmt.Errorf("%w: %s", ErrUnreachable, oneLine(err))
}

// denied reports whether the far side ended the handshake or the connection
// because of our key. In TLS 1.3 that may come after our own handshake is over.
func denied(err error) bool {
	var transport *quic.TransportError
	var app *quic.ApplicationError
	return errors.As(err, &transport) && transport.Remote && transport.ErrorCode.IsCryptoError() ||
		errors.As(err, &app) && app.Remote && app.ErrorCode == CloseDenied
}
