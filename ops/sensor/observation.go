package sensor

import (
	"fmt"
	"net/netip"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"example.org/hotline/hotline"
)

// remark is a set of circumstances that limit the worth of a hit; each becomes one note.
type remark uint

const (
	remarkReflector remark = 1 << iota
	remarkInfected
	remarkExposure
	remarkOther
	remarkRoles
	remarkOpposed
	remarkFlows
	remarkNoTerritory
	remarkPrivateFrom
	remarkPrivateTo
	remarkNobody
	remarkListed
	remarkAlsoListed
	remarkNoOffset
	remarkReported
	remarkShifted
	remarkBlocked
	remarkInexact
)

// remarkTexts are the notes in the order in which an operator should read them. The first hotline.MaxHitNotes that apply are told.
var remarkTexts = []struct {
	flag remark
	text string
}{
	{remarkReflector, "abused reflectors: somebody provoked these answers with a forged sender; who began it is not known"},
	{remarkInfected, "a host under foreign control that calls home, as at a sinkhole: no attack on whom it called"},
	{remarkExposure, "an exposure notice: a service could be abused; nobody says that it was"},
	{remarkOther, "reported misuse that is no attack by this source"},
	{remarkRoles, "direction unconfirmed: the sensor does not say who attacked whom, only who sent the packet that matched"},
	{remarkOpposed, "two rules name opposite attackers for one packet: sender and addressee of the packet are given instead"},
	{remarkFlows, "flow records show who opened connections, or sent answers, and nothing of what was said"},
	{remarkNoTerritory, "no territory is configured: what left it cannot be told"},
	{remarkPrivateFrom, "the source is a private address: whose it is needs the declared location of the sensor"},
	{remarkPrivateTo, "a destination is a private address: whose it is needs the declared location of the sensor"},
	{remarkNobody, "the report names no destination"},
	{remarkListed, "only address lists name this source: nothing here says what it did"},
	{remarkAlsoListed, "the source also stands on an address list, which by itself says nothing about what it did"},
	{remarkNoOffset, "the sensor wrote times without an offset: they are read as UTC"},
	{remarkReported, "the report does not say when it happened: the time is that at which it was observed"},
	{remarkShifted, "the exporter's times were off by 2^32 ms and are corrected by the collector's"},
	{remarkBlocked, "the sensor reports that it blocked at least one of these packets"},
	{remarkInexact, "totals are lower bounds: there was more than is counted"},
}

// natureRemarks say what a hit is that is no attack.
var natureRemarks = map[hotline.HitNature]remark{
	hotline.HitReflector: remarkReflector, hotline.HitInfected: remarkInfected, hotline.HitExposure: remarkExposure, hotline.HitOther: remarkOther,
}

// observation is one line or record, checked and reduced to what an event needs. An address that the line does not name is the
// zero value.
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
	nature    hotline.HitNature
	measure   measure
	protocol  string
	signature string
	family    string
	hint      [2]string // countries of from and to, as the feed says
	remarks   remark
}

// measure is what has to reach a threshold before there is a hit.
type measure uint8

const (
	measureEvents  measure = iota // Options.Threshold
	measureTargets                // Options.Sweep
	measureSources                // Options.Reflectors
)

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

// holdsWord reports whether text holds one of the words, which are in lower case.
func holdsWord(text string, words ...string) bool {
	text = strings.ToLower(text)
	for _, w := range words {
		if strings.Contains(text, w) {
			return true
		}
	}
	return false
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
	if len(text) <= bound && plain(text) {
		return text
	}
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

// plain reports whether text is printable ASCII without a blank at either end.
func plain(text string) bool {
	for i := range len(text) {
		if text[i] < ' ' || text[i] > '~' {
			return false
		}
	}
	return text == "" || (text[0] != ' ' && text[len(text)-1] != ' ')
}
