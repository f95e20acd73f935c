package testnet_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/audit"
	"example.org/hotline/testnet"
)

// evidence is all that the checks of a run look at.
type evidence struct {
	logs    testnet.Logs
	outages map[hotline.Party][]outage
	heard   []heard
	found   []audit.Observation
	shown   open
}

// checks are the promises, by name.
var checks = map[string]func(*evidence) error{
	"logs":     func(e *evidence) error { return e.logs.Check() },
	"prompt":   func(e *evidence) error { return checkPrompt(e.logs, e.outages) },
	"pages":    func(e *evidence) error { return checkPages(e.heard) },
	"verdicts": func(e *evidence) error { return checkVerdicts(e.logs, e.found, e.shown) },
	"pairs":    func(e *evidence) error { return checkPairs(e.logs, virtualTerms()) },
}

// copied is evidence that may be doctored.
func (e *evidence) copied(t *testing.T) *evidence {
	c := &evidence{testnet.Logs{}, maps.Clone(e.outages), slices.Clone(e.heard), slices.Clone(e.found), open{}}
	for party, log := range e.logs {
		var raw [][]byte
		for _, x := range log {
			raw = append(raw, x.Raw)
		}
		var err error
		if c.logs[party], err = testnet.ReadLog(raw); err != nil {
			t.Fatal(err)
		}
	}
	for party, list := range e.shown {
		c.shown[party] = maps.Clone(list)
	}
	return c
}

// pick finds the last due entry of XB that fits.
func (e *evidence) pick(t *testing.T, fits func(*hotline.Due) bool) (int, *testnet.Logged, *hotline.Due) {
	log := e.logs["XB"]
	for i := len(log) - 1; i >= 0; i-- {
		if d, ok := log[i].Content.(*hotline.Due); ok && fits(d) {
			return i, &log[i], d
		}
	}
	t.Fatal("there is no such clock in the log: let the network live longer")
	return 0, nil, nil
}

func acknowledging(d *hotline.Due) bool { return d.Duty == hotline.DutyAcknowledge && d.Permille > 0 }

// planted proves each check: one thing in the evidence of a sound run is made wrong, and the check that is there for it says so.
func planted(t *testing.T, sound *evidence) {
	for _, c := range []struct {
		name, check, want string
		doctor            func(*testing.T, *evidence)
	}{
		{"a clock that did not fire", "logs", "fired 0 times", func(t *testing.T, e *evidence) {
			i, _, _ := e.pick(t, acknowledging)
			e.logs["XB"] = slices.Delete(e.logs["XB"], i, i+1)
		}},
		{"a clock that fired twice", "logs", "fired 2 times", func(t *testing.T, e *evidence) {
			i, x, _ := e.pick(t, acknowledging)
			e.logs["XB"] = slices.Insert(e.logs["XB"], i, *x)
		}},
		{"a clock that fired for another time", "logs", "which no open duty has", func(t *testing.T, e *evidence) {
			_, _, d := e.pick(t, acknowledging)
			d.Due--
		}},
		{"a clock of what was never owed", "logs", "which no open duty has", func(t *testing.T, e *evidence) {
			_, _, d := e.pick(t, acknowledging)
			d.Subject[0]++
		}},
		{"a clock before its time", "logs", "too early", func(t *testing.T, e *evidence) {
			_, x, d := e.pick(t, acknowledging)
			x.Entry.Time = d.Due - 1
		}},
		{"a clock that was committed late", "prompt", "no leader was missing", func(t *testing.T, e *evidence) {
			_, x, d := e.pick(t, acknowledging)
			x.Entry.Time, e.outages["XB"] = d.Due+promptly+1, nil
		}},
		{"a clock that a new leader let lie", "prompt", "no leader was missing", func(t *testing.T, e *evidence) {
			_, x, d := e.pick(t, acknowledging)
			e.outages["XB"] = []outage{{d.Due - 10*promptly, d.Due + 10*promptly}}
			x.Entry.Time = d.Due + 10*promptly + soon + 1
		}},
		{"a page after the thing was done", "pages", "which was done", func(t *testing.T, e *evidence) {
			i := slices.IndexFunc(e.heard, func(x heard) bool { return !x.page })
			x := e.heard[i]
			x.page = true
			e.heard = slices.Insert(e.heard, i+1, x)
		}},
		{"a leader that wakes somebody after the thing was done", "pages", "which was done", func(t *testing.T, e *evidence) {
			x := e.heard[slices.IndexFunc(e.heard, func(x heard) bool { return !x.page })]
			x.page, x.told, x.at = true, false, x.at+soon+1
			e.heard = append(e.heard, x)
		}},
		{"a lapse that the auditor overlooks", "verdicts", "the auditor says 0, false", func(_ *testing.T, e *evidence) {
			e.found = slices.Delete(e.found, e.lapse(), e.lapse()+1)
		}},
		{"a lapse that the auditor makes up", "verdicts", "and the statements do not", func(t *testing.T, e *evidence) {
			x := e.found[e.lapse()]
			x.Due++
			e.found = append(e.found, x)
		}},
		{"another end of a lapse", "verdicts", "the auditor says", func(_ *testing.T, e *evidence) { e.found[e.lapse()].Done++ }},
		{"a broken rule", "verdicts", "the auditor observes", func(_ *testing.T, e *evidence) {
			e.found = append(e.found, audit.Observation{Class: audit.Protocol, Code: audit.DecisionDiffers, Party: "XB"})
		}},
		{"an overdue duty that the nodes hide", "verdicts", "show it as open and overdue: false", func(t *testing.T, e *evidence) {
			for party := range e.shown {
				e.shown[party] = nil
			}
		}},
		{"an acknowledgement that its sender's log lacks", "pairs", "acknowledged late", func(t *testing.T, e *evidence) {
			e.forget(t)
		}},
	} {
		t.Run(strings.ReplaceAll(c.name, " ", "_"), func(t *testing.T) {
			e := sound.copied(t)
			c.doctor(t, e)
			if err := checks[c.check](e); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("want %q of the check of %s, which says: %v", c.want, c.check, err)
			}
		})
	}
}

// lapse finds a lapse of a duty that the verdicts follow.
func (e *evidence) lapse() int {
	return slices.IndexFunc(e.found, func(o audit.Observation) bool {
		return o.Code == audit.AcknowledgeOverdue || o.Code == audit.AssessOverdue
	})
}

// forget takes the first acknowledgement that was given in time out of the log of whoever gave it.
func (e *evidence) forget(t *testing.T) {
	for party, log := range e.logs {
		held, err := holdings(log)
		if err != nil {
			t.Fatal(err)
		}
		for k, a := range held {
			due := a.received + hotline.Time(virtualTerms().Acknowledge.At(a.precedence))
			if a.received == 0 || a.acknowledged == 0 || a.acknowledged >= due || due > log[len(log)-1].Entry.Time-day {
				continue
			}
			e.logs[k.at] = slices.DeleteFunc(e.logs[k.at], func(x testnet.Logged) bool {
				s, ok := x.Content.(*hotline.Sent)
				if !ok {
					return false
				}
				st, err := hotline.Parse(s.Statement)
				return err == nil && st.Header.Kind == hotline.KindAcknowledgement && *st.Header.Re == k.id && st.Header.To[0] == party
			})
			return
		}
	}
	t.Fatal("nothing was acknowledged in time: let the network live longer")
}
