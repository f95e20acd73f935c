package sensor

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"example.org/hotline/hotline"
)

// shared opens one of the samples that lie beside this repository, and skips the test where they do not, unless they are required.
func shared(t testing.TB, name string) *os.File {
	t.Helper()
	f, err := os.Open(filepath.Join("../../../shared/data/detections", name))
	if err != nil {
		if os.Getenv("HOTLINE_SHARED_REQUIRED") != "" {
			t.Fatalf("the shared samples are required: %v", err)
		}
		t.Skipf("the shared samples are not beside this repository: %v", err)
	}
	return f
}

func readFrom(t testing.TB, source string, feed io.Reader, territory *Prefixes, opt Options) Report {
	t.Helper()
	r, err := Read(source, feed, territory, opt)
	if err != nil {
		t.Fatal(err)
	}
	checkReport(t, r)
	return r
}

func rings(t testing.TB, opt Options, hits []hotline.Hit) []hotline.Hit {
	t.Helper()
	if err := opt.Settle(); err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(slices.Clone(hits), func(h hotline.Hit) bool { return !opt.Rings(&h) })
}

// TestSharedIntelMQLeadsToExpectedConclusions defends the reading of reports: of five events one is an attack out of the territory,
// and only that one rings; the reflector, the host that called a sinkhole and the exposed service are told for what they are.
func TestSharedIntelMQLeadsToExpectedConclusions(t *testing.T) {
	feed := shared(t, "intelmq.ndjson")
	defer feed.Close()
	territory := mustPrefixes(t, "198.51.100.0/24", "2001:db8:1::/48")
	r := readFrom(t, SourceIntelMQ, feed, territory, Options{})
	if r.Lines != 5 || r.Events != 5 || len(r.Hits) != 5 {
		t.Fatalf("%d lines, %d events, %d hits, %+v", r.Lines, r.Events, len(r.Hits), r.Problems)
	}
	want := []struct {
		from, to  string
		nature    hotline.HitNature
		direction hotline.HitDirection
		confirmed bool
		note      string
	}{
		{"198.51.100.23", "192.0.2.17", hotline.HitAttack, hotline.HitOutbound, true, ""},
		{"198.51.100.130", "203.0.113.200", hotline.HitReflector, hotline.HitOutbound, false, "who began it is not known"},
		{"198.51.100.77", "203.0.113.9", hotline.HitInfected, hotline.HitOutbound, true, "no attack on whom it called"},
		{"2001:db8:2::5", "2001:db8:1::22", hotline.HitAttack, hotline.HitInbound, true, ""},
		{"198.51.100.140", "", hotline.HitExposure, hotline.HitInternal, false, "nobody says that it was"},
	}
	for i, w := range want {
		h := r.Hits[i]
		if h.From[0] != w.from || strings.Join(h.To, " ") != w.to || h.Nature != w.nature || h.Direction != w.direction ||
			h.RolesConfirmed != w.confirmed || (w.note != "" && !noted(h, w.note)) || h.Territory != territory.Digest() {
			t.Errorf("event %d: want %+v, got %+v", i+1, w, h)
		}
	}
	if got := rings(t, Options{}, r.Hits); len(got) != 1 || got[0].From[0] != "198.51.100.23" || got[0].Port != 502 {
		t.Errorf("what rings: %+v", got)
	}
	hint := r.Hits[0].Hint
	if hint == nil || hint.Table != "feed" || !slices.Equal(hint.Countries, []string{"198.51.100.23=XA", "192.0.2.17=XB"}) {
		t.Errorf("the hint of the feed: %+v", hint)
	}
}

// TestSharedNfdumpLeadsToExpectedConclusions defends the reading of flow records: of 472 records there is one outbound sweep and one
// finding of abused reflectors, and ordinary traffic is nothing.
func TestSharedNfdumpLeadsToExpectedConclusions(t *testing.T) {
	feed := shared(t, "nfdump.json")
	defer feed.Close()
	r := readFrom(t, SourceNfdump, feed, mustPrefixes(t, "198.51.100.0/24"), Options{})
	if r.Lines != 472 || r.Broken != 0 || r.Events != 324 || len(r.Hits) != 2 {
		t.Fatalf("%d records, %d events, %d broken, %d hits: %+v", r.Lines, r.Events, r.Broken, len(r.Hits), r.Problems)
	}
	sweep, abused := r.Hits[0], r.Hits[1]
	if sweep.Nature != hotline.HitAttack || sweep.Direction != hotline.HitOutbound || sweep.From[0] != "198.51.100.23" ||
		sweep.Count != 300 || sweep.ToTotal != 300 || sweep.Port != 502 || sweep.Protocol != "TCP" || sweep.FromTotal != 1 {
		t.Errorf("want one outbound sweep of port 502: %+v", sweep)
	}
	if abused.Nature != hotline.HitReflector || abused.RolesConfirmed || abused.Count != 24 || abused.FromTotal != 24 ||
		!slices.Equal(abused.To, []string{"203.0.113.200"}) || !noted(abused, "who began it is not known") {
		t.Errorf("want 24 abused reflectors: %+v", abused)
	}
	if got := rings(t, Options{}, r.Hits); len(got) != 1 || got[0].Key != sweep.Key {
		t.Errorf("what rings: %+v", got)
	}
	both := Options{Natures: []hotline.HitNature{hotline.HitAttack, hotline.HitReflector}}
	if got := rings(t, both, r.Hits); len(got) != 2 {
		t.Errorf("what rings, if reflectors shall: %+v", got)
	}
}
