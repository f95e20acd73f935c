package sensor

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"example.org/hotline/hotline"
)

const sampleFeed = "../../testnet/testdata/sample-eve.ndjson"

func mustPrefixes(t testing.TB, list ...string) *Prefixes {
	t.Helper()
	p, err := NewPrefixes(list)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func territoryXA(t testing.TB) *Prefixes {
	return mustPrefixes(t, "198.51.100.0/24", "2001:db8:a::/48")
}

// read reads feed and holds every hit to its bounds and the counts to their sums.
func read(t testing.TB, feed io.Reader, territory *Prefixes, opt Options) Report {
	t.Helper()
	report, err := ReadSuricata(feed, territory, opt)
	if err != nil {
		t.Fatal(err)
	}
	checkReport(t, report)
	return report
}

func checkReport(t testing.TB, r Report) {
	t.Helper()
	if r.Lines != r.Events+r.Skipped+r.Broken {
		t.Errorf("lines do not add up: %d != %d + %d + %d", r.Lines, r.Events, r.Skipped, r.Broken)
	}
	if r.Events != len(r.Hits)+r.Merged+r.Refused+r.Below || r.Merged < 0 {
		t.Errorf("events do not add up: %d != %d + %d + %d", r.Events, len(r.Hits), r.Merged, r.Refused)
	}
	if len(r.Problems) > MaxProblems {
		t.Errorf("%d problems exceed the bound", len(r.Problems))
	}
	for _, h := range r.Hits {
		if err := h.Validate(); err != nil {
			t.Errorf("the reader made an invalid hit: %v: %+v", err, h)
		}
	}
}

func hitsFrom(r Report, from string) []hotline.Hit {
	var found []hotline.Hit
	for _, h := range r.Hits {
		if slices.Contains(h.From, from) {
			found = append(found, h)
		}
	}
	return found
}

func oneHit(t testing.TB, r Report, from string) hotline.Hit {
	t.Helper()
	found := hitsFrom(r, from)
	if len(found) != 1 {
		t.Fatalf("%d hits from %s, want 1: %+v", len(found), from, found)
	}
	return found[0]
}

func noted(h hotline.Hit, part string) bool {
	return slices.ContainsFunc(h.Notes, func(note string) bool { return strings.Contains(note, part) })
}

func hasFlow(h hotline.Hit, flow uint64) bool { return slices.Contains(h.Flows, flow) }

// alertLine writes one EVE alert in its shortest form.
func alertLine(at string, flow int, from, to string, port int, signature, more string) string {
	return fmt.Sprintf(`{"timestamp":%q,"flow_id":%d,"event_type":"alert","src_ip":%q,"src_port":40000,"dest_ip":%q,"dest_port":%d,`+
		`"proto":"TCP","alert":{"action":"allowed","gid":1,"signature_id":7,"signature":%q,"category":"Misc Attack"%s}}`+"\n",
		at, flow, from, to, port, signature, more)
}

// TestSharedSamplesLeadToExpectedConclusions defends the reading of real sensor output: the conclusions that people drew by
// hand from recorded lines are the ones that the reader draws.
func TestSharedSamplesLeadToExpectedConclusions(t *testing.T) {
	feed := shared(t, "suricata-eve.ndjson")
	defer feed.Close()
	r := read(t, feed, mustPrefixes(t, "8.42.77.0/24", "92.63.194.0/24", "54.235.163.0/24"), Options{})
	if r.Lines != 208 || r.Events != 195 || r.Skipped != 13 || r.Broken != 0 {
		t.Fatalf("counts: %d lines, %d events, %d skipped, %d broken", r.Lines, r.Events, r.Skipped, r.Broken)
	}
	sweep := oneHit(t, r, "8.42.77.171")
	switch {
	case sweep.Count != 7 || sweep.Direction != hotline.HitOutbound || sweep.Evidence != hotline.HitObserved:
		t.Errorf("conclusion 1: want one outbound observed sweep of 7 events: %+v", sweep)
	case !hasFlow(sweep, 52710912) || sweep.To[0] != "138.68.3.71" || sweep.ToTotal != 1 || sweep.PortTotal != 7:
		t.Errorf("conclusion 1: want seven ports of 138.68.3.71: %+v", sweep)
	case !sweep.DestinationKnown || sweep.RolesConfirmed || !noted(sweep, "direction unconfirmed") || !noted(sweep, "UTC"):
		t.Errorf("conclusion 1: want a public destination and unconfirmed roles: %+v", sweep)
	}
	listed := oneHit(t, r, "92.63.194.33")
	switch {
	case listed.Count != 1 || len(listed.Signatures) != 2 || !hasFlow(listed, 53054304):
		t.Errorf("conclusion 2: want one event with two signatures: %+v", listed)
	case listed.Evidence != hotline.HitListed || listed.Direction != hotline.HitOutbound || !noted(listed, "address lists"):
		t.Errorf("conclusion 2: want weak evidence, kept apart: %+v", listed)
	}
	var scanner *hotline.Hit
	for _, h := range hitsFrom(r, "54.235.163.229") {
		if hasFlow(h, 1829127292340180) {
			scanner = &h
		}
	}
	if scanner == nil {
		t.Fatal("conclusion 3: no hit holds flow 1829127292340180")
	}
	if scanner.Direction != hotline.HitOutbound || scanner.DestinationKnown || !noted(*scanner, "declared location of the sensor") {
		t.Errorf("conclusion 3: want outbound to a destination that needs a declared location: %+v", *scanner)
	}
}

// TestSampleFeed defends the project's own sample, which demonstrations rest on: each story in it is told as it was written.
func TestSampleFeed(t *testing.T) {
	data, err := os.ReadFile(sampleFeed)
	if err != nil {
		t.Fatal(err)
	}
	r := read(t, strings.NewReader(string(data)), territoryXA(t), Options{Sensor: "xa-border-1"})
	got := make([]string, 0, len(r.Hits))
	for _, h := range r.Hits {
		got = append(got, fmt.Sprintf("%s %s %s %s>%d:%d x%d confirmed=%t known=%t %s", h.From[0], h.Direction, h.Evidence,
			h.Protocol, h.ToTotal, h.Port, h.Count, h.RolesConfirmed, h.DestinationKnown, h.Sensor))
	}
	want := []string{
		"198.51.100.23 outbound observed TCP>8:22 x8 confirmed=false known=true xa-border-1",
		"198.51.100.77 outbound observed TCP>1:80 x1 confirmed=true known=true xa-border-1",
		"198.51.100.90 outbound listed TCP>1:58800 x1 confirmed=false known=true xa-border-1",
		"192.0.2.200 inbound observed UDP>1:5060 x1 confirmed=false known=true xa-border-1",
		"198.51.100.23 outbound observed TCP>1:80 x1 confirmed=false known=false xa-border-1",
		"2001:db8:b::66 inbound observed TCP>1:502 x1 confirmed=true known=true xa-border-1",
		"203.0.113.99 inbound observed TCP>1:443 x1 confirmed=false known=true xa-border-1",
		"198.51.100.23 internal observed TCP>1:22 x1 confirmed=false known=true xa-border-1",
		"192.0.2.8 foreign observed ICMP>1:0 x1 confirmed=false known=true xa-border-1",
		"198.51.100.23 outbound observed TCP>1:22 x1 confirmed=false known=true xa-border-1",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if len(r.Problems) != 1 || r.Problems[0].Line != 18 || r.Broken != 1 {
		t.Errorf("want one problem at line 18: %+v", r.Problems)
	}
	if !noted(r.Hits[3], "also stands on an address list") {
		t.Errorf("the list beside the behaviour is not told: %+v", r.Hits[3])
	}
	if !noted(r.Hits[5], "blocked") || !noted(r.Hits[6], "without an offset") {
		t.Errorf("blocked packets or times without offset are not told: %q %q", r.Hits[5].Notes, r.Hits[6].Notes)
	}
}

// TestKeysAreStable defends the triage queue against ringing twice: reading a file again, or after it grew, gives known keys.
func TestKeysAreStable(t *testing.T) {
	data, err := os.ReadFile(sampleFeed)
	if err != nil {
		t.Fatal(err)
	}
	whole := read(t, strings.NewReader(string(data)), territoryXA(t), Options{})
	lines := strings.SplitAfter(string(data), "\n")
	part := read(t, strings.NewReader(strings.Join(lines[:6], "")), territoryXA(t), Options{})
	again := read(t, strings.NewReader(string(data)), territoryXA(t), Options{})
	keys := make(map[string]bool)
	for i, h := range whole.Hits {
		if keys[h.Key] {
			t.Errorf("two hits share the key %s", h.Key)
		}
		keys[h.Key] = true
		if again.Hits[i].Key != h.Key {
			t.Errorf("hit %d changed its key between two readings", i)
		}
	}
	if len(part.Hits) != 1 || !keys[part.Hits[0].Key] {
		t.Errorf("the key changed as the file grew: %+v", part.Hits)
	}
}

// TestRolesNamedByTheRuleBeatThePacket defends the victim against being reported: an answer that matched does not make its
// sender the attacker, whichever of two lines about one packet comes first, and contradiction is told.
func TestRolesNamedByTheRuleBeatThePacket(t *testing.T) {
	const at, victim, attacker = "2026-11-20T10:00:00.000001+0000", "203.0.113.5", "198.51.100.5"
	roles := fmt.Sprintf(`,"source":{"ip":%q,"port":40000},"target":{"ip":%q,"port":80}`, attacker, victim)
	reverse := fmt.Sprintf(`,"source":{"ip":%q,"port":80},"target":{"ip":%q,"port":40000}`, victim, attacker)
	half := fmt.Sprintf(`,"source":{"ip":%q,"port":40000}`, attacker)
	plain := alertLine(at, 5, victim, attacker, 40000, "ET SCAN A", "")
	named := alertLine(at, 5, victim, attacker, 40000, "ET SCAN B", roles)
	for _, feed := range []string{named, plain + named, named + plain} {
		h := oneHit(t, read(t, strings.NewReader(feed), territoryXA(t), Options{}), attacker)
		if h.Direction != hotline.HitOutbound || !h.RolesConfirmed || h.To[0] != victim || h.Port != 80 || len(h.Notes) != 0 {
			t.Errorf("feed %q: %+v", feed, h)
		}
	}
	opposed := named + alertLine(at, 5, victim, attacker, 40000, "ET SCAN C", reverse) + named
	h := oneHit(t, read(t, strings.NewReader(opposed), territoryXA(t), Options{}), victim)
	if h.RolesConfirmed || !noted(h, "opposite attackers") || !noted(h, "direction unconfirmed") || h.Direction != hotline.HitInbound {
		t.Errorf("contradicting rules: %+v", h)
	}
	feed := alertLine(at, 5, victim, attacker, 40000, "ET SCAN A", half)
	if h := oneHit(t, read(t, strings.NewReader(feed), territoryXA(t), Options{}), victim); h.RolesConfirmed {
		t.Errorf("one end alone names nobody: %+v", h)
	}
}

// TestDirectionFollowsPrefixesAndPlace defends the judgement of what left the territory, in every combination of sides.
func TestDirectionFollowsPrefixesAndPlace(t *testing.T) {
	const in, out, private = "198.51.100.5", "203.0.113.5", "10.1.2.3"
	xa := territoryXA(t)
	cases := []struct {
		from, to  string
		territory *Prefixes
		place     Place
		want      hotline.HitDirection
		known     bool
		note      string
	}{
		{in, out, xa, PlaceUndeclared, hotline.HitOutbound, true, ""},
		{out, in, xa, PlaceUndeclared, hotline.HitInbound, true, ""},
		{in, in, xa, PlaceUndeclared, hotline.HitInternal, true, ""},
		{out, out, xa, PlaceUndeclared, hotline.HitForeign, true, ""},
		{in, private, xa, PlaceUndeclared, hotline.HitOutbound, false, "a destination is a private address"},
		{in, private, xa, PlaceInside, hotline.HitInternal, true, ""},
		{in, private, xa, PlaceOutside, hotline.HitOutbound, false, ""},
		{out, private, xa, PlaceUndeclared, hotline.HitUnconfirmed, false, "a destination is a private address"},
		{out, private, xa, PlaceInside, hotline.HitInbound, true, ""},
		{private, out, xa, PlaceUndeclared, hotline.HitUnconfirmed, true, "the source is a private address"},
		{private, out, xa, PlaceInside, hotline.HitOutbound, true, ""},
		{private, out, xa, PlaceOutside, hotline.HitForeign, true, ""},
		{in, out, nil, PlaceUndeclared, hotline.HitUnconfirmed, true, "no territory"},
		{private, out, mustPrefixes(t, "10.0.0.0/8"), PlaceUndeclared, hotline.HitOutbound, true, ""},
		{"100.64.9.9", out, xa, PlaceUndeclared, hotline.HitUnconfirmed, true, "the source is a private address"},
		{in, "255.255.255.255", xa, PlaceUndeclared, hotline.HitOutbound, false, "a destination is a private address"},
		{"::ffff:198.51.100.5", "fe80::1%eth0", xa, PlaceUndeclared, hotline.HitOutbound, false, "a destination is a private"},
	}
	for _, c := range cases {
		feed := alertLine("2026-11-20T10:00:00.0+0000", 1, c.from, c.to, 22, "ET SCAN x", "")
		r := read(t, strings.NewReader(feed), c.territory, Options{Place: c.place})
		h := r.Hits[0]
		if h.Direction != c.want || h.DestinationKnown != c.known || !noted(h, c.note) {
			t.Errorf("%s to %s, place %d: got %s known=%t %q, want %s known=%t %q", c.from, c.to, c.place, h.Direction,
				h.DestinationKnown, h.Notes, c.want, c.known, c.note)
		}
		if c.note == "" && len(h.Notes) != 1 {
			t.Errorf("%s to %s, place %d: only the roles are in doubt, got %q", c.from, c.to, c.place, h.Notes)
		}
	}
}

// TestWindowSeparatesAttacks defends the count of attacks: what lies within the window of the first event is one, in any order,
// and what lies beyond is another.
func TestWindowSeparatesAttacks(t *testing.T) {
	line := func(at string, flow int) string {
		return alertLine("2026-11-20T"+at+"+0000", flow, "198.51.100.5", "203.0.113.5", 22, "ET SCAN x", "")
	}
	feed := line("10:30:00.5", 1) + line("10:00:00.5", 2) + line("11:30:00.5", 3) + line("11:30:00.501", 4)
	r := read(t, strings.NewReader(feed), territoryXA(t), Options{})
	if len(r.Hits) != 2 || r.Hits[0].Count != 3 || r.Hits[1].Count != 1 || r.Merged != 2 {
		t.Fatalf("want 3 events and 1: %+v", r.Hits)
	}
	if first := time.UnixMilli(r.Hits[0].First).UTC().Format("15:04:05.0"); first != "10:00:00.5" {
		t.Errorf("first is %s", first)
	}
	if r := read(t, strings.NewReader(feed), territoryXA(t), Options{Window: time.Minute}); len(r.Hits) != 3 {
		t.Errorf("a window of one minute gives %d hits, want 3", len(r.Hits))
	}
}

// TestListsAreKeptApartAndConfigurable defends the difference between what was seen and what was said about an address.
func TestListsAreKeptApartAndConfigurable(t *testing.T) {
	line := func(flow int, signature string) string {
		return alertLine("2026-11-20T10:00:00.1+0000", flow, "198.51.100.5", "203.0.113.5", 22, signature, "")
	}
	feed := line(1, "et cins Active group 1") + line(2, "ET TOR Known Tor Exit Node") + line(3, "ET TORRENT x") + line(4, "XA LIST one")
	r := read(t, strings.NewReader(feed), territoryXA(t), Options{})
	if len(r.Hits) != 3 || r.Hits[0].Evidence != hotline.HitListed || r.Hits[0].Count != 2 {
		t.Errorf("want both lists in one hit and two beside it: %+v", r.Hits)
	}
	r = read(t, strings.NewReader(feed), territoryXA(t), Options{Lists: []string{"XA LIST"}})
	for _, h := range r.Hits {
		if (h.Evidence == hotline.HitListed) != (h.Signatures[0] == "XA LIST one") {
			t.Errorf("the configured list does not decide: %+v", h)
		}
	}
	r = read(t, strings.NewReader(feed), territoryXA(t), Options{Lists: []string{"misc attack"}})
	if len(r.Hits) != 1 || r.Hits[0].Evidence != hotline.HitListed {
		t.Errorf("a category does not decide: %+v", r.Hits)
	}
}

// TestBrokenLinesAreCountedAndPassedOver defends the feed: one bad line costs one line, whatever is wrong with it.
func TestBrokenLinesAreCountedAndPassedOver(t *testing.T) {
	good := alertLine("2026-11-20T10:00:00.1+0000", 1, "198.51.100.5", "203.0.113.5", 22, "ET SCAN x", "")
	bad := map[string]string{
		"not an EVE object": `{"event_type":`,
		"not a JSON object": `[1]`,
		"event_type is mis": `{}`,
		"timestamp":         alertLine("yesterday", 1, "198.51.100.5", "203.0.113.5", 22, "x", ""),
		"timestamp is too":  alertLine(strings.Repeat("9", 99), 1, "198.51.100.5", "203.0.113.5", 22, "x", ""),
		"out of range":      alertLine("1969-11-20T10:00:00.1+0000", 1, "198.51.100.5", "203.0.113.5", 22, "x", ""),
		"src_ip":            alertLine("2026-11-20T10:00:00.1Z", 1, "host", "203.0.113.5", 22, "x", ""),
		"dest_ip":           alertLine("2026-11-20T10:00:00.1Z", 1, "198.51.100.5", "", 22, "x", ""),
		"dest_port":         alertLine("2026-11-20T10:00:00.1Z", 1, "198.51.100.5", "203.0.113.5", 65536, "x", ""),
		"alert.source.ip": alertLine("2026-11-20T10:00:00.1Z", 1, "198.51.100.5", "203.0.113.5", 1, "x",
			`,"source":{"ip":"a"},"target":{"ip":"203.0.113.5"}`),
		"alert.target.ip": alertLine("2026-11-20T10:00:00.1Z", 1, "198.51.100.5", "203.0.113.5", 1, "x",
			`,"source":{"ip":"198.51.100.5"},"target":{"ip":"b"}`),
		"longer than": `{"event_type":"alert","payload":"` + strings.Repeat("A", 2*MaxLine) + `"}`,
	}
	for want, line := range bad {
		feed := good + strings.TrimSuffix(line, "\n") + "\n\n" + good
		r := read(t, strings.NewReader(feed), territoryXA(t), Options{})
		if r.Broken != 1 || r.Events != 2 || r.Skipped != 1 || len(r.Problems) != 1 {
			t.Errorf("%s: %d broken, %d events, %d skipped", want, r.Broken, r.Events, r.Skipped)
			continue
		}
		if p := r.Problems[0]; p.Line != 2 || !strings.Contains(p.Text, want) {
			t.Errorf("want line 2 with %q, got %+v", want, p)
		}
	}
	other := `{"event_type":"stats","host":{"name":"x"},"flow_id":"y"}` + "\n"
	if r := read(t, strings.NewReader(other), territoryXA(t), Options{}); r.Skipped != 1 || r.Broken != 0 {
		t.Errorf("another event type uses members in its own way: %+v", r)
	}
}

// TestReadingIsBounded defends the node's memory: hits, addresses, problems and texts stop at their bounds and say so.
func TestReadingIsBounded(t *testing.T) {
	var feed strings.Builder
	for i := range 5000 {
		feed.WriteString(alertLine("2026-11-20T10:00:00.1Z", i+1, "198.51.100.5", fmt.Sprintf("203.0.%d.%d", i/250, i%250), i+1,
			fmt.Sprintf("ET SCAN \u202e%d%s", i, strings.Repeat("é", 200)), ""))
	}
	feed.WriteString(strings.Repeat("broken\n", MaxProblems+5))
	r := read(t, strings.NewReader(feed.String()), territoryXA(t), Options{})
	h := oneHit(t, r, "198.51.100.5")
	if h.Count != 5000 || h.ToTotal != hotline.MaxHitTotal || h.PortTotal != hotline.MaxHitTotal || !noted(h, "lower bounds") {
		t.Errorf("count %d, to %d, ports %d, notes %q", h.Count, h.ToTotal, h.PortTotal, h.Notes)
	}
	if r.Broken != MaxProblems+5 || len(r.Problems) != MaxProblems {
		t.Errorf("%d broken, %d problems", r.Broken, len(r.Problems))
	}
	feed.Reset()
	for i := range 6 {
		feed.WriteString(alertLine("2026-11-20T10:00:00.1Z", i+1, fmt.Sprintf("198.51.100.%d", i), "203.0.113.5", 22, "x", ""))
	}
	r = read(t, strings.NewReader(feed.String()), territoryXA(t), Options{MaxHits: 4})
	if len(r.Hits) != 4 || r.Refused != 2 || len(r.Problems) != 1 || !strings.Contains(r.Problems[0].Text, "2 events are left out") {
		t.Errorf("%d hits, %d refused, %+v", len(r.Hits), r.Refused, r.Problems)
	}
}

// TestDistinctValuesShareOneBudget defends the node's memory against many large hits at once: when the common budget is used
// up, each hit still has one exact value and says that its totals are lower bounds.
func TestDistinctValuesShareOneBudget(t *testing.T) {
	spare := 2
	set, other := map[int]struct{}{}, map[int]struct{}{}
	got := []bool{distinguish(set, 1, &spare), distinguish(set, 1, &spare), distinguish(set, 2, &spare), distinguish(set, 3, &spare),
		distinguish(other, 1, &spare), distinguish(other, 2, &spare)}
	if want := []bool{true, true, true, false, true, false}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestSettledPacketsFreeTheirPlace defends the bound on waiting packets: beyond it the oldest becomes an event at once.
func TestSettledPacketsFreeTheirPlace(t *testing.T) {
	var feed strings.Builder
	for i := range maxPending + 10 {
		feed.WriteString(alertLine("2026-11-20T10:00:00.1Z", i+1, "198.51.100.5", "203.0.113.5", 22, "ET SCAN x", ""))
	}
	feed.WriteString(alertLine("2026-11-20T10:00:00.1Z", maxPending+10, "198.51.100.5", "203.0.113.5", 22, "ET SCAN y", ""))
	h := oneHit(t, read(t, strings.NewReader(feed.String()), territoryXA(t), Options{}), "198.51.100.5")
	if h.Count != maxPending+10 || len(h.Signatures) != 2 {
		t.Errorf("count %d, signatures %q", h.Count, h.Signatures)
	}
}

// TestReaderErrorKeepsWhatWasRead defends a reading that is cut off: the error is told and the hits before it are not lost.
func TestReaderErrorKeepsWhatWasRead(t *testing.T) {
	cut := errors.New("cut off")
	good := alertLine("2026-11-20T10:00:00.1Z", 1, "198.51.100.5", "203.0.113.5", 22, "ET SCAN x", "")
	r, err := ReadSuricata(io.MultiReader(strings.NewReader(good), iotest.ErrReader(cut)), territoryXA(t), Options{})
	if !errors.Is(err, cut) || !strings.Contains(err.Error(), "line 2") || len(r.Hits) != 1 {
		t.Errorf("got %v and %d hits", err, len(r.Hits))
	}
	checkReport(t, r)
	r = read(t, strings.NewReader(strings.TrimSuffix(good, "\n")), territoryXA(t), Options{})
	if r.Events != 1 || r.Lines != 1 {
		t.Errorf("a last line without its end is lost: %+v", r)
	}
}

// TestOptionsAreHeldToBounds defends against options that cannot be meant.
func TestOptionsAreHeldToBounds(t *testing.T) {
	for want, opt := range map[string]Options{
		"window -1ns": {Window: -1}, "window 48h": {Window: 48 * time.Hour}, "-1 hits": {MaxHits: -1}, "name": {Sensor: "a\x00"},
	} {
		if _, err := ReadSuricata(strings.NewReader(""), nil, opt); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want an error with %q, got %v", want, err)
		}
	}
}

// TestPrefixesRefuseSlips defends the territory against a prefix that does not say what its author meant.
func TestPrefixesRefuseSlips(t *testing.T) {
	for prefix, want := range map[string]string{
		"198.51.100.7":          "not in CIDR notation",
		"198.51.100.7/24":       "write 198.51.100.0/24",
		"::ffff:198.51.100.0/1": "IPv6 clothes",
		"":                      "not in CIDR notation",
	} {
		if _, err := NewPrefixes([]string{prefix}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: want an error with %q, got %v", prefix, want, err)
		}
	}
	if _, err := NewPrefixes(make([]string, MaxPrefixes+1)); err == nil {
		t.Error("too many prefixes are accepted")
	}
	if p := mustPrefixes(t, "198.51.100.0/24", "198.51.100.0/24", "2001:db8::/32"); p.Len() != 2 {
		t.Errorf("length is %d, want 2", p.Len())
	}
}

// FuzzReadSuricata defends the reader against any input: it never fails, its counts add up, and its hits are valid.
func FuzzReadSuricata(f *testing.F) {
	data, err := os.ReadFile(sampleFeed)
	if err != nil {
		f.Fatal(err)
	}
	for _, line := range strings.SplitAfter(string(data), "\n") {
		f.Add([]byte(line))
	}
	f.Add(data)
	territory := territoryXA(f)
	f.Fuzz(func(t *testing.T, feed []byte) {
		read(t, strings.NewReader(string(feed)), territory, Options{MaxHits: 3})
	})
}

// BenchmarkReadSuricata prints MB/s over the project's sample feed.
func BenchmarkReadSuricata(b *testing.B) {
	data, err := os.ReadFile(sampleFeed)
	if err != nil {
		b.Fatal(err)
	}
	feed := strings.Repeat(string(data), 300)
	territory := territoryXA(b)
	b.SetBytes(int64(len(feed)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ReadSuricata(strings.NewReader(feed), territory, Options{}); err != nil {
			b.Fatal(err)
		}
	}
}
