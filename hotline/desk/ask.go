package desk

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/quic-go/quic-go"

	"example.org/hotline/hotline"
)

// errSent marks a failure after the whole request was handed to a node: what
// became of it is not known.
var errSent = errors.New("the request was sent")

// Do asks for something with one reply, within hotline.DeskExchange and ctx. A
// node that fails is left for the next one, and a group without a leader is
// asked again, as long as asking twice does no harm: a submitted statement, a
// draft and a hit are known by their ids.
//
// If a node refuses, the reply is returned together with a *hotline.Refusal
// that carries its code. If nothing was reached, the error wraps
// ErrUnreachable. If something may have been done and no answer came, it is a
// Refusal of CodeUnknown: ask again with the same id.
func (c *Client) Do(ctx context.Context, req *Request) (*Reply, error) {
	ctx, cancel := context.WithTimeout(ctx, hotline.DeskExchange)
	defer cancel()
	var failed *quic.Conn
	var sent bool
	for {
		reply, conn, err := c.once(ctx, req, failed)
		sent = sent || errors.Is(err, errSent) || errors.Is(err, ErrAnswer)
		again := repeatable(req) || !errors.Is(err, errSent)
		if err == nil {
			code := reply.Code
			if code == "" {
				return reply, nil
			}
			again = code == hotline.CodeNotLeader || (code == hotline.CodeUnknown && repeatable(req))
			sent = sent || code == hotline.CodeUnknown
			err = &hotline.Refusal{Code: code, Text: reply.Text}
		}
		if !again || final(err) || !pause(ctx) {
			return reply, outcome(req, err, sent)
		}
		failed = conn
	}
}

// pause waits before the next try; false: there is none.
func pause(ctx context.Context) bool {
	timer := time.NewTimer(hotline.DeskRetry)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// final reports whether trying again cannot help.
func final(err error) bool {
	code := hotline.CodeOf(err)
	return errors.Is(err, ErrAnswer) || errors.Is(err, ErrUnreachable) || errors.Is(err, context.Canceled) ||
		code == hotline.CodeDenied || code == hotline.CodeTooLarge
}

// outcome is what the caller is told after the last try.
func outcome(req *Request, err error, sent bool) error {
	if Decided(err) {
		return err
	}
	if sent && changes(req) {
		return hotline.Refuse(hotline.CodeUnknown, "%s", oneLine(err))
	}
	var refused *hotline.Refusal
	if errors.As(err, &refused) || errors.Is(err, ErrUnreachable) || errors.Is(err, ErrAnswer) {
		return err
	}
	return fmt.Errorf("%w: %s", ErrUnreachable, oneLine(err))
}

// Decided reports whether an error is a refusal by what the ledger says: then what
// is refused has not been done, and was not done by an earlier try either. Other
// refusals are those of a node or of a moment.
func Decided(err error) bool {
	var r *hotline.Refusal
	if !errors.As(err, &r) {
		return false
	}
	switch r.Code {
	case hotline.CodeUnknown, hotline.CodeNotLeader, hotline.CodeBusy, hotline.CodeBehind, hotline.CodeInternal, hotline.CodeDenied:
		return false
	}
	return true
}

// changes reports whether the request changes anything.
func changes(r *Request) bool {
	return r.Publish != nil || r.Submit != nil || r.Draft != nil || r.Hits != nil || r.Dismiss != nil
}

// repeatable reports whether asking twice gives what asking once does.
func repeatable(r *Request) bool { return r.Publish == nil && r.Dismiss == nil }

// once asks one node once and reads one reply.
func (c *Client) once(ctx context.Context, req *Request, failed *quic.Conn) (*Reply, *quic.Conn, error) {
	conn, name, err := c.connect(ctx, failed)
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, attempt)
	defer cancel()
	var reply *Reply
	err = ask(ctx, conn, req, func(r *Reply) error {
		if reply != nil {
			return fmt.Errorf("%w: a second reply where one belongs", ErrAnswer)
		}
		reply = r
		return nil
	})
	if err == nil && reply == nil {
		err = fmt.Errorf("%w: none came", ErrAnswer)
	}
	if err != nil {
		return nil, conn, fmt.Errorf("node %s: %w", name, explain(err))
	}
	return reply, conn, nil
}

