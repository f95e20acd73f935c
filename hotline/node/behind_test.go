package node_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/desk"
	"example.org/hotline/hotline/hotlinetest"
	"example.org/hotline/hotline/ledger"
	"example.org/hotline/hotline/node"
	"example.org/hotline/hotline/replica"
	"example.org/hotline/ops/config"
)

// stopped is a node that had to stop, and why.
type stopped struct {
	node string
	why  error
}

// startStopping starts nodes that may have to stop: why comes by the channel.
func (w *network) startStopping(p *party, change func(*node.Options)) <-chan stopped {
	w.t.Helper()
	why := make(chan stopped, 64)
	for _, c := range p.cfgs {
		p.nodes = append(p.nodes, w.startOne(c, why, change))
	}
	return why
}

func (w *network) startOne(c *config.Config, why chan<- stopped, change func(*node.Options)) *node.Node {
	w.t.Helper()
	o := node.Options{Passphrase: testPassphrase, Logger: slog.New(slog.DiscardHandler), Fatal: func(err error) {
		select {
		case why <- stopped{c.Node, err}:
		default:
		}
	}}
	if change != nil {
		change(&o)
	}
	n, err := node.Open(c, o)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		if err := n.Close(); err != nil {
			w.t.Errorf("close %s: %v", c.Node, err)
		}
	})
	return n
}

// verified waits until a node has verified everything below size.
func verified(t *testing.T, n *node.Node, size uint64) {
	t.Helper()
	limit := time.NewTimer(deadline)
	defer limit.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for n.Verified() < size {
		select {
		case <-tick.C:
		case <-limit.C:
			t.Fatalf("%d of %d entries were verified", n.Verified(), size)
		}
	}
}

// Promise: every node checks behind the commit what another one proposed: the
// honest flow passes, and a leader that commits a signature that is none stops
// the others, with the entry and the reason.
func TestNodesCheckBehindTheCommit(t *testing.T) {
	t.Parallel()
	for name, forge := range map[string]func(p *party, st *hotline.Statement) *ledger.Command{
		"own statement": func(p *party, _ *hotline.Statement) *ledger.Command {
			return &ledger.Command{Type: ledger.Submit, Statement: flip(p.Text(now(), "XB", "words").Raw)}
		},
		"tender": func(p *party, _ *hotline.Statement) *ledger.Command {
			b := p.Peer("XB")
			d := hotlinetest.NewJournal(b, now()-60_000)
			for range 40 { // beyond what XB itself has used up by now
				d.Send(b.Text(now(), "XA", "earlier"), now())
			}
			x := d.Send(b.Text(now(), "XA", "words"), now())
			return &ledger.Command{Type: ledger.Receive, Statement: x.Statement.Raw, Sender: x.Sender, Tender: flip(x.Tender)}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := prepare(t, hotlinetest.Terms("crisis"), 3, "XA", "XB")
			a := w.parties["XA"]
			why := w.startStopping(a, nil)
			w.startAll(w.parties["XB"])
			w.ready()
			st := w.warn("XA", "XB")
			size := w.size(t)
			for _, n := range a.nodes {
				verified(t, n, size)
			}
			select {
			case s := <-why:
				t.Fatalf("%s stopped over the honest flow: %v", s.node, s.why)
			default:
			}
			lead := a.leader(t)
			ctx, cancel := context.WithTimeout(t.Context(), deadline)
			defer cancel()
			r, err := a.nodes[lead].ProposeUnverified(ctx, forge(a, st))
			// Those who have checked it may stop before its proposer hears that it is committed.
			if err != nil && !errors.Is(err, replica.ErrUnknown) || err == nil && len(r.Entries) == 0 {
				t.Fatalf("the forgery was not committed: %v %+v", err, r)
			}
			for seen := map[string]bool{}; len(seen) < 3; {
				select {
				case s := <-why:
					if seen[s.node] = true; !strings.Contains(s.why.Error(), "check behind the commit: entry ") ||
						!(strings.Contains(s.why.Error(), "signature") || strings.Contains(s.why.Error(), "tender")) {
						t.Errorf("%s stopped without saying what is wrong: %v", s.node, s.why)
					}
				case <-ctx.Done():
					t.Fatalf("only %d nodes stopped", len(seen))
				}
			}
		})
	}
}

