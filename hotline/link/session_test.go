package link

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"example.org/hotline/hotline"
)

func crisis(t interface{ Fatal(...any) }) hotline.Terms {
	terms, ok := hotline.Profile("crisis")
	if !ok {
		t.Fatal("no crisis profile")
	}
	return terms
}

func item(sequence uint64, p hotline.Precedence) Item {
	it := Item{Sequence: sequence, Precedence: p, Index: sequence}
	binary.BigEndian.PutUint64(it.ID[:], sequence)
	it.ID[31] = byte(p)
	return it
}

func mustAdd(t interface{ Fatal(...any) }, o *Outbox, items ...Item) {
	for _, it := range items {
		if err := o.Add(it); err != nil {
			t.Fatal(err)
		}
	}
}

// Promise: without an answer, an item goes by another path exactly when the
// terms' next-path wait is over: not a millisecond before, and again and again.
func TestNextPathAtItsBound(t *testing.T) {
	terms := crisis(t)
	for p := hotline.Flash; p <= hotline.Routine; p++ {
		wait := hotline.Time(terms.NextPath.At(p))
		o := NewOutbox(terms, 3)
		mustAdd(t, o, item(1, p))
		now := hotline.Time(1_000_000)
		for try := range 7 {
			got := o.Next(now)
			if len(got) != 1 || got[0].Path != try%3 || got[0].Try != uint64(try+1) {
				t.Fatalf("%s try %d: %+v", p, try+1, got)
			}
			if at, ok := o.Wake(now); !ok || at != now+wait {
				t.Fatalf("%s: wakes at +%d, want +%d", p, at-now, wait)
			}
			for _, early := range []hotline.Time{now, now + wait - 1} {
				if got := o.Next(early); len(got) != 0 {
					t.Fatalf("%s: sent again %d ms before its time", p, now+wait-early)
				}
			}
			now += wait
			if try%2 == 1 {
				now++ // found one millisecond after: the same
			}
		}
	}
}

// Promise: items that take their turn go by every path in order, around one that
// is avoided, and leave the path of all others alone.
func TestTurnsGoRound(t *testing.T) {
	o := NewOutbox(crisis(t), 3)
	o.Prefer(2, 0)
	var paths []int
	for turn := uint64(4); turn < 10; turn++ {
		if turn == 8 {
			o.PathFailed(1, 0)
		}
		it := item(turn, hotline.Routine)
		it.Turn = turn
		mustAdd(t, o, it)
		a := o.Next(0)[0]
		o.Answered(a, Receipted, 0)
		o.Settle(a.ID)
		paths = append(paths, a.Path)
	}
	if want := []int{0, 1, 2, 0, 2, 2}; !slices.Equal(paths, want) {
		t.Fatalf("went by %v, want %v", paths, want)
	}
	mustAdd(t, o, item(1, hotline.Routine))
	if a := o.Next(0)[0]; a.Path != 2 {
		t.Fatalf("another one goes by %d", a.Path)
	}
}

// Promise: a failed try is repeated soon, by another path, ever more slowly,
// but never later than the next-path wait after it began.
func TestFailureBacksOffWithinTheTerm(t *testing.T) {
	terms := crisis(t)
	for p := hotline.Flash; p <= hotline.Routine; p++ {
		wait := hotline.Time(terms.NextPath.At(p))
		o := NewOutbox(terms, 2)
		mustAdd(t, o, item(1, p))
		now, last, path := hotline.Time(5_000), hotline.Time(0), -1
		for try := range 40 {
			got := o.Next(now)
			if len(got) != 1 || got[0].Path == path {
				t.Fatalf("%s try %d: %+v after path %d", p, try+1, got, path)
			}
			if try > 0 && now-last > wait {
				t.Fatalf("%s try %d: %d ms after the one before, at most %d", p, try+1, now-last, wait)
			}
			last, path = now, got[0].Path
			o.Answered(got[0], Failed, now)
			at, ok := o.Wake(now)
			if !ok || at <= now {
				t.Fatalf("%s try %d: no pause", p, try+1)
			}
			if try > 25 && at-now < wait*3/4 {
				t.Fatalf("%s: still every %d ms after %d failures", p, at-now, try)
			}
			now = at
		}
	}
}

