package hotline_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"runtime"
	"sync"
	"testing"

	"example.org/hotline/crypto/keys"
	"example.org/hotline/crypto/tlog"
	. "example.org/hotline/hotline"
	"example.org/hotline/hotline/hotlinetest"
)

// forkWorld is a convention with a second version, in which XA has another root
// key, and with the directories that XA signed with the one and the other.
type forkWorld struct {
	a, later    *hotlinetest.Party
	conventions []*SignedConvention
	pages       []*SignedDirectory
}

func newForkWorld() *forkWorld {
	w, later := newWorld(), hotlinetest.NewParty("XA", "2")
	f := &forkWorld{a: w.a, later: later, conventions: []*SignedConvention{w.conv}, pages: []*SignedDirectory{w.a.Directory(1)}}
	draft := hotlinetest.Draft(hotlinetest.Terms("crisis"), later, w.b, w.c)
	draft.Version, draft.Previous = 2, w.conv.Hash
	f.conventions = append(f.conventions, hotlinetest.Amend(w.conv, draft, later, w.b, w.c))
	f.pages = append(f.pages, later.Directory(2))
	return f
}

// note is a checkpoint of XA.
func (f *forkWorld) note(size uint64, root tlog.Hash, log *keys.Private) SignedHead {
	return SignedHead{Note: must(tlog.SignCheckpoint(tlog.Checkpoint{Origin: "hotline/XA/1", Size: size, Root: root}, log))}
}

// otherRoot is the root of a tree of n leaves that differs in one of treeOf.
func otherRoot(n uint64) tlog.Hash {
	var tree tlog.Frontier
	for i := range n {
		tree.Append(tlog.LeafHash([]byte{byte(i), byte(1 / (n - i))}))
	}
	return tree.Root()
}

// pathTo is the path of a fork proof within treeOf(to).
func pathTo(from, to uint64) []tlog.Hash { return consistencyPath(from, 0, to, false) }

// tendered is the tree in which XA tendered a text, in a log of its own.
func (f *forkWorld) tendered() (h SignedHead, index uint64) {
	j := hotlinetest.NewJournal(f.a, at)
	for range 2 {
		j.Send(f.a.Text(at, "XB", "earlier"), at)
	}
	d := j.Send(f.a.Text(at, "XB", "tendered"), at)
	return SignedHead{Receipt: d.Tender, Leaf: tlog.LeafHash(j.Entries[d.Index])}, d.Index
}

// forkVectors are fork proofs of XA, and files that prove none.
func forkVectors(t *testing.T) *vectorFile {
	t.Helper()
	f := newForkWorld()
	log := f.a.Log
	make := func(pages []*SignedDirectory, one, two SignedHead, path []tlog.Hash) []byte {
		return must(MakeForkProof(f.conventions, pages, one, two, path))
	}
	newer := treeOf(11)
	same := make(f.pages[:1], f.note(7, otherRoot(7), log), f.note(7, rangeRoot(0, 7), log), nil)
	shrunk := make(f.pages[:1], f.note(6, otherRoot(6), log), f.note(11, newer.Root(), log), pathTo(6, 11))
	power := make(f.pages[:1], f.note(4, otherRoot(4), log), f.note(11, newer.Root(), log), pathTo(4, 11))
	head, index := f.tendered()
	tender := make(f.pages[:1], head, f.note(11, newer.Root(), log), pathTo(index+1, 11))
	amended := make(f.pages, f.note(6, otherRoot(6), log), f.note(11, newer.Root(), f.later.Log), pathTo(6, 11))
	list := []vector{good("two roots of one size", same), good("an older head that is not extended", shrunk), good("an older size that is a power of two", power),
		good("a tender that is not extended", tender), good("two log keys, the second after an amendment", amended)}
	list = append(append(list, frames(list[0])...), mutate(list, forkMutations(f, newer.Root()), mutated)...)
	return &vectorFile{About: "Proofs that XA forked its log (SPEC §7.11).", Form: "fork-proof",
		Context: vectorContext{Convention: f.conventions[0].ID.String()}, Vectors: list}
}

