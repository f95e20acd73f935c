package audit

import (
	"slices"
	"testing"

	"example.org/hotline/hotline"
)

// What a party signs of a place of its log can be held against that log, wherever it says that the place is.

// promised lets a party sign a receipt for a statement as entry so many places behind the end of its log, in a
// generation, and log nothing.
func promised(p *peer, st *hotline.Statement, index uint64, sender, tender []byte, generation uint64, places int) (receipt []byte) {
	p.w.t.Helper()
	kept := p.entries
	defer func() { p.entries = kept }()
	p.entries = slices.Clone(kept)
	for range places {
		p.entries = append(p.entries, []byte("another entry"))
	}
	receipt = taken(p, st, index, sender, tender)
	r, err := hotline.ParseReceipt(receipt)
	if err != nil {
		p.w.t.Fatal(err)
	}
	at := placed(st, p.entries)
	r.Claims.Generation = generation
	if receipt, err = hotline.SignReceipt(r.Claims, p.state.ConventionID(), at.Root, at.Path, p.Log); err != nil {
		p.w.t.Fatal(err)
	}
	return receipt
}

// fromGeneration are exports of XA and XB in which the holder, XA, holds a receipt of XB, or XB a tender of XA, that is said to be of
// a generation. If it stopped, nothing of the holder's log is decided by then.
func fromGeneration(t *testing.T, holder hotline.Party, generation uint64, stopped bool) (own, other string) {
	w := newWorld(t, terms(), "XA", "XB")
	a, b := w.at("XA"), w.at("XB")
	st := a.submit(a.Text(w.now, "XB", "one"))
	at := a.results[st.ID]
	sender, tender := a.tendered(st)
	before, raw := a.entries, []byte(nil)
	if holder == "XA" {
		var err error
		raw, err = hotline.EncodeEntry(hotline.EntryReceipted, w.now, [16]byte{2}, hotline.ReceivedScope("XB", st), hotline.Outside,
			&hotline.Receipted{Statement: st.ID, Index: at.Index, Tender: tender, Receipt: promised(b, st, at.Index, sender, tender, generation, 0)})
		if err != nil {
			t.Fatal(err)
		}
	} else {
		x, err := hotline.ParseReceipt(tender)
		if err != nil {
			t.Fatal(err)
		}
		x.Claims.Generation = generation
		if tender, err = hotline.SignReceipt(x.Claims, a.state.ConventionID(), at.Root, at.Path, a.Log); err != nil {
			t.Fatal(err)
		}
		before = b.entries
		taken(b, st, at.Index, sender, tender)
		b.entries, raw = before, b.entries[len(before)]
	}
	p, q := w.at(holder), map[hotline.Party]*peer{"XA": b, "XB": a}[holder]
	entries := slices.Clone(before)
	if stopped {
		entries = p.forge(entries, p.Text(w.now, q.Code, "two").Raw, hotline.Sequence{To: q.Code, N: 7})
	}
	return p.exportOf(append(entries, raw)), q.export()
}

// Promise: a receipt, or a tender, from a generation that no directory of its party opens is none: the auditor does not pass over it
// because that log was not given.
func TestPlaceInNoGenerationIsNone(t *testing.T) {
	for holder, code := range map[hotline.Party]string{"XA": "receipt-invalid@XA", "XB": "tender-invalid@XB"} {
		for _, generation := range []uint64{1, 2} {
			for _, stopped := range []bool{false, true} {
				r := audited(t, dirs(fromGeneration(t, holder, generation, stopped))...)
				if got := found(r); slices.Contains(got, code) != (generation > 1) {
					t.Errorf("%s, generation %d, stopped %v: observed %v", code, generation, stopped, got)
				}
			}
		}
	}
}

func dirs(own, other string) []string { return []string{own, other} }

// Promise: both verifiers say so.
func TestTheOtherVerifierJudgesGenerations(t *testing.T) {
	node := verifier(t)
	for _, holder := range []hotline.Party{"XA", "XB"} {
		own, _ := fromGeneration(t, holder, 2, false)
		bothJudge(t, node, own)
	}
}
