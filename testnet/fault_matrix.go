package testnet

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/desk"
)

// A case is walked from detection to replay (DESIGN §4). At one of its steps a fault befalls one node of the party whose step it is: it
// begins just before the step is done, or, where the step follows from the one before by itself, on the event that tells of that one. It
// ends by itself after a while, and the case goes on meanwhile.

// step is one of the way of a notification.
type step struct {
	name  string
	party func(*field) *Party
	// before waits for what the step follows from; nil: nothing.
	before func(*walk, context.Context) error
	do     func(*walk, context.Context) error // nil: it happens by itself
}

func ofXA(x *field) *Party { return x.xa }
func ofXB(x *field) *Party { return x.xb }

var steps = []step{
	{"detect", ofXA, nil, (*walk).detect},
	{"assess", ofXA, nil, (*walk).assess},
	{"draft", ofXA, nil, (*walk).draft},
	{"submit", ofXA, nil, (*walk).submit},
	{"deliver", ofXA, (*walk).accepted, nil},
	{"receive", ofXB, (*walk).accepted, nil},
	{"receipt", ofXA, (*walk).received, nil},
	{"alarm", ofXB, (*walk).received, nil},
	{"acknowledge", ofXB, nil, (*walk).acknowledge},
	{"escalate", ofXB, (*walk).deputy, (*walk).escalate},
	{"replay", ofXB, nil, (*walk).replay},
}

// blow is what befalls a node.
type blow struct {
	name       string
	begin, end func(context.Context, *field, *Node) error
}

var blows = []blow{
	{"kill", func(_ context.Context, _ *field, n *Node) error { return n.Kill() },
		func(ctx context.Context, _ *field, n *Node) error { return n.Start(ctx) }},
	{"restart", func(ctx context.Context, _ *field, n *Node) error { return errors.Join(n.Stop(), n.Start(ctx)) },
		func(context.Context, *field, *Node) error { return nil }},
	{"freeze", func(_ context.Context, _ *field, n *Node) error { return n.Freeze() },
		func(_ context.Context, _ *field, n *Node) error { return n.Thaw() }},
	{"mute", func(_ context.Context, x *field, n *Node) error { x.isolate(n, true); return nil },
		func(_ context.Context, x *field, _ *Node) error { x.w.Mend(); return nil }},
	{"deafen", func(_ context.Context, x *field, n *Node) error { x.isolate(n, false); return nil },
		func(_ context.Context, x *field, _ *Node) error { x.w.Mend(); return nil }},
}

// isolate cuts what a node says to all others, or what all others say to it.
func (x *field) isolate(n *Node, says bool) {
	for _, p := range x.w.Parties {
		for _, other := range p.Nodes {
			switch {
			case other == n:
			case says:
				x.w.Cut(n, other)
			default:
				x.w.Cut(other, n)
			}
		}
	}
}

// fullMatrix is every step with every blow, to the leader and to another node.
var fullMatrix = len(steps) * len(blows) * 2

// tryMatrix walks one case in each round, each with another field of the matrix, in an order that chance chooses.
func tryMatrix(ctx context.Context, x *field, round int) error {
	if round%fullMatrix == 0 {
		x.order = x.chance.Perm(fullMatrix)
	}
	at := x.order[round%fullMatrix]
	s, b, leads := at%len(steps), &blows[at/len(steps)%len(blows)], at/len(steps)/len(blows) == 0
	leader, err := steps[s].party(x).Leader(ctx, nil)
	if err != nil {
		return err
	}
	victim := leader
	if !leads {
		victim = leader.party.beside(leader)
	}
	what := fmt.Sprintf("%s %s (leads: %t) at %s", b.name, victim.Name, leads, steps[s].name)
	begin := time.Now()
	if err := (&walk{field: x, at: s, blow: b, victim: victim, silent: steps[s].name == "escalate"}).goOn(ctx); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	x.Tell("%s: the case took %v, well %v after the fault", what, time.Since(begin).Round(time.Millisecond), x.took[len(x.took)-1].Round(time.Millisecond))
	return nil
}

// walk is one case.
type walk struct {
	*field
	at     int // step at which the blow falls
	blow   *blow
	victim *Node
	silent bool // nobody answers the alert

	heard                  *Watch // at a node of XB that the blow does not befall
	heardA                 *Watch // the same of XA
	id                     hotline.CaseID
	detected               hotline.Time
	assessment, alert, ack *hotline.Statement
}

// Bounds of how long a blow lasts. The longest is beyond an election and below what closes a connection.
const (
	blowMin = 500 * time.Millisecond
	blowMax = 4 * time.Second
)

