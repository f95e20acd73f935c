package audit

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"strings"

	"example.org/hotline/crypto/tlog"
	"example.org/hotline/hotline"
)

// What passed between two parties stands in both logs: a statement and the
// receipt for it with the sender, the statement and the tender for it with the
// receiver. Tender and receipt are signed by the other side and name a place in
// its log (SPEC §8), so each side proves what the other must hold (SPEC §10.6).

// Exchange is what passed from one party to another, by the logs of both. Of
// each number, the one named Found counts those that the log of the other side
// holds in the place that it signed.
type Exchange struct {
	From hotline.Party `json:"from"`
	To   hotline.Party `json:"to"`
	// Statements in the log of From, and those of them that stand in the log of To.
	Sent      uint64 `json:"sent"`
	SentFound uint64 `json:"sent_found"`
	// Tenders of From in the log of To.
	Tendered      uint64 `json:"tendered"`
	TenderedFound uint64 `json:"tendered_found"`
	// Receipts of To in the log of From.
	Receipted      uint64 `json:"receipted"`
	ReceiptedFound uint64 `json:"receipted_found"`
	// Acknowledgements and rejects of To in the log of From.
	Acknowledged      uint64 `json:"acknowledged"`
	AcknowledgedFound uint64 `json:"acknowledged_found"`
	Rejected          uint64 `json:"rejected"`
	RejectedFound     uint64 `json:"rejected_found"`
	// Gaps of this direction, by their state.
	LeftOut  uint64 `json:"left_out"`
	NotYet   uint64 `json:"not_yet_shown"`
	NotShown uint64 `json:"not_shown"`
	NoProof  uint64 `json:"no_proof"`
}

// Gap is a statement, or a receipt for one, that one side shows and the other
// does not.
type Gap struct {
	From      hotline.Party `json:"from"` // of the statement
	To        hotline.Party `json:"to"`
	Statement string        `json:"statement"`      // id, in hexadecimal
	Kind      string        `json:"kind,omitempty"` // of the statement; absent where neither log shows it
	What      GapWhat       `json:"what"`
	State     GapState      `json:"state"`
	// Holder shows it in Entry of this generation of its log.
	Holder     hotline.Party `json:"holder"`
	Generation uint64        `json:"generation"`
	Entry      uint64        `json:"entry"`
	// Missing does not show it. Place is where it must stand, by what Missing
	// has signed; 0: it has signed nothing.
	Missing           hotline.Party `json:"missing"`
	MissingGeneration uint64        `json:"missing_generation,omitempty"`
	Place             uint64        `json:"place,omitempty"`
	// Code is that of the observation, Section that of the rule concerned.
	Code    Code   `json:"code,omitempty"`
	Section string `json:"section"`
	Text    string `json:"text"` // for people: who holds which signature of whom
}

// GapWhat is what one side does not show.
type GapWhat string

// What may be missing.
const (
	GapStatement GapWhat = "statement" // sent, and not in the log of the receiver
	GapTender    GapWhat = "tender"    // received, and not in the log of the sender
	GapReceipt   GapWhat = "receipt"   // received, and the sender shows no receipt
)

// GapState says why the other side does not show it.
type GapState string

// The states. Only the first is an observation.
const (
	LeftOut GapState = "left-out"      // it signed for this place of its log, and another entry stands there, or its export hides what it must show
	NotYet  GapState = "not-yet-shown" // its export ends before
	Unshown GapState = "not-shown"     // its export shows a hash there, or is none for these two parties
	NoProof GapState = "no-proof"      // nothing that it signed shows that it had it
)

// Gaps yields what one side of two shows and the other does not, if
// Options.Cross was set, by direction and entry. It may be called until Close.
func (r *Report) Gaps() iter.Seq2[Gap, error] {
	return merge(r.gaps, func(a, b Gap) bool { return compareGaps(&a, &b) < 0 })
}

// side is one side's entry of a statement between two parties.
type side struct {
	role       sideRole
	statement  hotline.ID
	from, to   hotline.Party
	generation uint64 // of the log that holds it
	entry      uint64
	time       hotline.Time
	inCase     string // key; "": in none
	kind       hotline.Kind
	code       hotline.Code // of a received one that was rejected
	at         signed
}

