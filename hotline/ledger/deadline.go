package ledger

import (
	"container/heap"
	"slices"

	"example.org/hotline/hotline"
)

// Duty is something owed, or waited for, with its clocks. It is opened by one
// statement and closed by another; its terms and its ladder are frozen when it
// opens (SPEC §6.3).
type Duty struct {
	Class      hotline.Duty
	Subject    hotline.ID // the statement that opened it
	Peer       hotline.Party
	Case       *hotline.CaseID
	Status     hotline.Status
	Precedence hotline.Precedence
	Opened     hotline.Time
	Deadline   hotline.Time
	Overdue    bool
	Clocks     []Rung
	Next       int    // the first clock that has not fired
	Paged      uint64 // 1 + index of the due entry of the newest page; 0: none is open
	done       bool
}

// Rung is one clock of a duty.
type Rung struct {
	Due      hotline.Time
	Number   uint64 // within the case or pair: breaks ties of due times
	Permille uint64
	Office   string
	Targets  []string     // officers by role name
	Posts    []string     // what the ladder says instead, where it names a rota
	Repeat   hotline.Time // the page is made again after each; 0: never
}

// clockRef is a clock in the heap. owner is the key of its case, or "~PARTY"
// for a pair and "~" for the whole party, which sort behind every case.
type clockRef struct {
	due    hotline.Time
	owner  string
	number uint64
	duty   *Duty
}

type clockHeap []clockRef

func (h clockHeap) Len() int { return len(h) }
func (h clockHeap) Less(i, j int) bool {
	a, b := &h[i], &h[j]
	if a.due != b.due {
		return a.due < b.due
	}
	if a.owner != b.owner {
		return a.owner < b.owner
	}
	return a.number < b.number
}
func (h clockHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *clockHeap) Push(x any)   { *h = append(*h, x.(clockRef)) }
func (h *clockHeap) Pop() any {
	old := *h
	x := old[len(old)-1]
	*h = old[:len(old)-1]
	return x
}

// NextDeadline returns the earliest clock that has not fired. The leader
// proposes a tick when its own clock passes it.
func (s *State) NextDeadline() (hotline.Time, bool) {
	for s.heap.Len() > 0 {
		top := s.heap[0]
		if top.live() {
			return top.due, true
		}
		heap.Pop(&s.heap)
	}
	return 0, false
}

// live: a duty's clocks fire in order, so only its next one counts; those of a
// duty that is done are dropped when they come to the top.
func (c *clockRef) live() bool {
	return !c.duty.done && c.duty.Next < len(c.duty.Clocks) && c.duty.Clocks[c.duty.Next].Number == c.number
}

// owner is where duties hang: a case, or the pair.
type owner struct {
	key    string
	next   *uint64
	duties *[]*Duty
}

func (c *Case) owner() owner { return owner{c.ID.Key(), &c.NextClock, &c.Duties} }
func (p *Pair) owner() owner { return owner{"~" + string(p.Peer), &p.NextClock, &p.Duties} }

func (s *State) ownerOf(d *Duty) owner {
	if d.Case == nil && d.Peer == "" {
		return s.house.owner()
	}
	if d.Case != nil {
		return s.cases[d.Case.Key()].owner()
	}
	return s.pairs[d.Peer].owner()
}

// open starts a duty. Rungs that stand before the moment of opening do not
// exist: a duty is never born with a reminder in the past; only its deadline
// may be (an alert capped by the detection's age), and fires at once.
func (s *State) open(d *Duty, rungs []hotline.Rung) {
	if !s.follows(d) {
		return
	}
	o := s.ownerOf(d)
	term := d.Deadline - d.Opened
	for _, r := range rungs {
		due := d.Opened + hotline.Time(int64(term)*int64(r.Permille)/hotline.Deadline)
		if term <= 0 && r.Permille < hotline.Deadline {
			continue
		}
		if term <= 0 {
			due = d.Deadline
		}
		*o.next++
		d.Clocks = append(d.Clocks, s.newClock(r, due, term, *o.next))
	}
	*o.duties = append(*o.duties, d)
	s.watch(d, o.key)
	s.turn(d, DutyOpened)
}

// watch puts a duty's clocks into the heap, and counts it.
func (s *State) watch(d *Duty, key string) {
	if d.Class == hotline.DutyAcknowledge {
		s.unanswered[d.Peer]++
	}
	if p := s.pagings[d.Paged-1]; d.Paged > 0 && p != nil { // restored
		p.duty = d
	}
	for _, c := range d.Clocks[d.Next:] {
		heap.Push(&s.heap, clockRef{due: c.Due, owner: key, number: c.Number, duty: d})
	}
}

// close drops a duty: nothing of it fires any more.
func (s *State) close(d *Duty) { s.end(d, DutyDropped) }

