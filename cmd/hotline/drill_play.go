package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/desk"
	"example.org/hotline/ops/drill"
)

// lookAgain is how often a run looks into the ledger although nothing was heard: events may be missed.
const lookAgain = 5 * time.Second

// player plays the own steps of one exercise.
type player struct {
	observer
	notice *notice
	yes    bool            // do not ask
	told   map[string]bool // steps of which was told that they are somebody else's
	played map[string]bool // steps that were entered; the record may show them somewhat later

	leave func(context.Context) error // whether consent and window still hold (SPEC §6.13 rule 3)
}

func newPlayer(s *seat, x *drill.Script, n *notice, yes bool) *player {
	return &player{observer: observer{seat: s, script: x, since: n.index}, notice: n, yes: yes, told: map[string]bool{}, played: map[string]bool{},
		leave: func(ctx context.Context) error {
			_, err := s.consented(ctx, x)
			return err
		}}
}

// play runs until everything expected is decided and nothing is left to do, or the window is over. Then it evaluates.
func (s *seat) play(ctx context.Context, x *drill.Script, n *notice, yes bool) error {
	p := newPlayer(s, x, n, yes)
	heard, stop := s.hear(ctx)
	defer stop()
	for {
		if err := p.look(ctx); err != nil {
			return err
		}
		wait, over, err := p.next(ctx)
		if err != nil {
			return err
		}
		if over {
			if p.in == nil {
				return refused(codeConsent, "announce another", "the window is over, and the exercise never began here")
			}
			return s.tell(p.evaluate())
		}
		timer := time.NewTimer(min(wait, lookAgain))
		select {
		case <-heard:
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
		timer.Stop()
	}
}

// hear tells of every event of the group's watch. stop ends it and waits.
func (s *seat) hear(ctx context.Context) (heard <-chan struct{}, stop func()) {
	ring := make(chan struct{}, 1)
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		for ctx.Err() == nil {
			// What ends the watch does not end the run: it looks again by itself.
			_ = s.client.Stream(ctx, &desk.Request{Watch: &desk.WatchRequest{}}, func(*desk.Reply) error {
				select {
				case ring <- struct{}{}:
				default:
				}
				return nil
			})
			timer := time.NewTimer(rejoin)
			select {
			case <-timer.C:
			case <-ctx.Done():
			}
			timer.Stop()
		}
	})
	return ring, func() {
		cancel()
		wg.Wait()
	}
}

// next plays the first own step whose time has come. It returns how long nothing is to be done, and whether all is over.
func (p *player) next(ctx context.Context) (wait time.Duration, over bool, err error) {
	now, wait := p.time(), lookAgain
	if now >= p.notice.until {
		return 0, true, nil
	}
	left, patience := false, hotline.Time(0) // what waits for another party's statement may wait in vain
	for i := range p.script.Steps {
		x := &p.script.Steps[i]
		if x.Party != p.party() || p.record.Find(p.script, x) != nil || !p.mine(x) {
			continue
		}
		if p.played[x.ID] {
			left = true
			continue
		}
		due, ready := p.due(x, now)
		if !ready {
			patience = max(patience, p.record.T0+hotline.Time(x.At+p.script.Grace))
			continue
		}
		left = true
		if due <= now {
			return 0, false, p.do(ctx, x)
		}
		wait = min(wait, time.Duration(due-now)*time.Millisecond)
	}
	if left || p.in == nil {
		return wait, false, nil
	}
	v := p.evaluate()
	if v.AllMet && patience == 0 {
		return wait, true, nil
	}
	return wait, v.Open == 0 && p.record.Now >= max(p.script.End(v), patience), nil
}

// mine reports whether the officer may sign a step; of one that is another's it tells once.
func (p *player) mine(x *drill.Step) bool {
	kind := x.Do.Kind()
	if kind != 0 && p.self.Has(kind.Rules().Authors[0]...) {
		return true
	}
	if p.told[x.ID] || x.Do == drill.Silence && p.in == nil {
		return false
	}
	p.told[x.ID] = true
	if x.Do == drill.Silence {
		p.say("%s: nobody of %s is to acknowledge %s; your ladder is to climb", x.ID, x.Party, x.Of)
		return false
	}
	var roles []string
	for _, r := range kind.Rules().Authors[0] {
		roles = append(roles, string(r))
	}
	p.say("%s: %s is for another officer of %s: %s", x.ID, x.Do, x.Party, strings.Join(roles, " or "))
	return false
}

