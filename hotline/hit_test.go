package hotline

import (
	"strings"
	"testing"
)

func soundHit() Hit {
	return Hit{
		Key: strings.Repeat("0a", 32), Source: "suricata", First: 1000, Last: 2000, Count: 7,
		Direction: HitOutbound, From: []string{"198.51.100.7"}, FromTotal: 1, To: []string{"203.0.113.9"}, ToTotal: 1,
		Protocol: "TCP", Port: 22, PortTotal: 1, Signatures: []string{"ET SCAN Potential SSH Scan"}, Evidence: HitObserved,
		DestinationKnown: true, Flows: []uint64{1}, Notes: []string{"a note"},
	}
}

// TestHitValidateHoldsEveryBound defends the triage queue: a hit beyond any bound is refused, and the error names the rule.
func TestHitValidateHoldsEveryBound(t *testing.T) {
	sound := soundHit()
	if err := sound.Validate(); err != nil {
		t.Fatalf("a sound hit is refused: %v", err)
	}
	many := func(n int) []string { return strings.Split(strings.Repeat("x ", n-1)+"x", " ") }
	cases := map[string]func(*Hit){
		"key has":                 func(h *Hit) { h.Key = "ab" },
		"lower-case hexadecimal":  func(h *Hit) { h.Key = strings.Repeat("0A", 32) },
		"source is empty":         func(h *Hit) { h.Source = "" },
		"protocol is empty":       func(h *Hit) { h.Protocol = "" },
		"65 bytes exceeds 64":     func(h *Hit) { h.Sensor = strings.Repeat("x", 65) },
		"first is":                func(h *Hit) { h.First = 0 },
		"is before first":         func(h *Hit) { h.Last = 999 },
		"count is 0":              func(h *Hit) { h.Count = 0 },
		"direction 6":             func(h *Hit) { h.Direction = 6 },
		"direction 0":             func(h *Hit) { h.Direction = 0 },
		"evidence 3":              func(h *Hit) { h.Evidence = 3 },
		"beside a total of 2":     func(h *Hit) { h.PortTotal = 2 },
		"port total 4097":         func(h *Hit) { h.Port, h.PortTotal = 0, MaxHitTotal+1 },
		"from has 0":              func(h *Hit) { h.From = nil },
		"to has 17":               func(h *Hit) { h.To, h.ToTotal = many(17), 17 },
		"from total is 0":         func(h *Hit) { h.FromTotal = 0 },
		"to total is 4097":        func(h *Hit) { h.ToTotal = MaxHitTotal + 1 },
		"one written form":        func(h *Hit) { h.From = []string{"::ffff:198.51.100.7"} },
		"is given twice":          func(h *Hit) { h.To, h.ToTotal = []string{"203.0.113.9", "203.0.113.9"}, 2 },
		"17 flows exceed":         func(h *Hit) { h.Flows = make([]uint64, 17) },
		"no signature":            func(h *Hit) { h.Signatures = nil },
		"9 signatures exceed":     func(h *Hit) { h.Signatures = many(9) },
		"a signature is empty":    func(h *Hit) { h.Signatures = []string{""} },
		"201 bytes exceeds 200":   func(h *Hit) { h.Signatures = []string{strings.Repeat("x", 201)} },
		"11 notes exceed":         func(h *Hit) { h.Notes = many(11) },
		"not UTF-8":               func(h *Hit) { h.Notes = []string{"\xff"} },
		"nature 6":                func(h *Hit) { h.Nature = 6 },
		"territory is no hash":    func(h *Hit) { h.Territory = "0A" },
		"is no role name":         func(h *Hit) { h.Reporter = "<b>" },
		"names no table":          func(h *Hit) { h.Hint = &HitHint{Table: "t"} },
		"with 33 countries":       func(h *Hit) { h.Hint = &HitHint{Table: "t", Countries: many(33)} },
		"is not ADDRESS=CC":       func(h *Hit) { h.Hint = &HitHint{Table: "t", Countries: []string{"203.0.113.9=xb"}} },
		"to total is 1":           func(h *Hit) { h.To = nil },
		"unprintable character U": func(h *Hit) { h.Notes = []string{"\x1b[31m"} },
	}
	for want, spoil := range cases {
		h := soundHit()
		spoil(&h)
		if err := h.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want an error with %q, got %v", want, err)
		}
	}
}

// TestHitCodesHaveWords defends the operator's screen: every code of the closed sets reads as a word, an unknown one as itself.
func TestHitCodesHaveWords(t *testing.T) {
	got := []string{
		HitOutbound.String(), HitInbound.String(), HitInternal.String(), HitForeign.String(), HitUnconfirmed.String(),
		HitDirection(9).String(), HitObserved.String(), HitListed.String(), HitEvidence(9).String(),
		HitNature(0).String(), HitAttack.String(), HitReflector.String(), HitInfected.String(), HitExposure.String(), HitOther.String(),
		HitNature(9).String(),
	}
	want := "outbound inbound internal foreign unconfirmed direction-9 observed listed evidence-9 " +
		"unstated attack reflector infected exposure other nature-9"
	if strings.Join(got, " ") != want {
		t.Errorf("got %v, want %s", got, want)
	}
}

// TestHitNaturesHaveOneWord defends configurations: the word that an operator reads is the word that a configuration takes.
func TestHitNaturesHaveOneWord(t *testing.T) {
	for n := HitAttack; n <= HitOther; n++ {
		if got, ok := HitNatureByName(n.String()); !ok || got != n {
			t.Errorf("%s is read as %s, %v", n, got, ok)
		}
	}
	for _, word := range []string{"", "unstated", "Attack"} {
		if n, ok := HitNatureByName(word); ok {
			t.Errorf("%q is taken for %s", word, n)
		}
	}
}
