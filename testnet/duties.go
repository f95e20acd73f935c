package testnet

import (
	"fmt"
	"slices"

	"example.org/hotline/hotline"
)

// Owed is one duty as SPEC §6.3 has it follow from the statements of a log. It is worked out here a second time, without the ledger's
// code: what decides and what checks must not share a mistake.
type Owed struct {
	Class    hotline.Duty
	Subject  hotline.ID
	Peer     hotline.Party
	Case     *hotline.CaseID
	Opened   hotline.Time
	Deadline hotline.Time
	Closed   hotline.Time // 0: still open when the log ends

	rungs []uint64 // permille of the term
}

// DutyBook holds the duties of one log.
type DutyBook struct {
	All []*Owed      // in the order in which they were opened
	End hotline.Time // of the log

	self             hotline.Party
	open             []*Owed
	conventions      []*hotline.SignedConvention
	owing, receiving []uint64 // permille of the rungs of the ladder in force
	known            map[hotline.ID]*hotline.Header
	acknowledged     map[copyOf]bool // own statements, by addressee
	cases            map[hotline.CaseID]*affair
	retracted        map[hotline.CaseID]bool // something in it was
}

// affair is what a case holds that duties depend on.
type affair struct {
	opened     hotline.Time
	assessment hotline.ID
	untold     []hotline.Party
	told       []*hotline.Header // alerts and reports
	answers    []*hotline.Header
}

// Duties works out the duties of one log.
func Duties(party hotline.Party, log []Logged) (*DutyBook, error) {
	b := &DutyBook{self: party, known: map[hotline.ID]*hotline.Header{}, acknowledged: map[copyOf]bool{}, cases: map[hotline.CaseID]*affair{},
		retracted: map[hotline.CaseID]bool{},
		owing:     []uint64{500, 750, 1000, 1500}, receiving: []uint64{0, 300, 500, 1000, 2000, 3000}} // the ladder of the program
	for i := range log {
		b.End = log[i].Entry.Time
		if err := b.enter(&log[i]); err != nil {
			return nil, fmt.Errorf("entry %d of %s: %w", i, party, err)
		}
	}
	return b, nil
}

func (b *DutyBook) enter(e *Logged) error {
	switch c := e.Content.(type) {
	case *hotline.Document:
		return b.document(c.Raw)
	case *hotline.Sent:
		st, err := hotline.Parse(c.Statement)
		if err != nil {
			return err
		}
		b.note(st)
		return b.own(st)
	case *hotline.Received:
		st, err := hotline.Parse(c.Statement)
		if err != nil || c.Code != "" {
			return err
		}
		b.note(st)
		b.peer(st)
	case *hotline.Receipted:
		rc, err := hotline.ParseReceipt(c.Receipt)
		if err != nil {
			return err
		}
		b.receipt(b.known[rc.Statement], rc.Statement, rc.Party)
	}
	return nil
}

func (b *DutyBook) document(raw []byte) error {
	st, err := hotline.Parse(raw)
	if err != nil || st.Header.Kind != hotline.KindConvention {
		return err
	}
	var before *hotline.SignedConvention
	if n := len(b.conventions); n > 0 {
		before = b.conventions[n-1]
	}
	v, err := hotline.ParseConvention(raw, before)
	if err == nil {
		b.conventions = append(b.conventions, v)
	}
	return err
}

// terms are those in force now.
func (b *DutyBook) terms() *hotline.Terms {
	in := b.conventions[0]
	for _, v := range b.conventions {
		if v.ValidFrom <= b.End {
			in = v
		}
	}
	return &in.Terms
}

func (b *DutyBook) note(st *hotline.Statement) {
	b.known[st.ID] = &st.Header
	if in := st.InCase(); in != nil && b.cases[*in] == nil {
		b.cases[*in] = &affair{opened: b.End}
	}
}

func (b *DutyBook) start(class hotline.Duty, subject hotline.ID, peer hotline.Party, in *hotline.CaseID, term int64, rungs []uint64) {
	b.startUntil(class, subject, peer, in, b.End+hotline.Time(term), rungs)
}

