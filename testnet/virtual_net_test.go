package testnet_test

import (
	"net"
	"sync"
	"testing/synctest"
	"time"

	"github.com/quic-go/quic-go/testutils/simnet"
)

// latency is how long a packet is under way, and packetQueue how many may be so towards one address; what is more is lost.
const (
	latency     = 15 * time.Millisecond
	packetQueue = 4096
)

// packets carries what nodes send to each other, in memory and on virtual time. Addresses are 10.0.PARTY.NODE; the line between two
// parties can be cut, and a single address silenced.
type packets struct {
	mu    sync.Mutex
	hosts map[string]*host
	cut   map[[2]byte]bool
	mute  map[string]bool
	left  int // packets under way
	wg    sync.WaitGroup
}

// host is one address. It stays when its node is restarted.
type host struct {
	queue chan underWay
	mu    sync.Mutex
	conn  simnet.PacketReceiver
}

type underWay struct {
	simnet.Packet
	arrives time.Time
}

func newPackets() *packets {
	return &packets{hosts: map[string]*host{}, cut: map[[2]byte]bool{}, mute: map[string]bool{}}
}

// listen is the Listen of node.Options.
func (n *packets) listen(addr *net.UDPAddr) (net.PacketConn, error) {
	return simnet.NewBlockingSimConn(addr, n), nil
}

// AddNode makes packets a simnet.Router.
func (n *packets) AddNode(addr net.Addr, conn simnet.PacketReceiver) {
	n.mu.Lock()
	defer n.mu.Unlock()
	h := n.hosts[addr.String()]
	if h == nil {
		h = &host{queue: make(chan underWay, packetQueue)}
		n.hosts[addr.String()] = h
		n.wg.Go(func() { n.deliver(h) })
	}
	h.mu.Lock()
	h.conn = conn
	h.mu.Unlock()
}

func (n *packets) deliver(h *host) {
	for p := range h.queue {
		time.Sleep(time.Until(p.arrives))
		h.mu.Lock()
		conn := h.conn
		h.mu.Unlock()
		conn.RecvPacket(p.Packet)
		n.mu.Lock()
		n.left--
		n.mu.Unlock()
	}
}

// SendPacket makes packets a simnet.Router. Like UDP it never says that a packet was lost.
func (n *packets) SendPacket(p simnet.Packet) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	h := n.hosts[p.To.String()]
	if h == nil || n.mute[p.To.String()] || n.mute[p.From.String()] || n.cut[between(partyOf(p.From), partyOf(p.To))] {
		return nil
	}
	select {
	case h.queue <- underWay{p, time.Now().Add(latency)}:
		n.left++
	default:
	}
	return nil
}

func partyOf(a net.Addr) byte { return a.(*net.UDPAddr).IP.To4()[2] }

func between(a, b byte) [2]byte { return [2]byte{min(a, b), max(a, b)} }

// sever cuts the line between two parties, or mends it.
func (n *packets) sever(a, b byte, cut bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cut[between(a, b)] = cut
}

func (n *packets) severed(a, b byte) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.cut[between(a, b)]
}

// quiet waits for a moment in which no packet is under way: a clock that is set forward then cannot be set while another node reads it.
// It gives up after a second.
func (n *packets) quiet() bool {
	for range 500 {
		synctest.Wait()
		n.mu.Lock()
		left := n.left
		n.mu.Unlock()
		if left == 0 {
			return true
		}
		time.Sleep(2 * time.Millisecond)
	}
	return false
}

// silence has nothing go to an address or come from it, or ends that.
func (n *packets) silence(addr string, mute bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.mute[addr] = mute
}

// close ends the goroutines; every node is closed by then.
func (n *packets) close() {
	n.mu.Lock()
	for _, h := range n.hosts {
		close(h.queue)
	}
	n.mu.Unlock()
	n.wg.Wait()
}
