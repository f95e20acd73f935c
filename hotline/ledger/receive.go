package ledger

import (
	"slices"

	"example.org/hotline/hotline"
)

// receive takes a peer's statement (SPEC §6.6, §8.2). There are three ends:
// refused (nothing is recorded here: not for us, not provable, busy, or a
// document is missing), rejected (verified and in sequence, but not
// acceptable: logged with its code, and a signed reject goes back), accepted.
func (r *run) receive() error {
	s := r.s
	st, err := r.c.ParseStatement()
	if err != nil {
		return err
	}
	sender, err := r.c.ParseSender()
	if err != nil {
		return err
	}
	if s.Directory(s.self) == nil || len(s.voters) == 0 {
		return hotline.Refuse(hotline.CodeInternal, "the ledger has no own directory or members yet")
	}
	generation, err := s.fitsLine(st, sender)
	if err != nil {
		if hotline.CodeOf(err) == hotline.CodeNeed {
			r.need(st.Header.From, sender)
		}
		return err
	}
	from, n := st.Header.From, sender.Sent.SequenceFor(s.self)
	pair := s.pair(from)
	if err := pair.In.admits(generation, n); err != nil {
		return err
	}
	then, reject := r.accept(st, sender)
	if err := r.mayAnswer(&st.Header, reject); err != nil {
		return err
	}
	marks := sender.Sent.Marks | r.marks(st.Header.Issued, sender.Time)
	if reject == nil && revokedSince(st, s.Directory(from)) {
		marks |= hotline.MarkRevokedSince
	}
	code := hotline.CodeOf(reject)
	index := r.add(hotline.EntryReceived, hotline.ReceivedScope(s.self, st), hotline.Outside, &hotline.Received{
		Statement: st.Raw, Sender: r.c.Sender, Tender: r.c.Tender, Code: code, Marks: marks, Voters: uint64(len(s.voters))})
	r.placed(st.ID, index)
	pair.In.take(generation, n)
	if t, err := r.c.ParseTender(); err == nil { // what cannot be read was never verified, and Apply does not verify
		pair.Head.saw(&t.Claims, index)
	}
	if reject != nil {
		r.rejected(st, n, index, code, reject)
		return nil
	}
	in := st.InCase()
	if in == nil {
		pair.Seen.add(st.ID, index, r.t, r.t+window)
	}
	then(index)
	r.effect(Effect{Type: Received, Peer: from, ID: st.ID, Kind: st.Header.Kind, Index: index, Sequence: n,
		Precedence: st.Header.Precedence, Status: st.Header.Status, Time: r.t, Case: in})
	return nil
}

// fitsLine checks what must hold before a statement of a peer can use up its
// sequence, and returns the generation of the sender's log.
func (s *State) fitsLine(st *hotline.Statement, sender *hotline.SenderEntry) (uint64, error) {
	h := &st.Header
	switch {
	case h.From == s.self:
		return 0, hotline.Refuse(hotline.CodeWrongSender, "an own statement came from outside")
	case h.Convention != s.convention:
		return 0, hotline.Refuse(hotline.CodeConvention, "the statement names another convention")
	case !slices.Contains(h.To, s.self):
		return 0, hotline.Refuse(hotline.CodeWrongAddressee, "addressed to %v, not to %s", h.To, s.self)
	case !st.Complete():
		return 0, hotline.Refuse(hotline.CodeMissingAuthor, "%d of %d authors have signed", st.Signed, len(h.Authors))
	case sender.Sent.Convention > uint64(len(s.conventions)):
		return 0, hotline.Refuse(hotline.CodeNeed, "convention version %d is not known here", sender.Sent.Convention)
	}
	d := s.DirectoryNumber(h.From, sender.Sent.Directory)
	if d == nil {
		return 0, hotline.Refuse(hotline.CodeNeed, "directory %d of %s is not known here", sender.Sent.Directory, h.From)
	}
	if err := s.observes(h); err != nil {
		return 0, err
	}
	if sender.Sent.SequenceFor(s.self) == 0 {
		return 0, hotline.Refuse(hotline.CodeTender, "the sender's entry gives no sequence for %s", s.self)
	}
	return d.Generation, nil
}

