package audit

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"example.org/hotline/crypto/tlog"
	"example.org/hotline/hotline"
	"example.org/hotline/hotline/ledger"
)

// What parties that depart from the protocol, alone or two together, can make the auditor say of a third one.

// placed is where an entry stands in a log of these entries that ends with it.
func placed(st *hotline.Statement, entries [][]byte) *ledger.Result {
	var tree tlog.Frontier
	for _, raw := range entries {
		tree.Append(tlog.LeafHash(raw))
	}
	return &ledger.Result{ID: st.ID, Index: tree.Size - 1, Root: tree.Root(), Path: tree.LastProof()}
}

// taken lets a party receipt a statement with whatever came beside it.
func taken(p *peer, st *hotline.Statement, index uint64, sender, tender []byte) (receipt []byte) {
	p.w.t.Helper()
	s, err := hotline.ParseSenderEntry(sender)
	if err != nil {
		p.w.t.Fatal(err)
	}
	salt := [16]byte{1}
	raw, err := hotline.EncodeEntry(hotline.EntryReceived, p.w.now, salt, hotline.ReceivedScope(p.Code, st), hotline.Outside,
		&hotline.Received{Statement: st.Raw, Sender: sender, Tender: tender, Voters: 3})
	if err != nil {
		p.w.t.Fatal(err)
	}
	p.entries = append(p.entries, raw)
	return p.prove(placed(st, p.entries), hotline.Claims{Statement: st.ID, Time: p.w.now, Voters: 3,
		Of: &hotline.Of{Party: st.Header.From, Generation: 1, Index: index, Sequence: s.Sent.SequenceFor(p.Code), Salt: salt}})
}

// accomplice exports a log that holds the receipt of a peer which took a tender that nobody signed.
func accomplice(t *testing.T) string {
	w := newWorld(t, terms(), "XA", "XB")
	a, b := w.at("XA"), w.at("XB")
	st := a.submit(a.Text(w.now, "XB", "one"))
	sender, tender := a.tendered(st)
	tender = slices.Clone(tender)
	flipLast(tender)
	receipt := taken(b, st, a.results[st.ID].Index, sender, tender)
	a.do(&ledger.Command{Type: ledger.Receipt, Receipt: receipt, Tender: tender})
	return a.export()
}

// Promise: a receipt that stands before the statement that it is for is observed, and does not end the audit of anything else.
func TestReceiptBeforeItsStatementIsObserved(t *testing.T) {
	t.Parallel()
	w := newWorld(t, terms(), "XA", "XB")
	a, b := w.at("XA"), w.at("XB")
	st := a.Text(w.now, "XB", "one")
	place := uint64(len(a.entries))
	later := a.forge(append(slices.Clone(a.entries), []byte("another entry")), st.Raw, hotline.Sequence{To: "XB", N: 1})
	a.entries, a.results[st.ID] = later, placed(st, later)
	sender, tender := a.tendered(st)
	receipt := taken(b, st, place+1, sender, tender)
	raw, err := hotline.EncodeEntry(hotline.EntryReceipted, w.now, [16]byte{2}, hotline.ReceivedScope("XB", st), hotline.Outside,
		&hotline.Receipted{Statement: st.ID, Index: place + 1, Tender: tender, Receipt: receipt})
	if err != nil {
		t.Fatal(err)
	}
	entries := slices.Clone(later)
	entries[place] = raw
	for range 20 { // what a worker has read ahead decides nothing
		r := audited(t, a.exportOf(entries))
		if !slices.ContainsFunc(r.Observations, func(o Observation) bool { return o.Code == ReceiptInvalid && o.Entry == place }) {
			t.Fatalf("observed %+v", r.Observations)
		}
	}
}

// Promise: a receipt, or an acknowledgement, that its party never signed is told as neither.
func TestForgedAnswersAreNotTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t, terms(), "XA", "XB")
	a, b := w.at("XA"), w.at("XB")
	st := a.submit(a.Text(w.now, "XB", "one"))
	a.send(st, "XB")
	b.acknowledge(st)
	for _, kind := range []hotline.EntryType{hotline.EntryReceipted, hotline.EntryReceived} {
		entries := slices.Clone(a.entries)
		i := last(t, entries, kind)
		entries[i] = reenter(t, entries[i], func(_ *hotline.Entry, c any) {
			switch c := c.(type) {
			case *hotline.Receipted:
				c.Receipt = bytes.Clone(c.Receipt)
				flipLast(c.Receipt)
			case *hotline.Received:
				c.Statement = bytes.Clone(c.Statement)
				flipLast(c.Statement)
			}
		})
		r := audited(t, a.exportOf(entries))
		for s, err := range r.Statements() {
			if err != nil || kind == hotline.EntryReceipted && s.From == "XA" && s.Received != 0 || kind == hotline.EntryReceived && (s.From == "XB" || s.Acknowledged != 0) {
				t.Errorf("entry of type %d: told %+v, %v", kind, s, err)
			}
		}
		if all := text(t, r); strings.Count(all, "not verified") != 1 {
			t.Errorf("entry of type %d: %s", kind, all)
		}
	}
}

// Promise: what a party writes into the scope of its own entry does not make another party's export hide what it must show.
func TestScopeOfOneLogDoesNotAccuseAnother(t *testing.T) {
	t.Parallel()
	w := newWorld(t, terms(), "XA", "XB")
	a, b := w.at("XA"), w.at("XB")
	alert := w.alertTo("XA", []hotline.Party{"XB"}, []hotline.Party{"XB"})
	a.send(alert, "XB")
	text := a.submit(a.Text(w.now, "XB", "in no case"))
	a.send(text, "XB")
	entries := slices.Clone(a.entries)
	i := last(t, entries, hotline.EntryReceipted)
	entries[i] = reenter(t, entries[i], func(e *hotline.Entry, _ any) {
		e.Scope = hotline.ReceivedScope("XB", alert)
	})
	r := audited(t, a.exportOf(entries), caseOf(t, b.export(), alert))
	for _, o := range r.Observations {
		if o.Party != "XA" {
			t.Errorf("observed %+v", o)
		}
	}
}
