package node

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"example.org/hotline/crypto/keys"
	"example.org/hotline/crypto/tlog"
	"example.org/hotline/hotline"
	"example.org/hotline/hotline/ledger"
	"example.org/hotline/hotline/link"
)

// Peers hold heads of this party's log: each tender and each receipt proves one.
// They say the newest with every hello (SPEC §7.5). A node whose log is older
// than such a head, or another one, has lost what the party has signed: it signs
// nothing and writes nothing, since both would make a second history.

// restoredFile marks a data directory that was restored from a backup: until
// every peer has said what it holds, nothing is signed.
const restoredFile = "restored"

// heads is what peers have proven of this party's log.
type heads struct {
	restored string // path of the mark

	mu       sync.Mutex
	newest   map[hotline.Party]*provenHead
	waiting  bool      // a restored node that has not heard every peer
	since    time.Time // when it was first seen that nothing may be signed; zero: it may
	told     bool      // the daemon's log says that nothing is signed
	answered map[hotline.Party]bool
}

// provenHead is a head that bears the signature of this party's log key.
type provenHead struct {
	generation, size uint64
	root             tlog.Hash
	fits             bool // the own log was found to extend it
}

func newHeads(data string) (*heads, error) {
	h := &heads{restored: filepath.Join(data, restoredFile), newest: map[hotline.Party]*provenHead{}, answered: map[hotline.Party]bool{}}
	_, err := os.Stat(h.restored)
	if h.waiting = err == nil; err != nil && !os.IsNotExist(err) {
		return nil, fmt.Errorf("mark of a restored node: %w", err)
	}
	return h, nil
}

// helloWait bounds how long a hello waits until this node's log is whole.
// After a restart that takes as long as an election; what the peer learns only
// with the next hello comes too late for a peer that was set back.
const helloWait = 3 * time.Second

// holdsAll waits for a while until this node holds all that its group had written
// down when it was called, and reports whether it does. Only the leader knows how
// much that is: the log of a node that was away ends anywhere, and a replay after
// a start passes through every size.
func (n *Node) holdsAll(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, helloWait)
	defer cancel()
	if !n.awaitReady(ctx) {
		return false
	}
	t := n.askLeader(ctx, &ask{Size: true})
	if t.Code != "" {
		return false
	}
	for !n.machine.holds(t.Index) && ctx.Err() == nil {
		pause(ctx, helloWait/100)
	}
	return n.machine.holds(t.Index)
}

// heldHead puts into a hello the newest head of a peer's log that this node can prove,
// for the peer to hear; nothing if there is none. It is not sure if there is a newer
// one that cannot be proven.
func (n *Node) heldHead(of hotline.Party, h *link.Hello) (sure bool) {
	var known ledger.Head
	var cosigned ledger.Cosigned
	var log []keys.Public
	var convention hotline.ID
	n.machine.view(func(s *ledger.State) {
		if p := s.Pair(of); p != nil {
			known = p.Head
		}
		cosigned, log, convention = s.Cosigned(of), s.LogKeys(of), s.ConventionID()
	})
	if n.machine.complete() != nil {
		return false
	}
	newer := cosigned.Generation > known.Generation || cosigned.Generation == known.Generation && cosigned.Size > known.Size
	if newer {
		generation, c, err := signedCheckpoint(of, cosigned.Note, log)
		if err == nil {
			h.Head = &hotline.PeerHead{Origin: tlog.Origin(string(of), generation), Size: c.Size, Root: c.Root}
			h.Checkpoint = cosigned.Note
			return true
		}
	}
	if known.Size == 0 {
		return !newer
	}
	raw, leaf, err := n.evidence(known.Entry)
	if err != nil {
		n.log.Warn("the newest head of a peer cannot be proven", "peer", of, "entry", known.Entry, "why", err)
		return false
	}
	root, err := verifyHead(raw, leaf, convention, log)
	if err != nil {
		return false // its log key is no longer in a remembered directory
	}
	h.Head = &hotline.PeerHead{Origin: tlog.Origin(string(of), known.Generation), Size: known.Size, Root: root}
	h.Proof = &link.HeadProof{Leaf: leaf, Receipt: raw}
	return !newer
}

// signedCheckpoint reads a checkpoint of p's log that one of these keys signed.
func signedCheckpoint(p hotline.Party, note []byte, log []keys.Public) (generation uint64, c tlog.Checkpoint, err error) {
	w := hotline.WitnessedHead{Party: p, Checkpoint: note}
	if generation, c, err = w.Head(); err != nil {
		return 0, c, err
	}
	err = hotline.Refuse(hotline.CodeUnknownKey, "no log key of %s is known", p)
	for _, key := range log {
		if _, err = tlog.ParseCheckpoint(note, c.Origin, key); err == nil {
			return generation, c, nil
		}
	}
	return 0, c, err
}

