package testnet

import "context"

// tryFailover kills XA's leader and hands a statement in at another node at that moment, with the timing of the group that a configuration
// has if it says nothing, and no relay between the nodes.
func tryFailover(ctx context.Context, x *field) error {
	err := rounds(func(ctx context.Context, x *field, _ int) error {
		leader, err := x.xa.Leader(ctx, nil)
		if err != nil {
			return err
		}
		if err := leader.Kill(); err != nil {
			return err
		}
		if err := x.commitBeside(ctx, leader); err != nil {
			return err
		}
		if err := leader.Start(ctx); err != nil {
			return err
		}
		return x.well(ctx)
	})(ctx, x)
	if err == nil {
		x.Tell("from the leader's death to the next commit: %s", spread(x.commits))
	}
	return err
}
