package ledger_test

import (
	"fmt"
	"slices"
	"testing"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/ledger"
)

// Promise: what an operator has dismissed or adopted does not ring again when a
// sensor's file is read again, and the memory of that is bounded.
func TestSettledHitDoesNotRingAgain(t *testing.T) {
	w, a, _ := pairWorld(t, nil)
	put := func(i int) *ledger.Result {
		h := hit("a")
		h.Key = fmt.Sprintf("%064x", i)
		return a.state.Apply(&ledger.Command{Type: ledger.Hit, Time: w.now, Hit: h})
	}
	rings := func(r *ledger.Result) (n int) {
		for _, e := range r.Effects {
			if e.Type == ledger.Wake {
				n++
			}
		}
		return n
	}
	for i := range hotline.MaxSettledHits + 1 {
		r := put(i)
		wantCode(t, "hit", r.Code, "")
		if rings(r) != 1 {
			t.Fatalf("hit %d rings %d times", i, rings(r))
		}
		wantCode(t, "dismiss", a.state.Apply(&ledger.Command{Type: ledger.Dismiss, Time: w.now, Key: fmt.Sprintf("%064x", i)}).Code, "")
	}
	again := put(hotline.MaxSettledHits)
	wantCode(t, "a dismissed hit once more", again.Code, "")
	if rings(again) != 0 || len(a.state.Triage()) != 0 {
		t.Errorf("it rings %d times and %d hits wait", rings(again), len(a.state.Triage()))
	}
	if r := put(0); rings(r) != 1 {
		t.Error("the oldest settled hit is not forgotten")
	}
}

// Promise: one reporter cannot take the places of the sensors and of the other
// reporters.
func TestOneReporterCannotFillTheQueue(t *testing.T) {
	w, a, _ := pairWorld(t, nil)
	put := func(reporter string, i int) hotline.Code {
		h := hit("a")
		h.Key, h.Reporter = fmt.Sprintf("%064x", i), reporter
		return a.state.Apply(&ledger.Command{Type: ledger.Hit, Time: w.now, Hit: h}).Code
	}
	for i := range hotline.MaxTriageOfOne {
		wantCode(t, "within the bound", put("XA-C1", i), "")
	}
	wantCode(t, "one too many", put("XA-C1", 9000), hotline.CodeBusy)
	wantCode(t, "a change to one that waits", put("XA-C1", 0), "")
	wantCode(t, "another reporter", put("XA-C2", 9001), "")
	wantCode(t, "a sensor", put("", 9002), "")
}

// Promise: a reporter stands on no rung: not by an authority's mistake, and not
// by default where nobody else is there.
func TestNobodyIsWokenWhoMayOnlyReport(t *testing.T) {
	w, a, _ := pairWorld(t, nil)
	d := a.Page(2)
	for i := range d.Officers {
		if o := &d.Officers[i]; !o.Has(hotline.Authority, hotline.Operator) {
			o.Roles = []hotline.Role{hotline.Reporter}
		}
	}
	w.must(a, &ledger.Command{Type: ledger.Document, Document: a.SignDirectory(d)})
	a.Number = 2
	for _, rung := range slices.Concat(a.state.Ladder().Owing, a.state.Ladder().Receiving) {
		for _, name := range rung.Targets {
			if o := d.OfficerByName(name); o == nil || o.Has(hotline.Reporter) {
				t.Errorf("%s stands on rung %s by default", name, rung.Office)
			}
		}
	}
	r := w.submit(a, a.Ladder(w.now, 1)) // names XA-R1 and XA-L1
	wantCode(t, "a ladder with reporters", r.Code, hotline.CodeLadder)
}
