package tlog

import (
	"encoding/binary"
	"errors"
	"slices"
	"testing"

	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"pgregory.net/rapid"
)

// reference is the same tree built by the second implementation.
type reference struct {
	nodes  map[compact.NodeID][]byte
	rng    *compact.Range
	leaves []Hash
	roots  []Hash // by size
}

func newReference(t testing.TB, size int) *reference {
	t.Helper()
	r := &reference{nodes: map[compact.NodeID][]byte{}}
	r.rng = (&compact.RangeFactory{Hash: rfc6962.DefaultHasher.HashChildren}).NewEmptyRange(0)
	r.roots = append(r.roots, Hash(rfc6962.DefaultHasher.EmptyRoot()))
	for i := range size {
		r.add(t, testEntry(i))
	}
	return r
}

func (r *reference) add(t testing.TB, entry []byte) {
	t.Helper()
	leaf := rfc6962.DefaultHasher.HashLeaf(entry)
	r.nodes[compact.NewNodeID(0, r.rng.End())] = leaf
	if err := r.rng.Append(leaf, func(id compact.NodeID, h []byte) { r.nodes[id] = h }); err != nil {
		t.Fatal(err)
	}
	root, err := r.rng.GetRootHash(nil)
	if err != nil {
		t.Fatal(err)
	}
	r.leaves = append(r.leaves, Hash(leaf))
	r.roots = append(r.roots, Hash(root))
}

// path computes a proof of the second implementation.
func (r *reference) path(t testing.TB, n proof.Nodes, err error) []Hash {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	hashes := make([][]byte, len(n.IDs))
	for i, id := range n.IDs {
		hashes[i] = r.nodes[id]
	}
	hashes, err = n.Rehash(hashes, rfc6962.DefaultHasher.HashChildren)
	if err != nil {
		t.Fatal(err)
	}
	var out []Hash
	for _, h := range hashes {
		out = append(out, Hash(h))
	}
	return out
}

func (r *reference) inclusion(t testing.TB, index, size uint64) []Hash {
	n, err := proof.Inclusion(index, size)
	return r.path(t, n, err)
}

func (r *reference) consistency(t testing.TB, oldSize, newSize uint64) []Hash {
	n, err := proof.Consistency(oldSize, newSize)
	return r.path(t, n, err)
}

// testEntry is entry i of every test log: of different lengths, some empty.
func testEntry(i int) []byte {
	if i%37 == 5 {
		return nil
	}
	b := binary.AppendUvarint(nil, uint64(i))
	return append(b, make([]byte, i%7)...)
}

func slicesOf(p []Hash) [][]byte {
	out := make([][]byte, len(p))
	for i := range p {
		out[i] = p[i][:]
	}
	return out
}

// A Frontier gives the same root and newest-leaf proof as the second
// implementation for every size, and stays canonical.
func TestFrontierAgainstSecondImplementation(t *testing.T) {
	t.Parallel()
	ref := newReference(t, 600)
	var f Frontier
	for size := uint64(0); ; size++ {
		if err := f.Validate(); err != nil {
			t.Fatal(err)
		}
		if f.Size != size || f.Root() != ref.roots[size] {
			t.Fatalf("size %d: wrong root", size)
		}
		if size > 0 {
			want := ref.inclusion(t, size-1, size)
			if !slices.Equal(f.LastProof(), want) {
				t.Fatalf("size %d: wrong proof of the newest leaf", size)
			}
		}
		if size == 600 {
			break
		}
		before := f.Clone()
		f.Append(ref.leaves[size])
		if err := before.Validate(); err != nil || before.Root() != ref.roots[size] {
			t.Fatalf("size %d: append changed a clone", size)
		}
	}
}

// The edge of the tiles determines the same root.
func TestEdgeRoot(t *testing.T) {
	t.Parallel()
	ref := newReference(t, 70000)
	var e edge
	for size := range 70001 {
		if (size < 1000 || size%251 == 0 || size > 65500 && size < 65600) && e.root() != ref.roots[size] {
			t.Fatalf("size %d: wrong root", size)
		}
		if size < 70000 {
			if err := e.add(ref.leaves[size], func(int, uint64, []Hash) error { return nil }); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestFrontierValidateRefusesOtherForms(t *testing.T) {
	t.Parallel()
	ref := newReference(t, 300)
	var f Frontier
	for i := range 300 {
		f.Append(ref.leaves[i])
		for _, bad := range []Frontier{
			{Size: f.Size, Nodes: f.Nodes[1:]},
			{Size: f.Size, Nodes: append(f.Clone().Nodes, Hash{})},
			{Size: 0, Nodes: f.Nodes},
			{Size: MaxSize, Nodes: f.Nodes},
			{Size: f.Size},
		} {
			if bad.Validate() == nil {
				t.Fatalf("size %d: accepted %d nodes for size %d", f.Size, len(bad.Nodes), bad.Size)
			}
		}
	}
}

// Appending to what Validate refuses stops the program instead of giving a root
// that nobody else computes.
func TestFrontierAppendPanicsOutsideItsContract(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]Frontier{
		"not canonical": {Size: 3, Nodes: make([]Hash, 1)},
		"full":          {Size: MaxSize - 1, Nodes: make([]Hash, frontierLen(MaxSize-1))},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Fatal("no panic")
				}
			}()
			f.Append(Hash{})
		})
	}
}

