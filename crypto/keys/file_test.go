package keys

import (
	"bytes"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/chacha20poly1305"
)

var pass = []byte("correct horse")

func mustFile(t testing.TB, encrypt func(string, []byte, Cost) ([]byte, error), purpose string) []byte {
	t.Helper()
	file, err := encrypt(purpose, pass, TestnetCost())
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func mustSealing(t testing.TB) *SealingPrivate {
	t.Helper()
	k, err := SealingFromSeed(seedOf(1))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// Promise: a key comes back from its file with its purpose, under the right
// passphrase only; purpose and public key can be read without it.
func TestFileRoundTrip(t *testing.T) {
	for _, alg := range algorithms {
		k := mustKey(t, alg, 1)
		file := mustFile(t, k.Encrypt, PurposeLog)
		got, err := Decrypt(file, pass)
		if err != nil {
			t.Fatal(err)
		}
		if got.Purpose != PurposeLog || got.Sealing != nil || got.Signing.Public() != k.Public() {
			t.Errorf("%s: another key came back", alg)
		}
		purpose, public, err := Inspect(file)
		if err != nil || purpose != PurposeLog || !bytes.Equal(public, k.Public().Bytes()) {
			t.Errorf("%s: inspect: %q %v", alg, purpose, err)
		}
		if _, err := Decrypt(file, []byte("wrong")); !errors.Is(err, ErrDecrypt) {
			t.Errorf("%s: wrong passphrase: %v", alg, err)
		}
		if bytes.Equal(file, mustFile(t, k.Encrypt, PurposeLog)) {
			t.Errorf("%s: two files are the same, salt or nonce is fixed", alg)
		}
	}
	s := mustSealing(t)
	got, err := Decrypt(mustFile(t, s.Encrypt, PurposeSealing), pass)
	if err != nil || got.Signing != nil || got.Sealing.Public() != s.Public() {
		t.Errorf("sealing key: %v", err)
	}
}

// Promise: the default cost is the one that is documented, and works.
func TestFileDefaultCost(t *testing.T) {
	file, err := mustKey(t, Ed25519, 1).Encrypt(PurposeRoot, pass, DefaultCost())
	if err != nil {
		t.Fatal(err)
	}
	h, _, err := parseFile(file)
	if err != nil || h.Cost.cost() != (Cost{MemoryKiB: 65536, Passes: 3, Lanes: 4}) {
		t.Errorf("cost %+v, %v", h.Cost, err)
	}
	if _, err := Decrypt(file, pass); err != nil {
		t.Error(err)
	}
}

// Promise: a key file with any one bit changed is refused.
func TestFileBitFlips(t *testing.T) {
	k := mustKey(t, Ed25519, 1)
	file := mustFile(t, k.Encrypt, PurposeOfficer)
	for bit := range len(file) * 8 {
		file[bit/8] ^= 1 << (bit % 8)
		if _, err := Decrypt(file, pass); err == nil {
			t.Fatalf("flip of bit %d of %d accepted", bit, len(file)*8)
		}
		file[bit/8] ^= 1 << (bit % 8)
	}
	block, _ := pem.Decode(file)
	for bit := range len(block.Bytes) * 8 { // each bit of the content itself
		block.Bytes[bit/8] ^= 1 << (bit % 8)
		if _, err := Decrypt(pem.EncodeToMemory(block), pass); err == nil {
			t.Fatalf("flip of content bit %d accepted", bit)
		}
		block.Bytes[bit/8] ^= 1 << (bit % 8)
	}
}

// reencode writes a file with a changed header under the right passphrase, so
// that only the check in question can refuse it.
func reencode(t *testing.T, file []byte, change func(*header)) []byte {
	t.Helper()
	h, _, err := parseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	cipher, err := fileCipher(pass, h)
	if err != nil {
		t.Fatal(err)
	}
	change(&h)
	encoded, err := cborEncode.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	seed := seedOf(1)
	nonce := append(bytes.Clone(h.Nonce), make([]byte, chacha20poly1305.NonceSizeX)...)[:chacha20poly1305.NonceSizeX]
	body, err := cborEncode.Marshal(container{Header: encoded, Ciphertext: cipher.Seal(nil, nonce, seed[:], encoded)})
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: pemType, Bytes: body})
}

