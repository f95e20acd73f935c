package ledger

import (
	"container/heap"
	"fmt"
	"maps"
	"slices"

	"example.org/hotline/hotline"
)

// A projection shows the part of a log that concerns two parties, or one case,
// or both (SPEC §7.6). Nearly every decision in it reads common state, the pair,
// or its cases. What a decision could read of the hidden entries is listed here,
// and is taken as the log gives it. Of two parties: the numbers of clocks within
// a case; that a third party opened a case or admitted somebody to it; that the
// duty to assess or to alert was discharged, or opened, towards a third party
// alone, or the last alert that stood retracted towards it; that a case that is
// settled as far as it is shown was forgotten, or opened anew in another status.
// Of a case: which sequences the hidden entries used up. Of both: that too many
// other cases are open. Nothing else is: an entry that these do not explain is a Difference.

// Part says what a projection shows beside what is common.
type Part struct {
	Parties map[hotline.Party]bool // what concerns these, the log's own among them; nil: what concerns anybody
	Case    *hotline.CaseID        // of this case alone, and of no line; nil: of every case and line
}

// ofParties reports whether what concerns others is hidden.
func (p *Part) ofParties() bool { return p != nil && p.Parties != nil }

// ofCase reports whether other cases and the lines are hidden.
func (p *Part) ofCase() bool { return p != nil && p.Case != nil }

// concerns reports whether what is told to p stands in the part of the log that
// is replayed.
func (s *State) concerns(p hotline.Party) bool { return !s.part.ofParties() || s.part.Parties[p] }

// follows reports whether the part of the log that is replayed shows what
// becomes of a duty.
func (s *State) follows(d *Duty) bool {
	return d.Peer == "" || s.concerns(d.Peer) && (d.Case != nil || !s.part.ofCase())
}

// numberGiven is the sequence of an own statement towards p, of which next is the
// lowest that is free by what is shown: a part of a log does not show how far
// the others are, nor what another case used up.
func (s *State) numberGiven(p hotline.Party, next, given uint64) uint64 {
	switch {
	case !s.concerns(p):
		return given
	case s.part.ofCase():
		return max(next, given)
	}
	return next
}

// project takes an entry that a projection shows.
func (r *Replay) project(index uint64, e *hotline.Entry, content any, verify func(*Command) error) error {
	switch x := content.(type) {
	case *hotline.Clock:
		return r.projectClock(index, e, x)
	case *hotline.Due:
		return r.projectDue(index, e, x)
	}
	if err := r.passClocks(index, e.Time); err != nil {
		return err
	}
	c, given := recall(e, content)
	if verify != nil {
		if err := verify(c); err != nil {
			return &Difference{Index: index, Text: err.Error()}
		}
	}
	if r.elsewhere(&e.Scope) {
		return r.projectReject(index, e, content, c)
	}
	forget := r.assume(e, content)
	err := r.apply(c, given)
	forget()
	if err != nil {
		return &Difference{Index: index, Text: err.Error()}
	}
	return r.match(index, e)
}

// elsewhere reports whether an entry belongs to no case of the part that is
// replayed, and is not common.
func (r *Replay) elsewhere(s *hotline.Scope) bool {
	return r.s.part.ofCase() && s.Class != hotline.ScopeCommon && (s.Case == nil || *s.Case != *r.s.part.Case)
}

// projectReject takes the reject of a statement of the case that stands outside
// of it. Whether it was to be made or accepted is decided by what is hidden, and
// taken as given; what that of a peer does in the case is not.
func (r *Replay) projectReject(index uint64, e *hotline.Entry, content any, c *Command) error {
	st, err := c.ParseStatement()
	if err != nil || st.Header.Kind != hotline.KindReject {
		return &Difference{Index: index, Text: "belongs to nothing that is shown"}
	}
	run := r.run(&Command{Type: Tick, Time: e.Time})
	run.setTime()
	if x, ok := content.(*hotline.Received); ok && x.Code == "" {
		o, err := r.s.rejectedBy(st)
		if err != nil {
			return &Difference{Index: index, Text: err.Error()}
		}
		run.undeliverable(&st.Header, o)
	}
	r.expect(run)
	r.s.size++
	r.s.time = run.t
	return nil
}

