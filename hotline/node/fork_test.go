package node

import (
	"strings"
	"testing"

	"example.org/hotline/crypto/tlog"
	"example.org/hotline/hotline"
	"example.org/hotline/hotline/hotlinetest"
	"example.org/hotline/hotline/ledger"
)

// Promise: what does not suffice as a proof is not taken for one, and the reason
// is said: a path that leaves out the very hash, or a checkpoint that is held no more.
func TestForkProofSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	a, b := hotlinetest.NewParty("XA", "fork"), hotlinetest.NewParty("XB", "fork")
	c := hotlinetest.Convention(hotlinetest.Terms("crisis"), a, b)
	note := func(size uint64, seed byte) []byte {
		raw, err := tlog.SignCheckpoint(tlog.Checkpoint{Origin: "hotline/XA/1", Size: size, Root: tlog.Hash{seed}}, a.Log)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	prove := func(known *ledger.Cosigned, size uint64) error {
		_, err := forkProof([]*hotline.SignedConvention{c}, []*hotline.SignedDirectory{a.Directory(1)}, known,
			(&tlog.Extension{Old: known.Size, Proof: []tlog.Hash{{1}}, Note: note(size, 2)}).Encode())
		return err
	}
	if err := prove(&ledger.Cosigned{Size: 8, Note: note(8, 1)}, 8); err != nil {
		t.Errorf("two roots of one size: %v", err)
	}
	if err := prove(&ledger.Cosigned{Size: 8, Note: note(8, 1)}, 9); err == nil || !strings.Contains(err.Error(), "a power of two") {
		t.Errorf("after a size that is a power of two: %v", err)
	}
	if err := prove(&ledger.Cosigned{Size: 7, Note: note(7, 1)}, 9); err == nil || !strings.Contains(err.Error(), "no fork") {
		t.Errorf("with a path that leads nowhere: %v", err)
	}
	if err := prove(&ledger.Cosigned{Size: 7}, 7); err == nil || !strings.Contains(err.Error(), "only size and root") {
		t.Errorf("with no checkpoint to hold against it: %v", err)
	}
}
