package audit

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"example.org/hotline/crypto/tlog"
	"example.org/hotline/hotline"
	"example.org/hotline/hotline/ledger"
)

// Names and bounds of the files of an export.
const (
	FileHead       = "export.json"
	FileCheckpoint = "checkpoint"
	FileCosigned   = "cosigned"    // only where witnesses have cosigned a checkpoint
	FilePair       = "pair.bundle" // of a pair export
	FileCase       = "case.bundle" // of a case export
	dirTiles       = "tile"        // of a full export

	// FormatVersion is the only version of the export directory.
	FormatVersion = 1
	maxHead       = 4 << 10
)

// ErrUnusable is wrapped by every error that says that an export cannot be
// judged at all: a file missing, damaged, or not proven by the checkpoint. The
// text names the file.
var ErrUnusable = errors.New("unusable export")

// unusable makes such an error. What it names may be a stranger's, and it is read on
// a terminal: it stays on one line, and nothing in it is a control.
func unusable(dir, file, format string, args ...any) error {
	text := visible([]byte(filepath.Join(dir, file) + ": " + fmt.Sprintf(format, args...)))
	return fmt.Errorf("%w: %s", ErrUnusable, bytes.ReplaceAll(text, []byte("\n"), []byte("⟨U+000A⟩")))
}

// Kind is what an export shows.
type Kind string

// The kinds of export (SPEC §7.6).
const (
	Full Kind = "full"
	Pair Kind = "pair"
	Case Kind = "case"
)

// Head is export.json: what the directory says of itself. Nothing is believed
// because it stands here: it is compared with the entries and the checkpoint.
type Head struct {
	Format     int           `json:"format"`
	Kind       Kind          `json:"kind"`
	Party      hotline.Party `json:"party"`
	Generation uint64        `json:"generation"`
	Convention string        `json:"convention"` // id, 64 hexadecimal digits
	Size       uint64        `json:"size"`
	With       hotline.Party `json:"with,omitempty"` // of a pair export, or a case export made of one: the other party
	Case       string        `json:"case,omitempty"` // of a case export: PARTY/ID, 64 hexadecimal digits
}

// leaves is the file or directory that holds the leaves.
func (h *Head) leaves() string {
	switch h.Kind {
	case Pair:
		return FilePair
	case Case:
		return FileCase
	}
	return dirTiles
}

// part is what the export shows of its log; nil: all of it.
func (h *Head) part() *ledger.Part {
	if h.Kind == Full {
		return nil
	}
	part := &ledger.Part{}
	if h.With != "" {
		part.Parties = map[hotline.Party]bool{h.Party: true, h.With: true}
	}
	if h.Kind == Case {
		id, _ := parseCase(h.Case) // ParseHead has read it
		part.Case = &id
	}
	return part
}

// mustShow reports whether an export must show what is between its party and
// another one in a case, "": in none.
func (h *Head) mustShow(with hotline.Party, inCase string) bool {
	return (h.With == "" || h.With == with) && (h.Case == "" || h.Case == inCase)
}

// Encode returns the one form of export.json.
func (h Head) Encode() []byte {
	b, err := json.MarshalIndent(h, "", "  ")
	if err != nil {
		panic("audit: " + err.Error()) // strings and numbers always encode
	}
	return append(b, '\n')
}

// ParseHead is the strict inverse of Encode.
func ParseHead(b []byte) (Head, error) {
	var h Head
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&h); err != nil {
		return h, fmt.Errorf("not the form of an export's head: %w", err)
	}
	id, err := ParseID(h.Convention)
	_, badCase := parseCase(h.Case)
	switch {
	case h.Format != FormatVersion:
		return h, fmt.Errorf("format %d; known is %d: use the program that belongs to it", h.Format, FormatVersion)
	case h.Kind != Full && h.Kind != Pair && h.Kind != Case:
		return h, fmt.Errorf("kind %q is neither full nor pair nor case", h.Kind)
	case !h.Party.Valid() || h.Generation == 0 || h.Size == 0 || h.Size >= tlog.MaxSize:
		return h, errors.New("party, generation or size is out of range")
	case err != nil || id.IsZero():
		return h, errors.New("convention is not 64 lower-case hexadecimal digits")
	case h.Kind == Pair && h.With == "" || h.Kind == Full && h.With != "" || h.With != "" && (!h.With.Valid() || h.With == h.Party):
		return h, errors.New("with names the other party of a pair export, or of a case export made of one, and nothing else")
	case (h.Kind == Case) != (h.Case != "") || h.Case != "" && badCase != nil:
		return h, errors.New("case names the case of a case export, PARTY/ID with 64 lower-case hexadecimal digits, and nothing else")
	case !bytes.Equal(h.Encode(), b):
		return h, errors.New("not the one form of its content")
	}
	return h, nil
}

