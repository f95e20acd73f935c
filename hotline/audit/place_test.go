package audit

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/ledger"
)

// What a party signs of a place of its log can be held against that log, wherever it says that the place is.

// promised lets a party sign a receipt for a statement as entry so many places behind the end of its log, in a
// generation, and log nothing.
func promised(p *peer, st *hotline.Statement, index uint64, sender, tender []byte, generation uint64, places int, marks hotline.Marks) (receipt []byte) {
	p.w.t.Helper()
	s, err := hotline.ParseSenderEntry(sender)
	if err != nil {
		p.w.t.Fatal(err)
	}
	salt := [16]byte{1}
	raw, err := hotline.ReceivedEntry(p.Code, st, sender, tender, p.w.now, salt, "", marks, 3)
	if err != nil {
		p.w.t.Fatal(err)
	}
	entries := slices.Clone(p.entries)
	for range places {
		entries = append(entries, []byte("another entry"))
	}
	at := placed(st, append(entries, raw))
	claims := hotline.Claims{Party: p.Code, Generation: generation, Statement: st.ID, Index: at.Index, Time: p.w.now, Voters: 3,
		Of: &hotline.Of{Party: st.Header.From, Generation: 1, Index: index, Sequence: s.Sent.SequenceFor(p.Code), Salt: salt, Marks: marks}}
	if receipt, err = hotline.SignReceipt(claims, p.state.ConventionID(), at.Root, at.Path, p.Log); err != nil {
		p.w.t.Fatal(err)
	}
	return receipt
}

// fromGeneration are exports of XA and XB in which the holder, XA, holds a receipt of XB, or XB a tender of XA, that is said to be of
// a generation. If it stopped, nothing of the holder's log is decided by then.
func fromGeneration(t *testing.T, holder hotline.Party, generation uint64, stopped bool) (own, other string) {
	w := newWorld(t, terms(), "XA", "XB")
	a, b := w.at("XA"), w.at("XB")
	st := a.submit(a.Text(w.now, "XB", "one"))
	at := a.results[st.ID]
	sender, tender := a.tendered(st)
	before, raw := a.entries, []byte(nil)
	if holder == "XA" {
		var err error
		raw, err = hotline.EncodeEntry(hotline.EntryReceipted, w.now, [16]byte{2}, hotline.ReceivedScope("XB", st), hotline.Outside,
			&hotline.Receipted{Statement: st.ID, Index: at.Index, Tender: tender, Receipt: promised(b, st, at.Index, sender, tender, generation, 0, 0)})
		if err != nil {
			t.Fatal(err)
		}
	} else {
		x, err := hotline.ParseReceipt(tender)
		if err != nil {
			t.Fatal(err)
		}
		x.Claims.Generation = generation
		if tender, err = hotline.SignReceipt(x.Claims, a.state.ConventionID(), at.Root, at.Path, a.Log); err != nil {
			t.Fatal(err)
		}
		before = b.entries
		taken(b, st, at.Index, sender, tender)
		b.entries, raw = before, b.entries[len(before)]
	}
	p, q := w.at(holder), map[hotline.Party]*peer{"XA": b, "XB": a}[holder]
	entries := slices.Clone(before)
	if stopped {
		entries = p.forge(entries, p.Text(w.now, q.Code, "two").Raw, hotline.Sequence{To: q.Code, N: 7})
	}
	return p.exportOf(append(entries, raw)), q.export()
}

// Promise: a receipt, or a tender, from a generation that no directory of its party opens is none: the auditor does not pass over it
// because that log was not given.
func TestPlaceInNoGenerationIsNone(t *testing.T) {
	t.Parallel()
	for holder, code := range map[hotline.Party]string{"XA": "receipt-invalid@XA", "XB": "tender-invalid@XB"} {
		for _, generation := range []uint64{1, 2} {
			for _, stopped := range []bool{false, true} {
				r := audited(t, dirs(fromGeneration(t, holder, generation, stopped))...)
				if got := found(r); slices.Contains(got, code) != (generation > 1) {
					t.Errorf("%s, generation %d, stopped %v: observed %v", code, generation, stopped, got)
				}
			}
		}
	}
}

func dirs(own, other string) []string { return []string{own, other} }

// Promise: both verifiers say so.
func TestTheOtherVerifierJudgesGenerations(t *testing.T) {
	t.Parallel()
	node := verifier(t)
	for _, holder := range []hotline.Party{"XA", "XB"} {
		own, _ := fromGeneration(t, holder, 2, false)
		bothJudge(t, node, own)
	}
}

// behind is a world in which XA holds the receipt of XB for a place so far behind the end of what XB logs that no export ever reaches it.
func behind(t *testing.T, marks hotline.Marks) (w *world, place uint64) {
	w = newWorld(t, terms(), "XA", "XB")
	a, b := w.at("XA"), w.at("XB")
	st := a.submit(a.Text(w.now, "XB", "one"))
	sender, tender := a.tendered(st)
	receipt := promised(b, st, a.results[st.ID].Index, sender, tender, 1, 1000, marks)
	a.do(&ledger.Command{Type: ledger.Receipt, Receipt: receipt, Tender: tender})
	return w, uint64(len(b.entries)) + 1000
}

