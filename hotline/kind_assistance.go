package hotline

// KindAssistanceRequest asks for help (SPEC §4.27). It opens the other side's
// duty to respond.
var KindAssistanceRequest = register(Rules{
	Kind: 27, Name: "assistance-request", Class: ByOfficers,
	Authors: [][]Role{{Operator, Authority}},
	Opens:   true, Delivered: true, Sealed: true, OpensAck: true, Undeliver: true, Rejects: true,
	Case: May, Re: May,
	Body: func() Body { return new(AssistanceRequest) },
})

// KindAssistanceResponse approves or denies a request, or says that it is
// pending (SPEC §4.28). A reason stands in its words.
var KindAssistanceResponse = register(Rules{
	Kind: 28, Name: "assistance-response", Class: ByOfficers,
	Authors:   [][]Role{{Operator, Authority}},
	Delivered: true, Sealed: true, OpensAck: true, Undeliver: true, Rejects: true,
	Case: Must, Re: Must, Dispositions: []Disposition{Approved, Denied, Pending},
	Body: func() Body { return new(Words) },
})

// KindAssistanceDelivered says what help was given on an approved request
// (SPEC §4.29).
var KindAssistanceDelivered = register(Rules{
	Kind: 29, Name: "assistance-delivered", Class: ByOfficers,
	Authors:   [][]Role{{Operator, Authority}},
	Delivered: true, Sealed: true, OpensAck: true, Undeliver: true, Rejects: true,
	Case: Must, Re: Must,
	Body: func() Body { return new(Words) },
})

// AssistanceForms lists the words of the forms of help, by number from 1.
var AssistanceForms = []string{"technical", "legal", "financial", "training"}

// AssistanceRequest is what is asked for.
type AssistanceRequest struct {
	Forms    []uint16 `cbor:"1,keyasint" json:"forms"` // of AssistanceForms, sorted, without doubles
	Language string   `cbor:"2,keyasint,omitempty" json:"language,omitempty"`
	Text     string   `cbor:"3,keyasint" json:"text"`
	Wanted   Time     `cbor:"4,keyasint,omitempty" json:"wanted,omitempty"` // when it would still help
}

// Validate checks the forms and demands words.
func (a *AssistanceRequest) Validate() error {
	if len(a.Forms) == 0 || len(a.Forms) > len(AssistanceForms) {
		return Refuse(CodeMalformed, "a request names 1 to %d forms of assistance", len(AssistanceForms))
	}
	for i, f := range a.Forms {
		if f < 1 || int(f) > len(AssistanceForms) || (i > 0 && a.Forms[i-1] >= f) {
			return Refuse(CodeMalformed, "forms of assistance must be sorted codes of 1 to %d", len(AssistanceForms))
		}
	}
	if a.Text == "" || a.Wanted < 0 {
		return Refuse(CodeMalformed, "a request says what is wanted, and by a positive time")
	}
	return checkWords(a.Language, field{"text", a.Text})
}
