package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/desk"
)

// newStatusCmd shows how the group, its lines and its duties are.
func newStatusCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Show the node that answers, its group, the lines to other parties, and what is owed",
		Args:  cobra.NoArgs,
		RunE: a.atDesk(func(ctx context.Context, s *seat, _ []string) error {
			v, err := s.status(ctx)
			if err != nil {
				return err
			}
			return s.show(plain(v), func(w io.Writer) { writeStatus(w, v) })
		}),
	}
}

func (s *seat) status(ctx context.Context) (*desk.StatusView, error) {
	r, err := s.do(ctx, &desk.Request{Status: &desk.StatusRequest{}})
	if err != nil {
		return nil, err
	}
	if r.Status == nil {
		return nil, fmt.Errorf("%w: no status", desk.ErrAnswer)
	}
	return r.Status, nil
}

func writeStatus(w io.Writer, v *desk.StatusView) {
	leader := v.Leader
	if leader == "" {
		leader = "NONE"
	}
	fmt.Fprintf(w, "%s  node %s (%s), leader %s, voters %s", v.Party, v.Node, v.Role, leader, strings.Join(v.Voters, " "))
	if len(v.Learners) > 0 {
		fmt.Fprintf(w, ", learning %s", strings.Join(v.Learners, " "))
	}
	fmt.Fprintf(w, "\nlog  generation %d, %d entries to %s, root %s\n", v.Generation, v.Size, clock(v.Time), v.Root.Short())
	fmt.Fprintf(w, "documents  convention %s version %d, directory %d, ladder %d\n", v.Convention.Short(), v.ConventionVersion, v.Directory, v.Ladder)
	fmt.Fprintf(w, "waiting  %d hits, %d drafts\n", v.Triage, v.Drafts)
	for _, p := range v.Peers {
		fmt.Fprintf(w, "line %-8s %-6s outbox %d, last test answered %s, missed %d\n", p.Party, p.Link, p.Outbox, clock(p.Tested), p.Missed)
	}
	for i := range v.Duties {
		fmt.Fprintln(w, dutyLine(&v.Duties[i], v.Clock))
	}
	if v.MoreDuties > 0 {
		fmt.Fprintf(w, "and %d more duties\n", v.MoreDuties)
	}
	for _, text := range v.Alarms {
		fmt.Fprintf(w, "ALARM  %s\n", printable(text))
	}
}

// dutyLine is one open duty in one line, as it stands at now.
func dutyLine(d *desk.DutyView, now hotline.Time) string {
	line := fmt.Sprintf("duty %-21s %s", d.Class, d.Subject.Short())
	if d.Peer != "" {
		line += " " + string(d.Peer)
	}
	if d.Precedence != 0 {
		line += fmt.Sprintf(" %s %s", d.Precedence, d.Status)
	}
	left := time.Duration(d.Deadline-now) * time.Millisecond
	if d.Overdue || left < 0 {
		line += ", OVERDUE since " + clock(d.Deadline)
	} else {
		line += fmt.Sprintf(", due %s (in %s)", clock(d.Deadline), span(left))
	}
	if n := d.Next; n != nil && n.Office != "" {
		line += fmt.Sprintf("; then %s (%s) at %s", n.Office, strings.Join(n.Targets, " "), clock(n.Due))
	}
	return line
}
