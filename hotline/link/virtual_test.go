package link

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/testutils/simnet"

	"example.org/hotline/hotline"
)

// router carries packets in memory, and can be cut.
type router struct {
	simnet.PerfectRouter
	cut atomic.Bool
}

func (r *router) SendPacket(p simnet.Packet) error {
	if r.cut.Load() {
		return nil
	}
	return r.PerfectRouter.SendPacket(p)
}

func virtualPair(t *testing.T) (a, b *station, net *router) {
	r := &router{}
	a = newStationOn(t, "XA", "XA-1", simConn(r, 1), 1)
	b = newStationOn(t, "XB", "XB-1", simConn(r, 2), 1)
	join(t, a, b)
	return a, b, r
}

func simConn(r *router, host byte) net.PacketConn {
	return simnet.NewSimConn(&net.UDPAddr{IP: net.IPv4(10, 0, 0, host), Port: 4433}, r)
}

func (s *station) isUp(party hotline.Party) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.up[party][0]
}

// Promise: a connection that opens and is refused again and again is not
// dialled in haste, although one side is content with it each time.
func TestFlappingIsPaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &router{}
		a := newStationOn(t, "XA", "XA-1", simConn(r, 1), 1)
		b := newStationOn(t, "XB", "XB-1", simConn(r, 2), 1)
		b.refuse = hotline.CodeConvention
		a.trust(b)
		b.peer(a)
		a.line.SetPeers([]Peer{{"XB", []hotline.Node{{Name: "XB-1", Addr: "10.0.0.9:1", Key: b.node.Key}}}})
		time.Sleep(10 * time.Minute)
		b.mu.Lock()
		defer b.mu.Unlock()
		if n, most := b.dials["XA-1"], 8+int(10*time.Minute/(hotline.LinkRedialMax/2)); n < 10 || n > most {
			t.Fatalf("%d dials in ten minutes, at most %d", n, most)
		}
	})
}

// Promise: a quiet connection stays open, and hellos go on over it.
func TestQuietConnectionStaysOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, _ := virtualPair(t)
		conn := a.conn(b.node)
		time.Sleep(time.Hour)
		b.mu.Lock()
		hellos := b.hellos["XA"]
		b.mu.Unlock()
		// Two connections, one hello of XA on each every HelloInterval.
		if most := 2 * (1 + int(time.Hour/HelloInterval)); hellos < most-4 || hellos > most {
			t.Fatalf("%d hellos in an hour, want about %d", hellos, most)
		}
		if conn.Context().Err() != nil || a.conn(b.node) != conn || !a.isUp("XB") {
			t.Fatal("the connection did not last")
		}
	})
}

// Promise: a dead network is noticed within hotline.LinkIdle of the last
// packet, and the line is back soon after the network is, however long it
// was away.
func TestCutNetworkIsNoticedAndHealed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _, net := virtualPair(t)
		time.Sleep(time.Minute)
		net.cut.Store(true)
		time.Sleep(hotline.LinkIdle + hotline.LinkKeepAlive + time.Second)
		if a.isUp("XB") {
			t.Fatal("a dead line is shown as up")
		}
		if n := a.line.Status()[0].Nodes[0]; n.State != StateDown || n.LastError == "" {
			t.Fatalf("status %+v", n)
		}
		time.Sleep(time.Hour)
		net.cut.Store(false)
		time.Sleep(hotline.LinkRedialMax + hotline.LinkExchange + time.Second)
		if !a.isUp("XB") {
			t.Fatalf("the line did not come back: %+v", a.line.Status())
		}
		mustReceipt(t, a, "XB", "back", "receipt")
	})
}

