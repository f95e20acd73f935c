package audit

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"example.org/hotline/crypto/tlog"
	"example.org/hotline/hotline"
	"example.org/hotline/hotline/ledger"
)

const second = hotline.Time(1000)

// wantInterval compares what is proven of one entry of a first generation.
func wantInterval(t *testing.T, r *Report, p hotline.Party, entry uint64, want Interval) {
	t.Helper()
	got, err := r.Interval(p, 1, entry)
	if err != nil || got != want {
		t.Errorf("entry %d of %s: %+v, %v; want %+v", entry, p, got, err, want)
	}
}

// exchange is a text of XA that XB has receipted and answered, each step one
// second after the one before. It returns the entries concerned.
func exchange(t *testing.T) (w *world, sent, received, receipted, answer uint64) {
	w = newWorld(t, terms(), "XA", "XB", "XC")
	a, b := w.at("XA"), w.at("XB")
	st := a.submit(a.Text(w.now, "XB", "Please call."))
	w.pass(second)
	a.send(st, "XB") // XB receives it and XA logs the receipt in the same millisecond
	receipted, received = newestOf(t, a, hotline.EntryReceipted), newestOf(t, b, hotline.EntryReceived)
	w.pass(second)
	reply := b.submit(b.Text(w.now, "XA", "Called."))
	w.pass(second)
	b.send(reply, "XA")
	return w, a.results[st.ID].Index, received, receipted, newestOf(t, a, hotline.EntryReceived)
}

// newestOf is the newest entry of a type.
func newestOf(t *testing.T, p *peer, kind hotline.EntryType) uint64 {
	t.Helper()
	for i, raw := range slices.Backward(p.entries) {
		if e, _, err := hotline.DecodeEntry(raw); err == nil && e.Type == kind {
			return uint64(i)
		}
	}
	t.Fatalf("%s has no entry of type %d", p.Code, kind)
	return 0
}

// Promise: each end of an interval is the signature of another party, the tightest that the material shows, and an end that
// nobody has signed is unbounded.
func TestIntervalIsTheTightestThatOthersSigned(t *testing.T) {
	t.Parallel()
	w, sent, received, receipted, answer := exchange(t)
	t0 := w.now - 3*second
	a, b := w.at("XA"), w.at("XB")
	alone := audited(t, a.export())
	wantInterval(t, alone, "XA", sent, Interval{Before: t0 + second, BeforeBy: "XB"})
	wantInterval(t, alone, "XA", 0, Interval{Before: t0 + second, BeforeBy: "XB"})
	wantInterval(t, alone, "XA", receipted, Interval{After: t0 + second, AfterBy: "XB"})
	wantInterval(t, alone, "XA", answer, Interval{After: t0 + 2*second, AfterBy: "XB"})

	both := audited(t, a.export(), b.export())
	wantInterval(t, both, "XA", sent, Interval{Before: t0 + second, BeforeBy: "XB"})
	wantInterval(t, both, "XA", answer, Interval{After: t0 + 2*second, AfterBy: "XB", Before: t0 + 3*second, BeforeBy: "XB"})
	wantInterval(t, both, "XB", received, Interval{After: t0, AfterBy: "XA", Before: t0 + second, BeforeBy: "XA"})
	i, err := both.Interval("XA", 1, answer)
	if d, ok := i.Width(); err != nil || !ok || d != time.Second {
		t.Errorf("width %v, %v, %v", d, ok, err)
	}
	for _, of := range []struct {
		p     hotline.Party
		entry uint64
	}{{"XC", 0}, {"XA", uint64(len(a.entries))}} {
		if _, err := both.Interval(of.p, 1, of.entry); err == nil {
			t.Errorf("entry %d of %s has an interval", of.entry, of.p)
		}
	}
}

// Promise: a pair export bounds what it shows, and what it hides, as the full one does where the same signatures are in it.
func TestIntervalOfAPairExport(t *testing.T) {
	t.Parallel()
	w, sent, _, receipted, answer := exchange(t)
	a := w.at("XA")
	other := a.submit(a.Text(w.now, "XC", "For you alone."))
	w.pass(second)
	a.send(other, "XC")
	full, pair := audited(t, a.export()), audited(t, a.pair("XB"))
	for _, entry := range []uint64{0, sent} {
		i, err := full.Interval("XA", 1, entry)
		if err != nil {
			t.Fatal(err)
		}
		wantInterval(t, pair, "XA", entry, i)
	}
	hidden := a.results[other.ID].Index
	wantInterval(t, pair, "XA", hidden, Interval{After: w.now - 3*second + second, AfterBy: "XB"})
	wantInterval(t, full, "XA", hidden, Interval{After: w.now - 2*second, AfterBy: "XB", Before: w.now, BeforeBy: "XC"})
	wantInterval(t, audited(t, a.pair("XB"), a.pair("XC")), "XA", hidden, Interval{After: w.now - 2*second, AfterBy: "XB", Before: w.now, BeforeBy: "XC"})
	wantInterval(t, full, "XA", receipted, Interval{After: w.now - 3*second, AfterBy: "XB", Before: w.now, BeforeBy: "XC"})
	wantInterval(t, full, "XA", answer, Interval{After: w.now - 2*second, AfterBy: "XB", Before: w.now, BeforeBy: "XC"})
}

