package sensor

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.org/hotline/hotline"
)

// rotation is a sensor's log, its rotation, a feed that follows it, and a triage queue that merges by key. Time is the test's own.
type rotation struct {
	t       testing.TB
	dir     string
	path    string
	state   string
	now     time.Time
	written int
	feed    *Feed
	queue   map[string]hotline.Hit
	rang    map[string]int // times that a key was new to the queue
	gaps    uint64
}

func newRotation(t testing.TB) *rotation {
	dir := t.TempDir()
	s := &rotation{t: t, dir: dir, path: filepath.Join(dir, "eve.json"), state: filepath.Join(t.TempDir(), "state"),
		now: time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC), queue: map[string]hotline.Hit{}, rang: map[string]int{}}
	s.start()
	return s
}

func (s *rotation) start() {
	s.t.Helper()
	f, err := OpenFeed(FeedConfig{Source: SourceSuricata, Path: s.path, State: s.state, Territory: territoryXA(s.t)})
	if err != nil {
		s.t.Fatal(err)
	}
	s.feed = f
}

// stop ends the feed: cleanly, or as a crash would.
func (s *rotation) stop(clean bool) {
	s.t.Helper()
	s.gaps += s.feed.Stats().Gaps
	if clean {
		if err := s.feed.Close(s.now); err != nil {
			s.t.Fatal(err)
		}
		return
	}
	s.feed.tail.close()
}

func (s *rotation) tick(d time.Duration) { s.now = s.now.Add(d) }

// write adds n alerts of some sources to the file, each of a flow of its own.
func (s *rotation) write(n int) {
	s.t.Helper()
	s.append(s.path, s.alerts(n))
}

func (s *rotation) alerts(n int) string {
	var b strings.Builder
	for range n {
		s.written++
		b.WriteString(alertLine("2026-11-20T10:00:00.1Z", s.written, fmt.Sprintf("198.51.100.%d", s.written%5), "203.0.113.5", 22, "ET SCAN x", ""))
	}
	return b.String()
}

func (s *rotation) append(path, text string) {
	s.t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = io.WriteString(f, text)
	}
	if err == nil {
		err = f.Close()
	}
	s.tick(time.Millisecond)
	if err == nil {
		err = os.Chtimes(path, s.now, s.now)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *rotation) shift() {
	s.t.Helper()
	for i := 8; i > 0; i-- {
		from := fmt.Sprintf("%s.%d", s.path, i)
		if _, err := os.Stat(from); err == nil {
			if err := os.Rename(from, fmt.Sprintf("%s.%d", s.path, i+1)); err != nil {
				s.t.Fatal(err)
			}
		}
	}
}

func (s *rotation) rename() {
	s.t.Helper()
	s.shift()
	if err := os.Rename(s.path, s.path+".1"); err != nil && !os.IsNotExist(err) {
		s.t.Fatal(err)
	}
	s.append(s.path, "")
}

func (s *rotation) copyTruncate() {
	s.t.Helper()
	data, err := os.ReadFile(s.path)
	if os.IsNotExist(err) {
		return
	}
	s.shift()
	s.append(s.path+".1", string(data))
	if err := os.Truncate(s.path, 0); err != nil {
		s.t.Fatal(err)
	}
	s.append(s.path, "") // for the time
}

// poll reads once and puts what rings into the queue; commit: and says so.
func (s *rotation) poll(commit bool) (more bool) {
	s.t.Helper()
	s.tick(500 * time.Millisecond)
	hits, more, err := s.feed.Poll(s.now)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, h := range hits {
		if err := h.Validate(); err != nil {
			s.t.Fatal(err)
		}
		if _, known := s.queue[h.Key]; !known {
			s.rang[h.Key]++
		}
		s.queue[h.Key] = h
	}
	if commit {
		if err := s.feed.Commit(s.now); err != nil {
			s.t.Fatal(err)
		}
	}
	return more || len(hits) > 0
}

// settle polls until all is read and told.
func (s *rotation) settle() {
	s.t.Helper()
	for quiet := 0; quiet < 4; quiet++ {
		if s.poll(true) {
			quiet = 0
		}
		s.tick(retellAfter)
	}
}

