package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/desk"
	"example.org/hotline/ops/ceremony"
	"example.org/hotline/ops/ladder"
)

// newLadderCmd shows and changes what climbs when a duty is not done.
func newLadderCmd(a *app) *cobra.Command {
	cmd := newGroupCmd("ladder", "Show, check and submit what climbs when a duty is not done", newLadderShowCmd(a), newLadderCheckCmd(a), newLadderSubmitCmd(a))
	cmd.Long = `Shows, checks and submits the party's own ladder: who is woken when a duty is not done, on both sides.

A ladder's file is TOML; ops/deploy/ladder.example.toml is one. It names
  channels   ways to reach people, by name and type; the daemon's own configuration holds their addresses
  officer    everybody who stands anywhere in it, with their channels, the first one first
  rota       shifts in the local time of a zone, with handovers, that begin again after one or more weeks, and covers for leave
  owing      the rungs for a detection not assessed, an alert not released
  receiving  the rungs for a statement not acknowledged

A rung stands at a part of the duty's term: in permille, where 1000 is the deadline itself, or by a delay after the rung before,
measured against one term that the file names. So one ladder serves every precedence. It may repeat until the next rung.

What would wake nobody, or the wrong one, is refused here with its line and not discovered at night. Local time is turned into
minutes in UTC for so many days as the file says: these an authority signs. When they have passed, everybody in a rota is woken;
hotline status warns two weeks before.`
	return cmd
}

// papers are what a file is judged by: the own directory and the terms in force. Without settings there are none.
func (a *app) papers(t hotline.Time) (in ladder.Setting, err error) {
	in.Now = t
	p, err := loadProfile(a.home)
	if errors.Is(err, fs.ErrNotExist) {
		return in, nil // a file may be checked anywhere
	}
	if err != nil {
		return in, err
	}
	docs, err := ceremony.LoadDocuments(p.Documents, p.pin)
	if err != nil {
		return in, err
	}
	if d := docs.Directory(hotline.Party(p.Party)); d != nil {
		in.Directory = &d.Directory
	}
	in.Terms = &docs.Conventions[0].Terms
	for _, c := range docs.Conventions {
		if c.ValidFrom <= t {
			in.Terms = &c.Terms
		}
	}
	return in, nil
}

// loadLadder reads a ladder's file. Its error names the file and each line.
func loadLadder(path string, in ladder.Setting) (*hotline.Ladder, error) {
	text, err := ceremony.ReadFile(path, ladder.MaxFile)
	if err != nil {
		return nil, err
	}
	l, err := ladder.Compile(text, in)
	if err != nil {
		return nil, refused(hotline.CodeLadder, "correct the ladder", "%s: %v", path, err)
	}
	return l, nil
}

func newLadderCheckCmd(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use: "check FILE", Short: "Check a ladder's file, and its officers and terms if there are documents", Args: cobra.ExactArgs(1),
		Long: "Refuses a rung with nobody on it, somebody without a channel, a hole or an overlap in a rota, delays longer than the term that\n" +
			"they serve, and more, each with its line. Shows what an authority would sign.",
	}
	watches := watchesFlag(cmd)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		in, err := a.papers(hotline.Time(a.now().UnixMilli()))
		if err != nil {
			return err
		}
		l, err := loadLadder(args[0], in)
		if err != nil {
			return err
		}
		return a.show(plain(l), func(w io.Writer) {
			writeLadder(w, l, *watches)
			if in.Directory == nil {
				fmt.Fprintln(w, "officers and terms were not checked: there are no settings here")
			}
		})
	}
	return cmd
}

func watchesFlag(cmd *cobra.Command) *bool {
	return cmd.Flags().Bool("watches", false, "list every watch of every rota, in UTC")
}

func newLadderShowCmd(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use: "show [FILE]", Short: "Show the ladder in force, or that of a file, and who would be woken when", Args: cobra.MaximumNArgs(1),
		Long: "Shows the ladder in force, or the one that a file means. With --at it tells who would be woken when, and by which channels, for\n" +
			"each duty and precedence on both sides, if the duty opened at that time and nobody did it. A statement without a receipt wakes\n" +
			"the operators of the directory, whatever the ladder says.",
	}
	watches := watchesFlag(cmd)
	at := cmd.Flags().String("at", "", "the time at which the duties open, as 2026-12-24T22:00:00Z, or now")
	desked := a.atDesk(func(ctx context.Context, s *seat, _ []string) error {
		r, err := s.do(ctx, &desk.Request{Ladder: &desk.LadderRequest{}})
		if err != nil {
			return err
		}
		if r.Ladder == nil {
			return fmt.Errorf("%w: no ladder", desk.ErrAnswer)
		}
		return s.showLadder(r.Ladder, &s.convention(s.time()).Terms, *at, *watches)
	})
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if _, err := a.moment(*at); err != nil {
			return usage(cmd, "--at %q is no time as 2026-12-24T22:00:00Z", *at)
		}
		if len(args) == 0 {
			return desked(cmd, args)
		}
		in, err := a.papers(hotline.Time(a.now().UnixMilli()))
		if err != nil {
			return err
		}
		if *at != "" && in.Terms == nil {
			return refused(hotline.CodeNeed, "give the settings of an officer with --home", "what would be due when stands in the convention, and there are no settings here")
		}
		l, err := loadLadder(args[0], in)
		if err != nil {
			return err
		}
		return a.showLadder(l, in.Terms, *at, *watches)
	}
	return cmd
}