// Promise: an honest statement stops nobody that was logged under a directory
// which came while the check behind the commit was at work.
func TestCheckFollowsTheDocuments(t *testing.T) {
	t.Parallel()
	w := prepare(t, hotlinetest.Terms("crisis"), 1, "XA", "XB")
	a, b := w.parties["XA"], w.parties["XB"]
	w.startAll(a)
	w.ready()
	j := hotlinetest.NewJournal(b.Party, now()-60_000)
	receive := func() {
		t.Helper()
		d := j.Send(b.Text(now(), "XA", "words"), now())
		r, err := a.nodes[0].ProposeUnverified(t.Context(), &ledger.Command{Type: ledger.Receive, Statement: d.Statement.Raw, Sender: d.Sender, Tender: d.Tender})
		if err != nil || r.Code != "" || r.Reject != "" {
			t.Fatalf("%v %+v", err, r)
		}
	}
	receive()
	renew := func() {
		t.Helper()
		page := b.Page(b.Number + 1)
		page.Nodes, page.Issued = b.page.Nodes, now()
		a.publish(t, b.SignDirectory(page))
		b.Number++
	}
	if err := a.nodes[0].CheckNewest(func() {
		renew()
		receive()
	}); err != nil {
		t.Errorf("a node would stop over an honest log: %v", err)
	}
	receive()
	if err := a.nodes[0].CheckNewest(func() {
		for range hotline.DirectoryMemory + 1 { // the first of them is forgotten
			renew()
		}
	}); err != nil {
		t.Errorf("a node would stop over a forgotten directory: %v", err)
	}
}

// Promise: a restart verifies what was not yet verified, and not everything
// again; without the mark it verifies everything.
func TestCheckGoesOnWhereItStopped(t *testing.T) {
	t.Parallel()
	w := newNetwork(t, hotlinetest.Terms("crisis"), 1, "XA", "XB")
	w.ready()
	w.warn("XA", "XB")
	a := w.parties["XA"]
	size := w.size(t)
	verified(t, a.nodes[0], size)
	a.stop(t, 0)
	mark := filepath.Join(a.cfgs[0].Data, "verified")
	kept, err := os.ReadFile(mark)
	if err != nil || len(kept) < 2 {
		t.Fatalf("no mark: %q %v", kept, err)
	}
	n := w.start(a.cfgs[0])
	if n.Verified() < size {
		t.Errorf("a restart begins at %d, verified were %d", n.Verified(), size)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(mark, []byte("none\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	a.nodes[0] = w.start(a.cfgs[0])
	verified(t, a.nodes[0], size)
}

// Promise: the files of the ledger are read again in the background; a pass
// over whole files ends, and a flipped bit in an old one stops the node with
// the name of the file.
func TestScrubFindsFlippedBit(t *testing.T) {
	t.Parallel()
	w := prepare(t, hotlinetest.Terms("crisis"), 1, "XA", "XB")
	a := w.parties["XA"]
	why := w.startStopping(a, func(o *node.Options) { o.ScrubAt(10 * time.Millisecond) })
	w.startAll(w.parties["XB"])
	w.ready()
	for w.size(t) <= 300 { // a full bundle, and the growing one
		a.submit(t, 0, a.Text(now(), "XB", "words"))
	}
	pass := filepath.Join(a.cfgs[0].Data, "scrubbed")
	first, err := os.Stat(pass)
	limit := time.NewTimer(deadline)
	defer limit.Stop()
	for again := first; err != nil || again == nil || first == nil || !again.ModTime().After(first.ModTime()); again, err = os.Stat(pass) {
		if first == nil {
			first = again
		}
		select {
		case s := <-why:
			t.Fatalf("%s stopped over whole files: %v", s.node, s.why)
		case <-limit.C:
			t.Fatal("no pass ends")
		case <-time.After(10 * time.Millisecond):
		}
	}
	name := filepath.Join(a.cfgs[0].Data, "ledger", "tile", "entries", "000")
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
	select {
	case s := <-why:
		if !strings.Contains(s.why.Error(), "tile/entries/000") {
			t.Errorf("it stopped without naming the file: %v", s.why)
		}
	case <-limit.C:
		t.Fatal("a flipped bit was not found")
	}
	if _, err := a.ask(t, 0, &desk.Request{Status: &desk.StatusRequest{}}); err != nil {
		t.Errorf("status: %v", err)
	}
}
