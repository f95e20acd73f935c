package ledger_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/ledger"
)

// check holds what is promised of every log: an auditor who decides again
// comes to the same entries and the same state, of the whole log and of the
// part that another party is shown.
func (w *world) check() {
	w.t.Helper()
	for _, code := range w.order {
		m := w.members[code]
		if m.state == nil {
			continue
		}
		r, err := m.replay(nil)
		if err != nil {
			w.t.Errorf("%s: replay: %v", code, err)
			continue
		}
		// A command without an entry may have let the ledger forget what the
		// replay, which never saw it, still remembers, or pass over a clock that an
		// amendment ended: both pass a time that no command was ahead of.
		live := restored(w.t, m.state)
		for _, s := range []*ledger.State{live, r.State()} {
			c := &ledger.Command{Type: ledger.Tick, Time: max(s.Time(), w.now) + 2*3600_000}
			for _, name := range s.Voters() {
				c.Readings = append(c.Readings, hotline.Reading{Node: name, Time: c.Time})
			}
			s.Apply(c)
			s.Apply(&ledger.Command{Type: ledger.Tick, Time: s.Time()})
		}
		if got, want := dump(r.State()), dump(live); got != want {
			w.t.Errorf("%s: a replay comes to another state:\n%s", code, difference(want, got))
		}
		for _, with := range w.order {
			if with == code {
				continue
			}
			if _, err := m.replay(m.shown(with), code, with); err != nil {
				w.t.Errorf("%s as shown to %s: replay: %v", code, with, err)
			}
		}
		w.checkCases(m)
	}
}

// checkCases decides every case of a log again by itself, whole and as another
// party is shown it.
func (w *world) checkCases(m *member) {
	w.t.Helper()
	for _, id := range m.cases() {
		if _, err := m.project(m.shownOf(id, nil), &ledger.Part{Case: &id}); err != nil {
			w.t.Errorf("%s, case %s: replay: %v", m.Code, id, err)
		}
		for _, with := range w.order {
			if with == m.Code {
				continue
			}
			part := &ledger.Part{Case: &id, Parties: map[hotline.Party]bool{m.Code: true, with: true}}
			if _, err := m.project(m.shownOf(id, m.shown(with)), part); err != nil {
				w.t.Errorf("%s, case %s as shown to %s: replay: %v", m.Code, id, with, err)
			}
		}
	}
}

// cases lists the cases in the scopes of a log, as they come.
func (m *member) cases() (list []hotline.CaseID) {
	for _, raw := range m.entries {
		if e, _, err := hotline.DecodeEntry(raw); err == nil && e.Scope.Case != nil && !slices.Contains(list, *e.Scope.Case) {
			list = append(list, *e.Scope.Case)
		}
	}
	return list
}

// shownOf is the filter of SPEC §7.6 for a case, of what also lets see.
func (m *member) shownOf(id hotline.CaseID, also func(*hotline.Scope) bool) func(*hotline.Entry, any) bool {
	said := map[hotline.ID]bool{}
	return func(e *hotline.Entry, content any) bool {
		var raw []byte
		switch x := content.(type) {
		case *hotline.Sent:
			raw = x.Statement
		case *hotline.Received:
			raw = x.Statement
		}
		st, err := hotline.Parse(raw)
		ok := e.Scope.Class == hotline.ScopeCommon || e.Scope.Case != nil && *e.Scope.Case == id
		if ok && err == nil && e.Scope.Case != nil {
			said[st.ID] = true
		}
		if e.Scope.Class == hotline.ScopePair && err == nil && st.Header.Kind == hotline.KindReject {
			ok = said[*st.Header.Re]
		}
		return ok && (also == nil || also(&e.Scope))
	}
}

// shown is the filter of SPEC §7.6 for a pair.
func (m *member) shown(with hotline.Party) func(*hotline.Scope) bool {
	cases := map[string]bool{}
	for _, raw := range m.entries {
		e, _, err := hotline.DecodeEntry(raw)
		if err == nil && e.Scope.Case != nil && slices.Contains(e.Scope.Parties, with) {
			cases[e.Scope.Case.Key()] = true
		}
	}
	return func(s *hotline.Scope) bool {
		switch s.Class {
		case hotline.ScopeCommon:
			return true
		case hotline.ScopePair:
			return slices.Contains(s.Parties, with)
		}
		return slices.Contains(s.Parties, with) || (len(s.Parties) == 1 && cases[s.Case.Key()])
	}
}

// replay decides the log again, or the part that shows lets see.
func (m *member) replay(shows func(*hotline.Scope) bool, only ...hotline.Party) (*ledger.Replay, error) {
	if shows == nil {
		return m.project(nil, nil)
	}
	part := &ledger.Part{Parties: map[hotline.Party]bool{}}
	for _, p := range only {
		part.Parties[p] = true
	}
	return m.project(func(e *hotline.Entry, _ any) bool { return shows(&e.Scope) }, part)
}

