package testnet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// edit changes one file of the program's own sources in a build, and nowhere else.
type edit struct {
	file string // below the module, with slashes
	old  string // stands there exactly once; empty: the file does not exist, and new is the whole of it
	new  string
}

// modifiedProgram is the daemon that is built with the edits of every departure.
const modifiedProgram = "./cmd/hotlined"

// buildModified builds the daemon with the edits of every departure into dir, and returns its path. The sources stay as they are: the
// build reads the changed ones through an overlay. It needs the go command and the sources of this module.
func buildModified(ctx context.Context, dir string) (string, error) {
	root, err := sources(ctx)
	if err != nil {
		return "", err
	}
	list, err := overlay(root, dir, departureEdits)
	if err != nil {
		return "", err
	}
	program := filepath.Join(dir, "hotlined")
	build := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-overlay", list, "-o", program, modifiedProgram)
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("the modified daemon does not build: the edits of testnet no longer fit the sources: %w\n%s", err, out)
	}
	return program, nil
}

// sources finds the directory of this module.
func sources(ctx context.Context) (string, error) {
	list := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "example.org/hotline")
	out, err := list.Output()
	if err != nil {
		return "", fmt.Errorf("the sources of this module are not found: run it in them, with the go command: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// overlay writes the edited files to dir, and the list that go build -overlay reads. An edit that fits no more is an error that names it.
func overlay(root, dir string, edits []edit) (string, error) {
	texts := map[string]string{}
	for _, e := range edits {
		if err := e.apply(root, texts); err != nil {
			return "", err
		}
	}
	replace := map[string]string{}
	for file, text := range texts {
		to := filepath.Join(dir, strings.ReplaceAll(file, "/", "-"))
		if err := os.WriteFile(to, []byte(text), 0o600); err != nil {
			return "", err
		}
		replace[filepath.Join(root, filepath.FromSlash(file))] = to
	}
	list, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	name := filepath.Join(dir, "overlay.json")
	return name, os.WriteFile(name, list, 0o600)
}

// apply makes one edit in the texts, which hold what is edited already.
func (e *edit) apply(root string, texts map[string]string) error {
	text, edited := texts[e.file]
	if !edited {
		raw, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(e.file)))
		switch {
		case e.old == "" && errors.Is(err, fs.ErrNotExist):
			texts[e.file] = e.new
			return nil
		case err != nil:
			return fmt.Errorf("an edit does not fit the sources: %w", err)
		}
		text = string(raw)
	}
	if e.old == "" {
		return fmt.Errorf("%s is there already: the edit that adds it needs another name", e.file)
	}
	if n := strings.Count(text, e.old); n != 1 {
		return fmt.Errorf("%s holds %d times what an edit is to replace, and must hold it once: adapt the edit in testnet to the sources:\n%s", e.file, n, e.old)
	}
	texts[e.file] = strings.Replace(text, e.old, e.new, 1)
	return nil
}
