package node_test

import (
	"os"
	"path/filepath"
	"testing"

	"example.org/hotline/crypto/keys"
	"example.org/hotline/crypto/seal"
	"example.org/hotline/hotline"
	"example.org/hotline/hotline/desk"
	"example.org/hotline/hotline/hotlinetest"
)

// soon makes one duration of terms pass at once, for every precedence.
func soon(ms int64) hotline.Durations { return hotline.Durations{ms, ms, ms, ms} }

func received(kind hotline.Kind) func(desk.Event) bool {
	return func(e desk.Event) bool { return e.Type == desk.EventReceived && e.Kind == kind }
}

// statement reads a statement from a node's log.
func (p *party) statement(t *testing.T, id hotline.ID) (*hotline.Statement, *desk.ShowView) {
	t.Helper()
	re, err := p.ask(t, 0, &desk.Request{Show: &desk.ShowRequest{ID: id.String()}})
	if err != nil {
		t.Fatal(err)
	}
	st, err := hotline.Parse(re.Show.Raw)
	if err != nil {
		t.Fatal(err)
	}
	return st, re.Show
}

// Promise: a statement whose body this party cannot open is receipted, and its
// sender hears by a signed statement that nobody can read it.
func TestUnreadableBodyIsToldToTheSender(t *testing.T) {
	t.Parallel()
	w, s := meet(t, nil)
	h := s.Header(hotline.KindText, now(), hotlinetest.To("XA"))
	body := hotline.MustMarshal(&hotline.Note{Text: "words"})
	payload, commitment, err := seal.SealBody(body, hotline.BodyContext(h.Convention, h.From, h.Status), []seal.Recipient{
		{Party: "XA", Key: w.parties["XC"].Sealing.Public()}, // not the key of XA
		{Party: "XB", Key: s.Sealing.Public()}})
	if err != nil {
		t.Fatal(err)
	}
	h.Commitment = commitment
	signer := s.Officer("O1")
	h.Authors = append(h.Authors, signer.Public().ID())
	raw, err := hotline.Sign(h, payload, signer)
	if err != nil {
		t.Fatal(err)
	}
	st, err := hotline.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	if a := s.send(t, st); a.Code != "" || len(a.Receipt) == 0 {
		t.Fatalf("answered %q (%s), want a receipt", a.Code, a.Text)
	}
	told := s.next(t, hotline.KindUnreadable)
	if told.Header.Re == nil || *told.Header.Re != st.ID {
		t.Errorf("unreadable names %v, want %s", told.Header.Re, st.ID.Short())
	}
	if err := told.Verify(w.parties["XA"].Keys); err != nil {
		t.Errorf("unreadable does not verify: %v", err)
	}
	s.good(t)
}

// Promise: an alert that nobody acknowledges in time is escalated on both
// sides: the sender gets the receiver's signed statement and wakes its people.
func TestUnansweredAlertIsEscalatedOnBothSides(t *testing.T) {
	t.Parallel()
	terms := hotlinetest.Terms("crisis")
	terms.Acknowledge = soon(2000)
	w := newNetwork(t, terms, 1, "XA", "XB")
	w.ready()
	a, b := w.parties["XA"], w.parties["XB"]
	seenA, pagesA, pagesB := a.watch(t, 0), a.watch(t, 0), b.watch(t, 0)
	alert := w.warn("XA", "XB")
	overdue := func(d hotline.Duty) func(desk.Event) bool {
		return func(e desk.Event) bool {
			return e.Type == desk.EventPage && e.ID == alert.ID && e.Duty == d && e.Overdue
		}
	}
	e := wait(t, seenA, received(hotline.KindEscalation))
	st, _ := a.statement(t, e.ID)
	if st.Header.From != "XB" || *st.Header.Re != alert.ID {
		t.Errorf("escalation of %s about %s, want of XB about %s", st.Header.From, st.Header.Re.Short(), alert.ID.Short())
	}
	if p := wait(t, pagesB, overdue(hotline.DutyAcknowledge)); p.Time < p.Due {
		t.Errorf("the receiver's deadline %d fired at %d", p.Due, p.Time)
	}
	wait(t, pagesA, overdue(hotline.DutyAwait))
}

// Promise: what an officer called notifiable and nobody released goes out by
// itself in time, is visibly of the group, and is acknowledged like an alert.
func TestAutomaticAlertGoesOutAndIsAcknowledged(t *testing.T) {
	t.Parallel()
	terms := hotlinetest.Terms("crisis")
	terms.Alert = soon(2000)
	w := newNetwork(t, terms, 1, "XA", "XB")
	w.ready()
	a, b := w.parties["XA"], w.parties["XB"]
	seenA, seenB := a.watch(t, 0), b.watch(t, 0)
	detection := a.Detection(now())
	a.submit(t, 0, detection)
	assessment := a.Assessment(now(), detection, []hotline.Party{"XB"})
	a.submit(t, 0, assessment)
	e := wait(t, seenB, received(hotline.KindAutomaticAlert))
	st, _ := b.statement(t, e.ID)
	if st.Header.Authors[0] != a.Service.Public().ID() || *st.Header.Re != assessment.ID {
		t.Errorf("the automatic alert is by %s about %s", st.Header.Authors[0], st.Header.Re.Short())
	}
	b.submit(t, 0, b.Acknowledgement(now(), st))
	wait(t, seenA, received(hotline.KindAcknowledgement))
	if _, v := a.statement(t, e.ID); len(v.Item.Addressees) != 1 || v.Item.Addressees[0].Stage != desk.StageAcknowledged {
		t.Errorf("stage at the sender is %+v, want ACKNOWLEDGED", v.Item.Addressees)
	}
}

