package testnet_test

import (
	"errors"
	"fmt"
	"slices"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/audit"
	"example.org/hotline/testnet"
)

const (
	// promptly is how late after its time a clock may be committed, and soon how late after a leader began to act.
	promptly hotline.Time = 2000
	soon     hotline.Time = 1000
)

// checkPrompt says which clock was committed too late: 2 s after its time, or 1 s after a leader began where there was none.
func checkPrompt(logs testnet.Logs, outages map[hotline.Party][]outage) error {
	var errs []error
	for party, log := range logs {
		for _, e := range log {
			d, ok := e.Content.(*hotline.Due)
			if !ok || e.Entry.Time-d.Due <= promptly {
				continue
			}
			if !slices.ContainsFunc(outages[party], func(o outage) bool {
				return o.To > 0 && d.Due >= o.From-promptly && d.Due <= o.To && e.Entry.Time <= o.To+soon
			}) {
				errs = append(errs, fmt.Errorf("entry %d of %s: the clock of the duty to %s %s, due at %d, was committed %d ms late, and no leader was missing",
					e.Index, party, d.Duty, d.Subject.Short(), d.Due, e.Entry.Time-d.Due))
			}
		}
	}
	return errors.Join(errs...)
}

// checkPages says who was woken about a thing that was done. A desk that watches hears both in the order of the log of its node. What
// the leader says in its own log may be a moment behind.
func checkPages(list []heard) error {
	type place struct {
		matter
		party hotline.Party
		node  string
	}
	ended, told := map[place]hotline.Time{}, map[place]bool{}
	var errs []error
	for _, x := range list {
		at, everywhere := place{x.about, x.party, x.node}, place{x.about, x.party, ""}
		end, done := ended[everywhere]
		switch {
		case !x.page:
			told[at] = true
			if !done {
				ended[everywhere] = x.at
			}
		case x.told && told[at], !x.told && done && x.at > end+soon:
			errs = append(errs, fmt.Errorf("%s pages at %d about the duty to %s %s (%s), which was done at %d", x.node, x.at, x.about.duty, x.about.subject, x.about.peer, end))
		}
	}
	return errors.Join(errs...)
}

// verdict is what somebody says of one duty that was not done in time: when it was done after all, 0 if it was not.
type verdict struct {
	duty    hotline.Duty
	subject hotline.ID
	peer    hotline.Party
	due     hotline.Time
}

// verdicts are what the statements of a log say of its party's own duties, without the ledger's code.
func verdicts(party hotline.Party, log []testnet.Logged) (map[verdict]hotline.Time, error) {
	b, err := testnet.Duties(party, log)
	if err != nil {
		return nil, err
	}
	list := map[verdict]hotline.Time{}
	for _, o := range b.All {
		if done := o.Closed; o.Class.Owned() && (done == 0 && o.Deadline <= b.End || done > 0 && o.Deadline <= done) {
			list[verdict{o.Class, o.Subject, o.Peer, o.Deadline}] = done
		}
	}
	return list, nil
}

// open are the duties that each party's own nodes show as open and overdue.
type open map[hotline.Party]map[verdict]bool

// checkVerdicts holds the verdicts on every duty against each other: that of the auditor, that of the party's own ledger, and what
// follows from the statements alone.
func checkVerdicts(logs testnet.Logs, found []audit.Observation, shown open) error {
	var errs []error
	for party, log := range logs {
		own, err := verdicts(party, log)
		if err != nil {
			return err
		}
		auditor := map[verdict]hotline.Time{}
		for _, o := range found {
			if o.Class != audit.Terms {
				if o.Party == party {
					errs = append(errs, fmt.Errorf("the auditor observes %s in entry %d of %s: %s", o.Code, o.Entry, o.Party, o.Text))
				}
				continue
			}
			if d, ok := log[min(o.Entry, uint64(len(log)-1))].Content.(*hotline.Due); ok && o.Party == party && d.Subject != (hotline.ID{}) {
				auditor[verdict{d.Duty, d.Subject, d.Peer, o.Due}] = o.Done
			}
		}
		for v, done := range own {
			if at, ok := auditor[v]; !ok || at != done {
				errs = append(errs, fmt.Errorf("%s: the duty to %s %s (%s), due at %d, was done at %d by the log's statements; the auditor says %d, %v",
					party, v.duty, v.subject.Short(), v.peer, v.due, done, at, ok))
			}
			if shown[party][v] != (done == 0) {
				errs = append(errs, fmt.Errorf("%s: the duty to %s %s (%s), due at %d, was done at %d, but its nodes show it as open and overdue: %v",
					party, v.duty, v.subject.Short(), v.peer, v.due, done, shown[party][v]))
			}
		}
		for v := range auditor {
			if _, ok := own[v]; !ok {
				errs = append(errs, fmt.Errorf("%s: the auditor calls the duty to %s %s (%s), due at %d, late, and the statements do not", party, v.duty, v.subject.Short(), v.peer, v.due))
			}
		}
		for v := range shown[party] {
			if _, ok := own[v]; !ok {
				errs = append(errs, fmt.Errorf("%s: its nodes show the duty to %s %s (%s), due at %d, as overdue, and the statements do not", party, v.duty, v.subject.Short(), v.peer, v.due))
			}
		}
	}
	return errors.Join(errs...)
}

