// pure

package hotline

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of one Hit. A sensor is not trusted to be brief: a reader that aggregates observations keeps to these, and a node
// refuses a hit beyond them before it enters the triage queue.
const (
	// MaxHitAddresses bounds From and To each; FromTotal and ToTotal say how many there were.
	MaxHitAddresses = 16
	// MaxHitSignatures bounds Signatures.
	MaxHitSignatures = 8
	// MaxHitFlows bounds Flows.
	MaxHitFlows = 16
	// MaxHitNotes bounds Notes.
	MaxHitNotes = 10
	// MaxHitText bounds each signature and each note, in bytes of UTF-8.
	MaxHitText = 200
	// MaxHitName bounds Source, Sensor and Protocol, in bytes of UTF-8.
	MaxHitName = 64
	// MaxHitTotal bounds FromTotal, ToTotal and PortTotal: a reader stops telling values apart there, so a total at the bound
	// means "this many or more".
	MaxHitTotal = 4096
	// HitKeyLength is the length of Key: SHA-256 in lower-case hexadecimal.
	HitKeyLength = 64
	// MaxHitCountries bounds HitHint.Countries: one for each address that a hit can show.
	MaxHitCountries = 2 * MaxHitAddresses
)

// HitDirection says on which side of the party's border the two ends of the observed traffic lie, judged by the party's own
// prefix list and nothing else. It follows the roles that the sensor names (attacker, target) where it names them, and the
// sender and addressee of the packet otherwise; Hit.RolesConfirmed says which of the two it was. The codes are signed: they
// never change their meaning.
type HitDirection uint

const (
	// HitOutbound is from inside to outside: the case in which the party may owe a warning.
	HitOutbound HitDirection = 1
	// HitInbound is from outside to inside.
	HitInbound HitDirection = 2
	// HitInternal is from inside to inside.
	HitInternal HitDirection = 3
	// HitForeign is from outside to outside: seen by a sensor of the party, concerning others.
	HitForeign HitDirection = 4
	// HitUnconfirmed is where the prefixes cannot say: the party has listed none, or the end that would decide is a private
	// address behind a sensor whose place is not declared.
	HitUnconfirmed HitDirection = 5
)

// String gives the word that operators read.
func (d HitDirection) String() string {
	switch d {
	case HitOutbound:
		return "outbound"
	case HitInbound:
		return "inbound"
	case HitInternal:
		return "internal"
	case HitForeign:
		return "foreign"
	case HitUnconfirmed:
		return "unconfirmed"
	}
	return fmt.Sprintf("direction-%d", uint(d))
}

// HitEvidence separates what a sensor saw happen from what a list says about an address.
type HitEvidence uint

const (
	// HitObserved rests on the traffic itself: a rule matched what was sent.
	HitObserved HitEvidence = 1
	// HitListed rests on an address-reputation list alone: the address is listed, and nothing says what it did here.
	HitListed HitEvidence = 2
)

// String gives the word that operators read.
func (e HitEvidence) String() string {
	switch e {
	case HitObserved:
		return "observed"
	case HitListed:
		return "listed"
	}
	return fmt.Sprintf("evidence-%d", uint(e))
}

// HitNature separates what may be an attack from what looks like one and is none. The codes are signed: they never change their
// meaning.
type HitNature uint

const (
	// HitAttack is what may be an attack by those in From.
	HitAttack HitNature = 1
	// HitReflector is an answer of a service that somebody else provoked with a forged sender: those in From were abused, and who
	// began it is not known.
	HitReflector HitNature = 2
	// HitInfected is a host that is under foreign control, seen where it calls home, as at a sinkhole: those in To were not attacked.
	HitInfected HitNature = 3
	// HitExposure is a service that could be abused and was found by somebody who looked: nothing has happened.
	HitExposure HitNature = 4
	// HitOther is reported misuse of another kind, such as a phishing page.
	HitOther HitNature = 5
)

// hitNatures are the words for the natures that operators read and that configurations name.
var hitNatures = []string{"", "attack", "reflector", "infected", "exposure", "other"}

// String gives the word that operators read; a hit that does not say is "unstated".
func (n HitNature) String() string {
	switch {
	case n == 0:
		return "unstated"
	case int(n) < len(hitNatures):
		return hitNatures[n]
	}
	return fmt.Sprintf("nature-%d", uint(n))
}

// HitNatureByName finds a nature by its word.
func HitNatureByName(word string) (HitNature, bool) {
	i := slices.Index(hitNatures, word)
	return HitNature(max(i, 0)), i > 0
}

// HitHint says what a table of countries holds about addresses of a hit. It decides nothing: tables agree on most addresses and
// not on all, and an address says where a network is registered.
type HitHint struct {
	// Table names the table and, for one of a file, when it was built; "feed" is what the feed itself said.
	Table string `cbor:"1,keyasint" json:"table"`
	// Built is when the table was built, in Unix milliseconds; 0 if it does not say.
	Built int64 `cbor:"2,keyasint,omitempty" json:"built,omitempty"`
	// Countries are "ADDRESS=CC", at most one for each address in From and To.
	Countries []string `cbor:"3,keyasint" json:"countries"`
}

