package sensor

import (
	"fmt"
	"slices"
	"time"

	"example.org/hotline/hotline"
)

// Defaults and bounds of Options.
const (
	// DefaultWindow is how far an event may be from the first one of its hit.
	DefaultWindow = time.Hour
	// MaxWindow bounds Options.Window.
	MaxWindow = 24 * time.Hour
	// DefaultMaxHits bounds the hits of one reading unless Options.MaxHits says otherwise.
	DefaultMaxHits = 10_000
	// DefaultSweep is how many addresses one source tries on one port before flow records make a sweep of it.
	DefaultSweep = 32
	// DefaultReflectors is how many services answer one address before flow records make reflectors of them.
	DefaultReflectors = 8
	// MaxThreshold bounds Threshold, Sweep and Reflectors: totals are told apart so far.
	MaxThreshold = hotline.MaxHitTotal
	// MaxRules bounds each list of Options.
	MaxRules = 1024
)

// Place says whose the private addresses are that a sensor sees (RFC 1918, RFC 4193 and others of local meaning).
type Place int

const (
	// PlaceUndeclared leaves it open: a private address decides nothing.
	PlaceUndeclared Place = iota
	// PlaceInside declares them to be in the party's territory.
	PlaceInside
	// PlaceOutside declares them to be elsewhere, as with a sensor lent to another party.
	PlaceOutside
)

// PlaceByName finds a place by the word of a configuration: nothing, "inside" or "outside".
func PlaceByName(word string) (Place, bool) {
	i := slices.Index([]string{"", "inside", "outside"}, word)
	return Place(max(i, 0)), i >= 0
}

// What may separate one hit from another, beside the source address, the direction, the nature and the kind of evidence, which
// always do.
const (
	MergeFamily      = "family"      // what the rules are for
	MergePort        = "port"        // the port of the target
	MergeDestination = "destination" // the address of the target
)

// DefaultLists are the beginnings of the signatures of the Emerging Threats rule sets that match on an address alone, because
// somebody listed it, whatever the packet holds: CI Army, Spamhaus DROP and DShield, compromised hosts, Tor nodes, 3CORESec,
// trackers of command servers, and the former Russian Business Network list.
func DefaultLists() []string {
	return []string{
		"ET CINS", "ET DROP", "ET COMPROMISED", "ET TOR", "ET 3CORESec", "ET CNC Shadowserver", "ET CNC Feodo", "ET RBN",
	}
}

// DefaultAttacks are the values of IntelMQ's classification.type that may be attacks by the source.
func DefaultAttacks() []string {
	return []string{"brute-force", "ddos", "dos", "exploit", "ids-alert", "sabotage", "scanner", "sniffing"}
}

// DefaultReflectorPorts are UDP services that have been used for amplification (US-CERT alert TA14-017A).
func DefaultReflectorPorts() []uint16 {
	return []uint16{17, 19, 53, 69, 111, 123, 137, 161, 389, 520, 1900, 3283, 3702, 5093, 5353, 10001, 11211, 27960, 37810}
}

// Options of one reading. The zero value is useful. A nil list means the default, an empty one means none.
type Options struct {
	// Sensor is the sensor's name; if empty, the one that each line bears: "host" in EVE, "feed.name" in IntelMQ.
	Sensor string
	// Window is how far an event may lie from the first one of the same attack to be counted with it; 0 means DefaultWindow.
	Window time.Duration
	// Lists are beginnings of signatures or categories, in whole words and any letter case, whose rules match an address
	// for standing on a list. Nil means DefaultLists.
	Lists []string
	// Signatures are beginnings, in the same manner, of the rules that count. Nil and empty mean all.
	Signatures []string
	// Ignore are beginnings of the rules that do not count, whatever Signatures says.
	Ignore []string
	// Attacks are the IntelMQ classification types that may be attacks. Nil means DefaultAttacks.
	Attacks []string
	// Merge is what separates hits. Nil means MergeFamily alone.
	Merge []string
	// Threshold is the number of events from which there is a hit; 0 means 1. Flow records have Sweep and Reflectors instead.
	Threshold int
	// Sweep and Reflectors are the thresholds of flow records; 0 means DefaultSweep and DefaultReflectors.
	Sweep, Reflectors int
	// ReflectorPorts are the UDP ports whose large answers are those of reflectors. Nil means DefaultReflectorPorts.
	ReflectorPorts []uint16
	// Directions and Natures are those that ring. Nil means outbound and unconfirmed, and attacks.
	Directions []hotline.HitDirection
	Natures    []hotline.HitNature
	// Place says whose the private addresses are.
	Place Place
	// Countries is asked for a hint about each address that a hit shows; nil: nobody.
	Countries *Countries
	// MaxHits bounds the hits, and so the memory; 0 means DefaultMaxHits.
	MaxHits int
}

