package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"

	"example.org/hotline/crypto/keys"
)

const (
	// MaxRecipients bounds the addressees of one body.
	MaxRecipients = 64
	// MaxParty is the longest party code, in bytes.
	MaxParty = 32
	// MaxBody is the longest body, in bytes: what fits the largest size class.
	MaxBody = maxPadded - blindSize - 1

	blindSize      = 32
	contentKeySize = 32
	gcmTag         = 16
	sealedKeySize  = contentKeySize + keys.SealOverhead

	// Size classes of the padded text: powers of two from minPadded to
	// stepPadded, then multiples of stepPadded up to maxPadded, 15 in all.
	minPadded  = 512
	stepPadded = 4 << 10
	maxPadded  = 48 << 10

	// maxSealed bounds a payload before it is read.
	maxSealed = maxPadded + gcmTag + MaxRecipients*(MaxParty+sealedKeySize+64) + 64

	// Domains of what is bound to a sealed key and to a ciphertext.
	domainKey  = "hotline sealed key/1"
	domainBody = "hotline sealed body/1"
)

var (
	// ErrNotAddressee says that a body is not sealed to this key.
	ErrNotAddressee = errors.New("body is not sealed to this key")
	// ErrUnreadable says that a body is malformed, altered, or was sealed for
	// another context: its addressee cannot read it.
	ErrUnreadable = errors.New("body cannot be read")
	// ErrCommitment says that a body was decrypted but is not the one that the
	// signed header commits to.
	ErrCommitment = errors.New("body does not match its commitment")
	// ErrRecipients says that the list of addressees is empty, too long, or
	// holds a bad party or a zero key.
	ErrRecipients = errors.New("invalid list of addressees")
)

// Recipient is an addressee of a body: the code of a party and its sealing key.
type Recipient struct {
	Party string
	Key   keys.SealingPublic
}

// Addressee is a Recipient as a payload names it: the key only by its ID.
type Addressee struct {
	Party string
	Key   keys.ID
}

// Commitment is the SHA-256 of blind || body. The header of a statement carries
// it, so a body and its blind can later be shown to a third person, and nobody
// can show two bodies for one statement. The 32 random bytes of the blind keep
// the commitment from telling anything about a body that could be guessed.
func Commitment(blind [32]byte, body []byte) [32]byte {
	h := sha256.New()
	h.Write(blind[:])
	h.Write(body)
	var c [32]byte
	h.Sum(c[:0])
	return c
}

// SealBody encrypts body once under a fresh key and that key to each recipient.
// It returns the deterministic CBOR map
//
//	{1: ciphertext, 2: [[party, key id, sealed key], …]}
//
// and the commitment to the body. The plaintext is 32 fresh random bytes (the
// blind), the body, one byte 0x80 and zeros up to the size class; the cipher is
// AES-256-GCM with a zero nonce, which a key that is used once allows. context is
// not sent; it is bound to each sealed key and to the ciphertext, and the
// ciphertext is bound to the whole list of addressees.
//
// The length of the ciphertext tells only the size class: 512 bytes, 1, 2, 4 KiB,
// then each further 4 KiB up to 48 KiB, 15 classes, less than four bits.
//
// A body is at most MaxBody bytes (ErrTooLarge); there are 1 to MaxRecipients
// recipients, and parties are valid UTF-8 of 1 to MaxParty bytes (ErrRecipients).
// Two of them may have one key: no list of keys proves who holds them, and a party
// that gives another's for its own must not keep anybody from sealing to both.
func SealBody(body, context []byte, to []Recipient) (payload []byte, commitment [32]byte, err error) {
	if len(body) > MaxBody {
		return nil, commitment, fmt.Errorf("%w: body of %d bytes, at most %d", ErrTooLarge, len(body), MaxBody)
	}
	var contentKey [contentKeySize]byte
	var blind [blindSize]byte
	rand.Read(contentKey[:])
	rand.Read(blind[:])
	defer clear(contentKey[:])
	list, err := sealKeys(contentKey[:], context, to)
	if err != nil {
		return nil, commitment, err
	}
	aead, err := bodyCipher(contentKey[:])
	if err != nil {
		return nil, commitment, err
	}
	padded := make([]byte, sizeClass(blindSize+len(body)+1))
	copy(padded, blind[:])
	copy(padded[blindSize:], body)
	padded[blindSize+len(body)] = 0x80
	b := make([]byte, 0, len(padded)+gcmTag+len(list)+2*headRoom+4)
	b = appendInt(AppendHead(b, majorMap, 2), 1)
	b = AppendHead(b, majorBytes, uint64(len(padded)+gcmTag))
	b = aead.Seal(b, make([]byte, aead.NonceSize()), padded, bodyAAD(context, list))
	clear(padded)
	b = append(appendInt(b, 2), list...)
	return b, Commitment(blind, body), nil
}

