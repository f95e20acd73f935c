package main

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/codebook"
	"example.org/hotline/hotline/desk"
	"example.org/hotline/hotline/hotlinetest"
	"example.org/hotline/ops/ceremony"
)

// observedSeat is the machine of XB-L1 in a convention of XA, XB and the observers.
func observedSeat(t *testing.T, l codebook.Language, observers ...hotline.Party) *seat {
	t.Helper()
	all := []*hotlinetest.Party{hotlinetest.NewParty("XA", "observed"), hotlinetest.NewParty("XB", "observed")}
	for _, code := range observers {
		all = append(all, hotlinetest.NewParty(code, "observed"))
	}
	docs := new(ceremony.Documents)
	list := [][]byte{hotlinetest.Observed(hotlinetest.Terms("crisis"), observers, all...).Raw}
	for _, p := range all {
		list = append(list, p.Directory(1).Raw)
	}
	for _, raw := range list {
		if err := docs.Add(raw); err != nil {
			t.Fatal(err)
		}
	}
	now := func() time.Time { return time.UnixMilli(int64(hotlinetest.Epoch)) }
	return &seat{app: &app{out: new(strings.Builder), err: io.Discard, now: now, lang: string(l)}, cmd: newRoot(),
		profile: &profile{Party: "XB", Officer: "XB-L1"}, docs: docs}
}

// TestObserverIsShownAsOne: an officer sees who only observes, and whether an independent witness exists, before they count on either.
func TestObserverIsShownAsOne(t *testing.T) {
	for _, v := range []struct {
		observers []hotline.Party
		want      string
	}{
		{nil, "witnessed by XA: in a convention of two no independent witness exists"},
		{[]hotline.Party{"XC"}, "witnessed by XC,XA; independent of every pair: XC\n"},
		{[]hotline.Party{"XC", "XD"}, "witnessed by XC,XD,XA; independent of every pair: XC,XD\n"},
	} {
		var out strings.Builder
		observedSeat(t, codebook.English, v.observers...).writeDocuments(&out)
		if !strings.Contains(out.String(), v.want) || strings.Count(out.String(), "(observer)") != len(v.observers) {
			t.Errorf("with observers %v the documents say %s", v.observers, out.String())
		}
	}
	for _, l := range codebook.Languages {
		var out strings.Builder
		p := observedSeat(t, l, "XC").sheet(&out)
		p.status(&desk.StatusView{Party: "XC", Observer: true, Peers: []desk.PeerView{{Party: "XA", Link: desk.LinkUp}, {Party: "XD", Link: desk.LinkUp, Observer: true}}})
		for _, want := range []string{p.Say("observes", "party", "XC"), p.Say("line-observer", "party", pad("XD", 8), "link", p.column("link", p.Word(codebook.Links, "up")))} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%s: the status lacks %q: %s", l, want, out.String())
			}
		}
	}
}

// TestNothingIsComposedForAnObserver: what an officer would send to one is refused on their own machine, with the code that a ledger
// would give, before anything is sealed to it; and no card says what to do when its line is dead.
func TestNothingIsComposedForAnObserver(t *testing.T) {
	s := observedSeat(t, codebook.English, "XC")
	h := hotline.Header{Kind: hotline.KindText, From: "XB", To: []hotline.Party{"XC"}, Status: hotline.Actual, Convention: s.docs.Convention().ID, ConventionVersion: 1}
	var f *failure
	if _, err := s.seal(&h, []byte("body")); !errors.As(err, &f) || f.Code != string(hotline.CodeObserver) {
		t.Errorf("a body for an observer: %v", err)
	}
	d := &deck{self: "XB", docs: s.docs, now: hotlinetest.Epoch}
	if cards, err := d.pick(nil); err != nil || len(cards) != 2 {
		t.Errorf("%d cards, want that of the duty and that of XA: %v", len(cards), err)
	}
	if _, err := d.pick([]string{"XC"}); err == nil {
		t.Error("a card for the line to an observer")
	}
}

// TestWhatIsSaidLikeAStatementGoesToWhoCanBeTold: what an officer takes back, ratifies or reports on goes to those addressees of the
// statement to whom something can still be told; where nobody is left, to all of them, which is refused with the reason.
func TestWhatIsSaidLikeAStatementGoesToWhoCanBeTold(t *testing.T) {
	s := observedSeat(t, codebook.English, "XC")
	for _, v := range []struct{ said, want []hotline.Party }{
		{[]hotline.Party{"XA"}, []hotline.Party{"XA"}},
		{[]hotline.Party{"XA", "XC", "XD"}, []hotline.Party{"XA"}}, // XD is no party
		{[]hotline.Party{"XC", "XD"}, []hotline.Party{"XC", "XD"}},
	} {
		if got := s.stillOf(v.said); !slices.Equal(got, v.want) {
			t.Errorf("what went to %v goes to %v, want %v", v.said, got, v.want)
		}
	}
}