// Promise: a hostile file cannot demand more memory or time than the bounds.
func TestFileCostIsBounded(t *testing.T) {
	k := mustKey(t, Ed25519, 1)
	file := mustFile(t, k.Encrypt, PurposeRoot)
	for _, c := range []Cost{
		{MemoryKiB: 100 << 20, Passes: 1, Lanes: 1}, {MemoryKiB: MaxCostMemoryKiB + 1, Passes: 1, Lanes: 1},
		{MemoryKiB: 64, Passes: 0, Lanes: 1}, {MemoryKiB: 64, Passes: MaxCostPasses + 1, Lanes: 1},
		{MemoryKiB: 64, Passes: 1, Lanes: 0}, {MemoryKiB: 64, Passes: 1, Lanes: MaxCostLanes + 1},
		{MemoryKiB: 31, Passes: 1, Lanes: 4}, {},
	} {
		hostile := reencode(t, file, func(h *header) {
			h.Cost = costArray{MemoryKiB: c.MemoryKiB, Passes: c.Passes, Lanes: c.Lanes}
		})
		if _, err := Decrypt(hostile, pass); !errors.Is(err, ErrCost) {
			t.Errorf("%+v: %v", c, err)
		}
		if _, err := k.Encrypt(PurposeRoot, pass, c); !errors.Is(err, ErrCost) {
			t.Errorf("encrypt with %+v: %v", c, err)
		}
	}
}

