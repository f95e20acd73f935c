package tlog

import (
	"bytes"
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

// Signature type identifier bytes of C2SP tlog-cosignature.
const (
	noteCosignEd25519 = 0x04
	noteCosignMLDSA44 = 0x06
)

// stampSize is the length in bytes of the time before each cosignature.
const stampSize = 8

// ErrCosignature is wrapped by every error about a cosignature that cannot be
// trusted.
var ErrCosignature = errors.New("cosignature refused")

// Cosigner is one key of a witness, under the name that its lines bear. The
// Ed25519 form does not sign the name, so each key must belong to one witness
// alone and to nothing else; the key hash in a line binds name, form and key.
type Cosigner struct {
	Name string
	Key  keys.Public
}

// Cosignature is a cosignature that was verified.
type Cosignature struct {
	Cosigner
	Seconds uint64 // when it was made, by the witness's clock, since 1970
}

// WitnessName is the key name under which a party cosigns (SPEC §7.5).
func WitnessName(party string) string { return "hotline/" + party + "/witness" }

// Cosign returns the signature line, with its newline, by which the witness
// called name says that at the given time it had seen c extend all that it
// cosigned of that log before (C2SP tlog-cosignature): for Ed25519 the form
// cosignature/v1, for ML-DSA-44 subtree/v1 over [0, size). seconds must not be 0:
// the line would claim no time. The signature is verified before it is handed out.
func Cosign(c Checkpoint, name string, seconds uint64, s keys.Signer) ([]byte, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("cosign: %w", err)
	}
	if seconds == 0 {
		return nil, fmt.Errorf("cosign: %w: it bears no time", ErrCosignature)
	}
	w := Cosigner{Name: name, Key: s.Public()}
	hash, err := w.hash()
	if err != nil {
		return nil, fmt.Errorf("cosign: %w", err)
	}
	msg := w.message(c, seconds)
	sig, err := s.Sign(msg)
	if err == nil {
		err = w.Key.Verify(msg, sig)
	}
	if err != nil {
		return nil, fmt.Errorf("cosign: %w", err)
	}
	b := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint32(nil, hash), seconds)
	return fmt.Appendf(nil, "— %s %s\n", name, base64.StdEncoding.EncodeToString(append(b, sig...))), nil
}

// hash is the key ID of signed-note, SHA-256(name || 0x0A || type || key)[:4].
func (w Cosigner) hash() (uint32, error) {
	var form byte
	switch w.Key.Algorithm() {
	case keys.Ed25519:
		form = noteCosignEd25519
	case keys.MLDSA44:
		form = noteCosignMLDSA44
	default:
		return 0, fmt.Errorf("%w: a witness key is Ed25519 or ML-DSA-44, not %v", keys.ErrAlgorithm, w.Key.Algorithm())
	}
	if err := (Checkpoint{Origin: w.Name, Size: 1}).Validate(); err != nil { // a key name keeps the same bounds
		return 0, fmt.Errorf("%w: name %q", ErrCosignature, w.Name)
	}
	sum := sha256.Sum256(append([]byte(w.Name+"\n"), append([]byte{form}, w.Key.Raw()...)...))
	return binary.BigEndian.Uint32(sum[:4]), nil
}

// message is what is signed.
func (w Cosigner) message(c Checkpoint, seconds uint64) []byte {
	if w.Key.Algorithm() == keys.Ed25519 {
		return []byte("cosignature/v1\ntime " + strconv.FormatUint(seconds, 10) + "\n" + c.Text())
	}
	b := append([]byte("subtree/v1\n\x00"), byte(len(w.Name)))
	b = binary.BigEndian.AppendUint64(append(b, w.Name...), seconds)
	b = append(append(b, byte(len(c.Origin))), c.Origin...)
	b = binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(b, 0), c.Size)
	return append(b, c.Root[:]...)
}

// VerifyCosignatures looks in the lines under a note of c for those of the given
// cosigners, and returns each of these at most once, in the order of the list:
// of a key that stands there twice the first line counts. Lines of other keys
// count for nothing (signed-note); others says how many there are beside those
// of c's own log. A line that bears the hash of given keys and verifies under none of
// them is an error: nobody but a forger makes one. That it fails under one of several
// says nothing: a hash is four bytes, and two keys of one hash are found in an hour.
// Whether the log has signed c is for ParseCheckpoint to say.
func VerifyCosignatures(b []byte, c Checkpoint, list []Cosigner) (found []Cosignature, others int, err error) {
	text, lines, err := SplitNote(b)
	if err != nil {
		return nil, 0, err
	}
	if text != c.Text() {
		return nil, 0, fmt.Errorf("%w: they stand under another checkpoint", ErrCosignature)
	}
	signed, faults := make([]bool, len(lines)), make([]error, len(lines))
	for _, w := range list {
		hash, err := w.hash()
		if err != nil {
			return nil, 0, err
		}
		counted := false
		for i, line := range lines {
			if line.Name != w.Name || line.Hash != hash {
				continue
			}
			at, err := uint64(0), error(nil)
			if !counted {
				at, err = w.verify(c, line)
			}
			switch {
			case err != nil && !signed[i]:
				faults[i] = err
			case err == nil:
				if signed[i], faults[i] = true, nil; !counted {
					counted, found = true, append(found, Cosignature{w, at})
				}
			}
		}
	}
	for _, err := range faults {
		if err != nil {
			return nil, 0, err
		}
	}
	for i, line := range lines {
		if !signed[i] && line.Name != c.Origin {
			others++
		}
	}
	return found, others, nil
}

