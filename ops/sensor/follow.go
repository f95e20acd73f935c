package sensor

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	// digestSpan is how many bytes at the beginning of a file, and how many before a position in it, are hashed to know the file
	// again.
	digestSpan = 4096
	// maxSiblings bounds the files that are looked into when the one that was followed has been rotated away.
	maxSiblings = 1000
)

// Position is a place in a file that grows, in a form that outlives rotation and restarts: which file, how far, and what stands
// before.
type Position struct {
	Device uint64 `json:"device"`
	Inode  uint64 `json:"inode"`
	Offset int64  `json:"offset"`
	// Digest is the hexadecimal SHA-256 of up to 4096 bytes at the beginning of the file and up to 4096 before Offset.
	Digest string `json:"digest"`
	// Long says that Offset lies within a line that is longer than MaxLine.
	Long bool `json:"long,omitempty"`
	// Since is when the last file that was read to its end had changed: what rotation made later is still to be read.
	// Only a file that was never begun is looked for by this; on a machine whose clock was set back it can be passed over.
	Since time.Time `json:"since"`
}

// follower reads the lines that are added to a file, across rotation by renaming and by copying and truncating. It has no
// goroutine: it reads when it is asked to.
type follower struct {
	path   string
	file   *os.File
	info   fs.FileInfo
	at     int64
	head   []byte // up to digestSpan bytes at the beginning of the file, as they were read
	tail   []byte // and up to as many before at
	digest string // of both
	long   bool
	buf    []byte
	since  time.Time // as in Position
	left   bool      // path is another file that has content, and this one had nothing new at the last reading
	gaps   int       // times that something may have been lost
}

func newFollower(path string) *follower { return &follower{path: path, buf: make([]byte, MaxLine)} }

// digestOf hashes what a position rests on.
func digestOf(head, tail []byte) string {
	h := sha256.New()
	h.Write(head)
	h.Write(tail)
	return hex.EncodeToString(h.Sum(nil))
}

// ends reads what a position rests on. An error means that the file is shorter, or cannot be read.
func ends(f *os.File, at int64) (head, tail []byte, err error) {
	span := min(at, digestSpan)
	head, tail = make([]byte, span), make([]byte, span)
	if _, err = f.ReadAt(head, 0); err == nil {
		_, err = f.ReadAt(tail, at-span)
	}
	return head, tail, err
}

// resume finds the file of a position again: under its name, or under the one that rotation gave it. A file that is the same by
// content and not by identity is its copy. If there is none, what stood behind the position is lost, and the file under the name
// is read from its beginning.
func (t *follower) resume(p *Position) error {
	t.since = p.Since
	if p.Offset == 0 {
		_, err := t.overtaken()
		return err
	}
	names, err := t.newest()
	if err != nil {
		return err
	}
	copied := ""
	for _, name := range append([]string{t.path}, names...) {
		same, ok := matches(name, p)
		if ok && same {
			return t.open(name, p)
		}
		if ok && copied == "" {
			copied = name
		}
	}
	if copied != "" {
		return t.open(copied, p)
	}
	t.gaps++
	return nil
}

// matches reports whether the file holds what stands before a position, and whether it is the same file by identity.
func matches(name string, p *Position) (same, ok bool) {
	f, info, err := openRegular(name)
	if err != nil {
		return false, false
	}
	defer f.Close()
	if info.Size() < p.Offset {
		return false, false
	}
	device, inode := identity(info)
	head, tail, err := ends(f, p.Offset)
	return device == p.Device && inode == p.Inode, err == nil && digestOf(head, tail) == p.Digest
}

// isRotated reports whether a name is one that rotation gives to the file called base: base with a number or a date behind it, or
// between its stem and its ending (logrotate's "extension"), or ".old". Compressed files and other logs of the same sensor are none.
func isRotated(name, base string) bool {
	ext := filepath.Ext(base)
	stem := strings.TrimSuffix(base, ext)
	mark, ok := strings.CutPrefix(name, base)
	if !ok && ext != "" && strings.HasPrefix(name, stem) && strings.HasSuffix(name, ext) && len(name) > len(base) {
		mark, ok = name[len(stem):len(name)-len(ext)], true
	}
	return ok && (mark == ".old" || (len(mark) > 1 && strings.ContainsAny(mark[:1], ".-_") && strings.Trim(mark, "0123456789.-_:TZ") == ""))
}

