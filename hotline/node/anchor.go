package node

import (
	"cmp"
	"encoding/base64"
	"encoding/binary"
	"slices"
	"time"

	"example.org/hotline/crypto/tlog"
	"example.org/hotline/hotline"
	"example.org/hotline/hotline/ledger"
)

// Anchors for own statements (SPEC §7.13): the newest checkpoint of the own log
// that others have cosigned, as the leader knows it when it proposes. Nothing
// waits for one.

// anchorPause is the shortest time between two commands that carry an anchor:
// of many that come at once, one entry alone will bear it.
const anchorPause = time.Second

// ed25519Line is the length in bytes of what stands in base64 in an Ed25519
// cosignature line: key hash, time, signature.
const ed25519Line = 4 + 8 + 64

// stamped is one Ed25519 cosignature line.
type stamped struct {
	party   hotline.Party
	seconds uint64
	line    string
}

// offer makes an anchor of what has come of a round, if it is newer than the one
// that is kept. What Apply would leave out for its time (SPEC §7.13 rule 3) is no anchor, and
// must not keep away those that are.
func (g *gathered) offer(r *round, now hotline.Time) {
	latest := now + hotline.Time(hotline.SkewMark.Milliseconds())
	var list []stamped
	for p, lines := range r.lines {
		if s, ok := ed25519Of(r, p, lines); ok && s.seconds <= uint64(latest)/1000 {
			list = append(list, s)
		}
	}
	if len(list) == 0 {
		return
	}
	note := slices.Clone(r.note)
	for _, s := range chosen(list, uint64(now)/1000) {
		note = append(note, s.line...)
	}
	a, err := hotline.ParseAnchor(note)
	if err != nil {
		return // a witness whose line bears no time of the protocol, or is named beyond the bound
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.anchor == nil || a.Time > g.anchor.Time || g.anchor.Time > latest {
		g.anchor = a
	}
}

// ed25519Of finds the Ed25519 line among those of a witness, which were verified.
func ed25519Of(r *round, p hotline.Party, lines []byte) (s stamped, ok bool) {
	_, all, err := tlog.SplitNote(slices.Concat(r.note, lines))
	if err != nil {
		return s, false
	}
	for _, line := range all {
		b, err := base64.StdEncoding.DecodeString(line.Base64)
		if err == nil && line.Name == tlog.WitnessName(string(p)) && len(b) == ed25519Line {
			return stamped{p, binary.BigEndian.Uint64(b[4:]), "\u2014 " + line.Name + " " + line.Base64 + "\n"}, true
		}
	}
	return s, false
}

// chosen are the newest lines, sorted by party. One whose clock stands apart from
// that of most others is left out: its time would keep later anchors away, or say
// nothing new. Where the others are divided, as two are, the clock here decides, or
// one witness could keep the other's time out.
func chosen(list []stamped, here uint64) []stamped {
	slices.SortFunc(list, func(a, b stamped) int {
		if a.seconds != b.seconds {
			return cmp.Compare(a.seconds, b.seconds)
		}
		return cmp.Compare(a.party, b.party)
	})
	median, pause := list[(len(list)-1)/2].seconds, uint64(hotline.AnchorPause/time.Second)
	if other := list[len(list)/2].seconds; apart(other, here) < apart(median, here) {
		median = other
	}
	list = slices.DeleteFunc(list, func(s stamped) bool { return s.seconds+pause < median || s.seconds > median+pause })
	list = list[max(0, len(list)-hotline.MaxAnchorLines):]
	slices.SortFunc(list, func(a, b stamped) int { return cmp.Compare(a.party, b.party) })
	return list
}

func apart(a, b uint64) uint64 { return max(a, b) - min(a, b) }

// toOffer returns the newest anchor if it is of no earlier time than that, and was
// not put into a command just now.
func (g *gathered) toOffer(earliest hotline.Time) *hotline.Anchor {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.anchor == nil || g.anchor.Time < earliest || time.Since(g.offered) < anchorPause {
		return nil
	}
	g.offered = time.Now()
	return g.anchor
}

// anchor returns the anchor for an own statement that is about to be proposed, or
// nil: none is known, or the last one in the log is hardly older.
func (n *Node) anchor() []byte {
	var earliest hotline.Time
	n.machine.view(func(s *ledger.State) { earliest = s.NextAnchor() })
	a := n.gathered.toOffer(earliest)
	if a == nil {
		return nil
	}
	if err := n.machine.judgement().VerifyAnchor(a); err != nil {
		n.log.Warn("an anchor is left out: it does not verify with the documents in force", "why", err)
		return nil
	}
	return a.Raw
}
