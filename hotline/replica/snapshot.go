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
	newest, left, err := s.onDisk()
	if err != nil {
		return err
	}
	for _, name := range left {
		if err := os.RemoveAll(filepath.Join(s.dir, name)); err != nil {
			return err
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

// onDisk is the newest finished snapshot by its name, and what is not finished.
func (s *snapshotStore) onDisk() (newest snapshotName, left []string, err error) {
	entries, err := os.ReadDir(s.dir)
	for _, e := range entries {
		switch name := parseSnapshotName(e.Name()); {
		case !e.IsDir():
		case strings.HasSuffix(e.Name(), unfinished):
			left = append(left, e.Name())
		case newest.less(name):
			newest = name
		}
	}
	return newest, left, err
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
	if err = aboutThis(id, meta, frames.link); err == nil {
		_, err = io.Copy(io.Discard, frames)
	}
	if rest, drainErr := io.Copy(io.Discard, tee); err == nil {
		if err = drainErr; err == nil && rest > 0 {
			err = fmt.Errorf("%w: %d bytes behind its end", errSnapshot, rest)
		}
	}
	return raw.Sum(nil), err
}

// List begins with the newest. Raft's own leaves out what it cannot read, and would
// send a new member an older one for ever.
func (s *snapshotStore) List() ([]*raft.SnapshotMeta, error) {
	newest, _, err := s.onDisk()
	if err != nil {
		return nil, err
	}
	list, err := s.files.List() // later, so a newer one may have come
	if err == nil && newest.text != "" && (len(list) == 0 || parseSnapshotName(list[0].ID).less(newest)) {
		err = s.damaged(newest.text, fmt.Errorf("%w: its metadata cannot be read", errSnapshot))
	}
	return list, err
}

// damaged stops the process for a finished snapshot.
func (s *snapshotStore) damaged(id string, why error) error {
	err := fmt.Errorf("snapshot %s cannot be opened: %w; %s", filepath.Join(s.dir, id), why, rebuildAdvice)
	s.brk.trip(err)
	return err
}

// aboutThis says whether metadata, name and state belong together.
func aboutThis(id string, meta *raft.SnapshotMeta, first chain) error {
	if meta.ID != id || meta.Version != raft.SnapshotVersionMax ||
		first != firstLink(meta.Index, meta.Term, meta.Configuration, meta.ConfigurationIndex) {
		return fmt.Errorf("%w: its metadata is not that of its state", errSnapshot)
	}
	return nil
}

// Open yields the raw bytes, for a restore here or on another member, once the
// state has passed the checksum of the file and the metadata its hash.
func (s *snapshotStore) Open(id string) (*raft.SnapshotMeta, io.ReadCloser, error) {
	meta, r, err := s.files.Open(id)
	if errors.Is(err, fs.ErrNotExist) && s.superseded(id) { // between List and Open
		return nil, nil, err
	}
	var first chain
	if err == nil {
		if _, err = io.ReadFull(r, first[:]); err == nil {
			err = aboutThis(id, meta, first)
		}
		if err != nil {
			err = errors.Join(err, r.Close())
		}
	}
	if err != nil {
		return nil, nil, s.damaged(id, err)
	}
	return meta, rawSnapshot{io.MultiReader(bytes.NewReader(first[:]), r), r}, nil
}

// superseded reports whether a snapshot is gone because newer ones have come.
func (s *snapshotStore) superseded(id string) bool {
	newest, _, err := s.onDisk()
	_, gone := os.Stat(filepath.Join(s.dir, id))
	return err == nil && parseSnapshotName(id).less(newest) && errors.Is(gone, fs.ErrNotExist)
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
// only, and is removed; so does one that lies before another that was finished
// meanwhile.
func (v *verifiedSink) Close() error {
	if v.closed.Swap(true) {
		return nil
	}
	if err := v.SnapshotSink.Close(); err != nil {
		return err
	}
	raw, err := v.store.verify(v.ID())
	if errors.Is(err, fs.ErrNotExist) && v.store.superseded(v.ID()) {
		return err // the leader's snapshots came while this one was being written
	}
	if raw == nil || !bytes.Equal(raw, v.written.Sum(nil)) {
		err = fmt.Errorf("%w: snapshot %s does not read back as written: %w; %s", errSnapshot, v.ID(), err, rebuildAdvice)
		v.store.brk.trip(err)
		return err
	}
	if err == nil {
		err = v.store.passed(v.ID())
	}
	if err != nil {
		return errors.Join(err, os.RemoveAll(filepath.Join(v.store.dir, v.ID())))
	}
	return nil
}

// passed is an error if a snapshot of more entries than that of id is finished: the
// leader's was taken up while this member wrote its own. Raft would take the older
// one for its newest, and so believe that its log ends there: it would vote for a
// member that lacks what it has confirmed.
func (s *snapshotStore) passed(id string) error {
	newest, _, err := s.onDisk()
	if own := parseSnapshotName(id); err == nil && slices.Compare(own.parts[:2], newest.parts[:2]) < 0 {
		err = fmt.Errorf("snapshot %s lies before %s, which was taken up meanwhile", id, newest.text)
	}
	return err
}
