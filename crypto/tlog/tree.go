// Package tlog is the append-only Merkle log of a party: the tree of RFC 6962
// over opaque entries, its proofs, its files on disk, and its signed heads.
//
// There are four parts, each usable without the others:
//
//   - Frontier and the Verify functions are pure values and functions. The
//     deterministic ledger and the other party's checks use only these.
//   - Store keeps a log on disk in the tile layout of C2SP tlog-tiles
//     (https://c2sp.org/tlog-tiles), with a growing edge of our own.
//   - Archive reads an exported log that somebody else may have altered.
//   - Checkpoint is the signed head of a log (C2SP tlog-checkpoint, signed-note),
//     and Proof shows an entry in it to whoever has nothing else (C2SP tlog-proof).
//
// Nothing here reads a clock, a network or a source of randomness.
package tlog

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"math/bits"
	"slices"

	sumdb "golang.org/x/mod/sumdb/tlog"
)

// Hash is a SHA-256 node of the tree.
type Hash = [sha256.Size]byte

const (
	// MaxSize bounds every tree: sizes are smaller than MaxSize. At a thousand
	// entries a second it is reached after 35 thousand years; the bound keeps all
	// arithmetic on indexes far from overflow.
	MaxSize = 1 << 50

	// MaxEntry is the longest entry in bytes. C2SP tlog-tiles gives the length
	// of an entry in a bundle two bytes.
	MaxEntry = 1<<16 - 1

	// MaxPath is the longest honest proof: one hash for each level of the
	// tallest tree, and one more for a consistency proof.
	MaxPath = 51
)

// ErrProof is wrapped by every error that says that a proof does not hold.
var ErrProof = errors.New("proof does not hold")

// LeafHash is the hash of an entry as a leaf, SHA-256(0x00 || entry), RFC 6962 §2.1.
func LeafHash(entry []byte) Hash { return Hash(sumdb.RecordHash(entry)) }

// nodeHash is SHA-256(0x01 || left || right), RFC 6962 §2.1.
func nodeHash(left, right Hash) Hash {
	return Hash(sumdb.NodeHash(sumdb.Hash(left), sumdb.Hash(right)))
}

// emptyRoot is the root of the tree without leaves, RFC 6962 §2.1.
func emptyRoot() Hash { return sha256.Sum256(nil) }

// Frontier is the compact right edge of a tree: enough to append, to give the
// root, and to prove the newest leaf. It is a pure value; the zero Frontier is
// the empty tree. It is not safe for concurrent use.
//
// The canonical form, which Validate checks: for Size 0 there are no Nodes.
// Otherwise Nodes holds the roots of the perfect subtrees that the first Size-1
// leaves fall into, largest (leftmost) first, one for each bit set in Size-1,
// and after them the hash of the newest leaf. A tree has exactly one canonical
// Frontier, so two Frontiers are of the same tree when they are equal.
type Frontier struct {
	Size  uint64
	Nodes []Hash
}

// Clone returns a copy that shares nothing with f.
func (f Frontier) Clone() Frontier {
	f.Nodes = append([]Hash(nil), f.Nodes...)
	return f
}

// Validate reports whether f has the canonical form. It cannot know whether the
// hashes are right: compare Root with a trusted root for that.
func (f Frontier) Validate() error {
	if f.Size >= MaxSize {
		return fmt.Errorf("frontier: size %d is not below %d", f.Size, uint64(MaxSize))
	}
	if want := frontierLen(f.Size); len(f.Nodes) != want {
		return fmt.Errorf("frontier: %d nodes for size %d, want %d", len(f.Nodes), f.Size, want)
	}
	return nil
}

func frontierLen(size uint64) int {
	if size == 0 {
		return 0
	}
	return bits.OnesCount64(size-1) + 1
}

// Append adds the hash of one more leaf. It panics on a Frontier that is not
// canonical or is full: both are errors of the program, never of its input,
// because whatever comes from outside goes through Validate first.
func (f *Frontier) Append(leaf Hash) {
	if err := f.Validate(); err != nil {
		panic("tlog: append: " + err.Error())
	}
	if f.Size+1 >= MaxSize {
		panic("tlog: append: the tree is full")
	}
	if f.Size > 0 {
		// The newest leaf joins the perfect subtrees of the leaves before it,
		// once for each one bit at the end of their number, like a carry.
		last := len(f.Nodes) - 1
		for carry := f.Size - 1; carry&1 == 1; carry >>= 1 {
			f.Nodes[last-1] = nodeHash(f.Nodes[last-1], f.Nodes[last])
			last--
		}
		f.Nodes = f.Nodes[:last+1]
	}
	f.Nodes = append(f.Nodes, leaf)
	f.Size++
}

