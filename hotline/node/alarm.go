package node

import (
	"strings"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/ledger"
)

// Step 8 of a notification: the ladder's rungs wake people. Every watching
// desk of every node hears a page (watch.go); the leader writes it to the
// daemon's log, counts it, and carries it out of the house (page.go).

func (n *Node) alarm(e *ledger.Effect) {
	n.pages.changed()
	n.metrics.pages.WithLabelValues(e.Office, e.Status.String()).Inc()
	level := n.log.Warn
	if e.Overdue {
		level = n.log.Error
	}
	level("page", "office", e.Office, "targets", strings.Join(e.Targets, ","), "duty", e.Duty, "overdue", e.Overdue,
		"statement", e.ID.Short(), "peer", e.Peer, "precedence", e.Precedence, "status", e.Status, "due", e.Time, "note", e.Text)
}

// alarms lists what a technician must look at, for the status view.
func (n *Node) alarms() []string {
	var list []string
	if err := n.machine.complete(); err != nil {
		list = append(list, err.Error())
	}
	if err := n.maySign(); err != nil {
		list = append(list, err.Error())
	}
	for _, p := range n.line.Status() {
		if linkOf(p) != "up" {
			list = append(list, "the line to "+string(p.Party)+" is "+string(linkOf(p)))
		}
	}
	if _, ok := n.member.Leader(); !ok {
		list = append(list, "the group has no leader")
	}
	list = append(list, n.pageAlarms()...)
	list = append(list, n.witnessing.forkAlarms()...)
	if n.leading.Load() && n.clocks.unproven.Load() {
		list = append(list, "time is not proven: no majority of the group's clocks backs this node's, and deadlines wait")
	}
	if text := n.expiry(); text != "" {
		list = append(list, text)
	}
	n.machine.view(func(s *ledger.State) {
		list = append(list, contactAlarms(s, n.now())...)
		if s.Size() > 0 && len(s.Peers()) < len(conventionPeers(s)) {
			list = append(list, "the directory of a party of the convention is not known yet")
		}
	})
	return list
}

func conventionPeers(s *ledger.State) []hotline.Party {
	var list []hotline.Party
	if v := s.Conventions(); len(v) > 0 {
		for _, m := range v[len(v)-1].Parties {
			if m.Party != s.Self() {
				list = append(list, m.Party)
			}
		}
	}
	return list
}
