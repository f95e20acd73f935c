package audit

import (
	"slices"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/ledger"
)

// docket follows the duties of one log from the entry that opens them to the one
// that ends them (SPEC §6.3). What is open lies in memory, as it does in the
// ledger's own state; the rest goes to the rows.
type docket struct {
	head *Head
	rows *buckets[docketRow]
	open map[lapse]*Verdict
}

// docketRow is a duty, or the reason for one that was late, by one log.
type docketRow struct {
	Verdict
	reason bool // Log gives Reason in ReasonEntry for the duty that it called overdue in entry Said
}

func (d *docketRow) each(r *record) {
	d.Verdict.each(r)
	flag(&d.reason, r)
}

func newDocket(h *Head, rows *buckets[docketRow]) *docket {
	return &docket{head: h, rows: rows, open: map[lapse]*Verdict{}}
}

// take follows one entry; turns are what it did to duties.
func (d *docket) take(it *item, turns []ledger.Turn) error {
	if due, ok := it.content.(*hotline.Due); ok && due.Overdue {
		if err := d.overdue(it, due); err != nil {
			return err
		}
	}
	for i := range turns {
		if err := d.turn(it, &turns[i]); err != nil {
			return err
		}
	}
	st := it.facts.st
	if st == nil || st.Header.From != d.head.Party || st.Header.Kind != hotline.KindLateReason || st.Header.Re == nil || st.Header.Cause == 0 {
		return nil
	}
	row := docketRow{reason: true, Verdict: Verdict{Log: d.head.Party, Generation: d.head.Generation, subject: *st.Header.Re,
		Said: st.Header.Cause - 1, Reason: st.Header.Reason, ReasonEntry: it.index}}
	return d.rows.add(byID(row.subject), &row)
}

// overdue notes which entry says so. In a part of a log it may be of a duty
// that a hidden entry opened.
func (d *docket) overdue(it *item, due *hotline.Due) error {
	v := d.open[lapse{due.Duty, due.Subject, due.Peer}]
	if v != nil {
		v.Overdue, v.Said = true, it.index
		return nil
	}
	if d.head.Kind == Full || due.Peer != "" || due.Duty != hotline.DutyAlert && due.Duty != hotline.DutyRatify {
		return nil
	}
	v = &Verdict{Party: d.head.Party, Log: d.head.Party, Generation: d.head.Generation, class: due.Duty, subject: due.Subject, Due: due.Due,
		Overdue: true, Said: it.index, Outcome: Hidden}
	if in := it.entry.Scope.Case; in != nil {
		v.Case = in.Key()
	}
	return d.keep(v)
}

func (d *docket) turn(it *item, t *ledger.Turn) error {
	key := lapse{t.Duty.Class, t.Duty.Subject, t.Duty.Peer}
	if t.What == ledger.DutyOpened {
		d.open[key] = d.opened(t)
		return nil
	}
	v := d.open[key]
	if v == nil {
		return nil
	}
	delete(d.open, key)
	v.Overdue = t.Duty.Overdue
	v.Ended, v.Entry = t.Time, t.Entry
	if v.Outcome = d.outcome(it, t); v.Outcome == Hidden || v.Outcome == NotDone {
		v.Ended, v.Entry = 0, 0
	}
	if v.class == hotline.DutyLineReply && v.Overdue {
		v.Said = t.Entry
	}
	return d.keep(v)
}

func (d *docket) opened(t *ledger.Turn) *Verdict {
	v := &Verdict{Party: d.head.Party, Log: d.head.Party, Generation: d.head.Generation, class: t.Duty.Class, subject: t.Duty.Subject, Peer: t.Duty.Peer,
		status: t.Duty.Status, precedence: t.Duty.Precedence, Opened: t.Duty.Opened, OpenedBy: t.Entry, Due: t.Duty.Deadline}
	if t.Duty.Case != nil {
		v.Case = t.Duty.Case.Key()
	}
	if v.class.Provisional() {
		v.Party, v.Peer = v.Peer, v.Log
	}
	return v
}

// outcome says how a duty ended with this entry.
func (d *docket) outcome(it *item, t *ledger.Turn) Outcome {
	class, lineAlarm := t.Duty.Class, t.Duty.Class == hotline.DutyLineAnswered || t.Duty.Class == hotline.DutyLineHeard
	_, received := it.content.(*hotline.Received)
	switch {
	case t.What == ledger.DutyDropped && class == hotline.DutyLineReply:
		return NotDone
	case t.What == ledger.DutyDropped && d.mayHide(class):
		return Hidden
	case t.What == ledger.DutyDropped && !class.Recurs() && !(lineAlarm && received), lineAlarm && !received:
		return Lifted
	case it.facts.st != nil && it.facts.st.Header.Kind == hotline.KindRetract:
		return Withdrawn
	case t.Duty.Overdue:
		return DoneLate
	}
	return InTime
}

