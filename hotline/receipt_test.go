package hotline_test

import (
	"bytes"
	"reflect"
	"testing"

	. "example.org/hotline/hotline"
	"example.org/hotline/hotline/hotlinetest"
)

// exchange is one delivery with its tender and receipt, at places in both logs
// where the proofs have several hashes.
type exchange struct {
	*world
	st      *Statement
	sent    *hotlinetest.Delivery
	receipt []byte
}

func newExchange(t testing.TB) *exchange {
	t.Helper()
	w := newWorld()
	a, b := hotlinetest.NewJournal(w.a, at), hotlinetest.NewJournal(w.b, at)
	for i := range 5 {
		b.Receive(a.Send(w.a.Text(at+Time(i), "XB", "earlier"), at), at)
	}
	st := w.a.Alert(at+9, w.assessment(), []Party{"XB", "XC"})
	sent := a.Send(st, at+10)
	return &exchange{world: w, st: st, sent: sent, receipt: b.Receive(sent, at+11)}
}

func (x *exchange) verifyTender(raw []byte, st *Statement, sender []byte) error {
	r, err := ParseReceipt(raw)
	if err != nil {
		return err
	}
	s, err := ParseSenderEntry(sender)
	if err != nil {
		return err
	}
	return VerifyTender(r, st, s, x.conv.ID, x.a.Log.Public())
}

func (x *exchange) verifyReceipt(raw []byte) error {
	r, err := ParseReceipt(raw)
	if err != nil {
		return err
	}
	return VerifyReceipt(r, "XB", x.st, x.sent.Index, 1, x.sent.Sender, x.sent.Tender, x.conv.ID, x.b.Log.Public())
}

// TestTenderAndReceiptProveOnePlace: the good ones verify against leaves that
// the other side rebuilt; asked for again, they are the same bytes.
func TestTenderAndReceiptProveOnePlace(t *testing.T) {
	x, again := newExchange(t), newExchange(t)
	if err := x.verifyTender(x.sent.Tender, x.st, x.sent.Sender); err != nil {
		t.Error(err)
	}
	if err := x.verifyReceipt(x.receipt); err != nil {
		t.Error(err)
	}
	a, b := hotlinetest.NewJournal(x.a, at), hotlinetest.NewJournal(x.a, at)
	st := x.a.LineTest(at, "XB", 1, 1)
	if !bytes.Equal(a.Send(st, at).Tender, b.Send(st, at).Tender) {
		t.Error("the same entry has two tenders")
	}
	if again.verifyReceipt(x.receipt) == nil {
		t.Error("a receipt for another log's statement verifies")
	}
}

// TestNoBitFlipOfReceiptUnseen: every flipped bit of a tender or receipt is
// refused, and so is every flipped bit of the sender's entry beside it.
func TestNoBitFlipOfReceiptUnseen(t *testing.T) {
	x := newExchange(t)
	for name, v := range map[string]struct {
		raw    []byte
		verify func([]byte) error
	}{
		"tender":         {x.sent.Tender, func(b []byte) error { return x.verifyTender(b, x.st, x.sent.Sender) }},
		"receipt":        {x.receipt, x.verifyReceipt},
		"sender's entry": {x.sent.Sender, func(b []byte) error { return x.verifyTender(x.sent.Tender, x.st, b) }},
	} {
		b := bytes.Clone(v.raw)
		if err := v.verify(b); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for i := range b {
			for bit := range 8 {
				b[i] ^= 1 << bit
				if v.verify(b) == nil {
					t.Errorf("%s: bit %d of byte %d of %d goes unseen", name, bit, i, len(b))
				}
				b[i] ^= 1 << bit
			}
		}
	}
}

