package audit

import (
	"slices"

	"example.org/hotline/crypto/keys"
	"example.org/hotline/crypto/tlog"
	"example.org/hotline/hotline"
)

// chain is the documents of a log, each proven by root keys: convention,
// directories, log keys. It is kept beside the ledger's own state, so that
// signatures can still be judged after a replay has stopped.
type chain struct {
	self        hotline.Party
	conventions []*hotline.SignedConvention
	directories map[hotline.Party][]*hotline.SignedDirectory // by number
	// closings of generations, at most two of one: the second contradicts the first.
	closings     map[logKey][]closing
	moreClosings uint64 // that were not kept
}

func newChain(self hotline.Party) *chain {
	return &chain{self: self, directories: map[hotline.Party][]*hotline.SignedDirectory{}, closings: map[logKey][]closing{}}
}

// add takes a document that proves itself; any other changes nothing.
func (c *chain) add(raw []byte) error {
	st, err := hotline.Parse(raw)
	if err != nil {
		return err
	}
	if st.Header.Kind == hotline.KindConvention {
		var before *hotline.SignedConvention
		if n := len(c.conventions); n > 0 {
			before = c.conventions[n-1]
		}
		v, err := hotline.ParseConvention(raw, before)
		if err != nil {
			return err
		}
		c.conventions = append(c.conventions, v)
		return nil
	}
	d, err := hotline.ProveDirectory(raw, c.conventions)
	if err != nil {
		return err
	}
	c.close(d)
	list := c.directories[d.Party]
	if slices.ContainsFunc(list, func(x *hotline.SignedDirectory) bool { return x.Number == d.Number }) {
		return nil
	}
	list = append(list, d)
	slices.SortFunc(list, func(a, b *hotline.SignedDirectory) int {
		if a.Number < b.Number {
			return -1
		}
		return 1
	})
	if len(list) > hotline.DirectoryMemory {
		list = list[1:]
	}
	c.directories[d.Party] = list
	return nil
}

// member reports whether a convention in the log names p.
func (c *chain) member(p hotline.Party) bool {
	return slices.ContainsFunc(c.conventions, func(v *hotline.SignedConvention) bool { return v.Member(p) != nil })
}

// newest returns the newest directory of p, or nil.
func (c *chain) newest(p hotline.Party) *hotline.SignedDirectory {
	if list := c.directories[p]; len(list) > 0 {
		return list[len(list)-1]
	}
	return nil
}

func (c *chain) number(p hotline.Party, n uint64) *hotline.SignedDirectory {
	for _, d := range c.directories[p] {
		if d.Number == n {
			return d
		}
	}
	return nil
}

// key finds a key of p that may stand under a statement.
func (c *chain) key(p hotline.Party) func(keys.ID) (keys.Public, bool) {
	return func(id keys.ID) (keys.Public, bool) {
		for _, d := range c.directories[p] {
			if d.Service.ID() == id {
				return d.Service, true
			}
			if o := d.Officer(id); o != nil {
				return o.Key, true
			}
		}
		return keys.Public{}, false
	}
}

// verify checks the signatures of one entry against the proven documents
// alone, without what the ledger decides. CodeNeed says that a
// directory that it needs does not stand in the log.
func (c *chain) verify(x *examiner, it *item) error {
	switch content := it.content.(type) {
	case *hotline.Sent:
		st, err := hotline.Parse(content.Statement)
		if err == nil {
			err = c.signed(st)
		}
		if err == nil && st.Header.From != c.self {
			err = hotline.Refuse(hotline.CodeWrongSender, "an own statement of %s is signed by %s", c.self, st.Header.From)
		}
		if d := c.number(c.self, content.Directory); err == nil && d != nil {
			_, err = c.anchored(content.Anchor, c.self, x.generation, it.index, d.Log)
		}
		return err
	case *hotline.Received:
		return c.verifyReceived(x, &it.facts, content)
	case *hotline.Receipted:
		return c.verifyReceipted(x, it.index, content)
	case *hotline.Witnessed:
		return c.verifyWitnessed(content)
	}
	return nil
}

