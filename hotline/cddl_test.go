package hotline_test

import (
	"encoding/hex"
	"fmt"
	"math/big"
	"regexp"
	"strings"
	"testing"

	"github.com/fxamacker/cbor/v2"
)

// This file reads the part of CDDL (RFC 8610) in which SPEC is written and
// checks encodings against it. It shares no code with the package: it decodes
// with a lenient decoder and knows no Go type.

// cddl is a set of rules by name.
type cddl map[string]*cddlRule

type cddlRule struct {
	typ   *cddlType    // of a type rule
	group []*cddlEntry // of a group rule
}

// cddlType is one type: a choice of alternatives, or one of the forms below.
type cddlType struct {
	form    byte // '/' choice, 'i' integer, 't' text, 'n' name, '{' map, '[' array, '#' tag, 'r' range, 's' size, 'x' regexp, 'c' cbor
	list    []*cddlType
	number  *big.Int
	text    string
	entries []*cddlEntry
	pattern *regexp.Regexp // of a regexp, once it was needed
}

// cddlEntry is one line of a group.
type cddlEntry struct {
	min, max int // max < 0: no bound
	key      *big.Int
	name     string // a group's name, if typ is a bare name without key
	typ      *cddlType
}

var cddlToken = regexp.MustCompile(`^(?:\s|;[^\n]*(?:\n|$))*(?:(#6\.\d+)|(\.\.)|(\.[a-z]+)|("(?:[^"])*")|(-?\d+)|([A-Za-z][A-Za-z0-9]*(?:-[A-Za-z0-9]+)*)|([={}\[\](),:?*+/]))`)

type cddlParser struct {
	tokens []string
}

// parseCDDL parses rules; it panics on what is not of the subset, since the
// text is our own.
func parseCDDL(src string) cddl {
	p := &cddlParser{}
	for rest := src; ; {
		m := cddlToken.FindStringSubmatch(rest)
		if m == nil {
			if s := strings.TrimSpace(regexp.MustCompile(`;[^\n]*`).ReplaceAllString(rest, "")); s != "" {
				panic(fmt.Sprintf("cddl: cannot read %.40q", s))
			}
			break
		}
		rest = rest[len(m[0]):]
		for _, s := range m[1:] {
			if s != "" {
				p.tokens = append(p.tokens, s)
			}
		}
	}
	rules := cddl{}
	for len(p.tokens) > 0 {
		name := p.take()
		p.want("=")
		if rules[name] != nil {
			panic("cddl: rule " + name + " stands twice")
		}
		if p.peek(0) == "(" {
			p.take()
			rules[name] = &cddlRule{group: p.group(")")}
		} else {
			rules[name] = &cddlRule{typ: p.choice()}
		}
	}
	return rules
}

func (p *cddlParser) peek(i int) string {
	if i < len(p.tokens) {
		return p.tokens[i]
	}
	return ""
}

func (p *cddlParser) take() string {
	if len(p.tokens) == 0 {
		panic("cddl: text ends too early")
	}
	t := p.tokens[0]
	p.tokens = p.tokens[1:]
	return t
}

func (p *cddlParser) want(t string) {
	if got := p.take(); got != t {
		panic(fmt.Sprintf("cddl: %q where %q is wanted, before %q", got, t, strings.Join(p.tokens[:min(8, len(p.tokens))], " ")))
	}
}

func (p *cddlParser) choice() *cddlType {
	list := []*cddlType{p.controlled()}
	for p.peek(0) == "/" {
		p.take()
		list = append(list, p.controlled())
	}
	if len(list) == 1 {
		return list[0]
	}
	return &cddlType{form: '/', list: list}
}

func (p *cddlParser) controlled() *cddlType {
	t := p.simple()
	form := map[string]byte{"..": 'r', ".size": 's', ".regexp": 'x', ".cbor": 'c'}[p.peek(0)]
	if form == 0 {
		return t
	}
	p.take()
	return &cddlType{form: form, list: []*cddlType{t, p.simple()}}
}

func (p *cddlParser) simple() *cddlType {
	t := p.take()
	switch {
	case t == "{":
		return &cddlType{form: '{', entries: p.group("}")}
	case t == "[":
		return &cddlType{form: '[', entries: p.group("]")}
	case t == "(":
		inner := p.choice()
		p.want(")")
		return inner
	case strings.HasPrefix(t, "#6."):
		p.want("(")
		inner := p.choice()
		p.want(")")
		return &cddlType{form: '#', number: integer(t[3:]), list: []*cddlType{inner}}
	case t[0] == '"':
		return &cddlType{form: 't', text: t[1 : len(t)-1]}
	case t[0] == '-' || t[0] >= '0' && t[0] <= '9':
		return &cddlType{form: 'i', number: integer(t)}
	}
	return &cddlType{form: 'n', text: t}
}

func integer(s string) *big.Int {
	n, ok := new(big.Int).SetString(s, 10)
	if !ok {
		panic("cddl: no integer: " + s)
	}
	return n
}

