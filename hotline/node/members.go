package node

import (
	"context"
	"slices"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/ledger"
	"example.org/hotline/hotline/replica"
)

// The directory, signed by the root key, says which nodes a group has. The
// leader brings the group to it one step at a time: a new node is added
// without a vote, given one when it has caught up, and a node that left the
// directory is removed.

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
			}
			return
		}
	}
	for _, m := range members {
		if !inDirectory(m.ID) {
			n.step("removed", m.ID, n.member.Remove(ctx, m.ID))
			return
		}
	}
}

func (n *Node) step(what, name string, err error) {
	if err != nil {
		n.log.Warn("member of the group could not be "+what, "member", name, "why", err)
		return
	}
	n.log.Info("member of the group was "+what, "member", name)
}
