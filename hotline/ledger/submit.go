package ledger

import (
	"slices"

	"example.org/hotline/hotline"
)

// submit takes an own statement, of an officer or of the group (SPEC §6.7).
// Everything that may refuse comes first; then the entry is made; then what
// follows from it. Nothing can fail in between.
func (r *run) submit() error {
	s := r.s
	st, err := r.c.ParseStatement()
	if err != nil {
		return err
	}
	// By what is kept: a refusal would make somebody sign anew what is logged.
	if index, ok := s.recent.find(st.ID, s.time); ok {
		r.res.Index, r.res.Existing = index, true
		return nil
	}
	if err := r.maySubmit(st); err != nil {
		return err
	}
	then, err := r.own(st)
	if err != nil {
		return err
	}
	sent := r.sent(st)
	// A statement of the group comes in by the same door as an officer's: what
	// is signed is never derived.
	index := r.add(hotline.EntrySent, s.ownScope(st, r.t), hotline.Outside, sent)
	r.placed(st.ID, index)
	s.recent.add(st.ID, index, r.t, max(r.t, st.Header.Issued)+window)
	s.dropDraft(st.ID)
	s.dropHit(r.c.Key)
	r.effect(Effect{Type: Accepted, ID: st.ID, Kind: st.Header.Kind, Index: index, Precedence: st.Header.Precedence, Status: st.Header.Status, Case: st.InCase(), Time: r.t})
	r.track(st, index)
	r.dispatch(st, sent, index)
	if then != nil {
		then(index)
	}
	return nil
}

var window = hotline.Time(hotline.SubmitWindow.Milliseconds())

func (r *run) maySubmit(st *hotline.Statement) error {
	s, h := r.s, &st.Header
	switch {
	case h.From != s.self:
		return hotline.Refuse(hotline.CodeWrongSender, "a statement of %s in the ledger of %s", h.From, s.self)
	case h.Convention != s.convention:
		return hotline.Refuse(hotline.CodeConvention, "the statement names another convention")
	case !st.Complete():
		return hotline.Refuse(hotline.CodeMissingAuthor, "%d of %d authors have signed", st.Signed, len(h.Authors))
	case h.Issued < r.t-window:
		return hotline.Refuse(hotline.CodeStale, "issued more than %s before; sign it anew", hotline.SubmitWindow)
	case h.Issued > hotline.LastTime: // its id could not be remembered
		return hotline.Refuse(hotline.CodeStale, "issued beyond the year 9999; set the clock of that machine and sign it anew")
	}
	d, c := s.Directory(s.self), s.Convention(r.t)
	if d == nil || c == nil || len(s.voters) == 0 {
		return hotline.Refuse(hotline.CodeInternal, "the ledger has no own directory, convention or members yet")
	}
	if h.Directory > d.Number {
		return hotline.Refuse(hotline.CodeNeed, "directory %d is not in the ledger; newest is %d", h.Directory, d.Number)
	}
	if err := s.fitsVersion(h.ConventionVersion, c.Version, r.t); err != nil {
		return err
	}
	if err := s.observes(h); err != nil {
		return err
	}
	if err := mayAuthor(st, d, r.t); err != nil {
		return err
	}
	for _, p := range slices.Concat(h.To, h.Notify) {
		if c.Member(p) == nil || s.Directory(p) == nil {
			return hotline.Refuse(hotline.CodeWrongAddressee, "%s is no party, or its directory is not known here", p)
		}
	}
	return r.hasRoom(h)
}

// observes refuses a statement whose sender, or whom it names, only observes
// by the version under which it was drafted: during an overlap what is owed
// from before can still be done (SPEC §5.1).
func (s *State) observes(h *hotline.Header) error {
	if h.ConventionVersion > uint64(len(s.conventions)) {
		return nil // no such version can be in force where it was logged
	}
	c := s.conventions[h.ConventionVersion-1]
	for _, p := range slices.Concat([]hotline.Party{h.From}, h.To, h.Notify) {
		if c.Observes(p) {
			return hotline.Refuse(hotline.CodeObserver, "%s only observes under version %d of the convention: it neither gives nor takes statements", p, c.Version)
		}
	}
	return nil
}

