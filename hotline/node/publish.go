package node

import (
	"context"
	"fmt"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/ledger"
	"example.org/hotline/hotline/link"
)

// Documents prove themselves, so they travel outside sequence and receipt:
// pushed when they are published, and sent again whenever a peer answers that
// it needs one.

// Document takes a document from a peer. It may be of any party: what counts
// is the root key under it.
func (n *Node) Document(ctx context.Context, from hotline.Party, raw []byte) *link.Answer {
	t := n.askLeader(ctx, &ask{Command: &ledger.Command{Type: ledger.Document, Document: raw}})
	if t.Code == hotline.CodeOldNumber {
		return &link.Answer{Time: n.now()} // known already: nothing to send again
	}
	if t.Code != "" {
		n.metrics.refused.WithLabelValues(string(from), string(t.Code)).Inc()
		n.log.Warn("document refused", "from", from, "code", t.Code, "why", t.Text)
	}
	a := &link.Answer{Code: t.Code, Text: t.Text, Time: n.now()}
	if t.Code == hotline.CodeNeed {
		a.Need = n.held(from, t)
	}
	return a
}

// documentsAfter returns the convention versions above one, and the own
// directories above another, in the order in which a peer can take them.
func (n *Node) documentsAfter(convention, directory uint64) [][]byte {
	var list [][]byte
	n.machine.view(func(s *ledger.State) {
		for _, c := range s.Conventions() {
			if c.Version > convention {
				list = append(list, c.Raw)
			}
		}
		for _, d := range s.Directories(s.Self()) {
			if d.Number > directory {
				list = append(list, d.Raw)
			}
		}
	})
	return list
}

// sendDocuments answers a need: everything that follows what the peer holds.
func (n *Node) sendDocuments(ctx context.Context, to hotline.Party, path int, need *link.Need) {
	for _, raw := range n.documentsAfter(need.Convention, need.Directory) {
		a, err := n.line.Ask(ctx, to, path, false, &link.Question{Document: raw})
		if err != nil || a.Code != "" {
			n.log.Warn("peer did not take a document that it needs", "peer", to, "why", reason(a, err))
			return
		}
	}
}

func reason(a *link.Answer, err error) string {
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%s: %s", a.Code, a.Text)
}

// offerDocuments pushes the newest own directory and convention version to a
// peer that has not taken them from this leader yet. A peer that lacks an
// earlier one says so, and gets it.
func (n *Node) offerDocuments(ctx context.Context, x *sender) {
	var newest [][]byte
	n.machine.view(func(s *ledger.State) {
		if c := s.Conventions(); len(c) > 0 {
			newest = append(newest, c[len(c)-1].Raw)
		}
		if d := s.Directory(s.Self()); d != nil {
			newest = append(newest, d.Raw)
		}
	})
	for _, raw := range newest {
		x.mu.Lock()
		done := x.told[string(raw)]
		x.mu.Unlock()
		if done {
			continue
		}
		for path := range n.paths(x.peer) {
			a, err := n.line.Ask(ctx, x.peer, path, false, &link.Question{Document: raw})
			if err != nil {
				continue
			}
			if a.Code == hotline.CodeNeed && a.Need != nil {
				n.sendDocuments(ctx, x.peer, path, a.Need)
			}
			if a.Code == "" {
				x.mu.Lock()
				x.told[string(raw)] = true
				x.mu.Unlock()
			}
			break
		}
	}
}

func (n *Node) paths(p hotline.Party) int {
	for _, peer := range n.roster.get().peers {
		if peer.Party == p {
			return len(peer.Nodes)
		}
	}
	return 0
}

// Hello answers a peer's greeting. Another convention is another network.
func (n *Node) Hello(from hotline.Party, _ string, h *link.Hello) *link.Answer {
	var id hotline.ID
	n.machine.view(func(s *ledger.State) { id = s.ConventionID() })
	if id.IsZero() {
		id = n.docs.Conventions[0].ID
	}
	if h.Convention != id {
		return &link.Answer{Code: hotline.CodeConvention, Text: "another convention"}
	}
	return &link.Answer{Time: n.now()}
}

// Greeting is what this node says of itself when a connection opens.
func (n *Node) Greeting(hotline.Party) *link.Hello {
	h := &link.Hello{Nonce: n.nonce}
	n.machine.view(func(s *ledger.State) {
		h.Convention, h.ConventionVersion = s.ConventionID(), uint64(len(s.Conventions()))
		if d := s.Directory(s.Self()); d != nil {
			h.Directory = d.Number
		}
	})
	if h.Convention.IsZero() {
		h.Convention = n.docs.Conventions[0].ID
	}
	return h
}

// Count counts an event of the line.
func (n *Node) Count(event string, from hotline.Party) {
	n.metrics.events.WithLabelValues(event, string(from)).Inc()
}
