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
// witnessed the log (SPEC §7.8). log is the log key that was proven.
func (j *judged) checkWitnesses(log keys.Public) error {
	x := j.x
	if x.cosigned == nil {
		return j.tellWitnesses()
	}
	c, err := tlog.ParseCheckpoint(x.cosigned, x.claimed.Origin, log)
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
	found, others, err := tlog.VerifyCosignatures(x.cosigned, c, j.cosigners())
	if err != nil {
		return unusable(x.dir, FileCosigned, "%v", err)
	}
	if others > 0 {
		j.note("%d further signatures on the cosigned checkpoint of %s were not judged: no directory in the log holds their keys", others, x.head.Party)
	}
	j.log.Cosigned = c.Size
	j.countWitnesses(found)
	j.cosignatures = j.chain.cosignatures(found)
	return j.tellWitnesses()
}

// cosigners are the witness keys of the other parties, by the newest directories
// in the log.
func (j *judged) cosigners() (list []tlog.Cosigner) {
	for p := range j.chain.directories {
		if d := j.chain.newest(p); p != j.x.head.Party && d != nil {
			name := tlog.WitnessName(string(p))
			list = append(list, tlog.Cosigner{Name: name, Key: d.Witness}, tlog.Cosigner{Name: name, Key: d.WitnessPQ})
		}
	}
	return list
}

// countWitnesses counts a party once, and only if both its keys have signed: the
// later of the two times holds.
func (j *judged) countWitnesses(found []tlog.Cosignature) {
	both := map[string][]tlog.Cosignature{}
	for _, c := range found {
		both[c.Name] = append(both[c.Name], c)
	}
	for p := range j.chain.directories {
		list := both[tlog.WitnessName(string(p))]
		if len(list) != 2 {
			continue
		}
		j.log.Witnesses = append(j.log.Witnesses, Witness{Party: p, Seconds: max(list[0].Seconds, list[1].Seconds),
			Independent: len(j.parties()) > 2 && p != j.x.head.With && !j.concerned[p], Observer: j.observes(p)})
	}
	slices.SortFunc(j.log.Witnesses, func(a, b Witness) int { return strings.Compare(string(a.Party), string(b.Party)) })
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
		p := proof{Kind: witnessProof, Own: it.index, OwnTime: it.entry.Time, Party: w.Heads[i].Party, Generation: generation, Index: c.Size - 1, Root: c.Root}
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
