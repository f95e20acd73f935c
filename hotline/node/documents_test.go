package node_test

import (
	"testing"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/desk"
	"example.org/hotline/hotline/hotlinetest"
)

func (p *party) publish(t *testing.T, raw []byte) {
	t.Helper()
	if _, err := p.ask(t, 0, &desk.Request{Publish: &desk.PublishRequest{Document: raw}}); err != nil {
		t.Fatal(err)
	}
}

// Promise: a peer that hands in documents without end is answered before anything
// of them is verified, while others and its own statements are heard.
func TestDocumentsComeAtAPace(t *testing.T) {
	t.Parallel()
	w := newNetwork(t, hotlinetest.Terms("crisis"), 1, "XA", "XB", "XC")
	w.ready()
	node := w.parties["XA"].nodes[0]
	hand := func(from hotline.Party) hotline.Code {
		return node.Document(t.Context(), from, []byte("no document")).Code
	}
	if code := hand("XB"); code != hotline.CodeMalformed {
		t.Errorf("the first is answered %q", code)
	}
	code := hotline.Code("")
	for n := 0; code != hotline.CodeBusy && n < 10*hotline.DocumentBurst; n++ {
		code = hand("XB")
	}
	if code != hotline.CodeBusy {
		t.Errorf("after %d at once the answer is %q", 10*hotline.DocumentBurst, code)
	}
	if code := hand("XC"); code != hotline.CodeMalformed {
		t.Errorf("another party is answered %q", code)
	}
	w.settled("XB", "XA")
}

// Promise: a convention amended and a directory renewed while a case is open
// lose and wrong nothing in flight: what was logged under the old numbers is
// judged by them, what comes after by the new ones, and who lacks a document
// is sent it.
func TestDocumentsChangeWhileStatementsAreInFlight(t *testing.T) {
	t.Parallel()
	w := prepare(t, hotlinetest.Terms("crisis"), 1, "XA", "XB")
	a, b := w.parties["XA"], w.parties["XB"]
	w.startAll(a)
	w.ready()
	alert := w.warn("XA", "XB") // in flight: nobody answers at XB yet

	// The author's key is revoked, the page renewed twice, the terms amended.
	revoked := now() + 1
	for number := uint64(2); number <= 3; number++ {
		page := a.Page(number)
		page.Nodes, page.Issued = a.page.Nodes, now()
		for i := range page.Officers {
			if page.Officers[i].Name == "XA-O1" {
				page.Officers[i].Revoked = revoked
			}
		}
		a.publish(t, a.SignDirectory(page))
	}
	next := a.Convention.Convention
	next.Version, next.Previous, next.ValidFrom = 2, a.Convention.Hash, now()
	next.Terms.Acknowledge[hotline.Immediate-1] = 20 * 60 * 1000
	amended := hotlinetest.SignConvention(a.Convention, &next, a.Party, b.Party)
	a.publish(t, amended)

	// Drafted under the old numbers, in the overlap, logged under the new ones.
	overlap := a.Text(now(), "XB", "drafted before the change", func(h *hotline.Header) { h.Authors = nil })
	overlap = a.By(overlap.Header, &hotline.Note{Text: "drafted before the change"}, "O2")
	a.submit(t, 0, overlap)
	late := a.Text(now(), "XB", "signed with a revoked key")
	if _, err := a.ask(t, 0, &desk.Request{Submit: &desk.SubmitRequest{Statement: late.Raw}}); hotline.CodeOf(err) != hotline.CodeRevoked {
		t.Errorf("a revoked officer's statement is answered %v, want %s", err, hotline.CodeRevoked)
	}

	seenA := a.watch(t, 0)
	w.startAll(b)
	for _, st := range []*hotline.Statement{alert, overlap} {
		wait(t, seenA, func(e desk.Event) bool { return e.Type == desk.EventSettled && e.ID == st.ID })
	}
	re, err := b.ask(t, 0, &desk.Request{Show: &desk.ShowRequest{ID: alert.ID.String()}})
	if err != nil {
		t.Fatal(err)
	}
	if re.Show.Item.Code != "" {
		t.Errorf("the alert is at the receiver with code %q, want accepted", re.Show.Item.Code)
	}
	status, err := b.ask(t, 0, &desk.Request{Status: &desk.StatusRequest{}})
	if err != nil {
		t.Fatal(err)
	}
	if v := status.Status; v.ConventionVersion != 2 || v.Peers[0].Directory != 3 {
		t.Errorf("receiver holds version %d and directory %d, want 2 and 3", v.ConventionVersion, v.Peers[0].Directory)
	}
	b.submit(t, 0, b.Acknowledgement(now(), alert))
	wait(t, seenA, func(e desk.Event) bool { return e.Type == desk.EventReceived && e.Kind == hotline.KindAcknowledgement })
}
