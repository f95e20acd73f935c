// Command testnet makes a network of parties on this machine and tells the story of a warning with it.
//
// Every node is a process of its own: this program runs itself again as a node. So a node is never of another version than the testnet
// that starts it, and nothing has to be built before the first node is up.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"example.org/hotline/testnet"
)

// Exit codes.
const (
	exitFailed = 1 // the network did not do what the story says
	exitUsage  = 2
)

// failure carries an exit code to main.
type failure struct {
	code int
	err  error
}

func (f *failure) Error() string { return f.err.Error() }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends it without waiting
	err := newRoot().ExecuteContext(ctx)
	if err == nil {
		return
	}
	fmt.Fprintf(os.Stderr, "testnet: %v\n", err)
	code := exitUsage
	var f *failure
	if errors.As(err, &f) {
		code = f.code
	}
	os.Exit(code)
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use: "testnet", Short: "a network of parties on this machine",
		Long: "testnet makes parties with keys, a convention and nodes on loopback, and tells the story of a warning with them.\n\n" +
			"Exit codes: 0 all went as the story says; 1 it did not; 2 usage.",
		SilenceUsage: true, SilenceErrors: true,
	}
	var u up
	cmd := &cobra.Command{
		Use: "up", Short: "make a network, tell the story, and stay up", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return u.run(c.Context(), c.OutOrStdout(), c.ErrOrStderr()) },
	}
	f := cmd.Flags()
	f.BoolVar(&u.once, "once", false, "end when the story is over, instead of staying up")
	f.BoolVar(&u.json, "json", false, "print one JSON object when the story is over; the story itself goes to standard error")
	f.BoolVar(&u.keep, "keep", false, "with --once: leave the directory of the network as it is")
	f.StringVar(&u.dir, "dir", "", "directory for everything of the network; must be empty or not exist (default a temporary one)")
	f.StringVar(&u.detections, "detections", "", "Suricata EVE file to read as the feed of XA's sensor (default a bundled sample)")
	f.StringSliceVar(&u.territory, "territory", slices.Concat(testnet.SampleTerritory, testnet.FeedTerritory), "XA's own networks, by which a hit has left its territory")
	f.IntVar(&u.parties, "parties", 3, "number of parties, 2 to 26")
	f.IntVar(&u.nodes, "nodes", 3, "number of nodes of each party: 1, 3 or 5")
	node := &cobra.Command{
		Use: "node CONFIG", Short: "run one node of a network; testnet calls this itself", Args: cobra.ExactArgs(1), Hidden: true,
		RunE: func(_ *cobra.Command, args []string) error { return testnet.RunNode(args[0]) },
	}
	echo := &cobra.Command{
		Use: testnet.EchoRole + " ADDRESS", Short: "send back what comes; testnet bench calls this itself", Args: cobra.ExactArgs(1), Hidden: true,
		RunE: func(_ *cobra.Command, args []string) error { return testnet.RunEcho(args[0]) },
	}
	bare := &cobra.Command{
		Use: testnet.BareRole + " ADDRESS", Short: "be one process of a bare group; testnet bench calls this itself", Args: cobra.ExactArgs(1), Hidden: true,
		RunE: func(_ *cobra.Command, args []string) error { return testnet.RunBare(args[0]) },
	}
	root.AddCommand(cmd, newFaults(), newDepartures(), newBench(), node, echo, bare)
	return root
}

// up is one call of testnet up.
type up struct {
	once, json, keep bool
	dir, detections  string
	territory        []string
	parties, nodes   int
}

func (u *up) run(ctx context.Context, out, errOut io.Writer) error {
	begin := time.Now()
	people := out
	if u.json {
		people = errOut
	}
	if u.detections != "" {
		if _, err := os.Stat(u.detections); err != nil {
			return fmt.Errorf("--detections: %w", err)
		}
	}
	w, err := u.make()
	if err != nil {
		return err
	}
	fmt.Fprintf(people, "everything of this network lies in %s\n", w.Dir)
	err = u.live(ctx, w, begin, out, people)
	interrupted := err != nil && ctx.Err() != nil
	switch {
	case interrupted:
		err = errors.New("interrupted before the story was over")
	case err != nil:
		fmt.Fprintf(errOut, "\n%s", w.Tails())
	}
	closed := w.Close()
	remove := u.once && !u.keep && closed == nil && (err == nil || interrupted)
	if err = errors.Join(err, closed); err != nil && !remove {
		err = fmt.Errorf("%w; keys and logs of the nodes are left in %s", err, w.Dir)
	}
	if remove {
		err = errors.Join(err, os.RemoveAll(w.Dir))
	}
	if err != nil {
		return &failure{exitFailed, err}
	}
	return nil
}

