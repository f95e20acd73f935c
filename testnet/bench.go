package testnet

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"example.org/hotline/ops/config"
)

// BenchSections are the parts of a bench by name, in the order in which they run. The floor is always measured.
var BenchSections = []string{"idle", "load", "failover", "audit", "single", "restart"}

// BenchOptions say what to measure. The zero value of a number means the default that stands beside it.
type BenchOptions struct {
	// Dir holds the networks; it must be empty or not exist. Figures of the disk are those of the disk that it lies on.
	Dir string
	// Repeats is how often each figure is taken, default 3: its median, least and greatest value are reported.
	Repeats int
	// Only names the sections to run, of BenchSections; empty: all.
	Only []string
	// Quick replaces every count by one with which the whole bench takes some seconds. Its figures say nothing.
	Quick bool
	// Program runs a node, as in Options; with EchoRole or BareRole in place of its last argument it runs RunEcho or RunBare.
	Program []string
	// Tell hears what is being done; nil: nobody.
	Tell func(string)
}

// BenchReport is one run of the bench on one machine: one JSON object.
type BenchReport struct {
	Began     time.Time `json:"began"`
	Seconds   float64   `json:"seconds"` // that the run took
	Go        string    `json:"go"`      // version
	System    string    `json:"system"`  // operating system and architecture
	Cores     int       `json:"cores"`   // that the programs may use
	Load      float64   `json:"load"`    // average of the minute before the run: other work on the machine; -1: not known
	Repeats   int       `json:"repeats"`
	Quick     bool      `json:"quick"`
	Statement int       `json:"statement_bytes"` // size of one statement that is sent, signature and sealing included; 0: none was
	// Figures stand in the order in which they were taken, the floor first. A figure that rests on the floor names what it rests on.
	Figures []BenchFigure `json:"figures"`
	// Notes say what the figures of this run do not mean.
	Notes []string `json:"notes"`
}

// BenchFigure is one measured value. Median, Min and Max are over the repeats, or over Samples where one repeat is no value by itself
// (failover).
type BenchFigure struct {
	Name    string  `json:"name"`
	Unit    string  `json:"unit"` // us, ms, MiB, bytes, 1/s, or % of one core
	Median  float64 `json:"median"`
	Min     float64 `json:"min"`
	Max     float64 `json:"max"`
	Samples int     `json:"samples"` // single measurements behind one value of the figure
	// Floor is the least that the same machine allows in the same run, in the same unit, and On what it consists of. Ratio is how many
	// times worse the figure is: median over floor, and floor over median where more is better. All are absent where there is no floor.
	Floor float64 `json:"floor,omitempty"`
	On    string  `json:"on,omitempty"`
	Ratio float64 `json:"ratio,omitempty"`
	// Promise is the bound that the project has set itself, absent where there is none.
	Promise *BenchPromise `json:"promise,omitempty"`
}

// BenchPromise is a bound, and whether the figure keeps it.
type BenchPromise struct {
	Of   string  `json:"of"` // ratio, or median
	Most float64 `json:"at_most,omitempty"`
	// Least is set in place of Most where more is better.
	Least float64 `json:"at_least,omitempty"`
	Kept  bool    `json:"kept"`
}

// benchCounts are the sizes of one run.
type benchCounts struct {
	syncs, signatures, trips int           // of the floor
	idle                     time.Duration // that idle nodes are watched
	alone, crowd             int           // statements with 1 outstanding, and with benchOutstanding
	small, large             uint64        // entries of a restarted log
	failovers                int
}

// benchOutstanding is how many statements are under way in the second part of the load.
const benchOutstanding = 256

// The counts are bound by hotline.MaxOutbox less hotline.FlashReserve: what is not acknowledged yet stays with its sender.
var (
	fullCounts  = benchCounts{syncs: 1500, signatures: 4000, trips: 4000, idle: 5 * time.Second, alone: 200, crowd: 1536, small: 1000, large: 100_000, failovers: 30}
	quickCounts = benchCounts{syncs: 20, signatures: 20, trips: 20, idle: 300 * time.Millisecond, alone: 4, crowd: 24, small: 60, large: 200, failovers: 1}
)

// bench is one run.
type bench struct {
	opt    BenchOptions
	count  benchCounts
	report *BenchReport
	floor  map[string]float64 // medians of the floor, by name
	bare   float64            // median of the bare way with one outstanding, us; 0: not measured
}

