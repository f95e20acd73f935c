package audit

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/hotlinetest"
)

// crossed audits exports and looks for what passed between the parties.
func crossed(t testing.TB, dirs ...string) (*Report, []Gap) {
	t.Helper()
	r, err := Replay(context.Background(), dirs, Options{TempDir: t.TempDir(), Cross: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	var gaps []Gap
	for g, err := range r.Gaps() {
		if err != nil {
			t.Fatal(err)
		}
		gaps = append(gaps, g)
	}
	return r, gaps
}

// talk is an alert of XA to XB, acknowledged, a text back, and one that XA does not accept.
func talk(t testing.TB) (w *world, a, b *peer) {
	w = newWorld(t, terms(), "XA", "XB")
	a, b = w.at("XA"), w.at("XB")
	alert := w.alertTo("XA", []hotline.Party{"XB"}, []hotline.Party{"XB"})
	a.send(alert, "XB")
	b.acknowledge(alert)
	w.pass(minute)
	b.send(b.submit(b.Text(w.now, "XA", "We look into it.")), "XA")
	w.pass(minute)
	return w, a, b
}

// Promise: of two honest logs every statement, receipt and acknowledgement of each
// side is found on the other, and there is no difference.
func TestCrossOfHonestLogs(t *testing.T) {
	t.Parallel()
	_, a, b := talk(t)
	for name, dirs := range map[string][]string{
		"full": {a.export(), b.export()}, "pair": {a.pair("XB"), b.pair("XA")}, "both": {a.export(), a.pair("XB"), b.pair("XA"), b.export()},
	} {
		t.Run(name, func(t *testing.T) {
			r, gaps := crossed(t, dirs...)
			want := []Exchange{
				{From: "XA", To: "XB", Sent: 1, SentFound: 1, Tendered: 1, TenderedFound: 1, Receipted: 1, ReceiptedFound: 1, Acknowledged: 1, AcknowledgedFound: 1},
				{From: "XB", To: "XA", Sent: 2, SentFound: 2, Tendered: 2, TenderedFound: 2, Receipted: 2, ReceiptedFound: 2},
			}
			if !slices.Equal(r.Exchanges, want) || len(gaps) != 0 || r.ExitCode() != ExitClean {
				t.Errorf("%+v, %+v, %+v", r.Exchanges, gaps, r.Observations)
			}
		})
	}
	r, _ := crossed(t, a.export())
	if len(r.Exchanges) != 0 {
		t.Errorf("one log alone: %+v", r.Exchanges)
	}
}

// Promise: what one side left out is named, with the entry of the other that holds
// its signature; what lies beyond the end of an export is not yet shown, and what
// no signature proves is not said to have been left out.
func TestCrossNamesWhatOneSideLeftOut(t *testing.T) {
	t.Parallel()
	type gap struct {
		from, missing hotline.Party
		what          GapWhat
		state         GapState
		code          Code
	}
	for name, c := range map[string]struct {
		make func(w *world, a, b *peer) []string
		want []gap
	}{
		"the sender left out what it tendered": {func(w *world, a, b *peer) []string {
			return []string{a.export(), b.exportOf(without(t, b, hotline.EntrySent, "text"))}
		}, []gap{{"XB", "XB", GapTender, LeftOut, TenderNotInLog}}},
		"the receiver left out what it receipted": {func(w *world, a, b *peer) []string {
			return []string{a.export(), b.exportOf(without(t, b, hotline.EntryReceived, "alert"))}
		}, []gap{{"XA", "XB", GapStatement, LeftOut, ReceiptNotInLog}}},
		"the export hides what it must show": {func(w *world, a, b *peer) []string {
			for id, r := range b.results {
				if r.Content.(*hotline.Sent).Sequences[0].N == 2 { // the text, after the acknowledgement
					return []string{a.export(), hideEntry(t, b.export(), "XA", b.results[id].Index)}
				}
			}
			return nil
		}, []gap{{"XB", "XB", GapTender, LeftOut, NotShown}}},
		"the export of the receiver ends before": {func(w *world, a, b *peer) []string {
			return []string{a.export(), b.exportOf(b.entries[:len(b.entries)-2])}
		}, []gap{{"XB", "XB", GapTender, NotYet, ""}}},
		"it never arrived, as far as anything shows": {func(w *world, a, b *peer) []string {
			a.submit(a.Text(w.now, "XB", "Are you there?"))
			w.pass(minute)
			b.submit(b.By(b.Header(hotline.KindHandover, w.now), &hotline.Note{}, "O1", "O2"))
			return []string{a.export(), b.export()}
		}, []gap{{"XA", "XB", GapStatement, NoProof, ""}}},
		"sent after the other export ends": {func(w *world, a, b *peer) []string {
			a.submit(a.Text(w.now, "XB", "Are you there?"))
			return []string{a.export(), b.export()}
		}, []gap{{"XA", "XB", GapStatement, NotYet, ""}}},
		"the receipt is not held": {func(w *world, a, b *peer) []string {
			a.deliver(a.submit(a.Text(w.now, "XB", "Are you there?")), "XB")
			w.pass(minute)
			a.submit(a.By(a.Header(hotline.KindHandover, w.now), &hotline.Note{}, "O1", "O2"))
			return []string{a.export(), b.export()}
		}, []gap{{"XA", "XA", GapReceipt, NoProof, ""}}},
	} {
		t.Run(name, func(t *testing.T) {
			w, a, b := talk(t)
			r, gaps := crossed(t, c.make(w, a, b)...)
			var got []gap
			for _, g := range gaps {
				if g.State != Unshown { // what the cut logs hide besides is told by the others
					got = append(got, gap{g.From, g.Missing, g.What, g.State, g.Code})
				}
				if g.Entry == 0 || g.Text == "" || g.Section == "" || (g.State == LeftOut) != (g.Place != 0 && g.Code != "") && g.State != NotYet {
					t.Errorf("%+v", g)
				}
				if g.Code != "" && !slices.ContainsFunc(r.Observations, func(o Observation) bool {
					return o.Code == g.Code && o.Party == g.Missing && o.Entry == g.Place
				}) {
					t.Errorf("%s at entry %d of %s is no observation: %+v", g.Code, g.Place, g.Missing, r.Observations)
				}
			}
			for _, want := range c.want {
				if !slices.Contains(got, want) {
					t.Errorf("%+v, want %+v", gaps, want)
				}
			}
		})
	}
}

// without replaces one entry of a log by its neighbour's bytes: what was there is gone.
func without(t testing.TB, p *peer, of hotline.EntryType, kind string) [][]byte {
	t.Helper()
	list := slices.Clone(p.entries)
	for i, raw := range list {
		e, content, err := hotline.DecodeEntry(raw)
		if err != nil {
			t.Fatal(err)
		}
		if e.Type != of {
			continue
		}
		statement := []byte(nil)
		switch c := content.(type) {
		case *hotline.Sent:
			statement = c.Statement
		case *hotline.Received:
			statement = c.Statement
		}
		if st, err := hotline.Parse(statement); err == nil && st.Header.Kind.String() == kind {
			list[i] = list[i-1]
			return list
		}
	}
	t.Fatalf("no %s in the log of %s", kind, p.Code)
	return nil
}

// Promise: of an export for another party, what passed between these two is not
// shown, and is not said to be missing.
func TestCrossOfAnExportForAnother(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hotlinetest.Terms("crisis"), "XA", "XB", "XC")
	a, b := w.at("XA"), w.at("XB")
	alert := w.alertTo("XA", []hotline.Party{"XB", "XC"}, []hotline.Party{"XB", "XC"})
	a.send(alert, "XB", "XC")
	a.send(a.submit(a.Text(w.now, "XB", "Words.")), "XB")
	r, gaps := crossed(t, a.pair("XC"), b.export())
	if len(gaps) == 0 {
		t.Fatal("no gap")
	}
	for _, g := range gaps {
		if g.State != Unshown {
			t.Errorf("%+v", g)
		}
	}
	for _, o := range r.Observations {
		if o.Class == Protocol {
			t.Errorf("%+v", o)
		}
	}
	// What a case export leaves out is not shown either: the text belongs to no case.
	_, gaps = crossed(t, a.export(), caseOf(t, b.export(), alert))
	for _, g := range gaps {
		if g.State != Unshown || g.Kind != "text" {
			t.Errorf("%+v", g)
		}
	}
	if len(gaps) != 1 {
		t.Errorf("%+v", gaps)
	}
	if _, gaps = crossed(t, caseOf(t, a.export(), alert), caseOf(t, b.export(), alert)); len(gaps) != 0 {
		t.Errorf("of one case alone: %+v", gaps)
	}
	var out bytes.Buffer
	if err := r.WriteCross(&out, Text{}); err != nil || !strings.Contains(out.String(), "XA to XB") || !strings.Contains(out.String(), "not-shown") {
		t.Errorf("%v in\n%s", err, &out)
	}
}
