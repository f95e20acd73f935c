package node

import (
	"testing"
	"time"

	"example.org/hotline/crypto/tlog"
	"example.org/hotline/hotline"
	"example.org/hotline/hotline/hotlinetest"
)

// Promise: a witness that signs a wrong time, or an impossible one, keeps the anchors of the others neither away nor back: what a
// party writes then would have no lower bound.
func TestWitnessWithAWrongTimeKeepsNoAnchorAway(t *testing.T) {
	t.Parallel()
	const now = hotlinetest.Epoch
	const hour, century = time.Hour, 100 * 365 * 24 * time.Hour
	own := hotlinetest.NewParty("XA", t.Name())
	c := tlog.Checkpoint{Origin: tlog.Origin("XA", 1), Size: 7}
	note, err := tlog.SignCheckpoint(c, own.Log)
	if err != nil {
		t.Fatal(err)
	}
	type clocks map[hotline.Party]time.Duration // ahead of the time here
	for name, x := range map[string]struct {
		rounds []clocks
		want   time.Duration
	}{
		"far ahead, and alone before":    {[]clocks{{"XB": century}, {"XC": 0}}, 0},
		"far ahead, beside another":      {[]clocks{{"XB": century, "XC": 0}}, 0},
		"behind, beside another":         {[]clocks{{"XB": -hour, "XC": 0}}, 0},
		"a little ahead, beside another": {[]clocks{{"XB": time.Minute, "XC": 0}}, 0},
		"behind, and alone":              {[]clocks{{"XB": -hour}}, -hour}, // better than none
		"of three":                       {[]clocks{{"XB": -hour, "XC": 0, "XD": time.Second}}, time.Second},
	} {
		g := &gathered{}
		for _, asked := range x.rounds {
			lines := map[hotline.Party][]byte{}
			for p, ahead := range asked {
				seconds := uint64(now/1000) + uint64(int64(ahead/time.Second))
				if lines[p], err = tlog.Cosign(c, tlog.WitnessName(string(p)), seconds, hotlinetest.NewParty(p, t.Name()).Witness); err != nil {
					t.Fatal(err)
				}
			}
			g.offer(&round{checkpoint: c, note: note, lines: lines}, now)
		}
		if g.anchor == nil || g.anchor.Time != now+hotline.Time(x.want.Milliseconds()) {
			t.Errorf("%s: the anchor is %+v", name, g.anchor)
		}
	}
}
