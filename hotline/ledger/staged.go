package ledger

import (
	"slices"

	"example.org/hotline/hotline"
)

// This file holds the staged reports that follow an alert, and the retraction
// (SPEC §6.9). Each addressee of an alert is owed a supplement, progress
// reports and a final report by clocks of its own; the addressee keeps the same
// clocks, provisionally.

// side says which duties one side of the reports keeps, and on which rungs.
type side struct {
	supplement, progress, final hotline.Duty
	rungs                       []hotline.Rung
}

func (s *State) owingSide() side {
	return side{hotline.DutySupplement, hotline.DutyProgress, hotline.DutyFinal, s.Ladder().Owing}
}

func (s *State) waitingSide() side {
	return side{hotline.DutyAwaitSupplement, hotline.DutyAwaitProgress, hotline.DutyAwaitFinal, from(s.Ladder().Receiving, hotline.Deadline)}
}

func (x *side) reports() []hotline.Duty { return []hotline.Duty{x.supplement, x.progress, x.final} }

// between is what one party tells another in a case, from this ledger's side.
type between struct {
	k            *Case
	teller, told hotline.Party
	peer         hotline.Party // the one of the two that is not this party
	side
}

func (s *State) tells(k *Case, told hotline.Party) between {
	return between{k, s.self, told, told, s.owingSide()}
}

func (s *State) isTold(k *Case, teller hotline.Party) between {
	return between{k, teller, s.self, teller, s.waitingSide()}
}

// alerted opens the clocks of the reports that follow an alert. Those that are
// open stay as they are: a second alert moves no clock. A test is followed by
// no report.
func (r *run) alerted(b between, st *hotline.Statement) {
	h := &st.Header
	if h.Status == hotline.Test || b.k.retracted(b.teller, st.ID) || b.k.said(b.teller, b.told, hotline.KindFinal) {
		return
	}
	terms := &r.s.Convention(r.t).Terms
	if !b.k.said(b.teller, b.told, hotline.KindSupplement) {
		r.startReport(b, b.supplement, st, terms.Supplement)
	}
	r.startReport(b, b.progress, st, terms.Progress.At(h.Precedence))
	r.startReport(b, b.final, st, terms.Final)
}

func (r *run) startReport(b between, class hotline.Duty, by *hotline.Statement, term int64) {
	if term == 0 || ofClass(b.k.Duties, class, b.peer) != nil {
		return
	}
	id := b.k.ID
	r.s.open(&Duty{Class: class, Subject: by.ID, Peer: b.peer, Case: &id, Status: b.k.Status, Precedence: by.Header.Precedence,
		Opened: r.t, Deadline: r.t + hotline.Time(term)}, b.rungs)
}

// reported closes what a report discharges. A supplement or a progress report
// begins the time to the next one anew, as long as no final report was given.
func (r *run) reported(b between, st *hotline.Statement) {
	switch st.Header.Kind {
	case hotline.KindFinal:
		for _, class := range b.reports() {
			r.dischargeClass(b, class)
		}
		return
	case hotline.KindSupplement:
		r.dischargeClass(b, b.supplement)
	}
	alert := b.k.alert(b.teller, b.told)
	if alert == nil || b.k.Status == hotline.Test || b.k.said(b.teller, b.told, hotline.KindFinal) {
		return
	}
	r.dischargeClass(b, b.progress)
	r.startReport(b, b.progress, st, r.s.Convention(r.t).Terms.Progress.At(alert.Precedence))
}

func (r *run) dischargeClass(b between, class hotline.Duty) {
	if d := ofClass(b.k.Duties, class, b.peer); d != nil {
		r.dischargeDuty(d)
	}
}

// ofClass returns the open duty of a class towards a peer, whatever opened it.
func ofClass(duties []*Duty, class hotline.Duty, peer hotline.Party) *Duty {
	for _, d := range duties {
		if d.Class == class && d.Peer == peer {
			return d
		}
	}
	return nil
}

