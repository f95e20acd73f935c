package audit

import (
	"fmt"

	"example.org/hotline/hotline"
)

// A duty is judged in the ledger that owns it; whoever waits for it keeps a
// provisional view (SPEC §6.3). Both may be honest and differ: what was done in
// time may have been long on its way. The auditor names each difference, and
// leaves what it means to the reader.

// View is a duty that one party's log says it waited for in vain, and that the
// log of the party who owed it does not call overdue.
type View struct {
	Party     hotline.Party `json:"party"` // who waited
	Entry     uint64        `json:"entry"` // of its log, which says so
	Of        hotline.Party `json:"of"`    // who owed it
	Duty      string        `json:"duty"`  // as it is owed
	Statement string        `json:"statement"`
	Due       hotline.Time  `json:"due"` // by the log of who waited, Unix milliseconds
	Text      string        `json:"text"`
}

// awaits says which duty of the other side each one waits for.
var awaits = map[hotline.Duty]hotline.Duty{
	hotline.DutyAwait:           hotline.DutyAcknowledge,
	hotline.DutyAwaitSupplement: hotline.DutySupplement,
	hotline.DutyAwaitProgress:   hotline.DutyProgress,
	hotline.DutyAwaitFinal:      hotline.DutyFinal,
	hotline.DutyAwaitReply:      hotline.DutyReply,
	hotline.DutyAwaitAssist:     hotline.DutyAssist,
	hotline.DutyAwaitConsult:    hotline.DutyConsult,
}

// maxViews bounds the overdue duties of one log that are compared, and again the
// differences that are listed for it.
const maxViews = 10_000

// overdues are the duties of one log that passed their deadline.
type overdues struct {
	owed   map[lapse]bool
	waited []waited
	more   uint64 // beyond maxViews
}

// waited is a duty of another party, by the log of who waits for it.
type waited struct {
	lapse
	due    hotline.Time
	entry  uint64
	inCase string
}

// note takes in an entry that says overdue.
func (o *overdues) note(due *hotline.Due, entry uint64, inCase string) {
	key := lapse{due.Duty, due.Subject, due.Peer}
	owed := awaits[due.Duty]
	switch {
	case len(o.owed) >= maxViews || len(o.waited) >= maxViews:
		o.more++
	case owed != 0:
		key.duty = owed
		o.waited = append(o.waited, waited{key, due.Due, entry, inCase})
	case lapseCodes[due.Duty] != "":
		o.owed[key] = true
	}
}

// views compares what each log waited for in vain with the log of who owed it, as
// far as that is given, was judged to its end, and reaches beyond the deadline.
func (c *crossing) views() {
	for _, j := range c.logs {
		for _, w := range j.overdues.waited {
			if c.judgedPast(w, j.x.head.Party) && !c.admits(w, j.x.head.Party) {
				c.report.Views = append(c.report.Views, View{Party: j.x.head.Party, Entry: w.entry, Of: w.peer, Duty: w.duty.String(),
					Statement: w.subject.String(), Due: w.due,
					Text: fmt.Sprintf("%s waited in vain for %s to %s by %s, by its own log; the log of %s does not call it overdue",
						j.x.head.Party, w.peer, act(w.duty, w.subject), stamp(w.due), w.peer)})
			}
		}
		if n := j.overdues.more; n > 0 {
			c.report.NotJudged = append(c.report.NotJudged,
				fmt.Sprintf("%d overdue duties in the log of %s were not compared with the other side's", n, j.x.head.Party))
		}
	}
}

// judgedPast says whether what the log of who owed the duty shows of it to whoever
// waited was judged to an end that lies behind the deadline.
func (c *crossing) judgedPast(w waited, by hotline.Party) bool {
	past := false
	for _, j := range c.logs {
		if j.x.head.Party != w.peer || !j.x.head.mustShow(by, w.inCase) {
			continue
		}
		if j.stopped || j.overdues.more > 0 {
			return false
		}
		past = past || j.log.Last > w.due+skewMark
	}
	return past
}

// admits says whether a log of who owed the duty calls it overdue.
func (c *crossing) admits(w waited, by hotline.Party) bool {
	for _, j := range c.logs {
		if j.x.head.Party == w.peer && j.overdues.owed[lapse{w.duty, w.subject, by}] {
			return true
		}
	}
	return false
}

// act says what is owed about a statement.
func act(d hotline.Duty, subject hotline.ID) string {
	return fmt.Sprintf(map[hotline.Duty]string{
		hotline.DutyAcknowledge: "acknowledge statement %s",
		hotline.DutySupplement:  "supplement alert %s",
		hotline.DutyProgress:    "report on statement %s",
		hotline.DutyFinal:       "end alert %s with a final report",
		hotline.DutyReply:       "reply to statement %s",
		hotline.DutyAssist:      "respond to statement %s",
		hotline.DutyConsult:     "answer the consult %s",
	}[d], subject.Short())
}
