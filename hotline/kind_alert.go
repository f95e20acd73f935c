package hotline

import (
	"net/netip"
	"strings"
	"unicode/utf8"
)

// KindAlert is the obligatory first notice: coded facts and at most 200 words
// (SPEC §4.3). An ACTUAL one needs two officers, unless it is FLASH and the
// terms let one releaser send it, to be ratified later.
var KindAlert = register(Rules{
	Kind: 3, Name: "alert", Class: ByOfficers,
	Authors:    [][]Role{{Operator, Releaser}, {Releaser}},
	OneOfficer: func(h *Header) bool { return h.Status != Actual || h.Precedence == Flash },
	Delivered:  true, Sealed: true, OpensAck: true, Undeliver: true, Rejects: true,
	Case: Must, Re: May, Detected: May, Assessed: May,
	Body: func() Body { return new(Alert) },
})

// Alert is the body of an alert.
type Alert struct {
	Facts    Facts  `cbor:"1,keyasint" json:"facts"`
	Language string `cbor:"2,keyasint,omitempty" json:"language,omitempty"` // BCP 47 tag of Text
	Text     string `cbor:"3,keyasint,omitempty" json:"text,omitempty"`
}

// Validate holds the word limit of ACP 121 and checks the facts.
func (a *Alert) Validate() error {
	if err := checkText("text", a.Text, MaxText); err != nil {
		return err
	}
	if n := len(strings.Fields(a.Text)); n > MaxAlertWords {
		return Refuse(CodeTooLarge, "alert text of %d words, at most %d: send the rest as a supplement", n, MaxAlertWords)
	}
	if err := checkLanguage(a.Language); err != nil {
		return err
	}
	return a.Facts.Validate()
}

// Facts are the coded facts of DESIGN §5. Codes are signed; every language is
// a rendering made by the reader. Zero means: not stated.
type Facts struct {
	Nature     uint8    `cbor:"1,keyasint" json:"nature"`
	Category   uint8    `cbor:"2,keyasint" json:"category"`
	Relation   uint8    `cbor:"3,keyasint" json:"relation"`
	Sectors    []uint16 `cbor:"4,keyasint,omitempty" json:"sectors,omitempty"`
	Actor      uint8    `cbor:"5,keyasint" json:"actor"`
	State      uint8    `cbor:"6,keyasint" json:"state"`
	Indicators []string `cbor:"7,keyasint,omitempty" json:"indicators,omitempty"`
	Networks   []string `cbor:"8,keyasint,omitempty" json:"networks,omitempty"` // origin networks, CIDR
	Measures   string   `cbor:"9,keyasint,omitempty" json:"measures,omitempty"`
	Help       string   `cbor:"10,keyasint,omitempty" json:"help,omitempty"`
}

// Upper bounds of the coded fields; the words are in FactCodes.
const (
	maxNature   = 3
	maxCategory = 5
	maxRelation = 4
	maxSector   = 13
	maxActor    = 3
	maxState    = 3
)

// FactCodes lists the words of each coded field in English, by number from 1.
// They are the identifiers of commands and documents; renderings for people
// come from the codebook.
var FactCodes = map[string][]string{
	"nature":   {"attack", "accident", "not-assessed"},
	"category": {"terrorist-use", "cybercrime", "critical-information-infrastructure", "critical-infrastructure", "other"},
	"relation": {"origin", "transit", "hosting", "unknown"},
	"sector": {"health", "emergency-response", "humanitarian", "civil", "energy", "nuclear", "water", "finance",
		"transport", "communications-internet-core", "elections", "government", "military"},
	"actor": {"not-assessed", "non-state", "state-organ"},
	"state": {"ongoing", "contained", "ended"},
}

// Validate checks that every code is in its set and every list in its bound.
func (f *Facts) Validate() error {
	for _, c := range []struct {
		name     string
		val, max uint8
	}{
		{"nature", f.Nature, maxNature}, {"category", f.Category, maxCategory}, {"relation", f.Relation, maxRelation},
		{"actor", f.Actor, maxActor}, {"state", f.State, maxState},
	} {
		if c.val < 1 || c.val > c.max {
			return Refuse(CodeMalformed, "%s code %d, known are 1 to %d", c.name, c.val, c.max)
		}
	}
	if len(f.Sectors) > maxSector {
		return Refuse(CodeTooLarge, "%d sectors, at most %d", len(f.Sectors), maxSector)
	}
	for i, s := range f.Sectors {
		if s < 1 || s > maxSector || (i > 0 && f.Sectors[i-1] >= s) {
			return Refuse(CodeMalformed, "sectors must be sorted codes of 1 to %d", maxSector)
		}
	}
	if err := checkNetworks(f.Networks); err != nil {
		return err
	}
	if err := checkIndicators(f.Indicators); err != nil {
		return err
	}
	if err := checkText("measures", f.Measures, MaxText); err != nil {
		return err
	}
	return checkText("help", f.Help, MaxText)
}

// checkNetworks accepts at most MaxNetworks prefixes without host bits.
func checkNetworks(list []string) error {
	if len(list) > MaxNetworks {
		return Refuse(CodeTooLarge, "%d networks, at most %d", len(list), MaxNetworks)
	}
	for _, n := range list {
		if p, err := netip.ParsePrefix(n); err != nil || p.Masked().String() != n {
			return Refuse(CodeMalformed, "network %q is not a masked prefix", n)
		}
	}
	return nil
}

// checkIndicators accepts at most MaxIndicators texts of at most 512 bytes.
func checkIndicators(list []string) error {
	if len(list) > MaxIndicators {
		return Refuse(CodeTooLarge, "%d indicators, at most %d", len(list), MaxIndicators)
	}
	for _, s := range list {
		if err := checkText("indicator", s, 512); err != nil {
			return err
		}
	}
	return nil
}

// checkLanguage accepts nothing, or the form of a BCP 47 tag: subtags of 1 to 8
// letters and digits, 35 bytes together. Which language it is, is not checked.
func checkLanguage(tag string) error {
	if tag == "" {
		return nil
	}
	if len(tag) > 35 {
		return Refuse(CodeTooLarge, "language tag of %d bytes, at most 35", len(tag))
	}
	for part := range strings.SplitSeq(tag, "-") {
		if len(part) < 1 || len(part) > 8 || strings.ContainsFunc(part, func(r rune) bool {
			return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9')
		}) {
			return Refuse(CodeMalformed, "language %q does not have the form of a BCP 47 tag", tag)
		}
	}
	return nil
}

// checkText refuses text over max bytes, invalid UTF-8, and control
// characters that could rewrite a terminal (everything below U+0020 but tab
// and newline, DEL, C1, and the bidirectional overrides).
func checkText(field, s string, max int) error {
	if len(s) > max {
		return Refuse(CodeTooLarge, "%s of %d bytes, at most %d", field, len(s), max)
	}
	if !utf8.ValidString(s) {
		return Refuse(CodeMalformed, "%s is not utf-8", field)
	}
	for _, r := range s {
		if (r < 0x20 && r != '\n' && r != '\t') || (r >= 0x7f && r < 0xa0) || (r >= 0x202a && r <= 0x202e) || (r >= 0x2066 && r <= 0x2069) {
			return Refuse(CodeMalformed, "%s holds the control character U+%04X", field, r)
		}
	}
	return nil
}
