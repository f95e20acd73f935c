package hotline

// KindInquiry asks another party to explain or to confirm (SPEC §4.24). It
// opens that party's duty to reply.
var KindInquiry = register(Rules{
	Kind: 24, Name: "inquiry", Class: ByOfficers,
	Authors: [][]Role{{Operator, Releaser}, {Releaser}}, OneOfficer: notActual,
	Opens: true, Delivered: true, Sealed: true, OpensAck: true, Undeliver: true, Rejects: true,
	Case: May, Re: May,
	Body: func() Body { return new(Inquiry) },
})

// KindReply answers an inquiry or a consult, for the time being or for good
// (SPEC §4.25).
var KindReply = register(Rules{
	Kind: 25, Name: "reply", Class: ByOfficers,
	Authors: [][]Role{{Operator, Releaser, Authority}, {Releaser, Authority}}, OneOfficer: notActual,
	Delivered: true, Sealed: true, OpensAck: true, Undeliver: true, Rejects: true,
	Case: Must, Re: Must, Dispositions: []Disposition{Interim, Conclusive},
	Body: func() Body { return new(Words) },
})

// maxQuestions bounds the questions of one inquiry, and those of a convention.
const maxQuestions = 16

// Inquiry is what is asked, and what it is about.
type Inquiry struct {
	Questions  []string `cbor:"1,keyasint" json:"questions"`
	Language   string   `cbor:"2,keyasint,omitempty" json:"language,omitempty"`
	Indicators []string `cbor:"3,keyasint,omitempty" json:"indicators,omitempty"`
	Networks   []string `cbor:"4,keyasint,omitempty" json:"networks,omitempty"` // CIDR
}

// Validate demands a question.
func (i *Inquiry) Validate() error {
	if len(i.Questions) < 1 || len(i.Questions) > maxQuestions {
		return Refuse(CodeMalformed, "%d questions, 1 to %d are allowed", len(i.Questions), maxQuestions)
	}
	for _, q := range i.Questions {
		if q == "" {
			return Refuse(CodeMalformed, "a question is empty")
		}
		if err := checkText("question", q, 2000); err != nil {
			return err
		}
	}
	if err := checkIndicators(i.Indicators); err != nil {
		return err
	}
	if err := checkNetworks(i.Networks); err != nil {
		return err
	}
	return checkLanguage(i.Language)
}
