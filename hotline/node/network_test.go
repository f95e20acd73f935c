package node_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"example.org/hotline/crypto/keys"
	"example.org/hotline/hotline"
	"example.org/hotline/hotline/desk"
	"example.org/hotline/hotline/hotlinetest"
	"example.org/hotline/hotline/node"
	"example.org/hotline/ops/config"
)

// network is a set of parties with their nodes in one process, over real QUIC
// on loopback.
type network struct {
	t       *testing.T
	parties map[hotline.Party]*party
	docs    string
}

type party struct {
	*hotlinetest.Party
	page  *hotline.Directory
	cfgs  []*config.Config
	nodes []*node.Node
}

var testPassphrase = []byte("only for tests")

// deadline bounds every wait of a test: far beyond what any step takes.
const deadline = 30 * time.Second

// newNetwork makes parties of size nodes each and starts them.
func newNetwork(t *testing.T, terms hotline.Terms, size int, codes ...hotline.Party) *network {
	t.Helper()
	w := prepare(t, terms, size, codes...)
	for _, p := range w.parties {
		w.startAll(p)
	}
	return w
}

func (w *network) startAll(p *party) {
	w.t.Helper()
	for _, c := range p.cfgs {
		p.nodes = append(p.nodes, w.start(c))
	}
}

// prepare makes keys, documents and configurations, and starts nothing.
func prepare(t *testing.T, terms hotline.Terms, size int, codes ...hotline.Party) *network {
	t.Helper()
	return prepareObserved(t, terms, size, nil, codes...)
}

// prepareObserved is prepare with some of the parties as observers.
func prepareObserved(t *testing.T, terms hotline.Terms, size int, observers []hotline.Party, codes ...hotline.Party) *network {
	t.Helper()
	w := &network{t: t, parties: map[hotline.Party]*party{}, docs: t.TempDir()}
	var list []*hotlinetest.Party
	for _, c := range codes {
		p := hotlinetest.NewParty(c, t.Name())
		w.parties[c] = &party{Party: p}
		list = append(list, p)
	}
	convention := hotlinetest.Observed(terms, observers, list...)
	w.write("convention-1.cbor", convention.Raw)
	for _, p := range w.parties {
		p.page = p.Page(1)
		p.page.Nodes = p.page.Nodes[:size]
		for i := range p.page.Nodes {
			p.page.Nodes[i].Addr = freeAddr(t)
		}
		w.write(fmt.Sprintf("directory-%s-1.cbor", p.Code), p.SignDirectory(p.page))
	}
	for _, p := range w.parties {
		for _, nd := range p.page.Nodes {
			p.cfgs = append(p.cfgs, w.configure(p, nd))
		}
	}
	return w
}

func (w *network) write(name string, raw []byte) {
	w.t.Helper()
	if err := os.WriteFile(filepath.Join(w.docs, name), raw, 0o600); err != nil {
		w.t.Fatal(err)
	}
}

var portsTaken atomic.Uint32

// freeAddr finds a free UDP port on loopback: below those that the system gives to sockets that name none, since a node that starts again
// must find it still free, and in turn from a block of this process, since what is free now is used only later.
func freeAddr(t *testing.T) string {
	t.Helper()
	for range 300 {
		port := 20000 + os.Getpid()%40*300 + int(portsTaken.Add(1)%300)
		if c, err := net.ListenUDP("udp", &net.UDPAddr{Port: port}); err == nil {
			defer c.Close()
			return fmt.Sprintf("127.0.0.1:%d", port)
		}
	}
	t.Fatal("no free udp port")
	return ""
}

func (w *network) configure(p *party, nd hotline.Node) *config.Config {
	w.t.Helper()
	dir := w.t.TempDir()
	cost := keys.TestnetCost()
	put := func(purpose string, b []byte, err error) {
		if err == nil {
			err = keys.Write(filepath.Join(dir, purpose+".key"), b)
		}
		if err != nil {
			w.t.Fatal(err)
		}
	}
	for purpose, k := range map[string]*keys.Private{"tls": p.Nodes[nd.Name], "log": p.Log, "service": p.Service,
		keys.PurposeWitness: p.Witness, keys.PurposeWitnessPQ: p.WitnessPQ} {
		b, err := k.Encrypt(purpose, testPassphrase, cost)
		put(purpose, b, err)
	}
	b, err := p.Sealing.Encrypt("sealing", testPassphrase, cost)
	put("sealing", b, err)
	c := config.Default()
	c.Party, c.Node, c.Data, c.Listen = string(p.Code), nd.Name, filepath.Join(dir, "data"), nd.Addr
	c.Documents, c.Keys.Dir = w.docs, dir
	if len(p.page.Nodes) > 1 {
		if err := node.Found(c); err != nil {
			w.t.Fatal(err)
		}
	}
	return c
}

