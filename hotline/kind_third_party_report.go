package hotline

// KindThirdPartyReport tells what a party saw that concerns others: from the
// territory of one against another (SPEC §4.26).
var KindThirdPartyReport = register(Rules{
	Kind: 26, Name: "third-party-report", Class: ByOfficers,
	Authors: [][]Role{{Operator}},
	Opens:   true, Delivered: true, Sealed: true, OpensAck: true, Undeliver: true, Rejects: true,
	Case: May, Re: May, Detected: May,
	Body: func() Body { return new(ThirdPartyReport) },
})

// ThirdPartyReport is what was seen, and whom it concerns.
type ThirdPartyReport struct {
	Facts     Facts   `cbor:"1,keyasint" json:"facts"`     // the relation is that to the territory of Concerned
	Concerned []Party `cbor:"2,keyasint" json:"concerned"` // sorted, without doubles; need not be parties of the convention
	Language  string  `cbor:"3,keyasint,omitempty" json:"language,omitempty"`
	Text      string  `cbor:"4,keyasint,omitempty" json:"text,omitempty"`
}

// Validate checks the facts and demands somebody whom they concern.
func (r *ThirdPartyReport) Validate() error {
	if len(r.Concerned) == 0 {
		return Refuse(CodeMalformed, "a third-party report names whom it concerns")
	}
	if err := recode(CodeMalformed, checkParties("concerned", r.Concerned, MaxAddressees)); err != nil {
		return err
	}
	if err := checkWords(r.Language, field{"text", r.Text}); err != nil {
		return err
	}
	return r.Facts.Validate()
}
