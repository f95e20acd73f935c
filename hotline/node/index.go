package node

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"

	"example.org/hotline/hotline"
)

// index finds the entry of a statement by its id. It is derived: what stands
// in the file lags behind the ledger; what is newer is kept in memory. The first
// entry of an id counts.
//
// bbolt has no checksum of what it holds, and ends the process over some of
// what a flipped bit makes of it. So the file is only used again by the side of
// its digest, which close leaves behind and open takes away: after a crash, of
// whatever cause, and after any damage at rest the index is made again.
type index struct {
	db   *bolt.DB
	path string

	mu    sync.Mutex
	next  uint64 // entries below it are indexed, without a gap
	fresh map[hotline.ID]uint64
	from  uint64 // of fresh: entries below it are in the file

	flushing sync.Mutex // taken before mu
}

// maxFresh bounds the ids that wait in memory; beyond it Apply writes them
// itself, which slows it down to what the disk can bear.
const maxFresh = 1 << 16

var (
	bucketIDs  = []byte("ids")
	bucketMeta = []byte("meta")
	keySize    = []byte("size")
)

// digestExt is added to the name of the index for the file with its digest.
const digestExt = ".sha256"

// openIndex opens the index of a log that holds size entries. One that was not
// closed in order, is damaged, or is ahead of the log, is thrown away.
func openIndex(path string, size uint64) (*index, error) {
	sound := intact(path)
	if err := gone(os.Remove(path + digestExt)); err != nil {
		return nil, fmt.Errorf("index %s: %w", path, err)
	}
	if sound {
		if x, err := openIndexFile(path); err == nil && x.next <= size {
			return x, nil
		} else if err == nil {
			if err := x.db.Close(); err != nil {
				return nil, fmt.Errorf("index %s: %w", path, err)
			}
		}
	}
	if err := gone(os.Remove(path)); err != nil {
		return nil, fmt.Errorf("index %s cannot be replaced: %w", path, err)
	}
	x, err := openIndexFile(path)
	if err != nil {
		return nil, fmt.Errorf("index %s: %w", path, err)
	}
	return x, nil
}

// intact says whether the index is what close left behind.
func intact(path string) bool {
	want, err := os.ReadFile(path + digestExt)
	if err != nil {
		return false
	}
	got, err := digestOf(path)
	return err == nil && bytes.Equal(got, want)
}

func digestOf(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return nil, err
	}
	return h.Sum(nil), nil
}

// gone is the error of a removal, unless there was nothing to remove.
func gone(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

func openIndexFile(path string) (*index, error) {
	db, err := bolt.Open(path, 0o600, &bolt.Options{Timeout: time.Second})
	if err != nil {
		return nil, err
	}
	x := &index{db: db, path: path, fresh: map[hotline.ID]uint64{}}
	err = db.Update(func(tx *bolt.Tx) error {
		_, err := tx.CreateBucketIfNotExists(bucketIDs)
		if err != nil {
			return err
		}
		meta, err := tx.CreateBucketIfNotExists(bucketMeta)
		if err != nil {
			return err
		}
		if b := meta.Get(keySize); len(b) == 8 {
			x.next = binary.BigEndian.Uint64(b)
		}
		return nil
	})
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	x.from = x.next
	return x, nil
}

// size is the number of entries that are indexed.
func (x *index) size() uint64 {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.next
}

// place is where a statement stands.
type place struct {
	id hotline.ID
	at uint64
}

// note indexes count entries that begin at first, of which these are
// statements: Apply knows their ids, so that nothing is parsed again. Behind a
// gap it does nothing, like add.
func (x *index) note(first, count uint64, placed []place) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if first > x.next {
		return nil
	}
	for _, p := range placed {
		if _, there := x.fresh[p.id]; !there && p.at >= x.next {
			x.fresh[p.id] = p.at
		}
	}
	x.next = max(x.next, first+count)
	if len(x.fresh) < maxFresh {
		return nil
	}
	return x.store()
}

