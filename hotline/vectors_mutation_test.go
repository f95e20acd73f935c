package hotline_test

import (
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/fxamacker/cbor/v2"

	. "example.org/hotline/hotline"
)

// Bad vectors are good ones with one thing changed. The tables below name the
// good vector, the place, what stands there instead, and the class of the
// failure. Everything is changed in the decoded value, so that nothing else is
// wrong with the bytes.

// mutation is one change of a good vector.
type mutation struct {
	of   string // name of a good vector of the file
	name string // of what is wrong
	path []any  // keys of maps (int) and places of arrays (at); an item at the end: add
	put  any    // nil: take it away
	code Code
}

// add, as a last step of a path, appends to the array.
const add = -1000

// null is the CBOR value that no field may have.
type null struct{}

// change returns v with one thing at path replaced.
func change(v any, path []any, put any) any {
	if len(path) == 0 {
		if _, ok := put.(null); ok {
			return nil
		}
		return put
	}
	switch x := v.(type) {
	case map[any]any:
		return changeMap(x, path, put)
	case []any:
		return changeArray(x, path, put)
	}
	panic(fmt.Sprintf("vectors: no way along %v in %T", path, v))
}

func changeMap(x map[any]any, path []any, put any) any {
	var key any = uint64(0)
	if n := path[0].(int); n >= 0 {
		key = uint64(n)
	} else {
		key = int64(n)
	}
	if len(path) == 1 && put == nil {
		if _, ok := x[key]; !ok {
			panic(fmt.Sprintf("vectors: nothing at %v to take away", path))
		}
		delete(x, key)
		return x
	}
	x[key] = change(x[key], path[1:], put)
	return x
}

func changeArray(x []any, path []any, put any) any {
	i := path[0].(int)
	switch {
	case i == add:
		return append(x, put)
	case len(path) == 1 && put == nil:
		return slices.Delete(x, i, i+1)
	}
	x[i] = change(x[i], path[1:], put)
	return x
}

// anyway encodes what our own encoder refuses: tags and floating-point numbers.
func anyway(v any) []byte {
	mode := must(cbor.EncOptions{Sort: cbor.SortBytewiseLexical}.EncMode())
	return must(mode.Marshal(v))
}

// mutated changes an encoded value.
func mutated(raw []byte, m *mutation) []byte {
	v, err := lenient(raw)
	if err != nil {
		panic(err)
	}
	return anyway(change(v, m.path, m.put))
}

// inHeader changes the header of a statement, inPayload its payload, and leaves
// the signatures as they were: what is wrong must be found before them.
func inHeader(raw []byte, m *mutation) []byte {
	return inMessage(raw, func(parts []any) {
		v, err := lenient(parts[0].([]byte))
		if err != nil {
			panic(err)
		}
		parts[0] = anyway(change(v, append([]any{HeaderLabel}, m.path...), m.put))
	})
}

func inPayload(raw []byte, m *mutation) []byte {
	return inMessage(raw, func(parts []any) { parts[2] = mutated(parts[2].([]byte), m) })
}

func inMessage(raw []byte, change func(parts []any)) []byte {
	v, err := lenient(raw[2:])
	if err != nil {
		panic(err)
	}
	parts := v.([]any)
	change(parts)
	return append([]byte{0xd8, 98}, MustMarshal(parts)...)
}

// mutate makes the bad vectors of a table from the good ones of a file.
func mutate(good []vector, table []mutation, apply func([]byte, *mutation) []byte) (list []vector) {
	for i := range table {
		m := &table[i]
		j := slices.IndexFunc(good, func(v vector) bool { return v.Name == m.of && v.Code == "" })
		if j < 0 {
			panic("vectors: no good vector " + m.of)
		}
		v := bad(m.of+": "+m.name, apply(unhex(good[j].Bytes), m), m.code)
		v.Kind, v.Of = good[j].Kind, m.of
		list = append(list, v)
	}
	return list
}

