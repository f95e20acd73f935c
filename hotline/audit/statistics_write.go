package audit

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// WriteJSON writes the figures as one JSON object.
func (s *Statistics) WriteJSON(w io.Writer) error {
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	_, err = w.Write(append(b, '\n'))
	return err
}

// WriteText writes the figures for people, as tables.
func (s *Statistics) WriteText(w io.Writer, how Text) error {
	b := bufio.NewWriter(w)
	fmt.Fprintf(b, "%s\n\nFigures of %s to %s (UTC). No text, case, statement or person is named; of fewer than %d that were done\nno delay and no share is told, of fewer than %d no 95th percentile.\n", disclaimer, s.From, s.To, MinSample, MinTail)
	columns(b, "Logs", "party\tgeneration\tkind\tentries\tshown\tindependent witnesses", s.Logs, func(l *LogCount) string {
		return fmt.Sprintf("%s\t%d\t%s\t%d\t%d\t%d", l.Party, l.Generation, strings.TrimSpace(string(l.Kind)+" "+string(l.With)), l.Entries, l.Shown, l.Witnesses)
	})
	columns(b, "Observations", "status\tparty\tclass\tcode\tcount", s.Observations, func(o *ObservationCount) string {
		return fmt.Sprintf("%s\t%s\t%s\t%s\t%d", how.word(o.Status), either(o.Party, o.Other, " or "), o.Class, o.Code, o.Count)
	})
	columns(b, "Statements, once for each addressee", "status\tfrom\tkind\tprecedence\tcount\treceived\tnot accepted", s.Statements, func(c *StatementCount) string {
		return fmt.Sprintf("%s\t%s\t%s\t%s\t%d\t%d\t%d", how.word(c.Status), c.From, c.Kind, c.Precedence, c.Count, c.Received, c.Rejected)
	})
	columns(b, "Duties", "status\tparty\tduty\tprecedence\tcount\tin time\tlate\tnot done\trunning\tother\ton time\tmedian\t95 %", s.Duties, func(d *DutyCount) string {
		return fmt.Sprintf("%s\t%s\t%s\t%s\t%d\t%d\t%d\t%d\t%d\t%d\t%s", how.word(d.Status), d.Party, d.Name(), d.Precedence, d.Count, d.InTime, d.Late,
			d.NotDone, d.Running, d.Other, d.Figures.words())
	})
	columns(b, "Line tests, by the log of who sent them", "status\tfrom\tto\ttests\tanswered\tmissed\tmost missed in a row\tavailability", s.Lines, func(l *LineCount) string {
		return fmt.Sprintf("%s\t%s\t%s\t%d\t%d\t%d\t%d\t%s", how.word(l.Status), l.From, l.To, l.Tests, l.Answered, l.Missed, l.MostInRow, l.Words())
	})
	if s.More > 0 {
		fmt.Fprintf(b, "\n%d more are not counted above: there are more sorts of them than the %d of each table\n", s.More, MaxGroups)
	}
	return b.Flush()
}

// word is the sign and the word of a status within a line.
func (t Text) word(status string) string {
	if m := t.mark(status); m != "" {
		return strings.TrimSpace(m)
	}
	return "-"
}

// columns writes one table, or that there is nothing in it.
func columns[T any](b *bufio.Writer, title, head string, list []T, row func(*T) string) {
	fmt.Fprintf(b, "\n%s\n", title)
	if len(list) == 0 {
		fmt.Fprintln(b, "  none")
		return
	}
	w := tabwriter.NewWriter(b, 0, 8, 2, ' ', tabwriter.StripEscape)
	fmt.Fprintf(w, "  %s\n", head)
	for i := range list {
		fmt.Fprintf(w, "  %s\n", row(&list[i]))
	}
	_ = w.Flush() // b keeps its error, and tells it when it is flushed
}

// Name is the duty, and whether only the other side's log tells of it.
func (d *DutyCount) Name() string {
	if d.Role == Provisional {
		return d.Duty + " (provisional)"
	}
	return d.Duty
}

// words are share, median and percentile as cells of a table.
func (f *Figures) words() string {
	if f == nil {
		return "-\t-\t-"
	}
	return fmt.Sprintf("%s\t%s\t%s", permille(f.OnTimePermille), length(f.Median), f.Tail())
}

// Tail is the 95th percentile for people.
func (f *Figures) Tail() string {
	if f.Percentile95 == nil {
		return "-"
	}
	return length(*f.Percentile95)
}

// Words is the availability for people.
func (l *LineCount) Words() string {
	if l.Availability == nil {
		return "-"
	}
	return permille(*l.Availability)
}

// permille is a share for people, in percent with one digit behind the point.
func permille(n uint64) string { return fmt.Sprintf("%d.%d %%", n/10, n%10) }
