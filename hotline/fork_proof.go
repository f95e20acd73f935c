package hotline

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"

	"example.org/hotline/crypto/keys"
	"example.org/hotline/crypto/tlog"
)

// forkMagic opens a fork proof of the only version (SPEC §7.11).
const forkMagic = "hotline fork proof/1"

// ErrNoFork is wrapped by the error that says that a well-formed fork proof
// proves nothing: its two heads may both be of one append-only log.
var ErrNoFork = errors.New("no fork")

// ForkProof is a file that shows to anybody who knows the convention's id that a
// party signed two heads which no append-only log has both had (SPEC §7.11).
type ForkProof struct {
	_         struct{} `cbor:",toarray"`
	Magic     string
	Documents [][]byte // convention versions from 1 on, and directories of the party
	Older     SignedHead
	Newer     SignedHead
	Path      []tlog.Hash // see tlog.RootsFromConsistency
}

// SignedHead is a head of a log as its party signed it: a checkpoint, or a
// tender or receipt with the leaf that it proves.
type SignedHead struct {
	Note    []byte    `cbor:"1,keyasint,omitempty"`
	Receipt []byte    `cbor:"2,keyasint,omitempty"`
	Leaf    tlog.Hash `cbor:"3,keyasint,omitzero"`
}

// Fork is what a fork proof proves.
type Fork struct {
	Convention   *SignedConvention // the last version in the file
	Party        Party
	Generation   uint64
	Older, Newer ProvenHead
	// Held is what the first Older.Size leaves of the newer tree lead to: of one
	// size its root.
	Held tlog.Hash
}

// ProvenHead is a head whose signature holds.
type ProvenHead struct {
	Size      uint64
	Root      tlog.Hash
	Claims    *Claims     // of a tender or receipt; nil: a checkpoint
	Key       keys.Public // log key that signed it
	Directory uint64      // number of the directory in which the key stands
}

// Form names what was signed, for people.
func (h *ProvenHead) Form() string {
	switch {
	case h.Claims == nil:
		return "checkpoint"
	case h.Claims.Of == nil:
		return "tender"
	}
	return "receipt"
}

// ParseForkProof reads a fork proof of at most MaxForkProof bytes strictly. What
// it proves, if anything, is for Check to say.
func ParseForkProof(raw []byte) (*ForkProof, error) {
	p := new(ForkProof)
	if err := Unmarshal(raw, p, MaxForkProof); err != nil {
		return nil, wrap(err, "fork proof")
	}
	switch {
	case p.Magic != forkMagic:
		return nil, Refuse(CodeMalformed, "not a fork proof of this version")
	case len(p.Documents) < 2 || len(p.Documents) > MaxForkDocuments:
		return nil, Refuse(CodeMalformed, "fork proof: %d documents, 2 to %d are possible", len(p.Documents), MaxForkDocuments)
	case slices.ContainsFunc(p.Documents, func(d []byte) bool { return len(d) == 0 || len(d) > MaxDocument }):
		return nil, Refuse(CodeMalformed, "fork proof: a document is empty or longer than %d bytes", MaxDocument)
	case len(p.Path) > tlog.MaxPath:
		return nil, Refuse(CodeMalformed, "fork proof: %d hashes, at most %d are possible", len(p.Path), tlog.MaxPath)
	}
	for _, h := range []*SignedHead{&p.Older, &p.Newer} {
		if _, err := h.claim(); err != nil {
			return nil, wrap(err, "fork proof")
		}
	}
	return p, nil
}

// headClaim is what a signed head says, as long as no key has been tried.
type headClaim struct {
	party      Party
	generation uint64
	size       uint64
	root       tlog.Hash
	receipt    *Receipt // nil: a checkpoint
}

func (h *SignedHead) claim() (*headClaim, error) {
	if (len(h.Note) == 0) == (len(h.Receipt) == 0) || (len(h.Receipt) == 0) != (h.Leaf == tlog.Hash{}) {
		return nil, Refuse(CodeMalformed, "a head is a checkpoint, or a tender or receipt with its leaf")
	}
	if len(h.Receipt) > 0 {
		r, err := ParseReceipt(h.Receipt)
		if err != nil {
			return nil, err
		}
		root, err := r.Root(h.Leaf)
		if err != nil {
			return nil, err
		}
		return &headClaim{r.Party, r.Generation, r.Index + 1, root, r}, nil
	}
	if len(h.Note) > MaxOwnCheckpoint {
		return nil, Refuse(CodeMalformed, "checkpoint of %d bytes, at most %d", len(h.Note), MaxOwnCheckpoint)
	}
	c, err := tlog.ClaimedCheckpoint(h.Note)
	if err != nil {
		return nil, Refuse(CodeMalformed, "%v", err)
	}
	// A line that stands there twice is read once: only the bytes show it.
	if alone, err := singly(h.Note); err != nil || len(alone) != 1 || !bytes.Equal(alone[0].Note, h.Note) {
		return nil, Refuse(CodeMalformed, "a checkpoint bears the signature of its log alone")
	}
	party, generation, ok := SplitOrigin(c.Origin)
	if !ok || c.Size == 0 {
		return nil, Refuse(CodeMalformed, "%q of size %d is no head of a party's log with entries", c.Origin, c.Size)
	}
	return &headClaim{party, generation, c.Size, c.Root, nil}, nil
}

