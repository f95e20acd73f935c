package testnet_test

import (
	"path/filepath"
	"testing"

	"example.org/hotline/testnet"
)

// TestDepartures defends what ops/THREATS.md says of a party that departs from the protocol: in each of the eight ways the exports show
// it, by whose signature, and accuse nobody else; and the same day of the same program, in which nobody departs, shows nothing.
func TestDepartures(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a modified daemon and starts three processes for each departure")
	}
	program, err := testnet.BuildDeparting(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range append([]testnet.Departure{testnet.Control}, testnet.Departures...) {
		t.Run(d.Name, func(t *testing.T) {
			t.Parallel() // it waits for clocks and connections most of the time
			if err := d.Try(t.Context(), testnet.DepartureRun{Dir: filepath.Join(t.TempDir(), "net"), Program: program, Tell: t.Logf}); err != nil {
				t.Error(err)
			}
		})
	}
}