func (b *DutyBook) startUntil(class hotline.Duty, subject hotline.ID, peer hotline.Party, in *hotline.CaseID, deadline hotline.Time, rungs []uint64) {
	o := &Owed{Class: class, Subject: subject, Peer: peer, Case: in, Opened: b.End, Deadline: deadline, rungs: rungs}
	b.All, b.open = append(b.All, o), append(b.open, o)
}

// finish closes the open duties that fit.
func (b *DutyBook) finish(fits func(*Owed) bool) {
	b.open = slices.DeleteFunc(b.open, func(o *Owed) bool {
		if fits(o) {
			o.Closed = b.End
			return true
		}
		return false
	})
}

func (b *DutyBook) finishOne(class hotline.Duty, subject hotline.ID, peer hotline.Party) {
	b.finish(func(o *Owed) bool { return o.Class == class && o.Subject == subject && o.Peer == peer })
}

// late keeps the rungs from the deadline on: who waits for another is not reminded before.
func late(rungs []uint64) []uint64 {
	return slices.DeleteFunc(slices.Clone(rungs), func(permille uint64) bool { return permille < hotline.Deadline })
}

func isAlert(k hotline.Kind) bool { return k == hotline.KindAlert || k == hotline.KindAutomaticAlert }

func isReport(k hotline.Kind) bool {
	return k == hotline.KindSupplement || k == hotline.KindProgress || k == hotline.KindFinal
}

// own follows a statement of this party.
func (b *DutyBook) own(st *hotline.Statement) error {
	h, in, terms := &st.Header, st.InCase(), b.terms()
	for _, p := range h.To {
		if h.Kind.Rules().Undeliver {
			b.start(hotline.DutyDeliver, st.ID, p, in, terms.NonDelivery.At(h.Precedence), []uint64{hotline.Deadline})
		}
	}
	switch {
	case h.Kind == hotline.KindDetection:
		b.start(hotline.DutyAssess, st.ID, "", in, terms.Assess, b.owing)
	case h.Kind == hotline.KindAssessment:
		b.assessed(st, in)
	case isAlert(h.Kind):
		b.alerted(st, in)
	case h.Kind == hotline.KindRatification:
		b.finishOne(hotline.DutyRatify, *h.Re, "")
	case h.Kind == hotline.KindAcknowledgement:
		b.finishOne(hotline.DutyAcknowledge, *h.Re, h.To[0])
	case isReport(h.Kind):
		for _, p := range h.To {
			b.reported(st, in, b.self, p)
		}
		b.cases[*in].told = append(b.cases[*in].told, h)
	case h.Kind == hotline.KindReply || h.Kind == hotline.KindAssistanceResponse:
		b.answered(st, in, h.To[0], b.known[*h.Re], 0, b.owing)
	case h.Kind == hotline.KindRetract:
		b.retracted[*in] = true
	case h.Kind == hotline.KindLadder:
		return b.ladder(st)
	}
	return nil
}

func (b *DutyBook) ladder(st *hotline.Statement) error {
	body, err := st.OpenBody()
	if err != nil {
		return err
	}
	b.owing, b.receiving = nil, nil
	for _, r := range body.(*hotline.Ladder).Owing {
		b.owing = append(b.owing, r.Permille)
	}
	for _, r := range body.(*hotline.Ladder).Receiving {
		b.receiving = append(b.receiving, r.Permille)
	}
	return nil
}

func (b *DutyBook) assessed(st *hotline.Statement, in *hotline.CaseID) {
	h, k, terms := &st.Header, b.cases[*in], b.terms()
	b.finishOne(hotline.DutyAssess, in.ID, "")
	if h.Verdict == hotline.Notifiable {
		k.assessment, k.untold = st.ID, slices.Clone(h.Notify)
		deadline := min(b.End+hotline.Time(terms.Alert.At(h.Precedence)), k.opened+hotline.Time(terms.AlertCap))
		b.startUntil(hotline.DutyAlert, st.ID, "", in, deadline, b.owing)
	}
}