// sealKeys returns the encoded array of [party, key id, sealed key].
func sealKeys(contentKey, context []byte, to []Recipient) ([]byte, error) {
	if len(to) < 1 || len(to) > MaxRecipients {
		return nil, fmt.Errorf("%w: %d addressees, want 1 to %d", ErrRecipients, len(to), MaxRecipients)
	}
	list := AppendHead(nil, majorArray, uint64(len(to)))
	for i, recipient := range to {
		if !validParty([]byte(recipient.Party)) {
			return nil, fmt.Errorf("%w: party %d is empty, too long or not UTF-8", ErrRecipients, i+1)
		}
		sealed, err := recipient.Key.Seal(keyInfo(context, []byte(recipient.Party)), contentKey)
		if err != nil {
			return nil, fmt.Errorf("%w: key of %s: %w", ErrRecipients, recipient.Party, err)
		}
		id := recipient.Key.ID()
		list = appendText(AppendHead(list, majorArray, 3), recipient.Party)
		list = appendBytes(appendBytes(list, id[:]), sealed)
	}
	return list, nil
}

func validParty(party []byte) bool {
	return len(party) >= 1 && len(party) <= MaxParty && utf8.Valid(party)
}

// sizeClass returns the smallest class that holds n bytes, n <= maxPadded.
func sizeClass(n int) int {
	for class := minPadded; class < stepPadded; class *= 2 {
		if n <= class {
			return class
		}
	}
	return (n + stepPadded - 1) / stepPadded * stepPadded
}

func bodyCipher(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("body cipher: %w", err)
	}
	return cipher.NewGCM(block)
}

// keyInfo is the HPKE info of a sealed key: [domain, context, party].
func keyInfo(context, party []byte) []byte {
	b := make([]byte, 0, 64+len(context)+len(party))
	b = appendBytes(appendText(AppendHead(b, majorArray, 3), domainKey), context)
	return append(AppendHead(b, majorText, uint64(len(party))), party...)
}

// bodyAAD is the associated data of the ciphertext: [domain, context, list], the
// list of addressees as it is encoded in the payload.
func bodyAAD(context, list []byte) []byte {
	b := make([]byte, 0, 64+len(context)+len(list))
	b = appendBytes(appendText(AppendHead(b, majorArray, 3), domainBody), context)
	return append(b, list...)
}

// addresseeEntry is one element of the list; its slices are parts of the payload.
type addresseeEntry struct{ party, id, sealed []byte }

// sealedBody is a parsed payload.
type sealedBody struct {
	ciphertext []byte
	list       []byte // the encoded array
	entries    []addresseeEntry
}

func parseBody(payload []byte) (sealedBody, error) {
	var body sealedBody
	if len(payload) > maxSealed {
		return body, fmt.Errorf("%w: sealed body of %d bytes, at most %d", ErrTooLarge, len(payload), maxSealed)
	}
	r := reader{payload}
	if err := r.expect(majorMap, 2, "a map of 2"); err != nil {
		return body, err
	}
	if err := r.expect(majorUint, 1, "key 1"); err != nil {
		return body, err
	}
	var err error
	if body.ciphertext, err = r.str(majorBytes, "a ciphertext"); err != nil {
		return body, err
	}
	if n := len(body.ciphertext) - gcmTag; n < minPadded || n > maxPadded || n != sizeClass(n) {
		return body, malformed("the ciphertext is not of a size class")
	}
	if err := r.expect(majorUint, 2, "key 2"); err != nil {
		return body, err
	}
	body.list = r.b
	n, err := r.count(1, MaxRecipients, "1 to 64 addressees")
	if err != nil {
		return body, err
	}
	body.entries = make([]addresseeEntry, n)
	for i := range body.entries {
		if err := r.addressee(&body.entries[i]); err != nil {
			return body, err
		}
	}
	return body, r.end()
}

