package tlog

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"syscall"
)

// Open opens the log in dir, or creates an empty one if dir is absent or empty.
//
// It reads the mark and checks that everything at the edge below it is whole:
// the tiles that the partial tiles stand on, and the entries of the growing
// bundle. Damage there is ErrCorrupt and names the file. What lies above the mark
// was never promised: it is checked completely, kept as far as it is whole, and
// cut back from the first damage on. The rest of the log is checked by Scrub.
// On return everything kept is durable.
func Open(dir string) (*Store, error) { return open(dir, nil) }

func open(dir string, hook func(op, path string) error) (_ *Store, err error) {
	s := &Store{dir: dir, hook: hook}
	for _, d := range []string{edgeDir, tileDir} {
		if err := os.MkdirAll(s.path(d), 0o750); err != nil {
			return nil, fmt.Errorf("open log: %w", err)
		}
	}
	if s.lock, err = os.Open(s.path(edgeDir)); err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("open log in %s: %w", dir, err), s.Close())
		}
	}()
	if err := syscall.Flock(int(s.lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, fmt.Errorf("another process uses this log, stop it first: %w", err)
	}
	mark, err := s.readMark()
	if err != nil {
		return nil, err
	}
	if err := s.checkMark(mark); err != nil {
		return nil, err
	}
	s.mark, s.promised = mark.size, mark.size
	if err := s.rollForward(mark); err != nil {
		return nil, err
	}
	return s, s.settle()
}

// settle removes what lies beyond the log that was found, publishes it and makes
// it durable.
func (s *Store) settle() error {
	if err := s.removeBeyond(s.next.edge.size); err != nil {
		return err
	}
	f, err := s.frontierOf(&s.next)
	if err != nil {
		return err
	}
	if f.Root() != s.next.edge.root() {
		return corrupt(tileDir, "the tiles do not lead to one root")
	}
	s.next.frontier = f
	s.publish()
	if err := s.Sync(); err != nil {
		return err
	}
	// What a process did that ended before it could sync stands here as if it had
	// been done long ago: the log's own directories, a shorter edge file, edge files
	// that are gone.
	for _, p := range []string{edgePath(tilesAt(s.next.edge.size, 0)), edgeDir, ".", ".."} {
		if err := s.syncPath(p); err != nil {
			return err
		}
	}
	return s.removeEdges(func(n uint64) bool { return n < tilesAt(s.mark, 0) })
}

// readMark reads the mark, or writes the first one of an empty log.
func (s *Store) readMark() (*edge, error) {
	f, err := os.Open(s.path(markPath))
	if errors.Is(err, os.ErrNotExist) {
		return s.firstMark()
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, int64(maxMark)+1))
	if err != nil {
		return nil, err
	}
	return parseMark(b)
}

func (s *Store) firstMark() (*edge, error) {
	for _, d := range []string{edgeDir, tileDir} {
		list, err := os.ReadDir(s.path(d))
		if err != nil {
			return nil, err
		}
		for _, e := range list {
			if !strings.HasSuffix(e.Name(), ".tmp") {
				return nil, corrupt(markPath, "missing, but there is %s", path.Join(d, e.Name()))
			}
		}
	}
	e := &edge{}
	return e, s.writeMark(e)
}

func (s *Store) writeMark(e *edge) error {
	return s.replace(markPath, edgeDir+"/mark.tmp", true, func(w io.Writer) error {
		_, err := w.Write(encodeMark(e))
		return err
	})
}

// checkMark checks the tiles that the partial tiles of the mark stand on.
func (s *Store) checkMark(mark *edge) error {
	for level := 1; level < maxLevels; level++ {
		first := tilesAt(mark.size, level) * tileWidth
		for i, want := range mark.tiles[level] {
			hashes, err := s.readTile(level-1, first+uint64(i))
			if err != nil {
				return err
			}
			if subtreeRoot(hashes) != want {
				return corrupt(tilePath(level-1, first+uint64(i), tileWidth), "does not have the hash in its parent tile")
			}
		}
	}
	return nil
}

// rollForward starts from the last full bundle below the mark and takes in each
// further bundle and the edge file, as far as they are whole.
func (s *Store) rollForward(mark *edge) error {
	promised := mark.tiles[0]
	s.next.edge = *mark
	s.next.edge.size -= uint64(len(promised))
	s.next.edge.tiles[0] = nil
	for {
		n := tilesAt(s.next.edge.size, 0)
		leaves, whole := s.wholeBundle(n, promised)
		if whole != nil && !errors.Is(whole, ErrCorrupt) {
			return whole // the disk cannot be read, which says nothing about the log
		}
		if whole != nil {
			done, err := s.takeEdge(n, promised, whole)
			if done || err != nil {
				return err
			}
		} else if err := s.takeLeaves(leaves, true); err != nil {
			return err
		}
		promised = nil
	}
}

