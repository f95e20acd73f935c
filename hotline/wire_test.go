package hotline_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"example.org/hotline/crypto/seal"
	. "example.org/hotline/hotline"
)

// codedTypes are the types that say themselves how they are written, but for
// the entry, which decodeAny stands for.
var codedTypes = []func() any{
	func() any { return new(Sent) },
	func() any { return new(Received) },
	func() any { return new(Receipted) },
	func() any { return new(Due) },
	func() any { return new(SenderEntry) },
	func() any { return new(Claims) },
	func() any { return new(Protected) },
	func() any { return new(Header) },
	func() any { return new(Scope) },
}

// decodeAny is DecodeEntry by the general codec alone.
func decodeAny(raw []byte) (*Entry, any, error) {
	var e Entry
	if len(raw) > MaxEntry {
		return nil, nil, Refuse(CodeTooLarge, "too large")
	}
	if err := UnmarshalAny(raw, &e); err != nil {
		return nil, nil, err
	}
	content := map[EntryType]any{EntryGenesis: new(Genesis), EntrySent: new(Sent), EntryReceived: new(Received), EntryReceipted: new(Receipted),
		EntryDue: new(Due), EntryClock: new(Clock), EntryMembers: new(Members), EntryRules: new(RulesVersion), EntryDocument: new(Document),
		EntryPage: new(Page), EntryWitnessed: new(Witnessed)}[e.Type]
	if content == nil {
		return nil, nil, Refuse(CodeMalformed, "unknown type")
	}
	if err := UnmarshalAny(e.Content, content); err != nil {
		return nil, nil, err
	}
	return &e, content, nil
}

// agreeOn fails if the two codecs differ on b as any of the coded types: in
// whether it is accepted, in the code of the refusal, in the value, or in how
// the value is encoded.
func agreeOn(t *testing.T, b []byte) {
	t.Helper()
	for _, make := range codedTypes {
		v, any := make(), make()
		err, anyErr := Unmarshal(b, v, MaxEntry), UnmarshalAny(b, any)
		if CodeOf(err) != CodeOf(anyErr) {
			t.Fatalf("%T %x: %v; the general codec says %v", v, b, err, anyErr)
		}
		if err == nil {
			sameValue(t, b, v, any)
		}
	}
	e, content, err := DecodeEntry(b)
	anyEntry, anyContent, anyErr := decodeAny(b)
	if err == nil && anyErr != nil {
		t.Fatalf("entry %x is accepted; the general codec says %v", b, anyErr)
	}
	if anyErr == nil && err != nil {
		// What the codec accepts, the checks of an entry may still refuse.
		scope, sound := anyEntry.Scope, anyContent.(interface{ Validate() error }).Validate() == nil
		if sound && validEntry(anyEntry.Time, scope, anyEntry.Cause) {
			t.Fatalf("entry %x is refused (%v); the general codec accepts it", b, err)
		}
	}
	if err == nil {
		e.Parts = Parts{} // of no encoding
		if !reflect.DeepEqual(e, anyEntry) {
			t.Fatalf("entry %x: %+v; by the general codec %+v", b, e, anyEntry)
		}
		sameContent(t, e, content, anyContent)
	}
}

// validEntry asks the checks of an entry about its outer parts, by an entry
// whose content is good.
func validEntry(time Time, scope Scope, cause Cause) bool {
	b, err := EncodeEntry(EntryRules, time, [16]byte{}, scope, cause, &RulesVersion{Version: 1})
	if err != nil {
		return false
	}
	_, _, err = DecodeEntry(b)
	return err == nil
}

func sameValue(t *testing.T, b []byte, v, any any) {
	t.Helper()
	if !reflect.DeepEqual(v, any) {
		t.Fatalf("%x is %+v; by the general codec %+v", b, v, any)
	}
	again, err := MarshalAny(v)
	if err != nil || !bytes.Equal(again, b) || !bytes.Equal(MustMarshal(v), b) {
		t.Fatalf("%T %x encodes to %x, and to %x by the general codec (%v)", v, b, MustMarshal(v), again, err)
	}
}

func sameContent(t *testing.T, e *Entry, content, any any) {
	t.Helper()
	sameValue(t, e.Content, content, any)
	b, err := EncodeEntry(e.Type, e.Time, e.Salt, e.Scope, e.Cause, content)
	again, anyErr := MarshalAny(e)
	if err != nil || anyErr != nil || !bytes.Equal(b, again) {
		t.Fatalf("an entry encodes to %x (%v), and to %x by the general codec (%v)", b, err, again, anyErr)
	}
}

// encodings are good encodings of every coded type.
func encodings(t testing.TB) (list [][]byte) {
	w, x := newWorld(), newExchange(t)
	for typ, samples := range contents(t, w) {
		for i, content := range samples {
			list = append(list, MustMarshal(content), must(EncodeEntry(typ, at, [16]byte{1}, scopes[i%len(scopes)], Derived, content)))
		}
	}
	for _, r := range Kinds() {
		for _, full := range []bool{false, true} {
			st := w.statement(t, r.Kind, full)
			message := must(seal.Parse(st.Raw, MaxStatement))
			list = append(list, MustMarshal(&st.Header), message.Protected)
		}
	}
	for i := range scopes {
		list = append(list, MustMarshal(&scopes[i]))
	}
	for _, raw := range [][]byte{x.sent.Tender, x.receipt} {
		list = append(list, must(seal.ParseReceipt(raw, MaxReceipt)).Claims)
	}
	return append(list, x.sent.Sender)
}

// vectorBytes are all vectors, and the headers and claims of those that have any.
func vectorBytes(t testing.TB) (list [][]byte) {
	names, err := filepath.Glob(filepath.Join("testdata", "vectors", "*.json"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no vectors: %v", err)
	}
	for _, name := range names {
		var f vectorFile
		if err := json.Unmarshal(must(os.ReadFile(name)), &f); err != nil {
			t.Fatal(err)
		}
		for _, v := range f.Vectors {
			raw := unhex(v.Bytes)
			list = append(list, raw)
			if m, err := seal.Parse(raw, MaxStatement); err == nil {
				list = append(list, m.Protected)
			}
			if r, err := seal.ParseReceipt(raw, MaxReceipt); err == nil {
				list = append(list, r.Claims)
			}
		}
	}
	return list
}

// TestCodedTypesAgreeWithTheGeneralCodec: the types that are read and written
// by hand have the one encoding that decoding, encoding again and comparing
// gives every other type, however a good encoding is changed.
func TestCodedTypesAgreeWithTheGeneralCodec(t *testing.T) {
	for _, good := range append(encodings(t), vectorBytes(t)...) {
		agreeOn(t, good)
		v, err := lenient(good)
		if err != nil || len(good) > 1<<8 {
			continue // no encoding of a value, or one whose parts stand in a shorter one
		}
		variants(v, func(changed any) {
			if b, err := Marshal(changed); err == nil {
				agreeOn(t, b)
			}
		})
		for i := range good {
			for _, bit := range []byte{1, 0x20} {
				b := bytes.Clone(good)
				b[i] ^= bit
				agreeOn(t, b)
			}
			agreeOn(t, good[:i])
		}
	}
}

// FuzzCodedTypes looks for bytes on which the two codecs differ.
func FuzzCodedTypes(f *testing.F) {
	for _, b := range encodings(f) {
		f.Add(b)
	}
	f.Fuzz(agreeOn)
}