// lift drops a duty that stands for nothing any more, and what was asked for it.
// Nothing else may come that ends the memory of its case: it is looked at again.
func (s *State) lift(d *Duty) {
	s.liftAs(d, DutyDropped)
	if d.Case != nil {
		s.settling = append(s.settling, settling{d.Case.Key(), s.time + settledMemory})
	}
}

func (s *State) liftAs(d *Duty, how TurnType) {
	s.end(d, how)
	switch d.Class {
	case hotline.DutyAlert:
		s.dropAsksAbout(hotline.KindAutomaticAlert, d.Subject)
	case hotline.DutyAcknowledge:
		s.dropAsksAbout(hotline.KindEscalation, d.Subject)
	}
}

func (s *State) end(d *Duty, how TurnType) {
	d.done = true
	if d.Class == hotline.DutyAcknowledge {
		s.unanswered[d.Peer]--
	}
	s.endPages(d)
	o := s.ownerOf(d)
	*o.duties = slices.DeleteFunc(*o.duties, func(x *Duty) bool { return x == d })
	s.turn(d, how)
}

// find returns the open duty of a class for a subject and peer, or nil.
func find(duties []*Duty, class hotline.Duty, subject hotline.ID, peer hotline.Party) *Duty {
	for _, d := range duties {
		if d.Class == class && d.Subject == subject && d.Peer == peer {
			return d
		}
	}
	return nil
}

// dutiesOf returns the duties that hang where a statement of this case and
// peer would find them.
func (s *State) dutiesOf(c *hotline.CaseID, peer hotline.Party) []*Duty {
	if c != nil {
		if k := s.cases[c.Key()]; k != nil {
			return k.Duties
		}
		return nil
	}
	if p := s.pairs[peer]; p != nil {
		return p.Duties
	}
	return nil
}

// Duties returns the open duties of a case, or of the pair if c is nil.
func (s *State) Duties(c *hotline.CaseID, peer hotline.Party) []*Duty { return s.dutiesOf(c, peer) }

// OpenDuties returns every open duty, those of cases first.
func (s *State) OpenDuties() []*Duty {
	var list []*Duty
	for _, key := range sortedKeys(s.cases) {
		list = append(list, s.cases[key].Duties...)
	}
	for _, p := range sortedKeys(s.pairs) {
		list = append(list, s.pairs[p].Duties...)
	}
	return append(list, s.house.Duties...)
}

// fire makes a due entry for every clock at or before r.t, in the order (due
// time, case, clock number), and derives what follows from it. Every due entry
// is made; after an outage only the highest rung of a duty pages.
func (r *run) fire() {
	s := r.s
	pages := map[*Duty]int{}
	for {
		due, ok := s.NextDeadline()
		if !ok || due > r.t {
			break
		}
		ref := heap.Pop(&s.heap).(clockRef)
		r.fired(ref.duty, pages)
	}
	r.vacate()
}

func (r *run) fired(d *Duty, pages map[*Duty]int) {
	if r.s.over(d) {
		r.passOver(d)
		return
	}
	c := d.Clocks[d.Next]
	d.Next++
	overdue := c.Permille == hotline.Deadline && !d.Class.Recurs()
	d.Overdue = d.Overdue || overdue
	last := overdue && awaits(d) && r.s.forNobody(d, c.Due)
	if last { // nobody can do anything about it
		c.Targets = nil
	}
	scope := r.s.dutyScope(d)
	index := r.add(hotline.EntryDue, scope, hotline.Derived, &hotline.Due{
		Duty: d.Class, Subject: d.Subject, Peer: d.Peer, Due: c.Due, Clock: c.Number,
		Permille: c.Permille, Overdue: overdue, Office: c.Office, Targets: c.Targets})
	if len(c.Targets) > 0 {
		page := Effect{Type: Page, Peer: d.Peer, ID: d.Subject, Index: index, Precedence: d.Precedence, Status: d.Status,
			Time: c.Due, Case: d.Case, Duty: d.Class, Overdue: overdue, Office: c.Office, Targets: c.Targets}
		if i, ok := pages[d]; ok {
			r.res.Effects[i] = page
		} else {
			pages[d] = len(r.res.Effects)
			r.effect(page)
		}
		r.s.page(d, scope, page)
	}
	if overdue {
		r.s.late(d, c.Due, index)
	}
	if d.inVain() {
		r.s.settle(r.s.caseOf(d.Case), r.t)
	}
	if d.Class.Recurs() || overdue {
		r.lapse(d, c, index)
	}
	if last {
		r.s.lift(d)
	}
}

