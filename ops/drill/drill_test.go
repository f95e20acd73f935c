package drill_test

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"example.org/hotline/hotline"
	"example.org/hotline/ops/drill"
	"example.org/hotline/ops/strict"
)

const example = "../deploy/drill.example.toml"

func readExample(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile(example)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestExampleIsAScript: what is shipped as an example is what its comments say.
func TestExampleIsAScript(t *testing.T) {
	s, err := drill.Read([]byte(readExample(t)))
	if err != nil {
		t.Fatal(err)
	}
	if s.Name != "spring-line" || s.Lead != "XA" || !slices.Equal(s.With, []hotline.Party{"XB"}) || len(s.Steps) != 10 || len(s.Expect) != 6 {
		t.Errorf("%+v", s)
	}
	if x := s.Step("w1"); x.Precedence != hotline.Flash || x.At != 10*60_000 || !slices.Equal(s.To(x), s.With) {
		t.Errorf("%+v", x)
	}
	if x := s.Step("q1"); x.Precedence != hotline.Immediate || !slices.Equal(s.To(x), []hotline.Party{"XA"}) {
		t.Errorf("%+v", x)
	}
	if s.Facts.Nature != 1 || s.Facts.Category != 4 || !slices.Equal(s.Facts.Sectors, []uint16{7}) {
		t.Errorf("%+v", s.Facts)
	}
}

// TestMarksThatAreLeftOutAskForEverything: whoever writes one of the marks has not said that the other is worth nothing.
func TestMarksThatAreLeftOutAskForEverything(t *testing.T) {
	good := readExample(t)
	for _, c := range []struct {
		old  string
		want drill.Pass
	}{
		{"on_time = 80", drill.Pass{OnTime: 100}},
		{"missing = 0", drill.Pass{OnTime: 80}},
	} {
		s, err := drill.Read([]byte(strings.Replace(good, c.old, "", 1)))
		if err != nil || s.Pass != c.want {
			t.Errorf("without %s what suffices is %+v, %v, want %+v", c.old, s.Pass, err, c.want)
		}
	}
}

// TestScriptsAreStrict: a slip is told with its line, and never guessed at.
func TestScriptsAreStrict(t *testing.T) {
	good := readExample(t)
	line := func(part string) int { return 1 + strings.Count(good[:strings.Index(good, part)], "\n") }
	for _, c := range []struct{ old, now, want string }{
		{`lead = "XA"`, `leed = "XA"`, `unknown key "leed"`},
		{`lead = "XA"`, `lead = 7`, "lead is a integer"},
		{`lead = "XA"`, `lead = "xa"`, `lead "xa" is no party code`},
		{`with = ["XB"]`, `with = ["XA"]`, "XA is named twice"},
		{`with = ["XB"]`, `with = []`, "with 1 to"},
		{`lasts = "3h"`, `lasts = "3 hours"`, "is no time like"},
		{`lasts = "3h"`, `lasts = "0s"`, "how long the exercise lasts"},
		{`nature = "attack"`, `nature = "bad"`, `nature "bad" is not one of`},
		{`at = "12m"`, `at = "2m"`, "in the order of their times"},
		{`at = "5m"`, `at = "-5m"`, "is no time like"},
		{`id = "a1"`, `id = "d1"`, "there is a step d1 already"},
		{`do = "assess"`, `do = "asses"`, `"asses" is nothing that can be done`},
		{`do = "assess"`, `do = "detect"`, "has no other"},
		{`of = "d1"`, `of = "d9"`, `of "d9" is no step before this one`},
		{`of = "a1"`, `of = "d1"`, "alert refers to assess, and d1 is detect"},
		{`do = "inquiry"`, `do = "supplement"`, "only XA, which leads, can supplement"},
		{`text = "EXERCISE. Which firmware do the hosts write, and since when?"`, `text = ""`, "inquiry needs a text"},
		{`is = "received"`, `is = "read"`, `"read" is none of`},
		{`is = "received"`, `is = "replied"`, "nobody owes that"},
		{`on_time = 80`, `on_time = 101`, "0 to 100 percent"},
	} {
		if strings.Count(good, c.old) == 0 {
			t.Fatalf("the example holds no %s", c.old)
		}
		_, err := drill.Read([]byte(strings.Replace(good, c.old, c.now, 1)))
		var faults strict.Faults
		if !errors.As(err, &faults) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.now, err, c.want)
			continue
		}
		at := line(c.old)
		if !slices.ContainsFunc(faults, func(f strict.Fault) bool { return f.Line <= at && f.Line >= at-6 && strings.Contains(f.Text, c.want) }) {
			t.Errorf("%s: %v, want line %d or its table's", c.now, err, at)
		}
	}
}