func (m *walk) goOn(ctx context.Context) (err error) {
	var end, endA func()
	if m.heard, end, err = m.hear(ctx, m.xb.beside(m.victim)); err != nil {
		return err
	}
	defer end()
	if m.heardA, endA, err = m.hear(ctx, m.xa.beside(m.victim)); err != nil {
		return err
	}
	defer endA()
	var over chan error
	for i := range steps {
		s := &steps[i]
		if i == m.at {
			if over, err = m.strike(ctx, s); err != nil {
				return err
			}
		}
		if s.do == nil || s.name == "escalate" && i != m.at || s.name == "replay" && i != m.at {
			continue
		}
		if err := s.do(m, ctx); err != nil {
			if over != nil {
				err = errors.Join(err, <-over)
			}
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	if err := <-over; err != nil {
		return err
	}
	return m.well(ctx)
}

// strike lets the blow fall, and has it end after a while.
func (m *walk) strike(ctx context.Context, s *step) (over chan error, err error) {
	if s.before != nil {
		if err := s.before(m, ctx); err != nil {
			return nil, err
		}
	}
	if err := m.blow.begin(ctx, m.field, m.victim); err != nil {
		return nil, err
	}
	lasts := blowMin + time.Duration(m.chance.Int64N(int64(blowMax-blowMin)))
	over = make(chan error, 1)
	go func() { // the walk waits for it
		wait(ctx, lasts)
		over <- m.blow.end(ctx, m.field, m.victim)
	}()
	return over, nil
}

func (m *walk) detect(ctx context.Context) error {
	m.detected = now()
	st, err := m.xa.Officer("O1").Sign(Letter{Kind: hotline.KindDetection, Precedence: hotline.Flash, Detected: m.detected,
		Body: &hotline.Detection{Text: "Told by telephone."}})
	if err != nil {
		return err
	}
	m.id = hotline.CaseID{Party: m.xa.Code, ID: st.ID}
	_, err = m.xa.Officer("O1").insist(ctx, st)
	return err
}

func (m *walk) assess(ctx context.Context) (err error) {
	if m.assessment, err = m.field.assess(&m.id, hotline.Flash); err == nil {
		_, err = m.xa.Officer("O1").insist(ctx, m.assessment)
	}
	return err
}

// draft leaves the alert with the group, as its first author signed it.
func (m *walk) draft(ctx context.Context) error {
	o := m.xa.Officer("O1")
	st, err := m.write(&m.id, m.assessment, m.detected)
	if err != nil {
		return err
	}
	m.alert = st
	return until(ctx, "the draft is with the group", func() error {
		_, err := o.Ask(ctx, &desk.Request{Draft: &desk.DraftRequest{Statement: st.Raw}})
		if hotline.CodeOf(err) == hotline.CodeDuplicate {
			err = nil // it was taken the first time
		}
		return err
	})
}

func (m *walk) submit(ctx context.Context) (err error) {
	if m.alert, err = m.countersign(m.alert); err == nil {
		_, err = m.xa.Officer("O1").insist(ctx, m.alert)
	}
	return err
}

func (m *walk) accepted(ctx context.Context) error {
	_, err := m.heardA.Wait(ctx, "XA has the alert", heard(desk.EventAccepted, m.alert.ID))
	return err
}

func (m *walk) received(ctx context.Context) error {
	_, err := m.heard.Wait(ctx, "XB has the alert", heard(desk.EventReceived, m.alert.ID))
	return err
}

// acknowledge signs for the alert, unless it is the case that nobody answers.
func (m *walk) acknowledge(ctx context.Context) (err error) {
	if m.silent {
		return nil
	}
	l := m.xb.Officer("L1")
	err = until(ctx, "XB-L1 sees the alert", func() error {
		_, _, err := l.Show(ctx, m.alert.ID)
		return err
	})
	if err != nil {
		return err
	}
	m.ack, err = l.Sign(Letter{Kind: hotline.KindAcknowledgement, Precedence: m.alert.Header.Precedence, To: []hotline.Party{m.xa.Code},
		Case: m.alert.Header.Case, Re: &m.alert.ID, Body: &hotline.Note{}})
	if err == nil {
		_, err = l.insist(ctx, m.ack)
	}
	return err
}

// deputy waits until the ladder is under way: the deadline is near.
func (m *walk) deputy(ctx context.Context) error {
	_, err := m.heard.Wait(ctx, "XB's deputy is woken", func(e *desk.Event) bool {
		return e.Type == desk.EventPage && e.ID == m.alert.ID && e.Office == "deputy"
	})
	return err
}

// escalate waits until XB's own log says that nobody answered.
func (m *walk) escalate(ctx context.Context) error {
	return until(ctx, "XB's log says overdue", func() error {
		s, err := m.xb.Officer("U1").Status(ctx)
		if err != nil {
			return err
		}
		for _, d := range s.Duties {
			if d.Subject == m.alert.ID && d.Overdue {
				return nil
			}
		}
		return fmt.Errorf("the duty to acknowledge %s is not overdue", m.alert.ID.Short())
	})
}

// replay exports XB's log under the fault and has it audited.
func (m *walk) replay(ctx context.Context) error {
	dir := filepath.Join(m.w.Dir, "replay")
	defer os.RemoveAll(dir)
	err := until(ctx, "XB's log is exported", func() error {
		_, err := m.xb.Export(ctx, dir)
		return err
	})
	if err != nil {
		return err
	}
	return m.w.audit(ctx, []string{dir})
}
