package ledger_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/ledger"
)

var endOf = map[string]hotline.PageEnd{"delivered": hotline.PageDelivered, "partly": hotline.PagePartly, "failed": hotline.PageFailed,
	"stopped": hotline.PageStopped}

var resultOf = map[string]hotline.PageResult{"taken": hotline.PageTaken, "refused": hotline.PageRefused, "timed-out": hotline.PageTimedOut,
	"absent": hotline.PageAbsent, "busy": hotline.PageBusy, "cancelled": hotline.PageCancelled}

// intend records that a page is intended, for the newest rung or that of an
// entry: intend new XB-L1=mail,hook XB-L2=hook, or intend 8 desk=mail, with
// repeat=1 for a repeat and key=9 for the key of another entry.
func (s *story) intend(m *member, a args) {
	x := s.pageOf(m, a)
	if names := list(a.pairs["desk"]); len(names) > 0 {
		x.Routes = []hotline.PageRoute{{Targets: []string{m.Name("L1"), m.Name("L2")}, Channels: names}}
	}
	for _, target := range m.Page(1).Officers {
		if names := list(a.pairs[target.Name]); len(names) > 0 {
			x.Routes = append(x.Routes, hotline.PageRoute{Targets: []string{target.Name}, Channels: names})
		}
	}
	s.do(m, a, &ledger.Command{Type: ledger.Paged, Page: x})
}

// woke records what came of a page: woke 8 delivered mail:refused hook:taken,
// with 1/mail:taken for another route than the first.
func (s *story) woke(m *member, a args) {
	x := s.pageOf(m, a)
	x.End, x.Node = endOf[a.word(1)], m.Name("1")
	for _, word := range a.words[2:] {
		channel, result, _ := strings.Cut(word, ":")
		attempt := hotline.PageAttempt{Channel: channel, Tries: 1, First: s.w.now, Last: s.w.now, Result: resultOf[result]}
		if route, name, ok := strings.Cut(channel, "/"); ok {
			attempt.Channel = name
			attempt.Route, _ = strconv.ParseUint(route, 10, 64)
		}
		x.Attempts = append(x.Attempts, attempt)
	}
	s.do(m, a, &ledger.Command{Type: ledger.Paged, Page: x})
}

func (s *story) pageOf(m *member, a args) *hotline.Page {
	due, err := strconv.ParseUint(a.word(0), 10, 64)
	for _, p := range m.state.Pagings(s.w.now) {
		if a.word(0) == "new" && p.Page.Index >= due {
			due, err = p.Page.Index, nil
		}
	}
	if err != nil {
		s.t.Fatal(err)
	}
	of := due
	if n := a.number("key"); n > 0 {
		of = n
	}
	key := hotline.PageKeyOf(s.w.convention.ID, m.Code, 1, of)
	return &hotline.Page{Due: due, Key: key[:], Repeat: a.number("repeat")}
}

var stageNames = map[ledger.PagingStage]string{ledger.PageIntend: "intend", ledger.PageTry: "try", ledger.PageRest: "rest", ledger.PageBreak: "break off"}

// tellPagings writes down what is to be done about pages.
func (s *story) tellPagings(m *member) {
	all := m.state.Pagings(s.w.now)
	if len(all) == 0 {
		fmt.Fprintf(&s.b, "%s has no page open\n", m.Code)
	}
	for _, p := range all {
		fmt.Fprintf(&s.b, "%s entry %d repeat %d: %s, %s to %s", m.Code, p.Page.Index, p.Repeat, stageNames[p.Stage], p.Page.Office,
			strings.Join(p.Page.Targets, ","))
		for _, a := range p.Taken {
			fmt.Fprintf(&s.b, ", route %d taken by %s", a.Route, a.Channel)
		}
		s.b.WriteString("\n")
	}
}

