package codebook

import (
	"strconv"
	"strings"

	"example.org/hotline/hotline"
)

// Group is a set of codes that belong together: a table of each file.
type Group string

// The groups of codes that are words.
const (
	Stages        Group = "stage"     // of a case, and of an addressee
	Directions    Group = "direction" // in which a statement came into the ledger
	Links         Group = "link"      // states of a line
	Members       Group = "member"    // what a node is in its group
	Events        Group = "event"     // of a watch
	Offices       Group = "office"    // rungs of a ladder; it may have others
	HitDirections Group = "hit-direction"
	HitEvidence   Group = "hit-evidence"
	HitNatures    Group = "hit-nature"
	Activities    Group = "activity"   // of an advance notice
	Assistance    Group = "assistance" // forms of help
	Reasons       Group = "reason"     // of a retraction, and of lateness
	Marks         Group = "mark"
	Roles         Group = "role" // of officers
)

// Word renders a code of a group. A code that has no text, as one of a later
// version, is rendered as itself.
func (b *Book) Word(g Group, code string) string {
	if text, ok := b.texts[key(g, code)]; ok {
		return text
	}
	return b.Isolate(code)
}

// key is where the text of a code stands: codes are written there in lower
// case, with hyphens for whatever else is between letters and digits.
func key(g Group, code string) Key {
	return Key(string(g) + "." + strings.Map(func(r rune) rune {
		switch {
		case r >= 'A' && r <= 'Z':
			return r - 'A' + 'a'
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
			return r
		}
		return '-'
	}, code))
}

// Kind renders the kind of a statement.
func (b *Book) Kind(k hotline.Kind) string { return b.Word("kind", k.String()) }

// Status renders the word of a status. See MarkOf for its sign and colour.
func (b *Book) Status(s hotline.Status) string { return b.Word("status", s.String()) }

// Precedence renders a precedence.
func (b *Book) Precedence(p hotline.Precedence) string { return b.Word("precedence", p.String()) }

// TLP says to whom a statement may be disclosed. The label itself is the same
// in every language (TLP 2.0).
func (b *Book) TLP(t hotline.TLP) string { return b.Word("tlp", t.String()) }

// Verdict renders the outcome of an assessment.
func (b *Book) Verdict(v hotline.Verdict) string { return b.Word("verdict", v.String()) }

// Duty renders a duty.
func (b *Book) Duty(d hotline.Duty) string { return b.Word("duty", d.String()) }

// Disposition renders what a statement decides about another.
func (b *Book) Disposition(d hotline.Disposition) string { return b.Word("disposition", d.String()) }

// Refusal says what a code of refusal means.
func (b *Book) Refusal(c hotline.Code) string { return b.Word("refusal", string(c)) }

// Fact renders code n, from 1, of a coded field of hotline.FactCodes.
func (b *Book) Fact(field string, n int) string {
	words := hotline.FactCodes[field]
	if n < 1 || n > len(words) {
		return strconv.Itoa(n)
	}
	return b.Word(Group(field), words[n-1])
}

// Label is the name of a field, as it stands before its value.
func (b *Book) Label(name string) string { return b.Text(key("label", name)) }

// Fixed is a text that always stands as it is: what a receipt and an
// acknowledgement mean, and what they do not.
func (b *Book) Fixed(name string) string { return b.Text(key("fixed", name)) }

// Say renders a sentence with its slots, as Text does.
func (b *Book) Say(name string, args ...string) string { return b.Text(key("say", name), args...) }

// Mark sets a status apart where words are overlooked: a sign of three ASCII
// characters and a colour by its CSS name, the same in every language.
type Mark struct{ Sign, Colour string }

// sgr are the colours of marks as terminals take them (ECMA-48 SGR).
var sgr = map[string]string{"red": "\x1b[1;31m", "blue": "\x1b[1;34m", "gray": "\x1b[90m"}

// Paint puts the sign that stands in a text into its colour, for a terminal.
func (m Mark) Paint(text string) string {
	return strings.Replace(text, m.Sign, sgr[m.Colour]+m.Sign+"\x1b[0m", 1)
}

// MarkOf returns the mark of a status; one that is not known looks like ACTUAL,
// the status that nobody may overlook.
func MarkOf(s hotline.Status) Mark {
	switch s {
	case hotline.Exercise:
		return Mark{"[~]", "blue"}
	case hotline.Test:
		return Mark{"[-]", "gray"}
	}
	return Mark{"[!]", "red"}
}
