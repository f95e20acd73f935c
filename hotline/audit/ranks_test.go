package audit

import (
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"example.org/hotline/hotline"
)

// Promise: percentiles are exact by nearest rank, for more delays than memory may
// hold, and groups that are too small have none.
func TestPercentilesAreExact(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	k, err := newRanks(dir)
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	groups := make([][]hotline.Time, 5)
	for i := range maxSamples*maxRuns + 3*maxSamples/2 {
		g := uint64(i % 3)
		if i == 7 {
			g = 3
		}
		if i%50_000 == 8 {
			g = 4
		}
		d := hotline.Time(random.Int64N(1 << 33))
		groups[g] = append(groups[g], d)
		if err := k.add(g, d); err != nil {
			t.Fatal(err)
		}
	}
	if len(k.buffer) >= maxSamples || len(slices.Concat(k.runs...)) > maxRuns {
		t.Errorf("%d delays and %d runs are held", len(k.buffer), len(k.runs))
	}
	told := 0
	if err := k.percentiles(5, []uint64{50, 95}, func(g uint64, values []hotline.Time) {
		told++
		all := groups[g]
		slices.Sort(all)
		n := len(all)
		if want := []hotline.Time{all[(n*50+99)/100-1], all[(n*95+99)/100-1]}; !slices.Equal(values, want) {
			t.Errorf("group %d: %d, want %d", g, values, want)
		}
	}); err != nil {
		t.Fatal(err)
	}
	if told != 4 {
		t.Errorf("%d groups are told, want 4", told)
	}
	if err := k.close(); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
