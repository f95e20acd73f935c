package audit

import (
	"cmp"
	"fmt"
	"slices"

	"example.org/hotline/hotline"
)

// What parties signed of logs, or parts of logs, that were not given: it cannot
// be held against the log, but one signature against the other.

// unseenRun is how many such places are sorted in memory at once.
const unseenRun = 1 << 14

// unseen are those places, in runs that are sorted each.
type unseen struct {
	dir   string
	name  string // of the files
	order func(a, b *unseenPlace) int
	part  []unseenPlace // not written yet
	runs  []*spool[unseenPlace]
}

// unseenPlace is one of them, with the log that holds the signature.
type unseenPlace struct {
	Holder uint64
	proof
}

func (u *unseenPlace) each(r *record) {
	number(&u.Holder, r)
	u.proof.each(r)
}

func compareUnseen(a, b *unseenPlace) int {
	return cmp.Or(cmp.Compare(a.Party, b.Party), cmp.Compare(a.Generation, b.Generation), cmp.Compare(a.Index, b.Index),
		cmp.Compare(a.Holder, b.Holder), cmp.Compare(a.Own, b.Own))
}

func newUnseen(dir, name string, order func(a, b *unseenPlace) int) unseen {
	return unseen{dir: dir, name: name, order: order}
}

// add takes a place that somebody signed. A head in a statement is the word of the
// statement's sender, and proves nothing of the log that it names.
func (u *unseen) add(holder int, p *proof) error {
	if p.Kind == headProof {
		return nil
	}
	return u.keep(holder, p)
}

func (u *unseen) keep(holder int, p *proof) error {
	u.part = append(u.part, unseenPlace{uint64(holder), *p})
	if len(u.part) < unseenRun {
		return nil
	}
	return u.write()
}

// write ends a run.
func (u *unseen) write() error {
	slices.SortFunc(u.part, func(a, b unseenPlace) int { return u.order(&a, &b) })
	run, err := newBufferedSpool(u.dir, fmt.Sprintf("%s-%d", u.name, len(u.runs)), bucketBuffer, (*unseenPlace).each)
	if err != nil {
		return err
	}
	u.runs = append(u.runs, run)
	for i := range u.part {
		if err := run.add(&u.part[i]); err != nil {
			return err
		}
	}
	u.part = u.part[:0]
	return run.finish()
}

// close lets go of what an error left open.
func (u *unseen) close() {
	for _, run := range u.runs {
		_ = run.finish() // an error here was or will be reported by whoever reads it
	}
}

// unseenLog is what is kept of one log while its places pass by in order.
type unseenLog struct {
	last, newest *unseenPlace // the place before, and of all before the one of the latest time
	forks, back  unseenFound
}

// unseenFound is the first pair of places that contradict each other, and how
// many do.
type unseenFound struct {
	a, b  unseenPlace
	count uint64
}

func (f *unseenFound) note(a, b *unseenPlace) {
	if f.count++; f.count == 1 {
		f.a, f.b = *a, *b
	}
}

// unseenPlaces holds the places of each log that was not given, or behind the end of its
// exports, against each other and against what is shown before them: of one size there is
// one tree (SPEC §7.5), and time never goes back (SPEC §6.1).
func (c *crossing) unseenPlaces() error {
	if err := c.unseen.write(); err != nil {
		return err
	}
	var log unseenLog
	for p, err := range merge(c.unseen.runs, func(a, b unseenPlace) bool { return compareUnseen(&a, &b) < 0 }) {
		if err != nil {
			return err
		}
		if log.last != nil && (log.last.Party != p.Party || log.last.Generation != p.Generation) {
			if err := c.tellUnseen(&log); err != nil {
				return err
			}
			log = unseenLog{}
		}
		if log.last == nil {
			log.newest = c.newestShown(logKey{p.Party, p.Generation})
		}
		log.take(&p)
	}
	return c.tellUnseen(&log)
}

func (l *unseenLog) take(p *unseenPlace) {
	if x := l.last; x != nil && x.Index == p.Index && (x.Root != p.Root || x.ofEntry() && p.ofEntry() && x.Leaf != p.Leaf) {
		l.forks.note(x, p)
	}
	l.last = p
	if !p.ofEntry() || p.Unproven {
		return
	}
	switch x := l.newest; {
	case x == nil || p.Time >= x.Time:
		l.newest = p
	case x.Index < p.Index && tooEarly(p.Time, x.Time):
		l.back.note(x, p)
	}
}