// mayHide says whether a hidden entry may have done what is owed: in a part of a
// log, an assessment that names third parties, or an alert to them (SPEC §7.6).
func (d *docket) mayHide(class hotline.Duty) bool {
	return d.head.Kind != Full && (class == hotline.DutyAssess || class == hotline.DutyAlert)
}

// end tells what is open at the end of the log.
func (d *docket) end(stopped bool) error {
	for _, v := range d.open {
		switch {
		case stopped:
			v.Outcome = Unjudged
		case d.mayHide(v.class):
			v.Outcome = Hidden
		case v.Overdue:
			v.Outcome = NotDone
		default:
			v.Outcome = Running
		}
		if err := d.keep(v); err != nil {
			return err
		}
	}
	clear(d.open)
	return nil
}

// keep puts a duty where that of the other side comes too: under the statement
// that opened it. A clock has no other side.
func (d *docket) keep(v *Verdict) error {
	key := byID(v.subject)
	if roleOf(v.class) == Clock {
		key = v.OpenedBy
	}
	return d.rows.add(key, &docketRow{Verdict: *v})
}

// verdicts makes of the rows of one bucket the duties that they tell of: each
// once, with its reason and with what the other side waited for.
func verdicts(rows []*docketRow) []*Verdict {
	duties := map[dutyKey][]*Verdict{}
	reasons := map[saidKey]*docketRow{}
	var list []*Verdict
	for _, row := range rows {
		v := &row.Verdict
		if row.reason {
			reasons[saidKey{v.Log, v.Generation, v.Said}] = row
			continue
		}
		key := keyOf(v)
		if i := slices.IndexFunc(duties[key], func(o *Verdict) bool { return sameDuty(o, v) }); i >= 0 {
			if duties[key][i].shows() < v.shows() {
				*duties[key][i] = *v
			}
			continue
		}
		duties[key] = append(duties[key], v)
		list = append(list, v)
	}
	for _, v := range list {
		if reason := reasons[saidKey{v.Log, v.Generation, v.Said}]; reason != nil && v.Said != 0 {
			v.Reason, v.ReasonEntry = reason.Reason, reason.ReasonEntry
		}
	}
	return slices.DeleteFunc(list, func(v *Verdict) bool { return joins(v, duties[keyOf(v)]) })
}

// dutyKey is one duty, whichever side tells of it.
type dutyKey struct {
	party, peer hotline.Party
	class       hotline.Duty
	subject     hotline.ID
	clock       uint64 // entry that opened it, of a clock that comes again and again
}

// saidKey is an entry that calls a duty overdue.
type saidKey struct {
	party             hotline.Party
	generation, entry uint64
}

func keyOf(v *Verdict) dutyKey {
	key := dutyKey{party: v.Party, peer: v.Peer, class: v.class, subject: v.subject}
	if roleOf(v.class) == Clock {
		key.clock = v.OpenedBy
	}
	if owed := awaits[v.class]; owed != 0 {
		key.class = owed
	}
	return key
}

// sameDuty says whether two exports of one log tell of the same duty.
func sameDuty(a, b *Verdict) bool {
	return a.class == b.class && a.Log == b.Log && a.Generation == b.Generation && (a.OpenedBy == b.OpenedBy || a.OpenedBy == 0 || b.OpenedBy == 0)
}

// shows is how much a log tells of a duty.
func (v *Verdict) shows() int {
	n := map[Outcome]int{Hidden: 0, Unjudged: 1, Running: 2, NotDone: 3}
	if k, ok := n[v.Outcome]; ok {
		return k
	}
	return len(n)
}

// joins puts what one side waited for beside the duty itself, if another log
// tells of that.
func joins(v *Verdict, same []*Verdict) bool {
	if roleOf(v.class) != Provisional {
		return false
	}
	var owed *Verdict
	for _, o := range same {
		if roleOf(o.class) == Owed && (owed == nil || owed.shows() < o.shows()) {
			owed = o
		}
	}
	if owed == nil {
		return false
	}
	if owed.Awaited == nil {
		owed.Awaited = &Awaited{Party: v.Log, Generation: v.Generation, Due: v.Due, Outcome: v.Outcome, Overdue: v.Overdue, Said: v.Said,
			Ended: v.Ended, Entry: v.Entry, Differs: owed.known() && v.known() && owed.Overdue != v.Overdue}
	}
	return true
}

// known says whether the log settles that the deadline was kept or passed.
func (v *Verdict) known() bool {
	return v.Overdue || v.Outcome == InTime
}
