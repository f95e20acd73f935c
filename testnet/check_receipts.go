package testnet

import (
	"bytes"
	"errors"
	"fmt"

	"example.org/hotline/hotline"
)

// CheckReceipts says which logged receipt does not fit the log that it speaks of: its entry must be there, be the same statement with the
// same tender, and have the time that the receipt says. The auditor checks signature and tree.
func (l Logs) CheckReceipts() error {
	var errs []error
	for party, log := range l {
		seen := map[uint64]map[hotline.Party]uint64{} // own entry and addressee: entry of the receipt
		for _, e := range log {
			r, ok := e.Content.(*hotline.Receipted)
			if !ok {
				continue
			}
			receipt, err := hotline.ParseReceipt(r.Receipt)
			if err != nil {
				errs = append(errs, fmt.Errorf("entry %d of %s: %w", e.Index, party, err))
				continue
			}
			if first, twice := seen[r.Index][receipt.Party]; twice {
				errs = append(errs, fmt.Errorf("entry %d of %s logs the receipt of entry %d again", e.Index, party, first))
			}
			if seen[r.Index] == nil {
				seen[r.Index] = map[hotline.Party]uint64{}
			}
			seen[r.Index][receipt.Party] = e.Index
			if there, exported := l[receipt.Party]; exported {
				if err := fits(r, receipt, there); err != nil {
					errs = append(errs, fmt.Errorf("entry %d of %s: receipt of %s: %w", e.Index, party, receipt.Party, err))
				}
			}
		}
	}
	return errors.Join(errs...)
}

// fits holds a receipt to the log of its signer.
func fits(r *hotline.Receipted, receipt *hotline.Receipt, log []Logged) error {
	if receipt.Index >= uint64(len(log)) {
		return fmt.Errorf("it names entry %d, and the log has %d: what was receipted is lost", receipt.Index, len(log))
	}
	e := &log[receipt.Index]
	got, ok := e.Content.(*hotline.Received)
	if !ok {
		return fmt.Errorf("entry %d is no statement of a peer", receipt.Index)
	}
	st, err := hotline.Parse(got.Statement)
	if err != nil {
		return err
	}
	switch {
	case st.ID != r.Statement || st.ID != receipt.Statement:
		return fmt.Errorf("entry %d is %s, not %s", receipt.Index, st.ID.Short(), r.Statement.Short())
	case !bytes.Equal(got.Tender, r.Tender):
		return fmt.Errorf("entry %d has another tender", receipt.Index)
	case e.Entry.Time != receipt.Time:
		return fmt.Errorf("entry %d is of %d, the receipt says %d", receipt.Index, e.Entry.Time, receipt.Time)
	}
	return nil
}
