package replica

import (
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// A test here mostly waits, for elections and for peers that are silent: more run at once than there are cores. -parallel says otherwise.
func TestMain(m *testing.M) {
	if err := flag.Set("test.parallel", "4"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

// patience bounds the wait for an event that must come; no test measures time.
const patience = 60 * time.Second

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// journal is a Machine that remembers every command in order.
type journal struct {
	mu       sync.Mutex
	lines    []string
	moved    chan struct{} // closed and replaced at every change
	restored int
	block    chan struct{} // when set, Apply waits for it
	entered  chan struct{} // gets a value when Apply waits
	panics   bool
	refuse   error // of Restore
}

func newJournal() *journal {
	return &journal{moved: make(chan struct{}), entered: make(chan struct{}, 1)}
}

func (j *journal) Apply(commands []Command) []any {
	j.mu.Lock()
	block, panics := j.block, j.panics
	j.mu.Unlock()
	if block != nil {
		select {
		case j.entered <- struct{}{}:
		default:
		}
		<-block
	}
	if panics {
		panic("as the test asked")
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	var results []any
	for _, c := range commands {
		j.lines = append(j.lines, string(c.Data))
		results = append(results, len(j.lines))
	}
	j.wake()
	return results
}

func (j *journal) wake() {
	close(j.moved)
	j.moved = make(chan struct{})
}

func (j *journal) Snapshot() (func(io.Writer) error, error) {
	j.mu.Lock()
	lines := slices.Clone(j.lines)
	j.mu.Unlock()
	return func(w io.Writer) error {
		for _, l := range lines {
			b := binary.BigEndian.AppendUint32(nil, uint32(len(l)))
			if _, err := w.Write(append(b, l...)); err != nil {
				return err
			}
		}
		return nil
	}, nil
}

func (j *journal) Restore(r io.Reader) error {
	var lines []string
	for {
		var length [4]byte
		if _, err := io.ReadFull(r, length[:]); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return err
		}
		line := make([]byte, binary.BigEndian.Uint32(length[:]))
		if _, err := io.ReadFull(r, line); err != nil {
			return err
		}
		lines = append(lines, string(line))
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.refuse != nil {
		return j.refuse
	}
	j.lines, j.restored = lines, j.restored+1
	j.wake()
	return nil
}

// wait returns the lines once done likes them.
func (j *journal) wait(t *testing.T, ctx context.Context, done func(lines []string) bool) []string {
	t.Helper()
	for {
		j.mu.Lock()
		lines, moved := slices.Clone(j.lines), j.moved
		j.mu.Unlock()
		if done(lines) {
			return lines
		}
		select {
		case <-moved:
		case <-ctx.Done():
			t.Fatalf("journal stayed at %d lines", len(lines))
		}
	}
}

func has(line string) func([]string) bool {
	return func(lines []string) bool { return slices.Contains(lines, line) }
}

// node is one member of a test group with what it runs on.
type node struct {
	*Member
	cfg     Config
	net     *testNetwork
	journal *journal
	failed  chan error // what Stop was called with
}

type group struct {
	t     testing.TB
	keys  *testKeys
	dir   string
	nodes []*node
}

func newGroup(t testing.TB) *group {
	return &group{t: t, keys: &testKeys{pins: map[string]string{}}, dir: t.TempDir()}
}

// testTiming is slow, so that a busy machine does not cost a leader its office
// in the middle of a test; hurry makes up for it.
var testTiming = Timing{Heartbeat: 2 * time.Second, Election: 2 * time.Second, Lease: 1500 * time.Millisecond,
	Commit: 10 * time.Millisecond, Write: 30 * time.Second}

// hurry makes the first node stand for election at once when it knows no leader.
func (g *group) hurry() {
	g.t.Helper()
	r := g.nodes[0].raft
	c := r.ReloadableConfig()
	c.HeartbeatTimeout -= time.Millisecond // a shorter one is looked at at once
	if err := r.ReloadConfig(c); err != nil {
		g.t.Fatal(err)
	}
}

// prepare makes a node that has not been started.
func (g *group) prepare(name string) *node {
	n := &node{net: newTestNetwork(g.t, g.keys, name, "127.0.0.1:0"), journal: newJournal(), failed: make(chan error, 1)}
	n.cfg = Config{
		ID: name, Address: n.net.addr(), Dir: filepath.Join(g.dir, name), Network: n.net, Machine: n.journal,
		Timing: testTiming, Trailing: 1 << 20, Logger: testLogger(g.t),
		Stop: func(err error) { n.failed <- err },
		Serve: func(_ context.Context, from string, request []byte) []byte {
			return fmt.Appendf(nil, "%s to %s: %s", from, name, request)
		},
	}
	g.nodes = append(g.nodes, n)
	return n
}

func testLogger(t testing.TB) *slog.Logger {
	if os.Getenv("REPLICA_TEST_LOG") == "" {
		return nil
	}
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func (g *group) open(n *node) {
	g.t.Helper()
	m, err := Open(n.cfg)
	if err != nil {
		g.t.Fatal(err)
	}
	n.Member = m
	g.t.Cleanup(func() { _ = m.Close() })
}

// restart opens a closed node again, with an empty Machine and a new socket on the
// same address, as a new process would.
func (g *group) restart(n *node) {
	g.t.Helper()
	n.net.close()
	n.net = newTestNetwork(g.t, g.keys, n.cfg.ID, n.cfg.Address)
	n.journal = newJournal()
	n.cfg.Network, n.cfg.Machine = n.net, n.journal
	g.open(n)
}

// startGroup opens size voters that know one another.
func startGroup(t testing.TB, size int, adjust ...func(*node)) *group {
	t.Helper()
	g := newGroup(t)
	var servers []Server
	for i := range size {
		n := g.prepare(fmt.Sprintf("XA-N%d", i+1))
		servers = append(servers, Server{ID: n.cfg.ID, Address: n.cfg.Address, Voter: true})
	}
	for _, n := range g.nodes {
		n.cfg.Bootstrap = servers
		for _, f := range adjust {
			f(n)
		}
		g.open(n)
	}
	g.hurry()
	return g
}

// leader waits until a member among nodes leads with everything committed.
func (g *group) leader(ctx context.Context, nodes ...*node) *node {
	g.t.Helper()
	if nodes == nil {
		nodes = g.nodes
	}
	for {
		id, err := nodes[0].WaitLeader(ctx)
		if err != nil {
			g.t.Fatal(err)
		}
		i := slices.IndexFunc(nodes, func(n *node) bool { return n.cfg.ID == id })
		if i >= 0 && nodes[i].Barrier(ctx) == nil {
			return nodes[i]
		}
		if ctx.Err() != nil {
			g.t.Fatal(ctx.Err())
		}
		changed := nodes[0].leaderChanged()
		timer := time.NewTimer(retryPause)
		select {
		case <-changed:
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// leaderOtherThan waits until one of rest leads instead of old.
func (g *group) leaderOtherThan(ctx context.Context, old *node, rest []*node) *node {
	g.t.Helper()
	for {
		changed := rest[0].leaderChanged()
		if id, ok := rest[0].Leader(); ok && id != old.cfg.ID {
			return g.leader(ctx, rest...)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			g.t.Fatal("nobody took over")
		}
	}
}

func (n *node) mustPropose(t *testing.T, ctx context.Context, line string) any {
	t.Helper()
	got, err := n.Propose(ctx, []byte(line))
	if err != nil {
		t.Fatal(err)
	}
	return got
}
