package hotline

import "slices"

// KindAutomaticAlert goes out when an officer has signed NOTIFIABLE and nobody
// released an alert in time (SPEC §4.8). It carries that officer's signed
// assessment and nothing else, and is visibly not an officer's word.
var KindAutomaticAlert = register(Rules{
	Kind: 8, Name: "automatic-alert", Class: ByGroup,
	Delivered: true, OpensAck: true, Undeliver: true, Rejects: true,
	Case: Must, Re: Must, Cause: Must,
	Body: func() Body { return new(AutomaticAlert) }, CheckBody: checkAutomaticAlert,
})

// checkAutomaticAlert: the group says nothing that the officer did not sign.
// Whether the officer's signature verifies is for the ledgers of both sides,
// which know the officer's key.
func checkAutomaticAlert(h *Header, body Body) error {
	st, err := body.(*AutomaticAlert).Open()
	if err != nil {
		return err
	}
	a := &st.Header
	if *h.Re != st.ID || a.From != h.From || a.Convention != h.Convention || a.Status != h.Status || *a.Case != *h.Case {
		return Refuse(CodeReference, "the embedded assessment is another one than the header's, or of another party, convention, status or case")
	}
	for _, p := range h.To {
		if !slices.Contains(a.Notify, p) {
			return Refuse(CodeWrongAddressee, "the officer did not say that %s must be told", p)
		}
	}
	return nil
}

// AutomaticAlert embeds the assessment, whole and signed.
type AutomaticAlert struct {
	Assessment []byte `cbor:"1,keyasint" json:"assessment"`
}

// Open parses the embedded statement and demands a signed NOTIFIABLE
// assessment. It verifies no signature.
func (a *AutomaticAlert) Open() (*Statement, error) {
	s, err := Parse(a.Assessment)
	if err != nil {
		return nil, wrap(err, "embedded assessment")
	}
	if s.Header.Kind != KindAssessment || s.Header.Verdict != Notifiable || !s.Complete() {
		return nil, Refuse(CodeMalformed, "the embedded statement is no signed NOTIFIABLE assessment")
	}
	return s, nil
}

// Validate demands that Open succeeds.
func (a *AutomaticAlert) Validate() error {
	_, err := a.Open()
	return err
}
