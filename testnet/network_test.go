package testnet_test

import (
	"fmt"
	"os"
	"testing"

	"example.org/hotline/testnet"
)

// TestMain lets the test's own executable be the process of a node.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "node" {
		if err := testnet.RunNode(os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestUp(t *testing.T) {
	w, err := testnet.New(testnet.Options{Dir: t.TempDir(), Parties: 3, Nodes: 3, Terms: testnet.DemoTerms()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	}()
	if err := w.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := w.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
}