func forkMutations(f *forkWorld, root tlog.Hash) []mutation {
	const same, shrunk, tender, amended = "two roots of one size", "an older head that is not extended", "a tender that is not extended", "two log keys, the second after an amendment"
	log, honest := f.a.Log, treeOf(6)
	bytesOf := func(h tlog.Hash) []byte { return h[:] }
	flipped := bytesOf(pathTo(6, 11)[1])
	flipped[0] ^= 1
	elsewhere := SignedHead{Note: must(tlog.SignCheckpoint(tlog.Checkpoint{Origin: "hotline/XA/2", Size: 11, Root: root}, log))}
	foreign := SignedHead{Note: must(tlog.SignCheckpoint(tlog.Checkpoint{Origin: "hotline/XB/1", Size: 11, Root: root}, log))}
	empty := SignedHead{Note: must(tlog.SignCheckpoint(tlog.Checkpoint{Origin: "hotline/XA/1", Root: sha256.Sum256(nil)}, log))}
	two := f.note(11, root, log).Note
	two = append(bytes.Clone(two), two[bytes.LastIndexByte(two[:len(two)-1], '\n')+1:]...)
	other := hotlinetest.NewParty("XB", "1")
	other.Convention = f.a.Convention
	d := f.pages[0].Raw
	return []mutation{
		{same, "another version", to(0), "hotline fork proof/2", CodeMalformed},
		{same, "no directory", to(1, 1), nil, CodeMalformed},
		{same, "no convention", to(1, 0), f.pages[0].Raw, CodeDocument},
		{same, "an empty document", to(1, 1), []byte{}, CodeMalformed},
		{same, "a directory of another party", to(1, 1), other.Directory(1).Raw, CodeDocument},
		{same, "a directory twice", to(1, add), d, CodeDocument},
		{same, "a directory that proves no head", to(1, add), f.a.SignDirectory(f.a.Page(2)), CodeDocument},
		{same, "a version of the convention at the end", to(1, add), f.conventions[1].Raw, CodeDocument},
		{same, "a bit of the directory", to(1, 1), flippedBit(d), CodeBadSignature},
		{same, "a bit of the convention", to(1, 0), flippedBit(f.conventions[0].Raw), CodeBadSignature},
		{same, "a path where there is none", to(4, add), make([]byte, 32), classProof},
		{same, "both heads the same", to(2, 1), f.note(7, rangeRoot(0, 7), log).Note, classProof},
		{same, "an empty log", to(2, 1), empty.Note, CodeMalformed},
		{same, "no head", to(3, 1), nil, CodeMalformed},
		{same, "a leaf beside a checkpoint", to(3, 3), bytesOf(root), CodeMalformed},
		{same, "of another generation", to(3, 1), elsewhere.Note, classProof},
		{same, "of another party", to(3, 1), foreign.Note, classProof},
		{same, "not signed with the log key", to(3, 1), f.note(7, rangeRoot(0, 7), f.a.Service).Note, CodeBadSignature},
		{shrunk, "heads exchanged", to(3, 1), f.note(3, rangeRoot(0, 3), log).Note, classProof},
		{shrunk, "an older head that is extended", to(2, 1), f.note(6, honest.Root(), log).Note, classProof},
		{shrunk, "a newer head to which the path does not lead", to(3, 1), f.note(11, otherRoot(11), log).Note, classProof},
		{shrunk, "a bit of the path", to(4, 1), flipped, classProof},
		{shrunk, "a hash of the path left out", to(4, 1), nil, classProof},
		{shrunk, "a hash of 31 bytes", to(4, 1), make([]byte, 31), CodeMalformed},
		{shrunk, "a signature too many", to(3, 1), two, CodeMalformed},
		{tender, "another leaf", to(2, 3), bytesOf(root), CodeBadSignature},
		{tender, "no leaf", to(2, 3), nil, CodeMalformed},
		{tender, "the amendment left out", to(1, add), f.pages[1].Raw, CodeMissingAuthor},
		{amended, "the amendment left out", to(1, 2), nil, CodeMissingAuthor},
	}
}

func flippedBit(b []byte) []byte {
	b = bytes.Clone(b)
	b[len(b)-1] ^= 1
	return b
}

// judgeFork judges a vector of the form fork-proof.
func judgeFork(f *vectorFile, raw []byte) error {
	p, err := ParseForkProof(raw)
	if err != nil {
		return err
	}
	if _, err = p.Check(ID(unhex(f.Context.Convention))); errors.Is(err, ErrNoFork) {
		return classed(classProof, err)
	}
	return err
}

// Promise: two heads of which the newer does not extend the older are proven
// for every pair of sizes, and for an honest log no proof can be made.
func TestForkProofForEverySize(t *testing.T) {
	f := newForkWorld()
	log := f.a.Log
	for newer := uint64(1); newer <= 9; newer++ {
		for older := uint64(1); older <= newer; older++ {
			head, path := f.note(newer, rangeRoot(0, newer), log), []tlog.Hash(nil)
			if older < newer {
				path = pathTo(older, newer)
			}
			raw, err := MakeForkProof(f.conventions[:1], f.pages[:1], head, f.note(older, otherRoot(older), log), path)
			if err != nil {
				t.Fatalf("%d to %d: %v", older, newer, err)
			}
			got, err := must(ParseForkProof(raw)).Check(f.conventions[0].ID)
			if err != nil || got.Older.Size != older || got.Newer.Size != newer || older < newer && got.Held != rangeRoot(0, older) {
				t.Fatalf("%d to %d: %+v, %v", older, newer, got, err)
			}
			if _, err := MakeForkProof(f.conventions[:1], f.pages[:1], head, f.note(older, rangeRoot(0, older), log), path); !errors.Is(err, ErrNoFork) {
				t.Fatalf("an honest log of %d and %d entries is accused: %v", older, newer, err)
			}
		}
	}
}

