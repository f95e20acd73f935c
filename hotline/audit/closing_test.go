package audit

import (
	"slices"
	"strings"
	"testing"

	"example.org/hotline/crypto/keys"
	"example.org/hotline/crypto/tlog"
	"example.org/hotline/hotline"
	"example.org/hotline/hotline/ledger"
)

// rootOf is the root of a log of these entries.
func rootOf(entries [][]byte) hotline.ID {
	var tree tlog.Frontier
	for _, raw := range entries {
		tree.Append(tlog.LeafHash(raw))
	}
	return hotline.ID(tree.Root())
}

// closes is the directory with which a party opens the second generation of its log, and closes the first at a head.
func closes(p *peer, size int, root hotline.ID) *ledger.Command {
	return renewed(p, func(d *hotline.Directory) {
		d.Generation, d.Closed = 2, &hotline.ClosedLog{Size: uint64(size), Root: root}
		d.Log = p.Key(keys.Ed25519, "log of the second generation").Public()
	})
}

// notJudged reports whether a report says something of what it could not judge.
func notJudged(r *Report, words string) bool {
	return slices.ContainsFunc(r.NotJudged, func(s string) bool { return strings.Contains(s, words) })
}

// Promise: a party that closes a generation of its log at its last head is not accused, whatever of that log is given; and the
// report says when nothing of it was.
func TestClosingAtTheLastHeadAccusesNobody(t *testing.T) {
	t.Parallel()
	w := newWorld(t, terms(), "XA", "XB", "XC")
	a, b, c := w.at("XA"), w.at("XB"), w.at("XC")
	a.send(a.submit(a.Text(w.now, "XC", "words")), "XC")
	c.witness("XA", a.checkpoint(a.entries))
	cut := a.exportOf(a.entries[:len(a.entries)-1])
	b.do(closes(a, len(a.entries), rootOf(a.entries)))
	wantFound(t, audited(t, a.export(), b.export(), c.export()))
	wantFound(t, audited(t, b.export(), c.export()))
	for _, dirs := range [][]string{{b.export()}, {cut, b.export()}} {
		r := audited(t, dirs...)
		wantFound(t, r)
		if !notJudged(r, "closed at size") {
			t.Errorf("not judged: %q", r.NotJudged)
		}
	}
}

// Promise: a party whose root key closes its log at another head than the one which its log key signed is named: by its old log, by
// whatever others hold of it, and by a directory that closes it otherwise; and nobody else is.
func TestClosingThatTheOldLogContradictsIsObserved(t *testing.T) {
	t.Parallel()
	sweep(t)
	for name, is := range map[string]struct {
		size int // against the last head that others hold
		root func(entries [][]byte) hotline.ID
		hold func(a, c *peer)
		old  bool // the old log is given
	}{
		"another root, by the log":          {root: func([][]byte) hotline.ID { return hotline.ID{1} }, old: true},
		"another root, before the end":      {size: -1, root: func([][]byte) hotline.ID { return hotline.ID{1} }, old: true},
		"the log goes on":                   {size: -1, root: rootOf, old: true},
		"a tender of a longer log":          {size: -1, root: rootOf, hold: func(a, c *peer) { a.deliver(a.submit(a.Text(a.w.now, "XC", "words")), "XC") }},
		"another root, by a checkpoint":     {root: func([][]byte) hotline.ID { return hotline.ID{1} }, hold: func(a, c *peer) { c.witness("XA", a.checkpoint(a.entries)) }},
		"a checkpoint of a longer log":      {size: -1, root: rootOf, hold: func(a, c *peer) { c.witness("XA", a.checkpoint(a.entries)) }},
		"a receipt of a longer log":         {size: -2, root: rootOf, hold: func(a, c *peer) { c.send(c.submit(c.Text(c.w.now, "XA", "words")), "XA") }},
		"an anchor of a longer log":         {size: -3, root: rootOf, hold: func(a, c *peer) { anchor := a.anchor("XB"); a.w.pass(second); a.send(a.anchored("XC", anchor), "XC") }},
		"a directory that closes otherwise": {root: rootOf, hold: func(a, c *peer) { c.do(closes(a, len(a.entries), hotline.ID{2})) }},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, terms(), "XA", "XB", "XC")
			a, b, c := w.at("XA"), w.at("XB"), w.at("XC")
			if is.hold != nil {
				is.hold(a, c)
			}
			size := len(a.entries) + is.size
			b.do(closes(a, size, is.root(a.entries[:size])))
			dirs := []string{b.export(), c.export()}
			if is.old {
				dirs = append(dirs, a.export())
			}
			r := audited(t, dirs...)
			if wantFound(t, r, "closed-otherwise@XA"); t.Failed() {
				t.Fatalf("of a log of %d entries, closed at %d", len(a.entries), size)
			}
			if o := r.Observations[0]; o.Class != Protocol || o.Section != "7.5" || !strings.Contains(o.Text, "generation 1") {
				t.Errorf("observed %+v", o)
			}
		})
	}
}
