package main

import (
	"github.com/spf13/cobra"

	"example.org/hotline/hotline/audit"
)

func cross(code *int) *cobra.Command {
	in := inputs{cross: true}
	var asJSON bool
	c := &cobra.Command{
		Use:   "cross DIR DIR...",
		Short: "look for what each side shows in the log of the other",
		Long: "cross audits the exports like replay, and looks for every statement, receipt, acknowledgement and reject\n" +
			"of each side in the log of the other. What one side left out is named, with the signature that proves it:\n" +
			"a tender or a receipt names a place in the log of whoever signed it. What lies beyond the end of an export is\n" +
			"not yet shown; what an export hides is not shown; and where nothing was signed, nothing is proven.\n\n" + exitCodes,
		Args: cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, dirs []string) error {
			return in.judge(cmd, dirs, code, func(r *audit.Report) error {
				if asJSON {
					return r.WriteCrossJSON(cmd.OutOrStdout())
				}
				return r.WriteCross(cmd.OutOrStdout(), audit.Text{Colour: colours(cmd.OutOrStdout())})
			})
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	in.flags(c)
	return c
}
