package hotlinetest_test

import (
	"testing"

	"example.org/hotline/crypto/keys"
	"example.org/hotline/hotline"
	"example.org/hotline/hotline/hotlinetest"
)

// TestFixtureMakesWhatVerifies: everything that the fixture makes is accepted
// by the code under test, so that a refusal in another package's test is that
// package's own.
func TestFixtureMakesWhatVerifies(t *testing.T) {
	a, b, c := hotlinetest.NewParty("XA", "1"), hotlinetest.NewParty("XB", "1"), hotlinetest.NewParty("XC", "1")
	conv := hotlinetest.Convention(hotlinetest.Terms("crisis"), a, b, c)
	at := hotlinetest.Epoch + 1000
	to := []hotline.Party{"XB", "XC"}
	detection := a.Detection(at)
	assessment := a.Assessment(at, detection, to)
	alert := a.Alert(at, assessment, to)
	flash := a.FlashAlert(at, assessment, to)
	test := a.LineTest(at, "XB", 1, 7)
	text := a.Text(at, "XB", "Good morning")
	own := []*hotline.Statement{detection, assessment, alert, flash, test, text,
		a.Ratification(at, flash), a.Ladder(at, 1), a.AutomaticAlert(at, assessment, 9),
		a.NonDelivery(at, alert, "XB", 4), a.ServiceMessage(at, "XB", "Maintenance at 02:00 UTC")}
	theirs := []*hotline.Statement{b.Acknowledgement(at, alert), b.Acknowledgement(at, text), b.Escalation(at, alert, 3),
		b.LineReply(at, test, 6), b.Reject(at, alert, 1, 2, hotline.CodeCase), b.Unreadable(at, alert, 8)}
	for _, st := range own {
		check(t, a, st)
	}
	for _, st := range theirs {
		check(t, b, st)
	}
	for _, p := range []*hotlinetest.Party{a, b, c} {
		if d := p.Directory(1); d.Officer(p.Officer("L2").Public().ID()) == nil {
			t.Errorf("L2 of %s is not in its directory", p.Code)
		}
	}
	delivered := hotlinetest.NewJournal(a, at).Send(alert, at)
	raw := hotlinetest.NewJournal(b, at).Receive(delivered, at+5)
	receipt, err := hotline.ParseReceipt(raw)
	if err != nil {
		t.Fatal(err)
	}
	if err := hotline.VerifyReceipt(receipt, "XB", alert, delivered.Index, 1, delivered.Sender, delivered.Tender, conv.ID, b.Log.Public()); err != nil {
		t.Fatal(err)
	}
}

func check(t *testing.T, p *hotlinetest.Party, st *hotline.Statement) {
	t.Helper()
	if err := st.Verify(p.Keys); err != nil || !st.Complete() {
		t.Errorf("%s: %v", st.Header.Kind, err)
	}
	if !st.Header.Kind.Rules().Sealed {
		return
	}
	readers := []*keys.SealingPrivate{p.Sealing}
	for _, code := range st.Header.To {
		readers = append(readers, p.Peer(code).Sealing)
	}
	for _, key := range readers {
		_, body, err := st.OpenSealed(key)
		if err != nil {
			t.Fatalf("%s: %v", st.Header.Kind, err)
		}
		if _, err := hotline.DecodeBody(st.Header.Kind, body); err != nil {
			t.Errorf("%s: %v", st.Header.Kind, err)
		}
	}
}
