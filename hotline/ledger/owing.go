package ledger

import (
	"slices"

	"example.org/hotline/hotline"
)

// own checks what an own statement does, and returns what follows once its entry
// is made.
func (r *run) own(st *hotline.Statement) (func(index uint64), error) {
	h := &st.Header
	if h.Case == nil {
		return r.ownIn(nil, st)
	}
	k, err := r.s.inCase(h.Case, h, r.t)
	if err != nil {
		return nil, err
	}
	then, err := r.ownIn(k, st)
	if err != nil {
		return nil, err
	}
	lapsed := slices.DeleteFunc(slices.Clone(h.To), func(p hotline.Party) bool { return !r.s.concerns(p) || !r.s.lapsed(k, p, r.t) })
	return func(index uint64) {
		for _, p := range lapsed {
			before, said := k.Known[:len(k.Known)-1], k.Known[len(k.Known)-1]
			k.Known = append(lapse(before, r.s.self, p), said)
			r.s.letGo(k, p)
		}
		if then != nil {
			then(index)
		}
	}, nil
}

// ownIn is own in a case, or in none. A kind without a line here follows the
// rules of its table alone: delivered, and acknowledged if it opens that duty.
func (r *run) ownIn(k *Case, st *hotline.Statement) (func(index uint64), error) {
	h := &st.Header
	if h.Case == nil && h.Kind.Rules().Opens && len(r.s.cases) >= hotline.MaxOpenCases {
		return nil, hotline.Refuse(hotline.CodeBusy, "%d cases are open", len(r.s.cases))
	}
	if h.Kind.Rules().Class == hotline.ByGroup {
		return r.ownGroup(st)
	}
	switch h.Kind {
	case hotline.KindDetection:
		return r.detection(st), nil
	case hotline.KindAssessment:
		return r.assessment(st, k)
	case hotline.KindAlert:
		return r.alert(st, k)
	case hotline.KindRatification:
		return r.ratification(st, k)
	case hotline.KindAcknowledgement:
		return r.acknowledgement(st)
	case hotline.KindLadder:
		return r.setLadder(st)
	case hotline.KindSupplement, hotline.KindProgress, hotline.KindFinal:
		return r.report(st, k)
	case hotline.KindRetract:
		return r.retract(st, k)
	case hotline.KindReply, hotline.KindAssistanceResponse:
		return r.answers(st, k)
	case hotline.KindAssistanceDelivered:
		return r.assisted(st, k)
	case hotline.KindHandover:
		return r.handover(st), nil
	case hotline.KindLateReason:
		return r.lateReason(st)
	case hotline.KindDispute:
		return r.dispute(st, k)
	case hotline.KindSuspension:
		return r.suspension(st, k)
	}
	return nil, nil
}

// detection opens a case: T0 is fixed and the duty to assess is open.
func (r *run) detection(st *hotline.Statement) func(uint64) {
	s, h := r.s, &st.Header
	return func(uint64) {
		s.open(&Duty{Class: hotline.DutyAssess, Subject: st.ID, Case: st.InCase(), Status: h.Status, Precedence: h.Precedence,
			Opened: r.t, Deadline: r.t + hotline.Time(s.Convention(r.t).Terms.Assess)}, s.Ladder().Owing)
	}
}

