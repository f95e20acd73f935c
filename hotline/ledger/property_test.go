package ledger_test

import (
	"flag"
	"fmt"
	"slices"
	"testing"
	"testing/cryptotest"

	"pgregory.net/rapid"

	"example.org/hotline/crypto/keys"
	"example.org/hotline/hotline"
	"example.org/hotline/hotline/hotlinetest"
	"example.org/hotline/hotline/ledger"
)

// TestInvariants interleaves commands of three parties at random and holds what
// is promised of every log: committed time never falls; a clock fires once, not
// before its time, and never for what was done; sequences are dense; nothing
// that is due is passed over; replay, projections and snapshots agree.
//
// A default run is short; -rapid.checks=2000 is the one to trust before a release.
func TestInvariants(t *testing.T) {
	play(t, "40", func(g *game) {
		for range rapid.IntRange(10, 50).Draw(g.T, "steps") {
			g.step()
		}
	})
}

// play makes random runs, so many by default, and decides the logs of each again in
// the end.
func play(t *testing.T, checks string, run func(*game)) {
	defer setChecks(t, checks)()
	rapid.Check(t, func(rt *rapid.T) {
		cryptotest.SetGlobalRandom(t, 1)
		g := newGame(rt)
		run(g)
		g.w.check()
	})
}

// setChecks makes a default run short. What it returns takes that back.
func setChecks(t *testing.T, n string) (restore func()) {
	checks := flag.Lookup("rapid.checks")
	if checks.Value.String() != checks.DefValue {
		return func() {}
	}
	if err := checks.Value.Set(n); err != nil {
		t.Fatal(err)
	}
	return func() { _ = checks.Value.Set(checks.DefValue) }
}

// game is a random run: the world, what was said in it, and the watch that is
// kept over each log.
type game struct {
	*rapid.T
	w    *world
	said []*hotline.Statement
	over map[hotline.Party]*watch
}

func newGame(rt *rapid.T) *game {
	g := &game{T: rt, over: map[hotline.Party]*watch{}}
	lineTests := rapid.Bool().Draw(rt, "line tests")
	g.w = newWorld(rt, setup{parties: []hotline.Party{"XA", "XB", "XC"}, voters: rapid.SampledFrom([]int{1, 3}).Draw(rt, "voters"),
		at: hotlinetest.Epoch + 9*3600*1000, change: func(c *hotline.Convention) {
			if !lineTests {
				c.Terms.LineTest = 0
			}
		}})
	g.w.twins = 4
	for _, p := range g.w.order {
		g.over[p] = newWatch(p)
		for i, raw := range g.w.members[p].entries {
			g.over[p].entry(rt, uint64(i), raw)
		}
	}
	g.w.observe = func(m *member, c *ledger.Command, r *ledger.Result) {
		for i, raw := range r.Entries {
			g.over[m.Code].entry(rt, r.First+uint64(i), raw)
		}
		if due, ok := m.state.NextDeadline(); ok && due <= m.state.Time() {
			rt.Fatalf("%s: a clock was due at %s, and the log is at %s", m.Code, clock(due), clock(m.state.Time()))
		}
	}
	return g
}

func (g *game) pick(n int, what string) int { return rapid.IntRange(0, n-1).Draw(g.T, what) }

func (g *game) chance(percent int, what string) bool {
	return rapid.IntRange(0, 99).Draw(g.T, what) < percent
}

func (g *game) party() *member {
	return g.w.members[rapid.SampledFrom(g.w.order).Draw(g.T, "party")]
}

func (g *game) others(m *member) []hotline.Party {
	var list []hotline.Party
	for _, p := range g.w.order {
		if p != m.Code && g.chance(60, "to "+string(p)) {
			list = append(list, p)
		}
	}
	return list
}

// statement picks what was said before, or nil.
func (g *game) statement(like func(*hotline.Statement) bool) *hotline.Statement {
	var list []*hotline.Statement
	for _, st := range g.said {
		if like(st) {
			list = append(list, st)
		}
	}
	if len(list) == 0 {
		return nil
	}
	return list[g.pick(len(list), "statement")]
}

func (g *game) step() {
	pauses := []hotline.Time{0, 1, 1000, 30_000, 30_001, 3 * 60_000, 10 * 60_000, 15 * 60_000, 3600_000, 25 * 3600_000, 31 * 24 * 3600_000}
	if g.chance(50, "pause") {
		g.w.now += rapid.SampledFrom(pauses).Draw(g.T, "for")
	}
	m := g.party()
	steps := []func(*member){g.detect, g.assess, g.alert, g.alert, g.text, g.acknowledge, g.acknowledge, g.deliver, g.deliver, g.deliver,
		g.receipt, g.receipt, g.compose, g.compose, g.tick, g.again, g.anything, g.page, g.wake, g.wake, g.wake, g.working, g.ask, g.ask, g.answer, g.answer,
		g.report, g.report, g.report, g.stand, g.explain}
	steps[g.pick(len(steps), "step")](m)
}

