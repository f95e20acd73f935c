package audit

import (
	"bytes"
	"encoding/xml"
	"errors"
	flags "flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/hotlinetest"
)

var update = flags.Bool("update", false, "write the golden page anew")

// pageOf writes a page and holds it to what every page promises.
func pageOf(t testing.TB, r *Report) string {
	t.Helper()
	var b bytes.Buffer
	if err := r.WriteHTML(&b); err != nil {
		t.Fatal(err)
	}
	checkPage(t, b.String())
	return b.String()
}

// checkPage holds a page to form and promises: well-formed, nothing that runs or
// comes from elsewhere, ids that are unique and links that lead to one, a header
// for each table column, a caption, a name for each drawing.
func checkPage(t testing.TB, s string) {
	t.Helper()
	if found := regexp.MustCompile(`(?i)<script|javascript:|https?://|\bsrc=|@import|url\(|<link|<iframe|<object|<img| on[a-z]+=`).FindString(s); found != "" {
		t.Errorf("the page holds %q", found)
	}
	ids, wanted := map[string]bool{}, []string{}
	open := map[string]int{}
	columns, cells := 0, 0
	d := xml.NewDecoder(strings.NewReader(s))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("not well-formed: %v", err)
		}
		switch e := token.(type) {
		case xml.StartElement:
			open[e.Name.Local]++
			for _, a := range e.Attr {
				switch a.Name.Local {
				case "id":
					if ids[a.Value] {
						t.Errorf("id %s stands twice", a.Value)
					}
					ids[a.Value] = true
				case "href":
					wanted = append(wanted, strings.TrimPrefix(a.Value, "#"))
				case "aria-labelledby":
					wanted = append(wanted, strings.Fields(a.Value)...)
				}
			}
			switch e.Name.Local {
			case "table":
				columns = 0
			case "tr":
				cells = 0
			case "th", "td":
				cells++
			}
		case xml.EndElement:
			if e.Name.Local == "tr" && columns == 0 {
				columns = cells
			} else if e.Name.Local == "tr" && cells != columns {
				t.Errorf("a row of %d cells in a table of %d columns", cells, columns)
			}
		}
	}
	for _, id := range wanted {
		if !ids[id] {
			t.Errorf("nothing has the id %q", id)
		}
	}
	if open["table"] != open["caption"] || open["table"] != open["thead"] || open["svg"] != open["desc"] || open["figure"] != open["figcaption"] || open["h1"] != 1 {
		t.Errorf("elements: %v", open)
	}
	if !strings.Contains(s, `<html lang="en">`) || !strings.Contains(s, disclaimer) {
		t.Error("the page has no language or does not say what it is not")
	}
}

// named gives ids and hashes, which sealing makes anew in each run, a name by the
// order in which they appear.
func named(s string) string {
	names := map[string]string{}
	return regexp.MustCompile(`\b(?:[0-9a-f]{64}|[0-9a-f]{12})\b`).ReplaceAllStringFunc(s, func(id string) string {
		if names[id[:12]] == "" {
			names[id[:12]] = fmt.Sprintf("id%d", len(names)+1)
		}
		return names[id[:12]]
	})
}

// Promise: the page of a small story is this one but for its ids, and the same
// material makes the same page byte for byte.
func TestGoldenPage(t *testing.T) {
	t.Parallel()
	w := mixed(t)
	dirs := []string{w.at("XA").export(), w.at("XB").export()}
	page := pageOf(t, audited(t, dirs...))
	if again := pageOf(t, audited(t, dirs[1], dirs[0])); again != page {
		t.Error("the same material makes another page")
	}
	got := named(page)
	name := filepath.Join("testdata", "page.html")
	if *update {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the page is another one; if that is meant, write it with -update and read it")
	}
	if strings.Contains(got, "not known") {
		t.Error("what came of a duty is not told, though both logs are given")
	}
	for _, part := range []string{"assess-overdue", "SPEC §6.3", "OVERDUE", "XB-L1", "No independent witness exists", "provable interval", "<svg"} {
		if !strings.Contains(got, part) {
			t.Errorf("%q is missing", part)
		}
	}
}