type sideRole uint8

const (
	sentSide      sideRole = 1
	receivedSide  sideRole = 2
	receiptedSide sideRole = 3
)

// signed is a place in the log of the other side, as that has signed it.
type signed struct {
	generation, index uint64
	leaf              tlog.Hash
}

func (s *side) each(r *record) {
	number(&s.role, r)
	r.fixed(s.statement[:])
	str(&s.from, r)
	str(&s.to, r)
	number(&s.generation, r)
	number(&s.entry, r)
	number(&s.time, r)
	str(&s.inCase, r)
	number(&s.kind, r)
	str(&s.code, r)
	number(&s.at.generation, r)
	number(&s.at.index, r)
	r.fixed(s.at.leaf[:])
}

// keepSides notes what an entry says of a statement between this party and another.
func (j *judged) keepSides(it *item, verified bool) error {
	f, self := &it.facts, j.x.head.Party
	s := side{generation: j.x.head.Generation, entry: it.index, time: it.entry.Time}
	if f.st != nil {
		s.statement, s.kind = f.st.ID, f.st.Header.Kind
		if in := f.st.InCase(); in != nil {
			s.inCase = in.Key()
		}
	}
	if c, ok := it.content.(*hotline.Sent); ok && f.st != nil {
		for _, q := range c.Sequences {
			s.role, s.from, s.to = sentSide, self, q.To
			if err := j.sides.add(byID(s.statement), &s); err != nil {
				return err
			}
		}
		return nil
	}
	if !verified || f.place == nil {
		return nil
	}
	s.at = signed{f.place.generation, f.place.index, f.place.leaf}
	switch c := it.content.(type) {
	case *hotline.Received:
		s.role, s.from, s.to, s.code = receivedSide, f.place.party, self, c.Code
	case *hotline.Receipted:
		s.role, s.from, s.to, s.statement = receiptedSide, self, f.place.party, f.proof.Statement
	default:
		return nil
	}
	return j.sides.add(byID(s.statement), &s)
}

// exchanged are the two sides of one statement to one addressee; nil: no log that
// was given shows it.
type exchanged struct {
	sent, received, receipted *side
	kind                      hotline.Kind
	inCase                    string // key; "": in none, or not shown
}

type exchangeKey struct {
	statement hotline.ID
	from, to  hotline.Party
}

// meeting holds the two sides of every statement against each other.
type meeting struct {
	*crossing
	ways map[[2]hotline.Party]*Exchange
	gaps []*Gap // of one bucket
}

func (c *crossing) exchange(sides *buckets[side]) error {
	x := &meeting{crossing: c, ways: map[[2]hotline.Party]*Exchange{}}
	err := sides.each(func(n int, rows []*side) error {
		x.gaps = nil
		order, both := pairUp(rows)
		for _, key := range order {
			if err := x.judge(key, both[key]); err != nil {
				return err
			}
		}
		s, err := sorted(c.report.dir, fmt.Sprintf("gaps-%d", n), (*Gap).each, compareGaps, x.gaps)
		c.report.gaps = append(c.report.gaps, s)
		return err
	})
	for _, way := range x.ways {
		c.report.Exchanges = append(c.report.Exchanges, *way)
	}
	slices.SortFunc(c.report.Exchanges, func(a, b Exchange) int {
		return cmp.Or(strings.Compare(string(a.From), string(b.From)), strings.Compare(string(a.To), string(b.To)))
	})
	return err
}

// pairUp brings the sides of each statement together. Of two exports of one log
// the first that shows an entry counts.
func pairUp(rows []*side) (order []exchangeKey, both map[exchangeKey]*exchanged) {
	both = map[exchangeKey]*exchanged{}
	for _, s := range rows {
		key := exchangeKey{s.statement, s.from, s.to}
		e := both[key]
		if e == nil {
			e = &exchanged{}
			both[key], order = e, append(order, key)
		}
		e.kind, e.inCase = cmp.Or(e.kind, s.kind), cmp.Or(e.inCase, s.inCase)
		to := map[sideRole]**side{sentSide: &e.sent, receivedSide: &e.received, receiptedSide: &e.receipted}[s.role]
		if *to == nil {
			*to = s
		}
	}
	return order, both
}

