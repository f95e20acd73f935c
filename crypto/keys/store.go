package keys

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Write is Create with mode 0600.
func Write(path string, data []byte) error { return Create(path, data, 0o600) }

// Create makes the file at path, and returns once file and directory entry are on
// disk. The file is whole as soon as it is there, also if the process ends in
// between. It never replaces a file: an existing one is an error that satisfies
// errors.Is(err, fs.ErrExist).
func Create(path string, data []byte, mode fs.FileMode) error {
	if _, err := os.Lstat(path); err == nil {
		return &fs.PathError{Op: "create", Path: path, Err: fs.ErrExist}
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".new-")
	if err != nil {
		return fmt.Errorf("create %s: %w", path, err)
	}
	defer os.Remove(f.Name())
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err == nil {
		err = name(f.Name(), path, data, mode)
	}
	if err == nil {
		err = SyncDir(filepath.Dir(path))
	}
	if err != nil {
		return fmt.Errorf("create %s: %w", path, err)
	}
	return nil
}

// name gives a whole file its name, which it takes from nobody. A medium without
// links, as a stick that is carried to a ceremony may be, gets it written again.
func name(whole, path string, data []byte, mode fs.FileMode) error {
	err := os.Link(whole, path)
	if err == nil || errors.Is(err, fs.ErrExist) {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}

// SyncDir has the names that stand in a directory survive a loss of power, as the
// files' own syncs have their contents.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Load reads and decrypts the signing key in the file at path. A file made for
// another purpose is refused with ErrPurpose before the passphrase is tried,
// one that holds a sealing key with ErrKey.
func Load(path, purpose string, passphrase []byte) (*Private, error) {
	key, err := load(path, purpose, passphrase)
	if err != nil {
		return nil, fmt.Errorf("load key %s: %w", path, err)
	}
	if key.Signing == nil {
		return nil, fmt.Errorf("load key %s: %w: it is a sealing key, want a signing key", path, ErrKey)
	}
	return key.Signing, nil
}

// LoadSealing is Load for a sealing key.
func LoadSealing(path, purpose string, passphrase []byte) (*SealingPrivate, error) {
	key, err := load(path, purpose, passphrase)
	if err != nil {
		return nil, fmt.Errorf("load key %s: %w", path, err)
	}
	if key.Sealing == nil {
		return nil, fmt.Errorf("load key %s: %w: it is a signing key, want a sealing key", path, ErrKey)
	}
	return key.Sealing, nil
}

func load(path, purpose string, passphrase []byte) (Key, error) {
	f, err := os.Open(path)
	if err != nil {
		return Key{}, err
	}
	defer f.Close()
	file, err := io.ReadAll(io.LimitReader(f, MaxFile+1))
	if err != nil {
		return Key{}, err
	}
	h, c, err := parseFile(file)
	if err != nil {
		return Key{}, err
	}
	if h.Purpose != purpose {
		return Key{}, fmt.Errorf("%w: this file is for %q, want %q", ErrPurpose, h.Purpose, purpose)
	}
	return h.open(c, passphrase)
}
