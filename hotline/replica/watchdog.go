package replica

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"
)

// errStalled is the cause of Stop when the disk does not answer.
var errStalled = errors.New("disk write stalled")

// breaker is how code below Raft reports that the process must stop.
type breaker struct {
	// trip reports the first failure; later ones are ignored. It never blocks.
	trip func(error)
}

// abort reports err and ends the goroutine; it never returns. Raft would panic
// on an error at these sites (a lost vote, a lost term, a committed entry that
// cannot be read) and take the process down before Stop could say why. Ending
// the goroutine runs Raft's deferred clean-up and leaves the rest to Stop. Open
// runs Raft's start on a goroutine of its own for the same reason.
func (b *breaker) abort(err error) {
	b.trip(err)
	runtime.Goexit()
}

// watch runs one write to disk and trips the breaker when it takes longer than
// bound, although the write itself cannot be interrupted. Raft alone keeps a
// leader with a stalled disk in office for ever, since heartbeats go on.
func (b *breaker) watch(what string, bound time.Duration, write func() error) error {
	p := &watchdog{left: watchParts, part: bound / watchParts, over: func() {
		b.trip(fmt.Errorf("%w: %s took longer than %v, check the disk of this node", errStalled, what, bound))
	}}
	p.begin()
	defer p.end()
	return write()
}

// watchParts is into how many parts the time of a write is divided.
const watchParts = 8

// watchdog calls over when so many parts have passed one after the other. A process
// that was stopped for a while, or whose machine was, finds one part over when it goes
// on, and not all: the disk has then had no time to answer.
type watchdog struct {
	part time.Duration
	over func()

	mu    sync.Mutex
	left  int // parts; 0: it is over, or was ended
	timer *time.Timer
}

func (p *watchdog) begin() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.timer = time.AfterFunc(p.part, p.passed)
}

func (p *watchdog) passed() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.left == 0 {
		return
	}
	if p.left--; p.left == 0 {
		p.over()
		return
	}
	p.timer.Reset(p.part)
}

func (p *watchdog) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.left = 0
	p.timer.Stop()
}
