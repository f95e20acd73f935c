package node

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"example.org/hotline/crypto/tlog"
	"example.org/hotline/hotline"
	"example.org/hotline/hotline/ledger"
)

// A history of a peer's log that contradicts the one cosigned here is kept as it
// was shown and, where that suffices, as a proof for others (SPEC §7.11).

// forksDir holds, in the data directory, each refused checkpoint beside the one
// that it contradicts, and the proof.
const forksDir = "forks"

// Endings of the files of one fork.
const (
	refusedEnding  = ".refused"  // as the peer asked, with the path that it gave
	cosignedEnding = ".cosigned" // the checkpoint that was cosigned
	proofEnding    = ".proof"
)

// maxForks bounds how many are kept: the first ones prove what there is to prove.
const maxForks = 16

// kept lists the names of the files with an ending.
func (w *witnessing) kept(ending string) (names []string) {
	list, _ := filepath.Glob(filepath.Join(w.dir, "*"+ending)) // the pattern is sound
	for _, name := range list {
		names = append(names, strings.TrimSuffix(filepath.Base(name), ending))
	}
	return names
}

// keepFork keeps a checkpoint that contradicts the one cosigned, and that one, both
// signed by the log.
func (n *Node) keepFork(from hotline.Party, raw []byte, why string) {
	n.log.Error("a peer shows a history of its log that contradicts the one cosigned here", "peer", from, "why", why)
	var known ledger.Cosigned
	var conventions []*hotline.SignedConvention
	var pages []*hotline.SignedDirectory
	n.machine.view(func(s *ledger.State) {
		known, conventions, pages = s.Cosigned(from), s.Conventions(), s.Directories(from)
	})
	w := n.witnessing
	w.mu.Lock()
	defer w.mu.Unlock()
	sum := sha256.Sum256(raw)
	name := fmt.Sprintf("%s-%x", from, sum[:8])
	if len(w.forks) >= maxForks || slices.Contains(w.forks, name) {
		return
	}
	proof, unproven := forkProof(conventions, pages, &known, raw)
	err := os.MkdirAll(w.dir, 0o700)
	for _, f := range []struct {
		ending string
		b      []byte
	}{{proofEnding, proof}, {cosignedEnding, known.Note}, {refusedEnding, raw}} {
		if err == nil && len(f.b) > 0 {
			err = os.WriteFile(filepath.Join(w.dir, name+f.ending), f.b, 0o600)
		}
	}
	if err != nil {
		n.log.Error("what a peer showed cannot be kept", "why", err)
	}
	w.forks = append(w.forks, name)
	switch {
	case unproven != nil:
		n.log.Warn("what a peer showed does not prove to others that its log was forked; compare exports", "peer", from, "why", unproven)
	case err == nil:
		w.proven = append(w.proven, name)
	}
}

// forkProof makes the proof from the checkpoint that was cosigned and what the peer
// showed. The error says why that does not suffice.
func forkProof(conventions []*hotline.SignedConvention, pages []*hotline.SignedDirectory, known *ledger.Cosigned, raw []byte) ([]byte, error) {
	x, err := tlog.ParseExtension(raw)
	if err != nil {
		return nil, err
	}
	if len(known.Note) == 0 {
		return nil, errors.New("of the checkpoint cosigned here only size and root are still held")
	}
	path := x.Proof
	c, err := tlog.ClaimedCheckpoint(x.Note)
	switch {
	case err != nil:
		return nil, err
	case c.Size == known.Size:
		path = nil // two roots of one size: there is nothing to lead to
	case known.Size&(known.Size-1) == 0:
		// RFC 9162 §2.1.4.1 leaves out the root of the older tree, which is
		// the one thing that the peer would have had to show.
		return nil, fmt.Errorf("the size cosigned here, %d, is a power of two, and the path given does not show what the log holds in its place", known.Size)
	}
	return hotline.MakeForkProof(conventions, pages, hotline.SignedHead{Note: known.Note}, hotline.SignedHead{Note: x.Note}, path)
}

// forkAlarms says which peers have shown two histories of their log.
func (w *witnessing) forkAlarms() (list []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, name := range w.forks {
		party, _, _ := strings.Cut(name, "-")
		text := fmt.Sprintf("%s has shown a history of its log that contradicts the one cosigned here: see %s", party, w.dir)
		if at := slices.IndexFunc(w.proven, func(p string) bool { return strings.HasPrefix(p, party+"-") }); at >= 0 {
			text += fmt.Sprintf("; send %s to the other parties and to auditors", w.proven[at]+proofEnding)
		}
		if !slices.Contains(list, text) {
			list = append(list, text)
		}
	}
	return list
}
