package audit

import (
	"slices"
	"strings"
	"testing"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/hotlinetest"
	"example.org/hotline/hotline/ledger"
)

// late is a story in which every duty was done, each one too late: assessed
// after two hours, alerted automatically, acknowledged and ratified late.
func late(t testing.TB) *world {
	w := newWorld(t, terms(), "XA", "XB")
	a, b := w.at("XA"), w.at("XB")
	d := a.submit(a.Detection(w.now))
	for range 4 {
		w.pass(30 * minute)
		a.tick()
	}
	a.submit(a.Assessment(w.now, d, []hotline.Party{"XB"}))
	w.pass(70 * minute)
	a.tick() // overdue after an hour: the group sends an automatic alert
	auto := sentOf(t, a, hotline.KindAutomaticAlert)
	a.send(auto, "XB")
	w.pass(45 * minute)
	b.tick()
	a.tick()
	b.send(sentOf(t, b, hotline.KindEscalation), "XA")
	b.acknowledge(auto)

	d2 := a.submit(a.Detection(w.now, hotlinetest.Precedence(hotline.Flash)))
	as2 := a.submit(a.Assessment(w.now, d2, []hotline.Party{"XB"}))
	flash := a.submit(a.FlashAlert(w.now, as2, []hotline.Party{"XB"}))
	a.send(flash, "XB")
	b.acknowledge(flash)
	w.pass(12 * 60 * minute)
	about := []hotlinetest.Option{hotlinetest.In(hotlinetest.CaseOf(flash)), hotlinetest.Re(flash.ID), hotlinetest.To("XB")}
	progress := a.submit(a.By(a.Header(hotline.KindProgress, w.now, about...), &hotline.Progress{State: 1, Text: "No change"}, "O1", "R1"))
	a.send(progress, "XB")
	b.acknowledge(progress)
	w.pass(13 * 60 * minute)
	a.tick()
	a.send(a.submit(a.Ratification(w.now, flash)), "XB")
	return w
}

// sentOf finds the own statement of a kind that was logged last.
func sentOf(t testing.TB, p *peer, kind hotline.Kind) *hotline.Statement {
	t.Helper()
	for _, raw := range slices.Backward(p.entries) {
		_, content, err := hotline.DecodeEntry(raw)
		if err != nil {
			t.Fatal(err)
		}
		if sent, ok := content.(*hotline.Sent); ok {
			st, err := hotline.Parse(sent.Statement)
			if err != nil {
				t.Fatal(err)
			}
			if st.Header.Kind == kind {
				return st
			}
		}
	}
	t.Fatalf("%s logged no %s", p.Code, kind)
	return nil
}

// An honest story with lapses yields exactly these terms observations, on the
// side that owed, with when each was done, and none of class protocol.
func TestLapsesAreTermsObservationsOfTheOwner(t *testing.T) {
	t.Parallel()
	w := late(t)
	r := audited(t, w.at("XA").export(), w.at("XB").export())
	wantFound(t, r, "assess-overdue@XA", "alert-overdue@XA", "acknowledge-overdue@XB", "ratify-overdue@XA")
	if r.ExitCode() != ExitTerms {
		t.Errorf("exit code %d", r.ExitCode())
	}
	lateBy := map[Code]hotline.Time{AssessOverdue: 60 * minute, AlertOverdue: 10 * minute, AcknowledgeOverdue: 15 * minute, RatifyOverdue: 60 * minute}
	for _, o := range r.Observations {
		if o.Class != Terms || o.Done-o.Due != lateBy[o.Code] || !strings.Contains(o.Text, "late") {
			t.Errorf("%+v is late by %d, want %d", o, o.Done-o.Due, lateBy[o.Code])
		}
	}
	for _, l := range r.Logs {
		if l.Decided != l.Size {
			t.Errorf("%s: %d of %d entries decided again", l.Party, l.Decided, l.Size)
		}
		if len(l.Rungs) == 0 {
			t.Errorf("%s climbed no rung", l.Party)
		}
	}
}

// What a party only waited for is told as provisional and is nobody's lapse.
func TestWaitingIsNoLapse(t *testing.T) {
	t.Parallel()
	w := newWorld(t, terms(), "XA", "XB")
	a := w.at("XA")
	text := a.submit(a.Text(w.now, "XB", "Please call."))
	lost := a.submit(a.Text(w.now, "XB", "Please call again."))
	a.send(text, "XB")
	w.pass(60 * minute)
	a.tick()
	r := audited(t, a.export())
	wantFound(t, r)
	types := map[string]int{}
	for e, err := range r.Chronology() {
		if err != nil {
			t.Fatal(err)
		}
		types[e.Type]++
	}
	if types["waiting"] != 1 || types["undelivered"] != 1 {
		t.Errorf("chronology tells %v", types)
	}
	for s, err := range r.Statements() {
		if err != nil {
			t.Fatal(err)
		}
		if (s.ID == lost.ID.String()) != (s.Received == 0) {
			t.Errorf("%+v", s)
		}
	}
	// The receiver owes: by its own log it is late.
	w.at("XB").tick()
	wantFound(t, audited(t, w.at("XB").export(), a.export()), "acknowledge-overdue@XB")
}

