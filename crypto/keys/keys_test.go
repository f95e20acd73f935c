package keys

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"math/big"
	"testing"

	"github.com/fxamacker/cbor/v2"
)

var algorithms = []Algorithm{Ed25519, ES256, MLDSA44}

func seedOf(n byte) [SeedSize]byte { return sha256.Sum256([]byte{n}) }

func mustKey(t testing.TB, alg Algorithm, n byte) *Private {
	t.Helper()
	k, err := FromSeed(alg, seedOf(n))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Promise: a signature verifies under its key and message only, and signing
// the same message again gives the same bytes.
func TestSignVerify(t *testing.T) {
	for _, alg := range algorithms {
		t.Run(alg.String(), func(t *testing.T) {
			k, other := mustKey(t, alg, 1), mustKey(t, alg, 2)
			msg := []byte("warning")
			sig, err := k.Sign(msg)
			if err != nil {
				t.Fatal(err)
			}
			again, _ := k.Sign(msg)
			if !bytes.Equal(sig, again) {
				t.Error("signing is not deterministic")
			}
			if len(sig) != alg.SignatureSize() {
				t.Errorf("signature of %d bytes, want %d", len(sig), alg.SignatureSize())
			}
			if err := k.Public().Verify(msg, sig); err != nil {
				t.Error(err)
			}
			if err := other.Public().Verify(msg, sig); !errors.Is(err, ErrSignature) {
				t.Errorf("another key: %v", err)
			}
			if err := k.Public().Verify([]byte("Warning"), sig); !errors.Is(err, ErrSignature) {
				t.Errorf("another message: %v", err)
			}
			for _, bad := range [][]byte{nil, sig[:len(sig)-1], append(bytes.Clone(sig), 0)} {
				if err := k.Public().Verify(msg, bad); !errors.Is(err, ErrSignature) {
					t.Errorf("signature of %d bytes: %v", len(bad), err)
				}
			}
		})
	}
}

// Promise: every flipped bit of a signature is refused (no second form of it).
func TestSignatureBitFlips(t *testing.T) {
	for _, alg := range algorithms {
		k := mustKey(t, alg, 3)
		sig, err := k.Sign([]byte("m"))
		if err != nil {
			t.Fatal(err)
		}
		step := 1
		if alg == MLDSA44 {
			step = 37 // a prime, so that every bit position of a byte is met
		}
		for bit := 0; bit < len(sig)*8; bit += step {
			sig[bit/8] ^= 1 << (bit % 8)
			if k.Public().Verify([]byte("m"), sig) == nil {
				t.Fatalf("%s: flip of bit %d accepted", alg, bit)
			}
			sig[bit/8] ^= 1 << (bit % 8)
		}
	}
}

// Promise: Ed25519 is that of RFC 8032 (section 7.1, test 2).
func TestEd25519Vector(t *testing.T) {
	seed := unhex(t, "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
	k, err := FromSeed(Ed25519, [SeedSize]byte(seed))
	if err != nil {
		t.Fatal(err)
	}
	want := unhex(t, "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
	if !bytes.Equal(k.Public().Raw(), want) {
		t.Errorf("public key %x", k.Public().Raw())
	}
	sig, _ := k.Sign([]byte{0x72})
	want = unhex(t, "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"+
		"085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00")
	if !bytes.Equal(sig, want) {
		t.Errorf("signature %x", sig)
	}
}

// Promise: ES256 signs as RFC 6979 (appendix A.2.5, SHA-256, "sample"), then
// with the lower s; the higher one of the vector is refused.
func TestES256Vector(t *testing.T) {
	d := unhex(t, "c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721")
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), d)
	if err != nil {
		t.Fatal(err)
	}
	r := unhex(t, "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716")
	high := unhex(t, "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8")
	low := new(big.Int).Sub(elliptic.P256().Params().N, new(big.Int).SetBytes(high)).FillBytes(make([]byte, 32))
	sig, err := signES256(key, []byte("sample"))
	if err != nil {
		t.Fatal(err)
	}
	if want := append(bytes.Clone(r), low...); !bytes.Equal(sig, want) {
		t.Errorf("signature %x, want %x", sig, want)
	}
	raw, err := compressed(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	pub, err := NewPublic(ES256, raw)
	if err != nil {
		t.Fatal(err)
	}
	if err := pub.Verify([]byte("sample"), sig); err != nil {
		t.Error(err)
	}
	if err := pub.Verify([]byte("sample"), append(bytes.Clone(r), high...)); !errors.Is(err, ErrSignature) {
		t.Errorf("high s: %v", err)
	}
}

// Promise: a seed gives the same key for ever; key files hold only seeds.
func TestFromSeedIsFixed(t *testing.T) {
	want := map[Algorithm]string{
		Ed25519: "1fe73b385029cb2e5cd2f4dd8aedb7d57875cc2b9827fec3fb10e53aaaf4496d",
		ES256:   "f8422e59bc7551219684ca6e056facf62908b17887f7e19d92a0a92f3a2f99ae",
		MLDSA44: "8354be649a39f98adc0be17aaca866b766b894d31d95e8daf6173b357661fce2",
	}
	for alg, id := range want {
		if got := mustKey(t, alg, 9).Public().ID().String(); got != id {
			t.Errorf("%s: %s, want %s", alg, got, id)
		}
	}
	s, err := SealingFromSeed(seedOf(9))
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Public().ID().String(); got != "7130aee0767dcf8fb3081940c3a5d8b7f9cafcdb25b972b204ff710f010a82a9" {
		t.Errorf("sealing: %s", got)
	}
}

// Promise: a key has one encoding, the deterministic CBOR of [alg, bstr], which
// an independent encoder gives too; any other bytes are refused.
func TestPublicEncoding(t *testing.T) {
	for _, alg := range algorithms {
		p := mustKey(t, alg, 4).Public()
		enc, err := cbor.Marshal([]any{int64(alg), p.Raw()})
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(enc, p.Bytes()) {
			t.Errorf("%s: encoding %x", alg, p.Bytes())
		}
		back, err := ParsePublic(enc)
		if err != nil || back != p {
			t.Errorf("%s: round trip: %v", alg, err)
		}
		if p.ID() != sha256.Sum256(enc) {
			t.Errorf("%s: id", alg)
		}
		bad := [][]byte{nil, enc[:len(enc)-1], append(bytes.Clone(enc), 0), p.Raw()}
		long := append([]byte{0x98, 2}, enc[1:]...) // array head that is too long
		indefinite := append(append([]byte{0x9f}, enc[1:]...), 0xff)
		for _, b := range append(bad, long, indefinite) {
			if _, err := ParsePublic(b); !errors.Is(err, ErrKey) {
				t.Errorf("%s: %d bytes accepted: %v", alg, len(b), err)
			}
		}
	}
}

// Promise: keys embed in documents as [alg, bstr], and null, zero keys or other
// bytes do not pass.
func TestPublicInDocument(t *testing.T) {
	type document struct {
		_       struct{} `cbor:",toarray"`
		Sign    Public
		Sealing SealingPublic
	}
	s, err := SealingFromSeed(seedOf(1))
	if err != nil {
		t.Fatal(err)
	}
	in := document{Sign: mustKey(t, ES256, 1).Public(), Sealing: s.Public()}
	enc, err := cbor.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	var out document
	if err := cbor.Unmarshal(enc, &out); err != nil || out != in {
		t.Errorf("round trip: %v", err)
	}
	if _, err := cbor.Marshal(document{Sign: in.Sign}); !errors.Is(err, ErrKey) {
		t.Errorf("zero sealing key encoded: %v", err)
	}
	if _, err := cbor.Marshal(document{Sealing: in.Sealing}); !errors.Is(err, ErrKey) {
		t.Errorf("zero key encoded: %v", err)
	}
	if err := cbor.Unmarshal([]byte{0x82, 0xf6, 0xf6}, &out); err == nil {
		t.Error("null accepted as a key")
	}
}

// Promise: values are equal exactly when the keys are, so a map counts keys.
func TestPublicIsComparable(t *testing.T) {
	seen := map[Public]bool{}
	for i := range 3 {
		for _, alg := range algorithms {
			seen[mustKey(t, alg, byte(i%2)).Public()] = true
		}
	}
	if len(seen) != 6 {
		t.Errorf("%d keys, want 6", len(seen))
	}
	var zero Public
	if !zero.IsZero() || zero.Bytes() != nil || zero.Fingerprint() != "" || zero.Algorithm() != 0 {
		t.Error("zero value is not empty")
	}
	if err := zero.Verify(nil, nil); !errors.Is(err, ErrKey) {
		t.Errorf("zero key verifies: %v", err)
	}
}

// Promise: points of small order, points off the curve and second encodings of
// a coordinate are no Ed25519 keys. The oracle takes the square root itself.
func TestEdwardsPoints(t *testing.T) {
	prime := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 255), big.NewInt(19))
	little := func(y *big.Int, sign byte) []byte {
		b := y.FillBytes(make([]byte, 32))
		for i := range 16 {
			b[i], b[31-i] = b[31-i], b[i]
		}
		b[31] |= sign << 7
		return b
	}
	d := new(big.Int).ModInverse(big.NewInt(121666), prime)
	d.Mul(d, big.NewInt(-121665)).Mod(d, prime)
	onCurve := 0
	for n := int64(2); n < 300; n++ {
		y := big.NewInt(n)
		yy := new(big.Int).Exp(y, big.NewInt(2), prime)
		v := new(big.Int).ModInverse(new(big.Int).Add(new(big.Int).Mul(d, yy), big.NewInt(1)), prime)
		xx := new(big.Int).Mul(new(big.Int).Sub(yy, big.NewInt(1)), v)
		want := new(big.Int).ModSqrt(xx.Mod(xx, prime), prime) != nil
		if want {
			onCurve++
		}
		for sign := range byte(2) {
			if _, err := NewPublic(Ed25519, little(y, sign)); (err == nil) != want {
				t.Errorf("y = %d: %v, want on curve %t", n, err, want)
			}
		}
	}
	if onCurve < 100 || onCurve > 200 {
		t.Errorf("oracle found %d of 298 on the curve", onCurve)
	}
	orderEight := []string{
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
	}
	var bad [][]byte
	for sign := range byte(2) {
		for n := int64(-1); n <= 1; n++ {
			bad = append(bad, little(new(big.Int).Mod(big.NewInt(n), prime), sign))
		}
		for n := range int64(19) { // y + p still fits 255 bits
			bad = append(bad, little(new(big.Int).Add(prime, big.NewInt(n)), sign))
		}
		for _, h := range orderEight {
			b := unhex(t, h)
			b[31] |= sign << 7
			bad = append(bad, b)
		}
	}
	for _, b := range bad {
		if _, err := NewPublic(Ed25519, b); !errors.Is(err, ErrKey) {
			t.Errorf("%x accepted: %v", b, err)
		}
	}
}

