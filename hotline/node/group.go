package node

import (
	"context"
	"errors"
	"slices"
	"time"

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

// askLeader hands an ask to the leader, wherever it is.
func (n *Node) askLeader(ctx context.Context, a *ask) *told {
	b, err := hotline.Marshal(a)
	if err != nil {
		return refusal(err)
	}
	answer, err := n.member.Ask(ctx, b)
	return n.heard(answer, err)
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
		return &told{Code: hotline.CodeInternal, Text: "answer of the own group cannot be read: " + err.Error()}
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

// serveGroup answers a member of the own group.
func (n *Node) serveGroup(ctx context.Context, _ string, request []byte) []byte {
	a := new(ask)
	var t *told
	if err := hotline.Unmarshal(request, a, maxAsk); err != nil {
		t = refusal(err)
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
	switch {
	case a.Command != nil:
		return n.lead(ctx, a.Command)
	case a.Deliver != nil:
		return n.receive(ctx, a.From, a.Deliver)
	case len(a.Clock) > 0:
		return &told{Nonce: a.Clock, Time: n.now()}
	case a.History != nil:
		return n.history(a.History)
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
	if c.Type == ledger.Submit && r.Code == "" {
		n.whereItStands(t)
	}
	return t
}

// history returns entries for a node that must fetch them, as many as fit.
func (n *Node) history(s *span) *told {
	t := &told{}
	size := 0
	for raw, err := range n.machine.store.Entries(s.From, min(s.To, n.machine.store.Size())) {
		if err != nil {
			return refusal(hotline.Refuse(hotline.CodeInternal, "%v", err))
		}
		if size += len(raw) + 16; size > hotline.HistoryChunk {
			break
		}
		t.Entries = append(t.Entries, raw)
		if len(t.Entries) == hotline.MaxArrayItems {
			break
		}
	}
	return t
}

// fetchHistory runs until the files are complete: it asks the other members
// for what is missing, in turn, and stops the process if what they give does
// not have the root that the group agreed on.
func (n *Node) fetchHistory(ctx context.Context) {
	for ctx.Err() == nil {
		from, to, behind := n.machine.missing()
		if !behind {
			break
		}
		if !n.fetchSome(ctx, from, to) {
			select {
			case <-time.After(fetchPause):
			case <-ctx.Done():
			}
		}
	}
	if ctx.Err() == nil {
		if err := n.machine.catchUpIndex(); err != nil {
			n.fatal(err)
		}
	}
}

const fetchPause = 200 * time.Millisecond

func (n *Node) fetchSome(ctx context.Context, from, to uint64) bool {
	members, err := n.member.Members()
	if err != nil {
		return false
	}
	for _, m := range members {
		if m.ID == n.cfg.Node {
			continue
		}
		cctx, cancel := context.WithTimeout(ctx, hotline.GroupExchange)
		t := n.askNode(cctx, m.ID, &ask{History: &span{From: from, To: to}})
		cancel()
		if t.Code != "" || len(t.Entries) == 0 {
			continue
		}
		if err := n.machine.fill(from, t.Entries); err != nil {
			n.fatal(err) // the process must stop: its files and its group disagree
			return false
		}
		return true
	}
	return false
}

// readings asks every voter for its clock. What did not come back within the
// bound, or not with its nonce, is not counted; the time read is placed at the
// middle of the round trip.
func (n *Node) readings(ctx context.Context, voters []string) []hotline.Reading {
	ctx, cancel := context.WithTimeout(ctx, clockWait)
	defer cancel()
	type answer struct {
		r  hotline.Reading
		ok bool
	}
	answers := make(chan answer, len(voters))
	for _, v := range voters {
		go func() { // ends with ctx at the latest; the channel has room for all
			nonce := n.random(16)
			sent := n.now()
			t := n.askNode(ctx, v, &ask{Clock: nonce})
			back := n.now()
			ok := t.Code == "" && slices.Equal(t.Nonce, nonce) && back-sent < hotline.Time(clockWait.Milliseconds())
			answers <- answer{hotline.Reading{Node: v, Time: t.Time + (back-sent)/2}, ok}
		}()
	}
	var list []hotline.Reading
	for range voters {
		if a := <-answers; a.ok {
			list = append(list, a.r)
		}
		if len(list) > len(voters)/2 && len(list) == len(voters) {
			break
		}
	}
	slices.SortFunc(list, func(a, b hotline.Reading) int {
		if a.Node < b.Node {
			return -1
		}
		return 1
	})
	return list
}

// clockWait bounds the reading of clocks: longer than this a reading says
// nothing within the skew bound.
const clockWait = time.Second

// propose is the one way by which this node changes the ledger. It verifies
// what it proposes, stamps it with the leader's time, and adds the readings of
// a majority when committed time must step.
func (n *Node) propose(ctx context.Context, c *ledger.Command) (*ledger.Result, error) {
	if err := n.verify(c); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, hotline.GroupExchange)
	defer cancel()
	c.Seed = n.random(32)
	c.Readings = nil
	var voters []string
	n.machine.view(func(s *ledger.State) {
		if s.NeedsReadings(n.now()) {
			voters = s.Voters()
		}
	})
	if len(voters) > 0 {
		c.Readings = n.readings(ctx, voters)
	}
	c.Time = n.now()
	b, err := hotline.Marshal(c)
	if err != nil {
		return nil, err
	}
	result, err := n.member.Propose(ctx, b)
	if err != nil {
		return nil, outcome(err)
	}
	r := result.(*ledger.Result)
	if len(voters) > 0 && r.Time < c.Time && len(r.Entries) > 0 {
		n.log.Error("time is not proven: no majority of the group's clocks backs this node's", "node_time", c.Time, "committed", r.Time)
		n.metrics.unproven.Inc()
	}
	return r, nil
}

func (n *Node) verify(c *ledger.Command) (err error) {
	n.machine.view(func(s *ledger.State) { err = s.Verify(c, n.machine.entry) })
	return err
}

// whereItStands adds time and sequences of an accepted own statement, read from
// its entry: the same answer however often it is asked.
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
