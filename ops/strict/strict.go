// Package strict reads TOML that people write, and says of each fault on which
// line it stands.
package strict

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// Fault is one thing that is wrong, and where. Line counts from 1.
type Fault struct {
	Line int
	Text string
}

// maxFaults bounds what is told at once.
const maxFaults = 20

// Faults is the error of a file that is refused: all that one pass found, by line.
type Faults []Fault

func (f Faults) Error() string {
	var all []string
	for i, x := range f {
		if i == maxFaults {
			all = append(all, fmt.Sprintf("and %d more", len(f)-i))
			break
		}
		all = append(all, fmt.Sprintf("line %d: %s", x.Line, x.Text))
	}
	return strings.Join(all, "; ")
}

// File is a file that was read, with the lines of its keys and what is wrong
// with it. A path names a key as rota[0].shift[1].from.
type File struct {
	lines  map[string]int // by path
	faults Faults
}

// wrongType is how the decoder says that a value is of another type than its key.
var wrongType = regexp.MustCompile(`^cannot decode TOML ([\w ]+?) into .* of type (\S+)$`)

// Read decodes TOML into a structure, whose unknown keys are refused: one may be
// a misspelt one. most bounds the text in bytes. The error is Faults.
func Read(text []byte, most int, into any) (*File, error) {
	if len(text) > most {
		return nil, Faults{{1, fmt.Sprintf("the file is %d bytes, at most %d", len(text), most)}}
	}
	f := &File{lines: map[string]int{}}
	d := toml.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	err := d.Decode(into)
	var unknown *toml.StrictMissingError
	var broken *toml.DecodeError
	switch {
	case errors.As(err, &unknown):
		for i := range unknown.Errors {
			line, _ := unknown.Errors[i].Position()
			f.faults = append(f.faults, Fault{line, fmt.Sprintf("unknown key %q: remove it or correct its name", strings.Join(unknown.Errors[i].Key(), "."))})
		}
		return nil, f.Err()
	case errors.As(err, &broken):
		line, _ := broken.Position()
		text := strings.TrimPrefix(broken.Error(), "toml: ")
		if m := wrongType.FindStringSubmatch(text); m != nil {
			text = fmt.Sprintf("%s is a %s, where %s is wanted", strings.Join(broken.Key(), "."), m[1], m[2])
			if m[2] == "string" {
				text += ": write it in quotes"
			}
		}
		return nil, Faults{{line, text}}
	case err != nil:
		return nil, Faults{{1, err.Error()}}
	}
	if err := f.locate(text); err != nil {
		return nil, Faults{{1, err.Error()}}
	}
	return f, nil
}

// locate finds the line of every key and table.
func (f *File) locate(text []byte) error {
	p := new(unstable.Parser)
	p.Reset(text)
	last := map[string]int{} // of each array of tables, the newest index
	table := ""
	for p.NextExpression() {
		e := p.Expression()
		if e.Kind == unstable.KeyValue {
			f.locateValue(p, table, e)
			continue
		}
		line := 0
		table = ""
		for keys := e.Key(); keys.Next(); {
			line = p.Shape(keys.Node().Raw).Start.Line
			table = join(table, string(keys.Node().Data))
			i, ok := last[table]
			if e.Kind == unstable.ArrayTable && keys.IsLast() {
				if ok {
					i++
				}
				last[table], ok = i, true
			}
			if ok {
				table = fmt.Sprintf("%s[%d]", table, i)
			}
		}
		f.lines[table] = line
	}
	return p.Error()
}

// locateValue finds the line of one key, and of what stands inside its value.
func (f *File) locateValue(p *unstable.Parser, table string, e *unstable.Node) {
	path := table
	for keys := e.Key(); keys.Next(); {
		path = join(path, string(keys.Node().Data))
		f.lines[path] = p.Shape(keys.Node().Raw).Start.Line
	}
	f.locateInside(p, path, e.Value())
}

func (f *File) locateInside(p *unstable.Parser, path string, v *unstable.Node) {
	inside := v.Children()
	for i := 0; inside.Next(); i++ {
		switch v.Kind {
		case unstable.InlineTable:
			f.locateValue(p, path, inside.Node())
		case unstable.Array:
			f.locateInside(p, fmt.Sprintf("%s[%d]", path, i), inside.Node())
		}
	}
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// Line is that of a path, or of the nearest table around it.
func (f *File) Line(path string) int {
	for path != "" {
		if n, ok := f.lines[path]; ok {
			return n
		}
		path = path[:max(0, strings.LastIndexAny(path, ".["))]
	}
	return 1
}

// Has reports whether the file names a path.
func (f *File) Has(path string) bool { return f.lines[path] > 0 }

// Fault notes that something is wrong at a path.
func (f *File) Fault(path, format string, args ...any) {
	f.faults = append(f.faults, Fault{f.Line(path), fmt.Sprintf(format, args...)})
}

// Err returns what was found so far, by line, or nil.
func (f *File) Err() error {
	if len(f.faults) == 0 {
		return nil
	}
	slices.SortStableFunc(f.faults, func(a, b Fault) int { return cmp.Compare(a.Line, b.Line) })
	return f.faults
}

// Sound reports whether nothing was found so far.
func (f *File) Sound() bool { return len(f.faults) == 0 }