// projectClock takes clock readings at once: the command behind them may be
// hidden.
func (r *Replay) projectClock(index uint64, e *hotline.Entry, c *hotline.Clock) error {
	s := r.s
	switch {
	case e.Time < s.time || !s.NeedsReadings(e.Time):
		return &Difference{Index: index, Text: "clock readings where time does not step"}
	case !s.readingsBack(c.Readings, e.Time):
		return &Difference{Index: index, Text: "the readings do not back the time of their entry"}
	case e.Cause != hotline.Outside || !sameScope(e.Scope, hotline.Common()):
		return &Difference{Index: index, Text: "scope or cause differ from the decisions"}
	}
	s.backed, s.time = e.Time, e.Time
	s.size++
	return nil
}

// projectDue fires the one clock that the entry tells of. Every clock of a
// duty shown stands in the projection, so none may be passed over.
func (r *Replay) projectDue(index uint64, e *hotline.Entry, due *hotline.Due) error {
	run := r.run(&Command{Type: Tick, Time: e.Time})
	run.setTime()
	for {
		next, ok := r.s.NextDeadline()
		if ok && next <= run.t && r.s.heap[0].tells(due) {
			break
		}
		if r.owedToHidden(e, due) {
			r.pageHidden(index, e, due)
			if k := r.s.caseOf(e.Scope.Case); k != nil && due.Overdue {
				r.s.late(&Duty{Class: due.Duty, Subject: due.Subject, Case: e.Scope.Case}, due.Due, index)
			}
			r.s.size++
			r.s.time = run.t
			return nil
		}
		if !ok || next > run.t || !r.s.mayBeDone(r.s.heap[0].duty, next) && !r.s.over(r.s.heap[0].duty) {
			return &Difference{Index: index, Text: "no clock of what is shown is due here in this order"}
		}
		run.passOver(r.s.heap[0].duty)
	}
	ref := heap.Pop(&r.s.heap).(clockRef)
	run.fired(ref.duty, map[*Duty]int{})
	r.expect(run)
	r.s.forget(run.t)
	return r.match(index, e)
}

// tells reports whether a due entry is that of this clock.
func (c *clockRef) tells(due *hotline.Due) bool {
	d := c.duty
	return d.Class == due.Duty && d.Subject == due.Subject && d.Peer == due.Peer && c.due == due.Due && d.Clocks[d.Next].Permille == due.Permille
}

// passClocks holds an outside entry to SPEC §6.1: every clock at or before its
// time has fired.
func (r *Replay) passClocks(index uint64, t hotline.Time) error {
	for {
		next, ok := r.s.NextDeadline()
		if !ok || next > t {
			return nil
		}
		d := r.s.heap[0].duty
		if !r.s.mayBeDone(d, next) && !r.s.over(d) {
			return &Difference{Index: index, Missing: hotline.EntryDue,
				Text: fmt.Sprintf("the clock of the duty %s that was due at %d did not fire before it", d.Class, next)}
		}
		r.run(&Command{Type: Tick, Time: t}).passOver(d)
	}
}

// mayBeDone reports whether a hidden statement can have discharged the duty by t:
// an assessment that names third parties alone, or the alert to those of them
// who were still to be told.
func (s *State) mayBeDone(d *Duty, t hotline.Time) bool {
	if !s.part.ofParties() {
		return false
	}
	switch d.Class {
	case hotline.DutyAssess:
		return true
	case hotline.DutyAlert:
		k := s.caseOf(d.Case)
		return k != nil && s.toldHidden(k, d, t)
	}
	return false
}

// toldHidden reports whether third parties alone were still to be told by t.
func (s *State) toldHidden(k *Case, d *Duty, t hotline.Time) bool {
	left := k.Untold
	if d.Overdue {
		left = s.tellable(left, t)
	}
	return len(k.Untold) > 0 && !slices.ContainsFunc(left, s.concerns)
}

// owedToHidden reports whether a due entry is of a duty towards third parties
// alone, which a hidden statement opened.
func (r *Replay) owedToHidden(e *hotline.Entry, due *hotline.Due) bool {
	if !r.s.part.ofParties() {
		return false
	}
	if (due.Duty != hotline.DutyAlert && due.Duty != hotline.DutyRatify) || due.Peer != "" || e.Scope.Case == nil || e.Cause != hotline.Derived {
		return false
	}
	k := r.s.caseOf(e.Scope.Case)
	return k == nil || (k.known(due.Subject) == nil && find(k.Duties, due.Duty, due.Subject, "") == nil)
}

