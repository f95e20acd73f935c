package ledger

import (
	"slices"

	"example.org/hotline/hotline"
)

// Ask is a statement of the group that an entry asked for. Apply cannot sign:
// the leader builds the statement and submits it, naming the entry as its
// cause; Apply keeps the first one (SPEC §6.8).
type Ask struct {
	Kind       hotline.Kind
	Cause      uint64 // index of the entry that asked
	Case       *hotline.CaseID
	Re         hotline.ID // zero for a line test
	To         []hotline.Party
	Peer       hotline.Party // of a non-delivery, which goes to nobody
	Status     hotline.Status
	Precedence hotline.Precedence
	Due        hotline.Time
	Office     string
	Reason     hotline.Code
	Sequence   uint64
	Source     uint64       // index of the entry to embed (the assessment of an automatic alert)
	Answered   uint64       // 1 + index of the statement
	Until      hotline.Time // an answered ask is remembered until then
}

type askKey struct {
	cause uint64
	kind  hotline.Kind
}

func (r *run) ask(a *Ask) {
	r.s.asks[askKey{a.Cause, a.Kind}] = a
	r.effect(Effect{Type: Compose, Kind: a.Kind, ID: a.Re, Index: a.Cause, Case: a.Case, Time: r.t,
		Precedence: a.Precedence, Status: a.Status, Ask: a.clone()})
}

// clone makes a copy to hand out: whoever composes does not hold the state.
func (a *Ask) clone() *Ask {
	c := *a
	return &c
}

// Asks returns copies of what still has to be composed at t, by cause. A new leader
// takes them up.
func (s *State) Asks(t hotline.Time) []*Ask {
	var list []*Ask
	for _, a := range s.asks {
		if a.Answered != 0 {
			continue
		}
		if c := a.clone(); len(a.To) == 0 {
			list = append(list, c)
		} else if c.To = s.addressees(a, t); len(c.To) > 0 {
			list = append(list, c)
		}
	}
	slices.SortFunc(list, func(a, b *Ask) int {
		if a.Cause != b.Cause {
			return int(a.Cause) - int(b.Cause)
		}
		return int(a.Kind) - int(b.Kind)
	})
	return list
}

// addressees are those to whom what is asked goes if it is tendered at t. An
// automatic alert is not kept from all by one who left since (SPEC §6.8).
func (s *State) addressees(a *Ask, t hotline.Time) []hotline.Party {
	if a.Kind == hotline.KindAutomaticAlert {
		return s.tellable(a.To, t)
	}
	return a.To
}

// tellable keeps of a list those to whom something can be told by the convention
// in force at t; nobody, if this party can tell nothing (SPEC §6.3 rule 12).
func (s *State) tellable(list []hotline.Party, t hotline.Time) []hotline.Party {
	c := s.Convention(t)
	speaks := func(p hotline.Party) bool { return c.Member(p) != nil && !c.Observes(p) }
	if !speaks(s.self) {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(list), func(p hotline.Party) bool { return !speaks(p) })
}

// askAutomaticAlert follows a passed alert deadline: what an officer has
// signed as NOTIFIABLE goes out, unless the party reserved against it; then
// the lapse alone is recorded.
func (r *run) askAutomaticAlert(d *Duty, index uint64) {
	s := r.s
	k := s.caseOf(d.Case)
	c := s.Convention(r.t)
	if k == nil || !c.Terms.Automatic || c.Reserves(s.self, hotline.ReserveAutomaticAlert) {
		return
	}
	to := s.tellable(k.Untold, r.t)
	if len(to) == 0 {
		return
	}
	r.ask(&Ask{Kind: hotline.KindAutomaticAlert, Cause: index, Case: d.Case, Re: d.Subject, To: to,
		Status: d.Status, Precedence: d.Precedence, Due: d.Deadline, Source: k.AssessedAt})
}

