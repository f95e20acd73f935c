package audit

import (
	"sync"

	"example.org/hotline/crypto/keys"
	"example.org/hotline/crypto/tlog"
	"example.org/hotline/hotline"
	"example.org/hotline/hotline/ledger"
)

// Bounds of what is held while a log is read.
const (
	maxRing      = 1 << 16  // public keys; beyond it the ring starts anew
	maxSentBytes = 32 << 20 // own statements kept for the receipts that follow
)

// item is one leaf on its way through the pipeline.
type item struct {
	leaf
	entry   *hotline.Entry
	content any
	err     error // it does not decode
	facts   facts
}

// facts are what can be found out about one entry without the state of the
// ledger. That a signature verifies under the key with a given id does not
// depend on the state, since the id is the hash of the key; that this key was
// the right one does, and is asked of the state later, in order. So the result
// is that of a sequential run.
type facts struct {
	st       *hotline.Statement // of a sent or received entry
	sender   *hotline.SenderEntry
	proof    *hotline.Receipt   // tender of a received, receipt of a receipted entry
	place    *place             // where the proof says that its leaf stands
	sentTime hotline.Time       // of a receipted entry: when the statement was tendered
	own      *hotline.Statement // of a receipted entry: the statement
	log      keys.Public        // log key under which the proof verifies
	tendered tlog.Hash          // of a receipted entry: root of the tree in which the tender puts the own entry
	verified bool               // every signature verifies, under keys by content and log
}

// place is one leaf in another party's log as that party signed it.
type place struct {
	party      hotline.Party
	generation uint64
	index      uint64
	time       hotline.Time
	leaf, root tlog.Hash
}

// ring holds the public keys of every directory read so far, believed or not.
type ring struct {
	mu   sync.RWMutex
	keys map[keys.ID]keys.Public
	logs map[hotline.Party][]numberedKey
}

type numberedKey struct {
	number uint64
	key    keys.Public
}

func newRing() *ring {
	return &ring{keys: map[keys.ID]keys.Public{}, logs: map[hotline.Party][]numberedKey{}}
}

// add takes the keys of a directory.
func (r *ring) add(raw []byte) {
	st, err := hotline.Parse(raw)
	if err != nil || st.Header.Kind != hotline.KindDirectory {
		return
	}
	body, err := st.OpenBody()
	if err != nil {
		return
	}
	d := body.(*hotline.Directory)
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.keys) > maxRing {
		clear(r.keys)
		clear(r.logs)
	}
	r.keys[d.Service.ID()] = d.Service
	for _, o := range d.Officers {
		r.keys[o.Key.ID()] = o.Key
	}
	list := append(r.logs[d.Party], numberedKey{d.Number, d.Log})
	if len(list) > hotline.DirectoryMemory {
		list = list[1:]
	}
	r.logs[d.Party] = list
}

func (r *ring) find(id keys.ID) (keys.Public, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	k, ok := r.keys[id]
	return k, ok
}

// logKeys returns the log keys of p by the order in which they were read. What
// is returned is never changed.
func (r *ring) logKeys(p hotline.Party) []numberedKey {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.logs[p]
}

// own is an own entry of a statement. It is decoded once, by the worker that
// first needs it: the one that examines it, or one that examines a receipt.
type own struct {
	raw     []byte
	once    sync.Once
	entry   *hotline.Entry
	content any
	err     error // it does not decode
	st      *hotline.Statement
	bad     error // it holds no statement
}

func (o *own) decode() *own {
	o.once.Do(func() {
		if o.entry, o.content, o.err = hotline.DecodeEntry(o.raw); o.err != nil {
			o.bad = o.err
			return
		}
		if sent, ok := o.content.(*hotline.Sent); ok {
			o.st, o.bad = hotline.Parse(sent.Statement)
			return
		}
		o.bad = hotline.Refuse(hotline.CodeReceipt, "the own entry is no statement")
	})
	return o
}

// ownSize is what a decoded own entry takes in memory beside its bytes, at most
// some few hundred bytes more.
const ownSize = 2 << 10

// sentCache keeps the newest own statements' entries by index.
type sentCache struct {
	mu    sync.Mutex
	at    map[uint64]*own
	queue []uint64
	bytes int
}

func (c *sentCache) add(index uint64, raw []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at[index] = &own{raw: raw}
	c.queue = append(c.queue, index)
	c.bytes += len(raw) + ownSize
	for c.bytes > maxSentBytes && len(c.queue) > 1 {
		c.bytes -= len(c.at[c.queue[0]].raw) + ownSize
		delete(c.at, c.queue[0])
		c.queue = c.queue[1:]
	}
}

func (c *sentCache) find(index uint64) *own {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at[index]
}

// examiner finds the facts of entries; it is safe for concurrent use.
type examiner struct {
	self       hotline.Party
	generation uint64
	convention hotline.ID
	ring       *ring
	sent       sentCache
	again      func(index uint64) ([]byte, error) // an own entry that the cache has no more
}

// isType reports whether an entry may be of this type: an entry is an array
// whose first element is its type, below 24.
func isType(raw []byte, t hotline.EntryType) bool {
	return len(raw) > 1 && raw[1] == byte(t)
}

