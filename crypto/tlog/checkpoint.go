package tlog

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"example.org/hotline/crypto/keys"
)

// MaxCheckpoint is the longest checkpoint that ParseCheckpoint reads, in bytes:
// C2SP signed-note wants at least 16 signatures accepted, each up to nearly 5 kB.
const MaxCheckpoint = 128 << 10

// maxOrigin bounds the origin line in bytes.
const maxOrigin = 255

// noteEd25519 is the signature type identifier byte of Ed25519 in C2SP signed-note.
const noteEd25519 = 0x01

// ErrCheckpoint is wrapped by every error about a checkpoint that cannot be
// trusted: not the form of C2SP tlog-checkpoint, another origin, or no valid
// signature of the key.
var ErrCheckpoint = errors.New("checkpoint refused")

// Checkpoint is the head of a log, C2SP tlog-checkpoint
// (https://c2sp.org/tlog-checkpoint), without extension lines.
type Checkpoint struct {
	Origin string
	Size   uint64
	Root   Hash
}

// Origin is the origin line of a party's log: "hotline/<party>/<generation>".
func Origin(party string, generation uint64) string {
	return "hotline/" + party + "/" + strconv.FormatUint(generation, 10)
}

// Text is the signed text of the checkpoint: origin, size in decimal, root in
// base64, each with a newline.
func (c Checkpoint) Text() string {
	return c.Origin + "\n" + strconv.FormatUint(c.Size, 10) + "\n" + base64.StdEncoding.EncodeToString(c.Root[:]) + "\n"
}

// Validate checks the bounds: an origin of 1 to 255 bytes of printable ASCII
// without space and plus, a size below MaxSize, and for size 0 the empty root.
func (c Checkpoint) Validate() error {
	if c.Origin == "" || len(c.Origin) > maxOrigin {
		return fmt.Errorf("%w: origin of %d bytes, want 1 to %d", ErrCheckpoint, len(c.Origin), maxOrigin)
	}
	for i := range len(c.Origin) {
		// signed-note forbids space and plus in a key name; ASCII alone leaves no
		// two origins that look the same.
		if b := c.Origin[i]; b <= ' ' || b > '~' || b == '+' {
			return fmt.Errorf("%w: byte %#02x in origin", ErrCheckpoint, b)
		}
	}
	if c.Size >= MaxSize {
		return fmt.Errorf("%w: size %d is not below %d", ErrCheckpoint, c.Size, uint64(MaxSize))
	}
	if c.Size == 0 && c.Root != emptyRoot() {
		return fmt.Errorf("%w: size 0 with another root than the empty tree", ErrCheckpoint)
	}
	return nil
}

// SignCheckpoint returns c as a signed note with one Ed25519 signature, whose key
// name is the origin. The same checkpoint and key always give the same bytes. The
// signature is verified before it is handed out.
func SignCheckpoint(c Checkpoint, s keys.Signer) ([]byte, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	k, err := newNoteKey(c.Origin, s.Public())
	if err != nil {
		return nil, fmt.Errorf("sign checkpoint: %w", err)
	}
	k.signer = s
	b, err := note.Sign(&note.Note{Text: c.Text()}, k)
	if err != nil {
		return nil, fmt.Errorf("sign checkpoint: %w", err)
	}
	return b, nil
}

// ParseCheckpoint reads a checkpoint of the given origin signed by the given
// Ed25519 key. It is strict: the text must be exactly the one that Text gives, so
// no extension lines, leading zeros or other spellings of the root; the key's
// signature must be there, verify, and be spelt canonically. Signatures of
// other keys are ignored, as signed-note demands. Every error wraps
// ErrCheckpoint, unless key is unusable.
func ParseCheckpoint(b []byte, origin string, key keys.Public) (Checkpoint, error) {
	k, err := newNoteKey(origin, key)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("parse checkpoint: %w", err)
	}
	if len(b) > MaxCheckpoint {
		return Checkpoint{}, fmt.Errorf("%w: %d bytes, at most %d are read", ErrCheckpoint, len(b), MaxCheckpoint)
	}
	n, err := note.Open(b, note.VerifierList(k))
	if err != nil {
		return Checkpoint{}, fmt.Errorf("%w: %w", ErrCheckpoint, err)
	}
	for _, sig := range n.Sigs {
		if _, err := base64.StdEncoding.Strict().DecodeString(sig.Base64); err != nil {
			return Checkpoint{}, fmt.Errorf("%w: signature not in canonical base64", ErrCheckpoint)
		}
	}
	c, err := parseText(n.Text)
	if err != nil {
		return Checkpoint{}, err
	}
	if c.Origin != origin {
		return Checkpoint{}, fmt.Errorf("%w: origin %q, want %q", ErrCheckpoint, c.Origin, origin)
	}
	return c, nil
}

func parseText(text string) (Checkpoint, error) {
	lines := strings.Split(text, "\n")
	if len(lines) != 4 || lines[3] != "" {
		return Checkpoint{}, fmt.Errorf("%w: %d lines, want origin, size and root only", ErrCheckpoint, len(lines)-1)
	}
	size, err := strconv.ParseUint(lines[1], 10, 64)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("%w: size is not a decimal number", ErrCheckpoint)
	}
	root, err := base64.StdEncoding.DecodeString(lines[2])
	if err != nil || len(root) != sha256.Size {
		return Checkpoint{}, fmt.Errorf("%w: root is not 32 bytes in base64", ErrCheckpoint)
	}
	c := Checkpoint{Origin: lines[0], Size: size, Root: Hash(root)}
	if c.Text() != text {
		return Checkpoint{}, fmt.Errorf("%w: size or root not in canonical form", ErrCheckpoint)
	}
	return c, c.Validate()
}

// noteKey is a key under the name that a signed note gives it.
type noteKey struct {
	name   string
	hash   uint32
	public keys.Public
	signer keys.Signer // nil to verify only
}

// newNoteKey computes the key ID as signed-note recommends:
// SHA-256(name || 0x0A || 0x01 || public key)[:4].
func newNoteKey(name string, public keys.Public) (*noteKey, error) {
	if public.Algorithm() != keys.Ed25519 {
		return nil, fmt.Errorf("%w: a log key must be Ed25519, not %v", keys.ErrAlgorithm, public.Algorithm())
	}
	sum := sha256.Sum256(append([]byte(name), append([]byte{0x0A, noteEd25519}, public.Raw()...)...))
	return &noteKey{name: name, hash: binary.BigEndian.Uint32(sum[:4]), public: public}, nil
}

func (k *noteKey) Name() string                { return k.name }
func (k *noteKey) KeyHash() uint32             { return k.hash }
func (k *noteKey) Verify(msg, sig []byte) bool { return k.public.Verify(msg, sig) == nil }

func (k *noteKey) Sign(msg []byte) ([]byte, error) {
	sig, err := k.signer.Sign(msg)
	if err != nil {
		return nil, err
	}
	return sig, k.public.Verify(msg, sig)
}
