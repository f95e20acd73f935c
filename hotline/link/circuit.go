package link

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/quic-go/quic-go"

	"example.org/hotline/hotline"
)

// circuit is one connection to one node of a peer. Both sides may ask on it;
// each says hello before anything else.
type circuit struct {
	path    *path
	conn    *quic.Conn
	inbound bool
	ctx     context.Context // ends with the path, the connection, or when superseded
	stop    context.CancelCauseFunc
	work    sync.WaitGroup // streams being answered

	// Under line.mu.
	ready    bool      // our hello was accepted
	answered time.Time // last answer to our hello
	heard    time.Time // last proper hello of theirs
}

func newCircuit(t *path, conn *quic.Conn, inbound bool) *circuit {
	c := &circuit{path: t, conn: conn, inbound: inbound}
	c.ctx, c.stop = context.WithCancelCause(t.ctx)
	return c
}

// run keeps the circuit until the connection ends or is closed, and returns
// when all its goroutines have ended. The error says why it ended.
func (c *circuit) run() error {
	gone := context.AfterFunc(c.conn.Context(), func() { c.stop(nil) })
	defer gone()
	c.path.attach(c)
	c.work.Go(c.serve)
	err := c.greetLoop()
	if ended := context.Cause(c.conn.Context()); ended != nil {
		err = explain(ended)
	}
	c.stop(&closing{CloseRefused})
	closeWith(c.conn, codeOf(context.Cause(c.ctx)))
	c.work.Wait()
	c.path.settle(c, false)
	return err
}

// greetLoop says hello at once and again every HelloInterval until the circuit
// ends. The first must be accepted; a later one may stay without an answer or
// be put off, which shows as StateSilent, but must not be refused.
func (c *circuit) greetLoop() error {
	greeted := false
	l := c.path.peer.line
	for c.ctx.Err() == nil {
		a, roundTrip, err := c.greet()
		var refused *hotline.Refusal
		if err != nil && (!greeted || errors.As(err, &refused)) {
			return err
		}
		if err == nil {
			greeted = true
			c.path.settle(c, true)
			if l.cfg.Greeted != nil {
				l.cfg.Greeted(c.path.peer.party, c.path.node.Name, a, roundTrip)
			}
		}
		sleep(c.ctx, HelloInterval)
	}
	return context.Cause(c.ctx)
}

// greet says hello once, and returns how long the peer took to answer. A Refusal
// means that the peer, or our own node, does not want it; any other error, that
// it is not known.
func (c *circuit) greet() (a *Answer, roundTrip time.Duration, err error) {
	p := c.path.peer
	l := p.line
	h := l.cfg.Host.Greeting(c.ctx, p.party)
	if h == nil {
		return nil, 0, hotline.Refuse(hotline.CodeInternal, "nothing to greet %s with", p.party)
	}
	own := *h
	own.Party, own.Node = l.cfg.Party, l.cfg.Node
	frame, err := EncodeQuestion(&Question{Hello: &own})
	if err != nil {
		return nil, 0, err
	}
	begun := time.Now()
	a, err = exchange(c.ctx, c.conn, frame, true)
	switch {
	case errors.Is(err, ErrAnswer):
		l.cfg.Host.Count(EventBadAnswer, p.party)
		fallthrough
	case err != nil:
		return nil, 0, fmt.Errorf("hello to %s: %w", c.path.node.Name, err)
	case OutcomeOf(a, nil) == Busy:
		return nil, 0, fmt.Errorf("hello to %s: put off with %s", c.path.node.Name, a.Code)
	case a.Code != "":
		return nil, 0, fmt.Errorf("hello to %s: %w", c.path.node.Name, hotline.Refuse(a.Code, "%s", a.Text))
	}
	now := time.Now()
	l.mu.Lock()
	c.answered = now
	l.mu.Unlock()
	return a, now.Sub(begun), nil
}

// serve answers the peer's streams until the circuit ends. It leaves streams
// unaccepted while the peer has too many at work or has spent its bucket: QUIC
// then holds the peer back, and nobody else.
func (c *circuit) serve() {
	p := c.path.peer
	if !c.awaitHello() {
		return
	}
	for {
		p.pause(c.ctx)
		select {
		case p.reading <- struct{}{}:
		case <-c.ctx.Done():
			return
		}
		s, err := c.conn.AcceptStream(c.ctx)
		if err != nil {
			<-p.reading
			return
		}
		p.arrive()
		c.work.Go(func() {
			defer func() { <-p.reading }()
			hotline.Deep()
			c.answer(s)
		})
	}
}

// awaitHello reads streams one after another until one is an accepted hello.
// Anything else, or nothing within hotline.LinkExchange, closes the connection.
func (c *circuit) awaitHello() bool {
	until := time.Now().Add(hotline.LinkExchange)
	ctx, cancel := context.WithDeadline(c.ctx, until)
	defer cancel()
	for {
		s, err := c.conn.AcceptStream(ctx)
		if err != nil {
			if c.ctx.Err() == nil {
				c.reject(CloseNoHello)
			}
			return false
		}
		c.path.peer.arrive()
		q, err := c.read(s, until)
		charged := c.path.peer.charge(true)
		switch {
		case hotline.CodeOf(err) == hotline.CodeVersion:
			c.reject(CloseVersion)
			return false
		case err != nil || q.Hello == nil:
			c.reject(CloseNoHello)
			return false
		case !charged:
			c.count(EventFlooded)
			c.reject(CloseNoHello)
			return false
		}
		a := c.hello(q.Hello)
		c.reply(s, true, a)
		if a.Code == "" {
			return true
		}
	}
}

