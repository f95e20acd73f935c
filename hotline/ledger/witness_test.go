package ledger_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"example.org/hotline/crypto/tlog"
	"example.org/hotline/hotline"
	"example.org/hotline/hotline/ledger"
)

// checkpointOf is a checkpoint of a member's log at a size, with the proof that it
// extends another size. A fork is of a log whose first entry is another.
func (w *world) checkpointOf(t testing.TB, of *member, old, size uint64, fork bool) (ledger.Cosigned, []byte) {
	t.Helper()
	store, err := tlog.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	entries := slices.Clone(of.entries[:size])
	if fork {
		entries[0] = []byte("another entry")
	}
	if err := store.Append(entries...); err != nil {
		t.Fatal(err)
	}
	c := tlog.Checkpoint{Origin: tlog.Origin(string(of.Code), 1), Size: size, Root: store.Root()}
	x := &tlog.Extension{Old: old}
	if old <= size {
		if x.Proof, err = store.Consistency(old, size); err != nil {
			t.Fatal(err)
		}
	}
	if x.Note, err = tlog.SignCheckpoint(c, of.Log); err != nil {
		t.Fatal(err)
	}
	return ledger.Cosigned{Party: of.Code, Generation: 1, Size: size, Root: c.Root, Note: x.Note}, x.Encode()
}

// cosign asks a member to cosign: XB cosign XA 7 old=5, with fork for another
// history and garble for a body that says nothing.
func (s *story) cosign(m *member, a args) {
	of := s.w.members[hotline.Party(a.word(0))]
	size := a.number("size")
	_, body := s.w.checkpointOf(s.t, of, a.number("old"), size, a.has("fork"))
	if a.has("garble") {
		body = body[1:]
	}
	s.do(m, a, &ledger.Command{Type: ledger.Cosign, Peer: of.Code, Extension: body})
}

// witness records what a member has cosigned, if its ledger says that it is time;
// XB witness XA size=7 records it whatever the ledger says.
func (s *story) witness(m *member, a args) {
	w := m.state.ToWitness(s.w.now)
	if len(a.words) > 0 {
		of := s.w.members[hotline.Party(a.word(0))]
		head, _ := s.w.checkpointOf(s.t, of, 0, a.number("size"), a.has("fork"))
		w = &hotline.Witnessed{Heads: []hotline.WitnessedHead{{Party: head.Party, Checkpoint: head.Note}}}
	}
	if w == nil {
		fmt.Fprintf(&s.b, "%s has nothing to record\n", m.Code)
		return
	}
	s.do(m, a, &ledger.Command{Type: ledger.Witness, Witnessed: w})
}

// tellCosigned writes down what a member has cosigned, and up to where its own log
// calls for a checkpoint.
func (s *story) tellCosigned(m *member) {
	for _, p := range s.w.order {
		if c := m.state.Cosigned(p); c.Size > 0 {
			fmt.Fprintf(&s.b, "%s has cosigned %s/%d of size %d\n", m.Code, p, c.Generation, c.Size)
		}
	}
	fmt.Fprintf(&s.b, "%s: %d of %d entries call for a checkpoint\n", m.Code, m.state.Weighty(), m.state.Size())
}

func tellWitnessed(x *hotline.Witnessed) string {
	var b bytes.Buffer
	b.WriteString("witnessed")
	for i := range x.Heads {
		generation, c, _ := x.Heads[i].Head()
		fmt.Fprintf(&b, " %s/%d:%d", x.Heads[i].Party, generation, c.Size)
	}
	return b.String()
}

// A checkpoint that is signed with another key, or claims a generation that no
// directory has opened, is refused before it costs the group a commit; and so
// is a witnessed entry that holds one, by whoever replays the log.
func TestCheckpointOfAnotherKeyIsNotCosigned(t *testing.T) {
	w := newWorld(t, setup{parties: []hotline.Party{"XA", "XB", "XC"}, voters: 1, at: 1_767_261_600_000})
	xa, xb := w.members["XA"], w.members["XB"]
	for name, c := range map[string]struct {
		origin string
		signer *member
		code   hotline.Code
	}{
		"another party's key": {tlog.Origin("XA", 1), xb, hotline.CodeBadSignature},
		"a later generation":  {tlog.Origin("XA", 2), xa, hotline.CodeNeed},
		"another party's log": {tlog.Origin("XC", 1), xa, hotline.CodeMalformed},
		"no log of a party":   {"hotline/XA/01", xa, hotline.CodeMalformed},
	} {
		note, err := tlog.SignCheckpoint(tlog.Checkpoint{Origin: c.origin, Size: 1, Root: tlog.LeafHash([]byte("x"))}, c.signer.Log)
		if err != nil {
			t.Fatal(err)
		}
		body := (&tlog.Extension{Note: note}).Encode()
		if err := xb.state.Verify(&ledger.Command{Type: ledger.Cosign, Peer: "XA", Extension: body}, nil); hotline.CodeOf(err) != c.code {
			t.Errorf("%s: %v, want %s", name, err, c.code)
		}
		heads := &hotline.Witnessed{Heads: []hotline.WitnessedHead{{Party: "XA", Checkpoint: note}}}
		err = xb.state.Verify(&ledger.Command{Type: ledger.Witness, Witnessed: heads}, nil)
		if want := c.code; c.code == hotline.CodeNeed && err != nil {
			t.Errorf("%s: a record of what was cosigned under an earlier directory: %v", name, err)
		} else if c.code != hotline.CodeNeed && hotline.CodeOf(err) != want && err == nil {
			t.Errorf("%s: recorded", name)
		}
	}
}
