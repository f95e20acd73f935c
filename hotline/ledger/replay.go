package ledger

import (
	"fmt"
	"slices"

	"example.org/hotline/hotline"
)

// Replay decides again what a log says was decided (SPEC §7.4). Entries from
// outside are turned back into commands, derived ones into ticks; salts are
// taken as given; admission (busy, rate, stale) is not replayed.
//
// A whole log is fed entry by entry. A part of one (a projection) is fed the
// entries that it shows, and Skip tells of the hidden ones.
type Replay struct {
	s        *State
	pending  []made         // made by Apply, not yet seen in the log
	clock    *hotline.Entry // seen, and held until the command behind it is known
	readings []hotline.Reading
	space    []made // of pending, to be used again
	effects  []Effect
	turns    []Turn
}

// made is an entry that Apply made: its content is not encoded yet.
type made struct {
	entry   hotline.Entry
	content any
}

// NewReplay starts at genesis. part is what is shown; nil: the whole log.
func NewReplay(part *Part) *Replay {
	s := New()
	s.tree, s.part = nil, part
	r := &Replay{s: s}
	s.turns = &r.turns
	return r
}

// State is the state after what was fed.
func (r *Replay) State() *State { return r.s }

// Effects returns what was decided by the entry that was fed last, for
// whoever tells what happened. It is valid until the next entry.
func (r *Replay) Effects() []Effect { return r.effects }

// Difference is an entry that the ledger would not have made.
type Difference struct {
	Index   uint64
	Text    string
	Missing hotline.EntryType // what the decisions make here instead; 0: nothing, or it is the content that differs
}

func (d *Difference) Error() string { return fmt.Sprintf("entry %d: %s", d.Index, d.Text) }

// Skip tells of hidden entries: the next one shown has this index.
func (r *Replay) Skip(index uint64) error {
	if len(r.pending) > 0 {
		return &Difference{Index: r.s.size, Missing: r.pending[0].entry.Type, Text: "an entry that the decisions demand here is not shown"}
	}
	r.s.size = index
	return nil
}

// Next takes the entry at index. verify is called with the command that the
// entry becomes, before it is applied; it may be nil for derived entries.
func (r *Replay) Next(index uint64, raw []byte, verify func(*Command) error) error {
	e, content, err := hotline.DecodeEntry(raw)
	if err != nil {
		return &Difference{Index: index, Text: err.Error()}
	}
	return r.Feed(index, e, content, verify)
}

// Feed is Next for an entry that hotline.DecodeEntry has decoded already.
func (r *Replay) Feed(index uint64, e *hotline.Entry, content any, verify func(*Command) error) error {
	r.effects, r.turns = r.effects[:0], r.turns[:0]
	if len(r.pending) > 0 {
		return r.match(index, e)
	}
	if index != r.s.size {
		return &Difference{Index: index, Text: fmt.Sprintf("entry %d was expected next", r.s.size)}
	}
	if r.s.part != nil {
		err := r.project(index, e, content, verify)
		r.s.crowded, r.s.gone = false, false
		return err
	}
	return r.whole(index, e, content, verify)
}

// whole takes an entry of a log that hides nothing.
func (r *Replay) whole(index uint64, e *hotline.Entry, content any, verify func(*Command) error) error {
	if c, ok := content.(*hotline.Clock); ok {
		// The clock entry stands before the first entry of its command, or alone where
		// a clock passed without one.
		if err := r.clockAlone(index); err != nil {
			return err
		}
		r.clock, r.readings = e, c.Readings
		r.s.size++
		return nil
	}
	if r.clock != nil && r.clock.Time != e.Time {
		if err := r.clockAlone(index); err != nil {
			return err
		}
	}
	c, given := recall(e, content)
	if c.Type != Tick && verify != nil {
		if err := verify(c); err != nil {
			return &Difference{Index: index, Text: err.Error()}
		}
	}
	clock := r.clock
	if clock != nil {
		c.Readings = r.readings
		r.clock, r.readings = nil, nil
		r.s.size-- // Apply makes the clock entry again
	}
	if err := r.apply(c, given); err != nil {
		return &Difference{Index: index, Text: err.Error()}
	}
	if clock != nil {
		if err := r.match(index-1, clock); err != nil {
			return err
		}
	}
	return r.match(index, e)
}

// clockAlone takes the clock entry before index, if there is one, as that of a
// command which made no other: something passed then without an entry.
func (r *Replay) clockAlone(index uint64) error {
	clock := r.clock
	if clock == nil {
		return nil
	}
	c := &Command{Type: Tick, Time: clock.Time, Readings: r.readings}
	r.clock, r.readings = nil, nil
	r.s.size-- // Apply makes the clock entry again
	if err := r.apply(c, nil); err != nil {
		return &Difference{Index: index - 1, Text: err.Error()}
	}
	if err := r.match(index-1, clock); err != nil {
		return err
	}
	if len(r.pending) > 0 {
		return &Difference{Index: index, Missing: r.pending[0].entry.Type, Text: "the entry before this one demands another here"}
	}
	return nil
}

