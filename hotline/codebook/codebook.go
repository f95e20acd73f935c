// Package codebook renders the codes of the protocol, and the fixed texts that
// go with them, in the six official languages of the United Nations (SPEC
// §10.4). Codes are signed, renderings are not: an officer reads another
// party's alert in their own language with no step of translation between.
//
// The texts stand in text/LANGUAGE.toml, one line for each code. A code that
// lacks one in some language fails this package's test, as do slots
// that differ between languages. Nothing here reads a clock, the network or a
// file: the texts are part of the program.
package codebook

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/pelletier/go-toml/v2"
)

//go:embed text/*.toml
var files embed.FS

// Language is the BCP 47 tag of a language that has a book.
type Language string

// The languages.
const (
	Arabic  Language = "ar"
	Chinese Language = "zh" // simplified characters
	English Language = "en"
	French  Language = "fr"
	Russian Language = "ru"
	Spanish Language = "es"
)

// Languages lists them in the order of the United Nations.
var Languages = []Language{Arabic, Chinese, English, French, Russian, Spanish}

// ParseLanguage finds a language by its tag, in either case.
func ParseLanguage(tag string) (Language, bool) {
	l := Language(strings.ToLower(tag))
	return l, slices.Contains(Languages, l)
}

// Key names one text: its group and the code within it, as kind.alert.
type Key string

// Book is every text in one language. It never changes and may be shared.
type Book struct {
	language Language
	texts    map[Key]string
	reviewed string // digest that a reviewer has confirmed, as it stands in the file
}

var books = func() map[Language]func() *Book {
	m := map[Language]func() *Book{}
	for _, l := range Languages {
		m[l] = sync.OnceValue(func() *Book { return load(l) })
	}
	return m
}()

// Open returns the book of one of Languages. Another language, or a file that
// cannot be read, is a fault of the program: it must stop.
func Open(l Language) *Book {
	open, ok := books[l]
	if !ok {
		panic(fmt.Sprintf("codebook: no book in %q", string(l)))
	}
	return open()
}

func load(l Language) *Book {
	b, err := files.ReadFile("text/" + string(l) + ".toml")
	if err != nil {
		panic("codebook: " + err.Error())
	}
	book, err := parse(l, b)
	if err != nil {
		panic(fmt.Sprintf("codebook: %s: %v", l, err))
	}
	return book
}

// parse reads one file: the mark of review, and below it one table per group.
func parse(l Language, b []byte) (*Book, error) {
	var file map[string]any
	if err := toml.Unmarshal(b, &file); err != nil {
		return nil, err
	}
	book := &Book{language: l, texts: map[Key]string{}}
	for name, value := range file {
		switch v := value.(type) {
		case string:
			if name != "reviewed" {
				return nil, fmt.Errorf("%s stands in no group", name)
			}
			book.reviewed = v
		case map[string]any:
			for code, text := range v {
				s, ok := text.(string)
				if !ok {
					return nil, fmt.Errorf("%s.%s is no text", name, code)
				}
				book.texts[Key(name+"."+code)] = s
			}
		default:
			return nil, fmt.Errorf("%s is neither a group nor a text", name)
		}
	}
	return book, nil
}

// Language says in which language the book is.
func (b *Book) Language() Language { return b.language }

// Keys lists every text's key, sorted.
func (b *Book) Keys() []Key { return slices.Sorted(maps.Keys(b.texts)) }

// Digest is the SHA-256 of every key and text in the order of Keys, each ended
// by a zero byte, in hexadecimal. A native legal reader confirms the book by
// having it written down as reviewed in the book's file.
func (b *Book) Digest() string {
	h := sha256.New()
	for _, k := range b.Keys() {
		h.Write([]byte(string(k) + "\x00" + b.texts[k] + "\x00"))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Reviewed reports whether a native legal reader has confirmed the texts as
// they are: a text that is changed, added or taken away ends the review.
func (b *Book) Reviewed() bool { return b.reviewed == b.Digest() }

// Notice is what must stand beside every rendering from a book that is not
// reviewed: one line in its language, and the same in English. It is empty for
// a reviewed book.
func (b *Book) Notice() []string {
	if b.Reviewed() {
		return nil
	}
	lines := []string{b.Text("fixed.unreviewed", "language", string(b.language))}
	if b.language != English {
		lines = append(lines, Open(English).Text("fixed.unreviewed", "language", string(b.language)))
	}
	return lines
}

// Text renders one text. args are the names of its slots and their
// values by turns, as Text("say.by", "time", "2026-01-31"). Each value is
// isolated as Isolate says. A key that is not there is rendered as itself, and
// a slot without a value as it stands: a desk at night shows what it has.
func (b *Book) Text(k Key, args ...string) string {
	text, ok := b.texts[k]
	if !ok {
		return string(k)
	}
	if len(args) == 0 {
		return text
	}
	var out strings.Builder
	for {
		before, rest, found := strings.Cut(text, "{")
		out.WriteString(before)
		name, after, closed := strings.Cut(rest, "}")
		if !found || !closed {
			out.WriteString(text[len(before):])
			return out.String()
		}
		out.WriteString(b.value(name, args))
		text = after
	}
}

func (b *Book) value(name string, args []string) string {
	for i := 0; i+1 < len(args); i += 2 {
		if args[i] == name {
			return b.Isolate(args[i+1])
		}
	}
	return "{" + name + "}"
}

// The isolates of Unicode UAX #9. No text of the protocol may hold them (SPEC
// §1), so what stands between them cannot reach out.
const (
	isolate    = "\u2068" // FSI: direction of what follows is its own
	endIsolate = "\u2069" // PDI
)

// Isolate wraps each line of a value from elsewhere for a terminal, so that it
// disturbs nothing around it: everything in a book that runs from right to
// left, and what itself does so in every other book.
func (b *Book) Isolate(s string) string {
	if s == "" || b.language != Arabic && !strings.ContainsFunc(s, rightToLeft) {
		return s
	}
	return isolate + strings.ReplaceAll(s, "\n", endIsolate+"\n"+isolate) + endIsolate
}

// List joins rendered texts as the language does.
func (b *Book) List(texts []string) string {
	switch b.language {
	case Arabic:
		return strings.Join(texts, "، ")
	case Chinese:
		return strings.Join(texts, "、")
	}
	return strings.Join(texts, ", ")
}

// rightToLeft reports whether r is in a block of a script that runs from right
// to left (Unicode 16, DerivedBidiClass: the defaults R and AL).
func rightToLeft(r rune) bool {
	return r >= 0x0590 && r <= 0x08ff || r >= 0xfb1d && r <= 0xfdff || r >= 0xfe70 && r <= 0xfeff ||
		r >= 0x10800 && r <= 0x10fff || r >= 0x1e800 && r <= 0x1efff
}
