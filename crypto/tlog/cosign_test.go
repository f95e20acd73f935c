package tlog

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	fnote "github.com/transparency-dev/formats/note"
	"golang.org/x/mod/sumdb/note"

	"example.org/hotline/crypto/keys"
)

const cosignedAt = 1_767_225_600

// witness makes the two keys of a witness, and the lines that they make for c.
func witness(t testing.TB, party string, c Checkpoint) (list []Cosigner, lines []byte) {
	t.Helper()
	for i, alg := range []keys.Algorithm{keys.Ed25519, keys.MLDSA44} {
		k := testKey(t, alg, party[1]+byte(i)<<4)
		line, err := Cosign(c, WitnessName(party), cosignedAt, k)
		if err != nil {
			t.Fatal(err)
		}
		list, lines = append(list, Cosigner{WitnessName(party), k.Public()}), append(lines, line...)
	}
	return list, lines
}

// vkey is a key as the other implementation takes it.
func vkey(t testing.TB, w Cosigner) string {
	t.Helper()
	hash, err := w.hash()
	if err != nil {
		t.Fatal(err)
	}
	form := byte(noteCosignEd25519)
	if w.Key.Algorithm() == keys.MLDSA44 {
		form = noteCosignMLDSA44
	}
	return fmt.Sprintf("%s+%08x+%s", w.Name, hash, base64.StdEncoding.EncodeToString(append([]byte{form}, w.Key.Raw()...)))
}

