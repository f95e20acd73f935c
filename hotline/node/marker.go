package node

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// marker is a number in a small file of the data directory: how far a check in
// the background has come. It is no durable promise: one that is lost only makes
// the check begin again.
type marker struct{ path string }

// load returns the number, or 0 if there is none that can be read.
func (m marker) load() uint64 {
	b, err := os.ReadFile(m.path)
	if err != nil {
		return 0
	}
	v, err := strconv.ParseUint(strings.TrimSuffix(string(b), "\n"), 10, 64)
	if err != nil {
		return 0
	}
	return v
}

// save replaces the number as a whole. An error means that the disk fails: the
// process must stop.
func (m marker) save(v uint64) error {
	tmp := m.path + ".tmp"
	err := os.WriteFile(tmp, fmt.Appendf(nil, "%d\n", v), 0o600)
	if err == nil {
		err = os.Rename(tmp, m.path)
	}
	if err != nil {
		return fmt.Errorf("%s cannot be written: %w", filepath.Base(m.path), errors.Join(err, os.Remove(tmp)))
	}
	return nil
}
