package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"example.org/hotline/crypto/tlog"
	"example.org/hotline/hotline"
	"example.org/hotline/hotline/audit"
	"example.org/hotline/hotline/hotlinetest"
	"example.org/hotline/hotline/ledger"
)

// Promise: what an auditor types is answered as the scripts in testdata/story say, over
// the logs of one story.
func TestScriptsOfTheStory(t *testing.T) {
	story := t.TempDir()
	incident := tell(t, story)
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "story"),
		Setup: func(env *testscript.Env) error {
			env.Setenv("STORY", story)
			env.Setenv("CASE", incident.String())
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits},
	})
}

// Promise: verdicts --json and cross --json print one JSON object: the report, and
// the duties or what one side does not show; json prints all of them as one.
func TestJSONOfDutiesAndSides(t *testing.T) {
	story := t.TempDir()
	tell(t, story)
	decode := func(to any, args ...string) {
		t.Helper()
		_, out, errs := call(args...)
		d := json.NewDecoder(strings.NewReader(out))
		d.DisallowUnknownFields()
		if err := d.Decode(to); err != nil || errs != "" {
			t.Fatalf("%v, %q in %s", err, errs, out)
		}
	}
	var duties struct {
		audit.Report
		Verdicts []audit.Verdict `json:"verdicts"`
	}
	decode(&duties, "verdicts", "--json", filepath.Join(story, "XA"), filepath.Join(story, "XB"))
	if len(duties.Logs) != 2 || len(duties.Verdicts) != 9 || duties.Report.Provable.Notifications != 1 {
		t.Errorf("%d logs, %d verdicts, %+v", len(duties.Logs), len(duties.Verdicts), duties.Report.Provable)
	}
	var sides struct {
		audit.Report
		Gaps []audit.Gap `json:"gaps"`
	}
	decode(&sides, "cross", "--json", filepath.Join(story, "XA"), filepath.Join(story, "XB-bare"))
	if len(sides.Exchanges) != 2 || len(sides.Gaps) == 0 || sides.Gaps[0].State != audit.LeftOut || sides.Gaps[0].Text == "" {
		t.Errorf("%+v, %+v", sides.Exchanges, sides.Gaps)
	}
	var all struct{ Replay, Verdicts, Cross, Stats json.RawMessage }
	decode(&all, "json", filepath.Join(story, "XA"), filepath.Join(story, "XB-bare"))
	if len(all.Replay) == 0 || len(all.Verdicts) == 0 {
		t.Error("json leaves out the report, or the duties")
	}
	for verb, part := range map[string]json.RawMessage{"cross": all.Cross, "stats": all.Stats} {
		_, alone, _ := call(verb, "--json", filepath.Join(story, "XA"), filepath.Join(story, "XB-bare"))
		if !bytes.Equal(bytes.TrimSpace(part), bytes.TrimSpace([]byte(alone))) {
			t.Errorf("the part %s is not what %s --json prints", verb, verb)
		}
	}
}

// party is a ledger that runs in memory, and what it logged.
type party struct {
	*hotlinetest.Party
	t       *testing.T
	now     *hotline.Time
	state   *ledger.State
	entries [][]byte
	seeds   uint64
}

func (p *party) do(c *ledger.Command) *ledger.Result {
	p.t.Helper()
	p.seeds++
	seed := sha256.Sum256(binary.BigEndian.AppendUint64([]byte(p.Code), p.seeds))
	c.Time, c.Seed = *p.now, seed[:]
	if p.state.Self() != "" && p.state.NeedsReadings(c.Time) {
		c.Readings = []hotline.Reading{{Node: p.Name("1"), Time: c.Time}}
	}
	r := p.state.Apply(c)
	if r.Code != "" {
		p.t.Fatalf("%s: %s: %s", p.Code, r.Code, r.Text)
	}
	p.entries = append(p.entries, r.Entries...)
	return r
}

// submit logs an own statement, and returns it with its place.
func (p *party) submit(st *hotline.Statement) (*hotline.Statement, *ledger.Result) {
	p.t.Helper()
	return st, p.do(&ledger.Command{Type: ledger.Submit, Statement: st.Raw})
}

