package tlog

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strconv"
)

// Sync makes everything appended before the call durable: files, directories,
// and the mark that says so. It may run beside Append. After an error the process
// must stop: see Store.
func (s *Store) Sync() error {
	s.smu.Lock()
	defer s.smu.Unlock()
	s.wmu.Lock()
	v, err := s.view.Load(), s.failed
	if err == nil {
		s.promised = max(s.promised, v.edge.size)
	}
	s.wmu.Unlock()
	if err != nil || v.edge.size == s.mark {
		return err
	}
	if err = s.syncTo(v); err == nil {
		s.mark = v.edge.size
		// The bundles are durable now, so the edge files they came from may go.
		err = s.removeEdges(func(n uint64) bool { return n < tilesAt(s.mark, 0) })
	}
	if err == nil {
		return nil
	}
	s.wmu.Lock()
	defer s.wmu.Unlock()
	return s.fail(fmt.Errorf("sync log: %w", err))
}

// syncTo syncs what was written between the mark and v, then moves the mark.
func (s *Store) syncTo(v *view) error {
	if err := s.syncTiles(entriesLevel, s.mark, v.edge.size); err != nil {
		return err
	}
	for level := range maxLevels {
		if err := s.syncTiles(level, s.mark, v.edge.size); err != nil {
			return err
		}
	}
	// Without entries in it the edge file may have been completed and removed since.
	err := s.syncPath(edgePath(tilesAt(v.edge.size, 0)))
	if err != nil && (!errors.Is(err, os.ErrNotExist) || widthAt(v.edge.size, 0) > 0) {
		return err
	}
	if err := s.syncPath(edgeDir); err != nil {
		return err
	}
	return s.writeMark(&v.edge)
}

// syncTiles syncs the full tiles of a level that a log gains when it grows, and
// all directories on the way to them.
func (s *Store) syncTiles(level int, from, to uint64) error {
	last := ""
	for n := tilesAt(from, max(level, 0)); n < tilesAt(to, max(level, 0)); n++ {
		p := tilePath(level, n, tileWidth)
		if err := s.syncPath(p); err != nil {
			return err
		}
		if dir := path.Dir(p); dir != last && last != "" {
			if err := s.syncDirs(last); err != nil {
				return err
			}
		}
		last = path.Dir(p)
	}
	if last == "" {
		return nil
	}
	return s.syncDirs(last)
}

// syncDirs syncs a directory and all above it, down from the log's own.
func (s *Store) syncDirs(dir string) error {
	for ; ; dir = path.Dir(dir) {
		if err := s.syncPath(dir); err != nil || dir == "." {
			return err
		}
	}
}

func (s *Store) syncPath(p string) error {
	if err := s.step("sync", p); err != nil {
		return err
	}
	f, err := os.Open(s.path(p))
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// removeEdges removes the edge files whose bundle number is chosen.
func (s *Store) removeEdges(chosen func(n uint64) bool) error {
	list, err := os.ReadDir(s.path(edgeDir))
	if err != nil {
		return err
	}
	removed := false
	for _, e := range list {
		n, err := strconv.ParseUint(e.Name(), 10, 64)
		if err != nil || edgePath(n) != path.Join(edgeDir, e.Name()) || !chosen(n) {
			continue
		}
		if err := s.remove(edgePath(n)); err != nil {
			return err
		}
		removed = true
	}
	if !removed {
		return nil
	}
	return s.syncPath(edgeDir)
}

// Truncate cuts the log back to size, durably; size must not be above Size.
// Append and Sync wait for it; what reads beside it may fail.
//
// Order, so that a crash at any point leaves a log that Open accepts, of the old
// size, the new size, or one between: first the mark is lowered, then the edge
// file is made from the bundle that becomes partial, then the tiles and bundles
// beyond are removed. After an error the process must stop: see Store.
func (s *Store) Truncate(size uint64) error {
	s.smu.Lock()
	defer s.smu.Unlock()
	s.wmu.Lock()
	defer s.wmu.Unlock()
	v := s.view.Load()
	if s.failed != nil {
		return s.failed
	}
	if size > v.edge.size {
		return fmt.Errorf("truncate log to %d: it has %d entries", size, v.edge.size)
	}
	if size == v.edge.size {
		return nil
	}
	// Reading comes before the first change: a corrupt tile fails here with the
	// files as they were.
	e, err := s.edgeAt(v, size)
	if err != nil {
		return fmt.Errorf("truncate log to %d: %w", size, err)
	}
	if err := s.truncate(v, e); err != nil {
		return s.fail(fmt.Errorf("truncate log to %d: %w", size, err))
	}
	return nil
}

func (s *Store) truncate(v *view, e edge) error {
	if e.size < s.mark {
		if err := s.writeMark(&e); err != nil {
			return err
		}
		s.mark = e.size
	}
	s.promised, s.held = s.mark, nil
	n, w := tilesAt(e.size, 0), widthAt(e.size, 0)
	offsets := append(make([]int64, 0, tileWidth+1), 0)
	if n == tilesAt(v.edge.size, 0) {
		offsets = append(offsets, v.offsets[1:w+1]...)
		if err := s.cutEdge(n, offsets[w]); err != nil {
			return err
		}
		if err := s.syncPath(edgePath(n)); err != nil {
			return err
		}
	} else if err := s.edgeFromBundle(v, n, w, &offsets); err != nil {
		return err
	}
	s.next = view{edge: e, offsets: offsets}
	f, err := s.frontierOf(&s.next)
	if err != nil {
		return err
	}
	s.next.frontier = f
	s.publish()
	return s.removeBeyond(e.size)
}

// edgeFromBundle writes the edge file n with the first w entries of bundle n, and
// makes it the growing one.
func (s *Store) edgeFromBundle(v *view, n uint64, w int, offsets *[]int64) error {
	err := s.replace(edgePath(n), edgeDir+"/edge.tmp", true, func(out io.Writer) error {
		return s.scanBundle(v, n, 0, w, func(_ uint64, entry []byte) error {
			*offsets = append(*offsets, (*offsets)[len(*offsets)-1]+recordSize(entry))
			_, err := out.Write(appendRecord(nil, entry, LeafHash(entry)))
			return err
		})
	})
	if err != nil {
		return err
	}
	f, err := os.OpenFile(s.path(edgePath(n)), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	old := s.file
	s.file = f
	return old.Close()
}
