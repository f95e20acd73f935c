package hotline

// KindInformation tells what nobody is obliged to tell (SPEC §4.22).
var KindInformation = register(Rules{
	Kind: 22, Name: "information", Class: ByOfficers,
	Authors: [][]Role{{Operator}},
	Opens:   true, Delivered: true, Sealed: true, OpensAck: true, Undeliver: true, Rejects: true,
	Case: May, Re: May, Detected: May,
	Body: func() Body { return new(Information) },
})

// Information is words, with coded facts if there are any.
type Information struct {
	Facts    *Facts `cbor:"1,keyasint,omitempty" json:"facts,omitempty"`
	Language string `cbor:"2,keyasint,omitempty" json:"language,omitempty"`
	Text     string `cbor:"3,keyasint" json:"text"`
}

// Validate demands words.
func (i *Information) Validate() error {
	if i.Text == "" {
		return Refuse(CodeMalformed, "an information says something")
	}
	if err := checkWords(i.Language, field{"text", i.Text}); err != nil || i.Facts == nil {
		return err
	}
	return i.Facts.Validate()
}
