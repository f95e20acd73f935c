package ledger_test

import (
	"fmt"
	"slices"

	"example.org/hotline/hotline"
)

// watch reads one log entry by entry and knows nothing of the ledger's code:
// from the entries alone it keeps what was fired and what was done.
type watch struct {
	self  hotline.Party
	size  uint64
	time  hotline.Time
	next  map[hotline.Party]uint64
	fired map[string]hotline.Time // owner and number of the clock
	done  map[string]bool         // duty, subject and peer
	late  map[string]bool
	tell  map[hotline.ID]*telling // by case

	placed map[hotline.ID]uint64     // entry of each statement
	refers map[hotline.ID]hotline.ID // the request that an answer answers
	closed map[string]uint64         // entry that last closed a class of duty, by subject of the case or request and peer
}

// telling is who must still be told in a case, and by which assessment.
type telling struct {
	assessment hotline.ID
	untold     []hotline.Party
}

func newWatch(p hotline.Party) *watch {
	return &watch{self: p, next: map[hotline.Party]uint64{}, fired: map[string]hotline.Time{}, done: map[string]bool{}, late: map[string]bool{},
		tell: map[hotline.ID]*telling{}, placed: map[hotline.ID]uint64{}, refers: map[hotline.ID]hotline.ID{}, closed: map[string]uint64{}}
}

func (w *watch) entry(t tester, index uint64, raw []byte) {
	t.Helper()
	e, content, err := hotline.DecodeEntry(raw)
	if err != nil {
		t.Fatalf("%s: entry %d cannot be read: %v", w.self, index, err)
	}
	if index != w.size || e.Time < w.time {
		t.Fatalf("%s: entry %d at %s comes after %d entries and %s", w.self, index, clock(e.Time), w.size, clock(w.time))
	}
	w.size, w.time = w.size+1, e.Time
	switch x := content.(type) {
	case *hotline.Due:
		w.due(t, e, x)
	case *hotline.Sent:
		w.sent(t, x)
	case *hotline.Received:
		w.received(x)
	case *hotline.Receipted:
		r, err := hotline.ParseReceipt(x.Receipt)
		if err != nil {
			t.Fatal(err)
		}
		w.did(hotline.DutyDeliver, x.Statement, r.Party)
	}
}

func duty(d hotline.Duty, subject hotline.ID, peer hotline.Party) string {
	return fmt.Sprintf("%s %s %s", d, subject.Short(), peer)
}

func (w *watch) did(d hotline.Duty, subject hotline.ID, peer hotline.Party) {
	w.done[duty(d, subject, peer)] = true
}

// settled is how long what is settled between two parties is remembered (SPEC §6.9).
var settled = hotline.Time(hotline.SettledMemory.Milliseconds())

// due holds SPEC §6.3: a clock fires once, at or after its due time, with its
// duty open, and says overdue once.
func (w *watch) due(t tester, e *hotline.Entry, d *hotline.Due) {
	t.Helper()
	owner := "pair " + string(d.Peer)
	if e.Scope.Case != nil {
		owner = e.Scope.Case.Key()
	}
	id, name := fmt.Sprintf("%s %d", owner, d.Clock), duty(d.Duty, d.Subject, d.Peer)
	switch {
	case d.Due > e.Time:
		t.Fatalf("%s: %s fired at %s, due at %s", w.self, name, clock(e.Time), clock(d.Due))
	case w.fired[id] != 0 && e.Time-w.fired[id] <= settled: // else the case was forgotten, and what comes after begins with clock 1
		t.Fatalf("%s: clock %s fired twice", w.self, id)
	case w.placed[d.Subject] < w.closed[w.closing(e, d)]:
		t.Fatalf("%s: %s fired at %s, but entry %d closed it", w.self, name, clock(e.Time), w.closed[w.closing(e, d)])
	case w.done[name] && !d.Subject.IsZero():
		t.Fatalf("%s: %s fired at %s after it was done", w.self, name, clock(e.Time))
	case d.Overdue && w.late[name] && !d.Subject.IsZero(): // what no statement opened begins anew
		t.Fatalf("%s: %s is overdue twice", w.self, name)
	}
	w.fired[id] = e.Time
	w.late[name] = w.late[name] || d.Overdue
}

