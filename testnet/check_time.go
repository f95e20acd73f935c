package testnet

import (
	"errors"
	"fmt"

	"example.org/hotline/hotline"
)

// CheckTime says where the committed time of a log falls.
func (l Logs) CheckTime() error {
	var errs []error
	for party, log := range l {
		last := hotline.Time(0)
		for _, e := range log {
			if e.Entry.Time < last {
				errs = append(errs, fmt.Errorf("entry %d of %s is of %d, the one before of %d", e.Index, party, e.Entry.Time, last))
			}
			last = e.Entry.Time
		}
	}
	return errors.Join(errs...)
}
