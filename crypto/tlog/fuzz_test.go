package tlog

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
)

// No bytes in the edge files make Open panic or accept a log that Scrub refuses
// or that a second Open sees otherwise.
func FuzzEdge(f *testing.F) {
	for _, size := range []int{0, 1, 5, 40} {
		files := snapshot(f, storeOf(f, size))
		f.Add(files[markPath], files["edge/0"])
		f.Add(files[markPath], append(bytes.Clone(files["edge/0"]), 0, 3, 'x'))
	}
	unsynced := snapshot(f, storeOf(f, 0))
	f.Add(unsynced[markPath], snapshot(f, storeOf(f, 255))["edge/0"])
	f.Add(unsynced[markPath], bytes.Repeat(appendRecord(nil, []byte("x"), LeafHash([]byte("x"))), 300))
	dir := filepath.Join(f.TempDir(), "log")
	f.Fuzz(func(t *testing.T, mark, edge []byte) {
		if m, err := parseMark(mark); err == nil && !bytes.Equal(encodeMark(m), mark) {
			t.Fatal("a mark has two forms")
		}
		restore(t, dir, map[string][]byte{markPath: mark, "edge/0": edge})
		s, err := Open(dir)
		if err != nil {
			return
		}
		size, root := s.Size(), s.Root()
		if _, err := s.Scrub(0, size); err != nil {
			t.Fatal(err)
		}
		closeStore(t, s)
		s = openStore(t, dir)
		if s.Size() != size || s.Root() != root {
			t.Fatal("opened again, the log is another")
		}
		closeStore(t, s)
	})
}

// No bytes in an archive make it panic, and what it accepts is exactly the export
// of the entries that it gives.
func FuzzOpenArchive(f *testing.F) {
	for _, size := range []int{1, 2, 40, 255} {
		files := exportOf(f, openStore(f, storeOf(f, size)), uint64(size))
		p := tilePath(0, 0, size)
		f.Add(uint64(size), p, files[p], files[tilePath(entriesLevel, 0, size)])
	}
	f.Add(uint64(0), "tile/0/000", []byte{}, []byte{})
	f.Add(uint64(1)<<49, "tile/entries/x001/000", []byte{0, 0}, []byte{0, 1, 2})
	f.Fuzz(func(t *testing.T, size uint64, p string, tile, bundle []byte) {
		files := map[string][]byte{p: tile, tilePath(entriesLevel, 0, int(size%tileWidth)): bundle}
		if !validPath(p) {
			return
		}
		root, entries, err := readArchive(mapFS(files), size)
		if err != nil {
			return
		}
		var front Frontier
		var again []byte
		for _, e := range entries {
			front.Append(LeafHash(e))
			again = appendEntry(again, e)
		}
		if front.Size != size || front.Root() != root {
			t.Fatal("the root is not that of the entries")
		}
		if size > 0 && !bytes.Equal(again, bundle) {
			t.Fatal("the bundle holds more than its entries")
		}
	})
}

// validPath keeps to paths that do not make a file the directory of another.
func validPath(p string) bool {
	_, err := fstest.MapFS{p: {}}.Open(p)
	return err == nil && !strings.HasPrefix("tile/entries/", p+"/")
}

// Whatever is accepted is the one form of that checkpoint and carries the
// signature of the key.
func FuzzParseCheckpoint(f *testing.F) {
	c, k, b := testCheckpoint(f)
	f.Add(b)
	f.Add([]byte(c.Text()))
	f.Add(append(bytes.Clone(b), "— witness.example/w AAAAAAAAAAA=\n"...))
	f.Fuzz(func(t *testing.T, in []byte) {
		if text, err := parseText(string(in)); err == nil && text.Text() != string(in) {
			t.Fatal("a text has two forms")
		}
		got, err := ParseCheckpoint(in, c.Origin, k.Public())
		if err != nil {
			return
		}
		again, err := SignCheckpoint(got, k)
		if err != nil {
			t.Fatal(err)
		}
		line := again[bytes.LastIndex(again, []byte("\n\n"))+2:]
		if !bytes.HasPrefix(in, []byte(got.Text()+"\n")) || !bytes.Contains(in, line) {
			t.Fatalf("accepted %q", in)
		}
	})
}
