package node_test

import (
	"testing"
	"time"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/desk"
	"example.org/hotline/hotline/hotlinetest"
	"example.org/hotline/hotline/node"
)

// Promise: a new node named by a signed directory joins without a vote, fetches
// the history that its group's snapshot does not hold, and only then gets its
// vote; afterwards its log is the group's, to the root.
func TestNewNodeFetchesHistoryAndGetsItsVote(t *testing.T) {
	t.Parallel()
	w := prepare(t, hotlinetest.Terms("crisis"), 1, "XA", "XB")
	p := w.parties["XA"]
	p.cfgs[0].Group.SnapshotEvery = 16
	w.startAll(p)
	w.ready()
	for range 80 { // more than stays in the log behind the snapshot
		p.submit(t, 0, p.Text(now(), "XB", "words"))
	}
	if err := p.nodes[0].SnapshotNow(t.Context()); err != nil {
		t.Fatal(err)
	}
	page := p.Page(2)
	page.Issued = now()
	page.Nodes = page.Nodes[:2]
	page.Nodes[0].Addr, page.Nodes[1].Addr = p.page.Nodes[0].Addr, freeAddr(t)
	raw := p.SignDirectory(page)
	w.write("directory-XA-2.cbor", raw)
	c := w.configure(p, page.Nodes[1])
	c.Group.Join, c.Group.SnapshotEvery = true, 16
	p.cfgs = append(p.cfgs, c)
	p.nodes = append(p.nodes, w.start(c))
	p.publish(t, raw)
	limit := time.Now().Add(deadline)
	for {
		re, err := p.ask(t, 1, &desk.Request{Status: &desk.StatusRequest{}})
		if err == nil && len(re.Status.Voters) == 2 && len(re.Status.Learners) == 0 {
			break
		}
		if time.Now().After(limit) {
			t.Fatalf("the new node has no vote: %+v, %v", re.Status, err)
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-t.Context().Done():
		}
	}
	view := func(i int) *desk.StatusView {
		re, err := p.ask(t, i, &desk.Request{Status: &desk.StatusRequest{}})
		if err != nil {
			t.Fatal(err)
		}
		return re.Status
	}
	for time.Now().Before(limit) && view(0).Root != view(1).Root {
		<-time.After(time.Millisecond)
	}
	old, joined := view(0), view(1)
	if old.Size != joined.Size || old.Root != joined.Root {
		t.Fatalf("size %d root %s at the old node, %d %s at the new one", old.Size, old.Root, joined.Size, joined.Root)
	}
	// Every entry is there, read from disk and checked against its hash.
	n := 0
	for before := joined.Size; before > 0; {
		re, err := p.ask(t, 1, &desk.Request{Inbox: &desk.InboxRequest{Limit: 50, Before: before}})
		if err != nil {
			t.Fatal(err)
		}
		n += len(re.Inbox.Items)
		if !re.Inbox.More {
			break
		}
		before = re.Inbox.Items[len(re.Inbox.Items)-1].Index
	}
	if n != 80 {
		t.Errorf("the new node shows %d statements, want 80", n)
	}
}

// rebuilt is the machine of a node whose party has just sent an alert, in a directory of its own.
func rebuilt(t *testing.T) (*node.Rebuilt, *hotline.Statement) {
	t.Helper()
	w := newNetwork(t, hotlinetest.Terms("crisis"), 1, "XA", "XB")
	w.ready()
	alert := w.warn("XA", "XB")
	r, err := w.parties["XA"].nodes[0].Rebuild(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return r, alert
}

// Promise: history that turns out not to be the group's does not stay: what a
// process had fetched and could not check before it ended is fetched again. What was
// checked stays, also if the mark of the fetching comes back.
func TestUncheckedHistoryIsFetchedAgain(t *testing.T) {
	t.Parallel()
	r, _ := rebuilt(t)
	all := func(missing [][]byte) [][]byte { return missing }
	r.Again(1) // another snapshot that comes in the middle checks nothing
	if _, whole, err := r.Start(func([][]byte) [][]byte { return [][]byte{[]byte("wrong")} }); whole || err != nil {
		t.Fatalf("one entry of many: whole %t, %v", whole, err)
	}
	r.Again(0)
	if from, whole, err := r.Start(all); from != 0 || !whole || err != nil {
		t.Fatalf("behind a wrong entry history goes on at %d: whole %t, %v", from, whole, err)
	}
	for _, mark := range []string{"0\n", "3\n", "no number"} {
		if err := r.Mark(mark); err != nil {
			t.Fatal(err)
		}
		if from, whole, err := r.Start(all); from == 0 || !whole || err != nil {
			t.Errorf("the mark %q came back: history goes on at %d: whole %t, %v", mark, from, whole, err)
		}
	}
}

// Promise: an officer is not told that a statement is not there by a node that has not read all of its log: after a crash the
// index is made again, and the alert that has just come in is the last to be found.
func TestNodeThatHasNotReadItsLogDeniesNoStatement(t *testing.T) {
	t.Parallel()
	r, alert := rebuilt(t)
	busy := func(err error) bool { return hotline.CodeOf(err) == hotline.CodeBusy }
	if missing, read, indexed := r.Find(alert.ID.String()); !busy(missing) || !busy(read) || indexed != nil {
		t.Errorf("before history is there: %v; before it is indexed: %v; then: %v", missing, read, indexed)
	}
	if _, _, err := r.Find("00000000"); hotline.CodeOf(err) != hotline.CodeNotFound {
		t.Errorf("a node that has read all of its log is asked for what is not there: %v", err)
	}
}

// Promise: a node that still fetches history shows no inbox: an officer would take its newest statement for the group's, and
// the alert that has just come in is not there.
func TestNodeThatFetchesHistoryShowsNoInbox(t *testing.T) {
	t.Parallel()
	r, _ := rebuilt(t)
	if missing, read, _ := r.Inbox(); hotline.CodeOf(missing) != hotline.CodeBusy || read != nil {
		t.Errorf("while history is fetched: %v; then: %v", missing, read)
	}
}
