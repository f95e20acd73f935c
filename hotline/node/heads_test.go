package node_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"example.org/hotline/crypto/tlog"
	"example.org/hotline/hotline"
	"example.org/hotline/hotline/desk"
	"example.org/hotline/hotline/hotlinetest"
	"example.org/hotline/hotline/link"
)

// behind waits until a party's node answers a submission with the code behind,
// or, with no, until it takes it.
func (p *party) untilBehind(t *testing.T, want bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	var err error
	for ctx.Err() == nil {
		st := p.Text(now(), "XB", "words")
		_, err = p.ask(t, 0, &desk.Request{Submit: &desk.SubmitRequest{Statement: st.Raw}})
		if want && hotline.CodeOf(err) == hotline.CodeBehind || !want && err == nil {
			return
		}
		select {
		case <-time.After(20 * time.Millisecond): // the peers' hellos, or a leader, are still to come
		case <-ctx.Done():
		}
	}
	t.Fatalf("the node answers %v", err)
}

// untilAlarmed waits until the status shows an alarm with these words.
func (p *party) untilAlarmed(t *testing.T, words string) {
	t.Helper()
	limit := time.NewTimer(deadline)
	defer limit.Stop()
	for !p.alarmed(t, words) {
		select {
		case <-time.After(20 * time.Millisecond): // the peer's hello is still to come
		case <-limit.C:
			t.Fatalf("no alarm says %q", words)
		}
	}
}

func (p *party) alarmed(t *testing.T, word string) bool {
	t.Helper()
	re, err := p.ask(t, 0, &desk.Request{Status: &desk.StatusRequest{}})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Contains(strings.Join(re.Status.Alarms, "\n"), word)
}

// Promise: a node that was set back to an older disk learns it from its peer,
// signs nothing, writes nothing and says so; with the newer disk it goes on.
func TestNodeBehindItsPeersHeadRefusesToSign(t *testing.T) {
	t.Parallel()
	w := newNetwork(t, hotlinetest.Terms("crisis"), 1, "XA", "XB")
	w.ready()
	a := w.parties["XA"]
	data, old := a.cfgs[0].Data, t.TempDir()
	restart := func(from, keep string) {
		t.Helper()
		a.stop(t, 0)
		if keep != "" {
			if err := os.Rename(data, keep); err != nil {
				t.Fatal(err)
			}
			if err := os.CopyFS(data, os.DirFS(from)); err != nil {
				t.Fatal(err)
			}
		}
		a.nodes = nil
		w.startAll(a)
	}
	a.stop(t, 0)
	if err := os.CopyFS(old, os.DirFS(data)); err != nil {
		t.Fatal(err)
	}
	a.nodes = nil
	w.startAll(a)
	w.ready()
	seen := a.watch(t, 0)
	for range 2 { // the second head is known to XB when the first receipt was for it
		st := w.warn("XA", "XB")
		wait(t, seen, func(e desk.Event) bool { return e.Type == desk.EventSettled && e.ID == st.ID })
	}
	newer := data + "-newer"
	restart(old, newer)
	a.untilBehind(t, true)
	if !a.alarmed(t, "nothing is signed here") {
		t.Error("the status shows no alarm")
	}
	size := w.size(t)
	a.untilBehind(t, true)
	if after := w.size(t); after != size {
		t.Errorf("a node that is behind wrote: its log grew from %d to %d entries", size, after)
	}
	if _, err := a.ask(t, 0, &desk.Request{Export: &desk.ExportRequest{}}); hotline.CodeOf(err) != hotline.CodeBehind {
		t.Errorf("a node that is behind signs a checkpoint: %v", err)
	}
	restart(newer, data+"-older")
	a.untilBehind(t, false)
	if a.alarmed(t, "nothing is signed here") {
		t.Error("the alarm stays")
	}
}

