package config

import (
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"example.org/hotline/hotline"
	"example.org/hotline/ops/sensor"
)

// TestExampleSensorWorks defends the technician who takes the comment signs off: the sensor that the example file shows is a proper one.
func TestExampleSensorWorks(t *testing.T) {
	example, err := Example()
	if err != nil {
		t.Fatal(err)
	}
	c, err := Parse(regexp.MustCompile(`(?m)^#   `).ReplaceAll(example, nil))
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Sensors) != 1 || c.Sensors[0].File == "" {
		t.Fatalf("the example shows %+v", c.Sensors)
	}
	o, err := c.Sensors[0].Options()
	defaults := sensor.Options{Sensor: "border-1", Place: sensor.PlaceInside, MaxHits: sensor.MaxOpenHits, Signatures: []string{}, Ignore: []string{"SURICATA STREAM"}}
	if err := defaults.Settle(); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(o, defaults) {
		t.Errorf("but for what it ignores the example is not the default:\n%+v\n%+v", o, defaults)
	}
	if err != nil || o.Window != time.Hour || o.Natures[0] != hotline.HitAttack || o.Directions[0] != hotline.HitOutbound || len(o.Natures) != 1 {
		t.Errorf("%v: %+v", err, o)
	}
}

// TestSensorRulesHaveTheirMessages defends against a sensor that is found wanting only when it should ring: each rule can be broken, and
// says which key, and what to write.
func TestSensorRulesHaveTheirMessages(t *testing.T) {
	good := Sensor{Name: "border-1", Kind: "suricata", File: "eve.json"}
	for want, spoil := range map[string]func(*Sensor){
		`name: "Border"`:             func(s *Sensor) { s.Name = "Border" },
		"nfdump files do not grow":   func(s *Sensor) { s.Kind = "nfdump" },
		`kind: "zeek" is not known`:  func(s *Sensor) { s.Kind = "zeek" },
		"file: missing":              func(s *Sensor) { s.File = "" },
		`private: "ours" is neither`: func(s *Sensor) { s.Private = "ours" },
		"window 25h0m0s is out":      func(s *Sensor) { s.Window.Duration = 25 * time.Hour },
		"threshold -1 is out":        func(s *Sensor) { s.Threshold = -1 },
		`merge "colour" is unknown`:  func(s *Sensor) { s.Merge = []string{"colour"} },
		"ignore has 1 texts":         func(s *Sensor) { s.Ignore = []string{""} },
		`directions: "out" is none`:  func(s *Sensor) { s.Directions = []string{"out"} },
		`natures: "war" is none`:     func(s *Sensor) { s.Natures = []string{"war"} },
		"name: stands twice":         func(*Sensor) {},
	} {
		c := Config{Sensors: []Sensor{good}}
		if text := checkSensors(&c); text != "" {
			t.Fatalf("a good sensor is refused: %s", text)
		}
		bad := good
		spoil(&bad)
		c.Sensors = append(c.Sensors, bad)
		if text := checkSensors(&c); !strings.Contains(text, want) || !strings.Contains(text, "sensor 2") {
			t.Errorf("want %q, got %q", want, text)
		}
	}
}
