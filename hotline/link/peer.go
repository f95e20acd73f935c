package link

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/quic-go/quic-go"

	"example.org/hotline/hotline"
)

// peer is one other party. Its bounds are its own: nothing that it does takes
// a place from another.
type peer struct {
	line    *Line
	party   hotline.Party
	reading chan struct{} // streams of theirs at work, over all connections
	paths   []*path       // under line.mu

	mu    sync.Mutex
	inbox *Inbox
}

func newPeer(l *Line, party hotline.Party) *peer {
	return &peer{
		line: l, party: party,
		reading: make(chan struct{}, hotline.LinkStreams),
		inbox:   NewInbox(l.cfg.Rate, l.cfg.Burst),
	}
}

func (p *peer) arrive() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.inbox.Arrive()
}

func (p *peer) charge(flash bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.inbox.Charge(flash, wallClock())
}

func (p *peer) admit(flash bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.inbox.Enter(flash)
}

func (p *peer) release(flash bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.inbox.Leave(flash)
}

// pause leaves the peer's next stream unread while its bucket is empty.
func (p *peer) pause(ctx context.Context) {
	p.mu.Lock()
	wait := p.inbox.Pause(wallClock())
	p.mu.Unlock()
	if wait > 0 {
		sleep(ctx, time.Duration(wait)*time.Millisecond)
	}
}

// path is one node of a peer: at most one connection dialled by us and one
// accepted from it. Either carries questions both ways, so that two parties
// reach each other when only one of them can dial.
type path struct {
	peer *peer
	node hotline.Node
	ctx  context.Context // ends when the node is no longer in the directory, or with the Line
	stop context.CancelCauseFunc

	// Questions of ours in flight. Each node has places of its own: one that
	// answers nothing takes none from what goes to the others.
	ordinary chan struct{}
	flash    chan struct{}

	// Under peer.line.mu.
	dialled  *circuit
	accepted *circuit
	up       bool
	since    time.Time
	lastErr  error // of dialling, or of what was dialled
}

func newPath(p *peer, n hotline.Node) *path {
	t := &path{peer: p, node: n, since: time.Now(),
		ordinary: make(chan struct{}, hotline.LinkInFlight), flash: make(chan struct{}, hotline.FlashInFlight)}
	t.ctx, t.stop = context.WithCancelCause(p.line.ctx)
	return t
}

// enter takes a place among the questions in flight to the node.
func (t *path) enter(ctx context.Context, flash bool) (leave func(), err error) {
	places := t.ordinary
	if flash {
		places = t.flash
	}
	select {
	case places <- struct{}{}:
		return func() { <-places }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for one of %d places to %s: %w", cap(places), t.node.Name, context.Cause(ctx))
	}
}

// usable returns a connection on which our hello was accepted, or nil.
// line.mu is held.
func (t *path) usable() *quic.Conn {
	for _, c := range []*circuit{t.dialled, t.accepted} {
		if c != nil && c.ready && c.conn.Context().Err() == nil {
			return c.conn
		}
	}
	return nil
}

// dialLoop keeps a connection to the node open until the path ends. It waits
// between tries, doubling up to hotline.LinkRedialMax with jitter; after a
// connection that lasted HelloInterval it begins anew.
func (t *path) dialLoop() {
	defer t.stop(nil)
	wait := redialFirst
	for t.ctx.Err() == nil {
		begun := time.Now()
		err := t.dialOnce()
		if time.Since(begun) > HelloInterval {
			wait = redialFirst
		}
		if t.ctx.Err() != nil {
			return
		}
		t.failed(err)
		sleep(t.ctx, wait/2+rand.N(wait/2))
		wait = min(2*wait, hotline.LinkRedialMax)
	}
}

func (t *path) dialOnce() error {
	ctx, cancel := context.WithTimeout(t.ctx, hotline.LinkExchange)
	defer cancel()
	conn, err := t.peer.line.cfg.Dialer.Dial(ctx, t.node)
	if err != nil {
		return fmt.Errorf("dial %s at %s: %w", t.node.Name, t.node.Addr, explain(err))
	}
	if !shows(conn, t.node.Key) {
		closeWith(conn, CloseRemoved)
		return fmt.Errorf("dial %s at %s: it shows another key than its directory says", t.node.Name, t.node.Addr)
	}
	return newCircuit(t, conn, false).run()
}

