package hotline_test

import (
	"flag"
	"fmt"
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"example.org/hotline/crypto/tlog"
	. "example.org/hotline/hotline"
	"example.org/hotline/hotline/hotlinetest"
)

var update = flag.Bool("update", false, "rewrite the generated parts of SPEC.md and testdata/vectors")

func readSpec(t testing.TB) string {
	t.Helper()
	b, err := os.ReadFile("SPEC.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// specRules are the CDDL blocks of SPEC.md taken together.
func specRules(t testing.TB) cddl {
	t.Helper()
	var all strings.Builder
	for _, m := range regexp.MustCompile("(?s)```cddl\n(.*?)```").FindAllStringSubmatch(readSpec(t), -1) {
		all.WriteString(m[1])
	}
	return parseCDDL(all.String())
}

// TestEveryKindMatchesSpec: what the code signs is what SPEC says, for each
// kind at its least and with every optional field set. A kind without CDDL
// fails here.
func TestEveryKindMatchesSpec(t *testing.T) {
	rules, w := specRules(t), newWorld()
	for _, r := range Kinds() {
		for _, full := range []bool{false, true} {
			name := fmt.Sprintf("%s, full=%v", r.Name, full)
			st := w.statement(t, r.Kind, full)
			encoded := MustMarshal(body(w, r.Kind, full))
			for _, c := range []struct {
				rule string
				b    []byte
			}{{"statement", st.Raw}, {"header", MustMarshal(st.Header)}, {r.Name + "-body", encoded}} {
				if err := rules.check(c.rule, c.b); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
			if r.Sealed {
				if err := rules.check("sealed-body", st.Payload); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
			if _, err := DecodeBody(r.Kind, encoded); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if full {
				noZero(t, name, reflect.ValueOf(body(w, r.Kind, true)))
			}
		}
	}
	if got, want := rules["kind"].typ.list[1].number.Int64(), int64(len(Kinds())); got != want {
		t.Errorf("SPEC §3.2 knows %d kinds, the code %d", got, want)
	}
}

// noZero fails for a field that a full sample leaves unset: a new field must
// come into the samples, or nothing compares it with SPEC.
func noZero(t *testing.T, path string, v reflect.Value) {
	t.Helper()
	switch v.Kind() {
	case reflect.Pointer:
		noZero(t, path, v.Elem())
	case reflect.Slice:
		if v.Len() > 0 && v.Index(0).Kind() == reflect.Struct {
			noZero(t, path, united(v))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if !f.IsExported() {
				continue
			}
			if v.Field(i).IsZero() {
				t.Errorf("%s: field %s of the full sample is not set", path, f.Name)
			}
			if f.Type.Name() != "Public" && f.Type.Name() != "SealingPublic" {
				noZero(t, path+"."+f.Name, v.Field(i))
			}
		}
	}
}

// united is the last of a list of structs with what it leaves unset taken from
// the others: fields that exclude each other stand in different ones.
func united(list reflect.Value) reflect.Value {
	all := reflect.New(list.Type().Elem()).Elem()
	all.Set(list.Index(list.Len() - 1))
	for i := range all.NumField() {
		for j := range list.Len() {
			if f := all.Field(i); f.CanSet() && f.IsZero() {
				f.Set(list.Index(j).Field(i))
			}
		}
	}
	return all
}

// contents is one sample of every entry content, with every optional field and
// without.
func contents(t testing.TB, w *world) map[EntryType][]any {
	t.Helper()
	alert := w.a.Alert(at, w.assessment(), []Party{"XB", "XC"})
	d := hotlinetest.NewJournal(w.a, at).Send(alert, at)
	receipt := hotlinetest.NewJournal(w.b, at).Receive(d, at+1)
	key := PageKeyOf(w.conv.ID, "XB", 1, 7)
	marks := MarkTimeUnproven | MarkSkewed | MarkRevokedSince
	note := must(tlog.SignCheckpoint(tlog.Checkpoint{Origin: tlog.Origin("XA", 1), Size: 7, Root: treeOf(7).Root()}, w.a.Log))
	return map[EntryType][]any{
		EntryWitnessed: {&Witnessed{Heads: []WitnessedHead{{Party: "XA", Checkpoint: note}}}},
		EntryGenesis:   {&Genesis{Party: "XA", Generation: 1, Convention: w.conv.ID, Rules: 1}},
		EntrySent: {&Sent{Directory: 1, Convention: 1, Voters: 3, Statement: alert.Raw},
			&Sent{Sequences: []Sequence{{To: "XB", N: 1}, {To: "XC", N: 9}}, Directory: 1, Convention: 1, Marks: marks, Voters: 3, Statement: alert.Raw,
				Anchor: anchorOf(t, w, 7, anchorLines(t, w, 7))}},
		EntryReceived: {&Received{Statement: alert.Raw, Sender: d.Sender, Tender: d.Tender, Voters: 3},
			&Received{Statement: alert.Raw, Sender: d.Sender, Tender: d.Tender, Code: CodeCase, Marks: marks, Voters: 3}},
		EntryReceipted: {&Receipted{Statement: alert.ID, Index: 1, Tender: d.Tender, Receipt: receipt}},
		EntryDue: {&Due{Duty: DutyLineTest, Due: at},
			&Due{Duty: DutyAcknowledge, Subject: alert.ID, Peer: "XB", Due: at, Clock: 3, Permille: 1000, Overdue: true, Office: "director", Targets: []string{"XA-A1"}}},
		EntryClock:    {&Clock{Readings: []Reading{{Node: "XA-1", Time: at}, {Node: "XA-2", Time: at}}}},
		EntryMembers:  {&Members{Voters: []string{"XA-1", "XA-2", "XA-3"}}},
		EntryRules:    {&RulesVersion{Version: 1}},
		EntryDocument: {&Document{Raw: w.conv.Raw}},
		EntryPage: {&Page{Due: 7, Key: key[:], Routes: []PageRoute{{Targets: []string{"XB-L1", "XB-L2"}, Channels: []string{"mail", "hook"}}}},
			&Page{Due: 7, Key: key[:], Repeat: 2, End: PageFailed, Node: "XB-1"},
			&Page{Due: 7, Key: key[:], Repeat: 2, End: PagePartly, Node: "XB-1",
				Attempts: []PageAttempt{{Route: 15, Channel: "mail", Tries: 3, First: at, Last: at + 1, Result: PageCancelled}}}},
	}
}

var scopes = []Scope{Common(), PairScope("XB", "XA"), CaseScope(CaseID{Party: "XA", ID: someID("case")}, "XA", "XB", "XC")}

// TestEveryEntryMatchesSpec: each type of entry in each scope, the sender's
// entry, tender, receipt and what is signed beside them.
func TestEveryEntryMatchesSpec(t *testing.T) {
	rules, w := specRules(t), newWorld()
	samples := contents(t, w)
	for typ := EntryGenesis; typ <= EntryWitnessed; typ++ {
		if len(samples[typ]) == 0 {
			t.Errorf("no sample of entry type %d: add one here and its CDDL to SPEC §7.2", typ)
		}
		last := samples[typ][len(samples[typ])-1]
		if typ == EntryPage { // an intent and an end share no more than their numbers
			both := *last.(*Page)
			both.Routes = samples[typ][0].(*Page).Routes
			last = &both
		}
		noZero(t, fmt.Sprintf("%T", last), reflect.ValueOf(last))
		for _, content := range samples[typ] {
			for _, scope := range scopes {
				b, err := EncodeEntry(typ, at, [16]byte{1}, scope, Derived, content)
				if err != nil {
					t.Fatal(err)
				}
				if err := rules.check("entry", b); err != nil {
					t.Errorf("%T: %v", content, err)
				}
				if _, got, err := DecodeEntry(b); err != nil || !reflect.DeepEqual(got, content) {
					t.Errorf("%T comes back as %v, %v", content, got, err)
				}
			}
		}
	}
	if _, _, err := DecodeEntry(MustMarshal(Entry{Type: EntryWitnessed + 1, Time: at, Scope: Common(), Content: []byte{0xa0}})); err == nil {
		t.Error("an entry type that no sample covers is accepted")
	}
	received, receipted := samples[EntryReceived][1].(*Received), samples[EntryReceipted][0].(*Receipted)
	for _, c := range []struct {
		rule string
		b    []byte
	}{
		{"sender-entry", received.Sender}, {"receipt", received.Tender}, {"receipt", receipted.Receipt},
		{"statement-aad", AAD(w.conv.ID, Exercise)}, {"body-context", BodyContext(w.conv.ID, "XA", Test)},
	} {
		if err := rules.check(c.rule, c.b); err != nil {
			t.Error(err)
		}
	}
}

var marker = regexp.MustCompile(`(?s)(<!-- generated: (\w+) -->\n).*?(<!-- end -->)`)

// TestGeneratedTables: the tables of SPEC §4 and §11 are those of the code. Run
// with -update to write them.
func TestGeneratedTables(t *testing.T) {
	old := readSpec(t)
	tables := map[string]string{"kinds": kindsTable(), "limits": limitsTable(t)}
	found := 0
	text := marker.ReplaceAllStringFunc(old, func(s string) string {
		m := marker.FindStringSubmatch(s)
		if tables[m[2]] != "" {
			found++
		}
		return m[1] + tables[m[2]] + m[3]
	})
	if found != len(tables) {
		t.Fatalf("SPEC.md has places for %d of %d tables", found, len(tables))
	}
	if text == old {
		return
	}
	if !*update {
		t.Fatal("the generated tables of SPEC.md are not those of the code: run go test -run GeneratedTables -update ./hotline")
	}
	if err := os.WriteFile("SPEC.md", []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func kindsTable() string {
	var b strings.Builder
	b.WriteString("| no. | kind | word of | authors | opens a case | delivered | sealed | acknowledge | non-delivery | reject | must | may |\n")
	b.WriteString("|---|---|---|---|---|---|---|---|---|---|---|---|\n")
	yes := func(v bool) string {
		if v {
			return "yes"
		}
		return ""
	}
	class := map[Class]string{ByOfficers: "officers", ByGroup: "group", ByRoots: "roots"}
	for _, r := range Kinds() {
		fmt.Fprintf(&b, "| %d | %s | %s | %s | %s | %s | %s | %s | %s | %s | %s | %s |\n", r.Kind, r.Name, class[r.Class], authorsOf(r),
			yes(r.Opens), yes(r.Delivered), yes(r.Sealed), yes(r.OpensAck), yes(r.Undeliver), yes(r.Rejects), fieldsOf(r, Must), fieldsOf(r, May))
	}
	return b.String()
}

func authorsOf(r *Rules) string {
	var list []string
	for _, roles := range r.Authors {
		var names []string
		for _, role := range roles {
			names = append(names, string(role))
		}
		list = append(list, strings.Join(names, " or "))
	}
	s := strings.Join(list, ", then ")
	if r.OneOfficer != nil {
		s = "1 or 2: " + s
	}
	return s
}

func fieldsOf(r *Rules, p Presence) string {
	var list []string
	for _, f := range presences(r) {
		if f.rule == p {
			list = append(list, f.name)
		}
	}
	return strings.Join(list, ", ")
}

type presence struct {
	name string
	rule Presence
}

func presences(r *Rules) []presence {
	return []presence{{"case", r.Case}, {"re", r.Re}, {"notify", r.Notify}, {"verdict", r.Verdict}, {"cause", r.Cause},
		{"reason", r.Reason}, {"detected", r.Detected}, {"assessed", r.Assessed}, {"disposition", dispositions(r)},
		{"answers", r.Answers}, {"always", r.Answers}}
}

func dispositions(r *Rules) Presence {
	if r.Dispositions != nil {
		return Must
	}
	return Never
}

// limitsTable evaluates limits.go with the compiler's own type checker.
func limitsTable(t *testing.T) string {
	t.Helper()
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, "limits.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	pkg, err := (&types.Config{Importer: onlyTime{}}).Check("hotline", fset, []*ast.File{file}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, decl := range file.Decls {
		block, ok := decl.(*ast.GenDecl)
		if !ok || block.Tok != token.CONST {
			continue
		}
		fmt.Fprintf(&b, "\n%s\n\n| limit | value | |\n|---|---|---|\n", strings.Join(strings.Fields(block.Doc.Text()), " "))
		for _, spec := range block.Specs {
			v := spec.(*ast.ValueSpec)
			for _, name := range v.Names {
				fmt.Fprintf(&b, "| `%s` | %s | %s |\n", name.Name, limit(pkg.Scope().Lookup(name.Name).(*types.Const)), strings.TrimSpace(v.Comment.Text()))
			}
		}
	}
	return b.String()[1:] + "\n"
}

func limit(c *types.Const) string {
	n, exact := constant.Int64Val(c.Val())
	if !exact {
		return c.Val().ExactString()
	}
	if !strings.HasSuffix(c.Type().String(), "time.Duration") {
		return fmt.Sprint(n)
	}
	s := time.Duration(n).String()
	s = regexp.MustCompile(`([hm])0[ms].*$`).ReplaceAllString(s, "$1")
	return s
}

// onlyTime is package time with what limits.go uses of it.
type onlyTime struct{}

func (onlyTime) Import(path string) (*types.Package, error) {
	p := types.NewPackage(path, path)
	name := types.NewTypeName(token.NoPos, p, "Duration", nil)
	d := types.NewNamed(name, types.Typ[types.Int64], nil)
	p.Scope().Insert(name)
	for unit, v := range map[string]time.Duration{"Millisecond": time.Millisecond, "Second": time.Second, "Minute": time.Minute, "Hour": time.Hour} {
		p.Scope().Insert(types.NewConst(token.NoPos, p, unit, d, constant.MakeInt64(int64(v))))
	}
	p.MarkComplete()
	return p, nil
}

// TestEveryRefusalCodeIsExplained: SPEC §10.1 lists exactly the codes of
// errors.go.
func TestEveryRefusalCodeIsExplained(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "errors.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var code []string
	ast.Inspect(file, func(n ast.Node) bool {
		if v, ok := n.(*ast.ValueSpec); ok && len(v.Values) == 1 {
			if lit, ok := v.Values[0].(*ast.BasicLit); ok && lit.Kind == token.STRING {
				code = append(code, strings.Trim(lit.Value, `"`))
			}
		}
		return true
	})
	section := regexp.MustCompile(`(?s)\n### 10\.1 .*?\n### `).FindString(readSpec(t))
	var spec []string
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z-]+)` \\| \\S.* \\| \\S.* \\|$").FindAllStringSubmatch(section, -1) {
		spec = append(spec, m[1])
	}
	slices.Sort(code)
	slices.Sort(spec)
	if len(code) < 30 || !slices.Equal(code, spec) {
		t.Errorf("codes of errors.go: %v\nof SPEC §10.1: %v", code, spec)
	}
}

// TestCitedSectionsExist: a comment that cites a section of SPEC cites one that
// is there.
func TestCitedSectionsExist(t *testing.T) {
	sections := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^##+ (\d+(?:\.\d+)?)\.? `).FindAllStringSubmatch(readSpec(t), -1) {
		if sections[m[1]] {
			t.Errorf("section %s stands twice", m[1])
		}
		sections[m[1]] = true
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	cited := 0
	for _, name := range files {
		src, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`SPEC((?:,? §\d+(?:\.\d+)?)+)`).FindAllStringSubmatch(string(src), -1) {
			for _, n := range regexp.MustCompile(`\d+(?:\.\d+)?`).FindAllString(m[1], -1) {
				if cited++; !sections[n] {
					t.Errorf("%s cites SPEC §%s, which is not there", name, n)
				}
			}
		}
	}
	if cited < 30 {
		t.Errorf("only %d citations found", cited)
	}
}

// TestProfilesAreThoseOfSpec: the table of §6.4 shows the terms that ship.
func TestProfilesAreThoseOfSpec(t *testing.T) {
	spec := readSpec(t)
	crisis, standard := hotlinetest.Terms("crisis"), hotlinetest.Terms("standard")
	for _, row := range []struct{ name, crisis, standard string }{
		{"assess", span(crisis.Assess), span(standard.Assess)},
		{"alert", spans(crisis.Alert), spans(standard.Alert)},
		{"alert cap", span(crisis.AlertCap), span(standard.AlertCap)},
		{"first attempt", spans(crisis.FirstAttempt), spans(standard.FirstAttempt)},
		{"next path", spans(crisis.NextPath), spans(standard.NextPath)},
		{"non-delivery", spans(crisis.NonDelivery), spans(standard.NonDelivery)},
		{"acknowledge", spans(crisis.Acknowledge), spans(standard.Acknowledge)},
		{"ratify", span(crisis.Ratify), span(standard.Ratify)},
		{"supplement", span(crisis.Supplement), span(standard.Supplement)},
		{"progress", "24 h / none / none / none", "none"},
		{"final", span(crisis.Final), span(standard.Final)},
		{"reply", spans(crisis.Reply), spans(standard.Reply)},
		{"assist", spans(crisis.Assist), spans(standard.Assist)},
		{"consult", span(crisis.Consult), span(standard.Consult)},
		{"threshold", fmt.Sprint(crisis.Threshold), fmt.Sprint(standard.Threshold)},
		{"line alarm", fmt.Sprint(crisis.LineAlarm), fmt.Sprint(standard.LineAlarm)},
		{"watch test", span(crisis.WatchTest), span(standard.WatchTest)},
		{"contacts", span(crisis.Contacts), span(standard.Contacts)},
		{"line test, line reply", span(crisis.LineTest) + ", " + span(crisis.LineReply), span(standard.LineTest) + ", " + span(standard.LineReply)},
	} {
		want := fmt.Sprintf("| %s | %s | %s |", row.name, row.crisis, row.standard)
		same := fmt.Sprintf("| %s | %s | same |", row.name, row.crisis)
		if !strings.Contains(spec, want) && (row.crisis != row.standard || !strings.Contains(spec, same)) {
			t.Errorf("SPEC §6.4 lacks the row %s", want)
		}
	}
}

func span(ms int64) string {
	d := time.Duration(ms) * time.Millisecond
	switch {
	case d >= time.Hour:
		return fmt.Sprintf("%d h", d/time.Hour)
	case d > time.Minute:
		return fmt.Sprintf("%d min", d/time.Minute)
	}
	return fmt.Sprintf("%d s", d/time.Second)
}

func spans(d Durations) string {
	list := []string{}
	for _, ms := range d {
		list = append(list, span(ms))
	}
	if len(slices.Compact(slices.Clone(list))) == 1 {
		return list[0]
	}
	return strings.Join(list, " / ")
}
