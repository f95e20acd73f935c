package link

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"go.uber.org/goleak"

	"example.org/hotline/crypto/keys"
	"example.org/hotline/hotline"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for an event before it gives up. No test
// passes by it.
const patience = 30 * time.Second

// bell lets a test wait until a condition holds, looking again only when
// something happened.
type bell struct {
	mu   sync.Mutex
	ring chan struct{}
}

func newBell() *bell { return &bell{ring: make(chan struct{})} }

func (b *bell) strike() {
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.ring)
	b.ring = make(chan struct{})
}

func (b *bell) await(t testing.TB, what string, holds func() bool) {
	t.Helper()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	for {
		b.mu.Lock()
		next := b.ring
		b.mu.Unlock()
		if holds() {
			return
		}
		select {
		case <-next:
		case <-limit.C:
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// station is one node of a party on loopback: socket, keys, Line and a Host
// that notes what happens.
type station struct {
	t         testing.TB
	party     hotline.Party
	node      hotline.Node
	cert      tls.Certificate
	transport *quic.Transport
	listener  *quic.Listener
	line      *Line
	bell      *bell
	serving   sync.WaitGroup
	once      sync.Once

	mu      sync.Mutex
	pins    map[keys.Public]Peer // who may come in
	up      map[hotline.Party]map[int]bool
	counts  map[string]int
	hellos  map[hotline.Party]int
	greeted map[hotline.Party]*Answer
	trip    time.Duration // of the newest hello
	reading time.Duration // how long a greeting takes to make
	deliver func(ctx context.Context, from hotline.Party, d *Delivery) *Answer
	serve   func(*quic.Conn) // instead of the Line, if set before anybody dials
	mute    chan struct{}    // if set, hellos wait until it is closed
	refuse  hotline.Code     // of hellos
	dials   map[string]int
	last    map[string]*quic.Conn // newest dialled, by node
}

// newStation opens a station on a loopback address.
func newStation(t testing.TB, party hotline.Party, name, addr string, seed byte) *station {
	t.Helper()
	udp, err := net.ResolveUDPAddr("udp", addr)
	if err != nil {
		t.Fatal(err)
	}
	socket, err := net.ListenUDP("udp", udp)
	if err != nil {
		t.Fatal(err)
	}
	return newStationOn(t, party, name, socket, seed)
}

func newStationOn(t testing.TB, party hotline.Party, name string, socket net.PacketConn, seed byte) *station {
	t.Helper()
	key, err := keys.FromSeed(keys.Ed25519, [keys.SeedSize]byte{seed, party[1], name[len(name)-1]})
	if err != nil {
		t.Fatal(err)
	}
	s := &station{t: t, party: party, bell: newBell(), pins: map[keys.Public]Peer{}, up: map[hotline.Party]map[int]bool{},
		counts: map[string]int{}, hellos: map[hotline.Party]int{}, greeted: map[hotline.Party]*Answer{},
		dials: map[string]int{}, last: map[string]*quic.Conn{}}
	s.deliver = func(context.Context, hotline.Party, *Delivery) *Answer { return &Answer{Receipt: []byte("receipt")} }
	if s.cert, err = key.Certificate(); err != nil {
		t.Fatal(err)
	}
	s.transport = &quic.Transport{Conn: socket, StatelessResetKey: &quic.StatelessResetKey{seed}}
	s.node = hotline.Node{Name: name, Addr: socket.LocalAddr().String(), Key: key.Public()}
	server := keys.ServerTLS(s.cert, []string{ALPN}, func(_ tls.ConnectionState, k keys.Public) error {
		_, err := s.who(k)
		return err
	})
	if s.listener, err = s.transport.Listen(server, QUICConfig()); err != nil {
		t.Fatal(err)
	}
	var witness Witness
	if party != "XA" { // so that one party of each test witnesses nothing
		witness = s
	}
	s.line = New(Config{Party: party, Node: name, Host: s, Dialer: s, Witness: witness, Logger: slog.New(slog.DiscardHandler),
		Changed: s.changed, Greeted: s.answered})
	s.serving.Go(s.acceptLoop)
	t.Cleanup(s.close)
	return s
}

func (s *station) who(k keys.Public) (Peer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, ok := s.pins[k]
	if !ok {
		return Peer{}, errors.New("unknown key")
	}
	return p, nil
}

func (s *station) acceptLoop() {
	for {
		conn, err := s.listener.Accept(context.Background())
		if err != nil {
			return
		}
		s.serving.Go(func() {
			if s.serve != nil {
				s.serve(conn)
				return
			}
			k, err := keys.PeerKey(conn.ConnectionState().TLS)
			if err != nil {
				return
			}
			if p, err := s.who(k); err == nil {
				s.line.Serve(conn, p.Party, p.Nodes[0].Name)
				s.bell.strike()
			}
		})
	}
}

func (s *station) close() {
	s.once.Do(func() {
		s.line.Close()
		_ = s.listener.Close()
		_ = s.transport.Close()
		_ = s.transport.Conn.Close()
		s.serving.Wait()
	})
}

// trust lets the others' keys in; peer also makes them peers of the Line.
func (s *station) trust(others ...*station) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range others {
		s.pins[o.node.Key] = Peer{o.party, []hotline.Node{o.node}}
	}
}

func (s *station) peer(others ...*station) {
	s.trust(others...)
	var list []Peer
	for _, o := range others {
		if n := len(list); n > 0 && list[n-1].Party == o.party {
			list[n-1].Nodes = append(list[n-1].Nodes, o.node)
			continue
		}
		list = append(list, Peer{o.party, []hotline.Node{o.node}})
	}
	s.line.SetPeers(list)
}

// join makes two stations peers and waits until both have greeted each other
// on both connections.
func join(t testing.TB, a, b *station) {
	t.Helper()
	a.trust(b)
	b.peer(a)
	a.peer(b)
	for _, s := range [2][2]*station{{a, b}, {b, a}} {
		s[0].awaitUp(t, s[1].party, 0, true)
		s[0].awaitDialled(t, s[1].party)
		s[0].bell.await(t, "accepted and greeted", func() bool {
			s[0].line.mu.Lock()
			defer s[0].line.mu.Unlock()
			c := s[0].line.peers[s[1].party].paths[0].accepted
			return c != nil && c.ready
		})
	}
}

// awaitDialled waits until our hello was accepted on a connection that we
// dialled ourselves.
func (s *station) awaitDialled(t testing.TB, party hotline.Party) {
	t.Helper()
	s.bell.await(t, "dialled and greeted", func() bool {
		s.line.mu.Lock()
		defer s.line.mu.Unlock()
		c := s.line.peers[party].paths[0].dialled
		return c != nil && c.ready
	})
}

func (s *station) awaitUp(t testing.TB, party hotline.Party, path int, want bool) {
	t.Helper()
	s.bell.await(t, "path up or down", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.up[party][path] == want
	})
}

func (s *station) awaitCount(t testing.TB, event string, n int) {
	t.Helper()
	s.bell.await(t, event, func() bool { return s.counted(event) >= n })
}

func (s *station) counted(event string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts[event]
}

// Dial is the Dialer.
func (s *station) Dial(ctx context.Context, n hotline.Node) (*quic.Conn, error) {
	addr, err := net.ResolveUDPAddr("udp", n.Addr)
	if err != nil {
		return nil, err
	}
	client := keys.ClientTLS(s.cert, ALPN, func(k keys.Public) error {
		if k != n.Key {
			return errors.New("another key")
		}
		return nil
	})
	conn, err := s.transport.Dial(ctx, addr, client, QUICConfig())
	s.mu.Lock()
	s.dials[n.Name]++
	if err == nil {
		s.last[n.Name] = conn
	}
	s.mu.Unlock()
	s.bell.strike()
	return conn, err
}

func (s *station) conn(n hotline.Node) *quic.Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last[n.Name]
}

