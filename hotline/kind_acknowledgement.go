package hotline

// KindAcknowledgement is a liaison officer's own signature over one
// statement's id (SPEC §4.6). It means that this person has it; it never means
// agreement or admission.
var KindAcknowledgement = register(Rules{
	Kind: 6, Name: "acknowledgement", Class: ByOfficers,
	Authors:   [][]Role{{Liaison}},
	Delivered: true, Sealed: true, Undeliver: true, Rejects: true,
	Case: May, Re: Must,
	Body: func() Body { return new(Note) },
})
