// Package config holds the configuration of hotlined: one TOML file, read strictly. An unknown key is an error that names the
// line and the key that was probably meant; a value that breaks a rule is an error that names the rule; and all of them are
// told at once. The commented example file beside the unit files is written from the tags of Config, so that the two cannot
// differ.
package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"
)

// MaxFile bounds a configuration file, in bytes.
const MaxFile = 1 << 20

// Config is the whole configuration of one node. Field tags: toml is the key, doc the comment in the example file, example the
// value that the example file shows for a key that has no default. Nothing is reloaded: a change needs a restart.
type Config struct {
	Party      string `toml:"party" example:"XA" doc:"Code of the party that this node belongs to, as in the convention: 2 to 8 upper-case letters and digits, beginning with a letter."`
	Node       string `toml:"node" example:"XA-1" doc:"Name of this node, as in the party's directory: the party's code, a hyphen, and upper-case letters, digits and hyphens. No two nodes share a name, and a wiped node returns under a new one."`
	Data       string `toml:"data" doc:"Directory of the node's own state: Raft log, ledger, triage queue. It belongs to this node alone, on a disk that keeps what it has synced. A relative path here and below is taken from the directory of this file."`
	Listen     string `toml:"listen" doc:"IP address and UDP port on which this node answers other parties, its own group and officers. [::] is every address of both families. Names are not allowed: the line must work without a name service."`
	Documents  string `toml:"documents" example:"/etc/hotline/documents" doc:"Directory that holds the signed convention and the signed directories of all parties. What a node learns later it keeps in its ledger; this is what it starts from."`
	Convention string `toml:"convention" doc:"Id of the convention, 64 hexadecimal digits, as hotline convention verify tells it. A node with documents of any other does not start. Empty: whatever convention the documents directory holds is believed."`

	Keys      Keys      `toml:"keys" doc:"Keys of this node and of its group. An officer's key is never kept here."`
	Group     Group     `toml:"group" doc:"Replication between the nodes of the party. Every node of a group must have the same durations."`
	Limits    Limits    `toml:"limits" doc:"What others may ask of this node."`
	Metrics   Metrics   `toml:"metrics" doc:"Figures for Prometheus, and health for load balancers."`
	Record    Record    `toml:"record" doc:"What anybody may read of the party's log: its newest cosigned checkpoint and its hash tiles (C2SP tlog-tiles over HTTP), never an entry."`
	Log       Log       `toml:"log" doc:"The log of the daemon goes to standard error. It never holds the text of a statement."`
	Territory Territory `toml:"territory" doc:"What belongs to the party, for its sensors."`
	Sensors   []Sensor  `toml:"sensor" doc:"Sensors whose files this node follows, across rotation and restarts; at most 16. Each is a table [[sensor]]; take off the # and the three spaces. What may be an attack out of the territory waits in the triage queue of the group and wakes an operator; no duty begins before a person adopts it."`
	Pages     []Page    `toml:"page" doc:"Channels by which people are woken, in the order in which they are tried; at most 8. Each is a table [[page]]; take off the # and the three spaces. A page tells ids, duty, precedence, status, peer, due time, office and targets, never text. Every node of the group needs its own channels, and tests each of them once a day. Without any, only open consoles ring."`
}

// Keys says where the node's keys are and how they are opened.
type Keys struct {
	Dir        string `toml:"dir" example:"/etc/hotline/keys" doc:"Directory of the key files. Nobody but the daemon's user may read it."`
	Passphrase string `toml:"passphrase" doc:"Where the passphrase of the key files comes from. \"prompt\" asks on the terminal; \"file:PATH\" reads a file that only the daemon's user may read; \"credential:NAME\" reads a systemd credential (LoadCredential or LoadCredentialEncrypted), which is the way for a service."`
}

