package tlog

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"path"
)

// Archive reads a log exported as a C2SP tlog-tiles directory. The directory may
// come from an adversary: every file must be one that the size calls for, regular
// and whole, and memory stays at one entry and one tile for each level.
// An Archive is not safe for concurrent use.
type Archive struct {
	fsys fs.FS
	size uint64
	root *Hash // set once everything has been read and checked
}

// dirBatch is how many names of a directory are held at a time.
const dirBatch = 256

// OpenArchive checks that below tile/ there is exactly the set of files that a
// log of the given size has: none missing, none more, all regular. Other files,
// such as the checkpoint, are not looked at. What is in the files is checked by
// Entries and Root.
func OpenArchive(fsys fs.FS, size uint64) (*Archive, error) {
	if size >= MaxSize {
		return nil, fmt.Errorf("open archive: size %d is not below %d", size, uint64(MaxSize))
	}
	a := &Archive{fsys: fsys, size: size}
	if size == 0 {
		if _, err := fs.Stat(fsys, tileDir); errors.Is(err, fs.ErrNotExist) {
			return a, nil
		}
	}
	found, err := a.countFiles(tileDir)
	if err != nil {
		return nil, fmt.Errorf("open archive: %w", err)
	}
	if want := archiveFiles(size); found != want {
		return nil, fmt.Errorf("open archive: %w", a.firstMissing(want-found))
	}
	return a, nil
}

// archiveFiles is the number of files of a complete directory.
func archiveFiles(size uint64) uint64 {
	n := uint64(0)
	for level := entriesLevel; level < maxLevels; level++ {
		n += tilesAt(size, max(level, 0))
		if widthAt(size, max(level, 0)) > 0 {
			n++
		}
	}
	return n
}

// firstMissing names the first file that is absent.
func (a *Archive) firstMissing(missing uint64) error {
	for level := entriesLevel; level < maxLevels; level++ {
		full, w := tilesAt(a.size, max(level, 0)), widthAt(a.size, max(level, 0))
		for n := uint64(0); n <= full; n++ {
			width := tileWidth
			if n == full {
				width = w
			}
			if width == 0 {
				continue
			}
			name := tilePath(level, n, width)
			if _, err := fs.Stat(a.fsys, name); err != nil {
				return corrupt(name, "missing (%d files are)", missing)
			}
		}
	}
	return corrupt(tileDir, "the files changed while they were counted")
}

// countFiles counts the files below dir and refuses any that is not one of this
// log. Directories nest no deeper than the paths of this log do.
func (a *Archive) countFiles(dir string) (uint64, error) {
	info, err := fs.Lstat(a.fsys, dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return 0, corrupt(dir, "missing")
	case err != nil:
		return 0, err
	case !info.IsDir(): // to open a pipe would wait for whoever writes to it
		return 0, corrupt(dir, "is no directory")
	}
	f, err := a.fsys.Open(dir)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	d, ok := f.(fs.ReadDirFile)
	if !ok {
		return 0, corrupt(dir, "is not a directory")
	}
	total := uint64(0)
	for {
		list, err := d.ReadDir(dirBatch)
		for _, e := range list {
			n, err := a.countEntry(path.Join(dir, e.Name()), e)
			if err != nil {
				return 0, err
			}
			total += n
		}
		if err == io.EOF {
			return total, nil
		}
		if err != nil {
			return 0, err
		}
	}
}

func (a *Archive) countEntry(p string, e fs.DirEntry) (uint64, error) {
	if e.IsDir() {
		if bytes.Count([]byte(p), []byte("/")) > 8 {
			return 0, corrupt(p, "does not belong to a log of size %d, remove it", a.size)
		}
		return a.countFiles(p)
	}
	level, n, width, ok := parseTilePath(p)
	if ok {
		full := tilesAt(a.size, max(level, 0))
		ok = n < full && width == tileWidth || n == full && width == widthAt(a.size, max(level, 0))
	}
	if !ok || !e.Type().IsRegular() {
		return 0, corrupt(p, "does not belong to a log of size %d, remove it", a.size)
	}
	return 1, nil
}

// Size is the size that the archive was opened with.
func (a *Archive) Size() uint64 { return a.size }

