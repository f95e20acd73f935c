package replica

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/hashicorp/raft"
)

// One entry of a member is under way at a time. Commands that come meanwhile wait
// for it and leave together as one entry, a bundle. An entry costs the group its
// disk writes, its messages and its wake-ups once, however many commands it holds,
// so a busy group does less for each; a command that comes alone waits for nobody.
// With two entries under way each would hold less: that was slower.

// Bounds of what shares one entry; a larger command stands alone.
const (
	// maxBundle is the number of commands. SnapshotEvery counts entries, so a restart
	// may have to apply so many times as many commands again.
	maxBundle = 32
	// maxBundleBytes is their size. A follower that catches up is sent maxAppend
	// entries at a time within rpcTimeout, over whatever line leads to its site.
	maxBundleBytes = 64 << 10
)

// bundleForm stands before the hash in the Extensions of an entry that is a
// bundle, and alone in them until the leader has sealed it.
const bundleForm byte = 2

// errBundle is the cause of Stop for an entry that no member of this version makes.
var errBundle = errors.New("malformed bundle of commands")

// encodeBundle writes each command behind its length, 4 bytes big endian.
func encodeBundle(list []*proposal) []byte {
	size := 0
	for _, p := range list {
		size += bundled(p)
	}
	b := make([]byte, 0, size)
	for _, p := range list {
		b = binary.BigEndian.AppendUint32(b, uint32(len(p.command)))
		b = append(b, p.command...)
	}
	return b
}

// bundled is what a command takes in a bundle, in bytes.
func bundled(p *proposal) int { return 4 + len(p.command) }

// decodeBundle returns the commands, which share the memory of b.
func decodeBundle(b []byte) (list [][]byte, err error) {
	for len(b) > 0 {
		if len(b) < 4 || len(list) == maxBundle {
			return nil, errBundle
		}
		n := uint64(binary.BigEndian.Uint32(b))
		if b = b[4:]; n > uint64(len(b)) {
			return nil, errBundle
		}
		list = append(list, b[:n:n])
		b = b[n:]
	}
	if len(list) < 2 { // one command stands alone
		return nil, errBundle
	}
	return list, nil
}

// proposal is a command that waits for its place in the log, or for what the
// group decides.
type proposal struct {
	command []byte
	release func()
	decided chan decision // holds one
}

type decision struct {
	result any
	err    error
}

// answer tells the proposer, once.
func (p *proposal) answer(d decision) {
	p.decided <- d
	p.release()
}

// waiting holds proposals that have not been given to Raft, first come, first
// served. MaxProposals bounds it.
type waiting struct {
	mu   sync.Mutex
	list []*proposal
	away bool // an entry is under way
}

// put adds a proposal and returns what is to be given to Raft now, p among it:
// nil while an entry is under way. Whoever gets proposals sends them.
func (w *waiting) put(p *proposal) []*proposal {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.list = append(w.list, p)
	if w.away {
		return nil
	}
	w.away = true
	return w.take()
}

// next returns what is to be given to Raft behind an entry that is decided; nil
// if nothing waits, and then none is under way.
func (w *waiting) next() []*proposal {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.list) == 0 {
		w.away = false
		return nil
	}
	return w.take()
}

// take returns as many of the oldest as fit one entry, at least one; w.mu is held.
func (w *waiting) take() []*proposal {
	n, size := 1, bundled(w.list[0])
	for n < min(len(w.list), maxBundle) && size+bundled(w.list[n]) <= maxBundleBytes {
		size += bundled(w.list[n])
		n++
	}
	list := slices.Clone(w.list[:n])
	w.list = slices.Delete(w.list, 0, n)
	return list
}

// withdraw takes a proposal back; false when it has been given to Raft.
func (w *waiting) withdraw(p *proposal) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	i := slices.Index(w.list, p)
	if i >= 0 {
		w.list = slices.Delete(w.list, i, i+1)
	}
	return i >= 0
}

// send gives proposals to Raft, and goes on with what has come meanwhile as soon
// as they are decided.
func (m *Member) send(list []*proposal) {
	f := m.raft.ApplyLog(entryOf(list), enqueueWait)
	// Not owned: Raft's futures cannot be abandoned. Raft answers all of them
	// while it runs, at the latest when leadership is lost.
	go func() {
		settle(list, f)
		for list := m.waiting.next(); list != nil; list = m.waiting.next() {
			settle(list, m.raft.ApplyLog(entryOf(list), enqueueWait))
		}
	}()
}

func entryOf(list []*proposal) raft.Log {
	if len(list) == 1 {
		return raft.Log{Data: list[0].command}
	}
	return raft.Log{Data: encodeBundle(list), Extensions: []byte{bundleForm}}
}

// settle tells each proposer what became of its command.
func settle(list []*proposal, f raft.ApplyFuture) {
	err := classify(f.Error())
	var results []any
	if err == nil {
		switch r := f.Response().(type) {
		case *brokenMachine:
			err = fmt.Errorf("%w: %w", ErrUnknown, r)
		case []any:
			results = r
		}
	}
	for i, p := range list {
		d := decision{err: err}
		if err == nil {
			d.result = results[i]
		}
		p.answer(d)
	}
}