// otherVerifier is the verifier of the other implementation for a key.
func otherVerifier(t testing.TB, w Cosigner) note.Verifier {
	t.Helper()
	if w.Key.Algorithm() == keys.MLDSA44 {
		v, err := fnote.NewMLDSAVerifier(vkey(t, w))
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	v, err := fnote.NewVerifierForCosignatureV1(vkey(t, w))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// What is cosigned here is verified by another implementation of C2SP
// tlog-cosignature, in both forms, under the same key hashes, with the same time.
func TestCosignatureIsReadByOtherImplementation(t *testing.T) {
	t.Parallel()
	c, log, b := testCheckpoint(t)
	list, lines := witness(t, "XB", c)
	b = append(b, lines...)
	n, err := note.Open(b, note.VerifierList(otherVerifier(t, list[0]), otherVerifier(t, list[1])))
	if err != nil || len(n.Sigs) != 2 {
		t.Fatal(n, err)
	}
	for _, s := range n.Sigs {
		if at, err := fnote.CoSigV1Timestamp(s); err != nil || at != time.Unix(cosignedAt, 0) {
			t.Error(at, err)
		}
	}
	if got, err := ParseCheckpoint(b, c.Origin, log.Public()); err != nil || got != c {
		t.Error("cosignatures stand in the way of the checkpoint", err)
	}
}

// What another implementation cosigned, in both forms, verifies here.
func TestCosignatureOfOtherImplementationVerifies(t *testing.T) {
	t.Parallel()
	c, _, b := testCheckpoint(t)
	opened, _, err := SplitNote(b)
	if err != nil {
		t.Fatal(err)
	}
	var list []Cosigner
	for form, alg := range map[byte]keys.Algorithm{noteCosignEd25519: keys.Ed25519, noteCosignMLDSA44: keys.MLDSA44} {
		w := Cosigner{WitnessName("XC"), testKey(t, alg, 7).Public()}
		hash, _ := w.hash()
		skey := fmt.Sprintf("PRIVATE+KEY+%s+%08x+%s", w.Name, hash, base64.StdEncoding.EncodeToString(append([]byte{form, 7}, make([]byte, keys.SeedSize-1)...)))
		s, err := fnote.NewSignerForCosignatureV1(skey)
		if err != nil {
			t.Fatal(err)
		}
		signed, err := note.Sign(&note.Note{Text: opened}, s)
		if err != nil {
			t.Fatal(err)
		}
		b = append(b, bytes.TrimPrefix(signed, []byte(opened+"\n"))...)
		list = append(list, w)
	}
	found, others, err := VerifyCosignatures(b, c, list)
	if err != nil || len(found) != 2 || others != 0 || found[0].Seconds < cosignedAt {
		t.Fatal(found, others, err)
	}
}

// A cosignature counts once for its key, and only for the key and the name that it was made with.
func TestCosignaturesAreCountedByKeyAndName(t *testing.T) {
	t.Parallel()
	c, _, b := testCheckpoint(t)
	xb, lines := witness(t, "XB", c)
	xc, more := witness(t, "XC", c)
	whole := bytes.Join([][]byte{b, lines, more}, nil)
	all := append(append([]Cosigner{}, xb...), xc...)
	if found, others, err := VerifyCosignatures(whole, c, all); err != nil || len(found) != 4 || others != 0 {
		t.Fatal(found, others, err)
	}
	if found, others, err := VerifyCosignatures(whole, c, xc); err != nil || len(found) != 2 || others != 2 {
		t.Error("lines of unknown witnesses are not ignored and counted apart", found, others, err)
	}
	again, err := Cosign(c, WitnessName("XB"), cosignedAt+1, testKey(t, keys.Ed25519, 'B'))
	if err != nil {
		t.Fatal(err)
	}
	if found, _, err := VerifyCosignatures(append(bytes.Clone(whole), again...), c, all); err != nil || len(found) != 4 || found[0].Seconds != cosignedAt {
		t.Error("a second line of one key counts again", found, err)
	}
	for i := range xb {
		renamed := Cosigner{WitnessName("XD"), xb[i].Key}
		if found, _, err := VerifyCosignatures(whole, c, []Cosigner{renamed}); err != nil || len(found) != 0 {
			t.Error("a key counts under another name", found, err)
		}
	}
	// The Ed25519 form does not sign the name, but the key hash does not fit the other name; the ML-DSA-44 form signs it.
	for i, w := range xb {
		renamed := Cosigner{WitnessName("XD"), w.Key}
		hash, _ := renamed.hash()
		line := strings.Split(string(lines), "\n")[i]
		sig, _ := base64.StdEncoding.DecodeString(strings.Fields(line)[2])
		for n := range 4 {
			sig[n] = byte(hash >> (24 - 8*n))
		}
		forged := append(bytes.Clone(b), fmt.Sprintf("— %s %s\n", renamed.Name, base64.StdEncoding.EncodeToString(sig))...)
		_, _, err := VerifyCosignatures(forged, c, []Cosigner{renamed})
		if signsName := w.Key.Algorithm() == keys.MLDSA44; signsName != errors.Is(err, ErrCosignature) {
			t.Errorf("%v under another name: %v", w.Key.Algorithm(), err)
		}
	}
}

// A key hash is four bytes: whoever makes two keys of one hash takes nothing from the line that
// one of them signed.
func TestTwoKeysOfOneHash(t *testing.T) {
	t.Parallel()
	c, _, b := testCheckpoint(t)
	var two [2]*keys.Private
	for i, n := range []int{48893, 115017} { // found by trying: SHA-256 of this text as seed
		k, err := keys.FromSeed(keys.Ed25519, sha256.Sum256(fmt.Append(nil, "witness ", n)))
		if err != nil {
			t.Fatal(err)
		}
		two[i] = k
	}
	first, second := Cosigner{WitnessName("XC"), two[0].Public()}, Cosigner{WitnessName("XC"), two[1].Public()}
	h1, _ := first.hash()
	if h2, _ := second.hash(); h1 != h2 {
		t.Fatalf("two hashes, %08x and %08x", h1, h2)
	}
	line, err := Cosign(c, first.Name, cosignedAt, two[0])
	if err != nil {
		t.Fatal(err)
	}
	signed := append(bytes.Clone(b), line...)
	for _, list := range [][]Cosigner{{first, second}, {second, first}} {
		if found, others, err := VerifyCosignatures(signed, c, list); err != nil || len(found) != 1 || found[0].Cosigner != first || others != 0 {
			t.Error(found, others, err)
		}
	}
	if _, _, err := VerifyCosignatures(signed, c, []Cosigner{second}); !errors.Is(err, ErrCosignature) {
		t.Error("a line of neither key is good", err)
	}
	more, err := Cosign(c, second.Name, cosignedAt+1, two[1])
	if err != nil {
		t.Fatal(err)
	}
	if found, _, err := VerifyCosignatures(append(signed, more...), c, []Cosigner{first, second}); err != nil || len(found) != 2 || found[1].Seconds != cosignedAt+1 {
		t.Error("the line of the other key does not count", found, err)
	}
}

// No changed bit of a cosignature, and no other checkpoint, is accepted.
func TestCosignatureRefusesEveryChange(t *testing.T) {
	t.Parallel()
	c, log, b := testCheckpoint(t)
	list, lines := witness(t, "XB", c)
	for i, w := range list {
		line := strings.Split(string(lines), "\n")[i]
		sig, _ := base64.StdEncoding.DecodeString(strings.Fields(line)[2])
		step := max(1, len(sig)/100)
		for at := 4; at < len(sig); at += step {
			bad := bytes.Clone(sig)
			bad[at] ^= 1 << (at % 8)
			under := append(bytes.Clone(b), fmt.Sprintf("— %s %s\n", w.Name, base64.StdEncoding.EncodeToString(bad))...)
			if _, _, err := VerifyCosignatures(under, c, list[i:i+1]); !errors.Is(err, ErrCosignature) {
				t.Fatalf("%v, byte %d: %v", w.Key.Algorithm(), at, err)
			}
		}
	}
	other := c
	other.Size++
	o, err := SignCheckpoint(other, log)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := VerifyCosignatures(append(o, lines...), other, list); !errors.Is(err, ErrCosignature) {
		t.Error("verifies under another checkpoint", err)
	}
	if _, _, err := VerifyCosignatures(append(bytes.Clone(b), lines...), other, list); !errors.Is(err, ErrCosignature) {
		t.Error("the note is of another checkpoint than the one asked about", err)
	}
	if _, err := Cosign(c, WitnessName("XB"), 0, testKey(t, keys.Ed25519, 1)); !errors.Is(err, ErrCosignature) {
		t.Error("cosigned without a time", err)
	}
	if _, err := Cosign(c, WitnessName("XB"), 1, testKey(t, keys.ES256, 1)); !errors.Is(err, keys.ErrAlgorithm) {
		t.Error("cosigned with a key of another form", err)
	}
	if _, err := Cosign(c, "a b", 1, testKey(t, keys.Ed25519, 1)); !errors.Is(err, ErrCosignature) {
		t.Error("cosigned under a name that no note can bear", err)
	}
}

// An extension reads back, has one form, and proves what it says and nothing else.
func TestExtension(t *testing.T) {
	t.Parallel()
	s := openStore(t, storeOf(t, 300))
	root := func(n uint64) Hash {
		h, err := s.RootAt(n)
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	for _, old := range []uint64{0, 1, 255, 256, 299, 300} {
		c := Checkpoint{Origin: Origin("XA", 1), Size: 300, Root: root(300)}
		b, err := SignCheckpoint(c, testKey(t, keys.Ed25519, 1))
		if err != nil {
			t.Fatal(err)
		}
		proof, err := s.Consistency(old, 300)
		if err != nil {
			t.Fatal(err)
		}
		x, err := ParseExtension((&Extension{Old: old, Proof: proof, Note: b}).Encode())
		if err != nil || x.Old != old || !bytes.Equal(x.Note, b) || len(x.Proof) != len(proof) {
			t.Fatal(old, x, err)
		}
		if err := x.Extends(root(old), c); err != nil {
			t.Error(old, err)
		}
		if old == 0 {
			continue
		}
		if err := x.Extends(root(old-1), c); !errors.Is(err, ErrProof) {
			t.Error(old, "extends another tree", err)
		}
		c.Root[0] ^= 1
		if err := x.Extends(root(old), c); !errors.Is(err, ErrProof) {
			t.Error(old, "another tree extends it", err)
		}
	}
	for _, bad := range []string{"", "old 1", "old 1\n", "old 01\n\nx", "old -1\n\nx", "new 1\n\nx", "old 1\nAAAA\n\nx", "old 1\r\n\nx",
		"old 1\n" + strings.Repeat(base64.StdEncoding.EncodeToString(make([]byte, 32))+"\n", 64) + "\nx"} {
		if _, err := ParseExtension([]byte(bad)); !errors.Is(err, ErrCheckpoint) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// No bytes make the reader of cosignatures or extensions panic, and what an extension reads it writes again.
func FuzzCosigned(f *testing.F) {
	c, _, b := testCheckpoint(f)
	list, lines := witness(f, "XB", c)
	f.Add(append(bytes.Clone(b), lines...))
	f.Add((&Extension{Old: 3, Proof: []Hash{c.Root}, Note: b}).Encode())
	f.Fuzz(func(t *testing.T, in []byte) {
		if found, _, err := VerifyCosignatures(in, c, list); err == nil {
			for _, x := range found {
				if x.Seconds == 0 {
					t.Fatal("a cosignature without a time")
				}
			}
		}
		if claimed, err := ClaimedCheckpoint(in); err == nil && claimed.Validate() != nil {
			t.Fatal("an invalid checkpoint is claimed")
		}
		if x, err := ParseExtension(in); err == nil && !bytes.Equal(x.Encode(), in) {
			t.Fatal("an extension has two forms")
		}
	})
}
