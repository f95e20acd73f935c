package main

import (
	"fmt"
	"html"
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"example.org/hotline/hotline"
	"example.org/hotline/ops/ceremony"
	"example.org/hotline/ops/strict"
)

// contactsFile is the name of the file of telephone numbers in the home directory. It holds people's numbers and is never published.
const contactsFile = "contacts.toml"

// The bounds of that file. A card holds as many numbers as one A4 page leaves room for.
const (
	maxContacts  = 1 << 18 // bytes
	maxPerParty  = 4
	maxCardField = 40 // characters
	cardWidth    = 80 // columns
)

// contact is one way to reach a party when its daemon does not answer.
type contact struct {
	Party  string    `toml:"party"`
	Office string    `toml:"office"` // duty desk, director: an office, not a person's name
	Number string    `toml:"number"` // +00 0 0100, or a radio call sign
	Hours  string    `toml:"hours"`  // left out: always
	Tried  time.Time `toml:"tried"`  // when somebody last tried it and it was right
}

// newCardCmd prints what hangs beside the telephone. It needs no node: that is when it is read.
func newCardCmd(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "card [duty | PARTY]",
		Short: "Print the duty card, and for each party what to do when the line is dead",
		Long: "Prints cards of one A4 page each: the duty card says what to do when it rings, step by step with the commands; the outage card of a\n" +
			"party says whom to call when its line or the own daemon is dead, what to say, and what to enter afterwards. It needs no node.\n\n" +
			"Offices come from the verified directories. Numbers come from contacts.toml in the home directory, which stays on this machine:\n\n" +
			"  [[contact]]                  # in the order in which to call, at most 4 of one party\n" +
			"  party = \"XB\"                 # the own party too: whom to call in the own house\n" +
			"  office = \"duty desk\"         # an office, not a name\n" +
			"  number = \"+00 0 0100\"\n" +
			"  hours = \"always\"             # left out: always\n" +
			"  tried = 2026-11-01           # when somebody last tried it and found it right\n\n" +
			"A number that was not tried within the contacts term of the convention is marked. When all of your own were tried, say so in the next\n" +
			"directory (confirmed).",
		Args: cobra.MaximumNArgs(1),
	}
	page := cmd.Flags().Bool("html", false, "one HTML page to print, a card on each sheet")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		d, err := a.deck()
		if err != nil {
			return err
		}
		cards, err := d.pick(args)
		if err != nil {
			return err
		}
		return a.show(cards, func(w io.Writer) {
			if *page {
				writeCardPage(w, cards)
				return
			}
			for i, c := range cards {
				if i > 0 {
					fmt.Fprint(w, "\f")
				}
				fmt.Fprint(w, strings.Join(c.Lines, "\n")+"\n")
			}
		})
	}
	return cmd
}

// card is one page.
type card struct {
	Title string   `json:"title"`
	Lines []string `json:"lines"`
}

// deck is what cards are made of.
type deck struct {
	self     hotline.Party
	docs     *ceremony.Documents
	contacts []contact
	now      hotline.Time
}

func (a *app) deck() (*deck, error) {
	p, err := loadProfile(a.home)
	if err != nil {
		return nil, err
	}
	docs, err := ceremony.LoadDocuments(p.Documents, p.pin)
	if err != nil {
		return nil, err
	}
	d := &deck{self: hotline.Party(p.Party), docs: docs, now: hotline.Time(a.now().UnixMilli())}
	path := filepath.Join(a.home, contactsFile)
	text, err := ceremony.ReadFile(path, maxContacts)
	if err != nil {
		return nil, refused(codeFile, "write it: hotline card --help shows its form", "contacts: %v", err)
	}
	if d.contacts, err = parseContacts(text); err != nil {
		return nil, refused(codeFile, "mend it", "%s: %v", path, err)
	}
	return d, nil
}

func parseContacts(text []byte) ([]contact, error) {
	var file struct {
		Contact []contact `toml:"contact"`
	}
	if _, err := strict.Read(text, maxContacts, &file); err != nil {
		return nil, err
	}
	count := map[string]int{}
	for i, c := range file.Contact {
		if count[c.Party]++; count[c.Party] > maxPerParty {
			return nil, fmt.Errorf("more than %d contacts of %s", maxPerParty, c.Party)
		}
		if !hotline.Party(c.Party).Valid() || c.Office == "" || c.Number == "" {
			return nil, fmt.Errorf("contact %d: party, office and number must be there", i+1)
		}
		for _, field := range []string{c.Office, c.Number, c.Hours} {
			if len([]rune(field)) > maxCardField || field != printable(field) {
				return nil, fmt.Errorf("contact %d: %q is over %d characters, or holds one that cannot be printed", i+1, field, maxCardField)
			}
		}
	}
	return file.Contact, nil
}

