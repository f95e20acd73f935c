package audit

import (
	"bytes"
	"context"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"filippo.io/edwards25519"

	"example.org/hotline/crypto/keys"
	"example.org/hotline/crypto/tlog"
	"example.org/hotline/hotline"
	"example.org/hotline/hotline/hotlinetest"
)

// The verifier of testdata/verifier shares no code with this package: it was
// written in another language, with other libraries, from SPEC. What both see
// must be the same.

const verifierDir = "../testdata/verifier"

// verifier skips the test where the other verifier cannot run, unless it must.
func verifier(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("a process of its own for each export")
	}
	node, err := exec.LookPath("node")
	if err == nil {
		_, err = os.Stat(filepath.Join(verifierDir, "node_modules", "cbor2"))
	}
	if err != nil && os.Getenv("HOTLINE_VERIFIER_REQUIRED") != "" {
		t.Fatalf("%v: install node and run npm ci in hotline/testdata/verifier", err)
	}
	if err != nil {
		t.Skipf("%v: install node and run npm ci in hotline/testdata/verifier", err)
	}
	return node
}

// seen is what the other verifier says of an export.
type seen struct {
	exit         int
	Root         string            `json:"root"`
	Checked      map[string]uint64 `json:"checked"`
	Observations []Observation     `json:"observations"`
}

// first is the code of the first observation of class protocol, or "".
func first(list []Observation) Code {
	for _, o := range list {
		if o.Class == Protocol {
			return o.Code
		}
	}
	return ""
}

// lapsesOf lists the lapses as code@entry.
func lapsesOf(list []Observation) map[uint64]Code {
	m := map[uint64]Code{}
	for _, o := range list {
		if o.Class == Terms {
			m[o.Entry] = o.Code
		}
	}
	return m
}

func verified(t *testing.T, node, dir string, more ...string) *seen {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), node, append([]string{filepath.Join(verifierDir, "verify.mjs"), "export", dir, "--json"}, more...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	s := &seen{exit: cmd.ProcessState.ExitCode()}
	if s.exit != ExitUnusable {
		if err := json.Unmarshal(out, s); err != nil {
			t.Fatalf("%v\n%s\n%s", err, out, &stderr)
		}
		return s
	}
	if bytes.Contains(stderr.Bytes(), []byte("    at ")) || !bytes.HasPrefix(stderr.Bytes(), []byte("unusable: ")) {
		t.Errorf("the verifier broke down: %s", &stderr)
	}
	return s
}

// bothJudge holds both verifiers of one export against each other: exit code,
// root, lapses, and the first broken rule or proof.
func bothJudge(t *testing.T, node, dir string) *seen {
	t.Helper()
	theirs := verified(t, node, dir)
	r, err := Replay(context.Background(), []string{dir}, Options{TempDir: t.TempDir()})
	if err != nil {
		if !errors.Is(err, ErrUnusable) {
			t.Fatal(err)
		}
		if theirs.exit != ExitUnusable {
			t.Errorf("exit code %d for what cannot be judged: %v", theirs.exit, err)
		}
		return theirs
	}
	defer r.Close()
	if theirs.exit != r.ExitCode() {
		t.Errorf("exit code %d, the auditor %d\n%+v\n%+v", theirs.exit, r.ExitCode(), theirs.Observations, r.Observations)
	}
	if theirs.exit != ExitUnusable && theirs.Root != r.Logs[0].Root {
		t.Errorf("root %s, the auditor %s", theirs.Root, r.Logs[0].Root)
	}
	if got, want := first(theirs.Observations), first(r.Observations); got != want {
		t.Errorf("first %q, the auditor %q\n%+v\n%+v", got, want, theirs.Observations, r.Observations)
	}
	if got, want := lapsesOf(theirs.Observations), lapsesOf(r.Observations); len(got) != len(want) {
		t.Errorf("lapses %v, the auditor %v", got, want)
	}
	return theirs
}

