package hotline

// KindAssessment answers the decision questions: NOTIFIABLE, to whom, or
// BELOW-THRESHOLD (SPEC §4.2). It stays in the party's own ledger, but its
// body already holds the alert's codes and is sealed to those who must be
// told: the automatic alert carries it to them.
var KindAssessment = register(Rules{
	Kind: 2, Name: "assessment", Class: ByOfficers,
	Authors: [][]Role{{Operator}},
	Sealed:  true, Case: Must, Re: Must, Verdict: Must, Notify: May, Assessed: Must,
	MaxSize: MaxAssessment,
	Check:   checkVerdict,
	Body:    func() Body { return new(Assessment) },
})

// checkVerdict: NOTIFIABLE says to whom; BELOW-THRESHOLD names nobody.
func checkVerdict(h *Header) error {
	switch {
	case h.Verdict == Notifiable && len(h.Notify) == 0:
		return Refuse(CodeHeader, "a NOTIFIABLE assessment names whom to notify")
	case h.Verdict == BelowThreshold && len(h.Notify) > 0:
		return Refuse(CodeHeader, "a BELOW-THRESHOLD assessment notifies nobody")
	case h.Verdict > BelowThreshold:
		return Refuse(CodeHeader, "verdict %d", h.Verdict)
	}
	return nil
}

// Assessment holds the answers and, if notifiable, the facts to be told.
type Assessment struct {
	Answers []bool `cbor:"1,keyasint" json:"answers"` // to the convention's decision questions, in their order
	Always  string `cbor:"2,keyasint,omitempty" json:"always,omitempty"`
	Facts   Facts  `cbor:"3,keyasint" json:"facts"`
	Note    string `cbor:"4,keyasint,omitempty" json:"note,omitempty"`
}

// Validate bounds the answers and checks the facts.
func (a *Assessment) Validate() error {
	if len(a.Answers) > 16 {
		return Refuse(CodeMalformed, "%d answers, at most 16", len(a.Answers))
	}
	if err := checkText("always", a.Always, 200); err != nil {
		return err
	}
	if err := checkText("note", a.Note, MaxText); err != nil {
		return err
	}
	return a.Facts.Validate()
}