// Promise: a path that is up has no error, although this side cannot dial the node:
// people would look for a fault in a line that works.
func TestPathThatIsUpHasNoError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &router{}
		a := newStationOn(t, "XA", "XA-1", simConn(r, 1), 1)
		b := newStationOn(t, "XB", "XB-1", simConn(r, 2), 1)
		b.trust(a)
		deaf := a.node
		deaf.Addr = "10.0.0.9:1" // XB cannot dial XA
		b.line.SetPeers([]Peer{{"XA", []hotline.Node{deaf}}})
		time.Sleep(time.Minute)
		if n := b.line.Status()[0].Nodes[0]; n.State != StateDown || n.LastError == "" {
			t.Fatalf("before XA dials: %+v", n)
		}
		a.peer(b)
		time.Sleep(time.Minute)
		if n := b.line.Status()[0].Nodes[0]; n.State != StateUp || n.LastError != "" {
			t.Fatalf("after: %+v", n)
		}
	})
}

// Promise: while a peer is away, dialling slows down to the ceiling and no
// further.
func TestRedialIsPaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, net := virtualPair(t)
		net.cut.Store(true)
		time.Sleep(10 * time.Minute)
		dials := func() int { a.mu.Lock(); defer a.mu.Unlock(); return a.dials[b.node.Name] }
		before := dials()
		time.Sleep(10 * time.Minute)
		// Each try takes up to LinkExchange and half to all of LinkRedialMax.
		tries := dials() - before
		least, most := int(10*time.Minute/(hotline.LinkExchange+hotline.LinkRedialMax)), int(10*time.Minute/(hotline.LinkRedialMax/2))+1
		if tries < least || tries > most {
			t.Fatalf("%d tries in ten minutes, want %d to %d", tries, least, most)
		}
	})
}

// Promise: a peer that is connected but answers nothing is silent, not down;
// a question to it ends at hotline.LinkExchange, and the line is up again when
// it answers.
func TestStuckPeerIsSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, _ := virtualPair(t)
		mute := make(chan struct{})
		answerAgain := sync.OnceFunc(func() { close(mute) })
		t.Cleanup(answerAgain)
		b.mu.Lock()
		b.mute = mute
		b.mu.Unlock()
		b.onDeliver(func(context.Context, hotline.Party, *Delivery) *Answer { <-mute; return nil })
		time.Sleep(2*HelloInterval + 2*hotline.LinkExchange)
		if n := a.line.Status()[0].Nodes[0]; n.State != StateSilent {
			t.Fatalf("status %+v", n)
		}
		begun := time.Now()
		_, err := a.line.Ask(t.Context(), "XB", 0, false, delivery("x"))
		if err == nil || OutcomeOf(nil, err) != Failed || time.Since(begun) != hotline.LinkExchange {
			t.Fatalf("ended after %v with %v", time.Since(begun), err)
		}
		b.mu.Lock()
		b.mute = nil
		b.mu.Unlock()
		answerAgain()
		time.Sleep(HelloInterval + hotline.LinkExchange)
		if n := a.line.Status()[0].Nodes[0]; n.State != StateUp {
			t.Fatalf("status %+v", n)
		}
	})
}

// Promise: a hello that is put off, or a peer's own backlog, does not cost the
// connection.
func TestBusyHelloKeepsTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, _ := virtualPair(t)
		conn := a.conn(b.node)
		b.mu.Lock()
		b.refuse = hotline.CodeBusy
		b.mu.Unlock()
		time.Sleep(5 * time.Minute)
		if n := a.line.Status()[0].Nodes[0]; n.State != StateSilent || conn.Context().Err() != nil {
			t.Fatalf("status %+v", n)
		}
		mustReceipt(t, a, "XB", "meanwhile", "receipt")
		b.mu.Lock()
		b.refuse = ""
		b.mu.Unlock()
		slow := b.line.peers["XA"]
		slow.mu.Lock()
		slow.inbox = NewInbox(2, 16)
		slow.mu.Unlock()
		frame, err := EncodeQuestion(delivery("backlog"))
		if err != nil {
			t.Fatal(err)
		}
		for begun := time.Now(); time.Since(begun) < 2*HelloInterval; {
			if _, err := exchange(t.Context(), conn, frame, false); err != nil {
				t.Fatal(err)
			}
		}
		if n := a.line.Status()[0].Nodes[0]; n.State != StateUp || b.counted(EventFlooded) == 0 {
			t.Fatalf("status %+v, %d flooded", n, b.counted(EventFlooded))
		}
		b.mu.Lock()
		b.refuse = hotline.CodeConvention
		b.mu.Unlock()
		time.Sleep(HelloInterval + hotline.LinkExchange)
		if conn.Context().Err() == nil {
			t.Fatal("a refused hello leaves the connection open")
		}
	})
}

