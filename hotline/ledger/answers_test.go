package ledger_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/hotlinetest"
	"example.org/hotline/hotline/ledger"
)

// unwell is a peer of XA that gives no receipts: its outbox here is full, and each of its statements in this case is rejected.
func (w *world) unwell(t *testing.T, a, b *member) (in hotlinetest.Option) {
	t.Helper()
	inquiry := w.made(b, "inquiry", args{pairs: map[string]string{"to": "XA", "as": "q"}})
	wantCode(t, "inquiry", w.submit(b, inquiry).Code, "")
	wantCode(t, "inquiry", w.deliver(inquiry, a).Reject, "")
	a.state.FillKnown(hotlinetest.CaseOf(inquiry), "XB")
	w.twins = 1000 // so much state is compared now and then
	a.state.FillOutbox("XB", hotline.MaxOutbox-hotline.FlashReserve)
	return hotlinetest.In(hotlinetest.CaseOf(inquiry))
}

// Promise: towards a peer that gives no receipts nothing is made that could not be said, however long it lasts; and as soon as there is room all of it is, the oldest first.
func TestWhatFindsNoRoomIsNotMadeAgainAndAgain(t *testing.T) {
	w, a, b := pairWorld(t, func(c *hotline.Convention) { c.Terms.LineTest, c.Terms.WatchTest = 0, 0 })
	in := w.unwell(t, a, b)
	var asked []hotline.ID
	for i := range 5 {
		st := b.Text(w.now, "XA", fmt.Sprint(i), in)
		wantCode(t, "text", w.submit(b, st).Code, "")
		wantCode(t, "text", w.deliver(st, a).Reject, hotline.CodeBusy)
		asked = append(asked, st.ID)
	}
	made := 0
	for range 100 { // each time that the leader takes up what is asked for
		w.now += hotline.Time((5 * time.Second).Milliseconds())
		made += len(a.state.Asks(w.now))
	}
	if made != 0 {
		t.Errorf("%d statements were made for an outbox that is full", made)
	}
	for _, room := range []int{2, 1, 7} {
		a.state.FreeOutbox("XB", room)
		list := a.state.Asks(w.now)
		if n := min(room, len(asked)); len(list) != n {
			t.Fatalf("%d are asked for, with room for %d and %d that wait", len(list), room, len(asked))
		}
		for i, x := range list {
			if x.Re != asked[i] {
				t.Errorf("number %d is about %s, not about %s", i, x.Re.Short(), asked[i].Short())
			}
			wantCode(t, "its reject", w.submit(a, w.answer(a, x)).Code, "")
		}
		asked = asked[len(list):]
	}
	if n := len(a.state.Asks(w.now)); len(asked) != 0 || n != 0 {
		t.Errorf("%d were never said, %d are asked for", len(asked), n)
	}
}

