package replica

import (
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
)

// Promise: a member whose directory was seeded leads a group of its own with
// that state, adds to it, and keeps it over a restart; a directory in use is
// never seeded.
func TestSeededMemberGoesOn(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	source := newJournal()
	source.Apply([]Command{{Index: 1, Data: []byte("kept")}})
	save, err := source.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	r, w := io.Pipe()
	go func() { _ = w.CloseWithError(save(w)) }()
	g := newGroup(t)
	n := g.prepare("a")
	log := slog.New(slog.DiscardHandler)
	if err := Seed(n.cfg.Dir, Server{ID: n.cfg.ID, Address: n.cfg.Address}, r, log); err != nil {
		t.Fatal(err)
	}
	if err := Seed(n.cfg.Dir, Server{ID: n.cfg.ID, Address: n.cfg.Address}, strings.NewReader(""), log); err == nil {
		t.Errorf("%s was seeded twice", filepath.Base(n.cfg.Dir))
	}
	g.open(n)
	g.leader(ctx, n)
	n.mustPropose(t, ctx, "new")
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	g.restart(n)
	g.leader(ctx, n)
	n.journal.wait(t, ctx, func(lines []string) bool { return len(lines) == 2 && lines[0] == "kept" && lines[1] == "new" })
}
