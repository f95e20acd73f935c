package replica

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"

	"github.com/hashicorp/raft"
)

// Seed prepares the directory of a member that starts a new group from a state
// that was kept elsewhere: the member alone is in the group, and its log begins
// behind a snapshot of that state. dir must be absent or empty. It must not be
// used for a member of a group that still runs: there the member would forget
// whom it has voted for.
func Seed(dir string, self Server, state io.Reader, log *slog.Logger) error {
	list, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("replica: %w", err)
	}
	if len(list) > 0 {
		return fmt.Errorf("replica: directory %s is not empty", dir)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("replica: %w", err)
	}
	var mu sync.Mutex
	var broken error
	brk := &breaker{trip: func(err error) {
		mu.Lock()
		defer mu.Unlock()
		broken = errors.Join(broken, err)
	}}
	snapshots, err := openSnapshots(dir, newRaftLogger(log, "seed"), brk)
	if err != nil {
		return fmt.Errorf("replica: %w", err)
	}
	// The metadata of a snapshot repeats the members in an old form, for which
	// Raft asks a transport.
	_, trans := raft.NewInmemTransport(raft.ServerAddress(self.Address))
	defer func() { _ = trans.Close() }() // holds nothing
	// Index and term 1: what a group's very first entry has.
	self.Voter = true
	sink, err := snapshots.Create(raft.SnapshotVersionMax, 1, 1, configurationOf([]Server{self}), 1, trans)
	if err != nil {
		return fmt.Errorf("replica: %w", err)
	}
	copied := capture(func(w io.Writer) error {
		_, err := io.Copy(w, state)
		return err
	})
	if err := copied.Persist(sink); err != nil {
		return fmt.Errorf("replica: %w", errors.Join(err, sink.Cancel()))
	}
	err = sink.Close()
	mu.Lock()
	defer mu.Unlock()
	if err = errors.Join(err, broken); err != nil {
		return fmt.Errorf("replica: %w", err)
	}
	return nil
}
