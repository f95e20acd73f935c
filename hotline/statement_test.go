package hotline_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"example.org/hotline/crypto/keys"
	"example.org/hotline/crypto/seal"
	. "example.org/hotline/hotline"
	"example.org/hotline/hotline/hotlinetest"
)

// resign replaces the header of a statement and keeps its payload and
// signatures, as somebody without the keys could.
func resign(st *Statement, h Header) []byte {
	return reframe(st, MustMarshal(h), signaturesOf(st.Raw))
}

func reframe(st *Statement, header []byte, signatures []any) []byte {
	protected := append([]byte{0xa2, 0x02, 0x81, 0x3a, 0x00, 0x01, 0x11, 0x70, 0x3a, 0x00, 0x01, 0x11, 0x70}, header...)
	return append([]byte{0xd8, 98}, MustMarshal([]any{protected, map[any]any{}, st.Payload, signatures})...)
}

func signaturesOf(raw []byte) []any {
	v, err := lenient(raw[2:])
	if err != nil {
		panic(err)
	}
	return v.([]any)[3].([]any)
}

// TestExerciseNeverVerifiesAsActual: whoever changes the status of a signed
// statement, in any direction, has nothing that verifies (SPEC §3.3).
func TestExerciseNeverVerifiesAsActual(t *testing.T) {
	w := newWorld()
	for _, from := range []Status{Actual, Exercise, Test} {
		for _, to := range []Status{Actual, Exercise, Test} {
			st := w.a.Alert(at, w.assessment(), []Party{"XB"}, hotlinetest.Status(from))
			h := st.Header
			h.Status = to
			changed, err := Parse(resign(st, h))
			if err != nil {
				t.Fatal(err)
			}
			err = changed.Verify(w.a.Keys)
			if from == to && err != nil {
				t.Errorf("%s: %v", from, err)
			}
			if from != to {
				wantCode(t, fmt.Sprintf("%s as %s", from, to), err, CodeBadSignature)
			}
		}
	}
}

// TestExerciseBodyNeverOpensAsActual: a sealed body is bound to status,
// convention and sender, so it cannot be carried over (SPEC §3.6).
func TestExerciseBodyNeverOpensAsActual(t *testing.T) {
	w := newWorld()
	st := w.a.Alert(at, w.assessment(), []Party{"XB"}, hotlinetest.Status(Exercise))
	for name, change := range map[string]func(*Header){
		"status":     func(h *Header) { h.Status = Actual },
		"convention": func(h *Header) { h.Convention = someID("other") },
		"sender":     func(h *Header) { h.From = "XC" },
	} {
		h := st.Header
		change(&h)
		moved := parse(t, resign(st, h))
		if _, _, err := moved.OpenSealed(w.b.Sealing); CodeOf(err) != CodeUnreadable {
			t.Errorf("body opens under another %s: %v", name, err)
		}
	}
	if _, _, err := st.OpenSealed(w.c.Sealing); CodeOf(err) != CodeUnreadable {
		t.Errorf("a party that is no addressee opens the body: %v", err)
	}
	if _, _, err := st.OpenSealed(w.b.Sealing); err != nil {
		t.Error(err)
	}
}

// TestOtherConventionNeverVerifies: nothing signed under one convention
// verifies under another.
func TestOtherConventionNeverVerifies(t *testing.T) {
	w := newWorld()
	st := w.a.Text(at, "XB", "good morning")
	h := st.Header
	h.Convention = someID("another convention")
	wantCode(t, "other convention", parse(t, resign(st, h)).Verify(w.a.Keys), CodeBadSignature)
}