// hasRoom holds the bound of each addressee's outbox; the last places are for
// FLASH alone. An automatic alert, of which there is one for each lapse, always has
// room: it goes to all who are still to be told, and one of them who gives no
// receipts must not keep it from the others.
func (r *run) hasRoom(h *hotline.Header) error {
	for _, p := range h.To {
		pair := r.s.pairs[p]
		if pair == nil || h.Kind == hotline.KindAutomaticAlert {
			continue
		}
		limit := outboxLimit(h.Precedence)
		switch {
		case onlyAnswers(h.Kind) && pair.answerRoom() <= 0:
			return hotline.Refuse(hotline.CodeBusy, "%d answers of the group wait for a receipt of %s", hotline.AnswerPlaces, p)
		case pair.room(limit) > 0:
			continue
		}
		if n := pair.unreceipted(); n >= limit {
			return hotline.Refuse(hotline.CodeBusy, "%d statements wait for a receipt of %s", n, p)
		}
		return hotline.Refuse(hotline.CodeBusy, "%d statements wait for a receipt or an acknowledgement of %s", len(pair.Sent), p)
	}
	if len(h.To) > 1 && h.Case == nil && !h.Kind.Rules().Opens {
		return hotline.Refuse(hotline.CodeHeader, "without a case a statement has one addressee")
	}
	return nil
}

// outboxLimit is how many statements may wait for a peer's receipts before one of this
// precedence is refused.
func outboxLimit(p hotline.Precedence) int {
	if p == hotline.Flash {
		return hotline.MaxOutbox
	}
	return hotline.MaxOutbox - hotline.FlashReserve
}

// room is how many statements the outbox certainly still takes up to a limit; none or
// less if it is full.
func (p *Pair) room(limit int) int {
	if n := len(p.Sent); n < limit {
		return limit - n
	}
	return min(limit-p.unreceipted(), hotline.MaxAwaiting-len(p.Sent))
}

// onlyAnswers reports whether the group says a kind only because of what the addressee
// sent, who alone decides how many there are (SPEC §6.8). None is ever acknowledged.
func onlyAnswers(k hotline.Kind) bool {
	return k == hotline.KindReject || k == hotline.KindLineReply || k == hotline.KindEscalation || k == hotline.KindUnreadable
}

// answerRoom is how many such answers the outbox certainly still takes: what is owed to a
// peer must find room whatever it sends.
func (p *Pair) answerRoom() int {
	room := hotline.AnswerPlaces - len(p.Sent)
	if room > 0 {
		return room
	}
	room = hotline.AnswerPlaces
	for _, o := range p.Sent {
		if onlyAnswers(o.Kind) {
			room--
		}
	}
	return room
}

// unreceipted counts what still has to be delivered: what was receipted and
// only waits for a person must not hold up what has not been.
func (p *Pair) unreceipted() (n int) {
	for _, o := range p.Sent {
		if !o.Receipted {
			n++
		}
	}
	return n
}

// sent numbers the statement towards each addressee.
func (r *run) sent(st *hotline.Statement) *hotline.Sent {
	s, h := r.s, &st.Header
	sent := &hotline.Sent{Directory: s.Directory(s.self).Number, Convention: s.Convention(r.t).Version,
		Voters: uint64(len(s.voters)), Statement: st.Raw, Marks: r.marks(h.Issued, r.t), Anchor: r.anchor()}
	for i, p := range h.To {
		n := s.pair(p).NextOut
		if i < len(r.given) {
			n = s.numberGiven(p, n, r.given[i].N)
		}
		sent.Sequences = append(sent.Sequences, hotline.Sequence{To: p, N: n})
	}
	return sent
}

func (r *run) marks(issued, logged hotline.Time) (m hotline.Marks) {
	skew := hotline.Time(hotline.SkewMark.Milliseconds())
	if r.unproven {
		m |= hotline.MarkTimeUnproven
	}
	if issued < logged-skew || issued > logged+skew {
		m |= hotline.MarkSkewed
	}
	return m
}

// dispatch puts the statement into each addressee's outbox and starts the
// clock of non-delivery.
func (r *run) dispatch(st *hotline.Statement, sent *hotline.Sent, index uint64) {
	s, h, in := r.s, &st.Header, st.InCase()
	terms := &s.Convention(r.t).Terms
	for _, q := range sent.Sequences {
		if !s.concerns(q.To) {
			continue
		}
		pair := s.pair(q.To)
		pair.NextOut = q.N + 1
		if s.part.ofCase() && in == nil {
			continue // what becomes of it is not shown
		}
		pair.Sent[st.ID] = &Sent{ID: st.ID, Kind: h.Kind, Status: h.Status, Precedence: h.Precedence, Case: in,
			Index: index, Sequence: q.N, Time: r.t}
		if h.Kind.Rules().Undeliver {
			r.s.open(&Duty{Class: hotline.DutyDeliver, Subject: st.ID, Peer: q.To, Case: in, Status: h.Status,
				Precedence: h.Precedence, Opened: r.t, Deadline: r.t + hotline.Time(terms.NonDelivery.At(h.Precedence))},
				single("operator", s.onDuty(hotline.Operator)))
		}
		if k := s.caseOf(in); k != nil {
			k.tell(q.To, st.ID, ToldTendered)
		}
		r.effect(Effect{Type: Deliver, Peer: q.To, ID: st.ID, Kind: h.Kind, Index: index, Sequence: q.N,
			Precedence: h.Precedence, Status: h.Status, Time: r.t, Case: in})
	}
}

