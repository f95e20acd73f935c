package hotline

import (
	"bytes"
	"fmt"

	"github.com/fxamacker/cbor/v2"
)

// Everything that is signed, logged or sent between parties is deterministic
// CBOR (RFC 8949 §4.2.1) with exactly one encoding per value (SPEC §2).
//
// The decoder options alone still accept some second encodings of a value, so
// Unmarshal encodes what it decoded once more and compares bytes: only this
// makes "one encoding per value" true.
var (
	encoder = mustEncMode(cbor.EncOptions{
		Sort:          cbor.SortBytewiseLexical,
		ShortestFloat: cbor.ShortestFloatNone,
		NaNConvert:    cbor.NaNConvertReject,
		InfConvert:    cbor.InfConvertReject,
		BigIntConvert: cbor.BigIntConvertReject,
		IndefLength:   cbor.IndefLengthForbidden,
		TagsMd:        cbor.TagsForbidden,
		// null for an absent list would be a second encoding of the empty one.
		NilContainers: cbor.NilContainerAsEmpty,
	})
	decoder = mustDecMode(cbor.DecOptions{
		DupMapKey:         cbor.DupMapKeyEnforcedAPF,
		IndefLength:       cbor.IndefLengthForbidden,
		TagsMd:            cbor.TagsForbidden,
		IntDec:            cbor.IntDecConvertSignedOrFail,
		ExtraReturnErrors: cbor.ExtraDecErrorUnknownField,
		UTF8:              cbor.UTF8RejectInvalid,
		FieldNameMatching: cbor.FieldNameMatchingCaseSensitive,
		NaN:               cbor.NaNDecodeForbidden,
		Inf:               cbor.InfDecodeForbidden,
		BignumTag:         cbor.BignumTagForbidden,
		MaxNestedLevels:   MaxNesting,
		MaxArrayElements:  MaxArrayItems,
		MaxMapPairs:       MaxMapPairs,
	})
)

func mustEncMode(o cbor.EncOptions) cbor.EncMode {
	m, err := o.EncMode()
	if err != nil {
		panic("hotline: cbor encoder options: " + err.Error())
	}
	return m
}

func mustDecMode(o cbor.DecOptions) cbor.DecMode {
	m, err := o.DecMode()
	if err != nil {
		panic("hotline: cbor decoder options: " + err.Error())
	}
	return m
}

// Marshal returns the one encoding of v.
func Marshal(v any) ([]byte, error) {
	if code := codeOf(v); code != nil {
		return marshalCoded(code), nil
	}
	return encoder.Marshal(v)
}

// codeOf is how a value says that it is written; nil if it does not.
func codeOf(v any) func(*wire) {
	switch c := v.(type) {
	case coded:
		return c.code
	case Coded:
		return c.Written
	}
	return nil
}

// MustMarshal is Marshal for values built by this program, where failure is a
// fault of the program and not of its input.
func MustMarshal(v any) []byte {
	b, err := Marshal(v)
	if err != nil {
		panic("hotline: cannot encode own value: " + err.Error())
	}
	return b
}

// Encodes reports whether b is the encoding of v.
func Encodes(v any, b []byte) (same bool) {
	if code := codeOf(v); code != nil {
		written(code, func(own []byte) { same = bytes.Equal(own, b) })
		return same
	}
	own, err := encoder.Marshal(v)
	return err == nil && bytes.Equal(own, b)
}

// Unmarshal decodes b into v, which must be a pointer to a zero value. It
// refuses more than max bytes, anything that is not the one encoding of the
// value, and fields that v does not know. Byte strings in v may be parts of b:
// neither may be changed. The error carries CodeMalformed or CodeTooLarge.
func Unmarshal(b []byte, v any, max int) error {
	if len(b) > max {
		return Refuse(CodeTooLarge, "%d bytes, at most %d are allowed", len(b), max)
	}
	if code := codeOf(v); code != nil {
		return read(b, code)
	}
	return unmarshalAny(b, v)
}

// unmarshalAny decodes any type: it decodes, encodes again, and compares.
func unmarshalAny(b []byte, v any) error {
	if err := decoder.Unmarshal(b, v); err != nil {
		return Refuse(CodeMalformed, "not strict cbor: %v", err)
	}
	again, err := encoder.Marshal(v)
	if err != nil {
		return Refuse(CodeMalformed, "cannot encode again: %v", err)
	}
	if !bytes.Equal(again, b) {
		return Refuse(CodeMalformed, "not the one encoding of its value (SPEC §2)")
	}
	return nil
}

// wrap adds a place to a refusal and keeps its code.
func wrap(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), err)
}
