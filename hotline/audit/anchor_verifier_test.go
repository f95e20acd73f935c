package audit

import (
	"bytes"
	"slices"
	"testing"

	"example.org/hotline/hotline"
)

// Promise: both verifiers read the same anchors: a good one in the log of its sender and of its receiver, one whose cosignature is
// forged, one without its form, one of more than stood in the log, and one of another tree.
func TestTheOtherVerifierJudgesAnchors(t *testing.T) {
	t.Parallel()
	node := verifier(t)
	w := newWorld(t, terms(), "XA", "XB", "XC")
	a, b := w.at("XA"), w.at("XB")
	anchor := a.anchor("XB", "XC")
	other := bytes.Clone(anchor)
	other[len(other)-30] = map[bool]byte{true: 'B', false: 'A'}[other[len(other)-30] == 'A']
	a.send(a.anchored("XB", anchor), "XB")
	entries := slices.Clone(a.entries)
	later := a.anchor("XC")
	two := newWorld(t, terms(), "XA", "XB", "XC").at("XA")
	honest := two.entries
	two.entries = append(slices.Clone(honest[:len(honest)-1]), []byte("another entry"))
	forked := two.anchor("XC")
	two.entries = honest
	two.anchored("XB", forked)
	with := func(anchor []byte) string {
		sent := newestOf(t, a, hotline.EntrySent)
		changed := reenter(t, entries[sent], func(_ *hotline.Entry, c any) { c.(*hotline.Sent).Anchor = anchor })
		return a.exportOf(append(slices.Clone(entries[:sent]), changed))
	}
	for _, c := range []struct {
		name string
		dir  string
		code Code
	}{
		{"good, of the sender", a.export(), ""},
		{"good, of the receiver", b.export(), ""},
		{"forged cosignature", with(other), SignatureInvalid},
		{"no form", with(anchor[:len(anchor)-1]), EntryMalformed},
		{"beyond its entry", with(later), DecisionDiffers},
		{"another tree", two.export(), Fork},
	} {
		t.Run(c.name, func(t *testing.T) {
			if s := bothJudge(t, node, c.dir); first(s.Observations) != c.code {
				t.Errorf("observed %+v, want %q", s.Observations, c.code)
			}
		})
	}
}
