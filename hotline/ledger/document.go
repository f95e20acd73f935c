package ledger

import (
	"fmt"
	"slices"

	"example.org/hotline/crypto/keys"
	"example.org/hotline/hotline"
)

// document takes a convention version or a directory. Documents prove
// themselves by root keys, so they carry no sequence and no tender, and Apply
// verifies them here (SPEC §5).
func (r *run) document() error {
	st, err := hotline.Parse(r.c.Document)
	if err != nil {
		return err
	}
	switch st.Header.Kind {
	case hotline.KindConvention:
		return r.conventionVersion()
	case hotline.KindDirectory:
		return r.directory()
	}
	return hotline.Refuse(hotline.CodeDocument, "a %s is no document", st.Header.Kind)
}

func (r *run) conventionVersion() error {
	s := r.s
	var before *hotline.SignedConvention
	if n := len(s.conventions); n > 0 {
		before = s.conventions[n-1]
	}
	c, err := hotline.ParseConvention(r.c.Document, before)
	if err != nil {
		return err
	}
	if c.ID != s.convention {
		return hotline.Refuse(hotline.CodeConvention, "this log belongs to another convention")
	}
	for _, m := range c.Parties {
		if use, ok := s.keyof[m.Root.ID()]; ok && use != (hotline.KeyUse{Party: m.Party, Place: "root key"}) {
			return hotline.Refuse(hotline.CodeDocument, "the root key of %s is also the %s of %s", m.Party, use.Place, use.Party)
		}
	}
	r.add(hotline.EntryDocument, hotline.Common(), hotline.Outside, &hotline.Document{Raw: r.c.Document})
	s.conventions = append(s.conventions, c)
	for _, m := range c.Parties {
		s.keyof[m.Root.ID()] = hotline.KeyUse{Party: m.Party, Place: "root key"}
	}
	for _, p := range s.Peers() {
		r.scheduleLine(s.pair(p))
	}
	r.confirmContacts()
	r.effect(Effect{Type: Published, Kind: hotline.KindConvention, Sequence: c.Version, Time: r.t})
	return nil
}

// directory takes the newest number of a party, or one that it skipped here
// and that statements in flight still name. It never replaces a number.
func (r *run) directory() error {
	s := r.s
	d, err := hotline.ProveDirectory(r.c.Document, s.conventions)
	if err != nil {
		return err
	}
	if err := s.TakesDirectory(d, r.t); err != nil {
		return err
	}
	r.add(hotline.EntryDocument, hotline.Common(), hotline.Outside, &hotline.Document{Raw: r.c.Document})
	s.file(d)
	if d.Party != s.self {
		p := s.pair(d.Party)
		p.Paced = max(p.Paced, r.t) + directoryPace
		r.scheduleLine(p)
	} else {
		for _, p := range s.Peers() {
			r.scheduleLine(s.pair(p))
		}
		r.confirmContacts()
	}
	r.effect(Effect{Type: Published, Kind: hotline.KindDirectory, Peer: d.Party, Sequence: d.Number, Time: r.t})
	return nil
}

var directoryPace = hotline.Time(hotline.DirectoryPace.Milliseconds())

// TakesDirectory says why a directory that is proven would not be taken at t, or
// nil.
func (s *State) TakesDirectory(d *hotline.SignedDirectory, t hotline.Time) error {
	c := s.Convention(t)
	if c == nil {
		return hotline.Refuse(hotline.CodeNeed, "the convention comes before directories")
	}
	newest := s.Directory(d.Party)
	switch {
	case s.conventions[len(s.conventions)-1].Member(d.Party) == nil && c.Member(d.Party) == nil:
		return hotline.Refuse(hotline.CodeDocument, "%s is no party of the convention any more", d.Party)
	case s.DirectoryNumber(d.Party, d.Number) != nil:
		return hotline.Refuse(hotline.CodeOldNumber, "directory %d of %s is known", d.Number, d.Party)
	case newest != nil && d.Number+hotline.DirectoryMemory <= newest.Number:
		return hotline.Refuse(hotline.CodeOldNumber, "directory %d of %s, but %d is in force", d.Number, d.Party, newest.Number)
	case newest != nil && d.Number > newest.Number && d.Generation < newest.Generation:
		return hotline.Refuse(hotline.CodeOldNumber, "the generation of the log of %s goes back to %d", d.Party, d.Generation)
	case d.Party == s.self && d.Generation != s.generation:
		return hotline.Refuse(hotline.CodeDocument, "directory is for generation %d, this log is %d", d.Generation, s.generation)
	}
	if p := s.pairs[d.Party]; p != nil && p.Paced-t > (hotline.DirectoryBurst-1)*directoryPace {
		return hotline.Refuse(hotline.CodeBusy, "too many directories of %s at once: one more is taken every %v (§5.3)", d.Party, hotline.DirectoryPace)
	}
	if err := s.closes(newest, d); err != nil {
		return err
	}
	return s.keysFree(&d.Directory)
}

