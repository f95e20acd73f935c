package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/audit"
)

// inputs are the flags that every command has which audits exports.
type inputs struct {
	pin, temp, proofs string
	workers           int
	cross             bool // what passed between two parties is looked for in the logs of both
}

// exitCodes stands in the help of each of these commands.
const exitCodes = "Exit codes: 0 nothing to observe, 1 lapses only (terms), 2 unusable input, 3 a rule or proof is broken (protocol)."

func (in *inputs) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&in.pin, "convention", "", "the convention's id, known from elsewhere: 64 hexadecimal digits")
	f.StringVar(&in.temp, "temp", "", "directory for temporary files, some 100 bytes an entry and the chronology (default: the system's)")
	f.IntVar(&in.workers, "workers", 0, "goroutines that verify signatures (default: one for each processor)")
}

// pinned reads the value of --convention; none is the zero id, which therefore nobody can demand.
func pinned(text string) (id hotline.ID, err error) {
	if text == "" {
		return id, nil
	}
	if id, err = audit.ParseID(text); err == nil && id.IsZero() {
		err = errors.New("this is the id of no convention: give the one that you know from elsewhere")
	}
	if err != nil {
		return id, fmt.Errorf("--convention: %w", err)
	}
	return id, nil
}

// judge audits the exports in dirs together, sets the exit code, and hands the report to use.
func (in *inputs) judge(cmd *cobra.Command, dirs []string, code *int, use func(*audit.Report) error) error {
	opt := audit.Options{Workers: in.workers, TempDir: in.temp, Proofs: in.proofs, Cross: in.cross}
	var err error
	if opt.Convention, err = pinned(in.pin); err != nil {
		return err
	}
	bar := progress(cmd.ErrOrStderr())
	opt.Progress = bar.show
	report, err := audit.Replay(cmd.Context(), dirs, opt)
	bar.clear()
	if err != nil {
		return err
	}
	*code = report.ExitCode()
	return errors.Join(use(report), report.Close())
}
