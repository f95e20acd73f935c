package ledger_test

import (
	"testing"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/hotlinetest"
)

// TestRepeatsAreBoundedAndUrgentFirst: when more pages are due again than can be made at once, FLASH is not among those left out.
func TestRepeatsAreBoundedAndUrgentFirst(t *testing.T) {
	w := newWorld(t, setup{parties: []hotline.Party{"XA", "XB"}, voters: 1, at: hotlinetest.Epoch})
	s := &story{t: t, w: w}
	for _, line := range []string{"XA text to=XB prec=routine as=t1", "XB receive t1", "XA text to=XB prec=immediate as=t2", "XB receive t2",
		"XA text to=XB prec=flash as=t3", "XB receive t3"} {
		s.block([]string{line})
	}
	later := w.now + 144*60_000 // a tenth of ROUTINE's day
	pages, more := w.members["XB"].state.Repeats(w.now, later, 2)
	if len(pages) != 2 || more != 1 || pages[0].ID != w.st("t3").ID || pages[1].ID != w.st("t2").ID {
		t.Errorf("%d more than %+v", more, pages)
	}
	if again, _ := w.members["XB"].state.Repeats(later, later, 16); len(again) != 0 {
		t.Errorf("again: %+v", again)
	}
}
