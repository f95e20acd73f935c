package sensor

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strings"

	"example.org/hotline/hotline"
)

// maxCached bounds the rules whose texts are kept from line to line; beyond it they are forgotten all at once.
const maxCached = 4096

// eve reads EVE lines (Suricata user guide, "EVE JSON Format").
type eve struct {
	opt    *Options
	scan   scanner
	line   eveLine
	seen   observation
	rules  map[string]rule
	digest []byte
}

// eveLine are the members of an EVE object that this reader uses, as they are written.
type eveLine struct {
	timestamp, flowID, eventType, host, srcIP, srcPort, destIP, destPort, proto, alert member
}

// rule is what the texts of one rule come to.
type rule struct {
	signature, family string
	counts, listed    bool
	reflects, called  bool
}

func newEVE(opt *Options) *eve {
	return &eve{opt: opt, scan: scanner{inside: "alert"}, rules: make(map[string]rule)}
}

var (
	wordEventType = []byte(`"event_type"`)
	wordAlert     = []byte(`"alert"`)
	wordEscape    = []byte(`\u`)
)

// otherEvent reports, without decoding the line, that it is no alert: an object that names its event type and in which the text
// "alert" stands neither plainly nor, since only \u can stand for a letter, by an escape. Whether the rest of the line is sound
// JSON is not looked at: nine lines of ten are records of flows, names and files, and are only counted.
func otherEvent(raw []byte) bool {
	return raw[0] == '{' && raw[len(raw)-1] == '}' && bytes.Contains(raw, wordEventType) &&
		!bytes.Contains(raw, wordAlert) && !bytes.Contains(raw, wordEscape)
}

// decode reads one line. It returns errNothing for a line of another event type and for a rule that does not count.
func (d *eve) decode(raw []byte) (*observation, error) {
	if otherEvent(raw) {
		return nil, errNothing
	}
	members, err := d.scan.object(raw)
	if err != nil {
		return nil, fmt.Errorf("not an EVE object: %w", err)
	}
	d.line = eveLine{}
	for i := range members {
		if into := d.line.place(members[i].name); into != nil {
			*into = members[i]
		}
	}
	if d.line.eventType.kind == 0 || d.line.eventType.kind == kindNull {
		return nil, errors.New("event_type is missing")
	}
	event, err := d.line.eventType.text()
	switch {
	case err != nil || event == "":
		return nil, errors.New("event_type is missing or no text")
	case event != "alert":
		return nil, errNothing // another event type may use the other members as it likes
	}
	return d.observe()
}

// place is where the member of a name is kept; nil for one that is not used.
func (l *eveLine) place(name []byte) *member {
	switch string(name) {
	case "timestamp":
		return &l.timestamp
	case "flow_id":
		return &l.flowID
	case "event_type":
		return &l.eventType
	case "host":
		return &l.host
	case "src_ip":
		return &l.srcIP
	case "src_port":
		return &l.srcPort
	case "dest_ip":
		return &l.destIP
	case "dest_port":
		return &l.destPort
	case "proto":
		return &l.proto
	case "alert":
		return &l.alert
	}
	return nil
}

// reading collects the first error of several members.
type reading struct{ err error }

func (r *reading) text(m *member) string {
	if m.kind == 0 {
		return ""
	}
	text, err := m.text()
	if r.err == nil {
		r.err = err
	}
	return text
}

func (r *reading) number(m *member, most uint64) uint64 {
	if m.kind == 0 {
		return 0
	}
	v, err := m.uint(most)
	if r.err == nil {
		r.err = err
	}
	return v
}

// observe checks an alert line and settles its two ends.
func (d *eve) observe() (*observation, error) {
	var r reading
	l := &d.line
	stamp, host, protocol := r.text(&l.timestamp), r.text(&l.host), r.text(&l.proto)
	from, to := r.text(&l.srcIP), r.text(&l.destIP)
	d.seen = observation{flow: r.number(&l.flowID, math.MaxUint64), fromPort: uint16(r.number(&l.srcPort, math.MaxUint16)),
		destPort: uint16(r.number(&l.destPort, math.MaxUint16)), sensor: d.opt.Sensor, nature: hotline.HitAttack}
	if r.err != nil {
		return nil, r.err
	}
	o := &d.seen
	o.port = o.destPort
	var offset bool
	var err error
	if o.at, offset, err = parseTime(stamp); err != nil {
		return nil, err
	}
	if !offset {
		o.remarks |= remarkNoOffset
	}
	if o.sender, err = parseEnd("src_ip", from); err != nil {
		return nil, err
	}
	if o.addressee, err = parseEnd("dest_ip", to); err != nil {
		return nil, err
	}
	o.from, o.to = o.sender, o.addressee
	if o.sensor == "" {
		o.sensor = clean(host, hotline.MaxHitName)
	}
	if o.protocol = clean(strings.ToUpper(protocol), hotline.MaxHitName); o.protocol == "" {
		o.protocol = "UNKNOWN"
	}
	return o, d.takeAlert(o)
}

