package replica

import (
	"context"
	"sync/atomic"

	"golang.org/x/sync/semaphore"
)

// gate lets a bounded number in at a time and a bounded number wait, first
// come, first served.
type gate struct {
	places  *semaphore.Weighted
	present atomic.Int64 // inside and waiting
	limit   int64
}

func newGate(inside, waiting int64) *gate {
	return &gate{places: semaphore.NewWeighted(inside), limit: inside + waiting}
}

// enter returns nil when the caller is inside; it must then leave. It returns
// ErrBusy at once when too many wait, and ctx's error when that ends first.
func (g *gate) enter(ctx context.Context) error {
	if g.present.Add(1) > g.limit {
		g.present.Add(-1)
		return ErrBusy
	}
	if err := g.places.Acquire(ctx, 1); err != nil {
		g.present.Add(-1)
		return err
	}
	return nil
}

func (g *gate) leave() {
	g.places.Release(1)
	g.present.Add(-1)
}
