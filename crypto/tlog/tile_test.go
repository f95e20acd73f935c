package tlog

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	sumdb "golang.org/x/mod/sumdb/tlog"
)

// tileReader gives the other implementation the tiles of a log of one size.
type tileReader struct {
	s    *Store
	size uint64
}

func (r *tileReader) Height() int                          { return tileHeight }
func (r *tileReader) SaveTiles(_ []sumdb.Tile, _ [][]byte) {}

func (r *tileReader) ReadTiles(tiles []sumdb.Tile) (list [][]byte, err error) {
	for _, t := range tiles {
		b, err := r.s.HashTile(tilePath(t.L, uint64(t.N), t.W), r.size)
		if err != nil {
			return nil, err
		}
		list = append(list, b)
	}
	return list, nil
}

// From the hash tiles alone another implementation proves every entry, in the
// newest tree and in older ones, and nothing beyond the size that is asked for
// is handed out.
func TestHashTilesProveEveryEntry(t *testing.T) {
	t.Parallel()
	const size = 70_000 // two levels of full tiles
	s := openStore(t, filepath.Join(t.TempDir(), "log"))
	appendRange(t, s, 0, size)
	for _, at := range []uint64{1, 255, 256, 257, 65_535, 65_536, 65_537, size} {
		root, err := s.RootAt(at)
		if err != nil {
			t.Fatal(err)
		}
		tree := sumdb.Tree{N: int64(at), Hash: sumdb.Hash(root)}
		reader := sumdb.TileHashReader(tree, &tileReader{s: s, size: at})
		for _, i := range []uint64{0, at / 2, at - 1} {
			entry, err := s.Entry(i)
			if err != nil {
				t.Fatal(err)
			}
			p, err := sumdb.ProveRecord(int64(at), int64(i), reader)
			if err != nil {
				t.Fatalf("entry %d in size %d: %v", i, at, err)
			}
			if err := sumdb.CheckRecord(p, tree.N, tree.Hash, int64(i), sumdb.RecordHash(entry)); err != nil {
				t.Errorf("entry %d in size %d: %v", i, at, err)
			}
		}
		beyond := tilePath(0, at/tileWidth, int(at%tileWidth)+1)
		if _, err := s.HashTile(beyond, at); !errors.Is(err, ErrNoTile) {
			t.Errorf("%s of size %d: %v", beyond, at, err)
		}
	}
}

// Only a hash tile of the tree, spelt as tlog-tiles spells it, is handed out; one
// whose file was changed is not.
func TestHashTileRefusals(t *testing.T) {
	t.Parallel()
	dir := storeOf(t, 600)
	s := openStore(t, dir)
	whole, err := s.HashTile("tile/0/001", 600)
	if err != nil || len(whole) != tileBytes {
		t.Fatal(len(whole), err)
	}
	if part, err := s.HashTile("tile/0/001.p/3", 600); err != nil || !bytes.Equal(part, whole[:3*32]) {
		t.Error("a partial tile of a smaller tree is not there", err)
	}
	for _, path := range []string{"", "tile", "tile/0", "tile/0/", "tile/entries/000", "tile/entries/002.p/88", "tile/0/1", "tile/00/001",
		"tile/-1/001", "tile/64/000", "tile/7/000", "tile/0/x000/001", "tile/0/001.p/0", "tile/0/001.p/03", "tile/0/001.p/256", "tile/0/001.p", "tile/0/001/",
		"/tile/0/001", "tile//0/001", "tile/0/../0/001", "tile/0/003", "tile/0/002", "tile/0/002.p/89", "tile/1/000", "tile/1/000.p/3", "tile/2/000.p/1",
		"tile/0/x999/x999/x999/x999/x999/999", "edge/0", "edge/mark"} {
		if b, err := s.HashTile(path, 600); !errors.Is(err, ErrNoTile) {
			t.Errorf("%q: %d bytes, %v", path, len(b), err)
		}
	}
	if _, err := s.HashTile("tile/0/000", 601); err == nil || errors.Is(err, ErrNoTile) {
		t.Error("a size beyond the log:", err)
	}
	whole[40] ^= 1
	if err := os.WriteFile(filepath.Join(dir, "tile/0/001"), whole, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := s.HashTile("tile/0/001.p/1", 600); !errors.Is(err, ErrCorrupt) {
		t.Error("a tile that was changed:", err)
	}
}