// Promise: whatever a peer sends while it gives no receipts, the group's answers leave the rest of its outbox to what this
// party owes to it, or to others together with it; they are said when there is room again.
func TestWhatAPeerProvokesLeavesRoomForWhatIsOwed(t *testing.T) {
	w, a, b := pairWorld(t, func(c *hotline.Convention) { c.Terms.LineTest, c.Terms.WatchTest = 0, 0 })
	inquiry := w.made(b, "inquiry", args{pairs: map[string]string{"to": "XA", "as": "q"}})
	wantCode(t, "inquiry", w.submit(b, inquiry).Code, "")
	wantCode(t, "inquiry", w.deliver(inquiry, a).Reject, "")
	a.state.FillKnown(hotlinetest.CaseOf(inquiry), "XB")
	w.twins = 1000 // so much state is compared now and then
	for i, kind := range []hotline.Kind{hotline.KindReject, hotline.KindLineReply, hotline.KindEscalation, hotline.KindUnreadable} {
		a.state.FillOutboxWith("XB", kind, (i+1)*hotline.AnswerPlaces/4-i/3) // in the end all places but one
	}
	var wrong []*ledger.Result
	for i := range 3 {
		st := b.Text(w.now, "XA", fmt.Sprint(i), hotlinetest.In(hotlinetest.CaseOf(inquiry)), hotlinetest.Precedence(hotline.Flash))
		wantCode(t, "text", w.submit(b, st).Code, "")
		r := w.deliver(st, a)
		wantCode(t, "text", r.Reject, hotline.CodeBusy)
		wrong = append(wrong, r)
	}
	if n := len(a.state.Asks(w.now)); n != 1 {
		t.Errorf("%d rejects are to be made, with room for 1", n)
	}
	reject := func(i int) hotline.Code {
		return w.submit(a, w.answer(a, &ledger.Ask{Kind: hotline.KindReject, Cause: wrong[i].Index, Re: wrong[i].ID, To: []hotline.Party{"XB"},
			Status: hotline.Actual, Precedence: hotline.Flash, Reason: hotline.CodeBusy, Sequence: uint64(i) + 2})).Code
	}
	wantCode(t, "the last reject", reject(0), "")
	wantCode(t, "a reject too many", reject(1), hotline.CodeBusy)
	text := b.Text(w.now, "XA", "text")
	wantCode(t, "text", w.submit(b, text).Code, "")
	r := w.deliver(text, a)
	wantCode(t, "text", r.Reject, "")
	w.name(text, "t")
	unreadable := w.made(a, "unreadable", args{words: []string{"t"}, pairs: map[string]string{"cause": fmt.Sprint(r.Index)}})
	wantCode(t, "an unreadable too many", w.submit(a, unreadable).Code, hotline.CodeBusy)
	wantCode(t, "an acknowledgement", w.submit(a, a.Acknowledgement(w.now, text)).Code, "")
	wantCode(t, "a statement to another with it", w.submit(a, w.made(a, "inquiry", args{pairs: map[string]string{"to": "XB,XC"}})).Code, "")
	a.state.FreeOutbox("XB", 3)
	for _, x := range a.state.Asks(w.now) {
		wantCode(t, "a reject, with room again", w.submit(a, w.answer(a, x)).Code, "")
	}
	wantCode(t, "unreadable, with room again", w.submit(a, unreadable).Code, "")
}

// Promise: what a peer makes the group say while it gives no receipts is bounded, also after a restart: what would ask for more is answered busy, leaves nothing
// behind and may come again; what asks for nothing is taken.
func TestAnswersThatWaitForAPeerAreBounded(t *testing.T) {
	w, a, b := pairWorld(t, nil)
	in := w.unwell(t, a, b)
	a.state.FillAnswers("XB", hotline.MaxGroupAnswers-1)
	say := func(st *hotline.Statement) *hotline.Statement {
		t.Helper()
		wantCode(t, "its sender", w.submit(b, st).Code, "")
		return st
	}
	text := func(words string, options ...hotlinetest.Option) *hotline.Statement {
		return say(b.Text(w.now, "XA", words, options...))
	}
	wantCode(t, "the last", w.deliver(text("last", in), a).Reject, hotline.CodeBusy)
	a.state = restored(t, a.state)
	more, size := text("more", in), a.state.Size()
	for range 3 {
		r := w.deliver(more, a)
		wantCode(t, "one too many", r.Code, hotline.CodeBusy)
		wantCode(t, "one too many is not logged", r.Reject, "")
	}
	if n := a.state.Size(); n != size {
		t.Errorf("%d entries were made of it", n-size)
	}
	r := w.deliver(text("good"), a)
	wantCode(t, "what asks for nothing", r.Code, "")
	wantCode(t, "what asks for nothing", r.Reject, "")
	wantCode(t, "a line test", w.deliver(w.lineTest(b), a).Code, hotline.CodeBusy)
	c := w.members["XC"]
	inquiry := w.made(c, "inquiry", args{pairs: map[string]string{"to": "XA", "as": "q2"}})
	wantCode(t, "XC", w.submit(c, inquiry).Code, "")
	wantCode(t, "XC", w.deliver(inquiry, a).Reject, "")
	a.state.FillKnown(hotlinetest.CaseOf(inquiry), "XC")
	other := c.Text(w.now, "XA", "words", hotlinetest.In(hotlinetest.CaseOf(inquiry)))
	wantCode(t, "XC", w.submit(c, other).Code, "")
	wantCode(t, "what another peer has rejected", w.deliver(other, a).Reject, hotline.CodeBusy)
	a.state.FreeOutbox("XB", 1)
	wantCode(t, "a reject", w.submit(a, w.answer(a, a.state.Asks(w.now)[0])).Code, "")
	wantCode(t, "again, when one was said", w.deliver(more, a).Reject, hotline.CodeBusy)
	wantCode(t, "and no more", w.deliver(text("and more", in), a).Code, hotline.CodeBusy)
}

