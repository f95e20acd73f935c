package tlog

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"

	sumdb "golang.org/x/mod/sumdb/tlog"
)

// Entry reads the entry at index from disk and checks it: in the growing bundle
// and the last maxBundles against its hash in memory, else against the hash tile,
// and the tile up to the root in memory. A mismatch is ErrCorrupt and names file
// and index. An index outside the log fails this request only.
func (s *Store) Entry(index uint64) ([]byte, error) {
	v := s.view.Load()
	if leaves, offsets := v.places(index / tileWidth); index < v.edge.size && leaves != nil {
		return s.readOne(v, index, leaves[index%tileWidth], offsets[index%tileWidth:])
	}
	var found []byte
	for entry, err := range s.Entries(index, index+1) {
		if err != nil {
			return nil, err
		}
		found = entry
	}
	return found, nil
}

// places gives the leaf hashes and record offsets of a bundle that memory holds:
// the growing one, and some before it.
func (v *view) places(n uint64) (leaves []Hash, offsets []int64) {
	if n == tilesAt(v.edge.size, 0) {
		return v.edge.tiles[0], v.offsets
	}
	for i := range v.bundles {
		if b := &v.bundles[i]; b.n == n {
			return b.leaves, b.offsets
		}
	}
	return nil, nil
}

// readOne reads the entry whose record begins at offsets[0] of its edge file and
// ends at offsets[1], wherever it stands by now: without the hash that follows
// each record the bundle is shorter.
func (s *Store) readOne(v *view, index uint64, want Hash, offsets []int64) ([]byte, error) {
	f, name, records, err := s.openBundle(v, index/tileWidth)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	start, end := offsets[0], offsets[1]
	if !records {
		start -= int64(index%tileWidth) * sha256.Size
		end -= int64(index%tileWidth+1) * sha256.Size
	}
	b := make([]byte, end-start)
	if _, err := f.ReadAt(b, start); err != nil {
		return nil, readError(name, index, err)
	}
	entry, leaf := b[2:], want
	if records {
		entry, leaf = b[2:len(b)-sha256.Size], Hash(b[len(b)-sha256.Size:])
	}
	if int(binary.BigEndian.Uint16(b)) != len(entry) || leaf != want || LeafHash(entry) != want {
		return nil, corrupt(name, "entry %d does not have the leaf hash of the tree", index)
	}
	return entry, nil
}

// Entries reads the entries from..to-1 in order, each checked as by Entry. Each
// entry is a fresh slice. It stops after the first error.
func (s *Store) Entries(from, to uint64) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		v := s.view.Load()
		if from > to || to > v.edge.size {
			yield(nil, fmt.Errorf("read entries %d to %d: the log has %d", from, to, v.edge.size))
			return
		}
		for from < to {
			n := from / tileWidth
			end := min(to, (n+1)*tileWidth)
			err := s.scanBundle(v, n, int(from%tileWidth), int(end-n*tileWidth), func(_ uint64, entry []byte) error {
				if !yield(entry, nil) {
					return errStop
				}
				return nil
			})
			if err == errStop {
				return
			}
			if err != nil {
				yield(nil, err)
				return
			}
			from = end
		}
	}
}

// errStop ends a scan without a failure.
var errStop = errors.New("stop")

