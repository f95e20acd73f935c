// pure

package link

import (
	"container/heap"
	"encoding/binary"
	"time"

	"example.org/hotline/hotline"
)

// Item is one own statement that waits for a peer's receipt.
type Item struct {
	Sequence   uint64 // towards this peer
	ID         hotline.ID
	Precedence hotline.Precedence
	Index      uint64 // of the own entry; carried along, not read
	// Turn, if not 0, has the first try go by that path, counted from 1 and
	// around, unless it is avoided: line tests show of every node that it can be
	// reached, and not only of the one that leads (SPEC §6.12).
	Turn uint64
}

// Attempt asks the caller to send one item by one path now, and to call
// Answered with it when the exchange is over.
type Attempt struct {
	Item
	Path int    // index into the peer's nodes
	Try  uint64 // from 1; an answer to an earlier try never disturbs a later one
}

// Outcome is how an attempt ended.
type Outcome uint8

// The outcomes, and what the Outbox does (SPEC §9.6).
const (
	// Failed: no answer, or none that can be read. Again by the next path
	// after RetryFirst, doubling; never later than the next-path wait after
	// the try began.
	Failed Outcome = iota + 1
	// Receipted: a receipt came. The item stays until Settle; if that does not
	// come within SettleWait, the receipt is asked for again.
	Receipted
	// Needed: the peer lacked documents, and they have been sent. Again at once
	// by the same path, NeedAtOnce times; then as Refused.
	Needed
	// Busy: the peer is at a bound or has no leader. Again after BusyFirst,
	// doubling up to BusyMax or the next-path wait, whichever is shorter.
	Busy
	// Refused: any other code. Again after the next-path wait, doubling up to
	// RetryMax: the cause may be on one node, or be mended, but it will not be
	// mended by haste.
	Refused
)

// OutcomeOf maps the result of Line.Ask to an outcome. It says Needed for an
// answer that names documents: the caller sends them first.
func OutcomeOf(a *Answer, err error) Outcome {
	switch {
	case err != nil || a == nil:
		return Failed
	case a.Code == "" && len(a.Receipt) != 0:
		return Receipted
	}
	switch a.Code {
	case hotline.CodeNeed:
		return Needed
	case hotline.CodeBusy, hotline.CodeNotLeader, hotline.CodeUnknown:
		return Busy
	}
	return Refused
}

// parcel is one item's state. It stands in exactly one queue of its lane.
type parcel struct {
	Item
	try     uint64
	path    int
	started hotline.Time // of the newest try
	due     hotline.Time // waiting: not before this; flying: given up at this
	fails   int
	needs   int
	last    Outcome
	again   bool // the next try goes by the same path
	in      *queue
	pos     int
}

// lane holds the items of one precedence. Fresh and waiting items take turns,
// so that neither a stream of new statements nor a heap of refused ones keeps
// the other from being sent.
type lane struct {
	share   int
	fresh   queue // never tried, by sequence
	waiting queue // to be tried again, by due time, then sequence
	flying  queue // tried, no answer yet, by the time at which the try is given up
	turn    bool  // the next place goes to a waiting one
}

// Outbox decides what is sent to one peer, when, and by which path. It holds
// at most hotline.MaxOutbox items, hotline.FlashReserve of them for FLASH
// alone. No item is ever in flight twice; items of a precedence go in order of
// sequence, except that one that must be tried again does not hold up the
// next. It is not safe for concurrent use.
//
// Times are of the caller's clock. It should not step; if it steps back, the
// waits are moved along, so nothing stalls.
type Outbox struct {
	items    map[hotline.ID]*parcel
	lanes    [4]lane
	ordinary int // items that are not FLASH
	nextPath hotline.Durations
	avoid    []hotline.Time // per path: not used before this while another is there
	calm     []hotline.Time // per path: its coming back hurries nothing before this
	first    int            // path for first tries: see Prefer; else the last that bore a receipt
	now      hotline.Time
}