// Promise: cosignatures, checkpoints recorded by a witness and those that a statement names bound an entry too.
func TestIntervalByWitnesses(t *testing.T) {
	t.Parallel()
	w := newWorld(t, terms(), "XA", "XB", "XC")
	a, b, c := w.at("XA"), w.at("XB"), w.at("XC")
	a.submit(a.Detection(w.now))
	last := uint64(len(a.entries) - 1)
	t0 := w.now
	w.now = (t0/second + 20) * second
	note := a.cosignedBy(len(a.entries), "XB")
	wantInterval(t, audited(t, with(t, a.export(), note)), "XA", last, Interval{Before: w.now + 999, BeforeBy: "XB"})
	w.now -= 10 * second
	c.witness("XA", a.checkpoint(a.entries))
	recorded := uint64(len(c.entries) - 1)
	r := audited(t, with(t, a.export(), note), c.export())
	wantInterval(t, r, "XA", last, Interval{Before: w.now, BeforeBy: "XC"})
	wantInterval(t, r, "XC", recorded, Interval{After: t0, AfterBy: "XA"})

	claimed, err := tlog.ClaimedCheckpoint(note)
	if err != nil {
		t.Fatal(err)
	}
	w.now -= 5 * second
	naming := func(h *hotline.Header) {
		h.Peer = &hotline.PeerHead{Origin: claimed.Origin, Size: claimed.Size, Root: claimed.Root}
	}
	st := b.submit(b.Text(w.now, "XA", "I have your log.", naming))
	named := b.results[st.ID].Index
	w.now += 5 * second
	b.send(st, "XA")
	wantInterval(t, audited(t, a.export()), "XA", last, Interval{Before: w.now - 5*second, BeforeBy: "XB"})
	wantInterval(t, audited(t, a.export(), b.export()), "XB", named, Interval{After: t0, AfterBy: "XA", Before: w.now, BeforeBy: "XA"})
}

// anchor is the newest head of a log as others have cosigned it now.
func (p *peer) anchor(witnesses ...hotline.Party) []byte {
	p.w.t.Helper()
	lines := bytes.SplitAfter(p.cosignedBy(len(p.entries), witnesses...), []byte("\n"))
	note := bytes.Join(lines[:5], nil) // with the line of the log; each witness has one of Ed25519 first
	for i := range witnesses {
		note = append(note, lines[5+2*i]...)
	}
	return note
}

// anchored logs an own text with an anchor.
func (p *peer) anchored(to hotline.Party, anchor []byte) *hotline.Statement {
	p.w.t.Helper()
	st := p.Text(p.w.now, to, "Please call.")
	p.results[st.ID] = p.do(&ledger.Command{Type: ledger.Submit, Statement: st.Raw, Anchor: anchor})
	return st
}

// Promise: an anchor gives a statement a lower bound by a third party, in the log of its sender and, if that is not given, in
// the log of whoever received it.
func TestIntervalByAnAnchor(t *testing.T) {
	t.Parallel()
	w := newWorld(t, terms(), "XA", "XB", "XC")
	a, b := w.at("XA"), w.at("XB")
	w.now = w.now / second * second
	t0 := w.now
	anchor := a.anchor("XB", "XC")
	before := uint64(len(a.entries) - 1)
	w.pass(2 * second)
	st := a.anchored("XB", anchor)
	w.pass(second)
	a.send(st, "XB")
	sent, received := a.results[st.ID].Index, newestOf(t, b, hotline.EntryReceived)
	r := audited(t, a.export())
	wantFound(t, r)
	wantInterval(t, r, "XA", sent, Interval{After: t0, AfterBy: "XB", Before: t0 + 3*second, BeforeBy: "XB"})
	wantInterval(t, r, "XA", before, Interval{Before: t0 + 999, BeforeBy: "XB"})
	r = audited(t, b.export())
	wantFound(t, r)
	wantInterval(t, r, "XB", received, Interval{After: t0 + 2*second, AfterBy: "XA"})
	r = audited(t, a.export(), b.export(), w.at("XC").export())
	wantFound(t, r)
	wantInterval(t, r, "XA", sent, Interval{After: t0, AfterBy: "XB", Before: t0 + 3*second, BeforeBy: "XB"})
	wantInterval(t, audited(t, a.pair("XB")), "XA", sent, Interval{After: t0, AfterBy: "XB", Before: t0 + 3*second, BeforeBy: "XB"})
}

