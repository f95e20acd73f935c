package audit

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"example.org/hotline/crypto/tlog"
	"example.org/hotline/hotline"
)

// A bundle is a file of records, of a pair or a case export. Each is a uint32
// with the length, the most significant byte first, and that many bytes of
// deterministic CBOR (SPEC §2): first the header, then one record per leaf in
// order, either the whole entry or the hash of the leaf. Nothing follows the last
// one (SPEC §7.6).
const (
	pairMagic    = "hotline pair bundle/1"
	caseMagic    = "hotline case bundle/1"
	maxRecord    = hotline.MaxEntry + 16
	bundleBuffer = 1 << 16
)

// bundleHeader is the head once more, in the form of the records: a bundle that
// was put beside another head is refused.
func bundleHeader(h Head) []byte {
	parts := []any{pairMagic, h.Party, h.With, h.Generation, h.Size}
	if h.Kind == Case {
		var with any
		if h.With != "" {
			with = h.With
		}
		id, _ := parseCase(h.Case) // checked when the head was read, or made of one
		parts = []any{caseMagic, h.Party, with, h.Generation, h.Size, id}
	}
	return hotline.MustMarshal(parts)
}

// bundleRecord is one leaf: Shown with the entry, or hidden with its hash.
type bundleRecord struct {
	_     struct{} `cbor:",toarray"`
	Shown bool
	Bytes []byte
}

// recordOf is the record of a leaf.
func recordOf(l leaf) bundleRecord {
	if l.raw != nil {
		return bundleRecord{Shown: true, Bytes: l.raw}
	}
	return bundleRecord{Bytes: l.hash[:]}
}

// put writes the record of a leaf.
func (rec bundleRecord) put(w io.Writer) error { return putRecord(w, hotline.MustMarshal(rec)) }

// putRecord writes one record.
func putRecord(w io.Writer, b []byte) error {
	if _, err := w.Write(binary.BigEndian.AppendUint32(nil, uint32(len(b)))); err != nil {
		return err
	}
	_, err := w.Write(b)
	return err
}

// bundleReader reads a bundle strictly, one record at a time.
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

// bundle is the source of a pair or a case export.
type bundle struct {
	x *export
	f *os.File
}

func openBundle(x *export) (source, error) {
	f, err := x.openFile(x.head.leaves())
	if err != nil {
		return nil, err
	}
	return &bundle{x, f}, nil
}

func (b *bundle) each(fn func(leaf) error) error {
	size := b.x.head.Size
	r := newBundleReader(io.NewSectionReader(b.f, 0, 1<<62))
	name := b.x.head.leaves()
	h, err := r.next()
	if err != nil {
		return unusable(b.x.dir, name, "header: %v", err)
	}
	if !bytes.Equal(h, bundleHeader(b.x.head)) {
		return unusable(b.x.dir, name, "its header is of another export than %s", FileHead)
	}
	for index := range size {
		l, err := r.leaf(index)
		if err != nil {
			return unusable(b.x.dir, name, "leaf %d: %v", index, err)
		}
		if err := fn(l); err != nil {
			return err
		}
	}
	if _, err := r.next(); err != io.EOF {
		return unusable(b.x.dir, name, "bytes after the last leaf")
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

// filter says which entries of an export a part of it shows. It is asked once
// for each entry that is shown, in order.
type filter func(*hotline.Entry, any) bool

// writePart writes to outDir, which must not exist yet, the part of x that shows
// lets see, with the head h. Every other leaf is shown as its hash, and so is one
// that x hides itself.
func writePart(x *export, outDir string, h Head, shows filter) error {
	return whole("export", outDir, func(tmp string) error {
		if err := writeBundle(filepath.Join(tmp, h.leaves()), x, h, shows); err != nil {
			return err
		}
		return writeEnds(tmp, h, x.checkpoint, x.cosigned)
	})
}

func writeBundle(name string, x *export, h Head, shows filter) (err error) {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	w := bufio.NewWriterSize(f, bundleBuffer)
	if err := putRecord(w, bundleHeader(h)); err != nil {
		return err
	}
	err = x.src.each(func(l leaf) error {
		if l.raw == nil {
			return recordOf(l).put(w)
		}
		e, content, err := hotline.DecodeEntry(l.raw)
		if err != nil {
			return unusable(x.dir, "", "entry %d: %v", l.index, err)
		}
		if !shows(e, content) {
			l = leaf{hash: tlog.LeafHash(l.raw)}
		}
		return recordOf(l).put(w)
	})
	if err != nil {
		return err
	}
	return w.Flush()
}

// proven reads an export once, gives each shown entry to look, and makes sure
// that the leaves are those of the checkpoint. That this is signed is for an
// audit to say.
func (x *export) proven(look func(*hotline.Entry)) error {
	var tree tlog.Frontier
	err := x.src.each(func(l leaf) error {
		if l.raw == nil {
			tree.Append(l.hash)
			return nil
		}
		tree.Append(tlog.LeafHash(l.raw))
		e, _, err := hotline.DecodeEntry(l.raw)
		if err != nil {
			return unusable(x.dir, "", "entry %d: %v", l.index, err)
		}
		look(e)
		return nil
	})
	if err == nil && tree.Root() != x.claimed.Root {
		err = unusable(x.dir, FileCheckpoint, "the entries do not lead to its root")
	}
	return err
}
