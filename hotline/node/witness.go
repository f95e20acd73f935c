package node

import (
	"context"
	"path/filepath"
	"sync"
	"time"

	"example.org/hotline/crypto/keys"
	"example.org/hotline/crypto/tlog"
	"example.org/hotline/hotline"
	"example.org/hotline/hotline/ledger"
	"example.org/hotline/hotline/link"
)

// This party as a witness of others (SPEC §7.8): what it is about to cosign is
// committed by the group before the cosignature leaves, and a history that
// contradicts what was cosigned is kept as it was shown.

// cosignPause is the shortest time between two checkpoints of one log that the
// group commits: a log asks no more often.
const cosignPause = 500 * time.Millisecond

// witnessing is what a witness remembers on this node alone.
type witnessing struct {
	dir string

	mu     sync.Mutex
	last   map[hotline.Party]time.Time // when a checkpoint of a log was last committed
	forks  []string                    // names of what is kept, each beginning with its party
	proven []string                    // those of them that a file proves to anybody
}

func newWitnessing(data string) *witnessing {
	w := &witnessing{dir: filepath.Join(data, forksDir), last: map[hotline.Party]time.Time{}}
	w.forks, w.proven = w.kept(refusedEnding), w.kept(proofEnding)
	return w
}

// Checkpoint answers a peer that asks to have a checkpoint of its log cosigned.
func (n *Node) Checkpoint(ctx context.Context, from hotline.Party, raw []byte) *link.Answer {
	if n.keys.witness == nil {
		return &link.Answer{Code: hotline.CodeDenied, Text: "this node holds no witness keys", Time: n.now()}
	}
	head, err := n.commitCosigned(ctx, &ledger.Command{Type: ledger.Cosign, Peer: from, Extension: raw})
	var lines []byte
	if err == nil {
		lines, err = n.cosign(head)
	}
	t := &told{}
	if err != nil {
		t = refusal(err)
	}
	t = forPeer(t)
	n.metrics.witnessed.WithLabelValues(string(from), orDone(t.Code)).Inc()
	a := &link.Answer{Code: t.Code, Text: t.Text, Cosignature: lines, Time: n.now()}
	switch t.Code {
	case hotline.CodeNeed:
		a.Need = n.held(from, t)
	case hotline.CodeConflict:
		n.machine.view(func(s *ledger.State) { a.Head = cosignedHead(s, from) })
	case hotline.CodeInconsistent:
		n.keepFork(from, raw, t.Text)
	}
	return a
}

// cosignedHead is the newest head of a peer's log that was cosigned here, or nil.
// What names it cannot be older: so the logs are woven together.
func cosignedHead(s *ledger.State, p hotline.Party) *hotline.PeerHead {
	c := s.Cosigned(p)
	if c.Size == 0 {
		return nil
	}
	return &hotline.PeerHead{Origin: tlog.Origin(string(p), c.Generation), Size: c.Size, Root: c.Root}
}

func orDone(c hotline.Code) string {
	if c == "" {
		return "done"
	}
	return string(c)
}

// commitCosigned returns the checkpoint that a command carries, when the group has
// committed that it is cosigned.
func (n *Node) commitCosigned(ctx context.Context, c *ledger.Command) (head ledger.Cosigned, err error) {
	if err := n.maySign(); err != nil {
		return head, err
	}
	if err := n.verify(c); err != nil {
		return head, err
	}
	var known ledger.Cosigned
	n.machine.view(func(s *ledger.State) {
		head, err = s.MayCosign(c)
		known = s.Cosigned(c.Peer)
	})
	if err != nil || known.Generation == head.Generation && known.Size == head.Size {
		return head, err // the same again is committed already
	}
	if !n.witnessing.admit(c.Peer) {
		return head, hotline.Refuse(hotline.CodeBusy, "a checkpoint of this log was cosigned just now")
	}
	return head, n.askLeader(ctx, &ask{Command: c}).err()
}

func (w *witnessing) admit(p hotline.Party) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if time.Since(w.last[p]) < cosignPause {
		return false
	}
	w.last[p] = time.Now()
	return true
}

// cosign makes the lines of both witness keys.
func (n *Node) cosign(head ledger.Cosigned) (lines []byte, err error) {
	c := tlog.Checkpoint{Origin: tlog.Origin(string(head.Party), head.Generation), Size: head.Size, Root: head.Root}
	for _, k := range []*keys.Private{n.keys.witness, n.keys.witnessPQ} {
		line, err := tlog.Cosign(c, tlog.WitnessName(n.cfg.Party), uint64(n.now()/1000), k)
		if err != nil {
			return nil, err
		}
		lines = append(lines, line...)
	}
	return lines, nil
}

// recordWitnessed lets the record say what was cosigned, when it is time.
func (n *Node) recordWitnessed(ctx context.Context) {
	var w *hotline.Witnessed
	n.machine.view(func(s *ledger.State) { w = s.ToWitness(max(n.now(), s.Time())) })
	if w == nil || n.maySign() != nil {
		return
	}
	r, err := n.propose(ctx, &ledger.Command{Type: ledger.Witness, Witnessed: w})
	if err == nil {
		err = refused(r)
	}
	if err != nil && ctx.Err() == nil {
		n.log.Warn("what was cosigned could not be recorded yet", "why", err)
	}
}