// TestSignatureSetIsExact: a signature stripped, added, exchanged, doubled or
// by another key is refused; RFC 9052 alone would let one valid signature do.
func TestSignatureSetIsExact(t *testing.T) {
	w := newWorld()
	st := w.a.Alert(at, w.assessment(), []Party{"XB"})
	text := w.a.Text(at, "XB", "good morning")
	sigs, header := signaturesOf(st.Raw), MustMarshal(st.Header)
	other := signaturesOf(w.a.Alert(at+1, w.assessment(), []Party{"XB"}).Raw)
	for name, list := range map[string][]any{
		"exchanged":               {sigs[1], sigs[0]},
		"first doubled":           {sigs[0], sigs[0]},
		"of another statement":    {sigs[0], other[1]},
		"second in first's place": {sigs[1], sigs[1]},
	} {
		wantCode(t, name, parse(t, reframe(st, header, list)).Verify(w.a.Keys), CodeBadSignature)
	}
	stripped := parse(t, reframe(st, header, sigs[:1]))
	if stripped.Complete() || stripped.Signed != 1 {
		t.Error("a statement with one of two signatures counts as complete")
	}
	wantCode(t, "the wrong half", parse(t, reframe(st, header, sigs[1:])).Verify(w.a.Keys), CodeBadSignature)
	_, err := Parse(reframe(st, header, nil))
	wantCode(t, "all stripped", err, CodeMalformed)
	_, err = Parse(reframe(text, MustMarshal(text.Header), append(signaturesOf(text.Raw), sigs[0])))
	wantCode(t, "one added", err, CodeExtraAuthor)
	wantCode(t, "key of nobody", text.Verify(func(keys.ID) (keys.Public, bool) { return keys.Public{}, false }), CodeUnknownKey)
	wantCode(t, "key of another", text.Verify(func(keys.ID) (keys.Public, bool) { return w.b.Officer("O1").Public(), true }), CodeBadSignature)
	wantCode(t, "key of another algorithm", text.Verify(func(keys.ID) (keys.Public, bool) { return w.a.Officer("O2").Public(), true }), CodeBadSignature)
}

// TestAuthorsRule: who must have signed is decided by kind, status and
// precedence alone (SPEC §4).
func TestAuthorsRule(t *testing.T) {
	w := newWorld()
	id := func(posts ...string) (list []keys.ID) {
		for _, p := range posts {
			list = append(list, w.a.Officer(p).Public().ID())
		}
		return list
	}
	for _, c := range []struct {
		name       string
		kind       Kind
		status     Status
		precedence Precedence
		authors    []keys.ID
		code       Code
	}{
		{"ACTUAL alert by one", KindAlert, Actual, Immediate, id("R1"), CodeMissingAuthor},
		{"ACTUAL alert by two", KindAlert, Actual, Immediate, id("O1", "R1"), ""},
		{"ACTUAL alert by three", KindAlert, Actual, Immediate, id("O1", "R1", "R2"), CodeExtraAuthor},
		{"one officer twice", KindAlert, Actual, Immediate, id("R1", "R1"), CodeSameOfficer},
		{"one-officer FLASH", KindAlert, Actual, Flash, id("R1"), ""},
		{"FLASH by two", KindAlert, Actual, Flash, id("O1", "R1"), ""},
		{"EXERCISE alert by one", KindAlert, Exercise, Routine, id("O1"), ""},
		{"TEST alert by one", KindAlert, Test, Routine, id("O1"), ""},
		{"alert by nobody", KindAlert, Actual, Flash, nil, CodeMissingAuthor},
		{"acknowledgement by two", KindAcknowledgement, Actual, Flash, id("L1", "L2"), CodeExtraAuthor},
		{"group by two keys", KindService, Actual, Flash, id("O1", "O2"), CodeExtraAuthor},
	} {
		h := w.header(c.kind, false)
		h.Status, h.Precedence, h.Authors = c.status, c.precedence, c.authors
		if c.kind.Rules().Sealed {
			h.Commitment = someID("commitment")
		}
		payload := MustMarshal(&Service{})
		_, err := Parse(message(MustMarshal(h), payload, max(1, len(c.authors))))
		wantCode(t, c.name, err, c.code)
	}
}

// TestNoBitFlipsUnseen: every single flipped bit of a signed statement is
// refused by Parse or by Verify. Of a long sealed one, one bit of each byte.
func TestNoBitFlipsUnseen(t *testing.T) {
	w := newWorld()
	for _, v := range []struct {
		st   *Statement
		bits int
	}{
		{w.a.LineTest(at, "XB", 1, 2), 8}, {w.a.Ladder(at, 1), 8}, {w.a.Alert(at, w.assessment(), []Party{"XB"}), 1},
	} {
		flipped := bytes.Clone(v.st.Raw)
		for i := range flipped {
			for n := range v.bits {
				mask := byte(1) << ((i + n) % 8)
				flipped[i] ^= mask
				if got, err := Parse(flipped); err == nil && got.Verify(w.a.Keys) == nil {
					t.Errorf("%s: bits %08b of byte %d of %d go unseen", v.st.Header.Kind, mask, i, len(flipped))
				}
				flipped[i] ^= mask
			}
		}
	}
}

