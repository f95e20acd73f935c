package testnet_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"example.org/hotline/crypto/keys"
	"example.org/hotline/crypto/tlog"
	"example.org/hotline/hotline"
	"example.org/hotline/hotline/audit"
	"example.org/hotline/hotline/desk"
	"example.org/hotline/hotline/hotlinetest"
	"example.org/hotline/hotline/node"
	"example.org/hotline/ops/config"
	"example.org/hotline/testnet"
)

// world is a network of parties in one bubble of virtual time: the daemons as they are, with Raft and QUIC, on packets in memory and
// files in a directory. Clocks of nodes run with the bubble's, and are all set forward together over hours in which nothing is due and
// nothing is done: what a group does when every machine of the world was suspended. So a month costs what happens in it.
type world struct {
	t         *testing.T
	rng       *rand.Rand // of the plan alone: goroutines are not seeded
	net       *packets
	dir       string
	end       hotline.Time
	ahead     atomic.Int64 // of the nodes' clocks before the bubble's, in nanoseconds
	busy      atomic.Int64 // acts under way
	witnesses bool         // nodes hold the witness keys
	acts      sync.WaitGroup
	plan      []*act
	parties   []*party
	history   history
	skipped   time.Duration // of the nodes' time
	awake     time.Duration // the rest of it
}

// act is something that somebody does at a time.
type act struct {
	at hotline.Time
	do func()
}

// party is one party: its keys, its nodes, and what happened to them.
type party struct {
	*hotlinetest.Party
	w     *world
	code  byte // in addresses
	seats []*seat

	mu      sync.Mutex
	seen    map[hotline.ID]bool // received statements that somebody has plans for
	outages []outage
	failing bool // a fault of its nodes is not over
}

// outage is a time without a leader: From when it was made, To when a leader began to act, 0 if none has.
type outage struct{ From, To hotline.Time }

// seat is the place of one node; the node may be stopped.
type seat struct {
	cfg    *config.Config
	mu     sync.Mutex
	node   *node.Node
	cancel context.CancelFunc
}

var virtualPassphrase = []byte("only for a virtual network")

// virtualTerms are those of a crisis, with a final report within days, so that many happen in a month, and tests of lines and watches
// that do not drown the rest.
func virtualTerms() hotline.Terms {
	t := hotlinetest.Terms("crisis")
	t.LineTest, t.WatchTest = (12 * time.Hour).Milliseconds(), (24 * time.Hour).Milliseconds()
	t.Final = (5 * 24 * time.Hour).Milliseconds()
	return t
}

// makeWorld makes keys, documents and configurations for parties of so many nodes that do not witness each other. It must run
// inside the bubble.
func makeWorld(t *testing.T, dir string, seed uint64, sizes ...int) *world {
	return makeWorldOf(t, dir, seed, virtualTerms(), false, sizes...)
}

func makeWorldOf(t *testing.T, dir string, seed uint64, terms hotline.Terms, witnesses bool, sizes ...int) *world {
	w := &world{t: t, dir: dir, rng: rand.New(rand.NewPCG(seed, 0)), net: newPackets(), witnesses: witnesses}
	start := time.UnixMilli(int64(hotlinetest.Epoch)).Add(24 * time.Hour)
	w.ahead.Store(int64(time.Until(start)))
	var all []*hotlinetest.Party
	for i := range sizes {
		p := &party{Party: hotlinetest.NewParty(hotline.Party([]byte{'X', byte('A' + i)}), "virtual"), w: w, code: byte(i + 1), seen: map[hotline.ID]bool{}}
		w.parties, all = append(w.parties, p), append(all, p.Party)
	}
	docs := filepath.Join(dir, "documents")
	w.must(os.Mkdir(docs, 0o700))
	w.must(os.WriteFile(filepath.Join(docs, "convention-1.cbor"), hotlinetest.Convention(terms, all...).Raw, 0o600))
	for i, p := range w.parties {
		page := p.Page(1)
		page.Nodes = page.Nodes[:sizes[i]]
		for j := range page.Nodes {
			page.Nodes[j].Addr = fmt.Sprintf("10.0.%d.%d:4870", p.code, j+1)
		}
		w.must(os.WriteFile(filepath.Join(docs, fmt.Sprintf("directory-%s-1.cbor", p.Code)), p.SignDirectory(page), 0o600))
		for _, n := range page.Nodes {
			p.seats = append(p.seats, &seat{cfg: p.configure(n, docs, sizes[i])})
		}
	}
	return w
}