// assessment closes the duty to assess. NOTIFIABLE opens the duty to alert,
// never later than the cap after the detection was adopted; a case below the
// threshold may be assessed again. So may one of which every alert was retracted:
// if somebody still waits to be told, only to say that nothing is to be told any
// more, which ends the duty where everybody sees it (SPEC §6.9).
func (r *run) assessment(st *hotline.Statement, k *Case) (func(uint64), error) {
	s, h := r.s, &st.Header
	switch {
	case k.ID.Party != s.self:
		return nil, hotline.Refuse(hotline.CodeCase, "the case was opened by %s, who assesses it", k.ID.Party)
	case *h.Re != k.ID.ID:
		return nil, hotline.Refuse(hotline.CodeReference, "an assessment refers to the detection that opened its case")
	case k.Stage != Detected && k.Stage != BelowThreshold && k.Stage != Retracted && (k.Stage != Tendered || k.standsAlert(s.self)):
		return nil, hotline.Refuse(hotline.CodeNotOwed, "the case is %s; a further assessment changes nothing", k.Stage)
	case (h.Verdict == hotline.Notifiable) != (len(h.Notify) > 0):
		return nil, hotline.Refuse(hotline.CodeHeader, "NOTIFIABLE names whom to notify, BELOW-THRESHOLD nobody")
	case h.Verdict > hotline.BelowThreshold:
		return nil, hotline.Refuse(hotline.CodeHeader, "verdict %d", h.Verdict)
	}
	owed := find(k.Duties, hotline.DutyAlert, k.Assessment, "")
	if owed != nil && h.Verdict == hotline.Notifiable {
		return nil, hotline.Refuse(hotline.CodeNotOwed, "%v are still to be told by the assessment before; alert whom this one names, too", k.Untold)
	}
	if err := s.followsAnswers(h); err != nil {
		return nil, err
	}
	return func(index uint64) {
		r.discharge(hotline.DutyAssess, k.Duties, k.ID.ID, "")
		if owed != nil {
			r.withdraw(owed)
		}
		k.Assessment, k.AssessedAt, k.Assessed, k.Precedence = st.ID, index, r.t, h.Precedence
		if h.Verdict == hotline.BelowThreshold {
			k.Stage, k.Untold = BelowThreshold, nil
			s.settle(k, r.t)
			return
		}
		k.Stage, k.Untold = NotifiableCase, slices.Clone(h.Notify)
		terms := &s.Convention(r.t).Terms
		deadline := min(r.t+hotline.Time(terms.Alert.At(h.Precedence)), k.Opened+hotline.Time(terms.AlertCap))
		id := k.ID
		s.open(&Duty{Class: hotline.DutyAlert, Subject: st.ID, Case: &id, Status: h.Status, Precedence: h.Precedence,
			Opened: r.t, Deadline: deadline}, s.Ladder().Owing)
	}, nil
}

// withdraw ends a duty of which nothing is done any more. It stops its pages, and
// never counts as having been done.
func (r *run) withdraw(d *Duty) {
	r.s.liftAs(d, DutyWithdrawn)
	r.effect(Effect{Type: Stop, ID: d.Subject, Peer: d.Peer, Duty: d.Class, Case: d.Case, Time: r.t})
}

// followsAnswers holds a verdict to the decision instrument of the convention
// version that the officer answered (SPEC §6.11). The rule demands no more than
// it says: an officer may call NOTIFIABLE what it leaves open, never the other
// way round. It refuses, rather than to note, because a refusal costs nobody
// anything: the officer answers anew, and the clock of the duty goes on.
func (s *State) followsAnswers(h *hotline.Header) error {
	c := s.conventions[h.ConventionVersion-1]
	yes := uint64(0)
	for _, a := range h.Answers {
		if a {
			yes++
		}
	}
	switch t := c.Terms.Threshold; {
	case len(h.Answers) != len(c.Questions) && (t != 0 || len(h.Answers) > 0):
		return hotline.Refuse(hotline.CodeAnswers, "%d answers to %d questions of convention version %d", len(h.Answers), len(c.Questions), c.Version)
	case h.Always > uint64(len(c.Always)):
		return hotline.Refuse(hotline.CodeAnswers, "item %d of %d that are always notifiable by convention version %d", h.Always, len(c.Always), c.Version)
	case h.Verdict == hotline.BelowThreshold && h.Always != 0:
		return hotline.Refuse(hotline.CodeAnswers, "%q is always notifiable", c.Always[h.Always-1])
	case h.Verdict == hotline.BelowThreshold && t != 0 && yes >= t:
		return hotline.Refuse(hotline.CodeAnswers, "%d answers of yes; %d make a case notifiable", yes, t)
	}
	return nil
}