// Promise: a fork proof names the keys and where they stand, leaves the
// signatures of witnesses out, and holds under one convention alone.
func TestForkProofNamesItsKeys(t *testing.T) {
	f := newForkWorld()
	older := f.note(6, otherRoot(6), f.a.Log)
	line := must(tlog.Cosign(tlog.Checkpoint{Origin: "hotline/XA/1", Size: 6, Root: otherRoot(6)}, "hotline/XB/witness", 1, hotlinetest.NewParty("XB", "1").Witness))
	older.Note = append(older.Note, line...)
	raw, err := MakeForkProof(f.conventions, []*SignedDirectory{f.pages[1], f.pages[0]}, older, f.note(11, rangeRoot(0, 11), f.later.Log), pathTo(6, 11))
	if err != nil {
		t.Fatal(err)
	}
	p := must(ParseForkProof(raw))
	got, err := p.Check(ID{})
	if err != nil || got.Older.Directory != 1 || got.Newer.Directory != 2 || got.Newer.Key != f.later.Log.Public() || got.Older.Form() != "checkpoint" || len(p.Documents) != 4 {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := p.Check(someID("another")); CodeOf(err) != CodeConvention {
		t.Errorf("under another convention: %v", err)
	}
	if rules := specRules(t); rules.check("fork-proof", raw) != nil {
		t.Error(rules.check("fork-proof", raw))
	}
	head, index := f.tendered()
	raw = must(MakeForkProof(f.conventions, f.pages, head, f.note(11, rangeRoot(0, 11), f.a.Log), pathTo(index+1, 11)))
	if got := must(must(ParseForkProof(raw)).Check(ID{})); got.Older.Form() != "tender" || got.Older.Claims.Index != index || got.Convention.Version != 1 {
		t.Errorf("%+v", got)
	}
	agree(t, specRules(t), "fork-proof", raw, func(b []byte) error { _, err := ParseForkProof(b); return err })
}

// Promise: no single bit of a fork proof can be changed unseen. By default every
// 997th bit is; with HOTLINE_EVERY_BIT set, every one.
func TestNoBitFlipOfForkProofUnseen(t *testing.T) {
	f := newForkWorld()
	head, index := f.tendered()
	page := f.a.Page(1)
	page.Nodes, page.Officers = page.Nodes[:1], page.Officers[:1]
	slim := must(ParseDirectory(f.a.SignDirectory(page), f.conventions[0]))
	raw := must(MakeForkProof(f.conventions, []*SignedDirectory{slim}, head, f.note(11, rangeRoot(0, 11), f.a.Log), pathTo(index+1, 11)))
	step := 997
	if os.Getenv("HOTLINE_EVERY_BIT") != "" {
		step = 1
	}
	var all sync.WaitGroup
	for worker := range runtime.GOMAXPROCS(0) {
		all.Go(func() {
			for bit := worker * step; bit < 8*len(raw); bit += step * runtime.GOMAXPROCS(0) {
				changed := bytes.Clone(raw)
				changed[bit/8] ^= 1 << (bit % 8)
				p, err := ParseForkProof(changed)
				if err == nil {
					_, err = p.Check(ID{})
				}
				if err == nil {
					t.Errorf("bit %d of %d goes unseen", bit, 8*len(raw))
				}
			}
		})
	}
	all.Wait()
	t.Logf("one of %d of %d bits", step, 8*len(raw))
}

// FuzzForkProof: whatever the bytes, what is read has one encoding, and what
// proves a fork bears the two signatures that the fixture made.
func FuzzForkProof(f *testing.F) {
	w := newForkWorld()
	one, two := w.note(6, otherRoot(6), w.a.Log), w.note(11, rangeRoot(0, 11), w.later.Log)
	head, index := w.tendered()
	f.Add(must(MakeForkProof(w.conventions, w.pages, one, two, pathTo(6, 11))))
	f.Add(must(MakeForkProof(w.conventions, w.pages, head, two, pathTo(index+1, 11))))
	f.Add([]byte{0x85})
	f.Fuzz(func(t *testing.T, raw []byte) {
		p, err := ParseForkProof(raw)
		if err != nil {
			return
		}
		encodesToItself(t, raw, p)
		if got, err := p.Check(w.conventions[0].ID); err == nil && (got.Party != "XA" || !bytes.Equal(p.Newer.Note, two.Note)) {
			t.Fatalf("a forged proof: %s", hex.EncodeToString(raw))
		}
	})
}
