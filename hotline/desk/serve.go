package desk

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/quic-go/quic-go"

	"example.org/hotline/hotline"
)

// Codes with which a connection is closed (QUIC application errors, SPEC §12).
const (
	CloseEnd    quic.ApplicationErrorCode = 0 // the process ends
	CloseDenied quic.ApplicationErrorCode = 1 // the key is in force for no officer of the group any more
	CloseBusy   quic.ApplicationErrorCode = 2 // hotline.MaxDeskConnections are open
)

// Codes with which one direction of a stream is cut (QUIC stream errors, SPEC §12).
const (
	StreamDone quic.StreamErrorCode = 0 // nothing more is read, all is well
	StreamLate quic.StreamErrorCode = 1 // a message was not over within hotline.DeskExchange
	StreamGone quic.StreamErrorCode = 2 // the asker went away, or the node ends
)

// Host answers what Serve lets through. It is called from many goroutines at
// once, at most hotline.DeskStreams for one connection.
//
// Handle calls send once for a request with one reply, and any number of times
// for a streaming one; it must not keep send after it returned. A Refusal that
// it returns, or any other error, is sent as the last reply's code: a fault of
// this node becomes CodeInternal without its text, which is for the node's own
// log. ctx ends when the asker goes away, the node ends, or, for a request with
// one reply, hotline.DeskExchange is over.
//
// send fails when the asker does not read or is gone; Handle then returns.
type Host interface {
	Handle(ctx context.Context, who Officer, req *Request, send func(*Reply) error) error
}

// QUICConfig is the QUIC configuration of this conversation on either side.
// 0-RTT is off.
func QUICConfig() *quic.Config {
	return &quic.Config{
		HandshakeIdleTimeout:           hotline.DeskHandshake,
		MaxIdleTimeout:                 hotline.DeskIdle,
		KeepAlivePeriod:                hotline.DeskKeepAlive,
		MaxIncomingStreams:             hotline.DeskStreams,
		MaxIncomingUniStreams:          -1,
		InitialStreamReceiveWindow:     hotline.MaxDeskMessage + prefixSize,
		MaxStreamReceiveWindow:         2 * hotline.MaxDeskMessage,
		InitialConnectionReceiveWindow: 4 * hotline.MaxDeskMessage,
		MaxConnectionReceiveWindow:     16 * hotline.MaxDeskMessage,
	}
}

// Serve answers the streams of one connection until it or ctx ends, and returns
// when every request is over. It closes the connection. who is the officer to
// whom the key of the connection belongs (keys.PeerKey after the handshake);
// the caller ends ctx when that is no longer so.
//
// What is not a request is refused with a code on its own stream; the next
// stream is not held up. At most hotline.DeskStreams are open at a time, of
// which quic-go takes care by QUICConfig, and a bound of our own where the
// listener is shared with other conversations.
func Serve(ctx context.Context, conn *quic.Conn, who Officer, host Host) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(ctx, func() { _ = conn.CloseWithError(CloseEnd, "") })
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop()
	defer cancel()
	defer func() { _ = conn.CloseWithError(CloseEnd, "") }()
	places := make(chan struct{}, hotline.DeskStreams)
	for {
		select {
		case places <- struct{}{}:
		case <-ctx.Done():
			return
		case <-conn.Context().Done():
			return
		}
		s, err := conn.AcceptStream(ctx)
		if err != nil {
			return
		}
		wg.Go(func() {
			defer func() { <-places }()
			hotline.Deep()
			x := exchange{s: s, who: who, host: host}
			x.serve(ctx)
		})
	}
}

// exchange is one request and what is answered to it.
type exchange struct {
	s    *quic.Stream
	who  Officer
	host Host
}

func (x *exchange) serve(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	// The end of the asker's reading side is the only sign that a watcher has
	// gone while nothing happens.
	defer context.AfterFunc(x.s.Context(), cancel)()
	err := x.answer(ctx)
	if err != nil && !errors.Is(err, errCut) {
		err = x.send(refusal(err))
	}
	if err != nil {
		x.s.CancelWrite(StreamGone)
		x.s.CancelRead(StreamGone)
		return
	}
	x.s.CancelRead(StreamDone)
	_ = x.s.Close() // a stream that is gone has nobody who waits for its end
}

// answer reads the request and hands it to the host. An error that is not
// errCut is to be sent.
func (x *exchange) answer(ctx context.Context) error {
	req, right, err := x.request()
	if err != nil {
		return err
	}
	if err := right.allow(&x.who); err != nil {
		return err
	}
	if !right.stream {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, hotline.DeskExchange)
		defer cancel()
	}
	var sendErr error
	err = x.host.Handle(ctx, x.who, req, func(r *Reply) error {
		if sendErr == nil {
			sendErr = x.send(redact(&x.who, r))
		}
		return sendErr
	})
	if sendErr != nil {
		return sendErr
	}
	return err
}

// request reads one message and the end of the stream behind it.
func (x *exchange) request() (*Request, *right, error) {
	if err := x.s.SetReadDeadline(time.Now().Add(hotline.DeskExchange)); err != nil {
		return nil, nil, errCut
	}
	b, err := readMessage(x.s)
	if errors.Is(err, errEnd) {
		return nil, nil, hotline.Refuse(hotline.CodeMalformed, "an empty stream asks for nothing")
	}
	if err != nil {
		return nil, nil, err
	}
	var one [1]byte
	switch n, err := io.ReadFull(x.s, one[:]); {
	case n > 0:
		return nil, nil, hotline.Refuse(hotline.CodeMalformed, "bytes behind the request")
	case !errors.Is(err, io.EOF):
		return nil, nil, errCut
	}
	return decodeRequest(b)
}

// send writes one reply. An error that wraps errCut says that the asker is gone
// or does not read; any other, that the reply is over a bound, a fault of this
// node.
func (x *exchange) send(r *Reply) error {
	out := *r
	out.Version = hotline.Protocol
	if len(out.Text) > maxText {
		out.Text = strings.ToValidUTF8(out.Text[:maxText], "")
	}
	b, err := frame(&out)
	if err != nil {
		return hotline.Refuse(hotline.CodeInternal, "the answer does not fit a message: %v", err)
	}
	if err := x.s.SetWriteDeadline(time.Now().Add(hotline.DeskExchange)); err != nil {
		return errors.Join(errCut, err)
	}
	if _, err := x.s.Write(b); err != nil {
		return errors.Join(errCut, err)
	}
	return nil
}

// refusal makes the reply for an error. Only a Refusal's own words are sent.
func refusal(err error) *Reply {
	var r *hotline.Refusal
	if !errors.As(err, &r) {
		if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) { // time is over, or this node ends
			return &Reply{Code: hotline.CodeUnknown, Text: "no outcome here: ask again with the same id"}
		}
		return &Reply{Code: hotline.CodeInternal, Text: "a fault of this node: see its log"}
	}
	return &Reply{Code: r.Code, Text: r.Text}
}
