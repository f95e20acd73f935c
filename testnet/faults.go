package testnet

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"time"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/desk"
	"example.org/hotline/ops/config"
)

// Fault is one promise, and the faults by which it is tried.
type Fault struct {
	Name    string
	Promise string
	Rounds  int // of a full run
	// Needs says what the machine lacks; nil: it can be tried here.
	Needs func() error

	direct bool                 // no relay stands between the nodes
	tune   func(*config.Config) // nil: as in every testnet
	run    func(context.Context, *field) error
}

// Faults are all of them.
var Faults = []Fault{
	{Name: "sender", Promise: "an alert that XA committed reaches XB once, whoever of XA is killed before it is delivered", Rounds: 50, run: rounds(killSender)},
	{Name: "receiver", Promise: "an alert that XB committed stands there once, with one receipt, whoever of XB is killed before the receipt leaves", Rounds: 50, run: rounds(killReceiver)},
	{Name: "matrix", Promise: "whatever befalls one node at whatever step of a case, the case goes on, and all is well soon after", Rounds: fullMatrix, run: rounds(tryMatrix)},
	{Name: "power", Promise: "what a party has receipted, or holds a receipt for, survives that all its nodes lose power at once", Rounds: 50, Needs: needsDisk, run: tryPower},
	{Name: "stall", Promise: "a leader whose disk stalls stops itself, and another commits within 5 s", Rounds: 20, Needs: needsDisk, tune: asConfigured, run: tryStall},
	{Name: "flip", Promise: "a bit that flips in a file of one node reaches no other node, is never signed, and is told of", Rounds: 500, direct: true, tune: oftenSnapshots, run: tryFlip},
	{Name: "failover", Promise: "a group whose leader dies commits again; how soon is measured", Rounds: 30, direct: true, tune: asConfigured, run: tryFailover},
}

// FaultRun is one trial of a promise.
type FaultRun struct {
	// Dir holds everything of the network; must be empty or not exist. Where a promise broke, the log of each node ends with what its
	// goroutines were doing.
	Dir    string
	Rounds int
	Seed   uint64               // chooses what is left to chance
	Tell   func(string, ...any) // a line of progress or result; must not be nil
	// Program is that of Options.
	Program []string
}

// Try makes a network of two parties of three nodes, tries one promise on it, and then holds the logs of all nodes to what must be true
// of them whatever happens. A process of the network that ends unasked is an error, unless that is what is tried.
func (f *Fault) Try(ctx context.Context, r FaultRun) (err error) {
	if f.Needs != nil {
		if err := f.Needs(); err != nil {
			return fmt.Errorf("%s cannot be tried here: %w", f.Name, err)
		}
	}
	w, err := New(Options{Dir: r.Dir, Parties: 2, Nodes: 3, Terms: faultTerms(), Program: r.Program, Relay: !f.direct, Tune: f.tune})
	if err != nil {
		return err
	}
	x := &field{FaultRun: r, w: w, xa: w.Parties[0], xb: w.Parties[1], chance: rand.New(rand.NewPCG(r.Seed, uint64(r.Rounds)))}
	defer func() {
		if err != nil {
			err = fmt.Errorf("%s\n%s, seed %d: %w", w.Tails(), f.Name, r.Seed, err) // what a long output is cut to is its end
			err = errors.Join(err, w.quit())
		}
		err = errors.Join(err, w.Close(), x.leave())
	}()
	return f.run(ctx, x)
}

// asConfigured has the group's timing that a configuration has if it says nothing.
func asConfigured(c *config.Config) {
	d := config.Default()
	c.Group.Heartbeat, c.Group.Election = d.Group.Heartbeat, d.Group.Election
}

// flashTerm is how long the addressee of a FLASH alert has to acknowledge it.
const flashTerm = 4 * time.Second

// faultTerms let the clocks of a FLASH alert run out within seconds, and no other clock.
func faultTerms() hotline.Terms {
	t := DemoTerms()
	long := (10 * time.Minute).Milliseconds()
	t.Profile, t.Assess, t.AlertCap, t.LineTest = "faults", long, long, (30 * time.Second).Milliseconds()
	t.Alert = hotline.Durations{long, long, long, long}
	t.NonDelivery = t.Alert
	t.Acknowledge = hotline.Durations{flashTerm.Milliseconds(), long, long, long}
	return t
}

