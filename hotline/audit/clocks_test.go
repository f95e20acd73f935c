package audit

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/ledger"
)

// by lets a party act by a clock that differs from that of the others.
func (w *world) by(offset hotline.Time, act func()) {
	w.now += offset
	act()
	w.now -= offset
}

// wantEach wants exactly these observations, each with both its parties in its words, and that they break a rule.
func wantEach(t *testing.T, r *Report, want ...string) {
	t.Helper()
	wantFound(t, r, want...)
	for _, o := range r.Observations {
		if !strings.Contains(o.Text, string(o.Party)) || !strings.Contains(o.Text, string(o.Other)) || !strings.Contains(o.Text, "nothing here shows which") {
			t.Errorf("its words name not both sides: %+v", o)
		}
	}
	if r.ExitCode() != ExitProtocol {
		t.Errorf("exit code %d", r.ExitCode())
	}
}

// Promise: a witness that cosigns with a far too early time accuses nobody else alone, neither by a cosigned checkpoint nor by an
// anchor: it is named beside the log, and beside each interval that it bounds.
func TestEarlyCosignatureNamesItsWitnessToo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, terms(), "XA", "XB", "XC")
	a := w.at("XA")
	w.pass(120 * minute)
	w.now = w.now / second * second
	a.submit(a.Detection(w.now))
	last := uint64(len(a.entries) - 1)
	var note, anchor []byte
	w.by(-60*minute, func() { note, anchor = a.cosignedBy(len(a.entries), "XC"), a.anchor("XC") })
	r := audited(t, with(t, a.export(), note))
	wantEach(t, r, "time-contradiction@XA|XC")
	if o := r.Observations[0]; o.Entry != last {
		t.Errorf("it stands at entry %d, want the last under the cosignature, %d", o.Entry, last)
	}
	wantInterval(t, r, "XA", last, Interval{Before: w.now - 60*minute + 999, BeforeBy: "XC"})
	a.anchored("XB", anchor)
	wantEach(t, audited(t, a.export()), "time-contradiction@XA|XC")
}

// Promise: where what bounds an entry contradicts itself, both signers are told.
func TestIntervalThatContradictsItselfNamesBothSigners(t *testing.T) {
	t.Parallel()
	w := newWorld(t, terms(), "XA", "XB", "XC")
	a, b := w.at("XA"), w.at("XB")
	w.pass(120 * minute)
	b.send(b.submit(b.Text(w.now, "XA", "Please call.")), "XA")
	received := newestOf(t, a, hotline.EntryReceived)
	var note []byte
	w.by(-60*minute, func() { note = a.cosignedBy(len(a.entries), "XC") })
	r := audited(t, with(t, a.export(), note))
	i, err := r.Interval("XA", 1, received)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := i.Contradiction(); !ok || !strings.Contains(i.Words(), "signed by XB") || !strings.Contains(i.Words(), "signed by XC") ||
		!strings.Contains(i.Words(), "contradict each other") {
		t.Errorf("%s", i.Words())
	}
}

// Promise: a witness whose cosignature is dated before what it had itself signed, and the log held by then, is named alone: its
// cosignature bounds no entry, and contradicts the log only as far as its own earlier word does. What the log held only later says
// nothing.
func TestWitnessThatContradictsItselfIsNamedAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, terms(), "XA", "XB", "XC")
	a, c := w.at("XA"), w.at("XC")
	w.pass(120 * minute)
	early := func() (note []byte) {
		w.by(-60*minute, func() { note = a.cosignedBy(len(a.entries), "XC") })
		return note
	}
	before := early()
	if r := audited(t, with(t, a.export(), before)); len(r.Observations) != 0 {
		t.Fatalf("before anything: %+v", r.Observations)
	}
	a.submit(a.Detection(w.now))
	before = early()
	st := c.submit(c.Text(w.now, "XA", "Please call."))
	c.send(st, "XA")
	wantEach(t, audited(t, with(t, a.export(), before)), "time-contradiction@XA|XC")
	r := audited(t, with(t, a.export(), early()))
	wantFound(t, r, "time-contradiction@XC")
	if o := r.Observations[0]; o.Entry != c.results[st.ID].Index || !strings.Contains(o.Text, "XA") || r.ExitCode() != ExitProtocol {
		t.Errorf("observed %+v, want entry %d", o, c.results[st.ID].Index)
	}
	if i, err := r.Interval("XA", 1, uint64(len(a.entries)-1)); err != nil || i.Before != 0 {
		t.Errorf("its cosignature bounds an entry: %+v, %v", i, err)
	}
	w.pass(6 * minute)
	a.submit(a.Detection(w.now))
	wantFound(t, audited(t, with(t, a.export(), early())), "time-contradiction@XC", "time-contradiction@XA|XC")
}

