package node_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"example.org/hotline/crypto/keys"
	"example.org/hotline/crypto/tlog"
	"example.org/hotline/hotline"
	"example.org/hotline/hotline/desk"
	"example.org/hotline/hotline/hotlinetest"
	"example.org/hotline/hotline/link"
)

// exported is what an export of a node holds beside the entries.
func (p *party) exported(t *testing.T, i int) (checkpoint, cosigned []byte, size uint64) {
	t.Helper()
	re, err := p.ask(t, i, &desk.Request{Export: &desk.ExportRequest{}})
	if err != nil {
		t.Fatal(err)
	}
	return re.Export.Checkpoint, re.Export.Cosigned, re.Export.Size
}

// cosigners are the witness keys of parties.
func (w *network) cosigners(codes ...hotline.Party) (list []tlog.Cosigner) {
	for _, c := range codes {
		for _, k := range []*keys.Private{w.parties[c].Witness, w.parties[c].WitnessPQ} {
			list = append(list, tlog.Cosigner{Name: tlog.WitnessName(string(c)), Key: k.Public()})
		}
	}
	return list
}

// untilCosigned waits until the export of a node holds a checkpoint of at least size
// entries with n cosignatures of the witnesses.
func (w *network) untilCosigned(code hotline.Party, i int, size uint64, n int, witnesses ...hotline.Party) tlog.Checkpoint {
	w.t.Helper()
	p := w.parties[code]
	for end := time.Now().Add(deadline); time.Now().Before(end); <-time.After(50 * time.Millisecond) {
		_, note, _ := p.exported(w.t, i)
		c, err := tlog.ParseCheckpoint(note, tlog.Origin(string(code), 1), p.Log.Public())
		if err != nil || c.Size < size {
			continue
		}
		found, others, err := tlog.VerifyCosignatures(note, c, w.cosigners(witnesses...))
		if err != nil || others != 0 {
			w.t.Fatal(others, err)
		}
		if len(found) >= n {
			return c
		}
	}
	w.t.Fatalf("no checkpoint of %s of %d entries comes to %d cosignatures", code, size, n)
	return tlog.Checkpoint{}
}

// witnessedIn returns the heads of a party that the record of another names.
func (p *party) witnessedIn(t *testing.T, of hotline.Party) (sizes []uint64, at []hotline.Time) {
	t.Helper()
	_, _, size := p.exported(t, 0)
	for i := range size {
		raw, err := p.nodes[0].Entry(i)
		if err != nil {
			t.Fatal(err)
		}
		e, content, err := hotline.DecodeEntry(raw)
		if err != nil {
			t.Fatal(err)
		}
		x, ok := content.(*hotline.Witnessed)
		if !ok {
			continue
		}
		for j := range x.Heads {
			if _, c, err := x.Heads[j].Head(); err == nil && x.Heads[j].Party == of {
				sizes, at = append(sizes, c.Size), append(at, e.Time)
			}
		}
	}
	return sizes, at
}

// Promise: of three parties each has its checkpoints cosigned by both others with both keys, after what came; the
// record of the witness says so once an interval; and a network in which nothing happens any more falls silent.
func TestThreePartiesWitnessEachOther(t *testing.T) {
	t.Parallel()
	w := newNetwork(t, hotlinetest.Terms("crisis"), 1, "XA", "XB", "XC")
	w.ready()
	w.untilCosigned("XA", 0, 6, 4, "XB", "XC")
	w.untilCosigned("XB", 0, 6, 4, "XA", "XC")
	w.untilCosigned("XC", 0, 6, 4, "XA", "XB")
	seen := w.parties["XA"].watch(t, 0)
	st := w.warn("XA", "XB")
	e := wait(t, seen, func(e desk.Event) bool { return e.Type == desk.EventSettled && e.ID == st.ID })
	c := w.untilCosigned("XA", 0, e.Index+1, 4, "XB", "XC")
	for _, code := range []hotline.Party{"XB", "XC"} {
		sizes, at := w.parties[code].witnessedIn(t, "XA")
		if len(sizes) > 1 {
			t.Errorf("%s has recorded %d heads of XA at %v within an hour", code, len(sizes), at)
		}
	}
	re, err := w.parties["XB"].ask(t, 0, &desk.Request{Status: &desk.StatusRequest{}})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range re.Status.Peers { // what the desk puts into the header of the next statement to that party
		if p.Head == nil || p.Head.Origin != tlog.Origin(string(p.Party), 1) || p.Head.Size == 0 {
			t.Errorf("XB names no head of %s: %+v", p.Party, p.Head)
		}
	}
	_, note, _ := w.parties["XA"].exported(t, 0)
	_, again, _ := w.parties["XA"].exported(t, 0)
	if !bytes.Equal(note, again) || c.Size == 0 {
		t.Error("the cosigned checkpoint changes although nothing comes")
	}
}