// check demands that every line was counted once and that each of the five sources rang once.
func (s *rotation) check() {
	s.t.Helper()
	total := 0
	for _, h := range s.queue {
		total += int(h.Count)
	}
	if total != s.written || len(s.queue) != min(5, s.written) || s.gaps+s.feed.Stats().Gaps != 0 {
		s.t.Fatalf("%d of %d alerts are counted in %d hits, with %d gaps", total, s.written, len(s.queue), s.gaps+s.feed.Stats().Gaps)
	}
}

// TestFollowAcrossRotation defends against a hit that is lost between two files: what the sensor writes before, during and after either
// kind of rotation is read once.
func TestFollowAcrossRotation(t *testing.T) {
	for name, rotate := range map[string]func(*rotation){"rename": (*rotation).rename, "copytruncate": (*rotation).copyTruncate} {
		t.Run(name, func(t *testing.T) {
			s := newRotation(t)
			s.poll(true) // there is no file yet
			s.write(40)
			s.poll(true)
			s.write(7) // not read when the file is rotated
			rotate(s)
			if name == "rename" {
				s.append(s.path+".1", s.alerts(3)) // by a thread that has not noticed
			}
			s.poll(true)
			s.write(5)
			s.settle()
			s.check()
		})
	}
}

// TestFollowAcrossRestart defends against losing or repeating a hit while the daemon is down, cleanly or not, and the log is rotated
// more than once meanwhile.
func TestFollowAcrossRestart(t *testing.T) {
	for _, clean := range []bool{true, false} {
		s := newRotation(t)
		s.write(11)
		s.poll(true)
		s.stop(clean)
		s.write(3)
		s.rename()
		s.write(6)
		s.rename()
		s.write(2)
		s.start()
		s.settle()
		s.check()
		s.stop(clean)
		s.copyTruncate()
		s.write(4)
		s.start()
		s.settle()
		s.check()
	}
}

// TestFollowBegunIsNotForgotten defends against losing what a feed had begun to read for the first time when it stopped before the group
// had the hits, and the file was rotated before it came back. What older files held before it began stays out.
func TestFollowBegunIsNotForgotten(t *testing.T) {
	for _, clean := range []bool{true, false} {
		s := newRotation(t)
		s.write(3)
		s.poll(false)
		clear(s.queue) // the group took none of them
		s.stop(clean)
		s.rename()
		s.write(2)
		s.start()
		s.settle()
		s.check()
	}
}

// TestFollowBeforeThereIsAFile defends the same for a file that was written first, and rotated, while the daemon was down.
func TestFollowBeforeThereIsAFile(t *testing.T) {
	for _, clean := range []bool{true, false} {
		s := newRotation(t)
		s.poll(true)
		s.stop(clean)
		s.write(3)
		s.rename()
		s.write(2)
		s.start()
		s.settle()
		s.check()
	}
}

