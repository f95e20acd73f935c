package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"example.org/hotline/hotline"
)

// clock is how people read a time of the protocol: ISO 8601, UTC, the same in every language.
func clock(t hotline.Time) string {
	if t == 0 {
		return "-"
	}
	return time.UnixMilli(int64(t)).UTC().Format("2006-01-02T15:04:05Z")
}

// span is how people read a duration: 1:02:03, with a minus where it is over.
func span(d time.Duration) string {
	sign := ""
	if d < 0 {
		sign, d = "-", -d
	}
	s := int(d / time.Second)
	if s >= 3600 {
		return fmt.Sprintf("%s%d:%02d:%02d", sign, s/3600, s/60%60, s%60)
	}
	return fmt.Sprintf("%s%d:%02d", sign, s/60, s%60)
}

func lowerHex(s string) bool { return strings.Trim(s, "0123456789abcdef") == "" }

// caseDigits returns the id part of PARTY/ID, or name itself.
func caseDigits(name string) string {
	if _, id, ok := strings.Cut(name, "/"); ok {
		return id
	}
	return name
}

// checkID accepts a statement's id or a beginning of it that is long enough, as find takes it.
func checkID(cmd *cobra.Command, id string) error {
	if n := len(id); n < hotline.MinIDDigits || n > 2*len(hotline.ID{}) || !lowerHex(id) {
		return usage(cmd, "%q is no id: %d to %d lower-case hexadecimal digits", id, hotline.MinIDDigits, 2*len(hotline.ID{}))
	}
	return nil
}

// namesOne is PreRunE of a verb whose arguments are ids or cases.
func namesOne(cmd *cobra.Command, args []string) error {
	for _, arg := range args {
		if err := checkID(cmd, caseDigits(arg)); err != nil {
			return err
		}
	}
	return nil
}

// parties reads a list of party codes, given one by one or with commas.
func parties(cmd *cobra.Command, flag string, list []string) ([]hotline.Party, error) {
	var out []hotline.Party
	for _, code := range list {
		p := hotline.Party(strings.TrimSpace(code))
		if !p.Valid() {
			return nil, usage(cmd, "--%s: %q is no party code", flag, code)
		}
		out = append(out, p)
	}
	return out, nil
}

// word finds the number of a coded word, from 1.
func word(cmd *cobra.Command, flag, given string, words []string) (uint8, error) {
	i := slices.IndexFunc(words, func(w string) bool { return strings.EqualFold(w, given) })
	if i < 0 {
		return 0, usage(cmd, "--%s: %q is not one of %s", flag, given, strings.Join(words, ", "))
	}
	return uint8(i + 1), nil
}

var (
	statusWords     = []string{"ACTUAL", "EXERCISE", "TEST"}
	precedenceWords = []string{"FLASH", "IMMEDIATE", "PRIORITY", "ROUTINE"}
	verdictWords    = []string{"notifiable", "below-threshold"}
	tlpWords        = []string{"RED", "AMBER+STRICT", "AMBER", "GREEN", "CLEAR"}
)

func statusOf(cmd *cobra.Command, given string) (hotline.Status, error) {
	n, err := word(cmd, "status", given, statusWords)
	return hotline.Status(n), err
}

func precedenceOf(cmd *cobra.Command, given string) (hotline.Precedence, error) {
	n, err := word(cmd, "precedence", given, precedenceWords)
	return hotline.Precedence(n), err
}

func tlpOf(cmd *cobra.Command, given string) (hotline.TLP, error) {
	n, err := word(cmd, "tlp", strings.TrimPrefix(strings.ToUpper(given), "TLP:"), tlpWords)
	return hotline.TLP(n), err
}

// joinParties is how a list of parties is shown.
func joinParties(list []hotline.Party) string {
	var s []string
	for _, p := range list {
		s = append(s, string(p))
	}
	return strings.Join(s, ",")
}

// factWords returns the coded facts by their words, as commands take them and --json prints them.
func factWords(f *hotline.Facts) map[string]any {
	pick := func(set string, n int) string {
		if words := hotline.FactCodes[set]; n >= 1 && n <= len(words) {
			return words[n-1]
		}
		return fmt.Sprint(n)
	}
	out := map[string]any{"nature": pick("nature", int(f.Nature)), "category": pick("category", int(f.Category)),
		"relation": pick("relation", int(f.Relation)), "actor": pick("actor", int(f.Actor)), "state": pick("state", int(f.State))}
	var sectors []string
	for _, n := range f.Sectors {
		sectors = append(sectors, pick("sector", int(n)))
	}
	for name, list := range map[string][]string{"sectors": sectors, "indicators": f.Indicators, "networks": f.Networks} {
		if len(list) > 0 {
			out[name] = list
		}
	}
	for name, text := range map[string]string{"measures": f.Measures, "help": f.Help} {
		if text != "" {
			out[name] = text
		}
	}
	return out
}
