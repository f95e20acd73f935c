package ledger

import "example.org/hotline/hotline"

// FillCases opens cases of a party until n are open: signing so many would take minutes.
func (s *State) FillCases(opener hotline.Party, n int) {
	for i := 0; len(s.cases) < n; i++ {
		id := hotline.CaseID{Party: opener, ID: hotline.ID{1, byte(i), byte(i >> 8), byte(i >> 16)}}
		s.keepCase(&Case{ID: id, Status: hotline.Actual, Precedence: hotline.Routine, Stage: Concerned, Duties: []*Duty{}})
	}
}

// FillUnanswered opens duties to acknowledge something of a peer until there are n.
func (s *State) FillUnanswered(p hotline.Party, n int) {
	s.pair(p)
	for i := 0; s.unanswered[p] < n; i++ {
		s.open(&Duty{Class: hotline.DutyAcknowledge, Subject: hotline.ID{4, byte(i), byte(i >> 8)}, Peer: p, Status: hotline.Actual, Precedence: hotline.Routine,
			Opened: s.time, Deadline: s.time + 1}, nil)
	}
}

// FillKnown notes statements of a peer in a case until it holds as many of it as it may.
func (s *State) FillKnown(id hotline.CaseID, from hotline.Party) {
	k := s.cases[id.Key()]
	for i := 0; k.saidBy(from) < hotline.MaxInCase; i++ {
		k.Known = append(k.Known, Known{ID: hotline.ID{2, byte(i), byte(i >> 8)}, Kind: hotline.KindText, From: from, Time: s.time})
	}
}

// FillOutbox tenders statements to p until n of them wait.
func (s *State) FillOutbox(p hotline.Party, n int) { s.FillOutboxWith(p, hotline.KindService, n) }

// FillOutboxWith is FillOutbox with statements of a kind.
func (s *State) FillOutboxWith(p hotline.Party, kind hotline.Kind, n int) {
	pair := s.pair(p)
	for i := 0; len(pair.Sent) < n; i++ {
		id := hotline.ID{3, byte(i), byte(i >> 8)}
		pair.Sent[id] = &Sent{ID: id, Kind: kind, Status: hotline.Actual, Precedence: hotline.Routine, Sequence: uint64(i) + 1}
	}
}

// Keys returns how many keys are remembered as in use.
func (s *State) Keys() int { return len(s.keyof) }

// Pages returns how many pages are remembered, under way or to be repeated.
func (s *State) Pages() int { return len(s.pagings) }

// Answered returns how many answered asks are remembered, and how many wait to be
// forgotten.
func (s *State) Answered() (remembered, waiting int) {
	for _, a := range s.asks {
		if a.Answered != 0 {
			remembered++
		}
	}
	return remembered, len(s.answered)
}

// FreeOutbox takes statements that FillOutbox tendered to p out of its outbox, as receipts would.
func (s *State) FreeOutbox(p hotline.Party, n int) {
	pair := s.pair(p)
	for id := range pair.Sent {
		if id[0] == 3 && n > 0 && pair.Sent[id].Index == 0 {
			delete(pair.Sent, id)
			n--
		}
	}
}

// FillAnswers asks for rejects to p until so many wait to be said.
func (s *State) FillAnswers(p hotline.Party, n int) {
	for i := range n {
		a := &Ask{Kind: hotline.KindReject, Cause: 1<<20 + uint64(i), Re: hotline.ID{5, byte(i), byte(i >> 8)}, To: []hotline.Party{p},
			Status: hotline.Actual, Precedence: hotline.Routine, Reason: hotline.CodeBusy, Sequence: 1}
		s.keepAsk(a)
	}
}
