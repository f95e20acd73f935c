package keys

import (
	"errors"
	"math/big"
)

// checkEdwards accepts the 32 bytes of an Ed25519 public key only if they are
// the canonical encoding (RFC 8032 section 5.1.3) of a point on the curve whose
// order is not 1, 2, 4 or 8. The key is public, so the time it takes may depend
// on it.
func checkEdwards(raw []byte) error {
	var le [32]byte
	copy(le[:], raw)
	le[31] &= 0x7f // the sign of x is not part of y
	for i := range 16 {
		le[i], le[31-i] = le[31-i], le[i]
	}
	y := new(big.Int).SetBytes(le[:])
	prime := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 255), big.NewInt(19))
	if y.Cmp(prime) >= 0 {
		return errors.New("y is not reduced")
	}
	one := big.NewInt(1)
	// d = -121665/121666, the constant of the curve (RFC 8032 section 5.1).
	d := new(big.Int).ModInverse(big.NewInt(121666), prime)
	d.Mul(d, big.NewInt(-121665)).Mod(d, prime)
	yy := new(big.Int).Mul(y, y)
	yy.Mod(yy, prime)
	// x² = u/v with u = y²-1, v = dy²+1; u/v is a square exactly when uv is.
	u := new(big.Int).Sub(yy, one)
	u.Mod(u, prime)
	v := new(big.Int).Mul(d, yy)
	v.Add(v, one).Mod(v, prime)
	if u.Sign() == 0 || y.Sign() == 0 || doublesToOrderFour(yy, d, prime) {
		return errors.New("point of small order")
	}
	if big.Jacobi(new(big.Int).Mod(new(big.Int).Mul(u, v), prime), prime) != 1 {
		return errors.New("not a point of the curve")
	}
	return nil
}

// doublesToOrderFour reports whether a point with this y² has order 8. Such a
// point doubles to one with y = 0, which means x²+y² = 0. With x² = -y² the curve
// -x²+y² = 1+dx²y² becomes dy⁴+2y²-1 = 0.
func doublesToOrderFour(yy, d, prime *big.Int) bool {
	sum := new(big.Int).Mul(yy, yy)
	sum.Mul(sum, d)
	sum.Add(sum, new(big.Int).Lsh(yy, 1))
	sum.Sub(sum, big.NewInt(1))
	return sum.Mod(sum, prime).Sign() == 0
}
