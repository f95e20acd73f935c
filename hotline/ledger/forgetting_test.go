package ledger_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/ledger"
)

// TestPartsForgetAsTheLog holds the promise of SPEC §7.3 rule 4 around the day
// and the month of memory: three parties speak in each other's cases, nearly all
// is settled, and then so much time passes that some of it is forgotten. Each pair
// and each case decides as the whole.
func TestPartsForgetAsTheLog(t *testing.T) {
	play(t, "40", func(g *game) {
		g.w.observe, g.w.twins = nil, 40 // a case that is opened anew numbers its clocks anew
		for range rapid.IntRange(20, 80).Draw(g.T, "steps") {
			g.pass()
			m := g.party()
			steps := []func(*member){g.text, g.text, g.text, g.ask, g.acknowledge, g.acknowledge, g.settle, g.settle, g.settle, g.settle, g.answer, g.answer,
				g.report, g.stand, g.stand, g.anything, g.anything, g.compose, g.detect, g.assess, g.alert, g.explain}
			steps[g.pick(len(steps), "step")](m)
		}
	})
}

// pass lets as much time pass as makes some things forgotten and others not.
func (g *game) pass() {
	const day = 24 * 3600_000
	pauses := []hotline.Time{0, 1, 20_000, 3600_000, day / 2, day + 3600_000, 10 * day, 10 * day, 16 * day, 16 * day, 31 * day}
	if g.chance(50, "pause") {
		g.w.now += rapid.SampledFrom(pauses).Draw(g.T, "for")
	}
}

// settle carries everything to everybody, and nearly all of it is acknowledged.
func (g *game) settle(*member) {
	for _, st := range g.said {
		from := g.w.members[st.Header.From]
		for _, to := range st.Header.To {
			p, tendered := g.w.members[to], from.tenders[st.ID]
			if p.receipts[st.ID] == nil {
				g.propose(p, &ledger.Command{Type: ledger.Receive, Statement: st.Raw, Sender: tendered.sender, Tender: tendered.tender})
			}
			if raw := p.receipts[st.ID]; raw != nil {
				g.propose(from, &ledger.Command{Type: ledger.Receipt, Receipt: raw, Tender: tendered.tender})
			}
			if st.Header.Kind.Rules().OpensAck && !g.acknowledged(st, to) && g.chance(90, "acknowledged") {
				g.submit(p, p.Acknowledgement(g.w.now, st))
			}
		}
	}
}

func (g *game) acknowledged(st *hotline.Statement, by hotline.Party) bool {
	return slices.ContainsFunc(g.said, func(x *hotline.Statement) bool {
		return x.Header.From == by && x.Header.Kind == hotline.KindAcknowledgement && *x.Header.Re == st.ID
	})
}