// lineTest lets time pass until a party tests the line to XA.
func (w *world) lineTest(m *member) *hotline.Statement {
	for {
		for _, x := range m.state.Asks(w.now) {
			if x.Kind == hotline.KindLineTest && x.To[0] == "XA" {
				st := w.answer(m, x)
				w.submit(m, st)
				return st
			}
		}
		next, ok := m.state.NextDeadline()
		if !ok {
			w.t.Fatal("no deadline")
		}
		w.now = max(w.now, next)
		w.must(m, &ledger.Command{Type: ledger.Tick})
	}
}

// Promise: a line test that found no room until the next one is due is not made any more; one that its leader has made meanwhile is taken all the same, for a while, as by a log of
// before; and what is over is forgotten.
func TestAnOvertakenLineTestIsNotMade(t *testing.T) {
	w, a, _ := pairWorld(t, func(c *hotline.Convention) { c.Terms.WatchTest, c.Terms.LineAlarm, c.Terms.Contacts = 0, 0, 0 })
	w.twins = 50 // so much state is compared now and then
	a.state.FillOutbox("XB", hotline.MaxOutbox)
	var first *ledger.Ask
	for range 200 {
		next, ok := a.state.NextDeadline()
		if !ok {
			t.Fatal("no deadline")
		}
		w.now = max(w.now, next)
		w.must(a, &ledger.Command{Type: ledger.Tick})
		if first == nil {
			a.state.FreeOutbox("XB", hotline.MaxOutbox)
			list := a.state.Asks(w.now)
			if i := slices.IndexFunc(list, func(x *ledger.Ask) bool { return x.To[0] == "XB" }); i >= 0 {
				first = list[i]
			}
			a.state.FillOutbox("XB", hotline.MaxOutbox)
		}
	}
	a.state.FreeOutbox("XB", hotline.MaxOutbox)
	var kept []*ledger.Ask
	for _, x := range a.state.Asks(w.now) {
		if x.To[0] == "XB" {
			kept = append(kept, x)
		}
	}
	if len(kept) != 1 || kept[0].Kind != hotline.KindLineTest {
		t.Fatalf("asked for towards XB: %v", kept)
	}
	wantCode(t, "the first, days later", w.submit(a, w.answer(a, first)).Code, hotline.CodeNotOwed)
	for len(a.state.Asks(w.now)) == 0 || a.state.Asks(w.now)[len(a.state.Asks(w.now))-1].Cause == kept[0].Cause {
		next, _ := a.state.NextDeadline()
		w.now = max(w.now, next)
		w.must(a, &ledger.Command{Type: ledger.Tick})
	}
	w.twins = 0
	wantCode(t, "the one that was overtaken just now", w.submit(a, w.answer(a, kept[0])).Code, "")
	for range 40 { // two days
		next, _ := a.state.NextDeadline()
		w.now = max(w.now, next)
		w.must(a, &ledger.Command{Type: ledger.Tick})
	}
	if answered, waiting := a.state.Answered(); answered != 0 || waiting > 30 { // of two peers, each every two hours
		t.Errorf("%d that were answered are remembered, %d wait to be forgotten", answered, waiting)
	}
	restored(t, a.state)
}
