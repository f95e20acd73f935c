// Tests of the repository itself: the rules that hold for every file, whoever writes it.
package testnet_test

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const (
	modulePath      = "example.org/hotline"
	maxFunctionSize = 70  // lines of one function that is not a test
	maxFileSize     = 650 // lines of one Go file
	specification   = "hotline/SPEC.md"
)

// sourceFile is one tracked file. Only Go files are parsed.
type sourceFile struct {
	path   string
	text   []byte
	parsed *ast.File
	set    *token.FileSet
}

func (f *sourceFile) isTest() bool { return strings.HasSuffix(f.path, "_test.go") }

// at is the place of a node, for messages.
func (f *sourceFile) at(pos token.Pos) string {
	return fmt.Sprintf("%s:%d", f.path, f.set.Position(pos).Line)
}

// repository is what the rules look at: every tracked path, and the Go files among them.
type repository struct {
	paths []string
	files []*sourceFile
	spec  string
}

// add takes one file. What does not parse cannot be judged further and is reported by the rule of form.
func (r *repository) add(name string, text []byte) {
	r.paths = append(r.paths, name)
	if name == specification {
		r.spec = string(text)
	}
	if path.Ext(name) != ".go" {
		return
	}
	f := &sourceFile{path: name, text: text, set: token.NewFileSet()}
	f.parsed, _ = parser.ParseFile(f.set, name, text, parser.ParseComments|parser.SkipObjectResolution)
	r.files = append(r.files, f)
}

// rule is one promise about the repository. Its check returns one line for each breach.
type rule struct {
	name  string
	check func(r *repository) []string
}

var rules = []rule{
	{"Go files parse and have the form of gofmt", checkForm},
	{"the top level holds nothing but what the layout names", checkTopLevel},
	{"packages import only what the layout allows", checkImports},
	{"pure files use no clock, network, files, randomness or goroutines", checkPurity},
	{"directories are named for what they hold", checkDirectories},
	{"no Go file speaks of unfinished work", checkWords},
	{"functions can be read without scrolling", checkFunctions},
	{"files stay short", checkFiles},
	{"cited sections of the specification exist", checkCitations},
}

// TestRepositoryKeepsItsRules defends the layout and the habits that DESIGN §11 and the README promise.
func TestRepositoryKeepsItsRules(t *testing.T) {
	r := loadRepository(t)
	for _, rule := range rules {
		t.Run(strings.ReplaceAll(rule.name, " ", "_"), func(t *testing.T) {
			for _, breach := range rule.check(r) {
				t.Error(breach)
			}
		})
	}
}

// TestAuditorLinksNeitherRaftNorQUIC defends the auditor's small body of code: whoever judges a log must not have to trust the
// machinery that wrote it.
func TestAuditorLinksNeitherRaftNorQUIC(t *testing.T) {
	root := repositoryRoot(t)
	if _, err := os.Stat(filepath.Join(root, "cmd", "hotline-audit")); os.IsNotExist(err) {
		t.Skip("cmd/hotline-audit is not there")
	}
	list := exec.Command("go", "list", "-deps", "./cmd/hotline-audit")
	list.Dir = root
	out, err := list.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	for _, breach := range checkAuditor(strings.Fields(string(out))) {
		t.Error(breach)
	}
}

func checkAuditor(deps []string) []string {
	var breaches []string
	for _, dep := range deps {
		for _, banned := range []string{"github.com/hashicorp/raft", "github.com/quic-go/quic-go"} {
			if dep == banned || strings.HasPrefix(dep, banned+"/") || strings.HasPrefix(dep, banned+"-") {
				breaches = append(breaches, "cmd/hotline-audit links "+dep)
			}
		}
	}
	return breaches
}

func repositoryRoot(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(root, "go.mod")); err != nil {
		t.Fatalf("this test does not lie one level below the module: %v", err)
	}
	return root
}

// loadRepository reads what git tracks, or every file where there is no git, as in a source archive.
func loadRepository(t *testing.T) *repository {
	t.Helper()
	root := repositoryRoot(t)
	names, err := trackedFiles(root)
	if err != nil {
		t.Logf("git does not list the files (%v): every file counts", err)
		names = allFiles(t, root)
	}
	r := new(repository)
	for _, name := range names {
		text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
		if os.IsNotExist(err) {
			continue // deleted here, and git has not been told yet
		}
		if err != nil {
			t.Fatal(err)
		}
		r.add(name, text)
	}
	if len(r.files) == 0 {
		t.Fatal("no Go file was found")
	}
	return r
}

func trackedFiles(root string) ([]string, error) {
	list := exec.Command("git", "ls-files", "-z")
	list.Dir = root
	out, err := list.Output()
	if err != nil {
		return nil, err
	}
	return strings.FieldsFunc(string(out), func(r rune) bool { return r == 0 }), nil
}

