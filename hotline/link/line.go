package link

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/quic-go/quic-go"

	"example.org/hotline/crypto/keys"
	"example.org/hotline/hotline"
)

// Peer is another party with its nodes, as its directory in force lists them.
type Peer struct {
	Party hotline.Party
	Nodes []hotline.Node
}

// Host is what the node does with what arrives. Its methods are called from
// many goroutines at once, never more than the peer's Inbox allows. Those with
// a context must return soon after it ends, the others at once: Close waits for
// them. A nil answer is sent as CodeInternal.
type Host interface {
	// Deliver is one statement from a peer's node, unverified.
	Deliver(ctx context.Context, from hotline.Party, node string, d *Delivery) *Answer
	// Document is a convention version or a directory, unverified.
	Document(ctx context.Context, from hotline.Party, raw []byte) *Answer
	// Hello is what the peer says of itself; party and node are those of the
	// connection. A code in the answer refuses the connection.
	Hello(from hotline.Party, node string, h *Hello) *Answer
	// Greeting is our own hello; Party and Node are filled in by the Line. It may
	// take some seconds, in which the connection waits.
	Greeting(ctx context.Context, to hotline.Party) *Hello
	// Count counts one of the events below.
	Count(event string, from hotline.Party)
}

// Witness is what a party that witnesses does with another's checkpoint, raw
// and unverified. The rules of Host hold.
type Witness interface {
	Checkpoint(ctx context.Context, from hotline.Party, raw []byte) *Answer
}

// The events that are counted: the whole set. Nothing more is kept of content
// whose sender is not authenticated.
const (
	EventUnauthenticated = "unauthenticated" // connection of a node that is in no directory in force
	EventNoHello         = "no-hello"        // connection without a proper hello
	EventMalformed       = "malformed"       // frame that is not the one encoding of a question
	EventTooLarge        = "too-large"       // frame or part over its bound
	EventVersion         = "version"         // question of another protocol version
	EventFlooded         = "flooded"         // peer's bucket was empty
	EventCrowded         = "crowded"         // peer has too many deliveries at work
	EventUnread          = "unread"          // stream cut or late before its end
	EventBadAnswer       = "bad-answer"      // peer's answer is not the one encoding of an answer
)

// Dialer opens an authenticated connection to a node: TLS 1.3, ALPN, pinned to
// the node's key, without 0-RTT.
type Dialer interface {
	Dial(ctx context.Context, n hotline.Node) (*quic.Conn, error)
}

// Config says who we are and who does the rest.
type Config struct {
	Party  hotline.Party
	Node   string
	Host   Host
	Dialer Dialer
	// Witness, if set, answers checkpoints; without it the code is CodeDenied.
	Witness Witness
	Logger  *slog.Logger // nil: none
	Rate    int          // streams per second and peer; 0: hotline.LinkRate
	Burst   int          // 0: hotline.LinkBurst
	// Changed, if set, is told when a path can be used or no longer: for
	// Outbox.PathOpened and PathFailed. It must not block.
	Changed func(to hotline.Party, path int, up bool)
	// Greeted, if set, is told each answer to our hello, with the round trip:
	// the peer's clock and the newest head of our log that it holds. It must
	// not block.
	Greeted func(to hotline.Party, node string, a *Answer, roundTrip time.Duration)
}

// Errors of Ask: this exchange failed, and its outcome at the peer is unknown.
var (
	ErrDown   = errors.New("no open connection to the peer's node")
	ErrAnswer = errors.New("peer's answer cannot be read")
	ErrClosed = errors.New("line is closed")
)

// Line keeps connections to every node of every peer open and runs exchanges
// on them. All methods may be called from any goroutine.
type Line struct {
	cfg  Config
	log  *slog.Logger
	ctx  context.Context // ends with Close
	stop context.CancelCauseFunc
	wg   sync.WaitGroup // dial loops and served connections

	mu     sync.Mutex
	closed bool
	peers  map[hotline.Party]*peer
}

