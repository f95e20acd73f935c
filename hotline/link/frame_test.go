package link

import (
	"bytes"
	"encoding/binary"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"example.org/hotline/hotline"
)

func bytesUpTo(n int) *rapid.Generator[[]byte] {
	return rapid.Custom(func(t *rapid.T) []byte {
		return bytes.Repeat([]byte{rapid.Byte().Draw(t, "fill")}, rapid.IntRange(1, n).Draw(t, "len"))
	})
}

func drawHead(t *rapid.T) *hotline.PeerHead {
	if rapid.Bool().Draw(t, "headless") {
		return nil
	}
	return &hotline.PeerHead{Origin: rapid.StringMatching(`hotline/X[A-Z]/[1-9]`).Draw(t, "origin"), Size: rapid.Uint64().Draw(t, "size")}
}

func drawQuestion(t *rapid.T) *Question {
	q := &Question{Version: hotline.Protocol}
	switch rapid.IntRange(0, 3).Draw(t, "what") {
	case 0:
		q.Hello = &Hello{Party: "XA", Node: rapid.StringMatching(`XA-[0-9]{1,9}`).Draw(t, "node"), Convention: hotline.ID{1},
			Directory: rapid.Uint64Min(1).Draw(t, "directory"), ConventionVersion: rapid.Uint64Min(1).Draw(t, "version"), Head: drawHead(t),
			Unsure: rapid.Bool().Draw(t, "unsure")}
		switch proven := rapid.IntRange(0, 2).Draw(t, "proven"); {
		case q.Hello.Head == nil:
		case proven == 1:
			q.Hello.Proof = &HeadProof{Leaf: [32]byte{1}, Receipt: bytesUpTo(hotline.MaxReceipt).Draw(t, "proof")}
		case proven == 2:
			q.Hello.Checkpoint = bytesUpTo(hotline.MaxOwnCheckpoint).Draw(t, "own checkpoint")
		}
		return q
	case 1:
		q.Checkpoint = bytesUpTo(MaxCheckpoint).Draw(t, "checkpoint")
		return q
	case 2:
		q.Deliver = &Delivery{Statement: bytesUpTo(hotline.MaxStatement).Draw(t, "statement"),
			Sender: bytesUpTo(MaxSender).Draw(t, "sender"), Tender: bytesUpTo(hotline.MaxReceipt).Draw(t, "tender")}
	default:
		q.Document = bytesUpTo(hotline.MaxDocument).Draw(t, "document")
	}
	q.Flash = rapid.Bool().Draw(t, "flash")
	return q
}

func drawAnswer(t *rapid.T) *Answer {
	a := &Answer{Text: Sanitize(rapid.String().Draw(t, "text")), Time: hotline.Time(rapid.Int64Min(0).Draw(t, "time")), Head: drawHead(t)}
	a.Code = rapid.SampledFrom([]hotline.Code{"", hotline.CodeBusy, hotline.CodeNeed, hotline.CodeTender}).Draw(t, "code")
	if a.Code == hotline.CodeNeed {
		a.Need = &Need{Directory: rapid.Uint64().Draw(t, "directory"), Convention: rapid.Uint64().Draw(t, "version")}
	}
	if rapid.Bool().Draw(t, "receipted") {
		a.Receipt = bytesUpTo(hotline.MaxReceipt).Draw(t, "receipt")
	}
	if rapid.Bool().Draw(t, "cosigned") {
		a.Cosignature = bytesUpTo(MaxCheckpoint).Draw(t, "cosignature")
	}
	a.Leader = rapid.StringMatching(`[A-Z0-9-]{0,32}`).Draw(t, "leader")
	return a
}

// Promise: every question within its bounds fits a frame of a size class, and
// comes back as it was.
func TestQuestionRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := drawQuestion(t)
		frame, err := EncodeQuestion(q)
		if err != nil {
			t.Fatal(err)
		}
		got, err := DecodeQuestion(frame)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(hotline.MustMarshal(got), hotline.MustMarshal(q)) {
			t.Fatalf("%+v came back as %+v", q, got)
		}
		again, err := EncodeQuestion(got)
		if err != nil || !bytes.Equal(again, frame) {
			t.Fatalf("second encoding differs: %v", err)
		}
	})
}

