package keys

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// MaxPassphrase is the longest passphrase accepted, in bytes.
const MaxPassphrase = 1024

// ErrPassphraseSource says that a passphrase could not be had from its source.
var ErrPassphraseSource = errors.New("no passphrase")

// Passphrase returns the passphrase that source names:
//
//	prompt           what prompt returns for the label "passphrase"
//	file:PATH        the content of a file that only its owner can use
//	credential:NAME  the systemd credential $CREDENTIALS_DIRECTORY/NAME
//
// One newline at the end of a file or credential is removed. An empty
// passphrase, one longer than MaxPassphrase, and a file that group or others
// have any right to are refused with ErrPassphraseSource.
func Passphrase(source string, prompt func(label string) ([]byte, error)) ([]byte, error) {
	kind, name, named := strings.Cut(source, ":")
	var pass []byte
	var err error
	switch {
	case kind == "prompt" && !named:
		if prompt == nil {
			return nil, fmt.Errorf("%w: nobody to ask here, use file:PATH or credential:NAME", ErrPassphraseSource)
		}
		pass, err = prompt("passphrase")
	case kind == "file" && name != "":
		pass, err = readPassphrase(name, true)
	case kind == "credential" && name != "":
		pass, err = readCredential(name)
	default:
		return nil, fmt.Errorf("%w: unknown source %q, use prompt, file:PATH or credential:NAME", ErrPassphraseSource, source)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPassphraseSource, err)
	}
	if err := checkPassphrase(pass); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPassphraseSource, err)
	}
	return pass, nil
}

func checkPassphrase(pass []byte) error {
	if len(pass) == 0 {
		return errors.New("the passphrase is empty")
	}
	if len(pass) > MaxPassphrase {
		return fmt.Errorf("the passphrase is longer than %d bytes", MaxPassphrase)
	}
	return nil
}

func readCredential(name string) ([]byte, error) {
	dir := os.Getenv("CREDENTIALS_DIRECTORY")
	if dir == "" {
		return nil, errors.New("CREDENTIALS_DIRECTORY is not set, start under systemd with LoadCredential")
	}
	if name != filepath.Base(name) || name == "." || name == ".." {
		return nil, fmt.Errorf("credential name %q contains a path", name)
	}
	// systemd guards the directory itself and grants the service its access
	// by an access control list, which shows as rights of the group.
	return readPassphrase(filepath.Join(dir, name), false)
}

func readPassphrase(path string, private bool) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	if private && info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s is open to others (mode %04o), run chmod 600 on it", path, info.Mode().Perm())
	}
	data, err := io.ReadAll(io.LimitReader(f, MaxPassphrase+2))
	if err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(data, []byte("\n")), nil
}
