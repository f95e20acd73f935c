package node_test

import (
	"testing"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/desk"
	"example.org/hotline/hotline/hotlinetest"
	"example.org/hotline/hotline/node"
)

func (p *party) line(t *testing.T, i int) *desk.PeerView {
	t.Helper()
	re, err := p.ask(t, i, &desk.Request{Status: &desk.StatusRequest{}})
	if err != nil {
		t.Fatal(err)
	}
	return &re.Status.Peers[0]
}

// figures reads the gauges and counters of one name, by the values of their labels.
func figures(t *testing.T, n *node.Node, name string) map[string]float64 {
	t.Helper()
	families, err := n.Registry().Gather()
	if err != nil {
		t.Fatal(err)
	}
	list := map[string]float64{}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			key := ""
			for _, l := range m.GetLabel() {
				key += " " + l.GetName() + "=" + l.GetValue()
			}
			list[key] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	return list
}

// Promise: line tests enter the receiver's group by each of its nodes in turn, and status and figures show which node took them.
func TestLineTestsEnterByEachNode(t *testing.T) {
	t.Parallel()
	terms := hotlinetest.Terms("crisis")
	terms.LineTest, terms.LineReply = 1000, 5000
	w := newNetwork(t, terms, 3, "XA", "XB")
	w.ready()
	a := w.parties["XA"]
	seen := a.watch(t, 0)
	for done := false; !done; {
		wait(t, seen, func(e desk.Event) bool { return e.Type == desk.EventSettled && e.Kind == hotline.KindLineTest })
		v := a.line(t, a.leader(t))
		done = len(v.Nodes) == 3
		for _, x := range v.Nodes {
			done = done && x.Taken > 0 && x.TakenAt > 0 && x.Link == desk.LinkUp && x.Greeted > 0
		}
	}
	took := figures(t, a.nodes[a.leader(t)], "hotline_line_tests_total")
	for _, name := range []string{"XB-1", "XB-2", "XB-3"} {
		if took[" node="+name+" outcome=receipted peer=XB"] == 0 {
			t.Errorf("no line test by %s: %v", name, took)
		}
	}
}

// Promise: when line tests fail, the desk is woken for each direction, status and figures show it, and the next success ends it.
func TestDeadLineRingsAndStops(t *testing.T) {
	t.Parallel()
	terms := hotlinetest.Terms("crisis")
	terms.LineTest, terms.LineReply, terms.LineAlarm = 1000, 1000, 2
	w := prepare(t, terms, 1, "XA", "XB")
	a, b := w.parties["XA"], w.parties["XB"]
	w.startAll(a)
	w.ready()
	answered, heard := a.watch(t, 0), a.watch(t, 0)
	rings := func(typ desk.EventType, d hotline.Duty) func(desk.Event) bool {
		return func(e desk.Event) bool { return e.Type == typ && e.Duty == d && e.Overdue && e.Peer == "XB" }
	}
	e := wait(t, answered, rings(desk.EventPage, hotline.DutyLineAnswered))
	if e.Office != "line" || len(e.Targets) == 0 || e.Status != hotline.Actual {
		t.Errorf("page %+v", e)
	}
	wait(t, heard, rings(desk.EventPage, hotline.DutyLineHeard))
	if v := a.line(t, 0); v.Link != desk.LinkDown || len(v.Rings) != 2 || v.Tested != 0 || v.Asked == 0 || v.Nodes[0].Error == "" {
		t.Errorf("line %+v", v)
	}
	if f := figures(t, a.nodes[0], "hotline_line_alarm"); f[" direction=answered peer=XB"] != 1 || f[" direction=heard peer=XB"] != 1 {
		t.Errorf("figures %v", f)
	}
	w.startAll(b)
	wait(t, answered, rings(desk.EventStop, hotline.DutyLineAnswered))
	wait(t, heard, rings(desk.EventStop, hotline.DutyLineHeard))
	if f := figures(t, a.nodes[0], "hotline_line_up"); f[" node=XB-1 peer=XB"] != 1 {
		t.Errorf("figures %v", f)
	}
}

// Promise: a watch test wakes a person, whose acknowledgement both sides hold by name.
func TestWatchTestIsAnsweredByName(t *testing.T) {
	t.Parallel()
	terms := hotlinetest.Terms("crisis")
	terms.WatchTest = 1000
	w := newNetwork(t, terms, 1, "XA", "XB")
	w.ready()
	a, b := w.parties["XA"], w.parties["XB"]
	seenA, seenB := a.watch(t, 0), b.watch(t, 0)
	e := wait(t, seenB, received(hotline.KindWatchTest))
	st, _ := b.statement(t, e.ID)
	b.submit(t, 0, b.Acknowledgement(now(), st))
	wait(t, seenA, received(hotline.KindAcknowledgement))
	there, here := a.line(t, 0).There, b.line(t, 0).Here
	if there.By != here.By || there.By == "" || there.At < here.At {
		t.Errorf("XA says %+v, XB %+v", there, here)
	}
}

// Promise: contact data that no directory confirmed for the term are an alarm, own and a peer's, and a page; a directory that
// confirms them ends it for that party alone.
func TestStaleContactsAreAnAlarm(t *testing.T) {
	t.Parallel()
	terms := hotlinetest.Terms("crisis")
	terms.Contacts = 3600_000
	w := newNetwork(t, terms, 1, "XA", "XB")
	w.ready()
	a := w.parties["XA"]
	a.untilAlarmed(t, "the contact data of XB were never confirmed")
	a.untilAlarmed(t, "the contact data of XA were never confirmed")
	seen := a.watch(t, 0)
	page := a.Page(2)
	page.Nodes, page.Issued = a.page.Nodes, now()
	page.Confirmed = page.Issued - 2*3600_000
	a.publish(t, a.SignDirectory(page))
	if e := wait(t, seen, func(e desk.Event) bool { return e.Type == desk.EventPage && e.Duty == hotline.DutyContacts }); !e.Overdue || e.Office != "contacts" {
		t.Errorf("page %+v", e)
	}
	a.untilAlarmed(t, "the contact data of XA were last confirmed 0 days ago")
	page.Number, page.Confirmed = 3, page.Issued
	a.publish(t, a.SignDirectory(page))
	wait(t, seen, func(e desk.Event) bool {
		return e.Type == desk.EventStop && e.Duty == hotline.DutyContacts && e.Overdue
	})
	if a.alarmed(t, "the contact data of XA") || !a.alarmed(t, "the contact data of XB") {
		t.Error("the wrong alarm ended")
	}
	confirmed := figures(t, a.nodes[0], "hotline_contacts_confirmed_seconds")
	if confirmed[" party=XA"] != float64(page.Confirmed)/1000 || confirmed[" party=XB"] != 0 {
		t.Errorf("figures %v", confirmed)
	}
}
