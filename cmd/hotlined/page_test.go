package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Promise: check says by which channels people are woken, that nobody is where there is none, and names the channel whose
// secret cannot be read, before anybody relies on it.
func TestCheckNamesThePageChannels(t *testing.T) {
	path := prepared(t)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	plain := strings.Replace(string(text), "page = []", "", 1)
	dir := filepath.Dir(path)
	if err := os.WriteFile(filepath.Join(dir, "hook"), []byte("whsec_"+strings.Repeat("AAAA", 8)), 0o600); err != nil {
		t.Fatal(err)
	}
	hook := "\n[[page]]\nname = \"hook\"\nkind = \"webhook\"\nurl = \"https://page.example.org/\"\nsecret = \"file:"
	bell := "\n[[page]]\nname = \"bell\"\nkind = \"command\"\nargv = [\"/bin/true\"]\n"
	for _, c := range []struct {
		name, more string
		exit       int
		want       string
	}{
		{"none", "", exitOK, "no page channel is configured"},
		{"two", hook + "hook\"\n" + bell, exitOK, "people are woken by hook, then bell"},
		{"no secret", bell + hook + "nowhere\"\n", exitUsage, "page channel hook: secret: "},
		{"unknown key", bell + "colour = 1\n", exitUsage, `unknown key "page.colour"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			other := filepath.Join(dir, "other.toml")
			if err := os.WriteFile(other, []byte(plain+c.more), 0o600); err != nil {
				t.Fatal(err)
			}
			cmd := daemonCommand("check", "--config", other)
			out, _ := cmd.CombinedOutput()
			if cmd.ProcessState.ExitCode() != c.exit || !strings.Contains(string(out), c.want) {
				t.Errorf("exit %d\n%s", cmd.ProcessState.ExitCode(), out)
			}
		})
	}
}
