package ledger_test

import (
	"slices"
	"testing"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/ledger"
)

// Promise: what a leader verified before it was proposed verifies behind the
// commit as well, and what nobody signed is found there.
func TestJudgeFindsWhatNobodySigned(t *testing.T) {
	_, a := history(t)
	j := a.state.Judge()
	for i, raw := range a.entries {
		if judged, err := j.Entry(raw, ledger.OwnFrom(a.entry)); err != nil || !judged {
			t.Errorf("entry %d: judged %t, %v", i, judged, err)
		}
		_, content, err := hotline.DecodeEntry(raw)
		if err != nil {
			t.Fatal(err)
		}
		var forged []byte
		switch content.(type) {
		case *hotline.Sent:
			forged = altered(t, raw, func(_ *hotline.Entry, c any) { c.(*hotline.Sent).Statement = flipped(c.(*hotline.Sent).Statement) })
		case *hotline.Received:
			forged = altered(t, raw, func(_ *hotline.Entry, c any) { c.(*hotline.Received).Tender = flipped(c.(*hotline.Received).Tender) })
		case *hotline.Receipted:
			forged = altered(t, raw, func(_ *hotline.Entry, c any) {
				c.(*hotline.Receipted).Receipt = flipped(c.(*hotline.Receipted).Receipt)
			})
		default:
			continue
		}
		if judged, err := j.Entry(forged, ledger.OwnFrom(a.entry)); err == nil || !judged {
			t.Errorf("entry %d with a forged signature: judged %t, %v", i, judged, err)
		}
	}
	if _, err := j.Entry([]byte{1}, ledger.OwnFrom(a.entry)); err == nil {
		t.Error("an entry that cannot be read is judged good")
	}
}

// flipped changes the last byte, which is one of a signature.
func flipped(b []byte) []byte {
	b = slices.Clone(b)
	b[len(b)-1] ^= 1
	return b
}

// Promise: an entry made under a directory that is no longer remembered is not
// judged, and is not called wrong.
func TestJudgeSaysWhatItCannotJudge(t *testing.T) {
	w, a := history(t)
	b := w.members["XB"]
	w.twins = 32 // a snapshot verifies every directory again
	for n := uint64(2); n <= hotline.DirectoryMemory+1; n++ {
		for _, p := range []*member{a, b} {
			d := p.Page(n)
			d.Issued = w.now
			w.must(a, &ledger.Command{Type: ledger.Document, Document: p.SignDirectory(d)})
		}
	}
	j := a.state.Judge()
	unjudged := 0
	for i, raw := range a.entries {
		judged, err := j.Entry(raw, ledger.OwnFrom(a.entry))
		if err != nil {
			t.Errorf("entry %d: %v", i, err)
		}
		e, _, _ := hotline.DecodeEntry(raw)
		if !judged {
			unjudged++
		}
		if !judged && e.Type != hotline.EntryReceived && e.Type != hotline.EntrySent && e.Type != hotline.EntryReceipted {
			t.Errorf("entry %d bears no signature and is not judged", i)
		}
	}
	if unjudged == 0 {
		t.Error("everything was judged under forgotten directories")
	}
}

// Promise: the newest head of a peer's log that tenders and receipts prove only
// grows within a generation, and survives a snapshot.
func TestHeadOfAPeerOnlyGrows(t *testing.T) {
	w, a, b := pairWorld(t, nil)
	first, second := b.Text(w.now, "XA", "first"), b.Text(w.now, "XA", "second")
	w.submit(b, first)
	w.submit(b, second)
	if h := a.state.Pair("XB").Head; h != (ledger.Head{}) {
		t.Errorf("a head from nowhere: %+v", h)
	}
	w.deliver(second, a)
	high := a.state.Pair("XB").Head
	if want := b.state.Size(); high.Generation != 1 || high.Size != want {
		t.Errorf("head %+v, want size %d", high, want)
	}
	if _, content, err := hotline.DecodeEntry(a.entries[high.Entry]); err != nil {
		t.Error(err)
	} else if r, ok := content.(*hotline.Received); !ok || w.receipt(r.Tender).Index+1 != high.Size {
		t.Errorf("entry %d does not prove the head", high.Entry)
	}
	w.deliver(first, a)
	if h := a.state.Pair("XB").Head; h != high {
		t.Errorf("an older tender lowers the head to %+v", h)
	}
	own := a.Text(w.now, "XB", "words")
	w.submit(a, own)
	w.deliver(own, b)
	w.must(a, &ledger.Command{Type: ledger.Receipt, Receipt: b.receipts[own.ID], Tender: a.tenders[own.ID].tender})
	receipt := w.receipt(b.receipts[own.ID])
	if h := a.state.Pair("XB").Head; h.Size != receipt.Index+1 || h.Size <= high.Size {
		t.Errorf("head %+v after a receipt for entry %d", h, receipt.Index)
	}
	if h := restored(t, a.state).Pair("XB").Head; h != a.state.Pair("XB").Head {
		t.Errorf("a snapshot restores the head %+v", h)
	}
}
