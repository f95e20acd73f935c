package audit

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"os"
	"slices"

	"example.org/hotline/hotline"
)

// Bounds of what ranks hold: maxSamples in memory, the rest in sorted temporary
// files. So many files of one level as maxRuns become one of the next, so that no
// more than maxRuns a level are read at once and each delay is copied once a level.
const (
	maxSamples = 1 << 14
	maxRuns    = 16
)

// ranks find exact percentiles of any number of delays, group by group: they are
// sorted in temporary files, not estimated.
type ranks struct {
	dir    string
	buffer []sample
	runs   [][]*spool[sample] // by level
	made   int                // runs so far, for their names
	counts []uint64           // by group
}

type sample struct {
	group uint64
	delay hotline.Time
}

func (s *sample) each(r *record) {
	number(&s.group, r)
	number(&s.delay, r)
}

func lessSample(a, b sample) bool { return compareSamples(a, b) < 0 }

func compareSamples(a, b sample) int {
	return cmp.Or(cmp.Compare(a.group, b.group), cmp.Compare(a.delay, b.delay))
}

// newRanks makes its files in a directory of its own within dir; close removes it.
func newRanks(dir string) (*ranks, error) {
	own, err := os.MkdirTemp(dir, "ranks-")
	if err != nil {
		return nil, fmt.Errorf("temporary directory: %w", err)
	}
	return &ranks{dir: own}, nil
}

func (k *ranks) close() error { return os.RemoveAll(k.dir) }

// add takes one delay of a group; groups are numbered from 0 without gaps.
func (k *ranks) add(group uint64, delay hotline.Time) error {
	for uint64(len(k.counts)) <= group {
		k.counts = append(k.counts, 0)
	}
	k.counts[group]++
	k.buffer = append(k.buffer, sample{group, delay})
	if len(k.buffer) < maxSamples {
		return nil
	}
	return k.spill()
}

// spill writes what is held as one sorted run.
func (k *ranks) spill() error {
	slices.SortFunc(k.buffer, compareSamples)
	err := k.write(0, func(yield func(sample, error) bool) {
		for _, s := range k.buffer {
			if !yield(s, nil) {
				return
			}
		}
	})
	k.buffer = k.buffer[:0]
	for level := 0; err == nil && len(k.runs[level]) == maxRuns; level++ {
		old := k.runs[level]
		if err = k.write(level+1, merge(old, lessSample)); err != nil {
			break
		}
		k.runs[level] = nil
		for _, s := range old {
			err = errors.Join(err, os.Remove(s.path))
		}
	}
	return err
}

// write makes one run of sorted samples.
func (k *ranks) write(level int, sorted iter.Seq2[sample, error]) error {
	k.made++
	run, err := newSpool(k.dir, fmt.Sprintf("run-%d", k.made), (*sample).each)
	if err != nil {
		return err
	}
	if level == len(k.runs) {
		k.runs = append(k.runs, nil)
	}
	k.runs[level] = append(k.runs[level], run)
	for s, err := range sorted {
		if err == nil {
			err = run.add(&s)
		}
		if err != nil {
			_ = run.finish() // the error that came first is told
			return err
		}
	}
	return run.finish()
}

// percentiles calls found with each group of at least least delays, in order, and
// with its percentiles by nearest rank: the least delay that so many percent of
// all are not above.
func (k *ranks) percentiles(least uint64, percents []uint64, found func(group uint64, values []hotline.Time)) error {
	if len(k.buffer) > 0 {
		if err := k.spill(); err != nil {
			return err
		}
	}
	group, place := uint64(0), uint64(0)
	var values []hotline.Time
	for s, err := range merge(slices.Concat(k.runs...), lessSample) {
		if err != nil {
			return err
		}
		if place == 0 || s.group != group {
			group, place, values = s.group, 0, nil
		}
		place++
		n := k.counts[group]
		for len(values) < len(percents) && place >= (n*percents[len(values)]+99)/100 {
			values = append(values, s.delay)
		}
		if place == n && n >= least {
			found(group, values)
		}
	}
	return nil
}
