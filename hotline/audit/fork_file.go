package audit

import (
	"fmt"
	"io"
	"os"
	"strings"

	"example.org/hotline/hotline"
)

// ForkProof is what the file of a fork proof shows to whoever has nothing else
// (SPEC §7.11).
type ForkProof struct {
	File       string        `json:"file"`
	Convention string        `json:"convention"` // id, in hexadecimal
	Pinned     bool          `json:"pinned"`     // the id was given by whoever checks; else it is what the file says
	Version    uint64        `json:"version"`    // newest version of the convention in the file
	Party      hotline.Party `json:"party"`      // who signed both heads
	Generation uint64        `json:"generation"`
	Older      ForkedHead    `json:"older"`
	Newer      ForkedHead    `json:"newer"`
	// Held is the root, in hexadecimal, that the first leaves of the newer tree
	// lead to, as many as the older head has.
	Held string `json:"held"`
}

// ForkedHead is one of the two heads.
type ForkedHead struct {
	Size      uint64 `json:"size"`
	Root      string `json:"root"`      // in hexadecimal
	Form      string `json:"form"`      // checkpoint, tender or receipt
	Key       string `json:"key"`       // id of the log key that signed it, in hexadecimal
	Directory uint64 `json:"directory"` // number of the directory that names the key
	// Of a tender or receipt: the statement, and the time of the entry by that log.
	Statement string       `json:"statement,omitempty"`
	Time      hotline.Time `json:"time,omitempty"` // Unix milliseconds
}

// ReadForkProof checks the proof in a file. pin is the convention's id, known from
// elsewhere; zero: the one that the file names. The error names the file, and says
// why it proves nothing.
func ReadForkProof(name string, pin hotline.ID) (*ForkProof, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > hotline.MaxForkProof {
		return nil, fmt.Errorf("%s is no file of at most %d bytes", name, hotline.MaxForkProof)
	}
	raw, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	p, err := hotline.ParseForkProof(raw)
	if err != nil {
		return nil, fmt.Errorf("%s proves nothing: %w", name, err)
	}
	f, err := p.Check(pin)
	if err != nil {
		return nil, fmt.Errorf("%s proves nothing: %w", name, err)
	}
	return &ForkProof{File: name, Convention: f.Convention.ID.String(), Pinned: !pin.IsZero(), Version: f.Convention.Version,
		Party: f.Party, Generation: f.Generation, Older: forkedHead(&f.Older), Newer: forkedHead(&f.Newer), Held: fmt.Sprintf("%x", f.Held)}, nil
}

func forkedHead(h *hotline.ProvenHead) ForkedHead {
	f := ForkedHead{Size: h.Size, Root: fmt.Sprintf("%x", h.Root), Form: h.Form(), Key: h.Key.ID().String(), Directory: h.Directory}
	if h.Claims != nil {
		f.Statement, f.Time = h.Claims.Statement.String(), h.Claims.Time
	}
	return f
}

// WriteText says for people what the file proves, and what it does not.
func (p *ForkProof) WriteText(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n  %s signed two heads of its log, generation %d. Both cannot be heads of one append-only log.\n", p.File, p.Party, p.Generation)
	fmt.Fprintf(&b, "  first  %s\n  second %s\n", p.Older.words(), p.Newer.words())
	if p.Older.Size < p.Newer.Size {
		fmt.Fprintf(&b, "  the first %d entries under the second head lead to root %s, not to that of the first\n", p.Older.Size, p.Held)
	}
	pages := fmt.Sprintf("directory %d of %s by its root key", p.Older.Directory, p.Party)
	if p.Older.Directory != p.Newer.Directory {
		pages = fmt.Sprintf("directories %d and %d of %s by its root key", p.Older.Directory, p.Newer.Directory, p.Party)
	}
	fmt.Fprintf(&b, "  keys   convention %s up to version %d by the root keys of its parties, %s\n", p.Convention, p.Version, pages)
	if !p.Pinned {
		fmt.Fprintf(&b, "  That id is what the file says of itself. Compare it with one known from elsewhere, or give that with --convention.\n")
	}
	fmt.Fprintf(&b, "  Which of the two histories is true, who made them, and why is not shown: a log that was restored from a copy too old and written on is forked too.\n"+
		"  It attributes nothing and is no legal determination.\n")
	_, err := io.WriteString(w, b.String())
	return err
}

func (h *ForkedHead) words() string {
	text := fmt.Sprintf("%d entries, root %s: a %s", h.Size, h.Root, h.Form)
	if h.Statement != "" {
		text += fmt.Sprintf(" for statement %s, logged as entry %d at %s", h.Statement[:12], h.Size-1, stamp(h.Time))
	}
	return text + fmt.Sprintf(", signed with the log key %s of directory %d", h.Key[:16], h.Directory)
}
