package sensor

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/gaissmai/bart"
)

// MaxPrefixes bounds a party's own prefix list.
const MaxPrefixes = 100_000

// Prefixes is a set of networks that a party has declared to be its territory. The declaration is the party's own and is the
// only thing that decides what left its territory; no table of countries is consulted. It is immutable and safe for
// concurrent use.
type Prefixes struct {
	table  *bart.Lite
	size   int
	digest string
}

// NewPrefixes builds the set from prefixes in CIDR notation such as "198.51.100.0/24" or "2001:db8:1::/48". A prefix with
// bits set behind its length is refused: it is more often a slip of the pen than an intention.
func NewPrefixes(list []string) (*Prefixes, error) {
	if len(list) > MaxPrefixes {
		return nil, fmt.Errorf("territory has %d prefixes, more than %d: summarise them", len(list), MaxPrefixes)
	}
	p := &Prefixes{table: new(bart.Lite)}
	texts := make([]string, 0, len(list))
	for _, text := range list {
		prefix, err := ParsePrefix(text)
		if err != nil {
			return nil, err
		}
		p.table.Insert(prefix)
		texts = append(texts, prefix.String())
	}
	p.size = p.table.Size()
	slices.Sort(texts)
	if sum := sha256.Sum256([]byte(strings.Join(slices.Compact(texts), "\n") + "\n")); p.size > 0 {
		p.digest = hex.EncodeToString(sum[:])
	}
	return p, nil
}

// Digest is the hexadecimal SHA-256 of the list, which a hit names, so that it can be said later by which list it was judged
// (SPEC §4.1). It is empty for an empty list.
func (p *Prefixes) Digest() string {
	if p == nil {
		return ""
	}
	return p.digest
}

// ParsePrefix reads one prefix of a territory. Its error says what to write instead.
func ParsePrefix(text string) (netip.Prefix, error) {
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("territory prefix %q is not in CIDR notation: write it like 198.51.100.0/24", text)
	}
	if prefix.Addr().Is4In6() {
		return netip.Prefix{}, fmt.Errorf("territory prefix %q is an IPv4 network in IPv6 clothes: write it in IPv4", text)
	}
	if masked := prefix.Masked(); masked != prefix {
		return netip.Prefix{}, fmt.Errorf("territory prefix %q has bits set behind its length: write %s", text, masked)
	}
	return prefix, nil
}

// Contains reports whether addr lies in the territory. A nil set contains nothing.
func (p *Prefixes) Contains(addr netip.Addr) bool {
	return p != nil && p.table.Contains(addr.Unmap().WithZone(""))
}

// Len is the number of different prefixes.
func (p *Prefixes) Len() int {
	if p == nil {
		return 0
	}
	return p.size
}

// localUse are the networks, beyond those that net/netip names itself, whose addresses mean something else in every network:
// "this network" (RFC 791), shared address space (RFC 6598), reserved and limited broadcast (RFC 1112, RFC 919).
var localUse = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("100.64.0.0/10"),
	netip.MustParsePrefix("240.0.0.0/4"),
}

// isPublic reports whether addr identifies one network of the public Internet. The documentation networks of RFC 5737 and
// RFC 3849 count as public, so that exercises behave like the real thing.
func isPublic(addr netip.Addr) bool {
	if addr.IsPrivate() || addr.IsLoopback() || addr.IsMulticast() || addr.IsLinkLocalUnicast() || addr.IsUnspecified() {
		return false
	}
	for _, prefix := range localUse {
		if prefix.Contains(addr) {
			return false
		}
	}
	return true
}
