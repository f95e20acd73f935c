package ceremony

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"example.org/hotline/crypto/keys"
	"example.org/hotline/hotline"
)

// MaxDocumentFiles bounds the *.cbor files of one directory of documents: every party's DirectoryMemory newest pages are far
// below it for any network that a person keeps by hand.
const MaxDocumentFiles = 16384

// DocumentExt is the ending of the name of every file that LoadDocuments reads.
const DocumentExt = ".cbor"

// Documents are the verified convention versions and directories that somebody holds. The zero value holds none and pins nothing.
type Documents struct {
	Conventions []*hotline.SignedConvention                  // by version, from 1, without gaps
	Directories map[hotline.Party][]*hotline.SignedDirectory // by number, rising

	pin   hotline.ID
	keyof map[keys.ID]hotline.KeyUse
	last  map[hotline.Party]uint64 // convention version under which the newest page of a party was signed
}

// LoadDocuments reads every file *.cbor in dir (no other file, and nothing below it), each one convention version or one
// directory, and verifies them as a chain: conventions by version, then directories by party and number. The same document in two
// files counts once. A pin that is not zero is the id that the convention must have.
//
// A directory without a convention, a gap, and every file that is not what it should be, is an error that begins with the name of
// the file; then nothing is returned, since a part of the documents is not what their owner meant.
func LoadDocuments(dir string, pin hotline.ID) (*Documents, error) {
	found, err := readDocuments(dir)
	if err != nil {
		return nil, err
	}
	d, err := verifyAll(found, pin)
	if err != nil {
		return nil, err
	}
	if len(d.Conventions) == 0 {
		return nil, hotline.Refuse(hotline.CodeNeed, "there is no convention in %s", dir)
	}
	return d, nil
}

// documentFile is one file, parsed but not verified.
type documentFile struct {
	path   string
	st     *hotline.Statement
	rank   int // conventions before directories
	party  hotline.Party
	number uint64
}

func readDocuments(dir string) ([]documentFile, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("documents: %w", err)
	}
	var found []documentFile
	for _, e := range entries {
		if filepath.Ext(e.Name()) != DocumentExt {
			continue
		}
		if len(found) == MaxDocumentFiles {
			return nil, hotline.Refuse(hotline.CodeTooLarge, "%s holds more than %d documents", dir, MaxDocumentFiles)
		}
		f, err := readDocument(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		found = append(found, f)
	}
	return found, nil
}

// readDocument reads one file; its error begins with the path.
func readDocument(path string) (documentFile, error) {
	raw, err := ReadFile(path, hotline.MaxDocument)
	if err != nil {
		return documentFile{}, err
	}
	st, err := hotline.Parse(raw)
	if err != nil {
		return documentFile{}, fmt.Errorf("%s: %w", path, err)
	}
	f := documentFile{path: path, st: st}
	switch st.Header.Kind {
	case hotline.KindConvention:
		f.number = st.Header.ConventionVersion
	case hotline.KindDirectory:
		f.rank, f.party, f.number = 1, st.Header.From, st.Header.Directory
	default:
		return f, fmt.Errorf("%s: %w", path, hotline.Refuse(hotline.CodeDocument, "this is a %s, neither a convention nor a directory", st.Header.Kind))
	}
	return f, nil
}

// ReadFile reads a regular file of at most max bytes. Every error names the path.
func ReadFile(path string, max int) ([]byte, error) {
	info, err := os.Stat(path) // before opening: a pipe would hold the reader up
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: not a regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, int64(max)+1))
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(data) > max {
		return nil, fmt.Errorf("%s: %w", path, hotline.Refuse(hotline.CodeTooLarge, "larger than %d bytes", max))
	}
	return data, nil
}

// Pin makes Add refuse every convention but the one with this id. It is for Documents that are filled by Add.
func (d *Documents) Pin(id hotline.ID) error {
	if len(d.Conventions) > 0 && d.Conventions[0].ID != id {
		return hotline.Refuse(hotline.CodeConvention, "the convention here is %s, not %s", d.Conventions[0].ID, id)
	}
	d.pin = id
	return nil
}

