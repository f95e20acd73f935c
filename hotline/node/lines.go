package node

import (
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/desk"
	"example.org/hotline/hotline/ledger"
	"example.org/hotline/hotline/link"
)

// How the lines are (SPEC §6.12): what their tests have shown stands in the
// ledger, the same on every node; what the paths are like, each node knows of
// its own connections.

// lineBook is what this node has seen of the peers' nodes, for as long as they
// are in a directory in force.
type lineBook struct {
	now func() hotline.Time

	mu    sync.Mutex
	nodes map[nodeKey]nodeSeen
}

type nodeKey struct {
	party hotline.Party
	name  string
}

type nodeSeen struct {
	ahead   hotline.Time // of the peer's clock before this one's, ms
	greeted hotline.Time // when that was read; 0: never
	taken   uint64       // line tests of this node that it took
	takenAt hotline.Time
	failed  uint64 // attempts that it did not take
}

func newLineBook(now func() hotline.Time) *lineBook {
	return &lineBook{now: now, nodes: map[nodeKey]nodeSeen{}}
}

func (b *lineBook) note(p hotline.Party, name string, f func(*nodeSeen)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	x := b.nodes[nodeKey{p, name}]
	f(&x)
	b.nodes[nodeKey{p, name}] = x
}

func (b *lineBook) seen(p hotline.Party, name string) nodeSeen {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.nodes[nodeKey{p, name}]
}

// keep forgets the nodes of earlier directories.
func (b *lineBook) keep(peers []link.Peer) {
	b.mu.Lock()
	defer b.mu.Unlock()
	nodes := map[nodeKey]nodeSeen{}
	for _, p := range peers {
		for _, n := range p.Nodes {
			if x, ok := b.nodes[nodeKey{p.Party, n.Name}]; ok {
				nodes[nodeKey{p.Party, n.Name}] = x
			}
		}
	}
	b.nodes = nodes
}

// greeted reads the peer's clock from an answer to a hello, as of the middle of
// the round trip.
func (b *lineBook) greeted(p hotline.Party, name string, a *link.Answer, roundTrip time.Duration) {
	now := b.now()
	b.note(p, name, func(x *nodeSeen) {
		x.ahead, x.greeted = a.Time-(now-hotline.Time(roundTrip.Milliseconds())/2), now
	})
}

// tested notes whether a node took a line test.
func (b *lineBook) tested(p hotline.Party, name string, took bool, at hotline.Time) {
	b.note(p, name, func(x *nodeSeen) {
		if took {
			x.taken, x.takenAt = x.taken+1, at
		} else {
			x.failed++
		}
	})
}

// lineTurn is which of the peer's nodes a line test enters by, counted from 1:
// slots of one party are two intervals apart.
func (n *Node) lineTurn(at hotline.Time) (turn uint64) {
	n.machine.view(func(s *ledger.State) {
		if c := s.Convention(at); c != nil && c.Terms.LineTest > 0 {
			turn = uint64(at/hotline.Time(2*c.Terms.LineTest)) + 1
		}
	})
	return turn
}

// nodeAt names the node of a peer at a path; "" if it is gone.
func (n *Node) nodeAt(p hotline.Party, path int) string {
	for _, peer := range n.roster.get().peers {
		if peer.Party == p && path < len(peer.Nodes) {
			return peer.Nodes[path].Name
		}
	}
	return ""
}

// maxLinkError bounds why a path is down, as a desk is told.
const maxLinkError = 120

func (n *Node) nodeViews(p link.PeerStatus) []desk.NodeView {
	list := make([]desk.NodeView, 0, len(p.Nodes))
	for _, x := range p.Nodes {
		seen := n.lines.seen(p.Party, x.Node)
		list = append(list, desk.NodeView{Node: x.Node, Link: desk.LinkState(x.State), Since: hotline.Time(x.Since.UnixMilli()),
			RTT: uint64(x.RTT.Microseconds()), Ahead: int64(seen.ahead), Greeted: seen.greeted, Taken: seen.taken, TakenAt: seen.takenAt,
			Failed: seen.failed, Error: cut(x.LastError, maxLinkError)})
	}
	return list
}

// cut returns at most so many bytes of a text, and no part of a letter: a text that
// is no UTF-8 would make the whole answer unreadable.
func cut(text string, bytes int) string { return strings.ToValidUTF8(text[:min(len(text), bytes)], "") }

// linePart is what the ledger says of a line.
func linePart(s *ledger.State, v *desk.PeerView) {
	if pair := s.Pair(v.Party); pair != nil {
		v.Asked, v.RoundTrip, v.Heard = pair.Asked, uint64(pair.RoundTrip), pair.Heard
		v.Here, v.There = desk.ManView(pair.Here), desk.ManView(pair.There)
		for _, d := range pair.Duties {
			if d.Overdue && (d.Class == hotline.DutyLineAnswered || d.Class == hotline.DutyLineHeard) {
				v.Rings = append(v.Rings, d.Class)
			}
		}
	}
	if d := s.Directory(v.Party); d != nil {
		v.Confirmed = d.Confirmed
	}
}

