package audit

import (
	"cmp"
	"iter"
	"os"
	"slices"
	"strings"

	"example.org/hotline/hotline"
)

// Report is what an audit found. What grows with the logs (chronology and
// statements) lies in temporary files until Close.
//
// It shows whether agreed procedure was followed. It attributes nothing and is
// no legal determination.
type Report struct {
	Convention   string        `json:"convention"`   // id, in hexadecimal
	Pinned       bool          `json:"pinned"`       // the id was given by the auditor; else it is what the logs say
	Logs         []Log         `json:"logs"`         // sorted by party and generation
	Observations []Observation `json:"observations"` // sorted by party, entry and code
	// More counts observations beyond MaxObservations of one class in one log,
	// which are not listed.
	MoreProtocol uint64     `json:"more_protocol,omitempty"`
	MoreTerms    uint64     `json:"more_terms,omitempty"`
	Views        []View     `json:"views,omitempty"`     // where the two sides of a duty see it differently
	Exchanges    []Exchange `json:"exchanges,omitempty"` // of each direction between two parties, if Options.Cross was set
	Provable     Widths     `json:"provable"`            // of the notifications
	NotJudged    []string   `json:"not_judged"`          // what the material does not show

	events     []*spool[Event]
	statements []*spool[Statement]
	rungs      []*spool[Rung]
	tests      []*spool[LineTest]
	weave      *weave
	verdicts   []*spool[Verdict]
	gaps       []*spool[Gap]
	dir        string
}

// MaxObservations bounds the observations of one class that are listed for one log,
// but for the first of each kind (SPEC §10.2 rule 11).
const MaxObservations = 1000

// Log is one export as it was read.
type Log struct {
	Dir        string        `json:"dir"`
	Kind       Kind          `json:"kind"`
	Party      hotline.Party `json:"party"`
	With       hotline.Party `json:"with,omitempty"`
	Case       string        `json:"case,omitempty"` // of a case export: PARTY/ID
	Generation uint64        `json:"generation"`
	Size       uint64        `json:"size"`    // leaves
	Shown      uint64        `json:"shown"`   // entries that the export shows
	Decided    uint64        `json:"decided"` // entries that were decided again and found equal
	Root       string        `json:"root"`    // of the checkpoint, in hexadecimal
	First      hotline.Time  `json:"first"`   // of the first and the last entry shown, Unix milliseconds
	Last       hotline.Time  `json:"last"`
	Rungs      []RungCount   `json:"rungs"` // rungs climbed, sorted by duty and office
	// Witnesses have cosigned the log, up to Cosigned entries.
	Witnesses []Witness `json:"witnesses,omitempty"`
	Cosigned  uint64    `json:"cosigned,omitempty"`
}

// Witness is a party that has cosigned a log with both its keys.
type Witness struct {
	Party       hotline.Party `json:"party"`
	Seconds     uint64        `json:"seconds"`     // by its clock, since 1970: the entries cosigned existed by then
	Independent bool          `json:"independent"` // a third party to what the export shows
	Observer    bool          `json:"observer,omitempty"`
}

// RungCount says how often a rung was climbed.
type RungCount struct {
	Duty   string `json:"duty"`
	Office string `json:"office"`
	Count  uint64 `json:"count"`
}

// Event is one line of the chronology.
type Event struct {
	Time  hotline.Time  `json:"time"` // of the entry, Unix milliseconds
	Party hotline.Party `json:"party"`
	// Generation and Entry say where it stands in the log of Party.
	Generation uint64        `json:"generation"`
	Entry      uint64        `json:"entry"`
	Type       string        `json:"type"`
	Kind       string        `json:"kind,omitempty"` // of the statement; of a due entry: its duty
	Peer       hotline.Party `json:"peer,omitempty"`
	Statement  string        `json:"statement,omitempty"` // id, in hexadecimal
	Case       string        `json:"case,omitempty"`
	Status     string        `json:"status,omitempty"`  // of the statement or the duty concerned; absent where there is none, or it is not shown
	Text       string        `json:"text"`              // for people
	Routine    bool          `json:"routine,omitempty"` // line tests, clocks, members: not shown unless asked for
}

