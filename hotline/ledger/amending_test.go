package ledger_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/hotlinetest"
	"example.org/hotline/hotline/ledger"
)

// TestAmendmentsDecideAlike holds what is promised of every log, as TestInvariants, where
// the convention is amended again and again: terms end and begin, a party only
// observes for a while, and what an amendment ended before its time is passed over.
func TestAmendmentsDecideAlike(t *testing.T) {
	play(t, "20", func(g *game) {
		for range rapid.IntRange(10, 50).Draw(g.T, "steps") {
			if g.chance(15, "amended") {
				g.amend()
			}
			for _, m := range g.w.members {
				m.Convention = m.state.Convention(g.w.now)
			}
			g.step()
		}
	})
}

// amend makes the next version of the convention, and everybody learns of it.
func (g *game) amend() {
	c := g.w.convention.Convention
	c.Parties = append([]hotline.Member{}, c.Parties...)
	c.Version, c.Previous = c.Version+1, g.w.convention.Hash
	c.ValidFrom = max(c.ValidFrom, g.w.now) + rapid.SampledFrom([]hotline.Time{1, 60_000, 3 * 3600_000, 24 * 3600_000, 40 * 24 * 3600_000}).Draw(g.T, "valid after")
	terms := hotlinetest.Terms("crisis")
	for _, term := range []*int64{&terms.LineTest, &terms.WatchTest, &terms.Contacts} {
		if g.chance(40, "without a term") {
			*term = 0
		}
	}
	if g.chance(40, "without an alarm") {
		terms.LineAlarm = 0
	}
	terms.Automatic = g.chance(70, "automatic")
	c.Terms = terms
	observer := g.pick(6, "observer") // of three parties, or none
	for i := range c.Parties {
		c.Parties[i].Observer = i == observer
	}
	if c.Validate() != nil {
		return // an alarm without tests
	}
	var signers []*hotlinetest.Party
	for i, m := range c.Parties {
		if g.w.convention.Demands(m) || !g.w.convention.Parties[i].Observer {
			signers = append(signers, g.w.members[m.Party].Party)
		}
	}
	g.w.convention = hotlinetest.Amend(g.w.convention, &c, signers...)
	for _, p := range g.w.order {
		g.propose(g.w.members[p], &ledger.Command{Type: ledger.Document, Document: g.w.convention.Raw})
	}
}

// Promise: committed time does not go back behind a clock that an amendment ended and
// that passed without an entry, also if the command that passed it was refused and what
// comes after carries no readings (SPEC §6.1 rules 2 and 3).
func TestTimeStaysAheadOfWhatPassed(t *testing.T) {
	w, a, b := pairWorld(t, func(c *hotline.Convention) { c.Terms.Contacts, c.Terms.LineAlarm = 0, 0 })
	c := w.convention.Convention
	c.Version, c.Previous, c.ValidFrom = c.Version+1, w.convention.Hash, w.now+1
	c.Terms.LineTest, c.Terms.WatchTest = 0, 0
	w.convention = hotlinetest.Amend(w.convention, &c, a.Party, b.Party, w.members["XC"].Party)
	w.documents["convention/2"] = w.convention.Raw
	for _, p := range w.order {
		w.members[p].Convention = w.convention
		w.must(w.members[p], &ledger.Command{Type: ledger.Document, Document: w.convention.Raw})
	}
	w.now += hotline.Time(a.state.Conventions()[0].Terms.LineTest) // the last line tests are due, and end
	w.must(a, &ledger.Command{Type: ledger.Tick})
	i := slices.IndexFunc(a.state.OpenDuties(), func(d *ledger.Duty) bool { return d.Class == hotline.DutyWatchTest })
	ended := a.state.OpenDuties()[i].Deadline
	w.now = ended + 3600_000
	r, err := w.propose(a, &ledger.Command{Type: ledger.Document, Document: w.convention.Raw}, true)
	if err != nil || r.Code != hotline.CodeOldNumber {
		t.Fatalf("a known document: %q, %v", r.Code, err)
	}
	r, err = w.propose(a, &ledger.Command{Type: ledger.Submit, Statement: a.Detection(w.now).Raw, Readings: []hotline.Reading{}}, false)
	if err != nil || r.Code != "" {
		t.Fatalf("a statement without readings: %q, %v", r.Code, err)
	}
	if a.state.Time() < ended {
		t.Errorf("the log is at %s, and a clock of %s has passed", clock(a.state.Time()), clock(ended))
	}
	w.check()
}
