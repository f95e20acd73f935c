package keys

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha512"
	"encoding/hex"
	mathrand "math/rand/v2"
	"testing"

	"filippo.io/edwards25519"
)

// smallOrder are the canonical encodings of the eight points whose order divides 8, and encodings of the same that are not canonical.
var smallOrder = []string{
	"0100000000000000000000000000000000000000000000000000000000000000",
	"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"0000000000000000000000000000000000000000000000000000000000000000",
	"0000000000000000000000000000000000000000000000000000000000000080",
	"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
	"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
	"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
	"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
	"0100000000000000000000000000000000000000000000000000000000000080",
	"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
}

func agree(t *testing.T, raw, msg, sig []byte) bool {
	t.Helper()
	table := wholeTable(raw)
	if table == nil {
		return false // crypto/ed25519 refuses such a key too, and no table is made
	}
	want := ed25519.Verify(raw, msg, sig)
	if got := table.verify(string(raw), msg, sig); got != want {
		t.Fatalf("key %x, message %x, signature %x: the table says %t, crypto/ed25519 %t", raw, msg, sig, got, want)
	}
	return want
}

// wholeTable is the table of a key; nil if it is no point.
func wholeTable(raw []byte) *multiples {
	m, err := ofKey(string(raw))
	if err != nil {
		return nil
	}
	return m.whole()
}

// Promise: a table decides exactly as crypto/ed25519 does, for good signatures, for every kind of damage, and for what only a hostile
// signer makes: parts of small order in the key and in R, which an equation with the cofactor would accept.
func TestMultiplesDecideAsTheLibraryDoes(t *testing.T) {
	chance := mathrand.New(mathrand.NewPCG(1, 2))
	good, torsion := 0, 0
	for range 40 {
		public, private, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		msg := make([]byte, chance.IntN(300))
		sig := ed25519.Sign(private, msg)
		if agree(t, public, msg, sig) {
			good++
		}
		for range 10 {
			bad := append([]byte{}, sig...)
			bad[chance.IntN(len(bad))] ^= 1 << chance.IntN(8)
			agree(t, public, msg, bad)
		}
		agree(t, public, append(msg, 0), sig)
		for _, text := range smallOrder[:8] {
			if raw, sig := withTorsion(t, private, msg, text); agree(t, raw, msg, sig) {
				torsion++
			}
		}
	}
	if good != 40 || torsion == 0 || torsion == 320 {
		t.Errorf("%d of 40 good ones verified, and %d of 320 with parts of small order: some do, some do not", good, torsion)
	}
}

// withTorsion signs as the holder of a key to which a point of small order was added.
func withTorsion(t *testing.T, private ed25519.PrivateKey, msg []byte, text string) (raw, sig []byte) {
	t.Helper()
	small, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	point, err := new(edwards25519.Point).SetBytes(small)
	if err != nil {
		t.Fatal(err)
	}
	h := sha512.Sum512(private.Seed())
	a, err := new(edwards25519.Scalar).SetBytesWithClamping(h[:32])
	if err != nil {
		t.Fatal(err)
	}
	key := new(edwards25519.Point).ScalarBaseMult(a)
	raw = key.Add(key, point).Bytes()
	nonce := sha512.Sum512(append(h[32:], small...))
	r, err := new(edwards25519.Scalar).SetUniformBytes(nonce[:])
	if err != nil {
		t.Fatal(err)
	}
	R := new(edwards25519.Point).ScalarBaseMult(r).Bytes()
	d := sha512.Sum512(append(append(append([]byte{}, R...), raw...), msg...))
	k, err := new(edwards25519.Scalar).SetUniformBytes(d[:])
	if err != nil {
		t.Fatal(err)
	}
	return raw, append(R, new(edwards25519.Scalar).MultiplyAdd(k, a, r).Bytes()...)
}

// Promise: keys and signatures of small order, in any encoding, and an s that is not reduced, are decided as crypto/ed25519 decides them.
func TestMultiplesOfSmallOrder(t *testing.T) {
	order, err := hex.DecodeString("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010")
	if err != nil {
		t.Fatal(err)
	}
	verified := 0
	for _, key := range smallOrder {
		for _, r := range smallOrder {
			for _, s := range [][]byte{make([]byte, 32), order} {
				raw, _ := hex.DecodeString(key)
				R, _ := hex.DecodeString(r)
				if agree(t, raw, []byte("any"), append(R, s...)) {
					verified++
				}
			}
		}
	}
	if verified == 0 {
		t.Error("none verified: a key of small order does for some messages, which is why NewPublic refuses it")
	}
}

