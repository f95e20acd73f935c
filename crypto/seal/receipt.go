package seal

import (
	"fmt"
	"math"
	"math/bits"

	"example.org/hotline/crypto/keys"
)

const (
	// ClaimsLabel is the private header label under which a receipt's claims
	// stand in its protected header.
	ClaimsLabel = -70002

	tagSign1          = 18           // COSE_Sign1, RFC 9052 section 4.2
	contextSignature1 = "Signature1" // RFC 9052 section 4.4, for COSE_Sign1

	// Labels and values of RFC 9942.
	labelVDS       = 395 // verifiable data structure, protected
	labelVDP       = 396 // verifiable data structure proofs, unprotected
	vdsRFC9162     = 1   // RFC9162_SHA256
	proofInclusion = -1

	hashSize = 32

	// MaxPath is the longest inclusion path, that of a tree of 2^63-1 leaves.
	MaxPath = 63
)

// InclusionProof says that a leaf stands at Index in the tree of Size leaves
// (RFC 9162 section 2.1.3). Path is empty for a tree of one leaf.
type InclusionProof struct {
	Size, Index uint64
	Path        [][32]byte
}

// Receipt is a parsed COSE Receipt (RFC 9942). Raw, Claims and Signature are parts
// of the bytes that were parsed; they may not be changed.
//
// Claims is signed. Proof is not: the signature covers the root alone, and the
// same path can be right for several sizes. So a caller computes the root from
// the leaf and Proof, and compares Proof.Size and Proof.Index with the claims.
type Receipt struct {
	Raw       []byte
	Claims    []byte // the encoded claims map
	Proof     InclusionProof
	Algorithm keys.Algorithm
	Signature []byte

	protected []byte
}

// check holds size, index and the number of hashes together: a path has one
// length for an index in a tree (RFC 9162 section 2.1.3.1).
func (p InclusionProof) check() error {
	if p.Size == 0 || p.Size > math.MaxInt64 || p.Index >= p.Size {
		return malformed("index is not inside the tree")
	}
	if len(p.Path) != pathLength(p.Index, p.Size) {
		return malformed("path does not have the length that index and size demand")
	}
	return nil
}

// pathLength counts the levels up to where the leaf's and the last leaf's ways
// join, then one hash for each complete subtree left of it.
func pathLength(index, size uint64) int {
	inner := bits.Len64(index ^ (size - 1))
	return inner + bits.OnesCount64(index>>inner)
}

// SignReceipt returns a COSE Receipt: a COSE_Sign1 (tag 18) whose protected header
// is {1: alg, 395: 1, ClaimsLabel: claims}, whose unprotected header holds the
// proof as {396: {-1: [bstr .cbor [size, index, path]]}}, and whose payload, the
// root of the tree of proof.Size leaves, is detached. claims is an encoded
// deterministic map with content. The same arguments give the same bytes if the
// signer is deterministic.
func SignReceipt(claims []byte, root [32]byte, proof InclusionProof, aad []byte, s keys.Signer) ([]byte, error) {
	if err := checkMap(claims, "claims"); err != nil {
		return nil, err
	}
	if err := proof.check(); err != nil {
		return nil, fmt.Errorf("inclusion proof: %w", err)
	}
	alg := s.Public().Algorithm()
	if !alg.Valid() {
		return nil, fmt.Errorf("%w: zero key", ErrSigners)
	}
	protected := append(receiptPrefix(make([]byte, 0, 32+len(claims)), alg), claims...)
	tbs := newSigStructure(contextSignature1, protected, aad, root[:])
	msg := tbs.bytes("")
	sig, err := s.Sign(msg)
	if err != nil {
		return nil, fmt.Errorf("sign receipt: %w", err)
	}
	if _, ours := s.(*keys.Private); !ours {
		if err := s.Public().Verify(msg, sig); err != nil {
			return nil, fmt.Errorf("signer %s returned a bad signature: %w", s.Public(), err)
		}
	}
	return encodeReceipt(protected, proof, sig), nil
}

func encodeReceipt(protected []byte, proof InclusionProof, sig []byte) []byte {
	encoded := encodeProof(proof)
	b := make([]byte, 0, 32+3*headRoom+len(protected)+len(encoded)+len(sig))
	b = AppendHead(AppendHead(b, majorTag, tagSign1), majorArray, 4)
	b = appendBytes(b, protected)
	b = appendInt(AppendHead(b, majorMap, 1), labelVDP)
	b = appendInt(AppendHead(b, majorMap, 1), proofInclusion)
	b = appendBytes(AppendHead(b, majorArray, 1), encoded)
	b = AppendHead(b, majorSimple, simpleNull)
	return appendBytes(b, sig)
}

// receiptPrefix is the protected header of a receipt up to the claims.
func receiptPrefix(b []byte, alg keys.Algorithm) []byte {
	b = appendInt(appendInt(AppendHead(b, majorMap, 3), 1), int64(alg))
	b = appendInt(appendInt(b, labelVDS), vdsRFC9162)
	return appendInt(b, ClaimsLabel)
}

