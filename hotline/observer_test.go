package hotline_test

import (
	"encoding/hex"
	"slices"
	"testing"

	. "example.org/hotline/hotline"
	"example.org/hotline/hotline/hotlinetest"
)

// observed is a convention of two parties and the observer XC.
func observed() (w *world) {
	w = newWorld()
	w.conv = hotlinetest.Observed(hotlinetest.Terms("crisis"), []Party{"XC"}, w.a, w.b, w.c)
	return w
}

// amended drafts version 2 after conv between parties, the observers among them by code.
func (w *world) amended(observers []Party, members ...*hotlinetest.Party) *Convention {
	c := hotlinetest.Draft(hotlinetest.Terms("standard"), members...)
	c.Version, c.Previous = 2, w.conv.Hash
	for i := range c.Parties {
		c.Parties[i].Observer = slices.Contains(observers, c.Parties[i].Party)
	}
	return c
}

// TestObserverHasNoVote: an observer signs when it comes, and when its own key or role changes, and is neither counted nor needed
// for anything else (SPEC §5.1).
func TestObserverHasNoVote(t *testing.T) {
	w := observed()
	d, newC := hotlinetest.NewParty("XD", "1"), hotlinetest.NewParty("XC", "second root")
	xc := []Party{"XC"}
	for name, v := range map[string]struct {
		c       *Convention
		signers parties
		code    Code
	}{
		"both parties":                     {w.amended(xc, w.a, w.b, w.c), parties{w.a, w.b}, ""},
		"one party of two":                 {w.amended(xc, w.a, w.b, w.c), parties{w.a}, CodeMissingAuthor},
		"one party and the observer":       {w.amended(xc, w.a, w.b, w.c), parties{w.a, w.c}, CodeExtraAuthor},
		"the observer too":                 {w.amended(xc, w.a, w.b, w.c), parties{w.a, w.b, w.c}, CodeExtraAuthor},
		"the observer leaves":              {w.amended(nil, w.a, w.b), parties{w.a, w.b}, ""},
		"the observer leaves and signs":    {w.amended(nil, w.a, w.b), parties{w.a, w.b, w.c}, CodeExtraAuthor},
		"another observer comes":           {w.amended([]Party{"XC", "XD"}, w.a, w.b, w.c, d), parties{w.a, w.b, d}, ""},
		"another that does not sign":       {w.amended([]Party{"XC", "XD"}, w.a, w.b, w.c, d), parties{w.a, w.b}, CodeMissingAuthor},
		"one that comes does not count":    {w.amended([]Party{"XC", "XD"}, w.a, w.b, w.c, d), parties{w.a, d}, CodeMissingAuthor},
		"the observer's new key":           {w.amended(xc, w.a, w.b, newC), parties{w.a, w.b, newC}, ""},
		"its new key is silent":            {w.amended(xc, w.a, w.b, newC), parties{w.a, w.b}, CodeMissingAuthor},
		"the observer becomes a party":     {w.amended(nil, w.a, w.b, w.c), parties{w.a, w.b, w.c}, ""},
		"a party against its will":         {w.amended(nil, w.a, w.b, w.c), parties{w.a, w.b}, CodeMissingAuthor},
		"its signature is no vote":         {w.amended(nil, w.a, w.b, w.c), parties{w.a, w.c}, CodeMissingAuthor},
		"roles are exchanged":              {w.amended([]Party{"XB"}, w.a, w.b, w.c), parties{w.a, w.b, w.c}, ""},
		"an observer against its own will": {w.amended([]Party{"XB", "XC"}, w.a, w.b, w.c, d), parties{w.a, d}, CodeMissingAuthor},
	} {
		_, err := ParseConvention(unchecked(w.conv.ID, v.c, v.signers...), w.conv)
		wantCode(t, name, err, v.code)
	}
}

// TestObserverBounds: two parties must be left that speak, and an observer has nothing to reserve against.
func TestObserverBounds(t *testing.T) {
	w := newWorld()
	wantCode(t, "one of three", w.amended([]Party{"XC"}, w.a, w.b, w.c).Validate(), "")
	wantCode(t, "two of three", w.amended([]Party{"XA", "XC"}, w.a, w.b, w.c).Validate(), CodeDocument)
	c := w.amended([]Party{"XC"}, w.a, w.b, w.c)
	c.Parties[2].Reservations = []string{ReserveLineTest}
	wantCode(t, "one that reserves", c.Validate(), CodeDocument)
	if !c.Observes("XC") || c.Observes("XA") || c.Observes("XD") || !slices.Equal(c.Speakers(), []Party{"XA", "XB"}) {
		t.Error("roles are mixed up")
	}
}

