package node

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/ledger"
	"example.org/hotline/hotline/link"
)

// Step 5 and 7 of a notification, on the sending side: the leader offers each
// statement to its addressee until the receipt is committed. What to send
// when, and by which path, link.Outbox decides; this file does it.

// senders holds one sender per peer for as long as this node leads.
type senders struct {
	n      *Node
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	full atomic.Bool // an outbox had no place for a statement: it is taken up with the asks

	mu     sync.Mutex
	closed bool
	all    map[hotline.Party]*sender
}

type sender struct {
	s    *senders
	peer hotline.Party
	wake chan struct{}
	news chan struct{} // documents may have to be offered

	mu      sync.Mutex
	outbox  *link.Outbox
	feeding bool // documents that the peer needs are being sent
	fed     time.Time

	taken map[[32]byte]bool // documents that the peer has taken in this term; of offerDocuments alone
}

func newSenders(n *Node) *senders {
	s := &senders{n: n, all: map[hotline.Party]*sender{}}
	s.ctx, s.cancel = context.WithCancel(n.ctx)
	n.senders.Store(s)
	return s
}

// stop ends every sender and waits for them.
func (s *senders) stop() {
	s.n.senders.Store(nil)
	s.mu.Lock() // so that nobody joins behind the wait
	s.closed = true
	s.mu.Unlock()
	s.cancel()
	s.wg.Wait()
}

// to returns the sender to a peer; nil when the term is over.
func (s *senders) to(p hotline.Party) *sender {
	terms, paths := s.n.linkTerms(p)
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.all[p]
	if x != nil || s.closed {
		return x
	}
	x = &sender{s: s, peer: p, wake: make(chan struct{}, 1), news: make(chan struct{}, 1),
		outbox: link.NewOutbox(terms, paths), taken: map[[32]byte]bool{}}
	s.all[p] = x
	s.wg.Go(x.run)
	s.wg.Go(x.offerDocuments)
	return x
}

func (n *Node) linkTerms(p hotline.Party) (t hotline.Terms, paths int) {
	n.machine.view(func(s *ledger.State) {
		if c := s.Convention(n.now()); c != nil {
			t = c.Terms
		}
		if d := s.Directory(p); d != nil {
			paths = len(d.Nodes)
		}
	})
	return t, max(paths, 1)
}

func (s *senders) add(e *ledger.Effect) {
	x := s.to(e.Peer)
	if x == nil {
		return
	}
	item := link.Item{Sequence: e.Sequence, ID: e.ID, Precedence: e.Precedence, Index: e.Index}
	if e.Kind == hotline.KindLineTest {
		item.Turn = s.n.lineTurn(e.Time)
	}
	x.mu.Lock()
	err := x.outbox.Add(item)
	x.mu.Unlock()
	if err != nil {
		s.full.Store(true)
		s.n.log.Warn("outbox is full; the ledger keeps the statement", "peer", e.Peer, "id", e.ID.Short())
	}
	x.launch()
	x.poke() // its next wait may be another
}

func (s *senders) settle(e *ledger.Effect) {
	if x := s.to(e.Peer); x != nil {
		x.mu.Lock()
		x.outbox.Settle(e.ID)
		x.mu.Unlock()
		x.poke()
	}
}

// published follows new terms and paths, and offers new documents to everybody.
func (s *senders) published() {
	for _, p := range s.n.roster.get().peers {
		x := s.to(p.Party)
		if x == nil {
			continue
		}
		terms, paths := s.n.linkTerms(p.Party)
		x.mu.Lock()
		x.outbox.Configure(terms, paths)
		x.mu.Unlock()
		x.poke()
		x.tell()
	}
}

// tell has documents offered again.
func (x *sender) tell() {
	select {
	case x.news <- struct{}{}:
	default:
	}
}

func (x *sender) poke() {
	select {
	case x.wake <- struct{}{}:
	default:
	}
}

func (x *sender) run() {
	n := x.s.n
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		x.launch()
		now := n.now()
		x.mu.Lock()
		at, ok := x.outbox.Wake(now)
		x.mu.Unlock()
		wait := idleWait
		if ok {
			wait = min(max(time.Duration(at-n.now())*time.Millisecond, time.Millisecond), idleWait)
		}
		timer.Reset(wait)
		select {
		case <-x.s.ctx.Done():
			return
		case <-x.wake:
		case <-timer.C:
		}
	}
}