// Promise: only compressed points of P-256 with a reduced coordinate are ES256
// keys, and keys of another length or algorithm are refused.
func TestPublicRefused(t *testing.T) {
	good := mustKey(t, ES256, 1).Public().Raw()
	notReduced := append([]byte{2}, elliptic.P256().Params().P.Bytes()...)
	hybrid := append([]byte{6}, good[1:]...)
	var offCurve []byte
	for x := byte(0); offCurve == nil; x++ {
		b := append([]byte{2}, make([]byte, 32)...)
		b[32] = x
		if px, _ := elliptic.UnmarshalCompressed(elliptic.P256(), b); px == nil {
			offCurve = b
		}
	}
	for _, b := range [][]byte{nil, good[1:], notReduced, hybrid, offCurve, make([]byte, 33)} {
		if _, err := NewPublic(ES256, b); !errors.Is(err, ErrKey) {
			t.Errorf("%x accepted: %v", b, err)
		}
	}
	if _, err := NewPublic(MLDSA44, make([]byte, 1311)); !errors.Is(err, ErrKey) {
		t.Errorf("short ML-DSA key: %v", err)
	}
	for _, alg := range []Algorithm{0, -8, -35, -49} {
		if _, err := NewPublic(alg, good); !errors.Is(err, ErrAlgorithm) {
			t.Errorf("algorithm %d: %v", alg, err)
		}
		if _, err := Generate(alg); !errors.Is(err, ErrAlgorithm) {
			t.Errorf("generate algorithm %d: %v", alg, err)
		}
	}
}

