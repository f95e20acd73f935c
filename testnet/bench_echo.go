package testnet

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/quic-go/quic-go"

	"example.org/hotline/crypto/keys"
	"example.org/hotline/hotline/replica"
)

// floorALPN names a conversation that only this file holds.
const floorALPN = "hotline-floor/1"

// EchoRole is the argument with which the program of BenchOptions runs RunEcho instead of a node.
const EchoRole = "echo"

// restingTrip names a round trip between two processes that sleep in between, and restingPause is for how long.
const (
	restingTrip  = "QUIC round trip of two processes at rest"
	restingPause = time.Millisecond
)

// floorCertificate is that of either end: each trusts the other.
func floorCertificate() (cert tls.Certificate, err error) {
	key, err := keys.Generate(keys.Ed25519)
	if err != nil {
		return cert, err
	}
	return key.Certificate()
}

// listenEcho waits for whom echo serves.
func listenEcho(addr string) (*quic.Listener, error) {
	cert, err := floorCertificate()
	if err != nil {
		return nil, err
	}
	return quic.ListenAddr(addr, keys.ServerTLS(cert, []string{floorALPN}, func(tls.ConnectionState, keys.Public) error { return nil }),
		replica.QUICConfig())
}

// echo serves one connection until it ends.
func echo(ctx context.Context, ln *quic.Listener) {
	conn, err := ln.Accept(ctx)
	if err != nil {
		return
	}
	for {
		s, err := conn.AcceptStream(ctx)
		if err != nil {
			return
		}
		if msg, err := io.ReadAll(io.LimitReader(s, floorBytes+1)); err == nil {
			_, _ = s.Write(msg) // the near end misses what does not arrive
		}
		_ = s.Close()
	}
}

// RunEcho is the far end of a round trip in a process of its own: it says on standard output where it listens, and ends when its
// standard input does.
func RunEcho(addr string) error {
	ln, err := listenEcho(addr)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { echo(ctx, ln) })
	fmt.Println(ln.Addr())
	_, err = io.Copy(io.Discard, os.Stdin)
	cancel()
	err = errors.Join(err, ln.Close())
	wg.Wait()
	return err
}

// quicTrips sends a message and awaits its echo on a new stream each, as nodes do.
func (b *bench) quicTrips(ctx context.Context, n int) ([]float64, error) {
	ln, err := listenEcho(loopback.String())
	if err != nil {
		return nil, err
	}
	var wg sync.WaitGroup
	wg.Go(func() { echo(ctx, ln) }) // ends with the connection
	defer wg.Wait()
	defer ln.Close()
	return roundTrips(ctx, ln.Addr().String(), n, 0)
}

// restingTrips is quicTrips to another process, with a pause before each message.
func (b *bench) restingTrips(ctx context.Context, n int) (list []float64, err error) {
	h, err := b.help(ctx, EchoRole)
	if err != nil {
		return nil, err
	}
	list, err = roundTrips(ctx, h.addr, n, restingPause)
	return list, errors.Join(err, h.end())
}

// helper is a process of this program that listens on a port of the loopback, says where on its standard output, and ends when its
// standard input does.
type helper struct {
	addr string
	in   io.WriteCloser
	out  *bufio.Reader
	cmd  *exec.Cmd
}

// help starts a helper, which ends with ctx at the latest. The caller ends it.
func (b *bench) help(ctx context.Context, role string) (*helper, error) {
	last := len(b.opt.Program) - 1
	h := &helper{cmd: exec.CommandContext(ctx, b.opt.Program[0], append(slices.Clone(b.opt.Program[1:last]), role, loopback.String())...)}
	h.cmd.Stderr = os.Stderr
	var err error
	if h.in, err = h.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := h.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	h.out = bufio.NewReader(out)
	if err := h.cmd.Start(); err != nil {
		return nil, err
	}
	if h.addr, err = h.line(); err != nil {
		return nil, errors.Join(fmt.Errorf("%s does not say where it listens: %w", role, err), h.end())
	}
	return h, nil
}

// line is what it says next.
func (h *helper) line() (string, error) {
	text, err := h.out.ReadString('\n')
	return strings.TrimSpace(text), err
}

// quit tells it to end.
func (h *helper) quit() { _ = h.in.Close() } // fails only when that was said before

// end waits until it has ended.
func (h *helper) end() error {
	h.quit()
	return h.cmd.Wait()
}

// roundTrips times n exchanges with whoever echoes at addr.
func roundTrips(ctx context.Context, addr string, n int, rest time.Duration) ([]float64, error) {
	cert, err := floorCertificate()
	if err != nil {
		return nil, err
	}
	conn, err := quic.DialAddr(ctx, addr, keys.ClientTLS(cert, floorALPN, func(keys.Public) error { return nil }), replica.QUICConfig())
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.CloseWithError(0, "") }() // ends echo too
	msg := make([]byte, floorBytes)
	return timedAtRest(ctx, n, rest, func() error {
		s, err := send(ctx, conn, msg)
		if err != nil {
			return err
		}
		back, err := io.ReadAll(s)
		if err == nil && len(back) != len(msg) {
			err = fmt.Errorf("%d bytes came back of %d", len(back), len(msg))
		}
		return err
	})
}

// send sends msg on a new stream, on which the answer is then to be read.
func send(ctx context.Context, conn *quic.Conn, msg []byte) (*quic.Stream, error) {
	s, err := conn.OpenStreamSync(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := s.Write(msg); err != nil {
		return nil, err
	}
	return s, s.Close()
}
