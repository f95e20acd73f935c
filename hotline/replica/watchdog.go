package replica

import (
	"errors"
	"fmt"
	"runtime"
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
	timer := time.AfterFunc(bound, func() {
		b.trip(fmt.Errorf("%w: %s took longer than %v, check the disk of this node", errStalled, what, bound))
	})
	defer timer.Stop()
	return write()
}
