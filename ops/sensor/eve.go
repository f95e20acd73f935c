package sensor

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"example.org/hotline/hotline"
)

// eveLine holds the members of an EVE JSON object (Suricata user guide, "EVE JSON Format") that this reader uses.
type eveLine struct {
	Timestamp string   `json:"timestamp"`
	FlowID    uint64   `json:"flow_id"`
	EventType string   `json:"event_type"`
	Host      string   `json:"host"`
	SrcIP     string   `json:"src_ip"`
	SrcPort   uint16   `json:"src_port"`
	DestIP    string   `json:"dest_ip"`
	DestPort  uint16   `json:"dest_port"`
	Proto     string   `json:"proto"`
	Alert     eveAlert `json:"alert"`
}

type eveAlert struct {
	Action      string  `json:"action"`
	GID         uint64  `json:"gid"`
	SignatureID uint64  `json:"signature_id"`
	Signature   string  `json:"signature"`
	Category    string  `json:"category"`
	Source      *eveEnd `json:"source"`
	Target      *eveEnd `json:"target"`
}

// eveEnd is one end as named by a rule with the keyword "target".
type eveEnd struct {
	IP   string `json:"ip"`
	Port uint16 `json:"port"`
}

// remark is a set of circumstances that limit the worth of a hit; each becomes one note.
type remark uint

const (
	remarkRoles remark = 1 << iota
	remarkOpposed
	remarkNoTerritory
	remarkPrivateFrom
	remarkPrivateTo
	remarkListed
	remarkAlsoListed
	remarkNoOffset
	remarkBlocked
	remarkInexact
)

// remarkTexts are the notes in the order in which an operator should read them. There are no more than hotline.MaxHitNotes.
var remarkTexts = []struct {
	flag remark
	text string
}{
	{remarkRoles, "direction unconfirmed: the sensor does not say who attacked whom, only who sent the packet that matched"},
	{remarkOpposed, "two rules name opposite attackers for one packet: sender and addressee of the packet are given instead"},
	{remarkNoTerritory, "no territory is configured: what left it cannot be told"},
	{remarkPrivateFrom, "the source is a private address: whose it is needs the declared location of the sensor"},
	{remarkPrivateTo, "a destination is a private address: whose it is needs the declared location of the sensor"},
	{remarkListed, "only address lists name this source: nothing here says what it did"},
	{remarkAlsoListed, "the source also stands on an address list, which by itself says nothing about what it did"},
	{remarkNoOffset, "the sensor wrote times without an offset: they are read as UTC"},
	{remarkBlocked, "the sensor reports that it blocked at least one of these packets"},
	{remarkInexact, "totals are lower bounds: there was more than is counted"},
}

// observation is one alert line, checked and reduced to what an event needs.
type observation struct {
	at        time.Time
	flow      uint64
	sensor    string
	from, to  netip.Addr
	sender    netip.Addr
	addressee netip.Addr
	fromPort  uint16
	port      uint16
	destPort  uint16
	named     bool
	listed    bool
	protocol  string
	signature string
	family    string
	remarks   remark
}

var errNotAlert = errors.New("not an alert")

// decodeEVE reads one line. It returns errNotAlert for a sound line of another event type; any other error makes the line a
// broken one and concerns no other line.
func decodeEVE(raw []byte, opt *Options) (*observation, error) {
	var line eveLine
	err := json.Unmarshal(raw, &line)
	var mistyped *json.UnmarshalTypeError
	switch {
	case errors.As(err, &mistyped) && mistyped.Field == "":
		return nil, errors.New("not a JSON object")
	case errors.As(err, &mistyped) && line.EventType != "alert" && line.EventType != "":
		return nil, errNotAlert // another event type may use these members as it likes
	case err != nil:
		return nil, fmt.Errorf("not an EVE object: %w", err)
	case line.EventType == "":
		return nil, errors.New("event_type is missing")
	case line.EventType != "alert":
		return nil, errNotAlert
	}
	return line.observe(opt)
}

