package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/hotlinetest"
	"example.org/hotline/ops/ceremony"
)

// a4Lines is how many lines of 12 points stand on an A4 page with margins of 15 mm.
const a4Lines = 63

func deckOf(t *testing.T, contacts ...contact) *deck {
	t.Helper()
	a, b := hotlinetest.NewParty("XA", "card"), hotlinetest.NewParty("XB", "card")
	docs := new(ceremony.Documents)
	for _, raw := range [][]byte{hotlinetest.Convention(hotlinetest.Terms("crisis"), a, b).Raw, a.Directory(1).Raw, b.Directory(1).Raw} {
		if err := docs.Add(raw); err != nil {
			t.Fatal(err)
		}
	}
	return &deck{self: "XA", docs: docs, contacts: contacts, now: hotlinetest.Epoch + 200*24*3600*1000}
}

// TestCardsFitOnePage: the fullest contacts file that is accepted leaves every card on one A4 page.
func TestCardsFitOnePage(t *testing.T) {
	var text strings.Builder
	for _, p := range []string{"XA", "XB"} {
		for range maxPerParty {
			long := strings.Repeat("x", maxCardField)
			fmt.Fprintf(&text, "[[contact]]\nparty = %q\noffice = %q\nnumber = %q\nhours = %q\n", p, long, long, long)
		}
	}
	contacts, err := parseContacts([]byte(text.String()))
	if err != nil {
		t.Fatal(err)
	}
	cards, err := deckOf(t, contacts...).pick(nil)
	if err != nil || len(cards) != 2 {
		t.Fatalf("%d cards, %v", len(cards), err)
	}
	for _, c := range cards {
		if len(c.Lines) > a4Lines {
			t.Errorf("%s: %d lines, a page has %d", c.Title, len(c.Lines), a4Lines)
		}
		for _, line := range c.Lines {
			if columns(line) > cardWidth {
				t.Errorf("%s: %d columns: %s", c.Title, columns(line), line)
			}
		}
	}
}

// TestCommandsOnCardsAreThere: what a card tells to type is a command of this program with these flags.
func TestCommandsOnCardsAreThere(t *testing.T) {
	cards, err := deckOf(t).pick(nil)
	if err != nil {
		t.Fatal(err)
	}
	typed := 0
	for _, c := range cards {
		for _, line := range c.Lines {
			text, ok := strings.CutPrefix(line, "     hotline ")
			if !ok {
				continue
			}
			typed++
			cmd, args, err := newRoot().Find(strings.Fields(text))
			if err != nil || !cmd.Runnable() {
				t.Errorf("%s: %v", text, err)
				continue
			}
			if err := cmd.ParseFlags(args); err != nil {
				t.Errorf("%s: %v", text, err)
			} else if err := cmd.ValidateArgs(cmd.Flags().Args()); err != nil {
				t.Errorf("%s: %v", text, err)
			}
		}
	}
	if typed < 15 {
		t.Errorf("only %d commands were found", typed)
	}
}

// TestOutageCardNamesWhomToCall: numbers stand in the order of the file, with a mark on those that nobody tried of late, and only the
// officers in force may speak for a party.
func TestOutageCardNamesWhomToCall(t *testing.T) {
	at := func(day int) time.Time { return time.UnixMilli(int64(hotlinetest.Epoch)).UTC().AddDate(0, 0, day) }
	d := deckOf(t, contact{"XB", "duty desk", "+00 0 0100", "", at(199)}, contact{"XA", "technician", "+00 0 0001", "", at(199)},
		contact{"XB", "director", "+00 0 0101", "07 to 19 UTC", at(3)}, contact{"XB", "embassy", "+00 0 0102", "", time.Time{}})
	text := strings.Join(d.outage("XB").Lines, "\n")
	want := `   [ ] duty desk: +00 0 0100
   [ ] director: +00 0 0101, 07 to 19 UTC
       LAST TRIED 2026-01-04: try it today.
   [ ] embassy: +00 0 0102
       NEVER TRIED: try it today.
   Who may speak for XB, by its directory 1 (contacts confirmed -):
     liaison XB-L1, XB-L2
     releaser XB-R1, XB-R2
     authority XB-A1
`
	if !strings.Contains(text, want) || !strings.HasSuffix(text, "   [ ] technician: +00 0 0001") {
		t.Errorf("the card is\n%s", text)
	}
	if text := strings.Join(deckOf(t).outage("XB").Lines, "\n"); !strings.Contains(text, "NO NUMBER of XB stands in contacts.toml") {
		t.Errorf("without numbers the card is\n%s", text)
	}
}

// TestContactsAreStrict: a slip in the file is told with its place; nobody finds out on the telephone.
func TestContactsAreStrict(t *testing.T) {
	good := "[[contact]]\nparty = \"XB\"\noffice = \"desk\"\nnumber = \"+00 0 0100\"\n"
	for name, c := range map[string]struct{ text, want string }{
		"unknown key": {good + "phone = \"1\"\n", `line 5: unknown key "contact.phone"`},
		"no number":   {strings.Replace(good, "number = \"+00 0 0100\"", "", 1), "contact 1: party, office and number must be there"},
		"no party":    {strings.Replace(good, "XB", "xb", 1), "contact 1: party"},
		"too many":    {strings.Repeat(good, maxPerParty+1), "more than 4 contacts of XB"},
		"too long":    {strings.Replace(good, "desk", strings.Repeat("d", maxCardField+1), 1), "is over 40 characters"},
		"control":     {strings.Replace(good, "desk", "de\\u001bsk", 1), "cannot be printed"},
	} {
		if _, err := parseContacts([]byte(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	if _, err := deckOf(t).pick([]string{"XA"}); hotline.CodeOf(err) == "" && err == nil {
		t.Error("there is an outage card of the own party")
	}
}