// NewOutbox makes an empty Outbox for a peer with paths nodes (at least 1)
// under these terms.
func NewOutbox(terms hotline.Terms, paths int) *Outbox {
	o := &Outbox{items: map[hotline.ID]*parcel{}}
	for i := range o.lanes {
		l := &o.lanes[i]
		l.share = laneShare[i]
		l.fresh.by = bySequence
		l.waiting.by, l.flying.by = byDue, byDue
	}
	o.Configure(terms, paths)
	return o
}

// Configure changes terms and the number of the peer's nodes. Tries in flight
// keep the wait under which they began.
func (o *Outbox) Configure(terms hotline.Terms, paths int) {
	paths = max(paths, 1)
	o.nextPath = terms.NextPath
	if len(o.avoid) != paths {
		o.avoid, o.calm, o.first = make([]hotline.Time, paths), make([]hotline.Time, paths), 0
	}
}

// Add takes an item in; one that is there already is not taken twice. It fails
// with CodeBusy when full: the ledger still holds the statement, and the caller
// adds it again later.
func (o *Outbox) Add(it Item) error {
	if it.Precedence < hotline.Flash || it.Precedence > hotline.Routine {
		return hotline.Refuse(hotline.CodeHeader, "precedence %d", it.Precedence)
	}
	if _, there := o.items[it.ID]; there {
		return nil
	}
	flash := it.Precedence == hotline.Flash
	if len(o.items) >= hotline.MaxOutbox || !flash && o.ordinary >= hotline.MaxOutbox-hotline.FlashReserve {
		return hotline.Refuse(hotline.CodeBusy, "outbox holds %d statements, add again when some are settled", len(o.items))
	}
	p := &parcel{Item: it}
	o.items[it.ID] = p
	if !flash {
		o.ordinary++
	}
	o.lane(p).fresh.put(p)
	return nil
}

// Next returns what is to be sent now, FLASH first. Every attempt returned is
// in flight until Answered, or until the terms' next-path wait has passed
// without an answer: then it is sent by another path, not before.
func (o *Outbox) Next(now hotline.Time) []Attempt {
	o.sync(now)
	var out []Attempt
	for i := range o.lanes {
		l := &o.lanes[i]
		o.giveUp(l)
		for l.flying.Len() < l.share {
			p := l.pick(now)
			if p == nil {
				break
			}
			out = append(out, o.launch(l, p))
		}
	}
	return out
}

// Wake returns when Next will have something to do if nothing else happens:
// now or later. ok is false while only an answer or a new item can change
// anything.
func (o *Outbox) Wake(now hotline.Time) (at hotline.Time, ok bool) {
	o.sync(now)
	earlier := func(t hotline.Time) {
		if !ok || t < at {
			at, ok = t, true
		}
	}
	for i := range o.lanes {
		l := &o.lanes[i]
		if l.flying.Len() > 0 {
			earlier(l.flying.list[0].due)
		}
		if l.flying.Len() >= l.share {
			continue
		}
		if l.fresh.Len() > 0 {
			earlier(now)
		}
		if l.waiting.Len() > 0 {
			earlier(l.waiting.list[0].due)
		}
	}
	return max(at, now), ok
}

// Answered reports how an attempt ended. Of a try that was given up meanwhile
// only a receipt counts.
func (o *Outbox) Answered(a Attempt, outcome Outcome, now hotline.Time) {
	o.sync(now)
	p := o.items[a.ID]
	if p == nil {
		return
	}
	current := p.try == a.Try && p.in == &o.lane(p).flying
	if !current && outcome != Receipted {
		return
	}
	if outcome != Failed && a.Path < len(o.avoid) {
		o.avoid[a.Path] = 0
	}
	p.last = outcome
	switch outcome {
	case Receipted:
		if a.Path < len(o.avoid) && a.Turn == 0 {
			o.first = a.Path
		}
		p.fails = 0
		o.wait(p, now+millis(SettleWait))
	case Needed:
		if p.needs++; p.needs <= NeedAtOnce {
			p.again = true
			o.wait(p, now)
			return
		}
		o.wait(p, now+p.backoff(o.term(p), millis(RetryMax)))
	case Busy:
		pause := p.backoff(millis(BusyFirst), min(millis(BusyMax), o.term(p)))
		o.wait(p, o.atLatest(p, now, now+pause))
	case Refused:
		o.wait(p, now+p.backoff(o.term(p), millis(RetryMax)))
	default:
		o.wait(p, o.atLatest(p, now, now+p.backoff(millis(RetryFirst), o.term(p))))
	}
}

