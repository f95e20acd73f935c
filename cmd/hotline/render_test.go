package main

import (
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/codebook"
	"example.org/hotline/hotline/desk"
	"example.org/hotline/hotline/hotlinetest"
	"example.org/hotline/ops/ceremony"
)

var update = flag.Bool("update", false, "rewrite testdata/render")

// readerAt makes a seat without network of somebody who reads in a language.
func readerAt(t *testing.T, l codebook.Language) (*seat, *hotlinetest.Party, *hotlinetest.Party) {
	t.Helper()
	a, b := hotlinetest.NewParty("XA", "render"), hotlinetest.NewParty("XB", "render")
	docs := new(ceremony.Documents)
	for _, raw := range [][]byte{hotlinetest.Convention(hotlinetest.Terms("crisis"), a, b).Raw, a.Directory(1).Raw, b.Directory(1).Raw} {
		if err := docs.Add(raw); err != nil {
			t.Fatal(err)
		}
	}
	now := func() time.Time { return time.UnixMilli(int64(hotlinetest.Epoch)) }
	return &seat{app: &app{out: new(strings.Builder), err: io.Discard, now: now, lang: string(l)}, cmd: newRoot(),
		profile: &profile{Party: "XB", Officer: "XB-L1"}, docs: docs}, a, b
}

// TestAlertInSixLanguages defends the promise that an officer reads another party's alert with no step of translation: the golden
// renderings in testdata/render are what each of them sees. Run with -update to write them.
func TestAlertInSixLanguages(t *testing.T) {
	at := hotlinetest.Epoch
	for _, l := range codebook.Languages {
		s, a, _ := readerAt(t, l)
		body := &hotline.Alert{Facts: hotline.Facts{Nature: 1, Category: 4, Relation: 1, Sectors: []uint16{1, 5, 10}, Actor: 1, State: 1,
			Indicators: []string{"sha256:0f"}, Networks: []string{"198.51.100.0/24", "2001:db8:a::/48"}, Measures: "Two hosts are isolated.",
			Help: "Samples on request."}, Language: "en-GB", Text: "Hosts of ours write to controllers.\nWe are isolating them."}
		h := a.Header(hotline.KindAlert, at+3, hotlinetest.To("XB"), hotlinetest.In(hotline.CaseID{Party: "XA", ID: hotline.ID{1, 2, 3}}),
			hotlinetest.Precedence(hotline.Flash), hotlinetest.Detected(at+1), hotlinetest.Assessed(at+2))
		st := a.By(h, body, "O1", "R1")
		view := &desk.ShowView{Item: desk.InboxItem{Index: 5, Time: at + 5, ID: st.ID, Direction: desk.Received, Ack: &desk.AckView{Deadline: at + 600_005}},
			Raw: st.Raw, Scope: hotline.Common(), Marks: hotline.MarkSkewed, Tender: &hotline.Claims{Party: "XA", Generation: 1, Index: 7, Time: at + 4, Voters: 3},
			Receipts: []hotline.Claims{{Party: "XB", Generation: 1, Index: 5, Time: at + 5, Voters: 3}}}
		view.Body, view.Blind = hotline.MustMarshal(body), opened(t, st, a)
		if err := s.showStatement(view, st); err != nil {
			t.Fatal(err)
		}
		compare(t, "alert."+string(l)+".txt", strings.NewReplacer(st.ID.String(), "ID", st.ID.Short(), "ID12").Replace(s.out.(*strings.Builder).String()))
	}
}

func opened(t *testing.T, st *hotline.Statement, p *hotlinetest.Party) []byte {
	t.Helper()
	blind, _, err := st.OpenSealed(p.Sealing)
	if err != nil {
		t.Fatal(err)
	}
	return blind[:]
}

func compare(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", "render", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; run with -update and read what changed. Now it is:\n%s", path, got)
	}
}

// TestEveryKindIsRendered: whatever a kind's body holds is shown in every language, with nothing of the program showing through.
func TestEveryKindIsRendered(t *testing.T) {
	raw := regexp.MustCompile(`\b(label|say|fixed|kind|status)\.[a-z]|[{}]|\[\]|map\[`)
	for _, l := range codebook.Languages {
		s, a, _ := readerAt(t, l)
		for _, r := range hotline.Kinds() {
			if r.Class == hotline.ByRoots || r.Kind == hotline.KindAutomaticAlert {
				continue // documents have commands of their own; an automatic alert shows whose assessment it carries
			}
			body := r.Body()
			fill(t, reflect.ValueOf(body).Elem())
			out := new(strings.Builder)
			p := s.sheet(out)
			p.body(body)
			if text := out.String(); text == "" || raw.MatchString(text) {
				t.Errorf("%s in %s:\n%s", r.Name, l, text)
			}
			out.Reset()
			h := a.Header(r.Kind, hotlinetest.Epoch, hotlinetest.Status(hotline.Exercise), hotlinetest.Reason(hotline.LateReasons[0]))
			h.Verdict, h.Notify, h.Answers, h.Always, h.Disposition = hotline.Notifiable, []hotline.Party{"XB"}, []bool{true, false}, 1, hotline.Interim
			s.statement(p, &hotline.Statement{Header: h}, body)
			p.meaning(&h, body, &desk.ShowView{Receipts: []hotline.Claims{{Party: "XB"}}})
			if text := out.String(); raw.MatchString(strings.ReplaceAll(text, "[~]", "")) || !strings.Contains(text, p.Fixed("exercise")) {
				t.Errorf("header of %s in %s:\n%s", r.Name, l, text)
			}
		}
	}
}