// TestIDIsOfContentAlone: signatures have no part in the id; everything else
// has (SPEC §3.4).
func TestIDIsOfContentAlone(t *testing.T) {
	w := newWorld()
	st := w.a.Alert(at, w.assessment(), []Party{"XB"})
	draft := parse(t, reframe(st, MustMarshal(st.Header), signaturesOf(st.Raw)[:1]))
	if draft.ID != st.ID {
		t.Error("a draft has another id than the statement")
	}
	h := st.Header
	h.TLP = TLPGreen
	if parse(t, resign(st, h)).ID == st.ID {
		t.Error("another header has the same id")
	}
	h = st.Header
	h.Authors = []keys.ID{h.Authors[1], h.Authors[0]}
	if parse(t, resign(st, h)).ID == st.ID {
		t.Error("another order of authors has the same id")
	}
}

// TestDraftGrowsInOrder: a draft is signed by its authors in their order, each
// once, and by nobody else; the last signature changes no other byte.
func TestDraftGrowsInOrder(t *testing.T) {
	w := newWorld()
	h := w.header(KindAlert, true)
	h.Authors = []keys.ID{w.a.Officer("O2").Public().ID(), w.a.Officer("R1").Public().ID()}
	payload := w.a.Seal(&h, MustMarshal(hotlinetest.AlertBody()))
	_, err := Sign(h, payload, w.a.Officer("R1"))
	wantCode(t, "second author first", err, CodeMissingAuthor)
	_, err = Sign(h, payload)
	wantCode(t, "nobody", err, CodeMissingAuthor)
	raw, err := Sign(h, payload, w.a.Officer("O2"))
	if err != nil {
		t.Fatal(err)
	}
	draft := parse(t, raw)
	if draft.Complete() || draft.Verify(w.a.Keys) != nil {
		t.Error("a draft is incomplete and verifies as far as it is signed")
	}
	_, err = Countersign(raw, w.a.Officer("R2"))
	wantCode(t, "another releaser", err, CodeMissingAuthor)
	_, err = Countersign(raw, w.a.Officer("O2"))
	wantCode(t, "the same officer again", err, CodeMissingAuthor)
	raw, err = Countersign(raw, w.a.Officer("R1"))
	if err != nil {
		t.Fatal(err)
	}
	st := parse(t, raw)
	if !st.Complete() || st.Verify(w.a.Keys) != nil || st.ID != draft.ID {
		t.Error("the countersigned draft is not the complete statement")
	}
	_, err = Countersign(raw, w.a.Officer("R2"))
	wantCode(t, "a third signature", err, CodeExtraAuthor)
}

// TestAnothersSealingKeySilencesNobody: a party that lists the sealing key of another for its own, which nothing proves or forbids
// (SPEC §5.3), keeps nobody from saying one thing to both, nor the owner from reading it (SPEC §3.6).
func TestAnothersSealingKeySilencesNobody(t *testing.T) {
	for name, squat := range map[string]func(w *world){
		"of an addressee before it": func(w *world) { w.b.Sealing = w.c.Sealing },
		"of an addressee behind it": func(w *world) { w.c.Sealing = w.b.Sealing },
		"of the sender":             func(w *world) { w.b.Sealing = w.a.Sealing },
	} {
		w := newWorld()
		squat(w)
		st := w.a.Alert(at, w.assessment(), []Party{"XB", "XC"})
		for _, p := range []*hotlinetest.Party{w.a, w.b, w.c} {
			if _, _, err := st.OpenSealed(p.Sealing); err != nil {
				t.Errorf("%s: %s: %v", name, p.Code, err)
			}
		}
	}
}

