package testnet

import (
	"context"
	"syscall"
)

// FreePorts is freePorts for tests that start daemons by themselves.
var FreePorts = freePorts

// Wearing is a promise that is none: each round one node ends unasked, and is waited for.
var Wearing = Fault{Name: "wearing", run: rounds(func(ctx context.Context, x *field, _ int) error {
	n := x.xb.Nodes[0]
	if err := n.signal(syscall.SIGKILL); err != nil {
		return err
	}
	return x.well(ctx)
})}
