package sensor

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Bounds of one JSON object of a feed. encoding/json takes the last of two equal names, whatever is not UTF-8, and any depth;
// a feed quotes what attackers sent, so whatever two readers could take for different things is refused here. But of what nobody reads
// the names are free: sensors write there what a packet held, under names that the attacker chose, and as often as he likes. To refuse
// the line for that would be to let him hide his alert.
const (
	// maxDepth bounds nesting; EVE, IntelMQ and nfdump stay below ten.
	maxDepth = 32
	// maxMembers bounds the members of one object that is read.
	maxMembers = 256
)

// kind is what a JSON value is, told by its first byte.
type kind byte

const (
	kindString kind = '"'
	kindNumber kind = '0'
	kindObject kind = '{'
	kindArray  kind = '['
	kindTrue   kind = 't'
	kindFalse  kind = 'f'
	kindNull   kind = 'n'
)

// member is one member of an object: its name without escapes, and its value as it is written. Both live as long as the line.
type member struct {
	name []byte
	kind kind
	raw  []byte
}

// scanner reads objects strictly (RFC 8259, with the names of each object that is read unique, well-formed UTF-8, and the bounds
// above). It is used again for each line and keeps its memory.
type scanner struct {
	inside string // the member of the outermost object of which the inside is read too; "" for none
	data   []byte
	at     int
	top    []member // of the outermost object
	names  [][]byte // of the objects that are open, innermost last
	high   bool     // the last string holds bytes above 0x7f or escapes
}

var errNotObject = errors.New("not a JSON object")

// object reads one object and nothing behind it. The members are valid until the next call.
func (s *scanner) object(data []byte) ([]member, error) {
	s.data, s.at, s.top, s.names = data, 0, s.top[:0], s.names[:0]
	s.space()
	if s.at == len(data) || data[s.at] != '{' {
		return nil, errNotObject
	}
	if err := s.members(0, true); err != nil {
		return nil, fmt.Errorf("byte %d: %w", s.at+1, err)
	}
	if s.space(); s.at != len(data) {
		return nil, fmt.Errorf("byte %d: something stands behind the object", s.at+1)
	}
	return s.top, nil
}

// nested reads the value of a member that object has found, which is known to be sound.
func nested(m *member, visit func(name []byte, k kind, raw []byte)) {
	if m.kind != kindObject {
		return
	}
	s := scanner{data: m.raw}
	if s.members(0, true) != nil {
		return
	}
	for i := range s.top {
		visit(s.top[i].name, s.top[i].kind, s.top[i].raw)
	}
}

func (s *scanner) space() {
	for s.at < len(s.data) {
		switch s.data[s.at] {
		case ' ', '\t', '\r', '\n':
			s.at++
		default:
			return
		}
	}
}

// next moves over blanks and takes one byte; 0 at the end.
func (s *scanner) next() byte {
	s.space()
	if s.at == len(s.data) {
		return 0
	}
	s.at++
	return s.data[s.at-1]
}

// members reads an object whose brace stands at s.at. At depth 0 they are kept. Of what is used the names are unique.
func (s *scanner) members(depth int, used bool) error {
	if depth == maxDepth {
		return fmt.Errorf("nested deeper than %d", maxDepth)
	}
	s.at++
	mark := len(s.names)
	defer func() { s.names = s.names[:mark] }()
	if s.space(); s.at < len(s.data) && s.data[s.at] == '}' {
		s.at++
		return nil
	}
	for {
		if s.space(); s.at == len(s.data) || s.data[s.at] != '"' {
			return errors.New("a name is missing")
		}
		name, err := s.name(mark, used)
		if err != nil {
			return err
		}
		if s.next() != ':' {
			return errors.New("a colon is missing")
		}
		s.space()
		from := s.at
		k, err := s.value(depth+1, used && (depth > 0 || string(name) == s.inside))
		if err != nil {
			return err
		}
		if depth == 0 {
			s.top = append(s.top, member{name, k, s.data[from:s.at]})
		}
		switch s.next() {
		case ',':
		case '}':
			return nil
		default:
			return errors.New("an object does not end")
		}
	}
}

// name reads a member's name and refuses one that the object has already, if it is used.
func (s *scanner) name(mark int, used bool) ([]byte, error) {
	from := s.at
	if err := s.text(); err != nil || !used {
		return nil, err
	}
	name := s.data[from+1 : s.at-1]
	if s.high {
		plain, err := unquote(s.data[from:s.at])
		if err != nil {
			return nil, err
		}
		name = []byte(plain)
	}
	if len(s.names)-mark == maxMembers {
		return nil, fmt.Errorf("an object has more than %d members", maxMembers)
	}
	for _, other := range s.names[mark:] {
		if bytes.Equal(other, name) {
			return nil, fmt.Errorf("the name %q stands twice", clean(string(name), 40))
		}
	}
	s.names = append(s.names, name)
	return name, nil
}

