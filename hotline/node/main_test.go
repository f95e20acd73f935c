package node_test

import (
	"testing"

	"go.uber.org/goleak"
)

// Promise: a node that was closed leaves no goroutine behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
