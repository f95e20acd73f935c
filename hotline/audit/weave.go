package audit

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"

	"example.org/hotline/hotline"
)

// weave gathers, for every leaf of every log, the latest knowledge and the
// earliest sighting (SPEC §7.10).
type weave struct {
	logs   map[logKey][]*table // of the exports, in the order given
	tables []*table            // by number of the export
	forked map[logKey]bool     // two histories of it were given
	names  []hotline.Party     // signers; the first is nobody
	number map[hotline.Party]uint32
}

// logKey names a log.
type logKey struct {
	party      hotline.Party
	generation uint64
}

func newWeave(dir string, logs []*judged) (*weave, error) {
	w := &weave{logs: map[logKey][]*table{}, forked: map[logKey]bool{}, names: []hotline.Party{""}, number: map[hotline.Party]uint32{}}
	for n, j := range logs {
		t, err := newTable(dir, fmt.Sprintf("weave-%d", n), j.marks.size)
		if err != nil {
			w.close()
			return nil, err
		}
		key := logKey{j.x.head.Party, j.x.head.Generation}
		w.tables, w.logs[key] = append(w.tables, t), append(w.logs[key], t)
	}
	return w, nil
}

// signer returns the number of a party.
func (w *weave) signer(p hotline.Party) uint32 {
	n, ok := w.number[p]
	if !ok {
		n = uint32(len(w.names))
		w.names, w.number[p] = append(w.names, p), n
	}
	return n
}

// known notes that an entry of log n holds something that a party signed at t.
func (w *weave) known(n int, index uint64, by hotline.Party, t hotline.Time) error {
	b, err := w.tables[n].change(index)
	if err == nil && (t > b.after || t == b.after && by < w.names[b.afterBy]) {
		b.after, b.afterBy = t, w.signer(by)
	}
	return err
}

// seen notes that a party signed something at t that covers log n up to an entry.
func (w *weave) seen(n int, index uint64, by hotline.Party, t hotline.Time) error {
	b, err := w.tables[n].change(index)
	if err == nil && (b.before == 0 || t < b.before || t == b.before && by < w.names[b.beforeBy]) {
		b.before, b.beforeBy = t, w.signer(by)
	}
	return err
}

// finish lets each fact count for every entry that it bounds.
func (w *weave) finish() error {
	for _, t := range w.tables {
		if err := t.spread(); err != nil {
			return err
		}
	}
	return nil
}

func (w *weave) close() {
	for _, t := range w.tables {
		t.f.Close()
	}
}

// knowledge notes what the entry that holds a tender or a receipt cannot be older
// than, and what a receipt covers of the own log: the statement that it is for, if
// the tender that stands beside it is of this log.
func (c *crossing) knowledge(holder int, p *proof) error {
	if p.isHead() || p.Unproven || p.Party == c.logs[holder].x.head.Party {
		return nil
	}
	if err := c.weave.known(holder, p.Own, p.Party, p.Time); err != nil || p.Kind != receiptProof {
		return err
	}
	k, err := c.logs[holder].marks.at(p.Stated)
	if err != nil || k.root != p.Tendered {
		return err
	}
	return c.weave.seen(holder, p.Stated, p.Party, p.Time)
}

// sighting notes what a proof that is true of log n says of when that log had
// come so far. k is the mark of the last leaf that it covers.
func (c *crossing) sighting(holder, n int, p *proof, k mark) error {
	of, self := c.logs[n].x.head.Party, c.logs[holder].x.head.Party
	if p.isHead() && k.shown && !k.unproven && of != self {
		if err := c.weave.known(holder, p.Own, of, k.time); err != nil {
			return err
		}
	}
	by := self
	if p.Kind == headProof {
		by = p.By
	}
	if p.OwnUnproven || by == of {
		return nil
	}
	return c.weave.seen(n, p.Index, by, p.OwnTime)
}

// cosigned notes the cosignatures that were given with the exports.
func (c *crossing) cosigned() error {
	for n, j := range c.logs {
		if len(j.cosignatures) == 0 {
			continue
		}
		k, err := j.marks.at(j.log.Cosigned - 1)
		if err != nil {
			return err
		}
		for _, s := range j.cosignatures {
			end := s.end()
			if k.shown && !k.unproven && tooEarly(end, k.time) {
				j.observe(observe(TimeContradiction, j.x.head.Party, j.log.Cosigned-1, fmt.Sprintf("%s cosigned this log at %s, %s before its last entry at %s: one of the two clocks is wrong",
					s.by, stamp(end), length(k.time-end), stamp(k.time))))
			}
			if err := c.weave.seen(n, j.log.Cosigned-1, s.by, end); err != nil {
				return err
			}
		}
	}
	return nil
}

// cosignature is one verified line under a checkpoint.
type cosignature struct {
	by      hotline.Party
	seconds uint64
}