// wholeBundle reads bundle n and its hash tile. It returns why they are not
// whole, or do not begin with the promised leaves.
func (s *Store) wholeBundle(n uint64, promised []Hash) ([]Hash, error) {
	tile, err := s.readTile(0, n)
	if err != nil {
		return nil, err
	}
	name := tilePath(entriesLevel, n, tileWidth)
	f, err := os.Open(s.path(name))
	if errors.Is(err, os.ErrNotExist) {
		err = corrupt(name, "missing")
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r := newBundleReader(f, false)
	for i := range tileWidth {
		entry, _, err := r.next()
		if err != nil {
			return nil, readError(name, n*tileWidth+uint64(i), err)
		}
		if LeafHash(entry) != tile[i] || i < len(promised) && promised[i] != tile[i] {
			return nil, corrupt(name, "entry %d does not have the leaf hash of the tree", n*tileWidth+uint64(i))
		}
	}
	if end, err := r.atEnd(); err != nil || !end {
		return nil, errors.Join(err, corrupt(name, "bytes after the last entry of the bundle"))
	}
	return tile, nil
}

// takeLeaves adds leaves and writes the tiles that they complete. With bundled,
// bundle and tile of level 0 are there already.
func (s *Store) takeLeaves(leaves []Hash, bundled bool) error {
	for _, leaf := range leaves {
		err := s.next.edge.add(leaf, func(level int, n uint64, hashes []Hash) error {
			if level == 0 && bundled {
				return nil
			}
			return s.writeTile(level, n, hashes)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// takeEdge takes in the edge file n. It reports true when that is the growing
// one, false when it was full and has become a bundle. unbundled says why there
// is no whole bundle n.
func (s *Store) takeEdge(n uint64, promised []Hash, unbundled error) (bool, error) {
	f, err := os.OpenFile(s.path(edgePath(n)), os.O_RDWR, 0)
	if errors.Is(err, os.ErrNotExist) {
		if len(promised) > 0 {
			return true, corrupt(edgePath(n), "missing, with %d entries that were made durable (%v)", len(promised), unbundled)
		}
		return true, s.startEdge(n)
	}
	if err != nil {
		return true, err
	}
	s.file, s.held = f, nil
	leaves, offsets, err := scanEdge(f)
	if err != nil {
		return true, fmt.Errorf("read %s: %w", edgePath(n), err)
	}
	for i, want := range promised {
		if i >= len(leaves) || leaves[i] != want {
			return true, corrupt(edgePath(n), "entry %d, which was made durable, is damaged", n*tileWidth+uint64(i))
		}
	}
	s.next.offsets = offsets
	if err := s.cutEdge(n, offsets[len(offsets)-1]); err != nil {
		return true, err
	}
	if err := s.takeLeaves(leaves, false); err != nil || len(leaves) < tileWidth {
		return true, err
	}
	s.file = nil
	return false, f.Close()
}

// cutEdge shortens the growing edge file, if it is longer than size bytes. The
// cut is synced, or a whole record from beyond it could come to stand behind a
// new one after a loss of power.
func (s *Store) cutEdge(n uint64, size int64) error {
	info, err := s.file.Stat()
	if err != nil || info.Size() == size {
		return err
	}
	if err := s.step("truncate", edgePath(n)); err != nil {
		return err
	}
	if err := s.file.Truncate(size); err != nil {
		return err
	}
	return s.file.Sync()
}

// scanEdge reads the whole records of an edge file, at most a bundle of them, and
// stops without an error at the first that is torn or damaged.
func scanEdge(r io.Reader) (leaves []Hash, offsets []int64, err error) {
	offsets = append(make([]int64, 0, tileWidth+1), 0)
	b := newBundleReader(r, true)
	for len(leaves) < tileWidth {
		entry, leaf, err := b.next()
		if err == io.EOF || err == io.ErrUnexpectedEOF || err == nil && LeafHash(entry) != leaf {
			break
		}
		if err != nil {
			return nil, nil, err
		}
		leaves = append(leaves, leaf)
		offsets = append(offsets, offsets[len(offsets)-1]+recordSize(entry))
	}
	return leaves, offsets, nil
}

// removeBeyond removes every tile, bundle and edge file that a log of the given
// size does not have, durably, so that none of another history can come to stand
// in the log when it has grown again. The edge file that holds promised entries
// stays until their bundle is durable.
func (s *Store) removeBeyond(size uint64) error {
	err := fs.WalkDir(os.DirFS(s.dir), tileDir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		level, n, width, ok := parseTilePath(p)
		if !ok || width != tileWidth || n < tilesAt(size, max(level, 0)) {
			return nil
		}
		if err := s.remove(p); err != nil {
			return err
		}
		return s.syncPath(path.Dir(p))
	})
	if err != nil {
		return err
	}
	return s.removeEdges(func(n uint64) bool { return n > tilesAt(size, 0) })
}
