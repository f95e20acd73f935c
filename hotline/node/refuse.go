package node

import (
	"crypto/sha256"
	"sync"

	"example.org/hotline/hotline"
)

// refusals remembers what was turned away, by the hash of the whole bytes,
// oldest forgotten first. It is this node's working state: a refusal never
// stands in the way of other bytes with the same id.
type refusals struct {
	mu    sync.Mutex
	list  []turnedAway
	total map[hotline.Code]uint64
}

type turnedAway struct {
	From hotline.Party
	Hash [32]byte
	Code hotline.Code
	Seen uint64
}

func newRefusals() *refusals { return &refusals{total: map[hotline.Code]uint64{}} }

func (r *refusals) note(from hotline.Party, raw []byte, code hotline.Code) {
	h := sha256.Sum256(raw)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.total[code]++
	for i := range r.list {
		if r.list[i].Hash == h && r.list[i].From == from {
			r.list[i].Seen++
			r.list[i].Code = code
			return
		}
	}
	if len(r.list) >= hotline.MaxRefusals {
		r.list = r.list[1:]
	}
	r.list = append(r.list, turnedAway{from, h, code, 1})
}