func (p *party) configure(n hotline.Node, docs string, size int) *config.Config {
	dir := filepath.Join(p.w.dir, n.Name)
	p.w.must(os.Mkdir(dir, 0o700))
	put := func(purpose string, b []byte, err error) {
		p.w.must(err)
		p.w.must(keys.Write(filepath.Join(dir, purpose+".key"), b))
	}
	purposes := map[string]*keys.Private{"tls": p.Nodes[n.Name], "log": p.Log, "service": p.Service}
	if p.w.witnesses {
		purposes[keys.PurposeWitness], purposes[keys.PurposeWitnessPQ] = p.Witness, p.WitnessPQ
	}
	for purpose, k := range purposes {
		b, err := k.Encrypt(purpose, virtualPassphrase, keys.TestnetCost())
		put(purpose, b, err)
	}
	b, err := p.Sealing.Encrypt("sealing", virtualPassphrase, keys.TestnetCost())
	put("sealing", b, err)
	c := config.Default()
	c.Party, c.Node, c.Data, c.Listen, c.Documents, c.Keys.Dir = string(p.Code), n.Name, filepath.Join(dir, "data"), n.Addr, docs, dir
	c.Group.Heartbeat, c.Group.Election = config.Duration{Duration: time.Second}, config.Duration{Duration: time.Second}
	if size > 1 {
		p.w.must(node.Found(c))
	}
	return c
}

func (w *world) must(err error) {
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) clock() time.Time { return time.Now().Add(time.Duration(w.ahead.Load())) }

func (w *world) now() hotline.Time { return hotline.Time(w.clock().UnixMilli()) }

// start runs a node and listens to what it tells its desks.
func (p *party) start(s *seat) {
	n, err := node.Open(s.cfg, node.Options{Passphrase: virtualPassphrase, Logger: slog.New(&listener{p: p, node: s.cfg.Node}), Now: p.w.clock,
		Listen: p.w.net.listen, Fatal: func(err error) { p.w.t.Errorf("%s must stop: %v", s.cfg.Node, err) }})
	p.w.must(err)
	ctx, cancel := context.WithCancel(context.Background())
	s.mu.Lock()
	s.node, s.cancel = n, cancel
	s.mu.Unlock()
	p.w.history.note(p.w.now(), "%s is started", s.cfg.Node)
	p.w.acts.Go(func() {
		_ = n.Handle(ctx, p.anybody(), &desk.Request{Watch: &desk.WatchRequest{}}, func(r *desk.Reply) error {
			p.hear(s.cfg.Node, r.Event)
			return nil
		})
	})
}

// stop closes a node; a node that is lost instead can tell nobody that it goes.
func (p *party) stop(s *seat, lost bool) {
	s.mu.Lock()
	n, cancel := s.node, s.cancel
	s.node = nil
	s.mu.Unlock()
	if n == nil {
		return
	}
	p.w.history.note(p.w.now(), "%s is stopped; lost: %v", s.cfg.Node, lost)
	p.w.net.silence(s.cfg.Listen, lost)
	cancel()
	if err := n.Close(); err != nil && !lost {
		p.w.t.Errorf("close %s: %v", s.cfg.Node, err)
	}
	p.w.net.silence(s.cfg.Listen, false)
}

func (s *seat) running() *node.Node {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.node
}

