package hotline_test

import (
	"crypto/sha256"
	"strings"
	"testing"

	"example.org/hotline/crypto/keys"
	. "example.org/hotline/hotline"
	"example.org/hotline/hotline/hotlinetest"
)

// at is the time of everything in these tests.
const at = hotlinetest.Epoch + 1000

// world is three parties with a convention.
type world struct {
	a, b, c *hotlinetest.Party
	conv    *SignedConvention
}

func newWorld() *world {
	w := &world{a: hotlinetest.NewParty("XA", "1"), b: hotlinetest.NewParty("XB", "1"), c: hotlinetest.NewParty("XC", "1")}
	w.conv = hotlinetest.Convention(hotlinetest.Terms("crisis"), w.a, w.b, w.c)
	return w
}

func someID(name string) ID { return ID(sha256.Sum256([]byte(name))) }

// postOf names the officer of the fixture who has a role.
var postOf = map[Role]string{Operator: "O1", Releaser: "R1", Liaison: "L1", Authority: "A1", Auditor: "U1", Technician: "T1"}

// header makes a header of a kind from its rules: the fields that it must
// bear, and with full also those that it may.
func (w *world) header(k Kind, full bool) Header {
	r := k.Rules()
	h := w.a.Header(k, at)
	in := func(p Presence) bool { return p == Must || full && p == May }
	if in(r.Case) {
		h.Case = &CaseID{Party: "XA", ID: someID("case")}
	}
	if in(r.Re) {
		id := someID("re")
		h.Re = &id
	}
	if in(r.Verdict) {
		h.Verdict = BelowThreshold
	}
	if in(r.Notify) {
		h.Notify = []Party{"XB", "XC"}
		h.Verdict = Notifiable
	}
	if in(r.Cause) {
		h.Cause = 17
	}
	if in(r.Reason) {
		h.Reason = reasonOf(k)
	}
	if r.Dispositions != nil {
		h.Disposition = r.Dispositions[0]
	}
	if in(r.Answers) {
		h.Answers, h.Always = []bool{true, true, false, false}, 2
	}
	if in(r.Detected) {
		h.Detected = at - 20
	}
	if in(r.Assessed) {
		h.Assessed = at - 10
	}
	if k == KindWatchTest {
		h.Status, h.Precedence = Test, Immediate
	}
	if r.Delivered {
		h.To = []Party{"XB"}
		if h.Case != nil && full {
			h.To = []Party{"XB", "XC"}
		}
	}
	if full {
		h.Peer = &PeerHead{Origin: "hotline/XB/1", Size: 12, Root: someID("root")}
		if r.Class == ByOfficers {
			id := someID("old")
			h.Supersedes = &id
		}
	}
	return h
}

// reasonOf is a reason that a statement of a kind may bear.
func reasonOf(k Kind) Code {
	switch k {
	case KindRetract:
		return RetractReasons[0]
	case KindLateReason:
		return LateReasons[0]
	}
	return CodeNoReceipt
}

// signers are the keys that a complete statement of a kind bears.
func (w *world) signers(k Kind) []keys.Signer {
	r := k.Rules()
	if r.Class == ByGroup {
		return []keys.Signer{w.a.Service}
	}
	var list []keys.Signer
	for i, roles := range r.Authors {
		post := postOf[roles[0]]
		if i > 0 && r.SameRole {
			post = post[:1] + "2"
		}
		list = append(list, w.a.Officer(post))
	}
	return list
}

// statement makes a complete, signed, parsed statement of any kind.
func (w *world) statement(t testing.TB, k Kind, full bool) *Statement {
	t.Helper()
	switch k {
	case KindConvention:
		return parse(t, w.conventionBytes(full))
	case KindDirectory:
		return parse(t, w.a.SignDirectory(body(w, k, full).(*Directory)))
	}
	h := w.header(k, full)
	b := body(w, k, full)
	if k == KindAutomaticAlert {
		inner := parse(t, b.(*AutomaticAlert).Assessment)
		h.Case, h.Re, h.To = inner.Header.Case, &inner.ID, inner.Header.Notify
	}
	return w.a.Make(h, b, w.signers(k)...)
}

func (w *world) conventionBytes(full bool) []byte {
	if !full {
		return hotlinetest.SignConvention(nil, minimalConvention(w), w.a, w.b)
	}
	return hotlinetest.SignConvention(w.conv, fullConvention(w), w.a, w.b, w.c)
}

