package audit

import (
	"fmt"
	"slices"

	"example.org/hotline/crypto/tlog"
	"example.org/hotline/hotline"
)

// proof is a place in another party's log that this log holds a signature for.
type proof struct {
	Kind       proofKind
	Own        uint64       // the entry here that holds the signature
	OwnTime    hotline.Time // of that entry; of a head in a statement: when its sender logged it
	Statement  hotline.ID
	Party      hotline.Party // whose log is spoken of
	Generation uint64
	Index      uint64
	Time       hotline.Time // signed time of the entry there; of an anchor: when the witness signed
	Sequence   uint64       // of a tender: towards this party
	Case       string       // PARTY/ID; "": in none, or of a checkpoint
	Leaf, Root tlog.Hash    // Leaf is zero in a head and in an anchor
	// No majority of clocks backed OwnTime, or Time.
	OwnUnproven, Unproven bool
	By                    hotline.Party // of a head in a statement: its sender; of an anchor: the witness
	Stated                uint64        // of a receipt: the own entry that it is for; of a head in a statement and of an anchor: its sender's entry
	Tendered              tlog.Hash     // of a receipt: root of the tender that it names
	What                  hotline.Kind  // of a receipt: of the statement
	Rejected              hotline.Code  // of a received statement that was rejected
}

type proofKind uint8

const (
	tenderProof  proofKind = 1 // a received statement, with its tender; or an own tender of another tree than the own
	receiptProof proofKind = 2 // a receipt of an own statement
	headProof    proofKind = 3 // a checkpoint that the author of a statement knew
	witnessProof proofKind = 4 // a checkpoint that this party cosigned, with the signature of its log
	anchorProof  proofKind = 5 // a cosignature in an anchor, of this log or of the sender's
	answerProof  proofKind = 6 // no place: the own acknowledgement of a statement of this party
	shownEntry   proofKind = 7 // never kept: an entry that the export of this log itself shows
)

// isHead reports whether the proof is of a checkpoint that somebody names.
func (p *proof) isHead() bool { return p.Kind == headProof || p.Kind == witnessProof }

// ofEntry reports whether the proof is of one entry, with its leaf and the time that
// its log gave it. A head and an anchor are of a tree alone.
func (p *proof) ofEntry() bool { return p.Kind == tenderProof || p.Kind == receiptProof }

// keepProofs notes what a verified entry proves about another log, and holds
// the two times against each other.
func (j *judged) keepProofs(it *item) error {
	f := &it.facts
	if f.place == nil {
		switch c := it.content.(type) { // the worker could not read an own entry yet
		case *hotline.Received:
			j.exam.received(f, it.entry, c)
		case *hotline.Receipted:
			j.exam.receipted(f, it.index, it.entry, c)
		}
	}
	switch c := it.content.(type) {
	case *hotline.Witnessed:
		return j.keepWitnessed(it, c)
	case *hotline.Sent:
		if f.st == nil || f.st.Header.From != j.x.head.Party {
			return nil // what another party signed was not logged by it here: neither its time nor its head
		}
	}
	if err := j.keepHead(it); err != nil {
		return err
	}
	if err := j.keepAnchor(it); err != nil {
		return err
	}
	if f.place == nil {
		return j.keepAnswer(it)
	}
	p := proof{Own: it.index, OwnTime: it.entry.Time, Statement: f.proof.Statement, Party: f.place.party,
		Generation: f.place.generation, Index: f.place.index, Time: f.place.time, Leaf: f.place.leaf, Root: f.place.root}
	st := f.st
	if st == nil {
		st = f.own
	}
	p.Case = caseKey(st.InCase()) // as it was signed: the scope of the entry is the word of this log
	switch c := it.content.(type) {
	case *hotline.Received:
		p.Kind, p.Sequence, p.Rejected = tenderProof, f.sender.Sent.SequenceFor(j.x.head.Party), c.Code
		p.OwnUnproven, p.Unproven = unproven(c.Marks), unproven(f.sender.Sent.Marks)
		j.entitled(it, c)
	case *hotline.Receipted:
		// The entry of a receipt bears no mark: its time is unproven if it is the last permitted one.
		p.Kind, p.Unproven = receiptProof, unproven(f.proof.Of.Marks)
		p.OwnUnproven = j.unproven(it)
		p.Stated, p.Tendered, p.What = f.proof.Of.Index, f.tendered, f.own.Header.Kind
		if !p.Unproven && !p.OwnUnproven {
			j.contradicts(p.Statement, fact{f.proof.Party, f.proof.Index, f.proof.Time}, fact{j.x.head.Party, p.Stated, f.sentTime})
		}
		if err := j.keepOwnTender(it); err != nil {
			return err
		}
	}
	if !p.Unproven && !p.OwnUnproven {
		j.contradicts(p.Statement, fact{j.x.head.Party, it.index, it.entry.Time}, fact{p.Party, p.Index, p.Time})
	}
	return j.proofs.add(&p)
}