// Promise: a head that a peer claims without proving it stops nobody.
func TestUnprovenHeadStopsNobody(t *testing.T) {
	t.Parallel()
	for name, greet := range map[string]func(*link.Hello){
		"no proof": func(h *link.Hello) {
			h.Head = &hotline.PeerHead{Origin: tlog.Origin("XA", 1), Size: 1 << 40}
		},
		"garbage": func(h *link.Hello) {
			h.Head = &hotline.PeerHead{Origin: tlog.Origin("XA", 1), Size: 1 << 40}
			h.Proof = &link.HeadProof{Receipt: []byte{1, 2, 3}}
		},
		"a proof of another log": func(h *link.Hello) {
			q := hotlinetest.NewParty("XA", "another network")
			hotlinetest.Convention(hotlinetest.Terms("crisis"), q, hotlinetest.NewParty("XB", "another network"))
			d := hotlinetest.NewJournal(q, 1000).Send(q.Text(1000, "XB", "words"), 1000)
			rc, _ := hotline.ParseReceipt(d.Tender)
			h.Head = &hotline.PeerHead{Origin: tlog.Origin("XA", 1), Size: rc.Index + 1}
			h.Proof = &link.HeadProof{Receipt: d.Tender}
		},
		"a checkpoint that another log signed": func(h *link.Hello) {
			c := tlog.Checkpoint{Origin: tlog.Origin("XA", 1), Size: 1 << 40}
			note, err := tlog.SignCheckpoint(c, hotlinetest.NewParty("XA", "another network").Log)
			if err != nil {
				panic(err)
			}
			h.Head, h.Checkpoint = &hotline.PeerHead{Origin: c.Origin, Size: c.Size}, note
		},
	} {
		t.Run(name, func(t *testing.T) {
			greeted := make(chan struct{}, 64)
			w, s := meetWith(t, func(h *link.Hello) {
				greet(h)
				select {
				case greeted <- struct{}{}:
				default:
				}
			})
			<-greeted
			s.good(t)
			a := w.parties["XA"]
			a.submit(t, 0, a.Text(now(), "XB", "words"))
			if a.alarmed(t, "nothing is signed here") {
				t.Error("an unproven head raises the alarm")
			}
		})
	}
}

// meetWith is meet with a stranger that lies about what it holds.
func meetWith(t *testing.T, greet func(*link.Hello)) (*network, *stranger) {
	t.Helper()
	w, s := meet(t, nil)
	s.mu.Lock()
	s.greet = greet
	s.mu.Unlock()
	s.line.SetPeers(nil) // dialled anew, so that the next hello comes at once
	s.line.SetPeers([]link.Peer{{Party: "XA", Nodes: w.parties["XA"].page.Nodes}})
	return w, s
}

// Promise: a node that may have missed what its group wrote down does not say
// that it holds everything: whoever was set back would believe an old head.
func TestNodeWithoutItsGroupVouchesForNothing(t *testing.T) {
	t.Parallel()
	w := prepare(t, hotlinetest.Terms("crisis"), 3, "XA", "XB")
	a := w.parties["XA"]
	w.startAll(a)
	w.startAll(w.parties["XB"])
	w.ready()
	w.settled("XA", "XB")
	sure := func() bool { return !a.nodes[0].Greeting(t.Context(), "XB").Unsure }
	until := func(want bool) {
		t.Helper()
		for limit := time.Now().Add(deadline); sure() != want; pause(t) {
			if time.Now().After(limit) {
				t.Fatalf("the node vouches for its log: %t", !want)
			}
		}
	}
	until(true)
	a.stop(t, 1)
	a.stop(t, 2)
	until(false) // one that led steps down after its lease
	a.nodes[1] = w.start(a.cfgs[1])
	until(true)
}

