// Hotlined is the daemon of one node of a party.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"example.org/hotline/crypto/keys"
	"example.org/hotline/hotline"
	"example.org/hotline/hotline/node"
	"example.org/hotline/ops/ceremony"
	"example.org/hotline/ops/config"
	"example.org/hotline/ops/page"
)

// Exit codes, as `hotlined help` documents them.
const (
	exitOK      = 0
	exitStopped = 1 // the process had to stop: the log says why
	exitUsage   = 2 // configuration, documents or keys are not fit to start with
)

// failure carries an exit code to main.
type failure struct {
	code int
	err  error
}

func (f *failure) Error() string { return f.err.Error() }

func main() {
	err := newRoot().Execute()
	if err == nil {
		os.Exit(exitOK)
	}
	fmt.Fprintf(os.Stderr, "hotlined: %v\n", err)
	var f *failure
	if errors.As(err, &f) {
		os.Exit(f.code)
	}
	os.Exit(exitUsage)
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "hotlined",
		Short: "the daemon of one node of a party",
		Long: "hotlined runs one node of a party's group: it receives, delivers, wakes and records.\n\n" +
			"Exit codes: 0 stopped as asked; 1 the process had to stop, the log says why; 2 configuration, documents or keys are not fit to start with.",
		SilenceUsage: true, SilenceErrors: true,
	}
	var path string
	root.PersistentFlags().StringVar(&path, "config", "/etc/hotline/hotlined.toml", "configuration file")
	root.AddCommand(
		&cobra.Command{Use: "run", Short: "run the node until it is told to stop", Args: cobra.NoArgs,
			RunE: func(*cobra.Command, []string) error { return run(path) }},
		&cobra.Command{Use: "check", Short: "check configuration, documents and keys without starting", Args: cobra.NoArgs,
			RunE: func(c *cobra.Command, _ []string) error { return check(c.OutOrStdout(), path) }},
		&cobra.Command{Use: "found", Short: "say that the group is new; once on each node of a group of several, before its first run", Args: cobra.NoArgs,
			RunE: func(c *cobra.Command, _ []string) error { return found(c.OutOrStdout(), path) }},
		newRestoreCmd(&path),
		&cobra.Command{Use: "version", Short: "print the version", Args: cobra.NoArgs,
			Run: func(c *cobra.Command, _ []string) { fmt.Fprintln(c.OutOrStdout(), version()) }},
	)
	return root
}

func version() string {
	v := "development"
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		v = info.Main.Version
	}
	return fmt.Sprintf("hotlined %s, protocol %d", v, hotline.Protocol)
}

// check reads everything that run would need, and says what it found.
func check(out io.Writer, path string) error {
	cfg, err := config.Load(path)
	if err != nil {
		return err
	}
	docs, err := ceremony.LoadDocuments(cfg.Documents, cfg.Pin())
	if err != nil {
		return err
	}
	pass, err := passphrase(cfg.Keys.Passphrase)
	if err != nil {
		return err
	}
	if err := node.CheckKeys(cfg, docs, pass); err != nil {
		return err
	}
	channels, err := page.Open(cfg.Pages)
	if err != nil {
		return err
	}
	if err := node.CheckSensors(cfg); err != nil {
		return err
	}
	c := docs.Conventions[len(docs.Conventions)-1]
	fmt.Fprintf(out, "convention %s version %d, %d parties", c.ID, c.Version, len(c.Speakers()))
	if n := len(c.Parties) - len(c.Speakers()); n > 0 {
		fmt.Fprintf(out, " and %d that only observe", n)
	}
	fmt.Fprintln(out)
	fmt.Fprintf(out, "node %s of %s: configuration, documents and keys fit together\n", cfg.Node, cfg.Party)
	if cfg.Record.Listen != "" {
		fmt.Fprintf(out, "anybody who reaches %s may read the hashes of the log\n", cfg.Record.Listen)
	}
	for i := range cfg.Sensors {
		fmt.Fprintf(out, "sensor %s is followed in %s\n", cfg.Sensors[i].Name, cfg.Sensors[i].File)
	}
	if names := channels.Names(); len(names) > 0 {
		fmt.Fprintf(out, "people are woken by %s\n", strings.Join(names, ", then "))
	} else {
		fmt.Fprintln(out, "no page channel is configured: nobody is woken but by an open console")
	}
	return nil
}

