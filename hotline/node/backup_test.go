package node_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/desk"
	"example.org/hotline/hotline/hotlinetest"
	"example.org/hotline/hotline/node"
)

// backUp makes a backup of a party's running node, as a technician.
func (w *network) backUp(p *party) string {
	w.t.Helper()
	c, err := p.sit(w.t, "T1")
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(w.t.Context(), deadline)
	defer cancel()
	documents := map[string][]byte{}
	list, err := os.ReadDir(w.docs)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, e := range list {
		if documents[e.Name()], err = os.ReadFile(filepath.Join(w.docs, e.Name())); err != nil {
			w.t.Fatal(err)
		}
	}
	dir := filepath.Join(w.t.TempDir(), "backup")
	size := p.size(w.t)
	b, err := c.Backup(ctx, dir, p.Log.Public(), documents)
	if err != nil {
		w.t.Fatal(err)
	}
	if b.Size < size {
		w.t.Fatalf("the backup holds %d entries, the log %d", b.Size, size)
	}
	return dir
}

// lose stops a party's node and takes its disk away.
func (p *party) lose(t *testing.T) {
	t.Helper()
	p.stop(t, 0)
	if err := os.RemoveAll(p.cfgs[0].Data); err != nil {
		t.Fatal(err)
	}
	p.nodes = nil
}

