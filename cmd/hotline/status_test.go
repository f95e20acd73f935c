package main

import (
	"context"
	"encoding/json"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/codebook"
	"example.org/hotline/hotline/desk"
	"example.org/hotline/hotline/hotlinetest"
	"example.org/hotline/ops/drill"
	"example.org/hotline/ops/page"
)

var everyStatus = []hotline.Status{hotline.Actual, hotline.Exercise, hotline.Test}

// renderings are all places in which this program shows a status to a person, each on a sheet of its own.
func renderings(t *testing.T, s *seat, a *hotlinetest.Party, status hotline.Status) map[string]func(*sheet) {
	t.Helper()
	h := a.Header(hotline.KindText, hotlinetest.Epoch, hotlinetest.To("XB"), hotlinetest.Status(status))
	st := a.By(h, &hotline.Note{Text: "words"}, "O1")
	d := desk.DutyView{Class: hotline.DutyAcknowledge, Subject: st.ID, Peer: "XA", Precedence: hotline.Flash, Status: status, Deadline: hotlinetest.Epoch + 1000}
	return map[string]func(*sheet){
		"show": func(p *sheet) { s.statement(p, st, &hotline.Note{Text: "words"}) },
		"inbox": func(p *sheet) {
			p.line(p.item(&desk.InboxItem{ID: st.ID, Kind: hotline.KindText, From: "XA", Precedence: hotline.Flash, Status: status, Direction: desk.Received}))
		},
		"status": func(p *sheet) { p.line(p.duty(&d, hotlinetest.Epoch)) },
		"watch": func(p *sheet) {
			p.line(p.event(&desk.Event{Type: desk.EventPage, ID: st.ID, Status: status, Duty: hotline.DutyAcknowledge}))
		},
		"countdown": func(p *sheet) {
			w := &watch{seat: s, open: []desk.DutyView{d}}
			p.line(p.paint(status, w.countdown()))
		},
		"drafts": func(p *sheet) { p.line(p.draft(&h, st.ID, 0, "XA-R1")) },
		"submitted": func(p *sheet) {
			p.place(st, &desk.SubmitView{ID: st.ID, Index: 7, Time: hotlinetest.Epoch})
		},
	}
}

// TestStatusIsUnmistakable: wherever a status is shown, in every language, it has its own word, sign and colour, and those of no
// other status: an exercise never looks real, nor the other way round, on a terminal without colours too.
func TestStatusIsUnmistakable(t *testing.T) {
	for _, l := range codebook.Languages {
		s, a, _ := readerAt(t, l)
		for _, status := range everyStatus {
			for place, render := range renderings(t, s, a, status) {
				for _, colour := range []bool{false, true} {
					var out strings.Builder
					p := s.sheet(&out)
					p.colour = colour
					render(p)
					checkStatus(t, string(l)+" "+place, out.String(), p.Book, status, colour)
				}
			}
		}
	}
}

func checkStatus(t *testing.T, where, text string, b *codebook.Book, status hotline.Status, colour bool) {
	t.Helper()
	for _, other := range everyStatus {
		m, word := codebook.MarkOf(other), b.Status(other)
		painted := strings.TrimSuffix(m.Paint(m.Sign), "\x1b[0m")
		if other == status {
			if !strings.Contains(text, m.Sign) || !strings.Contains(text, word) || colour != strings.Contains(text, painted) {
				t.Errorf("%s of %s lacks %q, %q or its colour: %q", where, status, m.Sign, word, text)
			}
			continue
		}
		if strings.Contains(text, m.Sign) || strings.Contains(text, word) {
			t.Errorf("%s of %s bears the mark of %s: %q", where, status, other, text)
		}
	}
	if !colour && strings.Contains(text, "\x1b") {
		t.Errorf("%s is coloured: %q", where, text)
	}
}

// TestPagesBearTheirStatus: what leaves the house says the status by word, sign and colour, in words and for machines.
func TestPagesBearTheirStatus(t *testing.T) {
	english := codebook.Open(codebook.English)
	for _, status := range everyStatus {
		for _, e := range []page.Event{page.Due, page.Over, page.Fault} {
			n := &page.Notice{Key: "00112233445566778899aabbccddeeff", Event: e, Party: "XB", Node: "XB-1", Status: status, Precedence: hotline.Flash, Duty: "acknowledge"}
			checkStatus(t, "page "+string(e), n.Line(), english, status, false)
			var wire struct{ Status, Sign, Colour, Summary string }
			if err := json.Unmarshal(n.JSON(), &wire); err != nil {
				t.Fatal(err)
			}
			m := codebook.MarkOf(status)
			if wire.Status != status.String() || wire.Sign != m.Sign || wire.Colour != m.Colour || wire.Summary != n.Line() {
				t.Errorf("%s of %s: %+v", e, status, wire)
			}
		}
	}
}

