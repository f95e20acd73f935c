package hotline_test

import (
	"fmt"
	"testing"

	. "example.org/hotline/hotline"
	"example.org/hotline/hotline/hotlinetest"
)

// strangers take the place of every part of a good encoding, one at a time.
var strangers = []any{uint64(0), uint64(4), uint64(1 << 63), int64(-1), "", "x", "XA\u202e", "<b>", []byte{}, []byte{0}, make([]byte, 32),
	[]any{}, []any{uint64(1)}, map[any]any{}, map[any]any{uint64(1): uint64(1)}, nil, true, false, 1.5}

// variants calls yield with v after every single change: a part replaced by a
// stranger, left out, doubled, or added.
func variants(v any, yield func(any)) {
	for _, s := range strangers {
		yield(s)
	}
	switch x := v.(type) {
	case map[any]any:
		for k := range x {
			variants(x[k], func(part any) { yield(with(x, k, part)) })
			less := with(x, k, nil)
			delete(less, k)
			yield(less)
		}
		yield(with(x, uint64(99), uint64(1)))
		yield(with(x, "1", uint64(1)))
	case []any:
		for i := range x {
			variants(x[i], func(part any) {
				list := append([]any{}, x...)
				list[i] = part
				yield(list)
			})
			yield(append(append([]any{}, x[:i]...), x[i+1:]...))
			yield(append(append([]any{}, x[:i+1]...), x[i:]...))
		}
	}
}

func with(m map[any]any, key, value any) map[any]any {
	out := make(map[any]any, len(m)+1)
	for k, v := range m {
		out[k] = v
	}
	out[key] = value
	return out
}

// agree fails for every variant that the CDDL of SPEC refuses and the code
// accepts.
func agree(t *testing.T, rules cddl, rule string, good []byte, decode func([]byte) error) {
	t.Helper()
	v, err := lenient(good)
	if err != nil {
		t.Fatal(err)
	}
	refused := 0
	variants(v, func(changed any) {
		b, err := Marshal(changed)
		if err != nil || rules.check(rule, b) == nil {
			return
		}
		refused++
		if decode(b) == nil {
			t.Errorf("%s: SPEC refuses %x (%v), the code accepts it", rule, b, rules.check(rule, b))
		}
	})
	if refused < len(strangers) {
		t.Errorf("%s: only %d variants tried", rule, refused)
	}
}

// TestCodeRefusesWhatSpecRefuses: whoever writes another implementation from
// SPEC alone never sends less, and never accepts less, than this one thinks.
func TestCodeRefusesWhatSpecRefuses(t *testing.T) {
	rules, w := specRules(t), newWorld()
	for _, r := range Kinds() {
		agree(t, rules, r.Name+"-body", MustMarshal(body(w, r.Kind, true)), func(b []byte) error {
			_, err := DecodeBody(r.Kind, b)
			return err
		})
		st := w.statement(t, r.Kind, true)
		agree(t, rules, "header", MustMarshal(st.Header), func(b []byte) error {
			_, err := Parse(message(b, st.Payload, st.Signed))
			return err
		})
	}
	for typ, list := range contents(t, w) {
		for _, content := range list {
			good, err := EncodeEntry(typ, at, [16]byte{1}, scopes[2], Outside, content)
			if err != nil {
				t.Fatal(err)
			}
			agree(t, rules, "entry", good, func(b []byte) error { _, _, err := DecodeEntry(b); return err })
		}
	}
	d := hotlinetest.NewJournal(w.a, at).Send(w.a.Text(at, "XB", "good morning"), at)
	agree(t, rules, "sender-entry", d.Sender, func(b []byte) error { _, err := ParseSenderEntry(b); return err })
	receipt, err := ParseReceipt(hotlinetest.NewJournal(w.b, at).Receive(d, at))
	if err != nil {
		t.Fatal(err)
	}
	agree(t, rules, "claims", MustMarshal(receipt.Claims), func(b []byte) error {
		_, err := ParseReceipt(receiptMessage(b))
		return err
	})
}

// message puts a header that Sign would not sign into a COSE_Sign whose
// signatures nobody checks.
func message(header, payload []byte, signatures int) []byte {
	protected := append([]byte{0xa2, 0x02, 0x81, 0x3a, 0x00, 0x01, 0x11, 0x70, 0x3a, 0x00, 0x01, 0x11, 0x70}, header...)
	list := make([]any, signatures)
	for i := range list {
		list[i] = []any{[]byte{0xa1, 0x01, 0x32}, map[any]any{}, make([]byte, 64)}
	}
	return append([]byte{0xd8, 98}, MustMarshal([]any{protected, map[any]any{}, payload, list})...)
}

// receiptMessage puts claims about entry 1 into a COSE_Sign1.
func receiptMessage(claims []byte) []byte {
	return proofMessage(claims, 2, 1, []any{make([]byte, 32)})
}

// proofMessage puts claims and a proof into a COSE_Sign1 that nobody signed.
func proofMessage(claims []byte, size, index uint64, path []any) []byte {
	protected := append([]byte{0xa3, 0x01, 0x32, 0x19, 0x01, 0x8b, 0x01, 0x3a, 0x00, 0x01, 0x11, 0x71}, claims...)
	proof := MustMarshal([]any{size, index, path})
	unprotected := map[any]any{uint64(396): map[any]any{int64(-1): []any{proof}}}
	return append([]byte{0xd2}, MustMarshal([]any{protected, unprotected, nil, make([]byte, 64)})...)
}

// TestHandMadeMessagesAreAcceptedWhenGood: the tests above would prove nothing
// if their hand-made frame were itself refused.
func TestHandMadeMessagesAreAcceptedWhenGood(t *testing.T) {
	w := newWorld()
	for _, r := range Kinds() {
		st := w.statement(t, r.Kind, true)
		if _, err := Parse(message(MustMarshal(st.Header), st.Payload, st.Signed)); err != nil {
			t.Errorf("%s: %v", r.Name, err)
		}
	}
	claims := Claims{Party: "XB", Generation: 1, Statement: someID("s"), Index: 1, Time: at, Voters: 3}
	for _, of := range []*Of{nil, {Party: "XA", Generation: 1, Sequence: 1}} {
		claims.Of = of
		if _, err := ParseReceipt(receiptMessage(MustMarshal(claims))); err != nil {
			t.Error(fmt.Errorf("receipt: %w", err))
		}
	}
}
