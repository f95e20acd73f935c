package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"example.org/hotline/hotline"
)

// newInboxCmd lists statements.
func newInboxCmd(a *app) *cobra.Command {
	var limit, before uint64
	cmd := &cobra.Command{
		Use:   "inbox",
		Short: "List the statements in the ledger, newest first",
		Args:  cobra.NoArgs,
	}
	cmd.Flags().Uint64Var(&limit, "limit", 30, fmt.Sprintf("how many, at most %d", hotline.MaxDeskInbox))
	cmd.Flags().Uint64Var(&before, "before", 0, "only those before this entry of the log")
	cmd.PreRunE = func(*cobra.Command, []string) error {
		if limit < 1 || limit > hotline.MaxDeskInbox {
			return usage(cmd, "--limit: 1 to %d", hotline.MaxDeskInbox)
		}
		return nil
	}
	cmd.RunE = a.atDesk(func(ctx context.Context, s *seat, _ []string) error {
		view, err := s.pageOf(ctx, limit, before)
		if err != nil {
			return err
		}
		return s.show(plain(view), func(w io.Writer) {
			p := s.sheet(w)
			for i := range view.Items {
				p.line(p.item(&view.Items[i]))
			}
			if n := len(view.Items); view.More && n > 0 {
				p.line(p.Say("older", "flag", fmt.Sprintf("--before %d", view.Items[n-1].Index)))
			}
			p.notice()
		})
	})
	return cmd
}
