package tlog

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"io"
)

// bundleReader reads the entries of a bundle, or with records the records of an
// edge file, one at a time.
type bundleReader struct {
	r       *bufio.Reader
	records bool
}

func newBundleReader(r io.Reader, records bool) *bundleReader {
	return &bundleReader{r: bufio.NewReaderSize(r, 1<<16), records: records}
}

// next returns the next entry in a fresh slice and, of a record, the leaf hash
// stored with it, unchecked. At the end it returns io.EOF, within an entry
// io.ErrUnexpectedEOF.
func (b *bundleReader) next() (entry []byte, leaf Hash, err error) {
	n, err := b.length()
	if err != nil {
		return nil, leaf, err
	}
	entry = make([]byte, n)
	if err := b.full(entry); err != nil {
		return nil, leaf, err
	}
	if b.records {
		err = b.full(leaf[:])
	}
	return entry, leaf, err
}

// skip passes over one entry.
func (b *bundleReader) skip() error {
	n, err := b.length()
	if err != nil {
		return err
	}
	if b.records {
		n += sha256.Size
	}
	if _, err := b.r.Discard(n); err == io.EOF {
		return io.ErrUnexpectedEOF
	} else if err != nil {
		return err
	}
	return nil
}

// atEnd reports whether nothing follows.
func (b *bundleReader) atEnd() (bool, error) {
	_, err := b.r.Peek(1)
	if err == io.EOF {
		return true, nil
	}
	return false, err
}

func (b *bundleReader) length() (int, error) {
	var head [2]byte
	if _, err := io.ReadFull(b.r, head[:]); err != nil {
		return 0, err
	}
	return int(binary.BigEndian.Uint16(head[:])), nil
}

func (b *bundleReader) full(p []byte) error {
	_, err := io.ReadFull(b.r, p)
	if err == io.EOF && len(p) > 0 {
		return io.ErrUnexpectedEOF
	}
	return err
}

// appendEntry appends an entry as it stands in a bundle (C2SP tlog-tiles, log entries).
func appendEntry(b, entry []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(len(entry)))
	return append(b, entry...)
}