func (s *station) onDeliver(f func(ctx context.Context, from hotline.Party, d *Delivery) *Answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deliver = f
}

// Deliver and the rest are the Host.
func (s *station) Deliver(ctx context.Context, from hotline.Party, _ string, d *Delivery) *Answer {
	s.mu.Lock()
	f := s.deliver
	s.mu.Unlock()
	return f(ctx, from, d)
}

func (s *station) Document(_ context.Context, _ hotline.Party, raw []byte) *Answer {
	return &Answer{Text: string(raw[:1])}
}

func (s *station) Checkpoint(_ context.Context, from hotline.Party, raw []byte) *Answer {
	return &Answer{Cosignature: append([]byte(from), raw...)}
}

func (s *station) Hello(from hotline.Party, _ string, _ *Hello) *Answer {
	s.mu.Lock()
	s.hellos[from]++
	code, mute := s.refuse, s.mute
	s.mu.Unlock()
	s.bell.strike()
	if mute != nil {
		<-mute
	}
	return &Answer{Code: code, Head: &hotline.PeerHead{Origin: "hotline/" + string(from) + "/1", Size: 7}}
}

func (s *station) Greeting(ctx context.Context, _ hotline.Party) *Hello {
	s.mu.Lock()
	reading := s.reading
	s.mu.Unlock()
	sleep(ctx, reading)
	return &Hello{Convention: hotline.ID{1}, Directory: 1, ConventionVersion: 1}
}

func (s *station) Count(event string, _ hotline.Party) {
	s.mu.Lock()
	s.counts[event]++
	s.mu.Unlock()
	s.bell.strike()
}

func (s *station) changed(to hotline.Party, path int, up bool) {
	s.mu.Lock()
	if s.up[to] == nil {
		s.up[to] = map[int]bool{}
	}
	s.up[to][path] = up
	s.mu.Unlock()
	s.bell.strike()
}

func (s *station) answered(to hotline.Party, _ string, a *Answer, roundTrip time.Duration) {
	s.mu.Lock()
	s.greeted[to], s.trip = a, roundTrip
	s.mu.Unlock()
	s.bell.strike()
}

func delivery(text string) *Question {
	return &Question{Deliver: &Delivery{Statement: []byte(text), Sender: []byte("sender"), Tender: []byte("tender")}}
}

func mustReceipt(t testing.TB, s *station, to hotline.Party, text string, want string) {
	t.Helper()
	a, err := s.line.Ask(t.Context(), to, 0, false, delivery(text))
	if err != nil || a.Code != "" || string(a.Receipt) != want {
		t.Fatalf("delivery of %q: answer %+v, err %v", text, a, err)
	}
}
