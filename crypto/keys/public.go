package keys

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"

	"filippo.io/mldsa"
)

// Algorithm is a COSE algorithm identifier for signatures. It fixes the curve,
// the hash and the form of the signature (RFC 9864 calls this fully specified).
type Algorithm int64

const (
	// Ed25519 is EdDSA on edwards25519 (RFC 8032), COSE -19 (RFC 9864).
	Ed25519 Algorithm = -19
	// ES256 is ECDSA on P-256 with SHA-256, COSE -7 (RFC 9053). COSE itself
	// leaves the curve open; here it is always P-256.
	ES256 Algorithm = -7
	// MLDSA44 is ML-DSA-44 (FIPS 204) with an empty context, COSE -48 (RFC 9964).
	MLDSA44 Algorithm = -48
)

// Sizes of the raw public keys in bytes.
const (
	ed25519KeySize = ed25519.PublicKeySize
	es256KeySize   = 33
	mldsa44KeySize = mldsa.MLDSA44PublicKeySize
)

// MaxPublicBytes bounds Public.Bytes: an ML-DSA-44 key with its prefix.
const MaxPublicBytes = 6 + mldsa44KeySize

var (
	// ErrKey says that bytes are not a valid public or private key, or that a
	// zero key was used.
	ErrKey = errors.New("invalid key")
	// ErrSignature says that a signature is malformed or does not belong to
	// this message and key.
	ErrSignature = errors.New("signature does not verify")
	// ErrAlgorithm says that an algorithm is not one of this suite.
	ErrAlgorithm = errors.New("algorithm is not one of Ed25519 (-19), ES256 (-7), ML-DSA-44 (-48)")
)

// String returns the name of the algorithm as COSE registers it.
func (a Algorithm) String() string {
	switch a {
	case Ed25519:
		return "Ed25519"
	case ES256:
		return "ES256"
	case MLDSA44:
		return "ML-DSA-44"
	}
	return fmt.Sprintf("algorithm(%d)", int64(a))
}

// Valid reports whether a is one of the algorithms of this suite.
func (a Algorithm) Valid() bool { return a.rawSize() != 0 }

// SignatureSize is the exact length in bytes of every signature of a, or 0 if
// a is not valid.
func (a Algorithm) SignatureSize() int {
	switch a {
	case Ed25519, ES256:
		return 64
	case MLDSA44:
		return mldsa.MLDSA44SignatureSize
	}
	return 0
}

func (a Algorithm) rawSize() int {
	switch a {
	case Ed25519:
		return ed25519KeySize
	case ES256:
		return es256KeySize
	case MLDSA44:
		return mldsa44KeySize
	}
	return 0
}

// prefix is what stands before the raw key in the deterministic CBOR array
// [alg, bstr] (RFC 8949 section 4.2.1): array head, algorithm, string head.
func (a Algorithm) prefix() string {
	switch a {
	case Ed25519:
		return "\x82\x32\x58\x20"
	case ES256:
		return "\x82\x26\x58\x21"
	case MLDSA44:
		return "\x82\x38\x2f\x59\x05\x20"
	}
	return ""
}

// ID names a public key: the SHA-256 of its encoding (Public.Bytes or
// SealingPublic.Bytes).
type ID [sha256.Size]byte

// String returns the 64 hexadecimal digits of the ID.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// Public is a public signing key. It is comparable: two values are == exactly
// when algorithm and key are the same. The zero value is no key; it verifies
// nothing and does not encode.
type Public struct {
	alg Algorithm
	raw string
}

// NewPublic checks a raw public key and returns it. The raw form is 32 bytes for
// Ed25519 (RFC 8032 section 5.1.2), the 33-byte compressed point for ES256
// (SEC 1 section 2.3.3) and 1312 bytes for ML-DSA-44 (FIPS 204 section 4).
//
// Refused with ErrKey: another length, a point that is not on the curve or not
// in its one canonical form, and the small-order points of Ed25519, under
// which a signature can verify for every message.
func NewPublic(alg Algorithm, raw []byte) (Public, error) {
	if !alg.Valid() {
		return Public{}, fmt.Errorf("%w: %d", ErrAlgorithm, int64(alg))
	}
	if len(raw) != alg.rawSize() {
		return Public{}, fmt.Errorf("%w: %s key of %d bytes, want %d", ErrKey, alg, len(raw), alg.rawSize())
	}
	var err error
	switch alg {
	case Ed25519:
		err = checkEdwards(raw)
	case ES256:
		_, err = decompress(raw)
	case MLDSA44:
		_, err = mldsa.NewPublicKey(mldsa.MLDSA44(), raw)
	}
	if err != nil {
		return Public{}, fmt.Errorf("%w: %s: %w", ErrKey, alg, err)
	}
	return Public{alg: alg, raw: string(raw)}, nil
}

