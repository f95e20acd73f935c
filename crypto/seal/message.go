package seal

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"

	"example.org/hotline/crypto/keys"
)

const (
	// MaxSignatures bounds the signatures of one message.
	MaxSignatures = 256

	tagSign = 98 // COSE_Sign, RFC 9052 section 4.1

	contextSignature = "Signature" // RFC 9052 section 4.4, for COSE_Sign
)

var (
	// ErrSigners says that the keys given do not fit the signatures: another
	// number, another algorithm, a zero key, or one key twice.
	ErrSigners = errors.New("signers do not fit the signatures")
	// ErrTooLarge says that an input is longer than its limit.
	ErrTooLarge = errors.New("larger than the limit")
)

// Message is a parsed COSE_Sign message. Its slices are parts of the bytes that
// were parsed; neither may be changed.
type Message struct {
	Raw        []byte // the whole message as received
	Protected  []byte // the encoded header map
	Payload    []byte // never nil, may be empty
	Signatures []Signature
}

// Signature is one signature of a message with the algorithm of its own protected
// header. Which key made it the message does not say.
type Signature struct {
	Algorithm keys.Algorithm
	Bytes     []byte
}

// Sign returns a COSE_Sign message (RFC 9052 section 4.1, tag 98) over protected,
// payload and aad, with one signature of each signer in the order given.
// protected is the encoded body header, a deterministic map with content; aad
// (external_aad) is not sent. There are 1 to MaxSignatures signers with different
// keys. Each signature of a signer other than keys.Private is checked before it
// is used.
func Sign(protected, payload, aad []byte, signers ...keys.Signer) ([]byte, error) {
	if err := checkMap(protected, "protected header"); err != nil {
		return nil, err
	}
	if len(signers) < 1 || len(signers) > MaxSignatures {
		return nil, fmt.Errorf("%w: %d signers, want 1 to %d", ErrSigners, len(signers), MaxSignatures)
	}
	public := make([]keys.Public, len(signers))
	for i, s := range signers {
		public[i] = s.Public()
	}
	if err := checkDistinct(public); err != nil {
		return nil, err
	}
	tbs := newSigStructure(contextSignature, protected, aad, payload)
	signatures := make([]Signature, len(signers))
	for i, s := range signers {
		var err error
		if signatures[i], err = signOne(&tbs, s); err != nil {
			return nil, err
		}
	}
	return encodeMessage(protected, payload, signatures), nil
}

// AddSignature appends a further signature to a message, over the same content
// and aad. The message does not name its keys, so the signatures already there
// are not verified here, and that s has not signed before is certain only for an
// algorithm that is deterministic: a signature that stands there already is
// refused with ErrSigners.
func AddSignature(raw, aad []byte, s keys.Signer) ([]byte, error) {
	m, err := Parse(raw, len(raw))
	if err != nil {
		return nil, err
	}
	if len(m.Signatures) == MaxSignatures {
		return nil, fmt.Errorf("%w: there are %d signatures already", ErrSigners, MaxSignatures)
	}
	tbs := newSigStructure(contextSignature, m.Protected, aad, m.Payload)
	added, err := signOne(&tbs, s)
	if err != nil {
		return nil, err
	}
	for _, old := range m.Signatures {
		if old.Algorithm == added.Algorithm && bytes.Equal(old.Bytes, added.Bytes) {
			return nil, fmt.Errorf("%w: this key has signed already", ErrSigners)
		}
	}
	return encodeMessage(m.Protected, m.Payload, append(m.Signatures, added)), nil
}

func signOne(tbs *sigStructure, s keys.Signer) (Signature, error) {
	public := s.Public()
	alg := public.Algorithm()
	if !alg.Valid() {
		return Signature{}, fmt.Errorf("%w: zero key", ErrSigners)
	}
	msg := tbs.bytes(algorithmHeader(alg))
	sig, err := s.Sign(msg)
	if err != nil {
		return Signature{}, fmt.Errorf("sign: %w", err)
	}
	if _, ours := s.(*keys.Private); !ours {
		if err := public.Verify(msg, sig); err != nil {
			return Signature{}, fmt.Errorf("signer %s returned a bad signature: %w", public, err)
		}
	}
	return Signature{Algorithm: alg, Bytes: sig}, nil
}

