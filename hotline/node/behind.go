package node

import (
	"context"
	"crypto/sha256"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/ledger"
)

// A node verifies what it proposes. What others proposed it verifies behind the
// commit, beside Apply: every statement, tender and receipt in the log, in
// batches read back from the files. Apply only says that there is more; a node
// that cannot keep up falls behind and reads on where it stopped, also over a
// restart.

// behindBatch is how many entries are read with Apply held off; each is
// verified without.
const behindBatch = 128

// behindPause gathers what one commit after another brings into batches.
const behindPause = 20 * time.Millisecond

// behindSave is how often the place is written down: a restart verifies again
// what came since.
const behindSave = time.Second

// behind checks committed entries that this node has not verified itself.
type behind struct {
	mark marker
	next atomic.Uint64 // entries below it are verified
	own  ownWork
}

func newBehind(data string) *behind {
	b := &behind{mark: marker{filepath.Join(data, "verified")}}
	b.next.Store(b.mark.load())
	return b
}

// keepChecking verifies behind the commit until ctx ends.
func (n *Node) keepChecking(ctx context.Context) {
	b := n.behind
	saved, at := b.next.Load(), time.Now()
	save := func() bool {
		if v := b.next.Load(); v != saved {
			if err := b.mark.save(v); err != nil {
				n.fatal(err) // the process must stop: its disk fails
				return false
			}
			saved = v
		}
		at = time.Now()
		return true
	}
	for n.machine.await(ctx, b.next.Load()) {
		if err := n.checkSome(ctx); err != nil {
			// The process must stop: what stands in the log bears a signature that is
			// none. Either the leader that committed it did not verify it, or one of the
			// two nodes computes wrongly. A person has to find out which.
			n.fatal(fmt.Errorf("check behind the commit: %w; compare this log with the group's other nodes before anything is signed", err))
			return
		}
		if time.Since(at) >= behindSave && !save() {
			return
		}
		pause(ctx, behindPause)
	}
	save()
}

// checkSome verifies the next batch.
func (n *Node) checkSome(ctx context.Context) error {
	b := n.behind
	from := b.next.Load()
	judge, list, err := n.machine.committed(from, behindBatch)
	if err != nil {
		return fmt.Errorf("entry %d or one of the %d behind it cannot be read: %w", from, behindBatch, err)
	}
	for i, raw := range list {
		if ctx.Err() != nil {
			return nil
		}
		at := from + uint64(i)
		if b.own.done(raw) {
			b.next.Store(at + 1)
			continue
		}
		judged, err := judge.Entry(raw, n.machine.entry)
		if err != nil {
			return fmt.Errorf("entry %d: %w", at, err)
		}
		if !judged {
			n.log.Warn("an entry cannot be verified any more: its directory is forgotten", "entry", at)
		}
		b.next.Store(at + 1)
	}
	return nil
}

// await waits until entries from the given one on are committed and in the
// files; false when ctx ends.
func (m *machine) await(ctx context.Context, from uint64) bool {
	for {
		m.mu.RLock()
		there, grown := !m.behind && from < min(m.store.Size(), m.state.Size()), m.grown
		m.mu.RUnlock()
		if ctx.Err() != nil {
			return false
		}
		if there {
			return true
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return false
		}
	}
}

// committed reads at most count entries, and gives the judge who knows the
// documents that they rest on: those that the state holds by now.
func (m *machine) committed(from uint64, count int) (j *ledger.Judge, list [][]byte, err error) {
	m.mu.RLock() // the files must not be cut back meanwhile
	defer m.mu.RUnlock()
	to := min(m.store.Size(), m.state.Size(), from+uint64(count))
	if from >= to || m.behind {
		return nil, nil, nil
	}
	for raw, err := range m.store.Entries(from, to) {
		if err != nil {
			return nil, nil, err
		}
		list = append(list, raw)
	}
	return m.state.Judge(), list, nil
}

// ownWork remembers what this node verified before it proposed it, so that a
// leader does not verify everything twice.
type ownWork struct {
	mu   sync.Mutex
	sums map[[32]byte]bool
}

// maxOwnWork bounds what is remembered. What does not fit is verified again.
const maxOwnWork = 4096

// note remembers a verified command.
func (o *ownWork) note(c *ledger.Command) {
	if c.Type != ledger.Submit && c.Type != ledger.Receive && c.Type != ledger.Receipt {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.sums == nil {
		o.sums = map[[32]byte]bool{}
	}
	if len(o.sums) >= maxOwnWork { // the outcome of too many is not known: they never came back
		clear(o.sums)
	}
	o.sums[workSum(c.Statement, c.Sender, c.Tender, c.Receipt)] = true
}

// done reports whether this node has verified what an entry carries, and
// forgets it.
func (o *ownWork) done(raw []byte) bool {
	_, content, err := hotline.DecodeEntry(raw)
	if err != nil {
		return false
	}
	var sum [32]byte
	switch c := content.(type) {
	case *hotline.Sent:
		sum = workSum(c.Statement, nil, nil, nil)
	case *hotline.Received:
		sum = workSum(c.Statement, c.Sender, c.Tender, nil)
	case *hotline.Receipted:
		sum = workSum(nil, nil, c.Tender, c.Receipt)
	default:
		return false
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	known := o.sums[sum]
	delete(o.sums, sum)
	return known
}

func workSum(parts ...[]byte) [32]byte { return sha256.Sum256(hotline.MustMarshal(parts)) }
