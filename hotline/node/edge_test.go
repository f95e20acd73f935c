package node_test

import (
	"bytes"
	"context"
	"testing"
	"time"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/desk"
	"example.org/hotline/hotline/hotlinetest"
	"example.org/hotline/hotline/link"
)

// sit opens an officer's desk at a party's nodes.
func (p *party) sit(t *testing.T, post string) (*desk.Client, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	var nodes []desk.Node
	for _, n := range p.page.Nodes {
		nodes = append(nodes, desk.Node{Name: n.Name, Addr: n.Addr, Key: n.Key})
	}
	c, err := desk.Dial(ctx, p.Officer(post), nodes)
	if err == nil {
		t.Cleanup(c.Close)
	}
	return c, err
}

// served says why an officer gets no answer at a desk, or nil. In TLS 1.3 the
// officer's side of a handshake may be over before the node has judged the key.
func (p *party) served(t *testing.T, post string) error {
	t.Helper()
	c, err := p.sit(t, post)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	_, err = c.Do(ctx, &desk.Request{Status: &desk.StatusRequest{}})
	return err
}

// revoke publishes the party's next directory, in which a post is revoked.
func (p *party) revoke(t *testing.T, number uint64, post string) {
	t.Helper()
	p.change(t, number, post, func(o *hotline.Officer) { o.Revoked = now() })
}

// change publishes the party's next directory, in which a post is another.
func (p *party) change(t *testing.T, number uint64, post string, f func(*hotline.Officer)) {
	t.Helper()
	page := p.Page(number)
	page.Nodes, page.Issued = p.page.Nodes, now()
	for i := range page.Officers {
		if page.Officers[i].Name == p.Name(post) {
			f(&page.Officers[i])
		}
	}
	p.publish(t, p.SignDirectory(page))
}

// watching opens a watch at a desk and returns how it ends.
func watching(t *testing.T, c *desk.Client) <-chan error {
	t.Helper()
	begun, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- c.Stream(t.Context(), &desk.Request{Watch: &desk.WatchRequest{}}, func(r *desk.Reply) error {
			if r.Event != nil && r.Event.Type == desk.EventBegin {
				close(begun)
			}
			return nil
		})
	}()
	<-begun
	return ended
}

// Promise: a revoked officer's open desk ends at once, and does not open again;
// the others' desks stay.
func TestRevokedOfficersDeskEnds(t *testing.T) {
	t.Parallel()
	w := newNetwork(t, hotlinetest.Terms("crisis"), 1, "XA", "XB")
	w.ready()
	p := w.parties["XA"]
	revoked, err := p.sit(t, "O1")
	if err != nil {
		t.Fatal(err)
	}
	other, err := p.sit(t, "O2")
	if err != nil {
		t.Fatal(err)
	}
	ended := watching(t, revoked)
	p.revoke(t, 2, "O1")
	select {
	case err := <-ended:
		if err == nil {
			t.Error("the stream ended as if all were well")
		}
	case <-time.After(deadline):
		t.Fatal("the revoked officer's desk is still open")
	}
	if err := p.served(t, "O1"); err == nil {
		t.Error("the revoked officer's desk opens again")
	}
	if _, err := other.Do(t.Context(), &desk.Request{Status: &desk.StatusRequest{}}); err != nil {
		t.Errorf("another officer's desk: %v", err)
	}
}