func allFiles(t *testing.T, root string) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(root, func(p string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if entry.Name() == ".git" || entry.Name() == "dist" {
				return filepath.SkipDir
			}
			return nil
		}
		name, err := filepath.Rel(root, p)
		names = append(names, filepath.ToSlash(name))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func checkForm(r *repository) []string {
	var breaches []string
	for _, f := range r.files {
		formatted, err := format.Source(f.text)
		switch {
		case err != nil:
			breaches = append(breaches, fmt.Sprintf("%s: does not parse: %v", f.path, err))
		case !bytes.Equal(formatted, f.text):
			breaches = append(breaches, f.path+": gofmt would change it: run gofmt -w on it")
		}
	}
	return breaches
}

var topLevel = []string{"cmd", "hotline", "crypto", "ops", "testnet", "go.mod", "go.sum", "README.md"}

func checkTopLevel(r *repository) []string {
	found := make(map[string]bool)
	for _, name := range r.paths {
		top, _, _ := strings.Cut(name, "/")
		found[top] = true
	}
	var breaches []string
	for top := range found {
		if !strings.HasPrefix(top, ".") && !slices.Contains(topLevel, top) {
			breaches = append(breaches, fmt.Sprintf("%s: the top level has no place for it: move it below %s", top, strings.Join(topLevel[:5], ", ")))
		}
	}
	slices.Sort(breaches)
	return breaches
}

// layer says for one part of the tree which of our own packages it may import. A name stands for that package, and with a
// slash at its end for every package below.
type layer struct {
	part  string
	allow []string
}

// layers follow DESIGN §11; the first whose part matches decides. hotline/codebook belongs to the nouns. The parts of crypto
// and of ops may build on each other. A browser console is an officer's client, so ops/console may use hotline/desk. Parties
// for tests (hotline/hotlinetest) are built into no program but the testnet: no other layer names them.
var layers = []layer{
	{"cmd/testnet", []string{"hotline", "hotline/", "crypto/", "ops/", "testnet", "testnet/"}},
	{"cmd/", []string{"hotline", "hotline/codebook", "hotline/node", "hotline/desk", "hotline/audit", "crypto/", "ops/"}},
	{"testnet", []string{"hotline", "hotline/", "crypto/", "ops/", "testnet", "testnet/", "cmd/"}},
	{"testnet/", []string{"hotline", "hotline/", "crypto/", "ops/", "testnet", "testnet/", "cmd/"}},
	{"hotline", []string{"crypto/"}},
	{"hotline/codebook", []string{"hotline", "crypto/"}},
	{"hotline/hotlinetest", []string{"hotline", "hotline/codebook", "hotline/ledger", "crypto/"}},
	{"hotline/ledger", []string{"hotline", "hotline/codebook", "crypto/"}},
	{"hotline/link", []string{"hotline", "hotline/codebook", "crypto/"}},
	{"hotline/desk", []string{"hotline", "hotline/codebook", "crypto/"}},
	{"hotline/replica", []string{"crypto/keys"}},
	{"hotline/audit", []string{"hotline", "hotline/codebook", "hotline/ledger", "crypto/"}},
	{"hotline/node", []string{
		"hotline", "hotline/codebook", "hotline/ledger", "hotline/replica", "hotline/link", "hotline/desk", "crypto/", "ops/",
	}},
	{"crypto/", []string{"crypto/"}},
	{"ops/console", []string{"hotline", "hotline/codebook", "hotline/desk", "crypto/", "ops/"}},
	{"ops/", []string{"hotline", "hotline/codebook", "crypto/", "ops/"}},
}

// covers reports whether name stands for the package at dir.
func covers(name, dir string) bool {
	return dir == name || (strings.HasSuffix(name, "/") && strings.HasPrefix(dir, name))
}

// checkImports judges what is built into programs; a test may import what it needs.
func checkImports(r *repository) []string {
	var breaches []string
	for _, f := range r.files {
		if f.parsed == nil || f.isTest() {
			continue
		}
		dir := path.Dir(f.path)
		i := slices.IndexFunc(layers, func(l layer) bool { return covers(l.part, dir) })
		if i < 0 {
			breaches = append(breaches, fmt.Sprintf("%s: the layout knows no package %s: add it to DESIGN §11 and to layers first", f.path, dir))
			continue
		}
		for _, spec := range f.parsed.Imports {
			target, ours := strings.CutPrefix(importPath(spec), modulePath+"/")
			if ours && !slices.ContainsFunc(layers[i].allow, func(name string) bool { return covers(name, target) }) {
				breaches = append(breaches, fmt.Sprintf("%s: %s may not import %s", f.at(spec.Pos()), dir, target))
			}
		}
	}
	return breaches
}

func importPath(spec *ast.ImportSpec) string {
	name, err := strconv.Unquote(spec.Path.Value)
	if err != nil {
		return spec.Path.Value
	}
	return name
}

var (
	purePackages  = []string{"hotline", "hotline/ledger", "hotline/codebook"}
	impureImports = regexp.MustCompile(`^(net|net/.*|os|os/.*|syscall|io/ioutil|math/rand|math/rand/v2|crypto/rand)$`)
	clockReads    = []string{"Now", "Since", "Until", "After", "AfterFunc", "NewTimer", "NewTicker", "Tick", "Sleep"}
)

func isPure(f *sourceFile) bool {
	if f.parsed == nil || f.isTest() {
		return false
	}
	first, _, _ := bytes.Cut(f.text, []byte("\n"))
	return slices.Contains(purePackages, path.Dir(f.path)) || string(bytes.TrimSpace(first)) == "// pure"
}

func checkPurity(r *repository) []string {
	var breaches []string
	for _, f := range r.files {
		if !isPure(f) {
			continue
		}
		clock := ""
		for _, spec := range f.parsed.Imports {
			name := importPath(spec)
			if impureImports.MatchString(name) && name != "net/netip" {
				breaches = append(breaches, fmt.Sprintf("%s: a pure file imports %s", f.at(spec.Pos()), name))
			}
			if name == "time" {
				clock = "time"
				if spec.Name != nil {
					clock = spec.Name.Name
				}
			}
		}
		breaches = append(breaches, impureCode(f, clock)...)
	}
	return breaches
}

// impureCode finds goroutines, and uses of the clock through the name that the file gives to package time.
func impureCode(f *sourceFile, clock string) []string {
	var breaches []string
	if clock == "." {
		breaches = append(breaches, f.path+": a pure file imports time without its name")
	}
	ast.Inspect(f.parsed, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			breaches = append(breaches, f.at(n.Pos())+": a pure file starts a goroutine")
		case *ast.SelectorExpr:
			owner, ok := n.X.(*ast.Ident)
			if ok && clock != "" && owner.Name == clock && slices.Contains(clockReads, n.Sel.Name) {
				breaches = append(breaches, fmt.Sprintf("%s: a pure file calls time.%s", f.at(n.Pos()), n.Sel.Name))
			}
		}
		return true
	})
	return breaches
}

