package testnet

import (
	"fmt"
	"io"
	"math"
	"text/tabwriter"
)

// WriteTable writes the report for people: one line for each figure, and behind it what each ratio is a ratio to.
func (r *BenchReport) WriteTable(out io.Writer) error {
	fmt.Fprintf(out, "%s, %s, %d cores, load %.1f when it began, %d repeats, %.0f s", r.System, r.Go, r.Cores, r.Load, r.Repeats, r.Seconds)
	if r.Statement > 0 {
		fmt.Fprintf(out, ", statements of %d bytes", r.Statement)
	}
	fmt.Fprint(out, "\n\n")
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprint(t, "figure\tmedian\tmin\tmax\tunit\tfloor\tratio\tpromise\ton\n")
	for i := range r.Figures {
		f := &r.Figures[i]
		floor, ratio, promise := "", "", ""
		if f.On != "" {
			floor, ratio = number(f.Floor), fmt.Sprintf("%.2f", f.Ratio)
		}
		if p := f.Promise; p != nil {
			bound := fmt.Sprintf("%s <= %.4g", p.Of, p.Most)
			if p.Least > 0 {
				bound = fmt.Sprintf("%s >= %.4g", p.Of, p.Least)
			}
			promise = bound + ": kept"
			if !p.Kept {
				promise = bound + ": NOT kept"
			}
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", f.Name, number(f.Median), number(f.Min), number(f.Max), f.Unit, floor, ratio, promise, f.On)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprint(out, "\nmedian, min and max are over the repeats; a ratio tells how many times worse a figure is than its floor\n")
	if r.Quick {
		fmt.Fprint(out, "--quick: counts are far too small for any of these figures to mean something\n")
	}
	for _, note := range r.Notes {
		if _, err := fmt.Fprintf(out, "- %s\n", note); err != nil {
			return err
		}
	}
	return nil
}

// number writes a value with some three digits.
func number(v float64) string {
	if v == 0 || math.Abs(v) >= 100 {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.3g", v)
}
