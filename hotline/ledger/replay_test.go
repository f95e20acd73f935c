package ledger_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/hotlinetest"
	"example.org/hotline/hotline/ledger"
)

// history is a log with entries of every type but rules.
func history(t *testing.T) (*world, *member) {
	w, a, b := pairWorld(t, func(c *hotline.Convention) { c.Terms.LineTest = 0 })
	d := a.Detection(w.now)
	as := a.Assessment(w.now, d, []hotline.Party{"XB"})
	flash := a.FlashAlert(w.now, as, []hotline.Party{"XB"})
	for _, st := range []*hotline.Statement{d, as, flash} {
		w.submit(a, st)
	}
	w.deliver(flash, b)
	w.must(a, &ledger.Command{Type: ledger.Receipt, Receipt: b.receipts[flash.ID], Tender: a.tenders[flash.ID].tender})
	w.now += 11 * 60_000
	w.must(a, &ledger.Command{Type: ledger.Tick})
	ack := b.Acknowledgement(w.now, flash)
	w.submit(b, ack)
	w.deliver(ack, a)
	text := b.Text(w.now, "XA", "words")
	w.submit(b, text)
	w.deliver(text, a)
	w.submit(a, a.Ratification(w.now, flash))
	w.submit(a, a.Ladder(w.now, 1))
	return w, a
}

func replayAll(entries [][]byte) error {
	r := ledger.NewReplay(nil)
	for i, raw := range entries {
		verify := func(c *ledger.Command) error {
			return r.State().Verify(c, ledger.OwnFrom(func(i uint64) ([]byte, error) { return entries[i], nil }))
		}
		if err := r.Next(uint64(i), raw, verify); err != nil {
			return err
		}
	}
	return r.End()
}

