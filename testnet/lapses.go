package testnet

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/audit"
	"example.org/hotline/hotline/desk"
)

// climb waits for the rungs of a duty one after the other.
func (s *story) climb(ctx context.Context, heard *Watch, subject hotline.ID, duty hotline.Duty, offices ...string) (last *desk.Event, text string, err error) {
	var steps []string
	for _, office := range offices {
		last, err = heard.Wait(ctx, "the ladder reaches "+office, func(e *desk.Event) bool {
			return e.Type == desk.EventPage && e.ID == subject && e.Duty == duty && e.Office == office
		})
		if err != nil {
			return nil, "", err
		}
		steps = append(steps, fmt.Sprintf("%s at %s", office, clock(last.Due)))
	}
	return last, strings.Join(steps, ", "), nil
}

// unanswered: an alert that nobody at XB acknowledges.
func (s *story) unanswered(ctx context.Context) error {
	m, _, err := s.detect(ctx, hotline.Flash, nil, "A network operator reports by telephone that hosts in our territory flood a service of XB.")
	if err != nil {
		return err
	}
	if _, err := s.assess(ctx, m); err != nil {
		return err
	}
	const text = "Hosts in our territory flood a service of yours. We shut them off."
	alert, v, err := s.alert(ctx, m, text)
	if err != nil {
		return err
	}
	s.unread = alert
	s.step(s.xa, "a second case, entered by the operator: detected, assessed, and a FLASH alert released", fmt.Sprintf("entry %d of XA: alert %s, number %d towards XB, tendered",
		v.Index, alert.ID.Short(), v.Sequences[0].N), "what people report goes the same way as what sensors see")
	if err := s.arrive(ctx, alert, v.Time, text); err != nil {
		return err
	}
	last, rungs, err := s.climb(ctx, s.heardB, alert.ID, hotline.DutyAcknowledge, "desk", "deputy", "second-site", "director")
	if err != nil {
		return err
	}
	if !last.Overdue {
		return fmt.Errorf("XB's director was woken before the deadline")
	}
	s.step(s.xb, "nobody at XB answers, and XB's ladder climbs: "+rungs, fmt.Sprintf("entry %d of XB: OVERDUE", last.Index),
		"XB's own nodes record XB's lapse, once and not before its time; nobody can switch that off quietly")
	e, err := s.heardA.Wait(ctx, "XB's escalation reaches XA", func(e *desk.Event) bool {
		return e.Type == desk.EventReceived && e.Kind == hotline.KindEscalation && e.Case != nil && *e.Case == m.id
	})
	if err != nil {
		return err
	}
	s.step(s.xa, "XB's group tells XA that nobody answered", fmt.Sprintf("entry %d of XA: escalation, signed by XB's group", e.Index),
		"both sides know; XA still proves that XB had the alert in time")
	return nil
}

// unreleased: a case that must be told and that nobody at XA releases.
func (s *story) unreleased(ctx context.Context) error {
	m, _, err := s.detect(ctx, hotline.Immediate, nil, "An operator of ours finds that a supplier's update server was used against clients in XB.")
	if err != nil {
		return err
	}
	v, err := s.assess(ctx, m)
	if err != nil {
		return err
	}
	s.step(s.xa, "a third case is assessed NOTIFIABLE, and nobody releases an alert", fmt.Sprintf("entry %d of XA: assessment %s", v.Index, v.ID.Short()),
		"XA owes an alert, by its own officer's signature")
	last, rungs, err := s.climb(ctx, s.heardA, m.assessment.ID, hotline.DutyAlert, "reminder", "deputy", "director")
	if err != nil {
		return err
	}
	s.step(s.xa, "XA's own ladder climbs: "+rungs, fmt.Sprintf("entry %d of XA: OVERDUE", last.Index), "a party's own nodes record its own lapse")
	e, err := s.heardA.Wait(ctx, "the automatic alert goes out", func(e *desk.Event) bool {
		return e.Type == desk.EventAccepted && e.Kind == hotline.KindAutomaticAlert && e.Case != nil && *e.Case == m.id
	})
	if err != nil {
		return err
	}
	_, alert, err := s.xa.Officer("U1").Show(ctx, e.ID)
	if err != nil {
		return err
	}
	s.step(s.xa, "the deadline has passed: XA's group sends the automatic alert", fmt.Sprintf("entry %d of XA: automatic-alert %s, %s after the deadline", e.Index, e.ID.Short(), after(last.Due, e.Time)),
		"it carries the officer's signed assessment and nothing else: what was promised is enforced, and visibly no officer's word")
	if err := s.arrive(ctx, alert, e.Time, ""); err != nil {
		return err
	}
	return s.acknowledged(ctx, alert)
}

