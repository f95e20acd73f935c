package ledger

import (
	"cmp"
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
	Until      hotline.Time // an ask that is answered or overtaken is remembered until then; 0: it is to be said
}

type askKey struct {
	cause uint64
	kind  hotline.Kind
}

// ask asks for a statement of the group.
func (r *run) ask(a *Ask) {
	if a.Kind == hotline.KindLineTest || a.Kind == hotline.KindWatchTest {
		r.overtaken(a)
	}
	r.s.keepAsk(a)
	now := a.clone()
	now.To = r.s.addressees(a, r.t)
	r.effect(Effect{Type: Compose, Kind: a.Kind, ID: a.Re, Index: a.Cause, Case: a.Case, Time: r.t,
		Precedence: a.Precedence, Status: a.Status, Ask: now})
}

// clone makes a copy to hand out: whoever composes does not hold the state.
func (a *Ask) clone() *Ask {
	c := *a
	return &c
}

// overtaken ends asking for the test before: it was not said until the next one is due. A
// leader may be about to say it, so it is remembered for a while like what is answered.
func (r *run) overtaken(next *Ask) {
	s := r.s
	for key, a := range s.unsaid {
		if a.Kind == next.Kind && a.To[0] == next.To[0] {
			s.said(a)
			a.Until = r.t + window
			s.answered = append(s.answered, key)
		}
	}
}

// keepAsk and said are the only ways into and out of what nobody has said yet.
func (s *State) keepAsk(a *Ask) {
	key := askKey{a.Cause, a.Kind}
	s.asks[key] = a
	if a.Until == 0 && s.unsaid[key] == nil {
		s.unsaid[key] = a
		if a.answers() {
			s.answers[a.To[0]]++
		}
	}
}

func (s *State) said(a *Ask) {
	key := askKey{a.Cause, a.Kind}
	if s.unsaid[key] == nil {
		return
	}
	delete(s.unsaid, key)
	if a.answers() {
		s.answers[a.To[0]]--
	}
}

// dropAsks forgets what is no longer asked for.
func (s *State) dropAsks(over func(*Ask) bool) {
	for key, a := range s.unsaid {
		if over(a) {
			s.said(a)
			delete(s.asks, key)
		}
	}
}

// dropAsksAbout forgets what is no longer asked for about a statement.
func (s *State) dropAsksAbout(kind hotline.Kind, re hotline.ID) {
	s.dropAsks(func(a *Ask) bool { return a.Kind == kind && a.Re == re })
}

// answers reports whether the ask follows at once from a statement of the peer,
// who alone decides how many there are.
func (a *Ask) answers() bool {
	return a.Kind == hotline.KindReject || a.Kind == hotline.KindLineReply
}

// mayAnswer refuses what would have the group say one more thing to a peer for
// which too much of it waits: a peer that gives no receipts. Nothing is recorded, so it is
// admission, which a replay takes as given (SPEC §6.8).
func (r *run) mayAnswer(h *hotline.Header, reject error) error {
	if r.replays || !h.Kind.Rules().Rejects || reject == nil && h.Kind != hotline.KindLineTest {
		return nil
	}
	if n := r.s.answers[h.From]; n >= hotline.MaxGroupAnswers {
		return hotline.Refuse(hotline.CodeBusy, "%d statements of the group wait for a place in the outbox of %s", n, h.From)
	}
	return nil
}

// Asks returns copies of what is to be composed at t, by cause: no more for each
// peer than its outbox has room for, the oldest first. The rest stays asked for until there
// is. A new leader takes them up.
func (s *State) Asks(t hotline.Time) []*Ask {
	list := make([]*Ask, 0, len(s.unsaid))
	for _, a := range s.unsaid {
		list = append(list, a)
	}
	slices.SortFunc(list, func(a, b *Ask) int {
		return cmp.Or(cmp.Compare(a.Cause, b.Cause), cmp.Compare(a.Kind, b.Kind))
	})
	room := map[roomKey]int{}
	var now []*Ask
	for _, a := range list {
		if c := s.due(a, t); c != nil && s.takeRoom(room, c) {
			now = append(now, c)
		}
	}
	return now
}

