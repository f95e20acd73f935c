package main

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"example.org/hotline/hotline/audit"
)

func proof(code *int) *cobra.Command {
	var asJSON bool
	var pin string
	c := &cobra.Command{
		Use:   "proof FILE...",
		Short: "check files that prove that a party's log was forked",
		Long: "proof checks files that `hotline-audit replay --proofs DIR` or a node wrote (SPEC §7.11): two heads of one log, both signed\n" +
			"by its party, which no append-only log has both had. It needs no export, no network and no key of anybody.\n\n" +
			"Exit codes: 0 every file proves what is printed, 2 one of them proves nothing.",
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, files []string) error {
			id, err := pinned(pin)
			if err != nil {
				return err
			}
			proofs := []*audit.ForkProof{}
			for _, name := range files {
				p, err := audit.ReadForkProof(name, id)
				if err != nil {
					*code = audit.ExitUnusable
					fmt.Fprintf(cmd.ErrOrStderr(), "hotline-audit: %v\n", err)
					continue
				}
				proofs = append(proofs, p)
			}
			if asJSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(map[string]any{"proofs": proofs})
			}
			for _, p := range proofs {
				if err := p.WriteText(cmd.OutOrStdout()); err != nil {
					return err
				}
			}
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	c.Flags().StringVar(&pin, "convention", "", "the convention's id, known from elsewhere: 64 hexadecimal digits")
	return c
}