// propose lets the leader's clock be off now and then, and its readings fail.
func (g *game) propose(m *member, c *ledger.Command) *ledger.Result {
	if g.chance(10, "clock off") {
		c.Time = g.w.now + rapid.SampledFrom([]hotline.Time{-3600_000, -1, 1, 20_000, 3600_000}).Draw(g.T, "by")
		c.Readings = []hotline.Reading{}
	}
	r, err := g.w.propose(m, c, false)
	if err != nil {
		return &ledger.Result{Code: hotline.CodeOf(err)}
	}
	return r
}

func (g *game) submit(m *member, st *hotline.Statement) {
	g.w.name(st, "")
	if g.propose(m, &ledger.Command{Type: ledger.Submit, Statement: st.Raw}).Code == "" {
		g.said = append(g.said, st)
	}
}

func (g *game) detect(m *member) {
	status := hotlinetest.Status(rapid.SampledFrom([]hotline.Status{hotline.Actual, hotline.Exercise}).Draw(g.T, "status"))
	precedence := hotlinetest.Precedence(rapid.SampledFrom([]hotline.Precedence{hotline.Flash, hotline.Routine}).Draw(g.T, "precedence"))
	g.submit(m, m.Detection(g.w.now, status, precedence))
}

func (g *game) assess(m *member) {
	if d := g.statement(func(st *hotline.Statement) bool {
		return st.Header.Kind == hotline.KindDetection && st.Header.From == m.Code
	}); d != nil {
		g.submit(m, m.Assessment(g.w.now, d, g.others(m)))
	}
}

func (g *game) alert(m *member) {
	a := g.statement(func(st *hotline.Statement) bool {
		return st.Header.Kind == hotline.KindAssessment && st.Header.From == m.Code
	})
	to := g.others(m)
	if a == nil || len(to) == 0 {
		return
	}
	if g.chance(30, "alone") {
		alert := m.FlashAlert(g.w.now, a, to)
		g.submit(m, alert)
		if g.chance(50, "ratified") {
			g.submit(m, m.Ratification(g.w.now, alert))
		}
		return
	}
	g.submit(m, m.Alert(g.w.now, a, to))
}

func (g *game) text(m *member) {
	to := g.others(m)
	if len(to) == 0 {
		return
	}
	options := []hotlinetest.Option{}
	if about := g.statement(func(*hotline.Statement) bool { return true }); about != nil && g.chance(60, "in a case") {
		if about.Header.Case != nil || about.Header.Kind.Rules().Opens {
			options = append(options, hotlinetest.In(hotlinetest.CaseOf(about)), hotlinetest.To(to...), hotlinetest.Status(about.Header.Status))
		}
	}
	g.submit(m, m.Text(g.w.now, to[0], "words", options...))
}

func (g *game) acknowledge(m *member) {
	if st := g.statement(func(st *hotline.Statement) bool {
		return st.Header.Kind.Rules().OpensAck && slices.Contains(st.Header.To, m.Code)
	}); st != nil {
		g.submit(m, m.Acknowledgement(g.w.now, st))
	}
}

// deliver hands something tendered to an addressee, perhaps for the second time.
func (g *game) deliver(m *member) {
	st := g.statement(func(st *hotline.Statement) bool { return slices.Contains(st.Header.To, m.Code) })
	if st == nil {
		return
	}
	from := g.w.members[st.Header.From]
	p := from.tenders[st.ID]
	c := &ledger.Command{Type: ledger.Receive, Statement: st.Raw, Sender: p.sender, Tender: p.tender}
	if g.propose(m, c).Code == hotline.CodeNeed {
		for n := uint64(1); n <= from.Number; n++ {
			raw := g.w.documents[fmt.Sprintf("%s/%d", from.Code, n)]
			g.propose(m, &ledger.Command{Type: ledger.Document, Document: raw})
		}
		g.propose(m, &ledger.Command{Type: ledger.Receive, Statement: st.Raw, Sender: p.sender, Tender: p.tender})
	}
}

func (g *game) receipt(m *member) {
	st := g.statement(func(st *hotline.Statement) bool { return st.Header.From == m.Code && len(st.Header.To) > 0 })
	if st == nil {
		return
	}
	peer := g.w.members[st.Header.To[g.pick(len(st.Header.To), "of")]]
	if raw := peer.receipts[st.ID]; raw != nil {
		g.propose(m, &ledger.Command{Type: ledger.Receipt, Receipt: raw, Tender: m.tenders[st.ID].tender})
	}
}