// leader returns the seat that leads; nil if none does.
func (p *party) leader() *seat {
	for _, s := range p.seats {
		if n := s.running(); n != nil {
			if v := p.status(n); v.Role == "leader" {
				return s
			}
		}
	}
	return nil
}

// figures reads some of a node's own figures: whether it leads, and when the next clock of its group is due.
func figures(n *node.Node) (leads bool, next hotline.Time) {
	families, err := n.Registry().Gather()
	if err != nil {
		panic(err)
	}
	for _, f := range families {
		switch f.GetName() {
		case "hotline_leader":
			leads = f.Metric[0].GetGauge().GetValue() == 1
		case "hotline_next_clock_seconds":
			next = hotline.Time(f.Metric[0].GetGauge().GetValue()*1000 + 0.5)
		}
	}
	return leads, next
}

// down notes that from now on the group has no leader.
func (p *party) down() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.outages = append(p.outages, outage{From: p.w.now()})
}

// up notes that a leader acts.
func (p *party) up() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.outages {
		if p.outages[i].To == 0 {
			p.outages[i].To = p.w.now()
		}
	}
}

// status asks one node how it stands.
func (p *party) status(n *node.Node) (v *desk.StatusView) {
	_ = n.Handle(context.Background(), p.anybody(), &desk.Request{Status: &desk.StatusRequest{}}, func(r *desk.Reply) error { v = r.Status; return nil })
	return v
}

func (p *party) anybody() desk.Officer { return desk.Officer{Name: p.Name("A1"), Roles: hotline.Roles} }

// ask puts a request to whichever node of the group answers; it tries for half a minute.
func (p *party) ask(r *desk.Request) (last *desk.Reply, err error) {
	err = errors.New("no node of the group runs")
	for try := range 30 {
		if n := p.seats[try%len(p.seats)].running(); n != nil {
			ctx, cancel := context.WithTimeout(context.Background(), hotline.DeskExchange)
			err = n.Handle(ctx, p.anybody(), r, func(re *desk.Reply) error { last = re; return nil })
			cancel()
			switch hotline.CodeOf(err) {
			case "", hotline.CodeNotLeader, hotline.CodeUnknown, hotline.CodeInternal, hotline.CodeBusy:
			case hotline.CodeBehind, hotline.CodeNotFound: // of a node that still reads its log after a start
			default:
				return nil, err
			}
			if err == nil {
				return last, nil
			}
		}
		time.Sleep(time.Second)
	}
	return nil, fmt.Errorf("%w: %w", errGroupDown, err)
}

var errGroupDown = errors.New("the group answers nothing")

// at plans an act. Acts run beside each other; what they plan in turn may lie in the past and is done at once.
func (w *world) at(t hotline.Time, do func()) {
	w.history.mu.Lock()
	defer w.history.mu.Unlock()
	i, _ := slices.BinarySearchFunc(w.plan, t, func(a *act, t hotline.Time) int { return int(a.at - t) })
	w.plan = slices.Insert(w.plan, i, &act{t, do})
}

func (w *world) nextAct() *act {
	w.history.mu.Lock()
	defer w.history.mu.Unlock()
	if len(w.plan) == 0 {
		return nil
	}
	return w.plan[0]
}

// run lets time pass until the end: acts are done at their times, and what is quiet is skipped.
func (w *world) run(end hotline.Time) {
	for w.now() < end {
		next := end
		if a := w.nextAct(); a != nil {
			next = min(next, a.at)
		}
		if next > w.now() {
			w.pass(next)
			continue
		}
		w.history.mu.Lock()
		a := w.plan[0]
		w.plan = w.plan[1:]
		w.history.mu.Unlock()
		w.busy.Add(1)
		w.acts.Go(func() {
			defer w.busy.Add(-1)
			a.do()
		})
	}
}

const (
	// settle is how long a group may take to do what follows from a clock or an act, before time is skipped.
	settle = 3 * time.Second
	// approach is how long before the next moment a skip ends: nodes look at their clocks every second.
	approach = 1200 * time.Millisecond
)

