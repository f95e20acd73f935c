package audit

import (
	"fmt"
	"time"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/ledger"
)

// lapseCodes are the duties that this party owed, by its own log. What it only
// waited for is no lapse of its own.
var lapseCodes = map[hotline.Duty]Code{
	hotline.DutyAssess:      AssessOverdue,
	hotline.DutyAlert:       AlertOverdue,
	hotline.DutyRatify:      RatifyOverdue,
	hotline.DutyAcknowledge: AcknowledgeOverdue,
	hotline.DutySupplement:  SupplementOverdue,
	hotline.DutyProgress:    ProgressOverdue,
	hotline.DutyFinal:       FinalOverdue,
	hotline.DutyReply:       ReplyOverdue,
	hotline.DutyAssist:      ResponseOverdue,
	hotline.DutyConsult:     ConsultOverdue,
}

// lapsed turns deadlines that passed into observations, and notes when the
// thing was done after all, and what signed reason was given.
func (j *judged) lapsed(it *item, verified bool) {
	if due, ok := it.content.(*hotline.Due); ok && due.Overdue {
		j.overdues.note(due, it.index, caseKey(it.entry.Scope.Case))
	}
	if due, ok := it.content.(*hotline.Due); ok && due.Overdue && lapseCodes[due.Duty] != "" {
		o := observe(lapseCodes[due.Duty], j.x.head.Party, it.index, j.lapseText(it.entry, due))
		o.Due = due.Due
		if s := j.statusOf(it); s != 0 {
			o.Status = s.String()
		}
		j.observe(o)
		if n := len(j.observations) - 1; n >= 0 && j.observations[n] == o {
			j.lapses[lapse{due.Duty, due.Subject, due.Peer}] = n
		}
	}
	if st := it.facts.st; verified && st != nil && st.Header.From == j.x.head.Party && st.Header.Kind == hotline.KindLateReason {
		j.explained(st.Header.Cause-1, st.Header.Reason, it.index)
	}
	if j.stopped {
		return
	}
	for _, t := range j.replay.Turns() {
		key := lapse{t.Duty.Class, t.Duty.Subject, t.Duty.Peer}
		if n, ok := j.lapses[key]; ok && t.What == ledger.DutyWithdrawn {
			delete(j.lapses, key)
			j.observations[n].Text += fmt.Sprintf("; it was withdrawn by entry %d", t.Entry)
		}
	}
	for _, e := range j.replay.Effects() {
		if e.Type != ledger.Stop || !e.Overdue {
			continue
		}
		key := lapse{e.Duty, e.ID, e.Peer}
		if n, ok := j.lapses[key]; ok {
			delete(j.lapses, key)
			o := &j.observations[n]
			o.Done = e.Time
			o.Text += fmt.Sprintf("; it was done at %s, %s late", stamp(e.Time), length(e.Time-o.Due))
		}
	}
}

// explained notes the first signed reason for a lapse, by the entry that says overdue.
func (j *judged) explained(due uint64, reason hotline.Code, index uint64) {
	for i := range j.observations {
		if o := &j.observations[i]; o.Entry == due && o.Due != 0 && !j.reasoned[due] {
			j.reasoned[due] = true
			o.Text += fmt.Sprintf("; the reason given in entry %d is %q", index, reason)
		}
	}
}

func (j *judged) lapseText(e *hotline.Entry, due *hotline.Due) string {
	where := ""
	if e.Scope.Case != nil {
		where = " in case " + e.Scope.Case.String()
		if k := j.replay.State().Case(*e.Scope.Case); k != nil && k.Status != hotline.Actual {
			where += " (" + k.Status.String() + ")"
		}
	}
	what := map[hotline.Duty]string{
		hotline.DutyAssess:      "detection %s was not assessed",
		hotline.DutyAlert:       "after assessment %s not everybody named was alerted",
		hotline.DutyRatify:      "alert %s, released by one officer, was not ratified",
		hotline.DutyAcknowledge: "statement %s of " + string(due.Peer) + " was not acknowledged by a person",
		hotline.DutySupplement:  "after alert %s no supplement was tendered to " + string(due.Peer),
		hotline.DutyProgress:    "after statement %s no progress report was tendered to " + string(due.Peer),
		hotline.DutyFinal:       "after alert %s no final report was tendered to " + string(due.Peer),
		hotline.DutyReply:       "after statement %s no reply to the inquiry was tendered to " + string(due.Peer),
		hotline.DutyAssist:      "after statement %s no response to the assistance request was tendered to " + string(due.Peer),
		hotline.DutyConsult:     "after statement %s no reply to the consult was tendered to " + string(due.Peer),
	}[due.Duty]
	return fmt.Sprintf(what, due.Subject.Short()) + where + " by " + stamp(due.Due)
}

// closeLapses says of what is still open how much the log shows.
func (j *judged) closeLapses() {
	for key, n := range j.lapses {
		switch {
		case j.stopped:
			j.observations[n].Text += "; whether it was done later was not judged"
		case j.x.head.With != "" && key.peer == "":
			j.observations[n].Text += "; that it was done later is not shown"
		default:
			j.observations[n].Text += "; it was not done by the end of this log"
		}
	}
}

// stamp is a time for people, UTC with milliseconds.
func stamp(t hotline.Time) string {
	return time.UnixMilli(int64(t)).UTC().Format("2006-01-02 15:04:05.000Z")
}

// length is a duration for people.
func length(ms hotline.Time) string {
	return (time.Duration(ms) * time.Millisecond).Round(time.Millisecond).String()
}
