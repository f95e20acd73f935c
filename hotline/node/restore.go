package node

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"example.org/hotline/crypto/keys"
	"example.org/hotline/crypto/tlog"
	"example.org/hotline/hotline"
	"example.org/hotline/hotline/ledger"
	"example.org/hotline/hotline/replica"
	"example.org/hotline/ops/ceremony"
	"example.org/hotline/ops/config"
)

// Restore makes the data directory of a node from a backup in dir, without
// starting anything. Everything is verified before the first byte is kept; an
// error names the file at fault. The data directory must be absent or empty.
//
// The node starts a new group by itself: the other nodes of a larger group join
// it with empty directories. It signs nothing before its peers have said which
// head of the log they hold (SPEC §7.5), or ConfirmWithoutPeers was called.
func Restore(cfg *config.Config, dir string, passphrase []byte, log *slog.Logger) (*hotline.Backup, error) {
	docs, err := ceremony.LoadDocuments(cfg.Documents, cfg.Pin())
	if err != nil {
		return nil, fmt.Errorf("documents: %w; the backup holds a copy in %s", err, filepath.Join(dir, hotline.BackupDocuments))
	}
	if err := CheckKeys(cfg, docs, passphrase); err != nil {
		return nil, err
	}
	own := newestOf(docs, hotline.Party(cfg.Party))
	kept, err := openBackup(dir, own, docs.Conventions[0].ID)
	if err != nil {
		return nil, fmt.Errorf("backup %s: %w", dir, err)
	}
	if list, err := os.ReadDir(cfg.Data); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("data directory: %w", err)
	} else if len(list) > 0 {
		return nil, fmt.Errorf("data directory %s is not empty: move it away first, it may be newer than the backup", cfg.Data)
	}
	var self hotline.Node
	for _, n := range own.Nodes {
		if n.Name == cfg.Node {
			self = n
		}
	}
	if err := kept.writeTo(cfg.Data, replica.Server{ID: self.Name, Address: self.Addr}, log); err != nil {
		return nil, fmt.Errorf("restore: %w", err)
	}
	return kept.manifest, nil
}

// ConfirmWithoutPeers ends the waiting of a restored node whose peers cannot be
// asked. If one of them holds a newer head all the same, the node stops signing
// as soon as it hears of it.
func ConfirmWithoutPeers(cfg *config.Config) error {
	err := os.Remove(filepath.Join(cfg.Data, restoredFile))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("nothing in %s waits for peers: it was not restored, or they have answered", cfg.Data)
	}
	return err
}

// openedBackup is a backup that was verified.
type openedBackup struct {
	manifest *hotline.Backup
	archive  *tlog.Archive
	state    []byte
}

func openBackup(dir string, own *hotline.SignedDirectory, convention hotline.ID) (*openedBackup, error) {
	raw, err := readBounded(dir, hotline.BackupManifest, hotline.MaxBackupManifest)
	if err != nil {
		return nil, err
	}
	b := &openedBackup{}
	if b.manifest, err = hotline.OpenBackup(raw, own.Log); err != nil {
		return nil, fmt.Errorf("%s: %w", hotline.BackupManifest, err)
	}
	if m := b.manifest; m.Party != own.Party || m.Generation != own.Generation || m.Convention != convention {
		return nil, fmt.Errorf("%s: of generation %d of %s under convention %s, not of this node's party, log and convention",
			hotline.BackupManifest, m.Generation, m.Party, m.Convention.Short())
	}
	note, err := readBounded(dir, hotline.BackupCheckpoint, tlog.MaxCheckpoint)
	if err != nil {
		return nil, err
	}
	c, err := tlog.ParseCheckpoint(note, b.manifest.Checkpoint().Origin, own.Log)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", hotline.BackupCheckpoint, err)
	}
	if c != b.manifest.Checkpoint() {
		return nil, fmt.Errorf("%s: of another size or root than the manifest", hotline.BackupCheckpoint)
	}
	if err := b.openState(dir); err != nil {
		return nil, fmt.Errorf("%s: %w", hotline.BackupState, err)
	}
	if _, err := ceremony.LoadDocuments(filepath.Join(dir, hotline.BackupDocuments), convention); err != nil {
		return nil, fmt.Errorf("%s: %w", hotline.BackupDocuments, err)
	}
	return b, b.openEntries(dir)
}

func (b *openedBackup) openState(dir string) (err error) {
	if b.state, err = readBounded(dir, hotline.BackupState, hotline.MaxBackupState); err != nil {
		return err
	}
	m := b.manifest
	if !m.Holds(b.state) {
		return errors.New("is not the one that the manifest names")
	}
	s, err := ledger.RestoreState(b.state)
	if err != nil {
		return err
	}
	if s.Self() != m.Party || s.Generation() != m.Generation || s.ConventionID() != m.Convention || s.Size() != m.Size || s.Root() != m.Root {
		return errors.New("is of another log, size or root than the manifest")
	}
	return nil
}

// openEntries reads every leaf and compares the tree with the manifest.
func (b *openedBackup) openEntries(dir string) (err error) {
	if b.archive, err = tlog.OpenArchive(os.DirFS(dir), b.manifest.Size); err != nil {
		return err
	}
	root, err := b.archive.Root()
	if err != nil {
		return err
	}
	if root != b.manifest.Root {
		return errors.New("tile: the entries do not have the root of the manifest")
	}
	return nil
}

func readBounded(dir, name string, limit int64) ([]byte, error) {
	f, err := os.Open(filepath.Join(dir, name))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(b)) > limit {
		err = fmt.Errorf("%s: longer than %d bytes", name, limit)
	}
	return b, err
}

// writeTo fills a directory beside data and renames it, so that a data
// directory is there as a whole or not at all.
func (b *openedBackup) writeTo(data string, self replica.Server, log *slog.Logger) (err error) {
	data = filepath.Clean(data)
	parent := filepath.Dir(data)
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(parent, "."+filepath.Base(data)+"-")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(tmp))
		}
	}()
	if err := b.writeLedger(filepath.Join(tmp, "ledger")); err != nil {
		return err
	}
	if err := replica.Seed(filepath.Join(tmp, "raft"), self, bytes.NewReader(b.state), log); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(tmp, restoredFile), nil, 0o600); err != nil {
		return err
	}
	if err := keys.SyncDir(tmp); err != nil {
		return err
	}
	if err := os.Remove(data); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Rename(tmp, data); err != nil {
		return err
	}
	return keys.SyncDir(parent)
}

// restoreBatch is how many entries are written at once.
const restoreBatch = 256

func (b *openedBackup) writeLedger(dir string) (err error) {
	store, err := tlog.Open(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	var list [][]byte
	for raw, err := range b.archive.Entries(0, b.manifest.Size) {
		if err != nil {
			return err
		}
		if list = append(list, raw); len(list) < restoreBatch {
			continue
		}
		if err := store.Append(list...); err != nil {
			return err
		}
		list = list[:0]
	}
	if err := store.Append(list...); err != nil {
		return err
	}
	if store.Size() != b.manifest.Size || store.Root() != b.manifest.Root {
		return errors.New("the backup changed while it was read")
	}
	return store.Sync()
}