// Promise: the same for answers.
func TestAnswerRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := drawAnswer(t)
		frame, err := EncodeAnswer(a)
		if err != nil {
			t.Fatal(err)
		}
		got, err := DecodeAnswer(frame)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(hotline.MustMarshal(got), hotline.MustMarshal(a)) {
			t.Fatalf("%+v came back as %+v", a, got)
		}
	})
}

// Promise: a frame tells an observer its size class and nothing finer, and
// each content has the smallest class that holds it.
func TestSizeClasses(t *testing.T) {
	if sizeClasses[len(sizeClasses)-1] != hotline.MaxFrame {
		t.Fatal("the last class is not the largest frame")
	}
	for i, class := range sizeClasses {
		full, err := pad(make([]byte, class-prefixSize))
		if err != nil || len(full) != class {
			t.Fatalf("content that fills class %d: %d bytes, %v", class, len(full), err)
		}
		next, err := pad(make([]byte, class-prefixSize+1))
		if i == len(sizeClasses)-1 {
			if hotline.CodeOf(err) != hotline.CodeTooLarge {
				t.Fatalf("content over the largest class: %v", err)
			}
			continue
		}
		if err != nil || len(next) != sizeClasses[i+1] {
			t.Fatalf("one byte over class %d: %d bytes, %v", class, len(next), err)
		}
	}
	largest := &Question{Flash: true, Deliver: &Delivery{Statement: make([]byte, hotline.MaxStatement),
		Sender: make([]byte, MaxSender), Tender: make([]byte, hotline.MaxReceipt)}}
	if frame, err := EncodeQuestion(largest); err != nil || len(frame) != hotline.MaxFrame {
		t.Fatalf("the largest delivery: %d bytes, %v", len(frame), err)
	}
	short, _ := EncodeQuestion(delivery("yes"))
	long, _ := EncodeQuestion(delivery(strings.Repeat("no", 150)))
	if len(short) != len(long) {
		t.Fatalf("statements of 3 and 300 bytes make frames of %d and %d", len(short), len(long))
	}
}

// Promise: there is no second frame for the same content: not another class,
// not another byte of padding.
func TestOneFramePerContent(t *testing.T) {
	content := hotline.MustMarshal(&Question{Version: hotline.Protocol, Document: []byte("d")})
	frame, err := pad(content)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := DecodeQuestion(frame); err != nil {
		t.Fatal(err)
	}
	wider := append(append([]byte(nil), frame...), make([]byte, len(frame))...)
	if _, err := DecodeQuestion(wider); hotline.CodeOf(err) != hotline.CodeMalformed {
		t.Fatalf("the next class: %v", err)
	}
	for i := prefixSize + len(content); i < len(frame); i++ {
		bent := append([]byte(nil), frame...)
		bent[i] = 1
		if _, err := DecodeQuestion(bent); hotline.CodeOf(err) != hotline.CodeMalformed {
			t.Fatalf("padding byte %d: %v", i, err)
		}
	}
	for _, n := range []int{0, 3, 4, 511, 513, 1023} {
		if _, err := DecodeQuestion(make([]byte, n)); hotline.CodeOf(err) != hotline.CodeMalformed {
			t.Fatalf("frame of %d bytes: %v", n, err)
		}
	}
}

