package desk

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"go.uber.org/goleak"

	"example.org/hotline/crypto/keys"
	"example.org/hotline/hotline"
	"example.org/hotline/hotline/hotlinetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeHost records what came through and answers by handle.
type fakeHost struct {
	mu     sync.Mutex
	seen   []string
	handle func(ctx context.Context, who Officer, req *Request, send func(*Reply) error) error
}

func (h *fakeHost) Handle(ctx context.Context, who Officer, req *Request, send func(*Reply) error) error {
	right, err := rightOf(req)
	if err != nil {
		return err
	}
	h.mu.Lock()
	h.seen = append(h.seen, right.name)
	h.mu.Unlock()
	if h.handle != nil {
		return h.handle(ctx, who, req, send)
	}
	return send(&Reply{Text: right.name})
}

func (h *fakeHost) calls() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.seen)
}

// node serves the officers of p on loopback until the test ends.
type node struct {
	Node
	stop func()       // ends the process, as it were; may be called twice
	deaf *atomic.Bool // true: it hears and says nothing more
}

// deafSocket drops what comes and goes once its node is deaf, as if the machine had
// lost its power.
type deafSocket struct {
	net.PacketConn
	deaf *atomic.Bool
}

func (s *deafSocket) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		n, from, err := s.PacketConn.ReadFrom(b)
		if err != nil || !s.deaf.Load() {
			return n, from, err
		}
	}
}

func (s *deafSocket) WriteTo(b []byte, to net.Addr) (int, error) {
	if s.deaf.Load() {
		return len(b), nil
	}
	return s.PacketConn.WriteTo(b, to)
}

func startNode(t *testing.T, p *hotlinetest.Party, name string, host Host) *node {
	t.Helper()
	key := p.Nodes[name]
	cert, err := key.Certificate()
	if err != nil {
		t.Fatal(err)
	}
	cfg := keys.ServerTLS(cert, []string{ALPN}, func(_ tls.ConnectionState, peer keys.Public) error {
		if _, ok := officer(p, peer); !ok {
			return errors.New("no officer")
		}
		return nil
	})
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	deaf := new(atomic.Bool)
	l, err := quic.Listen(&deafSocket{udp, deaf}, cfg, QUICConfig())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := l.Accept(ctx)
			if err != nil {
				return
			}
			peer, err := keys.PeerKey(conn.ConnectionState().TLS)
			who, ok := officer(p, peer)
			if err != nil || !ok {
				_ = conn.CloseWithError(CloseDenied, "")
				continue
			}
			wg.Go(func() { Serve(ctx, conn, who, host) })
		}
	})
	stop := sync.OnceFunc(func() {
		cancel()
		wg.Wait()
		_ = l.Close()
		_ = udp.Close()
	})
	t.Cleanup(stop)
	return &node{Node{Name: name, Addr: l.Addr().String(), Key: key.Public()}, stop, deaf}
}

// reporterKey is that of C1, a response team of the party.
func reporterKey(p *hotlinetest.Party) *keys.Private { return p.Key(keys.Ed25519, "reporter") }

func officer(p *hotlinetest.Party, key keys.Public) (Officer, bool) {
	if reporterKey(p).Public() == key {
		return Officer{Name: p.Name("C1"), Roles: []hotline.Role{hotline.Reporter}, Key: key.ID()}, true
	}
	for _, post := range hotlinetest.Posts {
		if p.Officer(post.Name).Public() == key {
			return Officer{Name: p.Name(post.Name), Roles: []hotline.Role{post.Role}, Key: key.ID()}, true
		}
	}
	return Officer{}, false
}

