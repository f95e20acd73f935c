package audit

import (
	"bytes"
	"encoding/csv"
	"regexp"
	"strings"
	"testing"
	"time"

	"example.org/hotline/hotline"
)

// Promise: each table is CSV as RFC 4180 says, with one line for each value, and
// its times are UTC with milliseconds.
func TestTablesAreCSV(t *testing.T) {
	t.Parallel()
	w := mixed(t)
	r := audited(t, w.at("XA").export(), w.at("XB").export())
	want := map[string]int{"statements": len(all(t, r.Statements())), "chronology": len(all(t, r.Chronology())),
		"verdicts": len(all(t, r.Verdicts())), "observations": len(r.Observations)}
	for _, what := range Tables {
		var out bytes.Buffer
		if err := r.WriteCSV(&out, what); err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(out.String(), "\n"); n != strings.Count(out.String(), "\r\n") || n != want[what]+1 || n < 3 {
			t.Errorf("%s: %d lines, want %d that end with CR LF", what, n, want[what]+1)
		}
		lines, err := csv.NewReader(&out).ReadAll() // demands as many cells in each line as in the first
		if err != nil {
			t.Fatal(err)
		}
		stamped := false
		for i, cell := range lines[1] {
			if !regexp.MustCompile(`^20\d\d-`).MatchString(cell) {
				continue
			}
			stamped = true
			if at, err := time.Parse("2006-01-02T15:04:05.000Z", cell); err != nil || at.Location() != time.UTC {
				t.Errorf("%s: %s is %q: %v", what, lines[0][i], cell, err)
			}
		}
		if !stamped {
			t.Errorf("%s bears no time: %q", what, lines[1])
		}
	}
	if err := r.WriteCSV(&bytes.Buffer{}, "secrets"); err == nil || !strings.Contains(err.Error(), "statements") {
		t.Errorf("a table that is none: %v", err)
	}
}

// Promise: nothing that came from a party becomes a formula in a spreadsheet.
func TestTablesHoldNoFormula(t *testing.T) {
	t.Parallel()
	hostile := []string{"=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1", "＋1", "－1", "＠x"}
	r := &Report{}
	for _, s := range hostile {
		r.Observations = append(r.Observations, Observation{Class: Terms, Code: Code(s), Section: s, Party: hotline.Party(s), Status: s, Text: s})
	}
	r.Observations = append(r.Observations, Observation{Code: "fork", Text: "two \"trees\", one size\nof = 1"})
	var out bytes.Buffer
	if err := r.WriteCSV(&out, "observations"); err != nil {
		t.Fatal(err)
	}
	lines, err := csv.NewReader(&out).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for i, line := range lines[1:] {
		for _, cell := range line {
			if cell != "" && strings.ContainsRune("=+-@\t\r\n＝＋－＠", []rune(cell)[0]) {
				t.Errorf("line %d: %q", i, line)
			}
		}
	}
	if got := lines[len(lines)-1]; got[9] != "two \"trees\", one size\nof = 1" || got[1] != "fork" {
		t.Errorf("%q is changed", got)
	}
	if got := lines[1][1]; got != "'=1+1" {
		t.Errorf("%q", got)
	}
}
