// Command hotline-audit verifies and replays exported logs on the auditor's own
// machine. It needs no network and no key.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/audit"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	audit.TuneMemory() // the process does nothing else
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is the whole command; it returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	code := audit.ExitClean
	root := command(&code)
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	if err := root.ExecuteContext(ctx); err != nil {
		fmt.Fprintf(stderr, "hotline-audit: %v\n", err)
		return audit.ExitUnusable
	}
	return code
}

func command(code *int) *cobra.Command {
	root := &cobra.Command{
		Use:   "hotline-audit",
		Short: "verify and replay the exported logs of one or several parties",
		Long: "hotline-audit checks every signature and the tree of exported logs, makes every decision again,\n" +
			"holds the logs of several parties against each other, and says what it observes and what the\n" +
			"material does not show. It attributes nothing and is no legal determination.\n\n" + exitCodes,
		SilenceUsage:       true,
		SilenceErrors:      true,
		DisableSuggestions: true, // an error is one line
	}
	root.AddCommand(replay(code), version())
	root.AddCommand(verdicts(code), cross(code))
	root.AddCommand(page(code), stats(code), table(code), everything(code))
	root.AddCommand(proof(code), inclusion())
	root.AddCommand(dossier(code))
	return root
}

func replay(code *int) *cobra.Command {
	var in inputs
	var asJSON, all bool
	c := &cobra.Command{
		Use:   "replay DIR...",
		Short: "audit the exports in these directories together",
		Long:  "replay audits what `hotline export` wrote, full, pair or case exports, together.\n\n" + exitCodes,
		Args:  cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, dirs []string) error {
			return in.judge(cmd, dirs, code, func(r *audit.Report) error {
				if asJSON {
					return r.WriteJSON(cmd.OutOrStdout())
				}
				return r.WriteText(cmd.OutOrStdout(), audit.Text{All: all, Colour: colours(cmd.OutOrStdout())})
			})
		},
	}
	f := c.Flags()
	f.BoolVar(&asJSON, "json", false, "print one JSON object")
	f.BoolVar(&all, "all", false, "show routine too: line tests, clocks, members")
	f.StringVar(&in.proofs, "proofs", "", "directory for files that prove each fork observed to others (default: none is written)")
	in.flags(c)
	return c
}

// colours reports whether w is a terminal whose owner has not said NO_COLOR.
func colours(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && os.Getenv("NO_COLOR") == "" && term.IsTerminal(int(f.Fd()))
}

// bar shows progress on a terminal, and nowhere else.
type bar struct{ p *progressbar.ProgressBar }

func progress(w io.Writer) *bar {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return &bar{}
	}
	return &bar{progressbar.NewOptions64(-1, progressbar.OptionSetWriter(f), progressbar.OptionSetDescription("entries"),
		progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionSetPredictTime(true),
		progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish())}
}

func (b *bar) show(done, total uint64) {
	if b.p != nil {
		b.p.ChangeMax64(int64(total))
		_ = b.p.Set64(int64(done)) // a bar that cannot be drawn stops nothing
	}
}

func (b *bar) clear() {
	if b.p != nil {
		_ = b.p.Clear() // as above
	}
}

func version() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "print the version",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			v := "unknown"
			if info, ok := debug.ReadBuildInfo(); ok {
				v = info.Main.Version
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "hotline-audit %s, protocol %d, export format %d\n", v, hotline.Protocol, audit.FormatVersion)
			return err
		},
	}
}
