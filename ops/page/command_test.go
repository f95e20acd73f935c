package page

import (
	"bufio"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.org/hotline/hotline"
	"example.org/hotline/ops/config"
)

// program writes a shell script that the test runs as a command of the channel.
func program(t *testing.T, text string) string {
	t.Helper()
	path := write(t, "wake", []byte("#!/bin/sh\n"+text+"\n"))
	if err := os.Chmod(path, 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

func run(argv ...string) config.Page {
	return config.Page{Kind: "command", Argv: argv, Timeout: config.Duration{Duration: 2 * time.Second}}
}

// Promise: a command gets the page as JSON on its standard input and its arguments as they are written, without a shell and
// without the daemon's environment.
func TestCommandGetsThePage(t *testing.T) {
	t.Setenv("HOTLINE_SECRET", "not to be passed on")
	out := filepath.Join(t.TempDir(), "out")
	p := openOne(t, run(program(t, `cat >"$1"; printf '%s\n' "$2" >>"$1"; env >>"$1"`), out, `$(id) "; true`))
	try(t, p, alarm(), hotline.PageTaken)
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(b), "\n")
	var w struct{ Key, Status string }
	if err := json.Unmarshal([]byte(lines[0]), &w); err != nil || w.Key != alarm().Key || w.Status != "ACTUAL" {
		t.Errorf("the command got %q (%v)", lines[0], err)
	}
	if lines[1] != `$(id) "; true` {
		t.Errorf("its argument was %q", lines[1])
	}
	if strings.Contains(string(b), "HOTLINE_SECRET") {
		t.Error("it got the daemon's environment")
	}
}

// Promise: only the exit code 0 counts, also of a program that does not read its input.
func TestCommandThatFailsHasFailed(t *testing.T) {
	try(t, openOne(t, run(program(t, "exit 3"))), alarm(), hotline.PageRefused)
	try(t, openOne(t, run("/nowhere/at/all")), alarm(), hotline.PageRefused)
	try(t, openOne(t, run(program(t, "exit 0"))), alarm(), hotline.PageTaken)
}

// Promise: a command that hangs is killed with everything that it has started, and costs the time of one attempt.
func TestCommandThatHangsIsKilledWithItsGroup(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "pids")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(fifo, os.O_RDWR|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	p := openOne(t, run(program(t, `trap '' TERM; sleep 1000 & echo $! >"$1"; echo $$ >"$1"; wait`), fifo))
	try(t, p, alarm(), hotline.PageTimedOut)
	p.Close() // the channel has returned, so the kill is done
	lines := bufio.NewScanner(f)
	for range 2 {
		if !lines.Scan() {
			t.Fatal(lines.Err())
		}
		pid, err := strconv.Atoi(lines.Text())
		if err != nil {
			t.Fatal(err)
		}
		gone(t, pid)
	}
}

// Promise: what a command leaves running when it ends is killed, too.
func TestCommandLeavesNothingBehind(t *testing.T) {
	out := filepath.Join(t.TempDir(), "pid")
	try(t, openOne(t, run(program(t, `sleep 1000 >/dev/null 2>&1 </dev/null & echo $! >"$1"`), out)), alarm(), hotline.PageTaken)
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		t.Fatal(err)
	}
	gone(t, pid)
}

// gone waits until a killed process is no longer there, or only as a zombie that its new parent has still to take away.
func gone(t *testing.T, pid int) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); <-time.After(5 * time.Millisecond) {
		if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			return
		}
		b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		if _, state, ok := strings.Cut(string(b), ") "); err != nil || (ok && state[0] == 'Z') {
			return
		}
	}
	t.Errorf("process %d is still there", pid)
}
