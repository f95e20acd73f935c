package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/audit"
)

// choice says which duties are shown.
type choice struct {
	inCase, party string
	late          bool
}

func (c *choice) keeps(v *audit.Verdict) bool {
	return (c.inCase == "" || strings.HasPrefix(v.Case, c.inCase)) && (c.party == "" || v.Concerns(hotline.Party(c.party))) && (!c.late || v.Overdue)
}

func verdicts(code *int) *cobra.Command {
	var in inputs
	var which choice
	var asJSON, all bool
	c := &cobra.Command{
		Use:   "verdicts DIR...",
		Short: "tell of each duty: who owed it, when it was due, when it was done",
		Long: "verdicts audits the exports like replay and tells of every duty of SPEC §6.3, once, under the party that\n" +
			"owed it, by its own log. What the other side waited for is provisional and stands beside it where the two\n" +
			"differ. Beside the times of the logs stands what is provable by signatures of other parties alone.\n" +
			"--case, --party and --late choose what is shown; the exit code is that of the whole audit.\n\n" + exitCodes,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, dirs []string) error {
			if p := hotline.Party(which.party); p != "" && !p.Valid() {
				return fmt.Errorf("--party: %q is no code of a party", which.party)
			}
			return in.judge(cmd, dirs, code, func(r *audit.Report) error {
				if asJSON {
					return r.WriteVerdictsJSON(cmd.OutOrStdout(), which.keeps)
				}
				return r.WriteVerdicts(cmd.OutOrStdout(), audit.Text{All: all, Colour: colours(cmd.OutOrStdout())}, which.keeps)
			})
		},
	}
	f := c.Flags()
	f.StringVar(&which.inCase, "case", "", "only the duties of this case: PARTY/ID, or the beginning of it")
	f.StringVar(&which.party, "party", "", "only what this party owed, or waited for")
	f.BoolVar(&which.late, "late", false, "only what is overdue by the log that tells of it")
	f.BoolVar(&asJSON, "json", false, "print one JSON object")
	f.BoolVar(&all, "all", false, "show the clocks of the line too")
	in.flags(c)
	return c
}