func (s *scanner) value(depth int, used bool) (kind, error) {
	if s.at == len(s.data) {
		return 0, errors.New("a value is missing")
	}
	switch c := s.data[s.at]; c {
	case '"':
		return kindString, s.text()
	case '{':
		return kindObject, s.members(depth, used)
	case '[':
		return kindArray, s.array(depth, used)
	case 't':
		return kindTrue, s.word("true")
	case 'f':
		return kindFalse, s.word("false")
	case 'n':
		return kindNull, s.word("null")
	default:
		if c == '-' || digit(c) {
			return kindNumber, s.number()
		}
		return 0, errors.New("no value begins like this")
	}
}

func (s *scanner) array(depth int, used bool) error {
	if depth == maxDepth {
		return fmt.Errorf("nested deeper than %d", maxDepth)
	}
	s.at++
	if s.space(); s.at < len(s.data) && s.data[s.at] == ']' {
		s.at++
		return nil
	}
	for {
		s.space()
		if _, err := s.value(depth+1, used); err != nil {
			return err
		}
		switch s.next() {
		case ',':
		case ']':
			return nil
		default:
			return errors.New("an array does not end")
		}
	}
}

func (s *scanner) word(w string) error {
	if len(s.data)-s.at < len(w) || string(s.data[s.at:s.at+len(w)]) != w {
		return errors.New("no value begins like this")
	}
	s.at += len(w)
	return nil
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

func (s *scanner) digits() error {
	from := s.at
	for s.at < len(s.data) && digit(s.data[s.at]) {
		s.at++
	}
	if s.at == from {
		return errors.New("a number lacks a digit")
	}
	return nil
}

func (s *scanner) number() error {
	if s.data[s.at] == '-' {
		s.at++
	}
	if s.at < len(s.data) && s.data[s.at] == '0' {
		s.at++
	} else if err := s.digits(); err != nil {
		return err
	}
	if s.at < len(s.data) && s.data[s.at] == '.' {
		s.at++
		if err := s.digits(); err != nil {
			return err
		}
	}
	if s.at < len(s.data) && (s.data[s.at] == 'e' || s.data[s.at] == 'E') {
		s.at++
		if s.at < len(s.data) && (s.data[s.at] == '+' || s.data[s.at] == '-') {
			s.at++
		}
		return s.digits()
	}
	return nil
}

// text reads a string whose first quote stands at s.at. It looks at each byte once; only a string with bytes above 0x7f is
// looked at again, for its UTF-8.
func (s *scanner) text() error {
	s.at++
	from, wide := s.at, false
	s.high = false
	for s.at < len(s.data) {
		c := s.data[s.at]
		switch {
		case c == '"':
			if wide && !utf8.Valid(s.data[from:s.at]) {
				return errors.New("a string is not UTF-8")
			}
			s.high = s.high || wide
			s.at++
			return nil
		case c == '\\':
			s.high = true
			if err := s.escape(); err != nil {
				return err
			}
			continue
		case c < 0x20:
			return errors.New("a string holds a control character")
		case c >= utf8.RuneSelf:
			wide = true
		}
		s.at++
	}
	return errors.New("a string does not end")
}

func (s *scanner) escape() error {
	if len(s.data)-s.at < 2 {
		return errors.New("an escape does not end")
	}
	c := s.data[s.at+1]
	s.at += 2
	if c != 'u' {
		if strings.IndexByte(`"\/bfnrt`, c) < 0 {
			return errors.New("an escape is not known")
		}
		return nil
	}
	if len(s.data)-s.at < 4 {
		return errors.New("an escape does not end")
	}
	for range 4 {
		if c := s.data[s.at] | 0x20; !digit(s.data[s.at]) && (c < 'a' || c > 'f') {
			return errors.New("an escape is not hexadecimal")
		}
		s.at++
	}
	return nil
}

// unquote is the text of a sound JSON string.
func unquote(raw []byte) (string, error) {
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw[1 : len(raw)-1]), nil
	}
	var text string
	err := json.Unmarshal(raw, &text)
	return text, err
}

// text is the string of m; null is an absent one.
func (m *member) text() (string, error) {
	switch m.kind {
	case kindString:
		return unquote(m.raw)
	case kindNull:
		return "", nil
	}
	return "", fmt.Errorf("%s is not a string", clean(string(m.name), 40))
}

// uint is the number of m, whole and at most most; null is 0.
func (m *member) uint(most uint64) (uint64, error) {
	if m.kind == kindNull {
		return 0, nil
	}
	var v uint64
	for _, c := range m.raw {
		if m.kind != kindNumber || !digit(c) || v > (most-uint64(c-'0'))/10 {
			return 0, fmt.Errorf("%s is not a whole number up to %d", clean(string(m.name), 40), most)
		}
		v = v*10 + uint64(c-'0')
	}
	return v, nil
}
