package ladder

import (
	"time"

	"example.org/hotline/hotline"
)

// climbing is one duty with the side that serves it (SPEC §6.3, §6.5).
type climbing struct {
	duty      hotline.Duty
	receiving bool
	late      bool                                               // climbs from the deadline on
	term      func(t *hotline.Terms, p hotline.Precedence) int64 // 0: the convention has no such duty
}

var duties = []climbing{
	{duty: hotline.DutyAssess, term: func(t *hotline.Terms, _ hotline.Precedence) int64 { return t.Assess }},
	{duty: hotline.DutyAlert, term: func(t *hotline.Terms, p hotline.Precedence) int64 { return min(t.Alert.At(p), t.AlertCap) }},
	{duty: hotline.DutyRatify, term: func(t *hotline.Terms, _ hotline.Precedence) int64 { return t.Ratify }},
	{duty: hotline.DutySupplement, term: supplement},
	{duty: hotline.DutyProgress, term: progress},
	{duty: hotline.DutyFinal, term: final},
	{duty: hotline.DutyReply, term: reply},
	{duty: hotline.DutyAssist, term: assist},
	{duty: hotline.DutyConsult, term: consult},
	{duty: hotline.DutyAcknowledge, receiving: true, term: acknowledge},
	{duty: hotline.DutyAwait, receiving: true, late: true, term: acknowledge},
	{duty: hotline.DutyAwaitSupplement, receiving: true, late: true, term: supplement},
	{duty: hotline.DutyAwaitProgress, receiving: true, late: true, term: progress},
	{duty: hotline.DutyAwaitFinal, receiving: true, late: true, term: final},
	{duty: hotline.DutyAwaitReply, receiving: true, late: true, term: reply},
	{duty: hotline.DutyAwaitAssist, receiving: true, late: true, term: assist},
	{duty: hotline.DutyAwaitConsult, receiving: true, late: true, term: consult},
}

func acknowledge(t *hotline.Terms, p hotline.Precedence) int64 { return t.Acknowledge.At(p) }
func supplement(t *hotline.Terms, _ hotline.Precedence) int64  { return t.Supplement }
func progress(t *hotline.Terms, p hotline.Precedence) int64    { return t.Progress.At(p) }
func final(t *hotline.Terms, _ hotline.Precedence) int64       { return t.Final }
func reply(t *hotline.Terms, p hotline.Precedence) int64       { return t.Reply.At(p) }
func assist(t *hotline.Terms, p hotline.Precedence) int64      { return t.Assist.At(p) }
func consult(t *hotline.Terms, _ hotline.Precedence) int64     { return t.Consult }

// Owing names the duties that climb the owing side.
func Owing() []hotline.Duty { return sideOf(false) }

// Receiving names the duties that climb the receiving side.
func Receiving() []hotline.Duty { return sideOf(true) }

func sideOf(receiving bool) (list []hotline.Duty) {
	for _, c := range duties {
		if c.receiving == receiving {
			list = append(list, c.duty)
		}
	}
	return list
}

// Climb says what one duty would come to if it opened at a time and nobody did it.
type Climb struct {
	Duty       hotline.Duty       `json:"duty"`
	Receiving  bool               `json:"receiving,omitempty"`  // the side of the ladder
	Precedence hotline.Precedence `json:"precedence,omitempty"` // 0: any
	Term       int64              `json:"term"`                 // ms
	Steps      []Step             `json:"steps"`
}

// Step is one rung of it.
type Step struct {
	Due     hotline.Time    `json:"due"`
	Office  string          `json:"office"`
	Overdue bool            `json:"overdue,omitempty"`
	Again   int64           `json:"again,omitempty"` // ms after which it pages again
	Wakes   []hotline.Reach `json:"wakes"`           // whom, and by which channels, the first one first
}

// Preview tells who would be woken when, for each duty and precedence of which
// the terms speak, if it opened at a time.
func Preview(l *hotline.Ladder, terms *hotline.Terms, at hotline.Time) []Climb {
	var list []Climb
	for _, c := range duties {
		same := true
		for p := hotline.Immediate; p <= hotline.Routine; p++ {
			same = same && c.term(terms, p) == c.term(terms, hotline.Flash)
		}
		for p := hotline.Flash; p <= hotline.Routine; p++ {
			x := Climb{Duty: c.duty, Receiving: c.receiving, Precedence: p, Term: c.term(terms, p)}
			if same {
				x.Precedence = 0
			}
			if x.Term > 0 {
				x.Steps = steps(l, &c, x.Term, at)
				list = append(list, x)
			}
			if same {
				break
			}
		}
	}
	return list
}

func steps(l *hotline.Ladder, c *climbing, term int64, at hotline.Time) []Step {
	rungs := l.Owing
	if c.receiving {
		rungs = l.Receiving
	}
	var list []Step
	for _, r := range rungs {
		if c.late && r.Permille < hotline.Deadline {
			continue
		}
		s := Step{Due: at + hotline.Time(term*int64(r.Permille)/hotline.Deadline), Office: r.Office, Overdue: r.Permille == hotline.Deadline}
		if r.Repeat > 0 {
			s.Again = max(hotline.MinRepeatPause.Milliseconds(), term*int64(r.Repeat)/hotline.Deadline)
		}
		for _, name := range l.OnCall(r.Targets, s.Due) {
			s.Wakes = append(s.Wakes, hotline.Reach{Officer: name, Channels: l.Channels(name)})
		}
		list = append(list, s)
	}
	return list
}

func millis(ms int64) time.Duration { return time.Duration(ms) * time.Millisecond }

func utc(t hotline.Time) string { return time.UnixMilli(int64(t)).UTC().Format("2006-01-02 15:04Z") }