// onDuty names the officers with a role; if there are none, whoever stands on
// the first rung of the owing ladder.
func (s *State) onDuty(role hotline.Role) []string {
	d := s.Directory(s.self)
	if d == nil {
		return nil
	}
	var names []string
	for i := range d.Officers {
		if o := &d.Officers[i]; o.Has(role) && o.Revoked == 0 && len(names) < hotline.MaxTargets {
			names = append(names, o.Name)
		}
	}
	if len(names) == 0 {
		if l := s.Ladder(); len(l.Owing) > 0 {
			return l.Owing[0].Targets
		}
	}
	return names
}

// ownScope says whom an own statement of a time concerns.
func (s *State) ownScope(st *hotline.Statement, at hotline.Time) hotline.Scope {
	h := &st.Header
	parties := slices.Concat([]hotline.Party{s.self}, h.To, h.Notify, s.toldBefore(h))
	if h.Kind == hotline.KindNonDelivery {
		if body, err := st.OpenBody(); err == nil {
			parties = append(parties, body.(*hotline.NonDelivery).To)
		}
	}
	if h.Kind == hotline.KindLateReason {
		if l := s.explained(h, at); l != nil && l.Peer != "" {
			parties = append(parties, l.Peer)
		}
	}
	if c := st.InCase(); c != nil {
		return hotline.CaseScope(*c, parties...)
	}
	if len(parties) == 2 {
		return hotline.PairScope(parties[0], parties[1])
	}
	return hotline.Common()
}

// track notes the statement in its case, which it may open.
func (r *run) track(st *hotline.Statement, index uint64) {
	h, in := &st.Header, st.InCase()
	k := r.s.caseOf(in)
	if k == nil && in != nil {
		k = &Case{ID: *in, Status: h.Status, Precedence: h.Precedence, Stage: Opened, Opened: r.t}
		if h.Kind == hotline.KindDetection {
			k.Stage, k.Detected = Detected, h.Detected
		}
		r.s.keepCase(k)
	}
	if k != nil {
		k.note(st, index, r.t)
		k.admit(slices.Concat([]hotline.Party{h.From}, h.To)...)
		r.s.settle(k, r.t)
	}
}

func (c *Case) note(st *hotline.Statement, index uint64, t hotline.Time) {
	h := &st.Header
	x := Known{ID: st.ID, Kind: h.Kind, From: h.From, To: h.To, Index: index, Time: t, Precedence: h.Precedence, Disposition: h.Disposition}
	if h.Re != nil {
		x.Re = *h.Re
	}
	if h.Kind == hotline.KindAlert && h.Status == hotline.Actual && len(h.Authors) == 1 {
		x.Alone = h.Authors[0]
	}
	c.Known = append(c.Known, x)
	c.Touched = t
}

// inCase finds the case of a statement at t and checks that its author may use it.
func (s *State) inCase(id *hotline.CaseID, h *hotline.Header, t hotline.Time) (*Case, error) {
	k := s.caseOf(id)
	switch {
	case k == nil || s.forgotten(k, t):
		return nil, hotline.Refuse(hotline.CodeCase, "case %s is not known here", id)
	case !slices.Contains(k.Parties, h.From):
		return nil, hotline.Refuse(hotline.CodeCase, "%s was no addressee in case %s", h.From, id)
	case k.Status != h.Status:
		return nil, hotline.Refuse(hotline.CodeStatus, "%s in a case that is %s", h.Status, k.Status)
	case h.From != s.self && k.saidBy(h.From) >= hotline.MaxInCase && !s.lapsed(k, h.From, t):
		return nil, hotline.Refuse(hotline.CodeBusy, "case %s has %d statements of %s; open another case", id, hotline.MaxInCase, h.From)
	}
	return k, nil
}

// saidBy counts the statements of a party in a case. The bound is each one's own: who fills
// a case keeps neither this party from answering in it nor another from being heard.
func (c *Case) saidBy(p hotline.Party) (n int) {
	for i := range c.Known {
		if c.Known[i].From == p {
			n++
		}
	}
	return n
}
