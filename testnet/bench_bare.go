package testnet

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quic-go/quic-go"

	"example.org/hotline/crypto/keys"
	"example.org/hotline/hotline/node"
	"example.org/hotline/hotline/replica"
)

// The bare way is that of a statement with nothing of the project on it but the replica: an officer's request, three commits in groups of
// three processes, the exchange between the groups, and the officer's answer, in messages as large as those of a text. Nothing is
// signed, verified or decided, and no file is written but Raft's own. What this costs on a machine, the ledger's work comes on top of.

// BareRole is the argument with which the program of BenchOptions runs RunBare instead of a node.
const BareRole = "bare"

// bareName begins the names of the figures.
const bareName = "3+3 processes, Raft and QUIC alone, "

// Sizes in bytes of what goes the bare way: a text that is sealed and signed, and each proof beside it: the sender's entry, the tender, the
// receipt.
const (
	bareStatement = 3200
	bareProof     = 600
)

// The first byte of a message says what it is.
const (
	bareSubmit  byte = 'S' // answered with one byte when the statement is committed, and one more when its receipt is
	bareDeliver byte = 'D' // answered with a receipt
)

// bareTiming keeps a group to its leader: a change would fail the run.
var bareTiming = replica.Timing{Heartbeat: 2 * time.Second, Election: 2 * time.Second, Lease: 2 * time.Second}

// bareOrders is what a process of a group reads first from its standard input. It then says when it leads; a leader of senders reads the
// address of the leader that it sends to.
type bareOrders struct {
	ID      string
	Dir     string
	Members []replica.Server
}

// bareNode is a process of a group.
type bareNode struct {
	transport *quic.Transport
	cert      tls.Certificate
	group     chan *quic.Conn // accepted connections of members
	member    atomic.Pointer[replica.Member]
	far       atomic.Pointer[quic.Conn] // the leader of the other group, if this one leads the senders
}

func anybody(tls.ConnectionState, keys.Public) error { return nil }

// RunBare is one process of a group, until its standard input ends.
func RunBare(addr string) (err error) {
	node.TuneMemory()
	udp, err := net.ResolveUDPAddr("udp", addr)
	if err != nil {
		return err
	}
	socket, err := net.ListenUDP("udp", udp)
	if err != nil {
		return err
	}
	defer socket.Close()
	n := &bareNode{transport: &quic.Transport{Conn: socket}, group: make(chan *quic.Conn)}
	if n.cert, err = floorCertificate(); err != nil {
		return err
	}
	ln, err := n.transport.Listen(keys.ServerTLS(n.cert, []string{replica.ALPN, floorALPN}, anybody), replica.QUICConfig())
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { n.accept(ctx, ln, &wg) })
	err = n.run(ctx, ln.Addr().String(), &wg)
	cancel()
	err = errors.Join(err, n.transport.Close()) // ends every stream
	wg.Wait()
	return err
}

// run says where the process listens, and does as it is told from standard input.
func (n *bareNode) run(ctx context.Context, addr string, wg *sync.WaitGroup) (err error) {
	fmt.Println(addr)
	stdin := json.NewDecoder(os.Stdin)
	var orders bareOrders
	if err := stdin.Decode(&orders); err != nil {
		return fmt.Errorf("orders: %w", err)
	}
	member, err := replica.Open(replica.Config{ID: orders.ID, Address: addr, Dir: orders.Dir, Network: n, Machine: bareMachine{},
		Timing: bareTiming, Bootstrap: orders.Members, Logger: slog.New(slog.DiscardHandler), Stop: func(err error) {
			fmt.Fprintln(os.Stderr, "bare:", err) // the process must stop; whoever waits for an answer misses it
			os.Exit(1)
		}})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, member.Close()) }()
	n.member.Store(member)
	wg.Go(func() { sayLeads(ctx, member) })
	var far string
	for {
		switch err := stdin.Decode(&far); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("orders: %w", err)
		}
		conn, err := n.dial(ctx, far, floorALPN, "")
		if err != nil {
			return err
		}
		n.far.Store(conn)
		fmt.Println("ready")
	}
}

