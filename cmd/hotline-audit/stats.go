package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"example.org/hotline/hotline/audit"
)

func stats(code *int) *cobra.Command {
	var in inputs
	var asJSON bool
	c := &cobra.Command{
		Use:   "stats DIR...",
		Short: "figures without content, fit for publication",
		Long: fmt.Sprintf("stats audits the exports in these directories together, and prints figures: statements by kind, duties done in time and late,\n"+
			"median and 95th percentile of how long they took, by status and precedence, line tests and how available the line was.\n\n"+
			"It leaves out every text, every id of a case, statement or convention, the names of officers, nodes and directories, places in logs, and every time but\n"+
			"the first and the last day. Of fewer than %d duties that were done it tells the counts alone, of fewer than %d no 95th percentile.\n"+
			"Which parties there are, and how many statements of each kind they sent, it does tell: the parties decide whether to publish that.\n\n",
			audit.MinSample, audit.MinTail) + exitCodes,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, dirs []string) error {
			return in.judge(cmd, dirs, code, func(r *audit.Report) error {
				s, err := r.Statistics()
				if err != nil {
					return err
				}
				if asJSON {
					return s.WriteJSON(cmd.OutOrStdout())
				}
				return s.WriteText(cmd.OutOrStdout(), audit.Text{Colour: colours(cmd.OutOrStdout())})
			})
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	in.flags(c)
	return c
}
