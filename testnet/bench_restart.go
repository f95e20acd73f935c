package testnet

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"example.org/hotline/crypto/tlog"
	"example.org/hotline/hotline"
	"example.org/hotline/hotline/desk"
	"example.org/hotline/ops/ceremony"
)

// restarts are the values of one length of log. edge is how long it takes to read the hashes at the edge of the tree: up to 255 tiles
// at each level, by the size of the log and not in proportion to it. A start does that beside other things, so it is told by itself and
// taken from nothing.
type restarts struct{ snapshot, edge, up, ready, memory []float64 }

// measureRestart starts a node on a short log and on a long one.
func (b *bench) measureRestart(ctx context.Context) error {
	if !b.wants("restart") {
		return nil
	}
	var of [2]*restarts
	for i, size := range []uint64{b.count.small, b.count.large} {
		r, err := b.restart(ctx, size)
		if err != nil {
			return fmt.Errorf("restart at %d entries: %w", size, err)
		}
		of[i] = r
	}
	short, long := of[0], of[1]
	name := func(size uint64, what string) string { return fmt.Sprintf("%d entries: %s", size, what) }
	beside := fmt.Sprintf("the same at %d entries", b.count.small)
	for _, part := range []struct {
		what        string
		unit        string
		short, long []float64
		on          string
		floor       float64
		promised    bool
	}{
		{"snapshot", "ms", short.snapshot, long.snapshot, "one append and fdatasync", b.floor["append and fdatasync"] / 1000, true},
		{"reading the tile edge", "ms", short.edge, long.edge, "start of a process", b.floor["start of a process"], false},
		{"restart until the node accepts connections", "ms", short.up, long.up, "start of a process", b.floor["start of a process"], true},
		{"restart until it leads and answers", "ms", short.ready, long.ready, "start of a process", b.floor["start of a process"], true},
		{"memory after the restart", "MiB", short.memory, long.memory, "this program before it does anything", b.floor["memory"], false},
	} {
		f := b.add(name(b.count.small, part.what), part.unit, 1, part.short).against(part.on, part.floor)
		base := f.Median
		f = b.add(name(b.count.large, part.what), part.unit, 1, part.long).against(beside, base)
		if part.promised {
			f.ratioAtMost(1.5)
		}
	}
	return nil
}

// restart makes a log of size entries and starts a node on it, once unmeasured and then for each repeat.
func (b *bench) restart(ctx context.Context, size uint64) (r *restarts, err error) {
	b.tell("a log of %d entries", size)
	w, err := New(Options{Dir: filepath.Join(b.opt.Dir, fmt.Sprintf("log-%d", size)), Parties: 2, Nodes: 1, Terms: quietTerms(), Program: b.opt.Program})
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("%w\n%s", err, w.Tails())
		}
		err = errors.Join(err, w.Close())
	}()
	if err := w.redate(time.Duration(size/2+8) * growthStep); err != nil {
		return nil, err
	}
	n := w.Parties[0].Nodes[0]
	g, snapshots, err := n.grow(ctx, w.Documents, size, b.opt.Repeats)
	if err != nil {
		return nil, err
	}
	r = &restarts{snapshot: snapshots}
	for i := range 1 + b.opt.Repeats {
		b.tell("restart on %d entries", size)
		began := time.Now()
		if err := n.Start(ctx); err != nil {
			return nil, err
		}
		up := time.Since(began)
		if err := n.answers(ctx, size, g.last, i == 0); err != nil {
			return nil, err
		}
		ready := time.Since(began)
		u, err := usageOf(n.PID())
		if err != nil {
			return nil, err
		}
		if err := n.Stop(); err != nil {
			return nil, err
		}
		edge, err := n.readEdge()
		if err != nil {
			return nil, err
		}
		if i > 0 {
			r.edge = append(r.edge, millis(edge))
			r.up, r.ready, r.memory = append(r.up, millis(up)), append(r.ready, millis(ready)), append(r.memory, mebibytes(u.resident))
		}
	}
	return r, nil
}

// readEdge opens the ledger files of a stopped node, as its start does, and returns how long that takes.
func (n *Node) readEdge() (time.Duration, error) {
	began := time.Now()
	store, err := tlog.Open(filepath.Join(n.dir, "data", "ledger"))
	took := time.Since(began)
	if err != nil {
		return 0, err
	}
	return took, store.Close()
}

// quietTerms are terms under which the log of a quiet party holds nothing but what its officers say.
func quietTerms() hotline.Terms {
	terms, _ := hotline.Profile("crisis")
	terms.LineTest = 0
	return terms
}

// redate makes the documents of a network that has not begun anew, valid for so long before now, and puts the new configuration in place.
func (w *Network) redate(before time.Duration) error {
	at := now() - hotline.Time(before.Milliseconds())
	c := w.Documents.Convention().Convention
	c.ValidFrom = at
	draft, err := ceremony.DraftConvention(c, nil, nil, at)
	if err != nil {
		return err
	}
	for _, p := range w.Parties {
		if err := ceremony.SignConvention(draft, p.root); err != nil {
			return err
		}
	}
	signed, err := draft.Finish(nil)
	if err != nil {
		return err
	}
	w.Documents = &ceremony.Documents{}
	if err := w.Documents.Add(signed.Raw); err != nil {
		return err
	}
	for _, p := range w.Parties {
		if _, err := w.signDirectory(p, p.page(1), at); err != nil {
			return err
		}
	}
	dir := filepath.Join(w.Dir, "documents")
	if err := errors.Join(os.RemoveAll(dir), w.publish(dir)); err != nil {
		return err
	}
	for _, p := range w.Parties {
		for _, o := range p.Officers {
			o.documents = w.Documents
		}
		for _, n := range p.Nodes {
			if err := n.ship(); err != nil {
				return err
			}
		}
	}
	return nil
}

// answerPause is how often a node that has just started is asked.
const answerPause = 5 * time.Millisecond

// answers waits until the node says that it leads with a log of at least size entries; and, on its first start, until it finds the newest
// statement too: its index is made then.
func (n *Node) answers(ctx context.Context, size uint64, newest hotline.ID, indexed bool) error {
	ctx, cancel := context.WithTimeoutCause(ctx, waitLimit, fmt.Errorf("node %s does not get ready", n.Name))
	defer cancel()
	c, err := n.party.Officer("A1").dialAt(ctx, n.Name)
	if err != nil {
		return err
	}
	defer c.Close()
	for {
		r, err := c.Do(ctx, &desk.Request{Status: &desk.StatusRequest{}})
		if err == nil && r.Status != nil && r.Status.Leader == n.Name && r.Status.Size >= size && r.Status.Directory > 0 {
			if !indexed {
				return nil
			}
			if _, err = c.Do(ctx, &desk.Request{Show: &desk.ShowRequest{ID: newest.String()}}); err == nil {
				return nil
			}
		}
		if wait(ctx, answerPause); ctx.Err() != nil {
			return errors.Join(err, context.Cause(ctx))
		}
	}
}