// Promise: a page shows what it can of any part of the material: one log alone, a
// pair export, tests of the line, nothing at all.
func TestPagesOfEveryKindOfMaterial(t *testing.T) {
	t.Parallel()
	w, l, none := mixed(t), line(t), newWorld(t, terms(), "XA", "XB")
	for name, dirs := range map[string][]string{
		"sender alone":   {w.at("XA").export()},
		"receiver alone": {w.at("XB").export()},
		"pair exports":   {w.at("XA").pair("XB"), w.at("XB").pair("XA")},
		"line":           {l.at("XA").export(), l.at("XB").export()},
		"nothing":        {none.at("XA").export()},
	} {
		t.Run(name, func(t *testing.T) {
			s := pageOf(t, audited(t, dirs...))
			if got := strings.Contains(s, "by the other side&#39;s log</td>") || strings.Contains(s, "by the other side's log</td>"); got != strings.HasSuffix(name, "alone") {
				t.Errorf("ends that only the other side shows: %t", got)
			}
			if got := strings.Contains(s, "Spans with missed tests"); got != (name == "line") {
				t.Errorf("missed tests: %t", got)
			}
		})
	}
}

// Promise: on a page an exercise never looks real: each drawing, caption and row that
// concerns a status bears its sign, word and class, and those of no other.
func TestPageMarksEachStatus(t *testing.T) {
	t.Parallel()
	for _, status := range []hotline.Status{hotline.Actual, hotline.Exercise} {
		w := newWorld(t, terms(), "XA", "XB")
		a := w.at("XA")
		of := hotlinetest.Status(status)
		d := a.submit(a.Detection(w.now, of))
		w.pass(120 * minute)
		a.tick()
		as := a.submit(a.Assessment(w.now, d, []hotline.Party{"XB"}, of))
		a.send(a.submit(a.Alert(w.now, as, []hotline.Party{"XB"}, of)), "XB")
		w.pass(60 * minute)
		w.at("XB").tick()
		s := pageOf(t, audited(t, a.export(), w.at("XB").export()))
		_, body, _ := strings.Cut(s, "</header>")
		for _, other := range []hotline.Status{hotline.Actual, hotline.Exercise, hotline.Test} {
			m := markOf(other.String())
			n := strings.Count(body, fmt.Sprintf(`<span class="mark %s">%s %s</span>`, m.Class, m.Sign, m.Word))
			if (n > 10) != (other == status) || other != status && (n > 0 || strings.Contains(body, other.String()) || strings.Contains(body, `"point `+m.Class)) {
				t.Errorf("the page of an %s marks %d times %s", status, n, other)
			}
		}
	}
}

// hostile are texts that try to be more than text.
var hostile = []string{
	`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `</title></svg></style><script>`, `' onload='x`, `{{.Convention}}`, `]]>--><!--`,
	"\u202egnp.exe\u202c \u2066x\u2069", "a\u200bb\u0000c\u001bd\x7fe\ufeff", "\xff\xfe broken", "javascript:alert(1)", `&lt;b&gt;&#60;`,
	strings.Repeat("W", 5000), strings.Repeat("é", maxPageText+5), "line\u2028line\u2029", "\U000e0041tag", "http://x.example/",
}

