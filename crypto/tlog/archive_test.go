package tlog

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	sumdb "golang.org/x/mod/sumdb/tlog"
)

func exportOf(t testing.TB, s *Store, size uint64) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	err := s.Export(func(p string, data []byte) error {
		if _, twice := files[p]; twice {
			t.Errorf("%s is written twice", p)
		}
		files[p] = bytes.Clone(data)
		return nil
	}, size)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func mapFS(files map[string][]byte) fstest.MapFS {
	m := fstest.MapFS{}
	for p, b := range files {
		m[p] = &fstest.MapFile{Data: b, Mode: 0o444}
	}
	return m
}

// readArchive reads an archive completely.
func readArchive(fsys fs.FS, size uint64) (Hash, [][]byte, error) {
	a, err := OpenArchive(fsys, size)
	if err != nil {
		return Hash{}, nil, err
	}
	var list [][]byte
	for e, err := range a.Entries(0, size) {
		if err != nil {
			return Hash{}, nil, err
		}
		list = append(list, e)
	}
	root, err := a.Root()
	return root, list, err
}

// An export is byte for byte the directory that C2SP tlog-tiles demands, with the
// hash tiles that golang.org/x/mod/sumdb/tlog computes for the same entries.
func TestExportAgainstSumdb(t *testing.T) {
	t.Parallel()
	const size = 66000
	s := openStore(t, storeOf(t, size))
	var stored []sumdb.Hash
	reader := sumdb.HashReaderFunc(func(indexes []int64) ([]sumdb.Hash, error) {
		out := make([]sumdb.Hash, len(indexes))
		for i, x := range indexes {
			out[i] = stored[x]
		}
		return out, nil
	})
	for i := range size {
		h, err := sumdb.StoredHashes(int64(i), testEntry(i), reader)
		if err != nil {
			t.Fatal(err)
		}
		stored = append(stored, h...)
	}
	for _, n := range []int64{0, 1, 255, 256, 257, 511, 512, 600, 65535, 65536, 65537, size} {
		want := map[string][]byte{}
		for _, tile := range sumdb.NewTiles(8, 0, n) {
			data, err := sumdb.ReadTileData(tile, reader)
			if err != nil {
				t.Fatal(err)
			}
			want[strings.Replace(tile.Path(), "tile/8/", "tile/", 1)] = data
			if tile.L != 0 {
				continue
			}
			var bundle []byte
			for i := range tile.W {
				e := testEntry(int(tile.N)*256 + i)
				bundle = append(bundle, byte(len(e)>>8), byte(len(e)))
				bundle = append(bundle, e...)
			}
			want[strings.Replace(tile.Path(), "tile/8/0/", "tile/entries/", 1)] = bundle
		}
		got := exportOf(t, s, uint64(n))
		if len(got) != len(want) {
			t.Fatalf("size %d: %d files, want %d", n, len(got), len(want))
		}
		for p, b := range want {
			if !bytes.Equal(got[p], b) {
				t.Fatalf("size %d: %s differs", n, p)
			}
		}
		root, entries, err := readArchive(mapFS(got), uint64(n))
		if want, _ := s.RootAt(uint64(n)); err != nil || root != want {
			t.Fatalf("size %d: archive: %v", n, err)
		}
		for i, e := range entries {
			if !bytes.Equal(e, testEntry(i)) {
				t.Fatalf("size %d: entry %d differs", n, i)
			}
		}
	}
}

// tile paths are those of the example in C2SP tlog-tiles, and parse back only so.
func TestTilePaths(t *testing.T) {
	t.Parallel()
	if p := tilePath(1, 1234067, 256); p != "tile/1/x001/x234/067" {
		t.Error(p)
	}
	if p := tilePath(entriesLevel, 1000, 7); p != "tile/entries/x001/000.p/7" {
		t.Error(p)
	}
	for _, p := range []string{"tile/0/000", "tile/6/999.p/255", "tile/entries/x001/x234/067.p/1"} {
		if l, n, w, ok := parseTilePath(p); !ok || tilePath(l, n, w) != p {
			t.Errorf("%s does not parse", p)
		}
	}
	for _, p := range []string{"", "tile", "tile/0", "tile/00/000", "tile/7/000", "tile/0/0", "tile/0/000.p/0", "tile/0/000.p/256",
		"tile/0/000.p/01", "tile/0/x000/001", "tile/0/001/x002", "tile/x/000", "tile/0/+01", "tile/0/000/.p/1",
		"tile/0/x999/x999/x999/x999/x999/x999/999", "tile/-1/000", "tile/data/000"} {
		if _, _, _, ok := parseTilePath(p); ok {
			t.Errorf("%s parses", p)
		}
	}
}

// Each flipped bit of each file of an export is found, and a flip in a hash tile
// above level 0 is reported with its path; one in a bundle or in level 0 with the
// path of one of the two.
func TestArchiveBitFlips(t *testing.T) {
	t.Parallel()
	s := openStore(t, storeOf(t, 270))
	want, _ := s.RootAt(270)
	files := exportOf(t, s, 270)
	for p, b := range files {
		for i := range b {
			bits := []byte{1, 2, 4, 8, 16, 32, 64, 128}
			if testing.Short() || len(b) > 4096 && i%32 != 0 && i%32 != 31 {
				bits = []byte{1 << (i % 8)}
			}
			for _, bit := range bits {
				b[i] ^= bit
				_, _, err := readArchive(mapFS(files), 270)
				b[i] ^= bit
				if !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), p) {
					t.Fatalf("%s: bit %#x of byte %d: %v", p, bit, i, err)
				}
			}
		}
	}
	if root, _, err := readArchive(mapFS(files), 270); err != nil || root != want {
		t.Fatal(err)
	}
}

