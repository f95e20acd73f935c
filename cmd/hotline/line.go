package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/codebook"
	"example.org/hotline/hotline/desk"
)

// newLineCmd shows what line tests and watch tests have shown.
func newLineCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "line [PARTY]",
		Short: "Show the lines to other parties: what their tests show, and the path to each node",
		Long: "Shows each line in one row: whether it is up, silent (a connection that answers nothing) or down; the newest own line test that\n" +
			"was sent and the newest that was answered, and how long that took through both ledgers; the newest test of the other side; own\n" +
			"tests in a row without an answer; the person who last acknowledged a TEST there and here; and when the other side last confirmed\n" +
			"its contact data. An alarm that rings stands below. Then the path to each node, as the node that answers sees it: clock is how\n" +
			"far the other clock is ahead, and tests are those that entered there while this node led its group.\n\n" +
			"With a person's test: answer a watch-test as any statement that waits, with hotline ack ID.",
		Args: cobra.MaximumNArgs(1),
		RunE: a.atDesk(func(ctx context.Context, s *seat, args []string) error {
			v, err := s.status(ctx)
			if err != nil {
				return err
			}
			lines := lineView{Node: v.Node, Clock: v.Clock, Lines: v.Peers}
			if len(args) == 1 {
				if lines.Lines = only(v.Peers, hotline.Party(args[0])); len(lines.Lines) == 0 {
					return refused(hotline.CodeNotFound, "see hotline line", "there is no line to %q", args[0])
				}
			}
			return s.show(plain(&lines), func(w io.Writer) { s.sheet(w).lines(&lines) })
		}),
	}
}

func only(peers []desk.PeerView, p hotline.Party) []desk.PeerView {
	for i := range peers {
		if peers[i].Party == p {
			return peers[i : i+1]
		}
	}
	return nil
}

// lineView is what --json prints.
type lineView struct {
	Node  string          `json:"node"` // that answers, and whose paths these are
	Clock hotline.Time    `json:"clock"`
	Lines []desk.PeerView `json:"lines"`
}

func (p *sheet) lines(v *lineView) {
	number := func(n uint64) string { return strconv.FormatUint(n, 10) }
	rows := [][]string{{p.Say("column-party"), p.Say("column-state"), p.Say("column-sent"), p.Say("column-answered"), p.Say("column-ms"),
		p.Say("column-heard"), p.Say("column-missed"), p.Say("column-there"), p.Say("column-here"), p.Say("column-confirmed")}}
	for i := range v.Lines {
		l := &v.Lines[i]
		trip := ""
		if l.Tested != 0 {
			trip = number(l.RoundTrip)
		}
		rows = append(rows, []string{string(l.Party), p.Word(codebook.Links, string(l.Link)), clock(l.Asked), clock(l.Tested), trip, clock(l.Heard),
			number(l.Missed), person(l.There), person(l.Here), clock(l.Confirmed)})
	}
	p.table(rows)
	for i := range v.Lines {
		for _, d := range v.Lines[i].Rings {
			p.line(p.Say("line-rings", "party", string(v.Lines[i].Party), "duty", p.Duty(d)))
		}
	}
	p.line()
	p.line(p.Say("line-paths", "node", v.Node))
	rows = [][]string{{p.Say("column-node"), p.Say("column-state"), p.Say("column-since"), p.Say("column-ms"), p.Say("column-clock"), p.Say("column-tests"),
		p.Say("column-failed"), p.Say("column-newest")}}
	for i := range v.Lines {
		for _, x := range v.Lines[i].Nodes {
			rows = append(rows, p.path(&x))
		}
	}
	p.table(rows)
	p.notice()
}

func (p *sheet) path(x *desk.NodeView) []string {
	trip, ahead := "", ""
	if x.RTT != 0 {
		trip = fmt.Sprintf("%.1f", float64(x.RTT)/1000)
	}
	if x.Greeted != 0 {
		ahead = fmt.Sprintf("%+d", x.Ahead)
	}
	return []string{x.Node, p.Word(codebook.Links, string(x.Link)), clock(x.Since), trip, ahead, strconv.FormatUint(x.Taken, 10),
		strconv.FormatUint(x.Failed, 10), clock(x.TakenAt)}
}

func person(m desk.ManView) string {
	if m.At == 0 {
		return "-"
	}
	return m.By + " " + clock(m.At)
}

// table prints rows in columns as wide as they need.
func (p *sheet) table(rows [][]string) {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], columns(cell))
		}
	}
	for _, row := range rows {
		var b strings.Builder
		for i, cell := range row {
			b.WriteString(pad(p.Isolate(printable(cmp.Or(cell, "-"))), widths[i]))
			b.WriteString("  ")
		}
		p.line(strings.TrimRight(b.String(), " "))
	}
}
