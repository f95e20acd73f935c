package keys

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha512"
	"sync"

	"filippo.io/edwards25519"
)

// Few keys sign nearly everything that a node or an auditor verifies. A key
// that has verified often gets a table of its multiples, with which the next
// signatures take a third of the time.
//
// The equation is that of crypto/ed25519 to the bit, which is RFC 8032 section
// 5.1.7 without the cofactor: s is reduced, and the encoding of [s]B - [k]A is
// R. A batch equation would be faster still, and is not used: it accepts
// signatures that this one refuses, and two parties would then hold different
// things for proven.

// Bounds of what is kept. A table takes 655,360 bytes.
const (
	maxMultiples  = 32   // tables; beyond, a new one takes the place of another
	maxCounted    = 1024 // keys whose uses are counted; beyond, the count begins anew
	usesForATable = 128  // good signatures; making a table takes as long as some 30 verifications
)

// multiples holds j·256^i·P for i in 0..31 and j in 1..128.
type multiples [32][128]edwards25519.Point

func newMultiples(p *edwards25519.Point) *multiples {
	t := new(multiples)
	base := new(edwards25519.Point).Set(p)
	for i := range t {
		t[i][0].Set(base)
		for j := 1; j < len(t[i]); j++ {
			t[i][j].Add(&t[i][j-1], base)
		}
		base.Add(&t[i][127], &t[i][127])
	}
	return t
}

// addTo adds k·P to sum. k is less than 2^253, the least significant byte
// first; each byte above 128 is taken as what is missing to the next one.
func (t *multiples) addTo(sum *edwards25519.Point, k []byte) {
	carry := 0
	for i := range t {
		digit := int(k[i]) + carry
		carry = 0
		if digit > 128 {
			digit, carry = digit-256, 1
		}
		switch {
		case digit > 0:
			sum.Add(sum, &t[i][digit-1])
		case digit < 0:
			sum.Subtract(sum, &t[i][-digit-1])
		}
	}
}

// verify decides a signature of 64 bytes by the tables of the base point and of
// the key's negative. Nothing here is secret, so its time may depend on it.
func (t *multiples) verify(raw string, msg, sig []byte) bool {
	s, err := new(edwards25519.Scalar).SetCanonicalBytes(sig[32:])
	if err != nil {
		return false
	}
	h := sha512.New()
	h.Write(sig[:32])
	h.Write([]byte(raw))
	h.Write(msg)
	k, err := new(edwards25519.Scalar).SetUniformBytes(h.Sum(make([]byte, 0, sha512.Size)))
	if err != nil {
		return false
	}
	r := edwards25519.NewIdentityPoint()
	ofBase().addTo(r, s.Bytes())
	t.addTo(r, k.Bytes())
	return bytes.Equal(r.Bytes(), sig[:32])
}

var ofBase = sync.OnceValue(func() *multiples { return newMultiples(edwards25519.NewGeneratorPoint()) })

// ofKey makes the table of the negative of a key.
func ofKey(raw string) (*multiples, error) {
	p, err := new(edwards25519.Point).SetBytes([]byte(raw))
	if err != nil {
		return nil, err
	}
	return newMultiples(p.Negate(p)), nil
}

// frequent are the tables of this process. What is decided does not depend on
// which of them exist.
var frequent = struct {
	sync.RWMutex
	tables map[string]*multiples
	uses   map[string]int
}{tables: map[string]*multiples{}, uses: map[string]int{}}

// verifyEdwards decides an Ed25519 signature of 64 bytes. What a table refuses,
// crypto/ed25519 decides: a bit that flips in a table must not make every
// later signature of a state look forged.
func verifyEdwards(raw string, msg, sig []byte) bool {
	frequent.RLock()
	t := frequent.tables[raw]
	frequent.RUnlock()
	if t != nil && t.verify(raw, msg, sig) {
		return true
	}
	ok := ed25519.Verify(ed25519.PublicKey(raw), msg, sig)
	if ok && t == nil { // only a good signature counts: what strangers send makes no table
		countUse(raw)
	}
	return ok
}

// countUse makes a table when a key has been used often enough.
func countUse(raw string) {
	frequent.Lock()
	defer frequent.Unlock()
	if len(frequent.uses) >= maxCounted {
		clear(frequent.uses)
	}
	if frequent.uses[raw]++; frequent.uses[raw] < usesForATable || frequent.tables[raw] != nil {
		return
	}
	delete(frequent.uses, raw)
	t, err := ofKey(raw)
	if err != nil {
		return // a key that verified is a point; without a table it goes on as before
	}
	for other := range frequent.tables {
		if len(frequent.tables) < maxMultiples {
			break
		}
		delete(frequent.tables, other)
	}
	frequent.tables[raw] = t
}
