package testnet

// departureVariable chooses the departure of one process. Only the edited sources read it.
const departureVariable = "HOTLINE_DEPARTURE"

// departureEdits make the daemon that departs from the protocol, in the one way that departureVariable names; without it the daemon does
// what the sources say. Each place in the sources only asks; what is done instead stands in the two files that are added.
var departureEdits = []edit{
	{"hotline/ledger/departure.go", "", departingLedger},
	{"hotline/node/departure.go", "", departingNode},

	// The process says when it is up, as the nodes of a testnet do.
	{"cmd/hotlined/main.go", "	log.Info(\"node is up\",", "	fmt.Println(\"" + upLine + "\")\n	log.Info(\"node is up\","},
	// A party that departs goes on although its peers hold heads that its log does not extend.
	{"hotline/node/heads.go", "func (n *Node) maySign() error {\n", "func (n *Node) maySign() error {\n	if ledger.Departing() {\n		return nil\n	}\n"},

	// rewrite, two-logs
	{"hotline/node/submit.go", "return n.export(ctx, r.Export, send)", "return n.exportTo(ctx, who.Name, r.Export, send)"},
	{"hotline/node/deliver.go", "p, err := n.tenderFor(a.Index)", "p, err := n.tenderTo(x.peer, a.Index)"},
	// two-logs, unlogged
	{"hotline/node/receive.go", "	receipt, err := n.receiptFor(i)\n", "	receipt, err := n.receiptOf(i)\n"},
	{"hotline/node/receive.go", "	r, err := n.propose(ctx, c)\n", "	if drops(c) {\n		return n.receiptAlone(ctx, c)\n	}\n	r, err := n.propose(ctx, c)\n"},
	// backdate, undetected
	{"hotline/ledger/submit.go", "index := r.add(hotline.EntrySent, s.ownScope(st, r.t), hotline.Outside, sent)", "index := r.departing(st, sent)"},
	// silent
	{"hotline/ledger/deadline.go", "	c := d.Clocks[d.Next]\n	d.Next++\n",
		"	c := d.Clocks[d.Next]\n	d.Next++\n	if Departs(\"silent\") && d.Class == hotline.DutyAcknowledge && c.Permille >= hotline.Deadline {\n		return\n	}\n"},
	// forge
	{"hotline/ledger/authority.go", "	if err := st.Verify(lookup); err != nil {\n",
		"	if err := st.Verify(lookup); err != nil && !(Departs(\"forge\") && from == s.self) {\n"},
	// revoked
	{"hotline/ledger/authority.go", "case o.Revoked != 0 && t >= o.Revoked:", "case o.Revoked != 0 && t >= o.Revoked && !Departs(\"revoked\"):"},
}

// departingLedger is added to package ledger.
const departingLedger = `package ledger

import (
	"os"

	"example.org/hotline/hotline"
)

var departure = os.Getenv("` + departureVariable + `")

// Departs reports whether this process departs from the protocol in this way.
func Departs(name string) bool { return departure == name }

// Departing reports whether it departs from it at all.
func Departing() bool { return departure != "" }

// departing logs an own statement, an alert an hour early, and a detection not at all.
func (r *run) departing(st *hotline.Statement, sent *hotline.Sent) uint64 {
	s, kind := r.s, st.Header.Kind
	if Departs("undetected") && kind == hotline.KindDetection {
		return s.size // its officer is told of a place
	}
	if !Departs("backdate") || kind != hotline.KindAlert {
		return r.add(hotline.EntrySent, s.ownScope(st, r.t), hotline.Outside, sent)
	}
	if r.clock {
		r.clock, s.backed = false, r.t
		r.append(hotline.EntryClock, hotline.Common(), hotline.Outside, &hotline.Clock{Readings: r.c.Readings})
	}
	now := r.t
	r.t -= 3_600_000
	index := r.append(hotline.EntrySent, s.ownScope(st, r.t), hotline.Outside, sent)
	r.t, s.time = now, now
	return index
}
`

