package seal

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"testing"

	"github.com/fxamacker/cbor/v2"
	"github.com/veraison/go-cose"
	"golang.org/x/mod/sumdb/tlog"

	"example.org/hotline/crypto/keys"
)

// testTree is a Merkle log of n small leaves, by an independent implementation.
type testTree struct{ hashes []tlog.Hash }

func newTestTree(t testing.TB, n int64) *testTree {
	t.Helper()
	tree := &testTree{}
	for i := range n {
		h, err := tlog.StoredHashes(i, fmt.Append(nil, i), tree)
		if err != nil {
			t.Fatal(err)
		}
		tree.hashes = append(tree.hashes, h...)
	}
	return tree
}

func (t *testTree) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, at := range indexes {
		out[i] = t.hashes[at]
	}
	return out, nil
}

func (t *testTree) proof(tb testing.TB, size, index int64) (InclusionProof, [32]byte) {
	tb.Helper()
	root, err := tlog.TreeHash(size, t)
	if err != nil {
		tb.Fatal(err)
	}
	path, err := tlog.ProveRecord(size, index, t)
	if err != nil {
		tb.Fatal(err)
	}
	p := InclusionProof{Size: uint64(size), Index: uint64(index), Path: make([][32]byte, len(path))}
	for i, h := range path {
		p.Path[i] = h
	}
	return p, root
}

// proves reports whether the proof leads from the leaf to the root.
func (p InclusionProof) proves(root [32]byte) bool {
	path := make(tlog.RecordProof, len(p.Path))
	for i, h := range p.Path {
		path[i] = h
	}
	leaf := tlog.RecordHash(fmt.Append(nil, p.Index))
	return tlog.CheckRecord(path, int64(p.Size), root, int64(p.Index), leaf) == nil
}

// testClaims says index and size: {1: 4, 2: 5}.
var testClaims = []byte{0xa2, 1, 4, 2, 5}

func mustReceipt(t testing.TB, k *keys.Private) (raw []byte, root [32]byte) {
	t.Helper()
	proof, root := newTestTree(t, 5).proof(t, 5, 4)
	raw, err := SignReceipt(testClaims, root, proof, testAAD, k)
	if err != nil {
		t.Fatal(err)
	}
	return raw, root
}

// checkReceipt does what a caller has to do: parse, verify, compare the proof
// with the claims, and follow it to the root.
func checkReceipt(raw []byte, root [32]byte, aad []byte, key keys.Public) error {
	r, err := ParseReceipt(raw, testMax)
	if err != nil {
		return err
	}
	if err := r.Verify(root, aad, key); err != nil {
		return err
	}
	var claims map[int]uint64
	if err := cbor.Unmarshal(r.Claims, &claims); err != nil {
		return err
	}
	if claims[1] != r.Proof.Index || claims[2] != r.Proof.Size || !r.Proof.proves(root) {
		return errors.New("proof does not fit")
	}
	return nil
}

// Promise: a receipt carries claims and proof for each leaf of each tree, down to
// the tree of one leaf, and verifies under the log's key, root and aad only.
func TestReceiptRoundTrip(t *testing.T) {
	k := mustKey(t, keys.Ed25519, 1)
	tree := newTestTree(t, 33)
	for size := int64(1); size <= 33; size++ {
		for index := range size {
			proof, root := tree.proof(t, size, index)
			claims := mustEncode(t, map[int]int64{1: index, 2: size})
			raw, err := SignReceipt(claims, root, proof, testAAD, k)
			if err != nil {
				t.Fatalf("leaf %d of %d: %v", index, size, err)
			}
			if err := checkReceipt(raw, root, testAAD, k.Public()); err != nil {
				t.Fatalf("leaf %d of %d: %v", index, size, err)
			}
		}
	}
	for _, k := range allKeys(t) {
		raw, root := mustReceipt(t, k)
		if err := checkReceipt(raw, root, testAAD, k.Public()); err != nil {
			t.Errorf("%s: %v", k.Public().Algorithm(), err)
		}
		again, _ := mustReceipt(t, k)
		if !bytes.Equal(raw, again) {
			t.Errorf("%s: a receipt is not the same every time", k.Public().Algorithm())
		}
	}
}

