package hotline_test

import (
	"bytes"
	"crypto/sha256"
	"slices"
	"testing"

	. "example.org/hotline/hotline"
)

// TestSecondEncodingsAreRefused: a value has one encoding; every other way to
// write the same statement is refused as malformed (SPEC §2).
func TestSecondEncodingsAreRefused(t *testing.T) {
	w := newWorld()
	raw := w.a.LineTest(at, "XB", 1, 2).Raw
	for _, b := range secondEncodings(raw) {
		if bytes.Equal(b.raw, raw) {
			t.Fatalf("%s: not changed", b.name)
		}
		_, err := Parse(b.raw)
		wantCode(t, b.name, err, b.code)
	}
}

// namedBytes is a bad input with the code that it must be refused with.
type namedBytes struct {
	name string
	raw  []byte
	code Code
}

// secondEncodings makes bad copies of a good line test by hand, byte for byte.
func secondEncodings(raw []byte) []namedBytes {
	v, err := lenient(raw[2:])
	if err != nil {
		panic(err)
	}
	parts := v.([]any)
	protected, payload := parts[0].([]byte), parts[2].([]byte)
	sig := parts[3].([]any)[0].([]any)[2].([]byte)
	str := func(b []byte) []byte { return MustMarshal(b) }
	frame := func(protected, unprotected, payload, signatures []byte) []byte {
		return slices.Concat([]byte{0xd8, 98, 0x84}, protected, unprotected, payload, signatures)
	}
	p, pay, empty := str(protected), str(payload), []byte{0xa0}
	one := slices.Concat(unhex("818343a10132a0"), str(sig))
	head := func(old, replacement string) []byte {
		if !bytes.Contains(protected, unhex(old)) {
			panic("secondEncodings: header without " + old)
		}
		return frame(str(bytes.Replace(protected, unhex(old), unhex(replacement), 1)), empty, pay, one)
	}
	const m = CodeMalformed
	outside := []namedBytes{
		{"no tag", raw[2:], m},
		{"tag 18", append([]byte{0xd2}, raw[2:]...), m},
		{"long tag", append([]byte{0xd9, 0, 98}, raw[2:]...), m},
		{"self-described", append(unhex("d9d9f7"), raw...), m},
		{"bytes after the end", append(bytes.Clone(raw), 0), m},
		{"cut short", raw[:len(raw)-1], m},
		{"indefinite array", append(slices.Concat(unhex("d8629f"), raw[3:]), 0xff), m},
		{"array of five", slices.Concat(unhex("d86285"), raw[3:], []byte{0}), m},
		{"kid in the unprotected header", frame(p, unhex("a1044158"), pay, one), m},
		{"kid in a signature", frame(p, empty, pay, slices.Concat(unhex("818343a10132a1044158"), str(sig))), m},
		{"unknown algorithm", frame(p, empty, pay, slices.Concat(unhex("818343a10128a0"), str(sig))), m},
		{"algorithm -8", frame(p, empty, pay, slices.Concat(unhex("818343a10127a0"), str(sig))), m},
		{"signature header with a second label", frame(p, empty, pay, slices.Concat(unhex("818346a20132044158a0"), str(sig))), m},
		{"signature of 63 bytes", frame(p, empty, pay, slices.Concat(unhex("818343a10132a0"), str(sig[:63]))), m},
		{"detached payload", frame(p, empty, []byte{0xf6}, one), m},
		{"protected header as a map", frame(protected, empty, pay, one), m},
		{"empty protected header", frame([]byte{0x40}, empty, pay, one), m},
		{"long head of the payload", frame(p, empty, slices.Concat([]byte{0x58, byte(len(payload))}, payload), one), m},
		{"chunked payload", frame(p, empty, slices.Concat([]byte{0x5f}, pay, []byte{0xff}), one), m},
		{"signatures doubled", frame(p, empty, pay, slices.Concat(unhex("828343a10132a0"), str(sig), one[1:])), CodeExtraAuthor},
		{"no signatures", frame(p, empty, pay, []byte{0x80}), m},
	}
	inside := secondBodies(func(b []byte) []byte { return frame(p, empty, str(b), one) })
	return append(append(outside, inside...), []namedBytes{
		{"no crit", frame(str(append([]byte{0xa1}, protected[8:]...)), empty, pay, one), m},
		{"crit of another label", head("02813a00011170", "02813a00011171"), m},
		{"crit of two labels", head("02813a00011170", "02823a000111703a00011171"), m},
		{"crit of text", head("02813a00011170", "02816161"), m},
		{"unknown label beside", head("a202813a00011170", "a302813a00011170182a01"), m},
		{"alg in the header", head("a202813a00011170", "a3013202813a00011170"), m},
		{"labels out of order", frame(str(slices.Concat([]byte{0xa2}, protected[8:], protected[1:8])), empty, pay, one), m},
		{"header key twice", head("010b0201", "010b010b"), m},
		{"kind with a long head", head("010b0201", "01180b0201"), m},
		{"kind as a float", head("010b0201", "01f949800201"), m},
		{"kind as text", head("010b0201", "01616b0201"), m},
		{"kind negative", head("010b0201", "012a0201"), m},
		{"status null", head("010b0201", "010b02f6"), m},
		{"party not utf-8", head("05625841", "0562ff41"), m},
		{"party as bytes", head("05625841", "05425841"), m},
		{"addressee list indefinite", head("0681625842", "069f625842ff"), m},
		{"unknown header field", frame(str(slices.Concat(protected[:13], []byte{protected[13] + 1}, protected[14:], unhex("17f5"))), empty, pay, one), m},
	}...)
}

// secondBodies are bad copies of the line test's body a2 01 01 02 64 58412d31.
func secondBodies(st func(body []byte) []byte) []namedBytes {
	body := func(s string) []byte { return st(unhex(s)) }
	const m = CodeMalformed
	return []namedBytes{
		{"body with a long integer", body("a2011801026458412d31"), m},
		{"body keys out of order", body("a2026458412d310101"), m},
		{"body key twice", body("a301010101" + "026458412d31"), m},
		{"body with an unknown key", body("a30101026458412d310300"), m},
		{"body indefinite", body("bf0101026458412d31ff"), m},
		{"body with bytes after it", body("a20101026458412d3100"), m},
		{"body with a bignum", body("a201c24101026458412d31"), m},
		{"body with undefined", body("a201f7026458412d31"), m},
		{"body as an array", body("82016458412d31"), m},
		{"empty body", body(""), m},
	}
}

// TestSignedContextsAreTheirArrays: what is bound into a signature or hashed to
// a key is the array of SPEC §3.3 and §6.10, as the general encoder writes it.
func TestSignedContextsAreTheirArrays(t *testing.T) {
	for _, index := range []uint64{0, 23, 24, 1 << 40} {
		want := must(MarshalAny([]any{"hotline/page", someID("c"), "XA", uint64(1), index}))
		sum := sha256.Sum256(want)
		if k := PageKeyOf(someID("c"), "XA", 1, index); !bytes.Equal(k[:], sum[:len(k)]) {
			t.Errorf("key of page %d is %x", index, k)
		}
	}
	for _, status := range []Status{Actual, Exercise, Test} {
		if want := must(MarshalAny([]any{DomainStatement, uint64(Protocol), someID("c"), status})); !bytes.Equal(AAD(someID("c"), status), want) {
			t.Errorf("AAD of %s is not %x", status, want)
		}
	}
}