// launch makes the attempts that are due. It is called while the term lasts: by
// run, and by whoever adds a statement, which so need not wait for run.
func (x *sender) launch() {
	x.mu.Lock()
	list := x.outbox.Next(x.s.n.now())
	x.mu.Unlock()
	for _, a := range list {
		x.s.wg.Go(func() { hotline.Deep(); x.attempt(a) }) // as many as the outbox has places in flight
	}
}

// attempt offers one statement by one path.
func (x *sender) attempt(a link.Attempt) {
	n := x.s.n
	out, leader := x.offer(a)
	x.tested(a, out)
	x.mu.Lock()
	x.outbox.Answered(a, out, n.now())
	if leader != "" {
		x.outbox.Prefer(n.pathOf(x.peer, leader), n.now())
	}
	x.mu.Unlock()
	x.poke()
}

// offer returns what came of an attempt, and which of its nodes the peer says
// that leads.
func (x *sender) offer(a link.Attempt) (out link.Outcome, leader string) {
	n := x.s.n
	p, err := n.tenderFor(a.Index)
	if err != nil {
		n.log.Error("cannot tender an own statement", "entry", a.Index, "why", err)
		return link.Failed, ""
	}
	q := &link.Question{Deliver: &link.Delivery{Statement: p.statement, Sender: p.sender, Tender: p.tender}}
	answer, err := n.line.Ask(x.s.ctx, x.peer, a.Path, a.Precedence == hotline.Flash, q)
	out = link.OutcomeOf(answer, err)
	if answer != nil {
		leader = answer.Leader
	}
	switch out {
	case link.Receipted:
		return x.receipted(a, p, answer.Receipt), leader
	case link.Needed:
		if !x.feed(x.s.ctx, a.Path, answer.Need) {
			out = link.Busy // again when the documents have arrived
		}
	case link.Refused:
		n.log.Warn("peer refuses a statement", "peer", x.peer, "id", a.ID.Short(), "code", answer.Code, "why", answer.Text)
	}
	n.metrics.attempts.WithLabelValues(string(x.peer), outcomeName(out)).Inc()
	return out, leader
}

// tested notes which of the peer's nodes took a line test, or did not.
func (x *sender) tested(a link.Attempt, out link.Outcome) {
	if a.Turn == 0 {
		return
	}
	n := x.s.n
	name := n.nodeAt(x.peer, a.Path)
	n.metrics.lineTests.WithLabelValues(string(x.peer), name, outcomeName(out)).Inc()
	n.lines.tested(x.peer, name, out == link.Receipted, n.now())
}

// receipted verifies a receipt and commits it; a receipt that does not prove
// what was sent is as good as none.
func (x *sender) receipted(a link.Attempt, p *parcel, receipt []byte) link.Outcome {
	n := x.s.n
	r, err := n.propose(x.s.ctx, &ledger.Command{Type: ledger.Receipt, Receipt: receipt, Tender: p.tender})
	switch {
	case err != nil:
		if transient(err) {
			return link.Busy
		}
		n.log.Error("peer answered with a receipt that proves nothing", "peer", x.peer, "id", a.ID.Short(), "why", err)
		n.metrics.refused.WithLabelValues(string(x.peer), string(hotline.CodeOf(err))).Inc()
		return link.Refused
	case r.Code == hotline.CodeDuplicate:
		x.mu.Lock()
		x.outbox.Settle(a.ID)
		x.mu.Unlock()
	case r.Code != "":
		n.log.Error("receipt does not fit", "peer", x.peer, "id", a.ID.Short(), "code", r.Code, "why", r.Text)
		return link.Refused
	}
	n.metrics.attempts.WithLabelValues(string(x.peer), "receipted").Inc()
	return link.Receipted
}

func outcomeName(o link.Outcome) string {
	names := map[link.Outcome]string{link.Failed: "failed", link.Receipted: "receipted",
		link.Needed: "need", link.Busy: "busy", link.Refused: "refused"}
	return names[o]
}

// pathChanged tells the peer's sender that a path came or went.
func (n *Node) pathChanged(to hotline.Party, path int, up bool) {
	s := n.senders.Load()
	if s == nil {
		return
	}
	x := s.to(to)
	if x == nil {
		return
	}
	x.mu.Lock()
	if up {
		x.outbox.PathOpened(path, n.now())
	} else {
		x.outbox.PathFailed(path, n.now())
	}
	x.mu.Unlock()
	x.poke()
	if up {
		x.tell()
	}
}
