package replica

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"example.org/hotline/hotline/hotlinetest"
)

// mustStop waits until Stop was called on n, and checks that n is silent then.
func (n *node) mustStop(t *testing.T, ctx context.Context, cause error) {
	t.Helper()
	select {
	case err := <-n.failed:
		if !errors.Is(err, cause) {
			t.Fatalf("stopped for %v, want %v", err, cause)
		}
	case <-ctx.Done():
		t.Fatal("Stop was not called")
	}
	if _, ok := n.Leader(); ok || n.IsLeader() {
		t.Fatal("a member that must stop still speaks of a leader")
	}
	if _, err := n.Propose(ctx, []byte("x")); !errors.Is(err, ErrStopped) {
		t.Fatalf("a member that must stop proposed: %v", err)
	}
}

func without(nodes []*node, one *node) []*node {
	return slices.DeleteFunc(slices.Clone(nodes), func(n *node) bool { return n == one })
}

// Promise: a member that must stop says so to the process, and to those who follow
// leadership, although nobody takes its log lines: a stalled disk stalls the log too.
func TestStopDoesNotWaitForTheLog(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	jam := &hotlinetest.JammedLog{Free: make(chan struct{})}
	g := startGroup(t, 1, func(n *node) { n.cfg.Logger = slog.New(jam) })
	l := g.leader(ctx)
	changes, forget := l.Leadership()
	defer forget()
	if !<-changes {
		t.Fatal("the leader does not lead")
	}
	var failing sync.WaitGroup
	defer failing.Wait()
	defer close(jam.Free)
	failing.Go(func() { l.fail(errDisk) })
	l.mustStop(t, ctx, errDisk)
	select {
	case leads := <-changes:
		if leads {
			t.Error("a member that must stop leads")
		}
	case <-ctx.Done():
		t.Error("those who follow leadership are not told")
	}
}