func tellPage(x *hotline.Page) string {
	var b strings.Builder
	fmt.Fprintf(&b, "page for %d", x.Due)
	if x.Repeat > 0 {
		fmt.Fprintf(&b, " repeat %d", x.Repeat)
	}
	if !x.Intent() {
		fmt.Fprintf(&b, " %s", x.End)
	}
	for _, r := range x.Routes {
		fmt.Fprintf(&b, " %s by %s", strings.Join(r.Targets, ","), strings.Join(r.Channels, ","))
	}
	for _, a := range x.Attempts {
		fmt.Fprintf(&b, " %d/%s:%s", a.Route, a.Channel, a.Result)
	}
	return b.String()
}

// TestPageKeyIsOfOneRung: the key is the same whoever leads, and no other rung
// of any log has it.
func TestPageKeyIsOfOneRung(t *testing.T) {
	seen := map[hotline.PageKey]bool{}
	for _, party := range []hotline.Party{"XA", "XB"} {
		for generation := uint64(1); generation < 3; generation++ {
			for index := range uint64(3) {
				for _, convention := range []hotline.ID{{1}, {2}} {
					seen[hotline.PageKeyOf(convention, party, generation, index)] = true
				}
			}
		}
	}
	if len(seen) != 2*2*3*2 {
		t.Errorf("%d different keys", len(seen))
	}
	if a, b := hotline.PageKeyOf(hotline.ID{1}, "XA", 1, 7), hotline.PageKeyOf(hotline.ID{1}, "XA", 1, 7); a != b {
		t.Error("the key of a rung changes")
	}
}

// TestPageEntriesReplay: what a log says about pages is held to the same rules
// by whoever replays it: a forged end, or an intent that nobody was asked for,
// is a Difference.
func TestPageEntriesReplay(t *testing.T) {
	var b strings.Builder
	s := &story{t: t}
	for _, line := range []string{"world parties=XA,XB", "XA text to=XB prec=flash as=t1", "XB receive t1", "XB intend 6 desk=mail", "XB woke 6 delivered mail:taken"} {
		b.WriteString(s.block([]string{line}))
	}
	m := s.w.members["XB"]
	if err := replayAll(m.entries); err != nil {
		t.Fatal(err)
	}
	last := len(m.entries) - 1
	spoil := map[string]func(x *hotline.Page){
		"another rung":   func(x *hotline.Page) { x.Due = 5 },
		"another key":    func(x *hotline.Page) { x.Key = slices.Repeat([]byte{1}, 16) },
		"another repeat": func(x *hotline.Page) { x.Repeat = 1 },
		"unknown route":  func(x *hotline.Page) { x.Attempts[0].Route = 1 },
	}
	for name, f := range spoil {
		forged := slices.Clone(m.entries)
		forged[last] = altered(t, m.entries[last], func(_ *hotline.Entry, c any) { f(c.(*hotline.Page)) })
		if err := replayAll(forged); err == nil {
			t.Errorf("%s: the replay accepts it", name)
		}
	}
	for name, entries := range map[string][][]byte{
		"an end without intent": slices.Concat(m.entries[:last-1], m.entries[last:]),
		"an intent twice":       slices.Concat(m.entries[:last], m.entries[last-1:]),
	} {
		if err := replayAll(entries); err == nil {
			t.Errorf("%s: the replay accepts it", name)
		}
	}
}

// wake does what a leader with channels does, at times wrongly.
func (g *game) wake(m *member) {
	for _, p := range m.state.Pagings(g.w.now) {
		x := &hotline.Page{Due: p.Page.Index, Key: slices.Clone(p.Key[:]), Repeat: p.Repeat}
		if g.chance(10, "wrong") {
			x.Repeat++
		}
		switch p.Stage {
		case ledger.PageIntend:
			x.Routes = []hotline.PageRoute{{Targets: p.Page.Targets, Channels: []string{"mail", "hook"}}}
		default:
			x.End, x.Node = hotline.PageEnd(1+g.pick(4, "end")), m.Name("1")
			x.Attempts = []hotline.PageAttempt{{Channel: "mail", Tries: 1, First: g.w.now, Last: g.w.now, Result: hotline.PageResult(1 + g.pick(6, "result"))}}
		}
		if g.chance(60, "woken") {
			g.propose(m, &ledger.Command{Type: ledger.Paged, Page: x})
		}
	}
}
