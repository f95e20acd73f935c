package main

import (
	"path/filepath"
	"strings"
	"testing"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/hotlinetest"
)

const goodProfile = `party = "XA"
officer = "XA-O1"
key = "XA-O1.key"
convention = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
`

// TestProfileIsStrict: a slip in the settings is told with its place, and never guessed at.
func TestProfileIsStrict(t *testing.T) {
	p, err := parseProfile([]byte(goodProfile + "node = [\"XA-1=127.0.0.1:4870\"]\nprefixes = [\"198.51.100.0/24\"]\n"))
	if err != nil {
		t.Fatal(err)
	}
	if p.Passphrase != "prompt" || p.Documents != "documents" || p.pin[1] != 0x11 {
		t.Errorf("defaults: %+v", p)
	}
	if got := p.addressOf(&hotline.Node{Name: "XA-1", Addr: "192.0.2.1:1"}); got != "127.0.0.1:4870" {
		t.Errorf("address of XA-1: %s", got)
	}
	if got := p.addressOf(&hotline.Node{Name: "XA-2", Addr: "192.0.2.2:1"}); got != "192.0.2.2:1" {
		t.Errorf("address of XA-2: %s", got)
	}
	change := func(old, now string) string { return strings.Replace(goodProfile, old, now, 1) }
	for name, c := range map[string]struct{ text, want string }{
		"unknown key":      {goodProfile + "pasphrase = \"prompt\"\n", `line 5: unknown key "pasphrase"`},
		"not TOML":         {goodProfile + "x", "line 5"},
		"wrong type":       {change(`"XA-O1.key"`, "7"), "line 3"},
		"party":            {change(`party = "XA"`, `party = "xa"`), `party "xa"`},
		"no party":         {change(`party = "XA"`, ""), `party ""`},
		"other's officer":  {change(`"XA-O1"`, `"XB-O1"`), `officer "XB-O1" is no role name of XA`},
		"no key":           {change(`key = "XA-O1.key"`, ""), "key is missing"},
		"no convention":    {change("00112233", ""), "64 lower-case hexadecimal digits"},
		"capitals":         {change("aabb", "AABB"), "64 lower-case hexadecimal digits"},
		"no pin":           {change("00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff", strings.Repeat("0", 64)), "id of a convention"},
		"node without key": {goodProfile + "node = [\"127.0.0.1:4870\"]\n", "is not NAME=IP:port"},
		"node by name":     {goodProfile + "node = [\"XA-1=localhost:4870\"]\n", "is not NAME=IP:port"},
		"other's node":     {goodProfile + "node = [\"XB-1=127.0.0.1:4870\"]\n", "is not NAME=IP:port"},
		"prefix":           {goodProfile + "prefixes = [\"198.51.100.7/24\"]\n", "write 198.51.100.0/24"},
		"no documents":     {goodProfile + "documents = \"\"\n", "documents is empty"},
	} {
		if _, err := parseProfile([]byte(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// TestProfilePaths: paths are taken from the home directory, absolute ones as they are, and a missing file is named.
func TestProfilePaths(t *testing.T) {
	home := t.TempDir()
	write(t, filepath.Join(home, profileFile), strings.Replace(goodProfile, `key = "XA-O1.key"`, "key = \"/keys/XA-O1.key\"\npassphrase = \"file:pass\"", 1))
	p, err := loadProfile(home)
	if err != nil {
		t.Fatal(err)
	}
	if p.Key != "/keys/XA-O1.key" || p.Documents != filepath.Join(home, "documents") || p.Passphrase != "file:"+filepath.Join(home, "pass") {
		t.Errorf("%+v", p)
	}
	if _, err := loadProfile(filepath.Join(home, "nowhere")); err == nil || !strings.Contains(err.Error(), profileFile) {
		t.Errorf("no settings: %v", err)
	}
}

// TestPlainNamesWhatIsCoded: what --json prints can be read without this program: ids as digits, codes as words.
func TestPlainNamesWhatIsCoded(t *testing.T) {
	party := hotlinetest.NewParty("XA", "plain")
	hotlinetest.Convention(hotlinetest.Terms("crisis"), party, hotlinetest.NewParty("XB", "plain"))
	st := party.Detection(hotlinetest.Epoch + 1)
	got := plain(st.Header).(map[string]any)
	for name, want := range map[string]any{"kind": "detection", "status": "ACTUAL", "precedence": "IMMEDIATE", "tlp": "TLP:AMBER", "from": "XA",
		"issued": hotlinetest.Epoch + 1, "convention": party.Convention.ID.String()} {
		if got[name] != want {
			t.Errorf("%s: %v, want %v", name, got[name], want)
		}
	}
	authors, ok := got["authors"].([]any)
	if !ok || len(authors) != 1 || authors[0] != party.Officer("O1").Public().ID().String() {
		t.Errorf("authors: %v", got["authors"])
	}
	if b := plain([]byte{1, 0xab}); b != "01ab" {
		t.Errorf("bytes: %v", b)
	}
	facts := hotlinetest.Facts()
	facts.Sectors = []uint16{1, 5}
	body := plainBody(&hotline.Alert{Facts: facts}).(map[string]any)["facts"].(map[string]any)
	if body["category"] != "critical-infrastructure" || strings.Join(body["sectors"].([]string), " ") != "health energy" {
		t.Errorf("facts: %v", body)
	}
}

// TestVerbsRefuseBadCommandLinesBeforeTheyAskAnybody: exit code 2 and one line, without settings, network or key.
func TestVerbsRefuseBadCommandLinesBeforeTheyAskAnybody(t *testing.T) {
	for line, want := range map[string]string{
		"detect": "give either --text", "detect --from suricata": "give either --text", "detect --from zeek x": "no feed that is known",
		"detect --from suricata x --private where": "neither inside nor outside", "adopt": "give the key of a hit", "assess": "accepts 1 arg",
		"assess 0123": "is no id", "assess 01234567": "is not one of notifiable", "assess 01234567 --below --notify XB": "nobody is notified",
		"assess 01234567 --below --verdict notifiable":         "contradicts",
		"assess 01234567 --verdict notifiable --nature attack": "--category, --relation, --state, --notify",
		"ack XYZ": "is no id", "show": "give either an id", "show 01234567 --disclosed f": "give either an id", "inbox --limit 101": "1 to 100",
		"send alert 012": "is no id", "send ratification 0123456G": "is no id", "release 01": "is no id", "watch now": "unknown command", "ladder check": "accepts 1 arg", "ladder show --at noon": "is no time", "ladder submit": "accepts 1 arg",
		"documents import": "requires at least 1 arg", "export": "accepts 1 arg", "backup": "accepts 1 arg", "proof": "accepts 1 arg", "proof 0123": "is no id", "drill run --bogus": "unknown flag",
	} {
		root := newRoot()
		root.SetArgs(append(strings.Fields(line), "--home", t.TempDir()))
		err := root.Execute()
		if err == nil {
			t.Errorf("%s: accepted", line)
			continue
		}
		if f := explain(err); f.exit != exitUsage || !strings.Contains(f.Text, want) {
			t.Errorf("%s: exit %d, %q; want %d, %q", line, f.exit, f.Text, exitUsage, want)
		}
	}
}
