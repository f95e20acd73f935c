package link

import (
	"encoding/binary"
	"strings"
	"unicode"
	"unicode/utf8"

	"example.org/hotline/hotline"
)

// Question is the one message that an asking side sends on a stream. Exactly
// one of Hello, Deliver, Document and Checkpoint is set (SPEC §9.4).
type Question struct {
	Version  uint64    `cbor:"1,keyasint"` // hotline.Protocol; set by EncodeQuestion
	Hello    *Hello    `cbor:"2,keyasint,omitempty"`
	Deliver  *Delivery `cbor:"3,keyasint,omitempty"`
	Document []byte    `cbor:"4,keyasint,omitempty"` // a convention version or a directory, at most hotline.MaxDocument
	// Flash claims the lane that is kept for FLASH. The receiver cannot check
	// it before it has verified the statement, so a false claim gains nothing
	// but the claimant's own lane.
	Flash bool `cbor:"5,keyasint,omitempty"`
	// Checkpoint asks a witness for cosignatures: the body of add-checkpoint of
	// C2SP tlog-witness, at most MaxCheckpoint.
	Checkpoint []byte `cbor:"6,keyasint,omitempty"`
}

// Written says how a question is written.
func (q *Question) Written(w *hotline.Wire) {
	f := w.Fields()
	hotline.Number(&f, 1, &q.Version)
	hotline.MayAny(&f, 2, &q.Hello)
	hotline.MayPart(&f, 3, &q.Deliver)
	f.MayBytes(4, &q.Document)
	f.MayTrue(5, &q.Flash)
	f.MayBytes(6, &q.Checkpoint)
	f.End()
}

// Hello says who speaks and what they know. It is the first question of each
// side on each connection, and is said again every HelloInterval.
type Hello struct {
	Party             hotline.Party `cbor:"1,keyasint"`
	Node              string        `cbor:"2,keyasint"`
	Convention        hotline.ID    `cbor:"3,keyasint"`
	Directory         uint64        `cbor:"4,keyasint"` // number of the speaker's own directory in force
	ConventionVersion uint64        `cbor:"5,keyasint"`
	// Head is the newest head of the listener's log that the speaker holds:
	// a listener that is behind it must not sign.
	Head *hotline.PeerHead `cbor:"6,keyasint,omitempty"`
	// Nonce is random, chosen when the speaker's process started: another one
	// means that it restarted.
	Nonce [16]byte `cbor:"7,keyasint"`
	// Proof is what Head rests on; a head without it is worth nothing, since
	// anybody could keep a party from signing with it.
	Proof *HeadProof `cbor:"8,keyasint,omitempty"`
	// Unsure says that the speaker may lack something that its group has written
	// down, or has a Head that it cannot prove: an old Head, or none, means nothing.
	Unsure bool `cbor:"9,keyasint,omitempty"`
	// Checkpoint is what Head rests on in the place of Proof: the listener's own, as
	// its log signed it and the speaker's group cosigned it.
	Checkpoint []byte `cbor:"10,keyasint,omitempty"` // at most hotline.MaxOwnCheckpoint
}

// HeadProof is a tender or receipt of the listener's own and the hash of the
// leaf that it is for: with its log key the listener finds that it has made it.
type HeadProof struct {
	Leaf    [32]byte `cbor:"1,keyasint"`
	Receipt []byte   `cbor:"2,keyasint"` // at most hotline.MaxReceipt
}

// Delivery carries one statement, the sender's entry without it, and the
// tender. All three are opaque here.
type Delivery struct {
	Statement []byte `cbor:"1,keyasint"` // at most hotline.MaxStatement
	Sender    []byte `cbor:"2,keyasint"` // hotline.SenderEntry, at most MaxSender
	Tender    []byte `cbor:"3,keyasint"` // at most hotline.MaxReceipt
}

// Written says how a delivery is written.
func (d *Delivery) Written(w *hotline.Wire) {
	f := w.Fields()
	f.Bytes(1, &d.Statement)
	f.Bytes(2, &d.Sender)
	f.Bytes(3, &d.Tender)
	f.End()
}