func (r *run) need(from hotline.Party, sender *hotline.SenderEntry) {
	r.res.NeedDirectory, r.res.NeedConvention = r.s.Missing(from, sender)
}

// Missing names the documents that a statement logged with this sender's entry
// needs and that are not known here: a number of the sender's directory and a
// version of the convention, 0 where nothing is missing.
func (s *State) Missing(from hotline.Party, sender *hotline.SenderEntry) (directory, convention uint64) {
	if sender.Sent.Convention > uint64(len(s.conventions)) {
		convention = uint64(len(s.conventions)) + 1
	}
	if s.DirectoryNumber(from, sender.Sent.Directory) == nil {
		directory = sender.Sent.Directory
	}
	return directory, convention
}

// admits is the exactly-once rule: a sequence is used up by one entry, and no
// further than MaxSequenceGap above the watermark is remembered.
func (w *Window) admits(generation, n uint64) error {
	switch {
	case generation < w.Generation:
		return hotline.Refuse(hotline.CodeOldNumber, "generation %d of the sender's log is closed", generation)
	case generation > w.Generation:
		if n > hotline.MaxSequenceGap {
			return hotline.Refuse(hotline.CodeBusy, "sequence %d is too far above 0", n)
		}
		return nil
	case n <= w.Watermark || w.Above[n]:
		return hotline.Refuse(hotline.CodeDuplicate, "sequence %d is used up", n)
	case n > w.Watermark+hotline.MaxSequenceGap:
		return hotline.Refuse(hotline.CodeBusy, "sequence %d is too far above %d", n, w.Watermark)
	}
	return nil
}

func (w *Window) take(generation, n uint64) {
	if generation > w.Generation {
		w.Generation, w.Watermark, w.Above = generation, 0, map[uint64]bool{}
	}
	w.Above[n] = true
	for w.Above[w.Watermark+1] {
		delete(w.Above, w.Watermark+1)
		w.Watermark++
	}
}

// accept judges a verified statement. Validity of version and keys is judged
// where the sender logged it: by the time of its entry and the numbers in
// force there, so that nothing in flight is wronged by a change (SPEC §3.5).
func (r *run) accept(st *hotline.Statement, sender *hotline.SenderEntry) (func(uint64), error) {
	s, h := r.s, &st.Header
	d := s.DirectoryNumber(h.From, sender.Sent.Directory)
	if h.Directory > d.Number {
		return nil, hotline.Refuse(hotline.CodeHeader, "drafted under directory %d, logged under %d", h.Directory, d.Number)
	}
	if err := s.fitsVersion(h.ConventionVersion, sender.Sent.Convention, sender.Time); err != nil {
		return nil, err
	}
	if err := mayAuthor(st, d, sender.Time); err != nil {
		return nil, err
	}
	if h.Kind == hotline.KindAlert && h.Status == hotline.Actual && len(h.Authors) == 1 &&
		!s.conventions[sender.Sent.Convention-1].Terms.OneOfficer {
		return nil, hotline.Refuse(hotline.CodeMissingAuthor, "the terms demand two officers for an ACTUAL alert")
	}
	if h.Case == nil && len(h.To) != 1 && !h.Kind.Rules().Opens {
		return nil, hotline.Refuse(hotline.CodeHeader, "without a case a statement has one addressee")
	}
	if r.accepted(st) {
		return nil, hotline.Refuse(hotline.CodeDuplicate, "statement %s was accepted under another sequence", st.ID.Short())
	}
	k, err := s.peerCase(st, r.t)
	if err != nil {
		return nil, err
	}
	if err := s.mayWait(h); err != nil {
		return nil, err
	}
	lapsed := k != nil && s.lapsed(k, h.From, r.t)
	var known []Known
	if lapsed {
		known, k.Known = k.Known, lapse(k.Known, s.self, h.From)
	}
	then, err := r.peer(st, k, d)
	if err != nil {
		if lapsed {
			k.Known = known // what is rejected changes nothing in the case
		}
		return nil, err
	}
	return func(index uint64) {
		if lapsed {
			s.letGo(k, h.From)
		}
		if st.InCase() != nil {
			r.enter(st, k, index)
		}
		if h.Kind.Rules().OpensAck {
			r.owesAcknowledgement(st)
		}
		if then != nil {
			then(index)
		}
		if k := s.caseOf(st.InCase()); k != nil {
			s.settle(k, r.t)
		}
	}, nil
}

