package hotline

import "slices"

// KindRetract takes back an own statement, which stays in every log
// (SPEC §4.21). Only its originator retracts it, to all of its addressees, who
// acknowledge the retraction.
var KindRetract = register(Rules{
	Kind: 21, Name: "retract", Class: ByOfficers,
	Authors: [][]Role{{Operator, Releaser}, {Releaser}}, OneOfficer: notActual,
	Delivered: true, Sealed: true, OpensAck: true, Undeliver: true, Rejects: true,
	Case: Must, Re: Must, Reason: Must,
	Check: func(h *Header) error { return checkReason(h, RetractReasons) },
	Body:  func() Body { return new(Words) },
})

// RetractReasons lists the codes for which a statement may be retracted
// (SPEC §10.3).
var RetractReasons = []Code{"unfounded", "mistaken", "not-concerned", "twice", "other"}

func checkReason(h *Header, known []Code) error {
	if !slices.Contains(known, h.Reason) {
		return Refuse(CodeHeader, "reason %q of a %s; known are %v", h.Reason, h.Kind, known)
	}
	return nil
}
