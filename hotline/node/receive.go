package node

import (
	"context"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/ledger"
	"example.org/hotline/hotline/link"
)

// Step 6 and 7 of a notification, on the receiving side: verify, propose,
// commit; then answer with the receipt.

// Deliver takes a statement from a peer's stream and hands it to the leader.
// It makes Node a link.Host.
func (n *Node) Deliver(ctx context.Context, from hotline.Party, _ string, d *link.Delivery) *link.Answer {
	st, err := hotline.Parse(d.Statement)
	if err != nil {
		return n.turnAway(from, d.Statement, err)
	}
	if st.Header.From != from {
		return n.turnAway(from, d.Statement, hotline.Refuse(hotline.CodeWrongSender, "a statement of %s by the line of %s", st.Header.From, from))
	}
	t := n.askLeader(ctx, &ask{Deliver: d, From: from})
	if t.Code != "" && t.Code != hotline.CodeNeed && t.Code != hotline.CodeBusy && t.Code != hotline.CodeNotLeader && t.Code != hotline.CodeUnknown {
		return n.turnAway(from, d.Statement, t.err())
	}
	a := &link.Answer{Code: t.Code, Text: t.Text, Receipt: t.Receipt, Time: n.now()}
	if t.Code == hotline.CodeNeed {
		a.Need = n.held(from, t)
	}
	return a
}

// turnAway refuses a statement: nothing enters the ledger, the refusal is
// counted and remembered by the hash of the whole bytes, so that a mutilated
// copy never stands in the way of the good one.
func (n *Node) turnAway(from hotline.Party, raw []byte, err error) *link.Answer {
	t := refusal(err)
	n.refusals.note(from, raw, t.Code)
	n.metrics.refused.WithLabelValues(string(from), string(t.Code)).Inc()
	n.log.Warn("statement refused", "from", from, "code", t.Code, "why", t.Text)
	return &link.Answer{Code: t.Code, Text: t.Text, Time: n.now()}
}

// held names the newest documents here, so that the peer sends what follows.
func (n *Node) held(from hotline.Party, t *told) *link.Need {
	need := &link.Need{}
	n.machine.view(func(s *ledger.State) {
		need.Convention = uint64(len(s.Conventions()))
		if t.NeedDirectory > 0 {
			need.Directory = t.NeedDirectory - 1
		} else if d := s.Directory(from); d != nil {
			need.Directory = d.Number
		}
	})
	return need
}

// receive runs on the leader: the statement becomes an entry, or is answered
// again with the receipt that it has.
func (n *Node) receive(ctx context.Context, from hotline.Party, d *link.Delivery) *told {
	r, err := n.propose(ctx, &ledger.Command{Type: ledger.Receive, Statement: d.Statement, Sender: d.Sender, Tender: d.Tender})
	if err != nil {
		return refusal(err)
	}
	switch {
	case r.Code == hotline.CodeDuplicate:
		return n.again(d)
	case r.Code != "":
		return &told{Code: r.Code, Text: r.Text, NeedDirectory: r.NeedDirectory, NeedConvention: r.NeedConvention}
	case r.Reject != "":
		return &told{Code: r.Reject, Text: r.Text}
	}
	receipt, err := n.receiptFor(r.Index)
	if err != nil {
		return refusal(err)
	}
	return &told{Receipt: receipt, Index: r.Index}
}

// again answers a statement that stands in the log already: the same receipt,
// to the byte. The same sequence with another id is never receipted.
func (n *Node) again(d *link.Delivery) *told {
	st, err := hotline.Parse(d.Statement)
	if err != nil {
		return refusal(err)
	}
	i, ok := n.machine.index.find(st.ID)
	if !ok {
		return refusal(hotline.Refuse(hotline.CodeDuplicate, "this sequence is used up by another statement"))
	}
	raw, err := n.machine.entry(i)
	if err != nil {
		return refusal(err)
	}
	_, content, err := hotline.DecodeEntry(raw)
	if err != nil {
		return refusal(err)
	}
	rec, ok := content.(*hotline.Received)
	if !ok {
		return refusal(hotline.Refuse(hotline.CodeDuplicate, "this id is an own statement"))
	}
	if rec.Code != "" {
		return &told{Code: rec.Code, Text: "rejected before"}
	}
	receipt, err := n.receiptFor(i)
	if err != nil {
		return refusal(err)
	}
	return &told{Receipt: receipt, Index: i}
}