func (g *game) compose(m *member) {
	for _, a := range m.state.Asks(g.w.now) {
		if g.chance(80, "composed") {
			g.submit(m, g.w.answer(m, a))
		}
	}
}

func (g *game) tick(m *member) { g.propose(m, &ledger.Command{Type: ledger.Tick}) }

func (g *game) again(m *member) {
	if st := g.statement(func(st *hotline.Statement) bool { return st.Header.From == m.Code }); st != nil {
		g.propose(m, &ledger.Command{Type: ledger.Submit, Statement: st.Raw})
	}
}

// anything signs a header as it comes: whatever its sense, the ledger decides
// and does not fall.
func (g *game) anything(m *member) {
	kinds := slices.DeleteFunc(hotline.Kinds(), func(r *hotline.Rules) bool { return r.Class == hotline.ByRoots })
	rules := kinds[g.pick(len(kinds), "kind")]
	h := m.Header(rules.Kind, g.w.now)
	re := g.statement(func(*hotline.Statement) bool { return true })
	if re == nil {
		return
	}
	id, c := re.ID, hotlinetest.CaseOf(re)
	if rules.Case == hotline.Must || (rules.Case == hotline.May && g.chance(50, "case")) {
		h.Case, h.Status = &c, re.Header.Status
	}
	if rules.Re == hotline.Must {
		h.Re = &id
	}
	if rules.Delivered {
		h.To = g.others(m)
	}
	if rules.Notify == hotline.May && g.chance(50, "notify") {
		h.Notify = g.others(m)
	}
	if rules.Verdict == hotline.Must {
		h.Verdict = hotline.Verdict(1 + g.pick(2, "verdict"))
	}
	if rules.Cause == hotline.Must {
		h.Cause = uint64(1 + g.pick(len(m.entries), "cause"))
	}
	if rules.Reason == hotline.Must {
		h.Reason = reasonOf(rules.Kind)
	}
	if rules.Dispositions != nil {
		h.Disposition = rules.Dispositions[g.pick(len(rules.Dispositions), "disposition")]
	}
	h.Detected, h.Assessed = 0, 0
	if rules.Detected == hotline.Must {
		h.Detected = g.w.now
	}
	if rules.Assessed == hotline.Must {
		h.Assessed = g.w.now
	}
	g.sign(m, h, rules)
}

func (g *game) sign(m *member, h hotline.Header, rules *hotline.Rules) {
	var signers []keys.Signer
	for i, roles := range rules.Authors {
		post := map[hotline.Role]string{hotline.Operator: "O1", hotline.Releaser: "R1", hotline.Liaison: "L1", hotline.Authority: "A1"}[roles[0]]
		if i > 0 && rules.SameRole {
			post = "O2"
		}
		signers = append(signers, m.Officer(post))
	}
	if len(signers) == 0 {
		signers = []keys.Signer{m.Service}
	}
	for _, s := range signers {
		h.Authors = append(h.Authors, s.Public().ID())
	}
	payload := hotline.MustMarshal(bodyOf(m, h.Kind))
	if rules.Sealed {
		payload = m.Seal(&h, payload)
	}
	if raw, err := hotline.Sign(h, payload, signers...); err == nil {
		g.submit(m, g.w.parse(raw))
	}
}

func bodyOf(m *member, k hotline.Kind) hotline.Body {
	switch k {
	case hotline.KindLadder:
		return m.Rungs(1)
	case hotline.KindEscalation:
		return &hotline.Escalation{Due: 1, Office: "director"}
	case hotline.KindNonDelivery:
		return &hotline.NonDelivery{To: "XB", Due: 1}
	case hotline.KindLineTest, hotline.KindLineReply, hotline.KindWatchTest:
		return &hotline.LineTest{Serial: 1, Node: m.Name("1")}
	case hotline.KindReject:
		return &hotline.Reject{Sequence: 1}
	case hotline.KindUnreadable, hotline.KindService:
		return &hotline.Service{}
	}
	return &hotline.Note{}
}

// reasonOf is a reason that a statement of a kind may bear.
func reasonOf(k hotline.Kind) hotline.Code {
	switch k {
	case hotline.KindRetract:
		return hotline.RetractReasons[0]
	case hotline.KindLateReason:
		return hotline.LateReasons[0]
	}
	return hotline.CodeNoReceipt
}

// says makes a statement of a kind about another, which may open a case.
func (g *game) says(m *member, kind hotline.Kind, re *hotline.Statement, change func(*hotline.Header)) {
	h := m.Header(kind, g.w.now)
	if re != nil {
		about(re)(&h)
	}
	if change(&h); kind.Rules().Delivered && len(h.To) == 0 {
		return
	}
	g.sign(m, h, kind.Rules())
}

