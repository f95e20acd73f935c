package audit

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"time"

	"example.org/hotline/hotline"
)

// Statistics are figures about what was given as a whole: parties, kinds, counts,
// delays. They hold no text, and name no case, statement, person, node or place in
// a log, so they are fit for publication where the parties agree (SPEC §10.5).
// Statuses are never added up.
type Statistics struct {
	From         string             `json:"from"` // UTC days of the first and the last entry shown
	To           string             `json:"to"`
	Logs         []LogCount         `json:"logs"`
	Observations []ObservationCount `json:"observations"`
	Statements   []StatementCount   `json:"statements"`
	Duties       []DutyCount        `json:"duties"`
	Lines        []LineCount        `json:"lines"`
	More         uint64             `json:"more,omitempty"` // what is not counted above: of groups beyond MaxGroups, and observations beyond MaxObservations
}

// Bounds of what is published.
const (
	MaxGroups = 1 << 13 // groups of one kind: party, kind, status and precedence are one
	MinSample = 5       // of fewer duties that were done no delay and no share is told: one could be known from it
	MinTail   = 20      // of fewer no 95th percentile is told: it would be the delay of the slowest one
)

// LogCount is the size of one log.
type LogCount struct {
	Party      hotline.Party `json:"party"`
	Generation uint64        `json:"generation"`
	Kind       Kind          `json:"kind"`
	With       hotline.Party `json:"with,omitempty"`
	Entries    uint64        `json:"entries"`
	Shown      uint64        `json:"shown"`
	Witnesses  int           `json:"witnesses"` // independent ones
}

// ObservationCount says how often something was observed of one party, or of one
// of two.
type ObservationCount struct {
	Party  hotline.Party `json:"party"`
	Other  hotline.Party `json:"other,omitempty"`
	Class  Class         `json:"class"`
	Code   Code          `json:"code"`
	Status string        `json:"status,omitempty"`
	Count  uint64        `json:"count"`
}

// StatementCount counts statements, once for each addressee.
type StatementCount struct {
	From       hotline.Party `json:"from"`
	Kind       string        `json:"kind"`
	Status     string        `json:"status"`
	Precedence string        `json:"precedence"`
	Count      uint64        `json:"count"`
	Received   uint64        `json:"received"` // a receipt is shown, or the receiver's log shows it
	Rejected   uint64        `json:"rejected"`
}

// DutyCount counts one party's duties of one sort.
type DutyCount struct {
	Party      hotline.Party `json:"party"`
	Duty       string        `json:"duty"`
	Role       Role          `json:"role"`
	Status     string        `json:"status,omitempty"`
	Precedence string        `json:"precedence,omitempty"`
	Count      uint64        `json:"count"`
	InTime     uint64        `json:"in_time"`
	Late       uint64        `json:"late"`
	NotDone    uint64        `json:"not_done"`
	Running    uint64        `json:"running"`
	Other      uint64        `json:"other"`             // withdrawn, lifted, not shown, not judged
	Figures    *Figures      `json:"figures,omitempty"` // absent if fewer than MinSample were done
}

// Figures say how fast duties were done, from what opened them on.
type Figures struct {
	Done           uint64 `json:"done"`             // how many they are of
	OnTimePermille uint64 `json:"on_time_permille"` // of those done in time, done late, and not done though overdue
	// Delays in milliseconds, exact by nearest rank.
	Median       hotline.Time  `json:"median"`
	Percentile95 *hotline.Time `json:"percentile_95,omitempty"` // absent if fewer than MinTail were done
}

// LineCount counts the line tests of one direction, by the log of who sent them.
type LineCount struct {
	From      hotline.Party `json:"from"`
	To        hotline.Party `json:"to"`
	Status    string        `json:"status"`
	Tests     uint64        `json:"tests"`
	Answered  uint64        `json:"answered"`
	Missed    uint64        `json:"missed"`
	MostInRow uint64        `json:"most_missed_in_a_row"`
	// Availability is the permille of the tests answered, of those answered or
	// missed; absent where there is none.
	Availability *uint64 `json:"availability_permille,omitempty"`

	row uint64
}