// Promise: an anchor of a tree that the log never had proves two histories, one whose cosignature lies far before the last entry
// under it contradicts the clock, and one that bears no true signature is named as such.
func TestAnchorIsHeldAgainstTheLog(t *testing.T) {
	t.Parallel()
	w := newWorld(t, terms(), "XA", "XB", "XC")
	a := w.at("XA")
	entries := a.entries
	a.entries = append(slices.Clone(entries[:len(entries)-1]), []byte("another entry"))
	other := a.anchor("XB", "XC")
	a.entries = entries
	a.anchored("XB", other)
	wantFound(t, audited(t, a.export()), "fork@XA")

	w = newWorld(t, terms(), "XA", "XB", "XC")
	a = w.at("XA")
	a.submit(a.Detection(w.now))
	w.pass(-6 * minute)
	early := a.anchor("XC")
	w.pass(6 * minute)
	a.anchored("XB", early)
	wantFound(t, audited(t, a.export()), "time-contradiction@XA|XC")

	w = newWorld(t, terms(), "XA", "XB", "XC")
	a = w.at("XA")
	a.anchored("XB", a.anchor("XB"))
	last := len(a.entries) - 1
	forged := reenter(t, a.entries[last], func(_ *hotline.Entry, content any) {
		s := content.(*hotline.Sent)
		s.Anchor = bytes.Clone(s.Anchor)
		s.Anchor[len(s.Anchor)-30] = map[bool]byte{true: 'B', false: 'A'}[s.Anchor[len(s.Anchor)-30] == 'A']
	})
	wantFound(t, audited(t, a.exportOf(append(slices.Clone(a.entries[:last]), forged))), "signature-invalid@XA")
}

// Promise: where two clocks contradict each other the interval says by how much, and has no width.
func TestIntervalOfContradictingClocks(t *testing.T) {
	t.Parallel()
	w := newWorld(t, terms(), "XA", "XB", "XC")
	a := w.at("XA")
	first := a.submit(a.Text(w.now, "XC", "One."))
	w.pass(60 * second)
	a.send(first, "XC")
	st := a.submit(a.Text(w.now, "XB", "Two."))
	w.pass(-50 * second) // by the clock of XB
	receipt, tender := a.deliver(st, "XB")
	w.pass(50 * second)
	a.do(&ledger.Command{Type: ledger.Receipt, Receipt: receipt, Tender: tender})
	r := audited(t, a.export())
	wantFound(t, r)
	index := a.results[st.ID].Index
	wantInterval(t, r, "XA", index, Interval{After: w.now, AfterBy: "XC", Before: w.now - 50*second, BeforeBy: "XB"})
	i, err := r.Interval("XA", 1, index)
	if err != nil {
		t.Fatal(err)
	}
	if d, ok := i.Contradiction(); !ok || d != 50*time.Second {
		t.Errorf("contradiction of %v, %v", d, ok)
	}
	if d, ok := i.Width(); ok {
		t.Errorf("a width of %v", d)
	}
}

// Promise: a time that no majority of clocks backed bounds nothing and accuses nobody.
func TestUnprovenTimeBoundsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, terms(), "XA", "XB")
	a, b := w.at("XA"), w.at("XB")
	b.mute = true
	w.pass(20 * minute)
	st := a.submit(a.Text(w.now, "XB", "Please call."))
	a.send(st, "XB")
	r := audited(t, a.export(), b.export())
	wantFound(t, r)
	wantInterval(t, r, "XA", a.results[st.ID].Index, Interval{})
	wantInterval(t, r, "XB", newestOf(t, b, hotline.EntryReceived), Interval{After: w.now, AfterBy: "XA", Before: w.now, BeforeBy: "XA"})
}

// Promise: that is so after a difference too: from there on nobody can tell which times were backed, so none of an entry without a
// mark counts.
func TestUnprovenTimeBoundsNothingAfterADifference(t *testing.T) {
	t.Parallel()
	w := newWorld(t, terms(), "XA", "XB")
	a, b := w.at("XA"), w.at("XB")
	st := a.submit(a.Text(w.now, "XB", "Please call."))
	w.pass(2 * second)
	a.submit(a.Detection(w.now))
	a.mute = true
	w.pass(8 * minute)
	a.send(st, "XB")
	wantFound(t, audited(t, a.export(), b.export()))
	entries := slices.Clone(a.entries)
	i := last(t, entries, hotline.EntrySent)
	entries[i] = reenter(t, entries[i], func(_ *hotline.Entry, c any) { c.(*hotline.Sent).Voters = 2 })
	r := audited(t, a.exportOf(entries), b.export())
	if slices.ContainsFunc(r.Observations, func(o Observation) bool { return o.Code == TimeContradiction }) {
		t.Errorf("an unproven time accuses: %v", found(r))
	}
	received, err := r.Interval("XB", 1, newestOf(t, b, hotline.EntryReceived))
	if err != nil || received.Before != 0 && received.Before < w.now {
		t.Errorf("an unproven time bounds: %+v, %v", received, err)
	}
}

