package node

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"example.org/hotline/crypto/tlog"
	"example.org/hotline/hotline"
	"example.org/hotline/hotline/desk"
	"example.org/hotline/hotline/ledger"
)

// What this node knows of the witnesses of its own log, to show it: in status, in
// proofs, and to the public. The leader gathers cosignatures (checkpoint.go); the
// other nodes ask it, no more often than hotline.RecordFresh.

// cosignedLate is how long an entry that calls for a checkpoint may be without a
// cosignature before status says so. Witnesses that were away are asked again
// after checkpointRetryMax at the latest.
const cosignedLate = 3 * checkpointRetryMax

// maxUnwitnessed bounds the entries that are read to find the first one that calls
// for a checkpoint: those that call for none come singly.
const maxUnwitnessed = 64

// ownHead is a checkpoint of the own log with its cosignatures.
type ownHead struct {
	note       []byte
	checkpoint tlog.Checkpoint
}

// ownHeads is the newest that this node has seen.
type ownHeads struct {
	looking sync.Mutex // held by the one caller that looks for a newer one
	looked  time.Time  // guarded by looking
	newest  atomic.Pointer[ownHead]
}

// newestCosigned is the newest cosigned checkpoint of the own log: never an older
// one after a newer, and only one whose root the files of this node lead to
// (cosigned has compared them). One caller at a time looks for a newer one; the
// others are answered with what is there. nil: none yet.
func (n *Node) newestCosigned() *ownHead {
	k := &n.seen
	was := k.newest.Load()
	if was == nil {
		k.looking.Lock() // no longer than whoever holds it waits for the leader
	} else if !k.looking.TryLock() {
		return was
	}
	defer k.looking.Unlock()
	if was = k.newest.Load(); time.Since(k.looked) < hotline.RecordFresh || n.machine.complete() != nil {
		return was
	}
	note := n.cosigned(n.ctx, n.machine.store.Size())
	k.looked = time.Now()
	c, err := tlog.ClaimedCheckpoint(note)
	if err != nil || was != nil && was.checkpoint.Origin == c.Origin && was.checkpoint.Size > c.Size {
		return was
	}
	is := &ownHead{note, c}
	k.newest.Store(is)
	return is
}

// cosignedView says who has witnessed the own log; nil: nobody yet.
func (n *Node) cosignedView() *desk.CosignedView {
	h := n.newestCosigned()
	if h == nil {
		return nil
	}
	var pages []*hotline.SignedDirectory
	var c *hotline.SignedConvention
	n.machine.view(func(s *ledger.State) { pages, c = directoriesOf(s), s.Convention(n.now()) })
	list, _, err := hotline.CosignedBy(h.note, h.checkpoint, pages)
	if err != nil {
		n.log.Warn("the cosignatures that were gathered cannot be read", "why", err)
	}
	v := &desk.CosignedView{Size: h.checkpoint.Size}
	for _, w := range list {
		v.By = append(v.By, desk.WitnessView{Party: w.Party, At: hotline.Time(w.Seconds * 1000), Observer: c != nil && c.Observes(w.Party)})
	}
	return v
}

// cosignedAlarm says that no witness has cosigned what the log has held for long.
func (n *Node) cosignedAlarm(v *desk.CosignedView) string {
	var size, weighty uint64
	if v != nil {
		size = v.Size
	}
	n.machine.view(func(s *ledger.State) { weighty = s.Weighty() })
	if weighty <= size || len(n.witnesses()) == 0 || n.machine.complete() != nil {
		return ""
	}
	for i := size; i < min(weighty, size+maxUnwitnessed); i++ {
		raw, err := n.machine.entry(i)
		if err != nil {
			return ""
		}
		e, _, err := hotline.DecodeEntry(raw)
		if err != nil || !ledger.CallsForCheckpoint(e.Type) {
			continue
		}
		if late := n.now() - e.Time; late > hotline.Time(cosignedLate.Milliseconds()) {
			return fmt.Sprintf("no witness has cosigned entry %d or any behind it for %s: ask the witnesses' watch centres", i,
				(time.Duration(late) * time.Millisecond).Truncate(time.Minute))
		}
		return ""
	}
	return ""
}

// prove shows that a statement stands in the own log, to whoever has nothing but
// the documents (SPEC §7.9).
func (n *Node) prove(r *desk.ProofRequest, send func(*desk.Reply) error) error {
	i, err := n.find(r.ID)
	if err != nil {
		return err
	}
	raw, err := n.machine.entry(i)
	if err != nil {
		return err
	}
	v := &desk.ProofView{Index: i, Entry: raw}
	h := n.newestCosigned()
	if h == nil || h.checkpoint.Size <= i {
		if h != nil {
			v.Cosigned = h.checkpoint.Size
		}
		return send(&desk.Reply{Proof: v})
	}
	c := h.checkpoint
	p := &tlog.Proof{Index: i, Checkpoint: h.note}
	if p.Path, err = n.machine.store.Inclusion(i, c.Size); err != nil {
		return err
	}
	if err := tlog.VerifyInclusion(c.Size, i, tlog.LeafHash(raw), p.Path, c.Root); err != nil {
		return err
	}
	v.Cosigned, v.Proof = c.Size, p.Encode()
	return send(&desk.Reply{Proof: v})
}
