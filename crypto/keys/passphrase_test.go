package keys

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func writeMode(t *testing.T, path, content string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

// Promise: each source gives its passphrase, less one newline where it is a file.
func TestPassphraseSources(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("CREDENTIALS_DIRECTORY", dir)
	writeMode(t, filepath.Join(dir, "p"), "two words\n\n", 0o400)
	writeMode(t, filepath.Join(dir, "cred"), "from systemd", 0o440)
	for source, want := range map[string]string{
		"prompt":                          "typed",
		"file:" + filepath.Join(dir, "p"): "two words\n",
		"credential:cred":                 "from systemd",
	} {
		got, err := Passphrase(source, func(string) ([]byte, error) { return []byte("typed"), nil })
		if err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", source, got, err)
		}
	}
}

// Promise: a passphrase that others could have read, that is empty or too long,
// or whose source is unclear, is refused.
func TestPassphraseRefused(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("CREDENTIALS_DIRECTORY", dir)
	file := func(name, content string, mode os.FileMode) string {
		writeMode(t, filepath.Join(dir, name), content, mode)
		return "file:" + filepath.Join(dir, name)
	}
	typed := func(s string) func(string) ([]byte, error) {
		return func(string) ([]byte, error) { return []byte(s), nil }
	}
	broken := errors.New("terminal is gone")
	for name, c := range map[string]struct {
		source string
		prompt func(string) ([]byte, error)
	}{
		"group":           {source: file("group", "x", 0o640)},
		"world":           {source: file("world", "x", 0o604)},
		"empty file":      {source: file("empty", "", 0o600)},
		"only newline":    {source: file("newline", "\n", 0o600)},
		"too long":        {source: file("long", strings.Repeat("x", MaxPassphrase+1), 0o600)},
		"far too long":    {source: file("longer", strings.Repeat("x", MaxPassphrase*3)+"\n", 0o600)},
		"directory":       {source: "file:" + dir},
		"missing":         {source: "file:" + filepath.Join(dir, "none")},
		"no path":         {source: "file:"},
		"credential path": {source: "credential:../" + filepath.Base(dir) + "/group"},
		"credential dots": {source: "credential:.."},
		"no credential":   {source: "credential:none"},
		"no name":         {source: "credential:"},
		"unknown":         {source: "env:X"},
		"nothing":         {source: ""},
		"prompt with arg": {source: "prompt:", prompt: typed("x")},
		"no prompt":       {source: "prompt"},
		"empty prompt":    {source: "prompt", prompt: typed("")},
		"broken prompt":   {source: "prompt", prompt: func(string) ([]byte, error) { return nil, broken }},
	} {
		if got, err := Passphrase(c.source, c.prompt); !errors.Is(err, ErrPassphraseSource) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	t.Setenv("CREDENTIALS_DIRECTORY", "")
	if _, err := Passphrase("credential:cred", nil); !errors.Is(err, ErrPassphraseSource) {
		t.Errorf("without CREDENTIALS_DIRECTORY: %v", err)
	}
}