// Every inclusion path of a small tree verifies, in both implementations.
func TestInclusionExhaustive(t *testing.T) {
	t.Parallel()
	ref := newReference(t, 70)
	for size := uint64(1); size <= 70; size++ {
		for index := range size {
			p := ref.inclusion(t, index, size)
			if err := VerifyInclusion(size, index, ref.leaves[index], p, ref.roots[size]); err != nil {
				t.Fatal(err)
			}
			for _, n := range []int{len(p) - 1, len(p) + 1} {
				if n < 0 {
					continue
				}
				other := append(slices.Clone(p), Hash{})[:n]
				if _, err := RootFromInclusion(size, index, ref.leaves[index], other); !errors.Is(err, ErrProof) {
					t.Fatalf("index %d size %d: path of %d hashes accepted", index, size, n)
				}
			}
		}
	}
}

// Verification agrees with the second implementation on honest and on altered
// proofs, at any size.
func TestInclusionAgreesWithSecondImplementation(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.Uint64Range(1, MaxSize-1).Draw(t, "size")
		index := rapid.Uint64Range(0, size-1).Draw(t, "index")
		n := inclusionLen(size, index) + rapid.SampledFrom([]int{0, 0, 0, 0, -1, 1}).Draw(t, "off")
		p := make([]Hash, max(n, 0))
		for i := range p {
			p[i][0] = rapid.Byte().Draw(t, "hash")
		}
		leaf := Hash{1}
		want, wantErr := proof.RootFromInclusionProof(rfc6962.DefaultHasher, index, size, leaf[:], slicesOf(p))
		got, err := RootFromInclusion(size, index, leaf, p)
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("got error %v, second implementation %v", err, wantErr)
		}
		if err == nil && got != Hash(want) {
			t.Fatal("roots differ")
		}
	})
}

// Honest consistency proofs verify; each altered one is refused exactly when the
// second implementation refuses it.
func TestConsistencyAgreesWithSecondImplementation(t *testing.T) {
	t.Parallel()
	ref := newReference(t, 600)
	rapid.Check(t, func(t *rapid.T) {
		newSize := rapid.Uint64Range(1, 600).Draw(t, "new")
		oldSize := rapid.Uint64Range(1, newSize).Draw(t, "old")
		n, err := proof.Consistency(oldSize, newSize)
		if err != nil {
			t.Fatal(err)
		}
		hashes := make([][]byte, len(n.IDs))
		for i, id := range n.IDs {
			hashes[i] = ref.nodes[id]
		}
		if hashes, err = n.Rehash(hashes, rfc6962.DefaultHasher.HashChildren); err != nil {
			t.Fatal(err)
		}
		var p []Hash
		for _, h := range hashes {
			p = append(p, Hash(h))
		}
		oldRoot, newRoot := ref.roots[oldSize], ref.roots[newSize]
		if err := VerifyConsistency(oldSize, newSize, oldRoot, newRoot, p); err != nil {
			t.Fatal(err)
		}
		switch rapid.IntRange(0, 5).Draw(t, "change") {
		case 0:
			oldRoot[3] ^= 1
		case 1:
			newRoot[3] ^= 1
		case 2:
			p = append(p, Hash{})
		case 3:
			if len(p) > 0 {
				p = p[1:]
			}
		case 4:
			if len(p) > 0 {
				p[len(p)/2][7] ^= 4
			}
		case 5:
			oldSize = rapid.Uint64Range(1, newSize).Draw(t, "other")
		}
		want := proof.VerifyConsistency(rfc6962.DefaultHasher, oldSize, newSize, slicesOf(p), oldRoot[:], newRoot[:])
		got := VerifyConsistency(oldSize, newSize, oldRoot, newRoot, p)
		if (got == nil) != (want == nil) {
			t.Fatalf("%d to %d: got %v, second implementation %v", oldSize, newSize, got, want)
		}
	})
}

