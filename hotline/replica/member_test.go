package replica

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/hashicorp/raft"
)

// A group of 1, 3 or 5 elects a leader, and every member applies the same
// commands in the same order.
func TestGroupsElectAndCommit(t *testing.T) {
	t.Parallel()
	for _, size := range []int{1, 3, 5} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			ctx := within(t)
			g := startGroup(t, size)
			l := g.leader(ctx)
			var want []string
			for i := range 20 {
				want = append(want, fmt.Sprintf("command %d", i))
				if got := l.mustPropose(t, ctx, want[i]); got != i+1 {
					t.Fatalf("result %v of command %d", got, i)
				}
			}
			for _, n := range g.nodes {
				if got := n.journal.wait(t, ctx, has(want[19])); !slices.Equal(got, want) {
					t.Fatalf("%s applied %q", n.cfg.ID, got)
				}
				if n == l {
					continue
				}
				if _, err := n.Propose(ctx, []byte("x")); !errors.Is(err, ErrNotLeader) {
					t.Fatalf("follower proposed: %v", err)
				}
				if s := n.Stats(); s.IsLeader || s.Leader != l.cfg.ID || len(s.Members) != size || s.Term == 0 {
					t.Fatalf("follower's stats %+v", s)
				}
			}
			for _, n := range g.nodes {
				if err := n.Close(); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// When the leader vanishes without a word another takes over, and nothing
// committed is lost.
func TestLeaderVanishes(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	g := startGroup(t, 3)
	old := g.leader(ctx)
	old.mustPropose(t, ctx, "before")
	changes, stop := old.Leadership()
	defer stop()
	if !<-changes {
		t.Fatal("leader does not say that it leads")
	}
	old.net.cut()

	rest := slices.DeleteFunc(slices.Clone(g.nodes), func(n *node) bool { return n == old })
	next := g.leaderOtherThan(ctx, old, rest)
	next.mustPropose(t, ctx, "after")
	for _, n := range rest {
		if got := n.journal.wait(t, ctx, has("after")); !slices.Equal(got, []string{"before", "after"}) {
			t.Fatalf("%s applied %q", n.cfg.ID, got)
		}
	}
	select {
	case leads := <-changes:
		if leads {
			t.Fatal("cut-off leader still leads")
		}
	case <-ctx.Done():
		t.Fatal("cut-off leader did not step down")
	}
}

// A planned restart hands leadership over, and Close ends everything and may be
// called again.
func TestCloseHandsLeadershipOver(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	g := startGroup(t, 3)
	old := g.leader(ctx)
	for _, n := range g.nodes { // from here on nobody stands for election by itself
		c := n.raft.ReloadableConfig()
		c.HeartbeatTimeout, c.ElectionTimeout = 10*patience, 10*patience
		if err := n.raft.ReloadConfig(c); err != nil {
			t.Fatal(err)
		}
	}
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}
	rest := slices.DeleteFunc(slices.Clone(g.nodes), func(n *node) bool { return n == old })
	next := g.leaderOtherThan(ctx, old, rest)
	next.mustPropose(t, ctx, "after")
	if _, err := old.Propose(ctx, []byte("x")); !errors.Is(err, ErrStopped) {
		t.Fatalf("closed member proposed: %v", err)
	}
	if _, err := old.Ask(ctx, []byte("x")); !errors.Is(err, ErrStopped) {
		t.Fatalf("closed member asked: %v", err)
	}
}

// Leadership moves on request, and every watcher hears of it.
func TestTransferLeadership(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	g := startGroup(t, 3)
	old := g.leader(ctx)
	changes, stop := old.Leadership()
	defer stop()
	<-changes
	if err := old.TransferLeadership(ctx); err != nil {
		t.Fatal(err)
	}
	select {
	case leads := <-changes:
		if leads {
			t.Fatal("still leading behind the hand-over")
		}
	case <-ctx.Done():
		t.Fatal("watcher was not told")
	}
	g.leader(ctx).mustPropose(t, ctx, "after")
}

// A restart keeps every committed command, in groups of 1 and of 3.
func TestRestartKeepsEverything(t *testing.T) {
	t.Parallel()
	for _, size := range []int{1, 3} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			ctx := within(t)
			g := startGroup(t, size)
			var want []string
			for round := range 3 {
				l := g.leader(ctx)
				for i := range 10 {
					line := fmt.Sprintf("round %d command %d", round, i)
					want = append(want, line)
					l.mustPropose(t, ctx, line)
				}
				if round == 1 {
					for _, n := range g.nodes {
						n.journal.wait(t, ctx, has(want[len(want)-1]))
						if err := n.Snapshot(ctx); err != nil {
							t.Fatal(err)
						}
					}
				}
				for _, n := range g.nodes {
					if err := n.Close(); err != nil {
						t.Fatal(err)
					}
				}
				for _, n := range g.nodes {
					g.restart(n)
				}
				g.hurry()
			}
			for _, n := range g.nodes {
				if got := n.journal.wait(t, ctx, has(want[29])); !slices.Equal(got, want) {
					t.Fatalf("%s has %q", n.cfg.ID, got)
				}
				if n.journal.restored != 1 {
					t.Fatalf("%s restored %d snapshots, want 1", n.cfg.ID, n.journal.restored)
				}
			}
		})
	}
}

