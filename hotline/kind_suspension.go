package hotline

// KindSuspension says, by an authority, that a party suspends its part in a
// case, or towards one party, or resumes it (SPEC §4.34). It stops no clock:
// nobody silences the record.
var KindSuspension = register(Rules{
	Kind: 34, Name: "suspension", Class: ByOfficers,
	Authors:   [][]Role{{Authority}},
	Delivered: true, Sealed: true, OpensAck: true, Undeliver: true, Rejects: true,
	Case: May, Dispositions: []Disposition{Suspended, Resumed},
	Body: func() Body { return new(Words) },
})