// Promise: an officer from whom a new directory takes a role or time asks by what is left from then on: a desk that was open before
// gives no more than one that is opened now. Whoever only gains keeps the desk, and the answer that it waits for.
func TestOpenDeskFollowsRolesAndTime(t *testing.T) {
	t.Parallel()
	w := newNetwork(t, hotlinetest.Terms("crisis"), 1, "XA", "XB")
	w.ready()
	p := w.parties["XA"]
	changed, err := p.sit(t, "O1")
	if err != nil {
		t.Fatal(err)
	}
	other, err := p.sit(t, "O2")
	if err != nil {
		t.Fatal(err)
	}
	stays := watching(t, other)
	triage := func() error {
		return changed.Stream(t.Context(), &desk.Request{Triage: &desk.TriageRequest{}}, func(*desk.Reply) error { return nil })
	}
	if err := triage(); err != nil {
		t.Fatal(err)
	}
	p.change(t, 2, "O2", func(o *hotline.Officer) {
		o.Until, o.Roles = o.Until+1000, []hotline.Role{hotline.Operator, hotline.Liaison}
	})
	p.Number = 2
	next := func(what string, f func(*hotline.Officer)) {
		t.Helper()
		ended := watching(t, changed)
		p.change(t, p.Number+1, "O1", f)
		p.Number++
		select {
		case <-ended:
		case <-time.After(deadline):
			t.Fatalf("%s: the desk that was open before goes on", what)
		}
	}
	next("other roles", func(o *hotline.Officer) { o.Roles = []hotline.Role{hotline.Auditor} })
	if err := triage(); hotline.CodeOf(err) != hotline.CodeDenied {
		t.Errorf("who is no operator any more asks for triage: %v", err)
	}
	if _, err := changed.Do(t.Context(), &desk.Request{Status: &desk.StatusRequest{}}); err != nil {
		t.Errorf("what the new role may ask: %v", err)
	}
	next("another time", func(o *hotline.Officer) { o.Until = now() })
	if _, err := changed.Do(t.Context(), &desk.Request{Status: &desk.StatusRequest{}}); hotline.CodeOf(err) != hotline.CodeDenied {
		t.Errorf("whose time is over asks: %v", err)
	}
	select {
	case err := <-stays:
		t.Errorf("another officer's desk ended: %v", err)
	default:
	}
}

