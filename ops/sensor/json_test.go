package sensor

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"example.org/hotline/hotline"
)

// plainly reads one object with encoding/json alone, refuses what this package promises to refuse, and is as slow as it likes. Inside
// is the one member of which the inside is read too.
func plainly(data []byte, inside string) (map[string]any, error) {
	if !utf8.Valid(data) || !json.Valid(data) {
		return nil, errors.New("not JSON")
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err := walk(d, 0, true, inside); err != nil {
		return nil, err
	}
	d = json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var m map[string]any
	if err := d.Decode(&m); err != nil || m == nil {
		return nil, errors.New("not an object")
	}
	return m, nil
}

// walk refuses names that stand twice in an object that is used, such objects with too many members, and what is nested too deeply.
func walk(d *json.Decoder, depth int, used bool, inside string) error {
	token, err := d.Token()
	if err != nil {
		return err
	}
	delim, ok := token.(json.Delim)
	if !ok {
		return nil
	}
	if depth == maxDepth {
		return errors.New("too deep")
	}
	names := make(map[string]bool)
	for d.More() {
		deeper := used
		if delim == '{' {
			name, err := d.Token()
			if err != nil {
				return err
			}
			text := name.(string)
			deeper = used && (depth > 0 || text == inside)
			if used && names[text] {
				return errors.New("twice")
			} else if names[text] = true; used && len(names) > maxMembers {
				return errors.New("too many")
			}
		}
		if err := walk(d, depth+1, deeper, inside); err != nil {
			return err
		}
	}
	_, err = d.Token()
	return err
}

// FuzzScanner defends every decoder: the scanner accepts exactly the objects that encoding/json accepts and that keep the bounds, and
// reads the same out of them.
func FuzzScanner(f *testing.F) {
	for _, seed := range []string{
		`{}`, ` { "a" : 1 , "b" : [ 1.5e-3 , "x" , { } , null ] } `, `{"a":"\u0061\ud800\n"}`, `{"a":1,"\u0061":2}`, `{"a":01}`, `{"a":-}`, `{"a":"\x"}`,
		"{\"a\":\"\xff\"}", "{\"a\":\"\x01\"}", `{"a":{"b":1,"b":2}}`, `{"b":{"b":1,"b":2}}`, `{"a":[{"b":{"c":1,"c":2}}]}`, `{"b":[{"a":{"c":1,"c":2}}],"c":1}`, `{"a":1}x`, `{"a":1,}`, `[1]`, `{"a":tru}`, `{"é":"ü"}`, `{"a":18446744073709551616}`,
		`{"a":` + strings.Repeat("[", maxDepth) + strings.Repeat("]", maxDepth) + `}`, strings.Repeat(`{"a":`, maxDepth+1) + "1" + strings.Repeat("}", maxDepth+1),
	} {
		f.Add([]byte(seed))
	}
	s := &scanner{inside: "a"}
	f.Fuzz(func(t *testing.T, data []byte) {
		members, err := s.object(data)
		want, plainErr := plainly(data, s.inside)
		if (err == nil) != (plainErr == nil) {
			t.Fatalf("%q: scanner says %v, encoding/json %v", data, err, plainErr)
		}
		if err != nil {
			return
		}
		if len(members) != len(want) {
			t.Fatalf("%q: %d members, want %d", data, len(members), len(want))
		}
		for i := range members {
			m := &members[i]
			d := json.NewDecoder(bytes.NewReader(m.raw))
			d.UseNumber()
			var got any
			if err := d.Decode(&got); err != nil || !reflect.DeepEqual(got, want[string(m.name)]) {
				t.Fatalf("%q: %s is %v (%v), want %v", data, m.name, got, err, want[string(m.name)])
			}
			if text, err := m.text(); m.kind == kindString && (err != nil || text != got) {
				t.Fatalf("%q: %s is the text %q (%v), want %q", data, m.name, text, err, got)
			}
			v, err := m.uint(math.MaxUint64)
			if n, plainErr := strconv.ParseUint(string(m.raw), 10, 64); m.kind == kindNumber && ((err == nil) != (plainErr == nil) || (err == nil && v != n)) {
				t.Fatalf("%q: %s is %d (%v), want %d (%v)", data, m.name, v, err, n, plainErr)
			}
		}
	})
}

// plainAlert is what a line says, read with encoding/json alone. Its error is errNothing or another one, as that of eve.decode.
func plainAlert(raw []byte) (map[string]any, map[string]any, error) {
	m, err := plainly(raw, "alert")
	if err != nil {
		return nil, nil, err
	}
	event, ok := m["event_type"].(string)
	if !ok || event == "" {
		return nil, nil, errors.New("no event type")
	}
	if event != "alert" {
		return nil, nil, errNothing
	}
	alert, _ := m["alert"].(map[string]any)
	for _, name := range []string{"timestamp", "host", "proto", "src_ip", "dest_ip"} {
		if _, ok := m[name].(string); !ok && m[name] != nil {
			return nil, nil, errors.New("no text: " + name)
		}
	}
	return m, alert, nil
}

func plainNumber(v any) string {
	if v == nil {
		return "0"
	}
	return fmt.Sprint(v)
}

// FuzzEVEFastPath defends what the pre-filter and the decoder that is used again gain in time: over any line they find an alert where
// encoding/json finds one, with the same content, and never one where it finds none. Of lines that are no alerts they may overlook that
// they are broken, and never more.
func FuzzEVEFastPath(f *testing.F) {
	data, err := os.ReadFile(sampleFeed)
	if err != nil {
		f.Fatal(err)
	}
	for _, line := range strings.Split(string(data), "\n") {
		f.Add([]byte(line))
	}
	f.Add([]byte(`{"event_type":"\u0061lert","timestamp":"2026-11-20T10:00:00Z","src_ip":"192.0.2.1","dest_ip":"192.0.2.2","alert":{}}`))
	f.Add([]byte(`{"event\u005ftype":"alert","timestamp":"2026-11-20T10:00:00Z","src_ip":"192.0.2.1","dest_ip":"192.0.2.2"}`))
	f.Add([]byte(`{"event_type":"dns","x":"alert","event_type":"alert"}`))
	f.Add([]byte(`{"event_type":"flow","flow":{"alerted":false}}`))
	opt := &Options{}
	if err := opt.Settle(); err != nil {
		f.Fatal(err)
	}
	d := newEVE(opt)
	f.Fuzz(func(t *testing.T, raw []byte) {
		raw = bytes.TrimSpace(raw)
		if len(raw) == 0 || len(raw) > MaxLine {
			return
		}
		o, err := d.decode(raw)
		m, alert, plainErr := plainAlert(raw)
		switch {
		case errors.Is(err, errNothing):
			if plainErr == nil {
				t.Fatalf("%q: an alert is overlooked", raw)
			}
		case plainErr != nil && err == nil:
			t.Fatalf("%q: an alert is made of what is none: %v", raw, plainErr)
		case errors.Is(plainErr, errNothing):
			t.Fatalf("%q: a sound line of another type is called broken: %v", raw, err)
		case err == nil:
			agree(t, raw, o, m, alert)
		case plainErr == nil && wellFormed(m, alert):
			t.Fatalf("%q: a sound alert is refused: %v", raw, err)
		}
	})
}

// agree compares an observation with what encoding/json reads.
func agree(t *testing.T, raw []byte, o *observation, m, alert map[string]any) {
	t.Helper()
	from, errFrom := parseEnd("", text(m["src_ip"]))
	to, errTo := parseEnd("", text(m["dest_ip"]))
	at, _, errAt := parseTime(text(m["timestamp"]))
	if errFrom != nil || errTo != nil || errAt != nil || o.sender != from || o.addressee != to || !o.at.Equal(at) {
		t.Fatalf("%q: ends or time: %+v", raw, o)
	}
	if fmt.Sprint(o.flow) != plainNumber(m["flow_id"]) || fmt.Sprint(o.fromPort) != plainNumber(m["src_port"]) ||
		fmt.Sprint(o.destPort) != plainNumber(m["dest_port"]) || o.sensor != clean(text(m["host"]), hotline.MaxHitName) {
		t.Fatalf("%q: numbers or host: %+v", raw, o)
	}
	want := clean(text(alert["signature"]), hotline.MaxHitText)
	if want == "" {
		want = fmt.Sprintf("rule %s:%s", plainNumber(alert["gid"]), plainNumber(alert["signature_id"]))
	}
	_, source := alert["source"].(map[string]any)
	_, target := alert["target"].(map[string]any)
	if o.signature != want || o.named != (source && target) || (o.remarks&remarkBlocked != 0) != (alert["action"] == "blocked") {
		t.Fatalf("%q: alert: %+v, want signature %q", raw, o, want)
	}
}

func text(v any) string {
	s, _ := v.(string)
	return s
}

// wellFormed reports whether an alert holds nothing but what a reader must take.
func wellFormed(m, alert map[string]any) bool {
	whole := func(v any, most uint64) bool {
		n, ok := v.(json.Number)
		if !ok {
			return v == nil
		}
		u, err := strconv.ParseUint(n.String(), 10, 64)
		return err == nil && u <= most
	}
	word := func(v any) bool { _, ok := v.(string); return ok || v == nil }
	_, errFrom := parseEnd("", text(m["src_ip"]))
	_, errTo := parseEnd("", text(m["dest_ip"]))
	_, _, errAt := parseTime(text(m["timestamp"]))
	return errFrom == nil && errTo == nil && errAt == nil && alert != nil && alert["source"] == nil && alert["target"] == nil &&
		whole(m["flow_id"], math.MaxUint64) && whole(m["src_port"], math.MaxUint16) && whole(m["dest_port"], math.MaxUint16) &&
		whole(alert["gid"], math.MaxUint64) && whole(alert["signature_id"], math.MaxUint64) &&
		word(alert["action"]) && word(alert["signature"]) && word(alert["category"])
}

// FuzzReadIntelMQ and FuzzReadNfdump defend the readers against any input: they never fail, counts add up, and hits are valid.
func FuzzReadIntelMQ(f *testing.F) {
	f.Add([]byte(intelMQLine("scanner", "x", "198.51.100.23", "192.0.2.17", "")))
	f.Add([]byte(intelMQLine("ddos", "dns-amplification", "198.51.100.23", "", `,"source.port":53`)))
	territory := territoryXA(f)
	f.Fuzz(func(t *testing.T, feed []byte) {
		readFrom(t, SourceIntelMQ, bytes.NewReader(feed), territory, Options{MaxHits: 3})
	})
}

func FuzzReadNfdump(f *testing.F) {
	f.Add([]byte("[" + flowLine("198.51.100.1", "192.0.2.1", 6, 40000, 502, "......S.", 1, 40) + "]"))
	f.Add([]byte(flowLine("198.51.100.1", "192.0.2.1", 17, 53, 4000, "", 1, 1400)))
	territory := territoryXA(f)
	f.Fuzz(func(t *testing.T, feed []byte) {
		readFrom(t, SourceNfdump, bytes.NewReader(feed), territory, Options{MaxHits: 3, Sweep: 1, Reflectors: 1})
	})
}

func intelMQLine(kind, identifier, from, to, more string) string {
	return fmt.Sprintf(`{"feed.name":"f","classification.type":%q,"classification.identifier":%q,"time.source":"2026-01-01T00:00:05+00:00",`+
		`"source.ip":%q,"destination.ip":%q,"protocol.transport":"udp"%s}`+"\n", kind, identifier, from, to, more)
}

func flowLine(from, to string, proto, fromPort, toPort int, flags string, packets, size int) string {
	return fmt.Sprintf(`{"type":"FLOW","first":"2026-11-21T22:16:05.611","last":"2026-11-21T22:16:05.616","received":"2026-11-21T22:16:34.470",`+
		`"in_packets":%d,"in_bytes":%d,"proto":%d,"tcp_flags":%q,"src_port":%d,"dst_port":%d,"src4_addr":%q,"dst4_addr":%q}`+"\n",
		packets, size, proto, flags, fromPort, toPort, from, to)
}

// TestHostileLinesAreCountedAndSkipped defends the daemon against a feed that an attacker writes into: each hostile line costs one
// line, in every format, and the good lines around it are read.
func TestHostileLinesAreCountedAndSkipped(t *testing.T) {
	good := map[string]string{
		SourceSuricata: alertLine("2026-11-20T10:00:00.1Z", 1, "198.51.100.5", "203.0.113.5", 22, "ET SCAN x", ""),
		SourceIntelMQ:  intelMQLine("scanner", "x", "198.51.100.5", "203.0.113.5", ""),
		SourceNfdump:   flowLine("198.51.100.5", "203.0.113.5", 6, 40000, 502, "......S.", 1, 40),
	}
	for source, line := range good {
		inner := strings.TrimSuffix(line, "}\n")
		hostile := map[string]string{
			"too long":         inner + `,"x":"` + strings.Repeat("A", MaxLine) + `"}`,
			"too deep":         inner + `,"x":` + strings.Repeat("[", maxDepth+1) + strings.Repeat("]", maxDepth+1) + "}",
			"invalid UTF-8":    inner + ",\"x\":\"\xc3\x28\"}",
			"a name twice":     inner + `,"x":1,"\u0078":2}`,
			"a control":        inner + ",\"x\":\"\x01\"}",
			"too many":         inner + "," + strings.TrimSuffix(manyMembers(), ",") + "}",
			"a number too big": strings.Replace(line, `_port":`, `_port":9`, 1),
		}
		for what, bad := range hostile {
			if source == SourceIntelMQ && what == "a number too big" {
				bad = inner + `,"source.port":65536}`
			}
			feed := line + strings.TrimSuffix(bad, "\n") + "\n" + line
			r := readFrom(t, source, strings.NewReader(feed), territoryXA(t), Options{Sweep: 1})
			if r.Lines != 3 || r.Broken != 1 || r.Events != 2 || len(r.Hits) != 1 {
				t.Errorf("%s, %s: %d lines, %d broken, %d events, %d hits: %+v", source, what, r.Lines, r.Broken, r.Events, len(r.Hits), r.Problems)
			}
		}
	}
}

func manyMembers() string {
	var b strings.Builder
	for i := range maxMembers + 1 {
		fmt.Fprintf(&b, `"x%d":1,`, i)
	}
	return b.String()
}

// TestRecordsAreFoundInAnyLayout defends the reading of nfdump's files: an array on one line, one pretty-printed, or objects one after
// the other are the same records, and a string without its end costs what follows it in that record and no more.
func TestRecordsAreFoundInAnyLayout(t *testing.T) {
	one := strings.TrimSpace(flowLine("198.51.100.5", "203.0.113.5", 6, 40000, 502, "......S.", 1, 40))
	pretty := strings.ReplaceAll(strings.ReplaceAll(one, ",", ",\n\t"), "{", "{\n\t")
	for name, feed := range map[string]string{
		"array": "[" + one + "," + one + "]", "pretty": "[\n" + pretty + ",\n" + pretty + "\n]\n", "lines": one + "\n" + one, "braces in a text": strings.Replace(one, `"type"`, `"x":"}{\"","type"`, 1) + one,
	} {
		if r := readFrom(t, SourceNfdump, strings.NewReader(feed), territoryXA(t), Options{Sweep: 1}); r.Lines != 2 || r.Events != 2 || r.Broken != 0 {
			t.Errorf("%s: %+v", name, r)
		}
	}
	cut := "[" + one + ",\n{\"type\":\"FLOW,\n\"first\":1},\n" + one + "]"
	if r := readFrom(t, SourceNfdump, strings.NewReader(cut), territoryXA(t), Options{Sweep: 1}); r.Events != 2 || r.Broken == 0 {
		t.Errorf("a string without its end: %+v", r)
	}
	if _, _, err := new(splitter).next(newReader("")); !errors.Is(err, io.EOF) {
		t.Errorf("nothing: %v", err)
	}
}

func newReader(text string) *bufio.Reader { return bufio.NewReader(strings.NewReader(text)) }

// TestNamesThatAnAttackerChoseHideNoAlert defends against an alert that whoever is attacked by it never sees: Suricata writes beside the
// alert what the packet held, as the user properties of MQTT, under the names that the packet gave, as often as it gave them. Nobody
// reads that here. What is read is refused when a name stands in it twice.
func TestNamesThatAnAttackerChoseHideNoAlert(t *testing.T) {
	line := strings.TrimSpace(alertLine("2026-01-01T00:00:05Z", 1, "198.51.100.7", "203.0.113.5", 1883, "ET SCAN x", ""))
	beside := func(text string) string {
		return strings.TrimSuffix(line, "}") + `,"mqtt":{"publish":{"properties":{` + text + `}}}}`
	}
	many := make([]string, 2*maxMembers)
	for i := range many {
		many[i] = fmt.Sprintf(`"p%d":"x"`, i)
	}
	for name, raw := range map[string]string{"a name twice": beside(`"p":"1","p":"2"`), "many names": beside(strings.Join(many, ","))} {
		if r := read(t, strings.NewReader(raw), territoryXA(t), Options{}); r.Events != 1 || len(r.Hits) != 1 {
			t.Errorf("%s: the alert is lost: %d events, %v", name, r.Events, r.Problems)
		}
	}
	for name, raw := range map[string]string{
		"twice in the line":   strings.TrimSuffix(line, "}") + `,"src_ip":"203.0.113.9"}`,
		"twice in the alert":  strings.Replace(line, `"gid":1`, `"gid":1,"signature":"y"`, 1),
		"twice in the target": strings.Replace(line, `"gid":1`, `"gid":1,"source":{"ip":"198.51.100.7"},"target":{"ip":"203.0.113.5","ip":"203.0.113.6"}`, 1),
		"no JSON beside it":   beside(`"p":`),
	} {
		if r := read(t, strings.NewReader(raw), territoryXA(t), Options{}); r.Broken != 1 {
			t.Errorf("%s: taken", name)
		}
	}
}
