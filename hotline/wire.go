package hotline

import (
	"bytes"
	"math"
	"sync"
	"unicode/utf8"

	"example.org/hotline/crypto/keys"
	"example.org/hotline/crypto/seal"
)

// Most of what a node or an auditor does with a log is decoding and encoding a
// few types of value, so these say themselves how they are written: one method
// for each type, code, names its parts in their order, and a wire reads or
// writes them. It accepts exactly what the general decoder of codec.go accepts
// of that type, and writes what the general encoder writes; fuzz tests hold the
// two against each other. What makes "one encoding per value" true here is that
// every head is in its shortest form, that keys come in the order in which they
// are asked for, and that a part that may be absent is never present and empty.

// coded is a value that says itself how it is written. Unmarshal takes a zero
// one; its byte strings are then parts of the input.
type coded interface{ code(w *wire) }

// CBOR major types (RFC 8949 §3.1), and the simple values in use.
const (
	majorUint   = 0
	majorNint   = 1
	majorBytes  = 2
	majorText   = 3
	majorArray  = 4
	majorMap    = 5
	majorSimple = 7

	simpleFalse = 20
	simpleTrue  = 21
	cborNull    = 0xf6
)

// wire reads from b, or appends to it.
type wire struct {
	b       []byte
	writing bool
	why     string // it cannot be read; "" as long as all is well
}

// fail notes why b cannot be read. Nothing can be read after it.
func (w *wire) fail(why string) {
	if w.why == "" {
		w.why = why
	}
	w.b = nil
}

// read decodes all of b into what code names.
func read(b []byte, code func(*wire)) error {
	w := wire{b: b}
	code(&w)
	return w.end()
}

// end is the error of what was read.
func (w *wire) end() error {
	if w.why == "" && len(w.b) > 0 {
		w.why = "bytes follow the end"
	}
	if w.why != "" {
		return Refuse(CodeMalformed, "not the one encoding of its value (SPEC §2): %s", w.why)
	}
	return nil
}

// drafts are buffers in which values are written before they are copied.
var drafts = sync.Pool{New: func() any { return &wire{writing: true} }}

// written lets write fill a buffer, and calls use with it; use keeps nothing of it.
func written(write func(*wire), use func([]byte)) {
	w := drafts.Get().(*wire)
	w.b = w.b[:0]
	write(w)
	use(w.b)
	drafts.Put(w)
}

func marshalCoded(code func(*wire)) (out []byte) {
	written(code, func(b []byte) { out = bytes.Clone(b) })
	return out
}

// head writes the head of an item, or reads one of this major type and returns
// its argument.
func (w *wire) head(major byte, n uint64) uint64 {
	if w.writing {
		w.b = seal.AppendHead(w.b, major, n)
		return n
	}
	if len(w.b) == 0 {
		w.fail("it ends too early")
		return 0
	}
	if w.b[0]>>5 != major {
		w.fail("an item of another type was expected")
		return 0
	}
	info := w.b[0] & 31
	if info < 24 {
		w.b = w.b[1:]
		return uint64(info)
	}
	return w.longHead(info)
}

func (w *wire) longHead(info byte) (n uint64) {
	size := 1 << (info - 24)
	if info > 27 || len(w.b) < 1+size {
		w.fail("it ends too early, or is of indefinite length")
		return 0
	}
	for _, c := range w.b[1 : 1+size] {
		n = n<<8 | uint64(c)
	}
	if size == 1 && n < 24 || size > 1 && n>>(4*size) == 0 {
		w.fail("a head is not in its shortest form")
		return 0
	}
	w.b = w.b[1+size:]
	return n
}

// exactly is a head whose argument is known.
func (w *wire) exactly(major byte, n uint64) {
	if w.head(major, n) != n {
		w.fail("another length or number was expected")
	}
}

func number[T ~uint8 | ~uint64](v *T, w *wire) {
	n := w.head(majorUint, uint64(*v))
	if w.writing { // what is written is not touched: others may read it at the same time
		return
	}
	if *v = T(n); uint64(*v) != n {
		w.fail("a number is too large")
	}
}

func integer[T ~int64](v *T, w *wire) {
	if w.writing {
		if *v < 0 {
			w.head(majorNint, uint64(-1-*v))
		} else {
			w.head(majorUint, uint64(*v))
		}
		return
	}
	major := byte(majorUint)
	if len(w.b) > 0 && w.b[0]>>5 == majorNint {
		major = majorNint
	}
	n := w.head(major, 0)
	if n > math.MaxInt64 {
		w.fail("an integer does not fit 64 bits with sign")
	}
	if *v = T(n); major == majorNint {
		*v = -1 - *v
	}
}

func boolean(v *bool, w *wire) {
	n := uint64(simpleFalse)
	if *v {
		n = simpleTrue
	}
	n = w.head(majorSimple, n)
	if w.writing {
		return
	}
	if n != simpleFalse && n != simpleTrue {
		w.fail("true or false was expected")
	}
	*v = n == simpleTrue
}

