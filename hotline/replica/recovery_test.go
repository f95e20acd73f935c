package replica

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/hashicorp/raft"
	"github.com/quic-go/quic-go"
)

// closeForRestart closes a node so that restart can open it.
func (n *node) closeForRestart(t *testing.T) {
	t.Helper()
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	n.failed = make(chan error, 1)
	failed := n.failed
	n.cfg.Stop = func(err error) { failed <- err }
}

// Promise: a member that ended while it took up the leader's snapshot comes back.
// What it had of the log lies before the snapshot, and would leave a gap.
func TestEndWhileASnapshotIsTakenUp(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	g := startGroup(t, 3, func(n *node) { n.cfg.Trailing = 1 })
	l := g.leader(ctx)
	l.mustPropose(t, ctx, "first")
	f := without(g.nodes, l)[0]
	f.journal.wait(t, ctx, has("first"))
	f.closeForRestart(t)
	for i := range 20 {
		l.mustPropose(t, ctx, fmt.Sprint("command ", i))
	}
	if err := l.Snapshot(ctx); err != nil {
		t.Fatal(err)
	}
	f.net.close()
	f.net, f.journal = newTestNetwork(t, g.keys, f.cfg.ID, f.cfg.Address), newJournal()
	f.journal.refuse = errDisk // it ends while it restores
	f.cfg.Network, f.cfg.Machine = f.net, f.journal
	g.open(f)
	f.mustStop(t, ctx, errMachine)
	f.closeForRestart(t)
	if err := l.TransferLeadership(ctx); err != nil { // to one that has sent no snapshot
		t.Fatal(err)
	}
	l = g.leaderOtherThan(ctx, l, without(without(g.nodes, f), l))
	g.restart(f)
	l.mustPropose(t, ctx, "after")
	f.journal.wait(t, ctx, has("after"))
}

