package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"example.org/hotline/hotline/audit"
)

func page(code *int) *cobra.Command {
	var in inputs
	var html string
	c := &cobra.Command{
		Use:   "report --html FILE DIR...",
		Short: "the whole result as one page to read, print and hand on",
		Long: "report audits the exports in these directories together, and writes the result as one file of HTML without script and\n" +
			"without anything from elsewhere: the logs, what was observed, each case drawn with claimed times and provable intervals,\n" +
			"ladders, line tests, figures, every duty, and what the material does not show. Each part is bounded, and says what it\n" +
			"leaves out. The same exports make the same page. It names officers by role, cases and statements: it is as\n" +
			"confidential as the logs, and nobody but this user may read the file. stats is for publication.\n\n" + exitCodes,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, dirs []string) error {
			if html == "" {
				return errors.New("--html FILE is missing: say where the page goes, - is standard output")
			}
			return in.judge(cmd, dirs, code, func(r *audit.Report) error {
				if html == "-" {
					return r.WriteHTML(cmd.OutOrStdout())
				}
				return writeFile(html, r.WriteHTML)
			})
		},
	}
	c.Flags().StringVar(&html, "html", "", "file to write, - is standard output; one that is there is replaced")
	in.flags(c)
	return c
}

// writeFile writes a file that appears only when it is whole, for this user alone.
func writeFile(name string, write func(io.Writer) error) (err error) {
	f, err := os.CreateTemp(filepath.Dir(name), ".hotline-audit-") // mode 0600
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	if err := errors.Join(write(f), f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return os.Rename(f.Name(), name)
}
