package node_test

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/desk"
	"example.org/hotline/hotline/hotlinetest"
)

// TestPageRepeatsUntilAcknowledged: the desk's rung pages again each tenth of the term while nobody acknowledges, as SPEC §6.5
// says, and an acknowledgement ends it; and the status tells in time that the ladder's rotas end.
func TestPageRepeatsUntilAcknowledged(t *testing.T) {
	t.Parallel()
	w := prepare(t, hotlinetest.Terms("crisis"), 1, "XA", "XB")
	a, b := w.parties["XA"], w.parties["XB"]
	var ahead atomic.Int64 // of XB's clock
	w.startAll(a)
	b.nodes = append(b.nodes, w.startAt(b.cfgs[0], func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }))
	w.ready()

	b.submit(t, 0, b.By(b.Header(hotline.KindLadder, now()), b.Watches(1, now()), "A1"))
	wantAlarm(t, b, "the ladder's rotas end at ")

	seen := b.watch(t, 0)
	flash := hotlinetest.Precedence(hotline.Flash)
	first, second := a.Text(now(), "XB", "first", flash), a.Text(now(), "XB", "second", flash)
	page := func(id hotline.ID, text string) func(desk.Event) bool {
		return func(e desk.Event) bool {
			if e.Type == desk.EventPage && e.ID == first.ID && e.Text != "" && id == second.ID {
				t.Error("what was acknowledged pages again")
			}
			return e.Type == desk.EventPage && e.ID == id && e.Text == text
		}
	}
	a.submit(t, 0, first)
	wait(t, seen, page(first.ID, ""))
	a.submit(t, 0, second)
	wait(t, seen, page(second.ID, ""))

	ahead.Add(int64(61 * time.Second))
	if e := wait(t, seen, page(first.ID, "repeat 1")); e.Office != "desk" || strings.Join(e.Targets, " ") != "XB-L1" || e.Duty != hotline.DutyAcknowledge {
		t.Errorf("the repeated page: %+v", e)
	}
	b.submit(t, 0, b.Acknowledgement(now(), first))
	wait(t, seen, func(e desk.Event) bool { return e.Type == desk.EventStop && e.ID == first.ID })
	ahead.Add(int64(61 * time.Second))
	wait(t, seen, page(second.ID, "repeat 2"))

	ahead.Add(int64(3 * time.Hour))
	wantAlarm(t, b, "the ladder's rotas ended at ")
}

func wantAlarm(t *testing.T, p *party, want string) {
	t.Helper()
	re, err := p.ask(t, 0, &desk.Request{Status: &desk.StatusRequest{}})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(strings.Join(re.Status.Alarms, "\n"), want) {
		t.Errorf("alarms %q, want %q", re.Status.Alarms, want)
	}
}
