package audit

import (
	"fmt"
	"slices"
	"strings"

	"example.org/hotline/crypto/keys"
	"example.org/hotline/hotline"
)

// Bounds of what a teller holds in memory.
const (
	maxOpenRows = 1 << 16 // statements under way; beyond it the oldest half is told as it stands
	maxRungs    = 256     // kinds of rung that are counted apart
)

// teller tells one log in plain words: the chronology, and how far each
// statement came.
type teller struct {
	chain      *chain
	self       hotline.Party
	generation uint64
	others     shown // by their own log too
	events     *spool[Event]
	rows       *spool[Statement]
	open       map[rowKey]*row
	climbs     map[RungCount]uint64
	ladder     climbs
	lines      lines
}

// shown says whether an export is given that reaches an entry in the log of a party,
// of a generation, and must show what it says there to another one in a case.
type shown func(p hotline.Party, generation, index uint64, with hotline.Party, inCase string) bool

// rowKey is a statement and its addressee.
type rowKey struct {
	id hotline.ID
	to hotline.Party
}

type row struct {
	Statement
	id   hotline.ID
	kind hotline.Kind
}

func newTeller(c *chain, h *Head, tmp string, number int, others shown) (*teller, error) {
	t := &teller{chain: c, self: h.Party, generation: h.Generation, others: others, open: map[rowKey]*row{}, climbs: map[RungCount]uint64{},
		ladder: climbs{open: map[uint64]*Rung{}}, lines: lines{open: map[hotline.ID]*openTest{}}}
	var err error
	if t.events, err = newSpool(tmp, fmt.Sprintf("events-%d", number), (*Event).each); err != nil {
		return nil, err
	}
	if t.rows, err = newSpool(tmp, fmt.Sprintf("statements-%d", number), (*Statement).each); err != nil {
		return nil, err
	}
	if t.ladder.rungs, err = newSpool(tmp, fmt.Sprintf("rungs-%d", number), (*Rung).each); err != nil {
		return nil, err
	}
	t.lines.tests, err = newSpool(tmp, fmt.Sprintf("tests-%d", number), (*LineTest).each)
	return t, err
}

// tell takes one entry. verified says that its signatures hold: what another party is said
// to have signed is told as nothing that this party did, unless it did sign. told says that
// another export of the log has told the entry: how far statements came is told all the same.
func (t *teller) tell(it *item, status hotline.Status, verified, told bool) error {
	e := Event{Time: it.entry.Time, Party: t.self, Generation: t.generation, Entry: it.index}
	if status != 0 {
		e.Status = status.String()
	}
	if it.entry.Scope.Case != nil {
		e.Case = it.entry.Scope.Case.Key()
	}
	switch c := it.content.(type) {
	case *hotline.Genesis:
		e.Type, e.Text = "genesis", fmt.Sprintf("%s opens generation %d of its log", c.Party, c.Generation)
	case *hotline.Document:
		e.Type, e.Text = "document", t.document(c)
	case *hotline.Clock:
		e.Type, e.Text, e.Routine = "clock", fmt.Sprintf("%s: the clocks of a majority let time step", t.self), true
	case *hotline.Members:
		e.Type, e.Text, e.Routine = "members", fmt.Sprintf("%s: the voters are %s", t.self, strings.Join(c.Voters, ", ")), true
	case *hotline.RulesVersion:
		e.Type, e.Text = "rules", fmt.Sprintf("%s: rules version %d is in force", t.self, c.Version)
	case *hotline.Sent:
		t.sent(&e, it, c)
	case *hotline.Received:
		t.received(&e, it, c)
	case *hotline.Receipted:
		t.receipted(&e, it)
	case *hotline.Due:
		t.due(&e, c)
	case *hotline.Page:
		t.page(&e, c)
	case *hotline.Witnessed:
		e.Type, e.Text, e.Routine = "witnessed", fmt.Sprintf("%s has cosigned the logs of %s", t.self, headWords(c)), true
	}
	if !verified && e.Type != "" && signs(it.content) {
		e.Text += "; not verified: the signatures within do not hold, or their keys are not known here"
	}
	if err := t.track(it, verified); err != nil || told {
		return err
	}
	if err := t.ladder.note(it, &e); err != nil {
		return err
	}
	if _, received := it.content.(*hotline.Received); verified || !received {
		if err := t.lines.note(it, &e); err != nil {
			return err
		}
	}
	return t.events.add(&e)
}

// signs reports whether an entry holds what somebody signed and the audit verifies.
func signs(content any) bool {
	switch content.(type) {
	case *hotline.Sent, *hotline.Received, *hotline.Receipted, *hotline.Witnessed:
		return true
	}
	return false
}

func (t *teller) document(c *hotline.Document) string {
	st, err := hotline.Parse(c.Raw)
	if err != nil {
		return string(t.self) + " logs a document that cannot be read"
	}
	if st.Header.Kind == hotline.KindConvention {
		return fmt.Sprintf("%s: version %d of the convention stands in the ledger", t.self, st.Header.ConventionVersion)
	}
	return fmt.Sprintf("%s: directory %d of %s stands in the ledger", t.self, st.Header.Directory, st.Header.From)
}

