package ledger

import (
	"slices"

	"example.org/hotline/hotline"
)

// LifeStage is how far a case is towards one party that was told (SPEC §6.9).
type LifeStage uint8

// The stages of a case towards one addressee; 0: it was told nothing.
const (
	LifeTendered     LifeStage = 1
	LifeReceived     LifeStage = 2
	LifeAcknowledged LifeStage = 3
	LifeSupplemented LifeStage = 4
	LifeFinal        LifeStage = 5
	LifeClosed       LifeStage = 6
)

func (l LifeStage) String() string {
	names := [...]string{"NOT-TOLD", "TENDERED", "RECEIVED", "ACKNOWLEDGED", "SUPPLEMENTED", "FINAL", "CLOSED"}
	if int(l) < len(names) {
		return names[l]
	}
	return "LIFE"
}

// Life is how far a case is between one party that tells and one that is told,
// with what stands beside the stage.
type Life struct {
	Stage       LifeStage
	Undelivered bool // a statement to it was not receipted in time, and still is not
	Rejected    bool // the alert was rejected
	Inquiry     bool // a request between the two waits for its last answer
	Disputed    bool
	Retracted   bool // every alert was retracted
	Suspended   bool // by either, in this case or on the whole line
}

// Marks lists in words what stands beside the stage, in the order of SPEC §6.9.
func (l *Life) Marks() []string {
	var list []string
	for _, m := range []struct {
		set  bool
		name string
	}{{l.Undelivered, "UNDELIVERED"}, {l.Rejected, "REJECTED"}, {l.Inquiry, "INQUIRY-OPEN"}, {l.Disputed, "DISPUTED"},
		{l.Retracted, "RETRACTED"}, {l.Suspended, "SUSPENDED"}} {
		if m.set {
			list = append(list, m.name)
		}
	}
	return list
}

// Life returns how far the case is between teller and told, one of whom is this
// party. It follows from the statements of the case alone.
func (s *State) Life(k *Case, teller, told hotline.Party) Life {
	l := Life{Inquiry: k.unanswered(teller, told) || k.unanswered(told, teller),
		Disputed: k.said(told, teller, hotline.KindDispute) || k.said(teller, told, hotline.KindDispute)}
	l.Suspended = k.suspended(teller, told) || k.suspended(told, teller)
	peer := told
	if peer == s.self {
		peer = teller
	}
	if p := s.pairs[peer]; p != nil {
		l.Suspended = l.Suspended || p.SuspendedHere || p.SuspendedThere
	}
	for _, t := range k.Told {
		if x := k.known(t.Statement); t.Party == told && x != nil {
			l.Undelivered = l.Undelivered || t.Stage == ToldUndelivered
			l.Rejected = l.Rejected || t.Stage == ToldRejected && isAlert(x.Kind)
		}
	}
	alert := k.alert(teller, told)
	l.Retracted = alert == nil && slices.ContainsFunc(k.Known, func(x Known) bool {
		return isAlert(x.Kind) && x.From == teller && slices.Contains(x.To, told)
	})
	if alert != nil {
		l.Stage = s.lifeStage(k, alert, told, l.Inquiry)
	}
	return l
}

// lifeStage is how far a case is that was told by an alert: closed once a person
// of the told party has acknowledged the final report and nothing is asked.
func (s *State) lifeStage(k *Case, alert *Known, told hotline.Party, inquiry bool) LifeStage {
	teller := alert.From
	if final := k.newest(teller, told, hotline.KindFinal); final != nil {
		after := func(kind hotline.Kind) bool {
			x := k.newest(teller, told, kind)
			return x != nil && x.Index > final.Index
		}
		switch {
		case after(hotline.KindSupplement):
			return LifeSupplemented // a later supplement opens it again
		case !inquiry && k.acknowledgedBy(told, final.ID):
			return LifeClosed
		}
		return LifeFinal
	}
	switch {
	case k.said(teller, told, hotline.KindSupplement):
		return LifeSupplemented
	case k.acknowledgedBy(told, alert.ID):
		return LifeAcknowledged
	case told == s.self || slices.ContainsFunc(k.Told, func(t Told) bool {
		return t.Party == told && t.Statement == alert.ID && (t.Stage == ToldReceived || t.Stage == ToldAcknowledged)
	}):
		return LifeReceived
	}
	return LifeTendered
}

// acknowledgedBy reports whether a person of a party has acknowledged a
// statement of the case.
func (c *Case) acknowledgedBy(p hotline.Party, id hotline.ID) bool {
	return slices.ContainsFunc(c.Known, func(x Known) bool { return x.Kind == hotline.KindAcknowledgement && x.From == p && x.Re == id })
}

// unanswered reports whether a request of one party to another waits for its
// last answer.
func (c *Case) unanswered(asker, asked hotline.Party) bool {
	back := c.takenBack(asker)
	return slices.ContainsFunc(c.Known, func(x Known) bool {
		return answering[x.Kind] != nil && x.From == asker && x.goesTo(asked) && !back[x.ID] && !c.concluded(asked, asker, &x)
	})
}

func (c *Case) suspended(by, towards hotline.Party) bool {
	x := c.lastSuspension(by, towards)
	return x != nil && x.Disposition == hotline.Suspended
}