// TestFollowSurvivesAnything defends the same against any order of writing, rotating, reading, crashing and restarting.
func TestFollowSurvivesAnything(t *testing.T) {
	for seed := range uint64(25) {
		s := newRotation(t)
		r := rand.New(rand.NewPCG(seed, 2))
		var story []string
		s.write(1)
		s.poll(true)
		for range 40 {
			n := r.IntN(10)
			story = append(story, []string{"write", "write", "write", "poll", "poll", "poll, no commit", "rename", "copytruncate", "restart", "crash"}[n])
			switch n {
			case 0, 1, 2:
				s.write(1 + r.IntN(30))
			case 3, 4:
				s.poll(true)
			case 5:
				s.poll(false)
			case 6:
				s.rename()
			case 7:
				s.copyTruncate()
			default:
				s.stop(n == 8)
				s.start()
			}
			s.tick(time.Duration(r.IntN(3)) * time.Second)
			if names, _ := filepath.Glob(s.path + ".*"); len(names) > 7 {
				s.write(1)
				s.settle() // eight are kept, and none of them is needed any more
				for _, name := range names {
					if err := os.Remove(name); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		s.settle()
		total := 0
		for _, h := range s.queue {
			total += int(h.Count)
		}
		if total != s.written || s.gaps+s.feed.Stats().Gaps != 0 {
			t.Fatalf("seed %d: %d of %d alerts in %d hits, %d gaps: %s", seed, total, s.written, len(s.queue), s.gaps+s.feed.Stats().Gaps, strings.Join(story, ", "))
		}
		for key, n := range s.rang {
			if n != 1 || len(s.queue) > 5 {
				t.Fatalf("seed %d: %s rang %d times, %d hits: %s", seed, key[:8], n, len(s.queue), strings.Join(story, ", "))
			}
		}
		s.stop(true)
	}
}

// TestFollowTellsWhatItLost defends the operator against silence: a file that was truncated without a copy, or rotated away and removed,
// is counted as a gap, and what stands in the new one is read.
func TestFollowTellsWhatItLost(t *testing.T) {
	for name, lose := range map[string]func(*rotation){
		"truncated": func(s *rotation) {
			if err := os.Truncate(s.path, 0); err != nil {
				t.Fatal(err)
			}
		},
		"removed while down": func(s *rotation) {
			s.stop(true)
			if err := os.Remove(s.path); err != nil {
				t.Fatal(err)
			}
			defer s.start()
		},
	} {
		s := newRotation(t)
		s.write(9)
		s.settle()
		before := s.gaps + s.feed.Stats().Gaps
		lose(s)
		s.write(3)
		s.settle()
		total := uint64(0)
		for _, h := range s.queue {
			total += h.Count
		}
		if after := s.gaps + s.feed.Stats().Gaps; before != 0 || after != 1 || total != 12 {
			t.Errorf("%s: %d gaps before, %d after, %d alerts counted", name, before, after, total)
		}
	}
}

// TestFollowReadsAllBeforeItLeaves defends against losing what a thread of the sensor adds to the renamed file at the last moment, between
// a reading that found nothing and the one that leaves: whole lines are read as such, also behind a long one, and a last one without its
// end is taken as it is.
func TestFollowReadsAllBeforeItLeaves(t *testing.T) {
	for name, late := range map[string]func(*rotation) string{
		"two lines":   func(s *rotation) string { return s.alerts(2) },
		"a long line": func(s *rotation) string { return strings.Repeat("A", MaxLine) + "\n" + s.alerts(2) },
		"half a line": func(s *rotation) string { return strings.TrimSuffix(s.alerts(1), "\n") },
	} {
		t.Run(name, func(t *testing.T) {
			s := newRotation(t)
			s.write(3)
			s.poll(true)
			s.rename()
			s.write(1)
			s.poll(true)
			if !s.feed.tail.left {
				t.Fatal("the renamed file is not about to be left")
			}
			s.append(s.path+".1", late(s))
			if _, err := s.feed.tail.leave(func(line []byte, long bool) { s.feed.report.take(line, long, s.feed.d, s.feed.g) }); err != nil {
				t.Fatal(err)
			}
			s.settle()
			s.check()
		})
	}
}

// TestFollowStoppedInAReading defends the position against a file that is copied and truncated, or cannot be read on, in the middle of a
// reading: it fits what was read until then, so that nothing is read twice and no gap is told where there is none.
func TestFollowStoppedInAReading(t *testing.T) {
	for _, n := range []int{2, 100} { // less than a position rests on, and more
		for _, fails := range []bool{false, true} {
			s := newRotation(t)
			s.write(n)
			f, lines := newFollower(s.path), 0
			read := func(during func()) error {
				_, err := f.read(readAtOnce, func([]byte, bool) {
					lines++
					during()
					during = func() {}
				})
				return err
			}
			if err := read(func() {}); err != nil {
				t.Fatal(err)
			}
			s.write(n)
			if fails {
				if err := read(func() { _ = f.file.Close() }); err == nil {
					t.Fatal("a closed file was read on")
				}
				p := f.position()
				f = newFollower(s.path)
				if err := f.resume(&p); err != nil {
					t.Fatal(err)
				}
			} else if err := read(func() { s.write(2); s.copyTruncate() }); err != nil {
				t.Fatal(err)
			}
			s.write(1)
			for range 6 {
				if err := read(func() {}); err != nil {
					t.Fatal(err)
				}
			}
			if lines != s.written || f.gaps != 0 {
				t.Errorf("%d lines at once, failing: %t: %d of %d lines, %d gaps", n, fails, lines, s.written, f.gaps)
			}
			f.close()
		}
	}
}

// TestFollowRefusesAPipe defends the daemon against a pipe where the sensor's file belongs, at the first start and at a later one: whoever
// opened it would wait for ever.
func TestFollowRefusesAPipe(t *testing.T) {
	for _, known := range []bool{false, true} {
		s := newRotation(t)
		if known {
			s.write(3)
			s.settle()
		}
		s.stop(known)
		if err := os.RemoveAll(s.path); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Mkfifo(s.path, 0o600); err != nil {
			t.Fatal(err)
		}
		refused := make(chan error, 1)
		go func() {
			f, err := OpenFeed(FeedConfig{Source: SourceSuricata, Path: s.path, State: s.state, Territory: territoryXA(t)})
			if err == nil {
				_, _, err = f.Poll(s.now)
			}
			refused <- err
		}()
		select {
		case err := <-refused:
			if err == nil || !strings.Contains(err.Error(), "not a regular file") {
				t.Errorf("it is refused with %v", err)
			}
		case <-time.After(time.Minute):
			t.Fatal("it is waited for")
		}
	}
}

// TestFollowAmongManyFiles defends against a gap where nothing is lost: of more rotated files than are looked into, those that were left out
// are the oldest, whatever their names. What was never begun is read from the oldest on, however many there are.
func TestFollowAmongManyFiles(t *testing.T) {
	s := newRotation(t)
	dated := func(i int) string { return fmt.Sprintf("%s.%010d", s.path, i) }
	for i := range maxSiblings {
		s.append(dated(i), "of long ago\n")
	}
	s.write(3)
	s.settle()
	s.stop(true)
	s.write(2)
	if err := os.Rename(s.path, dated(maxSiblings)); err != nil {
		t.Fatal(err)
	}
	s.write(2)
	s.start()
	s.settle()
	s.check()
	if name, err := s.feed.tail.oldest(time.Time{}); err != nil || name != dated(0) {
		t.Errorf("the oldest is %s, %v", name, err)
	}
}

// TestFollowWaitsForTheGroup defends the promise that a position is saved behind the hit: what was not confirmed is offered again, and
// nothing more is read.
func TestFollowWaitsForTheGroup(t *testing.T) {
	s := newRotation(t)
	s.write(5)
	first, _, err := s.feed.Poll(s.now)
	if err != nil || len(first) != 5 {
		t.Fatalf("%v, %d hits", err, len(first))
	}
	s.write(5)
	again, _, err := s.feed.Poll(s.now.Add(time.Hour))
	if err != nil || len(again) != 5 || again[0].Count != 1 {
		t.Fatalf("%v, %+v", err, again)
	}
	if err := s.feed.Close(s.now); err != nil {
		t.Fatal(err)
	}
	var st feedState
	if b, err := os.ReadFile(s.state); err != nil || json.Unmarshal(b, &st) != nil || st.Position.Offset != 0 || len(st.Hits) > 0 {
		t.Errorf("a position was saved before the group had the hits: %+v, %v", st, err)
	}
	s.start()
	s.settle()
	s.check()
}

// TestFollowWaitsForTheEndOfALine defends against half a line, and against a line without an end that fills the memory.
func TestFollowWaitsForTheEndOfALine(t *testing.T) {
	s := newRotation(t)
	line := s.alerts(1)
	s.append(s.path, line[:40])
	s.poll(true)
	s.append(s.path, line[40:])
	s.append(s.path, `{"event_type":"alert","payload":"`+strings.Repeat("A", MaxLine))
	s.poll(true)
	s.stop(true)
	s.append(s.path, strings.Repeat("A", MaxLine)+`"}`+"\n")
	s.start()
	s.write(1)
	s.settle()
	s.check()
	if n := s.feed.Stats().Broken; n != 1 {
		t.Errorf("%d broken lines, want the long one", n)
	}
}

// TestFollowWithoutAState defends the start after the state file was damaged or belongs to another feed: that is told, the feed is read
// from its beginning, and its hits have the keys that they had.
func TestFollowWithoutAState(t *testing.T) {
	for _, damage := range []string{"{", `{"version":2}`, `{"version":1,"source":"intelmq","path":"x","hits":[]}`} {
		s := newRotation(t)
		s.write(9)
		s.settle()
		s.stop(true)
		if err := os.WriteFile(s.state, []byte(damage), 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := OpenFeed(FeedConfig{Source: SourceSuricata, Path: s.path, State: s.state, Territory: territoryXA(t)})
		if f == nil || err == nil || !strings.Contains(err.Error(), "read from its beginning") {
			t.Fatalf("%s: %v", damage, err)
		}
		s.feed = f
		s.settle()
		s.check()
	}
	if _, err := OpenFeed(FeedConfig{Source: SourceNfdump}); err == nil || !strings.Contains(err.Error(), "hotline detect") {
		t.Errorf("nfdump: %v", err)
	}
}

// TestFollowIsBounded defends the daemon's memory against a flood of sources: the hit that has not grown for longest ends, and is told.
func TestFollowIsBounded(t *testing.T) {
	s := newRotation(t)
	var b strings.Builder
	for i := range MaxOpenHits + 50 {
		b.WriteString(alertLine("2026-11-20T10:00:00.1Z", i+1, fmt.Sprintf("198.51.100.%d", i%250), "203.0.113.5", 22, fmt.Sprintf("XA FAMILY%d x", i/250), ""))
		b.WriteString(alertLine("2026-11-20T10:00:00.1Z", i+1e6, fmt.Sprintf("203.0.113.%d", i%250), "198.51.100.5", 22, "ET SCAN inbound", ""))
	}
	s.append(s.path, strings.ReplaceAll(b.String(), "Misc Attack", ""))
	s.settle()
	if n := len(s.feed.g.all); n > MaxOpenHits {
		t.Errorf("%d hits are open", n)
	}
	if st := s.feed.Stats(); len(s.queue) != MaxOpenHits+50 || st.LeftOut == 0 {
		t.Errorf("%d of %d hits were told, %d left out", len(s.queue), MaxOpenHits+50, st.LeftOut)
	}
}

// FuzzFeedState defends the start: whatever stands in the state file, the daemon reads its feed.
func FuzzFeedState(f *testing.F) {
	f.Add([]byte(`{"version":1,"source":"suricata","path":"P","position":{"offset":5,"digest":"x"},"hits":[{"hit":{"from":["x"]}}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		dir := t.TempDir()
		path := filepath.Join(dir, "eve.json")
		data = []byte(strings.ReplaceAll(string(data), `"P"`, fmt.Sprintf("%q", path)))
		if err := os.WriteFile(filepath.Join(dir, "state"), data, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(alertLine("2026-11-20T10:00:00.1Z", 1, "198.51.100.5", "203.0.113.5", 22, "ET SCAN x", "")), 0o600); err != nil {
			t.Fatal(err)
		}
		feed, err := OpenFeed(FeedConfig{Source: SourceSuricata, Path: path, State: filepath.Join(dir, "state"), Territory: territoryXA(t)})
		if feed == nil {
			t.Fatal(err)
		}
		now := time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)
		for range 3 {
			hits, _, err := feed.Poll(now)
			if err != nil {
				t.Fatal(err)
			}
			for _, h := range hits {
				if err := h.Validate(); err != nil {
					t.Fatalf("%v: %+v", err, h)
				}
			}
			if err := feed.Commit(now); err != nil {
				t.Fatal(err)
			}
		}
		if err := feed.Close(now); err != nil {
			t.Fatal(err)
		}
	})
}

// TestOnlyRotatedFilesAreTakenForThem defends against reading another log of the same sensor for an older part of this one.
func TestOnlyRotatedFilesAreTakenForThem(t *testing.T) {
	for name, want := range map[string]bool{
		"eve.json.1": true, "eve.json-20261122": true, "eve.json.2026-11-22T10:00:00Z": true, "eve.json.old": true, "eve.1.json": true, "eve-20261122.json": true,
		"eve.json": false, "eve.json.1.gz": false, "eve.json.lock": false, "eve-stats.json": false, "eve.json-": false, "eve2.json": false, "fast.log.1": false, "eve.jsonT": false,
	} {
		if isRotated(name, "eve.json") != want {
			t.Errorf("%s is taken for a rotated eve.json: %v", name, !want)
		}
	}
	if isRotated("eve", "eve") || !isRotated("eve.1", "eve") {
		t.Error("a name without an ending")
	}
}