// Promise: generated keys differ.
func TestGenerate(t *testing.T) {
	for _, alg := range algorithms {
		a, err := Generate(alg)
		if err != nil {
			t.Fatal(err)
		}
		b, err := Generate(alg)
		if err != nil {
			t.Fatal(err)
		}
		if a.Public() == b.Public() {
			t.Errorf("%s: two keys are the same", alg)
		}
	}
}

// Promise: only the private key opens what was sealed to its public key, only
// with the same info, and no altered bit passes.
func TestSealing(t *testing.T) {
	k, err := GenerateSealing()
	if err != nil {
		t.Fatal(err)
	}
	other, err := GenerateSealing()
	if err != nil {
		t.Fatal(err)
	}
	info, text := []byte("info"), []byte("text")
	sealed, err := k.Public().Seal(info, text)
	if err != nil {
		t.Fatal(err)
	}
	if len(sealed) != len(text)+SealOverhead {
		t.Errorf("sealed to %d bytes", len(sealed))
	}
	got, err := k.Open(info, sealed)
	if err != nil || !bytes.Equal(got, text) {
		t.Errorf("open: %q, %v", got, err)
	}
	again, _ := k.Public().Seal(info, text)
	if bytes.Equal(again, sealed) {
		t.Error("sealing twice gives the same bytes")
	}
	if _, err := other.Open(info, sealed); !errors.Is(err, ErrOpen) {
		t.Errorf("other key: %v", err)
	}
	if _, err := k.Open([]byte("Info"), sealed); !errors.Is(err, ErrOpen) {
		t.Errorf("other info: %v", err)
	}
	for _, n := range []int{0, SealOverhead - 1, len(sealed) - 1} {
		if _, err := k.Open(info, sealed[:n]); !errors.Is(err, ErrOpen) {
			t.Errorf("cut to %d bytes: %v", n, err)
		}
	}
	for bit := 0; bit < len(sealed)*8; bit += 13 {
		sealed[bit/8] ^= 1 << (bit % 8)
		if _, err := k.Open(info, sealed); !errors.Is(err, ErrOpen) {
			t.Fatalf("flip of bit %d: %v", bit, err)
		}
		sealed[bit/8] ^= 1 << (bit % 8)
	}
}

