package audit

import (
	"slices"
	"testing"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/hotlinetest"
)

// three is a story in which cases concern two or three parties in every way
// that a pair export must be able to hide.
func three(t testing.TB) *world {
	tm := hotlinetest.Terms("crisis") // with line tests
	w := newWorld(t, tm, "XA", "XB", "XC")
	w.wakes = true
	a, b, c := w.at("XA"), w.at("XB"), w.at("XC")

	// One alert to both, acknowledged by one in time and by the other not.
	both := w.alertTo("XA", []hotline.Party{"XB", "XC"}, []hotline.Party{"XB", "XC"})
	a.send(both, "XB", "XC")
	b.acknowledge(both)
	w.everybody(40 * minute)
	c.acknowledge(both)

	// Both named, told apart, the hidden one last and too late.
	d := a.submit(a.Detection(w.now))
	as := a.submit(a.Assessment(w.now, d, []hotline.Party{"XB", "XC"}))
	toB := a.submit(a.Alert(w.now, as, []hotline.Party{"XB"}))
	w.everybody(20 * minute)
	toC := a.submit(a.Alert(w.now, as, []hotline.Party{"XC"}))
	a.send(toB, "XB")
	a.send(toC, "XC")
	b.acknowledge(toB)
	c.acknowledge(toC)

	// Nobody released: the group tells the one who is left.
	d = a.submit(a.Detection(w.now))
	as = a.submit(a.Assessment(w.now, d, []hotline.Party{"XB", "XC"}))
	a.submit(a.Alert(w.now, as, []hotline.Party{"XC"}))
	w.everybody(70 * minute)
	auto := sentOf(t, a, hotline.KindAutomaticAlert)
	a.send(auto, "XB")
	b.acknowledge(auto)

	// One officer alone towards XC, in a case of which XB hears later.
	d = a.submit(a.Detection(w.now, hotlinetest.Precedence(hotline.Flash)))
	as = a.submit(a.Assessment(w.now, d, []hotline.Party{"XC"}))
	flash := a.submit(a.FlashAlert(w.now, as, []hotline.Party{"XC"}))
	a.send(flash, "XC")
	a.send(a.submit(a.Text(w.now, "XB", "For your information.", hotlinetest.In(hotlinetest.CaseOf(d)))), "XB")
	w.everybody(30 * minute)
	c.acknowledge(flash)

	// Only XC is named, and hears of it; XB is told later all the same.
	d = a.submit(a.Detection(w.now))
	w.everybody(35 * minute)
	as = a.submit(a.Assessment(w.now, d, []hotline.Party{"XC"}))
	toC = a.submit(a.Alert(w.now, as, []hotline.Party{"XC"}))
	w.everybody(30 * minute)
	toB = a.submit(a.Alert(w.now, as, []hotline.Party{"XB"}))
	a.send(toC, "XC")
	a.send(toB, "XB")
	b.acknowledge(toB)

	// A case of XC in which XA and XB speak with each other.
	fromC := w.alertTo("XC", []hotline.Party{"XA", "XB"}, []hotline.Party{"XA", "XB"})
	c.send(fromC, "XA", "XB")
	a.send(a.submit(a.Text(w.now, "XB", "Have you seen it?", hotlinetest.In(hotlinetest.CaseOf(fromC)))), "XB")
	b.send(b.submit(b.Text(w.now, "XA", "Yes.", hotlinetest.In(hotlinetest.CaseOf(fromC)))), "XA")
	a.acknowledge(fromC)
	b.acknowledge(fromC)
	w.everybody(25 * 60 * minute)
	return w
}

// alertTo detects, assesses and alerts.
func (w *world) alertTo(from hotline.Party, notify, to []hotline.Party) *hotline.Statement {
	w.t.Helper()
	p := w.at(from)
	d := p.submit(p.Detection(w.now))
	w.pass(minute)
	as := p.submit(p.Assessment(w.now, d, notify))
	w.pass(minute)
	return p.submit(p.Alert(w.now, as, to))
}

