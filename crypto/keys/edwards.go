package keys

import (
	"errors"

	"filippo.io/edwards25519"
)

// checkEdwards accepts the 32 bytes of an Ed25519 public key only if they are
// the canonical encoding (RFC 8032 section 5.1.3) of a point on the curve whose
// order is not 1, 2, 4 or 8. The key is public, so the time it takes may depend
// on it.
func checkEdwards(raw []byte) error {
	p, err := new(edwards25519.Point).SetBytes(raw)
	if err != nil {
		return errors.New("not a point of the curve")
	}
	// The library also takes a y that is not reduced, and a sign for x = 0. The latter are the points of order 1 and 2.
	if !reduced(raw) {
		return errors.New("y is not reduced")
	}
	if new(edwards25519.Point).MultByCofactor(p).Equal(edwards25519.NewIdentityPoint()) == 1 {
		return errors.New("point of small order")
	}
	return nil
}

// reduced reports whether y is below 2^255 - 19. The highest bit is the sign of
// x and not part of it.
func reduced(raw []byte) bool {
	if raw[31]|0x80 != 0xff || raw[0] < 0xed {
		return true
	}
	for _, b := range raw[1:31] {
		if b != 0xff {
			return true
		}
	}
	return false
}