func dial(t *testing.T, key *keys.Private, nodes ...*node) *Client {
	t.Helper()
	var list []Node
	for _, n := range nodes {
		list = append(list, n.Node)
	}
	c, err := Dial(t.Context(), key, list)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func requests() map[string]*Request {
	hit := strings.Repeat("ab", 32)
	return map[string]*Request{
		"status": {Status: &StatusRequest{}}, "documents": {Documents: &DocumentsRequest{}},
		"publish": {Publish: &PublishRequest{Document: []byte{1}}}, "submit": {Submit: &SubmitRequest{Statement: []byte{1}}},
		"draft": {Draft: &DraftRequest{Statement: []byte{1}}}, "drafts": {Drafts: &DraftsRequest{}},
		"hits": {Hits: &HitsRequest{Hits: []hotline.Hit{sampleHit(hit)}}}, "triage": {Triage: &TriageRequest{}},
		"dismiss": {Dismiss: &DismissRequest{Key: hit}}, "inbox": {Inbox: &InboxRequest{Limit: 1}},
		"show": {Show: &ShowRequest{ID: "0123abcd"}}, "watch": {Watch: &WatchRequest{}},
		"export": {Export: &ExportRequest{}}, "ladder": {Ladder: &LadderRequest{}},
		"backup": {Backup: &BackupRequest{}}, "proof": {Proof: &ProofRequest{ID: "0123abcd"}},
	}
}

func sampleHit(key string) hotline.Hit {
	return hotline.Hit{Key: key, Source: "suricata", First: 1, Last: 1, Count: 1, Direction: hotline.HitOutbound,
		From: []string{"192.0.2.1"}, FromTotal: 1, To: []string{"198.51.100.1"}, ToTotal: 1, Protocol: "TCP",
		Signatures: []string{"rule"}, Evidence: hotline.HitObserved}
}

// Promise: who may ask what is exactly this table, and nothing that is denied
// reaches the node.
func TestEachRoleMayAskWhatTheTableSays(t *testing.T) {
	t.Parallel()
	want := map[string]string{ // request → posts: A1 authority, C1 reporter, L1 liaison, O1 operator, R1 releaser, T1 technician, U1 auditor
		"status": "A1 L1 O1 R1 T1 U1", "documents": "A1 L1 O1 R1 T1 U1", "inbox": "A1 L1 O1 R1 T1 U1",
		"show": "A1 L1 O1 R1 T1 U1", "proof": "A1 L1 O1 R1 T1 U1", "watch": "A1 L1 O1 R1 T1 U1", "ladder": "A1 L1 O1 R1 T1 U1",
		"publish": "A1 T1", "submit": "A1 L1 O1 R1 T1", "draft": "A1 L1 O1 R1", "drafts": "A1 L1 O1 R1",
		"hits": "C1 O1 T1", "triage": "A1 O1 R1", "dismiss": "O1", "export": "A1 T1 U1", "backup": "A1 T1",
	}
	p := hotlinetest.NewParty("XA", "desk")
	host := new(fakeHost)
	n := startNode(t, p, "XA-1", host)
	all := requests()
	if len(all) != len(rights) || len(want) != len(rights) {
		t.Fatalf("the test knows %d requests and %d lines, the table has %d", len(all), len(want), len(rights))
	}
	for _, post := range []string{"A1", "C1", "L1", "O1", "R1", "T1", "U1"} {
		key := reporterKey(p)
		if post != "C1" {
			key = p.Officer(post)
		}
		c := dial(t, key, n)
		for name, req := range all {
			before := len(host.calls())
			err := c.Stream(t.Context(), req, func(*Reply) error { return nil })
			reached := len(host.calls()) > before
			allowed := slices.Contains(strings.Fields(want[name]), post)
			if allowed && (err != nil || !reached) {
				t.Errorf("%s asks %s: %v, reached %v", post, name, err, reached)
			}
			if !allowed && (hotline.CodeOf(err) != hotline.CodeDenied || reached) {
				t.Errorf("%s asks %s: %v, reached %v; want denied", post, name, err, reached)
			}
		}
	}
}

// Promise: auditor and technician never see a body, even where the node put it
// into the answer; the others do.
func TestBodiesAreOnlyForThoseWhoMayRead(t *testing.T) {
	t.Parallel()
	p := hotlinetest.NewParty("XA", "desk")
	n := startNode(t, p, "XA-1", &fakeHost{handle: func(_ context.Context, _ Officer, _ *Request, send func(*Reply) error) error {
		return send(&Reply{Show: &ShowView{Item: InboxItem{Direction: Kept}, Body: []byte("secret"), Blind: make([]byte, 32)},
			Draft: &DraftView{Body: []byte("secret"), Blind: make([]byte, 32)}})
	}})
	for _, post := range hotlinetest.Posts {
		c := dial(t, p.Officer(post.Name), n)
		r, err := c.Do(t.Context(), &Request{Show: &ShowRequest{ID: "0123abcd"}})
		if err != nil {
			t.Fatal(err)
		}
		may := post.Role != hotline.Auditor && post.Role != hotline.Technician
		if shown := len(r.Show.Body) > 0 && len(r.Show.Blind) > 0 && len(r.Draft.Body) > 0; shown != may {
			t.Errorf("%s sees bodies: %v, want %v", post.Role, shown, may)
		}
		if leaked := len(r.Show.Body)+len(r.Show.Blind)+len(r.Draft.Body)+len(r.Draft.Blind) > 0; leaked != may {
			t.Errorf("%s: some part of a body is shown: %v, want %v", post.Role, leaked, may)
		}
	}
}

// Promise: a key that is no officer's gets no answer but denied, and a node
// that is not the directory's gets no question.
func TestOnlyPinnedKeysTalk(t *testing.T) {
	t.Parallel()
	p := hotlinetest.NewParty("XA", "desk")
	host := new(fakeHost)
	n := startNode(t, p, "XA-1", host)
	stranger, err := keys.Generate(keys.ES256)
	if err != nil {
		t.Fatal(err)
	}
	c, err := Dial(t.Context(), stranger, []Node{n.Node})
	if err == nil { // TLS 1.3 tells the caller only with the first answer
		_, err = c.Do(t.Context(), &Request{Status: &StatusRequest{}})
		c.Close()
	}
	if hotline.CodeOf(err) != hotline.CodeDenied {
		t.Errorf("a stranger: %v, want denied", err)
	}
	wrong := n.Node
	wrong.Key = p.Nodes["XA-2"].Public()
	if c, err := Dial(t.Context(), p.Officer("O1"), []Node{wrong}); !errors.Is(err, ErrUnreachable) {
		t.Errorf("a node with another key: %v, want unreachable", err)
		if err == nil {
			c.Close()
		}
	}
	if calls := host.calls(); len(calls) != 0 {
		t.Errorf("the host was asked %v", calls)
	}
}

// Promise: when the node that answered goes away, the next one is asked, for a
// submission too, since it is known by its id.
func TestClientGoesToTheNextNode(t *testing.T) {
	t.Parallel()
	p := hotlinetest.NewParty("XA", "desk")
	var nodes []*node
	for i := 1; i <= 3; i++ {
		name := fmt.Sprintf("XA-%d", i)
		nodes = append(nodes, startNode(t, p, name, &fakeHost{handle: func(_ context.Context, _ Officer, _ *Request, send func(*Reply) error) error {
			return send(&Reply{Text: name, Submit: &SubmitView{Index: 7}})
		}}))
	}
	c := dial(t, p.Officer("O1"), nodes...)
	stopped := map[string]bool{}
	for range nodes {
		r, err := c.Do(t.Context(), &Request{Submit: &SubmitRequest{Statement: []byte{1}}})
		if err != nil || stopped[r.Text] || r.Text != c.Node() || r.Submit.Index != 7 {
			t.Fatalf("after %v: %+v, %v, node %s", stopped, r, err, c.Node())
		}
		for _, n := range nodes {
			if n.Name == r.Text {
				n.stop()
				stopped[n.Name] = true
			}
		}
	}
	if _, err := c.Do(t.Context(), &Request{Status: &StatusRequest{}}); !errors.Is(err, ErrUnreachable) {
		t.Errorf("with every node gone: %v, want unreachable", err)
	}
}

// Promise: a node that died without a word is left for the next one long before
// its connection's idle time or the bound of one attempt is over.
func TestClientLeavesADeafNode(t *testing.T) {
	t.Parallel()
	p := hotlinetest.NewParty("XA", "desk")
	nodes := []*node{startNode(t, p, "XA-1", new(fakeHost)), startNode(t, p, "XA-2", new(fakeHost))}
	c := dial(t, p.Officer("O1"), nodes...)
	if _, err := c.Do(t.Context(), &Request{Status: &StatusRequest{}}); err != nil { // the handshake is wholly over
		t.Fatal(err)
	}
	first := c.Node()
	for _, n := range nodes {
		n.deaf.Store(n.Name == first)
	}
	ctx, cancel := context.WithTimeout(t.Context(), attempt-time.Second)
	defer cancel()
	if _, err := c.Do(ctx, &Request{Status: &StatusRequest{}}); err != nil || c.Node() == first {
		t.Errorf("%v, node %s; the deaf one is %s", err, c.Node(), first)
	}
}

// Promise: an officer's client whose socket failed, as when the machine slept and
// woke in another network, takes a new one and goes on.
func TestClientTakesAnotherSocket(t *testing.T) {
	t.Parallel()
	p := hotlinetest.NewParty("XA", "desk")
	c := dial(t, p.Officer("O1"), startNode(t, p, "XA-1", new(fakeHost)))
	for range 2 {
		if _, err := c.Do(t.Context(), &Request{Status: &StatusRequest{}}); err != nil {
			t.Fatal(err)
		}
		if err := c.socket.udp.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.Do(t.Context(), &Request{Status: &StatusRequest{}}); err != nil {
		t.Error(err)
	}
}

// Promise: a node that takes its time to answer is waited for.
func TestSlowAnswerIsAwaited(t *testing.T) {
	t.Parallel()
	p := hotlinetest.NewParty("XA", "desk")
	asked := make(chan struct{}, 8)
	host := &fakeHost{handle: func(ctx context.Context, _ Officer, _ *Request, send func(*Reply) error) error {
		asked <- struct{}{}
		select {
		case <-time.After(hotline.DeskDeaf + time.Second):
		case <-ctx.Done():
		}
		return send(&Reply{})
	}}
	c := dial(t, p.Officer("O1"), startNode(t, p, "XA-1", host))
	if _, err := c.Do(t.Context(), &Request{Status: &StatusRequest{}}); err != nil || len(asked) != 1 {
		t.Errorf("%v after %d questions", err, len(asked))
	}
}

// Promise: a node that is alive on the network and answers nothing does not keep an
// officer from the second, also where many replies are wanted.
func TestStreamLeavesASilentNode(t *testing.T) {
	t.Parallel()
	p := hotlinetest.NewParty("XA", "desk")
	silent := &fakeHost{handle: func(ctx context.Context, _ Officer, _ *Request, _ func(*Reply) error) error {
		<-ctx.Done()
		return ctx.Err()
	}}
	well := new(fakeHost)
	c := dial(t, p.Officer("O1"), startNode(t, p, "XA-1", silent), startNode(t, p, "XA-2", well))
	ctx, cancel := context.WithTimeout(t.Context(), 4*attempt)
	defer cancel()
	if err := c.Stream(ctx, &Request{Documents: &DocumentsRequest{}}, func(*Reply) error { return nil }); err != nil || len(well.calls()) == 0 {
		t.Errorf("%v, and the second node was asked %d times", err, len(well.calls()))
	}
}

// Promise: what a node says of a moment settles nothing that may have been done before.
func TestBusyBehindAnUnknownOutcomeIsUnknown(t *testing.T) {
	t.Parallel()
	p := hotlinetest.NewParty("XA", "desk")
	for _, code := range []hotline.Code{hotline.CodeBusy, hotline.CodeBehind, hotline.CodeInternal, hotline.CodeDenied, hotline.CodeStale} {
		var asked atomic.Int32
		c := dial(t, p.Officer("O1"), startNode(t, p, "XA-1", &fakeHost{handle: func(_ context.Context, _ Officer, _ *Request, _ func(*Reply) error) error {
			if asked.Add(1) == 1 {
				return hotline.Refuse(hotline.CodeUnknown, "no majority answered")
			}
			return hotline.Refuse(code, "not now")
		}}))
		want := hotline.CodeUnknown
		if code == hotline.CodeStale { // which the ledger says of the statement itself
			want = code
		}
		if _, err := c.Do(t.Context(), &Request{Submit: &SubmitRequest{Statement: []byte{1}}}); hotline.CodeOf(err) != want {
			t.Errorf("unknown, then %s, is told as %v", code, err)
		}
	}
}

// Promise: a first node that is dead does not keep an officer from the second.
func TestDialPassesADeadNode(t *testing.T) {
	t.Parallel()
	p := hotlinetest.NewParty("XA", "desk")
	silent, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}) // takes datagrams, answers none
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	dead := &node{Node: Node{Name: "XA-1", Addr: silent.LocalAddr().String(), Key: p.Nodes["XA-1"].Public()}}
	c := dial(t, p.Officer("L2"), dead, startNode(t, p, "XA-2", new(fakeHost)))
	if c.Node() != "XA-2" {
		t.Errorf("connected to %s", c.Node())
	}
}

