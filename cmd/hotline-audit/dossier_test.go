package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"example.org/hotline/hotline/audit"
	"example.org/hotline/hotline/hotlinetest"
)

// Promise: the command makes a dossier and checks it, with the exit code of what is in it; what it is not given, or given too much of,
// is a usage error of one line that makes nothing.
func TestDossierCommand(t *testing.T) {
	var id string
	dir, convention := journal(t, func(j *hotlinetest.Journal) {
		st := j.Party.Detection(hotlinetest.Epoch)
		id = st.ID.String()
		j.Send(st, hotlinetest.Epoch)
	})
	out := filepath.Join(t.TempDir(), "dossier")
	no := filepath.Join(t.TempDir(), "no")
	for _, c := range []struct {
		args []string
		code int
		out  string
		err  string
	}{
		{[]string{"dossier", "XA/" + id[:12], "--out", out, dir}, audit.ExitProtocol, "1 entries with their proofs", ""}, // its log has no voters
		{[]string{"dossier", "--check", out, "--convention", convention.String()}, audit.ExitProtocol, "is whole", ""},
		{[]string{"dossier", id, "--out", out, dir}, audit.ExitUnusable, "", "exists already"},
		{[]string{"dossier", id, "--out", no}, audit.ExitUnusable, "", "at least one export"},
		{[]string{"dossier", id, dir}, audit.ExitUnusable, "", "--out DIR"},
		{[]string{"dossier", "00000000", "--out", no, dir}, audit.ExitUnusable, "", "no case"},
		{[]string{"dossier", "--check", dir}, audit.ExitUnusable, "", "MANIFEST"},
		{[]string{"dossier", "--check", out, id}, audit.ExitUnusable, "", "nothing else"},
		{[]string{"dossier", "--check", out, "--convention", strings.Repeat("ab", 32)}, audit.ExitUnusable, "", "which was demanded"},
		{[]string{"dossier", "--check", out, "--convention", "x"}, audit.ExitUnusable, "", "--convention"},
		{[]string{"dossier", id, "--out", no, dir, "--disclose", filepath.Join(no, "x.json")}, audit.ExitUnusable, "", "x.json"},
	} {
		code, stdout, stderr := call(c.args...)
		if code != c.code || !strings.Contains(stdout, c.out) || !strings.Contains(stderr, c.err) || strings.Count(stderr, "\n") > 1 || (c.err == "" && stderr != "") {
			t.Errorf("%v: exit %d, stdout %q, stderr %q", c.args, code, stdout, stderr)
		}
	}
	if _, err := os.Lstat(no); err == nil {
		t.Error("a refused command made something")
	}
	t.Chdir(out)
	ran := 0
	for line := range strings.Lines(readme(t, out)) { // the commands of its README.txt work as they stand there
		if args, ok := strings.CutPrefix(strings.TrimSpace(line), "hotline-audit "); ok {
			ran++
			if code, _, stderr := call(strings.Fields(args)...); code != audit.ExitProtocol || stderr != "" {
				t.Errorf("%s: exit %d, %s", line, code, stderr)
			}
		}
	}
	if ran != 2 {
		t.Errorf("README.txt has %d commands", ran)
	}
	_, stdout, _ := call("dossier", "--check", out, "--json")
	var sum audit.Dossier
	if err := json.Unmarshal([]byte(stdout), &sum); err != nil || sum.Case != "XA/"+id || sum.Exit != audit.ExitProtocol || sum.Entries != 1 {
		t.Errorf("%+v, %v", sum, err)
	}
}

func readme(t *testing.T, dir string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "README.txt"))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