// Promise: that a peer gave no receipt in time is recorded by a signed
// statement, and the warning still goes out as soon as the peer is there.
func TestNonDeliveryIsRecordedAndDeliveryGoesOn(t *testing.T) {
	t.Parallel()
	terms := hotlinetest.Terms("crisis")
	terms.NonDelivery, terms.NextPath = soon(2000), soon(1000)
	w := prepare(t, terms, 1, "XA", "XB")
	a, b := w.parties["XA"], w.parties["XB"]
	w.startAll(a)
	w.ready()
	seen := a.watch(t, 0)
	alert := w.warn("XA", "XB")
	e := wait(t, seen, func(e desk.Event) bool { return e.Type == desk.EventAccepted && e.Kind == hotline.KindNonDelivery })
	if st, _ := a.statement(t, e.ID); *st.Header.Re != alert.ID || len(st.Header.To) != 0 {
		t.Errorf("non-delivery about %s to %v, want about %s to nobody", st.Header.Re.Short(), st.Header.To, alert.ID.Short())
	}
	if _, v := a.statement(t, alert.ID); v.Item.Addressees[0].Stage != desk.StageUndelivered {
		t.Errorf("stage is %s, want UNDELIVERED", v.Item.Addressees[0].Stage)
	}
	w.startAll(b)
	wait(t, seen, func(e desk.Event) bool { return e.Type == desk.EventSettled && e.ID == alert.ID })
}

// Promise: a quiet line proves that it is alive, in both directions.
func TestLineIsTestedInBothDirections(t *testing.T) {
	t.Parallel()
	terms := hotlinetest.Terms("crisis")
	terms.LineTest, terms.LineReply = 1000, 5000
	w := newNetwork(t, terms, 1, "XA", "XB")
	w.ready()
	for _, code := range []hotline.Party{"XA", "XB"} {
		seen := w.parties[code].watch(t, 0)
		wait(t, seen, received(hotline.KindLineTest))
		wait(t, seen, received(hotline.KindLineReply))
		re, err := w.parties[code].ask(t, 0, &desk.Request{Status: &desk.StatusRequest{}})
		if err != nil {
			t.Fatal(err)
		}
		if p := re.Status.Peers[0]; p.Tested == 0 || p.Missed != 0 {
			t.Errorf("%s: last answer at %d, %d missed", code, p.Tested, p.Missed)
		}
	}
}

// Promise: a party that has replaced its sealing key does not call unreadable, in its own name, what it has read with the old one.
func TestReplacedSealingKeyMakesNothingUnreadable(t *testing.T) {
	t.Parallel()
	w := newNetwork(t, hotlinetest.Terms("crisis"), 1, "XA", "XB")
	w.ready()
	a, b := w.parties["XA"], w.parties["XB"]
	seen := a.watch(t, 0)
	alert := w.warn("XA", "XB")
	wait(t, seen, func(e desk.Event) bool { return e.Type == desk.EventSettled && e.ID == alert.ID })
	b.submit(t, 0, b.Acknowledgement(now(), alert))
	wait(t, seen, received(hotline.KindAcknowledgement))
	page := b.Page(2)
	page.Nodes, page.Issued = b.page.Nodes, now()
	next, err := keys.GenerateSealing()
	if err != nil {
		t.Fatal(err)
	}
	page.Sealing = next.Public()
	raw := b.SignDirectory(page)
	b.publish(t, raw)
	w.write("directory-XB-2.cbor", raw)
	b.stop(t, 0)
	key, err := next.Encrypt("sealing", testPassphrase, keys.TestnetCost())
	if err == nil {
		err = os.WriteFile(filepath.Join(b.cfgs[0].Keys.Dir, "sealing.key"), key, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	b.nodes[0] = w.start(b.cfgs[0])
	w.ready()
	b.nodes[0].Recheck(t.Context())
	for i := range b.size(t) {
		raw, err := b.nodes[0].Entry(i)
		if err != nil {
			t.Fatal(err)
		}
		if _, st, err := hotline.StatementIn(raw); err == nil && st.Header.Kind == hotline.KindUnreadable {
			t.Errorf("entry %d calls %s unreadable", i, st.Header.Re.Short())
		}
	}
}
