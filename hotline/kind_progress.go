package hotline

// KindProgress says how a case stands: periodically while a FLASH case is open,
// or when asked (SPEC §4.19).
var KindProgress = register(Rules{
	Kind: 19, Name: "progress", Class: ByOfficers,
	Authors: [][]Role{{Operator, Releaser}, {Releaser}}, OneOfficer: notActual,
	Delivered: true, Sealed: true, OpensAck: true, Undeliver: true, Rejects: true,
	Case: Must, Re: May,
	Body: func() Body { return new(Progress) },
})

// Progress is the state of the event and what was done since the last report.
type Progress struct {
	State    uint8  `cbor:"1,keyasint" json:"state"` // as in Facts
	Language string `cbor:"2,keyasint,omitempty" json:"language,omitempty"`
	Text     string `cbor:"3,keyasint" json:"text"`
	Measures string `cbor:"4,keyasint,omitempty" json:"measures,omitempty"`
}

// Validate checks the state and demands words.
func (p *Progress) Validate() error {
	if p.State < 1 || p.State > maxState {
		return Refuse(CodeMalformed, "state code %d, known are 1 to %d", p.State, maxState)
	}
	if p.Text == "" {
		return Refuse(CodeMalformed, "a progress report says what is new")
	}
	return checkWords(p.Language, field{"text", p.Text}, field{"measures", p.Measures})
}
