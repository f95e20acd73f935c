package hotline

// KindFinal ends the staged reports of a case (SPEC §4.20).
var KindFinal = register(Rules{
	Kind: 20, Name: "final", Class: ByOfficers,
	Authors: [][]Role{{Operator, Releaser}, {Releaser}}, OneOfficer: notActual,
	Delivered: true, Sealed: true, OpensAck: true, Undeliver: true, Rejects: true,
	Case: Must, Re: May, Detected: May, Assessed: May,
	Body: func() Body { return new(Final) },
})

// Final is what is known at the end.
type Final struct {
	Facts    Facts  `cbor:"1,keyasint" json:"facts"`
	Language string `cbor:"2,keyasint,omitempty" json:"language,omitempty"`
	Text     string `cbor:"3,keyasint" json:"text"`
	Ended    Time   `cbor:"4,keyasint,omitempty" json:"ended,omitempty"`
	Cause    string `cbor:"5,keyasint,omitempty" json:"cause,omitempty"`
	Measures string `cbor:"6,keyasint,omitempty" json:"measures,omitempty"` // against a recurrence
}

// Validate checks the facts and demands words.
func (f *Final) Validate() error {
	if f.Ended < 0 {
		return Refuse(CodeMalformed, "ended must be positive")
	}
	if f.Text == "" {
		return Refuse(CodeMalformed, "a final report says what is known at the end")
	}
	if err := checkWords(f.Language, field{"text", f.Text}, field{"cause", f.Cause}, field{"measures", f.Measures}); err != nil {
		return err
	}
	return f.Facts.Validate()
}