func (p *party) restore(t *testing.T, dir string) {
	t.Helper()
	if _, err := node.Restore(p.cfgs[0], dir, testPassphrase, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
}

func (w *network) settled(from, to hotline.Party) {
	w.t.Helper()
	seen := w.parties[from].watch(w.t, 0)
	st := w.warn(from, to)
	wait(w.t, seen, func(e desk.Event) bool { return e.Type == desk.EventSettled && e.ID == st.ID })
}

// Promise: a node that is restored from a backup signs again when its peers
// have answered and hold nothing newer, with the log and the state that it had.
func TestRestoredNodeSignsWhenItsPeersHaveAnswered(t *testing.T) {
	t.Parallel()
	w := newNetwork(t, hotlinetest.Terms("crisis"), 1, "XA", "XB")
	w.ready()
	a, b := w.parties["XA"], w.parties["XB"]
	w.settled("XA", "XB")
	b.stop(t, 0) // so that nothing more is signed towards it
	dir := w.backUp(a)
	before, err := a.ask(t, 0, &desk.Request{Status: &desk.StatusRequest{}})
	if err != nil {
		t.Fatal(err)
	}
	a.lose(t)
	a.restore(t, dir)
	w.startAll(a)
	a.untilBehind(t, true) // XB has not answered
	if !a.alarmed(t, "XB") {
		t.Error("the alarm does not name who has not answered")
	}
	after, err := a.ask(t, 0, &desk.Request{Status: &desk.StatusRequest{}})
	if err != nil {
		t.Fatal(err)
	}
	if after.Status.Size != before.Status.Size || after.Status.Root != before.Status.Root || len(after.Status.Duties) != len(before.Status.Duties) {
		t.Errorf("restored: %d entries, %d duties; before: %d, %d", after.Status.Size, len(after.Status.Duties),
			before.Status.Size, len(before.Status.Duties))
	}
	b.nodes = nil
	w.startAll(b)
	a.untilBehind(t, false)
	w.settled("XA", "XB")
	if err := node.ConfirmWithoutPeers(a.cfgs[0]); err == nil {
		t.Error("a node that has heard its peers still waits for them")
	}
}

// Promise: a node that is restored from a backup older than what its peers hold
// refuses to sign, also when a person has confirmed without asking them.
func TestRestoredNodeBehindItsPeersRefuses(t *testing.T) {
	t.Parallel()
	w := newNetwork(t, hotlinetest.Terms("crisis"), 1, "XA", "XB")
	w.ready()
	a := w.parties["XA"]
	w.settled("XA", "XB")
	dir := w.backUp(a)
	w.settled("XA", "XB")
	w.settled("XA", "XB")
	a.lose(t)
	a.restore(t, dir)
	w.startAll(a)
	a.untilBehind(t, true)
	a.untilAlarmed(t, "XB holds a signed head")
	if err := a.nodes[0].Healthy(); hotline.CodeOf(err) != hotline.CodeBehind {
		t.Errorf("whoever counts on a node that signs nothing hears: %v", err)
	}
	a.stop(t, 0)
	if err := node.ConfirmWithoutPeers(a.cfgs[0]); err != nil {
		t.Fatal(err)
	}
	b := w.parties["XB"]
	b.stop(t, 0)
	a.nodes = nil
	w.startAll(a)
	b.nodes = nil
	w.startAll(b)
	a.untilAlarmed(t, "XB holds a signed head")
	a.untilBehind(t, true)
}

// Promise: a restored node does not sign behind a checkpoint of its log either, of which
// no tender and no receipt tells: what it logged for itself alone is known to who cosigned it.
func TestRestoredNodeBehindACosignedCheckpointRefuses(t *testing.T) {
	t.Parallel()
	terms := hotlinetest.Terms("crisis")
	terms.LineTest, terms.LineAlarm = 0, 0 // nothing else is receipted
	w := newNetwork(t, terms, 1, "XA", "XB")
	w.ready()
	a := w.parties["XA"]
	w.settled("XA", "XB")
	w.untilCosigned("XA", 0, w.size(t), 2, "XB")
	dir := w.backUp(a)
	a.submit(t, 0, a.Detection(now()))
	w.untilCosigned("XA", 0, w.size(t), 2, "XB")
	a.lose(t)
	a.restore(t, dir)
	w.startAll(a)
	a.untilAlarmed(t, "XB holds a signed head")
	a.untilBehind(t, true)
}

// Promise: two parties that were both restored from backups do not wait for each
// other: each says of its log what it has.
func TestRestoredNodesOfTwoPartiesDoNotWaitForEachOther(t *testing.T) {
	t.Parallel()
	w := newNetwork(t, hotlinetest.Terms("crisis"), 1, "XA", "XB")
	w.ready()
	w.settled("XA", "XB")
	a, b := w.parties["XA"], w.parties["XB"]
	ofA, ofB := w.backUp(a), w.backUp(b)
	a.lose(t)
	b.lose(t)
	a.restore(t, ofA)
	b.restore(t, ofB)
	w.startAll(a)
	w.startAll(b)
	a.untilBehind(t, false)
	w.settled("XA", "XB")
}

// Promise: a person may let a restored node sign without its peers.
func TestRestoredNodeSignsWhenConfirmed(t *testing.T) {
	t.Parallel()
	w := newNetwork(t, hotlinetest.Terms("crisis"), 1, "XA", "XB")
	w.ready()
	a := w.parties["XA"]
	w.parties["XB"].stop(t, 0)
	dir := w.backUp(a)
	a.lose(t)
	a.restore(t, dir)
	if err := node.ConfirmWithoutPeers(a.cfgs[0]); err != nil {
		t.Fatal(err)
	}
	w.startAll(a)
	a.untilBehind(t, false)
}

// Promise: a backup in which one byte of any file was changed, or a file is
// missing, is refused with the name of the file, and nothing is written.
func TestTamperedBackupIsRefused(t *testing.T) {
	t.Parallel()
	w := newNetwork(t, hotlinetest.Terms("crisis"), 1, "XA", "XB")
	w.ready()
	a := w.parties["XA"]
	w.settled("XA", "XB")
	dir := w.backUp(a)
	if _, err := node.Restore(a.cfgs[0], dir, testPassphrase, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Fatalf("a data directory in use is written over: %v", err)
	}
	a.lose(t)
	refused := func(name, want string) {
		t.Helper()
		_, err := node.Restore(a.cfgs[0], dir, testPassphrase, slog.New(slog.DiscardHandler))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s changed: %v, want an error that names %s", name, err, want)
		}
		if _, err := os.Stat(a.cfgs[0].Data); err == nil {
			t.Fatalf("%s changed: there is a data directory", name)
		}
	}
	var files []string
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files = append(files, path)
		}
		return err
	})
	if err != nil || len(files) < 6 {
		t.Fatalf("the backup holds %v: %v", files, err)
	}
	for _, path := range files {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			t.Fatal(err)
		}
		want := name
		if strings.HasPrefix(name, "tile/") {
			want = "tile/" // of a bundle and its hash tile either may be named
		}
		changed := slices.Clone(raw)
		changed[len(changed)/2] ^= 1
		for _, content := range [][]byte{changed, raw[:len(raw)-1], nil} {
			if content == nil {
				err = os.Remove(path)
			} else {
				err = os.WriteFile(path, content, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			if content == nil && strings.HasPrefix(name, "documents/directory") {
				continue // a directory less is a smaller set of documents, and the log holds it
			}
			if content == nil && strings.HasPrefix(name, "documents/") {
				want = "documents/" // those that rest on it are named
			}
			refused(name, want)
		}
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	a.restore(t, dir)
}

// Promise: of a larger group that lost every disk, one node is restored and
// leads; the others join it with empty disks and get their votes again.
func TestLostGroupIsRestored(t *testing.T) {
	t.Parallel()
	w := newNetwork(t, hotlinetest.Terms("crisis"), 3, "XA", "XB")
	w.ready()
	a, b := w.parties["XA"], w.parties["XB"]
	w.settled("XA", "XB")
	for i := range b.nodes {
		b.stop(t, i) // so that nothing more is signed towards it
	}
	dir := w.backUp(a)
	for i := range a.nodes {
		a.stop(t, i)
		if err := os.RemoveAll(a.cfgs[i].Data); err != nil {
			t.Fatal(err)
		}
	}
	a.nodes, b.nodes = nil, nil
	a.restore(t, dir)
	a.nodes = append(a.nodes, w.start(a.cfgs[0]))
	for _, c := range b.cfgs {
		b.nodes = append(b.nodes, w.start(c))
	}
	for _, c := range a.cfgs[1:] {
		c.Group.Join = true
		a.nodes = append(a.nodes, w.start(c))
	}
	a.untilBehind(t, false)
	limit := time.NewTimer(deadline)
	defer limit.Stop()
	for {
		re, err := a.ask(t, 2, &desk.Request{Status: &desk.StatusRequest{}})
		if err == nil && len(re.Status.Voters) == 3 && len(re.Status.Learners) == 0 {
			break
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-limit.C:
			t.Fatalf("the group is not whole again: %+v, %v", re, err)
		}
	}
	w.settled("XA", "XB")
}
