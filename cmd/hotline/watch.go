package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/codebook"
	"example.org/hotline/hotline/desk"
)

const (
	// ringEvery is how often the bell rings again while an acknowledgement is open.
	ringEvery = 60 * time.Second
	// rejoin is the wait before a watch that broke off begins anew.
	rejoin = time.Second
)

// newWatchCmd shows what happens while it happens.
func newWatchCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "watch",
		Short: "Show what happens; ring for pages, and every minute while an acknowledgement is open",
		Long: "Shows every event of the group as it happens, until it is interrupted. The terminal's bell rings when somebody is paged, and\n" +
			"once a minute while a received statement waits for its acknowledgement. On a terminal the last line counts down to the nearest\n" +
			"deadline, of ACTUAL statements while one waits. If the node goes away the watch goes on at another one, and says so.",
		Args: cobra.NoArgs,
		RunE: a.atDesk(func(ctx context.Context, s *seat, _ []string) error {
			w := &watch{seat: s, tick: time.NewTicker(time.Second).C}
			if f, ok := s.out.(*os.File); ok && !s.json {
				w.live = term.IsTerminal(int(f.Fd()))
				w.width = func() int {
					if columns, _, err := term.GetSize(int(f.Fd())); err == nil {
						return columns
					}
					return 0
				}
			}
			return w.run(ctx)
		}),
	}
}

// watch is one running watch. One goroutine reads events; everything else happens in run.
type watch struct {
	*seat
	tick <-chan time.Time // once a second
	live bool             // the output is a terminal: the last line is drawn anew
	// width is the terminal's, or 0: a countdown that wraps could not be drawn anew.
	width func() int

	open []desk.DutyView // acknowledgements that are owed here: those of ACTUAL statements, then the others, the earliest deadline first
	rang time.Time
	gone bool // the watch broke off and has not begun again
}

// run shows events until ctx ends. Losing every node is no reason to stop: a desk that rings is worth more than an exit code.
func (w *watch) run(ctx context.Context) error {
	events := make(chan desk.Event)
	broken := make(chan error)
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	wg.Go(func() { w.listen(ctx, events, broken) })
	if !w.json {
		w.sheet(w.out).notice()
	}
	for {
		select {
		case e := <-events:
			w.event(ctx, &e)
		case err := <-broken:
			var r *hotline.Refusal
			if errors.As(err, &r) && r.Code == hotline.CodeDenied {
				return err
			}
			if !w.gone {
				w.gone = true
				w.told("line-lost", err)
				w.bell()
			}
		case <-w.tick:
			w.remind()
		case <-ctx.Done():
			w.endLine()
			return nil
		}
	}
}

