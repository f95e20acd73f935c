package node_test

import (
	"bytes"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"example.org/hotline/crypto/tlog"
	"example.org/hotline/hotline"
	"example.org/hotline/hotline/desk"
	"example.org/hotline/hotline/hotlinetest"
	"example.org/hotline/hotline/node"
)

// stop closes a node in an orderly way.
func (p *party) stop(t *testing.T, i int) {
	t.Helper()
	if err := p.nodes[i].Close(); err != nil {
		t.Fatal(err)
	}
}

func (p *party) leader(t *testing.T) int {
	t.Helper()
	re, err := p.ask(t, 0, &desk.Request{Status: &desk.StatusRequest{}})
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range p.cfgs {
		if c.Node == re.Status.Leader {
			return i
		}
	}
	t.Fatalf("no leader among %d nodes: %q", len(p.cfgs), re.Status.Leader)
	return 0
}

// Promise: a party that loses its leader goes on: what was under way is
// delivered, receipted and acknowledged by the next one.
func TestAnotherLeaderGoesOn(t *testing.T) {
	t.Parallel()
	w := newNetwork(t, hotlinetest.Terms("crisis"), 3, "XA", "XB")
	w.ready()
	a, b := w.parties["XA"], w.parties["XB"]
	first := w.warn("XA", "XB")
	lead := a.leader(t)
	rest := (lead + 1) % 3
	seen := a.watch(t, rest)
	a.stop(t, lead)
	a.nodes[0] = a.nodes[rest] // the officers' desks find another node
	second := w.warn("XA", "XB")
	wait(t, seen, func(e desk.Event) bool { return e.Type == desk.EventSettled && e.ID == second.ID })
	bl := b.leader(t)
	b.stop(t, bl)
	b.nodes[0] = b.nodes[(bl+1)%3]
	for _, st := range []*hotline.Statement{first, second} {
		b.submit(t, 0, b.Acknowledgement(now(), st))
	}
	for range 2 {
		wait(t, seen, func(e desk.Event) bool { return e.Type == desk.EventReceived && e.Kind == hotline.KindAcknowledgement })
	}
}

// air is the network of some nodes, in which single ones can be cut off.
type air struct {
	mu      sync.Mutex
	sockets map[string]*airSocket // by address
}

type airSocket struct {
	net.PacketConn
	cut atomic.Bool
}

func (a *air) listen(at *net.UDPAddr) (net.PacketConn, error) {
	c, err := net.ListenUDP("udp", at)
	if err != nil {
		return nil, err
	}
	s := &airSocket{PacketConn: c}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sockets[at.String()] = s
	return s, nil
}

func (a *air) cut(addr string, cut bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sockets[addr].cut.Store(cut)
}

func (s *airSocket) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		n, from, err := s.PacketConn.ReadFrom(b)
		if err != nil || !s.cut.Load() {
			return n, from, err
		}
	}
}

func (s *airSocket) WriteTo(b []byte, to net.Addr) (int, error) {
	if s.cut.Load() {
		return len(b), nil
	}
	return s.PacketConn.WriteTo(b, to)
}

// Promise: what an officer hands to a node while its leader dies is taken by the
// next leader within the same request: the officer's machine need not ask again.
func TestRequestOutlivesItsLeader(t *testing.T) {
	t.Parallel()
	w := prepare(t, hotlinetest.Terms("crisis"), 3, "XA", "XB")
	p, net := w.parties["XA"], &air{sockets: map[string]*airSocket{}}
	w.startStopping(p, func(o *node.Options) { o.Listen = net.listen })
	p.submit(t, 0, p.Detection(now())) // the group has a leader
	lead := p.leader(t)
	d, edge := p.Detection(now()), (lead+1)%3
	p.submit(t, edge, d) // this node has a connection to it
	net.cut(p.cfgs[lead].Listen, true)
	t.Cleanup(func() { net.cut(p.cfgs[lead].Listen, false) })
	st := p.Assessment(now(), d, []hotline.Party{"XB"})
	re, err := p.ask(t, edge, &desk.Request{Submit: &desk.SubmitRequest{Statement: st.Raw}})
	if err != nil || re.Submit == nil || re.Submit.Index == 0 {
		t.Errorf("%+v, %v; want the place of the statement", re, err)
	}
}

// Promise: after a restart the log stands as it was, and a receipt asked for
// again has the same bytes.
func TestRestartKeepsLogAndReceipts(t *testing.T) {
	t.Parallel()
	w, s := meet(t, nil)
	p := w.parties["XA"]
	d := delivery(s.enter(s.Text(now(), "XA", "words"), now()))
	before := s.say(t, d)
	if before.Code != "" {
		t.Fatalf("answered %q", before.Code)
	}
	re, err := p.ask(t, 0, &desk.Request{Status: &desk.StatusRequest{}})
	if err != nil {
		t.Fatal(err)
	}
	p.stop(t, 0)
	p.nodes = nil
	w.startAll(p)
	w.ready()
	after := s.say(t, d)
	if !bytes.Equal(before.Receipt, after.Receipt) {
		t.Errorf("after a restart the receipt differs (%q %s)", after.Code, after.Text)
	}
	again, err := p.ask(t, 0, &desk.Request{Status: &desk.StatusRequest{}})
	if err != nil {
		t.Fatal(err)
	}
	if again.Status.Size < re.Status.Size {
		t.Errorf("the log has %d entries, before the restart %d", again.Status.Size, re.Status.Size)
	}
	s.good(t)
}

// Promise: a desk that finds its node again after a restart is not rung for
// what was told and done before.
func TestRestartTellsNothingAgain(t *testing.T) {
	t.Parallel()
	w := newNetwork(t, hotlinetest.Terms("crisis"), 1, "XA", "XB")
	w.ready()
	p := w.parties["XA"]
	detection := p.Detection(now())
	p.submit(t, 0, detection)
	p.submit(t, 0, p.Assessment(now(), detection, nil))
	p.stop(t, 0)
	p.nodes = nil
	w.startAll(p)
	told := p.watch(t, 0)
	fresh := p.Text(now(), "XB", "the first new thing")
	p.submit(t, 0, fresh)
	e := wait(t, told, func(e desk.Event) bool { return e.Type == desk.EventAccepted || e.Type == desk.EventStop })
	if e.Type != desk.EventAccepted || e.ID != fresh.ID {
		t.Errorf("told %s of %s again", e.Type, e.ID.Short())
	}
}

// Promise: a node whose files do not have the root that its state has signs no
// head of its log, and stops: it could not prove what it signs.
func TestNodeWhoseFilesDisagreeSignsNothing(t *testing.T) {
	t.Parallel()
	w := prepare(t, hotlinetest.Terms("crisis"), 1, "XA", "XB")
	p := w.parties["XA"]
	why := w.startStopping(p, nil)
	p.submit(t, 0, p.Detection(now()))
	n := p.nodes[0]
	if err := n.Agree(func(*tlog.Hash) {}); err != nil {
		t.Fatal(err)
	}
	if err := n.Agree(func(root *tlog.Hash) { root[0] ^= 1 }); hotline.CodeOf(err) != hotline.CodeInternal {
		t.Errorf("another root: %v, want refused", err)
	}
	select {
	case s := <-why:
		t.Log(s.why)
	default:
		t.Error("the node goes on")
	}
}