// Promise: while a group has no leader the client asks again, at other nodes,
// and gets the answer once there is one.
func TestNoLeaderIsAskedAgain(t *testing.T) {
	t.Parallel()
	p := hotlinetest.NewParty("XA", "desk")
	var mu sync.Mutex
	asked := 0
	host := &fakeHost{handle: func(_ context.Context, _ Officer, _ *Request, send func(*Reply) error) error {
		mu.Lock()
		defer mu.Unlock()
		asked++
		if asked < 3 {
			return hotline.Refuse(hotline.CodeNotLeader, "no leader")
		}
		return send(&Reply{})
	}}
	c := dial(t, p.Officer("T1"), startNode(t, p, "XA-1", host), startNode(t, p, "XA-2", host))
	_, err := c.Do(t.Context(), &Request{Publish: &PublishRequest{Document: []byte{1}}})
	mu.Lock()
	defer mu.Unlock()
	if err != nil || asked != 3 {
		t.Errorf("%v after %d questions", err, asked)
	}
}

// Promise: if a node takes a request that must not be asked twice and goes away
// before it answers, the outcome is unknown, never refused and never repeated.
func TestOutcomeOfAnUnansweredChangeIsUnknown(t *testing.T) {
	t.Parallel()
	p := hotlinetest.NewParty("XA", "desk")
	var first *node
	taken := make(chan struct{})
	first = startNode(t, p, "XA-1", &fakeHost{handle: func(ctx context.Context, _ Officer, _ *Request, _ func(*Reply) error) error {
		close(taken)
		<-ctx.Done()
		return ctx.Err()
	}})
	second := new(fakeHost)
	c := dial(t, p.Officer("T1"), first, startNode(t, p, "XA-2", second))
	go func() { <-taken; first.stop() }()
	_, err := c.Do(t.Context(), &Request{Publish: &PublishRequest{Document: []byte{1}}})
	if hotline.CodeOf(err) != hotline.CodeUnknown {
		t.Errorf("%v, want unknown-outcome", err)
	}
	if calls := second.calls(); len(calls) != 0 {
		t.Errorf("it was asked again: %v", calls)
	}
}