// pass lets time pass up to a moment, or up to the next clock of any group if that comes before.
func (w *world) pass(until hotline.Time) {
	for waited := time.Duration(0); waited < settle && w.unsettled(); waited += 100 * time.Millisecond {
		time.Sleep(100 * time.Millisecond)
	}
	quiet := w.net.quiet() && w.busy.Load() == 0 // and nothing moves until this goroutine waits again
	until = max(min(until, w.nextClock()), w.now())
	left := time.Duration(until-w.now()) * time.Millisecond
	if quiet && left > approach {
		skip := left - approach - time.Duration(w.rng.Int64N(int64(time.Second)))
		w.ahead.Add(int64(max(skip, 0)))
		w.skipped += max(skip, 0)
	}
	time.Sleep(min(time.Duration(until-w.now())*time.Millisecond+100*time.Millisecond, time.Second))
}

// unsettled reports whether an act is under way, or a statement on a line that is whole.
func (w *world) unsettled() bool {
	if w.busy.Load() > 0 {
		return true
	}
	for _, p := range w.parties {
		s := p.leader()
		if s == nil {
			continue
		}
		v := p.status(s.running())
		for _, peer := range v.Peers {
			if peer.Outbox > 0 && peer.Link == desk.LinkUp && !w.net.severed(p.code, w.party(peer.Party).code) {
				return true
			}
		}
	}
	return false
}

func (w *world) party(code hotline.Party) *party {
	i := slices.IndexFunc(w.parties, func(p *party) bool { return p.Code == code })
	return w.parties[i]
}

// nextClock is the earliest clock that has not fired, of any group that has a leader.
func (w *world) nextClock() hotline.Time {
	next := w.end + w.end
	for _, p := range w.parties {
		for _, s := range p.seats {
			if n := s.running(); n != nil {
				if leads, at := figures(n); leads && at > 0 {
					next = min(next, at)
				}
			}
		}
	}
	return next
}

// export writes the log of every node and returns the longest of each party, with the directories of their exports.
func (w *world) export() (testnet.Logs, []string) {
	logs, dirs := testnet.Logs{}, []string{}
	for _, p := range w.parties {
		for _, s := range p.seats {
			dir := filepath.Join(w.dir, "exports", s.cfg.Node)
			entries := p.exportOf(s, dir)
			log, err := testnet.ReadLog(entries)
			w.must(err)
			if err := testnet.CheckAgreement(logs[p.Code], log); err != nil {
				w.t.Errorf("%s: %v", s.cfg.Node, err)
			}
			if len(log) > len(logs[p.Code]) {
				logs[p.Code] = log
				dirs = append(slices.DeleteFunc(dirs, func(d string) bool { return strings.HasPrefix(filepath.Base(d), string(p.Code)) }), dir)
			}
		}
	}
	return logs, dirs
}

func (p *party) exportOf(s *seat, dir string) (entries [][]byte) {
	var checkpoint, cosigned []byte
	err := s.running().Handle(context.Background(), p.anybody(), &desk.Request{Export: &desk.ExportRequest{}}, func(r *desk.Reply) error {
		entries, checkpoint, cosigned = append(entries, r.Export.Entries...), r.Export.Checkpoint, r.Export.Cosigned
		return nil
	})
	p.w.must(err)
	store, err := tlog.Open(dir + "-log")
	p.w.must(err)
	defer store.Close()
	p.w.must(store.Append(entries...))
	p.w.must(audit.WriteFull(dir, store, checkpoint, cosigned))
	return entries
}

// close stops every node and ends every goroutine of the bubble.
func (w *world) close() {
	var stopping sync.WaitGroup
	for _, p := range w.parties {
		for _, s := range p.seats {
			stopping.Go(func() { p.stop(s, false) })
		}
	}
	stopping.Wait()
	w.acts.Wait()
	w.net.close()
}
