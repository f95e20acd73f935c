package node

import (
	"fmt"
	"os"
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

	witness, witnessPQ *keys.Private // nil both: this node witnesses nothing
}

// loadKeys opens the key files of a node's key directory. A node without witness
// keys does all else.
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
	return k, k.loadWitness(dir, passphrase)
}

func (k *keyring) loadWitness(dir string, passphrase []byte) (err error) {
	path := filepath.Join(dir, keys.PurposeWitness+".key")
	if _, err := os.Stat(path); os.IsNotExist(err) {
		return nil
	}
	if k.witness, err = keys.Load(path, keys.PurposeWitness, passphrase); err != nil {
		return fmt.Errorf("witness key: %w", err)
	}
	if k.witnessPQ, err = keys.Load(filepath.Join(dir, keys.PurposeWitnessPQ+".key"), keys.PurposeWitnessPQ, passphrase); err != nil {
		return fmt.Errorf("witness-pq key: %w", err)
	}
	return nil
}
