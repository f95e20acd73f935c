package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"example.org/hotline/crypto/seal"
	"example.org/hotline/hotline"
)

// FuzzBundle: whatever the bytes, the reader of bundles neither panics nor reads
// more than a record's bound, and what it accepts has one form.
func FuzzBundle(f *testing.F) {
	w := newWorld(f, terms(), "XA", "XB")
	alert := w.alertTo("XA", []hotline.Party{"XB"}, []hotline.Party{"XB"})
	for _, b := range [][]byte{mustRead(f, w.at("XA").pair("XB"), FilePair), mustRead(f, caseOf(f, w.at("XA").export(), alert), FileCase)} {
		f.Add(b)
		f.Add(b[:len(b)/2])
	}
	f.Add([]byte{0, 0, 0, 1, 0x80})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, data []byte) {
		r := newBundleReader(bytes.NewReader(data))
		h, err := r.next()
		if err != nil {
			return
		}
		var again bytes.Buffer
		if err := putRecord(&again, h); err != nil {
			t.Fatal(err)
		}
		for i := uint64(0); ; i++ {
			l, err := r.leaf(i)
			if err != nil {
				break
			}
			if err := recordOf(l).put(&again); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.HasPrefix(data, again.Bytes()) {
			t.Error("two forms of one bundle")
		}
	})
}

// FuzzHead: what is accepted as export.json is its one form.
func FuzzHead(f *testing.F) {
	f.Add(Head{Format: 1, Kind: Full, Party: "XA", Generation: 1, Convention: strings.Repeat("0a", 32), Size: 3}.Encode())
	f.Add(Head{Format: 1, Kind: Pair, Party: "XA", Generation: 1, Convention: strings.Repeat("0a", 32), Size: 3, With: "XB"}.Encode())
	f.Add(Head{Format: 1, Kind: Case, Party: "XA", Generation: 1, Convention: strings.Repeat("0a", 32), Size: 3, Case: "XB/" + strings.Repeat("0b", 32)}.Encode())
	f.Fuzz(func(t *testing.T, data []byte) {
		if h, err := ParseHead(data); err == nil && !bytes.Equal(h.Encode(), data) {
			t.Error("two forms of one head")
		}
	})
}