// Promise: a party with a fast clock puts nothing alone on whoever names a head of its log in a statement or records it as a witness.
func TestFastClockIsNamedBesideWhoNamesItsHead(t *testing.T) {
	t.Parallel()
	w := newWorld(t, terms(), "XA", "XB", "XC")
	a, b, c := w.at("XA"), w.at("XB"), w.at("XC")
	w.pass(60 * minute)
	w.by(30*minute, func() { b.submit(b.Detection(w.now)) })
	st := a.submit(naming(a, b.state.Size(), b.state.Root()))
	r := audited(t, a.export(), b.export())
	wantEach(t, r, "back-dated@XA|XB")
	if o := r.Observations[0]; o.Entry != a.results[st.ID].Index {
		t.Errorf("observed %+v", o)
	}
	c.witness("XB", b.checkpoint(b.entries))
	wantEach(t, audited(t, b.export(), c.export()), "back-dated@XC|XB")
}

// Promise: what a tender and a receipt contradict each other by is one observation of both parties, the same from either log.
func TestTenderAndReceiptNameBothClocks(t *testing.T) {
	t.Parallel()
	w := newWorld(t, terms(), "XA", "XB")
	a, b := w.at("XA"), w.at("XB")
	w.pass(60 * minute)
	st := a.submit(a.Text(w.now, "XB", "one"))
	var receipt, tender []byte
	w.by(-30*minute, func() { receipt, tender = a.deliver(st, "XB") })
	w.pass(minute)
	a.do(&ledger.Command{Type: ledger.Receipt, Receipt: receipt, Tender: tender})
	for _, dirs := range [][]string{{a.export()}, {b.export()}, {a.export(), b.export()}} {
		r := audited(t, dirs...)
		wantEach(t, r, "time-contradiction@XB|XA")
		if o := r.Observations[0]; o.Entry != newestOf(t, b, hotline.EntryReceived) {
			t.Errorf("observed %+v", o)
		}
	}
	w = newWorld(t, terms(), "XA", "XB")
	a, b = w.at("XA"), w.at("XB")
	st = a.submit(a.Text(w.now, "XB", "one"))
	w.by(30*minute, func() { receipt, tender = a.deliver(st, "XB") })
	a.do(&ledger.Command{Type: ledger.Receipt, Receipt: receipt, Tender: tender})
	wantEach(t, audited(t, a.export(), b.export()), "time-contradiction@XA|XB")
}

// Promise: whatever one party signs with a wrong clock, nobody else is named without it, and it does not go unnamed.
func TestWrongClockIsAlwaysNamed(t *testing.T) {
	t.Parallel()
	sweep(t)
	all := []hotline.Party{"XA", "XB", "XC"}
	for _, offset := range []hotline.Time{-30 * minute, 30 * minute} {
		for _, wrong := range all {
			w := newWorld(t, terms(), all...)
			clock := func(p *peer) hotline.Time {
				if p.Code == wrong {
					return offset
				}
				return 0
			}
			w.pass(60 * minute)
			notes := map[hotline.Party][]byte{}
			for i, from := range all {
				p := w.at(from)
				for _, q := range []*peer{w.at(all[(i+1)%3]), w.at(all[(i+2)%3])} {
					var st *hotline.Statement
					var anchor, receipt, tender []byte
					w.by(clock(q), func() { anchor = p.anchor(q.Code) })
					w.by(clock(p), func() {
						st = p.Text(w.now, q.Code, "words", func(h *hotline.Header) {
							h.Peer = &hotline.PeerHead{Origin: fmt.Sprintf("hotline/%s/1", q.Code), Size: q.state.Size(), Root: q.state.Root()}
						})
						p.results[st.ID] = p.do(&ledger.Command{Type: ledger.Submit, Statement: st.Raw, Anchor: anchor})
					})
					w.pass(second)
					w.by(clock(q), func() { receipt, tender = p.deliver(st, q.Code) })
					w.by(clock(p), func() { p.do(&ledger.Command{Type: ledger.Receipt, Receipt: receipt, Tender: tender}) })
					w.by(clock(q), func() { q.witness(from, p.checkpoint(p.entries)); notes[from] = p.cosignedBy(len(p.entries), q.Code) })
					w.pass(61 * minute)
				}
			}
			var every []string
			for _, p := range all {
				dir := with(t, w.at(p).export(), notes[p])
				every = append(every, dir)
			}
			subsets := [][]string{every}
			for i := range every {
				subsets = append(subsets, every[i:i+1], []string{every[i], every[(i+1)%3]})
			}
			for _, dirs := range subsets {
				r := audited(t, dirs...)
				for _, o := range r.Observations {
					if o.Class == Protocol && o.Party != wrong && o.Other != wrong {
						t.Errorf("%s is wrong by %d, and not named: %+v", wrong, offset, o)
					}
				}
				if len(dirs) > 1 && !slices.ContainsFunc(r.Observations, func(o Observation) bool { return o.Class == Protocol }) {
					t.Errorf("%s is wrong by %d, and nothing is observed in %d logs", wrong, offset, len(dirs))
				}
			}
		}
	}
}

