package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"

	"example.org/hotline/crypto/tlog"
	"example.org/hotline/hotline"
	"example.org/hotline/hotline/ledger"
	"example.org/hotline/hotline/replica"
)

// machine is what the group's log drives: the ledger's state, and the files
// that are derived from it. The Raft log is the durability; the files are
// written without a sync of their own, synced before a snapshot names their
// size, and cut back and rebuilt at start.
type machine struct {
	log  *slog.Logger
	emit func([]ledger.Effect) // after the state has changed; must not block
	// restored is called after the whole state was replaced; must not block.
	restored func()

	mu      sync.RWMutex
	grown   chan struct{} // closed and replaced with every Apply
	state   *ledger.State
	behind  bool     // the state is ahead of the files: history must be fetched
	marked  bool     // the mark fetching is there
	checked uint64   // what it says: what the files hold beyond is not checked yet
	backlog [][]byte // entries made meanwhile
	size    int      // of backlog, in bytes
	before  uint64   // size of the files when they were opened: what made these entries was acted on then

	store    *tlog.Store
	fetching marker // there from falling behind until the files are checked; it may come back after a loss of power
	// index is opened beside the start, which a long log must not hold up: reading its digest takes as long as the file is. Whoever
	// needs it waits until that is done; the node stops if it cannot be.
	index func() (*index, error)

	synced    atomic.Uint64 // size of the files when they were last synced
	recents   recents
	proposals proposals
	judge     atomic.Pointer[ledger.Judge] // with the documents of the state; nil: to be made again
}

// maxBacklog bounds what is kept while history is fetched. Beyond it the
// process must stop: it would otherwise grow without bound.
const maxBacklog = 256 << 20

func openMachine(dir string, log *slog.Logger, emit func([]ledger.Effect), restored func()) (*machine, error) {
	store, err := tlog.Open(filepath.Join(dir, "ledger"))
	if err != nil {
		return nil, fmt.Errorf("ledger files: %w", err)
	}
	m := &machine{log: log, emit: emit, restored: restored, grown: make(chan struct{}), state: ledger.New(), store: store,
		fetching: marker{filepath.Join(dir, "fetching")}}
	if m.checked, m.marked, err = m.fetching.find(); err != nil {
		return nil, errors.Join(fmt.Errorf("mark of fetched history: %w", err), store.Close())
	}
	m.before = store.Size()
	m.index = sync.OnceValues(func() (*index, error) {
		ix, err := openIndex(filepath.Join(dir, "index.db"), m.before)
		if err == nil && ix.size() == 0 && m.before > 0 {
			log.Warn("the index of statements is made again: it was not closed in order, is damaged, or is new", "entries", m.before)
		}
		return ix, err
	})
	go m.index() // ends by itself; close waits for it
	return m, nil
}

// ids is the index, for whoever has nobody to tell that it could not be opened.
func (m *machine) ids() *index {
	x, err := m.index()
	if err != nil {
		panic(err.Error()) // the process must stop, as awaitIndex says too: what stands in the log could not be found
	}
	return x
}

// Apply implements replica.Machine. It panics when the process must stop.
func (m *machine) Apply(commands []replica.Command) []any {
	results, effects := m.apply(commands)
	if len(effects) > 0 {
		m.emit(effects)
	}
	return results
}

func (m *machine) apply(commands []replica.Command) (results []any, effects []ledger.Effect) {
	var entries [][]byte
	var placed []place
	m.mu.Lock()
	defer m.mu.Unlock()
	first := m.state.Size()
	for _, raw := range commands {
		c := m.proposals.take(raw.Data)
		verified := c != nil
		if !verified {
			var err error
			if c, err = ledger.DecodeCommand(raw.Data); err != nil {
				// The group committed what no leader of this version proposes. A state
				// that skips it would differ from the others': the process must stop.
				panic(fmt.Sprintf("committed command %d cannot be read: %v", raw.Index, err))
			}
		}
		r := m.state.Apply(c)
		if c.Type == ledger.Document || c.Type == ledger.Genesis {
			m.judge.Store(nil)
		}
		if len(r.Entries) > 0 {
			m.recents.add(&work{command: c, result: r, verified: verified})
		}
		entries = append(entries, r.Entries...)
		effects = append(effects, m.fresh(r)...)
		results = append(results, r)
		if r.Placed {
			placed = append(placed, place{r.ID, r.Index})
		}
	}
	if err := m.write(first, entries, placed); err != nil {
		panic("ledger files: " + err.Error()) // the process must stop: what is signed is read back from these files
	}
	close(m.grown)
	m.grown = make(chan struct{})
	return results, effects
}