// TestMarksAreFound: whoever reads a statement's words finds script and step, and nothing in words that only look alike.
func TestMarksAreFound(t *testing.T) {
	s, err := drill.Read([]byte(readExample(t)))
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range s.Steps {
		script, step, ok := drill.ReadMark(s.Mark(x.Text, x.ID))
		if !ok || script != s.Short() || step != x.ID {
			t.Errorf("%s: %s %s %v", x.ID, script, step, ok)
		}
	}
	for _, text := range []string{"", "[drill 0123456789ab]", "[drill 0123456789ab/w1] and more", "[drill 0123456789AB/w1]"} {
		if _, _, ok := drill.ReadMark(text); ok {
			t.Errorf("%q bears a mark", text)
		}
	}
	if !s.Announces(s.Announce()) || s.Announces(s.Announce()+".") {
		t.Error("the announcement is not of its script alone")
	}
	other, err := drill.Read([]byte(readExample(t) + " "))
	if err != nil {
		t.Fatal(err)
	}
	if other.Announces(s.Announce()) || other.Short() == s.Short() {
		t.Error("another file is the same exercise")
	}
}

const t0 = hotline.Time(1_767_225_600_000)

// ledgerOf makes a record of XA in which everything of the example happened in good time, and XB was silent about s1.
func ledgerOf(s *drill.Script) *drill.Record {
	id := func(step string) hotline.ID { return hotline.ID{step[0], step[1]} }
	add := func(r *drill.Record, step string, re *hotline.ID) {
		x := s.Step(step)
		at := t0 + hotline.Time(x.At) + 10
		st := drill.Statement{ID: id(step), Script: s.Short(), Step: step, Kind: x.Do.Kind(), From: x.Party, To: s.To(x), Re: re,
			Precedence: x.Precedence, At: at, Received: map[hotline.Party]hotline.Time{}}
		for _, to := range st.To {
			st.Received[to] = at + 100
		}
		r.Statements = append(r.Statements, st)
	}
	r := &drill.Record{Party: "XA", Case: hotline.CaseID{Party: "XA", ID: id("d1")}, T0: t0, Adopted: t0 + 10, Assessed: t0 + 300_010, Now: t0 + 2*3600_000}
	for _, x := range s.Steps {
		if x.Do == drill.Silence {
			continue
		}
		var re *hotline.ID
		if x.Of != "" {
			of := id(x.Of)
			re = &of
		}
		add(r, x.ID, re)
	}
	s1 := id("s1")
	r.Statements = append(r.Statements, drill.Statement{ID: hotline.ID{9}, Kind: hotline.KindEscalation, From: "XB", To: []hotline.Party{"XA"}, Re: &s1,
		Precedence: hotline.Flash, At: t0 + 4300_000, Received: map[hotline.Party]hotline.Time{"XA": t0 + 4300_100}})
	return r
}

