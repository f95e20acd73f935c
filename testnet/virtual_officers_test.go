package testnet_test

import (
	"errors"
	"slices"
	"time"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/desk"
	"example.org/hotline/hotline/hotlinetest"
)

// Officers of the virtual network: they see things, decide, write, answer and sleep, each at times drawn from the seed.

const day = 24 * hotline.Time(time.Hour/time.Millisecond)

// roll draws a number below n.
func (w *world) roll(n int64) int64 {
	w.history.rolls.Lock()
	defer w.history.rolls.Unlock()
	return w.rng.Int64N(max(n, 1))
}

// chance is true so many times in a hundred.
func (w *world) chance(percent int64) bool { return w.roll(100) < percent }

// later plans what an officer does about something that is due in so many milliseconds: mostly in time, sometimes late, sometimes
// never. Of some parties nobody is awake in the first six hours of a day.
func (p *party) later(term int64, do func()) {
	var delay int64
	if term == 0 {
		return // nothing is owed
	}
	switch kind := p.w.roll(100); {
	case kind < 65:
		delay = p.w.roll(term * 95 / 100)
	case kind < 93:
		delay = term + p.w.roll(term*5/2)
	default:
		return
	}
	p.plan(p.w.now()+hotline.Time(delay), do)
}

func (p *party) plan(at hotline.Time, do func()) {
	if sleeps := p.code%2 == 1 && p.code > 1; sleeps && at%day < day/4 {
		at += day/4 - at%day + hotline.Time(p.w.roll(int64(30*time.Minute/time.Millisecond)))
	}
	p.w.at(at, do)
}

// hand submits what is made, and then goes on with it. If the group is down the officer comes back after a while.
func (p *party) hand(made func() *hotline.Statement, then func(*hotline.Statement)) {
	st := made()
	_, err := p.ask(&desk.Request{Submit: &desk.SubmitRequest{Statement: st.Raw}})
	switch {
	case err == nil:
		p.w.history.note(p.w.now(), "%s hands in %s %s of %s to %v", p.Code, st.Header.Kind, st.ID.Short(), st.Header.Precedence, st.Header.To)
		then(st)
	case errors.Is(err, errGroupDown):
		p.plan(p.w.now()+hotline.Time((10*time.Minute).Milliseconds()), func() { p.hand(made, then) })
	case hotline.CodeOf(err) == hotline.CodeNotOwed: // somebody else has done it, or the group itself
		p.w.history.note(p.w.now(), "%s: %s is not owed any more: %v", p.Code, st.Header.Kind, err)
	default:
		p.w.t.Errorf("%s hands in %s: %v", p.Code, st.Header.Kind, err)
	}
}

func nothing(*hotline.Statement) {}

// duties plans what the officers of a party begin by themselves, each about so often.
func (p *party) duties(from, until hotline.Time) {
	for _, begin := range []struct {
		every time.Duration
		do    func()
	}{{48 * time.Hour, p.detect}, {96 * time.Hour, p.request}, {96 * time.Hour, p.text}} {
		for at := from; ; {
			if at += hotline.Time(p.w.roll(2 * begin.every.Milliseconds())); at >= until {
				break
			}
			p.plan(at, begin.do)
		}
	}
}

// others are one to three parties, sorted.
func (p *party) others() []hotline.Party {
	var list []hotline.Party
	for _, q := range p.w.parties {
		if q != p {
			list = append(list, q.Code)
		}
	}
	for n := 1 + int(p.w.roll(3)); len(list) > n; {
		i := int(p.w.roll(int64(len(list))))
		list = slices.Delete(list, i, i+1)
	}
	return list
}

func (p *party) detect() {
	status := hotline.Actual
	if p.w.chance(15) {
		status = hotline.Exercise
	}
	made := func() *hotline.Statement {
		return p.Detection(p.w.now(), hotlinetest.Precedence(hotline.Precedence(1+p.w.roll(4))), hotlinetest.Status(status))
	}
	p.hand(made, func(st *hotline.Statement) {
		p.later(virtualTerms().Assess, func() { p.assess(st) })
	})
}

func (p *party) assess(detection *hotline.Statement) {
	var notify []hotline.Party
	if p.w.chance(70) {
		notify = p.others()
	}
	p.hand(func() *hotline.Statement { return p.Assessment(p.w.now(), detection, notify) }, func(st *hotline.Statement) {
		if len(notify) > 0 {
			p.later(virtualTerms().Alert.At(st.Header.Precedence), func() { p.alert(st, notify) })
		}
	})
}

// alert tells those who must be told, now and then not all of them: the group tells the others when the time is over.
func (p *party) alert(assessment *hotline.Statement, to []hotline.Party) {
	if len(to) > 1 && p.w.chance(20) {
		to = to[:1]
	}
	h := &assessment.Header
	alone := h.Precedence == hotline.Flash && h.Status == hotline.Actual && p.w.chance(50)
	p.hand(func() *hotline.Statement {
		if alone {
			return p.FlashAlert(p.w.now(), assessment, to)
		}
		return p.Alert(p.w.now(), assessment, to)
	}, func(st *hotline.Statement) {
		terms := virtualTerms()
		if alone {
			p.later(terms.Ratify, func() { p.hand(func() *hotline.Statement { return p.Ratification(p.w.now(), st) }, nothing) })
		}
		p.later(terms.Supplement, func() { p.report(st, hotline.KindSupplement) })
		p.later(terms.Progress.At(h.Precedence), func() { p.report(st, hotline.KindProgress) })
		p.later(terms.Final, func() { p.report(st, hotline.KindFinal) })
	})
}