func altered(t *testing.T, raw []byte, change func(*hotline.Entry, any)) []byte {
	t.Helper()
	e, content, err := hotline.DecodeEntry(raw)
	if err != nil {
		t.Fatal(err)
	}
	change(e, content)
	b, err := hotline.EncodeEntry(e.Type, e.Time, e.Salt, e.Scope, e.Cause, content)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Promise: an entry that the ledger would not have made is a difference, and it
// is found where it stands or behind; the salts are taken as given.
func TestReplayFindsWhatWasNotDecided(t *testing.T) {
	_, a := history(t)
	if err := replayAll(a.entries); err != nil {
		t.Fatal(err)
	}
	changes := map[string]func(*hotline.Entry, any){
		"time":  func(e *hotline.Entry, _ any) { e.Time++ },
		"cause": func(e *hotline.Entry, _ any) { e.Cause = 1 - e.Cause },
		"scope": func(e *hotline.Entry, _ any) {
			if e.Scope.Class == hotline.ScopeCommon {
				e.Scope = hotline.PairScope("XA", "XC")
			} else {
				e.Scope = hotline.Common()
			}
		},
		"content": alterContent,
	}
	for i := range a.entries {
		for name, change := range changes {
			log := slices.Clone(a.entries)
			log[i] = altered(t, log[i], change)
			err := replayAll(log)
			// The time of the first and of the last entry is what they say.
			if err == nil && name != "time" || err == nil && i != 0 && i != len(log)-1 {
				t.Errorf("entry %d with another %s is not found", i, name)
			}
			var d *ledger.Difference
			if errors.As(err, &d) && d.Index < place(a.entries, i) {
				t.Errorf("entry %d with another %s is said to be entry %d", i, name, d.Index)
			}
			if err != nil && !strings.HasPrefix(err.Error(), "entry ") {
				t.Errorf("entry %d: %v names no entry", i, err)
			}
		}
		log := slices.Clone(a.entries)
		log[i] = altered(t, log[i], func(e *hotline.Entry, _ any) { e.Salt = [16]byte{1} })
		if _, content, _ := hotline.DecodeEntry(a.entries[i]); !provesItself(content) {
			continue
		}
		if err := replayAll(log); err != nil {
			t.Errorf("entry %d with another salt: %v", i, err)
		}
	}
}

// place is where a change of entry i may be found first: clock readings are
// judged by the command behind them.
func place(entries [][]byte, i int) uint64 {
	if i > 0 {
		if e, _, err := hotline.DecodeEntry(entries[i-1]); err == nil && e.Type == hotline.EntryClock {
			return uint64(i - 1)
		}
	}
	return uint64(i)
}

// provesItself: receipts and tenders prove leaves with their salts, so those
// that are proven elsewhere in the log are left out.
func provesItself(content any) bool {
	_, sent := content.(*hotline.Sent)
	return !sent
}

func alterContent(_ *hotline.Entry, content any) {
	switch x := content.(type) {
	case *hotline.Genesis:
		x.Convention = hotline.ID{9}
	case *hotline.Sent:
		x.Voters++
	case *hotline.Received:
		x.Voters++
	case *hotline.Receipted:
		x.Index++
	case *hotline.Due:
		x.Office = "nobody"
	case *hotline.Clock:
		x.Readings[0].Time += 10_000
	case *hotline.Members:
		x.Voters = []string{"XA-2"}
	case *hotline.Document:
		x.Raw = slices.Clone(x.Raw)
		x.Raw[len(x.Raw)-1] ^= 1
	}
}

// Promise: what the decisions demand cannot be left out, doubled, or cut off.
func TestReplayFindsWhatIsMissing(t *testing.T) {
	_, a := history(t)
	for i, raw := range a.entries {
		e, content, err := hotline.DecodeEntry(raw)
		if err != nil {
			t.Fatal(err)
		}
		if err := replayAll(slices.Insert(slices.Clone(a.entries), i, raw)); err == nil {
			t.Errorf("entry %d stands twice and is not found", i)
		}
		if _, ok := content.(*hotline.Clock); e.Cause != hotline.Derived && !ok {
			continue
		}
		if err := replayAll(slices.Delete(slices.Clone(a.entries), i, i+1)); err == nil {
			t.Errorf("entry %d is left out and not found", i)
		}
		// Where a command is cut in two, the end of the log tells.
		if _, _, err := hotline.DecodeEntry(a.entries[i-1]); err == nil && e.Cause == hotline.Derived {
			cut := a.entries[:i]
			if before, _, _ := hotline.DecodeEntry(cut[i-1]); before.Type == hotline.EntryReceived || before.Type == hotline.EntryClock {
				if err := replayAll(cut); err == nil {
					t.Errorf("the log is cut before entry %d and that is not found", i)
				}
			}
		}
	}
	r := ledger.NewReplay(nil)
	if err := r.Next(1, a.entries[0], nil); err == nil {
		t.Error("a log that begins at 1 is taken")
	}
	if err := r.Next(0, []byte{1}, nil); err == nil {
		t.Error("an entry that cannot be read is taken")
	}
}

// Promise: a replay tells what follows from the entry that was fed last.
func TestReplayTellsEffects(t *testing.T) {
	_, a := history(t)
	r := ledger.NewReplay(nil)
	pages := 0
	for i, raw := range a.entries {
		if err := r.Next(uint64(i), raw, nil); err != nil {
			t.Fatal(err)
		}
		for _, e := range r.Effects() {
			if e.Type == ledger.Page {
				pages++
			}
		}
	}
	if pages == 0 {
		t.Error("nobody was paged")
	}
}

// Promise: in a part of a log, what must be shown and is hidden is found.
func TestProjectionFindsWhatIsHidden(t *testing.T) {
	_, a := history(t)
	shows := a.shown("XB")
	if _, err := a.replay(shows, "XA", "XB"); err != nil {
		t.Fatal(err)
	}
	for i, raw := range a.entries {
		e, content, err := hotline.DecodeEntry(raw)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := content.(*hotline.Due); !ok || !shows(&e.Scope) {
			continue
		}
		n := -1
		_, err = a.replay(func(s *hotline.Scope) bool { n++; return n != i && shows(s) }, "XA", "XB")
		if err == nil {
			t.Errorf("due entry %d is hidden and not missed", i)
		}
	}
}

// Promise: what a state tells of itself.
func TestStateTellsWhatIsOpen(t *testing.T) {
	w, a := history(t)
	s := a.state
	if s.ConventionID() != w.convention.ID || s.LadderNumber() != 1 || len(s.Conventions()) != 1 {
		t.Errorf("convention %s, ladder %d", s.ConventionID(), s.LadderNumber())
	}
	open := s.OpenDuties()
	if len(open) != 6 { // the ratification's delivery, the text to acknowledge, the three reports, and the contacts
		t.Errorf("%d duties are open: %v", len(open), open)
	}
	if d := s.Duties(nil, "XB"); len(d) != 1 || d[0].Class != hotline.DutyAcknowledge {
		t.Errorf("duties of the pair: %v", d)
	}
	if s.Duties(nil, "XC") != nil || s.Duties(&hotline.CaseID{Party: "XC"}, "") != nil || s.Pair("XD") != nil || s.Outbox("XD") != nil {
		t.Error("duties of nobody")
	}
	if k := s.LogKeys("XB"); len(k) != 1 || k[0] != w.members["XB"].Log.Public() {
		t.Errorf("log keys of XB: %v", k)
	}
	if _, ok := s.Key("XB", w.members["XB"].Log.Public().ID()); ok {
		t.Error("a log key signs statements")
	}
	if s.DirectoryNumber("XB", 7) != nil || s.Directory("XD") != nil {
		t.Error("a directory that nobody published")
	}
	if ledger.Stage(99).String() == "" || ledger.TellStage(99).String() == "" {
		t.Error("a stage without a word")
	}
	before := dump(s)
	for _, x := range s.Asks(s.Time()) {
		x.To, x.Answered = []hotline.Party{"XC"}, 7
	}
	if dump(s) != before {
		t.Error("whoever holds an ask changes the state")
	}
}

// Promise: a damaged snapshot, or one of another version, is an error.
func TestDamagedSnapshotIsRefused(t *testing.T) {
	_, a := history(t)
	b := snapshot(t, a.state)
	for _, bad := range [][]byte{nil, {0xa0}, b[:len(b)-1], append(slices.Clone(b), 0)} {
		if _, err := ledger.RestoreState(bad); err == nil {
			t.Errorf("%d bytes are taken", len(bad))
		}
	}
	refused := 0
	for i := 0; i < len(b); i += 23 {
		bad := slices.Clone(b)
		bad[i] ^= 0x40
		if s, err := ledger.RestoreState(bad); err != nil {
			refused++
		} else if s.Root() == a.state.Root() && dump(s) == dump(a.state) && string(snapshot(t, s)) == string(b) {
			t.Errorf("flipping byte %d changes nothing", i)
		}
	}
	if refused == 0 {
		t.Error("no damage was found")
	}
}

// Promise: before the genesis, and before the own directory and members, a log
// takes nothing that depends on them, and does not fall.
func TestNothingBeforeItsTime(t *testing.T) {
	w, a, b := pairWorld(t, nil)
	text := b.Text(w.now, "XA", "words")
	w.submit(b, text)
	p := b.tenders[text.ID]
	receive := &ledger.Command{Type: ledger.Receive, Time: w.now, Statement: text.Raw, Sender: p.sender, Tender: p.tender}
	submit := &ledger.Command{Type: ledger.Submit, Time: w.now, Statement: a.Detection(w.now).Raw}
	s := ledger.New()
	wantCode(t, "before the genesis", s.Apply(submit).Code, hotline.CodeInternal)
	for _, g := range []*hotline.Genesis{nil, {Party: "x", Generation: 1, Convention: hotline.ID{1}, Rules: 1}, {Party: "XA", Convention: hotline.ID{1}, Rules: 1}} {
		wantCode(t, "a bad genesis", s.Apply(&ledger.Command{Type: ledger.Genesis, Time: w.now, Genesis: g}).Code, hotline.CodeMalformed)
	}
	genesis := &hotline.Genesis{Party: "XA", Generation: 1, Convention: w.convention.ID, Rules: 1}
	wantCode(t, "genesis of no time", s.Apply(&ledger.Command{Type: ledger.Genesis, Genesis: genesis}).Code, hotline.CodeMalformed)
	wantCode(t, "genesis of later rules", s.Apply(&ledger.Command{Type: ledger.Genesis, Time: w.now,
		Genesis: &hotline.Genesis{Party: "XA", Generation: 1, Convention: w.convention.ID, Rules: 9}}).Code, hotline.CodeVersion)
	wantCode(t, "genesis", s.Apply(&ledger.Command{Type: ledger.Genesis, Time: w.now, Genesis: genesis}).Code, "")
	wantCode(t, "own statement", s.Apply(submit).Code, hotline.CodeInternal)
	wantCode(t, "peer's statement", s.Apply(receive).Code, hotline.CodeInternal)
	wantCode(t, "a hit", s.Apply(&ledger.Command{Type: ledger.Hit, Time: w.now, Hit: hit("a")}).Code, "")
	wantCode(t, "a directory", s.Apply(&ledger.Command{Type: ledger.Document, Time: w.now, Document: w.documents["XA/1"]}).Code, hotline.CodeNeed)
	wantCode(t, "no command", s.Apply(&ledger.Command{Type: 99, Time: w.now}).Code, hotline.CodeInternal)
	wantCode(t, "a time that never comes", s.Apply(&ledger.Command{Type: ledger.Tick, Time: 1 << 60}).Code, hotline.CodeMalformed)
	if s.LadderNumber() != 0 || ledger.NewReplay(nil).State().Root() != [32]byte{} {
		t.Error("a ladder's number, or the root of a replay, from nowhere")
	}
	if l := s.Ladder(); len(l.Receiving) != 0 {
		t.Errorf("a ladder of nobody: %v", l)
	}
}

// Promise: what is no statement, no entry, no receipt or no document is refused
// by its code, verified or not.
func TestGarbageIsRefused(t *testing.T) {
	w, a, b := pairWorld(t, nil)
	text := b.Text(w.now, "XA", "words")
	w.submit(b, text)
	p := b.tenders[text.ID]
	junk := []byte{1, 2, 3}
	apply := map[string]*ledger.Command{
		"submit":   {Type: ledger.Submit, Statement: junk},
		"draft":    {Type: ledger.Draft, Statement: junk},
		"receive":  {Type: ledger.Receive, Statement: junk, Sender: p.sender, Tender: p.tender},
		"sender":   {Type: ledger.Receive, Statement: text.Raw, Sender: junk, Tender: p.tender},
		"receipt":  {Type: ledger.Receipt, Receipt: junk},
		"document": {Type: ledger.Document, Document: junk},
	}
	for name, c := range apply {
		c.Time = w.now
		wantCode(t, "apply "+name, a.state.Apply(c).Code, hotline.CodeMalformed)
		if err := a.state.Verify(c, ledger.OwnFrom(a.entry)); name != "document" && hotline.CodeOf(err) != hotline.CodeMalformed {
			t.Errorf("verify %s: %v", name, err)
		}
	}
	if err := a.state.Verify(&ledger.Command{Type: ledger.Receive, Statement: text.Raw, Sender: p.sender, Tender: junk}, ledger.OwnFrom(a.entry)); err == nil {
		t.Error("a tender of junk is verified")
	}
	wantCode(t, "a text as document", a.state.Apply(&ledger.Command{Type: ledger.Document, Time: w.now, Document: text.Raw}).Code, hotline.CodeDocument)
	submitted := &ledger.Command{Type: ledger.Submit, Time: w.now, Statement: w.documents["XA/1"]}
	wantCode(t, "a document as statement", a.state.Apply(submitted).Code, hotline.CodeHeader)
	// A convention of other parties, and a root key that stands elsewhere.
	y, z := hotlinetest.NewParty("XY", "other"), hotlinetest.NewParty("XZ", "other")
	wantCode(t, "another convention", ledgerOf(w, a).Apply(&ledger.Command{Type: ledger.Document, Time: w.now,
		Document: hotlinetest.Convention(hotlinetest.Terms("crisis"), y, z).Raw}).Code, hotline.CodeConvention)
	if _, err := ledger.DecodeCommand(junk); hotline.CodeOf(err) != hotline.CodeMalformed {
		t.Errorf("a command of junk: %v", err)
	}
}

// Promise: an automatic alert is only as good as the officer's signature in it,
// and only what was asked for is said.
func TestAutomaticAlertNeedsItsOfficer(t *testing.T) {
	w, a, _ := pairWorld(t, nil)
	d := a.Detection(w.now)
	good := a.Assessment(w.now, d, []hotline.Party{"XB"})
	w.submit(a, d)
	w.submit(a, good)
	raw := append([]byte(nil), good.Raw...)
	raw[len(raw)-1] ^= 1
	forged := a.AutomaticAlert(w.now, w.parse(raw), 1)
	if err := a.state.Verify(&ledger.Command{Type: ledger.Submit, Statement: forged.Raw}, ledger.OwnFrom(a.entry)); hotline.CodeOf(err) != hotline.CodeBadSignature {
		t.Errorf("a forged assessment is embedded: %v", err)
	}
	w.now += 2 * 3600 * 1000
	w.must(a, &ledger.Command{Type: ledger.Tick})
	ask := a.state.Asks(w.now)[0]
	right := w.answer(a, ask)
	for name, option := range map[string]hotlinetest.Option{
		"precedence": hotlinetest.Precedence(hotline.Routine), "addressee": hotlinetest.Cause(ask.Cause),
	} {
		st := a.AutomaticAlert(w.now, good, ask.Cause+1, option)
		if code := w.submit(a, st).Code; code != hotline.CodeHeader && code != hotline.CodeNotOwed {
			t.Errorf("an alert of another %s: %q", name, code)
		}
	}
	other := a.Assessment(w.now+1, d, []hotline.Party{"XB"})
	wantCode(t, "another assessment", w.submit(a, a.AutomaticAlert(w.now, other, ask.Cause+1)).Code, hotline.CodeReference)
	wantCode(t, "what is asked", w.submit(a, right).Code, "")
}

// ledgerOf is a state of a that has its genesis and nothing else.
func ledgerOf(w *world, a *member) *ledger.State {
	s := ledger.New()
	s.Apply(&ledger.Command{Type: ledger.Genesis, Time: w.now, Genesis: &hotline.Genesis{Party: a.Code, Generation: 1, Convention: w.convention.ID, Rules: 1}})
	return s
}

// Promise: a receipt proves a statement of this log or nothing.
func TestReceiptNeedsItsEntry(t *testing.T) {
	w, a, b := pairWorld(t, nil)
	text := a.Text(w.now, "XB", "words")
	w.submit(a, text)
	w.deliver(text, b)
	c := &ledger.Command{Type: ledger.Receipt, Receipt: b.receipts[text.ID], Tender: a.tenders[text.ID].tender}
	refuse := func(name string, entry func(uint64) ([]byte, error)) {
		if err := a.state.Verify(c, ledger.OwnFrom(entry)); err == nil {
			t.Errorf("%s: the receipt is verified", name)
		}
	}
	refuse("no entry", func(uint64) ([]byte, error) { return nil, errors.New("disk") })
	refuse("junk", func(uint64) ([]byte, error) { return []byte{1}, nil })
	refuse("no statement", func(uint64) ([]byte, error) { return a.entries[0], nil })
	refuse("another entry", func(i uint64) ([]byte, error) {
		return altered(t, a.entries[i], func(e *hotline.Entry, _ any) { e.Time++ }), nil
	})
	if err := a.state.Verify(c, ledger.OwnFrom(a.entry)); err != nil {
		t.Error(err)
	}
	// Bound to the place: the receipt for another entry or sequence is refused by Apply, too.
	twin := restored(t, b.state)
	wantCode(t, "XB takes its own receipt", twin.Apply(&ledger.Command{Type: ledger.Receipt, Time: w.now, Receipt: c.Receipt, Tender: c.Tender}).Code, hotline.CodeDuplicate)
}

// Promise: in the part of a log that shows one case, too, a reject of another status
// that was taken, and with it ended a delivery of the case, is found.
func TestCaseFindsRejectOfAnotherStatusTaken(t *testing.T) {
	s := &story{t: t}
	s.block([]string{"world parties=XA,XB rogue=XB", "XA detect as=d1", "XA assess d1 XB as=a1", "XA alert a1 as=w1",
		"XB reject w1 in=none cause=9 status=exercise as=j1", "XA receive j1"})
	a, id := s.w.members["XA"], hotlinetest.CaseOf(s.w.st("d1"))
	part := &ledger.Part{Case: &id}
	if _, err := a.project(a.shownOf(id, nil), part); err != nil {
		t.Fatal(err)
	}
	last := len(a.entries) - 1
	a.entries[last] = altered(t, a.entries[last], func(_ *hotline.Entry, content any) { content.(*hotline.Received).Code = "" })
	if _, err := a.project(a.shownOf(id, nil), part); err == nil || !strings.Contains(err.Error(), "EXERCISE rejects what is ACTUAL") {
		t.Errorf("it is taken: %v", err)
	}
}

// Promise: a receipt names a place in a log of its party that can be demanded: one of a generation which no directory opens is none.
func TestReceiptNeedsItsGeneration(t *testing.T) {
	w, a, b := pairWorld(t, nil)
	text := a.Text(w.now, "XB", "words")
	w.submit(a, text)
	at := w.deliver(text, b)
	claims := w.receipt(b.receipts[text.ID]).Claims
	for generation, want := range map[uint64]hotline.Code{1: "", 2: hotline.CodeReceipt} {
		claims.Generation = generation
		c := &ledger.Command{Type: ledger.Receipt, Receipt: w.sign(b, claims, at), Tender: a.tenders[text.ID].tender}
		if err := a.state.Verify(c, ledger.OwnFrom(a.entry)); hotline.CodeOf(err) != want {
			t.Errorf("generation %d: %v, want %q", generation, err, want)
		}
	}
}