// Promise (golden): the pace after each outcome, in milliseconds, for one
// FLASH and one ROUTINE item of fixed id under the crisis terms.
func TestPaceOfOutcomes(t *testing.T) {
	const golden = `
FLASH     failed    500 1000 2000 4000 8000 10000 10000 10000
FLASH     busy      1000 2000 4000 8000 10000 10000 10000 10000
FLASH     refused   10000 20000 40000 80000 160000 320000 600000 600000
FLASH     needed    0 0 0 10000 20000 40000 80000 160000
FLASH     receipted 30000 30000 30000 30000 30000 30000 30000 30000
ROUTINE   failed    500 1000 2000 4000 8000 16000 32000 64000
ROUTINE   busy      1000 2000 4000 8000 16000 30000 30000 30000
ROUTINE   refused   600000 600000 600000 600000 600000 600000 600000 600000
ROUTINE   needed    0 0 0 600000 600000 600000 600000 600000
ROUTINE   receipted 30000 30000 30000 30000 30000 30000 30000 30000`
	outcomes := map[string]Outcome{"failed": Failed, "busy": Busy, "refused": Refused, "needed": Needed, "receipted": Receipted}
	var got strings.Builder
	for _, p := range []hotline.Precedence{hotline.Flash, hotline.Routine} {
		for _, name := range []string{"failed", "busy", "refused", "needed", "receipted"} {
			fmt.Fprintf(&got, "\n%-9s %-9s", p, name)
			o := NewOutbox(crisis(t), 1)
			it := item(1, p)
			it.ID = hotline.ID{31: 1} // no jitter
			mustAdd(t, o, it)
			now := hotline.Time(1)
			for range 8 {
				a := o.Next(now)
				if len(a) != 1 {
					t.Fatalf("%s %s: %d attempts", p, name, len(a))
				}
				o.Answered(a[0], outcomes[name], now)
				at, _ := o.Wake(now)
				fmt.Fprintf(&got, " %d", at-now)
				now = at
			}
		}
	}
	if got.String() != golden {
		t.Fatalf("pace is now%s", got.String())
	}
}

// Promise: jitter takes at most a quarter off, and depends on id and try alone.
func TestJitterIsBoundedAndForetellable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := &parcel{fails: rapid.IntRange(0, 40).Draw(t, "fails")}
		copy(p.ID[:], rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "id"))
		q := *p
		first, limit := hotline.Time(500), hotline.Time(rapid.IntRange(500, 600_000).Draw(t, "limit"))
		full := limit
		if p.fails < 20 {
			full = min(first<<p.fails, limit)
		}
		got := p.backoff(first, limit)
		if got > full || got < full*3/4 {
			t.Fatalf("pause %d of %d", got, full)
		}
		if again := q.backoff(first, limit); again != got {
			t.Fatalf("another time %d", again)
		}
	})
}

// Promise: FLASH leaves before everything else, each precedence has its own
// share of places, and within one the order is that of the sequence.
func TestLanes(t *testing.T) {
	o := NewOutbox(crisis(t), 1)
	n := uint64(0)
	for p := hotline.Routine; p >= hotline.Flash; p-- {
		for range 100 {
			n++
			mustAdd(t, o, item(n, p))
		}
	}
	got := o.Next(1)
	if len(got) != hotline.LinkInFlight+hotline.FlashInFlight || o.InFlight() != len(got) {
		t.Fatalf("%d in flight", len(got))
	}
	count := [5]int{}
	for i, a := range got {
		count[a.Precedence]++
		if i == 0 {
			continue
		}
		if before := got[i-1]; before.Precedence > a.Precedence || before.Precedence == a.Precedence && before.Sequence >= a.Sequence {
			t.Fatalf("%s %d before %s %d", before.Precedence, before.Sequence, a.Precedence, a.Sequence)
		}
	}
	if count != [5]int{0, 16, 32, 16, 16} {
		t.Fatalf("shares %v", count)
	}
	if more := o.Next(2); len(more) != 0 {
		t.Fatalf("%d more beyond the bound", len(more))
	}
}