// scanBundle calls fn with the entries lo..hi-1 of bundle n, each checked
// against the tree of v. When hi is the end of a full bundle, nothing may follow it.
func (s *Store) scanBundle(v *view, n uint64, lo, hi int, fn func(index uint64, entry []byte) error) error {
	want, err := s.loadTile(v, 0, n)
	if err != nil {
		return err
	}
	if hi > len(want) {
		return fmt.Errorf("read entry %d: not in the log", n*tileWidth+uint64(len(want)))
	}
	f, name, records, err := s.openBundle(v, n)
	if err != nil {
		return err
	}
	defer f.Close()
	first := 0
	if records {
		first = lo
		if _, err := f.Seek(v.offsets[lo], io.SeekStart); err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
	}
	r := newBundleReader(f, records)
	for i := first; i < hi; i++ {
		index := n*tileWidth + uint64(i)
		if i < lo {
			if err := r.skip(); err != nil {
				return readError(name, index, err)
			}
			continue
		}
		entry, leaf, err := r.next()
		if err != nil {
			return readError(name, index, err)
		}
		if got := LeafHash(entry); got != want[i] || records && leaf != got {
			return corrupt(name, "entry %d does not have the leaf hash of the tree", index)
		}
		if err := fn(index, entry); err != nil {
			return err
		}
	}
	if hi < tileWidth || records {
		return nil
	}
	if end, err := r.atEnd(); err != nil {
		return readError(name, n*tileWidth+tileWidth, err)
	} else if !end {
		return corrupt(name, "bytes after the last entry of the bundle")
	}
	return nil
}

// openBundle opens the file that holds the entries of bundle n: the edge file if
// the bundle was growing in v, unless it has been completed since.
func (s *Store) openBundle(v *view, n uint64) (f *os.File, name string, records bool, err error) {
	if n == tilesAt(v.edge.size, 0) {
		f, err = os.Open(s.path(edgePath(n)))
		if !errors.Is(err, os.ErrNotExist) {
			return f, edgePath(n), true, err
		}
	}
	name = tilePath(entriesLevel, n, tileWidth)
	f, err = os.Open(s.path(name))
	if errors.Is(err, os.ErrNotExist) {
		err = corrupt(name, "missing")
	}
	return f, name, false, err
}

// readError turns the error of a bundleReader into one that names the place: an
// early end is corruption, anything else is the error of the disk.
func readError(name string, index uint64, err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return corrupt(name, "ends before or within entry %d", index)
	}
	return fmt.Errorf("read entry %d from %s: %w", index, name, err)
}

// loadTile returns the hashes of a tile of the tree of v: the partial tile from
// memory, a full one from disk after it has been checked against its parent.
// Parents are checked first, so the tile that an error names is the one at fault.
func (s *Store) loadTile(v *view, level int, n uint64) ([]Hash, error) {
	if n >= tilesAt(v.edge.size, level) {
		if n > tilesAt(v.edge.size, level) {
			return nil, nil
		}
		return v.edge.tiles[level], nil
	}
	parent, err := s.loadTile(v, level+1, n/tileWidth)
	if err != nil {
		return nil, err
	}
	hashes, err := s.readTile(level, n)
	if err != nil {
		return nil, err
	}
	if subtreeRoot(hashes) != parent[n%tileWidth] {
		return nil, corrupt(tilePath(level, n, tileWidth), "does not have the hash in its parent tile")
	}
	return hashes, nil
}

// readTile reads a full tile, unchecked.
func (s *Store) readTile(level int, n uint64) ([]Hash, error) {
	name := tilePath(level, n, tileWidth)
	f, err := os.Open(s.path(name))
	if errors.Is(err, os.ErrNotExist) {
		return nil, corrupt(name, "missing")
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := readExactly(f, tileBytes)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if b == nil {
		return nil, corrupt(name, "is not %d bytes long", tileBytes)
	}
	return parseHashes(b), nil
}

// readExactly reads a file of n bytes; a file of another length gives nil.
func readExactly(r io.Reader, n int) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, int64(n)+1))
	if err != nil || len(b) != n {
		return nil, err
	}
	return b, nil
}