// accepted reports whether a peer's statement was accepted before and is still
// remembered, so that it is taken once whatever sequence it bears (SPEC §6.6).
func (r *run) accepted(st *hotline.Statement) bool {
	s, from := r.s, st.Header.From
	if in := st.InCase(); in != nil {
		k := s.caseOf(in)
		return k != nil && !s.forgotten(k, r.t) && !s.lapsed(k, from, r.t) && k.known(st.ID) != nil
	}
	// By the time of its own entry, whatever was forgotten by then: so a part of the log that does
	// not show the entry before decides the same.
	pair := s.pair(from)
	_, seen := pair.Seen.find(st.ID, r.t)
	return seen || find(pair.Duties, hotline.DutyAcknowledge, st.ID, from) != nil
}

// peerCase finds the case of a peer's statement. The opener may open it here;
// any other party must have been an addressee in it.
func (s *State) peerCase(st *hotline.Statement, t hotline.Time) (*Case, error) {
	h := &st.Header
	in := st.InCase()
	if in == nil {
		return nil, nil
	}
	if k := s.caseOf(in); in.Party == h.From && (k == nil || s.forgotten(k, t)) {
		if s.full(len(s.cases), hotline.MaxOpenCases) || s.full(s.opened[h.From], hotline.MaxCasesOfOne) {
			return nil, hotline.Refuse(hotline.CodeBusy, "%d cases are open, %d of them by %s", len(s.cases), s.opened[h.From], h.From)
		}
		return nil, nil
	}
	return s.inCase(in, h, t)
}

// full reports whether a bound is reached. A projection, which does not see all
// that counts, takes that from the entry.
func (s *State) full(n, bound int) bool {
	if s.part != nil {
		return s.crowded
	}
	return n >= bound
}

// mayWait refuses what nobody would acknowledge: whoever floods people uses up
// their patience with him and nobody else's.
func (s *State) mayWait(h *hotline.Header) error {
	bound := hotline.MaxUnanswered
	if h.Precedence != hotline.Flash {
		bound -= hotline.FlashReserve
	}
	if n := s.unanswered[h.From]; h.Kind.Rules().OpensAck && s.full(n, bound) {
		return hotline.Refuse(hotline.CodeBusy, "%d statements of %s wait to be acknowledged", n, h.From)
	}
	return nil
}

// keepCase and dropCases are the only ways into and out of what is remembered of
// cases. What a case still owes in vain goes with it, the pages for it, and what the group was
// asked to say in it: nobody is woken for what is forgotten.
func (s *State) keepCase(k *Case) {
	key := k.ID.Key()
	s.dropCases(key) // of an earlier time, if it still stands there
	s.opened[k.ID.Party]++
	s.cases[key] = k
}

// dropCases looks through what is asked for once, however many cases go: all of a
// busy day are forgotten by one command.
func (s *State) dropCases(keys ...string) {
	var over map[hotline.CaseID]bool
	for _, key := range keys {
		k := s.cases[key]
		if k == nil {
			continue
		}
		if over == nil {
			over = map[hotline.CaseID]bool{}
		}
		over[k.ID] = true
		s.opened[k.ID.Party]--
		for _, d := range k.Duties {
			d.done = true
			s.endPages(d)
		}
		delete(s.cases, key)
	}
	if len(over) > 0 && s.part == nil { // a part of a log does not always know
		s.dropAsks(func(a *Ask) bool { return a.Case != nil && over[*a.Case] })
	}
}

// enter notes an accepted statement in its case, opening it if need be.
func (r *run) enter(st *hotline.Statement, k *Case, index uint64) {
	h := &st.Header
	if k == nil {
		in := st.InCase()
		k = &Case{ID: *in, Status: h.Status, Precedence: h.Precedence, Stage: Concerned, Opened: r.t}
		r.s.keepCase(k)
	}
	k.note(st, index, r.t)
	k.admit(slices.Concat([]hotline.Party{h.From}, h.To)...)
}

