package ledger_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"reflect"
	"slices"

	"example.org/hotline/crypto/keys"
	"example.org/hotline/hotline"
	"example.org/hotline/hotline/hotlinetest"
	"example.org/hotline/hotline/ledger"
)

// tester is what a world needs of a test: *testing.T, *testing.F and *rapid.T
// are one.
type tester interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
	Fatal(args ...any)
}

// world is one or several parties' ledgers in memory, and what travels between
// them. Every statement is signed for real, and every command is verified
// before it is applied, as a node does.
type world struct {
	t          tester
	now        hotline.Time
	members    map[hotline.Party]*member
	order      []hotline.Party
	convention *hotline.SignedConvention
	names      map[hotline.ID]string
	statements map[string]*hotline.Statement
	documents  map[string][]byte
	counts     map[string]int
	twins      int                                                  // a restored twin follows each so many commands; 0: each
	observe    func(m *member, c *ledger.Command, r *ledger.Result) // of each command applied
}

// member is one party: with a ledger, or with a log that decides nothing and
// says whatever the test wants (rogue).
type member struct {
	*hotlinetest.Party
	state      *ledger.State
	journal    *hotlinetest.Journal
	entries    [][]byte
	commands   int
	generation uint64
	tenders    map[hotline.ID]*parcel
	again      map[string]*parcel // of a rogue: by name, of statements that it logged once more
	receipts   map[hotline.ID][]byte
	sequences  map[hotline.Party]uint64
}

// parcel is what travels with a statement.
type parcel struct{ sender, tender []byte }

// setup says how a world begins.
type setup struct {
	parties []hotline.Party
	rogues  []hotline.Party
	voters  int
	change  func(*hotline.Convention)
	at      hotline.Time
}

func newWorld(t tester, s setup) *world {
	w := &world{t: t, now: s.at, members: map[hotline.Party]*member{}, order: s.parties, names: map[hotline.ID]string{},
		statements: map[string]*hotline.Statement{}, documents: map[string][]byte{}, counts: map[string]int{}}
	var parties []*hotlinetest.Party
	for _, code := range s.parties {
		m := &member{Party: hotlinetest.NewParty(code, "story"), generation: 1, tenders: map[hotline.ID]*parcel{}, again: map[string]*parcel{},
			receipts: map[hotline.ID][]byte{}, sequences: map[hotline.Party]uint64{}}
		w.members[code] = m
		parties = append(parties, m.Party)
	}
	draft := hotlinetest.Draft(hotlinetest.Terms("crisis"), parties...)
	if s.change != nil {
		s.change(draft)
	}
	w.convention = hotlinetest.Amend(nil, draft, parties...)
	w.documents["convention/1"] = w.convention.Raw
	for _, code := range s.parties {
		w.documents[string(code)+"/1"] = w.members[code].Directory(1).Raw
	}
	for _, code := range s.parties {
		w.found(w.members[code], slices.Contains(s.rogues, code), s.voters)
	}
	return w
}

// found makes the first entries of a party's log.
func (w *world) found(m *member, rogue bool, voters int) {
	if rogue {
		m.journal = hotlinetest.NewJournal(m.Party, w.now)
		return
	}
	m.state = ledger.New()
	w.must(m, &ledger.Command{Type: ledger.Genesis, Genesis: &hotline.Genesis{Party: m.Code, Generation: 1,
		Convention: w.convention.ID, Rules: ledger.RulesVersion}})
	w.must(m, &ledger.Command{Type: ledger.Members, Voters: m.nodes(voters)})
	w.must(m, &ledger.Command{Type: ledger.Document, Document: w.convention.Raw})
	for _, code := range w.order {
		w.must(m, &ledger.Command{Type: ledger.Document, Document: w.documents[string(code)+"/1"]})
	}
}

func (m *member) nodes(n int) []string {
	var list []string
	for i := 1; i <= n; i++ {
		list = append(list, m.Name(fmt.Sprint(i)))
	}
	return list
}

func (w *world) must(m *member, c *ledger.Command) *ledger.Result {
	w.t.Helper()
	r, err := w.propose(m, c, false)
	if err != nil || r.Code != "" {
		w.t.Fatalf("%s: command %d: %v %s %s", m.Code, c.Type, err, r.Code, r.Text)
	}
	return r
}

