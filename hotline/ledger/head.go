package ledger

import "example.org/hotline/hotline"

// Head is the newest head of a peer's log that an entry here proves: the tree
// that a tender or a receipt was made from.
type Head struct {
	Generation uint64
	Size       uint64 // 0: nothing of the peer is proven yet
	Entry      uint64 // the own entry that holds the tender or receipt
}

// saw takes in the head that a tender or a receipt claims, from the own entry
// that holds it.
func (h *Head) saw(c *hotline.Claims, entry uint64) {
	size := c.Index + 1
	if c.Generation > h.Generation || c.Generation == h.Generation && size > h.Size {
		*h = Head{Generation: c.Generation, Size: size, Entry: entry}
	}
}
