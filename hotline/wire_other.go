package hotline

import "bytes"

// Types of other packages that travel or are stored often say themselves how
// they are written, too. What they name is that of wire.go, and what holds there
// holds for them: Unmarshal accepts of a Coded exactly what it accepts of the
// same type without the method, and Marshal writes the same. Fuzz tests beside
// each type hold the two against each other.

// Coded is a value of another package that says itself how it is written.
type Coded interface{ Written(w *Wire) }

// Wire reads a value, or writes it.
type Wire = wire

// Fields is a map with whole numbers as keys. They are named in their order.
type Fields = fields

// Fields begins a map. End must follow.
func (w *wire) Fields() Fields { return w.fields() }

// End ends a map.
func (f *fields) End() { f.end() }

// Bytes is a byte string that is always there.
func (f *fields) Bytes(key int64, v *[]byte) { byteString(v, f.must(key)) }

// MayBytes is a byte string that is absent if it is empty.
func (f *fields) MayBytes(key int64, v *[]byte) { mayBytes(f, key, v) }

// MayTrue is a truth value that is absent if it is false.
func (f *fields) MayTrue(key int64, v *bool) {
	if f.may(key, *v) {
		boolean(v, f.w)
		f.full(*v)
	}
}

// Number is a number that is always there.
func Number[T ~uint8 | ~uint64](f *Fields, key int64, v *T) { number(v, f.must(key)) }

// MayNumber is a number that is absent if it is 0.
func MayNumber[T ~uint8 | ~uint64](f *Fields, key int64, v *T) { mayNumber(f, key, v) }

// Integer is an integer that is always there.
func Integer[T ~int64](f *Fields, key int64, v *T) { integer(v, f.must(key)) }

// MayInteger is an integer that is absent if it is 0.
func MayInteger[T ~int64](f *Fields, key int64, v *T) { mayInteger(f, key, v) }

// MayText is a text that is absent if it is empty.
func MayText[T ~string](f *Fields, key int64, v *T) { mayText(f, key, v) }

// MayTexts is a list of texts that is absent if it is empty.
func MayTexts[T ~string](f *Fields, key int64, v *[]T) { mayList(f, key, v, text) }

// MayPart is a part that says itself how it is written, and is absent if it is nil.
func MayPart[T any, P interface {
	*T
	Coded
}](f *Fields, key int64, v **T) {
	mayPart(f, key, v, func(part *T, w *wire) { P(part).Written(w) })
}

// MayAny is a part of any other type, for what is rare; it is absent if it is nil.
func MayAny[T any](f *Fields, key int64, v **T) {
	mayPart(f, key, v, func(part *T, w *wire) { anything(part, w) })
}

// MayAnyList is a list of any other type, which is absent if it is empty.
func MayAnyList[T any](f *Fields, key int64, v *[]T) {
	if f.may(key, len(*v) > 0) {
		anything(v, f.w)
		f.full(len(*v) > 0)
	}
}

// anything hands one item to the general codec.
func anything(v any, w *wire) {
	if w.writing {
		b, err := encoder.Marshal(v)
		if err != nil {
			panic("hotline: cannot encode own value: " + err.Error()) // a fault of this program, as in MustMarshal
		}
		w.b = append(w.b, b...)
		return
	}
	rest, err := decoder.UnmarshalFirst(w.b, v)
	if err != nil {
		w.fail(err.Error())
		return
	}
	item := w.b[:len(w.b)-len(rest)]
	if again, err := encoder.Marshal(v); err != nil || !bytes.Equal(again, item) {
		w.fail("a part is not the one encoding of its value")
		return
	}
	w.b = rest
}
