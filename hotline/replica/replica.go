// Package replica is one member of one party's Raft group over opaque bytes.
//
// It keeps a log of commands that a majority of the group has on disk, feeds
// every committed command to a Machine in the same order on every member, takes
// and verifies snapshots, changes membership, and carries requests between
// members. It knows nothing of what the bytes mean, and it owns neither the
// socket nor TLS: connections come authenticated from a Network.
//
// DESIGN.md in this directory lists the known traps of the libraries below it,
// how each is handled, and which test shows it.
package replica

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/quic-go/quic-go"
)

// ALPN is the protocol name of connections inside a group.
const ALPN = "hotline-raft/1"

// Bounds. All are hard: beyond them a call fails, it does not wait for ever.
const (
	// MaxCommand is the largest command that Propose accepts, in bytes.
	MaxCommand = 1 << 20
	// MaxRequest is the largest request that Ask and AskMember carry, in bytes.
	MaxRequest = 1 << 20
	// MaxResponse is the largest answer that Serve may give, in bytes.
	MaxResponse = 4 << 20
	// MaxProposals is the number of proposals of one member that may be
	// undecided at a time; MaxProposalBytes bounds the sum of their sizes.
	MaxProposals     = 1024
	MaxProposalBytes = 32 << 20
	// MaxServing is the number of requests of one other member that are served at
	// a time, MaxServeQueue how many more may wait, first come, first served.
	MaxServing    = 32
	MaxServeQueue = 256
	// MaxAsking and MaxAskQueue bound the other end in the same way: requests of
	// this member under way to one other member, and those waiting for a place.
	MaxAsking   = 32
	MaxAskQueue = 1024
	// MaxLag is how many committed entries a non-voter may be behind the leader
	// when it is promoted.
	MaxLag = 64
	// MaxMembers is the largest number of members of a group, non-voters included.
	MaxMembers = 16
)

// Errors of requests. Each says whether the request may have had an effect.
var (
	// ErrNotLeader: this member is not the leader or is handing leadership over.
	// Certainly not proposed.
	ErrNotLeader = errors.New("not the leader of the group, ask the leader")
	// ErrNoLeader: no leader could be reached in time. Certainly not delivered.
	ErrNoLeader = errors.New("no leader of the group could be reached, try again")
	// ErrUnknown: the outcome is unknown: it may have happened, may still happen, or
	// never. It must never be answered with a refusal; ask again with the same id.
	ErrUnknown = errors.New("outcome unknown, ask again with the same id")
	// ErrBusy: a queue is full. Certainly not proposed, not served.
	ErrBusy = errors.New("too many requests under way, try again later")
	// ErrTooLarge: a command, a request or an answer is over its bound.
	ErrTooLarge = errors.New("over the size bound")
	// ErrNotMember: the named server is not a member of the group.
	ErrNotMember = errors.New("not a member of the group")
	// ErrLagging: the member is too far behind to be given a vote.
	ErrLagging = errors.New("member has not caught up, try again later")
	// ErrUnreachable: the member could not be reached, or refused. Certainly not
	// delivered.
	ErrUnreachable = errors.New("member could not be reached")
	// ErrStopped: this member is closing, closed, or has failed. Certainly not
	// proposed.
	ErrStopped = errors.New("member is stopped")
)

// Network is the member's view of the others. The node owns the UDP socket,
// TLS and ALPN.
//
// QUICConfig gives the connection settings that replica was made for.
type Network interface {
	// Dial connects to another member of the same group with ALPN. It returns
	// only after the far end has proved to be that member. The caller owns the
	// connection.
	Dial(ctx context.Context, member, addr string) (*quic.Conn, error)
	// Accept waits for an inbound connection and returns it with the name of
	// the member that it has been authenticated as. The caller owns the
	// connection. It returns when ctx ends.
	Accept(ctx context.Context) (conn *quic.Conn, member string, err error)
}

// Command is one committed command.
type Command struct {
	Index uint64 // its place in the Raft log; grows, with gaps, and is the same for commands of one bundle
	Data  []byte // as proposed; shared with the log, must not be changed
}

// Machine is what the log drives. Apply, Snapshot and Restore are never called
// concurrently with one another, but not always on the same goroutine.
type Machine interface {
	// Apply is called once per committed batch, in order. It must be
	// deterministic and return one result per command; a result goes back to the
	// proposer when that is on this member. After a restart Apply starts again
	// behind the newest snapshot. A panic stops the process by way of Config.Stop.
	Apply(commands []Command) []any
	// Snapshot captures the state now and returns a function that writes it
	// later, concurrently with Apply and Restore.
	Snapshot() (func(w io.Writer) error, error)
	// Restore replaces the whole state. Every byte that r yields has been
	// verified. An error stops the process, since the state is then undefined.
	Restore(r io.Reader) error
}

