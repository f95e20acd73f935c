package node

import (
	"encoding/binary"
	"fmt"
	"time"

	bolt "go.etcd.io/bbolt"

	"example.org/hotline/hotline"
)

// index finds the entry of a statement by its id. It is derived: rows may be
// lost or be ahead of the ledger files, and are made again from the entries.
type index struct{ db *bolt.DB }

var (
	bucketIDs  = []byte("ids")
	bucketMeta = []byte("meta")
	keySize    = []byte("size")
)

func openIndex(path string) (*index, error) {
	db, err := bolt.Open(path, 0o600, &bolt.Options{Timeout: time.Second, NoFreelistSync: true})
	if err != nil {
		return nil, fmt.Errorf("index %s: %w; if it is damaged, remove it: it is made again", path, err)
	}
	db.NoSync = true // derived: not worth a sync on the path of a notification
	err = db.Update(func(tx *bolt.Tx) error {
		if _, err := tx.CreateBucketIfNotExists(bucketIDs); err != nil {
			return err
		}
		_, err := tx.CreateBucketIfNotExists(bucketMeta)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("index %s: %w", path, err)
	}
	return &index{db}, nil
}

// size is the number of entries that have been indexed.
func (x *index) size() (n uint64) {
	_ = x.db.View(func(tx *bolt.Tx) error {
		if b := tx.Bucket(bucketMeta).Get(keySize); len(b) == 8 {
			n = binary.BigEndian.Uint64(b)
		}
		return nil
	})
	return n
}

// add indexes entries that begin at first. The first entry of an id counts.
func (x *index) add(first uint64, entries [][]byte) error {
	return x.db.Update(func(tx *bolt.Tx) error {
		ids := tx.Bucket(bucketIDs)
		for i, raw := range entries {
			id, ok := statementOf(raw)
			if !ok || ids.Get(id[:]) != nil {
				continue
			}
			if err := ids.Put(id[:], binary.BigEndian.AppendUint64(nil, first+uint64(i))); err != nil {
				return err
			}
		}
		return tx.Bucket(bucketMeta).Put(keySize, binary.BigEndian.AppendUint64(nil, first+uint64(len(entries))))
	})
}

// find returns the entry of a statement.
func (x *index) find(id hotline.ID) (at uint64, ok bool) {
	_ = x.db.View(func(tx *bolt.Tx) error {
		if b := tx.Bucket(bucketIDs).Get(id[:]); len(b) == 8 {
			at, ok = binary.BigEndian.Uint64(b), true
		}
		return nil
	})
	return at, ok
}

// prefix returns the statements whose id begins with these bytes, at most max.
func (x *index) prefix(p []byte, max int) (list []hotline.ID) {
	_ = x.db.View(func(tx *bolt.Tx) error {
		c := tx.Bucket(bucketIDs).Cursor()
		for k, _ := c.Seek(p); k != nil && len(list) < max && len(k) >= len(p) && string(k[:len(p)]) == string(p); k, _ = c.Next() {
			list = append(list, hotline.ID(k))
		}
		return nil
	})
	return list
}

func (x *index) close() error { return x.db.Close() }

func statementOf(raw []byte) (hotline.ID, bool) {
	_, content, err := hotline.DecodeEntry(raw)
	if err != nil {
		return hotline.ID{}, false
	}
	var st []byte
	switch c := content.(type) {
	case *hotline.Sent:
		st = c.Statement
	case *hotline.Received:
		st = c.Statement
	default:
		return hotline.ID{}, false
	}
	s, err := hotline.Parse(st)
	if err != nil {
		return hotline.ID{}, false
	}
	return s.ID, true
}
