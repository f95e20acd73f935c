package hotline

// KindText is free text in the officer's own language (SPEC §4.5).
var KindText = register(Rules{
	Kind: 5, Name: "text", Class: ByOfficers,
	Authors:   [][]Role{{Operator, Releaser, Liaison, Authority, Technician}},
	Delivered: true, Sealed: true, OpensAck: true, Undeliver: true, Rejects: true,
	Case: May, Re: May,
	Body: func() Body { return new(Note) },
})
