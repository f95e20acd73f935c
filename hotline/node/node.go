// Package node is the only place that acts: one daemon of a party. It owns the
// socket, the clock, the disk and the keys of the group, and does what the
// ledger decides. Its files follow the way of a notification: detect, submit,
// deliver, receive, receipt, alarm, escalate (ARCHITECTURE, "The way of one
// notification").
package node

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quic-go/quic-go"

	"example.org/hotline/crypto/keys"
	"example.org/hotline/hotline"
	"example.org/hotline/hotline/desk"
	"example.org/hotline/hotline/ledger"
	"example.org/hotline/hotline/link"
	"example.org/hotline/hotline/replica"
	"example.org/hotline/ops/ceremony"
	"example.org/hotline/ops/config"
)

// Options are what a node needs beside its configuration.
type Options struct {
	Passphrase []byte
	Logger     *slog.Logger
	// Now is the clock; nil is the machine's.
	Now func() time.Time
	// Listen opens the socket at the configured address; nil is UDP of the
	// machine. The node closes what it returns.
	Listen func(*net.UDPAddr) (net.PacketConn, error)
	// Fatal ends the process and says why; nil logs and panics. It is called when
	// going on would make a wrong record: a stalled disk, files that disagree. What
	// stalls a disk may stall the log, which must not hold it up.
	Fatal func(error)

	scrub *pace // nil is scrubPace
}

// Node is one running daemon.
type Node struct {
	cfg  *config.Config
	opt  Options
	log  *slog.Logger
	keys *keyring
	docs *ceremony.Documents

	roster   rosterBox
	end      *endpoint
	machine  *machine
	member   *replica.Member
	line     *link.Line
	lines    *lineBook
	watchers *watchers
	desks    desks
	refusals *refusals
	metrics  *metrics
	nonce    [16]byte
	behind   *behind
	scrub    *scrub
	heads    *heads
	gathered *gathered
	seen     ownHeads
	public   *record // nil: it is not served

	witnessing *witnessing

	intake intake

	pages pages

	clocks clocks

	ready    chan struct{} // closed when member and line may be used
	followMu sync.Mutex    // held while line and connections are brought to the roster

	senders atomic.Pointer[senders] // while this node leads
	leading atomic.Bool             // effects are heard
	whole   *gate                   // open while this node leads and has all that the group had written down before
	// office is open while this node leads with a state that is up to date. Before
	// it has caught up with its predecessor, or founded the ledger, what it knows
	// is no ground for an answer to anybody.
	office *gate

	effects chan []ledger.Effect // what the leader acts on; overflow makes it derive everything again
	resync  chan struct{}

	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
	once   sync.Once
	err    error
}

// effectQueue bounds batches of effects that wait for the leader's loop. If it
// is full the loop derives what is open from the state instead: nothing is
// lost, and Apply never waits.
const effectQueue = 1024

