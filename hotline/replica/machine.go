package replica

import (
	"errors"
	"fmt"
	"io"
	"runtime/debug"

	"github.com/hashicorp/raft"
)

// errMachine is the cause of Stop when the Machine itself fails.
var errMachine = errors.New("state machine failed")

// machine adapts a Machine to Raft. What would leave the state undefined
// stops the process.
type machine struct {
	m   Machine
	brk *breaker
}

var _ raft.BatchingFSM = (*machine)(nil)

func (a *machine) Apply(l *raft.Log) any { return a.ApplyBatch([]*raft.Log{l})[0] }

// ApplyBatch gives the Machine the commands among logs. Each is checked against
// its hash once more, so that nothing reaches the state that the leader did not
// seal, whatever cache it came through.
func (a *machine) ApplyBatch(logs []*raft.Log) []any {
	commands := make([]Command, 0, len(logs))
	for _, l := range logs {
		if l.Type != raft.LogCommand {
			continue
		}
		if err := checkSeal(l); err != nil {
			a.brk.abort(fmt.Errorf("%w; %s", err, rebuildAdvice))
		}
		commands = append(commands, Command{Index: l.Index, Data: l.Data})
	}
	answers := make([]any, len(logs))
	if len(commands) == 0 {
		return answers
	}
	results, err := a.apply(commands)
	if err != nil {
		a.brk.abort(err)
	}
	for i, l := range logs {
		if l.Type == raft.LogCommand {
			answers[i], results = results[0], results[1:]
		}
	}
	return answers
}

func (a *machine) apply(commands []Command) (results []any, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: panic in Apply of entries %d to %d: %v\n%s", errMachine,
				commands[0].Index, commands[len(commands)-1].Index, p, debug.Stack())
		}
	}()
	results = a.m.Apply(commands)
	if len(results) != len(commands) {
		return nil, fmt.Errorf("%w: %d results for %d commands", errMachine, len(results), len(commands))
	}
	return results, nil
}

func (a *machine) Snapshot() (raft.FSMSnapshot, error) {
	write, err := a.m.Snapshot()
	if err != nil {
		return nil, err
	}
	return capture(write), nil
}

// Restore reads only verified bytes. An error leaves a state half replaced:
// the process must stop, and no older snapshot may be tried instead.
func (a *machine) Restore(r io.ReadCloser) error {
	if err := a.restoreFrom(r); err != nil {
		a.brk.abort(err)
	}
	return nil
}

func (a *machine) restoreFrom(r io.Reader) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: panic in Restore: %v\n%s", errMachine, p, debug.Stack())
		}
	}()
	frames := newFrameReader(r)
	if err := a.m.Restore(frames); err != nil {
		return fmt.Errorf("%w: restore: %w", errMachine, err)
	}
	rest, err := io.Copy(io.Discard, frames)
	if err == nil && rest > 0 {
		err = fmt.Errorf("%w: restore left %d bytes unread", errMachine, rest)
	}
	return err
}

// capture is a state captured at one index, written later.
type capture func(io.Writer) error

// Persist leaves closing and cancelling to Raft, which does both.
func (c capture) Persist(sink raft.SnapshotSink) error {
	frames := newFrameWriter(sink)
	if err := c(frames); err != nil {
		return err
	}
	return frames.finish()
}

func (c capture) Release() {}
