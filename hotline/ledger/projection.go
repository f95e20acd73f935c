package ledger

import (
	"container/heap"
	"fmt"
	"slices"

	"example.org/hotline/hotline"
)

// A projection shows the part of a log that concerns two parties (SPEC §7.6).
// Nearly every decision in it reads common state, the pair, or its cases. What
// a decision could read of the hidden entries is listed here, and is taken as
// the log gives it: the numbers of clocks within a case; that a third party
// opened a case or admitted somebody to it; that the duty to assess or to
// alert was discharged, or opened, towards a third party alone. Nothing else
// is: an entry that these do not explain is a Difference.

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
	r.assume(e, content)
	if err := r.apply(c, given); err != nil {
		return &Difference{Index: index, Text: err.Error()}
	}
	return r.match(index, e)
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
		if !ok || next > run.t || !r.mayBeDone(r.s.heap[0].duty) && !r.s.over(r.s.heap[0].duty) {
			return &Difference{Index: index, Text: "no clock of what is shown is due here in this order"}
		}
		r.s.close(r.s.heap[0].duty)
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
		if !r.mayBeDone(d) && !r.s.over(d) {
			return &Difference{Index: index, Missing: hotline.EntryDue,
				Text: fmt.Sprintf("the clock of the duty %s that was due at %d did not fire before it", d.Class, next)}
		}
		r.s.close(d)
	}
}

// mayBeDone reports whether a hidden statement can have discharged the duty:
// an assessment that names third parties alone, or the alert to those of them
// who were still to be told.
func (r *Replay) mayBeDone(d *Duty) bool {
	switch d.Class {
	case hotline.DutyAssess:
		return true
	case hotline.DutyAlert:
		k := r.s.caseOf(d.Case)
		return k != nil && len(k.Untold) > 0 && !slices.ContainsFunc(k.Untold, r.shows)
	}
	return false
}

func (r *Replay) shows(p hotline.Party) bool { return r.s.only[p] }

// owedToHidden reports whether a due entry is of a duty towards third parties
// alone, which a hidden statement opened.
func (r *Replay) owedToHidden(e *hotline.Entry, due *hotline.Due) bool {
	if (due.Duty != hotline.DutyAlert && due.Duty != hotline.DutyRatify) || due.Peer != "" || e.Scope.Case == nil || e.Cause != hotline.Derived {
		return false
	}
	k := r.s.caseOf(e.Scope.Case)
	return k == nil || (k.known(due.Subject) == nil && find(k.Duties, due.Duty, due.Subject, "") == nil)
}

// assume puts into the state what the entry shows to have happened hidden.
func (r *Replay) assume(e *hotline.Entry, content any) {
	switch x := content.(type) {
	case *hotline.Sent:
		if st, err := hotline.Parse(x.Statement); err == nil {
			r.assumeSent(e, st)
		}
	case *hotline.Received:
		st, err := hotline.Parse(x.Statement)
		if err != nil || st.InCase() == nil {
			return
		}
		switch x.Code {
		case "", hotline.CodeStatus:
			r.assumeCase(e, st, x.Code)
		case hotline.CodeCase:
			r.assumeForgotten(st.InCase(), e.Time)
		}
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
	if h.Kind == hotline.KindAlert && (k.Stage == Detected || k.Stage == BelowThreshold || k.Stage == Retracted) {
		if d := find(k.Duties, hotline.DutyAssess, k.ID.ID, ""); d != nil {
			s.close(d)
		}
		k.Stage = NotifiableCase
	}
	if a := s.asks[askKey{h.Cause - 1, h.Kind}]; a != nil && h.Kind == hotline.KindAutomaticAlert && r.lacksHidden(a.To, h.To) {
		a.To = slices.Clone(h.To)
	}
}

// lacksHidden reports whether to is asked without some third parties, whom a
// hidden alert told before.
func (r *Replay) lacksHidden(asked, to []hotline.Party) bool {
	for _, p := range asked {
		if r.shows(p) && !slices.Contains(to, p) {
			return false
		}
	}
	return !slices.ContainsFunc(to, func(p hotline.Party) bool { return !slices.Contains(asked, p) })
}

// assumeCase opens a case, or admits a party to it, where a third party's
// hidden statement must have done so. A case rejected for its status had
// another one.
func (r *Replay) assumeCase(e *hotline.Entry, st *hotline.Statement, code hotline.Code) {
	s, h, in := r.s, &st.Header, st.InCase()
	if k := s.caseOf(in); k != nil {
		if code == "" {
			k.admit(h.From)
		}
		return
	}
	if in.Party == s.self && h.From == s.self && code == "" {
		// Shown from a detection on; so a request to third parties alone has
		// opened it, and nothing that follows a detection is accepted in it.
		s.cases[in.Key()] = &Case{ID: *in, Status: h.Status, Precedence: h.Precedence, Stage: Opened, Opened: e.Time,
			Touched: e.Time, Parties: []hotline.Party{s.self}}
		return
	}
	if in.Party == s.self || (in.Party == h.From && code == "") {
		return // its opener opens it
	}
	status := h.Status
	if code == hotline.CodeStatus {
		status = hotline.Actual + hotline.Exercise - min(h.Status, hotline.Exercise)
	}
	s.cases[in.Key()] = &Case{ID: *in, Status: status, Precedence: h.Precedence, Stage: Concerned, Opened: e.Time,
		Touched: e.Time, Parties: []hotline.Party{h.From}}
}

// assumeForgotten forgets a case that was settled for so long that the log may
// have forgotten it.
func (r *Replay) assumeForgotten(id *hotline.CaseID, t hotline.Time) {
	k := r.s.caseOf(id)
	if k != nil && len(k.Duties) == 0 && k.Touched+hotline.Time(hotline.SettledMemory.Milliseconds()) < t {
		delete(r.s.cases, id.Key())
	}
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
