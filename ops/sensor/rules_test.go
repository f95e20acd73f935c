package sensor

import (
	"fmt"
	"strings"
	"testing"

	"example.org/hotline/hotline"
)

// TestRulesDecideWhatCounts defends the configuration: what is ignored counts nowhere, a list of signatures is exhaustive, a threshold is
// reached or not, and what is merged is what the options say.
func TestRulesDecideWhatCounts(t *testing.T) {
	line := func(flow int, to string, port int, signature string) string {
		return alertLine("2026-11-20T10:00:00.1Z", flow, "198.51.100.5", to, port, signature, "")
	}
	feed := line(1, "203.0.113.5", 22, "ET SCAN a") + line(2, "203.0.113.5", 23, "ET SCAN b") + line(3, "203.0.113.6", 22, "ET EXPLOIT c")
	for _, c := range []struct {
		name          string
		opt           Options
		hits, skipped int
		below         int
	}{
		{"defaults", Options{}, 2, 0, 0},
		{"signatures", Options{Signatures: []string{"ET SCAN"}}, 1, 1, 0},
		{"ignore beats signatures", Options{Signatures: []string{"ET SCAN"}, Ignore: []string{"et scan a"}}, 1, 2, 0},
		{"a category is ignored", Options{Ignore: []string{"Misc Attack"}}, 0, 3, 0},
		{"threshold", Options{Threshold: 2}, 1, 0, 1},
		{"merged by source alone", Options{Merge: []string{}}, 1, 0, 0},
		{"by port", Options{Merge: []string{MergePort}}, 2, 0, 0},
		{"by destination", Options{Merge: []string{MergeDestination}}, 2, 0, 0},
		{"by everything", Options{Merge: []string{MergeFamily, MergePort, MergeDestination}}, 3, 0, 0},
	} {
		r := read(t, strings.NewReader(feed), territoryXA(t), c.opt)
		if len(r.Hits) != c.hits || r.Skipped != c.skipped || r.Below != c.below {
			t.Errorf("%s: %d hits, %d skipped, %d below: %+v", c.name, len(r.Hits), r.Skipped, r.Below, r.Hits)
		}
	}
	for want, opt := range map[string]Options{
		"threshold 5000": {Threshold: 5000}, "sweep -1": {Sweep: -1}, "merge \"colour\"": {Merge: []string{"colour"}}, "twice": {Merge: []string{MergePort, MergePort}}, "ignore has": {Ignore: []string{""}},
	} {
		if err := opt.Settle(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want an error with %q, got %v", want, err)
		}
	}
}

