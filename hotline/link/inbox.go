// pure

package link

import "example.org/hotline/hotline"

// Inbox bounds what one peer may ask: a token bucket, charged for every stream
// before any signature is checked, and a number of deliveries at work at a
// time. A part of both is kept for FLASH, and of the first for hellos. It is not safe for concurrent use.
//
// Exactly once is not its business: the receiver's ledger sees to that.
type Inbox struct {
	rate    int64 // tokens per second, so thousandths of a token per millisecond
	full    int64 // thousandths of a token
	reserve int64 // of full, for FLASH and hellos alone
	level   int64
	last    hotline.Time
	begun   bool
	unread  int    // streams that arrived and are not charged yet
	working [2]int // ordinary, FLASH
}

const token = 1000

// NewInbox makes an Inbox with a full bucket. rate is streams per second,
// burst the most at once; both at least 1.
func NewInbox(rate, burst int) *Inbox {
	full := int64(max(burst, 1)) * token
	return &Inbox{rate: int64(max(rate, 1)), full: full, reserve: full / token / flashTokens * token, level: full}
}

// Arrive notes a stream before it is read. One Charge follows.
func (b *Inbox) Arrive() { b.unread++ }

// Charge takes one token for a stream that arrived, readable or not, and
// reports false if the peer has none left.
func (b *Inbox) Charge(flash bool, now hotline.Time) bool {
	b.refill(now)
	b.unread--
	floor := b.reserve
	if flash {
		floor = 0
	}
	if b.level-token < floor {
		return false
	}
	b.level -= token
	return true
}

// Pause is how many milliseconds to leave the peer's next stream unread: 0
// while an ordinary token is left for it, else at most the time of half a
// token. So a flood on one connection is taken in at no more than about twice
// the rate, whatever is sent, and half of it still hears at once that it is
// one.
func (b *Inbox) Pause(now hotline.Time) int64 {
	b.refill(now)
	missing := b.reserve + int64(b.unread+1)*token - b.level
	if missing <= 0 {
		return 0
	}
	return min((missing+b.rate-1)/b.rate, max(token/b.rate/2, 1))
}

// Enter takes a place for one delivery at work, and reports false if there is
// none: hotline.LinkInFlight for ordinary ones, hotline.FlashInFlight for
// FLASH. Every Enter that succeeds is followed by one Leave.
func (b *Inbox) Enter(flash bool) bool {
	l, bound := laneOf(flash)
	if b.working[l] >= bound {
		return false
	}
	b.working[l]++
	return true
}

// Leave gives back a place taken by Enter.
func (b *Inbox) Leave(flash bool) {
	l, _ := laneOf(flash)
	b.working[l]--
}

func laneOf(flash bool) (index, bound int) {
	if flash {
		return 1, hotline.FlashInFlight
	}
	return 0, hotline.LinkInFlight
}

// refill adds what the time since the last call is worth. A clock that went
// back adds nothing.
func (b *Inbox) refill(now hotline.Time) {
	elapsed := int64(now - b.last)
	if b.begun && elapsed > 0 {
		if elapsed >= b.full/b.rate+1 {
			b.level = b.full
		} else {
			b.level = min(b.full, b.level+elapsed*b.rate)
		}
	}
	b.last, b.begun = now, true
}
