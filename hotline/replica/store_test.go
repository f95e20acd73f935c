package replica

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
	"pgregory.net/rapid"
)

// A snapshot reads back as written, for every size and every way of writing.
func TestFramesRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.OneOf(rapid.IntRange(0, 200), rapid.IntRange(maxFrame-2, maxFrame+2), rapid.IntRange(0, 3*maxFrame)).Draw(t, "size")
		step := rapid.IntRange(1, 2*maxFrame).Draw(t, "step")
		want := make([]byte, size)
		for i := range want {
			want[i] = byte(i * 31)
		}
		var stored bytes.Buffer
		w, err := newFrameWriter(&stored, chain{1})
		if err != nil {
			t.Fatal(err)
		}
		for rest := want; len(rest) > 0; {
			n := min(step, len(rest))
			if _, err := w.Write(rest[:n]); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		if err := w.finish(); err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(newFrameReader(iotest.HalfReader(&stored)))
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%d bytes, %v", len(got), err)
		}
	})
}

// Every flipped bit and every truncation of a snapshot is noticed, and no wrong byte
// is yielded before that.
func TestFramesNoticeDamage(t *testing.T) {
	t.Parallel()
	want := bytes.Repeat([]byte("state "), 3)
	var stored bytes.Buffer
	w, err := newFrameWriter(&stored, chain{1})
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range [][]byte{want[:7], want[7:]} {
		if _, err := w.Write(part); err != nil {
			t.Fatal(err)
		}
		if err := w.flush(); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.finish(); err != nil {
		t.Fatal(err)
	}
	whole := stored.Bytes()
	check := func(what string, damaged []byte) {
		got, err := io.ReadAll(newFrameReader(bytes.NewReader(damaged)))
		if !errors.Is(err, errSnapshot) || !bytes.HasPrefix(want, got) {
			t.Fatalf("%s: %q, %v", what, got, err)
		}
	}
	for i := range whole {
		check(fmt.Sprint("cut at ", i), whole[:i])
		for bit := range 8 {
			damaged := bytes.Clone(whole)
			damaged[i] ^= 1 << bit
			check(fmt.Sprintf("bit %d of byte %d", bit, i), damaged)
		}
	}
}

// trips records what a breaker was tripped with.
type trips struct{ errs []error }

func (tr *trips) breaker() *breaker {
	return &breaker{trip: func(err error) { tr.errs = append(tr.errs, err) }}
}

func newSnapshots(t *testing.T) (*snapshotStore, *trips) {
	t.Helper()
	var tr trips
	s, err := openSnapshots(t.TempDir(), newRaftLogger(slog.New(slog.DiscardHandler), "raft"), tr.breaker())
	if err != nil {
		t.Fatal(err)
	}
	return s, &tr
}

func newSink(t *testing.T, s *snapshotStore, index uint64) *verifiedSink {
	t.Helper()
	_, trans := raft.NewInmemTransport("")
	sink, err := s.Create(raft.SnapshotVersionMax, index, 2, raft.Configuration{}, 1, trans)
	if err != nil {
		t.Fatal(err)
	}
	return sink.(*verifiedSink)
}

// finish writes an empty state.
func finish(sink raft.SnapshotSink) error {
	empty := capture(func(io.Writer) error { return nil })
	return errors.Join(empty.Persist(sink), sink.Close())
}

// A snapshot that came damaged from the leader is refused and removed; this member goes on.
func TestDamagedSnapshotFromLeaderIsRemoved(t *testing.T) {
	t.Parallel()
	s, tr := newSnapshots(t)
	sink := newSink(t, s, 10)
	if _, err := sink.Write([]byte("not a chain of frames")); err != nil {
		t.Fatal(err)
	}
	if err := sink.Close(); !errors.Is(err, errSnapshot) {
		t.Fatalf("close: %v", err)
	}
	if list, err := s.List(); err != nil || len(list) != 0 || len(tr.errs) != 0 {
		t.Fatalf("left: %v, %v, tripped %v", list, err, tr.errs)
	}
}

// lyingSink flips a bit on disk behind the write.
type lyingSink struct {
	raft.SnapshotSink
	dir string
}

func (l lyingSink) Close() error {
	if err := l.SnapshotSink.Close(); err != nil {
		return err
	}
	path := filepath.Join(l.dir, l.ID(), "state.bin")
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	b[len(b)/2] ^= 4
	return os.WriteFile(path, b, 0o600)
}

// A snapshot is read back after writing; a disk that returns other bytes stops
// the process.
func TestSnapshotIsReadBack(t *testing.T) {
	t.Parallel()
	for _, lie := range []bool{false, true} {
		s, tr := newSnapshots(t) // a name is made of the millisecond: two snapshots in one would collide
		sink := newSink(t, s, 10)
		if lie {
			sink.SnapshotSink = lyingSink{sink.SnapshotSink, s.dir}
		}
		err := capture(func(w io.Writer) error { _, err := w.Write([]byte("state")); return err }).Persist(sink)
		if err != nil {
			t.Fatal(err)
		}
		err = sink.Close()
		if lie != (err != nil) || lie != (len(tr.errs) == 1) {
			t.Fatalf("lie %v: close %v, tripped %v", lie, err, tr.errs)
		}
	}
}

func newSealedLog(t *testing.T) (*sealedLog, *faultyLog, *trips) {
	t.Helper()
	cfg := &Config{Logger: slog.New(slog.DiscardHandler)}
	disk, err := openDiskLog(t.TempDir(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	tail, err := openTailMark(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = disk.Close(), tail.close() })
	var tr trips
	faulty := newFaultyLog()
	faulty.diskLog = disk
	return &sealedLog{disk: faulty, tail: tail, brk: tr.breaker(), bound: time.Minute}, faulty, &tr
}

func entries(low, high uint64) (logs []*raft.Log) {
	for i := low; i <= high; i++ {
		logs = append(logs, &raft.Log{Index: i, Term: 3, Type: raft.LogCommand, Data: fmt.Appendf(nil, "entry %d", i)})
	}
	return logs
}

// The hash of an entry binds its index, term, type and data; a follower refuses
// an entry that the leader did not seal so, and goes on.
func TestSealBindsEveryField(t *testing.T) {
	t.Parallel()
	s, _, tr := newSealedLog(t)
	for name, change := range map[string]func(*raft.Log){
		"index": func(l *raft.Log) { l.Index = 2 },
		"term":  func(l *raft.Log) { l.Term++ },
		"type":  func(l *raft.Log) { l.Type = raft.LogNoop },
		"data":  func(l *raft.Log) { l.Data = append(l.Data, 0) },
		"hash":  func(l *raft.Log) { l.Extensions = l.Extensions[:31] },
		"form": func(l *raft.Log) {
			if isBundle(l) {
				l.Extensions = l.Extensions[1:]
			} else {
				l.Extensions = append([]byte{bundleForm}, l.Extensions...)
			}
		},
	} {
		for _, form := range [][]byte{nil, {bundleForm}} {
			l := entries(1, 1)[0]
			l.Extensions = form
			l.Extensions = sealOf(l)
			if err := checkSeal(l); err != nil {
				t.Fatal(err)
			}
			change(l)
			if err := s.StoreLog(l); !errors.Is(err, errCorrupt) {
				t.Fatalf("stored an entry of form %d with another %s: %v", form, name, err)
			}
		}
	}
	if last, err := s.LastIndex(); err != nil || last != 0 || len(tr.errs) != 0 {
		t.Fatalf("last %d, %v, tripped %v", last, err, tr.errs)
	}
}

// undecodable makes the decoder of raft-wal panic as a damaged length does.
type undecodable struct{ diskLog }

func (undecodable) GetLog(uint64, *raft.Log) error { panic("slice bounds out of range") }

// Every way in which an entry can be wrong is corruption; every way in which it
// can rightly be absent is not.
func TestReadClassifies(t *testing.T) {
	t.Parallel()
	s, disk, _ := newSealedLog(t)
	if err := s.StoreLogs(entries(1, 30)); err != nil {
		t.Fatal(err)
	}
	var l raft.Log
	if err := s.GetLog(7, &l); err != nil || string(l.Data) != "entry 7" {
		t.Fatalf("%q, %v", l.Data, err)
	}
	if err := s.DeleteRange(1, 9); err != nil {
		t.Fatal(err)
	}
	for _, absent := range []uint64{0, 1, 9, 31} {
		if err := s.read(absent, &l); err != raft.ErrLogNotFound {
			t.Fatalf("entry %d: %v", absent, err)
		}
	}
	disk.flip = 12
	if err := s.read(12, &l); !errors.Is(err, errCorrupt) {
		t.Fatalf("flipped bit: %v", err)
	}
	s.disk = misplaced{disk}
	if err := s.read(20, &l); !errors.Is(err, errCorrupt) {
		t.Fatalf("entry at another's place: %v", err)
	}
	s.disk = hole{disk}
	if err := s.read(20, &l); !errors.Is(err, errCorrupt) {
		t.Fatalf("hole: %v", err)
	}
	s.disk = undecodable{disk}
	if err := s.read(20, &l); !errors.Is(err, errCorrupt) {
		t.Fatalf("undecodable: %v", err)
	}
}

// Term and vote are refused when a bit of them, or of their key, is not as stored.
func TestStableValuesAreSealed(t *testing.T) {
	t.Parallel()
	s, _, tr := newSealedLog(t)
	term, vote := []byte("CurrentTerm"), []byte("LastVoteCand")
	if v, err := s.GetUint64(term); v != 0 || err != nil {
		t.Fatalf("never set: %d, %v", v, err)
	}
	if err := errors.Join(s.SetUint64(term, 7), s.Set(vote, []byte("XA-N2"))); err != nil {
		t.Fatal(err)
	}
	if v, err := s.GetUint64(term); v != 7 || err != nil {
		t.Fatalf("term %d, %v", v, err)
	}
	if v, err := s.Get(vote); string(v) != "XA-N2" || err != nil {
		t.Fatalf("vote %q, %v", v, err)
	}
	stored, err := s.disk.Get(term)
	if err != nil {
		t.Fatal(err)
	}
	stored = bytes.Clone(stored)
	if err := s.disk.Set(vote, stored); err != nil {
		t.Fatal(err)
	}
	stored[7] ^= 1
	if err := s.disk.Set(term, stored); err != nil {
		t.Fatal(err)
	}
	for _, key := range [][]byte{term, vote} {
		if _, err := s.Get(key); !errors.Is(err, errCorrupt) {
			t.Fatalf("damaged %s: %v", key, err)
		}
	}
	if len(tr.errs) != 2 {
		t.Fatalf("tripped %v", tr.errs)
	}
}

type misplaced struct{ diskLog }

func (m misplaced) GetLog(index uint64, l *raft.Log) error { return m.diskLog.GetLog(index+1, l) }

type hole struct{ diskLog }

func (hole) GetLog(uint64, *raft.Log) error { return raft.ErrLogNotFound }

// Damage found while Raft runs ends that goroutine of Raft and trips the breaker
// once; the caller never sees the entry.
func TestDamageEndsTheReader(t *testing.T) {
	t.Parallel()
	s, disk, tr := newSealedLog(t)
	if err := s.StoreLogs(entries(1, 3)); err != nil {
		t.Fatal(err)
	}
	disk.flip = 2
	var l raft.Log
	returned, ended := false, make(chan struct{})
	go func() {
		defer close(ended)
		_ = s.GetLog(2, &l)
		returned = true
	}()
	<-ended
	if returned || len(tr.errs) != 1 || !errors.Is(tr.errs[0], errCorrupt) || l.Data != nil {
		t.Fatalf("returned %v with %q, tripped %v", returned, l.Data, tr.errs)
	}
}

// A failed write of entries trips the breaker: what is on disk is unknown.
func TestFailedWriteTrips(t *testing.T) {
	t.Parallel()
	s, _, tr := newSealedLog(t)
	if err := s.StoreLogs(entries(1, 3)); err != nil {
		t.Fatal(err)
	}
	if err := s.StoreLogs(entries(9, 9)); err == nil || len(tr.errs) != 1 {
		t.Fatalf("stored behind a gap: %v, tripped %v", err, tr.errs)
	}
}

// The mark follows the log when it is cut on purpose, so that only a loss by
// damage is an error.
func TestTailMarkFollowsDeliberateCuts(t *testing.T) {
	t.Parallel()
	s, _, tr := newSealedLog(t)
	step := func(what string, err error) {
		t.Helper()
		if err == nil {
			err = s.verifyAll()
		}
		if err != nil || len(tr.errs) > 0 {
			t.Fatalf("%s: %v, tripped %v", what, err, tr.errs)
		}
	}
	step("empty", nil)
	step("store", s.StoreLogs(entries(1, 20)))
	step("compact", s.DeleteRange(1, 5))
	step("cut the end", s.DeleteRange(16, 20))
	step("store again", s.StoreLogs(entries(16, 18)))
	step("cut everything", s.DeleteRange(6, 18))
	step("store behind a snapshot", s.StoreLogs(entries(50, 52)))
	if err := s.disk.DeleteRange(52, 52); err != nil {
		t.Fatal(err)
	}
	if err := s.verifyAll(); !errors.Is(err, errCorrupt) {
		t.Fatalf("lost end: %v", err)
	}
}

// Raft's log lines reach slog with their level and their values.
func TestLoggerSpeaksSlog(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	l := newRaftLogger(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelInfo})), "raft")
	l.Debug("not shown")
	l.With("peer", "XA-N2").Named("net").Warn("slow", "servers", hclog.Fmt("%d of %d", 2, 3), "mask", hclog.Hex(255))
	got := out.String()
	for _, want := range []string{"level=WARN", "component=raft", "peer=XA-N2", "part=net", "msg=slow", `servers="2 of 3"`, "mask=0xff"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in %q", want, got)
		}
	}
	if strings.Contains(got, "not shown") || l.IsDebug() || !l.IsWarn() || l.GetLevel() != hclog.Info {
		t.Errorf("levels are wrong: %q", got)
	}
	l.StandardLogger(nil).Print("from the standard logger")
	if !strings.Contains(out.String(), "from the standard logger") {
		t.Error("the standard logger is deaf")
	}
}