// way is the direction between two parties whose logs were both given, else nil.
func (x *meeting) way(from, to hotline.Party) *Exchange {
	key := [2]hotline.Party{from, to}
	if w := x.ways[key]; w != nil {
		return w
	}
	given := func(p hotline.Party) bool {
		return slices.ContainsFunc(x.logs, func(j *judged) bool { return j.x.head.Party == p })
	}
	if !given(from) || !given(to) {
		return nil
	}
	x.ways[key] = &Exchange{From: from, To: to}
	return x.ways[key]
}

func (x *meeting) judge(key exchangeKey, e *exchanged) error {
	way := x.way(key.from, key.to)
	if way == nil {
		return nil
	}
	if e.sent != nil {
		way.Sent++
		if e.received != nil {
			way.SentFound++
		}
	}
	if err := x.tender(key, e, way); err != nil {
		return err
	}
	if err := x.receipt(key, e, way); err != nil {
		return err
	}
	switch {
	case e.sent != nil && e.received == nil && e.receipted == nil:
		x.gap(way, key, e, GapStatement, x.reach(key.to, key.from, e.sent), "", e.sent)
	case e.received != nil && e.received.code == "" && e.sent != nil && e.receipted == nil:
		x.gap(way, key, e, GapReceipt, x.reach(key.from, key.to, e.received), "", e.received)
	}
	return nil
}

// tender looks for a received statement in the log of its sender.
func (x *meeting) tender(key exchangeKey, e *exchanged, way *Exchange) error {
	if e.received == nil {
		return nil
	}
	state, code, err := x.look(key.from, key.to, e.inCase, e.received.at)
	if err != nil {
		return err
	}
	found := uint64(0)
	if state == "" {
		found = 1
	} else {
		x.gap(way, key, e, GapTender, state, code, e.received)
	}
	way.Tendered++
	way.TenderedFound += found
	back := x.way(key.to, key.from)
	switch e.kind {
	case hotline.KindAcknowledgement:
		back.Acknowledged++
		back.AcknowledgedFound += found
	case hotline.KindReject:
		back.Rejected++
		back.RejectedFound += found
	}
	return nil
}

// receipt looks for what was receipted in the log of who signed the receipt.
func (x *meeting) receipt(key exchangeKey, e *exchanged, way *Exchange) error {
	if e.receipted == nil {
		return nil
	}
	way.Receipted++
	state, code, err := x.look(key.to, key.from, e.inCase, e.receipted.at)
	if code == TenderNotInLog {
		code = ReceiptNotInLog
	}
	switch {
	case err != nil:
		return err
	case state != "":
		x.gap(way, key, e, GapStatement, state, code, e.receipted)
		return nil
	}
	way.ReceiptedFound++
	if e.sent != nil && e.received == nil {
		way.SentFound++ // it stands there, though its signatures do not hold
	}
	return nil
}

// look says how a place that a party has signed is shown by its own exports, and
// by which observation; "": the entry stands there.
func (x *meeting) look(p, other hotline.Party, inCase string, at signed) (best GapState, code Code, err error) {
	rank := []GapState{Unshown, NotYet, "", LeftOut}
	best = Unshown // if another generation was given alone
	first := true
	for _, j := range x.logs {
		if j.x.head.Party != p || j.x.head.Generation != at.generation {
			continue
		}
		state, why, err := j.place(other, inCase, at)
		if err != nil {
			return "", "", err
		}
		if first || slices.Index(rank, state) > slices.Index(rank, best) {
			best, code, first = state, why, false
		}
	}
	return best, code, nil
}

// place says how one export shows a place. What it must show to the other party
// and hides is left out (SPEC §7.6).
func (j *judged) place(other hotline.Party, inCase string, at signed) (GapState, Code, error) {
	if at.index >= j.marks.size {
		return NotYet, "", nil
	}
	k, err := j.marks.at(at.index)
	switch {
	case err != nil:
		return "", "", err
	case k.leaf != at.leaf:
		return LeftOut, TenderNotInLog, nil
	case k.shown:
		return "", "", nil
	case j.x.head.mustShow(other, inCase):
		return LeftOut, NotShown, nil
	}
	return Unshown, "", nil
}

