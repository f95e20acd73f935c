package audit

import (
	"errors"
	"fmt"
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

// docketRow is what one log tells of a duty, of the reason for one that was late,
// or of a notification.
type docketRow struct {
	Verdict
	tells tells
}

type tells uint8

const (
	tellsDuty         tells = 0
	tellsReason       tells = 1 // Log gives Reason in ReasonEntry for the duty that it called overdue in entry Said
	tellsNotification tells = 2 // Notification is that of the alert with this subject
)

func (d *docketRow) each(r *record) {
	d.Verdict.each(r)
	number(&d.tells, r)
}

func newDocket(h *Head, rows *buckets[docketRow]) *docket {
	return &docket{head: h, rows: rows, open: map[lapse]*Verdict{}}
}

// take follows one entry; turns are what it did to duties. verified says that its
// signatures hold.
func (d *docket) take(it *item, verified bool, turns []ledger.Turn) error {
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
	if st := it.facts.st; st != nil && verified {
		return d.statement(it, st)
	}
	return nil
}

// statement notes the reason for what was late, and a notification.
func (d *docket) statement(it *item, st *hotline.Statement) error {
	h, own := &st.Header, st.Header.From == d.head.Party
	row := docketRow{Verdict: Verdict{Log: d.head.Party, Generation: d.head.Generation, subject: st.ID}}
	received, _ := it.content.(*hotline.Received)
	alert := h.Kind == hotline.KindAlert || h.Kind == hotline.KindAutomaticAlert
	switch {
	case own && h.Kind == hotline.KindLateReason && h.Re != nil && h.Cause != 0:
		row.tells, row.subject, row.Said, row.Reason, row.ReasonEntry = tellsReason, *h.Re, h.Cause-1, h.Reason, it.index
	case own && alert:
		row.tells, row.Notification = tellsNotification, &Notification{Party: h.From, Generation: d.head.Generation, Entry: it.index, Time: it.entry.Time}
	case alert && received != nil && received.Code == "" && it.facts.place != nil:
		at := it.facts.place
		row.tells, row.Notification = tellsNotification, &Notification{Party: at.party, Generation: at.generation, Entry: at.index, Time: at.time}
	default:
		return nil
	}
	return d.rows.add(byID(row.subject), &row)
}

// overdue notes which entry says so. In what one party is shown it may be of a duty
// that a hidden entry opened.
func (d *docket) overdue(it *item, due *hotline.Due) error {
	v := d.open[lapse{due.Duty, due.Subject, due.Peer}]
	if v != nil {
		v.Overdue, v.Said = true, it.index
		return nil
	}
	if d.head.With == "" || due.Peer != "" || due.Duty != hotline.DutyAlert && due.Duty != hotline.DutyRatify {
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
	case t.What == ledger.DutyWithdrawn:
		return Withdrawn
	case t.What == ledger.DutyDropped && class == hotline.DutyLineReply:
		return NotDone
	case t.What == ledger.DutyDropped && d.mayHide(class):
		return Hidden
	case t.What == ledger.DutyDropped && !class.Recurs() && !(lineAlarm && received), lineAlarm && !received:
		return Lifted
	case t.Duty.Overdue:
		return DoneLate
	}
	return InTime
}

// mayHide says whether a hidden entry may have done what is owed: in what a party is shown of a
// log, an assessment that names third parties, or an alert to them (SPEC §7.6).
func (d *docket) mayHide(class hotline.Duty) bool {
	return d.head.With != "" && (class == hotline.DutyAssess || class == hotline.DutyAlert)
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
// once, with its reason, with what the other side waited for, and with the alert
// that it follows.
func verdicts(rows []*docketRow) (list []*Verdict, alerts map[hotline.ID]*Notification) {
	duties, reasons := map[dutyKey][]*Verdict{}, map[saidKey]*docketRow{}
	alerts = map[hotline.ID]*Notification{}
	for _, row := range rows {
		v := &row.Verdict
		switch row.tells {
		case tellsReason:
			if key := (saidKey{v.Log, v.Generation, v.Said}); reasons[key] == nil {
				reasons[key] = row
			}
		case tellsNotification:
			alerts[v.subject] = v.Notification
		case tellsDuty:
			key := keyOf(v)
			i := slices.IndexFunc(duties[key], func(o *Verdict) bool { return sameDuty(o, v) })
			if i < 0 {
				duties[key] = append(duties[key], v)
				list = append(list, v)
			} else if duties[key][i].shows() < v.shows() {
				*duties[key][i] = *v
			}
		}
	}
	for _, v := range list {
		if reason := reasons[saidKey{v.Log, v.Generation, v.Said}]; reason != nil && v.Said != 0 {
			v.Reason, v.ReasonEntry = reason.Reason, reason.ReasonEntry
		}
	}
	return slices.DeleteFunc(list, func(v *Verdict) bool { return joins(v, duties[keyOf(v)]) }), alerts
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

// settle makes the verdicts of all logs, and counts how narrow the provable
// intervals of their notifications are.
func (r *Report) settle(rows *buckets[docketRow]) error {
	w, err := newWidths(r.dir)
	if err != nil {
		return err
	}
	err = rows.each(func(n int, rows []*docketRow) error {
		list, alerts := verdicts(rows)
		for _, a := range alerts {
			if a.Provable, err = r.provable(a.Party, a.Generation, a.Entry); err != nil {
				return err
			}
			if err := w.add(a.Provable); err != nil {
				return err
			}
		}
		for _, v := range list {
			if err := r.prove(v, alerts); err != nil {
				return err
			}
		}
		s, err := sorted(r.dir, fmt.Sprintf("verdicts-%d", n), (*Verdict).each, compareVerdicts, list)
		r.verdicts = append(r.verdicts, s)
		return err
	})
	if err != nil {
		return errors.Join(err, w.all.finish())
	}
	r.Provable, err = w.finish()
	return err
}

// prove puts beside a duty the intervals of the entry that did it, and of the
// notification that it demands or follows.
func (r *Report) prove(v *Verdict, alerts map[hotline.ID]*Notification) (err error) {
	if v.Entry != 0 {
		if v.Provable, err = r.provable(v.Log, v.Generation, v.Entry); err != nil {
			return err
		}
	}
	v.Notification = alerts[v.subject]
	if v.class == hotline.DutyAlert && v.Entry != 0 {
		v.Notification = &Notification{Party: v.Log, Generation: v.Generation, Entry: v.Entry, Time: v.Ended, Provable: v.Provable}
	}
	return nil
}
