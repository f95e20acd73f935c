package config

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the example file instead of comparing it")

const exampleFile = "../deploy/hotlined.example.toml"

const smallest = "party = \"XA\"\nnode = \"XA-1\"\ndocuments = \"documents\"\n[keys]\ndir = \"keys\"\n"

// TestExampleFileFollowsTheCode defends the operator who trusts the example file: it is what the code says, and nothing else.
func TestExampleFileFollowsTheCode(t *testing.T) {
	want, err := Example()
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(exampleFile, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(exampleFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs from the code: run go test ./ops/config -update", exampleFile)
	}
}

// TestExampleFileMeansTheDefaults defends the promise at its head: a commented key shows its default. So the file means the
// same as it stands and with every such key uncommented, and every key is in it.
func TestExampleFileMeansTheDefaults(t *testing.T) {
	example, err := Example()
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.Party, want.Node, want.Documents, want.Keys.Dir = "XA", "XA-1", "/etc/hotline/documents", "/etc/hotline/keys"
	got, err := Parse(example)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("as it stands: %v\ngot  %+v\nwant %+v", err, got, want)
	}
	full := regexp.MustCompile(`(?m)^# (\w+ = )`).ReplaceAll(example, []byte("$1"))
	got, err = Parse(full)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("uncommented: %v\ngot  %+v\nwant %+v", err, got, want)
	}
	for _, key := range knownKeys("", reflect.TypeFor[Config]()) {
		name := key[strings.LastIndexByte(key, '.')+1:]
		if !bytes.Contains(full, []byte("\n"+name+" = ")) && !bytes.Contains(full, []byte("\n["+key+"]\n")) &&
			!bytes.Contains(full, []byte("\n#   "+name+" = ")) && !bytes.Contains(full, []byte("\n#   [["+key+"]]\n")) {
			t.Errorf("key %s is not in the example file", key)
		}
	}
	for i, line := range strings.Split(string(example), "\n") {
		if len(line) > exampleWidth {
			t.Errorf("line %d has %d columns", i+1, len(line))
		}
	}
}

// TestSmallestFileWorks defends the first hour of a party with one node: four keys are enough, and relative paths start at the
// file.
func TestSmallestFileWorks(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "hotlined.toml")
	if err := os.WriteFile(path, []byte(smallest+"passphrase = \"file:secret\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{filepath.Join(dir, "documents"), filepath.Join(dir, "keys"), "file:" + filepath.Join(dir, "secret"), "/var/lib/hotline"}
	if got := []string{c.Documents, c.Keys.Dir, c.Keys.Passphrase, c.Data}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if c.Group.Heartbeat.Duration != 400*time.Millisecond || c.Group.Join || c.Metrics.Listen != "" {
		t.Errorf("defaults are lost: %+v", c)
	}
}

// TestUnknownKeysAreErrors defends against a misspelt key that silently leaves a default in force.
func TestUnknownKeysAreErrors(t *testing.T) {
	cases := map[string]string{
		"lisen = \"[::]:1\"\n":            `line 1: unknown key "lisen": did you mean "listen"?`,
		"\n[group]\nhartbeat = \"1s\"\n":  `line 3: unknown key "group.hartbeat": did you mean "group.heartbeat"?`,
		"[limit]\ntriage = 5\n":           `line 1: unknown key "limit": did you mean "limits"?`,
		"passphrase = \"prompt\"\n":       `line 1: unknown key "passphrase": did you mean "keys.passphrase"?`,
		"colour = \"red\"\n":              `line 1: unknown key "colour": remove it`,
		"lisen = 1\n[log]\nlevle = \"\"":  `line 3: unknown key "log.levle": did you mean "log.level"?`,
		"party = \"XA\"\nparty = \"XB\"":  "line 2, column",
		"party = XA":                      "line 1, column",
		"[group]\nheartbeat = \"fast\"\n": "line 2, column",
		"[group]\nheartbeat = 500\n":      `"500" is not a duration: write it like 500ms`,
		"[limits]\npeer_rate = \"many\"":  "line 2, column",
	}
	for text, want := range cases {
		if _, err := Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: want an error with %q, got %v", text, want, err)
		}
	}
}