// Open starts a node. It is ready when Open returns: it accepts connections
// and takes part in its group, though a leader may not be elected yet.
func Open(cfg *config.Config, opt Options) (*Node, error) {
	if opt.Logger == nil {
		opt.Logger = slog.Default()
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Listen == nil {
		opt.Listen = listenUDP
	}
	n := &Node{cfg: cfg, opt: opt, log: opt.Logger.With("node", cfg.Node), watchers: newWatchers(), refusals: newRefusals(),
		effects: make(chan []ledger.Effect, effectQueue), resync: make(chan struct{}, 1), ready: make(chan struct{}), office: newGate(), whole: newGate(),
		clocks: clocks{reading: make(chan struct{}, 1)}}
	n.lines = newLineBook(n.now)
	n.metrics = newMetrics(n)
	n.ctx, n.cancel = context.WithCancel(context.Background())
	copy(n.nonce[:], n.random(len(n.nonce)))
	if err := n.open(); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	return n, nil
}

func (n *Node) open() error {
	if err := os.MkdirAll(n.cfg.Data, 0o700); err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	before, err := begun(n.cfg)
	if err != nil {
		return err
	}
	opened := make(chan error, 1)
	open := func() {
		m, err := openMachine(n.cfg.Data, n.log, n.emit, n.newRoster)
		n.machine = m
		opened <- err
	}
	if before { // the edge of a long log takes about as long to read as documents and keys do
		go open() // awaited below
	}
	founds, err := n.prepare(before)
	switch {
	case before:
		err = errors.Join(err, <-opened)
	case err == nil: // a first start that is refused leaves nothing behind
		open()
		err = <-opened
	}
	if err != nil {
		return err
	}
	return n.join(founds)
}

// prepare loads what the node is told: documents, keys, channels, and what it has kept beside its log. founds says whether this start
// may found the group.
func (n *Node) prepare(before bool) (founds bool, err error) {
	party := hotline.Party(n.cfg.Party)
	if n.docs, err = ceremony.LoadDocuments(n.cfg.Documents, n.cfg.Pin()); err != nil {
		return false, fmt.Errorf("documents: %w", err)
	}
	if n.keys, err = loadKeys(n.cfg.Keys.Dir, n.opt.Passphrase); err != nil {
		return false, err
	}
	n.roster.p.Store(newRoster(party, newest(n.docs)))
	if err := n.checkSelf(); err != nil {
		return false, err
	}
	if err := n.openPages(); err != nil {
		return false, err
	}
	n.behind, n.scrub = newBehind(n.cfg.Data), newScrub(n.cfg.Data, n.opt.scrub)
	if n.heads, err = newHeads(n.cfg.Data); err != nil {
		return false, err
	}
	if n.gathered, err = openGathered(n.cfg.Data); err != nil {
		return false, err
	}
	n.witnessing = newWitnessing(n.cfg.Data)
	return mayFound(n.cfg, before, len(newestOf(n.docs, party).Nodes))
}

// join takes up the conversations and joins the group, or founds it.
func (n *Node) join(founds bool) (err error) {
	party := hotline.Party(n.cfg.Party)
	if n.end, err = listen(n.cfg.Listen, n.opt.Listen, n.keys.tls, &n.roster, n.log, n.countEvent, n.fatal); err != nil {
		return err
	}
	n.line = link.New(link.Config{Party: party, Node: n.cfg.Node, Host: n, Witness: n, Dialer: n.end, Logger: n.log,
		Rate: n.cfg.Limits.PeerRate, Burst: n.cfg.Limits.PeerBurst, Changed: n.pathChanged, Greeted: n.lines.greeted})
	// The transport is live before Raft starts: a member that cannot be reached
	// calls elections that it cannot win.
	if err := n.end.start(n.serve); err != nil {
		return err
	}
	if founds {
		if err := founding(n.cfg); err != nil {
			return fmt.Errorf("data directory: %w", err)
		}
	}
	if n.member, err = replica.Open(n.replicaConfig(founds)); err != nil {
		return err
	}
	if err := founded(n.cfg); err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	// Only now: what a peer or an officer asks needs the member.
	close(n.ready)
	n.follow()
	if err := n.followSensors(); err != nil {
		return err
	}
	if err := n.openRecord(n.cfg.Record.Listen); err != nil {
		return err
	}
	n.spawn(n.awaitIndex)
	n.spawn(n.keepLeading)
	n.spawn(n.keepHistory)
	n.spawn(n.keepChecking)
	n.spawn(n.keepScrubbing)
	n.spawn(n.keepTestingChannels)
	n.spawn(n.keepRepeating)
	return nil
}

// awaitIndex stops the process if the index cannot be opened: Apply could not
// note what it places.
func (n *Node) awaitIndex(context.Context) {
	if _, err := n.machine.index(); err != nil {
		n.fatal(err)
	}
}

// countEvent counts what is wrong with a connection.
func (n *Node) countEvent(event string) { n.metrics.events.WithLabelValues(event, "").Inc() }

// checkSelf: a node that its directory does not know would be refused by
// everybody; better here, with a reason.
func (n *Node) checkSelf() error {
	me, ok := n.roster.get().nodes[n.cfg.Node]
	switch {
	case !ok:
		return fmt.Errorf("node %s stands in no directory of %s in %s; have the directory signed and put there", n.cfg.Node, n.cfg.Party, n.cfg.Documents)
	case me.Key != n.keys.tls.Public():
		return fmt.Errorf("the tls key in %s is not the one that the directory names for %s", n.cfg.Keys.Dir, n.cfg.Node)
	}
	d := newestOf(n.docs, hotline.Party(n.cfg.Party))
	if d.Log != n.keys.log.Public() || d.Service != n.keys.service.Public() || d.Sealing != n.keys.sealing.Public() {
		return fmt.Errorf("the group's keys in %s are not those of directory %d of %s", n.cfg.Keys.Dir, d.Number, n.cfg.Party)
	}
	if k := n.keys; k.witness != nil && (k.witness.Public() != d.Witness || k.witnessPQ.Public() != d.WitnessPQ) {
		return fmt.Errorf("the witness keys in %s are not those of directory %d of %s", n.cfg.Keys.Dir, d.Number, n.cfg.Party)
	}
	return nil
}

func (n *Node) replicaConfig(found bool) replica.Config {
	c := replica.Config{
		ID: n.cfg.Node, Address: n.roster.get().nodes[n.cfg.Node].Addr, Dir: filepath.Join(n.cfg.Data, "raft"),
		Network: groupNetwork{n.end}, Machine: n.machine, Serve: n.serveGroup,
		Timing: replica.Timing{Heartbeat: n.cfg.Group.Heartbeat.Duration, Election: n.cfg.Group.Election.Duration,
			Lease: n.cfg.Group.Heartbeat.Duration / 2},
		SnapshotEvery: n.cfg.Group.SnapshotEvery, Trailing: n.cfg.Group.SnapshotEvery, Logger: n.log, Stop: n.fatal, CaughtUp: n.machine.complete,
	}
	if found {
		for _, node := range newestOf(n.docs, hotline.Party(n.cfg.Party)).Nodes {
			c.Bootstrap = append(c.Bootstrap, replica.Server{ID: node.Name, Address: node.Addr, Voter: true})
		}
	}
	return c
}

func newest(docs *ceremony.Documents) []*hotline.SignedDirectory {
	var list []*hotline.SignedDirectory
	for _, of := range docs.Directories {
		if len(of) > 0 {
			list = append(list, of[len(of)-1])
		}
	}
	return list
}

func newestOf(docs *ceremony.Documents, p hotline.Party) *hotline.SignedDirectory {
	of := docs.Directories[p]
	if len(of) == 0 {
		return nil
	}
	return of[len(of)-1]
}

// spawn runs f until the node closes; Close waits for it.
func (n *Node) spawn(f func(ctx context.Context)) {
	n.wg.Add(1)
	go func() {
		defer n.wg.Done()
		f(n.ctx)
	}()
}

// awaitReady waits until this node can answer; false if ctx ends before.
func (n *Node) awaitReady(ctx context.Context) bool {
	select {
	case <-n.ready:
		return true
	case <-ctx.Done():
	case <-n.ctx.Done():
	}
	return false
}

// serve runs an accepted connection of a peer or an officer.
func (n *Node) serve(alpn string, conn *quic.Conn, who caller) {
	if !n.awaitReady(conn.Context()) {
		_ = conn.CloseWithError(0, "") // the same code ends both conversations
		return
	}
	switch alpn {
	case link.ALPN:
		n.line.Serve(conn, who.party, who.name)
	case desk.ALPN:
		n.serveDesk(conn, who.officer)
	}
}

// serveDesk serves an officer for as long as the key is valid; a directory
// that revokes it ends the connection at once (endpoint.follow).
func (n *Node) serveDesk(conn *quic.Conn, of *hotline.Officer) {
	o, until := n.officer(of)
	if o == nil {
		_ = conn.CloseWithError(desk.CloseDenied, "no officer in force")
		return
	}
	if !n.desks.enter(o.Key) {
		_ = conn.CloseWithError(desk.CloseBusy, "too many desks")
		return
	}
	defer n.desks.leave(o.Key)
	ctx, cancel := context.WithTimeout(n.ctx, time.Duration(min(until-n.now(), maxDeskTime))*time.Millisecond)
	defer cancel()
	desk.Serve(ctx, conn, *o, n)
}

// maxDeskTime, in milliseconds, keeps a validity of centuries from overflowing.
const maxDeskTime hotline.Time = 365 * 24 * 3600 * 1000

// maxDesksOfOne is how many connections one officer's key may hold: no key can
// take the places of the others.
const maxDesksOfOne = 16

// desks counts the open connections of officers.
type desks struct {
	mu   sync.Mutex
	all  int
	byID map[keys.ID]int
}

// enter takes a place, and reports false if there is none.
func (d *desks) enter(key keys.ID) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.all >= hotline.MaxDeskConnections || d.byID[key] >= maxDesksOfOne {
		return false
	}
	if d.byID == nil {
		d.byID = map[keys.ID]int{}
	}
	d.all++
	d.byID[key]++
	return true
}

