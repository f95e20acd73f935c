package testnet

import (
	"errors"
	"fmt"

	"example.org/hotline/hotline"
)

// dutyClock names one clock of one duty.
type dutyClock struct {
	duty     hotline.Duty
	subject  hotline.ID
	peer     hotline.Party
	due      hotline.Time
	permille uint64
}

func (k dutyClock) String() string {
	return fmt.Sprintf("the clock at %d permille of the duty to %s %s (%s), due at %d", k.permille, k.duty, k.subject.Short(), k.peer, k.due)
}

// CheckDuties says which clock of which duty did not fire, fired with another due time, fired more than once, or fired although its
// duty was never opened or was done by then. Reports and answers of a case in which something was retracted are not judged.
func (l Logs) CheckDuties() error {
	var errs []error
	for party, log := range l {
		d, err := Duties(party, log)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		fired := map[dutyClock][]uint64{}
		for _, e := range log {
			if c, ok := e.Content.(*hotline.Due); ok && d.judges(c.Duty, e.Entry.Scope.Case) {
				k := dutyClock{c.Duty, c.Subject, c.Peer, c.Due, c.Permille}
				fired[k] = append(fired[k], e.Index)
			}
		}
		for _, o := range d.All {
			if !d.judges(o.Class, o.Case) {
				continue
			}
			for _, k := range o.clocks(d.End) {
				if n := len(fired[k]); n != 1 {
					errs = append(errs, fmt.Errorf("log of %s: %v, fired %d times", party, k, n))
				}
				delete(fired, k)
			}
		}
		for k, at := range fired {
			errs = append(errs, fmt.Errorf("entry %d of %s fires %v, which no open duty has", at[0], party, k))
		}
	}
	return errors.Join(errs...)
}

// clocks are those that must have fired: up to when the duty was done, or the log ended.
func (o *Owed) clocks(end hotline.Time) (list []dutyClock) {
	if o.Closed > 0 {
		end = o.Closed
	}
	term := o.Deadline - o.Opened
	for _, permille := range o.rungs {
		due := o.Opened + term*hotline.Time(permille)/hotline.Deadline
		if term <= 0 { // born late: no reminder lies in the past
			if due = o.Deadline; permille < hotline.Deadline {
				continue
			}
		}
		if due <= end {
			list = append(list, dutyClock{o.Class, o.Subject, o.Peer, due, permille})
		}
	}
	return list
}

// judges reports whether a duty of this class and case is worked out by Duties. What no statement opens, as the tests of the line, is
// not.
func (d *DutyBook) judges(class hotline.Duty, in *hotline.CaseID) bool {
	staged := class >= hotline.DutySupplement && class <= hotline.DutyAwaitConsult
	return class >= hotline.DutyAssess && class <= hotline.DutyAwait || staged && (in == nil || !d.retracted[*in])
}