// Group tunes Raft.
type Group struct {
	Heartbeat     Duration `toml:"heartbeat" doc:"How long a follower waits without hearing from the leader before it calls an election. 50ms to 10s. 400ms and the same election replace a dead leader in about a second; raise both if the sites are far apart."`
	Election      Duration `toml:"election" doc:"How long an election waits for votes. At least heartbeat, at most 30s."`
	SnapshotEvery uint64   `toml:"snapshot_every" doc:"Number of entries after which the log is cut and replaced by a snapshot; an entry holds one command, or up to 32 when many come at once. 16 to 1000000."`
	Join          bool     `toml:"join" doc:"true: start as a non-voter that waits to be added to an existing group. false: found a group of one, or go on with the group in data."`
}

// Limits bound what others may ask.
type Limits struct {
	PeerRate  int `toml:"peer_rate" doc:"Frames a second that each other party may send on average, before any signature is checked. 1 to 10000. What is beyond waits at the sender; no party slows another."`
	PeerBurst int `toml:"peer_burst" doc:"Frames that each other party may send at once. peer_rate to 100000."`
}

// Metrics is off when Listen is empty.
type Metrics struct {
	Listen string `toml:"listen" doc:"Loopback address and TCP port, such as 127.0.0.1:9470. Any other address is refused: the figures show when a party is busy. Empty: off."`
}

// Record is off when Listen is empty.
type Record struct {
	Listen string `toml:"listen" doc:"IP address and TCP port, such as 127.0.0.1:4871. The hashes say nothing of what stands in the log, but anybody who reads them sees how fast it grows, and when. It is HTTP without TLS: what is served proves itself, and a proxy in front may add what else is wanted. Empty: off."`
}

// Log chooses how much is logged, and how.
type Log struct {
	Level  string `toml:"level" doc:"debug, info, warn or error."`
	Format string `toml:"format" doc:"text for people, json for machines."`
}

// Page is one channel by which people are woken. Which keys it must have, and which it must not, follows from its kind.
type Page struct {
	Name     string   `toml:"name" kinds:"*" show:"mail" doc:"Name of the channel, unique in this file, by which a ladder calls it: 2 to 32 lower-case letters, digits and hyphens, beginning with a letter. It stands in the ledger, where auditors and peers see it: name the means, not a person."`
	Kind     string   `toml:"kind" kinds:"*" show:"smtp" doc:"smtp, webhook (Standard Webhooks), alertmanager (its API v2), syslog (RFC 5424 over TCP) or command."`
	Timeout  Duration `toml:"timeout" kinds:"*" show:"10s" doc:"How long one attempt may take before the next channel is tried; 10s if absent. 1s to 60s."`
	Server   string   `toml:"server" kinds:"smtp syslog" show:"mail.example.org:587" doc:"Of smtp and syslog: host and port."`
	TLS      string   `toml:"tls" kinds:"smtp syslog" show:"starttls" doc:"Of smtp: starttls, tls, or none. Of syslog: tls (RFC 5425) or none. none is allowed towards a loopback address alone."`
	CA       string   `toml:"ca" kinds:"smtp syslog webhook alertmanager" show:"/etc/hotline/page-ca.pem" doc:"Of all but command: PEM file of the authorities that are believed; absent: those of the machine."`
	From     string   `toml:"from" kinds:"smtp" show:"hotline@example.org" doc:"Of smtp: address of the sender."`
	To       []string `toml:"to" kinds:"smtp" show:"duty@example.org" doc:"Of smtp: 1 to 16 addresses. All must be accepted, or the attempt has failed; whoever is accepted gets the mail all the same."`
	User     string   `toml:"user" kinds:"smtp alertmanager" show:"hotline" doc:"Of smtp and alertmanager: user name; absent: without authentication."`
	Password string   `toml:"password" kinds:"smtp alertmanager" show:"credential:page-mail" doc:"Of smtp and alertmanager, with user: file:PATH or credential:NAME, as keys.passphrase."`
	URL      string   `toml:"url" kinds:"webhook alertmanager" show:"https://page.example.org/hotline" doc:"Of webhook: where to post. Of alertmanager: its address, without /api/v2. https, or http towards a loopback address."`
	Secret   string   `toml:"secret" kinds:"webhook" show:"credential:page-hook" doc:"Of webhook: file:PATH or credential:NAME of the signing secret: whsec_ and base64 of 24 to 64 bytes (HMAC-SHA256), or whsk_ and base64 of an Ed25519 secret key."`
	Argv     []string `toml:"argv" kinds:"command" show:"/usr/local/bin/wake" doc:"Of command: the program, as an absolute path, and its arguments, without a shell. It gets the page as JSON on its standard input; 0 means that it was delivered. At the end of the attempt its whole process group is killed."`
}

