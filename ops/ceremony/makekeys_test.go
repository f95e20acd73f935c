package ceremony

import (
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"example.org/hotline/crypto/keys"
	"example.org/hotline/hotline"
)

var (
	rootPass  = []byte("root passphrase")
	groupPass = []byte("group passphrase")
	cheap     = keys.TestnetCost()
)

// party makes the keys of a party, one node and two officers, and returns the directory that holds them.
func party(t *testing.T, code hotline.Party) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), string(code))
	if _, _, err := InitParty(dir, code, rootPass, groupPass, cheap); err != nil {
		t.Fatal(err)
	}
	name := string(code)
	if _, err := NewNode(filepath.Join(dir, "node"), name+"-1", "127.0.0.1:7401", filepath.Join(dir, GroupDir), groupPass, cheap); err != nil {
		t.Fatal(err)
	}
	for officer, alg := range map[string]keys.Algorithm{"-L1": keys.Ed25519, "-O1": keys.ES256} {
		if _, err := NewOfficer(dir, name+officer, alg, rootPass, cheap); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestNodeOpensItsKeyDirectory: one passphrase opens every file of a node, each for its own purpose, with the algorithm of the
// suite, readable by the owner alone, and the public files say the same keys.
func TestNodeOpensItsKeyDirectory(t *testing.T) {
	dir := party(t, "XA")
	group, err := LoadGroup(filepath.Join(dir, GroupDir))
	if err != nil {
		t.Fatal(err)
	}
	for _, purpose := range append(slices.Clone(GroupPurposes), keys.PurposeTLS) {
		path := filepath.Join(dir, "node", purpose+KeyExt)
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
		if purpose == keys.PurposeSealing {
			k, err := keys.LoadSealing(path, purpose, groupPass)
			if err != nil || k.Public() != group[purpose].Sealing {
				t.Errorf("%s: %v", path, err)
			}
			continue
		}
		want := keys.Ed25519
		if purpose == keys.PurposeWitnessPQ {
			want = keys.MLDSA44
		}
		k, err := keys.Load(path, purpose, groupPass)
		if err != nil || k.Public().Algorithm() != want {
			t.Fatalf("%s: %v", path, err)
		}
		if purpose != keys.PurposeTLS && k.Public() != group[purpose].Signing {
			t.Errorf("%s: the public file holds another key", path)
		}
	}
	if _, err := keys.Load(filepath.Join(dir, RootKeyFile), keys.PurposeRoot, groupPass); !errors.Is(err, keys.ErrDecrypt) {
		t.Errorf("the group's passphrase opens the root key: %v", err)
	}
	node, err := LoadPublicKey(filepath.Join(dir, "node", "XA-1.pub"), keys.PurposeTLS)
	if err != nil || node.Name != "XA-1" || node.Address != "127.0.0.1:7401" {
		t.Errorf("node's public file: %+v, %v", node, err)
	}
}

// TestKeysAreNeverOverwritten: whichever file of a set stands there already, it stays as it is and no other file of the set is made.
func TestKeysAreNeverOverwritten(t *testing.T) {
	full := t.TempDir()
	if _, _, err := InitParty(full, "XA", rootPass, groupPass, cheap); err != nil {
		t.Fatal(err)
	}
	var names []string
	err := filepath.WalkDir(full, func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			name, _ := filepath.Rel(full, path)
			names = append(names, name)
		}
		return err
	})
	if err != nil || len(names) != 12 {
		t.Fatalf("a party has %d files, want 12 (%v)", len(names), err)
	}
	for _, name := range names {
		dir := t.TempDir()
		if err := os.MkdirAll(filepath.Join(dir, GroupDir), 0o700); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, err := InitParty(dir, "XA", rootPass, groupPass, cheap); !errors.Is(err, fs.ErrExist) {
			t.Errorf("%s is there: %v", name, err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != "mine" {
			t.Errorf("%s was changed", name)
		}
		root, err1 := filepath.Glob(filepath.Join(dir, "*.*"))
		group, err2 := filepath.Glob(filepath.Join(dir, GroupDir, "*"))
		if err := errors.Join(err1, err2); err != nil || len(root)+len(group) != 1 {
			t.Errorf("%s was there, and now %v %v (%v)", name, root, group, err)
		}
	}
}

// TestNodeIsNotMadeOfWrongParts: a node that could not start, or would speak for another party, is refused and leaves nothing.
func TestNodeIsNotMadeOfWrongParts(t *testing.T) {
	a, b := party(t, "XA"), party(t, "XB")
	mixed := filepath.Join(t.TempDir(), "group")
	if err := os.CopyFS(mixed, os.DirFS(filepath.Join(a, GroupDir))); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"witness.pub", "service.key"} {
		file, err := os.ReadFile(filepath.Join(b, GroupDir, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(mixed, name), file, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	groupA := filepath.Join(a, GroupDir)
	cases := map[string]struct {
		name, addr, group string
		pass              []byte
		want              string
	}{
		"other party":      {"XB-1", "127.0.0.1:1", groupA, groupPass, "holds the keys of XA, not of XB"},
		"wrong passphrase": {"XA-2", "127.0.0.1:1", groupA, rootPass, "wrong passphrase"},
		"mixed group":      {"XA-2", "127.0.0.1:1", mixed, groupPass, "the public file beside it holds another key"},
		"no group":         {"XA-2", "127.0.0.1:1", a, groupPass, "log.key"},
		"no port":          {"XA-2", "127.0.0.1", groupA, groupPass, "is not the IP:port"},
		"port zero":        {"XA-2", "127.0.0.1:0", groupA, groupPass, "is not the IP:port"},
		"any address":      {"XA-2", "[::]:4870", groupA, groupPass, "is not the IP:port"},
		"name":             {"XA", "127.0.0.1:1", groupA, groupPass, "is no role name"},
		"small letters":    {"XA-a", "127.0.0.1:1", groupA, groupPass, "is no role name"},
	}
	for what, tc := range cases {
		dir := filepath.Join(t.TempDir(), "node")
		_, err := NewNode(dir, tc.name, tc.addr, tc.group, tc.pass, cheap)
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: want an error with %q, got %v", what, tc.want, err)
		}
		if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: something was written", what)
		}
	}
}

// TestAlteredPublicFileIsNoticed: whatever part of a public key file is changed, it no longer reads as a key for that place.
func TestAlteredPublicFileIsNoticed(t *testing.T) {
	k, err := NewOfficer(t.TempDir(), "XA-L1", keys.ES256, rootPass, cheap)
	if err != nil {
		t.Fatal(err)
	}
	text, err := k.Encode()
	if err != nil {
		t.Fatal(err)
	}
	back, err := ParsePublicKey(text)
	if err != nil || !reflect.DeepEqual(back, k) {
		t.Fatalf("read back %+v: %v", back, err)
	}
	proof := hex.EncodeToString(k.Possession)
	damaged := hex.EncodeToString(append([]byte{k.Possession[0] ^ 1}, k.Possession[1:]...))
	cases := map[string][2]string{
		"purpose":     {"'officer'", "'root'"},
		"no purpose":  {"'officer'", "'friend'"},
		"name":        {"'XA-L1'", "'XA'"},
		"algorithm":   {"'ES256'", "'Ed25519'"},
		"fingerprint": {"fingerprint = '", "fingerprint = '0"},
		"key":         {"key = '8226", "key = '8232"},
		"unknown":     {"name =", "nom = 'x'\nname ="},
		"address":     {"name =", "address = '127.0.0.1:1'\nname ="},
		"party":       {"'XA-L1'", "'XB-L1'"}, // the key says that it is XA's
		"proof":       {proof, damaged},
		"capitals":    {proof, strings.ToUpper(proof)},
		"half proof":  {proof, proof[:64]},
		"no proof":    {"possession = '" + proof + "'\n", ""},
	}
	for what, change := range cases {
		altered := strings.Replace(string(text), change[0], change[1], 1)
		if altered == string(text) {
			t.Fatalf("%s: nothing was changed", what)
		}
		if _, err := ParsePublicKey([]byte(altered)); !errors.Is(err, keys.ErrKey) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestPublicFilesProvePossession: every key that a directory lists is made with the proof that its party holds it, in the file that
// goes to whoever drafts the page; a root key proves it under the convention, and a sealing key cannot (SPEC §5.3 rules 3 and 10).
func TestPublicFilesProvePossession(t *testing.T) {
	dir := party(t, "XA")
	for path, purpose := range map[string]string{"root.pub": keys.PurposeRoot, "group/log.pub": keys.PurposeLog, "group/service.pub": keys.PurposeService,
		"group/witness.pub": keys.PurposeWitness, "group/witness-pq.pub": keys.PurposeWitnessPQ, "group/sealing.pub": keys.PurposeSealing,
		"node/XA-1.pub": keys.PurposeTLS, "XA-L1.pub": keys.PurposeOfficer, "XA-O1.pub": keys.PurposeOfficer} {
		k, err := LoadPublicKey(filepath.Join(dir, path), purpose)
		if err != nil {
			t.Fatal(err)
		}
		listed := purpose != keys.PurposeRoot && purpose != keys.PurposeSealing
		if listed != hotline.VerifyPossession("XA", k.Signing, k.Possession) || !listed && k.Possession != nil {
			t.Errorf("%s: possession %x", path, k.Possession)
		}
		if listed && hotline.VerifyPossession("XB", k.Signing, k.Possession) {
			t.Errorf("%s proves that XB holds the key", path)
		}
		if text, err := k.Encode(); !listed && err == nil {
			if _, err := ParsePublicKey(append(text, "possession = '00'\n"...)); !errors.Is(err, keys.ErrKey) {
				t.Errorf("%s with a proof: %v", path, err)
			}
		}
	}
}

// TestRelockKeepsTheKey: another passphrase opens the new file, the key and its purpose are the same, and the old file stays.
func TestRelockKeepsTheKey(t *testing.T) {
	dir := party(t, "XA")
	for _, path := range []string{RootKeyFile, "node/sealing.key"} {
		from, to := filepath.Join(dir, path), filepath.Join(dir, "new-"+filepath.Base(path))
		old := rootPass
		if path != RootKeyFile {
			old = groupPass
		}
		if err := Relock(from, to, []byte("wrong"), []byte("next"), cheap); !errors.Is(err, keys.ErrDecrypt) {
			t.Errorf("a wrong passphrase is answered with %v", err)
		}
		if err := Relock(from, to, old, []byte("next"), cheap); err != nil {
			t.Fatal(err)
		}
		before, after := decrypt(t, from, old), decrypt(t, to, []byte("next"))
		same := before.Signing != nil && before.Signing.Public() == after.Signing.Public() ||
			before.Sealing != nil && before.Sealing.Public() == after.Sealing.Public()
		if !same || before.Purpose != after.Purpose {
			t.Errorf("%s became another key", path)
		}
		if err := Relock(from, to, old, []byte("next"), cheap); !errors.Is(err, fs.ErrExist) {
			t.Errorf("an existing file is answered with %v", err)
		}
	}
}

func decrypt(t *testing.T, path string, pass []byte) keys.Key {
	t.Helper()
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	k, err := keys.Decrypt(file, pass)
	if err != nil {
		t.Fatal(err)
	}
	return k
}
