package testnet

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"example.org/hotline/hotline"
)

// replacedWithin is what is promised of a leader whose disk does not answer: so long after that, another has committed.
const replacedWithin = 5 * time.Second

// tryStall has the disk of XA's leader wait, and hands a statement in at another node. Each node has a disk of its own.
func tryStall(ctx context.Context, x *field) error {
	disks := map[*Node]*disk{}
	for _, n := range x.xa.Nodes {
		d, err := x.newDisk(ctx, "disk-"+n.Name, n)
		if err != nil {
			return err
		}
		disks[n] = d
	}
	err := rounds(func(ctx context.Context, x *field, _ int) error {
		leader, err := x.xa.Leader(ctx, nil)
		if err != nil {
			return err
		}
		return x.stalled(ctx, leader, disks[leader])
	})(ctx, x)
	if err == nil {
		late := 0
		for _, d := range x.commits {
			if d > replacedWithin {
				late++
			}
		}
		x.Tell("from the stall of the leader's disk to the next commit: %s; %d of %d took more than %v; each stalled leader stopped itself",
			spread(x.commits), late, len(x.commits), replacedWithin)
	}
	return err
}

func (x *field) stalled(ctx context.Context, n *Node, d *disk) error {
	logged, err := n.logged()
	if err != nil {
		return err
	}
	ends := n.mayEnd()
	if err := d.stall(); err != nil {
		return err
	}
	err = x.commitBeside(ctx, n)
	if err == nil {
		err = until(ctx, n.Name+" says that it stops", func() error { return n.says(logged, "the process must stop") })
	}
	// Until the disk answers again the kernel does not let go of the process.
	if err = errors.Join(err, d.resume()); err != nil {
		return err
	}
	select {
	case <-ends:
	case <-time.After(waitLimit):
		return fmt.Errorf("%s lives on", n.Name)
	}
	if err := n.Kill(); err != nil {
		return err
	}
	if err := n.Start(ctx); err != nil {
		return err
	}
	return x.well(ctx)
}

// commitBeside has XA commit a statement that is handed in at another node than n, and notes how long that takes.
func (x *field) commitBeside(ctx context.Context, n *Node) error {
	o := x.xa.Officer("O1").at(x.xa.beside(n))
	defer o.close()
	st, err := o.Sign(Letter{Kind: hotline.KindText, Precedence: hotline.Routine, To: []hotline.Party{x.xb.Code}, Body: &hotline.Note{Text: "Are you there?"}})
	if err != nil {
		return err
	}
	begin := time.Now()
	if _, err := o.insist(ctx, st); err != nil {
		return err
	}
	x.commits = append(x.commits, time.Since(begin))
	return nil
}

// mayEnd makes it no failure of the network that the process that runs now ends unasked. What it returns is closed when it has.
func (n *Node) mayEnd() <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.running.mu.Lock()
	defer n.running.mu.Unlock()
	n.running.asked = true
	return n.running.done
}

// logged is how much the node has written to its log, in bytes.
func (n *Node) logged() (int64, error) {
	f, err := os.Stat(n.Log)
	if err != nil {
		return 0, err
	}
	return f.Size(), nil
}

// since returns what the node has written to its log behind a place.
func (n *Node) since(at int64) (string, error) {
	b, err := os.ReadFile(n.Log)
	if err != nil {
		return "", err
	}
	return string(b[min(at, int64(len(b))):]), nil
}

// says says whether a text stands in the node's log behind a place.
func (n *Node) says(at int64, text string) error {
	got, err := n.since(at)
	if err == nil && !strings.Contains(got, text) {
		err = fmt.Errorf("the log of %s does not say %q", n.Name, text)
	}
	return err
}