// observe checks an alert line and settles its two ends.
func (l *eveLine) observe(opt *Options) (*observation, error) {
	o := &observation{flow: l.FlowID, fromPort: l.SrcPort, port: l.DestPort, destPort: l.DestPort}
	var offset bool
	var err error
	if o.at, offset, err = parseTime(l.Timestamp); err != nil {
		return nil, err
	}
	if !offset {
		o.remarks |= remarkNoOffset
	}
	if o.sender, err = parseEnd("src_ip", l.SrcIP); err != nil {
		return nil, err
	}
	if o.addressee, err = parseEnd("dest_ip", l.DestIP); err != nil {
		return nil, err
	}
	o.from, o.to = o.sender, o.addressee
	if err := o.takeRoles(&l.Alert); err != nil {
		return nil, err
	}
	if l.Alert.Action == "blocked" {
		o.remarks |= remarkBlocked
	}
	o.sensor = opt.Sensor
	if o.sensor == "" {
		o.sensor = clean(l.Host, hotline.MaxHitName)
	}
	o.protocol = clean(strings.ToUpper(l.Proto), hotline.MaxHitName)
	if o.protocol == "" {
		o.protocol = "UNKNOWN"
	}
	o.takeSignature(&l.Alert, opt.Lists)
	return o, nil
}

// takeRoles lets alert.source and alert.target decide who attacked whom. They exist only for rules with the keyword "target"
// and can be the reverse of src_ip and dest_ip: an answer of the victim can be what the rule matched. One of the two alone
// names nobody.
func (o *observation) takeRoles(alert *eveAlert) error {
	if alert.Source == nil || alert.Target == nil {
		o.remarks |= remarkRoles
		return nil
	}
	from, err := parseEnd("alert.source.ip", alert.Source.IP)
	if err != nil {
		return err
	}
	to, err := parseEnd("alert.target.ip", alert.Target.IP)
	if err != nil {
		return err
	}
	o.from, o.to, o.port, o.named = from, to, alert.Target.Port, true
	return nil
}

// takeSignature settles text, family and kind of evidence of the rule that matched.
func (o *observation) takeSignature(alert *eveAlert, lists []string) {
	o.signature = clean(alert.Signature, hotline.MaxHitText)
	if o.signature == "" {
		o.signature = fmt.Sprintf("rule %d:%d", alert.GID, alert.SignatureID)
	}
	category := clean(alert.Category, hotline.MaxHitText)
	o.listed = onList(o.signature, lists) || onList(category, lists)
	o.family = family(o.signature, category)
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

// onList reports whether text begins with one of the list names, followed by its end or a blank. Letter case is ignored.
func onList(text string, lists []string) bool {
	for _, name := range lists {
		if len(text) < len(name) || !strings.EqualFold(text[:len(name)], name) {
			continue
		}
		if len(text) == len(name) || text[len(name)] == ' ' {
			return true
		}
	}
	return false
}

// timeLayouts are the forms that Suricata has written, with and without an offset from UTC.
var timeLayouts = []struct {
	layout string
	offset bool
}{
	{"2006-01-02T15:04:05.999999999Z0700", true},
	{"2006-01-02T15:04:05.999999999Z07:00", true},
	{"2006-01-02T15:04:05.999999999", false},
}

// parseTime reads a timestamp; the second result says whether it carried an offset.
func parseTime(text string) (time.Time, bool, error) {
	if len(text) > len("2006-01-02T15:04:05.999999999-07:00") {
		return time.Time{}, false, errors.New("timestamp is too long")
	}
	for _, form := range timeLayouts {
		at, err := time.Parse(form.layout, text)
		if err != nil {
			continue
		}
		if at.UnixMilli() <= 0 || at.Year() > 9999 {
			return time.Time{}, false, fmt.Errorf("timestamp %q is out of range", text)
		}
		return at.UTC(), form.offset, nil
	}
	return time.Time{}, false, fmt.Errorf("timestamp %q is not in the form of EVE", clean(text, hotline.MaxHitText))
}

func parseEnd(member, text string) (netip.Addr, error) {
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("%s %q is not an address", member, clean(text, hotline.MaxHitName))
	}
	return addr.Unmap().WithZone(""), nil
}

// clean makes a text of the feed safe to show: unprintable characters become "?", and what exceeds bound bytes is cut between
// two characters. Sensors quote what attackers sent.
func clean(text string, bound int) string {
	var b strings.Builder
	for _, r := range text {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			r = '?'
		}
		if b.Len()+utf8.RuneLen(r) > bound {
			break
		}
		b.WriteRune(r)
	}
	return strings.TrimSpace(b.String())
}