// TestEvaluationFollowsTheLedger: each outcome follows from times in the ledger, and from nothing else.
func TestEvaluationFollowsTheLedger(t *testing.T) {
	s, err := drill.Read([]byte(readExample(t)))
	if err != nil {
		t.Fatal(err)
	}
	terms, _ := hotline.Profile("crisis")
	find := func(r *drill.Record, step string) *drill.Statement {
		i := slices.IndexFunc(r.Statements, func(st drill.Statement) bool { return st.Step == step })
		return &r.Statements[i]
	}
	drop := func(r *drill.Record, step string) {
		r.Statements = slices.DeleteFunc(r.Statements, func(st drill.Statement) bool { return st.Step == step })
	}
	for _, c := range []struct {
		name   string
		change func(r *drill.Record)
		want   string // outcomes in the order of the script
		passed bool
	}{
		{"all in time", func(*drill.Record) {}, "[met met met met met met]", true},
		{"acknowledged at the last moment", func(r *drill.Record) { find(r, "k1").At = find(r, "w1").Received["XB"] + 599_999 }, "[met met met met met met]", true},
		{"acknowledged when the time is over", func(r *drill.Record) { find(r, "k1").At = find(r, "w1").Received["XB"] + 600_000 }, "[met met late met met met]", true},
		{"acknowledged by hand", func(r *drill.Record) { find(r, "k1").Script, find(r, "k1").Step = "", "" }, "[met met met met met met]", true},
		{"another exercise's mark", func(r *drill.Record) { find(r, "w1").Script = "000000000000" }, "[missing missing missing met met met]", false},
		{"never acknowledged", func(r *drill.Record) { drop(r, "k1") }, "[met met missing met met met]", false},
		{"not yet acknowledged", func(r *drill.Record) { drop(r, "k1"); r.Now = find(r, "w1").Received["XB"] + 1000 }, "[met met open met met met]", false},
		{"other precedence", func(r *drill.Record) { find(r, "w1").Precedence = hotline.Routine }, "[missing met missing met met met]", false},
		{"an interim reply is no answer", func(r *drill.Record) { find(r, "r1").Interim = true }, "[met met met met missing met]", false},
		{"never inquired", func(r *drill.Record) { drop(r, "q1") }, "[met met met missing missing met]", false},
		{"seen from XB", func(r *drill.Record) { r.Party = "XB" }, "[unseen met met met met met]", true},
		{"seen from a third", func(r *drill.Record) { r.Party = "XC" }, "[unseen unseen unseen unseen unseen unseen]", false},
		{"no receipt", func(r *drill.Record) { clear(find(r, "w1").Received); drop(r, "k1") }, "[met missing missing met met met]", false},
	} {
		r := ledgerOf(s)
		c.change(r)
		v := drill.Evaluate(s, r, &terms)
		var got []drill.Outcome
		for _, x := range v.Results {
			got = append(got, x.Outcome)
		}
		if fmt.Sprint(got) != c.want || v.Passed != c.passed || v.AllMet != (c.want == "[met met met met met met]" || c.name == "seen from XB") {
			t.Errorf("%s: %v passed %v all met %v, want %s %v", c.name, got, v.Passed, v.AllMet, c.want, c.passed)
		}
	}
}

// TestWithoutAScriptTheTermsJudge: everything that was sent is to be received and acknowledged, and inquiries answered.
func TestWithoutAScriptTheTermsJudge(t *testing.T) {
	s, err := drill.Read([]byte(readExample(t)))
	if err != nil {
		t.Fatal(err)
	}
	terms, _ := hotline.Profile("crisis")
	v := drill.Evaluate(nil, ledgerOf(s), &terms)
	missing := slices.DeleteFunc(slices.Clone(v.Results), func(r drill.Result) bool { return r.Outcome == drill.Met })
	if len(v.Results) != 9 || len(missing) != 1 || missing[0].Is != drill.Acknowledged || !strings.HasPrefix(missing[0].Of, "supplement ") || v.AllMet {
		t.Errorf("%+v", v)
	}
}

// FuzzScript: no text makes the reader panic, and what it refuses has a line.
func FuzzScript(f *testing.F) {
	f.Add(readExample(f))
	f.Add("[[step]]\ndo = \"acknowledge\"\nof = \"x\"\n[[expect]]\nof = \"x\"\n")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := drill.Read([]byte(text))
		if err != nil {
			faults, ok := err.(strict.Faults)
			if !ok || len(faults) == 0 || faults[0].Line < 1 {
				t.Fatalf("%T %v", err, err)
			}
			return
		}
		drill.Evaluate(s, &drill.Record{Party: s.Lead, T0: t0, Now: t0}, &hotline.Terms{})
	})
}
