package codebook

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"example.org/hotline/hotline"
)

// coded lists the keys that the tables of the protocol and of the desk demand. Tables that other packages hold as constants are
// read from their source, so that a new code is a failure here and not a blank before an officer.
func coded(t *testing.T) map[Key]string {
	t.Helper()
	want := map[Key]string{}
	add := func(from string, g Group, codes ...string) {
		if len(codes) == 0 {
			t.Errorf("%s: no code was found", from)
		}
		for _, c := range codes {
			want[key(g, c)] = from
		}
	}
	for _, r := range hotline.Kinds() {
		add("hotline.Kinds", "kind", r.Name)
	}
	for field, codes := range hotline.FactCodes {
		add("hotline.FactCodes", Group(field), codes...)
	}
	for _, r := range hotline.Roles {
		add("hotline.Roles", "role", string(r))
	}
	add("hotline.Status", "status", named(t, hotline.Status.String)...)
	add("hotline.Precedence", "precedence", named(t, hotline.Precedence.String)...)
	add("hotline.TLP", "tlp", named(t, hotline.TLP.String)...)
	add("hotline.Verdict", "verdict", named(t, hotline.Verdict.String)...)
	add("hotline.Duty", "duty", named(t, hotline.Duty.String)...)
	add("hotline.Disposition", "disposition", named(t, hotline.Disposition.String)...)
	add("hotline.Activities", Activities, hotline.Activities...)
	add("hotline.AssistanceForms", Assistance, hotline.AssistanceForms...)
	for _, c := range slices.Concat(hotline.RetractReasons, hotline.LateReasons) {
		add("reasons", Reasons, string(c))
	}
	add("hotline.HitNature", HitNatures, append(named(t, hotline.HitNature.String), hotline.HitNature(0).String())...)
	add("hotline.PageEnd", "page-end", named(t, hotline.PageEnd.String)...)
	add("hotline.PageResult", "page-result", named(t, hotline.PageResult.String)...)
	add("hotline.HitDirection", HitDirections, named(t, hotline.HitDirection.String)...)
	add("hotline.HitEvidence", HitEvidence, named(t, hotline.HitEvidence.String)...)
	for _, c := range []struct {
		file, name string
		group      Group
	}{
		{"../errors.go", "Code", "refusal"}, {"../desk/messages.go", "Stage", Stages}, {"../desk/messages.go", "Direction", Directions},
		{"../desk/messages.go", "EventType", Events}, {"../desk/messages.go", "LinkState", Links},
		{"../audit/observation.go", "Code", "observation"}, {"../audit/observation.go", "Class", "class"},
	} {
		add(c.file, c.group, constants(t, c.file, c.name)...)
	}
	add("hotline.Marks", Marks, markNames(t)...)
	add("ledger.Stage", Stages, wordsOf(t, "../ledger/state.go", "Stage", "String")...)
	add("ledger.TellStage", Stages, wordsOf(t, "../ledger/state.go", "TellStage", "String")...)
	add("ledger.LifeStage", Stages, wordsOf(t, "../ledger/life.go", "LifeStage", "String")...)
	add("ledger.Life", Stages, wordsOf(t, "../ledger/life.go", "Life", "Marks")...)
	add("desk.StatusView.Role", Members, "leader", "follower", "candidate", "learner")
	add("the ladder that follows from the directory", Offices, officesOf(t, "../ledger/deadline.go")...)
	add("alarms of the line and of the contacts", Offices, officesOf(t, "../ledger/line.go")...)
	add("hotline.Rung", Offices, "desk", "deputy", "second-site", "director", "voice", "authority")
	return want
}

// named returns the words of a numbered code from 1 on, up to the first number that has none of its own.
func named[T ~uint | ~uint8](t *testing.T, word func(T) string) []string {
	t.Helper()
	beyond := regexp.MustCompile(`\(\d+\)$|-\d+$|^(duty|end|result)$`)
	var list []string
	for n := T(1); !beyond.MatchString(word(n)); n++ {
		list = append(list, word(n))
		if n > 100 {
			t.Fatalf("%v has no end", list)
		}
	}
	return list
}

