package config

import (
	"bytes"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"example.org/hotline/hotline"
	"example.org/hotline/ops/sensor"
)

// MaxSensors bounds the feeds that one node follows.
const MaxSensors = 16

// Territory is what decides on which side of the border an address is.
type Territory struct {
	Prefixes  []string `toml:"prefixes" doc:"The party's own networks in CIDR notation, such as 198.51.100.0/24. They alone decide what left the territory; every hit names the list by its hash. At most 100000."`
	Countries string   `toml:"countries" doc:"File with a table of countries in the MaxMind DB format. What it says of the addresses of a hit is written beside the hit, with the table's date: a hint, never a decision. Empty: none."`
}

// Sensor is one file that grows and that the daemon follows.
type Sensor struct {
	Name       string   `toml:"name" show:"border-1" doc:"Name of the sensor, unique in this file, as it stands in hits: 2 to 32 lower-case letters, digits and hyphens, beginning with a letter."`
	Kind       string   `toml:"kind" show:"suricata" doc:"suricata (EVE JSON) or intelmq (one event a line). nfdump writes a file for each interval: hotline detect reads it."`
	File       string   `toml:"file" show:"/var/log/suricata/eve.json" doc:"File that grows. It may be rotated by renaming or by copying and truncating; leave the newest rotated files uncompressed (logrotate: delaycompress)."`
	Private    string   `toml:"private" show:"inside" doc:"Private addresses in this feed are inside or outside the territory. Absent: they decide nothing."`
	Window     Duration `toml:"window" show:"1h" doc:"Events of one kind from one source, no further than this from the first, are one hit. 1s to 24h; 1h if absent."`
	Threshold  int      `toml:"threshold" show:"1" doc:"Events from which there is a hit. 1 to 4096; 1 if absent."`
	Merge      []string `toml:"merge" show:"family" doc:"What separates hits beside source, direction, nature and evidence: family (what the rules are for), port, destination. Absent: family."`
	Signatures []string `toml:"signatures" doc:"Beginnings, in whole words, of the signatures or categories that count. Absent or empty: all."`
	Ignore     []string `toml:"ignore" show:"SURICATA STREAM" doc:"Beginnings of those that do not count, whatever signatures says."`
	Lists      []string `toml:"lists" show:"ET CINS;ET DROP;ET COMPROMISED;ET TOR;ET 3CORESec;ET CNC Shadowserver;ET CNC Feodo;ET RBN" doc:"Beginnings of those that match an address only because it stands on a list: weak evidence, kept apart. Absent: those of Emerging Threats, below."`
	Attacks    []string `toml:"attacks" show:"brute-force;ddos;dos;exploit;ids-alert;sabotage;scanner;sniffing" doc:"Of intelmq: the classification types that may be attacks. Absent: those below."`
	Directions []string `toml:"directions" show:"outbound;unconfirmed" doc:"Directions that go into the triage queue and ring: outbound, inbound, internal, foreign, unconfirmed. Absent: outbound, unconfirmed."`
	Natures    []string `toml:"natures" show:"attack" doc:"Natures that do: attack, reflector (abused for amplification), infected (called a sinkhole), exposure (an open service), other. Absent: attack."`
}

// Options are the options of the reader, without the table of countries. The error names the key.
func (s *Sensor) Options() (sensor.Options, error) {
	o := sensor.Options{Sensor: s.Name, Window: s.Window.Duration, Threshold: s.Threshold, Merge: s.Merge, Signatures: s.Signatures,
		Ignore: s.Ignore, Lists: s.Lists, Attacks: s.Attacks, MaxHits: sensor.MaxOpenHits}
	var ok bool
	if o.Place, ok = sensor.PlaceByName(s.Private); !ok {
		return o, fmt.Errorf("private: %q is neither inside nor outside", s.Private)
	}
	for _, word := range s.Directions {
		d := hotline.HitOutbound
		for ; d <= hotline.HitUnconfirmed && d.String() != word; d++ {
		}
		if d > hotline.HitUnconfirmed {
			return o, fmt.Errorf("directions: %q is none of outbound, inbound, internal, foreign, unconfirmed", word)
		}
		o.Directions = append(o.Directions, d)
	}
	for _, word := range s.Natures {
		n, ok := hotline.HitNatureByName(word)
		if !ok {
			return o, fmt.Errorf("natures: %q is none of attack, reflector, infected, exposure, other", word)
		}
		o.Natures = append(o.Natures, n)
	}
	return o, o.Settle()
}

func (s *Sensor) check() string {
	switch {
	case !pageName.MatchString(s.Name):
		return fmt.Sprintf("name: %q is no name of a sensor: write 2 to 32 lower-case letters, digits and hyphens, beginning with a letter", s.Name)
	case s.Kind == sensor.SourceNfdump:
		return "kind: nfdump files do not grow: read them with hotline detect"
	case s.Kind != sensor.SourceSuricata && s.Kind != sensor.SourceIntelMQ:
		return "kind: " + oneOf(s.Kind, sensor.SourceSuricata, sensor.SourceIntelMQ)
	}
	if text := required(s.File, "the file that the sensor writes"); text != "" {
		return "file: " + text
	}
	if _, err := s.Options(); err != nil {
		return err.Error()
	}
	return ""
}

// checkSensors holds every sensor to its rules.
func checkSensors(c *Config) string {
	if len(c.Sensors) > MaxSensors {
		return fmt.Sprintf("%d sensors: configure at most %d", len(c.Sensors), MaxSensors)
	}
	seen := map[string]bool{}
	for i := range c.Sensors {
		s := &c.Sensors[i]
		text := s.check()
		if text == "" && seen[s.Name] {
			text = "name: stands twice: give each sensor its own"
		}
		if text != "" {
			return fmt.Sprintf("sensor %d (%q): %s", i+1, s.Name, text)
		}
		seen[s.Name] = true
	}
	return ""
}

func checkPrefixes(c *Config) string {
	if _, err := sensor.NewPrefixes(c.Territory.Prefixes); err != nil {
		return err.Error()
	}
	return ""
}

// exampleSensor writes what each key of a sensor means and one sensor, commented out: there is none by default.
func exampleSensor(out *bytes.Buffer, field reflect.StructField) {
	comment(out, field.Tag.Get("doc"))
	out.WriteString("#\n")
	row := field.Type.Elem()
	for i := range row.NumField() {
		comment(out, row.Field(i).Tag.Get("toml")+": "+row.Field(i).Tag.Get("doc"))
	}
	out.WriteString("#\n#   [[sensor]]\n")
	for i := range row.NumField() {
		key := row.Field(i)
		name, value := key.Tag.Get("toml"), strconv.Quote(key.Tag.Get("show"))
		switch key.Type.Kind() {
		case reflect.Slice:
			value = exampleList(key.Tag.Get("show"))
		case reflect.Int:
			value = key.Tag.Get("show")
		}
		fmt.Fprintf(out, "#   %s = %s\n", name, value)
	}
	out.WriteString("\n")
}

// exampleList writes a list whose texts are parted by semicolons, four to a line.
func exampleList(show string) string {
	if show == "" {
		return "[]"
	}
	var b strings.Builder
	for i, text := range strings.Split(show, ";") {
		switch {
		case i > 0 && i%4 == 0:
			b.WriteString(",\n#     ")
		case i > 0:
			b.WriteString(", ")
		}
		b.WriteString(strconv.Quote(text))
	}
	return "[" + b.String() + "]"
}
