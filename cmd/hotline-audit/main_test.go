package main

import (
	"bytes"
	"context"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"example.org/hotline/crypto/tlog"
	"example.org/hotline/hotline"
	"example.org/hotline/hotline/audit"
	"example.org/hotline/hotline/hotlinetest"
)

// journal is a log of XA with its documents, and its full export.
func journal(t *testing.T, more func(j *hotlinetest.Journal)) (dir string, convention hotline.ID) {
	t.Helper()
	a, b := hotlinetest.NewParty("XA", "cmd"), hotlinetest.NewParty("XB", "cmd")
	terms := hotlinetest.Terms("crisis")
	terms.LineTest = 0
	c := hotlinetest.Convention(terms, a, b)
	j := hotlinetest.NewJournal(a, hotlinetest.Epoch)
	for _, raw := range [][]byte{c.Raw, a.Directory(1).Raw, b.Directory(1).Raw} {
		j.Append(hotline.EntryDocument, hotlinetest.Epoch, hotline.Common(), hotline.Outside, &hotline.Document{Raw: raw})
	}
	if more != nil {
		more(j)
	}
	store, err := tlog.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if err := store.Append(j.Entries...); err != nil {
		t.Fatal(err)
	}
	head, err := tlog.SignCheckpoint(tlog.Checkpoint{Origin: tlog.Origin("XA", 1), Size: store.Size(), Root: store.Root()}, a.Log)
	if err != nil {
		t.Fatal(err)
	}
	dir = filepath.Join(t.TempDir(), "export")
	if err := audit.WriteFull(dir, store, head, nil); err != nil {
		t.Fatal(err)
	}
	return dir, c.ID
}

func call(args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = run(context.Background(), args, &out, &errs)
	return code, out.String(), errs.String()
}

// The exit code tells a clean log, a broken rule and unusable input apart, and
// every error is one line.
func TestExitCodes(t *testing.T) {
	good, id := journal(t, nil)
	bad, _ := journal(t, func(j *hotlinetest.Journal) {
		j.Send(j.Party.Text(hotlinetest.Epoch, "XB", "no voters yet"), hotlinetest.Epoch)
	})
	for _, c := range []struct {
		args []string
		code int
		out  string
		err  string
	}{
		{[]string{"replay", good}, audit.ExitClean, "Nothing to observe", ""},
		{[]string{"replay", good, "--convention", id.String()}, audit.ExitClean, "as demanded", ""},
		{[]string{"replay", bad}, audit.ExitProtocol, "decision-differs", ""},
		{[]string{"replay", good, "--convention", strings.Repeat("ab", 32)}, audit.ExitUnusable, "", "export.json"},
		{[]string{"replay", good, "--convention", "ab"}, audit.ExitUnusable, "", "--convention"},
		{[]string{"replay", filepath.Join(good, "missing")}, audit.ExitUnusable, "", "missing"},
		{[]string{"replay"}, audit.ExitUnusable, "", "requires at least 1 arg"},
		{[]string{"reply", good}, audit.ExitUnusable, "", "unknown command"},
		{[]string{"version"}, audit.ExitClean, "protocol 1", ""},
		{[]string{"completion", "bash"}, audit.ExitClean, "hotline-audit", ""},
	} {
		code, out, errs := call(c.args...)
		if code != c.code || !strings.Contains(out, c.out) || !strings.Contains(errs, c.err) || strings.Count(errs, "\n") > 1 || (c.err == "" && errs != "") {
			t.Errorf("%v: exit %d, stdout %q, stderr %q", c.args, code, out, errs)
		}
	}
}

// --json prints one JSON object with every part of the report.
func TestJSON(t *testing.T) {
	dir, id := journal(t, nil)
	code, out, _ := call("replay", "--json", dir)
	var got struct {
		audit.Report
		Statements []audit.Statement `json:"statements"`
		Chronology []audit.Event     `json:"chronology"`
	}
	d := json.NewDecoder(strings.NewReader(out))
	d.DisallowUnknownFields()
	if err := d.Decode(&got); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	if code != audit.ExitClean || got.Convention != id.String() || len(got.Chronology) != 4 || len(got.Logs) != 1 || got.Statements == nil {
		t.Errorf("exit %d, %+v", code, got)
	}
}

// Promise: a fork that two exports show is written to a file, and whoever has that
// file and the convention's id alone sees what it proves; a file that proves
// nothing ends with 2 and one line, and does not hide the others.
func TestProofOfAFork(t *testing.T) {
	detection := func(at hotline.Time) func(*hotlinetest.Journal) {
		return func(j *hotlinetest.Journal) { j.Send(j.Party.Text(at, "XB", "words"), at) }
	}
	one, id := journal(t, detection(hotlinetest.Epoch))
	two, _ := journal(t, detection(hotlinetest.Epoch+1))
	proofs := filepath.Join(t.TempDir(), "proofs")
	code, out, errs := call("replay", one, two, "--proofs", proofs)
	list, err := filepath.Glob(filepath.Join(proofs, "fork-XA-1-*.proof"))
	if err != nil || len(list) != 1 || code != audit.ExitProtocol || !strings.Contains(out, filepath.Base(list[0])) {
		t.Fatalf("exit %d, %v, %v, %s%s", code, list, err, out, errs)
	}
	none := filepath.Join(one, "checkpoint")
	for _, c := range []struct {
		args []string
		code int
		out  string
		err  string
	}{
		{[]string{"proof", list[0]}, audit.ExitClean, "is what the file says of itself", ""},
		{[]string{"proof", list[0], "--convention", id.String()}, audit.ExitClean, "XA signed two heads of its log, generation 1. Both cannot be heads of one append-only log", ""},
		{[]string{"proof", "--json", list[0]}, audit.ExitClean, `"party":"XA"`, ""},
		{[]string{"proof", list[0], "--convention", strings.Repeat("ab", 32)}, audit.ExitUnusable, "", "which was demanded"},
		{[]string{"proof", none}, audit.ExitUnusable, "", "proves nothing"},
		{[]string{"proof", none, list[0]}, audit.ExitUnusable, "XA signed two heads", "proves nothing"},
		{[]string{"proof", list[0], "--convention", "ab"}, audit.ExitUnusable, "", "--convention"},
		{[]string{"proof"}, audit.ExitUnusable, "", "requires at least 1 arg"},
	} {
		code, out, errs := call(c.args...)
		if code != c.code || !strings.Contains(out, c.out) || !strings.Contains(errs, c.err) || strings.Count(errs, "\n") > 1 || (c.err == "" && errs != "") {
			t.Errorf("%v: exit %d, stdout %q, stderr %q", c.args, code, out, errs)
		}
	}
}
