package ledger

import (
	"bytes"
	"cmp"
	"slices"

	"example.org/hotline/hotline"
)

// Pages leave the house by channels that may fail, and the leader that sends
// them may die. So the record says first that a page is intended and by which
// ways, and afterwards what came of it (SPEC §6.10): a new leader takes up what
// has no end yet, under the same key.

// paging is what the record knows of waking people for one due entry. While
// the duty is open and no higher rung is reached it belongs to that duty;
// without a duty it lives on only until its end is recorded.
type paging struct {
	Page   Effect // as it was when the rung was reached
	Key    hotline.PageKey
	Scope  hotline.Scope
	Repeat uint64 // the newest one intended
	Routes []hotline.PageRoute
	Ended  bool                  // what came of the newest one intended is recorded
	Taken  []hotline.PageAttempt // of those, the ones by which it was taken

	duty *Duty
}

func (p *paging) intended() bool { return len(p.Routes) > 0 }

// PagingStage says what is to be done about a page.
type PagingStage uint8

// The stages, in the order in which a page goes through them.
const (
	PageIntend PagingStage = 1 // record by which ways it is to go; nothing may be sent before
	PageTry    PagingStage = 2 // intended: try, and record what came of it
	PageRest   PagingStage = 3 // recorded; nothing to do but to keep open what must be kept open
	PageBreak  PagingStage = 4 // intended, and no longer needed: break off, and record what came of it
)

// Paging is one page that somebody has to do something about.
type Paging struct {
	Stage  PagingStage
	Key    hotline.PageKey
	Page   Effect // with the people of this alarm; Index is that of the due entry
	Repeat uint64 // 0: the first alarm; else the repeat that is to be intended, or is under way
	Routes []hotline.PageRoute
	Taken  []hotline.PageAttempt
	Again  bool // a repeat is due, and waits only for the end of the alarm that is under way
}

// Pagings returns every page that is open at t, those of higher precedence
// first. What is no longer among them is over.
func (s *State) Pagings(t hotline.Time) []Paging {
	open := make([]*paging, 0, len(s.pagings))
	for _, p := range s.pagings {
		open = append(open, p)
	}
	slices.SortFunc(open, func(a, b *paging) int {
		return cmp.Or(cmp.Compare(a.Page.Precedence, b.Page.Precedence), cmp.Compare(a.Page.Index, b.Page.Index))
	})
	list := make([]Paging, len(open))
	for i, p := range open {
		list[i] = p.at(s, t)
	}
	return list
}

func (p *paging) at(s *State, t hotline.Time) Paging {
	x := Paging{Key: p.Key, Page: p.Page, Repeat: p.Repeat, Routes: p.Routes, Taken: p.Taken}
	switch {
	case p.duty == nil:
		x.Stage = PageBreak
	case !p.intended():
		x.Stage = PageIntend
	case !p.Ended:
		_, n := p.duty.repeat(t)
		x.Stage, x.Again = PageTry, n > 0 && uint64(n) > p.Repeat
	default:
		x.Stage = PageRest
		if at, n := p.duty.repeat(t); n > 0 && uint64(n) > p.Repeat {
			again := s.pageAgain(p.duty, at, n)
			again.Index, again.Time = p.Page.Index, p.Page.Time
			x.Stage, x.Page, x.Repeat = PageIntend, again, uint64(n)
		}
	}
	return x
}

// page notes that a rung woke people. The pages of lower rungs of the same
// duty are not needed any more.
func (s *State) page(d *Duty, scope hotline.Scope, e Effect) {
	s.endPages(d)
	d.Paged = e.Index + 1
	s.pagings[e.Index] = &paging{Page: e, Key: hotline.PageKeyOf(s.convention, s.self, s.generation, e.Index), Scope: scope, duty: d}
}

// endPages ends what is pending for a duty: it was done, or climbs on. Of what
// was intended the end is still to be recorded.
func (s *State) endPages(d *Duty) {
	if d.Paged == 0 {
		return
	}
	index := d.Paged - 1
	d.Paged = 0
	p := s.pagings[index]
	if p == nil {
		return
	}
	p.duty = nil
	if !p.intended() || p.Ended {
		delete(s.pagings, index)
	}
}

