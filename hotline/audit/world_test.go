package audit

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"example.org/hotline/crypto/tlog"
	"example.org/hotline/hotline"
	"example.org/hotline/hotline/hotlinetest"
	"example.org/hotline/hotline/ledger"
)

// sweep leaves out with -short what goes through many logs, or long ones, in one goroutine after another.
func sweep(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("many logs, or long ones")
	}
}

const minute = hotline.Time(60_000)

// world is a few parties whose ledgers run in memory: a test moves time and
// statements between them by hand.
type world struct {
	t       testing.TB
	now     hotline.Time
	parties map[hotline.Party]*peer
	wakes   bool // people are woken over channels, and that is recorded
}

// peer is one party's ledger with what it logged.
type peer struct {
	*hotlinetest.Party
	w       *world
	state   *ledger.State
	entries [][]byte
	results map[hotline.ID]*ledger.Result // of placed statements, by id
	seeds   uint64
	mute    bool // no majority of clocks can be read
}

// terms are those of the crisis profile without line tests.
func terms() hotline.Terms {
	t := hotlinetest.Terms("crisis")
	t.LineTest = 0
	return t
}

func newWorld(t testing.TB, terms hotline.Terms, codes ...hotline.Party) *world {
	t.Helper()
	return newObserved(t, terms, nil, codes...)
}

// newObserved is a world in which some parties only observe.
func newObserved(t testing.TB, terms hotline.Terms, observers []hotline.Party, codes ...hotline.Party) *world {
	t.Helper()
	w := &world{t: t, now: hotlinetest.Epoch + 24*60*minute, parties: map[hotline.Party]*peer{}}
	var all []*hotlinetest.Party
	for _, code := range codes {
		p := hotlinetest.NewParty(code, "audit")
		all = append(all, p)
		w.parties[code] = &peer{Party: p, w: w, state: ledger.New(), results: map[hotline.ID]*ledger.Result{}}
	}
	c := hotlinetest.Observed(terms, observers, all...)
	for _, code := range codes {
		p := w.parties[code]
		p.do(&ledger.Command{Type: ledger.Genesis, Genesis: &hotline.Genesis{Party: code, Generation: 1, Convention: c.ID, Rules: 1}})
		p.do(&ledger.Command{Type: ledger.Members, Voters: []string{p.Name("1"), p.Name("2"), p.Name("3")}})
		p.do(&ledger.Command{Type: ledger.Document, Document: c.Raw})
		for _, q := range all {
			p.do(&ledger.Command{Type: ledger.Document, Document: q.Directory(1).Raw})
		}
	}
	return w
}

func (w *world) at(code hotline.Party) *peer { return w.parties[code] }

// pass moves the time.
func (w *world) pass(d hotline.Time) { w.now += d }

// apply gives a command the time and the readings that it needs.
func (p *peer) apply(c *ledger.Command) *ledger.Result {
	p.w.t.Helper()
	p.seeds++
	seed := sha256.Sum256(binary.BigEndian.AppendUint64([]byte(p.Code), p.seeds))
	c.Time, c.Seed = p.w.now, seed[:]
	if p.state.Self() != "" && p.state.NeedsReadings(c.Time) && !p.mute {
		for _, v := range p.state.Voters() {
			c.Readings = append(c.Readings, hotline.Reading{Node: v, Time: c.Time})
		}
	}
	if err := p.state.Verify(c, ledger.OwnFrom(func(i uint64) ([]byte, error) { return p.entries[i], nil })); err != nil {
		p.w.t.Fatalf("%s: verify: %v", p.Code, err)
	}
	r := p.state.Apply(c)
	p.entries = append(p.entries, r.Entries...)
	return r
}

func (p *peer) do(c *ledger.Command) *ledger.Result {
	p.w.t.Helper()
	r := p.apply(c)
	if r.Code != "" {
		p.w.t.Fatalf("%s: command %d refused: %s: %s", p.Code, c.Type, r.Code, r.Text)
	}
	if p.w.wakes && c.Type != ledger.Paged {
		p.wake()
	}
	return r
}

