package audit

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/hotlinetest"
)

// cases lists the cases in the scopes of a log, as they come.
func (p *peer) cases() (list []hotline.CaseID) {
	p.w.t.Helper()
	for _, raw := range p.entries {
		e, _, err := hotline.DecodeEntry(raw)
		if err != nil {
			p.w.t.Fatal(err)
		}
		if c := e.Scope.Case; c != nil && !slices.Contains(list, *c) {
			list = append(list, *c)
		}
	}
	return list
}

func caseExport(t testing.TB, from string, id hotline.CaseID) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "case")
	if err := WriteCase(from, dir, id); err != nil {
		t.Fatal(err)
	}
	return dir
}

// Promise: every case of an honest story is decided again by itself without a
// difference, from the whole log and from what a pair export shows of it, and the
// lapses are exactly those that the full log has in that case.
func TestCaseExportsOfThreeParties(t *testing.T) {
	t.Parallel()
	sweep(t)
	w := three(t)
	for _, code := range []hotline.Party{"XA", "XB", "XC"} {
		p := w.at(code)
		full := p.export()
		whole := audited(t, full)
		inCase := map[uint64]string{}
		for e, err := range whole.Chronology() {
			if err != nil {
				t.Fatal(err)
			}
			inCase[e.Entry] = e.Case
		}
		for _, id := range p.cases() {
			dir := caseExport(t, full, id)
			r := audited(t, dir)
			var want, got []uint64
			for _, o := range whole.Observations {
				if inCase[o.Entry] == id.Key() {
					want = append(want, o.Entry)
				}
			}
			for _, o := range r.Observations {
				got = append(got, o.Entry)
			}
			if !slices.Equal(got, want) || r.ExitCode() == ExitProtocol {
				t.Errorf("%s, case %s: observed %+v, want those of entries %v", code, id, r.Observations, want)
			}
			if l := r.Logs[0]; l.Decided != l.Shown || l.Shown == l.Size || l.Kind != Case || l.Case != id.Key() {
				t.Errorf("%s, case %s: %+v", code, id, l)
			}
			if !bytes.Equal(mustRead(t, caseExport(t, dir, id), FileCase), mustRead(t, dir, FileCase)) {
				t.Errorf("%s, case %s: the case export of a case export differs", code, id)
			}
			caseOfPairs(t, p, full, id)
		}
	}
}

// caseOfPairs decides a case again from what each pair export shows of it.
func caseOfPairs(t *testing.T, p *peer, full string, id hotline.CaseID) {
	t.Helper()
	for with := range p.w.parties {
		if with == p.Code {
			continue
		}
		dir := filepath.Join(t.TempDir(), "case")
		if err := WriteCase(pairOf(t, full, with), dir, id); err != nil {
			if !strings.Contains(err.Error(), "shows nothing of case") {
				t.Error(err)
			}
			continue
		}
		r := audited(t, dir)
		if l := r.Logs[0]; r.ExitCode() == ExitProtocol || l.Decided != l.Shown || l.With != with || l.Case != id.Key() {
			t.Errorf("%s, case %s with %s: %+v %+v", p.Code, id, with, l, r.Observations)
		}
	}
}

// Promise: case exports are held against each other, and against full and pair
// exports of others.
func TestCaseExportsCrossCheck(t *testing.T) {
	t.Parallel()
	w := three(t)
	full := map[hotline.Party]string{}
	for code := range w.parties {
		full[code] = w.at(code).export()
	}
	id := w.at("XA").cases()[0]
	a, b, c := caseExport(t, full["XA"], id), caseExport(t, full["XB"], id), caseExport(t, full["XC"], id)
	for _, dirs := range [][]string{{a, b, c}, {a, full["XB"]}, {full["XA"], b}, {a, pairOf(t, full["XB"], "XA"), full["XC"]}} {
		r := audited(t, dirs...)
		told := map[string]int{}
		for s, err := range r.Statements() {
			if err != nil {
				t.Fatal(err)
			}
			if s.Case == id.Key() && s.Kind == "alert" {
				told[string(s.To)]++
			}
		}
		for _, o := range r.Observations {
			if o.Class == Protocol {
				t.Errorf("%v: %+v", dirs, o)
			}
		}
		if told["XB"] != 1 || told["XC"] != 1 {
			t.Errorf("%v: the alert is told %v times", dirs, told)
		}
	}
	// What the log of XB hides of another case is no difference of views.
	if r := audited(t, full["XA"], b); len(r.Views) != len(audited(t, a, b).Views) {
		t.Errorf("views: %+v", r.Views)
	}
}