// Promise: one item that is never accepted does not hold up the next, not even
// ten times as many of them as there are places.
func TestPoisonDoesNotBlock(t *testing.T) {
	o := NewOutbox(crisis(t), 2)
	const poison = 10 * hotline.FlashInFlight
	for i := range uint64(poison) {
		mustAdd(t, o, item(i+1, hotline.Flash))
	}
	now := hotline.Time(1)
	const last = poison + 500
	next := uint64(poison)
	done := map[uint64]bool{}
	for len(done) < last-poison {
		if next < last {
			next++
			mustAdd(t, o, item(next, hotline.Flash)) // good ones keep coming behind it
		}
		for _, a := range o.Next(now) {
			switch {
			case a.Sequence <= poison && a.Sequence%2 == 0:
				o.Answered(a, Refused, now)
			case a.Sequence <= poison: // swallowed without an answer
			default:
				o.Answered(a, Receipted, now)
				o.Settle(a.ID)
				done[a.Sequence] = true
			}
		}
		at, ok := o.Wake(now)
		if !ok || now > 10*60_000 {
			t.Fatalf("after %d ms only %d of %d good ones are through", now, len(done), last-poison)
		}
		now = max(at, now+1)
	}
	if o.Outstanding() != poison {
		t.Fatalf("%d outstanding", o.Outstanding())
	}
}

// Promise: what the peer refused is offered again although new items never
// cease, so that nothing is forgotten.
func TestNewItemsDoNotStarveOldOnes(t *testing.T) {
	o := NewOutbox(crisis(t), 1)
	old := item(1, hotline.Priority)
	mustAdd(t, o, old)
	now := hotline.Time(1)
	a := o.Next(now)
	o.Answered(a[0], Failed, now)
	next := uint64(1)
	for range 4 * laneShare[2] {
		next++
		mustAdd(t, o, item(next, hotline.Priority))
	}
	now += 1000
	if got := o.Next(now); !slices.ContainsFunc(got, func(a Attempt) bool { return a.ID == old.ID }) {
		t.Fatal("the old item was passed over")
	}
}

// Promise: an item is taken once, and the Outbox holds a bounded number, some
// of it for FLASH alone.
func TestOutboxIsBounded(t *testing.T) {
	o := NewOutbox(crisis(t), 1)
	const ordinary = hotline.MaxOutbox - hotline.FlashReserve
	for i := range uint64(ordinary) {
		mustAdd(t, o, item(i+1, hotline.Routine))
	}
	mustAdd(t, o, item(1, hotline.Routine))
	if o.Outstanding() != ordinary {
		t.Fatalf("%d outstanding after a repeated item", o.Outstanding())
	}
	if err := o.Add(item(ordinary+1, hotline.Immediate)); hotline.CodeOf(err) != hotline.CodeBusy {
		t.Fatalf("ordinary beyond its bound: %v", err)
	}
	for i := range uint64(hotline.FlashReserve) {
		mustAdd(t, o, item(ordinary+i+1, hotline.Flash))
	}
	if err := o.Add(item(hotline.MaxOutbox+1, hotline.Flash)); hotline.CodeOf(err) != hotline.CodeBusy {
		t.Fatalf("FLASH beyond the whole: %v", err)
	}
	o.Settle(item(1, hotline.Routine).ID)
	mustAdd(t, o, item(ordinary+1, hotline.Immediate))
	if err := o.Add(item(hotline.MaxOutbox+1, 5)); hotline.CodeOf(err) != hotline.CodeHeader {
		t.Fatalf("precedence 5: %v", err)
	}
}