// Prefer makes a path that of first tries, unless it is avoided: the peer's
// leader is there.
func (o *Outbox) Prefer(path int, now hotline.Time) {
	o.sync(now)
	if path >= 0 && path < len(o.avoid) && o.avoid[path] <= now {
		o.first = path
	}
}

// Settle removes an item whose receipt, or whose rejection, is committed.
func (o *Outbox) Settle(id hotline.ID) {
	p := o.items[id]
	if p == nil {
		return
	}
	p.in.remove(p)
	delete(o.items, id)
	if p.Precedence != hotline.Flash {
		o.ordinary--
	}
}

// Outstanding is the number of items without a settled receipt.
func (o *Outbox) Outstanding() int { return len(o.items) }

// InFlight is the number of attempts that are neither answered nor given up.
func (o *Outbox) InFlight() int {
	n := 0
	for i := range o.lanes {
		n += o.lanes[i].flying.Len()
	}
	return n
}

// PathFailed reports that the connection to a node is gone. What is in flight
// by it goes by another path at once, if there is one and nothing of it failed
// before, and the path is avoided for PathPenalty.
func (o *Outbox) PathFailed(path int, now hotline.Time) {
	o.sync(now)
	if path < 0 || path >= len(o.avoid) {
		return
	}
	o.avoid[path] = now + millis(PathPenalty)
	next := o.pathAfter(path)
	other := o.avoid[next] <= now
	if o.first == path {
		o.first = next
	}
	for i := range o.lanes {
		for _, p := range o.lanes[i].flying.all() {
			if p.path != path {
				continue
			}
			p.last = Failed
			hurry := other && p.fails == 0
			due := o.atLatest(p, now, now+p.backoff(millis(RetryFirst), o.term(p)))
			if hurry {
				due = now
			}
			o.wait(p, due)
		}
	}
}

// PathOpened reports that a node can be reached again. What failed before is
// due at once, but no more than once in PathPenalty: a node that comes and goes
// all the time must not set the pace.
func (o *Outbox) PathOpened(path int, now hotline.Time) {
	o.sync(now)
	if path < 0 || path >= len(o.avoid) {
		return
	}
	o.avoid[path] = 0
	if now < o.calm[path] {
		return
	}
	o.calm[path] = now + millis(PathPenalty)
	for i := range o.lanes {
		for _, p := range o.lanes[i].waiting.all() {
			if p.last == Failed {
				p.fails = 0
				o.wait(p, min(p.due, now))
			}
		}
	}
}

func (o *Outbox) lane(p *parcel) *lane { return &o.lanes[p.Precedence-hotline.Flash] }

// term is the wait after which a try without an answer is given up.
func (o *Outbox) term(p *parcel) hotline.Time { return hotline.Time(o.nextPath.At(p.Precedence)) }

// sync takes note of the time. If the clock went back, all waits move with it.
func (o *Outbox) sync(now hotline.Time) {
	if back := o.now - now; back > 0 {
		for _, p := range o.items {
			p.due -= back
			p.started -= back
		}
		for i := range o.avoid {
			o.avoid[i] -= back
			o.calm[i] -= back
		}
	}
	o.now = now
}

// giveUp returns tries without an answer to the waiting ones.
func (o *Outbox) giveUp(l *lane) {
	for l.flying.Len() > 0 && l.flying.list[0].due <= o.now {
		p := l.flying.list[0]
		if o.first == p.path {
			o.first = o.pathAfter(p.path)
		}
		p.last = Failed
		o.wait(p, p.due)
	}
}

