package testnet

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/quic-go/quic-go"

	"example.org/hotline/crypto/keys"
	"example.org/hotline/crypto/tlog"
	"example.org/hotline/hotline"
	"example.org/hotline/hotline/ledger"
	"example.org/hotline/hotline/replica"
	"example.org/hotline/ops/ceremony"
	"example.org/hotline/ops/config"
)

// growth writes a long log into the data directory of a node that does not run: with the node's own ledger, tile store and Raft member, but in
// this process and without an officer for each of 50,000 statements. The log is of a quiet party of one node: its authority sets a ladder
// every growthStep, and each needs a clock entry before it. Nothing stays open, so that the state at the end is the same for a short log
// and a long one.
type growth struct {
	node   *Node
	author *Officer
	state  *ledger.State
	store  *tlog.Store
	member *replica.Member
	last   hotline.ID // the newest statement
	made   uint64     // ladders
	at     hotline.Time
}

// growthStep is so large that the memory of a day (hotline.SubmitWindow) holds less than the shorter of the two logs.
const growthStep = 3 * time.Minute

// Apply implements replica.Machine.
func (g *growth) Apply(commands []replica.Command) []any {
	results := make([]any, len(commands))
	for i, raw := range commands {
		c, err := ledger.DecodeCommand(raw.Data)
		if err == nil {
			err = g.apply(c)
		}
		results[i] = err
	}
	return results
}

func (g *growth) apply(c *ledger.Command) error {
	r := g.state.Apply(c)
	if r.Code != "" {
		return &hotline.Refusal{Code: r.Code, Text: r.Text}
	}
	return g.store.Append(r.Entries...)
}

// Snapshot implements replica.Machine, as the node does.
func (g *growth) Snapshot() (func(io.Writer) error, error) {
	if err := g.store.Sync(); err != nil {
		return nil, err
	}
	b, err := g.state.Snapshot()
	return func(w io.Writer) error {
		_, err := w.Write(b)
		return err
	}, err
}

// Restore implements replica.Machine.
func (g *growth) Restore(io.Reader) error {
	return errors.New("a growing log begins without a snapshot")
}

// nobody is the network of a group of one.
type nobody struct{}

func (nobody) Dial(context.Context, string, string) (*quic.Conn, error) {
	return nil, errors.New("the group has one member")
}

func (nobody) Accept(ctx context.Context) (*quic.Conn, string, error) {
	<-ctx.Done()
	return nil, "", net.ErrClosed
}

// grow writes a log of size entries and returns how long each of so many snapshots of it took, in milliseconds.
func (n *Node) grow(ctx context.Context, documents *ceremony.Documents, size uint64, snapshots int) (g *growth, took []float64, err error) {
	data := filepath.Join(n.dir, "data")
	if err := os.MkdirAll(data, 0o700); err != nil {
		return nil, nil, err
	}
	g = &growth{node: n, author: n.party.Officer("A1"), state: ledger.New()}
	if g.store, err = tlog.Open(filepath.Join(data, "ledger")); err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, g.store.Close()) }()
	g.at = now() - hotline.Time(size/2+1)*hotline.Time(growthStep.Milliseconds())
	if err := g.found(documents); err != nil {
		return nil, nil, err
	}
	// What a node keeps in its Raft log behind a snapshot goes through Raft, so that the log is as long as a node's.
	kept := config.Default().Group.SnapshotEvery
	for g.state.Size()+2*kept < size {
		c, err := g.next()
		if err == nil {
			err = g.apply(c)
		}
		if err != nil {
			return nil, nil, err
		}
	}
	if err := g.join(ctx, filepath.Join(data, "raft"), kept); err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, g.member.Close()) }()
	for g.state.Size()+uint64(snapshots) < size {
		if err := g.propose(ctx); err != nil {
			return nil, nil, err
		}
	}
	if err := g.store.Sync(); err != nil { // of this long a log that a node would have synced bit by bit
		return nil, nil, err
	}
	for range snapshots {
		if err := g.propose(ctx); err != nil {
			return nil, nil, err
		}
		began := time.Now()
		if err := g.member.Snapshot(ctx); err != nil {
			return nil, nil, err
		}
		took = append(took, millis(time.Since(began)))
	}
	return g, took, nil
}

// found applies what a group's log begins with.
func (g *growth) found(documents *ceremony.Documents) error {
	first := documents.Convention()
	list := []*ledger.Command{
		{Type: ledger.Genesis, Genesis: &hotline.Genesis{Party: g.node.party.Code, Generation: 1, Convention: first.ID, Rules: ledger.RulesVersion}},
		{Type: ledger.Members, Voters: []string{g.node.Name}},
	}
	for _, raw := range documents.Raw() {
		list = append(list, &ledger.Command{Type: ledger.Document, Document: raw})
	}
	for _, c := range list {
		g.stamp(c)
		if err := g.apply(c); err != nil {
			return fmt.Errorf("command of type %d: %w", c.Type, err)
		}
	}
	return nil
}

// stamp gives a command what the leader gives it.
func (g *growth) stamp(c *ledger.Command) {
	g.at += hotline.Time(growthStep.Milliseconds())
	if t := now(); g.at > t {
		g.at = t
	}
	c.Time, c.Seed = g.at, make([]byte, 32)
	_, _ = rand.Read(c.Seed) // never fails on this platform
	if g.state.Self() != "" && g.state.NeedsReadings(c.Time) {
		c.Readings = []hotline.Reading{{Node: g.node.Name, Time: c.Time}}
	}
}

// next is the command that hands in the next ladder.
func (g *growth) next() (*ledger.Command, error) {
	c := new(ledger.Command)
	g.stamp(c)
	g.made++
	convention, page := g.author.documents.Convention(), g.author.documents.Directory(g.node.party.Code)
	rung := []hotline.Rung{{Permille: hotline.Deadline, Office: "director", Targets: []string{g.author.Name}}}
	body, err := hotline.Marshal(&hotline.Ladder{Number: g.made, Owing: rung, Receiving: rung})
	if err != nil {
		return nil, err
	}
	raw, err := hotline.Sign(hotline.Header{Kind: hotline.KindLadder, Status: hotline.Actual, Precedence: hotline.Routine, TLP: hotline.TLPAmber,
		From: g.node.party.Code, Authors: []keys.ID{g.author.key.Public().ID()}, Convention: convention.ID, ConventionVersion: convention.Version,
		Directory: page.Number, Issued: c.Time}, body, g.author.key)
	if err != nil {
		return nil, err
	}
	st, err := hotline.Parse(raw)
	if err != nil {
		return nil, err
	}
	g.last, c.Type, c.Statement = st.ID, ledger.Submit, raw
	return c, nil
}

// join opens the member with which the node will go on.
func (g *growth) join(ctx context.Context, dir string, kept uint64) (err error) {
	self := replica.Server{ID: g.node.Name, Address: g.node.Addr, Voter: true}
	g.member, err = replica.Open(replica.Config{ID: self.ID, Address: self.Address, Dir: dir, Network: nobody{}, Machine: g,
		Bootstrap: []replica.Server{self}, SnapshotEvery: kept, Trailing: kept, Stop: func(error) {}})
	if err != nil {
		return err
	}
	_, err = g.member.WaitLeader(ctx)
	return err
}

func (g *growth) propose(ctx context.Context) error {
	c, err := g.next()
	if err != nil {
		return err
	}
	b, err := hotline.Marshal(c)
	if err != nil {
		return err
	}
	result, err := g.member.Propose(ctx, b)
	if err != nil {
		return err
	}
	err, _ = result.(error)
	return err
}
