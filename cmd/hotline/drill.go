package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"example.org/hotline/hotline"
	"example.org/hotline/ops/ceremony"
	"example.org/hotline/ops/drill"
)

// Codes of failures that only exercises have.
const (
	codeConsent  hotline.Code = "consent"  // the exercise is not announced, or somebody has not acknowledged that
	codeNotMet   hotline.Code = "not-met"  // not everything that was expected happened in time
	codeUnusable hotline.Code = "unusable" // the script, or the case, is none that could be judged
)

// exerciseActivity is the code of an exercise in an advance notice.
var exerciseActivity = uint8(slices.Index(hotline.Activities, "exercise") + 1)

// newDrillCmd holds what is done with scripted exercises.
func newDrillCmd(a *app) *cobra.Command {
	cmd := newGroupCmd("drill", "Announce, run and evaluate a scripted EXERCISE with other parties",
		newDrillCheckCmd(a), newDrillAnnounceCmd(a), newDrillRunCmd(a), newDrillEvaluateCmd(a))
	cmd.Long = `An exercise is a script that all parties have on their own machines: what the officers of each do and when, what should come of it,
and what suffices. ops/deploy/drill.example.toml is one.

It begins with consent. An operator of the leading party announces it (hotline drill announce): an ACTUAL advance notice, since that it
is coming is no exercise, with its window and the SHA-256 of the script. Each other party acknowledges that in its own name (hotline ack).
Without it nothing runs; a dispute of the notice, or its retraction, takes it away again.

Everything after that bears the status EXERCISE, in the header and in what is signed beside it: it never verifies as ACTUAL, and it has
cases and duties of its own. People are woken as by the real thing, and told so in the first word.`
	return cmd
}

// unusable is the failure of what cannot be judged.
func unusable(next, format string, args ...any) error {
	return &failure{exit: exitUsage, Code: string(codeUnusable), Text: fmt.Sprintf(format, args...), Next: next}
}

// loadScript reads a script. Its error names the file and each line.
func loadScript(path string) (*drill.Script, error) {
	text, err := ceremony.ReadFile(path, drill.MaxFile)
	if err != nil {
		return nil, unusable("check the name", "%v", err)
	}
	s, err := drill.Read(text)
	if err != nil {
		return nil, unusable("correct the script", "%s: %v", path, err)
	}
	return s, nil
}

func newDrillCheckCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "check FILE", Short: "Check a script, and show its timeline", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			s, err := loadScript(args[0])
			if err != nil {
				return err
			}
			view := map[string]any{"name": s.Name, "lead": s.Lead, "with": s.With, "digest": fmt.Sprintf("%x", s.Digest), "lasts_ms": int64(s.Lasts),
				"steps": plain(s.Steps), "expect": plain(s.Expect), "pass": plain(s.Pass)}
			return a.show(view, func(w io.Writer) { a.writeScript(a.sheet(w), s) })
		},
	}
}

func (a *app) writeScript(p *sheet, s *drill.Script) {
	p.line(p.sign(hotline.Exercise)+" "+p.Status(hotline.Exercise), p.Isolate(s.Name), p.Isolate(joinParties(s.Parties())), p.Isolate(fmt.Sprintf("SHA-256 %x", s.Digest)))
	for i := range s.Steps {
		x := &s.Steps[i]
		what := fmt.Sprintf("  +%-9s %-8s %-12s %-16s", x.At, x.Party, x.Do, x.ID)
		if x.Of != "" {
			what += " of " + x.Of
		}
		if to := s.To(x); len(to) > 0 {
			what += " to " + joinParties(to) + ", " + x.Precedence.String()
		}
		fmt.Fprintln(p.w, strings.TrimRight(what, " "))
	}
	for _, x := range s.Expect {
		fmt.Fprintln(p.w, "  expects "+expected(&x))
	}
	fmt.Fprintf(p.w, "  suffices: %d %% on time, at most %d missing\n", s.Pass.OnTime, s.Pass.Missing)
}