// Add verifies one more document against those that are there and takes it: the next convention version, or the next page of a
// party. When it refuses, nothing has changed.
func (d *Documents) Add(raw []byte) error {
	st, err := hotline.Parse(raw)
	if err != nil {
		return err
	}
	return d.add(st)
}

func (d *Documents) add(st *hotline.Statement) error {
	switch st.Header.Kind {
	case hotline.KindConvention:
		return d.addConvention(st)
	case hotline.KindDirectory:
		return d.addDirectory(st)
	}
	return hotline.Refuse(hotline.CodeDocument, "this is a %s, neither a convention nor a directory", st.Header.Kind)
}

func (d *Documents) addConvention(st *hotline.Statement) error {
	if len(d.Conventions) > 0 && st.Header.ConventionVersion == 1 && sha256.Sum256(st.Payload) != d.Conventions[0].ID {
		return hotline.Refuse(hotline.CodeConvention, "this is version 1 of another convention than %s, which is here too", d.Conventions[0].ID)
	}
	c, err := hotline.ParseConvention(st.Raw, d.Convention())
	if err != nil {
		return err
	}
	if !d.pin.IsZero() && c.ID != d.pin {
		return hotline.Refuse(hotline.CodeConvention, "the convention is %s, but %s is pinned", c.ID, d.pin)
	}
	uses := map[keys.ID]hotline.KeyUse{}
	for _, m := range c.Parties {
		uses[m.Root.ID()] = hotline.KeyUse{Party: m.Party, Place: "root key"}
	}
	if err := d.claim(uses); err != nil {
		return err
	}
	d.Conventions = append(d.Conventions, c)
	return nil
}

// addDirectory verifies a page under the convention version that its header names: a page stays good when an amendment changes
// the root key that signed it. Later pages of the party must then name that version or a newer one, so that a root key that was
// replaced cannot come back once its successor has signed.
func (d *Documents) addDirectory(st *hotline.Statement) error {
	version := st.Header.ConventionVersion
	if version == 0 || version > uint64(len(d.Conventions)) {
		return hotline.Refuse(hotline.CodeNeed, "it was signed under version %d of the convention, which is not here", version)
	}
	page, err := hotline.ParseDirectory(st.Raw, d.Conventions[version-1])
	if err != nil {
		return err
	}
	p := page.Party
	if before := d.Directory(p); before != nil {
		switch {
		case page.Number <= before.Number:
			return hotline.Refuse(hotline.CodeOldNumber, "directory %d of %s, but there is a %d already", page.Number, p, before.Number)
		case page.Generation < before.Generation:
			return hotline.Refuse(hotline.CodeOldNumber, "the generation of the log of %s goes back from %d to %d", p, before.Generation, page.Generation)
		case version < d.last[p]:
			return hotline.Refuse(hotline.CodeOldNumber, "directory %d of %s is signed under version %d of the convention, the one before it under %d",
				page.Number, p, version, d.last[p])
		}
	}
	uses := map[keys.ID]hotline.KeyUse{}
	for id, places := range page.Uses() {
		uses[id] = places[0]
	}
	if err := d.claim(uses); err != nil {
		return err
	}
	if d.Directories == nil {
		d.Directories, d.last = map[hotline.Party][]*hotline.SignedDirectory{}, map[hotline.Party]uint64{}
	}
	d.Directories[p], d.last[p] = append(d.Directories[p], page), version
	return nil
}

// clone copies what Add changes.
func (d *Documents) clone() *Documents {
	c := *d
	c.Conventions = slices.Clone(d.Conventions)
	c.Directories, c.last, c.keyof = maps.Clone(d.Directories), maps.Clone(d.last), maps.Clone(d.keyof)
	for p, list := range c.Directories {
		c.Directories[p] = slices.Clone(list)
	}
	return &c
}