// Promise: a bit that flips in the name under which a vote is kept does not make
// the member vote once more.
func TestLostVoteIsNoticed(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	g := startGroup(t, 1)
	n := g.leader(ctx)
	n.closeForRestart(t)
	path := filepath.Join(n.cfg.Dir, logFolder, "wal-meta.db")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range [][]byte{keyTerm, keyVoteTerm, keyVoteFor} {
		flipped := bytes.Clone(key)
		flipped[len(flipped)-1] ^= 1
		damaged := bytes.ReplaceAll(whole, key, flipped)
		if bytes.Equal(damaged, whole) {
			t.Fatalf("%s does not stand in the file", key)
		}
		if err := os.WriteFile(path, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		if m, err := Open(n.cfg); !errors.Is(err, errCorrupt) {
			t.Errorf("%s is gone, and the member opens: %v", key, err)
			if err == nil {
				_ = m.Close()
			}
		}
	}
	if err := os.WriteFile(path, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	g.restart(n)
	g.leader(ctx)
}

// Promise: a directory that an earlier version made, which did not keep a vote that
// was never given, opens.
func TestVotesOfAnEarlierVersionAreKept(t *testing.T) {
	t.Parallel()
	s, _, tripped := newSealedLog(t)
	if err := s.SetUint64(keyTerm, 7); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.settleVotes(); err != nil {
			t.Fatal(err)
		}
		if term, err := s.GetUint64(keyTerm); term != 7 || err != nil {
			t.Errorf("term %d: %v", term, err)
		}
		if term, err := s.GetUint64(keyVoteTerm); term != 0 || err != nil {
			t.Errorf("a vote in term %d: %v", term, err)
		}
		if vote, err := s.Get(keyVoteFor); len(vote) != 0 || err != nil {
			t.Errorf("a vote for %q: %v", vote, err)
		}
	}
	if len(tripped.errs) > 0 {
		t.Error(tripped.errs)
	}
}

// forgetful flips a bit of one entry in the memory of the leader, once it is on disk.
type forgetful struct {
	*faultyLog
	line []byte
}

func (f *forgetful) StoreLogs(logs []*raft.Log) error {
	err := f.faultyLog.StoreLogs(logs)
	for _, l := range logs {
		if bytes.Equal(l.Data, f.line) {
			l.Data[0] ^= 1
		}
	}
	return err
}

// Promise: a leader whose memory damaged an entry stops. Every follower refuses
// that entry, and behind it nothing would be committed any more.
func TestEntryDamagedInMemoryStopsTheLeader(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	g := startGroup(t, 3, func(n *node) {
		n.cfg.openLog = func(dir string, cfg *Config) (diskLog, error) {
			f := newFaultyLog()
			var err error
			f.diskLog, err = openDiskLog(dir, cfg)
			return &forgetful{f, []byte("victim")}, err
		}
	})
	l := g.leader(ctx)
	l.mustPropose(t, ctx, "before")
	if _, err := l.Propose(ctx, []byte("victim")); !errors.Is(err, ErrUnknown) {
		t.Errorf("a command whose entry was damaged is answered %v", err)
	}
	l.mustStop(t, ctx, errCorrupt)
	rest := without(g.nodes, l)
	g.leaderOtherThan(ctx, l, rest).mustPropose(t, ctx, "after")
}

// Promise: a first start that ended before the first configuration was stored is
// made up for by the next; the member would know of no group for ever.
func TestFirstStartThatEndedEarlyBeginsAgain(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	g := newGroup(t)
	n := g.prepare("XA-N1")
	n.cfg.Bootstrap = []Server{{ID: n.cfg.ID, Address: n.cfg.Address, Voter: true}}
	log := newFaultyLog()
	log.into(n)
	log.set(func() { log.store = errDisk })
	if _, err := Open(n.cfg); err == nil {
		t.Fatal("the first configuration was not stored, and the member opens")
	}
	log.set(func() { log.store = nil })
	g.restart(n)
	g.hurry()
	g.leader(ctx).mustPropose(t, ctx, "line")
}

// Promise: a member without a log that has voted does not begin again: it would forget the term, and vote in it once more.
func TestMemberThatHasVotedDoesNotBeginAgain(t *testing.T) {
	t.Parallel()
	for _, voted := range []uint64{0, 3} {
		log, _, _ := newSealedLog(t)
		snapshots, _ := newSnapshots(t)
		if err := errors.Join(log.SetUint64(keyTerm, 3), log.SetUint64(keyVoteTerm, voted)); err != nil {
			t.Fatal(err)
		}
		begun, err := new(Member).begun(log, log, snapshots)
		if err != nil || begun != (voted > 0) {
			t.Errorf("the last vote was in term %d: the member has begun: %t, %v", voted, begun, err)
		}
		if term, err := log.GetUint64(keyTerm); err != nil || term != voted {
			t.Errorf("the last vote was in term %d, and the term is now %d, %v", voted, term, err)
		}
	}
}

// Promise: the hash of a snapshot covers all of its metadata that says something.
func TestSnapshotMetadataIsBound(t *testing.T) {
	t.Parallel()
	s, _ := newSnapshots(t)
	sink := newSink(t, s, 10)
	if err := finish(sink); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(s.dir, sink.ID(), "meta.json")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, field := range []string{`"Version":`, `"ID":"`, `"Index":`, `"Term":`, `"ConfigurationIndex":`} {
		damaged := bytes.Clone(whole)
		damaged[bytes.Index(whole, []byte(field))+len(field)] ^= 1
		if err := os.WriteFile(path, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := s.checkNewest(); err == nil {
			t.Errorf("a bit of %s flipped, and the snapshot opens", field)
		}
	}
	if err := os.WriteFile(path, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.checkNewest(); err != nil {
		t.Error(err)
	}
}

// Promise: a leader whose newest snapshot cannot be read stops; it would send a new
// member an older one again and again, or nothing.
func TestUnreadableSnapshotIsNotPassedOver(t *testing.T) {
	t.Parallel()
	for finished := 1; finished <= retainSnapshots; finished++ {
		for _, damage := range []func(dir string) error{
			func(dir string) error { return os.Truncate(filepath.Join(dir, "meta.json"), 7) },
			func(dir string) error { return os.Remove(filepath.Join(dir, "meta.json")) },
		} {
			s, tripped := newSnapshots(t)
			var newest string
			for i := range finished {
				sink := newSink(t, s, uint64(10+i))
				if err := finish(sink); err != nil {
					t.Fatal(err)
				}
				newest = sink.ID()
			}
			if list, err := s.List(); len(list) != finished || err != nil || len(tripped.errs) > 0 {
				t.Fatalf("%d of %d snapshots are listed: %v %v", len(list), finished, err, tripped.errs)
			}
			if err := damage(filepath.Join(s.dir, newest)); err != nil {
				t.Fatal(err)
			}
			if list, err := s.List(); err == nil || len(tripped.errs) == 0 {
				t.Errorf("the newest of %d snapshots is damaged, and %d are listed: %v", finished, len(list), err)
			}
			if _, _, err := s.Open(newest); err == nil || len(tripped.errs) < 2 {
				t.Errorf("a damaged snapshot counts as superseded: %v", err)
			}
		}
	}
}

// Promise: a snapshot that newer ones took the place of while it was written stops
// nobody.
func TestSupersededSnapshotStopsNobody(t *testing.T) {
	t.Parallel()
	s, tripped := newSnapshots(t)
	old := newSink(t, s, 150)
	for _, index := range []uint64{200, 300} {
		if err := finish(newSink(t, s, index)); err != nil {
			t.Fatal(err)
		}
	}
	if err := finish(old); err == nil {
		t.Error("a snapshot that is gone counts as written")
	}
	if len(tripped.errs) > 0 {
		t.Errorf("the process must stop: %v", tripped.errs)
	}
}

// fenced is a Network that can be cut off and joined again.
type fenced struct {
	Network
	mu    sync.Mutex
	shut  bool
	conns []*quic.Conn
}

func (f *fenced) fence(shut bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.shut = shut
	for _, c := range f.conns {
		_ = c.CloseWithError(closedByUs, "cut off")
	}
	f.conns = nil
}

func (f *fenced) keep(conn *quic.Conn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.shut {
		_ = conn.CloseWithError(closedByUs, "cut off")
		return
	}
	f.conns = append(f.conns, conn)
}

func (f *fenced) Dial(ctx context.Context, member, addr string) (*quic.Conn, error) {
	conn, err := f.Network.Dial(ctx, member, addr)
	if err == nil {
		f.keep(conn)
	}
	return conn, err
}

func (f *fenced) Accept(ctx context.Context) (*quic.Conn, string, error) {
	conn, from, err := f.Network.Accept(ctx)
	if err == nil {
		f.keep(conn)
	}
	return conn, from, err
}

// slowWriter is a Machine whose state takes long to write, when it is told to.
type slowWriter struct {
	*journal
	slow           atomic.Bool
	begun, release chan struct{}
}

func (s *slowWriter) Snapshot() (func(io.Writer) error, error) {
	write, err := s.journal.Snapshot()
	return func(w io.Writer) error {
		if s.slow.Load() {
			close(s.begun)
			<-s.release
		}
		return write(w)
	}, err
}

// Promise: a member that has taken up the leader's snapshot does not fall back behind
// it, although one of its own was being written meanwhile: it would vote for members
// that lack what it holds.
func TestOlderSnapshotDoesNotReplaceTheLeaders(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	nets, writers := map[string]*fenced{}, map[string]*slowWriter{}
	g := startGroup(t, 3, func(n *node) {
		n.cfg.Trailing = 1
		nets[n.cfg.ID] = &fenced{Network: n.net}
		writers[n.cfg.ID] = &slowWriter{journal: n.journal, begun: make(chan struct{}), release: make(chan struct{})}
		n.cfg.Network, n.cfg.Machine = nets[n.cfg.ID], writers[n.cfg.ID]
	})
	l := g.leader(ctx)
	l.mustPropose(t, ctx, "first")
	f := without(g.nodes, l)[0]
	f.journal.wait(t, ctx, has("first"))
	net, machine := nets[f.cfg.ID], writers[f.cfg.ID]
	machine.slow.Store(true)
	own := make(chan error, 1)
	go func() { own <- f.Snapshot(ctx) }()
	<-machine.begun
	net.fence(true)
	for i := range 20 {
		l.mustPropose(t, ctx, fmt.Sprint("command ", i))
	}
	if err := l.Snapshot(ctx); err != nil {
		t.Fatal(err)
	}
	net.fence(false)
	f.journal.wait(t, ctx, has("command 19"))
	_ = f.raft.VerifyLeader().Error() // answered when the snapshot has been taken up
	net.fence(true)
	last := f.raft.LastIndex()
	close(machine.release)
	if err := <-own; err == nil {
		t.Error("a snapshot that lies before the leader's counts as taken")
	}
	if now := f.raft.LastIndex(); now < last {
		t.Errorf("the member held %d entries, and takes them for %d now", last, now)
	}
	if list, err := filepath.Glob(filepath.Join(f.cfg.Dir, snapshotFolder, "*")); len(list) != 1 || err != nil {
		t.Errorf("%v are left, want the leader's alone: %v", list, err)
	}
	net.fence(false)
	g.leader(ctx, l).mustPropose(t, ctx, "after")
	f.journal.wait(t, ctx, has("after"))
}

// Promise: leadership goes to a voter that answers, whichever that is.
func TestHandOverPassesASilentMember(t *testing.T) {
	t.Parallel()
	for _, silent := range []int{0, 1} {
		ctx := within(t)
		g := startGroup(t, 3)
		l := g.leader(ctx)
		l.mustPropose(t, ctx, "before")
		rest := without(g.nodes, l)
		for _, n := range rest {
			n.journal.wait(t, ctx, has("before"))
		}
		rest[silent].net.cut()
		if err := l.TransferLeadership(ctx); err != nil {
			t.Fatalf("with %s silent: %v", rest[silent].cfg.ID, err)
		}
		g.leaderOtherThan(ctx, l, []*node{rest[1-silent], l}).mustPropose(t, ctx, "after")
	}
}

// Promise: an answer of this member itself that is too large was given all the same:
// its request may have had an effect.
func TestOwnAnswerOverTheBoundIsUnknown(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	g := startGroup(t, 1, func(n *node) {
		n.cfg.Serve = func(context.Context, string, []byte) []byte { return make([]byte, MaxResponse+1) }
	})
	if _, err := g.leader(ctx).Ask(ctx, []byte("line")); !errors.Is(err, ErrUnknown) || !errors.Is(err, ErrTooLarge) {
		t.Errorf("it was served, and is answered %v", err)
	}
}

// counting is a Machine that knows what it has finished.
type counting struct {
	*journal
	finished atomic.Uint64
}

func (c *counting) Apply(commands []Command) []any {
	results := c.journal.Apply(commands)
	c.finished.Store(commands[len(commands)-1].Index)
	return results
}

// Promise: nothing counts as applied that the Machine has not finished, at any moment.
func TestAppliedIsNeverAhead(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	var c *counting
	g := startGroup(t, 1, func(n *node) {
		c = &counting{journal: n.journal}
		n.cfg.Machine = c
	})
	l := g.leader(ctx)
	l.mustPropose(t, ctx, "first")
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if at := l.applied(); at > c.finished.Load() {
					t.Errorf("entry %d counts as applied, %d is", at, c.finished.Load())
					return
				}
			}
		})
	}
	for i := range 2000 {
		l.mustPropose(t, ctx, fmt.Sprint(i))
	}
	close(stop)
	wg.Wait()
	if err := l.Barrier(ctx); err != nil {
		t.Fatal(err)
	}
	if at, want := l.applied(), l.raft.LastIndex(); at != want {
		t.Errorf("all is applied to entry %d, and %d counts", want, at)
	}
}

