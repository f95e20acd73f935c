package replica

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// statusTimeout bounds the question to a member how far it is.
const statusTimeout = 5 * time.Second

// maxChanges bounds the changes of the configuration that wait for their turn.
const maxChanges = 16

// errNoSuccessor: no other member has a vote.
var errNoSuccessor = errors.New("no other member could lead")

// Members returns the members as this member last heard: the newest
// configuration in its log, which may not be committed yet.
func (m *Member) Members() ([]Server, error) {
	f := m.raft.GetConfiguration()
	if err := f.Error(); err != nil {
		return nil, err
	}
	var all []Server
	for _, s := range f.Configuration().Servers {
		all = append(all, Server{ID: string(s.ID), Address: string(s.Address), Voter: s.Suffrage == raft.Voter})
	}
	return all, nil
}

func (m *Member) member(id string) (Server, error) {
	all, err := m.Members()
	if err != nil {
		return Server{}, err
	}
	for _, s := range all {
		if s.ID == id {
			return s, nil
		}
	}
	return Server{}, fmt.Errorf("%w: %s", ErrNotMember, id)
}

func (m *Member) addressOf(id string) (string, error) {
	s, err := m.member(id)
	return s.Address, err
}

// AddNonvoter adds a member without a vote; it starts to receive the log. For
// one that is in the group already it changes the address and keeps the vote. It
// works on the leader only. The errors are those of Propose.
func (m *Member) AddNonvoter(ctx context.Context, id, address string) error {
	if id == "" || address == "" {
		return errors.New("a new member needs an id and an address")
	}
	return m.change(ctx, func(all []Server) (submission, error) {
		known := false
		for _, s := range all {
			known = known || s.ID == id
			if s.ID != id && s.Address == address {
				return nil, fmt.Errorf("address %s is that of member %s already", address, s.ID)
			}
		}
		if !known && len(all) >= MaxMembers {
			return nil, fmt.Errorf("the group has %d members already, the most that are possible", len(all))
		}
		return func(wait time.Duration) raft.Future {
			return m.raft.AddNonvoter(raft.ServerID(id), raft.ServerAddress(address), 0, wait)
		}, nil
	})
}

// Promote gives a non-voter a vote, and refuses with ErrLagging while its
// Machine is more than MaxLag entries behind or its CaughtUp says no: a vote for
// a member without the log would leave the group one failure nearer to a halt.
// It works on the leader only. The other errors are those of Propose, and
// ErrNotMember, ErrUnreachable.
func (m *Member) Promote(ctx context.Context, id string) error {
	return m.change(ctx, func(all []Server) (submission, error) {
		i := slices.IndexFunc(all, func(s Server) bool { return s.ID == id })
		if i < 0 {
			return nil, fmt.Errorf("%w: %s", ErrNotMember, id)
		}
		s := all[i]
		if s.Voter {
			return nil, nil
		}
		if err := m.caughtUp(ctx, s); err != nil {
			return nil, err
		}
		return func(wait time.Duration) raft.Future {
			return m.raft.AddVoter(raft.ServerID(s.ID), raft.ServerAddress(s.Address), 0, wait)
		}, nil
	})
}

func (m *Member) caughtUp(ctx context.Context, s Server) error {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	answer, err := m.exchange(ctx, s.ID, s.Address, kindStatus, nil)
	if errors.Is(err, ErrUnknown) { // asking changes nothing, so nothing is open
		return fmt.Errorf("%w: %s did not say how far it is: %v", ErrUnreachable, s.ID, err)
	}
	if err != nil {
		return err
	}
	p, err := parseProgress(answer)
	if err != nil {
		return err
	}
	term, committed := m.raft.CurrentTerm(), m.raft.CommitIndex()
	switch {
	case p.term != term:
		return fmt.Errorf("%w: %s is in term %d, the group in %d", ErrLagging, s.ID, p.term, term)
	case p.applied+MaxLag < committed:
		return fmt.Errorf("%w: %s has applied %d of %d entries", ErrLagging, s.ID, p.applied, committed)
	case p.unfit != "":
		return fmt.Errorf("%w: %s says: %s", ErrLagging, s.ID, p.unfit)
	}
	return nil
}

// Remove takes a member out of the group; removing one that is not in it does
// nothing. A leader that removes itself steps down once that is committed. A
// removed member stays silent and is to be closed; its id must not be used
// again. The only voter cannot be removed. It works on the leader only. The
// other errors are those of Propose.
func (m *Member) Remove(ctx context.Context, id string) error {
	return m.change(ctx, func(all []Server) (submission, error) {
		voters := 0
		for _, s := range all {
			if s.Voter && s.ID != id {
				voters++
			}
		}
		if voters == 0 {
			return nil, fmt.Errorf("%s has the only vote of the group, give another member one first", id)
		}
		return func(wait time.Duration) raft.Future {
			return m.raft.RemoveServer(raft.ServerID(id), 0, wait)
		}, nil
	})
}