// LoadChain verifies documents by their paths: each a file, or a directory that LoadDocuments reads. Their order means nothing.
func LoadChain(paths []string, pin hotline.ID) (*Documents, error) {
	var found []documentFile
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		if info.IsDir() {
			below, err := readDocuments(path)
			if err != nil {
				return nil, err
			}
			found = append(found, below...)
			continue
		}
		f, err := readDocument(path)
		if err != nil {
			return nil, err
		}
		found = append(found, f)
	}
	return verifyAll(found, pin)
}

// verifyAll takes the files in the order that a chain needs.
func verifyAll(found []documentFile, pin hotline.ID) (*Documents, error) {
	slices.SortFunc(found, func(a, b documentFile) int {
		return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(a.party, b.party), cmp.Compare(a.number, b.number),
			bytes.Compare(a.st.Raw, b.st.Raw), cmp.Compare(a.path, b.path))
	})
	d := &Documents{pin: pin}
	for i, f := range found {
		if i > 0 && bytes.Equal(found[i-1].st.Raw, f.st.Raw) {
			continue
		}
		if err := d.add(f.st); err != nil {
			return nil, fmt.Errorf("%s: %w", f.path, err)
		}
	}
	return d, nil
}

// claim holds SPEC §5.3 rule 3 over all documents: a key has one owner and one place, for ever.
func (d *Documents) claim(uses map[keys.ID]hotline.KeyUse) error {
	var clashes []string
	for id, use := range uses {
		if other, ok := d.keyof[id]; ok && other != use {
			clashes = append(clashes, fmt.Sprintf("the %s of %s is also the %s of %s", use.Place, use.Party, other.Place, other.Party))
		}
	}
	if len(clashes) > 0 {
		slices.Sort(clashes)
		return hotline.Refuse(hotline.CodeDocument, "one key stands twice: %s", clashes[0])
	}
	if d.keyof == nil {
		d.keyof = map[keys.ID]hotline.KeyUse{}
	}
	for id, use := range uses {
		d.keyof[id] = use
	}
	return nil
}

// Convention returns the newest version, or nil.
func (d *Documents) Convention() *hotline.SignedConvention {
	if len(d.Conventions) == 0 {
		return nil
	}
	return d.Conventions[len(d.Conventions)-1]
}

// Directory returns the newest page of p, or nil.
func (d *Documents) Directory(p hotline.Party) *hotline.SignedDirectory {
	list := d.Directories[p]
	if len(list) == 0 {
		return nil
	}
	return list[len(list)-1]
}

// Parties lists the parties that have a page, sorted.
func (d *Documents) Parties() []hotline.Party {
	var list []hotline.Party
	for p := range d.Directories {
		list = append(list, p)
	}
	slices.Sort(list)
	return list
}

// Raw returns every document in the order in which Add takes them: conventions by version, then directories by party and number.
func (d *Documents) Raw() [][]byte {
	var list [][]byte
	for _, c := range d.Conventions {
		list = append(list, c.Raw)
	}
	for _, p := range d.Parties() {
		for _, page := range d.Directories[p] {
			list = append(list, page.Raw)
		}
	}
	return list
}

// DocumentName is the file name under which a document is kept: convention-1.cbor, directory-XA-3.cbor.
func DocumentName(raw []byte) (string, error) {
	st, err := hotline.Parse(raw)
	if err != nil {
		return "", err
	}
	switch h := st.Header; h.Kind {
	case hotline.KindConvention:
		return fmt.Sprintf("convention-%d%s", h.ConventionVersion, DocumentExt), nil
	case hotline.KindDirectory:
		return fmt.Sprintf("directory-%s-%d%s", h.From, h.Directory, DocumentExt), nil
	default:
		return "", hotline.Refuse(hotline.CodeDocument, "this is a %s, neither a convention nor a directory", h.Kind)
	}
}

// WriteDocument writes a signed document to path, mode 0644, synced. The same bytes may stand there already; anything else is
// never replaced: an error that satisfies errors.Is(err, fs.ErrExist).
func WriteDocument(path string, raw []byte) error {
	if old, err := ReadFile(path, hotline.MaxDocument); err == nil && bytes.Equal(old, raw) {
		return nil
	}
	return keys.Create(path, raw, 0o644)
}
