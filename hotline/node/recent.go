package node

import (
	"crypto/sha256"
	"slices"
	"sort"
	"sync"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/ledger"
)

// recents are the commands that were applied last, with the entries that they
// made: what comes next asks for the same again, and need not read it from disk
// and decode it once more. Whatever is not here any more is read from the files.
// What is signed never comes from here (receipt.go).
type recents struct {
	mu    sync.Mutex
	works []*work // in the order of their entries, without a gap
	bytes int
}

// work is one applied command that made entries.
type work struct {
	command  *ledger.Command
	result   *ledger.Result
	verified bool // by this node, before it proposed it

	once sync.Once // guards what follows
	own  *ledger.Own
	err  error
}

// maxRecents and maxRecentBytes bound what is kept: a few seconds of a busy line.
const (
	maxRecents     = 4096
	maxRecentBytes = 16 << 20
)

// add keeps what one command made. A gap drops everything before it.
func (x *recents) add(w *work) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if n := len(x.works); n > 0 && x.works[n-1].end() != w.result.First {
		x.works, x.bytes = nil, 0
	}
	x.works = append(x.works, w)
	x.bytes += w.size()
	if x.bytes <= maxRecentBytes && len(x.works) <= maxRecents {
		return
	}
	// An eighth at a time: what stays is moved then.
	drop := 0
	for ; x.bytes > maxRecentBytes/8*7 || len(x.works)-drop > maxRecents/8*7; drop++ {
		x.bytes -= x.works[drop].size()
	}
	x.works = slices.Delete(x.works, 0, drop)
}

// clear forgets everything: the state was replaced.
func (x *recents) clear() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.works, x.bytes = nil, 0
}

// at returns the work that made an entry, or nil.
func (x *recents) at(index uint64) *work {
	x.mu.Lock()
	defer x.mu.Unlock()
	i := sort.Search(len(x.works), func(i int) bool { return x.works[i].end() > index })
	if i == len(x.works) || index < x.works[i].result.First {
		return nil
	}
	return x.works[i]
}

func (w *work) end() uint64 { return w.result.First + uint64(len(w.result.Entries)) }

func (w *work) size() int {
	c := w.command
	n := len(c.Statement) + len(c.Sender) + len(c.Tender) + len(c.Receipt)
	for _, e := range w.result.Entries {
		n += len(e)
	}
	return n
}

// placed says whether the command put its statement at this entry.
func (w *work) placed(index uint64) bool { return w.result.Placed && w.result.Index == index }

// entry is the leaf of one of the entries.
func (w *work) entry(index uint64) []byte { return w.result.Entries[index-w.result.First] }

// readOwn returns the own statement at an entry of this work.
func (w *work) readOwn(index uint64) (*ledger.Own, error) {
	sent, ok := w.result.Content.(*hotline.Sent)
	if !ok || !w.placed(index) {
		return ledger.ReadOwn(w.entry(index)) // says what else it is
	}
	w.once.Do(func() {
		var st *hotline.Statement
		if st, w.err = w.command.ParseStatement(); w.err == nil { // Apply has parsed it
			w.own = ledger.OwnOf(st, w.result.Entry, sent)
		}
	})
	return w.own, w.err
}

// proposals are the commands of this node that are under way, by the digest of
// their bytes: when one comes back committed it is known to be verified, and is
// not parsed again.
type proposals struct {
	mu  sync.Mutex
	all map[[32]byte]*ledger.Command
}

// expect remembers a command until done is called: as long as its proposer waits.
func (p *proposals) expect(raw []byte, c *ledger.Command) (done func()) {
	sum := sha256.Sum256(raw)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.all == nil {
		p.all = map[[32]byte]*ledger.Command{}
	}
	p.all[sum] = c
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.all, sum)
	}
}

// take returns the proposed command with these bytes, once, or nil.
func (p *proposals) take(raw []byte) *ledger.Command {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.all) == 0 {
		return nil
	}
	sum := sha256.Sum256(raw)
	c := p.all[sum]
	delete(p.all, sum)
	return c
}