// submit logs an own statement.
func (p *peer) submit(st *hotline.Statement) *hotline.Statement {
	p.w.t.Helper()
	p.results[st.ID] = p.do(&ledger.Command{Type: ledger.Submit, Statement: st.Raw})
	return st
}

// tick lets clocks fire, and lets the group compose what was asked for.
func (p *peer) tick() {
	p.w.t.Helper()
	p.do(&ledger.Command{Type: ledger.Tick})
	p.compose()
}

// compose submits what the ledger asks the group for.
func (p *peer) compose() {
	p.w.t.Helper()
	for _, a := range p.state.Asks(p.state.Time()) {
		p.submit(p.answer(a))
	}
}

func (p *peer) answer(a *ledger.Ask) *hotline.Statement {
	options := []hotlinetest.Option{hotlinetest.Status(a.Status), hotlinetest.Precedence(a.Precedence), hotlinetest.Cause(a.Cause + 1)}
	if len(a.To) > 0 {
		options = append(options, hotlinetest.To(a.To...))
	}
	if a.Case != nil {
		options = append(options, hotlinetest.In(*a.Case))
	}
	if !a.Re.IsZero() {
		options = append(options, hotlinetest.Re(a.Re))
	}
	if a.Reason != "" {
		options = append(options, hotlinetest.Reason(a.Reason))
	}
	var body hotline.Body
	switch a.Kind {
	case hotline.KindEscalation:
		body = &hotline.Escalation{Due: a.Due, Office: a.Office}
	case hotline.KindNonDelivery:
		body = &hotline.NonDelivery{To: a.Peer, Due: a.Due}
	case hotline.KindReject:
		body = &hotline.Reject{Sequence: a.Sequence}
	case hotline.KindLineTest, hotline.KindLineReply, hotline.KindWatchTest:
		body = &hotline.LineTest{Serial: 1, Node: p.Name("1")}
	case hotline.KindAutomaticAlert:
		_, content, err := hotline.DecodeEntry(p.entries[a.Source])
		if err != nil {
			p.w.t.Fatal(err)
		}
		body = &hotline.AutomaticAlert{Assessment: content.(*hotline.Sent).Statement}
	default:
		p.w.t.Fatalf("%s: asked for a %s", p.Code, a.Kind)
	}
	return p.ByGroup(p.Header(a.Kind, p.w.now, options...), body)
}

// tendered makes what travels with a statement.
func (p *peer) tendered(st *hotline.Statement) (sender, tender []byte) {
	p.w.t.Helper()
	r := p.results[st.ID]
	e, content, err := hotline.DecodeEntry(p.entries[r.Index])
	if err != nil {
		p.w.t.Fatal(err)
	}
	sent := content.(*hotline.Sent)
	return hotline.MustMarshal(hotline.SenderEntryOf(e, sent)),
		p.prove(r, hotline.Claims{Statement: st.ID, Time: e.Time, Voters: sent.Voters})
}

func (p *peer) prove(r *ledger.Result, c hotline.Claims) []byte {
	p.w.t.Helper()
	c.Party, c.Generation, c.Index = p.Code, 1, r.Index
	b, err := hotline.SignReceipt(c, p.state.ConventionID(), r.Root, r.Path, p.Log)
	if err != nil {
		p.w.t.Fatal(err)
	}
	return b
}