// ownGroup checks a statement of the own group against what asked for it.
func (r *run) ownGroup(st *hotline.Statement) (func(uint64), error) {
	s, h := r.s, &st.Header
	switch h.Kind {
	case hotline.KindService:
		return nil, nil
	case hotline.KindUnreadable:
		return r.ownUnreadable(st)
	}
	a := s.asks[askKey{h.Cause - 1, h.Kind}]
	switch {
	case a == nil:
		return nil, hotline.Refuse(hotline.CodeNotOwed, "no entry %d asks for a %s", h.Cause-1, h.Kind)
	case a.Answered != 0:
		return nil, hotline.Refuse(hotline.CodeDuplicate, "entry %d already answers", a.Answered-1)
	case !slices.Equal(s.addressees(a, r.t), h.To) || a.Status != h.Status || a.Precedence != h.Precedence || a.Reason != h.Reason:
		return nil, hotline.Refuse(hotline.CodeHeader, "not the %s that entry %d asks for", h.Kind, a.Cause)
	case (a.Case == nil) != (h.Case == nil) || (a.Case != nil && *a.Case != *h.Case):
		return nil, hotline.Refuse(hotline.CodeCase, "entry %d asks for another case", a.Cause)
	case (h.Re == nil) != a.Re.IsZero() || (h.Re != nil && *h.Re != a.Re):
		return nil, hotline.Refuse(hotline.CodeReference, "entry %d asks about another statement", a.Cause)
	}
	if h.Kind == hotline.KindAutomaticAlert {
		if _, err := embedded(st); err != nil {
			return nil, err
		}
	}
	return func(index uint64) { r.answered(a, st, index) }, nil
}

func (r *run) answered(a *Ask, st *hotline.Statement, index uint64) {
	s := r.s
	a.Answered, a.Until = index+1, r.t+window
	s.answered = append(s.answered, askKey{a.Cause, a.Kind})
	switch a.Kind {
	case hotline.KindAutomaticAlert:
		if k := s.caseOf(a.Case); k != nil {
			r.told(k, st.Header.To)
			for _, p := range st.Header.To {
				r.alerted(s.tells(k, p), st)
			}
		}
	case hotline.KindLineTest:
		peer := a.To[0]
		s.pairs[peer].Asked = r.t
		c := s.Convention(r.t)
		s.open(&Duty{Class: hotline.DutyLineReply, Subject: st.ID, Peer: peer, Status: a.Status, Precedence: a.Precedence,
			Opened: r.t, Deadline: r.t + hotline.Time(c.Terms.LineReply)}, single("technician", nil))
	}
}

// ownUnreadable: only the leader finds out that a body does not open, so no
// entry asks; it must name an accepted statement of the addressee.
func (r *run) ownUnreadable(st *hotline.Statement) (func(uint64), error) {
	s, h := r.s, &st.Header
	key := askKey{h.Cause - 1, h.Kind}
	if s.asks[key] != nil {
		return nil, hotline.Refuse(hotline.CodeDuplicate, "entry %d is already called unreadable", h.Cause-1)
	}
	if len(h.To) != 1 {
		return nil, hotline.Refuse(hotline.CodeWrongAddressee, "unreadable goes to the sender alone")
	}
	index, ok := uint64(0), false
	if k := s.caseOf(h.Case); k != nil {
		if e := k.known(*h.Re); e != nil && e.From == h.To[0] {
			index, ok = e.Index, true
		}
	} else if pair := s.pairs[h.To[0]]; pair != nil {
		index, ok = pair.Seen.find(*h.Re)
	}
	if !ok || index != h.Cause-1 {
		return nil, hotline.Refuse(hotline.CodeReference, "entry %d is no accepted statement of %s", h.Cause-1, h.To[0])
	}
	return func(at uint64) {
		s.asks[key] = &Ask{Kind: h.Kind, Cause: h.Cause - 1, To: h.To, Answered: at + 1, Until: r.t + window}
		s.answered = append(s.answered, key)
	}, nil
}