// Promise: whatever comes from parties is text on a page, also within drawings, and
// cannot run, hide, turn round or reach out.
func TestHostileTextIsText(t *testing.T) {
	t.Parallel()
	for i, bad := range hostile {
		r := hostileReport(t, bad)
		var b bytes.Buffer
		if err := r.WriteHTML(&b); err != nil {
			t.Fatal(err)
		}
		s := b.String()
		if !strings.Contains(bad, "http") && !strings.Contains(bad, "javascript") && !strings.Contains(bad, "src=") && !strings.Contains(bad, "onload") {
			checkPage(t, s)
		}
		d := xml.NewDecoder(strings.NewReader(s))
		for {
			token, err := d.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%d: not well-formed: %v", i, err)
			}
			e, ok := token.(xml.StartElement)
			if !ok {
				continue
			}
			if slices.Contains([]string{"script", "img", "b", "a"}, e.Name.Local) && !(e.Name.Local == "a" && strings.HasPrefix(e.Attr[0].Value, "#")) {
				t.Errorf("%d makes an element %s", i, e.Name.Local)
			}
			for _, a := range e.Attr {
				if strings.HasPrefix(a.Name.Local, "on") || a.Name.Local == "src" {
					t.Errorf("%d makes an attribute %s", i, a.Name.Local)
				}
			}
		}
		if found := regexp.MustCompile("[\u200b\u202a-\u202e\u2066-\u2069\u2028\u2029\ufeff\u0000-\u0009\u000b-\u001f\u007f\U000e0041]").FindString(s); found != "" {
			t.Errorf("%d leaves %q in the page", i, found)
		}
		if n := longestText(s); n > 8*maxPageText {
			t.Errorf("%d makes a text of %d characters", i, n)
		}
	}
}

// longestText is the length of the longest line of a page, style and figures apart.
func longestText(s string) (n int) {
	_, body, _ := strings.Cut(s, "</style>")
	for text := range strings.SplitSeq(body, "<") {
		n = max(n, len([]rune(text)))
	}
	return n
}

// hostileReport is a report with one text wherever a party could have put it.
func hostileReport(t *testing.T, bad string) *Report {
	t.Helper()
	dir := t.TempDir()
	p := hotline.Party(bad)
	r := &Report{dir: dir, Convention: bad, NotJudged: []string{bad}, Views: []View{{Party: p, Text: bad}},
		Logs:         []Log{{Dir: "/x/" + bad, Kind: Kind(bad), Party: p, With: p, Root: bad, First: 1, Last: 2, Witnesses: []Witness{{Party: p}}}},
		Observations: []Observation{{Class: Terms, Code: Code(bad), Section: bad, Party: p, Status: bad, Text: bad}}}
	at := hotlinetest.Epoch
	r.events = []*spool[Event]{spoolOf(t, dir, "e", (*Event).each,
		Event{Time: at, Party: p, Type: "sent", Kind: bad, Case: bad, Status: bad, Statement: bad, Text: bad},
		Event{Time: at + 1, Party: p, Type: "overdue", Kind: bad, Case: bad, Status: "EXERCISE", Text: bad})}
	r.statements = []*spool[Statement]{spoolOf(t, dir, "s", (*Statement).each,
		Statement{ID: bad, Kind: bad, Status: bad, Precedence: bad, Case: bad, From: p, To: p + "2", Tendered: at, Received: at + 5, Rejected: hotline.Code(bad)})}
	r.rungs = []*spool[Rung]{spoolOf(t, dir, "r", (*Rung).each,
		Rung{Time: at, Party: p, Duty: bad, Subject: bad, Peer: p, Case: bad, Status: bad, Office: bad, Whom: bad, Page: bad})}
	r.tests = []*spool[LineTest]{spoolOf(t, dir, "t", (*LineTest).each, LineTest{From: p, To: p, Status: bad, Sent: at, Missed: true})}
	r.verdicts = []*spool[Verdict]{spoolOf(t, dir, "v", (*Verdict).each,
		Verdict{Party: p, Log: p, Peer: p, Case: bad, Due: at, Outcome: Outcome(bad), Overdue: true, Reason: hotline.Code(bad), Awaited: &Awaited{Party: p, Outcome: Outcome(bad), Differs: true}})}
	return r
}