// fresh leaves out the effects of what this node applied before it was
// started: a desk that comes back must not ring for what was done hours ago.
// What is still open follows from the state. Documents are followed again.
func (m *machine) fresh(r *ledger.Result) []ledger.Effect {
	if r.First >= m.before {
		return r.Effects
	}
	return slices.DeleteFunc(r.Effects, func(e ledger.Effect) bool { return e.Type != ledger.Published })
}

// growth is closed by the next Apply.
func (m *machine) growth() <-chan struct{} {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.grown
}

// reach waits until the files of this node hold size entries, or ctx ends: a
// follower hears of a commit somewhat after its leader.
func (m *machine) reach(ctx context.Context, size uint64) {
	for {
		m.mu.RLock()
		have, grown := m.store.Size(), m.grown
		m.mu.RUnlock()
		if have >= size {
			return
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return
		}
	}
}

// write appends to the files. At start they may be ahead of the snapshot that
// the state was restored from: they are cut back first, so that what stands in
// them is always what this state made.
func (m *machine) write(first uint64, entries [][]byte, placed []place) error {
	if m.store.Size() > first && !m.behind {
		if err := m.store.Truncate(first); err != nil {
			return err
		}
	}
	if len(entries) == 0 {
		return nil
	}
	if m.behind || m.store.Size() < first {
		if err := m.fallBehind(); err != nil {
			return err
		}
		for _, e := range entries {
			m.size += len(e)
		}
		if m.size > maxBacklog {
			return errors.New("history could not be fetched in time; restart this node")
		}
		m.backlog = append(m.backlog, entries...)
		return nil
	}
	if err := m.store.Append(entries...); err != nil {
		return err
	}
	if m.store.Root() != m.state.Root() {
		return fmt.Errorf("files and state of size %d disagree on the root", m.store.Size())
	}
	if err := m.catchUp(); err != nil {
		return err
	}
	x, err := m.index()
	if err != nil {
		return err
	}
	return x.note(first, uint64(len(entries)), placed)
}

// Snapshot implements replica.Machine. The files are synced first, so that
// they never stand behind a snapshot after a power cut.
func (m *machine) Snapshot() (func(io.Writer) error, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.behind {
		return nil, errors.New("history is still being fetched")
	}
	if err := m.store.Sync(); err != nil {
		return nil, err
	}
	b, err := m.state.Snapshot()
	if err != nil {
		return nil, err
	}
	return func(w io.Writer) error {
		_, err := w.Write(b)
		return err
	}, nil
}

// maxSnapshot bounds a snapshot in bytes: the open state of a party.
const maxSnapshot = 1 << 30

// Restore implements replica.Machine.
func (m *machine) Restore(r io.Reader) error {
	b, err := io.ReadAll(io.LimitReader(r, maxSnapshot+1))
	if err != nil {
		return err
	}
	if len(b) > maxSnapshot {
		return fmt.Errorf("snapshot of more than %d bytes", maxSnapshot)
	}
	s, err := ledger.RestoreState(b)
	if err != nil {
		return err
	}
	if err := m.replace(s); err != nil {
		return err
	}
	// The snapshot may hold documents that no command will publish again.
	m.restored()
	return nil
}

func (m *machine) replace(s *ledger.State) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.state, m.backlog, m.size = s, nil, 0
	m.recents.clear()
	m.judge.Store(nil)
	if m.store.Size() > s.Size() {
		if err := m.store.Truncate(s.Size()); err != nil {
			return err
		}
	}
	whole := m.store.Size() == s.Size() && (s.Size() == 0 || m.store.Root() == s.Root())
	switch {
	case whole:
		return m.catchUp()
	case m.marked && m.store.Size() > m.checked && (!m.behind || m.store.Size() == s.Size()):
		// What was fetched was not checked before its process ended, or is wrong.
		if err := m.store.Truncate(m.checked); err != nil {
			return err
		}
	case m.store.Size() == s.Size():
		return fmt.Errorf("ledger files of size %d do not have the root of the snapshot: restore this node from its group", s.Size())
	}
	return m.fallBehind()
}

