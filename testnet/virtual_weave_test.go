package testnet_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/audit"
	"example.org/hotline/hotline/hotlinetest"
	"example.org/hotline/testnet"
)

const (
	provableParties = 5
	provableRounds  = 3
	provableMedian  = 15 * time.Second
	// an officer works on a notification for so long, in a group in which nothing else happens
	longWork = 12 * time.Minute
)

// Promise: with the links up, signatures of other parties alone tell when a notification was logged to within 15 s in the median, however
// long the work on it took and although nothing else happened meanwhile (SPEC §7.10, §7.13); by the sender's log alone as well.
func TestNotificationsHaveANarrowProvableInterval(t *testing.T) {
	dir := fastDir(t)
	var w *world
	var logs testnet.Logs
	var dirs []string
	synctest.Test(t, func(t *testing.T) {
		terms := hotlinetest.Terms("crisis")
		terms.LineTest, terms.WatchTest = 0, 0
		w = makeWorldOf(t, dir, 1, terms, true, slices.Repeat([]int{1}, provableParties)...)
		defer w.close()
		for _, p := range w.parties {
			p.start(p.seats[0])
		}
		time.Sleep(wary)
		for round := range provableRounds {
			p, to := w.parties[round], w.parties[(round+2)%provableParties]
			p.notifies(to.Code)
		}
		logs, dirs = w.export()
	})
	together := w.widths(t, logs, dirs)
	alone := []time.Duration{}
	for _, d := range dirs {
		alone = append(alone, w.widths(t, logs, []string{d})...)
	}
	for name, list := range map[string][]time.Duration{"all logs": together, "the sender's log alone": alone} {
		slices.Sort(list)
		t.Logf("by %s: %v", name, list)
		if len(list) != provableRounds {
			t.Fatalf("by %s %d of %d notifications have a provable interval", name, len(list), provableRounds)
		}
		if median := list[len(list)/2]; median > provableMedian {
			t.Errorf("by %s the median provable interval is %v", name, median)
		}
	}
}

// notifies lets the officers of a party see something, work on it for long, twice, and then warn another party.
func (p *party) notifies(to hotline.Party) {
	random := rand.New(rand.NewPCG(uint64(p.code), 1))
	work := func() { time.Sleep(longWork + time.Duration(random.Int64N(int64(30*time.Second)))) }
	notify := []hotline.Party{to}
	p.hand(func() *hotline.Statement { return p.Detection(p.w.now()) }, func(d *hotline.Statement) {
		work()
		p.hand(func() *hotline.Statement { return p.Assessment(p.w.now(), d, notify) }, func(a *hotline.Statement) {
			work()
			p.hand(func() *hotline.Statement { return p.Alert(p.w.now(), a, notify) }, nothing)
		})
	})
	time.Sleep(wary)
}

// widths audits logs, and returns the widths of the provable intervals of the alerts in those that are given.
func (w *world) widths(t *testing.T, logs testnet.Logs, dirs []string) (list []time.Duration) {
	t.Helper()
	r, err := audit.Replay(context.Background(), dirs, audit.Options{Convention: w.parties[0].Convention.ID, TempDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for _, o := range r.Observations {
		if o.Class == audit.Protocol {
			t.Errorf("%s: %s", o.Code, o.Text)
		}
	}
	for _, log := range r.Logs {
		for i, e := range logs[log.Party] {
			sent, ok := e.Content.(*hotline.Sent)
			if !ok {
				continue
			}
			st, err := hotline.Parse(sent.Statement)
			if err != nil {
				t.Fatal(err)
			}
			if st.Header.Kind != hotline.KindAlert {
				continue
			}
			provable, err := r.Interval(log.Party, log.Generation, uint64(i))
			if err != nil {
				t.Fatal(err)
			}
			width, ok := provable.Width()
			t.Logf("alert of %s: anchor of %d bytes; %+v", log.Party, len(sent.Anchor), provable)
			if ok {
				list = append(list, width)
			}
		}
	}
	return list
}
