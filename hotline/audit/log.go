package audit

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"

	"example.org/hotline/crypto/keys"
	"example.org/hotline/crypto/tlog"
	"example.org/hotline/hotline"
	"example.org/hotline/hotline/ledger"
)

// judged is one log on its way through the audit.
type judged struct {
	x      *export
	exam   *examiner
	replay *ledger.Replay
	chain  *chain
	tree   tlog.Frontier

	marks     *marks
	sequences map[hotline.Party]*sequences
	proofs    *spool[proof]
	teller    *teller
	docket    *docket
	sides     *buckets[side] // nil: nobody asks
	log       Log

	cosignatures []cosignature             // of the cosigned checkpoint
	words        map[hotline.Party]fact    // the latest entry of each other log that an entry under it proves
	earlies      map[earlyCosignature]bool // cosignatures in anchors that are dated before the last entry under them
	latest       fact                      // the entry shown that bears the latest time that is proven

	observations []Observation
	clocks       []Observation // of times that contradict each other, not told yet
	clockList    listing       // of them
	list         listing
	more         map[Class]uint64
	lapses       map[lapse]int   // index of the observation of a duty that is overdue and open
	reasoned     map[uint64]bool // entries that say overdue, of observations that carry a reason
	overdues     overdues
	notJudged    []string
	stopped      bool           // the replay has found a difference
	unopened     hotline.CaseID // an own case in which the log says something and which it does not open; zero: none
	unjudged     uint64
	known        map[author]bool // keys that stand in the state; cleared by each document
	statuses     statuses
	concerned    map[hotline.Party]bool // by the case of a case export
	earlier      []*judged              // exports of the same log, which were read before
	tmp          string
	name         int
}

// author is a key in the name of a party.
type author struct {
	party hotline.Party
	key   keys.ID
}

// lapse names a duty.
type lapse struct {
	duty    hotline.Duty
	subject hotline.ID
	peer    hotline.Party
}

func newJudged(x *export, tmp string, number int, rows *buckets[docketRow], others shown) (*judged, error) {
	h := x.head
	j := &judged{x: x, replay: ledger.NewReplay(h.part()), chain: newChain(h.Party), sequences: map[hotline.Party]*sequences{},
		more: map[Class]uint64{}, lapses: map[lapse]int{}, reasoned: map[uint64]bool{}, overdues: overdues{owed: map[lapse]bool{}}, known: map[author]bool{}, concerned: map[hotline.Party]bool{}, tmp: tmp, name: number,
		log: Log{Dir: x.dir, Kind: h.Kind, Party: h.Party, With: h.With, Case: h.Case, Generation: h.Generation, Size: h.Size}}
	j.docket = newDocket(&x.head, rows)
	j.exam = &examiner{self: h.Party, generation: h.Generation, convention: x.convention, ring: newRing(),
		sent: sentCache{at: map[uint64]*own{}}, again: j.again}
	var err error
	if j.marks, err = newMarks(tmp, fmt.Sprintf("marks-%d", number)); err != nil {
		return nil, err
	}
	if j.proofs, err = newSpool(tmp, fmt.Sprintf("proofs-%d", number), (*proof).each); err != nil {
		return nil, err
	}
	j.teller, err = newTeller(j.chain, &h, tmp, number, others)
	return j, err
}

// again reads an own entry a second time and holds it to the first reading.
func (j *judged) again(index uint64) ([]byte, error) {
	k, err := j.marks.at(index)
	if err != nil {
		return nil, err
	}
	if !k.shown {
		return nil, fmt.Errorf("entry %d is not shown", index)
	}
	raw, err := j.x.src.entry(index, k.offset)
	if err != nil {
		return nil, err
	}
	if tlog.LeafHash(raw) != k.leaf {
		return nil, fmt.Errorf("entry %d changed while it was read", index)
	}
	return raw, nil
}

