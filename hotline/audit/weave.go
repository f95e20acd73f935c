package audit

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"

	"example.org/hotline/crypto/tlog"
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

// knowledge notes what the entry that holds a tender, a receipt or an anchor cannot
// be older than, and what a receipt covers of the own log: the statement that it is for, if
// the tender that stands beside it is of this log.
func (c *crossing) knowledge(holder int, p *proof) error {
	by := p.Party
	if p.Kind == anchorProof {
		by = p.By
	}
	if p.isHead() || p.Unproven || by == c.logs[holder].x.head.Party {
		return nil
	}
	if p.ofEntry() {
		c.logs[holder].keepWord(p.Own, fact{by, p.Index, p.Time})
	}
	if err := c.weave.known(holder, p.Own, by, p.Time); err != nil || p.Kind != receiptProof {
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
		c.logs[holder].keepWord(p.Own, fact{of, p.Index, k.time})
		if err := c.weave.known(holder, p.Own, of, k.time); err != nil {
			return err
		}
	}
	by, t, unproven := self, p.OwnTime, p.OwnUnproven
	switch p.Kind {
	case headProof:
		by = p.By
	case anchorProof:
		by, t, unproven = p.By, p.Time+wholeSecond, false
		if s := (cosignature{p.By, p.Time}); early(k, s) && c.logs[n].keepEarly(earlyCosignature{p.Index, s}) {
			return nil // it is judged when all others are
		}
		c.logs[n].cosignedBefore(p.Index, k, cosignature{p.By, p.Time})
	}
	if unproven || by == of {
		return nil
	}
	return c.weave.seen(n, p.Index, by, t)
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
			if j.againstOwnWord(j.words[s.by], j.log.Cosigned-1, k, s) {
				continue // it bounds nothing
			}
			j.cosignedBefore(j.log.Cosigned-1, k, s)
			if err := c.weave.seen(n, j.log.Cosigned-1, s.by, s.time+wholeSecond); err != nil {
				return err
			}
		}
	}
	return nil
}

// cosignature is one verified line under a checkpoint.
type cosignature struct {
	by   hotline.Party
	time hotline.Time // the beginning of its second
}

// maxSeconds is the last second that has a time in milliseconds; a cosignature of
// a later one bounds nothing.
const maxSeconds = math.MaxInt64/1000 - 1

// wholeSecond is from the beginning of a cosignature's second to its end: as a
// sighting it counts up to there (SPEC §7.10 rule 4).
const wholeSecond hotline.Time = 999

// cosignatures are the lines that were found, each once, with the parties whose
// witnesses made them. One that bears no time of the protocol bounds nothing.
func (c *chain) cosignatures(found []tlog.Cosignature) (list []cosignature) {
	for p := range c.directories {
		for _, line := range found {
			if line.Name == tlog.WitnessName(string(p)) && line.Seconds <= maxSeconds {
				list = append(list, cosignature{p, hotline.Time(line.Seconds * 1000)})
			}
		}
	}
	return list
}

// cosignedBefore observes that a log was cosigned before its last entry at the
// time bears its time, by more than clocks may differ.
func (j *judged) cosignedBefore(index uint64, k mark, s cosignature) {
	end := s.time + wholeSecond
	if early(k, s) {
		j.disagree(TimeContradiction, j.x.head.Party, index, s.by, fmt.Sprintf("%s cosigned the log of %s at %s, %s before the time of the last entry that it covers, %s: %s",
			s.by, j.x.head.Party, stamp(s.time), length(k.time-end), stamp(k.time), whose))
	}
}

// keepAnchor notes what the anchor of an own or a received statement proves.
func (j *judged) keepAnchor(it *item) error {
	f := &it.facts
	if f.st == nil {
		return nil
	}
	p := proof{Kind: anchorProof, Own: it.index, OwnTime: it.entry.Time, Statement: f.st.ID}
	sent, from, generation, index := &hotline.Sent{}, f.st.Header.From, j.x.head.Generation, it.index
	switch c := it.content.(type) {
	case *hotline.Sent:
		sent = c
	case *hotline.Received:
		sent, p.OwnTime, generation, index = &f.sender.Sent, f.sender.Time, f.proof.Generation, f.proof.Index
	}
	d := j.chain.number(from, sent.Directory)
	if len(sent.Anchor) == 0 || d == nil {
		return nil
	}
	found, err := j.chain.anchored(sent.Anchor, from, generation, index, d.Log)
	if err != nil {
		return nil // another's or a later checkpoint, which is observed; or verified with directories that are not proven here: it bounds nothing
	}
	a, err := hotline.ParseAnchor(sent.Anchor)
	if err != nil {
		return err
	}
	p.Party, p.Generation, p.Index, p.Root, p.OwnUnproven = a.Party, a.Generation, a.Checkpoint.Size-1, a.Checkpoint.Root, unproven(sent.Marks)
	for _, s := range j.chain.cosignatures(found) {
		p.By, p.Time = s.by, s.time
		if !p.OwnUnproven && tooEarly(p.OwnTime, p.Time) {
			// Of the sender alone: by SPEC §7.13 rule 3 its ledger makes no such entry, whatever the witness signed.
			j.disagree(BackDated, from, index, "", fmt.Sprintf("statement %s was logged at %s, but stands on a cosignature of %s of %s, which a ledger that keeps the rules leaves out",
				f.st.ID.Short(), stamp(p.OwnTime), s.by, stamp(p.Time)))
		}
		if err := j.proofs.add(&p); err != nil {
			return err
		}
	}
	return nil
}

// anchor holds a cosignature in an anchor against the log that it is of.
func (c *crossing) anchor(holder, n int, p *proof, k mark) error {
	if k.root != p.Root {
		return c.fork(holder, n, p)
	}
	return nil
}

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
