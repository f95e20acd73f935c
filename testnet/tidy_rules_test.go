package testnet_test

import (
	"strings"
	"testing"
)

// fixture is a small repository for one rule: path and text of each file.
type fixture map[string]string

func (x fixture) repository() *repository {
	r := new(repository)
	for name, text := range x {
		r.add(name, []byte(text))
	}
	return r
}

// ruleCase is one breach, with the message that must tell of it; an empty message means that nothing is wrong.
type ruleCase struct {
	files fixture
	want  string
}

func goFile(imports, body string) string {
	text := "package x\n"
	if imports != "" {
		text += "\nimport \"" + imports + "\"\n"
	}
	if body != "" {
		text += "\n" + body + "\n"
	}
	return text
}

var ruleCases = map[string][]ruleCase{
	"Go files parse and have the form of gofmt": {
		{fixture{"hotline/a.go": "package x\n"}, ""},
		{fixture{"hotline/a.go": "package  x\n"}, "hotline/a.go: gofmt would change it"},
		{fixture{"hotline/a.go": "package"}, "hotline/a.go: does not parse"},
	},
	"the top level holds nothing but what the layout names": {
		{fixture{"README.md": "", "go.mod": "", "cmd/x/main.go": "", ".ci/run": "", ".gitignore": ""}, ""},
		{fixture{"docs/x.md": ""}, "docs: the top level has no place for it"},
		{fixture{"LICENSE": ""}, "LICENSE: the top level"},
	},
	"packages import only what the layout allows": {
		{fixture{"hotline/node/a.go": goFile(modulePath+"/hotline/ledger", "")}, ""},
		{fixture{"hotline/replica/a.go": goFile(modulePath+"/crypto/keys", "")}, ""},
		{fixture{"hotline/replica/a_test.go": goFile(modulePath+"/hotline/link", "")}, ""},
		{fixture{"ops/console/a.go": goFile(modulePath+"/hotline/desk", "")}, ""},
		{fixture{"hotline/replica/a.go": goFile(modulePath+"/crypto/seal", "")}, "a.go:3: hotline/replica may not import crypto/seal"},
		{fixture{"hotline/ledger/a.go": goFile(modulePath+"/hotline/link", "")}, "hotline/ledger may not import hotline/link"},
		{fixture{"hotline/desk/a.go": goFile(modulePath+"/hotline/replica", "")}, "hotline/desk may not import hotline/replica"},
		{fixture{"hotline/a.go": goFile(modulePath+"/hotline/codebook", "")}, "hotline may not import hotline/codebook"},
		{fixture{"crypto/keys/a.go": goFile(modulePath+"/hotline", "")}, "crypto/keys may not import hotline"},
		{fixture{"hotline/audit/a.go": goFile(modulePath+"/hotline/node", "")}, "hotline/audit may not import hotline/node"},
		{fixture{"cmd/hotline/a.go": goFile(modulePath+"/hotline/ledger", "")}, "cmd/hotline may not import hotline/ledger"},
		{fixture{"ops/page/a.go": goFile(modulePath+"/hotline/node", "")}, "ops/page may not import hotline/node"},
		{fixture{"hotline/node/a.go": goFile(modulePath+"/testnet", "")}, "hotline/node may not import testnet"},
		{fixture{"hotline/node/a.go": goFile(modulePath+"/hotline/hotlinetest", "")}, "hotline/node may not import hotline/hotlinetest"},
		{fixture{"hotline/extra/a.go": goFile("", "")}, "the layout knows no package hotline/extra"},
	},
	"pure files use no clock, network, files, randomness or goroutines": {
		{fixture{"hotline/a.go": goFile("net/netip", "")}, ""},
		{fixture{"hotline/a.go": goFile("time", "var d = time.Second")}, ""},
		{fixture{"hotline/a_test.go": goFile("os", "")}, ""},
		{fixture{"hotline/link/a.go": goFile("os", "")}, ""},
		{fixture{"hotline/a.go": goFile("os", "")}, "hotline/a.go:3: a pure file imports os"},
		{fixture{"hotline/ledger/a.go": goFile("net/http", "")}, "a pure file imports net/http"},
		{fixture{"hotline/codebook/a.go": goFile("math/rand/v2", "")}, "a pure file imports math/rand/v2"},
		{fixture{"hotline/link/a.go": "// pure\n\n" + goFile("crypto/rand", "")}, "a pure file imports crypto/rand"},
		{fixture{"hotline/a.go": goFile("time", "var t = time.Now()")}, "hotline/a.go:5: a pure file calls time.Now"},
		{fixture{"hotline/a.go": "package x\n\nimport clock \"time\"\n\nvar t = clock.After\n"}, "a pure file calls time.After"},
		{fixture{"hotline/a.go": "package x\n\nimport . \"time\"\n"}, "imports time without its name"},
		{fixture{"hotline/a.go": goFile("", "func f() { go f() }")}, "a pure file starts a goroutine"},
	},
	"directories are named for what they hold": {
		{fixture{"ops/sensor/util.go": ""}, ""},
		{fixture{"ops/util/a.go": ""}, "ops/util: the name does not say"},
		{fixture{"hotline/Models/a.go": ""}, "hotline/Models: the name does not say"},
	},
	"no Go file speaks of unfinished work": {
		{fixture{"hotline/a.go": "package x // to do what is asked, WIPE, before now\n", "a.md": "TO" + "DO"}, ""},
		{fixture{"hotline/a.go": "package x // TO" + "DO later\n"}, "hotline/a.go:1: speaks of unfinished work: \"TO" + "DO\""},
		{fixture{"hotline/a.go": "package x\n\n// good enough For " + "now\n"}, "hotline/a.go:3: speaks of unfinished work"},
	},
	"functions can be read without scrolling": {
		{fixture{"hotline/a.go": longFunction(maxFunctionSize), "hotline/a_test.go": longFunction(maxFunctionSize + 1)}, ""},
		{fixture{"hotline/a.go": longFunction(maxFunctionSize + 1)}, "hotline/a.go:3: function f has 71 lines"},
	},
	"files stay short": {
		{fixture{"hotline/a.go": "package x\n" + strings.Repeat("\n", maxFileSize-1)}, ""},
		{fixture{"hotline/a_test.go": "package x\n" + strings.Repeat("\n", maxFileSize)}, "hotline/a_test.go: has 651 lines"},
	},
	"cited sections of the specification exist": {
		{fixture{"hotline/a.go": "package x // SPEC §9\n"}, ""},
		{fixture{"hotline/a.go": "package x // SPEC §4.2, SPEC §4.\n", specification: "# Hotline\n## 4 Kinds\n### 4.2. Alert\n"}, ""},
		{fixture{"hotline/a.go": "package x // SPEC §4.2\n", specification: "## 4. Kinds\n### 4.21 Alert\nsee 4.2 above\n"},
			"hotline/a.go:1: cites section 4.2"},
	},
}