// TestWhatOnlyLooksLikeAnAttackIsTold defends those who were abused against being reported, in each format, and defends against the
// opposite: a source port alone makes no reflector of an attacker.
func TestWhatOnlyLooksLikeAnAttackIsTold(t *testing.T) {
	udp := func(signature string) string {
		line := alertLine("2026-11-20T10:00:00.1Z", 1, "198.51.100.5", "203.0.113.5", 4000, signature, "")
		return strings.Replace(strings.Replace(line, `"src_port":40000`, `"src_port":53`, 1), `"TCP"`, `"UDP"`, 1)
	}
	for _, c := range []struct {
		source, feed string
		want         hotline.HitNature
	}{
		{SourceSuricata, udp("ET DOS DNS Amplification Attack Possible Outbound"), hotline.HitReflector},
		{SourceSuricata, udp("ET EXPLOIT Example worm from source port 53"), hotline.HitAttack},
		{SourceSuricata, strings.Replace(udp("ET DOS DNS Amplification"), `"src_port":53`, `"src_port":5353`, 1), hotline.HitReflector},
		{SourceSuricata, strings.Replace(udp("ET DOS DNS Amplification"), `"src_port":53`, `"src_port":4444`, 1), hotline.HitAttack},
		{SourceSuricata, alertLine("2026-11-20T10:00:00.1Z", 1, "198.51.100.5", "203.0.113.5", 80, "ET MALWARE Known Sinkhole Contact", ""), hotline.HitInfected},
		{SourceIntelMQ, intelMQLine("ddos", "ntp-amplification", "198.51.100.5", "203.0.113.5", ""), hotline.HitReflector},
		{SourceIntelMQ, intelMQLine("ddos", "botnet", "198.51.100.5", "203.0.113.5", `,"source.port":123`), hotline.HitReflector},
		{SourceIntelMQ, intelMQLine("ddos", "botnet", "198.51.100.5", "203.0.113.5", `,"source.port":4444`), hotline.HitAttack},
		{SourceIntelMQ, intelMQLine("infected-system", "bot", "198.51.100.5", "203.0.113.5", ""), hotline.HitInfected},
		{SourceIntelMQ, intelMQLine("ddos-amplifier", "open-ntp", "198.51.100.5", "", ""), hotline.HitExposure},
		{SourceIntelMQ, intelMQLine("potentially-unwanted-accessible", "open-rdp", "198.51.100.5", "", ""), hotline.HitExposure},
		{SourceIntelMQ, intelMQLine("phishing", "page", "198.51.100.5", "", ""), hotline.HitOther},
		{SourceIntelMQ, intelMQLine("exploit", "x", "198.51.100.5", "203.0.113.5", ""), hotline.HitAttack},
	} {
		r := readFrom(t, c.source, strings.NewReader(c.feed), territoryXA(t), Options{})
		if len(r.Hits) != 1 || r.Hits[0].Nature != c.want {
			t.Errorf("%s is %+v, want %s", c.feed, r.Hits, c.want)
		}
	}
}

// TestFlowsNeedManyOfAKind defends those who browse, mail and resolve names: below the thresholds flow records are nothing, scans from
// outside are others' affair, and times that are off by 2^32 ms are set right.
func TestFlowsNeedManyOfAKind(t *testing.T) {
	var feed strings.Builder
	for i := range DefaultSweep - 1 {
		feed.WriteString(flowLine("198.51.100.5", fmt.Sprintf("203.0.113.%d", i), 6, 40000, 502, "......S.", 1, 40))
	}
	if r := readFrom(t, SourceNfdump, strings.NewReader(feed.String()), territoryXA(t), Options{}); len(r.Hits) != 0 || r.Below != DefaultSweep-1 {
		t.Errorf("attempts below the threshold: %+v", r)
	}
	for name, line := range map[string]string{
		"completed": flowLine("198.51.100.5", "203.0.113.5", 6, 40000, 443, "...AP.SF", 9, 900), "from outside": flowLine("203.0.113.5", "198.51.100.5", 6, 40000, 502, "......S.", 1, 40),
		"a small answer": flowLine("198.51.100.5", "203.0.113.5", 17, 53, 4000, "........", 1, 118), "a query": flowLine("198.51.100.5", "203.0.113.5", 17, 4000, 53, "........", 1, 1400),
		"an answer that stays inside": flowLine("198.51.100.5", "198.51.100.6", 17, 53, 4000, "........", 1, 1400),
	} {
		if r := readFrom(t, SourceNfdump, strings.NewReader(line), territoryXA(t), Options{Sweep: 1, Reflectors: 1}); r.Skipped != 1 {
			t.Errorf("%s: %+v", name, r)
		}
	}
	off := strings.Replace(flowLine("198.51.100.5", "203.0.113.5", 6, 40000, 502, "......S.", 1, 40), `"first":"2026-11-21T22:16:05.611"`, `"first":"2027-01-10T15:18:52.907"`, 1)
	r := readFrom(t, SourceNfdump, strings.NewReader(off), territoryXA(t), Options{Sweep: 1})
	if len(r.Hits) != 1 || r.Hits[0].First != 1795299365611 || !noted(r.Hits[0], "2^32") {
		t.Errorf("a time that is off: %+v", r.Hits)
	}
}
