package testnet_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/hotlinetest"
	"example.org/hotline/testnet"
)

const (
	quietParties = 20
	quietHours   = 4
	hour         = day / 24
	// between two looks of quietPace the clocks of all nodes are set forward over all but quietAwake: then every node does what its own
	// waits would have had it do.
	quietPace  = hotline.Time(10 * 60_000)
	quietAwake = 20 * time.Second
)

// Promise: traffic quiesces. 20 parties that witness each other, in whose network nobody says anything and no line is tested, make no
// more than one witnessed entry each in an hour, with the clock entry that gives it its time, no more entries than there are hours, and
// soon none at all: what a witness records calls for no new checkpoint, which another witness would record.
//
// Idle means: the terms know no tests of lines and watches, which make entries for each pair and hour, and no deadline is open. All
// else is as always: links, hellos, checkpoints, cosignatures of 7 witnesses for each log.
func TestIdleNetworkFallsSilent(t *testing.T) {
	dir := fastDir(t)
	synctest.Test(t, func(t *testing.T) {
		terms := hotlinetest.Terms("crisis")
		terms.LineTest, terms.WatchTest = 0, 0
		parties := quietParties
		if testing.Short() {
			parties = 5
		}
		w := makeWorldOf(t, dir, 1, terms, true, slices.Repeat([]int{1}, parties)...)
		defer w.close()
		for _, p := range w.parties {
			p.start(p.seats[0])
		}
		time.Sleep(wary)
		begin := w.now()
		w.end = begin + quietHours*hour
		for at := begin; at < w.end; at += quietPace {
			w.at(at, func() { time.Sleep(quietAwake) })
		}
		w.run(w.end)
		logs, _ := w.export()
		for _, p := range w.parties {
			p.fellSilent(logs[p.Code], begin)
		}
	})
}

// fellSilent holds the log of an idle party to the promise.
func (p *party) fellSilent(log []testnet.Logged, begin hotline.Time) {
	var hours [quietHours]map[string]int
	for i := range hours {
		hours[i] = map[string]int{}
	}
	heads := map[hotline.Party]bool{}
	for i, e := range log {
		if w, ok := e.Content.(*hotline.Witnessed); ok {
			for _, h := range w.Heads {
				heads[h.Party] = true
			}
		}
		if e.Entry.Time < begin {
			continue
		}
		h := hours[(e.Entry.Time-begin)/hour]
		switch e.Content.(type) {
		case *hotline.Witnessed:
			h["witnessed"]++
		case *hotline.Clock:
			h["clock"]++
		default:
			p.w.t.Errorf("entry %d of %s, of an idle network, is a %T", i, p.Code, e.Content)
		}
	}
	p.w.t.Logf("%s: %d entries, witnessed %d logs, by hour %v", p.Code, len(log), len(heads), hours)
	entries := 0
	for i, h := range hours {
		entries += h["witnessed"] + h["clock"]
		if h["witnessed"] > 1 || h["clock"] > h["witnessed"] || i > 1 && len(h) > 0 {
			p.w.t.Errorf("hour %d of %s: %v", i+1, p.Code, h)
		}
	}
	if entries > quietHours {
		p.w.t.Errorf("%s has made %d entries in %d hours of an idle network", p.Code, entries, quietHours)
	}
	if len(heads) == 0 {
		p.w.t.Errorf("%s has witnessed nobody: the run proves nothing", p.Code)
	}
}