// assume puts into the state what the entry shows to have happened hidden. What
// it returns takes out again what holds for this entry alone.
func (r *Replay) assume(e *hotline.Entry, content any) (forget func()) {
	forget = func() {}
	switch x := content.(type) {
	case *hotline.Sent:
		if st, err := hotline.Parse(x.Statement); err == nil && r.s.part.ofParties() {
			r.assumeSent(e, st)
		}
	case *hotline.Received:
		st, err := hotline.Parse(x.Statement)
		if err != nil {
			return forget
		}
		r.s.crowded = x.Code == hotline.CodeBusy
		if st.InCase() != nil && r.s.part.ofParties() {
			forget = r.assumeReceived(e, st, x.Code)
		}
		if r.s.part.ofCase() {
			r.assumeUsed(st, e.Parts.Sender)
			elsewhere, more := r.assumeElsewhere(st, x.Code, e.Time), forget
			forget = func() { elsewhere(); more() }
		}
	}
	return forget
}

// assumeElsewhere lets a peer speak in the case about an own statement that is
// not of it, as far as the entry shows that there is one: what can be said about
// it there changes nothing in the case.
func (r *Replay) assumeElsewhere(st *hotline.Statement, code hotline.Code, t hotline.Time) (forget func()) {
	h := &st.Header
	switch {
	case h.Re == nil || r.s.sentTo(h.From, *h.Re) != nil,
		h.Kind != hotline.KindAcknowledgement && h.Kind != hotline.KindReject && h.Kind != hotline.KindEscalation && h.Kind != hotline.KindUnreadable,
		code != "" && code != hotline.CodeStatus && code != hotline.CodeCase:
		return func() {}
	}
	if k := r.s.caseOf(st.InCase()); k != nil && !r.s.forgotten(k, t) && k.known(*h.Re) != nil && h.Kind != hotline.KindAcknowledgement {
		return func() {}
	}
	o := &Sent{ID: *h.Re, Kind: hotline.KindText, Status: h.Status, Case: &hotline.CaseID{}}
	if body, err := st.OpenBody(); err == nil && h.Kind == hotline.KindReject {
		o.Sequence = body.(*hotline.Reject).Sequence
	}
	if code == hotline.CodeStatus {
		o.Status = 0
	}
	pair := r.s.pair(h.From)
	pair.Sent[o.ID] = o
	return func() { delete(pair.Sent, o.ID) }
}

// assumeReceived is assume for a statement in a case, where what others do in it
// is hidden. If the case may have been forgotten, what stood between the two has
// lapsed, so it is decided alike whether it was; but for its status, for the
// bound on open cases, and for who may use it.
func (r *Replay) assumeReceived(e *hotline.Entry, st *hotline.Statement, code hotline.Code) (forget func()) {
	s, h, in := r.s, &st.Header, st.InCase()
	s.gone = code == hotline.CodeCase || code == hotline.CodeBusy && in.Party == h.From
	if code == hotline.CodeCase {
		return func() {}
	}
	before := s.caseOf(in)
	was := Case{}
	if before != nil {
		was.Status, was.Parties = before.Status, slices.Clone(before.Parties)
	}
	r.assumeCase(e, st, code)
	if k := s.caseOf(in); k != nil && s.lapsed(k, h.From, e.Time) && (k.Status == h.Status) != (code != hotline.CodeStatus) {
		k.Status = statusOf(h, code) // its opener opened it anew
	}
	return func() {
		switch {
		case code == "":
		case before == nil: // it may have been rejected before the case was looked for
			s.dropCases(in.Key())
		default:
			before.Status, before.Parties = was.Status, was.Parties
		}
	}
}

// statusOf is the status of the case of a statement that was accepted, or rejected
// for its status.
func statusOf(h *hotline.Header, code hotline.Code) hotline.Status {
	if code == hotline.CodeStatus {
		return hotline.Actual + hotline.Exercise - min(h.Status, hotline.Exercise)
	}
	return h.Status
}