// Promise: a sealing key has one encoding, [kem id, bstr].
func TestSealingEncoding(t *testing.T) {
	k, err := SealingFromSeed(seedOf(5))
	if err != nil {
		t.Fatal(err)
	}
	p := k.Public()
	enc, err := cbor.Marshal([]any{uint16(p.KEM()), p.Raw()})
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(enc, p.Bytes()) || p.ID() != sha256.Sum256(enc) {
		t.Errorf("encoding %x", p.Bytes()[:16])
	}
	if back, err := ParseSealingPublic(enc); err != nil || back != p {
		t.Errorf("round trip: %v", err)
	}
	notReduced := bytes.Repeat([]byte{0xff}, len(p.Raw())) // coefficients above q (FIPS 203 section 7.2)
	for _, raw := range [][]byte{nil, p.Raw()[1:], notReduced} {
		if _, err := NewSealingPublic(raw); !errors.Is(err, ErrKey) {
			t.Errorf("%d raw bytes accepted: %v", len(raw), err)
		}
	}
	for _, b := range [][]byte{nil, enc[1:], append(bytes.Clone(enc), 0)} {
		if _, err := ParseSealingPublic(b); !errors.Is(err, ErrKey) {
			t.Errorf("%d bytes accepted: %v", len(b), err)
		}
	}
	if _, err := (SealingPublic{}).Seal(nil, nil); !errors.Is(err, ErrKey) {
		t.Errorf("sealed to the zero key: %v", err)
	}
	if _, err := new(SealingPrivate).Open(nil, make([]byte, 2000)); !errors.Is(err, ErrKey) {
		t.Errorf("opened with the zero key: %v", err)
	}
}

// Promise: no bytes parse as a key unless they are its one encoding.
func FuzzParsePublic(f *testing.F) {
	for _, alg := range algorithms {
		k, err := FromSeed(alg, seedOf(1))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(k.Public().Bytes())
	}
	s, err := SealingFromSeed(seedOf(1))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(s.Public().Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		if p, err := ParsePublic(b); err == nil && !bytes.Equal(p.Bytes(), b) {
			t.Errorf("%x has a second encoding", b)
		}
		if p, err := ParseSealingPublic(b); err == nil && !bytes.Equal(p.Bytes(), b) {
			t.Errorf("%x has a second encoding", b)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	msg := make([]byte, 600)
	for _, alg := range algorithms {
		b.Run(alg.String(), func(b *testing.B) {
			k := mustKey(b, alg, 1)
			sig, err := k.Sign(msg)
			if err != nil {
				b.Fatal(err)
			}
			p := k.Public()
			b.ReportAllocs()
			for b.Loop() {
				if err := p.Verify(msg, sig); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