// Promise: a log whose group is busy with other logs still asks its own witnesses again, so whoever comes back cosigns.
func TestBusyWitnessAsksItsOwnAgain(t *testing.T) {
	t.Parallel()
	terms := hotlinetest.Terms("crisis")
	terms.LineTest = 1000
	w := prepareObserved(t, terms, 1, []hotline.Party{"XC"}, "XA", "XB", "XC")
	a, b, c := w.parties["XA"], w.parties["XB"], w.parties["XC"]
	w.startAll(a)
	w.startAll(c)
	w.untilCosigned("XC", 0, 4, 2, "XA", "XB") // by XA alone: XB is away
	w.startAll(b)                              // from now on XA and XB test their line, and XC has both logs to cosign
	w.untilTested(t, "XA", "XB")
	w.untilCosigned("XC", 0, 6, 4, "XA", "XB")
}

// Promise: a witness that is away delays nothing, and the others cosign.
func TestAbsentWitnessDelaysNothing(t *testing.T) {
	t.Parallel()
	w := newNetwork(t, hotlinetest.Terms("crisis"), 1, "XA", "XB", "XC")
	w.ready()
	w.parties["XC"].stop(t, 0)
	seen := w.parties["XA"].watch(t, 0)
	st := w.warn("XA", "XB")
	e := wait(t, seen, func(e desk.Event) bool { return e.Type == desk.EventSettled && e.ID == st.ID })
	w.untilCosigned("XA", 0, e.Index+1, 2, "XB", "XC")
}

