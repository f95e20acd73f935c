package seal

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"unicode/utf8"
)

// This file is the one place that says what CBOR this package accepts: the
// deterministic encoding of RFC 8949 section 4.2.1 with 64-bit signed integers,
// byte and text strings, arrays, maps, false, true and null. There are no tags
// (except the COSE tag that opens a message), no floating point numbers, no
// undefined and no other simple values. It reads the bytes in place and
// allocates nothing, because every statement passes through it.

// Bounds of an opaque map.
const (
	MaxNesting  = 8    // levels, the outermost map is the first
	MaxElements = 1024 // elements of one array
	MaxPairs    = 64   // pairs of one map
)

// ErrMalformed says that bytes are not the one encoding of what was expected.
var ErrMalformed = errors.New("malformed or not in deterministic encoding")

// CBOR major types (RFC 8949 section 3.1).
const (
	majorUint   = 0
	majorNint   = 1
	majorBytes  = 2
	majorText   = 3
	majorArray  = 4
	majorMap    = 5
	majorTag    = 6
	majorSimple = 7
)

const (
	simpleFalse = 20
	simpleNull  = 22
)

func malformed(what string) error { return fmt.Errorf("%w: %s", ErrMalformed, what) }

// reader takes items from the front of b. Each method refuses what is not in its
// shortest form.
type reader struct{ b []byte }

// head reads the head of an item: its major type and argument.
func (r *reader) head() (major byte, arg uint64, err error) {
	if len(r.b) == 0 {
		return 0, 0, malformed("it ends too early")
	}
	major, info := r.b[0]>>5, r.b[0]&31
	if info < 24 {
		r.b = r.b[1:]
		return major, uint64(info), nil
	}
	if info > 27 {
		return 0, 0, malformed("indefinite length or reserved head")
	}
	size := 1 << (info - 24)
	if len(r.b) < 1+size {
		return 0, 0, malformed("it ends too early")
	}
	for _, c := range r.b[1 : 1+size] {
		arg = arg<<8 | uint64(c)
	}
	shortest := arg >= 24
	if size > 1 {
		shortest = arg>>(4*size) != 0
	}
	if !shortest {
		return 0, 0, malformed("a head is not in its shortest form")
	}
	r.b = r.b[1+size:]
	return major, arg, nil
}

// expect reads a head that must be exactly this one.
func (r *reader) expect(major byte, arg uint64, what string) error {
	m, a, err := r.head()
	if err != nil {
		return err
	}
	if m != major || a != arg {
		return malformed("want " + what)
	}
	return nil
}

// str reads a byte or text string; the result is a part of the input.
func (r *reader) str(major byte, what string) ([]byte, error) {
	m, n, err := r.head()
	if err != nil {
		return nil, err
	}
	if m != major {
		return nil, malformed("want " + what)
	}
	return r.take(n)
}

func (r *reader) take(n uint64) ([]byte, error) {
	if n > uint64(len(r.b)) {
		return nil, malformed("it ends too early")
	}
	s := r.b[:n:n]
	r.b = r.b[n:]
	return s, nil
}

// integer reads a signed integer that fits 64 bits.
func (r *reader) integer(what string) (int64, error) {
	m, n, err := r.head()
	if err != nil {
		return 0, err
	}
	if m > majorNint || n > math.MaxInt64 {
		return 0, malformed("want " + what)
	}
	if m == majorNint {
		return -1 - int64(n), nil
	}
	return int64(n), nil
}

// count reads the head of an array of at least low and at most high elements.
func (r *reader) count(low, high uint64, what string) (int, error) {
	m, n, err := r.head()
	if err != nil {
		return 0, err
	}
	if m != majorArray || n < low || n > high {
		return 0, malformed("want " + what)
	}
	return int(n), nil
}

func (r *reader) end() error {
	if len(r.b) != 0 {
		return malformed("bytes follow the end")
	}
	return nil
}

// checkMap accepts b if it is one deterministic map within the bounds above and
// not empty. An empty header map has two encodings in COSE (RFC 9052 section 3),
// so none is allowed.
func checkMap(b []byte, what string) error {
	r := reader{b}
	if len(b) == 0 || b[0]>>5 != majorMap || b[0] == majorMap<<5 {
		return malformed(what + " is not a map with content")
	}
	if err := r.skip(MaxNesting); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return r.end()
}

// skip passes over one item, checking its form; depth levels are left.
func (r *reader) skip(depth int) error {
	major, arg, err := r.head()
	if err != nil {
		return err
	}
	switch major {
	case majorUint, majorNint:
		if arg > math.MaxInt64 {
			return malformed("integer does not fit 64 bits with sign")
		}
		return nil
	case majorBytes:
		_, err = r.take(arg)
		return err
	case majorText:
		text, err := r.take(arg)
		if err == nil && !utf8.Valid(text) {
			return malformed("text is not UTF-8")
		}
		return err
	case majorArray:
		return r.skipArray(arg, depth)
	case majorMap:
		return r.skipMap(arg, depth)
	case majorSimple:
		if arg >= simpleFalse && arg <= simpleNull {
			return nil
		}
	}
	return malformed("tag, floating point number or unassigned value")
}

func (r *reader) skipArray(n uint64, depth int) error {
	if depth == 0 || n > MaxElements {
		return malformed("too deep or too many elements")
	}
	for range n {
		if err := r.skip(depth - 1); err != nil {
			return err
		}
	}
	return nil
}

// skipMap holds keys in ascending bytewise order (RFC 8949 section 4.2.1), which
// also refuses a key that stands twice. Keys are integers or text.
func (r *reader) skipMap(n uint64, depth int) error {
	if depth == 0 || n > MaxPairs {
		return malformed("too deep or too many pairs")
	}
	var last []byte
	for range n {
		start := r.b
		if len(start) > 0 && start[0]>>5 != majorUint && start[0]>>5 != majorNint && start[0]>>5 != majorText {
			return malformed("map key is neither integer nor text")
		}
		if err := r.skip(depth - 1); err != nil {
			return err
		}
		key := start[:len(start)-len(r.b)]
		if last != nil && bytes.Compare(last, key) >= 0 {
			return malformed("map keys are not in order or stand twice")
		}
		last = key
		if err := r.skip(depth - 1); err != nil {
			return err
		}
	}
	return nil
}

// AppendHead appends the shortest head of an item: its major type and its argument (RFC 8949 section 4.2.1).
func AppendHead(b []byte, major byte, arg uint64) []byte {
	m := major << 5
	switch {
	case arg < 24:
		return append(b, m|byte(arg))
	case arg <= math.MaxUint8:
		return append(b, m|24, byte(arg))
	case arg <= math.MaxUint16:
		return append(b, m|25, byte(arg>>8), byte(arg))
	case arg <= math.MaxUint32:
		return append(b, m|26, byte(arg>>24), byte(arg>>16), byte(arg>>8), byte(arg))
	}
	b = append(b, m|27)
	for shift := 56; shift >= 0; shift -= 8 {
		b = append(b, byte(arg>>shift))
	}
	return b
}

func appendBytes(b, s []byte) []byte {
	return append(AppendHead(b, majorBytes, uint64(len(s))), s...)
}

func appendText(b []byte, s string) []byte {
	return append(AppendHead(b, majorText, uint64(len(s))), s...)
}

func appendInt(b []byte, n int64) []byte {
	if n < 0 {
		return AppendHead(b, majorNint, uint64(-1-n))
	}
	return AppendHead(b, majorUint, uint64(n))
}

// headRoom is the most that one head can take.
const headRoom = 9
