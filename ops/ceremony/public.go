package ceremony

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"example.org/hotline/crypto/keys"
	"example.org/hotline/hotline"
	"example.org/hotline/ops/strict"
)

// MaxPublicFile bounds a public key file, in bytes. The largest real one, of an ML-DSA-44 key with its proof, is below 8 KiB.
const MaxPublicFile = 16 << 10

// Endings of the names of key files. The public file of X.key is X.pub.
const (
	KeyExt    = ".key"
	PublicExt = ".pub"
)

// PublicKey is a public key with its place: what a public key file says. Exactly one of Signing and Sealing is set. Nothing proves
// that the file comes from whom it names: two people compare the fingerprint.
type PublicKey struct {
	Purpose    string             // as in the private key file: root, officer, tls …
	Name       string             // XA for keys of a party or its group, XA-L3 for an officer, XA-1 for a node
	Address    string             // of a node: IP:port
	Signing    keys.Public        // zero for a sealing key
	Sealing    keys.SealingPublic // zero for all others
	Possession []byte             // of a key that a directory lists with one (SPEC §5.3 rule 10); a root key proves it under the convention
}

// publicFile is the text form of a PublicKey.
type publicFile struct {
	Purpose     string `toml:"purpose"`
	Name        string `toml:"name"`
	Address     string `toml:"address,omitempty"`
	Algorithm   string `toml:"algorithm"`
	Fingerprint string `toml:"fingerprint"`
	Key         string `toml:"key"`
	Possession  string `toml:"possession,omitempty"`
}

// Fingerprint is that of the key, in one line.
func (k *PublicKey) Fingerprint() string {
	if !k.Sealing.IsZero() {
		return oneLine(k.Sealing.Fingerprint())
	}
	return oneLine(k.Signing.Fingerprint())
}

func oneLine(fingerprint string) string { return strings.ReplaceAll(fingerprint, "\n", " ") }

// Algorithm is the name of the key's algorithm.
func (k *PublicKey) Algorithm() string {
	if !k.Sealing.IsZero() {
		return "MLKEM768-X25519"
	}
	return k.Signing.Algorithm().String()
}

// Encode returns the text of the public key file: TOML with the keys purpose, name, address (of a node only), algorithm,
// fingerprint, key, which is the key's encoding of SPEC §5, and possession (of neither a root nor a sealing key), the key's own
// signature of SPEC §5.3 rule 10, both in lower-case hexadecimal.
func (k *PublicKey) Encode() ([]byte, error) {
	f := publicFile{Purpose: k.Purpose, Name: k.Name, Address: k.Address, Algorithm: k.Algorithm(), Fingerprint: k.Fingerprint(),
		Possession: hex.EncodeToString(k.Possession)}
	var err error
	if f.Key, err = k.hexKey(); err != nil {
		return nil, err
	}
	body, err := toml.Marshal(f)
	if err != nil {
		return nil, fmt.Errorf("public key of %s: %w", k.Name, err)
	}
	return append([]byte("# Public key. Before it is used, its owner reads the fingerprint to the user over another channel.\n"), body...), nil
}

// hexKey is the text form of the key.
func (k *PublicKey) hexKey() (string, error) {
	text, err := k.Signing.MarshalText()
	if !k.Sealing.IsZero() {
		text, err = k.Sealing.MarshalText()
	}
	if err != nil {
		return "", fmt.Errorf("public key of %s: %w", k.Name, err)
	}
	return string(text), nil
}

// parseHexKey reads a signing key of a draft, whose fingerprint must fit. Spaces in a fingerprint mean nothing.
func parseHexKey(place, text, fingerprint string) (keys.Public, error) {
	var key keys.Public
	if err := key.UnmarshalText([]byte(text)); err != nil {
		return key, fmt.Errorf("%s: %w", place, err)
	}
	if strings.Join(strings.Fields(fingerprint), " ") != oneLine(key.Fingerprint()) {
		return key, hotline.Refuse(hotline.CodeDocument, "%s: the fingerprint does not fit the key", place)
	}
	return key, nil
}

// ParsePublicKey reads what Encode returns. Algorithm, fingerprint and proof of possession must fit the key, the name the purpose,
// and a node has an address. Refused with keys.ErrKey.
func ParsePublicKey(text []byte) (*PublicKey, error) {
	var f publicFile
	if _, err := strict.Read(text, MaxPublicFile, &f); err != nil {
		return nil, fmt.Errorf("%w: no public key file: %w", keys.ErrKey, err)
	}
	k := &PublicKey{Purpose: f.Purpose, Name: f.Name, Address: f.Address}
	target := any(&k.Signing)
	if f.Purpose == keys.PurposeSealing {
		target = &k.Sealing
	}
	if err := target.(interface{ UnmarshalText([]byte) error }).UnmarshalText([]byte(f.Key)); err != nil {
		return nil, err
	}
	if f.Algorithm != k.Algorithm() || f.Fingerprint != k.Fingerprint() {
		return nil, fmt.Errorf("%w: fingerprint or algorithm do not fit the key: the file was altered", keys.ErrKey)
	}
	if err := k.checkPlace(); err != nil {
		return nil, fmt.Errorf("%w: %w", keys.ErrKey, err)
	}
	if err := k.readPossession(f.Possession); err != nil {
		return nil, fmt.Errorf("%w: %w", keys.ErrKey, err)
	}
	return k, nil
}

// proves reports whether a directory lists the key with a proof of possession.
func (k *PublicKey) proves() bool {
	return k.Purpose != keys.PurposeRoot && k.Purpose != keys.PurposeSealing
}