// sayLeads says once that this process leads; nobody asks anything of it before.
func sayLeads(ctx context.Context, member *replica.Member) {
	changes, stop := member.Leadership()
	defer stop()
	for {
		select {
		case leads := <-changes:
			if leads {
				fmt.Println("leads")
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// dial connects to another process. Nobody proves who they are: this network carries nothing. Members say their names where TLS has that of
// a server.
func (n *bareNode) dial(ctx context.Context, addr, alpn, name string) (*quic.Conn, error) {
	udp, err := net.ResolveUDPAddr("udp", addr)
	if err != nil {
		return nil, err
	}
	c := keys.ClientTLS(n.cert, alpn, func(keys.Public) error { return nil })
	c.ServerName = name
	return n.transport.Dial(ctx, udp, c, replica.QUICConfig())
}

// Dial makes bareNode a replica.Network.
func (n *bareNode) Dial(ctx context.Context, member, addr string) (*quic.Conn, error) {
	return n.dial(ctx, addr, replica.ALPN, member)
}

// Accept makes bareNode a replica.Network.
func (n *bareNode) Accept(ctx context.Context) (*quic.Conn, string, error) {
	select {
	case c := <-n.group:
		return c, c.ConnectionState().TLS.ServerName, nil
	case <-ctx.Done():
		return nil, "", ctx.Err()
	}
}

func (n *bareNode) accept(ctx context.Context, ln *quic.Listener, wg *sync.WaitGroup) {
	for {
		conn, err := ln.Accept(ctx)
		if err != nil {
			return
		}
		if conn.ConnectionState().TLS.NegotiatedProtocol == floorALPN {
			wg.Go(func() { n.serve(ctx, conn, wg) })
			continue
		}
		select {
		case n.group <- conn:
		case <-ctx.Done():
		}
	}
}

func (n *bareNode) serve(ctx context.Context, conn *quic.Conn, wg *sync.WaitGroup) {
	for {
		s, err := conn.AcceptStream(ctx)
		if err != nil {
			return
		}
		wg.Go(func() {
			if err := n.answer(ctx, s); err != nil {
				s.CancelWrite(0) // the near end misses its answer
			}
		})
	}
}

func (n *bareNode) answer(ctx context.Context, s *quic.Stream) error {
	msg, err := io.ReadAll(io.LimitReader(s, 2+bareStatement+2*bareProof)) // one more, so that its end is read too
	if err != nil || len(msg) == 0 {
		return errors.Join(err, io.ErrUnexpectedEOF)
	}
	if _, err := n.member.Load().Propose(ctx, msg); err != nil {
		return err
	}
	if msg[0] == bareSubmit {
		return n.deliver(ctx, s, msg)
	}
	if _, err := s.Write(make([]byte, bareProof)); err != nil {
		return err
	}
	return s.Close()
}

// deliver goes on with a statement that is committed.
func (n *bareNode) deliver(ctx context.Context, s *quic.Stream, msg []byte) error {
	if _, err := s.Write([]byte{bareSubmit}); err != nil {
		return err
	}
	question := append(make([]byte, 0, len(msg)+2*bareProof), msg...)
	question[0] = bareDeliver
	back, err := send(ctx, n.far.Load(), question[:cap(question)])
	if err != nil {
		return err
	}
	receipt, err := io.ReadAll(io.LimitReader(back, bareProof+1))
	if err != nil {
		return err
	}
	if _, err := n.member.Load().Propose(ctx, append(receipt, make([]byte, bareProof)...)); err != nil { // with its tender
		return err
	}
	if _, err := s.Write([]byte{bareSubmit}); err != nil {
		return err
	}
	return s.Close()
}

// bareMachine has no state.
type bareMachine struct{}

func (bareMachine) Apply(commands []replica.Command) []any { return make([]any, len(commands)) }
func (bareMachine) Snapshot() (func(w io.Writer) error, error) {
	return func(io.Writer) error { return nil }, nil
}
func (bareMachine) Restore(r io.Reader) error { return nil }

// bareGroups are two groups, and the way into the first.
type bareGroups struct {
	all  []*helper
	conn *quic.Conn // to the leader of the senders
}

func (b *bench) newBareGroups(ctx context.Context) (g *bareGroups, err error) {
	g = &bareGroups{}
	defer func() {
		if err != nil {
			err = errors.Join(err, g.close())
		}
	}()
	senders, err := g.group(ctx, b, "a")
	if err != nil {
		return g, err
	}
	receivers, err := g.group(ctx, b, "b")
	if err != nil {
		return g, err
	}
	if err := json.NewEncoder(senders.in).Encode(receivers.addr); err != nil {
		return g, err
	}
	if _, err := senders.line(); err != nil {
		return g, fmt.Errorf("the groups do not meet: %w", err)
	}
	cert, err := floorCertificate()
	if err != nil {
		return g, err
	}
	g.conn, err = quic.DialAddr(ctx, senders.addr, keys.ClientTLS(cert, floorALPN, func(keys.Public) error { return nil }), replica.QUICConfig())
	return g, err
}

// group starts three processes and returns the one that leads.
func (g *bareGroups) group(ctx context.Context, b *bench, name string) (*helper, error) {
	var list []*helper
	var members []replica.Server
	for i := range 3 {
		h, err := b.help(ctx, BareRole)
		if err != nil {
			return nil, err
		}
		g.all, list = append(g.all, h), append(list, h)
		members = append(members, replica.Server{ID: fmt.Sprint(name, i), Address: h.addr, Voter: true})
	}
	type said struct {
		by  *helper
		err error
	}
	leads := make(chan said, len(list))
	for i, h := range list {
		if err := json.NewEncoder(h.in).Encode(bareOrders{members[i].ID, filepath.Join(b.opt.Dir, "bare", members[i].ID), members}); err != nil {
			return nil, err
		}
		go func() { // ends with the process
			_, err := h.line()
			leads <- said{h, err}
		}()
	}
	select {
	case s := <-leads:
		return s.by, s.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (g *bareGroups) close() error {
	if g.conn != nil {
		_ = g.conn.CloseWithError(0, "")
	}
	for _, h := range g.all {
		h.quit() // all at once: each takes its time to hand over
	}
	var err error
	for _, h := range g.all {
		err = errors.Join(err, h.end())
	}
	return err
}

// pass sends one statement the bare way.
func (g *bareGroups) pass(ctx context.Context) (p passage, err error) {
	msg := make([]byte, 1+bareStatement)
	msg[0] = bareSubmit
	began := time.Now()
	s, err := send(ctx, g.conn, msg)
	if err != nil {
		return p, err
	}
	_ = s.SetReadDeadline(began.Add(waitLimit)) // fails only when closed
	if _, err := io.ReadFull(s, msg[:1]); err != nil {
		return p, err
	}
	p.accepted = micros(time.Since(began))
	_, err = io.ReadFull(s, msg[:1])
	p.settled = micros(time.Since(began))
	return p, err
}

func (g *bareGroups) processor() (sum time.Duration, err error) {
	for _, h := range g.all {
		u, err := usageOf(h.cmd.Process.Pid)
		if err != nil {
			return 0, err
		}
		sum += u.processor
	}
	return sum, nil
}

// measureBare measures the bare way.
func (b *bench) measureBare(ctx context.Context) (err error) {
	if !b.wants("load") {
		return nil
	}
	b.tell("two groups of three processes, Raft and QUIC alone")
	g, err := b.newBareGroups(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, g.close()) }()
	for _, part := range b.loads() {
		s := &loadSeries{}
		for i := range 1 + b.opt.Repeats {
			before, err := g.processor()
			if err != nil {
				return err
			}
			passed, took, err := passAll(ctx, part.count, part.outstanding, func(ctx context.Context, _ int) (passage, error) { return g.pass(ctx) })
			if err != nil {
				return fmt.Errorf("load, Raft and QUIC alone: %w", err)
			}
			after, err := g.processor()
			if err != nil {
				return err
			}
			if i > 0 { // once for the caches, unmeasured
				s.take(passed, took, part.count, spent{all: micros(after-before) / float64(part.count)})
			}
		}
		b.addBare(part, s)
	}
	return nil
}

func (b *bench) addBare(part benchPart, s *loadSeries) {
	name := fmt.Sprintf("%s%d outstanding: ", bareName, part.outstanding)
	f := b.add(name+"submit to settled, p50", "us", part.count, s.settled)
	if part.outstanding == 1 {
		b.bare = f.Median
		f.against(b.serially(floorOfGroups, "QUIC round trip"))
	}
	b.add(name+"throughput", "1/s", part.count, s.rate)
	b.add(name+"processor time of all nodes a statement", "us", part.count, s.all)
}
