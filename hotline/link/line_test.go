package link

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/quic-go/quic-go"

	"example.org/hotline/hotline"
)

func pair(t testing.TB) (a, b *station) {
	t.Helper()
	a = newStation(t, "XA", "XA-1", "127.0.0.1:0", 1)
	b = newStation(t, "XB", "XB-1", "127.0.0.1:0", 1)
	join(t, a, b)
	return a, b
}

// Promise: a delivery goes to the asked party with its three parts unchanged,
// and its answer comes back with the answerer's clock.
func TestDeliveryAndAnswer(t *testing.T) {
	a, b := pair(t)
	b.onDeliver(func(_ context.Context, from hotline.Party, d *Delivery) *Answer {
		return &Answer{Receipt: []byte(fmt.Sprintf("%s %s %s %s", from, d.Statement, d.Sender, d.Tender))}
	})
	got, err := a.line.Ask(t.Context(), "XB", 0, true, delivery("one"))
	if err != nil {
		t.Fatal(err)
	}
	if string(got.Receipt) != "XA one sender tender" || got.Time <= 0 {
		t.Fatalf("answer %+v", got)
	}
	doc, err := a.line.Ask(t.Context(), "XB", 0, false, &Question{Document: []byte("Q")})
	if err != nil || doc.Text != "Q" {
		t.Fatalf("document: %+v, %v", doc, err)
	}
	cosigned, err := a.line.Ask(t.Context(), "XB", 0, false, &Question{Checkpoint: []byte("C")})
	if err != nil || string(cosigned.Cosignature) != "XAC" {
		t.Fatalf("checkpoint: %+v, %v", cosigned, err)
	}
	if none, err := b.line.Ask(t.Context(), "XA", 0, false, &Question{Checkpoint: []byte("C")}); err != nil || none.Code != hotline.CodeDenied {
		t.Fatalf("checkpoint to a party that does not witness: %+v, %v", none, err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if g := b.greeted["XA"]; g == nil || g.Head == nil || g.Head.Origin != "hotline/XB/1" {
		t.Fatalf("answer to hello %+v", g)
	}
}

// Promise: streams never run out. A handler that left one stream unread would
// hang here after hotline.LinkStreams exchanges.
func TestManyExchangesOnOneConnection(t *testing.T) {
	a, b := pair(t)
	b.onDeliver(func(_ context.Context, _ hotline.Party, d *Delivery) *Answer { return &Answer{Receipt: d.Statement} })
	conn := a.conn(b.node)
	for i := range 2 * hotline.LinkStreams {
		text := fmt.Sprint("statement ", i)
		mustReceipt(t, a, "XB", text, text)
	}
	if a.conn(b.node) != conn || conn.Context().Err() != nil {
		t.Fatal("the connection was replaced meanwhile")
	}
}

// send writes raw bytes on a new stream and returns the answer.
func send(t testing.TB, conn *quic.Conn, raw []byte) *Answer {
	t.Helper()
	s, err := conn.OpenStreamSync(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_ = s.SetDeadline(time.Now().Add(patience))
	var cut *quic.StreamError
	if _, err := s.Write(raw); err != nil && !errors.As(err, &cut) {
		t.Fatal(err)
	}
	_ = s.Close()
	frame, err := io.ReadAll(s)
	if err != nil {
		t.Fatal(err)
	}
	a, err := DecodeAnswer(frame)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func framed(content string) []byte {
	frame := make([]byte, classFor(prefixSize+len(content)))
	binary.BigEndian.PutUint32(frame, uint32(len(content)))
	copy(frame[prefixSize:], content)
	return frame
}

// Promise: a frame that is wrong in any way closes its own stream only, with
// its own code and a counter; the next good frame goes through on the same
// connection (CVE-2020-26257 and CVE-2025-30355 were the opposite).
func TestBadFramesHurtOnlyThemselves(t *testing.T) {
	a, b := pair(t)
	good, err := EncodeQuestion(delivery("good"))
	if err != nil {
		t.Fatal(err)
	}
	random := make([]byte, 1024)
	rng := rand.NewChaCha8([32]byte{1})
	_, _ = rng.Read(random)
	random[0], random[1] = 0, 0 // so that the length alone does not refuse it
	later := append([]byte(nil), good...)
	later[prefixSize+2] = hotline.Protocol + 1
	bent := append([]byte(nil), good...)
	bent[len(bent)-1] = 1
	conn := a.conn(b.node)
	for _, c := range []struct {
		name  string
		raw   []byte
		code  hotline.Code
		event string
	}{
		{"empty", nil, hotline.CodeMalformed, EventMalformed},
		{"truncated", good[:len(good)/2], hotline.CodeMalformed, EventMalformed},
		{"oversized", make([]byte, hotline.MaxFrame+1), hotline.CodeTooLarge, EventTooLarge},
		{"far oversized", make([]byte, 10*hotline.MaxFrame), hotline.CodeTooLarge, EventTooLarge},
		{"length beyond all", append([]byte{0xff, 0xff, 0xff, 0xff}, good[4:]...), hotline.CodeTooLarge, EventTooLarge},
		{"deeply nested", framed(strings.Repeat("\x81", 300) + "\x01"), hotline.CodeMalformed, EventMalformed},
		{"duplicate key", framed("\xa2\x01\x01\x01\x01"), hotline.CodeMalformed, EventMalformed},
		{"random", random, hotline.CodeMalformed, EventMalformed},
		{"padding not zero", bent, hotline.CodeMalformed, EventMalformed},
		{"nothing asked", framed("\xa1\x01\x01"), hotline.CodeMalformed, EventMalformed},
		{"later version", later, hotline.CodeVersion, EventVersion},
		{"later version, unknown fields", framed("\xa2\x01\x02\x18\x63\x01"), hotline.CodeVersion, EventVersion},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := b.counted(c.event)
			if got := send(t, conn, c.raw); got.Code != c.code || len(got.Receipt) != 0 {
				t.Fatalf("code %q, want %q (%s)", got.Code, c.code, got.Text)
			}
			if n := b.counted(c.event) - before; n != 1 {
				t.Fatalf("event %s counted %d times", c.event, n)
			}
			if got := send(t, conn, good); got.Code != "" || string(got.Receipt) != "receipt" {
				t.Fatalf("the good frame after it: %+v", got)
			}
		})
	}
	if conn.Context().Err() != nil {
		t.Fatal("the connection did not survive")
	}
}

// Promise: a stream that is cut before its end costs its own place only.
func TestCutStreamIsCountedAndForgotten(t *testing.T) {
	a, b := pair(t)
	conn := a.conn(b.node)
	s, err := conn.OpenStreamSync(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Write([]byte{0, 0, 1}); err != nil {
		t.Fatal(err)
	}
	s.CancelWrite(StreamAborted)
	s.CancelRead(StreamAborted)
	b.awaitCount(t, EventUnread, 1)
	mustReceipt(t, a, "XB", "next", "receipt")
}

// Promise: an answer that is not the one encoding is an error of the exchange
// and is counted; the connection lives on.
func TestUnreadableAnswer(t *testing.T) {
	a := newStation(t, "XA", "XA-1", "127.0.0.1:0", 1)
	b := newStation(t, "XB", "XB-1", "127.0.0.1:0", 1)
	ok, err := EncodeAnswer(&Answer{})
	if err != nil {
		t.Fatal(err)
	}
	answers := [][]byte{[]byte("no frame"), make([]byte, hotline.MaxFrame+1), append(ok[:len(ok)-1:len(ok)-1], 1), nil}
	b.serve = func(conn *quic.Conn) {
		greet(t, conn)
		for i := 0; ; {
			s, err := conn.AcceptStream(context.Background())
			if err != nil {
				return
			}
			raw, _ := io.ReadAll(s)
			if q, err := DecodeQuestion(raw); err == nil && q.Hello == nil && i < len(answers) {
				_, _ = s.Write(answers[i])
				i++
			} else {
				_, _ = s.Write(ok)
			}
			_ = s.Close()
		}
	}
	b.trust(a)
	a.peer(b)
	a.awaitDialled(t, "XB")
	for i := range answers {
		if _, err := a.line.Ask(t.Context(), "XB", 0, false, delivery("x")); !errors.Is(err, ErrAnswer) {
			t.Fatalf("answer %d: %v", i, err)
		}
	}
	if n := a.counted(EventBadAnswer); n != len(answers) {
		t.Fatalf("%d bad answers counted", n)
	}
	if got, err := a.line.Ask(t.Context(), "XB", 0, false, delivery("x")); err != nil || got.Code != "" {
		t.Fatalf("the good answer after them: %+v, %v", got, err)
	}
}

// greet says a proper hello of XB-1 by hand and reads the answer.
func greet(t testing.TB, conn *quic.Conn) {
	hello, err := EncodeQuestion(&Question{Hello: &Hello{Party: "XB", Node: "XB-1", Convention: hotline.ID{1}, Directory: 1, ConventionVersion: 1}})
	if err != nil {
		t.Error(err)
		return
	}
	s, err := conn.OpenStreamSync(context.Background())
	if err != nil {
		return
	}
	_, _ = s.Write(hello)
	_ = s.Close()
	_, _ = io.ReadAll(s)
}

// Promise: a question that its asker gives up frees its places on both sides,
// and the host is told to stop.
func TestGivenUpQuestionFreesItsPlaces(t *testing.T) {
	a, b := pair(t)
	stopped := make(chan struct{}, 1)
	began := make(chan struct{}, 1)
	b.onDeliver(func(ctx context.Context, _ hotline.Party, d *Delivery) *Answer {
		if string(d.Statement) == "stuck" {
			began <- struct{}{}
			<-ctx.Done()
			stopped <- struct{}{}
		}
		return &Answer{Receipt: d.Statement}
	})
	for range 2 * hotline.LinkInFlight {
		ctx, cancel := context.WithCancel(t.Context())
		var ask sync.WaitGroup
		ask.Go(func() {
			if _, err := a.line.Ask(ctx, "XB", 0, false, delivery("stuck")); !errors.Is(err, context.Canceled) {
				t.Errorf("given up with %v", err)
			}
		})
		<-began
		cancel()
		ask.Wait()
		<-stopped
	}
	mustReceipt(t, a, "XB", "next", "next")
}

// Promise: an answer of ours that breaks a bound, or none, reaches the peer as
// an internal fault and not as silence.
func TestOwnFaultyAnswerBecomesInternal(t *testing.T) {
	a, b := pair(t)
	b.onDeliver(func(context.Context, hotline.Party, *Delivery) *Answer {
		return &Answer{Receipt: bytes.Repeat([]byte{1}, hotline.MaxReceipt+1)}
	})
	got, err := a.line.Ask(t.Context(), "XB", 0, false, delivery("x"))
	if err != nil || got.Code != hotline.CodeInternal {
		t.Fatalf("answer over its bound: %+v, %v", got, err)
	}
	b.onDeliver(func(context.Context, hotline.Party, *Delivery) *Answer { return nil })
	got, err = a.line.Ask(t.Context(), "XB", 0, false, delivery("x"))
	if err != nil || got.Code != hotline.CodeInternal {
		t.Fatalf("no answer: %+v, %v", got, err)
	}
}

// Promise: when a peer restarts, the line comes back by itself, and its
// connection is a new one.
func TestPeerRestartIsRedialled(t *testing.T) {
	a, b := pair(t)
	addr := b.node.Addr
	b.close()
	a.awaitUp(t, "XB", 0, false)
	if _, err := a.line.Ask(t.Context(), "XB", 0, false, delivery("x")); !errors.Is(err, ErrDown) {
		t.Fatalf("asked while down: %v", err)
	}
	again := newStation(t, "XB", "XB-1", addr, 1)
	again.peer(a)
	a.awaitDialled(t, "XB")
	a.awaitUp(t, "XB", 0, true)
	mustReceipt(t, a, "XB", "after", "receipt")
}

// Promise: two parties reach each other when only one of them can dial.
func TestAcceptedConnectionCarriesQuestionsBothWays(t *testing.T) {
	a := newStation(t, "XA", "XA-1", "127.0.0.1:0", 1)
	b := newStation(t, "XB", "XB-1", "127.0.0.1:0", 1)
	b.trust(a)
	deaf := a.node
	deaf.Addr = "127.0.0.1:9" // where nobody answers: XB cannot dial XA
	b.line.SetPeers([]Peer{{"XA", []hotline.Node{deaf}}})
	a.peer(b)
	b.awaitUp(t, "XA", 0, true)
	mustReceipt(t, b, "XA", "back", "receipt")
}

// Promise: a peer that leaves the directory is cut off at once, in both
// directions, and cannot come back.
func TestRemovedPeerIsClosed(t *testing.T) {
	a, b := pair(t)
	conn := a.conn(b.node)
	b.line.SetPeers(nil)
	select {
	case <-conn.Context().Done():
	case <-time.After(patience):
		t.Fatal("connection of a removed peer stays open")
	}
	var app *quic.ApplicationError
	if err := context.Cause(conn.Context()); !errors.As(err, &app) || app.ErrorCode != CloseRemoved {
		t.Fatalf("closed with %v", err)
	}
	b.awaitCount(t, EventUnauthenticated, 1) // the redial is turned away
	a.awaitUp(t, "XB", 0, false)
}

// Promise: a node whose key was replaced in the directory is cut off at once.
func TestReplacedKeyIsClosed(t *testing.T) {
	a, b := pair(t)
	conn := b.conn(a.node)
	other := newStation(t, "XA", "XA-1", "127.0.0.1:0", 9)
	changed := a.node
	changed.Key = other.node.Key
	b.line.SetPeers([]Peer{{"XA", []hotline.Node{changed}}})
	select {
	case <-conn.Context().Done():
	case <-time.After(patience):
		t.Fatal("connection under the old key stays open")
	}
	b.awaitCount(t, EventUnauthenticated, 1) // XA dials again with the old key
}

// Promise: a new directory number leaves alone what it does not change.
func TestUnchangedNodesKeepTheirConnections(t *testing.T) {
	a, b := pair(t)
	conn := a.conn(b.node)
	added := newStation(t, "XB", "XB-2", "127.0.0.1:0", 1)
	added.peer(a)
	a.peer(added, b) // XB-1 is the second path from now on
	a.awaitUp(t, "XB", 0, true)
	if got, err := a.line.Ask(t.Context(), "XB", 1, false, delivery("x")); err != nil || got.Code != "" {
		t.Fatalf("by the path that moved: %+v, %v", got, err)
	}
	if a.conn(b.node) != conn || conn.Context().Err() != nil {
		t.Fatal("the connection was closed without need")
	}
}

// Promise: one peer's flood is answered busy and leaves another peer's
// exchanges working.
func TestFloodOfOnePeerLeavesAnotherAlone(t *testing.T) {
	b := newStation(t, "XB", "XB-1", "127.0.0.1:0", 1)
	a := newStation(t, "XA", "XA-1", "127.0.0.1:0", 1)
	c := newStation(t, "XC", "XC-1", "127.0.0.1:0", 1)
	b.peer(a, c)
	a.peer(b)
	c.peer(b)
	for _, s := range []*station{a, c} {
		s.awaitUp(t, "XB", 0, true)
		s.awaitDialled(t, "XB")
	}
	good, err := EncodeQuestion(delivery("flood"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var flood sync.WaitGroup
	defer flood.Wait()
	defer cancel()
	conn := a.conn(b.node)
	for range 32 {
		flood.Go(func() {
			for ctx.Err() == nil {
				_, _ = exchange(ctx, conn, good, false)
			}
		})
	}
	b.awaitCount(t, EventFlooded, 100)
	for i := range 50 {
		mustReceipt(t, c, "XB", fmt.Sprint("quiet ", i), "receipt")
	}
	// The flooder's own FLASH still has tokens.
	if got, err := a.line.Ask(t.Context(), "XB", 0, true, delivery("flash")); err != nil || got.Code != "" {
		t.Fatalf("FLASH of the flooding peer: %+v, %v", got, err)
	}
}

// Promise: FLASH has places of its own, at the asking and at the asked side,
// when all others are taken.
func TestFlashPassesWhenAllOtherPlacesAreTaken(t *testing.T) {
	a, b := pair(t)
	release := make(chan struct{})
	working := make(chan struct{}, hotline.LinkInFlight)
	b.onDeliver(func(_ context.Context, _ hotline.Party, d *Delivery) *Answer {
		if string(d.Statement) == "slow" {
			working <- struct{}{}
			<-release
		}
		return &Answer{Receipt: d.Statement}
	})
	var slow sync.WaitGroup
	var over atomic.Int64
	for range hotline.LinkInFlight {
		slow.Go(func() {
			_, _ = a.line.Ask(t.Context(), "XB", 0, false, delivery("slow"))
			over.Add(1)
		})
	}
	for range hotline.LinkInFlight {
		<-working
	}
	got, err := a.line.Ask(t.Context(), "XB", 0, true, delivery("flash"))
	if err != nil || string(got.Receipt) != "flash" {
		t.Errorf("FLASH: %+v, %v", got, err)
	}
	if n := over.Load(); n != 0 {
		t.Errorf("FLASH waited until %d others were over", n)
	}
	// The asked side holds the bound by itself, not by the asker's grace.
	frame, err := EncodeQuestion(delivery("ordinary"))
	if err != nil {
		t.Fatal(err)
	}
	if got := send(t, a.conn(b.node), frame); got.Code != hotline.CodeBusy {
		t.Errorf("ordinary delivery beyond the bound: %+v", got)
	}
	close(release)
	slow.Wait()
}

// Promise: a question that breaks a bound is refused before it leaves.
func TestAskRefusesWhatBreaksABound(t *testing.T) {
	a, _ := pair(t)
	q := delivery("x")
	q.Deliver.Statement = make([]byte, hotline.MaxStatement+1)
	if _, err := a.line.Ask(t.Context(), "XB", 0, false, q); hotline.CodeOf(err) != hotline.CodeTooLarge {
		t.Fatalf("err %v", err)
	}
	for _, path := range []int{-1, 1} {
		if _, err := a.line.Ask(t.Context(), "XB", path, false, delivery("x")); !errors.Is(err, ErrDown) {
			t.Fatalf("path %d: %v", path, err)
		}
	}
	if _, err := a.line.Ask(t.Context(), "XZ", 0, false, delivery("x")); !errors.Is(err, ErrDown) {
		t.Fatalf("unknown peer: %v", err)
	}
	a.line.Close()
	if _, err := a.line.Ask(t.Context(), "XB", 0, false, delivery("x")); !errors.Is(err, ErrClosed) {
		t.Fatalf("after close: %v", err)
	}
}

// Promise: why a path is down is printable text of bounded length, and repeats nothing
// that whoever answers at the node's address wrote into its last words: officers read
// it, and a text that is no UTF-8 would make the whole status unreadable.
func TestLastErrorIsFitToBeShown(t *testing.T) {
	a := newStation(t, "XA", "XA-1", "127.0.0.1:0", 1)
	path := newPath(newPeer(a.line, "XB"), hotline.Node{Name: "XB-1"})
	for _, c := range []struct {
		name string
		err  error
	}{
		{"transport", explain(fmt.Errorf("dial: %w", &quic.TransportError{Remote: true, ErrorCode: quic.ConnectionRefused, ErrorMessage: "act now\xff\x1b[2J"}))},
		{"application", explain(&quic.ApplicationError{Remote: true, ErrorCode: 77, ErrorMessage: "act now\xff\x1b[2J"})},
		{"long", hotline.Refuse(hotline.CodeConvention, "%s", strings.Repeat("\u00e9", 1000))},
		{"any", errors.New("\xff\x1b[2J")},
	} {
		path.failed(c.err)
		got := path.status(time.Now()).LastError
		if got == "" || len(got) > MaxAnswerText || !utf8.ValidString(got) || got != Sanitize(got) || strings.Contains(got, "act now") {
			t.Errorf("%s: shown as %q", c.name, got)
		}
	}
}
