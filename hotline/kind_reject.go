package hotline

// KindReject says that a verified statement is not acceptable, with a stable
// code (SPEC §4.13). Nothing ever rejects a reject.
var KindReject = register(Rules{
	Kind: 13, Name: "reject", Class: ByGroup,
	Delivered: true, Undeliver: true, Case: May, Re: Must, Cause: Must, Reason: Must,
	Body: func() Body { return new(Reject) },
})

// Reject adds the sequence that the rejected statement used up.
type Reject struct {
	Sequence uint64 `cbor:"1,keyasint" json:"sequence"`
	Text     string `cbor:"2,keyasint,omitempty" json:"text,omitempty"`
}

// Validate bounds the text.
func (r *Reject) Validate() error {
	if r.Sequence == 0 {
		return Refuse(CodeMalformed, "sequence begins at 1")
	}
	return checkText("text", r.Text, 500)
}

// KindUnreadable says that an accepted statement's sealed body could not be
// opened by its addressee, or breaks a rule of its kind (SPEC §4.14).
var KindUnreadable = register(Rules{
	Kind: 14, Name: "unreadable", Class: ByGroup,
	Delivered: true, Undeliver: true, Case: May, Re: Must, Cause: Must, Reason: Must,
	Body: func() Body { return new(Service) },
})

// KindService tells the other side's technicians something about the line
// itself: maintenance, degradation (SPEC §4.15).
var KindService = register(Rules{
	Kind: 15, Name: "service", Class: ByGroup,
	Delivered: true, Undeliver: true, Rejects: true, Reason: May, Re: May,
	Body: func() Body { return new(Service) },
})

// Service is a short text of the group itself.
type Service struct {
	Text string `cbor:"1,keyasint,omitempty" json:"text,omitempty"`
}

// Validate bounds the text.
func (s *Service) Validate() error { return checkText("text", s.Text, 2000) }
