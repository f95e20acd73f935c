package ledger

import (
	"slices"

	"example.org/hotline/crypto/keys"
	"example.org/hotline/hotline"
)

// Anchors (SPEC §7.13): what others have cosigned of this log just before an own
// statement stands beside it. None is ever waited for.

// anchor returns the anchor that the entry of an own statement bears: that of the
// command if it keeps the rules of this log, or nil.
func (r *run) anchor() []byte {
	s := r.s
	if len(r.c.Anchor) == 0 {
		return nil
	}
	a, err := hotline.ParseAnchor(r.c.Anchor)
	switch {
	case err != nil || a.Party != s.self || a.Generation != s.generation || a.Checkpoint.Size > s.size,
		a.Time < s.NextAnchor() || a.Time > r.t+hotline.Time(hotline.SkewMark.Milliseconds()),
		a.Signed(s.Directory(s.self).Log) != nil:
		return nil
	}
	s.anchored = a.Time
	return r.c.Anchor
}

// NextAnchor is the earliest time that the next anchor of this log may bear.
func (s *State) NextAnchor() hotline.Time {
	if s.anchored == 0 {
		return 0
	}
	return s.anchored + hotline.Time(hotline.AnchorPause.Milliseconds())
}

// AtWork reports whether at t a case has an open duty or a draft waits: what is
// written next may need a fresh anchor.
func (s *State) AtWork(t hotline.Time) bool {
	if slices.ContainsFunc(s.working.Drafts, func(d DraftItem) bool { return d.Since >= t-window }) {
		return true
	}
	for _, c := range s.cases {
		if c.holds() {
			return true
		}
	}
	return false
}

// VerifyAnchor checks an anchor for the own log: that one of its log keys signed
// it, and that each line verifies whose key stands in a directory.
func (j *Judge) VerifyAnchor(a *hotline.Anchor) error { return j.s.verifyAnchor(a) }

func (s *State) verifyAnchor(a *hotline.Anchor) error {
	if !slices.ContainsFunc(s.LogKeys(s.self), func(k keys.Public) bool { return a.Signed(k) == nil }) {
		return hotline.Refuse(hotline.CodeBadSignature, "no log key of %s signed the anchor", s.self)
	}
	_, err := a.Cosigned(func(p hotline.Party) []*hotline.SignedDirectory { return s.directories[p] })
	return err
}

// verifyPeerAnchor checks the anchor in a sender's entry. Its refusal is that of
// the tender, of which it is a part. What witnesses say in it is not judged here: none of
// them shall stand in the way of a statement (SPEC §7.13).
func verifyPeerAnchor(sender *hotline.SenderEntry, tender *hotline.Receipt, log keys.Public) error {
	a, err := hotline.ParseAnchor(sender.Sent.Anchor)
	if err != nil {
		return err
	}
	if a.Party != tender.Party || a.Generation != tender.Generation || a.Checkpoint.Size > tender.Index {
		return hotline.Refuse(hotline.CodeTender, "the anchor is of %s at size %d, the entry is %d of %s, generation %d",
			a.Checkpoint.Origin, a.Checkpoint.Size, tender.Index, tender.Party, tender.Generation)
	}
	if err = a.Signed(log); err != nil {
		return hotline.Refuse(hotline.CodeTender, "%v", err)
	}
	return nil
}
