package hotline

// KindSupplement says more than the alert did: what happened, what it does, and
// what is to be expected (SPEC §4.18). It is the second of the staged reports.
var KindSupplement = register(Rules{
	Kind: 18, Name: "supplement", Class: ByOfficers,
	Authors: [][]Role{{Operator, Releaser}, {Releaser}}, OneOfficer: notActual,
	Delivered: true, Sealed: true, OpensAck: true, Undeliver: true, Rejects: true,
	Case: Must, Re: May, Detected: May, Assessed: May,
	Body: func() Body { return new(Supplement) },
})

// notActual is the exception of the kinds that two officers release: an
// exercise or a test needs one.
func notActual(h *Header) bool { return h.Status != Actual }

// Supplement follows the particulars of the Convention on Early Notification,
// Art. 5.
type Supplement struct {
	Facts    Facts  `cbor:"1,keyasint" json:"facts"`
	Language string `cbor:"2,keyasint,omitempty" json:"language,omitempty"`
	Text     string `cbor:"3,keyasint,omitempty" json:"text,omitempty"`
	Began    Time   `cbor:"4,keyasint,omitempty" json:"began,omitempty"` // of the event, not of its detection
	Impact   string `cbor:"5,keyasint,omitempty" json:"impact,omitempty"`
	Outlook  string `cbor:"6,keyasint,omitempty" json:"outlook,omitempty"` // assumed cause and foreseeable development
}

// Validate checks the facts and bounds the words.
func (s *Supplement) Validate() error {
	if s.Began < 0 {
		return Refuse(CodeMalformed, "began must be positive")
	}
	if err := checkWords(s.Language, field{"text", s.Text}, field{"impact", s.Impact}, field{"outlook", s.Outlook}); err != nil {
		return err
	}
	return s.Facts.Validate()
}

// field is a text of a body with its name.
type field struct{ name, text string }

// checkWords checks a language tag and texts of at most MaxText.
func checkWords(language string, fields ...field) error {
	for _, f := range fields {
		if err := checkText(f.name, f.text, MaxText); err != nil {
			return err
		}
	}
	return checkLanguage(language)
}

// Words is a body of words that must not be empty.
type Words struct {
	Language string `cbor:"1,keyasint,omitempty" json:"language,omitempty"` // BCP 47 tag of Text
	Text     string `cbor:"2,keyasint" json:"text"`
}

// Validate bounds the words and demands some.
func (w *Words) Validate() error {
	if w.Text == "" {
		return Refuse(CodeMalformed, "the text is empty")
	}
	return checkWords(w.Language, field{"text", w.Text})
}