// Two programs that share no code and no library see the same in an honest
// log: the same root, the same lapses, and every proof in it holds.
func TestTheOtherVerifierAgreesOnHonestExports(t *testing.T) {
	t.Parallel()
	node := verifier(t)
	w := late(t)
	for _, code := range []hotline.Party{"XA", "XB"} {
		full := w.at(code).export()
		s := bothJudge(t, node, full)
		for _, what := range []string{"documents", "statements", "signatures", "tenders", "receipts"} {
			if s.Checked[what] == 0 {
				t.Errorf("%s: no %s were checked: %v", code, what, s.Checked)
			}
		}
		for _, with := range []hotline.Party{"XA", "XB"} {
			if with != code {
				pair := pairOf(t, full, with)
				bothJudge(t, node, pair)
				bothJudge(t, node, caseExport(t, pair, w.at(code).cases()[0]))
			}
		}
		for _, id := range w.at(code).cases() {
			bothJudge(t, node, caseExport(t, full, id))
		}
	}
	_, st := short(t, "one")
	three := newWorld(t, terms(), "XA", "XB", "XC")
	a := three.at("XA")
	a.send(a.submit(a.Text(three.now, "XC", string(st.Header.From))), "XC")
	hidden := bothJudge(t, node, pairOf(t, a.export(), "XB"))
	if hidden.Checked["hidden leaves"] == 0 {
		t.Error("nothing was hidden from the third party")
	}
}

// The id of the convention that the caller names is the anchor: a whole log
// under another one proves nothing.
func TestTheOtherVerifierHoldsAnExportToTheConvention(t *testing.T) {
	t.Parallel()
	node := verifier(t)
	w, _ := short(t, "one")
	a := w.at("XA")
	dir := a.export()
	if s := verified(t, node, dir, "--convention", a.Convention.ID.String()); s.exit != ExitClean {
		t.Errorf("exit code %d: %+v", s.exit, s.Observations)
	}
	if s := verified(t, node, dir, "--convention", hotline.ID{1}.String()); s.exit != ExitUnusable {
		t.Errorf("exit code %d under another convention", s.exit)
	}
}

// A log of more entries than one tile holds is walked as well as a short one.
func TestTheOtherVerifierReadsEveryTile(t *testing.T) {
	t.Parallel()
	node := verifier(t)
	w := newWorld(t, terms(), "XA", "XB")
	a := w.at("XA")
	for range 300 {
		a.submit(a.Text(w.now, "XB", "one of many"))
	}
	dir := a.export()
	bothJudge(t, node, dir)
	for _, name := range []string{"tile/0/000", "tile/1/000.p/1", "tile/entries/000"} {
		damaged := copyDir(t, dir)
		flip(t, filepath.Join(damaged, name), 40)
		if s := bothJudge(t, node, damaged); s.exit != ExitUnusable {
			t.Errorf("%s: exit code %d", name, s.exit)
		}
	}
}

// flip changes one bit of a file.
func flip(t *testing.T, name string, at int) {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if at >= len(b) {
		at = len(b) - 1
	}
	b[at] ^= 1
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// What was damaged in the files of an export is refused by both.
func TestTheOtherVerifierRefusesDamagedFiles(t *testing.T) {
	t.Parallel()
	node := verifier(t)
	w, _ := short(t, "one")
	alert := w.alertTo("XA", []hotline.Party{"XB"}, []hotline.Party{"XB"})
	full := w.at("XA").export()
	pair, one := pairOf(t, full, "XB"), caseOf(t, full, alert)
	tile, err := filepath.Glob(filepath.Join(full, "tile", "entries", "000.p", "*"))
	if err != nil || len(tile) != 1 {
		t.Fatalf("%v %v", tile, err)
	}
	entries, err := filepath.Rel(full, tile[0])
	if err != nil {
		t.Fatal(err)
	}
	hashes := filepath.Join("tile", "0", "000.p", filepath.Base(entries))
	stranger := w.at("XB").checkpoint(w.at("XA").entries)
	write := func(name string, b []byte) func(string) error {
		return func(dir string) error { return os.WriteFile(filepath.Join(dir, name), b, 0o600) }
	}
	bit := func(name string, at int) func(string) error {
		return func(dir string) error { flip(t, filepath.Join(dir, name), at); return nil }
	}
	remove := func(name string) func(string) error {
		return func(dir string) error { return os.RemoveAll(filepath.Join(dir, name)) }
	}
	for _, d := range []struct {
		name   string
		of     string
		damage func(dir string) error
	}{
		{"a bit of an entry", full, bit(entries, 400)},
		{"the length of an entry", full, bit(entries, 1)},
		{"a bit of a hash tile", full, bit(hashes, 9)},
		{"no hash tile", full, remove(hashes)},
		{"no tiles", full, remove("tile")},
		{"a file too many", full, write("notes.txt", []byte("x"))},
		{"a tile too many", full, write("tile/0/001", make([]byte, 32))},
		{"no checkpoint", full, remove(FileCheckpoint)},
		{"another party's checkpoint", full, write(FileCheckpoint, stranger)},
		{"a bit of the checkpoint's root", full, bit(FileCheckpoint, 30)},
		{"a bit of the checkpoint's signature", full, bit(FileCheckpoint, 140)},
		{"no head", full, remove(FileHead)},
		{"a bit of the head", full, bit(FileHead, 20)},
		{"a head with a byte after it", full, func(dir string) error {
			b, err := os.ReadFile(filepath.Join(dir, FileHead))
			if err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(dir, FileHead), append(b, '\n'), 0o600)
		}},
		{"a bit of the bundle's header", pair, bit(FilePair, 12)},
		{"a bit of the last record", pair, bit(FilePair, 1<<30)},
		{"a bundle cut short", pair, func(dir string) error {
			name := filepath.Join(dir, FilePair)
			info, err := os.Stat(name)
			if err != nil {
				return err
			}
			return os.Truncate(name, info.Size()-5)
		}},
		{"no bundle", pair, remove(FilePair)},
		{"a bit of the header's case", one, bit(FileCase, 60)},
		{"a bit of the last record of a case", one, bit(FileCase, 1<<30)},
		{"a pair's bundle for a case", one, func(dir string) error {
			return os.Rename(filepath.Join(dir, FileCase), filepath.Join(dir, FilePair))
		}},
	} {
		t.Run(d.name, func(t *testing.T) {
			dir := copyDir(t, d.of)
			if err := d.damage(dir); err != nil {
				t.Fatal(err)
			}
			if s := bothJudge(t, node, dir); s.exit != ExitUnusable {
				t.Errorf("exit code %d", s.exit)
			}
		})
	}
}

