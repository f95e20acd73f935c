package audit

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"iter"

	"example.org/hotline/hotline"
)

// WriteVerdicts writes the duties for which keep says so, for people; nil keeps
// all. Without how.All, clocks of the line that went well are left out.
func (r *Report) WriteVerdicts(w io.Writer, how Text, keep func(*Verdict) bool) error {
	b := bufio.NewWriter(w)
	fmt.Fprintln(b, disclaimer)
	fmt.Fprintf(b, "\nDuties in the order of their deadlines (SPEC §6.3; times are UTC, by the log that is named; a provable interval rests on signatures of other parties, SPEC §7.10)\n")
	n, routine := 0, 0
	for v, err := range r.Verdicts() {
		switch {
		case err != nil:
			return err
		case keep != nil && !keep(&v):
		case !how.All && v.Routine():
			routine++
		default:
			n++
			writeVerdict(b, &v, how)
		}
	}
	if n == 0 {
		fmt.Fprintln(b, "  none")
	}
	if routine > 0 {
		fmt.Fprintf(b, "  and %d clocks of the line, which --all shows\n", routine)
	}
	r.writeWidths(b)
	r.writeNotJudged(b)
	return b.Flush()
}

func writeVerdict(b *bufio.Writer, v *Verdict, how Text) {
	fmt.Fprintf(b, "  %s: %s%s%s\n", v.Party, how.mark(v.Status), spaced(v.Precedence), v.Text)
	if v.Case != "" {
		fmt.Fprintf(b, "      case %s\n", v.Case)
	}
	fmt.Fprintf(b, "      due %s; %s\n", stamp(v.Due), v.fate())
	if v.Role == Clock && v.Overdue {
		fmt.Fprintf(b, "      a clock that is nobody's lapse towards a peer\n")
	}
	if v.Role == Provisional {
		fmt.Fprintf(b, "      provisional: %s waits, by its own log; no log that was given tells this of %s\n", v.Log, v.Party)
	}
	if v.Entry != 0 {
		fmt.Fprintf(b, "      provable, entry %d of %s: %s\n", v.Entry, v.Log, v.Provable.Words())
	}
	if n := v.Notification; n != nil {
		fmt.Fprintf(b, "      notification, entry %d of %s at %s: %s\n", n.Entry, n.Party, stamp(n.Time), n.Provable.Words())
	}
	if a := v.Awaited; a != nil && a.Differs {
		fmt.Fprintf(b, "      %s sees it differently (provisional): due %s, %s\n", a.Party, stamp(a.Due), a.fate())
	}
}

func spaced(word string) string {
	if word == "" {
		return ""
	}
	return word + " "
}

// fate says what became of a duty.
func (v *Verdict) fate() string {
	var text string
	switch v.Outcome {
	case InTime:
		text = fmt.Sprintf("done %s by entry %d: in time", stamp(v.Ended), v.Entry)
	case DoneLate:
		text = fmt.Sprintf("done %s by entry %d: %s late", stamp(v.Ended), v.Entry, length(v.Late))
	case NotDone:
		text = "not done by the end of the log"
	case Running:
		text = "running at the end of the log"
	case Withdrawn:
		text = fmt.Sprintf("withdrawn %s by entry %d, which takes back what opened it", stamp(v.Ended), v.Entry)
	case Lifted:
		text = fmt.Sprintf("ended %s: the convention leaves nobody towards whom it could be done", stamp(v.Ended))
		if v.class >= hotline.DutyLineAnswered {
			text = fmt.Sprintf("ended %s: the convention knows it no more", stamp(v.Ended))
		}
	case Hidden:
		text = "whether it was done is not shown"
	default:
		text = "not judged up to the end of the log"
	}
	if v.Overdue {
		text += fmt.Sprintf("; entry %d says overdue", v.Said)
		if v.Code != "" {
			text += fmt.Sprintf(" (%s)", v.Code)
		}
	}
	if v.Reason != "" {
		text += fmt.Sprintf("; the reason given in entry %d is %q", v.ReasonEntry, v.Reason)
	}
	return text
}

func (a *Awaited) fate() string {
	v := Verdict{Due: a.Due, Outcome: a.Outcome, Overdue: a.Overdue, Said: a.Said, Ended: a.Ended, Entry: a.Entry}
	if v.Outcome == DoneLate {
		v.Late = v.Ended - v.Due
	}
	return v.fate()
}

func (r *Report) writeWidths(b *bufio.Writer) {
	w := &r.Provable
	fmt.Fprintf(b, "\nNotifications: %d", w.Notifications)
	if n := w.Bounded(); n > 0 {
		fmt.Fprintf(b, ", of %d of which the provable interval is bounded; its median width is %s", n, length(w.Median))
	}
	if w.Unbounded > 0 {
		fmt.Fprintf(b, "; %d unbounded: no signature of another party bounds one end", w.Unbounded)
	}
	if w.Contradicting > 0 {
		fmt.Fprintf(b, "; of %d the signatures contradict each other", w.Contradicting)
	}
	fmt.Fprintln(b)
}

// WriteVerdictsJSON writes one JSON object: the fields of Report, and after them
// the array verdicts of those for which keep says so; nil keeps all.
func (r *Report) WriteVerdictsJSON(w io.Writer, keep func(*Verdict) bool) error {
	return r.writeObject(w, func(b *bufio.Writer) error { return writeArray(b, "verdicts", filtered(r.Verdicts(), keep)) })
}

// writeObject writes the fields of Report and what more writes after them.
func (r *Report) writeObject(w io.Writer, more ...func(*bufio.Writer) error) error {
	b := bufio.NewWriter(w)
	head, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if _, err := b.Write(head[:len(head)-1]); err != nil {
		return err
	}
	for _, f := range more {
		if err := f(b); err != nil {
			return err
		}
	}
	fmt.Fprintln(b, "}")
	return b.Flush()
}

func filtered[T any](all iter.Seq2[T, error], keep func(*T) bool) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for v, err := range all {
			if (err != nil || keep == nil || keep(&v)) && !yield(v, err) {
				return
			}
		}
	}
}

// Concerns reports whether a party owed the duty, waited for it, or it is a clock
// towards that party.
func (v *Verdict) Concerns(p hotline.Party) bool { return v.Party == p || v.Peer == p }