// answerOf is what the sender of a statement holds from one addressee about it.
type answerOf struct {
	received     hotline.Time // by the addressee's receipt
	acknowledged hotline.Time // by the addressee's own log, as its tender says; 0: no acknowledgement came
	escalated    bool         // the addressee said that nobody acknowledged in time
	precedence   hotline.Precedence
}

// checkPairs holds what each sender can say of an addressee with the addressee's own signatures against what the addressee's log
// says: whether a person acknowledged, and in time. What the sender itself saw when it waited is provisional: it may be ahead of
// the addressee's word or behind it, never against it.
func checkPairs(logs testnet.Logs, terms hotline.Terms) error {
	var errs []error
	late := map[hotline.Party]map[verdict]hotline.Time{}
	for party, log := range logs {
		var err error
		if late[party], err = verdicts(party, log); err != nil {
			return err
		}
	}
	for party, log := range logs {
		held, err := holdings(log)
		if err != nil {
			return err
		}
		for k, a := range held {
			if a.received == 0 {
				continue
			}
			due := a.received + hotline.Time(terms.Acknowledge.At(a.precedence))
			_, isLate := late[k.at][verdict{hotline.DutyAcknowledge, k.id, party, due}]
			says := a.escalated
			if a.acknowledged > 0 {
				says = a.acknowledged >= due
			}
			if says != isLate && (says || due < log[len(log)-1].Entry.Time-day) { // an escalation may be on its way
				errs = append(errs, fmt.Errorf("%s of %s at %s: by what the sender holds it was acknowledged late: %v; by the addressee's log: %v",
					k.id.Short(), party, k.at, says, isLate))
			}
		}
	}
	return errors.Join(errs...)
}

// addressed names a statement at one addressee.
type addressed struct {
	id hotline.ID
	at hotline.Party
}

// holdings collects from a sender's log what every addressee signed about its statements.
func holdings(log []testnet.Logged) (map[addressed]*answerOf, error) {
	held := map[addressed]*answerOf{}
	of := func(id hotline.ID, at hotline.Party) *answerOf {
		k := addressed{id, at}
		if held[k] == nil {
			held[k] = &answerOf{}
		}
		return held[k]
	}
	sent := map[hotline.ID]*hotline.Header{}
	for _, e := range log {
		switch c := e.Content.(type) {
		case *hotline.Sent:
			st, err := hotline.Parse(c.Statement)
			if err != nil {
				return nil, err
			}
			sent[st.ID] = &st.Header
		case *hotline.Receipted:
			rc, err := hotline.ParseReceipt(c.Receipt)
			if err != nil {
				return nil, err
			}
			if h := sent[rc.Statement]; h != nil && h.Kind.Rules().OpensAck {
				a := of(rc.Statement, rc.Party)
				a.received, a.precedence = rc.Time, h.Precedence
			}
		case *hotline.Received:
			st, err := hotline.Parse(c.Statement)
			if err != nil {
				return nil, err
			}
			switch st.Header.Kind {
			case hotline.KindAcknowledgement:
				sender, err := hotline.ParseSenderEntry(c.Sender)
				if err != nil {
					return nil, err
				}
				of(*st.Header.Re, st.Header.From).acknowledged = sender.Time
			case hotline.KindEscalation:
				of(*st.Header.Re, st.Header.From).escalated = true
			}
		}
	}
	return held, nil
}
