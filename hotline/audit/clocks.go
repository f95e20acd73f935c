package audit

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

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
// entry of its own, word, which the log held by then. k is the mark of the last entry under
// the cosignature, index: that is contradicted only if it is later than the word of the witness too.
func (j *judged) againstOwnWord(word fact, index uint64, k mark, s cosignature) bool {
	end := s.time + wholeSecond
	if !tooEarly(end, word.time) {
		return false
	}
	j.disagree(TimeContradiction, s.by, word.entry, "", fmt.Sprintf("%s cosigned the log of %s at %s, and that log held by then this entry of %s, at %s, %s later: both times are its own word",
		s.by, j.x.head.Party, stamp(s.time), s.by, stamp(word.time), length(word.time-end)))
	if tooEarly(word.time, k.time) {
		j.cosignedBefore(index, k, s)
	}
	return true
}

// earlyCosignature is one in an anchor that is dated before the last entry under it. Whether
// it is dated before its witness's own word is known when all that the log holds is.
type earlyCosignature struct {
	index uint64 // of that entry
	cosignature
}

// early reports whether a cosignature contradicts the time of the last entry under it.
func early(k mark, s cosignature) bool {
	return k.shown && !k.unproven && tooEarly(s.time+wholeSecond, k.time)
}

// keepEarly notes one, once, and reports whether it can: beyond the bound the log is named beside its witness.
func (j *judged) keepEarly(e earlyCosignature) bool {
	if j.earlies == nil {
		j.earlies = map[earlyCosignature]bool{}
	}
	if !j.earlies[e] && len(j.earlies) >= MaxObservations {
		return false
	}
	j.earlies[e] = true
	return true
}

// tellEarly judges what keepEarly kept of each log, in the order of the entries.
func (c *crossing) tellEarly() error {
	for n, j := range c.logs {
		if len(j.earlies) == 0 {
			continue
		}
		list := slices.SortedFunc(maps.Keys(j.earlies), func(a, b earlyCosignature) int {
			return cmp.Or(cmp.Compare(a.index, b.index), cmp.Compare(a.by, b.by), cmp.Compare(a.time, b.time))
		})
		words := map[hotline.Party]fact{}
		for p, err := range j.proofs.all() {
			if err != nil {
				return err
			}
			for len(list) > 0 && list[0].index < p.Own {
				if err := c.tellOneEarly(n, words, list[0]); err != nil {
					return err
				}
				list = list[1:]
			}
			f, err := c.wordIn(&p)
			if err != nil {
				return err
			}
			if f.time > words[p.Party].time {
				words[p.Party] = f
			}
		}
		for _, e := range list {
			if err := c.tellOneEarly(n, words, e); err != nil {
				return err
			}
		}
	}
	return nil
}

// wordIn is the entry of another log that a proof proves, with its time; zero: there is none, or its time is not proven.
func (c *crossing) wordIn(p *proof) (f fact, err error) {
	if p.ofEntry() && !p.Unproven {
		return fact{p.Party, p.Index, p.Time}, nil
	}
	for _, j := range c.logs {
		if h := &j.x.head; !p.isHead() || h.Party != p.Party || h.Generation != p.Generation || p.Index >= j.marks.size {
			continue
		}
		k, err := j.marks.at(p.Index)
		if err != nil {
			return f, err
		}
		if k.root == p.Root && k.shown && !k.unproven {
			return fact{p.Party, p.Index, k.time}, nil
		}
	}
	return f, nil
}

// tellOneEarly judges one by the words of others that stand under it in log n.
func (c *crossing) tellOneEarly(n int, words map[hotline.Party]fact, e earlyCosignature) error {
	j := c.logs[n]
	k, err := j.marks.at(e.index)
	if err != nil || j.againstOwnWord(words[e.by], e.index, k, e.cosignature) {
		return err // it bounds nothing
	}
	j.cosignedBefore(e.index, k, e.cosignature)
	return c.weave.seen(n, e.index, e.by, e.time+wholeSecond)
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