// Promise: who signs for a place that its export does not reach, and shows an entry well later than that, is named: time never goes back in a log.
func TestLaterEntryBeforeAPlaceBehindTheEndIsObserved(t *testing.T) {
	t.Parallel()
	for wait, want := range map[hotline.Time][]string{5 * minute: {}, 60 * minute: {"time-contradiction@XB"}} {
		w, place := behind(t, 0)
		b := w.at("XB")
		w.pass(wait)
		b.submit(b.Detection(w.now))
		w.pass(minute)
		for name, export := range map[string]string{"full": b.export(), "cut": b.exportOf(b.entries[:len(b.entries)-2])} {
			expected := want
			if name == "cut" {
				expected = []string{}
			}
			r := audited(t, w.at("XA").export(), export)
			if got := found(r); !slices.Equal(got, expected) {
				t.Errorf("%v, %s: observed %v, want %v", wait, name, got, expected)
			}
			if o := r.Observations; len(o) > 0 && (o[0].Entry != place || !strings.Contains(o[0].Text, "the log that it shows")) {
				t.Errorf("%s: observed %+v", name, o)
			}
		}
	}
}

// Promise: a mark that says that the time of the place is not proven does not help: then the time of whoever holds the signature counts, and both are named.
func TestUnprovenPlaceBehindTheEndIsObserved(t *testing.T) {
	t.Parallel()
	for wait, want := range map[hotline.Time][]string{5 * minute: {}, 60 * minute: {"time-contradiction@XA|XB"}} {
		w, _ := behind(t, hotline.MarkTimeUnproven)
		b := w.at("XB")
		w.pass(wait)
		b.submit(b.Detection(w.now))
		if got := found(audited(t, w.at("XA").export(), b.export())); !slices.Equal(got, want) {
			t.Errorf("%v: observed %v, want %v", wait, got, want)
		}
	}
}

// Promise: what a witness cosigned is held against a log that ends before it, too: by an entry of the witness's log, and by a cosignature in an anchor.
func TestCosignedTreeBehindTheEndIsObserved(t *testing.T) {
	t.Parallel()
	for wait, want := range map[hotline.Time][]string{5 * minute: {}, 60 * minute: {"time-contradiction@XC|XB", "time-contradiction@XB|XC"}} {
		w, again := newWorld(t, terms(), "XA", "XB", "XC"), newWorld(t, terms(), "XA", "XB", "XC")
		a, b, c := w.at("XA"), w.at("XB"), w.at("XC")
		for range 9 {
			b.submit(b.Detection(w.now))
		}
		c.witness("XB", b.checkpoint(b.entries))
		b.deliver(b.anchored("XA", b.anchor("XC")), "XA")
		rolled := again.at("XB")
		again.pass(wait)
		rolled.submit(rolled.Detection(again.now))
		for i, dir := range []string{c.export(), a.export()} {
			got := slices.DeleteFunc(found(audited(t, dir, rolled.export())), func(s string) bool { return s == "time-contradiction@XB" }) // by the tender, of XB alone
			if len(want) == 0 && len(got) > 0 || len(want) > 0 && !slices.Equal(got, want[i:i+1]) {
				t.Errorf("%v, %d: observed %v, want %v", wait, i, got, want)
			}
		}
	}
}

// Promise: so is who signed for such a place, and shows an entry that holds what the other log said after it: that entry was made
// after the signature, and is not where that says.
func TestAnswerBeforeAPlaceBehindTheEndIsAFork(t *testing.T) {
	t.Parallel()
	w, _ := behind(t, 0)
	a, b := w.at("XA"), w.at("XB")
	before := b.export()
	a.send(a.submit(a.Text(w.now, "XB", "two")), "XB")
	for name, dirs := range map[string][]string{"full": {a.export(), b.export()}, "pair": {a.pair("XB"), b.pair("XA")}} {
		r := audited(t, dirs...)
		wantCodes(t, r, "fork@XB")
		if o := r.Observations; len(o) != 1 || o[0].Entry+1 != b.state.Size() && o[0].Entry+2 != b.state.Size() || !strings.Contains(o[0].Text, "of XA") {
			t.Errorf("%s: observed %+v", name, o)
		}
	}
	wantFound(t, audited(t, a.export(), before)) // what ends before contradicts nothing
	wantFound(t, audited(t, b.export()))
}

// Promise: logs of parties that keep the rules contradict nothing, wherever the export of each ends.
func TestCutExportsOfAnHonestWorldContradictNothing(t *testing.T) {
	t.Parallel()
	sweep(t)
	w := newWorld(t, terms(), "XA", "XB", "XC")
	codes := []hotline.Party{"XA", "XB", "XC"}
	for i := range 4 {
		for _, from := range codes {
			for _, to := range codes {
				if from != to {
					w.pass(4 * minute)
					p := w.at(from)
					p.send(p.submit(p.Text(w.now, to, fmt.Sprintf("text %d", i))), to)
				}
			}
		}
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 12 {
		var exports []string
		for _, code := range codes {
			p := w.at(code)
			exports = append(exports, p.exportOf(p.entries[:10+random.IntN(len(p.entries)-10)]))
		}
		for _, o := range audited(t, exports...).Observations {
			if o.Class == Protocol && o.Code != DeadlineOmitted && o.Code != DecisionDiffers { // the end may cut a command in two
				t.Errorf("observed %+v", o)
			}
		}
	}
}
