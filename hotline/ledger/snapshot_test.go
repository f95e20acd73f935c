package ledger_test

import (
	"strings"
	"testing"

	"github.com/fxamacker/cbor/v2"

	"example.org/hotline/hotline/ledger"
)

// Promise: a snapshot of another form is refused by what it is, and never half
// read.
func TestSnapshotOfAnotherVersionIsRefused(t *testing.T) {
	_, a := history(t)
	var image map[string]cbor.RawMessage
	if err := cbor.Unmarshal(snapshot(t, a.state), &image); err != nil {
		t.Fatal(err)
	}
	for _, version := range []uint64{0, 1, 99} {
		raw, err := cbor.Marshal(version)
		if err != nil {
			t.Fatal(err)
		}
		image["Version"] = raw
		b, err := cbor.Marshal(image)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ledger.RestoreState(b); err == nil || !strings.Contains(err.Error(), "use the version that wrote it") {
			t.Errorf("a snapshot of version %d: %v", version, err)
		}
	}
	// The form of the first version lacks what this one holds; one that has
	// more is not read either.
	image["Version"], image["Strange"] = image["Rules"], image["Rules"]
	b, err := cbor.Marshal(image)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ledger.RestoreState(b); err == nil {
		t.Error("a snapshot with a field that nobody knows is read")
	}
}