// title names a statement.
func title(st *hotline.Statement) string {
	h := &st.Header
	text := fmt.Sprintf("%s %s %s (%s)", h.Precedence, h.Kind, st.ID.Short(), h.Status)
	if h.Disposition != 0 {
		text += ", " + h.Disposition.String()
	}
	if h.Re != nil && h.Kind.Rules().Class == hotline.ByOfficers {
		text += ", about " + h.Re.Short()
	}
	if h.Kind == hotline.KindRetract {
		text += ", " + string(h.Reason)
	}
	return text
}

func (t *teller) sent(e *Event, it *item, c *hotline.Sent) {
	e.Type = "sent"
	st := it.facts.st
	if st == nil {
		e.Text = fmt.Sprintf("%s logs a statement that cannot be read", t.self)
		return
	}
	h := &st.Header
	e.Statement, e.Kind, e.Routine = st.ID.String(), h.Kind.String(), routine(h.Kind)
	who := t.authors(st)
	switch h.Kind {
	case hotline.KindDetection:
		e.Text = fmt.Sprintf("%s adopts a detection, case %s/%s (%s), detected at %s: it must be assessed", who, t.self, st.ID.Short(), h.Status, stamp(h.Detected))
	case hotline.KindAssessment:
		e.Text = fmt.Sprintf("%s assesses case %s: %s", who, h.Case, h.Verdict)
		if len(h.Notify) > 0 {
			e.Text += ", " + partyList(h.Notify) + " must be told"
		}
	case hotline.KindAcknowledgement:
		e.Text = fmt.Sprintf("%s acknowledges statement %s of %s: this person has it, which means neither agreement nor admission",
			who, h.Re.Short(), partyList(h.To))
	case hotline.KindHandover:
		e.Text = fmt.Sprintf("%s: the desk passes from the first of them to the second", who)
	case hotline.KindLateReason:
		e.Text = fmt.Sprintf("%s gives the reason for what entry %d says was overdue about %s: %s; it stays overdue", who, h.Cause-1, h.Re.Short(), h.Reason)
	case hotline.KindAutomaticAlert:
		e.Text = fmt.Sprintf("%s's group sends an automatic alert to %s, since nobody released one in time; it is no officer's word", t.self, partyList(h.To))
	case hotline.KindNonDelivery:
		e.Text = fmt.Sprintf("%s's group records that no receipt came for statement %s", t.self, h.Re.Short())
	default:
		e.Text = fmt.Sprintf("%s: %s", who, title(st))
		if len(h.To) > 0 {
			var to []string
			for _, q := range c.Sequences {
				to = append(to, fmt.Sprintf("%s (sequence %d)", q.To, q.N))
			}
			e.Text += " is tendered to " + strings.Join(to, ", ")
		}
	}
	if len(h.To) == 1 {
		e.Peer = h.To[0]
	}
}

func (t *teller) received(e *Event, it *item, c *hotline.Received) {
	e.Type = "received"
	st := it.facts.st
	if st == nil || it.facts.sender == nil {
		e.Text = fmt.Sprintf("%s logs a received statement that cannot be read", t.self)
		return
	}
	h := &st.Header
	e.Statement, e.Kind, e.Routine, e.Peer = st.ID.String(), h.Kind.String(), routine(h.Kind), h.From
	e.Text = fmt.Sprintf("%s receives %s of %s, tendered at %s, sequence %d", t.self, title(st), h.From,
		stamp(it.facts.sender.Time), it.facts.sender.Sent.SequenceFor(t.self))
	switch {
	case c.Code != "":
		e.Type = "rejected"
		e.Text = fmt.Sprintf("%s verifies but does not accept %s of %s: %s", t.self, title(st), h.From, c.Code)
	case h.Kind == hotline.KindAcknowledgement:
		e.Text = fmt.Sprintf("%s holds the acknowledgement of statement %s by %s", t.self, h.Re.Short(), t.authors(st))
	case h.Kind == hotline.KindReject:
		e.Text = fmt.Sprintf("%s learns that %s does not accept statement %s: %s", t.self, h.From, h.Re.Short(), h.Reason)
	}
	if c.Marks&hotline.MarkTimeUnproven != 0 {
		e.Text += "; no majority of clocks backed the time"
	}
	if c.Marks&hotline.MarkRevokedSince != 0 {
		e.Text += "; a key of its authors was revoked since"
	}
}

func (t *teller) receipted(e *Event, it *item) {
	e.Type, e.Text = "receipted", fmt.Sprintf("%s logs a receipt that cannot be read", t.self)
	r := it.facts.proof
	if r == nil {
		return
	}
	e.Statement, e.Peer = r.Statement.String(), r.Party
	if row := t.open[rowKey{r.Statement, r.Party}]; row != nil {
		e.Kind, e.Routine = row.kind.String(), routine(row.kind)
	}
	e.Text = fmt.Sprintf("%s holds the receipt of %s for statement %s: stored at %s as entry %d, %d voters",
		t.self, r.Party, r.Statement.Short(), stamp(r.Time), r.Index, r.Voters)
}

