package hotline

// KindLateReason explains, by an operator, a duty that was overdue
// (SPEC §4.32). Own ledger only. cause names the entry that says overdue, which
// nothing takes back.
var KindLateReason = register(Rules{
	Kind: 32, Name: "late-reason", Class: ByOfficers,
	Authors: [][]Role{{Operator}},
	Sealed:  true, Case: May, Re: Must, Cause: Must, Reason: Must,
	Check: func(h *Header) error { return checkReason(h, LateReasons) },
	Body:  func() Body { return new(Words) },
})

// LateReasons lists the codes that explain a duty done late or not at all
// (SPEC §10.3).
var LateReasons = []Code{"facts-unclear", "staff", "technical", "legal", "overload", "oversight", "other"}
