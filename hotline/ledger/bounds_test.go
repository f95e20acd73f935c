package ledger_test

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"example.org/hotline/crypto/keys"
	"example.org/hotline/hotline"
	"example.org/hotline/hotline/hotlinetest"
	"example.org/hotline/hotline/ledger"
)

func pairWorld(t *testing.T, change func(*hotline.Convention)) (w *world, a, b *member) {
	w = newWorld(t, setup{parties: []hotline.Party{"XA", "XB", "XC"}, voters: 1, at: hotlinetest.Epoch + 9*3600*1000, change: change})
	return w, w.members["XA"], w.members["XB"]
}

func (w *world) submit(m *member, st *hotline.Statement) *ledger.Result {
	w.t.Helper()
	r, err := w.propose(m, &ledger.Command{Type: ledger.Submit, Statement: st.Raw}, false)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

func (w *world) deliver(st *hotline.Statement, to *member) *ledger.Result {
	w.t.Helper()
	p := w.members[st.Header.From].tenders[st.ID]
	r, err := w.propose(to, &ledger.Command{Type: ledger.Receive, Statement: st.Raw, Sender: p.sender, Tender: p.tender}, false)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

func wantCode(t *testing.T, what string, got, want hotline.Code) {
	t.Helper()
	if got != want {
		t.Errorf("%s: code %q, want %q", what, got, want)
	}
}

// Promise: the outbox of a peer is bounded, and its last places are for FLASH.
func TestOutboxKeepsPlacesForFlash(t *testing.T) {
	w, a, _ := pairWorld(t, nil)
	say := func(i int, p hotline.Precedence) hotline.Code {
		h := a.Header(hotline.KindService, w.now, hotlinetest.To("XB"), hotlinetest.Precedence(p))
		st := a.ByGroup(h, &hotline.Service{Text: fmt.Sprint(i)})
		return a.state.Apply(&ledger.Command{Type: ledger.Submit, Time: w.now, Statement: st.Raw}).Code
	}
	a.state.FillOutbox("XB", hotline.MaxOutbox-hotline.FlashReserve-1)
	wantCode(t, "the last routine one", say(1, hotline.Routine), "")
	wantCode(t, "routine at the bound", say(2, hotline.Routine), hotline.CodeBusy)
	wantCode(t, "flash", say(3, hotline.Flash), "")
	a.state.FillOutbox("XB", hotline.MaxOutbox-1)
	wantCode(t, "the last flash", say(4, hotline.Flash), "")
	wantCode(t, "flash at the bound", say(5, hotline.Flash), hotline.CodeBusy)
	if n := len(a.state.Outbox("XB")); n != hotline.MaxOutbox {
		t.Errorf("%d statements wait, want %d", n, hotline.MaxOutbox)
	}
}

// Promise: cases, and statements of one case, are bounded on both sides; what
// is over the bound is refused or rejected as busy, and a reject can be made.
func TestCasesAreBounded(t *testing.T) {
	w, a, b := pairWorld(t, nil)
	d := b.Detection(w.now)
	as := b.Assessment(w.now, d, []hotline.Party{"XA"})
	alert, second := b.Alert(w.now, as, []hotline.Party{"XA"}), b.Alert(w.now+1, as, []hotline.Party{"XA"})
	for _, st := range []*hotline.Statement{d, as, alert, second} {
		w.submit(b, st)
	}
	w.deliver(alert, a)
	a.state.FillKnown(hotlinetest.CaseOf(d), "XB")
	r := w.deliver(second, a)
	wantCode(t, "a statement too many of one case", r.Reject, hotline.CodeBusy)
	asks := a.state.Asks(w.now)
	if len(asks) != 1 {
		t.Fatalf("%d asks, want one for a reject", len(asks))
	}
	wantCode(t, "its reject", w.submit(a, w.answer(a, asks[0])).Code, "")
	w.twins = 1000 // so much state is compared now and then
	a.state.FillCases("XZ", hotline.MaxOpenCases)
	wantCode(t, "an own case too many", w.submit(a, a.Detection(w.now)).Code, hotline.CodeBusy)
	other := b.Detection(w.now + 5)
	third := b.Assessment(w.now+5, other, []hotline.Party{"XA"})
	fourth := b.Alert(w.now+5, third, []hotline.Party{"XA"})
	for _, st := range []*hotline.Statement{other, third, fourth} {
		w.submit(b, st)
	}
	wantCode(t, "a peer's case too many", w.deliver(fourth, a).Reject, hotline.CodeBusy)
}

// warning is an alert of a party to XA in a case of its own, ready to be delivered.
func (w *world) warning(m *member, p hotline.Precedence) *hotline.Statement {
	w.now += 1000
	d := m.Detection(w.now)
	as := m.Assessment(w.now, d, []hotline.Party{"XA"})
	alert := m.Alert(w.now, as, []hotline.Party{"XA"}, hotlinetest.Precedence(p))
	for _, st := range []*hotline.Statement{d, as, alert} {
		w.submit(m, st)
	}
	return alert
}

// Promise: a peer that opens more cases than people can handle, or says more than they acknowledge, is answered busy; another peer's
// alert goes through, and of the flooding one still what is FLASH.
func TestAFloodingPeerHoldsUpNobodyElse(t *testing.T) {
	w, a, b := pairWorld(t, nil)
	c := w.members["XC"]
	w.twins = 1000 // so much state is compared now and then
	a.state.FillCases("XB", hotline.MaxCasesOfOne-1)
	wantCode(t, "the last case of XB", w.deliver(w.warning(b, hotline.Immediate), a).Reject, "")
	wantCode(t, "a case of XB too many", w.deliver(w.warning(b, hotline.Immediate), a).Reject, hotline.CodeBusy)
	wantCode(t, "a case of XC", w.deliver(w.warning(c, hotline.Immediate), a).Reject, "")

	w, a, b = pairWorld(t, nil)
	c = w.members["XC"]
	a.state.FillUnanswered("XB", hotline.MaxUnanswered-hotline.FlashReserve-1)
	wantCode(t, "the last that people may answer", w.deliver(w.warning(b, hotline.Immediate), a).Reject, "")
	late := w.warning(b, hotline.Immediate)
	wantCode(t, "one too many", w.deliver(late, a).Reject, hotline.CodeBusy)
	flash := w.warning(b, hotline.Flash)
	wantCode(t, "a FLASH", w.deliver(flash, a).Reject, "")
	wantCode(t, "one of XC", w.deliver(w.warning(c, hotline.Immediate), a).Reject, "")
	a.state.FillUnanswered("XB", hotline.MaxUnanswered)
	wantCode(t, "a FLASH too many", w.deliver(w.warning(b, hotline.Flash), a).Reject, hotline.CodeBusy)
	wantCode(t, "an acknowledgement", w.submit(a, a.Acknowledgement(w.now, flash)).Code, "")
	wantCode(t, "a FLASH in its place", w.deliver(w.warning(b, hotline.Flash), a).Reject, "")
}

// Promise: the triage queue and the drafts are bounded; what found no place is
// counted.
func TestWorkingStateIsBounded(t *testing.T) {
	w, a, _ := pairWorld(t, nil)
	for i := range hotline.MaxTriage + 1 {
		h := hit("a")
		h.Key = fmt.Sprintf("%064x", i)
		want := hotline.Code("")
		if i == hotline.MaxTriage {
			want = hotline.CodeBusy
		}
		wantCode(t, "hit", a.state.Apply(&ledger.Command{Type: ledger.Hit, Time: w.now, Hit: h}).Code, want)
	}
	if a.state.Lost() != 1 || len(a.state.Triage()) != hotline.MaxTriage {
		t.Errorf("%d wait and %d are lost", len(a.state.Triage()), a.state.Lost())
	}
	wantCode(t, "no hit", a.state.Apply(&ledger.Command{Type: ledger.Hit, Time: w.now}).Code, hotline.CodeMalformed)
	bad := hit("a")
	bad.Count = 0
	wantCode(t, "a bad hit", a.state.Apply(&ledger.Command{Type: ledger.Hit, Time: w.now, Hit: bad}).Code, hotline.CodeMalformed)
	as := a.Assessment(w.now, a.Detection(w.now), []hotline.Party{"XB"})
	drafted := 0
	draft := func(post string) hotline.Code {
		drafted++
		h := a.Alert(w.now+hotline.Time(drafted), as, []hotline.Party{"XB"}).Header
		st := w.draft(a, h, hotlinetest.AlertBody(), signersOf(a, post, "R1"), 1)
		return a.state.Apply(&ledger.Command{Type: ledger.Draft, Time: w.now, Statement: st.Raw}).Code
	}
	posts := []string{"O1", "O2", "L1", "L2"}
	page := a.Page(2)
	for _, post := range append(posts, "A1") { // who may begin an alert
		page.OfficerByName(a.Name(post)).Roles = []hotline.Role{hotline.Operator}
	}
	w.must(a, &ledger.Command{Type: ledger.Document, Document: a.SignDirectory(page)})
	for n, post := range posts {
		for range hotline.MaxDraftsOfOne {
			wantCode(t, "draft", draft(post), "")
		}
		if n < len(posts)-1 { // nobody keeps the others from theirs
			wantCode(t, "one draft too many of one officer", draft(post), hotline.CodeBusy)
		}
	}
	if n := len(a.state.Drafts()); n != hotline.MaxDrafts {
		t.Fatalf("%d drafts wait, of %d", n, hotline.MaxDrafts)
	}
	wantCode(t, "one draft too many", draft("A1"), hotline.CodeBusy)
	wantCode(t, "no draft", a.state.Apply(&ledger.Command{Type: ledger.Draft, Time: w.now}).Code, hotline.CodeMalformed)
}

// Promise: a directory's memory is bounded, and its keys with it. A number that
// falls out of it cannot be learned again and again.
func TestDirectoryMemoryIsBounded(t *testing.T) {
	w, a, b := pairWorld(t, nil)
	w.twins = 16 // a snapshot verifies every directory again
	learn := func(n uint64, change func(*hotline.Directory)) hotline.Code {
		d := b.Page(n)
		change(d)
		r, err := w.propose(a, &ledger.Command{Type: ledger.Document, Document: b.SignDirectory(d)}, false)
		if err != nil {
			t.Fatal(err)
		}
		return r.Code
	}
	before := a.state.Keys()
	fresh := func(d *hotline.Directory) {
		d.Service = b.Key(b.Service.Public().Algorithm(), "service of two").Public()
	}
	same := func(*hotline.Directory) {}
	wantCode(t, "another service key", learn(2, fresh), "")
	if a.state.Keys() != before+1 {
		t.Errorf("%d keys, want one more than %d", a.state.Keys(), before)
	}
	for n := uint64(4); n <= hotline.DirectoryMemory+2; n++ {
		wantCode(t, "the next", learn(n, same), "")
	}
	wantCode(t, "a skipped one within the memory", learn(3, same), "")
	if list := a.state.Directories("XB"); len(list) != hotline.DirectoryMemory || list[0].Number != 3 {
		t.Errorf("%d directories from %d", len(list), list[0].Number)
	}
	if a.state.Keys() != before {
		t.Errorf("%d keys, want %d as before the forgotten one", a.state.Keys(), before)
	}
	size := a.state.Size()
	wantCode(t, "at the edge of the memory", learn(2, fresh), hotline.CodeOldNumber)
	wantCode(t, "far behind it", learn(1, same), hotline.CodeOldNumber)
	if a.state.Size() != size {
		t.Error("a refused document made an entry")
	}
	w.check()
}

// Promise: a root key that signs pages without end fills nobody's log, and keeps
// no page of another party out.
func TestAFloodOfPagesIsPaced(t *testing.T) {
	w, a, b := pairWorld(t, nil)
	w.twins = 64 // a snapshot decodes every directory again
	learn := func(m *member, n uint64) hotline.Code {
		r, err := w.propose(a, &ledger.Command{Type: ledger.Document, Document: m.SignDirectory(m.Page(n))}, false)
		if err != nil {
			t.Fatal(err)
		}
		return r.Code
	}
	n := uint64(2) // the first page is known
	for ; n <= hotline.DirectoryBurst; n++ {
		wantCode(t, "one of many at once", learn(b, n), "")
	}
	size := a.state.Size()
	wantCode(t, "one too many", learn(b, n), hotline.CodeBusy)
	if a.state.Size() != size {
		t.Error("a page that must wait made an entry")
	}
	wantCode(t, "another party's", learn(w.members["XC"], 2), "")
	w.now += hotline.Time(hotline.DirectoryPace.Milliseconds())
	wantCode(t, "after the pace", learn(b, n), "")
	wantCode(t, "and one more", learn(b, n+1), hotline.CodeBusy)
	for range 3 {
		w.now += hotline.Time(hotline.DirectoryPace.Milliseconds())
		n++
		wantCode(t, "each time", learn(b, n), "")
	}
	w.check()
}

// Promise: nothing is forgotten because of a command that made no entry, since
// a replay never sees it; and what is settled is forgotten in the end.
func TestForgettingFollowsTheEntries(t *testing.T) {
	w, a, b := pairWorld(t, func(c *hotline.Convention) { c.Terms.LineTest = 0; withoutReports(&c.Terms) })
	d := b.Detection(w.now)
	as := b.Assessment(w.now, d, []hotline.Party{"XA"})
	alert := b.Alert(w.now, as, []hotline.Party{"XA"})
	own := a.Text(w.now, "XB", "words")
	for _, st := range []*hotline.Statement{d, as, alert} {
		w.submit(b, st)
	}
	w.submit(a, own)
	w.deliver(alert, a)
	ack := a.Acknowledgement(w.now, alert)
	w.submit(a, ack)
	for _, st := range []*hotline.Statement{own, ack} {
		w.deliver(st, b)
		w.must(a, &ledger.Command{Type: ledger.Receipt, Receipt: b.receipts[st.ID], Tender: a.tenders[st.ID].tender})
	}
	w.submit(b, b.Acknowledgement(w.now, own))
	memory := hotline.Time(hotline.SettledMemory.Milliseconds())
	start := w.now
	w.now = start + memory + 1
	w.must(a, &ledger.Command{Type: ledger.Tick}) // only the wait for an acknowledgement fires here
	w.now += 2
	w.must(a, &ledger.Command{Type: ledger.Tick})
	c := hotlinetest.CaseOf(d)
	if a.state.Case(c) != nil {
		t.Error("a settled case is remembered after its time")
	}
	w.check()

	w, a, b = pairWorld(t, func(c *hotline.Convention) { c.Terms.LineTest = 0; withoutReports(&c.Terms) })
	for _, st := range []*hotline.Statement{d, as, alert} {
		w.submit(b, st)
	}
	w.deliver(alert, a)
	w.submit(a, ack)
	w.deliver(ack, b)
	w.must(a, &ledger.Command{Type: ledger.Receipt, Receipt: b.receipts[ack.ID], Tender: a.tenders[ack.ID].tender})
	w.now = start + memory + 1
	w.must(a, &ledger.Command{Type: ledger.Tick}) // makes no entry
	if a.state.Case(c) == nil {
		t.Error("a tick without an entry let a case be forgotten")
	}
	w.now = start + memory - 1
	late := b.Text(w.now, "XA", "late", hotlinetest.In(c))
	w.submit(b, late)
	wantCode(t, "a statement of the case after that", w.deliver(late, a).Reject, "")
	w.check()
}

func signersOf(m *member, posts ...string) []keys.Signer {
	var list []keys.Signer
	for _, p := range posts {
		list = append(list, m.Officer(p))
	}
	return list
}

// Promise: whoever fills a case with statements keeps this party neither from
// acknowledging nor from answering, nor from alerting others in it.
func TestAFullCaseIsStillAnsweredIn(t *testing.T) {
	w, a, b := pairWorld(t, nil)
	inquiry := w.made(b, "inquiry", args{pairs: map[string]string{"to": "XA", "as": "q"}})
	wantCode(t, "inquiry", w.submit(b, inquiry).Code, "")
	wantCode(t, "inquiry", w.deliver(inquiry, a).Reject, "")
	more := b.Text(w.now, "XA", "words", hotlinetest.In(hotlinetest.CaseOf(inquiry)))
	wantCode(t, "one more", w.submit(b, more).Code, "")
	a.state.FillKnown(hotlinetest.CaseOf(inquiry), "XB")
	if r := w.deliver(more, a); r.Code != hotline.CodeBusy && r.Reject != hotline.CodeBusy {
		t.Errorf("a full case takes one more: code %q, reject %q", r.Code, r.Reject)
	}
	wantCode(t, "reply", w.submit(a, w.made(a, "reply", args{words: []string{"q", "final"}, pairs: map[string]string{}})).Code, "")
	wantCode(t, "acknowledgement", w.submit(a, a.Acknowledgement(w.now, inquiry)).Code, "")
}

// Promise: whoever fills a case with statements keeps nobody else out of it: what a third party
// acknowledges, reports or retracts in it arrives.
func TestAFullCaseIsFullForOneAlone(t *testing.T) {
	w, a, b := pairWorld(t, nil)
	c := w.members["XC"]
	d := a.Detection(w.now)
	as := a.Assessment(w.now, d, []hotline.Party{"XB", "XC"})
	alert := a.Alert(w.now, as, []hotline.Party{"XB", "XC"})
	in := hotlinetest.CaseOf(d)
	for _, st := range []*hotline.Statement{d, as, alert} {
		wantCode(t, "own", w.submit(a, st).Code, "")
	}
	for _, m := range []*member{b, c} {
		wantCode(t, "alert", w.deliver(alert, m).Reject, "")
	}
	for _, full := range []*member{a, c} {
		full.state.FillKnown(in, "XB")
		more := b.Text(w.now, full.Code, "words for "+string(full.Code), hotlinetest.In(in))
		wantCode(t, "one more", w.submit(b, more).Code, "")
		wantCode(t, "one more of who fills the case of "+string(full.Code), w.deliver(more, full).Reject, hotline.CodeBusy)
	}
	ack := c.Acknowledgement(w.now, alert)
	wantCode(t, "acknowledgement", w.submit(c, ack).Code, "")
	wantCode(t, "the acknowledgement of another", w.deliver(ack, a).Reject, "")
	w.name(alert, "w")
	back := w.made(a, "retract", args{words: []string{"w"}, pairs: map[string]string{}})
	wantCode(t, "retraction", w.submit(a, back).Code, "")
	wantCode(t, "the retraction by another", w.deliver(back, c).Reject, "")
}

// Promise: no time that a document or a statement names makes a sum overflow: Apply
// would never come back, or forget an id at once.
func TestTimesEnd(t *testing.T) {
	w, a, _ := pairWorld(t, nil)
	wantCode(t, "a statement", w.submit(a, a.Text(math.MaxInt64, "XB", "words")).Code, hotline.CodeStale)
	c := w.convention.Convention
	c.Version, c.Previous, c.ValidFrom = 2, w.convention.Hash, math.MaxInt64
	if err := c.Validate(); hotline.CodeOf(err) != hotline.CodeDocument {
		t.Errorf("a version of the convention: %v", err)
	}
	d := a.Page(2)
	d.Issued, d.Confirmed = math.MaxInt64, math.MaxInt64
	if err := d.Validate(); hotline.CodeOf(err) != hotline.CodeDocument {
		t.Errorf("a directory: %v", err)
	}
}

// Promise: nobody is woken for a case that is forgotten, on a node that has been up all
// the time no more than on one that was restored from a snapshot.
func TestPagesGoWithTheirCase(t *testing.T) {
	w, a, b := pairWorld(t, func(c *hotline.Convention) {
		c.Terms.LineTest, c.Terms.WatchTest, c.Terms.LineAlarm, c.Terms.Contacts = 0, 0, 0, 0
	})
	l := a.Rungs(1)
	l.Receiving = l.Receiving[:len(l.Receiving)-2]
	l.Receiving[len(l.Receiving)-1].Repeat = 100
	wantCode(t, "ladder", w.submit(a, a.By(a.Header(hotline.KindLadder, w.now), l, "A1")).Code, "")
	d := b.Detection(w.now)
	as := b.Assessment(w.now, d, []hotline.Party{"XA"})
	alert := b.Alert(w.now, as, []hotline.Party{"XA"})
	for _, st := range []*hotline.Statement{d, as, alert} {
		wantCode(t, "of XB", w.submit(b, st).Code, "")
	}
	wantCode(t, "alert", w.deliver(alert, a).Reject, "")
	ack := a.Acknowledgement(w.now, alert)
	wantCode(t, "acknowledgement", w.submit(a, ack).Code, "")
	wantCode(t, "at XB", w.deliver(ack, b).Reject, "")
	w.must(a, &ledger.Command{Type: ledger.Receipt, Receipt: b.receipts[ack.ID], Tender: a.tenders[ack.ID].tender})
	for range 2 { // the last rung fires; then the case is forgotten, though the reports never came
		w.now += hotline.Time(hotline.SettledMemory.Milliseconds()) + 1
		w.must(a, &ledger.Command{Type: ledger.Tick})
		if n := len(a.state.Pagings(w.now)); n > 0 && a.state.Case(hotlinetest.CaseOf(d)) == nil {
			t.Errorf("%d pages are open for a case that is forgotten", n)
		}
	}
	w.submit(a, a.Text(w.now, "XC", "words"))
	w.now += 100
	w.must(a, &ledger.Command{Type: ledger.Tick})
	if a.state.Case(hotlinetest.CaseOf(d)) != nil {
		t.Fatal("the case is still remembered")
	}
	if n := a.state.Pages(); n > 0 {
		t.Errorf("%d pages of it are", n)
	}
	restored(t, a.state)
}

// Promise: an addressee who gives no receipts keeps the automatic alert from nobody.
func TestAFullOutboxHoldsUpNoAutomaticAlert(t *testing.T) {
	w, a, _ := pairWorld(t, nil)
	d := a.Detection(w.now)
	for _, st := range []*hotline.Statement{d, a.Assessment(w.now, d, []hotline.Party{"XB", "XC"})} {
		wantCode(t, "own", w.submit(a, st).Code, "")
	}
	a.state.FillOutbox("XB", hotline.MaxOutbox)
	w.twins = 1 << 30 // sequences are used twice in what was filled in: a snapshot has no one order for them
	w.now += hotline.Time((25 * time.Hour).Milliseconds())
	w.must(a, &ledger.Command{Type: ledger.Tick})
	asked := 0
	for _, x := range a.state.Asks(w.now) {
		if x.Kind == hotline.KindAutomaticAlert {
			asked++
			wantCode(t, "automatic alert", w.submit(a, w.answer(a, x)).Code, "")
		}
	}
	if asked != 1 {
		t.Errorf("%d automatic alerts are asked for", asked)
	}
	if list := a.state.Outbox("XC"); !slices.ContainsFunc(list, func(o *ledger.Sent) bool { return o.Kind == hotline.KindAutomaticAlert }) {
		t.Errorf("XC is told nothing: %v", list)
	}
}

// Promise: what the group was asked for and has said is forgotten when its time is over,
// first what was said first, by a restored state as by one that was there; and no
// command looks at all of it.
func TestAnsweredAsksAreForgotten(t *testing.T) {
	w, a, b := pairWorld(t, func(c *hotline.Convention) {
		c.Terms.LineTest, c.Terms.WatchTest, c.Terms.LineAlarm, c.Terms.Contacts = 0, 0, 0, 0
	})
	inquiry := w.made(b, "inquiry", args{pairs: map[string]string{"to": "XA", "as": "q"}})
	wantCode(t, "inquiry", w.submit(b, inquiry).Code, "")
	wantCode(t, "inquiry", w.deliver(inquiry, a).Reject, "")
	a.state.FillKnown(hotlinetest.CaseOf(inquiry), "XB")
	hour := hotline.Time(time.Hour.Milliseconds())
	for range 3 { // each is rejected, and the reject said
		w.now += hour
		st := b.Text(w.now, "XA", "words", hotlinetest.In(hotlinetest.CaseOf(inquiry)))
		wantCode(t, "one too many", w.submit(b, st).Code, "")
		wantCode(t, "one too many", w.deliver(st, a).Reject, hotline.CodeBusy)
		for _, x := range a.state.Asks(w.now) {
			wantCode(t, "its reject", w.submit(a, w.answer(a, x)).Code, "")
		}
	}
	left := func() int {
		t.Helper()
		n, waiting := a.state.Answered()
		twin, twins := restored(t, a.state).Answered()
		if waiting != n || twin != n || twins != n {
			t.Errorf("%d are remembered, %d wait to be forgotten; restored %d and %d", n, waiting, twin, twins)
		}
		return n
	}
	before := left()
	if before < 3 {
		t.Fatalf("%d of 3 rejects are remembered", before)
	}
	w.now += hotline.Time(hotline.SubmitWindow.Milliseconds()) - 3*hour + 1
	for n := range 3 {
		w.now += hour
		for i := range 2 { // what is over is forgotten by the command behind the entry that says so
			wantCode(t, "own", w.submit(a, a.Text(w.now, "XC", fmt.Sprint("words ", n, i))).Code, "")
		}
		now := left()
		if now >= before {
			t.Errorf("%d were remembered, and %d are an hour later", before, now)
		}
		before = now
	}
	if before != 0 {
		t.Errorf("%d are remembered for ever", before)
	}
}
