package hotlinetest

import (
	"slices"

	"example.org/hotline/crypto/keys"
	"example.org/hotline/crypto/seal"
	"example.org/hotline/hotline"
)

// Option changes the header of a statement before it is sealed and signed.
type Option func(*hotline.Header)

// To sets the addressees.
func To(parties ...hotline.Party) Option {
	return func(h *hotline.Header) { h.To = sorted(parties) }
}

// In puts the statement into a case.
func In(c hotline.CaseID) Option { return func(h *hotline.Header) { h.Case = &c } }

// Re makes it a reply to, or an act upon, another statement.
func Re(id hotline.ID) Option { return func(h *hotline.Header) { h.Re = &id } }

// Supersedes names the statement that it replaces.
func Supersedes(id hotline.ID) Option { return func(h *hotline.Header) { h.Supersedes = &id } }

// Status sets ACTUAL, EXERCISE or TEST; ACTUAL is the default.
func Status(s hotline.Status) Option { return func(h *hotline.Header) { h.Status = s } }

// Precedence sets the precedence; IMMEDIATE is the default.
func Precedence(p hotline.Precedence) Option { return func(h *hotline.Header) { h.Precedence = p } }

// Detected sets T0.
func Detected(t hotline.Time) Option { return func(h *hotline.Header) { h.Detected = t } }

// Assessed sets the time of the assessment.
func Assessed(t hotline.Time) Option { return func(h *hotline.Header) { h.Assessed = t } }

// Judged sets the verdict and whom it says must be told.
func Judged(v hotline.Verdict, notify ...hotline.Party) Option {
	return func(h *hotline.Header) { h.Verdict, h.Notify = v, sorted(notify) }
}

// Answers sets the answers to the decision questions.
func Answers(list ...bool) Option { return func(h *hotline.Header) { h.Answers = list } }

// Disposes sets the disposition.
func Disposes(d hotline.Disposition) Option { return func(h *hotline.Header) { h.Disposition = d } }

// Cause sets the cause of a group's statement: 1 + index of the own entry that
// asked for it.
func Cause(c uint64) Option { return func(h *hotline.Header) { h.Cause = c } }

// Reason sets the reason.
func Reason(c hotline.Code) Option { return func(h *hotline.Header) { h.Reason = c } }

func sorted(parties []hotline.Party) []hotline.Party {
	list := slices.Clone(parties)
	slices.Sort(list)
	return list
}

// Header is the header of a statement of p with everything that does not
// depend on its kind. Authors are set by Make.
func (p *Party) Header(kind hotline.Kind, issued hotline.Time, options ...Option) hotline.Header {
	h := hotline.Header{Kind: kind, Status: hotline.Actual, Precedence: hotline.Immediate, TLP: hotline.TLPAmber,
		From: p.Code, Convention: p.Convention.ID, ConventionVersion: p.Convention.Version, Directory: p.Number, Issued: issued}
	for _, o := range options {
		o(&h)
	}
	return h
}

// Seal seals body to the sender and to everybody whom the header addresses or
// says must be told, sets the header's commitment, and returns the payload.
func (p *Party) Seal(h *hotline.Header, body []byte) []byte {
	to := []seal.Recipient{{Party: string(p.Code), Key: p.Sealing.Public()}}
	readers := append(slices.Clone(h.To), h.Notify...)
	slices.Sort(readers)
	for _, code := range slices.Compact(readers) {
		to = append(to, seal.Recipient{Party: string(code), Key: p.Peer(code).Sealing.Public()})
	}
	payload, commitment, err := seal.SealBody(body, hotline.BodyContext(h.Convention, h.From, h.Status), to)
	if err != nil {
		panic("hotlinetest: " + err.Error())
	}
	h.Commitment = commitment
	return payload
}

// Make builds, seals where the kind demands it, and signs a statement with the
// given signers as its authors.
func (p *Party) Make(h hotline.Header, body hotline.Body, signers ...keys.Signer) *hotline.Statement {
	h.Authors = nil
	for _, s := range signers {
		h.Authors = append(h.Authors, s.Public().ID())
	}
	payload := hotline.MustMarshal(body)
	if h.Kind.Rules().Sealed {
		payload = p.Seal(&h, payload)
	}
	return must(hotline.Parse(must(hotline.Sign(h, payload, signers...))))
}

// By is Make with the keys of posts, as By(h, body, "O1", "R1").
func (p *Party) By(h hotline.Header, body hotline.Body, posts ...string) *hotline.Statement {
	var signers []keys.Signer
	for _, post := range posts {
		signers = append(signers, p.Officer(post))
	}
	return p.Make(h, body, signers...)
}

// ByGroup is Make with the service key.
func (p *Party) ByGroup(h hotline.Header, body hotline.Body) *hotline.Statement {
	return p.Make(h, body, p.Service)
}

// CaseOf is the case that an opening statement opens, or in which st stands.
func CaseOf(st *hotline.Statement) hotline.CaseID {
	if in := st.InCase(); in != nil {
		return *in
	}
	return hotline.CaseID{Party: st.Header.From, ID: st.ID}
}

