package audit

import (
	"cmp"
	"slices"

	"example.org/hotline/hotline"
)

// track follows statements from the tender to the acknowledgement. A statement
// is told by its sender's log, which holds the receiver's signatures over the
// later times; by the receiver's only if the sender's is not given. Of what another party is
// said to have sent, received or acknowledged nothing counts that is not verified.
func (t *teller) track(it *item, verified bool) error {
	if _, own := it.content.(*hotline.Sent); !own && !verified {
		return nil
	}
	switch c := it.content.(type) {
	case *hotline.Sent:
		return t.trackSent(it, c)
	case *hotline.Received:
		return t.trackReceived(it, c)
	case *hotline.Receipted:
		if r := it.facts.proof; r != nil {
			return t.update(rowKey{r.Statement, r.Party}, func(w *row) { w.Received = r.Time })
		}
	}
	return nil
}

func (t *teller) trackSent(it *item, c *hotline.Sent) error {
	st := it.facts.st
	if st == nil || st.Header.From != t.self {
		return nil
	}
	for _, q := range c.Sequences {
		w := newRow(st, q.To, q.N, t.generation, it.index)
		w.Tendered = it.entry.Time
		if err := t.begin(w); err != nil {
			return err
		}
	}
	if h := &st.Header; h.Kind == hotline.KindAcknowledgement {
		return t.update(rowKey{*h.Re, t.self}, func(w *row) { w.Acknowledged = it.entry.Time })
	}
	return nil
}

func (t *teller) trackReceived(it *item, c *hotline.Received) error {
	f := &it.facts
	if f.st == nil || f.sender == nil || f.proof == nil {
		return nil
	}
	h := &f.st.Header
	if !t.others(h.From, f.proof.Generation, f.proof.Index, t.self, caseKey(f.st.InCase())) {
		w := newRow(f.st, t.self, f.sender.Sent.SequenceFor(t.self), f.proof.Generation, f.proof.Index)
		w.Tendered, w.Received, w.Rejected = f.sender.Time, it.entry.Time, c.Code
		if err := t.begin(w); err != nil {
			return err
		}
		if err := t.update(rowKey{f.st.ID, t.self}, func(*row) {}); err != nil {
			return err
		}
	}
	switch {
	case c.Code != "" || h.Re == nil:
		return nil
	case h.Kind == hotline.KindAcknowledgement:
		return t.update(rowKey{*h.Re, h.From}, func(w *row) { w.Acknowledged = f.sender.Time })
	case h.Kind == hotline.KindReject:
		return t.update(rowKey{*h.Re, h.From}, func(w *row) { w.Rejected = h.Reason })
	}
	return nil
}

func newRow(st *hotline.Statement, to hotline.Party, sequence, generation, index uint64) *row {
	h := &st.Header
	w := &row{kind: h.Kind, Statement: Statement{ID: st.ID.String(), Kind: h.Kind.String(), Status: h.Status.String(),
		Precedence: h.Precedence.String(), From: h.From, To: to, Sequence: sequence,
		Generation: generation, TenderedAs: index}}
	if in := st.InCase(); in != nil {
		w.Case = in.Key()
	}
	w.id = st.ID
	return w
}

func (t *teller) begin(w *row) error {
	key := rowKey{w.id, w.To}
	if t.open[key] != nil {
		return nil
	}
	if len(t.open) >= maxOpenRows {
		rows := t.openRows()
		for _, old := range rows[:len(rows)/2] {
			if err := t.finish(old); err != nil {
				return err
			}
		}
	}
	t.open[key] = w
	return nil
}

// update changes a statement under way, and tells it when nothing more can come.
func (t *teller) update(key rowKey, change func(*row)) error {
	w := t.open[key]
	if w == nil {
		return nil
	}
	change(w)
	if w.Rejected != "" || (w.Received != 0 && (w.Acknowledged != 0 || !w.kind.Rules().OpensAck)) {
		return t.finish(w)
	}
	return nil
}

func (t *teller) finish(w *row) error {
	delete(t.open, rowKey{w.id, w.To})
	return t.rows.add(&w.Statement)
}

func (t *teller) openRows() []*row {
	rows := make([]*row, 0, len(t.open))
	for _, w := range t.open {
		rows = append(rows, w)
	}
	slices.SortFunc(rows, func(a, b *row) int {
		if a.Tendered != b.Tendered {
			return compare(uint64(a.Tendered), uint64(b.Tendered))
		}
		if a.TenderedAs != b.TenderedAs {
			return compare(a.TenderedAs, b.TenderedAs)
		}
		return slices.Compare([]byte(a.To), []byte(b.To))
	})
	return rows
}

// end tells what is still under way; nothing more is taken after it.
func (t *teller) end() error {
	for _, w := range t.openRows() {
		if err := t.finish(w); err != nil {
			return err
		}
	}
	if err := t.ladder.tell(len(t.ladder.open)); err != nil {
		return err
	}
	if err := t.lines.tell(len(t.lines.open)); err != nil {
		return err
	}
	for _, s := range []interface{ finish() error }{t.rows, t.ladder.rungs, t.lines.tests} {
		if err := s.finish(); err != nil {
			return err
		}
	}
	return t.events.finish()
}

// statuses remembers the status of the newest statements and due entries, at
// most 2 maxOpenRows of them: what follows names the one or the other alone.
type statuses struct {
	statements, older map[hotline.ID]hotline.Status
	dues, earlier     map[uint64]hotline.Status
}

func (s *statuses) keep(id hotline.ID, status hotline.Status) {
	if s.statements == nil || len(s.statements) >= maxOpenRows {
		s.statements, s.older = map[hotline.ID]hotline.Status{}, s.statements
	}
	s.statements[id] = status
}

// of is the status of what an entry without a statement concerns; 0: it is not remembered.
func (s *statuses) of(it *item) hotline.Status {
	switch c := it.content.(type) {
	case *hotline.Receipted:
		if r := it.facts.proof; r != nil {
			return cmp.Or(s.statements[r.Statement], s.older[r.Statement])
		}
	case *hotline.Page:
		return cmp.Or(s.dues[c.Due], s.earlier[c.Due])
	case *hotline.Due:
		status := cmp.Or(s.statements[c.Subject], s.older[c.Subject])
		if s.dues == nil || len(s.dues) >= maxOpenRows {
			s.dues, s.earlier = map[uint64]hotline.Status{}, s.dues
		}
		s.dues[it.index] = status
		return status
	}
	return 0
}

// reached notes by the receiver's own log that a statement arrived of which the
// sender's log shows no answer, and with which code it was rejected there; "": it was not.
func (t *teller) reached(id hotline.ID, to hotline.Party, at hotline.Time, rejected hotline.Code) {
	if w := t.open[rowKey{id, to}]; w != nil && w.Received == 0 {
		w.Received, w.Rejected = at, rejected
	}
}

// acknowledged notes by the receiver's own log that a person acknowledged what reached it.
func (t *teller) acknowledged(id hotline.ID, to hotline.Party, at hotline.Time) {
	if w := t.open[rowKey{id, to}]; w != nil && w.Received != 0 && w.Rejected == "" && w.Acknowledged == 0 {
		w.Acknowledged = at
	}
}