// siblings are the files beside path that rotation may have made of it and that were changed after a time, oldest first.
func (t *follower) siblings(after time.Time) ([]string, error) {
	list, err := os.ReadDir(filepath.Dir(t.path))
	if err != nil {
		return nil, fmt.Errorf("sensor feed: %w", err)
	}
	type sibling struct {
		name    string
		changed time.Time
	}
	var found []sibling
	base := filepath.Base(t.path)
	for _, entry := range list {
		name := entry.Name()
		if !isRotated(name, base) {
			continue
		}
		info, err := entry.Info()
		if err == nil && info.Mode().IsRegular() && info.ModTime().After(after) {
			found = append(found, sibling{filepath.Join(filepath.Dir(t.path), name), info.ModTime()})
		}
	}
	slices.SortStableFunc(found, func(a, b sibling) int { return a.changed.Compare(b.changed) })
	names := make([]string, len(found))
	for i := range found {
		names[i] = found[i].name
	}
	return names, nil
}

// newest are the siblings among which a file is looked for that was rotated away, oldest first.
func (t *follower) newest() ([]string, error) {
	names, err := t.siblings(time.Time{})
	return names[max(0, len(names)-maxSiblings):], err
}

// begin opens the file for the first time. What is rotated away from now on is known by its time: this file first, or, if there is none
// yet, whatever was written after now.
func (t *follower) begin(now time.Time) error {
	since := now
	switch err := t.open(t.path, nil); {
	case err == nil:
		since = t.info.ModTime().Add(-1)
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if t.since.IsZero() {
		t.since = since
	}
	return nil
}

// openRegular opens a file of lines. Its type is looked at first: opening a pipe waits for whoever writes to it.
func openRegular(name string) (*os.File, fs.FileInfo, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, nil, fmt.Errorf("%s is not a regular file", name)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, nil, err
	}
	if info, err = f.Stat(); err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	return f, info, nil
}

// open begins with a file at a position, or at its beginning.
func (t *follower) open(name string, p *Position) error {
	f, info, err := openRegular(name)
	if err != nil {
		return fmt.Errorf("sensor feed: %w", err)
	}
	t.close()
	t.file, t.info, t.at, t.digest, t.long, t.left = f, info, 0, "", false, false
	t.head, t.tail = nil, nil
	if p != nil {
		t.at, t.digest, t.long = p.Offset, p.Digest, p.Long
	}
	return nil
}

func (t *follower) close() {
	if t.file != nil {
		_ = t.file.Close() // nothing was written
		t.file = nil
	}
}

// position is where the next line begins. Without an offset it means: at the beginning of what came after Since.
func (t *follower) position() Position {
	if t.file == nil || t.at == 0 {
		return Position{Since: t.since}
	}
	p := Position{Offset: t.at, Digest: t.digest, Long: t.long, Since: t.since}
	p.Device, p.Inode = identity(t.info)
	return p
}

// read hands on lines that were added, up to about most bytes, and goes over to the next file when one was rotated away and is
// read to its end. It reports whether there may be more at once. A file that is not there is none yet.
func (t *follower) read(most int64, take func(line []byte, long bool)) (more bool, err error) {
	if t.file == nil {
		if err := t.open(t.path, nil); errors.Is(err, fs.ErrNotExist) {
			return false, nil
		} else if err != nil {
			return false, err
		}
	}
	if t.at == 0 {
		if found, err := t.overtaken(); found || err != nil {
			return found, err
		}
	}
	if t.at > 0 {
		head, tail, err := ends(t.file, t.at)
		if err != nil || digestOf(head, tail) != t.digest {
			return true, t.truncated()
		}
		t.head, t.tail = head, tail
	}
	began := t.at
	for t.at-began < most {
		n, err := t.file.ReadAt(t.buf, t.at)
		if err != nil && !errors.Is(err, io.EOF) {
			return false, fmt.Errorf("sensor feed: %w", err)
		}
		if !t.lines(t.buf[:n], take) {
			break
		}
	}
	if t.at > began {
		return t.at-began >= most, nil
	}
	return t.leave(take)
}

