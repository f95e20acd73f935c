package audit

import (
	"strings"
	"testing"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/hotlinetest"
	"example.org/hotline/hotline/ledger"
)

// Every duty of a case that goes on is a lapse of the one that owed it, once
// and with when it was done; the other side's waiting is none; and a signed
// reason is told beside the lapse, which it does not take away.
func TestReportsAndAnswersThatAreLate(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hotlinetest.Terms("crisis"), "XA", "XB")
	a, b := w.at("XA"), w.at("XB")
	const day = 24 * 60 * minute
	about := func(p *peer, kind hotline.Kind, st *hotline.Statement, body hotline.Body, to hotline.Party, options []hotlinetest.Option, posts ...string) *hotline.Statement {
		all := append([]hotlinetest.Option{hotlinetest.In(hotlinetest.CaseOf(st)), hotlinetest.Re(st.ID), hotlinetest.To(to)}, options...)
		return p.submit(p.By(p.Header(kind, w.now, all...), body, posts...))
	}
	open := func(kind hotline.Kind, body hotline.Body, posts ...string) *hotline.Statement {
		return b.submit(b.By(b.Header(kind, w.now, hotlinetest.To("XA")), body, posts...))
	}
	flash := hotlinetest.Precedence(hotline.Flash)
	d := a.submit(a.Detection(w.now, flash))
	as := a.submit(a.Assessment(w.now, d, []hotline.Party{"XB"}))
	alert := a.submit(a.Alert(w.now, as, []hotline.Party{"XB"}))
	inquiry := open(hotline.KindInquiry, &hotline.Inquiry{Questions: []string{"Until when?"}}, "O1", "R1")
	request := open(hotline.KindAssistanceRequest, &hotline.AssistanceRequest{Forms: []uint16{1}, Text: "Samples"}, "O1")
	consult := open(hotline.KindConsult, &hotline.Consult{Subject: "The case"}, "A1")
	a.send(alert, "XB")
	b.submit(b.Acknowledgement(w.now, alert))
	for _, st := range []*hotline.Statement{inquiry, request, consult} {
		b.send(st, "XA")
		a.submit(a.Acknowledgement(w.now, st))
	}
	w.pass(31 * day)
	a.tick()
	b.tick()
	words := &hotline.Words{Text: "words"}
	conclusive, approved := []hotlinetest.Option{hotlinetest.Disposes(hotline.Conclusive)}, []hotlinetest.Option{hotlinetest.Disposes(hotline.Approved)}
	about(a, hotline.KindReply, inquiry, words, "XB", conclusive, "O1", "R1")
	about(a, hotline.KindAssistanceResponse, request, words, "XB", approved, "O1")
	about(a, hotline.KindReply, consult, words, "XB", conclusive, "O1", "R1")
	final := about(a, hotline.KindFinal, alert, &hotline.Final{Facts: hotlinetest.Facts(), Text: "Over"}, "XB", []hotlinetest.Option{flash}, "O1", "R1")
	var late ledger.Late
	for _, l := range a.state.Case(hotlinetest.CaseOf(d)).Late {
		if l.Class == hotline.DutyFinal {
			late = l
		}
	}
	a.submit(a.By(a.Header(hotline.KindLateReason, w.now, flash, hotlinetest.In(hotlinetest.CaseOf(d)), hotlinetest.Re(late.Subject),
		hotlinetest.Cause(late.Entry+1), hotlinetest.Reason("staff")), words, "O1"))
	a.submit(a.By(a.Header(hotline.KindHandover, w.now), &hotline.Note{}, "O1", "O2"))
	a.send(final, "XB")
	r := audited(t, a.export(), b.export())
	wantFound(t, r, "supplement-overdue@XA", "progress-overdue@XA", "final-overdue@XA", "reply-overdue@XA", "response-overdue@XA", "consult-overdue@XA")
	for _, o := range r.Observations {
		if o.Done != w.now || !strings.Contains(o.Text, "it was done at") {
			t.Errorf("%+v was done at %d", o, w.now)
		}
		if o.Code == FinalOverdue != strings.Contains(o.Text, `is "staff"`) {
			t.Errorf("%+v and its reason", o)
		}
	}
	texts := map[string]int{}
	for e, err := range r.Chronology() {
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range []string{"provisional: the log of XA", "the desk passes", "gives the reason", ", FINAL, about", "OVERDUE: the duty of XA"} {
			if strings.Contains(e.Text, part) {
				texts[part]++
			}
		}
	}
	// Six that XB waits for, and three acknowledgements that XA never sent off.
	if texts["provisional: the log of XA"] != 9 || texts["the desk passes"] != 1 || texts["gives the reason"] != 1 || texts[", FINAL, about"] != 2 {
		t.Errorf("the chronology tells %v", texts)
	}
	// In part the log shows the same lapses.
	wantFound(t, audited(t, a.pair("XB")), "supplement-overdue@XA", "progress-overdue@XA", "final-overdue@XA", "reply-overdue@XA",
		"response-overdue@XA", "consult-overdue@XA")
}

// explain is an officer's signed reason for the lapse that an entry says.
func (p *peer) explain(at uint64, reason hotline.Code) []byte {
	e, content, err := hotline.DecodeEntry(p.entries[at])
	if err != nil {
		p.w.t.Fatal(err)
	}
	options := []hotlinetest.Option{hotlinetest.In(*e.Scope.Case), hotlinetest.Re(content.(*hotline.Due).Subject), hotlinetest.Cause(at + 1), hotlinetest.Reason(reason)}
	return p.By(p.Header(hotline.KindLateReason, p.w.now, options...), &hotline.Words{Text: "words"}, "O1").Raw
}

// Promise: a reason that nobody signed is not told as the reason of a lapse.
func TestUnsignedReasonExplainsNothing(t *testing.T) {
	t.Parallel()
	w := late(t)
	a := w.at("XA")
	at := audited(t, a.export()).Observations[0].Entry
	reason := a.explain(at, "staff")
	for _, signed := range []bool{true, false} {
		if !signed {
			flipLast(reason)
		}
		told := false
		for _, o := range audited(t, a.exportOf(a.forge(a.entries[:at+1], reason))).Observations {
			told = told || o.Entry == at && strings.Contains(o.Text, `is "staff"`)
		}
		if told != signed {
			t.Errorf("signed %v, told %v", signed, told)
		}
	}
}

// Promise: the first signed reason for a lapse stands, as in the ledger: a log cannot change it afterwards, nor make the report as long as it likes.
func TestFirstReasonStands(t *testing.T) {
	t.Parallel()
	w := late(t)
	a := w.at("XA")
	at := audited(t, a.export()).Observations[0].Entry
	entries := a.entries[:at+1]
	for _, reason := range []hotline.Code{"staff", "technical", "legal"} {
		entries = a.forge(entries, a.explain(at, reason))
	}
	r := audited(t, a.exportOf(entries))
	for _, o := range r.Observations {
		if o.Entry == at && (strings.Count(o.Text, "the reason given") != 1 || !strings.Contains(o.Text, `"staff"`)) {
			t.Errorf("observed %+v", o)
		}
	}
	told := 0
	for v, err := range r.Verdicts() {
		if err != nil {
			t.Fatal(err)
		}
		if v.Said == at {
			if told++; v.Reason != "staff" {
				t.Errorf("the reason of %s is %q", v.Text, v.Reason)
			}
		}
	}
	if told != 1 {
		t.Errorf("%d verdicts", told)
	}
}
