package audit

import (
	"bufio"
	"fmt"
	"io"
)

// WriteCross writes what passed between the parties, and what one side shows and
// the other does not, for people.
func (r *Report) WriteCross(w io.Writer, how Text) error {
	b := bufio.NewWriter(w)
	fmt.Fprintln(b, disclaimer)
	fmt.Fprintf(b, "\nWhat passed between two parties, held against the logs of both (SPEC §8): found / all\n")
	if len(r.Exchanges) == 0 {
		fmt.Fprintln(b, "  nothing: the logs of two parties are needed")
	}
	for i := range r.Exchanges {
		e := &r.Exchanges[i]
		fmt.Fprintf(b, "  %s to %s\n", e.From, e.To)
		for _, line := range []struct {
			what       string
			found, all uint64
		}{
			{fmt.Sprintf("sent by the log of %s", e.From), e.SentFound, e.Sent},
			{fmt.Sprintf("tenders of %s in the log of %s", e.From, e.To), e.TenderedFound, e.Tendered},
			{fmt.Sprintf("receipts of %s in the log of %s", e.To, e.From), e.ReceiptedFound, e.Receipted},
			{fmt.Sprintf("acknowledgements of %s in the log of %s", e.To, e.From), e.AcknowledgedFound, e.Acknowledged},
			{fmt.Sprintf("rejects of %s in the log of %s", e.To, e.From), e.RejectedFound, e.Rejected},
		} {
			fmt.Fprintf(b, "      %8d / %-8d  %s\n", line.found, line.all, line.what)
		}
		fmt.Fprintf(b, "      left out %d, not yet shown %d, not shown %d, no proof %d\n", e.LeftOut, e.NotYet, e.NotShown, e.NoProof)
	}
	if err := r.writeGaps(b); err != nil {
		return err
	}
	r.writeObservations(b, how)
	r.writeNotJudged(b)
	return b.Flush()
}

func (r *Report) writeGaps(b *bufio.Writer) error {
	fmt.Fprintf(b, "\nWhat one side shows and the other does not\n")
	none := true
	for g, err := range r.Gaps() {
		if err != nil {
			return err
		}
		none = false
		code := ""
		if g.Code != "" {
			code = fmt.Sprintf(" (%s, SPEC §%s)", g.Code, g.Section)
		}
		fmt.Fprintf(b, "  %s to %s: %s of %s%s, by %s %s%s: %s\n", g.From, g.To, g.What, spaced(g.Kind), g.Statement[:12], g.Missing, g.State, code, g.Text)
	}
	if none {
		fmt.Fprintln(b, "  nothing")
	}
	return nil
}

// WriteCrossJSON writes one JSON object: the fields of Report, and after them
// the array gaps.
func (r *Report) WriteCrossJSON(w io.Writer) error {
	return r.writeObject(w, func(b *bufio.Writer) error { return writeArray(b, "gaps", r.Gaps()) })
}
