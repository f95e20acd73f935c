package testnet

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestDepartureEditsFitTheSources tells whoever changes a source that an edit of it no longer fits, before anything is built.
func TestDepartureEditsFitTheSources(t *testing.T) {
	root, err := sources(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := overlay(root, t.TempDir(), departureEdits); err != nil {
		t.Error(err)
	}
}

// TestEditThatDoesNotFitIsNamed: file and text of an edit stand in the error, and nothing is built beside the change that it means.
func TestEditThatDoesNotFitIsNamed(t *testing.T) {
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "a.go"), []byte("one two two"), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, e := range map[string]edit{
		"a.go holds 0 times":        {"a.go", "three", "3"},
		"a.go holds 2 times":        {"a.go", "two", "2"},
		"a.go is there already":     {"a.go", "", "package a"},
		"no such file":              {"b.go", "one", "1"},
		"adapt the edit in testnet": {"a.go", "four", "4"},
	} {
		if _, err := overlay(root, t.TempDir(), []edit{e}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want an error with %q, got %v", want, err)
		}
	}
	dir := t.TempDir()
	if _, err := overlay(root, dir, []edit{{"a.go", "one", "1"}, {"a.go", "1 two", "3"}, {"b/c.go", "", "new"}}); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{"a.go": "3 two", "b-c.go": "new"} {
		if got, err := os.ReadFile(filepath.Join(dir, file)); err != nil || string(got) != want {
			t.Errorf("%s is %q, %v", file, got, err)
		}
	}
}
