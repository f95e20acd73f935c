package node_test

import (
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"example.org/hotline/hotline/hotlinetest"
	"example.org/hotline/hotline/node"
)

// Promise: a node of a group that lost its disk does not come back under its
// old name: it would vote a second time where it has voted.
func TestWipedNodeDoesNotFoundItsGroupAgain(t *testing.T) {
	t.Parallel()
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

// Promise: a first start that ended before the group was founded, by a loss of power or a full disk, is made good by the next one: a
// party must not be left with a node that no command ever makes a leader.
func TestFirstStartThatEndedEarlyFoundsAfterAll(t *testing.T) {
	t.Parallel()
	for _, size := range []int{1, 3} {
		w := prepare(t, hotlinetest.Terms("crisis"), size, "XA", "XB")
		p := w.parties["XA"]
		for _, c := range p.cfgs {
			log := filepath.Join(c.Data, "raft", "log")
			n, err := node.Open(c, node.Options{Passphrase: testPassphrase, Logger: slog.New(slog.DiscardHandler),
				Listen: func(at *net.UDPAddr) (net.PacketConn, error) { // the last that comes before the group's log
					if err := errors.Join(os.MkdirAll(filepath.Dir(log), 0o700), os.WriteFile(log, nil, 0o600)); err != nil {
						t.Error(err)
					}
					return net.ListenUDP("udp", at)
				}})
			if err == nil {
				_ = n.Close()
				t.Fatal("a node started without its log")
			}
			if err := os.Remove(log); err != nil {
				t.Fatal(err)
			}
		}
		w.startAll(p)
		for limit := time.Now().Add(deadline); p.nodes[0].Healthy() != nil; pause(t) {
			if time.Now().After(limit) {
				t.Fatalf("a group of %d after a first start that ended early: %v", size, p.nodes[0].Healthy())
			}
		}
		if list, err := filepath.Glob(filepath.Join(p.cfgs[0].Data, "found*")); err != nil || len(list) > 0 {
			t.Errorf("the mark of a new group is still there: %v %v", list, err)
		}
	}
}
