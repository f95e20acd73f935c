package tlog

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
)

// maxWrite bounds the memory of one write to the edge, in bytes; a longer Append
// is cut into several writes.
const maxWrite = 1 << 20

// maxHeld bounds the memory for what a growing bundle will hold, in bytes; a
// larger bundle is made from the edge file.
const maxHeld = 2 << 20

// maxBundles is how many completed bundles are remembered by their places: a
// tender or receipt is asked for soon after its entry was made.
const maxBundles = 16

// ErrClosed is returned by Append, Sync and Truncate of a closed Store. Reads of
// one may succeed or fail.
var ErrClosed = errors.New("log store is closed")

// Store is a log on disk. Full tiles and entry bundles lie where C2SP tlog-tiles
// puts them, tile/<L>/<N> and tile/entries/<N>, and never change. The bundle that
// still grows is one append-only file, edge/<N> (see appendRecord), so that an
// append is one write. edge/mark says how much has been made durable.
//
// A Store belongs to one process, which Open ensures with a lock on edge/. In
// that process one goroutine appends; readers and one Sync may run beside it.
// Readers see a consistent tree while it grows; those that run during a Truncate
// may fail, but never get wrong data. Memory is flat: the partial tiles, 8 KiB
// for each of at most seven levels, the offsets in the edge, 10 KiB for each of
// maxBundles, and at most maxHeld of entries.
//
// After a failed write or sync the state of the files is unknown. The Store then
// returns that first error from every later Append, Sync and Truncate: the
// process must stop, and Open cuts the log back to what is whole.
type Store struct {
	dir  string
	lock *os.File
	hook func(op, path string) error // called before each change to the files; for tests of crashes
	view atomic.Pointer[view]

	smu  sync.Mutex // held by Sync, Truncate, Close; taken before wmu
	mark uint64     // size that edge/mark promises; guarded by smu

	wmu      sync.Mutex // guards what follows
	next     view       // the state that is published as view after each change
	file     *os.File   // edge file of the growing bundle
	promised uint64     // entries below it must survive; at least mark, ahead of it while a Sync runs
	held     []byte     // what the growing bundle holds so far; nil if only the edge file has it all
	buf      []byte     // records of one write, at most maxWrite and one entry
	leaves   []Hash     // and their leaf hashes
	failed   error      // first error that left the files in an unknown state, or ErrClosed
}

// view is one consistent state of the log. Its slices only ever grow past its
// own length, so it may be read without a lock.
type view struct {
	edge     edge
	frontier Frontier
	offsets  []int64  // start of each record of the edge file, and the end of the last
	bundles  []bundle // those that were completed last, since the log was opened or cut
}

// bundle is what a completed bundle is read with: its leaf hashes, and the
// offsets that its records had in the edge file.
type bundle struct {
	n       uint64
	leaves  []Hash
	offsets []int64
}

// Size is the number of entries.
func (s *Store) Size() uint64 { return s.view.Load().edge.size }

// Root is the root of the tree of Size entries, from memory.
func (s *Store) Root() Hash { return s.view.Load().frontier.Root() }

// Frontier is the right edge of the tree of Size entries, from memory.
func (s *Store) Frontier() Frontier { return s.view.Load().frontier.Clone() }

// Append adds entries at the end, in order, without fsync. An entry longer than
// MaxEntry fails the call before anything is written. Any other error means that
// the process must stop: see Store. Only one goroutine may append.
func (s *Store) Append(entries ...[]byte) error {
	for _, e := range entries {
		if len(e) > MaxEntry {
			return fmt.Errorf("append: entry of %d bytes, at most %d are possible", len(e), MaxEntry)
		}
	}
	s.wmu.Lock()
	defer s.wmu.Unlock()
	if s.failed != nil {
		return s.failed
	}
	if s.next.edge.size+uint64(len(entries)) >= MaxSize {
		return fmt.Errorf("append: the log would reach %d entries", uint64(MaxSize))
	}
	for len(entries) > 0 {
		n, err := s.appendChunk(entries)
		if err != nil {
			return s.fail(fmt.Errorf("append to log: %w", err))
		}
		entries = entries[n:]
	}
	return nil
}

// appendChunk writes as many of entries as fit in one write and in the growing
// bundle, and returns their number.
func (s *Store) appendChunk(entries [][]byte) (int, error) {
	buf, leaves := s.buf[:0], s.leaves[:0]
	start := s.next.offsets[len(s.next.offsets)-1]
	offsets := s.next.offsets
	room := tileWidth - widthAt(s.next.edge.size, 0)
	for _, e := range entries {
		if len(leaves) == room || len(leaves) > 0 && len(buf)+len(e) > maxWrite {
			break
		}
		leaf := LeafHash(e)
		buf = appendRecord(buf, e, leaf)
		leaves = append(leaves, leaf)
		offsets = append(offsets, start+int64(len(buf)))
	}
	s.buf, s.leaves = buf, leaves
	n := tilesAt(s.next.edge.size, 0)
	if err := s.step("write", edgePath(n)); err != nil {
		return 0, err
	}
	if _, err := s.file.WriteAt(buf, start); err != nil {
		return 0, err
	}
	s.next.offsets = offsets
	s.hold(entries[:len(leaves)])
	for _, leaf := range leaves {
		s.next.frontier.Append(leaf)
		if err := s.next.edge.add(leaf, s.writeTile); err != nil {
			return 0, err
		}
	}
	if len(leaves) == room {
		if err := s.startEdge(n + 1); err != nil {
			return 0, err
		}
	}
	s.publish()
	if len(leaves) == room && n*tileWidth >= s.promised {
		// Nothing of the old edge file was promised, so it may go before its
		// bundle is durable. Readers find the bundle through the new view.
		if err := s.remove(edgePath(n)); err != nil {
			return 0, err
		}
	}
	return len(leaves), nil
}

