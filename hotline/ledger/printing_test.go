package ledger_test

import (
	"fmt"
	"slices"
	"strings"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/hotlinetest"
	"example.org/hotline/hotline/ledger"
)

// tell writes down what a command did: the refusal, the entries, the effects.
func (w *world) tell(b *strings.Builder, m *member, r *ledger.Result, err error) {
	switch {
	case err != nil:
		fmt.Fprintf(b, "%s unverified: %s\n", m.Code, w.legible(err.Error()))
		return
	case r.Code != "":
		fmt.Fprintf(b, "%s refused: %s: %s\n", m.Code, r.Code, w.legible(r.Text))
	case r.Existing:
		fmt.Fprintf(b, "%s existing at %d\n", m.Code, r.Index)
	case r.Reject != "":
		fmt.Fprintf(b, "%s rejected: %s\n", m.Code, w.legible(r.Text))
	default:
		fmt.Fprintf(b, "%s done\n", m.Code)
	}
	if r.NeedConvention != 0 {
		fmt.Fprintf(b, "  needs convention %d\n", r.NeedConvention)
	}
	if r.NeedDirectory != 0 {
		fmt.Fprintf(b, "  needs directory %d\n", r.NeedDirectory)
	}
	for i, raw := range r.Entries {
		w.tellEntry(b, r.First+uint64(i), raw)
	}
	for i := range r.Effects {
		w.tellEffect(b, &r.Effects[i])
	}
}

// legible puts names in the place of ids and keys, which differ with each run.
func (w *world) legible(s string) string {
	for id, name := range w.names {
		s = strings.ReplaceAll(s, id.Short(), "$"+name)
	}
	for _, code := range w.order {
		m := w.members[code]
		for name, k := range m.Officers {
			s = strings.ReplaceAll(s, k.Public().ID().String(), name)
		}
		s = strings.ReplaceAll(s, m.Service.Public().ID().String(), string(code)+"-service")
	}
	return s
}

func (w *world) tellEntry(b *strings.Builder, index uint64, raw []byte) {
	e, content, err := hotline.DecodeEntry(raw)
	if err != nil {
		w.t.Fatalf("entry %d: %v", index, err)
	}
	fmt.Fprintf(b, "  %d %s ", index, clock(e.Time))
	switch x := content.(type) {
	case *hotline.Genesis:
		fmt.Fprintf(b, "genesis %s/%d", x.Party, x.Generation)
	case *hotline.Sent:
		st := w.parse(x.Statement)
		w.name(st, "")
		fmt.Fprintf(b, "sent %s %s", st.Header.Kind, w.called(st.ID))
		for _, q := range x.Sequences {
			fmt.Fprintf(b, " %s:%d", q.To, q.N)
		}
		b.WriteString(marks(x.Marks))
	case *hotline.Received:
		st := w.parse(x.Statement)
		w.name(st, "")
		fmt.Fprintf(b, "received %s %s from %s%s", st.Header.Kind, w.called(st.ID), st.Header.From, marks(x.Marks))
		if x.Code != "" {
			fmt.Fprintf(b, " REJECTED %s", x.Code)
		}
	case *hotline.Receipted:
		fmt.Fprintf(b, "receipted %s of entry %d by %s", w.called(x.Statement), x.Index, w.receipt(x.Receipt).Party)
	case *hotline.Due:
		fmt.Fprintf(b, "due %s %s", x.Duty, w.called(x.Subject))
		if x.Peer != "" {
			fmt.Fprintf(b, " %s", x.Peer)
		}
		fmt.Fprintf(b, " at %s %d permille clock %d %s %s", clock(x.Due), x.Permille, x.Clock, x.Office, strings.Join(x.Targets, ","))
		if x.Overdue {
			b.WriteString(" OVERDUE")
		}
	case *hotline.Clock:
		b.WriteString("clock")
		for _, r := range x.Readings {
			fmt.Fprintf(b, " %s:%+dms", r.Node, r.Time-e.Time)
		}
	case *hotline.Members:
		fmt.Fprintf(b, "members %s", strings.Join(x.Voters, ","))
	case *hotline.RulesVersion:
		fmt.Fprintf(b, "rules %d", x.Version)
	case *hotline.Document:
		b.WriteString("document " + w.documentName(x.Raw))
	case *hotline.Page:
		b.WriteString(tellPage(x))
	case *hotline.Witnessed:
		b.WriteString(tellWitnessed(x))
	}
	fmt.Fprintf(b, " %s\n", w.scope(&e.Scope))
}

