package replica

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"sync/atomic"

	"github.com/hashicorp/raft"
)

// errMachine is the cause of Stop when the Machine itself fails.
var errMachine = errors.New("state machine failed")

// machine adapts a Machine to Raft. What leaves the state undefined stops the
// process; until it has ended the state is not touched, and not saved.
type machine struct {
	m      Machine
	brk    *breaker
	broken atomic.Pointer[brokenMachine]
	done   atomic.Uint64 // last entry of the last batch that it finished
}

// brokenMachine is the result of a command that was committed and that the Machine did
// not get or did not survive.
type brokenMachine struct{ error }

var _ raft.BatchingFSM = (*machine)(nil)

func (a *machine) fail(err error) {
	a.broken.CompareAndSwap(nil, &brokenMachine{err})
	a.brk.trip(err)
}

func (a *machine) Apply(l *raft.Log) any { return a.ApplyBatch([]*raft.Log{l})[0] }

// ApplyBatch gives the Machine the commands among logs, and answers each entry
// with the results of its commands. Each entry is checked against its hash once
// more, so that nothing reaches the state that the leader did not seal, whatever
// cache it came through.
func (a *machine) ApplyBatch(logs []*raft.Log) []any {
	answers := make([]any, len(logs))
	results, counts, err := a.applyLogs(logs)
	if err != nil {
		a.fail(err)
	}
	if b := a.broken.Load(); b != nil { // nothing is done any more
		for i := range answers {
			answers[i] = b
		}
		return answers
	}
	for i, n := range counts {
		answers[i], results = results[:n:n], results[n:]
	}
	a.done.Store(logs[len(logs)-1].Index)
	return answers
}

// applyLogs returns one result for each command, and how many commands each
// entry held.
func (a *machine) applyLogs(logs []*raft.Log) (results []any, counts []int, err error) {
	if a.broken.Load() != nil {
		return nil, nil, nil
	}
	commands := make([]Command, 0, len(logs))
	counts = make([]int, len(logs))
	for i, l := range logs {
		list, err := commandsOf(l)
		if err != nil {
			return nil, nil, err
		}
		for _, data := range list {
			commands = append(commands, Command{Index: l.Index, Data: data})
		}
		counts[i] = len(list)
	}
	if len(commands) == 0 {
		return nil, counts, nil
	}
	results, err = a.apply(commands)
	return results, counts, err
}

// commandsOf returns the commands of an entry: none of what is Raft's own.
func commandsOf(l *raft.Log) ([][]byte, error) {
	if l.Type != raft.LogCommand {
		return nil, nil
	}
	if err := checkSeal(l); err != nil {
		return nil, fmt.Errorf("%w; %s", err, rebuildAdvice)
	}
	if !isBundle(l) {
		return [][]byte{l.Data}, nil
	}
	list, err := decodeBundle(l.Data)
	if err != nil {
		return nil, fmt.Errorf("entry %d: %w: the members run different versions", l.Index, err)
	}
	for i := range list {
		list[i] = bytes.Clone(list[i]) // whoever keeps a part of one command must not keep all of them in memory
	}
	return list, nil
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
	if b := a.broken.Load(); b != nil {
		return nil, b
	}
	write, err := a.m.Snapshot()
	if err != nil {
		return nil, err
	}
	return capture(write), nil
}

// Restore reads only verified bytes. An error leaves a state half replaced:
// the process must stop, and no older snapshot may be tried instead.
func (a *machine) Restore(r io.ReadCloser) error {
	if b := a.broken.Load(); b != nil {
		return b
	}
	err := a.restoreFrom(r)
	if err != nil {
		a.fail(err)
	}
	return err
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
func (c capture) Persist(to raft.SnapshotSink) error {
	sink, ok := to.(*verifiedSink)
	if !ok {
		return fmt.Errorf("snapshot sink %T does not verify", to)
	}
	frames, err := newFrameWriter(sink, sink.first)
	if err != nil {
		return err
	}
	if err := c(frames); err != nil {
		return err
	}
	return frames.finish()
}

func (c capture) Release() {}
