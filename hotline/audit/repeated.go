package audit

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"example.org/hotline/hotline"
)

// tendering is a place at which a party signed that a statement stands in its log. What is said of one
// statement comes together in one bucket, whoever holds the signature: a sender may
// tender one place to one addressee and another place to another.
type tendering struct {
	logKey
	Statement     hotline.ID
	Index, Holder uint64
	Own           uint64 // the entry of the holder
}

func (x *tendering) each(r *record) {
	str(&x.party, r)
	number(&x.generation, r)
	r.fixed(x.Statement[:])
	number(&x.Index, r)
	number(&x.Holder, r)
	number(&x.Own, r)
}

// repetition is the first statement that a log holds twice, and how many
// signatures say that of any.
type repetition struct {
	one, two tendering
	count    uint64
}

// tendered notes the place of a tender.
func (c *crossing) tendered(holder int, p *proof) error {
	if p.Kind != tenderProof {
		return nil
	}
	return c.tenders.add(byID(p.Statement), &tendering{logKey{p.Party, p.Generation}, p.Statement, p.Index, uint64(holder), p.Own})
}

// tellRepeated observes that a party tendered one statement from two places of its
// log (SPEC §6.6).
func (c *crossing) tellRepeated() error {
	found := map[logKey]*repetition{}
	err := c.tenders.each(func(_ int, rows []*tendering) error {
		type key struct {
			log       logKey
			statement hotline.ID
		}
		first := map[key]*tendering{}
		for _, x := range rows {
			k := key{x.logKey, x.Statement}
			y := first[k]
			if y == nil {
				first[k] = x
				continue
			}
			if y.Index == x.Index {
				continue
			}
			f := found[x.logKey]
			if f == nil {
				f = &repetition{one: *y, two: *x}
				found[x.logKey] = f
			}
			f.count++
		}
		return nil
	})
	if err != nil {
		return err
	}
	logs := slices.SortedFunc(maps.Keys(found), func(a, b logKey) int {
		return cmp.Or(cmp.Compare(a.party, b.party), cmp.Compare(a.generation, b.generation))
	})
	for _, log := range logs {
		f := found[log]
		one, two := f.one, f.two
		if one.Index > two.Index {
			one, two = two, one
		}
		c.observe(observe(StatementRepeated, log.party, two.Index, fmt.Sprintf("%s signed that statement %s stands in this place and in entry %d of its log (the tenders are in entry %d of %s and entry %d of %s; %d such in all)",
			log.party, two.Statement.Short(), one.Index, two.Own, c.logs[two.Holder].x.head.Party, one.Own, c.logs[one.Holder].x.head.Party, f.count)))
	}
	return nil
}
