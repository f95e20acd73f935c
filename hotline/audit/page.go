package audit

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/codebook"
)

// A page is for people who read a report and do not run a program (SPEC §10.5):
// one file without script and without anything from elsewhere. It is made of
// what the report holds, within these bounds; what is beyond is counted and said.
const (
	maxPageObservations = 500
	maxPageViews        = 200
	maxPageNotes        = 200  // of what the material does not show
	maxPageCases        = 40   // drawn; those with something overdue come first
	maxPageRungs        = 400  // of all ladders
	maxPageVerdicts     = 1000 // overdue, and again as many that are not
	maxPageGroups       = 500  // rows of one table of figures
	maxPageText         = 400  // characters of one text
)

//go:embed page.html
var pageSource string

var pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{
	"stamp": stamp, "moment": moment, "instant": instant, "seconds": func(s uint64) hotline.Time { return hotline.Time(s * 1000) },
	"mark": markOf, "text": shorten, "id": shortID, "provable": (*Interval).Words, "share": permille, "length": length,
	"permille": percent, "sorted": sortedByStatus,
	"add": func(a, b int) int { return a + b }, "independent": func(l Log) bool {
		return slices.ContainsFunc(l.Witnesses, func(w Witness) bool { return w.Independent })
	},
}).Parse(pageSource))

// sheet is what the template shows.
type sheet struct {
	*Report
	Fixed        []string // what a receipt is and is not
	Observed     []Observation
	ObservedMore uint64
	Clean        bool
	Seen         []View
	SeenMore     int
	Cases        []*pageCase
	CasesMore    string
	Rungs        []pageRung
	RungsMore    uint64
	Map          *lineMap
	Figures      *Statistics
	FiguresMore  uint64
	Late, Done   []Verdict
	LateMore     uint64
	DoneMore     uint64
	Clocks       uint64 // of the line, that went well
	Notes        []string
	NotesMore    int
	Format       int
	Protocol     int
	MinSample    int
	MinTail      int
	Disclaimer   string
}

// WriteHTML writes the report as one page. Nothing is written if it fails before;
// the page is held in memory, within the bounds above.
func (r *Report) WriteHTML(w io.Writer) error {
	book := codebook.Open(codebook.English)
	p := &sheet{Report: r, Clean: r.ExitCode() == ExitClean, Format: FormatVersion, Protocol: hotline.Protocol, MinSample: MinSample, MinTail: MinTail,
		Disclaimer: disclaimer, Fixed: []string{book.Fixed("receipt"), book.Fixed("acknowledgement"), book.Fixed("territory")}}
	p.Observed = chosen(r.Observations, maxPageObservations)
	p.ObservedMore = uint64(len(r.Observations)-len(p.Observed)) + r.MoreProtocol + r.MoreTerms
	p.Seen = r.Views[:min(len(r.Views), maxPageViews)]
	p.SeenMore = len(r.Views) - len(p.Seen)
	p.Notes = r.NotJudged[:min(len(r.NotJudged), maxPageNotes)]
	p.NotesMore = len(r.NotJudged) - len(p.Notes)
	for _, fill := range []func() error{p.fillCases, p.fillRungs, p.fillVerdicts, p.fillLines, p.fillFigures} {
		if err := fill(); err != nil {
			return err
		}
	}
	var b bytes.Buffer
	if err := pageTemplate.Execute(&b, p); err != nil {
		return fmt.Errorf("page: %w", err)
	}
	_, err := w.Write(visible(b.Bytes()))
	return err
}

// fillVerdicts takes the duties, those that are overdue apart.
func (p *sheet) fillVerdicts() error {
	for v, err := range p.Verdicts() {
		switch {
		case err != nil:
			return err
		case v.Routine():
			p.Clocks++
		case v.Overdue && len(p.Late) < maxPageVerdicts:
			p.Late = append(p.Late, v)
		case v.Overdue:
			p.LateMore++
		case len(p.Done) < maxPageVerdicts:
			p.Done = append(p.Done, v)
		default:
			p.DoneMore++
		}
	}
	return nil
}

// pageRung is a rung with what became of its duty.
type pageRung struct {
	Rung
	Fate string
}

// rungKey names one duty of one log.
type rungKey struct {
	log           hotline.Party
	duty, subject string
	peer          hotline.Party
}

// fillRungs takes the rungs that are shown, and looks up what became of each duty.
func (p *sheet) fillRungs() error {
	of := map[rungKey][]int{}
	for w, err := range p.Ladders() {
		if err != nil {
			return err
		}
		if len(p.Rungs) >= maxPageRungs {
			p.RungsMore++
			continue
		}
		key := rungKey{w.Party, w.Duty, w.Subject, w.Peer}
		of[key] = append(of[key], len(p.Rungs))
		p.Rungs = append(p.Rungs, pageRung{w, "not known"})
	}
	for v, err := range p.Verdicts() {
		if err != nil {
			return err
		}
		tell := func(key rungKey, generation uint64, opened hotline.Time, fate string) {
			for _, i := range of[key] {
				if w := &p.Rungs[i]; w.Generation == generation && opened <= w.Time {
					w.Fate = fate
				}
			}
		}
		peer := v.Peer
		if v.Role == Provisional {
			peer = v.Party
		}
		tell(rungKey{v.Log, v.class.String(), v.Statement, peer}, v.Generation, v.Opened, v.fate())
		if a := v.Awaited; a != nil {
			tell(rungKey{a.Party, waitsFor(v.class).String(), v.Statement, v.Party}, a.Generation, 0, a.fate()+" (provisional)") // by another clock than Opened
		}
	}
	return nil
}

