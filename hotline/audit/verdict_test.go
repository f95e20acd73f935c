package audit

import (
	"fmt"
	"slices"
	"testing"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/hotlinetest"
	"example.org/hotline/hotline/ledger"
)

// verdictsOf lists the duties that are told of people, as party: duty = outcome.
func verdictsOf(t testing.TB, r *Report, want func(*Verdict) bool) (list []Verdict) {
	t.Helper()
	for v, err := range r.Verdicts() {
		if err != nil {
			t.Fatal(err)
		}
		if want == nil || want(&v) {
			list = append(list, v)
		}
	}
	return list
}

func words(list []Verdict) (words []string) {
	for i := range list {
		v := &list[i]
		words = append(words, fmt.Sprintf("%s: %s %s %s", v.Party, v.Role, v.Duty, v.Outcome))
	}
	slices.Sort(words)
	return words
}

func wantVerdicts(t testing.TB, list []Verdict, want ...string) {
	t.Helper()
	slices.Sort(want)
	if got := words(list); !slices.Equal(got, want) {
		t.Errorf("verdicts\n%q, want\n%q", got, want)
	}
}

func owed(v *Verdict) bool { return v.Role == Owed }

// Promise: every duty is told once, under the party that owed it, with when it
// was due, when and by which entry it was done, and what the other side waited
// for; one that was late keeps its signed reason, and what is open at the end of
// the log is running or not done.
func TestVerdictsOfOneCase(t *testing.T) {
	w := newWorld(t, hotlinetest.Terms("crisis"), "XA", "XB")
	a, b := w.at("XA"), w.at("XB")
	d := a.submit(a.Detection(w.now))
	w.pass(61 * minute)
	a.tick() // the duty to assess has passed
	due := w.now
	as := a.submit(a.Assessment(w.now, d, []hotline.Party{"XB"}))
	w.pass(minute)
	alert := a.submit(a.Alert(w.now, as, []hotline.Party{"XB"}))
	a.send(alert, "XB")
	var late ledger.Late
	for _, l := range a.state.Case(hotlinetest.CaseOf(d)).Late {
		late = l
	}
	a.submit(a.By(a.Header(hotline.KindLateReason, w.now, hotlinetest.Precedence(hotline.Immediate), hotlinetest.In(hotlinetest.CaseOf(d)),
		hotlinetest.Re(late.Subject), hotlinetest.Cause(late.Entry+1), hotlinetest.Reason("staff")), &hotline.Words{Text: "words"}, "O1"))
	w.pass(73 * 60 * minute)
	a.tick()
	b.tick()
	r := audited(t, a.export(), b.export())
	list := verdictsOf(t, r, owed)
	wantVerdicts(t, list, "XA: owed assess late", "XA: owed alert in-time", "XA: owed supplement not-done", "XA: owed report-final running",
		"XB: owed acknowledge not-done")
	for _, v := range list {
		switch v.Outcome {
		case DoneLate:
			if v.Reason != "staff" || v.ReasonEntry == 0 || v.Late != due-v.Due || v.Ended != due || v.Said == 0 || v.Statement != d.ID.String() {
				t.Errorf("%+v", v)
			}
		case InTime:
			if v.Entry != a.results[alert.ID].Index || v.Overdue || v.Due != due+60*minute || v.Status != "ACTUAL" || v.Precedence != "IMMEDIATE" {
				t.Errorf("%+v", v)
			}
		case NotDone, Running:
			if v.Ended != 0 || v.Entry != 0 || v.Overdue != (v.Outcome == NotDone) || v.Awaited == nil || v.Awaited.Differs || v.Awaited.Overdue != v.Overdue {
				t.Errorf("%+v: %+v", v, v.Awaited)
			}
		}
	}
	if lone := verdictsOf(t, r, func(v *Verdict) bool { return v.Role == Provisional }); len(lone) != 0 {
		t.Errorf("told twice: %v", words(lone))
	}
	alone := verdictsOf(t, audited(t, b.export()), func(v *Verdict) bool { return v.Role == Provisional })
	wantVerdicts(t, alone, "XA: provisional supplement not-done", "XA: provisional report-final running")
}
