package node_test

import (
	"net"
	"testing"
	"time"

	"example.org/hotline/hotline/hotlinetest"
	"example.org/hotline/hotline/node"
)

// Promise: a node whose socket fails stops, and says why. It would else go on
// with its clocks and its log, deaf to its group, its peers and its officers,
// and nobody would know.
func TestNodeWithoutItsSocketStops(t *testing.T) {
	t.Parallel()
	w := prepare(t, hotlinetest.Terms("crisis"), 1, "XA", "XB")
	var socket net.PacketConn
	why := w.startStopping(w.parties["XA"], func(o *node.Options) {
		o.Listen = func(a *net.UDPAddr) (_ net.PacketConn, err error) {
			socket, err = net.ListenUDP("udp", a)
			return socket, err
		}
	})
	if err := socket.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case s := <-why:
		t.Log(s.why)
	case <-time.After(deadline):
		t.Error("the node goes on without its socket")
	}
}
