package audit

import (
	"bytes"
	"strings"
	"testing"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/hotlinetest"
)

// Promise: a receipt that is committed while no majority of clocks can be read is
// dated at the last permitted time, and nobody's time contradicts another's for it.
func TestUnprovenTimeOfAReceiptContradictsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hotlinetest.Terms("crisis"), "XA", "XB")
	a, b := w.at("XA"), w.at("XB")
	text := a.submit(a.By(a.Header(hotline.KindText, w.now, hotlinetest.To("XB")), &hotline.Note{Text: "words"}, "O1"))
	a.mute = true
	w.pass(8 * minute)
	a.send(text, "XB")
	if got := a.state.Time(); got >= w.now-minute {
		t.Fatalf("the time of XA is %d, proven at %d", got, w.now)
	}
	wantFound(t, audited(t, a.export(), b.export()))
}

// Promise: a duty that one side waited for in vain, and that is not overdue by the
// log of the other, is named as a difference and is nobody's lapse; where the
// other admits it, or its log ends before, there is none.
func TestTwoViewsOfOneDuty(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		late, on bool // the acknowledgement is signed after its term; XB's log goes on behind the deadline
		want     int
	}{
		"signed in time, long on its way": {false, true, 1},
		"signed late, and admitted":       {true, true, 0},
		"the other log ends too early":    {false, false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, hotlinetest.Terms("crisis"), "XA", "XB")
			a, b := w.at("XA"), w.at("XB")
			text := a.submit(a.By(a.Header(hotline.KindText, w.now, hotlinetest.To("XB"), hotlinetest.Precedence(hotline.Immediate)), &hotline.Note{Text: "words"}, "O1"))
			a.send(text, "XB")
			if c.late {
				w.pass(60 * minute)
				b.tick()
			}
			ack := b.submit(b.Acknowledgement(w.now, text))
			w.pass(60 * minute)
			a.tick()
			if c.on {
				b.tick()
				b.send(ack, "XA")
			}
			r := audited(t, a.export(), b.export())
			if len(r.Views) != c.want {
				t.Fatalf("%d differences, want %d: %+v", len(r.Views), c.want, r.Views)
			}
			for _, o := range r.Observations {
				if !c.late || o.Code != AcknowledgeOverdue {
					t.Errorf("%+v", o)
				}
			}
			var out bytes.Buffer
			if err := r.WriteText(&out, Text{}); err != nil {
				t.Fatal(err)
			}
			if told := strings.Contains(out.String(), "XA waited in vain for XB to acknowledge statement "+text.ID.Short()); told != (c.want > 0) {
				t.Errorf("told: %t\n%s", told, &out)
			}
		})
	}
}