// frames are what is wrong with the bytes themselves, of any form.
func frames(of vector) []vector {
	raw := unhex(of.Bytes)
	head := slices.IndexFunc(raw, func(b byte) bool { return b>>5 == 4 || b>>5 == 5 }) // after the tag, if there is one
	long := slices.Concat(raw[:head], []byte{raw[head]&0xe0 | 24, raw[head] & 31}, raw[head+1:])
	open := append(slices.Concat(raw[:head], []byte{raw[head] | 31}, raw[head+1:]), 0xff)
	list := []vector{
		bad("a byte after the end", append(slices.Clone(raw), 0), CodeMalformed),
		bad("the last byte left out", raw[:len(raw)-1], CodeMalformed),
		bad("nothing at all", nil, CodeMalformed),
		bad("a long head", long, CodeMalformed),
		bad("of indefinite length", open, CodeMalformed),
	}
	for i := range list {
		list[i].Kind, list[i].Of, list[i].Name = of.Kind, of.Name, of.Name+": "+list[i].Name
	}
	return list
}

// derived names the good vector from which bad ones were made.
func derived(of string, list []vector) []vector {
	for i := range list {
		list[i].Of = of
	}
	return list
}

func many(n int, s string) []any {
	list := make([]any, n)
	for i := range list {
		list[i] = s
	}
	return list
}

func words(n int) string { return strings.TrimSpace(strings.Repeat("word ", n)) }

// to is the way to a place.
func to(path ...any) []any { return path }

