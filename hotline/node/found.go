package node

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"example.org/hotline/crypto/keys"
	"example.org/hotline/ops/config"
)

// A group of several nodes is founded once, by people. A node that finds its
// data directory empty cannot tell a new group from a lost disk; if it founded
// the group again under its old name, it would vote a second time in terms in
// which it has voted, and a majority would no longer be one. So it starts only
// if somebody said that the group is new.

// foundMark is the file by which they say so. It is used up by the first start that
// comes to its end; a group of one node gets it from its first start.
const foundMark = "found"

// Found marks the data directory of a node of a new group. It refuses one that
// holds anything already.
func Found(cfg *config.Config) error {
	if err := os.MkdirAll(cfg.Data, 0o700); err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	list, err := os.ReadDir(cfg.Data)
	if err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	for _, e := range list {
		if e.Name() != foundMark {
			return fmt.Errorf("data directory %s is not empty: this node has been started before", cfg.Data)
		}
	}
	return os.WriteFile(filepath.Join(cfg.Data, foundMark), nil, 0o600)
}

// begun says whether this node has taken part in its group before.
func begun(cfg *config.Config) (bool, error) {
	_, err := os.Stat(filepath.Join(cfg.Data, "raft"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, fmt.Errorf("data directory: %w", err)
	}
	return err == nil, nil
}

// mayFound decides whether this start may found the group, and refuses one
// that would have to but may not. While the mark is there no start has come to its
// end; the group's log knows whether it was begun all the same.
func mayFound(cfg *config.Config, before bool, nodes int) (bool, error) {
	_, err := os.Stat(filepath.Join(cfg.Data, foundMark))
	switch {
	case cfg.Group.Join:
		return false, nil
	case err == nil:
		return true, nil
	case before:
		return false, nil
	case nodes == 1:
		return true, nil
	}
	return false, fmt.Errorf("data directory %s is empty and the group has %d nodes: if the group is new, run hotlined found on each of them once; "+
		"a node that lost its disk returns under a new name with join = true", cfg.Data, nodes)
}

// founding leaves the mark for the next start, should this one not come to its end.
func founding(cfg *config.Config) error {
	if err := os.WriteFile(filepath.Join(cfg.Data, foundMark), nil, 0o600); err != nil {
		return err
	}
	return keys.SyncDir(cfg.Data)
}

// founded uses the mark up.
func founded(cfg *config.Config) error {
	err := os.Remove(filepath.Join(cfg.Data, foundMark))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