// read is called in order, before the leaf is handed to a worker.
func (x *examiner) read(l leaf) {
	switch {
	case isType(l.raw, hotline.EntrySent):
		x.sent.add(l.index, l.raw)
	case isType(l.raw, hotline.EntryDocument):
		if _, content, err := hotline.DecodeEntry(l.raw); err == nil {
			if d, ok := content.(*hotline.Document); ok {
				x.ring.add(d.Raw)
			}
		}
	}
}

// own finds the entry of an own statement.
func (x *examiner) own(index uint64) (*own, error) {
	o := x.sent.find(index)
	if o == nil {
		raw, err := x.again(index)
		if err != nil {
			return nil, err
		}
		o = &own{raw: raw}
	}
	return o, o.decode().bad
}

// ownBefore is own for the ledger, as it finds entries before this one: what was read
// ahead does not stand in the log yet.
func (x *examiner) ownBefore(entry uint64) func(index uint64) (*ledger.Own, error) {
	return func(index uint64) (*ledger.Own, error) {
		if index >= entry {
			return nil, hotline.Refuse(hotline.CodeReceipt, "entry %d does not stand before it", index)
		}
		o, err := x.own(index)
		if err != nil {
			return nil, err
		}
		return ledger.OwnOf(o.st, o.entry, o.content.(*hotline.Sent)), nil
	}
}

// examine fills in the item. It reports nothing: what it cannot verify, the
// state verifies again in order, and names the failure.
func (x *examiner) examine(it *item) {
	if it.raw == nil {
		return
	}
	if it.hash == (tlog.Hash{}) {
		it.hash = tlog.LeafHash(it.raw)
	}
	if isType(it.raw, hotline.EntrySent) {
		o := x.sent.find(it.index)
		if o == nil {
			o = &own{raw: it.raw} // the cache has it no more
		}
		o.decode()
		it.entry, it.content, it.err, it.facts.st = o.entry, o.content, o.err, o.st
		it.facts.verified = x.signed(o.st) && len(o.content.(*hotline.Sent).Anchor) == 0
		return
	}
	it.entry, it.content, it.err = hotline.DecodeEntry(it.raw)
	switch c := it.content.(type) {
	case *hotline.Received:
		x.received(&it.facts, it.entry, c)
	case *hotline.Receipted:
		x.receipted(&it.facts, it.index, it.entry, c)
	}
}

// signed verifies a statement's signatures. An automatic alert carries a
// second statement and is left to the state, and so is an entry with an anchor.
func (x *examiner) signed(st *hotline.Statement) bool {
	return st != nil && st.Header.Kind != hotline.KindAutomaticAlert && st.Verify(x.ring.find) == nil
}

func (x *examiner) received(f *facts, e *hotline.Entry, c *hotline.Received) {
	var err error
	f.sender, f.proof = e.Parts.Sender, e.Parts.Tender
	if f.st, err = hotline.Parse(c.Statement); err != nil {
		return
	}
	leaf, err := hotline.TenderedLeaf(f.proof, f.st, f.sender)
	if err != nil {
		return
	}
	f.verified = x.proven(f, leaf, x.ring.logKeys(f.st.Header.From), f.sender.Sent.Directory) && x.signed(f.st) && len(f.sender.Sent.Anchor) == 0
}

func (x *examiner) receipted(f *facts, index uint64, e *hotline.Entry, c *hotline.Receipted) {
	f.proof = e.Parts.Receipt
	if f.proof.Of == nil || f.proof.Of.Index >= index {
		return
	}
	o, err := x.own(f.proof.Of.Index)
	if err != nil {
		return
	}
	f.sentTime, f.own = o.entry.Time, o.st
	f.tendered, _ = e.Parts.Tender.Root(tlog.LeafHash(o.raw)) // zero is the root of no tree: such a tender covers nothing
	r, s := f.proof, hotline.SenderEntryOf(o.entry, o.content.(*hotline.Sent))
	leaf, err := hotline.ReceiptedLeaf(r, r.Party, o.st, r.Of.Index, x.generation, s, hotline.MustMarshal(s), c.Tender)
	if err != nil {
		return
	}
	f.verified = x.proven(f, leaf, x.ring.logKeys(r.Party), 0)
}

// proven finds the log key under which the proof holds for a leaf, of those in
// directories of that number; 0: of any, the newest first.
func (x *examiner) proven(f *facts, leaf tlog.Hash, list []numberedKey, number uint64) bool {
	root, err := f.proof.Root(leaf)
	if err != nil {
		return false
	}
	f.place = &place{f.proof.Party, f.proof.Generation, f.proof.Index, f.proof.Time, leaf, root}
	for i := len(list) - 1; i >= 0; i-- {
		if number != 0 && list[i].number != number || number == 0 && i < len(list)-1 && list[i].key == list[i+1].key {
			continue
		}
		if f.proof.VerifyRoot(root, x.convention, list[i].key) == nil {
			f.log = list[i].key
			return true
		}
	}
	return false
}
