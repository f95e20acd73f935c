package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/desk"
)

// newTriageCmd shows the sensor hits that wait for an operator.
func newTriageCmd(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "triage",
		Short: "List the sensor hits that wait for an operator",
		Args:  cobra.NoArgs,
		RunE: a.atDesk(func(ctx context.Context, s *seat, _ []string) error {
			hits, lost, err := s.hits(ctx)
			if err != nil {
				return err
			}
			return s.show(map[string]any{"hits": plain(hits), "lost": lost}, func(w io.Writer) {
				p := s.sheet(w)
				for i := range hits {
					p.line(p.Isolate(hits[i].Key[:12]), p.Isolate(clock(hotline.Time(hits[i].Last))), p.hit(&hits[i]))
				}
				p.line(p.Say("hits", "count", strconv.Itoa(len(hits)), "lost", strconv.FormatUint(lost, 10)))
				p.notice()
			})
		}),
	}
	cmd.AddCommand(&cobra.Command{
		Use:   "dismiss KEY",
		Short: "Take a hit out of the queue without adopting it",
		Args:  cobra.ExactArgs(1),
		RunE: a.atDesk(func(ctx context.Context, s *seat, args []string) error {
			h, err := s.hit(ctx, args[0])
			if err != nil {
				return err
			}
			if _, err := s.do(ctx, &desk.Request{Dismiss: &desk.DismissRequest{Key: h.Key}}); err != nil {
				return err
			}
			return s.show(map[string]string{"dismissed": h.Key}, func(w io.Writer) { fmt.Fprintf(w, "dismissed %s\n", h.Key[:12]) })
		}),
	})
	return cmd
}

// hits returns the triage queue, oldest first, and how many hits it has lost.
func (s *seat) hits(ctx context.Context) (list []hotline.Hit, lost uint64, err error) {
	err = s.client.Stream(ctx, &desk.Request{Triage: &desk.TriageRequest{}}, func(r *desk.Reply) error {
		if r.Triage == nil || len(list)+len(r.Triage.Hits) > hotline.MaxTriage {
			return fmt.Errorf("%w: no triage queue", desk.ErrAnswer)
		}
		for i := range r.Triage.Hits {
			if err := r.Triage.Hits[i].Validate(); err != nil {
				return fmt.Errorf("%w: %w", desk.ErrAnswer, err)
			}
		}
		list, lost = append(list, r.Triage.Hits...), r.Triage.Lost
		return nil
	})
	return list, lost, err
}

// hit finds one waiting hit by the beginning of its key.
func (s *seat) hit(ctx context.Context, prefix string) (*hotline.Hit, error) {
	if len(prefix) < hotline.MinIDDigits || !lowerHex(prefix) {
		return nil, usage(s.cmd, "%q is no key of a hit: at least %d lower-case hexadecimal digits", prefix, hotline.MinIDDigits)
	}
	list, _, err := s.hits(ctx)
	if err != nil {
		return nil, err
	}
	var found *hotline.Hit
	for i := range list {
		if !strings.HasPrefix(list[i].Key, prefix) {
			continue
		}
		if found != nil {
			return nil, refused(hotline.CodeReference, "give more digits", "several hits begin with %s", prefix)
		}
		found = &list[i]
	}
	if found == nil {
		return nil, refused(hotline.CodeNotFound, "see hotline triage", "no hit that waits begins with %s", prefix)
	}
	return found, nil
}