// Promise: every deadline of a case that its export hides is noticed, and so is a
// statement or a receipt that another party's log proves.
func TestHiddenEntryOfACaseIsObserved(t *testing.T) {
	t.Parallel()
	sweep(t)
	w := three(t)
	a, tried := w.at("XA"), map[hotline.EntryType]int{}
	full, others := a.export(), []string{w.at("XB").export(), w.at("XC").export()}
	for i, raw := range a.entries {
		e, content, err := hotline.DecodeEntry(raw)
		if err != nil {
			t.Fatal(err)
		}
		if e.Scope.Case == nil {
			continue
		}
		dir := func() string { return hideIn(t, caseExport(t, full, *e.Scope.Case), uint64(i)) }
		switch x := content.(type) {
		case *hotline.Due:
			tried[e.Type]++
			if r := audited(t, dir()); r.ExitCode() != ExitProtocol {
				t.Errorf("the hidden deadline %+v in entry %d goes unnoticed", x, i)
			}
		case *hotline.Sent:
			if len(x.Sequences) == 0 {
				continue
			}
			r := audited(t, append([]string{dir()}, others...)...)
			if r.ExitCode() != ExitProtocol {
				t.Errorf("the hidden statement in entry %d goes unnoticed: %+v", i, r.Observations)
			}
			if slices.ContainsFunc(r.Observations, func(o Observation) bool { return o.Code == NotShown && o.Entry == uint64(i) }) {
				tried[e.Type]++ // by a tender that its addressee holds
			}
		}
	}
	if tried[hotline.EntryDue] < 3 || tried[hotline.EntrySent] < 5 {
		t.Fatalf("hidden were %v", tried)
	}
}

// Promise: a reject that stands outside of the case, since the one who rejects may
// not use it, is shown, and ends the delivery in the case.
func TestRejectOutsideOfItsCaseIsShown(t *testing.T) {
	t.Parallel()
	w := newWorld(t, terms(), "XA", "XB", "XC")
	a, b, c := w.at("XA"), w.at("XB"), w.at("XC")
	toB := w.alertTo("XA", []hotline.Party{"XB", "XC"}, []hotline.Party{"XB"})
	a.send(toB, "XB")
	// XB speaks of the case to XC, who was told nothing of it.
	st := b.submit(b.Text(w.now, "XC", "Have you seen it?", hotlinetest.In(hotlinetest.CaseOf(toB))))
	if receipt, _ := b.deliver(st, "XC"); receipt != nil {
		t.Fatal("XC accepts a case of which it knows nothing")
	}
	c.compose()
	reject := sentOf(t, c, hotline.KindReject)
	if reject.Header.Case != nil {
		t.Fatal("the reject stands in the case")
	}
	c.send(reject, "XB")
	w.pass(10 * 60 * minute)
	for _, p := range []*peer{a, b, c} {
		p.tick()
		dir := caseOf(t, p.export(), toB)
		r := audited(t, dir)
		l := r.Logs[0]
		if r.ExitCode() == ExitProtocol || l.Decided != l.Shown {
			t.Errorf("%s: %+v %+v", p.Code, l, r.Observations)
		}
		rejects := 0
		for e, err := range r.Chronology() {
			if err != nil {
				t.Fatal(err)
			}
			if e.Statement == reject.ID.String() {
				rejects++
			}
		}
		if want := map[hotline.Party]int{"XB": 1, "XC": 1}[p.Code]; rejects != want {
			t.Errorf("%s shows the reject %d times, want %d", p.Code, rejects, want)
		}
	}
	// Without it the delivery would still be open, and its deadline missing.
	dir := caseOf(t, b.export(), toB)
	at := last(t, b.entries, hotline.EntryReceived)
	if r := audited(t, hideIn(t, dir, uint64(at))); r.ExitCode() != ExitProtocol {
		t.Error("the hidden reject goes unnoticed")
	}
}