// Root is the Merkle tree hash, RFC 6962 §2.1. Of the empty tree it is SHA-256
// of the empty string.
func (f Frontier) Root() Hash {
	if len(f.Nodes) == 0 {
		return emptyRoot()
	}
	h := f.Nodes[len(f.Nodes)-1]
	for i := len(f.Nodes) - 2; i >= 0; i-- {
		h = nodeHash(f.Nodes[i], h)
	}
	return h
}

// LastProof is the inclusion path of leaf Size-1 in the tree of size Size,
// nearest sibling first (RFC 9162 §2.1.3.1). It is nil for sizes 0 and 1.
func (f Frontier) LastProof() []Hash {
	if len(f.Nodes) < 2 {
		return nil
	}
	// All siblings of the newest leaf lie to its left, and they are exactly the
	// perfect subtrees of the leaves before it.
	path := make([]Hash, 0, len(f.Nodes)-1)
	for i := len(f.Nodes) - 2; i >= 0; i-- {
		path = append(path, f.Nodes[i])
	}
	return path
}

// RootFromInclusion computes the root that an inclusion path implies for the
// leaf at index in the tree of the given size, RFC 9162 §2.1.3.2. It fails when
// size or index is out of range or the path has the wrong length.
func RootFromInclusion(size, index uint64, leaf Hash, path []Hash) (Hash, error) {
	if size >= MaxSize || index >= size {
		return Hash{}, fmt.Errorf("%w: index %d in a tree of size %d", ErrProof, index, size)
	}
	if want := inclusionLen(size, index); len(path) != want {
		return Hash{}, fmt.Errorf("%w: inclusion path of %d hashes for index %d in size %d, want %d",
			ErrProof, len(path), index, size, want)
	}
	fn, sn, r := index, size-1, leaf
	for _, p := range path {
		if fn&1 == 1 || fn == sn {
			r = nodeHash(p, r)
			for fn&1 == 0 && fn != 0 {
				fn >>= 1
				sn >>= 1
			}
		} else {
			r = nodeHash(r, p)
		}
		fn >>= 1
		sn >>= 1
	}
	return r, nil
}

// inclusionLen is the only length an inclusion path can have: one sibling for
// each level below the point where the paths of the leaf and of the last leaf
// part, and above it one for each time the path turns right.
func inclusionLen(size, index uint64) int {
	inner := bits.Len64(index ^ (size - 1))
	return inner + bits.OnesCount64(index>>inner)
}

// VerifyInclusion checks that leaf is at index in the tree of the given size and
// root, RFC 9162 §2.1.3.2. Its error wraps ErrProof.
func VerifyInclusion(size, index uint64, leaf Hash, path []Hash, root Hash) error {
	got, err := RootFromInclusion(size, index, leaf, path)
	if err != nil {
		return err
	}
	if got != root {
		return fmt.Errorf("%w: the inclusion path of index %d in size %d leads to another root", ErrProof, index, size)
	}
	return nil
}