func (t *teller) due(e *Event, d *hotline.Due) {
	e.Type, e.Kind, e.Peer = "rung", d.Duty.String(), d.Peer
	if !d.Subject.IsZero() {
		e.Statement = d.Subject.String()
	}
	if len(d.Targets) > 0 {
		t.climb(d)
	}
	subject, due := d.Subject.Short(), stamp(d.Due)
	switch {
	case t.standing(e, d):
	case d.Overdue && d.Duty == hotline.DutyDeliver:
		e.Type = "undelivered"
		e.Text = fmt.Sprintf("%s holds no receipt of %s for statement %s by %s: the other channel is to be used", t.self, d.Peer, subject, due)
	case d.Overdue && d.Duty == hotline.DutyAwait:
		e.Type = "waiting"
		e.Text = fmt.Sprintf("no acknowledgement of statement %s by %s had reached %s by %s (provisional: the log of %s says whether it was late)",
			subject, d.Peer, t.self, due, d.Peer)
	case d.Overdue && d.Duty.Provisional():
		e.Type = "waiting"
		e.Text = fmt.Sprintf("%s waits for %s: %s about statement %s was due at %s (provisional: the log of %s says whether it was late)",
			t.self, d.Peer, d.Duty, subject, due, d.Peer)
	case d.Overdue:
		e.Type = "overdue"
		e.Text = fmt.Sprintf("OVERDUE: the duty of %s to %s statement %s was due at %s", t.self, d.Duty, subject, due)
	default:
		e.Text = fmt.Sprintf("%s: the ladder climbs for the duty to %s statement %s", t.self, d.Duty, subject)
	}
	if len(d.Targets) > 0 {
		e.Text += fmt.Sprintf("; rung %s: %s", d.Office, strings.Join(d.Targets, ", "))
	}
}

// standing tells of a clock that no statement opened: of the line, or of the contact data.
func (t *teller) standing(e *Event, d *hotline.Due) bool {
	due := stamp(d.Due)
	switch d.Duty {
	case hotline.DutyLineTest:
		e.Type, e.Routine, e.Text = "line-test", true, fmt.Sprintf("%s: the next line test with %s is due", t.self, d.Peer)
	case hotline.DutyWatchTest:
		e.Type, e.Routine, e.Text = "line-test", true, fmt.Sprintf("%s: the next test of the watch of %s is due", t.self, d.Peer)
	case hotline.DutyLineReply:
		e.Type, e.Routine = "line-reply", true
		e.Text = fmt.Sprintf("%s: line test %s was not answered by %s until %s", t.self, d.Subject.Short(), d.Peer, due)
	case hotline.DutyLineAnswered:
		e.Type, e.Text = "line-alarm", fmt.Sprintf("ALARM: no line test of %s to %s was answered any more by %s", t.self, d.Peer, due)
	case hotline.DutyLineHeard:
		e.Type, e.Text = "line-alarm", fmt.Sprintf("ALARM: no line test of %s reached %s any more by %s", d.Peer, t.self, due)
	case hotline.DutyContacts:
		e.Type, e.Text = "contacts", fmt.Sprintf("%s: its contact data have to be confirmed again", t.self)
		if d.Overdue {
			e.Text = fmt.Sprintf("OVERDUE: %s did not confirm its contact data again by %s", t.self, due)
		}
	default:
		return false
	}
	return true
}

func (t *teller) climb(d *hotline.Due) {
	k := RungCount{Duty: d.Duty.String(), Office: d.Office}
	if _, ok := t.climbs[k]; !ok && len(t.climbs) >= maxRungs {
		k.Office = "others"
	}
	t.climbs[k]++
}

func (t *teller) rungs() []RungCount {
	list := []RungCount{}
	for k, n := range t.climbs {
		k.Count = n
		list = append(list, k)
	}
	slices.SortFunc(list, func(a, b RungCount) int {
		if c := strings.Compare(a.Duty, b.Duty); c != 0 {
			return c
		}
		return strings.Compare(a.Office, b.Office)
	})
	return list
}

// authors names the people who signed, by role name, or the group.
func (t *teller) authors(st *hotline.Statement) string {
	h := &st.Header
	if h.Kind.Rules().Class == hotline.ByGroup {
		return string(h.From) + "'s group"
	}
	var names []string
	for _, id := range h.Authors {
		names = append(names, t.officer(h.From, id))
	}
	return strings.Join(names, " and ")
}

func (t *teller) officer(p hotline.Party, id keys.ID) string {
	list := t.chain.directories[p]
	for i := len(list) - 1; i >= 0; i-- {
		if o := list[i].Officer(id); o != nil {
			return o.Name
		}
	}
	return "an unknown key of " + string(p)
}

// routine kinds say only that the line is alive.
func routine(k hotline.Kind) bool { return k == hotline.KindLineTest || k == hotline.KindLineReply }

func partyList(list []hotline.Party) string {
	s := make([]string, len(list))
	for i, p := range list {
		s[i] = string(p)
	}
	return strings.Join(s, ", ")
}