// Statistics counts. It reads what the report holds in temporary files; delays are
// sorted there too, so memory does not grow with the logs.
func (r *Report) Statistics() (s *Statistics, err error) {
	s = &Statistics{Logs: []LogCount{}, Observations: r.countObservations(), More: r.MoreProtocol + r.MoreTerms}
	var first, last hotline.Time
	for i := range r.Logs {
		l := &r.Logs[i]
		n := 0
		for _, w := range l.Witnesses {
			if w.Independent {
				n++
			}
		}
		s.Logs = append(s.Logs, LogCount{l.Party, l.Generation, l.Kind, l.With, l.Size, l.Shown, n})
		if l.First != 0 && (first == 0 || l.First < first) {
			first = l.First
		}
		last = max(last, l.Last)
	}
	s.From, s.To = day(first), day(last)
	for _, count := range []func(*Statistics) error{r.countStatements, r.countDuties, r.countLines} {
		if err := count(s); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (r *Report) countObservations() []ObservationCount {
	groups := groups[ObservationCount]{}
	for i := range r.Observations {
		o := &r.Observations[i]
		if g, _ := groups.of(ObservationCount{Party: o.Party, Other: o.Other, Class: o.Class, Code: o.Code, Status: o.Status}); g != nil {
			g.Count++
		}
	}
	slices.SortFunc(groups.list, func(a, b *ObservationCount) int {
		return cmp.Or(cmp.Compare(a.Party, b.Party), cmp.Compare(a.Other, b.Other), cmp.Compare(a.Code, b.Code), byStatus(a.Status, b.Status))
	})
	return groups.values()
}

func (r *Report) countStatements(s *Statistics) error {
	groups := groups[StatementCount]{}
	for v, err := range r.Statements() {
		if err != nil {
			return err
		}
		g, _ := groups.of(StatementCount{From: v.From, Kind: v.Kind, Status: v.Status, Precedence: v.Precedence})
		if g == nil {
			s.More++
			continue
		}
		g.Count++
		if v.Received != 0 && v.Rejected == "" {
			g.Received++
		}
		if v.Rejected != "" {
			g.Rejected++
		}
	}
	slices.SortFunc(groups.list, func(a, b *StatementCount) int {
		return cmp.Or(byStatus(a.Status, b.Status), strings.Compare(string(a.From), string(b.From)), strings.Compare(a.Kind, b.Kind),
			byPrecedence(a.Precedence, b.Precedence))
	})
	s.Statements = groups.values()
	return nil
}

func (r *Report) countDuties(s *Statistics) (err error) {
	delays, err := newRanks(r.dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, delays.close()) }()
	groups := groups[DutyCount]{}
	for v, err := range r.Verdicts() {
		if err != nil {
			return err
		}
		if v.Role == Clock {
			continue // of delivery, the line and contacts: the lines are counted for themselves
		}
		g, n := groups.of(DutyCount{Party: v.Party, Duty: v.Duty, Role: v.Role, Status: v.Status, Precedence: v.Precedence})
		if g == nil {
			s.More++
			continue
		}
		g.add(&v)
		if (v.Outcome == InTime || v.Outcome == DoneLate) && v.Opened != 0 && v.Ended >= v.Opened {
			if err := delays.add(n, v.Ended-v.Opened); err != nil {
				return err
			}
		}
	}
	err = delays.percentiles(MinSample, []uint64{50, 95}, func(n uint64, values []hotline.Time) {
		g := groups.list[n]
		g.Figures = &Figures{Done: delays.counts[n], OnTimePermille: g.InTime * 1000 / max(g.InTime+g.Late+g.NotDone, 1),
			Median: values[0]}
		if delays.counts[n] >= MinTail {
			g.Figures.Percentile95 = &values[1]
		}
	})
	slices.SortFunc(groups.list, func(a, b *DutyCount) int {
		return cmp.Or(byStatus(a.Status, b.Status), strings.Compare(string(a.Party), string(b.Party)), strings.Compare(a.Duty, b.Duty),
			strings.Compare(string(a.Role), string(b.Role)), byPrecedence(a.Precedence, b.Precedence))
	})
	s.Duties = groups.values()
	return err
}

func (g *DutyCount) add(v *Verdict) {
	g.Count++
	switch v.Outcome {
	case InTime:
		g.InTime++
	case DoneLate:
		g.Late++
	case NotDone:
		g.NotDone++
	case Running:
		g.Running++
	default:
		g.Other++
	}
}

func (r *Report) countLines(s *Statistics) error {
	groups := groups[LineCount]{}
	for v, err := range r.LineTests() {
		if err != nil {
			return err
		}
		g, _ := groups.of(LineCount{From: v.From, To: v.To, Status: v.Status})
		if g == nil {
			s.More++
			continue
		}
		g.Tests++
		switch {
		case v.Answered != 0:
			g.Answered, g.row = g.Answered+1, 0
		case v.Missed:
			g.Missed, g.row = g.Missed+1, g.row+1
			g.MostInRow = max(g.MostInRow, g.row)
		}
	}
	for _, g := range groups.list {
		if n := g.Answered + g.Missed; n > 0 {
			share := g.Answered * 1000 / n
			g.Availability = &share
		}
	}
	slices.SortFunc(groups.list, func(a, b *LineCount) int {
		return cmp.Or(strings.Compare(string(a.From), string(b.From)), strings.Compare(string(a.To), string(b.To)), byStatus(a.Status, b.Status))
	})
	s.Lines = groups.values()
	return nil
}

// groups are counts by what they count, at most MaxGroups.
type groups[T comparable] struct {
	at   map[T]uint64
	list []*T
}

// of finds the group that begins as key does, and its number; nil: there are too many.
func (g *groups[T]) of(key T) (*T, uint64) {
	if n, ok := g.at[key]; ok {
		return g.list[n], n
	}
	n := uint64(len(g.list))
	if n >= MaxGroups {
		return nil, 0
	}
	if g.at == nil {
		g.at = map[T]uint64{}
	}
	g.at[key] = n
	g.list = append(g.list, &key)
	return g.list[n], n
}

func (g *groups[T]) values() []T {
	list := make([]T, 0, len(g.list))
	for _, v := range g.list {
		list = append(list, *v)
	}
	return list
}

// byStatus puts ACTUAL first, then EXERCISE, then TEST, then what has none.
func byStatus(a, b string) int { return cmp.Compare(statusOf(a)-1, statusOf(b)-1) }

// statusOf finds the status of a word; 0: it is none.
func statusOf(word string) hotline.Status {
	for s := hotline.Actual; s <= hotline.Test; s++ {
		if s.String() == word {
			return s
		}
	}
	return 0
}

// byPrecedence puts FLASH first.
func byPrecedence(a, b string) int { return cmp.Compare(precedenceOf(a)-1, precedenceOf(b)-1) }

func precedenceOf(word string) hotline.Precedence {
	for p := hotline.Flash; p <= hotline.Routine; p++ {
		if p.String() == word {
			return p
		}
	}
	return 0
}

// day is a time to the day; what is shown of no entry has none.
func day(t hotline.Time) string {
	if t == 0 {
		return ""
	}
	return time.UnixMilli(int64(t)).UTC().Format(time.DateOnly)
}