// ParseID reads an id of 64 lower-case hexadecimal digits.
func ParseID(s string) (id hotline.ID, err error) {
	if len(s) != 64 || strings.ToLower(s) != s {
		return id, errors.New("an id is 64 lower-case hexadecimal digits")
	}
	for i := range id {
		n, err := strconv.ParseUint(s[2*i:2*i+2], 16, 8)
		if err != nil {
			return id, errors.New("an id is 64 lower-case hexadecimal digits")
		}
		id[i] = byte(n)
	}
	return id, nil
}

// Source is a log that can write itself as tiles; *tlog.Store is one.
type Source interface {
	Export(w func(path string, data []byte) error, size uint64) error
}

// WriteFull writes a full export of the log to the directory dir, which must
// not exist yet: the tiles of the size that the checkpoint names, the
// checkpoint as it is, and export.json. The directory appears whole or not at
// all, and its files are for their owner alone. The caller has made sure that
// the checkpoint is that of src, and so is cosigned, an earlier or the same one
// with cosignatures; nil: there is none.
func WriteFull(dir string, src Source, checkpoint, cosigned []byte) error {
	c, err := unverified(checkpoint)
	if err != nil {
		return fmt.Errorf("export: checkpoint: %w", err)
	}
	party, generation, ok := hotline.SplitOrigin(c.Origin)
	if !ok || c.Size == 0 {
		return fmt.Errorf("export: checkpoint of %q and size %d is not that of a party's log with entries", c.Origin, c.Size)
	}
	h := Head{Format: FormatVersion, Kind: Full, Party: party, Generation: generation, Size: c.Size}
	return whole("export", dir, func(tmp string) error {
		first := true
		err := src.Export(func(name string, data []byte) error {
			if first && strings.HasPrefix(name, "tile/entries/000") {
				first = false
				g, err := genesisOf(data)
				if err != nil {
					return err
				}
				h.Convention = g.Convention.String()
			}
			return writeFile(tmp, name, data)
		}, c.Size)
		if err != nil {
			return err
		}
		return writeEnds(tmp, h, checkpoint, cosigned)
	})
}

// genesisOf reads the first entry of the first bundle.
func genesisOf(bundle []byte) (*hotline.Genesis, error) {
	if len(bundle) < 2 || len(bundle)-2 < int(binary.BigEndian.Uint16(bundle)) {
		return nil, errors.New("the first bundle holds no entry")
	}
	return decodeGenesis(bundle[2 : 2+int(binary.BigEndian.Uint16(bundle))])
}

func decodeGenesis(raw []byte) (*hotline.Genesis, error) {
	_, content, err := hotline.DecodeEntry(raw)
	if err != nil {
		return nil, fmt.Errorf("entry 0: %w", err)
	}
	g, ok := content.(*hotline.Genesis)
	if !ok {
		return nil, errors.New("entry 0 is no genesis")
	}
	return g, nil
}

func writeEnds(dir string, h Head, checkpoint, cosigned []byte) error {
	if err := writeFile(dir, FileCheckpoint, checkpoint); err != nil {
		return err
	}
	if len(cosigned) > 0 {
		if err := writeFile(dir, FileCosigned, cosigned); err != nil {
			return err
		}
	}
	return writeFile(dir, FileHead, h.Encode())
}

func writeFile(dir, name string, data []byte) error {
	full := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(full), 0o700); err != nil {
		return err
	}
	return os.WriteFile(full, data, 0o600)
}

