package node_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/desk"
	"example.org/hotline/hotline/hotlinetest"
	"example.org/hotline/hotline/node"
	"example.org/hotline/ops/config"
)

// eveLog is a sensor's file.
type eveLog struct {
	t    *testing.T
	path string
	n    int
}

// alert adds an alert that a host caused.
func (l *eveLog) alert(host string) {
	l.t.Helper()
	l.n++
	f, err := os.OpenFile(l.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = fmt.Fprintf(f, `{"timestamp":"2026-11-20T10:00:00.%06d+0000","flow_id":%d,"event_type":"alert","src_ip":%q,"src_port":4000,`+
			`"dest_ip":"203.0.113.5","dest_port":502,"proto":"TCP","alert":{"action":"allowed","signature":"ET SCAN x","category":"c"}}`+"\n", l.n, l.n, host)
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		l.t.Fatal(err)
	}
}

func (p *party) waiting(t *testing.T, i int) []hotline.Hit {
	t.Helper()
	r, err := p.ask(t, i, &desk.Request{Triage: &desk.TriageRequest{}})
	if err != nil {
		t.Fatal(err)
	}
	return r.Triage.Hits
}

// Promise: what a sensor writes waits in triage and wakes, whichever node follows
// the file; across rotation and restart no hit is lost, and none that an operator
// has looked at rings again.
func TestSensorFileIsFollowed(t *testing.T) {
	t.Parallel()
	w := prepare(t, hotlinetest.Terms("crisis"), 3, "XA", "XB")
	p := w.parties["XA"]
	log := &eveLog{t: t, path: filepath.Join(t.TempDir(), "eve.json")}
	log.alert("198.51.100.5")
	log.alert("203.0.113.99") // foreign: rings nowhere
	for _, c := range p.cfgs {
		c.Territory.Prefixes = []string{"198.51.100.0/24"}
	}
	p.cfgs[2].Sensors = []config.Sensor{{Name: "border-1", Kind: "suricata", File: log.path}}
	for _, c := range p.cfgs[:2] {
		p.nodes = append(p.nodes, w.start(c))
	}
	p.nodes = p.nodes[:2]
	w.ready()
	wakes := p.watch(t, 0)
	last := w.start(p.cfgs[2])
	rung := func(e desk.Event) bool { return e.Type == desk.EventWake && len(e.Text) == hotline.HitKeyLength }
	first := wait(t, wakes, rung).Text
	hits := p.waiting(t, 0)
	if len(hits) != 1 || hits[0].Key != first || hits[0].Sensor != "border-1" || hits[0].From[0] != "198.51.100.5" ||
		hits[0].Nature != hotline.HitAttack || hits[0].Territory == "" {
		t.Fatalf("in triage: %+v", hits)
	}
	if _, err := p.ask(t, 0, &desk.Request{Dismiss: &desk.DismissRequest{Key: first}}); err != nil {
		t.Fatal(err)
	}
	// The desk hears of the hit before the node that handed it in hears that it is committed, and saves its place.
	appears(t, filepath.Join(p.cfgs[2].Data, "sensor-border-1.json"))
	if err := last.Close(); err != nil {
		t.Fatal(err)
	}
	log.alert("198.51.100.5") // belongs to the hit that was dismissed
	log.alert("198.51.100.6")
	if err := os.Rename(log.path, log.path+".1"); err != nil {
		t.Fatal(err)
	}
	log.alert("198.51.100.7")
	w.start(p.cfgs[2])
	got := []string{wait(t, wakes, rung).Text, wait(t, wakes, rung).Text}
	hits = p.waiting(t, 0)
	if len(hits) != 2 || hits[0].From[0] != "198.51.100.6" || hits[1].From[0] != "198.51.100.7" || slices.Contains(got, first) {
		t.Errorf("in triage: %+v", hits)
	}
}

// Promise: a node does not start with a sensor that it could never judge.
func TestSensorsAreCheckedBeforeTheStart(t *testing.T) {
	t.Parallel()
	w := prepare(t, hotlinetest.Terms("crisis"), 1, "XA", "XB")
	c := w.parties["XA"].cfgs[0]
	for name, spoil := range map[string]func(){
		"a table that is none":  func() { c.Territory.Countries = filepath.Join(w.docs, "convention-1.cbor") },
		"a prefix that is none": func() { c.Territory.Prefixes = []string{"x"} },
	} {
		c.Territory = config.Territory{}
		if err := node.CheckSensors(c); err != nil {
			t.Fatal(err)
		}
		if spoil(); node.CheckSensors(c) == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

// appears waits until a file is there.
func appears(t *testing.T, path string) {
	t.Helper()
	limit := time.NewTimer(deadline)
	defer limit.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := os.Stat(path); err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-limit.C:
			t.Fatalf("%s does not appear", path)
		}
	}
}
