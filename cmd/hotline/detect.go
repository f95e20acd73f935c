package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/desk"
	"example.org/hotline/ops/sensor"
)

// hitsAtOnce bounds the hits of one request: the group commits them one by one and must be done within the time of one.
const hitsAtOnce = 64

// newDetectCmd enters what was seen: in the officer's own words, or from a sensor's feed.
func newDetectCmd(a *app) *cobra.Command {
	var o opening
	var from, place string
	var all bool
	cmd := &cobra.Command{
		Use:   "detect --text TEXT | detect --from suricata FILE|-",
		Short: "Enter an own detection, or put a sensor's hits into the triage queue",
		Long: "With --text, an operator enters what they have seen: this opens a case, fixes its first time and starts the duty to assess.\n\n" +
			"With --from, the alerts of a sensor's feed are gathered into hits and wait in the group's triage queue: no duty begins before\n" +
			"an operator adopts one. Which side of the border an address is on is decided by the prefixes of the settings alone. Only hits\n" +
			"that leave the territory, or may, are put into the queue, unless --all is given.",
		Args: cobra.MaximumNArgs(1),
	}
	o.flags(cmd)
	cmd.Flags().StringVar(&from, "from", "", "kind of feed: suricata")
	cmd.Flags().StringVar(&place, "private", "", "private addresses in the feed are inside or outside the territory")
	cmd.Flags().BoolVar(&all, "all", false, "put inbound, internal and foreign hits into the queue too")
	var opt sensor.Options
	cmd.PreRunE = func(_ *cobra.Command, args []string) (err error) {
		switch {
		case from == "" && len(args) == 0 && o.text != "":
			return nil
		case from == "" || o.text != "" || len(args) != 1:
			return usage(cmd, "give either --text, or --from and a file")
		case from != sensor.SourceSuricata:
			return usage(cmd, "--from: %q is no feed that is known; known is %s", from, sensor.SourceSuricata)
		}
		opt.Place, err = placeOf(cmd, place)
		return err
	}
	cmd.RunE = a.atDesk(func(ctx context.Context, s *seat, args []string) error {
		if from == "" {
			return s.detect(ctx, &o, nil)
		}
		return s.feed(ctx, args[0], opt, all)
	})
	return cmd
}

func placeOf(cmd *cobra.Command, word string) (sensor.Place, error) {
	switch word {
	case "":
		return sensor.PlaceUndeclared, nil
	case "inside":
		return sensor.PlaceInside, nil
	case "outside":
		return sensor.PlaceOutside, nil
	}
	return 0, usage(cmd, "--private: %q is neither inside nor outside", word)
}

// feed reads a sensor's file and queues its hits.
func (s *seat) feed(ctx context.Context, path string, opt sensor.Options, all bool) error {
	territory, err := sensor.NewPrefixes(s.profile.Prefixes)
	if err != nil {
		return err
	}
	in := s.in
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		in = f
	}
	report, err := sensor.ReadSuricata(in, territory, opt)
	if err != nil {
		return err
	}
	var list []hotline.Hit
	for _, h := range report.Hits {
		if all || h.Direction == hotline.HitOutbound || h.Direction == hotline.HitUnconfirmed {
			list = append(list, h)
		}
	}
	taken, sendErr := s.queue(ctx, list)
	view := map[string]any{"lines": report.Lines, "alerts": report.Events, "merged": report.Merged, "skipped": report.Skipped,
		"broken": report.Broken, "refused": report.Refused, "hits": plain(report.Hits), "queued": taken, "left_out": len(report.Hits) - len(list),
		"problems": plain(report.Problems)}
	err = s.show(view, func(w io.Writer) { writeFeed(s.sheet(w), &report, list, taken) })
	return errors.Join(sendErr, err)
}

func writeFeed(p *sheet, r *sensor.Report, list []hotline.Hit, taken int) {
	for i := range list {
		mark := "queued"
		if i >= taken {
			mark = "NOT QUEUED"
		}
		p.line(list[i].Key[:12], mark, p.hit(&list[i]))
	}
	for _, broken := range r.Problems {
		fmt.Fprintf(p.w, "line %d: %s\n", broken.Line, broken.Text)
	}
	fmt.Fprintf(p.w, "%d lines: %d alerts, %d of them merged, %d skipped, %d broken; %d hits, %d queued, %d left out\n",
		r.Lines, r.Events, r.Merged, r.Skipped, r.Broken, len(r.Hits), taken, len(r.Hits)-len(list))
}

// queue puts hits into triage in requests that fit a message, and tells how many were taken.
func (s *seat) queue(ctx context.Context, list []hotline.Hit) (int, error) {
	taken := 0
	for taken < len(list) {
		n, size := 0, 0
		for taken+n < len(list) && n < hitsAtOnce {
			size += len(hotline.MustMarshal(&list[taken+n]))
			if n > 0 && size > hotline.MaxDeskMessage/2 {
				break
			}
			n++
		}
		r, err := s.do(ctx, &desk.Request{Hits: &desk.HitsRequest{Hits: list[taken : taken+n]}})
		if r != nil && r.Hits != nil {
			taken += min(n, int(r.Hits.Taken))
		}
		if err != nil {
			return taken, err
		}
		if r.Hits == nil || r.Hits.Taken != uint64(n) {
			return taken, fmt.Errorf("%w: hits were neither taken nor refused", desk.ErrAnswer)
		}
	}
	return taken, nil
}
