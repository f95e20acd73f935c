package node

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
)

// jammed is a log whose disk or reader has stalled.
type jammed struct {
	slog.Handler
	free chan struct{}
}

func (j *jammed) Enabled(context.Context, slog.Level) bool  { return true }
func (j *jammed) Handle(context.Context, slog.Record) error { <-j.free; return nil }

// Promise: whoever ends the process is told that it must stop, although nobody takes
// the log's lines: what stalls a disk may stall the log.
func TestStopDoesNotWaitForTheLog(t *testing.T) {
	jam := &jammed{free: make(chan struct{})}
	told := make(chan error, 1)
	n := &Node{log: slog.New(jam), opt: Options{Fatal: func(err error) { told <- err }}}
	stalled := errors.New("stalled")
	var failing sync.WaitGroup
	defer failing.Wait()
	defer close(jam.free)
	failing.Go(func() { n.fatal(stalled) })
	if err := <-told; !errors.Is(err, stalled) {
		t.Errorf("told %v", err)
	}
}
