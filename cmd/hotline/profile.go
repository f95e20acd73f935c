package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"

	"example.org/hotline/hotline"
	"example.org/hotline/ops/ceremony"
	"example.org/hotline/ops/sensor"
	"example.org/hotline/ops/strict"
)

// profileFile is the name of the officer's settings in the home directory.
const profileFile = "profile.toml"

// maxProfile bounds that file, in bytes: a long list of prefixes fits.
const maxProfile = 1 << 20

// profile is what the officer's machine must know before it talks to anybody. Everything else follows from signed documents.
type profile struct {
	Party      string   `toml:"party"`
	Officer    string   `toml:"officer"`    // role name, XA-L3
	Key        string   `toml:"key"`        // path of the private key file
	Passphrase string   `toml:"passphrase"` // prompt, file:PATH or credential:NAME
	Documents  string   `toml:"documents"`  // directory of signed documents
	Convention string   `toml:"convention"` // id of the convention, 64 hexadecimal digits: the one thing that is trusted
	Node       []string `toml:"node"`       // NAME=IP:port: other addresses than the directory's
	Prefixes   []string `toml:"prefixes"`   // the party's own networks, for detect

	pin hotline.ID
}

// loadProfile reads and checks the settings. Relative paths are taken from the home directory. Every error names the file.
func loadProfile(home string) (*profile, error) {
	path := filepath.Join(home, profileFile)
	text, err := ceremony.ReadFile(path, maxProfile)
	if err != nil {
		return nil, fmt.Errorf("settings: %w", err)
	}
	p, err := parseProfile(text)
	if err != nil {
		return nil, refused(codeFile, "mend the settings", "%s: %v", path, err)
	}
	for _, place := range []*string{&p.Key, &p.Documents} {
		*place = below(home, *place)
	}
	if file, ok := strings.CutPrefix(p.Passphrase, "file:"); ok {
		p.Passphrase = "file:" + below(home, file)
	}
	return p, nil
}

func below(dir, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

// parseProfile reads the text of the settings strictly: a key that is not known is more often a slip than an intention.
func parseProfile(text []byte) (*profile, error) {
	p := &profile{Passphrase: "prompt", Documents: "documents"}
	if _, err := strict.Read(text, maxProfile, p); err != nil {
		return nil, err
	}
	switch {
	case !hotline.Party(p.Party).Valid():
		return nil, fmt.Errorf("party %q is no party code", p.Party)
	case !strings.HasPrefix(p.Officer, p.Party+"-"):
		return nil, fmt.Errorf("officer %q is no role name of %s, as %s-O1", p.Officer, p.Party, p.Party)
	case p.Key == "":
		return nil, errors.New("key is missing: the path of your private key file")
	case p.Documents == "":
		return nil, errors.New("documents is empty: the directory of signed documents")
	}
	pin, err := hex.DecodeString(p.Convention)
	if err != nil || len(pin) != len(p.pin) || hex.EncodeToString(pin) != p.Convention {
		return nil, errors.New("convention is not the id of a convention, 64 lower-case hexadecimal digits")
	}
	copy(p.pin[:], pin)
	if p.pin.IsZero() { // any convention would fit
		return nil, errors.New("convention is nothing but zeros, and that is the id of a convention nowhere")
	}
	for _, n := range p.Node {
		name, addr, ok := strings.Cut(n, "=")
		if a, err := netip.ParseAddrPort(addr); !ok || err != nil || a.Port() == 0 || !strings.HasPrefix(name, p.Party+"-") {
			return nil, fmt.Errorf("node %q is not NAME=IP:port, as %s-1=192.0.2.1:4870", n, p.Party)
		}
	}
	if _, err := sensor.NewPrefixes(p.Prefixes); err != nil {
		return nil, fmt.Errorf("prefixes: %w", err)
	}
	return p, nil
}

// addressOf returns where a node is: as the settings say, or else as the directory does.
func (p *profile) addressOf(n *hotline.Node) string {
	for _, entry := range p.Node {
		if name, addr, _ := strings.Cut(entry, "="); name == n.Name {
			return addr
		}
	}
	return n.Addr
}
