package replica

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/hashicorp/raft"
)

func proposalsOf(commands ...[]byte) (list []*proposal) {
	for _, c := range commands {
		list = append(list, &proposal{command: c, release: func() {}, decided: make(chan decision, 1)})
	}
	return list
}

// Promise: many who propose at once each get the result of their own command, every member applies the same commands in the same
// order, and the log holds fewer entries than commands.
func TestManyProposalsShareEntries(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	g := startGroup(t, 3)
	l := g.leader(ctx)
	first := l.mustPropose(t, ctx, "first").(int)
	before := l.Stats().Last
	const many = 400
	type outcome struct {
		line string
		at   any
		err  error
	}
	outcomes := make(chan outcome, many)
	for i := range many {
		line := fmt.Sprint("command ", i)
		go func() {
			at, err := l.Propose(ctx, []byte(line))
			outcomes <- outcome{line, at, err}
		}()
	}
	at := make([]string, first+many+1)
	for range many {
		o := <-outcomes
		if o.err != nil {
			t.Fatalf("%s: %v", o.line, o.err)
		}
		at[o.at.(int)] = o.line // the journal answers each command with its place
	}
	if n := l.Stats().Last - before; n >= many {
		t.Errorf("%d commands took %d entries", many, n)
	}
	for _, n := range g.nodes {
		lines := n.journal.wait(t, ctx, func(lines []string) bool { return len(lines) == first+many })
		if !slices.Equal(lines[first:], at[first+1:]) {
			t.Fatalf("%s has another order than its proposers were told", n.cfg.ID)
		}
	}
}

// Promise: a command whose proposer leaves while it waits its turn is certainly not proposed, and one whose turn came is not taken back.
func TestWithdrawnProposalIsNotProposed(t *testing.T) {
	t.Parallel()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	m := &Member{ctx: t.Context(), waiting: waiting{away: true}} // an entry is under way, and is never decided
	if _, err := m.await(ended, []byte("left")); !errors.Is(err, ErrBusy) || !errors.Is(err, context.Canceled) || errors.Is(err, ErrUnknown) {
		t.Fatalf("a proposal that was withdrawn: %v", err)
	}
	if m.proposals.Load() != 0 || m.proposalBytes.Load() != 0 || len(m.waiting.list) != 0 {
		t.Error("a withdrawn proposal keeps its place")
	}
	staying := proposalsOf([]byte("stays"))[0]
	m.waiting.put(staying)
	if list := m.waiting.next(); len(list) != 1 || list[0] != staying {
		t.Fatalf("%d proposals are given to Raft, and not the one that waits", len(list))
	}
	if m.waiting.withdraw(staying) {
		t.Error("a proposal in Raft's hands was withdrawn")
	}
}

// Promise: when the member stops, whoever still waits hears that nothing was proposed.
func TestWaitingProposalsHearOfTheEnd(t *testing.T) {
	t.Parallel()
	member, stop := context.WithCancel(t.Context())
	m := &Member{ctx: member, waiting: waiting{away: true}}
	asking := &asking{Context: t.Context(), waits: make(chan struct{})}
	outcome := make(chan error, 1)
	go func() { _, err := m.await(asking, []byte("x")); outcome <- err }()
	<-asking.waits
	stop()
	if err := <-outcome; !errors.Is(err, ErrStopped) || errors.Is(err, ErrUnknown) {
		t.Fatalf("a proposal that waited: %v", err)
	}
	if _, err := m.await(t.Context(), []byte("x")); !errors.Is(err, ErrStopped) {
		t.Fatalf("a proposal after the end: %v", err)
	}
}

// asking is a context that tells when somebody begins to wait for its end.
type asking struct {
	context.Context
	waits chan struct{}
}

func (a *asking) Done() <-chan struct{} {
	close(a.waits)
	return a.Context.Done()
}

// Promise: an entry holds no more commands, and no more bytes, than the bounds say, and the first always fits.
func TestBundlesAreBounded(t *testing.T) {
	t.Parallel()
	w := &waiting{away: true}
	large := make([]byte, MaxCommand)
	half := make([]byte, maxBundleBytes/2-4)
	for _, p := range proposalsOf(large, half, half, half, []byte("x")) {
		w.put(p)
	}
	for range maxBundle + 5 {
		w.put(proposalsOf([]byte("y"))[0])
	}
	var sizes []int
	for list := w.next(); list != nil; list = w.next() {
		if len(list) > 1 && len(encodeBundle(list)) > maxBundleBytes {
			t.Fatalf("a bundle of %d bytes", len(encodeBundle(list)))
		}
		sizes = append(sizes, len(list))
	}
	if want := []int{1, 2, maxBundle, 7}; !slices.Equal(sizes, want) || w.away {
		t.Errorf("entries of %v commands, want %v; another is under way: %t", sizes, want, w.away)
	}
	first := proposalsOf([]byte("z"))[0]
	if list := w.put(first); len(list) != 1 || list[0] != first || !w.away {
		t.Error("a proposal that comes alone waits")
	}
}

// Promise: what is no bundle that this version makes stops the member, and applies nothing.
func TestMalformedBundleStops(t *testing.T) {
	t.Parallel()
	for _, data := range [][]byte{nil, {0, 0, 0, 1}, {0, 0, 0, 1, 7}, {0, 0, 0, 0, 0, 0, 0, 2, 1}, bytes.Repeat([]byte{0, 0, 0, 0}, maxBundle+1)} {
		l := &raft.Log{Index: 1, Type: raft.LogCommand, Data: data, Extensions: []byte{bundleForm}}
		l.Extensions = sealOf(l)
		if list, err := commandsOf(l); !errors.Is(err, errBundle) {
			t.Errorf("%x is read as %d commands: %v", data, len(list), err)
		}
	}
}

// FuzzBundle: whatever is read as a bundle is written again as the same bytes.
func FuzzBundle(f *testing.F) {
	f.Add(encodeBundle(proposalsOf([]byte("a"), nil, []byte("bc"))))
	f.Add([]byte{0, 0, 0, 1})
	f.Fuzz(func(t *testing.T, data []byte) {
		list, err := decodeBundle(data)
		if err != nil {
			return
		}
		if again := encodeBundle(proposalsOf(list...)); !bytes.Equal(again, data) {
			t.Fatalf("%x is written as %x", data, again)
		}
	})
}