// deliver brings a statement to a peer, and returns its receipt, nil if it was
// rejected. The receipt is not yet logged by the sender.
func (p *peer) deliver(st *hotline.Statement, to hotline.Party) (receipt, tender []byte) {
	p.w.t.Helper()
	q := p.w.at(to)
	sender, tender := p.tendered(st)
	r := q.do(&ledger.Command{Type: ledger.Receive, Statement: st.Raw, Sender: sender, Tender: tender})
	if r.Reject != "" {
		return nil, tender
	}
	e, content, err := hotline.DecodeEntry(q.entries[r.Index])
	if err != nil {
		p.w.t.Fatal(err)
	}
	x := content.(*hotline.Received)
	s, err := hotline.ParseSenderEntry(sender)
	if err != nil {
		p.w.t.Fatal(err)
	}
	return q.prove(r, hotline.Claims{Statement: st.ID, Time: e.Time, Voters: x.Voters, Of: &hotline.Of{
		Party: p.Code, Generation: 1, Index: p.results[st.ID].Index, Sequence: s.Sent.SequenceFor(to), Salt: e.Salt, Marks: x.Marks}}), tender
}

// send delivers a statement and logs the receipt.
func (p *peer) send(st *hotline.Statement, to ...hotline.Party) {
	p.w.t.Helper()
	for _, q := range to {
		receipt, tender := p.deliver(st, q)
		if receipt != nil {
			p.do(&ledger.Command{Type: ledger.Receipt, Receipt: receipt, Tender: tender})
		}
	}
}

// acknowledge answers a statement as a liaison officer, and delivers the answer.
func (p *peer) acknowledge(st *hotline.Statement) {
	p.w.t.Helper()
	ack := p.submit(p.Acknowledgement(p.w.now, st))
	p.send(ack, st.Header.From)
}

// checkpoint signs the head of a log with these entries.
func (p *peer) checkpoint(entries [][]byte) []byte {
	p.w.t.Helper()
	var tree tlog.Frontier
	for _, e := range entries {
		tree.Append(tlog.LeafHash(e))
	}
	b, err := tlog.SignCheckpoint(tlog.Checkpoint{Origin: tlog.Origin(string(p.Code), 1), Size: tree.Size, Root: tree.Root()}, p.Log)
	if err != nil {
		p.w.t.Fatal(err)
	}
	return b
}

// export writes the party's log.
func (p *peer) export() string {
	p.w.t.Helper()
	return p.exportOf(p.entries)
}

// exportOf writes a log of any entries, signed by the party all the same.
func (p *peer) exportOf(entries [][]byte) string {
	p.w.t.Helper()
	dir := filepath.Join(p.w.t.TempDir(), "full-"+string(p.Code))
	store := openStore(p.w.t, p.w.t.TempDir())
	defer store.Close()
	if err := store.Append(entries...); err != nil {
		p.w.t.Fatal(err)
	}
	if err := WriteFull(dir, store, p.checkpoint(entries), nil); err != nil {
		p.w.t.Fatal(err)
	}
	return dir
}

// pair writes the pair export of the party with another one.
func (p *peer) pair(with hotline.Party) string {
	p.w.t.Helper()
	return pairOf(p.w.t, p.export(), with)
}

func pairOf(t testing.TB, full string, with hotline.Party) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "pair")
	if err := WritePair(full, dir, with); err != nil {
		t.Fatal(err)
	}
	return dir
}

// caseOf writes the case export of an export, of the case to which a statement belongs.
func caseOf(t testing.TB, from string, st *hotline.Statement) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "case")
	if err := WriteCase(from, dir, *st.InCase()); err != nil {
		t.Fatal(err)
	}
	return dir
}

func openStore(t testing.TB, dir string) *tlog.Store {
	t.Helper()
	s, err := tlog.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// audited runs an audit that must be possible.
func audited(t testing.TB, dirs ...string) *Report {
	t.Helper()
	r, err := Replay(context.Background(), dirs, Options{TempDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// found lists observations as code@party, or code@party|other where one of two is meant.
func found(r *Report) []string {
	list := []string{}
	for _, o := range r.Observations {
		list = append(list, fmt.Sprintf("%s@%s", o.Code, o.parties("|")))
	}
	return list
}

func wantFound(t testing.TB, r *Report, want ...string) {
	t.Helper()
	got := found(r)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		for _, o := range r.Observations {
			t.Logf("%+v", o)
		}
		t.Errorf("observed %v, want %v", got, want)
	}
}

func copyDir(t testing.TB, dir string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return to
}