// Promise: what a snapshot holds counts as applied, also while no command has come since: a member that has nothing but the
// snapshot would else never be given a vote, and never know that it is up to date.
func TestSnapshotCountsAsApplied(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	g := startGroup(t, 1, func(n *node) { n.cfg.Trailing = 1 })
	n := g.leader(ctx)
	for i := range 20 {
		n.mustPropose(t, ctx, fmt.Sprint(i))
	}
	if err := n.Snapshot(ctx); err != nil {
		t.Fatal(err)
	}
	n.closeForRestart(t)
	g.restart(n)
	g.hurry()
	if err := g.leader(ctx).Barrier(ctx); err != nil { // no command
		t.Fatal(err)
	}
	if at, want := n.applied(), n.raft.LastIndex(); at != want || !n.Current() {
		t.Errorf("all is applied to entry %d, and %d counts; current: %t", want, at, n.Current())
	}
	added := g.prepare("XA-N2")
	g.open(added)
	if err := n.AddNonvoter(ctx, added.cfg.ID, added.cfg.Address); err != nil {
		t.Fatal(err)
	}
	added.journal.wait(t, ctx, has("19"))
	for {
		err := n.Promote(ctx, added.cfg.ID)
		if err == nil {
			break
		}
		if !errors.Is(err, ErrLagging) || ctx.Err() != nil {
			t.Fatal(err)
		}
	}
}

