package testnet_test

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"example.org/hotline/testnet"
)

// TestMain lets the test's own executable be the process of a node, or of a network that is to be killed.
func TestMain(m *testing.M) {
	roles := map[string]func(string) error{"node": testnet.RunNode, testnet.EchoRole: testnet.RunEcho, testnet.BareRole: testnet.RunBare, hold: holdNetwork}
	if len(os.Args) == 3 && roles[os.Args[1]] != nil {
		if err := roles[os.Args[1]](os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// up makes a network that runs and is ready.
func up(t *testing.T, parties, nodes int) *testnet.Network {
	t.Helper()
	w, err := testnet.New(testnet.Options{Dir: t.TempDir(), Parties: parties, Nodes: nodes, Terms: testnet.DemoTerms(),
		Territory: slices.Concat(testnet.SampleTerritory, testnet.FeedTerritory)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(w.Tails())
		}
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := w.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := w.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	return w
}

// run tells the story and returns the report as whoever reads its JSON sees it.
func run(t *testing.T, w *testnet.Network, detections string) *report {
	t.Helper()
	told := 0
	r, err := w.Run(t.Context(), testnet.Story{Detections: detections, Begin: time.Now(), Tell: func(testnet.Step) { told++ }})
	if err != nil {
		t.Fatal(err)
	}
	if told == 0 || told != len(r.Steps) {
		t.Errorf("%d steps were told, %d are in the report", told, len(r.Steps))
	}
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	seen := new(report)
	if err := json.Unmarshal(text, seen); err != nil {
		t.Fatal(err)
	}
	return seen
}

// report is the JSON object as the README documents it, written down once more: a name that changes is noticed here.
type report struct {
	Parties []struct {
		Party    string   `json:"party"`
		Officers []string `json:"officers"`
		Size     uint64   `json:"size"`
		Root     string   `json:"root"`
		Export   string   `json:"export"`
	} `json:"parties"`
	Nodes []struct {
		Node    string `json:"node"`
		Party   string `json:"party"`
		Address string `json:"address"`
	} `json:"nodes"`
	Hits []struct {
		From       []string `json:"from"`
		Count      int      `json:"count"`
		Flows      []uint64 `json:"flows"`
		Known      bool     `json:"destination_known"`
		Signatures []string `json:"signatures"`
		Conclusion string   `json:"conclusion"`
	} `json:"hits"`
	Statements []struct {
		ID           string `json:"id"`
		Kind         string `json:"kind"`
		From         string `json:"from"`
		To           string `json:"to"`
		Tendered     int64  `json:"tendered"`
		Received     int64  `json:"received"`
		Acknowledged int64  `json:"acknowledged"`
	} `json:"statements"`
	Rungs []struct {
		Party  string `json:"party"`
		Duty   string `json:"duty"`
		Office string `json:"office"`
	} `json:"rungs"`
	Observations []struct {
		Class string `json:"class"`
		Code  string `json:"code"`
		Party string `json:"party"`
		Entry uint64 `json:"entry"`
	} `json:"observations"`
	Exit int `json:"audit_exit"`
}

// TestStoryLeavesExactlyItsLapses defends the first thing that anybody runs: three parties of real processes warn each other, and what
// the auditor observes is the two lapses of the story, each in the log of whoever lapsed.
func TestStoryLeavesExactlyItsLapses(t *testing.T) {
	t.Parallel() // it waits for clocks most of the time
	if testing.Short() {
		t.Skip("starts nine processes for half a minute")
	}
	r := run(t, up(t, 3, 3), "")
	if len(r.Parties) != 3 || len(r.Nodes) != 9 {
		t.Errorf("%d parties and %d nodes, want 3 and 9", len(r.Parties), len(r.Nodes))
	}
	var lapses []string
	for _, o := range r.Observations {
		if o.Entry == 0 {
			t.Errorf("observation %+v names no entry", o)
		}
		lapses = append(lapses, o.Class+" "+o.Code+" "+o.Party)
	}
	if want := []string{"terms alert-overdue XA", "terms acknowledge-overdue XB"}; !slices.Equal(lapses, want) || r.Exit != 1 {
		t.Errorf("observed %q and exit %d, want %q and 1", lapses, r.Exit, want)
	}
	otherVerifier(t, r)
	checkStatements(t, r)
	var rungs []string
	for _, g := range r.Rungs {
		rungs = append(rungs, g.Party+" "+g.Duty+" "+g.Office)
	}
	for _, want := range []string{"XB acknowledge desk", "XB acknowledge deputy", "XB acknowledge second-site", "XB acknowledge director",
		"XA await-acknowledgement director", "XA alert reminder", "XA alert deputy", "XA alert director"} {
		if !slices.Contains(rungs, want) {
			t.Errorf("rung %q was not climbed: %q", want, rungs)
		}
	}
}

// checkStatements holds the statements of the story to their kinds and times.
func checkStatements(t *testing.T, r *report) {
	t.Helper()
	kinds := map[string]int{}
	for _, s := range r.Statements {
		line := strings.HasPrefix(s.Kind, "line-")
		if !line { // as many tests as there was time for
			kinds[s.Kind+" "+s.From+" "+s.To]++
		}
		if len(s.ID) != 64 || s.Tendered == 0 {
			t.Errorf("statement %+v has no id or was not tendered", s)
		}
		if s.To != "" && s.Received < s.Tendered && !(line && s.Received == 0) { // a line test may be on its way when logs are exported
			t.Errorf("%s of %s was received at %d, tendered at %d", s.Kind, s.From, s.Received, s.Tendered)
		}
		owes := s.Kind == "alert" || s.Kind == "automatic-alert"
		if owes != (s.Acknowledged >= max(s.Received, 1)) {
			t.Errorf("%s of %s was received at %d, acknowledged at %d", s.Kind, s.From, s.Received, s.Acknowledged)
		}
		if line && s.Received != 0 {
			kinds[s.Kind] = 1
		}
	}
	want := map[string]int{"detection XA ": 3, "assessment XA ": 3, "alert XA XB": 2, "automatic-alert XA XB": 1, "escalation XB XA": 1,
		"acknowledgement XB XA": 3, "line-test": 1, "line-reply": 1}
	if fmt.Sprint(kinds) != fmt.Sprint(want) {
		t.Errorf("statements %v, want %v", kinds, want)
	}
}

// TestRecordedFeedLeadsToItsConclusions defends the reading of a real sensor's feed: what was recorded leads to the conclusions that are
// written down beside it, by way of the whole network. Two parties of one node are enough for that.
func TestRecordedFeedLeadsToItsConclusions(t *testing.T) {
	t.Parallel() // it waits for clocks most of the time
	const feed = "../../shared/data/detections/suricata-eve.ndjson"
	if _, err := os.Stat(feed); err != nil {
		if os.Getenv("HOTLINE_SHARED_REQUIRED") != "" {
			t.Fatal(err)
		}
		t.Skipf("the recorded feed is not beside this repository: %v", err)
	}
	if testing.Short() {
		t.Skip("starts processes for half a minute")
	}
	r := run(t, up(t, 2, 1), feed)
	want := []struct {
		flow       uint64
		from       string
		known      bool
		count      int
		rules      int
		conclusion string
	}{
		{52710912, "8.42.77.171", true, 7, 7, "can be looked up"},
		{53054304, "92.63.194.33", true, 1, 2, "weak"},
		{1829127292340180, "54.235.163.229", false, 1, 1, "sensor's location must be declared"},
	}
	for _, c := range want {
		n := 0
		for _, h := range r.Hits {
			if !slices.Contains(h.Flows, c.flow) {
				continue
			}
			n++
			if !slices.Equal(h.From, []string{c.from}) || h.Known != c.known || h.Count != c.count || len(h.Signatures) != c.rules ||
				!strings.Contains(h.Conclusion, c.conclusion) {
				t.Errorf("flow %d: %+v, want %+v", c.flow, h, c)
			}
		}
		if n != 1 {
			t.Errorf("flow %d stands in %d hits, want 1", c.flow, n)
		}
	}
	if strong := r.Hits[0]; !slices.Contains(strong.Flows, want[0].flow) {
		t.Errorf("the strongest hit is %+v, want the sweep", strong)
	}
}
