package audit

import (
	"fmt"
	"slices"
	"strings"
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
	t.Parallel()
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

// Promise: two honest logs may differ over a duty; it stands once, as the log of
// the party that owed it tells it, and the other's view stands beside it.
func TestVerdictBesideAnotherView(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hotlinetest.Terms("crisis"), "XA", "XB")
	a, b := w.at("XA"), w.at("XB")
	text := a.submit(a.By(a.Header(hotline.KindText, w.now, hotlinetest.To("XB"), hotlinetest.Precedence(hotline.Immediate)), &hotline.Note{Text: "words"}, "O1"))
	a.send(text, "XB")
	ack := b.submit(b.Acknowledgement(w.now, text)) // signed in time, and long on its way
	w.pass(60 * minute)
	a.tick()
	b.tick()
	b.send(ack, "XA")
	r := audited(t, a.export(), b.export())
	list := verdictsOf(t, r, func(v *Verdict) bool { return v.Duty == "acknowledge" })
	wantVerdicts(t, list, "XB: owed acknowledge in-time")
	v := list[0]
	if v.Awaited == nil || !v.Awaited.Differs || v.Awaited.Party != "XA" || v.Awaited.Outcome != DoneLate || !v.Awaited.Overdue || v.Code != "" {
		t.Fatalf("%+v: %+v", v, v.Awaited)
	}
	if v.Provable == nil || v.Provable.AfterBy != "XA" || v.Provable.BeforeBy != "XA" {
		t.Errorf("%+v", v.Provable)
	}
	var out strings.Builder
	if err := r.WriteVerdicts(&out, Text{}, func(v *Verdict) bool { return v.Concerns("XB") }); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"in time", "XA sees it differently (provisional)", "(signed by XA)", "clocks of the line, which --all shows", disclaimer} {
		if !strings.Contains(out.String(), part) {
			t.Errorf("%q is not told in\n%s", part, &out)
		}
	}
}

// Promise: a duty bears the word of its status, and one that was retracted is
// neither done nor missed.
func TestVerdictsOfAnExerciseThatIsRetracted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, terms(), "XA", "XB")
	a := w.at("XA")
	of := hotlinetest.Status(hotline.Exercise)
	d := a.submit(a.Detection(w.now, of))
	alert := a.submit(a.Alert(w.now, a.submit(a.Assessment(w.now, d, []hotline.Party{"XB"}, of)), []hotline.Party{"XB"}, of))
	a.send(alert, "XB")
	w.pass(minute)
	a.submit(a.By(a.Header(hotline.KindRetract, w.now, of, hotlinetest.In(hotlinetest.CaseOf(d)), hotlinetest.Re(alert.ID), hotlinetest.To("XB"),
		hotlinetest.Precedence(alert.Header.Precedence), hotlinetest.Reason("mistaken")), &hotline.Note{Text: "words"}, "O1", "R1"))
	list := verdictsOf(t, audited(t, a.export()), owed)
	wantVerdicts(t, list, "XA: owed assess in-time", "XA: owed alert in-time", "XA: owed supplement withdrawn", "XA: owed report-final withdrawn")
	for _, v := range list {
		if v.Status != "EXERCISE" || v.Overdue || v.Text == "" || v.Case == "" || v.Section != "6.3" {
			t.Errorf("%+v", v)
		}
	}
}

// Promise: what a retraction ends after its deadline was overdue and was never done;
// nobody tells of it as if it had been done late.
func TestWhatIsRetractedLateIsNotToldAsDone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, terms(), "XA", "XB")
	a := w.at("XA")
	alert := w.alertTo("XA", []hotline.Party{"XB"}, []hotline.Party{"XB"})
	w.pass(73 * 60 * minute)
	retraction := a.submit(a.By(a.Header(hotline.KindRetract, w.now, hotlinetest.In(hotlinetest.CaseOf(alert)), hotlinetest.Re(alert.ID), hotlinetest.To("XB"),
		hotlinetest.Precedence(alert.Header.Precedence), hotlinetest.Reason("unfounded")), &hotline.Words{Text: "words"}, "O1", "R1"))
	r := audited(t, a.export())
	wantFound(t, r, "supplement-overdue@XA")
	if o := r.Observations[0]; o.Done != 0 || strings.Contains(o.Text, "was done") || !strings.Contains(o.Text, "it was withdrawn by entry") {
		t.Errorf("%+v", o)
	}
	wantVerdicts(t, verdictsOf(t, r, func(v *Verdict) bool { return v.Duty == "supplement" && v.Entry == a.results[retraction.ID].Index }), "XA: owed supplement withdrawn")
	for _, l := range a.state.Case(hotlinetest.CaseOf(alert)).Late {
		if l.Done != 0 {
			t.Errorf("%+v", l)
		}
	}
}