var headerMutations = []mutation{
	{"an alert", "status 0", to(2), 0, CodeHeader},
	{"an alert", "status 4", to(2), 4, CodeHeader},
	{"an alert", "status true", to(2), true, CodeMalformed},
	{"an alert", "precedence 0", to(3), 0, CodeHeader},
	{"an alert", "precedence 5", to(3), 5, CodeHeader},
	{"an alert", "no precedence", to(3), nil, CodeMalformed},
	{"an alert", "tlp 6", to(4), 6, CodeHeader},
	{"an alert", "sender in small letters", to(5), "xa", CodeHeader},
	{"an alert", "sender of one letter", to(5), "X", CodeHeader},
	{"an alert", "sender of nine letters", to(5), "XABCDEFGH", CodeHeader},
	{"an alert", "nobody addressed", to(6), nil, CodeHeader},
	{"an alert", "empty list of addressees", to(6), []any{}, CodeMalformed},
	{"an alert", "addressees out of order", to(6), []any{"XC", "XB"}, CodeHeader},
	{"an alert", "an addressee twice", to(6), []any{"XB", "XB"}, CodeHeader},
	{"an alert", "no authors", to(7), []any{}, CodeMissingAuthor},
	{"an alert", "an author of 31 bytes", to(7, 0), make([]byte, 31), CodeMalformed},
	{"an alert", "three authors", to(7, add), make([]byte, 32), CodeExtraAuthor},
	{"an alert", "97 authors", to(7), distinctKeys(97), CodeExtraAuthor},
	{"an alert", "convention of zeros", to(8), make([]byte, 32), CodeHeader},
	{"an alert", "convention of 33 bytes", to(8), make([]byte, 33), CodeMalformed},
	{"an alert", "convention version 0", to(9), 0, CodeHeader},
	{"an alert", "convention version 2^63", to(9), uint64(1) << 63, CodeMalformed},
	{"an alert", "convention version 2^64", to(9), cbor.RawMessage(unhex("c249010000000000000000")), CodeMalformed},
	{"an alert", "directory 0", to(10), 0, CodeHeader},
	{"an alert", "directory negative", to(10), -1, CodeMalformed},
	{"an alert", "case of no party", to(11, 0), "", CodeHeader},
	{"an alert", "case of no statement", to(11, 1), make([]byte, 32), CodeHeader},
	{"an alert", "case with a third element", to(11, add), 1, CodeMalformed},
	{"an alert", "re zero", to(12), make([]byte, 32), CodeHeader},
	{"an alert", "supersedes zero", to(13), make([]byte, 32), CodeHeader},
	{"an alert", "a cause", to(14), 1, CodeHeader},
	{"an alert", "cause 0", to(14), 0, CodeMalformed},
	{"an alert", "issued at 0", to(15), 0, CodeHeader},
	{"an alert", "issued before 1970", to(15), -1, CodeHeader},
	{"an alert", "not issued", to(15), nil, CodeMalformed},
	{"an alert", "detected at 0", to(16), 0, CodeMalformed},
	{"an alert", "detected before 1970", to(16), -1, CodeHeader},
	{"an alert", "head of another kind of log", to(18), []any{"hotlines/XB/1", 1, make([]byte, 32)}, CodeHeader},
	{"an alert", "head of generation 0", to(18), []any{"hotline/XB/0", 1, make([]byte, 32)}, CodeHeader},
	{"an alert", "head of generation 01", to(18), []any{"hotline/XB/01", 1, make([]byte, 32)}, CodeHeader},
	{"an alert", "head of generation 2^64", to(18), []any{"hotline/XB/18446744073709551616", 1, make([]byte, 32)}, CodeHeader},
	{"an alert", "head without a root", to(18), []any{"hotline/XB/1", 1}, CodeMalformed},
	{"an alert", "no commitment", to(19), nil, CodeHeader},
	{"an alert", "commitment of zeros", to(19), make([]byte, 32), CodeMalformed},
	{"an alert", "somebody to notify", to(21), []any{"XB"}, CodeHeader},
	{"an alert", "a reason", to(22), "other", CodeHeader},
	{"an alert", "reason empty", to(22), "", CodeMalformed},
	{"an alert", "an always-notifiable item", to(25), 1, CodeHeader},
	{"an alert", "field 26", to(26), 1, CodeMalformed},
	{"an alert", "field 0", to(0), 1, CodeMalformed},
	{"an alert", "kind 0", to(1), 0, CodeUnknownKind},
	{"assessment, every field", "verdict 3", to(20), 3, CodeHeader},
	{"assessment, every field", "verdict 0", to(20), 0, CodeMalformed},
	{"assessment, every field", "no verdict", to(20), nil, CodeHeader},
	{"assessment, every field", "notifiable to nobody", to(21), nil, CodeHeader},
	{"assessment, every field", "notifies its own party", to(21), []any{"XA"}, CodeWrongAddressee},
	{"assessment, every field", "notified out of order", to(21), []any{"XC", "XB"}, CodeHeader},
	{"assessment, every field", "below the threshold to somebody", to(20), 2, CodeHeader},
	{"assessment, every field", "addressed", to(6), []any{"XB"}, CodeHeader},
	{"assessment, every field", "17 answers", to(24), slices.Repeat([]any{true}, 17), CodeHeader},
	{"assessment, every field", "empty list of answers", to(24), []any{}, CodeMalformed},
	{"assessment, every field", "an answer in words", to(24, 0), "yes", CodeMalformed},
	{"assessment, every field", "always-notifiable item 65", to(25), 65, CodeHeader},
	{"assessment, every field", "not assessed", to(17), nil, CodeHeader},
	{"reply", "no disposition", to(23), nil, CodeHeader},
	{"reply", "disposition of a request", to(23), 3, CodeHeader},
	{"reply", "disposition 8", to(23), 8, CodeHeader},
	{"retract", "reason of another kind", to(22), "staff", CodeHeader},
	{"late-reason", "reason of another kind", to(22), "twice", CodeHeader},
	{"reject", "reason in capitals", to(22), "CASE", CodeHeader},
	{"reject", "reason of 33 letters", to(22), strings.Repeat("a", 33), CodeHeader},
	{"reject", "supersedes something", to(13), slices.Repeat([]byte{1}, 32), CodeHeader},
	{"line-test", "two authors", to(7, add), make([]byte, 32), CodeExtraAuthor},
	{"line-test", "to two parties", to(6, add), "XC", CodeHeader},
	{"line-test", "no cause", to(14), nil, CodeHeader},
	{"ladder", "an exercise of it", to(2), 2, CodeStatus},
	{"watch-test", "ACTUAL", to(2), 1, CodeStatus},
	{"watch-test", "an exercise of it", to(2), 2, CodeStatus},
	{"watch-test", "FLASH", to(3), 1, CodeHeader},
	{"handover", "one author", to(7, 1), nil, CodeMissingAuthor},
	{"handover", "addressed", to(6), []any{"XB"}, CodeHeader},
	{"detection", "no time of detection", to(16), nil, CodeHeader},
	{"detection", "a case", to(11), []any{"XA", slices.Repeat([]byte{1}, 32)}, CodeHeader},
	{"acknowledgement", "of nothing", to(12), nil, CodeHeader},
	{"automatic-alert", "of another assessment", to(12), slices.Repeat([]byte{1}, 32), CodeReference},
	{"automatic-alert", "in another case", to(11, 0), "XB", CodeReference},
	{"automatic-alert", "of another status", to(2), 2, CodeReference},
	{"automatic-alert", "under another convention", to(8), slices.Repeat([]byte{1}, 32), CodeReference},
	{"automatic-alert", "to whom nobody named", to(6), []any{"XB", "XD"}, CodeWrongAddressee},
}

