package node

import (
	"context"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"time"

	"example.org/hotline/hotline"
)

// What nobody reads decays unseen. A node reads its whole ledger again in the
// background, at a pace that no notification feels, and stops when a file does
// not hold what the tree in memory says.

// pace says how the ledger files are read again.
type pace struct {
	after time.Duration // from the start of the process to the first slice
	every time.Duration // from one complete pass to the next
	rate  int64         // bytes of entries in a second
}

// scrubPace: one pass a day; a ledger of more than 340 GiB takes longer than
// that at this rate, and is read without end.
var scrubPace = pace{after: time.Minute, every: 24 * time.Hour, rate: 4 << 20}

// scrubSlice is how many entries are read at once: one bundle of the log.
const scrubSlice = 256

// scrub is what is known of the passes.
type scrub struct {
	pace pace
	mark marker        // when the last complete pass ended, in milliseconds
	last atomic.Uint64 // the same
}

func newScrub(data string, p *pace) *scrub {
	s := &scrub{pace: scrubPace, mark: marker{filepath.Join(data, "scrubbed")}}
	if p != nil {
		s.pace = *p
	}
	s.last.Store(s.mark.load())
	return s
}

// keepScrubbing reads the ledger files again and again until ctx ends.
func (n *Node) keepScrubbing(ctx context.Context) {
	s := n.scrub
	pause(ctx, s.pace.after)
	for ctx.Err() == nil {
		now := n.now()
		due := hotline.Time(s.last.Load() + uint64(s.pace.every.Milliseconds()))
		if wait := due - now; wait > 0 && wait <= hotline.Time(s.pace.every.Milliseconds()) { // else a clock was set back: read now
			pause(ctx, time.Duration(wait)*time.Millisecond)
			continue
		}
		if err := n.scrubPass(ctx); err != nil {
			// The process must stop: it could not prove any more what it has signed.
			n.fatal(fmt.Errorf("ledger files: %w; have this node's directory rebuilt from its group, or restored from a backup", err))
			return
		}
	}
}

// scrubPass reads everything that the ledger holds as the pass goes on. It
// returns an error only for what is wrong with the files.
func (n *Node) scrubPass(ctx context.Context) error {
	s := n.scrub
	begun := n.now()
	var read int64
	for from := uint64(0); ctx.Err() == nil; from += scrubSlice {
		// While the files are not what the state says they may be cut back under
		// the reader.
		for n.machine.complete() != nil && ctx.Err() == nil {
			pause(ctx, fetchPause)
		}
		size := n.machine.store.Size()
		if ctx.Err() != nil {
			return nil
		}
		slice, err := n.machine.store.Scrub(min(from, size), min(from+scrubSlice, size))
		if err != nil {
			return err
		}
		read += slice
		if from+scrubSlice >= size {
			n.log.Info("ledger files read again: all are whole", "entries", size, "bytes", read, "milliseconds", n.now()-begun)
			s.last.Store(uint64(n.now()))
			return s.mark.save(s.last.Load())
		}
		pause(ctx, time.Duration(float64(slice)/float64(s.pace.rate)*float64(time.Second)))
	}
	return nil
}
