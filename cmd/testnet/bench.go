package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"example.org/hotline/testnet"
)

// bench is one call of testnet bench.
type bench struct {
	json, quick, keep bool
	repeats           int
	only              []string
	dir               string
}

func newBench() *cobra.Command {
	var b bench
	cmd := &cobra.Command{
		Use: "bench", Short: "measure what networks on this machine do, beside what the machine allows", Args: cobra.NoArgs,
		Long: "bench measures the floor of this machine (append and fdatasync, Ed25519, UDP and QUIC round trips) and then networks of real processes\n" +
			"against it. It says whether the figures keep what the project promises; a broken promise is no failure of the command.\n\n" +
			"Sections: " + strings.Join(testnet.BenchSections, ", ") + ". The machine should have nothing else to do.",
		RunE: func(c *cobra.Command, _ []string) error { return b.run(c.Context(), c.OutOrStdout(), c.ErrOrStderr()) },
	}
	f := cmd.Flags()
	f.BoolVar(&b.json, "json", false, "print one JSON object instead of a table")
	f.BoolVar(&b.quick, "quick", false, "tiny counts: to see that it works; the figures mean nothing")
	f.BoolVar(&b.keep, "keep", false, "leave the networks' directory as it is")
	f.IntVar(&b.repeats, "repeats", 3, "how often each figure is taken, 1 to 100")
	f.StringSliceVar(&b.only, "only", nil, "sections to run (default all); the floor is always measured")
	f.StringVar(&b.dir, "dir", "", "directory for the networks, on the disk that is to be measured; must be empty or not exist (default a temporary one)")
	return cmd
}

func (b *bench) run(ctx context.Context, out, errOut io.Writer) error {
	if b.repeats < 1 || b.repeats > 100 {
		return fmt.Errorf("--repeats %d: choose 1 to 100", b.repeats)
	}
	dir := b.dir
	if dir == "" {
		var err error
		if dir, err = os.MkdirTemp("", "hotline-bench-"); err != nil {
			return &failure{exitFailed, err}
		}
	}
	r, err := testnet.Bench(ctx, testnet.BenchOptions{Dir: dir, Repeats: b.repeats, Only: b.only, Quick: b.quick,
		Tell: func(what string) { fmt.Fprintln(errOut, what) }})
	if err == nil {
		err = b.print(out, r)
	}
	if b.keep {
		fmt.Fprintf(errOut, "the networks are left in %s\n", dir)
	} else if err == nil || b.dir == "" {
		err = errors.Join(err, os.RemoveAll(dir))
	}
	if err != nil {
		return &failure{exitFailed, err}
	}
	return nil
}

func (b *bench) print(out io.Writer, r *testnet.BenchReport) error {
	if !b.json {
		return r.WriteTable(out)
	}
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(r)
}