// Stream asks for a sequence of replies and calls fn for each, in order and
// never for a refusal, which is returned as a *hotline.Refusal. An error of fn
// ends the stream and is returned. A node that fails before its first reply, or
// does not give it in the time of one attempt, is left for the next; after that its
// failure is returned, wrapping ErrUnreachable, and the caller may begin anew. But
// for a watch, which lasts, each further reply has as much time.
func (c *Client) Stream(ctx context.Context, req *Request, fn func(*Reply) error) error {
	var failed *quic.Conn
	for range 1 + len(c.nodes) {
		conn, name, err := c.connect(ctx, failed)
		if err != nil {
			return err
		}
		var begun bool
		var own, refusal error
		one, cancel := context.WithCancel(ctx)
		patience := time.AfterFunc(attempt, cancel)
		err = ask(one, conn, req, func(r *Reply) error {
			begun = true
			patience.Stop() // what fn does takes its own time
			if req.Watch == nil {
				defer patience.Reset(attempt)
			}
			if r.Code != "" {
				refusal = &hotline.Refusal{Code: r.Code, Text: r.Text}
				return refusal
			}
			own = fn(r)
			return own
		})
		patience.Stop()
		cancel()
		switch {
		case err == nil || own != nil:
			return own
		case refusal != nil:
			return refusal
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, ErrAnswer):
			return err
		case denied(err):
			return explain(err)
		case begun:
			return fmt.Errorf("%w: node %s: %s", ErrUnreachable, name, oneLine(explain(err)))
		}
		failed = conn
	}
	return fmt.Errorf("%w: every node ended the connection", ErrUnreachable)
}

// ask puts one request on a new stream and reads replies until its end.
func ask(ctx context.Context, conn *quic.Conn, req *Request, fn func(*Reply) error) error {
	out := *req
	out.Version = hotline.Protocol
	b, err := frame(&out)
	if err != nil {
		return err
	}
	s, err := conn.OpenStreamSync(ctx)
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { s.CancelWrite(StreamLate); s.CancelRead(StreamLate) })()
	defer s.CancelRead(StreamDone) // also where fn gave up: the node's watch ends
	defer endIfDeaf(conn)()
	var cut *quic.StreamError
	// A node that cut our writing has still sent its reason.
	if _, err := s.Write(b); err != nil && !errors.As(err, &cut) {
		return withCause(ctx, err)
	}
	_ = s.Close() // fails only where the node cut our writing: see above
	for {
		b, err := readMessage(s)
		if errors.Is(err, errEnd) {
			return nil
		}
		if hotline.CodeOf(err) == hotline.CodeMalformed || hotline.CodeOf(err) == hotline.CodeTooLarge {
			return fmt.Errorf("%w: %w", ErrAnswer, err)
		}
		if err != nil {
			return fmt.Errorf("%w: %w", errSent, withCause(ctx, err))
		}
		r, err := decodeReply(b)
		if err != nil {
			return fmt.Errorf("%w: %s", ErrAnswer, oneLine(err))
		}
		if err := fn(r); err != nil {
			return err
		}
	}
}

// endIfDeaf ends a connection on which nothing at all comes within
// hotline.DeskDeaf: a live node acknowledges packets at once, however long its
// answer takes. If something came, which may have been under way before, the
// next sign of life is owed to the keepalive. A node that died without a word
// would else be waited for until the connection's idle time is over. stop ends
// the watch.
func endIfDeaf(conn *quic.Conn) (stop func()) {
	var mu sync.Mutex // held while the timer changes hands
	heard, stopped := conn.ConnectionStats().PacketsReceived, false
	var timer *time.Timer
	look := func() {
		mu.Lock()
		defer mu.Unlock()
		now := conn.ConnectionStats().PacketsReceived
		switch {
		case stopped:
		case now == heard:
			_ = conn.CloseWithError(CloseEnd, "")
		default:
			heard = now
			timer.Reset(hotline.DeskKeepAlive + hotline.DeskDeaf)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	timer = time.AfterFunc(hotline.DeskDeaf, look)
	return func() {
		mu.Lock()
		defer mu.Unlock()
		stopped = true
		timer.Stop()
	}
}

func withCause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%w: %w", ctx.Err(), err)
	}
	return err
}

// explain turns the close codes of a node into words, without repeating the
// far side's own text.
func explain(err error) error {
	if denied(err) {
		return hotline.Refuse(hotline.CodeDenied, "the node knows no officer in force with this key")
	}
	var app *quic.ApplicationError
	if !errors.As(err, &app) || !app.Remote {
		return err
	}
	text := "it closed the connection"
	switch app.ErrorCode {
	case CloseEnd:
		text = "its process ends"
	case CloseBusy:
		text = "it has too many connections"
	}
	if errors.Is(err, errSent) {
		return fmt.Errorf("%w: %s", errSent, text)
	}
	return errors.New(text)
}

// oneLine makes an error's text fit one line.
func oneLine(err error) string {
	return strings.Join(strings.Fields(err.Error()), " ")
}
