package audit

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"example.org/hotline/hotline"
)

// Dossier is what a dossier amounts to.
type Dossier struct {
	Case       string `json:"case"` // PARTY/ID
	Convention string `json:"convention"`
	Exports    int    `json:"exports"`
	Entries    int    `json:"entries"`    // of the case, each with its proof
	Statements int    `json:"statements"` // of the case
	Disclosed  int    `json:"disclosed"`  // sealed bodies that are shown
	Sealed     int    `json:"sealed"`     // sealed bodies that are not
	Exit       int    `json:"exit"`       // as Report.ExitCode of what the dossier holds
}

// The parts of a dossier (SPEC §7.12).
const (
	FileManifest = "MANIFEST"
	dirExports   = "exports"
	dirBodies    = "bodies"
	dirForks     = "forks"
)

// WriteDossier makes the dossier of a case in the directory out, which must not
// exist yet, from full, pair or case exports and files of disclosed bodies (SPEC
// §7.12). It appears whole or not at all. Options.Proofs is not used: forks are
// part of it. An error wraps ErrUnusable if the input cannot be judged, or if a
// disclosed body is of no statement of the case.
func WriteDossier(ctx context.Context, out string, id hotline.CaseID, dirs, disclosed []string, opt Options) (*Dossier, error) {
	d := &dossier{id: id, opt: opt, disclosed: map[hotline.ID]*Disclosure{}, sum: Dossier{Case: id.Key()}}
	defer d.close()
	err := whole("dossier", out, func(tmp string) error {
		d.dir = tmp
		return d.fill(ctx, dirs, disclosed)
	})
	if err != nil {
		return nil, err
	}
	return &d.sum, nil
}

// dossier is a folder that is being filled.
type dossier struct {
	dir        string
	id         hotline.CaseID
	opt        Options
	names      []string // of the exports: PARTY-GENERATION
	exports    []*export
	report     *Report
	statements []*hotline.Statement // of the case, each once, in the order of exports and entries
	disclosed  map[hotline.ID]*Disclosure
	sum        Dossier
}

