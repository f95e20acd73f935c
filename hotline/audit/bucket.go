package audit

import (
	"encoding/binary"
	"errors"
	"fmt"
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

// buckets are files of rows by a key; nil ones hold nothing. Rows with one key come into one bucket,
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

// each hands over the rows of one bucket after the other, in the order in which
// they were added, and removes it.
func (b *buckets[T]) each(take func(n int, rows []*T) error) error {
	if b == nil {
		return nil
	}
	for n, s := range b.list {
		if err := s.finish(); err != nil {
			return err
		}
		var rows []*T
		for v, err := range s.all() {
			if err != nil {
				return err
			}
			rows = append(rows, &v)
		}
		if err := take(n, rows); err != nil {
			return err
		}
		if err := os.Remove(s.path); err != nil {
			return fmt.Errorf("temporary file: %w", err)
		}
	}
	return nil
}

// sorted keeps values in their order, to be merged with those of other buckets.
func sorted[T any](dir, name string, each func(*T, *record), compare func(a, b *T) int, list []*T) (*spool[T], error) {
	slices.SortStableFunc(list, compare)
	s, err := newBufferedSpool(dir, name, bucketBuffer, each)
	if err != nil {
		return nil, err
	}
	for _, v := range list {
		if err := s.add(v); err != nil {
			return nil, errors.Join(err, s.finish())
		}
	}
	return s, s.finish()
}

// close lets go of what is still written.
func (b *buckets[T]) close() {
	if b == nil {
		return
	}
	for _, s := range b.list {
		_ = s.finish() // an error here was or will be reported by whoever reads it
	}
}