// hashReader gives sumdb/tlog the nodes of the tree of v. Tiles are read once
// for each reader.
func (s *Store) hashReader(v *view) sumdb.HashReader {
	type key struct {
		level int
		n     uint64
	}
	seen := make(map[key][]Hash)
	return sumdb.HashReaderFunc(func(indexes []int64) ([]sumdb.Hash, error) {
		out := make([]sumdb.Hash, len(indexes))
		for i, x := range indexes {
			level, n := sumdb.SplitStoredHashIndex(x)
			up := level % tileHeight
			k := key{level / tileHeight, uint64(n) >> (tileHeight - up)}
			hashes, ok := seen[k]
			if !ok {
				var err error
				if hashes, err = s.loadTile(v, k.level, k.n); err != nil {
					return nil, err
				}
				seen[k] = hashes
			}
			at := int(uint64(n) << up % tileWidth)
			if at+1<<up > len(hashes) {
				return nil, fmt.Errorf("node %d of level %d is not in the tree", n, level)
			}
			out[i] = sumdb.Hash(subtreeRoot(hashes[at : at+1<<up]))
		}
		return out, nil
	})
}

// RootAt is the root that the log had at the given size, computed from the files.
func (s *Store) RootAt(size uint64) (Hash, error) {
	v := s.view.Load()
	if size > v.edge.size {
		return Hash{}, fmt.Errorf("root at size %d: the log has %d entries", size, v.edge.size)
	}
	h, err := sumdb.TreeHash(int64(size), s.hashReader(v))
	return Hash(h), err
}

// Inclusion is the inclusion path of the entry at index in the tree of the given
// size, RFC 9162 §2.1.3.1.
func (s *Store) Inclusion(index, size uint64) ([]Hash, error) {
	v := s.view.Load()
	if size > v.edge.size || index >= size {
		return nil, fmt.Errorf("inclusion of entry %d in size %d: the log has %d entries", index, size, v.edge.size)
	}
	p, err := sumdb.ProveRecord(int64(size), int64(index), s.hashReader(v))
	return plainHashes(p), err
}

// Consistency is the proof that the tree of size newSize extends that of
// oldSize, RFC 9162 §2.1.4.1. It is empty for old size 0 and for equal sizes, as
// VerifyConsistency expects.
func (s *Store) Consistency(oldSize, newSize uint64) ([]Hash, error) {
	v := s.view.Load()
	if newSize > v.edge.size || oldSize > newSize {
		return nil, fmt.Errorf("consistency from size %d to %d: the log has %d entries", oldSize, newSize, v.edge.size)
	}
	if oldSize == 0 || oldSize == newSize {
		return nil, nil
	}
	p, err := sumdb.ProveTree(int64(newSize), int64(oldSize), s.hashReader(v))
	return plainHashes(p), err
}

func plainHashes(p []sumdb.Hash) []Hash {
	if len(p) == 0 {
		return nil
	}
	out := make([]Hash, len(p))
	for i, h := range p {
		out[i] = Hash(h)
	}
	return out
}

// frontierOf reads the Frontier of the tree of v.
func (s *Store) frontierOf(v *view) (Frontier, error) {
	size := v.edge.size
	if size == 0 {
		return Frontier{}, nil
	}
	var indexes []int64
	for at, level := uint64(0), 50; level >= 0; level-- {
		if (size-1)>>level&1 == 1 {
			indexes = append(indexes, sumdb.StoredHashIndex(level, int64(at>>level)))
			at += 1 << level
		}
	}
	indexes = append(indexes, sumdb.StoredHashIndex(0, int64(size-1)))
	nodes, err := s.hashReader(v).ReadHashes(indexes)
	if err != nil {
		return Frontier{}, err
	}
	return Frontier{Size: size, Nodes: plainHashes(nodes)}, nil
}

// edgeAt reads the edge that the tree of v had at an earlier size.
func (s *Store) edgeAt(v *view, size uint64) (edge, error) {
	e := edge{size: size}
	for level := range e.tiles {
		w := widthAt(size, level)
		if w == 0 {
			continue
		}
		hashes, err := s.loadTile(v, level, tilesAt(size, level))
		if err != nil {
			return edge{}, err
		}
		e.tiles[level] = append(make([]Hash, 0, tileWidth), hashes[:w]...)
	}
	return e, nil
}

// recordSize is the length of an edge record in bytes.
func recordSize(entry []byte) int64 { return int64(2 + len(entry) + sha256.Size) }