// expected is an expectation in words.
func expected(x *drill.Expectation) string {
	line := fmt.Sprintf("%s %s by %s", x.Of, x.Is, x.From)
	if x.Is == drill.Replied || x.Is == drill.Escalated {
		line = fmt.Sprintf("%s to be %s by %s", x.Of, x.Is, x.From)
	}
	switch {
	case x.Within > 0:
		line += fmt.Sprintf(" within %s", x.Within)
	default:
		line += " as the terms say"
	}
	if x.Precedence != 0 {
		line += ", " + x.Precedence.String()
	}
	return line
}

func newDrillAnnounceCmd(a *app) *cobra.Command {
	var from, precedence string
	cmd := &cobra.Command{
		Use: "announce FILE", Short: "Announce an exercise to the other parties, who must acknowledge it", Args: cobra.ExactArgs(1),
		Long: "Signs an ACTUAL advance notice of an exercise, with its window and the SHA-256 of the script. Send them the file by another way:\n" +
			"what they acknowledge is that very file.",
	}
	cmd.Flags().StringVar(&from, "from", "now", "when the window begins, as 2026-12-01T09:00:00Z, or now; it lasts as long as the script says")
	cmd.Flags().StringVar(&precedence, "precedence", "ROUTINE", "FLASH, IMMEDIATE, PRIORITY or ROUTINE")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		x, err := loadScript(args[0])
		if err != nil {
			return err
		}
		begins, err := a.moment(from)
		if err != nil || begins == 0 {
			return usage(cmd, "--from %q is no time as 2026-12-01T09:00:00Z", from)
		}
		return a.atDesk(func(ctx context.Context, s *seat, _ []string) error {
			if s.party() != x.Lead {
				return refused(hotline.CodeWrongSender, "have them announce it", "%s leads the exercise %s", x.Lead, x.Name)
			}
			l := &letter{kind: hotline.KindAdvanceNotice, status: hotline.Actual, to: x.With, body: &hotline.AdvanceNotice{Activity: exerciseActivity,
				From: begins, Until: begins + hotline.Time(x.Lasts), Networks: x.Facts.Networks, Language: x.Language, Text: x.Announce()}}
			if l.precedence, err = precedenceOf(cmd, precedence); err != nil {
				return err
			}
			raw, err := s.compose(ctx, l)
			if err != nil {
				return err
			}
			return s.file(ctx, raw, "")
		})(cmd, args)
	}
	return cmd
}

func newDrillRunCmd(a *app) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use: "run FILE", Short: "Play your own party's steps of an announced exercise, then evaluate it", Args: cobra.ExactArgs(1),
		Long: "Refuses to begin, or to go on, without the announcement of this very file, within its window, acknowledged by every other party. Plays the\n" +
			"steps of your own party that your role may sign, each at its time and when what it refers to has arrived; the other steps are\n" +
			"other people's, at their own machines. Asks before each signature, unless --yes. A step that stands in the ledger is not played\n" +
			"again, so a run that broke off goes on when it is begun anew. When everything expected is decided it prints the evaluation.\n\n" +
			"Exit codes: 0 everything expected was met, 1 not everything or refused, 2 the script is unusable.",
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask before each step")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		x, err := loadScript(args[0])
		if err != nil {
			return err
		}
		return a.atDesk(func(ctx context.Context, s *seat, _ []string) error {
			n, err := s.consented(ctx, x)
			if err != nil {
				return err
			}
			return s.play(ctx, x, n, yes)
		})(cmd, args)
	}
	return cmd
}

