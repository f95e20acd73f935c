package audit

import (
	"cmp"
	"fmt"
	"iter"
	"strings"

	"example.org/hotline/hotline"
)

// A verdict is what the log that owns a duty says of it (SPEC §10.6): when it was
// due, and whether and when it was done. What the other side waited for stands
// beside it and is provisional. A verdict applies agreed terms to committed
// times; it determines nothing.

// Verdict is one duty. It appears once, under the party that owed it. Times are
// Unix milliseconds by the log that tells of it; entries are those of that log,
// and 0 where there is none, since entry 0 is the genesis.
type Verdict struct {
	Party      hotline.Party `json:"party"`      // who owed it; of a clock of the line or of delivery: whose clock it is
	Log        hotline.Party `json:"log"`        // whose log tells of it: that of Party, unless it is provisional
	Generation uint64        `json:"generation"` // of that log
	Duty       string        `json:"duty"`
	Role       Role          `json:"role"`
	Section    string        `json:"section"` // of the specification: the rule concerned
	Peer       hotline.Party `json:"peer,omitempty"`
	Case       string        `json:"case,omitempty"`
	Statement  string        `json:"statement,omitempty"`  // id of the statement that opened it, in hexadecimal
	Status     string        `json:"status,omitempty"`     // absent where what opened it is not shown
	Precedence string        `json:"precedence,omitempty"` // likewise
	Opened     hotline.Time  `json:"opened,omitempty"`     // likewise
	OpenedBy   uint64        `json:"opened_by,omitempty"`  // entry; likewise
	Due        hotline.Time  `json:"due"`
	Outcome    Outcome       `json:"outcome"`
	// Overdue says that the log calls the duty overdue, in entry Said. Nothing
	// takes that back, whatever the outcome is.
	Overdue bool   `json:"overdue,omitempty"`
	Said    uint64 `json:"said,omitempty"`
	Code    Code   `json:"code,omitempty"` // of the observation, if it is a lapse of Party
	// Ended is when the duty was done, or was owed no more; Entry did it.
	Ended hotline.Time `json:"ended,omitempty"`
	Entry uint64       `json:"entry,omitempty"`
	Late  hotline.Time `json:"late,omitempty"` // of a duty that was done late: by how many milliseconds
	// The signed reason why it was late, and its entry.
	Reason      hotline.Code `json:"reason,omitempty"`
	ReasonEntry uint64       `json:"reason_entry,omitempty"`
	// Provable is when Entry came into the log by signatures of other parties (SPEC §7.10).
	Provable     *Interval     `json:"provable,omitempty"`
	Notification *Notification `json:"notification,omitempty"` // of an alert that the duty demands or follows
	Awaited      *Awaited      `json:"awaited,omitempty"`      // by the log of who waited for it; absent where that is not given
	Text         string        `json:"text"`                   // what was owed, for people

	class      hotline.Duty
	subject    hotline.ID
	status     hotline.Status
	precedence hotline.Precedence
}

// Awaited is the provisional view of a party that waited for a duty of another.
// Its fields are those of a Verdict, by its own log.
type Awaited struct {
	Party      hotline.Party `json:"party"`
	Generation uint64        `json:"generation"`
	Due        hotline.Time  `json:"due"`
	Outcome    Outcome       `json:"outcome"`
	Overdue    bool          `json:"overdue,omitempty"`
	Said       uint64        `json:"said,omitempty"`
	Ended      hotline.Time  `json:"ended,omitempty"`
	Entry      uint64        `json:"entry,omitempty"`
	Differs    bool          `json:"differs,omitempty"` // one of the two logs calls it overdue, the other does not
}

// Role says how a log has to do with a duty (SPEC §6.3).
type Role string

// The roles.
const (
	Owed        Role = "owed"        // by people of this party: duties 1 to 3, 5, 9 to 14
	Provisional Role = "provisional" // waited for, duties 6 and 15 to 20, where the log of who owed it does not tell of it
	Clock       Role = "clock"       // of delivery, of the line, of the contact data: nobody's lapse towards a peer
)

// Outcome is what became of a duty by the end of the log.
type Outcome string

// The outcomes.
const (
	InTime    Outcome = "in-time"
	DoneLate  Outcome = "late"
	NotDone   Outcome = "not-done"   // it is overdue, and was not done by the end of the log
	Running   Outcome = "running"    // its deadline lies behind the end of the log
	Withdrawn Outcome = "withdrawn"  // what opened it was retracted, or assessed anew
	Lifted    Outcome = "lifted"     // the convention knows it no more, or leaves nobody towards whom it could be done
	Hidden    Outcome = "not-shown"  // whether it was done is not shown in this part of a log
	Unjudged  Outcome = "not-judged" // the decisions of the log were not made again up to its end
)

