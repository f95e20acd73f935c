package testnet

import (
	"errors"
	"fmt"

	"example.org/hotline/hotline"
)

// CheckTimers says which clock fired twice, or before it was due by the committed time of its own log. That none is missing the auditor
// finds, who makes every decision again.
func (l Logs) CheckTimers() error {
	type clock struct {
		duty    hotline.Duty
		subject hotline.ID
		peer    hotline.Party
		opened  hotline.Time // line tests have no subject: their clocks differ by when they were due
		number  uint64
	}
	var errs []error
	for party, log := range l {
		fired, overdue := map[clock]uint64{}, map[clock]uint64{}
		for _, e := range log {
			d, ok := e.Content.(*hotline.Due)
			if !ok {
				continue
			}
			if d.Due > e.Entry.Time {
				errs = append(errs, fmt.Errorf("entry %d of %s fires a clock of %d at %d: too early", e.Index, party, d.Due, e.Entry.Time))
			}
			k := clock{d.Duty, d.Subject, d.Peer, 0, d.Clock}
			if first, twice := fired[k]; twice {
				errs = append(errs, fmt.Errorf("entry %d of %s fires the clock of entry %d again", e.Index, party, first))
			}
			fired[k] = e.Index
			if k.number = 0; d.Subject.IsZero() {
				k.opened = d.Due
			}
			if first, twice := overdue[k]; twice && d.Overdue {
				errs = append(errs, fmt.Errorf("entry %d of %s says overdue of the same duty as entry %d", e.Index, party, first))
			}
			if d.Overdue {
				overdue[k] = e.Index
			}
		}
	}
	return errors.Join(errs...)
}