// read judges the log by itself.
func (j *judged) read(ctx context.Context, workers int, progress func()) error {
	err := run(ctx, j.x.src, j.exam, workers, func(it *item) error {
		progress()
		return j.take(it)
	})
	if err != nil {
		return err
	}
	if err := j.checkHead(); err != nil {
		return err
	}
	if !j.stopped {
		if err := j.replay.End(); err != nil {
			j.differs(j.x.head.Size-1, err, nil)
		}
	}
	err = j.end()
	j.exam, j.replay = nil, nil // what is left to do needs neither
	return err
}

// checkHead closes the chain of trust: root keys of the convention, own
// directory, log key, checkpoint, root of what was read.
func (j *judged) checkHead() error {
	x := j.x
	d := j.chain.newest(x.head.Party)
	if d == nil {
		return unusable(x.dir, FileCheckpoint, "cannot be verified: the log holds no directory of %s proven by a convention", x.head.Party)
	}
	c, err := tlog.ParseCheckpoint(x.checkpoint, x.claimed.Origin, d.Log)
	if err != nil {
		return unusable(x.dir, FileCheckpoint, "%v", err)
	}
	if id := j.chain.conventions[0].ID; id != x.convention {
		return unusable(x.dir, FileHead, "names convention %s; the log holds %s", x.convention, id)
	}
	if c.Root != j.tree.Root() || c.Size != j.tree.Size {
		return unusable(x.dir, FileCheckpoint, "the entries do not lead to its root: one of the files was changed")
	}
	j.log.Root = hex.EncodeToString(c.Root[:])
	return j.checkWitnesses()
}

// take judges one leaf. An error stops the audit; what is wrong with the log
// becomes an observation.
func (j *judged) take(it *item) error {
	j.tree.Append(it.hash)
	k := mark{leaf: it.hash, root: j.tree.Root(), offset: it.offset, shown: it.raw != nil}
	if it.entry != nil {
		k.time, k.unproven = it.entry.Time, j.unproven(it)
		if !k.unproven && k.time > j.latest.time {
			j.latest = fact{j.x.head.Party, it.index, k.time}
		}
	}
	if err := j.marks.add(k); err != nil {
		return err
	}
	if it.raw == nil {
		return j.hidden(it.index)
	}
	j.log.Shown++
	if it.err != nil {
		j.observe(observe(EntryMalformed, j.x.head.Party, it.index, "the entry cannot be read: "+it.err.Error()))
		j.stop(it.index)
		return nil
	}
	if it.index == 0 {
		if err := j.genesis(it); err != nil {
			return err
		}
	}
	j.span(it.entry.Time)
	if in := it.entry.Scope.Case; j.x.head.Kind == Case && in != nil {
		for _, p := range concerns(it.entry, it.facts.st) {
			j.concerned[p] = true
		}
	}
	j.opens(it)
	verified := j.decide(it)
	if verified {
		if err := j.number(it); err != nil {
			return err
		}
	}
	if d, ok := it.content.(*hotline.Document); ok {
		clear(j.known)
		if err := j.chain.add(d.Raw); err != nil && j.stopped {
			j.observe(observe(SignatureInvalid, j.x.head.Party, it.index, "the document does not prove itself: "+err.Error()))
		}
	}
	if verified {
		if err := j.keepProofs(it); err != nil {
			return err
		}
	}
	j.lapsed(it, verified)
	if err := j.follow(it, verified); err != nil {
		return err
	}
	if j.sides != nil {
		if err := j.keepSides(it, verified); err != nil {
			return err
		}
	}
	told, err := j.toldBefore(it.index, k)
	if err != nil {
		return err
	}
	return j.teller.tell(it, j.statusOf(it), verified, told)
}

// toldBefore reports whether another export of this log shows the entry, in the same
// history, and was read before (SPEC §10.5 rule 6).
func (j *judged) toldBefore(index uint64, k mark) (bool, error) {
	for _, e := range j.earlier {
		if index >= e.marks.size {
			continue
		}
		if m, err := e.marks.at(index); err != nil || m.shown && m.root == k.root {
			return err == nil, err
		}
	}
	return false, nil
}

