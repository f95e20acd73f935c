package audit

import (
	"strings"
	"testing"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/codebook"
	"example.org/hotline/hotline/hotlinetest"
)

// Every line of a report that concerns a statement or a duty bears sign and word
// of its status, and of no other one: an exercise never looks real.
func TestReportsMarkEachStatus(t *testing.T) {
	t.Parallel()
	all := []hotline.Status{hotline.Actual, hotline.Exercise, hotline.Test}
	for _, status := range all {
		w := newWorld(t, terms(), "XA", "XB")
		a := w.at("XA")
		of := hotlinetest.Status(status)
		detection := a.submit(a.Detection(w.now, of))
		w.pass(120 * minute)
		a.tick()
		assessment := a.submit(a.Assessment(w.now, detection, []hotline.Party{"XB"}, of))
		a.send(a.submit(a.Alert(w.now, assessment, []hotline.Party{"XB"}, of)), "XB")
		a.send(a.submit(a.Text(w.now, "XB", "words", of)), "XB")
		w.pass(60 * minute)
		a.tick()
		w.at("XB").tick()
		r := audited(t, a.export(), w.at("XB").export())
		for _, colour := range []bool{false, true} {
			var out strings.Builder
			if err := r.WriteText(&out, Text{Colour: colour}); err != nil {
				t.Fatal(err)
			}
			marked := 0
			for line := range strings.Lines(out.String()) {
				for _, other := range all {
					m := codebook.MarkOf(other)
					sign := m.Sign
					if colour {
						sign = m.Paint(sign)
					}
					has := strings.Contains(line, sign+" "+other.String()+" ")
					if has && other == status {
						marked++
					}
					if other != status && (strings.Contains(line, m.Sign) || strings.Contains(line, other.String())) {
						t.Errorf("of an %s: %s", status, line)
					}
				}
			}
			want := len(r.Observations)
			for _, err := range r.Statements() {
				if err != nil {
					t.Fatal(err)
				}
				want++
			}
			for e, err := range r.Chronology() {
				if err != nil {
					t.Fatal(err)
				}
				if e.Statement != "" {
					want++
				}
			}
			if want < 15 || marked != want {
				t.Errorf("%d lines are marked as %s, want %d:\n%s", marked, status, want, out.String())
			}
		}
	}
}