// assumeUsed takes the sequences of a peer as used up that must be for this one
// to have come: those further below than a gap may be. An auditor of a case does
// not see them.
func (r *Replay) assumeUsed(st *hotline.Statement, sender *hotline.SenderEntry) {
	d := r.s.DirectoryNumber(st.Header.From, sender.Sent.Directory)
	if d == nil {
		return
	}
	w, n := &r.s.pair(st.Header.From).In, sender.Sent.SequenceFor(r.s.self)
	if d.Generation > w.Generation {
		w.Generation, w.Watermark, w.Above = d.Generation, 0, map[uint64]bool{}
	}
	if n > w.Watermark+hotline.MaxSequenceGap {
		w.Watermark = n - hotline.MaxSequenceGap
		maps.DeleteFunc(w.Above, func(used uint64, _ bool) bool { return used <= w.Watermark })
	}
}

func (r *Replay) assumeSent(e *hotline.Entry, st *hotline.Statement) {
	s, h := r.s, &st.Header
	if h.Case == nil {
		return
	}
	r.assumeCase(e, st, "")
	k := s.caseOf(h.Case)
	if k == nil {
		return
	}
	if h.Kind == hotline.KindAssessment && (k.Stage == NotifiableCase || k.Stage == Tendered) && !k.standsAlert(s.self) {
		// Every alert was retracted, the last of them towards third parties alone;
		// before that it may have told the last of those who were to be told.
		if d := find(k.Duties, hotline.DutyAlert, k.Assessment, ""); d != nil && s.toldHidden(k, d, e.Time) {
			s.lift(d)
		}
		k.Stage = Tendered
	}
	if h.Kind == hotline.KindAlert && (k.Stage == Detected || k.Stage == BelowThreshold || k.Stage == Retracted) {
		if d := find(k.Duties, hotline.DutyAssess, k.ID.ID, ""); d != nil {
			s.close(d)
		}
		k.Stage = NotifiableCase
	}
	if a := s.asks[askKey{h.Cause - 1, h.Kind}]; a != nil && h.Kind == hotline.KindAutomaticAlert && r.lacksHidden(s.addressees(a, e.Time), h.To) {
		a.To = slices.Clone(h.To)
	}
}

// lacksHidden reports whether to is asked without some third parties, whom a
// hidden alert told before.
func (r *Replay) lacksHidden(asked, to []hotline.Party) bool {
	for _, p := range asked {
		if r.s.concerns(p) && !slices.Contains(to, p) {
			return false
		}
	}
	return !slices.ContainsFunc(to, func(p hotline.Party) bool { return !slices.Contains(asked, p) })
}

// assumeCase opens a case, or admits the sender to it, where a hidden statement
// must have done so, by a code that says that the case was found. A case rejected for its status had
// another one.
func (r *Replay) assumeCase(e *hotline.Entry, st *hotline.Statement, code hotline.Code) {
	s, h, in := r.s, &st.Header, st.InCase()
	if k := s.caseOf(in); k != nil {
		k.admit(h.From)
		return
	}
	if in.Party == s.self && h.From == s.self && code == "" {
		// Shown from a detection on; so a request to third parties alone has
		// opened it, and nothing that follows a detection is accepted in it.
		s.keepCase(&Case{ID: *in, Status: h.Status, Precedence: h.Precedence, Stage: Opened, Opened: e.Time,
			Touched: e.Time, Parties: []hotline.Party{s.self}})
		return
	}
	if in.Party == h.From && code != hotline.CodeStatus {
		return // its opener opens it
	}
	stage := Concerned
	if in.Party == s.self {
		stage = Opened // as above
	}
	s.keepCase(&Case{ID: *in, Status: statusOf(h, code), Precedence: h.Precedence, Stage: stage, Opened: e.Time,
		Touched: e.Time, Parties: []hotline.Party{h.From}})
}

// numberAsGiven takes the number of a clock within a case as given: clocks of
// the case towards third parties are counted in it too.
func numberAsGiven(want *hotline.Entry, content any, e *hotline.Entry) any {
	due, ok := content.(*hotline.Due)
	var given hotline.Due
	if !ok || e.Type != hotline.EntryDue || want.Scope.Class != hotline.ScopeCase || hotline.Unmarshal(e.Content, &given, hotline.MaxEntry) != nil {
		return content
	}
	same := *due
	same.Clock = given.Clock
	return &same
}
