package audit

import (
	"slices"
	"strings"
	"testing"

	"example.org/hotline/hotline"
)

// prompt is a story in which everybody did everything in time.
func prompt(t testing.TB, codes ...hotline.Party) *world {
	w := newWorld(t, terms(), codes...)
	a := w.at("XA")
	d := a.submit(a.Detection(w.now))
	w.pass(10 * minute)
	as := a.submit(a.Assessment(w.now, d, codes[1:]))
	w.pass(minute)
	alert := a.submit(a.Alert(w.now, as, codes[1:]))
	a.send(alert, codes[1:]...)
	w.pass(minute)
	for _, code := range codes[1:] {
		w.at(code).acknowledge(alert)
	}
	return w
}

// An honest story without lapses has nothing to observe, whichever logs are
// given; every entry is decided again.
func TestPromptStoryHasNothingToObserve(t *testing.T) {
	t.Parallel()
	w := prompt(t, "XA", "XB")
	a, b := w.at("XA").export(), w.at("XB").export()
	for _, dirs := range [][]string{{a}, {b}, {a, b}, {b, a}} {
		r := audited(t, dirs...)
		wantFound(t, r)
		if r.ExitCode() != ExitClean {
			t.Errorf("exit code %d", r.ExitCode())
		}
		for _, l := range r.Logs {
			if l.Decided != l.Size || l.Shown != l.Size {
				t.Errorf("%s: %d of %d entries decided again", l.Party, l.Decided, l.Size)
			}
		}
		missing := slices.ContainsFunc(r.NotJudged, func(s string) bool { return strings.Contains(s, "was not given") })
		if missing != (len(dirs) == 1) {
			t.Errorf("with %d logs: not judged %q", len(dirs), r.NotJudged)
		}
	}
}

// Statements carry the times of both sides, from either log.
func TestStatementsFollowTenderReceiptAndAcknowledgement(t *testing.T) {
	t.Parallel()
	w := prompt(t, "XA", "XB")
	for _, dirs := range [][]string{{w.at("XA").export()}, {w.at("XB").export()}, {w.at("XA").export(), w.at("XB").export()}} {
		var kinds []string
		for s, err := range audited(t, dirs...).Statements() {
			if err != nil {
				t.Fatal(err)
			}
			kinds = append(kinds, s.Kind)
			if s.Tendered == 0 || s.Received == 0 || s.Sequence != 1 {
				t.Errorf("%+v", s)
			}
			if s.Kind == "alert" && s.Acknowledged != s.Received+minute {
				t.Errorf("acknowledged at %d: %+v", s.Acknowledged, s)
			}
		}
		slices.Sort(kinds)
		if !slices.Equal(kinds, []string{"acknowledgement", "alert"}) {
			t.Errorf("statements %v", kinds)
		}
	}
}