// New makes a Line without peers.
func New(cfg Config) *Line {
	if cfg.Rate == 0 {
		cfg.Rate = hotline.LinkRate
	}
	if cfg.Burst == 0 {
		cfg.Burst = hotline.LinkBurst
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	l := &Line{cfg: cfg, log: cfg.Logger.With("part", "link"), peers: map[hotline.Party]*peer{}}
	l.ctx, l.stop = context.WithCancelCause(context.Background())
	return l
}

// SetPeers says who the peers are now, at most MaxPeers; our own party among
// them is passed over. Connections to nodes that are gone, or whose key or
// address changed, are closed at once; new nodes are dialled; what did not
// change is not touched. Paths are indexes into Nodes as given here: where they
// change, Outbox.Configure is called too.
func (l *Line) SetPeers(list []Peer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	keep := map[hotline.Party]bool{}
	for _, p := range list[:min(len(list), MaxPeers)] {
		if p.Party == l.cfg.Party || keep[p.Party] {
			continue
		}
		keep[p.Party] = true
		if l.peers[p.Party] == nil {
			l.peers[p.Party] = newPeer(l, p.Party)
		}
		l.setNodes(l.peers[p.Party], p.Nodes)
	}
	for party, p := range l.peers {
		if !keep[party] {
			l.setNodes(p, nil)
			delete(l.peers, party)
		}
	}
}

// setNodes replaces p's paths. l.mu is held.
func (l *Line) setNodes(p *peer, nodes []hotline.Node) {
	old := p.paths
	p.paths = nil
	for _, n := range nodes[:min(len(nodes), hotline.MaxNodes)] {
		i := slices.IndexFunc(old, func(t *path) bool { return t.node == n })
		if i >= 0 {
			p.paths = append(p.paths, old[i])
			old = slices.Delete(slices.Clone(old), i, i+1)
			continue
		}
		t := newPath(p, n)
		p.paths = append(p.paths, t)
		l.wg.Go(t.dialLoop)
	}
	for _, t := range old {
		t.stop(&closing{CloseRemoved})
	}
}

// Serve runs a connection that the node accepted and authenticated as this
// party's node, and returns when it is over. A node that is not among the
// peers, or shows another key than its directory says, is closed at once.
func (l *Line) Serve(conn *quic.Conn, from hotline.Party, node string) {
	l.mu.Lock()
	t := l.find(from, node)
	known := t != nil && !l.closed && shows(conn, t.node.Key)
	if known {
		l.wg.Add(1)
	}
	ended := l.closed
	l.mu.Unlock()
	switch {
	case known:
		defer l.wg.Done()
		err := newCircuit(t, conn, true).run()
		l.log.Debug("accepted connection ended", "peer", from, "node", node, "err", err)
	case ended:
		closeWith(conn, CloseEnd)
	default:
		l.cfg.Host.Count(EventUnauthenticated, from)
		closeWith(conn, CloseRemoved)
	}
}

// shows reports whether the peer of conn proved that it holds key. The node
// has checked that; but the directory may have changed since.
func shows(conn *quic.Conn, key keys.Public) bool {
	shown, err := keys.PeerKey(conn.ConnectionState().TLS)
	return err == nil && shown == key
}

// find returns the path to a node, or nil. l.mu is held.
func (l *Line) find(party hotline.Party, node string) *path {
	p := l.peers[party]
	if p == nil {
		return nil
	}
	for _, t := range p.paths {
		if t.node.Name == node {
			return t
		}
	}
	return nil
}

// Ask puts one question to the path-th node of a peer and returns its answer.
// It waits for a place among the exchanges in flight to that node, of which
// FLASH has its own, and gives up after hotline.LinkExchange. An error that is
// a hotline.Refusal says that the question breaks a bound; ErrDown, ErrAnswer
// and any other that the exchange failed, and that what became of the
// question is not known.
func (l *Line) Ask(ctx context.Context, to hotline.Party, path int, flash bool, q *Question) (*Answer, error) {
	out := *q
	out.Flash = flash
	frame, err := EncodeQuestion(&out)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, hotline.LinkExchange)
	defer cancel()
	t, err := l.pathTo(to, path)
	if err != nil {
		return nil, err
	}
	leave, err := t.enter(ctx, flash)
	if err != nil {
		return nil, err
	}
	defer leave()
	conn := l.open(t)
	if conn == nil {
		return nil, fmt.Errorf("%w: %s path %d", ErrDown, to, path)
	}
	a, err := exchange(ctx, conn, frame, flash)
	if errors.Is(err, ErrAnswer) {
		l.cfg.Host.Count(EventBadAnswer, to)
	}
	return a, err
}

// pathTo returns the i-th path to a peer.
func (l *Line) pathTo(to hotline.Party, i int) (*path, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.peers[to]
	switch {
	case l.closed:
		return nil, ErrClosed
	case p == nil:
		return nil, fmt.Errorf("%w: %s is no peer", ErrDown, to)
	case i < 0 || i >= len(p.paths):
		return nil, fmt.Errorf("%w: %s path %d", ErrDown, to, i)
	}
	return p.paths[i], nil
}

// open returns the connection to use for a path, or nil.
func (l *Line) open(t *path) *quic.Conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	return t.usable()
}

// Close closes every connection with CloseEnd and waits until all goroutines
// of the Line have ended.
func (l *Line) Close() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.stop(&closing{CloseEnd})
	l.wg.Wait()
}

func closeWith(conn *quic.Conn, code quic.ApplicationErrorCode) {
	// The text is fixed by the code. An error only says that it is closed already.
	_ = conn.CloseWithError(code, closeText(code))
}

// closing is the cause with which a circuit's context ends.
type closing struct{ code quic.ApplicationErrorCode }

func (c *closing) Error() string { return closeText(c.code) }

func codeOf(cause error) quic.ApplicationErrorCode {
	var c *closing
	if errors.As(cause, &c) {
		return c.code
	}
	return CloseEnd
}
