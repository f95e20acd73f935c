package node

import (
	"context"

	"example.org/hotline/crypto/keys"
	"example.org/hotline/hotline"
	"example.org/hotline/hotline/ledger"
)

// Step 10 of a notification, and the rest of what the group says in its own
// name. The ledger decides that something is to be said; the leader builds it,
// signs it with the service key, and submits it naming the entry that asked.

func (n *Node) compose(ctx context.Context, e errand) {
	a := n.askOf(e)
	if a == nil {
		return // answered, or no longer owed because a person was faster
	}
	h, body, err := n.groupStatement(a)
	if err != nil {
		n.log.Error("a statement of the group cannot be built yet", "kind", a.Kind, "cause", a.Cause, "why", err)
		return
	}
	n.say(ctx, h, body)
}

// say signs a statement of the group and submits it until it is known what
// became of it. The same bytes again are the same statement.
func (n *Node) say(ctx context.Context, h hotline.Header, body hotline.Body) {
	raw, err := hotline.Sign(h, hotline.MustMarshal(body), n.keys.service)
	if err != nil {
		n.log.Error("a statement of the group cannot be signed", "kind", h.Kind, "cause", h.Cause, "why", err)
		return
	}
	for ctx.Err() == nil {
		r, err := n.propose(ctx, &ledger.Command{Type: ledger.Submit, Statement: raw})
		if err == nil {
			err = refused(r)
		} else if transient(err) {
			pause(ctx, retryPause)
			continue
		}
		switch hotline.CodeOf(err) {
		case "", hotline.CodeDuplicate, hotline.CodeNotOwed:
		default:
			n.log.Error("a statement of the group is refused", "kind", h.Kind, "cause", h.Cause, "why", err)
		}
		return
	}
}

func (n *Node) groupHeader(kind hotline.Kind) (h hotline.Header) {
	n.machine.view(func(s *ledger.State) {
		h = hotline.Header{Kind: kind, Status: hotline.Actual, Precedence: hotline.Routine, TLP: hotline.TLPAmber, From: s.Self(),
			Authors: []keys.ID{n.keys.service.Public().ID()}, Convention: s.ConventionID(), Issued: n.now()}
		if c := s.Convention(n.now()); c != nil {
			h.ConventionVersion = c.Version
		}
		if d := s.Directory(s.Self()); d != nil {
			h.Directory = d.Number
		}
	})
	return h
}

func (n *Node) groupStatement(a *ledger.Ask) (hotline.Header, hotline.Body, error) {
	h := n.groupHeader(a.Kind)
	h.Status, h.Precedence, h.To, h.Case, h.Cause, h.Reason = a.Status, a.Precedence, a.To, a.Case, a.Cause+1, a.Reason
	if !a.Re.IsZero() {
		re := a.Re
		h.Re = &re
	}
	n.machine.view(func(s *ledger.State) {
		for _, p := range h.To {
			if h.Peer == nil {
				h.Peer = cosignedHead(s, p)
			}
		}
	})
	body, err := n.groupBody(a)
	return h, body, err
}

func (n *Node) groupBody(a *ledger.Ask) (hotline.Body, error) {
	switch a.Kind {
	case hotline.KindAutomaticAlert:
		raw, err := n.machine.entry(a.Source)
		if err != nil {
			return nil, err
		}
		_, content, err := hotline.DecodeEntry(raw)
		if err != nil {
			return nil, err
		}
		sent, ok := content.(*hotline.Sent)
		if !ok {
			return nil, hotline.Refuse(hotline.CodeReference, "entry %d is no assessment", a.Source)
		}
		return &hotline.AutomaticAlert{Assessment: sent.Statement}, nil
	case hotline.KindEscalation:
		return &hotline.Escalation{Due: a.Due, Office: a.Office}, nil
	case hotline.KindNonDelivery:
		return &hotline.NonDelivery{To: a.Peer, Due: a.Due}, nil
	case hotline.KindLineTest, hotline.KindLineReply, hotline.KindWatchTest:
		return &hotline.LineTest{Serial: a.Cause + 1, Node: n.cfg.Node}, nil
	case hotline.KindReject:
		return &hotline.Reject{Sequence: a.Sequence}, nil
	}
	return nil, hotline.Refuse(hotline.CodeUnknownKind, "the group composes no %s", a.Kind)
}

// checkReadable opens a received statement's body. What the group cannot open,
// or what breaks a rule of its kind, the sender must hear of: a warning nobody
// can read is none.
func (n *Node) checkReadable(ctx context.Context, index uint64) {
	st, err := n.acceptedAt(index)
	if err != nil {
		if hotline.CodeOf(err) != hotline.CodeNotFound {
			// A fault of this node, which says nothing about the statement.
			n.log.Error("a received statement cannot be read back", "entry", index, "why", err)
		}
		return
	}
	if !st.Header.Kind.Rules().Sealed {
		return
	}
	if _, _, err = n.openStatement(st); err == nil {
		return
	}
	n.log.Error("the body of a received statement cannot be read", "from", st.Header.From, "id", st.ID.Short(), "code", hotline.CodeOf(err))
	h := n.groupHeader(hotline.KindUnreadable)
	id := st.ID
	h.Status, h.Precedence, h.To, h.Case, h.Re = st.Header.Status, st.Header.Precedence, []hotline.Party{st.Header.From}, st.InCase(), &id
	h.Cause, h.Reason = index+1, hotline.CodeUnreadable
	n.say(ctx, h, &hotline.Service{})
}

// openStatement opens the sealed body of a statement, own or received, and
// decodes it.
func (n *Node) openStatement(st *hotline.Statement) (blind [32]byte, body []byte, err error) {
	if blind, body, err = st.OpenSealed(n.keys.sealing); err != nil {
		return blind, nil, err
	}
	if _, err = hotline.DecodeBody(st.Header.Kind, body); err != nil {
		return blind, nil, err
	}
	return blind, body, nil
}

// acceptedAt returns the peer's statement that was accepted with an entry.
func (n *Node) acceptedAt(i uint64) (*hotline.Statement, error) {
	none := hotline.Refuse(hotline.CodeNotFound, "entry %d is no accepted statement of a peer", i)
	if w := n.machine.recents.at(i); w != nil {
		if w.command.Type != ledger.Receive || w.result.Reject != "" || !w.placed(i) {
			return nil, none
		}
		return w.command.ParseStatement() // Apply has parsed it
	}
	st, _, content, err := n.statementAt(i)
	if err != nil {
		return nil, err
	}
	if rec, ok := content.(*hotline.Received); !ok || rec.Code != "" {
		return nil, none
	}
	return st, nil
}

// statementAt reads the statement of an entry.
func (n *Node) statementAt(i uint64) (*hotline.Statement, *hotline.Entry, any, error) {
	raw, err := n.machine.entry(i)
	if err != nil {
		return nil, nil, nil, err
	}
	e, content, err := hotline.DecodeEntry(raw)
	if err != nil {
		return nil, nil, nil, err
	}
	var b []byte
	switch c := content.(type) {
	case *hotline.Sent:
		b = c.Statement
	case *hotline.Received:
		b = c.Statement
	default:
		return nil, e, content, hotline.Refuse(hotline.CodeNotFound, "entry %d is no statement", i)
	}
	st, err := hotline.Parse(b)
	return st, e, content, err
}