// Promise: one flipped bit never yields another question than the one sent,
// unless it lies in a value, and never a second encoding of the same one.
func TestFlippedBitNeverHides(t *testing.T) {
	q := &Question{Version: hotline.Protocol, Deliver: &Delivery{Statement: []byte("s"), Sender: []byte("e"), Tender: []byte("t")}}
	frame, err := EncodeQuestion(q)
	if err != nil {
		t.Fatal(err)
	}
	want := hotline.MustMarshal(q)
	for i := range frame {
		for bit := range 8 {
			bent := append([]byte(nil), frame...)
			bent[i] ^= 1 << bit
			got, err := DecodeQuestion(bent)
			if err == nil && bytes.Equal(hotline.MustMarshal(got), want) {
				t.Fatalf("byte %d bit %d: a second frame of the same question", i, bit)
			}
		}
	}
}

// Promise: each bound of a question and of an answer is kept at both ends,
// with its own code.
func TestBoundsOfMessages(t *testing.T) {
	hello := func(change func(*Hello)) *Question {
		h := &Hello{Party: "XA", Node: "XA-1", Convention: hotline.ID{1}, Directory: 1, ConventionVersion: 1}
		change(h)
		return &Question{Hello: h}
	}
	deliver := func(s, e, r int) *Question {
		return &Question{Deliver: &Delivery{Statement: make([]byte, s), Sender: make([]byte, e), Tender: make([]byte, r)}}
	}
	for name, c := range map[string]struct {
		q    *Question
		code hotline.Code
	}{
		"nothing":              {&Question{}, hotline.CodeMalformed},
		"two things":           {&Question{Document: []byte("d"), Deliver: delivery("x").Deliver}, hotline.CodeMalformed},
		"flash hello":          {&Question{Flash: true, Hello: hello(func(*Hello) {}).Hello}, hotline.CodeMalformed},
		"flash checkpoint":     {&Question{Flash: true, Checkpoint: []byte("c")}, hotline.CodeMalformed},
		"checkpoint too large": {&Question{Checkpoint: make([]byte, MaxCheckpoint+1)}, hotline.CodeTooLarge},
		"no party":             {hello(func(h *Hello) { h.Party = "xa" }), hotline.CodeMalformed},
		"no node":              {hello(func(h *Hello) { h.Node = "" }), hotline.CodeMalformed},
		"node of control":      {hello(func(h *Hello) { h.Node = "XA\x1b[2J" }), hotline.CodeMalformed},
		"node too long":        {hello(func(h *Hello) { h.Node = strings.Repeat("n", hotline.MaxRoleName+1) }), hotline.CodeMalformed},
		"no convention":        {hello(func(h *Hello) { h.Convention = hotline.ID{} }), hotline.CodeMalformed},
		"no directory":         {hello(func(h *Hello) { h.Directory = 0 }), hotline.CodeMalformed},
		"no version":           {hello(func(h *Hello) { h.ConventionVersion = 0 }), hotline.CodeMalformed},
		"origin too long":      {hello(func(h *Hello) { h.Head = &hotline.PeerHead{Origin: strings.Repeat("o", MaxOrigin+1)} }), hotline.CodeMalformed},
		"proof without head":   {hello(func(h *Hello) { h.Proof = &HeadProof{Receipt: []byte{1}} }), hotline.CodeMalformed},
		"proof without receipt": {hello(func(h *Hello) {
			h.Head, h.Proof = &hotline.PeerHead{Origin: "o"}, &HeadProof{}
		}), hotline.CodeMalformed},
		"proof over bound": {hello(func(h *Hello) {
			h.Head, h.Proof = &hotline.PeerHead{Origin: "o"}, &HeadProof{Receipt: make([]byte, hotline.MaxReceipt+1)}
		}), hotline.CodeTooLarge},
		"checkpoint without head": {hello(func(h *Hello) { h.Checkpoint = []byte{1} }), hotline.CodeMalformed},
		"two proofs": {hello(func(h *Hello) {
			h.Head, h.Proof, h.Checkpoint = &hotline.PeerHead{Origin: "o"}, &HeadProof{Receipt: []byte{1}}, []byte{1}
		}), hotline.CodeMalformed},
		"checkpoint over its bound": {hello(func(h *Hello) {
			h.Head, h.Checkpoint = &hotline.PeerHead{Origin: "o"}, make([]byte, hotline.MaxOwnCheckpoint+1)
		}), hotline.CodeTooLarge},
		"no statement":         {deliver(0, 1, 1), hotline.CodeMalformed},
		"no sender":            {deliver(1, 0, 1), hotline.CodeMalformed},
		"no tender":            {deliver(1, 1, 0), hotline.CodeMalformed},
		"statement over bound": {deliver(hotline.MaxStatement+1, 1, 1), hotline.CodeTooLarge},
		"sender over bound":    {deliver(1, MaxSender+1, 1), hotline.CodeTooLarge},
		"tender over bound":    {deliver(1, 1, hotline.MaxReceipt+1), hotline.CodeTooLarge},
		"document over bound":  {&Question{Document: make([]byte, hotline.MaxDocument+1)}, hotline.CodeTooLarge},
	} {
		if _, err := EncodeQuestion(c.q); hotline.CodeOf(err) != c.code {
			t.Errorf("%s: encoded: %v", name, err)
		}
		c.q.Version = hotline.Protocol
		frame, err := pad(hotline.MustMarshal(c.q))
		if err != nil {
			t.Fatal(name, err)
		}
		if _, err := DecodeQuestion(frame); hotline.CodeOf(err) != c.code {
			t.Errorf("%s: decoded: %v", name, err)
		}
	}
	for name, a := range map[string]*Answer{
		"code of other letters": {Code: "Busy!"},
		"code too long":         {Code: hotline.Code(strings.Repeat("a", MaxCode+1))},
		"need without its code": {Need: &Need{}},
		"code without its need": {Code: hotline.CodeNeed},
		"time before 1970":      {Time: -1},
		"head without origin":   {Head: &hotline.PeerHead{}},
	} {
		if _, err := EncodeAnswer(a); err == nil {
			t.Errorf("%s: encoded", name)
		}
		frame, err := pad(hotline.MustMarshal(a))
		if err != nil {
			t.Fatal(name, err)
		}
		if _, err := DecodeAnswer(frame); hotline.CodeOf(err) != hotline.CodeMalformed {
			t.Errorf("%s: decoded: %v", name, err)
		}
	}
}