// add indexes entries that begin at first. Those that are indexed already are
// passed over; those behind a gap are left to whoever fills the gap.
func (x *index) add(first uint64, entries [][]byte) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if first > x.next {
		return nil
	}
	for i, raw := range entries {
		if at := first + uint64(i); at == x.next {
			if id, ok := statementOf(raw); ok {
				if _, there := x.fresh[id]; !there {
					x.fresh[id] = at
				}
			}
			x.next++
		}
	}
	if len(x.fresh) < maxFresh {
		return nil
	}
	return x.store()
}

// flush writes what is in memory to the file and syncs it. Adding and finding
// go on beside the write.
func (x *index) flush() error {
	x.flushing.Lock()
	defer x.flushing.Unlock()
	x.mu.Lock()
	batch, from, to := maps.Clone(x.fresh), x.from, x.next
	x.mu.Unlock()
	if from == to {
		return nil
	}
	if err := x.write(batch, to); err != nil {
		return err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	for id := range batch {
		delete(x.fresh, id)
	}
	x.from = max(x.from, to)
	return nil
}

// store is flush with x.mu held: whoever adds must wait.
func (x *index) store() error {
	if err := x.write(x.fresh, x.next); err != nil {
		return err
	}
	clear(x.fresh)
	x.from = x.next
	return nil
}

func (x *index) write(batch map[hotline.ID]uint64, to uint64) error {
	err := x.db.Update(func(tx *bolt.Tx) error {
		ids, meta := tx.Bucket(bucketIDs), tx.Bucket(bucketMeta)
		if b := meta.Get(keySize); len(b) == 8 && binary.BigEndian.Uint64(b) >= to {
			return nil // store was faster
		}
		for id, at := range batch {
			if ids.Get(id[:]) != nil {
				continue
			}
			if err := ids.Put(id[:], binary.BigEndian.AppendUint64(nil, at)); err != nil {
				return err
			}
		}
		return meta.Put(keySize, binary.BigEndian.AppendUint64(nil, to))
	})
	if err != nil {
		return fmt.Errorf("index: %w", err)
	}
	return nil
}

// find returns the entry of a statement.
func (x *index) find(id hotline.ID) (at uint64, ok bool) {
	// Memory before the file: what moves from one to the other meanwhile is found
	// in either. The file is older, so it counts.
	x.mu.Lock()
	at, ok = x.fresh[id]
	x.mu.Unlock()
	_ = x.db.View(func(tx *bolt.Tx) error { // fails only when closed
		if b := tx.Bucket(bucketIDs).Get(id[:]); len(b) == 8 {
			at, ok = binary.BigEndian.Uint64(b), true
		}
		return nil
	})
	return at, ok
}

// prefix returns the statements whose id begins with these bytes, each once, at
// most max from the file and all from memory. While flush is at work, those that
// it writes are in both.
func (x *index) prefix(p []byte, max int) (list []hotline.ID) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for id := range x.fresh {
		if bytes.HasPrefix(id[:], p) {
			list = append(list, id)
		}
	}
	_ = x.db.View(func(tx *bolt.Tx) error { // fails only when closed: then nothing is found
		c := tx.Bucket(bucketIDs).Cursor()
		for k, _ := c.Seek(p); k != nil && bytes.HasPrefix(k, p) && max > 0; k, _ = c.Next() {
			if _, both := x.fresh[hotline.ID(k)]; !both {
				list = append(list, hotline.ID(k))
			}
			max--
		}
		return nil
	})
	return list
}

// close writes what is in memory, closes the file and leaves its digest.
func (x *index) close() error {
	if err := errors.Join(x.flush(), x.db.Close()); err != nil {
		return err
	}
	digest, err := digestOf(x.path)
	if err != nil {
		return fmt.Errorf("index: %w", err)
	}
	return os.WriteFile(x.path+digestExt, digest, 0o600)
}

func statementOf(raw []byte) (hotline.ID, bool) {
	_, st, err := hotline.StatementIn(raw)
	if err != nil {
		return hotline.ID{}, false
	}
	return st.ID, true
}
