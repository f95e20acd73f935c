package node_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"example.org/hotline/crypto/tlog"
	"example.org/hotline/hotline"
	"example.org/hotline/hotline/desk"
	"example.org/hotline/hotline/hotlinetest"
	"example.org/hotline/hotline/link"
)

// Promise: an observer witnesses the logs of two parties, refuses a fork, and nothing else of what they say to each other or
// test reaches it: its log holds common entries and what it witnessed alone. Nothing can be said to it (SPEC §5.1, §7.8).
func TestObserverWitnessesAndHearsNothing(t *testing.T) {
	t.Parallel()
	terms := hotlinetest.Terms("crisis")
	terms.LineTest = 2000
	w := prepareObserved(t, terms, 1, []hotline.Party{"XC"}, "XA", "XB", "XC")
	for _, p := range w.parties {
		w.startAll(p)
	}
	w.ready()
	a, c := w.parties["XA"], w.parties["XC"]
	seen := a.watch(t, 0)
	st := w.warn("XA", "XB")
	e := wait(t, seen, func(e desk.Event) bool { return e.Type == desk.EventSettled && e.ID == st.ID })
	head := w.untilCosigned("XA", 0, e.Index+1, 4, "XB", "XC")
	w.untilCosigned("XB", 0, 6, 4, "XA", "XC")
	w.untilCosigned("XC", 0, 6, 4, "XA", "XB")

	if got := c.cosignsFork(t, w, "XA", head); got.Code != hotline.CodeInconsistent || len(got.Cosignature) != 0 {
		t.Errorf("a fork is answered %+v", got)
	}
	said := w.parties["XA"].Text(hotline.Time(time.Now().UnixMilli()), "XC", "words")
	if _, err := a.ask(t, 0, &desk.Request{Submit: &desk.SubmitRequest{Statement: said.Raw}}); hotline.CodeOf(err) != hotline.CodeObserver {
		t.Errorf("a statement to an observer: %v", err)
	}
	w.untilTested(t, "XA", "XB")
	for end := time.Now().Add(deadline); ; <-time.After(20 * time.Millisecond) {
		if sizes, _ := c.witnessedIn(t, "XA"); len(sizes) > 0 {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the observer records nothing of XA")
		}
	}
	c.holdsCommonEntriesAlone(t)
	for end := time.Now().Add(deadline); ; <-time.After(20 * time.Millisecond) { // the status of XA says that its witness is independent
		v := a.status(t)
		if v.Cosigned != nil && slices.ContainsFunc(v.Cosigned.By, func(w desk.WitnessView) bool { return w.Party == "XC" && w.Observer }) {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("the status of XA says of its witnesses %+v", v.Cosigned)
		}
	}
	for code, want := range map[hotline.Party]int{"XA": 1, "XC": 0} {
		v := w.parties[code].status(t)
		observers := slices.DeleteFunc(v.Peers, func(p desk.PeerView) bool { return !p.Observer })
		if len(observers) != want || v.Observer != (code == "XC") {
			t.Errorf("%s says of observers %+v, of itself %v", code, observers, v.Observer)
		}
		for _, p := range observers {
			if p.Asked != 0 || p.Heard != 0 || p.Outbox != 0 || p.Link != desk.LinkUp {
				t.Errorf("the line of %s to an observer: %+v", code, p)
			}
		}
	}
}

// cosignsFork asks a witness to cosign another history of a log than the one that it knows.
func (p *party) cosignsFork(t *testing.T, w *network, of hotline.Party, known tlog.Checkpoint) *link.Answer {
	t.Helper()
	for end := time.Now().Add(deadline); time.Now().Before(end); <-time.After(20 * time.Millisecond) {
		forged := known
		forged.Root[0] ^= 1
		note, err := tlog.SignCheckpoint(forged, w.parties[of].Log)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), deadline)
		a := p.nodes[0].Checkpoint(ctx, of, (&tlog.Extension{Old: known.Size, Note: note}).Encode())
		cancel()
		switch a.Code {
		case hotline.CodeConflict: // the log has grown, and so has what was cosigned of it
			known.Size, known.Root = a.Head.Size, a.Head.Root
		case hotline.CodeNotLeader, hotline.CodeBusy:
		default:
			return a
		}
	}
	t.Fatal("the witness has no leader")
	return nil
}

// untilTested waits until a line test of one party was answered by the other.
func (w *network) untilTested(t *testing.T, from, to hotline.Party) {
	t.Helper()
	for end := time.Now().Add(deadline); time.Now().Before(end); <-time.After(50 * time.Millisecond) {
		for _, p := range w.parties[from].status(t).Peers {
			if p.Party == to && p.Tested != 0 {
				return
			}
		}
	}
	t.Fatalf("no line test of %s is answered by %s", from, to)
}

func (p *party) status(t *testing.T) *desk.StatusView {
	t.Helper()
	re, err := p.ask(t, 0, &desk.Request{Status: &desk.StatusRequest{}})
	if err != nil {
		t.Fatal(err)
	}
	return re.Status
}

// holdsCommonEntriesAlone: the log concerns no pair and no case, and says what was witnessed.
func (p *party) holdsCommonEntriesAlone(t *testing.T) {
	t.Helper()
	_, _, size := p.exported(t, 0)
	witnessed := 0
	for i := range size {
		raw, err := p.nodes[0].Entry(i)
		if err != nil {
			t.Fatal(err)
		}
		e, content, err := hotline.DecodeEntry(raw)
		if err != nil {
			t.Fatal(err)
		}
		switch content.(type) {
		case *hotline.Witnessed:
			witnessed++
		case *hotline.Sent, *hotline.Received, *hotline.Receipted, *hotline.Due:
			t.Errorf("entry %d of %s is a %T", i, p.Code, content)
		}
		if e.Scope.Class != hotline.ScopeCommon {
			t.Errorf("entry %d of %s is no common one: %T", i, p.Code, content)
		}
	}
	if witnessed != 1 {
		t.Errorf("%s has recorded %d times within an hour what it witnessed", p.Code, witnessed)
	}
}
