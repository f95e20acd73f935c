package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"example.org/hotline/hotline/hotlinetest"
	"example.org/hotline/testnet"
)

// asDaemon makes this test binary run as hotlined itself.
const asDaemon = "HOTLINED_UNDER_TEST"

func TestMain(m *testing.M) {
	if os.Getenv(asDaemon) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

func daemonCommand(args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), asDaemon+"=1")
	return cmd
}

// prepared is the configuration of a node of a two-party network, ready to
// start.
func prepared(t *testing.T) string {
	t.Helper()
	w, err := testnet.New(testnet.Options{Dir: t.TempDir(), Parties: 2, Nodes: 1, Terms: testnet.DemoTerms(), Program: []string{"unused"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() })
	return filepath.Join(filepath.Dir(w.Party("XA").Nodes[0].Log), "hotlined.toml")
}

// Promise: check says that all fits together and starts nothing; a slip in the
// file is named with what was probably meant, and exit code 2.
func TestCheckNamesTheSlip(t *testing.T) {
	path := prepared(t)
	out, err := daemonCommand("check", "--config", path).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "fit together") {
		t.Fatalf("check: %v\n%s", err, out)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, from, to, want string }{
		{"unknown key", "listen =", "lisen =", "listen"},
		{"another node's name", "'XA-1'", "'XA-9'", "stands in no directory"},
		{"a prompt and no terminal", "passphrase =", "passphrase = 'prompt' #", "there is no terminal to ask on"},
		{"another convention", "party =", fmt.Sprintf("convention = %q\nparty =", strings.Repeat("ab", 32)), "convention"},
	} {
		bad := filepath.Join(filepath.Dir(path), "bad.toml")
		if err := os.WriteFile(bad, []byte(strings.Replace(string(text), c.from, c.to, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := daemonCommand("check", "--config", bad)
		out, _ := cmd.CombinedOutput()
		if cmd.ProcessState.ExitCode() != exitUsage || !strings.Contains(string(out), c.want) {
			t.Errorf("%s: exit %d\n%s", c.name, cmd.ProcessState.ExitCode(), out)
		}
	}
}

// Promise: restore does one thing at a time, names what is wrong with a backup,
// and confirms only for a node that waits.
func TestRestoreNamesWhatIsWrong(t *testing.T) {
	path := prepared(t)
	for _, c := range []struct {
		args []string
		want string
	}{
		{nil, "at least one of the flags"},
		{[]string{"--from", "x", "--confirm-without-peers"}, "none of the others can be"},
		{[]string{"--from", t.TempDir()}, "manifest"},
		{[]string{"--confirm-without-peers"}, "waits for peers"},
	} {
		cmd := daemonCommand(append([]string{"restore", "--config", path}, c.args...)...)
		out, _ := cmd.CombinedOutput()
		if cmd.ProcessState.ExitCode() != exitUsage || !strings.Contains(string(out), c.want) {
			t.Errorf("restore %v: exit %d\n%s", c.args, cmd.ProcessState.ExitCode(), out)
		}
	}
}

// Promise: version names the protocol.
func TestVersionNamesTheProtocol(t *testing.T) {
	out, err := daemonCommand("version").Output()
	if err != nil || !strings.Contains(string(out), "protocol 1") {
		t.Errorf("version: %v %s", err, out)
	}
}

// Promise: a running daemon tells its health and figures on loopback, and stops
// cleanly when asked.
func TestRunServesHealthAndStopsCleanly(t *testing.T) {
	path := prepared(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	_ = l.Close()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text = []byte(strings.Replace(string(text), "[metrics]\nlisten = ''", fmt.Sprintf("[metrics]\nlisten = '%s'", addr), 1))
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := daemonCommand("run", "--config", path)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	limit := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
	defer limit.Stop()
	lines := make(chan string, 1024)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(stderr); s.Scan(); {
			lines <- s.Text()
		}
	}()
	for line := range lines {
		if strings.Contains(line, "this node leads its group") {
			break
		}
	}
	if body, code := get(t, "http://"+addr+"/healthz"); code != http.StatusOK {
		t.Errorf("healthz: %d %s", code, body)
	}
	if body, _ := get(t, "http://"+addr+"/metrics"); !strings.Contains(body, "hotline_leader 1") || !strings.Contains(body, "hotline_ledger_entries") {
		t.Errorf("metrics:\n%s", body)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	stopping := false
	for line := range lines {
		stopping = stopping || strings.Contains(line, "leadership is handed over")
	}
	if err := cmd.Wait(); err != nil || !stopping {
		t.Errorf("stopped with %v; told of it: %v", err, stopping)
	}
}

func get(t *testing.T, url string) (string, int) {
	t.Helper()
	r, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b), r.StatusCode
}

// Promise: a process that must stop ends, although nobody takes its last words: what
// stalls a disk may stall the log.
func TestProcessThatMustStopEnds(t *testing.T) {
	jam := &hotlinetest.JammedLog{Free: make(chan struct{})}
	codes := make(chan int, 2) // it may end twice here, since exit does not end the test
	var stopping sync.WaitGroup
	defer stopping.Wait()
	defer close(jam.Free)
	stopping.Go(func() { stopAtOnce(slog.New(jam), errors.New("stalled"), func(code int) { codes <- code }) })
	if code := <-codes; code != exitStopped {
		t.Errorf("ended with %d, want %d", code, exitStopped)
	}
}
