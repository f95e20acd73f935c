package page

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"example.org/hotline/hotline"
)

// fake is a channel that does what the test says.
type fake struct {
	mu      sync.Mutex
	send    func(ctx context.Context, n *Notice) error
	notices []Notice
}

func (f *fake) Send(ctx context.Context, n *Notice) error {
	f.mu.Lock()
	f.notices = append(f.notices, *n)
	f.mu.Unlock()
	return f.send(ctx, n)
}

func (f *fake) Lasting() (bool, time.Duration) { return false, 0 }

func (f *fake) got() []Notice {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.notices)
}

func takes(context.Context, *Notice) error { return nil }

func refuses(context.Context, *Notice) error { return errors.New("no") }

func hangs(ctx context.Context, _ *Notice) error { <-ctx.Done(); return ctx.Err() }

// fakes makes a pager of channels a, b, c… with ten seconds for an attempt.
func fakes(list ...*fake) *Pager {
	var lanes []*lane
	for i, f := range list {
		lanes = append(lanes, newLane(string(rune('a'+i)), f, 10*time.Second))
	}
	return newPager(lanes)
}

// note writes attempts down: "a refused, b taken".
func note(list *[]string) func(Attempt) {
	return func(a Attempt) { *list = append(*list, a.Channel+" "+a.Result.String()) }
}

// Promise: a channel that fails costs no wait: the next one is tried at once, in the order of the page.
func TestNextChannelIsTriedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := fakes(&fake{send: refuses}, &fake{send: takes}, &fake{send: refuses})
		defer p.Close()
		var tried []string
		begun := time.Now()
		by := p.Deliver(t.Context(), nil, alarm(), []string{"c", "gone", "a", "b"}, note(&tried))
		if got := strings.Join(tried, ", "); by != "b" || got != "c refused, gone absent, a refused, b taken" {
			t.Errorf("taken by %q after %s", by, got)
		}
		if took := time.Since(begun); took != 0 {
			t.Errorf("it took %v", took)
		}
	})
}

// Promise: what nobody takes is tried again with growing pauses, and not for ever.
func TestRoundsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{send: refuses}
		p := fakes(f)
		defer p.Close()
		var tried []string
		begun := time.Now()
		if by := p.Deliver(t.Context(), nil, alarm(), []string{"a"}, note(&tried)); by != "" || len(tried) != maxRounds {
			t.Errorf("taken by %q after %d attempts", by, len(tried))
		}
		if took, want := time.Since(begun), (5+10+20+40+7*60)*time.Second; took != want {
			t.Errorf("it took %v, want %v", took, want)
		}
		for i, n := range f.got() {
			if n.ID() != alarm().Key {
				t.Errorf("retry %d has the id %s", i, n.ID())
			}
		}
	})
}

// Promise: a channel that, when its time is over, still says that the other side has the notice is believed: nobody is woken twice
// because a conversation did not end.
func TestLastWordOfAChannelIsBelieved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := fakes(&fake{send: func(ctx context.Context, _ *Notice) error {
			<-ctx.Done()
			time.Sleep(lastWord / 2)
			return nil
		}})
		defer p.Close()
		var tried []string
		if by := p.Deliver(t.Context(), nil, alarm(), []string{"a"}, note(&tried)); by != "a" {
			t.Errorf("taken by %q after %v", by, tried)
		}
	})
}

// Promise: whoever has enough of retries has each channel tried once all the same, and waits no longer.
func TestEnoughEndsAfterTheRound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := fakes(&fake{send: refuses}, &fake{send: refuses})
		defer p.Close()
		enough := make(chan struct{})
		close(enough)
		var tried []string
		begun := time.Now()
		by := p.Deliver(t.Context(), enough, alarm(), []string{"a", "b"}, note(&tried))
		if got := strings.Join(tried, ", "); by != "" || got != "a refused, b refused" || time.Since(begun) != 0 {
			t.Errorf("taken by %q after %s and %v", by, got, time.Since(begun))
		}
	})
}

// Promise: a page over channels that this node does not have, as a former leader intended it, comes to its end at once: the next
// alarm then goes over what is here.
func TestAbsentChannelsAreNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := fakes(&fake{send: takes})
		defer p.Close()
		var tried []string
		begun := time.Now()
		by := p.Deliver(t.Context(), nil, alarm(), []string{"gone", "lost"}, note(&tried))
		if got := strings.Join(tried, ", "); by != "" || got != "gone absent, lost absent" {
			t.Errorf("taken by %q after %s", by, got)
		}
		if took := time.Since(begun); took != 0 {
			t.Errorf("it took %v", took)
		}
	})
}

// Promise: a channel that hangs costs the time of one attempt; other pages over other channels do not notice it; and it cannot
// pile up: with all its places taken it is passed over.
func TestHangingChannelHoldsUpNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hung, good := &fake{send: hangs}, &fake{send: takes}
		p := fakes(hung, good)
		defer p.Close()
		routine := alarm()
		routine.Precedence = hotline.Routine
		var wg sync.WaitGroup
		page := func(n Notice, want string, took time.Duration, order ...string) {
			wg.Go(func() {
				var tried []string
				begun := time.Now()
				p.Deliver(t.Context(), nil, n, order, note(&tried))
				if got := strings.Join(tried, ", "); got != want || time.Since(begun) != took {
					t.Errorf("%s after %v; want %s after %v", got, time.Since(begun), want, took)
				}
			})
		}
		for range attemptsAtOnce {
			page(routine, "a timed-out, b taken", 10*time.Second, "a", "b")
		}
		synctest.Wait()
		page(routine, "a busy, b taken", slotWait, "a", "b")
		page(routine, "b taken", 0, "b")
		for range flashAtOnce {
			page(alarm(), "a timed-out, b taken", 10*time.Second, "a", "b") // places that only FLASH may take
		}
		synctest.Wait()
		page(alarm(), "a busy, b taken", slotWait, "a", "b")
		wg.Wait()
	})
}