var emptyNames = []string{"util", "utils", "common", "helper", "helpers", "model", "models", "misc", "shared", "base"}

func checkDirectories(r *repository) []string {
	found := make(map[string]bool)
	for _, name := range r.paths {
		dir := path.Dir(name)
		for _, part := range strings.Split(dir, "/") {
			if slices.Contains(emptyNames, strings.ToLower(part)) {
				found[dir] = true
			}
		}
	}
	var breaches []string
	for dir := range found {
		breaches = append(breaches, dir+": the name does not say what is inside: name it for the idea that it holds")
	}
	slices.Sort(breaches)
	return breaches
}

// unfinished matches words of work that was left. They are put together here so that this file does not find itself.
var unfinished = regexp.MustCompile(`\b(` + strings.Join([]string{
	"TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK", "WI" + "P", "(?i:for " + "now)", "(?i:not " + "implemented)",
	"(?i:not yet " + "implemented)", "(?i:place" + "holder)",
}, "|") + `)\b`)

func checkWords(r *repository) []string {
	var breaches []string
	for _, f := range r.files {
		for i, line := range strings.Split(string(f.text), "\n") {
			if word := unfinished.FindString(line); word != "" {
				breaches = append(breaches, fmt.Sprintf("%s:%d: speaks of unfinished work: %q", f.path, i+1, word))
			}
		}
	}
	return breaches
}

func checkFunctions(r *repository) []string {
	var breaches []string
	for _, f := range r.files {
		if f.parsed == nil || f.isTest() {
			continue
		}
		for _, decl := range f.parsed.Decls {
			function, ok := decl.(*ast.FuncDecl)
			if !ok {
				continue
			}
			size := f.set.Position(function.End()).Line - f.set.Position(function.Pos()).Line + 1
			if size > maxFunctionSize {
				breaches = append(breaches, fmt.Sprintf("%s: function %s has %d lines, more than %d: divide it", f.at(function.Pos()),
					function.Name.Name, size, maxFunctionSize))
			}
		}
	}
	return breaches
}

func checkFiles(r *repository) []string {
	var breaches []string
	for _, f := range r.files {
		if size := bytes.Count(f.text, []byte("\n")); size > maxFileSize {
			breaches = append(breaches, fmt.Sprintf("%s: has %d lines, more than %d: divide it", f.path, size, maxFileSize))
		}
	}
	return breaches
}

var (
	citation = regexp.MustCompile(`SPEC §(\d+(?:\.\d+)*)`)
	heading  = regexp.MustCompile(`(?m)^#+[ \t]+§?(\d+(?:\.\d+)*)\.?(?:[ \t]|$)`)
)

// checkCitations holds citations to the headings of the specification. While there is no specification, none can be wrong.
func checkCitations(r *repository) []string {
	if r.spec == "" {
		return nil
	}
	sections := make(map[string]bool)
	for _, match := range heading.FindAllStringSubmatch(r.spec, -1) {
		sections[match[1]] = true
	}
	var breaches []string
	for _, f := range r.files {
		for i, line := range strings.Split(string(f.text), "\n") {
			for _, match := range citation.FindAllStringSubmatch(line, -1) {
				if !sections[match[1]] {
					breaches = append(breaches, fmt.Sprintf("%s:%d: cites section %s, which %s has not", f.path, i+1, match[1], specification))
				}
			}
		}
	}
	return breaches
}