// entry reads an own leaf back, as a node reads it from its files.
func (m *member) entry(i uint64) ([]byte, error) {
	if i >= uint64(len(m.entries)) {
		return nil, fmt.Errorf("there are %d entries", len(m.entries))
	}
	return m.entries[i], nil
}

// propose completes a command as a leader does, verifies it, and applies it to
// the ledger, and also to one that is restored from a snapshot taken just
// before: both must decide the same and come to the same state.
func (w *world) propose(m *member, c *ledger.Command, unverified bool) (*ledger.Result, error) {
	w.t.Helper()
	if c.Time == 0 {
		c.Time = w.now
	}
	m.commands++
	seed := sha256.Sum256(fmt.Appendf(nil, "%s %d", m.Code, m.commands))
	c.Seed = seed[:]
	if c.Readings == nil && m.state.NeedsReadings(c.Time) {
		for _, name := range m.state.Voters() {
			c.Readings = append(c.Readings, hotline.Reading{Node: name, Time: c.Time})
		}
	}
	if !unverified {
		if err := m.state.Verify(c, ledger.OwnFrom(m.entry)); err != nil {
			return &ledger.Result{}, err
		}
	}
	result := w.apply(m, c)
	if result.First != uint64(len(m.entries)) {
		w.t.Fatalf("%s: entries begin at %d, the log has %d", m.Code, result.First, len(m.entries))
	}
	m.entries = append(m.entries, result.Entries...)
	if w.observe != nil {
		w.observe(m, c, result)
	}
	if result.Placed {
		w.prove(m, c, result)
	}
	return result, nil
}

// apply applies a command, and now and then to a twin as well.
func (w *world) apply(m *member, c *ledger.Command) *ledger.Result {
	w.t.Helper()
	if w.twins > 1 && m.commands%w.twins != 0 {
		return m.state.Apply(recoded(w.t, c))
	}
	twin := restored(w.t, m.state)
	result := m.state.Apply(recoded(w.t, c))
	if again := twin.Apply(recoded(w.t, c)); !reflect.DeepEqual(result, again) {
		w.t.Fatalf("%s: a state restored from a snapshot decides otherwise:\n%+v\n%+v", m.Code, result, again)
	}
	if !bytes.Equal(snapshot(w.t, m.state), snapshot(w.t, twin)) {
		w.t.Fatalf("%s: a state restored from a snapshot comes to another state after command %d", m.Code, c.Type)
	}
	return result
}

