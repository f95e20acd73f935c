package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"

	"golang.org/x/term"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/codebook"
)

// languageVariable is where the language of the reader comes from if --lang is not given.
const languageVariable = "HOTLINE_LANG"

// book is in the reader's language: that of --lang, or English.
func (a *app) book() *codebook.Book {
	if l, ok := codebook.ParseLanguage(a.lang); ok {
		return codebook.Open(l)
	}
	return codebook.Open(codebook.English)
}

// checkLanguage refuses a language that has no book, before anything is asked or signed.
func (a *app) checkLanguage() error {
	if _, ok := codebook.ParseLanguage(a.lang); ok {
		return nil
	}
	return &failure{exit: exitUsage, Code: "usage", Text: fmt.Sprintf("--lang: %q is not one of %s", a.lang, languageList()),
		Next: "give one of them, or correct " + languageVariable}
}

func languageList() string {
	var list []string
	for _, l := range codebook.Languages {
		list = append(list, string(l))
	}
	return strings.Join(list, ", ")
}

// sheet is what one reader is shown: in their language, on a terminal with colours or not.
type sheet struct {
	*codebook.Book
	w      io.Writer
	colour bool
	// terminal is how many columns it has; 0: no terminal, or none that says so.
	terminal int
	widths   map[string]int // of columns, by group of codes
}

// sheet begins one on w. Colours are for terminals whose owner has not said NO_COLOR.
func (a *app) sheet(w io.Writer) *sheet {
	p := &sheet{Book: a.book(), w: w, widths: map[string]int{}}
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		p.colour = os.Getenv("NO_COLOR") == ""
		p.terminal, _, _ = term.GetSize(int(f.Fd())) // 0 if it does not say
	}
	return p
}

// line prints one line.
func (p *sheet) line(parts ...string) {
	fmt.Fprintln(p.w, strings.Join(parts, "  "))
}

// field prints one named value, which is in the reader's language or isolated already; further lines of it are set in.
func (p *sheet) field(label, value string) { p.named(p.Label(label), value) }

func (p *sheet) named(name, value string) {
	width := p.width("label", 24)
	fmt.Fprintf(p.w, "  %s %s\n", pad(name, width), strings.ReplaceAll(value, "\n", "\n"+strings.Repeat(" ", width+3)))
}

// given prints a value from elsewhere as it is.
func (p *sheet) given(label, value string) { p.field(label, p.Isolate(value)) }

// words prints free text as it was written, marked with its own language where its author said which.
func (p *sheet) words(label, language, text string) {
	name := p.Label(label)
	if language != "" {
		name += " (" + p.Isolate(language) + ")"
	}
	p.named(name, p.quoted(name, text))
}

// leastRoom is how many columns of a terminal a text gets beside its label, however narrow it is.
const leastRoom = 10

// quoted is a text of somebody else to stand beside a label. On a terminal it is broken here and not by the terminal, which would go on
// at the beginning of the line: there only this program speaks.
func (p *sheet) quoted(name, text string) string {
	if p.terminal == 0 {
		return p.Isolate(text)
	}
	room := max(leastRoom, p.terminal-4-max(p.width("label", 24), columns(name)))
	var lines []string
	for line := range strings.SplitSeq(strings.ReplaceAll(text, "\t", "    "), "\n") {
		for columns(line) > room {
			part := cut(line, room)
			if i := strings.LastIndexByte(part, ' '); i >= 0 {
				part = part[:i+1]
			}
			lines = append(lines, p.Isolate(part))
			line = line[len(part):]
		}
		lines = append(lines, p.Isolate(line))
	}
	return strings.Join(lines, "\n")
}

// fixed prints texts that stand beside what was said and are no part of it.
func (p *sheet) fixed(names ...string) {
	for _, name := range names {
		fmt.Fprintf(p.w, "  · %s\n", p.Fixed(name))
	}
}

// notice says that nobody has confirmed this rendering, if that is so.
func (p *sheet) notice() {
	for _, text := range p.Notice() {
		fmt.Fprintln(p.w, p.Isolate(text))
	}
}

// width is that of a column of a group's texts, no more than most.
func (p *sheet) width(group string, most int) int {
	if n, ok := p.widths[group]; ok {
		return n
	}
	n := 0
	for _, k := range p.Keys() {
		if strings.HasPrefix(string(k), group+".") {
			n = max(n, columns(p.Text(k)))
		}
	}
	p.widths[group] = min(n, most)
	return p.widths[group]
}

// column pads a text of a group to the group's column.
func (p *sheet) column(group, text string) string { return pad(text, p.width(group, 16)) }

// sign is the sign of a status, in its colour.
func (p *sheet) sign(s hotline.Status) string { return p.paint(s, p.Isolate(codebook.MarkOf(s).Sign)) }

// paint colours the sign of a status in a text.
func (p *sheet) paint(s hotline.Status, text string) string {
	if !p.colour {
		return text
	}
	return codebook.MarkOf(s).Paint(text)
}

// signed is a status with its sign and its word.
func (p *sheet) signed(s hotline.Status) string { return p.sign(s) + " " + p.Status(s) }

// parties are codes, which are the same in every language.
func (p *sheet) parties(list []hotline.Party) string { return p.Isolate(joinParties(list)) }

func (p *sheet) yesNo(answers []bool) string {
	var s []string
	for _, a := range answers {
		s = append(s, p.Say(map[bool]string{true: "yes", false: "no"}[a]))
	}
	return p.List(s)
}

// pad fills a text up with blanks to n columns of a terminal.
func pad(s string, n int) string { return s + strings.Repeat(" ", max(0, n-columns(s))) }

// columns is how wide a text stands on a terminal: two columns for wide characters (Unicode UAX #11, W and F, as far as texts of
// the codebook use them), none for combining marks and isolates.
func columns(s string) int {
	n := 0
	for _, r := range s {
		n += columnsOf(r)
	}
	return n
}

func columnsOf(r rune) int {
	switch {
	case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		return 0
	case r >= 0x1100 && r <= 0x115f, r >= 0x2e80 && r <= 0xa4cf, r >= 0xac00 && r <= 0xd7a3, r >= 0xf900 && r <= 0xfaff,
		r >= 0xfe30 && r <= 0xfe4f, r >= 0xff01 && r <= 0xff60, r >= 0xffe0 && r <= 0xffe6, r >= 0x1f300 && r <= 0x1faff, r >= 0x20000 && r <= 0x3fffd:
		return 2
	}
	return 1
}

// cut keeps as much of a text as fits n columns.
func cut(s string, n int) string {
	for i, r := range s {
		if n -= columnsOf(r); n < 0 {
			return s[:i]
		}
	}
	return s
}