// Promise: nothing that a peer writes into an answer's text reaches a terminal
// as a control character, and what is sent is always acceptable.
func TestTextIsSanitized(t *testing.T) {
	for in, want := range map[string]string{
		"plain":                            "plain",
		"two\nlines\x1b[31m":               "two lines [31m",
		"bad\xffutf":                       "bad?utf",
		"right\u202eleft":                  "right left",
		strings.Repeat("é", MaxAnswerText): strings.Repeat("é", MaxAnswerText/2),
	} {
		if got := Sanitize(in); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		once := Sanitize(string(rapid.SliceOf(rapid.Byte()).Draw(t, "text")))
		if !utf8.ValidString(once) || len(once) > MaxAnswerText || Sanitize(once) != once {
			t.Fatalf("%q", once)
		}
	})
	frame, err := pad(hotline.MustMarshal(&Answer{Code: hotline.CodeBusy, Text: "a\x07b"}))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := DecodeAnswer(frame); hotline.CodeOf(err) != hotline.CodeMalformed {
		t.Fatalf("a peer's control character: %v", err)
	}
}

func seedFrames(f *testing.F) {
	q, err := EncodeQuestion(delivery("statement"))
	if err != nil {
		f.Fatal(err)
	}
	a, err := EncodeAnswer(&Answer{Code: hotline.CodeNeed, Need: &Need{1, 2}, Time: 5})
	if err != nil {
		f.Fatal(err)
	}
	h, err := EncodeQuestion(&Question{Hello: &Hello{Party: "XA", Node: "XA-1", Convention: hotline.ID{1}, Directory: 1,
		ConventionVersion: 1, Head: &hotline.PeerHead{Origin: "o"}}})
	if err != nil {
		f.Fatal(err)
	}
	for _, frame := range [][]byte{q, a, h} {
		n := binary.BigEndian.Uint32(frame)
		f.Add(frame[prefixSize : prefixSize+n])
	}
	f.Add([]byte("\xa2\x01\x02\x18\x63\x01"))
	f.Add([]byte(strings.Repeat("\x81", 64)))
}

