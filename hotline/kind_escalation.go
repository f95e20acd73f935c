package hotline

// KindEscalation tells the sender that the receiver's own deadline to
// acknowledge has passed and its ladder has climbed (SPEC §4.9).
var KindEscalation = register(Rules{
	Kind: 9, Name: "escalation", Class: ByGroup,
	Delivered: true, Undeliver: true, Rejects: true,
	Case: May, Re: Must, Cause: Must,
	Body: func() Body { return new(Escalation) },
})

// Escalation names the rung.
type Escalation struct {
	Due    Time   `cbor:"1,keyasint" json:"due"`
	Office string `cbor:"2,keyasint" json:"office"`
}

// Validate bounds the office.
func (e *Escalation) Validate() error {
	if e.Due <= 0 {
		return Refuse(CodeMalformed, "due time must be positive")
	}
	if e.Office == "" {
		return Refuse(CodeMalformed, "an escalation names the office that was reached")
	}
	return checkText("office", e.Office, MaxRoleName)
}