// report takes an own supplement, progress or final report: it goes to those
// who were alerted.
func (r *run) report(st *hotline.Statement, k *Case) (func(uint64), error) {
	s := r.s
	for _, p := range st.Header.To {
		if s.concerns(p) && k.alert(s.self, p) == nil {
			return nil, hotline.Refuse(hotline.CodeNotOwed, "%s holds no alert of this case that was not retracted", p)
		}
	}
	return func(uint64) {
		for _, p := range st.Header.To {
			r.reported(s.tells(k, p), st)
		}
	}, nil
}

// alertedHere opens what this party waits for after a peer's alert.
func (r *run) alertedHere(st *hotline.Statement) func(uint64) {
	return func(uint64) { r.alerted(r.s.isTold(r.s.caseOf(st.InCase()), st.Header.From), st) }
}

// reportedHere takes a peer's report. It may overtake the alert.
func (r *run) reportedHere(st *hotline.Statement) func(uint64) {
	return func(uint64) { r.reported(r.s.isTold(r.s.caseOf(st.InCase()), st.Header.From), st) }
}

// retract takes back an own statement, towards all of its addressees.
func (r *run) retract(st *hotline.Statement, k *Case) (func(uint64), error) {
	s, h := r.s, &st.Header
	what := k.known(*h.Re)
	switch {
	case what == nil || what.From != s.self || !what.Kind.Rules().OpensAck || what.Kind == hotline.KindRetract:
		return nil, hotline.Refuse(hotline.CodeReference, "%s is no own statement of this case that can be retracted", h.Re.Short())
	case k.retracted(s.self, *h.Re):
		return nil, hotline.Refuse(hotline.CodeDuplicate, "%s is retracted already", h.Re.Short())
	case !s.goesLike(h.To, what, r.t):
		return nil, hotline.Refuse(hotline.CodeWrongAddressee, "a retraction goes to the addressees of what it retracts: %v", s.tellable(what.To, r.t))
	}
	back := *what
	return func(uint64) {
		for _, p := range back.To { // towards one who left or only observes, too
			r.withdrawn(s.tells(k, p), &back, st)
		}
		if isAlert(back.Kind) && k.Stage == Tendered && !k.standsAlert(s.self) && find(k.Duties, hotline.DutyAlert, k.Assessment, "") == nil {
			k.Stage = Retracted // else somebody waits to be told
		}
	}, nil
}

// withdrawn ends what a retracted statement opened, on either side. by retracts it.
func (r *run) withdrawn(b between, what *Known, by *hotline.Statement) {
	if isAlert(what.Kind) {
		r.alertWithdrawn(b, what, by)
	}
	if a := answering[what.Kind]; a != nil {
		class := a.await
		if b.told == r.s.self {
			class = a.owe
		}
		if d := b.k.openAnswer(class, b.peer, what.ID); d != nil {
			r.withdraw(d)
		}
	}
}

// alertWithdrawn ends the reports that followed an alert. Where a less urgent one
// stands they go on for that, and reports of progress by its term: it may have none.
func (r *run) alertWithdrawn(b between, what *Known, by *hotline.Statement) {
	stands := b.k.alert(b.teller, b.told)
	if stands == nil {
		for _, class := range b.reports() {
			if d := ofClass(b.k.Duties, class, b.peer); d != nil {
				r.withdraw(d)
			}
		}
		return
	}
	if stands.Precedence <= what.Precedence || b.k.Status == hotline.Test || b.k.said(b.teller, b.told, hotline.KindFinal) {
		return
	}
	term := r.s.Convention(r.t).Terms.Progress.At(stands.Precedence)
	if d := ofClass(b.k.Duties, b.progress, b.peer); d != nil {
		if d.Deadline-d.Opened == hotline.Time(term) {
			return
		}
		r.withdraw(d)
	}
	r.startReport(b, b.progress, by, term)
}

