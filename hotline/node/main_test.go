package node_test

import (
	"flag"
	"testing"

	"go.uber.org/goleak"
)

// Promise: a node that was closed leaves no goroutine behind.
//
// A test here mostly waits, for elections and for tries that come again: more run at once than there are cores. -parallel
// says otherwise.
func TestMain(m *testing.M) {
	if err := flag.Set("test.parallel", "4"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}