// keepOwnTender notes that the tender beside a receipt puts the own statement into
// another tree than this log's, and that a log key of the own party signed it. It may
// be any: the key may have changed since. What no own key signed says nothing.
func (j *judged) keepOwnTender(it *item) error {
	f, t, self := &it.facts, it.entry.Parts.Tender, j.x.head.Party
	if t.Party != self || t.Generation != j.x.head.Generation || t.Index != f.proof.Of.Index || f.tendered == (tlog.Hash{}) {
		return nil
	}
	k, err := j.marks.at(t.Index)
	if err != nil || k.root == f.tendered {
		return err
	}
	signed := func(d *hotline.SignedDirectory) bool { return t.VerifyRoot(f.tendered, j.x.convention, d.Log) == nil }
	if !slices.ContainsFunc(j.chain.directories[self], signed) {
		return nil
	}
	return j.proofs.add(&proof{Kind: tenderProof, Own: it.index, OwnTime: it.entry.Time, Statement: t.Statement, Party: self,
		Generation: t.Generation, Index: t.Index, Time: t.Time, Leaf: k.leaf, Root: f.tendered, Case: caseKey(f.own.InCase())})
}

// keepAnswer notes an own acknowledgement, for the log of whoever is acknowledged.
func (j *judged) keepAnswer(it *item) error {
	st := it.facts.st
	if _, ok := it.content.(*hotline.Sent); !ok || st == nil || st.Header.Kind != hotline.KindAcknowledgement {
		return nil
	}
	for _, to := range st.Header.To {
		if err := j.proofs.add(&proof{Kind: answerProof, Own: it.index, OwnTime: it.entry.Time, Statement: *st.Header.Re, Party: to}); err != nil {
			return err
		}
	}
	return nil
}

// unproven reports whether no majority of clocks backed the time of what bears these marks.
func unproven(m hotline.Marks) bool { return m&hotline.MarkTimeUnproven != 0 }

// crossing holds the proofs of all logs against the logs themselves.
type crossing struct {
	logs    []*judged
	report  *Report
	list    listing           // of what is observed of logs that were not given
	missed  map[missed]uint64 // signatures of places that could not be judged
	forks   map[forkKey]*forkFound
	weave   *weave
	unseen  unseen
	heads   unseen // heads in statements that their log cannot have had, and signatures that may show that it had them
	closed  map[logKey]*closed
	forked  map[logKey]uint64 // lowest place at which two trees of a log differ
	order   order
	tenders *buckets[tendering]
	proofs  string // directory for proofs of forks; "": none are written
}

// newCrossing makes one for logs of so many entries; proofs is the directory for proofs of forks. It is to be closed also after an error.
func newCrossing(r *Report, proofs string, total uint64) (c *crossing, err error) {
	c = &crossing{report: r, missed: map[missed]uint64{}, forks: map[forkKey]*forkFound{}, closed: map[logKey]*closed{}, forked: map[logKey]uint64{}, order: newOrder(),
		unseen: newUnseen(r.dir, "unseen", compareUnseen), heads: newUnseen(r.dir, "heads", compareHeads), proofs: proofs}
	c.tenders, err = newBuckets(r.dir, "tenders", total, (*tendering).each)
	return c, err
}

func (c *crossing) close() {
	c.tenders.close()
	c.unseen.close()
	c.heads.close()
	for _, j := range c.logs {
		j.close()
	}
}

// missed is why the places that one log claims of another could not be judged.
type missed struct {
	party      hotline.Party
	generation uint64
	holder     hotline.Party // "": they lie beyond the end of the export, whoever claims them
}

func (m missed) text(n uint64) string {
	if m.holder == "" {
		return fmt.Sprintf("%d places in the log of %s lie beyond the end of its export", n, m.party)
	}
	return fmt.Sprintf("the log of %s (generation %d) was not given: %d signatures of it in the log of %s were verified by themselves, not against it",
		m.party, m.generation, n, m.holder)
}

