package ceremony

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"example.org/hotline/crypto/keys"
	"example.org/hotline/hotline"
)

// The names of files that the ceremony makes. The group's key files are named by their purpose: log.key, log.pub …
const (
	RootKeyFile = "root" + KeyExt
	TLSKeyFile  = "tls" + KeyExt
	GroupDir    = "group"
)

// GroupPurposes are the keys that all nodes of a party share, in the order in which they are shown.
var GroupPurposes = []string{keys.PurposeLog, keys.PurposeService, keys.PurposeWitness, keys.PurposeWitnessPQ, keys.PurposeSealing}

// secret is a private key of either sort.
type secret interface {
	Encrypt(purpose string, passphrase []byte, cost keys.Cost) ([]byte, error)
}

// keyPair makes the private and the public file of one key.
func keyPair(path string, public *PublicKey, private secret, passphrase []byte, cost keys.Cost) ([]newFile, error) {
	locked, err := private.Encrypt(public.Purpose, passphrase, cost)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	text, err := public.Encode()
	if err != nil {
		return nil, err
	}
	return []newFile{{path, locked, 0o600}, {publicPath(path), text, 0o644}}, nil
}

// InitParty makes the keys of a party in dir: root.key, which belongs on a medium that is kept offline, and in dir/group the keys
// of the group (GroupPurposes), each with its public file. All algorithms are those of suite 1: Ed25519, for witness-pq
// ML-DSA-44, for sealing MLKEM768-X25519. The result is the root's public key and the group's by purpose. Either all files are
// written or none; an existing one is an error that satisfies errors.Is(err, fs.ErrExist).
func InitParty(dir string, party hotline.Party, rootPass, groupPass []byte, cost keys.Cost) (root *PublicKey, group []*PublicKey, err error) {
	if err := checkParty(string(party)); err != nil {
		return nil, nil, err
	}
	root, private, err := generateSigning(PublicKey{Purpose: keys.PurposeRoot, Name: string(party)}, keys.Ed25519)
	if err != nil {
		return nil, nil, err
	}
	files, err := keyPair(filepath.Join(dir, RootKeyFile), root, private, rootPass, cost)
	if err != nil {
		return nil, nil, err
	}
	for _, purpose := range GroupPurposes {
		public, private, err := generate(purpose, string(party))
		if err != nil {
			return nil, nil, err
		}
		pair, err := keyPair(filepath.Join(dir, GroupDir, purpose+KeyExt), public, private, groupPass, cost)
		if err != nil {
			return nil, nil, err
		}
		group, files = append(group, public), append(files, pair...)
	}
	if err := os.MkdirAll(filepath.Join(dir, GroupDir), 0o700); err != nil {
		return nil, nil, err
	}
	return root, group, writeSet(files)
}

func generate(purpose, name string) (*PublicKey, secret, error) {
	public := &PublicKey{Purpose: purpose, Name: name}
	if purpose == keys.PurposeSealing {
		k, err := keys.GenerateSealing()
		if err != nil {
			return nil, nil, err
		}
		public.Sealing = k.Public()
		return public, k, nil
	}
	alg := keys.Ed25519
	if purpose == keys.PurposeWitnessPQ {
		alg = keys.MLDSA44
	}
	return generateSigning(*public, alg)
}

// generateSigning makes a signing key for a place, and the proof that the party of that place holds it, if a directory asks for one.
func generateSigning(public PublicKey, alg keys.Algorithm) (*PublicKey, *keys.Private, error) {
	private, err := keys.Generate(alg)
	if err != nil {
		return nil, nil, err
	}
	public.Signing = private.Public()
	if public.proves() {
		public.Possession, err = hotline.ProvePossession(partyOf(public.Name), private)
	}
	return &public, private, err
}

// NewOfficer makes name.key and name.pub in dir. The public file goes to whoever keeps the party's directory; the private one
// never leaves the officer. alg is Ed25519 or ES256.
func NewOfficer(dir, name string, alg keys.Algorithm, passphrase []byte, cost keys.Cost) (*PublicKey, error) {
	if err := checkRoleName(name); err != nil {
		return nil, err
	}
	if alg != keys.Ed25519 && alg != keys.ES256 {
		return nil, hotline.Refuse(hotline.CodeDocument, "an officer's key is Ed25519 or ES256, not %s", alg)
	}
	public, private, err := generateSigning(PublicKey{Purpose: keys.PurposeOfficer, Name: name}, alg)
	if err != nil {
		return nil, err
	}
	files, err := keyPair(filepath.Join(dir, name+KeyExt), public, private, passphrase, cost)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	return public, writeSet(files)
}