// TestDisclosureShowsOneBody: whoever holds the blind shows the body to a third
// person without a key, and nobody can show another one (SPEC §3.6).
func TestDisclosureShowsOneBody(t *testing.T) {
	w := newWorld()
	st := w.a.Alert(at, w.assessment(), []Party{"XB"})
	blind, encoded, err := st.OpenSealed(w.b.Sealing)
	if err != nil {
		t.Fatal(err)
	}
	shown, err := st.Disclose(blind, encoded)
	if err != nil || shown.(*Alert).Text != hotlinetest.AlertBody().Text {
		t.Errorf("disclosed %v, %v", shown, err)
	}
	second := *hotlinetest.AlertBody()
	second.Facts.Nature = 2
	_, err = st.Disclose(blind, MustMarshal(second))
	wantCode(t, "a second body", err, CodeBadSignature)
	blind[0] ^= 1
	_, err = st.Disclose(blind, encoded)
	wantCode(t, "another blind", err, CodeBadSignature)
	_, err = w.a.LineTest(at, "XB", 1, 1).Disclose(blind, encoded)
	wantCode(t, "an open kind", err, CodeUnreadable)
	_, err = st.OpenBody()
	wantCode(t, "a sealed body read as open", err, CodeUnreadable)
}

// TestAutomaticAlertSaysWhatTheOfficerSigned: the group can change nothing of
// the assessment that it carries (SPEC §4.8).
func TestAutomaticAlertSaysWhatTheOfficerSigned(t *testing.T) {
	w := newWorld()
	detection := w.a.Detection(at)
	assessment := w.a.Assessment(at, detection, []Party{"XB"})
	below := w.a.Assessment(at, detection, nil)
	good := w.a.AutomaticAlert(at, assessment, 5)
	other := w.a.Assessment(at, detection, []Party{"XB", "XC"})
	exercise := w.a.Assessment(at, detection, []Party{"XB"}, hotlinetest.Status(Exercise))
	foreign := w.b.Assessment(at, w.b.Detection(at), []Party{"XA"})
	_, err := Parse(good.Raw)
	wantCode(t, "the good one", err, "")
	try := func(body []byte, change func(*Header)) error {
		h := good.Header
		if change != nil {
			change(&h)
		}
		_, err := Sign(h, MustMarshal(&AutomaticAlert{Assessment: body}), w.a.Service)
		return err
	}
	re := func(st *Statement) func(*Header) { return func(h *Header) { h.Re = &st.ID } }
	wantCode(t, "another assessment than named", try(other.Raw, nil), CodeReference)
	wantCode(t, "one below the threshold", try(below.Raw, re(below)), CodeMalformed)
	wantCode(t, "an exercise", try(exercise.Raw, re(exercise)), CodeReference)
	wantCode(t, "another party's", try(foreign.Raw, re(foreign)), CodeReference)
	wantCode(t, "another case", try(assessment.Raw, func(h *Header) { h.Case = &CaseID{Party: "XA", ID: someID("x")} }), CodeReference)
	wantCode(t, "to somebody not named", try(assessment.Raw, func(h *Header) { h.To = []Party{"XB", "XC"} }), CodeWrongAddressee)
	wantCode(t, "not an assessment", try(detection.Raw, re(detection)), CodeMalformed)
	wantCode(t, "not a statement", try([]byte("x"), nil), CodeMalformed)
}