// TestObserversWitnessFirst: the observers that follow a log are asked before the parties that follow it, no more than the
// convention says, and nobody witnesses itself (SPEC §7.8).
func TestObserversWitnessFirst(t *testing.T) {
	c := &Convention{Parties: []Member{{Party: "XA"}, {Party: "XB", Observer: true}, {Party: "XC"}, {Party: "XD", Observer: true}, {Party: "XE"}}}
	for _, v := range []struct {
		of   Party
		most uint64
		want []Party
	}{
		{"XA", 16, []Party{"XB", "XD", "XC", "XE"}},
		{"XC", 16, []Party{"XD", "XB", "XE", "XA"}},
		{"XC", 3, []Party{"XD", "XB", "XE"}},
		{"XE", 1, []Party{"XB"}},
		{"XD", 16, []Party{"XB", "XE", "XA", "XC"}},
		{"XA", 0, []Party{}},
		{"XZ", 16, nil},
	} {
		if c.Witnesses = v.most; !slices.Equal(c.WitnessesOf(v.of), v.want) {
			t.Errorf("%d witnesses of %s are %v, want %v", v.most, v.of, c.WitnessesOf(v.of), v.want)
		}
	}
}

// TestObserverHasNoDesk: nobody of an observer may send, acknowledge or decide.
func TestObserverHasNoDesk(t *testing.T) {
	w := observed()
	for _, r := range Roles {
		d := w.c.Page(1)
		d.Officers[0].Roles = []Role{r}
		_, err := ParseDirectory(w.c.SignDirectory(d), w.conv)
		want := CodeDocument
		if r == Auditor || r == Technician {
			want = ""
		}
		wantCode(t, string(r), err, want)
	}
}

// observedVectors are conventions after one with an observer, and directories under it.
func observedVectors() map[string]*vectorFile {
	w := observed()
	xc, before := []Party{"XC"}, vectorContext{Before: hex.EncodeToString(w.conv.Raw)}
	same, raised := w.amended(xc, w.a, w.b, w.c), w.amended(nil, w.a, w.b, w.c)
	sign := func(c *Convention, signers ...*hotlinetest.Party) []byte { return unchecked(w.conv.ID, c, signers...) }
	reserving := w.amended(xc, w.a, w.b, w.c)
	reserving.Parties[2].Reservations = []string{ReserveLineTest}
	conventions := []vector{good("signed by both parties", sign(same, w.a, w.b)), good("the observer leaves", sign(w.amended(nil, w.a, w.b), w.a, w.b)),
		good("the observer becomes a party", sign(raised, w.a, w.b, w.c))}
	conventions = append(conventions, derived("signed by both parties", []vector{
		bad("signed by one party and the observer", sign(same, w.a, w.c), CodeExtraAuthor),
		bad("signed by the observer too", sign(same, w.a, w.b, w.c), CodeExtraAuthor),
		bad("signed by one of two parties", sign(same, w.a), CodeMissingAuthor),
		bad("an observer with a reservation", sign(reserving, w.a, w.b), CodeDocument),
		bad("one party that does not only observe", sign(w.amended([]Party{"XB", "XC"}, w.a, w.b, w.c), w.a, w.b), CodeDocument),
	})...)
	conventions = append(conventions, derived("the observer becomes a party", []vector{
		bad("a party without its signature", sign(raised, w.a, w.b), CodeMissingAuthor),
		bad("its signature in the place of a vote", sign(raised, w.a, w.c), CodeMissingAuthor),
	})...)
	page := func(r Role) []byte {
		d := w.c.Page(1)
		d.Officers[0].Roles = []Role{r}
		return w.c.SignDirectory(d)
	}
	directories := append([]vector{good("an auditor and a technician", w.c.SignDirectory(w.c.Page(1)))}, derived("an auditor and a technician", []vector{
		bad("a liaison", page(Liaison), CodeDocument), bad("a reporter", page(Reporter), CodeDocument), bad("an authority", page(Authority), CodeDocument)})...)
	return map[string]*vectorFile{
		"conventions-observer": {About: "Version 2 of a convention of two parties and the observer XC, after version 1 in context.before (SPEC §5.1).",
			Form: "convention", Context: before, Vectors: conventions},
		"directories-observer": {About: "Directories of the observer XC under the convention in context.before (SPEC §5.1, §5.3).",
			Form: "directory", Context: before, Vectors: directories},
	}
}