// submission gives one change to Raft.
type submission func(wait time.Duration) raft.Future

// change commits one change of the configuration. Changes made through this
// member follow one another, so that what prepare sees is what is changed. Raft
// itself checks again, but its refusals look like lost outcomes.
func (m *Member) change(ctx context.Context, prepare func(all []Server) (submission, error)) error {
	if m.stopped() {
		return ErrStopped
	}
	if err := m.changing.enter(ctx); err != nil {
		return err
	}
	defer m.changing.leave()
	if !m.IsLeader() {
		return ErrNotLeader
	}
	all, err := m.Members()
	if err != nil {
		return err
	}
	submit, err := prepare(all)
	if err != nil || submit == nil {
		return err
	}
	_, err = m.decide(ctx, func() {}, submit)
	return err
}

// TransferLeadership hands leadership to a voter that answers, if possible one that
// has caught up, and returns when this member leads no more. While it lasts proposals are refused
// with ErrNotLeader, and should that voter fall silent in the middle of it, for up
// to rpcTimeout longer. It works on the leader only. If no voter answers it does
// nothing, and the error says why each did not.
func (m *Member) TransferLeadership(ctx context.Context) error {
	if !m.IsLeader() {
		return ErrNotLeader
	}
	all, err := m.Members()
	if err != nil {
		return err
	}
	others := slices.DeleteFunc(all, func(s Server) bool { return !s.Voter || s.ID == m.cfg.ID })
	if len(others) == 0 {
		return errNoSuccessor
	}
	to, err := m.successor(ctx, others)
	if err != nil {
		return err
	}
	_, err = m.decide(ctx, func() {}, func(time.Duration) raft.Future {
		return m.raft.LeadershipTransferToServer(raft.ServerID(to.ID), raft.ServerAddress(to.Address))
	})
	return err
}

// successor is the first voter to say that it has caught up, or one that at least
// answers: Raft brings it the rest first. Raft itself would choose by what it last
// heard of each, be that from a voter that is gone.
func (m *Member) successor(ctx context.Context, voters []Server) (Server, error) {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	type answer struct {
		of  Server
		err error
	}
	answers := make(chan answer, len(voters))
	for _, s := range voters {
		wg.Go(func() { answers <- answer{s, m.caughtUp(ctx, s)} })
	}
	var late *Server
	var err error
	for range voters {
		a := <-answers
		if a.err == nil {
			return a.of, nil
		}
		if errors.Is(a.err, ErrLagging) {
			late = &a.of
		}
		err = errors.Join(err, a.err)
	}
	if late != nil {
		return *late, nil
	}
	return Server{}, err
}

// Snapshot takes a snapshot now, and verifies it. It does nothing when nothing
// has been applied since the member was opened. The member takes snapshots by
// itself too, as Config.SnapshotEvery says.
func (m *Member) Snapshot(ctx context.Context) error {
	_, err := m.decide(ctx, func() {}, func(time.Duration) raft.Future { return m.raft.Snapshot() })
	if errors.Is(err, raft.ErrNothingNewToSnapshot) {
		return nil
	}
	return err
}

// applied is the last entry up to which the Machine has finished all that is for
// it. Raft's own count runs ahead by what it has queued for the Machine, and the
// Machine's leaves out entries that are Raft's own, so those in between are read.
func (m *Member) applied() uint64 {
	queued := m.raft.AppliedIndex()
	restored, _ := strconv.ParseUint(m.raft.Stats()["last_snapshot_index"], 10, 64) // Raft's own number
	at := max(m.state.done.Load(), restored)
	for ; at < queued; at++ {
		var l raft.Log
		if err := m.log.read(at+1, &l); err != nil || l.Type == raft.LogCommand {
			break // the Machine has not finished it
		}
	}
	return at
}

// Current reports whether the Machine has finished every entry of this member's
// log, under a leader. That may be less than the group has committed: a member that
// catches up comes through here again and again.
func (m *Member) Current() bool {
	_, known := m.Leader()
	return known && m.applied() >= m.raft.LastIndex()
}

// Stats returns a view of this member.
func (m *Member) Stats() Stats {
	s := Stats{
		ID: m.cfg.ID, IsLeader: m.IsLeader(),
		Term: m.raft.CurrentTerm(), Applied: m.applied(), Committed: m.raft.CommitIndex(),
		Last: m.raft.LastIndex(), Proposals: int(m.proposals.Load()),
	}
	s.Leader, _ = m.Leader()
	s.Members, _ = m.Members()
	if at := m.raft.LastContact(); !s.IsLeader && !at.IsZero() {
		s.LastContact = time.Since(at)
	}
	return s
}
