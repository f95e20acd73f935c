package node

import (
	"context"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"time"

	"example.org/hotline/hotline/ledger"
)

// A node verifies what it proposes. What others proposed it verifies behind the
// commit, beside Apply: every statement, tender and receipt in the log. Apply
// only says that there is more; a node that cannot keep up falls behind and
// goes on where it stopped, reading back from the files what is too long ago to
// be kept in memory, also over a restart.

// behindBatch is how many entries are read with Apply held off; each is
// verified without.
const behindBatch = 128

// The check gives way to live traffic: it waits until nothing was committed for
// behindPause, but never longer than behindLatest.
const (
	behindPause  = 20 * time.Millisecond
	behindLatest = 500 * time.Millisecond
)

// behindSave is how often the place is written down: a restart verifies again
// what came since.
const behindSave = time.Second

// behind checks committed entries that this node has not verified itself.
type behind struct {
	mark marker
	next atomic.Uint64 // entries below it are verified
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
		n.awaitQuiet(ctx)
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
	}
	save()
}

// awaitQuiet waits for a moment without commits.
func (n *Node) awaitQuiet(ctx context.Context) {
	size := n.machine.store.Size()
	for limit := time.Now().Add(behindLatest); ctx.Err() == nil && time.Now().Before(limit); {
		pause(ctx, behindPause)
		now := n.machine.store.Size()
		if now == size {
			return
		}
		size = now
	}
}

// checkSome verifies what comes next: what was applied just now as it was
// committed, and what is older in a batch read from the files.
func (n *Node) checkSome(ctx context.Context) error {
	from := n.behind.next.Load()
	if w := n.machine.recents.at(from); w != nil && w.result.First == from {
		return n.checkRecent(ctx, w)
	}
	return n.checkFiles(ctx, from)
}

func (n *Node) checkRecent(ctx context.Context, w *work) error {
	for ; w != nil && ctx.Err() == nil; w = n.machine.recents.at(w.end()) {
		if !w.verified {
			// Asked for anew each time: an entry that was applied meanwhile may rest
			// on a document that came after the last.
			judge := n.machine.judgement()
			if err := judge.Verify(w.command, n.machine.own); err != nil {
				// The entry itself decides: a document on which it rests may be
				// forgotten by now, if many came quickly.
				return n.checkFiles(ctx, w.result.First)
			}
		}
		n.behind.next.Store(w.end())
	}
	return nil
}

func (n *Node) checkFiles(ctx context.Context, from uint64) error {
	judge, list, err := n.machine.committed(from, behindBatch)
	if err != nil {
		return fmt.Errorf("entry %d or one of the %d behind it cannot be read: %w", from, behindBatch, err)
	}
	for i, raw := range list {
		if ctx.Err() != nil {
			return nil
		}
		at := from + uint64(i)
		judged, err := judge.Entry(raw, n.machine.own)
		if err != nil {
			return fmt.Errorf("entry %d: %w", at, err)
		}
		if !judged {
			n.log.Warn("an entry cannot be verified any more: its directory is forgotten", "entry", at)
		}
		n.behind.next.Store(at + 1)
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