// paged takes an intent, or what came of one.
func (r *run) paged() error {
	x := r.c.Page
	if x == nil {
		return hotline.Refuse(hotline.CodeMalformed, "the command carries no page")
	}
	if err := x.Validate(); err != nil {
		return err
	}
	p := r.s.pagings[x.Due]
	if p == nil {
		return hotline.Refuse(hotline.CodeNotOwed, "nobody is to be woken for entry %d, or no more", x.Due)
	}
	if !bytes.Equal(x.Key, p.Key[:]) {
		return hotline.Refuse(hotline.CodeHeader, "not the key of the page for entry %d", x.Due)
	}
	if x.Intent() {
		return r.intend(p, x)
	}
	return r.ended(p, x)
}

func (r *run) intend(p *paging, x *hotline.Page) error {
	switch {
	case p.duty == nil:
		return hotline.Refuse(hotline.CodeNotOwed, "the page for entry %d is no longer needed", x.Due)
	case p.intended() && (!p.Ended || x.Repeat <= p.Repeat):
		return hotline.Refuse(hotline.CodeDuplicate, "page %d for entry %d is intended already", p.Repeat, x.Due)
	case !p.intended() && x.Repeat != 0:
		return hotline.Refuse(hotline.CodeReference, "there is no first alarm that could be repeated")
	}
	targets, ok := r.s.onRung(p, x.Repeat, r.t)
	switch {
	case !ok:
		return hotline.Refuse(hotline.CodeNotOwed, "page %d for entry %d is not due", x.Repeat, x.Due)
	case len(targets) > 0 && !reaches(x.Routes, targets):
		return hotline.Refuse(hotline.CodeHeader, "the routes do not reach each of %v once", targets)
	}
	r.add(hotline.EntryPage, p.Scope, hotline.Outside, x)
	p.Routes, p.Repeat, p.Ended, p.Taken = x.Routes, x.Repeat, false, nil
	return nil
}

// onRung names who is to be woken by an alarm of a page, and reports whether
// that is due at t. What the repeats of a duty are that a projection hides is
// taken as given: then it names nobody.
func (s *State) onRung(p *paging, repeat uint64, t hotline.Time) (targets []string, ok bool) {
	if repeat == 0 {
		return p.Page.Targets, true
	}
	if len(p.duty.Clocks) == 0 {
		return nil, true
	}
	if _, newest := p.duty.repeat(t); newest < 0 || repeat > uint64(newest) {
		return nil, false
	}
	c := &p.duty.Clocks[p.duty.Next-1]
	return s.pageAgain(p.duty, c.Due+hotline.Time(repeat)*c.Repeat, int64(repeat)).Targets, true
}

func (r *run) ended(p *paging, x *hotline.Page) error {
	switch {
	case !p.intended() || x.Repeat != p.Repeat:
		return hotline.Refuse(hotline.CodeReference, "page %d for entry %d is not intended", x.Repeat, x.Due)
	case p.Ended:
		return hotline.Refuse(hotline.CodeDuplicate, "what came of page %d for entry %d is recorded", x.Repeat, x.Due)
	}
	var taken []hotline.PageAttempt
	for _, a := range x.Attempts {
		if a.Route >= uint64(len(p.Routes)) {
			return hotline.Refuse(hotline.CodeReference, "an attempt names route %d of %d", a.Route, len(p.Routes))
		}
		if a.Result == hotline.PageTaken {
			taken = append(taken, a)
		}
	}
	r.add(hotline.EntryPage, p.Scope, hotline.Outside, x)
	p.Ended, p.Taken = true, taken
	if p.duty == nil {
		delete(r.s.pagings, x.Due)
	}
	return nil
}

// reaches reports whether the routes name each of the targets once, and nobody
// else.
func reaches(routes []hotline.PageRoute, targets []string) bool {
	var named []string
	for i := range routes {
		named = append(named, routes[i].Targets...)
	}
	want := slices.Clone(targets)
	slices.Sort(named)
	slices.Sort(want)
	return slices.Equal(named, want)
}

// pageHidden takes a rung as given that a projection shows of a duty towards
// third parties alone: that people were woken for it is shown, too.
func (r *Replay) pageHidden(index uint64, e *hotline.Entry, due *hotline.Due) {
	if len(due.Targets) == 0 {
		return
	}
	s := r.s
	s.pagings[index] = &paging{Page: Effect{Type: Page, ID: due.Subject, Index: index, Duty: due.Duty, Time: due.Due, Office: due.Office, Targets: due.Targets},
		Key: hotline.PageKeyOf(s.convention, s.self, s.generation, index), Scope: e.Scope, duty: &Duty{}}
}