func (c *circuit) reject(code quic.ApplicationErrorCode) {
	c.count(EventNoHello)
	c.stop(&closing{code})
}

func (c *circuit) count(event string) {
	c.path.peer.line.cfg.Host.Count(event, c.path.peer.party)
}

// answer runs one stream of the peer. Whatever is wrong with it ends this
// stream only.
func (c *circuit) answer(s *quic.Stream) {
	q, err := c.read(s, time.Now().Add(hotline.LinkExchange))
	// A hello draws on the reserve too: a backlog must not look like silence.
	urgent := q != nil && (q.Flash || q.Hello != nil)
	charged := c.path.peer.charge(urgent)
	var a *Answer
	switch {
	case errors.Is(err, errUnread):
		s.CancelWrite(StreamAborted)
		return
	case !charged:
		c.count(EventFlooded)
		a = &Answer{Code: hotline.CodeBusy, Text: "rate of this link exceeded"}
	case err != nil:
		a = refusalOf(err)
	default:
		a = c.ask(s.Context(), q)
	}
	c.reply(s, urgent, a)
}

// read reads and decodes one question, and counts what is wrong with it.
func (c *circuit) read(s *quic.Stream, until time.Time) (*Question, error) {
	// An error only says that the connection is gone, which reading finds too.
	_ = s.SetDeadline(until)
	frame, err := readFrame(s)
	var q *Question
	if err == nil {
		q, err = DecodeQuestion(frame)
	}
	switch {
	case err == nil:
	case errors.Is(err, errUnread):
		c.count(EventUnread)
	case hotline.CodeOf(err) == hotline.CodeTooLarge:
		c.count(EventTooLarge)
	case hotline.CodeOf(err) == hotline.CodeVersion:
		c.count(EventVersion)
	default:
		c.count(EventMalformed)
	}
	return q, err
}

// ask hands a question to the host. asking ends when the peer no longer waits
// for the answer.
func (c *circuit) ask(asking context.Context, q *Question) *Answer {
	if q.Hello != nil {
		return c.hello(q.Hello)
	}
	p := c.path.peer
	if !p.admit(q.Flash) {
		c.count(EventCrowded)
		return &Answer{Code: hotline.CodeBusy, Text: "too many deliveries of this link at work"}
	}
	defer p.release(q.Flash)
	ctx, cancel := context.WithTimeout(c.ctx, hotline.LinkExchange)
	defer cancel()
	defer context.AfterFunc(asking, cancel)()
	cfg := &p.line.cfg
	switch {
	case q.Deliver != nil:
		return cfg.Host.Deliver(ctx, p.party, c.path.node.Name, q.Deliver)
	case len(q.Document) != 0:
		return cfg.Host.Document(ctx, p.party, q.Document)
	case cfg.Witness != nil:
		return cfg.Witness.Checkpoint(ctx, p.party, q.Checkpoint)
	}
	return &Answer{Code: hotline.CodeDenied, Text: "this node witnesses nothing"}
}

// hello checks that the peer names itself as its connection does, and asks the
// host.
func (c *circuit) hello(h *Hello) *Answer {
	t := c.path
	if h.Party != t.peer.party || h.Node != t.node.Name {
		return &Answer{Code: hotline.CodeDenied, Text: "hello names another node than the connection's key"}
	}
	l := t.peer.line
	a := l.cfg.Host.Hello(t.peer.party, t.node.Name, h)
	if a == nil {
		a = &Answer{Code: hotline.CodeInternal}
	}
	if a.Code == "" {
		l.mu.Lock()
		c.heard = time.Now()
		l.mu.Unlock()
	}
	return a
}

// reply sends an answer with our clock. An answer that breaks a bound is a
// fault of this node, and is logged; the peer gets CodeInternal.
func (c *circuit) reply(s *quic.Stream, urgent bool, a *Answer) {
	out := Answer{Code: hotline.CodeInternal}
	if a != nil {
		out = *a
	}
	if out.Time == 0 {
		out.Time = wallClock()
	}
	frame, err := EncodeAnswer(&out)
	if err != nil {
		c.path.peer.line.log.Error("own answer breaks a bound", "peer", c.path.peer.party, "err", err)
		frame = internalAnswer
	}
	setPriority(s, urgent)
	// Errors say that the peer or the connection is gone: it will ask again.
	_ = s.SetWriteDeadline(time.Now().Add(hotline.LinkExchange))
	_ = writeFrame(s, frame)
}

// internalAnswer is the frame of an answer that cannot be built.
var internalAnswer = mustAnswer(&Answer{Code: hotline.CodeInternal})

func mustAnswer(a *Answer) []byte {
	frame, err := EncodeAnswer(a)
	if err != nil {
		panic("link: cannot encode own answer: " + err.Error())
	}
	return frame
}

func refusalOf(err error) *Answer {
	var r *hotline.Refusal
	if errors.As(err, &r) {
		return &Answer{Code: r.Code, Text: r.Text}
	}
	return &Answer{Code: hotline.CodeInternal}
}
