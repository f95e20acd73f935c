package keys

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha512"
	"sync"

	"filippo.io/edwards25519"
	"filippo.io/edwards25519/field"
)

// Few keys sign nearly everything that a node or an auditor verifies. A key
// that has verified often gets a table of its multiples, with which the next
// signatures take a quarter of the time.
//
// The equation is that of crypto/ed25519 to the bit, which is RFC 8032 section
// 5.1.7 without the cofactor: s is reduced, and the encoding of [s]B - [k]A is
// R. A batch equation would be faster still, and is not used: it accepts
// signatures that this one refuses, and two parties would then hold different
// things for proven.

// Bounds of what is kept. A table takes 491,520 bytes.
const (
	maxMultiples  = 32   // tables; beyond, a new one takes the place of another
	maxMaking     = 8    // tables that are being made; other keys wait for a place
	restingUses   = 512  // uses of waiting keys, after which one that was not used meanwhile loses its place
	maxCounted    = 1024 // keys whose uses are counted; beyond, the count begins anew
	usesForATable = 32   // good signatures, before a table is begun that takes as long as some 26 verifications to make
)

// multiples holds j·256^i·P for i in 0..31 and j in 1..128.
type multiples [32][128]affine

// affine is a point (x, y) as an addition wants it: y+x, y-x and 2dxy.
type affine struct{ plus, minus, twist field.Element }

// sum is a point in the extended coordinates of RFC 8032 section 5.1.4, to which
// points are added.
type sum struct{ x, y, z, t field.Element }

// twiceD is 2d, of the constant of the curve (RFC 8032 section 5.1).
var twiceD = func() *field.Element {
	one := new(field.Element).One()
	d := new(field.Element).Invert(new(field.Element).Mult32(one, 121666))
	d.Mult32(d, 121665).Negate(d)
	return d.Add(d, d)
}()

// add adds q, or with minus -q, whose y+x and y-x have changed places and whose
// 2dxy has the other sign. The formulas are those of RFC 8032 section 5.1.4 for
// a second point with z = 1; they hold for every pair of points.
func (s *sum) add(q *affine, minus bool) {
	var a, b, c, d, e, f, g, h field.Element
	right, left := &q.minus, &q.plus
	if minus {
		right, left = left, right
	}
	a.Multiply(a.Subtract(&s.y, &s.x), right)
	b.Multiply(b.Add(&s.y, &s.x), left)
	c.Multiply(&s.t, &q.twist)
	d.Add(&s.z, &s.z)
	e.Subtract(&b, &a)
	h.Add(&b, &a)
	f.Subtract(&d, &c)
	g.Add(&d, &c)
	if minus {
		f, g = g, f
	}
	s.x.Multiply(&e, &f)
	s.y.Multiply(&g, &h)
	s.z.Multiply(&f, &g)
	s.t.Multiply(&e, &h)
}

// over returns the point of s, given 1/z.
func (s *sum) over(z *field.Element) (q affine) {
	var x, y field.Element
	x.Multiply(&s.x, z)
	y.Multiply(&s.y, z)
	q.plus.Add(&y, &x)
	q.minus.Subtract(&y, &x)
	q.twist.Multiply(q.twist.Multiply(&x, &y), twiceD)
	return q
}

// encoding is that of RFC 8032 section 5.1.2.
func (s *sum) encoding() []byte {
	var x, y, z field.Element
	z.Invert(&s.z)
	x.Multiply(&s.x, &z)
	y.Multiply(&s.y, &z)
	b := y.Bytes()
	b[31] |= byte(x.IsNegative() << 7)
	return b
}

// nothing is the neutral point.
func nothing() *sum {
	s := new(sum)
	s.y.One()
	s.z.One()
	return s
}

func sumOf(p *edwards25519.Point) *sum {
	x, y, z, t := p.ExtendedCoordinates()
	return &sum{*x, *y, *z, *t}
}

// making is a table that grows by one row with each use of its key, so that no
// verification waits for a whole one.
type making struct {
	table *multiples
	rows  int
	next  *sum // 256^rows·P
}

func beginMultiples(p *edwards25519.Point) *making {
	return &making{table: new(multiples), next: sumOf(p)}
}