// recoded sends a command through its encoding, as Raft does.
func recoded(t tester, c *ledger.Command) *ledger.Command {
	t.Helper()
	b, err := hotline.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	d, err := ledger.DecodeCommand(b)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func snapshot(t tester, s *ledger.State) []byte {
	t.Helper()
	b, err := s.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// restored holds the promise of snapshots: restoring gives a state with the
// same snapshot, to the byte.
func restored(t tester, s *ledger.State) *ledger.State {
	t.Helper()
	b := snapshot(t, s)
	twin, err := ledger.RestoreState(b)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b, snapshot(t, twin)) {
		t.Fatal("a restored state has another snapshot")
	}
	if twin.Size() != s.Size() || twin.Root() != s.Root() {
		t.Fatal("a restored state has another size or root")
	}
	return twin
}

// prove makes the tender or receipt of what was placed, as the node does.
func (w *world) prove(m *member, c *ledger.Command, r *ledger.Result) {
	e, content, err := hotline.DecodeEntry(m.entries[r.Index])
	if err != nil {
		w.t.Fatal(err)
	}
	claims := hotline.Claims{Party: m.Code, Generation: m.state.Generation(), Index: r.Index, Time: e.Time}
	switch x := content.(type) {
	case *hotline.Sent:
		claims.Statement, claims.Voters = w.parse(x.Statement).ID, x.Voters
		tender := w.sign(m, claims, r)
		m.tenders[claims.Statement] = &parcel{hotline.MustMarshal(hotline.SenderEntryOf(e, x)), tender}
	case *hotline.Received:
		if x.Code != "" {
			return
		}
		st := w.parse(x.Statement)
		tender, sender := w.receipt(x.Tender), w.sender(x.Sender)
		claims.Statement, claims.Voters = st.ID, x.Voters
		claims.Of = &hotline.Of{Party: st.Header.From, Generation: tender.Generation, Index: tender.Index,
			Sequence: sender.Sent.SequenceFor(m.Code), Salt: e.Salt, Marks: x.Marks}
		m.receipts[st.ID] = w.sign(m, claims, r)
	default:
		w.t.Fatalf("command %d placed an entry of type %d", c.Type, e.Type)
	}
}

func (w *world) sign(m *member, c hotline.Claims, r *ledger.Result) []byte {
	raw, err := hotline.SignReceipt(c, w.convention.ID, r.Root, r.Path, m.Log)
	if err != nil {
		w.t.Fatal(err)
	}
	return raw
}

func (w *world) parse(raw []byte) *hotline.Statement {
	w.t.Helper()
	st, err := hotline.Parse(raw)
	if err != nil {
		w.t.Fatal(err)
	}
	return st
}

func (w *world) receipt(raw []byte) *hotline.Receipt {
	w.t.Helper()
	r, err := hotline.ParseReceipt(raw)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

func (w *world) sender(raw []byte) *hotline.SenderEntry {
	w.t.Helper()
	s, err := hotline.ParseSenderEntry(raw)
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// draft signs a statement with the first n of its authors; n < 0: all.
func (w *world) draft(m *member, h hotline.Header, body hotline.Body, signers []keys.Signer, n int) *hotline.Statement {
	w.t.Helper()
	if n < 0 {
		n = len(signers)
	}
	h.Authors = nil
	for _, s := range signers {
		h.Authors = append(h.Authors, s.Public().ID())
	}
	payload := hotline.MustMarshal(body)
	if h.Kind.Rules().Sealed {
		payload = m.Seal(&h, payload)
	}
	raw, err := hotline.Sign(h, payload, signers[:n]...)
	if err != nil {
		w.t.Fatalf("cannot sign: %v", err)
	}
	return w.parse(raw)
}

// answer builds the statement of the group that an ask demands, as the
// leader's compose does.
func (w *world) answer(m *member, a *ledger.Ask) *hotline.Statement {
	w.t.Helper()
	h := m.Header(a.Kind, w.now)
	h.Status, h.Precedence, h.To, h.Case, h.Cause, h.Reason = a.Status, a.Precedence, a.To, a.Case, a.Cause+1, a.Reason
	if !a.Re.IsZero() {
		h.Re = &a.Re
	}
	var body hotline.Body
	switch a.Kind {
	case hotline.KindAutomaticAlert:
		_, content, err := hotline.DecodeEntry(m.entries[a.Source])
		if err != nil {
			w.t.Fatal(err)
		}
		body = &hotline.AutomaticAlert{Assessment: content.(*hotline.Sent).Statement}
	case hotline.KindEscalation:
		body = &hotline.Escalation{Due: a.Due, Office: a.Office}
	case hotline.KindNonDelivery:
		body = &hotline.NonDelivery{To: a.Peer, Due: a.Due}
	case hotline.KindLineTest, hotline.KindLineReply, hotline.KindWatchTest:
		body = &hotline.LineTest{Serial: a.Cause + 1, Node: m.Name("1")}
	case hotline.KindReject:
		body = &hotline.Reject{Sequence: a.Sequence}
	default:
		w.t.Fatalf("the group composes no %s", a.Kind)
	}
	return w.draft(m, h, body, []keys.Signer{m.Service}, -1)
}

// log puts a statement into the log of a rogue party, which decides nothing.
// A zero field of sent is filled with what an honest log would say.
func (w *world) log(m *member, st *hotline.Statement, at hotline.Time, sent hotline.Sent, scope *hotline.Scope, generation uint64) {
	sent.Statement = st.Raw
	if sent.Directory == 0 {
		sent.Directory = m.Number
	}
	if sent.Convention == 0 {
		sent.Convention = m.Convention.Version
	}
	sent.Voters = 3
	if sent.Sequences == nil {
		for _, to := range st.Header.To {
			m.sequences[to]++
			sent.Sequences = append(sent.Sequences, hotline.Sequence{To: to, N: m.sequences[to]})
		}
	}
	if scope == nil {
		s := hotlinetest.SentScope(st)
		scope = &s
	}
	index := m.journal.Append(hotline.EntrySent, at, *scope, hotline.Outside, &sent)
	e, content, err := hotline.DecodeEntry(m.journal.Entries[index])
	if err != nil {
		w.t.Fatal(err)
	}
	m.journal.Generation = generation
	tender := m.journal.Prove(hotline.Claims{Statement: st.ID, Time: at})
	m.tenders[st.ID] = &parcel{hotline.MustMarshal(hotline.SenderEntryOf(e, content.(*hotline.Sent))), tender}
}