// checkOneFrame: whatever decodes is exactly the encoding of what it decoded
// to. Contents are fuzzed, each in its frame, so that mutations reach the
// decoder; the raw bytes are also tried as a frame.
func checkOneFrame[T any](t *testing.T, content []byte, decode func([]byte) (*T, error), encode func(*T) ([]byte, error)) {
	frames := [][]byte{content}
	if framed, err := pad(content); err == nil {
		frames = append(frames, framed)
	}
	for _, frame := range frames {
		v, err := decode(frame)
		if err != nil {
			if c := hotline.CodeOf(err); c != hotline.CodeMalformed && c != hotline.CodeTooLarge && c != hotline.CodeVersion {
				t.Fatalf("refused with code %q", c)
			}
			continue
		}
		again, err := encode(v)
		if err != nil || !bytes.Equal(again, frame) {
			t.Fatalf("decodes, but is not its encoding: %v", err)
		}
	}
}

func FuzzQuestion(f *testing.F) {
	seedFrames(f)
	f.Fuzz(func(t *testing.T, content []byte) { checkOneFrame(t, content, DecodeQuestion, EncodeQuestion) })
}

func FuzzAnswer(f *testing.F) {
	seedFrames(f)
	f.Fuzz(func(t *testing.T, content []byte) { checkOneFrame(t, content, DecodeAnswer, EncodeAnswer) })
}

// Messages to the general codec, which reads the tags.
type (
	plainQuestion Question
	plainAnswer   Answer
)

// FuzzMessagesByTags: questions and answers are read and written as the general codec does by their tags: what that refuses is
// refused, and the bytes are the same.
func FuzzMessagesByTags(f *testing.F) {
	seedFrames(f)
	// One of each with every field, for whoever forgets one in Written, as the general codec writes it.
	q := Question{Version: 1, Hello: &Hello{Party: "XA"}, Deliver: &Delivery{[]byte("s"), []byte("e"), []byte("t")}, Document: []byte("d"),
		Flash: true, Checkpoint: []byte("c")}
	a := Answer{Code: "busy", Text: "t", Receipt: []byte("r"), Need: &Need{1, 2}, Time: -1, Head: &hotline.PeerHead{Origin: "o"},
		Cosignature: []byte("c"), Leader: "XB-1"}
	for _, v := range []reflect.Value{reflect.ValueOf(q), reflect.ValueOf(*q.Deliver), reflect.ValueOf(a)} {
		for i := range v.NumField() {
			if v.Field(i).IsZero() {
				f.Fatalf("set %s in the %s that has every field", v.Type().Field(i).Name, v.Type())
			}
		}
	}
	f.Add(hotline.MustMarshal((*plainQuestion)(&q)))
	f.Add(hotline.MustMarshal((*plainAnswer)(&a)))
	f.Fuzz(func(t *testing.T, content []byte) {
		agree(t, content, new(Question), new(plainQuestion))
		agree(t, content, new(Answer), new(plainAnswer))
	})
}

func agree(t *testing.T, b []byte, own, general any) {
	t.Helper()
	err, gerr := hotline.Unmarshal(b, own, hotline.MaxFrame), hotline.Unmarshal(b, general, hotline.MaxFrame)
	if (err == nil) != (gerr == nil) {
		t.Fatalf("%x as a %T: %v, but by its tags: %v", b, own, err, gerr)
	}
	if err == nil && (!bytes.Equal(hotline.MustMarshal(own), b) || !bytes.Equal(hotline.MustMarshal(general), b)) {
		t.Fatalf("%x is written as %x, and by its tags as %x", b, hotline.MustMarshal(own), hotline.MustMarshal(general))
	}
}
