package tlog

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

func openStore(t testing.TB, dir string) *Store {
	t.Helper()
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeStore(t, s) })
	return s
}

func closeStore(t testing.TB, s *Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func appendRange(t testing.TB, s *Store, from, to int) {
	t.Helper()
	var list [][]byte
	for i := from; i < to; i++ {
		list = append(list, testEntry(i))
	}
	if err := s.Append(list...); err != nil {
		t.Fatal(err)
	}
}

// storeOf makes a synced, closed log of the given size and returns its directory.
func storeOf(t testing.TB, size int) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "log")
	s := openStore(t, dir)
	appendRange(t, s, 0, size)
	if err := s.Sync(); err != nil {
		t.Fatal(err)
	}
	closeStore(t, s)
	return dir
}

// snapshot reads all files of a log; restore writes them back.
func snapshot(t testing.TB, dir string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		files[p], err = os.ReadFile(filepath.Join(dir, p))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func restore(t testing.TB, dir string, files map[string][]byte) {
	t.Helper()
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	for p, b := range files {
		writeFile(t, filepath.Join(dir, p), b)
	}
}

func writeFile(t testing.TB, name string, b []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, b, 0o640); err != nil {
		t.Fatal(err)
	}
}

// checkPrefix checks that s holds exactly the first entries of the reference.
func checkPrefix(t testing.TB, s *Store, ref *reference, size int) {
	t.Helper()
	if s.Size() != uint64(size) || s.Root() != ref.roots[size] {
		t.Fatalf("the log has size %d, want the tree of size %d", s.Size(), size)
	}
	f := s.Frontier()
	if err := f.Validate(); err != nil || f.Root() != ref.roots[size] {
		t.Fatalf("size %d: wrong frontier: %v", size, err)
	}
	if _, err := s.Scrub(0, s.Size()); err != nil {
		t.Fatal(err)
	}
}

// For every size: root, proofs and entries read from the files are those of the
// second implementation, while the log grows and after it has been opened again.
func TestStoreAgainstSecondImplementation(t *testing.T) {
	t.Parallel()
	const size = 600
	ref := newReference(t, size)
	dir := filepath.Join(t.TempDir(), "log")
	s := openStore(t, dir)
	for i := range size {
		if err := s.Append(testEntry(i)); err != nil {
			t.Fatal(err)
		}
		if s.Root() != ref.roots[i+1] {
			t.Fatalf("wrong root at size %d", i+1)
		}
		entry, err := s.Entry(uint64(i))
		if err != nil || !bytes.Equal(entry, testEntry(i)) {
			t.Fatalf("entry %d: %v", i, err)
		}
	}
	closeStore(t, s)
	s = openStore(t, dir)
	checkPrefix(t, s, ref, size)
	for n := range uint64(size + 1) {
		root, err := s.RootAt(n)
		if err != nil || root != ref.roots[n] {
			t.Fatalf("root at %d: %v", n, err)
		}
		for _, other := range []uint64{0, 1, n / 3, n / 2, n - min(n, 1)} {
			if other < n {
				p, err := s.Inclusion(other, n)
				if err != nil || !slices.Equal(p, ref.inclusion(t, other, n)) {
					t.Fatalf("inclusion of %d in %d: %v", other, n, err)
				}
			}
			if 0 < other && other <= n {
				p, err := s.Consistency(other, n)
				if err != nil || !slices.Equal(p, ref.consistency(t, other, n)) {
					t.Fatalf("consistency %d to %d: %v", other, n, err)
				}
			}
		}
	}
	i := 300
	for entry, err := range s.Entries(300, 560) {
		if err != nil || !bytes.Equal(entry, testEntry(i)) {
			t.Fatalf("entry %d: %v", i, err)
		}
		i++
	}
	if i != 560 {
		t.Fatalf("entries ended at %d", i)
	}
}

