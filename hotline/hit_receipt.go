package hotline

import (
	"crypto/sha256"
	"fmt"
	"strings"

	"example.org/hotline/crypto/keys"
)

// DomainHitReceipt separates the signature under a receipt for hits from every other one of the service key.
const DomainHitReceipt = "hotline/hit-receipt"

// MaxHitReceipt bounds a receipt for hits, in bytes; MaxHitsAtOnce the hits that one receipt names.
const (
	MaxHitReceipt = 16 << 10
	MaxHitsAtOnce = 128
)

// HitReceipt says that hits wait in a party's triage queue, committed by a majority of its group. It says nothing about what
// becomes of them: a hit is working state until a person adopts it (SPEC §4.1).
type HitReceipt struct {
	Party      Party    `cbor:"1,keyasint" json:"party"`
	Convention ID       `cbor:"2,keyasint" json:"convention"`
	Node       string   `cbor:"3,keyasint" json:"node"`
	From       string   `cbor:"4,keyasint" json:"from"`   // role name of who handed them in
	Keys       []string `cbor:"5,keyasint" json:"keys"`   // of the hits as they wait, in their order
	Digest     [32]byte `cbor:"6,keyasint" json:"digest"` // HitsDigest of what was handed in
	Time       Time     `cbor:"7,keyasint" json:"time"`   // of the node's clock
}

type signedHitReceipt struct {
	Receipt   HitReceipt `cbor:"1,keyasint"`
	Signature []byte     `cbor:"2,keyasint"`
}

func (r *HitReceipt) message() []byte {
	return MustMarshal([]any{DomainHitReceipt, uint64(Protocol), *r})
}

// HitsDigest is the SHA-256 of the encoded list of hits, as whoever hands them in has it.
func HitsDigest(hits []Hit) [32]byte { return sha256.Sum256(MustMarshal(hits)) }

// SignHitReceipt makes a receipt for hits.
func SignHitReceipt(r *HitReceipt, service keys.Signer) ([]byte, error) {
	sig, err := service.Sign(r.message())
	if err != nil {
		return nil, fmt.Errorf("receipt for hits: %w", err)
	}
	return Marshal(signedHitReceipt{*r, sig})
}

// OpenHitReceipt reads a receipt for hits and checks that the service key signed it. The error carries CodeMalformed, CodeTooLarge
// or CodeBadSignature.
func OpenHitReceipt(raw []byte, service keys.Public) (*HitReceipt, error) {
	var s signedHitReceipt
	if err := Unmarshal(raw, &s, MaxHitReceipt); err != nil {
		return nil, err
	}
	r := &s.Receipt
	if !r.Party.Valid() || len(r.Keys) == 0 || len(r.Keys) > MaxHitsAtOnce || r.Time <= 0 {
		return nil, Refuse(CodeMalformed, "receipt for hits: a field is out of range")
	}
	for _, key := range r.Keys {
		if len(key) != HitKeyLength || strings.Trim(key, "0123456789abcdef") != "" {
			return nil, Refuse(CodeMalformed, "receipt for hits: %q is no key of a hit", clip(key))
		}
	}
	if err := service.Verify(r.message(), s.Signature); err != nil {
		return nil, Refuse(CodeBadSignature, "receipt for hits: the service key has not signed it")
	}
	return r, nil
}