// A leader whose disk stalls stops, and another takes over: Raft alone would
// keep it in office for ever.
func TestStalledDiskStopsAndAnotherLeads(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	logs := map[string]*faultyLog{}
	g := startGroup(t, 3, func(n *node) {
		n.cfg.Timing.Write = 2 * time.Second
		logs[n.cfg.ID] = newFaultyLog()
		logs[n.cfg.ID].into(n)
	})
	l := g.leader(ctx)
	l.mustPropose(t, ctx, "before")
	release := make(chan struct{})
	logs[l.cfg.ID].set(func() { logs[l.cfg.ID].stall = release })
	if _, err := l.Propose(ctx, []byte("stuck")); !errors.Is(err, ErrUnknown) {
		t.Fatalf("proposal to a stalled disk: %v", err)
	}
	l.mustStop(t, ctx, errStalled)
	next := g.leaderOtherThan(ctx, l, without(g.nodes, l))
	next.mustPropose(t, ctx, "after")
	close(release)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// A failed write of term or vote, at which Raft panics, becomes Stop; the rest of
// the group goes on.
func TestFailedStableStoreStops(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	logs := map[string]*faultyLog{}
	g := startGroup(t, 3, func(n *node) {
		logs[n.cfg.ID] = newFaultyLog()
		logs[n.cfg.ID].into(n)
	})
	l := g.leader(ctx)
	bad := without(g.nodes, l)[0]
	logs[bad.cfg.ID].set(func() { logs[bad.cfg.ID].stable = errDisk })
	// The hand-over makes a new term, which every member must store.
	_ = l.TransferLeadership(ctx)
	bad.mustStop(t, ctx, errDisk)
	if err := bad.Close(); err != nil {
		t.Fatal(err)
	}
	g.leader(ctx, without(g.nodes, bad)...).mustPropose(t, ctx, "after")
}

// A panic of the Machine becomes Stop, the proposer hears that the outcome is
// unknown, and the undefined state is not saved.
func TestPanickingMachineStops(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	g := startGroup(t, 1)
	l := g.leader(ctx)
	l.journal.mu.Lock()
	l.journal.panics = true
	l.journal.mu.Unlock()
	if _, err := l.Propose(ctx, []byte("x")); !errors.Is(err, ErrUnknown) {
		t.Fatalf("proposal: %v", err)
	}
	l.mustStop(t, ctx, errMachine)
	if err := l.raft.Snapshot().Error(); err == nil {
		t.Fatal("the state behind a panic was saved")
	}
}

// An entry that reads back wrong stops the leader before a new member gets it.
func TestFlippedBitInServiceStopsAndIsNotServed(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	log := newFaultyLog()
	g := startGroup(t, 1, log.into)
	l := g.leader(ctx)
	for i := range 20 {
		l.mustPropose(t, ctx, fmt.Sprint("command ", i))
	}
	bad := l.Stats().Last - 5
	if err := l.Close(); err != nil { // so that entries come from disk, not from the cache
		t.Fatal(err)
	}
	g.restart(l)
	g.hurry()
	g.leader(ctx, l)
	log.set(func() { log.flip = bad })
	added := g.prepare("XA-N2")
	g.open(added)
	if err := l.AddNonvoter(ctx, "XA-N2", added.cfg.Address); err != nil && !errors.Is(err, ErrUnknown) {
		t.Fatal(err)
	}
	l.mustStop(t, ctx, errCorrupt)
	if err := added.Close(); err != nil {
		t.Fatal(err)
	}
	for i, line := range added.journal.lines {
		if line != fmt.Sprint("command ", i) {
			t.Fatalf("new member applied %q at %d", line, i)
		}
	}
}

// One flipped bit at rest, in the first entry, in the middle, or in the last
// (which raft-wal alone takes for an unfinished write and drops), is found before
// the member may vote; the error says what to do.
func TestFlippedBitAtRestIsFoundAtOpen(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	g := startGroup(t, 1)
	n := g.leader(ctx)
	for i := range 20 {
		n.mustPropose(t, ctx, fmt.Sprintf("<command %02d>", i))
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	segments, err := filepath.Glob(filepath.Join(n.cfg.Dir, logFolder, "*.wal"))
	if err != nil || len(segments) != 1 {
		t.Fatalf("segments %v, %v", segments, err)
	}
	whole, err := os.ReadFile(segments[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"<command 00>", "<command 10>", "<command 19>"} {
		damaged := slices.Clone(whole)
		at := bytes.Index(damaged, []byte(line))
		damaged[at+1] ^= 0x10
		if err := os.WriteFile(segments[0], damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Open(n.cfg)
		if !errors.Is(err, errCorrupt) || !strings.Contains(err.Error(), "add it again") {
			t.Fatalf("open with a bit of %s flipped: %v", line, err)
		}
	}
	if err := os.WriteFile(segments[0], whole, 0o600); err != nil {
		t.Fatal(err)
	}
	_ = os.Truncate(filepath.Join(n.cfg.Dir, tailFile), 3)
	if _, err := Open(n.cfg); !errors.Is(err, errCorrupt) {
		t.Fatalf("open with a damaged mark: %v", err)
	}
}

// A flipped bit in the metadata of the log ends no process: bbolt panics over it,
// or reads beyond the file that it has mapped, and the member says so and stops.
func TestFlippedBitInMetadataIsContained(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	g := startGroup(t, 1)
	n := g.leader(ctx)
	n.mustPropose(t, ctx, "before")
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(filepath.Join(n.cfg.Dir, logFolder, "wal-meta.db"))
	if err != nil {
		t.Fatal(err)
	}
	use := func(meta []byte) error { // in a directory of its own: what failed may hold its lock on the file
		dir := filepath.Join(t.TempDir(), "log")
		if err := errors.Join(os.CopyFS(dir, os.DirFS(filepath.Join(n.cfg.Dir, logFolder))), os.WriteFile(filepath.Join(dir, "wal-meta.db"), meta, 0o600)); err != nil {
			t.Fatal(err)
		}
		disk, err := openDiskLog(dir, &n.Member.cfg)
		if err != nil {
			return err
		}
		defer func() { _ = contained(disk.Close) }()
		s := &sealedLog{disk: disk, brk: &breaker{trip: func(error) {}}, bound: time.Minute}
		_, err = s.Get([]byte("CurrentTerm"))
		return errors.Join(err, s.write("storing something", func() error { return disk.Set([]byte("other"), make([]byte, 8)) }))
	}
	if err := contained(func() error { return use(whole) }); err != nil {
		t.Fatalf("undamaged: %v", err)
	}
	found := 0
	const header = 10 // of a page of bbolt: its number and its kind
	for page := 0; page+header <= len(whole) && page < 8*os.Getpagesize(); page += os.Getpagesize() {
		for at := page; at < page+header; at++ {
			damaged := slices.Clone(whole)
			damaged[at] ^= 0x80
			if contained(func() error { return use(damaged) }) != nil {
				found++
			}
		}
	}
	if found == 0 {
		t.Error("no flipped bit was found")
	}
}

// A newest snapshot that cannot be opened is an error that says what to do; an
// older one is not used in silence. What a crash left unfinished is removed.
func TestDamagedSnapshotIsRefusedAtOpen(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	g := startGroup(t, 1, func(n *node) { n.cfg.Trailing = 1 })
	n := g.leader(ctx)
	for i := range 2 {
		n.mustPropose(t, ctx, fmt.Sprint("command ", i))
		if err := n.Snapshot(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(n.cfg.Dir, snapshotFolder)
	found, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(found) != retainSnapshots {
		t.Fatalf("snapshots %v, %v", found, err)
	}
	newest := slices.MaxFunc(found, func(a, b string) int {
		if parseSnapshotName(filepath.Base(a)).less(parseSnapshotName(filepath.Base(b))) {
			return -1
		}
		return 1
	})
	for _, file := range []string{"state.bin", "meta.json"} {
		path := filepath.Join(newest, file)
		whole, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		damaged := slices.Clone(whole)
		damaged[0] ^= 1
		other := bytes.Replace(whole, []byte(`"Address":"127.`), []byte(`"Address":"126.`), 1)
		if file == "state.bin" {
			other = append(slices.Clone(whole), 0)
		}
		for _, content := range [][]byte{damaged, whole[:len(whole)/2], other} {
			if err := os.WriteFile(path, content, 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := Open(n.cfg); err == nil || !strings.Contains(err.Error(), "add it again") {
				t.Fatalf("open with a damaged %s: %v", file, err)
			}
		}
		if err := os.WriteFile(path, whole, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	left := filepath.Join(dir, "9-9-9"+unfinished)
	if err := os.Mkdir(left, 0o700); err != nil {
		t.Fatal(err)
	}
	n.journal.lines = nil
	g.restart(n)
	g.hurry()
	n.journal.wait(t, ctx, has("command 1"))
	if _, err := os.Stat(left); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("unfinished snapshot is still there: %v", err)
	}
}

// A leader that cannot open its newest snapshot stops and does not keep a new
// member waiting for ever.
func TestLeaderWithDamagedSnapshotStops(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	g := startGroup(t, 1, func(n *node) { n.cfg.Trailing = 1 })
	l := g.leader(ctx)
	for i := range 10 {
		l.mustPropose(t, ctx, fmt.Sprint("command ", i))
	}
	if err := l.Snapshot(ctx); err != nil {
		t.Fatal(err)
	}
	files, _ := filepath.Glob(filepath.Join(l.cfg.Dir, snapshotFolder, "*", "state.bin"))
	if len(files) != 1 || os.Truncate(files[0], 7) != nil {
		t.Fatalf("snapshots %v", files)
	}
	added := g.prepare("XA-N2")
	g.open(added)
	if err := l.AddNonvoter(ctx, "XA-N2", added.cfg.Address); err != nil && !errors.Is(err, ErrUnknown) {
		t.Fatal(err)
	}
	select {
	case err := <-l.failed:
		if !strings.Contains(err.Error(), "cannot be opened") {
			t.Fatal(err)
		}
	case <-ctx.Done():
		t.Fatal("Stop was not called")
	}
}

// A Machine that cannot restore stops the process: at start by an error of Open, in
// service by Stop.
func TestFailedRestoreStops(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	g := startGroup(t, 1, func(n *node) { n.cfg.Trailing = 1 })
	l := g.leader(ctx)
	for i := range 10 {
		l.mustPropose(t, ctx, fmt.Sprint("command ", i))
	}
	if err := l.Snapshot(ctx); err != nil {
		t.Fatal(err)
	}
	added := g.prepare("XA-N2")
	added.journal.refuse = errDisk
	g.open(added)
	if err := l.AddNonvoter(ctx, "XA-N2", added.cfg.Address); err != nil {
		t.Fatal(err)
	}
	added.mustStop(t, ctx, errMachine)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l.cfg.Machine = &journal{moved: make(chan struct{}), refuse: errDisk}
	if _, err := Open(l.cfg); !errors.Is(err, errMachine) {
		t.Fatalf("open with a failing restore: %v", err)
	}
}

// Two processes never share a directory, and the second says so at once.
func TestDirectoryIsExclusive(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	g := startGroup(t, 1)
	n := g.leader(ctx)
	if _, err := Open(n.cfg); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Fatalf("second open: %v", err)
	}
	n.mustPropose(t, ctx, "still alive")
}

// A disk that stalls while the member is opened is an error of Open.
func TestStalledDiskDuringOpen(t *testing.T) {
	t.Parallel()
	g := newGroup(t)
	n := g.prepare("XA-N1")
	log := newFaultyLog()
	log.into(n)
	log.stall = make(chan struct{})
	n.cfg.Bootstrap = []Server{{"XA-N1", n.cfg.Address, true}}
	n.cfg.Timing.Write = 100 * time.Millisecond
	_, err := Open(n.cfg)
	if !errors.Is(err, errStalled) {
		t.Fatalf("open on a stalled disk: %v", err)
	}
	close(log.stall)
}