// Promise: an alert to one party and its retraction let the others go untold only
// where everybody named sees it: by an assessment anew, which withdraws the duty,
// before its deadline or after; what was overdue is observed in every part.
func TestWhoWasNamedAndNeverToldSeesTheAssessmentAnew(t *testing.T) {
	t.Parallel()
	for wait, lapses := range map[hotline.Time][]string{minute: nil, 61 * minute: {"alert-overdue@XA"}} {
		terms := hotlinetest.Terms("crisis")
		terms.Automatic = false
		w := newWorld(t, terms, "XA", "XB", "XC")
		a := w.at("XA")
		d := a.submit(a.Detection(w.now))
		as := a.submit(a.Assessment(w.now, d, []hotline.Party{"XB", "XC"}))
		alert := a.submit(a.Alert(w.now, as, []hotline.Party{"XB"}))
		a.send(alert, "XB")
		a.submit(a.By(a.Header(hotline.KindRetract, w.now, hotlinetest.In(hotlinetest.CaseOf(d)), hotlinetest.Re(alert.ID), hotlinetest.To("XB"),
			hotlinetest.Precedence(alert.Header.Precedence), hotlinetest.Reason("unfounded")), &hotline.Words{Text: "words"}, "O1", "R1"))
		w.pass(wait)
		again := a.submit(a.Assessment(w.now, d, nil))
		w.pass(2 * 60 * minute)
		a.tick()
		for with, dir := range map[hotline.Party]string{"": a.export(), "XC": a.pair("XC")} {
			r := audited(t, dir)
			wantFound(t, r, lapses...)
			list := verdictsOf(t, r, func(v *Verdict) bool { return v.Duty == "alert" })
			wantVerdicts(t, list, "XA: owed alert withdrawn")
			if v := list[0]; v.Entry != a.results[again.ID].Index || v.Overdue != (lapses != nil) {
				t.Errorf("shown to %q: %+v", with, v)
			}
		}
		wantFound(t, audited(t, a.pair("XB")), lapses...) // to XB it is not shown whether XC was told
	}
}

// Promise: what was owed to a party that only observes now is told as lifted, by every log and part of one,
// with the reason in words; what had not come from it until its deadline stays overdue.
func TestVerdictsTowardsOneThatObservesNow(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hotlinetest.Terms("crisis"), "XA", "XB", "XC")
	a, b, c := w.at("XA"), w.at("XB"), w.at("XC")
	as := a.submit(a.Assessment(w.now, a.submit(a.Detection(w.now)), []hotline.Party{"XB", "XC"}))
	alert := a.submit(a.Alert(w.now, as, []hotline.Party{"XB", "XC"}))
	a.send(alert, "XB", "XC")
	b.acknowledge(alert)
	next := a.Convention.Convention
	next.Parties = slices.Clone(next.Parties)
	next.Version, next.Previous, next.ValidFrom = 2, a.Convention.Hash, w.now+10*minute
	next.Parties[2].Observer = true
	raw := hotlinetest.Amend(a.Convention, &next, a.Party, b.Party, c.Party).Raw
	for _, p := range []*peer{a, b, c} {
		p.do(&ledger.Command{Type: ledger.Document, Document: raw})
	}
	w.pass(31 * 24 * 60 * minute)
	for _, p := range []*peer{a, b, c} {
		p.tick()
	}
	a.do(&ledger.Command{Type: ledger.Document, Document: a.SignDirectory(a.Page(2))}) // so that each part shows how late it is
	towards := func(v *Verdict) bool { return v.Peer == "XC" && v.Role == Owed }
	for _, dirs := range [][]string{{a.export(), b.export(), c.export()}, {a.export()}, {a.pair("XC")}} {
		list := verdictsOf(t, audited(t, dirs...), towards)
		wantVerdicts(t, list, "XA: owed supplement lifted", "XA: owed report-final lifted")
		for _, v := range list {
			if v.Overdue || v.Awaited != nil && v.Awaited.Differs || !strings.Contains(v.fate(), "leaves nobody") {
				t.Errorf("%s: %+v", v.fate(), v)
			}
		}
	}
	waited := verdictsOf(t, audited(t, a.export()), func(v *Verdict) bool { return v.Party == "XC" && v.Role == Provisional })
	wantVerdicts(t, waited, "XC: provisional acknowledge lifted")
	if !waited[0].Overdue || waited[0].Said == 0 {
		t.Errorf("%+v", waited[0])
	}
}