// found marks the data directory of a new group's node.
func found(out io.Writer, path string) error {
	cfg, err := config.Load(path)
	if err != nil {
		return err
	}
	if err := node.Found(cfg); err != nil {
		return err
	}
	fmt.Fprintf(out, "node %s of %s may found its group when it runs\n", cfg.Node, cfg.Party)
	return nil
}

func passphrase(source string) ([]byte, error) {
	return keys.Passphrase(source, func(label string) ([]byte, error) {
		if !term.IsTerminal(int(os.Stdin.Fd())) {
			return nil, errors.New("there is no terminal to ask on, write file:PATH or credential:NAME in keys.passphrase")
		}
		fmt.Fprint(os.Stderr, label+": ")
		defer fmt.Fprintln(os.Stderr)
		return term.ReadPassword(int(os.Stdin.Fd()))
	})
}

func logger(c config.Log) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(c.Level)) // config.Load has checked it
	opt := &slog.HandlerOptions{Level: level}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(os.Stderr, opt))
	}
	return slog.New(slog.NewTextHandler(os.Stderr, opt))
}

func run(path string) error {
	cfg, err := config.Load(path)
	if err != nil {
		return err
	}
	pass, err := passphrase(cfg.Keys.Passphrase)
	if err != nil {
		return err
	}
	log := logger(cfg.Log)
	node.TuneMemory()
	n, err := node.Open(cfg, node.Options{Passphrase: pass, Logger: log, Fatal: func(err error) { stopAtOnce(log, err, os.Exit) }})
	if err != nil {
		return &failure{exitUsage, err}
	}
	stopHTTP, err := serveHTTP(cfg.Metrics.Listen, n)
	if err != nil {
		return errors.Join(err, n.Close())
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	log.Info("node is up", "party", cfg.Party, "node", cfg.Node, "listen", cfg.Listen)
	_, _ = daemon.SdNotify(false, daemon.SdNotifyReady) // absent outside systemd
	watchdog(ctx, n, log)
	log.Info("stopping; leadership is handed over")
	_, _ = daemon.SdNotify(false, daemon.SdNotifyStopping)
	stopHTTP()
	if err := n.Close(); err != nil {
		return &failure{exitStopped, err}
	}
	return nil
}

// lastWords is how long the log may take for the reason of a stop.
const lastWords = time.Second

// stopAtOnce ends the process without cleaning up: whatever made this necessary
// (a stalled disk) could hold a clean stop for ever, and the group waits for this
// node to go. It may hold up the log as well.
func stopAtOnce(log *slog.Logger, why error, exit func(code int)) {
	time.AfterFunc(lastWords, func() { exit(exitStopped) })
	log.Error("the process must stop", "why", why)
	exit(exitStopped)
}

// watchdog tells systemd that the ledger of this node still answers, until ctx
// ends.
func watchdog(ctx context.Context, n *node.Node, log *slog.Logger) {
	every, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		log.Warn("systemd's watchdog setting cannot be read", "why", err)
	}
	if every <= 0 {
		<-ctx.Done()
		return
	}
	t := time.NewTicker(every / 2)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			n.Alive() // hangs with the ledger: then systemd ends the process
			_, _ = daemon.SdNotify(false, daemon.SdNotifyWatchdog)
		case <-ctx.Done():
			return
		}
	}
}

// serveHTTP offers metrics and health on loopback; "" is off.
func serveHTTP(addr string, n *node.Node) (stop func(), err error) {
	if addr == "" {
		return func() {}, nil
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("metrics: cannot listen on %s: %w", addr, err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(n.Registry(), promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		if err := n.Healthy(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
	s := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	done := make(chan struct{})
	go func() { // ends with stop
		defer close(done)
		_ = s.Serve(l)
	}()
	return func() {
		_ = s.Close()
		<-done
	}, nil
}
