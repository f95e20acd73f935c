package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"example.org/hotline/hotline/hotlinetest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"hotline-audit": main})
}

// TestResults runs the scripts in testdata: what an auditor types, what comes out, and the exit codes. XA is a log in order,
// bad one with a broken rule.
func TestResults(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(env *testscript.Env) error {
			good, id := journal(t, nil)
			bad, _ := journal(t, func(j *hotlinetest.Journal) {
				j.Send(j.Party.Text(hotlinetest.Epoch, "XB", "no voters yet"), hotlinetest.Epoch)
			})
			env.Setenv("ID", id.String())
			return errors.Join(os.CopyFS(filepath.Join(env.WorkDir, "XA"), os.DirFS(good)), os.CopyFS(filepath.Join(env.WorkDir, "bad"), os.DirFS(bad)))
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){"exits": exits, "private": private},
	})
}

// exits CODE COMMAND... runs a command whose exit code must be CODE, with one line on standard error exactly if it is 2.
func exits(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	var failed *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &failed) {
		got = failed.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d: %s", got, want, ts.ReadFile("stderr"))
	}
	if lines := strings.Count(ts.ReadFile("stderr"), "\n"); (lines == 1) != (want == 2) || lines > 1 {
		ts.Fatalf("standard error is %q", ts.ReadFile("stderr"))
	}
}

// private FILE demands that nobody but its owner may read a file, and that nothing begun lies beside it.
func private(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: private FILE")
	}
	name := ts.MkAbs(args[0])
	info, err := os.Stat(name)
	ts.Check(err)
	if mode := info.Mode().Perm(); mode != 0o600 {
		ts.Fatalf("%s has mode %o", args[0], mode)
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(name), ".hotline-audit-*"))
	ts.Check(err)
	if len(left) > 0 {
		ts.Fatalf("left behind: %v", left)
	}
}