// moment reads a time that was given in words or digits; nothing means this moment.
func (a *app) moment(text string) (hotline.Time, error) {
	if text == "" || text == "now" {
		return hotline.Time(a.now().UnixMilli()), nil
	}
	t, err := time.Parse(time.RFC3339, text)
	return hotline.Time(t.UnixMilli()), err
}

func (a *app) showLadder(l *hotline.Ladder, terms *hotline.Terms, at string, watches bool) error {
	if at == "" {
		return a.show(plain(l), func(w io.Writer) { writeLadder(w, l, watches) })
	}
	t, err := a.moment(at)
	if err != nil {
		return err
	}
	climbs := ladder.Preview(l, terms, t)
	return a.show(plain(climbs), func(w io.Writer) {
		fmt.Fprintf(w, "what opens at %s and is not done\n", clock(t))
		for i := range climbs {
			writeClimb(w, &climbs[i])
		}
	})
}

func newLadderSubmitCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "submit FILE", Aliases: []string{"set"}, Short: "Sign a ladder, as an authority, and put it in force", Args: cobra.ExactArgs(1),
		RunE: a.atDesk(func(ctx context.Context, s *seat, args []string) error {
			l, err := loadLadder(args[0], ladder.Setting{Now: s.time(), Directory: &s.page().Directory, Terms: &s.convention(s.time()).Terms})
			if err != nil {
				return err
			}
			if l.Number == 0 {
				v, err := s.status(ctx)
				if err != nil {
					return err
				}
				l.Number = v.Ladder + 1
			}
			raw, err := s.compose(ctx, &letter{kind: hotline.KindLadder, status: hotline.Actual, precedence: hotline.Routine, body: l})
			if err != nil {
				return err
			}
			return s.file(ctx, raw, "")
		}),
	}
}

func writeLadder(w io.Writer, l *hotline.Ladder, watches bool) {
	if l.Number > 0 {
		fmt.Fprintf(w, "ladder %d\n", l.Number)
	}
	for _, side := range []struct {
		name  string
		duty  []hotline.Duty
		rungs []hotline.Rung
	}{{"owing", ladder.Owing(), l.Owing}, {"receiving", ladder.Receiving(), l.Receiving}} {
		var names []string
		for _, d := range side.duty {
			names = append(names, d.String())
		}
		fmt.Fprintf(w, "%s: %s\n", side.name, joinWords(names))
		for _, r := range side.rungs {
			fmt.Fprintf(w, "  %5.1f %%  %-12s %s", float64(r.Permille)/10, printable(r.Office), printable(strings.Join(r.Targets, " ")))
			if r.Repeat > 0 {
				fmt.Fprintf(w, "  again after %.1f %%", float64(r.Repeat)/10)
			}
			if r.Permille == hotline.Deadline {
				fmt.Fprint(w, "  OVERDUE")
			}
			fmt.Fprintln(w)
		}
	}
	if len(l.Rotas) > 0 {
		fmt.Fprintf(w, "rotas from %s until %s; after that everybody in them is woken\n", clock(l.From), clock(l.Until))
	}
	for i := range l.Rotas {
		writeRota(w, l, &l.Rotas[i], watches)
	}
	if len(l.Contacts) > 0 {
		fmt.Fprintln(w, "channels")
	}
	for _, c := range l.Contacts {
		fmt.Fprintf(w, "  %-12s %s\n", c.Officer, strings.Join(c.Channels, " "))
	}
}

func writeRota(w io.Writer, l *hotline.Ladder, r *hotline.Rota, watches bool) {
	fmt.Fprintf(w, "  %-12s %s, %d watches: %s\n", printable(r.Name), printable(r.Zone), len(r.Watches), strings.Join(r.People, " "))
	if !watches {
		return
	}
	t := l.From
	for _, x := range r.Watches {
		until := t + hotline.Time(x.Minutes)*60_000
		fmt.Fprintf(w, "    %s  %s  %s\n", clock(t), clock(until), strings.Join(l.OnCall([]string{r.Name}, t), " "))
		t = until
	}
}

func writeClimb(w io.Writer, c *ladder.Climb) {
	side, of := "owing", "any precedence"
	if c.Receiving {
		side = "receiving"
	}
	if c.Precedence != 0 {
		of = c.Precedence.String()
	}
	fmt.Fprintf(w, "%s: %s, %s, within %s\n", side, c.Duty, of, span(time.Duration(c.Term)*time.Millisecond))
	for _, s := range c.Steps {
		var who []string
		for _, x := range s.Wakes {
			name := x.Officer
			if len(x.Channels) > 0 {
				name += " (" + strings.Join(x.Channels, ", ") + ")"
			}
			who = append(who, name)
		}
		fmt.Fprintf(w, "  %s  %-12s %s", clock(s.Due), printable(s.Office), joinWords(who))
		if s.Again > 0 {
			fmt.Fprintf(w, "  again every %s", span(time.Duration(s.Again)*time.Millisecond))
		}
		if s.Overdue {
			fmt.Fprint(w, "  OVERDUE")
		}
		fmt.Fprintln(w)
	}
}
