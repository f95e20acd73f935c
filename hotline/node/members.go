package node

import (
	"context"
	"slices"
	"time"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/ledger"
	"example.org/hotline/hotline/replica"
)

// The directory, signed by the root key, says which nodes a group has. The
// leader brings the group to it one step at a time: a new node is added
// without a vote, given one when it has caught up, and a node that left the
// directory is removed.

const membersPause = time.Second

// keepMembers brings the group to the directory, records its voters, and hands
// leadership over when another node is fitter for it.
func (n *Node) keepMembers(ctx context.Context) {
	tick := time.NewTicker(membersPause)
	defer tick.Stop()
	var handed time.Time
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		n.reconcile(ctx)
		if err := n.noteMembers(ctx); err != nil && ctx.Err() == nil {
			n.log.Warn("the voters could not be recorded yet", "why", err)
		}
		if why := n.unfit(); why != "" && time.Since(handed) >= handOverPause {
			handed = time.Now()
			n.handOver(ctx, why)
		}
	}
}

// handOverPause keeps nodes that are all unfit from passing leadership round
// without end.
const handOverPause = 30 * time.Second

// unfit says why another node should lead: this one could give no receipts, or
// no deadline would fire.
func (n *Node) unfit() string {
	if err := n.machine.complete(); err != nil {
		return err.Error()
	}
	if n.clocks.alone.Load() {
		return "this node's clock disagrees with the majority's"
	}
	return ""
}

func (n *Node) handOver(ctx context.Context, why string) {
	var voters int
	n.machine.view(func(s *ledger.State) { voters = len(s.Voters()) })
	if voters < 2 {
		return // nobody to hand over to; the status tells the alarm
	}
	n.log.Warn("leadership is handed over", "why", why)
	if err := n.member.TransferLeadership(ctx); err != nil && ctx.Err() == nil {
		n.log.Warn("leadership could not be handed over", "why", err)
	}
}

func (n *Node) reconcile(ctx context.Context) {
	members, err := n.member.Members()
	if err != nil {
		return
	}
	var want []hotline.Node
	n.machine.view(func(s *ledger.State) {
		if d := s.Directory(s.Self()); d != nil {
			want = slices.Clone(d.Nodes)
		}
	})
	if len(want) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, hotline.GroupExchange)
	defer cancel()
	inDirectory := func(id string) bool {
		return slices.ContainsFunc(want, func(w hotline.Node) bool { return w.Name == id })
	}
	for _, w := range want {
		i := slices.IndexFunc(members, func(m replica.Server) bool { return m.ID == w.Name })
		switch {
		case i < 0:
			n.step("added without a vote", w.Name, n.member.AddNonvoter(ctx, w.Name, w.Addr))
			return
		case !members[i].Voter:
			// Refused while it is behind: the next round tries again.
			if err := n.member.Promote(ctx, w.Name); err == nil {
				n.step("given a vote", w.Name, nil)
				return
			}
		}
	}
	voters, staying := 0, 0
	for _, m := range members {
		if m.Voter {
			voters++
			if inDirectory(m.ID) {
				staying++
			}
		}
	}
	for _, m := range members {
		// A node that left must not wait for one that does not catch up; but a group
		// that is replaced whole keeps its old voters until enough new ones stand.
		if !inDirectory(m.ID) && (2*staying >= voters || !m.Voter) {
			n.step("removed", m.ID, n.member.Remove(ctx, m.ID))
			return
		}
	}
}

// noteMembers records the voters when the group's configuration has changed,
// so that receipts can state their number.
func (n *Node) noteMembers(ctx context.Context) error {
	list, err := n.member.Members()
	if err != nil {
		return err
	}
	var voters, known []string
	for _, m := range list {
		if m.Voter {
			voters = append(voters, m.ID)
		}
	}
	slices.Sort(voters)
	n.machine.view(func(s *ledger.State) { known = s.Voters() })
	if slices.Equal(voters, known) || len(voters) == 0 {
		return nil
	}
	return n.must(ctx, &ledger.Command{Type: ledger.Members, Voters: voters})
}

func (n *Node) step(what, name string, err error) {
	if err != nil {
		n.log.Warn("member of the group could not be "+what, "member", name, "why", err)
		return
	}
	n.log.Info("member of the group was "+what, "member", name)
}
