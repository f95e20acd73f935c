package audit

import (
	"bytes"
	"encoding/json"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/hotlinetest"
)

// mixed is a story with everything that is told apart: an alert that is ACTUAL and
// late, an exercise beside it, a text with words, pages, and tests of the line.
func mixed(t testing.TB) *world {
	w := newWorld(t, terms(), "XA", "XB")
	w.wakes = true
	a, b := w.at("XA"), w.at("XB")
	for _, status := range []hotline.Status{hotline.Actual, hotline.Exercise} {
		of := hotlinetest.Status(status)
		d := a.submit(a.Detection(w.now, of))
		w.pass(70 * minute)
		a.tick()
		as := a.submit(a.Assessment(w.now, d, []hotline.Party{"XB"}, of))
		w.pass(minute)
		alert := a.submit(a.Alert(w.now, as, []hotline.Party{"XB"}, of))
		w.pass(minute / 2)
		a.send(alert, "XB")
		w.pass(45 * minute)
		b.tick()
		a.tick()
		b.acknowledge(alert)
	}
	for i := range MinTail {
		text := a.submit(a.Text(w.now, "XB", "Secret words of a person.", hotlinetest.Precedence(hotline.Routine)))
		w.pass(minute / 4)
		a.send(text, "XB")
		w.pass(hotline.Time(i+1) * minute)
		b.acknowledge(text)
	}
	return w
}

// Promise: figures tell each status apart, with exact delays where enough was done,
// and with counts alone where it was not.
func TestFiguresCountWhatWasDone(t *testing.T) {
	t.Parallel()
	w := mixed(t)
	s, err := audited(t, w.at("XA").export(), w.at("XB").export()).Statistics()
	if err != nil {
		t.Fatal(err)
	}
	tail := 19 * minute
	found := map[string]*DutyCount{}
	for i := range s.Duties {
		d := &s.Duties[i]
		found[strings.Join([]string{string(d.Party), d.Duty, d.Status, d.Precedence}, " ")] = d
		if d.Count != d.InTime+d.Late+d.NotDone+d.Running+d.Other {
			t.Errorf("%+v does not add up", d)
		}
	}
	for key, want := range map[string]DutyCount{
		"XB acknowledge ACTUAL ROUTINE":     {Count: 20, InTime: 20, Figures: &Figures{20, 1000, 10 * minute, &tail}},
		"XB acknowledge ACTUAL IMMEDIATE":   {Count: 1, Late: 1},
		"XB acknowledge EXERCISE IMMEDIATE": {Count: 1, Late: 1},
		"XA assess EXERCISE IMMEDIATE":      {Count: 1, Late: 1},
	} {
		d := found[key]
		if d == nil {
			t.Errorf("%s is not counted: %+v", key, s.Duties)
			continue
		}
		if d.Count != want.Count || d.InTime != want.InTime || d.Late != want.Late || !reflect.DeepEqual(d.Figures, want.Figures) {
			t.Errorf("%s: %+v, %+v", key, d, d.Figures)
		}
	}
}

// Promise: availability is the share of the tests that were answered.
func TestFiguresOfTheLine(t *testing.T) {
	t.Parallel()
	w := line(t)
	s, err := audited(t, w.at("XA").export(), w.at("XB").export()).Statistics()
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Lines) != 2 {
		t.Fatalf("%+v", s.Lines)
	}
	for _, l := range s.Lines {
		if l.Tests != l.Answered+l.Missed || (l.From == "XA") != (l.Missed > 0) || *l.Availability != 1000*l.Answered/l.Tests || l.MostInRow != l.Missed {
			t.Errorf("%+v", l)
		}
	}
}

// Promise: figures can be published: of what the material holds no word, id, person,
// node, case or moment stands in them, as text or as JSON.
func TestFiguresHoldNoContent(t *testing.T) {
	t.Parallel()
	w := mixed(t)
	r := audited(t, w.at("XA").export(), w.at("XB").export())
	s, err := r.Statistics()
	if err != nil {
		t.Fatal(err)
	}
	var text, machine bytes.Buffer
	if err := s.WriteText(&text, Text{}); err != nil {
		t.Fatal(err)
	}
	if err := s.WriteJSON(&machine); err != nil {
		t.Fatal(err)
	}
	forbidden := []string{"Secret", "words of", "person.", r.Convention[:12], "XA-", "XB-", w.at("XA").Name("1"), r.Logs[0].Root[:12], "desk", "mail", "full-XA"}
	for _, v := range all(t, r.Statements()) {
		forbidden = append(forbidden, v.ID[:12])
		if v.Case != "" {
			forbidden = append(forbidden, v.Case[3:15])
		}
	}
	if len(forbidden) < 20 {
		t.Fatal("the story has too few statements")
	}
	for _, out := range []string{text.String(), machine.String()} {
		for _, word := range forbidden {
			if strings.Contains(out, word) {
				t.Errorf("%q stands in\n%s", word, out)
			}
		}
		if found := regexp.MustCompile(`\d\d:\d\d|[0-9a-f]{12}`).FindString(out); found != "" {
			t.Errorf("a moment or an id: %q in\n%s", found, out)
		}
		for _, want := range []string{"XA", "XB", "alert", "ACTUAL", "EXERCISE", "acknowledge"} {
			if !strings.Contains(out, want) {
				t.Errorf("%q is missing in\n%s", want, out)
			}
		}
	}
	var again Statistics
	d := json.NewDecoder(&machine)
	d.DisallowUnknownFields()
	if err := d.Decode(&again); err != nil || len(again.Duties) != len(s.Duties) {
		t.Errorf("%v", err)
	}
}