// take cuts a string off what is read.
func (w *wire) take(n uint64) []byte {
	if n > uint64(len(w.b)) {
		w.fail("it ends too early")
		return nil
	}
	s := w.b[:n:n]
	w.b = w.b[n:]
	return s
}

// byteString reads a part of the input.
func byteString(v *[]byte, w *wire) {
	n := w.head(majorBytes, uint64(len(*v)))
	if w.writing {
		w.b = append(w.b, *v...)
		return
	}
	*v = w.take(n)
}

func text[T ~string](v *T, w *wire) {
	n := w.head(majorText, uint64(len(*v)))
	if w.writing {
		w.b = append(w.b, *v...)
		return
	}
	s := w.take(n)
	if !utf8.Valid(s) {
		w.fail("text is not UTF-8")
	}
	*v = T(s)
}

// fixed is a byte string of a known length.
func (w *wire) fixed(v []byte) {
	w.exactly(majorBytes, uint64(len(v)))
	if w.writing {
		w.b = append(w.b, v...)
		return
	}
	copy(v, w.take(uint64(len(v))))
}

func (id *ID) code(w *wire)      { w.fixed(id[:]) }
func keyID(id *keys.ID, w *wire) { w.fixed(id[:]) }

func list[T any](v *[]T, w *wire, item func(*T, *wire)) {
	n := w.head(majorArray, uint64(len(*v)))
	if !w.writing {
		if n > MaxArrayItems || n > uint64(len(w.b)) {
			w.fail("a list is too long")
			return
		}
		*v = make([]T, n)
	}
	for i := range *v {
		item(&(*v)[i], w)
	}
}

// fields is a map under way. Its keys are named in their encoded order.
type fields struct {
	w     *wire
	pairs uint64 // written so far, or still to be read
	start int    // where the head of a map that is written stands
}

func (w *wire) fields() fields {
	if w.writing {
		w.b = append(w.b, majorMap<<5)
		return fields{w: w, start: len(w.b) - 1}
	}
	return fields{w: w, pairs: w.head(majorMap, 0)}
}

// end closes the map. The head has been written for fewer than 24 pairs.
func (f *fields) end() {
	switch {
	case !f.w.writing:
		if f.pairs > 0 {
			f.w.fail("a field is unknown, out of order, or present and empty")
		}
	case f.pairs < 24:
		f.w.b[f.start] |= byte(f.pairs)
	default:
		body := bytes.Clone(f.w.b[f.start+1:])
		f.w.b = append(seal.AppendHead(f.w.b[:f.start], majorMap, f.pairs), body...)
	}
}

// may comes before a field that may be absent, and reports whether it is there.
func (f *fields) may(key int64, present bool) bool {
	var space [9]byte
	name := seal.AppendHead(space[:0], majorUint, uint64(key))
	if key < 0 {
		name = seal.AppendHead(space[:0], majorNint, uint64(-1-key))
	}
	if f.w.writing {
		if present {
			f.w.b = append(f.w.b, name...)
			f.pairs++
		}
		return present
	}
	if f.pairs == 0 || !bytes.HasPrefix(f.w.b, name) {
		return false
	}
	f.w.b = f.w.b[len(name):]
	f.pairs--
	return true
}

// must comes before a field that is always there.
func (f *fields) must(key int64) *wire {
	if !f.may(key, true) {
		f.w.fail("a field is absent or out of order")
	}
	return f.w
}

// full refuses a field that is present and empty.
func (f *fields) full(ok bool) {
	if !ok {
		f.w.fail("a field is present and empty")
	}
}

func mayNumber[T ~uint8 | ~uint64](f *fields, key int64, v *T) {
	if f.may(key, *v != 0) {
		number(v, f.w)
		f.full(*v != 0)
	}
}

func mayInteger[T ~int64](f *fields, key int64, v *T) {
	if f.may(key, *v != 0) {
		integer(v, f.w)
		f.full(*v != 0)
	}
}

func mayText[T ~string](f *fields, key int64, v *T) {
	if f.may(key, *v != "") {
		text(v, f.w)
		f.full(*v != "")
	}
}

func mayBytes(f *fields, key int64, v *[]byte) {
	if f.may(key, len(*v) > 0) {
		byteString(v, f.w)
		f.full(len(*v) > 0)
	}
}

func mayList[T any](f *fields, key int64, v *[]T, item func(*T, *wire)) {
	if f.may(key, len(*v) > 0) {
		list(v, f.w, item)
		f.full(len(*v) > 0)
	}
}

func mayPart[T any](f *fields, key int64, v **T, item func(*T, *wire)) {
	if f.may(key, *v != nil) {
		if !f.w.writing {
			*v = new(T)
		}
		item(*v, f.w)
	}
}