// view runs f with the state, which must not be kept or changed.
func (m *machine) view(f func(s *ledger.State)) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	f(m.state)
}

// complete reports why the files are not what the state says, or nil. Until
// then nothing may be signed: after a start the state follows from the Raft
// log only when the group has a leader.
func (m *machine) complete() error {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.behind {
		return fmt.Errorf("history up to entry %d is still being fetched, %d are here", m.state.Size(), m.store.Size())
	}
	if m.store.Size() != m.state.Size() {
		return fmt.Errorf("the group's log is still being replayed: %d of at least %d entries", m.state.Size(), m.store.Size())
	}
	return nil
}

// holds reports whether the files are complete and have at least size entries.
func (m *machine) holds(size uint64) bool { return m.complete() == nil && m.store.Size() >= size }

// catchUpIndex indexes what the files hold and the index does not, a batch at
// a time, so that Apply never waits long.
func (m *machine) catchUpIndex() error {
	for {
		if more, err := m.indexSome(); err != nil || !more {
			return err
		}
	}
}

// indexBatch is how many entries are read with Apply held off.
const indexBatch = 256

func (m *machine) indexSome() (more bool, err error) {
	m.mu.RLock() // the files must not be cut back meanwhile
	defer m.mu.RUnlock()
	from := m.ids().size()
	to := min(m.store.Size(), from+indexBatch)
	if from >= to {
		return false, nil
	}
	var list [][]byte
	for raw, err := range m.store.Entries(from, to) {
		if err != nil {
			return false, err
		}
		list = append(list, raw)
	}
	return true, m.ids().add(from, list)
}

// place finds the entry of a statement. known is false while files or index
// are not complete: then "not found" says nothing.
func (m *machine) place(id hotline.ID) (at uint64, ok, known bool) {
	known = m.indexed()
	at, ok = m.ids().find(id)
	return at, ok && at < m.store.Size(), known
}

// indexed reports whether files and index are complete: then what is not found is
// not there (SPEC §12 rule 12).
func (m *machine) indexed() bool { return m.complete() == nil && m.ids().size() >= m.store.Size() }

// judgement returns the judge who knows the documents of the state.
func (m *machine) judgement() *ledger.Judge {
	if j := m.judge.Load(); j != nil {
		return j
	}
	m.mu.RLock() // Apply, which outdates judges, waits until this one is stored
	defer m.mu.RUnlock()
	j := m.state.Judge()
	m.judge.Store(j)
	return j
}

// own returns an own statement, for the check of a receipt.
func (m *machine) own(i uint64) (*ledger.Own, error) {
	if w := m.recents.at(i); w != nil {
		return w.readOwn(i)
	}
	raw, err := m.entry(i)
	if err != nil {
		return nil, err
	}
	return ledger.ReadOwn(raw)
}

// pathTo is the inclusion path of an entry in the tree that ends with it.
func (m *machine) pathTo(i uint64) ([]tlog.Hash, error) {
	if w := m.recents.at(i); w != nil && w.placed(i) {
		return w.result.Path, nil
	}
	return m.store.Inclusion(i, i+1)
}

// entry reads one own leaf from disk, checked against its hash.
func (m *machine) entry(i uint64) ([]byte, error) {
	if i >= m.store.Size() {
		return nil, hotline.Refuse(hotline.CodeNotFound, "entry %d is not on this node", i)
	}
	return m.store.Entry(i)
}

// syncEntries bounds what a start has to read again of the files: so many entries
// may have been written since they were last synced.
const syncEntries = 8192

// syncSome syncs the files if enough has come since the last time. It runs beside
// Apply.
func (m *machine) syncSome() error {
	size := m.store.Size()
	if last := m.synced.Load(); size < last+syncEntries && size >= last {
		return nil
	}
	m.synced.Store(size)
	return m.store.Sync()
}

func (m *machine) close() error {
	x, err := m.index()
	if err == nil {
		err = x.close()
	}
	return errors.Join(m.store.Sync(), m.store.Close(), err)
}