// Root computes the root from the entries and compares every hash tile on the
// way; a file with a changed byte is ErrCorrupt and is named. It reads the whole
// archive, unless Entries(0, Size) has done so to the end already. The caller
// compares the root with a checkpoint.
func (a *Archive) Root() (Hash, error) {
	if a.root == nil {
		for _, err := range a.Entries(0, a.size) {
			if err != nil {
				return Hash{}, err
			}
		}
	}
	return *a.root, nil
}

// Entries reads the entries from..to-1 in order, each checked against its hash
// tile of level 0. From 0 on it also computes the tree and compares each tile of
// the levels above as soon as it is complete, and at Size the partial ones. So
// entries can be trusted only when the last one has been read and Root agrees
// with a checkpoint. It stops after the first error. Each entry is a fresh slice.
func (a *Archive) Entries(from, to uint64) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for leaf, err := range a.Leaves(from, to) {
			if !yield(leaf.Entry, err) {
				return
			}
		}
	}
}

// Leaf is an entry with its hash.
type Leaf struct {
	Entry []byte
	Hash  Hash // LeafHash of Entry, computed from it
}

// Leaves is Entries with the leaf hash of each entry.
func (a *Archive) Leaves(from, to uint64) iter.Seq2[Leaf, error] {
	return func(yield func(Leaf, error) bool) {
		if from > to || to > a.size {
			yield(Leaf{}, fmt.Errorf("read entries %d to %d: the archive has %d", from, to, a.size))
			return
		}
		err := a.stream(from, to, yield)
		if err != nil && err != errStop {
			yield(Leaf{}, err)
		}
	}
}

func (a *Archive) stream(from, to uint64, yield func(Leaf, error) bool) error {
	var e *edge
	if from == 0 {
		e = &edge{}
	}
	for at := from; at < to; at = min(to, (at/tileWidth+1)*tileWidth) {
		if err := a.streamBundle(e, at, min(to, (at/tileWidth+1)*tileWidth), yield); err != nil {
			return err
		}
	}
	if e == nil || to != a.size {
		return nil
	}
	for level, hashes := range e.tiles {
		if len(hashes) == 0 {
			continue
		}
		if err := a.compareTile(level, tilesAt(a.size, level), hashes); err != nil {
			return err
		}
	}
	root := e.root()
	a.root = &root
	return nil
}

// streamBundle yields the entries from..to-1, all of one bundle, and adds them to e.
func (a *Archive) streamBundle(e *edge, from, to uint64, yield func(Leaf, error) bool) error {
	n := from / tileWidth
	width := int(min(a.size-n*tileWidth, tileWidth))
	want, err := a.readTile(0, n, width)
	if err != nil {
		return err
	}
	name := tilePath(entriesLevel, n, width)
	f, err := a.fsys.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	r := newBundleReader(f, false)
	for index := n * tileWidth; index < to; index++ {
		if index < from {
			if err := r.skip(); err != nil {
				return readError(name, index, err)
			}
			continue
		}
		entry, _, err := r.next()
		if err != nil {
			return readError(name, index, err)
		}
		leaf := LeafHash(entry)
		if leaf != want[index%tileWidth] {
			return corrupt(name, "entry %d does not have the leaf hash in %s", index, tilePath(0, n, width))
		}
		if !yield(Leaf{entry, leaf}, nil) {
			return errStop
		}
		if e != nil {
			if err := e.add(leaf, a.compareTile); err != nil {
				return err
			}
		}
	}
	if to%tileWidth != 0 && to != a.size {
		return nil
	}
	if end, err := r.atEnd(); err != nil {
		return readError(name, to, err)
	} else if !end {
		return corrupt(name, "bytes after the last entry of the bundle")
	}
	return nil
}

// compareTile compares a tile file with the hashes it must have. Those of level
// 0 have been compared entry by entry.
func (a *Archive) compareTile(level int, n uint64, hashes []Hash) error {
	if level == 0 {
		return nil
	}
	got, err := a.readTile(level, n, len(hashes))
	if err != nil {
		return err
	}
	for i := range hashes {
		if got[i] != hashes[i] {
			return corrupt(tilePath(level, n, len(hashes)), "hash %d is not that of the tile below", i)
		}
	}
	return nil
}

func (a *Archive) readTile(level int, n uint64, width int) ([]Hash, error) {
	name := tilePath(level, n, width)
	f, err := a.fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := readExactly(f, width*len(Hash{}))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if b == nil {
		return nil, corrupt(name, "is not %d bytes long", width*len(Hash{}))
	}
	return parseHashes(b), nil
}
