package node

import (
	"bytes"
	"fmt"

	"example.org/hotline/crypto/tlog"
	"example.org/hotline/hotline"
	"example.org/hotline/hotline/ledger"
)

// proof is what a tender or receipt rests on, read back from disk: what is
// signed is first read, and its root recomputed from what was read.
type proof struct {
	entry      *hotline.Entry
	content    any
	carried    *ledger.Command // what the entry carries
	root       tlog.Hash
	path       []tlog.Hash
	generation uint64
	convention hotline.ID
	self       hotline.Party
}

func (n *Node) proofOf(i uint64) (*proof, error) {
	if err := n.maySign(); err != nil {
		return nil, err
	}
	if err := n.machine.complete(); err != nil {
		return nil, hotline.Refuse(hotline.CodeBusy, "%v", err)
	}
	raw, err := n.machine.entry(i)
	if err != nil {
		return nil, err
	}
	p, err := n.machine.decoded(i, raw)
	if err != nil {
		return nil, err
	}
	if p.path, err = n.machine.pathTo(i); err != nil {
		return nil, err
	}
	if p.root, err = tlog.RootFromInclusion(i+1, i, tlog.LeafHash(raw), p.path); err != nil {
		return nil, err
	}
	n.machine.view(func(s *ledger.State) {
		p.generation, p.convention, p.self = s.Generation(), s.ConventionID(), s.Self()
	})
	return p, nil
}

// decoded reads what a leaf says: from what made it, if these are still the same
// bytes, and from the leaf itself else.
func (m *machine) decoded(i uint64, raw []byte) (p *proof, err error) {
	if w := m.recents.at(i); w != nil && w.placed(i) && bytes.Equal(raw, w.entry(i)) {
		return &proof{entry: w.result.Entry, content: w.result.Content, carried: w.command}, nil
	}
	p = &proof{carried: new(ledger.Command)}
	if p.entry, p.content, err = hotline.DecodeEntry(raw); err != nil {
		return nil, err
	}
	switch c := p.content.(type) {
	case *hotline.Sent:
		p.carried.Statement = c.Statement
	case *hotline.Received:
		p.carried.Statement, p.carried.Sender, p.carried.Tender = c.Statement, c.Sender, c.Tender
	}
	return p, nil
}

// tenderFor signs that an own statement stands at entry i. The same bytes come
// whenever it is asked for.
func (n *Node) tenderFor(i uint64) (d *parcel, err error) {
	p, err := n.proofOf(i)
	if err != nil {
		return nil, err
	}
	sent, ok := p.content.(*hotline.Sent)
	if !ok {
		return nil, hotline.Refuse(hotline.CodeNotFound, "entry %d is no own statement", i)
	}
	st, err := p.carried.ParseStatement()
	if err != nil {
		return nil, err
	}
	c := hotline.Claims{Party: p.self, Generation: p.generation, Statement: st.ID, Index: i, Time: p.entry.Time, Voters: sent.Voters}
	tender, err := hotline.SignReceipt(c, p.convention, p.root, p.path, n.keys.log)
	if err != nil {
		return nil, err
	}
	return &parcel{statement: sent.Statement, sender: hotline.MustMarshal(hotline.SenderEntryOf(p.entry, sent)), tender: tender}, nil
}

type parcel struct{ statement, sender, tender []byte }

// receiptFor signs that a peer's statement stands at entry i, accepted.
func (n *Node) receiptFor(i uint64) ([]byte, error) {
	p, err := n.proofOf(i)
	if err != nil {
		return nil, err
	}
	rec, ok := p.content.(*hotline.Received)
	if !ok || rec.Code != "" {
		return nil, hotline.Refuse(hotline.CodeNotFound, "entry %d is no accepted statement of a peer", i)
	}
	st, err := p.carried.ParseStatement()
	if err != nil {
		return nil, err
	}
	sender, err := p.carried.ParseSender()
	if err != nil {
		return nil, err
	}
	tender, err := p.carried.ParseTender()
	if err != nil {
		return nil, err
	}
	c := hotline.Claims{Party: p.self, Generation: p.generation, Statement: st.ID, Index: i, Time: p.entry.Time, Voters: rec.Voters,
		Of: &hotline.Of{Party: st.Header.From, Generation: tender.Generation, Index: tender.Index,
			Sequence: sender.Sent.SequenceFor(p.self), Salt: p.entry.Salt, Marks: rec.Marks}}
	return hotline.SignReceipt(c, p.convention, p.root, p.path, n.keys.log)
}

// checkpoint signs the head of the log as it stands on this node.
func (n *Node) checkpoint() (c tlog.Checkpoint, note []byte, err error) {
	if err := n.maySign(); err != nil {
		return c, nil, err
	}
	if err := n.machine.complete(); err != nil {
		return c, nil, hotline.Refuse(hotline.CodeBusy, "%v", err)
	}
	n.machine.view(func(s *ledger.State) {
		c = tlog.Checkpoint{Origin: tlog.Origin(string(s.Self()), s.Generation()), Size: s.Size(), Root: s.Root()}
	})
	if err := n.agree(c.Size, c.Root); err != nil {
		return c, nil, err
	}
	note, err = tlog.SignCheckpoint(c, n.keys.log)
	return c, note, err
}

// agree compares the root that the state has with that of the files, which is then
// signed.
func (n *Node) agree(size uint64, root tlog.Hash) error {
	files, err := n.machine.store.RootAt(size)
	if err == nil && files != root {
		err = fmt.Errorf("files and state disagree on the root of size %d; restore this node from its group", size)
		n.fatal(err) // the process must stop: it could not prove what it signs
	}
	if err != nil {
		return hotline.Refuse(hotline.CodeInternal, "the root of size %d is not signed: %v", size, err)
	}
	return nil
}