// contactAlarms names the parties whose directory confirms its contact data no
// longer, or never did: nothing is recorded of a peer's, but people must know
// before they need the telephone.
func contactAlarms(s *ledger.State, now hotline.Time) []string {
	c := s.Convention(now)
	if c == nil || c.Terms.Contacts == 0 {
		return nil
	}
	var list []string
	for _, p := range append(s.Peers(), s.Self()) {
		d := s.Directory(p)
		if d == nil || c.Observes(p) { // nobody there is on call
			continue
		}
		term := hotline.Time(c.Terms.Contacts)
		switch {
		case d.Confirmed == 0 && d.Issued+term <= now:
			list = append(list, "the contact data of "+string(p)+" were never confirmed")
		case d.Confirmed != 0 && d.Confirmed+term <= now:
			days := int64(now-d.Confirmed) / (24 * time.Hour).Milliseconds()
			list = append(list, "the contact data of "+string(p)+" were last confirmed "+strconv.FormatInt(days, 10)+" days ago")
		}
	}
	return list
}

// lineCollector makes the figures of lines and contacts when they are asked
// for.
type lineCollector struct{ n *Node }

func lineFigure(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("hotline_"+name, help, labels, nil)
}

var (
	figureUp        = lineFigure("line_up", "1 while this node has a connection to the peer's node on which hellos are answered.", "peer", "node")
	figureSilent    = lineFigure("line_silent", "1 while this node has a connection to the peer's node on which hellos are not answered.", "peer", "node")
	figureSince     = lineFigure("line_since_seconds", "When the connection to the peer's node came or went, in seconds since 1970.", "peer", "node")
	figureRTT       = lineFigure("line_rtt_seconds", "Smoothed round trip of packets to the peer's node; 0 while down.", "peer", "node")
	figureAhead     = lineFigure("line_clock_ahead_seconds", "How far the clock of the peer's node is ahead of this one's, by its newest hello.", "peer", "node")
	figureTested    = lineFigure("line_tested_seconds", "Newest own line test that was answered, in seconds since 1970; 0 if none.", "peer")
	figureTrip      = lineFigure("line_round_trip_seconds", "From that test to its reply, through both ledgers.", "peer")
	figureHeard     = lineFigure("line_heard_seconds", "Newest line test of the peer, in seconds since 1970; 0 if none.", "peer")
	figureMissed    = lineFigure("line_missed", "Own line tests without reply, in a row.", "peer")
	figureRings     = lineFigure("line_alarm", "1 while the alarm of a direction rings: answered (own tests) or heard (the peer's).", "peer", "direction")
	figureManned    = lineFigure("watch_test_seconds", "When a person here, or there, last acknowledged a TEST, in seconds since 1970; 0 if never.", "peer", "side")
	figureConfirmed = lineFigure("contacts_confirmed_seconds", "When a party's directory last confirmed its contact data, in seconds since 1970; 0 if never.", "party")
)

// Describe names the figures.
func (c *lineCollector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{figureUp, figureSilent, figureSince, figureRTT, figureAhead, figureTested, figureTrip, figureHeard,
		figureMissed, figureRings, figureManned, figureConfirmed} {
		out <- d
	}
}

// Collect makes them.
func (c *lineCollector) Collect(out chan<- prometheus.Metric) {
	n := c.n
	if n.line == nil || n.machine == nil {
		return
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	var peers []desk.PeerView
	var own hotline.Time
	lines := n.line.Status()
	n.machine.view(func(s *ledger.State) {
		for _, p := range lines {
			peers = append(peers, n.peerView(s, p))
		}
		if d := s.Directory(s.Self()); d != nil {
			own = d.Confirmed
		}
	})
	gauge(figureConfirmed, seconds(own), n.cfg.Party)
	for i := range peers {
		collectPeer(&peers[i], gauge)
	}
}

func collectPeer(p *desk.PeerView, gauge func(*prometheus.Desc, float64, ...string)) {
	peer := string(p.Party)
	for _, x := range p.Nodes {
		gauge(figureUp, truth(x.Link == desk.LinkUp), peer, x.Node)
		gauge(figureSilent, truth(x.Link == desk.LinkSilent), peer, x.Node)
		gauge(figureSince, seconds(x.Since), peer, x.Node)
		gauge(figureRTT, float64(x.RTT)/1e6, peer, x.Node)
		if x.Greeted != 0 {
			gauge(figureAhead, float64(x.Ahead)/1000, peer, x.Node)
		}
	}
	gauge(figureTested, seconds(p.Tested), peer)
	gauge(figureTrip, float64(p.RoundTrip)/1000, peer)
	gauge(figureHeard, seconds(p.Heard), peer)
	gauge(figureMissed, float64(p.Missed), peer)
	rings := map[hotline.Duty]bool{}
	for _, d := range p.Rings {
		rings[d] = true
	}
	gauge(figureRings, truth(rings[hotline.DutyLineAnswered]), peer, "answered")
	gauge(figureRings, truth(rings[hotline.DutyLineHeard]), peer, "heard")
	gauge(figureManned, seconds(p.Here.At), peer, "here")
	gauge(figureManned, seconds(p.There.At), peer, "there")
	gauge(figureConfirmed, seconds(p.Confirmed), peer)
}

func seconds(t hotline.Time) float64 { return float64(t) / 1000 }

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
