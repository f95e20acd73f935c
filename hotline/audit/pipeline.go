package audit

import (
	"context"
	"sync"
)

// Bounds of the pipeline: at most inFlight batches a worker are read ahead.
const (
	batchEntries = 64
	batchBytes   = 1 << 20
	inFlight     = 2
)

// batch is a run of leaves that one worker examines.
type batch struct {
	items []item
	bytes int
	done  chan struct{} // closed when every item has been examined
}

// run reads a source, examines its leaves on several workers, and hands them to
// take in order, on the caller's goroutine. It returns after every goroutine
// that it started has ended.
func run(ctx context.Context, src source, x *examiner, workers int, take func(*item) error) error {
	ctx, cancel := context.WithCancel(ctx)
	work := make(chan *batch)
	order := make(chan *batch, workers*inFlight)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	for range workers {
		wg.Go(func() { examineAll(ctx, x, work) })
	}
	var failed error
	wg.Go(func() {
		defer close(order)
		defer close(work)
		failed = readAll(ctx, src, x, work, order)
	})
	for b := range order {
		select {
		case <-b.done:
		case <-ctx.Done():
			return ctx.Err()
		}
		for i := range b.items {
			if err := take(&b.items[i]); err != nil {
				return err
			}
		}
	}
	return failed // written before order was closed
}

func examineAll(ctx context.Context, x *examiner, work <-chan *batch) {
	for b := range work {
		for i := range b.items {
			if ctx.Err() != nil {
				return
			}
			x.examine(&b.items[i])
		}
		close(b.done)
	}
}

func readAll(ctx context.Context, src source, x *examiner, work, order chan<- *batch) error {
	var b *batch
	flush := func() error {
		if b == nil {
			return nil
		}
		full := b
		b = nil
		for _, to := range []chan<- *batch{order, work} {
			select {
			case to <- full:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	}
	err := src.each(func(l leaf) error {
		x.read(l)
		if b == nil {
			b = &batch{done: make(chan struct{}), items: make([]item, 0, batchEntries)}
		}
		b.items = append(b.items, item{leaf: l})
		b.bytes += len(l.raw)
		if len(b.items) < batchEntries && b.bytes < batchBytes {
			return nil
		}
		return flush()
	})
	if err != nil {
		return err
	}
	return flush()
}