// TestExercisesSaySo: scripts and evaluations are those of an exercise in every language, with colours and without.
func TestExercisesSaySo(t *testing.T) {
	script, err := loadScript("../../ops/deploy/drill.example.toml")
	if err != nil {
		t.Fatal(err)
	}
	v := drill.Evaluate(script, &drill.Record{Party: "XA", Now: hotlinetest.Epoch}, &hotline.Terms{})
	for _, l := range codebook.Languages {
		a := &app{out: io.Discard, now: time.Now, lang: string(l)}
		for _, colour := range []bool{false, true} {
			for name, render := range map[string]func(*sheet){"check": func(p *sheet) { a.writeScript(p, script) }, "evaluate": func(p *sheet) { writeEvaluation(p, v) }} {
				var out strings.Builder
				p := a.sheet(&out)
				p.colour = colour
				render(p)
				head, _, _ := strings.Cut(out.String(), "\n")
				checkStatus(t, string(l)+" drill "+name, head, p.Book, hotline.Exercise, colour)
			}
		}
	}
}

// TestCountdownFitsTheTerminal: whatever the language and however narrow the terminal, the last line says its status, how long is left and
// whose statement waits; and where there is room, the command too.
func TestCountdownFitsTheTerminal(t *testing.T) {
	for _, l := range codebook.Languages {
		s, _, _ := readerAt(t, l)
		d := desk.DutyView{Class: hotline.DutyAcknowledge, Status: hotline.Exercise, Precedence: hotline.Immediate, Peer: "XA", Subject: hotline.ID{0xab}}
		for _, left := range []hotline.Time{18_000, -4_000_000} {
			d.Deadline = s.time() + left
			for _, columnsOfTerminal := range []int{40, 60, 80, 100, 200} {
				var out strings.Builder
				s.out = &out
				w := &watch{seat: s, live: true, width: func() int { return columnsOfTerminal }, open: []desk.DutyView{d}}
				w.redraw(w.countdown())
				text, b := strings.TrimPrefix(out.String(), eraseLine), s.book()
				want := []string{codebook.MarkOf(d.Status).Sign, b.Status(d.Status), span(time.Duration(max(left, -left)) * time.Millisecond)}
				if columnsOfTerminal >= 60 {
					want = append(want, "XA")
				}
				if columnsOfTerminal >= 80 {
					want = append(want, "hotline ack ab0000000000")
				}
				for _, part := range want {
					if !strings.Contains(text, part) {
						t.Errorf("%s, %d columns: no %q in %q", l, columnsOfTerminal, part, text)
					}
				}
				if n := columns(text); n >= columnsOfTerminal {
					t.Errorf("%s: %d columns of %d: it wraps: %q", l, n, columnsOfTerminal, text)
				}
			}
		}
	}
}

// TestExerciseNeverHidesWhatIsActual: while an ACTUAL statement waits, the watch counts down to it and rings for it, however many of an
// exercise are due before.
func TestExerciseNeverHidesWhatIsActual(t *testing.T) {
	s := sitAt(t, hostFunc(func(_ context.Context, _ *desk.Request, send func(*desk.Reply) error) error {
		duty := func(status hotline.Status, n byte, after hotline.Time) desk.DutyView {
			return desk.DutyView{Class: hotline.DutyAcknowledge, Status: status, Precedence: hotline.Flash, Peer: "XB", Subject: hotline.ID{n}, Deadline: hotlinetest.Epoch + after}
		}
		return send(&desk.Reply{Status: &desk.StatusView{Party: "XA", Duties: []desk.DutyView{duty(hotline.Exercise, 1, 1000), duty(hotline.Actual, 2, 2000),
			duty(hotline.Test, 3, 3000), duty(hotline.Actual, 4, 4000)}}})
	}))
	w := &watch{seat: s}
	w.look(t.Context())
	w.remind()
	p := s.sheet(io.Discard)
	checkStatus(t, "countdown", s.out.(*strings.Builder).String(), p.Book, hotline.Actual, false)
	var order []byte
	for _, d := range w.open {
		order = append(order, d.Subject[0])
	}
	if !slices.Equal(order, []byte{2, 4, 1, 3}) {
		t.Errorf("counts down in the order %v", order)
	}
}

// TestTextOfOthersBeginsNoLine: on a terminal, what a statement says stays behind its label however long it is: no line of it can be taken
// for one of this program.
func TestTextOfOthersBeginsNoLine(t *testing.T) {
	for _, l := range codebook.Languages {
		s, _, _ := readerAt(t, l)
		for _, terminal := range []int{40, 80, 132} {
			for pad := range terminal {
				var out strings.Builder
				p := s.sheet(&out)
				p.terminal = terminal
				said := strings.Repeat(" ", pad) + "[~]-EXERCISE\t[~]-EXERCISE" + strings.Repeat("x", pad) + "[~]-EXERCISE"
				p.bodyField("indicators", "", []string{said})
				p.bodyField("text", "en", said+"\n"+said)
				for line := range strings.Lines(out.String()) {
					if n := columns(strings.TrimRight(line, "\n")); n >= terminal || !strings.HasPrefix(line, "  ") || strings.Contains(line, "\t") {
						t.Fatalf("%s, %d of %d columns: %q", l, n, terminal, line)
					}
				}
				if got := strings.NewReplacer(" ", "", "\n", "", "\u2068", "", "\u2069", "").Replace(out.String()); strings.Count(got, "[~]-EXERCISE") != 9 {
					t.Fatalf("%s, %d columns: something is lost: %q", l, terminal, got)
				}
			}
		}
	}
}
