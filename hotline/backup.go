package hotline

import (
	"crypto/sha256"

	"example.org/hotline/crypto/keys"
	"example.org/hotline/crypto/tlog"
)

// DomainBackup separates the signature under a backup from every other one of
// the log key.
const DomainBackup = "hotline/backup"

// Files of a backup directory, beside the leaves under tile/ and the documents
// under documents/ (SPEC §7.7).
const (
	BackupManifest   = "manifest"
	BackupCheckpoint = "checkpoint"
	BackupState      = "state"
	BackupDocuments  = "documents"
)

// MaxBackupManifest bounds the manifest in bytes; MaxBackupState the state.
const (
	MaxBackupManifest = 1 << 10
	MaxBackupState    = 1 << 30
)

// Backup says what a backup of a party's log holds. The log key signs it, since
// the checkpoint proves the entries but not the state beside them.
type Backup struct {
	Party      Party    `cbor:"1,keyasint"`
	Generation uint64   `cbor:"2,keyasint"`
	Convention ID       `cbor:"3,keyasint"`
	Size       uint64   `cbor:"4,keyasint"` // entries
	Root       [32]byte `cbor:"5,keyasint"` // of the tree of Size
	State      [32]byte `cbor:"6,keyasint"` // SHA-256 of the state file
}

type signedBackup struct {
	Backup    Backup `cbor:"1,keyasint"`
	Signature []byte `cbor:"2,keyasint"`
}

func (b *Backup) message() []byte { return MustMarshal([]any{DomainBackup, uint64(Protocol), *b}) }

// SignBackup makes the manifest of a backup.
func SignBackup(b *Backup, log keys.Signer) ([]byte, error) {
	sig, err := log.Sign(b.message())
	if err != nil {
		return nil, err
	}
	return Marshal(signedBackup{*b, sig})
}

// OpenBackup reads a manifest and checks that the log key signed it.
func OpenBackup(raw []byte, log keys.Public) (*Backup, error) {
	var s signedBackup
	if err := Unmarshal(raw, &s, MaxBackupManifest); err != nil {
		return nil, err
	}
	b := &s.Backup
	if !b.Party.Valid() || b.Generation == 0 || b.Size == 0 || b.Size >= tlog.MaxSize {
		return nil, Refuse(CodeMalformed, "manifest of a backup: a field is out of range")
	}
	if err := log.Verify(b.message(), s.Signature); err != nil {
		return nil, Refuse(CodeBadSignature, "manifest of a backup: the log key has not signed it")
	}
	return b, nil
}

// Holds reports whether this is the state that the manifest names.
func (b *Backup) Holds(state []byte) bool { return sha256.Sum256(state) == b.State }

// Checkpoint is the head that the backup's checkpoint must be of.
func (b *Backup) Checkpoint() tlog.Checkpoint {
	return tlog.Checkpoint{Origin: tlog.Origin(string(b.Party), b.Generation), Size: b.Size, Root: b.Root}
}
