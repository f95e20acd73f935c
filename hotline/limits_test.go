package hotline_test

import (
	"fmt"
	"strings"
	"testing"

	"example.org/hotline/crypto/seal"
	"example.org/hotline/crypto/tlog"
	. "example.org/hotline/hotline"
	"example.org/hotline/hotline/hotlinetest"
)

// TestLimitsFitEachOther: what one bound allows, no other bound forbids.
func TestLimitsFitEachOther(t *testing.T) {
	const heads = 512 // of arrays, maps and numbers around the parts
	for name, fits := range map[string]bool{
		"every party can sign":                             MaxParties <= MaxAuthors && MaxAuthors <= seal.MaxSignatures,
		"every addressee and the sender can read":          MaxAddressees+1 <= seal.MaxRecipients,
		"a received entry holds all that came":             MaxStatement+2*MaxReceipt+heads <= MaxEntry,
		"an entry fits a bundle":                           MaxEntry <= tlog.MaxEntry,
		"a frame carries statement, entry and tender":      MaxStatement+2*MaxReceipt+heads <= MaxFrame,
		"a command carries the same":                       MaxStatement+2*MaxReceipt+heads <= MaxOwnCommand,
		"an automatic alert holds an assessment":           MaxAssessment < MaxStatement,
		"FLASH has places that nobody else may take":       FlashReserve < MaxOutbox,
		"a rung can be at the deadline":                    MaxPermille >= Deadline,
		"an own statement is known as long as it is taken": SubmitWindow > MaxClockStep && SubmitWindow > SkewMark,
	} {
		if !fits {
			t.Errorf("it is not so that %s", name)
		}
	}
}

// TestLargestConventionFits: MaxParties parties with everything that each may
// say make one convention that all can sign.
func TestLargestConventionFits(t *testing.T) {
	list := manyParties(MaxParties)
	c := hotlinetest.Draft(hotlinetest.Terms("crisis"), list...)
	c.Name, c.Questions, c.Always = strings.Repeat("a", 200), nil, nil
	for range 16 {
		c.Questions = append(c.Questions, strings.Repeat("q", 500))
	}
	for range 64 {
		c.Always = append(c.Always, strings.Repeat("w", 200))
	}
	for i := range c.Parties {
		c.Parties[i].Reservations = []string{ReserveAutomaticAlert, ReserveLineTest}
	}
	hotlinetest.Amend(nil, c, list...)
	c.Parties = append(c.Parties, Member{Party: "Z9", Root: hotlinetest.NewParty("Z9", "1").Root.Public()})
	wantCode(t, "one party more", c.Validate(), CodeDocument)
}

// TestScopeHoldsACaseWithAllAddressees: the opener and as many addressees as a
// statement may have stand in one scope, and nobody more.
func TestScopeHoldsACaseWithAllAddressees(t *testing.T) {
	var codes []Party
	for i := range MaxAddressees + 2 {
		codes = append(codes, Party(fmt.Sprintf("X%03d", i)))
	}
	decode := func(n int) error {
		scope := CaseScope(CaseID{Party: codes[0], ID: someID("case")}, codes[:n]...)
		_, _, err := DecodeEntry(must(EncodeEntry(EntryRules, at, [16]byte{}, scope, Outside, &RulesVersion{Version: 1})))
		return err
	}
	wantCode(t, "opener and all addressees", decode(MaxAddressees+1), "")
	wantCode(t, "one more", decode(MaxAddressees+2), CodeMalformed)
}

// manyParties are n parties with codes of full length, sorted.
func manyParties(n int) (list parties) {
	for i := range n {
		list = append(list, hotlinetest.NewParty(Party(fmt.Sprintf("X%07d", i)), "many"))
	}
	return list
}
