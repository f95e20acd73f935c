package audit

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"example.org/hotline/crypto/tlog"
	"example.org/hotline/hotline"
)

// A pair bundle is a file of records. Each is a uint32 with the length, the
// most significant byte first, and that many bytes of deterministic CBOR
// (SPEC §2): first the header, then one record per leaf in order, either the
// whole entry or the hash of the leaf. Nothing follows the last one.
const (
	bundleMagic  = "hotline pair bundle/1"
	maxRecord    = hotline.MaxEntry + 16
	bundleBuffer = 1 << 16
)

type bundleHeader struct {
	_          struct{} `cbor:",toarray"`
	Magic      string
	Party      hotline.Party
	With       hotline.Party
	Generation uint64
	Size       uint64
}

// bundleRecord is one leaf: Shown with the entry, or hidden with its hash.
type bundleRecord struct {
	_     struct{} `cbor:",toarray"`
	Shown bool
	Bytes []byte
}

func headerOf(h Head) bundleHeader {
	return bundleHeader{Magic: bundleMagic, Party: h.Party, With: h.With, Generation: h.Generation, Size: h.Size}
}

// putRecord writes one record.
func putRecord(w io.Writer, v any) error {
	b, err := hotline.Marshal(v)
	if err != nil {
		return err
	}
	if _, err := w.Write(binary.BigEndian.AppendUint32(nil, uint32(len(b)))); err != nil {
		return err
	}
	_, err = w.Write(b)
	return err
}

// bundleReader reads a pair bundle strictly, one record at a time.
type bundleReader struct {
	r      *bufio.Reader
	offset int64 // of the next record
	buf    []byte
}

func newBundleReader(r io.Reader) *bundleReader {
	return &bundleReader{r: bufio.NewReaderSize(r, bundleBuffer)}
}

