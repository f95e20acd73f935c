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

// departures is one call of testnet departures.
type departures struct {
	dir string
}

func newDepartures() *cobra.Command {
	var d departures
	cmd := &cobra.Command{
		Use: "departures [NAME...]", Short: "have one party depart from the protocol, and see what the auditor observes", Args: cobra.ArbitraryArgs,
		Long: "departures builds a daemon that departs from the protocol in one of the ways below (it needs the go command and runs in a checkout),\n" +
			"has XB run it through one day with XA and XC, and audits what XA and XC hold, and then also what XB shows. The same day of the same\n" +
			"daemon without a departure is the control. Exit code 0 only if each is shown, the control is clean, and nobody else is accused.\n\n" + ways(),
		RunE: func(c *cobra.Command, names []string) error { return d.run(c.Context(), c.OutOrStdout(), names) },
	}
	cmd.Flags().StringVar(&d.dir, "dir", "", "directory in which everything stays; must be empty or not exist (default a temporary one, removed)")
	return cmd
}

func ways() string {
	var b strings.Builder
	for _, d := range testnet.Departures {
		fmt.Fprintf(&b, "  %-10s XB %s\n", d.Name, d.Did)
	}
	return b.String()
}

func (d *departures) run(ctx context.Context, out io.Writer, names []string) (err error) {
	for _, name := range names {
		if !slices.ContainsFunc(testnet.Departures, func(x testnet.Departure) bool { return x.Name == name }) {
			return fmt.Errorf("%s: no such departure; testnet departures --help lists them", name)
		}
	}
	dir := d.dir
	if dir == "" {
		if dir, err = os.MkdirTemp("", "hotline-departures-"); err != nil {
			return &failure{exitFailed, err}
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	}
	built := filepath.Join(dir, "build")
	if err := os.MkdirAll(built, 0o700); err != nil {
		return &failure{exitFailed, err}
	}
	program, err := testnet.BuildDeparting(ctx, built)
	if err != nil {
		return &failure{exitFailed, err}
	}
	var errs []error
	for _, x := range append([]testnet.Departure{testnet.Control}, testnet.Departures...) {
		if x.Name == testnet.Control.Name || len(names) == 0 || slices.Contains(names, x.Name) {
			errs = append(errs, show(ctx, out, &x, program, dir))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return &failure{exitFailed, err}
	}
	return nil
}

// show runs one departure and tells of it.
func show(ctx context.Context, out io.Writer, x *testnet.Departure, program, dir string) error {
	fmt.Fprintf(out, "%s: XB %s\n", x.Name, x.Did)
	begin := time.Now()
	err := x.Try(ctx, testnet.DepartureRun{Dir: filepath.Join(dir, x.Name), Program: program,
		Tell: func(format string, args ...any) { fmt.Fprintf(out, "  "+format+"\n", args...) }})
	if err != nil {
		fmt.Fprintf(out, "  NOT AS IT SHOULD BE\n")
		return err
	}
	fmt.Fprintf(out, "  what proves it: %s\n  as it should be, in %v\n", x.Proof, time.Since(begin).Round(100*time.Millisecond))
	return nil
}
