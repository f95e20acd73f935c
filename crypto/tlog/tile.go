package tlog

import (
	"errors"
	"fmt"
)

// ErrNoTile says that a path names no hash tile of a tree: it is not spelt as
// C2SP tlog-tiles spells it, names an entry bundle, or lies beyond the tree.
var ErrNoTile = errors.New("no such hash tile")

// HashTile is the hash tile at path of the tree of the given size, as C2SP
// tlog-tiles has it: "tile/<L>/<N>", or the first hashes of one,
// "tile/<L>/<N>.p/<W>", so that the partial tiles of every smaller tree are
// there too. A full tile is read from its file and checked up to the right edge
// of the tree. The error wraps ErrNoTile, or ErrCorrupt for a file that does not
// hold what it must; a size beyond the log fails this request only.
func (s *Store) HashTile(path string, size uint64) ([]byte, error) {
	v := s.view.Load()
	if size > v.edge.size {
		return nil, fmt.Errorf("hash tile of size %d: the log has %d entries", size, v.edge.size)
	}
	level, n, width, ok := parseTilePath(path)
	if !ok || level == entriesLevel {
		return nil, fmt.Errorf("%w: %q", ErrNoTile, path)
	}
	if last := tilesAt(size, level); n > last || n == last && width > widthAt(size, level) {
		return nil, fmt.Errorf("%w: %q is beyond the tree of size %d", ErrNoTile, path, size)
	}
	hashes, err := s.loadTile(v, level, n)
	if err != nil {
		return nil, err
	}
	return appendHashes(nil, hashes[:width]), nil
}