func (w *watch) sent(t tester, x *hotline.Sent) {
	t.Helper()
	for _, q := range x.Sequences {
		if w.next[q.To]++; w.next[q.To] != q.N {
			t.Fatalf("%s: sequence %d to %s, %d is next", w.self, q.N, q.To, w.next[q.To])
		}
	}
	st, err := hotline.Parse(x.Statement)
	if err != nil {
		t.Fatal(err)
	}
	h := &st.Header
	w.place(st)
	for _, p := range h.To {
		w.closes(st, p, [3]hotline.Duty{hotline.DutySupplement, hotline.DutyProgress, hotline.DutyFinal},
			[3]hotline.Duty{hotline.DutyReply, hotline.DutyConsult, hotline.DutyAssist})
	}
	switch h.Kind {
	case hotline.KindAssessment:
		w.did(hotline.DutyAssess, h.Case.ID, "")
		if k := w.tell[h.Case.ID]; k != nil { // a new one takes its place
			w.did(hotline.DutyAlert, k.assessment, "")
		}
		w.tell[h.Case.ID] = &telling{st.ID, slices.Clone(h.Notify)}
	case hotline.KindAlert, hotline.KindAutomaticAlert:
		if k := w.tell[h.Case.ID]; k != nil {
			k.untold = slices.DeleteFunc(k.untold, func(p hotline.Party) bool { return slices.Contains(h.To, p) })
			if len(k.untold) == 0 {
				w.did(hotline.DutyAlert, k.assessment, "")
			}
		}
	case hotline.KindRatification:
		w.did(hotline.DutyRatify, *h.Re, "")
	case hotline.KindAcknowledgement:
		w.did(hotline.DutyAcknowledge, *h.Re, h.To[0])
	}
}

func (w *watch) received(x *hotline.Received) {
	st, err := hotline.Parse(x.Statement)
	if err != nil || x.Code != "" {
		return
	}
	h := &st.Header
	w.place(st)
	w.closes(st, h.From, [3]hotline.Duty{hotline.DutyAwaitSupplement, hotline.DutyAwaitProgress, hotline.DutyAwaitFinal},
		[3]hotline.Duty{hotline.DutyAwaitReply, hotline.DutyAwaitConsult, hotline.DutyAwaitAssist})
	switch h.Kind {
	case hotline.KindAcknowledgement:
		w.did(hotline.DutyAwait, *h.Re, h.From)
	case hotline.KindLineReply:
		w.did(hotline.DutyLineReply, *h.Re, h.From)
	case hotline.KindReject:
		w.did(hotline.DutyDeliver, *h.Re, h.From)
	}
}

func (w *watch) place(st *hotline.Statement) {
	w.placed[st.ID] = w.size - 1
	if k := st.Header.Kind; k == hotline.KindReply || k == hotline.KindAssistanceResponse {
		w.refers[st.ID] = *st.Header.Re
	}
}

// closes notes which duties a report or an answer towards, or of, a peer closes.
func (w *watch) closes(st *hotline.Statement, p hotline.Party, reports, answers [3]hotline.Duty) {
	h := &st.Header
	switch h.Kind {
	case hotline.KindFinal:
		for _, d := range reports {
			w.closed[duty(d, h.Case.ID, p)] = w.size - 1
		}
	case hotline.KindSupplement:
		w.closed[duty(reports[0], h.Case.ID, p)] = w.size - 1
	case hotline.KindReply, hotline.KindAssistanceResponse:
		for _, d := range answers {
			w.closed[duty(d, *h.Re, p)] = w.size - 1
		}
	}
}

// closing is where closes notes what closes the duty of a due entry: an answer
// by its request, everything else by its case.
func (w *watch) closing(e *hotline.Entry, d *hotline.Due) string {
	switch d.Duty {
	case hotline.DutyReply, hotline.DutyConsult, hotline.DutyAssist, hotline.DutyAwaitReply, hotline.DutyAwaitConsult, hotline.DutyAwaitAssist:
		if closed := duty(d.Duty, w.refers[d.Subject], d.Peer); w.closed[closed] != 0 {
			return closed // it hangs on an interim answer
		}
		return duty(d.Duty, d.Subject, d.Peer)
	}
	if e.Scope.Case == nil {
		return ""
	}
	return duty(d.Duty, e.Scope.Case.ID, d.Peer)
}