// signedBy checks that a log key signed the head.
func (h *SignedHead) signedBy(c *headClaim, convention ID, log keys.Public) error {
	if c.receipt != nil {
		return c.receipt.VerifyRoot(c.root, convention, log)
	}
	_, err := tlog.ParseCheckpoint(h.Note, tlog.Origin(string(c.party), c.generation), log)
	return err
}

// Check says what the file proves. pin is the convention's id, known from
// elsewhere; zero: the one that the documents have. The error wraps ErrNoFork, or
// carries a code (SPEC §7.11).
func (p *ForkProof) Check(pin ID) (*Fork, error) {
	older, err := p.Older.claim()
	if err != nil {
		return nil, err
	}
	newer, err := p.Newer.claim()
	if err != nil {
		return nil, err
	}
	if older.party != newer.party || older.generation != newer.generation {
		return nil, fmt.Errorf("%w: the heads are of %s, generation %d, and of %s, generation %d: two logs",
			ErrNoFork, older.party, older.generation, newer.party, newer.generation)
	}
	f := &Fork{Party: older.party, Generation: older.generation}
	directories, err := f.readDocuments(p.Documents, pin)
	if err != nil {
		return nil, err
	}
	used := make([]bool, len(directories))
	for _, h := range []struct {
		signed *SignedHead
		claim  *headClaim
		proven *ProvenHead
	}{{&p.Older, older, &f.Older}, {&p.Newer, newer, &f.Newer}} {
		at := slices.IndexFunc(directories, func(d *SignedDirectory) bool { return h.signed.signedBy(h.claim, f.Convention.ID, d.Log) == nil })
		if at < 0 {
			return nil, Refuse(CodeBadSignature, "the head of size %d is not signed with a log key of %s in these directories", h.claim.size, f.Party)
		}
		used[at] = true
		*h.proven = ProvenHead{Size: h.claim.size, Root: h.claim.root, Key: directories[at].Log, Directory: directories[at].Number}
		if h.claim.receipt != nil {
			h.proven.Claims = &h.claim.receipt.Claims
		}
	}
	if at := slices.Index(used, false); at >= 0 {
		return nil, Refuse(CodeDocument, "directory %d of %s proves the key of no head", directories[at].Number, f.Party)
	}
	return f, f.contradict(p.Path)
}

// readDocuments proves the directories of the party from the convention's id.
func (f *Fork) readDocuments(list [][]byte, pin ID) (directories []*SignedDirectory, err error) {
	for i, raw := range list {
		st, err := Parse(raw)
		if err != nil {
			return nil, wrap(err, "document %d", i+1)
		}
		if i == 0 || st.Header.Kind == KindConvention {
			if f.Convention, err = ParseConvention(raw, f.Convention); err != nil {
				return nil, wrap(err, "document %d", i+1)
			}
			if i == 0 && !pin.IsZero() && f.Convention.ID != pin {
				return nil, Refuse(CodeConvention, "it is of convention %s, not of %s which was demanded", f.Convention.ID, pin)
			}
			continue
		}
		d, err := ParseDirectory(raw, f.Convention)
		if err != nil {
			return nil, wrap(err, "document %d", i+1)
		}
		if d.Party != f.Party {
			return nil, Refuse(CodeDocument, "document %d is a directory of %s; the heads are of %s", i+1, d.Party, f.Party)
		}
		directories = append(directories, d)
	}
	if last := directories; len(last) == 0 || !bytes.Equal(last[len(last)-1].Raw, list[len(list)-1]) {
		return nil, Refuse(CodeDocument, "the last document is no directory")
	}
	return directories, nil
}