// Promise: the round trip of a hello is that of the exchange alone. What this node
// needs to make it says nothing of the peer, whose clock is read by it.
func TestRoundTripLeavesOutTheGreeting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _, _ := virtualPair(t)
		a.mu.Lock()
		a.reading = 3 * time.Second
		a.mu.Unlock()
		time.Sleep(HelloInterval + a.reading + time.Second)
		a.mu.Lock()
		defer a.mu.Unlock()
		if a.trip >= time.Second {
			t.Fatalf("a round trip of %v on a network without delay", a.trip)
		}
	})
}

// polite is a station of XB, and a connection to it that XA dialled and on which XA has
// answered XB's hello and said none of its own.
func polite(t *testing.T) (b *station, conn *quic.Conn) {
	t.Helper()
	r := &router{}
	a := newStationOn(t, "XA", "XA-1", simConn(r, 1), 1)
	b = newStationOn(t, "XB", "XB-1", simConn(r, 2), 1)
	b.trust(a)
	b.line.SetPeers([]Peer{{"XA", []hotline.Node{a.node}}})
	conn, err := a.Dial(t.Context(), b.node)
	if err != nil {
		t.Fatal(err)
	}
	s, err := conn.AcceptStream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ok, err := EncodeAnswer(&Answer{})
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.ReadAll(s)
	_, _ = s.Write(ok)
	_ = s.Close()
	return b, conn
}

// Promise: a connection on which the peer says no hello of its own is closed
// after hotline.LinkExchange, even if it answers ours.
func TestNoHelloInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, conn := polite(t)
		time.Sleep(hotline.LinkExchange - time.Second)
		if conn.Context().Err() != nil {
			t.Fatal("closed before its time")
		}
		time.Sleep(2 * time.Second)
		if conn.Context().Err() == nil || b.counted(EventNoHello) == 0 {
			t.Fatal("still open")
		}
	})
}

// Promise: a hello that begins late and never ends does not hold a connection open
// beyond hotline.LinkExchange.
func TestSlowHelloEndsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, conn := polite(t)
		begun := time.Now()
		time.Sleep(hotline.LinkExchange - time.Second)
		s, err := conn.OpenStream()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Write([]byte{0}); err != nil {
			t.Fatal(err)
		}
		<-conn.Context().Done()
		if took := time.Since(begun); took > hotline.LinkExchange+time.Second {
			t.Fatalf("closed after %v", took)
		}
	})
}

// Promise: a flood is taken in at a bounded multiple of the peer's rate, however
// fast it is sent, and what is over the rate is answered busy.
func TestFloodIsSlowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, _ := virtualPair(t)
		frame, err := EncodeQuestion(delivery("flood"))
		if err != nil {
			t.Fatal(err)
		}
		const streams = 2 * hotline.LinkBurst
		begun := time.Now()
		busy := 0
		for range streams {
			got, err := exchange(t.Context(), a.conn(b.node), frame, false)
			if err != nil {
				t.Fatal(err)
			}
			if got.Code == hotline.CodeBusy {
				busy++
			}
		}
		// Half a token is 2 whole milliseconds at 200 a second.
		least := (streams - hotline.LinkBurst) * 2 * time.Millisecond
		if took := time.Since(begun); took < least {
			t.Fatalf("%d streams were taken in within %v, at least %v", streams, took, least)
		}
		if busy < streams/10 || busy != b.counted(EventFlooded) {
			t.Fatalf("%d of %d were answered busy, %d counted", busy, streams, b.counted(EventFlooded))
		}
	})
}