// The cases that RFC 9162 leaves open are decided as VerifyConsistency documents.
func TestConsistencyBorderCases(t *testing.T) {
	t.Parallel()
	ref := newReference(t, 10)
	empty, root := ref.roots[0], ref.roots[10]
	for _, c := range []struct {
		name     string
		old, new uint64
		or, nr   Hash
		proof    []Hash
		ok       bool
	}{
		{"both empty", 0, 0, empty, empty, nil, true},
		{"from empty", 0, 10, empty, root, nil, true},
		{"from empty with proof", 0, 10, empty, root, []Hash{root}, false},
		{"from empty with another old root", 0, 10, Hash{}, root, nil, false},
		{"empty with another root", 0, 0, root, root, nil, false},
		{"equal", 10, 10, root, root, nil, true},
		{"equal with proof", 10, 10, root, root, []Hash{root}, false},
		{"equal with two roots", 10, 10, root, empty, nil, false},
		{"shrinking", 10, 9, root, ref.roots[9], nil, false},
		{"no proof", 9, 10, ref.roots[9], root, nil, false},
		{"too large", 10, MaxSize, root, root, nil, false},
		{"far too long", 9, 10, ref.roots[9], root, make([]Hash, 1000), false},
	} {
		err := VerifyConsistency(c.old, c.new, c.or, c.nr, c.proof)
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
		if err != nil && !errors.Is(err, ErrProof) {
			t.Errorf("%s: error does not wrap ErrProof: %v", c.name, err)
		}
	}
}

// Of every tree and every older size the path that ConsistencyRanges names leads
// to both true roots; with one hash changed, left out or added it does not.
func TestRootsFromConsistencyExhaustive(t *testing.T) {
	t.Parallel()
	const most = 40
	leaves := make([]Hash, most)
	roots := make([]Hash, most+1)
	var whole Frontier
	for i := range leaves {
		leaves[i] = LeafHash(testEntry(i))
		whole.Append(leaves[i])
		roots[i+1] = whole.Root()
	}
	for newSize := uint64(2); newSize <= most; newSize++ {
		for oldSize := uint64(1); oldSize < newSize; oldSize++ {
			var path []Hash
			for _, r := range ConsistencyRanges(oldSize, newSize) {
				var part Frontier
				for _, leaf := range leaves[r[0]:r[1]] {
					part.Append(leaf)
				}
				path = append(path, part.Root())
			}
			older, newer, err := RootsFromConsistency(oldSize, newSize, path)
			if err != nil || older != roots[oldSize] || newer != roots[newSize] {
				t.Fatalf("%d to %d: other roots, %v", oldSize, newSize, err)
			}
			proof := path
			if oldSize&(oldSize-1) == 0 {
				proof = path[1:]
			}
			if err := VerifyConsistency(oldSize, newSize, older, newer, proof); err != nil {
				t.Fatalf("%d to %d: the path is not the proof of RFC 9162: %v", oldSize, newSize, err)
			}
			for i := range path {
				path[i][0] ^= 1
				if _, newer, err := RootsFromConsistency(oldSize, newSize, path); err != nil || newer == roots[newSize] {
					t.Fatalf("%d to %d: hash %d counts for nothing", oldSize, newSize, i)
				}
				path[i][0] ^= 1
			}
			for _, p := range [][]Hash{path[1:], append(path[:len(path):len(path)], Hash{})} {
				if _, _, err := RootsFromConsistency(oldSize, newSize, p); !errors.Is(err, ErrProof) {
					t.Fatalf("%d to %d with %d hashes: %v", oldSize, newSize, len(p), err)
				}
			}
		}
	}
	for _, sizes := range [][2]uint64{{0, 5}, {5, 5}, {6, 5}, {1, MaxSize}} {
		if _, _, err := RootsFromConsistency(sizes[0], sizes[1], []Hash{{}}); !errors.Is(err, ErrProof) {
			t.Errorf("%v: %v", sizes, err)
		}
	}
}

// Promise: the ranges of an inclusion path have the roots that the store proves an entry with.
func TestInclusionRanges(t *testing.T) {
	t.Parallel()
	const most = 70
	leaves := make([]Hash, most)
	for i := range leaves {
		leaves[i] = LeafHash([]byte{byte(i)})
	}
	for size := uint64(1); size <= most; size++ {
		var whole Frontier
		for _, l := range leaves[:size] {
			whole.Append(l)
		}
		for index := range size {
			var path []Hash
			for _, r := range InclusionRanges(index, size) {
				var f Frontier
				for _, l := range leaves[r[0]:r[1]] {
					f.Append(l)
				}
				path = append(path, f.Root())
			}
			if err := VerifyInclusion(size, index, leaves[index], path, whole.Root()); err != nil {
				t.Fatalf("entry %d of %d: %v", index, size, err)
			}
		}
	}
	if InclusionRanges(3, 3) != nil {
		t.Error("a path of no entry")
	}
}
