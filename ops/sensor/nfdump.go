package sensor

import (
	"bufio"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"example.org/hotline/hotline"
)

// minReply is the size in bytes per packet from which an answer counts as a large one: ordinary answers of name and time servers
// are smaller, those that serve for amplification are not.
const minReply = 400

// flows reads flow records of nfdump (-o json). A record is one direction of a connection and says nothing of its content, so one
// alone means nothing: only many of one kind make a hit.
type flows struct {
	g    *gatherer
	scan scanner
	seen observation
}

func newFlows(g *gatherer) *flows { return &flows{g: g} }

// flowRecord are the fields of a record that are used.
type flowRecord struct {
	typ, first, received, proto, flags string
	from, to                           string
	fromPort, toPort                   uint16
	packets, bytes                     uint64
}

// decode reads one record. It returns errNothing for ordinary traffic and for what comes from outside: others see to that.
func (d *flows) decode(raw []byte) (*observation, error) {
	rec, err := d.record(raw)
	if err != nil {
		return nil, err
	}
	if rec.typ != "FLOW" && rec.typ != "" {
		return nil, errNothing
	}
	o := &d.seen
	*o = observation{sensor: d.g.opt.Sensor, fromPort: rec.fromPort, port: rec.toPort, destPort: rec.toPort, remarks: remarkFlows}
	if o.from, err = parseEnd("source address", rec.from); err != nil {
		return nil, err
	}
	if o.to, err = parseEnd("destination address", rec.to); err != nil {
		return nil, err
	}
	if err := o.takeFlowTime(rec.first, rec.received); err != nil {
		return nil, err
	}
	if d.g.side(o.from) == sideOutside {
		return nil, errNothing
	}
	switch {
	case rec.proto == "TCP" && strings.Contains(rec.flags, "S") && !strings.Contains(rec.flags, "A"):
		d.attempt(o)
	case rec.proto == "UDP" && d.g.opt.reflects(rec.fromPort) && rec.packets > 0 && rec.bytes/rec.packets >= minReply && d.g.side(o.to) != sideInside:
		d.reply(o)
	default:
		return nil, errNothing
	}
	return o, nil
}

// attempt is a connection that this source began and never confirmed: nobody answered, or it did not want the answer.
func (d *flows) attempt(o *observation) {
	port := strconv.Itoa(int(o.port))
	o.nature, o.measure, o.protocol = hotline.HitAttack, measureTargets, "TCP"
	o.family = "sweep of TCP port " + port
	o.signature = "connections to TCP port " + port + " that were begun and not completed"
}

// reply is a large answer of a service that has served for amplification.
func (d *flows) reply(o *observation) {
	o.nature, o.measure, o.protocol = hotline.HitReflector, measureSources, "UDP"
	o.family = "large answers"
	o.signature = "large answers from UDP port " + strconv.Itoa(int(o.fromPort))
	o.remarks |= remarkReflector
}

// record reads the fields of one record.
func (d *flows) record(raw []byte) (rec flowRecord, err error) {
	members, err := d.scan.object(raw)
	if err != nil {
		return rec, fmt.Errorf("not a flow record: %w", err)
	}
	var r reading
	for i := range members {
		m := &members[i]
		switch string(m.name) {
		case "type":
			rec.typ = r.text(m)
		case "first":
			rec.first = r.text(m)
		case "received":
			rec.received = r.text(m)
		case "proto":
			rec.proto = transport(m, &r)
		case "tcp_flags":
			rec.flags = r.text(m)
		case "src4_addr", "src6_addr":
			rec.from = r.text(m)
		case "dst4_addr", "dst6_addr":
			rec.to = r.text(m)
		case "src_port":
			rec.fromPort = uint16(r.number(m, math.MaxUint16))
		case "dst_port":
			rec.toPort = uint16(r.number(m, math.MaxUint16))
		case "in_packets":
			rec.packets = r.number(m, math.MaxUint64)
		case "in_bytes":
			rec.bytes = r.number(m, math.MaxUint64)
		}
	}
	return rec, r.err
}

// transport is the protocol, which nfdump writes as a number or, with some options, as a word.
func transport(m *member, r *reading) string {
	if m.kind != kindNumber {
		return strings.ToUpper(r.text(m))
	}
	switch r.number(m, math.MaxUint8) {
	case 6:
		return "TCP"
	case 17:
		return "UDP"
	}
	return "OTHER"
}

// wrap is how far the times of some exporters are off: they count milliseconds since start in 32 bits.
const wrap = (1 << 32) * time.Millisecond

// takeFlowTime reads the time of a record, corrected if only so it lies near the time at which the collector received it.
func (o *observation) takeFlowTime(first, received string) error {
	at, offset, err := parseTime(first)
	if err != nil {
		return err
	}
	o.at = at
	if !offset {
		o.remarks |= remarkNoOffset
	}
	got, _, err := parseTime(received)
	if err != nil {
		return nil // a record without it is taken at its word
	}
	for _, moved := range []time.Time{at.Add(wrap), at.Add(-wrap)} {
		if got.Sub(at).Abs() > wrap/2 && got.Sub(moved).Abs() < 24*time.Hour && moved.UnixMilli() > 0 {
			o.at = moved
			o.remarks |= remarkShifted
		}
	}
	return nil
}

// splitter finds the objects in an array of objects, or in objects one after the other, without holding more than one.
type splitter struct{ object []byte }

// next returns the next object, valid until the next call; long, if it was longer than MaxLine; io.EOF behind the last one. What
// stands between objects and is neither blank nor , [ or ] comes as an object of its own, which is then found broken.
func (s *splitter) next(in *bufio.Reader) (raw []byte, long bool, err error) {
	s.object = s.object[:0]
	depth, quoted, escaped := 0, false, false
	for {
		c, err := in.ReadByte()
		if err != nil {
			return s.object, long, err
		}
		if depth == 0 && len(s.object) == 0 && strings.IndexByte(" \t\r\n,[]", c) >= 0 {
			continue
		}
		if len(s.object) == MaxLine {
			s.object, long = s.object[:1], true
		}
		s.object = append(s.object, c)
		switch {
		case quoted && c == '\n':
			// No string holds a line break: one lacks its end. Reading on would swallow the rest of the feed.
			return s.object, long, nil
		case quoted:
			quoted, escaped = escaped || c != '"', !escaped && c == '\\'
		case c == '"':
			quoted = true
		case c == '{':
			depth++
		case c == '}':
			depth--
		}
		if depth <= 0 && !quoted {
			if c == '}' || c == '\n' {
				return s.object, long, nil
			}
		}
	}
}
