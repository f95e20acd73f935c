package keys

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"

	"filippo.io/mldsa"
)

// SeedSize is the length in bytes of the secret that a private key is made from.
const SeedSize = 32

// Signer signs with one private key, which may be held in memory (Private), by
// a token or by another process. Sign returns a signature in the form that
// Public.Verify accepts; in particular an ES256 signer must return the low s.
// Implementations are safe for concurrent use.
type Signer interface {
	Public() Public
	Sign(msg []byte) ([]byte, error)
}

// Private is a private signing key in memory. It signs deterministically for
// every algorithm: the same message gives the same signature. It is immutable
// and safe for concurrent use; a nil or zero Private is not a key.
type Private struct {
	seed   [SeedSize]byte
	public Public
	signer crypto.Signer // ed25519.PrivateKey, *ecdsa.PrivateKey or *mldsa.PrivateKey
}

// Generate makes a key from the system's randomness.
func Generate(alg Algorithm) (*Private, error) {
	var seed [SeedSize]byte
	rand.Read(seed[:]) // never fails: the runtime ends the process instead
	return FromSeed(alg, seed)
}

// FromSeed makes the key that belongs to a seed: the seed of RFC 8032 for
// Ed25519 and of FIPS 204 for ML-DSA-44. For ES256 the scalar is HKDF-SHA-256 of
// the seed (info "hotline ES256 key from seed", 48 bytes), reduced modulo n-1
// and increased by one (FIPS 186-5 appendix A.2.1), so that every seed is a key.
func FromSeed(alg Algorithm, seed [SeedSize]byte) (*Private, error) {
	k := &Private{seed: seed}
	var raw []byte
	switch alg {
	case Ed25519:
		key := ed25519.NewKeyFromSeed(seed[:])
		k.signer, raw = key, key.Public().(ed25519.PublicKey)
	case ES256:
		key, err := es256FromSeed(seed)
		if err != nil {
			return nil, err
		}
		if raw, err = compressed(&key.PublicKey); err != nil {
			return nil, err
		}
		k.signer = key
	case MLDSA44:
		key, err := mldsa.NewPrivateKey(mldsa.MLDSA44(), seed[:])
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrKey, err)
		}
		k.signer, raw = key, key.PublicKey().Bytes()
	default:
		return nil, fmt.Errorf("%w: %d", ErrAlgorithm, int64(alg))
	}
	var err error
	k.public, err = NewPublic(alg, raw)
	return k, err
}

func es256FromSeed(seed [SeedSize]byte) (*ecdsa.PrivateKey, error) {
	wide, err := hkdf.Key(sha256.New, seed[:], nil, "hotline ES256 key from seed", 48)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKey, err)
	}
	one := big.NewInt(1)
	d := new(big.Int).SetBytes(wide)
	d.Mod(d, new(big.Int).Sub(elliptic.P256().Params().N, one)).Add(d, one)
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), d.FillBytes(make([]byte, 32)))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKey, err)
	}
	return key, nil
}

// compressed returns the point of SEC 1 section 2.3.3, 33 bytes.
func compressed(pub *ecdsa.PublicKey) ([]byte, error) {
	point, err := pub.Bytes() // 4, x, y
	if err != nil || len(point) != 65 {
		return nil, fmt.Errorf("%w: not a point of P-256", ErrKey)
	}
	return append([]byte{2 | point[64]&1}, point[1:33]...), nil
}

// decompress returns the key of a point of 33 bytes.
func decompress(raw []byte) (*ecdsa.PublicKey, error) {
	curve := elliptic.P256()
	x, y := elliptic.UnmarshalCompressed(curve, raw)
	if x == nil {
		return nil, errors.New("not a compressed point of P-256")
	}
	point := make([]byte, 65)
	point[0] = 4
	x.FillBytes(point[1:33])
	y.FillBytes(point[33:])
	return ecdsa.ParseUncompressedPublicKey(curve, point)
}

// Public returns the public key.
func (k *Private) Public() Public { return k.public }

// Format names the key by its public part, so that no verb of fmt shows a secret.
func (k Private) Format(f fmt.State, _ rune) { fmt.Fprint(f, "private key of ", k.public) }

// Sign signs msg, of any length, in the form Public.Verify accepts.
func (k *Private) Sign(msg []byte) ([]byte, error) {
	switch key := k.signer.(type) {
	case ed25519.PrivateKey:
		return ed25519.Sign(key, msg), nil
	case *ecdsa.PrivateKey:
		return signES256(key, msg)
	case *mldsa.PrivateKey:
		return key.SignDeterministic(msg, nil)
	}
	return nil, fmt.Errorf("%w: zero key", ErrKey)
}

// signES256 signs as RFC 6979 says (the library does so when it is given no
// source of randomness) and returns r || s with the lower of s and n-s.
func signES256(key *ecdsa.PrivateKey, msg []byte) ([]byte, error) {
	digest := sha256.Sum256(msg)
	der, err := key.Sign(nil, digest[:], crypto.SHA256)
	if err != nil {
		return nil, fmt.Errorf("sign with ES256: %w", err)
	}
	var sig struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(der, &sig); err != nil {
		return nil, fmt.Errorf("sign with ES256: %w", err)
	}
	if sig.S.Cmp(halfOrder()) > 0 {
		sig.S.Sub(elliptic.P256().Params().N, sig.S)
	}
	out := make([]byte, 64)
	sig.R.FillBytes(out[:32])
	sig.S.FillBytes(out[32:])
	return out, nil
}

// publicFromCertificate returns the key of a certificate, which must be one of
// the two algorithms that TLS can carry here.
func publicFromCertificate(cert *x509.Certificate) (Public, error) {
	switch pub := cert.PublicKey.(type) {
	case ed25519.PublicKey:
		return NewPublic(Ed25519, pub)
	case *ecdsa.PublicKey:
		if pub.Curve != elliptic.P256() {
			return Public{}, fmt.Errorf("%w: certificate with a curve other than P-256", ErrKey)
		}
		raw, err := compressed(pub)
		if err != nil {
			return Public{}, err
		}
		return NewPublic(ES256, raw)
	}
	return Public{}, fmt.Errorf("%w: certificate with %s", ErrAlgorithm, cert.PublicKeyAlgorithm)
}
