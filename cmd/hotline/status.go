package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"example.org/hotline/hotline/desk"
)

// newStatusCmd shows how the group, its lines and its duties are.
func newStatusCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Show the node that answers, its group, the lines to other parties, and what is owed",
		Args:  cobra.NoArgs,
		RunE: a.atDesk(func(ctx context.Context, s *seat, _ []string) error {
			v, err := s.status(ctx)
			if err != nil {
				return err
			}
			return s.show(plain(v), func(w io.Writer) { s.sheet(w).status(v) })
		}),
	}
}

func (s *seat) status(ctx context.Context) (*desk.StatusView, error) {
	r, err := s.do(ctx, &desk.Request{Status: &desk.StatusRequest{}})
	if err != nil {
		return nil, err
	}
	if r.Status == nil {
		return nil, fmt.Errorf("%w: no status", desk.ErrAnswer)
	}
	return r.Status, nil
}