// constants returns the values of the string constants of one type in a source file.
func constants(t *testing.T, file, name string) []string {
	t.Helper()
	var list []string
	source(t, file, func(n ast.Node) {
		v, ok := n.(*ast.ValueSpec)
		if !ok || len(v.Values) != 1 {
			return
		}
		if typ, ok := v.Type.(*ast.Ident); ok && typ.Name == name && literal(v.Values[0]) != "" {
			list = append(list, literal(v.Values[0]))
		}
	})
	return list
}

// source calls visit for every node of a source file.
func source(t *testing.T, file string, visit func(ast.Node)) {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), filepath.FromSlash(file), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(parsed, func(n ast.Node) bool {
		visit(n)
		return true
	})
}

func literal(e ast.Expr) string {
	if lit, ok := e.(*ast.BasicLit); ok && lit.Kind == token.STRING {
		return strings.Trim(lit.Value, `"`)
	}
	return ""
}

// wordsOf returns the words in the tables of a type's method.
func wordsOf(t *testing.T, file, name, method string) []string {
	t.Helper()
	var list []string
	source(t, file, func(n ast.Node) {
		f, ok := n.(*ast.FuncDecl)
		if !ok || f.Name.Name != method || f.Recv == nil {
			return
		}
		typ := f.Recv.List[0].Type
		if pointer, ok := typ.(*ast.StarExpr); ok {
			typ = pointer.X
		}
		if typ, ok := typ.(*ast.Ident); !ok || typ.Name != name {
			return
		}
		ast.Inspect(f.Body, func(n ast.Node) bool {
			if table, ok := n.(*ast.CompositeLit); ok {
				for _, e := range table.Elts {
					if word := literal(e); word != "" {
						list = append(list, word)
					}
				}
			}
			return true
		})
	})
	return list
}

// officesOf returns the offices that a source file names.
func officesOf(t *testing.T, file string) []string {
	t.Helper()
	var list []string
	source(t, file, func(n ast.Node) {
		if kv, ok := n.(*ast.KeyValueExpr); ok {
			if name, ok := kv.Key.(*ast.Ident); ok && name.Name == "Office" && literal(kv.Value) != "" {
				list = append(list, literal(kv.Value))
			}
		}
	})
	return list
}

// markNames returns the marks of an entry, MarkTimeUnproven as time-unproven.
func markNames(t *testing.T) []string {
	t.Helper()
	capital := regexp.MustCompile(`[A-Z]`)
	var list []string
	source(t, "../entry.go", func(n ast.Node) {
		if v, ok := n.(*ast.ValueSpec); ok {
			if name, ok := strings.CutPrefix(v.Names[0].Name, "Mark"); ok {
				list = append(list, strings.ToLower(capital.ReplaceAllString(name, "-$0"))[1:])
			}
		}
	})
	return list
}

// free are groups whose keys are the program's own words: the English book says which there are.
var free = []Group{"label", "fixed", "say"}

// TestEveryCodeHasATextInEveryLanguage defends the officer who reads another party's alert: no code is blank in their language,
// and no text stands for a code that is none.
func TestEveryCodeHasATextInEveryLanguage(t *testing.T) {
	want := coded(t)
	english := Open(English)
	for _, k := range english.Keys() {
		if g, _, _ := strings.Cut(string(k), "."); slices.Contains(free, Group(g)) {
			want[k] = "en.toml"
		}
	}
	for _, l := range Languages {
		b := Open(l)
		for k, from := range want {
			if b.texts[k] == "" {
				t.Errorf("%s lacks %s, which %s has", l, k, from)
			}
		}
		for _, k := range b.Keys() {
			if want[k] == "" {
				t.Errorf("%s has %s, which is no code", l, k)
			}
		}
		if b.Language() != l {
			t.Errorf("the book in %s says that it is in %s", l, b.Language())
		}
	}
	if len(want) < 200 {
		t.Errorf("only %d codes were found", len(want))
	}
}

