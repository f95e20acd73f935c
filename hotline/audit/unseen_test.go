package audit

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"example.org/hotline/crypto/tlog"
	"example.org/hotline/hotline"
	"example.org/hotline/hotline/hotlinetest"
	"example.org/hotline/hotline/ledger"
)

// sentTo is a world in which XB has logged so many detections, and then a text
// that a third party holds.
func sentTo(t testing.TB, wait hotline.Time, to hotline.Party, detections int) *world {
	w := newWorld(t, terms(), "XA", "XB", "XC")
	w.pass(wait)
	b := w.at("XB")
	for range detections {
		b.submit(b.Detection(w.now))
	}
	b.send(b.submit(b.Text(w.now, to, "one")), to)
	return w
}

// Two parties to whom a third has shown two logs prove it with nothing that the
// third shows: it signed two trees of one size.
func TestTwoLogsAreProvenWithoutEither(t *testing.T) {
	t.Parallel()
	one, two := sentTo(t, minute, "XA", 1), sentTo(t, minute, "XC", 1)
	wantFound(t, audited(t, one.at("XA").export()))
	wantFound(t, audited(t, two.at("XC").export()))
	exports := []string{one.at("XA").export(), two.at("XC").export()}
	wantCodes(t, audited(t, exports...), "fork@XB")
	dir := t.TempDir()
	r, err := Replay(context.Background(), exports, Options{TempDir: t.TempDir(), Proofs: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	o := r.Observations[0]
	if p, err := ReadForkProof(filepath.Join(dir, o.Proof), one.at("XA").state.ConventionID()); err != nil || p.Party != "XB" || p.Older.Size != p.Newer.Size {
		t.Errorf("the proof is %+v, %v", p, err)
	}
	if want := one.at("XB").state.Size() - 2; o.Entry != want || !strings.Contains(o.Text, "of XA") || !strings.Contains(o.Text, "of XC") {
		t.Errorf("observed %+v, want entry %d and both signatures", o, want)
	}
}

// An entry that was dated back is proven by the party's own signatures for the
// entries before it, with nothing that the party shows.
func TestTimeThatGoesBackIsProvenWithoutTheLog(t *testing.T) {
	t.Parallel()
	late, early := sentTo(t, 60*minute, "XA", 0), sentTo(t, minute, "XC", 1)
	r := audited(t, late.at("XA").export(), early.at("XC").export())
	wantCodes(t, r, "time-contradiction@XB")
	if o := r.Observations[0]; o.Entry != early.at("XB").state.Size()-2 || !strings.Contains(o.Text, "59m0s") {
		t.Errorf("observed %+v", o)
	}
	near := sentTo(t, 5*minute, "XA", 0)
	wantFound(t, audited(t, near.at("XA").export(), early.at("XC").export())) // no more than clocks may differ
}

// What many logs signed of each other is in order however much of it there is:
// an honest world whose logs are given one by one accuses nobody.
func TestUnseenPlacesOfAnHonestWorldContradictNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, terms(), "XA", "XB", "XC")
	for i := range 20 {
		w.pass(minute)
		for _, from := range []hotline.Party{"XA", "XB", "XC"} {
			for _, to := range []hotline.Party{"XA", "XB", "XC"} {
				if from != to {
					p := w.at(from)
					p.send(p.submit(p.Text(w.now, to, fmt.Sprintf("text %d", i))), to)
				}
			}
		}
	}
	for _, pair := range [][]hotline.Party{{"XA", "XB"}, {"XB", "XC"}, {"XA", "XC"}, {"XA"}} {
		var dirs []string
		for _, p := range pair {
			dirs = append(dirs, w.at(p).export())
		}
		if got := found(audited(t, dirs...)); slices.ContainsFunc(got, func(s string) bool { return !strings.Contains(s, "overdue") }) {
			t.Errorf("%v: observed %v", pair, got)
		}
	}
}