// NewNode makes the key directory of one node: a TLS key of its own, copies of the group's key files, and name.pub, which goes to
// whoever keeps the party's directory. passphrase must open the group's files; the TLS key gets the same, so that one passphrase
// starts the node. addr is the IP:port under which others reach the node.
func NewNode(dir, name, addr, group string, passphrase []byte, cost keys.Cost) (*PublicKey, error) {
	if err := checkRoleName(name); err != nil {
		return nil, err
	}
	if err := checkAddress(addr); err != nil {
		return nil, err
	}
	public, private, err := generateSigning(PublicKey{Purpose: keys.PurposeTLS, Name: name, Address: addr}, keys.Ed25519)
	if err != nil {
		return nil, err
	}
	locked, err := private.Encrypt(keys.PurposeTLS, passphrase, cost)
	if err != nil {
		return nil, err
	}
	text, err := public.Encode()
	if err != nil {
		return nil, err
	}
	files := []newFile{{filepath.Join(dir, TLSKeyFile), locked, 0o600}, {filepath.Join(dir, name+PublicExt), text, 0o644}}
	for _, purpose := range GroupPurposes {
		file, err := groupFile(group, purpose, partyOf(name), passphrase)
		if err != nil {
			return nil, err
		}
		files = append(files, newFile{filepath.Join(dir, purpose+KeyExt), file, 0o600})
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	return public, writeSet(files)
}

// groupFile returns a key file of the group as it is, after opening it: a node that cannot start is noticed here.
func groupFile(group, purpose string, party hotline.Party, passphrase []byte) ([]byte, error) {
	path := filepath.Join(group, purpose+KeyExt)
	file, err := ReadFile(path, keys.MaxFile)
	if err != nil {
		return nil, err
	}
	key, err := keys.Decrypt(file, passphrase)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if key.Purpose != purpose {
		return nil, fmt.Errorf("%s: %w: this file is for %q, want %q", path, keys.ErrPurpose, key.Purpose, purpose)
	}
	public, err := LoadPublicKey(publicPath(path), purpose)
	if err != nil {
		return nil, err
	}
	same := key.Signing != nil && key.Signing.Public() == public.Signing || key.Sealing != nil && key.Sealing.Public() == public.Sealing
	if !same {
		return nil, fmt.Errorf("%s: %w: the public file beside it holds another key", path, keys.ErrKey)
	}
	if public.Name != string(party) {
		return nil, hotline.Refuse(hotline.CodeDocument, "%s holds the keys of %s, not of %s", group, public.Name, party)
	}
	return file, nil
}

// LoadGroup reads the public files of a group's keys, by purpose, and checks that all are of one party.
func LoadGroup(dir string) (map[string]*PublicKey, error) {
	group := map[string]*PublicKey{}
	for _, purpose := range GroupPurposes {
		k, err := LoadPublicKey(filepath.Join(dir, purpose+PublicExt), purpose)
		if err != nil {
			return nil, err
		}
		if first := group[GroupPurposes[0]]; first != nil && first.Name != k.Name {
			return nil, hotline.Refuse(hotline.CodeDocument, "%s holds keys of %s and of %s", dir, first.Name, k.Name)
		}
		group[purpose] = k
	}
	return group, nil
}

// Algorithms that an officer's key may have, by the name that the command line takes.
var officerAlgorithms = map[string]keys.Algorithm{"ed25519": keys.Ed25519, "es256": keys.ES256}

// OfficerAlgorithm finds an algorithm by its name, in either case of letters.
func OfficerAlgorithm(name string) (keys.Algorithm, error) {
	alg, ok := officerAlgorithms[strings.ToLower(name)]
	if !ok {
		return 0, hotline.Refuse(hotline.CodeDocument, "%q is no algorithm of officers' keys: ed25519 or es256", name)
	}
	return alg, nil
}

// Relock writes the key of the file at path to a new file under another passphrase. The old file stays.
func Relock(path, to string, old, passphrase []byte, cost keys.Cost) error {
	file, err := ReadFile(path, keys.MaxFile)
	if err != nil {
		return err
	}
	key, err := keys.Decrypt(file, old)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	private := secret(key.Signing)
	if key.Sealing != nil {
		private = key.Sealing
	}
	locked, err := private.Encrypt(key.Purpose, passphrase, cost)
	if err != nil {
		return fmt.Errorf("%s: %w", to, err)
	}
	return keys.Create(to, locked, 0o600)
}