// unproven reports whether no majority of clocks backed the time of an entry: its
// mark says so, or where there is none, that the time is the last permitted one
// (SPEC §6.1). After a difference that is not known, and no such time counts.
func (j *judged) unproven(it *item) bool {
	switch c := it.content.(type) {
	case *hotline.Sent:
		return unproven(c.Marks)
	case *hotline.Received:
		return unproven(c.Marks)
	}
	return j.stopped || it.index > 0 && j.replay.State().AtLimit(it.entry.Time)
}

// statusOf is the status of what an entry concerns; 0: nothing that has one, or it is not known.
func (j *judged) statusOf(it *item) hotline.Status {
	if st := it.facts.st; st != nil {
		j.statuses.keep(st.ID, st.Header.Status)
		return st.Header.Status
	}
	if s := j.statuses.of(it); s != 0 || j.stopped {
		return s
	}
	if in := it.entry.Scope.Case; in != nil {
		if k := j.replay.State().Case(*in); k != nil {
			return k.Status
		}
	}
	return 0
}

func (j *judged) span(t hotline.Time) {
	if j.log.First == 0 {
		j.log.First = t
	}
	j.log.Last = t
}

func (j *judged) hidden(index uint64) error {
	if index == 0 {
		return unusable(j.x.dir, j.x.head.leaves(), "the genesis is not shown")
	}
	if j.stopped {
		return nil
	}
	if err := j.replay.Skip(index + 1); err != nil {
		j.observe(observe(NotShown, j.x.head.Party, index, err.Error()))
		j.stop(index)
	}
	return nil
}

func (j *judged) genesis(it *item) error {
	g, ok := it.content.(*hotline.Genesis)
	h := j.x.head
	if !ok {
		return unusable(j.x.dir, "", "entry 0 is no genesis")
	}
	if g.Party != h.Party || g.Generation != h.Generation || g.Convention != j.x.convention {
		return unusable(j.x.dir, FileHead, "names %s, generation %d, convention %s; the genesis %s, %d, %s",
			h.Party, h.Generation, h.Convention, g.Party, g.Generation, g.Convention)
	}
	return nil
}

// decide decides the entry again, or after a difference checks its signatures
// alone. It reports whether the signatures of the entry hold.
func (j *judged) decide(it *item) bool {
	if j.stopped {
		j.unjudged++
		return j.verifyAlone(it)
	}
	if j.jumps(it) {
		return j.verifyAlone(it)
	}
	var refused error
	verified := false
	err := j.replay.Feed(it.index, it.entry, it.content, func(c *ledger.Command) error {
		if it.facts.st != nil {
			c.TakeStatement(it.facts.st)
		}
		verified = it.facts.verified && j.holds(&it.facts)
		if verified {
			return nil
		}
		refused = j.replay.State().Verify(c, j.exam.ownBefore(it.index))
		verified = refused == nil
		return refused
	})
	if err != nil {
		j.differs(it.index, err, refused)
		return verified || (refused == nil && j.verifyAlone(it))
	}
	j.log.Decided++
	return verified
}

func (j *judged) verifyAlone(it *item) bool {
	err := j.chain.verify(j.exam, it)
	if err == nil {
		return true
	}
	if hotline.CodeOf(err) != hotline.CodeNeed {
		j.observe(observe(codeOfRefusal(err), j.x.head.Party, it.index, err.Error()))
	}
	return false
}

// holds asks the state whether the keys under which everything verified are
// those that it would have used.
func (j *judged) holds(f *facts) bool {
	s := j.replay.State()
	if f.st != nil {
		for _, id := range f.st.Header.Authors[:f.st.Signed] {
			a := author{f.st.Header.From, id}
			if j.known[a] {
				continue
			}
			if _, ok := s.Key(a.party, a.key); !ok {
				return false
			}
			j.known[a] = true
		}
	}
	switch {
	case f.sender != nil:
		d := s.DirectoryNumber(f.st.Header.From, f.sender.Sent.Directory)
		return d != nil && d.Log == f.log && d.Generation == f.proof.Generation
	case f.proof != nil:
		return s.SignsLog(f.proof.Party, f.proof.Generation, f.log)
	}
	return true
}