// Cosignatures that came with an export are judged by both.
func TestTheOtherVerifierJudgesCosignatures(t *testing.T) {
	t.Parallel()
	node := verifier(t)
	w, _ := short(t, "one")
	a, b := w.at("XA"), w.at("XB")
	full := a.export()
	older := a.checkpoint(a.entries[:len(a.entries)-2])
	c, err := tlog.ParseCheckpoint(older, "hotline/XA/1", a.Log.Public())
	if err != nil {
		t.Fatal(err)
	}
	note := slices.Clone(older)
	for _, key := range []*keys.Private{b.Witness, b.WitnessPQ} {
		line, err := tlog.Cosign(c, tlog.WitnessName("XB"), uint64(w.now/1000), key)
		if err != nil {
			t.Fatal(err)
		}
		note = append(note, line...)
	}
	name := filepath.Join(full, FileCosigned)
	if err := os.WriteFile(name, note, 0o600); err != nil {
		t.Fatal(err)
	}
	if s := bothJudge(t, node, full); s.exit != ExitClean || s.Checked["cosignatures"] != 2 {
		t.Errorf("exit code %d, %v", s.exit, s.Checked)
	}
	bothJudge(t, node, pairOf(t, full, "XB"))
	flipped := slices.Clone(note)
	flipped[len(flipped)-100] ^= 1
	other := newWorld(t, terms(), "XA", "XB").at("XA")
	other.submit(other.Detection(other.w.now))
	for what, b := range map[string][]byte{
		"a bit of the last cosignature":   flipped,
		"a checkpoint of other leaves":    other.checkpoint(other.entries[:len(a.entries)-2]),
		"a checkpoint of another party":   b.checkpoint(a.entries[:3]),
		"a checkpoint of too many leaves": a.checkpoint(append(slices.Clone(a.entries), a.entries[1])),
	} {
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if s := bothJudge(t, node, full); s.exit != ExitUnusable {
			t.Errorf("%s: exit code %d", what, s.exit)
		}
	}
}