// Promise: a witness that has started again cosigns no other history than before, says which size it has cosigned, keeps
// what contradicts it, and raises an alarm; the history that it knows it goes on to cosign.
func TestWitnessRefusesAnotherHistory(t *testing.T) {
	t.Parallel()
	w := newNetwork(t, hotlinetest.Terms("crisis"), 1, "XA", "XB", "XC")
	w.ready()
	c := w.untilCosigned("XA", 0, 6, 4, "XB", "XC")
	b := w.parties["XB"]
	b.stop(t, 0)
	b.nodes = nil
	w.startAll(b)
	w.ready()
	ask := func(old uint64, change func(*tlog.Checkpoint)) *link.Answer {
		t.Helper()
		forged := c
		change(&forged)
		return w.askWitness("XB", "XA", old, nil, forged)
	}
	a := ask(0, func(*tlog.Checkpoint) {})
	if a.Code != hotline.CodeConflict || a.Head == nil || a.Head.Size < c.Size || len(a.Cosignature) != 0 {
		t.Fatalf("a wrong old size is answered %+v", a)
	}
	c.Size, c.Root = a.Head.Size, a.Head.Root
	a = ask(c.Size, func(x *tlog.Checkpoint) { x.Root[0] ^= 1 })
	if a.Code != hotline.CodeInconsistent || len(a.Cosignature) != 0 {
		t.Fatalf("another history is answered %+v", a)
	}
	if a = ask(c.Size, func(*tlog.Checkpoint) {}); a.Code != "" && a.Code != hotline.CodeConflict {
		t.Fatalf("the history that was cosigned is answered %+v", a)
	}
	b.untilAlarmed(t, "contradicts the one cosigned here")
	list, err := filepath.Glob(filepath.Join(b.cfgs[0].Data, "forks", "XA-*"))
	if err != nil || len(list) != 3 {
		t.Errorf("kept: %v, %v", list, err)
	}
	for _, name := range list {
		if b, err := os.ReadFile(name); err != nil || len(b) == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	if f := b.forkProof(t); f.Party != "XA" || f.Older.Size != c.Size || f.Newer.Size != c.Size {
		t.Errorf("%+v", f)
	}
	b.stop(t, 0)
	b.nodes = nil
	w.startAll(b)
	b.untilAlarmed(t, ".proof to the other parties and to auditors")
}

// askWitness asks a witness to cosign a checkpoint, truly signed by the log key of
// its party, until its group has a leader to answer.
func (w *network) askWitness(witness, of hotline.Party, old uint64, path []tlog.Hash, c tlog.Checkpoint) *link.Answer {
	w.t.Helper()
	note, err := tlog.SignCheckpoint(c, w.parties[of].Log)
	if err != nil {
		w.t.Fatal(err)
	}
	for end := time.Now().Add(deadline); time.Now().Before(end); <-time.After(20 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(w.t.Context(), deadline)
		a := w.parties[witness].nodes[0].Checkpoint(ctx, of, (&tlog.Extension{Old: old, Proof: path, Note: note}).Encode())
		cancel()
		if a.Code != hotline.CodeNotLeader && a.Code != hotline.CodeBusy {
			return a
		}
	}
	w.t.Fatal("the witness has no leader")
	return nil
}

// forkProof is what the one proof that a node keeps shows to somebody who knows
// the convention's id.
func (p *party) forkProof(t *testing.T) *hotline.Fork {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(p.cfgs[0].Data, "forks", "*.proof"))
	if err != nil || len(list) != 1 {
		t.Fatalf("proofs %v, %v", list, err)
	}
	raw, err := os.ReadFile(list[0])
	if err != nil {
		t.Fatal(err)
	}
	proof, err := hotline.ParseForkProof(raw)
	if err != nil {
		t.Fatal(err)
	}
	f, err := proof.Check(p.Convention.ID)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// Promise: a log that was rewritten and grew proves it itself by the path with which
// it asks for a cosignature, and the witness keeps that proof for others; where the
// size cosigned is a power of two the path does not show it, and no proof is kept.
func TestWitnessKeepsTheProofThatThePathGives(t *testing.T) {
	t.Parallel()
	w := newNetwork(t, hotlinetest.Terms("crisis"), 1, "XA", "XB", "XC")
	w.ready()
	b := w.parties["XB"]
	known := w.untilCosigned("XA", 0, 6, 4, "XB", "XC")
	rewritten := func(old uint64) *link.Answer {
		var tree tlog.Frontier
		leaves := make([]tlog.Hash, old+3)
		for i := range leaves {
			leaves[i] = tlog.LeafHash([]byte{byte(i)})
			tree.Append(leaves[i])
		}
		var path []tlog.Hash
		for _, r := range tlog.ConsistencyRanges(old, tree.Size) {
			var part tlog.Frontier
			for _, leaf := range leaves[r[0]:r[1]] {
				part.Append(leaf)
			}
			path = append(path, part.Root())
		}
		if old&(old-1) == 0 {
			path = path[1:] // as RFC 9162 has it
		}
		return w.askWitness("XB", "XA", old, path, tlog.Checkpoint{Origin: "hotline/XA/1", Size: tree.Size, Root: tree.Root()})
	}
	for size := known.Size; ; {
		a := rewritten(size)
		if a.Code == hotline.CodeConflict {
			size = a.Head.Size // XA's own log went on meanwhile
			continue
		}
		if a.Code != hotline.CodeInconsistent {
			t.Fatalf("another history is answered %+v", a)
		}
		if size&(size-1) != 0 {
			known.Size = size
			break
		}
		if list, err := filepath.Glob(filepath.Join(b.cfgs[0].Data, "forks", "*.proof")); err != nil || len(list) != 0 {
			t.Fatalf("a proof of what the path does not show: %v, %v", list, err)
		}
		w.warn("XA", "XB")
		size = w.untilCosigned("XA", 0, size+1, 4, "XB", "XC").Size
	}
	b.untilAlarmed(t, ".proof to the other parties and to auditors")
	if f := b.forkProof(t); f.Party != "XA" || f.Older.Size != known.Size || f.Newer.Size != known.Size+3 || f.Held == f.Older.Root {
		t.Errorf("%+v", f)
	}
}

// Promise: a statement of the group names the newest head of its addressee's log that was cosigned here, so the logs are
// woven together also where no officer speaks.
func TestGroupStatementNamesCosignedHead(t *testing.T) {
	t.Parallel()
	terms := hotlinetest.Terms("crisis")
	terms.LineTest = 2000
	w := newNetwork(t, terms, 1, "XA", "XB")
	w.ready()
	w.untilCosigned("XB", 0, 5, 2, "XA")
	a := w.parties["XA"]
	for end := time.Now().Add(deadline); time.Now().Before(end); <-time.After(50 * time.Millisecond) {
		_, _, size := a.exported(t, 0)
		for i := range size {
			raw, err := a.nodes[0].Entry(i)
			if err != nil {
				t.Fatal(err)
			}
			_, content, err := hotline.DecodeEntry(raw)
			if err != nil {
				t.Fatal(err)
			}
			sent, ok := content.(*hotline.Sent)
			if !ok {
				continue
			}
			if st, err := hotline.Parse(sent.Statement); err == nil && st.Header.Peer != nil && st.Header.Peer.Origin == tlog.Origin("XB", 1) {
				return
			}
		}
	}
	t.Fatal("no statement of the group names a head of XB")
}
