package node

import (
	"bytes"
	"context"
	"log/slog"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/ledger"
	"example.org/hotline/hotline/link"
)

// Step 6 and 7 of a notification, on the receiving side: verify, propose,
// commit; then answer with the receipt.

// Deliver takes a statement from a peer's stream and hands it to the leader.
// It makes Node a link.Host.
func (n *Node) Deliver(ctx context.Context, from hotline.Party, _ string, d *link.Delivery) *link.Answer {
	c := received(d)
	st, err := c.ParseStatement()
	if err != nil {
		return n.turnAway(from, d.Statement, err)
	}
	if st.Header.From != from {
		return n.turnAway(from, d.Statement, hotline.Refuse(hotline.CodeWrongSender, "a statement of %s by the line of %s", st.Header.From, from))
	}
	t := n.known(st.ID, d)
	if t == nil {
		t = n.askLeader(ctx, &ask{Deliver: d, From: from, parsed: c})
	}
	if t.Code != "" && t.Code != hotline.CodeNeed && !transient(t.err()) {
		return n.turnAway(from, d.Statement, t.err())
	}
	t = forPeer(t)
	a := &link.Answer{Code: t.Code, Text: t.Text, Receipt: t.Receipt, Time: n.now()}
	a.Leader, _ = n.member.Leader()
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
	level := slog.LevelDebug // a peer that floods must not flood the daemon's log
	if n.refusals.note(from, raw, t.Code, n.now()) {
		level = slog.LevelWarn
	}
	n.metrics.refused.WithLabelValues(string(from), string(t.Code)).Inc()
	n.log.Log(n.ctx, level, "statement refused", "from", from, "code", t.Code, "why", t.Text)
	t = forPeer(t)
	return &link.Answer{Code: t.Code, Text: t.Text, Time: n.now()}
}

// forPeer is what another party hears of an answer: nothing of a log that was set
// back (SPEC §7.5 rule 8), nor of a fault of this node. Both are for its own
// people; the peer keeps what it has, and asks again.
func forPeer(t *told) *told {
	switch t.Code {
	case hotline.CodeBehind:
		return &told{Code: hotline.CodeBusy, Text: "nothing is written here at present: ask again"}
	case hotline.CodeInternal:
		return &told{Code: t.Code}
	}
	return t
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

// needs says which document is missing, also one that was skipped below the
// newest: the sender would otherwise send what follows the newest, for ever.
func (n *Node) needs(from hotline.Party, c *ledger.Command, err error) *told {
	t := refusal(err)
	if sender, err := c.ParseSender(); err == nil {
		n.machine.view(func(s *ledger.State) { t.NeedDirectory, t.NeedConvention = s.Missing(from, sender) })
	}
	return t
}

// received is the command by which a delivery is taken in.
func received(d *link.Delivery) *ledger.Command {
	return &ledger.Command{Type: ledger.Receive, Statement: d.Statement, Sender: d.Sender, Tender: d.Tender}
}

// receive runs on the leader: the statement becomes an entry, or is answered
// again with the receipt that it has.
func (n *Node) receive(ctx context.Context, from hotline.Party, c *ledger.Command) *told {
	r, err := n.propose(ctx, c)
	if hotline.CodeOf(err) == hotline.CodeNeed {
		return n.needs(from, c, err)
	}
	if err != nil {
		return refusal(err)
	}
	switch {
	case r.Code == hotline.CodeDuplicate:
		return n.again(c)
	case r.Code != "":
		return &told{Code: r.Code, Text: r.Text, NeedDirectory: r.NeedDirectory, NeedConvention: r.NeedConvention}
	case r.Reject != "":
		return &told{Code: r.Reject, Text: r.Text}
	}
	return n.receipted(r.Index)
}

// receipted answers a statement that was accepted, here or before. If the
// receipt cannot be made now, that is no refusal: the sender asks again.
func (n *Node) receipted(i uint64) *told {
	receipt, err := n.receiptFor(i)
	if err != nil {
		n.log.Warn("an accepted statement cannot be receipted yet", "entry", i, "why", err)
		return &told{Code: hotline.CodeBusy, Text: "accepted; the receipt follows: ask again"}
	}
	return &told{Receipt: receipt, Index: i}
}

// known answers what stands in the log of this node to the byte, without
// asking the group: the same receipt from whichever node is asked. It returns
// nil for everything else.
func (n *Node) known(id hotline.ID, d *link.Delivery) *told {
	i, ok, known := n.machine.place(id)
	if !ok || !known {
		return nil
	}
	rec, err := n.receivedAt(i)
	if err != nil || rec.Code != "" || !bytes.Equal(rec.Statement, d.Statement) || !bytes.Equal(rec.Sender, d.Sender) ||
		!bytes.Equal(rec.Tender, d.Tender) {
		return nil
	}
	return n.receipted(i)
}

// again answers a statement that stands in the log already: the same receipt,
// to the byte. The same sequence with another id is never receipted.
func (n *Node) again(c *ledger.Command) *told {
	st, err := c.ParseStatement()
	if err != nil {
		return refusal(err)
	}
	i, ok, known := n.machine.place(st.ID)
	if !known {
		return &told{Code: hotline.CodeBusy, Text: "this node is not complete yet: ask again"}
	}
	if !ok {
		return refusal(hotline.Refuse(hotline.CodeDuplicate, "this sequence is used up by another statement"))
	}
	rec, err := n.receivedAt(i)
	switch {
	case hotline.CodeOf(err) == hotline.CodeNotFound:
		return refusal(hotline.Refuse(hotline.CodeDuplicate, "this id is an own statement"))
	case err != nil:
		n.log.Error("an entry cannot be read back", "entry", i, "why", err)
		return &told{Code: hotline.CodeBusy, Text: "ask again"}
	case !n.samePlace(rec, c):
		return refusal(hotline.Refuse(hotline.CodeDuplicate, "this statement was tendered under another sequence before"))
	case rec.Code != "":
		return &told{Code: rec.Code, Text: "rejected before"}
	}
	return n.receipted(i)
}

// samePlace says whether a statement that stands in the log was tendered under
// the sequence of this command, in the same generation of its sender's log. The index
// finds the first entry of an id alone (SPEC §6.6 rule 4).
func (n *Node) samePlace(rec *hotline.Received, c *ledger.Command) bool {
	type number struct{ generation, sequence uint64 }
	numberOf := func(c *ledger.Command) number {
		sender, err := c.ParseSender()
		tender, err2 := c.ParseTender()
		if err != nil || err2 != nil {
			return number{} // none: a sequence begins at 1
		}
		return number{tender.Generation, sender.Sent.SequenceFor(hotline.Party(n.cfg.Party))}
	}
	return numberOf(c) == numberOf(&ledger.Command{Sender: rec.Sender, Tender: rec.Tender})
}

// receivedAt reads a peer's statement from the log.
func (n *Node) receivedAt(i uint64) (*hotline.Received, error) {
	raw, err := n.machine.entry(i)
	if err != nil {
		return nil, err
	}
	_, content, err := hotline.DecodeEntry(raw)
	if err != nil {
		return nil, err
	}
	rec, ok := content.(*hotline.Received)
	if !ok {
		return nil, hotline.Refuse(hotline.CodeNotFound, "entry %d is no statement of a peer", i)
	}
	return rec, nil
}