// A log with three levels of tiles is right around the places where a level fills.
func TestStoreThreeLevels(t *testing.T) {
	t.Parallel()
	const size = 66000
	ref := newReference(t, size)
	dir := storeOf(t, 65535)
	s := openStore(t, dir)
	for i := 65535; i < 65540; i++ {
		appendRange(t, s, i, i+1)
		checkRoots(t, s, ref)
		closeStore(t, s)
		s = openStore(t, dir)
		if s.Root() != ref.roots[i+1] {
			t.Fatalf("wrong root at %d", i+1)
		}
	}
	appendRange(t, s, 65540, size)
	checkPrefix(t, s, ref, size)
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.Uint64Range(2, size).Draw(rt, "size")
		i := rapid.Uint64Range(1, n-1).Draw(rt, "index")
		inc, err := s.Inclusion(i, n)
		if err != nil || VerifyInclusion(n, i, ref.leaves[i], inc, ref.roots[n]) != nil {
			rt.Fatalf("inclusion of %d in %d: %v", i, n, err)
		}
		con, err := s.Consistency(i, n)
		if err != nil || VerifyConsistency(i, n, ref.roots[i], ref.roots[n], con) != nil {
			rt.Fatalf("consistency %d to %d: %v", i, n, err)
		}
	})
	for _, n := range []int{65792, 65537, 65536, 65535, 65280, 511} {
		if err := s.Truncate(uint64(n)); err != nil {
			t.Fatal(err)
		}
		checkPrefix(t, s, ref, n)
	}
}

func checkRoots(t testing.TB, s *Store, ref *reference) {
	t.Helper()
	for _, n := range []uint64{1, 255, 256, 257, 65279, 65280, 65535, s.Size()} {
		root, err := s.RootAt(n)
		if err != nil || root != ref.roots[n] {
			t.Fatalf("root at %d: %v", n, err)
		}
	}
}

// Truncate to every size gives the tree of that size, also after opening again,
// and another history can grow from there.
func TestTruncateToEverySize(t *testing.T) {
	t.Parallel()
	const size = 600
	ref := newReference(t, size)
	files := snapshot(t, storeOf(t, size))
	dir := filepath.Join(t.TempDir(), "log")
	step := 1
	if testing.Short() {
		step = 17
	}
	for n := 0; n <= size; n += step {
		restore(t, dir, files)
		s := openStore(t, dir)
		if err := s.Truncate(uint64(n)); err != nil {
			t.Fatal(err)
		}
		checkPrefix(t, s, ref, n)
		closeStore(t, s)
		s = openStore(t, dir)
		checkPrefix(t, s, ref, n)
		f := s.Frontier()
		another := slices.Repeat([][]byte{[]byte("another")}, 300)
		for _, e := range another {
			f.Append(LeafHash(e))
		}
		if err := s.Append(another...); err != nil {
			t.Fatal(err)
		}
		closeStore(t, s)
		s = openStore(t, dir)
		if s.Size() != f.Size || s.Root() != f.Root() {
			t.Fatalf("size %d: another history does not grow", n)
		}
		closeStore(t, s)
	}
}

// After a torn write at every byte of the edge file the log opens: with all whole
// entries if only entries after the last Sync are torn, and as corrupt if one
// that was made durable is.
func TestTornEdge(t *testing.T) {
	t.Parallel()
	const synced, size = 270, 281
	ref := newReference(t, size)
	dir := storeOf(t, synced)
	durable := len(snapshot(t, dir)["edge/1"])
	s := openStore(t, dir)
	appendRange(t, s, synced, size)
	closeStore(t, s)
	files := snapshot(t, dir)
	whole := files["edge/1"]
	_, offsets, err := scanEdge(bytes.NewReader(whole))
	if err != nil {
		t.Fatal(err)
	}
	for n := 0; n <= len(whole); n++ {
		if testing.Short() && n < durable-20 {
			n = durable - 20
		}
		kept := 256
		for _, end := range offsets[1:] {
			if int64(n) >= end {
				kept++
			}
		}
		for name, tail := range map[string][]byte{
			"cut":   nil,
			"zeros": make([]byte, len(whole)-n),
			"noise": bytes.Repeat([]byte{0, 1, 0xa5}, 30),
		} {
			writeFile(t, filepath.Join(dir, "edge/1"), append(slices.Clone(whole[:n]), tail...))
			writeFile(t, filepath.Join(dir, markPath), files[markPath])
			s, err := Open(dir)
			switch {
			case n < durable:
				if !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), "edge/1") {
					t.Fatalf("%s at %d, among durable entries: %v", name, n, err)
				}
				continue
			case err != nil:
				t.Fatalf("%s at %d: %v", name, n, err)
			}
			checkPrefix(t, s, ref, kept)
			closeStore(t, s)
		}
	}
}