// Promise: of a try that was given up, only a receipt still counts; a late
// failure does not disturb the newer try.
func TestLateAnswers(t *testing.T) {
	terms := crisis(t)
	wait := hotline.Time(terms.NextPath.At(hotline.Flash))
	o := NewOutbox(terms, 2)
	mustAdd(t, o, item(1, hotline.Flash))
	first := o.Next(1)[0]
	second := o.Next(1 + wait)[0]
	for _, outcome := range []Outcome{Failed, Busy, Refused, Needed} {
		o.Answered(first, outcome, 2+wait)
		if o.InFlight() != 1 {
			t.Fatalf("late outcome %d ended the newer try", outcome)
		}
	}
	o.Answered(first, Receipted, 3+wait)
	if got := o.Next(4 + wait); len(got) != 0 || o.InFlight() != 0 {
		t.Fatalf("still sent after a late receipt: %+v", got)
	}
	o.Answered(second, Failed, 5+wait)
	if at, ok := o.Wake(5 + wait); !ok || at != 3+wait+millis(SettleWait) {
		t.Fatalf("the receipt's wait was disturbed: %d", at)
	}
	o.Settle(first.ID)
	o.Answered(second, Receipted, 6+wait)
	if o.Outstanding() != 0 {
		t.Fatal("an answer brought a settled item back")
	}
}

// Promise: when a connection is lost, what was in flight by it goes by another
// path at once; when it returns, what failed is due at once.
func TestPathsComeAndGo(t *testing.T) {
	o := NewOutbox(crisis(t), 2)
	mustAdd(t, o, item(1, hotline.Routine), item(2, hotline.Routine))
	for _, a := range o.Next(1) {
		if a.Path != 0 {
			t.Fatalf("first try by path %d", a.Path)
		}
	}
	o.PathFailed(0, 2)
	got := o.Next(2)
	if len(got) != 2 || got[0].Path != 1 || got[1].Path != 1 || got[0].Sequence != 1 {
		t.Fatalf("after the loss: %+v", got)
	}
	mustAdd(t, o, item(3, hotline.Routine))
	if a := o.Next(3); len(a) != 1 || a[0].Path != 1 {
		t.Fatalf("a new item while path 0 is avoided: %+v", a)
	}
	o.PathFailed(1, 4) // no path is left: no haste
	if got := o.Next(4); len(got) != 0 {
		t.Fatalf("hammering with no path left: %+v", got)
	}
	o.PathOpened(1, 5)
	got = o.Next(5)
	if len(got) != 3 || got[0].Path != 1 || got[0].Sequence != 1 || got[2].Sequence != 3 {
		t.Fatalf("after the return: %+v", got)
	}
}

// Promise: first tries go where the last receipt came from, and a line that
// came back is tried at its first pace again.
func TestWhatWorkedIsTriedFirst(t *testing.T) {
	o := NewOutbox(crisis(t), 3)
	it := item(1, hotline.Routine)
	it.ID = hotline.ID{31: 1} // no jitter
	mustAdd(t, o, it)
	now := hotline.Time(1)
	for range 11 {
		o.Answered(o.Next(now)[0], Failed, now)
		now, _ = o.Wake(now)
	}
	o.Answered(o.Next(now)[0], Failed, now)
	now++
	o.PathOpened(2, now)
	a := o.Next(now)
	if len(a) != 1 {
		t.Fatal("not due at once")
	}
	o.Answered(a[0], Failed, now)
	if at, _ := o.Wake(now); at-now != millis(RetryFirst) {
		t.Fatalf("pause of %d ms after the line came back", at-now)
	}
	now, _ = o.Wake(now)
	a = o.Next(now)
	o.Answered(a[0], Receipted, now)
	mustAdd(t, o, item(2, hotline.Routine))
	if b := o.Next(now); len(b) != 1 || b[0].Path != a[0].Path || b[0].Path == 0 {
		t.Fatalf("receipt by path %d, then %+v", a[0].Path, b)
	}
}