// Answer is the one message that an asked side sends on a stream. It is not
// signed: only a receipt in it proves anything. An empty Code means that what
// was asked was done.
type Answer struct {
	Code    hotline.Code      `cbor:"1,keyasint,omitempty"` // at most MaxCode of a-z, 0-9 and -
	Text    string            `cbor:"2,keyasint,omitempty"` // for people; at most MaxAnswerText, printable
	Receipt []byte            `cbor:"3,keyasint,omitempty"` // at most hotline.MaxReceipt
	Need    *Need             `cbor:"4,keyasint,omitempty"` // set exactly when Code is hotline.CodeNeed
	Time    hotline.Time      `cbor:"5,keyasint,omitempty"` // the answerer's clock; informative
	Head    *hotline.PeerHead `cbor:"6,keyasint,omitempty"` // of a hello: newest head of the asker's log that the answerer holds
	// Cosignature of a checkpoint: signature lines of a C2SP signed note, at
	// most MaxCheckpoint.
	Cosignature []byte `cbor:"7,keyasint,omitempty"`
	// Leader names the answerer's node that deliveries reach soonest: a hint.
	Leader string `cbor:"8,keyasint,omitempty"` // at most hotline.MaxRoleName, printable
}

// Written says how an answer is written.
func (a *Answer) Written(w *hotline.Wire) {
	f := w.Fields()
	hotline.MayText(&f, 1, &a.Code)
	hotline.MayText(&f, 2, &a.Text)
	f.MayBytes(3, &a.Receipt)
	hotline.MayAny(&f, 4, &a.Need)
	hotline.MayInteger(&f, 5, &a.Time)
	hotline.MayAny(&f, 6, &a.Head)
	f.MayBytes(7, &a.Cosignature)
	hotline.MayText(&f, 8, &a.Leader)
	f.End()
}

// Need names the newest documents of the asker that the answerer holds. The
// asker sends those that follow, then the same question again.
type Need struct {
	Directory  uint64 `cbor:"1,keyasint"`
	Convention uint64 `cbor:"2,keyasint"`
}

// EncodeQuestion returns the frame of q. It fails with CodeMalformed or
// CodeTooLarge when q breaks a bound: a fault of the caller.
func EncodeQuestion(q *Question) ([]byte, error) {
	out := *q
	out.Version = hotline.Protocol
	if err := out.check(); err != nil {
		return nil, err
	}
	return encodeFrame(&out)
}

// DecodeQuestion decodes a whole frame strictly. The refusal's code is
// CodeTooLarge, CodeMalformed or CodeVersion; the last is found even where the
// rest of the question is of a later version and unknown here.
func DecodeQuestion(frame []byte) (*Question, error) {
	content, err := unpad(frame)
	if err != nil {
		return nil, err
	}
	if otherVersion(content) {
		return nil, hotline.Refuse(hotline.CodeVersion, "protocol version %d is spoken here", hotline.Protocol)
	}
	q := new(Question)
	if err := hotline.Unmarshal(content, q, hotline.MaxFrame-prefixSize); err != nil {
		return nil, err
	}
	if err := q.check(); err != nil {
		return nil, err
	}
	return q, nil
}

// EncodeAnswer returns the frame of a. The text is sanitized and cut to its
// bound; any other bound that a breaks is an error.
func EncodeAnswer(a *Answer) ([]byte, error) {
	out := *a
	out.Text = Sanitize(a.Text)
	if err := out.check(); err != nil {
		return nil, err
	}
	return encodeFrame(&out)
}

// DecodeAnswer decodes a whole frame strictly.
func DecodeAnswer(frame []byte) (*Answer, error) {
	content, err := unpad(frame)
	if err != nil {
		return nil, err
	}
	a := new(Answer)
	if err := hotline.Unmarshal(content, a, hotline.MaxFrame-prefixSize); err != nil {
		return nil, err
	}
	if err := a.check(); err != nil {
		return nil, err
	}
	return a, nil
}