// Promise: other root, aad, key or algorithm: refused.
func TestReceiptRefused(t *testing.T) {
	k := mustKey(t, keys.Ed25519, 1)
	raw, root := mustReceipt(t, k)
	r, err := ParseReceipt(raw, testMax)
	if err != nil {
		t.Fatal(err)
	}
	other := root
	other[31] ^= 1
	for name, c := range map[string]struct {
		err, want error
	}{
		"root":      {r.Verify(other, testAAD, k.Public()), keys.ErrSignature},
		"aad":       {r.Verify(root, nil, k.Public()), keys.ErrSignature},
		"key":       {r.Verify(root, testAAD, mustKey(t, keys.Ed25519, 2).Public()), keys.ErrSignature},
		"algorithm": {r.Verify(root, testAAD, mustKey(t, keys.ES256, 1).Public()), ErrSigners},
		"zero key":  {r.Verify(root, testAAD, keys.Public{}), ErrSigners},
	} {
		if !errors.Is(c.err, c.want) {
			t.Errorf("%s: %v", name, c.err)
		}
	}
	if _, err := ParseReceipt(raw, len(raw)-1); !errors.Is(err, ErrTooLarge) {
		t.Errorf("over the limit: %v", err)
	}
}

// Promise: every single flipped bit of a receipt is refused.
func TestReceiptBitFlips(t *testing.T) {
	for _, k := range allKeys(t)[:2] {
		raw, root := mustReceipt(t, k)
		for bit := range len(raw) * 8 {
			raw[bit/8] ^= 1 << (bit % 8)
			if checkReceipt(raw, root, testAAD, k.Public()) == nil {
				t.Fatalf("%s: flip of bit %d of %d accepted", k.Public().Algorithm(), bit, len(raw)*8)
			}
			raw[bit/8] ^= 1 << (bit % 8)
		}
	}
}

func receiptShape(protected []byte, unprotected, payload, sig any) any {
	return cbor.Tag{Number: 18, Content: []any{protected, unprotected, payload, sig}}
}

// Promise: a receipt is the structure of RFC 9942, and its signature is over the
// Sig_structure of RFC 9052 with the root as detached payload; both are built
// here by another encoder.
func TestReceiptStructure(t *testing.T) {
	k := mustKey(t, keys.ES256, 1)
	raw, root := mustReceipt(t, k)
	r, err := ParseReceipt(raw, testMax)
	if err != nil {
		t.Fatal(err)
	}
	protected := mustEncode(t, map[int]any{1: -7, 395: 1, ClaimsLabel: cbor.RawMessage(testClaims)})
	path := []any{}
	for _, h := range r.Proof.Path {
		path = append(path, h[:])
	}
	proof := mustEncode(t, []any{5, 4, path})
	want, err := cbor.Marshal(receiptShape(protected, map[int]any{396: map[int]any{-1: []any{proof}}}, nil, r.Signature))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(raw, want) {
		t.Errorf("encoded\n%x, want\n%x", raw, want)
	}
	tbs := mustEncode(t, []any{"Signature1", protected, testAAD, root[:]})
	if err := k.Public().Verify(tbs, r.Signature); err != nil {
		t.Error(err)
	}
}

// Promise: go-cose verifies our receipts, and what it signs in our profile is our
// receipt byte for byte.
func TestReceiptGoCOSE(t *testing.T) {
	for _, k := range allKeys(t) {
		raw, root := mustReceipt(t, k)
		var m cose.Sign1Message
		if err := m.UnmarshalCBOR(raw); err != nil {
			t.Fatal(err)
		}
		m.Payload = root[:]
		if err := m.Verify(testAAD, coseKey{k}); err != nil {
			t.Errorf("%s: %v", k.Public().Algorithm(), err)
		}
		r, err := ParseReceipt(raw, testMax)
		if err != nil {
			t.Fatal(err)
		}
		theirs := cose.NewSign1Message()
		theirs.Headers.RawProtected = mustEncode(t, r.protected)
		theirs.Headers.Unprotected[int64(396)] = map[int64]any{-1: []any{encodeProof(r.Proof)}}
		theirs.Payload = root[:]
		if err := theirs.Sign(nil, testAAD, coseKey{k}); err != nil {
			t.Fatal(err)
		}
		theirs.Payload = nil
		got, err := theirs.MarshalCBOR()
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, raw) {
			t.Errorf("%s: go-cose makes\n%x, we\n%x", k.Public().Algorithm(), got, raw)
		}
	}
}

