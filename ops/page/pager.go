package page

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"example.org/hotline/hotline"
)

// Bounds of what a pager does at once.
const (
	attemptsAtOnce = 4               // of one channel
	flashAtOnce    = 2               // of one channel beside them, for FLASH alone
	slotWait       = time.Second     // how long an attempt waits for its turn before the next channel is tried
	lastWord       = time.Second     // how long a channel whose time is over may take to say what came of it
	maxRounds      = 12              // times that all channels of a page are tried
	firstPause     = 5 * time.Second // after the first round; doubled after each
	lastPause      = time.Minute     // at most
)

// Pager holds the channels of one node. It is safe for concurrent use. A channel that hangs holds up at most its own attempts.
type Pager struct {
	lanes []*lane
	wg    sync.WaitGroup
}

// lane is one channel with the attempts that are under way on it.
type lane struct {
	name    string
	channel Channel
	timeout time.Duration
	slots   chan struct{}
	flash   chan struct{}

	mu   sync.Mutex
	last Attempt
}

func newLane(name string, c Channel, timeout time.Duration) *lane {
	return &lane{name: name, channel: c, timeout: timeout, slots: make(chan struct{}, attemptsAtOnce), flash: make(chan struct{}, flashAtOnce)}
}

func newPager(lanes []*lane) *Pager { return &Pager{lanes: lanes} }

// Names returns the channels in their configured order; none where there is no channel.
func (p *Pager) Names() []string {
	var names []string
	for _, l := range p.lanes {
		names = append(names, l.name)
	}
	return names
}

// Lasting reports of one channel what Channel.Lasting says.
func (p *Pager) Lasting(name string) (lasting bool, again time.Duration) {
	if l := p.lane(name); l != nil {
		return l.channel.Lasting()
	}
	return false, 0
}

func (p *Pager) lane(name string) *lane {
	if i := slices.IndexFunc(p.lanes, func(l *lane) bool { return l.name == name }); i >= 0 {
		return p.lanes[i]
	}
	return nil
}

// Last returns the newest attempt of each channel that has made any, in their order.
func (p *Pager) Last() []Attempt {
	var list []Attempt
	for _, l := range p.lanes {
		l.mu.Lock()
		if l.last.Result != 0 {
			list = append(list, l.last)
		}
		l.mu.Unlock()
	}
	return list
}

// Deliver tries the channels in the given order until one takes the notice, the next one at once where one fails, and all of
// them again after a pause, maxRounds times; but once if none of them is here, since waiting brings none, and no more once enough is
// closed (nil: never). It calls tried after each attempt and returns the name of the channel that took it; "" if none did or ctx
// ended before.
func (p *Pager) Deliver(ctx context.Context, enough <-chan struct{}, n Notice, order []string, tried func(Attempt)) string {
	wait := firstPause
	for round := 1; ; round++ {
		for _, name := range order {
			if ctx.Err() != nil {
				return ""
			}
			a := p.Try(ctx, n, name)
			tried(a)
			if a.Result == hotline.PageTaken {
				return name
			}
		}
		if round == maxRounds || !slices.ContainsFunc(order, func(name string) bool { return p.lane(name) != nil }) {
			return ""
		}
		pause := time.NewTimer(wait)
		select {
		case <-pause.C:
		case <-enough:
			pause.Stop()
			return ""
		case <-ctx.Done():
			pause.Stop()
			return ""
		}
		wait = min(2*wait, lastPause)
	}
}

// Try makes one attempt over one channel. It returns when the channel has answered, its time is over, or ctx has ended.
func (p *Pager) Try(ctx context.Context, n Notice, name string) Attempt {
	a := Attempt{Channel: name, At: time.Now()}
	l := p.lane(name)
	if l == nil {
		a.Result, a.Err = hotline.PageAbsent, errAbsent
		return a
	}
	if ctx.Err() != nil {
		a.Result, a.Err = hotline.PageCancelled, ctx.Err()
		return a
	}
	leave := l.enter(ctx, n.Precedence == hotline.Flash)
	switch {
	case leave == nil && ctx.Err() != nil:
		a.Result, a.Err = hotline.PageCancelled, ctx.Err()
		return a
	case leave == nil:
		a.Result, a.Err = hotline.PageBusy, errBusy
	default:
		a.At = time.Now()
		n.At = a.At
		a.Err = p.send(ctx, l, &n, leave)
		a.Result = resultOf(ctx, a.Err)
		a.Err = brief(a.Err)
	}
	a.Took = time.Since(a.At)
	if a.Result != hotline.PageCancelled { // which says nothing of the channel
		l.mu.Lock()
		l.last = a
		l.mu.Unlock()
	}
	return a
}

// enter takes a place on the lane, or returns nil if none came free in time.
func (l *lane) enter(ctx context.Context, flash bool) (leave func()) {
	reserved := l.flash
	if !flash {
		reserved = nil // a nil channel is never ready
	}
	limit := time.NewTimer(slotWait)
	defer limit.Stop()
	select {
	case l.slots <- struct{}{}:
		return func() { <-l.slots }
	case reserved <- struct{}{}:
		return func() { <-l.flash }
	case <-limit.C:
	case <-ctx.Done():
	}
	return nil
}

// send gives the notice to the channel and stops waiting when the time of the attempt is over. A channel that then says that the
// other side has the notice, and only did not end the conversation, is believed. The place is free again when the channel has
// really returned: one that hangs beyond its time cannot pile up.
func (p *Pager) send(ctx context.Context, l *lane, n *Notice, leave func()) error {
	ctx, cancel := context.WithTimeout(ctx, l.timeout)
	answer := make(chan error, 1)
	p.wg.Go(func() {
		defer leave()
		defer cancel()
		answer <- l.channel.Send(ctx, n)
	})
	var err error
	select {
	case err = <-answer:
	case <-ctx.Done():
		limit := time.NewTimer(lastWord)
		defer limit.Stop()
		select {
		case err = <-answer: // cancel follows the answer, and channels end with ctx
		case <-limit.C:
			return ctx.Err()
		}
	}
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return errors.Join(ctx.Err(), err) // what a connection says that was closed because of it
	}
	return err
}

// maxReason bounds the text of an error: it may hold what the other side said, and goes into the log.
const maxReason = 300

type reason struct{ error }

func (r reason) Error() string { return r.error.Error()[:maxReason] + "…" }
func (r reason) Unwrap() error { return r.error }

func brief(err error) error {
	if err != nil && len(err.Error()) > maxReason {
		return reason{err}
	}
	return err
}

func resultOf(ctx context.Context, err error) hotline.PageResult {
	switch {
	case err == nil:
		return hotline.PageTaken
	case ctx.Err() != nil:
		return hotline.PageCancelled
	case errors.Is(err, context.DeadlineExceeded) || isTimeout(err):
		return hotline.PageTimedOut
	}
	return hotline.PageRefused
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

// Close waits until no attempt is under way. Whoever began one has ended its context before.
func (p *Pager) Close() { p.wg.Wait() }