// Settle fills in defaults and checks bounds. The error names the option and what to choose.
func (o *Options) Settle() error {
	o.fill()
	if o.Window < time.Second || o.Window > MaxWindow {
		return fmt.Errorf("sensor: window %v is out of bounds: choose %v to %v", o.Window, time.Second, MaxWindow)
	}
	if o.MaxHits < 0 {
		return fmt.Errorf("sensor: at most %d hits makes no sense: choose 1 or more", o.MaxHits)
	}
	for name, v := range map[string]int{"threshold": o.Threshold, "sweep": o.Sweep, "reflectors": o.Reflectors} {
		if v < 1 || v > MaxThreshold {
			return fmt.Errorf("sensor: %s %d is out of bounds: choose 1 to %d", name, v, MaxThreshold)
		}
	}
	for name, list := range map[string][]string{"lists": o.Lists, "signatures": o.Signatures, "ignore": o.Ignore, "attacks": o.Attacks} {
		if len(list) > MaxRules || slices.Contains(list, "") {
			return fmt.Errorf("sensor: %s has %d texts, or an empty one: name up to %d", name, len(list), MaxRules)
		}
	}
	for i, key := range o.Merge {
		if !slices.Contains([]string{MergeFamily, MergePort, MergeDestination}, key) || slices.Contains(o.Merge[:i], key) {
			return fmt.Errorf("sensor: merge %q is unknown or stands twice: choose from %s, %s, %s", key, MergeFamily, MergePort, MergeDestination)
		}
	}
	if clean(o.Sensor, hotline.MaxHitName) != o.Sensor {
		return fmt.Errorf("sensor: name %q is not printable text of up to %d bytes", o.Sensor, hotline.MaxHitName)
	}
	return nil
}

func (o *Options) fill() {
	orElse(&o.Window, DefaultWindow)
	orElse(&o.MaxHits, DefaultMaxHits)
	orElse(&o.Threshold, 1)
	orElse(&o.Sweep, DefaultSweep)
	orElse(&o.Reflectors, DefaultReflectors)
	listOrElse(&o.Lists, DefaultLists)
	listOrElse(&o.Attacks, DefaultAttacks)
	listOrElse(&o.ReflectorPorts, DefaultReflectorPorts)
	listOrElse(&o.Merge, func() []string { return []string{MergeFamily} })
	listOrElse(&o.Directions, func() []hotline.HitDirection {
		return []hotline.HitDirection{hotline.HitOutbound, hotline.HitUnconfirmed}
	})
	listOrElse(&o.Natures, func() []hotline.HitNature { return []hotline.HitNature{hotline.HitAttack} })
}

func orElse[T int | time.Duration](v *T, def T) {
	if *v == 0 {
		*v = def
	}
}

func listOrElse[T any](list *[]T, def func() []T) {
	if *list == nil {
		*list = def()
	}
}

// Rings reports whether a hit is one for the triage queue. The options must be settled.
func (o *Options) Rings(h *hotline.Hit) bool {
	return slices.Contains(o.Directions, h.Direction) && slices.Contains(o.Natures, h.Nature)
}

// counts reports whether a rule is one that counts.
func (o *Options) counts(signature, category string) bool {
	if onList(signature, o.Ignore) || onList(category, o.Ignore) {
		return false
	}
	return len(o.Signatures) == 0 || onList(signature, o.Signatures) || onList(category, o.Signatures)
}

func (o *Options) reflects(port uint16) bool { return slices.Contains(o.ReflectorPorts, port) }
