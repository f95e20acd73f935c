package replica

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/hashicorp/raft"
)

// A snapshot is a chain of frames, so that its reader yields only bytes that it
// has verified, and so that a shortened file is noticed:
//
//	snapshot = first link || frame...
//	frame    = length (4 bytes, big-endian, at most maxFrame) || data || link
//	link     = SHA-256(previous link || length || data)
//
// The first link is the hash of the metadata (see firstLink), which Raft stores
// beside the state without a check of its own. A frame of length 0 is the last.
const (
	maxFrame       = 64 << 10
	snapshotDomain = "hotline/replica/snapshot/1\x00"
	// retainSnapshots is how many finished snapshots stay on disk.
	retainSnapshots = 2
	snapshotFolder  = "snapshots"
	unfinished      = ".tmp"
)

var errSnapshot = errors.New("corrupt snapshot")

type chain [sha256.Size]byte

// firstLink binds what the snapshot stands for: the last entry in it, and the
// members of the group.
func firstLink(index, term uint64, members raft.Configuration, membersIndex uint64) chain {
	b := []byte(snapshotDomain)
	for _, n := range []uint64{index, term, membersIndex, uint64(len(members.Servers))} {
		b = binary.BigEndian.AppendUint64(b, n)
	}
	for _, s := range members.Servers {
		b = append(b, byte(s.Suffrage))
		for _, text := range []string{string(s.ID), string(s.Address)} {
			b = binary.BigEndian.AppendUint32(b, uint32(len(text)))
			b = append(b, text...)
		}
	}
	return sha256.Sum256(b)
}

func (c *chain) add(length [4]byte, data []byte) {
	h := sha256.New()
	h.Write(c[:])
	h.Write(length[:])
	h.Write(data)
	h.Sum(c[:0])
}

// frameWriter writes the chain. The caller must end it with finish.
type frameWriter struct {
	w    io.Writer
	link chain
	buf  []byte
}

func newFrameWriter(w io.Writer, first chain) (*frameWriter, error) {
	_, err := w.Write(first[:])
	return &frameWriter{w: w, link: first, buf: make([]byte, 0, maxFrame)}, err
}

func (f *frameWriter) Write(p []byte) (int, error) {
	written := 0
	for len(p) > 0 {
		n := min(len(p), maxFrame-len(f.buf))
		f.buf = append(f.buf, p[:n]...)
		p = p[n:]
		written += n
		if len(f.buf) == maxFrame {
			if err := f.flush(); err != nil {
				return written, err
			}
		}
	}
	return written, nil
}

func (f *frameWriter) flush() error {
	var length [4]byte
	binary.BigEndian.PutUint32(length[:], uint32(len(f.buf)))
	f.link.add(length, f.buf)
	for _, part := range [][]byte{length[:], f.buf, f.link[:]} {
		if _, err := f.w.Write(part); err != nil {
			return err
		}
	}
	f.buf = f.buf[:0]
	return nil
}

func (f *frameWriter) finish() error {
	if len(f.buf) > 0 {
		if err := f.flush(); err != nil {
			return err
		}
	}
	return f.flush() // the frame of length 0
}

// frameReader yields verified bytes only, and io.EOF only behind a proper end.
type frameReader struct {
	r    io.Reader
	link chain
	rest []byte
	buf  []byte
	err  error
}

func newFrameReader(r io.Reader) *frameReader {
	f := &frameReader{r: r, buf: make([]byte, maxFrame)}
	if _, err := io.ReadFull(r, f.link[:]); err != nil {
		f.err = fmt.Errorf("%w: ends too early: %w", errSnapshot, noEOF(err))
	}
	return f
}

func (f *frameReader) Read(p []byte) (int, error) {
	for len(f.rest) == 0 && f.err == nil {
		f.rest, f.err = f.next()
	}
	if len(f.rest) > 0 {
		n := copy(p, f.rest)
		f.rest = f.rest[n:]
		return n, nil
	}
	return 0, f.err
}

func (f *frameReader) next() ([]byte, error) {
	var length [4]byte
	if _, err := io.ReadFull(f.r, length[:]); err != nil {
		return nil, fmt.Errorf("%w: ends too early: %w", errSnapshot, noEOF(err))
	}
	n := binary.BigEndian.Uint32(length[:])
	if n > maxFrame {
		return nil, fmt.Errorf("%w: frame of %d bytes", errSnapshot, n)
	}
	data := f.buf[:n]
	var link chain
	if _, err := io.ReadFull(f.r, data); err != nil {
		return nil, fmt.Errorf("%w: ends too early: %w", errSnapshot, noEOF(err))
	}
	if _, err := io.ReadFull(f.r, link[:]); err != nil {
		return nil, fmt.Errorf("%w: ends too early: %w", errSnapshot, noEOF(err))
	}
	if f.link.add(length, data); f.link != link {
		return nil, fmt.Errorf("%w: a frame does not match its hash", errSnapshot)
	}
	if n == 0 {
		return nil, io.EOF
	}
	return data, nil
}

// noEOF keeps a premature end from looking like a proper one.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// snapshotStore verifies every snapshot after writing it and stops the process
// when one that this member has finished can no longer be opened: as leader it
// would otherwise keep a new member waiting for ever.
type snapshotStore struct {
	files *raft.FileSnapshotStore
	dir   string // of the finished snapshots
	brk   *breaker
}

func openSnapshots(dir string, logger *raftLogger, brk *breaker) (*snapshotStore, error) {
	files, err := raft.NewFileSnapshotStoreWithLogger(dir, retainSnapshots, logger)
	if err != nil {
		return nil, err
	}
	s := &snapshotStore{files: files, dir: filepath.Join(dir, snapshotFolder), brk: brk}
	return s, s.checkNewest()
}