// failed remembers why the path is not up.
func (t *path) failed(err error) {
	l := t.peer.line
	l.mu.Lock()
	t.lastErr = err
	l.mu.Unlock()
	l.log.Debug("connection ended", "peer", t.peer.party, "node", t.node.Name, "err", err)
}

// attach makes c the path's connection of its direction. An older one of the
// same direction is closed: the node restarted, or dialled twice.
func (t *path) attach(c *circuit) {
	l := t.peer.line
	l.mu.Lock()
	place := t.place(c)
	old := *place
	*place = c
	l.mu.Unlock()
	if old != nil {
		old.stop(&closing{CloseSuperseded})
	}
}

func (t *path) place(c *circuit) **circuit {
	if c.inbound {
		return &t.accepted
	}
	return &t.dialled
}

// settle is called when c became ready or ended, and tells the node when that
// opened or closed the path.
func (t *path) settle(c *circuit, ready bool) {
	l := t.peer.line
	l.mu.Lock()
	c.ready = ready
	if !ready && *t.place(c) == c {
		*t.place(c) = nil
	}
	up := t.usable() != nil
	changed := up != t.up
	if changed {
		t.up, t.since = up, time.Now()
	}
	if up {
		t.lastErr = nil
	}
	index := slices.Index(t.peer.paths, t)
	l.mu.Unlock()
	if !changed {
		return
	}
	l.log.Info("path changed", "peer", t.peer.party, "node", t.node.Name, "up", up)
	if l.cfg.Changed != nil && index >= 0 {
		l.cfg.Changed(t.peer.party, index, up)
	}
}

// State tells a node that does not answer from one that cannot be reached.
type State string

// The states of a path.
const (
	StateDown   State = "down"   // no connection
	StateSilent State = "silent" // a connection, but no answer to a hello of late
	StateUp     State = "up"     // a connection, and hellos are answered
)

// NodeStatus is the state of the path to one node.
type NodeStatus struct {
	Node      string
	Addr      string
	State     State
	Since     time.Time     // of the connection's coming or going
	RTT       time.Duration // smoothed; 0 while down
	LastError string        // why it is down, fit for an answer as Sanitize makes it; empty while up
	Answered  time.Time     // last answer to a hello of ours; zero: none on this connection
	Heard     time.Time     // last proper hello of theirs; zero: none on this connection
}

// PeerStatus is the state of the paths to one peer, in their order.
type PeerStatus struct {
	Party hotline.Party
	Nodes []NodeStatus
}

// Status returns the state of all peers, sorted by party.
func (l *Line) Status() []PeerStatus {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	out := make([]PeerStatus, 0, len(l.peers))
	for _, p := range l.peers {
		s := PeerStatus{Party: p.party, Nodes: make([]NodeStatus, 0, len(p.paths))}
		for _, t := range p.paths {
			s.Nodes = append(s.Nodes, t.status(now))
		}
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b PeerStatus) int { return strings.Compare(string(a.Party), string(b.Party)) })
	return out
}

// status is called with line.mu held.
func (t *path) status(now time.Time) NodeStatus {
	s := NodeStatus{Node: t.node.Name, Addr: t.node.Addr, State: StateDown, Since: t.since}
	for _, c := range []*circuit{t.dialled, t.accepted} {
		if c == nil || c.conn.Context().Err() != nil {
			continue
		}
		if s.State == StateDown {
			s.State = StateSilent
			s.RTT = c.conn.ConnectionStats().SmoothedRTT
		}
		if now.Sub(c.answered) <= HelloInterval+hotline.LinkExchange {
			s.State = StateUp
		}
		if c.answered.After(s.Answered) {
			s.Answered = c.answered
		}
		if c.heard.After(s.Heard) {
			s.Heard = c.heard
		}
	}
	if s.State != StateUp && t.lastErr != nil {
		s.LastError = Sanitize(t.lastErr.Error())
	}
	return s
}

// wallClock is the time that the pure parts count in.
func wallClock() hotline.Time { return hotline.Time(time.Now().UnixMilli()) }

// sleep waits for d or until ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