func (b *DutyBook) alerted(st *hotline.Statement, in *hotline.CaseID) {
	h, k := &st.Header, b.cases[*in]
	k.untold = slices.DeleteFunc(k.untold, func(p hotline.Party) bool { return slices.Contains(h.To, p) })
	if len(k.untold) == 0 {
		b.finishOne(hotline.DutyAlert, k.assessment, "")
	}
	for _, p := range h.To {
		b.reportsDue(st, in, b.self, p)
	}
	k.told = append(k.told, h)
	if h.Kind == hotline.KindAlert && h.Status == hotline.Actual && len(h.Authors) == 1 {
		b.start(hotline.DutyRatify, st.ID, "", in, b.terms().Ratify, b.owing)
	}
}

// staged returns the class that one of the two parties has, its rungs, and the other of them: what a party owes comes first in the
// numbering, and what its peer waits for stands six further on.
func (b *DutyBook) staged(owed hotline.Duty, teller, told hotline.Party) (hotline.Duty, []uint64, hotline.Party) {
	if teller == b.self {
		return owed, b.owing, told
	}
	return owed + (hotline.DutyAwaitSupplement - hotline.DutySupplement), late(b.receiving), teller
}

// said reports whether a party told another something of a kind in a case.
func (k *affair) said(teller, told hotline.Party, is func(hotline.Kind) bool) []*hotline.Header {
	return slices.DeleteFunc(slices.Clone(k.told), func(h *hotline.Header) bool {
		return h.From != teller || !slices.Contains(h.To, told) || !is(h.Kind)
	})
}

func only(kind hotline.Kind) func(hotline.Kind) bool {
	return func(k hotline.Kind) bool { return k == kind }
}

// reportsDue starts the clocks that follow an alert; those that run are not moved.
func (b *DutyBook) reportsDue(st *hotline.Statement, in *hotline.CaseID, teller, told hotline.Party) {
	k, terms := b.cases[*in], b.terms()
	if st.Header.Status == hotline.Test || len(k.said(teller, told, only(hotline.KindFinal))) > 0 {
		return
	}
	if len(k.said(teller, told, only(hotline.KindSupplement))) == 0 {
		b.reportDue(hotline.DutySupplement, st, in, teller, told, terms.Supplement)
	}
	b.reportDue(hotline.DutyProgress, st, in, teller, told, terms.Progress.At(st.Header.Precedence))
	b.reportDue(hotline.DutyFinal, st, in, teller, told, terms.Final)
}

func (b *DutyBook) reportDue(owed hotline.Duty, st *hotline.Statement, in *hotline.CaseID, teller, told hotline.Party, term int64) {
	class, rungs, peer := b.staged(owed, teller, told)
	runs := func(o *Owed) bool { return o.Class == class && o.Peer == peer && o.Case != nil && *o.Case == *in }
	if term > 0 && !slices.ContainsFunc(b.open, runs) {
		b.start(class, st.ID, peer, in, term, rungs)
	}
}

func (b *DutyBook) reportDone(owed hotline.Duty, in *hotline.CaseID, teller, told hotline.Party) {
	class, _, peer := b.staged(owed, teller, told)
	b.finish(func(o *Owed) bool { return o.Class == class && o.Peer == peer && o.Case != nil && *o.Case == *in })
}

// reported takes a supplement, a progress report or a final report.
func (b *DutyBook) reported(st *hotline.Statement, in *hotline.CaseID, teller, told hotline.Party) {
	k := b.cases[*in]
	switch st.Header.Kind {
	case hotline.KindFinal:
		for owed := hotline.DutySupplement; owed <= hotline.DutyFinal; owed++ {
			b.reportDone(owed, in, teller, told)
		}
		return
	case hotline.KindSupplement:
		b.reportDone(hotline.DutySupplement, in, teller, told)
	}
	alerts := k.said(teller, told, isAlert)
	if len(alerts) == 0 || st.Header.Status == hotline.Test || len(k.said(teller, told, only(hotline.KindFinal))) > 0 {
		return
	}
	urgent := slices.MinFunc(alerts, func(a, b *hotline.Header) int { return int(a.Precedence) - int(b.Precedence) })
	b.reportDone(hotline.DutyProgress, in, teller, told)
	b.reportDue(hotline.DutyProgress, st, in, teller, told, b.terms().Progress.At(urgent.Precedence))
}