// next reads the bytes of one record; they are valid until the next call. At
// the end it returns io.EOF, within a record io.ErrUnexpectedEOF.
func (b *bundleReader) next() ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(b.r, head[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n == 0 || n > maxRecord {
		return nil, fmt.Errorf("record of %d bytes, 1 to %d are possible", n, maxRecord)
	}
	if cap(b.buf) < int(n) {
		b.buf = make([]byte, n)
	}
	b.buf = b.buf[:n]
	if _, err := io.ReadFull(b.r, b.buf); err != nil {
		return nil, io.ErrUnexpectedEOF
	}
	b.offset += int64(n) + 4
	return b.buf, nil
}

func (b *bundleReader) header() (h bundleHeader, err error) {
	raw, err := b.next()
	if err != nil {
		return h, err
	}
	if err := hotline.Unmarshal(raw, &h, maxRecord); err != nil {
		return h, err
	}
	if h.Magic != bundleMagic || !h.Party.Valid() || !h.With.Valid() {
		return h, errors.New("not a pair bundle of this version")
	}
	return h, nil
}

// leaf reads one leaf. The entry is a fresh slice.
func (b *bundleReader) leaf(index uint64) (leaf, error) {
	l := leaf{index: index, offset: b.offset}
	raw, err := b.next()
	if err != nil {
		return l, err
	}
	rec, err := decodeRecord(raw)
	if err != nil {
		return l, err
	}
	if rec.Shown {
		l.raw = rec.Bytes
	} else {
		l.hash = tlog.Hash(rec.Bytes)
	}
	return l, nil
}

func decodeRecord(raw []byte) (rec bundleRecord, err error) {
	if err := hotline.Unmarshal(raw, &rec, maxRecord); err != nil {
		return rec, err
	}
	switch {
	case rec.Shown && (len(rec.Bytes) == 0 || len(rec.Bytes) > hotline.MaxEntry):
		return rec, fmt.Errorf("an entry of %d bytes", len(rec.Bytes))
	case !rec.Shown && len(rec.Bytes) != len(tlog.Hash{}):
		return rec, fmt.Errorf("a leaf hash of %d bytes", len(rec.Bytes))
	}
	return rec, nil
}

// bundle is the source of a pair export.
type bundle struct {
	x *export
	f *os.File
}

func openBundle(x *export) (source, error) {
	f, err := x.openFile(FileBundle)
	if err != nil {
		return nil, err
	}
	return &bundle{x, f}, nil
}

func (b *bundle) each(fn func(leaf) error) error {
	size := b.x.head.Size
	r := newBundleReader(io.NewSectionReader(b.f, 0, 1<<62))
	h, err := r.header()
	if err != nil {
		return unusable(b.x.dir, FileBundle, "header: %v", err)
	}
	if h != headerOf(b.x.head) {
		return unusable(b.x.dir, FileBundle, "its header is of another export than %s", FileHead)
	}
	for index := range size {
		l, err := r.leaf(index)
		if err != nil {
			return unusable(b.x.dir, FileBundle, "leaf %d: %v", index, err)
		}
		if err := fn(l); err != nil {
			return err
		}
	}
	if _, err := r.next(); err != io.EOF {
		return unusable(b.x.dir, FileBundle, "bytes after the last leaf")
	}
	return nil
}

func (b *bundle) entry(index uint64, offset int64) ([]byte, error) {
	l, err := newBundleReader(io.NewSectionReader(b.f, offset, maxRecord+4)).leaf(index)
	if err == nil && l.raw == nil {
		err = fmt.Errorf("entry %d is not shown", index)
	}
	return l.raw, err
}

func (b *bundle) close() { b.f.Close() }

// WritePair writes to outDir, which must not exist yet, the pair export of the
// full export in fullDir that shows what concerns its party and with (SPEC
// §7.6): all common entries; the entries of the pair; and of every case in
// which with appears in a scope, the entries whose scope names with or nobody
// but the own party. Every other leaf is shown as its hash. It reads the full
// export twice and holds the names of those cases in memory.
func WritePair(fullDir, outDir string, with hotline.Party) error {
	x, err := openExport(fullDir)
	if err != nil {
		return err
	}
	defer x.close()
	h := x.head
	if h.Kind != Full || !with.Valid() || with == h.Party {
		return fmt.Errorf("export: a pair export is made of a full export of %s and another party", h.Party)
	}
	cases, err := casesWith(x, with)
	if err != nil {
		return err
	}
	h.Kind, h.With = Pair, with
	return whole(outDir, func(tmp string) error {
		if err := writeBundle(filepath.Join(tmp, FileBundle), x, h, cases); err != nil {
			return err
		}
		return writeEnds(tmp, h, x.checkpoint, x.cosigned)
	})
}

// caseSet holds cases by their name.
type caseSet map[string]bool

// casesWith reads the export once: it finds the cases in which a party appears,
// and makes sure that the entries are those of the checkpoint.
func casesWith(x *export, with hotline.Party) (caseSet, error) {
	cases := caseSet{}
	var tree tlog.Frontier
	err := x.src.each(func(l leaf) error {
		tree.Append(tlog.LeafHash(l.raw))
		e, _, err := hotline.DecodeEntry(l.raw)
		if err != nil {
			return unusable(x.dir, "", "entry %d: %v", l.index, err)
		}
		if e.Scope.Case != nil && slices.Contains(e.Scope.Parties, with) {
			cases[e.Scope.Case.Key()] = true
		}
		return nil
	})
	if err == nil && tree.Root() != x.claimed.Root {
		err = unusable(x.dir, FileCheckpoint, "the entries do not lead to its root")
	}
	return cases, err
}

// shows is the filter of SPEC §7.6.
func (c caseSet) shows(s *hotline.Scope, self, with hotline.Party) bool {
	switch s.Class {
	case hotline.ScopeCommon:
		return true
	case hotline.ScopePair:
		return slices.Contains(s.Parties, self) && slices.Contains(s.Parties, with)
	}
	alone := len(s.Parties) == 1 && s.Parties[0] == self
	return slices.Contains(s.Parties, with) || (alone && c[s.Case.Key()])
}

func writeBundle(name string, x *export, h Head, cases caseSet) (err error) {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	w := bufio.NewWriterSize(f, bundleBuffer)
	if err := putRecord(w, headerOf(h)); err != nil {
		return err
	}
	err = x.src.each(func(l leaf) error {
		e, _, err := hotline.DecodeEntry(l.raw)
		if err != nil {
			return unusable(x.dir, "", "entry %d: %v", l.index, err)
		}
		if cases.shows(&e.Scope, h.Party, h.With) {
			return putRecord(w, bundleRecord{Shown: true, Bytes: l.raw})
		}
		hash := tlog.LeafHash(l.raw)
		return putRecord(w, bundleRecord{Bytes: hash[:]})
	})
	if err != nil {
		return err
	}
	return w.Flush()
}