func (r *reader) addressee(e *addresseeEntry) error {
	if err := r.expect(majorArray, 3, "an addressee as an array of 3"); err != nil {
		return err
	}
	var err error
	if e.party, err = r.str(majorText, "a party"); err != nil {
		return err
	}
	if e.id, err = r.str(majorBytes, "a key id"); err != nil {
		return err
	}
	if e.sealed, err = r.str(majorBytes, "a sealed key"); err != nil {
		return err
	}
	if !validParty(e.party) || len(e.id) != len(keys.ID{}) || len(e.sealed) != sealedKeySize {
		return malformed("an addressee's party, key id or sealed key is out of bounds")
	}
	return nil
}

// Recipients returns the addressees that a payload names, in its order. Only
// opening the body proves that the list was not altered. The error wraps
// ErrMalformed or ErrTooLarge.
func Recipients(payload []byte) ([]Addressee, error) {
	body, err := parseBody(payload)
	if err != nil {
		return nil, err
	}
	out := make([]Addressee, len(body.entries))
	for i, e := range body.entries {
		out[i] = Addressee{Party: string(e.party), Key: keys.ID(e.id)}
	}
	return out, nil
}

// OpenBody decrypts a payload with one of the keys it is sealed to, by the first
// entry that bears it, and checks the result against the commitment of the signed
// header. It returns the blind and the body, which together can be shown to a third
// person. The error wraps ErrNotAddressee, ErrUnreadable or ErrCommitment: the first means that it is not
// ours, the other two that its sender made it so or that it was altered.
func OpenBody(payload, context []byte, commitment [32]byte, key *keys.SealingPrivate) (blind [32]byte, body []byte, err error) {
	parsed, err := parseBody(payload)
	if err != nil {
		return blind, nil, fmt.Errorf("%w: %w", ErrUnreadable, err)
	}
	id := key.Public().ID()
	i := slices.IndexFunc(parsed.entries, func(e addresseeEntry) bool { return string(e.id) == string(id[:]) })
	if i < 0 {
		return blind, nil, ErrNotAddressee
	}
	entry := parsed.entries[i]
	contentKey, err := key.Open(keyInfo(context, entry.party), entry.sealed)
	if err != nil {
		return blind, nil, fmt.Errorf("%w: %w", ErrUnreadable, err)
	}
	defer clear(contentKey)
	aead, err := bodyCipher(contentKey)
	if err != nil {
		return blind, nil, fmt.Errorf("%w: %w", ErrUnreadable, err)
	}
	padded, err := aead.Open(nil, make([]byte, aead.NonceSize()), parsed.ciphertext, bodyAAD(context, parsed.list))
	if err != nil {
		return blind, nil, fmt.Errorf("%w: %w", ErrUnreadable, err)
	}
	n := unpaddedLength(padded)
	if n < blindSize || sizeClass(n+1) != len(padded) {
		return blind, nil, fmt.Errorf("%w: padding is not that of its size class", ErrUnreadable)
	}
	blind, body = [32]byte(padded), padded[blindSize:n:n]
	if Commitment(blind, body) != commitment {
		return [32]byte{}, nil, ErrCommitment
	}
	return blind, body, nil
}

// unpaddedLength returns where the last byte that is not zero stands if it is
// 0x80, else -1.
func unpaddedLength(padded []byte) int {
	for i := len(padded) - 1; i >= 0; i-- {
		switch padded[i] {
		case 0:
		case 0x80:
			return i
		default:
			return -1
		}
	}
	return -1
}
