package node

import (
	"testing"

	"example.org/hotline/hotline"
)

// Promise: a clock that was wrong by a day and is set right does not silence the desks for a day; one that is set back by a moment
// rings nothing twice.
func TestClockSetRightGoesOnRepeating(t *testing.T) {
	t.Parallel()
	const begun, second, day hotline.Time = 1_000_000_000, 1000, 86_400_000
	x := repeated(begun)
	for _, look := range []struct {
		at, after hotline.Time // after 0: nothing is due again
	}{
		{begun + second, begun},
		{begun + day, begun + second},
		{begun + 2*second, 0}, // set right
		{begun + 3*second, begun + 2*second},
		{begun + 3*second - 20, 0}, // set back by a moment
		{begun + 4*second, begun + 3*second},
	} {
		if after, ok := x.until(look.at); ok != (look.after != 0) || ok && after != look.after {
			t.Errorf("at %d what fell due after %d is repeated: %t; want after %d", look.at-begun, after-begun, ok, look.after-begun)
		}
	}
}
