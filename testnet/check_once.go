package testnet

import (
	"errors"
	"fmt"

	"example.org/hotline/hotline"
)

// numbered names one statement on its way by its number: who sent it, to whom, and the number.
type numbered struct {
	from, to hotline.Party
	n        uint64
}

// CheckOnce says what breaks the promise that each statement stands at its addressee once: a number that came twice, or with another
// statement than its sender logged; a number that its sender used twice; and a statement with a receipt that the addressee lacks.
func (l Logs) CheckOnce() error {
	var errs []error
	sent, got := map[numbered]hotline.ID{}, map[numbered]hotline.ID{}
	for party, log := range l {
		for i := range log {
			errs = append(errs, l.count(party, &log[i], sent, got))
		}
	}
	for k, id := range got {
		if _, exported := l[k.from]; exported && sent[k] != id {
			errs = append(errs, fmt.Errorf("%s has %s as number %d of %s, whose log has %s there", k.to, id.Short(), k.n, k.from, sent[k].Short()))
		}
	}
	for party, log := range l {
		for _, e := range log {
			if r, ok := e.Content.(*hotline.Receipted); ok {
				errs = append(errs, l.arrived(party, r, sent, got))
			}
		}
	}
	return errors.Join(errs...)
}

// count takes note of one entry.
func (l Logs) count(party hotline.Party, e *Logged, sent, got map[numbered]hotline.ID) error {
	switch c := e.Content.(type) {
	case *hotline.Sent:
		st, err := hotline.Parse(c.Statement)
		if err != nil {
			return fmt.Errorf("entry %d of %s: %w", e.Index, party, err)
		}
		for _, q := range c.Sequences {
			k := numbered{party, q.To, q.N}
			if id, twice := sent[k]; twice {
				return fmt.Errorf("entry %d of %s: number %d towards %s is used up by %s", e.Index, party, q.N, q.To, id.Short())
			}
			sent[k] = st.ID
		}
	case *hotline.Received:
		st, err := hotline.Parse(c.Statement)
		if err != nil {
			return fmt.Errorf("entry %d of %s: %w", e.Index, party, err)
		}
		sender, err := hotline.ParseSenderEntry(c.Sender)
		if err != nil {
			return fmt.Errorf("entry %d of %s: %w", e.Index, party, err)
		}
		k := numbered{st.Header.From, party, sender.Sent.SequenceFor(party)}
		if id, twice := got[k]; twice {
			return fmt.Errorf("entry %d of %s: number %d of %s came before, with %s", e.Index, party, k.n, k.from, id.Short())
		}
		got[k] = st.ID
	}
	return nil
}

// arrived says whether the statement of a logged receipt is missing at every party that its sender sent it to.
func (l Logs) arrived(party hotline.Party, r *hotline.Receipted, sent, got map[numbered]hotline.ID) error {
	receipt, err := hotline.ParseReceipt(r.Receipt)
	if err != nil {
		return fmt.Errorf("receipt of %s at %s: %w", r.Statement.Short(), party, err)
	}
	if _, exported := l[receipt.Party]; !exported || receipt.Of == nil {
		return nil
	}
	k := numbered{party, receipt.Party, receipt.Of.Sequence}
	if got[k] != r.Statement || sent[k] != r.Statement {
		return fmt.Errorf("%s holds a receipt for number %d to %s, which is not in both logs", party, k.n, k.to)
	}
	return nil
}