// Facts are coded facts that name no optional field.
func Facts() hotline.Facts {
	return hotline.Facts{Nature: 1, Category: 4, Relation: 1, Actor: 1, State: 1}
}

// Detection is signed by O1; detected at issued unless an option says otherwise.
func (p *Party) Detection(issued hotline.Time, options ...Option) *hotline.Statement {
	h := p.Header(hotline.KindDetection, issued, append([]Option{Detected(issued)}, options...)...)
	return p.By(h, &hotline.Detection{Text: "Outbound connections to a control network"}, "O1")
}

// Assessment is signed by O1: NOTIFIABLE if anybody is to be told, else
// BELOW-THRESHOLD.
func (p *Party) Assessment(issued hotline.Time, detection *hotline.Statement, notify []hotline.Party, options ...Option) *hotline.Statement {
	verdict := hotline.BelowThreshold
	if len(notify) > 0 {
		verdict = hotline.Notifiable
	}
	all := append([]Option{In(CaseOf(detection)), Re(detection.ID), Assessed(issued), Judged(verdict, notify...), like(detection)}, options...)
	yes := verdict == hotline.Notifiable
	h := p.Header(hotline.KindAssessment, issued, append([]Option{Answers(yes, yes, false, false)}, all...)...)
	return p.By(h, &hotline.Assessment{Facts: Facts()}, "O1")
}

// Alert is signed by O1 and R1 and answers an assessment or, if re is a
// detection, stands in its case without an assessment.
func (p *Party) Alert(issued hotline.Time, re *hotline.Statement, to []hotline.Party, options ...Option) *hotline.Statement {
	return p.By(p.alertHeader(issued, re, to, options...), AlertBody(), "O1", "R1")
}

// FlashAlert is an alert of precedence FLASH, signed by R1 alone.
func (p *Party) FlashAlert(issued hotline.Time, re *hotline.Statement, to []hotline.Party, options ...Option) *hotline.Statement {
	h := p.alertHeader(issued, re, to, append([]Option{Precedence(hotline.Flash)}, options...)...)
	return p.By(h, AlertBody(), "R1")
}

func (p *Party) alertHeader(issued hotline.Time, re *hotline.Statement, to []hotline.Party, options ...Option) hotline.Header {
	all := append([]Option{like(re), In(CaseOf(re)), Re(re.ID), To(to...)}, options...)
	return p.Header(hotline.KindAlert, issued, all...)
}

// AlertBody is the body of Alert and FlashAlert.
func AlertBody() *hotline.Alert {
	return &hotline.Alert{Facts: Facts(), Language: "en", Text: "Use of ICTs against a control network. Measures follow."}
}

// Ratification is signed by A1.
func (p *Party) Ratification(issued hotline.Time, alert *hotline.Statement, options ...Option) *hotline.Statement {
	all := append([]Option{like(alert), In(CaseOf(alert)), Re(alert.ID), To(alert.Header.To...)}, options...)
	return p.By(p.Header(hotline.KindRatification, issued, all...), &hotline.Note{}, "A1")
}

// Text is signed by O1.
func (p *Party) Text(issued hotline.Time, to hotline.Party, text string, options ...Option) *hotline.Statement {
	h := p.Header(hotline.KindText, issued, append([]Option{To(to)}, options...)...)
	return p.By(h, &hotline.Note{Language: "en", Text: text}, "O1")
}

// Acknowledgement of a received statement is signed by L1 and goes to its
// sender.
func (p *Party) Acknowledgement(issued hotline.Time, of *hotline.Statement, options ...Option) *hotline.Statement {
	all := append([]Option{about(of), To(of.Header.From)}, options...)
	return p.By(p.Header(hotline.KindAcknowledgement, issued, all...), &hotline.Note{}, "L1")
}

// Rungs is a ladder with somebody of p on every rung: L1, L2 and A1.
func (p *Party) Rungs(number uint64) *hotline.Ladder {
	rung := func(permille uint64, office, post string) hotline.Rung {
		return hotline.Rung{Permille: permille, Office: office, Targets: []string{p.Name(post)}}
	}
	return &hotline.Ladder{Number: number,
		Owing: []hotline.Rung{rung(500, "desk", "O1"), rung(750, "deputy", "R1"),
			rung(hotline.Deadline, "director", "A1"), rung(2000, "authority", "A1")},
		Receiving: []hotline.Rung{rung(0, "desk", "L1"), rung(300, "deputy", "L2"), rung(500, "second-site", "L2"),
			rung(hotline.Deadline, "director", "A1"), rung(2000, "voice", "A1"), rung(3000, "authority", "A1")},
	}
}