// TestEveryFieldOfTenderIsBound: even the sender itself, signing what it likes,
// cannot make a tender that says one thing and stands for another.
func TestEveryFieldOfTenderIsBound(t *testing.T) {
	x := newExchange(t)
	// Each change makes a fresh log in which the changed thing is truly
	// logged and signed, so that nothing but the rule under test refuses it.
	for name, v := range map[string]struct {
		sent   func(*Sent, *Scope)
		claims func(*Claims)
	}{
		"statement":              {claims: func(c *Claims) { c.Statement = someID("x") }},
		"time":                   {claims: func(c *Claims) { c.Time++ }},
		"a receipt as a tender":  {claims: func(c *Claims) { c.Of = &Of{Party: "XA", Generation: 1, Sequence: 1} }},
		"voters":                 {sent: func(s *Sent, _ *Scope) { s.Voters = 5 }},
		"no sequences":           {sent: func(s *Sent, _ *Scope) { s.Sequences = nil }},
		"one sequence for two":   {sent: func(s *Sent, _ *Scope) { s.Sequences = s.Sequences[:1] }},
		"sequence for another":   {sent: func(s *Sent, _ *Scope) { s.Sequences[1].To = "XD" }},
		"scope without receiver": {sent: func(_ *Sent, c *Scope) { c.Parties = []Party{"XA", "XC"} }},
		"scope without sender":   {sent: func(_ *Sent, c *Scope) { c.Parties = []Party{"XB", "XC"} }},
		"scope of another case":  {sent: func(_ *Sent, c *Scope) { c.Case = &CaseID{Party: "XA", ID: someID("x")} }},
		"scope of no case":       {sent: func(_ *Sent, c *Scope) { *c = PairScope("XA", "XB") }},
		"common scope":           {sent: func(_ *Sent, c *Scope) { *c = Common() }},
	} {
		sent := &Sent{Sequences: []Sequence{{To: "XB", N: 1}, {To: "XC", N: 1}}, Directory: 1, Convention: 1, Voters: 3, Statement: x.st.Raw}
		scope := hotlinetest.SentScope(x.st)
		if v.sent != nil {
			v.sent(sent, &scope)
		}
		wantCode(t, name, x.tendered(t, sent, scope, v.claims), CodeTender)
	}
	sent := &Sent{Sequences: []Sequence{{To: "XB", N: 1}, {To: "XC", N: 1}}, Directory: 1, Convention: 1, Voters: 3, Statement: x.st.Raw}
	wantCode(t, "nothing changed", x.tendered(t, sent, hotlinetest.SentScope(x.st), nil), "")
	other := x.a.Alert(at+9, x.assessment(), []Party{"XB", "XC"})
	wantCode(t, "another statement", x.verifyTender(x.sent.Tender, other, x.sent.Sender), CodeTender)
	foreign := hotlinetest.NewJournal(x.b, at).Send(x.b.Text(at, "XA", "mine"), at)
	wantCode(t, "another party's log", x.verifyTender(foreign.Tender, x.st, x.sent.Sender), CodeTender)
}

// tendered logs and proves an entry as its sender could, and verifies that.
func (x *exchange) tendered(t *testing.T, sent *Sent, scope Scope, change func(*Claims)) error {
	t.Helper()
	j := hotlinetest.NewJournal(x.a, at)
	index := j.Append(EntrySent, at, scope, Outside, sent)
	beside := *sent
	beside.Statement = nil
	sender := MustMarshal(SenderEntry{Time: at, Salt: j.Salt(index), Scope: scope, Cause: Outside, Sent: beside})
	claims := Claims{Statement: x.st.ID, Time: at}
	if change != nil {
		change(&claims)
	}
	return x.verifyTender(j.Prove(claims), x.st, sender)
}

// TestEveryFieldOfReceiptIsBound: a receipt verifies for exactly one entry of
// exactly one log, even if the receiver itself signs another claim.
func TestEveryFieldOfReceiptIsBound(t *testing.T) {
	x := newExchange(t)
	good, err := ParseReceipt(x.receipt)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Claims){
		"statement":           func(c *Claims) { c.Statement = someID("x") },
		"time":                func(c *Claims) { c.Time++ },
		"a tender":            func(c *Claims) { c.Of = nil },
		"sender":              func(c *Claims) { c.Of.Party = "XC" },
		"sender's generation": func(c *Claims) { c.Of.Generation++ },
		"sender's index":      func(c *Claims) { c.Of.Index++ },
		"sequence":            func(c *Claims) { c.Of.Sequence++ },
		"salt":                func(c *Claims) { c.Of.Salt[0]++ },
		"marks":               func(c *Claims) { c.Of.Marks |= MarkSkewed },
	} {
		claims, of := good.Claims, *good.Of
		claims.Of = &of
		change(&claims)
		wantCode(t, name, x.verifyReceipt(x.logged(claims, "")), CodeReceipt)
	}
	wantCode(t, "nothing changed", x.verifyReceipt(x.logged(good.Claims, "")), "")
	wantCode(t, "logged as rejected", x.verifyReceipt(x.logged(good.Claims, CodeCase)), CodeReceipt)
	verify := func(from Party, index, generation uint64) error {
		return VerifyReceipt(good, from, x.st, index, generation, x.sent.Sender, x.sent.Tender, x.conv.ID, x.b.Log.Public())
	}
	wantCode(t, "from another party", verify("XC", x.sent.Index, 1), CodeReceipt)
	wantCode(t, "for another own entry", verify("XB", x.sent.Index+1, 1), CodeReceipt)
	wantCode(t, "for another own generation", verify("XB", x.sent.Index, 2), CodeReceipt)
	wantCode(t, "under another key", VerifyReceipt(good, "XB", x.st, x.sent.Index, 1, x.sent.Sender, x.sent.Tender, x.conv.ID, x.c.Log.Public()), CodeReceipt)
	wantCode(t, "under another convention", VerifyReceipt(good, "XB", x.st, x.sent.Index, 1, x.sent.Sender, x.sent.Tender, someID("x"), x.b.Log.Public()), CodeReceipt)
	wantCode(t, "for another tender", VerifyReceipt(good, "XB", x.st, x.sent.Index, 1, x.sent.Sender, []byte("x"), x.conv.ID, x.b.Log.Public()), CodeReceipt)
}

