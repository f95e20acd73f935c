package node

import (
	"context"
	"errors"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/ledger"
	"example.org/hotline/hotline/link"
	"example.org/hotline/hotline/replica"
)

// ask is a request between nodes of the own group, which trust each other.
// Whoever stands at the edge (an officer's desk, a peer's stream) hands the
// matter to the leader, who alone proposes. Exactly one field is set.
type ask struct {
	Command *ledger.Command `cbor:"1,keyasint,omitempty"` // without time, seed and readings: the leader adds them
	Deliver *link.Delivery  `cbor:"2,keyasint,omitempty"`
	From    hotline.Party   `cbor:"3,keyasint,omitempty"` // of Deliver: the peer whose line it came by
	Clock   []byte          `cbor:"4,keyasint,omitempty"` // nonce
	History *span           `cbor:"5,keyasint,omitempty"`

	Cosigned bool `cbor:"6,keyasint,omitempty"` // the newest cosigned checkpoint of the own log
	Size     bool `cbor:"7,keyasint,omitempty"` // how many entries the group has written down, by the leader's state

	parsed *ledger.Command // of Deliver, with what is parsed of it; on this node alone
}

type span struct {
	From uint64 `cbor:"1,keyasint"`
	To   uint64 `cbor:"2,keyasint"`
}

// told answers an ask.
type told struct {
	Code           hotline.Code       `cbor:"1,keyasint,omitempty"`
	Text           string             `cbor:"2,keyasint,omitempty"`
	Index          uint64             `cbor:"3,keyasint,omitempty"`
	Existing       bool               `cbor:"4,keyasint,omitempty"`
	Receipt        []byte             `cbor:"5,keyasint,omitempty"`
	NeedDirectory  uint64             `cbor:"6,keyasint,omitempty"`
	NeedConvention uint64             `cbor:"7,keyasint,omitempty"`
	Nonce          []byte             `cbor:"8,keyasint,omitempty"`
	Time           hotline.Time       `cbor:"9,keyasint,omitempty"`
	Entries        [][]byte           `cbor:"10,keyasint,omitempty"`
	Placed         bool               `cbor:"11,keyasint,omitempty"`
	Sequences      []hotline.Sequence `cbor:"12,keyasint,omitempty"`
	Cosigned       []byte             `cbor:"13,keyasint,omitempty"`
}

// maxAsk and maxTold bound messages inside the group, in bytes.
const (
	maxAsk  = replica.MaxRequest
	maxTold = replica.MaxResponse
)

func refusal(err error) *told {
	var r *hotline.Refusal
	if errors.As(err, &r) {
		return &told{Code: r.Code, Text: r.Text}
	}
	return &told{Code: hotline.CodeOf(err), Text: err.Error()}
}

// err turns an answer back into an error, or nil.
func (t *told) err() error {
	if t.Code == "" {
		return nil
	}
	return &hotline.Refusal{Code: t.Code, Text: t.Text}
}

// askLeader hands an ask to the leader, wherever it is. What may be asked twice
// is asked of the next leader as well when this one gave no answer: whoever waits
// shall not have to ask again because a leader died.
func (n *Node) askLeader(ctx context.Context, a *ask) *told {
	var t *told
	if err := n.member.Here(ctx, func(ctx context.Context) { t = n.answerGroup(ctx, a) }); err == nil && t.Code != hotline.CodeNotLeader {
		return t
	}
	b, err := hotline.Marshal(a)
	if err != nil {
		return refusal(err)
	}
	for try := 1; ; try++ {
		answer, err := n.member.Ask(ctx, b)
		t := n.heard(answer, err)
		if t.Code != hotline.CodeUnknown || !a.repeatable() || try == leaderTries || ctx.Err() != nil {
			return t
		}
	}
}

// leaderTries is how many leaders one request is put to: one that dies, and its successor.
const leaderTries = 2

// repeatable reports whether asking twice gives what asking once does: a statement
// is known by its id.
func (a *ask) repeatable() bool {
	return a.Deliver != nil || a.Command != nil && a.Command.Type == ledger.Submit
}

func (n *Node) askNode(ctx context.Context, name string, a *ask) *told {
	b, err := hotline.Marshal(a)
	if err != nil {
		return refusal(err)
	}
	answer, err := n.member.AskMember(ctx, name, b)
	return n.heard(answer, err)
}

func (n *Node) heard(answer []byte, err error) *told {
	if err != nil {
		return refusal(outcome(err))
	}
	t := new(told)
	if err := hotline.Unmarshal(answer, t, maxTold); err != nil {
		// It was served: what became of it is not known.
		n.log.Error("answer of the own group cannot be read", "why", err)
		return refusal(outcome(replica.ErrUnknown))
	}
	return t
}

// outcome maps an error of the group to a code. An unknown outcome is never a
// refusal: whoever hears it asks again with the same id.
func outcome(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, replica.ErrUnknown):
		return hotline.Refuse(hotline.CodeUnknown, "it is not known whether this was done; ask again with the same id")
	case errors.Is(err, replica.ErrBusy):
		return hotline.Refuse(hotline.CodeBusy, "too much is under way; try again")
	case errors.Is(err, replica.ErrNotLeader), errors.Is(err, replica.ErrNoLeader), errors.Is(err, replica.ErrUnreachable),
		errors.Is(err, replica.ErrStopped), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return hotline.Refuse(hotline.CodeNotLeader, "the group has no leader at present; try again")
	}
	return err
}