// Bench measures the floor of this machine, then networks of real processes against it. An error means that a figure could not be
// taken; broken promises are no error.
func Bench(ctx context.Context, opt BenchOptions) (*BenchReport, error) {
	if opt.Repeats <= 0 {
		opt.Repeats = 3
	}
	for _, name := range opt.Only {
		if !slices.Contains(BenchSections, name) {
			return nil, fmt.Errorf("%q is no section of the bench: choose of %v", name, BenchSections)
		}
	}
	dir, err := emptyDir(opt.Dir)
	if err != nil {
		return nil, err
	}
	opt.Dir = dir
	if opt.Tell == nil {
		opt.Tell = func(string) {}
	}
	if len(opt.Program) == 0 {
		self, err := os.Executable()
		if err != nil {
			return nil, fmt.Errorf("this program cannot find itself, to run it as a node: %w", err)
		}
		opt.Program = []string{self, "node"}
	}
	b := &bench{opt: opt, count: fullCounts, floor: map[string]float64{}, report: &BenchReport{Began: time.Now(), Go: runtime.Version(),
		System: runtime.GOOS + "/" + runtime.GOARCH, Cores: runtime.GOMAXPROCS(0), Load: loadAverage(), Repeats: opt.Repeats, Quick: opt.Quick, Notes: benchNotes}}
	if opt.Quick {
		b.count = quickCounts
	}
	for _, step := range []func(context.Context) error{b.measureFloor, b.measureBare, b.measureGroups, b.measureSingles, b.measureRestart} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	b.report.Seconds = time.Since(b.report.Began).Seconds()
	return b.report, nil
}

// benchNotes say what the reader must know.
var benchNotes = []string{
	"all nodes and the officers' machines share the cores, the disk and the loopback of one machine",
	"load: texts of changing precedence from officers of XA to XB, signed and sealed beforehand, handed to XA's leader; XB's liaison officers acknowledge them between the measurements",
	"load: limits.peer_rate and peer_burst stand at their highest, since the shipped limit of 200 frames a second would be what is measured",
	"a statement is accepted when the officer hears of its place in XA's log, and settled when the officer hears that XB's receipt is verified and committed there",
	"wire: everything that crossed the loopback of this machine, requests of officers and traffic inside the groups included",
	"disk: wchar is what the nodes wrote to files, write_bytes the pages that this dirtied; the latter is 0 where files lie in memory",
	"submit to settled: the promise counts round trips as one busy process makes them with itself; the figure below it counts those of two processes that sleep in between, as nodes and officers' machines do",
	"Raft and QUIC alone: the same way between six processes with this project's replica, in messages as large, without signatures, decisions, and files but Raft's; the floor beside it is that of the promise, signatures included",
	"restart: a group of one whose log was made in this process: ladders of its authority, 3 minutes apart, with the clock entries that this needs; the last commands stand in the Raft log, as many as a node keeps; a group of one leads only after an election time-out, of 400 to 800 ms by chance",
	"failover: groups with the shipped heartbeat and election of 400 ms; requests go to a node that lives on",
}

// wants reports whether one of the sections is to be run.
func (b *bench) wants(names ...string) bool {
	return len(b.opt.Only) == 0 || slices.ContainsFunc(names, func(n string) bool { return slices.Contains(b.opt.Only, n) })
}

func (b *bench) tell(format string, args ...any) { b.opt.Tell(fmt.Sprintf(format, args...)) }

// add takes a figure into the report.
func (b *bench) add(name, unit string, samples int, values []float64) *BenchFigure {
	f := BenchFigure{Name: name, Unit: unit, Samples: samples, Median: quantile(values, 0.5), Min: slices.Min(values), Max: slices.Max(values)}
	b.report.Figures = append(b.report.Figures, f)
	return &b.report.Figures[len(b.report.Figures)-1]
}

// against sets a figure beside its floor.
func (f *BenchFigure) against(on string, floor float64) *BenchFigure {
	f.On, f.Floor, f.Ratio = on, floor, f.Median/floor
	return f
}

// below sets a figure of which more is better beside what the machine could do at most.
func (f *BenchFigure) below(on string, ceiling float64) *BenchFigure {
	f.On, f.Floor, f.Ratio = on, ceiling, ceiling/f.Median
	return f
}

func (f *BenchFigure) ratioAtMost(most float64) {
	f.Promise = &BenchPromise{Of: "ratio", Most: most, Kept: f.Ratio <= most}
}

func (f *BenchFigure) atMost(most float64) {
	f.Promise = &BenchPromise{Of: "median", Most: most, Kept: f.Median <= most}
}

func (f *BenchFigure) atLeast(least float64) {
	f.Promise = &BenchPromise{Of: "median", Least: least, Kept: f.Median >= least}
}

// quantile returns the value below which a share q of the values lies, by the nearest rank.
func quantile(values []float64, q float64) float64 {
	s := slices.Sorted(slices.Values(values))
	return s[max(0, min(len(s)-1, int(math.Ceil(q*float64(len(s))))-1))]
}

