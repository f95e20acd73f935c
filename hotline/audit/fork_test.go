package audit

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"example.org/hotline/crypto/tlog"
	"example.org/hotline/hotline"
	"example.org/hotline/hotline/ledger"
)

// proven audits exports, demands one fork of a party with its proof, and checks
// the file as somebody who has nothing but it and the convention's id.
func proven(t *testing.T, w *world, of hotline.Party, exports ...string) *ForkProof {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "proofs")
	r, err := Replay(context.Background(), exports, Options{TempDir: t.TempDir(), Proofs: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	at := slices.IndexFunc(r.Observations, func(o Observation) bool { return o.Code == Fork && o.Party == of })
	if at < 0 || r.Observations[at].Proof == "" {
		t.Fatalf("no fork with a proof: %+v, not judged %q", r.Observations, r.NotJudged)
	}
	o := r.Observations[at]
	if all := text(t, r); !strings.Contains(all, "proof for others: "+o.Proof) {
		t.Error("the report does not name the file")
	}
	if list, err := os.ReadDir(dir); err != nil || len(list) != 1 {
		t.Errorf("%d files, %v", len(list), err)
	}
	p, err := ReadForkProof(filepath.Join(dir, o.Proof), w.at(of).Convention.ID)
	if err != nil {
		t.Fatal(err)
	}
	if p.Party != of || p.Generation != 1 || !p.Pinned || p.Older.Size != o.Entry+1 {
		t.Errorf("%+v proves another thing than %+v", p, o)
	}
	if _, err := ReadForkProof(filepath.Join(dir, o.Proof), hotline.ID{1}); err == nil || !strings.Contains(err.Error(), "convention") {
		t.Errorf("under another convention: %v", err)
	}
	var b bytes.Buffer
	if err := p.WriteText(&b); err != nil || !strings.Contains(b.String(), "cannot be heads of one append-only log") {
		t.Errorf("%s, %v", &b, err)
	}
	return p
}

// Promise: a sender that shows another statement than the one that it tendered is
// proven to anybody to have forked its log, by the tender that the receiver holds;
// a pair export suffices on either side.
func TestTenderProvesAForkToAnybody(t *testing.T) {
	t.Parallel()
	honest, _ := short(t, "one")
	for _, more := range []int{0, 1, 6} {
		other := newWorld(t, terms(), "XA", "XB")
		a := other.at("XA")
		a.submit(a.Text(other.now, "XB", "two"))
		for range more {
			a.submit(a.Detection(other.now))
		}
		full := a.export()
		p := proven(t, honest, "XA", full, honest.at("XB").export())
		if p.Older.Size+uint64(more) != p.Newer.Size || p.Older.Form != "tender" && more > 0 {
			t.Errorf("%+v", p)
		}
		proven(t, honest, "XA", pairOf(t, full, "XB"), honest.at("XB").pair("XA"))
	}
}

// Promise: so is a receiver that shows a log without what it receipted.
func TestReceiptProvesAForkToAnybody(t *testing.T) {
	t.Parallel()
	honest, _ := short(t, "one")
	other := newWorld(t, terms(), "XA", "XB")
	b := other.at("XB")
	other.pass(minute)
	for range 3 {
		b.submit(b.Detection(other.now))
	}
	if p := proven(t, honest, "XB", b.export(), honest.at("XA").export()); p.Older.Form != "receipt" || p.Older.Statement == "" {
		t.Errorf("%+v", p)
	}
}

// Promise: so is a log that was rewritten after a witness recorded its checkpoint,
// and one of which two exports are shown.
func TestCheckpointsProveAForkToAnybody(t *testing.T) {
	t.Parallel()
	w := newWorld(t, terms(), "XA", "XB", "XC")
	a, c := w.at("XA"), w.at("XC")
	w.alertTo("XA", []hotline.Party{"XB"}, []hotline.Party{"XB"})
	c.witness("XA", a.checkpoint(a.entries))
	last := len(a.entries) - 1
	rewritten := append(slices.Clone(a.entries[:last]), reenter(t, a.entries[last], func(e *hotline.Entry, _ any) { e.Salt[0] ^= 1 }))
	long := append(slices.Clone(rewritten), a.forge(rewritten, a.Detection(w.now).Raw)[len(rewritten)])
	proven(t, w, "XA", a.exportOf(rewritten), c.export())
	if p := proven(t, w, "XA", a.exportOf(long), c.export()); p.Older.Form != "checkpoint" || p.Newer.Size != p.Older.Size+1 {
		t.Errorf("%+v", p)
	}
	proven(t, w, "XA", a.exportOf(long), a.export())
	proven(t, w, "XA", a.export(), pairOf(t, a.exportOf(long), "XB"))
}

// Promise: the two heads may be signed with different log keys, the second named
// by a later directory.
func TestForkIsProvenAcrossAChangeOfKeys(t *testing.T) {
	t.Parallel()
	honest, _ := short(t, "one")
	other := newWorld(t, terms(), "XA", "XB")
	a := other.at("XA")
	a.submit(a.Text(other.now, "XB", "two"))
	page := a.Page(2)
	page.Log = a.Key(page.Log.Algorithm(), "second log").Public()
	a.do(&ledger.Command{Type: ledger.Document, Document: a.SignDirectory(page)})
	a.Log = a.Key(page.Log.Algorithm(), "second log")
	p := proven(t, honest, "XA", a.export(), honest.at("XB").export())
	if p.Older.Directory != 1 || p.Newer.Directory != 2 || p.Older.Key == p.Newer.Key {
		t.Errorf("%+v", p)
	}
}

// Promise: of honest logs no proof is written; without being asked for, none is.
func TestHonestLogsLeaveNoProof(t *testing.T) {
	t.Parallel()
	w, _ := short(t, "one")
	dir := filepath.Join(t.TempDir(), "proofs")
	r, err := Replay(context.Background(), []string{w.at("XA").export(), w.at("XB").export()}, Options{TempDir: t.TempDir(), Proofs: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if list, err := os.ReadDir(dir); err != nil || len(list) != 0 || r.ExitCode() != ExitClean {
		t.Errorf("%v, %v, %+v", list, err, r.Observations)
	}
}

// Promise: a file that proves nothing is refused with its name and the reason.
func TestReadForkProofRefuses(t *testing.T) {
	t.Parallel()
	w, _ := short(t, "one")
	a := w.at("XA")
	conventions, pages := []*hotline.SignedConvention{a.Convention}, []*hotline.SignedDirectory{a.Directory(1)}
	var tree tlog.Frontier
	tree.Append(tlog.LeafHash(a.entries[0]))
	head := hotline.SignedHead{Note: a.checkpoint(a.entries[:1])}
	raw, err := hotline.MakeForkProof(conventions, pages, head, hotline.SignedHead{Note: a.checkpoint(a.entries[1:2])}, nil)
	if err != nil {
		t.Fatal(err)
	}
	same := bytes.ReplaceAll(raw, a.checkpoint(a.entries[1:2]), head.Note)
	for name, b := range map[string][]byte{"empty": nil, "text": []byte("no proof"), "same head twice": same, "cut": raw[:len(raw)-1]} {
		file := filepath.Join(t.TempDir(), "file.proof")
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadForkProof(file, hotline.ID{}); err == nil || !strings.Contains(err.Error(), "file.proof proves nothing: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range []string{t.TempDir(), filepath.Join(t.TempDir(), "missing")} {
		if _, err := ReadForkProof(name, hotline.ID{}); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