func encodeMessage(protected, payload []byte, signatures []Signature) []byte {
	size := 16 + 2*headRoom + len(protected) + len(payload)
	for _, s := range signatures {
		size += 16 + len(s.Bytes)
	}
	b := AppendHead(make([]byte, 0, size), majorTag, tagSign)
	b = AppendHead(b, majorArray, 4)
	b = appendBytes(b, protected)
	b = AppendHead(b, majorMap, 0)
	b = appendBytes(b, payload)
	b = AppendHead(b, majorArray, uint64(len(signatures)))
	for _, s := range signatures {
		b = AppendHead(b, majorArray, 3)
		b = append(b, algorithmString(s.Algorithm)...)
		b = AppendHead(b, majorMap, 0)
		b = appendBytes(b, s.Bytes)
	}
	return b
}

// Parse reads a message of at most maxBytes. It accepts only what Sign can
// return: tag 98, an array of four, empty unprotected maps, a deterministic
// header map with content, a payload that is present, 1 to MaxSignatures
// signatures whose protected header is exactly {1: alg} with a known algorithm
// and whose length is that algorithm's, every length in its shortest form, and
// nothing after the end. So the message has one encoding, the received one. The
// error wraps ErrMalformed or ErrTooLarge. Nothing is verified.
func Parse(raw []byte, maxBytes int) (*Message, error) {
	if len(raw) > maxBytes {
		return nil, fmt.Errorf("%w: message of %d bytes, at most %d", ErrTooLarge, len(raw), maxBytes)
	}
	m := &Message{Raw: raw}
	r := reader{raw}
	if err := r.expect(majorTag, tagSign, "tag 98 (COSE_Sign)"); err != nil {
		return nil, err
	}
	if err := r.expect(majorArray, 4, "an array of 4"); err != nil {
		return nil, err
	}
	var err error
	if m.Protected, err = r.str(majorBytes, "the protected header as bytes"); err != nil {
		return nil, err
	}
	if err := checkMap(m.Protected, "protected header"); err != nil {
		return nil, err
	}
	if err := r.expect(majorMap, 0, "an empty unprotected header"); err != nil {
		return nil, err
	}
	if m.Payload, err = r.str(majorBytes, "a payload of bytes"); err != nil {
		return nil, err
	}
	n, err := r.count(1, MaxSignatures, "1 to 256 signatures")
	if err != nil {
		return nil, err
	}
	m.Signatures = make([]Signature, n)
	for i := range m.Signatures {
		if err := r.signature(&m.Signatures[i]); err != nil {
			return nil, err
		}
	}
	if err := r.end(); err != nil {
		return nil, err
	}
	return m, nil
}

func (r *reader) signature(s *Signature) error {
	if err := r.expect(majorArray, 3, "a signature as an array of 3"); err != nil {
		return err
	}
	header, err := r.str(majorBytes, "a signature's protected header as bytes")
	if err != nil {
		return err
	}
	if s.Algorithm, err = parseAlgorithmHeader(header); err != nil {
		return err
	}
	if err := r.expect(majorMap, 0, "an empty unprotected header"); err != nil {
		return err
	}
	s.Bytes, err = r.signatureBytes(s.Algorithm)
	return err
}

// signatureBytes reads a signature, whose length the algorithm fixes.
func (r *reader) signatureBytes(alg keys.Algorithm) ([]byte, error) {
	sig, err := r.str(majorBytes, "a signature of bytes")
	if err == nil && len(sig) != alg.SignatureSize() {
		return nil, malformed("a signature's length is not that of its algorithm")
	}
	return sig, err
}

// Verify checks that the message carries exactly one signature of each signer, in
// this order and no other, over this aad. The keys, with their algorithms, come
// from the caller's directory and never from the message. The error wraps
// ErrSigners, or keys.ErrSignature for the first signature that is bad.
func (m *Message) Verify(aad []byte, signers ...keys.Public) error {
	if len(signers) != len(m.Signatures) {
		return fmt.Errorf("%w: %d signatures, want exactly %d", ErrSigners, len(m.Signatures), len(signers))
	}
	return m.verify(aad, signers)
}

// VerifyPartial is Verify for a draft: the n signatures must be those of the
// first n authors, with n = len(m.Signatures), at least 1 and at most all.
func (m *Message) VerifyPartial(aad []byte, authors ...keys.Public) error {
	if len(m.Signatures) > len(authors) {
		return fmt.Errorf("%w: %d signatures, want at most %d", ErrSigners, len(m.Signatures), len(authors))
	}
	if err := checkDistinct(authors); err != nil {
		return err
	}
	return m.verify(aad, authors[:len(m.Signatures)])
}