func verifyHead(raw []byte, leaf tlog.Hash, convention hotline.ID, log []keys.Public) (root tlog.Hash, err error) {
	rc, err := hotline.ParseReceipt(raw)
	if err != nil {
		return root, err
	}
	err = hotline.Refuse(hotline.CodeUnknownKey, "no log key of %s is known", rc.Party)
	for _, key := range log {
		if root, err = rc.Verify(leaf, convention, key); err == nil {
			return root, nil
		}
	}
	return root, err
}

// evidence reads a peer's tender or receipt from an own entry, and rebuilds the
// peer's leaf that it is for.
func (n *Node) evidence(entry uint64) (raw []byte, leaf tlog.Hash, err error) {
	b, err := n.machine.entry(entry)
	if err != nil {
		return nil, leaf, err
	}
	_, content, err := hotline.DecodeEntry(b)
	if err != nil {
		return nil, leaf, err
	}
	switch c := content.(type) {
	case *hotline.Received:
		s, err := hotline.ParseSenderEntry(c.Sender)
		if err != nil {
			return nil, leaf, err
		}
		leaf, err = s.Leaf(c.Statement)
		return c.Tender, leaf, err
	case *hotline.Receipted:
		leaf, err = n.receiversLeaf(c)
		return c.Receipt, leaf, err
	}
	return nil, leaf, hotline.Refuse(hotline.CodeNotFound, "entry %d holds neither tender nor receipt", entry)
}

// receiversLeaf rebuilds the leaf that a peer's receipt is for.
func (n *Node) receiversLeaf(c *hotline.Receipted) (leaf tlog.Hash, err error) {
	rc, err := hotline.ParseReceipt(c.Receipt)
	if err != nil {
		return leaf, err
	}
	st, e, content, err := n.statementAt(c.Index)
	if err != nil {
		return leaf, err
	}
	sent, ok := content.(*hotline.Sent)
	if !ok || rc.Of == nil {
		return leaf, hotline.Refuse(hotline.CodeReceipt, "entry %d is no own statement", c.Index)
	}
	b, err := hotline.ReceivedEntry(rc.Party, st, hotline.MustMarshal(hotline.SenderEntryOf(e, sent)), c.Tender, rc.Time, rc.Of.Salt, "",
		rc.Of.Marks, rc.Voters)
	return tlog.LeafHash(b), err
}

// hear takes in what a peer says of this party's log. A head without a proof
// counts for nothing: anybody could stop a party with one.
func (n *Node) hear(from hotline.Party, hello *link.Hello) {
	var head *provenHead
	if hello.Head != nil && (hello.Proof != nil || len(hello.Checkpoint) > 0) {
		h, err := n.provenBy(hello)
		if err != nil {
			n.metrics.events.WithLabelValues("bad-head", string(from)).Inc()
			n.log.Warn("a peer claims a head of this log that it does not prove", "peer", from, "why", err)
			return
		}
		head = h
	}
	h := n.heads
	h.mu.Lock()
	if old := h.newest[from]; head != nil && (old == nil || old.older(head)) {
		h.newest[from] = head
	}
	if !hello.Unsure {
		h.answered[from] = true
	}
	h.mu.Unlock()
	n.endWaiting()
}

// behindPatience is how long a node must have been behind a head before its log
// says so: after a start the peers say what they hold while the group's own log
// is still being replayed.
const behindPatience = 5 * time.Second

// sayMaySign tells the daemon's log when a node has been complete and must not
// sign for a while, and when it may again. It is called again and again.
func (n *Node) sayMaySign() {
	err := n.maySign()
	if n.machine.complete() != nil || hotline.CodeOf(err) == hotline.CodeBusy {
		err = nil // nothing to say yet
	}
	h := n.heads
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case err == nil:
		h.since = time.Time{}
	case h.since.IsZero():
		h.since = time.Now()
	}
	tell := err != nil && time.Since(h.since) >= behindPatience
	if tell == h.told {
		return
	}
	if h.told = tell; tell {
		n.log.Error("this node must not sign", "why", err)
		return
	}
	n.log.Info("this node may sign again")
}

func (p *provenHead) older(than *provenHead) bool {
	return p.generation < than.generation || p.generation == than.generation && p.size < than.size
}