// Promise: behind a Machine that failed a barrier does not say that all is applied.
func TestBarrierBehindAFailedMachine(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	g := startGroup(t, 1)
	l := g.leader(ctx)
	l.state.broken.Store(&brokenMachine{errMachine}) // and Raft has not yet been told
	if err := l.Barrier(ctx); !errors.Is(err, ErrStopped) {
		t.Errorf("the Machine has failed, and the barrier says %v", err)
	}
}

// Promise: a follower that cut its log for an entry which then proves damaged stops,
// and so comes back whole; Raft would refuse everything that follows.
func TestRefusalBehindACutStops(t *testing.T) {
	t.Parallel()
	s, _, tripped := newSealedLog(t)
	list := entries(1, 6)
	if err := s.StoreLogs(list); err != nil {
		t.Fatal(err)
	}
	damaged := entries(5, 5)
	damaged[0].Extensions = sealOf(damaged[0])
	damaged[0].Data = []byte("other")
	if err := s.StoreLogs(damaged); err == nil || len(tripped.errs) > 0 {
		t.Fatalf("a damaged entry alone fails its request: %v %v", err, tripped.errs)
	}
	if err := s.DeleteRange(5, 6); err != nil {
		t.Fatal(err)
	}
	if err := s.StoreLogs(damaged); err == nil || len(tripped.errs) != 1 {
		t.Errorf("behind a cut it stops the process: %v %v", err, tripped.errs)
	}
	if err := s.StoreLogs(entries(5, 5)); err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteRange(1, 5); err != nil { // a snapshot has taken the place of all of it
		t.Fatal(err)
	}
	damaged = entries(6, 6)
	damaged[0].Extensions = sealOf(damaged[0])
	damaged[0].Data = []byte("other")
	if err := s.StoreLogs(damaged); err == nil || len(tripped.errs) != 1 {
		t.Errorf("when the whole log went, or something was written behind the cut, it does not: %v %v", err, tripped.errs)
	}
}

type deafNetwork struct{}

func (deafNetwork) Dial(ctx context.Context, _, _ string) (*quic.Conn, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func (deafNetwork) Accept(ctx context.Context) (*quic.Conn, string, error) {
	<-ctx.Done()
	return nil, "", ctx.Err()
}

// Promise: no dial begins behind the wait for those under way, whatever its caller
// had seen before.
func TestNoDialBesideClose(t *testing.T) {
	t.Parallel()
	p := newLinks(context.WithoutCancel(t.Context()), deafNetwork{}) // as if it had not ended yet
	p.close()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.get(ended, "b", "addr"); !errors.Is(err, ErrStopped) {
		t.Errorf("a closed member dials: %v", err)
	}
}

// Promise: a log that cannot be opened ends Open with the reason.
func TestUnreadableLogIsAnErrorOfOpen(t *testing.T) {
	t.Parallel()
	g := newGroup(t)
	n := g.prepare("XA-N1")
	if err := os.MkdirAll(filepath.Join(n.cfg.Dir, logFolder, "wal-meta.db"), 0o700); err != nil { // where a file belongs
		t.Fatal(err)
	}
	if m, err := Open(n.cfg); err == nil {
		_ = m.Close()
		t.Error("it opens")
	}
}
