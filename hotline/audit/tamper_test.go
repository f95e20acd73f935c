package audit

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"example.org/hotline/crypto/keys"
	"example.org/hotline/crypto/tlog"
	"example.org/hotline/hotline"
	"example.org/hotline/hotline/hotlinetest"
	"example.org/hotline/hotline/ledger"
)

// short is a small story: one text, received and receipted.
func short(t testing.TB, words string) (*world, *hotline.Statement) {
	w := newWorld(t, terms(), "XA", "XB")
	a := w.at("XA")
	st := a.submit(a.Text(w.now, "XB", words))
	w.pass(minute)
	a.send(st, "XB")
	return w, st
}

// wantCodes demands these codes among the observations of class protocol, and
// no others of it.
func wantCodes(t testing.TB, r *Report, want ...string) {
	t.Helper()
	got := found(r)
	for _, w := range want {
		if !slices.Contains(got, w) {
			t.Errorf("observed %v, want %s", got, w)
		}
	}
	for _, g := range got {
		if !slices.Contains(want, g) {
			t.Errorf("observed %s, which was not expected", g)
		}
	}
	if r.ExitCode() != ExitProtocol {
		t.Errorf("exit code %d", r.ExitCode())
	}
	if t.Failed() {
		for _, o := range r.Observations {
			t.Logf("%+v", o)
		}
	}
}

// A sender that shows another statement than the one that it tendered is
// proven wrong by the receiver's log: the tender, the sequence and the tree.
func TestRewrittenStatementIsProvenByTheTender(t *testing.T) {
	t.Parallel()
	honest, _ := short(t, "one")
	other := newWorld(t, terms(), "XA", "XB")
	a := other.at("XA")
	a.submit(a.Text(other.now, "XB", "two"))
	dir := a.export()
	wantFound(t, audited(t, dir)) // by itself the rewritten log is without fault
	wantCodes(t, audited(t, dir, honest.at("XB").export()), "tender-not-in-log@XA", "sequence-reused@XA", "fork@XA")
}

// Promise: a sender that rewrote an entry before its statement is proven wrong by its own log alone: the tender that stands
// beside the receipt is its signature over another tree.
func TestRewrittenEntryIsProvenByTheOwnTender(t *testing.T) {
	t.Parallel()
	w, st := short(t, "one")
	a := w.at("XA")
	entries := slices.Clone(a.entries)
	entries[1] = reenter(t, entries[1], func(e *hotline.Entry, _ any) { e.Salt[0] ^= 1 })
	full := a.exportOf(entries)
	wantCodes(t, audited(t, full), "fork@XA")
	wantCodes(t, audited(t, pairOf(t, full, "XB")), "fork@XA")
	if p := proven(t, w, "XA", full); p.Older.Form != "tender" || p.Older.Statement != st.ID.String() {
		t.Errorf("%+v", p)
	}
	honest := audited(t, a.export())
	wantFound(t, honest)
	if got, err := honest.Interval("XA", 1, a.results[st.ID].Index); err != nil || got.BeforeBy != "XB" {
		t.Errorf("the receipt bounds nothing: %+v, %v", got, err)
	}
}

// Promise: no number of lapses hides that a log was forked.
func TestForkIsToldBesideManyLapses(t *testing.T) {
	t.Parallel()
	sweep(t)
	w := newWorld(t, terms(), "XA", "XB")
	a := w.at("XA")
	for range 21 { // in parts: an entry of the ledger lets few clocks fire
		for range MaxObservations / 20 {
			w.pass(1)
			a.submit(a.Detection(w.now))
		}
		w.pass(7 * 24 * 60 * minute)
		a.tick()
	}
	st := a.submit(a.Text(w.now, "XB", "words"))
	a.send(st, "XB")
	at := a.results[st.ID].Index
	entries := slices.Clone(a.entries[:at+1])
	entries[at] = reenter(t, entries[at], func(e *hotline.Entry, _ any) { e.Salt[0] ^= 1 })
	r := audited(t, a.exportOf(entries), w.at("XB").export())
	lapses := slices.DeleteFunc(found(r), func(code string) bool { return code != "assess-overdue@XA" })
	if len(lapses) != MaxObservations || r.MoreTerms != MaxObservations/20 || r.MoreProtocol != 0 {
		t.Errorf("%d lapses, %d more, %d more of class protocol", len(lapses), r.MoreTerms, r.MoreProtocol)
	}
	if !slices.Contains(found(r), "fork@XA") || r.ExitCode() != ExitProtocol {
		t.Errorf("no fork among %d observations, exit code %d", len(r.Observations), r.ExitCode())
	}
}