// Statement is how far one statement came with one addressee. Times are Unix
// milliseconds by the log of whoever did it; 0: the material does not show it.
type Statement struct {
	ID           string        `json:"id"`
	Kind         string        `json:"kind"`
	Status       string        `json:"status"`
	Precedence   string        `json:"precedence"`
	Case         string        `json:"case,omitempty"`
	From         hotline.Party `json:"from"`
	To           hotline.Party `json:"to"`
	Sequence     uint64        `json:"sequence"`
	Generation   uint64        `json:"generation"`  // of the sender's log
	TenderedAs   uint64        `json:"tendered_as"` // entry of the sender's log
	Tendered     hotline.Time  `json:"tendered"`
	Received     hotline.Time  `json:"received,omitempty"`
	Acknowledged hotline.Time  `json:"acknowledged,omitempty"`
	Rejected     hotline.Code  `json:"rejected,omitempty"`
}

// Chronology yields the events of all logs in the order of their times. It may
// be called until Close.
func (r *Report) Chronology() iter.Seq2[Event, error] {
	return merge(r.events, func(a, b Event) bool {
		if a.Time != b.Time {
			return a.Time < b.Time
		}
		return a.Party < b.Party
	})
}

// Statements yields the statements between parties, log by log, each in the
// order in which nothing more could come of it; those still under way come
// last. It may be called until Close.
func (r *Report) Statements() iter.Seq2[Statement, error] {
	return inTurn(r.statements)
}

// inTurn yields the values of one spool after the other.
func inTurn[T any](spools []*spool[T]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for _, s := range spools {
			for v, err := range s.all() {
				if !yield(v, err) || err != nil {
					return
				}
			}
		}
	}
}

// merge yields the values of sorted spools in order; equal ones in the order of
// the spools.
func merge[T any](spools []*spool[T], less func(a, b T) bool) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		type head struct {
			v    T
			next func() (T, error, bool)
		}
		var heads []*head
		for _, s := range spools {
			next, stop := iter.Pull2(s.all())
			defer stop()
			v, err, ok := next()
			if err != nil {
				yield(v, err)
				return
			}
			if ok {
				heads = append(heads, &head{v, next})
			}
		}
		for len(heads) > 0 {
			least := 0
			for i := range heads {
				if less(heads[i].v, heads[least].v) {
					least = i
				}
			}
			h := heads[least]
			if !yield(h.v, nil) {
				return
			}
			v, err, ok := h.next()
			if err != nil {
				yield(v, err)
				return
			}
			h.v = v
			if !ok {
				heads = slices.Delete(heads, least, least+1)
			}
		}
	}
}

// Close removes the temporary files.
func (r *Report) Close() error {
	if r.dir == "" {
		return nil
	}
	dir := r.dir
	r.dir = ""
	if r.weave != nil {
		r.weave.close()
	}
	return os.RemoveAll(dir)
}

// Exit codes of hotline-audit.
const (
	ExitClean    = 0 // nothing to observe
	ExitTerms    = 1 // lapses only
	ExitUnusable = 2 // the input cannot be judged
	ExitProtocol = 3 // a rule or a proof is broken
)

// ExitCode says what the report amounts to.
func (r *Report) ExitCode() int {
	code := ExitClean
	if r.MoreTerms > 0 {
		code = ExitTerms
	}
	for i := range r.Observations {
		if r.Observations[i].Class == Protocol {
			return ExitProtocol
		}
		code = ExitTerms
	}
	if r.MoreProtocol > 0 {
		return ExitProtocol
	}
	return code
}

// sort brings logs and observations into one order, whatever the order of the
// directories was.
func (r *Report) sort() {
	slices.SortStableFunc(r.Logs, func(a, b Log) int {
		if c := strings.Compare(string(a.Party), string(b.Party)); c != 0 {
			return c
		}
		return compare(a.Generation, b.Generation)
	})
	slices.SortStableFunc(r.Observations, func(a, b Observation) int { // by other and text too: two logs may show the same
		return cmp.Or(cmp.Compare(a.Party, b.Party), cmp.Compare(a.Entry, b.Entry), cmp.Compare(a.Code, b.Code), cmp.Compare(a.Other, b.Other), cmp.Compare(a.Text, b.Text))
	})
	r.Observations = slices.CompactFunc(r.Observations, func(a, b Observation) bool { return a == b })
	slices.Sort(r.NotJudged)
	r.NotJudged = slices.Compact(r.NotJudged)
}

func compare(a, b uint64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}
