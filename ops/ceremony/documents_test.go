package ceremony

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"example.org/hotline/crypto/keys"
	"example.org/hotline/hotline"
	"example.org/hotline/hotline/hotlinetest"
)

// world is two parties with a convention.
type world struct {
	a, b *hotlinetest.Party
	v1   *hotline.SignedConvention
}

func newWorld() *world {
	w := &world{a: hotlinetest.NewParty("XA", "ceremony"), b: hotlinetest.NewParty("XB", "ceremony")}
	w.v1 = hotlinetest.Convention(hotlinetest.Terms("crisis"), w.a, w.b)
	return w
}

// folder writes documents under the given names.
func folder(t *testing.T, files map[string][]byte) string {
	t.Helper()
	dir := t.TempDir()
	for name, raw := range files {
		if err := os.WriteFile(filepath.Join(dir, name), raw, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// amend makes version 2, changed by change, signed by both.
func (w *world) amend(change func(*hotline.Convention)) *hotline.SignedConvention {
	c := w.v1.Convention
	c.Parties = slices.Clone(c.Parties)
	c.Version, c.Previous, c.ValidFrom = 2, w.v1.Hash, c.ValidFrom+1
	change(&c)
	return hotlinetest.Amend(w.v1, &c, w.a, w.b)
}

// TestWhoIsToLeaveSignsPages: until a version without it comes into force a party can still revoke a key.
func TestWhoIsToLeaveSignsPages(t *testing.T) {
	w := newWorld()
	c := hotlinetest.NewParty("XC", "ceremony")
	w.v1 = hotlinetest.Convention(hotlinetest.Terms("crisis"), w.a, w.b, c)
	v2 := w.amend(func(v *hotline.Convention) {
		v.Parties = slices.DeleteFunc(v.Parties, func(m hotline.Member) bool { return m.Party == "XC" })
	})
	d := new(Documents)
	for _, raw := range [][]byte{w.v1.Raw, c.Directory(1).Raw, v2.Raw} {
		if err := d.Add(raw); err != nil {
			t.Fatal(err)
		}
	}
	page, err := SignDirectory(c.Page(2), d, c.Root)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Add(page.Raw); err != nil || d.Directory("XC").Number != 2 {
		t.Errorf("its page is refused: %v", err)
	}
}

// TestLoadDocumentsVerifiesTheChain: names of files mean nothing, other files are left alone, a copy counts once, and the result
// is in the order in which a ledger takes documents.
func TestLoadDocumentsVerifiesTheChain(t *testing.T) {
	w := newWorld()
	a1, a2, b1 := w.a.Directory(1), w.a.Directory(2), w.b.Directory(1)
	v2 := w.amend(func(c *hotline.Convention) { c.Name = "Second" })
	dir := folder(t, map[string][]byte{"z.cbor": w.v1.Raw, "a.cbor": v2.Raw, "copy.cbor": w.v1.Raw, "q.cbor": a2.Raw, "r.cbor": a1.Raw,
		"s.cbor": b1.Raw, "notes.txt": []byte("nothing"), "draft.toml": nil})
	d, err := LoadDocuments(dir, w.v1.ID)
	if err != nil {
		t.Fatal(err)
	}
	if d.Convention().Name != "Second" || d.Directory("XA").Number != 2 || len(d.Directories["XA"]) != 2 || d.Directory("XC") != nil {
		t.Errorf("loaded %+v", d)
	}
	again := new(Documents)
	if err := again.Pin(w.v1.ID); err != nil {
		t.Fatal(err)
	}
	for i, raw := range d.Raw() {
		if err := again.Add(raw); err != nil {
			t.Errorf("document %d of Raw is refused: %v", i, err)
		}
	}
	if len(again.Raw()) != 5 || !slices.Equal(again.Parties(), []hotline.Party{"XA", "XB"}) {
		t.Errorf("%d documents of %v, want 5 of both", len(again.Raw()), again.Parties())
	}
}

// TestLoadDocumentsNamesTheBadFile: one bad file spoils the whole, with its name and the code of the rule.
func TestLoadDocumentsNamesTheBadFile(t *testing.T) {
	w := newWorld()
	a1, b1 := w.a.Directory(1), w.b.Directory(1)
	other := newWorld()
	other.v1 = hotlinetest.Convention(hotlinetest.Terms("standard"), other.a, other.b)
	stolen := w.b.Page(1)
	stolen.Officers[0].Key = w.a.Officers["XA-L1"].Public()
	copied := w.b.SignDirectory(stolen)
	w.b.Hold(w.a.Officers["XA-L1"]) // from here on the private key is stolen too
	back := w.a.Page(3)
	back.Log = w.b.Log.Public()
	w.a.Hold(w.b.Log)
	forged := slices.Clone(a1.Raw)
	forged[len(forged)-1] ^= 1
	cases := map[string]struct {
		files map[string][]byte
		pin   hotline.ID
		code  hotline.Code
		text  string
	}{
		"empty":           {nil, hotline.ID{}, hotline.CodeNeed, "no convention"},
		"no convention":   {map[string][]byte{"bad.cbor": a1.Raw}, hotline.ID{}, hotline.CodeNeed, "bad.cbor: need: it was signed under version 1"},
		"gap":             {map[string][]byte{"bad.cbor": newWorld().amend(func(*hotline.Convention) {}).Raw}, hotline.ID{}, hotline.CodeNeed, "bad.cbor"},
		"two conventions": {map[string][]byte{"a.cbor": w.v1.Raw, "b.cbor": other.v1.Raw}, hotline.ID{}, hotline.CodeConvention, ".cbor"},
		"another pinned":  {map[string][]byte{"bad.cbor": w.v1.Raw}, hotline.ID{1}, hotline.CodeConvention, "bad.cbor"},
		"not cbor":        {map[string][]byte{"a.cbor": w.v1.Raw, "bad.cbor": []byte("x")}, hotline.ID{}, hotline.CodeMalformed, "bad.cbor"},
		"too large":       {map[string][]byte{"bad.cbor": make([]byte, hotline.MaxDocument+1)}, hotline.ID{}, hotline.CodeTooLarge, "bad.cbor"},
		"not a document": {map[string][]byte{"a.cbor": w.v1.Raw, "bad.cbor": w.a.Text(hotlinetest.Epoch+9, "XB", "hello").Raw}, hotline.ID{},
			hotline.CodeDocument, "bad.cbor"},
		"forged": {map[string][]byte{"a.cbor": w.v1.Raw, "bad.cbor": forged}, hotline.ID{}, hotline.CodeBadSignature, "bad.cbor"},
		"same number": {map[string][]byte{"a.cbor": w.v1.Raw, "b.cbor": a1.Raw, "c.cbor": w.a.SignDirectory(changed(w.a.Page(1)))}, hotline.ID{},
			hotline.CodeOldNumber, "directory 1 of XA, but there is a 1 already"},
		"another party's key, copied": {map[string][]byte{"a.cbor": w.v1.Raw, "bad.cbor": copied}, hotline.ID{}, hotline.CodeBadSignature,
			"bad.cbor: bad-signature: officer XB-A1: the key does not prove that XB holds it"},
		"another party's key": {map[string][]byte{"a.cbor": w.v1.Raw, "b.cbor": a1.Raw, "bad.cbor": w.b.SignDirectory(stolen)}, hotline.ID{},
			hotline.CodeDocument, "bad.cbor: document: one key stands twice: the officer XB-A1 of XB is also the officer XA-L1 of XA"},
		"another party's log": {map[string][]byte{"a.cbor": w.v1.Raw, "b.cbor": w.a.SignDirectory(back), "bad.cbor": b1.Raw}, hotline.ID{},
			hotline.CodeDocument, "log key of XB is also the log key of XA"},
		"generation goes back": {map[string][]byte{"a.cbor": w.v1.Raw, "b.cbor": w.a.SignDirectory(generation(w.a.Page(1), 2)), "bad.cbor": w.a.Directory(2).Raw},
			hotline.ID{}, hotline.CodeOldNumber, "bad.cbor: old-number: the generation"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := LoadDocuments(folder(t, tc.files), tc.pin)
			if hotline.CodeOf(err) != tc.code || !strings.Contains(err.Error(), tc.text) {
				t.Errorf("want %s with %q, got %v", tc.code, tc.text, err)
			}
		})
	}
}

func changed(d *hotline.Directory) *hotline.Directory {
	d.UTCOffset = 3600 * 1000
	return d
}

func generation(d *hotline.Directory, n uint64) *hotline.Directory {
	d.Generation, d.Closed = n, &hotline.ClosedLog{Size: 1}
	return d
}

// TestReplacedRootKeyDoesNotComeBack: a page signed by the old root key stays good after an amendment replaced that key, but once
// the new key has signed one, the old one signs no later number.
func TestReplacedRootKeyDoesNotComeBack(t *testing.T) {
	w := newWorld()
	a1, stale := w.a.Directory(1), w.a.SignDirectory(w.a.Page(3))
	old := *w.a
	w.a.Root = w.a.Key(keys.Ed25519, "root 2")
	c := w.v1.Convention
	c.Parties = slices.Clone(c.Parties)
	c.Version, c.Previous, c.Parties[0].Root = 2, w.v1.Hash, w.a.Root.Public()
	v2 := hotlinetest.Amend(w.v1, &c, w.b, w.a, &old)
	w.a.Convention = v2
	d := new(Documents)
	for _, raw := range [][]byte{w.v1.Raw, v2.Raw, a1.Raw, w.a.Directory(2).Raw} {
		if err := d.Add(raw); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Add(stale); hotline.CodeOf(err) != hotline.CodeOldNumber {
		t.Errorf("a page of the replaced root key is answered with %v", err)
	}
	if got := d.Directory("XA").Number; got != 2 {
		t.Errorf("after the refusal number %d is in force", got)
	}
}

// TestDocumentsAreNeverReplaced: a document is named by what it is, the same bytes may be written again, other bytes may not.
func TestDocumentsAreNeverReplaced(t *testing.T) {
	w := newWorld()
	name, err := DocumentName(w.a.Directory(7).Raw)
	if err != nil || name != "directory-XA-7.cbor" {
		t.Errorf("name %q: %v", name, err)
	}
	path := filepath.Join(t.TempDir(), "convention-1.cbor")
	for range 2 {
		if err := WriteDocument(path, w.v1.Raw); err != nil {
			t.Fatal(err)
		}
	}
	if err := WriteDocument(path, []byte("other")); !errors.Is(err, fs.ErrExist) {
		t.Errorf("other bytes are answered with %v", err)
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != string(w.v1.Raw) {
		t.Errorf("the document was changed (%v)", err)
	}
}