// retractedHere takes a peer's retraction. It may overtake what it retracts,
// which then opens nothing but the duty to acknowledge.
func (r *run) retractedHere(st *hotline.Statement) func(uint64) {
	return func(uint64) {
		k := r.s.caseOf(st.InCase())
		if what := k.known(*st.Header.Re); what != nil && what.From == st.Header.From {
			r.withdrawn(r.s.isTold(k, st.Header.From), what, st)
		}
	}
}

func isAlert(k hotline.Kind) bool { return k == hotline.KindAlert || k == hotline.KindAutomaticAlert }

// standsAlert reports whether an alert of a party in the case was not retracted.
func (c *Case) standsAlert(teller hotline.Party) bool {
	back := c.takenBack(teller)
	return slices.ContainsFunc(c.Known, func(x Known) bool { return isAlert(x.Kind) && x.From == teller && !back[x.ID] })
}

// alert returns the most urgent alert of one party to another that was not
// retracted, or nil.
func (c *Case) alert(teller, told hotline.Party) *Known {
	var found *Known
	back := c.takenBack(teller)
	for i := range c.Known {
		x := &c.Known[i]
		if isAlert(x.Kind) && x.From == teller && x.goesTo(told) && !back[x.ID] &&
			(found == nil || x.Precedence < found.Precedence) { // FLASH is the lowest number
			found = x
		}
	}
	return found
}

// said reports whether a party told another a statement of a kind that was not
// retracted.
func (c *Case) said(teller, told hotline.Party, kind hotline.Kind) bool {
	return c.newest(teller, told, kind) != nil
}

// newest finds the newest such statement. A report counts only as long as an alert
// stands: it belonged to what was retracted (SPEC §6.9).
func (c *Case) newest(teller, told hotline.Party, kind hotline.Kind) *Known {
	back, since := c.takenBack(teller), 0
	if kind == hotline.KindSupplement || kind == hotline.KindProgress || kind == hotline.KindFinal {
		since = c.sinceNoneStood(teller, told)
	}
	for i := len(c.Known) - 1; i >= since; i-- {
		if x := &c.Known[i]; x.Kind == kind && x.From == teller && x.goesTo(told) && !back[x.ID] {
			return x
		}
	}
	return nil
}

// sinceNoneStood is the place behind the last retraction that left no alert of one
// party to another standing; 0: none did. It may have overtaken its alert.
func (c *Case) sinceNoneStood(teller, told hotline.Party) (since int) {
	alerts, standing, back := map[hotline.ID]bool{}, map[hotline.ID]bool{}, map[hotline.ID]bool{}
	for i := range c.Known {
		if x := &c.Known[i]; isAlert(x.Kind) && x.From == teller && x.goesTo(told) {
			alerts[x.ID] = true
		}
	}
	for i := range c.Known {
		switch x := &c.Known[i]; {
		case x.From != teller:
		case alerts[x.ID] && !back[x.ID]:
			standing[x.ID] = true
		case x.Kind == hotline.KindRetract && alerts[x.Re]: // whomever it goes to
			back[x.Re] = true
			delete(standing, x.Re)
			if len(standing) == 0 {
				since = i + 1
			}
		}
	}
	return since
}

// takenBack are the statements that a party has retracted: one pass over a case
// that a peer may have filled.
func (c *Case) takenBack(by hotline.Party) map[hotline.ID]bool {
	var back map[hotline.ID]bool
	for i := range c.Known {
		if x := &c.Known[i]; x.Kind == hotline.KindRetract && x.From == by {
			if back == nil {
				back = map[hotline.ID]bool{}
			}
			back[x.Re] = true
		}
	}
	return back
}

// retracted reports whether a party has retracted its statement.
func (c *Case) retracted(by hotline.Party, id hotline.ID) bool {
	return slices.ContainsFunc(c.Known, func(x Known) bool { return x.Kind == hotline.KindRetract && x.From == by && x.Re == id })
}
