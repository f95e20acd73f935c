package node

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/ledger"
)

// Committed time may pass the last time that a majority's clocks backed by
// hotline.MaxClockStep. A command that steps further carries their readings.

// clocks are the readings that this node has made as leader.
type clocks struct {
	reading chan struct{} // of one place: proposals that wait for a reading share its result
	list    []hotline.Reading
	at      hotline.Time // by this node's clock: one that jumped makes them old

	unproven atomic.Bool // the last command that needed readings was not backed
	alone    atomic.Bool // and a majority answered: it is this clock that is wrong
}

// clockWait bounds the reading of clocks: longer than this a reading says
// nothing within the skew bound. Readings are used again for clockShare, so
// that a burst of commands on a quiet line reads once.
const (
	clockWait  = time.Second
	clockShare = 250 * time.Millisecond
)

// stamp gives a command the leader's time, and readings if it needs them.
func (n *Node) stamp(ctx context.Context, c *ledger.Command) {
	c.Readings, c.Time = nil, n.now()
	var voters []string
	n.machine.view(func(s *ledger.State) {
		if s.NeedsReadings(c.Time) {
			voters = s.Voters()
		}
	})
	if len(voters) > 0 {
		c.Readings = n.readings(ctx, voters)
		c.Time = n.now()
	}
}

func (n *Node) readings(ctx context.Context, voters []string) []hotline.Reading {
	select {
	case n.clocks.reading <- struct{}{}:
		defer func() { <-n.clocks.reading }()
	case <-ctx.Done():
		return nil
	}
	if since := n.now() - n.clocks.at; since < 0 || since > hotline.Time(clockShare.Milliseconds()) {
		n.clocks.list, n.clocks.at = n.readClocks(ctx, voters), n.now()
	}
	return slices.Clone(n.clocks.list)
}

// readClocks asks every voter for its clock, and stops when a majority agrees
// with this one: a voter that is away must not slow a warning down. What did
// not come back within the bound, or not with its nonce, is not counted.
func (n *Node) readClocks(ctx context.Context, voters []string) []hotline.Reading {
	ctx, cancel := context.WithTimeout(ctx, clockWait)
	defer cancel()
	answers := make(chan *hotline.Reading, len(voters))
	for _, v := range voters {
		if v == n.cfg.Node {
			answers <- &hotline.Reading{Node: v, Time: n.now()}
			continue
		}
		go func() { answers <- n.readClock(ctx, v) }() // awaited below; ends with ctx at the latest
	}
	var list []hotline.Reading
	for left, agree := len(voters), 0; left > 0; left-- {
		r := <-answers
		if r == nil {
			continue
		}
		list = append(list, *r)
		if agrees(r.Time, n.now()) {
			agree++
		}
		if agree > len(voters)/2 {
			cancel() // the rest comes back at once, and counts if it was read
		}
	}
	slices.SortFunc(list, func(a, b hotline.Reading) int { return strings.Compare(a.Node, b.Node) })
	return list
}

func agrees(a, b hotline.Time) bool {
	skew := hotline.Time(hotline.MaxClockSkew.Milliseconds())
	return a >= b-skew && a <= b+skew
}

// readClock asks one voter. The time read is placed at the middle of the round
// trip.
func (n *Node) readClock(ctx context.Context, voter string) *hotline.Reading {
	nonce := n.random(16)
	sent := n.now()
	t := n.askNode(ctx, voter, &ask{Clock: nonce})
	back := n.now()
	if t.Code != "" || !slices.Equal(t.Nonce, nonce) || back < sent || back-sent >= hotline.Time(clockWait.Milliseconds()) {
		return nil
	}
	return &hotline.Reading{Node: voter, Time: t.Time + (back-sent)/2}
}

// judgeClock notes whether the group's clocks backed a command that needed
// it. A command that made no entry does not show it; of those a tick that did
// not fire what was due does (tick).
func (n *Node) judgeClock(c *ledger.Command, r *ledger.Result) {
	switch {
	case len(r.Entries) == 0:
	case r.Time < c.Time:
		n.timeUnproven(c)
	case len(c.Readings) > 0:
		n.clocks.alone.Store(false)
		n.clocks.unproven.Store(false)
	}
}

func (n *Node) timeUnproven(c *ledger.Command) {
	n.metrics.unproven.Inc()
	var voters int
	n.machine.view(func(s *ledger.State) { voters = len(s.Voters()) })
	n.clocks.alone.Store(len(c.Readings) > voters/2)
	if !n.clocks.unproven.Swap(true) {
		n.log.Error("time is not proven: no majority of the group's clocks backs this node's; deadlines wait", "node_time", c.Time)
	}
}
