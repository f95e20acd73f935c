package audit

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"example.org/hotline/hotline"
)

// Rung is one rung that a ladder climbed, by the log of the party whose ladder
// it is. What came of waking people is what that party says of its own channels.
type Rung struct {
	Time       hotline.Time  `json:"time"` // of the entry, Unix milliseconds
	Party      hotline.Party `json:"party"`
	Generation uint64        `json:"generation"`
	Entry      uint64        `json:"entry"`
	Duty       string        `json:"duty"`
	Subject    string        `json:"subject,omitempty"` // the statement that opened the duty, in hexadecimal
	Peer       hotline.Party `json:"peer,omitempty"`
	Case       string        `json:"case,omitempty"`
	Status     string        `json:"status,omitempty"`
	Permille   uint64        `json:"permille"` // of the term
	Overdue    bool          `json:"overdue,omitempty"`
	Office     string        `json:"office"`
	Whom       string        `json:"whom"` // officers by role name
	// Page says what came of the pages for it: an end, and what each channel
	// answered; empty: the log does not show one.
	Page string `json:"page,omitempty"`
}

// LineTest is one test of the line, by the log of the party that sent it.
type LineTest struct {
	From     hotline.Party `json:"from"`
	To       hotline.Party `json:"to"`
	Status   string        `json:"status"`
	Sent     hotline.Time  `json:"sent"`               // Unix milliseconds
	Answered hotline.Time  `json:"answered,omitempty"` // the reply stood in the log; 0: it did not in time
	Missed   bool          `json:"missed,omitempty"`   // no reply came in its term; neither: the log ends before
}

// Bounds of what a teller holds of ladders and lines; beyond them the oldest
// half is told as it stands.
const (
	maxOpenClimbs = 1 << 12
	maxOpenTests  = 1 << 12
	maxPageWords  = 600 // characters of what came of the pages for one rung; what is beyond is left out
)

// Ladders yields the rungs that were climbed, log by log. It may be called
// until Close.
func (r *Report) Ladders() iter.Seq2[Rung, error] {
	return inTurn(r.rungs)
}

// LineTests yields the line tests, log by log. Those of a party whose log is not
// given are not shown. It may be called until Close.
func (r *Report) LineTests() iter.Seq2[LineTest, error] {
	return inTurn(r.tests)
}

// climbs follows the rungs of one log until their pages have ended.
type climbs struct {
	open  map[uint64]*Rung // by the due entry
	rungs *spool[Rung]
}

// note takes one entry.
func (c *climbs) note(it *item, e *Event) error {
	switch x := it.content.(type) {
	case *hotline.Due:
		if len(x.Targets) == 0 {
			return nil
		}
		if len(c.open) >= maxOpenClimbs {
			if err := c.tell(len(c.open) / 2); err != nil {
				return err
			}
		}
		w := &Rung{Time: e.Time, Party: e.Party, Generation: e.Generation, Entry: e.Entry, Duty: x.Duty.String(), Peer: x.Peer, Case: e.Case,
			Status: e.Status, Permille: x.Permille, Overdue: x.Overdue, Office: x.Office, Whom: strings.Join(x.Targets, ", ")}
		if !x.Subject.IsZero() {
			w.Subject = x.Subject.String()
		}
		c.open[e.Entry] = w
	case *hotline.Page:
		if w := c.open[x.Due]; w != nil && !x.Intent() && len(w.Page) < maxPageWords {
			w.Page += pageWords(x)
		}
	}
	return nil
}

// pageWords says what came of one page, as one part of a list.
func pageWords(x *hotline.Page) string {
	text := x.End.String()
	if x.Repeat > 0 {
		text = fmt.Sprintf("; repeat %d %s", x.Repeat, x.End)
	}
	var ways []string
	for _, a := range x.Attempts {
		ways = append(ways, a.Channel+" "+a.Result.String())
	}
	if len(ways) > 0 {
		text += " (" + strings.Join(ways, ", ") + ")"
	}
	return text
}

// tell writes the oldest n rungs.
func (c *climbs) tell(n int) error {
	for _, w := range oldest(c.open, n, func(a, b *Rung) int { return compare(a.Entry, b.Entry) }) {
		delete(c.open, w.Entry)
		if err := c.rungs.add(w); err != nil {
			return err
		}
	}
	return nil
}

// lines follows the own line tests of one log.
type lines struct {
	open  map[hotline.ID]*openTest
	tests *spool[LineTest]
}

type openTest struct {
	LineTest
	id    hotline.ID
	entry uint64
}

// note takes one entry.
func (l *lines) note(it *item, e *Event) error {
	st := it.facts.st
	switch x := it.content.(type) {
	case *hotline.Sent:
		if st == nil || st.Header.Kind != hotline.KindLineTest || len(st.Header.To) == 0 {
			return nil
		}
		if len(l.open) >= maxOpenTests {
			if err := l.tell(len(l.open) / 2); err != nil {
				return err
			}
		}
		l.open[st.ID] = &openTest{LineTest{From: e.Party, To: st.Header.To[0], Status: st.Header.Status.String(), Sent: e.Time}, st.ID, e.Entry}
	case *hotline.Received:
		if x.Code != "" || st == nil || st.Header.Kind != hotline.KindLineReply || st.Header.Re == nil {
			return nil
		}
		return l.end(*st.Header.Re, func(t *openTest) { t.Answered = e.Time })
	case *hotline.Due:
		if x.Duty == hotline.DutyLineReply && x.Overdue {
			return l.end(x.Subject, func(t *openTest) { t.Missed = true })
		}
	}
	return nil
}

// end tells a test of which no more is to be told.
func (l *lines) end(id hotline.ID, change func(*openTest)) error {
	t := l.open[id]
	if t == nil {
		return nil
	}
	delete(l.open, id)
	change(t)
	return l.tests.add(&t.LineTest)
}

// tell writes the oldest n tests.
func (l *lines) tell(n int) error {
	for _, t := range oldest(l.open, n, func(a, b *openTest) int { return compare(a.entry, b.entry) }) {
		if err := l.end(t.id, func(*openTest) {}); err != nil {
			return err
		}
	}
	return nil
}

// oldest are the first n values of a map in the order that compare gives them.
func oldest[K comparable, V any](m map[K]V, n int, compare func(a, b V) int) []V {
	return slices.SortedFunc(maps.Values(m), compare)[:n]
}