func isInteger(s string) bool { return s != "" && regexp.MustCompile(`^-?\d+$`).MatchString(s) }

func (p *cddlParser) group(end string) []*cddlEntry {
	var list []*cddlEntry
	for p.peek(0) != end {
		list = append(list, p.entry())
		if p.peek(0) == "," {
			p.take()
		}
	}
	p.take()
	return list
}

func (p *cddlParser) entry() *cddlEntry {
	e := &cddlEntry{min: 1, max: 1}
	switch {
	case p.peek(0) == "?":
		p.take()
		e.min = 0
	case isInteger(p.peek(0)) && p.peek(1) == "*" && isInteger(p.peek(2)):
		e.min, e.max = int(integer(p.take()).Int64()), 0
		p.take()
		e.max = int(integer(p.take()).Int64())
	}
	if p.peek(1) == ":" {
		key := p.take()
		p.take()
		if isInteger(key) {
			e.key = integer(key)
		}
		e.typ = p.choice()
		return e
	}
	e.typ = p.choice()
	if e.typ.form == 'n' {
		e.name = e.typ.text
	}
	return e
}

// check decodes b and reports why it is not of the named rule.
func (c cddl) check(rule string, b []byte) error {
	r := c[rule]
	if r == nil || r.typ == nil {
		return fmt.Errorf("there is no cddl rule %q", rule)
	}
	v, err := lenient(b)
	if err != nil {
		return err
	}
	return c.match(r.typ, v, rule)
}

var lenientMode = func() cbor.DecMode {
	m, err := cbor.DecOptions{IntDec: cbor.IntDecConvertNone}.DecMode()
	if err != nil {
		panic(err)
	}
	return m
}()

func lenient(b []byte) (any, error) {
	var v any
	if err := lenientMode.Unmarshal(b, &v); err != nil {
		return nil, err
	}
	return v, nil
}

func asInteger(v any) *big.Int {
	switch n := v.(type) {
	case uint64:
		return new(big.Int).SetUint64(n)
	case int64:
		return big.NewInt(n)
	}
	return nil
}

func (c cddl) match(t *cddlType, v any, path string) error {
	no := func(want string) error { return fmt.Errorf("%s: %T %.60v is not %s", path, v, v, want) }
	switch t.form {
	case '/':
		var first error
		for _, alternative := range t.list {
			err := c.match(alternative, v, path)
			if err == nil {
				return nil
			}
			if first == nil {
				first = err
			}
		}
		return fmt.Errorf("no alternative fits; the first: %w", first)
	case 'i':
		if n := asInteger(v); n == nil || n.Cmp(t.number) != 0 {
			return no(t.number.String())
		}
		return nil
	case 't':
		if v != t.text {
			return no(t.text)
		}
		return nil
	case 'n':
		return c.matchName(t.text, v, path)
	case '{':
		return c.matchMap(t.entries, v, path)
	case '[':
		return c.matchArray(t.entries, v, path)
	case '#':
		tag, ok := v.(cbor.Tag)
		if !ok || new(big.Int).SetUint64(tag.Number).Cmp(t.number) != 0 {
			return no("tag " + t.number.String())
		}
		return c.match(t.list[0], tag.Content, path)
	}
	return c.matchControl(t, v, path)
}

func (c cddl) matchName(name string, v any, path string) error {
	ok := false
	switch name {
	case "uint":
		_, ok = v.(uint64)
	case "bstr":
		_, ok = v.([]byte)
	case "tstr":
		_, ok = v.(string)
	case "bool":
		_, ok = v.(bool)
	case "nil":
		ok = v == nil
	case "true":
		ok = v == true
	default:
		r := c[name]
		if r == nil || r.typ == nil {
			return fmt.Errorf("%s: there is no cddl rule %q", path, name)
		}
		return c.match(r.typ, v, path)
	}
	if !ok {
		return fmt.Errorf("%s: %T %.60v is not %s", path, v, v, name)
	}
	return nil
}

func (c cddl) matchControl(t *cddlType, v any, path string) error {
	if t.form == 'r' {
		n := asInteger(v)
		if n == nil || n.Cmp(t.list[0].number) < 0 || n.Cmp(t.list[1].number) > 0 {
			return fmt.Errorf("%s: %v is not %s..%s", path, v, t.list[0].number, t.list[1].number)
		}
		return nil
	}
	if err := c.match(t.list[0], v, path); err != nil {
		return err
	}
	switch t.form {
	case 's':
		n := uint64(0)
		switch s := v.(type) {
		case []byte:
			n = uint64(len(s))
		case string:
			n = uint64(len(s))
		}
		return c.match(t.list[1], n, path+" size")
	case 'x':
		if t.pattern == nil {
			t.pattern = regexp.MustCompile(`^(?:` + t.list[1].text + `)$`)
		}
		if !t.pattern.MatchString(v.(string)) {
			return fmt.Errorf("%s: %q does not match %s", path, v, t.list[1].text)
		}
	case 'c':
		inner, err := lenient(v.([]byte))
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		return c.match(t.list[1], inner, path)
	}
	return nil
}