// make makes the network, in a temporary directory if none was named.
func (u *up) make() (*testnet.Network, error) {
	dir := u.dir
	if dir == "" {
		var err error
		if dir, err = os.MkdirTemp("", "hotline-testnet-"); err != nil {
			return nil, &failure{exitFailed, err}
		}
	}
	w, err := testnet.New(testnet.Options{Dir: dir, Parties: u.parties, Nodes: u.nodes, Terms: testnet.DemoTerms(), Territory: u.territory})
	if err != nil && u.dir == "" {
		err = errors.Join(err, os.RemoveAll(dir))
	}
	return w, err
}

// live runs the network: the story, and then whatever people try.
func (u *up) live(ctx context.Context, w *testnet.Network, begin time.Time, out, people io.Writer) error {
	if err := w.Start(ctx); err != nil {
		return err
	}
	if err := w.Ready(ctx); err != nil {
		return err
	}
	report, err := w.Run(ctx, testnet.Story{Detections: u.detections, Begin: begin, Tell: func(s testnet.Step) { tell(people, s) }})
	if err != nil {
		return err
	}
	if err := u.finish(out, people, report); err != nil || u.once {
		return err
	}
	commands(people, w, report)
	select {
	case <-ctx.Done():
		return nil
	case err := <-w.Failed():
		return err
	}
}

// finish prints what the story leaves behind.
func (u *up) finish(out, people io.Writer, r *testnet.Report) error {
	if u.json {
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		return e.Encode(r)
	}
	fmt.Fprintf(people, "\nhits that left XA's territory (a hit is a machine's remark, never a finding):\n")
	for _, h := range r.Hits {
		fmt.Fprintf(people, "  %s\n    flows %s; rules: %s\n", h.Conclusion, strings.Trim(fmt.Sprint(h.Flows), "[]"), strings.Join(h.Signatures, "; "))
	}
	fmt.Fprintf(people, "\nThe story took %.1f s. It shows whether agreed procedure was followed; it attributes nothing and is no legal determination.\n",
		float64(r.Elapsed)/1000)
	return nil
}

// tell prints one step.
func tell(out io.Writer, s testnet.Step) {
	party := string(s.Party)
	if party == "" {
		party = "all"
	}
	fmt.Fprintf(out, "%6.2f s  %-4s %s\n               fact:   %s\n               proves: %s\n", float64(s.At)/1000, party, s.Did, s.Fact, s.Proves)
}

// commands prints what to try while the network is up. A person has two minutes for each step of a PRIORITY case.
func commands(out io.Writer, w *testnet.Network, r *testnet.Report) {
	a, b := w.Parties[0], w.Parties[1]
	hit := "--text 'what was seen'"
	if len(r.Hits) > 1 { // the first was adopted in the story
		hit = r.Hits[1].Key[:12]
	}
	fmt.Fprintf(out, "\nThe network stays up until Ctrl-C. Every officer has a home of their own. From the source directory, in other terminals:\n\n")
	line := func(p *testnet.Party, post, verb string) {
		fmt.Fprintf(out, "  go run ./cmd/hotline --home %s %s\n", p.Officer(post).Home, verb)
	}
	line(b, "L1", "watch")
	line(a, "O1", "status")
	line(a, "O1", "triage")
	line(a, "O1", "adopt "+hit+" --precedence PRIORITY        # prints the id of the case")
	line(a, "O1", "assess CASE --verdict notifiable --notify "+string(b.Code)+" --nature attack --category other --relation origin --state ongoing --answer yes,yes,no,yes")
	line(a, "O1", "send alert CASE --releaser "+a.Officer("R1").Name+" --text 'We look into it.'        # prints the id of the draft")
	line(a, "R1", "release DRAFT")
	line(b, "L1", "inbox")
	line(b, "L1", "ack ALERT")
	line(a, "U1", "export "+filepath.Join(w.Dir, "exports", "later"))
	fmt.Fprintf(out, "  go run ./cmd/hotline-audit replay %s\n\n", filepath.Join(w.Dir, "exports", "X?"))
	fmt.Fprintf(out, "Do nothing for two minutes after assess, and %s's group sends the alert itself.\n", a.Code)
}