// TestEveryFieldOfABodyHasALabel: a field that a kind's body gains is named in every language.
func TestEveryFieldOfABodyHasALabel(t *testing.T) {
	for _, r := range hotline.Kinds() {
		if r.Class == hotline.ByRoots {
			continue // documents have commands of their own
		}
		for _, name := range fields(reflect.TypeOf(r.Body())) {
			for _, l := range Languages {
				if Open(l).texts[key("label", name)] == "" {
					t.Errorf("%s has no label for %s of %s", l, name, r.Name)
				}
			}
		}
	}
}

// fields lists the names of a body's fields that people read; facts are read field by field, and a language beside its text.
func fields(typ reflect.Type) []string {
	if typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	var list []string
	for i := range typ.NumField() {
		name, _, _ := strings.Cut(typ.Field(i).Tag.Get("json"), ",")
		switch name {
		case "language":
		case "from":
			list = append(list, "begins") // of a time; the sender stands in the header
		case "facts":
			list = append(list, fields(typ.Field(i).Type)...)
		default:
			list = append(list, name)
		}
	}
	return list
}

var slot = regexp.MustCompile(`\{[a-z]+\}`)

// TestTextsAgree: every language has the same slots, is written in its own script, and holds nothing that could rewrite a
// terminal.
func TestTextsAgree(t *testing.T) {
	english := Open(English)
	for _, l := range Languages {
		b := Open(l)
		for _, k := range b.Keys() {
			text := b.texts[k]
			if got, want := slots(text), slots(english.texts[k]); !slices.Equal(got, want) {
				t.Errorf("%s %s: slots %v, in English %v", l, k, got, want)
			}
			if text != strings.TrimSpace(text) || text == "" {
				t.Errorf("%s %s: empty, or blank at an end", l, k)
			}
			if r := unsafeRune(text); r != 0 {
				t.Errorf("%s %s: holds U+%04X", l, k, r)
			}
			if !inScript(l, k, text) {
				t.Errorf("%s %s: %q is not in this language's script, or is still in English", l, k, text)
			}
		}
	}
}

func slots(text string) []string {
	list := slot.FindAllString(text, -1)
	slices.Sort(list)
	return list
}

// unsafeRune finds control and format characters, bidirectional controls among them, digits other than Western ones, and braces
// that open no slot.
func unsafeRune(text string) rune {
	for _, r := range slot.ReplaceAllString(text, "") {
		if unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Co) || unicode.IsDigit(r) && r > '9' || r == '{' || r == '}' || r == unicode.ReplacementChar {
			return r
		}
	}
	return 0
}

// same are texts that French or Spanish share with English.
var same = map[Language][]Key{
	French:  {"precedence.flash", "label.codes", "label.signatures", "label.nature", "label.note"},
	Spanish: {"say.no"},
}

var scripts = map[Language]*unicode.RangeTable{Arabic: unicode.Arabic, Chinese: unicode.Han, Russian: unicode.Cyrillic}

func inScript(l Language, k Key, text string) bool {
	bare := slot.ReplaceAllString(text, "")
	if table := scripts[l]; table != nil {
		return strings.ContainsFunc(bare, func(r rune) bool { return unicode.Is(table, r) })
	}
	if l == English || slices.Contains(same[l], k) {
		return strings.ContainsFunc(bare, unicode.IsLetter)
	}
	return text != Open(English).texts[k]
}