// lines hands on the whole lines in b and moves over them; false: there is none.
func (t *follower) lines(b []byte, take func([]byte, bool)) bool {
	last := bytes.LastIndexByte(b, '\n')
	if last < 0 {
		if len(b) < len(t.buf) {
			return false
		}
		t.long = true
		t.move(b)
		return true
	}
	t.move(b[:last+1])
	for rest := b[:last+1]; len(rest) > 0; {
		line, after, _ := bytes.Cut(rest, []byte{'\n'})
		take(bytes.TrimSpace(line), t.long)
		t.long, rest = false, after
	}
	return true
}

// move goes over bytes that were read. What the position rests on is kept from them, and not read again: the file may have been cut
// off meanwhile, and then no copy of it would be known again.
func (t *follower) move(b []byte) {
	t.at += int64(len(b))
	t.head = append(t.head, b[:min(len(b), digestSpan-len(t.head))]...)
	t.tail = append(t.tail, b[max(0, len(b)-digestSpan):]...)
	t.tail = t.tail[max(0, len(t.tail)-digestSpan):]
	t.digest, t.left = digestOf(t.head, t.tail), false
}

// leave goes over to the next file if this one is at its end and whoever writes has another one. That is certain when the other one
// has content; and because several threads may write, this one is read once more after that. Its time is taken after that
// reading, and counts only if all that stands in it was read: with an older time it would be opened again as a newer file.
func (t *follower) leave(take func([]byte, bool)) (more bool, err error) {
	live, err := os.Stat(t.path)
	if err == nil && os.SameFile(live, t.info) {
		return false, nil
	}
	n, readErr := t.file.ReadAt(t.buf, t.at)
	if readErr != nil && !errors.Is(readErr, io.EOF) {
		return false, fmt.Errorf("sensor feed: %w", readErr)
	}
	info, statErr := t.file.Stat()
	if statErr != nil {
		return false, fmt.Errorf("sensor feed: %w", statErr)
	}
	if info.Size() != t.at+int64(n) || bytes.IndexByte(t.buf[:n], '\n') >= 0 {
		return true, nil // more has come: the next reading takes it
	}
	if err != nil || live.Size() == 0 {
		if name, err := t.oldest(info.ModTime()); err != nil || name == "" {
			return false, err
		}
	}
	if !t.left {
		t.left = true
		return false, nil
	}
	if n > 0 {
		take(bytes.TrimSpace(t.buf[:n]), t.long) // a last line without its end
	}
	t.since = info.ModTime()
	if found, err := t.overtaken(); found || err != nil {
		return true, err
	}
	if live == nil {
		return false, nil
	}
	return true, t.open(t.path, nil)
}

// oldest is the name of the first file that rotation has made after a time; empty if there is none.
func (t *follower) oldest(after time.Time) (string, error) {
	names, err := t.siblings(after)
	if err != nil || len(names) == 0 {
		return "", err
	}
	return names[0], nil
}

// overtaken opens the first of the files that rotation has made since the last one was read to its end, unless that is the one that is
// open. Of a file of which nothing was read yet it cannot be told otherwise that it was copied and truncated. The names of the others
// are not kept: rotation may change them.
func (t *follower) overtaken() (bool, error) {
	if t.since.IsZero() {
		return false, nil
	}
	name, err := t.oldest(t.since)
	if err != nil || name == "" {
		return false, err
	}
	if info, err := os.Stat(name); err != nil || (t.file != nil && os.SameFile(info, t.info)) {
		return false, nil // the open one, or renamed meanwhile: the next reading finds it
	}
	return true, t.open(name, nil)
}

// truncated deals with a file that is no longer what was read of it: copied and truncated. What was added before the copy was
// made stands in the copy.
func (t *follower) truncated() error {
	p := t.position()
	names, err := t.newest()
	if err != nil {
		return err
	}
	for _, name := range slices.Backward(names) {
		if _, ok := matches(name, &p); ok {
			return t.open(name, &p)
		}
	}
	t.gaps++
	return t.open(t.path, nil)
}
