package hotline

// KindDispute objects, by an authority, to what a statement of another party
// says (SPEC §4.33). It changes no clock, and is ended by its retraction.
var KindDispute = register(Rules{
	Kind: 33, Name: "dispute", Class: ByOfficers,
	Authors:   [][]Role{{Authority}},
	Delivered: true, Sealed: true, OpensAck: true, Undeliver: true, Rejects: true,
	Case: Must, Re: Must,
	Body: func() Body { return new(Words) },
})