// field is where one promise is tried.
type field struct {
	FaultRun
	w       *Network
	xa, xb  *Party
	chance  *rand.Rand
	alerts  []hotline.ID    // tendered by XA to XB
	took    []time.Duration // from the end of each fault until all was well
	commits []time.Duration // from a fault until the group committed again
	undo    []func() error  // what was done to the machine
	order   []int           // of the matrix
}

// leave gives back what was taken of the machine, the last thing first.
func (x *field) leave() error {
	var errs []error
	for _, f := range slices.Backward(x.undo) {
		errs = append(errs, f())
	}
	return errors.Join(errs...)
}

// begin starts every node and waits until all is well.
func (x *field) begin(ctx context.Context) error {
	if err := x.w.Start(ctx); err != nil {
		return err
	}
	return x.w.Ready(ctx)
}

// rounds is a trial that does one thing again and again on a network that runs, and the reckoning at the end.
func rounds(round func(context.Context, *field, int) error) func(context.Context, *field) error {
	return func(ctx context.Context, x *field) error {
		return x.w.whileUp(ctx, func(ctx context.Context) error {
			if err := x.begin(ctx); err != nil {
				return err
			}
			for i := range x.Rounds {
				if err := round(ctx, x, i); err != nil {
					return fmt.Errorf("round %d: %w", i+1, err)
				}
			}
			return x.reckon(ctx)
		})
	}
}

// wellWithin is what is promised: so long after a fault has ended there is a leader, and what was outstanding is delivered and receipted.
// A machine that does other things beside may take longer; the result names it, and only waitLimit fails.
const wellWithin = 10 * time.Second

// well waits until every node of both parties knows a leader, all voters and its lines, has the same log as the others, and nothing waits
// for a receipt. That is more than is promised: a node that was gone counts as long as it is behind.
func (x *field) well(ctx context.Context) error {
	begin := time.Now()
	for _, p := range x.w.Parties {
		if err := until(ctx, fmt.Sprintf("all nodes of %s have one log and nothing waits", p.Code), func() error { return x.w.even(ctx, p) }); err != nil {
			return err
		}
	}
	x.took = append(x.took, time.Since(begin))
	return nil
}

// even says what keeps the nodes of a party from having one log, with nothing in it that waits for a receipt.
func (w *Network) even(ctx context.Context, p *Party) error {
	var first *desk.StatusView
	for _, n := range p.Nodes {
		s, err := n.status(ctx)
		if err != nil {
			return err
		}
		if first == nil {
			first = s
		}
		if missing := w.missing(p, s); missing != "" {
			return fmt.Errorf("%s: %s", n.Name, missing)
		}
		if s.Size != first.Size || s.Root != first.Root {
			return fmt.Errorf("%s has %d entries, %s %d", n.Name, s.Size, first.Node, first.Size)
		}
		for _, peer := range s.Peers {
			if peer.Outbox > 0 {
				return fmt.Errorf("%d to %s wait at %s", peer.Outbox, peer.Party, n.Name)
			}
		}
	}
	return nil
}

// askLimit bounds one question to one node: a node that has just begun may not answer the first.
const askLimit = 3 * time.Second

// status asks one node alone.
func (n *Node) status(ctx context.Context) (*desk.StatusView, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, askLimit, fmt.Errorf("%s does not answer", n.Name))
	defer cancel()
	auditor := n.party.Officer("U1").at(n)
	defer auditor.close()
	return auditor.Status(ctx)
}

// until asks again and again until there is no error.
func until(ctx context.Context, what string, ask func() error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, waitLimit, errors.New("the time is over"))
	defer cancel()
	for {
		err := ask()
		if err == nil {
			return nil
		}
		if wait(ctx, statusPause/5); ctx.Err() != nil {
			return fmt.Errorf("waiting until %s: %w: %w", what, err, context.Cause(ctx))
		}
	}
}

