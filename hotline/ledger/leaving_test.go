package ledger_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/hotlinetest"
	"example.org/hotline/hotline/ledger"
)

// TestPartsDecideAsTheLogWhenOneLeaves holds SPEC §6.3 rules 12 and 13 in random
// runs: one of three parties leaves or becomes an observer, and perhaps takes part
// again. Each pair and each case decides as the whole, nothing is overdue towards
// who is no party, nothing is asked for in vain, and no duty for nobody is left
// that has no clock.
func TestPartsDecideAsTheLogWhenOneLeaves(t *testing.T) {
	play(t, "30", func(g *game) {
		invariants := g.w.observe
		g.w.observe = func(m *member, c *ledger.Command, r *ledger.Result) {
			invariants(m, c, r)
			g.owesNobody(m, c, r)
		}
		steps := []func(*member){g.detect, g.assess, g.assess, g.alert, g.alert, g.alert, g.acknowledge, g.deliver, g.deliver, g.settle,
			g.composed, g.tick, g.ask, g.ask, g.answer, g.report, g.report, g.stand, g.text, g.explain, g.takeBack, g.takeBack}
		for amended := range rapid.IntRange(1, 2).Draw(g.T, "amendments") {
			for range rapid.IntRange(5, 30).Draw(g.T, "before") {
				g.wait()
				steps[g.pick(len(steps), "step")](g.party())
			}
			g.leave(amended > 0)
		}
		for range rapid.IntRange(5, 30).Draw(g.T, "after") {
			g.wait()
			steps[g.pick(len(steps), "step")](g.party())
		}
		g.w.now += 2 * 3600_000 // beyond what a clock that was off let pass without an entry
		for _, p := range g.w.order {
			g.w.must(g.w.members[p], &ledger.Command{Type: ledger.Members, Voters: g.w.members[p].nodes(2)})
		}
	})
}

func (g *game) wait() {
	const minute = 60_000
	pauses := []hotline.Time{0, 1, minute, 4 * minute, 10 * minute, 15 * minute, 60 * minute, 25 * 60 * minute, 4 * 24 * 60 * minute}
	if g.chance(50, "pause") {
		g.w.now += rapid.SampledFrom(pauses).Draw(g.T, "for")
	}
}

// leave makes XC an observer, ends its part, or takes it back; all learn of it.
func (g *game) leave(back bool) {
	w := g.w
	c := w.convention.Convention
	c.Version, c.Previous = c.Version+1, w.convention.Hash
	c.ValidFrom = max(w.now+rapid.SampledFrom([]hotline.Time{0, 1, 5 * 60_000}).Draw(g.T, "valid"), c.ValidFrom)
	first := w.members["XA"].state.Conventions()[0].Parties
	signers := []*hotlinetest.Party{w.members["XA"].Party, w.members["XB"].Party, w.members["XC"].Party}
	switch {
	case back:
		c.Parties = first
	case g.chance(50, "observes"):
		c.Parties = slices.Clone(first)
		c.Parties[2].Observer = true
	default:
		c.Parties, signers = first[:2], signers[:2]
	}
	w.convention = hotlinetest.Amend(w.convention, &c, signers...)
	name := fmt.Sprintf("convention/%d", c.Version)
	w.documents[name] = w.convention.Raw
	for _, p := range w.order {
		w.members[p].Convention = w.convention
		w.must(w.members[p], &ledger.Command{Type: ledger.Document, Document: w.convention.Raw})
	}
	w.now = max(w.now, c.ValidFrom)
	for _, over := range g.over { // a line that is taken up again is waited for anew
		maps.DeleteFunc(over.late, func(name string, _ bool) bool { return strings.HasPrefix(name, "line-") })
	}
}

// owesNobody looks at a ledger whose own party takes part.
func (g *game) owesNobody(m *member, did *ledger.Command, r *ledger.Result) {
	speaks := func(p hotline.Party, t hotline.Time) bool {
		c := m.state.Convention(t)
		return c.Member(p) != nil && !c.Observes(p)
	}
	if did.Type == ledger.Document && r.Code == "" {
		return // what was due by then fired before the version was known
	}
	if !speaks(m.Code, m.state.Time()) {
		return
	}
	for _, raw := range r.Entries {
		_, content, err := hotline.DecodeEntry(raw)
		if err != nil {
			g.Fatal(err)
		}
		if due, ok := content.(*hotline.Due); ok && due.Overdue && due.Duty.Owned() && due.Peer != "" && !speaks(due.Peer, due.Due) {
			g.Fatalf("%s: %s is overdue towards %s, to whom nothing is owed", m.Code, due.Duty, due.Peer)
		}
	}
	for _, d := range m.state.OpenDuties() {
		if d.Peer != "" && d.Next == len(d.Clocks) && !speaks(d.Peer, m.state.Time()) {
			g.Fatalf("%s: the duty %s towards %s has no clock left, and nobody can close it", m.Code, d.Class, d.Peer)
		}
	}
}

// composed says all that the group is asked for, of which nothing is refused.
func (g *game) composed(m *member) {
	for _, a := range m.state.Asks(g.w.now) {
		st := g.w.answer(m, a)
		g.w.name(st, "")
		if r, err := g.w.propose(m, &ledger.Command{Type: ledger.Submit, Statement: st.Raw}, false); err != nil || r.Code != "" && r.Code != hotline.CodeNotOwed {
			g.Fatalf("%s: a %s to %v was asked for in vain: %v %s", m.Code, a.Kind, a.To, err, r.Text)
		}
		g.said = append(g.said, st)
	}
}

// takeBack retracts or ratifies an own alert towards those to whom that can be told.
func (g *game) takeBack(m *member) {
	st := g.statement(func(st *hotline.Statement) bool {
		return st.Header.From == m.Code && st.Header.Kind == hotline.KindAlert
	})
	if st == nil {
		return
	}
	kinds := []hotline.Kind{hotline.KindRetract, hotline.KindRatification}
	g.says(m, kinds[g.pick(2, "take back")], st, func(h *hotline.Header) {
		h.To = slices.DeleteFunc(slices.Clone(st.Header.To), func(p hotline.Party) bool {
			return g.w.convention.Member(p) == nil || g.w.convention.Observes(p)
		})
		if h.Kind == hotline.KindRetract {
			h.Reason = hotline.RetractReasons[0]
		}
	})
}