// Promise: a channel that does not even end when its time is over holds up its own places alone.
func TestDeafChannelIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wake := make(chan struct{})
		p := fakes(&fake{send: func(context.Context, *Notice) error { <-wake; return nil }}, &fake{send: takes})
		var tried []string
		p.Deliver(t.Context(), nil, alarm(), []string{"a", "b"}, note(&tried))
		if got := strings.Join(tried, ", "); got != "a timed-out, b taken" {
			t.Error(got)
		}
		if len(p.lane("a").slots)+len(p.lane("a").flash) != 1 {
			t.Error("its place is free though it is still under way")
		}
		close(wake)
		p.Close()
		if len(p.lane("a").slots)+len(p.lane("a").flash) != 0 {
			t.Error("its place is taken though it has ended")
		}
	})
}

// Promise: no attempt is begun after the thing was done, and one that is under way is broken off.
func TestDoneThingIsPagedNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hung, next := &fake{send: hangs}, &fake{send: takes}
		p := fakes(hung, next)
		defer p.Close()
		ctx, done := context.WithCancel(t.Context())
		var tried []string
		var wg sync.WaitGroup
		wg.Go(func() { p.Deliver(ctx, nil, alarm(), []string{"a", "b"}, note(&tried)) })
		synctest.Wait()
		done()
		wg.Wait()
		if got := strings.Join(tried, ", "); got != "a cancelled" || len(next.got()) != 0 {
			t.Errorf("%s, and %d pages by the next channel", got, len(next.got()))
		}
		if a := p.Try(ctx, alarm(), "b"); a.Result != hotline.PageCancelled || len(next.got()) != 0 {
			t.Errorf("an attempt after the end is %s", a.Result)
		}
		// Between two rounds it ends as well.
		ctx, done = context.WithCancel(t.Context())
		bad := fakes(&fake{send: refuses})
		defer bad.Close()
		wg.Go(func() { bad.Deliver(ctx, nil, alarm(), []string{"a"}, func(Attempt) {}) })
		synctest.Wait()
		done()
		begun := time.Now()
		wg.Wait()
		if time.Since(begun) != 0 {
			t.Error("it waited for the next round")
		}
	})
}

// Promise: each channel is tested once a day, whatever a restart does; one that fails is told of over the others at once, and
// tested again every hour until it is well.
func TestEveryChannelIsTestedDaily(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sick atomic.Bool
		sick.Store(true)
		a := &fake{send: takes}
		b := &fake{send: func(context.Context, *Notice) error {
			if sick.Load() {
				return errors.New("no")
			}
			return nil
		}}
		p := fakes(a, b)
		begun := time.Now()
		last := map[string]time.Time{"a": begun.Add(-23 * time.Hour), "b": {}}
		var mu sync.Mutex
		var results, told []string
		locked := func(f func(Attempt)) func(Attempt) {
			return func(a Attempt) {
				mu.Lock()
				defer mu.Unlock()
				f(a)
			}
		}
		ctx, stop := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			p.KeepTesting(ctx, Tests{
				Notice: func(e Event, channel string) Notice {
					return Notice{Key: "test-" + channel, Event: e, Party: "XA", Node: "XA-1", Status: hotline.Test, Precedence: hotline.Routine, Channel: channel}
				},
				Last:   func(name string) time.Time { return last[name] },
				Tested: locked(note(&results)),
				Tried:  locked(note(&told)),
			})
		})
		time.Sleep(90 * time.Minute) // in the bubble: until the second test of the sick channel has failed
		synctest.Wait()
		mu.Lock()
		if got := strings.Join(results, ", "); got != "b refused, a taken, b refused" {
			t.Errorf("tests: %s", got)
		}
		if got := strings.Join(told, ", "); got != "a taken, a taken" {
			t.Errorf("faults were told: %s", got)
		}
		mu.Unlock()
		faults := 0
		for _, n := range a.got() {
			if n.Event == Fault {
				faults++
				if n.Channel != "b" || !strings.HasPrefix(n.Line(), "TEST [-] hotline XA: page channel b of node XA-1 fails") {
					t.Errorf("the fault says %q", n.Line())
				}
			}
		}
		if faults != 2 {
			t.Errorf("%d faults were told of", faults)
		}
		sick.Store(false)
		time.Sleep(time.Hour)
		synctest.Wait()
		locked(func(Attempt) { results = nil })(Attempt{})
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		stop()
		wg.Wait()
		if len(results) != 2 {
			t.Errorf("in one day without a fault: %v", results)
		}
		p.Close()
	})
}

// Promise: a status is the first word of everything that people read, so that an exercise never passes as real.
func TestStatusIsTheFirstWord(t *testing.T) {
	for _, s := range []hotline.Status{hotline.Actual, hotline.Exercise, hotline.Test} {
		for _, e := range []Event{Due, Over, Test, Fault} {
			n := alarm()
			n.Status, n.Event = s, e
			if !strings.HasPrefix(n.Line(), s.String()+" ") {
				t.Errorf("%s of %s: %q", e, s, n.Line())
			}
		}
	}
}

// Promise: what the other side says never floods the log.
func TestReasonsAreBrief(t *testing.T) {
	long := errors.New(strings.Repeat("x", 1<<20))
	p := fakes(&fake{send: func(context.Context, *Notice) error { return long }})
	defer p.Close()
	a := p.Try(t.Context(), alarm(), "a")
	if n := len(a.Err.Error()); n > maxReason+len("…") || !errors.Is(a.Err, long) {
		t.Errorf("a reason of %d bytes", n)
	}
}