// jumps finds an own statement that a pair export should have shown, by the
// next one's sequence.
func (j *judged) jumps(it *item) bool {
	sent, ok := it.content.(*hotline.Sent)
	if !ok || j.x.head.Kind != Pair {
		return false
	}
	n, last := sent.SequenceFor(j.x.head.With), uint64(0)
	if s := j.sequences[j.x.head.With]; s != nil {
		last = s.last
	}
	if n <= last+1 {
		return false
	}
	j.observe(observe(NotShown, j.x.head.Party, it.index,
		fmt.Sprintf("the sequence to %s is %d after %d: what lies between is not shown", j.x.head.With, n, last)))
	j.stop(it.index)
	return true
}

// number notes which statement has which sequence. Each party takes a file: one that no
// convention names gets none.
func (j *judged) number(it *item) error {
	sent, ok := it.content.(*hotline.Sent)
	if !ok || it.facts.st == nil {
		return nil
	}
	for _, q := range sent.Sequences {
		if !j.chain.member(q.To) {
			continue
		}
		s := j.sequences[q.To]
		if s == nil {
			var err error
			if s, err = newSequences(j.tmp, fmt.Sprintf("sequences-%d-%s", j.name, q.To)); err != nil {
				return err
			}
			j.sequences[q.To] = s
		}
		if err := s.add(q.N, it.facts.st.ID, it.index); err != nil {
			return err
		}
	}
	return nil
}

// differs records that the replay stopped.
func (j *judged) differs(index uint64, err, refused error) {
	var d *ledger.Difference
	text := err.Error()
	if errors.As(err, &d) {
		index, text = d.Index, d.Text
	} else {
		d = &ledger.Difference{Index: index}
	}
	j.observe(observe(codeOfDifference(d, refused), j.x.head.Party, index, text))
	j.stop(index)
}

func (j *judged) stop(index uint64) {
	if !j.stopped {
		j.stopped = true
		j.note("the decisions of %s after entry %d were not made again: what follows a difference cannot be compared; signatures, tree and proofs were",
			j.x.head.Party, index)
	}
}

// observe lists an observation. Each class has a bound of its own: many lapses hide no fork.
func (j *judged) observe(o Observation) {
	if !j.list.takes(&o) {
		j.more[o.Class]++
		return
	}
	j.observations = append(j.observations, o)
}

func (j *judged) note(format string, args ...any) {
	j.notJudged = append(j.notJudged, fmt.Sprintf(format, args...))
}

// follow follows the duties, as long as decisions are made again.
func (j *judged) follow(it *item, verified bool) error {
	if j.stopped {
		return j.docket.take(it, verified, nil)
	}
	return j.docket.take(it, verified, j.replay.Turns())
}

func (j *judged) end() error {
	j.closeLapses()
	if err := j.docket.end(j.stopped); err != nil {
		return err
	}
	j.log.Rungs = j.teller.rungs()
	switch h := &j.x.head; {
	case h.Kind == Case:
		j.note("%s shows the %d entries of %d that concern case %s%s: other cases and the lines are not shown, and neither is whether an entry of this case is hidden among them from which nothing shown had to follow",
			h.Party, j.log.Shown, j.log.Size, shortCase(h.Case), toWhom(h.With))
	case h.Kind == Pair:
		j.note("%s shows %s the %d entries of %d that concern both: entries of other parties are not shown, and neither is whether one that concerns both is hidden among them",
			j.x.head.Party, j.x.head.With, j.log.Shown, j.log.Size)
	}
	return j.proofs.finish()
}

// toWhom says to whom alone a case is shown.
func toWhom(with hotline.Party) string {
	if with == "" {
		return ""
	}
	return " and " + string(with)
}

// close lets go of the temporary files; those of the report stay to be read.
func (j *judged) close() {
	j.marks.close()
	for _, s := range []interface{ finish() error }{j.proofs, j.teller.events, j.teller.rows, j.teller.ladder.rungs, j.teller.lines.tests} {
		_ = s.finish() // an error here was or will be reported by whoever reads it
	}
	for _, s := range j.sequences {
		s.close()
	}
}
