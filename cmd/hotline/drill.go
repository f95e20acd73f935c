package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/desk"
)

// lookAgain is how often a drill asks where its alert is although nothing was heard: events may be missed.
const lookAgain = 5 * time.Second

// drilling is what an operator says about a drill.
type drilling struct {
	to, text, precedence string
	timeout              time.Duration
}

// step is one step of a drill, as the evaluation shows it.
type step struct {
	Name    string       `json:"name"`
	At      hotline.Time `json:"at"`
	Took    int64        `json:"took_ms"`
	Allowed int64        `json:"allowed_ms,omitempty"`
	Late    bool         `json:"late"`
	ID      hotline.ID   `json:"id,omitzero"`
}

// newDrillCmd runs an exercise through the whole path.
func newDrillCmd(a *app) *cobra.Command {
	var d drilling
	cmd := &cobra.Command{
		Use:   "drill --to PARTY",
		Short: "Run an EXERCISE from detection to the other side's acknowledgement, and evaluate it",
		Long: "Signs a detection, an assessment and an alert of status EXERCISE, which one operator may do alone, waits until the other side has\n" +
			"received the alert and a person there has acknowledged it, and prints how long each step took and was allowed to take. Nothing\n" +
			"signed as EXERCISE can pass as real. Tell the other side before: a person there is woken.",
		Args: cobra.NoArgs,
	}
	f := cmd.Flags()
	f.StringVar(&d.to, "to", "", "the other party")
	f.StringVar(&d.text, "text", "EXERCISE EXERCISE EXERCISE. This is a drill of the line. Please acknowledge.", "text of the alert")
	f.StringVar(&d.precedence, "precedence", "FLASH", "FLASH, IMMEDIATE, PRIORITY or ROUTINE")
	f.DurationVar(&d.timeout, "timeout", 0, "how long to wait for receipt and acknowledgement; default: what the terms allow, and a minute")
	cmd.RunE = a.atDesk(func(ctx context.Context, s *seat, _ []string) error {
		steps, err := s.drill(ctx, &d)
		if len(steps) == 0 {
			return err
		}
		late := false
		for i := range steps {
			late = late || steps[i].Late
		}
		shown := s.show(map[string]any{"steps": plain(steps), "complete": err == nil, "late": late}, func(w io.Writer) { writeDrill(w, steps, err == nil) })
		return errors.Join(err, shown)
	})
	return cmd
}