// closes holds what a directory says of the generation before to the one in force,
// and to what is proven here of that log: a root key that closes its log cuts off
// nothing that others hold a signature for (SPEC §7.5).
func (s *State) closes(before, d *hotline.SignedDirectory) error {
	if before == nil || d.Number < before.Number || d.Closed == nil {
		return nil
	}
	if d.Generation == before.Generation {
		if *d.Closed != *before.Closed {
			return hotline.Refuse(hotline.CodeDocument, "directory %d of %s names another last head of generation %d than directory %d", d.Number, d.Party, d.Generation-1, before.Number)
		}
		return nil
	}
	cosigned, proven := s.Cosigned(d.Party), s.pair(d.Party).Head
	switch {
	case cosigned.Generation == d.Generation-1 && (cosigned.Size > d.Closed.Size || cosigned.Size == d.Closed.Size && hotline.ID(cosigned.Root) != d.Closed.Root):
		return hotline.Refuse(hotline.CodeDocument, "directory %d of %s closes its log at size %d, but another head of size %d is cosigned here", d.Number, d.Party, d.Closed.Size, cosigned.Size)
	case proven.Generation == d.Generation-1 && proven.Size > d.Closed.Size:
		return hotline.Refuse(hotline.CodeDocument, "directory %d of %s closes its log at size %d, but a head of size %d is proven here", d.Number, d.Party, d.Closed.Size, proven.Size)
	}
	return nil
}

// keysFree: no key appears twice, in any role or any directory; the same
// party's earlier numbers may have it in the same place.
func (s *State) keysFree(d *hotline.Directory) error {
	var taken []string
	for id, uses := range d.Uses() {
		if use, ok := s.keyof[id]; ok && use != uses[0] {
			taken = append(taken, fmt.Sprintf("the key of %s (%s) is already the %s of %s", uses[0].Place, d.Party, use.Place, use.Party))
		}
	}
	if len(taken) == 0 {
		return nil
	}
	slices.Sort(taken) // the same refusal for the same directory, always
	return hotline.Refuse(hotline.CodeDocument, "%s", taken[0])
}

func (s *State) file(d *hotline.SignedDirectory) {
	list := append(s.directories[d.Party], d)
	slices.SortFunc(list, func(a, b *hotline.SignedDirectory) int { return int(a.Number) - int(b.Number) })
	drop := max(len(list)-hotline.DirectoryMemory, 0)
	for _, old := range list[:drop] {
		for id := range old.Uses() {
			delete(s.keyof, id)
		}
	}
	s.directories[d.Party] = list[drop:]
	if d.Party == s.self {
		s.standing = defaultLadder(s.Directory(s.self))
	}
	// A key is remembered as long as a directory that holds it: memory stays
	// bounded, and a state that a snapshot restores knows the same keys.
	for _, kept := range list[drop:] {
		for id, uses := range kept.Uses() {
			s.keyof[id] = uses[0]
		}
	}
}

// SignsLog reports whether a remembered directory of p gives this key to this
// generation of its log.
func (s *State) SignsLog(p hotline.Party, generation uint64, log keys.Public) bool {
	return slices.ContainsFunc(s.directories[p], func(d *hotline.SignedDirectory) bool { return d.Generation == generation && d.Log == log })
}

// LogKeys returns the log keys of p that stand in remembered directories,
// newest first.
func (s *State) LogKeys(p hotline.Party) []keys.Public {
	var list []keys.Public
	for i := len(s.directories[p]) - 1; i >= 0; i-- {
		if k := s.directories[p][i].Log; !slices.Contains(list, k) {
			list = append(list, k)
		}
	}
	return list
}