// insist hands a statement in until its outcome is known. The same bytes may be handed in as often as one likes.
func (o *Officer) insist(ctx context.Context, st *hotline.Statement) (*desk.SubmitView, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, waitLimit, errors.New("the time is over"))
	defer cancel()
	for {
		v, err := o.Submit(ctx, st, "")
		switch hotline.CodeOf(err) {
		case "", hotline.CodeBusy, hotline.CodeNotLeader, hotline.CodeUnknown, hotline.CodeInternal:
		default:
			return nil, err
		}
		if err == nil {
			return v, nil
		}
		if wait(ctx, statusPause/5); ctx.Err() != nil {
			return nil, fmt.Errorf("%w: %w", err, context.Cause(ctx))
		}
	}
}

// alert makes all that an alert of XA to XB rests on, and the alert itself, signed by two officers and not handed in.
func (x *field) alert(ctx context.Context, p hotline.Precedence) (*hotline.Statement, error) {
	o, at := x.xa.Officer("O1"), now()
	detection, err := o.Sign(Letter{Kind: hotline.KindDetection, Precedence: p, Detected: at, Body: &hotline.Detection{Text: "Told by telephone."}})
	if err != nil {
		return nil, err
	}
	if _, err := o.insist(ctx, detection); err != nil {
		return nil, err
	}
	id := hotline.CaseID{Party: x.xa.Code, ID: detection.ID}
	assessment, err := x.assess(&id, p)
	if err != nil {
		return nil, err
	}
	if _, err := o.insist(ctx, assessment); err != nil {
		return nil, err
	}
	st, err := x.write(&id, assessment, at)
	if err != nil {
		return nil, err
	}
	return x.countersign(st)
}

var faultFacts = hotline.Facts{Nature: 3, Category: 5, Relation: 1, Actor: 1, State: 1}

func (x *field) assess(id *hotline.CaseID, p hotline.Precedence) (*hotline.Statement, error) {
	return x.xa.Officer("O1").Sign(Letter{Kind: hotline.KindAssessment, Precedence: p, Case: id, Re: &id.ID, Assessed: now(),
		Verdict: hotline.Notifiable, Notify: []hotline.Party{x.xb.Code}, Answers: []bool{true, true, false, true}, Body: &hotline.Assessment{Facts: faultFacts}})
}

// write has the first officer sign an alert.
func (x *field) write(id *hotline.CaseID, assessment *hotline.Statement, detected hotline.Time) (*hotline.Statement, error) {
	st, err := x.xa.Officer("O1").Sign(Letter{Kind: hotline.KindAlert, Precedence: assessment.Header.Precedence, To: []hotline.Party{x.xb.Code},
		Case: id, Re: &assessment.ID, Detected: detected, Assessed: assessment.Header.Assessed, With: x.xa.Officer("R1"),
		Body: &hotline.Alert{Facts: faultFacts, Language: "en", Text: "We look into it."}})
	if err == nil {
		x.alerts = append(x.alerts, st.ID)
	}
	return st, err
}

// countersign has the second officer sign.
func (x *field) countersign(st *hotline.Statement) (*hotline.Statement, error) {
	raw, err := hotline.Countersign(st.Raw, x.xa.Officer("R1").key)
	if err != nil {
		return nil, err
	}
	return hotline.Parse(raw)
}

// beside is a node of the party that is not n.
func (p *Party) beside(n *Node) *Node {
	for _, other := range p.Nodes {
		if other != n {
			return other
		}
	}
	return nil
}

// hear begins a watch at a node that no fault will befall.
func (x *field) hear(ctx context.Context, n *Node) (w *Watch, end func(), err error) {
	o := n.party.Officer("U1").at(n)
	if w, err = o.Watch(ctx); err != nil {
		o.close()
		return nil, nil, err
	}
	return w, func() { w.Close(); o.close() }, nil
}

func heard(t desk.EventType, id hotline.ID) func(*desk.Event) bool {
	return func(e *desk.Event) bool { return e.Type == t && e.ID == id }
}