// Routine reports whether the duty is a clock of the line that went well or that only says when the next test comes.
func (v *Verdict) Routine() bool {
	return v.Role == Clock && !v.Overdue && v.class != hotline.DutyDeliver
}

// Verdicts yields the duties of all logs in the order of their deadlines. It may
// be called until Close.
func (r *Report) Verdicts() iter.Seq2[Verdict, error] {
	return func(yield func(Verdict, error) bool) {
		for v, err := range merge(r.verdicts, func(a, b Verdict) bool { return compareVerdicts(&a, &b) < 0 }) {
			v.spell()
			if !yield(v, err) || err != nil {
				return
			}
		}
	}
}

// spell fills in what is made of the parts that are kept.
func (v *Verdict) spell() {
	v.Duty, v.Role, v.Section = v.class.String(), roleOf(v.class), "6.3"
	if !v.subject.IsZero() {
		v.Statement = v.subject.String()
	}
	if v.status != 0 {
		v.Status, v.Precedence = v.status.String(), v.precedence.String()
	}
	if owed := awaits[v.class]; owed != 0 {
		v.Duty = owed.String()
	}
	if v.Outcome == DoneLate {
		v.Late = v.Ended - v.Due
	}
	if v.Overdue {
		v.Code = lapseCodes[v.class]
	}
	v.Text = v.what()
}

func roleOf(d hotline.Duty) Role {
	switch {
	case d.Owned():
		return Owed
	case d.Provisional():
		return Provisional
	}
	return Clock
}

// what says what was owed.
func (v *Verdict) what() string {
	short, d, peer := v.subject.Short(), v.class, v.Peer
	if owed := awaits[d]; owed != 0 {
		d, peer = owed, v.Log
	}
	switch d {
	case hotline.DutyAssess:
		return fmt.Sprintf("assess detection %s", short)
	case hotline.DutyAlert:
		return fmt.Sprintf("alert everybody whom assessment %s names", short)
	case hotline.DutyRatify:
		return fmt.Sprintf("ratify alert %s, which one officer released", short)
	case hotline.DutyDeliver:
		return fmt.Sprintf("receipt of %s for statement %s", peer, short)
	case hotline.DutyLineTest:
		return fmt.Sprintf("next line test with %s", peer)
	case hotline.DutyLineReply:
		return fmt.Sprintf("reply of %s to line test %s", peer, short)
	case hotline.DutyLineAnswered:
		return fmt.Sprintf("one of the line tests to %s is answered", peer)
	case hotline.DutyLineHeard:
		return fmt.Sprintf("one of the line tests of %s comes", peer)
	case hotline.DutyWatchTest:
		return fmt.Sprintf("next test of the watch of %s", peer)
	case hotline.DutyContacts:
		return "confirm the contact data again"
	}
	return act(d, v.subject) + ", towards " + string(peer)
}

// compareVerdicts is the order of Verdicts.
func compareVerdicts(a, b *Verdict) int {
	return cmp.Or(cmp.Compare(a.Due, b.Due), strings.Compare(string(a.Party), string(b.Party)), strings.Compare(string(a.Log), string(b.Log)),
		cmp.Compare(a.Generation, b.Generation), cmp.Compare(a.OpenedBy, b.OpenedBy), cmp.Compare(a.Said, b.Said), cmp.Compare(a.class, b.class),
		strings.Compare(string(a.Peer), string(b.Peer)), strings.Compare(string(a.subject[:]), string(b.subject[:])))
}

func (v *Verdict) each(r *record) {
	str(&v.Party, r)
	str(&v.Log, r)
	number(&v.Generation, r)
	number(&v.class, r)
	str(&v.Peer, r)
	str(&v.Case, r)
	r.fixed(v.subject[:])
	number(&v.status, r)
	number(&v.precedence, r)
	number(&v.Opened, r)
	number(&v.OpenedBy, r)
	number(&v.Due, r)
	str(&v.Outcome, r)
	flag(&v.Overdue, r)
	number(&v.Said, r)
	number(&v.Ended, r)
	number(&v.Entry, r)
	str(&v.Reason, r)
	number(&v.ReasonEntry, r)
	maybe(&v.Provable, (*Interval).each, r)
	maybe(&v.Notification, (*Notification).each, r)
	maybe(&v.Awaited, (*Awaited).each, r)
}

func (w *Awaited) each(r *record) {
	str(&w.Party, r)
	number(&w.Generation, r)
	number(&w.Due, r)
	str(&w.Outcome, r)
	flag(&w.Overdue, r)
	number(&w.Said, r)
	number(&w.Ended, r)
	number(&w.Entry, r)
	flag(&w.Differs, r)
}
