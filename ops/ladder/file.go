// Package ladder turns a party's ladder, as people write it, into the signed
// form: it checks a TOML file line by line, and writes out in UTC who is on
// call when. Time zones and daylight saving are worked out here, once, before
// an authority signs; the ledger reads minutes (SPEC §4.7, §6.5).
package ladder

import (
	"time"

	"github.com/pelletier/go-toml/v2"

	"example.org/hotline/ops/strict"
)

// Bounds of a file.
const (
	MaxFile     = 64 << 10 // bytes
	DefaultDays = 92       // for which the rotas are written out, unless the file says otherwise
	MaxWeeks    = 16       // after which a rota begins again
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

// Faults is the error of a file that is refused.
type Faults = strict.Faults

// reader is a file with the lines of its keys and what is wrong with it.
type reader struct {
	file
	*strict.File
}

func read(text []byte) (*reader, error) {
	r := new(reader)
	var err error
	r.File, err = strict.Read(text, MaxFile, &r.file)
	return r, err
}
