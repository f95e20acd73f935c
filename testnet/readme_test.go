package testnet_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.org/hotline/testnet"
)

// sessionBlocks are the fenced blocks of the README that make up the session.
var sessionBlocks = regexp.MustCompile("(?ms)^```sh session\n(.*?)^```$")

// Promise: the session in the README works as it stands there: two parties,
// own keys, own convention, an alert released, received and acknowledged, the
// logs audited with nothing to observe.
func TestSessionOfTheReadme(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and runs whole daemons")
	}
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	var script strings.Builder
	script.WriteString("set -eo pipefail\n")
	for _, b := range sessionBlocks.FindAllSubmatch(text, -1) {
		script.Write(b[1])
	}
	// What the reader does in a checkout the test does beside it, on ports that
	// are free now.
	work := t.TempDir()
	s := strings.Replace(script.String(), "go build -o bin/ ./cmd/... && export", "go build -C '"+root+"' -o '"+work+"/bin/' ./cmd/... && export", 1)
	for _, addr := range []string{"127.0.0.1:7401", "127.0.0.1:7402"} {
		if !strings.Contains(s, addr) {
			t.Fatalf("the session names no %s", addr)
		}
		s = strings.ReplaceAll(s, addr, freeUDP(t))
	}
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-c", s)
	cmd.Dir = work
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	// The daemons are children of the shell: all of its group end with it.
	end := func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.Cancel = end
	cmd.WaitDelay = 5 * time.Second
	err = cmd.Run()
	_ = end()
	if err != nil {
		t.Fatalf("the session ends with %v:\n%s", err, out.String())
	}
	for _, want := range []string{"Nothing to observe.", "ACKNOWLEDGED"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the session does not show %q:\n%s", want, out.String())
		}
	}
}

func freeUDP(t *testing.T) string {
	t.Helper()
	list, err := testnet.FreePorts(1)
	if err != nil {
		t.Fatal(err)
	}
	return list[0]
}
