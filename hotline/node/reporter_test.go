package node_test

import (
	"context"
	"strings"
	"testing"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/desk"
	"example.org/hotline/hotline/hotlinetest"
)

func reported(key, reporter string) hotline.Hit {
	return hotline.Hit{Key: strings.Repeat(key, 32), Source: "intelmq", First: 1, Last: 1, Count: 1, Direction: hotline.HitOutbound,
		From: []string{"192.0.2.1"}, FromTotal: 1, To: []string{"198.51.100.1"}, ToTotal: 1, Protocol: "TCP",
		Signatures: []string{"scanner"}, Evidence: hotline.HitObserved, Reporter: reporter}
}

// Promise: what a reporter hands in waits in triage under the reporter's own
// name, takes nobody else's place, and is receipted with a signature that binds
// what was handed in.
func TestReporterGetsAReceiptAndIsNamed(t *testing.T) {
	t.Parallel()
	w, _ := meet(t, nil)
	p := w.parties["XA"]
	put := func(who string, roles []hotline.Role, hits ...hotline.Hit) *desk.HitsView {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), deadline)
		defer cancel()
		var view *desk.HitsView
		err := p.nodes[0].Handle(ctx, desk.Officer{Name: p.Name(who), Roles: roles}, &desk.Request{Hits: &desk.HitsRequest{Hits: hits}},
			func(r *desk.Reply) error { view = r.Hits; return nil })
		if err != nil || view == nil || view.Taken != uint64(len(hits)) {
			t.Fatalf("%s: %v, %+v", who, err, view)
		}
		return view
	}
	put("O1", []hotline.Role{hotline.Operator}, reported("0a", "XA-C9"))
	handed := []hotline.Hit{reported("0a", "XA-C9"), reported("0b", "")}
	view := put("C1", []hotline.Role{hotline.Reporter}, handed...)
	put("C2", []hotline.Role{hotline.Reporter}, handed[0])
	receipt, err := hotline.OpenHitReceipt(view.Receipt, p.Service.Public())
	if err != nil {
		t.Fatal(err)
	}
	if receipt.From != "XA-C1" || receipt.Party != "XA" || receipt.Node != "XA-1" || receipt.Convention != p.Convention.ID ||
		receipt.Digest != hotline.HitsDigest(handed) || len(receipt.Keys) != 2 {
		t.Errorf("the receipt says %+v", receipt)
	}
	r, err := p.ask(t, 0, &desk.Request{Triage: &desk.TriageRequest{}})
	if err != nil {
		t.Fatal(err)
	}
	by := map[string]string{}
	for _, h := range r.Triage.Hits {
		by[h.Key] = h.Reporter
	}
	if len(by) != 4 || by[handed[0].Key] != "" || by[receipt.Keys[0]] != "XA-C1" || by[receipt.Keys[1]] != "XA-C1" {
		t.Errorf("in triage wait %v", by)
	}
}

// Promise: a hit leaves triage by an operator alone: no statement but a detection, which an operator signs, takes one with it.
// Whoever else may hand statements in could make a warning vanish.
func TestOnlyADetectionAdoptsAHit(t *testing.T) {
	t.Parallel()
	w := newNetwork(t, hotlinetest.Terms("crisis"), 1, "XA", "XB")
	w.ready()
	p := w.parties["XA"]
	hit := reported("0a", "")
	if _, err := p.ask(t, 0, &desk.Request{Hits: &desk.HitsRequest{Hits: []hotline.Hit{hit}}}); err != nil {
		t.Fatal(err)
	}
	adopt := func(st *hotline.Statement) error {
		_, err := p.ask(t, 0, &desk.Request{Submit: &desk.SubmitRequest{Statement: st.Raw, Adopts: hit.Key}})
		return err
	}
	if err := adopt(p.Text(now(), "XB", "words")); hotline.CodeOf(err) != hotline.CodeMalformed {
		t.Errorf("a text adopts a hit: %v", err)
	}
	if len(p.waiting(t, 0)) != 1 {
		t.Error("the hit waits no more, and nobody has adopted it")
	}
	if err := adopt(p.Detection(now())); err != nil || len(p.waiting(t, 0)) != 0 {
		t.Errorf("a detection adopts the hit: %v", err)
	}
}
