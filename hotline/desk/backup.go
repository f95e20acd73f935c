package desk

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"example.org/hotline/crypto/keys"
	"example.org/hotline/crypto/tlog"
	"example.org/hotline/hotline"
)

// Backup fetches a backup and writes it to dir, which must not exist: it is
// there as a whole, synced, or not at all. Everything is checked against the
// party's log key before. documents are files, by name, that go with it.
func (c *Client) Backup(ctx context.Context, dir string, log keys.Public, documents map[string][]byte) (b *hotline.Backup, err error) {
	dir = filepath.Clean(dir)
	if _, err := os.Lstat(dir); err == nil {
		return nil, &os.PathError{Op: "create", Path: dir, Err: os.ErrExist}
	}
	tmp, err := os.MkdirTemp(filepath.Dir(dir), "."+filepath.Base(dir)+"-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(tmp)) }()
	store, err := tlog.Open(filepath.Join(tmp, "log"))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	f := &backupFiles{store: store, dir: filepath.Join(tmp, "whole"), made: map[string]bool{}}
	if err := f.fetch(ctx, c); err != nil {
		return nil, err
	}
	if b, err = f.check(log); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAnswer, err)
	}
	if err := f.write(b, documents); err != nil {
		return nil, err
	}
	if err := os.Rename(f.dir, dir); err != nil {
		return nil, err
	}
	return b, syncPath(filepath.Dir(dir))
}

// backupFiles is a backup on its way to the disk.
type backupFiles struct {
	store                       *tlog.Store
	state, manifest, checkpoint []byte
	dir                         string
	made                        map[string]bool // directories
}

func (f *backupFiles) fetch(ctx context.Context, c *Client) error {
	err := c.Stream(ctx, &Request{Backup: &BackupRequest{}}, func(r *Reply) error {
		p := r.Backup
		switch {
		case p == nil || f.manifest != nil || p.From != f.store.Size() || p.From+uint64(len(p.Entries)) > p.Size:
			return fmt.Errorf("%w: a part of the backup is out of order", ErrAnswer)
		case len(p.State) > 0 && p.From != p.Size || len(f.state)+len(p.State) > hotline.MaxBackupState:
			return fmt.Errorf("%w: the state comes before the entries or is too long", ErrAnswer)
		}
		f.state = append(f.state, p.State...)
		if len(p.Manifest) > 0 {
			f.manifest, f.checkpoint = p.Manifest, p.Checkpoint
		}
		return f.store.Append(p.Entries...)
	})
	if err == nil && f.manifest == nil {
		err = fmt.Errorf("%w: the backup ends before its manifest", ErrAnswer)
	}
	return err
}

// check compares what came with what the log key signed.
func (f *backupFiles) check(log keys.Public) (*hotline.Backup, error) {
	b, err := hotline.OpenBackup(f.manifest, log)
	if err != nil {
		return nil, err
	}
	c, err := tlog.ParseCheckpoint(f.checkpoint, b.Checkpoint().Origin, log)
	switch {
	case err != nil:
		return nil, err
	case c != b.Checkpoint() || f.store.Size() != b.Size || f.store.Root() != b.Root:
		return nil, fmt.Errorf("%d entries are not the tree of size %d that the log key signed", f.store.Size(), b.Size)
	case !b.Holds(f.state):
		return nil, errors.New("the state is not the one that the log key signed")
	}
	return b, nil
}

func (f *backupFiles) write(b *hotline.Backup, documents map[string][]byte) error {
	if err := f.store.Export(f.put, b.Size); err != nil {
		return err
	}
	files := map[string][]byte{hotline.BackupState: f.state, hotline.BackupCheckpoint: f.checkpoint, hotline.BackupManifest: f.manifest}
	for name, raw := range documents {
		files[hotline.BackupDocuments+"/"+name] = raw
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := f.put(name, files[name]); err != nil {
			return err
		}
	}
	for _, dir := range slices.Sorted(maps.Keys(f.made)) {
		if err := syncPath(dir); err != nil {
			return err
		}
	}
	return nil
}

// put writes one file durably; its directories are synced at the end.
func (f *backupFiles) put(name string, data []byte) error {
	path := filepath.Join(f.dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	for dir := filepath.Dir(path); !f.made[dir] && dir != filepath.Dir(f.dir); dir = filepath.Dir(dir) {
		f.made[dir] = true
	}
	out, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = out.Write(data)
	return errors.Join(err, out.Sync(), out.Close())
}

func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