// Missing, cut, lengthened, surplus and irregular files are refused by name.
func TestArchiveRefusesOtherFiles(t *testing.T) {
	t.Parallel()
	s := openStore(t, storeOf(t, 600))
	files := exportOf(t, s, 600)
	check := func(what, p string, m fstest.MapFS) {
		t.Helper()
		_, _, err := readArchive(m, 600)
		if !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), p) {
			t.Errorf("%s %s: %v", what, p, err)
		}
	}
	for p, b := range files {
		m := mapFS(files)
		delete(m, p)
		check("missing", p, m)
		m[p] = &fstest.MapFile{Data: b[:len(b)-1], Mode: 0o444}
		check("cut", p, m)
		m[p] = &fstest.MapFile{Data: append(bytes.Clone(b), 0), Mode: 0o444}
		check("longer", p, m)
		m[p] = &fstest.MapFile{Data: b, Mode: 0o444 | fs.ModeNamedPipe}
		check("pipe", p, m)
		m[p] = &fstest.MapFile{Data: b, Mode: 0o444 | fs.ModeSymlink}
		check("link", p, m)
	}
	for _, p := range []string{"tile/0/003", "tile/0/002.p/87", "tile/0/002", "tile/entries/003", "tile/7/000", "tile/2/000.p/1",
		"tile/readme", "tile/0/x001/000", "tile/a/b/c/d/e/f/g/h/i/j/k"} {
		m := mapFS(files)
		m[p] = &fstest.MapFile{Data: make([]byte, tileBytes), Mode: 0o444}
		check("surplus", "tile/", m)
	}
	m := mapFS(files)
	m["checkpoint"] = &fstest.MapFile{Data: []byte("not looked at"), Mode: 0o444}
	if _, _, err := readArchive(m, 600); err != nil {
		t.Error(err)
	}
	for _, size := range []uint64{0, 599, 601, 1 << 40, MaxSize - 1, MaxSize} {
		if _, _, err := readArchive(mapFS(files), size); err == nil {
			t.Errorf("size %d accepted", size)
		}
	}
	if _, _, err := readArchive(fstest.MapFS{}, 600); !errors.Is(err, ErrCorrupt) {
		t.Error(err)
	}
}

// Promise: an archive of a stranger that has a pipe where a directory belongs is
// refused. Whoever opened it would wait for ever.
func TestArchiveRefusesAPipe(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(dir, tileDir), 0o600); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	refused := make(chan error, 1)
	go func() {
		_, err := OpenArchive(root.FS(), 5)
		refused <- err
	}()
	select {
	case err := <-refused:
		if !errors.Is(err, ErrCorrupt) {
			t.Errorf("it is refused with %v", err)
		}
	case <-time.After(time.Minute):
		t.Fatal("it is waited for")
	}
}

// Any part of an archive can be read alone, and a reader that stops early leaves
// the root uncomputed until it is asked for.
func TestArchiveParts(t *testing.T) {
	t.Parallel()
	s := openStore(t, storeOf(t, 600))
	a, err := OpenArchive(mapFS(exportOf(t, s, 600)), 600)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range [][2]uint64{{0, 0}, {0, 1}, {5, 5}, {5, 9}, {250, 520}, {599, 600}, {256, 512}, {600, 600}} {
		var got [][]byte
		for e, err := range a.Entries(c[0], c[1]) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, e)
		}
		if uint64(len(got)) != c[1]-c[0] {
			t.Fatalf("%v: %d entries", c, len(got))
		}
		for i, e := range got {
			if !bytes.Equal(e, testEntry(int(c[0])+i)) {
				t.Fatalf("%v: entry %d differs", c, i)
			}
		}
	}
	for range a.Entries(0, 600) {
		break
	}
	if a.root != nil {
		t.Error("root is known before all was read")
	}
	if root, err := a.Root(); err != nil || root != s.Root() {
		t.Error(err)
	}
	for _, c := range [][2]uint64{{3, 2}, {0, 601}} {
		for _, err := range a.Entries(c[0], c[1]) {
			if err == nil {
				t.Errorf("%v accepted", c)
			}
		}
	}
}

// Export does not pass on what does not agree with the tree.
func TestExportRefusesCorruptFiles(t *testing.T) {
	t.Parallel()
	for _, p := range []string{"tile/0/000", "tile/entries/001", "edge/2"} {
		dir := storeOf(t, 600)
		s := openStore(t, dir)
		b := snapshot(t, dir)[p]
		b[len(b)/2] ^= 16
		writeFile(t, filepath.Join(dir, p), b)
		err := s.Export(func(string, []byte) error { return nil }, 600)
		if !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), p) {
			t.Errorf("%s: %v", p, err)
		}
	}
	s := openStore(t, storeOf(t, 10))
	if err := s.Export(func(string, []byte) error { return errStop }, 10); err != errStop {
		t.Errorf("the writer's error is not passed on: %v", err)
	}
}
