package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"example.org/hotline/hotline"
)

// judging is what an operator says when they assess a case.
type judging struct {
	facts               factFlags
	verdict, precedence string
	below               bool
	notify, answers     []string
	always, note        string
}

// newAssessCmd answers the decision questions for a case.
func newAssessCmd(a *app) *cobra.Command {
	var j judging
	cmd := &cobra.Command{
		Use:   "assess CASE",
		Short: "Judge a case: NOTIFIABLE, and to whom, or BELOW-THRESHOLD",
		Long: "Signs an assessment of the case of which CASE names any statement. NOTIFIABLE begins the duty to alert; the assessment already\n" +
			"holds the coded facts and is sealed to those who must be told, since the group may send it to them if nobody releases an alert\n" +
			"in time. One answer is due for each decision question of the convention; hotline documents shows them. Where the answers or an\n" +
			"always-notifiable item make a case notifiable by the terms, no verdict says otherwise.",
		Args: cobra.ExactArgs(1),
	}
	f := cmd.Flags()
	f.StringVar(&j.verdict, "verdict", "", "notifiable or below-threshold")
	f.BoolVar(&j.below, "below", false, "the same as --verdict below-threshold")
	f.StringSliceVar(&j.notify, "notify", nil, "party that must be told, may be given again")
	f.StringVar(&j.precedence, "precedence", "", "FLASH, IMMEDIATE, PRIORITY or ROUTINE; default: that of the detection")
	f.StringSliceVar(&j.answers, "answer", nil, "yes or no to each decision question, in order: yes,no,yes")
	f.StringVar(&j.always, "always", "", "item of the convention's list that is always notifiable")
	f.StringVar(&j.note, "note", "", "remark")
	j.facts.flags(cmd)
	var verdict hotline.Verdict
	cmd.PreRunE = func(cmd *cobra.Command, args []string) (err error) {
		if err = namesOne(cmd, args); err == nil {
			verdict, err = j.check(cmd)
		}
		return err
	}
	cmd.RunE = a.atDesk(func(ctx context.Context, s *seat, args []string) error {
		_, in, err := s.findCase(ctx, args[0])
		if err != nil {
			return err
		}
		raw, err := s.assessment(ctx, &j, verdict, in)
		if err != nil {
			return err
		}
		return s.file(ctx, raw, "")
	})
	return cmd
}

// check holds what can be said without asking anybody.
func (j *judging) check(cmd *cobra.Command) (hotline.Verdict, error) {
	if j.below {
		if j.verdict != "" && j.verdict != verdictWords[1] {
			return 0, usage(cmd, "--below contradicts --verdict %s", j.verdict)
		}
		j.verdict = verdictWords[1]
	}
	n, err := word(cmd, "verdict", j.verdict, verdictWords)
	if err != nil {
		return 0, err
	}
	verdict := hotline.Verdict(n)
	if verdict == hotline.BelowThreshold {
		if len(j.notify) > 0 {
			return 0, usage(cmd, "below the threshold nobody is notified: leave --notify out")
		}
		return verdict, nil
	}
	var missing []string
	for _, f := range []struct{ name, given string }{{"--nature", j.facts.nature}, {"--category", j.facts.category},
		{"--relation", j.facts.relation}, {"--state", j.facts.state}} {
		if f.given == "" {
			missing = append(missing, f.name)
		}
	}
	if len(j.notify) == 0 {
		missing = append(missing, "--notify")
	}
	if len(missing) > 0 {
		return 0, usage(cmd, "a notifiable case needs %s", strings.Join(missing, ", "))
	}
	return verdict, nil
}

// assessment signs the judgement of the case.
func (s *seat) assessment(ctx context.Context, j *judging, verdict hotline.Verdict, in *hotline.CaseID) ([]byte, error) {
	_, opening, err := s.find(ctx, in.ID.String())
	if err != nil {
		return nil, err
	}
	l := &letter{kind: hotline.KindAssessment, status: opening.Header.Status, precedence: opening.Header.Precedence, in: in, re: &in.ID,
		verdict: verdict, assessed: s.time()}
	if j.precedence != "" {
		if l.precedence, err = precedenceOf(s.cmd, j.precedence); err != nil {
			return nil, err
		}
	}
	if l.notify, err = parties(s.cmd, "notify", j.notify); err != nil {
		return nil, err
	}
	if l.answers, err = s.answers(j.answers); err != nil {
		return nil, err
	}
	if l.always, err = s.alwaysItem(j.always); err != nil {
		return nil, err
	}
	body := &hotline.Assessment{Facts: notAssessed(), Note: j.note}
	if err := j.facts.apply(s.cmd, &body.Facts); err != nil {
		return nil, err
	}
	l.body = body
	return s.compose(ctx, l)
}

// alwaysItem finds the number of an always-notifiable item of the convention in force by its words.
func (s *seat) alwaysItem(given string) (uint64, error) {
	if given == "" {
		return 0, nil
	}
	items := s.convention(s.time()).Always
	i := slices.Index(items, given)
	if i < 0 {
		return 0, usage(s.cmd, "--always: %q is not one of %s", given, strings.Join(items, ", "))
	}
	return uint64(i) + 1, nil
}

// answers reads one yes or no for each question of the convention in force.
func (s *seat) answers(given []string) ([]bool, error) {
	questions := s.convention(s.time()).Questions
	if len(given) != len(questions) {
		var list strings.Builder
		for i, q := range questions {
			fmt.Fprintf(&list, " (%d) %s", i+1, q)
		}
		return nil, usage(s.cmd, "--answer: %d answers to %d questions:%s", len(given), len(questions), list.String())
	}
	out := make([]bool, len(given))
	for i, g := range given {
		switch strings.ToLower(strings.TrimSpace(g)) {
		case "yes":
			out[i] = true
		case "no":
		default:
			return nil, usage(s.cmd, "--answer: %q is neither yes nor no", g)
		}
	}
	return out, nil
}
