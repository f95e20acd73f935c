package sensor

import (
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"

	"github.com/oschwald/maxminddb-golang/v2"

	"example.org/hotline/hotline"
)

// MaxCountries bounds a table of countries, in bytes. It is held in memory: a file that is replaced on disk changes nothing here.
const MaxCountries = 512 << 20

// Countries is a table that says for an address in which country its network is registered (MaxMind DB file format 2.0). It is a
// hint and decides nothing: such tables agree on most addresses and not on all. It is safe for concurrent use.
type Countries struct {
	table *maxminddb.Reader
	name  string
	built int64
}

// OpenCountries reads and checks a whole table. The error names the file.
func OpenCountries(path string) (*Countries, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("table of countries: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, MaxCountries+1))
	if err != nil {
		return nil, fmt.Errorf("table of countries %s: %w", path, err)
	}
	if len(data) > MaxCountries {
		return nil, fmt.Errorf("table of countries %s is larger than %d bytes", path, MaxCountries)
	}
	c, err := parseCountries(data)
	if err != nil {
		return nil, fmt.Errorf("table of countries %s: %w; get one in the MaxMind DB format", path, err)
	}
	return c, nil
}

func parseCountries(data []byte) (*Countries, error) {
	table, err := maxminddb.OpenBytes(data)
	if err != nil {
		return nil, err
	}
	if err := table.Verify(); err != nil {
		return nil, err
	}
	c := &Countries{table: table, name: clean(table.Metadata.DatabaseType, hotline.MaxHitName), built: table.Metadata.BuildTime().UnixMilli()}
	if c.name == "" || c.built <= 0 {
		return nil, fmt.Errorf("it says neither what it is nor when it was built")
	}
	return c, nil
}

// of returns the two letters for an address, or nothing. Tables differ in where they write them.
func (c *Countries) of(addr netip.Addr) string {
	found := c.table.Lookup(addr)
	for _, path := range [][]any{{"country", "iso_code"}, {"country_code"}, {"country"}} {
		var code string
		if found.DecodePath(&code, path...) == nil && isCountry(code) {
			return code
		}
	}
	return ""
}

// isCountry reports whether text has the form of an ISO 3166-1 alpha-2 code.
func isCountry(text string) bool {
	return len(text) == 2 && strings.Trim(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
}

// hint is what the table says about the addresses that h shows, and without a table what the feed said about them; nil if
// neither says anything.
func (c *Countries) hint(h *hotline.Hit, feed map[netip.Addr]string) *hotline.HitHint {
	if c == nil && len(feed) == 0 {
		return nil
	}
	t, seen := &hotline.HitHint{Table: "feed"}, make(map[string]bool)
	if c != nil {
		t.Table, t.Built = c.name, c.built
	}
	for _, list := range [][]string{h.From, h.To} {
		for _, text := range list {
			addr, err := netip.ParseAddr(text)
			if err != nil || seen[text] {
				continue
			}
			seen[text] = true
			code := feed[addr]
			if c != nil {
				code = c.of(addr)
			}
			if code != "" {
				t.Countries = append(t.Countries, text+"="+code)
			}
		}
	}
	if len(t.Countries) == 0 {
		return nil
	}
	return t
}
