package hotline

import (
	"fmt"

	"example.org/hotline/crypto/keys"
)

// DomainKey separates a proof of possession from everything else that a key signs (SPEC §5.3 rule 11).
const DomainKey = "hotline/key"

func possessionMessage(p Party, k keys.Public) []byte {
	return MustMarshal([]any{DomainKey, uint64(Protocol), p, k})
}

// ProvePossession signs that p holds the key: the proof that stands beside it in every directory of p (SPEC §5.3 rule 10). It names
// no directory and no convention, so it is made once, where the key is made.
func ProvePossession(p Party, key keys.Signer) ([]byte, error) {
	proof, err := key.Sign(possessionMessage(p, key.Public()))
	if err != nil {
		return nil, fmt.Errorf("proof of possession: %w", err)
	}
	return proof, nil
}

// VerifyPossession reports whether whoever holds the key has signed that p does; of the zero key nothing is proved.
func VerifyPossession(p Party, key keys.Public, proof []byte) bool {
	return !key.IsZero() && key.Verify(possessionMessage(p, key), proof) == nil
}