// contradict checks that no append-only log has had both heads.
func (f *Fork) contradict(path []tlog.Hash) error {
	switch order := bytes.Compare(f.Older.Root[:], f.Newer.Root[:]); {
	case f.Older.Size > f.Newer.Size || f.Older.Size == f.Newer.Size && order > 0:
		return fmt.Errorf("%w: the older head does not stand first", ErrNoFork)
	case f.Older.Size == f.Newer.Size && order == 0:
		return fmt.Errorf("%w: both heads are the same", ErrNoFork)
	case f.Older.Size == f.Newer.Size && len(path) > 0:
		return fmt.Errorf("%w: %d hashes where there is nothing to lead to", ErrNoFork, len(path))
	case f.Older.Size == f.Newer.Size:
		f.Held = f.Newer.Root
		return nil
	}
	held, root, err := tlog.RootsFromConsistency(f.Older.Size, f.Newer.Size, path)
	switch {
	case err != nil:
		return fmt.Errorf("%w: %w", ErrNoFork, err)
	case root != f.Newer.Root:
		return fmt.Errorf("%w: its hashes do not lead to the root of the newer head", ErrNoFork)
	case held == f.Older.Root:
		return fmt.Errorf("%w: the newer head extends the older one", ErrNoFork)
	}
	f.Held = held
	return nil
}

// MakeForkProof makes the file from two heads of one log, in either order. A
// checkpoint may bear other signatures too; they are left out. conventions are
// the versions from 1 on, directories some of the party, among them those by
// whose log keys the heads are signed. path leads from the smaller size to the
// larger one (tlog.RootsFromConsistency), and is empty for one size. The result
// has been checked: the error is that of Check.
func MakeForkProof(conventions []*SignedConvention, directories []*SignedDirectory, one, two SignedHead, path []tlog.Hash) ([]byte, error) {
	if len(conventions) == 0 {
		return nil, Refuse(CodeNeed, "the convention is not known")
	}
	directories = slices.Clone(directories)
	slices.SortStableFunc(directories, func(a, b *SignedDirectory) int { return cmp.Compare(a.Number, b.Number) })
	first, a, err := one.settle(conventions[0].ID, directories)
	if err != nil {
		return nil, err
	}
	second, b, err := two.settle(conventions[0].ID, directories)
	if err != nil {
		return nil, err
	}
	directories = slices.DeleteFunc(directories, func(d *SignedDirectory) bool { return d != first && d != second })
	p := &ForkProof{Magic: forkMagic, Older: one, Newer: two, Path: path}
	if a.size > b.size || a.size == b.size && bytes.Compare(a.root[:], b.root[:]) > 0 {
		p.Older, p.Newer = two, one
	}
	if p.Documents, err = chainOf(conventions, directories); err != nil {
		return nil, err
	}
	if _, err := p.Check(conventions[0].ID); err != nil {
		return nil, err
	}
	raw, err := Marshal(p)
	if err != nil {
		return nil, err
	}
	_, err = ParseForkProof(raw)
	return raw, err
}

// chainOf lists each directory behind the first version of the convention that proves it.
func chainOf(conventions []*SignedConvention, directories []*SignedDirectory) (list [][]byte, err error) {
	next := 0
	for _, d := range directories {
		err := Refuse(CodeNeed, "version 1 of the convention is not known")
		if next > 0 {
			_, err = ParseDirectory(d.Raw, conventions[next-1])
		}
		for ; err != nil && next < len(conventions); next++ {
			list = append(list, conventions[next].Raw)
			_, err = ParseDirectory(d.Raw, conventions[next])
		}
		if err != nil {
			return nil, wrap(err, "directory %d of %s", d.Number, d.Party)
		}
		list = append(list, d.Raw)
	}
	return list, nil
}

// settle finds the directory by whose log key the head is signed, and leaves the
// signatures of others out of a checkpoint.
func (h *SignedHead) settle(convention ID, directories []*SignedDirectory) (*SignedDirectory, *headClaim, error) {
	forms := []SignedHead{*h}
	if len(h.Note) > 0 {
		var err error
		if forms, err = singly(h.Note); err != nil {
			return nil, nil, Refuse(CodeMalformed, "%v", err)
		}
	}
	for i := range forms {
		c, err := forms[i].claim()
		if err != nil {
			continue
		}
		for _, d := range directories {
			if d.Party == c.party && forms[i].signedBy(c, convention, d.Log) == nil {
				*h = forms[i]
				return d, c, nil
			}
		}
	}
	return nil, nil, Refuse(CodeBadSignature, "a head is not signed with a log key in these directories")
}

// singly gives a note once for each signature, with that one alone.
func singly(b []byte) (list []SignedHead, err error) {
	text, lines, err := tlog.SplitNote(b)
	for _, l := range lines {
		list = append(list, SignedHead{Note: fmt.Appendf(nil, "%s\n\u2014 %s %s\n", text, l.Name, l.Base64)})
	}
	return list, err
}
