package replica

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
	wal "github.com/hashicorp/raft-wal"
	"github.com/hashicorp/raft-wal/types"
)

// errCorrupt is the cause of Stop when stored bytes are not those written.
var errCorrupt = errors.New("corrupt Raft log")

// diskLog is the store below the integrity wrapper.
type diskLog interface {
	raft.LogStore
	raft.StableStore
	raft.MonotonicLogStore
	Close() error
}

func openDiskLog(dir string, cfg *Config) (diskLog, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	w, err := wal.Open(dir, wal.WithLogger(newRaftLogger(cfg.Logger, "raft-wal")))
	if err != nil {
		return nil, err // and not a nil log that looks like one
	}
	return w, nil
}

// Each form of entry has a domain of its own, which separates this hash from
// every other use of SHA-256, and a bundle from a command of the same bytes.
const (
	sealDomain   = "hotline/replica/entry/1\x00"
	bundleDomain = "hotline/replica/bundle/1\x00"
)

// sealOf returns what belongs in an entry's Extensions: its form, and a hash that
// binds form, index, term, type and data. The leader computes it once, and it
// travels with the entry: a follower checks it before it stores, every member on
// every read and before Apply.
func sealOf(l *raft.Log) []byte {
	h := sha256.New()
	domain, form := sealDomain, []byte(nil)
	if isBundle(l) {
		domain, form = bundleDomain, []byte{bundleForm}
	}
	b := append(make([]byte, 0, len(bundleDomain)+8+8+1+8), domain...)
	b = binary.BigEndian.AppendUint64(b, l.Index)
	b = binary.BigEndian.AppendUint64(b, l.Term)
	b = append(b, byte(l.Type))
	b = binary.BigEndian.AppendUint64(b, uint64(len(l.Data)))
	h.Write(b)
	h.Write(l.Data)
	return h.Sum(form)
}

// isBundle says whether an entry is meant to be a bundle, sealed or not.
func isBundle(l *raft.Log) bool {
	return len(l.Extensions)%sha256.Size == 1 && l.Extensions[0] == bundleForm
}

// unsealed says whether an entry still waits for its leader's hash.
func unsealed(l *raft.Log) bool {
	return len(l.Extensions) == 0 || len(l.Extensions) == 1 && isBundle(l)
}

// checkSeal says whether l is what its proposer's leader sealed.
func checkSeal(l *raft.Log) error {
	if !bytes.Equal(l.Extensions, sealOf(l)) {
		return fmt.Errorf("%w: entry %d does not match its hash", errCorrupt, l.Index)
	}
	return nil
}

// sealedLog is the LogStore and StableStore that Raft sees: disk below, a
// hash on every entry, a watchdog on every write.
type sealedLog struct {
	disk  diskLog
	tail  *tailMark
	brk   *breaker
	bound time.Duration // of one write
	votes atomic.Bool   // term and vote have a value each: one that is absent is damage
	cut   atomic.Bool   // the end was cut off some of the log, and nothing was written since
}

func (s *sealedLog) FirstIndex() (uint64, error) { return s.disk.FirstIndex() }
func (s *sealedLog) LastIndex() (uint64, error)  { return s.disk.LastIndex() }
func (s *sealedLog) IsMonotonic() bool           { return s.disk.IsMonotonic() }

// read returns raft.ErrLogNotFound for an entry outside the log, types.ErrClosed
// after Close, and errCorrupt for everything else that is wrong.
func (s *sealedLog) read(index uint64, l *raft.Log) (err error) {
	defer func() {
		// The decoder below slices without looking when a length is damaged.
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: entry %d cannot be decoded: %v", errCorrupt, index, p)
		}
	}()
	// The segment being written also yields entries that were compacted away;
	// a new member would then be fed from there and not from the snapshot.
	if first, err := s.disk.FirstIndex(); err != nil || index < first || first == 0 {
		if err == nil {
			err = raft.ErrLogNotFound // compared by Raft, so not wrapped
		}
		return err
	}
	err = s.disk.GetLog(index, l)
	switch {
	case errors.Is(err, types.ErrClosed):
		return err
	case errors.Is(err, raft.ErrLogNotFound):
		return s.missing(index, err)
	case err != nil:
		return fmt.Errorf("%w: entry %d cannot be read: %w", errCorrupt, index, err)
	case l.Index != index:
		return fmt.Errorf("%w: entry %d found at the place of %d", errCorrupt, l.Index, index)
	}
	return checkSeal(l)
}

