package tlog

import "fmt"

// Export writes the log of the given size as a complete C2SP tlog-tiles
// directory, partial tiles included: each file by one call of w with its path,
// which uses slashes. The checkpoint file is the caller's. The tree is computed
// again from the entries; what does not agree with the tiles on disk is
// ErrCorrupt. Only one bundle is in memory at a time. data is valid during the
// call only.
func (s *Store) Export(w func(path string, data []byte) error, size uint64) error {
	v := s.view.Load()
	if size > v.edge.size {
		return fmt.Errorf("export log of size %d: it has %d entries", size, v.edge.size)
	}
	var e edge
	var buf []byte
	for from := uint64(0); from < size; from += tileWidth {
		n := from / tileWidth
		width := int(min(size-from, tileWidth))
		buf = buf[:0]
		err := s.scanBundle(v, n, 0, width, func(_ uint64, entry []byte) error {
			buf = appendEntry(buf, entry)
			return e.add(LeafHash(entry), func(level int, n uint64, hashes []Hash) error {
				return w(tilePath(level, n, tileWidth), appendHashes(nil, hashes))
			})
		})
		if err != nil {
			return err
		}
		if err := w(tilePath(entriesLevel, n, width), buf); err != nil {
			return err
		}
	}
	want, err := s.RootAt(size)
	if err != nil {
		return err
	}
	if e.root() != want {
		return corrupt(tileDir, "the entries do not lead to the root of size %d", size)
	}
	for level, hashes := range e.tiles {
		if len(hashes) == 0 {
			continue
		}
		if err := w(tilePath(level, tilesAt(size, level), len(hashes)), appendHashes(nil, hashes)); err != nil {
			return err
		}
	}
	return nil
}

// Scrub reads all files again that hold the entries from..to-1, whole bundles at
// a time: it computes leaf hashes from the entries and tile hashes from the
// leaves up to the root in memory, and checks the mark. ErrCorrupt names the
// place. It may run beside Append and Sync, not beside Truncate; call it for parts
// of the log to spread the load. It returns how many bytes of entries it read.
func (s *Store) Scrub(from, to uint64) (read int64, err error) {
	mark, err := s.readMark()
	if err != nil {
		return 0, err
	}
	v := s.view.Load()
	if from > to || to > v.edge.size {
		return 0, fmt.Errorf("scrub entries %d to %d: the log has %d", from, to, v.edge.size)
	}
	root, err := s.RootAt(mark.size)
	if err != nil {
		return 0, err
	}
	if root != mark.root() {
		return 0, corrupt(markPath, "does not have the root of size %d", mark.size)
	}
	if from == to {
		return 0, nil
	}
	for n := from / tileWidth; n <= (to-1)/tileWidth; n++ {
		width := int(min(v.edge.size-n*tileWidth, tileWidth))
		err := s.scanBundle(v, n, 0, width, func(_ uint64, entry []byte) error {
			read += recordSize(entry)
			return nil
		})
		if err != nil {
			return read, err
		}
	}
	return read, nil
}
