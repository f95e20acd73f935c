package page

import (
	"context"
	"slices"
	"time"

	"example.org/hotline/hotline"
)

// Rules of the channel test.
const (
	TestEvery   = 24 * time.Hour
	retestAfter = time.Hour       // after a test that failed
	testTries   = 3               // before a channel counts as failing
	testPause   = 5 * time.Second // between them
)

// Tests is what a node gives to the daily test of its channels.
type Tests struct {
	// Notice makes the notice of a test, or of a fault of the named channel.
	Notice func(event Event, channel string) Notice
	// Last returns when the channel last passed its test, zero if never; it outlives a restart.
	Last func(channel string) time.Time
	// Tested is told what came of each test.
	Tested func(a Attempt)
	// Tried is told of each attempt to make a fault known over the other channels.
	Tried func(a Attempt)
}

// KeepTesting tests each channel once a day until ctx ends. A channel that fails is told of over the others, at once and after
// each further test that fails. Tests run one after the other: they are in no hurry, and take no place from a page.
func (p *Pager) KeepTesting(ctx context.Context, t Tests) {
	next := make([]time.Time, len(p.lanes))
	for i, l := range p.lanes {
		if last := t.Last(l.name); last.Before(time.Now()) { // a time to come is of a wrong clock: test at once
			next[i] = last.Add(TestEvery)
		}
	}
	for len(next) > 0 {
		i := 0
		for j := range next {
			if next[j].Before(next[i]) {
				i = j
			}
		}
		if !sleep(ctx, time.Until(next[i])) {
			return
		}
		a := p.test(ctx, t, p.lanes[i].name)
		if ctx.Err() != nil {
			return
		}
		next[i] = time.Now().Add(TestEvery)
		if a.Result != hotline.PageTaken {
			next[i] = time.Now().Add(retestAfter)
		}
	}
}

func (p *Pager) test(ctx context.Context, t Tests, name string) (a Attempt) {
	for try := 1; ; try++ {
		a = p.Try(ctx, t.Notice(Test, name), name)
		if a.Result == hotline.PageTaken || try == testTries || !sleep(ctx, testPause) {
			break
		}
	}
	if ctx.Err() != nil {
		return a
	}
	t.Tested(a)
	if a.Result == hotline.PageTaken {
		return a
	}
	// One round: what no other channel takes is left to log, figures and status, and told again after the next test.
	for _, other := range slices.DeleteFunc(p.Names(), func(s string) bool { return s == name }) {
		told := p.Try(ctx, t.Notice(Fault, name), other)
		t.Tried(told)
		if told.Result == hotline.PageTaken || ctx.Err() != nil {
			break
		}
	}
	return a
}

// sleep waits so long and reports whether ctx still lives.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