// A new member without a log restores the snapshot, catches up, gets a vote only
// then, and can be removed again; so can a voter and the leader itself.
func TestMembership(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	g := startGroup(t, 1, func(n *node) { n.cfg.Trailing = 1 })
	l := g.leader(ctx)
	for i := range 100 {
		l.mustPropose(t, ctx, fmt.Sprint(i))
	}
	if err := l.Snapshot(ctx); err != nil {
		t.Fatal(err)
	}
	l.mustPropose(t, ctx, "behind the snapshot")
	added := g.prepare("XA-N2")
	g.open(added)
	if err := l.Promote(ctx, "XA-N2"); !errors.Is(err, ErrNotMember) {
		t.Fatalf("promoted a stranger: %v", err)
	}
	if err := l.AddNonvoter(ctx, "XA-N2", added.cfg.Address); err != nil {
		t.Fatal(err)
	}
	if got := added.journal.wait(t, ctx, has("behind the snapshot")); len(got) != 101 || added.journal.restored != 1 {
		t.Fatalf("new member has %d commands after %d snapshots", len(got), added.journal.restored)
	}
	if err := l.AddNonvoter(ctx, "XA-N3", added.cfg.Address); err == nil || errors.Is(err, ErrUnknown) {
		t.Fatalf("two members at one address: %v", err)
	}
	if err := l.Remove(ctx, "XA-N1"); err == nil || errors.Is(err, ErrUnknown) {
		t.Fatalf("removed the only voter: %v", err)
	}
	if err := l.Promote(ctx, "XA-N2"); err != nil {
		t.Fatal(err)
	}
	want := []Server{{"XA-N1", l.cfg.Address, true}, {"XA-N2", added.cfg.Address, true}}
	if got, err := l.Members(); err != nil || !slices.Equal(got, want) {
		t.Fatalf("members %v, %v", got, err)
	}
	if err := l.Remove(ctx, "XA-N1"); err != nil {
		t.Fatal(err)
	}
	next := g.leaderOtherThan(ctx, l, []*node{added})
	next.mustPropose(t, ctx, "alone")
	if got, _ := next.Members(); !slices.Equal(got, want[1:]) {
		t.Fatalf("members %v", got)
	}
	if l.IsLeader() {
		t.Fatal("removed leader still leads")
	}
}

