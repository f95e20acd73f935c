package hotline

// KindRatification confirms, by an authority, an ACTUAL FLASH alert that one
// officer released alone (SPEC §4.4). It goes to the alert's addressees.
var KindRatification = register(Rules{
	Kind: 4, Name: "ratification", Class: ByOfficers,
	Authors:   [][]Role{{Authority}},
	Delivered: true, Sealed: true, Undeliver: true, Rejects: true,
	Case: Must, Re: Must,
	Body: func() Body { return new(Note) },
})

// Note is a body of free words, which may be empty.
type Note struct {
	Language string `cbor:"1,keyasint,omitempty" json:"language,omitempty"`
	Text     string `cbor:"2,keyasint,omitempty" json:"text,omitempty"`
}

// Validate bounds the words.
func (n *Note) Validate() error {
	if err := checkLanguage(n.Language); err != nil {
		return err
	}
	return checkText("text", n.Text, MaxText)
}
