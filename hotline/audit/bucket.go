package audit

import (
	"encoding/binary"
	"fmt"
	"iter"
	"os"
	"slices"

	"example.org/hotline/hotline"
)

// Bounds of the buckets in which what belongs together is brought together: at
// most maxBuckets files, each for the rows of some entriesPerBucket entries.
// With more than maxBuckets times as many entries the memory of one bucket grows.
const (
	entriesPerBucket = 1 << 14
	maxBuckets       = 1 << 8
	bucketBuffer     = 1 << 13 // bytes
)

// buckets are files of rows by a key. Rows with one key come into one bucket,
// from whatever log and in whatever order, and a bucket fits into memory.
type buckets[T any] struct {
	list []*spool[T]
}

func newBuckets[T any](dir, name string, entries uint64, each func(*T, *record)) (*buckets[T], error) {
	b := &buckets[T]{}
	for n := range min(entries/entriesPerBucket+1, maxBuckets) {
		s, err := newBufferedSpool(dir, fmt.Sprintf("%s-%d", name, n), bucketBuffer, each)
		if err != nil {
			return b, err
		}
		b.list = append(b.list, s)
	}
	return b, nil
}

func (b *buckets[T]) add(key uint64, v *T) error { return b.list[key%uint64(len(b.list))].add(v) }

// byID is the key of rows that belong to one statement.
func byID(id hotline.ID) uint64 { return binary.BigEndian.Uint64(id[:8]) }

// sorted goes through the buckets: what join makes of the rows of one, in the
// order in which they were added, is sorted and kept in a spool of its own. The
// buckets are removed. merge brings the spools into one order.
func sorted[T, V any](b *buckets[T], dir, name string, each func(*V, *record), compare func(a, b *V) int, join func([]*T) []*V) ([]*spool[V], error) {
	var out []*spool[V]
	for n, s := range b.list {
		if err := s.finish(); err != nil {
			return nil, err
		}
		var rows []*T
		for v, err := range s.all() {
			if err != nil {
				return nil, err
			}
			rows = append(rows, &v)
		}
		made := join(rows)
		slices.SortStableFunc(made, compare)
		to, err := newBufferedSpool(dir, fmt.Sprintf("%s-%d", name, n), bucketBuffer, each)
		if err != nil {
			return nil, err
		}
		out = append(out, to)
		for _, v := range made {
			if err := to.add(v); err != nil {
				return nil, err
			}
		}
		if err := to.finish(); err != nil {
			return nil, err
		}
		if err := os.Remove(s.path); err != nil {
			return nil, fmt.Errorf("temporary file: %w", err)
		}
	}
	return out, nil
}

// close lets go of what is still written.
func (b *buckets[T]) close() {
	for _, s := range b.list {
		_ = s.finish() // an error here was or will be reported by whoever reads it
	}
}

// each turns an iterator of one type into one of another.
func mapped[T, V any](all iter.Seq2[T, error], turn func(*T) (V, error)) iter.Seq2[V, error] {
	return func(yield func(V, error) bool) {
		for v, err := range all {
			var to V
			if err == nil {
				to, err = turn(&v)
			}
			if !yield(to, err) || err != nil {
				return
			}
		}
	}
}