// Watches is Rungs with a rota on the receiving side's first rung and channels
// for everybody: for two hours from a time on, which it takes to the minute,
// L1 has the first, L2 the second, and both a quarter of an hour between.
func (p *Party) Watches(number uint64, from hotline.Time) *hotline.Ladder {
	l := p.Rungs(number)
	l.From = from - from%60_000
	l.Until = l.From + 2*3600_000
	l.Rotas = []hotline.Rota{{Name: "desk", Zone: "Etc/UTC", People: []string{p.Name("L1"), p.Name("L2")},
		Watches: []hotline.Watch{{Minutes: 60, People: 1}, {Minutes: 15, People: 3}, {Minutes: 45, People: 2}}}}
	l.Receiving[0].Targets, l.Receiving[0].Repeat = []string{"desk"}, 100
	l.Owing[3].Repeat, l.Receiving[5].Repeat = 1000, 3000
	for _, post := range []string{"A1", "L1", "L2", "O1", "R1"} {
		l.Contacts = append(l.Contacts, hotline.Reach{Officer: p.Name(post), Channels: []string{"sms", "mail"}})
	}
	return l
}

// Ladder is signed by A1 and carries Rungs.
func (p *Party) Ladder(issued hotline.Time, number uint64, options ...Option) *hotline.Statement {
	return p.By(p.Header(hotline.KindLadder, issued, options...), p.Rungs(number), "A1")
}

// AutomaticAlert embeds an assessment and goes to whom it says must be told.
func (p *Party) AutomaticAlert(issued hotline.Time, assessment *hotline.Statement, cause uint64, options ...Option) *hotline.Statement {
	all := append([]Option{about(assessment), To(assessment.Header.Notify...), Cause(cause)}, options...)
	return p.ByGroup(p.Header(hotline.KindAutomaticAlert, issued, all...), &hotline.AutomaticAlert{Assessment: assessment.Raw})
}

// Escalation tells the sender of a statement that nobody acknowledged in time.
func (p *Party) Escalation(issued hotline.Time, of *hotline.Statement, cause uint64, options ...Option) *hotline.Statement {
	all := append([]Option{about(of), To(of.Header.From), Cause(cause)}, options...)
	return p.ByGroup(p.Header(hotline.KindEscalation, issued, all...), &hotline.Escalation{Due: issued, Office: "director"})
}

// NonDelivery records that no receipt of an own statement came from to.
func (p *Party) NonDelivery(issued hotline.Time, of *hotline.Statement, to hotline.Party, cause uint64, options ...Option) *hotline.Statement {
	all := append([]Option{about(of), Cause(cause), Reason(hotline.CodeNoReceipt)}, options...)
	return p.ByGroup(p.Header(hotline.KindNonDelivery, issued, all...), &hotline.NonDelivery{To: to, Due: issued})
}

// LineTest enters by the party's first node.
func (p *Party) LineTest(issued hotline.Time, to hotline.Party, serial, cause uint64, options ...Option) *hotline.Statement {
	all := append([]Option{To(to), Cause(cause), Precedence(hotline.Routine)}, options...)
	return p.ByGroup(p.Header(hotline.KindLineTest, issued, all...), &hotline.LineTest{Serial: serial, Node: p.Name("1")})
}

// LineReply answers a line test with its serial.
func (p *Party) LineReply(issued hotline.Time, test *hotline.Statement, cause uint64, options ...Option) *hotline.Statement {
	body := must(test.OpenBody()).(*hotline.LineTest)
	all := append([]Option{like(test), Re(test.ID), To(test.Header.From), Cause(cause)}, options...)
	return p.ByGroup(p.Header(hotline.KindLineReply, issued, all...), &hotline.LineTest{Serial: body.Serial, Node: p.Name("1")})
}

// Reject tells the sender why a statement, which used up a sequence, is not
// acceptable.
func (p *Party) Reject(issued hotline.Time, of *hotline.Statement, sequence, cause uint64, code hotline.Code, options ...Option) *hotline.Statement {
	all := append([]Option{about(of), To(of.Header.From), Cause(cause), Reason(code)}, options...)
	return p.ByGroup(p.Header(hotline.KindReject, issued, all...), &hotline.Reject{Sequence: sequence})
}

// Unreadable tells the sender that the sealed body cannot be read.
func (p *Party) Unreadable(issued hotline.Time, of *hotline.Statement, cause uint64, options ...Option) *hotline.Statement {
	all := append([]Option{about(of), To(of.Header.From), Cause(cause), Reason(hotline.CodeUnreadable)}, options...)
	return p.ByGroup(p.Header(hotline.KindUnreadable, issued, all...), &hotline.Service{})
}

// ServiceMessage tells the other side's technicians something.
func (p *Party) ServiceMessage(issued hotline.Time, to hotline.Party, text string, options ...Option) *hotline.Statement {
	h := p.Header(hotline.KindService, issued, append([]Option{To(to)}, options...)...)
	return p.ByGroup(h, &hotline.Service{Text: text})
}

// like takes status and precedence over from another statement.
func like(st *hotline.Statement) Option {
	return func(h *hotline.Header) { h.Status, h.Precedence = st.Header.Status, st.Header.Precedence }
}

// about refers to another statement in its case, with its status and
// precedence.
func about(st *hotline.Statement) Option {
	return func(h *hotline.Header) {
		like(st)(h)
		Re(st.ID)(h)
		if in := st.InCase(); in != nil {
			In(*in)(h)
		}
	}
}
