package audit

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"iter"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/codebook"
)

// disclaimer stands in every report.
const disclaimer = "This shows whether agreed procedure was followed. It attributes nothing and is no legal determination."

// Text says how a report is written for people.
type Text struct {
	All    bool // what is routine too: line tests, clocks, members
	Colour bool // the sign of each status in its colour, for a terminal
}

// mark is the sign and the word of a status as a line begins with it; nothing
// where nothing has one.
func (t Text) mark(status string) string {
	for s := hotline.Actual; s <= hotline.Test; s++ {
		if s.String() != status {
			continue
		}
		m := codebook.MarkOf(s)
		if t.Colour {
			return m.Paint(m.Sign) + " " + status + " "
		}
		return m.Sign + " " + status + " "
	}
	return ""
}

// WriteText writes the report for people.
func (r *Report) WriteText(w io.Writer, how Text) error {
	b := bufio.NewWriter(w)
	fmt.Fprintln(b, disclaimer)
	if r.Pinned {
		fmt.Fprintf(b, "\nConvention %s, as demanded.\n", r.Convention)
	} else {
		fmt.Fprintf(b, "\nConvention %s: this id is what the logs say of themselves.\nCompare it with one known from elsewhere, or give that with --convention.\n", r.Convention)
	}
	r.writeLogs(b)
	r.writeObservations(b, how)
	r.writeViews(b)
	r.writeNotJudged(b)
	fmt.Fprintf(b, "\nStatements between parties (times are UTC; each by the log of whoever did it)\n")
	for s, err := range r.Statements() {
		if err != nil {
			return err
		}
		if how.All || (s.Kind != hotline.KindLineTest.String() && s.Kind != hotline.KindLineReply.String()) {
			writeStatement(b, &s, how)
		}
	}
	fmt.Fprintf(b, "\nChronology (UTC)\n")
	for e, err := range r.Chronology() {
		if err != nil {
			return err
		}
		if how.All || !e.Routine {
			fmt.Fprintf(b, "  %s  %-8s %6d  %s%s\n", stamp(e.Time), e.Party, e.Entry, how.mark(e.Status), e.Text)
		}
	}
	return b.Flush()
}

func (r *Report) writeNotJudged(b *bufio.Writer) {
	if len(r.NotJudged) == 0 {
		return
	}
	fmt.Fprintf(b, "\nWhat the material does not show\n")
	for _, s := range r.NotJudged {
		fmt.Fprintf(b, "  - %s\n", s)
	}
}

func (r *Report) writeLogs(b *bufio.Writer) {
	fmt.Fprintf(b, "\nLogs\n")
	for _, l := range r.Logs {
		kind := string(l.Kind)
		if l.Case != "" {
			kind += " " + shortCase(l.Case)
		}
		if l.With != "" {
			kind += " with " + string(l.With)
		}
		fmt.Fprintf(b, "  %s generation %d, %s: %d entries, %d shown, %d decided again; %s to %s\n",
			l.Party, l.Generation, kind, l.Size, l.Shown, l.Decided, stamp(l.First), stamp(l.Last))
		fmt.Fprintf(b, "      witnesses: %s\n", l.words())
		for _, c := range l.Rungs {
			fmt.Fprintf(b, "      %s climbed rung %s %d times for the duty: %s\n", l.Party, c.Office, c.Count, c.Duty)
		}
	}
}

func (r *Report) writeObservations(b *bufio.Writer, how Text) {
	if r.ExitCode() == ExitClean {
		fmt.Fprintf(b, "\nNothing to observe.\n")
		return
	}
	fmt.Fprintf(b, "\nObservations\n")
	for _, o := range r.Observations {
		who := string(o.Party)
		if o.Other != "" {
			who = o.parties(" or ") + ", " + who
		}
		fmt.Fprintf(b, "  %s %s (SPEC §%s), %s entry %d: %s%s\n", o.Class, o.Code, o.Section, who, o.Entry, how.mark(o.Status), o.Text)
		if o.Proof != "" {
			fmt.Fprintf(b, "      proof for others: %s (hotline-audit proof)\n", o.Proof)
		}
	}
	if r.MoreProtocol+r.MoreTerms > 0 {
		fmt.Fprintf(b, "  and %d more of class protocol, %d of class terms\n", r.MoreProtocol, r.MoreTerms)
	}
}

// writeViews tells where what one side waited for in vain is not overdue by the log of the other.
func (r *Report) writeViews(b *bufio.Writer) {
	if len(r.Views) == 0 {
		return
	}
	fmt.Fprintf(b, "\nWhere two logs see a duty differently\n")
	for _, v := range r.Views {
		fmt.Fprintf(b, "  %s entry %d: %s\n", v.Party, v.Entry, v.Text)
	}
}

func writeStatement(b *bufio.Writer, s *Statement, how Text) {
	fmt.Fprintf(b, "  %s to %s, %d: %s%s %s %s, tendered %s", s.From, s.To, s.Sequence, how.mark(s.Status), s.Precedence, s.Kind, s.ID[:12], stamp(s.Tendered))
	switch {
	case s.Rejected != "":
		fmt.Fprintf(b, ", not accepted: %s", s.Rejected)
	case s.Received == 0:
		fmt.Fprintf(b, ", no receipt")
	default:
		fmt.Fprintf(b, ", received %s", stamp(s.Received))
	}
	if s.Acknowledged != 0 {
		fmt.Fprintf(b, ", acknowledged %s", stamp(s.Acknowledged))
	}
	fmt.Fprintln(b)
}

// WriteJSON writes the report as one JSON object: the fields of Report, and
// after them the arrays statements (of Statement) and chronology (of Event).
func (r *Report) WriteJSON(w io.Writer) error {
	return r.writeObject(w,
		func(b *bufio.Writer) error { return writeArray(b, "statements", r.Statements()) },
		func(b *bufio.Writer) error { return writeArray(b, "chronology", r.Chronology()) })
}

func writeArray[T any](b *bufio.Writer, name string, all iter.Seq2[T, error]) error {
	fmt.Fprintf(b, ",\n%q:[", name)
	sep := "\n"
	for v, err := range all {
		if err != nil {
			return err
		}
		line, err := json.Marshal(v)
		if err != nil {
			return err
		}
		b.WriteString(sep)
		if _, err := b.Write(line); err != nil {
			return err
		}
		sep = ",\n"
	}
	b.WriteString("]")
	return nil
}