// Promise: a refusal of the host arrives with its code and words; any other
// error of it arrives as internal, without its text.
func TestErrorsOfTheHost(t *testing.T) {
	t.Parallel()
	p := hotlinetest.NewParty("XA", "desk")
	answers := []error{hotline.Refuse(hotline.CodeStale, "too old"), errors.New("disk path /secret")}
	next := 0
	n := startNode(t, p, "XA-1", &fakeHost{handle: func(_ context.Context, _ Officer, _ *Request, send func(*Reply) error) error {
		next++
		return answers[next-1]
	}})
	c := dial(t, p.Officer("O1"), n)
	r, err := c.Do(t.Context(), requests()["submit"])
	if hotline.CodeOf(err) != hotline.CodeStale || r == nil || r.Text != "too old" {
		t.Errorf("%+v, %v", r, err)
	}
	_, err = c.Do(t.Context(), requests()["submit"])
	if hotline.CodeOf(err) != hotline.CodeInternal || strings.Contains(err.Error(), "secret") {
		t.Errorf("%v", err)
	}
}

// Promise: a watch brings every event in order; when the watcher leaves, the
// node's side of it ends.
func TestWatchStreamsAndEnds(t *testing.T) {
	t.Parallel()
	p := hotlinetest.NewParty("XA", "desk")
	ended := make(chan struct{})
	n := startNode(t, p, "XA-1", &fakeHost{handle: func(ctx context.Context, _ Officer, req *Request, send func(*Reply) error) error {
		if req.Watch == nil {
			return send(&Reply{})
		}
		defer close(ended)
		for i := range uint64(3) {
			if err := send(&Reply{Event: &Event{Type: EventReceived, Index: i}}); err != nil {
				return err
			}
		}
		<-ctx.Done()
		return ctx.Err()
	}})
	c := dial(t, p.Officer("L1"), n)
	enough := errors.New("enough")
	var got []uint64
	err := c.Stream(t.Context(), &Request{Watch: &WatchRequest{}}, func(r *Reply) error {
		got = append(got, r.Event.Index)
		if len(got) == 3 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) || !slices.Equal(got, []uint64{0, 1, 2}) {
		t.Fatalf("%v, %v", got, err)
	}
	<-ended
	if _, err := c.Do(t.Context(), &Request{Status: &StatusRequest{}}); err != nil {
		t.Errorf("the connection did not survive the watch: %v", err)
	}
}

// Promise: an answer over the bound is a fault that the asker hears of, and the
// host too.
func TestAnswerOverTheBound(t *testing.T) {
	t.Parallel()
	p := hotlinetest.NewParty("XA", "desk")
	told := make(chan error, 1)
	n := startNode(t, p, "XA-1", &fakeHost{handle: func(_ context.Context, _ Officer, _ *Request, send func(*Reply) error) error {
		err := send(&Reply{Export: &ExportChunk{Entries: [][]byte{make([]byte, hotline.MaxDeskMessage)}}})
		told <- err
		return err
	}})
	c := dial(t, p.Officer("U1"), n)
	err := c.Stream(t.Context(), requests()["export"], func(*Reply) error { return nil })
	if hotline.CodeOf(err) != hotline.CodeInternal || <-told == nil {
		t.Errorf("%v", err)
	}
}
