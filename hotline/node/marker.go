package node

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"example.org/hotline/crypto/keys"
)

// marker is a number in a small file of the data directory: how far a check has
// come. One that is lost only makes the check begin again; where that is not so,
// saveSynced makes it durable.
type marker struct{ path string }

// load returns the number, or 0 if there is none that can be read.
func (m marker) load() uint64 {
	v, _, _ := m.find()
	return v
}

// find also says whether the file is there, and why it cannot be read. What is no
// number counts as 0.
func (m marker) find() (v uint64, there bool, err error) {
	b, err := os.ReadFile(m.path)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		return 0, false, err
	}
	if v, err = strconv.ParseUint(strings.TrimSuffix(string(b), "\n"), 10, 64); err != nil {
		v = 0
	}
	return v, true, nil
}

// save replaces the number as a whole. An error means that the disk fails: the
// process must stop.
func (m marker) save(v uint64) error {
	return m.replace(v, func(*os.File) error { return nil })
}

// saveSynced is save, and the number is on disk when it returns.
func (m marker) saveSynced(v uint64) error {
	if err := m.replace(v, (*os.File).Sync); err != nil {
		return err
	}
	return keys.SyncDir(filepath.Dir(m.path))
}

func (m marker) replace(v uint64, sync func(*os.File) error) error {
	tmp := m.path + ".tmp"
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err == nil {
		_, err = fmt.Fprintf(f, "%d\n", v)
		err = errors.Join(err, sync(f), f.Close())
	}
	if err == nil {
		err = os.Rename(tmp, m.path)
	}
	if err != nil {
		return fmt.Errorf("%s cannot be written: %w", filepath.Base(m.path), errors.Join(err, os.Remove(tmp)))
	}
	return nil
}

// remove takes the file away. After a loss of power it may be there again.
func (m marker) remove() error {
	if err := os.Remove(m.path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