// eveAlert are the members of the object "alert".
type eveAlert struct {
	action, gid, id, signature, category, source, target member
}

func (a *eveAlert) take(name []byte, k kind, raw []byte) {
	m := member{name, k, raw}
	switch string(name) {
	case "action":
		a.action = m
	case "gid":
		a.gid = m
	case "signature_id":
		a.id = m
	case "signature":
		a.signature = m
	case "category":
		a.category = m
	case "source":
		a.source = m
	case "target":
		a.target = m
	}
}

// takeAlert settles what matched, who attacked whom if the rule says so, and whether it is an attack.
func (d *eve) takeAlert(o *observation) error {
	if k := d.line.alert.kind; k != kindObject && k != kindNull && k != 0 {
		return errors.New("alert is not an object")
	}
	var a eveAlert
	nested(&d.line.alert, a.take)
	var r reading
	action := r.text(&a.action)
	matched := d.ruleOf(&a, &r)
	if r.err != nil {
		return r.err
	}
	if err := o.takeRoles(&a); err != nil {
		return err
	}
	if action == "blocked" {
		o.remarks |= remarkBlocked
	}
	if !matched.counts {
		return errNothing
	}
	o.signature, o.family, o.listed = matched.signature, matched.family, matched.listed
	switch {
	case matched.called:
		o.nature = hotline.HitInfected
	case matched.reflects && !o.named && o.protocol == "UDP" && d.opt.reflects(o.fromPort):
		o.nature = hotline.HitReflector
	}
	o.remarks |= natureRemarks[o.nature]
	return nil
}

// takeRoles lets alert.source and alert.target decide who attacked whom. They exist only for rules with the keyword "target"
// and can be the reverse of src_ip and dest_ip: an answer of the victim can be what the rule matched. One of the two alone
// names nobody.
func (o *observation) takeRoles(a *eveAlert) error {
	from, _, err := eveEnd(&a.source)
	if err != nil {
		return err
	}
	to, port, err := eveEnd(&a.target)
	if err != nil {
		return err
	}
	if a.source.kind != kindObject || a.target.kind != kindObject {
		o.remarks |= remarkRoles
		return nil
	}
	if o.from, err = parseEnd("alert.source.ip", from); err != nil {
		return err
	}
	if o.to, err = parseEnd("alert.target.ip", to); err != nil {
		return err
	}
	o.port, o.named = port, true
	return nil
}

// eveEnd is one end as named by a rule with the keyword "target".
func eveEnd(m *member) (addr string, port uint16, err error) {
	if m.kind != kindObject && m.kind != kindNull && m.kind != 0 {
		return "", 0, fmt.Errorf("alert.%s is not an object", m.name)
	}
	var r reading
	nested(m, func(name []byte, k kind, raw []byte) {
		end := member{name, k, raw}
		switch string(name) {
		case "ip":
			addr = r.text(&end)
		case "port":
			port = uint16(r.number(&end, math.MaxUint16))
		}
	})
	return addr, port, r.err
}

// ruleOf settles text, family and kind of evidence of the rule that matched. The same few rules match again and again, so what
// their texts come to is kept.
func (d *eve) ruleOf(a *eveAlert, r *reading) rule {
	gid, id := r.number(&a.gid, math.MaxUint64), r.number(&a.id, math.MaxUint64)
	d.digest = append(append(append(d.digest[:0], a.signature.raw...), 0), a.category.raw...)
	if known, ok := d.rules[string(d.digest)]; ok && len(a.signature.raw) > len(`""`) {
		return known
	}
	signature, category := clean(r.text(&a.signature), hotline.MaxHitText), clean(r.text(&a.category), hotline.MaxHitText)
	if r.err != nil {
		return rule{}
	}
	nameless := signature == ""
	if nameless {
		signature = fmt.Sprintf("rule %d:%d", gid, id)
	}
	m := rule{signature: signature, family: family(signature, category), counts: d.opt.counts(signature, category),
		listed:   onList(signature, d.opt.Lists) || onList(category, d.opt.Lists),
		reflects: holdsWord(signature, "amplif", "reflect", "monlist"), called: holdsWord(signature, "sinkhole")}
	if !nameless {
		if len(d.rules) == maxCached {
			clear(d.rules)
		}
		d.rules[string(d.digest)] = m
	}
	return m
}

// family is what rules of one purpose have in common: the first two words where the rule set has such a convention
// ("ET SCAN", "GPL SNMP"), and the category of the rule elsewhere.
func family(signature, category string) string {
	words := strings.Fields(signature)
	if len(words) >= 2 {
		switch words[0] {
		case "ET", "ETPRO", "GPL", "SURICATA":
			return words[0] + " " + words[1]
		}
	}
	if category != "" {
		return category
	}
	return signature
}
