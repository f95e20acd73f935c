package keys

import (
	"bytes"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/fxamacker/cbor/v2"
	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/chacha20poly1305"
)

// Purposes of key files. A file says what its key is for, and loading it for
// something else is refused, so that an officer's key never signs as a log.
// Other purposes are allowed: 1 to MaxPurpose characters of a-z, 0-9 and "-".
const (
	PurposeRoot      = "root"
	PurposeOfficer   = "officer"
	PurposeLog       = "log"
	PurposeService   = "service"
	PurposeWitness   = "witness"
	PurposeWitnessPQ = "witness-pq"
	PurposeSealing   = "sealing"
	PurposeTLS       = "tls"
)

const (
	// MaxPurpose is the longest purpose, in bytes.
	MaxPurpose = 32
	// MaxFile bounds a key file, in bytes. The largest real one is below 3 KiB.
	MaxFile = 8 << 10

	pemType    = "HOTLINE PRIVATE KEY"
	fileFormat = "hotline-key/1"
	saltSize   = 16
)

var (
	// ErrFile says that bytes are not a key file.
	ErrFile = errors.New("not a valid key file")
	// ErrDecrypt says that a key file does not open: the passphrase is wrong
	// or the file was altered; the two cannot be told apart.
	ErrDecrypt = errors.New("wrong passphrase, or the key file was altered")
	// ErrPurpose says that a key file was made for something else.
	ErrPurpose = errors.New("key is for another purpose")
	// ErrCost says that a cost is out of bounds.
	ErrCost = errors.New("key file cost is out of bounds")
)

// Cost is what one attempt at a passphrase costs (Argon2id, RFC 9106). It is
// written into the file.
type Cost struct {
	MemoryKiB uint32
	Passes    uint32
	Lanes     uint8
}

// costArray is how a Cost stands in the header: [memory in KiB, passes, lanes].
type costArray struct {
	_         struct{} `cbor:",toarray"`
	MemoryKiB uint32
	Passes    uint32
	Lanes     uint8
}

func (a costArray) cost() Cost { return Cost{MemoryKiB: a.MemoryKiB, Passes: a.Passes, Lanes: a.Lanes} }

// Bounds of a Cost, also when reading: the header is read before it can be
// authenticated, so a hostile file could otherwise demand any amount of memory.
const (
	MaxCostMemoryKiB = 256 << 10
	MaxCostPasses    = 16
	MaxCostLanes     = 4
)

// DefaultCost is the cost of a real key: 64 MiB, 3 passes, 4 lanes (the second
// recommended option of RFC 9106 section 4).
func DefaultCost() Cost { return Cost{MemoryKiB: 64 << 10, Passes: 3, Lanes: 4} }

// TestnetCost is next to nothing: 64 KiB, one pass, one lane. A key file made with
// it is protected by little more than its file mode. For tests and for networks
// whose keys protect nothing.
func TestnetCost() Cost { return Cost{MemoryKiB: 64, Passes: 1, Lanes: 1} }

// check also holds Argon2's own lower bound of 8 KiB a lane, so that one cost
// means one computation.
func (c Cost) check() error {
	if c.Lanes < 1 || c.Lanes > MaxCostLanes || c.Passes < 1 || c.Passes > MaxCostPasses ||
		c.MemoryKiB < 8*uint32(c.Lanes) || c.MemoryKiB > MaxCostMemoryKiB {
		return fmt.Errorf("%w: %d KiB, %d passes, %d lanes; at most %d, %d, %d, and 8 KiB a lane",
			ErrCost, c.MemoryKiB, c.Passes, c.Lanes, MaxCostMemoryKiB, MaxCostPasses, MaxCostLanes)
	}
	return nil
}

// Key is what a key file holds: exactly one of Signing and Sealing is not nil.
type Key struct {
	Purpose string
	Signing *Private
	Sealing *SealingPrivate
}

// header is readable without the passphrase and is authenticated by it.
type header struct {
	_       struct{} `cbor:",toarray"`
	Format  string
	Purpose string
	Public  []byte // Public.Bytes or SealingPublic.Bytes
	Cost    costArray
	Salt    []byte
	Nonce   []byte
}

// container is the whole file. Header is kept as encoded: those bytes are the
// associated data.
type container struct {
	_          struct{} `cbor:",toarray"`
	Header     []byte
	Ciphertext []byte
}

