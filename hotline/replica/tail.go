package replica

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// tailMark remembers beside the log how long the log is. raft-wal takes a
// damaged last batch for a write that was never finished, and drops it without
// a word: a member would then vote without entries that it had confirmed.
//
// The mark is written behind each write of the log, without a sync of its own,
// so on disk it may be older than the log, and never newer. It is synced before
// the end of the log is cut on purpose.
type tailMark struct {
	f *os.File
}

const (
	tailFile   = "tail"
	tailDomain = "hotline/replica/tail/1\x00"
	tailSize   = 8 + sha256.Size
)

func openTailMark(dir string) (*tailMark, error) {
	f, err := os.OpenFile(filepath.Join(dir, tailFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	return &tailMark{f: f}, nil
}

func encodeTail(last uint64) []byte {
	b := binary.BigEndian.AppendUint64(nil, last)
	sum := sha256.Sum256(append([]byte(tailDomain), b...))
	return append(b, sum[:]...)
}

// set records that the log ends at last.
func (t *tailMark) set(last uint64) error {
	_, err := t.f.WriteAt(encodeTail(last), 0)
	return err
}

// lower records a shorter end durably, before the log is cut.
func (t *tailMark) lower(last uint64) error {
	return errors.Join(t.set(last), t.f.Sync())
}

// check refuses a log that ends before the mark. A mark that was never written
// says nothing; a damaged one is an error, since the same disk holds the log.
func (t *tailMark) check(last uint64) error {
	b := make([]byte, tailSize)
	n, err := t.f.ReadAt(b, 0)
	switch {
	case n == 0 && errors.Is(err, io.EOF):
		return nil
	case err != nil && !errors.Is(err, io.EOF):
		return err
	}
	marked := binary.BigEndian.Uint64(b)
	if string(b) != string(encodeTail(marked)) {
		return fmt.Errorf("%w: the mark of its end, %s, is damaged", errCorrupt, t.f.Name())
	}
	if last < marked {
		return fmt.Errorf("%w: it ends at entry %d, but was written to entry %d", errCorrupt, last, marked)
	}
	return nil
}

func (t *tailMark) close() error { return t.f.Close() }