// Promise: a node that holds a head of a peer's log and cannot prove it does not say that it holds none: the peer, if it was set
// back, would go on from there.
func TestNodeThatCannotProveAHeadVouchesForNothing(t *testing.T) {
	t.Parallel()
	w := prepare(t, hotlinetest.Terms("crisis"), 1, "XA", "XB")
	a := w.parties["XA"]
	w.startStopping(a, nil) // its disk fails
	w.startAll(w.parties["XB"])
	w.ready()
	w.settled("XA", "XB")
	verified(t, a.nodes[0], w.size(t)) // nobody else reads the files now
	if h := a.nodes[0].Greeting(t.Context(), "XB"); h.Unsure || h.Head == nil {
		t.Fatalf("a sound node says of XB's log %v, unsure: %t", h.Head, h.Unsure)
	}
	edge := filepath.Join(a.cfgs[0].Data, "ledger", "edge", "0")
	whole, err := os.ReadFile(edge)
	if err != nil {
		t.Fatal(err)
	}
	put := func(b []byte) {
		t.Helper()
		f, err := os.OpenFile(edge, os.O_WRONLY, 0)
		if err == nil {
			_, err = f.Write(b)
			err = errors.Join(err, f.Close())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	put(make([]byte, len(whole)))
	if h := a.nodes[0].Greeting(t.Context(), "XB"); !h.Unsure || h.Head != nil {
		t.Errorf("a node that cannot read its log says of XB's log %v, unsure: %t", h.Head, h.Unsure)
	}
	put(whole)
}

// pause is between two looks at what is still to come.
func pause(t *testing.T) {
	select {
	case <-time.After(20 * time.Millisecond):
	case <-t.Context().Done():
	}
}

// Promise: a peer that restarts and has to replay much of its log does not vouch
// for the head that it has come to so far: the node that was restored from a
// backup would go on from there, and write a second history.
func TestReplayingPeerDoesNotEndTheWaiting(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("thousands of statements are replayed")
	}
	w := prepare(t, hotlinetest.Terms("crisis"), 1, "XA", "XB")
	a, b := w.parties["XA"], w.parties["XB"]
	b.cfgs[0].Group.SnapshotEvery = 1_000_000 // all of it is replayed
	w.startAll(a)
	w.startAll(b)
	w.ready()
	w.settled("XA", "XB")
	dir := w.backUp(a)
	a.stop(t, 0)
	var wg sync.WaitGroup
	for range replayers {
		wg.Go(func() {
			for range replayed / replayers {
				b.submit(t, 0, b.Text(now(), "XA", "words"))
			}
		})
	}
	wg.Wait()
	a.nodes = nil
	w.startAll(a)
	a.untilBehind(t, false)
	w.settled("XA", "XB") // what the backup does not hold
	w.settled("XA", "XB")
	b.stop(t, 0)
	a.lose(t)
	a.restore(t, dir)
	w.startAll(a)
	a.untilBehind(t, true)
	b.nodes = nil
	w.startAll(b)
	for limit := time.Now().Add(deadline); !a.alarmed(t, "XB holds a signed head"); {
		if _, err := a.ask(t, 0, &desk.Request{Submit: &desk.SubmitRequest{Statement: a.Text(now(), "XB", "a second history").Raw}}); err == nil {
			t.Fatal("the restored node writes a second history")
		}
		if time.Now().After(limit) {
			t.Fatal("the peer never says which head it holds")
		}
	}
}

// replayed is how many statements are replayed, of so many senders at a time.
const replayed, replayers = 3000, 40

// Promise: a peer hears nothing of why nothing is written here at present: which
// head a third party holds is no business of its own.
func TestPeersDoNotHearOfASetBackLog(t *testing.T) {
	t.Parallel()
	w := newNetwork(t, hotlinetest.Terms("crisis"), 1, "XA", "XB")
	w.ready()
	a, b := w.parties["XA"], w.parties["XB"]
	w.settled("XA", "XB")
	dir := w.backUp(a)
	w.settled("XA", "XB")
	w.settled("XA", "XB")
	a.lose(t)
	a.restore(t, dir)
	w.startAll(a)
	a.untilAlarmed(t, "XB holds a signed head")
	page := b.Page(2)
	page.Nodes, page.Issued = b.page.Nodes, now()
	d := hotlinetest.NewJournal(b.Party, now()).Send(b.Text(now(), "XA", "words"), now())
	for name, answer := range map[string]*link.Answer{
		"document":  a.nodes[0].Document(t.Context(), "XB", b.SignDirectory(page)),
		"statement": a.nodes[0].Deliver(t.Context(), "XB", "XB-1", &link.Delivery{Statement: d.Statement.Raw, Sender: d.Sender, Tender: d.Tender}),
	} {
		if answer.Code != hotline.CodeBusy || strings.Contains(answer.Text, "XB") {
			t.Errorf("%s: a peer is answered %q, %q", name, answer.Code, answer.Text)
		}
	}
}
