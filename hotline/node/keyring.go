package node

import (
	"fmt"
	"path/filepath"

	"example.org/hotline/crypto/keys"
)

// keyring holds what this node signs and opens with: the group's keys and its
// own TLS key. An officer's key is never here.
type keyring struct {
	tls     *keys.Private
	log     *keys.Private
	service *keys.Private
	sealing *keys.SealingPrivate
}

// loadKeys opens the key files of a node's key directory. The witness keys are
// left closed until something is witnessed.
func loadKeys(dir string, passphrase []byte) (*keyring, error) {
	k := &keyring{}
	for _, f := range []struct {
		purpose string
		into    **keys.Private
	}{{"tls", &k.tls}, {"log", &k.log}, {"service", &k.service}} {
		key, err := keys.Load(filepath.Join(dir, f.purpose+".key"), f.purpose, passphrase)
		if err != nil {
			return nil, fmt.Errorf("%s key: %w", f.purpose, err)
		}
		*f.into = key
	}
	sealing, err := keys.LoadSealing(filepath.Join(dir, "sealing.key"), "sealing", passphrase)
	if err != nil {
		return nil, fmt.Errorf("sealing key: %w", err)
	}
	k.sealing = sealing
	return k, nil
}