// flat puts the entries of named groups in place of their names.
func (c cddl) flat(entries []*cddlEntry) []*cddlEntry {
	var list []*cddlEntry
	for _, e := range entries {
		if r := c[e.name]; e.name != "" && r != nil && r.group != nil {
			list = append(list, c.flat(r.group)...)
			continue
		}
		list = append(list, e)
	}
	return list
}

func (c cddl) matchMap(entries []*cddlEntry, v any, path string) error {
	m, ok := v.(map[any]any)
	if !ok {
		return fmt.Errorf("%s: %T is not a map", path, v)
	}
	seen := 0
	for _, e := range c.flat(entries) {
		var value any
		found := false
		for k, x := range m {
			if n := asInteger(k); n != nil && n.Cmp(e.key) == 0 {
				value, found = x, true
			}
		}
		if !found {
			if e.min > 0 {
				return fmt.Errorf("%s: field %s is missing", path, e.key)
			}
			continue
		}
		seen++
		if err := c.match(e.typ, value, path+"."+e.key.String()); err != nil {
			return err
		}
	}
	if seen != len(m) {
		return fmt.Errorf("%s: %d of %d fields are unknown", path, len(m)-seen, len(m))
	}
	return nil
}

// matchArray matches greedily: no list of SPEC needs to look ahead.
func (c cddl) matchArray(entries []*cddlEntry, v any, path string) error {
	list, ok := v.([]any)
	if !ok {
		return fmt.Errorf("%s: %T is not an array", path, v)
	}
	i := 0
	for _, e := range c.flat(entries) {
		n := 0
		for ; n < e.max && i < len(list); n++ {
			err := c.match(e.typ, list[i], fmt.Sprintf("%s[%d]", path, i))
			if err != nil && n < e.min {
				return err
			}
			if err != nil {
				break
			}
			i++
		}
		if n < e.min {
			return fmt.Errorf("%s: %d elements, too few", path, len(list))
		}
	}
	if i != len(list) {
		return fmt.Errorf("%s[%d]: %v fits nothing, or is one too many", path, i, list[i])
	}
	return nil
}

// TestCDDLRefusesWrongValues: the validator that judges our encodings is no
// rubber stamp; each form of CDDL that SPEC uses refuses what it must.
func TestCDDLRefusesWrongValues(t *testing.T) {
	rules := parseCDDL(`
		small = 1..3 ; a comment
		signed = -2..2
		word = tstr .regexp "[a-z]{2}"
		short = tstr .size (1..2)
		four = bstr .size 4
		kinds = "a" / "b" / 7
		m = { 1: uint, ? 2: bool, -7: nil }
		g = (a: uint, b: tstr)
		arr = [1, g, small]
		list = [1*2 small]
		maybe = [uint, ? tstr]
		tagged = #6.98([uint])
		inner = bstr .cbor m
		mg = { fields, 3: true }
		fields = ( 1: uint, ? 2: uint )
		none = {}
	`)
	for _, v := range []struct{ rule, good, bad string }{
		{"small", "01 02 03", "00 04 20 6161 f6 f4 f90000"},
		{"signed", "21 00 02", "22 03"},
		{"word", "626162", "6161 63616263 624142 426162"},
		{"short", "6161 626161", "60 63616161 4161"},
		{"four", "4400000000", "43000000 450000000000 6461616161"},
		{"kinds", "6161 6162 07", "6163 08 4161"},
		{"m", "a2010526f6 a3010502f526f6", "a0 a10105 a201f626f6 a3010502f626f6 a3010503f526f6 a2010526f4 80"},
		{"arr", "840105616102", "8301056161 8401056102 840205616102 840105616104 85010561610203"},
		{"list", "8101 820102", "80 83010203 8104 a0"},
		{"maybe", "8105 82056161", "80 820505 8305616100"},
		{"tagged", "d8628105", "8105 d8638105 d8628120"},
		{"inner", "45a2010526f6", "41a0 a2010526f6 40"},
		{"mg", "a2010503f5 a30105020603f5", "a10105 a2010503f4 a30105022003f5 a40105020603f504f5"},
		{"none", "a0", "a10101 80"},
	} {
		for _, s := range strings.Fields(v.good) {
			if err := rules.check(v.rule, unhex(s)); err != nil {
				t.Errorf("%s refuses %s: %v", v.rule, s, err)
			}
		}
		for _, s := range strings.Fields(v.bad) {
			if rules.check(v.rule, unhex(s)) == nil {
				t.Errorf("%s accepts %s", v.rule, s)
			}
		}
	}
	if rules.check("absent", []byte{0}) == nil || rules.check("g", []byte{0}) == nil {
		t.Error("a rule that does not exist accepts")
	}
}

func unhex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}