// owesAcknowledgement opens the duty that a person acknowledges, with the
// receiving ladder, on the terms in force here now.
func (r *run) owesAcknowledgement(st *hotline.Statement) {
	s, h := r.s, &st.Header
	term := hotline.Time(s.Convention(r.t).Terms.Acknowledge.At(h.Precedence))
	s.open(&Duty{Class: hotline.DutyAcknowledge, Subject: st.ID, Peer: h.From, Case: st.InCase(), Status: h.Status,
		Precedence: h.Precedence, Opened: r.t, Deadline: r.t + term}, s.Ladder().Receiving)
}

// peer checks what a peer's statement does here, by its kind, and returns what
// follows once its entry is made.
func (r *run) peer(st *hotline.Statement, k *Case, d *hotline.SignedDirectory) (func(uint64), error) {
	h := &st.Header
	switch h.Kind {
	case hotline.KindAcknowledgement:
		return r.acknowledged(st, k, d)
	case hotline.KindRatification:
		return nil, ratifiedHere(d, h, k)
	case hotline.KindAlert:
		return r.alertedHere(st), nil
	case hotline.KindAutomaticAlert:
		return r.alertedHere(st), r.automaticFits(st, d)
	case hotline.KindSupplement, hotline.KindProgress, hotline.KindFinal:
		return r.reportedHere(st), nil
	case hotline.KindRetract:
		return r.retractedHere(st), nil
	case hotline.KindInquiry, hotline.KindAssistanceRequest, hotline.KindConsult:
		return r.askedHere(st), nil
	case hotline.KindReply, hotline.KindAssistanceResponse:
		return r.answeredHere(st, k)
	case hotline.KindDispute:
		return nil, r.disputedHere(st, k)
	case hotline.KindSuspension:
		return r.suspension(st, k)
	case hotline.KindEscalation:
		if !r.s.wasSentTo(h.From, *h.Re, k, r.t) {
			return nil, hotline.Refuse(hotline.CodeReference, "nothing of this id was sent to %s", h.From)
		}
	case hotline.KindLineTest:
		return func(index uint64) {
			id, pair := st.ID, r.s.pairs[h.From]
			pair.Heard = r.t
			r.proved(pair, hotline.DutyLineHeard, id)
			r.ask(&Ask{Kind: hotline.KindLineReply, Cause: index, Re: id, To: []hotline.Party{h.From},
				Status: h.Status, Precedence: h.Precedence, Due: r.t})
		}, nil
	case hotline.KindLineReply:
		return r.lineReplied(st)
	case hotline.KindReject:
		return r.wasRejected(st)
	case hotline.KindUnreadable:
		if !r.s.wasSentTo(h.From, *h.Re, k, r.t) {
			return nil, hotline.Refuse(hotline.CodeReference, "nothing of this id was sent to %s", h.From)
		}
	}
	return nil, nil
}

func (s *State) sentTo(p hotline.Party, id hotline.ID) *Sent {
	if pair := s.pairs[p]; pair != nil {
		return pair.Sent[id]
	}
	return nil
}

func (s *State) acknowledgedBy(p hotline.Party, id hotline.ID) bool {
	o := s.sentTo(p, id)
	return o != nil && o.Acknowledged
}

// wasSentTo reports whether at t an own statement is known to have gone to p, be
// it settled or not: what p says about it may be overtaken by a receipt or an acknowledgement.
func (s *State) wasSentTo(p hotline.Party, id hotline.ID, k *Case, t hotline.Time) bool {
	if s.sentTo(p, id) != nil {
		return true
	}
	if k != nil {
		if x := k.known(id); x != nil && x.From == s.self && x.goesTo(p) {
			return true
		}
	}
	pair := s.pairs[p]
	if pair == nil {
		return false
	}
	_, ok := pair.Done.find(id, t)
	return ok
}

// settled forgets an own statement for which nothing more is waited; one
// without a case is remembered for a while, for what was overtaken.
func (r *run) settled(p hotline.Party, o *Sent) {
	pair := r.s.pairs[p]
	delete(pair.Sent, o.ID)
	if o.Case == nil {
		pair.Done.add(o.ID, o.Index, r.t, r.t+window)
	}
}

