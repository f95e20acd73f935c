package audit

import "fmt"

// An entry that holds what another log signed was made after everything in the tree
// that was signed. If that tree has in it a signature of the entry's own party for a place
// behind the end of what it shows, the entry came after the signature and stands before
// its place: it is not part of the tree that was signed (SPEC §10.2 rule 5).

// order is what is known of two logs at a time.
type order struct {
	known  map[forkKey]*proof         // by which entry of holder so much of the log of is known
	placed map[placedKey]*unseenPlace // the first signature in holder for a place behind the end of a log
	newest map[logKey]*unseenPlace    // the entry of the latest time that the exports of a log show; nil: there is none
}

type placedKey struct {
	holder int
	log    logKey
}

func newOrder() order {
	return order{known: map[forkKey]*proof{}, placed: map[placedKey]*unseenPlace{}, newest: map[logKey]*unseenPlace{}}
}

// knows notes a tree of log n that an entry of holder proves or names, and that log n has had.
func (o *order) knows(holder, n int, p *proof) {
	if k := o.known[forkKey{holder, n}]; k == nil || p.Index > k.Index {
		known := *p
		o.known[forkKey{holder, n}] = &known
	}
}

// behind notes a signature for a place that no export of its log reaches.
func (o *order) behind(holder int, p *proof) {
	key := placedKey{holder, logKey{p.Party, p.Generation}}
	if x := o.placed[key]; p.Kind != headProof && (x == nil || p.Own < x.Own) {
		o.placed[key] = &unseenPlace{uint64(holder), *p}
	}
}

// tellOrder observes such entries, one of each log, unless its fork is told already.
func (c *crossing) tellOrder() {
	for n, of := range c.logs {
		log := logKey{of.x.head.Party, of.x.head.Generation}
		for holder, by := range c.logs {
			p, k := c.order.placed[placedKey{holder, log}], c.order.known[forkKey{n, holder}]
			if _, told := c.forked[log]; told || p == nil || k == nil || k.Index < p.Own {
				continue
			}
			c.differ(log, k.Own)
			of.observe(observe(Fork, log.party, k.Own, fmt.Sprintf("%s signed a tree of size %d (%s), and shows here, before its end, an entry that rests on the log of %s up to entry %d, which has that signature in it: these are two histories",
				log.party, p.Index+1, c.signature(p), by.x.head.Party, k.Index)))
		}
	}
}

// newestShown is the entry of the latest time that the exports of a log show; nil: there is none.
func (c *crossing) newestShown(log logKey) *unseenPlace {
	newest, known := c.order.newest[log]
	if known {
		return newest
	}
	for n, j := range c.logs {
		if h := &j.x.head; h.Party != log.party || h.Generation != log.generation || j.latest.time == 0 {
			continue
		}
		if newest == nil || j.latest.time > newest.Time {
			newest = &unseenPlace{uint64(n), proof{Kind: shownEntry, Own: j.latest.entry, Party: log.party, Generation: log.generation, Index: j.latest.entry, Time: j.latest.time}}
		}
	}
	c.order.newest[log] = newest
	return newest
}

// heldTooEarly observes that another party had a tree behind the end of a log well before
// the time of an entry which the log shows, and which stands before that end. Of a place
// with a proven time its own party is told (unseenPlaces).
func (c *crossing) heldTooEarly(holder int, p *proof) {
	newest, by := c.newestShown(logKey{p.Party, p.Generation}), c.logs[holder]
	if newest == nil || p.Kind == headProof || p.ofEntry() && !p.Unproven {
		return
	}
	party, entry, other := by.x.head.Party, p.Own, p.Party
	t, unproven, what := p.OwnTime, p.OwnUnproven, fmt.Sprintf("entry %d of %s, at %s,", p.Own, party, stamp(p.OwnTime))
	if p.Kind == anchorProof {
		party, entry, other = p.Party, newest.Index, p.By
		t, unproven, what = p.Time+wholeSecond, false, fmt.Sprintf("a cosignature of %s, at %s,", p.By, stamp(p.Time))
	}
	if unproven || !tooEarly(t, newest.Time) {
		return
	}
	by.disagree(TimeContradiction, party, entry, other, fmt.Sprintf("%s has a tree of %d entries of %s, of which entry %d, at %s, is one by the log that %s shows, %s later: %s",
		what, p.Index+1, p.Party, newest.Index, stamp(newest.Time), p.Party, length(newest.Time-t), whose))
}
