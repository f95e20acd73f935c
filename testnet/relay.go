package testnet

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
)

// relays stand before the nodes of a network: the directory names the relay's address, and the relay passes every datagram on to the
// node and back. A node sends from the port on which it listens, so a relay knows which node speaks, and can keep from another node
// what it says, in one direction alone. What is cut is dropped, as a broken cable would.
type relays struct {
	mu    sync.RWMutex
	nodes map[netip.AddrPort]*Node // by the address from which a node sends
	cut   map[[2]*Node]bool        // from, to
	all   []*relay
}

// relay is the one before one node.
type relay struct {
	of     *relays
	node   *Node
	inside netip.AddrPort
	public *net.UDPConn
	wg     sync.WaitGroup

	mu     sync.Mutex
	closed bool
	flows  map[netip.AddrPort]*net.UDPConn // towards the node, by who speaks to it
}

// Bounds of one relay.
const (
	maxFlows    = 4096      // who may speak to one node; a datagram of one more is dropped
	maxDatagram = 64 << 10  // bytes
	relayBuffer = 512 << 10 // bytes, of each socket
)

func newRelays() *relays {
	return &relays{nodes: map[netip.AddrPort]*Node{}, cut: map[[2]*Node]bool{}}
}

// add puts a relay before a node and returns the address on which it listens.
func (r *relays) add(n *Node) (string, error) {
	inside, err := netip.ParseAddrPort(n.listen)
	if err != nil {
		return "", fmt.Errorf("relay: %w", err)
	}
	public, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return "", fmt.Errorf("relay: %w", err)
	}
	x := &relay{of: r, node: n, inside: inside, public: public, flows: map[netip.AddrPort]*net.UDPConn{}}
	for _, set := range []func(int) error{public.SetReadBuffer, public.SetWriteBuffer} {
		_ = set(relayBuffer) // the system's own will do otherwise
	}
	r.mu.Lock()
	r.nodes[inside] = n
	r.all = append(r.all, x)
	r.mu.Unlock()
	x.wg.Go(x.inward)
	return public.LocalAddr().String(), nil
}

// close ends every relay and waits for it. There may be none.
func (r *relays) close() error {
	if r == nil {
		return nil
	}
	r.mu.RLock()
	list := r.all
	r.mu.RUnlock()
	var errs []error
	for _, x := range list {
		errs = append(errs, x.public.Close())
		x.mu.Lock()
		x.closed = true
		for _, f := range x.flows {
			errs = append(errs, f.Close())
		}
		x.mu.Unlock()
		x.wg.Wait()
	}
	return errors.Join(errs...)
}

// passes says whether what from sends reaches to. Nil is nobody of this network: an officer.
func (r *relays) passes(from, to *Node) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return from == nil || !r.cut[[2]*Node{from, to}]
}

func (r *relays) who(a netip.AddrPort) *Node {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.nodes[a]
}

// inward passes on what comes for the node, until the relay is closed.
func (x *relay) inward() {
	b := make([]byte, maxDatagram)
	for {
		n, from, err := x.public.ReadFromUDPAddrPort(b)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // the far end of an earlier datagram is gone
		}
		from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
		flow := x.flow(from)
		if flow != nil && x.of.passes(x.of.who(from), x.node) {
			_, _ = flow.Write(b[:n]) // a node that does not run loses it
		}
	}
}

// flow returns the socket by which the node hears from one address; nil: there are too many.
func (x *relay) flow(from netip.AddrPort) *net.UDPConn {
	x.mu.Lock()
	defer x.mu.Unlock()
	if f := x.flows[from]; f != nil || x.closed || len(x.flows) == maxFlows {
		return f
	}
	f, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(x.inside))
	if err != nil {
		return nil
	}
	x.flows[from] = f
	x.wg.Go(func() { x.outward(f, from) })
	return f
}

// outward passes back what the node answers to one address, until the relay is closed.
func (x *relay) outward(f *net.UDPConn, to netip.AddrPort) {
	b := make([]byte, maxDatagram)
	for {
		n, err := f.Read(b)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // the node does not run
		}
		if x.of.passes(x.node, x.of.who(to)) {
			_, _ = x.public.WriteToUDPAddrPort(b[:n], to)
		}
	}
}

// Cut drops everything that from sends to to, and nothing that to sends to from, until Mend. The network must have relays.
func (w *Network) Cut(from, to *Node) {
	w.relays.mu.Lock()
	defer w.relays.mu.Unlock()
	w.relays.cut[[2]*Node{from, to}] = true
}

// Mend ends every cut.
func (w *Network) Mend() {
	w.relays.mu.Lock()
	defer w.relays.mu.Unlock()
	clear(w.relays.cut)
}