func (d *deck) pick(args []string) ([]card, error) {
	if len(args) == 0 {
		cards := []card{d.duty()}
		for _, p := range d.docs.Parties() {
			if p != d.self && !d.docs.Convention().Observes(p) {
				cards = append(cards, d.outage(p))
			}
		}
		return cards, nil
	}
	p := hotline.Party(args[0])
	switch {
	case args[0] == "duty":
		return []card{d.duty()}, nil
	case p == d.self || d.docs.Directory(p) == nil:
		return nil, refused(hotline.CodeNotFound, "see hotline documents", "%q is neither duty nor another party of the convention", args[0])
	case d.docs.Convention().Observes(p):
		return nil, refused(hotline.CodeObserver, "nothing is sent to it", "%s only observes: there is nothing to do without a line to it", p)
	}
	return []card{d.outage(p)}, nil
}

// terms are those in force.
func (d *deck) terms() *hotline.Terms {
	in := d.docs.Conventions[0]
	for _, c := range d.docs.Conventions {
		if c.ValidFrom <= d.now {
			in = c
		}
	}
	return &in.Terms
}

func (d *deck) head(title string) []string {
	return []string{title, strings.Repeat("=", len(title)),
		fmt.Sprintf("Printed %s, directory %d of %s, convention version %d.", clock(d.now), d.docs.Directory(d.self).Number, d.self,
			d.docs.Convention().Version), ""}
}

func (d *deck) duty() card {
	title := fmt.Sprintf("DUTY CARD of %s: it rings", d.self)
	t := d.terms()
	lines := append(d.head(title),
		"1. LOOK. Is it [!] ACTUAL, [~] EXERCISE or [-] TEST? The same steps for each.",
		"     hotline inbox",
		"     hotline show ID",
		"",
		"2. SAY THAT A PERSON HAS IT. No more than that: neither agreement nor admission.",
		"     hotline ack ID",
		limits("   In time:", t.Acknowledge),
		"   A watch-test is answered the same way: it asks whether somebody is here.",
		"",
		"3. IT IS OUR DETECTION. Judge it, then tell whom it concerns.",
		"     hotline triage",
		"     hotline adopt KEY",
		limits("   Judge within", hotline.Durations{t.Assess, t.Assess, t.Assess, t.Assess}),
		"     hotline assess CASE --verdict notifiable --notify XB --answer yes,yes,no,no",
		"     hotline send alert CASE --releaser OFFICER",
		"     hotline release",
		limits("   Alert within", t.Alert),
		"",
		"4. SOMEBODY ASKS. Send an interim reply rather than none.",
		"     hotline reply ID --text TEXT",
		"",
		"5. A LINE RINGS. Own tests are not answered, or theirs do not come.",
		"     hotline line",
		"   Take the outage card of that party. The other side rings at the same minute.",
		"",
		"6. NO ANSWER FROM THE GROUP (exit code 4). Nothing is lost; ask again, same ids.",
		"     hotline retry",
		"     hotline status",
		"",
		"NEVER answer for another officer, and never use a key that is not yours.",
		"", "In our own house:")
	return card{title, append(lines, d.numbers(d.self)...)}
}

func (d *deck) outage(p hotline.Party) card {
	title := fmt.Sprintf("OUTAGE CARD of %s for %s: the line is dead", d.self, p)
	lines := append(d.head(title),
		"1. WHAT IS DEAD? Ours: call our own house below. Theirs, or the way between: 2.",
		"     hotline status",
		fmt.Sprintf("     hotline line %s", p),
		"   Statements that wait are sent by themselves when the line is back.",
		"",
		fmt.Sprintf("2. CALL %s, in this order, at these numbers only. If they call you: hang up", p),
		"   and call back here. Never a number that the caller gives.")
	lines = append(lines, d.numbers(p)...)
	lines = append(lines, d.offices(p)...)
	lines = append(lines,
		"",
		"3. SAY: who you are by office, ACTUAL or EXERCISE, and then the fields in order:",
		"   nature, category, relation, sectors, networks, state, what you ask; in codes.",
		"   They read it back. Note UTC time and office: a warning, not a receipt.",
		"",
		"4. WHEN THE LINE IS BACK, enter what was said. A case that is not open yet:",
		"     hotline adopt --detected TIME --text TEXT",
		"     hotline assess CASE --verdict notifiable --notify "+string(p),
		"     hotline send alert CASE --releaser OFFICER",
		"   What was agreed, for the record of both; a person there acknowledges it:",
		fmt.Sprintf("     hotline send text --to %s --case CASE --text TEXT", p),
		"   with: by voice, TIME, office there, office here, what was agreed. Then see",
		"   that it arrived and was acknowledged:",
		"     hotline show ID",
		"",
		"In our own house:")
	return card{title, append(lines, d.numbers(d.self)...)}
}

