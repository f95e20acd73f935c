package node

import (
	"crypto/sha256"

	"example.org/hotline/crypto/tlog"
	"example.org/hotline/hotline"
	"example.org/hotline/hotline/desk"
	"example.org/hotline/hotline/ledger"
)

// A backup is what a party needs to go on after it has lost every disk: the
// entries, the open state of exactly their size, and the log key's signature
// under both. Keys are no part of it.

// backup streams one while the node runs: the entries first, then the state,
// then what proves them.
func (n *Node) backup(send func(*desk.Reply) error) error {
	b, state, err := n.captureBackup()
	if err != nil {
		return err
	}
	manifest, err := hotline.SignBackup(b, n.keys.log)
	if err != nil {
		return err
	}
	note, err := tlog.SignCheckpoint(b.Checkpoint(), n.keys.log)
	if err != nil {
		return err
	}
	chunk := &desk.BackupChunk{Size: b.Size}
	size := 0
	for raw, err := range n.machine.store.Entries(0, b.Size) {
		if err != nil {
			return err
		}
		chunk.Entries = append(chunk.Entries, raw)
		if size += len(raw) + 8; size < hotline.ExportChunk && len(chunk.Entries) < hotline.MaxArrayItems {
			continue
		}
		if err := send(&desk.Reply{Backup: chunk}); err != nil {
			return err
		}
		chunk, size = &desk.BackupChunk{From: chunk.From + uint64(len(chunk.Entries)), Size: b.Size}, 0
	}
	if err := send(&desk.Reply{Backup: chunk}); err != nil {
		return err
	}
	for len(state) > 0 {
		part := state[:min(len(state), hotline.ExportChunk)]
		state = state[len(part):]
		if err := send(&desk.Reply{Backup: &desk.BackupChunk{From: b.Size, Size: b.Size, State: part}}); err != nil {
			return err
		}
	}
	return send(&desk.Reply{Backup: &desk.BackupChunk{From: b.Size, Size: b.Size, Manifest: manifest, Checkpoint: note}})
}

// captureBackup takes state, size and root of one moment. What is signed is
// first read back from the files.
func (n *Node) captureBackup() (b *hotline.Backup, state []byte, err error) {
	if err := n.maySign(); err != nil {
		return nil, nil, err
	}
	if err := n.machine.complete(); err != nil {
		return nil, nil, hotline.Refuse(hotline.CodeBusy, "%v", err)
	}
	n.machine.view(func(s *ledger.State) {
		b = &hotline.Backup{Party: s.Self(), Generation: s.Generation(), Convention: s.ConventionID(), Size: s.Size(), Root: s.Root()}
		state, err = s.Snapshot()
	})
	if err != nil {
		return nil, nil, err
	}
	if b.Size == 0 {
		return nil, nil, hotline.Refuse(hotline.CodeNotFound, "the log is empty")
	}
	if err := n.agree(b.Size, b.Root); err != nil {
		return nil, nil, err
	}
	b.State = sha256.Sum256(state)
	return b, state, nil
}
