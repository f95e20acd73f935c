package audit

import (
	"slices"
	"strings"
	"testing"

	"example.org/hotline/crypto/tlog"
	"example.org/hotline/hotline"
	"example.org/hotline/hotline/ledger"
)

// naming is a text of XA to XB that names a head of XB's log.
func naming(p *peer, size uint64, root tlog.Hash) *hotline.Statement {
	return p.Text(p.w.now, "XB", "words", func(h *hotline.Header) { h.Peer = &hotline.PeerHead{Origin: "hotline/XB/1", Size: size, Root: root} })
}

// Promise: a head of the own log that this log cannot have when the statement that names it comes in, since it is of another root, or
// of more entries than stand before, is told of the party that signed the statement, at its entry, and not of the party that received
// it: by either log, by both, and wherever the receiver's export ends.
func TestFalseHeadIsToldOfItsSender(t *testing.T) {
	t.Parallel()
	for name, beyond := range map[string]int{"another root": 0, "the entry itself": 1, "beyond the end": 1000} {
		w := newWorld(t, terms(), "XA", "XB")
		a, b := w.at("XA"), w.at("XB")
		st := a.submit(naming(a, uint64(len(b.entries)+beyond), tlog.Hash{1}))
		receipt, tender := a.deliver(st, "XB")
		short := b.export()
		b.submit(b.Detection(w.now))
		a.do(&ledger.Command{Type: ledger.Receipt, Receipt: receipt, Tender: tender})
		for _, dirs := range [][]string{{b.export()}, {short}, {b.pair("XA")}, {a.export(), b.export()}, {a.export(), short, b.pair("XA")}} {
			r := audited(t, dirs...)
			wantCodes(t, r, "head-not-in-log@XA")
			if o := r.Observations; len(o) != 1 || o[0].Entry != a.results[st.ID].Index || !strings.Contains(o[0].Text, "which of the two") {
				t.Errorf("%s: observed %+v, want entry %d", name, o, a.results[st.ID].Index)
			}
		}
	}
}

// Promise: a head that lies beyond the end of the export of its log accuses nobody, as long as the log does not hold the
// statement that names it.
func TestHeadBeyondACutExportIsNotShown(t *testing.T) {
	t.Parallel()
	w := newWorld(t, terms(), "XA", "XB")
	a, b := w.at("XA"), w.at("XB")
	cut := b.export()
	b.submit(b.Detection(w.now))
	a.send(a.submit(naming(a, b.state.Size(), b.state.Root())), "XB")
	r := audited(t, a.export(), cut)
	wantFound(t, r)
	if !slices.ContainsFunc(r.NotJudged, func(s string) bool { return strings.Contains(s, "beyond the end of its export") }) {
		t.Errorf("not judged: %q", r.NotJudged)
	}
	wantFound(t, audited(t, a.export(), b.export()))
}

// Promise: who names a head that the other party signed is not accused when that party shows another log, or a shorter one: the
// party that signed the head is, and whoever forked its log accuses nobody by it.
func TestForkedLogDoesNotAccuseWhoNamedItsHead(t *testing.T) {
	t.Parallel()
	w := newWorld(t, terms(), "XA", "XB")
	a, b := w.at("XA"), w.at("XB")
	before := slices.Clone(b.entries)
	b.submit(b.Detection(w.now))
	b.submit(b.Detection(w.now))
	a.witness("XB", b.checkpoint(b.entries))
	st := a.submit(naming(a, b.state.Size(), b.state.Root()))
	sender, tender := a.tendered(st)
	raw, err := hotline.EncodeEntry(hotline.EntryReceived, w.now, [16]byte{1}, hotline.ReceivedScope("XB", st), hotline.Outside,
		&hotline.Received{Statement: st.Raw, Sender: sender, Tender: tender, Voters: 3})
	if err != nil {
		t.Fatal(err)
	}
	shorter := append(before, raw) // XB takes back what it logged since
	for name, entries := range map[string][][]byte{"shorter": shorter, "as long": append(slices.Clone(shorter), b.entries[len(before)])} {
		got := found(audited(t, a.export(), b.exportOf(entries)))
		if slices.ContainsFunc(got, func(s string) bool { return strings.HasSuffix(s, "@XA") }) || !slices.Contains(got, "fork@XB") {
			t.Errorf("%s: observed %v", name, got)
		}
	}
	// Another signature proves the fork, and nothing that the head was signed too.
	c := newWorld(t, terms(), "XA", "XB")
	honest, _ := short(t, "one")
	x := c.at("XB")
	x.submit(x.Text(c.now, "XA", "another history"))
	for range 6 {
		x.submit(x.Detection(c.now))
	}
	h := honest.at("XA")
	h.submit(naming(h, honest.at("XB").state.Size(), honest.at("XB").state.Root()))
	r := audited(t, h.export(), x.export())
	if got := found(r); slices.Contains(got, "head-not-in-log@XA") || !slices.Contains(got, "fork@XB") {
		t.Errorf("observed %v", got)
	}
	if !slices.ContainsFunc(r.NotJudged, func(s string) bool { return strings.Contains(s, "heads of XB") }) {
		t.Errorf("not judged: %q", r.NotJudged)
	}
}