// ParsePublic reads the deterministic CBOR array [alg, bstr], the only encoding
// of a key. It refuses any other with ErrKey.
func ParsePublic(b []byte) (Public, error) {
	for _, alg := range [...]Algorithm{Ed25519, ES256, MLDSA44} {
		p := alg.prefix()
		if len(b) == len(p)+alg.rawSize() && string(b[:len(p)]) == p {
			return NewPublic(alg, b[len(p):])
		}
	}
	return Public{}, fmt.Errorf("%w: not the deterministic CBOR of [alg, key] for a known algorithm", ErrKey)
}

// Bytes returns the deterministic CBOR array [alg, bstr], or nil for the zero
// value. The caller owns the slice.
func (p Public) Bytes() []byte {
	if p.IsZero() {
		return nil
	}
	return p.appendTo(make([]byte, 0, len(p.alg.prefix())+len(p.raw)))
}

func (p Public) appendTo(b []byte) []byte {
	return append(append(b, p.alg.prefix()...), p.raw...)
}

// Algorithm returns the algorithm of the key; 0 for the zero value.
func (p Public) Algorithm() Algorithm { return p.alg }

// Raw returns the key without its algorithm, in the form NewPublic takes. The
// caller owns the slice.
func (p Public) Raw() []byte { return []byte(p.raw) }

// ID returns the SHA-256 of Bytes.
func (p Public) ID() ID { return sha256.Sum256(p.Bytes()) }

// IsZero reports whether p is the zero value, which is no key.
func (p Public) IsZero() bool { return p == Public{} }

// String returns the algorithm and the ID, for logs.
func (p Public) String() string {
	if p.IsZero() {
		return "no key"
	}
	return p.alg.String() + ":" + p.ID().String()
}

// MarshalCBOR encodes the key as Bytes does, so that it stands as [alg, bstr]
// inside a document. The zero value is refused with ErrKey.
func (p Public) MarshalCBOR() ([]byte, error) {
	if p.IsZero() {
		return nil, fmt.Errorf("%w: cannot encode a zero key", ErrKey)
	}
	return p.Bytes(), nil
}

// UnmarshalCBOR is ParsePublic for an embedded key.
func (p *Public) UnmarshalCBOR(b []byte) error {
	q, err := ParsePublic(b)
	if err != nil {
		return err
	}
	*p = q
	return nil
}

// Verify checks a signature over msg and returns nil or an error that wraps
// ErrSignature (ErrKey for the zero key). The form of a signature is RFC 8032
// for Ed25519, the 64 bytes r || s with s in the lower half of the group's order
// for ES256 (RFC 9053 section 2.1, with the rule of low s added so that a
// signature has one encoding), and FIPS 204 for ML-DSA-44.
func (p Public) Verify(msg, sig []byte) error {
	if p.IsZero() {
		return fmt.Errorf("%w: zero key", ErrKey)
	}
	if len(sig) != p.alg.SignatureSize() {
		return fmt.Errorf("%w: %s signature of %d bytes, want %d", ErrSignature, p.alg, len(sig), p.alg.SignatureSize())
	}
	ok := false
	switch p.alg {
	case Ed25519:
		ok = verifyEdwards(p.raw, msg, sig)
	case ES256:
		ok = verifyES256(p.raw, msg, sig)
	case MLDSA44:
		pk, err := mldsa.NewPublicKey(mldsa.MLDSA44(), []byte(p.raw))
		ok = err == nil && mldsa.Verify(pk, msg, sig, nil) == nil
	}
	if !ok {
		return ErrSignature
	}
	return nil
}

func verifyES256(raw string, msg, sig []byte) bool {
	pub, err := decompress([]byte(raw))
	r, s := new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:])
	if err != nil || s.Cmp(halfOrder()) > 0 {
		return false
	}
	digest := sha256.Sum256(msg)
	return ecdsa.Verify(pub, digest[:], r, s)
}

// halfOrder is floor(n/2) for the order n of P-256, the largest s accepted.
func halfOrder() *big.Int { return new(big.Int).Rsh(elliptic.P256().Params().N, 1) }
