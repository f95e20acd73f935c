package audit

import (
	"errors"
	"fmt"

	"example.org/hotline/hotline"
)

// A notification is an alert as it stands in the log of the party that tendered
// it. What its time is worth is how narrow its provable interval is (SPEC §7.10).

// Notification is an alert or an automatic alert, tendered to anybody.
type Notification struct {
	Party      hotline.Party `json:"party"`
	Generation uint64        `json:"generation"`
	Entry      uint64        `json:"entry"`
	Time       hotline.Time  `json:"time"`               // of the entry, by the log of Party
	Provable   *Interval     `json:"provable,omitempty"` // absent where that log is not given up to this entry
}

// Widths says how narrow the provable intervals of notifications are.
type Widths struct {
	Notifications uint64       `json:"notifications"`
	Unbounded     uint64       `json:"unbounded"`        // an end, or both, is bounded by no signature
	Contradicting uint64       `json:"contradicting"`    // the signatures at the two ends contradict each other
	Median        hotline.Time `json:"median,omitempty"` // of the rest, in milliseconds; of an even number the lower of the two in the middle
}

// Bounded is how many have a width.
func (w *Widths) Bounded() uint64 { return w.Notifications - w.Unbounded - w.Contradicting }

// widths counts notifications, and keeps what is needed for the median.
type widths struct {
	Widths
	all  *spool[hotline.Time]
	most hotline.Time
}

func newWidths(dir string) (*widths, error) {
	all, err := newSpool(dir, "widths", number[hotline.Time])
	return &widths{all: all}, err
}

func (w *widths) add(i *Interval) error {
	w.Notifications++
	switch {
	case i == nil || !i.Bounded():
		w.Unbounded++
		return nil
	case i.After > i.Before:
		w.Contradicting++
		return nil
	}
	width := i.Before - i.After
	w.most = max(w.most, width)
	return w.all.add(&width)
}

// finish finds the median: the least width that at least half do not exceed. It
// reads the file some 40 times and holds nothing in memory.
func (w *widths) finish() (Widths, error) {
	if err := w.all.finish(); err != nil {
		return w.Widths, err
	}
	low, high := hotline.Time(0), w.most
	for low < high {
		middle, n := low+(high-low)/2, uint64(0)
		for v, err := range w.all.all() {
			if err != nil {
				return w.Widths, err
			}
			if v <= middle {
				n++
			}
		}
		if 2*n >= w.all.count {
			high = middle
		} else {
			low = middle + 1
		}
	}
	w.Median = low
	return w.Widths, nil
}

// provable is the interval of an entry, nil where its log is not given up to
// that entry, or two histories of it are.
func (r *Report) provable(party hotline.Party, generation, entry uint64) (*Interval, error) {
	i, err := r.Interval(party, generation, entry)
	if errors.Is(err, errNoPlace) {
		return nil, nil
	}
	return &i, err
}

func (n *Notification) each(r *record) {
	str(&n.Party, r)
	number(&n.Generation, r)
	number(&n.Entry, r)
	number(&n.Time, r)
	maybe(&n.Provable, (*Interval).each, r)
}

func (i *Interval) each(r *record) {
	number(&i.After, r)
	str(&i.AfterBy, r)
	number(&i.Before, r)
	str(&i.BeforeBy, r)
}

// Words says an interval to people: its ends, each with who signed it, and its width.
func (i *Interval) Words() string {
	if i == nil {
		return "not known: that part of the log is not given"
	}
	after, before := "no signature bounds its beginning", "none its end"
	if i.After != 0 {
		after = fmt.Sprintf("after %s (signed by %s)", stamp(i.After), i.AfterBy)
	}
	switch {
	case i.Before != 0:
		before = fmt.Sprintf("before %s (signed by %s)", stamp(i.Before), i.BeforeBy)
	case i.After != 0:
		before = "no signature bounds its end"
	}
	text := after + ", " + before
	if width, ok := i.Width(); ok {
		text += fmt.Sprintf(", %s wide", width)
	}
	if by, ok := i.Contradiction(); ok {
		text += fmt.Sprintf("; these signatures contradict each other by %s", by)
	}
	return text
}
