package hotline

// KindLineTest proves that a quiet line is alive: through the whole path,
// sign, commit, receipt (SPEC §4.11). Direction alternates.
var KindLineTest = register(Rules{
	Kind: 11, Name: "line-test", Class: ByGroup,
	Delivered: true, Undeliver: true, Rejects: true, Cause: Must,
	Body: func() Body { return new(LineTest) },
})

// KindLineReply answers a line test, whole path back (SPEC §4.12).
var KindLineReply = register(Rules{
	Kind: 12, Name: "line-reply", Class: ByGroup,
	Delivered: true, Undeliver: true, Rejects: true, Re: Must, Cause: Must,
	Body: func() Body { return new(LineTest) },
})

// KindWatchTest asks the person who has the watch to acknowledge by name: a
// quiet line proves nothing about people (SPEC §4.35).
var KindWatchTest = register(Rules{
	Kind: 35, Name: "watch-test", Class: ByGroup,
	Delivered: true, OpensAck: true, Undeliver: true, Rejects: true, Cause: Must,
	TestOnly: true,
	Check: func(h *Header) error {
		if h.Precedence != Immediate {
			return Refuse(CodeHeader, "a watch-test is IMMEDIATE, not %s", h.Precedence)
		}
		return nil
	},
	Body: func() Body { return new(LineTest) },
})

// LineTest carries the test's number within its pair and the node by which it
// entered.
type LineTest struct {
	Serial uint64 `cbor:"1,keyasint" json:"serial"`
	Node   string `cbor:"2,keyasint" json:"node"`
}

// Validate bounds the node's name.
func (l *LineTest) Validate() error {
	if l.Serial == 0 || !validRoleName(l.Node) {
		return Refuse(CodeMalformed, "a line test has a serial from 1 and a node's name")
	}
	return nil
}