// say tells whoever plays; the standard output is for the evaluation.
func (p *player) say(format string, args ...any) {
	sh := p.sheet(p.err)
	fmt.Fprintf(p.err, "%s %s  %s  %s\n", sh.sign(hotline.Exercise), sh.Status(hotline.Exercise), clock(p.time()), printable(fmt.Sprintf(format, args...)))
}

// due is when a step is to be played; not before the exercise has begun here, and what it refers to has arrived.
func (p *player) due(x *drill.Step, now hotline.Time) (at hotline.Time, ready bool) {
	if x.Do == drill.Detect {
		return now, true
	}
	if p.record.T0 == 0 || p.record.Find(p.script, p.script.Step(x.Of)) == nil {
		return 0, false
	}
	return p.record.T0 + hotline.Time(x.At), true
}

// do signs and submits the statement of a step.
func (p *player) do(ctx context.Context, x *drill.Step) error {
	if x.Do == drill.Detect && p.time()+hotline.Time(p.script.Last()) >= p.notice.until {
		return refused(codeConsent, "announce another window", "the window ends at %s, before the last step", clock(p.notice.until))
	}
	if !p.yes {
		if err := p.ask(fmt.Sprintf("%s: sign this %s of the EXERCISE %s as %s? [y/N] ", x.ID, x.Do, p.script.Name, p.self.Name)); err != nil {
			return err
		}
	}
	// Asked last of all: the answer to the question above may have taken its time, and the others may have objected meanwhile.
	if err := p.leave(ctx); err != nil {
		return err
	}
	raw, err := p.compose(ctx, p.letter(x))
	if err != nil {
		return err
	}
	v, err := p.submit(ctx, raw, "")
	if err != nil {
		return err
	}
	p.played[x.ID] = true
	p.say("%s: %s %s is entry %d of the log", x.ID, x.Do, v.ID.Short(), v.Index)
	return nil
}

// letter is what a step says, with its mark.
func (p *player) letter(x *drill.Step) *letter {
	s := p.script
	words := s.Mark(x.Text, x.ID)
	l := &letter{kind: x.Do.Kind(), status: hotline.Exercise, precedence: x.Precedence, to: s.To(x), in: p.in}
	if of := s.Step(x.Of); of != nil {
		st := p.record.Find(s, of)
		l.re = &st.ID
		if x.Do == drill.Acknowledge {
			l.precedence = st.Precedence
		}
	}
	switch x.Do {
	case drill.Detect:
		l.detected, l.body = p.time(), &hotline.Detection{Text: words}
	case drill.Assess:
		l.assessed, l.verdict, l.notify = p.time(), hotline.Notifiable, s.With
		l.answers = slices.Repeat([]bool{true}, len(p.convention(p.time()).Questions))
		l.body = &hotline.Assessment{Facts: s.Facts, Note: words}
	case drill.Alert:
		l.detected, l.assessed = p.record.T0, p.record.Assessed
		l.body = &hotline.Alert{Facts: s.Facts, Language: s.Language, Text: words}
	case drill.Supplement:
		l.body = &hotline.Supplement{Facts: s.Facts, Language: s.Language, Text: words}
	case drill.Progress:
		l.body = &hotline.Progress{State: s.Facts.State, Language: s.Language, Text: words}
	case drill.Final:
		l.body = &hotline.Final{Facts: s.Facts, Language: s.Language, Text: words}
	case drill.Inquiry:
		l.body = &hotline.Inquiry{Questions: []string{words}, Language: s.Language}
	case drill.Reply:
		l.disposition, l.body = hotline.Conclusive, &hotline.Words{Language: s.Language, Text: words}
	case drill.Text, drill.Acknowledge:
		l.body = &hotline.Note{Language: s.Language, Text: words}
	}
	return l
}
