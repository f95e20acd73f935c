package keys

// crockford is Crockford's base 32 alphabet: no I, L, O or U, so that what is
// read aloud or written by hand is not taken for a digit.
const crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

const (
	fingerprintLines = 2
	fingerprintData  = 19 // symbols of 5 bits in a line, before the check symbol
	fingerprintGroup = 5
)

// Fingerprint returns two lines of four groups of five characters, for two
// people to read to each other over a telephone:
//
//	3ZKKP E2G57 5JWQ6 JYKE7
//	RNVDQ TNW7B K1BK0 KZXG0
//
// The characters are Crockford's base 32. The first 19 of a line carry 95 bits
// of the ID, most significant first (so the two lines are its first 190 bits),
// and the last is a check character: it detects every single wrong character
// and every two exchanged ones in the line, and the two lines exchanged. People
// compare all 40 characters; a check character that does not fit says which
// line was misheard. The zero value returns the empty string.
func (p Public) Fingerprint() string {
	if p.IsZero() {
		return ""
	}
	return fingerprint(p.ID())
}

// Fingerprint returns the two lines that Public.Fingerprint describes.
func (p SealingPublic) Fingerprint() string {
	if p.IsZero() {
		return ""
	}
	return fingerprint(p.ID())
}

func fingerprint(id ID) string {
	out := make([]byte, 0, fingerprintLines*(fingerprintData+1+fingerprintGroup))
	bit := 0
	for line := range fingerprintLines {
		if line > 0 {
			out = append(out, '\n')
		}
		symbols := make([]byte, 0, fingerprintData+1)
		for range fingerprintData {
			symbols = append(symbols, fiveBits(id, bit))
			bit += 5
		}
		symbols = append(symbols, checkSymbol(symbols, line))
		for i, s := range symbols {
			if i > 0 && i%fingerprintGroup == 0 {
				out = append(out, ' ')
			}
			out = append(out, crockford[s])
		}
	}
	return string(out)
}

func fiveBits(id ID, bit int) byte {
	word := uint16(id[bit/8]) << 8
	if bit/8+1 < len(id) {
		word |= uint16(id[bit/8+1])
	}
	return byte(word>>(11-bit%8)) & 31
}

// checkSymbol returns the symbol c that makes the weighted sum of a line equal
// to line+1 in the field of 32 elements (x⁵+x²+1). Symbol i weighs aⁱ for a
// generator a (i from 1), and c itself weighs 1. All weights differ and none is zero, so
// any one changed symbol and any two exchanged ones change the sum.
func checkSymbol(symbols []byte, line int) byte {
	sum := byte(line + 1)
	weight := byte(2)
	for _, s := range symbols {
		sum ^= gf32Mul(s, weight)
		weight = gf32Mul(weight, 2)
	}
	return sum
}

func gf32Mul(a, b byte) byte {
	var product byte
	for ; b != 0; b >>= 1 {
		if b&1 != 0 {
			product ^= a
		}
		a <<= 1
		if a&32 != 0 {
			a ^= 0b100101
		}
	}
	return product
}