func (n *Node) provenBy(hello *link.Hello) (*provenHead, error) {
	own := hotline.Party(n.cfg.Party)
	log := []keys.Public{n.keys.log.Public()}
	n.machine.view(func(s *ledger.State) { log = append(log, s.LogKeys(own)...) })
	var head provenHead
	if hello.Proof == nil {
		generation, c, err := signedCheckpoint(own, hello.Checkpoint, log)
		if err != nil {
			return nil, err
		}
		head = provenHead{generation: generation, size: c.Size, root: c.Root}
	} else {
		rc, err := hotline.ParseReceipt(hello.Proof.Receipt)
		if err != nil {
			return nil, err
		}
		root, err := verifyHead(hello.Proof.Receipt, hello.Proof.Leaf, n.docs.Conventions[0].ID, log)
		if err != nil {
			return nil, err
		}
		if rc.Party != own {
			return nil, hotline.Refuse(hotline.CodeReceipt, "the proof is of a head of %s", rc.Party)
		}
		head = provenHead{generation: rc.Generation, size: rc.Index + 1, root: root}
	}
	if hello.Head.Size != head.size || hello.Head.Root != head.root || hello.Head.Origin != tlog.Origin(n.cfg.Party, head.generation) {
		return nil, hotline.Refuse(hotline.CodeReceipt, "the head is not the one that its proof proves")
	}
	return &head, nil
}

// endWaiting ends the waiting of a restored node when every party of the
// convention has said what it holds and none holds more than this node.
func (n *Node) endWaiting() {
	h := n.heads
	if n.machine.complete() != nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.waiting || len(n.unheard()) > 0 || n.oldest() != nil {
		return
	}
	if err := os.Remove(h.restored); err != nil && !os.IsNotExist(err) {
		n.log.Error("the mark of a restored node cannot be removed; the next start will ask the peers again", "why", err)
	}
	h.waiting = false
	n.log.Info("restored node: every peer has answered, none holds a newer head of this log")
}

// unheard lists the parties of the convention that have not said what they
// hold. heads.mu is held.
func (n *Node) unheard() (list []hotline.Party) {
	conventions := n.docs.Conventions
	n.machine.view(func(s *ledger.State) {
		if c := s.Conventions(); len(c) > len(conventions) {
			conventions = c
		}
	})
	for _, m := range conventions[len(conventions)-1].Parties {
		if m.Party != hotline.Party(n.cfg.Party) && !n.heads.answered[m.Party] {
			list = append(list, m.Party)
		}
	}
	return list
}

// oldest says which proven head this node's log does not extend; nil if it
// extends all. heads.mu is held.
func (n *Node) oldest() error {
	var generation, size uint64
	n.machine.view(func(s *ledger.State) { generation, size = s.Generation(), s.Size() })
	for _, p := range slices.Sorted(maps.Keys(n.heads.newest)) {
		h := n.heads.newest[p]
		switch {
		case h.fits || generation > h.generation:
			continue
		case generation < h.generation || size < h.size:
			return hotline.Refuse(hotline.CodeBehind,
				"this log has %d entries of generation %d, but %s holds a signed head of %d entries of generation %d: nothing is signed here",
				size, generation, p, h.size, h.generation)
		case n.machine.store.Size() < h.size:
			return hotline.Refuse(hotline.CodeBehind, "the ledger files end before the head of %d entries that %s holds: nothing is signed here", h.size, p)
		}
		if root, err := n.machine.store.RootAt(h.size); err != nil || root != h.root {
			return hotline.Refuse(hotline.CodeBehind,
				"this log is not the one of which %s holds a signed head of %d entries: nothing is signed here", p, h.size)
		}
		h.fits = true
	}
	return nil
}

// current reports whether this node has taken up what it knows of its group's
// log. Before that, as after a start, it cannot know whether it is behind.
func (n *Node) current() bool {
	select {
	case <-n.ready:
		return n.member.Current()
	default:
		return false
	}
}

// isBehind reports whether this node knows that it must not sign.
func (n *Node) isBehind() bool { return hotline.CodeOf(n.maySign()) == hotline.CodeBehind }

// maySign says why this node must neither sign nor write anything, or nil. The
// code is busy while the node is only not there yet: whoever asks asks again.
func (n *Node) maySign() error {
	h := n.heads
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := n.oldest(); err != nil {
		if !n.current() {
			return hotline.Refuse(hotline.CodeBusy, "this node has not taken up all of its group's log yet: ask again in a moment")
		}
		return err
	}
	if !h.waiting {
		return nil
	}
	return hotline.Refuse(hotline.CodeBehind, "restored from a backup: nothing is signed before %v have said which head of this log they hold",
		n.unheard())
}
