package testnet_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"example.org/hotline/testnet"
)

// benchFigures are the names that whoever compares two runs relies on. Those of a load stand for all four loads.
var benchFigures = []string{
	"floor: memory", "floor: append and fdatasync", "floor: Ed25519 sign", "floor: Ed25519 verify", "floor: UDP round trip",
	"floor: QUIC round trip", "floor: QUIC round trip of two processes at rest", "floor: Ed25519 verify on all cores", "floor: start of a process",
	"3+3 processes, Raft and QUIC alone, 1 outstanding: submit to settled, p50", "3+3 processes, Raft and QUIC alone, 1 outstanding: throughput",
	"3+3 processes, Raft and QUIC alone, 1 outstanding: processor time of all nodes a statement",
	"3+3 processes, Raft and QUIC alone, 256 outstanding: submit to settled, p50", "3+3 processes, Raft and QUIC alone, 256 outstanding: throughput",
	"3+3 processes, Raft and QUIC alone, 256 outstanding: processor time of all nodes a statement",
	"3+3 nodes, 1 outstanding: the same p50 beside Raft and QUIC alone",
	"memory of an idle node", "processor time of an idle node",
	"audit: signatures verified", "audit: entries replayed", "audit: memory, with that of the bench itself",
	"failover: kill -9 of the leader to the next commit", "failover: the same, p99",
	"failover: a request made at that moment, until its answer",
	"60 entries: snapshot", "200 entries: snapshot",
	"60 entries: restart until the node accepts connections", "200 entries: restart until the node accepts connections",
	"60 entries: reading the tile edge", "200 entries: reading the tile edge",
	"60 entries: restart until it leads and answers", "200 entries: restart until it leads and answers",
	"60 entries: memory after the restart", "200 entries: memory after the restart",
}

var loadFigures = []string{
	"submit to accepted, p50", "submit to settled, p50", "submit to settled, p99", "throughput",
	"processor time of all nodes a statement", "processor time of sender's leader a statement", "processor time of receiver's leader a statement",
	"wire a statement", "written a statement", "dirtied a statement",
}

func expectedFigures() []string {
	names := benchFigures
	for _, load := range []string{"3+3 nodes, 1 outstanding: ", "3+3 nodes, 256 outstanding: ", "1+1 nodes, 1 outstanding: ", "1+1 nodes, 256 outstanding: "} {
		for _, f := range loadFigures {
			names = append(names, load+f)
		}
		if strings.HasPrefix(load, "3+3") {
			names = append(names, load+"processor time of sender's followers a statement", load+"processor time of receiver's followers a statement")
		}
		if strings.Contains(load, "256") {
			names = append(names, load+"memory of a busy node, peak")
		} else {
			names = append(names, load+"the same p50 beside processes at rest")
		}
	}
	return names
}

// benched is the JSON object as readers see it, written down once more: a name that changes is noticed here.
type benched struct {
	Cores     int  `json:"cores"`
	Repeats   int  `json:"repeats"`
	Quick     bool `json:"quick"`
	Statement int  `json:"statement_bytes"`
	Figures   []struct {
		Name    string  `json:"name"`
		Unit    string  `json:"unit"`
		Median  float64 `json:"median"`
		Min     float64 `json:"min"`
		Max     float64 `json:"max"`
		Samples int     `json:"samples"`
		Floor   float64 `json:"floor"`
		On      string  `json:"on"`
		Ratio   float64 `json:"ratio"`
		Promise *struct {
			Of    string  `json:"of"`
			Most  float64 `json:"at_most"`
			Least float64 `json:"at_least"`
			Kept  bool    `json:"kept"`
		} `json:"promise"`
	} `json:"figures"`
	Notes []string `json:"notes"`
}

