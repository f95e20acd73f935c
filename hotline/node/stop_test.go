package node

import (
	"errors"
	"log/slog"
	"sync"
	"testing"

	"example.org/hotline/hotline/hotlinetest"
)

// Promise: whoever ends the process is told that it must stop, although nobody takes
// the log's lines: what stalls a disk may stall the log.
func TestStopDoesNotWaitForTheLog(t *testing.T) {
	t.Parallel()
	jam := &hotlinetest.JammedLog{Free: make(chan struct{})}
	told := make(chan error, 1)
	n := &Node{log: slog.New(jam), opt: Options{Fatal: func(err error) { told <- err }}}
	stalled := errors.New("stalled")
	var failing sync.WaitGroup
	defer failing.Wait()
	defer close(jam.Free)
	failing.Go(func() { n.fatal(stalled) })
	if err := <-told; !errors.Is(err, stalled) {
		t.Errorf("told %v", err)
	}
}