// Promise: the alert that a duty demands or follows stands beside it with its
// provable interval, and the report says how wide those of all alerts are, and of
// how many an end is unbounded.
func TestVerdictsWithTheirNotification(t *testing.T) {
	t.Parallel()
	w := newWorld(t, terms(), "XA", "XB")
	a, b := w.at("XA"), w.at("XB")
	first := w.alertTo("XA", []hotline.Party{"XB"}, []hotline.Party{"XB"}) // nothing of XB stands in the log of XA before it
	a.send(first, "XB")
	w.pass(3 * minute)
	second := w.alertTo("XA", []hotline.Party{"XB"}, []hotline.Party{"XB"})
	w.pass(4 * minute)
	a.send(second, "XB")
	b.acknowledge(second)
	r := audited(t, a.export(), b.export())
	if want := (Widths{Notifications: 2, Unbounded: 1, Median: 9 * minute}); r.Provable != want {
		t.Errorf("%+v, want %+v", r.Provable, want)
	}
	n := 0
	for _, v := range verdictsOf(t, r, nil) {
		if v.Notification == nil || v.Notification.Entry != a.results[second.ID].Index {
			continue
		}
		n++
		p := v.Notification.Provable
		if p == nil || p.AfterBy != "XB" || p.BeforeBy != "XB" || p.Before-p.After != 9*minute || v.Notification.Party != "XA" {
			t.Errorf("%+v: %+v", v, p)
		}
	}
	if n != 5 { // alert, receipt, acknowledgement, supplement, final report
		t.Errorf("the second alert stands beside %d duties", n)
	}
}

// Promise: a pair export tells the same of what it shows, says what it does not
// show, and beside the full export of the same log no duty is told twice.
func TestVerdictsOfPairExports(t *testing.T) {
	t.Parallel()
	w := three(t)
	a := w.at("XA").export()
	key := func(v *Verdict) string {
		return fmt.Sprint(v.Log, v.class, v.Party, v.Peer, v.subject, v.Due)
	}
	whole := map[string]Outcome{}
	for _, v := range verdictsOf(t, audited(t, a), owed) {
		whole[fmt.Sprint(v.class, v.Peer, v.subject)] = v.Outcome
	}
	hidden := 0
	for _, with := range []hotline.Party{"XB", "XC"} {
		for _, v := range verdictsOf(t, audited(t, pairOf(t, a, with)), owed) {
			full, ok := whole[fmt.Sprint(v.class, v.Peer, v.subject)]
			if v.Outcome == Hidden {
				hidden++
			} else if !ok || full != v.Outcome {
				t.Errorf("with %s: %+v; the full log says %q", with, v, full)
			}
		}
	}
	if hidden == 0 {
		t.Error("the story hides no duty")
	}
	seen := map[string]bool{}
	for _, v := range verdictsOf(t, audited(t, a, pairOf(t, a, "XB"), pairOf(t, a, "XC")), nil) {
		if seen[key(&v)] {
			t.Errorf("told twice: %+v", v)
		}
		seen[key(&v)] = true
		if full, ok := whole[fmt.Sprint(v.class, v.Peer, v.subject)]; v.Role == Owed && (!ok || v.Outcome != full) {
			t.Errorf("%+v; the full log says %q", v, full)
		}
	}
}

// Promise: after a difference what became of a duty is not judged, and is said to
// be neither done nor missed.
func TestVerdictsAfterADifference(t *testing.T) {
	t.Parallel()
	w := newWorld(t, terms(), "XA", "XB")
	a := w.at("XA")
	a.submit(a.Detection(w.now))
	w.pass(minute)
	a.submit(a.Text(w.now, "XB", "words"))
	list := slices.Clone(a.entries)
	list[len(list)-1] = list[len(list)-2] // the detection again, in the place of the text
	r := audited(t, a.exportOf(list))
	if r.ExitCode() != ExitProtocol {
		t.Fatal(found(r))
	}
	wantVerdicts(t, verdictsOf(t, r, owed), "XA: owed assess not-judged")
}