// Promise: a receipt has one encoding; other labels, orders, proofs or shapes
// around a valid signature are refused.
func TestReceiptOneEncoding(t *testing.T) {
	k := mustKey(t, keys.Ed25519, 1)
	raw, _ := mustReceipt(t, k)
	r, err := ParseReceipt(raw, testMax)
	if err != nil {
		t.Fatal(err)
	}
	proof, protected := encodeProof(r.Proof), r.protected
	forms := widened(t, raw)
	for _, p := range widened(t, proof) {
		forms = append(forms, mustEncodeTag(t, receiptShape(protected, map[int]any{396: map[int]any{-1: []any{p}}}, nil, r.Signature)))
	}
	for _, p := range widened(t, protected) {
		forms = append(forms, mustEncodeTag(t, receiptShape(p, map[int]any{396: map[int]any{-1: []any{proof}}}, nil, r.Signature)))
	}
	vdp := map[int]any{396: map[int]any{-1: []any{proof}}}
	for _, headers := range []map[int]any{
		{1: -19, 395: 1}, {1: -19, 395: 2, ClaimsLabel: 1}, {1: -8, 395: 1, ClaimsLabel: map[int]int{1: 1}},
		{1: -19, ClaimsLabel: map[int]int{1: 1}}, {1: -19, 395: 1, ClaimsLabel: map[int]int{}},
		{1: -19, 395: 1, ClaimsLabel: []int{1}}, {1: -19, 2: []int{7}, 395: 1, ClaimsLabel: map[int]int{1: 1}},
		{1: -19, 395: 1, ClaimsLabel: map[int]int{1: 1}, -70003: 1}, {},
	} {
		forms = append(forms, mustEncodeTag(t, receiptShape(mustEncode(t, headers), vdp, nil, r.Signature)))
	}
	for _, unprotected := range []any{
		map[int]int{}, map[int]any{396: []any{proof}}, map[int]any{396: map[int]any{-1: []any{}}},
		map[int]any{396: map[int]any{-1: []any{proof, proof}}}, map[int]any{396: map[int]any{-2: []any{proof}}},
		map[int]any{396: map[int]any{-1: []any{proof}, -2: []any{proof}}}, map[int]any{396: map[int]any{-1: proof}},
		map[int]any{396: vdp[396], 4: []byte("kid")}, map[int]any{394: vdp[396]}, nil,
		map[int]any{396: map[int]any{-1: []any{append(bytes.Clone(proof), 0)}}},
	} {
		forms = append(forms, mustEncodeTag(t, receiptShape(protected, unprotected, nil, r.Signature)))
	}
	forms = append(forms, append(bytes.Clone(raw), 0), raw[1:],
		mustEncodeTag(t, receiptShape(protected, vdp, []byte{}, r.Signature)),
		mustEncodeTag(t, receiptShape(protected, vdp, nil, r.Signature[1:])),
		mustEncodeTag(t, receiptShape(protected, vdp, nil, nil)))
	for n := range raw {
		forms = append(forms, raw[:n])
	}
	for _, b := range forms {
		if _, err := ParseReceipt(b, testMax); !errors.Is(err, ErrMalformed) {
			t.Errorf("%x: %v", b, err)
		}
	}
	if !bytes.Equal(mustEncodeTag(t, receiptShape(protected, vdp, nil, r.Signature)), raw) {
		t.Error("the shapes do not start from a good one")
	}
}

