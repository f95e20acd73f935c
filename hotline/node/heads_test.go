package node_test

import (
	"context"
	"os"
	"strings"
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
