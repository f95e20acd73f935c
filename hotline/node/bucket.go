package node

import "time"

// limit is how often something may be asked for: burst times at once, and once
// each beyond.
type limit struct {
	each  time.Duration
	burst int64
}

// bucket counts against a limit. It is not safe for concurrent use.
type bucket struct {
	full time.Time // when it is full again
}

// take reports whether one more is within the limit, and counts it.
func (b *bucket) take(l limit, now time.Time) bool {
	if b.full.Before(now) {
		b.full = now
	}
	if b.full.Sub(now) > time.Duration(l.burst-1)*l.each {
		return false
	}
	b.full = b.full.Add(l.each)
	return true
}