// checkNewest removes what a crash left unfinished and opens the newest finished
// snapshot. Raft would fall back to an older one without a word and then lack
// the log entries between the two.
func (s *snapshotStore) checkNewest() error {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return err
	}
	var newest snapshotName
	for _, e := range entries {
		switch {
		case !e.IsDir():
		case strings.HasSuffix(e.Name(), unfinished):
			if err := os.RemoveAll(filepath.Join(s.dir, e.Name())); err != nil {
				return err
			}
		default:
			if name := parseSnapshotName(e.Name()); newest.less(name) {
				newest = name
			}
		}
	}
	if newest.text == "" {
		return nil
	}
	if _, err := s.verify(newest.text); err != nil {
		return fmt.Errorf("newest snapshot %s cannot be opened: %w; %s", filepath.Join(s.dir, newest.text), err, rebuildAdvice)
	}
	return nil
}

// snapshotName is the name that FileSnapshotStore gives: term-index-milliseconds.
type snapshotName struct {
	text  string
	parts [3]uint64
}

func parseSnapshotName(text string) snapshotName {
	n := snapshotName{text: text}
	// A name of another form sorts first, and List does not offer it either.
	if _, err := fmt.Sscanf(text, "%d-%d-%d", &n.parts[0], &n.parts[1], &n.parts[2]); err != nil {
		n.parts = [3]uint64{}
	}
	return n
}

func (n snapshotName) less(other snapshotName) bool {
	if c := slices.Compare(n.parts[:], other.parts[:]); c != 0 || n.text == "" {
		return c < 0 || n.text == ""
	}
	return n.text < other.text
}

// verify reads a finished snapshot from its first byte to its last, and returns the
// hash of the raw bytes also when the frames in them are wrong.
func (s *snapshotStore) verify(id string) ([]byte, error) {
	meta, r, err := s.files.Open(id)
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }()
	raw := sha256.New()
	tee := io.TeeReader(r, raw)
	frames := newFrameReader(tee)
	if err = aboutThis(meta, frames.link); err == nil {
		_, err = io.Copy(io.Discard, frames)
	}
	if rest, drainErr := io.Copy(io.Discard, tee); err == nil {
		if err = drainErr; err == nil && rest > 0 {
			err = fmt.Errorf("%w: %d bytes behind its end", errSnapshot, rest)
		}
	}
	return raw.Sum(nil), err
}

func (s *snapshotStore) List() ([]*raft.SnapshotMeta, error) { return s.files.List() }

// aboutThis says whether metadata and state belong together.
func aboutThis(meta *raft.SnapshotMeta, first chain) error {
	if first != firstLink(meta.Index, meta.Term, meta.Configuration, meta.ConfigurationIndex) {
		return fmt.Errorf("%w: its metadata is not that of its state", errSnapshot)
	}
	return nil
}

// Open yields the raw bytes, for a restore here or on another member, once the
// state has passed the checksum of the file and the metadata its hash.
func (s *snapshotStore) Open(id string) (*raft.SnapshotMeta, io.ReadCloser, error) {
	meta, r, err := s.files.Open(id)
	if errors.Is(err, fs.ErrNotExist) { // superseded between List and Open
		return nil, nil, err
	}
	var first chain
	if err == nil {
		if _, err = io.ReadFull(r, first[:]); err == nil {
			err = aboutThis(meta, first)
		}
		if err != nil {
			err = errors.Join(err, r.Close())
		}
	}
	if err != nil {
		err = fmt.Errorf("snapshot %s cannot be opened: %w; %s", filepath.Join(s.dir, id), err, rebuildAdvice)
		s.brk.trip(err)
		return nil, nil, err
	}
	return meta, rawSnapshot{io.MultiReader(bytes.NewReader(first[:]), r), r}, nil
}

type rawSnapshot struct {
	io.Reader
	io.Closer
}

func (s *snapshotStore) Create(version raft.SnapshotVersion, index, term uint64, configuration raft.Configuration,
	configurationIndex uint64, trans raft.Transport,
) (raft.SnapshotSink, error) {
	sink, err := s.files.Create(version, index, term, configuration, configurationIndex, trans)
	if err != nil {
		return nil, err
	}
	first := firstLink(index, term, configuration, configurationIndex)
	return &verifiedSink{SnapshotSink: sink, store: s, first: first, written: sha256.New()}, nil
}

// verifiedSink reads back what was written when it is closed.
type verifiedSink struct {
	raft.SnapshotSink
	store   *snapshotStore
	first   chain
	written hash.Hash
	closed  atomic.Bool
}

func (v *verifiedSink) Write(p []byte) (int, error) {
	n, err := v.SnapshotSink.Write(p)
	v.written.Write(p[:n])
	return n, err
}

// Close verifies. A disk that returns other bytes than were written stops the
// process. A snapshot that came damaged from the leader fails this request
// only, and is removed.
func (v *verifiedSink) Close() error {
	if v.closed.Swap(true) {
		return nil
	}
	if err := v.SnapshotSink.Close(); err != nil {
		return err
	}
	raw, err := v.store.verify(v.ID())
	if raw == nil || !bytes.Equal(raw, v.written.Sum(nil)) {
		err = fmt.Errorf("%w: snapshot %s does not read back as written: %w; %s", errSnapshot, v.ID(), err, rebuildAdvice)
		v.store.brk.trip(err)
		return err
	}
	if err != nil {
		return errors.Join(err, os.RemoveAll(filepath.Join(v.store.dir, v.ID())))
	}
	return nil
}