// send brings a statement to q, and the receipt back. It returns the entry of q.
func (p *party) send(q *party, st *hotline.Statement, placed *ledger.Result) (index uint64) {
	p.t.Helper()
	sent := placed.Content.(*hotline.Sent)
	sender := hotline.SenderEntryOf(p.entry(placed.Index), sent)
	tender := p.prove(placed, hotline.Claims{Statement: st.ID, Time: placed.Entry.Time, Voters: sent.Voters})
	r := q.do(&ledger.Command{Type: ledger.Receive, Statement: st.Raw, Sender: hotline.MustMarshal(sender), Tender: tender})
	received, entry := r.Content.(*hotline.Received), q.entry(r.Index)
	receipt := q.prove(r, hotline.Claims{Statement: st.ID, Time: entry.Time, Voters: received.Voters, Of: &hotline.Of{
		Party: p.Code, Generation: 1, Index: placed.Index, Sequence: sent.SequenceFor(q.Code), Salt: entry.Salt, Marks: received.Marks}})
	p.do(&ledger.Command{Type: ledger.Receipt, Receipt: receipt, Tender: tender})
	return r.Index
}

func (p *party) entry(index uint64) *hotline.Entry {
	p.t.Helper()
	e, _, err := hotline.DecodeEntry(p.entries[index])
	if err != nil {
		p.t.Fatal(err)
	}
	return e
}

func (p *party) prove(r *ledger.Result, c hotline.Claims) []byte {
	p.t.Helper()
	c.Party, c.Generation, c.Index = p.Code, 1, r.Index
	b, err := hotline.SignReceipt(c, p.state.ConventionID(), r.Root, r.Path, p.Log)
	if err != nil {
		p.t.Fatal(err)
	}
	return b
}

// write exports a log of these entries, signed by the party.
func (p *party) write(dir string, entries [][]byte) {
	p.t.Helper()
	store, err := tlog.Open(p.t.TempDir())
	if err != nil {
		p.t.Fatal(err)
	}
	defer store.Close()
	if err := store.Append(entries...); err != nil {
		p.t.Fatal(err)
	}
	head, err := tlog.SignCheckpoint(tlog.Checkpoint{Origin: tlog.Origin(string(p.Code), 1), Size: store.Size(), Root: store.Root()}, p.Log)
	if err == nil {
		err = audit.WriteFull(dir, store, head, nil)
	}
	if err != nil {
		p.t.Fatal(err)
	}
}

// tell writes the logs XA and XB of one story to dir: an alert that is late,
// acknowledged in time; beside them XB-bare, in which XB left out what it
// receipted, XB-short, which ends before it said anything, and pair exports.
func tell(t *testing.T, dir string) (incident hotline.CaseID) {
	now := hotlinetest.Epoch
	a := &party{Party: hotlinetest.NewParty("XA", "script"), t: t, now: &now, state: ledger.New()}
	b := &party{Party: hotlinetest.NewParty("XB", "script"), t: t, now: &now, state: ledger.New()}
	terms := hotlinetest.Terms("crisis")
	terms.LineTest = 0
	c := hotlinetest.Convention(terms, a.Party, b.Party)
	for _, p := range []*party{a, b} {
		p.do(&ledger.Command{Type: ledger.Genesis, Genesis: &hotline.Genesis{Party: p.Code, Generation: 1, Convention: c.ID, Rules: 1}})
		p.do(&ledger.Command{Type: ledger.Members, Voters: []string{p.Name("1")}})
		for _, raw := range [][]byte{c.Raw, a.Directory(1).Raw, b.Directory(1).Raw} {
			p.do(&ledger.Command{Type: ledger.Document, Document: raw})
		}
	}
	const minute = 60_000
	d, _ := a.submit(a.Detection(now))
	now += 61 * minute
	a.do(&ledger.Command{Type: ledger.Tick})
	as, _ := a.submit(a.Assessment(now, d, []hotline.Party{"XB"}))
	alert, placed := a.submit(a.Alert(now, as, []hotline.Party{"XB"}))
	bare := a.send(b, alert, placed)
	short := len(b.entries)
	now += minute
	ack, placed := b.submit(b.Acknowledgement(now, alert))
	b.send(a, ack, placed)
	now += minute
	a.do(&ledger.Command{Type: ledger.Tick})
	a.write(filepath.Join(dir, "XA"), a.entries)
	b.write(filepath.Join(dir, "XB"), b.entries)
	b.write(filepath.Join(dir, "XB-short"), b.entries[:short])
	left := append([][]byte(nil), b.entries...)
	left[bare] = left[bare-1]
	b.write(filepath.Join(dir, "XB-bare"), left)
	for _, p := range [][2]string{{"XA", "XB"}, {"XB", "XA"}} {
		if err := audit.WritePair(filepath.Join(dir, p[0]), filepath.Join(dir, p[0]+"-pair"), hotline.Party(p[1])); err != nil {
			t.Fatal(err)
		}
	}
	return hotlinetest.CaseOf(d)
}