// Promise: what other cases and the lines used up of the sequences is taken as
// given, however much it was; going back is not.
func TestCaseExportTakesSequencesAsGiven(t *testing.T) {
	t.Parallel()
	w := newWorld(t, terms(), "XA", "XB")
	a := w.at("XA")
	alert := w.alertTo("XA", []hotline.Party{"XB"}, []hotline.Party{"XB"})
	a.send(alert, "XB")
	for range 40 {
		a.send(a.submit(a.Text(w.now, "XB", "of the line")), "XB")
	}
	more := a.submit(a.Text(w.now, "XB", "of the case", hotlinetest.In(hotlinetest.CaseOf(alert))))
	a.send(more, "XB")
	wantFound(t, audited(t, caseOf(t, a.export(), alert), caseOf(t, w.at("XB").export(), alert)))
	entries := slices.Clone(a.entries)
	i := int(a.results[more.ID].Index)
	entries = entries[:i+1]
	entries[i] = reenter(t, entries[i], func(_ *hotline.Entry, c any) { c.(*hotline.Sent).Sequences[0].N = 1 })
	wantCodes(t, audited(t, caseOf(t, a.exportOf(entries), alert)), "decision-differs@XA")
}

// Promise: what is no case of the export is refused, and nothing is written; an
// entry that belongs to nothing that is shown is a difference.
func TestCaseExportRefuses(t *testing.T) {
	t.Parallel()
	w, st := short(t, "one")
	a := w.at("XA")
	alert := w.alertTo("XA", []hotline.Party{"XB"}, []hotline.Party{"XB"})
	other := w.alertTo("XA", []hotline.Party{"XB"}, []hotline.Party{"XB"})
	full := a.export()
	out := filepath.Join(t.TempDir(), "out")
	for _, id := range []hotline.CaseID{{Party: "XA", ID: st.ID}, {Party: "XB", ID: alert.InCase().ID}} {
		if err := WriteCase(full, out, id); err == nil {
			t.Errorf("%s was written", id)
		}
	}
	if err := WriteCase(caseOf(t, full, alert), out, *other.InCase()); err == nil {
		t.Error("another case was made of a case export")
	}
	if _, err := os.Lstat(out); err == nil {
		t.Error("something was written")
	}
	// A case export whose writer shows a text of the line too.
	x, err := openExport(full)
	if err != nil {
		t.Fatal(err)
	}
	defer x.close()
	h := x.head
	h.Kind, h.Case = Case, alert.InCase().Key()
	shows := ofCase(*alert.InCase())
	if err := writePart(x, out, h, func(e *hotline.Entry, c any) bool {
		text := statementOf(c)
		return shows(e, c) || text != nil && text.ID == st.ID
	}); err != nil {
		t.Fatal(err)
	}
	wantCodes(t, audited(t, out), "decision-differs@XA")
}

// Promise: a case is found by the beginning of its id, with its party or without;
// what fits two cases, or none, is refused.
func TestFindCase(t *testing.T) {
	t.Parallel()
	w := newWorld(t, terms(), "XA", "XB")
	alert := w.alertTo("XA", []hotline.Party{"XB"}, []hotline.Party{"XB"})
	w.at("XA").send(alert, "XB")
	dirs := []string{w.at("XA").export(), w.at("XB").export()}
	id := *alert.InCase()
	for _, name := range []string{id.Key(), id.String(), id.ID.String(), id.ID.String()[:8], "XA/" + id.ID.String()[:8]} {
		if got, err := FindCase(dirs, name); err != nil || got != id {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	for _, name := range []string{"", id.ID.String()[:7], "XB/" + id.ID.String()[:8], "00000000", "XA/", strings.ToUpper(id.ID.String()), id.ID.String() + "0"} {
		if got, err := FindCase(dirs, name); err == nil {
			t.Errorf("%q: %v", name, got)
		}
	}
}
