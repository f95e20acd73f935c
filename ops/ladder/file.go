// Package ladder turns a party's ladder, as people write it, into the signed
// form: it checks a TOML file line by line, and writes out in UTC who is on
// call when. Time zones and daylight saving are worked out here, once, before
// an authority signs; the ledger reads minutes (SPEC §4.7, §6.5).
package ladder

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// Bounds of a file.
const (
	MaxFile     = 64 << 10 // bytes
	DefaultDays = 92       // for which the rotas are written out, unless the file says otherwise
	MaxWeeks    = 16       // after which a rota begins again
	maxFaults   = 20       // told at once
)

// file is a ladder as people write it.
type file struct {
	Party     string                 `toml:"party"`
	Number    uint64                 `toml:"number"` // 0: the one after the ladder in force
	From      time.Time              `toml:"from"`   // of the rotas; default: the minute in which the file is read
	Days      int64                  `toml:"days"`
	Channels  map[string]channelFile `toml:"channels"`
	Officers  []officerFile          `toml:"officer"`
	Rotas     []rotaFile             `toml:"rota"`
	Term      termsFile              `toml:"term"`
	Owing     []rungFile             `toml:"owing"`
	Receiving []rungFile             `toml:"receiving"`
}

// channelFile names a channel and its type. Addresses and secrets stand in the
// daemon's own configuration.
type channelFile struct {
	Type string `toml:"type"`
}

type officerFile struct {
	Name     string   `toml:"name"`
	Channels []string `toml:"channels"` // the first one first
}

// rotaFile is a pattern of shifts that begins again after some weeks.
type rotaFile struct {
	Name    string         `toml:"name"`
	Zone    string         `toml:"zone"`    // IANA name
	Overlap string         `toml:"overlap"` // who goes stays so long beside who comes
	Weeks   int64          `toml:"weeks"`   // default 1
	Begins  toml.LocalDate `toml:"begins"`  // the Monday of week 1, if there are several
	Shifts  []shiftFile    `toml:"shift"`
	Covers  []coverFile    `toml:"cover"`
}

type shiftFile struct {
	Week     int64    `toml:"week"` // 0: every week
	Days     []string `toml:"days"` // on which it begins
	From     string   `toml:"from"`
	Until    string   `toml:"until"` // not after from: on the next day
	Officers []string `toml:"officers"`
}

// coverFile puts one officer in the place of another for a time.
type coverFile struct {
	Absent string             `toml:"absent"`
	By     string             `toml:"by"`
	From   toml.LocalDateTime `toml:"from"`
	Until  toml.LocalDateTime `toml:"until"`
}

// termsFile says against which terms the delays of a side are measured.
type termsFile struct {
	Owing     *termFile `toml:"owing"`
	Receiving *termFile `toml:"receiving"`
}

type termFile struct {
	Duty       string `toml:"duty"`
	Precedence string `toml:"precedence"`
	Is         string `toml:"is"`
}

type rungFile struct {
	Permille *uint64  `toml:"permille"` // of the term; or
	Delay    string   `toml:"delay"`    // after the rung before
	Overdue  bool     `toml:"overdue"`  // stands at the deadline
	Office   string   `toml:"office"`
	Targets  []string `toml:"targets"` // officers by role name, and rotas by name
	Repeat   string   `toml:"repeat"`  // page again after so long, until the next rung
}

// Fault is one thing that is wrong, and where. Line counts from 1.
type Fault struct {
	Line int
	Text string
}

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

// reader is a file with the lines of its keys and what is wrong with it.
type reader struct {
	file
	lines  map[string]int // by path, as rota[0].shift[1].from
	faults Faults
}

// wrongType is how the decoder says that a value is of another type than its key.
var wrongType = regexp.MustCompile(`^cannot decode TOML (\w+) into .* of type (\S+)$`)

// read decodes strictly: an unknown key may be a misspelt one.
func read(text []byte) (*reader, error) {
	if len(text) > MaxFile {
		return nil, Faults{{1, fmt.Sprintf("the file is %d bytes, at most %d", len(text), MaxFile)}}
	}
	r := &reader{lines: map[string]int{}}
	d := toml.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	err := d.Decode(&r.file)
	var unknown *toml.StrictMissingError
	var broken *toml.DecodeError
	switch {
	case errors.As(err, &unknown):
		for i := range unknown.Errors {
			line, _ := unknown.Errors[i].Position()
			r.faults = append(r.faults, Fault{line, fmt.Sprintf("unknown key %q: remove it or correct its name", strings.Join(unknown.Errors[i].Key(), "."))})
		}
		return nil, r.err()
	case errors.As(err, &broken):
		line, _ := broken.Position()
		text := strings.TrimPrefix(broken.Error(), "toml: ")
		if m := wrongType.FindStringSubmatch(text); m != nil {
			text = fmt.Sprintf("%s is a %s, where %s is wanted", strings.Join(broken.Key(), "."), m[1], m[2])
		}
		return nil, Faults{{line, text}}
	case err != nil:
		return nil, Faults{{1, err.Error()}}
	}
	return r, r.locate(text)
}

// locate finds the line of every key and table.
func (r *reader) locate(text []byte) error {
	p := new(unstable.Parser)
	p.Reset(text)
	last := map[string]int{} // of each array of tables, the newest index
	table := ""
	for p.NextExpression() {
		e := p.Expression()
		if e.Kind == unstable.KeyValue {
			r.locateValue(p, table, e)
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
		r.lines[table] = line
	}
	return p.Error()
}

// locateValue finds the line of one key, and of what stands inside its value.
func (r *reader) locateValue(p *unstable.Parser, table string, e *unstable.Node) {
	path := table
	for keys := e.Key(); keys.Next(); {
		path = join(path, string(keys.Node().Data))
		r.lines[path] = p.Shape(keys.Node().Raw).Start.Line
	}
	r.locateInside(p, path, e.Value())
}

func (r *reader) locateInside(p *unstable.Parser, path string, v *unstable.Node) {
	inside := v.Children()
	for i := 0; inside.Next(); i++ {
		switch v.Kind {
		case unstable.InlineTable:
			r.locateValue(p, path, inside.Node())
		case unstable.Array:
			r.locateInside(p, fmt.Sprintf("%s[%d]", path, i), inside.Node())
		}
	}
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// line is that of a path, or of the nearest table around it.
func (r *reader) line(path string) int {
	for path != "" {
		if n, ok := r.lines[path]; ok {
			return n
		}
		path = path[:max(0, strings.LastIndexAny(path, ".["))]
	}
	return 1
}

func (r *reader) has(path string) bool { return r.lines[path] > 0 }

func (r *reader) fault(path, format string, args ...any) {
	r.faults = append(r.faults, Fault{r.line(path), fmt.Sprintf(format, args...)})
}

// err returns what was found so far, by line, or nil.
func (r *reader) err() error {
	if len(r.faults) == 0 {
		return nil
	}
	slices.SortStableFunc(r.faults, func(a, b Fault) int { return cmp.Compare(a.Line, b.Line) })
	return r.faults
}
