package replica

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"

	"example.org/hotline/crypto/keys"
)

const (
	logFolder = "log"
	// maxAppend is the number of entries in one message to a follower and in
	// one batch for the Machine.
	maxAppend = 64
	// cachedEntries is the number of recent entries kept in memory for
	// followers; each is checked again before Apply.
	cachedEntries = 256
	// rpcTimeout bounds one exchange of Raft; a snapshot has more, by its size.
	rpcTimeout = 5 * time.Second
	// snapshotCheck is how often Raft looks whether SnapshotEvery is reached.
	snapshotCheck = 30 * time.Second
	// Close waits for handing leadership over (Raft itself gives up after
	// Timing.Election), then for undecided proposals, then for its goroutines.
	handOverWait = 2 * time.Second
	drainWait    = 2 * time.Second
	stopWait     = 10 * time.Second
)

// Member is one running member of the group. All methods may be called
// concurrently.
type Member struct {
	cfg    Config
	ctx    context.Context // ends when the member fails, and late in Close
	cancel context.CancelFunc
	wg     sync.WaitGroup // goroutines of the member's own

	lock  *os.File
	disk  diskLog
	tail  *tailMark
	log   *sealedLog
	trans *raft.NetworkTransport
	raft  *raft.Raft
	state *machine
	links *links
	layer *raftLayer

	serveGates, askGates gates
	changing             *gate // changes of the configuration

	closing   atomic.Bool
	waiting   waiting        // proposals that are not in Raft's hands yet
	undecided sync.WaitGroup // requests that wait, or are in Raft's hands

	proposals, proposalBytes atomic.Int64

	mu       sync.Mutex
	opened   bool
	failure  error
	leading  bool
	watchers map[chan bool]struct{}
	changed  chan struct{} // closed and replaced when leadership moved

	started   chan struct{} // closed when start has ended
	ready     chan struct{} // closed when raft is set
	quit      chan struct{} // ends the feeds from Raft, after Raft
	closeOnce sync.Once
	closeErr  error
}

// Open starts a member on its directory. The state that it finds there, log
// and newest snapshot, is read and verified first: an error says what to do.
// The caller must Close the member. Apply, Restore and Serve may be called before
// Open returns.
func Open(cfg Config) (*Member, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	m := &Member{
		cfg: cfg, ctx: ctx, cancel: cancel,
		serveGates: gates{inside: MaxServing, waiting: MaxServeQueue},
		askGates:   gates{inside: MaxAsking, waiting: MaxAskQueue},
		changing:   newGate(1, maxChanges),
		watchers:   make(map[chan bool]struct{}),
		changed:    make(chan struct{}),
		started:    make(chan struct{}),
		ready:      make(chan struct{}),
		quit:       make(chan struct{}),
	}
	m.links = newLinks(ctx, cfg.Network)
	m.layer = newRaftLayer(cfg.ID, m.links, m.addressOf, m.ready)
	err := m.awaitStart()
	m.mu.Lock()
	if m.failure != nil {
		err = m.failure
	}
	m.opened = err == nil
	m.mu.Unlock()
	if err == nil {
		return m, nil
	}
	err = fmt.Errorf("replica %s: %w", cfg.ID, err)
	m.closing.Store(true)
	if errors.Is(err, errStalled) {
		go func() { <-m.started; _ = m.shutdown() }() // should the disk ever answer
		return nil, err
	}
	return nil, errors.Join(err, m.shutdown())
}

// awaitStart starts the member on a goroutine of its own, since breaker.abort
// ends the goroutine that it is called on, and since a stalled disk must not
// hold up Open.
func (m *Member) awaitStart() error {
	err := errors.New("start was aborted")
	go func() {
		defer close(m.started)
		defer func() {
			if p := recover(); p != nil {
				err = fmt.Errorf("raft cannot start on what is stored in %s: %v", m.cfg.Dir, p)
			}
		}()
		debug.SetPanicOnFault(true) // a flipped bit can lead bbolt beyond the file that it has mapped
		err = m.start()
	}()
	select {
	case <-m.started:
		return err
	case <-m.ctx.Done(): // by fail only
	}
	m.mu.Lock()
	failure := m.failure
	m.mu.Unlock()
	if !errors.Is(failure, errStalled) {
		<-m.started
	}
	return failure
}