// Promise: every digit of a scalar is used rightly, the greatest and those that carry among them.
func TestMultiplesOfEveryScalar(t *testing.T) {
	p := new(edwards25519.Point).Set(edwards25519.NewGeneratorPoint())
	table := beginMultiples(p).whole()
	chance := mathrand.New(mathrand.NewPCG(3, 4))
	for i := range 300 {
		var wide [64]byte
		for j := range wide {
			wide[j] = []byte{0, 127, 128, 129, 255, byte(chance.Uint32())}[chance.IntN(6)]
		}
		k, err := new(edwards25519.Scalar).SetUniformBytes(wide[:])
		if i%2 == 0 { // below the order, with its pattern kept
			wide[31] &= 0x0f
			k, err = new(edwards25519.Scalar).SetCanonicalBytes(wide[:32])
		}
		if err != nil {
			t.Fatal(err)
		}
		got := nothing()
		table.addTo(got, k.Bytes())
		if want := new(edwards25519.Point).ScalarBaseMult(k); !bytes.Equal(got.encoding(), want.Bytes()) {
			t.Fatalf("%x·B is wrong", k.Bytes())
		}
	}
}

// Promise: a key gets its table after enough good signatures, bad ones do not count, the number of tables is bounded, and a table
// that memory has damaged refuses nothing that is good.
func TestMultiplesAreBounded(t *testing.T) {
	var raw string
	for range maxMultiples + 3 {
		private, err := Generate(Ed25519)
		if err != nil {
			t.Fatal(err)
		}
		msg := []byte("line")
		sig, err := private.Sign(msg)
		if err != nil {
			t.Fatal(err)
		}
		raw = private.Public().raw
		for range usesForATable {
			if verifyEdwards(raw, []byte("other"), sig) {
				t.Fatal("a bad signature verifies")
			}
		}
		if frequent.tables[raw] != nil {
			t.Fatal("bad signatures made a table")
		}
		for i := range usesForATable + len(multiples{}) - 1 {
			if frequent.tables[raw] != nil {
				t.Fatalf("after %d uses there is a table", i)
			}
			if !verifyEdwards(raw, msg, sig) {
				t.Fatal("a good signature does not verify")
			}
		}
		if table := frequent.tables[raw]; table == nil || len(frequent.tables) > maxMultiples {
			t.Fatalf("%d tables, one of the newest key: %t", len(frequent.tables), table != nil)
		}
		for i := range frequent.tables[raw] {
			for j := range frequent.tables[raw][i] {
				frequent.tables[raw][i][j].twist.Zero()
			}
		}
		if !verifyEdwards(raw, msg, sig) || verifyEdwards(raw, []byte("other"), sig) {
			t.Fatal("with a damaged table the library no longer decides")
		}
	}
	for range maxMaking + 3 { // so many are begun, and none is finished
		public, _, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		for range usesForATable + 1 {
			countUse(string(public))
		}
	}
	begun := 0
	for _, u := range frequent.uses {
		if u.table != nil {
			begun++
		}
	}
	if begun != maxMaking || len(frequent.making) != begun {
		t.Errorf("%d tables are being made, %d are counted, at most %d may be", begun, len(frequent.making), maxMaking)
	}
	public, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for range restingUses + 2*usesForATable + len(multiples{}) {
		countUse(string(public))
	}
	if frequent.tables[string(public)] == nil {
		t.Error("keys that have rested for long keep their places, and one that is in use gets none")
	}
	for i := range maxCounted + 2 {
		countUse(string(rune(i)))
	}
	if len(frequent.making) != 0 {
		t.Errorf("%d tables of forgotten keys are being made", len(frequent.making))
	}
	if len(frequent.uses) > maxCounted {
		t.Errorf("the uses of %d keys are counted", len(frequent.uses))
	}
}

// FuzzMultiples holds the table to crypto/ed25519 for arbitrary keys and signatures.
func FuzzMultiples(f *testing.F) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(public), []byte("line"), ed25519.Sign(private, []byte("line")))
	f.Fuzz(func(t *testing.T, raw, msg, sig []byte) {
		if len(raw) == ed25519.PublicKeySize && len(sig) == ed25519.SignatureSize {
			agree(t, raw, msg, sig)
		}
	})
}

// BenchmarkMultiples prints the time of one verification by the library and by a table.
func BenchmarkMultiples(b *testing.B) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	msg := make([]byte, 600)
	sig := ed25519.Sign(private, msg)
	table := wholeTable(public)
	b.Run("library", func(b *testing.B) {
		for b.Loop() {
			if !ed25519.Verify(public, msg, sig) {
				b.Fatal("does not verify")
			}
		}
	})
	b.Run("making a table", func(b *testing.B) {
		for b.Loop() {
			if wholeTable(public) == nil {
				b.Fatal("no table")
			}
		}
	})
	b.Run("table", func(b *testing.B) {
		for b.Loop() {
			if !table.verify(string(public), msg, sig) {
				b.Fatal("does not verify")
			}
		}
	})
}