// alert closes the duty to alert once everybody named has been told.
func (r *run) alert(st *hotline.Statement, k *Case) (func(uint64), error) {
	s, h := r.s, &st.Header
	terms := &s.Convention(r.t).Terms
	alone := len(h.Authors) == 1 && h.Status == hotline.Actual
	switch {
	case k.ID.Party != s.self || (k.Stage != NotifiableCase && k.Stage != Tendered):
		return nil, hotline.Refuse(hotline.CodeNotOwed, "an alert follows an own assessment NOTIFIABLE; this case is %s", k.Stage)
	case alone && !terms.OneOfficer:
		return nil, hotline.Refuse(hotline.CodeMissingAuthor, "the terms demand two officers for an ACTUAL alert")
	}
	return func(uint64) {
		r.told(k, h.To)
		for _, p := range h.To {
			r.alerted(s.tells(k, p), st)
		}
		if alone {
			id := k.ID
			s.open(&Duty{Class: hotline.DutyRatify, Subject: st.ID, Case: &id, Status: h.Status, Precedence: h.Precedence,
				Opened: r.t, Deadline: r.t + hotline.Time(terms.Ratify)}, s.Ladder().Owing)
		}
	}, nil
}

// told takes parties off the list of those who must still be told. From the
// deadline on nobody waits for one to whom nothing can be told (SPEC §6.3).
func (r *run) told(k *Case, to []hotline.Party) {
	k.Untold = slices.DeleteFunc(k.Untold, func(p hotline.Party) bool { return slices.Contains(to, p) })
	k.Stage = Tendered
	left := k.Untold
	if d := find(k.Duties, hotline.DutyAlert, k.Assessment, ""); d != nil && d.Overdue {
		left = r.s.tellable(left, r.t)
	}
	if len(left) > 0 {
		r.narrow(k)
		return
	}
	r.discharge(hotline.DutyAlert, k.Duties, k.Assessment, "")
	r.s.dropAsksAbout(hotline.KindAutomaticAlert, k.Assessment)
}

// narrow takes those who were told off an automatic alert that is still to be
// composed, and asks for what is left of it.
func (r *run) narrow(k *Case) {
	for _, a := range r.s.unsaid { // at most one: an assessment has one deadline
		if a.Kind == hotline.KindAutomaticAlert && a.Re == k.Assessment && !slices.Equal(a.To, k.Untold) {
			a.To = slices.Clone(k.Untold)
			r.ask(a)
		}
	}
}

func (r *run) ratification(st *hotline.Statement, k *Case) (func(uint64), error) {
	h := &st.Header
	alert := k.known(*h.Re)
	if alert == nil || find(k.Duties, hotline.DutyRatify, *h.Re, "") == nil {
		return nil, hotline.Refuse(hotline.CodeNotOwed, "no alert of this id waits for ratification")
	}
	if !r.s.goesLike(h.To, alert, r.t) {
		return nil, hotline.Refuse(hotline.CodeWrongAddressee, "a ratification goes to the alert's addressees: %v", r.s.tellable(alert.To, r.t))
	}
	if err := ratifiesAnother(r.s.Directory(r.s.self), h, alert); err != nil {
		return nil, err
	}
	return func(uint64) { r.discharge(hotline.DutyRatify, k.Duties, *h.Re, "") }, nil
}

// ratifiesAnother: nobody ratifies their own release, whatever roles they have.
func ratifiesAnother(d *hotline.SignedDirectory, h *hotline.Header, alert *Known) error {
	by, released := d.Officer(h.Authors[0]), d.Officer(alert.Alone)
	if h.Authors[0] == alert.Alone || by != nil && released != nil && (by.Name == released.Name || !by.Person.IsZero() && by.Person == released.Person) {
		return hotline.Refuse(hotline.CodeSameOfficer, "the alert was released by the same person; have another authority ratify it")
	}
	return nil
}

