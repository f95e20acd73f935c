package hotline

// KindConsult calls for a meeting (SPEC §4.30). It opens the other side's duty
// to answer, with a reply.
var KindConsult = register(Rules{
	Kind: 30, Name: "consult", Class: ByOfficers,
	Authors: [][]Role{{Authority}},
	Opens:   true, Delivered: true, Sealed: true, OpensAck: true, Undeliver: true, Rejects: true,
	Case: May, Re: May,
	Body: func() Body { return new(Consult) },
})

// Consult is what is to be talked about, and how.
type Consult struct {
	Language string `cbor:"1,keyasint,omitempty" json:"language,omitempty"`
	Subject  string `cbor:"2,keyasint" json:"subject"`
	Means    string `cbor:"3,keyasint,omitempty" json:"means,omitempty"` // voice line, place of a meeting
	Proposed Time   `cbor:"4,keyasint,omitempty" json:"proposed,omitempty"`
}

// Validate demands a subject.
func (c *Consult) Validate() error {
	if c.Subject == "" || c.Proposed < 0 {
		return Refuse(CodeMalformed, "a consult has a subject, and a proposed time is positive")
	}
	return checkWords(c.Language, field{"subject", c.Subject}, field{"means", c.Means})
}