// check goes through the proofs of every log.
func (c *crossing) check() error {
	c.closings()
	for n, j := range c.logs {
		for p, err := range j.proofs.all() {
			if err != nil {
				return err
			}
			if err := c.proof(n, &p); err != nil {
				return err
			}
		}
	}
	if err := c.tellEarly(); err != nil {
		return err
	}
	if err := c.cosigned(); err != nil {
		return err
	}
	if err := c.versions(); err != nil {
		return err
	}
	if err := c.weave.finish(); err != nil {
		return err
	}
	if err := c.unseenPlaces(); err != nil {
		return err
	}
	c.tellOrder()
	if err := c.tellForks(); err != nil { // first: what others can make many of hides no fork
		return err
	}
	if err := c.tellClosings(); err != nil {
		return err
	}
	if err := c.tellHeads(); err != nil {
		return err
	}
	if err := c.tellRepeated(); err != nil {
		return err
	}
	c.tellClocks()
	c.views()
	for m, n := range c.missed {
		c.report.NotJudged = append(c.report.NotJudged, m.text(n))
	}
	return nil
}

func (c *crossing) proof(holder int, p *proof) error {
	if p.Kind == answerProof {
		c.answered(c.logs[holder].x.head.Party, p)
		return nil
	}
	if err := c.knowledge(holder, p); err != nil {
		return err
	}
	if err := c.tendered(holder, p); err != nil {
		return err
	}
	c.closedBy(holder, p)
	found, seen := false, false
	for n, of := range c.logs {
		if of.x.head.Party != p.Party || of.x.head.Generation != p.Generation {
			continue
		}
		found = true
		if p.Index >= of.marks.size {
			if err := c.beyond(holder, p); err != nil {
				return err
			}
			continue
		}
		seen = true
		if err := c.against(holder, n, p); err != nil {
			return err
		}
	}
	if !found {
		c.missed[missed{p.Party, p.Generation, c.logs[holder].x.head.Party}]++
	}
	if !seen {
		if found {
			c.order.behind(holder, p)
			c.heldTooEarly(holder, p)
		}
		return c.unseen.add(holder, p)
	}
	return nil
}

// answered lets the sender's log, where it ends before the acknowledgement, tell of it.
func (c *crossing) answered(by hotline.Party, p *proof) {
	for _, of := range c.logs {
		if of.x.head.Party == p.Party {
			of.teller.acknowledged(p.Statement, by, p.OwnTime)
		}
	}
}

// against holds one proof against one log.
func (c *crossing) against(holder, n int, p *proof) error {
	of, self := c.logs[n], c.logs[holder].x.head.Party
	k, err := of.marks.at(p.Index)
	if err != nil {
		return err
	}
	if k.root == p.Root {
		c.order.knows(holder, n, p)
		if err := c.sighting(holder, n, p, k); err != nil {
			return err
		}
	}
	switch {
	case p.isHead():
		return c.head(holder, n, p, k)
	case p.Kind == anchorProof:
		return c.anchor(holder, n, p, k)
	}
	if k.leaf != p.Leaf {
		code, what := TenderNotInLog, "tendered"
		if p.Kind == receiptProof {
			code, what = ReceiptNotInLog, "receipted"
		}
		of.observe(observe(code, p.Party, p.Index, fmt.Sprintf("%s signed that it %s statement %s in this place; another entry stands here (the signature is in entry %d of %s)",
			p.Party, what, p.Statement.Short(), p.Own, self)))
		if err := c.reused(of, self, p); err != nil {
			return err
		}
	}
	if k.leaf == p.Leaf && !k.shown && of.x.head.mustShow(self, p.Case) {
		of.observe(observe(NotShown, p.Party, p.Index, fmt.Sprintf("%s shows statement %s in this place as a hash: it concerns what the export is about (entry %d of %s proves it)",
			p.Party, p.Statement.Short(), p.Own, self)))
	}
	if k.root != p.Root {
		if err := c.fork(holder, n, p); err != nil {
			return err
		}
	}
	c.named(of, self, p)
	if p.Kind == tenderProof && k.leaf == p.Leaf {
		of.teller.reached(p.Statement, self, p.OwnTime, p.Rejected)
	}
	return nil
}

// reused looks for another statement under the same sequence.
func (c *crossing) reused(of *judged, self hotline.Party, p *proof) error {
	s := of.sequences[self]
	if p.Kind != tenderProof || s == nil {
		return nil
	}
	id, index, ok, err := s.at(p.Sequence)
	if err == nil && ok && id != p.Statement {
		of.observe(observe(SequenceReused, p.Party, index, fmt.Sprintf("sequence %d to %s is statement %s here, and statement %s by the tender in entry %d of %s",
			p.Sequence, self, id.Short(), p.Statement.Short(), p.Own, self)))
	}
	return err
}