// ratifiedHere judges a peer's ratification by the alert, if that is here: it may be
// overtaken on the way. What others said in the case decides nothing: a projection
// does not show it.
func ratifiedHere(d *hotline.SignedDirectory, h *hotline.Header, k *Case) error {
	if h.Case.Party != h.From {
		return hotline.Refuse(hotline.CodeReference, "%s has released no alert in a case of %s", h.From, h.Case.Party)
	}
	if k == nil || k.known(*h.Re) == nil || k.known(*h.Re).From != h.From {
		return nil
	}
	alert := k.known(*h.Re)
	if alert.Kind != hotline.KindAlert {
		return hotline.Refuse(hotline.CodeReference, "%s is no alert", h.Re.Short())
	}
	return ratifiesAnother(d, h, alert)
}

// acknowledgement closes the duty that a peer's statement opened here.
func (r *run) acknowledgement(st *hotline.Statement) (func(uint64), error) {
	h := &st.Header
	if len(h.To) != 1 {
		return nil, hotline.Refuse(hotline.CodeWrongAddressee, "an acknowledgement goes to the one who is acknowledged")
	}
	d := find(r.s.dutiesOf(h.Case, h.To[0]), hotline.DutyAcknowledge, *h.Re, h.To[0])
	switch {
	case d == nil:
		return nil, hotline.Refuse(hotline.CodeNotOwed, "nothing of %s under id %s waits for an acknowledgement here", h.To[0], h.Re.Short())
	case d.Status != h.Status:
		return nil, hotline.Refuse(hotline.CodeStatus, "%s acknowledges what is %s", h.Status, d.Status)
	}
	return func(uint64) {
		r.discharge(hotline.DutyAcknowledge, r.s.dutiesOf(h.Case, h.To[0]), *h.Re, h.To[0])
		if h.Status == hotline.Test {
			r.s.pair(h.To[0]).Here.manned(r.s.Directory(r.s.self), st, r.t)
		}
		r.s.dropAsksAbout(hotline.KindEscalation, *h.Re)
	}, nil
}

// discharge closes a duty, if it is open, and stops what is pending for it.
// That it was overdue stays in the log for ever.
func (r *run) discharge(class hotline.Duty, duties []*Duty, subject hotline.ID, peer hotline.Party) {
	if d := find(duties, class, subject, peer); d != nil {
		r.dischargeDuty(d)
	}
}

func (r *run) dischargeDuty(d *Duty) {
	if r.s.end(d, DutyDischarged); d.Overdue {
		r.s.lately(d, r.t)
	}
	r.effect(Effect{Type: Stop, ID: d.Subject, Peer: d.Peer, Duty: d.Class, Overdue: d.Overdue, Case: d.Case, Time: r.t})
}

func (r *run) setLadder(st *hotline.Statement) (func(uint64), error) {
	body, err := st.OpenBody()
	if err != nil {
		return nil, err
	}
	l := body.(*hotline.Ladder)
	if r.s.ladder != nil && l.Number <= r.s.ladder.Number {
		return nil, hotline.Refuse(hotline.CodeOldNumber, "ladder %d, but %d is in force", l.Number, r.s.ladder.Number)
	}
	if l.Until != 0 && l.Until <= r.t {
		return nil, hotline.Refuse(hotline.CodeLadder, "the time for which it says who is on call has passed")
	}
	d := r.s.Directory(r.s.self)
	for _, rung := range slices.Concat(l.Owing, l.Receiving) {
		for _, name := range l.People(rung.Targets) {
			o := d.OfficerByName(name)
			if o == nil || o.Revoked != 0 || r.t >= o.Until {
				return nil, hotline.Refuse(hotline.CodeLadder, "rung %s: %s is no officer in force", rung.Office, name)
			}
			if o.Has(hotline.Reporter) {
				return nil, hotline.Refuse(hotline.CodeLadder, "rung %s: %s is a reporter, who may not watch", rung.Office, name)
			}
		}
	}
	return func(uint64) { r.s.ladder = l }, nil
}