// project is replay for any part.
func (m *member) project(shows func(*hotline.Entry, any) bool, part *ledger.Part) (*ledger.Replay, error) {
	r := ledger.NewReplay(part)
	verify := func(c *ledger.Command) error { return r.State().Verify(c, ledger.OwnFrom(m.entry)) }
	if part != nil && part.Case != nil {
		verify = nil // it was verified with the whole
	}
	hidden := false
	for i, raw := range m.entries {
		e, content, err := hotline.DecodeEntry(raw)
		if err != nil {
			return r, fmt.Errorf("entry %d cannot be read: %w", i, err)
		}
		if shows != nil && !shows(e, content) {
			hidden = true
			continue
		}
		if hidden {
			if err := r.Skip(uint64(i)); err != nil {
				return r, err
			}
			hidden = false
		}
		if err := r.Next(uint64(i), raw, verify); err != nil {
			return r, err
		}
	}
	return r, r.End()
}

// dump writes the record state down, so that two can be compared by eye.
func dump(s *ledger.State) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s/%d size %d time %d voters %v ladder %d conventions %d\n", s.Self(), s.Generation(), s.Size(), s.Time(),
		s.Voters(), s.Ladder().Number, len(s.Conventions()))
	for _, p := range append(s.Peers(), s.Self()) {
		for _, d := range s.Directories(p) {
			fmt.Fprintf(&b, "directory %s/%d\n", p, d.Number)
		}
	}
	for _, p := range s.Peers() {
		dumpPair(&b, s, p)
	}
	for _, k := range s.Cases() {
		fmt.Fprintf(&b, "case %s %s %s %s opened %d touched %d %v untold %v assessed %s at %d\n", k.ID, k.Status, k.Precedence, k.Stage,
			k.Opened, k.Touched, k.Parties, k.Untold, k.Assessment.Short(), k.AssessedAt)
		for _, x := range k.Known {
			fmt.Fprintf(&b, "  known %s %s %s %v %d %d re %s %s %s\n", x.ID.Short(), x.Kind, x.From, x.To, x.Index, x.Time, x.Re.Short(), x.Precedence, x.Disposition)
		}
		for _, x := range k.Told {
			fmt.Fprintf(&b, "  told %s %s %s\n", x.Party, x.Statement.Short(), x.Stage)
		}
		dumpDuties(&b, k.Duties)
		fmt.Fprintf(&b, "  detected %d assessed %d late %v\n", k.Detected, k.Assessed, k.Late)
		for _, p := range s.Peers() {
			fmt.Fprintf(&b, "  life %s %v %v\n", p, s.Life(k, s.Self(), p), s.Life(k, p, s.Self()))
		}
	}
	for _, p := range s.Posts() {
		fmt.Fprintf(&b, "post %s %s since %d by %d\n", p.Role, p.Officer, p.Since, p.Entry)
	}
	for _, a := range s.Asks(s.Time()) {
		fmt.Fprintf(&b, "ask %s cause %d case %v re %s to %v peer %s %s %s due %d %s %s %d %d\n", a.Kind, a.Cause, a.Case, a.Re.Short(), a.To,
			a.Peer, a.Status, a.Precedence, a.Due, a.Office, a.Reason, a.Sequence, a.Source)
	}
	return b.String()
}

func dumpPair(b *strings.Builder, s *ledger.State, with hotline.Party) {
	p := s.Pair(with)
	if p == nil {
		return
	}
	var above []uint64
	for n := range p.In.Above {
		above = append(above, n)
	}
	slices.Sort(above)
	fmt.Fprintf(b, "pair %s next %d in %d/%d %v missed %d tested %d\n", with, p.NextOut, p.In.Generation, p.In.Watermark, above, p.Missed, p.Tested)
	var list []*ledger.Sent
	for _, o := range p.Sent {
		list = append(list, o)
	}
	slices.SortFunc(list, func(a, b *ledger.Sent) int { return int(a.Sequence) - int(b.Sequence) })
	for _, o := range list {
		fmt.Fprintf(b, "  sent %d %s %s %s at %d %d receipted %t acknowledged %t undelivered %t\n", o.Sequence, o.ID.Short(), o.Kind, o.Status,
			o.Index, o.Time, o.Receipted, o.Acknowledged, o.Undelivered)
	}
	dumpDuties(b, p.Duties)
	fmt.Fprintf(b, "  late %v suspended %t %t\n", p.Late, p.SuspendedHere, p.SuspendedThere)
}

func dumpDuties(b *strings.Builder, list []*ledger.Duty) {
	for _, d := range list {
		fmt.Fprintf(b, "  duty %s %s %s %s %s opened %d deadline %d overdue %t next %d %v\n", d.Class, d.Subject.Short(), d.Peer, d.Status,
			d.Precedence, d.Opened, d.Deadline, d.Overdue, d.Next, d.Clocks)
	}
}

// difference shows the first line in which two texts differ.
func difference(want, got string) string {
	a, b := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range a {
		if i >= len(b) || a[i] != b[i] {
			return fmt.Sprintf("want %s\n got %s", a[i], at(b, i))
		}
	}
	return "more: " + at(b, len(a))
}

func at(list []string, i int) string {
	if i < len(list) {
		return list[i]
	}
	return errors.New("nothing").Error()
}
