package hotline

// KindHandover passes the desk from its first author to the second: two
// liaisons or two operators (SPEC §4.31). Own ledger only.
var KindHandover = register(Rules{
	Kind: 31, Name: "handover", Class: ByOfficers,
	Authors: [][]Role{{Operator, Liaison}, {Operator, Liaison}}, SameRole: true,
	Sealed: true, ActualOnly: true,
	Body: func() Body { return new(Note) },
})
