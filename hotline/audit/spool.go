package audit

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"sync"

	"example.org/hotline/crypto/tlog"
	"example.org/hotline/hotline"
)

// What grows with a log lies in files of a temporary directory and not in
// memory: the places of a log, the proofs that it holds of other logs, and what
// is told of it.

// spool is a file of values of one type, written once and then read in order.
type spool[T any] struct {
	path   string
	f      *os.File
	w      *bufio.Writer
	buffer int
	each   func(*T, *record) // writes or reads the parts of a value
	count  uint64
}

func newSpool[T any](dir, name string, each func(*T, *record)) (*spool[T], error) {
	return newBufferedSpool(dir, name, bundleBuffer, each)
}

// newBufferedSpool is newSpool with a buffer of so many bytes, for writing and for reading.
func newBufferedSpool[T any](dir, name string, buffer int, each func(*T, *record)) (*spool[T], error) {
	f, err := os.Create(filepath.Join(dir, name))
	if err != nil {
		return nil, fmt.Errorf("temporary file: %w", err)
	}
	return &spool[T]{path: f.Name(), f: f, w: bufio.NewWriterSize(f, buffer), buffer: buffer, each: each}, nil
}

func (s *spool[T]) add(v *T) error {
	s.count++
	r := record{w: s.w}
	if s.each(v, &r); r.err != nil {
		return fmt.Errorf("temporary file: %w", r.err)
	}
	return nil
}

func (s *spool[T]) finish() error {
	if s.f == nil {
		return nil
	}
	err := s.w.Flush()
	if cerr := s.f.Close(); err == nil {
		err = cerr
	}
	s.f = nil
	if err != nil {
		return fmt.Errorf("temporary file: %w", err)
	}
	return nil
}

// all yields what was added, in order. finish comes before it.
func (s *spool[T]) all() iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var zero T
		f, err := os.Open(s.path)
		if err != nil {
			yield(zero, fmt.Errorf("temporary file: %w", err))
			return
		}
		defer f.Close()
		r := record{r: bufio.NewReaderSize(f, s.buffer)}
		for range s.count {
			var v T
			if s.each(&v, &r); r.err != nil {
				yield(v, fmt.Errorf("temporary file: %w", r.err))
				return
			}
			if !yield(v, nil) {
				return
			}
		}
	}
}

// record writes the parts of a value to a temporary file, or reads them back:
// numbers as varints, text after its length. After an error nothing more is done.
type record struct {
	w   *bufio.Writer // nil: it is read
	r   *bufio.Reader
	err error
}

// maxRecordText bounds one text of a record, in bytes.
const maxRecordText = 1 << 20

func number[T ~uint8 | ~uint64 | ~int64](v *T, r *record) {
	switch {
	case r.err != nil:
	case r.w != nil:
		_, r.err = r.w.Write(binary.AppendUvarint(r.w.AvailableBuffer(), uint64(*v)))
	default:
		var n uint64
		n, r.err = binary.ReadUvarint(r.r)
		*v = T(n)
	}
}

func str[T ~string](v *T, r *record) {
	n := uint64(len(*v))
	number(&n, r)
	switch {
	case r.err != nil || n == 0:
	case r.w != nil:
		_, r.err = r.w.WriteString(string(*v))
	case n > maxRecordText:
		r.err = fmt.Errorf("a text of %d bytes, at most %d are possible", n, maxRecordText)
	default:
		b := make([]byte, n)
		_, r.err = io.ReadFull(r.r, b)
		*v = T(b)
	}
}

func flag(v *bool, r *record) {
	n := uint8(0)
	if *v {
		n = 1
	}
	number(&n, r)
	*v = n == 1
}

// maybe is a part that may be absent.
func maybe[T any](v **T, each func(*T, *record), r *record) {
	there := *v != nil
	if flag(&there, r); !there || r.err != nil {
		return
	}
	if *v == nil {
		*v = new(T)
	}
	each(*v, r)
}

// fixed is a part of a known length.
func (r *record) fixed(v []byte) {
	switch {
	case r.err != nil:
	case r.w != nil:
		_, r.err = r.w.Write(v)
	default:
		_, r.err = io.ReadFull(r.r, v)
	}
}

func (p *proof) each(r *record) {
	number(&p.Kind, r)
	number(&p.Own, r)
	number(&p.OwnTime, r)
	flag(&p.OwnUnproven, r)
	flag(&p.Unproven, r)
	r.fixed(p.Statement[:])
	str(&p.Party, r)
	number(&p.Generation, r)
	number(&p.Index, r)
	number(&p.Time, r)
	number(&p.Sequence, r)
	str(&p.Case, r)
	r.fixed(p.Leaf[:])
	r.fixed(p.Root[:])
	str(&p.By, r)
	number(&p.Stated, r)
	if p.Kind == receiptProof {
		r.fixed(p.Tendered[:])
		number(&p.What, r)
	}
	if p.Kind == tenderProof {
		str(&p.Rejected, r)
	}
}

func (e *Event) each(r *record) {
	number(&e.Time, r)
	str(&e.Party, r)
	number(&e.Generation, r)
	number(&e.Entry, r)
	str(&e.Type, r)
	str(&e.Kind, r)
	str(&e.Peer, r)
	str(&e.Statement, r)
	str(&e.Case, r)
	str(&e.Status, r)
	str(&e.Text, r)
	flag(&e.Routine, r)
}

