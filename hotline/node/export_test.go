package node

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"time"

	"example.org/hotline/crypto/tlog"
	"example.org/hotline/hotline"
	"example.org/hotline/hotline/desk"
	"example.org/hotline/hotline/ledger"
	"example.org/hotline/hotline/link"
)

// SnapshotNow makes the member snapshot at once, as it does by itself when its
// log has grown.
func (n *Node) SnapshotNow(ctx context.Context) error { return n.member.Snapshot(ctx) }

// ProposeUnverified commits a command as a leader would that verifies nothing.
func (n *Node) ProposeUnverified(ctx context.Context, c *ledger.Command) (*ledger.Result, error) {
	c.Seed, c.Time = n.random(32), n.now()
	r, err := n.member.Propose(ctx, hotline.MustMarshal(c))
	if err != nil {
		return nil, err
	}
	return r.(*ledger.Result), nil
}

// Recheck opens what came last once more, as a new leader does.
func (n *Node) Recheck(ctx context.Context) { n.recheck(ctx) }

// Verified returns how many entries were verified behind the commit.
func (n *Node) Verified() uint64 { return n.behind.next.Load() }

// Agree holds the root of the files, which f may change, against the files, as is
// done with that of the state before a head is signed.
func (n *Node) Agree(f func(*tlog.Hash)) error {
	size := n.machine.store.Size()
	root, err := n.machine.store.RootAt(size)
	if err != nil {
		return err
	}
	f(&root)
	return n.agree(size, root)
}

// ScrubAt makes a node read its ledger files from its start on, again and again.
func (o *Options) ScrubAt(every time.Duration) { o.scrub = &pace{every: every, rate: 1 << 40} }

// Entry reads an own leaf back from the files.
func (n *Node) Entry(i uint64) ([]byte, error) { return n.machine.entry(i) }

// interrupted is a context that does something else once, when it is first asked
// whether it has ended.
type interrupted struct {
	context.Context
	f func()
}

func (c *interrupted) Err() error {
	if f := c.f; f != nil {
		c.f = nil
		f()
	}
	return c.Context.Err()
}

// CheckNewest verifies what was applied last and what between commits meanwhile,
// as the check behind the commit does.
func (n *Node) CheckNewest(between func()) error {
	return n.checkRecent(&interrupted{context.Background(), between}, n.machine.recents.at(n.machine.store.Size()-1))
}

// Rebuilt is a machine in a directory of its own that has the state of a node, and
// its files as far as they were filled in.
type Rebuilt struct {
	dir      string
	snapshot []byte
	list     [][]byte
	again    int
}

// Again makes each start take up so many more snapshots in the end.
func (r *Rebuilt) Again(snapshots int) { r.again = snapshots }

// Rebuild takes state and entries of this node, which goes on meanwhile: the entries
// are those that the state counts, however many have come since.
func (n *Node) Rebuild(dir string) (r *Rebuilt, err error) {
	r = &Rebuilt{dir: dir}
	write, err := n.machine.Snapshot()
	if err != nil {
		return r, err
	}
	var b bytes.Buffer
	if err := write(&b); err != nil {
		return r, err
	}
	r.snapshot = b.Bytes()
	s, err := ledger.RestoreState(r.snapshot)
	if err != nil {
		return r, err
	}
	for raw, err := range n.machine.store.Entries(0, s.Size()) {
		if err != nil {
			return r, err
		}
		r.list = append(r.list, raw)
	}
	return r, nil
}

// Start opens the machine as a start of the process does, lets f fill in what it is
// given, and closes it. It returns where history was to be gone on with, and whether
// the files were whole in the end.
func (r *Rebuilt) Start(f func(missing [][]byte) [][]byte) (from uint64, whole bool, err error) {
	m, err := r.open()
	if err != nil {
		return 0, false, err
	}
	defer func() { err = errors.Join(err, m.close()) }()
	if err := m.Restore(bytes.NewReader(r.snapshot)); err != nil {
		return 0, false, err
	}
	from = m.store.Size()
	if m.behind {
		err = m.fill(from, f(r.list[from:]))
	}
	for range r.again {
		err = errors.Join(err, m.Restore(bytes.NewReader(r.snapshot)))
	}
	return from, m.complete() == nil, err
}

func (r *Rebuilt) open() (*machine, error) {
	return openMachine(r.dir, slog.New(slog.DiscardHandler), func([]ledger.Effect) {}, func() {})
}

// Find looks a statement up for an officer, as asked says.
func (r *Rebuilt) Find(prefix string) (missing, read, indexed error) {
	return r.asked(func(n *Node) error {
		_, err := n.find(prefix)
		return err
	})
}

// Inbox asks for the newest statement, as asked says.
func (r *Rebuilt) Inbox() (missing, read, indexed error) {
	return r.asked(func(n *Node) error {
		return n.inbox(context.Background(), &desk.InboxRequest{Limit: 1}, func(*desk.Reply) error { return nil })
	})
}

// asked opens the machine with a new index, as after a crash, and asks its node
// three times: before history is fetched, before it is indexed, and when all of it is.
func (r *Rebuilt) asked(f func(n *Node) error) (missing, read, indexed error) {
	m, err := r.open()
	if err != nil {
		return err, err, err
	}
	n := &Node{machine: m}
	err = m.Restore(bytes.NewReader(r.snapshot))
	missing = f(n)
	err = errors.Join(err, m.fill(0, r.list))
	read = f(n)
	err = errors.Join(err, m.catchUpIndex())
	indexed = f(n)
	if err = errors.Join(err, m.close()); err != nil {
		return err, err, err
	}
	return missing, read, indexed
}

// Mark puts back the mark of fetched history, as a loss of power may.
func (r *Rebuilt) Mark(text string) error {
	return os.WriteFile(filepath.Join(r.dir, "fetching"), []byte(text), 0o600)
}

// Crowd fills the outbox towards a peer with statements that are none, and returns
// how they are taken out again, once another has found no place.
func (n *Node) Crowd(peer hotline.Party) (clear func()) {
	for n.senders.Load() == nil && n.ctx.Err() == nil { // its term may just have begun
		pause(n.ctx, time.Millisecond)
	}
	x := n.senders.Load().to(peer)
	x.mu.Lock()
	defer x.mu.Unlock()
	var list []hotline.ID
	for {
		it := link.Item{ID: hotline.ID(n.random(32)), Precedence: hotline.Routine, Index: math.MaxUint64}
		if x.outbox.Add(it) != nil {
			break
		}
		list = append(list, it.ID)
	}
	return func() {
		for !x.s.full.Load() && n.ctx.Err() == nil {
			pause(n.ctx, time.Millisecond)
		}
		x.mu.Lock()
		defer x.mu.Unlock()
		for _, id := range list {
			x.outbox.Settle(id)
		}
	}
}
