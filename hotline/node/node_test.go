package node_test

import (
	"testing"
	"time"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/desk"
	"example.org/hotline/hotline/hotlinetest"
)

func now() hotline.Time { return hotline.Time(time.Now().UnixMilli()) }

// warn carries one case from detection to the alert in the ledger of from.
func (w *network) warn(from, to hotline.Party) (alert *hotline.Statement) {
	p := w.parties[from]
	detection := p.Detection(now())
	p.submit(w.t, 0, detection)
	assessment := p.Assessment(now(), detection, []hotline.Party{to})
	p.submit(w.t, 0, assessment)
	alert = p.Alert(now(), assessment, []hotline.Party{to})
	p.submit(w.t, 0, alert)
	return alert
}

// Promise: a warning goes from one party's ledger to the other's, is
// receipted, acknowledged by a person, and both sides know it.
func TestWarningIsReceiptedAndAcknowledged(t *testing.T) {
	t.Parallel()
	for _, size := range []int{1, 3} {
		w := newNetwork(t, hotlinetest.Terms("crisis"), size, "XA", "XB")
		w.ready()
		a, b := w.parties["XA"], w.parties["XB"]
		seenA, seenB := a.watch(t, 0), b.watch(t, size-1)
		alert := w.warn("XA", "XB")
		wait(t, seenB, func(e desk.Event) bool { return e.Type == desk.EventReceived && e.ID == alert.ID })
		wait(t, seenB, func(e desk.Event) bool { return e.Type == desk.EventPage && e.ID == alert.ID && e.Office == "desk" })
		wait(t, seenA, func(e desk.Event) bool { return e.Type == desk.EventSettled && e.ID == alert.ID })
		ack := b.Acknowledgement(now(), alert)
		b.submit(t, 0, ack)
		wait(t, seenA, func(e desk.Event) bool { return e.Type == desk.EventReceived && e.Kind == hotline.KindAcknowledgement })
		re, err := a.ask(t, 0, &desk.Request{Show: &desk.ShowRequest{ID: alert.ID.String()}})
		if err != nil {
			t.Fatal(err)
		}
		if got := re.Show.Item.Addressees; len(got) != 1 || got[0].Stage != desk.StageAcknowledged {
			t.Errorf("stage at the sender is %+v, want ACKNOWLEDGED", got)
		}
		if len(re.Show.Receipts) != 1 || re.Show.Receipts[0].Voters != uint64(size) {
			t.Errorf("receipts %+v, want one of %d voters", re.Show.Receipts, size)
		}
	}
}

// Promise: an officer who was told that a statement stands in the log finds it
// there at once by the same node, though that node only follows.
func TestOfficerFindsWhatWasSubmitted(t *testing.T) {
	t.Parallel()
	w := newNetwork(t, hotlinetest.Terms("crisis"), 3, "XA", "XB")
	w.ready()
	a := w.parties["XA"]
	for i := range a.nodes {
		d := a.Detection(now())
		a.submit(t, i, d)
		if _, err := a.ask(t, i, &desk.Request{Show: &desk.ShowRequest{ID: d.ID.String()}}); err != nil {
			t.Errorf("node %d: %v", i+1, err)
		}
	}
}

// Promise: a statement for which the outbox had no place is offered as soon as
// there is one.
func TestStatementWaitsForAPlaceInTheOutbox(t *testing.T) {
	t.Parallel()
	w := newNetwork(t, hotlinetest.Terms("crisis"), 1, "XA", "XB")
	w.ready()
	a := w.parties["XA"]
	seen := a.watch(t, 0)
	clear := a.nodes[0].Crowd("XB")
	st := a.Text(now(), "XB", "words") // of the lowest precedence: what is kept free for FLASH is not for it
	a.submit(t, 0, st)
	clear()
	wait(t, seen, func(e desk.Event) bool { return e.Type == desk.EventSettled && e.ID == st.ID })
}