// ask opens a case with a request or a notice, or asks in one.
func (g *game) ask(m *member) {
	kinds := []hotline.Kind{hotline.KindInquiry, hotline.KindAssistanceRequest, hotline.KindConsult, hotline.KindInformation,
		hotline.KindAdvanceNotice, hotline.KindThirdPartyReport}
	kind := kinds[g.pick(len(kinds), "request")]
	var in *hotline.Statement
	if kind.Rules().Case == hotline.May && g.chance(50, "in a case") {
		in = g.statement(func(st *hotline.Statement) bool { return st.InCase() != nil })
	}
	g.says(m, kind, in, func(h *hotline.Header) {
		h.To, h.Precedence = g.others(m), hotline.Precedence(1+g.pick(4, "precedence"))
	})
}

// answer answers what was asked of a party, for the time being or for good.
func (g *game) answer(m *member) {
	st := g.statement(func(st *hotline.Statement) bool {
		k := st.Header.Kind
		return slices.Contains(st.Header.To, m.Code) &&
			(k == hotline.KindInquiry || k == hotline.KindConsult || k == hotline.KindAssistanceRequest)
	})
	if st == nil {
		return
	}
	kind := hotline.KindReply
	if st.Header.Kind == hotline.KindAssistanceRequest {
		kind = hotline.KindAssistanceResponse
	}
	of := kind.Rules().Dispositions
	g.says(m, kind, st, func(h *hotline.Header) {
		h.To, h.Disposition = []hotline.Party{st.Header.From}, of[g.pick(len(of), "disposition")]
	})
}

// report says more about what was alerted, or takes it back.
func (g *game) report(m *member) {
	st := g.statement(func(st *hotline.Statement) bool {
		return st.Header.From == m.Code && len(st.Header.To) > 0 && st.InCase() != nil
	})
	if st == nil {
		return
	}
	kinds := []hotline.Kind{hotline.KindSupplement, hotline.KindProgress, hotline.KindProgress, hotline.KindFinal, hotline.KindRetract}
	g.says(m, kinds[g.pick(len(kinds), "report")], st, func(h *hotline.Header) {
		if h.To = st.Header.To; h.Kind == hotline.KindRetract {
			h.Reason = hotline.RetractReasons[0]
		}
	})
}

// stand disputes, suspends, resumes or hands over.
func (g *game) stand(m *member) {
	st := g.statement(func(st *hotline.Statement) bool { return slices.Contains(st.Header.To, m.Code) && st.InCase() != nil })
	switch g.pick(3, "stand") {
	case 0:
		g.says(m, hotline.KindHandover, nil, func(*hotline.Header) {})
	case 1:
		if st != nil {
			g.says(m, hotline.KindDispute, st, func(h *hotline.Header) { h.To = []hotline.Party{st.Header.From} })
		}
	default:
		g.says(m, hotline.KindSuspension, nil, func(h *hotline.Header) {
			if h.To = g.others(m); len(h.To) > 1 {
				h.To = h.To[:1]
			}
			if st != nil && g.chance(50, "in a case") {
				h.Case, h.Status = st.InCase(), st.Header.Status
			}
			h.Disposition = []hotline.Disposition{hotline.Suspended, hotline.Resumed}[g.pick(2, "suspended")]
		})
	}
}

// explain gives a reason for something that was overdue.
func (g *game) explain(m *member) {
	var late []ledger.Late
	for _, k := range m.state.Cases() {
		late = append(late, k.Late...)
	}
	for _, p := range m.state.Peers() {
		late = append(late, m.state.Pair(p).Late...)
	}
	if len(late) == 0 {
		return
	}
	l := late[g.pick(len(late), "late")]
	st := g.statement(func(st *hotline.Statement) bool { return st.ID == l.Subject })
	g.says(m, hotline.KindLateReason, st, func(h *hotline.Header) {
		id := l.Subject
		h.Re, h.Cause, h.Reason = &id, l.Entry+1, hotline.LateReasons[0]
	})
}

// page renews the directory; the others learn of it when they need it.
func (g *game) page(m *member) {
	n := m.Number + 1
	raw := m.SignDirectory(m.Page(n))
	g.w.documents[fmt.Sprintf("%s/%d", m.Code, n)] = raw
	if g.propose(m, &ledger.Command{Type: ledger.Document, Document: raw}).Code == "" {
		m.Number = n
	}
}

func (g *game) working(m *member) {
	h := hit(rapid.SampledFrom([]string{"a", "b"}).Draw(g.T, "hit"))
	switch g.pick(3, "working") {
	case 0:
		g.propose(m, &ledger.Command{Type: ledger.Hit, Hit: h})
	case 1:
		g.propose(m, &ledger.Command{Type: ledger.Dismiss, Key: h.Key})
	default:
		g.propose(m, &ledger.Command{Type: ledger.Members, Voters: m.nodes(1 + 2*g.pick(2, "voters"))})
	}
}