// missing tells an entry that was compacted away or not yet written (usual)
// from one that should be there.
func (s *sealedLog) missing(index uint64, notFound error) error {
	first, err := s.disk.FirstIndex()
	if err != nil {
		return notFound
	}
	last, err := s.disk.LastIndex()
	if err != nil || first == 0 || index < first || index > last {
		return notFound
	}
	// A compaction may have moved the first index between the two looks.
	var l raft.Log
	if err := s.disk.GetLog(index, &l); !errors.Is(err, raft.ErrLogNotFound) {
		return notFound
	}
	if again, err := s.disk.FirstIndex(); err != nil || index < again {
		return notFound
	}
	return fmt.Errorf("%w: entry %d is missing between %d and %d", errCorrupt, index, first, last)
}

// GetLog never yields an entry that fails its hash: the process must stop.
func (s *sealedLog) GetLog(index uint64, l *raft.Log) error {
	err := s.read(index, l)
	if errors.Is(err, errCorrupt) {
		*l = raft.Log{}
		s.brk.abort(fmt.Errorf("%w; %s", err, rebuildAdvice))
	}
	return err
}

func (s *sealedLog) StoreLog(l *raft.Log) error { return s.StoreLogs([]*raft.Log{l}) }

// StoreLogs seals what this member proposes and checks what the leader sent.
// A wrong hash from the leader fails this request only. A failed write stops the
// process: what is on disk is then unknown until it is read again.
func (s *sealedLog) StoreLogs(logs []*raft.Log) error {
	for _, l := range logs {
		if unsealed(l) {
			l.Extensions = sealOf(l)
		} else if err := checkSeal(l); err != nil {
			err = fmt.Errorf("refused entry from the leader: %w", err)
			if s.cut.Load() {
				// The process must stop: Raft has cut the log for this entry, and takes
				// its old end for the end still. Read anew, the log is whole.
				s.brk.trip(fmt.Errorf("%w; start this node again", err))
			}
			return err
		}
	}
	return s.write("storing log entries", func() error {
		if err := s.disk.StoreLogs(logs); err != nil || len(logs) == 0 {
			return err
		}
		s.cut.Store(false)
		return s.tail.set(logs[len(logs)-1].Index)
	})
}

// DeleteRange cuts the beginning (compaction) or the end (what a former leader
// never committed, or everything below a snapshot from the leader).
func (s *sealedLog) DeleteRange(low, high uint64) error {
	return s.write("deleting log entries", func() error {
		first, err := s.disk.FirstIndex()
		if err != nil {
			return err
		}
		last, err := s.disk.LastIndex()
		if err != nil {
			return err
		}
		if high >= last {
			rest := uint64(0)
			if low > first {
				rest = low - 1
			}
			if err := s.tail.lower(rest); err != nil {
				return err
			}
			s.cut.Store(low > first) // behind a log that goes as a whole stands a snapshot
		}
		return s.disk.DeleteRange(low, high)
	})
}

func (s *sealedLog) write(what string, f func() error) error {
	err := s.brk.watch(what, s.bound, func() error { return contained(f) })
	if err != nil && !errors.Is(err, types.ErrClosed) {
		err = fmt.Errorf("%s failed, check the disk of this node: %w", what, err)
		s.brk.trip(err)
	}
	return err
}

// contained makes an error of a panic of the log store: a bit that flipped in
// the file of its metadata can lead bbolt to anything, also beyond the file that
// it has mapped. The member stops for it, and says why.
func contained(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("what is stored is damaged: %v", p)
		}
	}()
	return f()
}

// Term and vote carry a hash too: with a flipped bit in either a member could
// vote twice in one term.
const stableDomain = "hotline/replica/stable/1\x00"

func sealOfStable(key, val []byte) []byte {
	b := binary.BigEndian.AppendUint32([]byte(stableDomain), uint32(len(key)))
	sum := sha256.Sum256(append(append(b, key...), val...))
	return sum[:]
}

// Set keeps term and vote. Raft panics when it fails; see breaker.abort.
func (s *sealedLog) Set(key, val []byte) error {
	sealed := append(bytes.Clone(val), sealOfStable(key, val)...)
	err := s.write("storing term or vote", func() error { return s.disk.Set(key, sealed) })
	if err != nil && !errors.Is(err, types.ErrClosed) {
		s.brk.abort(err)
	}
	return err
}