// Promise: who renewed its log key within a generation is not accused by tenders and receipts under the one before.
func TestRenewedLogKeyIsNoFork(t *testing.T) {
	t.Parallel()
	w := newWorld(t, terms(), "XA", "XB")
	a, b := w.at("XA"), w.at("XB")
	out, in := a.submit(a.Text(w.now, "XB", "one")), b.submit(b.Text(w.now, "XA", "two"))
	outReceipt, outTender := a.deliver(out, "XB")
	inReceipt, inTender := b.deliver(in, "XA")
	page := a.Page(2)
	page.Log = a.Key(page.Log.Algorithm(), "second log").Public()
	for _, p := range []*peer{a, b} {
		p.do(&ledger.Command{Type: ledger.Document, Document: a.SignDirectory(page)})
	}
	a.Log = a.Key(page.Log.Algorithm(), "second log")
	a.do(&ledger.Command{Type: ledger.Receipt, Receipt: outReceipt, Tender: outTender})
	b.do(&ledger.Command{Type: ledger.Receipt, Receipt: inReceipt, Tender: inTender})
	a.send(a.submit(a.Text(w.now, "XB", "three", func(h *hotline.Header) { h.Directory = 2 })), "XB")
	wantFound(t, audited(t, a.export(), b.export(), a.pair("XB")))
}

// A receiver that shows a log without what it receipted is proven wrong by the
// sender's log.
func TestRemovedReceptionIsProvenByTheReceipt(t *testing.T) {
	t.Parallel()
	honest, _ := short(t, "one")
	other := newWorld(t, terms(), "XA", "XB")
	b := other.at("XB")
	other.pass(minute)
	b.submit(b.Detection(other.now))
	b.submit(b.Detection(other.now))
	b.submit(b.Detection(other.now))
	wantCodes(t, audited(t, b.export(), honest.at("XA").export()), "receipt-not-in-log@XB", "fork@XB")
}

