package audit

import (
	"bytes"
	"cmp"
	"fmt"

	"example.org/hotline/hotline"
)

// The head that a statement names is the word of its sender (SPEC §3.2): of the log
// that is named nobody signed it there. Whether it can be true is judged last, when it
// is known what that log's own key signed.

// keepHead notes the head that a statement names.
func (j *judged) keepHead(it *item) error {
	f := &it.facts
	if f.st == nil || f.st.Header.Peer == nil || f.st.Header.Peer.Size == 0 {
		return nil
	}
	peer := f.st.Header.Peer
	party, generation, ok := hotline.SplitOrigin(peer.Origin)
	if !ok {
		return nil
	}
	p := proof{Kind: headProof, Own: it.index, OwnTime: it.entry.Time, Statement: f.st.ID, Party: party, Generation: generation,
		Index: peer.Size - 1, Root: peer.Root, By: f.st.Header.From, Stated: it.index}
	if f.sender != nil {
		p.OwnTime, p.OwnUnproven, p.Stated = f.sender.Time, unproven(f.sender.Sent.Marks), f.proof.Index
	} else if sent, ok := it.content.(*hotline.Sent); ok {
		p.OwnUnproven = unproven(sent.Marks)
	}
	return j.proofs.add(&p)
}

// compareHeads orders what the log that a head is of cannot have had: it puts what a log signed of a head before the statements that name it.
func compareHeads(a, b *unseenPlace) int {
	word := func(p *unseenPlace) int {
		if p.Kind == headProof {
			return 1
		}
		return 0
	}
	return cmp.Or(cmp.Compare(a.Party, b.Party), cmp.Compare(a.Generation, b.Generation), cmp.Compare(a.Index, b.Index),
		bytes.Compare(a.Root[:], b.Root[:]), cmp.Compare(word(a), word(b)), cmp.Compare(a.Holder, b.Holder), cmp.Compare(a.Own, b.Own))
}

// head holds a head against the log that it is of.
func (c *crossing) head(holder, n int, p *proof, k mark) error {
	of, by := c.logs[n], c.logs[holder]
	switch {
	case k.root != p.Root && p.Kind == witnessProof:
		return c.fork(holder, n, p)
	case k.root != p.Root:
		return c.heads.keep(holder, p)
	case !k.shown || k.unproven || p.OwnUnproven || !tooEarly(p.OwnTime, k.time):
		return nil
	}
	party, entry, what := p.By, p.Stated, "statement "+p.Statement.Short()
	if p.Kind == witnessProof {
		party, entry, what = by.x.head.Party, p.Own, "what was cosigned"
	}
	by.disagree(BackDated, party, entry, of.x.head.Party, fmt.Sprintf("%s was logged by %s at %s, but names a checkpoint of %s whose last entry, %d, is of %s, %s later: %s",
		what, party, stamp(p.OwnTime), of.x.head.Party, p.Index, stamp(k.time), length(k.time-p.OwnTime), whose))
	return nil
}

// beyond takes a place behind the end of an export. It is only not shown, but a log that
// holds the statement which names a head of it had no more entries by then than stand before.
func (c *crossing) beyond(holder int, p *proof) error {
	c.missed[missed{party: p.Party}]++
	self := &c.logs[holder].x.head
	if own := p.Party == self.Party && p.Generation == self.Generation; p.Kind == headProof && !(own && p.Index >= p.Own) {
		return nil
	}
	return c.heads.keep(holder, p)
}

// tellHeads judges the heads that were kept.
func (c *crossing) tellHeads() error {
	if err := c.heads.write(); err != nil {
		return err
	}
	passed := map[logKey]uint64{}
	var signed *unseenPlace // the signature of the log itself under the head that comes now
	for p, err := range merge(c.heads.runs, func(a, b unseenPlace) bool { return compareHeads(&a, &b) < 0 }) {
		if err != nil {
			return err
		}
		if signed != nil && (signed.Party != p.Party || signed.Generation != p.Generation || signed.Index != p.Index || signed.Root != p.Root) {
			signed = nil
		}
		key := logKey{p.Party, p.Generation}
		at, forked := c.forked[key]
		switch {
		case p.Kind != headProof:
			signed = &p
		case signed != nil && !(forked && at <= p.Index):
			c.tookBack(signed, &p)
		case signed != nil:
		case forked && at <= p.Index:
			passed[key]++
		default:
			c.logs[p.Holder].observe(observe(HeadNotInLog, p.By, p.Stated, fmt.Sprintf(
				"statement %s of %s names a checkpoint of %s at size %d that its log, as it is shown, cannot have had; which of the two is false, the statement or that log, is not shown",
				p.Statement.Short(), p.By, p.Party, p.Index+1)))
		}
	}
	for key, n := range passed {
		c.report.NotJudged = append(c.report.NotJudged, fmt.Sprintf("%d heads of %s (generation %d) that statements name: it signed more than one tree, so what it shows says nothing against them",
			n, key.party, key.generation))
	}
	return nil
}

// tookBack observes that a log holds a statement before the end of a tree that it had
// signed when the statement was made: the statement names that tree, so no entry of it
// holds the statement.
func (c *crossing) tookBack(signed, p *unseenPlace) {
	c.forked[logKey{p.Party, p.Generation}] = min(p.Own, p.Index)
	c.logs[p.Holder].observe(observe(Fork, p.Party, p.Own, fmt.Sprintf("%s signed a tree of size %d (%s), and shows here, before its end, statement %s, which names it: these are two histories",
		p.Party, p.Index+1, c.signature(signed), p.Statement.Short())))
}