// automaticFits checks that an automatic alert rests on an officer's
// assessment that names this party.
func (r *run) automaticFits(st *hotline.Statement, d *hotline.SignedDirectory) error {
	inner, err := embedded(st)
	if err != nil {
		return err
	}
	if !slices.Contains(inner.Header.Notify, r.s.self) {
		return hotline.Refuse(hotline.CodeWrongAddressee, "the embedded assessment does not name %s", r.s.self)
	}
	// The officer was one when the assessment was logged; a page of the directory that
	// came since must not keep the alert from anybody.
	if !slices.ContainsFunc(r.s.directories[d.Party], func(x *hotline.SignedDirectory) bool {
		o := x.Officer(inner.Header.Authors[0])
		return x.Number <= d.Number && o != nil && o.Has(hotline.Operator)
	}) {
		return hotline.Refuse(hotline.CodeRole, "the embedded assessment is not signed by an operator of a directory up to number %d", d.Number)
	}
	return nil
}

// acknowledged takes a peer's acknowledgement of an own statement. It may
// overtake the receipt: then the receipt opens no waiting.
func (r *run) acknowledged(st *hotline.Statement, k *Case, d *hotline.SignedDirectory) (func(uint64), error) {
	s, h := r.s, &st.Header
	o := s.sentTo(h.From, *h.Re)
	switch {
	case o == nil || !o.Kind.Rules().OpensAck || o.Acknowledged:
		return nil, hotline.Refuse(hotline.CodeNotOwed, "nothing under id %s waits for an acknowledgement of %s", h.Re.Short(), h.From)
	case o.Status != h.Status:
		return nil, hotline.Refuse(hotline.CodeStatus, "%s acknowledges what is %s", h.Status, o.Status)
	case (o.Case == nil) != (h.Case == nil) || (o.Case != nil && *o.Case != *h.Case):
		return nil, hotline.Refuse(hotline.CodeCase, "the acknowledged statement is of another case")
	}
	return func(uint64) {
		o.Acknowledged = true
		if o.Status == hotline.Test {
			s.pairs[h.From].There.manned(d, st, r.t)
		}
		if k != nil {
			k.tell(h.From, *h.Re, ToldAcknowledged)
		}
		r.discharge(hotline.DutyAwait, s.dutiesOf(h.Case, h.From), *h.Re, h.From)
		if o.Receipted {
			r.settled(h.From, o)
		}
	}, nil
}

// wasRejected closes the delivery of an own statement that the peer verified
// but does not accept.
func (r *run) wasRejected(st *hotline.Statement) (func(uint64), error) {
	o, err := r.s.rejectedBy(st)
	if err != nil {
		return nil, err
	}
	return func(uint64) { r.undeliverable(&st.Header, o) }, nil
}

// rejectedBy finds the delivery that a peer's reject ends: the one under the
// sequence that it names. What the peer says of another sequence must not end one that
// is on its way.
func (s *State) rejectedBy(st *hotline.Statement) (*Sent, error) {
	h := &st.Header
	o := s.sentTo(h.From, *h.Re)
	if o == nil || o.Receipted {
		return nil, hotline.Refuse(hotline.CodeReference, "nothing of this id waits for a receipt of %s", h.From)
	}
	if o.Status != h.Status {
		return nil, hotline.Refuse(hotline.CodeStatus, "%s rejects what is %s", h.Status, o.Status)
	}
	body, err := st.OpenBody()
	if err != nil {
		return nil, err
	}
	if n := body.(*hotline.Reject).Sequence; n != o.Sequence {
		return nil, hotline.Refuse(hotline.CodeReference, "it waits for a receipt of %s under sequence %d, not %d", h.From, o.Sequence, n)
	}
	return o, nil
}