// longFunction writes a file with one function of that many lines.
func longFunction(lines int) string {
	return "package x\n\nfunc f() {\n" + strings.Repeat("\tf()\n", lines-2) + "}\n"
}

// TestEveryRuleCanFail defends the rules against being empty: each one tells of a breach in a small repository, and is silent
// about its sound neighbour.
func TestEveryRuleCanFail(t *testing.T) {
	for _, rule := range rules {
		caught, silent := false, false
		for _, c := range ruleCases[rule.name] {
			got := strings.Join(rule.check(c.files.repository()), "\n")
			if c.want == "" && got != "" {
				t.Errorf("%s: %v is sound, got %s", rule.name, c.files, got)
			}
			if !strings.Contains(got, c.want) {
				t.Errorf("%s: want %q, got %q", rule.name, c.want, got)
			}
			caught, silent = caught || c.want != "", silent || c.want == ""
		}
		if !caught || !silent {
			t.Errorf("rule %q has no case that breaks it beside one that keeps it", rule.name)
		}
	}
	if len(ruleCases) != len(rules) {
		t.Errorf("%d rules have cases, there are %d", len(ruleCases), len(rules))
	}
}

// TestAuditorRuleCanFail defends the rule about the auditor in the same way.
func TestAuditorRuleCanFail(t *testing.T) {
	for _, dep := range []string{"github.com/hashicorp/raft", "github.com/hashicorp/raft-wal", "github.com/quic-go/quic-go/http3"} {
		if got := checkAuditor([]string{"fmt", dep}); len(got) != 1 || !strings.Contains(got[0], dep) {
			t.Errorf("%s is not found: %v", dep, got)
		}
	}
	if got := checkAuditor([]string{"fmt", "github.com/hashicorp/rafting", modulePath + "/hotline"}); len(got) != 0 {
		t.Errorf("sound dependencies are refused: %v", got)
	}
}