// hold keeps entries for the bundle that they will stand in, so that they need not
// be read back when it is full.
func (s *Store) hold(entries [][]byte) {
	for _, e := range entries {
		if s.held == nil {
			return
		}
		if len(s.held)+2+len(e) > maxHeld {
			s.held = nil
			return
		}
		s.held = appendEntry(s.held, e)
	}
}

// publish makes the current state visible to readers.
func (s *Store) publish() {
	v := s.next
	v.frontier = v.frontier.Clone()
	s.view.Store(&v)
}

// startEdge creates the empty edge file of bundle n and makes it the growing one.
func (s *Store) startEdge(n uint64) error {
	if err := s.step("create", edgePath(n)); err != nil {
		return err
	}
	f, err := os.OpenFile(s.path(edgePath(n)), os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o640)
	if err != nil {
		return err
	}
	if s.file != nil {
		if err := s.file.Close(); err != nil {
			return errors.Join(err, f.Close())
		}
	}
	s.file = f
	s.held = slices.Grow(s.held[:0], 1) // empty, and not nil
	s.next.offsets = append(make([]int64, 0, tileWidth+1), 0)
	return nil
}

// writeTile writes a full tile; with one of level 0 first the entry bundle, from
// what is held of it in memory, or from the edge file.
func (s *Store) writeTile(level int, n uint64, hashes []Hash) error {
	if level == 0 {
		if err := s.writeBundle(n, hashes); err != nil {
			return err
		}
		// A fresh slice: readers may hold the old one.
		old := s.next.bundles[max(0, len(s.next.bundles)+1-maxBundles):]
		s.next.bundles = append(slices.Clone(old), bundle{n, hashes, s.next.offsets})
	}
	return s.replace(tilePath(level, n, tileWidth), edgeDir+"/tile.tmp", false, func(w io.Writer) error {
		_, err := w.Write(appendHashes(make([]byte, 0, tileBytes), hashes))
		return err
	})
}

// writeBundle makes bundle n, which is full: of what is held, or of the edge file,
// which goes away after it. On a quiet line memory holds entries for days: what is
// no longer what came is not written.
func (s *Store) writeBundle(n uint64, leaves []Hash) error {
	if holds(s.held, leaves) {
		return s.replace(tilePath(entriesLevel, n, tileWidth), edgeDir+"/tile.tmp", false, func(w io.Writer) error {
			_, err := w.Write(s.held)
			return err
		})
	}
	in, err := os.Open(s.path(edgePath(n)))
	if err != nil {
		return err
	}
	defer in.Close()
	return s.replace(tilePath(entriesLevel, n, tileWidth), edgeDir+"/tile.tmp", false, func(w io.Writer) error {
		r := newBundleReader(in, true)
		for i := range tileWidth {
			entry, leaf, err := r.next()
			if err != nil || LeafHash(entry) != leaf {
				return corrupt(edgePath(n), "record %d is damaged", i)
			}
			if _, err := w.Write(appendEntry(nil, entry)); err != nil {
				return err
			}
		}
		return nil
	})
}

// replace writes a file under a temporary name and then renames it, so that it
// is whole or absent. With durable it also syncs the file and its directory.
func (s *Store) replace(path, tmp string, durable bool, write func(io.Writer) error) error {
	if err := s.step("write", path); err != nil {
		return err
	}
	f, err := os.OpenFile(s.path(tmp), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o640)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 1<<16)
	err = write(w)
	if err == nil {
		err = w.Flush()
	}
	if err == nil && durable {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(s.path(path)), 0o750); err != nil {
		return err
	}
	if err := s.step("rename", path); err != nil {
		return err
	}
	if err := os.Rename(s.path(tmp), s.path(path)); err != nil {
		return err
	}
	if durable {
		return s.syncPath(filepath.Dir(path))
	}
	return nil
}

// holds reports whether a bundle has exactly the entries of these leaves.
func holds(bundle []byte, leaves []Hash) bool {
	for _, leaf := range leaves {
		if len(bundle) < 2 {
			return false
		}
		n := 2 + int(binary.BigEndian.Uint16(bundle))
		if n > len(bundle) || LeafHash(bundle[2:n]) != leaf {
			return false
		}
		bundle = bundle[n:]
	}
	return len(bundle) == 0
}

// remove deletes a file, which may be absent already.
func (s *Store) remove(path string) error {
	if err := s.step("remove", path); err != nil {
		return err
	}
	if err := os.Remove(s.path(path)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

func (s *Store) step(op, path string) error {
	if s.hook == nil {
		return nil
	}
	return s.hook(op, path)
}

func (s *Store) path(rel string) string { return filepath.Join(s.dir, filepath.FromSlash(rel)) }

// fail records the error that ends the use of this Store; wmu is held.
func (s *Store) fail(err error) error {
	if s.failed == nil {
		s.failed = fmt.Errorf("%w (stop the process; the log is checked when it is opened again)", err)
	}
	return s.failed
}

// Close releases the files. It does not sync: what was appended since the last
// Sync survives the end of the process, but not a loss of power. Readers must
// have ended.
func (s *Store) Close() error {
	s.smu.Lock()
	defer s.smu.Unlock()
	s.wmu.Lock()
	defer s.wmu.Unlock()
	if errors.Is(s.failed, ErrClosed) {
		return nil
	}
	s.failed = ErrClosed
	var err error
	if s.file != nil {
		err = s.file.Close()
	}
	return errors.Join(err, s.lock.Close())
}
