package seal

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/fxamacker/cbor/v2"

	"example.org/hotline/crypto/keys"
)

var testContext = []byte("context")

func mustSealing(t testing.TB, n int) *keys.SealingPrivate {
	t.Helper()
	k, err := keys.SealingFromSeed(sha256.Sum256(fmt.Append(nil, n)))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func mustSeal(t testing.TB, body []byte, ks ...*keys.SealingPrivate) (payload []byte, commitment [32]byte) {
	t.Helper()
	var to []Recipient
	for i, k := range ks {
		to = append(to, Recipient{Party: fmt.Sprintf("X%c", 'A'+i), Key: k.Public()})
	}
	payload, commitment, err := SealBody(body, testContext, to)
	if err != nil {
		t.Fatal(err)
	}
	return payload, commitment
}

// Promise: each addressee reads the same body and blind, which match the
// commitment; the payload names the addressees and their keys.
func TestBodyRoundTrip(t *testing.T) {
	a, b := mustSealing(t, 1), mustSealing(t, 2)
	body := []byte("attack from our range")
	payload, commitment := mustSeal(t, body, a, b)
	var blinds [2][32]byte
	for i, k := range []*keys.SealingPrivate{a, b} {
		blind, got, err := OpenBody(payload, testContext, commitment, k)
		if err != nil || !bytes.Equal(got, body) {
			t.Fatalf("addressee %d: %q, %v", i, got, err)
		}
		blinds[i] = blind
		if Commitment(blind, got) != commitment {
			t.Errorf("addressee %d: the blind does not open the commitment", i)
		}
	}
	if blinds[0] != blinds[1] || blinds[0] == [32]byte{} {
		t.Errorf("blinds %x", blinds)
	}
	if commitment != sha256.Sum256(append(blinds[0][:], body...)) {
		t.Error("commitment is not SHA-256 of blind and body")
	}
	list, err := Recipients(payload)
	if err != nil || len(list) != 2 || list[0] != (Addressee{"XA", a.Public().ID()}) || list[1] != (Addressee{"XB", b.Public().ID()}) {
		t.Errorf("addressees %v, %v", list, err)
	}
	if !oracleAccepts(payload) {
		t.Error("payload is not deterministic CBOR")
	}
	var shape struct {
		Ciphertext []byte  `cbor:"1,keyasint"`
		List       [][]any `cbor:"2,keyasint"`
	}
	if err := cbor.Unmarshal(payload, &shape); err != nil || len(shape.List) != 2 || len(shape.Ciphertext) != 512+16 {
		t.Errorf("payload is not {1: ciphertext, 2: list}: %v", err)
	}
}

// Promise: nothing of one sealing returns in another: content key and blind are
// fresh, even for the same body.
func TestBodyIsFresh(t *testing.T) {
	k := mustSealing(t, 1)
	p1, c1 := mustSeal(t, []byte("same"), k)
	p2, c2 := mustSeal(t, []byte("same"), k)
	s1, err1 := parseBody(p1)
	s2, err2 := parseBody(p2)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	if c1 == c2 || bytes.Equal(s1.ciphertext, s2.ciphertext) || bytes.Equal(s1.entries[0].sealed, s2.entries[0].sealed) {
		t.Error("two sealings share a part")
	}
	k1, err1 := k.Open(keyInfo(testContext, []byte("XA")), s1.entries[0].sealed)
	k2, err2 := k.Open(keyInfo(testContext, []byte("XA")), s2.entries[0].sealed)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(k1, k2) || len(k1) != contentKeySize {
		t.Error("two sealings share a content key")
	}
}

// Promise: each refusal has its own error: not for this key, not readable, not
// the committed body.
func TestBodyRefused(t *testing.T) {
	a, b := mustSealing(t, 1), mustSealing(t, 2)
	payload, commitment := mustSeal(t, []byte("text"), a)
	if _, _, err := OpenBody(payload, testContext, commitment, b); !errors.Is(err, ErrNotAddressee) {
		t.Errorf("not addressed: %v", err)
	}
	if _, _, err := OpenBody(payload, []byte("Context"), commitment, a); !errors.Is(err, ErrUnreadable) {
		t.Errorf("other context: %v", err)
	}
	other := commitment
	other[0] ^= 1
	blind, body, err := OpenBody(payload, testContext, other, a)
	if !errors.Is(err, ErrCommitment) || body != nil || blind != [32]byte{} {
		t.Errorf("other commitment: %q, %v", body, err)
	}
	if _, _, err := OpenBody([]byte{0xa0}, testContext, commitment, a); !errors.Is(err, ErrUnreadable) || !errors.Is(err, ErrMalformed) {
		t.Errorf("malformed: %v", err)
	}
	if _, _, err := OpenBody(make([]byte, maxSealed+1), testContext, commitment, a); !errors.Is(err, ErrTooLarge) {
		t.Errorf("too large: %v", err)
	}
}

// Promise: every flipped bit of a payload is refused by each addressee, also one
// in what concerns another addressee.
func TestBodyBitFlips(t *testing.T) {
	a, b := mustSealing(t, 1), mustSealing(t, 2)
	payload, commitment := mustSeal(t, []byte("text"), a, b)
	parsed, err := parseBody(payload)
	if err != nil {
		t.Fatal(err)
	}
	edge := len(payload) - len(parsed.list)
	for bit := range len(payload) * 8 {
		at := bit / 8
		// Every bit of the structure; of the long random strings every 11th.
		if bit%11 != 0 && !(at < 8 || at >= edge-2 && at < edge+48) {
			continue
		}
		payload[at] ^= 1 << (bit % 8)
		if _, _, err := OpenBody(payload, testContext, commitment, b); err == nil {
			t.Fatalf("flip of bit %d accepted", bit)
		}
		payload[at] ^= 1 << (bit % 8)
	}
	if _, _, err := OpenBody(payload, testContext, commitment, b); err != nil {
		t.Error(err)
	}
}

// Promise: an addressee cannot be renamed, removed or moved to another message.
func TestBodyListIsBound(t *testing.T) {
	a, b := mustSealing(t, 1), mustSealing(t, 2)
	payload, commitment := mustSeal(t, []byte("text"), a, b)
	other, _ := mustSeal(t, []byte("other"), a, b)
	decode := func(p []byte) (m struct {
		Ciphertext []byte  `cbor:"1,keyasint"`
		List       [][]any `cbor:"2,keyasint"`
	}) {
		if err := cbor.Unmarshal(p, &m); err != nil {
			t.Fatal(err)
		}
		return m
	}
	for name, change := range map[string]func() any{
		"renamed": func() any { m := decode(payload); m.List[1][0] = "XC"; return m },
		"removed": func() any { m := decode(payload); m.List = m.List[1:]; return m },
		"swapped": func() any { m := decode(payload); m.List[0], m.List[1] = m.List[1], m.List[0]; return m },
		"key of another": func() any {
			m := decode(payload)
			m.List[1][2] = decode(other).List[1][2]
			return m
		},
		"text of another": func() any { m := decode(payload); m.Ciphertext = decode(other).Ciphertext; return m },
	} {
		changed := mustEncode(t, change())
		if _, err := Recipients(changed); err != nil {
			t.Errorf("%s: refused by form alone: %v", name, err)
		}
		if _, _, err := OpenBody(changed, testContext, commitment, b); !errors.Is(err, ErrUnreadable) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if same := mustEncode(t, decode(payload)); !bytes.Equal(same, payload) {
		t.Error("the changes do not start from the payload")
	}
}

// Promise: the length of a payload tells only the size class of the body, and the
// longest body fits.
func TestBodyPadding(t *testing.T) {
	k := mustSealing(t, 1)
	classes := map[int]bool{}
	sizes := []int{0, 1, 2, 478, 479, 480, 991, 992, 2015, 2016, 4063, 4064, 8159, 8160, MaxBody - 1, MaxBody}
	for _, n := range sizes {
		body := bytes.Repeat([]byte{0x80}, n/2)
		body = append(body, make([]byte, n-n/2)...) // ends like padding
		payload, commitment := mustSeal(t, body, k)
		_, got, err := OpenBody(payload, testContext, commitment, k)
		if err != nil || !bytes.Equal(got, body) {
			t.Errorf("%d bytes: %v", n, err)
		}
		classes[len(payload)] = true
	}
	if len(classes) != 7 { // 512, 1024, 2048, 4096, 8192, 12288, 49152
		t.Errorf("%d lengths, want 7", len(classes))
	}
	count := map[int]bool{}
	for n := 33; n <= maxPadded; n++ {
		class := sizeClass(n)
		if class < n || class != sizeClass(class) {
			t.Fatalf("%d bytes in class %d", n, class)
		}
		count[class] = true
	}
	if len(count) != 15 {
		t.Errorf("%d classes, want 15", len(count))
	}
	if _, _, err := SealBody(make([]byte, MaxBody+1), nil, []Recipient{{"XA", k.Public()}}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("too long: %v", err)
	}
}

// Promise: a body padded in another way than SealBody does is unreadable, so a
// body has one plaintext.
func TestBodyPaddingIsExact(t *testing.T) {
	k := mustSealing(t, 1)
	content := make([]byte, contentKeySize)
	list, err := sealKeys(content, testContext, []Recipient{{"XA", k.Public()}})
	if err != nil {
		t.Fatal(err)
	}
	aead, err := bodyCipher(content)
	if err != nil {
		t.Fatal(err)
	}
	seal := func(padded []byte) []byte {
		b := appendInt(AppendHead(nil, majorMap, 2), 1)
		b = appendBytes(b, aead.Seal(nil, make([]byte, 12), padded, bodyAAD(testContext, list)))
		return append(appendInt(b, 2), list...)
	}
	plain := func(size, mark int, value byte) []byte {
		p := make([]byte, size)
		if mark >= 0 {
			p[mark] = value
		}
		return p
	}
	for name, c := range map[string]struct {
		padded []byte
		ok     bool
	}{
		"good":        {plain(512, 40, 0x80), true},
		"empty":       {plain(512, 32, 0x80), true},
		"full":        {plain(512, 511, 0x80), true},
		"in blind":    {plain(512, 31, 0x80), false},
		"no mark":     {plain(512, -1, 0), false},
		"other mark":  {plain(512, 40, 0x81), false},
		"large class": {plain(1024, 40, 0x80), false},
	} {
		n := max(unpaddedLength(c.padded), 32)
		commitment := Commitment([32]byte(c.padded), c.padded[32:n])
		_, _, err := OpenBody(seal(c.padded), testContext, commitment, k)
		if c.ok != (err == nil) || err != nil && !errors.Is(err, ErrUnreadable) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Recipients(seal(make([]byte, 513))); !errors.Is(err, ErrMalformed) {
		t.Errorf("not a size class: %v", err)
	}
}

// Promise: SealBody refuses lists of addressees that cannot be read without doubt.
func TestSealBodyRefuses(t *testing.T) {
	a := mustSealing(t, 1).Public()
	for name, to := range map[string][]Recipient{
		"nobody":    nil,
		"too many":  make([]Recipient, MaxRecipients+1),
		"no party":  {{"", a}},
		"long":      {{strings.Repeat("X", MaxParty+1), a}},
		"not utf-8": {{"\xff", a}},
		"zero key":  {{"XA", keys.SealingPublic{}}},
	} {
		if _, _, err := SealBody([]byte("x"), nil, to); !errors.Is(err, ErrRecipients) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Promise: a party that gives the key of another for its own keeps nobody from sealing to both, and the owner reads.
func TestBodyUnderOneKeyTwice(t *testing.T) {
	a, b := mustSealing(t, 1), mustSealing(t, 2)
	payload, commitment, err := SealBody([]byte("text"), testContext, []Recipient{{"XA", a.Public()}, {"XB", b.Public()}, {"XC", b.Public()}})
	if err != nil {
		t.Fatal(err)
	}
	for name, k := range map[string]*keys.SealingPrivate{"XA": a, "XB": b} {
		if _, body, err := OpenBody(payload, testContext, commitment, k); err != nil || string(body) != "text" {
			t.Errorf("%s reads %q, %v", name, body, err)
		}
	}
	// The first counts: what stands in a later one changes nothing.
	content := make([]byte, contentKeySize)
	list, err1 := sealKeys(content, testContext, []Recipient{{"XB", b.Public()}, {"XC", b.Public()}})
	aead, err2 := bodyCipher(content)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	clear(list[len(list)-sealedKeySize:])
	padded := make([]byte, minPadded)
	padded[blindSize] = 0x80
	payload = appendBytes(appendInt(AppendHead(nil, majorMap, 2), 1), aead.Seal(nil, make([]byte, aead.NonceSize()), padded, bodyAAD(testContext, list)))
	payload = append(appendInt(payload, 2), list...)
	if _, _, err := OpenBody(payload, testContext, Commitment([32]byte{}, nil), b); err != nil {
		t.Errorf("of two entries with one key the first does not count: %v", err)
	}
}

// Promise: a payload has one encoding.
func TestBodyOneEncoding(t *testing.T) {
	k := mustSealing(t, 1)
	payload, commitment := mustSeal(t, []byte("text"), k)
	forms := append(widened(t, payload), append(bytes.Clone(payload), 0))
	for n := 0; n < len(payload); n += 7 {
		forms = append(forms, payload[:n])
	}
	parsed, err := parseBody(payload)
	if err != nil {
		t.Fatal(err)
	}
	id, sealed := parsed.entries[0].id, parsed.entries[0].sealed
	for _, list := range []any{
		[]any{}, []any{[]any{"XA", id}}, []any{[]any{"XA", id, sealed, 1}}, []any{[]any{[]byte("XA"), id, sealed}},
		[]any{[]any{"XA", id[1:], sealed}}, []any{[]any{"XA", id, sealed[1:]}}, []any{[]any{"", id, sealed}},
		map[int]int{},
	} {
		forms = append(forms, mustEncode(t, map[int]any{1: parsed.ciphertext, 2: list}))
	}
	for _, v := range []any{
		map[int]any{1: parsed.ciphertext}, map[int]any{1: parsed.ciphertext, 3: cbor.RawMessage(parsed.list)},
		map[int]any{1: parsed.ciphertext, 2: cbor.RawMessage(parsed.list), 3: 1},
		map[int]any{1: []byte{}, 2: cbor.RawMessage(parsed.list)},
	} {
		forms = append(forms, mustEncode(t, v))
	}
	for _, b := range forms {
		if _, err := Recipients(b); !errors.Is(err, ErrMalformed) {
			t.Errorf("%x: %v", b[:min(len(b), 40)], err)
		}
		if _, _, err := OpenBody(b, testContext, commitment, k); !errors.Is(err, ErrUnreadable) {
			t.Errorf("%x opened: %v", b[:min(len(b), 40)], err)
		}
	}
}

// Promise: OpenBody never fails but by an error, and opens only what was sealed.
func FuzzOpenBody(f *testing.F) {
	k := mustSealing(f, 1)
	payload, commitment := mustSeal(f, []byte("text"), k, mustSealing(f, 2))
	f.Add(payload)
	f.Add([]byte{0xa2, 1, 0x40, 2, 0x80})
	f.Fuzz(func(t *testing.T, b []byte) {
		_, body, err := OpenBody(b, testContext, commitment, k)
		if err == nil && (!bytes.Equal(b, payload) || string(body) != "text") {
			t.Errorf("another payload opens to %q", body)
		}
		if list, err := Recipients(b); err == nil && (len(list) == 0 || !oracleAccepts(b)) {
			t.Errorf("%x is not deterministic", b)
		}
	})
}

func BenchmarkSealBody(b *testing.B) {
	to := []Recipient{{"XA", mustSealing(b, 1).Public()}, {"XB", mustSealing(b, 2).Public()}}
	body := make([]byte, 1500)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := SealBody(body, testContext, to); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpenBody(b *testing.B) {
	k := mustSealing(b, 1)
	payload, commitment := mustSeal(b, make([]byte, 1500), k)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := OpenBody(payload, testContext, commitment, k); err != nil {
			b.Fatal(err)
		}
	}
}
