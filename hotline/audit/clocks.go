package audit

import (
	"fmt"

	"example.org/hotline/hotline"
)

// Where one fact follows another, and bears a time well before it, signatures show
// the order and not whose clock was wrong: both parties are named, by one observation
// (SPEC §10.2 rule 10).

// fact is an entry as its party signed it.
type fact struct {
	party hotline.Party
	entry uint64
	time  hotline.Time
}

// tooEarly reports whether a later fact bears an earlier time than the fact
// that it follows, by more than clocks may differ.
func tooEarly(later, earlier hotline.Time) bool { return later+skewMark < earlier }

var skewMark = hotline.Time(hotline.SkewMark.Milliseconds())

// whose ends the words of an observation that names two parties.
const whose = "one of these two times is false, and nothing here shows which"

// contradicts observes that the entry of one log which holds what another party signed
// of a statement is tooEarly. The words are the same from whichever log they are found.
func (j *judged) contradicts(id hotline.ID, later, earlier fact) {
	if tooEarly(later.time, earlier.time) {
		j.disagree(TimeContradiction, later.party, later.entry, earlier.party, fmt.Sprintf("statement %s: entry %d of %s, at %s, follows entry %d of %s, at %s, and bears a time %s before it: %s",
			id.Short(), later.entry, later.party, stamp(later.time), earlier.entry, earlier.party, stamp(earlier.time), length(earlier.time-later.time), whose))
	}
}

// keepWord notes an entry of another log that an own entry proves, if a cosigned
// checkpoint covers that.
func (j *judged) keepWord(own uint64, f fact) {
	if own >= j.log.Cosigned || f.time <= j.words[f.party].time {
		return
	}
	if j.words == nil {
		j.words = map[hotline.Party]fact{}
	}
	j.words[f.party] = f
}

// againstOwnWord observes that a witness cosigned this log at a time before that of an
// entry of its own which the log held by then. k is the mark of the last entry under the
// cosignature: that is contradicted only if it is later than the word of the witness too.
func (j *judged) againstOwnWord(k mark, s cosignature) bool {
	word, end := j.words[s.by], s.time+wholeSecond
	if !tooEarly(end, word.time) {
		return false
	}
	j.disagree(TimeContradiction, s.by, word.entry, "", fmt.Sprintf("%s cosigned the log of %s at %s, and that log held by then this entry of %s, at %s, %s later: both times are its own word",
		s.by, j.x.head.Party, stamp(s.time), s.by, stamp(word.time), length(word.time-end)))
	if tooEarly(word.time, k.time) {
		j.cosignedBefore(j.log.Cosigned-1, k, s)
	}
	return true
}

// disagree keeps an observation of two clocks until forks are told: a peer with a wrong
// clock makes as many of them as it sends statements.
func (j *judged) disagree(code Code, party hotline.Party, entry uint64, other hotline.Party, text string) {
	o := observe(code, party, entry, text)
	if other != party {
		o.Other = other
	}
	if !j.clockList.takes(&o) {
		j.more[Protocol]++
		return
	}
	j.clocks = append(j.clocks, o)
}

// tellClocks tells what disagree kept.
func (c *crossing) tellClocks() {
	for _, j := range c.logs {
		for _, o := range j.clocks {
			j.observe(o)
		}
		j.clocks = nil
	}
}