// reenter decodes an entry, lets change change it, and encodes it again.
func reenter(t testing.TB, raw []byte, change func(*hotline.Entry, any)) []byte {
	t.Helper()
	e, content, err := hotline.DecodeEntry(raw)
	if err != nil {
		t.Fatal(err)
	}
	change(e, content)
	b, err := hotline.EncodeEntry(e.Type, e.Time, e.Salt, e.Scope, e.Cause, content)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// last finds the last entry of a type.
func last(t testing.TB, entries [][]byte, want hotline.EntryType) int {
	t.Helper()
	for i, raw := range slices.Backward(entries) {
		if e, _, err := hotline.DecodeEntry(raw); err == nil && e.Type == want {
			return i
		}
	}
	t.Fatalf("no entry of type %d", want)
	return 0
}

// An entry that was dated back, with the whole tree signed anew, contradicts
// the receipt that the other side holds.
func TestBackDatedEntryIsProvenByTheReceipt(t *testing.T) {
	t.Parallel()
	w, _ := short(t, "one")
	b := w.at("XB")
	entries := slices.Clone(b.entries)
	i := last(t, entries, hotline.EntryReceived)
	entries[i] = reenter(t, entries[i], func(e *hotline.Entry, _ any) { e.Time -= 20_000 })
	r := audited(t, b.exportOf(entries), w.at("XA").export())
	for _, code := range []string{"receipt-not-in-log@XB", "fork@XB"} {
		if !slices.Contains(found(r), code) {
			t.Errorf("observed %v, want %s", found(r), code)
		}
	}
}

// Two logs whose clocks contradict each other are observed from either side.
func TestContradictingTimesAreObserved(t *testing.T) {
	t.Parallel()
	w := newWorld(t, terms(), "XA", "XB")
	a := w.at("XA")
	w.pass(60 * minute)
	st := a.submit(a.Text(w.now, "XB", "one"))
	w.pass(-30 * minute)
	receipt, tender := a.deliver(st, "XB")
	w.pass(31 * minute)
	a.do(&ledger.Command{Type: ledger.Receipt, Receipt: receipt, Tender: tender})
	wantCodes(t, audited(t, a.export()), "time-contradiction@XB|XA")
	wantCodes(t, audited(t, w.at("XB").export()), "time-contradiction@XB|XA")
}

// A deadline that passed cannot be left out.
func TestOmittedDeadlineIsObserved(t *testing.T) {
	t.Parallel()
	w := newWorld(t, terms(), "XA", "XB")
	a := w.at("XA")
	a.submit(a.Detection(w.now))
	w.pass(31 * minute)
	a.tick()
	a.submit(a.Detection(w.now))
	i := last(t, a.entries, hotline.EntryDue)
	wantCodes(t, audited(t, a.exportOf(slices.Delete(slices.Clone(a.entries), i, i+1))), "deadline-omitted@XA")
	entries := slices.Clone(a.entries)
	entries[i] = reenter(t, entries[i], func(_ *hotline.Entry, c any) { c.(*hotline.Due).Due += 1000 })
	wantCodes(t, audited(t, a.exportOf(entries)), "decision-differs@XA")
}

// forge appends an own statement's entry that no ledger decided.
func (p *peer) forge(entries [][]byte, st []byte, sequences ...hotline.Sequence) [][]byte {
	p.w.t.Helper()
	parsed, err := hotline.Parse(st)
	if err != nil {
		p.w.t.Fatal(err)
	}
	raw, err := hotline.EncodeEntry(hotline.EntrySent, p.w.now, [16]byte{1}, hotlinetest.SentScope(parsed), hotline.Outside,
		&hotline.Sent{Directory: p.state.Directory(p.Code).Number, Convention: 1, Voters: 3, Statement: st, Sequences: sequences})
	if err != nil {
		p.w.t.Fatal(err)
	}
	return append(slices.Clone(entries), raw)
}

// What an officer signed after the key was revoked is no decision of a ledger.
func TestRevokedKeyIsObserved(t *testing.T) {
	t.Parallel()
	w := newWorld(t, terms(), "XA", "XB")
	a := w.at("XA")
	page := a.Page(2)
	for i := range page.Officers {
		if page.Officers[i].Name == a.Name("O1") {
			page.Officers[i].Revoked = w.now - minute
		}
	}
	a.do(&ledger.Command{Type: ledger.Document, Document: a.SignDirectory(page)})
	r := audited(t, a.exportOf(a.forge(a.entries, a.Text(w.now, "XB", "one").Raw, hotline.Sequence{To: "XB", N: 1})))
	wantCodes(t, r, "decision-differs@XA")
	if o := r.Observations[0]; !strings.Contains(o.Text, "revoked") || o.Entry != uint64(len(a.entries)) {
		t.Errorf("%+v", o)
	}
}

// A key that stands in no directory, a signature that does not verify, and a
// draft are observed, and what follows them is still verified.
func TestSignaturesAreJudgedAfterADifferenceToo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, terms(), "XA", "XB")
	a := w.at("XA")
	stranger := a.Key(keys.Ed25519, "stranger")
	unknown := a.Make(a.Header(hotline.KindText, w.now, hotlinetest.To("XB")), &hotline.Note{Text: "x"}, stranger)
	entries := a.forge(a.entries, unknown.Raw, hotline.Sequence{To: "XB", N: 1})
	bad := slices.Clone(a.Text(w.now, "XB", "two").Raw)
	bad[len(bad)-1] ^= 1
	entries = a.forge(entries, bad, hotline.Sequence{To: "XB", N: 2})
	entries = a.forge(entries, a.Text(w.now, "XB", "three").Raw, hotline.Sequence{To: "XB", N: 3})
	r := audited(t, a.exportOf(entries))
	wantCodes(t, r, "signature-invalid@XA")
	at := uint64(len(a.entries))
	if len(r.Observations) != 2 || r.Observations[0].Entry != at || r.Observations[1].Entry != at+1 {
		t.Errorf("%+v", r.Observations)
	}
	if !slices.ContainsFunc(r.NotJudged, func(s string) bool { return strings.Contains(s, "not made again") }) {
		t.Errorf("what was not decided again is not told: %q", r.NotJudged)
	}
}

