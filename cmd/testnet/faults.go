package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"example.org/hotline/testnet"
)

// faults is one call of testnet faults.
type faults struct {
	only   []string
	rounds int
	seed   uint64
	dir    string
}

func newFaults() *cobra.Command {
	var f faults
	cmd := &cobra.Command{
		Use: "faults", Short: "kill, freeze, cut off and damage nodes, and see whether what is promised holds", Args: cobra.NoArgs,
		Long: "faults tries each promise on a network of its own and holds the logs of all nodes to what must be true of them. Power cuts and\n" +
			"stalled disks need root and loop devices; where the machine lacks something, the promise is passed over and named.\n\n" + promises(),
		RunE: func(c *cobra.Command, _ []string) error { return f.run(c.Context(), c.OutOrStdout()) },
	}
	flags := cmd.Flags()
	flags.StringSliceVar(&f.only, "only", nil, "promises to try, by name (default all)")
	flags.IntVar(&f.rounds, "rounds", 0, "rounds of each (default those of a full run)")
	flags.Uint64Var(&f.seed, "seed", 0, "repeats what chance chose (default another each time)")
	flags.StringVar(&f.dir, "dir", "", "directory in which everything stays; must be empty or not exist (default a temporary one, removed if all holds)")
	return cmd
}

func promises() string {
	var b strings.Builder
	for _, f := range testnet.Faults {
		fmt.Fprintf(&b, "  %-9s %s (%d)\n", f.Name, f.Promise, f.Rounds)
	}
	return b.String()
}

func (f *faults) run(ctx context.Context, out io.Writer) (err error) {
	for _, name := range f.only {
		if !slices.ContainsFunc(testnet.Faults, func(x testnet.Fault) bool { return x.Name == name }) {
			return fmt.Errorf("--only %s: no such promise; testnet faults --help lists them", name)
		}
	}
	if f.rounds < 0 {
		return fmt.Errorf("--rounds %d: give a number of rounds, or leave it out", f.rounds)
	}
	dir := f.dir
	if dir == "" {
		if dir, err = os.MkdirTemp("", "hotline-faults-"); err != nil {
			return &failure{exitFailed, err}
		}
		defer func() {
			if err == nil || ctx.Err() != nil { // or somebody broke it off
				os.RemoveAll(dir)
				return
			}
			fmt.Fprintf(out, "everything stays in %s; the log.txt of each node of a broken promise ends with what its goroutines were doing\n", dir)
		}()
	}
	if f.seed == 0 {
		f.seed = uint64(time.Now().UnixNano())
	}
	var errs []error
	for i := range testnet.Faults {
		if x := &testnet.Faults[i]; len(f.only) == 0 || slices.Contains(f.only, x.Name) {
			errs = append(errs, f.try(ctx, out, x, dir))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return &failure{exitFailed, err}
	}
	return nil
}

func (f *faults) try(ctx context.Context, out io.Writer, x *testnet.Fault, dir string) error {
	rounds := x.Rounds
	if f.rounds > 0 {
		rounds = f.rounds
	}
	fmt.Fprintf(out, "%s: %s\n", x.Name, x.Promise)
	if x.Needs != nil {
		if err := x.Needs(); err != nil {
			fmt.Fprintf(out, "  not tried: %v\n", err)
			return nil
		}
	}
	begin := time.Now()
	err := x.Try(ctx, testnet.FaultRun{Dir: filepath.Join(dir, x.Name), Rounds: rounds, Seed: f.seed,
		Tell: func(format string, args ...any) { fmt.Fprintf(out, "  "+format+"\n", args...) }})
	if err != nil {
		fmt.Fprintf(out, "  BROKEN\n")
		return err
	}
	fmt.Fprintf(out, "  holds; %d rounds in %v, seed %d\n", rounds, time.Since(begin).Round(time.Second), f.seed)
	return nil
}