// drill runs the exercise. It returns the steps that were done, also beside an error.
func (s *seat) drill(ctx context.Context, d *drilling) (steps []step, err error) {
	to, err := parties(s.cmd, "to", []string{d.to})
	if err != nil {
		return nil, err
	}
	precedence, err := precedenceOf(s.cmd, d.precedence)
	if err != nil {
		return nil, err
	}
	alert, err := s.rehearse(ctx, d, to, precedence, &steps)
	if err != nil {
		return steps, err
	}
	terms := s.convention(s.time()).Terms
	wait := d.timeout
	if wait == 0 {
		wait = time.Duration(terms.NonDelivery.At(precedence)+terms.Acknowledge.At(precedence))*time.Millisecond + time.Minute
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	if err := s.follow(ctx, alert, to[0], precedence, &steps); err != nil {
		return steps, err
	}
	return steps, s.endDrill(ctx, alert, to, &steps)
}

// endDrill gives the final report, so that the drill leaves no duty behind.
func (s *seat) endDrill(ctx context.Context, alert hotline.ID, to []hotline.Party, steps *[]step) error {
	_, st, err := s.find(ctx, alert.String())
	if err != nil {
		return err
	}
	facts := notAssessed()
	facts.State = 3
	raw, err := s.compose(ctx, &letter{kind: hotline.KindFinal, status: hotline.Exercise, precedence: hotline.Routine, to: to, in: st.InCase(), re: &alert,
		body: &hotline.Final{Facts: facts, Language: "en", Text: "EXERCISE: the drill is over"}})
	if err != nil {
		return err
	}
	v, err := s.submit(ctx, raw, "")
	if err != nil {
		return err
	}
	*steps = append(*steps, step{Name: "ended", At: v.Time, ID: v.ID})
	return nil
}

// rehearse signs and submits detection, assessment and alert.
func (s *seat) rehearse(ctx context.Context, d *drilling, to []hotline.Party, precedence hotline.Precedence, steps *[]step) (hotline.ID, error) {
	terms := s.convention(s.time()).Terms
	raw, err := s.detection(ctx, &opening{text: "EXERCISE: drill of the line to " + d.to, status: hotline.Exercise.String(), precedence: d.precedence}, nil)
	if err != nil {
		return hotline.ID{}, err
	}
	detection, err := s.submit(ctx, raw, "")
	if err != nil {
		return hotline.ID{}, err
	}
	*steps = append(*steps, step{Name: "detected", At: detection.Time, ID: detection.ID})
	in := &hotline.CaseID{Party: s.party(), ID: detection.ID}
	judged := &hotline.Assessment{Facts: notAssessed(), Note: "EXERCISE"}
	answers := slices.Repeat([]bool{true}, len(s.convention(s.time()).Questions))
	raw, err = s.compose(ctx, &letter{kind: hotline.KindAssessment, status: hotline.Exercise, precedence: precedence, notify: to, in: in, re: &in.ID,
		assessed: s.time(), verdict: hotline.Notifiable, answers: answers, body: judged})
	if err != nil {
		return hotline.ID{}, err
	}
	assessment, err := s.submit(ctx, raw, "")
	if err != nil {
		return hotline.ID{}, err
	}
	addStep(steps, "assessed", assessment.Time, terms.Assess, assessment.ID)
	raw, err = s.compose(ctx, &letter{kind: hotline.KindAlert, status: hotline.Exercise, precedence: precedence, to: to, in: in, re: &assessment.ID,
		body: &hotline.Alert{Facts: judged.Facts, Text: d.text}})
	if err != nil {
		return hotline.ID{}, err
	}
	alert, err := s.submit(ctx, raw, "")
	if err != nil {
		return hotline.ID{}, err
	}
	addStep(steps, "alert tendered", alert.Time, terms.Alert.At(precedence), alert.ID)
	return alert.ID, nil
}

// addStep adds a step that began when the one before it was done.
func addStep(steps *[]step, name string, at hotline.Time, allowed int64, id hotline.ID) {
	took := int64(at - (*steps)[len(*steps)-1].At)
	*steps = append(*steps, step{Name: name, At: at, Took: took, Allowed: allowed, Late: took >= allowed, ID: id})
}

// follow waits for the receipt and for the acknowledgement. Times are those of the ledger in which each stands.
func (s *seat) follow(ctx context.Context, alert hotline.ID, to hotline.Party, precedence hotline.Precedence, steps *[]step) error {
	heard := make(chan struct{}, 1)
	listening, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	wg.Go(func() {
		// What ends the watch does not end the drill: it looks again by itself.
		_ = s.client.Stream(listening, &desk.Request{Watch: &desk.WatchRequest{}}, func(*desk.Reply) error {
			select {
			case heard <- struct{}{}:
			default:
			}
			return nil
		})
	})
	terms := s.convention(s.time()).Terms
	v, err := s.await(ctx, heard, alert, func(v *desk.ShowView) bool { return len(v.Receipts) > 0 })
	if err != nil {
		return notDone(err, hotline.CodeNoReceipt, fmt.Sprintf("%s has not receipted the drill", to))
	}
	addStep(steps, "received by "+string(to), v.Receipts[0].Time, terms.NonDelivery.At(precedence), alert)
	if _, err = s.await(ctx, heard, alert, acknowledged); err != nil {
		return notDone(err, codeUnanswered, fmt.Sprintf("nobody of %s has acknowledged the drill", to))
	}
	ack, err := s.search(ctx, func(it *desk.InboxItem) bool {
		return it.Kind == hotline.KindAcknowledgement && it.From == to && it.Re != nil && *it.Re == alert
	}, func(it *desk.InboxItem) bool { return it.ID == alert })
	if err != nil {
		return err
	}
	if ack == nil {
		return fmt.Errorf("%w: an acknowledgement that is nowhere", desk.ErrAnswer)
	}
	addStep(steps, "acknowledged by "+string(to), ack.Time, terms.Acknowledge.At(precedence), ack.ID)
	return nil
}

func acknowledged(v *desk.ShowView) bool {
	return len(v.Item.Addressees) == 1 && v.Item.Addressees[0].Stage == desk.StageAcknowledged
}

// notDone makes the end of the wait the failure that it is.
func notDone(err error, code hotline.Code, text string) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return refused(code, "see hotline status, and ask the other side by another channel", "%s in time", text)
	}
	return err
}

// await looks at a statement until it is as wanted, each time that something was heard.
func (s *seat) await(ctx context.Context, heard <-chan struct{}, id hotline.ID, want func(*desk.ShowView) bool) (*desk.ShowView, error) {
	tick := time.NewTicker(lookAgain)
	defer tick.Stop()
	for {
		v, _, err := s.find(ctx, id.String())
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			return nil, err
		}
		if want(v) {
			return v, nil
		}
		for _, a := range v.Item.Addressees {
			if a.Stage == desk.StageRejected {
				return nil, refused(hotline.CodeReference, "see hotline inbox for its reject", "%s rejected %s", a.Party, id.Short())
			}
		}
		select {
		case <-heard:
		case <-tick.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func writeDrill(w io.Writer, steps []step, complete bool) {
	late := 0
	for _, x := range steps {
		line := fmt.Sprintf("%-22s %s", x.Name, clock(x.At))
		if x.Allowed > 0 {
			line += fmt.Sprintf("  took %.3f s of %s", float64(x.Took)/1000, span(time.Duration(x.Allowed)*time.Millisecond))
		}
		if x.Late {
			late++
			line += "  LATE"
		}
		fmt.Fprintln(w, line)
	}
	switch {
	case !complete:
		fmt.Fprintln(w, "the drill is NOT COMPLETE")
	case late > 0:
		fmt.Fprintf(w, "the drill is complete, %d steps late\n", late)
	default:
		fmt.Fprintln(w, "the drill is complete, every step in time")
	}
}
