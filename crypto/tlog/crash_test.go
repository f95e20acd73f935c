package tlog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

var errCrash = errors.New("crash")

// crashAt ends the process before its n-th change to the files.
func crashAt(n int) func(op, path string) error {
	return func(string, string) error {
		if n--; n < 0 {
			return errCrash
		}
		return nil
	}
}

// A crash between any two changes that Truncate makes leaves a log that opens, not
// shorter than the new size, not longer than the old, and with the old entries; a
// second Truncate then finishes. A crash in that Open changes nothing about it.
func TestTruncateCrashOrder(t *testing.T) {
	t.Parallel()
	const size = 1030
	ref := newReference(t, size)
	for _, synced := range []int{0, 600, size} {
		if testing.Short() && synced == 600 {
			continue
		}
		dir := storeOf(t, synced)
		s := openStore(t, dir)
		appendRange(t, s, synced, size)
		closeStore(t, s)
		files := snapshot(t, dir)
		for _, target := range []int{0, 300, 512, 767, 1024, 1025} {
			for n, finished := 0, false; !finished; n++ {
				restore(t, dir, files)
				finished = crashTruncate(t, dir, n, target)
				if s, err := open(dir, crashAt(n%4)); err == nil {
					closeStore(t, s)
				} else if !errors.Is(err, errCrash) {
					t.Fatal(err)
				}
				s := openStore(t, dir)
				got := int(s.Size())
				if got < target || got > size || finished && got != target {
					t.Fatalf("truncate %d to %d, crash at change %d: size %d", size, target, n, got)
				}
				checkPrefix(t, s, ref, got)
				if err := s.Truncate(uint64(target)); err != nil {
					t.Fatal(err)
				}
				checkPrefix(t, s, ref, target)
				closeStore(t, s)
			}
		}
	}
}

// crashTruncate reports whether Truncate came to its end before change n.
func crashTruncate(t *testing.T, dir string, n, target int) bool {
	t.Helper()
	s := openStore(t, dir)
	s.hook = crashAt(n)
	err := s.Truncate(uint64(target))
	if err != nil && !errors.Is(err, errCrash) {
		t.Fatal(err)
	}
	if err != nil && !errors.Is(s.Append(nil), errCrash) {
		t.Fatal("a failed log accepts an append")
	}
	closeStore(t, s)
	return err == nil
}

// disk is a model of what a loss of power may do to files: what was not synced
// may be there, torn, or not at all, in any combination.
type disk struct {
	dir     string
	content map[string]int64   // length of the synced part, by file with unsynced content
	names   map[string]*[]byte // content before a rename or removal whose directory was not synced; nil: absent
	dying   int                // changes left until the power fails; -1: never
}

func (d *disk) step(op, p string) error {
	if d.dying == 0 {
		return errCrash
	}
	if d.dying > 0 {
		d.dying--
	}
	switch op {
	case "write", "truncate":
		if path.Dir(p) == edgeDir && p != markPath {
			if _, dirty := d.content[p]; !dirty {
				d.content[p] = d.length(p)
			}
		}
	case "create", "rename", "remove":
		if _, known := d.names[p]; !known {
			d.names[p] = d.old(p)
		}
		if delete(d.content, p); op == "create" || op == "rename" && path.Dir(p) != edgeDir {
			d.content[p] = 0
		}
	case "sync":
		delete(d.content, p)
		for name := range d.names {
			if path.Dir(name) == p {
				delete(d.names, name)
			}
		}
	}
	return nil
}

func (d *disk) length(p string) int64 {
	info, err := os.Stat(filepath.Join(d.dir, p))
	if err != nil {
		return 0
	}
	return info.Size()
}

func (d *disk) old(p string) *[]byte {
	b, err := os.ReadFile(filepath.Join(d.dir, p))
	if err != nil {
		return nil
	}
	return &b
}