func (w *world) documentName(raw []byte) string {
	var names []string
	for name, doc := range w.documents {
		if string(doc) == string(raw) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return strings.Join(names, "=")
}

func (w *world) scope(s *hotline.Scope) string {
	var parties []string
	for _, p := range s.Parties {
		parties = append(parties, string(p))
	}
	switch s.Class {
	case hotline.ScopeCommon:
		return "(common)"
	case hotline.ScopePair:
		return "(pair " + strings.Join(parties, " ") + ")"
	}
	return "(case " + w.called(s.Case.ID) + " " + strings.Join(parties, " ") + ")"
}

func marks(m hotline.Marks) string {
	var s string
	for _, x := range []struct {
		bit  hotline.Marks
		name string
	}{{hotline.MarkTimeUnproven, " TIME-UNPROVEN"}, {hotline.MarkSkewed, " SKEWED"}, {hotline.MarkRevokedSince, " REVOKED-SINCE"}} {
		if m&x.bit != 0 {
			s += x.name
		}
	}
	return s
}

var effectNames = map[ledger.EffectType]string{ledger.Deliver: "deliver", ledger.Settled: "settled", ledger.Received: "received",
	ledger.Compose: "compose", ledger.Page: "page", ledger.Stop: "stop", ledger.Wake: "wake", ledger.Published: "published", ledger.Accepted: "accepted"}

func (w *world) tellEffect(b *strings.Builder, e *ledger.Effect) {
	fmt.Fprintf(b, "  > %s", effectNames[e.Type])
	put := func(format string, v any, here bool) {
		if here {
			fmt.Fprintf(b, format, v)
		}
	}
	put(" %s", e.Duty, e.Duty != 0)
	put(" %s", e.Kind, e.Kind != 0)
	put(" %s", w.called(e.ID), !e.ID.IsZero())
	put(" peer %s", e.Peer, e.Peer != "")
	if e.Ask != nil {
		put(" to %v", e.Ask.To, len(e.Ask.To) > 0)
		put(" for %s", e.Ask.Peer, e.Ask.Peer != "")
	}
	put(" number %d", e.Sequence, e.Sequence != 0)
	put(" office %s", e.Office, e.Office != "")
	put(" to %s", strings.Join(e.Targets, ","), len(e.Targets) > 0)
	put(" %s", e.Text, e.Text != "" && len(e.Text) < 40)
	put(" %s", "OVERDUE", e.Overdue)
	put(" %s", e.Status, e.Status != 0 && e.Status != hotline.Actual)
	b.WriteString("\n")
}

// tellCase writes down how far a case is.
func (w *world) tellCase(b *strings.Builder, m *member, id hotline.CaseID) {
	k := m.state.Case(id)
	if k == nil {
		fmt.Fprintf(b, "%s knows no such case\n", m.Code)
		return
	}
	fmt.Fprintf(b, "%s %s %s %s %v", m.Code, k.Status, k.Precedence, k.Stage, k.Parties)
	if len(k.Untold) > 0 {
		fmt.Fprintf(b, " untold %v", k.Untold)
	}
	b.WriteString("\n")
	for _, t := range k.Told {
		fmt.Fprintf(b, "  %s %s %s\n", w.called(t.Statement), t.Party, t.Stage)
	}
	w.tellDuties(b, k.Duties)
}

func (w *world) tellDuties(b *strings.Builder, list []*ledger.Duty) {
	for _, d := range list {
		fmt.Fprintf(b, "  duty %s %s", d.Class, w.called(d.Subject))
		if d.Peer != "" {
			fmt.Fprintf(b, " %s", d.Peer)
		}
		fmt.Fprintf(b, " until %s, %d of %d clocks fired", clock(d.Deadline), d.Next, len(d.Clocks))
		if d.Overdue {
			b.WriteString(" OVERDUE")
		}
		b.WriteString("\n")
	}
}

// tellPair writes down how a line is.
func (w *world) tellPair(b *strings.Builder, m *member, with hotline.Party) {
	p := m.state.Pair(with)
	if p == nil {
		fmt.Fprintf(b, "%s knows nothing of %s\n", m.Code, with)
		return
	}
	fmt.Fprintf(b, "%s to %s: next %d, in %d/%d +%d, missed %d", m.Code, with, p.NextOut, p.In.Generation, p.In.Watermark, len(p.In.Above), p.Missed)
	if p.Tested != 0 {
		fmt.Fprintf(b, ", tested %s", clock(p.Tested))
	}
	b.WriteString("\n")
	for _, o := range m.state.Outbox(with) {
		fmt.Fprintf(b, "  %d %s waits for a receipt\n", o.Sequence, w.called(o.ID))
	}
	w.tellDuties(b, p.Duties)
}

// tellLine writes down what tests have shown of a line, and what it waits for.
func (w *world) tellLine(b *strings.Builder, m *member, with hotline.Party) {
	p := m.state.Pair(with)
	at := func(t hotline.Time) string {
		if t == 0 {
			return "never"
		}
		return clock(t)
	}
	by := func(m ledger.Manned) string { return strings.TrimSpace(at(m.At) + " " + m.By) }
	fmt.Fprintf(b, "%s to %s: asked %s, tested %s (%d ms), heard %s, missed %d, here %s, there %s\n", m.Code, with, at(p.Asked), at(p.Tested),
		p.RoundTrip, at(p.Heard), p.Missed, by(p.Here), by(p.There))
	for _, d := range p.Duties {
		if d.Class >= hotline.DutyLineAnswered {
			w.tellDuties(b, []*ledger.Duty{d})
		}
	}
}

// tellLife writes down how far a case is between two parties, and on a line of
// its own when it was detected, opened and assessed, so far as this log says.
func (w *world) tellLife(b *strings.Builder, m *member, a args) {
	k := m.state.Case(hotlinetest.CaseOf(w.st(a.word(0))))
	if k == nil {
		fmt.Fprintf(b, "%s knows no such case\n", m.Code)
		return
	}
	l := m.state.Life(k, hotline.Party(a.word(1)), hotline.Party(a.word(2)))
	fmt.Fprintf(b, "%s: %s told %s: %s\n", m.Code, a.word(1), a.word(2), strings.Join(append([]string{l.Stage.String()}, l.Marks()...), " "))
	if k.Detected != 0 {
		fmt.Fprintf(b, "  detected %s, adopted %s", clock(k.Detected), clock(k.Opened))
		if k.Assessed != 0 {
			fmt.Fprintf(b, ", assessed %s", clock(k.Assessed))
		}
		b.WriteString("\n")
	}
}

// tellLate writes down what was overdue in a case, or towards a peer.
func (w *world) tellLate(b *strings.Builder, m *member, a args) {
	var list []ledger.Late
	if p := m.state.Pair(hotline.Party(a.word(0))); p != nil {
		list = p.Late
	} else if k := m.state.Case(hotlinetest.CaseOf(w.st(a.word(0)))); k != nil {
		list = k.Late
	}
	for _, l := range list {
		fmt.Fprintf(b, "%s late: %s %s %s, due %s by entry %d", m.Code, l.Class, w.called(l.Subject), l.Peer, clock(l.Due), l.Entry)
		if l.Done != 0 {
			fmt.Fprintf(b, ", done %s", clock(l.Done))
		}
		if l.Reason != "" {
			fmt.Fprintf(b, ", reason %s", l.Reason)
		}
		b.WriteString("\n")
	}
}