// maxSeconds is the last second that has a time in milliseconds; a cosignature of
// a later one bounds nothing.
const maxSeconds = math.MaxInt64/1000 - 1

// begin and end are the second in which it was made (SPEC §7.10 rule 4).
func (s cosignature) begin() hotline.Time { return hotline.Time(s.seconds * 1000) }
func (s cosignature) end() hotline.Time   { return s.begin() + 999 }

// bounds is what a table holds of one leaf.
type bounds struct {
	after, before     hotline.Time
	afterBy, beforeBy uint32
}

const (
	boundsSize = 8 + 8 + 4 + 4
	pageLeaves = 1 << 10 // of one page
	tablePages = 4       // of one table in memory: facts come nearly in order
)

// table is a file of one bounds per leaf, of which a few pages are in memory.
type table struct {
	f     *os.File
	size  uint64
	pages []*page // the one used last comes first
}

type page struct {
	first   uint64
	bounds  []bounds
	changed bool
}

func newTable(dir, name string, size uint64) (*table, error) {
	f, err := os.Create(filepath.Join(dir, name))
	if err == nil {
		err = f.Truncate(int64(size) * boundsSize) // zero is unbounded
	}
	if err != nil {
		return nil, fmt.Errorf("temporary file: %w", err)
	}
	return &table{f: f, size: size}, nil
}

// at reads the bounds of one leaf, after spread.
func (t *table) at(index uint64) (bounds, error) {
	p := page{first: index, bounds: make([]bounds, 1)}
	err := p.read(t.f)
	return p.bounds[0], err
}

// change returns the bounds of one leaf to be changed before the next call.
func (t *table) change(index uint64) (*bounds, error) {
	if index >= t.size {
		return nil, fmt.Errorf("leaf %d is not in the log", index)
	}
	p, err := t.page(index / pageLeaves * pageLeaves)
	if err != nil {
		return nil, err
	}
	p.changed = true
	return &p.bounds[index-p.first], nil
}

// page brings a page to memory.
func (t *table) page(first uint64) (*page, error) {
	if i := slices.IndexFunc(t.pages, func(p *page) bool { return p.first == first }); i >= 0 {
		p := t.pages[i]
		copy(t.pages[1:i+1], t.pages[:i])
		t.pages[0] = p
		return p, nil
	}
	p := &page{bounds: make([]bounds, pageLeaves)}
	if n := len(t.pages); n == tablePages {
		p = t.pages[n-1]
		if err := p.write(t.f); err != nil {
			return nil, err
		}
		t.pages = t.pages[:n-1]
	}
	*p = page{first: first, bounds: p.bounds[:min(pageLeaves, t.size-first)]}
	t.pages = slices.Insert(t.pages, 0, p)
	return p, p.read(t.f)
}

// spread lets knowledge count for every later leaf, and a sighting for every
// earlier one. Nothing of the table stays in memory.
func (t *table) spread() error {
	var last bounds
	for index := uint64(0); index < t.size; index++ {
		b, err := t.change(index)
		if err != nil {
			return err
		}
		if b.after < last.after {
			b.after, b.afterBy = last.after, last.afterBy
		}
		last = *b
	}
	last = bounds{}
	for index := t.size; index > 0; index-- {
		b, err := t.change(index - 1)
		if err != nil {
			return err
		}
		if b.before == 0 || last.before != 0 && last.before < b.before {
			b.before, b.beforeBy = last.before, last.beforeBy
		}
		last = *b
	}
	for _, p := range t.pages {
		if err := p.write(t.f); err != nil {
			return err
		}
	}
	t.pages = nil
	return nil
}

func (p *page) read(f io.ReaderAt) error {
	raw := make([]byte, len(p.bounds)*boundsSize)
	if _, err := f.ReadAt(raw, int64(p.first)*boundsSize); err != nil {
		return fmt.Errorf("temporary file: %w", err)
	}
	for i := range p.bounds {
		b := raw[i*boundsSize:]
		p.bounds[i] = bounds{hotline.Time(binary.BigEndian.Uint64(b)), hotline.Time(binary.BigEndian.Uint64(b[8:])),
			binary.BigEndian.Uint32(b[16:]), binary.BigEndian.Uint32(b[20:])}
	}
	return nil
}

// write brings a changed page to the file.
func (p *page) write(f io.WriterAt) error {
	if !p.changed {
		return nil
	}
	raw := make([]byte, 0, len(p.bounds)*boundsSize)
	for _, b := range p.bounds {
		raw = binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(raw, uint64(b.after)), uint64(b.before))
		raw = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(raw, b.afterBy), b.beforeBy)
	}
	if _, err := f.WriteAt(raw, int64(p.first)*boundsSize); err != nil {
		return fmt.Errorf("temporary file: %w", err)
	}
	return nil
}
