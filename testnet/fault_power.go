package testnet

import (
	"context"
	"errors"
	"fmt"
	"time"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/desk"
)

// tryPower cuts the power of all three nodes of a party at once, again and again, each party in turn: the disk that they share loses what
// was not synced, and all of them die. The moment is, in turn, when the receipt of an alert is committed, when its reception is, when it is
// accepted, and some milliseconds after it was handed in.
func tryPower(ctx context.Context, x *field) error {
	disks := map[*Party]*disk{}
	for _, p := range x.w.Parties {
		d, err := x.newDisk(ctx, "disk-"+string(p.Code), p.Nodes...)
		if err != nil {
			return err
		}
		disks[p] = d
	}
	return rounds(func(ctx context.Context, x *field, round int) error {
		p := x.w.Parties[(x.Rounds-1-round)%2] // a single round, and the last of all, is XA's: it holds the receipts
		return x.blackout(ctx, p, disks[p], round/2%4)
	})(ctx, x)
}

// blackout hands an alert in and cuts a party's power at a moment of its way.
func (x *field) blackout(ctx context.Context, p *Party, d *disk, moment int) error {
	st, err := x.alert(ctx, hotline.Flash)
	if err != nil {
		return err
	}
	// A node of XA hears of the receipt when XB can no longer deny it, and one of XB of the reception: whoever has no power hears nothing.
	ear, on := x.xa.Nodes[0], desk.EventSettled
	if moment == 1 {
		ear, on = x.xb.Nodes[0], desk.EventReceived
	} else if moment == 2 {
		on = desk.EventAccepted
	}
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
	if moment == 3 {
		wait(ctx, time.Duration(x.chance.Int64N(int64(20*time.Millisecond))))
	} else {
		_, err = w.Wait(ctx, fmt.Sprintf("%s says %s", ear.Name, on), heard(on, st.ID))
	}
	if err == nil {
		err = x.powerless(ctx, p, d)
	}
	if err = errors.Join(err, <-submitted); err != nil {
		return err
	}
	return x.well(ctx)
}

// powerless takes the power from a party and gives it back.
func (x *field) powerless(ctx context.Context, p *Party, d *disk) error {
	for _, n := range p.Nodes {
		n.mayEnd() // it may notice before it is killed
	}
	if err := d.cutPower(); err != nil {
		return err
	}
	var errs []error
	for _, n := range p.Nodes {
		errs = append(errs, n.Kill())
	}
	if err := errors.Join(append(errs, d.unmount(ctx), d.mount(ctx))...); err != nil {
		return err
	}
	for _, n := range p.Nodes {
		if err := n.Start(ctx); err != nil {
			return err
		}
	}
	return nil
}