// TestLargestAssessmentFitsAnAutomaticAlert: what an officer could sign, the
// group can carry; what it could not carry is refused when it is signed.
func TestLargestAssessmentFitsAnAutomaticAlert(t *testing.T) {
	list := manyParties(MaxAddressees + 1)
	a := list[0]
	hotlinetest.Convention(hotlinetest.Terms("crisis"), list[:2]...)
	var told []Party
	for _, p := range list[1:] {
		a.Introduce(p)
		told = append(told, p.Code)
	}
	largest, refused := 0, 0
	for n := 1; n <= MaxAddressees; n++ {
		h := a.Header(KindAssessment, at, hotlinetest.In(CaseID{Party: a.Code, ID: someID("d")}), hotlinetest.Re(someID("d")),
			hotlinetest.Assessed(at), hotlinetest.Judged(Notifiable, told[:n]...))
		h.Authors = []keys.ID{a.Officer("O1").Public().ID()}
		h.Peer = &PeerHead{Origin: "hotline/XABCDEFG/18446744073709551615", Size: 1 << 62}
		for size := 3 << 10; size < MaxText; size += 4 << 10 { // one in each size class
			payload := a.Seal(&h, MustMarshal(&Assessment{Facts: hotlinetest.Facts(), Note: strings.Repeat("a", size)}))
			raw, err := Sign(h, payload, a.Officer("O1"))
			if err != nil {
				wantCode(t, "too long an assessment", err, CodeTooLarge)
				refused++
				continue
			}
			largest = max(largest, len(raw))
			if auto := a.AutomaticAlert(at, parse(t, raw), 1<<62, withPeer(h.Peer)); len(auto.Raw) > MaxStatement {
				t.Fatalf("automatic alert of %d bytes", len(auto.Raw))
			}
		}
	}
	if refused == 0 || largest < MaxAssessment-1<<10 {
		t.Errorf("largest assessment tried has %d bytes, %d were refused", largest, refused)
	}
}

func withPeer(p *PeerHead) hotlinetest.Option { return func(h *Header) { h.Peer = p } }

// TestSignRefusesWhatParseRefuses: nobody signs by mistake what the other side
// must refuse.
func TestSignRefusesWhatParseRefuses(t *testing.T) {
	w := newWorld()
	h := w.header(KindService, false)
	h.Authors = []keys.ID{w.a.Service.Public().ID()}
	for name, c := range map[string]struct {
		payload []byte
		code    Code
	}{
		"no body":             {[]byte{}, CodeMalformed},
		"a field too many":    {unhex("a1187801"), CodeMalformed},
		"control characters":  {MustMarshal(&Service{Text: "\x1b[2J"}), CodeMalformed},
		"bidirectional texts": {MustMarshal(&Service{Text: "\u2066"}), CodeMalformed},
		"too long a text":     {MustMarshal(&Service{Text: strings.Repeat("a", 2001)}), CodeTooLarge},
	} {
		_, err := Sign(h, c.payload, w.a.Service)
		wantCode(t, name, err, c.code)
	}
	h = w.header(KindText, false)
	h.Authors = []keys.ID{w.a.Officer("O1").Public().ID()}
	h.Commitment = someID("c")
	_, err := Sign(h, make([]byte, MaxStatement), w.a.Officer("O1"))
	wantCode(t, "a statement over the limit", err, CodeTooLarge)
	_, err = Parse(make([]byte, MaxStatement+1))
	wantCode(t, "bytes over the limit", err, CodeTooLarge)
}

// TestSignatureBindsConventionAndStatusOutsideTheHeader: a signature that was
// made over the same header under another status, convention or protocol does
// not verify, whatever the header says (SPEC §3.3).
func TestSignatureBindsConventionAndStatusOutsideTheHeader(t *testing.T) {
	w := newWorld()
	st := w.a.LineTest(at, "XB", 1, 2)
	protected := protectedOf(st.Raw)
	for name, v := range map[string]struct {
		aad  []byte
		code Code
	}{
		"this status and convention": {AAD(w.conv.ID, Actual), ""},
		"EXERCISE":                   {AAD(w.conv.ID, Exercise), CodeBadSignature},
		"TEST":                       {AAD(w.conv.ID, Test), CodeBadSignature},
		"another convention":         {AAD(someID("x"), Actual), CodeBadSignature},
		"another protocol":           {MustMarshal([]any{DomainStatement, uint64(2), w.conv.ID, Actual}), CodeBadSignature},
		"another domain":             {MustMarshal([]any{DomainReceipt, uint64(1), w.conv.ID, Actual}), CodeBadSignature},
		"none":                       {nil, CodeBadSignature},
	} {
		raw, err := seal.Sign(protected, st.Payload, v.aad, w.a.Service)
		if err != nil {
			t.Fatal(err)
		}
		wantCode(t, name, parse(t, raw).Verify(w.a.Keys), v.code)
	}
}

func protectedOf(raw []byte) []byte {
	v, err := lenient(raw[2:])
	if err != nil {
		panic(err)
	}
	return v.([]any)[0].([]byte)
}