// lose applies one possible outcome of a loss of power.
func (d *disk) lose(t *rapid.T) {
	for _, p := range sortedKeys(d.content) {
		name := filepath.Join(d.dir, p)
		b, err := os.ReadFile(name)
		if err != nil || int64(len(b)) <= d.content[p] {
			continue
		}
		cut := int(d.content[p]) + rapid.IntRange(0, len(b)-int(d.content[p])).Draw(t, "kept of "+p)
		if rapid.Bool().Draw(t, "zeros in "+p) {
			clear(b[cut:])
		} else {
			b = b[:cut]
		}
		if err := os.WriteFile(name, b, 0o640); err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range sortedKeys(d.names) {
		if rapid.Bool().Draw(t, "name kept "+p) {
			continue
		}
		name := filepath.Join(d.dir, p)
		if b := d.names[p]; b == nil {
			if err := os.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
				t.Fatal(err)
			}
		} else if err := os.WriteFile(name, *b, 0o640); err != nil {
			t.Fatal(err)
		}
	}
}

// Whatever a loss of power does to files that were not synced: the log opens,
// holds all that Sync promised, and nothing but entries of its one history, never
// one that Truncate has removed.
func TestLossOfPower(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	runs := 0
	rapid.Check(t, func(t *rapid.T) {
		runs++
		dir := filepath.Join(base, fmt.Sprint(runs))
		var history [][]byte // what may be found
		promised := 0        // how much of it must be found
		for round := range rapid.IntRange(2, 6).Draw(t, "rounds") {
			d := &disk{dir: dir, content: map[string]int64{}, names: map[string]*[]byte{}, dying: -1}
			s, err := open(dir, d.step)
			if err != nil {
				t.Fatalf("round %d: %v", round, err)
			}
			got := int(s.Size())
			if got < promised || got > len(history) {
				t.Fatalf("round %d: size %d, promised %d of %d", round, got, promised, len(history))
			}
			history = history[:got:got]
			promised = got
			checkHistory(t, s, history)
			d.dying = rapid.SampledFrom([]int{-1, 1, 2, 3, 5, 8, 12, 20, 40}).Draw(t, "dying")
			history, promised = liveOn(t, s, history, promised)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			d.lose(t)
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
	})
}

// liveOn uses the log until it crashes or has done a few things.
func liveOn(t *rapid.T, s *Store, history [][]byte, promised int) ([][]byte, int) {
	for range rapid.IntRange(1, 6).Draw(t, "acts") {
		var err error
		switch rapid.SampledFrom([]string{"append", "append", "sync", "truncate"}).Draw(t, "act") {
		case "append":
			n := rapid.SampledFrom([]int{1, 3, 100, 255, 256, 300, 600}).Draw(t, "entries")
			var list [][]byte
			salt := rapid.Uint32().Draw(t, "salt")
			for i := range n {
				list = append(list, binary.BigEndian.AppendUint32(binary.AppendUvarint(nil, uint64(i)), salt))
			}
			history = append(history, list...)
			err = s.Append(list...)
		case "sync":
			if err = s.Sync(); err == nil {
				promised = len(history)
			}
		case "truncate":
			n := rapid.IntRange(0, len(history)).Draw(t, "to")
			promised = min(promised, n)
			if err = s.Truncate(uint64(n)); err == nil {
				history = history[:n:n]
			}
		}
		if err != nil {
			if !errors.Is(err, errCrash) {
				t.Fatal(err)
			}
			break
		}
	}
	return history, promised
}

func checkHistory(t *rapid.T, s *Store, history [][]byte) {
	var f Frontier
	for _, e := range history {
		f.Append(LeafHash(e))
	}
	if s.Root() != f.Root() {
		t.Fatalf("the log of size %d is not a prefix of its history", s.Size())
	}
	if _, err := s.Scrub(0, s.Size()); err != nil {
		t.Fatal(err)
	}
}

func sortedKeys[V any](m map[string]V) []string {
	return slices.Sorted(maps.Keys(m))
}

// Tiles of a removed history that survive above a gap are gone, durably, once Open
// or Truncate has returned: otherwise they would join the log when it has grown to them.
func TestNothingOfRemovedHistorySurvives(t *testing.T) {
	t.Parallel()
	const size = 1100
	files := snapshot(t, storeOf(t, size))
	dir := filepath.Join(t.TempDir(), "log")
	restore(t, dir, files)
	d := &disk{dir: dir, content: map[string]int64{}, names: map[string]*[]byte{}, dying: -1}
	s, err := open(dir, d.step)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Truncate(300); err != nil {
		t.Fatal(err)
	}
	closeStore(t, s)
	if names := sortedKeys(d.names); len(names) > 0 {
		t.Fatalf("a loss of power can bring back %v", names)
	}
	// The crash that a Truncate in another process may have died of.
	for _, p := range []string{"tile/0/002", "tile/entries/002", "tile/0/003", "tile/entries/003", "edge/4"} {
		writeFile(t, filepath.Join(dir, p), files[p])
	}
	if s, err = open(dir, d.step); err != nil {
		t.Fatal(err)
	}
	if names := sortedKeys(d.names); len(names) > 0 {
		t.Fatalf("a loss of power can bring back %v", names)
	}
	f := s.Frontier()
	var list [][]byte
	for i := range 500 {
		list = append(list, []byte(fmt.Sprint("another ", i)))
		f.Append(LeafHash(list[i]))
	}
	if err := s.Append(list...); err != nil {
		t.Fatal(err)
	}
	closeStore(t, s)
	s = openStore(t, dir)
	if s.Size() != f.Size || s.Root() != f.Root() {
		t.Fatalf("size %d: entries of the removed history are back", s.Size())
	}
}

// What Sync promises survives although the bundle is completed while Sync runs and
// never reaches the disk.
func TestSyncBesideCompletionOfItsBundle(t *testing.T) {
	t.Parallel()
	ref := newReference(t, 520)
	dir := filepath.Join(t.TempDir(), "log")
	s := openStore(t, dir)
	appendRange(t, s, 0, 300)
	s.hook = func(op, p string) error {
		if op == "sync" && p == edgeDir {
			s.hook = nil
			appendRange(t, s, 300, 520)
		}
		return nil
	}
	if err := s.Sync(); err != nil {
		t.Fatal(err)
	}
	closeStore(t, s)
	for _, p := range []string{"tile/0/001", "tile/entries/001", "edge/2"} {
		if err := os.Remove(filepath.Join(dir, p)); err != nil {
			t.Fatal(err)
		}
	}
	s = openStore(t, dir)
	if s.Size() < 300 {
		t.Fatalf("size %d after a Sync of 300", s.Size())
	}
	checkPrefix(t, s, ref, int(s.Size()))
}

// Promise: Open leaves nothing to chance that a process did which ended before it
// could sync: names in the log's own directories, a shorter edge file, edge files
// that are gone. Whatever is appended then would else stand before what is gone.
func TestOpenSyncsWhatACrashLeft(t *testing.T) {
	t.Parallel()
	for _, target := range []int{0, 300, 512, 590} {
		for n, finished := 0, false; !finished; n++ {
			dir := filepath.Join(t.TempDir(), "log")
			finished = crashFirstOpen(t, dir, n)
			s := openStore(t, dir)
			appendRange(t, s, 0, 600)
			if err := s.Sync(); err != nil {
				t.Fatal(err)
			}
			closeStore(t, s)
			finished = crashTruncate(t, dir, n, target) && finished
			synced := map[string]bool{}
			s, err := open(dir, func(op, p string) error {
				if synced[p] = op == "sync"; op != "sync" {
					delete(synced, p)
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range []string{"..", ".", edgeDir, edgePath(tilesAt(s.Size(), 0))} {
				if !synced[p] {
					t.Errorf("truncate to %d, crash at change %d: Open leaves %s unsynced", target, n, p)
				}
			}
			closeStore(t, s)
		}
	}
}

// crashFirstOpen ends the process before the n-th change of the first Open, and
// says whether there was none.
func crashFirstOpen(t *testing.T, dir string, n int) bool {
	t.Helper()
	s, err := open(dir, crashAt(n))
	if err != nil && !errors.Is(err, errCrash) {
		t.Fatal(err)
	}
	if err == nil {
		closeStore(t, s)
	}
	return err == nil
}
