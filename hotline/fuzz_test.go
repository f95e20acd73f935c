package hotline_test

import (
	"bytes"
	"testing"

	. "example.org/hotline/hotline"
	"example.org/hotline/hotline/hotlinetest"
)

// Each fuzz test defends the same promise: input that is accepted has exactly
// one encoding, the one that came in, and nothing that comes in stops the
// process. A document or statement with a signature that verifies must
// besides be one that the fixture signed.

func encodesToItself(t *testing.T, in []byte, v any) {
	t.Helper()
	if out := MustMarshal(v); !bytes.Equal(in, out) {
		t.Fatalf("accepted %x, encodes to %x", in, out)
	}
}

func FuzzParseStatement(f *testing.F) {
	w := newWorld()
	signed := map[ID]bool{}
	for _, r := range Kinds() {
		for _, full := range []bool{false, true} {
			st := w.statement(f, r.Kind, full)
			signed[st.ID] = true
			f.Add(st.Raw)
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		st, err := Parse(raw)
		if err != nil {
			if CodeOf(err) == CodeInternal {
				t.Fatalf("a refusal without a code: %v", err)
			}
			return
		}
		again, err := Parse(reframe(st, MustMarshal(st.Header), signaturesOf(raw)))
		if err != nil || !bytes.Equal(again.Raw, raw) || again.ID != st.ID {
			t.Fatalf("accepted %x, encodes to another: %v", raw, err)
		}
		// A sealed body is another one in each process that fuzzes, and so is
		// the id of whatever holds one.
		fixed := !st.Header.Kind.Rules().Sealed && st.Header.Kind != KindAutomaticAlert
		if fixed && st.Verify(w.a.Keys) == nil && !signed[st.ID] {
			t.Fatalf("a forgery verifies: %x", raw)
		}
	})
}

func FuzzParseConvention(f *testing.F) {
	w := newWorld()
	second := hotlinetest.Amend(w.conv, fullConvention(w), w.a, w.b, w.c)
	signed := map[ID]bool{w.conv.Hash: true, second.Hash: true}
	f.Add(w.conv.Raw)
	f.Add(second.Raw)
	f.Add(w.conventionOfTwo())
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, before := range []*SignedConvention{nil, w.conv, second} {
			c, err := ParseConvention(raw, before)
			if err != nil {
				continue
			}
			st := parse(t, raw)
			encodesToItself(t, st.Payload, c.Convention)
			if before != nil && !signed[c.Hash] {
				t.Fatalf("a forged amendment: %x", raw)
			}
		}
	})
}

// conventionOfTwo is another version 1, of two parties.
func (w *world) conventionOfTwo() []byte {
	return hotlinetest.SignConvention(nil, minimalConvention(w), w.a, w.b)
}

func FuzzParseDirectory(f *testing.F) {
	w := newWorld()
	signed := map[string]bool{}
	for _, raw := range [][]byte{w.a.SignDirectory(w.a.Page(1)), w.a.SignDirectory(fullDirectory(w)), w.b.SignDirectory(w.b.Page(7))} {
		signed[string(raw)] = true
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if st, err := Parse(raw); err == nil && st.Header.Kind == KindDirectory {
			body, err := st.OpenBody()
			if err != nil {
				t.Fatalf("parsed, but does not open: %v", err)
			}
			encodesToItself(t, st.Payload, body)
		}
		if _, err := ParseDirectory(raw, w.conv); err == nil && !signed[string(raw)] {
			t.Fatalf("a forged directory: %x", raw)
		}
	})
}

func FuzzDecodeEntry(f *testing.F) {
	w := newWorld()
	for typ, list := range contents(f, w) {
		for i, content := range list {
			f.Add(must(EncodeEntry(typ, at, [16]byte{1}, scopes[i], Derived, content)))
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		e, content, err := DecodeEntry(raw)
		if err != nil {
			return
		}
		out, err := EncodeEntry(e.Type, e.Time, e.Salt, e.Scope, e.Cause, content)
		if err != nil || !bytes.Equal(out, raw) {
			t.Fatalf("accepted %x, encodes to %x, %v", raw, out, err)
		}
	})
}

func FuzzParseReceipt(f *testing.F) {
	x := newExchange(f)
	f.Add(x.sent.Tender)
	f.Add(x.receipt)
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := ParseReceipt(raw)
		if err != nil {
			return
		}
		again, err := ParseReceipt(reprove(t, r))
		if err != nil || !bytes.Equal(again.Raw, raw) {
			t.Fatalf("accepted %x, encodes to another: %v", raw, err)
		}
		if x.verifyReceipt(raw) == nil && !bytes.Equal(raw, x.receipt) {
			t.Fatalf("a forged receipt: %x", raw)
		}
	})
}

// reprove encodes a receipt again from its parts.
func reprove(t *testing.T, r *Receipt) []byte {
	t.Helper()
	v, err := lenient(r.Raw[1:])
	if err != nil {
		t.Fatal(err)
	}
	parts := v.([]any)
	protected := parts[0].([]byte)
	claims := MustMarshal(r.Claims)
	if !bytes.HasSuffix(protected, claims) {
		t.Fatalf("claims of %x encode to %x", protected, claims)
	}
	return append([]byte{0xd2}, MustMarshal(parts)...)
}

// FuzzParseAnchor: an anchor has one encoding, and its lines are within their bounds.
func FuzzParseAnchor(f *testing.F) {
	w := newWorld()
	f.Add(anchorOf(f, w, 7, anchorLines(f, w, 7)))
	for _, bad := range badAnchors(f, w) {
		f.Add(bad.anchor)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		a, err := ParseAnchor(raw)
		if err != nil {
			return
		}
		if n := len(a.Witnesses); n == 0 || n > MaxAnchorLines || a.Time <= 0 || !bytes.HasPrefix(raw, []byte(a.Checkpoint.Text()+"\n")) {
			t.Fatalf("accepted %q as %+v", raw, a)
		}
	})
}

func FuzzParseSenderEntry(f *testing.F) {
	x := newExchange(f)
	f.Add(x.sent.Sender)
	j := hotlinetest.NewJournal(x.a, at)
	f.Add(j.Send(x.a.Text(at, "XB", "good morning"), at).Sender)
	f.Add(j.Send(x.a.Detection(at), at).Sender)
	f.Fuzz(func(t *testing.T, raw []byte) {
		s, err := ParseSenderEntry(raw)
		if err != nil {
			return
		}
		encodesToItself(t, raw, s)
		if _, err := s.Leaf([]byte{1}); err != nil {
			t.Fatalf("a sender's entry that makes no leaf: %v", err)
		}
	})
}

func FuzzDecodeBody(f *testing.F) {
	w := newWorld()
	for _, r := range Kinds() {
		for _, full := range []bool{false, true} {
			f.Add(uint64(r.Kind), MustMarshal(body(w, r.Kind, full)))
		}
	}
	f.Add(uint64(99), []byte{0xa0})
	f.Fuzz(func(t *testing.T, kind uint64, raw []byte) {
		body, err := DecodeBody(Kind(kind), raw)
		if err != nil {
			if CodeOf(err) == CodeInternal {
				t.Fatalf("a refusal without a code: %v", err)
			}
			return
		}
		encodesToItself(t, raw, body)
	})
}