// reach says why the log of a party does not show what stands in that of another,
// if it has signed nothing of it.
func (x *meeting) reach(p, other hotline.Party, s *side) GapState {
	state := Unshown
	for _, j := range x.logs {
		switch h := &j.x.head; {
		case h.Party != p || !h.mustShow(other, s.inCase):
		case j.log.Last > s.time:
			return NoProof
		default:
			state = NotYet
		}
	}
	return state
}

// gap notes what is missing on one side; s is the entry of the other.
func (x *meeting) gap(way *Exchange, key exchangeKey, e *exchanged, what GapWhat, state GapState, code Code, s *side) {
	g := &Gap{From: key.from, To: key.to, Statement: key.statement.String(), What: what, State: state, Holder: key.from, Generation: s.generation,
		Entry: s.entry, Missing: key.to, Code: code, Section: "8.3"}
	if e.kind != 0 {
		g.Kind = e.kind.String()
	}
	if what != GapStatement {
		g.Holder, g.Missing = key.to, key.from
	}
	if what != GapReceipt && s.role != sentSide {
		g.MissingGeneration, g.Place = s.at.generation, s.at.index
	}
	if what == GapTender {
		g.Section = "8.2"
	}
	if code != "" {
		g.Section = codeInfo[code].Section
	}
	*map[GapState]*uint64{LeftOut: &way.LeftOut, NotYet: &way.NotYet, Unshown: &way.NotShown, NoProof: &way.NoProof}[state]++
	g.Text = g.words()
	x.gaps = append(x.gaps, g)
}

// words say which signature of whom proves what.
func (g *Gap) words() string {
	proof := fmt.Sprintf("entry %d of %s holds it", g.Entry, g.Holder)
	switch {
	case g.Place != 0 && g.What == GapTender:
		proof += fmt.Sprintf(", with the tender that %s signed for entry %d of its log", g.Missing, g.Place)
	case g.Place != 0:
		proof = fmt.Sprintf("entry %d of %s holds the receipt that %s signed for entry %d of its log", g.Entry, g.Holder, g.Missing, g.Place)
	}
	switch {
	case g.Code == NotShown:
		return proof + "; its export shows a hash there, and is about what this concerns"
	case g.State == LeftOut:
		return proof + "; another entry stands there"
	case g.State == NotYet && g.Place != 0:
		return proof + "; its export ends before"
	case g.State == NotYet:
		return proof + fmt.Sprintf("; the export of %s ends before that time", g.Missing)
	case g.State == Unshown && g.Place != 0:
		return proof + "; that export shows no more than a hash there, or is of another generation"
	case g.State == Unshown:
		return proof + fmt.Sprintf("; no export of %s that was given shows what concerns %s", g.Missing, g.Holder)
	case g.What == GapReceipt:
		return proof + fmt.Sprintf("; that its receipt reached %s is not shown", g.Missing)
	}
	return proof + fmt.Sprintf("; no signature of %s shows that it arrived", g.Missing)
}

func compareGaps(a, b *Gap) int {
	return cmp.Or(strings.Compare(string(a.From), string(b.From)), strings.Compare(string(a.To), string(b.To)), strings.Compare(string(a.Holder), string(b.Holder)),
		cmp.Compare(a.Generation, b.Generation), cmp.Compare(a.Entry, b.Entry), strings.Compare(a.Statement, b.Statement), strings.Compare(string(a.What), string(b.What)))
}

func (g *Gap) each(r *record) {
	str(&g.From, r)
	str(&g.To, r)
	str(&g.Statement, r)
	str(&g.Kind, r)
	str(&g.What, r)
	str(&g.State, r)
	str(&g.Holder, r)
	number(&g.Generation, r)
	number(&g.Entry, r)
	str(&g.Missing, r)
	number(&g.MissingGeneration, r)
	number(&g.Place, r)
	str(&g.Code, r)
	str(&g.Section, r)
	str(&g.Text, r)
}