// waitsFor is what the other side waits for while a duty is owed.
func waitsFor(owed hotline.Duty) hotline.Duty {
	for d, of := range awaits {
		if of == owed {
			return d
		}
	}
	return 0
}

func (p *sheet) fillFigures() (err error) {
	if p.Figures, err = p.Statistics(); err != nil {
		return err
	}
	s := p.Figures
	p.FiguresMore = s.More + cut(&s.Statements) + cut(&s.Duties) + cut(&s.Lines)
	return nil
}

// cut keeps the first rows of a table, and counts the rest.
func cut[T any](list *[]T) uint64 {
	n := min(len(*list), maxPageGroups)
	more := uint64(len(*list) - n)
	*list = (*list)[:n]
	return more
}

// pageMark is how a status is shown: sign, word and colour together.
type pageMark struct{ Sign, Word, Class string }

// markOf is the mark of a status. What has none, or one that is not known, says so
// and looks like nothing else.
func markOf(status string) pageMark {
	s := statusOf(status)
	if s == 0 {
		return pageMark{"", "no status", "none"}
	}
	m := codebook.MarkOf(s)
	return pageMark{m.Sign, s.String(), m.Colour}
}

// statusPart is the part of a list that is of one status: parts stand in tables of
// their own, so that no exercise stands among what is real.
type statusPart struct {
	Status string
	Mark   pageMark
	List   []any // pointers to its values
}

// sortedByStatus divides a list, which is in some order, by status.
func sortedByStatus(list any) []statusPart {
	switch list := list.(type) {
	case []Verdict:
		return parts(list, func(v *Verdict) string { return v.Status })
	case []Observation:
		return parts(list, func(o *Observation) string { return o.Status })
	case []pageRung:
		return parts(list, func(w *pageRung) string { return w.Status })
	case []DutyCount:
		return parts(list, func(d *DutyCount) string { return d.Status })
	case []StatementCount:
		return parts(list, func(c *StatementCount) string { return c.Status })
	}
	panic(fmt.Sprintf("audit: a page divides no %T", list)) // the template is fixed: a test meets it
}

func parts[T any](list []T, status func(*T) string) (all []statusPart) {
	for _, word := range []string{hotline.Actual.String(), hotline.Exercise.String(), hotline.Test.String(), ""} {
		part := statusPart{Status: word, Mark: markOf(word)}
		for i := range list {
			if s := status(&list[i]); s == word || word == "" && statusOf(s) == 0 {
				part.List = append(part.List, &list[i])
			}
		}
		if len(part.List) > 0 {
			all = append(all, part)
		}
	}
	return all
}

// shorten bounds one text.
func shorten(v any) string { return clip(fmt.Sprint(v), maxPageText) }

func clip(s string, limit int) string {
	n := utf8.RuneCountInString(s)
	if n <= limit {
		return s
	}
	return fmt.Sprintf("%s… (%d characters more)", string([]rune(s)[:limit]), n-limit)
}

// shortID is the beginning of an id, for people, and of the id in a case's name.
func shortID(s string) string {
	party, id, ok := strings.Cut(s, "/")
	if !ok {
		return clipHex(s)
	}
	return party + "/" + clipHex(id)
}

func clipHex(s string) string {
	if len(s) == 2*len(hotline.ID{}) {
		return s[:12]
	}
	return shorten(s)
}

// moment is a time of the day, for the rows of a drawing whose day is said.
func moment(t hotline.Time) string { return time.UnixMilli(int64(t)).UTC().Format("01-02 15:04:05") }

// percent is a permille of a term, as a place on a ladder.
func percent(n uint64) string {
	return strings.TrimSuffix(fmt.Sprintf("%d.%d", n/10, n%10), ".0") + " %"
}

// section is the anchor of a part of the page.
func section(n int) string { return fmt.Sprintf("case-%d", n) }

// visible replaces what could change how the text around it is read: control
// characters, bidirectional controls, invisible and private characters, and bytes
// that are no text. None of them stands in the template.
func visible(b []byte) []byte {
	out := make([]byte, 0, len(b)+len(b)/16)
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		switch {
		case r == utf8.RuneError && n == 1:
			out = append(out, fmt.Sprintf("⟨%02X⟩", b[0])...)
		case r == '\n' || r == ' ' || n == 1 && r > ' ' && r < 0x7f:
			out = append(out, b[:n]...)
		case !unicode.IsGraphic(r) || unicode.Is(unicode.Bidi_Control, r) || unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r):
			out = append(out, fmt.Sprintf("⟨U+%04X⟩", r)...)
		default:
			out = append(out, b[:n]...)
		}
		b = b[n:]
	}
	return out
}
