package seal

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/fxamacker/cbor/v2"
	"github.com/veraison/go-cose"

	"example.org/hotline/crypto/keys"
)

const testMax = 64 << 10

var (
	testAAD     = []byte("aad")
	testPayload = []byte("payload")
	// testHeader is {-70001: "alert", -70003: [1, h'00'], -70004: {1: true}}.
	testHeader = []byte("\xa3\x3a\x00\x01\x11\x70\x65alert\x3a\x00\x01\x11\x72\x82\x01\x41\x00\x3a\x00\x01\x11\x73\xa1\x01\xf5")
)

func mustKey(t testing.TB, alg keys.Algorithm, n byte) *keys.Private {
	t.Helper()
	k, err := keys.FromSeed(alg, sha256.Sum256([]byte{n}))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func allKeys(t testing.TB) []*keys.Private {
	return []*keys.Private{mustKey(t, keys.Ed25519, 1), mustKey(t, keys.ES256, 2), mustKey(t, keys.MLDSA44, 3)}
}

func signersOf(ks ...*keys.Private) (signers []keys.Signer, public []keys.Public) {
	for _, k := range ks {
		signers, public = append(signers, k), append(public, k.Public())
	}
	return signers, public
}

func mustSign(t testing.TB, ks ...*keys.Private) ([]byte, []keys.Public) {
	t.Helper()
	signers, public := signersOf(ks...)
	raw, err := Sign(testHeader, testPayload, testAAD, signers...)
	if err != nil {
		t.Fatal(err)
	}
	return raw, public
}

func check(raw, aad []byte, public ...keys.Public) error {
	m, err := Parse(raw, testMax)
	if err != nil {
		return err
	}
	return m.Verify(aad, public...)
}

// Promise: a message carries its content and one signature of each signer in
// order, and its bytes are the deterministic CBOR that RFC 9052 describes.
func TestMessageRoundTrip(t *testing.T) {
	ks := allKeys(t)
	raw, public := mustSign(t, ks...)
	m, err := Parse(raw, testMax)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(m.Raw, raw) || !bytes.Equal(m.Protected, testHeader) || !bytes.Equal(m.Payload, testPayload) || len(m.Signatures) != 3 {
		t.Errorf("parsed %+v", m)
	}
	if err := m.Verify(testAAD, public...); err != nil {
		t.Error(err)
	}
	var signatures []any
	for i, s := range m.Signatures {
		header, err := oracleEncode.Marshal(map[int]int64{1: int64(public[i].Algorithm())})
		if err != nil {
			t.Fatal(err)
		}
		signatures = append(signatures, []any{header, map[int]int{}, s.Bytes})
	}
	want, err := cbor.Marshal(cbor.Tag{Number: 98, Content: []any{testHeader, map[int]int{}, testPayload, signatures}})
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(raw, want) {
		t.Errorf("encoded\n%x, want\n%x", raw, want)
	}
	empty, err := Sign(testHeader, nil, nil, ks[0])
	if err != nil {
		t.Fatal(err)
	}
	if m, err := Parse(empty, testMax); err != nil || m.Payload == nil || len(m.Payload) != 0 || m.Verify(nil, public[0]) != nil {
		t.Errorf("empty payload: %v", err)
	}
}

// Promise: the signature is over the Sig_structure of RFC 9052 section 4.4, built
// here by another encoder.
func TestMessageSigStructure(t *testing.T) {
	for _, k := range allKeys(t) {
		raw, _ := mustSign(t, k)
		m, err := Parse(raw, testMax)
		if err != nil {
			t.Fatal(err)
		}
		header, err := oracleEncode.Marshal(map[int]int64{1: int64(k.Public().Algorithm())})
		if err != nil {
			t.Fatal(err)
		}
		tbs, err := oracleEncode.Marshal([]any{"Signature", testHeader, header, testAAD, testPayload})
		if err != nil {
			t.Fatal(err)
		}
		if err := k.Public().Verify(tbs, m.Signatures[0].Bytes); err != nil {
			t.Errorf("%s: %v", k.Public().Algorithm(), err)
		}
	}
}

// Promise: every single flipped bit of a signed message is refused.
func TestMessageBitFlips(t *testing.T) {
	raw, public := mustSign(t, mustKey(t, keys.Ed25519, 1), mustKey(t, keys.ES256, 2))
	for bit := range len(raw) * 8 {
		raw[bit/8] ^= 1 << (bit % 8)
		if check(raw, testAAD, public...) == nil {
			t.Fatalf("flip of bit %d of %d accepted", bit, len(raw)*8)
		}
		raw[bit/8] ^= 1 << (bit % 8)
	}
	if err := check(raw, testAAD, public...); err != nil {
		t.Error(err)
	}
}

// Promise: every cut of a message, and every message with more after it, is refused.
func TestMessageCut(t *testing.T) {
	raw, public := mustSign(t, allKeys(t)[:2]...)
	for n := range raw {
		if _, err := Parse(raw[:n], testMax); !errors.Is(err, ErrMalformed) {
			t.Fatalf("cut to %d: %v", n, err)
		}
	}
	if err := check(append(bytes.Clone(raw), 0), testAAD, public...); !errors.Is(err, ErrMalformed) {
		t.Errorf("byte after the end: %v", err)
	}
	if _, err := Parse(raw, len(raw)-1); !errors.Is(err, ErrTooLarge) {
		t.Errorf("over the limit: %v", err)
	}
	if _, err := Parse(raw, len(raw)); err != nil {
		t.Errorf("at the limit: %v", err)
	}
}

// Promise: the set of signers is exact: none missing, none more, none exchanged,
// none twice, none of another algorithm; and the aad is what was signed.
func TestMessageExactSigners(t *testing.T) {
	ks := []*keys.Private{mustKey(t, keys.Ed25519, 1), mustKey(t, keys.Ed25519, 2)}
	raw, p := mustSign(t, ks...)
	other, es := mustKey(t, keys.Ed25519, 3).Public(), mustKey(t, keys.ES256, 1).Public()
	for name, c := range map[string]struct {
		signers []keys.Public
		want    error
	}{
		"none":            {nil, ErrSigners},
		"missing":         {p[:1], ErrSigners},
		"extra":           {append(p[:2:2], other), ErrSigners},
		"exchanged":       {[]keys.Public{p[1], p[0]}, keys.ErrSignature},
		"twice":           {[]keys.Public{p[0], p[0]}, ErrSigners},
		"other key":       {[]keys.Public{p[0], other}, keys.ErrSignature},
		"other algorithm": {[]keys.Public{p[0], es}, ErrSigners},
		"zero key":        {[]keys.Public{p[0], {}}, ErrSigners},
	} {
		if err := check(raw, testAAD, c.signers...); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, aad := range [][]byte{nil, []byte("aae"), []byte("aad ")} {
		if err := check(raw, aad, p...); !errors.Is(err, keys.ErrSignature) {
			t.Errorf("aad %q: %v", aad, err)
		}
	}
	m, err := Parse(raw, testMax)
	if err != nil {
		t.Fatal(err)
	}
	swapped := encodeMessage(m.Protected, m.Payload, []Signature{m.Signatures[1], m.Signatures[0]})
	if err := check(swapped, testAAD, p...); !errors.Is(err, keys.ErrSignature) {
		t.Errorf("signatures exchanged: %v", err)
	}
	stripped := encodeMessage(m.Protected, m.Payload, m.Signatures[:1])
	if err := check(stripped, testAAD, p...); !errors.Is(err, ErrSigners) {
		t.Errorf("signature stripped: %v", err)
	}
	doubled := encodeMessage(m.Protected, m.Payload, append(m.Signatures, m.Signatures[0]))
	if err := check(doubled, testAAD, p...); !errors.Is(err, ErrSigners) {
		t.Errorf("signature doubled: %v", err)
	}
}

// Promise: a second officer's signature joins the first over the same content; a
// draft verifies as a prefix of its authors and never as the whole.
func TestMessageDraft(t *testing.T) {
	ks := allKeys(t)[:2]
	first, p := mustSign(t, ks[0])
	_, authors := signersOf(ks...)
	m, err := Parse(first, testMax)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.VerifyPartial(testAAD, authors...); err != nil {
		t.Errorf("draft: %v", err)
	}
	if err := m.Verify(testAAD, authors...); !errors.Is(err, ErrSigners) {
		t.Errorf("draft as a whole: %v", err)
	}
	for name, bad := range map[string][]keys.Public{
		"not the first": {authors[1], authors[0]}, "nobody": nil, "twice": {p[0], p[0]}, "zero": {p[0], {}},
	} {
		if err := m.VerifyPartial(testAAD, bad...); !errors.Is(err, ErrSigners) {
			t.Errorf("%s: %v", name, err)
		}
	}
	both, err := AddSignature(first, testAAD, ks[1])
	if err != nil {
		t.Fatal(err)
	}
	whole, _ := mustSign(t, ks...)
	if !bytes.Equal(both, whole) {
		t.Error("signing one after the other gives another message")
	}
	m, err = Parse(both, testMax)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.VerifyPartial(testAAD, authors...); err != nil {
		t.Errorf("complete draft: %v", err)
	}
	if err := m.VerifyPartial(testAAD, authors[0]); !errors.Is(err, ErrSigners) {
		t.Errorf("more signatures than authors: %v", err)
	}
	if _, err := AddSignature(both, testAAD, ks[0]); !errors.Is(err, ErrSigners) {
		t.Errorf("same key again: %v", err)
	}
	if _, err := AddSignature(both[1:], testAAD, ks[0]); !errors.Is(err, ErrMalformed) {
		t.Errorf("malformed draft: %v", err)
	}
}

// Promise: no message is made or read with 0 or more than MaxSignatures signatures.
func TestMessageSignatureCount(t *testing.T) {
	var ks []*keys.Private
	for i := range MaxSignatures + 1 {
		ks = append(ks, mustKey(t, keys.Ed25519, byte(i)))
	}
	raw, public := mustSign(t, ks[:MaxSignatures]...)
	if err := check(raw, testAAD, public...); err != nil {
		t.Error(err)
	}
	if _, err := AddSignature(raw, testAAD, ks[MaxSignatures]); !errors.Is(err, ErrSigners) {
		t.Errorf("one more: %v", err)
	}
	signers, _ := signersOf(ks...)
	if _, err := Sign(testHeader, nil, nil, signers...); !errors.Is(err, ErrSigners) {
		t.Errorf("too many: %v", err)
	}
	m, err := Parse(raw, testMax)
	if err != nil {
		t.Fatal(err)
	}
	for _, list := range [][]Signature{nil, append(m.Signatures, m.Signatures[0])} {
		if _, err := Parse(encodeMessage(testHeader, nil, list), testMax); !errors.Is(err, ErrMalformed) {
			t.Errorf("%d signatures: %v", len(list), err)
		}
	}
}

// badSigner returns what it is told, as a broken token might.
type badSigner struct {
	public keys.Public
	sig    []byte
	err    error
}

func (s badSigner) Public() keys.Public         { return s.public }
func (s badSigner) Sign([]byte) ([]byte, error) { return s.sig, s.err }

// Promise: Sign refuses a header that is not deterministic, a key twice, a zero
// key, and a token that fails or returns a signature that does not verify.
func TestSignRefuses(t *testing.T) {
	k := mustKey(t, keys.Ed25519, 1)
	broken := errors.New("token is gone")
	for name, c := range map[string]struct {
		header  []byte
		signers []keys.Signer
		want    error
	}{
		"no signer":     {testHeader, nil, ErrSigners},
		"twice":         {testHeader, []keys.Signer{k, k}, ErrSigners},
		"zero key":      {testHeader, []keys.Signer{new(keys.Private)}, ErrSigners},
		"no header":     {nil, []keys.Signer{k}, ErrMalformed},
		"empty header":  {[]byte{0xa0}, []keys.Signer{k}, ErrMalformed},
		"header order":  {[]byte{0xa2, 2, 1, 1, 1}, []keys.Signer{k}, ErrMalformed},
		"bad signature": {testHeader, []keys.Signer{badSigner{k.Public(), make([]byte, 64), nil}}, keys.ErrSignature},
		"short":         {testHeader, []keys.Signer{badSigner{k.Public(), nil, nil}}, keys.ErrSignature},
		"fails":         {testHeader, []keys.Signer{badSigner{k.Public(), nil, broken}}, broken},
	} {
		if _, err := Sign(c.header, testPayload, testAAD, c.signers...); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Promise: an ID depends on domain, header and payload, and on nothing else, and
// is the SHA-256 of the array that another encoder makes.
func TestID(t *testing.T) {
	for _, n := range []int{0, 1, 23, 24, 255, 256, 70000} {
		payload := make([]byte, n)
		enc, err := oracleEncode.Marshal([]any{"domain", testHeader, payload})
		if err != nil {
			t.Fatal(err)
		}
		if ID("domain", testHeader, payload) != sha256.Sum256(enc) {
			t.Errorf("payload of %d bytes", n)
		}
	}
	if ID("d", []byte("ab"), []byte("c")) == ID("d", []byte("a"), []byte("bc")) {
		t.Error("header and payload run together")
	}
	long := string(make([]byte, 300))
	enc, err := oracleEncode.Marshal([]any{long, testHeader, testPayload})
	if err != nil {
		t.Fatal(err)
	}
	if ID(long, testHeader, testPayload) != sha256.Sum256(enc) {
		t.Error("long domain")
	}
}

// coseKey lets go-cose sign and verify with our keys.
type coseKey struct{ k *keys.Private }

func (c coseKey) Algorithm() cose.Algorithm                    { return cose.Algorithm(c.k.Public().Algorithm()) }
func (c coseKey) Sign(_ io.Reader, msg []byte) ([]byte, error) { return c.k.Sign(msg) }
func (c coseKey) Verify(msg, sig []byte) error                 { return c.k.Public().Verify(msg, sig) }

// Promise: go-cose verifies what Sign makes.
func TestMessageToGoCOSE(t *testing.T) {
	ks := allKeys(t)
	raw, _ := mustSign(t, ks...)
	var m cose.SignMessage
	if err := m.UnmarshalCBOR(raw); err != nil {
		t.Fatal(err)
	}
	if err := m.Verify(testAAD, coseKey{ks[0]}, coseKey{ks[1]}, coseKey{ks[2]}); err != nil {
		t.Error(err)
	}
	if err := m.Verify(nil, coseKey{ks[0]}, coseKey{ks[1]}, coseKey{ks[2]}); err == nil {
		t.Error("go-cose verifies without the aad")
	}
}

func goCOSE(t testing.TB, unprotected cose.UnprotectedHeader, ks ...*keys.Private) []byte {
	t.Helper()
	m := cose.NewSignMessage()
	m.Headers.RawProtected = mustEncode(t, testHeader)
	m.Headers.Unprotected = unprotected
	m.Payload = testPayload
	var signers []cose.Signer
	for _, k := range ks {
		s := cose.NewSignature()
		s.Headers.Protected.SetAlgorithm(cose.Algorithm(k.Public().Algorithm()))
		m.Signatures = append(m.Signatures, s)
		signers = append(signers, coseKey{k})
	}
	if err := m.Sign(nil, testAAD, signers...); err != nil {
		t.Fatal(err)
	}
	raw, err := m.MarshalCBOR()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func mustEncode(t testing.TB, v any) []byte {
	t.Helper()
	b, err := oracleEncode.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Promise: what go-cose signs in our profile is our message byte for byte; with
// anything unprotected, which go-cose accepts, it is refused.
func TestMessageFromGoCOSE(t *testing.T) {
	ks := allKeys(t)
	ours, public := mustSign(t, ks...)
	raw := goCOSE(t, nil, ks...)
	if !bytes.Equal(raw, ours) {
		t.Errorf("go-cose makes\n%x, we\n%x", raw, ours)
	}
	if err := check(raw, testAAD, public...); err != nil {
		t.Error(err)
	}
	altered := goCOSE(t, cose.UnprotectedHeader{int64(4): []byte("kid")}, ks...)
	if err := check(altered, testAAD, public...); !errors.Is(err, ErrMalformed) {
		t.Errorf("unprotected header: %v", err)
	}
}

// widened returns every form of raw in which one head, at any depth, is longer
// than it needs to be.
func widened(t testing.TB, raw []byte) (out [][]byte) {
	t.Helper()
	var walk func(at int) int
	walk = func(at int) int {
		r := reader{raw[at:]}
		major, arg, err := r.head()
		if err != nil {
			t.Fatal(err)
		}
		next := len(raw) - len(r.b)
		size := next - at - 1 // bytes of the argument
		for wide := max(1, size*2); wide <= 8 && major != majorSimple; wide *= 2 {
			b := append(bytes.Clone(raw[:at]), major<<5|map[int]byte{1: 24, 2: 25, 4: 26, 8: 27}[wide])
			for i := wide - 1; i >= 0; i-- {
				b = append(b, byte(arg>>(8*i)))
			}
			out = append(out, append(b, raw[next:]...))
		}
		switch major {
		case majorBytes, majorText:
			return next + int(arg)
		case majorArray, majorMap, majorTag:
			n := map[byte]int{majorArray: int(arg), majorMap: 2 * int(arg), majorTag: 1}[major]
			for range n {
				next = walk(next)
			}
		}
		return next
	}
	walk(0)
	return out
}

// Promise: a message has one encoding: every longer head, every indefinite length
// and every other shape around valid signatures is refused.
func TestMessageOneEncoding(t *testing.T) {
	k := mustKey(t, keys.Ed25519, 1)
	raw, public := mustSign(t, k)
	forms := widened(t, raw)
	if len(forms) < 20 {
		t.Fatalf("only %d forms", len(forms))
	}
	for _, b := range forms {
		if err := check(b, testAAD, public...); !errors.Is(err, ErrMalformed) {
			t.Errorf("%x: %v", b, err)
		}
	}
	m, err := Parse(raw, testMax)
	if err != nil {
		t.Fatal(err)
	}
	sig := m.Signatures[0].Bytes
	header, none := []byte{0xa1, 1, 0x32}, map[int]int{}
	one := func(parts ...any) any { return cbor.Tag{Number: 98, Content: parts} }
	good := []any{[]any{header, none, sig}}
	shapes := map[string]any{
		"no tag":               []any{testHeader, none, testPayload, good},
		"sign1 tag":            cbor.Tag{Number: 18, Content: []any{testHeader, none, testPayload, good}},
		"mac tag":              cbor.Tag{Number: 97, Content: []any{testHeader, none, testPayload, good}},
		"tag twice":            cbor.Tag{Number: 98, Content: one(testHeader, none, testPayload, good)},
		"three parts":          one(testHeader, none, testPayload),
		"five parts":           one(testHeader, none, testPayload, good, 1),
		"unprotected":          one(testHeader, map[int]int{4: 1}, testPayload, good),
		"unprotected bytes":    one(testHeader, []byte{}, testPayload, good),
		"payload null":         one(testHeader, none, nil, good),
		"payload text":         one(testHeader, none, "payload", good),
		"header as a map":      one(map[int]int{1: 2}, none, testPayload, good),
		"header empty":         one([]byte{}, none, testPayload, good),
		"header empty map":     one([]byte{0xa0}, none, testPayload, good),
		"header followed":      one(append(bytes.Clone(testHeader), 0), none, testPayload, good),
		"signatures as map":    one(testHeader, none, testPayload, map[int]any{1: good}),
		"signature of two":     one(testHeader, none, testPayload, []any{[]any{header, sig}}),
		"signature's header":   one(testHeader, none, testPayload, []any{[]any{[]byte{0xa2, 1, 0x32, 4, 0x40}, none, sig}}),
		"signature empty head": one(testHeader, none, testPayload, []any{[]any{[]byte{}, none, sig}}),
		"old EdDSA":            one(testHeader, none, testPayload, []any{[]any{[]byte{0xa1, 1, 0x27}, none, sig}}),
		"long algorithm":       one(testHeader, none, testPayload, []any{[]any{[]byte{0xa1, 1, 0x38, 0x12}, none, sig}}),
		"signature unprot":     one(testHeader, none, testPayload, []any{[]any{header, map[int]int{1: 1}, sig}}),
		"signature short":      one(testHeader, none, testPayload, []any{[]any{header, none, sig[1:]}}),
		"signature text":       one(testHeader, none, testPayload, []any{[]any{header, none, "x"}}),
	}
	for name, v := range shapes {
		b, err := cbor.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		if err := check(b, testAAD, public...); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	again, err := cbor.Marshal(one(testHeader, none, testPayload, good))
	if err != nil || !bytes.Equal(again, raw) {
		t.Errorf("the shapes do not start from a good one: %v", err)
	}
}

// Promise: Parse never fails but by an error, and what it accepts has one encoding.
func FuzzParse(f *testing.F) {
	one, _ := mustSign(f, mustKey(f, keys.Ed25519, 1))
	three, _ := mustSign(f, allKeys(f)...)
	f.Add(one)
	f.Add(three)
	f.Add(goCOSE(f, cose.UnprotectedHeader{int64(4): []byte("kid")}, mustKey(f, keys.ES256, 1)))
	for _, b := range widened(f, one)[:6] {
		f.Add(b)
	}
	public := mustKey(f, keys.Ed25519, 1).Public()
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, err := Parse(raw, testMax)
		if err != nil {
			return
		}
		if !bytes.Equal(encodeMessage(m.Protected, m.Payload, m.Signatures), raw) {
			t.Errorf("%x has a second encoding", raw)
		}
		if !oracleAccepts(m.Protected) {
			t.Errorf("header %x is not deterministic", m.Protected)
		}
		if m.Verify(testAAD, public) == nil && !bytes.Equal(raw, one) {
			t.Error("another message verifies")
		}
	})
}

func BenchmarkParseVerify(b *testing.B) {
	for _, size := range []int{600, 16 << 10} {
		for _, ks := range [][]*keys.Private{{mustKey(b, keys.Ed25519, 1)}, {mustKey(b, keys.Ed25519, 1), mustKey(b, keys.ES256, 2)}} {
			b.Run(fmt.Sprintf("%d-bytes-%d-signers", size, len(ks)), func(b *testing.B) {
				signers, public := signersOf(ks...)
				raw, err := Sign(testHeader, make([]byte, size), testAAD, signers...)
				if err != nil {
					b.Fatal(err)
				}
				b.ReportAllocs()
				for b.Loop() {
					if err := check(raw, testAAD, public...); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkParse is the floor beside BenchmarkParseVerify: all but the signatures.
func BenchmarkParse(b *testing.B) {
	raw, _ := mustSign(b, allKeys(b)[:2]...)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(raw, testMax); err != nil {
			b.Fatal(err)
		}
	}
}
