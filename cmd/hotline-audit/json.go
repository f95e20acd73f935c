package main

import (
	"bufio"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"example.org/hotline/hotline/audit"
)

func everything(code *int) *cobra.Command {
	in := inputs{cross: true}
	c := &cobra.Command{
		Use:   "json DIR...",
		Short: "everything that is found, as one JSON object for other programs",
		Long: "json audits the exports in these directories together, and prints one JSON object whose parts are what `replay`, `verdicts`, `cross` and `stats` print\n" +
			"with --json, under these names; what passed between the parties stands in the first two as well.\n\n" + exitCodes,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, dirs []string) error {
			return in.judge(cmd, dirs, code, func(r *audit.Report) error { return writeEverything(cmd.OutOrStdout(), r) })
		},
	}
	in.flags(c)
	return c
}

func writeEverything(out io.Writer, r *audit.Report) error {
	figures, err := r.Statistics()
	if err != nil {
		return err
	}
	w := bufio.NewWriter(out)
	for i, part := range []struct {
		name  string
		write func(io.Writer) error
	}{
		{"replay", r.WriteJSON},
		{"verdicts", func(w io.Writer) error { return r.WriteVerdictsJSON(w, func(*audit.Verdict) bool { return true }) }},
		{"cross", r.WriteCrossJSON},
		{"stats", figures.WriteJSON},
	} {
		fmt.Fprintf(w, "%s%q: ", map[bool]string{true: "{\n", false: ","}[i == 0], part.name) // an error stays in w until Flush
		if err := part.write(w); err != nil {
			return err
		}
	}
	fmt.Fprintln(w, "}")
	return w.Flush()
}
