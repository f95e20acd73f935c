package audit

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"example.org/hotline/crypto/tlog"
	"example.org/hotline/hotline"
)

// disclosureOf writes the file of the disclosed body of a sealed statement.
func (p *peer) disclosureOf(st *hotline.Statement) string {
	p.w.t.Helper()
	blind, body, err := st.OpenSealed(p.Sealing)
	if err != nil {
		p.w.t.Fatal(err)
	}
	name := filepath.Join(p.w.t.TempDir(), "shown.json")
	if err := os.WriteFile(name, Disclose(st.Raw, blind[:], body).Encode(), 0o600); err != nil {
		p.w.t.Fatal(err)
	}
	return name
}

// dossierOf makes the dossier of a case.
func dossierOf(t testing.TB, id hotline.CaseID, dirs []string, disclosed ...string) (string, *Dossier) {
	t.Helper()
	out := filepath.Join(t.TempDir(), "dossier")
	sum, err := WriteDossier(context.Background(), out, id, dirs, disclosed, Options{TempDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	return out, sum
}

// told is a case of two parties with lapses, its exports, and a disclosed alert.
func toldCase(t testing.TB) (id hotline.CaseID, dirs []string, shown string, alert *hotline.Statement) {
	w := late(t)
	a, b := w.at("XA"), w.at("XB")
	alert = sentOf(t, a, hotline.KindProgress)
	return *alert.InCase(), []string{a.export(), b.export()}, b.disclosureOf(alert), alert
}

// Promise: a dossier holds what was promised, says which bodies it does not show,
// its check finds it whole, and it is the same to the byte whoever makes it again
// and in whatever order the exports are given, from full exports or from its own.
func TestDossierIsWholeAndTheSame(t *testing.T) {
	t.Parallel()
	id, dirs, shown, st := toldCase(t)
	out, sum := dossierOf(t, id, dirs, shown)
	if sum.Disclosed != 1 || sum.Sealed == 0 || sum.Entries < 10 || sum.Exports != 2 || sum.Exit != ExitTerms {
		t.Errorf("%+v", sum)
	}
	want := []string{"README.txt", "MANIFEST", "bodies.txt", "chronology.txt", "chronology.json", "verdicts.txt", "verdicts.json", "observations.txt",
		"exports/XA-1/case.bundle", "exports/XB-1/case.bundle", "bodies/" + st.ID.String() + ".json", "bodies/" + st.ID.String() + ".txt"}
	for _, name := range want {
		if _, err := os.Stat(filepath.Join(out, name)); err != nil {
			t.Error(err)
		}
	}
	for name, words := range map[string]string{"bodies.txt": "sealed, not disclosed", "chronology.txt": "provable: ", "verdicts.txt": "ratify alert",
		"observations.txt": "ratify-overdue", "bodies/" + st.ID.String() + ".txt": "No change", "README.txt": id.Key()} {
		if b := mustRead(t, out, name); !bytes.Contains(b, []byte(words)) || bytes.Contains(b, []byte(os.TempDir())) {
			t.Errorf("%s does not say %q, or says where it was made:\n%s", name, words, b)
		}
	}
	for _, inputs := range [][]string{{dirs[1], dirs[0]}, {filepath.Join(out, "exports/XB-1"), dirs[0], dirs[1]}} {
		again, _ := dossierOf(t, id, inputs, shown)
		if !bytes.Equal(mustRead(t, again, FileManifest), mustRead(t, out, FileManifest)) {
			t.Errorf("made of %v it differs", inputs)
		}
	}
	checked, err := CheckDossier(context.Background(), out, Options{TempDir: t.TempDir()})
	if err != nil || *checked != *sum {
		t.Errorf("%+v, %v; want %+v", checked, err, sum)
	}
	if _, err := CheckDossier(context.Background(), out, Options{TempDir: t.TempDir(), Convention: hotline.ID{1}}); !errors.Is(err, ErrUnusable) {
		t.Errorf("under another convention: %v", err)
	}
}

// Promise: each entry of the case is there with a proof that anybody can check
// under a checkpoint that the log signed, cosigned where it covers the entry.
func TestDossierProvesEachEntry(t *testing.T) {
	t.Parallel()
	w := newWorld(t, terms(), "XA", "XB", "XC")
	a := w.at("XA")
	alert := w.alertTo("XA", []hotline.Party{"XB"}, []hotline.Party{"XB"})
	cosigned := a.cosignedBy(len(a.entries), "XC")
	covered := uint64(len(a.entries))
	a.send(alert, "XB")
	out, sum := dossierOf(t, *alert.InCase(), []string{with(t, a.export(), cosigned), w.at("XB").export()})
	logs := map[string]*peer{"XA-1": a, "XB-1": w.at("XB")}
	found := 0
	for name, p := range logs {
		list, err := filepath.Glob(filepath.Join(out, "proofs", name, "*.tlog-proof"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range list {
			found++
			proof, err := tlog.ParseProof(mustRead(t, "", file))
			if err != nil {
				t.Fatal(err)
			}
			raw := mustRead(t, "", strings.TrimSuffix(file, ".tlog-proof")+".entry")
			c, err := proof.Verify(tlog.LeafHash(raw), tlog.Origin(string(p.Code), 1), p.Log.Public())
			if err != nil || !bytes.Equal(raw, p.entries[proof.Index]) {
				t.Errorf("%s: %v", file, err)
			}
			if name == "XA-1" && (c.Size == covered) != (proof.Index < covered) {
				t.Errorf("entry %d is proven at size %d, and %d are cosigned", proof.Index, c.Size, covered)
			}
		}
	}
	if found != sum.Entries || found < 6 {
		t.Errorf("%d proofs of %d entries", found, sum.Entries)
	}
}

// Promise: a dossier that was made under a plain name in the current directory is that which is made anywhere else, also where
// its texts name the exports.
func TestDossierUnderAPlainName(t *testing.T) {
	w := late(t)
	a := w.at("XA")
	id := *sentOf(t, a, hotline.KindProgress).InCase()
	last := len(a.entries) - 1
	rewritten := append(slices.Clone(a.entries[:last]), reenter(t, a.entries[last], func(e *hotline.Entry, _ any) { e.Salt[0] ^= 1 }))
	dirs := []string{a.export(), a.exportOf(rewritten), w.at("XB").export()}
	elsewhere, _ := dossierOf(t, id, dirs)
	t.Chdir(t.TempDir())
	if _, err := WriteDossier(context.Background(), "plain", id, dirs, nil, Options{TempDir: t.TempDir()}); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(mustRead(t, "plain", "observations.txt"), mustRead(t, elsewhere, "observations.txt")) {
		t.Errorf("it differs:\n%s", mustRead(t, "plain", "observations.txt"))
	}
	if _, err := CheckDossier(context.Background(), "plain", Options{TempDir: t.TempDir()}); err != nil {
		t.Error(err)
	}
}

// Promise: a dossier of what a pair export shows hides what that hides, and one of
// three exports of one log and of a third party keeps them apart.
func TestDossierOfPartialExports(t *testing.T) {
	t.Parallel()
	w := three(t)
	a := w.at("XA")
	id := a.cases()[0]
	full := a.export()
	out, sum := dossierOf(t, id, []string{pairOf(t, full, "XC"), pairOf(t, full, "XB"), w.at("XB").export()})
	if sum.Exports != 3 || sum.Exit == ExitProtocol {
		t.Errorf("%+v", sum)
	}
	for name, with := range map[string]string{"XA-1": "XB", "XA-1-2": "XC"} {
		if !bytes.Contains(mustRead(t, out, "exports/"+name+"/"+FileHead), []byte(`"with": "`+with+`"`)) {
			t.Errorf("exports/%s is not what is shown to %s", name, with)
		}
	}
	if _, err := CheckDossier(context.Background(), out, Options{TempDir: t.TempDir()}); err != nil {
		t.Error(err)
	}
}

// Promise: a disclosed body that is not that of its statement, or of a statement of
// another case, is refused by name, and nothing is left behind.
func TestDossierRefusesBodies(t *testing.T) {
	t.Parallel()
	id, dirs, shown, st := toldCase(t)
	d, _, _, err := readDisclosure(shown)
	if err != nil {
		t.Fatal(err)
	}
	other := newWorld(t, terms(), "XA", "XB").at("XA")
	foreign := other.disclosureOf(other.submit(other.Detection(other.w.now)))
	write := func(b []byte) string {
		name := filepath.Join(t.TempDir(), "bad.json")
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	altered := append(slices.Clone(d.Body[:len(d.Body)-1]), d.Body[len(d.Body)-1]^1)
	parent := t.TempDir()
	for what, name := range map[string]string{
		"another body":          write(Disclose(st.Raw, d.Blind, altered).Encode()),
		"another blind":         write(Disclose(st.Raw, make([]byte, 32), d.Body).Encode()),
		"a short blind":         write(Disclose(st.Raw, d.Blind[:31], d.Body).Encode()),
		"no statement":          write(Disclose([]byte{1}, d.Blind, d.Body).Encode()),
		"no file of this form":  write([]byte(`{"format": 1, "more": 2}`)),
		"a file of another log": foreign,
		"no file":               filepath.Join(parent, "none.json"),
	} {
		_, err := WriteDossier(context.Background(), filepath.Join(parent, "out"), id, dirs, []string{name}, Options{TempDir: t.TempDir()})
		if !errors.Is(err, ErrUnusable) || !strings.Contains(err.Error(), filepath.Base(name)) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if left, _ := os.ReadDir(parent); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

// Promise: any change to any file of a dossier is found by its check, whether the
// manifest was made to fit or not: a changed text is not what the exports make, and
// a changed export is not what was signed.
func TestChangedDossierIsFound(t *testing.T) {
	t.Parallel()
	sweep(t)
	id, dirs, shown, _ := toldCase(t)
	good, _ := dossierOf(t, id, dirs, shown)
	check := func(what, dir string) {
		t.Helper()
		tmp := t.TempDir()
		if _, err := CheckDossier(context.Background(), dir, Options{TempDir: tmp}); !errors.Is(err, ErrUnusable) {
			t.Errorf("%s: %v", what, err)
		}
		if left, _ := os.ReadDir(tmp); len(left) != 0 {
			t.Errorf("%s leaves temporary files: %v", what, left)
		}
	}
	fitting := func(dir string) {
		root, err := os.OpenRoot(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer root.Close()
		b, err := manifestOf(root)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, FileManifest), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	kinds := map[string]bool{} // one file of each directory and ending is enough for the slow half
	err := fs.WalkDir(os.DirFS(good), ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		dir := copyDir(t, good)
		flip(t, filepath.Join(dir, name), 30)
		check(name, dir)
		kind := filepath.Dir(name) + filepath.Ext(name)
		if filepath.Dir(name) != "." && kinds[kind] || name == FileManifest {
			return nil
		}
		kinds[kind] = true
		fitting(dir)
		check(name+" with a manifest that fits", dir)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for what, change := range map[string]func(dir string) error{
		"a file more":    func(dir string) error { return os.WriteFile(filepath.Join(dir, "bodies", "more.txt"), nil, 0o600) },
		"a file less":    func(dir string) error { return os.Remove(filepath.Join(dir, "verdicts.txt")) },
		"an export less": func(dir string) error { return os.RemoveAll(filepath.Join(dir, "exports", "XB-1")) },
		"no exports":     func(dir string) error { return os.RemoveAll(filepath.Join(dir, "exports")) },
		"a link": func(dir string) error {
			return errors.Join(os.Remove(filepath.Join(dir, "verdicts.txt")), os.Symlink("bodies.txt", filepath.Join(dir, "verdicts.txt")))
		},
	} {
		dir := copyDir(t, good)
		if err := change(dir); err != nil {
			t.Fatal(err)
		}
		check(what, dir)
		if what != "a link" {
			fitting(dir)
			check(what+" with a manifest that fits", dir)
		}
	}
	check("no dossier", t.TempDir())
}

// Promise: the commands of README.txt for the manifest and the other verifier work
// as they stand there.
func TestDossierReadmeWorks(t *testing.T) {
	t.Parallel()
	verifier(t)
	id, dirs, shown, _ := toldCase(t)
	out, _ := dossierOf(t, id, dirs, shown)
	sources, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	ran := 0
	for line := range strings.Lines(string(mustRead(t, out, "README.txt"))) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "sha256sum ") && !strings.HasPrefix(line, "node ") {
			continue
		}
		ran++
		cmd := exec.CommandContext(t.Context(), "sh", "-c", line)
		cmd.Dir, cmd.Env = out, append(os.Environ(), "HOTLINE="+sources)
		text, err := cmd.CombinedOutput()
		if code := cmd.ProcessState.ExitCode(); code != ExitClean && code != ExitTerms {
			t.Errorf("%s: %v\n%s", line, err, text)
		}
	}
	if ran != 3 {
		t.Errorf("%d commands were run", ran)
	}
}

// Promise: a dossier of two histories of one log shows both, proves the fork, and is checked as any other.
func TestDossierOfAFork(t *testing.T) {
	t.Parallel()
	w := newWorld(t, terms(), "XA", "XB")
	a := w.at("XA")
	alert := w.alertTo("XA", []hotline.Party{"XB"}, []hotline.Party{"XB"})
	a.send(alert, "XB")
	last := len(a.entries) - 1
	other := append(slices.Clone(a.entries[:last]), reenter(t, a.entries[last], func(e *hotline.Entry, _ any) { e.Salt[0] ^= 1 }))
	out, sum := dossierOf(t, *alert.InCase(), []string{a.export(), a.exportOf(other), w.at("XB").export()})
	if sum.Exit != ExitProtocol || sum.Exports != 3 {
		t.Errorf("%+v", sum)
	}
	if proofs, err := filepath.Glob(filepath.Join(out, dirForks, "*")); err != nil || len(proofs) == 0 {
		t.Errorf("no proof of the fork: %v", err)
	}
	if b := mustRead(t, out, "observations.txt"); !bytes.Contains(b, []byte("exports/XA-1-2")) {
		t.Errorf("the two histories are not named:\n%s", b)
	}
	if checked, err := CheckDossier(context.Background(), out, Options{TempDir: t.TempDir()}); err != nil || *checked != *sum {
		t.Errorf("%+v, %v", checked, err)
	}
}