// Tiles and bundles that were torn before the first Sync after them are cut back,
// and those that were made durable are refused by name.
func TestTornTiles(t *testing.T) {
	t.Parallel()
	const synced, size = 300, 1100
	ref := newReference(t, size)
	dir := storeOf(t, synced)
	s := openStore(t, dir)
	appendRange(t, s, synced, size)
	closeStore(t, s)
	files := snapshot(t, dir)
	for _, c := range []struct {
		path string
		kept int // -1: refused
	}{
		{"tile/0/000", -1}, {"tile/entries/000", size},
		{"tile/0/001", size}, {"tile/entries/001", size}, // the edge file is still there
		{"tile/0/002", 512}, {"tile/entries/002", 512},
		{"tile/0/003", 768}, {"tile/entries/003", 768},
	} {
		for _, n := range []int{-1, 0, 1, 31, 32, len(files[c.path]) / 2, len(files[c.path]) - 1} {
			torn := map[string][]byte{}
			for p, b := range files {
				torn[p] = b
			}
			if delete(torn, c.path); n >= 0 {
				torn[c.path] = files[c.path][:n]
			}
			restore(t, dir, torn)
			s, err := Open(dir)
			if c.kept < 0 {
				if !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), c.path) {
					t.Fatalf("%s cut at %d: %v", c.path, n, err)
				}
				continue
			}
			if err != nil {
				t.Fatalf("%s cut at %d: %v", c.path, n, err)
			}
			if c.path == "tile/entries/000" { // below the edge: found by Scrub
				_, err := s.Scrub(0, s.Size())
				if !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), c.path) {
					t.Fatalf("%s cut at %d: %v", c.path, n, err)
				}
			} else {
				checkPrefix(t, s, ref, c.kept)
			}
			closeStore(t, s)
		}
	}
}

// Each flipped bit in each file of a log is found by Open or Scrub, and the error
// names the file.
func TestStoreBitFlips(t *testing.T) {
	t.Parallel()
	dir := storeOf(t, 270)
	for p, b := range snapshot(t, dir) {
		name := filepath.Join(dir, p)
		for i := range b {
			bits := []byte{1, 2, 4, 8, 16, 32, 64, 128}
			if testing.Short() || len(b) > 4096 && i%32 != 0 && i%32 != 31 {
				bits = []byte{1 << (i % 8)}
			}
			for _, bit := range bits {
				b[i] ^= bit
				writeFile(t, name, b)
				b[i] ^= bit
				s, err := Open(dir)
				if err == nil {
					_, err = s.Scrub(0, s.Size())
					closeStore(t, s)
				}
				if !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), p) {
					t.Fatalf("%s: bit %#x of byte %d: %v", p, bit, i, err)
				}
			}
		}
		writeFile(t, name, b)
	}
	openStore(t, dir)
}

// An entry that changed on disk is never returned, and the error names file and index.
func TestEntryChecksWhatItReads(t *testing.T) {
	t.Parallel()
	for p, index := range map[string]uint64{"tile/entries/000": 100, "edge/1": 260, "tile/0/000": 100} {
		dir := storeOf(t, 270)
		s := openStore(t, dir)
		b := snapshot(t, dir)[p]
		entry := testEntry(int(index))
		at := bytes.Index(b, appendEntry(nil, entry)) + 2
		if p == "tile/0/000" {
			at = int(index) * 32
		}
		b[at] ^= 1
		writeFile(t, filepath.Join(dir, p), b)
		_, err := s.Entry(index)
		if !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), p) {
			t.Fatalf("%s: %v", p, err)
		}
		if p != "tile/0/000" && !strings.Contains(err.Error(), fmt.Sprintf("entry %d", index)) {
			t.Fatalf("%s: no index in %v", p, err)
		}
	}
}