func (p *party) report(alert *hotline.Statement, kind hotline.Kind) {
	h := &alert.Header
	p.hand(func() *hotline.Statement {
		head := p.Header(kind, p.w.now(), hotlinetest.Status(h.Status), hotlinetest.Precedence(h.Precedence), hotlinetest.In(*h.Case),
			hotlinetest.To(h.To...))
		var body hotline.Body = &hotline.Supplement{Facts: hotlinetest.Facts(), Text: "What more is known."}
		switch kind {
		case hotline.KindProgress:
			body = &hotline.Progress{State: 1, Text: "It goes on."}
		case hotline.KindFinal:
			body = &hotline.Final{Facts: hotlinetest.Facts(), Text: "It is over."}
		}
		return p.By(head, body, "O1", "R1")
	}, func(st *hotline.Statement) {
		if kind == hotline.KindProgress {
			p.later(virtualTerms().Progress.At(h.Precedence), func() { p.report(alert, kind) })
		}
	})
}

// request asks another party for something.
func (p *party) request() {
	to, precedence := p.others()[0], hotline.Precedence(1+p.w.roll(4))
	which := p.w.roll(3)
	p.hand(func() *hotline.Statement {
		head := func(k hotline.Kind) hotline.Header {
			return p.Header(k, p.w.now(), hotlinetest.To(to), hotlinetest.Precedence(precedence))
		}
		switch which {
		case 0:
			return p.By(head(hotline.KindInquiry), &hotline.Inquiry{Questions: []string{"Is it yours?"}}, "O1", "R1")
		case 1:
			return p.By(head(hotline.KindAssistanceRequest), &hotline.AssistanceRequest{Forms: []uint16{1}, Text: "Help with the logs."}, "O1")
		}
		return p.By(head(hotline.KindConsult), &hotline.Consult{Subject: "Let us meet."}, "A1")
	}, nothing)
}

func (p *party) text() {
	to, precedence := p.others()[0], hotline.Precedence(1+p.w.roll(4))
	p.hand(func() *hotline.Statement {
		return p.Text(p.w.now(), to, "All is quiet.", hotlinetest.Precedence(precedence))
	}, nothing)
}

// received plans what the officers do about a statement that has come.
func (p *party) received(e *desk.Event) {
	terms := virtualTerms()
	if e.Kind.Rules().OpensAck {
		p.later(terms.Acknowledge.At(e.Precedence), func() {
			p.about(e.ID, func(st *hotline.Statement) {
				p.hand(func() *hotline.Statement { return p.Acknowledgement(p.w.now(), st) }, nothing)
			})
		})
	}
	switch e.Kind {
	case hotline.KindInquiry:
		p.later(terms.Reply.At(e.Precedence), func() { p.about(e.ID, p.reply) })
	case hotline.KindAssistanceRequest:
		p.later(terms.Assist.At(e.Precedence), func() { p.about(e.ID, p.respond) })
	case hotline.KindConsult:
		p.later(terms.Consult, func() { p.about(e.ID, p.reply) })
	}
}

// about fetches a statement from the group.
func (p *party) about(id hotline.ID, do func(*hotline.Statement)) {
	r, err := p.ask(&desk.Request{Show: &desk.ShowRequest{ID: id.String()}})
	if errors.Is(err, errGroupDown) {
		p.plan(p.w.now()+hotline.Time((10*time.Minute).Milliseconds()), func() { p.about(id, do) })
		return
	}
	if err == nil {
		var st *hotline.Statement
		if st, err = hotline.Parse(r.Show.Raw); err == nil {
			do(st)
			return
		}
	}
	p.w.t.Errorf("%s looks for %s: %v", p.Code, id.Short(), err)
}

// answer hands in one answer to a request.
func (p *party) answer(request *hotline.Statement, kind hotline.Kind, d hotline.Disposition, then func(*hotline.Statement)) {
	h := &request.Header
	p.hand(func() *hotline.Statement {
		head := p.Header(kind, p.w.now(), hotlinetest.To(h.From), hotlinetest.Precedence(h.Precedence), hotlinetest.In(hotlinetest.CaseOf(request)),
			hotlinetest.Re(request.ID), hotlinetest.Disposes(d))
		if kind == hotline.KindReply {
			return p.By(head, &hotline.Words{Text: "We have looked."}, "O1", "R1")
		}
		return p.By(head, &hotline.Words{Text: "We have looked."}, "O1")
	}, then)
}

// reply answers an inquiry or a consult, now and then for the time being first.
func (p *party) reply(request *hotline.Statement) {
	p.first(request, hotline.KindReply, hotline.Interim, hotline.Conclusive)
}

func (p *party) respond(request *hotline.Statement) {
	p.first(request, hotline.KindAssistanceResponse, hotline.Pending, hotline.Approved)
}

func (p *party) first(request *hotline.Statement, kind hotline.Kind, interim, last hotline.Disposition) {
	conclude := func() { p.answer(request, kind, last, nothing) }
	if p.w.chance(60) {
		conclude()
		return
	}
	p.answer(request, kind, interim, func(*hotline.Statement) { p.later(virtualTerms().Consult, conclude) })
}