// What a party that signs its own tree anew forged within it is found by both,
// and called the same.
func TestTheOtherVerifierFindsForgeries(t *testing.T) {
	t.Parallel()
	node := verifier(t)
	w, _ := short(t, "one")
	a, b := w.at("XA"), w.at("XB")
	stranger := a.Key(keys.Ed25519, "stranger")
	unknown := a.Make(a.Header(hotline.KindText, w.now, hotlinetest.To("XB")), &hotline.Note{Text: "x"}, stranger)
	bad := slices.Clone(a.Text(w.now, "XB", "two").Raw)
	bad[len(bad)-1] ^= 1
	next := hotline.Sequence{To: "XB", N: 2}
	change := func(p *peer, kind hotline.EntryType, change func(any)) string {
		entries := slices.Clone(p.entries)
		i := last(t, entries, kind)
		entries[i] = reenter(t, entries[i], func(_ *hotline.Entry, c any) { change(c) })
		return p.exportOf(entries)
	}
	cut := slices.Clone(a.entries)
	cut[len(cut)-1] = append(slices.Clone(cut[len(cut)-1]), 0)
	lastBit := func(raw []byte) []byte { raw = slices.Clone(raw); raw[len(raw)-1] ^= 1; return raw }
	for _, f := range []struct {
		name string
		dir  string
		code Code
	}{
		{"unknown key", a.exportOf(a.forge(a.entries, unknown.Raw, next)), SignatureInvalid},
		{"bit of a signature", a.exportOf(a.forge(a.entries, bad, next)), SignatureInvalid},
		{"bytes after an entry", a.exportOf(cut), EntryMalformed},
		{"sequence left out", a.exportOf(a.forge(a.entries, a.Text(w.now, "XB", "2").Raw, hotline.Sequence{To: "XB", N: 3})), DecisionDiffers},
		{"tender", change(b, hotline.EntryReceived, func(c any) {
			r := c.(*hotline.Received)
			r.Tender = lastBit(r.Tender)
		}), TenderInvalid},
		{"receipt", change(a, hotline.EntryReceipted, func(c any) {
			r := c.(*hotline.Receipted)
			r.Receipt = lastBit(r.Receipt)
		}), ReceiptInvalid},
	} {
		t.Run(f.name, func(t *testing.T) {
			if s := bothJudge(t, node, f.dir); first(s.Observations) != f.code {
				t.Errorf("observed %+v, want %s", s.Observations, f.code)
			}
		})
	}
}

// Promise: a sender that signed another tree than the one that it shows, by the tender beside a receipt or in an anchor, is named
// with one code at one place by both; a tender that is not the receipted one makes the receipt invalid.
func TestTheOtherVerifierFindsForksInOneLog(t *testing.T) {
	t.Parallel()
	node := verifier(t)
	w, st := short(t, "one")
	a := w.at("XA")
	w.pass(minute)
	next := a.submit(a.Text(w.now, "XB", "two"))
	a.send(next, "XB")
	rewrite := func(entries [][]byte) [][]byte {
		entries = slices.Clone(entries)
		entries[1] = reenter(t, entries[1], func(e *hotline.Entry, _ any) { e.Salt[0] ^= 1 })
		return entries
	}
	tender := a.exportOf(rewrite(a.entries)) // of both statements: the lower place is told
	entries := slices.Clone(a.entries)
	i := last(t, entries, hotline.EntryReceipted)
	entries[i] = reenter(t, entries[i], func(_ *hotline.Entry, c any) {
		r := c.(*hotline.Receipted)
		r.Tender = slices.Clone(r.Tender)
		r.Tender[len(r.Tender)-1] ^= 1
	})
	unsigned := accomplice(t)
	three := newWorld(t, terms(), "XA", "XB", "XC")
	c := three.at("XA")
	size := uint64(len(c.entries))
	three.pass(second)
	c.anchored("XB", c.anchor("XB", "XC"))
	for _, f := range []struct {
		name, dir string
		code      Code
		at        uint64
	}{
		{"tender", tender, Fork, a.results[st.ID].Index},
		{"tender, pair export", pairOf(t, tender, "XB"), Fork, a.results[st.ID].Index},
		{"anchor", c.exportOf(rewrite(c.entries)), Fork, size - 1},
		{"tender that was not receipted", a.exportOf(entries), ReceiptInvalid, uint64(i)},
	} {
		t.Run(f.name, func(t *testing.T) {
			s := bothJudge(t, node, f.dir)
			if len(s.Observations) != 1 || s.Observations[0].Code != f.code || s.Observations[0].Entry != f.at || s.Observations[0].Party != "XA" {
				t.Errorf("observed %+v, want %s in entry %d alone", s.Observations, f.code, f.at)
			}
			if o := audited(t, f.dir).Observations[0]; o.Code != f.code || o.Entry != f.at {
				t.Errorf("the auditor observed %+v, want %s in entry %d", o, f.code, f.at)
			}
		})
	}
	if s := bothJudge(t, node, unsigned); s.exit != ExitClean { // nobody's signature contradicts this log
		t.Errorf("observed %+v", s.Observations)
	}
}