// Ask returns what an entry asks for with a statement of a kind at t; nil if that was
// said, is no longer owed, or finds no room at present.
func (s *State) Ask(cause uint64, kind hotline.Kind, t hotline.Time) *Ask {
	a := s.unsaid[askKey{cause, kind}]
	if a != nil {
		a = s.due(a, t)
	}
	if a == nil || !s.takeRoom(map[roomKey]int{}, a) {
		return nil
	}
	return a
}

// due returns a copy of an ask with those to whom it goes if it is tendered at t;
// nil if that is nobody of those whom it names, or if it would be refused: this party
// only observes, or one to whom it goes has left or does (SPEC §6.8).
func (s *State) due(a *Ask, t hotline.Time) *Ask {
	now := a.clone()
	now.To = s.addressees(a, t)
	gone := len(s.tellable(now.To, t)) < len(now.To)
	if s.Convention(t).Observes(s.self) || gone || len(a.To) > 0 && len(now.To) == 0 {
		return nil
	}
	return now
}

// roomKey is a peer, and up to how many statements may wait in its outbox, or how many
// answers of the group.
type roomKey struct {
	peer    hotline.Party
	limit   int
	answers bool
}

// takeRoom reports whether Apply would find room for an ask and those before it;
// room is what they left.
func (s *State) takeRoom(room map[roomKey]int, a *Ask) bool {
	if a.Kind == hotline.KindAutomaticAlert {
		return true
	}
	for _, p := range a.To {
		keys := []roomKey{{p, outboxLimit(a.Precedence), false}}
		if onlyAnswers(a.Kind) {
			keys = append(keys, roomKey{p, hotline.AnswerPlaces, true})
		}
		for _, key := range keys {
			if _, ok := room[key]; !ok {
				room[key] = s.roomOf(key)
			}
			if room[key] <= 0 {
				return false
			}
		}
		for _, key := range keys {
			room[key]--
		}
	}
	return true
}

func (s *State) roomOf(key roomKey) int {
	pair := s.pairs[key.peer]
	switch {
	case pair == nil:
		return key.limit
	case key.answers:
		return pair.answerRoom()
	}
	return pair.room(key.limit)
}

// addressees are those to whom what is asked goes if it is tendered at t. An
// automatic alert is asked for everybody who is still to be told, and goes to those of
// them to whom something can be told then: it is not kept from all by one who left, nor
// from one who came back (SPEC §4.8, §6.8).
func (s *State) addressees(a *Ask, t hotline.Time) []hotline.Party {
	if a.Kind == hotline.KindAutomaticAlert {
		return s.tellable(a.To, t)
	}
	return a.To
}

// tellable keeps of a list those to whom something can be told by the convention
// in force at t; nobody, if this party can tell nothing (SPEC §6.3 rule 12).
func (s *State) tellable(list []hotline.Party, t hotline.Time) []hotline.Party {
	if !s.speaks(s.self, t) {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(list), func(p hotline.Party) bool { return !s.speaks(p, t) })
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
	a := &Ask{Kind: hotline.KindAutomaticAlert, Cause: index, Case: d.Case, Re: d.Subject, To: slices.Clone(k.Untold),
		Status: d.Status, Precedence: d.Precedence, Due: d.Deadline, Source: k.AssessedAt}
	if len(s.addressees(a, r.t)) == 0 {
		s.keepAsk(a) // for who may come back as long as the duty is open
		return
	}
	r.ask(a)
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
	key := askKey{a.Cause, a.Kind}
	s.said(a)
	if a.Until != 0 { // overtaken
		s.answered = slices.DeleteFunc(s.answered, func(k askKey) bool { return k == key })
	}
	a.Answered, a.Until = index+1, r.t+window
	s.answered = append(s.answered, key)
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
	if a := s.asks[key]; a != nil && a.Until >= r.t {
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
		index, ok = pair.Seen.find(*h.Re, r.t)
	}
	if !ok || index != h.Cause-1 {
		return nil, hotline.Refuse(hotline.CodeReference, "entry %d is no accepted statement of %s", h.Cause-1, h.To[0])
	}
	return func(at uint64) {
		s.answered = slices.DeleteFunc(s.answered, func(k askKey) bool { return k == key }) // of an earlier time
		s.keepAsk(&Ask{Kind: h.Kind, Cause: h.Cause - 1, To: h.To, Answered: at + 1, Until: r.t + window})
		s.answered = append(s.answered, key)
	}, nil
}
