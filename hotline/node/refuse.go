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
	mu   sync.Mutex
	list []turnedAway
	said map[hotline.Party]hotline.Time // when the daemon's log was last told
}

type turnedAway struct {
	From hotline.Party
	Hash [32]byte
	Code hotline.Code
	Seen uint64
}

func newRefusals() *refusals { return &refusals{said: map[hotline.Party]hotline.Time{}} }

// refusalSay is the shortest time, in milliseconds, between two lines in the
// daemon's log about what one party sent; all of them are counted.
const refusalSay hotline.Time = 1000

// note remembers a refusal, and reports whether the daemon's log should tell.
func (r *refusals) note(from hotline.Party, raw []byte, code hotline.Code, now hotline.Time) (say bool) {
	h := sha256.Sum256(raw)
	r.mu.Lock()
	defer r.mu.Unlock()
	if last, ok := r.said[from]; !ok || now < last || now >= last+refusalSay {
		r.said[from], say = now, true
	}
	for i := range r.list {
		if r.list[i].Hash == h && r.list[i].From == from {
			r.list[i].Seen++
			r.list[i].Code = code
			return say
		}
	}
	if len(r.list) >= hotline.MaxRefusals {
		r.list = r.list[1:]
	}
	r.list = append(r.list, turnedAway{from, h, code, 1})
	return say
}
