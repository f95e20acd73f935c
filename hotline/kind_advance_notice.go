package hotline

// KindAdvanceNotice announces what might be taken for an attack: a scan, a
// takedown, an exercise (SPEC §4.23).
var KindAdvanceNotice = register(Rules{
	Kind: 23, Name: "advance-notice", Class: ByOfficers,
	Authors: [][]Role{{Operator}},
	Opens:   true, Delivered: true, Sealed: true, OpensAck: true, Undeliver: true, Rejects: true,
	Body: func() Body { return new(AdvanceNotice) },
})

// Activities lists the words of an advance notice's activity, by number from 1.
var Activities = []string{"scan", "takedown", "exercise", "maintenance", "other"}

// AdvanceNotice says what will be done, from where, and when.
type AdvanceNotice struct {
	Activity uint8    `cbor:"1,keyasint" json:"activity"` // of Activities
	From     Time     `cbor:"2,keyasint" json:"from"`
	Until    Time     `cbor:"3,keyasint" json:"until"`                        // after From
	Networks []string `cbor:"4,keyasint,omitempty" json:"networks,omitempty"` // from which it will come, CIDR
	Language string   `cbor:"5,keyasint,omitempty" json:"language,omitempty"`
	Text     string   `cbor:"6,keyasint,omitempty" json:"text,omitempty"`
}

// Validate checks the activity and the window.
func (a *AdvanceNotice) Validate() error {
	if a.Activity < 1 || int(a.Activity) > len(Activities) {
		return Refuse(CodeMalformed, "activity code %d, known are 1 to %d", a.Activity, len(Activities))
	}
	if a.From <= 0 || a.Until <= a.From {
		return Refuse(CodeMalformed, "the window must end after it begins")
	}
	if err := checkNetworks(a.Networks); err != nil {
		return err
	}
	return checkWords(a.Language, field{"text", a.Text})
}