// Promise: first tries go to the node that leads, as the peer says, unless it
// has just failed; nonsense changes nothing.
func TestFirstTriesGoToTheLeader(t *testing.T) {
	o := NewOutbox(crisis(t), 3)
	now := hotline.Time(1_000)
	try := func(sequence uint64) int {
		t.Helper()
		mustAdd(t, o, item(sequence, hotline.Flash))
		got := o.Next(now)
		if len(got) != 1 {
			t.Fatalf("%+v", got)
		}
		o.Answered(got[0], Receipted, now)
		o.Settle(got[0].ID)
		return got[0].Path
	}
	o.Prefer(2, now)
	if p := try(1); p != 2 {
		t.Errorf("the leader is at path 2, tried was %d", p)
	}
	o.Prefer(7, now)
	o.Prefer(-1, now)
	if p := try(2); p != 2 {
		t.Errorf("a path that is none was taken: tried was %d", p)
	}
	o.PathFailed(1, now)
	o.Prefer(1, now)
	if p := try(3); p == 1 {
		t.Error("a path that has just failed was preferred")
	}
}

// Promise: a clock that steps back delays nothing.
func TestClockStepsBack(t *testing.T) {
	terms := crisis(t)
	wait := hotline.Time(terms.NextPath.At(hotline.Flash))
	o := NewOutbox(terms, 1)
	mustAdd(t, o, item(1, hotline.Flash))
	now := hotline.Time(100_000_000)
	o.Next(now)
	now -= 86_400_000
	if at, ok := o.Wake(now); !ok || at != now+wait {
		t.Fatalf("wakes at +%d after the step", at-now)
	}
	if got := o.Next(now + wait); len(got) != 1 {
		t.Fatal("not sent again in its time")
	}
}

func TestOutcomeOf(t *testing.T) {
	for _, c := range []struct {
		a    *Answer
		err  error
		want Outcome
	}{
		{nil, errors.New("cut"), Failed},
		{&Answer{Receipt: []byte{1}}, nil, Receipted},
		{&Answer{}, nil, Refused}, // done, but without a proof: not a receipt
		{&Answer{Code: hotline.CodeNeed, Need: &Need{}}, nil, Needed},
		{&Answer{Code: hotline.CodeBusy}, nil, Busy},
		{&Answer{Code: hotline.CodeNotLeader}, nil, Busy},
		{&Answer{Code: hotline.CodeUnknown}, nil, Busy},
		{&Answer{Code: hotline.CodeTender}, nil, Refused},
		{&Answer{Code: "a-later-code"}, nil, Refused},
	} {
		if got := OutcomeOf(c.a, c.err); got != c.want {
			t.Errorf("%+v, %v: outcome %d, want %d", c.a, c.err, got, c.want)
		}
	}
}

// outboxModel drives an Outbox with random events and holds its promises after
// each step.
type outboxModel struct {
	o     *Outbox
	terms hotline.Terms
	paths int
	now   hotline.Time
	next  uint64
	live  map[hotline.ID]flight // in flight by the promises, not by the Outbox
	old   []Attempt
	all   map[hotline.ID]bool
}

type flight struct {
	Attempt
	until hotline.Time
}

func (m *outboxModel) expire() {
	for id, f := range m.live {
		if f.until <= m.now {
			delete(m.live, id)
		}
	}
}

// send runs Next and checks what it gives.
func (m *outboxModel) send(t *rapid.T) []Attempt {
	m.expire()
	got := m.o.Next(m.now)
	for i, a := range got {
		if i > 0 && got[i-1].Precedence > a.Precedence {
			t.Fatalf("%s after %s", a.Precedence, got[i-1].Precedence)
		}
		if f, there := m.live[a.ID]; there {
			t.Fatalf("item %d is in flight twice: try %d and %d", a.Sequence, f.Try, a.Try)
		}
		if a.Path < 0 || a.Path >= m.paths || !m.all[a.ID] {
			t.Fatalf("attempt %+v of an unknown item or path", a)
		}
		m.live[a.ID] = flight{a, m.now + hotline.Time(m.terms.NextPath.At(a.Precedence))}
		m.old = append(m.old, a)
	}
	lanes := [5]int{}
	for _, f := range m.live {
		lanes[f.Precedence]++
	}
	for p := hotline.Flash; p <= hotline.Routine; p++ {
		if lanes[p] > laneShare[p-1] {
			t.Fatalf("%d of %s in flight", lanes[p], p)
		}
	}
	return got
}