// Promise: a checkpoint in an anchor is of a tree and of no entry, so beside the tender of the last entry under it, it accuses
// nobody; one of another tree proves a fork, and the text says where it stands.
func TestAnchorBesideATenderOfItsSize(t *testing.T) {
	t.Parallel()
	for name, fork := range map[string]bool{"the same tree": false, "another tree": true} {
		w := newWorld(t, terms(), "XA", "XB", "XC")
		a := w.at("XA")
		first := a.submit(a.Text(w.now, "XB", "one"))
		entries := a.entries
		if fork {
			a.entries = append(slices.Clone(entries[:len(entries)-2]), []byte("another entry"), entries[len(entries)-1])
		}
		anchor := a.anchor("XB", "XC") // of the tree that ends with it
		a.entries = entries
		a.send(first, "XB")
		w.pass(second)
		a.send(a.anchored("XB", anchor), "XB")
		r := audited(t, w.at("XB").export())
		if !fork {
			wantFound(t, r)
			continue
		}
		wantFound(t, r, "fork@XA")
		if text := r.Observations[0].Text; !strings.Contains(text, "its tender is in entry") || !strings.Contains(text, "its checkpoint in an anchor is in entry") {
			t.Errorf("%s: %s", name, text)
		}
	}
}

// Runs of places are brought into one order, and what contradicts each other is
// found across them.
func TestUnseenRunsAreMerged(t *testing.T) {
	t.Parallel()
	u := newUnseen(t.TempDir(), "unseen", compareUnseen)
	for i := range uint64(3) {
		for n := range uint64(100) {
			p := proof{Kind: tenderProof, Party: "XB", Generation: 1, Index: 3*n + i, Time: hotline.Time(3*n + i)}
			if err := u.add(0, &p); err != nil {
				t.Fatal(err)
			}
		}
		if err := u.add(0, &proof{Kind: headProof, Party: "XB", Generation: 1, Index: 1, Root: tlog.Hash{1}}); err != nil { // nobody of XB signed it
			t.Fatal(err)
		}
		if err := u.write(); err != nil {
			t.Fatal(err)
		}
	}
	next := uint64(0)
	for p, err := range merge(u.runs, func(a, b unseenPlace) bool { return compareUnseen(&a, &b) < 0 }) {
		if err != nil || p.Index != next {
			t.Fatalf("place %d where %d comes next, %v", p.Index, next, err)
		}
		next++
	}
	if next != 300 {
		t.Errorf("%d places of 300", next)
	}
}

// slip has a party log and tender what its ledger would refuse.
func (p *peer) slip(st *hotline.Statement, n uint64, to ...hotline.Party) {
	p.w.t.Helper()
	var sequences []hotline.Sequence
	for _, q := range to {
		sequences = append(sequences, hotline.Sequence{To: q, N: n})
	}
	p.entries = p.forge(p.entries, st.Raw, sequences...)
	var tree tlog.Frontier
	for _, raw := range p.entries {
		tree.Append(tlog.LeafHash(raw))
	}
	p.results[st.ID] = &ledger.Result{ID: st.ID, Index: tree.Size - 1, Root: tree.Root(), Path: tree.LastProof()}
}

// A party that tendered what an officer signed with a revoked key is proven wrong
// by the log of the party that rejected it.
func TestRevokedKeyIsProvenByTheTender(t *testing.T) {
	t.Parallel()
	w := newWorld(t, terms(), "XA", "XB")
	a, b := w.at("XA"), w.at("XB")
	page := a.Page(2)
	for i := range page.Officers {
		if page.Officers[i].Name == a.Name("O1") {
			page.Officers[i].Revoked = w.now
		}
	}
	raw := a.SignDirectory(page)
	for _, p := range []*peer{a, b} {
		p.do(&ledger.Command{Type: ledger.Document, Document: raw})
	}
	st := a.Text(w.now, "XB", "one")
	a.slip(st, 1, "XB")
	if receipt, _ := a.deliver(st, "XB"); receipt != nil {
		t.Fatal("XB accepts what a revoked key signed")
	}
	r := audited(t, b.export())
	wantCodes(t, r, "key-not-in-force@XA")
	o := r.Observations[0]
	if o.Entry != a.results[st.ID].Index || !strings.Contains(o.Text, a.Name("O1")) || !strings.Contains(o.Text, "directory 2 of XA") {
		t.Errorf("observed %+v", o)
	}
}

