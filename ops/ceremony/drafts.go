package ceremony

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/pelletier/go-toml/v2"

	"example.org/hotline/crypto/keys"
)

// IsDraft tells the text of a draft from a signed document, which is CBOR and begins with the tag of COSE_Sign.
func IsDraft(data []byte) bool { return !bytes.HasPrefix(data, []byte{0xd8, 0x62}) }

// Values returns the text of a draft as values that print as JSON, under the same names.
func Values(text []byte) (map[string]any, error) {
	values := map[string]any{}
	if err := toml.Unmarshal(text, &values); err != nil {
		return nil, fmt.Errorf("draft: %w", err)
	}
	return values, nil
}

// WriteDraft writes the text of a new draft, mode 0644. It never replaces a file.
func WriteDraft(path string, text []byte) error { return keys.Create(path, text, 0o644) }

// ReplaceDraft puts a draft with one more signature in the place of the draft: readers see the one or the other, and a crash leaves
// one of them.
func ReplaceDraft(path string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".draft-*")
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, errors.Join(err, os.Remove(f.Name())))
	}
	return keys.SyncDir(filepath.Dir(path))
}
