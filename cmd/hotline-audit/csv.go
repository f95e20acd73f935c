package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"example.org/hotline/hotline/audit"
)

func table(code *int) *cobra.Command {
	var in inputs
	var what string
	c := &cobra.Command{
		Use:   "csv DIR...",
		Short: "statements, chronology, verdicts or observations as a table for other programs",
		Long: "csv audits the exports in these directories together, and prints one table as CSV (RFC 4180) with a header line.\n" +
			"Times are UTC, RFC 3339; an empty cell is what the material does not show. A cell that a spreadsheet would take\n" +
			"for a formula begins with an apostrophe.\n\n" + exitCodes,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, dirs []string) error {
			if !slices.Contains(audit.Tables, what) {
				return fmt.Errorf("--what %q is no table: choose one of %s", what, strings.Join(audit.Tables, ", "))
			}
			return in.judge(cmd, dirs, code, func(r *audit.Report) error { return r.WriteCSV(cmd.OutOrStdout(), what) })
		},
	}
	c.Flags().StringVar(&what, "what", audit.Tables[0], "which table: "+strings.Join(audit.Tables, ", "))
	in.flags(c)
	return c
}
