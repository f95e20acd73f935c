package testnet_test

import (
	"context"
	"flag"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/audit"
	"example.org/hotline/hotline/desk"
	"example.org/hotline/testnet"
)

var (
	virtualDays = flag.Int("virtual.days", 0, "days of virtual time of the test of obligations; 0: 2 with -short, else 30")
	virtualSeed = flag.Uint64("virtual.seed", 1, "seed of its plan")
)

// Promise: over 30 days of a network of five parties, with officers who are late or asleep, lines that are cut, and leaders and
// majorities that are lost, every clock of every duty fires once, never before its time, at most 2 s after it or 1 s after a new leader
// began; nobody is paged about a thing that was done; and the verdicts of the auditor, of the party and of the other side agree.
func TestObligationsOverAMonth(t *testing.T) {
	days := *virtualDays
	if days == 0 {
		if days = 30; testing.Short() {
			days = 2
		}
	}
	dir := fastDir(t)
	var w *world
	var logs testnet.Logs
	var dirs []string
	shown := open{}
	synctest.Test(t, func(t *testing.T) {
		w = makeWorld(t, dir, *virtualSeed, 3, 1, 1, 1, 1)
		defer func() {
			if t.Failed() {
				t.Logf("seed %d; the last of what happened:\n%s", *virtualSeed, w.history.last())
			}
		}()
		defer w.close()
		logs, dirs = w.live(days, shown)
	})
	w.judge(t, logs, dirs, shown)
}

// fastDir is a directory in memory where the machine has one: no power is cut here, and every entry is synced.
func fastDir(t *testing.T) string {
	if info, err := os.Stat("/dev/shm"); err != nil || !info.IsDir() {
		return t.TempDir()
	}
	dir, err := os.MkdirTemp("/dev/shm", "hotline-virtual-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// live runs the network for so many days, and then lets everything that is on its way arrive.
func (w *world) live(days int, shown open) (testnet.Logs, []string) {
	for _, p := range w.parties {
		p.down() // until its first leader acts
		for _, s := range p.seats {
			p.start(s)
		}
	}
	time.Sleep(wary)
	begin, awake := w.now(), time.Now()
	w.end = begin + hotline.Time(days)*day
	calm := w.end - day/8
	for _, p := range w.parties {
		p.duties(begin, w.end)
	}
	w.trouble(begin, calm)
	w.run(w.end)
	w.awake = time.Since(awake)
	for w.busy.Load() > 0 {
		time.Sleep(time.Second)
	}
	time.Sleep(wary)
	for _, p := range w.parties {
		shown[p.Code] = p.overdue()
	}
	return w.export()
}

// overdue are the duties that the group shows as open and overdue.
func (p *party) overdue() map[verdict]bool {
	r, err := p.ask(&desk.Request{Status: &desk.StatusRequest{}})
	p.w.must(err)
	if r.Status.MoreDuties > 0 {
		p.w.t.Fatalf("%s has more duties open than its status shows", p.Code)
	}
	list := map[verdict]bool{}
	for _, d := range r.Status.Duties {
		if d.Overdue && d.Class.Owned() && !d.Subject.IsZero() {
			list[verdict{d.Class, d.Subject, d.Peer, d.Deadline}] = true
		}
	}
	return list
}

// judge checks what is left of a run, and then the checks.
func (w *world) judge(t *testing.T, logs testnet.Logs, dirs []string, shown open) {
	found, err := audit.Replay(context.Background(), dirs, audit.Options{Convention: w.parties[0].Convention.ID, TempDir: w.dir})
	if err != nil {
		t.Fatal(err)
	}
	defer found.Close()
	e := &evidence{logs, map[hotline.Party][]outage{}, w.history.heard, found.Observations, shown}
	for _, p := range w.parties {
		e.outages[p.Code] = p.outages
	}
	for what, check := range checks {
		if err := check(e); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	w.tell(t, logs, len(found.Observations))
	if t.Failed() {
		t.Logf("seed %d; the last of what happened:\n%s", *virtualSeed, w.history.last())
		return
	}
	planted(t, e)
}

// tell says how much happened: a run in which nothing was late or lost proves nothing.
func (w *world) tell(t *testing.T, logs testnet.Logs, observed int) {
	count := map[string]int{}
	for _, log := range logs {
		for _, e := range log {
			switch c := e.Content.(type) {
			case *hotline.Due:
				count["clocks"]++
				if c.Overdue {
					count["overdue"]++
				}
			case *hotline.Sent:
				count["statements"]++
			case *hotline.Received:
				if c.Code != "" {
					count["rejected: "+string(c.Code)]++
				}
			}
			count["entries"]++
		}
	}
	for _, p := range w.parties {
		count["outages"] += len(p.outages)
	}
	for _, x := range w.history.heard {
		if x.page {
			count["pages"]++
		}
	}
	t.Logf("%v, %d lapses observed, %v of quiet skipped, %v not", count, observed, w.skipped.Round(time.Second), w.awake.Round(time.Second))
	for _, what := range []string{"clocks", "overdue", "outages", "pages"} {
		if count[what] == 0 {
			t.Errorf("there were no %s: the run proves nothing", what)
		}
	}
}