func (c *chain) verifyReceived(x *examiner, f *facts, content *hotline.Received) error {
	st, err := hotline.Parse(content.Statement)
	if err != nil {
		return err
	}
	sender, err := hotline.ParseSenderEntry(content.Sender)
	if err != nil {
		return err
	}
	tender, err := hotline.ParseReceipt(content.Tender)
	if err != nil {
		return err
	}
	d := c.number(st.Header.From, sender.Sent.Directory)
	if d == nil {
		return hotline.Refuse(hotline.CodeNeed, "directory %d of %s does not stand in the log", sender.Sent.Directory, st.Header.From)
	}
	if tender.Generation != d.Generation {
		return hotline.Refuse(hotline.CodeTender, "tender of generation %d, its directory is of %d", tender.Generation, d.Generation)
	}
	if err := hotline.VerifyTender(tender, st, sender, x.convention, d.Log); err != nil {
		return err
	}
	if _, err := c.anchored(sender.Sent.Anchor, tender.Party, tender.Generation, tender.Index, d.Log); err != nil {
		return hotline.Refuse(hotline.CodeTender, "%v", err)
	}
	return c.signed(st)
}

// anchored verifies the anchor in the entry of a party with this index: that it is of
// that log and of what stands before the entry (SPEC §7.13), or a party's key would speak of
// another party's log. It returns the cosignatures of which a directory in the log has the
// key. There may be no anchor.
func (c *chain) anchored(raw []byte, party hotline.Party, generation, index uint64, log keys.Public) ([]tlog.Cosignature, error) {
	if len(raw) == 0 {
		return nil, nil
	}
	a, err := hotline.ParseAnchor(raw)
	if err != nil {
		return nil, err
	}
	if a.Party != party || a.Generation != generation || a.Checkpoint.Size > index {
		return nil, hotline.Refuse(hotline.CodeCase, "the anchor is of %s at size %d, the entry is %d of %s, generation %d",
			a.Checkpoint.Origin, a.Checkpoint.Size, index, party, generation)
	}
	if err := a.Signed(log); err != nil {
		return nil, err
	}
	pages := func(p hotline.Party) []*hotline.SignedDirectory { return c.directories[p] }
	if party != c.self {
		return a.Borne(pages), nil
	}
	return a.Cosigned(pages)
}

// signed verifies a statement and, in an automatic alert, the one within.
func (c *chain) signed(st *hotline.Statement) error {
	if err := st.Verify(c.key(st.Header.From)); err != nil || st.Header.Kind != hotline.KindAutomaticAlert {
		return err
	}
	body, err := st.OpenBody()
	if err != nil {
		return err
	}
	inner, err := body.(*hotline.AutomaticAlert).Open()
	if err != nil {
		return err
	}
	return inner.Verify(c.key(st.Header.From))
}

func (c *chain) verifyReceipted(x *examiner, entry uint64, content *hotline.Receipted) error {
	r, err := hotline.ParseReceipt(content.Receipt)
	if err != nil {
		return err
	}
	if r.Of == nil {
		return hotline.Refuse(hotline.CodeReceipt, "a tender where a receipt belongs")
	}
	own, err := x.ownBefore(entry)(r.Of.Index)
	if err != nil {
		return hotline.Refuse(hotline.CodeReceipt, "own entry %d: %v", r.Of.Index, err)
	}
	var last error = hotline.Refuse(hotline.CodeNeed, "no directory of %s stands in the log", r.Party)
	list := c.directories[r.Party]
	if len(list) > 0 {
		last = hotline.Refuse(hotline.CodeReceipt, "no directory of %s in the log opens generation %d", r.Party, r.Generation)
	}
	for i := len(list) - 1; i >= 0; i-- {
		if list[i].Generation != r.Generation {
			continue
		}
		last = hotline.VerifyReceipt(r, r.Party, own.Statement, r.Of.Index, x.generation, own.Sender, content.Tender, x.convention, list[i].Log)
		if last == nil {
			return nil
		}
	}
	return last
}