func (m *Member) start() error {
	if err := os.MkdirAll(m.cfg.Dir, 0o700); err != nil {
		return err
	}
	var err error
	if m.lock, err = lockDir(m.cfg.Dir); err != nil {
		return err
	}
	if m.disk, err = m.cfg.openLog(filepath.Join(m.cfg.Dir, logFolder), &m.cfg); err != nil {
		return fmt.Errorf("opening the log in %s failed: %w", m.cfg.Dir, err)
	}
	if m.tail, err = openTailMark(m.cfg.Dir); err != nil {
		return err
	}
	brk := &breaker{trip: m.fail}
	log := &sealedLog{disk: m.disk, tail: m.tail, brk: brk, bound: m.cfg.Timing.Write}
	m.log = log
	if err := log.verifyAll(); err != nil {
		return err
	}
	if err := log.settleVotes(); err != nil {
		return err
	}
	logger := newRaftLogger(m.cfg.Logger.With("member", m.cfg.ID), "raft")
	snapshots, err := openSnapshots(m.cfg.Dir, logger, brk)
	if err != nil {
		return err
	}
	if err := dropSuperseded(log, snapshots); err != nil {
		return err
	}
	// What the log syncs are files; their names are in directories, and must be on disk
	// before this member votes.
	if err := errors.Join(keys.SyncDir(m.cfg.Dir), keys.SyncDir(filepath.Dir(m.cfg.Dir))); err != nil {
		return err
	}
	cached, err := raft.NewLogCache(cachedEntries, log)
	if err != nil {
		return err
	}
	cache := &sealedCache{cached, brk}
	// The streams are live before Raft is: its first election needs them.
	m.trans = raft.NewNetworkTransportWithConfig(&raft.NetworkTransportConfig{
		ServerAddressProvider: m.layer,
		Logger:                logger,
		Stream:                m.layer,
		MaxPool:               raftPool,
		MaxRPCsInFlight:       1, // pipelining can deadlock: raft issues 611, 612
		Timeout:               rpcTimeout,
	})
	m.state = &machine{m: m.cfg.Machine, brk: brk}
	return m.runRaft(m.state, cache, log, snapshots, m.trans, logger)
}

func (m *Member) raftConfig(logger *raftLogger, notify chan<- bool) *raft.Config {
	c := raft.DefaultConfig()
	c.LocalID = raft.ServerID(m.cfg.ID)
	c.HeartbeatTimeout = m.cfg.Timing.Heartbeat
	c.ElectionTimeout = m.cfg.Timing.Election
	c.LeaderLeaseTimeout = m.cfg.Timing.Lease
	c.CommitTimeout = m.cfg.Timing.Commit
	c.MaxAppendEntries = maxAppend
	c.BatchApplyCh = true
	c.SnapshotThreshold = m.cfg.SnapshotEvery
	c.SnapshotInterval = snapshotCheck
	c.TrailingLogs = m.cfg.Trailing
	c.ShutdownOnRemove = false // a removed member stays, silent, until it is closed
	c.PreVoteDisabled = false
	c.NoLegacyTelemetry = true
	c.NotifyCh = notify
	c.Logger = logger
	return c
}

func (m *Member) runRaft(fsm raft.FSM, logs raft.LogStore, stable raft.StableStore, snapshots raft.SnapshotStore,
	trans raft.Transport, logger *raftLogger,
) error {
	notify := make(chan bool)
	c := m.raftConfig(logger, notify)
	known, err := raft.HasExistingState(logs, stable, snapshots)
	if err != nil {
		return err
	}
	if known && len(m.cfg.Bootstrap) > 0 {
		if known, err = m.begun(logs, stable, snapshots); err != nil {
			return err
		}
	}
	if !known && len(m.cfg.Bootstrap) > 0 {
		err := raft.BootstrapCluster(c, logs, stable, snapshots, trans, configurationOf(m.cfg.Bootstrap))
		if err != nil {
			return fmt.Errorf("first configuration: %w", err)
		}
	}
	r, err := raft.NewRaft(c, fsm, logs, stable, snapshots, trans)
	if err != nil {
		return err
	}
	m.raft = r
	close(m.ready)
	moved := make(chan raft.Observation, 1)
	r.RegisterObserver(raft.NewObserver(moved, false, func(o *raft.Observation) bool {
		_, ok := o.Data.(raft.LeaderObservation)
		return ok
	}))
	m.wg.Go(func() { m.followLeadership(notify, moved) })
	m.wg.Go(m.acceptLoop)
	return nil
}

// begun tells a member that has a log from one whose first start ended between its
// first term and its first configuration: that one begins again, since it would
// have no members for ever.
func (m *Member) begun(logs raft.LogStore, stable raft.StableStore, snapshots raft.SnapshotStore) (bool, error) {
	last, err := logs.LastIndex()
	if err != nil || last > 0 {
		return true, err
	}
	list, err := snapshots.List()
	if err != nil || len(list) > 0 {
		return true, err
	}
	voted, err := stable.GetUint64(keyVoteTerm)
	if err != nil || voted > 0 {
		return true, err
	}
	return false, stable.SetUint64(keyTerm, 0)
}

