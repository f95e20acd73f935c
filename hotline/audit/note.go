package audit

import (
	"fmt"
	"slices"
	"strings"

	"example.org/hotline/crypto/keys"
	"example.org/hotline/crypto/tlog"
	"example.org/hotline/hotline"
)

// checkWitnesses verifies the cosigned checkpoint of the export, and says who has
// witnessed the log (SPEC §7.8). Its log key is that of the time when it was made: the
// log may have renewed it since.
func (j *judged) checkWitnesses() error {
	x := j.x
	if x.cosigned == nil {
		return j.tellWitnesses()
	}
	var c tlog.Checkpoint
	var err error
	for _, d := range slices.Backward(j.chain.directories[x.head.Party]) {
		if c, err = tlog.ParseCheckpoint(x.cosigned, x.claimed.Origin, d.Log); err == nil {
			break
		}
	}
	if err != nil {
		return unusable(x.dir, FileCosigned, "%v", err)
	}
	if c.Size == 0 || c.Size > j.tree.Size {
		return unusable(x.dir, FileCosigned, "is of size %d, the export of %d", c.Size, j.tree.Size)
	}
	k, err := j.marks.at(c.Size - 1)
	if err != nil {
		return err
	}
	if k.root != c.Root {
		return unusable(x.dir, FileCosigned, "the first %d entries do not lead to its root: its log key has signed two histories", c.Size)
	}
	pages := j.pages()
	both, others, err := hotline.CosignedBy(x.cosigned, c, pages)
	if err != nil {
		return unusable(x.dir, FileCosigned, "%v", err)
	}
	found, _, err := tlog.VerifyCosignatures(x.cosigned, c, cosigners(pages)) // a single key bounds a time, too
	if err != nil {
		return unusable(x.dir, FileCosigned, "%v", err)
	}
	if others > 0 {
		j.note("%d further signatures on the cosigned checkpoint of %s were not judged: no directory in the log holds their keys", others, x.head.Party)
	}
	j.log.Cosigned = c.Size
	j.countWitnesses(both)
	j.cosignatures = j.chain.cosignatures(found)
	return j.tellWitnesses()
}

// pages are the directories of the other parties in the log, the newest of each first: a
// witness may have renewed its keys since it cosigned.
func (j *judged) pages() (list []*hotline.SignedDirectory) {
	for p, pages := range j.chain.directories {
		if p != j.x.head.Party {
			pages = slices.Clone(pages)
			slices.Reverse(pages)
			list = append(list, pages...)
		}
	}
	return list
}

// countWitnesses counts a party once, and only if both keys of one of its directories
// have signed: the later of the two times holds.
func (j *judged) countWitnesses(list []hotline.Cosigned) {
	for _, c := range list {
		j.log.Witnesses = append(j.log.Witnesses, Witness{Party: c.Party, Seconds: c.Seconds,
			Independent: len(j.parties()) > 2 && c.Party != j.x.head.With && !j.concerned[c.Party], Observer: j.observes(c.Party)})
	}
}

// cosigners are the witness keys in directories, each once.
func cosigners(pages []*hotline.SignedDirectory) (list []tlog.Cosigner) {
	for _, d := range pages {
		for _, k := range []keys.Public{d.Witness, d.WitnessPQ} {
			if w := (tlog.Cosigner{Name: tlog.WitnessName(string(d.Party)), Key: k}); !slices.Contains(list, w) {
				list = append(list, w)
			}
		}
	}
	return list
}

// parties are those of the newest convention in the log.
func (j *judged) parties() []hotline.Member {
	if list := j.chain.conventions; len(list) > 0 {
		return list[len(list)-1].Parties
	}
	return nil
}

// observes reports whether a party only observes by the newest convention in
// the log: it is independent of every pair (SPEC §7.8).
func (j *judged) observes(p hotline.Party) bool {
	return slices.ContainsFunc(j.parties(), func(m hotline.Member) bool { return m.Party == p && m.Observer })
}

// tellWitnesses says what the material does not show about witnesses.
func (j *judged) tellWitnesses() error {
	independent := slices.ContainsFunc(j.log.Witnesses, func(w Witness) bool { return w.Independent })
	switch {
	case len(j.parties()) == 2:
		j.note("that the log of %s was not rewritten as a whole: in a convention of two parties no independent witness exists", j.x.head.Party)
	case !independent:
		j.note("that the log of %s was not rewritten as a whole: no independent witness has cosigned it", j.x.head.Party)
	case j.log.Cosigned < j.log.Size:
		j.note("%d entries at the end of the log of %s are not cosigned yet", j.log.Size-j.log.Cosigned, j.x.head.Party)
	}
	return nil
}

// keepWitnessed notes what a witnessed entry proves about other logs.
func (j *judged) keepWitnessed(it *item, w *hotline.Witnessed) error {
	for i := range w.Heads {
		generation, c, err := w.Heads[i].Head()
		if err != nil {
			return err
		}
		p := proof{Kind: witnessProof, Own: it.index, OwnTime: it.entry.Time, OwnUnproven: j.unproven(it),
			Party: w.Heads[i].Party, Generation: generation, Index: c.Size - 1, Root: c.Root}
		if err := j.proofs.add(&p); err != nil {
			return err
		}
	}
	return nil
}

// verifyWitnessed checks that each checkpoint is signed with a log key of its party.
func (c *chain) verifyWitnessed(w *hotline.Witnessed) error {
	for i := range w.Heads {
		h := &w.Heads[i]
		generation, _, err := h.Head()
		if err != nil {
			return err
		}
		err = hotline.Refuse(hotline.CodeNeed, "no directory of %s stands in the log", h.Party)
		for _, d := range c.directories[h.Party] {
			if _, err = tlog.ParseCheckpoint(h.Checkpoint, tlog.Origin(string(h.Party), generation), d.Log); err == nil {
				break
			}
		}
		if err != nil && hotline.CodeOf(err) != hotline.CodeNeed {
			err = hotline.Refuse(hotline.CodeBadSignature, "checkpoint of %s: %v", h.Party, err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// headWords names the checkpoints of a witnessed entry.
func headWords(w *hotline.Witnessed) string {
	var list []string
	for i := range w.Heads {
		if _, c, err := w.Heads[i].Head(); err == nil {
			list = append(list, fmt.Sprintf("%s (%d entries)", w.Heads[i].Party, c.Size))
		}
	}
	return strings.Join(list, ", ")
}

// words says who has witnessed a log.
func (l *Log) words() string {
	if len(l.Witnesses) == 0 {
		return "no witness"
	}
	var list []string
	for _, w := range l.Witnesses {
		text := fmt.Sprintf("%s at %s", w.Party, stamp(hotline.Time(w.Seconds*1000)))
		switch {
		case w.Observer:
			text += " (observer)"
		case !w.Independent:
			text += " (not independent)"
		}
		list = append(list, text)
	}
	return fmt.Sprintf("the first %d entries cosigned by %s", l.Cosigned, strings.Join(list, ", "))
}