// TestEveryRuleHasItsMessage defends the operator at night: a value that breaks a rule is told by its key, with what to write
// instead, and every rule can be broken.
func TestEveryRuleHasItsMessage(t *testing.T) {
	cases := []struct {
		spoil func(*Config)
		want  string
	}{
		{func(c *Config) { c.Party = "xa" }, `party: "xa" is not a party's code`},
		{func(c *Config) { c.Node = "XB-1" }, `node: "XB-1" is not a node of party "XA"`},
		{func(c *Config) { c.Node = "XA-" }, `node: "XA-"`},
		{func(c *Config) { c.Node = "XA-a" }, `node: "XA-a"`},
		{func(c *Config) { c.Data = "" }, "data: missing"},
		{func(c *Config) { c.Data = "a\x00" }, "data: holds a zero byte"},
		{func(c *Config) { c.Listen = "hotline.example.org:1" }, "listen: \"hotline.example.org:1\" is not an IP address"},
		{func(c *Config) { c.Listen = "127.0.0.1:0" }, "listen: \"127.0.0.1:0\" leaves the port open"},
		{func(c *Config) { c.Listen = "[::ffff:127.0.0.1]:9" }, "IPv6 clothes"},
		{func(c *Config) { c.Documents = "" }, "documents: missing"},
		{func(c *Config) { c.Convention = "12ab" }, "convention: \"12ab\" is not the id of a convention"},
		{func(c *Config) { c.Convention = strings.Repeat("0", 64) }, "is not the id of a convention"}, // it would pin nothing
		{func(c *Config) { c.Keys.Dir = "" }, "keys.dir: missing"},
		{func(c *Config) { c.Keys.Passphrase = "" }, "keys.passphrase: is no source of a passphrase"},
		{func(c *Config) { c.Keys.Passphrase = "file:" }, "keys.passphrase:"},
		{func(c *Config) { c.Keys.Passphrase = "prompt:x" }, "keys.passphrase:"},
		{func(c *Config) { c.Keys.Passphrase = "credential:../x" }, "keys.passphrase:"},
		{func(c *Config) { c.Group.Heartbeat.Duration = time.Millisecond }, "group.heartbeat: 1ms is out of bounds: choose 50ms to 10s"},
		{func(c *Config) { c.Group.Election.Duration = 399 * time.Millisecond }, "group.election: 399ms is shorter than heartbeat (400ms)"},
		{func(c *Config) { c.Group.Election.Duration = time.Minute }, "group.election: 1m0s is out of bounds"},
		{func(c *Config) { c.Group.SnapshotEvery = 15 }, "group.snapshot_every: 15 is out of bounds"},
		{func(c *Config) { c.Limits.PeerRate = 0 }, "limits.peer_rate: 0 is out of bounds"},
		{func(c *Config) { c.Limits.PeerBurst = 199 }, "limits.peer_burst: 199 is below peer_rate (200)"},
		{func(c *Config) { c.Limits.PeerBurst = MaxPeerBurst + 1 }, "limits.peer_burst: 100001 is out of bounds"},
		{func(c *Config) { c.Metrics.Listen = "localhost:9" }, "metrics.listen: \"localhost:9\" is not an IP address"},
		{func(c *Config) { c.Record.Listen = "example.org:80" }, "record.listen: \"example.org:80\" is not an IP address"},
		{func(c *Config) { c.Record.Listen = "127.0.0.1:0" }, "record.listen: \"127.0.0.1:0\" leaves the port open"},
		{func(c *Config) { c.Metrics.Listen = "[::]:9470" }, "metrics.listen: \"[::]:9470\" is not a loopback address"},
		{func(c *Config) { c.Log.Level = "loud" }, "log.level: \"loud\" is not known: write debug, info, warn, error"},
		{func(c *Config) { c.Log.Format = "xml" }, "log.format: \"xml\" is not known"},
		{func(c *Config) { c.Territory.Prefixes = []string{"198.51.100.7/24"} }, "territory.prefixes: territory prefix \"198.51.100.7/24\" has bits set"},
		{func(c *Config) { c.Sensors = make([]Sensor, MaxSensors+1) }, "sensor: 17 sensors: configure at most 16"},
		{func(c *Config) { c.Pages = make([]Page, MaxPages+1) }, "page: 9 channels: configure at most 8"},
		{func(c *Config) { c.Pages = []Page{{Name: "xx", Kind: "fax"}} }, "page: channel 1 (\"xx\"): kind: \"fax\" is not known"},
	}
	broken := make(map[string]bool)
	for _, tc := range cases {
		c, err := Parse([]byte(smallest))
		if err != nil {
			t.Fatal(err)
		}
		tc.spoil(c)
		err = c.Validate()
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("want an error with %q, got %v", tc.want, err)
			continue
		}
		key, _, _ := strings.Cut(err.Error(), ":")
		broken[key] = true
	}
	for _, r := range rules {
		if !broken[r.key] {
			t.Errorf("no case breaks the rule of %s", r.key)
		}
	}
}

// TestAllBrokenRulesAreToldAtOnce defends against mending a file one restart at a time.
func TestAllBrokenRulesAreToldAtOnce(t *testing.T) {
	_, err := Parse(nil)
	if err == nil {
		t.Fatal("an empty file is accepted")
	}
	for _, key := range []string{"party:", "node:", "documents:", "keys.dir:"} {
		if !strings.Contains(err.Error(), key) {
			t.Errorf("%s is not told in %v", key, err)
		}
	}
	if got := strings.Count(err.Error(), "\n"); got != 3 {
		t.Errorf("want four lines, got %v", err)
	}
}

// TestLoadRefusesWhatIsNoConfiguration defends against reading a wrong file: absent, or far too large.
func TestLoadRefusesWhatIsNoConfiguration(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.toml")
	if _, err := Load(path); err == nil {
		t.Error("an absent file is accepted")
	}
	if err := os.WriteFile(path, bytes.Repeat([]byte("#\n"), MaxFile/2+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(path); err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("want an error about the size, got %v", err)
	}
}

// FuzzParse defends the daemon's start: no text makes the reader panic, and what it accepts keeps every rule.
func FuzzParse(f *testing.F) {
	example, err := Example()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(example)
	f.Add([]byte(smallest))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Parse(data)
		if err != nil {
			return
		}
		if err := c.Validate(); err != nil {
			t.Errorf("accepted, but: %v", err)
		}
	})
}