// sender drives one Outbox over a Line as a node does.
func sender(ctx context.Context, s *station, to hotline.Party, o *Outbox, changes <-chan func(*Outbox)) {
	results := make(chan func(*Outbox))
	timer := time.NewTimer(0)
	defer timer.Stop()
	for o.Outstanding() > 0 {
		for _, a := range o.Next(wallClock()) {
			go func() {
				answer, err := s.line.Ask(ctx, to, a.Path, a.Precedence == hotline.Flash, delivery(fmt.Sprint(a.Sequence)))
				outcome := OutcomeOf(answer, err)
				done := func(o *Outbox) {
					o.Answered(a, outcome, wallClock())
					if outcome == Receipted {
						o.Settle(a.ID)
					}
				}
				select {
				case results <- done:
				case <-ctx.Done():
				}
			}()
		}
		if at, ok := o.Wake(wallClock()); ok {
			timer.Reset(time.Duration(at-wallClock()) * time.Millisecond)
		}
		select {
		case f := <-results:
			f(o)
		case f := <-changes:
			f(o)
		case <-timer.C:
		case <-ctx.Done():
			return
		}
	}
}

// Promise: with a node of the peer lost midway, everything outstanding arrives
// by the others and is receipted, and FLASH is through within its next-path
// wait.
func TestEverythingArrivesWhenANodeIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nets := []*router{{}, {}}
		both := &split{nets: nets}
		a := newStationOn(t, "XA", "XA-1", simnet.NewSimConn(&net.UDPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 4433}, both), 1)
		both.add(a.transport.Conn)
		b1 := newStationOn(t, "XB", "XB-1", simConn(nets[0], 2), 1)
		b2 := newStationOn(t, "XB", "XB-2", simConn(nets[1], 3), 1)
		got := make(chan string, 10_000)
		for _, b := range []*station{b1, b2} {
			b.onDeliver(func(_ context.Context, _ hotline.Party, d *Delivery) *Answer {
				got <- string(d.Statement)
				if len(got) > 150 && b == b1 {
					nets[0].cut.Store(true) // this answer is lost with everything after it
				}
				return &Answer{Receipt: d.Statement}
			})
			b.peer(a)
		}
		a.peer(b1, b2)
		a.awaitUp(t, "XB", 0, true)
		a.awaitUp(t, "XB", 1, true)
		o := NewOutbox(crisis(t), 2)
		for i := range uint64(400) {
			mustAdd(t, o, item(i+1, hotline.Precedence(1+i%4)))
		}
		begun := time.Now()
		sender(t.Context(), a, "XB", o, nil)
		if o.Outstanding() != 0 {
			t.Fatalf("%d outstanding", o.Outstanding())
		}
		if took := time.Since(begun); took > time.Minute || !nets[0].cut.Load() {
			t.Fatalf("took %v; node lost: %v", took, nets[0].cut.Load())
		}
		seen := map[string]bool{}
		for len(got) > 0 {
			seen[<-got] = true
		}
		if len(seen) != 400 {
			t.Fatalf("%d of 400 arrived", len(seen))
		}
	})
}

// Promise: questions that one node of a peer swallows take no place from what goes
// to another node: FLASH that is given up by one path leaves by the next at once,
// also where the terms' next-path wait is shorter than an exchange may take.
func TestStuckNodeTakesNoPlaceFromAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &router{}
		a := newStationOn(t, "XA", "XA-1", simConn(r, 1), 1)
		b1 := newStationOn(t, "XB", "XB-1", simConn(r, 2), 1)
		b2 := newStationOn(t, "XB", "XB-2", simConn(r, 3), 1)
		b1.onDeliver(func(ctx context.Context, _ hotline.Party, _ *Delivery) *Answer { <-ctx.Done(); return nil })
		b1.peer(a)
		b2.peer(a)
		a.peer(b1, b2)
		a.awaitUp(t, "XB", 0, true)
		a.awaitUp(t, "XB", 1, true)
		terms := crisis(t)
		terms.NextPath[hotline.Flash-1] = (2 * time.Second).Milliseconds()
		o := NewOutbox(terms, 2)
		for i := range uint64(hotline.FlashInFlight) {
			mustAdd(t, o, item(i+1, hotline.Flash))
		}
		begun := time.Now()
		sender(t.Context(), a, "XB", o, nil)
		if took := time.Since(begun); o.Outstanding() != 0 || took > 3*time.Second {
			t.Fatalf("%d outstanding after %v", o.Outstanding(), took)
		}
	})
}