// Duration is a time.Duration that is written as in Go: "500ms", "2s", "1m30s".
type Duration struct{ time.Duration }

// UnmarshalText reads "500ms". A number without a unit is refused.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("%q is not a duration: write it like 500ms or 2s", text)
	}
	d.Duration = v
	return nil
}

// MarshalText writes what UnmarshalText reads.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// Default is the configuration before a file is read. A node on its own needs only party, node, documents and keys.dir beside
// it.
func Default() *Config {
	return &Config{
		Data:      "/var/lib/hotline",
		Listen:    "[::]:4870",
		Keys:      Keys{Passphrase: "prompt"},
		Group:     Group{Heartbeat: Duration{400 * time.Millisecond}, Election: Duration{400 * time.Millisecond}, SnapshotEvery: 1024},
		Limits:    Limits{PeerRate: 200, PeerBurst: 400},
		Metrics:   Metrics{Listen: ""},
		Territory: Territory{Prefixes: []string{}},
		Log:       Log{Level: "info", Format: "text"},
	}
}

// Load reads, checks and completes the file at path. Relative paths in it are taken from its directory. Every error begins
// with the path; a node must not start on any of them.
func Load(path string) (*Config, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, MaxFile+1))
	if err != nil {
		return nil, fmt.Errorf("configuration %s: %w", path, err)
	}
	if len(data) > MaxFile {
		return nil, fmt.Errorf("configuration %s: larger than %d bytes: this is not a configuration of hotlined", path, MaxFile)
	}
	c, err := Parse(data)
	if err != nil {
		return nil, fmt.Errorf("configuration %s: %w", path, err)
	}
	base, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("configuration %s: %w", path, err)
	}
	c.resolve(base)
	return c, nil
}

// Parse reads and checks the text of a configuration file over the defaults. Paths stay as they are written.
func Parse(data []byte) (*Config, error) {
	c := Default()
	decoder := toml.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(c); err != nil {
		return nil, explain(err)
	}
	if err := c.Validate(); err != nil {
		return nil, err
	}
	return c, nil
}

// explain turns an error of the TOML reader into one that names lines and says what to write instead.
func explain(err error) error {
	var unknown *toml.StrictMissingError
	if errors.As(err, &unknown) {
		all := make([]error, 0, len(unknown.Errors))
		for i := range unknown.Errors {
			line, _ := unknown.Errors[i].Position()
			key := strings.Join(unknown.Errors[i].Key(), ".")
			all = append(all, fmt.Errorf("line %d: unknown key %q: %s", line, key, suggest(key)))
		}
		return errors.Join(all...)
	}
	var broken *toml.DecodeError
	if errors.As(err, &broken) {
		line, column := broken.Position()
		return fmt.Errorf("line %d, column %d: %s", line, column, strings.TrimPrefix(broken.Error(), "toml: "))
	}
	return err
}

// resolve makes the paths absolute.
func (c *Config) resolve(base string) {
	for _, p := range []*string{&c.Data, &c.Documents, &c.Keys.Dir} {
		*p = absolute(base, *p)
	}
	if file, ok := strings.CutPrefix(c.Keys.Passphrase, "file:"); ok {
		c.Keys.Passphrase = "file:" + absolute(base, file)
	}
	for i := range c.Pages {
		c.Pages[i].resolve(base)
	}
	for i := range c.Sensors {
		c.Sensors[i].File = absolute(base, c.Sensors[i].File)
	}
	if c.Territory.Countries != "" {
		c.Territory.Countries = absolute(base, c.Territory.Countries)
	}
}

func absolute(base, path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(base, path)
}