func (k *PublicKey) readPossession(text string) (err error) {
	if !k.proves() {
		if text != "" {
			return fmt.Errorf("a %s key has no proof of possession", k.Purpose)
		}
		return nil
	}
	if text == "" {
		return fmt.Errorf("there is no proof that %s holds the key: take the public file that was made with it", partyOf(k.Name))
	}
	if k.Possession, err = parseProof(text); err != nil {
		return err
	}
	if !hotline.VerifyPossession(partyOf(k.Name), k.Signing, k.Possession) {
		return fmt.Errorf("the key does not prove that %s holds it: take the public file that was made with it, for %s", partyOf(k.Name), partyOf(k.Name))
	}
	return nil
}

// parseProof reads a signature in lower-case hexadecimal, the only form that is written.
func parseProof(text string) ([]byte, error) {
	proof, err := hex.DecodeString(text)
	if err != nil || hex.EncodeToString(proof) != text {
		return nil, hotline.Refuse(hotline.CodeDocument, "possession %.16q… is no signature in lower-case hexadecimal", text)
	}
	return proof, nil
}

func (k *PublicKey) checkPlace() error {
	if k.Purpose != keys.PurposeTLS && k.Address != "" {
		return fmt.Errorf("a key for %q has no address", k.Purpose)
	}
	switch k.Purpose {
	case keys.PurposeRoot, keys.PurposeLog, keys.PurposeService, keys.PurposeWitness, keys.PurposeWitnessPQ, keys.PurposeSealing:
		return checkParty(k.Name)
	case keys.PurposeOfficer:
		return checkRoleName(k.Name)
	case keys.PurposeTLS:
		return errors.Join(checkRoleName(k.Name), checkAddress(k.Address))
	}
	return fmt.Errorf("a key for %q is of no use here", k.Purpose)
}

func checkParty(name string) error {
	if !hotline.Party(name).Valid() {
		return hotline.Refuse(hotline.CodeDocument, "%q is no party code: 2 to 8 of A-Z and 0-9, beginning with a letter", name)
	}
	return nil
}

// checkRoleName holds names of officers and nodes to SPEC §5.3 rule 2.
func checkRoleName(name string) error {
	party, rest, ok := strings.Cut(name, "-")
	good := ok && hotline.Party(party).Valid() && rest != "" && len(name) <= hotline.MaxRoleName &&
		strings.Trim(rest, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") == ""
	if !good {
		return hotline.Refuse(hotline.CodeDocument, "%q is no role name: the party's code, a hyphen, and capital letters, digits and hyphens, like XA-L3", name)
	}
	return nil
}

func checkAddress(addr string) error {
	if a, err := netip.ParseAddrPort(addr); err != nil || a.String() != addr || a.Port() == 0 || a.Addr().IsUnspecified() {
		return hotline.Refuse(hotline.CodeDocument, "%q is not the IP:port under which others reach a node", addr)
	}
	return nil
}

// partyOf is the code before the hyphen of a role name.
func partyOf(name string) hotline.Party {
	party, _, _ := strings.Cut(name, "-")
	return hotline.Party(party)
}

// LoadPublicKey reads a public key file that was made for purpose. A file for another purpose is refused with keys.ErrPurpose.
func LoadPublicKey(path, purpose string) (*PublicKey, error) {
	text, err := ReadFile(path, MaxPublicFile)
	if err != nil {
		return nil, err
	}
	k, err := ParsePublicKey(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if k.Purpose != purpose {
		return nil, fmt.Errorf("%s: %w: this file is for %q, want %q", path, keys.ErrPurpose, k.Purpose, purpose)
	}
	return k, nil
}

// InspectKey says what a public or private key file claims to be. Of a private one it reads the open part alone: no passphrase is
// needed, nothing is proved, and it bears no name.
func InspectKey(path string) (k *PublicKey, private bool, err error) {
	data, err := ReadFile(path, max(MaxPublicFile, keys.MaxFile))
	if err != nil {
		return nil, false, err
	}
	if !bytes.HasPrefix(data, []byte("-----BEGIN ")) {
		if k, err = ParsePublicKey(data); err != nil {
			return nil, false, fmt.Errorf("%s: %w", path, err)
		}
		return k, false, nil
	}
	purpose, public, err := keys.Inspect(data)
	if err != nil {
		return nil, true, fmt.Errorf("%s: %w", path, err)
	}
	k = &PublicKey{Purpose: purpose}
	if k.Signing, err = keys.ParsePublic(public); err != nil {
		if k.Sealing, err = keys.ParseSealingPublic(public); err != nil {
			return nil, true, fmt.Errorf("%s: %w", path, err)
		}
	}
	return k, true, nil
}

// publicPath is the public file beside a private one.
func publicPath(path string) string { return strings.TrimSuffix(path, KeyExt) + PublicExt }

// newFile is one file of a set that is written whole or not at all.
type newFile struct {
	path string
	data []byte
	mode os.FileMode
}

// writeSet writes files of which none may exist. On the first error it removes what it wrote.
func writeSet(files []newFile) error {
	for _, f := range files {
		if _, err := os.Lstat(f.path); err == nil {
			return &os.PathError{Op: "create", Path: f.path, Err: os.ErrExist}
		}
	}
	for i, f := range files {
		if err := keys.Create(f.path, f.data, f.mode); err != nil {
			for _, done := range files[:i] {
				err = errors.Join(err, os.Remove(done.path))
			}
			return err
		}
	}
	return nil
}
