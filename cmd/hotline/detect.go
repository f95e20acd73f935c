package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

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
	var f feeding
	cmd := &cobra.Command{
		Use:   "detect --text TEXT | detect --from suricata|intelmq|nfdump FILE|-",
		Short: "Enter an own detection, or put a sensor's hits into the triage queue",
		Long: "With --text, an operator enters what they have seen: this opens a case, fixes its first time and starts the duty to assess.\n\n" +
			"With --from, a sensor's feed is gathered into hits, which wait in the group's triage queue: no duty begins before an operator\n" +
			"adopts one. Feeds are Suricata's EVE JSON, IntelMQ events (one a line) and what nfdump -o json writes. Which side of the border\n" +
			"an address is on is decided by the prefixes of the settings alone; a table of countries (--countries, MaxMind DB format) is a\n" +
			"hint that is written beside it. Reflectors that were abused, hosts that called a sinkhole and exposed services are no attacks\n" +
			"and say so. Only what may be an attack and leaves the territory, or may, is put into the queue, unless --nature or --all is\n" +
			"given. The group answers with a receipt that its service key has signed; it is all that a reporter is told.",
		Args: cobra.MaximumNArgs(1),
	}
	o.flags(cmd)
	f.flags(cmd)
	cmd.PreRunE = func(_ *cobra.Command, args []string) (err error) {
		switch {
		case f.from == "" && len(args) == 0 && o.text != "":
			return nil
		case f.from == "" || o.text != "" || len(args) != 1:
			return usage(cmd, "give either --text, or --from and a file")
		}
		return f.settle(cmd)
	}
	cmd.RunE = a.atDesk(func(ctx context.Context, s *seat, args []string) error {
		if f.from == "" {
			return s.detect(ctx, &o, nil)
		}
		return s.feed(ctx, args[0], &f)
	})
	return cmd
}

// feeding is how a feed is to be read.
type feeding struct {
	from, place, countries string
	natures                []string
	all                    bool
	opt                    sensor.Options
}

func (f *feeding) flags(cmd *cobra.Command) {
	set := cmd.Flags()
	set.StringVar(&f.from, "from", "", "kind of feed: "+strings.Join(sensor.Sources(), ", "))
	set.StringVar(&f.place, "private", "", "private addresses in the feed are inside or outside the territory")
	set.StringVar(&f.countries, "countries", "", "table of countries in the MaxMind DB format: a hint, never a decision")
	set.StringSliceVar(&f.natures, "nature", []string{"attack"}, "what is put into the queue: attack, reflector, infected, exposure, other")
	set.IntVar(&f.opt.Sweep, "sweep", sensor.DefaultSweep, "targets on one port from which flow records are a sweep")
	set.IntVar(&f.opt.Reflectors, "reflectors", sensor.DefaultReflectors, "answering services from which flow records are abused reflectors")
	set.BoolVar(&f.all, "all", false, "put everything into the queue, whatever its direction and nature")
}

// settle turns the flags into options.
func (f *feeding) settle(cmd *cobra.Command) error {
	if !slices.Contains(sensor.Sources(), f.from) {
		return usage(cmd, "--from: %q is no feed that is known; known are %s", f.from, strings.Join(sensor.Sources(), ", "))
	}
	var ok bool
	if f.opt.Place, ok = sensor.PlaceByName(f.place); !ok {
		return usage(cmd, "--private: %q is neither inside nor outside", f.place)
	}
	for _, word := range f.natures {
		n, ok := hotline.HitNatureByName(word)
		if !ok {
			return usage(cmd, "--nature: %q is none of attack, reflector, infected, exposure, other", word)
		}
		f.opt.Natures = append(f.opt.Natures, n)
	}
	if f.countries != "" {
		var err error
		if f.opt.Countries, err = sensor.OpenCountries(f.countries); err != nil {
			return err
		}
	}
	if err := f.opt.Settle(); err != nil {
		return usage(cmd, "%v", err)
	}
	return nil
}