func parse(t testing.TB, raw []byte) *Statement {
	t.Helper()
	st, err := Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// wantCode fails unless err carries code.
func wantCode(t testing.TB, what string, err error, code Code) {
	t.Helper()
	if got := CodeOf(err); got != code {
		t.Errorf("%s: code %q (%v), want %q", what, got, err, code)
	}
}

// body makes a body of a kind: the least, or every optional field set.
func body(w *world, k Kind, full bool) Body {
	if full {
		return fullBody(w, k)
	}
	facts := hotlinetest.Facts()
	rung := []Rung{{Permille: Deadline, Office: "director", Targets: []string{"XA-A1"}}}
	switch k {
	case KindDetection:
		return &Detection{Text: "seen"}
	case KindAssessment:
		return &Assessment{Facts: facts}
	case KindAlert:
		return &Alert{Facts: facts}
	case KindRatification, KindText, KindAcknowledgement:
		return &Note{}
	case KindLadder:
		return &Ladder{Number: 1, Owing: rung, Receiving: rung}
	case KindAutomaticAlert:
		return &AutomaticAlert{Assessment: w.assessment().Raw}
	case KindEscalation:
		return &Escalation{Due: at, Office: "director"}
	case KindNonDelivery:
		return &NonDelivery{To: "XB", Due: at}
	case KindLineTest, KindLineReply, KindWatchTest:
		return &LineTest{Serial: 1, Node: "XA-1"}
	case KindReject:
		return &Reject{Sequence: 1}
	case KindUnreadable, KindService:
		return &Service{}
	case KindDirectory:
		d := w.a.Page(1)
		d.Officers = nil
		d.Possession = w.a.Possession(d)
		return d
	case KindConvention:
		return minimalConvention(w)
	case KindHandover:
		return &Note{}
	}
	if b := stagedBody(k, facts); b != nil {
		return b
	}
	panic("no minimal body of " + k.String() + ": add one here and its CDDL to SPEC §4")
}

func (w *world) assessment() *Statement {
	return w.a.Assessment(at, w.a.Detection(at), []Party{"XB", "XC"})
}

func fullBody(w *world, k Kind) Body {
	note := &Note{Language: "fr-CA", Text: "Reçu.\n\tSuite à 02:00."}
	service := &Service{Text: "Maintenance at 02:00 UTC"}
	switch k {
	case KindDetection:
		return &Detection{Text: "seen", Hit: fullHit()}
	case KindAssessment:
		return &Assessment{Facts: fullFacts(), Note: "See the case file"}
	case KindAlert:
		return &Alert{Facts: fullFacts(), Language: "en", Text: strings.TrimSpace(strings.Repeat("word ", MaxAlertWords))}
	case KindRatification, KindText, KindAcknowledgement:
		return note
	case KindLadder:
		return w.a.Watches(2, at)
	case KindAutomaticAlert:
		return &AutomaticAlert{Assessment: w.assessment().Raw}
	case KindEscalation:
		return &Escalation{Due: at, Office: "director"}
	case KindNonDelivery:
		return &NonDelivery{To: "XB", Due: at}
	case KindLineTest, KindLineReply, KindWatchTest:
		return &LineTest{Serial: 1 << 40, Node: "XA-1"}
	case KindReject:
		return &Reject{Sequence: 9, Text: "the case is not known here"}
	case KindUnreadable, KindService:
		return service
	case KindDirectory:
		return fullDirectory(w)
	case KindConvention:
		return fullConvention(w)
	case KindHandover:
		return note
	}
	if b := fullStagedBody(k); b != nil {
		return b
	}
	panic("no full body of " + k.String() + ": add one here and its CDDL to SPEC §4")
}

// stagedBody is the least body of the kinds by which a case goes on.
func stagedBody(k Kind, facts Facts) Body {
	switch k {
	case KindSupplement:
		return &Supplement{Facts: facts}
	case KindProgress:
		return &Progress{State: 1, Text: "no change"}
	case KindFinal:
		return &Final{Facts: facts, Text: "ended"}
	case KindRetract, KindReply, KindAssistanceResponse, KindAssistanceDelivered, KindLateReason, KindDispute, KindSuspension:
		return &Words{Text: "words"}
	case KindInformation:
		return &Information{Text: "seen"}
	case KindAdvanceNotice:
		return &AdvanceNotice{Activity: 1, From: at, Until: at + 1}
	case KindInquiry:
		return &Inquiry{Questions: []string{"Is this yours?"}}
	case KindThirdPartyReport:
		return &ThirdPartyReport{Facts: facts, Concerned: []Party{"XB"}}
	case KindAssistanceRequest:
		return &AssistanceRequest{Forms: []uint16{1}, Text: "samples"}
	case KindConsult:
		return &Consult{Subject: "the case"}
	}
	return nil
}

func fullStagedBody(k Kind) Body {
	facts, networks := fullFacts(), []string{"192.0.2.0/24"}
	switch k {
	case KindSupplement:
		return &Supplement{Facts: facts, Language: "en", Text: "More", Began: at, Impact: "Two hospitals", Outlook: "It will end today"}
	case KindProgress:
		return &Progress{State: 3, Language: "en", Text: "Contained", Measures: "Servers taken down"}
	case KindFinal:
		return &Final{Facts: facts, Language: "en", Text: "Over", Ended: at, Cause: "A stolen key", Measures: "Keys were changed"}
	case KindRetract, KindReply, KindAssistanceResponse, KindAssistanceDelivered, KindLateReason, KindDispute, KindSuspension:
		return &Words{Language: "en", Text: "words"}
	case KindInformation:
		return &Information{Facts: &facts, Language: "en", Text: "Seen"}
	case KindAdvanceNotice:
		return &AdvanceNotice{Activity: 5, From: at, Until: at + 1, Networks: networks, Language: "en", Text: "A yearly exercise"}
	case KindInquiry:
		return &Inquiry{Questions: []string{"Is this yours?", "Until when?"}, Language: "en", Indicators: []string{"sha256:00"}, Networks: networks}
	case KindThirdPartyReport:
		return &ThirdPartyReport{Facts: facts, Concerned: []Party{"XB", "XZ"}, Language: "en", Text: "Seen in transit"}
	case KindAssistanceRequest:
		return &AssistanceRequest{Forms: []uint16{1, 4}, Language: "en", Text: "Samples", Wanted: at}
	case KindConsult:
		return &Consult{Language: "en", Subject: "The case", Means: "voice line", Proposed: at}
	}
	return nil
}

func fullFacts() Facts {
	return Facts{Nature: 3, Category: 5, Relation: 4, Sectors: []uint16{1, 5, 13}, Actor: 3, State: 3,
		Indicators: []string{"sha256:00", ""}, Networks: []string{"192.0.2.0/24", "2001:db8::/32"},
		Measures: "Blocked at the border", Help: "Samples on request"}
}

func fullHit() *Hit {
	return &Hit{Key: strings.Repeat("0a", 32), Source: "suricata", Sensor: "edge-1", First: 1, Last: 2, Count: 3,
		Direction: HitOutbound, RolesConfirmed: true, From: []string{"192.0.2.1"}, FromTotal: 1,
		To: []string{"2001:db8::1"}, ToTotal: 4096, Protocol: "TCP", Port: 443, PortTotal: 1,
		Signatures: []string{"rule 1"}, Evidence: HitListed, DestinationKnown: true, Flows: []uint64{1 << 63}, Notes: []string{"one sensor"},
		Nature: HitReflector, Territory: strings.Repeat("0b", 32), Reporter: "XA-C1",
		Hint: &HitHint{Table: "feed", Built: 5, Countries: []string{"192.0.2.1=XA"}}}
}

func fullDirectory(w *world) *Directory {
	d := w.a.Page(2)
	d.UTCOffset = -3 * 3600 * 1000
	d.Prefixes = []ID{someID("prefix")}
	d.Confirmed = d.Issued
	d.Generation, d.Closed = 2, &ClosedLog{Size: 12, Root: someID("closed")}
	d.Nodes, d.Officers = d.Nodes[:1], d.Officers[:3]
	for i := range d.Officers {
		d.Officers[i].Revoked, d.Officers[i].Person = at, someID(d.Officers[i].Name)
	}
	d.Officers[0].Roles = Roles[:len(Roles)-1] // a reporter stands alone
	d.Possession = w.a.Possession(d)
	return d
}

func minimalConvention(w *world) *Convention {
	c := hotlinetest.Draft(hotlinetest.Terms("standard"), w.a, w.b)
	c.Questions, c.Always, c.Witnesses = nil, nil, 0
	return c
}

func fullConvention(w *world) *Convention {
	c := hotlinetest.Draft(hotlinetest.Terms("crisis"), w.a, w.b, w.c)
	c.Version, c.Previous = 2, w.conv.Hash
	for i := range c.Parties[:2] {
		c.Parties[i].Reservations = []string{ReserveAutomaticAlert, ReserveLineTest}
	}
	c.Parties[2].Observer = true
	return c
}