// A vote for a member that lacks the log, or that says that it is not fit, is
// refused.
func TestPromoteRefusesLagging(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	g := startGroup(t, 1)
	l := g.leader(ctx)
	for i := range MaxLag + 10 {
		l.mustPropose(t, ctx, fmt.Sprint(i))
	}
	lagging := g.prepare("XA-N2")
	release := make(chan struct{})
	lagging.journal.block = release
	unfit := make(chan error, 1)
	lagging.cfg.CaughtUp = func() error {
		select {
		case err := <-unfit:
			return err
		default:
			return nil
		}
	}
	if err := l.AddNonvoter(ctx, "XA-N2", lagging.cfg.Address); err != nil {
		t.Fatal(err)
	}
	g.open(lagging)
	<-lagging.journal.entered // it has the log, and has applied nothing
	if err := l.Promote(ctx, "XA-N2"); !errors.Is(err, ErrLagging) {
		t.Fatalf("promoted a lagging member: %v", err)
	}
	close(release)
	lagging.journal.wait(t, ctx, has(fmt.Sprint(MaxLag+9)))
	unfit <- errors.New("history is still being fetched")
	if err := l.Promote(ctx, "XA-N2"); !errors.Is(err, ErrLagging) {
		t.Fatalf("promoted an unfit member: %v", err)
	}
	if err := l.Promote(ctx, "XA-N2"); err != nil {
		t.Fatal(err)
	}
}

// A follower whose disk was slow for a while is fed again once it answers, without
// a restart: no deadlock between leader and follower stays behind.
func TestSlowFollowerCatchesUp(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	logs := map[string]*faultyLog{}
	g := startGroup(t, 3, func(n *node) {
		logs[n.cfg.ID] = newFaultyLog()
		logs[n.cfg.ID].into(n)
	})
	l := g.leader(ctx)
	slow := without(g.nodes, l)[0]
	for round := range 3 {
		release := make(chan struct{})
		logs[slow.cfg.ID].set(func() { logs[slow.cfg.ID].stall = release })
		for i := range 3 * maxAppend {
			l.mustPropose(t, ctx, fmt.Sprintf("round %d command %d", round, i))
		}
		<-logs[slow.cfg.ID].stalled
		logs[slow.cfg.ID].set(func() { logs[slow.cfg.ID].stall = nil })
		close(release)
		slow.journal.wait(t, ctx, has(fmt.Sprintf("round %d command %d", round, 3*maxAppend-1)))
	}
	_, err := l.trans.AppendEntriesPipeline(raft.ServerID(slow.cfg.ID), raft.ServerAddress(slow.cfg.ID))
	if !errors.Is(err, raft.ErrPipelineReplicationNotSupported) {
		t.Fatalf("replication is pipelined: %v", err)
	}
}

// What may have been committed is never reported as refused: not when leadership
// is lost behind the write, and not when the caller's time runs out.
func TestAmbiguousProposalIsUnknown(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	logs := map[string]*faultyLog{}
	g := startGroup(t, 3, func(n *node) {
		logs[n.cfg.ID] = newFaultyLog()
		logs[n.cfg.ID].into(n)
	})
	l := g.leader(ctx)
	log := logs[l.cfg.ID]
	propose := func(ctx context.Context, line string) chan error {
		outcome := make(chan error, 1)
		go func() {
			_, err := l.Propose(ctx, []byte(line))
			outcome <- err
		}()
		<-log.stalled
		return outcome
	}
	first, second := make(chan struct{}), make(chan struct{})
	log.set(func() { log.stall = first })
	impatient, cancel := context.WithCancel(ctx)
	abandoned := propose(impatient, "abandoned")
	cancel()
	if err := <-abandoned; !errors.Is(err, ErrUnknown) {
		t.Fatalf("abandoned proposal: %v", err)
	}
	log.set(func() { log.stall = nil })
	close(first)
	l.journal.wait(t, ctx, has("abandoned")) // it did happen

	log.set(func() { log.stall = second })
	cutOff := propose(ctx, "cut off")
	l.net.cut()
	log.set(func() { log.stall = nil })
	close(second)
	if err := <-cutOff; !errors.Is(err, ErrUnknown) {
		t.Fatalf("proposal of a leader cut off: %v", err)
	}
}