func (w Cosigner) verify(c Checkpoint, line note.Signature) (seconds uint64, err error) {
	b, err := base64.StdEncoding.Strict().DecodeString(line.Base64)
	if err != nil || len(b) != 4+stampSize+w.Key.Algorithm().SignatureSize() {
		return 0, fmt.Errorf("%w: %s: not key hash, time and signature in canonical base64", ErrCosignature, w.Name)
	}
	if seconds = binary.BigEndian.Uint64(b[4:]); seconds == 0 {
		return 0, fmt.Errorf("%w: %s: it bears no time", ErrCosignature, w.Name)
	}
	if err := w.Key.Verify(w.message(c, seconds), b[4+stampSize:]); err != nil {
		return 0, fmt.Errorf("%w: %s: %w", ErrCosignature, w.Name, err)
	}
	return seconds, nil
}

// SplitNote takes a signed note apart and verifies nothing. Every error wraps
// ErrCheckpoint.
func SplitNote(b []byte) (text string, lines []note.Signature, err error) {
	if len(b) > MaxCheckpoint {
		return "", nil, fmt.Errorf("%w: %d bytes, at most %d are read", ErrCheckpoint, len(b), MaxCheckpoint)
	}
	// Open with no verifiers reads the form alone: it says so with the note in the error.
	_, err = note.Open(b, note.VerifierList())
	var unverified *note.UnverifiedNoteError
	if !errors.As(err, &unverified) {
		return "", nil, fmt.Errorf("%w: %w", ErrCheckpoint, err)
	}
	return unverified.Note.Text, unverified.Note.UnverifiedSigs, nil
}

// ClaimedCheckpoint reads what a note says without believing it. Every error
// wraps ErrCheckpoint.
func ClaimedCheckpoint(b []byte) (Checkpoint, error) {
	text, _, err := SplitNote(b)
	if err != nil {
		return Checkpoint{}, err
	}
	return parseText(text)
}

// Extension is the body of add-checkpoint of C2SP tlog-witness
// (https://c2sp.org/tlog-witness): a checkpoint, and the proof that its log
// extends the size that the witness is thought to have cosigned last.
type Extension struct {
	Old   uint64
	Proof []Hash
	Note  []byte // the signed checkpoint
}

// Encode returns the body: the old size, one hash a line, an empty line, the note.
func (x *Extension) Encode() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "old %d\n", x.Old)
	for _, h := range x.Proof {
		b.WriteString(base64.StdEncoding.EncodeToString(h[:]) + "\n")
	}
	b.WriteByte('\n')
	b.Write(x.Note)
	return b.Bytes()
}

// ParseExtension reads a body strictly: no two bodies mean the same. Of the note
// it says nothing. Every error wraps ErrCheckpoint.
func ParseExtension(b []byte) (*Extension, error) {
	head, rest, ok := bytes.Cut(b, []byte("\n\n"))
	lines := strings.Split(string(head), "\n")
	size, is := strings.CutPrefix(lines[0], "old ")
	if !ok || !is || len(lines)-1 > MaxPath {
		return nil, fmt.Errorf("%w: not an old size, up to %d hashes, an empty line and a checkpoint", ErrCheckpoint, MaxPath)
	}
	x := &Extension{Note: rest}
	var err error
	if x.Old, err = strconv.ParseUint(size, 10, 64); err != nil {
		return nil, fmt.Errorf("%w: the old size is not a decimal number", ErrCheckpoint)
	}
	for _, line := range lines[1:] {
		h, err := base64.StdEncoding.DecodeString(line)
		if err != nil || len(h) != sha256.Size {
			return nil, fmt.Errorf("%w: a hash of the proof is not 32 bytes in base64", ErrCheckpoint)
		}
		x.Proof = append(x.Proof, Hash(h))
	}
	if !bytes.Equal(x.Encode(), b) {
		return nil, fmt.Errorf("%w: size or proof not in canonical form", ErrCheckpoint)
	}
	return x, nil
}

// Extends checks that c extends the tree of size Old and the given root, which of
// size 0 is any: a proof of nothing is empty. Every error wraps ErrProof.
func (x *Extension) Extends(root Hash, c Checkpoint) error {
	if x.Old == 0 {
		root = emptyRoot()
	}
	return VerifyConsistency(x.Old, c.Size, root, c.Root, x.Proof)
}