// SetUint64 keeps term and vote; see Set.
func (s *sealedLog) SetUint64(key []byte, val uint64) error {
	return s.Set(key, binary.BigEndian.AppendUint64(nil, val))
}

// The keys under which Raft keeps term and vote, and one that says that all of
// them have been set. A bit that flips in the name of a key makes its value absent,
// which would else look like a member that has not voted in any term.
var (
	keyTerm     = []byte("CurrentTerm")
	keyVoteTerm = []byte("LastVoteTerm")
	keyVoteFor  = []byte("LastVoteCand")
	keyVotes    = []byte("hotline/votes")
)

// settleVotes sets what was never set, once, before Raft starts. A vote for nobody
// in term 0 is none.
func (s *sealedLog) settleVotes() error {
	said, err := s.Get(keyVotes)
	if err != nil {
		return err
	}
	s.votes.Store(said != nil)
	for _, key := range [][]byte{keyTerm, keyVoteTerm, keyVoteFor} {
		val, err := s.Get(key)
		if err != nil {
			return err
		}
		if val != nil {
			continue
		}
		if !bytes.Equal(key, keyVoteFor) {
			val = make([]byte, 8)
		}
		if err := s.Set(key, val); err != nil {
			return err
		}
	}
	if said == nil {
		err = s.Set(keyVotes, []byte{1})
	}
	s.votes.Store(err == nil)
	return err
}

// Get returns nothing for a key that was never set.
func (s *sealedLog) Get(key []byte) ([]byte, error) {
	var sealed []byte
	err := contained(func() (err error) {
		sealed, err = s.disk.Get(key)
		return err
	})
	switch {
	case errors.Is(err, types.ErrClosed):
		return nil, err
	case err != nil:
		err = fmt.Errorf("reading term or vote failed, check the disk of this node: %w", err)
		s.brk.trip(err)
		return nil, err
	case len(sealed) == 0 && s.votes.Load():
		err := fmt.Errorf("%w: %s is not there any more; %s", errCorrupt, key, rebuildAdvice)
		s.brk.trip(err)
		return nil, err
	case len(sealed) == 0:
		return nil, nil
	}
	at := len(sealed) - sha256.Size
	if at < 0 || !bytes.Equal(sealed[at:], sealOfStable(key, sealed[:at])) {
		err := fmt.Errorf("%w: %s does not match its hash; %s", errCorrupt, key, rebuildAdvice)
		s.brk.trip(err)
		return nil, err
	}
	return sealed[:at], nil
}

// GetUint64 returns 0 for a key that was never set.
func (s *sealedLog) GetUint64(key []byte) (uint64, error) {
	val, err := s.Get(key)
	if err != nil || len(val) != 8 {
		return 0, err
	}
	return binary.BigEndian.Uint64(val), nil
}

// sealedCache holds what was written last in memory, above the log. An entry that
// was damaged there every follower would refuse, and a leader that went on sending
// it would stay in office and commit nothing: the process must stop.
type sealedCache struct {
	*raft.LogCache
	brk *breaker
}

func (c *sealedCache) GetLog(index uint64, l *raft.Log) error {
	err := c.LogCache.GetLog(index, l)
	if err != nil {
		return err
	}
	if err := checkSeal(l); err != nil {
		c.brk.abort(fmt.Errorf("%w in memory, check the memory of this machine", err))
	}
	return nil
}

// verifyAll reads the whole log once, before this member may vote.
func (s *sealedLog) verifyAll() error {
	first, err := s.disk.FirstIndex()
	if err != nil {
		return err
	}
	last, err := s.disk.LastIndex()
	if err != nil {
		return err
	}
	if err := s.tail.check(last); err != nil {
		return fmt.Errorf("%w; %s", err, rebuildAdvice)
	}
	if first == 0 {
		return nil
	}
	var l raft.Log
	for i := first; i <= last; i++ {
		if err := s.read(i, &l); err != nil {
			return fmt.Errorf("%w; %s", err, rebuildAdvice)
		}
	}
	return nil
}

// rebuildAdvice is what an operator does with a member whose disk lied.
const rebuildAdvice = "remove this member from the group and add it again with an empty directory and a new id as a non-voter; " +
	"a group of one restores from backup"
