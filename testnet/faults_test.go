package testnet_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"example.org/hotline/testnet"
)

// TestFaults defends every promise of testnet.Faults, each named there, against real processes. HOTLINE_FAULT_ROUNDS sets the rounds of
// each, "full" those of a full run; HOTLINE_FAULT_SEED repeats what chance chose. Where HOTLINE_FAULTS_REQUIRED is set, a machine
// that lacks something fails the test.
func TestFaults(t *testing.T) {
	if testing.Short() {
		t.Skip("starts six processes for each promise and waits for elections")
	}
	for _, f := range testnet.Faults {
		t.Run(f.Name, func(t *testing.T) {
			t.Parallel() // it waits for clocks and elections most of the time
			if f.Needs != nil {
				if err := f.Needs(); err != nil && os.Getenv("HOTLINE_FAULTS_REQUIRED") == "" {
					t.Skipf("cannot be tried here: %v", err)
				}
			}
			err := f.Try(t.Context(), testnet.FaultRun{Dir: filepath.Join(t.TempDir(), "net"), Rounds: faultRounds(t, &f), Seed: faultSeed(t), Tell: t.Logf})
			if err != nil {
				t.Fatalf("%s: %v", f.Promise, err)
			}
		})
	}
}

// Promise: a node that ends although nobody asked it to breaks a run off with its own last words, and is not waited for as one that does
// not answer.
func TestNodeThatEndsUnaskedBreaksTheRunOff(t *testing.T) {
	if testing.Short() {
		t.Skip("starts six processes and waits for elections")
	}
	err := testnet.Wearing.Try(t.Context(), testnet.FaultRun{Dir: filepath.Join(t.TempDir(), "net"), Rounds: 1, Tell: t.Logf})
	if err == nil || !strings.Contains(err.Error(), "node XB-1 ended (signal: killed)") || strings.Contains(err.Error(), "the time is over") {
		t.Errorf("got %v; want the end of node XB-1, at once", err)
	}
}

// fewRounds are enough to see that a promise is tried at all.
const fewRounds = 2

func faultRounds(t *testing.T, f *testnet.Fault) int {
	t.Helper()
	switch s := os.Getenv("HOTLINE_FAULT_ROUNDS"); s {
	case "":
		return fewRounds
	case "full":
		return f.Rounds
	default:
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 {
			t.Fatalf("HOTLINE_FAULT_ROUNDS=%s: give a number of rounds, or full", s)
		}
		return n
	}
}

func faultSeed(t *testing.T) uint64 {
	t.Helper()
	s := os.Getenv("HOTLINE_FAULT_SEED")
	if s == "" {
		return uint64(time.Now().UnixNano())
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		t.Fatalf("HOTLINE_FAULT_SEED=%s: give a whole number", s)
	}
	return n
}
