package hotline

// KindAssessment answers the decision questions: NOTIFIABLE, to whom, or
// BELOW-THRESHOLD (SPEC §4.2). It stays in the party's own ledger, but its
// body already holds the alert's codes and is sealed to those who must be
// told: the automatic alert carries it to them.
var KindAssessment = register(Rules{
	Kind: 2, Name: "assessment", Class: ByOfficers,
	Authors: [][]Role{{Operator}},
	Sealed:  true, Case: Must, Re: Must, Verdict: Must, Notify: May, Assessed: Must, Answers: May,
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

// Assessment holds the facts to be told. The answers, on which the ledger
// decides, stand in the header.
type Assessment struct {
	Facts Facts  `cbor:"1,keyasint" json:"facts"`
	Note  string `cbor:"2,keyasint,omitempty" json:"note,omitempty"`
}

// Validate checks the facts.
func (a *Assessment) Validate() error {
	if err := checkText("note", a.Note, MaxText); err != nil {
		return err
	}
	return a.Facts.Validate()
}
