package audit

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"

	"example.org/hotline/hotline"
)

// of are the exports of the log that this one is of.
func (c *crossing) of(h *Head) (list []*judged) {
	for _, j := range c.logs {
		if j.x.head.Party == h.Party && j.x.head.Generation == h.Generation {
			list = append(list, j)
		}
	}
	return list
}

// toldRow is a row of the statements, and its place among those of all exports.
type toldRow struct {
	Statement
	place uint64
}

func (w *toldRow) each(r *record) {
	w.Statement.each(r)
	number(&w.place, r)
}

func compareTold(a, b *toldRow) int { return cmp.Compare(a.place, b.place) }

// toldKey is one statement, where it stands in the log of its sender, and one addressee.
type toldKey struct {
	id                string
	from, to          hotline.Party
	generation, index uint64
}

// bringTogether makes one row of those that several exports of one log have of one
// statement to one addressee: each may show what the others hide (SPEC §10.5 rule 6).
func (r *Report) bringTogether(logs []*judged) error {
	if !slices.ContainsFunc(logs, func(j *judged) bool { return len(j.earlier) > 0 }) {
		return nil
	}
	total := uint64(0)
	for _, s := range r.statements {
		total += s.count
	}
	rows, err := newBuckets(r.dir, "told", total, (*toldRow).each)
	defer rows.close()
	if err != nil {
		return err
	}
	place := uint64(0)
	for s, err := range r.Statements() {
		if err != nil {
			return err
		}
		key, err := strconv.ParseUint(s.ID[:16], 16, 64)
		if err != nil {
			return fmt.Errorf("temporary file: %w", err)
		}
		if err := rows.add(key, &toldRow{s, place}); err != nil {
			return err
		}
		place++
	}
	var runs []*spool[toldRow]
	err = rows.each(func(n int, rows []*toldRow) error {
		s, err := sorted(r.dir, fmt.Sprintf("told-once-%d", n), (*toldRow).each, compareTold, oneRowEach(rows))
		runs = append(runs, s)
		return err
	})
	if err != nil {
		return err
	}
	once, err := newSpool(r.dir, "statements", (*Statement).each)
	if err != nil {
		return err
	}
	r.statements = []*spool[Statement]{once}
	for w, err := range merge(runs, func(a, b toldRow) bool { return compareTold(&a, &b) < 0 }) {
		if err == nil {
			err = once.add(&w.Statement)
		}
		if err != nil {
			_ = once.finish() // the error that came first is told
			return err
		}
	}
	return once.finish()
}

// oneRowEach adds to the first row of each what later ones show.
func oneRowEach(rows []*toldRow) (list []*toldRow) {
	first := map[toldKey]*toldRow{}
	for _, w := range rows {
		key := toldKey{w.ID, w.From, w.To, w.Generation, w.TenderedAs}
		x := first[key]
		if x == nil {
			first[key], list = w, append(list, w)
			continue
		}
		x.Received, x.Acknowledged = cmp.Or(x.Received, w.Received), cmp.Or(x.Acknowledged, w.Acknowledged)
		x.Rejected = cmp.Or(x.Rejected, w.Rejected)
	}
	return list
}