// whole makes dir by filling a directory beside it and renaming that. what is it
// that is made, for errors.
func whole(what, dir string, fill func(tmp string) error) (err error) {
	dir = filepath.Clean(dir)
	if _, err := os.Lstat(dir); err == nil {
		return fmt.Errorf("%s: %s exists already; name a directory that does not", what, dir)
	}
	tmp, err := os.MkdirTemp(filepath.Dir(dir), "."+filepath.Base(dir)+"-")
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	defer func() {
		if err != nil {
			os.RemoveAll(tmp)
		}
	}()
	tmp = filepath.Clean(tmp) // as filepath.Join spells what lies in it
	if err := fill(tmp); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if err := os.Rename(tmp, dir); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// unverified reads what a checkpoint says without believing it.
func unverified(b []byte) (tlog.Checkpoint, error) {
	lines := strings.SplitN(string(b), "\n", 4)
	if len(b) > tlog.MaxCheckpoint || len(lines) != 4 {
		return tlog.Checkpoint{}, errors.New("not the form of a checkpoint (C2SP tlog-checkpoint)")
	}
	size, err := strconv.ParseUint(lines[1], 10, 64)
	if err != nil {
		return tlog.Checkpoint{}, errors.New("the size of the checkpoint is not a number")
	}
	root, err := base64.StdEncoding.DecodeString(lines[2])
	if err != nil || len(root) != len(tlog.Hash{}) {
		return tlog.Checkpoint{}, errors.New("the root of the checkpoint is not 32 bytes in base64")
	}
	c := tlog.Checkpoint{Origin: lines[0], Size: size, Root: tlog.Hash(root)}
	if err := c.Validate(); err != nil {
		return c, err
	}
	return c, nil
}

// export is an opened export directory.
type export struct {
	dir        string
	root       *os.Root
	head       Head
	convention hotline.ID
	checkpoint []byte
	claimed    tlog.Checkpoint // what the checkpoint says, not yet verified
	cosigned   []byte          // nil: there is none
	src        source
}

// openExport checks the set of files and what they say of themselves. What is
// in the entries, and that the checkpoint is signed, is checked by the replay.
func openExport(dir string) (*export, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, unusable(dir, "", "%v", err)
	}
	x := &export{dir: dir, root: root}
	if err := x.open(); err != nil {
		x.close()
		return nil, err
	}
	return x, nil
}

func (x *export) open() error {
	b, err := x.read(FileHead, maxHead)
	if err != nil {
		return err
	}
	if x.head, err = ParseHead(b); err != nil {
		return unusable(x.dir, FileHead, "%v", err)
	}
	x.convention, _ = ParseID(x.head.Convention)
	if x.checkpoint, err = x.read(FileCheckpoint, tlog.MaxCheckpoint); err != nil {
		return err
	}
	if x.claimed, err = unverified(x.checkpoint); err != nil {
		return unusable(x.dir, FileCheckpoint, "%v", err)
	}
	if want := tlog.Origin(string(x.head.Party), x.head.Generation); x.claimed.Origin != want || x.claimed.Size != x.head.Size {
		return unusable(x.dir, FileCheckpoint, "is of %s at size %d, but %s says %s at size %d",
			x.claimed.Origin, x.claimed.Size, FileHead, want, x.head.Size)
	}
	if err := x.checkNames(); err != nil {
		return err
	}
	if _, err := x.root.Lstat(FileCosigned); err == nil {
		if x.cosigned, err = x.read(FileCosigned, tlog.MaxCheckpoint); err != nil {
			return err
		}
	}
	if x.head.Kind == Full {
		x.src, err = openTiles(x)
	} else {
		x.src, err = openBundle(x)
	}
	return err
}

// checkNames refuses a file that does not belong there.
func (x *export) checkNames() error {
	list, err := fs.ReadDir(x.root.FS(), ".")
	if err != nil {
		return unusable(x.dir, "", "%v", err)
	}
	data := x.head.leaves()
	for _, e := range list {
		if n := e.Name(); n != FileHead && n != FileCheckpoint && n != FileCosigned && n != data {
			return unusable(x.dir, n, "does not belong to a %s export; remove it", x.head.Kind)
		}
	}
	return nil
}

// read reads a small regular file whole.
func (x *export) read(name string, most int) ([]byte, error) {
	f, err := x.openFile(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, int64(most)+1))
	if err != nil {
		return nil, unusable(x.dir, name, "%v", err)
	}
	if len(b) > most {
		return nil, unusable(x.dir, name, "is longer than %d bytes", most)
	}
	return b, nil
}

// openFile opens a regular file of the directory; a link or a device is none.
func (x *export) openFile(name string) (*os.File, error) {
	info, err := x.root.Lstat(path.Clean(name))
	if err != nil {
		return nil, unusable(x.dir, name, "%v", err)
	}
	if !info.Mode().IsRegular() {
		return nil, unusable(x.dir, name, "is not a regular file")
	}
	f, err := x.root.Open(name)
	if err != nil {
		return nil, unusable(x.dir, name, "%v", err)
	}
	return f, nil
}

func (x *export) close() {
	if x.src != nil {
		x.src.close()
	}
	x.root.Close()
}