// Promise: no number of times with which a peer contradicts a log hides that this log was forked.
func TestForkIsToldBesideManyContradictions(t *testing.T) {
	t.Parallel()
	sweep(t)
	w := newWorld(t, terms(), "XA", "XB")
	a, b := w.at("XA"), w.at("XB")
	var sent []*hotline.Statement
	w.by(10*minute, func() {
		for range MaxObservations + 1 {
			sent = append(sent, a.submit(a.Text(w.now, "XB", "words")))
		}
	})
	for _, st := range sent {
		a.deliver(st, "XB")
		w.pass(1)
	}
	b.send(b.submit(b.Text(w.now, "XA", "words")), "XA")
	entries := slices.Clone(b.entries)
	i := last(t, entries, hotline.EntrySent)
	entries[i] = reenter(t, entries[i], func(e *hotline.Entry, _ any) { e.Salt[0] ^= 1 })
	r := audited(t, a.export(), b.exportOf(entries))
	if got := found(r); !slices.Contains(got, "fork@XB") || !slices.Contains(got, "time-contradiction@XB|XA") || r.MoreProtocol == 0 {
		t.Errorf("no fork among %d observations, %d more", len(got), r.MoreProtocol)
	}
}

// Promise: wherever an observation names one of two parties, it names both: in the text, the table, the page and the figures.
func TestBothPartiesAreShownEverywhere(t *testing.T) {
	t.Parallel()
	w := newWorld(t, terms(), "XA", "XB", "XC")
	a := w.at("XA")
	w.pass(120 * minute)
	a.submit(a.Detection(w.now))
	var note []byte
	w.by(-60*minute, func() { note = a.cosignedBy(len(a.entries), "XC") })
	r := audited(t, with(t, a.export(), note))
	var table, page, figures bytes.Buffer
	s, err := r.Statistics()
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{r.WriteCSV(&table, "observations"), r.WriteHTML(&page), s.WriteText(&figures, Text{})} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for what, shown := range map[string][2]string{
		"text":    {text(t, r), "XA or XC, XA entry "},
		"table":   {table.String(), ",XA,XC,"},
		"page":    {page.String(), "<td>XA or XC</td>"},
		"figures": {figures.String(), "XA or XC"},
	} {
		if !strings.Contains(shown[0], shown[1]) {
			t.Errorf("the %s does not name both:\n%s", what, shown[0])
		}
	}
	if c := s.Observations; len(c) != 1 || c[0].Party != "XA" || c[0].Other != "XC" || c[0].Count != 1 {
		t.Errorf("figures %+v", c)
	}
}

// Promise: nor does it hide that another peer contradicts it too.
func TestManyContradictionsOfOneHideNoOther(t *testing.T) {
	t.Parallel()
	sweep(t)
	w := newWorld(t, terms(), "XA", "XB", "XC")
	a, b, c := w.at("XA"), w.at("XB"), w.at("XC")
	var sent []*hotline.Statement
	w.by(10*minute, func() {
		for range MaxObservations + 1 {
			sent = append(sent, a.submit(a.Text(w.now, "XB", "words")))
		}
		sent = append(sent, c.submit(c.Text(w.now, "XB", "words")))
	})
	for _, st := range sent {
		w.at(st.Header.From).deliver(st, "XB")
		w.pass(1)
	}
	r := audited(t, b.export())
	if got := found(r); len(got) != MaxObservations+1 || !slices.Contains(got, "time-contradiction@XB|XC") || r.MoreProtocol != 1 {
		t.Errorf("%d observations, %d more, and XC is among them: %v", len(got), r.MoreProtocol, slices.Contains(got, "time-contradiction@XB|XC"))
	}
}

// Promise: so is a witness whose cosignature stands in an anchor, in whichever log the anchor is found.
func TestWitnessOfAnAnchorThatContradictsItselfIsNamedAlone(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		word  bool
		after hotline.Time
		want  []string
	}{
		"before anything":      {want: []string{"time-contradiction@XA|XC"}},
		"after its own word":   {word: true, want: []string{"time-contradiction@XC"}},
		"well after that word": {word: true, after: 6 * minute, want: []string{"time-contradiction@XC", "time-contradiction@XA|XC"}},
	} {
		w := newWorld(t, terms(), "XA", "XB", "XC")
		a, witness := w.at("XA"), w.at("XC")
		w.pass(120 * minute)
		a.submit(a.Detection(w.now))
		st := witness.submit(witness.Text(w.now, "XA", "Please call."))
		if c.word {
			witness.send(st, "XA")
		}
		w.pass(c.after)
		a.submit(a.Detection(w.now))
		last := uint64(len(a.entries) - 1)
		var anchor []byte
		w.by(-60*minute, func() { anchor = a.anchor("XC") })
		if !c.word {
			witness.send(st, "XA") // later: it says nothing
		}
		a.send(a.anchored("XB", anchor), "XB")
		for _, dirs := range [][]string{{a.export()}, {a.export(), w.at("XB").export()}} {
			r := audited(t, dirs...)
			wantFound(t, r, c.want...)
			for _, o := range r.Observations {
				if o.Party == "XC" && o.Entry != witness.results[st.ID].Index {
					t.Errorf("%s: observed %+v", name, o)
				}
			}
			i, err := r.Interval("XA", 1, last)
			if err != nil || (i.BeforeBy == "XC") == c.word {
				t.Errorf("%s: its cosignature bounds an entry: %+v, %v", name, i, err)
			}
		}
	}
}