// undeliverable ends the delivery of an own statement that a peer's reject is about.
func (r *run) undeliverable(h *hotline.Header, o *Sent) {
	s := r.s
	delete(s.pairs[h.From].Sent, *h.Re)
	r.discharge(hotline.DutyDeliver, s.dutiesOf(o.Case, h.From), *h.Re, h.From)
	if k := s.caseOf(o.Case); k != nil {
		k.tell(h.From, *h.Re, ToldRejected)
		s.settle(k, r.t) // the reject may stand outside of the case, and be the last that it waited for
	}
	r.effect(Effect{Type: Settled, Peer: h.From, ID: *h.Re, Kind: o.Kind, Sequence: o.Sequence, Text: string(h.Reason)})
	r.effect(Effect{Type: Page, Peer: h.From, ID: *h.Re, Precedence: o.Precedence, Status: o.Status, Time: r.t, Case: o.Case,
		Duty: hotline.DutyDeliver, Office: "operator", Targets: s.onDuty(hotline.Operator), Text: "rejected: " + string(h.Reason)})
}

// rejected logs nothing more, but asks for the signed reject; nothing ever
// rejects a reject.
func (r *run) rejected(st *hotline.Statement, n, index uint64, code hotline.Code, why error) {
	h := &st.Header
	r.res.Reject, r.res.Text = code, why.Error()
	if !h.Kind.Rules().Rejects {
		return
	}
	var c *hotline.CaseID
	if h.Case != nil {
		// Only in a case that the sender may use, and of which something between
		// the two is remembered: a reject admits nobody.
		if k, err := r.s.inCase(h.Case, h, r.t); err == nil && !r.s.quiet(k, h.From, r.t) {
			c = h.Case
		}
	}
	r.ask(&Ask{Kind: hotline.KindReject, Cause: index, Case: c, Re: st.ID, To: []hotline.Party{h.From},
		Status: h.Status, Precedence: h.Precedence, Due: r.t, Reason: code, Sequence: n})
}

// receipt takes a peer's receipt of an own statement (SPEC §8.3): delivery to
// it is closed, and waiting for its acknowledgement begins.
func (r *run) receipt() error {
	s := r.s
	rc, err := r.c.parseReceipt()
	if err != nil {
		return err
	}
	o := s.sentTo(rc.Party, rc.Statement)
	switch {
	case o == nil || o.Receipted:
		return hotline.Refuse(hotline.CodeDuplicate, "nothing of this id waits for a receipt of %s", rc.Party)
	case rc.Of == nil || rc.Of.Party != s.self || rc.Of.Generation != s.generation || rc.Of.Index != o.Index || rc.Of.Sequence != o.Sequence:
		return hotline.Refuse(hotline.CodeReceipt, "the receipt is not for entry %d, sequence %d", o.Index, o.Sequence)
	}
	scope := hotline.PairScope(s.self, rc.Party)
	if o.Case != nil {
		scope = hotline.CaseScope(*o.Case, s.self, rc.Party)
	}
	index := r.add(hotline.EntryReceipted, scope, hotline.Outside, &hotline.Receipted{
		Statement: rc.Statement, Index: o.Index, Tender: r.c.Tender, Receipt: r.c.Receipt})
	s.pair(rc.Party).Head.saw(&rc.Claims, index)
	o.Receipted = true
	duties := func() []*Duty { return s.dutiesOf(o.Case, rc.Party) }
	r.discharge(hotline.DutyDeliver, duties(), o.ID, rc.Party)
	r.effect(Effect{Type: Settled, Peer: rc.Party, ID: o.ID, Kind: o.Kind, Sequence: o.Sequence, Index: o.Index, Time: rc.Time})
	k := s.caseOf(o.Case)
	if k != nil && !o.Acknowledged {
		k.tell(rc.Party, o.ID, ToldReceived)
	}
	if !o.Kind.Rules().OpensAck || o.Acknowledged {
		r.settled(rc.Party, o)
	} else {
		term := hotline.Time(s.Convention(r.t).Terms.Acknowledge.At(o.Precedence))
		s.open(&Duty{Class: hotline.DutyAwait, Subject: o.ID, Peer: rc.Party, Case: o.Case, Status: o.Status, Precedence: o.Precedence,
			Opened: r.t, Deadline: r.t + term}, from(s.Ladder().Receiving, hotline.Deadline))
	}
	r.awaitAnswer(o, rc.Party)
	if k != nil {
		s.settle(k, r.t)
	}
	return nil
}
