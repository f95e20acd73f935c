package sensor

import (
	"fmt"
	"math"
	"strings"

	"example.org/hotline/hotline"
)

// intelMQ reads events of IntelMQ (data harmonisation, "Data Format"): flat objects whose source is whoever is complained about.
type intelMQ struct {
	opt    *Options
	scan   scanner
	fields map[string]member
	seen   observation
}

// intelMQNames are the fields that are used; others are skipped.
var intelMQNames = []string{
	"time.source", "time.observation", "feed.name", "classification.taxonomy", "classification.type", "classification.identifier",
	"source.ip", "source.port", "source.geolocation.cc", "destination.ip", "destination.port", "destination.geolocation.cc",
	"protocol.transport",
}

func newIntelMQ(opt *Options) *intelMQ {
	d := &intelMQ{opt: opt, fields: make(map[string]member, len(intelMQNames))}
	return d
}

// decode reads one event. It returns errNothing for an event without a source address: of a domain or a page.
func (d *intelMQ) decode(raw []byte) (*observation, error) {
	members, err := d.scan.object(raw)
	if err != nil {
		return nil, fmt.Errorf("not an IntelMQ event: %w", err)
	}
	for _, name := range intelMQNames {
		d.fields[name] = member{}
	}
	for i := range members {
		if _, used := d.fields[string(members[i].name)]; used {
			d.fields[string(members[i].name)] = members[i]
		}
	}
	var r reading
	text := func(name string) string { m := d.fields[name]; return r.text(&m) }
	number := func(name string) uint16 { m := d.fields[name]; return uint16(r.number(&m, math.MaxUint16)) }
	stamp, observed := text("time.source"), text("time.observation")
	from, to := text("source.ip"), text("destination.ip")
	kind, identifier := text("classification.type"), text("classification.identifier")
	d.seen = observation{named: true, fromPort: number("source.port"), port: number("destination.port"), destPort: number("destination.port"),
		sensor: d.opt.Sensor, protocol: clean(strings.ToUpper(text("protocol.transport")), hotline.MaxHitName)}
	o := &d.seen
	if o.sensor == "" {
		o.sensor = clean(text("feed.name"), hotline.MaxHitName)
	}
	if o.protocol == "" {
		o.protocol = "UNKNOWN"
	}
	o.hint = [2]string{country(text("source.geolocation.cc")), country(text("destination.geolocation.cc"))}
	if r.err != nil {
		return nil, r.err
	}
	if kind == "" {
		return nil, fmt.Errorf("classification.type is missing")
	}
	if from == "" {
		return nil, errNothing
	}
	if err := o.takeTime(stamp, observed); err != nil {
		return nil, err
	}
	if o.from, err = parseEnd("source.ip", from); err != nil {
		return nil, err
	}
	if to != "" {
		if o.to, err = parseEnd("destination.ip", to); err != nil {
			return nil, err
		}
	}
	return o, d.takeClass(o, clean(kind, hotline.MaxHitName), clean(identifier, hotline.MaxHitName))
}

func country(text string) string {
	if isCountry(text) {
		return text
	}
	return ""
}

func (o *observation) takeTime(stamp, observed string) (err error) {
	if stamp == "" {
		stamp = observed
		o.remarks |= remarkReported
	}
	var offset bool
	if o.at, offset, err = parseTime(stamp); err == nil && !offset {
		o.remarks |= remarkNoOffset
	}
	return err
}

// The classification types (Reference Security Incident Taxonomy, as IntelMQ writes them) that are none of Options.Attacks and
// still say what they are. All others are other misuse.
var (
	infectedTypes = []string{"infected-system", "system-compromise", "botnet-drone"}
	exposureTypes = []string{"ddos-amplifier", "information-disclosure", "potentially-unwanted-accessible", "vulnerable-system", "weak-crypto"}
	listedTypes   = []string{"blacklist"}
)

// takeClass settles what the event is. A denial of service out of a service that answers anybody is that of a reflector: its
// address is where the answers came from, and not who asked.
func (d *intelMQ) takeClass(o *observation, kind, identifier string) error {
	o.signature, o.family = kind, kind
	if identifier != "" {
		o.signature = kind + ": " + identifier
	}
	if !d.opt.counts(kind, identifier) {
		return errNothing
	}
	is := func(list []string) bool {
		for _, t := range list {
			if t == kind {
				return true
			}
		}
		return false
	}
	flood := kind == "ddos" || kind == "dos"
	switch {
	case flood && (holdsWord(identifier, "amplif", "reflect") || (o.protocol == "UDP" && d.opt.reflects(o.fromPort))):
		o.nature, o.named = hotline.HitReflector, false
	case is(infectedTypes) || holdsWord(identifier, "sinkhole"):
		o.nature = hotline.HitInfected
	case is(exposureTypes):
		o.nature, o.named = hotline.HitExposure, false
	case is(d.opt.Attacks):
		o.nature = hotline.HitAttack
	default:
		o.nature = hotline.HitOther
	}
	o.listed = is(listedTypes)
	o.remarks |= natureRemarks[o.nature]
	return nil
}
