package node

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"example.org/hotline/hotline/ledger"
)

// metrics are the figures for Prometheus. None of them shows content; they are
// served on loopback only, since they show when a party is busy.
type metrics struct {
	registry *prometheus.Registry
	events   *prometheus.CounterVec
	refused  *prometheus.CounterVec
	attempts *prometheus.CounterVec
	pages    *prometheus.CounterVec
	unproven prometheus.Counter

	lineTests *prometheus.CounterVec

	witnessed    *prometheus.CounterVec
	cosignatures *prometheus.CounterVec

	record *prometheus.CounterVec

	sensorLines *prometheus.CounterVec
	sensorHits  *prometheus.CounterVec
	sensorGaps  *prometheus.CounterVec

	pageAttempts *prometheus.CounterVec
	pageEnds     *prometheus.CounterVec
	pageFailing  *prometheus.GaugeVec
}

func newMetrics(n *Node) *metrics {
	m := &metrics{registry: prometheus.NewRegistry()}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "hotline", Name: name, Help: help}, labels)
		m.registry.MustRegister(c)
		return c
	}
	m.events = counter("link_events_total", "Events on lines and at the edge, by name and peer.", "event", "peer")
	m.refused = counter("refused_total", "Statements and documents refused, by where they came from and code.", "from", "code")
	m.attempts = counter("delivery_attempts_total", "Attempts to deliver, by peer and outcome.", "peer", "outcome")
	m.pages = counter("pages_total", "Pages, repeated ones too, by office and status.", "office", "status")
	m.pageAttempts = counter("page_attempts_total", "Attempts over page channels of this node, by channel and result.", "channel", "result")
	m.pageEnds = counter("page_ends_total", "Pages whose end this node recorded, by end.", "end")
	m.pageFailing = prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "hotline", Name: "page_channel_failing",
		Help: "1 while a page channel of this node has failed its newest daily test."}, []string{"channel"})
	m.registry.MustRegister(m.pageFailing)
	m.record = counter("record_requests_total", "Requests to the record service, by what was asked: checkpoint, tile, refused, limited.", "what")
	m.sensorLines = counter("sensor_lines_total", "Lines read from a sensor's file, by what became of them: alert, skipped, broken.", "sensor", "outcome")
	m.sensorHits = counter("sensor_hits_total", "Hits of a sensor, by what became of them: taken, refused, left-out.", "sensor", "outcome")
	m.sensorGaps = counter("sensor_gaps_total", "Times that lines of a sensor may have been lost between two of its files.", "sensor")
	m.lineTests = counter("line_tests_total", "Attempts of this node to deliver a line test, by peer, node of the peer and outcome.", "peer", "node", "outcome")
	m.registry.MustRegister(&lineCollector{n})
	m.witnessed = counter("witnessed_total", "Checkpoints that peers asked this node to cosign, by peer and outcome.", "peer", "outcome")
	m.cosignatures = counter("cosignatures_total", "Answers of witnesses to checkpoints of this log, by witness and outcome.", "witness", "outcome")
	m.unproven = prometheus.NewCounter(prometheus.CounterOpts{Namespace: "hotline", Name: "time_unproven_total",
		Help: "Commands whose time no majority of the group's clocks backed."})
	m.registry.MustRegister(m.unproven)
	m.gauges(n)
	return m
}

// gauges registers the figures that are looked up when they are asked for.
func (m *metrics) gauges(n *Node) {
	gauge := func(name, help string, f func() float64) {
		m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "hotline", Name: name, Help: help}, f))
	}
	gauge("ledger_entries", "Entries in the ledger.", func() (v float64) {
		n.viewIfOpen(func(s *ledger.State) { v = float64(s.Size()) })
		return v
	})
	gauge("behind_entries", "Committed entries whose signatures this node has not verified yet.", func() (v float64) {
		n.viewIfOpen(func(s *ledger.State) { v = float64(s.Size() - min(n.behind.next.Load(), s.Size())) })
		return v
	})
	gauge("scrub_last_pass_seconds", "When the ledger files were last read again as a whole, in seconds since 1970; 0 if never.", func() float64 {
		if n.scrub == nil {
			return 0
		}
		return float64(n.scrub.last.Load()) / 1000
	})
	gauge("behind_head", "1 while a peer holds a head of this log that this node does not extend, or a restored node waits for its peers.", func() float64 {
		if n.machine != nil && n.heads != nil && n.isBehind() {
			return 1
		}
		return 0
	})
	gauge("duties_open", "Duties that are open.", func() (v float64) {
		n.viewIfOpen(func(s *ledger.State) { v = float64(len(s.OpenDuties())) })
		return v
	})
	gauge("duties_overdue", "Duties that are open and overdue.", func() (v float64) {
		n.viewIfOpen(func(s *ledger.State) {
			for _, d := range s.OpenDuties() {
				if d.Overdue {
					v++
				}
			}
		})
		return v
	})
	gauge("next_clock_seconds", "When the earliest clock that has not fired is due, in seconds since 1970; 0 if there is none.", func() float64 {
		if n.machine == nil {
			return 0
		}
		due, _ := n.nextDeadline()
		return float64(due) / 1000
	})
	gauge("ladder_until_seconds", "When the rotas of the ladder in force end, in seconds since 1970; 0 if it has none.", func() float64 {
		return float64(n.rotasUntil()) / 1000
	})
	gauge("checkpoint_seconds", "When this node last made a checkpoint as leader, in seconds since 1970; 0 if never.", func() float64 {
		return n.gathered.figures().made
	})
	gauge("cosigned_entries", "Entries in the newest cosigned checkpoint of this log that this node has gathered or kept.", func() float64 {
		return n.gathered.figures().size
	})
	gauge("cosigned_witnesses", "Witnesses that have cosigned that checkpoint since this node leads.", func() float64 {
		return n.gathered.figures().witnesses
	})
	gauge("leader", "1 while this node leads its group.", func() float64 {
		if n.member != nil && n.member.IsLeader() {
			return 1
		}
		return 0
	})
}

func (n *Node) viewIfOpen(f func(s *ledger.State)) {
	if n.machine != nil {
		n.machine.view(f)
	}
}

// Registry holds the node's metrics.
func (n *Node) Registry() *prometheus.Registry { return n.metrics.registry }

// Healthy reports why the node should not be counted on, or nil: its history
// is whole, its group has a leader, and it signs what is committed.
func (n *Node) Healthy() error {
	if err := n.machine.complete(); err != nil {
		return err
	}
	if _, ok := n.member.Leader(); !ok {
		return errors.New("the group has no leader")
	}
	return n.maySign()
}

// Alive returns when the ledger's state could be read: not while Apply hangs.
func (n *Node) Alive() { n.machine.view(func(*ledger.State) {}) }