// FuzzDisclosure: whatever the bytes, what is accepted as a disclosed body matches
// the commitment of its statement.
func FuzzDisclosure(f *testing.F) {
	a := newWorld(f, terms(), "XA", "XB").at("XA")
	f.Add(mustRead(f, "", a.disclosureOf(a.Detection(a.w.now))))
	f.Add([]byte(`{"format":1}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		d, st, says, err := ParseDisclosure(data)
		if err != nil {
			return
		}
		if _, _, _, err := ParseDisclosure(d.Encode()); err != nil || says == nil || seal.Commitment([32]byte(d.Blind), d.Body) != st.Header.Commitment {
			t.Errorf("accepted: %v", err)
		}
	})
}

// FuzzCheckpointText: reading what a checkpoint says of itself never panics.
func FuzzCheckpointText(f *testing.F) {
	f.Add([]byte("hotline/XA/1\n3\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n— x y\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if c, err := unverified(data); err == nil && c.Validate() != nil {
			t.Error("accepted what is out of bounds")
		}
	})
}

// unusableWith demands that an audit of dirs is refused, and that the text
// names what is at fault.
func unusableWith(t *testing.T, text string, opt Options, dirs ...string) {
	t.Helper()
	opt.TempDir = t.TempDir()
	r, err := Replay(context.Background(), dirs, opt)
	if err == nil {
		r.Close()
		t.Fatalf("judged, but %s", text)
	}
	if !errors.Is(err, ErrUnusable) || !strings.Contains(err.Error(), text) {
		t.Errorf("error %q, want one that names %q", err, text)
	}
	if left, _ := os.ReadDir(opt.TempDir); len(left) != 0 {
		t.Errorf("temporary files are left: %v", left)
	}
}

// Promise: the name that a stranger gave a file cannot write over what the program says: no control character and no second line
// of it reaches the terminal.
func TestHostileFileNamesAreShownHarmless(t *testing.T) {
	t.Parallel()
	const name = "x\x1b[2J\nnothing to observe"
	w := late(t)
	a := w.at("XA")
	full := a.export()
	if err := os.WriteFile(filepath.Join(full, name), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, extra := Replay(context.Background(), []string{full}, Options{TempDir: t.TempDir()})
	_, missing := Replay(context.Background(), []string{filepath.Join(full, name, name)}, Options{TempDir: t.TempDir()})
	out, _ := dossierOf(t, *sentOf(t, a, hotline.KindProgress).InCase(), []string{a.export()})
	check := func(change func(name string) error) error {
		dir := copyDir(t, out)
		if err := change(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		_, err := CheckDossier(context.Background(), dir, Options{TempDir: t.TempDir()})
		return err
	}
	added := check(func(name string) error { return os.WriteFile(name, nil, 0o600) })
	link := check(func(name string) error { return os.Symlink("README.txt", name) })
	body := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(body, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, _, _, disclosed := readDisclosure(body)
	for what, err := range map[string]error{"added": extra, "missing": missing, "in a dossier": added, "link in a dossier": link, "disclosed": disclosed} {
		if !errors.Is(err, ErrUnusable) || strings.ContainsAny(err.Error(), "\x1b\n") || !strings.Contains(err.Error(), "x⟨U+001B⟩[2J") {
			t.Errorf("%s: %q", what, err)
		}
	}
}

// Promise: a log that sends to whom it likes, and to as many, does not make the auditor open a file for each.
func TestManyAddresseesOpenFewFiles(t *testing.T) {
	t.Parallel()
	w := newWorld(t, terms(), "XA", "XB")
	a, alert := w.at("XA"), w.alertTo("XA", []hotline.Party{"XB"}, []hotline.Party{"XB"})
	for name, sign := range map[string]func([]byte) []byte{
		"signed":   func(raw []byte) []byte { return raw },
		"unsigned": func(raw []byte) []byte { flipLast(raw); return raw },
	} {
		entries := slices.Clone(a.entries)
		for n := range 20 {
			h := alert.Header
			h.To = nil
			for k := range 20 {
				h.To = append(h.To, hotline.Party(fmt.Sprintf("Y%06d", 20*n+k)))
			}
			raw, err := hotline.Sign(h, alert.Payload, a.Officer("O1"), a.Officer("R1"))
			if err != nil {
				t.Fatal(err)
			}
			var sequences []hotline.Sequence
			for _, p := range h.To {
				sequences = append(sequences, hotline.Sequence{To: p, N: 1})
			}
			entries = a.forge(entries, sign(raw), sequences...)
		}
		temporary, most := t.TempDir(), 0
		r, err := Replay(context.Background(), []string{a.exportOf(entries)}, Options{TempDir: temporary, Progress: func(_, _ uint64) {
			list, err := filepath.Glob(filepath.Join(temporary, "*", "sequences-*"))
			if most = max(most, len(list)); err != nil {
				t.Error(err)
			}
		}})
		if err != nil {
			t.Fatal(err)
		}
		if most > 1 || !slices.Contains(found(r), "decision-differs@XA") && !slices.Contains(found(r), "signature-invalid@XA") {
			t.Errorf("%s: %d files of sequences, observed %v", name, most, found(r))
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
}

// What cannot be judged is refused with the file named, and leaves nothing behind.
func TestUnusableInputIsRefusedByName(t *testing.T) {
	t.Parallel()
	w, _ := short(t, "one")
	a := w.at("XA")
	full := a.export()
	pair := pairOf(t, full, "XB")
	other := newWorld(t, hotlineTerms(2), "XA", "XB").at("XB").export()

	unusableWith(t, "0 directories", Options{})
	unusableWith(t, "missing", Options{}, filepath.Join(full, "missing"))
	unusableWith(t, "given twice", Options{}, full, full+"/")
	unusableWith(t, "another convention", Options{}, full, other)
	unusableWith(t, "which was demanded", Options{Convention: hotline.ID{1}}, full)

	change := func(name, from string, edit func(dir string) error) {
		dir := copyDir(t, from)
		if err := edit(dir); err != nil {
			t.Fatal(err)
		}
		unusableWith(t, name, Options{}, dir)
	}
	write := func(name string, data []byte) func(string) error {
		return func(dir string) error { return os.WriteFile(filepath.Join(dir, name), data, 0o600) }
	}
	head, err := ParseHead(mustRead(t, full, FileHead))
	if err != nil {
		t.Fatal(err)
	}
	edited := func(f func(*Head)) []byte { h := head; f(&h); return h.Encode() }
	change("stray", full, write("stray", nil))
	change("stray", pair, write("stray", nil))
	change("pair.bundle", pair, func(dir string) error { return os.Remove(filepath.Join(dir, FilePair)) })
	change("pair.bundle", pair, write(FilePair, append(mustRead(t, pair, FilePair), 0)))
	change("pair.bundle", pair, write(FilePair, mustRead(t, pair, FilePair)[:5000]))
	change("not a regular file", pair, func(dir string) error {
		if err := os.Remove(filepath.Join(dir, FileCheckpoint)); err != nil {
			return err
		}
		return os.Symlink(filepath.Join(full, FileCheckpoint), filepath.Join(dir, FileCheckpoint))
	})
	change("export.json", full, write(FileHead, []byte(strings.Repeat(" ", maxHead+1))))
	change("export.json", full, write(FileHead, append(head.Encode(), '\n')))
	change("checkpoint", full, write(FileHead, edited(func(h *Head) { h.Size++ })))
	change("checkpoint", full, write(FileHead, edited(func(h *Head) { h.Party = "XB" })))
	change("export.json", full, write(FileHead, edited(func(h *Head) { h.Convention = strings.Repeat("0a", 32) })))
	change("export.json", full, write(FileHead, edited(func(h *Head) { h.Format = 2 })))
	change("checkpoint", full, write(FileCheckpoint, a.checkpoint(a.entries[:3])))
	change("checkpoint", full, write(FileCheckpoint, w.at("XB").checkpoint(a.entries)))
	change("tile", full, func(dir string) error { return os.RemoveAll(filepath.Join(dir, "tile/0")) })

	early := a.exportOf(a.entries[:3])
	unusableWith(t, "holds no directory of XA", Options{}, early)
	if err := WritePair(pair, filepath.Join(t.TempDir(), "x"), "XB"); err == nil {
		t.Error("a pair export was made of a pair export")
	}
	if err := WritePair(full, full, "XB"); err == nil {
		t.Error("an export was written over another one")
	}
}

// hotlineTerms are terms of another convention.
func hotlineTerms(hours int64) hotline.Terms {
	t := terms()
	t.Assess = hours * 3_600_000
	return t
}

func mustRead(t testing.TB, dir, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// An audit that is cancelled ends soon, with the error of its context, and
// leaves nothing behind.
func TestCancelledAuditEnds(t *testing.T) {
	t.Parallel()
	dir := busy(t, 300).at("XA").export()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	tmp := t.TempDir()
	_, err := Replay(ctx, []string{dir}, Options{TempDir: tmp, Progress: func(done, total uint64) { cancel() }})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if left, _ := os.ReadDir(tmp); len(left) != 0 {
		t.Errorf("temporary files are left: %v", left)
	}
}

// The result is the same whatever the number of workers, and when nothing was
// verified ahead.
func TestResultDoesNotDependOnTheWorkers(t *testing.T) {
	t.Parallel()
	full := late(t).at("XA").export()
	for _, dir := range []string{full, pairOf(t, full, "XB")} {
		sameForAllWorkers(t, dir)
		sameWithNothingAhead(t, dir)
	}
}

func sameForAllWorkers(t *testing.T, dir string) {
	var first string
	for _, workers := range []int{1, 2, 7} {
		r, err := Replay(context.Background(), []string{dir}, Options{TempDir: t.TempDir(), Workers: workers})
		if err != nil {
			t.Fatal(err)
		}
		got := text(t, r)
		if first == "" {
			first = got
		}
		if got != first {
			t.Errorf("with %d workers the report differs", workers)
		}
		r.Close()
	}
}

func sameWithNothingAhead(t *testing.T, dir string) {
	x, err := openExport(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer x.close()
	rows, err := newBuckets(t.TempDir(), "docket", x.head.Size, (*docketRow).each)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.close()
	j, err := newJudged(x, t.TempDir(), 0, rows, func(hotline.Party, uint64, uint64, hotline.Party, string) bool { return false })
	if err != nil {
		t.Fatal(err)
	}
	defer j.close()
	err = x.src.each(func(l leaf) error {
		it := &item{leaf: l}
		j.exam.examine(it) // without read: no key and no own statement is known ahead
		return j.take(it)
	})
	if err != nil {
		t.Fatal(err)
	}
	if j.log.Decided != j.log.Shown || j.proofs.count == 0 {
		t.Errorf("decided %d of %d, %d proofs", j.log.Decided, x.head.Size, j.proofs.count)
	}
}

func text(t testing.TB, r *Report) string {
	t.Helper()
	var b strings.Builder
	if err := errors.Join(r.WriteText(&b, Text{All: true}), r.WriteJSON(io.Discard)); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