func (w *network) start(c *config.Config) *node.Node { return w.startAt(c, nil) }

// startAt starts a node with a clock of its own.
func (w *network) startAt(c *config.Config, clock func() time.Time) *node.Node {
	w.t.Helper()
	level := slog.LevelError
	if os.Getenv("HOTLINE_TEST_LOG") != "" {
		level = slog.LevelDebug
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
	n, err := node.Open(c, node.Options{Passphrase: testPassphrase, Logger: log, Now: clock, Fatal: func(err error) { w.t.Errorf("%s: %v", c.Node, err) }})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		if err := n.Close(); err != nil {
			w.t.Errorf("close %s: %v", c.Node, err)
		}
	})
	return n
}

// ask puts a request to a node as an officer with every role.
func (p *party) ask(t *testing.T, i int, r *desk.Request) (*desk.Reply, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	var last *desk.Reply
	err := p.nodes[i].Handle(ctx, desk.Officer{Name: p.Name("A1"), Roles: hotline.Roles}, r, func(re *desk.Reply) error {
		last = re
		return nil
	})
	return last, err
}

// submit hands a statement in, again and again while the group has no leader.
func (p *party) submit(t *testing.T, i int, st *hotline.Statement) *desk.SubmitView {
	t.Helper()
	var err error
	for end := time.Now().Add(deadline); time.Now().Before(end); {
		var re *desk.Reply
		if re, err = p.ask(t, i, &desk.Request{Submit: &desk.SubmitRequest{Statement: st.Raw}}); err == nil {
			return re.Submit
		}
		if c := hotline.CodeOf(err); c != hotline.CodeNotLeader && c != hotline.CodeUnknown && c != hotline.CodeInternal && c != hotline.CodeBusy {
			break
		}
	}
	t.Fatalf("submit %s: %v", st.Header.Kind, err)
	return nil
}

// watch opens a stream of events on a node.
func (p *party) watch(t *testing.T, i int) <-chan desk.Event {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	ch := make(chan desk.Event, 1024)
	go func() {
		_ = p.nodes[i].Handle(ctx, desk.Officer{Name: p.Name("A1"), Roles: hotline.Roles}, &desk.Request{Watch: &desk.WatchRequest{}},
			func(re *desk.Reply) error {
				select {
				case ch <- *re.Event:
				case <-ctx.Done(): // nobody takes events any more
				}
				return nil
			})
	}()
	wait(t, ch, func(e desk.Event) bool { return e.Type == desk.EventBegin })
	return ch
}

// wait takes events until one fits.
func wait(t *testing.T, ch <-chan desk.Event, fits func(desk.Event) bool) desk.Event {
	t.Helper()
	limit := time.NewTimer(deadline)
	defer limit.Stop()
	for {
		select {
		case e := <-ch:
			if fits(e) {
				return e
			}
		case <-limit.C:
			t.Fatal("the event did not come")
		}
	}
}

// ready waits until a node knows the directories of all parties.
func (w *network) ready() {
	w.t.Helper()
	for _, p := range w.parties {
		if len(p.nodes) == 0 {
			continue
		}
		ch := p.watch(w.t, 0)
		limit := time.NewTimer(deadline)
		for {
			re, err := p.ask(w.t, 0, &desk.Request{Status: &desk.StatusRequest{}})
			if err == nil && known(re.Status) == len(w.parties)-1 && re.Status.Directory > 0 && len(re.Status.Voters) > 0 {
				break
			}
			select {
			case <-ch:
			case <-time.After(50 * time.Millisecond):
			case <-limit.C:
				w.t.Fatalf("%s does not come up: %+v", p.Code, re.Status)
			}
		}
		limit.Stop()
	}
}

func known(s *desk.StatusView) (n int) {
	for _, p := range s.Peers {
		if p.Directory > 0 {
			n++
		}
	}
	return n
}
