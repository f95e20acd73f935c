package audit

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"example.org/hotline/crypto/tlog"
	"example.org/hotline/hotline"
)

// Inclusion is what a tlog-proof shows (SPEC §7.9): that an entry stands in a
// party's log, and who has witnessed the log with it.
type Inclusion struct {
	Party      hotline.Party `json:"party"`
	Generation uint64        `json:"generation"`
	Index      uint64        `json:"index"`
	Size       uint64        `json:"size"` // of the log under the checkpoint
	Leaf       hotline.ID    `json:"leaf"`
	Statement  *Shown        `json:"statement,omitempty"` // absent: the entry was not shown, or holds none
	Witnesses  []Witness     `json:"witnesses"`           // by party; independent ones only where the entry was shown
	Others     int           `json:"others"`              // lines that no document accounts for
	Parties    int           `json:"parties"`             // of the newest convention
	shown      bool          // the entry was
}

// Shown is the statement in an entry that was shown. Its signatures were not verified.
type Shown struct {
	ID   hotline.ID      `json:"id"`
	Kind string          `json:"kind"`
	From hotline.Party   `json:"from"`
	To   []hotline.Party `json:"to,omitempty"`
	Time hotline.Time    `json:"time"` // of the entry, as the log says
}

// CheckInclusion verifies a tlog-proof for an entry, or, where entry is nil, for
// its leaf hash, with verified documents: the newest convention, and directories
// of the log's party and of its witnesses. Every error says why nothing is proven.
func CheckInclusion(file, entry []byte, leaf hotline.ID, c *hotline.SignedConvention, pages []*hotline.SignedDirectory) (*Inclusion, error) {
	p, err := tlog.ParseProof(file)
	if err != nil {
		return nil, err
	}
	claimed, err := tlog.ClaimedCheckpoint(p.Checkpoint)
	if err != nil {
		return nil, err
	}
	x := &Inclusion{Index: p.Index, Leaf: leaf, Parties: len(c.Parties), Witnesses: []Witness{}, shown: entry != nil}
	var ok bool
	if x.Party, x.Generation, ok = hotline.SplitOrigin(claimed.Origin); !ok {
		return nil, fmt.Errorf("%w: %q is no log of a party", tlog.ErrCheckpoint, claimed.Origin)
	}
	var with []hotline.Party
	if entry != nil {
		x.Leaf = hotline.ID(tlog.LeafHash(entry))
		if with, err = x.show(entry); err != nil {
			return nil, err
		}
	}
	head, err := x.verify(p, claimed.Origin, pages)
	if err != nil {
		return nil, err
	}
	x.Size = head.Size
	by, others, err := hotline.CosignedBy(p.Checkpoint, head, pages)
	if err != nil {
		return nil, err
	}
	x.Others = others
	for _, w := range by {
		x.Witnesses = append(x.Witnesses, Witness{Party: w.Party, Seconds: w.Seconds,
			Independent: x.shown && x.Parties > 2 && !slices.Contains(with, w.Party), Observer: c.Observes(w.Party)})
	}
	return x, nil
}

// verify finds the log key among the party's directories of this generation.
func (x *Inclusion) verify(p *tlog.Proof, origin string, pages []*hotline.SignedDirectory) (tlog.Checkpoint, error) {
	err := fmt.Errorf("%w: no directory of %s with generation %d is among the documents", tlog.ErrCheckpoint, x.Party, x.Generation)
	for _, d := range slices.Backward(pages) {
		if d.Party != x.Party || d.Generation != x.Generation {
			continue
		}
		var head tlog.Checkpoint
		if head, err = p.Verify(tlog.Hash(x.Leaf), origin, d.Log); err == nil || !errors.Is(err, tlog.ErrCheckpoint) {
			return head, err
		}
	}
	return tlog.Checkpoint{}, err
}

// show reads the entry, and says whom it concerns (SPEC §7.8 rule 8).
func (x *Inclusion) show(entry []byte) ([]hotline.Party, error) {
	e, st, err := hotline.StatementIn(entry)
	switch {
	case hotline.CodeOf(err) == hotline.CodeNotFound:
		e, _, err = hotline.DecodeEntry(entry)
	case err == nil:
		x.Statement = &Shown{ID: st.ID, Kind: st.Header.Kind.String(), From: st.Header.From, To: st.Header.To, Time: e.Time}
	}
	if err != nil {
		return nil, fmt.Errorf("the entry cannot be read: %w", err)
	}
	return concerns(e, st), nil
}

// concerns are the parties that have a part in an entry (SPEC §7.8 rule 8); st is the
// statement in it, nil: there is none.
func concerns(e *hotline.Entry, st *hotline.Statement) []hotline.Party {
	if st == nil {
		return e.Scope.Parties
	}
	h := &st.Header
	return slices.Concat(e.Scope.Parties, []hotline.Party{h.From}, h.To, h.Notify)
}

// WriteText says it in words, and what it does not show.
func (x *Inclusion) WriteText(w io.Writer) error {
	text := fmt.Sprintf("logged: entry %d of the log of %s, generation %d, under its checkpoint of %d entries\n", x.Index, x.Party, x.Generation, x.Size)
	if s := x.Statement; s != nil {
		text += fmt.Sprintf("holds: %s %s of %s; the log dates it %s\n", s.Kind, s.ID, s.From, stamp(s.Time))
	}
	independent := false
	for _, c := range x.Witnesses {
		word := "not independent: it is concerned"
		switch {
		case c.Independent:
			word, independent = "independent", true
		case x.Parties <= 2:
			word = "not independent: one of two parties"
		case !x.shown:
			word = "whether it is independent cannot be said without the entry"
		}
		text += fmt.Sprintf("witnessed: by %s no later than %s by its clock (%s)\n", c.Party, stamp(hotline.Time(min(c.Seconds, maxSeconds)*1000)), word)
	}
	switch {
	case x.Parties <= 2:
		text += "not shown: in a convention of two parties no independent witness exists\n"
	case !independent && x.shown:
		text += "not shown: no independent witness has cosigned this checkpoint\n"
	}
	if x.Others > 0 {
		text += fmt.Sprintf("not judged: %d further signatures of keys that stand in no document given\n", x.Others)
	}
	text += "not shown: the signatures of the statement, what it says, and whether procedure was followed: see hotline-audit replay\n"
	_, err := io.WriteString(w, text)
	return err
}