// Promise: a file is refused when a part of its header is not as Encrypt writes
// it, even if it was authenticated with the passphrase.
func TestFileHeaderIsChecked(t *testing.T) {
	k := mustKey(t, Ed25519, 1)
	file := mustFile(t, k.Encrypt, PurposeRoot)
	if _, err := Decrypt(reencode(t, file, func(*header) {}), pass); err != nil {
		t.Fatalf("unchanged: %v", err)
	}
	for name, change := range map[string]func(*header){
		"format":      func(h *header) { h.Format = "hotline-key/2" },
		"purpose":     func(h *header) { h.Purpose = "Root" },
		"no purpose":  func(h *header) { h.Purpose = "" },
		"public":      func(h *header) { h.Public = nil },
		"other key":   func(h *header) { h.Public = mustKey(t, Ed25519, 2).Public().Bytes() },
		"salt":        func(h *header) { h.Salt = h.Salt[1:] },
		"short nonce": func(h *header) { h.Nonce = h.Nonce[1:] },
	} {
		_, err := Decrypt(reencode(t, file, change), pass)
		if !errors.Is(err, ErrFile) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Promise: a key file has one form; nothing may stand around or inside the block.
func TestFileHasOneForm(t *testing.T) {
	file := mustFile(t, mustKey(t, Ed25519, 1).Encrypt, PurposeRoot)
	text := string(file)
	for name, bad := range map[string]string{
		"empty":      "",
		"before":     "note\n" + text,
		"after":      text + "\n",
		"twice":      text + text,
		"crlf":       strings.ReplaceAll(text, "\n", "\r\n"),
		"pem header": strings.Replace(text, "-----\n", "-----\nNote: x\n\n", 1),
		"type":       strings.ReplaceAll(text, "HOTLINE", "OTHER"),
		"no newline": strings.TrimSuffix(text, "\n"),
		"too large":  text + strings.Repeat("x", MaxFile),
	} {
		if _, err := Decrypt([]byte(bad), pass); !errors.Is(err, ErrFile) {
			t.Errorf("%s: %v", name, err)
		}
	}
	block, _ := pem.Decode(file)
	for name, content := range map[string][]byte{
		"long array head": append([]byte{0x98, 2}, block.Bytes[1:]...),
		"indefinite":      append(append([]byte{0x9f}, block.Bytes[1:]...), 0xff),
		"bytes after":     append(bytes.Clone(block.Bytes), 0),
		"tag":             append([]byte{0xd9, 0xd9, 0xf7}, block.Bytes...),
	} {
		if _, err := Decrypt(pem.EncodeToMemory(&pem.Block{Type: pemType, Bytes: content}), pass); !errors.Is(err, ErrFile) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Promise: Encrypt refuses empty passphrases, bad purposes and zero keys.
func TestEncryptRefuses(t *testing.T) {
	k := mustKey(t, Ed25519, 1)
	for _, p := range [][]byte{nil, {}, bytes.Repeat([]byte("x"), MaxPassphrase+1)} {
		if _, err := k.Encrypt(PurposeRoot, p, TestnetCost()); !errors.Is(err, ErrPassphraseSource) {
			t.Errorf("passphrase of %d bytes: %v", len(p), err)
		}
	}
	for _, purpose := range []string{"", "Root", "a b", "é", strings.Repeat("a", MaxPurpose+1)} {
		if _, err := k.Encrypt(purpose, pass, TestnetCost()); !errors.Is(err, ErrPurpose) {
			t.Errorf("purpose %q: %v", purpose, err)
		}
	}
	if _, err := new(Private).Encrypt(PurposeRoot, pass, TestnetCost()); !errors.Is(err, ErrKey) {
		t.Errorf("zero key: %v", err)
	}
	if _, err := new(SealingPrivate).Encrypt(PurposeRoot, pass, TestnetCost()); !errors.Is(err, ErrKey) {
		t.Errorf("zero sealing key: %v", err)
	}
}

// Promise: Write makes a file that only its owner can use and never replaces one.
func TestWrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	if err := Write(path, []byte("one")); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if err := Write(path, []byte("two")); !errors.Is(err, fs.ErrExist) {
		t.Errorf("second write: %v", err)
	}
	if got, _ := os.ReadFile(path); string(got) != "one" {
		t.Errorf("file holds %q", got)
	}
	if err := Write(filepath.Join(path, "below"), nil); err == nil {
		t.Error("wrote below a file")
	}
}

// Promise: a key is loaded only for the purpose it was made for, and the error
// names both.
// Promise: a file that is there is whole, for whoever looks at whatever moment.
func TestCreatedFilesAreWhole(t *testing.T) {
	data := bytes.Repeat([]byte("line\n"), 8000)
	for range 100 {
		dir := t.TempDir()
		path := filepath.Join(dir, "document")
		seen := make(chan []byte, 1)
		go func() {
			for {
				if b, err := os.ReadFile(path); err == nil {
					seen <- b
					return
				}
			}
		}()
		if err := Create(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
		if b := <-seen; !bytes.Equal(b, data) {
			t.Fatalf("%d of %d bytes are there", len(b), len(data))
		}
		if err := Create(path, []byte("other"), 0o644); !errors.Is(err, fs.ErrExist) {
			t.Fatalf("what is there is written over: %v", err)
		}
		info, err := os.Stat(path)
		if list, _ := os.ReadDir(dir); err != nil || info.Mode().Perm() != 0o644 || len(list) != 1 {
			t.Fatalf("%v, %v, beside it %v", info.Mode(), err, list)
		}
	}
}

func TestLoadChecksPurpose(t *testing.T) {
	dir := t.TempDir()
	sign, seal := filepath.Join(dir, "sign"), filepath.Join(dir, "seal")
	k, s := mustKey(t, ES256, 1), mustSealing(t)
	if err := Write(sign, mustFile(t, k.Encrypt, PurposeOfficer)); err != nil {
		t.Fatal(err)
	}
	if err := Write(seal, mustFile(t, s.Encrypt, PurposeSealing)); err != nil {
		t.Fatal(err)
	}
	if got, err := Load(sign, PurposeOfficer, pass); err != nil || got.Public() != k.Public() {
		t.Errorf("load: %v", err)
	}
	if got, err := LoadSealing(seal, PurposeSealing, pass); err != nil || got.Public() != s.Public() {
		t.Errorf("load sealing: %v", err)
	}
	_, err := Load(sign, PurposeLog, pass)
	if !errors.Is(err, ErrPurpose) || !strings.Contains(err.Error(), `"officer"`) || !strings.Contains(err.Error(), `"log"`) {
		t.Errorf("wrong purpose: %v", err)
	}
	if _, err := Load(seal, PurposeSealing, pass); !errors.Is(err, ErrKey) {
		t.Errorf("sealing key as signing key: %v", err)
	}
	if _, err := LoadSealing(sign, PurposeOfficer, pass); !errors.Is(err, ErrKey) {
		t.Errorf("signing key as sealing key: %v", err)
	}
	if _, err := Load(filepath.Join(dir, "none"), PurposeLog, pass); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
	if _, err := Load(sign, PurposeOfficer, []byte("wrong")); !errors.Is(err, ErrDecrypt) {
		t.Errorf("wrong passphrase: %v", err)
	}
}

// Promise: no bytes make Decrypt fail in another way than by an error, and what
// it opens is written in exactly one form.
func FuzzDecrypt(f *testing.F) {
	k, err := FromSeed(Ed25519, seedOf(1))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(mustFile(f, k.Encrypt, PurposeTLS))
	f.Add([]byte("-----BEGIN HOTLINE PRIVATE KEY-----\ngkBA\n-----END HOTLINE PRIVATE KEY-----\n"))
	f.Fuzz(func(t *testing.T, file []byte) {
		h, c, err := parseFile(file)
		if err != nil {
			return
		}
		body, err := cborEncode.Marshal(c)
		if err != nil || !bytes.Equal(pem.EncodeToMemory(&pem.Block{Type: pemType, Bytes: body}), file) {
			t.Errorf("a second form was accepted: %v", err)
		}
		if h.Cost.MemoryKiB > 1024 || h.Cost.Passes > 2 {
			return // allowed, but too slow to try here
		}
		if _, err := Decrypt(file, pass); err == nil && h.Purpose != PurposeTLS {
			t.Error("an altered file opened")
		}
	})
}