// reckon waits until every clock that is due has fired, and holds the logs of all nodes to what must be true of them.
func (x *field) reckon(ctx context.Context) error {
	for _, p := range x.w.Parties {
		err := until(ctx, fmt.Sprintf("every clock of %s that is due has fired", p.Code), func() error {
			s, err := p.Officer("U1").Status(ctx)
			if err != nil {
				return err
			}
			for _, d := range s.Duties {
				if !d.Overdue && d.Deadline < now()+hotline.Time(2*flashTerm.Milliseconds()) {
					return fmt.Errorf("the deadline of a duty to %s is at hand", d.Class)
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	if err := x.well(ctx); err != nil {
		return err
	}
	logs, err := x.w.logs(ctx, filepath.Join(x.Dir, "exports"))
	if err != nil {
		return err
	}
	if err := errors.Join(logs.Check(), x.counted(logs)); err != nil {
		return err
	}
	again, err := x.askAgain(ctx, logs)
	if err != nil {
		return err
	}
	x.tell(logs, again)
	return nil
}

// counted holds the logs to what was sent: every alert that was tendered stands at XB once, with one receipt at XA, and the deadline of
// each that nobody answered in time was recorded once.
func (x *field) counted(l Logs) error {
	received, receipted, overdue := map[hotline.ID]int{}, map[hotline.ID]int{}, map[hotline.ID]int{}
	answered, flash := map[hotline.ID]bool{}, map[hotline.ID]bool{}
	for _, e := range l[x.xb.Code] {
		switch c := e.Content.(type) {
		case *hotline.Received:
			st, err := hotline.Parse(c.Statement)
			if err != nil {
				return err
			}
			received[st.ID]++
			flash[st.ID] = st.Header.Precedence == hotline.Flash
		case *hotline.Due:
			if c.Overdue && c.Duty == hotline.DutyAcknowledge {
				overdue[c.Subject]++
			}
		case *hotline.Sent:
			st, err := hotline.Parse(c.Statement)
			if err != nil {
				return err
			}
			if st.Header.Kind == hotline.KindAcknowledgement {
				answered[*st.Header.Re] = true
			}
		}
	}
	for _, e := range l[x.xa.Code] {
		if c, ok := e.Content.(*hotline.Receipted); ok {
			receipted[c.Statement]++
		}
	}
	var errs []error
	for _, id := range x.alerts {
		if received[id] != 1 || receipted[id] != 1 {
			errs = append(errs, fmt.Errorf("alert %s stands at XB %d times and has %d receipts at XA", id.Short(), received[id], receipted[id]))
		}
		if n := overdue[id]; n > 1 || flash[id] && !answered[id] && n != 1 {
			errs = append(errs, fmt.Errorf("alert %s that nobody answered was said to be overdue %d times", id.Short(), n))
		}
	}
	return errors.Join(errs...)
}

// tell says what came of it.
func (x *field) tell(l Logs, again int) {
	due := 0
	for _, log := range l {
		for _, e := range log {
			if _, ok := e.Content.(*hotline.Due); ok {
				due++
			}
		}
	}
	x.Tell("%d rounds: %d alerts, each stored and receipted once; %d receipts asked for again, the same to the byte; %d clocks fired once and not early; logs of %d and %d entries agree on all nodes and with the auditor",
		x.Rounds, len(x.alerts), again, due, len(l[x.xa.Code]), len(l[x.xb.Code]))
	late := 0
	for _, d := range x.took {
		if d > wellWithin {
			late++
		}
	}
	x.Tell("well again after a fault: %s; %d of %d took more than %v", spread(x.took), late, len(x.took), wellWithin)
}

// spread says median, 99th percentile and maximum.
func spread(list []time.Duration) string {
	if len(list) == 0 {
		return "nothing was timed"
	}
	s := slices.Sorted(slices.Values(list))
	at := func(permille int) time.Duration {
		return s[min(len(s)-1, len(s)*permille/1000)].Round(time.Millisecond)
	}
	return fmt.Sprintf("median %v, 99th percentile %v, maximum %v", at(500), at(990), at(1000))
}