func (r *Replay) apply(c *Command, given []hotline.Sequence) error {
	run := r.run(c)
	run.given = given
	run.apply()
	r.expect(run)
	if run.res.Code != "" {
		return hotline.Refuse(run.res.Code, "the ledger refuses this: %s", run.res.Text)
	}
	if run.res.Existing {
		return hotline.Refuse(hotline.CodeDuplicate, "the statement stands in entry %d already", run.res.Index)
	}
	return nil
}

// run begins a run in the space of the one before it, of which the log has
// shown everything.
func (r *Replay) run(c *Command) *run {
	return &run{s: r.s, c: c, res: &Result{First: r.s.size, Effects: r.effects[:0]}, replays: true, made: r.space[:0]}
}

// expect keeps what a run made until the log shows it.
func (r *Replay) expect(run *run) {
	r.pending, r.space = run.made, run.made
	r.effects = run.res.Effects
}

// match compares an entry with the one that the decisions make, but for the
// salt.
func (r *Replay) match(index uint64, e *hotline.Entry) error {
	if len(r.pending) == 0 {
		return &Difference{Index: index, Text: "the decisions make no entry here"}
	}
	want, content := r.pending[0].entry, r.pending[0].content
	r.pending[0] = made{} // so that it is let go of
	r.pending = r.pending[1:]
	if r.s.part.ofParties() {
		content = numberAsGiven(&want, content, e)
	}
	switch {
	case want.Type != e.Type:
		return &Difference{Index: index, Missing: want.Type, Text: instead(e, &want, content)}
	case want.Time != e.Time:
		return &Difference{Index: index, Text: fmt.Sprintf("bears time %d; the decisions make it at %d", e.Time, want.Time)}
	case want.Cause != e.Cause || !sameScope(want.Scope, e.Scope):
		return &Difference{Index: index, Text: "scope or cause differ from the decisions"}
	case !hotline.Encodes(content, e.Content):
		return &Difference{Index: index, Text: "content differs from the decisions"}
	}
	return nil
}

// instead says what stands in the place of an entry that the decisions make.
func instead(e, want *hotline.Entry, content any) string {
	text := fmt.Sprintf("is of type %d; the decisions make one of type %d here", e.Type, want.Type)
	if d, ok := content.(*hotline.Due); ok {
		text += fmt.Sprintf(": the clock at %d permille of the duty to %s for statement %s, due at %d", d.Permille, d.Duty, d.Subject.Short(), d.Due)
	}
	return text
}

func sameScope(a, b hotline.Scope) bool {
	return a.Class == b.Class && slices.Equal(a.Parties, b.Parties) &&
		(a.Case == nil) == (b.Case == nil) && (a.Case == nil || *a.Case == *b.Case)
}

// End reports what the log should still hold after its last entry.
func (r *Replay) End() error {
	if len(r.pending) > 0 {
		return &Difference{Index: r.s.size - uint64(len(r.pending)), Missing: r.pending[0].entry.Type,
			Text: "the log ends before an entry that its last command makes"}
	}
	if err := r.clockAlone(r.s.size); err != nil {
		return err
	}
	return nil
}

// recall turns an entry back into the command that made it.
func recall(e *hotline.Entry, content any) (*Command, []hotline.Sequence) {
	c := &Command{Time: e.Time}
	unproven := func(m hotline.Marks) {
		if m&hotline.MarkTimeUnproven != 0 {
			c.Time++ // the leader's time lay beyond what was permitted
		}
	}
	switch x := content.(type) {
	case *hotline.Genesis:
		c.Type, c.Genesis = Genesis, x
	case *hotline.Sent:
		c.Type, c.Statement, c.Anchor = Submit, x.Statement, x.Anchor
		unproven(x.Marks)
		return c, x.Sequences
	case *hotline.Received:
		c.Type, c.Statement, c.Sender, c.Tender = Receive, x.Statement, x.Sender, x.Tender
		c.parts.sender, c.parts.tender = e.Parts.Sender, e.Parts.Tender
		if s, err := c.ParseSender(); err == nil {
			unproven(x.Marks &^ s.Sent.Marks)
		}
	case *hotline.Receipted:
		c.Type, c.Receipt, c.Tender = Receipt, x.Receipt, x.Tender
		c.parts.tender, c.parts.receipt = e.Parts.Tender, e.Parts.Receipt
	case *hotline.Members:
		c.Type, c.Voters = Members, x.Voters
	case *hotline.RulesVersion:
		c.Type, c.Rules = Rules, x.Version
	case *hotline.Document:
		c.Type, c.Document = Document, x.Raw
	case *hotline.Page:
		c.Type, c.Page = Paged, x
	case *hotline.Witnessed:
		c.Type, c.Witnessed = Witness, x
	default:
		c.Type = Tick
	}
	return c, nil
}