func micros(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }
func millis(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e6 }

// network makes and starts a network of two parties with the settings that a node is shipped with, but for the pace of peers.
func (b *bench) network(ctx context.Context, name string, nodes int) (*Network, error) {
	w, err := New(Options{Dir: filepath.Join(b.opt.Dir, name), Parties: 2, Nodes: nodes, Terms: quietTerms(), Program: b.opt.Program})
	if err != nil {
		return nil, err
	}
	for _, p := range w.Parties {
		for _, n := range p.Nodes {
			if err := n.ship(); err != nil {
				return nil, errors.Join(err, w.Close())
			}
		}
	}
	if err := w.Start(ctx); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	if err := w.Ready(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("%w\n%s", err, w.Tails()), w.Close())
	}
	return w, nil
}

// ship gives a node the group settings of the shipped configuration, and lets peers send at the highest pace.
func (n *Node) ship() error {
	c, err := config.Load(n.config)
	if err != nil {
		return err
	}
	c.Group = config.Default().Group
	c.Limits = config.Limits{PeerRate: config.MaxPeerRate, PeerBurst: config.MaxPeerBurst}
	return writeTOML(n.config, c)
}

// measureGroups measures two groups of three nodes.
func (b *bench) measureGroups(ctx context.Context) (err error) {
	if !b.wants("idle", "load", "failover", "audit") {
		return nil
	}
	b.tell("two parties of three nodes")
	w, err := b.network(ctx, "groups", 3)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("%w\n%s", err, w.Tails())
		}
		err = errors.Join(err, w.Close())
	}()
	return w.whileUp(ctx, func(ctx context.Context) error { return b.measureIn(ctx, w) })
}

// measureIn measures what is to be measured in two groups of three nodes.
func (b *bench) measureIn(ctx context.Context, w *Network) error {
	if b.wants("idle") {
		if err := b.measureIdle(ctx, w); err != nil {
			return fmt.Errorf("idle: %w", err)
		}
	}
	if b.wants("load", "audit") {
		if err := b.measureLoad(ctx, w, "3+3", floorOfGroups); err != nil {
			return fmt.Errorf("load: %w", err)
		}
	}
	if b.wants("audit") {
		if err := b.measureAudit(ctx, w); err != nil {
			return fmt.Errorf("audit: %w", err)
		}
	}
	if b.wants("failover") {
		if err := b.measureFailover(ctx, w); err != nil {
			return fmt.Errorf("failover: %w", err)
		}
	}
	return nil
}

// measureSingles measures two groups of one node.
func (b *bench) measureSingles(ctx context.Context) error {
	if !b.wants("single") {
		return nil
	}
	b.tell("two parties of one node")
	w, err := b.network(ctx, "singles", 1)
	if err != nil {
		return err
	}
	err = w.whileUp(ctx, func(ctx context.Context) error { return b.measureLoad(ctx, w, "1+1", floorOfSingles) })
	if err != nil {
		err = fmt.Errorf("load of single nodes: %w\n%s", err, w.Tails())
	}
	return errors.Join(err, w.Close())
}

// measureIdle watches nodes that have nothing to do.
func (b *bench) measureIdle(ctx context.Context, w *Network) error {
	b.tell("idle nodes")
	var memory, processor []float64
	for range b.opt.Repeats {
		before, err := w.usage()
		if err != nil {
			return err
		}
		if wait(ctx, b.count.idle); ctx.Err() != nil {
			return context.Cause(ctx)
		}
		after, err := w.usage()
		if err != nil {
			return err
		}
		most, spent := 0.0, 0.0
		for name, u := range after {
			most = max(most, mebibytes(u.resident))
			spent = max(spent, 100*(u.processor-before[name].processor).Seconds()/b.count.idle.Seconds())
		}
		memory, processor = append(memory, most), append(processor, spent)
	}
	b.add("memory of an idle node", "MiB", 1, memory).against("this program before it does anything", b.floor["memory"]).atMost(60)
	b.add("processor time of an idle node", "% of a core", 1, processor)
	return nil
}

func mebibytes(n int64) float64 { return float64(n) / (1 << 20) }

// usage asks the kernel what every running node has used so far, by name.
func (w *Network) usage() (map[string]usage, error) {
	all := map[string]usage{}
	for _, p := range w.Parties {
		for _, n := range p.Nodes {
			if pid := n.PID(); pid != 0 {
				u, err := usageOf(pid)
				if err != nil {
					return nil, fmt.Errorf("node %s: %w", n.Name, err)
				}
				all[n.Name] = u
			}
		}
	}
	return all, nil
}
