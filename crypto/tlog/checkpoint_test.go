package tlog

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	flog "github.com/transparency-dev/formats/log"
	"golang.org/x/mod/sumdb/note"

	"example.org/hotline/crypto/keys"
)

func testKey(t testing.TB, alg keys.Algorithm, seed byte) *keys.Private {
	t.Helper()
	k, err := keys.FromSeed(alg, [keys.SeedSize]byte{seed})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func testCheckpoint(t testing.TB) (Checkpoint, *keys.Private, []byte) {
	t.Helper()
	k := testKey(t, keys.Ed25519, 1)
	c := Checkpoint{Origin: Origin("XA", 3), Size: 20852163, Root: LeafHash([]byte("root"))}
	b, err := SignCheckpoint(c, k)
	if err != nil {
		t.Fatal(err)
	}
	return c, k, b
}

// A signed checkpoint reads back, is always the same bytes, and is read by the
// independent implementations of signed-note and tlog-checkpoint.
func TestCheckpointAgainstOtherImplementations(t *testing.T) {
	t.Parallel()
	c, k, b := testCheckpoint(t)
	if c.Origin != "hotline/XA/3" {
		t.Fatal(c.Origin)
	}
	got, err := ParseCheckpoint(b, c.Origin, k.Public())
	if err != nil || got != c {
		t.Fatal(got, err)
	}
	if again, err := SignCheckpoint(c, k); err != nil || !bytes.Equal(again, b) {
		t.Fatal("not deterministic", err)
	}
	vkey, err := note.NewEd25519VerifierKey(c.Origin, k.Public().Raw())
	if err != nil {
		t.Fatal(err)
	}
	v, err := note.NewVerifier(vkey)
	if err != nil {
		t.Fatal(err)
	}
	other, rest, _, err := flog.ParseCheckpoint(b, c.Origin, v)
	if err != nil || other.Size != c.Size || !bytes.Equal(other.Hash, c.Root[:]) || len(rest) != 0 {
		t.Fatal(other, err)
	}
}

// Signatures by other keys, known to nobody here, are ignored wherever they stand.
func TestCheckpointIgnoresOtherSignatures(t *testing.T) {
	t.Parallel()
	c, k, b := testCheckpoint(t)
	text, own, _ := strings.Cut(string(b), "\n\n")
	unknown := "— witness.example/w " + base64.StdEncoding.EncodeToString(make([]byte, 72)) + "\n"
	sameName := "— " + c.Origin + " " + base64.StdEncoding.EncodeToString(make([]byte, 68)) + "\n"
	postQuantum := "— witness.example/pq " + base64.StdEncoding.EncodeToString(make([]byte, 4900)) + "\n"
	for _, sigs := range []string{unknown + own, own + unknown, sameName + own, own + strings.Repeat(postQuantum, 15)} {
		if got, err := ParseCheckpoint([]byte(text+"\n\n"+sigs), c.Origin, k.Public()); err != nil || got != c {
			t.Error(err)
		}
	}
	if _, err := ParseCheckpoint([]byte(text+"\n\n"+unknown), c.Origin, k.Public()); !errors.Is(err, ErrCheckpoint) {
		t.Error("accepted without the signature of the key", err)
	}
}

// Every changed bit of a checkpoint makes it refused.
func TestCheckpointBitFlips(t *testing.T) {
	t.Parallel()
	c, k, b := testCheckpoint(t)
	for i := range b {
		for bit := byte(1); bit != 0; bit <<= 1 {
			b[i] ^= bit
			if _, err := ParseCheckpoint(b, c.Origin, k.Public()); !errors.Is(err, ErrCheckpoint) {
				t.Fatalf("bit %#x of byte %d: %v", bit, i, err)
			}
			b[i] ^= bit
		}
	}
}

// A text that is not exactly the three lines is refused, even under a good
// signature of the key.
func TestCheckpointRefusesOtherForms(t *testing.T) {
	t.Parallel()
	c, k, _ := testCheckpoint(t)
	root := base64.StdEncoding.EncodeToString(c.Root[:])
	loose := root[:42] + string(root[42]+1) + "="
	sign := func(text string) []byte {
		n, err := newNoteKey(c.Origin, k.Public())
		if err != nil {
			t.Fatal(err)
		}
		n.signer = k
		b, err := note.Sign(&note.Note{Text: text}, n)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	if _, err := ParseCheckpoint(sign(c.Text()), c.Origin, k.Public()); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"extension line":    c.Text() + "extension\n",
		"empty line":        c.Text() + "\n",
		"no root":           c.Origin + "\n5\n",
		"leading zero":      c.Origin + "\n05\n" + root + "\n",
		"plus sign":         c.Origin + "\n+5\n" + root + "\n",
		"negative":          c.Origin + "\n-5\n" + root + "\n",
		"too large":         c.Origin + "\n1125899906842624\n" + root + "\n",
		"over 64 bits":      c.Origin + "\n18446744073709551621\n" + root + "\n",
		"short root":        c.Origin + "\n5\n" + root[:40] + "\n",
		"loose base64":      c.Origin + "\n5\n" + loose + "\n",
		"empty, wrong root": c.Origin + "\n0\n" + root + "\n",
		"other origin":      Origin("XA", 4) + "\n5\n" + root + "\n",
		"longer origin":     c.Origin + "1\n5\n" + root + "\n",
		"no origin":         "\n5\n" + root + "\n",
	} {
		if _, err := ParseCheckpoint(sign(text), c.Origin, k.Public()); !errors.Is(err, ErrCheckpoint) {
			t.Errorf("%s: %v", name, err)
		}
	}
	good := sign(c.Text())
	if _, err := ParseCheckpoint(good, Origin("XB", 3), k.Public()); !errors.Is(err, ErrCheckpoint) {
		t.Error("accepted for another origin", err)
	}
	if _, err := ParseCheckpoint(good, c.Origin, testKey(t, keys.Ed25519, 2).Public()); !errors.Is(err, ErrCheckpoint) {
		t.Error("accepted under another key", err)
	}
	if _, err := ParseCheckpoint(make([]byte, MaxCheckpoint+1), c.Origin, k.Public()); !errors.Is(err, ErrCheckpoint) {
		t.Error("accepted above the limit", err)
	}
}

// A signature whose base64 has another spelling is refused: one checkpoint has one form.
func TestCheckpointRefusesLooseSignature(t *testing.T) {
	t.Parallel()
	c, k, b := testCheckpoint(t)
	at := len(b) - 3 // last digit before "=\n", whose low two bits are unused
	b[at]++
	if _, err := note.Open(b, note.VerifierList(mustNoteKey(t, c.Origin, k.Public()))); err != nil {
		t.Fatal("the loose spelling must be one that signed-note itself accepts:", err)
	}
	if _, err := ParseCheckpoint(b, c.Origin, k.Public()); !errors.Is(err, ErrCheckpoint) {
		t.Fatal(err)
	}
}

func mustNoteKey(t testing.TB, name string, p keys.Public) *noteKey {
	t.Helper()
	k, err := newNoteKey(name, p)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// lyingSigner returns a signature that does not verify.
type lyingSigner struct{ keys.Signer }

func (lyingSigner) Sign([]byte) ([]byte, error) { return make([]byte, 64), nil }

func TestSignCheckpointRefuses(t *testing.T) {
	t.Parallel()
	c, k, _ := testCheckpoint(t)
	for name, bad := range map[string]Checkpoint{
		"no origin":    {Root: c.Root, Size: 1},
		"space":        {Origin: "hotline/X A/1", Size: 1},
		"plus":         {Origin: "hotline/X+/1", Size: 1},
		"newline":      {Origin: "hotline/XA/1\n2", Size: 1},
		"not ASCII":    {Origin: "hotline/XÄ/1", Size: 1},
		"long":         {Origin: strings.Repeat("x", 256), Size: 1},
		"size":         {Origin: c.Origin, Size: MaxSize},
		"root of none": {Origin: c.Origin, Root: c.Root},
	} {
		if _, err := SignCheckpoint(bad, k); !errors.Is(err, ErrCheckpoint) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := SignCheckpoint(c, lyingSigner{k}); err == nil {
		t.Error("a signature that does not verify was handed out")
	}
	if _, err := SignCheckpoint(c, testKey(t, keys.MLDSA44, 1)); !errors.Is(err, keys.ErrAlgorithm) {
		t.Error(err)
	}
	if _, err := ParseCheckpoint(nil, c.Origin, keys.Public{}); !errors.Is(err, keys.ErrAlgorithm) {
		t.Error(err)
	}
}
