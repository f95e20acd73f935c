package audit

import (
	"iter"
	"testing"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/hotlinetest"
	"example.org/hotline/hotline/ledger"
)

// line is half a day of line tests between XA and XB, in which XB lies dead for
// four of the hours: what was sent meanwhile comes late.
func line(t testing.TB) *world {
	terms := hotlinetest.Terms("crisis")
	terms.WatchTest = 0
	w := newWorld(t, terms, "XA", "XB")
	var waiting []*hotline.Statement
	for i := range 12 * 12 {
		w.pass(5 * minute)
		dead := i/12 >= 4 && i/12 < 8
		for _, code := range []hotline.Party{"XA", "XB"} {
			if dead && code == "XB" {
				continue
			}
			waiting = append(waiting, w.at(code).asked()...)
		}
		for !dead && len(waiting) > 0 {
			st := waiting[0]
			to := st.Header.To[0]
			w.at(st.Header.From).send(st, to)
			waiting = append(waiting[1:], w.at(to).asked()...)
		}
	}
	return w
}

// asked lets clocks fire, and submits what they ask for; it returns what is to be sent.
func (p *peer) asked() (list []*hotline.Statement) {
	p.w.t.Helper()
	p.do(&ledger.Command{Type: ledger.Tick})
	for _, a := range p.state.Asks(p.state.Time()) {
		if st := p.submit(p.answer(a)); len(a.To) > 0 {
			list = append(list, st)
		}
	}
	return list
}

// all collects what an iterator yields.
func all[T any](t testing.TB, seq iter.Seq2[T, error]) (list []T) {
	t.Helper()
	for v, err := range seq {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, v)
	}
	return list
}

// Promise: each line test is told with its answer; one that was not answered in its
// term is missed, whatever comes later.
func TestLineTestsAreToldWithTheirAnswers(t *testing.T) {
	t.Parallel()
	w := line(t)
	r := audited(t, w.at("XA").export(), w.at("XB").export())
	wantFound(t, r)
	missed, answered := 0, 0
	for _, x := range all(t, r.LineTests()) {
		hour := (x.Sent - w.now + 12*60*minute - 5*minute) / (60 * minute)
		if x.Missed != (hour >= 4 && hour < 8) || x.Missed == (x.Answered != 0) || x.Status != "TEST" {
			t.Errorf("hour %d: %+v", hour, x)
		}
		if x.Missed {
			missed++
		} else {
			answered++
		}
	}
	if missed < 2 || answered < 8 {
		t.Errorf("%d missed, %d answered", missed, answered)
	}
}

// Promise: each rung is told with the people of it and what came of waking them.
func TestLaddersAreToldWithTheirPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t, terms(), "XA", "XB")
	w.wakes = true
	alert := w.alertTo("XA", []hotline.Party{"XB"}, []hotline.Party{"XB"})
	w.at("XA").send(alert, "XB")
	w.at("XB").tick()
	w.pass(minute)
	w.at("XB").acknowledge(alert)
	w.at("XB").tick()
	list := all(t, audited(t, w.at("XB").export()).Ladders())
	if len(list) == 0 {
		t.Fatal("no rung is told")
	}
	for _, x := range list {
		if x.Party != "XB" || x.Generation != 1 || x.Subject != alert.ID.String() || x.Whom == "" || x.Office == "" || x.Status != "ACTUAL" {
			t.Errorf("%+v", x)
		}
		if want := "delivered (mail refused, hook taken)"; x.Page != want && x.Page != "stopped" {
			t.Errorf("page %q, want %q", x.Page, want)
		}
	}
}
