package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"example.org/hotline/hotline"
)

// opening is what an operator may say when they open a case.
type opening struct {
	text, status, precedence, detected string
}

func (o *opening) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.text, "text", "", "what was seen, in your own words")
	f.StringVar(&o.status, "status", "ACTUAL", "ACTUAL, EXERCISE or TEST")
	f.StringVar(&o.precedence, "precedence", "IMMEDIATE", "FLASH, IMMEDIATE, PRIORITY or ROUTINE")
	f.StringVar(&o.detected, "detected", "", "when it was seen, as 2026-01-31T12:00:00Z; default: the hit's first event, or now")
}

// newAdoptCmd makes a sensor hit, or an officer's own words, a detection.
func newAdoptCmd(a *app) *cobra.Command {
	var o opening
	cmd := &cobra.Command{
		Use:   "adopt KEY | adopt --text TEXT",
		Short: "Sign a detection: a case is open and the duty to assess begins",
		Long: "Signs a detection that carries the sensor hit of the triage queue whose key begins with KEY, or your own words, or both. It is\n" +
			"sealed to your own party and stands in your own ledger only.",
		Args: cobra.MaximumNArgs(1),
	}
	o.flags(cmd)
	cmd.PreRunE = func(_ *cobra.Command, args []string) error {
		if len(args) == 0 && o.text == "" {
			return usage(cmd, "give the key of a hit, or --text")
		}
		return nil
	}
	cmd.RunE = a.atDesk(func(ctx context.Context, s *seat, args []string) error {
		if len(args) == 0 {
			return s.detect(ctx, &o, nil)
		}
		h, err := s.hit(ctx, args[0])
		if err != nil {
			return err
		}
		return s.detect(ctx, &o, h)
	})
	return cmd
}

// detect signs and submits a detection.
func (s *seat) detect(ctx context.Context, o *opening, h *hotline.Hit) error {
	raw, err := s.detection(ctx, o, h)
	if err != nil {
		return err
	}
	adopts := ""
	if h != nil {
		adopts = h.Key
	}
	return s.file(ctx, raw, adopts)
}

func (s *seat) detection(ctx context.Context, o *opening, h *hotline.Hit) ([]byte, error) {
	l := &letter{kind: hotline.KindDetection, detected: s.time(), body: &hotline.Detection{Text: o.text, Hit: h}}
	var err error
	if l.status, err = statusOf(s.cmd, o.status); err != nil {
		return nil, err
	}
	if l.precedence, err = precedenceOf(s.cmd, o.precedence); err != nil {
		return nil, err
	}
	if h != nil && h.First > 0 {
		l.detected = min(hotline.Time(h.First), l.detected) // the sensor's clock may be ahead
	}
	if o.detected != "" {
		t, err := time.Parse(time.RFC3339, o.detected)
		if err != nil || t.UnixMilli() <= 0 {
			return nil, usage(s.cmd, "--detected: %q is no time, as 2026-01-31T12:00:00Z", o.detected)
		}
		if t.After(s.now().Add(hotline.SkewMark)) {
			return nil, usage(s.cmd, "--detected: %s is still to come", o.detected)
		}
		l.detected = hotline.Time(t.UnixMilli())
	}
	return s.compose(ctx, l)
}
