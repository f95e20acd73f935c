package audit

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"example.org/hotline/crypto/tlog"
	"example.org/hotline/hotline"
)

// forkKey names who holds the signatures and whose tree they contradict, by the
// numbers of the exports.
type forkKey struct{ holder, of int }

// forkFound is the lowest place at which two trees differ, by the signature that
// shows it, and how many do.
type forkFound struct {
	least proof
	count uint64
}

// fork notes that a log signed another tree than the one which it shows.
func (c *crossing) fork(holder, of int, p *proof) error {
	f := c.forks[forkKey{holder, of}]
	if f == nil {
		f = &forkFound{least: *p}
		c.forks[forkKey{holder, of}] = f
	}
	if p.Index < f.least.Index {
		f.least = *p
	}
	f.count++
	c.differ(logKey{p.Party, p.Generation}, p.Index)
	return c.heads.keep(holder, p)
}

// differ notes that two trees of a log differ in this place or before it.
func (c *crossing) differ(log logKey, at uint64) {
	if least, ok := c.forked[log]; !ok || at < least {
		c.forked[log] = at
	}
}

// tellForks makes one observation of all trees of one log that the signatures
// in another one contradict.
func (c *crossing) tellForks() error {
	for holder, by := range c.logs {
		for n, of := range c.logs {
			f := c.forks[forkKey{holder, n}]
			if f == nil {
				continue
			}
			o := observe(Fork, of.x.head.Party, f.least.Index, fmt.Sprintf("%s signed another tree of size %d than that of the log which it shows (the signature is in entry %d of %s; %d such in all)",
				of.x.head.Party, f.least.Index+1, f.least.Own, by.x.head.Party, f.count))
			head, err := by.signedHead(&f.least)
			if err != nil {
				return fmt.Errorf("entry %d of %s: %w", f.least.Own, by.x.dir, err)
			}
			if o.Proof, err = c.prove(of, by, head, f.least.Index+1); err != nil {
				return err
			}
			of.observe(o)
		}
	}
	return nil
}

// versions compares exports of one log with each other.
func (c *crossing) versions() error {
	for a, x := range c.logs {
		for _, y := range c.logs[a+1:] {
			if x.x.head.Party != y.x.head.Party || x.x.head.Generation != y.x.head.Generation {
				continue
			}
			size := min(x.marks.size, y.marks.size)
			k, err := x.marks.at(size - 1)
			if err != nil {
				return err
			}
			l, err := y.marks.at(size - 1)
			if err != nil {
				return err
			}
			if k.root == l.root {
				continue
			}
			c.weave.forked[logKey{y.x.head.Party, y.x.head.Generation}] = true
			c.differ(logKey{y.x.head.Party, y.x.head.Generation}, 0)
			o := observe(Fork, y.x.head.Party, size-1, fmt.Sprintf("%s and %s are of one log and differ at size %d or before: %s signed both", x.x.dir, y.x.dir, size, y.x.head.Party))
			shorter, longer := x, y
			if y.marks.size < x.marks.size {
				shorter, longer = y, x
			}
			if o.Proof, err = c.prove(longer, shorter, hotline.SignedHead{Note: shorter.x.checkpoint}, size); err != nil {
				return err
			}
			y.observe(o)
		}
	}
	return nil
}

// signedHead finds, in the entry that holds it, the signature of which p tells.
func (j *judged) signedHead(p *proof) (h hotline.SignedHead, err error) {
	raw, err := j.again(p.Own)
	if err != nil {
		return h, err
	}
	e, content, err := hotline.DecodeEntry(raw)
	if err != nil {
		return h, err
	}
	if p.Kind == anchorProof {
		a, err := hotline.ParseAnchor(anchorIn(e, content))
		if err != nil {
			return h, err
		}
		return hotline.SignedHead{Note: a.Own()}, nil
	}
	switch c := content.(type) {
	case *hotline.Received:
		return hotline.SignedHead{Receipt: c.Tender, Leaf: p.Leaf}, nil
	case *hotline.Receipted:
		if p.Kind == tenderProof {
			return hotline.SignedHead{Receipt: c.Tender, Leaf: p.Leaf}, nil
		}
		return hotline.SignedHead{Receipt: c.Receipt, Leaf: p.Leaf}, nil
	case *hotline.Witnessed:
		for i := range c.Heads {
			if c.Heads[i].Party == p.Party {
				return hotline.SignedHead{Note: c.Heads[i].Checkpoint}, nil
			}
		}
	}
	return h, errors.New("the entry holds no head of the other log")
}

// anchorIn is the anchor of an own or a received statement.
func anchorIn(e *hotline.Entry, content any) []byte {
	switch c := content.(type) {
	case *hotline.Sent:
		return c.Anchor
	case *hotline.Received:
		return e.Parts.Sender.Sent.Anchor
	}
	return nil
}

// prove writes the proof that a party signed a head of this size beside the tree
// that its export shows (SPEC §7.11), and names the file. Where none is asked for
// the name is empty; where none can be made too, and the report says why. by is
// the log that holds the head.
func (c *crossing) prove(of, by *judged, head hotline.SignedHead, size uint64) (name string, err error) {
	if c.proofs == "" {
		return "", nil
	}
	path, err := of.path(size)
	if err != nil {
		return "", err
	}
	return c.proveHeads(logKey{of.x.head.Party, of.x.head.Generation}, size, of, by, hotline.SignedHead{Note: of.x.checkpoint}, head, path)
}

// proveHeads writes the proof of two heads of one log, the smaller of this size.
// one and two are the logs that hold them.
func (c *crossing) proveHeads(log logKey, size uint64, one, two *judged, a, b hotline.SignedHead, path []tlog.Hash) (name string, err error) {
	pages := one.chain.directories[log.party]
	if two != one {
		pages = slices.Concat(two.chain.directories[log.party], pages)
	}
	var raw []byte
	for _, documents := range []*chain{one.chain, two.chain} {
		if raw, err = hotline.MakeForkProof(documents.conventions, pages, a, b, path); err == nil {
			break
		}
	}
	if err != nil {
		c.report.NotJudged = append(c.report.NotJudged, fmt.Sprintf("the fork of %s at size %d to anybody else: no proof of it can be made of these exports: %v", log.party, size, err))
		return "", nil
	}
	sum := sha256.Sum256(raw)
	name = fmt.Sprintf("fork-%s-%d-%x.proof", log.party, log.generation, sum[:8])
	return name, saveProof(filepath.Join(c.proofs, name), raw)
}

// path leads from a smaller size to the tree of the export. It is nil for its size.
func (j *judged) path(size uint64) (path []tlog.Hash, err error) {
	for _, r := range tlog.ConsistencyRanges(size, j.marks.size) {
		var tree tlog.Frontier
		for i := r[0]; i < r[1]; i++ {
			k, err := j.marks.at(i)
			if err != nil {
				return nil, err
			}
			tree.Append(k.leaf)
		}
		path = append(path, tree.Root())
	}
	return path, nil
}

// saveProof writes a file once: another audit of the same exports makes the same.
func saveProof(name string, raw []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		old, err := os.ReadFile(name)
		if err == nil && !bytes.Equal(old, raw) {
			err = fmt.Errorf("%s holds something else: name another directory for proofs", name)
		}
		return err
	}
	if err != nil {
		return fmt.Errorf("proof of a fork: %w", err)
	}
	_, err = f.Write(raw)
	return errors.Join(err, f.Close())
}