func encodeProof(p InclusionProof) []byte {
	b := make([]byte, 0, 4*headRoom+len(p.Path)*(hashSize+2))
	b = AppendHead(b, majorArray, 3)
	b = AppendHead(b, majorUint, p.Size)
	b = AppendHead(b, majorUint, p.Index)
	b = AppendHead(b, majorArray, uint64(len(p.Path)))
	for i := range p.Path {
		b = appendBytes(b, p.Path[i][:])
	}
	return b
}

// ParseReceipt reads a receipt of at most maxBytes. It accepts only what
// SignReceipt can return: the labels and the order named there, one inclusion
// proof whose path has the length that index and size demand, no payload, every
// length in its shortest form, nothing after the end. The error wraps
// ErrMalformed or ErrTooLarge. Nothing is verified.
func ParseReceipt(raw []byte, maxBytes int) (*Receipt, error) {
	if len(raw) > maxBytes {
		return nil, fmt.Errorf("%w: receipt of %d bytes, at most %d", ErrTooLarge, len(raw), maxBytes)
	}
	receipt := &Receipt{Raw: raw}
	r := reader{raw}
	if err := r.expect(majorTag, tagSign1, "tag 18 (COSE_Sign1)"); err != nil {
		return nil, err
	}
	if err := r.expect(majorArray, 4, "an array of 4"); err != nil {
		return nil, err
	}
	var err error
	if receipt.protected, err = r.str(majorBytes, "the protected header as bytes"); err != nil {
		return nil, err
	}
	if err := receipt.parseProtected(); err != nil {
		return nil, err
	}
	proof, err := r.proofHeader()
	if err != nil {
		return nil, err
	}
	if receipt.Proof, err = parseProof(proof); err != nil {
		return nil, err
	}
	if err := r.expect(majorSimple, simpleNull, "a detached payload (null)"); err != nil {
		return nil, err
	}
	if receipt.Signature, err = r.signatureBytes(receipt.Algorithm); err != nil {
		return nil, err
	}
	if err := r.end(); err != nil {
		return nil, err
	}
	return receipt, nil
}

func (receipt *Receipt) parseProtected() error {
	var space [32]byte
	for _, alg := range [...]keys.Algorithm{keys.Ed25519, keys.ES256, keys.MLDSA44} {
		prefix := receiptPrefix(space[:0], alg)
		if len(receipt.protected) > len(prefix) && string(receipt.protected[:len(prefix)]) == string(prefix) {
			receipt.Algorithm = alg
			receipt.Claims = receipt.protected[len(prefix):]
			return checkMap(receipt.Claims, "claims")
		}
	}
	return malformed("a receipt's protected header is not {1: alg, 395: 1, -70002: claims} with a known algorithm")
}

// proofHeader reads the unprotected header {396: {-1: [bstr]}}.
func (r *reader) proofHeader() ([]byte, error) {
	const want = "the unprotected header {396: {-1: [proof]}}"
	for _, label := range [...]int64{labelVDP, proofInclusion} {
		if err := r.expect(majorMap, 1, want); err != nil {
			return nil, err
		}
		got, err := r.integer(want)
		if err != nil {
			return nil, err
		}
		if got != label {
			return nil, malformed("want " + want)
		}
	}
	if err := r.expect(majorArray, 1, want); err != nil {
		return nil, err
	}
	return r.str(majorBytes, want)
}

func parseProof(b []byte) (InclusionProof, error) {
	const want = "a proof [size, index, path]"
	var p InclusionProof
	r := reader{b}
	if err := r.expect(majorArray, 3, want); err != nil {
		return p, err
	}
	for _, field := range [...]*uint64{&p.Size, &p.Index} {
		major, n, err := r.head()
		if err != nil {
			return p, err
		}
		if major != majorUint {
			return p, malformed("want " + want)
		}
		*field = n
	}
	n, err := r.count(0, MaxPath, want)
	if err != nil {
		return p, err
	}
	p.Path = make([][32]byte, n)
	for i := range p.Path {
		hash, err := r.str(majorBytes, want)
		if err != nil {
			return p, err
		}
		if len(hash) != hashSize {
			return p, malformed("a hash of the path does not have 32 bytes")
		}
		p.Path[i] = [32]byte(hash)
	}
	if err := r.end(); err != nil {
		return p, err
	}
	return p, p.check()
}

// Verify checks the signature over the claims, root and aad. root is what the
// caller computed from the leaf and Proof. The error wraps ErrSigners if the key
// is of another algorithm, else keys.ErrSignature.
func (receipt *Receipt) Verify(root [32]byte, aad []byte, key keys.Public) error {
	if key.Algorithm() != receipt.Algorithm || key.IsZero() {
		return fmt.Errorf("%w: the receipt is signed with %s, the key is %s", ErrSigners, receipt.Algorithm, key.Algorithm())
	}
	tbs := newSigStructure(contextSignature1, receipt.protected, aad, root[:])
	defer tbs.release()
	if err := key.Verify(tbs.bytes(""), receipt.Signature); err != nil {
		return fmt.Errorf("receipt: %w", err)
	}
	return nil
}
