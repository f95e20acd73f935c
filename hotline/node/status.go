package node

import (
	"slices"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/desk"
	"example.org/hotline/hotline/ledger"
	"example.org/hotline/hotline/link"
)

func (n *Node) status() *desk.StatusView {
	v := &desk.StatusView{Party: hotline.Party(n.cfg.Party), Node: n.cfg.Node, Clock: n.now(), Role: "follower", Alarms: n.alarms()}
	v.Cosigned = n.cosignedView()
	if text := n.cosignedAlarm(v.Cosigned); text != "" {
		v.Alarms = append(v.Alarms, text)
	}
	stats := n.member.Stats()
	v.Leader = stats.Leader
	if stats.IsLeader {
		v.Role = "leader"
	}
	for _, m := range stats.Members {
		if !m.Voter {
			v.Learners = append(v.Learners, m.ID)
			if m.ID == n.cfg.Node {
				v.Role = "learner"
			}
		}
	}
	if v.Leader == "" && v.Role == "follower" {
		v.Role = "candidate"
	}
	lines := n.line.Status()
	n.machine.view(func(s *ledger.State) {
		v.Generation, v.Size, v.Root, v.Time = s.Generation(), s.Size(), hotline.ID(s.Root()), s.Time()
		v.Convention, v.Voters = s.ConventionID(), s.Voters()
		if c := s.Convention(n.now()); c != nil {
			v.ConventionVersion, v.Observer, v.Parties = c.Version, c.Observes(s.Self()), uint64(len(c.Parties))
		}
		if d := s.Directory(s.Self()); d != nil {
			v.Directory = d.Number
		}
		v.Triage, v.Drafts, v.Ladder = uint64(len(s.Triage())), uint64(len(s.Drafts())), s.LadderNumber()
		for _, p := range lines {
			v.Peers = append(v.Peers, n.peerView(s, p))
		}
		v.Duties, v.MoreDuties = duties(s)
		v.Posts = posts(s)
	})
	return v
}

// posts names who has the desk of each role, as far as the own directory in
// force still holds the officer.
func posts(s *ledger.State) (views []desk.PostView) {
	d := s.Directory(s.Self())
	if d == nil {
		return nil
	}
	for _, p := range s.Posts() {
		if o := d.Officer(p.Officer); o != nil {
			views = append(views, desk.PostView{Role: p.Role, Officer: o.Name, Since: p.Since})
		}
	}
	return views
}

func linkOf(p link.PeerStatus) desk.LinkState {
	best := desk.LinkDown
	for _, node := range p.Nodes {
		switch node.State {
		case link.StateUp:
			return desk.LinkUp
		case link.StateSilent:
			best = desk.LinkSilent
		}
	}
	return best
}

func (n *Node) peerView(s *ledger.State, p link.PeerStatus) desk.PeerView {
	v := desk.PeerView{Party: p.Party, Link: linkOf(p), Outbox: uint64(len(s.Outbox(p.Party))), Nodes: n.nodeViews(p)}
	if pair := s.Pair(p.Party); pair != nil {
		v.Tested, v.Missed = pair.Tested, pair.Missed
	}
	if d := s.Directory(p.Party); d != nil {
		v.Directory = d.Number
	}
	v.Head = cosignedHead(s, p.Party)
	if c := s.Convention(n.now()); c != nil {
		v.Observer = c.Observes(p.Party)
	}
	linePart(s, &v)
	return v
}

// duties lists what is open, the earliest deadline first, without what is
// always open: clocks of the line, until an alarm rings, and of the contacts,
// until their reminder.
func duties(s *ledger.State) ([]desk.DutyView, uint64) {
	var list []desk.DutyView
	for _, d := range s.OpenDuties() {
		quiet := d.Class == hotline.DutyLineReply || d.Class == hotline.DutyContacts && d.Next == 0 || (d.Class == hotline.DutyLineAnswered || d.Class == hotline.DutyLineHeard) && !d.Overdue
		if d.Class.Recurs() || quiet {
			continue
		}
		v := desk.DutyView{Class: d.Class, Subject: d.Subject, Case: d.Case, Peer: d.Peer, Precedence: d.Precedence, Status: d.Status,
			Opened: d.Opened, Deadline: d.Deadline, Overdue: d.Overdue}
		if d.Next < len(d.Clocks) {
			c := d.Clocks[d.Next]
			v.Next = &desk.RungView{Due: c.Due, Office: c.Office, Targets: c.Targets}
		}
		list = append(list, v)
	}
	slices.SortStableFunc(list, func(a, b desk.DutyView) int { return int(a.Deadline - b.Deadline) })
	if more := len(list) - hotline.MaxDeskDuties; more > 0 {
		return list[:hotline.MaxDeskDuties], uint64(more)
	}
	return list, 0
}