func newDrillEvaluateCmd(a *app) *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use: "evaluate CASE", Short: "Judge an exercise from your own party's ledger", Args: cobra.ExactArgs(1), PreRunE: namesOne,
		Long: "Judges by the script that is given, which must be that of the exercise, or else by the terms alone: that everything was received\n" +
			"and acknowledged in time, and each inquiry answered. Nothing counts but what stands in the ledger.\n\n" +
			"Exit codes: 0 everything expected was met, 1 not everything, 2 this script or case cannot be judged.",
	}
	cmd.Flags().StringVar(&file, "script", "", "the script by which it is judged; default: the terms")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var x *drill.Script
		if file != "" {
			var err error
			if x, err = loadScript(file); err != nil {
				return err
			}
		}
		return a.atDesk(func(ctx context.Context, s *seat, args []string) error {
			st, in, err := s.findCase(ctx, args[0])
			if err != nil {
				return err
			}
			if st.Header.Status != hotline.Exercise {
				return unusable("name a case of an EXERCISE", "case %s is %s", in, st.Header.Status)
			}
			o := &observer{seat: s, script: x, in: in}
			if err := o.look(ctx); err != nil {
				return err
			}
			if x != nil && !o.bears(x) {
				return unusable("give the file that was announced", "no statement of case %s bears the mark of this script, %s", in, x.Short())
			}
			return s.tell(o.evaluate())
		})(cmd, args)
	}
	return cmd
}

// tell prints an evaluation. Its error is what the exit code says.
func (s *seat) tell(v *drill.Evaluation) error {
	err := s.show(plain(v), func(w io.Writer) { writeEvaluation(s.sheet(w), v) })
	if err == nil && !v.AllMet {
		err = refused(codeNotMet, "read the evaluation, and talk about it with the others", "%d of %d expectations are met", v.OnTime, v.Judged)
	}
	return err
}

func writeEvaluation(p *sheet, v *drill.Evaluation) {
	p.line(p.sign(hotline.Exercise)+" "+p.Status(hotline.Exercise), p.Isolate(strings.TrimSpace(v.Name+" "+v.Script)), p.Isolate("case "+v.Case.String()),
		p.Isolate("by the ledger of "+string(v.Party)))
	fmt.Fprintf(p.w, "  T0 %s  adopted %s  assessed %s\n", instant(v.T0), instant(v.Adopted), instant(v.Assessed))
	for i := range v.Ways {
		w := &v.Ways[i]
		fmt.Fprintf(p.w, "  %-8s %s %s %s→%s  tendered %s  received %s", w.Step, w.Precedence, w.Kind, w.From, w.To, instant(w.Tendered), instant(w.Received))
		if w.Kind.Rules().OpensAck {
			fmt.Fprintf(p.w, "  acknowledged %s", instant(w.Acknowledged))
		}
		fmt.Fprintln(p.w)
	}
	for i := range v.Results {
		x := &v.Results[i]
		line := fmt.Sprintf("  %-8s %s", strings.ToUpper(string(x.Outcome)), expected(&x.Expectation))
		if x.At != 0 {
			line += ": " + instant(x.At)
		}
		if x.Outcome == drill.Late {
			line += fmt.Sprintf(", late by %s", time.Duration(x.LateBy)*time.Millisecond)
		}
		if x.Due != 0 && x.Outcome != drill.Met {
			line += ", due " + instant(x.Due)
		}
		if x.Why != "" {
			line += " (" + x.Why + ")"
		}
		fmt.Fprintln(p.w, line)
	}
	verdict := "does not suffice"
	if v.Passed {
		verdict = "suffices"
	}
	fmt.Fprintf(p.w, "  %d of %d on time (%d %%), %d late, %d missing, %d open: %s by the script's marks\n", v.OnTime, v.Judged, v.Share, v.Late, v.Missing, v.Open, verdict)
	p.notice()
}

// instant is a time of an exercise, UTC, to the millisecond: expectations are.
func instant(t hotline.Time) string {
	if t == 0 {
		return "-"
	}
	return time.UnixMilli(int64(t)).UTC().Format("2006-01-02T15:04:05.000Z")
}