func distinctKeys(n int) []any {
	list := make([]any, n)
	for i := range list {
		id := someID(fmt.Sprint(i))
		list[i] = id[:]
	}
	return list
}

// signatureVectors are bad in a signature alone.
func signatureVectors(t *testing.T, of vector, es256 vector) []vector {
	t.Helper()
	part := func(v vector, change func(signature []any)) []byte {
		return inMessage(unhex(v.Bytes), func(parts []any) { change(parts[3].([]any)[0].([]any)) })
	}
	order, _ := new(big.Int).SetString("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551", 16)
	group, _ := new(big.Int).SetString("1000000000000000000000000000000014def9dea2f79cd65812631a5cf5d3ed", 16)
	list := derived(of.Name, []vector{
		bad("signature of zeros", part(of, func(s []any) { s[2] = make([]byte, 64) }), CodeBadSignature),
		bad("a bit of R", part(of, func(s []any) { s[2].([]byte)[0] ^= 1 }), CodeBadSignature),
		bad("S above the order of the group", part(of, func(s []any) { // RFC 8032 §5.1.7
			sig := s[2].([]byte)
			n := new(big.Int).SetBytes(reversed(sig[32:]))
			copy(sig[32:], reversed(n.Add(n, group).FillBytes(make([]byte, 32))))
		}), CodeBadSignature),
		bad("named as ES256", part(of, func(s []any) { s[0] = unhex("a10126") }), CodeBadSignature),
		bad("signature as text", part(of, func(s []any) { s[2] = strings.Repeat("a", 64) }), CodeMalformed),
	})
	return append(list, derived(es256.Name, []vector{
		bad("the higher of s and n - s", part(es256, func(s []any) {
			sig := s[2].([]byte)
			n := new(big.Int).SetBytes(sig[32:])
			n.Sub(order, n).FillBytes(sig[32:])
		}), CodeBadSignature),
		bad("r of zero", part(es256, func(s []any) { clear(s[2].([]byte)[:32]) }), CodeBadSignature),
		bad("ES256 named as Ed25519", part(es256, func(s []any) { s[0] = unhex("a10132") }), CodeBadSignature),
	})...)
}

func reversed(b []byte) []byte {
	b = slices.Clone(b)
	slices.Reverse(b)
	return b
}