// Sanitize makes a text of any origin fit for an answer: valid UTF-8, printable
// characters and plain spaces only, at most MaxAnswerText bytes.
func Sanitize(text string) string {
	clean := strings.Map(func(r rune) rune {
		if r == utf8.RuneError {
			return '?'
		}
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, text)
	for len(clean) > MaxAnswerText {
		_, last := utf8.DecodeLastRuneInString(clean)
		clean = clean[:len(clean)-last]
	}
	return clean
}

func (q *Question) check() error {
	set := 0
	for _, is := range []bool{q.Hello != nil, q.Deliver != nil, len(q.Document) != 0, len(q.Checkpoint) != 0} {
		if is {
			set++
		}
	}
	switch {
	case set != 1:
		return hotline.Refuse(hotline.CodeMalformed, "a question asks exactly one thing, this one %d", set)
	case q.Flash && (q.Hello != nil || len(q.Checkpoint) != 0):
		return hotline.Refuse(hotline.CodeMalformed, "only deliveries and documents have a lane")
	case len(q.Checkpoint) > MaxCheckpoint:
		return tooLarge("checkpoint", len(q.Checkpoint), MaxCheckpoint)
	case len(q.Document) > hotline.MaxDocument:
		return tooLarge("document", len(q.Document), hotline.MaxDocument)
	case q.Hello != nil:
		return q.Hello.check()
	case q.Deliver != nil:
		return q.Deliver.check()
	}
	return nil
}

func (h *Hello) check() error {
	switch {
	case !h.Party.Valid():
		return hotline.Refuse(hotline.CodeMalformed, "hello: %q is no party code", Sanitize(string(h.Party)))
	case h.Node == "" || len(h.Node) > hotline.MaxRoleName || h.Node != Sanitize(h.Node):
		return hotline.Refuse(hotline.CodeMalformed, "hello: node name is not 1 to %d printable bytes", hotline.MaxRoleName)
	case h.Convention.IsZero() || h.Directory == 0 || h.ConventionVersion == 0:
		return hotline.Refuse(hotline.CodeMalformed, "hello: convention, its version and the directory must be set")
	case h.Proof != nil && (h.Head == nil || len(h.Proof.Receipt) == 0):
		return hotline.Refuse(hotline.CodeMalformed, "hello: a proof without head or receipt")
	case h.Proof != nil && len(h.Proof.Receipt) > hotline.MaxReceipt:
		return tooLarge("proof of a head", len(h.Proof.Receipt), hotline.MaxReceipt)
	case len(h.Checkpoint) > 0 && (h.Head == nil || h.Proof != nil):
		return hotline.Refuse(hotline.CodeMalformed, "hello: a checkpoint without head, or beside another proof")
	case len(h.Checkpoint) > hotline.MaxOwnCheckpoint:
		return tooLarge("checkpoint of a head", len(h.Checkpoint), hotline.MaxOwnCheckpoint)
	}
	return checkHead(h.Head)
}

func (d *Delivery) check() error {
	for _, part := range []struct {
		name  string
		bytes []byte
		max   int
	}{
		{"statement", d.Statement, hotline.MaxStatement},
		{"sender's entry", d.Sender, MaxSender},
		{"tender", d.Tender, hotline.MaxReceipt},
	} {
		if len(part.bytes) == 0 {
			return hotline.Refuse(hotline.CodeMalformed, "delivery without %s", part.name)
		}
		if len(part.bytes) > part.max {
			return tooLarge(part.name, len(part.bytes), part.max)
		}
	}
	return nil
}

func (a *Answer) check() error {
	switch {
	case len(a.Code) > MaxCode || strings.Trim(string(a.Code), "abcdefghijklmnopqrstuvwxyz0123456789-") != "":
		return hotline.Refuse(hotline.CodeMalformed, "answer: code is not up to %d of a-z, 0-9 and -", MaxCode)
	case a.Text != Sanitize(a.Text):
		return hotline.Refuse(hotline.CodeMalformed, "answer: text is not up to %d printable bytes", MaxAnswerText)
	case len(a.Receipt) > hotline.MaxReceipt:
		return tooLarge("receipt", len(a.Receipt), hotline.MaxReceipt)
	case len(a.Cosignature) > MaxCheckpoint:
		return tooLarge("cosignature", len(a.Cosignature), MaxCheckpoint)
	case len(a.Leader) > hotline.MaxRoleName || a.Leader != Sanitize(a.Leader):
		return hotline.Refuse(hotline.CodeMalformed, "answer: leader is not up to %d printable bytes", hotline.MaxRoleName)
	case (a.Need != nil) != (a.Code == hotline.CodeNeed):
		return hotline.Refuse(hotline.CodeMalformed, "answer: need stands exactly with its code")
	case a.Time < 0:
		return hotline.Refuse(hotline.CodeMalformed, "answer: time before 1970")
	}
	return checkHead(a.Head)
}

func checkHead(h *hotline.PeerHead) error {
	if h != nil && (h.Origin == "" || len(h.Origin) > MaxOrigin || h.Origin != Sanitize(h.Origin)) {
		return hotline.Refuse(hotline.CodeMalformed, "head: origin is not 1 to %d printable bytes", MaxOrigin)
	}
	return nil
}

func tooLarge(what string, n, max int) error {
	return hotline.Refuse(hotline.CodeTooLarge, "%s of %d bytes, at most %d", what, n, max)
}

// otherVersion reports whether content is a map whose first pair is key 1 with
// an unsigned integer other than hotline.Protocol. In deterministic CBOR key 1
// stands first and a one-digit version is the single byte of its value.
func otherVersion(content []byte) bool {
	const mapOf, mapEnd, uintEnd = 0xa0, 0xb8, 0x1c
	return len(content) > 2 && content[0] >= mapOf && content[0] < mapEnd &&
		content[1] == 1 && content[2] < uintEnd && content[2] != hotline.Protocol
}

func encodeFrame(v any) ([]byte, error) {
	content, err := hotline.Marshal(v)
	if err != nil {
		return nil, err
	}
	return pad(content)
}

// pad puts content into the smallest size class that holds it: its length as
// four bytes, big endian, the content, zeros.
func pad(content []byte) ([]byte, error) {
	n := classFor(prefixSize + len(content))
	if n == 0 {
		return nil, tooLarge("frame", prefixSize+len(content), hotline.MaxFrame)
	}
	frame := make([]byte, n)
	binary.BigEndian.PutUint32(frame, uint32(len(content)))
	copy(frame[prefixSize:], content)
	return frame, nil
}

// unpad returns the content of a whole frame and refuses every second form of
// it: another class than the smallest, and padding that is not zero.
func unpad(frame []byte) ([]byte, error) {
	if len(frame) > hotline.MaxFrame {
		return nil, tooLarge("frame", len(frame), hotline.MaxFrame)
	}
	if len(frame) < sizeClasses[0] {
		return nil, hotline.Refuse(hotline.CodeMalformed, "frame of %d bytes is of no size class", len(frame))
	}
	n := binary.BigEndian.Uint32(frame)
	if n > hotline.MaxFrame-prefixSize {
		return nil, tooLarge("content", int(n), hotline.MaxFrame-prefixSize)
	}
	if classFor(prefixSize+int(n)) != len(frame) {
		return nil, hotline.Refuse(hotline.CodeMalformed, "frame of %d bytes does not fit its content of %d", len(frame), n)
	}
	content, padding := frame[prefixSize:prefixSize+n], frame[prefixSize+n:]
	for _, b := range padding {
		if b != 0 {
			return nil, hotline.Refuse(hotline.CodeMalformed, "padding is not zero")
		}
	}
	return content, nil
}

// classFor returns the smallest size class of at least n bytes, or 0.
func classFor(n int) int {
	for _, c := range sizeClasses {
		if n <= c {
			return c
		}
	}
	return 0
}
