package sensor

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"example.org/hotline/hotline"
)

// Types of the MaxMind DB file format, section "Output Data Section".
const (
	mmdbText   = 2
	mmdbUint16 = 5
	mmdbMap    = 7
	mmdbUint64 = 9
)

func mmdbHead(kind, size int) []byte {
	if kind > 7 {
		return []byte{byte(size), byte(kind - 7)}
	}
	if size >= 29 {
		return []byte{byte(kind<<5 | 29), byte(size - 29)}
	}
	return []byte{byte(kind<<5 | size)}
}

func mmdbString(s string) []byte { return append(mmdbHead(mmdbText, len(s)), s...) }

func mmdbNumber(kind int, v uint64) []byte {
	b := bytes.TrimLeft(binary.BigEndian.AppendUint64(nil, v), "\x00")
	return append(mmdbHead(kind, len(b)), b...)
}

// mmdb writes a table: the data of each prefix is an encoded map. The tree has 128 bits, with IPv4 at ::/96.
func mmdb(t testing.TB, entries map[string][]byte) []byte {
	t.Helper()
	type node struct{ child [2]int } // 0: nothing; > 0: node; < 0: -(1 + offset of data)
	nodes, data := []node{{}}, []byte{}
	for text, value := range entries {
		p := netip.MustParsePrefix(text)
		addr, bits := p.Addr().As16(), p.Bits()
		if p.Addr().Is4() {
			addr, bits = [16]byte{}, bits+96
			v4 := p.Addr().As4()
			copy(addr[12:], v4[:])
		}
		at := 0
		for i := range bits {
			bit := addr[i/8] >> (7 - i%8) & 1
			if i == bits-1 {
				nodes[at].child[bit] = -(1 + len(data))
				break
			}
			if nodes[at].child[bit] == 0 {
				nodes = append(nodes, node{})
				nodes[at].child[bit] = len(nodes) - 1
			}
			at = nodes[at].child[bit]
		}
		data = append(data, value...)
	}
	var out []byte
	for _, n := range nodes {
		for _, c := range n.child {
			v := uint32(c)
			switch {
			case c == 0:
				v = uint32(len(nodes))
			case c < 0:
				v = uint32(len(nodes) + 16 - c - 1)
			}
			out = append(out, byte(v>>16), byte(v>>8), byte(v))
		}
	}
	out = slices.Concat(out, make([]byte, 16), data, []byte("\xab\xcd\xefMaxMind.com"), mmdbHead(mmdbMap, 9))
	for _, m := range [][]byte{
		mmdbString("binary_format_major_version"), mmdbNumber(mmdbUint16, 2), mmdbString("binary_format_minor_version"), mmdbNumber(mmdbUint16, 0),
		mmdbString("build_epoch"), mmdbNumber(mmdbUint64, 1767225600), mmdbString("database_type"), mmdbString("Example-Country"),
		mmdbString("description"), slices.Concat(mmdbHead(mmdbMap, 1), mmdbString("en"), mmdbString("for tests")),
		mmdbString("ip_version"), mmdbNumber(mmdbUint16, 6), mmdbString("languages"), {0, 4},
		mmdbString("node_count"), mmdbNumber(6, uint64(len(nodes))), mmdbString("record_size"), mmdbNumber(mmdbUint16, 24),
	} {
		out = append(out, m...)
	}
	return out
}

// TestCountriesAreAHintAndPrefixesDecide defends the party against a table that puts its own networks elsewhere: the direction follows the
// prefixes, the table's word and date stand beside it, in each layout that tables have.
func TestCountriesAreAHintAndPrefixesDecide(t *testing.T) {
	one := func(parts ...[]byte) []byte {
		return slices.Concat(append([][]byte{mmdbHead(mmdbMap, len(parts)/2)}, parts...)...)
	}
	path := filepath.Join(t.TempDir(), "countries.mmdb")
	table := mmdb(t, map[string][]byte{
		"198.51.100.0/24": one(mmdbString("country"), one(mmdbString("iso_code"), mmdbString("XB"))),
		"203.0.113.0/24":  one(mmdbString("country_code"), mmdbString("XC")),
		"2001:db8:b::/48": one(mmdbString("country"), mmdbString("XA")),
		"192.0.2.0/24":    one(mmdbString("country_code"), mmdbString("<b>")),
	})
	if err := os.WriteFile(path, table, 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := OpenCountries(path)
	if err != nil {
		t.Fatal(err)
	}
	feed := alertLine("2026-11-20T10:00:00.1Z", 1, "198.51.100.5", "203.0.113.5", 22, "ET SCAN x", "") +
		alertLine("2026-11-20T10:00:00.2Z", 2, "198.51.100.5", "192.0.2.7", 22, "ET SCAN x", "") +
		alertLine("2026-11-20T10:00:00.3Z", 3, "2001:db8:b::1", "2001:db8:c::1", 22, "ET SCAN x", "") +
		alertLine("2026-11-20T10:00:00.4Z", 4, "192.0.2.9", "2001:db8:a::1", 22, "ET SCAN x", "")
	r := read(t, strings.NewReader(feed), territoryXA(t), Options{Countries: c})
	if len(r.Hits) != 3 || r.Hits[0].Direction != hotline.HitOutbound || r.Hits[0].Territory != territoryXA(t).Digest() {
		t.Fatalf("%+v", r.Hits)
	}
	for i, want := range [][]string{{"198.51.100.5=XB", "203.0.113.5=XC"}, {"2001:db8:b::1=XA"}, nil} {
		hint := r.Hits[i].Hint
		if want == nil && hint == nil {
			continue
		}
		if hint == nil || hint.Table != "Example-Country" || hint.Built != 1767225600000 || !slices.Equal(hint.Countries, want) {
			t.Errorf("hit %d: %+v, want %v", i, hint, want)
		}
	}
	if err := os.WriteFile(path, table[:len(table)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenCountries(path); err == nil || !strings.Contains(err.Error(), "MaxMind DB") {
		t.Errorf("half a table is taken: %v", err)
	}
}

// FuzzCountries defends the start against a damaged table: it is refused, or it answers.
func FuzzCountries(f *testing.F) {
	f.Add(mmdb(f, map[string][]byte{"198.51.100.0/24": slices.Concat(mmdbHead(mmdbMap, 1), mmdbString("country"), mmdbString("XB"))}))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := parseCountries(data)
		if err != nil {
			return
		}
		for _, addr := range []string{"198.51.100.5", "2001:db8::1"} {
			if code := c.of(netip.MustParseAddr(addr)); code != "" && !isCountry(code) {
				t.Errorf("%s is in %q", addr, code)
			}
		}
	})
}

// TestTerritoryHasOneDigest defends the record of the prefix list: it does not depend on order or repetition, and differs with any other list.
func TestTerritoryHasOneDigest(t *testing.T) {
	a, b := mustPrefixes(t, "198.51.100.0/24", "2001:db8:a::/48"), mustPrefixes(t, "2001:db8:a::/48", "198.51.100.0/24", "198.51.100.0/24")
	if a.Digest() != b.Digest() || len(a.Digest()) != 64 || a.Digest() == mustPrefixes(t, "198.51.100.0/24").Digest() {
		t.Errorf("%s and %s", a.Digest(), b.Digest())
	}
	if none := mustPrefixes(t); none.Digest() != "" || (*Prefixes)(nil).Digest() != "" {
		t.Error("no list has a digest")
	}
}