// Promise: a statement of another party in the place of an own one lends that party neither a time nor a head.
func TestStatementOfAnotherInTheOwnPlaceAccusesNobodyElse(t *testing.T) {
	t.Parallel()
	w := newWorld(t, terms(), "XA", "XB", "XC")
	a, b, c := w.at("XA"), w.at("XB"), w.at("XC")
	w.pass(60 * minute)
	c.submit(c.Detection(w.now))
	st := b.submit(b.Text(w.now, "XC", "words", func(h *hotline.Header) {
		h.Peer = &hotline.PeerHead{Origin: "hotline/XC/1", Size: c.state.Size(), Root: c.state.Root()}
	}))
	entries := a.forge(a.entries, a.Text(w.now, "XB", "zero").Raw, hotline.Sequence{To: "XB", N: 7}) // nothing is decided from here on
	at := len(entries)
	entries = a.forge(entries, st.Raw, hotline.Sequence{To: "XC", N: 1})
	entries[at] = reenter(t, entries[at], func(e *hotline.Entry, _ any) { e.Time = w.now - 59*minute })
	r := audited(t, a.exportOf(entries), b.export(), c.export())
	for _, o := range r.Observations {
		if o.Party != "XA" {
			t.Errorf("observed %+v", o)
		}
	}
	if !slices.ContainsFunc(r.Observations, func(o Observation) bool { return o.Entry == uint64(at) && o.Code == DecisionDiffers }) {
		t.Errorf("XA is not told of what it logged: %+v", r.Observations)
	}
	if i, err := r.Interval("XC", 1, c.state.Size()-1); err != nil || i.Before != 0 && i.Before < w.now {
		t.Errorf("the entry of XC is said to be seen at %+v, %v", i, err)
	}
}

// Promise: a statement that its sender dated back is told at the sender's entry, by whichever log holds it, and names the log whose head
// contradicts it too.
func TestBackDatedStatementIsToldAtItsEntry(t *testing.T) {
	t.Parallel()
	w := newWorld(t, terms(), "XA", "XB")
	a, b := w.at("XA"), w.at("XB")
	w.pass(60 * minute)
	b.submit(b.Detection(w.now))
	size, root := b.state.Size(), b.state.Root()
	w.pass(-50 * minute)
	st := a.submit(a.Text(w.now, "XB", "old", func(h *hotline.Header) { h.Peer = &hotline.PeerHead{Origin: "hotline/XB/1", Size: size, Root: root} }))
	w.pass(50 * minute)
	a.deliver(st, "XB")
	for _, dirs := range [][]string{{b.export()}, {a.export(), b.export()}} {
		r := audited(t, dirs...)
		wantCodes(t, r, "back-dated@XA|XB")
		if len(r.Observations) != 1 || r.Observations[0].Entry != a.results[st.ID].Index {
			t.Errorf("observed %+v", r.Observations)
		}
	}
}

// Promise: no number of false heads that a peer names hides that the log which holds them was forked.
func TestForkIsToldBesideManyFalseHeads(t *testing.T) {
	t.Parallel()
	sweep(t)
	w := newWorld(t, terms(), "XA", "XB")
	a, b := w.at("XA"), w.at("XB")
	for range MaxObservations + 1 {
		a.send(a.submit(naming(a, 1, tlog.Hash{1})), "XB")
		w.pass(second)
	}
	entries := slices.Clone(b.entries)
	i := last(t, entries, hotline.EntryReceived)
	entries[i] = reenter(t, entries[i], func(e *hotline.Entry, _ any) { e.Salt[0] ^= 1 })
	r := audited(t, a.export(), b.exportOf(entries))
	if got := found(r); !slices.Contains(got, "fork@XB") || !slices.Contains(got, "head-not-in-log@XA") {
		t.Errorf("no fork among %d observations, %d more", len(got), r.MoreProtocol)
	}
}
