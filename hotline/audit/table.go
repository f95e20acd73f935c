package audit

import (
	"encoding/csv"
	"fmt"
	"io"
	"iter"
	"strconv"
	"strings"
	"time"

	"example.org/hotline/hotline"
)

// Tables lists what WriteCSV can write.
var Tables = []string{"statements", "chronology", "verdicts", "observations"}

// WriteCSV writes one of Tables as CSV (RFC 4180) with a header line. Times are
// UTC, RFC 3339 with milliseconds; what the material does not show is empty. A
// cell that a spreadsheet could take for a formula begins with an apostrophe.
func (r *Report) WriteCSV(w io.Writer, what string) error {
	out := csv.NewWriter(w)
	out.UseCRLF = true
	var err error
	switch what {
	case "statements":
		err = rows(out, "id,kind,status,precedence,case,from,to,sequence,generation,tendered_as,tendered,received,acknowledged,rejected",
			r.Statements(), (*Statement).cells)
	case "chronology":
		err = rows(out, "time,party,generation,entry,type,kind,peer,statement,case,status,routine,text", r.Chronology(), (*Event).cells)
	case "verdicts":
		err = rows(out, "party,log,generation,duty,role,section,peer,case,statement,status,precedence,opened,opened_by,due,outcome,overdue,said,ended,entry,"+
			"late_ms,reason,reason_entry,awaited_by,awaited_outcome,differs,text", r.Verdicts(), (*Verdict).cells)
	case "observations":
		err = rows(out, "class,code,section,party,other,entry,status,due,done,text", func(yield func(Observation, error) bool) {
			for _, o := range r.Observations {
				if !yield(o, nil) {
					return
				}
			}
		}, (*Observation).cells)
	default:
		return fmt.Errorf("there is no table %q: choose one of %s", what, strings.Join(Tables, ", "))
	}
	if err != nil {
		return err
	}
	out.Flush()
	return out.Error()
}

func rows[T any](out *csv.Writer, head string, all iter.Seq2[T, error], cells func(*T) []string) error {
	if err := out.Write(strings.Split(head, ",")); err != nil {
		return err
	}
	for v, err := range all {
		if err != nil {
			return err
		}
		line := cells(&v)
		for i := range line {
			line[i] = plainCell(line[i])
		}
		if err := out.Write(line); err != nil {
			return err
		}
	}
	return nil
}

// formula are the characters with which spreadsheets begin a formula, full-width
// forms among them, and those that hide such a one behind them.
const formula = "=+-@\t\r\n＝＋－＠"

// plainCell keeps a spreadsheet from reading a cell as a formula.
func plainCell(s string) string {
	if s != "" && strings.ContainsRune(formula, []rune(s)[0]) {
		return "'" + s
	}
	return s
}

func (s *Statement) cells() []string {
	return []string{s.ID, s.Kind, s.Status, s.Precedence, s.Case, string(s.From), string(s.To), count(s.Sequence), count(s.Generation), count(s.TenderedAs),
		instant(s.Tendered), instant(s.Received), instant(s.Acknowledged), string(s.Rejected)}
}

func (e *Event) cells() []string {
	return []string{instant(e.Time), string(e.Party), count(e.Generation), count(e.Entry), e.Type, e.Kind, string(e.Peer), e.Statement, e.Case, e.Status,
		strconv.FormatBool(e.Routine), e.Text}
}

func (v *Verdict) cells() []string {
	late, by, outcome, differs := "", "", "", ""
	if a := v.Awaited; a != nil {
		by, outcome, differs = string(a.Party), string(a.Outcome), strconv.FormatBool(a.Differs)
	}
	if v.Outcome == DoneLate {
		late = strconv.FormatInt(int64(v.Late), 10)
	}
	return []string{string(v.Party), string(v.Log), count(v.Generation), v.Duty, string(v.Role), v.Section, string(v.Peer), v.Case, v.Statement, v.Status,
		v.Precedence, instant(v.Opened), entry(v.OpenedBy), instant(v.Due), string(v.Outcome), strconv.FormatBool(v.Overdue), entry(v.Said), instant(v.Ended),
		entry(v.Entry), late, string(v.Reason), entry(v.ReasonEntry), by, outcome, differs, v.Text}
}

func (o *Observation) cells() []string {
	return []string{string(o.Class), string(o.Code), o.Section, string(o.Party), string(o.Other), count(o.Entry), o.Status, instant(o.Due), instant(o.Done), o.Text}
}

func count(n uint64) string { return strconv.FormatUint(n, 10) }

// entry is the number of an entry; empty: there is none.
func entry(n uint64) string {
	if n == 0 {
		return ""
	}
	return count(n)
}

// instant is a time for machines; empty: there is none.
func instant(t hotline.Time) string {
	if t == 0 {
		return ""
	}
	return time.UnixMilli(int64(t)).UTC().Format("2006-01-02T15:04:05.000Z")
}
