package audit

import (
	"errors"
	"fmt"
	"sync"

	"example.org/hotline/crypto/tlog"
)

// source is the entries of an export, in order and by index.
type source interface {
	// each calls fn with every leaf in order until fn fails; an entry that is
	// hidden has no raw bytes, but its leaf hash.
	each(fn func(leaf leaf) error) error
	// entry reads one shown entry again. It is safe for concurrent use. The
	// caller compares the leaf hash with that of the first reading.
	entry(index uint64, offset int64) ([]byte, error)
	close()
}

// leaf is one leaf as it is read.
type leaf struct {
	index  uint64
	offset int64     // in the file of a pair export
	raw    []byte    // nil: hidden
	hash   tlog.Hash // zero: not computed yet
}

// tiles is the source of a full export.
type tiles struct {
	x    *export
	all  *tlog.Archive
	mu   sync.Mutex
	some *tlog.Archive // for single entries: an Archive serves one reader at a time
}

func openTiles(x *export) (source, error) {
	t := &tiles{x: x}
	var err error
	if t.all, err = tlog.OpenArchive(x.root.FS(), x.head.Size); err != nil {
		return nil, unusable(x.dir, "", "%v", err)
	}
	if t.some, err = tlog.OpenArchive(x.root.FS(), x.head.Size); err != nil {
		return nil, unusable(x.dir, "", "%v", err)
	}
	return t, nil
}

func (t *tiles) each(fn func(leaf) error) error {
	index := uint64(0)
	for l, err := range t.all.Leaves(0, t.x.head.Size) {
		if err != nil {
			return unusable(t.x.dir, "", "%v", err)
		}
		if err := fn(leaf{index: index, raw: l.Entry, hash: l.Hash}); err != nil {
			return err
		}
		index++
	}
	return nil
}

func (t *tiles) entry(index uint64, _ int64) ([]byte, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var found []byte
	for raw, err := range t.some.Entries(index, index+1) {
		if err != nil {
			return nil, err
		}
		found = raw
	}
	if found == nil {
		return nil, fmt.Errorf("entry %d: %w", index, errors.ErrUnsupported)
	}
	return found, nil
}

func (t *tiles) close() {}