func TestStoreRefusesOutOfRange(t *testing.T) {
	t.Parallel()
	s := openStore(t, storeOf(t, 10))
	if err := s.Append([]byte("kept out with the next"), make([]byte, MaxEntry+1)); err == nil || s.Size() != 10 {
		t.Error("an entry over the limit was accepted")
	}
	if err := s.Append(make([]byte, MaxEntry)); err != nil {
		t.Error(err)
	}
	if e, err := s.Entry(10); err != nil || len(e) != MaxEntry {
		t.Error("the longest entry cannot be read back", err)
	}
	bad := map[string]error{"truncate": s.Truncate(12), "scrub": scrub(s, 0, 12), "export": s.Export(nil, 12)}
	_, bad["entry"] = s.Entry(11)
	_, bad["root"] = s.RootAt(12)
	_, bad["inclusion"] = s.Inclusion(11, 11)
	_, bad["inclusion size"] = s.Inclusion(0, 12)
	_, bad["consistency"] = s.Consistency(3, 12)
	_, bad["consistency order"] = s.Consistency(4, 3)
	for what, err := range bad {
		if err == nil || errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestStoreBelongsToOneProcess(t *testing.T) {
	t.Parallel()
	dir := storeOf(t, 10)
	s := openStore(t, dir)
	if _, err := Open(dir); err == nil {
		t.Fatal("the log was opened twice")
	}
	closeStore(t, s)
	if err := s.Append(nil); !errors.Is(err, ErrClosed) {
		t.Fatal(err)
	}
	openStore(t, dir)
}

// A directory that has lost its mark is not taken for an empty log.
func TestOpenRefusesMissingMark(t *testing.T) {
	t.Parallel()
	dir := storeOf(t, 10)
	if err := os.Remove(filepath.Join(dir, markPath)); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir); !errors.Is(err, ErrCorrupt) {
		t.Fatal(err)
	}
}

// Promise: a full bundle is the same file, to the byte, whether memory still holds its entries, and still as they came, the log was
// opened again or cut in between, or the entries are more than memory may hold.
func TestBundlesOfMemoryAndOfTheEdgeAreTheSame(t *testing.T) {
	t.Parallel()
	large := func(i int) []byte { return append(make([]byte, 9000), testEntry(i)...) } // 256 of them are more than maxHeld
	for name, entry := range map[string]func(int) []byte{"small": testEntry, "large": large} {
		var want []byte
		for i := range tileWidth {
			want = appendEntry(want, entry(i))
		}
		for how, between := range map[string]func(s *Store) *Store{
			"held": func(s *Store) *Store { return s },
			"flipped": func(s *Store) *Store {
				s.held[20] ^= 1
				return s
			},
			"flipped length": func(s *Store) *Store {
				s.held[0] ^= 0x80
				return s
			},
			"added to": func(s *Store) *Store {
				s.held = append(s.held, 0)
				return s
			},
			"opened": func(s *Store) *Store {
				closeStore(t, s)
				return openStore(t, s.dir)
			},
			"cut": func(s *Store) *Store {
				if err := errors.Join(s.Append(entry(100), entry(7)), s.Truncate(100)); err != nil {
					t.Fatal(err)
				}
				return s
			},
		} {
			s := openStore(t, filepath.Join(t.TempDir(), "log"))
			for i := range tileWidth {
				if i == 100 {
					s = between(s)
				}
				if err := s.Append(entry(i)); err != nil {
					t.Fatal(err)
				}
			}
			got, err := os.ReadFile(s.path(tilePath(entriesLevel, 0, tileWidth)))
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s entries, %s: a bundle of %d bytes, want %d; %v", name, how, len(got), len(want), err)
			}
		}
	}
}

// Readers and Sync beside one appender see consistent trees, also when the bundle
// that they read from is completed under them.
func TestReadersBesideAppend(t *testing.T) {
	t.Parallel()
	const size = 3000
	ref := newReference(t, size)
	dir := filepath.Join(t.TempDir(), "log")
	s := openStore(t, dir)
	done := make(chan struct{})
	var wg sync.WaitGroup
	run := func(f func() error) {
		wg.Go(func() {
			for {
				if err := f(); err != nil {
					t.Error(err)
					return
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	run(s.Sync)
	for range 2 {
		run(func() error {
			n := s.Size()
			if n == 0 {
				return nil
			}
			root, err := s.RootAt(n)
			if err == nil && root != ref.roots[n] {
				err = errors.New("wrong root")
			}
			if _, e := s.Entry(n - 1); e != nil {
				err = e
			}
			return errors.Join(err, scrub(s, n-1, n))
		})
	}
	for i := range size {
		appendRange(t, s, i, i+1)
	}
	close(done)
	wg.Wait()
	checkPrefix(t, s, ref, size)
}

func BenchmarkAppend(b *testing.B) {
	for _, batch := range []int{1, 64} {
		b.Run(fmt.Sprintf("batch%d", batch), func(b *testing.B) {
			s := openStore(b, filepath.Join(b.TempDir(), "log"))
			entry := make([]byte, 1024)
			list := slices.Repeat([][]byte{entry}, batch)
			b.SetBytes(int64(len(entry) * batch))
			b.ReportAllocs()
			for b.Loop() {
				if err := s.Append(list...); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func scrub(s *Store, from, to uint64) error {
	_, err := s.Scrub(from, to)
	return err
}