// asks is an inquiry that opens a case.
func (p *peer) asks(to ...hotline.Party) *hotline.Statement {
	return p.By(p.Header(hotline.KindInquiry, p.w.now, hotlinetest.To(to...)), &hotline.Inquiry{Questions: []string{"Until when?"}}, "O1", "R1")
}

// Promise: a party that tenders one statement from two places of its log is named, by the log of whoever took the one and rejected the other, whole or as it is
// shown; and the receiver, who logged both, is not.
func TestOneStatementInTwoPlacesIsProvenByTheTenders(t *testing.T) {
	t.Parallel()
	w := newWorld(t, terms(), "XA", "XB")
	a, b := w.at("XA"), w.at("XB")
	st := a.submit(a.asks("XB"))
	first := a.results[st.ID].Index
	a.send(st, "XB")
	wantFound(t, audited(t, a.export(), b.export()))
	a.slip(st, 2, "XB")
	if receipt, _ := a.deliver(st, "XB"); receipt != nil {
		t.Fatal("XB accepts the statement twice")
	}
	b.compose()
	for _, dirs := range [][]string{{b.export()}, {b.pair("XA")}, {caseOf(t, b.export(), st)}} {
		r := audited(t, dirs...)
		wantCodes(t, r, "statement-repeated@XA")
		if t.Failed() {
			return
		}
		if o := r.Observations[0]; o.Entry != a.results[st.ID].Index || !strings.Contains(o.Text, fmt.Sprintf("entry %d of its log", first)) {
			t.Errorf("observed %+v", o)
		}
	}
	wantCodes(t, audited(t, a.export(), b.export()), "statement-repeated@XA", "decision-differs@XA")
}

// Promise: nor does it help a party to tender the one place to one addressee and the
// other to another.
func TestOneStatementInTwoPlacesIsProvenByTwoAddressees(t *testing.T) {
	t.Parallel()
	w := newWorld(t, terms(), "XA", "XB", "XC")
	a, b, c := w.at("XA"), w.at("XB"), w.at("XC")
	st := a.submit(a.asks("XB", "XC"))
	a.deliver(st, "XB")
	a.slip(st, 2, "XB", "XC")
	a.deliver(st, "XC")
	wantFound(t, audited(t, b.export()))
	wantFound(t, audited(t, c.export()))
	wantCodes(t, audited(t, b.export(), c.export()), "statement-repeated@XA")
}

// A party that leaves its detection out of its log is proven wrong by its receipts
// for what others said in the case.
func TestLeftOutDetectionIsProvenByTheReceipts(t *testing.T) {
	t.Parallel()
	w := newWorld(t, terms(), "XA", "XB")
	b := w.at("XB")
	detection := b.submit(b.Detection(w.now))
	assessment := b.submit(b.Assessment(w.now, detection, []hotline.Party{"XA"}))
	alert := b.submit(b.Alert(w.now, assessment, []hotline.Party{"XA"}))
	b.send(alert, "XA")
	w.at("XA").acknowledge(alert)
	wantFound(t, audited(t, b.export(), w.at("XA").export()))
	i := b.results[detection.ID].Index
	entries := slices.Delete(slices.Clone(b.entries), int(i), int(i)+1)
	entries = append(entries, b.entries[len(b.entries)-1]) // as long as the receipts say
	r := audited(t, b.exportOf(entries), w.at("XA").export())
	if got := found(r); !slices.Contains(got, "opening-not-in-log@XB") || !slices.Contains(got, "decision-differs@XB") {
		t.Fatalf("observed %v", got)
	}
	o := r.Observations[slices.IndexFunc(r.Observations, func(o Observation) bool { return o.Code == OpeningNotInLog })]
	if !strings.Contains(o.Text, "acknowledgement") || !strings.Contains(o.Text, "of XA") {
		t.Errorf("observed %+v", o)
	}
}
