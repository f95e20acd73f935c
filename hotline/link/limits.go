package link

import (
	"time"

	"example.org/hotline/hotline"
)

// Bounds of the wire, beside those of hotline/limits.go (SPEC §9.2, §9.4).
const (
	MaxSender     = hotline.MaxReceipt // bytes of a sender's entry
	MaxCheckpoint = 8 << 10            // bytes of a checkpoint with its proof, and of cosignatures
	MaxAnswerText = 200                // bytes of an answer's text
	MaxCode       = 32                 // bytes of a code
	MaxOrigin     = 64                 // bytes of a log's origin
	prefixSize    = 4                  // length of the content, big endian
)

// sizeClasses are the only lengths that a frame has on the wire (SPEC §9.2).
// They are of powers of two, so that an observer of sizes learns only the
// order of magnitude; the last is hotline.MaxFrame.
var sizeClasses = [...]int{512, 1 << 10, 2 << 10, 4 << 10, 8 << 10, 16 << 10, 32 << 10, hotline.MaxFrame}

// The pace of resending (SPEC §9.6). Every wait is shortened by up to a quarter
// by a jitter that follows from the statement's id, and doubles with each try
// up to its ceiling.
const (
	RetryFirst  = 500 * time.Millisecond // after a failed exchange; ceiling: the term's next-path wait
	BusyFirst   = time.Second            // after busy; ceiling: BusyMax, or the next-path wait if shorter
	BusyMax     = 30 * time.Second
	RetryMax    = 10 * time.Minute // ceiling after a refusal
	SettleWait  = 30 * time.Second // a receipt that is not settled by then is asked for again
	PathPenalty = 15 * time.Second // a failed path is avoided for this long while another is there, and hurries nothing twice in it
	NeedAtOnce  = 3                // immediate repeats after documents were sent; then as a refusal
)

// The keeping of connections (SPEC §9.3).
const (
	HelloInterval = 30 * time.Second       // a hello is said again, so that up-but-silent shows
	redialFirst   = 250 * time.Millisecond // doubles up to hotline.LinkRedialMax
	MaxPeers      = hotline.MaxParties
)

// Shares of the deliveries in flight to one peer, by precedence. Each
// precedence has its own, so none can starve another: FLASH has FlashInFlight,
// the others divide LinkInFlight.
var laneShare = [4]int{
	hotline.FlashInFlight,
	hotline.LinkInFlight / 2,
	hotline.LinkInFlight / 4,
	hotline.LinkInFlight / 4,
}

// flashTokens is the part of a bucket's burst that only FLASH and hellos may
// use: one in this many.
const flashTokens = 8