// VerifyConsistency checks that the tree of newSize and newRoot extends the tree
// of oldSize and oldRoot, RFC 9162 §2.1.4.2. The two cases that the RFC leaves to
// the caller: equal sizes hold when the roots are equal and the proof is empty;
// old size 0 holds when oldRoot is the root of the empty tree and the proof is
// empty, whatever the new root. Its error wraps ErrProof.
func VerifyConsistency(oldSize, newSize uint64, oldRoot, newRoot Hash, proof []Hash) error {
	if newSize >= MaxSize || oldSize > newSize {
		return fmt.Errorf("%w: consistency from size %d to %d", ErrProof, oldSize, newSize)
	}
	if oldSize == 0 && oldRoot != emptyRoot() || newSize == 0 && newRoot != emptyRoot() {
		return fmt.Errorf("%w: a tree of size 0 has another root than the empty tree", ErrProof)
	}
	if oldSize == newSize && oldRoot != newRoot {
		return fmt.Errorf("%w: two roots for size %d", ErrProof, oldSize)
	}
	if oldSize == 0 || oldSize == newSize {
		if len(proof) != 0 {
			return fmt.Errorf("%w: %d hashes where the proof must be empty", ErrProof, len(proof))
		}
		return nil
	}
	if len(proof) > MaxPath {
		return fmt.Errorf("%w: %d hashes, at most %d are possible", ErrProof, len(proof), MaxPath)
	}
	p := make(sumdb.TreeProof, len(proof))
	for i, h := range proof {
		p[i] = sumdb.Hash(h)
	}
	if err := sumdb.CheckTree(p, int64(newSize), sumdb.Hash(newRoot), int64(oldSize), sumdb.Hash(oldRoot)); err != nil {
		return fmt.Errorf("%w: size %d does not extend size %d", ErrProof, newSize, oldSize)
	}
	return nil
}

// RootsFromConsistency computes the two roots that the nodes of a consistency
// proof imply, RFC 9162 §2.1.4.2, for 0 < oldSize < newSize. path is that of
// SUBPROOF(oldSize, newSize leaves, false) of §2.1.4.1: it begins with the root
// of the last perfect subtree of the older tree even where that is the older
// tree itself, which VerifyConsistency's proof leaves out. Whoever knows newer to
// be the root of a tree learns what its first oldSize leaves lead to. The error
// wraps ErrProof.
func RootsFromConsistency(oldSize, newSize uint64, path []Hash) (older, newer Hash, err error) {
	if oldSize == 0 || oldSize >= newSize || newSize >= MaxSize {
		return older, newer, fmt.Errorf("%w: consistency from size %d to %d", ErrProof, oldSize, newSize)
	}
	if want := len(ConsistencyRanges(oldSize, newSize)); len(path) != want {
		return older, newer, fmt.Errorf("%w: %d hashes lead from size %d to %d, not %d", ErrProof, want, oldSize, newSize, len(path))
	}
	fn, sn := oldSize-1, newSize-1
	for fn&1 == 1 {
		fn, sn = fn>>1, sn>>1
	}
	older, newer = path[0], path[0]
	for _, c := range path[1:] {
		if fn&1 == 1 || fn == sn {
			older, newer = nodeHash(c, older), nodeHash(c, newer)
			for fn&1 == 0 && fn != 0 {
				fn, sn = fn>>1, sn>>1
			}
		} else {
			newer = nodeHash(newer, c)
		}
		fn, sn = fn>>1, sn>>1
	}
	return older, newer, nil
}

// ConsistencyRanges names the nodes of RootsFromConsistency's path for
// 0 < oldSize < newSize: the root of leaves from..to-1 each, in order. It is nil
// for other sizes.
func ConsistencyRanges(oldSize, newSize uint64) (list [][2]uint64) {
	if oldSize == 0 || oldSize >= newSize {
		return nil
	}
	// SUBPROOF descends from the whole tree to where the older one ends, and
	// notes the siblings on its way; they stand in the path from below.
	from, to := uint64(0), newSize
	for oldSize != to {
		middle := from + 1<<(bits.Len64(to-from-1)-1)
		if oldSize <= middle {
			list, to = append(list, [2]uint64{middle, to}), middle
		} else {
			list, from = append(list, [2]uint64{from, middle}), middle
		}
	}
	list = append(list, [2]uint64{from, to})
	slices.Reverse(list)
	return list
}

// InclusionRanges names the nodes of the path of the entry at index in the tree of
// the given size, as VerifyInclusion reads it: the root of leaves from..to-1 each,
// from the sibling of the leaf up. It is nil if there is no such entry.
func InclusionRanges(index, size uint64) (list [][2]uint64) {
	if index >= size {
		return nil
	}
	from, to := uint64(0), size
	for to-from > 1 {
		middle := from + 1<<(bits.Len64(to-from-1)-1)
		if index < middle {
			list, to = append(list, [2]uint64{middle, to}), middle
		} else {
			list, from = append(list, [2]uint64{from, middle}), middle
		}
	}
	slices.Reverse(list)
	return list
}
