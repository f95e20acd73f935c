package tlog

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"

	fproof "github.com/transparency-dev/formats/proof"

	"example.org/hotline/crypto/keys"
)

// proofsOf makes a log of size entries, and the proof of each with a cosigned
// checkpoint.
func proofsOf(t testing.TB, size int) (proofs []*Proof, leaves []Hash, c Checkpoint, list []Cosigner) {
	t.Helper()
	var front Frontier
	s := openStore(t, storeOf(t, size))
	for e, err := range s.Entries(0, uint64(size)) {
		if err != nil {
			t.Fatal(err)
		}
		leaves = append(leaves, LeafHash(e))
		front.Append(LeafHash(e))
	}
	k := testKey(t, keys.Ed25519, 1)
	c = Checkpoint{Origin: Origin("XA", 1), Size: uint64(size), Root: front.Root()}
	note, err := SignCheckpoint(c, k)
	if err != nil {
		t.Fatal(err)
	}
	list, lines := witness(t, "XB", c)
	for i := range leaves {
		path, err := s.Inclusion(uint64(i), uint64(size))
		if err != nil {
			t.Fatal(err)
		}
		proofs = append(proofs, &Proof{Index: uint64(i), Path: path, Checkpoint: append(bytes.Clone(note), lines...)})
	}
	return proofs, leaves, c, list
}

// A proof of every entry reads back, verifies with the cosignatures under it, and
// is the same to another implementation of C2SP tlog-proof, both ways.
func TestProofAgainstOtherImplementation(t *testing.T) {
	t.Parallel()
	key := testKey(t, keys.Ed25519, 1).Public()
	for _, size := range []int{1, 2, 7, 300} {
		proofs, leaves, c, list := proofsOf(t, size)
		for i, p := range proofs {
			if i%3 == 1 {
				p.Extra = []byte("XA")
			}
			b := p.Encode()
			got, err := ParseProof(b)
			if err != nil || !reflect.DeepEqual(got, p) {
				t.Fatal(i, got, err)
			}
			if head, err := got.Verify(leaves[i], c.Origin, key); err != nil || head != c {
				t.Fatal(i, err)
			}
			if found, others, err := VerifyCosignatures(got.Checkpoint, c, list); err != nil || len(found) != 2 || others != 0 {
				t.Fatal(i, found, others, err)
			}
			other := fproof.TLogProof{Index: p.Index, Hashes: p.Path, Checkpoint: p.Checkpoint, ExtraData: p.Extra}
			if !bytes.Equal(other.Marshal(), b) {
				t.Fatalf("%d: another implementation writes %q", i, other.Marshal())
			}
			var read fproof.TLogProof
			if err := read.Unmarshal(b); err != nil || !reflect.DeepEqual(read, other) {
				t.Fatal(i, read, err)
			}
		}
	}
}

// What is not the one form of a proof, or does not lead from the entry to a
// checkpoint of the log, is refused.
func TestProofRefusals(t *testing.T) {
	t.Parallel()
	proofs, leaves, c, _ := proofsOf(t, 7)
	key, b := testKey(t, keys.Ed25519, 1).Public(), string(proofs[3].Encode())
	hash := strings.Split(b, "\n")[2]
	for name, in := range map[string]string{
		"nothing":                   "",
		"another version":           strings.Replace(b, "@v1", "@v2", 1),
		"no checkpoint":             strings.SplitN(b, "\n\n", 2)[0] + "\n",
		"no index":                  strings.Replace(b, "index 3\n", "", 1),
		"index with a zero":         strings.Replace(b, "index 3", "index 03", 1),
		"index with a sign":         strings.Replace(b, "index 3", "index +3", 1),
		"index beyond all bounds":   strings.Replace(b, "index 3", "index 1125899906842624", 1),
		"no extra data":             strings.Replace(b, "index 3", "extra \nindex 3", 1),
		"extra data in no base64":   strings.Replace(b, "index 3", "extra WEE\nindex 3", 1),
		"extra data behind":         strings.Replace(b, "index 3", "index 3\nextra WEE=", 1),
		"extra data twice":          strings.Replace(b, "index 3", "extra WEE=\nextra WEE=\nindex 3", 1),
		"too much extra data":       strings.Replace(b, "index 3", "extra "+strings.Repeat("AAAA", maxExtra/3+1)+"\nindex 3", 1),
		"a hash cut short":          strings.Replace(b, hash, hash[:40], 1),
		"too many hashes":           strings.Replace(b, hash, strings.Repeat(hash+"\n", MaxPath)+hash, 1),
		"carriage returns":          strings.ReplaceAll(b, "\n", "\r\n"),
		"more than is ever read":    b + strings.Repeat("x", MaxProof),
		"something before":          "\n" + b,
		"extra data in other forms": strings.Replace(b, "index 3", "extra WEF=\nindex 3", 1),
	} {
		if p, err := ParseProof([]byte(in)); !errors.Is(err, ErrProof) {
			t.Errorf("%s: %v %v", name, p, err)
		}
	}
	for name, p := range map[string]*Proof{
		"of another entry":    proofs[2],
		"without its path":    {Index: 3, Checkpoint: proofs[3].Checkpoint},
		"beyond the tree":     {Index: 7, Path: proofs[3].Path, Checkpoint: proofs[3].Checkpoint},
		"of an older tree":    {Index: 3, Path: proofs[3].Path[:2], Checkpoint: proofs[3].Checkpoint},
		"a hash of the path ": {Index: 3, Path: append([]Hash{leaves[3]}, proofs[3].Path[1:]...), Checkpoint: proofs[3].Checkpoint},
	} {
		if _, err := p.Verify(leaves[3], c.Origin, key); !errors.Is(err, ErrProof) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := proofs[3].Verify(leaves[3], Origin("XA", 2), key); !errors.Is(err, ErrCheckpoint) {
		t.Error("of another log:", err)
	}
	if _, err := proofs[3].Verify(leaves[3], c.Origin, testKey(t, keys.Ed25519, 2).Public()); !errors.Is(err, ErrCheckpoint) {
		t.Error("of another key:", err)
	}
	cut := *proofs[3]
	cut.Checkpoint = cut.Checkpoint[:len(c.Text())]
	if _, err := cut.Verify(leaves[3], c.Origin, key); !errors.Is(err, ErrCheckpoint) {
		t.Error("without a signature:", err)
	}
}

// No two files mean the same proof, and what is accepted another implementation
// accepts too.
func FuzzParseProof(f *testing.F) {
	proofs, _, _, _ := proofsOf(f, 7)
	f.Add(proofs[3].Encode())
	f.Add((&Proof{Extra: []byte("XA"), Checkpoint: []byte("x\n")}).Encode())
	f.Add([]byte(proofHeader + "\nindex 0\n\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		p, err := ParseProof(in)
		if err != nil {
			if !errors.Is(err, ErrProof) {
				t.Fatal(err)
			}
			return
		}
		if !bytes.Equal(p.Encode(), in) {
			t.Fatal("a proof has two forms")
		}
		var other fproof.TLogProof
		if err := other.Unmarshal(in[:len(in)-len(p.Checkpoint)]); err != nil || other.Index != p.Index || len(other.Hashes) != len(p.Path) {
			t.Fatal(other, err)
		}
	})
}
