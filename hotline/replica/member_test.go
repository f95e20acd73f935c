package replica

import (
	"errors"
	"fmt"
	"slices"
	"testing"
)

// A group of 1, 3 or 5 elects a leader, and every member applies the same
// commands in the same order.
func TestGroupsElectAndCommit(t *testing.T) {
	for _, size := range []int{1, 3, 5} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			ctx := within(t)
			g := startGroup(t, size)
			l := g.leader(ctx)
			var want []string
			for i := range 20 {
				want = append(want, fmt.Sprintf("command %d", i))
				if got := l.mustPropose(t, ctx, want[i]); got != i+1 {
					t.Fatalf("result %v of command %d", got, i)
				}
			}
			for _, n := range g.nodes {
				if got := n.journal.wait(t, ctx, has(want[19])); !slices.Equal(got, want) {
					t.Fatalf("%s applied %q", n.cfg.ID, got)
				}
				if n == l {
					continue
				}
				if _, err := n.Propose(ctx, []byte("x")); !errors.Is(err, ErrNotLeader) {
					t.Fatalf("follower proposed: %v", err)
				}
			}
			for _, n := range g.nodes {
				if err := n.Close(); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}