func (s *Statement) each(r *record) {
	str(&s.ID, r)
	str(&s.Kind, r)
	str(&s.Status, r)
	str(&s.Precedence, r)
	str(&s.Case, r)
	str(&s.From, r)
	str(&s.To, r)
	number(&s.Sequence, r)
	number(&s.Generation, r)
	number(&s.TenderedAs, r)
	number(&s.Tendered, r)
	number(&s.Received, r)
	number(&s.Acknowledged, r)
	str(&s.Rejected, r)
}

func (w *Rung) each(r *record) {
	number(&w.Time, r)
	str(&w.Party, r)
	number(&w.Generation, r)
	number(&w.Entry, r)
	str(&w.Duty, r)
	str(&w.Subject, r)
	str(&w.Peer, r)
	str(&w.Case, r)
	str(&w.Status, r)
	number(&w.Permille, r)
	flag(&w.Overdue, r)
	str(&w.Office, r)
	str(&w.Whom, r)
	str(&w.Page, r)
}

func (t *LineTest) each(r *record) {
	str(&t.From, r)
	str(&t.To, r)
	str(&t.Status, r)
	number(&t.Sent, r)
	number(&t.Answered, r)
	flag(&t.Missed, r)
}

// mark is what is kept of one leaf: enough to check whether another party's
// proof is true of this log.
type mark struct {
	leaf   tlog.Hash
	root   tlog.Hash // of the tree that ends with this leaf
	time   hotline.Time
	offset int64
	shown  bool
	// No majority of clocks backed the time, as far as the log shows.
	unproven bool
}

const markSize = 32 + 32 + 8 + 8 + 1

// Bits of the last byte of a mark.
const (
	markShown    = 1
	markUnproven = 2
)

// marks is a file of one mark per leaf. It is safe for concurrent use.
type marks struct {
	mu   sync.Mutex
	f    *os.File
	w    *bufio.Writer
	size uint64
	done uint64 // marks that can be read
}

func newMarks(dir, name string) (*marks, error) {
	f, err := os.Create(filepath.Join(dir, name))
	if err != nil {
		return nil, fmt.Errorf("temporary file: %w", err)
	}
	return &marks{f: f, w: bufio.NewWriterSize(f, bundleBuffer)}, nil
}

func (m *marks) add(k mark) error {
	var b [markSize]byte
	copy(b[:32], k.leaf[:])
	copy(b[32:64], k.root[:])
	binary.BigEndian.PutUint64(b[64:], uint64(k.time))
	binary.BigEndian.PutUint64(b[72:], uint64(k.offset))
	if k.shown {
		b[80] |= markShown
	}
	if k.unproven {
		b[80] |= markUnproven
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.size++
	_, err := m.w.Write(b[:])
	if err != nil {
		return fmt.Errorf("temporary file: %w", err)
	}
	return nil
}

// at reads one mark of those added so far.
func (m *marks) at(index uint64) (k mark, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if index >= m.size {
		return k, fmt.Errorf("leaf %d is not in the log", index)
	}
	if index >= m.done {
		if err := m.w.Flush(); err != nil {
			return k, fmt.Errorf("temporary file: %w", err)
		}
		m.done = m.size
	}
	var b [markSize]byte
	if _, err := m.f.ReadAt(b[:], int64(index)*markSize); err != nil && err != io.EOF {
		return k, fmt.Errorf("temporary file: %w", err)
	}
	k.leaf, k.root = tlog.Hash(b[:32]), tlog.Hash(b[32:64])
	k.time, k.offset = hotline.Time(binary.BigEndian.Uint64(b[64:])), int64(binary.BigEndian.Uint64(b[72:]))
	k.shown, k.unproven = b[80]&markShown != 0, b[80]&markUnproven != 0
	return k, nil
}

func (m *marks) close() { m.f.Close() }

// sequences is a file of the statements sent to one peer, by their dense
// sequence: which statement, and where.
type sequences struct {
	f    *os.File
	w    *bufio.Writer
	last uint64
	done uint64
}

const sequenceSize = 32 + 8

func newSequences(dir, name string) (*sequences, error) {
	f, err := os.Create(filepath.Join(dir, name))
	if err != nil {
		return nil, fmt.Errorf("temporary file: %w", err)
	}
	return &sequences{f: f, w: bufio.NewWriterSize(f, 1<<12)}, nil
}

// add takes the next sequence; one that does not follow is left out.
func (s *sequences) add(n uint64, id hotline.ID, index uint64) error {
	if n != s.last+1 {
		return nil
	}
	s.last = n
	var b [sequenceSize]byte
	copy(b[:], id[:])
	binary.BigEndian.PutUint64(b[32:], index)
	if _, err := s.w.Write(b[:]); err != nil {
		return fmt.Errorf("temporary file: %w", err)
	}
	return nil
}

// at returns the statement of a sequence.
func (s *sequences) at(n uint64) (id hotline.ID, index uint64, ok bool, err error) {
	if n == 0 || n > s.last {
		return id, 0, false, nil
	}
	if n > s.done {
		if err := s.w.Flush(); err != nil {
			return id, 0, false, fmt.Errorf("temporary file: %w", err)
		}
		s.done = s.last
	}
	var b [sequenceSize]byte
	if _, err := s.f.ReadAt(b[:], int64(n-1)*sequenceSize); err != nil {
		return id, 0, false, fmt.Errorf("temporary file: %w", err)
	}
	return hotline.ID(b[:32]), binary.BigEndian.Uint64(b[32:]), true, nil
}

func (s *sequences) close() { s.f.Close() }