// narrow is a network on which one host hears so many bytes a second.
type narrow struct {
	*router
	host  net.IP
	queue chan simnet.Packet
}

func newNarrow(t *testing.T, host net.IP, rate int) *narrow {
	n := &narrow{router: &router{}, host: host, queue: make(chan simnet.Packet, 16)}
	var pump sync.WaitGroup
	pump.Go(func() {
		for p := range n.queue {
			time.Sleep(time.Duration(len(p.Data)) * time.Second / time.Duration(rate))
			_ = n.router.SendPacket(p)
		}
	})
	t.Cleanup(func() { close(n.queue); pump.Wait() })
	return n
}

func (n *narrow) SendPacket(p simnet.Packet) error {
	if !p.To.(*net.UDPAddr).IP.Equal(n.host) {
		return n.router.SendPacket(p)
	}
	select {
	case n.queue <- p:
	default: // as a router does whose queue is full
	}
	return nil
}

// Promise: on a connection that both sides ask on, what FLASH is answered with and
// hellos leave before all that is sent beside them: a narrow line full of routine
// statements holds up no receipt of FLASH, and does not look silent.
func TestFlashReceiptPassesRoutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		thin := newNarrow(t, net.IPv4(10, 0, 0, 1), 64<<10)
		socket := func(host byte) net.PacketConn {
			return simnet.NewSimConn(&net.UDPAddr{IP: net.IPv4(10, 0, 0, host), Port: 4433}, thin)
		}
		a := newStationOn(t, "XA", "XA-1", socket(1), 1)
		b := newStationOn(t, "XB", "XB-1", socket(2), 1)
		b.trust(a)
		deaf := a.node
		deaf.Addr = "10.0.0.9:1" // XB cannot dial XA
		b.line.SetPeers([]Peer{{"XA", []hotline.Node{deaf}}})
		a.peer(b)
		a.awaitUp(t, "XB", 0, true)
		b.awaitUp(t, "XA", 0, true)
		var routine atomic.Int64
		a.onDeliver(func(context.Context, hotline.Party, *Delivery) *Answer {
			routine.Add(1)
			return &Answer{Receipt: []byte("receipt")}
		})
		b.onDeliver(func(context.Context, hotline.Party, *Delivery) *Answer {
			return &Answer{Receipt: make([]byte, hotline.MaxReceipt)}
		})
		var beside sync.WaitGroup
		for range hotline.LinkInFlight {
			beside.Go(func() {
				if _, err := b.line.Ask(t.Context(), "XA", 0, false, delivery(strings.Repeat("x", 6000))); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait() // all of them are on their way
		got, err := a.line.Ask(t.Context(), "XB", 0, true, delivery("flash"))
		if err != nil || len(got.Receipt) != hotline.MaxReceipt {
			t.Fatalf("FLASH: %+v, %v", got, err)
		}
		if n := routine.Load(); n > hotline.LinkInFlight/2 {
			t.Errorf("the receipt of FLASH waited for %d of %d routine statements", n, hotline.LinkInFlight)
		}
		beside.Wait()
	})
}

// split is one endpoint on two networks.
type split struct{ nets []*router }

func (s *split) add(c net.PacketConn) {
	for _, n := range s.nets {
		n.AddNode(c.LocalAddr(), c.(*simnet.SimConn))
	}
}
func (s *split) AddNode(net.Addr, simnet.PacketReceiver) {}
func (s *split) SendPacket(p simnet.Packet) error {
	if p.To.(*net.UDPAddr).IP.Equal(net.IPv4(10, 0, 0, 3)) {
		return s.nets[1].SendPacket(p)
	}
	return s.nets[0].SendPacket(p)
}
