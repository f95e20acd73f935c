package main

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"example.org/hotline/crypto/keys"
	"example.org/hotline/crypto/tlog"
	"example.org/hotline/hotline"
	"example.org/hotline/hotline/audit"
	"example.org/hotline/hotline/hotlinetest"
)

// outside is what an outsider is given: files in one directory.
type outside struct {
	t          *testing.T
	dir        string
	convention hotline.ID
	leaf       string
}

func (o *outside) put(name string, b []byte) {
	o.t.Helper()
	if err := os.MkdirAll(filepath.Dir(filepath.Join(o.dir, name)), 0o700); err != nil {
		o.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(o.dir, name), b, 0o600); err != nil {
		o.t.Fatal(err)
	}
}

// proven is a text of XA to XB, logged as entry 1 of 2, with a checkpoint that all others have cosigned.
func proven(t *testing.T, codes ...hotline.Party) *outside {
	t.Helper()
	return provenUnder(t, hotline.PairScope("XA", "XB"), codes...)
}

// provenUnder is proven where XA logs the text under a scope of its choice.
func provenUnder(t *testing.T, scope hotline.Scope, codes ...hotline.Party) *outside {
	t.Helper()
	o := &outside{t: t, dir: t.TempDir()}
	var list []*hotlinetest.Party
	for _, c := range codes {
		list = append(list, hotlinetest.NewParty(c, "inclusion"))
	}
	convention := hotlinetest.Convention(hotlinetest.Terms("crisis"), list...)
	o.convention = convention.ID
	o.put("documents/convention.cbor", convention.Raw)
	for _, p := range list {
		o.put("documents/"+string(p.Code)+".cbor", p.Directory(1).Raw)
	}
	a := list[0]
	j := hotlinetest.NewJournal(a, hotlinetest.Epoch)
	j.Append(hotline.EntrySent, hotlinetest.Epoch, scope, hotline.Outside, &hotline.Sent{Sequences: []hotline.Sequence{{To: "XB", N: 1}},
		Directory: 1, Convention: 1, Voters: 1, Statement: a.Text(hotlinetest.Epoch, "XB", "words").Raw})
	genesis, leaf := tlog.LeafHash(j.Entries[0]), tlog.LeafHash(j.Entries[1])
	var tree tlog.Frontier
	tree.Append(genesis)
	tree.Append(leaf)
	head := tlog.Checkpoint{Origin: tlog.Origin("XA", 1), Size: 2, Root: tree.Root()}
	note, err := tlog.SignCheckpoint(head, a.Log)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range list[1:] {
		for _, k := range []*keys.Private{p.Witness, p.WitnessPQ} {
			line, err := tlog.Cosign(head, tlog.WitnessName(string(p.Code)), 1_800_000_000, k)
			if err != nil {
				t.Fatal(err)
			}
			note = append(note, line...)
		}
	}
	proof := &tlog.Proof{Index: 1, Path: []tlog.Hash{genesis}, Checkpoint: note}
	o.put("good", proof.Encode())
	o.put("entry", j.Entries[1])
	o.put("other", j.Entries[0])
	proof.Index = 0
	o.put("place", proof.Encode())
	proof.Index, proof.Checkpoint = 1, []byte(strings.Replace(string(note), "hotline/XA/1\n2\n", "hotline/XA/1\n3\n", 1))
	o.put("forged", proof.Encode())
	o.leaf = hex.EncodeToString(leaf[:])
	return o
}

// Promise: whoever has a proof, the entry or its leaf hash, and the documents, learns where the statement stands, who witnessed
// it, and whether that one is independent; a proof of something else, a forged one, and missing documents end with 2.
func TestInclusionForAnOutsider(t *testing.T) {
	three, two := proven(t, "XA", "XB", "XC"), proven(t, "XA", "XB")
	for _, c := range []struct {
		of   *outside
		args string
		code int
		want string
	}{
		{three, "good --entry entry", 0, "logged: entry 1 of the log of XA, generation 1, under its checkpoint of 2 entries"},
		{three, "good --entry entry", 0, "witnessed: by XC no later than 2027-01-15 08:00:00.000Z by its clock (independent)"},
		{three, "good --entry entry", 0, "witnessed: by XB no later than 2027-01-15 08:00:00.000Z by its clock (not independent: it is concerned)"},
		{three, "good --entry entry", 0, "holds: text "},
		{three, "good --entry entry --convention " + three.convention.String(), 0, "logged: "},
		{three, "good --leaf " + three.leaf, 0, "by XC no later than 2027-01-15 08:00:00.000Z by its clock (whether it is independent cannot be said without the entry)"},
		{three, "good --entry entry --json", 0, `{"party":"XC","seconds":1800000000,"independent":true}`},
		{two, "good --entry entry", 0, "no independent witness exists"},
		{two, "good --entry entry", 0, "by its clock (not independent: one of two parties)"},
		{three, "good --entry other", 2, "proof does not hold"},
		{three, "good --leaf " + strings.Repeat("ab", 32), 2, "proof does not hold"},
		{three, "place --entry entry", 2, "proof does not hold"},
		{three, "forged --entry entry", 2, "checkpoint refused"},
		{three, "entry --entry entry", 2, "proof does not hold"},
		{three, "good --entry good", 2, "the entry cannot be read"},
		{three, "good --entry entry --convention " + strings.Repeat("ab", 32), 2, "convention"},
		{three, "good --entry entry --leaf " + three.leaf, 2, "either --entry or --leaf"},
		{three, "good", 2, "either --entry or --leaf"},
	} {
		t.Chdir(c.of.dir)
		code, out, errs := call(append([]string{"inclusion", "--documents", "documents"}, strings.Fields(c.args)...)...)
		if code != c.code || !strings.Contains(out+errs, c.want) || strings.Count(errs, "\n") > 1 || (code != audit.ExitClean) != (out == "") {
			t.Errorf("%s: exit %d, %s%s; want %d, %s", c.args, code, out, errs, c.code, c.want)
		}
	}
	if err := os.Remove(filepath.Join(three.dir, "documents", "XA.cbor")); err != nil {
		t.Fatal(err)
	}
	t.Chdir(three.dir)
	if code, _, errs := call("inclusion", "--documents", "documents", "good", "--entry", "entry"); code != audit.ExitUnusable || !strings.Contains(errs, "no directory of XA") {
		t.Errorf("without XA's directory: exit %d, %s", code, errs)
	}
}

// Promise: whom a statement concerns its sender has signed; a log that files it under others makes no independent witness of its addressee.
func TestInclusionUnderAnotherScope(t *testing.T) {
	for _, scope := range []hotline.Scope{hotline.Common(), hotline.PairScope("XA", "XC")} {
		o := provenUnder(t, scope, "XA", "XB", "XC", "XD")
		t.Chdir(o.dir)
		_, out, errs := call("inclusion", "--documents", "documents", "good", "--entry", "entry")
		for party, want := range map[string]string{"XB": "not independent: it is concerned", "XD": "independent"} {
			if line := "witnessed: by " + party + " no later than 2027-01-15 08:00:00.000Z by its clock (" + want + ")"; !strings.Contains(out, line) {
				t.Errorf("%v: want %s\n%s%s", scope, line, out, errs)
			}
		}
	}
}
