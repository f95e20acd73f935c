package node

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"time"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/desk"
	"example.org/hotline/hotline/ledger"
)

// Steps 1 to 4 and 9 of a notification: what officers hand in. Any node takes
// it and finds the leader; the officer's key never comes here.

// officer says who asks at a desk, and until when the key is valid; nil if it is not
// in force.
func (n *Node) officer(o *hotline.Officer) (*desk.Officer, hotline.Time) {
	if t := n.now(); o == nil || t < o.From || t >= o.Until {
		return nil, 0
	}
	return &desk.Officer{Name: o.Name, Roles: o.Roles, Key: o.Key.ID()}, o.Until
}

// Handle answers an officer's request; it makes Node a desk.Host.
func (n *Node) Handle(ctx context.Context, who desk.Officer, r *desk.Request, send func(*desk.Reply) error) error {
	switch {
	case r.Status != nil:
		return send(&desk.Reply{Status: n.status()})
	case r.Documents != nil:
		return n.sendViews(r.Documents, send)
	case r.Publish != nil:
		return n.command(ctx, &ledger.Command{Type: ledger.Document, Document: r.Publish.Document}, send)
	case r.Submit != nil:
		return n.submit(ctx, r.Submit, send)
	case r.Draft != nil:
		return n.command(ctx, &ledger.Command{Type: ledger.Draft, Statement: r.Draft.Statement}, send)
	case r.Drafts != nil:
		return n.drafts(&who, send)
	case r.Hits != nil:
		return n.hits(ctx, &who, r.Hits, send)
	case r.Triage != nil:
		return n.triage(send)
	case r.Dismiss != nil:
		return n.command(ctx, &ledger.Command{Type: ledger.Dismiss, Key: r.Dismiss.Key}, send)
	case r.Inbox != nil:
		return n.inbox(ctx, r.Inbox, send)
	case r.Show != nil:
		return n.show(&who, r.Show, send)
	case r.Watch != nil:
		return n.watch(ctx, &who, send)
	case r.Export != nil:
		return n.export(ctx, r.Export, send)
	case r.Backup != nil:
		return n.backup(send)
	case r.Proof != nil:
		return n.prove(r.Proof, send)
	case r.Ladder != nil:
		var l *hotline.Ladder
		n.machine.view(func(s *ledger.State) { l = s.Ladder() })
		return send(&desk.Reply{Ladder: l})
	}
	return hotline.Refuse(hotline.CodeMalformed, "an empty request")
}

// command hands a command to the leader and answers with what became of it.
func (n *Node) command(ctx context.Context, c *ledger.Command, send func(*desk.Reply) error) error {
	if err := n.askLeader(ctx, &ask{Command: c}).err(); err != nil {
		return err
	}
	return send(&desk.Reply{})
}

// ownReadWait bounds how long an accepted statement's answer waits for this
// node to have applied it. A healthy follower is some 50 ms behind.
const ownReadWait = 2 * time.Second

func (n *Node) submit(ctx context.Context, r *desk.SubmitRequest, send func(*desk.Reply) error) error {
	c := &ledger.Command{Type: ledger.Submit, Statement: r.Statement, Key: r.Adopts}
	st, err := c.ParseStatement()
	if err == nil && r.Adopts != "" && st.Header.Kind != hotline.KindDetection { // who may hand in may not dismiss (SPEC §12 rule 11)
		err = hotline.Refuse(hotline.CodeMalformed, "a %s adopts no hit: only a detection does", st.Header.Kind)
	}
	if err != nil {
		return err
	}
	t := n.askLeader(ctx, &ask{Command: c})
	if err := t.err(); err != nil {
		n.refusals.note(hotline.Party(n.cfg.Party), r.Statement, t.Code, n.now())
		n.metrics.refused.WithLabelValues("desk", string(t.Code)).Inc()
		return err
	}
	// Whoever was told that it stands in the log finds it there at once, by the
	// same node. If this node is far behind, the officer is told all the same.
	wctx, cancel := context.WithTimeout(ctx, ownReadWait)
	defer cancel()
	n.machine.reach(wctx, t.Index+1)
	v := &desk.SubmitView{ID: st.ID, Index: t.Index, Existing: t.Existing, Time: t.Time, Sequences: t.Sequences}
	return send(&desk.Reply{Submit: v})
}

// hits puts sensor hits into the triage queue one by one; it tells how many
// were taken before one was refused, and signs that they were.
func (n *Node) hits(ctx context.Context, who *desk.Officer, r *desk.HitsRequest, send func(*desk.Reply) error) error {
	if err := n.maySign(); err != nil {
		return err
	}
	reply, view := &desk.Reply{}, &desk.HitsView{}
	reply.Hits = view
	var taken []string
	for i := range r.Hits {
		h := handedIn(who, r.Hits[i])
		if t := n.askLeader(ctx, &ask{Command: &ledger.Command{Type: ledger.Hit, Hit: &h}}); t.Code != "" {
			reply.Code, reply.Text = t.Code, t.Text
			break
		}
		taken = append(taken, h.Key)
	}
	view.Taken = uint64(len(taken))
	if len(taken) == 0 {
		return send(reply)
	}
	receipt := &hotline.HitReceipt{Party: hotline.Party(n.cfg.Party), Node: n.cfg.Node, From: who.Name, Keys: taken,
		Digest: hotline.HitsDigest(r.Hits[:len(taken)]), Time: n.now()}
	n.machine.view(func(s *ledger.State) { receipt.Convention = s.ConventionID() })
	var err error
	if view.Receipt, err = hotline.SignHitReceipt(receipt, n.keys.service); err != nil {
		return err
	}
	return send(reply)
}

// handedIn is a hit as it waits: whoever may only report is named in it, and
// gets a key that no other hit has (SPEC §12).
func handedIn(who *desk.Officer, h hotline.Hit) hotline.Hit {
	h.Reporter = ""
	if who.Has(hotline.Operator, hotline.Technician) {
		return h
	}
	h.Reporter = who.Name
	sum := sha256.Sum256([]byte("hotline/reported/1\x00" + who.Name + "\x00" + h.Key + "\x00"))
	h.Key = hex.EncodeToString(sum[:])
	return h
}
