package hotline

// KindDetection fixes T0: an operator adopts a sensor hit or enters their own
// (SPEC §4.1). It stays in the party's own ledger, sealed to itself.
var KindDetection = register(Rules{
	Kind: 1, Name: "detection", Class: ByOfficers,
	Authors: [][]Role{{Operator}},
	Opens:   true, Sealed: true, Detected: Must,
	Body: func() Body { return new(Detection) },
})

// Detection is what was seen, in the operator's words and the sensor's facts.
type Detection struct {
	Text string `cbor:"1,keyasint,omitempty" json:"text,omitempty"`
	Hit  *Hit   `cbor:"2,keyasint,omitempty" json:"hit,omitempty"`
}

// Validate demands a text or a hit.
func (d *Detection) Validate() error {
	if d.Text == "" && d.Hit == nil {
		return Refuse(CodeMalformed, "a detection says something or carries a hit")
	}
	if err := checkText("text", d.Text, MaxText); err != nil {
		return err
	}
	if d.Hit != nil {
		if err := d.Hit.Validate(); err != nil {
			return Refuse(CodeMalformed, "hit: %v", err)
		}
	}
	return nil
}