// wait puts p among the waiting ones until due.
func (o *Outbox) wait(p *parcel, due hotline.Time) {
	p.in.remove(p)
	p.due = due
	o.lane(p).waiting.put(p)
}

// atLatest holds the promise of the terms: the next try comes no later than
// the next-path wait after the last one began.
func (o *Outbox) atLatest(p *parcel, now, due hotline.Time) hotline.Time {
	return min(due, max(now, p.started+o.term(p)))
}

func (o *Outbox) launch(l *lane, p *parcel) Attempt {
	switch {
	case p.again:
		p.again = false
		p.path = min(p.path, len(o.avoid)-1)
	case p.try == 0:
		p.path = o.first
		if p.Turn > 0 {
			p.path = int((p.Turn - 1) % uint64(len(o.avoid)))
		}
		if o.avoid[p.path] > o.now {
			p.path = o.pathAfter(p.path)
		}
	default:
		p.path = o.pathAfter(p.path)
	}
	p.try++
	p.started = o.now
	p.due = o.now + o.term(p)
	l.flying.put(p)
	return Attempt{Item: p.Item, Path: p.path, Try: p.try}
}

// pathAfter is the next path in rotation that is not avoided, which may be the
// same; if all are avoided, the next one.
func (o *Outbox) pathAfter(path int) int {
	n := len(o.avoid)
	for i := 1; i <= n; i++ {
		if next := (path + i) % n; o.avoid[next] <= o.now {
			return next
		}
	}
	return (path + 1) % n
}

// pick takes the next item of the lane that may go now, or nil.
func (l *lane) pick(now hotline.Time) *parcel {
	ready := l.waiting.Len() > 0 && l.waiting.list[0].due <= now
	from := &l.fresh
	switch {
	case ready && (l.turn || l.fresh.Len() == 0):
		from, l.turn = &l.waiting, false
	case l.fresh.Len() > 0:
		l.turn = true
	default:
		return nil
	}
	p := from.list[0]
	from.remove(p)
	return p
}

// backoff is first doubled for every failure so far, at most limit, less a
// jitter of up to a quarter that follows from the id and the count, so that
// two peers' retries do not march in step and a test can foretell them.
func (p *parcel) backoff(first, limit hotline.Time) hotline.Time {
	pause := limit
	if p.fails < 24 {
		pause = min(first<<p.fails, limit)
	}
	jitter := hotline.Time(binary.BigEndian.Uint16(p.ID[2*p.fails%len(p.ID):]))
	p.fails++
	return max(1, pause-pause/4*jitter/(1<<16))
}

func millis(d time.Duration) hotline.Time { return hotline.Time(d.Milliseconds()) }

// queue is a heap of parcels.
type queue struct {
	list []*parcel
	by   func(a, b *parcel) bool
}

func bySequence(a, b *parcel) bool { return a.Sequence < b.Sequence }

func byDue(a, b *parcel) bool {
	if a.due != b.due {
		return a.due < b.due
	}
	return a.Sequence < b.Sequence
}

func (q *queue) put(p *parcel) { heap.Push(q, p) }

func (q *queue) remove(p *parcel) {
	if p.in == q {
		heap.Remove(q, p.pos)
	}
}

// all is a copy of the list, safe to walk while parcels move.
func (q *queue) all() []*parcel { return append([]*parcel(nil), q.list...) }

// Len, Less, Swap, Push and Pop serve container/heap.
func (q *queue) Len() int           { return len(q.list) }
func (q *queue) Less(i, j int) bool { return q.by(q.list[i], q.list[j]) }
func (q *queue) Swap(i, j int) {
	q.list[i], q.list[j] = q.list[j], q.list[i]
	q.list[i].pos, q.list[j].pos = i, j
}
func (q *queue) Push(x any) {
	p := x.(*parcel)
	p.in, p.pos = q, len(q.list)
	q.list = append(q.list, p)
}
func (q *queue) Pop() any {
	last := len(q.list) - 1
	p := q.list[last]
	q.list[last] = nil
	q.list = q.list[:last]
	p.in = nil
	return p
}