// Promise: a node that restarts from a snapshot follows the documents in it, not
// the older ones of its documents directory: who was revoked stays out.
func TestRestartFromSnapshotKeepsRevokedOfficersOut(t *testing.T) {
	t.Parallel()
	w := prepare(t, hotlinetest.Terms("crisis"), 1, "XA", "XB")
	p := w.parties["XA"]
	p.cfgs[0].Group.SnapshotEvery = 16
	w.startAll(p)
	w.ready()
	p.revoke(t, 2, "O1")
	for range 40 { // so that the log behind the snapshot does not reach back
		p.submit(t, 0, p.By(p.Header(hotline.KindText, now(), hotlinetest.To("XB")), &hotline.Note{Text: "words"}, "O2"))
	}
	if err := p.nodes[0].SnapshotNow(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.stop(t, 0)
	p.nodes = nil
	w.startAll(p)
	if err := p.served(t, "O2"); err != nil {
		t.Fatal(err)
	}
	if err := p.served(t, "O1"); err == nil {
		t.Error("after the restart the revoked officer's desk opens")
	}
}

// Promise: a desk that does not read is told how many events it lost, and no
// other work waits for it.
func TestSlowWatcherIsToldWhatItLost(t *testing.T) {
	t.Parallel()
	w := newNetwork(t, hotlinetest.Terms("crisis"), 1, "XA", "XB")
	w.ready()
	p := w.parties["XA"]
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	read := make(chan desk.Event)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = p.nodes[0].Handle(ctx, desk.Officer{Roles: hotline.Roles}, &desk.Request{Watch: &desk.WatchRequest{}}, func(r *desk.Reply) error {
			select {
			case read <- *r.Event:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	}()
	if e := <-read; e.Type != desk.EventBegin {
		t.Fatalf("the first event is %s", e.Type)
	}
	var last hotline.ID
	const made = 400 // more than any queue holds
	for range made {
		st := p.Detection(now())
		p.submit(t, 0, st)
		last = st.ID
	}
	var seen, lost uint64
	for lost == 0 {
		switch e := wait(t, read, func(desk.Event) bool { return true }); {
		case e.Type == desk.EventLost:
			lost += e.Index
		case e.Type == desk.EventAccepted && e.Kind == hotline.KindDetection:
			seen++
			if e.ID == last {
				t.Error("the newest event came although events before it were lost and not told")
			}
		}
	}
	if seen+lost < made {
		t.Errorf("%d events seen and %d told as lost, of at least %d", seen, lost, made)
	}
	after := p.Detection(now())
	p.submit(t, 0, after)
	wait(t, read, func(e desk.Event) bool { return e.ID == after.ID })
	cancel()
	<-done
}

// Promise: what no node could read back is never committed. One command beyond
// the bound would otherwise stop every node of the group, for ever.
func TestOversizedCommandIsRefusedBeforeItIsCommitted(t *testing.T) {
	t.Parallel()
	w := newNetwork(t, hotlinetest.Terms("crisis"), 1, "XA", "XB")
	w.ready()
	p := w.parties["XA"]
	good := p.SignDirectory(p.page)
	for name, r := range map[string]*desk.Request{
		"document": {Publish: &desk.PublishRequest{Document: append(bytes.Clone(good), make([]byte, 60<<10)...)}},
		"key":      {Dismiss: &desk.DismissRequest{Key: string(bytes.Repeat([]byte("a"), 60<<10))}},
		"utf-8":    {Dismiss: &desk.DismissRequest{Key: "\xff\xfe"}},
	} {
		if _, err := p.ask(t, 0, r); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
	p.submit(t, 0, p.Text(now(), "XB", "the group still works"))
}

// Promise: a receipt asked for again has the same bytes, from whichever node of
// the group, though only one of them leads.
func TestReceiptIsTheSameFromEveryNode(t *testing.T) {
	t.Parallel()
	w, s := meetGroup(t, 3, nil)
	d := delivery(s.enter(s.Text(now(), "XA", "words"), now()))
	first := s.sayBy(t, 0, d)
	if first.Code != "" || len(first.Receipt) == 0 {
		t.Fatalf("answered %q (%s)", first.Code, first.Text)
	}
	for path := range w.parties["XA"].nodes {
		if a := s.sayBy(t, path, d); a.Code != "" || !bytes.Equal(a.Receipt, first.Receipt) {
			t.Errorf("node %d answers %q (%s); receipts equal: %v", path+1, a.Code, a.Text, bytes.Equal(a.Receipt, first.Receipt))
		}
	}
}

// Promise: what a peer sends again, and documents that are known or prove
// nothing, cost the group no commit: a peer cannot fill the Raft log.
func TestRepetitionAndGarbageAreNotCommitted(t *testing.T) {
	t.Parallel()
	w, s := meet(t, nil)
	p := w.parties["XA"]
	d := delivery(s.enter(s.Text(now(), "XA", "words"), now()))
	first := s.say(t, d)
	forged := hotlinetest.NewParty("XB", "another network")
	hotlinetest.Convention(hotlinetest.Terms("crisis"), forged, hotlinetest.NewParty("XA", "another network"))
	ask := func(document []byte) *link.Answer {
		ctx, cancel := context.WithTimeout(t.Context(), deadline)
		defer cancel()
		a, err := s.line.Ask(ctx, "XA", 0, false, &link.Question{Document: document})
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	before := p.nodes[0].RaftIndex()
	if again := s.say(t, d); !bytes.Equal(again.Receipt, first.Receipt) {
		t.Error("the same statement again has another receipt")
	}
	other := *w.parties["XB"].page // the root key signs another page of a number that is known
	other.UTCOffset += 60_000
	for _, known := range [][]byte{s.Convention.Raw, s.SignDirectory(w.parties["XB"].page), s.SignDirectory(&other)} {
		if a := ask(known); a.Code != "" {
			t.Errorf("a known document is answered %q (%s)", a.Code, a.Text)
		}
	}
	for name, bad := range map[string][]byte{"random bytes": bytes.Repeat([]byte{0x5a}, 4000), "forged": forged.SignDirectory(forged.Page(2)),
		"no document": d.Statement, "mutilated": flip(s.SignDirectory(s.Page(2)))} {
		if a := ask(bad); a.Code == "" {
			t.Errorf("%s is taken as a document", name)
		}
	}
	if after := p.nodes[0].RaftIndex(); after != before {
		t.Errorf("the Raft log grew from %d to %d", before, after)
	}
}
