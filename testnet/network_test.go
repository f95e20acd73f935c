package testnet_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.org/hotline/testnet"
)

// limit bounds every wait of these tests, far beyond what any of them takes.
const limit = time.Minute

// TestNewRefusesWhatCannotBe defends whoever types a wrong number, or a directory that holds something else.
func TestNewRefusesWhatCannotBe(t *testing.T) {
	full := t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "mine"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for want, opt := range map[string]testnet.Options{
		"1 parties: choose 2 to 26":  {Dir: t.TempDir(), Parties: 1, Nodes: 3, Terms: testnet.DemoTerms()},
		"27 parties: choose 2 to 26": {Dir: t.TempDir(), Parties: 27, Nodes: 1, Terms: testnet.DemoTerms()},
		"2 nodes a party: choose":    {Dir: t.TempDir(), Parties: 2, Nodes: 2, Terms: testnet.DemoTerms()},
		"is not empty":               {Dir: full, Parties: 2, Nodes: 1, Terms: testnet.DemoTerms()},
		"is not in CIDR notation":    {Dir: t.TempDir(), Parties: 2, Nodes: 1, Terms: testnet.DemoTerms(), Territory: []string{"here"}},
		"0 ms, 1 s to 90 days":       {Dir: t.TempDir(), Parties: 2, Nodes: 1},
	} {
		if _, err := testnet.New(opt); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want an error with %q, got %v", want, err)
		}
	}
}

// TestNodeThatDiesIsReported defends whoever watches the story: a process that ends unasked ends it, with the end of its log.
func TestNodeThatDiesIsReported(t *testing.T) {
	w := up(t, 2, 1)
	n := w.Party("XB").Nodes[0]
	if err := syscall.Kill(n.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_, err := w.Run(t.Context(), testnet.Story{Begin: time.Now()})
	if err == nil || !strings.Contains(err.Error(), "node XB-1 ended (signal: killed); its log ends:") || !strings.Contains(err.Error(), "level=INFO") {
		t.Errorf("the story ends with %v", err)
	}
}

// TestGroupGoesOnWithoutALostNode defends the machinery of faults: a node can be killed, started again, frozen and thawed, and what the
// group needs of it shows each time.
func TestGroupGoesOnWithoutALostNode(t *testing.T) {
	t.Parallel() // it waits for clocks most of the time
	if testing.Short() {
		t.Skip("starts six processes and waits for elections")
	}
	w := up(t, 2, 3)
	leader := func(but *testnet.Node) *testnet.Node {
		n, err := w.Party("XA").Leader(t.Context(), but)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	first := leader(nil)
	if err := first.Kill(); err != nil {
		t.Fatal(err)
	}
	if first.PID() != 0 {
		t.Errorf("%s was killed and has process id %d", first.Name, first.PID())
	}
	if err := first.Thaw(); err == nil {
		t.Errorf("%s does not run and could be thawed", first.Name)
	}
	second := leader(first)
	if err := first.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := first.Start(t.Context()); err == nil {
		t.Errorf("%s was started twice", first.Name)
	}
	if err := second.Freeze(); err != nil {
		t.Fatal(err)
	}
	leader(second)
	if err := second.Thaw(); err != nil {
		t.Fatal(err)
	}
	if err := w.Ready(t.Context()); err != nil {
		t.Error(err)
	}
}

// hold is the argument with which this test's executable makes a network in a directory and keeps it until it is killed.
const hold = "hold"

func holdNetwork(dir string) error {
	w, err := testnet.New(testnet.Options{Dir: dir, Parties: 2, Nodes: 1, Terms: testnet.DemoTerms()})
	if err != nil {
		return err
	}
	if err := w.Start(context.Background()); err != nil {
		return errors.Join(err, w.Close())
	}
	if runtime.GOOS == "linux" { // elsewhere a frozen process cannot be told
		if err := w.Parties[0].Nodes[0].Freeze(); err != nil {
			return errors.Join(err, w.Close())
		}
	}
	fmt.Println("held")
	return errors.Join(<-w.Failed(), w.Close())
}

// TestNoNodeOutlivesItsTestnet defends the machine of whoever kills a testnet: its nodes end with it, frozen ones too.
func TestNoNodeOutlivesItsTestnet(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "network")
	cmd := exec.Command(self, hold, dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || line != "held\n" {
		t.Errorf("the network did not come up: %q, %v", line, err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	for _, node := range []string{"XA/XA-1", "XB/XB-1"} {
		// A node holds a lock on its ledger for as long as it lives.
		lock, err := os.Open(filepath.Join(dir, node, "data", "ledger", "edge"))
		if err != nil {
			t.Fatal(err)
		}
		defer lock.Close()
		free := make(chan error, 1)
		go func() { free <- syscall.Flock(int(lock.Fd()), syscall.LOCK_EX) }() // ends with the node
		select {
		case err := <-free:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(limit):
			t.Errorf("node %s lives on", node)
		}
	}
}
