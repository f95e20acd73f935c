package config

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"example.org/hotline/hotline"
)

// Bounds of the values that have any.
const (
	MinHeartbeat     = 50 * time.Millisecond
	MaxHeartbeat     = 10 * time.Second
	MaxElection      = 30 * time.Second
	MinSnapshotEvery = 16
	MaxSnapshotEvery = 1_000_000
	MaxPeerRate      = 10_000
	MaxPeerBurst     = 100_000
)

// rule is one condition on one key. Its check returns an empty text if the condition holds, and otherwise what is wrong and
// what to write instead.
type rule struct {
	key   string
	check func(c *Config) string
}

// rules are all conditions, in the order of the example file.
var rules = []rule{
	{"party", func(c *Config) string {
		if !hotline.Party(c.Party).Valid() {
			return fmt.Sprintf("%q is not a party's code: write 2 to 8 upper-case letters and digits, beginning with a letter, like XA", c.Party)
		}
		return ""
	}},
	{"node", checkNode},
	{"data", func(c *Config) string { return required(c.Data, "the directory of the node's state") }},
	{"listen", func(c *Config) string { return checkAddress(c.Listen, "[::]:4870") }},
	{"documents", func(c *Config) string {
		return required(c.Documents, "the directory with the convention and the directories of all parties")
	}},
	{"convention", func(c *Config) string {
		if c.Convention == "" {
			return ""
		}
		if b, err := hex.DecodeString(c.Convention); err != nil || len(b) != 32 || hotline.ID(b).IsZero() { // zeros would pin nothing
			return fmt.Sprintf("%q is not the id of a convention: write its 64 hexadecimal digits", c.Convention)
		}
		return ""
	}},
	{"keys.dir", func(c *Config) string { return required(c.Keys.Dir, "the directory of the key files") }},
	{"keys.passphrase", checkPassphrase},
	{"group.heartbeat", func(c *Config) string {
		return between(c.Group.Heartbeat.Duration, MinHeartbeat, MaxHeartbeat)
	}},
	{"group.election", func(c *Config) string {
		if c.Group.Election.Duration < c.Group.Heartbeat.Duration {
			return fmt.Sprintf("%v is shorter than heartbeat (%v): no election would end", c.Group.Election, c.Group.Heartbeat)
		}
		return between(c.Group.Election.Duration, MinHeartbeat, MaxElection)
	}},
	{"group.snapshot_every", func(c *Config) string {
		return between(c.Group.SnapshotEvery, MinSnapshotEvery, MaxSnapshotEvery)
	}},
	{"limits.peer_rate", func(c *Config) string { return between(c.Limits.PeerRate, 1, MaxPeerRate) }},
	{"limits.peer_burst", func(c *Config) string {
		if c.Limits.PeerBurst < c.Limits.PeerRate {
			return fmt.Sprintf("%d is below peer_rate (%d): a sender could never use its rate", c.Limits.PeerBurst, c.Limits.PeerRate)
		}
		return between(c.Limits.PeerBurst, 1, MaxPeerBurst)
	}},
	{"metrics.listen", checkMetrics},
	{"record.listen", func(c *Config) string {
		if c.Record.Listen == "" {
			return ""
		}
		return checkAddress(c.Record.Listen, "127.0.0.1:4871")
	}},
	{"log.level", func(c *Config) string { return oneOf(c.Log.Level, "debug", "info", "warn", "error") }},
	{"log.format", func(c *Config) string { return oneOf(c.Log.Format, "text", "json") }},
	{"territory.prefixes", checkPrefixes},
	{"sensor", checkSensors},
	{"page", checkPages},
}

// Validate holds c to every rule and reports all that are broken, one to a line, each beginning with its key.
func (c *Config) Validate() error {
	var all []error
	for _, r := range rules {
		if text := r.check(c); text != "" {
			all = append(all, fmt.Errorf("%s: %s", r.key, text))
		}
	}
	return errors.Join(all...)
}

func checkNode(c *Config) string {
	rest, ok := strings.CutPrefix(c.Node, c.Party+"-")
	plain := func(r rune) bool { return (r >= 'A' && r <= 'Z') || (r >= '0' && r <= '9') || r == '-' }
	if !ok || c.Party == "" || rest == "" || len(c.Node) > hotline.MaxRoleName || strings.Trim(rest, "-") == "" ||
		strings.ContainsFunc(rest, func(r rune) bool { return !plain(r) }) {
		return fmt.Sprintf("%q is not a node of party %q: write its code, a hyphen, and letters or digits, like XA-1", c.Node, c.Party)
	}
	return ""
}

// checkAddress wants IP:port in its one written form.
func checkAddress(text, like string) string {
	addr, err := netip.ParseAddrPort(text)
	switch {
	case err != nil:
		return fmt.Sprintf("%q is not an IP address with a port: write it like %s", text, like)
	case addr.Port() == 0:
		return fmt.Sprintf("%q leaves the port open: others must know it, write it like %s", text, like)
	case addr.Addr().Is4In6():
		return fmt.Sprintf("%q is an IPv4 address in IPv6 clothes: write it in IPv4", text)
	}
	return ""
}

func checkPassphrase(c *Config) string {
	kind, rest, named := strings.Cut(c.Keys.Passphrase, ":")
	switch {
	case kind == "prompt" && !named:
		return ""
	case kind == "file" && rest != "":
		return ""
	case kind == "credential" && rest != "" && !strings.ContainsAny(rest, `/\`) && rest != "." && rest != "..":
		return ""
	}
	return "is no source of a passphrase: write prompt, file:PATH or credential:NAME" // it may be the passphrase, and is not told
}

func checkMetrics(c *Config) string {
	if c.Metrics.Listen == "" {
		return ""
	}
	if text := checkAddress(c.Metrics.Listen, "127.0.0.1:9470"); text != "" {
		return text
	}
	if !netip.MustParseAddrPort(c.Metrics.Listen).Addr().IsLoopback() {
		return fmt.Sprintf("%q is not a loopback address: the figures show when a party is busy, write it like 127.0.0.1:9470", c.Metrics.Listen)
	}
	return ""
}

func required(value, what string) string {
	if value == "" {
		return "missing: name " + what
	}
	if strings.ContainsRune(value, 0) {
		return "holds a zero byte: name " + what
	}
	return ""
}

func oneOf(value string, allowed ...string) string {
	if slices.Contains(allowed, value) {
		return ""
	}
	return fmt.Sprintf("%q is not known: write %s", value, strings.Join(allowed, ", "))
}

func between[T int | uint64 | time.Duration](value, low, high T) string {
	if value < low || value > high {
		return fmt.Sprintf("%v is out of bounds: choose %v to %v", value, low, high)
	}
	return ""
}

// Pin is the id of the convention that the documents must be of; zero where none is configured.
func (c *Config) Pin() (id hotline.ID) {
	b, err := hex.DecodeString(c.Convention)
	if err == nil && len(b) == len(id) {
		id = hotline.ID(b)
	}
	return id
}
