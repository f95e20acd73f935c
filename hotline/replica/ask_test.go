package replica

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"testing"

	"github.com/quic-go/quic-go"
)

// A request reaches the leader from every member, itself included, and one
// named member from every other.
func TestAskReachesLeaderAndMembers(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	g := startGroup(t, 3)
	l := g.leader(ctx)
	for _, n := range g.nodes {
		want := fmt.Sprintf("%s to %s: hello", n.cfg.ID, l.cfg.ID)
		if got, err := n.Ask(ctx, []byte("hello")); err != nil || string(got) != want {
			t.Fatalf("%q, %v, want %q", got, err, want)
		}
		for _, to := range g.nodes {
			want := fmt.Sprintf("%s to %s: hello", n.cfg.ID, to.cfg.ID)
			if got, err := n.AskMember(ctx, to.cfg.ID, []byte("hello")); err != nil || string(got) != want {
				t.Fatalf("%q, %v, want %q", got, err, want)
			}
		}
		if _, err := n.AskMember(ctx, "XB-N1", nil); !errors.Is(err, ErrNotMember) {
			t.Fatalf("asked a stranger: %v", err)
		}
	}
}

// Promise: a leader serves itself without bytes in between, in a place among its
// own requests; a member that does not lead, or has no place, runs nothing.
func TestHereRunsOnTheLeaderAlone(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	g := startGroup(t, 3)
	l := g.leader(ctx)
	ran := false
	if err := l.Here(ctx, func(context.Context) { ran = true }); err != nil || !ran {
		t.Fatalf("on the leader: %v, ran: %t", err, ran)
	}
	never := func(context.Context) { t.Error("ran") }
	if err := without(g.nodes, l)[0].Here(ctx, never); !errors.Is(err, ErrNotLeader) {
		t.Errorf("on a follower: %v", err)
	}
	l.serveGates.mu.Lock()
	l.serveGates.byMember = map[string]*gate{l.cfg.ID: newGate(0, 0)}
	l.serveGates.mu.Unlock()
	if err := l.Here(ctx, never); !errors.Is(err, ErrBusy) {
		t.Errorf("without a place: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := l.Here(ctx, never); !errors.Is(err, ErrStopped) {
		t.Errorf("on a closed member: %v", err)
	}
}

// Sizes up to the bound pass both ways, and beyond it are refused before anything is
// delivered.
func TestRequestSizes(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	var served, size atomic.Int64
	size.Store(MaxResponse)
	g := startGroup(t, 3, func(n *node) {
		n.cfg.Serve = func(_ context.Context, _ string, request []byte) []byte {
			served.Add(1)
			return make([]byte, size.Load())
		}
	})
	l := g.leader(ctx)
	f := without(g.nodes, l)[0]
	if got, err := f.Ask(ctx, make([]byte, MaxRequest)); err != nil || len(got) != MaxResponse {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
	if _, err := f.Ask(ctx, make([]byte, MaxRequest+1)); !errors.Is(err, ErrTooLarge) || errors.Is(err, ErrUnknown) {
		t.Fatalf("request over the bound: %v", err)
	}
	if _, err := l.Propose(ctx, make([]byte, MaxCommand+1)); !errors.Is(err, ErrTooLarge) {
		t.Fatalf("command over the bound: %v", err)
	}
	if n := served.Load(); n != 1 {
		t.Fatalf("%d requests were served, want 1", n)
	}
	if _, err := l.Propose(ctx, make([]byte, MaxCommand)); err != nil {
		t.Fatal(err)
	}
	size.Store(MaxResponse + 1)
	if _, err := f.Ask(ctx, nil); !errors.Is(err, ErrTooLarge) || !errors.Is(err, ErrUnknown) {
		t.Fatalf("answer over the bound: %v", err)
	}
}

// Ask waits for a leader as long as its caller does, and says that nothing was
// delivered when none came.
func TestAskWaitsForLeader(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	g := newGroup(t)
	var servers []Server
	for i := range 3 {
		n := g.prepare(fmt.Sprintf("XA-N%d", i+1))
		servers = append(servers, Server{n.cfg.ID, n.cfg.Address, true})
	}
	for _, n := range g.nodes {
		n.cfg.Bootstrap = servers
	}
	g.open(g.nodes[0])
	given, cancel := context.WithCancel(ctx)
	answers := make(chan error, 2)
	go func() { _, err := g.nodes[0].Ask(given, nil); answers <- err }()
	cancel()
	if err := <-answers; !errors.Is(err, ErrNoLeader) || errors.Is(err, ErrUnknown) {
		t.Fatalf("asked a group without a leader: %v", err)
	}
	go func() { _, err := g.nodes[0].Ask(ctx, nil); answers <- err }()
	g.open(g.nodes[1])
	g.open(g.nodes[2])
	g.hurry()
	if err := <-answers; err != nil {
		t.Fatal(err)
	}
}

// A request that may have been served is not sent again: its outcome is unknown.
func TestDeliveredRequestIsNotRepeated(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	var served atomic.Int64
	inside := make(chan struct{}, 3)
	g := startGroup(t, 3, func(n *node) {
		n.cfg.Serve = func(ctx context.Context, _ string, _ []byte) []byte {
			served.Add(1)
			inside <- struct{}{}
			<-ctx.Done()
			return nil
		}
	})
	l := g.leader(ctx)
	answers := make(chan error, 1)
	go func() {
		_, err := without(g.nodes, l)[0].Ask(ctx, []byte("once"))
		answers <- err
	}()
	<-inside
	l.net.close() // the connection ends, the request has been read
	if err := <-answers; !errors.Is(err, ErrUnknown) {
		t.Fatalf("request in service when the leader went: %v", err)
	}
	if n := served.Load(); n != 1 {
		t.Fatalf("served %d times", n)
	}
}

// Who asked a leader that another has replaced, and that does not answer, is not
// kept waiting: the outcome is unknown, and asking again finds the new leader.
func TestAskGivesUpOnReplacedLeader(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	inside, over := make(chan struct{}, 1), make(chan struct{})
	defer close(over)
	g := startGroup(t, 3, func(n *node) {
		n.cfg.Serve = func(_ context.Context, _ string, _ []byte) []byte {
			inside <- struct{}{}
			<-over // as if it were dead
			return nil
		}
	})
	old := g.leader(ctx)
	rest := without(g.nodes, old)
	answers := make(chan error, 1)
	go func() { _, err := rest[0].Ask(context.Background(), nil); answers <- err }()
	<-inside
	if err := old.TransferLeadership(ctx); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-answers:
		if !errors.Is(err, ErrUnknown) {
			t.Fatalf("the outcome is %v, want unknown", err)
		}
	case <-ctx.Done():
		t.Fatal("waits for the replaced leader")
	}
}

// A full queue refuses at once, and refuses for certain.
func TestBusyMemberRefuses(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	inside, release := make(chan struct{}, 1), make(chan struct{})
	g := startGroup(t, 3, func(n *node) {
		n.cfg.Serve = func(context.Context, string, []byte) []byte {
			inside <- struct{}{}
			<-release
			return []byte("served")
		}
	})
	l := g.leader(ctx)
	f := without(g.nodes, l)[0]
	l.serveGates.mu.Lock()
	l.serveGates.byMember = map[string]*gate{f.cfg.ID: newGate(1, 0)}
	l.serveGates.mu.Unlock()
	answers := make(chan error, 1)
	go func() { _, err := f.Ask(ctx, nil); answers <- err }()
	<-inside
	if _, err := f.Ask(ctx, nil); !errors.Is(err, ErrBusy) {
		t.Fatalf("asked a busy member: %v", err)
	}
	close(release)
	if err := <-answers; err != nil {
		t.Fatal(err)
	}
}

// Every stream is read to its end and freed: many more requests than a connection
// has streams pass over one connection, whatever was answered.
func TestStreamsDoNotRunOut(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	g := startGroup(t, 3)
	l := g.leader(ctx)
	f := without(g.nodes, l)[0]
	other := without(without(g.nodes, l), f)[0]
	rounds := int(QUICConfig().MaxIncomingStreams) + 50
	conn := func() *quic.Conn {
		l, err := f.links.get(ctx, l.cfg.ID, l.cfg.Address)
		if err != nil {
			t.Fatal(err)
		}
		return l.conn
	}
	before := conn()
	for range rounds {
		if _, err := f.AskMember(ctx, l.cfg.ID, []byte("hello")); err != nil {
			t.Fatal(err)
		}
		if _, err := f.askOne(ctx, other.cfg.ID, kindLeader, make([]byte, 4096)); !errors.Is(err, ErrNotLeader) {
			t.Fatalf("asked a follower as leader: %v", err)
		}
		// A question whose (empty) body the far end does not read.
		if _, err := f.exchange(ctx, l.cfg.ID, l.cfg.Address, kindStatus, nil); err != nil {
			t.Fatal(err)
		}
	}
	setGate := func(g *gate) {
		l.serveGates.mu.Lock()
		defer l.serveGates.mu.Unlock()
		l.serveGates.byMember[f.cfg.ID] = g
	}
	setGate(newGate(1, -1)) // refuses all, before it has read anything
	for range rounds {
		if _, err := f.AskMember(ctx, l.cfg.ID, make([]byte, 4096)); !errors.Is(err, ErrBusy) {
			t.Fatalf("asked a full member: %v", err)
		}
	}
	setGate(newGate(1, 0))
	if _, err := f.AskMember(ctx, l.cfg.ID, nil); err != nil {
		t.Fatal(err)
	}
	if conn() != before {
		t.Fatal("more than one connection was used")
	}
}

// Raft sees io.EOF whichever way the far end goes away, and its Close ends both
// directions.
func TestStreamEndsAreEOF(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	keys := &testKeys{pins: map[string]string{}}
	a, b := newTestNetwork(t, keys, "XA-N1", "127.0.0.1:0"), newTestNetwork(t, keys, "XA-N2", "127.0.0.1:0")
	for name, end := range map[string]func(*streamConn){
		"close":      func(s *streamConn) { _ = s.Close() },
		"reset":      func(s *streamConn) { s.CancelWrite(3) },
		"connection": func(s *streamConn) { _ = s.conn.CloseWithError(closedByUs, "") },
	} {
		out, err := a.Dial(ctx, "XA-N2", b.addr())
		if err != nil {
			t.Fatal(err)
		}
		in, _, err := b.Accept(ctx)
		if err != nil {
			t.Fatal(err)
		}
		s, err := out.OpenStreamSync(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Write([]byte{1}); err != nil {
			t.Fatal(err)
		}
		far, err := in.AcceptStream(ctx)
		if err != nil {
			t.Fatal(err)
		}
		conn := &streamConn{Stream: far, conn: in}
		if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		end(&streamConn{Stream: s, conn: out})
		if _, err := conn.Read(make([]byte, 1)); err != io.EOF {
			t.Fatalf("%s: %v, want EOF", name, err)
		}
		if name == "close" { // the far end must not write into the void
			select {
			case <-far.Context().Done():
			case <-ctx.Done():
				t.Fatal("Close left the other direction open")
			}
		}
	}
}

// A connection that died with its peer is dialled again within the same call.
func TestDeadConnectionIsDialledAgain(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	g := startGroup(t, 3)
	l := g.leader(ctx)
	f := without(g.nodes, l)[0]
	if _, err := l.AskMember(ctx, f.cfg.ID, nil); err != nil {
		t.Fatal(err)
	}
	old, err := l.links.get(ctx, f.cfg.ID, f.cfg.Address)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-old.conn.Context().Done():
	case <-ctx.Done():
		t.Fatal("a closed member keeps its connections")
	}
	g.restart(f)
	want := fmt.Sprintf("%s to %s: again", l.cfg.ID, f.cfg.ID)
	if got, err := l.AskMember(ctx, f.cfg.ID, []byte("again")); err != nil || string(got) != want {
		t.Fatalf("%q, %v", got, err)
	}
}

// What a member of another mind sends on a connection (unknown kinds, nothing,
// too much, half a request) is refused and harms nothing.
func TestOddStreamsAreRefused(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	var served atomic.Int64
	g := startGroup(t, 1, func(n *node) {
		n.cfg.Serve = func(context.Context, string, []byte) []byte { served.Add(1); return nil }
	})
	n := g.leader(ctx)
	odd := newTestNetwork(t, g.keys, "XA-N9", "127.0.0.1:0")
	conn, err := odd.Dial(ctx, "XA-N1", n.cfg.Address)
	if err != nil {
		t.Fatal(err)
	}
	send := func(b []byte, end func(*quic.Stream)) ([]byte, error) {
		s, err := conn.OpenStreamSync(ctx)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = s.Write(b) // may be refused in the middle
		end(s)
		return io.ReadAll(s)
	}
	finish := func(s *quic.Stream) { _ = s.Close() }
	cut := func(s *quic.Stream) { s.CancelWrite(7) }
	if got, err := send([]byte{99}, finish); err == nil {
		t.Fatalf("unknown kind was answered with %v", got)
	}
	if got, err := send(nil, finish); err == nil {
		t.Fatalf("nothing was answered with %v", got)
	}
	if got, _ := send(append([]byte{kindRequest}, make([]byte, MaxRequest+1)...), finish); !bytes.Equal(got, []byte{answerTooLarge}) {
		t.Fatalf("too much was answered with %v", got)
	}
	if got, _ := send([]byte{kindRequest, 1, 2, 3}, cut); len(got) > 0 && got[0] == answerOK {
		t.Fatal("half a request was served")
	}
	if got, err := send([]byte{kindRaft, 200, 1, 2, 3}, finish); err != nil || len(got) != 0 {
		t.Fatalf("raft nonsense was answered with %v, %v", got, err)
	}
	if served.Load() != 0 {
		t.Fatal("something odd was served")
	}
	if got, err := send([]byte{kindRequest}, finish); err != nil || !bytes.Equal(got, []byte{answerOK}) {
		t.Fatalf("a proper request was answered with %v, %v", got, err)
	}
	n.mustPropose(t, ctx, "still alive")
}

// Connections of one member beyond the bound close the oldest.
func TestInboundConnectionsAreBounded(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	g := startGroup(t, 1)
	n := g.leader(ctx)
	odd := newTestNetwork(t, g.keys, "XA-N9", "127.0.0.1:0")
	var conns []*quic.Conn
	for range maxInbound + 1 {
		conn, err := odd.Dial(ctx, "XA-N1", n.cfg.Address)
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, conn)
	}
	// The one accepted first is closed for the one too many. Which of those dialled
	// at nearly the same moment that is, the scheduler decides.
	closed := make(chan int, len(conns))
	for i, c := range conns {
		stop := context.AfterFunc(c.Context(), func() { closed <- i })
		defer stop()
	}
	select {
	case <-closed:
	case <-ctx.Done():
		t.Fatal("one connection too many stays")
	}
}

