package main

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"example.org/hotline/hotline/audit"
)

// request is what a dossier is made of, or checked.
type request struct {
	inputs
	out, check string
	disclosed  []string
	asJSON     bool
}

func dossier(code *int) *cobra.Command {
	var r request
	c := &cobra.Command{
		Use:   "dossier CASE --out DIR EXPORT... | dossier --check DIR",
		Short: "make one folder that shows one case to whoever trusts no party, or check one",
		Long: "dossier makes of full, pair or case exports one folder about one case (SPEC §7.12): case exports, disclosed bodies, the\n" +
			"chronology, the verdicts, what is observed, and proofs of every entry. Its README.txt says how to check it. CASE is\n" +
			"PARTY/ID, or the id of what opened it, with at least 8 digits if no other begins so. --disclose takes files that\n" +
			"`hotline show --disclose` wrote. --check makes a dossier again from what it holds, and compares.\n\n" + exitCodes,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			sum, err := r.run(cmd, args)
			if err != nil {
				return err
			}
			*code = sum.Exit
			return r.tell(cmd.OutOrStdout(), sum)
		},
	}
	f := c.Flags()
	f.StringVar(&r.out, "out", "", "directory to make; it must not exist")
	f.StringVar(&r.check, "check", "", "check the dossier in this directory")
	f.StringArrayVar(&r.disclosed, "disclose", nil, "file of a disclosed body; may be given several times")
	f.BoolVar(&r.asJSON, "json", false, "print one JSON object")
	r.flags(c)
	return c
}

func (r *request) run(cmd *cobra.Command, args []string) (*audit.Dossier, error) {
	opt := audit.Options{Workers: r.workers, TempDir: r.temp}
	var err error
	if opt.Convention, err = pinned(r.pin); err != nil {
		return nil, err
	}
	if r.check != "" {
		if len(args) > 0 || r.out != "" || len(r.disclosed) > 0 {
			return nil, fmt.Errorf("--check takes a dossier and nothing else but --convention, --json, --temp and --workers")
		}
		return audit.CheckDossier(cmd.Context(), r.check, opt)
	}
	if len(args) < 2 || r.out == "" {
		return nil, fmt.Errorf("give a case, --out DIR and at least one export, or --check DIR")
	}
	id, err := audit.FindCase(args[1:], args[0])
	if err != nil {
		return nil, err
	}
	return audit.WriteDossier(cmd.Context(), r.out, id, args[1:], r.disclosed, opt)
}

func (r *request) tell(w io.Writer, sum *audit.Dossier) error {
	if r.asJSON {
		return json.NewEncoder(w).Encode(sum)
	}
	what := r.out + " shows"
	if r.check != "" {
		what = r.check + " is whole, and what its exports and bodies make: it shows"
	}
	_, err := fmt.Fprintf(w, "%s case %s by %d exports: %d entries with their proofs, %d statements, %d sealed bodies disclosed, %d not\n",
		what, sum.Case, sum.Exports, sum.Entries, sum.Statements, sum.Disclosed, sum.Sealed)
	return err
}
