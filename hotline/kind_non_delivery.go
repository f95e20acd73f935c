package hotline

// KindNonDelivery is the sender's signed claim that no receipt came in time
// (SPEC §4.10); own ledger only, since there is nobody to deliver it to. The
// operator is told to use the other channel.
var KindNonDelivery = register(Rules{
	Kind: 10, Name: "non-delivery", Class: ByGroup,
	Case: May, Re: Must, Cause: Must, Reason: Must,
	Body: func() Body { return new(NonDelivery) },
})

// NonDelivery names the silent addressee.
type NonDelivery struct {
	To  Party `cbor:"1,keyasint" json:"to"`
	Due Time  `cbor:"2,keyasint" json:"due"`
}

// Validate checks the addressee.
func (n *NonDelivery) Validate() error {
	if !n.To.Valid() || n.Due <= 0 {
		return Refuse(CodeMalformed, "non-delivery names a party and a due time")
	}
	return nil
}