func (d *desks) leave(key keys.ID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.all--
	if d.byID[key]--; d.byID[key] == 0 {
		delete(d.byID, key)
	}
}

func (n *Node) now() hotline.Time { return hotline.Time(n.opt.Now().UnixMilli()) }

// random returns fresh random bytes. crypto/rand never fails on this platform:
// it ends the process rather than return less.
func (n *Node) random(size int) []byte {
	b := make([]byte, size)
	_, _ = rand.Read(b)
	return b
}

// fatal is for errors of the second class: the process must stop.
func (n *Node) fatal(err error) {
	if n.opt.Fatal != nil {
		n.opt.Fatal(err)
		return
	}
	n.log.Error("the process must stop", "why", err)
	panic("hotline node: " + err.Error())
}

// Close stops the node: leadership is handed over, streams end, files close.
// It waits until every goroutine has ended.
func (n *Node) Close() error {
	n.once.Do(func() {
		n.cancel()
		var errs []error
		n.watchers.close()
		n.public.close()
		if n.member != nil {
			errs = append(errs, n.member.Close())
		}
		if n.line != nil {
			n.line.Close()
		}
		if n.end != nil {
			n.end.close()
		}
		n.wg.Wait()
		n.pages.close()
		if n.machine != nil {
			errs = append(errs, n.machine.close())
		}
		n.err = errors.Join(errs...)
	})
	return n.err
}

// CheckKeys opens the node's keys and checks that they are those of its
// directory, without starting anything.
func CheckKeys(cfg *config.Config, docs *ceremony.Documents, passphrase []byte) error {
	k, err := loadKeys(cfg.Keys.Dir, passphrase)
	if err != nil {
		return err
	}
	n := &Node{cfg: cfg, docs: docs, keys: k}
	n.roster.p.Store(newRoster(hotline.Party(cfg.Party), newest(docs)))
	return n.checkSelf()
}