func mustEncodeTag(t testing.TB, v any) []byte {
	t.Helper()
	b, err := cbor.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Promise: a proof whose numbers cannot belong together is neither signed nor read.
func TestProofBounds(t *testing.T) {
	k := mustKey(t, keys.Ed25519, 1)
	hashes := func(n int) [][32]byte { return make([][32]byte, n) }
	for name, p := range map[string]InclusionProof{
		"empty tree":     {},
		"index = size":   {Size: 5, Index: 5, Path: hashes(1)},
		"path too long":  {Size: 1, Path: hashes(1)},
		"path too short": {Size: 5, Index: 0, Path: hashes(2)},
		"longest + 1":    {Size: math.MaxInt64, Path: hashes(MaxPath + 1)},
		"size too large": {Size: math.MaxInt64 + 1, Path: hashes(MaxPath)},
	} {
		if _, err := SignReceipt(testClaims, [32]byte{}, p, nil, k); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: signed: %v", name, err)
		}
		if _, err := parseProof(encodeProof(p)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: read: %v", name, err)
		}
	}
	longest := InclusionProof{Size: math.MaxInt64, Index: 1, Path: hashes(MaxPath)}
	raw, err := SignReceipt(testClaims, [32]byte{}, longest, nil, k)
	if err != nil {
		t.Fatal(err)
	}
	if r, err := ParseReceipt(raw, testMax); err != nil || r.Verify([32]byte{}, nil, k.Public()) != nil {
		t.Errorf("longest: %v", err)
	}
	for name, claims := range map[string][]byte{"none": nil, "empty": {0xa0}, "unsorted": {0xa2, 2, 1, 1, 1}} {
		if _, err := SignReceipt(claims, [32]byte{}, longest, nil, k); !errors.Is(err, ErrMalformed) {
			t.Errorf("claims %s: %v", name, err)
		}
	}
	if _, err := SignReceipt(testClaims, [32]byte{}, longest, nil, new(keys.Private)); !errors.Is(err, ErrSigners) {
		t.Errorf("zero key: %v", err)
	}
	bad := badSigner{k.Public(), make([]byte, 64), nil}
	if _, err := SignReceipt(testClaims, [32]byte{}, longest, nil, bad); !errors.Is(err, keys.ErrSignature) {
		t.Errorf("bad signer: %v", err)
	}
}

// Promise: the length of a path is that of the independent implementation.
func TestPathLength(t *testing.T) {
	tree := newTestTree(t, 70)
	for size := int64(1); size <= 70; size++ {
		for index := range size {
			if p, _ := tree.proof(t, size, index); len(p.Path) != pathLength(p.Index, p.Size) {
				t.Fatalf("leaf %d of %d: %d hashes, computed %d", index, size, len(p.Path), pathLength(p.Index, p.Size))
			}
		}
	}
}

// Promise: ParseReceipt never fails but by an error, and what it accepts has one
// encoding.
func FuzzParseReceipt(f *testing.F) {
	for _, k := range allKeys(f) {
		raw, _ := mustReceipt(f, k)
		f.Add(raw)
	}
	k := mustKey(f, keys.Ed25519, 1)
	single, err := SignReceipt(testClaims, [32]byte{}, InclusionProof{Size: 1}, nil, k)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(single)
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := ParseReceipt(raw, testMax)
		if err != nil {
			return
		}
		again := encodeReceipt(r.protected, r.Proof, r.Signature)
		if !bytes.Equal(again, raw) {
			t.Errorf("%x has a second encoding %x", raw, again)
		}
		if !oracleAccepts(r.protected) {
			t.Errorf("header %x is not deterministic", r.protected)
		}
	})
}

func BenchmarkReceiptParseVerify(b *testing.B) {
	k := mustKey(b, keys.Ed25519, 1)
	raw, root := mustReceipt(b, k)
	public := k.Public()
	b.ReportAllocs()
	for b.Loop() {
		r, err := ParseReceipt(raw, testMax)
		if err != nil {
			b.Fatal(err)
		}
		if err := r.Verify(root, testAAD, public); err != nil {
			b.Fatal(err)
		}
	}
}
