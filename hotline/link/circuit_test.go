package link

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go"

	"example.org/hotline/hotline"
)

// Promise: a node speaks for itself only.
func TestHelloUnderAnotherNameIsDenied(t *testing.T) {
	a := newStation(t, "XA", "XA-1", "127.0.0.1:0", 1)
	b := newStation(t, "XB", "XB-1", "127.0.0.1:0", 1)
	b.peer(a)
	conn, err := a.Dial(t.Context(), b.node)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range []Hello{{Party: "XC", Node: "XA-1"}, {Party: "XA", Node: "XA-2"}} {
		h.Convention, h.Directory, h.ConventionVersion = hotline.ID{1}, 1, 1
		frame, err := EncodeQuestion(&Question{Hello: &h})
		if err != nil {
			t.Fatal(err)
		}
		if got := send(t, conn, frame); got.Code != hotline.CodeDenied {
			t.Fatalf("hello of %s: %+v", h.Node, got)
		}
	}
	if b.hellos["XA"] != 0 {
		t.Fatal("the host was told")
	}
}

// Promise: a newer connection of the same node takes the older one's place, so
// connections of a peer are bounded by its nodes.
func TestNewerConnectionSupersedes(t *testing.T) {
	a, b := pair(t)
	older := a.conn(b.node)
	newer, err := a.Dial(t.Context(), b.node)
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-older.Context().Done():
	case <-time.After(patience):
		t.Fatal("both stay open")
	}
	var app *quic.ApplicationError
	if err := context.Cause(older.Context()); !errors.As(err, &app) || app.ErrorCode != CloseSuperseded {
		t.Fatalf("closed with %v", err)
	}
	closeWith(newer, CloseEnd)
}

// Promise: a connection whose first question is no proper hello is closed with
// a code.
func TestConnectionWithoutHelloIsClosed(t *testing.T) {
	good, err := EncodeQuestion(delivery("before hello"))
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := EncodeQuestion(&Question{Hello: &Hello{Party: "XC", Node: "XC-1", Convention: hotline.ID{1}, Directory: 1, ConventionVersion: 1}})
	if err != nil {
		t.Fatal(err)
	}
	later := append([]byte(nil), stranger...)
	later[prefixSize+2] = hotline.Protocol + 1
	for _, c := range []struct {
		name string
		raw  []byte
		code quic.ApplicationErrorCode
	}{
		{"delivery first", good, CloseNoHello},
		{"garbage first", []byte("GET / HTTP/1.1\r\n\r\n"), CloseNoHello},
		{"later version", later, CloseVersion},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := newStation(t, "XA", "XA-1", "127.0.0.1:0", 1)
			b := newStation(t, "XB", "XB-1", "127.0.0.1:0", 1)
			b.peer(a)
			conn, err := a.Dial(t.Context(), b.node)
			if err != nil {
				t.Fatal(err)
			}
			s, err := conn.OpenStream()
			if err != nil {
				t.Fatal(err)
			}
			_, _ = s.Write(c.raw)
			_ = s.Close()
			<-conn.Context().Done()
			var app *quic.ApplicationError
			if err := context.Cause(conn.Context()); !errors.As(err, &app) || app.ErrorCode != c.code {
				t.Fatalf("closed with %v, want code %d", err, c.code)
			}
			b.awaitCount(t, EventNoHello, 1)
		})
	}
}

// Promise: a refused hello closes the connection; the status says why, and the
// line opens when the refusal ends.
func TestRefusedHelloShowsAndRecovers(t *testing.T) {
	a := newStation(t, "XA", "XA-1", "127.0.0.1:0", 1)
	b := newStation(t, "XB", "XB-1", "127.0.0.1:0", 1)
	b.refuse = hotline.CodeConvention
	b.peer(a)
	a.peer(b)
	a.bell.await(t, "two dials", func() bool {
		a.mu.Lock()
		defer a.mu.Unlock()
		return a.dials["XB-1"] >= 2
	})
	status := a.line.Status()
	if n := status[0].Nodes[0]; n.State == StateUp || !strings.Contains(n.LastError, string(hotline.CodeConvention)) {
		t.Fatalf("status %+v", n)
	}
	b.mu.Lock()
	b.refuse = ""
	b.mu.Unlock()
	a.awaitUp(t, "XB", 0, true)
	mustReceipt(t, a, "XB", "x", "receipt")
}

// Promise: a node that is connected but answers no hello is shown as silent,
// not as down and not as up.
func TestSilentIsToldFromDown(t *testing.T) {
	a, b := pair(t)
	status := func(late time.Duration) NodeStatus {
		a.line.mu.Lock()
		defer a.line.mu.Unlock()
		return a.line.peers["XB"].paths[0].status(time.Now().Add(late))
	}
	if n := status(0); n.State != StateUp || n.Answered.IsZero() || n.Heard.IsZero() || n.RTT <= 0 || n.LastError != "" {
		t.Fatalf("status %+v", n)
	}
	if n := status(HelloInterval + hotline.LinkExchange + time.Minute); n.State != StateSilent {
		t.Fatalf("status without an answer of late: %+v", n)
	}
	b.close()
	a.awaitUp(t, "XB", 0, false)
	a.bell.await(t, "state down with its reason", func() bool {
		n := a.line.Status()[0].Nodes[0]
		return n.State == StateDown && n.LastError != "" && n.RTT == 0
	})
}