func (m *Message) verify(aad []byte, signers []keys.Public) error {
	if len(signers) == 0 {
		return fmt.Errorf("%w: no signature", ErrSigners)
	}
	if err := checkDistinct(signers); err != nil {
		return err
	}
	for i, s := range m.Signatures {
		if s.Algorithm != signers[i].Algorithm() {
			return fmt.Errorf("%w: signature %d is %s, the key is %s", ErrSigners, i+1, s.Algorithm, signers[i].Algorithm())
		}
	}
	tbs := newSigStructure(contextSignature, m.Protected, aad, m.Payload)
	defer tbs.release()
	for i, s := range m.Signatures {
		if err := signers[i].Verify(tbs.bytes(algorithmHeader(s.Algorithm)), s.Bytes); err != nil {
			return fmt.Errorf("signature %d of %d: %w", i+1, len(m.Signatures), err)
		}
	}
	return nil
}

func checkDistinct(signers []keys.Public) error {
	for i, s := range signers {
		if s.IsZero() {
			return fmt.Errorf("%w: key %d is a zero key", ErrSigners, i+1)
		}
		for _, other := range signers[:i] {
			if s == other {
				return fmt.Errorf("%w: one key stands twice", ErrSigners)
			}
		}
	}
	return nil
}

// ID names a message by its content: the SHA-256 of the deterministic CBOR array
// [domain, protected, payload] (text, bytes, bytes). The signatures have no part
// in it.
func ID(domain string, protected, payload []byte) [32]byte {
	var space [64]byte
	h := sha256.New()
	h.Write(appendText(AppendHead(space[:0], majorArray, 3), domain))
	h.Write(AppendHead(space[:0], majorBytes, uint64(len(protected))))
	h.Write(protected)
	h.Write(AppendHead(space[:0], majorBytes, uint64(len(payload))))
	h.Write(payload)
	var id [32]byte
	h.Sum(id[:0])
	return id
}

// algorithmString is the encoded byte string that holds {1: alg}, as it stands
// in a message and in a Sig_structure.
func algorithmString(alg keys.Algorithm) string {
	switch alg {
	case keys.Ed25519:
		return "\x43\xa1\x01\x32"
	case keys.ES256:
		return "\x43\xa1\x01\x26"
	case keys.MLDSA44:
		return "\x44\xa1\x01\x38\x2f"
	}
	return ""
}

// algorithmHeader is the map {1: alg} itself.
func algorithmHeader(alg keys.Algorithm) string { return algorithmString(alg)[1:] }

func parseAlgorithmHeader(b []byte) (keys.Algorithm, error) {
	for _, alg := range [...]keys.Algorithm{keys.Ed25519, keys.ES256, keys.MLDSA44} {
		if string(b) == algorithmHeader(alg) {
			return alg, nil
		}
	}
	return 0, malformed("a signature's protected header is not {1: alg} with a known algorithm")
}

// sigStructure builds the Sig_structure of RFC 9052 section 4.4 in one buffer
// that is used again for each signature.
type sigStructure struct {
	buf                     *[]byte
	context                 string
	protected, aad, payload []byte
}

// sigBuffers hold what was signed while it is verified.
var sigBuffers = sync.Pool{New: func() any { return new([]byte) }}

// newSigStructure takes a buffer, which release may give back.
func newSigStructure(context string, protected, aad, payload []byte) sigStructure {
	return sigStructure{sigBuffers.Get().(*[]byte), context, protected, aad, payload}
}

// release ends the use of what bytes returned. It is called after verifying
// alone: a signer of another make may hold on to what it was given.
func (t *sigStructure) release() { sigBuffers.Put(t.buf) }

// bytes returns [context, protected, sign_protected, aad, payload]; for
// COSE_Sign1 there is no sign_protected, which the empty string stands for. The
// result is valid until the next call.
func (t *sigStructure) bytes(signProtected string) []byte {
	n := uint64(5)
	if signProtected == "" {
		n = 4
	}
	b := appendText(AppendHead((*t.buf)[:0], majorArray, n), t.context)
	b = appendBytes(b, t.protected)
	if signProtected != "" {
		b = append(AppendHead(b, majorBytes, uint64(len(signProtected))), signProtected...)
	}
	b = appendBytes(b, t.aad)
	*t.buf = appendBytes(b, t.payload)
	return *t.buf
}
