package audit

import (
	"errors"
	"fmt"
	"time"

	"example.org/hotline/hotline"
)

// The provable interval of an entry (SPEC §7.10): when it came into its log, by
// signatures of other parties alone. What the material proves of it is gathered
// while the logs are held against each other, and lies in a file per log.

// Interval is when an entry came into its log as far as other parties have
// signed it. Times are Unix milliseconds by the clock of the party named beside
// each; 0: nothing that was given bounds this end.
type Interval struct {
	After    hotline.Time  `json:"after,omitempty"`     // the entry, or one before it, holds something signed then
	AfterBy  hotline.Party `json:"after_by,omitempty"`  // by whom
	Before   hotline.Time  `json:"before,omitempty"`    // something signed then covers the entry
	BeforeBy hotline.Party `json:"before_by,omitempty"` // by whom
}

// Bounded reports whether both ends are bounded.
func (i Interval) Bounded() bool { return i.After != 0 && i.Before != 0 }

// Width is the length of the interval. It is not ok if an end is unbounded, or
// if the two ends contradict each other.
func (i Interval) Width() (d time.Duration, ok bool) {
	if !i.Bounded() || i.After > i.Before {
		return 0, false
	}
	return milliseconds(i.Before - i.After), true
}

// Contradiction is by how much the clocks of the two signers contradict each
// other; it is not ok if they do not.
func (i Interval) Contradiction() (d time.Duration, ok bool) {
	if !i.Bounded() || i.After <= i.Before {
		return 0, false
	}
	return milliseconds(i.After - i.Before), true
}

func milliseconds(t hotline.Time) time.Duration { return time.Duration(t) * time.Millisecond }

// within is the intersection of two intervals of one entry, each of which holds.
func (i Interval) within(o Interval) Interval {
	if o.After > i.After || o.After == i.After && o.AfterBy < i.AfterBy {
		i.After, i.AfterBy = o.After, o.AfterBy
	}
	if o.Before != 0 && (i.Before == 0 || o.Before < i.Before || o.Before == i.Before && o.BeforeBy < i.BeforeBy) {
		i.Before, i.BeforeBy = o.Before, o.BeforeBy
	}
	return i
}

var errNoPlace = errors.New("no provable interval")

// Interval returns the provable interval of an entry, whether the export shows
// it or its hash alone. It may be called until Close. An error says that no such
// entry was given, that two histories of its log were, or that a temporary file
// cannot be read.
func (r *Report) Interval(party hotline.Party, generation, entry uint64) (Interval, error) {
	var found Interval
	key := logKey{party, generation}
	if r.weave == nil || len(r.weave.logs[key]) == 0 {
		return found, fmt.Errorf("%w: no log of %s (generation %d) was given", errNoPlace, party, generation)
	}
	if r.weave.forked[key] {
		return found, fmt.Errorf("%w: two histories of the log of %s (generation %d) were given: entry %d has no one place; audit them apart", errNoPlace, party, generation, entry)
	}
	given := false
	for _, t := range r.weave.logs[key] {
		if entry >= t.size {
			continue
		}
		given = true
		b, err := t.at(entry)
		if err != nil {
			return Interval{}, err
		}
		found = found.within(Interval{After: b.after, AfterBy: r.weave.names[b.afterBy], Before: b.before, BeforeBy: r.weave.names[b.beforeBy]})
	}
	if !given {
		return found, fmt.Errorf("%w: entry %d lies beyond the end of the export of the log of %s (generation %d)", errNoPlace, entry, party, generation)
	}
	return found, nil
}
