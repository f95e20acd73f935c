package ledger

import (
	"slices"

	"example.org/hotline/hotline"
)

// answer says how a request is answered: by which kind, which duty the asked
// party has, what the asking one waits for, and by which term (SPEC §6.3).
type answer struct {
	by         hotline.Kind
	owe, await hotline.Duty
	term       func(*hotline.Terms, hotline.Precedence) int64
}

// answering lists the requests.
var answering = map[hotline.Kind]*answer{
	hotline.KindInquiry: {hotline.KindReply, hotline.DutyReply, hotline.DutyAwaitReply,
		func(t *hotline.Terms, p hotline.Precedence) int64 { return t.Reply.At(p) }},
	hotline.KindAssistanceRequest: {hotline.KindAssistanceResponse, hotline.DutyAssist, hotline.DutyAwaitAssist,
		func(t *hotline.Terms, p hotline.Precedence) int64 { return t.Assist.At(p) }},
	hotline.KindConsult: {hotline.KindReply, hotline.DutyConsult, hotline.DutyAwaitConsult,
		func(t *hotline.Terms, _ hotline.Precedence) int64 { return t.Consult }},
}

// asked opens the duty of a request, or its next term: by is the request itself
// or the interim answer. A request of a test is answered without a clock.
func (r *run) asked(k *Case, kind hotline.Kind, class hotline.Duty, peer hotline.Party, by hotline.ID, p hotline.Precedence, rungs []hotline.Rung) {
	term := answering[kind].term(&r.s.Convention(r.t).Terms, p)
	if term == 0 || k.Status == hotline.Test {
		return
	}
	id := k.ID
	r.s.open(&Duty{Class: class, Subject: by, Peer: peer, Case: &id, Status: k.Status, Precedence: p,
		Opened: r.t, Deadline: r.t + hotline.Time(term)}, rungs)
}

// openAnswer finds the duty to answer a request, which hangs on the request or
// on the newest interim answer to it.
func (c *Case) openAnswer(class hotline.Duty, peer hotline.Party, request hotline.ID) *Duty {
	for _, d := range c.Duties {
		if d.Class != class || d.Peer != peer {
			continue
		}
		if by := c.known(d.Subject); d.Subject == request || by != nil && by.Re == request {
			return d
		}
	}
	return nil
}

// concluded reports whether a party has given another the last answer to its
// request.
func (c *Case) concluded(asked, asker hotline.Party, request *Known) bool {
	a, back := answering[request.Kind], c.takenBack(asked)
	return slices.ContainsFunc(c.Known, func(x Known) bool {
		return x.Kind == a.by && x.From == asked && x.Re == request.ID && x.goesTo(asker) && x.Disposition.Concludes() && !back[x.ID]
	})
}

// request finds in the case what an answer of one party to another answers.
func (c *Case) request(st *hotline.Statement, asker, asked hotline.Party) (*Known, error) {
	x := c.known(*st.Header.Re)
	if x == nil || answering[x.Kind] == nil || answering[x.Kind].by != st.Header.Kind || x.From != asker || !x.goesTo(asked) {
		return nil, hotline.Refuse(hotline.CodeReference, "%s is no request of %s to %s that a %s answers", st.Header.Re.Short(), asker, asked, st.Header.Kind)
	}
	return x, nil
}

// askedHere opens this party's duty to answer a peer's request.
func (r *run) askedHere(st *hotline.Statement) func(uint64) {
	return func(uint64) {
		h, k := &st.Header, r.s.caseOf(st.InCase())
		if !k.retracted(h.From, st.ID) {
			r.asked(k, h.Kind, answering[h.Kind].owe, h.From, st.ID, h.Precedence, r.s.Ladder().Owing)
		}
	}
}

// answers takes an own answer, interim or last.
func (r *run) answers(st *hotline.Statement, k *Case) (func(uint64), error) {
	s, h := r.s, &st.Header
	if len(h.To) != 1 {
		return nil, hotline.Refuse(hotline.CodeWrongAddressee, "a %s goes to the one who asked", h.Kind)
	}
	asker := h.To[0]
	x, err := k.request(st, asker, s.self)
	switch {
	case err != nil:
		return nil, err
	case k.retracted(asker, x.ID):
		return nil, hotline.Refuse(hotline.CodeNotOwed, "%s has retracted what this answers", asker)
	case k.concluded(s.self, asker, x):
		return nil, hotline.Refuse(hotline.CodeNotOwed, "the last answer to %s was given", h.Re.Short())
	}
	kind, p := x.Kind, x.Precedence
	return func(uint64) {
		if d := k.openAnswer(answering[kind].owe, asker, *h.Re); d != nil {
			r.dischargeDuty(d)
		}
		if !h.Disposition.Concludes() {
			r.asked(k, kind, answering[kind].owe, asker, st.ID, p, s.Ladder().Owing)
		}
	}, nil
}

// answeredHere takes a peer's answer to an own request. Answers may overtake
// each other: an interim one after the last opens nothing.
func (r *run) answeredHere(st *hotline.Statement, k *Case) (func(uint64), error) {
	s, h := r.s, &st.Header
	if k == nil {
		return nil, hotline.Refuse(hotline.CodeReference, "no request of this id is known in the case")
	}
	x, err := k.request(st, s.self, h.From)
	if err != nil {
		return nil, err
	}
	kind, p, done := x.Kind, x.Precedence, k.concluded(h.From, s.self, x) || k.retracted(s.self, x.ID)
	return func(uint64) {
		if d := k.openAnswer(answering[kind].await, h.From, *h.Re); d != nil {
			r.dischargeDuty(d)
		}
		if !h.Disposition.Concludes() && !done {
			r.asked(k, kind, answering[kind].await, h.From, st.ID, p, from(s.Ladder().Receiving, hotline.Deadline))
		}
	}, nil
}

// awaitAnswer begins to wait for the answer to an own request, once the receipt
// says that it arrived; an answer may have overtaken the receipt.
func (r *run) awaitAnswer(o *Sent, peer hotline.Party) {
	k := r.s.caseOf(o.Case)
	a := answering[o.Kind]
	if k == nil || a == nil {
		return
	}
	x := k.known(o.ID)
	answered := slices.ContainsFunc(k.Known, func(y Known) bool { return y.Kind == a.by && y.From == peer && y.Re == o.ID })
	if x == nil || answered || k.retracted(r.s.self, o.ID) {
		return
	}
	r.asked(k, o.Kind, a.await, peer, o.ID, o.Precedence, from(r.s.Ladder().Receiving, hotline.Deadline))
}

// assisted takes an own statement of help given: the request was approved.
func (r *run) assisted(st *hotline.Statement, k *Case) (func(uint64), error) {
	h := &st.Header
	for _, p := range h.To {
		if r.s.concerns(p) && !k.approved(r.s.self, p, *h.Re) {
			return nil, hotline.Refuse(hotline.CodeNotOwed, "no assistance request %s of %s was approved", h.Re.Short(), p)
		}
	}
	return nil, nil
}

func (c *Case) approved(asked, asker hotline.Party, request hotline.ID) bool {
	back := c.takenBack(asked)
	return slices.ContainsFunc(c.Known, func(x Known) bool {
		return x.Kind == hotline.KindAssistanceResponse && x.From == asked && x.goesTo(asker) && x.Re == request &&
			x.Disposition == hotline.Approved && !back[x.ID]
	})
}