func (m *outboxModel) step(t *rapid.T) {
	switch rapid.IntRange(0, 7).Draw(t, "event") {
	case 0, 1:
		for range rapid.IntRange(1, 30).Draw(t, "n") {
			m.next++
			it := item(m.next, hotline.Precedence(rapid.IntRange(1, 4).Draw(t, "precedence")))
			mustAdd(t, m.o, it, it)
			m.all[it.ID] = true
		}
	case 2, 3:
		if len(m.old) > 0 {
			a := rapid.SampledFrom(m.old).Draw(t, "attempt")
			outcome := Outcome(rapid.IntRange(1, 6).Draw(t, "outcome"))
			m.expire()
			m.o.Answered(a, outcome, m.now)
			if f, there := m.live[a.ID]; there && (f.Try == a.Try || outcome == Receipted) {
				delete(m.live, a.ID)
			}
		}
	case 4:
		if len(m.old) > 0 {
			id := rapid.SampledFrom(m.old).Draw(t, "settled").ID
			m.o.Settle(id)
			delete(m.live, id)
			delete(m.all, id)
		}
	case 5:
		path := rapid.IntRange(0, m.paths-1).Draw(t, "path")
		if rapid.Bool().Draw(t, "opens") {
			m.o.PathOpened(path, m.now)
			break
		}
		m.o.PathFailed(path, m.now)
		for id, f := range m.live {
			if f.Path == path {
				delete(m.live, id)
			}
		}
	case 6:
		m.now += hotline.Time(rapid.IntRange(0, 700_000).Draw(t, "ms"))
	case 7:
		m.untilWake(t)
	}
}

// untilWake: nothing is to be done before Wake says so, and something then.
func (m *outboxModel) untilWake(t *rapid.T) {
	m.send(t)
	at, ok := m.o.Wake(m.now)
	if !ok {
		if m.o.Outstanding() > 0 {
			t.Fatalf("%d outstanding and nothing to wait for", m.o.Outstanding())
		}
		return
	}
	if at <= m.now {
		t.Fatal("Next left something undone")
	}
	m.now = at - 1
	if got := m.send(t); len(got) != 0 {
		t.Fatalf("%d sent a millisecond before Wake", len(got))
	}
	m.now = at
	if got := m.send(t); len(got) == 0 {
		t.Fatal("nothing to do at Wake")
	}
}

// Promises under every order of events: never two in flight of one item, never
// more than a lane's share, FLASH first, Wake exact, and in the end everything
// is offered and settled.
func TestOutboxUnderRandomEvents(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &outboxModel{terms: crisis(t), paths: rapid.IntRange(1, 5).Draw(t, "paths"), now: 1_000_000,
			live: map[hotline.ID]flight{}, all: map[hotline.ID]bool{}}
		m.o = NewOutbox(m.terms, m.paths)
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			m.step(t)
			m.send(t)
			if m.o.Outstanding() != len(m.all) {
				t.Fatalf("%d outstanding, want %d", m.o.Outstanding(), len(m.all))
			}
		}
		for round := 0; len(m.all) > 0; round++ {
			if round > 100_000 {
				t.Fatalf("%d items are never offered", len(m.all))
			}
			for id := range m.live {
				m.o.Settle(id)
				delete(m.live, id)
				delete(m.all, id)
			}
			if at, ok := m.o.Wake(m.now); ok {
				m.now = at
			}
			m.send(t)
		}
	})
}