// What cannot work is refused by Open with a word of what to set.
func TestConfigIsChecked(t *testing.T) {
	t.Parallel()
	g := newGroup(t)
	n := g.prepare("XA-N1")
	for want, change := range map[string]func(*Config){
		"no ID":              func(c *Config) { c.ID = "" },
		"no Address":         func(c *Config) { c.Address = "" },
		"no Dir":             func(c *Config) { c.Dir = "" },
		"must all be set":    func(c *Config) { c.Stop = nil },
		"at most 16":         func(c *Config) { c.Bootstrap = make([]Server, MaxMembers+1) },
		"does not name":      func(c *Config) { c.Bootstrap = []Server{{"XA-N2", "127.0.0.1:1", true}} },
		"LeaderLeaseTimeout": func(c *Config) { c.Timing.Lease = time.Hour },
	} {
		cfg := n.cfg
		cfg.Dir = t.TempDir()
		change(&cfg)
		if _, err := Open(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

// A member that was never in a group waits, and may be closed.
func TestMemberWithoutGroupWaits(t *testing.T) {
	t.Parallel()
	g := newGroup(t)
	n := g.prepare("XA-N1")
	g.open(n)
	ctx, cancel := context.WithCancel(within(t))
	cancel()
	if _, err := n.WaitLeader(ctx); !errors.Is(err, ErrNoLeader) {
		t.Fatalf("leader: %v", err)
	}
	if _, err := n.Propose(within(t), nil); !errors.Is(err, ErrNotLeader) {
		t.Fatalf("proposed: %v", err)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
}

// A process that was stopped in the middle of a write does not take its disk for a
// stalled one when it goes on; a disk that then still does not answer is one.
func TestStoppedProcessIsNoStalledDisk(t *testing.T) {
	t.Parallel()
	over := 0
	p := &watchdog{left: watchParts, part: time.Hour, over: func() { over++ }}
	p.begin()
	p.passed() // however late
	if over != 0 {
		t.Error("one part of the time is taken for all of it")
	}
	for range watchParts {
		p.passed()
	}
	if over != 1 {
		t.Errorf("when all of it is over, that is told %d times", over)
	}
	p.end()
	q := &watchdog{left: watchParts, part: time.Hour, over: func() { over++ }}
	q.begin()
	q.end()
	for range watchParts { // a timer that had fired already
		q.passed()
	}
	if over != 1 {
		t.Error("a write that was over in time is taken for a stalled one")
	}
}