// dropSuperseded removes a log that ends before the newest snapshot: a process ended
// while it was taking up the leader's. What follows could not be stored behind the
// gap.
func dropSuperseded(log *sealedLog, snapshots *snapshotStore) error {
	list, err := snapshots.List()
	if err != nil || len(list) == 0 {
		return err
	}
	first, err := log.FirstIndex()
	if err != nil {
		return err
	}
	last, err := log.LastIndex()
	if err != nil || last == 0 || last >= list[0].Index {
		return err
	}
	return log.DeleteRange(first, last)
}

func configurationOf(servers []Server) raft.Configuration {
	var c raft.Configuration
	for _, s := range servers {
		suffrage := raft.Nonvoter
		if s.Voter {
			suffrage = raft.Voter
		}
		c.Servers = append(c.Servers, raft.Server{
			Suffrage: suffrage, ID: raft.ServerID(s.ID), Address: raft.ServerAddress(s.Address),
		})
	}
	return c
}

// fail makes the member silent towards the group, so that another can lead,
// and calls Stop, or has Open return err. It never blocks, and so logs nothing: what
// stalls a disk may stall the log. Only the first failure counts.
func (m *Member) fail(err error) {
	m.mu.Lock()
	if m.failure != nil {
		m.mu.Unlock()
		return
	}
	m.failure = err
	opened := m.opened
	m.mu.Unlock()
	m.cancel()
	m.publish(false)
	if opened {
		go m.cfg.Stop(err) // not waited for: Stop may well call Close
	}
}

// stopped says that nothing new is taken on.
func (m *Member) stopped() bool { return m.closing.Load() || m.ctx.Err() != nil }

// Close hands leadership over when it can, waits for undecided proposals, and
// stops every goroutine of the member, but for those whose requests Raft left
// without an answer. Each wait is bounded; an error says what did not stop. Later
// calls return the same.
func (m *Member) Close() error {
	m.closeOnce.Do(func() {
		if m.IsLeader() {
			ctx, cancel := context.WithTimeout(m.ctx, handOverWait)
			if err := m.TransferLeadership(ctx); err != nil && !errors.Is(err, errNoSuccessor) {
				m.cfg.Logger.Warn("leadership was not handed over", "member", m.cfg.ID, "error", err)
			}
			cancel()
		}
		m.mu.Lock() // so that nothing joins undecided behind the wait
		m.closing.Store(true)
		m.mu.Unlock()
		m.drain()
		m.closeErr = m.shutdown()
	})
	return m.closeErr
}

// drain gives Raft time to answer what it has in hand.
func (m *Member) drain() {
	idle := make(chan struct{})
	go func() { m.undecided.Wait(); close(idle) }() // may stay: Raft does not answer everything when it ends
	select {
	case <-idle:
	case <-m.ctx.Done():
	case <-time.After(drainWait):
	}
}

// shutdown ends what start began, in the reverse order, also when start got only
// half-way.
func (m *Member) shutdown() error {
	var stopping raft.Future
	if m.raft != nil {
		stopping = m.raft.Shutdown()
	}
	// Raft's goroutines may be in the middle of an exchange: end it under them.
	m.cancel()
	_ = m.layer.Close()
	defer m.publish(false)
	stopped := endsWithin(stopWait, func() { m.stopRaft(stopping) })
	close(m.quit)
	if !stopped {
		return fmt.Errorf("raft did not stop within %v, the disk may be stalled: end the process", stopWait)
	}
	if !endsWithin(stopWait, func() { m.links.close(); m.wg.Wait(); m.layer.open.Wait() }) {
		return fmt.Errorf("requests did not end within %v: Serve, Dial and Accept must return when their context ends", stopWait)
	}
	return m.release()
}

func (m *Member) stopRaft(stopping raft.Future) {
	if stopping != nil {
		_ = stopping.Error() // never fails; closes the transport too
	} else if m.trans != nil {
		_ = m.trans.Close()
	}
}

// release gives the directory back.
func (m *Member) release() error {
	var err error
	if m.disk != nil {
		err = m.disk.Close()
	}
	if m.tail != nil {
		err = errors.Join(err, m.tail.close())
	}
	if m.lock != nil {
		err = errors.Join(err, m.lock.Close())
	}
	return err
}

// endsWithin runs a wait that cannot be abandoned. When it does not end in time
// its goroutine stays behind, and the process has to end.
func endsWithin(bound time.Duration, wait func()) bool {
	done := make(chan struct{})
	go func() { defer close(done); wait() }()
	timer := time.NewTimer(bound)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
		return false
	}
}