// TestBenchTakesEveryFigure defends whoever reads a bench: no figure is missing, every one was measured, and each ratio is that of its own
// floor. What the figures are is no matter here: the counts are tiny and the machine has other work.
func TestBenchTakesEveryFigure(t *testing.T) {
	if testing.Short() || runtime.GOOS != "linux" {
		t.Skip("starts seventeen processes, and reads /proc")
	}
	r, err := testnet.Bench(t.Context(), testnet.BenchOptions{Dir: filepath.Join(t.TempDir(), "bench"), Quick: true, Repeats: 1})
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var seen benched
	if err := json.Unmarshal(text, &seen); err != nil {
		t.Fatal(err)
	}
	if seen.Cores < 1 || seen.Repeats != 1 || !seen.Quick || seen.Statement < 600 || len(seen.Notes) == 0 {
		t.Errorf("the head of the report is %+v", seen)
	}
	checkFigures(t, &seen)
	var table bytes.Buffer
	if err := r.WriteTable(&table); err != nil {
		t.Fatal(err)
	}
	for _, f := range seen.Figures {
		if !strings.Contains(table.String(), "\n"+f.Name+" ") {
			t.Errorf("the table lacks %q", f.Name)
		}
	}
	if !strings.Contains(table.String(), "far too small") {
		t.Error("the table of a quick run does not say that it means nothing")
	}
}

func checkFigures(t *testing.T, r *benched) {
	t.Helper()
	missing := map[string]bool{}
	for _, name := range expectedFigures() {
		missing[name] = true
	}
	promises := 0
	for _, f := range r.Figures {
		if !missing[f.Name] {
			t.Errorf("figure %q is told twice, or nobody expects it", f.Name)
		}
		delete(missing, f.Name)
		inMemory := strings.HasSuffix(f.Name, "dirtied a statement") && f.Median == 0 // no disk lies behind the files
		if (f.Min <= 0 || f.Median < f.Min || f.Max < f.Median || f.Samples < 1 || f.Unit == "") && !inMemory {
			t.Errorf("%+v was not measured", f)
		}
		if f.On != "" && (f.Floor <= 0 || !near(f.Ratio, f.Median/f.Floor) && !near(f.Ratio, f.Floor/f.Median)) {
			t.Errorf("%+v: the ratio is not that to its floor", f)
		}
		if p := f.Promise; p != nil {
			promises++
			value := map[string]float64{"ratio": f.Ratio, "median": f.Median}[p.Of]
			if value == 0 || (p.Most > 0) == (p.Least > 0) || p.Kept != (value >= p.Least && (p.Most == 0 || value <= p.Most)) {
				t.Errorf("%s: promise %+v of %v", f.Name, *p, value)
			}
		}
	}
	for name := range missing {
		t.Errorf("no figure %q", name)
	}
	if promises != 9 { // latency, throughput, idle memory, audit and its memory, failover, three of the long log
		t.Errorf("%d promises are held against figures, want 9", promises)
	}
}

func near(a, b float64) bool { return a > 0.999*b && a < 1.001*b }

// TestBenchSections defends a run of a part: it measures that part, and refuses a name that is none before it measures anything.
func TestBenchSections(t *testing.T) {
	if _, err := testnet.Bench(t.Context(), testnet.BenchOptions{Dir: t.TempDir(), Only: []string{"speed"}}); err == nil || !strings.Contains(err.Error(), `"speed" is no section`) {
		t.Errorf("a section that is none: %v", err)
	}
	if testing.Short() || runtime.GOOS != "linux" {
		t.Skip("starts a process, and reads /proc")
	}
	dir := filepath.Join(t.TempDir(), "bench")
	r, err := testnet.Bench(t.Context(), testnet.BenchOptions{Dir: dir, Only: []string{"restart"}, Quick: true, Repeats: 1})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range r.Figures {
		if !strings.HasPrefix(f.Name, "floor: ") && !strings.Contains(f.Name, " entries: ") {
			t.Errorf("restart alone was asked for, and %q was measured", f.Name)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "groups")); err == nil {
		t.Error("restart alone was asked for, and groups were made")
	}
}