// After a difference, tenders of received statements are still verified, and
// held against the other log.
func TestTendersAreJudgedAfterADifferenceToo(t *testing.T) {
	t.Parallel()
	w, _ := short(t, "one")
	a, b := w.at("XA"), w.at("XB")
	i := last(t, b.entries, hotline.EntryReceived)
	forged := b.forge(b.entries[:i], b.Text(w.now, "XA", "three").Raw, hotline.Sequence{To: "XA", N: 3})
	wantCodes(t, audited(t, b.exportOf(append(forged, b.entries[i])), a.export()),
		"decision-differs@XB", "receipt-not-in-log@XB", "fork@XB")
	bad := reenter(t, b.entries[i], func(_ *hotline.Entry, c any) { flipLast(c.(*hotline.Received).Tender) })
	wantCodes(t, audited(t, b.exportOf(append(forged, bad))), "decision-differs@XB", "tender-invalid@XB")
}

// A damaged tender or receipt inside a log whose tree was signed anew is named.
func TestDamagedProofsAreObserved(t *testing.T) {
	t.Parallel()
	w, _ := short(t, "one")
	a, b := w.at("XA"), w.at("XB")
	entries := slices.Clone(b.entries)
	i := last(t, entries, hotline.EntryReceived)
	entries[i] = reenter(t, entries[i], func(_ *hotline.Entry, c any) { flipLast(c.(*hotline.Received).Tender) })
	wantCodes(t, audited(t, b.exportOf(entries)), "tender-invalid@XB")
	entries = slices.Clone(a.entries)
	i = last(t, entries, hotline.EntryReceipted)
	entries[i] = reenter(t, entries[i], func(_ *hotline.Entry, c any) { flipLast(c.(*hotline.Receipted).Receipt) })
	wantCodes(t, audited(t, a.exportOf(entries)), "receipt-invalid@XA")
	entries[i] = []byte{0x80}
	wantCodes(t, audited(t, a.exportOf(entries)), "entry-malformed@XA")
}

func flipLast(b []byte) { b[len(b)-1] ^= 1 }

// A statement that names a checkpoint which its peer's log never had, or one
// that is younger than the statement's own entry, is observed.
func TestPeerHeadsAreChecked(t *testing.T) {
	t.Parallel()
	w := newWorld(t, terms(), "XA", "XB")
	a, b := w.at("XA"), w.at("XB")
	w.pass(60 * minute)
	b.submit(b.Detection(w.now))
	size, root := b.state.Size(), b.state.Root()
	head := func(root [32]byte) hotlinetest.Option {
		return func(h *hotline.Header) { h.Peer = &hotline.PeerHead{Origin: "hotline/XB/1", Size: size, Root: root} }
	}
	a.submit(a.Text(w.now, "XB", "true", head(root)))
	wantFound(t, audited(t, a.export(), b.export()))
	a.submit(a.Text(w.now, "XB", "false", head([32]byte{1})))
	wantCodes(t, audited(t, a.export(), b.export()), "head-not-in-log@XA")

	w = newWorld(t, terms(), "XA", "XB")
	w.pass(10 * minute) // an hour before the head was made
	w.at("XA").submit(w.at("XA").Text(w.now, "XB", "old", head(root)))
	wantCodes(t, audited(t, w.at("XA").export(), b.export()), "back-dated@XA|XB")
}

// Two exports of one log that do not extend each other prove a fork; a shorter
// one of the same log does not.
func TestForkBetweenExportsOfOneLog(t *testing.T) {
	t.Parallel()
	w := newWorld(t, terms(), "XA", "XB")
	a := w.at("XA")
	before := a.exportOf(slices.Clone(a.entries))
	a.submit(a.Detection(w.now))
	one := a.export()
	wantFound(t, audited(t, before, one))
	a.entries = a.entries[:len(a.entries)-1]
	two := a.exportOf(a.forge(a.entries, a.Detection(w.now).Raw))
	if r := audited(t, one, two); !slices.Contains(found(r), "fork@XA") {
		t.Errorf("observed %v", found(r))
	}
}

