package node

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/ledger"
	"example.org/hotline/ops/config"
	"example.org/hotline/ops/sensor"
)

// Step 1 of a notification: this node follows the files of its sensors and puts
// what may be an attack out of the territory into the group's triage queue. The
// place in a file is saved only when the group has committed the hits before it;
// what is read again after a crash has the same keys.

// Bounds of following sensors.
const (
	sensorPoll  = 500 * time.Millisecond // how often a file is looked at
	sensorRetry = time.Second            // pause after what the group could not take, or the disk
)

// feed is one sensor's file, and what this node has told of it.
type feed struct {
	name    string
	file    *sensor.Feed
	counted sensor.Stats // in the metrics
	trouble string       // last one that was logged
}

// openFeeds opens the sensors' files. An error means that the configuration does not
// fit this machine.
func openFeeds(cfg *config.Config) (list []*feed, lost []error, err error) {
	territory, err := sensor.NewPrefixes(cfg.Territory.Prefixes)
	if err != nil {
		return nil, nil, err
	}
	var countries *sensor.Countries
	if cfg.Territory.Countries != "" {
		if countries, err = sensor.OpenCountries(cfg.Territory.Countries); err != nil {
			return nil, nil, err
		}
	}
	for i := range cfg.Sensors {
		s := &cfg.Sensors[i]
		o, err := s.Options()
		if err != nil {
			return nil, nil, fmt.Errorf("sensor %s: %w", s.Name, err)
		}
		o.Countries = countries
		file, err := sensor.OpenFeed(sensor.FeedConfig{Source: s.Kind, Path: s.File, State: filepath.Join(cfg.Data, "sensor-"+s.Name+".json"),
			Territory: territory, Options: o})
		if file == nil {
			return nil, nil, fmt.Errorf("sensor %s: %w", s.Name, err)
		}
		if err != nil {
			lost = append(lost, fmt.Errorf("sensor %s: %w", s.Name, err))
		}
		list = append(list, &feed{name: s.Name, file: file})
	}
	return list, lost, nil
}

// followSensors begins to follow the sensors' files; Close ends it.
func (n *Node) followSensors() error {
	list, lost, err := openFeeds(n.cfg)
	if err != nil {
		return err
	}
	for _, err := range lost {
		n.log.Error("a place in a sensor's file is lost", "why", err)
	}
	if len(list) > 0 && len(n.cfg.Territory.Prefixes) == 0 {
		n.log.Warn("no territory is configured: of no hit can it be said that it left it")
	}
	for _, f := range list {
		n.spawn(func(ctx context.Context) { n.keepFollowing(ctx, f) })
	}
	return nil
}

// keepFollowing reads one file until ctx ends.
func (n *Node) keepFollowing(ctx context.Context, f *feed) {
	defer func() {
		if err := f.file.Close(n.opt.Now()); err != nil {
			n.log.Error("the place in a sensor's file is not saved: it is read again from the last one that was", "sensor", f.name, "why", err)
		}
	}()
	for ctx.Err() == nil {
		hits, more, err := f.file.Poll(n.opt.Now())
		n.countFeed(f)
		f.say(n, "a sensor's file cannot be read", err)
		if !n.handInAll(ctx, f, hits) {
			return
		}
		if failed := f.file.Commit(n.opt.Now()); failed != nil {
			f.say(n, "the place in a sensor's file cannot be saved", failed)
			err = failed
		}
		switch {
		case err != nil:
			pause(ctx, sensorRetry)
		case !more:
			pause(ctx, sensorPoll)
		}
	}
}

// say logs trouble once, until it changes or ends.
func (f *feed) say(n *Node, what string, err error) {
	text := ""
	if err != nil {
		text = what + err.Error()
	}
	if text != f.trouble && err != nil {
		n.log.Error(what, "sensor", f.name, "why", err)
	}
	f.trouble = text
}

// handInAll puts hits into triage and tries until the group has committed all of
// them; false: ctx has ended before.
func (n *Node) handInAll(ctx context.Context, f *feed, hits []hotline.Hit) bool {
	for i := 0; i < len(hits) && ctx.Err() == nil; {
		err := n.handIn(ctx, &hits[i])
		switch hotline.CodeOf(err) {
		case "":
			n.metrics.sensorHits.WithLabelValues(f.name, "taken").Inc()
			i++
		case hotline.CodeMalformed, hotline.CodeTooLarge:
			// Waiting would not mend it, and would keep the next ones from the queue.
			n.log.Error("a sensor's hit is refused", "sensor", f.name, "key", hits[i].Key, "why", err)
			n.metrics.sensorHits.WithLabelValues(f.name, "refused").Inc()
			i++
		default:
			f.say(n, "a sensor's hits wait: the group does not take them", err)
			pause(ctx, sensorRetry)
		}
	}
	return ctx.Err() == nil
}

// handIn puts one hit into triage. A full queue is not asked: what finds no place
// there is counted as lost, and this hit is not lost.
func (n *Node) handIn(ctx context.Context, h *hotline.Hit) error {
	var full bool
	n.machine.view(func(s *ledger.State) { full = len(s.Triage()) >= hotline.MaxTriage && !s.Waits(h.Key) })
	if full {
		return hotline.Refuse(hotline.CodeBusy, "%d hits wait in triage; adopt or dismiss some", hotline.MaxTriage)
	}
	return n.askLeader(ctx, &ask{Command: &ledger.Command{Type: ledger.Hit, Hit: h}}).err()
}

// countFeed brings the metrics up to what was read.
func (n *Node) countFeed(f *feed) {
	now, old := f.file.Stats(), f.counted
	for what, grown := range map[string]uint64{"alert": now.Events - old.Events, "skipped": now.Skipped - old.Skipped, "broken": now.Broken - old.Broken} {
		n.metrics.sensorLines.WithLabelValues(f.name, what).Add(float64(grown))
	}
	n.metrics.sensorHits.WithLabelValues(f.name, "left-out").Add(float64(now.LeftOut - old.LeftOut))
	n.metrics.sensorGaps.WithLabelValues(f.name).Add(float64(now.Gaps - old.Gaps))
	if now.Gaps > old.Gaps {
		n.log.Error("lines of a sensor may be lost: its file was rotated away and the rest is not beside it", "sensor", f.name)
	}
	if now.Broken > old.Broken {
		n.log.Warn("a sensor's lines cannot be used", "sensor", f.name, "lines", now.Broken-old.Broken, "last", now.Problem)
	}
	f.counted = now
}

// CheckSensors opens what the sensors of a configuration need, without following
// anything.
func CheckSensors(cfg *config.Config) error {
	list, lost, err := openFeeds(cfg)
	for _, f := range list {
		f.file.Discard()
	}
	if err == nil && len(lost) > 0 {
		err = lost[0]
	}
	return err
}