// dutyScope is the scope of what a duty derives: itself and the peer that it
// concerns, within its case if it has one.
func (s *State) dutyScope(d *Duty) hotline.Scope {
	parties := []hotline.Party{s.self}
	if d.Peer != "" {
		parties = append(parties, d.Peer)
	}
	if d.Case != nil {
		return hotline.CaseScope(*d.Case, parties...)
	}
	if d.Peer == "" {
		return hotline.Common()
	}
	return hotline.PairScope(s.self, d.Peer)
}

// lapse does what the deadline itself demands.
func (r *run) lapse(d *Duty, c Rung, index uint64) {
	s := r.s
	switch d.Class {
	case hotline.DutyAlert:
		r.askAutomaticAlert(d, index)
	case hotline.DutyAcknowledge:
		r.ask(&Ask{Kind: hotline.KindEscalation, Cause: index, Case: d.Case, Re: d.Subject, To: []hotline.Party{d.Peer},
			Status: d.Status, Precedence: d.Precedence, Due: c.Due, Office: c.Office})
	case hotline.DutyDeliver:
		if o := s.pairs[d.Peer].Sent[d.Subject]; o != nil {
			o.Undelivered = true
		}
		if k := s.caseOf(d.Case); k != nil && !s.acknowledgedBy(d.Peer, d.Subject) {
			k.tell(d.Peer, d.Subject, ToldUndelivered)
		}
		r.ask(&Ask{Kind: hotline.KindNonDelivery, Cause: index, Case: d.Case, Re: d.Subject, Peer: d.Peer,
			Status: d.Status, Precedence: d.Precedence, Due: c.Due, Reason: hotline.CodeNoReceipt})
	case hotline.DutyLineTest:
		pair := s.pairs[d.Peer]
		s.close(d)
		r.scheduleLineTest(pair)
		if !s.testsLine(s.Convention(r.t), d.Peer) {
			return // an amendment ended the tests since
		}
		r.ask(&Ask{Kind: hotline.KindLineTest, Cause: index, To: []hotline.Party{d.Peer},
			Status: hotline.Test, Precedence: hotline.Routine, Due: c.Due})
	case hotline.DutyWatchTest:
		s.close(d)
		r.scheduleWatchTest(s.pairs[d.Peer])
		r.ask(&Ask{Kind: hotline.KindWatchTest, Cause: index, To: []hotline.Party{d.Peer},
			Status: hotline.Test, Precedence: hotline.Immediate, Due: c.Due})
	case hotline.DutyLineReply:
		s.pairs[d.Peer].Missed++
		s.close(d)
	}
}

func (s *State) caseOf(id *hotline.CaseID) *Case {
	if id == nil {
		return nil
	}
	return s.cases[id.Key()]
}

// single is the ladder of a duty with one clock: its deadline.
func single(office string, targets []string) []hotline.Rung {
	return []hotline.Rung{{Permille: hotline.Deadline, Office: office, Targets: targets}}
}

// from keeps the rungs at or above a permille: who waits for another's duty is
// not reminded before it is overdue.
func from(rungs []hotline.Rung, permille uint64) []hotline.Rung {
	i := slices.IndexFunc(rungs, func(r hotline.Rung) bool { return r.Permille >= permille })
	if i < 0 {
		return nil
	}
	return rungs[i:]
}

// defaultLadder stands in force until an authority sets another one: the rungs
// of DESIGN §6 with the officers that the directory names for each office.
func defaultLadder(d *hotline.SignedDirectory) *hotline.Ladder {
	if d == nil {
		return &hotline.Ladder{}
	}
	who := func(roles ...hotline.Role) []string {
		for _, role := range append(roles, hotline.Roles...) {
			if role == hotline.Reporter {
				continue // hands in what it saw, and is never woken
			}
			var names []string
			for i := range d.Officers {
				if o := &d.Officers[i]; o.Has(role) && o.Revoked == 0 && len(names) < hotline.MaxTargets {
					names = append(names, o.Name)
				}
			}
			if len(names) > 0 {
				return names
			}
		}
		return nil
	}
	op, rel, li, au := who(hotline.Operator), who(hotline.Releaser, hotline.Operator), who(hotline.Liaison), who(hotline.Authority, hotline.Releaser)
	return &hotline.Ladder{
		Owing: []hotline.Rung{
			{Permille: 500, Office: "reminder", Targets: op}, {Permille: 750, Office: "deputy", Targets: rel},
			{Permille: 1000, Office: "director", Targets: au}, {Permille: 1500, Office: "authority", Targets: au}},
		Receiving: []hotline.Rung{
			{Permille: 0, Office: "desk", Targets: li, Repeat: 100}, {Permille: 300, Office: "deputy", Targets: li},
			{Permille: 500, Office: "second-site", Targets: li}, {Permille: 1000, Office: "director", Targets: au},
			{Permille: 2000, Office: "voice", Targets: au}, {Permille: 3000, Office: "authority", Targets: au}},
	}
}