// Encrypt returns a key file: a PEM block whose content is a CBOR array of the
// header (format, purpose, public key, Argon2id parameters, salt, nonce) and the
// seed under XChaCha20-Poly1305, with the header as associated data. Two files of
// one key differ. It fails with ErrPurpose, ErrCost or ErrPassphraseSource.
func (k *Private) Encrypt(purpose string, passphrase []byte, cost Cost) ([]byte, error) {
	if k.signer == nil {
		return nil, fmt.Errorf("%w: zero key", ErrKey)
	}
	return encryptSeed(k.seed, k.public.Bytes(), purpose, passphrase, cost)
}

// Encrypt returns a key file as Private.Encrypt does.
func (k *SealingPrivate) Encrypt(purpose string, passphrase []byte, cost Cost) ([]byte, error) {
	if k.key == nil {
		return nil, fmt.Errorf("%w: zero sealing key", ErrKey)
	}
	return encryptSeed(k.seed, k.public.Bytes(), purpose, passphrase, cost)
}

func encryptSeed(seed [SeedSize]byte, public []byte, purpose string, passphrase []byte, cost Cost) ([]byte, error) {
	if err := checkPurpose(purpose); err != nil {
		return nil, err
	}
	if err := checkPassphrase(passphrase); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPassphraseSource, err)
	}
	if err := cost.check(); err != nil {
		return nil, err
	}
	h := header{Format: fileFormat, Purpose: purpose, Public: public,
		Cost: costArray{MemoryKiB: cost.MemoryKiB, Passes: cost.Passes, Lanes: cost.Lanes},
		Salt: make([]byte, saltSize), Nonce: make([]byte, chacha20poly1305.NonceSizeX)}
	rand.Read(h.Salt)
	rand.Read(h.Nonce)
	encoded, err := cborEncode.Marshal(h)
	if err != nil {
		return nil, fmt.Errorf("encode key file: %w", err)
	}
	aead, err := fileCipher(passphrase, h)
	if err != nil {
		return nil, err
	}
	body, err := cborEncode.Marshal(container{Header: encoded, Ciphertext: aead.Seal(nil, h.Nonce, seed[:], encoded)})
	if err != nil {
		return nil, fmt.Errorf("encode key file: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: pemType, Bytes: body}), nil
}

type sealOpener interface {
	Seal(dst, nonce, plaintext, additionalData []byte) []byte
	Open(dst, nonce, ciphertext, additionalData []byte) ([]byte, error)
}

func fileCipher(passphrase []byte, h header) (sealOpener, error) {
	key := argon2.IDKey(passphrase, h.Salt, h.Cost.Passes, h.Cost.MemoryKiB, h.Cost.Lanes, chacha20poly1305.KeySize)
	defer clear(key)
	aead, err := chacha20poly1305.NewX(key)
	if err != nil {
		return nil, fmt.Errorf("key file cipher: %w", err)
	}
	return aead, nil
}

// Decrypt opens a key file. It fails with ErrFile for what is not one, ErrCost
// for one that demands more than the bounds, and ErrDecrypt for a wrong
// passphrase or an altered file.
func Decrypt(file, passphrase []byte) (Key, error) {
	h, c, err := parseFile(file)
	if err != nil {
		return Key{}, err
	}
	return h.open(c, passphrase)
}

func (h header) open(c container, passphrase []byte) (Key, error) {
	if len(passphrase) > MaxPassphrase {
		return Key{}, ErrDecrypt
	}
	aead, err := fileCipher(passphrase, h)
	if err != nil {
		return Key{}, err
	}
	plain, err := aead.Open(nil, h.Nonce, c.Ciphertext, c.Header)
	if err != nil {
		return Key{}, ErrDecrypt
	}
	seed := [SeedSize]byte(plain)
	clear(plain)
	defer clear(seed[:])
	key := Key{Purpose: h.Purpose}
	var public []byte
	if pub, parseErr := ParsePublic(h.Public); parseErr == nil {
		if key.Signing, err = FromSeed(pub.alg, seed); err == nil {
			public = key.Signing.public.Bytes()
		}
	} else if key.Sealing, err = SealingFromSeed(seed); err == nil {
		public = key.Sealing.public.Bytes()
	}
	if err != nil {
		return Key{}, err
	}
	if !bytes.Equal(public, h.Public) {
		return Key{}, fmt.Errorf("%w: private and public key do not belong together", ErrFile)
	}
	return key, nil
}

// Inspect returns the purpose and the public key (as Public.Bytes or
// SealingPublic.Bytes encode it) that a key file claims. Without the passphrase
// nothing proves the claim.
func Inspect(file []byte) (purpose string, public []byte, err error) {
	h, _, err := parseFile(file)
	if err != nil {
		return "", nil, err
	}
	return h.Purpose, h.Public, nil
}

// parseFile accepts exactly what Encrypt writes: one PEM block without headers,
// nothing around it, one encoding at each level, every length and cost in bounds.
func parseFile(file []byte) (header, container, error) {
	var h header
	var c container
	if len(file) > MaxFile {
		return h, c, fmt.Errorf("%w: larger than %d bytes", ErrFile, MaxFile)
	}
	block, _ := pem.Decode(file)
	if block == nil || block.Type != pemType || len(block.Headers) != 0 || !bytes.Equal(pem.EncodeToMemory(block), file) {
		return h, c, fmt.Errorf("%w: want one %q block and nothing else", ErrFile, pemType)
	}
	if err := decodeExact(block.Bytes, &c); err != nil {
		return h, c, fmt.Errorf("%w: %w", ErrFile, err)
	}
	if err := decodeExact(c.Header, &h); err != nil {
		return h, c, fmt.Errorf("%w: header: %w", ErrFile, err)
	}
	if h.Format != fileFormat {
		return h, c, fmt.Errorf("%w: format %q, this program reads %q", ErrFile, h.Format, fileFormat)
	}
	if err := checkPurpose(h.Purpose); err != nil {
		return h, c, fmt.Errorf("%w: %w", ErrFile, err)
	}
	if _, err := ParsePublic(h.Public); err != nil {
		if _, err := ParseSealingPublic(h.Public); err != nil {
			return h, c, fmt.Errorf("%w: it holds no known kind of key", ErrFile)
		}
	}
	if len(h.Salt) != saltSize || len(h.Nonce) != chacha20poly1305.NonceSizeX ||
		len(c.Ciphertext) != SeedSize+chacha20poly1305.Overhead {
		return h, c, fmt.Errorf("%w: salt, nonce or ciphertext of the wrong length", ErrFile)
	}
	return h, c, h.Cost.cost().check()
}

func checkPurpose(purpose string) error {
	if len(purpose) < 1 || len(purpose) > MaxPurpose {
		return fmt.Errorf("%w: purpose of %d bytes, want 1 to %d", ErrPurpose, len(purpose), MaxPurpose)
	}
	for _, r := range purpose {
		if r != '-' && (r < '0' || r > '9') && (r < 'a' || r > 'z') {
			return fmt.Errorf("%w: purpose may hold only a-z, 0-9 and -", ErrPurpose)
		}
	}
	return nil
}

// cborEncode and cborDecode are the strict modes for the fixed arrays of a key
// file. They hold for decoding only together with decodeExact.
var cborEncode, cborDecode = fileModes()

func fileModes() (cbor.EncMode, cbor.DecMode) {
	enc, err := cbor.EncOptions{
		Sort: cbor.SortBytewiseLexical, IndefLength: cbor.IndefLengthForbidden, TagsMd: cbor.TagsForbidden,
	}.EncMode()
	if err != nil {
		panic("keys: CBOR encoding options: " + err.Error())
	}
	dec, err := cbor.DecOptions{
		DupMapKey: cbor.DupMapKeyEnforcedAPF, IndefLength: cbor.IndefLengthForbidden, TagsMd: cbor.TagsForbidden,
		MaxNestedLevels: 4, MaxArrayElements: 16, MaxMapPairs: 16,
		UTF8: cbor.UTF8RejectInvalid, IntDec: cbor.IntDecConvertSignedOrFail,
	}.DecMode()
	if err != nil {
		panic("keys: CBOR decoding options: " + err.Error())
	}
	return enc, dec
}

// decodeExact decodes b and refuses it unless encoding gives the same bytes.
func decodeExact(b []byte, v any) error {
	if err := cborDecode.Unmarshal(b, v); err != nil {
		return err
	}
	again, err := cborEncode.Marshal(v)
	if err != nil {
		return err
	}
	if !bytes.Equal(again, b) {
		return errors.New("not in deterministic encoding")
	}
	return nil
}