// So is a head of the own log that this log cannot have had.
func TestTheOtherVerifierFindsFalseHeads(t *testing.T) {
	t.Parallel()
	node := verifier(t)
	for what, beyond := range map[string]int{"another root": 0, "the entry itself": 1, "beyond the end": 1000} {
		w := newWorld(t, terms(), "XA", "XB")
		a, b := w.at("XA"), w.at("XB")
		st := a.submit(naming(a, uint64(len(b.entries)+beyond), tlog.Hash{1}))
		b.submit(b.Detection(w.now))
		a.deliver(st, "XB")
		s := bothJudge(t, node, b.export())
		if o := s.Observations; len(o) != 1 || o[0].Code != HeadNotInLog || o[0].Party != "XA" || o[0].Entry != a.results[st.ID].Index {
			t.Errorf("%s: observed %+v", what, o)
		}
	}
}

// So is the head at which another party closed its log, if a tender of that log says otherwise.
func TestTheOtherVerifierHoldsClosingsToWhatWasSigned(t *testing.T) {
	t.Parallel()
	node := verifier(t)
	for _, signed := range []bool{true, false} {
		w := newWorld(t, terms(), "XA", "XB")
		a, b := w.at("XA"), w.at("XB")
		a.deliver(a.submit(a.Text(w.now, "XB", "words")), "XB")
		root, want := rootOf(a.entries), Code("")
		if !signed {
			root, want = hotline.ID{1}, ClosedOtherwise
		}
		b.do(closes(a, len(a.entries), root))
		s := bothJudge(t, node, b.export())
		if first(s.Observations) != want || want != "" && (s.Observations[0].Party != "XA" || s.Observations[0].Entry != uint64(len(a.entries)-1)) {
			t.Errorf("observed %+v, want %q of XA", s.Observations, want)
		}
	}
}

// shifted signs like Ed25519, with a point of order 2 added to R: it verifies by the equation that is multiplied by the cofactor, and by no other.
func shifted(t *testing.T, seed [32]byte, msg []byte) []byte {
	t.Helper()
	scalar := func(parts ...[]byte) *edwards25519.Scalar {
		h := sha512.Sum512(bytes.Join(parts, nil))
		s, err := edwards25519.NewScalar().SetUniformBytes(h[:])
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	h := sha512.Sum512(seed[:])
	secret, err := edwards25519.NewScalar().SetBytesWithClamping(h[:32])
	if err != nil {
		t.Fatal(err)
	}
	minusOne := append(append([]byte{0xec}, bytes.Repeat([]byte{0xff}, 30)...), 0x7f) // y = -1
	two, err := new(edwards25519.Point).SetBytes(minusOne)
	if err != nil {
		t.Fatal(err)
	}
	nonce := scalar(h[32:], msg)
	point := new(edwards25519.Point).ScalarBaseMult(nonce)
	point.Add(point, two)
	k := scalar(point.Bytes(), new(edwards25519.Point).ScalarBaseMult(secret).Bytes(), msg)
	return append(point.Bytes(), edwards25519.NewScalar().MultiplyAdd(k, secret, nonce).Bytes()...)
}

// Promise: a signature is good for both verifiers or for neither: of the two equations of RFC 8032 there is one (SPEC §3.1).
func TestBothVerifiersKnowOneEquation(t *testing.T) {
	t.Parallel()
	node := verifier(t)
	a := prompt(t, "XA", "XB").at("XA")
	dir := a.export()
	note := mustRead(t, dir, FileCheckpoint)
	text, lines, err := tlog.SplitNote(note)
	if err != nil {
		t.Fatal(err)
	}
	line, err := base64.StdEncoding.DecodeString(lines[0].Base64)
	if err != nil {
		t.Fatal(err)
	}
	sig := shifted(t, a.Seed("log"), []byte(text))
	again := text + "\n\u2014 " + lines[0].Name + " " + base64.StdEncoding.EncodeToString(append(line[:4], sig...)) + "\n"
	if err := os.WriteFile(filepath.Join(dir, FileCheckpoint), []byte(again), 0o600); err != nil {
		t.Fatal(err)
	}
	if s := bothJudge(t, node, dir); s.exit != ExitUnusable {
		t.Errorf("exit code %d", s.exit)
	}
}