func (d *dossier) fill(ctx context.Context, dirs, disclosed []string) error {
	if err := d.derive(dirs); err != nil {
		return err
	}
	var paths []string
	for _, name := range d.names {
		paths = append(paths, filepath.Join(d.dir, dirExports, name))
		x, err := openExport(paths[len(paths)-1])
		if err != nil {
			return err
		}
		d.exports = append(d.exports, x)
	}
	opt := d.opt
	opt.Proofs = filepath.Join(d.dir, dirForks)
	var err error
	if d.report, err = Replay(ctx, paths, opt); err != nil {
		return err
	}
	d.sum.Convention, d.sum.Exports, d.sum.Exit = d.report.Convention, len(d.names), d.report.ExitCode()
	if err := os.Remove(opt.Proofs); err != nil && !errors.Is(err, fs.ErrNotExist) && d.forks() == 0 {
		return err
	}
	for _, step := range []func() error{d.collect, func() error { return d.disclose(disclosed) }, d.bodies, d.texts, d.proofs, d.readme, d.manifest} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// forks counts the forks that a file proves.
func (d *dossier) forks() (n int) {
	for i := range d.report.Observations {
		if d.report.Observations[i].Proof != "" {
			n++
		}
	}
	return n
}

// derived is a case export that was made of one that was given.
type derived struct {
	dir  string // below the dossier, for the time being
	head Head
	hash [sha256.Size]byte // over all files
}

// derive makes the case exports, and gives them their places.
func (d *dossier) derive(dirs []string) error {
	if len(dirs) == 0 || len(dirs) > MaxLogs {
		return fmt.Errorf("%w: %d exports given, 1 to %d are possible", ErrUnusable, len(dirs), MaxLogs)
	}
	base := filepath.Join(d.dir, dirExports)
	if err := os.Mkdir(base, 0o700); err != nil {
		return err
	}
	var list []derived
	for i, dir := range dirs {
		to := filepath.Join(base, fmt.Sprintf("made-%d", i))
		if err := writeCase(dir, to, d.id, false); err != nil {
			return err
		}
		made, err := derivedIn(to)
		if err != nil {
			return err
		}
		list = append(list, made)
	}
	slices.SortFunc(list, func(a, b derived) int {
		x, y := &a.head, &b.head
		return cmp.Or(cmp.Compare(x.Party, y.Party), cmp.Compare(x.Generation, y.Generation), cmp.Compare(x.With, y.With),
			cmp.Compare(x.Size, y.Size), bytes.Compare(a.hash[:], b.hash[:]))
	})
	count := map[string]int{}
	for i, made := range list {
		if i > 0 && made.hash == list[i-1].hash {
			if err := os.RemoveAll(made.dir); err != nil {
				return err
			}
			continue
		}
		name := fmt.Sprintf("%s-%d", made.head.Party, made.head.Generation)
		if count[name]++; count[name] > 1 {
			name = fmt.Sprintf("%s-%d", name, count[name])
		}
		if err := os.Rename(made.dir, filepath.Join(base, name)); err != nil {
			return err
		}
		d.names = append(d.names, name)
	}
	return nil
}

func derivedIn(dir string) (made derived, err error) {
	x, err := openExport(dir)
	if err != nil {
		return made, err
	}
	defer x.close()
	h := sha256.New()
	for _, name := range []string{FileHead, FileCheckpoint, FileCosigned, FileCase} {
		fmt.Fprintf(h, "%s\n", name)
		f, err := x.root.Open(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return made, err
		}
		_, err = io.Copy(h, f)
		if err := errors.Join(err, f.Close()); err != nil {
			return made, err
		}
	}
	return derived{dir, x.head, [sha256.Size]byte(h.Sum(nil))}, nil
}

// collect finds the statements of the case.
func (d *dossier) collect() error {
	seen := map[hotline.ID]bool{}
	for _, x := range d.exports {
		err := x.src.each(func(l leaf) error {
			if l.raw == nil {
				return nil
			}
			e, content, err := hotline.DecodeEntry(l.raw)
			if err != nil || e.Scope.Class == hotline.ScopeCommon {
				return nil // what cannot be read is observed
			}
			if st := statementOf(content); st != nil && !seen[st.ID] {
				seen[st.ID] = true
				d.statements = append(d.statements, st)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	d.sum.Statements = len(d.statements)
	return nil
}

// disclose takes the disclosed bodies of statements of the case.
func (d *dossier) disclose(files []string) error {
	for _, name := range files {
		given, st, _, err := readDisclosure(name)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(d.statements, func(x *hotline.Statement) bool { return x.ID == st.ID })
		if i < 0 {
			return unusable(name, "", "statement %s is none of case %s by these exports", st.ID.Short(), d.id)
		}
		given.Statement = d.statements[i].Raw // as it was logged: the id leaves the signatures out
		d.disclosed[st.ID] = given
	}
	return nil
}

// bodies writes what was disclosed, and what is open.
func (d *dossier) bodies() error {
	for _, st := range d.statements {
		says, err := st.OpenBody()
		if st.Header.Kind.Rules().Sealed {
			given := d.disclosed[st.ID]
			if given == nil {
				d.sum.Sealed++
				continue
			}
			d.sum.Disclosed++
			if err := writeFile(d.dir, path.Join(dirBodies, st.ID.String()+".json"), given.Encode()); err != nil {
				return err
			}
			says, err = st.Disclose([32]byte(given.Blind), given.Body)
		}
		if err != nil {
			return fmt.Errorf("%w: the body of statement %s: %w", ErrUnusable, st.ID.Short(), err)
		}
		text, err := json.MarshalIndent(says, "", "  ")
		if err != nil {
			return err
		}
		if err := writeFile(d.dir, path.Join(dirBodies, st.ID.String()+".txt"), append(text, '\n')); err != nil {
			return err
		}
	}
	return nil
}

// files lists the regular files below a directory by their paths, sorted, but for
// the manifest. Anything else is refused.
func files(root *os.Root) (list []string, err error) {
	err = fs.WalkDir(root.FS(), ".", func(name string, e fs.DirEntry, err error) error {
		switch {
		case err != nil || e.IsDir():
			return err
		case !e.Type().IsRegular():
			return fmt.Errorf("%s is not a regular file", name)
		case name != FileManifest:
			list = append(list, name)
		}
		return nil
	})
	slices.Sort(list)
	return list, err
}

// manifestOf makes the manifest of what lies below a directory.
func manifestOf(root *os.Root) ([]byte, error) {
	list, err := files(root)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	for _, name := range list {
		f, err := root.Open(name)
		if err != nil {
			return nil, err
		}
		h := sha256.New()
		_, err = io.Copy(h, f)
		if err := errors.Join(err, f.Close()); err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, "%s  %s\n", hex.EncodeToString(h.Sum(nil)), name)
	}
	return b.Bytes(), nil
}

func (d *dossier) manifest() error {
	root, err := os.OpenRoot(d.dir)
	if err != nil {
		return err
	}
	defer root.Close()
	b, err := manifestOf(root)
	if err != nil {
		return err
	}
	return writeFile(d.dir, FileManifest, b)
}

func (d *dossier) close() {
	for _, x := range d.exports {
		x.close()
	}
	if d.report != nil {
		_ = d.report.Close() // temporary files, of which nothing is lost
	}
}

// maxManifest bounds the manifest of a dossier that is checked, in bytes.
const maxManifest = 64 << 20

// CheckDossier verifies the dossier in dir (SPEC §7.12): that it holds exactly the
// files of its manifest, unchanged, and that these are the dossier which its own
// exports and disclosed bodies make. An error wraps ErrUnusable and names the
// first file that is not what it must be.
func CheckDossier(ctx context.Context, dir string, opt Options) (sum *Dossier, err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, unusable(dir, "", "%v", err)
	}
	defer root.Close()
	x := &export{dir: dir, root: root} // its way of reading a file that may be hostile
	said, err := x.read(FileManifest, maxManifest)
	if err != nil {
		return nil, err
	}
	found, err := manifestOf(root)
	if err != nil {
		return nil, unusable(dir, FileManifest, "%v", err)
	}
	if name := firstOther(string(said), string(found)); name != "" {
		return nil, unusable(dir, name, "is not what %s says: it was changed, added or removed", FileManifest)
	}
	id, exports, bodies, err := inputsOf(dir, root)
	if err != nil {
		return nil, err
	}
	tmp, err := os.MkdirTemp(opt.TempDir, "hotline-dossier-")
	if err != nil {
		return nil, fmt.Errorf("temporary directory: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(tmp)) }()
	again := filepath.Join(tmp, "dossier")
	if sum, err = WriteDossier(ctx, again, id, exports, bodies, opt); err != nil {
		return nil, err
	}
	made, err := os.ReadFile(filepath.Join(again, FileManifest))
	if err != nil {
		return nil, err
	}
	if name := firstOther(string(said), string(made)); name != "" {
		return nil, unusable(dir, name, "is not what the exports and bodies of this dossier make: it was written by other means, or by another version of this program")
	}
	return sum, nil
}

// inputsOf names what a dossier is made of again.
func inputsOf(dir string, root *os.Root) (id hotline.CaseID, exports, bodies []string, err error) {
	list, err := fs.ReadDir(root.FS(), dirExports)
	if err != nil || len(list) == 0 || len(list) > MaxLogs {
		return id, nil, nil, unusable(dir, dirExports, "holds no exports, or more than %d", MaxLogs)
	}
	for _, e := range list {
		exports = append(exports, filepath.Join(dir, dirExports, e.Name()))
	}
	x, err := openExport(exports[0])
	if err != nil {
		return id, nil, nil, err
	}
	defer x.close()
	if id, err = parseCase(x.head.Case); err != nil {
		return id, nil, nil, unusable(x.dir, FileHead, "a dossier holds case exports alone")
	}
	given, err := fs.Glob(root.FS(), dirBodies+"/*.json")
	for _, name := range given {
		bodies = append(bodies, filepath.Join(dir, filepath.FromSlash(name)))
	}
	return id, exports, bodies, err
}

// firstOther names the first file of which two manifests say different things; ""
// if they are the same.
func firstOther(a, b string) string {
	x, y := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range max(len(x), len(y)) {
		if i < len(x) && i < len(y) && x[i] == y[i] {
			continue
		}
		names := []string{fileOf(x, i), fileOf(y, i)}
		slices.Sort(names)
		return cmp.Or(names[0], names[1], FileManifest)
	}
	return ""
}

// fileOf is the file that a line of a manifest is about; "": there is none.
func fileOf(lines []string, i int) string {
	if i >= len(lines) || len(lines[i]) < 2*sha256.Size+3 {
		return ""
	}
	return lines[i][2*sha256.Size+2:]
}