func (c *crossing) tellUnseen(l *unseenLog) (err error) {
	if f := &l.forks; f.count > 0 {
		c.differ(logKey{f.b.Party, f.b.Generation}, f.b.Index)
		o := observe(Fork, f.b.Party, f.b.Index, fmt.Sprintf("%s signed two trees of size %d (%s and %s; %d such in all)",
			f.b.Party, f.b.Index+1, c.signature(&f.a), c.signature(&f.b), f.count))
		if o.Proof, err = c.proveUnseen(&f.a, &f.b); err != nil {
			return err
		}
		c.observe(o)
	}
	if f := &l.back; f.count > 0 {
		c.observe(observe(TimeContradiction, f.b.Party, f.b.Index, fmt.Sprintf("%s signed that this entry is of %s, and that entry %d before it is of %s, %s later (%s and %s; %d such in all)",
			f.b.Party, stamp(f.b.Time), f.a.Index, stamp(f.a.Time), length(f.a.Time-f.b.Time), c.signature(&f.b), c.signature(&f.a), f.count)))
	}
	return nil
}

// proveUnseen writes the proof of two trees of one size.
func (c *crossing) proveUnseen(a, b *unseenPlace) (name string, err error) {
	if c.proofs == "" {
		return "", nil
	}
	one, two := c.logs[a.Holder], c.logs[b.Holder]
	first, err := one.signedHead(&a.proof)
	if err != nil {
		return "", fmt.Errorf("entry %d of %s: %w", a.Own, one.x.dir, err)
	}
	second, err := two.signedHead(&b.proof)
	if err != nil {
		return "", fmt.Errorf("entry %d of %s: %w", b.Own, two.x.dir, err)
	}
	return c.proveHeads(logKey{a.Party, a.Generation}, a.Index+1, one, two, first, second, nil)
}

// observe observes something of a log that was not given, or of which a part was.
func (c *crossing) observe(o Observation) {
	if !c.list.takes(&o) {
		c.report.MoreProtocol++
		return
	}
	c.report.Observations = append(c.report.Observations, o)
}

// signature says where a signature stands.
func (c *crossing) signature(p *unseenPlace) string {
	if p.Kind == shownEntry {
		return "this one is in the log that it shows"
	}
	what := map[proofKind]string{tenderProof: "its tender", receiptProof: "its receipt", witnessProof: "its checkpoint", anchorProof: "its checkpoint in an anchor"}[p.Kind]
	return fmt.Sprintf("%s is in entry %d of %s", what, p.Own, c.logs[p.Holder].x.head.Party)
}

// entitled observes that a peer logged and tendered a statement which an officer
// signed with a key that was not in force there (SPEC §3.5). Both ledgers judge it
// by the same directory and time, those of the peer's entry: a ledger that keeps
// the rules refuses it, and has nothing to tender.
func (j *judged) entitled(it *item, c *hotline.Received) {
	if j.stopped || c.Code != hotline.CodeRevoked && c.Code != hotline.CodeExpired {
		return
	}
	f := &it.facts
	h, number := &f.st.Header, f.sender.Sent.Directory
	j.observe(observe(KeyNotInForce, h.From, f.place.index, fmt.Sprintf("statement %s, logged at %s, bears the signature of %s, and directory %d of %s says that the key is not in force (%s; the tender is in entry %d of %s)",
		f.st.ID.Short(), stamp(f.sender.Time), j.author(f), number, h.From, c.Code, it.index, j.x.head.Party)))
}

// author names the first author of a statement whose key is not in force at its
// sender's entry.
func (j *judged) author(f *facts) string {
	t := f.sender.Time
	if d := j.chain.number(f.st.Header.From, f.sender.Sent.Directory); d != nil {
		for _, id := range f.st.Header.Authors {
			if o := d.Officer(id); o != nil && (o.Revoked != 0 && t >= o.Revoked || t < o.From || t >= o.Until) {
				return o.Name
			}
		}
	}
	return "an officer"
}

// opens notes a statement in a case of the own party that the log does not open:
// what comes of it the replay says. A pair export need not show what opens a case.
func (j *judged) opens(it *item) {
	st := it.facts.st
	if st == nil || st.Header.Case == nil || st.Header.Case.Party != j.x.head.Party || j.x.head.Kind != Full || j.stopped {
		return
	}
	if rec, ok := it.content.(*hotline.Received); ok && rec.Code != "" {
		return
	}
	if in := *st.Header.Case; j.replay.State().Case(in) == nil {
		j.unopened = in
	}
}

// named observes that a party receipted a statement in a case of its own that its
// log never opens.
func (c *crossing) named(of *judged, self hotline.Party, p *proof) {
	if p.Kind == receiptProof && of.unopened.Party != "" && p.Case == of.unopened.Key() {
		of.observe(observe(OpeningNotInLog, p.Party, p.Index, fmt.Sprintf("%s signed that it received %s %s in case %s, which it opened; no entry before opens that case (the signature is in entry %d of %s)",
			p.Party, p.What, p.Statement.Short(), of.unopened, p.Own, self)))
	}
}
