package node

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"testing"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/hotlinetest"
)

// journal makes a log of texts and returns its entries and their ids.
func journal(n int) (entries [][]byte, ids []hotline.ID) {
	a, b := hotlinetest.NewParty("XA", "index"), hotlinetest.NewParty("XB", "index")
	hotlinetest.Convention(hotlinetest.Terms("crisis"), a, b)
	j := hotlinetest.NewJournal(a, hotlinetest.Epoch)
	for range n {
		st := a.Text(hotlinetest.Epoch, "XB", "words")
		j.Send(st, hotlinetest.Epoch)
		ids = append(ids, st.ID)
	}
	return j.Entries[1:], ids
}

// Promise: no entry is passed over: what comes behind a gap is not taken for
// indexed, and what is in the file after a restart is what was in memory.
func TestIndexHasNoGapsAndSurvivesARestart(t *testing.T) {
	t.Parallel()
	entries, ids := journal(8)
	path := filepath.Join(t.TempDir(), "index.db")
	open := func(size uint64) *index {
		x, err := openIndex(path, size)
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	add := func(x *index, first int, list [][]byte) {
		if err := x.add(uint64(first), list); err != nil {
			t.Fatal(err)
		}
	}
	found := func(x *index, want int) {
		t.Helper()
		for i, id := range ids {
			if at, ok := x.find(id); ok != (i < want) || ok && at != uint64(i) {
				t.Errorf("entry %d is found at %d: %v", i, at, ok)
			}
		}
		if x.size() != uint64(want) {
			t.Errorf("%d entries count as indexed, want %d", x.size(), want)
		}
	}
	x := open(8)
	add(x, 0, entries[:2])
	add(x, 4, entries[4:6]) // Apply went on while history was being fetched
	found(x, 2)
	add(x, 1, entries[1:5])
	found(x, 5)
	if err := x.flush(); err != nil {
		t.Fatal(err)
	}
	add(x, 5, entries[5:7])
	found(x, 7)
	if err := x.close(); err != nil {
		t.Fatal(err)
	}
	x = open(8)
	found(x, 7)
	if got := x.prefix(ids[3][:4], 8); len(got) != 1 || got[0] != ids[3] {
		t.Errorf("by its first bytes %s is found as %v", ids[3].Short(), got)
	}
	if err := x.close(); err != nil {
		t.Fatal(err)
	}
	x = open(3) // the log lost its end with the power: the index must not be ahead
	found(x, 0)
	if err := x.close(); err != nil {
		t.Fatal(err)
	}
}

// RaftIndex is the last entry of the member's Raft log.
func (n *Node) RaftIndex() uint64 { return n.member.Stats().Last }

// Promise: a flipped bit anywhere in the file of the index, or a process that
// was killed, never ends the next one and never hides a statement or shows the
// wrong one: the index is made again.
func TestDamagedIndexIsMadeAgain(t *testing.T) {
	t.Parallel()
	entries, ids := journal(200)
	path := filepath.Join(t.TempDir(), "index.db")
	size := uint64(len(entries))
	x, err := openIndex(path, size)
	for i := 0; err == nil && i < len(entries); i += 50 { // in parts, so that pages are freed and used again
		err = errors.Join(x.add(uint64(i), entries[i:i+50]), x.flush())
	}
	if err != nil {
		t.Fatal(err)
	}
	killed, err := os.ReadFile(path)
	if err = errors.Join(err, x.close()); err != nil {
		t.Fatal(err)
	}
	sound, err := os.ReadFile(path)
	digest, err2 := os.ReadFile(path + digestExt)
	if err = errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	reopen := func(b, digest []byte) uint64 {
		t.Helper()
		err := os.WriteFile(path, b, 0o600)
		if digest != nil {
			err = errors.Join(err, os.WriteFile(path+digestExt, digest, 0o600))
		}
		if err != nil {
			t.Fatal(err)
		}
		x, err := openIndex(path, size)
		if err != nil {
			t.Fatal(err)
		}
		have := x.size()
		if err := x.db.Close(); err != nil {
			t.Fatal(err)
		}
		return have
	}
	if have := reopen(sound, digest); have != size {
		t.Fatalf("a sound index of %d entries counts as one of %d", size, have)
	}
	if have := reopen(killed, nil); have != 0 {
		t.Errorf("an index that was not closed is taken for one of %d entries", have)
	}
	for at := 0; at < len(sound); at += 127 {
		b := append([]byte(nil), sound...)
		b[at] ^= 1 << (at % 8)
		if have := reopen(b, digest); have != 0 {
			t.Errorf("byte %d is damaged and the index is taken for one of %d entries", at, have)
		}
	}
	if x, err = openIndex(path, size); err != nil {
		t.Fatal(err)
	}
	if err := x.add(0, entries); err != nil {
		t.Fatal(err)
	}
	for i, id := range ids {
		if at, ok := x.find(id); !ok || at != uint64(i) {
			t.Errorf("made again, it finds entry %d at %d: %v", i, at, ok)
		}
	}
	if err := x.close(); err != nil {
		t.Fatal(err)
	}
}

// Promise: a statement that is being moved from memory into the file is found
// once: twice would make its full id ambiguous.
func TestPrefixFindsOnceWhileTheIndexIsWritten(t *testing.T) {
	t.Parallel()
	x, err := openIndex(filepath.Join(t.TempDir(), "index.db"), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer x.close()
	entries, ids := journal(2)
	if err := x.add(0, entries); err != nil {
		t.Fatal(err)
	}
	if err := x.write(maps.Clone(x.fresh), x.next); err != nil { // and not yet out of memory, as in the middle of flush
		t.Fatal(err)
	}
	for _, id := range ids {
		if got := x.prefix(id[:], 64); len(got) != 1 || got[0] != id {
			t.Errorf("%s is found as %v", id.Short(), got)
		}
	}
	if got := x.prefix(nil, 64); len(got) != 2 {
		t.Errorf("every id begins with nothing, and %d of 2 are found", len(got))
	}
}
