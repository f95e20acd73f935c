package node_test

import (
	"os"
	"strings"
	"testing"

	"example.org/hotline/hotline/hotlinetest"
	"example.org/hotline/hotline/node"
)

// Promise: a node of a group that lost its disk does not come back under its
// old name: it would vote a second time where it has voted.
func TestWipedNodeDoesNotFoundItsGroupAgain(t *testing.T) {
	w := newNetwork(t, hotlinetest.Terms("crisis"), 3, "XA", "XB")
	w.ready()
	p := w.parties["XA"]
	p.stop(t, 2)
	if err := node.Found(p.cfgs[2]); err == nil {
		t.Error("a data directory that is not empty may be marked as new")
	}
	if err := os.RemoveAll(p.cfgs[2].Data); err != nil {
		t.Fatal(err)
	}
	n, err := node.Open(p.cfgs[2], node.Options{Passphrase: testPassphrase})
	if err == nil {
		_ = n.Close()
		t.Fatal("a wiped node started")
	}
	if !strings.Contains(err.Error(), "under a new name") {
		t.Errorf("refused with %v", err)
	}
	// It was refused before it wrote anything: where the group is new in truth, the advice of the refusal can be followed.
	if err := node.Found(p.cfgs[2]); err != nil {
		t.Errorf("after a refused start the directory cannot be marked as new: %v", err)
	}
}