// row adds one row, and reports whether the table is whole.
func (m *making) row() bool {
	base := m.next.over(new(field.Element).Invert(&m.next.z))
	var row [128]sum
	s := nothing()
	for j := range row {
		s.add(&base, false)
		row[j] = *s
	}
	to := &m.table[m.rows]
	flatten(to, &row)
	s.add(&to[127], false) // 256 times the base
	m.next = s
	m.rows++
	return m.rows == len(m.table)
}

// whole makes all rows that are still missing.
func (m *making) whole() *multiples {
	for !m.row() {
	}
	return m.table
}

// flatten brings a row to affine coordinates with one inversion: of the product
// of all z, from which those of the later points are taken off one by one.
func flatten(to *[128]affine, row *[128]sum) {
	var before [128]field.Element // product of the z of all earlier points
	var all field.Element
	all.One()
	for j := range row {
		before[j].Set(&all)
		all.Multiply(&all, &row[j].z)
	}
	all.Invert(&all)
	for j := len(row) - 1; j >= 0; j-- {
		var z field.Element
		z.Multiply(&all, &before[j])
		to[j] = row[j].over(&z)
		all.Multiply(&all, &row[j].z)
	}
}

// addTo adds k·P to s. k is less than 2^253, the least significant byte first;
// each byte above 128 is taken as what is missing to the next one.
func (t *multiples) addTo(s *sum, k []byte) {
	carry := 0
	for i := range t {
		digit := int(k[i]) + carry
		carry = 0
		if digit > 128 {
			digit, carry = digit-256, 1
		}
		switch {
		case digit > 0:
			s.add(&t[i][digit-1], false)
		case digit < 0:
			s.add(&t[i][-digit-1], true)
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
	r := nothing()
	ofBase().addTo(r, s.Bytes())
	t.addTo(r, k.Bytes())
	return bytes.Equal(r.encoding(), sig[:32])
}

var ofBase = sync.OnceValue(func() *multiples { return beginMultiples(edwards25519.NewGeneratorPoint()).whole() })

// ofKey begins the table of the negative of a key.
func ofKey(raw string) (*making, error) {
	p, err := new(edwards25519.Point).SetBytes([]byte(raw))
	if err != nil {
		return nil, err
	}
	return beginMultiples(p.Negate(p)), nil
}

// frequent are the tables of this process. What is decided does not depend on
// which of them exist.
var frequent = struct {
	sync.RWMutex
	tables map[string]*multiples
	uses   map[string]*uses
	making map[string]*uses // of uses, those with a table
	waited int              // uses of keys that asked for a place for their table, so far
}{tables: map[string]*multiples{}, uses: map[string]*uses{}, making: map[string]*uses{}}

// uses are those of one key that has no table yet.
type uses struct {
	count int
	table *making // from usesForATable on
	last  int     // what others had waited when its table was last added to
}

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

// countUse begins a table when a key has been used often enough, and adds to it
// with each further use.
func countUse(raw string) {
	frequent.Lock()
	defer frequent.Unlock()
	if frequent.tables[raw] != nil {
		return
	}
	u := frequent.uses[raw]
	if u == nil {
		if len(frequent.uses) >= maxCounted {
			clear(frequent.uses)
			clear(frequent.making)
		}
		u = new(uses)
		frequent.uses[raw] = u
	}
	if u.count++; u.count < usesForATable {
		return
	}
	if u.table == nil {
		if frequent.waited++; len(frequent.making) == maxMaking && !dropResting() {
			return
		}
		m, err := ofKey(raw)
		if err != nil {
			return // a key that verified is a point; without a table it goes on as before
		}
		u.table = m
		frequent.making[raw] = u
	}
	u.last = frequent.waited
	if !u.table.row() {
		return
	}
	delete(frequent.uses, raw)
	delete(frequent.making, raw)
	for other := range frequent.tables {
		if len(frequent.tables) < maxMultiples {
			break
		}
		delete(frequent.tables, other)
	}
	frequent.tables[raw] = u.table.table
}

// dropResting gives up one of the tables that are being made, if its key has not
// been used for long: keys that came and went must not keep the places for ever.
func dropResting() bool {
	for raw, u := range frequent.making {
		if frequent.waited-u.last > restingUses {
			delete(frequent.making, raw)
			delete(frequent.uses, raw)
			return true
		}
	}
	return false
}
