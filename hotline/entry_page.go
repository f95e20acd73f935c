package hotline

import (
	"bytes"
	"crypto/sha256"
)

// EntryPage tells how people were woken for a rung: first that it was
// intended, then what came of it (SPEC §6.10).
const EntryPage EntryType = 10

// Bounds of page entries.
const (
	maxPageRoutes   = MaxTargets
	maxPageAttempts = maxPageRoutes * MaxChannels
)

// PageKey is the same for everything that is sent about one due entry, so that
// whoever receives it twice can merge it.
type PageKey [16]byte

// PageKeyOf is the key of the page for the due entry at index (SPEC §6.10).
func PageKeyOf(convention ID, party Party, generation, index uint64) (k PageKey) {
	written(func(w *wire) {
		domain := "hotline/page"
		w.exactly(majorArray, 5)
		text(&domain, w)
		convention.code(w)
		text(&party, w)
		number(&generation, w)
		number(&index, w)
	}, func(b []byte) {
		sum := sha256.Sum256(b)
		copy(k[:], sum[:])
	})
	return k
}

// Page is the content of EntryPage: an intent, with routes, or what came of
// it, with an end.
type Page struct {
	Due      uint64        `cbor:"1,keyasint"` // index of the due entry
	Key      []byte        `cbor:"2,keyasint"` // PageKey
	Repeat   uint64        `cbor:"3,keyasint"` // 0: the first alarm
	Routes   []PageRoute   `cbor:"4,keyasint,omitempty"`
	End      PageEnd       `cbor:"5,keyasint,omitempty"`
	Node     string        `cbor:"6,keyasint,omitempty"` // whose channels were tried
	Attempts []PageAttempt `cbor:"7,keyasint,omitempty"`
}

// PageRoute is who is woken together, and the channels in their order.
type PageRoute struct {
	_        struct{} `cbor:",toarray"`
	Targets  []string // officers by role name
	Channels []string
}

// PageAttempt sums up the attempts of one route over one channel.
type PageAttempt struct {
	_       struct{} `cbor:",toarray"`
	Route   uint64   // place in the intent, from 0
	Channel string
	Tries   uint64
	First   Time // by the clock of the node
	Last    Time
	Result  PageResult // of the last
}

// PageEnd is what came of a page.
type PageEnd uint8

// The ends of a page.
const (
	PageDelivered PageEnd = 1 // a channel of every route took it
	PagePartly    PageEnd = 2 // a channel of some routes took it, the others were tried to the end
	PageFailed    PageEnd = 3 // no channel took it, though all were tried to the end
	PageStopped   PageEnd = 4 // the thing was done before every route was served
)

func (e PageEnd) String() string {
	names := [...]string{"", "delivered", "partly delivered", "failed", "stopped"}
	if int(e) < len(names) {
		return names[e]
	}
	return "end"
}

// PageResult is what became of one attempt.
type PageResult uint8

// The results of an attempt.
const (
	PageTaken     PageResult = 1 // the other side said that it has it
	PageRefused   PageResult = 2 // it said no, or could not be reached
	PageTimedOut  PageResult = 3 // no answer in time: it may have it
	PageAbsent    PageResult = 4 // the node has no channel of that name
	PageBusy      PageResult = 5 // too many attempts were under way
	PageCancelled PageResult = 6 // broken off: the thing was done, or the node led no longer
)

func (r PageResult) String() string {
	names := [...]string{"", "taken", "refused", "timed-out", "absent", "busy", "cancelled"}
	if int(r) < len(names) {
		return names[r]
	}
	return "result"
}

// Validate holds an intent and an end apart, and checks names and bounds.
func (p *Page) Validate() error {
	if len(p.Key) != len(PageKey{}) || bytes.Equal(p.Key, make([]byte, len(PageKey{}))) {
		return Refuse(CodeMalformed, "a page has a key of %d bytes", len(PageKey{}))
	}
	if p.Intent() {
		return p.checkIntent()
	}
	return p.checkEnd()
}

// Intent reports whether the entry says what is intended, rather than what
// came of it.
func (p *Page) Intent() bool { return p.End == 0 }

func (p *Page) checkIntent() error {
	switch {
	case p.Node != "" || len(p.Attempts) > 0:
		return Refuse(CodeMalformed, "what is only intended has no attempts")
	case len(p.Routes) == 0 || len(p.Routes) > maxPageRoutes:
		return Refuse(CodeMalformed, "%d routes, 1 to %d are allowed", len(p.Routes), maxPageRoutes)
	}
	for i := range p.Routes {
		r := &p.Routes[i]
		if len(r.Targets) == 0 || len(r.Targets) > MaxTargets || len(r.Channels) == 0 || len(r.Channels) > MaxChannels {
			return Refuse(CodeMalformed, "route %d has %d targets and %d channels, 1 to %d and 1 to %d are allowed", i, len(r.Targets), len(r.Channels),
				MaxTargets, MaxChannels)
		}
		for _, name := range r.Targets {
			if !validRoleName(name) {
				return Refuse(CodeMalformed, "target %q is no role name", name)
			}
		}
		for _, name := range r.Channels {
			if !validPlainName(name) {
				return Refuse(CodeMalformed, "channel %q is no name of a channel", name)
			}
		}
	}
	return nil
}

func (p *Page) checkEnd() error {
	switch {
	case p.End > PageStopped:
		return Refuse(CodeMalformed, "end %d", uint8(p.End))
	case len(p.Routes) > 0:
		return Refuse(CodeMalformed, "what came of a page does not repeat its routes")
	case len(p.Attempts) > maxPageAttempts:
		return Refuse(CodeMalformed, "%d attempts, at most %d", len(p.Attempts), maxPageAttempts)
	}
	if err := checkNodes([]string{p.Node}); err != nil {
		return err
	}
	for i := range p.Attempts {
		a := &p.Attempts[i]
		if a.Route >= maxPageRoutes || !validPlainName(a.Channel) || a.Tries == 0 || a.First <= 0 || a.Last <= 0 ||
			a.Result < PageTaken || a.Result > PageCancelled {
			return Refuse(CodeMalformed, "attempt %d does not say which route, channel, when, how often and with what result", i)
		}
	}
	return nil
}