// Server is one member of the group.
type Server struct {
	ID      string // stable name; never used again after its disk was lost
	Address string // where Network dials it
	Voter   bool
}

// Timing holds the durations of a group. Zero means the default. All members of
// a group should have the same.
type Timing struct {
	Heartbeat time.Duration // without contact for this long, a follower stands for election; default 500 ms
	Election  time.Duration // length of one election round, at least Heartbeat; default 500 ms
	Lease     time.Duration // a leader without a majority for this long steps down, at most Heartbeat; default 250 ms
	Commit    time.Duration // an idle leader tells the commit index this often; default 50 ms
	Write     time.Duration // one write to disk longer than this stops the process; default 2 s
}

// Config describes one member.
type Config struct {
	ID      string // of this member
	Address string // of this member, for the others
	Dir     string // exclusive to this member; created when missing
	Network Network
	Machine Machine
	// Serve answers a request of a member (of this one too). It is called
	// concurrently and must return soon after ctx ends. Nil refuses all requests.
	Serve  func(ctx context.Context, from string, request []byte) []byte
	Timing Timing
	// SnapshotEvery is the number of log entries (of up to 32 commands each, when
	// many come at once) after which a snapshot is taken, default 1024; Trailing is how many entries stay in the log behind a
	// snapshot, so that a member that was away for a while needs no snapshot,
	// default 10240.
	SnapshotEvery uint64
	Trailing      uint64
	Logger        *slog.Logger // nil: no log
	// Stop is called once, on a goroutine of its own, when the process must
	// stop: a stalled or failed disk, a corrupt log or snapshot, a panicking
	// Machine. The member is silent towards the group from then on, so that
	// another can lead. Stop should end the process without cleaning up.
	Stop func(error)
	// CaughtUp says why this member is not yet fit for a vote, although its log is
	// (history still being fetched). It is asked by Promote. Nil: always fit.
	CaughtUp func() error
	// Bootstrap is the first configuration. It is used only when Dir is empty,
	// and must then be the same on every member named in it. A member that is to
	// be added to a running group has none.
	Bootstrap []Server

	openLog func(dir string, cfg *Config) (diskLog, error) // tests put faults here
}

// Stats is a view of one member, for metrics and status pages.
type Stats struct {
	ID          string
	Leader      string // "" when none is known
	IsLeader    bool
	Term        uint64
	Applied     uint64 // last entry given to the Machine
	Committed   uint64 // last entry known to be committed
	Last        uint64 // last entry in this member's log
	LastContact time.Duration
	Proposals   int // undecided proposals of this member
	Members     []Server
}

// QUICConfig returns connection settings for inside a group: a silent peer is
// noticed after 5 s, and the number of streams fits the queues above.
func QUICConfig() *quic.Config {
	return &quic.Config{
		HandshakeIdleTimeout:  3 * time.Second,
		MaxIdleTimeout:        5 * time.Second,
		KeepAlivePeriod:       1500 * time.Millisecond,
		MaxIncomingStreams:    MaxServing + MaxServeQueue + maxRaftStreams,
		MaxIncomingUniStreams: -1,
	}
}

const (
	defaultSnapshotEvery = 1024
	defaultTrailing      = 10240
)

func orDefault[T comparable](value *T, fallback T) {
	var zero T
	if *value == zero {
		*value = fallback
	}
}

// complete fills in the defaults and refuses what cannot work.
func (c *Config) complete() error {
	orDefault(&c.Timing.Heartbeat, 500*time.Millisecond)
	orDefault(&c.Timing.Election, max(c.Timing.Heartbeat, 500*time.Millisecond))
	orDefault(&c.Timing.Lease, c.Timing.Heartbeat/2)
	orDefault(&c.Timing.Commit, 50*time.Millisecond)
	orDefault(&c.Timing.Write, 2*time.Second)
	orDefault(&c.SnapshotEvery, defaultSnapshotEvery)
	orDefault(&c.Trailing, defaultTrailing)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.openLog == nil {
		c.openLog = openDiskLog
	}
	switch {
	case c.ID == "":
		return errors.New("replica: no ID, set the member's own name")
	case c.Address == "":
		return errors.New("replica: no Address, set where the others dial this member")
	case c.Dir == "":
		return errors.New("replica: no Dir, set a directory of the member's own")
	case c.Network == nil || c.Machine == nil || c.Stop == nil:
		return errors.New("replica: Network, Machine and Stop must all be set")
	case len(c.Bootstrap) > MaxMembers:
		return fmt.Errorf("replica: %d members to start with, at most %d are possible", len(c.Bootstrap), MaxMembers)
	}
	if len(c.Bootstrap) == 0 {
		return nil
	}
	for _, s := range c.Bootstrap {
		if s.ID == c.ID {
			return nil
		}
	}
	return fmt.Errorf("replica: Bootstrap does not name this member, %s", c.ID)
}