// logged logs the exchange's statement at XB as it truly was, or as rejected,
// and signs these claims for it.
func (x *exchange) logged(c Claims, code Code) []byte {
	truth := must(ParseReceipt(x.receipt))
	j := hotlinetest.NewJournal(x.b, at)
	j.AppendRaw(must(ReceivedEntry("XB", x.st, x.sent.Sender, x.sent.Tender, truth.Time, truth.Of.Salt, code, truth.Of.Marks, truth.Voters)))
	return j.Prove(c)
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// TestReceiptIsAlwaysInTheTreeThatEndsWithIt: one path can be right in several
// sizes (RFC 9942 signs only the root), so size is index+1 and nothing else.
func TestReceiptIsAlwaysInTheTreeThatEndsWithIt(t *testing.T) {
	x := newExchange(t)
	good := must(ParseReceipt(x.receipt))
	for name, v := range map[string]struct{ size, index, claimed uint64 }{
		"larger tree":                {9, 6, 6},
		"another index in the proof": {7, 5, 6},
		"another index in the claim": {7, 6, 5},
		"index outside":              {6, 6, 6},
		"empty tree":                 {0, 0, 0},
		"size beyond all trees":      {1<<63 + 1, 1 << 63, 1 << 63},
	} {
		claims := good.Claims
		claims.Index = v.claimed
		hashes := []any{}
		for range 64 { // every number of hashes that a proof could have
			_, err := ParseReceipt(proofMessage(MustMarshal(claims), v.size, v.index, hashes))
			wantCode(t, name, err, CodeMalformed)
			hashes = append(hashes, make([]byte, 32))
		}
	}
	_, err := ParseReceipt(make([]byte, MaxReceipt+1))
	wantCode(t, "bytes over the limit", err, CodeTooLarge)
}

// TestReceiptClaimsAreInRange: a claim that no log could make is malformed.
func TestReceiptClaimsAreInRange(t *testing.T) {
	for name, change := range map[string]func(*Claims){
		"no party":              func(c *Claims) { c.Party = "" },
		"generation 0":          func(c *Claims) { c.Generation = 0 },
		"time 0":                func(c *Claims) { c.Time = 0 },
		"nobody voted":          func(c *Claims) { c.Voters = 0 },
		"of no party":           func(c *Claims) { c.Of.Party = "x" },
		"of generation 0":       func(c *Claims) { c.Of.Generation = 0 },
		"of sequence 0":         func(c *Claims) { c.Of.Sequence = 0 },
		"marks of nobody knows": func(c *Claims) { c.Of.Marks = 8 },
	} {
		c := Claims{Party: "XB", Generation: 1, Statement: someID("s"), Index: 1, Time: at, Voters: 1, Of: &Of{Party: "XA", Generation: 1, Sequence: 1}}
		change(&c)
		_, err := ParseReceipt(receiptMessage(MustMarshal(c)))
		wantCode(t, name, err, CodeMalformed)
	}
}

// TestSenderEntryIsTheEntryWithoutItsStatement: what travels beside the
// statement rebuilds the leaf, and holds no second copy of the statement.
func TestSenderEntryIsTheEntryWithoutItsStatement(t *testing.T) {
	x := newExchange(t)
	s := must(ParseSenderEntry(x.sent.Sender))
	if s.Sent.SequenceFor("XB") != 6 || s.Sent.SequenceFor("XC") != 1 || s.Sent.SequenceFor("XD") != 0 {
		t.Errorf("sequences %v", s.Sent.Sequences)
	}
	whole := *s
	whole.Sent.Statement = x.st.Raw
	_, err := ParseSenderEntry(MustMarshal(whole))
	wantCode(t, "with the statement", err, CodeTooLarge)
	whole.Sent.Statement = []byte{1}
	_, err = ParseSenderEntry(MustMarshal(whole))
	wantCode(t, "with a short statement", err, CodeMalformed)
	if again := must(ParseSenderEntry(MustMarshal(s))); !reflect.DeepEqual(again, s) {
		t.Error("a sender's entry does not come back")
	}
}
