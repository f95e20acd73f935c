package hotline

import (
	"slices"
	"strings"

	"example.org/hotline/crypto/tlog"
)

// Cosigned is a party that has cosigned a checkpoint with both its keys
// (SPEC §7.8), and when, by its own clock, in seconds since 1970: the later of
// the two times.
type Cosigned struct {
	Party   Party
	Seconds uint64
}

// CosignedBy returns who, of the parties of these directories, has cosigned c
// under a note of it, by party. Several directories of one party are those of
// different times: the two keys must be of one of them. others counts the lines
// that no directory accounts for, beside those of c's own log. A line of a
// known key that does not verify is an error that wraps tlog.ErrCosignature.
func CosignedBy(note []byte, c tlog.Checkpoint, pages []*SignedDirectory) (list []Cosigned, others int, err error) {
	own, _, _ := SplitOrigin(c.Origin)
	var keys []tlog.Cosigner
	for _, d := range pages {
		for _, k := range []tlog.Cosigner{{Name: tlog.WitnessName(string(d.Party)), Key: d.Witness}, {Name: tlog.WitnessName(string(d.Party)), Key: d.WitnessPQ}} {
			if d.Party != own && !slices.Contains(keys, k) {
				keys = append(keys, k)
			}
		}
	}
	found, others, err := tlog.VerifyCosignatures(note, c, keys)
	if err != nil {
		return nil, 0, err
	}
	at := map[tlog.Cosigner]uint64{}
	for _, f := range found {
		at[f.Cosigner] = f.Seconds
	}
	for _, d := range pages {
		name := tlog.WitnessName(string(d.Party))
		first, one := at[tlog.Cosigner{Name: name, Key: d.Witness}]
		second, two := at[tlog.Cosigner{Name: name, Key: d.WitnessPQ}]
		if one && two && !slices.ContainsFunc(list, func(x Cosigned) bool { return x.Party == d.Party }) {
			list = append(list, Cosigned{d.Party, max(first, second)})
		}
	}
	slices.SortFunc(list, func(a, b Cosigned) int { return strings.Compare(string(a.Party), string(b.Party)) })
	return list, others, nil
}
