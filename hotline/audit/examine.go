package audit

import (
	"sync"

	"example.org/hotline/crypto/keys"
	"example.org/hotline/crypto/seal"
	"example.org/hotline/crypto/tlog"
	"example.org/hotline/hotline"
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
	proof    *hotline.Receipt // tender of a received, receipt of a receipted entry
	place    *place           // where the proof says that its leaf stands
	sentTime hotline.Time     // of a receipted entry: when the statement was tendered
	log      keys.Public      // log key under which the proof verifies
	verified bool             // every signature verifies, under keys by content and log
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

// logKeys returns the log keys of p in directories of that number; 0: of any,
// newest first.
func (r *ring) logKeys(p hotline.Party, number uint64) (list []keys.Public) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for i := len(r.logs[p]) - 1; i >= 0; i-- {
		n := r.logs[p][i]
		if (number == 0 || n.number == number) && (len(list) == 0 || list[len(list)-1] != n.key) {
			list = append(list, n.key)
		}
	}
	return list
}

// sentCache keeps the newest own statements' entries by index.
type sentCache struct {
	mu    sync.Mutex
	at    map[uint64][]byte
	queue []uint64
	bytes int
}

func (c *sentCache) add(index uint64, raw []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at[index] = raw
	c.queue = append(c.queue, index)
	c.bytes += len(raw)
	for c.bytes > maxSentBytes && len(c.queue) > 1 {
		c.bytes -= len(c.at[c.queue[0]])
		delete(c.at, c.queue[0])
		c.queue = c.queue[1:]
	}
}

func (c *sentCache) find(index uint64) ([]byte, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	raw, ok := c.at[index]
	return raw, ok
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

// read is called in order, before the leaf is handed to a worker.
func (x *examiner) read(l leaf) {
	if len(l.raw) < 2 {
		return
	}
	// An entry is an array whose first element is its type, below 24.
	switch hotline.EntryType(l.raw[1]) {
	case hotline.EntrySent:
		x.sent.add(l.index, l.raw)
	case hotline.EntryDocument:
		if _, content, err := hotline.DecodeEntry(l.raw); err == nil {
			if d, ok := content.(*hotline.Document); ok {
				x.ring.add(d.Raw)
			}
		}
	}
}

func (x *examiner) own(index uint64) ([]byte, error) {
	if raw, ok := x.sent.find(index); ok {
		return raw, nil
	}
	return x.again(index)
}

// examine fills in the item. It reports nothing: what it cannot verify, the
// state verifies again in order, and names the failure.
func (x *examiner) examine(it *item) {
	if it.raw == nil {
		return
	}
	it.hash = tlog.LeafHash(it.raw)
	it.entry, it.content, it.err = hotline.DecodeEntry(it.raw)
	if it.err != nil {
		return
	}
	switch c := it.content.(type) {
	case *hotline.Sent:
		it.facts.st, _ = hotline.Parse(c.Statement)
		it.facts.verified = x.signed(it.facts.st)
	case *hotline.Received:
		x.received(&it.facts, c)
	case *hotline.Receipted:
		x.receipted(&it.facts, c)
	}
}

// signed verifies a statement's signatures. An automatic alert carries a
// second statement and is left to the state.
func (x *examiner) signed(st *hotline.Statement) bool {
	return st != nil && st.Header.Kind != hotline.KindAutomaticAlert && st.Verify(x.ring.find) == nil
}

func (x *examiner) received(f *facts, c *hotline.Received) {
	var err error
	if f.st, err = hotline.Parse(c.Statement); err != nil {
		return
	}
	if f.sender, err = hotline.ParseSenderEntry(c.Sender); err != nil {
		return
	}
	if f.proof, err = hotline.ParseReceipt(c.Tender); err != nil {
		return
	}
	leaf, err := f.sender.Leaf(f.st.Raw)
	if err != nil {
		return
	}
	f.place = placeOf(f.proof, leaf)
	for _, k := range x.ring.logKeys(f.st.Header.From, f.sender.Sent.Directory) {
		if hotline.VerifyTender(f.proof, f.st, f.sender, x.convention, k) == nil {
			f.log, f.verified = k, x.signed(f.st)
			return
		}
	}
}

func (x *examiner) receipted(f *facts, c *hotline.Receipted) {
	var err error
	if f.proof, err = hotline.ParseReceipt(c.Receipt); err != nil || f.proof.Of == nil {
		return
	}
	raw, err := x.own(f.proof.Of.Index)
	if err != nil {
		return
	}
	e, st, sender, err := sentEntry(raw)
	if err != nil {
		return
	}
	f.sentTime = e.Time
	r := f.proof
	b, err := hotline.ReceivedEntry(r.Party, st, sender, c.Tender, r.Time, r.Of.Salt, "", r.Of.Marks, r.Voters)
	if err != nil {
		return
	}
	f.place = placeOf(r, tlog.LeafHash(b))
	for _, k := range x.ring.logKeys(r.Party, 0) {
		if hotline.VerifyReceipt(r, r.Party, st, r.Of.Index, x.generation, sender, c.Tender, x.convention, k) == nil {
			f.log, f.verified = k, true
			return
		}
	}
}

// sentEntry decodes an own entry of a statement, and what of it travels.
func sentEntry(raw []byte) (*hotline.Entry, *hotline.Statement, []byte, error) {
	e, content, err := hotline.DecodeEntry(raw)
	if err != nil {
		return nil, nil, nil, err
	}
	sent, ok := content.(*hotline.Sent)
	if !ok {
		return nil, nil, nil, hotline.Refuse(hotline.CodeReceipt, "the own entry is no statement")
	}
	st, err := hotline.Parse(sent.Statement)
	if err != nil {
		return nil, nil, nil, err
	}
	return e, st, hotline.MustMarshal(hotline.SenderEntryOf(e, sent)), nil
}

// placeOf computes the root that a proof implies for a leaf.
func placeOf(r *hotline.Receipt, leaf tlog.Hash) *place {
	p, err := seal.ParseReceipt(r.Raw, hotline.MaxReceipt)
	if err != nil {
		return nil
	}
	path := make([]tlog.Hash, len(p.Proof.Path))
	for i := range path {
		path[i] = tlog.Hash(p.Proof.Path[i])
	}
	root, err := tlog.RootFromInclusion(p.Proof.Size, p.Proof.Index, leaf, path)
	if err != nil {
		return nil
	}
	return &place{r.Party, r.Generation, r.Index, r.Time, leaf, root}
}