// lineTest: the quiet line proves that it is alive.
func (s *story) lineTest(ctx context.Context) error {
	sent, err := s.heardA.Wait(ctx, "XA's group tests the line to XB", func(e *desk.Event) bool {
		return e.Type == desk.EventSettled && e.Kind == hotline.KindLineTest && e.Peer == s.xb.Code
	})
	if err != nil {
		return err
	}
	var reply *desk.ShowView
	_, err = s.heardA.Wait(ctx, "XB's group answers the line test", func(e *desk.Event) bool {
		if e.Type != desk.EventReceived || e.Kind != hotline.KindLineReply || e.From != s.xb.Code {
			return false
		}
		view, st, err := s.xa.Officer("U1").Show(ctx, e.ID)
		if err != nil || st.Header.Re == nil || *st.Header.Re != sent.ID {
			return false
		}
		reply = view
		return true
	})
	if err != nil {
		return err
	}
	v, err := s.xa.Officer("U1").Status(ctx)
	if err != nil {
		return err
	}
	var tested []string
	for _, p := range v.Peers {
		if p.Missed == 0 && p.Tested != 0 {
			tested = append(tested, string(p.Party))
		}
	}
	s.step(s.xa, fmt.Sprintf("line test %s to XB is answered, as one is every %d s, in turn from either side", sent.ID.Short(), s.w.Documents.Convention().Terms.LineTest/1000),
		fmt.Sprintf("entry %d of XA: line-reply; tested and not missed: %s", reply.Item.Index, strings.Join(tested, ", ")),
		"silence on this line means that nothing happened: signing, commit, delivery and receipt work in both directions")
	return nil
}

// late: what was not done in time is done late, and stays late.
func (s *story) late(ctx context.Context) error {
	ack, v, err := s.xb.Officer("L2").Acknowledge(ctx, s.unread)
	if err != nil {
		return err
	}
	for _, heard := range []*Watch{s.heardA, s.heardB} {
		_, err := heard.Wait(ctx, "the late acknowledgement is in both logs", func(e *desk.Event) bool {
			return e.ID == ack.ID && (heard == s.heardA && e.Type == desk.EventReceived || heard == s.heardB && e.Type == desk.EventSettled)
		})
		if err != nil {
			return err
		}
	}
	s.step(s.xb, "XB-L2 acknowledges the second alert after all", fmt.Sprintf("entry %d of XB: acknowledgement; every page for it stops", v.Index),
		"doing it late ends the alarm and does not erase the lapse")
	return nil
}

// lapse is one observation that the story leads to.
type lapse struct {
	class audit.Class
	code  audit.Code
	party hotline.Party
}

// audited: all logs are exported and judged.
func (s *story) audited(ctx context.Context) error {
	if err := s.w.examine(ctx, s.report); err != nil {
		return err
	}
	var sizes, got []string
	for _, p := range s.report.Parties {
		sizes = append(sizes, fmt.Sprintf("%s %d entries", p.Party, p.Size))
	}
	want := []lapse{{audit.Terms, audit.AlertOverdue, s.xa.Code}, {audit.Terms, audit.AcknowledgeOverdue, s.xb.Code}}
	var found []lapse
	for _, o := range s.report.Observations {
		found = append(found, lapse{o.Class, o.Code, o.Party})
		got = append(got, fmt.Sprintf("%s %s in entry %d of %s: %s", o.Class, o.Code, o.Entry, o.Party, o.Text))
	}
	if !slices.Equal(found, want) {
		return fmt.Errorf("the auditor should observe exactly the two lapses of the story, and observes: %s", strings.Join(got, "; "))
	}
	s.step(nil, fmt.Sprintf("all logs are exported and audited: %s", strings.Join(sizes, ", ")), strings.Join(got, "; "),
		"every signature verifies, every decision comes out the same when made again, the logs agree: exactly the lapses of the story, no broken rule")
	return nil
}
