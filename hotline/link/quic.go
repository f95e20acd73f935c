package link

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/quic-go/quic-go"

	"example.org/hotline/hotline"
)

// ALPN names the conversation between parties.
const ALPN = "hotline-link/1"

// Codes with which a connection is closed (QUIC application errors, SPEC §9.3).
const (
	CloseEnd        quic.ApplicationErrorCode = 0 // the process ends: dial again later
	CloseRemoved    quic.ApplicationErrorCode = 1 // the directory in force does not hold this node, key or address any more
	CloseNoHello    quic.ApplicationErrorCode = 2 // the first question was no proper hello, or none came in time
	CloseRefused    quic.ApplicationErrorCode = 3 // our hello was refused
	CloseSuperseded quic.ApplicationErrorCode = 4 // the same node opened a newer connection
	CloseVersion    quic.ApplicationErrorCode = 5 // the hello is of another protocol version
)

// Codes with which one direction of a stream is cut (QUIC stream errors, SPEC §9.3).
const (
	StreamDone     quic.StreamErrorCode = 0 // nothing more is read, all is well
	StreamTooLarge quic.StreamErrorCode = 1 // more than hotline.MaxFrame bytes
	StreamLate     quic.StreamErrorCode = 2 // not over within hotline.LinkExchange
	StreamAborted  quic.StreamErrorCode = 3 // the other direction failed
)

// Urgencies of RFC 9218.
const (
	urgencyFlash    = 0
	urgencyOrdinary = 3
)

// setPriority has FLASH and hellos leave before anything else on the connection,
// and the answers to them likewise.
func setPriority(s *quic.Stream, urgent bool) {
	if urgent {
		s.SetPriority(urgencyFlash, true)
	} else {
		s.SetPriority(urgencyOrdinary, true)
	}
}

// QUICConfig is the QUIC configuration for connections between parties. 0-RTT
// is off. A node that shares one socket with other conversations may widen
// streams and windows, but not the idle time.
func QUICConfig() *quic.Config {
	return &quic.Config{
		HandshakeIdleTimeout:           5 * time.Second,
		MaxIdleTimeout:                 hotline.LinkIdle,
		KeepAlivePeriod:                hotline.LinkKeepAlive,
		MaxIncomingStreams:             hotline.LinkStreams,
		MaxIncomingUniStreams:          -1,
		InitialStreamReceiveWindow:     hotline.MaxFrame + 1,
		MaxStreamReceiveWindow:         hotline.MaxFrame + 1,
		InitialConnectionReceiveWindow: 16 * hotline.MaxFrame,
		MaxConnectionReceiveWindow:     64 * hotline.MaxFrame,
	}
}

// errUnread says that a stream ended or was cut before a whole frame was there:
// nothing to answer.
var errUnread = errors.New("stream was cut or timed out before its end")

// readFrame reads s to its end, which alone frees the stream at the peer. More
// than hotline.MaxFrame bytes are not read: the reading side is cut.
func readFrame(s *quic.Stream) ([]byte, error) {
	frame, err := io.ReadAll(io.LimitReader(s, hotline.MaxFrame+1))
	if err != nil {
		s.CancelRead(StreamLate)
		return nil, fmt.Errorf("%w: %w", errUnread, err)
	}
	if len(frame) > hotline.MaxFrame {
		s.CancelRead(StreamTooLarge)
		return nil, tooLarge("frame", len(frame), hotline.MaxFrame)
	}
	return frame, nil
}

// writeFrame writes the one frame of this direction and ends it.
func writeFrame(s *quic.Stream, frame []byte) error {
	if _, err := s.Write(frame); err != nil {
		s.CancelWrite(StreamAborted)
		return err
	}
	return s.Close()
}

// exchange asks one question on a new stream of conn and reads the answer to
// its end, all within hotline.LinkExchange and ctx.
func exchange(ctx context.Context, conn *quic.Conn, frame []byte, urgent bool) (*Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, hotline.LinkExchange)
	defer cancel()
	s, err := conn.OpenStreamSync(ctx)
	if err != nil {
		return nil, fmt.Errorf("open stream: %w", explain(err))
	}
	stop := context.AfterFunc(ctx, func() {
		s.CancelWrite(StreamLate)
		s.CancelRead(StreamLate)
	})
	defer stop()
	setPriority(s, urgent)
	writeErr := writeFrame(s, frame)
	var cut *quic.StreamError
	if writeErr != nil && !errors.As(writeErr, &cut) {
		s.CancelRead(StreamAborted)
		return nil, fmt.Errorf("send question: %w", explain(writeErr))
	}
	// A peer that cut our writing has still sent its reason.
	raw, err := readFrame(s)
	if errors.Is(err, errUnread) {
		if ctx.Err() != nil {
			err = fmt.Errorf("%w: %w", err, context.Cause(ctx))
		}
		return nil, fmt.Errorf("read answer: %w", explain(err))
	}
	var a *Answer
	if err == nil {
		a, err = DecodeAnswer(raw)
	}
	if err != nil {
		// Not wrapped: a Refusal would say that our question was at fault.
		return nil, fmt.Errorf("%w: %s", ErrAnswer, err.Error())
	}
	return a, nil
}

// explain turns the close codes of a peer into words. The peer's own text, or that
// of whoever answers in its place, is not repeated: it may hold anything.
func explain(err error) error {
	var transport *quic.TransportError
	if errors.As(err, &transport) && transport.Remote {
		code := *transport
		code.ErrorMessage = ""
		return &code
	}
	var app *quic.ApplicationError
	if !errors.As(err, &app) {
		return err
	}
	who := "this side"
	if app.Remote {
		who = "the peer"
	}
	return fmt.Errorf("%w: %s closed the connection: %s", ErrDown, who, closeText(app.ErrorCode))
}

func closeText(code quic.ApplicationErrorCode) string {
	switch code {
	case CloseEnd:
		return "its process ends"
	case CloseRemoved:
		return "the node, its key or its address is in no directory in force any more"
	case CloseNoHello:
		return "no proper hello"
	case CloseRefused:
		return "hello refused"
	case CloseSuperseded:
		return "superseded by a newer connection"
	case CloseVersion:
		return "another protocol version"
	}
	return fmt.Sprintf("application code %d", uint64(code))
}