// A gate is first come, first served, and bounded.
func TestGate(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	g := newGate(1, 1)
	if err := g.enter(ctx); err != nil {
		t.Fatal(err)
	}
	given, cancel := context.WithCancel(ctx)
	cancel()
	if err := g.enter(given); !errors.Is(err, context.Canceled) {
		t.Fatalf("waited behind the end: %v", err)
	}
	g.present.Add(1) // one waits
	if err := g.enter(ctx); !errors.Is(err, ErrBusy) {
		t.Fatalf("entered beyond the bound: %v", err)
	}
	g.present.Add(-1)
	g.leave()
	if err := g.enter(ctx); err != nil {
		t.Fatal(err)
	}
	g.leave()
}

// Proposals beyond the bounds on number and bytes are refused for certain, and
// every place comes back.
func TestProposalBounds(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	log := newFaultyLog()
	g := startGroup(t, 1, log.into)
	l := g.leader(ctx)
	release := make(chan struct{})
	log.set(func() { log.stall = release })
	outcomes := make(chan error, MaxProposals)
	propose := func() { _, err := l.Propose(ctx, []byte("x")); outcomes <- err }
	go propose()
	<-log.stalled
	var places []func()
	for range MaxProposals - 1 {
		place, err := l.reserve(1)
		if err != nil {
			t.Fatal(err)
		}
		places = append(places, place)
	}
	if _, err := l.Propose(ctx, []byte("x")); !errors.Is(err, ErrBusy) {
		t.Fatalf("too many proposals: %v", err)
	}
	for _, free := range places {
		free()
	}
	free, err := l.reserve(MaxProposalBytes - 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Propose(ctx, []byte("x")); !errors.Is(err, ErrBusy) {
		t.Fatalf("too many bytes: %v", err)
	}
	free()
	log.set(func() { log.stall = nil })
	close(release)
	if err := <-outcomes; err != nil {
		t.Fatal(err)
	}
}