// everybody lets time pass for all parties, in steps, and carries line tests.
func (w *world) everybody(d hotline.Time) {
	w.t.Helper()
	for ; d > 0; d -= 5 * minute {
		w.pass(min(d, 5*minute))
		for _, code := range []hotline.Party{"XA", "XB", "XC"} {
			w.at(code).tick()
		}
		w.carry()
	}
}

// carry brings every line test and reply under way to its addressee.
func (w *world) carry() {
	w.t.Helper()
	for again := true; again; {
		again = false
		for _, from := range []hotline.Party{"XA", "XB", "XC"} {
			p := w.at(from)
			for _, to := range p.state.Peers() {
				for _, o := range p.state.Outbox(to) {
					if o.Kind != hotline.KindLineTest && o.Kind != hotline.KindLineReply && o.Kind != hotline.KindEscalation {
						continue
					}
					_, content, err := hotline.DecodeEntry(p.entries[o.Index])
					if err != nil {
						w.t.Fatal(err)
					}
					st, err := hotline.Parse(content.(*hotline.Sent).Statement)
					if err != nil {
						w.t.Fatal(err)
					}
					p.send(st, to)
					w.at(to).compose()
					again = true
				}
			}
		}
	}
}

// Every pair export of an honest story is decided again without a difference,
// and finds the same lapses as the full log does for what it shows.
func TestPairExportsOfThreeParties(t *testing.T) {
	t.Parallel()
	w := three(t)
	full := map[hotline.Party]string{}
	var all []string
	for code := range w.parties {
		full[code] = w.at(code).export()
		all = append(all, full[code])
	}
	whole := audited(t, all...)
	if whole.ExitCode() != ExitTerms {
		t.Fatalf("full logs: %+v", whole.Observations)
	}
	for code, dir := range full {
		for with := range w.parties {
			if with == code {
				continue
			}
			r := audited(t, pairOf(t, dir, with))
			for _, o := range r.Observations {
				o.Text = ""
				if !slices.ContainsFunc(whole.Observations, func(x Observation) bool { return x.Code == o.Code && x.Party == o.Party && x.Entry == o.Entry }) {
					t.Errorf("pair %s with %s: %+v", code, with, r.Observations)
				}
			}
			l := r.Logs[0]
			if l.Decided != l.Shown || l.Shown == l.Size {
				t.Errorf("pair %s with %s: decided %d of %d shown of %d", code, with, l.Decided, l.Shown, l.Size)
			}
		}
	}
}

// Pair exports are held against each other and against full ones.
func TestPairExportsCrossCheck(t *testing.T) {
	t.Parallel()
	w := three(t)
	a, b := w.at("XA").export(), w.at("XB").export()
	for _, dirs := range [][]string{{pairOf(t, a, "XB"), pairOf(t, b, "XA")}, {pairOf(t, a, "XB"), b}, {a, pairOf(t, b, "XA"), pairOf(t, a, "XC")}} {
		r := audited(t, dirs...)
		for _, o := range r.Observations {
			if o.Class == Protocol {
				t.Errorf("%v: %+v", dirs, o)
			}
		}
	}
}

// A deadline towards the other party that a pair export hides is noticed, since
// the rules demand it before what follows.
func TestHiddenDeadlineOfAPairIsObserved(t *testing.T) {
	t.Parallel()
	sweep(t)
	w := three(t)
	a := w.at("XA")
	full := a.export()
	tried := 0
	for i, raw := range a.entries {
		_, content, err := hotline.DecodeEntry(raw)
		if err != nil {
			t.Fatal(err)
		}
		due, ok := content.(*hotline.Due)
		if !ok || due.Peer != "XB" || i == len(a.entries)-1 {
			continue
		}
		tried++
		if r := audited(t, hideEntry(t, full, "XB", uint64(i))); r.ExitCode() != ExitProtocol {
			t.Errorf("the hidden deadline %+v in entry %d of %d goes unnoticed", due, i, len(a.entries))
		}
	}
	if tried == 0 {
		t.Fatal("the story has no deadline towards XB")
	}
}