// TestCodesOfAGroupReadDifferently: two codes that a language renders alike would be one code to whoever reads it.
func TestCodesOfAGroupReadDifferently(t *testing.T) {
	for _, l := range Languages {
		b, seen := Open(l), map[string]Key{}
		for _, k := range b.Keys() {
			group, _, _ := strings.Cut(string(k), ".")
			if group == "role" || group == "label" || group == "say" {
				continue // beside values that tell them apart
			}
			at := group + "\x00" + strings.ToLower(b.texts[k])
			if seen[at] != "" {
				t.Errorf("%s: %s and %s are both %q", l, seen[at], k, b.texts[k])
			}
			seen[at] = k
		}
	}
}

// TestLabelsFitATerminal: names of fields stand in one narrow column.
func TestLabelsFitATerminal(t *testing.T) {
	for _, l := range Languages {
		for _, k := range Open(l).Keys() {
			if text := Open(l).texts[k]; strings.HasPrefix(string(k), "label.") && len([]rune(text)) > 20 {
				t.Errorf("%s %s: %q has %d characters, at most 20", l, k, text, len([]rune(text)))
			}
		}
	}
}

// TestTextFillsSlots: values come where the language wants them, and what is missing shows.
func TestTextFillsSlots(t *testing.T) {
	if got := Open(English).Say("overdue-since", "time", "T{x}"); got != "OVERDUE since T{x}" {
		t.Errorf("%q", got)
	}
	if got := Open(English).Say("overdue-since", "when", "T"); got != "OVERDUE since {time}" {
		t.Errorf("a value that is missing: %q", got)
	}
	if got := Open(French).Text("no.such"); got != "no.such" {
		t.Errorf("a key that is not there: %q", got)
	}
	if got := Open(Russian).Refusal("of-a-later-version"); got != "of-a-later-version" {
		t.Errorf("a code that is not there: %q", got)
	}
	if got := Open(English).Fact("sector", 99); got != "99" {
		t.Errorf("a number that is not there: %q", got)
	}
}

// TestEverySlotOfEveryTextIsFilled: in no language does a value go missing, or an isolate stay open behind it.
func TestEverySlotOfEveryTextIsFilled(t *testing.T) {
	for _, l := range Languages {
		b := Open(l)
		for _, k := range b.Keys() {
			var args []string
			slots := slices.Compact(slots(b.texts[k]))
			for i, s := range slots {
				args = append(args, strings.Trim(s, "{}"), fmt.Sprintf("value-%d", i))
			}
			got := b.Text(k, args...)
			for i := range slots {
				if !strings.Contains(got, b.Isolate(fmt.Sprintf("value-%d", i))) {
					t.Errorf("%s %s: value %d is missing in %q", l, k, i, got)
				}
			}
			if strings.ContainsAny(got, "{}") || strings.Count(got, isolate) != strings.Count(got, endIsolate) {
				t.Errorf("%s %s: %+q", l, k, got)
			}
		}
	}
}

// TestValuesAreIsolated: an identifier in an Arabic line, and Arabic words in any other, turn nothing around that is not theirs.
func TestValuesAreIsolated(t *testing.T) {
	const arabic = "نص"
	for _, c := range []struct {
		language     Language
		value, wants string
	}{
		{English, "XA-L1", "XA-L1"}, {Russian, "Текст", "Текст"}, {English, "", ""}, {Arabic, "", ""},
		{Arabic, "XA-L1", "\u2068XA-L1\u2069"}, {English, arabic, "\u2068" + arabic + "\u2069"},
		{Chinese, "a\n" + arabic, "\u2068a\u2069\n\u2068" + arabic + "\u2069"},
	} {
		if got := Open(c.language).Isolate(c.value); got != c.wants {
			t.Errorf("%s: %+q, want %+q", c.language, got, c.wants)
		}
	}
	if got, want := Open(Arabic).Say("by", "time", "T"), "قبل \u2068T\u2069"; got != want {
		t.Errorf("%+q, want %+q", got, want)
	}
}