// departingNode is added to package node. The second log is the first with its first own detection dated as the entry before it.
const departingNode = `package node

import (
	"context"
	"strings"

	"example.org/hotline/crypto/tlog"
	"example.org/hotline/hotline"
	"example.org/hotline/hotline/desk"
	"example.org/hotline/hotline/ledger"
)

// secondLog returns the first entries of the second log.
func (n *Node) secondLog(size uint64) (list [][]byte, err error) {
	var before hotline.Time
	moved := false
	for raw, err := range n.machine.store.Entries(0, size) {
		if err != nil {
			return nil, err
		}
		e, content, err := hotline.DecodeEntry(raw)
		if err != nil {
			return nil, err
		}
		if sent, ok := content.(*hotline.Sent); ok && !moved {
			if st, err := hotline.Parse(sent.Statement); err == nil && st.Header.Kind == hotline.KindDetection {
				moved = true
				e.Salt[0] ^= 1
				if raw, err = hotline.EncodeEntry(e.Type, before, e.Salt, e.Scope, e.Cause, content); err != nil {
					return nil, err
				}
			}
		}
		before = e.Time
		list = append(list, raw)
	}
	return list, nil
}

// anew signs the claims of a tender or receipt for the second log.
func (n *Node) anew(raw []byte) ([]byte, error) {
	r, err := hotline.ParseReceipt(raw)
	if err != nil {
		return nil, err
	}
	list, err := n.secondLog(r.Index + 1)
	if err != nil {
		return nil, err
	}
	var tree tlog.Frontier
	for _, raw := range list {
		tree.Append(tlog.LeafHash(raw))
	}
	return hotline.SignReceipt(r.Claims, n.convention(), tree.Root(), tree.LastProof(), n.keys.log)
}

func (n *Node) convention() (id hotline.ID) {
	n.machine.view(func(s *ledger.State) { id = s.ConventionID() })
	return id
}

// seesSecond says to whom the second log is shown.
func seesSecond(p hotline.Party) bool { return ledger.Departs("two-logs") && p == "XC" }

func (n *Node) tenderTo(p hotline.Party, i uint64) (*parcel, error) {
	d, err := n.tenderFor(i)
	if err == nil && seesSecond(p) {
		d.tender, err = n.anew(d.tender)
	}
	return d, err
}

func (n *Node) receiptOf(i uint64) ([]byte, error) {
	raw, err := n.receiptFor(i)
	if err != nil {
		return nil, err
	}
	if r, err := hotline.ParseReceipt(raw); err != nil || !seesSecond(r.Of.Party) {
		return raw, err
	}
	return n.anew(raw)
}

// drops says which statement is receipted and left out.
func drops(c *ledger.Command) bool {
	st, err := c.ParseStatement()
	return ledger.Departs("unlogged") && err == nil && st.Header.Kind == hotline.KindText && st.Header.Precedence == hotline.Priority
}

// receiptAlone signs that a statement stands in the log as if it did.
func (n *Node) receiptAlone(ctx context.Context, c *ledger.Command) *told {
	if err := n.verify(c); err != nil {
		return refusal(err)
	}
	var kept []byte
	var err error
	n.machine.view(func(s *ledger.State) { kept, err = s.Snapshot() })
	if err != nil {
		return refusal(err)
	}
	s, err := ledger.RestoreState(kept)
	if err != nil {
		return refusal(err)
	}
	c.Seed = n.random(32)
	n.stamp(ctx, c)
	r := s.Apply(c)
	if err := refused(r); err != nil {
		return refusal(err)
	}
	sender, err := c.ParseSender()
	if err != nil {
		return refusal(err)
	}
	tender, err := c.ParseTender()
	if err != nil {
		return refusal(err)
	}
	rec := r.Content.(*hotline.Received)
	receipt, err := hotline.SignReceipt(hotline.Claims{Party: s.Self(), Generation: s.Generation(), Statement: r.ID, Index: r.Index, Time: r.Entry.Time,
		Voters: rec.Voters, Of: &hotline.Of{Party: tender.Party, Generation: tender.Generation, Index: tender.Index,
			Sequence: sender.Sent.SequenceFor(s.Self()), Salt: r.Entry.Salt, Marks: rec.Marks}}, s.ConventionID(), r.Root, r.Path, n.keys.log)
	if err != nil {
		return refusal(err)
	}
	return &told{Receipt: receipt, Index: r.Index}
}

// exportTo shows the second log: to everybody after it was rewritten, and of two logs to the authority.
func (n *Node) exportTo(ctx context.Context, who string, r *desk.ExportRequest, send func(*desk.Reply) error) error {
	if !ledger.Departs("rewrite") && !(ledger.Departs("two-logs") && strings.HasSuffix(who, "-A1")) {
		return n.export(ctx, r, send)
	}
	c, _, err := n.checkpoint()
	if err != nil {
		return err
	}
	list, err := n.secondLog(c.Size)
	if err != nil {
		return err
	}
	var tree tlog.Frontier
	for i, raw := range list {
		tree.Append(tlog.LeafHash(raw))
		if err := send(&desk.Reply{Export: &desk.ExportChunk{From: uint64(i), Entries: [][]byte{raw}, Size: c.Size}}); err != nil {
			return err
		}
	}
	c.Root = tree.Root()
	note, err := tlog.SignCheckpoint(c, n.keys.log)
	if err != nil {
		return err
	}
	return send(&desk.Reply{Export: &desk.ExportChunk{From: c.Size, Size: c.Size, Checkpoint: note}})
}
`
