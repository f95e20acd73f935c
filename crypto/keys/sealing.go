package keys

import (
	"crypto/hpke"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
)

// KEM is an HPKE key encapsulation mechanism identifier (RFC 9180 section 7.1).
type KEM uint16

// MLKEM768X25519 is the hybrid of ML-KEM-768 and X25519 (X-Wing), the only
// mechanism of this suite (draft-ietf-hpke-pq).
const MLKEM768X25519 KEM = 0x647a

const (
	sealingKeySize = 1216 // ML-KEM-768 key 1184, X25519 key 32
	encapsulation  = 1120 // ML-KEM-768 ciphertext 1088, X25519 key 32
	sealingTag     = 16   // of AES-256-GCM

	// SealOverhead is by how many bytes Seal lengthens its plaintext.
	SealOverhead = encapsulation + sealingTag

	// sealingPrefix opens the deterministic CBOR array [kem id, bstr].
	sealingPrefix = "\x82\x19\x64\x7a\x59\x04\xc0"
)

// ErrOpen says that sealed bytes were not sealed to this key with this info, or
// were altered.
var ErrOpen = errors.New("cannot open what was sealed: other key, other context, or altered")

// SealingPublic is a public key to which content is sealed. It is comparable;
// the zero value is no key.
type SealingPublic struct{ raw string }

// NewSealingPublic checks the 1216 raw bytes of a public key (the
// SerializePublicKey of the mechanism).
func NewSealingPublic(raw []byte) (SealingPublic, error) {
	if len(raw) != sealingKeySize {
		return SealingPublic{}, fmt.Errorf("%w: sealing key of %d bytes, want %d", ErrKey, len(raw), sealingKeySize)
	}
	if _, err := hpke.MLKEM768X25519().NewPublicKey(raw); err != nil {
		return SealingPublic{}, fmt.Errorf("%w: sealing key: %w", ErrKey, err)
	}
	return SealingPublic{raw: string(raw)}, nil
}

// ParseSealingPublic reads the deterministic CBOR array [kem id, bstr], the only
// encoding of a sealing key. It refuses any other with ErrKey.
func ParseSealingPublic(b []byte) (SealingPublic, error) {
	n := len(sealingPrefix)
	if len(b) != n+sealingKeySize || string(b[:n]) != sealingPrefix {
		return SealingPublic{}, fmt.Errorf("%w: not the deterministic CBOR of [kem, key] for a known mechanism", ErrKey)
	}
	return NewSealingPublic(b[n:])
}

// Bytes returns the deterministic CBOR array [kem id, bstr], or nil for the zero
// value. The caller owns the slice.
func (p SealingPublic) Bytes() []byte {
	if p.IsZero() {
		return nil
	}
	return []byte(sealingPrefix + p.raw)
}

// KEM returns the key's mechanism; 0 for the zero value.
func (p SealingPublic) KEM() KEM {
	if p.IsZero() {
		return 0
	}
	return MLKEM768X25519
}

// Raw returns the key in the form NewSealingPublic takes. The caller owns the
// slice.
func (p SealingPublic) Raw() []byte { return []byte(p.raw) }

// ID returns the SHA-256 of Bytes.
func (p SealingPublic) ID() ID { return sha256.Sum256(p.Bytes()) }

// IsZero reports whether p is the zero value, which is no key.
func (p SealingPublic) IsZero() bool { return p.raw == "" }

// String returns the mechanism and the ID, for logs.
func (p SealingPublic) String() string {
	if p.IsZero() {
		return "no key"
	}
	return "MLKEM768-X25519:" + p.ID().String()
}

// MarshalCBOR encodes the key as Bytes does. The zero value is refused.
func (p SealingPublic) MarshalCBOR() ([]byte, error) {
	if p.IsZero() {
		return nil, fmt.Errorf("%w: cannot encode a zero sealing key", ErrKey)
	}
	return p.Bytes(), nil
}

// UnmarshalCBOR is ParseSealingPublic for an embedded key.
func (p *SealingPublic) UnmarshalCBOR(b []byte) error {
	q, err := ParseSealingPublic(b)
	if err != nil {
		return err
	}
	*p = q
	return nil
}

// Seal encrypts plaintext to the key with HPKE in base mode (RFC 9180 section
// 6.1: HKDF-SHA256, AES-256-GCM) and returns the encapsulated key followed by the
// ciphertext, SealOverhead bytes longer than the plaintext. info is not sent
// and must be the same when opening. Base mode does not say who sealed.
func (p SealingPublic) Seal(info, plaintext []byte) ([]byte, error) {
	if p.IsZero() {
		return nil, fmt.Errorf("%w: zero sealing key", ErrKey)
	}
	pub, err := hpke.MLKEM768X25519().NewPublicKey([]byte(p.raw))
	if err != nil {
		return nil, fmt.Errorf("%w: sealing key: %w", ErrKey, err)
	}
	sealed, err := hpke.Seal(pub, hpke.HKDFSHA256(), hpke.AES256GCM(), info, plaintext)
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	return sealed, nil
}

// SealingPrivate opens what was sealed to its public key. It is immutable and
// safe for concurrent use; a nil or zero SealingPrivate is not a key.
type SealingPrivate struct {
	seed   [SeedSize]byte
	public SealingPublic
	key    hpke.PrivateKey
}

// GenerateSealing makes a key from the system's randomness.
func GenerateSealing() (*SealingPrivate, error) {
	var seed [SeedSize]byte
	rand.Read(seed[:]) // never fails: the runtime ends the process instead
	return SealingFromSeed(seed)
}

// SealingFromSeed makes the key that belongs to a seed: the private key of the
// mechanism is the seed itself.
func SealingFromSeed(seed [SeedSize]byte) (*SealingPrivate, error) {
	key, err := hpke.MLKEM768X25519().NewPrivateKey(seed[:])
	if err != nil {
		return nil, fmt.Errorf("%w: sealing key: %w", ErrKey, err)
	}
	pub, err := NewSealingPublic(key.PublicKey().Bytes())
	if err != nil {
		return nil, err
	}
	return &SealingPrivate{seed: seed, public: pub, key: key}, nil
}

// Public returns the public key.
func (k *SealingPrivate) Public() SealingPublic { return k.public }

// Format names the key by its public part, so that no verb of fmt shows a secret.
func (k SealingPrivate) Format(f fmt.State, _ rune) { fmt.Fprint(f, "private key of ", k.public) }

// Open decrypts what Seal returned for the same info, or fails with ErrOpen.
func (k *SealingPrivate) Open(info, sealed []byte) ([]byte, error) {
	if k.key == nil {
		return nil, fmt.Errorf("%w: zero sealing key", ErrKey)
	}
	if len(sealed) < SealOverhead {
		return nil, fmt.Errorf("%w: only %d bytes", ErrOpen, len(sealed))
	}
	plain, err := hpke.Open(k.key, hpke.HKDFSHA256(), hpke.AES256GCM(), info, sealed)
	if err != nil {
		return nil, ErrOpen
	}
	return plain, nil
}