// Hit is one aggregated sensor observation. It waits in a party's triage queue, which is working state: it becomes an entry
// only when an officer adopts it (DESIGN §13). A hit is a machine's remark and never a finding.
type Hit struct {
	// Key is the hexadecimal SHA-256 of what makes the event one event, so that reading the same material again finds the
	// same hit and does not ring twice.
	Key string `cbor:"1,keyasint" json:"key"`
	// Source is the kind of feed: "suricata".
	Source string `cbor:"2,keyasint" json:"source"`
	// Sensor is the sensor's own name, or empty where the feed does not say.
	Sensor string `cbor:"3,keyasint,omitempty" json:"sensor,omitempty"`
	// First and Last are the times of the earliest and the latest event, in Unix milliseconds by the sensor's clock.
	First int64 `cbor:"4,keyasint" json:"first"`
	Last  int64 `cbor:"5,keyasint" json:"last"`
	// Count is the number of events; several signatures that matched one packet are one event.
	Count uint64 `cbor:"6,keyasint" json:"count"`
	// Direction is judged by the party's prefixes.
	Direction HitDirection `cbor:"7,keyasint" json:"direction"`
	// RolesConfirmed is true if the sensor itself said who attacked whom. If it is false, From is merely who sent the
	// matching packet, which can be the victim answering.
	RolesConfirmed bool `cbor:"8,keyasint" json:"roles_confirmed"`
	// From and To are addresses in the form of netip.Addr, each at most once, in the order seen.
	From      []string `cbor:"9,keyasint" json:"from"`
	FromTotal uint     `cbor:"10,keyasint" json:"from_total"`
	To        []string `cbor:"11,keyasint" json:"to"`
	ToTotal   uint     `cbor:"12,keyasint" json:"to_total"`
	// Protocol is the transport in upper case, such as "TCP".
	Protocol string `cbor:"13,keyasint" json:"protocol"`
	// Port is the port at the side of To if all events share one, and 0 if they do not or the protocol has none.
	Port uint16 `cbor:"14,keyasint,omitempty" json:"port,omitempty"`
	// PortTotal is the number of different ports at the side of To.
	PortTotal uint `cbor:"15,keyasint,omitempty" json:"port_total,omitempty"`
	// Signatures are the texts of the rules that matched, each at most once, in the order seen.
	Signatures []string    `cbor:"16,keyasint" json:"signatures"`
	Evidence   HitEvidence `cbor:"17,keyasint" json:"evidence"`
	// DestinationKnown is true if for every address in To it can be found out whose network it is: the address is one of the
	// public Internet, or a private one that the party has declared its own. It does not say whose: no state is inferred here.
	DestinationKnown bool `cbor:"18,keyasint" json:"destination_known"`
	// Flows are the sensor's flow numbers, so that the operator finds the packets again.
	Flows []uint64 `cbor:"19,keyasint,omitempty" json:"flows,omitempty"`
	// Notes say in words what limits the worth of this hit.
	Notes []string `cbor:"20,keyasint,omitempty" json:"notes,omitempty"`
	// Nature says what the hit may be; 0 if whoever made it does not say.
	Nature HitNature `cbor:"21,keyasint,omitempty" json:"nature,omitempty"`
	// Territory is the hexadecimal SHA-256 of the prefix list by which Direction was judged; empty if there was none.
	Territory string `cbor:"22,keyasint,omitempty" json:"territory,omitempty"`
	// Hint is what a table of countries holds about the addresses; nil if none was asked.
	Hint *HitHint `cbor:"23,keyasint,omitempty" json:"hint,omitempty"`
	// Reporter is the role name of the person or body that handed the hit in, set by the node; empty for the node's own sensors.
	Reporter string `cbor:"24,keyasint,omitempty" json:"reporter,omitempty"`
}

// Validate reports the first rule that h breaks. The error fails this one hit and nothing else.
func (h *Hit) Validate() error {
	checks := []func() error{h.validateIdentity, h.validateTimes, h.validateCodes, h.validateEnds, h.validateTexts}
	for _, check := range checks {
		if err := check(); err != nil {
			return fmt.Errorf("hit: %w", err)
		}
	}
	return nil
}

func (h *Hit) validateIdentity() error {
	if len(h.Key) != HitKeyLength {
		return fmt.Errorf("key has %d characters, want %d", len(h.Key), HitKeyLength)
	}
	raw, err := hex.DecodeString(h.Key)
	if err != nil || hex.EncodeToString(raw) != h.Key {
		return errors.New("key is not lower-case hexadecimal")
	}
	if h.Source == "" {
		return errors.New("source is empty")
	}
	if h.Protocol == "" {
		return errors.New("protocol is empty")
	}
	if h.Territory != "" {
		if raw, err := hex.DecodeString(h.Territory); err != nil || len(raw) != HitKeyLength/2 || hex.EncodeToString(raw) != h.Territory {
			return errors.New("territory is no hash in lower-case hexadecimal")
		}
	}
	if h.Reporter != "" && !validRoleName(h.Reporter) {
		return fmt.Errorf("reporter %q is no role name", clip(h.Reporter))
	}
	for _, name := range []string{h.Source, h.Sensor, h.Protocol} {
		if err := hitText(name, MaxHitName); err != nil {
			return err
		}
	}
	return nil
}