// fill sets every field of a body to something that could stand there.
func fill(t *testing.T, v reflect.Value) {
	t.Helper()
	for i := range v.NumField() {
		f := v.Field(i)
		if !f.CanSet() || v.Type().Field(i).Name == "_" {
			continue
		}
		switch f.Interface().(type) {
		case *hotline.Hit:
			f.Set(reflect.ValueOf(&hotline.Hit{From: []string{"192.0.2.1"}, FromTotal: 2, To: []string{"192.0.2.2"}, ToTotal: 1, Port: 22, Count: 3,
				Protocol: "TCP", Signatures: []string{"scan"}, Direction: hotline.HitOutbound, Evidence: hotline.HitObserved, Nature: hotline.HitAttack, Notes: []string{"one"}}))
			continue
		case []hotline.Party:
			f.Set(reflect.ValueOf([]hotline.Party{"XB"}))
			continue
		case []hotline.Rung:
			f.Set(reflect.ValueOf([]hotline.Rung{{Permille: 1000, Office: "desk", Targets: []string{"XA-L1"}}}))
			continue
		case []hotline.Rota:
			f.Set(reflect.ValueOf([]hotline.Rota{{Name: "east", Zone: "UTC", People: []string{"XA-L1"}}}))
			continue
		case []hotline.Reach:
			f.Set(reflect.ValueOf([]hotline.Reach{{Officer: "XA-L1", Channels: []string{"mail"}}}))
			continue
		case []string:
			f.Set(reflect.ValueOf([]string{"one", "two"}))
			continue
		}
		switch f.Kind() {
		case reflect.String:
			f.SetString("XB")
		case reflect.Uint8, reflect.Uint64:
			f.SetUint(1)
		case reflect.Int64:
			f.SetInt(int64(hotlinetest.Epoch))
		case reflect.Slice:
			f.Set(reflect.MakeSlice(f.Type(), 1, 1))
			f.Index(0).SetUint(1)
		case reflect.Pointer:
			f.Set(reflect.New(f.Type().Elem()))
			fill(t, f.Elem())
		case reflect.Struct:
			fill(t, f)
		default:
			t.Fatalf("no sample of %s", f.Type())
		}
	}
}

// TestTextsOfTheBookAreUsedAsTheyAre: what this program asks the book for is there, with these slots, and the book holds no
// label, sentence or fixed text that nothing shows.
func TestTextsOfTheBookAreUsedAsTheyAre(t *testing.T) {
	english := codebook.Open(codebook.English)
	literals := map[string]bool{"procedure": true} // stands in the reports of auditors
	for _, r := range hotline.Kinds() {
		if r.Class != hotline.ByRoots {
			bodyLabels(reflect.TypeOf(r.Body()).Elem(), literals)
		}
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	calls := 0
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.BasicLit:
				literals[strings.Trim(n.Value, `"`)] = true
			case *ast.CallExpr:
				if f, ok := n.Fun.(*ast.SelectorExpr); ok && f.Sel.Name == "Say" {
					calls += checkSaying(t, english, n)
				}
			}
			return true
		})
	}
	if calls < 30 {
		t.Errorf("only %d sentences were found", calls)
	}
	for _, k := range english.Keys() {
		group, name, _ := strings.Cut(string(k), ".")
		if slices.Contains([]string{"say", "label", "fixed"}, group) && !literals[name] && name != "unreviewed" {
			t.Errorf("nothing shows %s", k)
		}
	}
}

// checkSaying compares one call of Say that names its sentence with the slots of that sentence.
func checkSaying(t *testing.T, b *codebook.Book, call *ast.CallExpr) int {
	t.Helper()
	name, ok := call.Args[0].(*ast.BasicLit)
	if !ok {
		return 0
	}
	key := codebook.Key("say." + strings.Trim(name.Value, `"`))
	var given []string
	for i := 1; i < len(call.Args); i += 2 {
		if lit, ok := call.Args[i].(*ast.BasicLit); ok {
			given = append(given, "{"+strings.Trim(lit.Value, `"`)+"}")
		}
	}
	want := regexp.MustCompile(`\{[a-z]+\}`).FindAllString(b.Text(key), -1)
	slices.Sort(given)
	slices.Sort(want)
	if want = slices.Compact(want); b.Text(key) == string(key) || !slices.Equal(given, want) {
		t.Errorf("%s has the slots %v, given are %v", key, want, given)
	}
	return 1
}

func bodyLabels(typ reflect.Type, into map[string]bool) {
	for i := range typ.NumField() {
		name, _, _ := strings.Cut(typ.Field(i).Tag.Get("json"), ",")
		into[name] = true
		if name == "facts" {
			f := typ.Field(i).Type
			if f.Kind() == reflect.Pointer {
				f = f.Elem()
			}
			bodyLabels(f, into)
		}
	}
}

// TestColumns: wide characters take two columns of a terminal, combining ones and isolates none, and a line is never cut inside one.
func TestColumns(t *testing.T) {
	for text, want := range map[string]int{"": 0, "FLASH": 5, "特提": 4, "е\u0301": 1, "\u2068XA\u2069": 2, "тревога": 7, "，": 2} {
		if got := columns(text); got != want {
			t.Errorf("%q takes %d columns, want %d", text, got, want)
		}
	}
	for _, c := range []struct {
		text string
		n    int
		want string
	}{{"特提x", 3, "特"}, {"特提x", 4, "特提"}, {"abc", 3, "abc"}, {"abc", 0, ""}, {"приём", 3, "при"}} {
		if got := cut(c.text, c.n); got != c.want {
			t.Errorf("%q cut to %d is %q, want %q", c.text, c.n, got, c.want)
		}
	}
	if got := pad("特", 4); got != "特  " {
		t.Errorf("padded: %q", got)
	}
}