// listen streams events and begins again whenever the stream ends.
func (w *watch) listen(ctx context.Context, events chan<- desk.Event, broken chan<- error) {
	for ctx.Err() == nil {
		err := w.client.Stream(ctx, &desk.Request{Watch: &desk.WatchRequest{}}, func(r *desk.Reply) error {
			if r.Event == nil {
				return fmt.Errorf("%w: no event", desk.ErrAnswer)
			}
			select {
			case events <- *r.Event:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
		if err == nil {
			err = fmt.Errorf("%w: the node ended the watch", desk.ErrUnreachable)
		}
		select {
		case broken <- err:
		case <-ctx.Done():
			return
		}
		timer := time.NewTimer(rejoin)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
	}
}

// event prints one event and looks again at what is owed where that may have changed.
func (w *watch) event(ctx context.Context, e *desk.Event) {
	w.gone = false
	if w.json {
		if err := json.NewEncoder(w.out).Encode(plain(e)); err != nil { // one event a line
			w.line("%v", err)
		}
	} else {
		w.line("%s", w.sheet(w.out).event(e))
	}
	if e.Type == desk.EventPage || e.Type == desk.EventWake {
		w.bell()
	}
	switch e.Type {
	case desk.EventBegin, desk.EventLost, desk.EventReceived, desk.EventStop, desk.EventDue, desk.EventPage:
		w.look(ctx)
	}
}

// look asks which acknowledgements are open.
func (w *watch) look(ctx context.Context) {
	v, err := w.status(ctx)
	if err != nil {
		w.told("no-status", err)
		return
	}
	w.open = nil
	for i := range v.Duties {
		if v.Duties[i].Class == hotline.DutyAcknowledge {
			w.open = append(w.open, v.Duties[i])
		}
	}
	// An exercise that goes on during a real crisis must not stand before it.
	slices.SortStableFunc(w.open, func(a, b desk.DutyView) int { return cmp.Compare(rank(a.Status), rank(b.Status)) })
}

// rank puts what is real before everything else.
func rank(s hotline.Status) int {
	if s == hotline.Actual {
		return 0
	}
	return 1
}

// remind runs once a second: it counts down, and rings once a minute while something is open.
func (w *watch) remind() {
	if len(w.open) == 0 {
		w.redraw("")
		return
	}
	p, status := w.sheet(w.out), w.open[0].Status
	if w.now().Sub(w.rang) >= ringEvery {
		w.line("%s", p.paint(status, w.countdown()))
		w.bell()
	}
	w.redraw(w.countdown())
}

// countdown is the first open acknowledgement in one line.
func (w *watch) countdown() string {
	d, b := &w.open[0], w.book()
	return b.Isolate(clock(w.time())) + "  " + w.sign() + "  " + b.Say("countdown", "count", strconv.Itoa(len(w.open)), "precedence", b.Precedence(d.Precedence),
		"id", d.Subject.Short(), "party", string(d.Peer), "when", w.left(), "command", "hotline ack "+d.Subject.Short())
}

// shortly is the same for a terminal that is too narrow for it: what must not be cut off comes first.
func (w *watch) shortly() string {
	d, b := &w.open[0], w.book()
	return w.sign() + "  " + w.left() + "  " + b.Isolate(string(d.Peer)) + "  " + b.Isolate("hotline ack "+d.Subject.Short()) + "  " + b.Precedence(d.Precedence)
}

// sign is the sign and the word of its status.
func (w *watch) sign() string {
	status := w.open[0].Status
	return w.book().Isolate(codebook.MarkOf(status).Sign) + " " + w.book().Status(status)
}

// left is how long it may still wait, or how late it is.
func (w *watch) left() string {
	left := time.Duration(w.open[0].Deadline-w.time()) * time.Millisecond
	if left < 0 {
		return w.book().Say("overdue-by", "span", span(-left))
	}
	return w.book().Say("in", "span", span(left))
}

func (w *watch) bell() {
	w.rang = w.now()
	if w.json {
		return // a program reads this, and rings as it likes
	}
	fmt.Fprint(w.out, "\a")
}

// eraseLine goes to the beginning of the terminal's line and clears it (ECMA-48 EL).
const eraseLine = "\r\x1b[K"

// line prints one line above the countdown.
func (w *watch) line(format string, args ...any) {
	to := w.out
	if w.json {
		to = w.err
	}
	if w.live {
		fmt.Fprint(to, eraseLine)
	}
	fmt.Fprintf(to, format+"\n", args...)
}

// told says what went wrong with the watch itself.
func (w *watch) told(what string, err error) {
	b := w.book()
	w.line("%s  %s", b.Isolate(clock(w.time())), b.Say(what, "why", printable(err.Error())))
}

func (w *watch) redraw(text string) {
	if !w.live {
		return
	}
	if n := w.width() - 1; n > 0 && columns(text) > n {
		text = cut(w.shortly(), n)
	}
	if len(w.open) > 0 {
		text = w.sheet(w.out).paint(w.open[0].Status, text)
	}
	fmt.Fprint(w.out, eraseLine+text)
}

func (w *watch) endLine() {
	if w.live {
		fmt.Fprintln(w.out)
	}
}
