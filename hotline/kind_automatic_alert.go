package hotline

// KindAutomaticAlert goes out when an officer has signed NOTIFIABLE and nobody
// released an alert in time (SPEC §4.8). It carries that officer's signed
// assessment and nothing else, and is visibly not an officer's word.
var KindAutomaticAlert = register(Rules{
	Kind: 8, Name: "automatic-alert", Class: ByGroup,
	Delivered: true, OpensAck: true, Undeliver: true, Rejects: true,
	Case: Must, Re: Must, Cause: Must,
	Body: func() Body { return new(AutomaticAlert) },
})

// AutomaticAlert embeds the assessment, whole and signed.
type AutomaticAlert struct {
	Assessment []byte `cbor:"1,keyasint" json:"assessment"`
}

// Validate parses the embedded statement and demands a NOTIFIABLE assessment.
func (a *AutomaticAlert) Validate() error {
	s, err := Parse(a.Assessment)
	if err != nil {
		return wrap(err, "embedded assessment")
	}
	if s.Header.Kind != KindAssessment || s.Header.Verdict != Notifiable || !s.Complete() {
		return Refuse(CodeMalformed, "the embedded statement is no signed NOTIFIABLE assessment")
	}
	return nil
}
