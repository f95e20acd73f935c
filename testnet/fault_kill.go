package testnet

import (
	"context"
	"fmt"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/desk"
)

// Two ways to hit the moment, in turn. In even rounds the direction in which the next message would go is cut before the statement is
// handed in, so that the kill lies between the two commits for certain. In odd rounds nothing is cut and the kill follows the event that
// tells of the commit: it comes before, at, or just after the next message, as chance has it.

// killSender kills XA's leader between its commit of an alert and the delivery.
func killSender(ctx context.Context, x *field, round int) error {
	leader, err := x.xa.Leader(ctx, nil)
	if err != nil {
		return err
	}
	st, err := x.alert(ctx, hotline.Flash)
	if err != nil {
		return err
	}
	if round%2 == 0 {
		x.cutBetween(x.xa, x.xb)
	}
	return x.strike(ctx, leader, x.xa.beside(leader), desk.EventAccepted, st)
}

// killReceiver kills XB's leader between its commit of an alert and the receipt.
func killReceiver(ctx context.Context, x *field, round int) error {
	leader, err := x.xb.Leader(ctx, nil)
	if err != nil {
		return err
	}
	st, err := x.alert(ctx, hotline.Flash)
	if err != nil {
		return err
	}
	if round%2 == 0 {
		x.cutBetween(x.xb, x.xa)
	}
	return x.strike(ctx, leader, x.xb.beside(leader), desk.EventReceived, st)
}

// cutBetween drops everything that a party sends to another.
func (x *field) cutBetween(from, to *Party) {
	for _, a := range from.Nodes {
		for _, b := range to.Nodes {
			x.w.Cut(a, b)
		}
	}
}

// strike hands a statement in, kills a node on the event that ear tells of it, mends what was cut, starts the node again, and waits until all is well.
func (x *field) strike(ctx context.Context, victim, ear *Node, on desk.EventType, st *hotline.Statement) error {
	w, end, err := x.hear(ctx, ear)
	if err != nil {
		return err
	}
	defer end()
	submitted := make(chan error, 1)
	go func() { // ends by its own limit, which the receive below waits for
		_, err := x.xa.Officer("O1").insist(ctx, st)
		submitted <- err
	}()
	_, struck := w.Wait(ctx, fmt.Sprintf("%s says %s", ear.Name, on), heard(on, st.ID))
	if struck == nil {
		struck = victim.Kill()
	}
	x.w.Mend()
	if err := <-submitted; err != nil {
		return err
	}
	if struck != nil {
		return struck
	}
	if _, err := victim.party.Leader(ctx, victim); err != nil {
		return err
	}
	if err := victim.Start(ctx); err != nil {
		return err
	}
	return x.well(ctx)
}