func (h *Hit) validateTimes() error {
	if h.First <= 0 {
		return fmt.Errorf("first is %d, want a time after 1970", h.First)
	}
	if h.Last < h.First {
		return fmt.Errorf("last %d is before first %d", h.Last, h.First)
	}
	if h.Count == 0 {
		return errors.New("count is 0")
	}
	return nil
}

func (h *Hit) validateCodes() error {
	if h.Direction < HitOutbound || h.Direction > HitUnconfirmed {
		return fmt.Errorf("direction %d is not known", uint(h.Direction))
	}
	if h.Evidence != HitObserved && h.Evidence != HitListed {
		return fmt.Errorf("evidence %d is not known", uint(h.Evidence))
	}
	if h.Nature > HitOther {
		return fmt.Errorf("nature %d is not known", uint(h.Nature))
	}
	if h.Port != 0 && h.PortTotal != 1 {
		return fmt.Errorf("port %d is given beside a total of %d ports", h.Port, h.PortTotal)
	}
	if h.PortTotal > MaxHitTotal {
		return fmt.Errorf("port total %d exceeds %d", h.PortTotal, MaxHitTotal)
	}
	return nil
}

func (h *Hit) validateEnds() error {
	if err := hitAddresses("from", h.From, h.FromTotal, 1); err != nil {
		return err
	}
	if err := hitAddresses("to", h.To, h.ToTotal, 0); err != nil {
		return err
	}
	if len(h.Flows) > MaxHitFlows {
		return fmt.Errorf("%d flows exceed %d", len(h.Flows), MaxHitFlows)
	}
	return nil
}

func (h *Hit) validateTexts() error {
	if len(h.Signatures) == 0 {
		return errors.New("no signature is given")
	}
	if err := hitTexts("signature", h.Signatures, MaxHitSignatures); err != nil {
		return err
	}
	if err := hitTexts("note", h.Notes, MaxHitNotes); err != nil || h.Hint == nil {
		return err
	}
	return h.Hint.validate()
}

func (t *HitHint) validate() error {
	if t.Table == "" || len(t.Countries) == 0 {
		return errors.New("a hint names no table, or says nothing")
	}
	if err := hitText(t.Table, MaxHitName); err != nil {
		return err
	}
	if t.Built < 0 || len(t.Countries) > MaxHitCountries {
		return fmt.Errorf("a hint built at %d with %d countries is out of bounds", t.Built, len(t.Countries))
	}
	for _, c := range t.Countries {
		text, country, _ := strings.Cut(c, "=")
		addr, err := netip.ParseAddr(text)
		if err != nil || addr.Zone() != "" || addr.Unmap().String() != text || len(country) != 2 || strings.Trim(country, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
			return fmt.Errorf("hint %q is not ADDRESS=CC", clip(c))
		}
	}
	return nil
}

func clip(text string) string { return text[:min(len(text), MaxHitName)] }

// hitAddresses holds one end of a hit to its bounds: least to MaxHitAddresses canonical addresses without repetition, and a total
// that covers them. A report can leave out whom it concerned, and an exposed service concerns nobody.
func hitAddresses(side string, list []string, total uint, least int) error {
	if len(list) < least || len(list) > MaxHitAddresses {
		return fmt.Errorf("%s has %d addresses, want %d to %d", side, len(list), least, MaxHitAddresses)
	}
	if total < uint(len(list)) || total > MaxHitTotal || (len(list) == 0 && total > 0) {
		return fmt.Errorf("%s total is %d, want %d to %d", side, total, len(list), MaxHitTotal)
	}
	seen := make(map[string]bool, len(list))
	for _, text := range list {
		addr, err := netip.ParseAddr(text)
		if err != nil || addr.Zone() != "" || addr.Unmap().String() != text {
			return fmt.Errorf("%s address %q is not in its one written form", side, text)
		}
		if seen[text] {
			return fmt.Errorf("%s address %s is given twice", side, text)
		}
		seen[text] = true
	}
	return nil
}

func hitTexts(what string, list []string, bound int) error {
	if len(list) > bound {
		return fmt.Errorf("%d %ss exceed %d", len(list), what, bound)
	}
	for _, text := range list {
		if text == "" {
			return fmt.Errorf("a %s is empty", what)
		}
		if err := hitText(text, MaxHitText); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
	}
	return nil
}

// hitText refuses what could deceive a reader's terminal or break a line: sensors quote what attackers sent.
func hitText(text string, bound int) error {
	if len(text) > bound {
		return fmt.Errorf("text of %d bytes exceeds %d", len(text), bound)
	}
	if !utf8.ValidString(text) {
		return errors.New("text is not UTF-8")
	}
	for _, r := range text {
		if !unicode.IsPrint(r) {
			return fmt.Errorf("text holds the unprintable character %U", r)
		}
	}
	return nil
}