// transient says that the same command may do better later: nothing was done,
// or it is not known.
func transient(err error) bool {
	switch hotline.CodeOf(err) {
	case hotline.CodeUnknown, hotline.CodeNotLeader, hotline.CodeBusy, hotline.CodeBehind:
		return true
	}
	return false
}

// refused turns a result into an error, or nil.
func refused(r *ledger.Result) error {
	if r.Code == "" {
		return nil
	}
	return &hotline.Refusal{Code: r.Code, Text: r.Text}
}

// serveGroup answers a member of the own group.
func (n *Node) serveGroup(ctx context.Context, _ string, request []byte) []byte {
	a := new(ask)
	var t *told
	if err := hotline.Unmarshal(request, a, maxAsk); err != nil {
		t = refusal(err)
	} else if !n.awaitReady(ctx) {
		t = refusal(outcome(replica.ErrStopped)) // nothing was done
	} else {
		t = n.answerGroup(ctx, a)
	}
	b, err := hotline.Marshal(t)
	if err != nil {
		b = hotline.MustMarshal(&told{Code: hotline.CodeInternal, Text: err.Error()})
	}
	return b
}

func (n *Node) answerGroup(ctx context.Context, a *ask) *told {
	if a.Command != nil || a.Deliver != nil {
		if err := n.maySign(); err != nil {
			return refusal(err)
		}
		if !n.office.await(ctx) {
			return refusal(outcome(replica.ErrNoLeader)) // nothing was done
		}
	}
	switch {
	case a.Command != nil:
		return n.lead(ctx, a.Command)
	case a.Deliver != nil:
		c := a.parsed
		if c == nil {
			c = received(a.Deliver)
		}
		return n.receive(ctx, a.From, c)
	case len(a.Clock) > 0:
		return &told{Nonce: a.Clock, Time: n.now()}
	case a.History != nil:
		return n.history(a.History)
	case a.Cosigned:
		return &told{Cosigned: n.gathered.newest()}
	case a.Size:
		if !n.whole.await(ctx) {
			return refusal(outcome(replica.ErrNoLeader))
		}
		t := &told{}
		n.machine.view(func(s *ledger.State) { t.Index = s.Size() })
		return t
	}
	return &told{Code: hotline.CodeMalformed, Text: "an empty request"}
}

// lead verifies, times and proposes a command on the leader.
func (n *Node) lead(ctx context.Context, c *ledger.Command) *told {
	r, err := n.propose(ctx, c)
	if err != nil {
		return refusal(err)
	}
	t := &told{Code: r.Code, Text: r.Text, Index: r.Index, Existing: r.Existing, Placed: r.Placed,
		NeedDirectory: r.NeedDirectory, NeedConvention: r.NeedConvention, Time: r.Time}
	if sent, ok := r.Content.(*hotline.Sent); ok {
		t.Sequences = sent.Sequences
	}
	if r.Existing {
		n.whereItStands(t)
	}
	return t
}

// propose is the one way by which this node changes the ledger. It verifies
// what it proposes, stamps it with the leader's time, and adds the readings of
// a majority when committed time must step.
func (n *Node) propose(ctx context.Context, c *ledger.Command) (*ledger.Result, error) {
	if err := n.maySign(); err != nil {
		return nil, err
	}
	if err := n.verify(c); err != nil {
		return nil, err
	}
	c.Anchor = nil // whoever else put one there did not lead
	if c.Type == ledger.Submit {
		c.Anchor = n.anchor()
	}
	ctx, cancel := context.WithTimeout(ctx, hotline.GroupExchange)
	defer cancel()
	c.Seed = n.random(32)
	n.stamp(ctx, c)
	b, err := hotline.Marshal(c)
	if err != nil {
		return nil, err
	}
	// What is committed must be readable for every node, for ever: a command that
	// is not would stop them all.
	same, err := ledger.DecodeCommand(b)
	if err != nil {
		return nil, err
	}
	same.TakeParts(c)
	defer n.machine.proposals.expect(b, same)()
	result, err := n.member.Propose(ctx, b)
	if err != nil {
		return nil, outcome(err)
	}
	r := result.(*ledger.Result)
	n.judgeClock(c, r)
	return r, nil
}

// verify refuses what would not be accepted anyway before it costs the group a
// commit. Documents prove themselves, so Apply verifies them too.
func (n *Node) verify(c *ledger.Command) error {
	if c.Type != ledger.Document {
		return n.machine.judgement().Verify(c, n.machine.own) // Apply goes on meanwhile
	}
	return n.machine.checkDocument(c.Document, n.now())
}

// whereItStands adds time and sequences of an own statement that stood in the log
// before, read from its entry: the same answer however often it is asked.
func (n *Node) whereItStands(t *told) {
	raw, err := n.machine.entry(t.Index)
	if err != nil {
		return // the files are behind on this node; the place alone is told
	}
	if e, content, err := hotline.DecodeEntry(raw); err == nil {
		if sent, ok := content.(*hotline.Sent); ok {
			t.Time, t.Sequences = e.Time, sent.Sequences
		}
	}
}