// An entry that concerns both and is hidden in a pair export is noticed by what
// follows it.
func TestHiddenEntryOfAPairIsObserved(t *testing.T) {
	t.Parallel()
	w := newWorld(t, terms(), "XA", "XB")
	a := w.at("XA")
	one := a.submit(a.Text(w.now, "XB", "one"))
	two := a.submit(a.Text(w.now, "XB", "two"))
	full := a.export()
	for _, hide := range []*hotline.Statement{one, two} {
		dir := hideEntry(t, full, "XB", a.results[hide.ID].Index)
		r := audited(t, dir)
		if hide == one {
			wantCodes(t, r, "entry-not-shown@XA")
		} else {
			wantFound(t, r) // nothing follows it: that it is hidden cannot be seen, and the report says so
		}
	}
}

// hideEntry makes a pair export that hides one entry more than it may.
func hideEntry(t testing.TB, full string, with hotline.Party, index uint64) string {
	t.Helper()
	return hideIn(t, pairOf(t, full, with), index)
}

// hideIn hides one entry more in a pair or case export.
func hideIn(t testing.TB, dir string, index uint64) string {
	t.Helper()
	x, err := openExport(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer x.close()
	var b bytes.Buffer
	if err := putRecord(&b, bundleHeader(x.head)); err != nil {
		t.Fatal(err)
	}
	err = x.src.each(func(l leaf) error {
		if l.index == index {
			l = leaf{hash: tlog.LeafHash(l.raw)}
		}
		return recordOf(l).put(&b)
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, x.head.leaves()), b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// Promise: nobody is accused by a checkpoint that another party signed: an anchor that names another log than that of the
// statement's sender proves nothing of it, and breaks a rule where it stands, before a difference and after it.
func TestAnchorOfAnotherLogAccusesNobody(t *testing.T) {
	t.Parallel()
	w := newWorld(t, terms(), "XA", "XB")
	a, b := w.at("XA"), w.at("XB")
	anchor := func(origin string, size uint64) []byte {
		c := tlog.Checkpoint{Origin: origin, Size: size, Root: tlog.Hash{1}}
		note, err := tlog.SignCheckpoint(c, a.Log)
		if err != nil {
			t.Fatal(err)
		}
		by := a
		if !strings.Contains(origin, "XB") {
			by = b
		}
		line, err := tlog.Cosign(c, tlog.WitnessName(string(by.Code)), uint64(w.now/1000), by.Witness)
		if err != nil {
			t.Fatal(err)
		}
		return append(note, line...)
	}
	for name, raw := range map[string][]byte{"another party's log": anchor("hotline/XB/1", 3), "another generation": anchor("hotline/XA/2", 3), "beyond the entry": anchor("hotline/XA/1", 1000)} {
		for _, stopped := range []bool{false, true} {
			entries := a.entries
			if stopped {
				entries = a.forge(entries, a.Text(w.now, "XB", "zero").Raw, hotline.Sequence{To: "XB", N: 7})
			}
			at := len(entries)
			entries = a.forge(entries, a.Text(w.now, "XB", "one").Raw, hotline.Sequence{To: "XB", N: 1})
			entries[at] = reenter(t, entries[at], func(_ *hotline.Entry, c any) { c.(*hotline.Sent).Anchor = raw })
			for _, dirs := range [][]string{{a.exportOf(entries)}, {a.exportOf(entries), b.export()}} {
				r := audited(t, dirs...)
				for _, o := range r.Observations {
					if o.Party != "XA" || o.Code == Fork {
						t.Errorf("%s, stopped %t: observed %+v", name, stopped, o)
					}
				}
				if !slices.ContainsFunc(r.Observations, func(o Observation) bool { return o.Entry == uint64(at) }) {
					t.Errorf("%s, stopped %t: nothing is observed of it", name, stopped)
				}
			}
		}
	}
}