// A statement that arrived without its receipt is known from the receiver's log.
func TestReceiverShowsWhatTheSenderDoesNotKnow(t *testing.T) {
	t.Parallel()
	w := newWorld(t, terms(), "XA", "XB")
	a := w.at("XA")
	st := a.submit(a.Text(w.now, "XB", "Please call."))
	w.pass(minute)
	a.deliver(st, "XB")
	for s, err := range audited(t, a.export(), w.at("XB").export()).Statements() {
		if err != nil || s.Received != w.now {
			t.Errorf("%+v, %v", s, err)
		}
	}
}

// Promise: more material never tells less: a statement that lies beyond the end of its sender's export is told by the log of its
// receiver, as without that export; one that both show is told once.
func TestEarlierExportOfTheSenderHidesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, terms(), "XA", "XB")
	a, b := w.at("XA"), w.at("XB")
	early := a.export()
	st := a.submit(a.Text(w.now, "XB", "Please call."))
	atTender := a.export()
	w.pass(minute)
	received := w.now
	a.send(st, "XB")
	unanswered := b.export()
	w.pass(minute)
	b.acknowledge(st)
	for _, dirs := range [][]string{{b.export()}, {early, b.export()}, {atTender, b.export()}, {a.export(), b.export()}, {atTender, unanswered}} {
		told, acknowledged := 0, w.now
		if slices.Contains(dirs, unanswered) {
			acknowledged = 0
		}
		for s, err := range audited(t, dirs...).Statements() {
			if s.From == "XB" {
				continue
			}
			if told++; err != nil || s.ID != st.ID.String() || s.Received != received || s.Acknowledged != acknowledged {
				t.Errorf("of %d exports: %+v, %v", len(dirs), s, err)
			}
		}
		if told != 1 {
			t.Errorf("of %d exports: told %d times", len(dirs), told)
		}
	}
}

// Promise: a statement that the receiver's log rejects is told as rejected, and not as received, wherever the log of its sender
// ends: before the tender, with it, or with the reject. With the sender's log alone nothing is shown, and nothing told.
func TestRejectIsToldWhereTheSendersLogEndsWithTheTender(t *testing.T) {
	t.Parallel()
	w := newWorld(t, terms(), "XA", "XB")
	a, b := w.at("XA"), w.at("XB")
	early := a.export()
	st := a.Acknowledgement(w.now, b.Text(w.now, "XA", "never sent"))
	a.slip(st, 1, "XB")
	w.pass(minute)
	if receipt, _ := a.deliver(st, "XB"); receipt != nil {
		t.Fatal("XB accepts the acknowledgement of what it never sent")
	}
	b.compose() // the signed reject
	for _, is := range []struct {
		dirs []string
		code hotline.Code
		at   hotline.Time
	}{
		{[]string{b.export()}, hotline.CodeNotOwed, w.now},
		{[]string{early, b.export()}, hotline.CodeNotOwed, w.now},
		{[]string{a.export(), b.export()}, hotline.CodeNotOwed, w.now},
		{[]string{pairOf(t, a.export(), "XB"), b.pair("XA")}, hotline.CodeNotOwed, w.now},
		{[]string{a.export()}, "", 0},
	} {
		told := 0
		r := audited(t, is.dirs...)
		for s, err := range r.Statements() {
			if err != nil || s.ID != st.ID.String() {
				continue
			}
			if told++; s.Rejected != is.code || s.Received != is.at || s.Acknowledged != 0 {
				t.Errorf("of %d exports: %+v, want rejected with %q", len(is.dirs), s, is.code)
			}
		}
		if told != 1 {
			t.Errorf("of %d exports: told %d times", len(is.dirs), told)
		}
		if figures, err := r.Statistics(); err != nil || slices.ContainsFunc(figures.Statements, func(c StatementCount) bool { return c.From == "XA" && c.Received != 0 }) {
			t.Errorf("of %d exports: counted as received: %+v, %v", len(is.dirs), figures.Statements, err)
		}
		if all := text(t, r); is.code != "" != strings.Contains(all, "not accepted: "+string(is.code)) {
			t.Error(all)
		}
	}
}

// A statement that was verified but rejected is told so, and its reject too;
// nothing of it breaks a rule.
func TestRejectIsTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t, terms(), "XA", "XB")
	a, b := w.at("XA"), w.at("XB")
	text := a.submit(a.Text(w.now, "XB", "Please call."))
	// A peer that decides nothing acknowledges what nobody sent it.
	j := hotlinetest.NewJournal(b.Party, w.now)
	d := j.Send(b.Acknowledgement(w.now, b.Text(w.now, "XA", "x"), hotlinetest.To("XA"), hotlinetest.Re(text.ID)), w.now)
	forged := j.Send(b.Acknowledgement(w.now, a.Text(w.now, "XB", "never sent")), w.now)
	for _, d := range []*hotlinetest.Delivery{d, forged} {
		a.do(&ledger.Command{Type: ledger.Receive, Statement: d.Statement.Raw, Sender: d.Sender, Tender: d.Tender})
	}
	a.compose()
	r := audited(t, a.export())
	wantFound(t, r)
	rejected := 0
	for s, err := range r.Statements() {
		if err != nil {
			t.Fatal(err)
		}
		if s.Rejected == hotline.CodeNotOwed && s.From == "XB" {
			rejected++
		}
	}
	if rejected != 1 {
		t.Errorf("%d statements of XB are told as rejected, want 1", rejected)
	}
}
