package audit

import (
	"cmp"
	"fmt"
	"slices"

	"example.org/hotline/hotline"
)

// Bounds of what is shown of one case, and of the cases that are told apart.
const (
	maxKnownCases = 1 << 14
	maxCaseRows   = 200 // of its table
	maxCaseDrawn  = 60  // rows of its drawing
	maxLanes      = 12  // parties of its drawing
)

// pageCase is one case as the page shows it.
type pageCase struct {
	Name    string // PARTY/id
	Status  string
	Overdue bool
	First   hotline.Time
	Last    hotline.Time
	Rows    []caseRow // in the order of their times
	More    uint64    // rows that are not shown
	Drawing *drawing

	statements map[statementEnd]Statement
}

// statementEnd is one statement as it concerns one addressee.
type statementEnd struct {
	id string
	to hotline.Party
}

// caseRow is one entry of a case, or an end of a statement that only the other
// side's log shows.
type caseRow struct {
	Event
	Number   int
	Provable string
	Claimed  bool // by the log of the other side: the entry itself is not given

	interval Interval
	bounded  bool // interval is known
}

// fillCases chooses the cases that are shown, and gathers what concerns them.
func (p *sheet) fillCases() error {
	known, beyond, err := p.knownCases()
	if err != nil {
		return err
	}
	total := len(known)
	slices.SortFunc(known, func(a, b *pageCase) int {
		return cmp.Or(byStatus(a.Status, b.Status), -compareBool(a.Overdue, b.Overdue), cmp.Compare(a.First, b.First), cmp.Compare(a.Name, b.Name))
	})
	p.Cases = known[:min(total, maxPageCases)]
	chosen := map[string]*pageCase{}
	for _, c := range p.Cases {
		c.statements = map[statementEnd]Statement{}
		chosen[c.Name] = c
	}
	switch {
	case beyond > 0:
		p.CasesMore = fmt.Sprintf("%d cases and the %d entries of still others are not shown here", total-len(p.Cases), beyond)
	case total > len(p.Cases):
		p.CasesMore = fmt.Sprintf("%d more cases are not shown here", total-len(p.Cases))
	}
	if err := p.gather(chosen); err != nil {
		return err
	}
	slices.SortFunc(p.Cases, func(a, b *pageCase) int {
		return cmp.Or(byStatus(a.Status, b.Status), cmp.Compare(a.First, b.First), cmp.Compare(a.Name, b.Name))
	})
	for i, c := range p.Cases {
		if err := p.finish(c); err != nil {
			return err
		}
		c.Drawing = draw(c, i+1)
	}
	return nil
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// knownCases finds the cases, and counts the entries of those beyond the bound.
func (p *sheet) knownCases() (list []*pageCase, beyond uint64, err error) {
	at := map[string]*pageCase{}
	for e, err := range p.Chronology() {
		if err != nil {
			return nil, 0, err
		}
		if e.Case == "" {
			continue
		}
		c := at[e.Case]
		if c == nil {
			if len(at) >= maxKnownCases {
				beyond++
				continue
			}
			c = &pageCase{Name: e.Case, First: e.Time}
			at[e.Case] = c
			list = append(list, c)
		}
		c.Status = cmp.Or(c.Status, e.Status)
		c.Overdue = c.Overdue || e.Type == "overdue"
		c.Last = e.Time
	}
	return list, beyond, nil
}

// gather collects entries and statements of the chosen cases.
func (p *sheet) gather(chosen map[string]*pageCase) error {
	for e, err := range p.Chronology() {
		if err != nil {
			return err
		}
		if c := chosen[e.Case]; c != nil {
			c.add(caseRow{Event: e})
		}
	}
	for s, err := range p.Statements() {
		if err != nil {
			return err
		}
		if c := chosen[s.Case]; c != nil && len(c.statements) < 2*maxCaseRows {
			c.statements[statementEnd{s.ID, s.To}] = s
		}
	}
	return nil
}

func (c *pageCase) add(w caseRow) {
	if len(c.Rows) >= maxCaseRows {
		c.More++
		return
	}
	c.Rows = append(c.Rows, w)
}

// finish adds the ends of statements that only the other side's log shows, and says
// of each entry between which times it provably came into its log.
func (p *sheet) finish(c *pageCase) error {
	shown := map[string]bool{}
	for i := range c.Rows {
		w := &c.Rows[i]
		shown[w.Type+" "+string(w.Party)+" "+w.Statement] = true
		found, err := p.Interval(w.Party, w.Generation, w.Entry)
		if err != nil {
			w.Provable = err.Error()
			continue
		}
		w.interval, w.bounded, w.Provable = found, true, found.Words()
	}
	ends := make([]Statement, 0, len(c.statements))
	for _, s := range c.statements {
		ends = append(ends, s)
	}
	slices.SortFunc(ends, func(a, b Statement) int {
		return cmp.Or(cmp.Compare(a.Tendered, b.Tendered), cmp.Compare(a.ID, b.ID), cmp.Compare(a.To, b.To))
	})
	for i := range ends {
		s := &ends[i]
		sent := caseRow{Claimed: true, Event: Event{Time: s.Tendered, Party: s.From, Entry: s.TenderedAs, Type: "sent", Kind: s.Kind, Peer: s.To, Statement: s.ID,
			Status: s.Status, Text: fmt.Sprintf("%s tenders %s %s %s to %s, as the tender says that %s holds", s.From, s.Precedence, s.Kind, shortID(s.ID), s.To, s.To)}}
		received := caseRow{Claimed: true, Event: Event{Time: s.Received, Party: s.To, Type: "received", Kind: s.Kind, Peer: s.From, Statement: s.ID,
			Status: s.Status, Text: fmt.Sprintf("%s receives %s %s %s, as the receipt says that %s holds", s.To, s.Precedence, s.Kind, shortID(s.ID), s.From)}}
		for _, w := range []caseRow{sent, received} {
			key := w.Type + " " + string(w.Party) + " " + s.ID
			if w.Time == 0 || shown[key] || shown["rejected "+string(w.Party)+" "+s.ID] {
				continue
			}
			shown[key] = true
			w.Provable = "the entry itself is not given"
			c.add(w)
		}
	}
	c.order()
	for i := range c.Rows {
		c.Rows[i].Number = i + 1
	}
	return nil
}

// order sorts the rows by their times. Rows of one time stay in the order of their
// log, and where that leaves a choice what was sent stands before what was received.
func (c *pageCase) order() {
	slices.SortStableFunc(c.Rows, func(a, b caseRow) int { return cmp.Or(cmp.Compare(a.Time, b.Time), cmp.Compare(a.Party, b.Party)) })
	for from := 0; from < len(c.Rows); {
		to := from + 1
		for to < len(c.Rows) && c.Rows[to].Time == c.Rows[from].Time {
			to++
		}
		weaveRows(c.Rows[from:to])
		from = to
	}
}

// weaveRows orders rows of one time, which come party by party.
func weaveRows(rows []caseRow) {
	left := slices.Clone(rows)
	waiting := map[string]int{} // statements whose sending is still left
	for i := range left {
		if left[i].Type == "sent" {
			waiting[left[i].Statement]++
		}
	}
	for n := range rows {
		choice := 0
		for i := range left {
			next := left[i].Claimed || !slices.ContainsFunc(left[:i], func(w caseRow) bool { return w.Party == left[i].Party && !w.Claimed })
			if came := left[i].Type == "received" || left[i].Type == "rejected"; next && !(came && waiting[left[i].Statement] > 0) {
				choice = i
				break
			}
		}
		if left[choice].Type == "sent" {
			waiting[left[choice].Statement]--
		}
		rows[n] = left[choice]
		left = slices.Delete(left, choice, choice+1)
	}
}
