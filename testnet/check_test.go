package testnet_test

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"example.org/hotline/hotline"
	"example.org/hotline/testnet"
)

// TestCheckersFindWhatIsWrong defends the checkers, on which every trial of a promise rests: each finds what it is there for in the logs of
// the story once they are doctored, and nothing in the logs as they are.
func TestCheckersFindWhatIsWrong(t *testing.T) {
	t.Parallel() // it waits for clocks most of the time
	if testing.Short() {
		t.Skip("runs a story")
	}
	w := up(t, 2, 1)
	run(t, w, "")
	for _, c := range []struct {
		name, want string
		doctor     func(testnet.Logs)
	}{
		{"nothing", "", func(testnet.Logs) {}},
		{"a statement twice", "came before", func(l testnet.Logs) { l["XB"] = append(l["XB"], *find[*hotline.Received](l["XB"])) }},
		{"a number used twice", "is used up", func(l testnet.Logs) { l["XA"] = append(l["XA"], *findSent(l["XA"])) }},
		{"the end of the log lost", "what was receipted is lost", func(l testnet.Logs) { l["XB"] = l["XB"][:find[*hotline.Received](l["XB"]).Index] }},
		{"another entry under the receipt", "no statement of a peer", func(l testnet.Logs) {
			find[*hotline.Received](l["XB"]).Content = &hotline.Clock{}
		}},
		{"a receipt twice", "again", func(l testnet.Logs) { l["XA"] = append(l["XA"], *find[*hotline.Receipted](l["XA"])) }},
		{"a clock twice", "fires the clock", func(l testnet.Logs) { l["XB"] = append(l["XB"], *find[*hotline.Due](l["XB"])) }},
		{"a clock early", "too early", func(l testnet.Logs) {
			e := find[*hotline.Due](l["XB"])
			e.Entry.Time = e.Content.(*hotline.Due).Due - 1
		}},
		{"time falls", "the one before", func(l testnet.Logs) { l["XA"][len(l["XA"])-1].Entry.Time = 1 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := read(t, w)
			c.doctor(l)
			err := l.Check()
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("want %q, the checkers say: %v", c.want, err)
			}
		})
	}
	l := read(t, w)
	if err := testnet.CheckAgreement(l["XA"], l["XA"][:3]); err != nil {
		t.Errorf("the beginning of a log differs from it: %v", err)
	}
	if testnet.CheckAgreement(l["XA"], l["XB"]) == nil {
		t.Error("two logs agree that are not the same")
	}
}

// read exports every log.
func read(t *testing.T, w *testnet.Network) testnet.Logs {
	t.Helper()
	l := testnet.Logs{}
	for _, p := range w.Parties {
		entries, err := p.Export(context.Background(), filepath.Join(t.TempDir(), string(p.Code)))
		if err == nil {
			l[p.Code], err = testnet.ReadLog(entries)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return l
}

// find returns the first entry with one kind of content.
func find[C any](log []testnet.Logged) *testnet.Logged {
	for i := range log {
		if _, ok := log[i].Content.(C); ok {
			return &log[i]
		}
	}
	return nil
}

// findSent returns the first own statement that went to somebody.
func findSent(log []testnet.Logged) *testnet.Logged {
	for i := range log {
		if s, ok := log[i].Content.(*hotline.Sent); ok && len(s.Sequences) > 0 {
			return &log[i]
		}
	}
	return nil
}