// Promise: a witness that recorded a checkpoint while no clock could be read is not accused, and bounds nothing.
func TestUnprovenTimeOfAWitnessBoundsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, terms(), "XA", "XB", "XC")
	a, c := w.at("XA"), w.at("XC")
	w.pass(24 * 60 * minute)
	w.alertTo("XA", []hotline.Party{"XB"}, []hotline.Party{"XB"})
	c.mute = true
	c.witness("XA", a.checkpoint(a.entries))
	r := audited(t, a.export(), c.export())
	wantFound(t, r)
	last := uint64(len(a.entries) - 1)
	if i, err := r.Interval("XA", 1, last); err != nil || i.Before != 0 && i.BeforeBy == "XC" {
		t.Errorf("%+v, %v", i, err)
	}
}

// Promise: a log whose last entry bears a later time than a cosignature over it is an observation, within the allowed skew none.
func TestCosignatureBeforeTheEntry(t *testing.T) {
	t.Parallel()
	w := newWorld(t, terms(), "XA", "XB", "XC")
	a := w.at("XA")
	a.submit(a.Detection(w.now))
	w.pass(-5 * minute)
	wantFound(t, audited(t, with(t, a.export(), a.cosignedBy(len(a.entries), "XB"))))
	w.pass(-2 * second)
	wantFound(t, audited(t, with(t, a.export(), a.cosignedBy(len(a.entries), "XB"))), "time-contradiction@XA|XB")
}

// Promise: two histories of one log have no interval.
func TestForkedLogHasNoInterval(t *testing.T) {
	t.Parallel()
	w, sent, _, _, _ := exchange(t)
	a := w.at("XA")
	last := len(a.entries) - 1
	other := append(append([][]byte(nil), a.entries[:last]...), reenter(t, a.entries[last], func(e *hotline.Entry, _ any) { e.Salt[0] ^= 1 }))
	r := audited(t, a.export(), a.exportOf(other))
	if i, err := r.Interval("XA", 1, sent); err == nil {
		t.Errorf("%+v", i)
	}
}

// Promise: what is gathered in pages of a file is what a plain search over all facts finds.
func TestWeaveIsAPlainSearch(t *testing.T) {
	t.Parallel()
	const size = 7*pageLeaves + 13
	w := &weave{names: []hotline.Party{""}, number: map[hotline.Party]uint32{}, logs: map[logKey][]*table{}}
	defer w.close()
	table, err := newTable(t.TempDir(), "table", size)
	if err != nil {
		t.Fatal(err)
	}
	key := logKey{"XA", 1}
	w.tables, w.logs[key] = append(w.tables, table), append(w.logs[key], table)
	random := rand.New(rand.NewPCG(1, 2))
	var known, seen [size]Interval
	for range 300 {
		at, when, by := random.Uint64N(size), hotline.Time(1+random.Uint64N(100)), hotline.Party(fmt.Sprintf("X%c", 'B'+random.IntN(5)))
		if random.IntN(2) == 0 {
			known[at] = known[at].within(Interval{After: when, AfterBy: by})
			err = w.known(0, at, by, when)
		} else {
			seen[at] = seen[at].within(Interval{Before: when, BeforeBy: by})
			err = w.seen(0, at, by, when)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.finish(); err != nil {
		t.Fatal(err)
	}
	r := &Report{weave: w}
	for entry := range uint64(size) {
		var want Interval
		for at := range known {
			if uint64(at) <= entry {
				want.After, want.AfterBy = later(want, known[at])
			}
			if uint64(at) >= entry {
				want = want.within(Interval{Before: seen[at].Before, BeforeBy: seen[at].BeforeBy})
			}
		}
		got, err := r.Interval("XA", 1, entry)
		if err != nil || got.After != want.After || got.Before != want.Before {
			t.Fatalf("entry %d: %+v, %v; want %+v", entry, got, err, want)
		}
	}
}

func later(a, b Interval) (hotline.Time, hotline.Party) {
	if b.After > a.After {
		return b.After, b.AfterBy
	}
	return a.After, a.AfterBy
}
