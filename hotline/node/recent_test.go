package node

import (
	"testing"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/ledger"
)

// Promise: what was applied last is found by each entry that it made, memory is
// bounded, and a gap in the entries forgets what lies before it.
func TestRecentsAreBoundedAndWithoutGaps(t *testing.T) {
	t.Parallel()
	var x recents
	made := func(first uint64, sizes ...int) *work {
		w := &work{command: &ledger.Command{}, result: &ledger.Result{First: first}}
		for _, n := range sizes {
			w.result.Entries = append(w.result.Entries, make([]byte, n))
		}
		return w
	}
	find := func(index uint64, want *work) {
		t.Helper()
		if got := x.at(index); got != want {
			t.Errorf("entry %d: found %v, want %v", index, got, want)
		}
	}
	a, b := made(5, 10, 10), made(7, 10)
	find(5, nil)
	x.add(a)
	x.add(b)
	find(4, nil)
	find(5, a)
	find(6, a)
	find(7, b)
	find(8, nil)

	c := made(9, 10)
	x.add(c) // entry 8 is missing
	find(7, nil)
	find(9, c)

	x.add(made(10, maxRecentBytes))
	find(9, nil) // no room for both
	for i := range maxRecents + 1 {
		x.add(made(11+uint64(i), 1))
	}
	find(11, nil)
	if n := len(x.works); n > maxRecents || x.bytes > maxRecentBytes {
		t.Errorf("%d works of %d bytes are kept", n, x.bytes)
	}
	x.clear()
	find(12, nil)
	if x.bytes != 0 {
		t.Errorf("%d bytes are counted for nothing", x.bytes)
	}
}

// Promise: a command counts as verified here only when exactly the bytes that
// this node proposed come back, and only once.
func TestProposalsAreKnownByTheirBytes(t *testing.T) {
	t.Parallel()
	var p proposals
	c := &ledger.Command{}
	done := p.expect([]byte("proposed"), c)
	if p.take([]byte("another")) != nil {
		t.Error("other bytes were taken for the proposed ones")
	}
	if p.take([]byte("proposed")) != c || p.take([]byte("proposed")) != nil {
		t.Error("the proposal was not known once")
	}
	done()
	p.expect([]byte("given up"), c)()
	if p.take([]byte("given up")) != nil {
		t.Error("a proposal is known whose proposer has gone")
	}
}

// Promise: of a command that made several entries only the one that holds its
// statement counts as a statement: another would be opened, and complained of,
// in its place.
func TestOnlyTheEntryOfAStatementIsOne(t *testing.T) {
	t.Parallel()
	n := &Node{machine: &machine{}}
	st := &hotline.Statement{Raw: []byte("words")}
	c := &ledger.Command{Type: ledger.Receive, Statement: st.Raw}
	c.TakeStatement(st)
	n.machine.recents.add(&work{command: c, result: &ledger.Result{First: 5, Entries: [][]byte{{1}, {2}}, Placed: true, Index: 6}})
	if _, err := n.acceptedAt(5); hotline.CodeOf(err) != hotline.CodeNotFound {
		t.Errorf("the entry of a clock is taken for a statement: %v", err)
	}
	if got, err := n.acceptedAt(6); err != nil || got != st {
		t.Errorf("the statement is not found at its entry: %v", err)
	}
}