// request says which duty a request opens for the one asked, and its term; 0: none.
func (b *DutyBook) request(h *hotline.Header) (hotline.Duty, int64) {
	terms := b.terms()
	switch {
	case h == nil || h.Status == hotline.Test:
	case h.Kind == hotline.KindInquiry:
		return hotline.DutyReply, terms.Reply.At(h.Precedence)
	case h.Kind == hotline.KindAssistanceRequest:
		return hotline.DutyAssist, terms.Assist.At(h.Precedence)
	case h.Kind == hotline.KindConsult:
		return hotline.DutyConsult, terms.Consult
	}
	return 0, 0
}

// answered takes an answer to a request: away is what lies between the duty of the one asked and that of the one who waits.
func (b *DutyBook) answered(st *hotline.Statement, in *hotline.CaseID, peer hotline.Party, request *hotline.Header, away hotline.Duty, rungs []uint64) {
	h, k := &st.Header, b.cases[*in]
	owed, term := b.request(request)
	concluded := slices.ContainsFunc(k.answers, func(x *hotline.Header) bool {
		return x.From == h.From && *x.Re == *h.Re && slices.Equal(x.To, h.To) && x.Disposition.Concludes()
	})
	k.answers = append(k.answers, h)
	if owed == 0 {
		return
	}
	b.finish(func(o *Owed) bool {
		by := b.known[o.Subject] // the request, or an interim answer to it
		return o.Class == owed+away && o.Peer == peer && (o.Subject == *h.Re || by != nil && by.Re != nil && *by.Re == *h.Re)
	})
	if !h.Disposition.Concludes() && !concluded && term > 0 {
		b.start(owed+away, st.ID, peer, in, term, rungs)
	}
}

// away is how far the duty of who waits stands behind that of who owes.
const away = hotline.DutyAwaitSupplement - hotline.DutySupplement

// peer follows an accepted statement of another party.
func (b *DutyBook) peer(st *hotline.Statement) {
	h, in := &st.Header, st.InCase()
	if h.Kind.Rules().OpensAck {
		b.start(hotline.DutyAcknowledge, st.ID, h.From, in, b.terms().Acknowledge.At(h.Precedence), b.receiving)
	}
	switch {
	case isAlert(h.Kind):
		b.reportsDue(st, in, h.From, b.self)
		b.cases[*in].told = append(b.cases[*in].told, h)
	case isReport(h.Kind):
		b.reported(st, in, h.From, b.self)
		b.cases[*in].told = append(b.cases[*in].told, h)
	case h.Kind == hotline.KindReply || h.Kind == hotline.KindAssistanceResponse:
		b.answered(st, in, h.From, b.known[*h.Re], away, late(b.receiving))
	case h.Kind == hotline.KindAcknowledgement:
		b.acknowledged[copyOf{*h.Re, h.From}] = true
		b.finishOne(hotline.DutyAwait, *h.Re, h.From)
	case h.Kind == hotline.KindReject:
		b.finishOne(hotline.DutyDeliver, *h.Re, h.From)
	case h.Kind == hotline.KindRetract:
		b.retracted[*in] = true
	default:
		if owed, term := b.request(h); owed > 0 && term > 0 {
			b.start(owed, st.ID, h.From, in, term, b.owing)
		}
	}
}

// receipt follows a peer's receipt of an own statement.
func (b *DutyBook) receipt(h *hotline.Header, id hotline.ID, from hotline.Party) {
	b.finishOne(hotline.DutyDeliver, id, from)
	if h == nil {
		return
	}
	in := h.Case
	if in == nil && h.Kind.Rules().Opens {
		in = &hotline.CaseID{Party: b.self, ID: id}
	}
	if h.Kind.Rules().OpensAck && !b.acknowledged[copyOf{id, from}] {
		b.start(hotline.DutyAwait, id, from, in, b.terms().Acknowledge.At(h.Precedence), late(b.receiving))
	}
	answered := in != nil && slices.ContainsFunc(b.cases[*in].answers, func(x *hotline.Header) bool { return x.From == from && *x.Re == id })
	if owed, term := b.request(h); owed > 0 && term > 0 && !answered {
		b.start(owed+away, id, from, in, term, late(b.receiving))
	}
}
