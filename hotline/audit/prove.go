package audit

import (
	"fmt"
	"maps"
	"path"
	"slices"

	"example.org/hotline/crypto/tlog"
	"example.org/hotline/hotline"
)

// tail is a tree of an export under which entries are proven.
type tail struct {
	size uint64
	root tlog.Hash
	note []byte
}

// trees are the cosigned checkpoint of an export, if there is one, and its
// checkpoint. An audit has verified both.
func (x *export) trees() (list []tail, err error) {
	if x.cosigned != nil {
		c, err := tlog.ClaimedCheckpoint(x.cosigned)
		if err != nil {
			return nil, unusable(x.dir, FileCosigned, "%v", err)
		}
		list = append(list, tail{c.Size, c.Root, x.cosigned})
	}
	return append(list, tail{x.claimed.Size, x.claimed.Root, x.checkpoint}), nil
}

// proofsOf calls put with each shown entry for which want says so, and its proof
// of inclusion (SPEC §7.9): under the cosigned checkpoint if that covers it, else
// under the checkpoint. It reads the export twice, and holds what the proofs are
// made of: some 50 hashes an entry.
func (x *export) proofsOf(want func(*hotline.Entry) bool, put func(index uint64, raw []byte, p *tlog.Proof) error) error {
	trees, err := x.trees()
	if err != nil {
		return err
	}
	under := func(index uint64) tail {
		for _, t := range trees {
			if index < t.size {
				return t
			}
		}
		return tail{}
	}
	var wanted []uint64
	nodes := map[[2]uint64]*tlog.Frontier{}
	err = x.src.each(func(l leaf) error {
		if l.raw == nil {
			return nil
		}
		e, _, err := hotline.DecodeEntry(l.raw)
		if err != nil || !want(e) {
			return nil // what cannot be read an audit observes
		}
		wanted = append(wanted, l.index)
		for _, r := range tlog.InclusionRanges(l.index, under(l.index).size) {
			nodes[r] = &tlog.Frontier{}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := x.fillNodes(nodes); err != nil {
		return err
	}
	return x.src.each(func(l leaf) error {
		if _, ok := slices.BinarySearch(wanted, l.index); !ok {
			return nil
		}
		t := under(l.index)
		p := &tlog.Proof{Index: l.index, Checkpoint: t.note}
		for _, r := range tlog.InclusionRanges(l.index, t.size) {
			p.Path = append(p.Path, nodes[r].Root())
		}
		if err := tlog.VerifyInclusion(t.size, l.index, tlog.LeafHash(l.raw), p.Path, t.root); err != nil {
			return unusable(x.dir, "", "entry %d: %v", l.index, err)
		}
		return put(l.index, l.raw, p)
	})
}

// fillNodes gives each node the leaves of its range, in one reading.
func (x *export) fillNodes(nodes map[[2]uint64]*tlog.Frontier) error {
	order := slices.SortedFunc(maps.Keys(nodes), func(a, b [2]uint64) int { return compare(a[0], b[0]) })
	var open [][2]uint64
	return x.src.each(func(l leaf) error {
		for len(order) > 0 && order[0][0] == l.index {
			open, order = append(open, order[0]), order[1:]
		}
		if len(open) == 0 {
			return nil
		}
		hash := l.hash
		if l.raw != nil {
			hash = tlog.LeafHash(l.raw)
		}
		for _, r := range open {
			nodes[r].Append(hash)
		}
		open = slices.DeleteFunc(open, func(r [2]uint64) bool { return r[1] == l.index+1 })
		return nil
	})
}

// proofs writes the proofs of the entries of the case.
func (d *dossier) proofs() error {
	for i, x := range d.exports {
		ofCase := func(e *hotline.Entry) bool { return e.Scope.Class != hotline.ScopeCommon }
		err := x.proofsOf(ofCase, func(index uint64, raw []byte, p *tlog.Proof) error {
			name := path.Join("proofs", d.names[i], fmt.Sprint(index))
			d.sum.Entries++
			if err := writeFile(d.dir, name+".entry", raw); err != nil {
				return err
			}
			return writeFile(d.dir, name+".tlog-proof", p.Encode())
		})
		if err != nil {
			return err
		}
	}
	return nil
}
