package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/desk"
	"example.org/hotline/ops/ceremony"
)

// maxLadderFile bounds a ladder's file, in bytes.
const maxLadderFile = 64 << 10

// ladderFile is a ladder as people write it.
type ladderFile struct {
	Number    uint64     `toml:"number"` // 0: the one after the ladder in force
	Owing     []rungFile `toml:"owing"`
	Receiving []rungFile `toml:"receiving"`
}

type rungFile struct {
	Permille uint64   `toml:"permille"` // of the term; 1000 is the deadline itself
	Office   string   `toml:"office"`
	Targets  []string `toml:"targets"` // officers by role name
}

// newLadderCmd shows and changes what climbs when a duty is not done.
func newLadderCmd(a *app) *cobra.Command {
	show := &cobra.Command{
		Use: "show", Short: "Show the ladder in force", Args: cobra.NoArgs,
		RunE: a.atDesk(func(ctx context.Context, s *seat, _ []string) error {
			r, err := s.do(ctx, &desk.Request{Ladder: &desk.LadderRequest{}})
			if err != nil {
				return err
			}
			if r.Ladder == nil {
				return fmt.Errorf("%w: no ladder", desk.ErrAnswer)
			}
			return s.show(plain(r.Ladder), func(w io.Writer) { writeLadder(w, r.Ladder) })
		}),
	}
	cmd := newGroupCmd("ladder", "Show, check and set what climbs when a duty is not done", show, newLadderCheckCmd(a), newLadderSetCmd(a))
	cmd.Long = `Shows, checks and sets the party's own ladder: who is woken when a duty is not done.

A ladder's file is TOML. A rung stands at a part of the duty's term in permille: 1000 is the deadline itself, at which either side
must have a rung. Every rung has somebody on it, or it is refused here and not discovered at night:

  [[owing]]            # a detection not assessed, an alert not released
  permille = 500
  office = "desk"
  targets = ["XA-O1", "XA-O2"]

  [[receiving]]        # a received statement not acknowledged
  permille = 1000
  office = "director"
  targets = ["XA-A1"]`
	return cmd
}

func newLadderCheckCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "check FILE", Short: "Check a ladder's file, and its officers if there are documents", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			var page *hotline.Directory
			if p, err := loadProfile(a.home); err == nil {
				docs, err := ceremony.LoadDocuments(p.Documents, p.pin)
				if err != nil {
					return err
				}
				if d := docs.Directory(hotline.Party(p.Party)); d != nil {
					page = &d.Directory
				}
			}
			l, err := loadLadder(args[0], page, hotline.Time(a.now().UnixMilli()))
			if err != nil {
				return err
			}
			return a.show(plain(l), func(w io.Writer) {
				writeLadder(w, l)
				if page == nil {
					fmt.Fprintln(w, "officers were not checked: there are no settings here")
				}
			})
		},
	}
}

func newLadderSetCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "set FILE", Short: "Sign a ladder, as an authority, and put it in force", Args: cobra.ExactArgs(1),
		RunE: a.atDesk(func(ctx context.Context, s *seat, args []string) error {
			l, err := loadLadder(args[0], &s.page().Directory, s.time())
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

// loadLadder reads a ladder's file. Its error names the file and the line. page, if there is one, says who is an officer at t.
func loadLadder(path string, page *hotline.Directory, t hotline.Time) (*hotline.Ladder, error) {
	text, err := ceremony.ReadFile(path, maxLadderFile)
	if err != nil {
		return nil, err
	}
	l, err := parseLadder(text, page, t)
	if err != nil {
		return nil, refused(hotline.CodeLadder, "correct the ladder", "%s: %v", path, err)
	}
	return l, nil
}

func parseLadder(text []byte, page *hotline.Directory, t hotline.Time) (*hotline.Ladder, error) {
	var f ladderFile
	if err := strictTOML(text, &f); err != nil {
		return nil, err
	}
	l := &hotline.Ladder{Number: f.Number}
	for _, side := range []struct {
		name string
		in   []rungFile
		out  *[]hotline.Rung
	}{{"owing", f.Owing, &l.Owing}, {"receiving", f.Receiving, &l.Receiving}} {
		lines := linesOf(text, side.name)
		for i, r := range side.in {
			if err := checkRung(side.in[:i], &r, page, t); err != nil {
				return nil, fmt.Errorf("line %d: %s rung %d: %w", lineAt(lines, i), side.name, i+1, err)
			}
			*side.out = append(*side.out, hotline.Rung{Permille: r.Permille, Office: r.Office, Targets: r.Targets})
		}
	}
	whole := *l
	whole.Number = max(1, whole.Number) // 0 is replaced when the ladder is set
	var r *hotline.Refusal
	if err := whole.Validate(); errors.As(err, &r) {
		return nil, errors.New(r.Text)
	} else if err != nil {
		return nil, err
	}
	return l, nil
}

// checkRung says what is wrong with one rung in words that fit its line.
func checkRung(before []rungFile, r *rungFile, page *hotline.Directory, t hotline.Time) error {
	switch {
	case r.Office == "":
		return fmt.Errorf("office is missing: what stands on this rung, as desk or director")
	case len(r.Targets) == 0:
		return fmt.Errorf("nobody stands on it: give targets, officers by role name")
	case r.Permille > hotline.MaxPermille:
		return fmt.Errorf("permille is %d, at most %d", r.Permille, hotline.MaxPermille)
	case len(before) > 0 && before[len(before)-1].Permille >= r.Permille:
		return fmt.Errorf("permille is %d, not above the %d of the rung before", r.Permille, before[len(before)-1].Permille)
	}
	for _, name := range r.Targets {
		if page == nil {
			continue
		}
		o := page.OfficerByName(name)
		switch {
		case o == nil:
			return fmt.Errorf("%s is no officer of directory %d of %s", name, page.Number, page.Party)
		case o.Revoked != 0 || t < o.From || t >= o.Until:
			return fmt.Errorf("the key of %s is not in force", name)
		}
	}
	return nil
}

// linesOf returns the numbers of the lines on which the rungs of one side begin.
func linesOf(text []byte, side string) []int {
	var lines []int
	in := bufio.NewScanner(bytes.NewReader(text))
	for n := 1; in.Scan(); n++ {
		line, _, _ := strings.Cut(in.Text(), "#")
		if strings.Join(strings.Fields(line), "") == "[["+side+"]]" {
			lines = append(lines, n)
		}
	}
	return lines
}

// lineAt is the line of the i-th rung; rungs written in another way of TOML all stand on line 1.
func lineAt(lines []int, i int) int {
	if i < len(lines) {
		return lines[i]
	}
	return 1
}

func writeLadder(w io.Writer, l *hotline.Ladder) {
	if l.Number > 0 {
		fmt.Fprintf(w, "ladder %d\n", l.Number)
	}
	for _, side := range []struct {
		name  string
		rungs []hotline.Rung
	}{{"owing: assess, alert, ratify", l.Owing}, {"receiving: acknowledge", l.Receiving}} {
		fmt.Fprintln(w, side.name)
		for _, r := range side.rungs {
			mark := ""
			if r.Permille == hotline.Deadline {
				mark = "  OVERDUE"
			}
			fmt.Fprintf(w, "  %5.1f %%  %-12s %s%s\n", float64(r.Permille)/10, printable(r.Office), strings.Join(r.Targets, " "), mark)
		}
	}
}