// TestListsReadAsTheLanguageDoes: commas are those of the script.
func TestListsReadAsTheLanguageDoes(t *testing.T) {
	for l, want := range map[Language]string{Arabic: "a، b", Chinese: "a、b", Spanish: "a, b"} {
		if got := Open(l).List([]string{"a", "b"}); got != want {
			t.Errorf("%s: %q", l, got)
		}
	}
}

// TestReviewEndsWithTheTextsThatWereReviewed: nobody's confirmation covers words that they have not seen, and a rendering without
// confirmation says so in its own language and in English.
func TestReviewEndsWithTheTextsThatWereReviewed(t *testing.T) {
	for _, l := range Languages {
		b := &Book{language: l, texts: maps.Clone(Open(l).texts)}
		if n := len(b.Notice()); n != 2 && l != English || n != 1 && l == English {
			t.Errorf("%s: the notice has %d lines", l, n)
		}
		b.reviewed = b.Digest()
		if !b.Reviewed() || b.Notice() != nil {
			t.Errorf("%s: a review of these texts does not count", l)
		}
		for _, change := range []func(){
			func() { b.texts["kind.alert"] += "!" }, func() { b.texts["kind.other"] = "x" }, func() { delete(b.texts, "kind.text") },
		} {
			old := maps.Clone(b.texts)
			if change(); b.Reviewed() || b.Notice() == nil {
				t.Errorf("%s: a review covers other texts", l)
			}
			b.texts = old
		}
	}
}

// TestFilesAreStrict: a slip in a file is an error and not a text that is missing.
func TestFilesAreStrict(t *testing.T) {
	for _, text := range []string{"x", "stray = \"text\"", "[kind]\nalert = 1", "reviewed = 1", "[kind]\na = \"x\"\na = \"y\"", "[kind.deep]\na = \"x\""} {
		if b, err := parse(English, []byte(text)); err == nil {
			t.Errorf("%q is taken for %v", text, b.texts)
		}
	}
}

// TestFixedTextsAreThoseOfTheSpecification: what a receipt and an acknowledgement do not mean is the same in both.
func TestFixedTextsAreThoseOfTheSpecification(t *testing.T) {
	spec, err := os.ReadFile("../SPEC.md")
	if err != nil {
		t.Fatal(err)
	}
	section := regexp.MustCompile(`(?s)\n### 10\.4 .*?\n## `).FindString(string(spec))
	for _, k := range Open(English).Keys() {
		if name, ok := strings.CutPrefix(string(k), "fixed."); ok && !strings.Contains(section, fmt.Sprintf("| `%s` | %s |", name, Open(English).texts[k])) {
			t.Errorf("SPEC §10.4 lacks the row | `%s` | %s |", name, Open(English).texts[k])
		}
	}
}

// TestStatusesAreSetApart: no two statuses share a word, a sign or a colour in any language.
func TestStatusesAreSetApart(t *testing.T) {
	signs, colours := map[string]bool{}, map[string]bool{}
	for _, s := range []hotline.Status{hotline.Actual, hotline.Exercise, hotline.Test} {
		m := MarkOf(s)
		signs[m.Sign], colours[m.Colour] = true, true
		if len(m.Sign) != 3 {
			t.Errorf("%s: sign %q", s, m.Sign)
		}
	}
	if len(signs) != 3 || len(colours) != 3 {
		t.Errorf("signs %v, colours %v", signs, colours)
	}
}

// TestLanguagesHaveTags: every language is found by its tag, and nothing else is.
func TestLanguagesHaveTags(t *testing.T) {
	for _, l := range Languages {
		if got, ok := ParseLanguage(strings.ToUpper(string(l))); !ok || got != l {
			t.Errorf("%s is read as %s, %v", l, got, ok)
		}
	}
	for _, tag := range []string{"", "de", "en-GB", "zh-Hant", "russian"} {
		if l, ok := ParseLanguage(tag); ok {
			t.Errorf("%q is taken for %s", tag, l)
		}
	}
}
