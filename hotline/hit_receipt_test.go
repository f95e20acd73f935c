package hotline

import (
	"bytes"
	"strings"
	"testing"

	"example.org/hotline/crypto/keys"
)

// TestHitReceiptBindsWhatItSays defends whoever holds a receipt for hits: every part of it is under the service key's signature, and
// another key's is none.
func TestHitReceiptBindsWhatItSays(t *testing.T) {
	key, err := keys.FromSeed(keys.Ed25519, [keys.SeedSize]byte{1})
	if err != nil {
		t.Fatal(err)
	}
	other, err := keys.FromSeed(keys.Ed25519, [keys.SeedSize]byte{2})
	if err != nil {
		t.Fatal(err)
	}
	h := soundHit()
	in := &HitReceipt{Party: "XA", Convention: ID{1}, Node: "XA-1", From: "XA-C1", Keys: []string{h.Key}, Digest: HitsDigest([]Hit{h}), Time: 5}
	raw, err := SignHitReceipt(in, key)
	if err != nil {
		t.Fatal(err)
	}
	out, err := OpenHitReceipt(raw, key.Public())
	if err != nil || out.From != in.From || out.Digest != in.Digest || out.Keys[0] != h.Key {
		t.Fatalf("%v: %+v", err, out)
	}
	if _, err := OpenHitReceipt(raw, other.Public()); CodeOf(err) != CodeBadSignature {
		t.Errorf("another key's receipt is believed: %v", err)
	}
	for i := range raw {
		bad := bytes.Clone(raw)
		bad[i] ^= 1
		if _, err := OpenHitReceipt(bad, key.Public()); err == nil {
			t.Fatalf("a receipt with byte %d changed is believed", i)
		}
	}
	for _, list := range [][]string{nil, {"0a"}, {strings.Repeat("0A", 32)}} {
		in.Keys = list
		if raw, err = SignHitReceipt(in, key); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenHitReceipt(raw, key.Public()); CodeOf(err) != CodeMalformed {
			t.Errorf("a receipt for %q is believed: %v", list, err)
		}
	}
}

// FuzzOpenHitReceipt defends whoever is handed a receipt for hits: whatever the bytes, nothing is believed that the key has not signed.
func FuzzOpenHitReceipt(f *testing.F) {
	key, err := keys.FromSeed(keys.Ed25519, [keys.SeedSize]byte{1})
	if err != nil {
		f.Fatal(err)
	}
	h := soundHit()
	raw, err := SignHitReceipt(&HitReceipt{Party: "XA", Node: "XA-1", From: "XA-C1", Keys: []string{h.Key}, Digest: HitsDigest([]Hit{h}), Time: 5}, key)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := OpenHitReceipt(b, key.Public()); err == nil && !bytes.Equal(b, raw) {
			t.Errorf("a receipt that was never signed is believed: %+v", r)
		}
	})
}
