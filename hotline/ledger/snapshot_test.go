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
		image["Ladder"] = raw // of another type, in another version
		b, err := cbor.Marshal(image)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ledger.RestoreState(b); err == nil || !strings.Contains(err.Error(), "use the version that wrote it") {
			t.Errorf("a snapshot of version %d: %v", version, err)
		}
	}
	// One of this version that has more is not read either.
	var good map[string]cbor.RawMessage
	if err := cbor.Unmarshal(snapshot(t, a.state), &good); err != nil {
		t.Fatal(err)
	}
	good["Strange"] = good["Rules"]
	b, err := cbor.Marshal(good)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ledger.RestoreState(b); err == nil {
		t.Error("a snapshot with a field that nobody knows is read")
	}
}