// limits shows a term by precedence.
func limits(label string, by hotline.Durations) string {
	if by[0] == by[1] && by[1] == by[2] && by[2] == by[3] {
		return fmt.Sprintf("%s %s.", label, brief(by[0]))
	}
	var parts []string
	for i, ms := range by {
		parts = append(parts, hotline.Precedence(i+1).String()+" "+brief(ms))
	}
	return label + " " + strings.Join(parts, ", ") + "."
}

// brief is a term as people say it.
func brief(ms int64) string {
	d := time.Duration(ms) * time.Millisecond
	switch {
	case d >= time.Hour && d%time.Hour == 0:
		return fmt.Sprintf("%d h", d/time.Hour)
	case d >= time.Minute && d%time.Minute == 0:
		return fmt.Sprintf("%d min", d/time.Minute)
	}
	return fmt.Sprintf("%d s", d/time.Second)
}

// numbers are the ways to reach a party, in the order of the file.
func (d *deck) numbers(p hotline.Party) []string {
	var list []string
	for _, c := range d.contacts {
		if c.Party != string(p) {
			continue
		}
		line := fmt.Sprintf("   [ ] %s: %s", c.Office, c.Number)
		if c.Hours != "" {
			line += ", " + c.Hours
		}
		list = append(list, fold(line, "       ")...)
		if mark := d.stale(c); mark != "" {
			list = append(list, "       "+mark)
		}
	}
	if list == nil {
		return []string{fmt.Sprintf("   NO NUMBER of %s stands in %s: get one today.", p, contactsFile)}
	}
	return list
}

func (d *deck) stale(c contact) string {
	if c.Tried.IsZero() {
		return "NEVER TRIED: try it today."
	}
	if term := d.terms().Contacts; term != 0 && c.Tried.UnixMilli()+term <= int64(d.now) {
		return fmt.Sprintf("LAST TRIED %s: try it today.", c.Tried.Format(time.DateOnly))
	}
	return ""
}

// offices are the role names that may speak for a party, from its verified directory.
func (d *deck) offices(p hotline.Party) []string {
	page := d.docs.Directory(p)
	list := []string{fmt.Sprintf("   Who may speak for %s, by its directory %d (contacts confirmed %s):", p, page.Number, clock(page.Confirmed))}
	for _, role := range []hotline.Role{hotline.Liaison, hotline.Releaser, hotline.Authority} {
		var names []string
		for i := range page.Officers {
			o := &page.Officers[i]
			if o.Has(role) && o.Revoked == 0 && d.now < o.Until {
				names = append(names, o.Name)
			}
		}
		const most = 6 // a directory may name 128
		if more := len(names) - most; more > 0 {
			names = append(names[:most], fmt.Sprintf("and %d more", more))
		}
		if len(names) > 0 {
			list = append(list, fold(fmt.Sprintf("     %s %s", role, strings.Join(names, ", ")), "       ")...)
		}
	}
	return list
}

// fold breaks a line at blanks so that it fits the page; what follows is set in.
func fold(line, in string) []string {
	var list []string
	for columns(line) > cardWidth {
		at := strings.LastIndexByte(cut(line, cardWidth), ' ')
		if at <= len(in) {
			break // no blank where it could be broken
		}
		list = append(list, line[:at])
		line = in + line[at+1:]
	}
	return append(list, line)
}

// writeCardPage makes one HTML page, to be printed: a card on each sheet.
func writeCardPage(w io.Writer, cards []card) {
	fmt.Fprint(w, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Hotline cards</title>\n<style>\n"+
		"@page { size: A4; margin: 15mm }\nbody { margin: 0 }\nsection { break-after: page }\n"+
		"pre { font: 10pt/1.2 monospace; white-space: pre-wrap }\n</style></head><body>\n")
	for _, c := range cards {
		fmt.Fprintf(w, "<section><pre>%s</pre></section>\n", html.EscapeString(strings.Join(c.Lines, "\n")))
	}
	fmt.Fprint(w, "</body></html>\n")
}