// feed reads a sensor's file and queues its hits.
func (s *seat) feed(ctx context.Context, path string, how *feeding) error {
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
	report, err := sensor.Read(how.from, in, territory, how.opt)
	if err != nil {
		return err
	}
	var list []hotline.Hit
	for _, h := range report.Hits {
		if how.all || how.opt.Rings(&h) {
			list = append(list, h)
		}
	}
	taken, receipts, sendErr := s.queue(ctx, list)
	view := map[string]any{"lines": report.Lines, "alerts": report.Events, "merged": report.Merged, "skipped": report.Skipped,
		"broken": report.Broken, "refused": report.Refused, "below": report.Below, "hits": plain(report.Hits), "queued": taken,
		"left_out": len(report.Hits) - len(list), "problems": plain(report.Problems), "receipts": plain(receipts)}
	err = s.show(view, func(w io.Writer) { writeFeed(s.sheet(w), &report, list, taken, receipts) })
	return errors.Join(sendErr, err)
}

func writeFeed(p *sheet, r *sensor.Report, list []hotline.Hit, taken int, receipts []signedReceipt) {
	var keys []string // by which the group knows those that it took
	for i := range receipts {
		keys = append(keys, receipts[i].Keys...)
	}
	for i := range list {
		key, mark := list[i].Key, "NOT QUEUED"
		if i < min(taken, len(keys)) {
			key, mark = keys[i], "queued"
		}
		p.line(key[:12], mark, p.hit(&list[i]))
	}
	for _, broken := range r.Problems {
		fmt.Fprintf(p.w, "line %d: %s\n", broken.Line, broken.Text)
	}
	if r.Below > 0 {
		fmt.Fprintf(p.w, "%d events were too few of a kind for a hit\n", r.Below)
	}
	for i := range receipts {
		fmt.Fprintf(p.w, "receipt: %d hits wait at %s since %s, signed by the group\n", len(receipts[i].Keys), receipts[i].Node, clock(receipts[i].Time))
	}
	fmt.Fprintf(p.w, "%d lines: %d alerts, %d of them merged, %d skipped, %d broken; %d hits, %d queued, %d left out\n",
		r.Lines, r.Events, r.Merged, r.Skipped, r.Broken, len(r.Hits), taken, len(r.Hits)-len(list))
}

// signedReceipt is what a receipt for hits says, beside the bytes that prove it.
type signedReceipt struct {
	hotline.HitReceipt
	Raw []byte `json:"raw"`
}

// queue puts hits into triage in requests that fit a message. It tells how many were taken, and what the group has signed for them.
func (s *seat) queue(ctx context.Context, list []hotline.Hit) (taken int, receipts []signedReceipt, err error) {
	for taken < len(list) {
		n, size := 0, 0
		for taken+n < len(list) && n < hitsAtOnce {
			size += len(hotline.MustMarshal(&list[taken+n]))
			if n > 0 && size > hotline.MaxDeskMessage/2 {
				break
			}
			n++
		}
		part := list[taken : taken+n]
		r, err := s.do(ctx, &desk.Request{Hits: &desk.HitsRequest{Hits: part}})
		if r != nil && r.Hits != nil && r.Hits.Taken > 0 {
			receipt, bad := s.receiptFor(part[:min(n, int(r.Hits.Taken))], r.Hits.Receipt)
			if bad != nil {
				return taken, receipts, errors.Join(err, bad)
			}
			taken += min(n, int(r.Hits.Taken))
			receipts = append(receipts, *receipt)
		}
		if err != nil {
			return taken, receipts, err
		}
		if r.Hits == nil || r.Hits.Taken != uint64(n) {
			return taken, receipts, fmt.Errorf("%w: hits were neither taken nor refused", desk.ErrAnswer)
		}
	}
	return taken, receipts, nil
}

// receiptFor checks that the group has signed for exactly these hits.
func (s *seat) receiptFor(hits []hotline.Hit, raw []byte) (*signedReceipt, error) {
	r, err := hotline.OpenHitReceipt(raw, s.page().Service)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", desk.ErrAnswer, err)
	}
	if r.Party != s.party() || r.Convention != s.docs.Convention().ID || r.From != s.self.Name || r.Digest != hotline.HitsDigest(hits) || len(r.Keys) != len(hits) {
		return nil, fmt.Errorf("%w: the receipt is for other hits", desk.ErrAnswer)
	}
	return &signedReceipt{*r, raw}, nil
}
