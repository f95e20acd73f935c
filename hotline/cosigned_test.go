package hotline_test

import (
	"errors"
	"slices"
	"testing"

	"example.org/hotline/crypto/keys"
	"example.org/hotline/crypto/tlog"
	. "example.org/hotline/hotline"
	"example.org/hotline/hotline/hotlinetest"
)

// TestWitnessesOfACheckpointAreParties: a party counts once, and only with both keys of one of its directories; the log's own
// party is nobody's witness here; a line that only pretends is an error.
func TestWitnessesOfACheckpointAreParties(t *testing.T) {
	a, b, d := hotlinetest.NewParty("XA", "cosigned"), hotlinetest.NewParty("XB", "cosigned"), hotlinetest.NewParty("XC", "cosigned")
	hotlinetest.Convention(hotlinetest.Terms("crisis"), a, b, d)
	c := tlog.Checkpoint{Origin: tlog.Origin("XA", 1), Size: 3, Root: treeOf(3).Root()}
	note := must(tlog.SignCheckpoint(c, a.Log))
	line := func(p *hotlinetest.Party, k *keys.Private, at uint64) []byte {
		return must(tlog.Cosign(c, tlog.WitnessName(string(p.Code)), at, k))
	}
	whole := slices.Concat(note, line(b, b.Witness, 1000), line(b, b.WitnessPQ, 1001), line(d, d.Witness, 1002), line(a, a.Witness, 5), line(a, a.WitnessPQ, 5))
	pages := []*SignedDirectory{a.Directory(1), b.Directory(1), d.Directory(1), b.Directory(1)}
	list, others, err := CosignedBy(whole, c, pages)
	if err != nil || !slices.Equal(list, []Cosigned{{"XB", 1001}}) || others != 2 {
		t.Errorf("both keys of XB and one of XC: %v, %d others, %v", list, others, err)
	}
	whole = append(whole, line(d, d.WitnessPQ, 999)...)
	if list, _, err = CosignedBy(whole, c, pages); err != nil || !slices.Equal(list, []Cosigned{{"XB", 1001}, {"XC", 1002}}) {
		t.Errorf("both keys of both: %v, %v", list, err)
	}
	if list, others, err = CosignedBy(whole, c, pages[:1]); err != nil || len(list) != 0 || others != 6 {
		t.Errorf("without the directories of the others: %v, %d others, %v", list, others, err)
	}
	forged := slices.Clone(whole)
	forged[len(forged)-20] ^= 1 // within the last line's base64
	if _, _, err = CosignedBy(forged, c, pages); !errors.Is(err, tlog.ErrCosignature) && !errors.Is(err, tlog.ErrCheckpoint) {
		t.Errorf("a line that does not verify: %v", err)
	}
}
