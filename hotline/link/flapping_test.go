package link

import (
	"testing"

	"example.org/hotline/hotline"
)

// Promise: a peer whose connections come and go all the time hurries nothing beyond
// the pace of failed exchanges: each try costs this node a tender read and a proof made.
func TestFlappingPathsHurryNothing(t *testing.T) {
	for paths := 1; paths <= 3; paths++ {
		o := NewOutbox(crisis(t), paths)
		mustAdd(t, o, item(1, hotline.Flash), item(2, hotline.Routine))
		tries := map[hotline.ID]int{}
		now := hotline.Time(1_000_000)
		for step := range 6000 { // one minute
			for _, a := range o.Next(now) {
				tries[a.ID]++
			}
			gone := step % paths
			o.PathFailed(gone, now)
			for _, a := range o.Next(now) {
				tries[a.ID]++
			}
			now += 10
			o.PathOpened(gone, now)
		}
		for id, n := range tries {
			if n > 60 {
				t.Errorf("%d paths: %d tries of %s in a minute", paths, n, id.Short())
			}
		}
	}
}