func spoolOf[T any](t *testing.T, dir, name string, each func(*T, *record), values ...T) *spool[T] {
	t.Helper()
	s, err := newSpool(dir, name, each)
	if err != nil {
		t.Fatal(err)
	}
	for i := range values {
		if err := s.add(&values[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.finish(); err != nil {
		t.Fatal(err)
	}
	return s
}

// Promise: what is drawn is bounded however much there is, and what is beyond is
// counted and said.
func TestPageIsBounded(t *testing.T) {
	t.Parallel()
	sweep(t)
	dir := t.TempDir()
	at := hotlinetest.Epoch
	var events []Event
	var tests []LineTest
	var rungs []Rung
	for i := range 3 * maxPageCases {
		for k := range 5 {
			events = append(events, Event{Time: at + hotline.Time(i), Party: "XA", Type: "sent", Kind: "alert", Case: fmt.Sprintf("XA/%d", i), Status: "ACTUAL", Entry: uint64(k)})
		}
	}
	for i := range 2 * maxCaseRows {
		events = append(events, Event{Time: at + hotline.Time(1000+i), Party: hotline.Party(fmt.Sprintf("X%d", i%20)), Type: "overdue", Kind: "alert", Case: "XA/0", Status: "ACTUAL"})
	}
	for i := range 100 * 24 {
		for k := range maxMapRows + 3 {
			tests = append(tests, LineTest{From: "XA", To: hotline.Party(fmt.Sprintf("Y%d", k)), Status: "TEST", Sent: at + hotline.Time(i)*6*hour, Missed: true})
		}
	}
	for range 2 * maxPageRungs {
		rungs = append(rungs, Rung{Time: at, Party: "XA", Duty: "alert", Status: "ACTUAL"})
	}
	r := &Report{dir: dir, MoreTerms: 7, events: []*spool[Event]{spoolOf(t, dir, "e", (*Event).each, events...)},
		tests: []*spool[LineTest]{spoolOf(t, dir, "t", (*LineTest).each, tests...)}, rungs: []*spool[Rung]{spoolOf(t, dir, "r", (*Rung).each, rungs...)}}
	s := pageOf(t, r)
	for _, want := range []string{
		fmt.Sprintf("%d more cases are not shown here", 2*maxPageCases),
		fmt.Sprintf("%d more entries of this case", maxCaseRows+5),
		fmt.Sprintf("%d rows are drawn, <strong>%d more are not", maxCaseDrawn, maxCaseRows-maxCaseDrawn),
		fmt.Sprintf("%d more parties have no lane", 20+1-maxLanes),
		fmt.Sprintf("%d more rungs are not shown", maxPageRungs),
		fmt.Sprintf("%d tests of more directions", 3*2400),
		"7 more observations are not shown", "A column is 7 days", "more spans with misses are not shown",
	} {
		if !strings.Contains(s, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	if strings.Count(s, "<article>") != maxPageCases || !strings.Contains(s, "Case XA/0<") {
		t.Errorf("%d cases are drawn; the overdue one: %t", strings.Count(s, "<article>"), strings.Contains(s, "Case XA/0<"))
	}
}

// Promise: however much is observed of one party, a page shows the first of everything that is observed of each, and what is broken before what is late.
func TestPageHidesNoObservationBehindMany(t *testing.T) {
	t.Parallel()
	r := &Report{dir: t.TempDir()}
	for i := range 2 * maxPageObservations {
		r.Observations = append(r.Observations, observe(AlertOverdue, "XA", uint64(i), "late"))
	}
	r.Observations = append(r.Observations, observe(AlertOverdue, "XB", 7, "late"), observe(Fork, "XC", 8, "two histories"), observe(Fork, "XC", 9, "three histories"))
	s := pageOf(t, r)
	for _, want := range []string{"XB", "two histories", "three histories", fmt.Sprintf("%d more observations are not shown", maxPageObservations+3)} {
		if !strings.Contains(s, want) {
			t.Errorf("the page does not show %q", want)
		}
	}
}
