package main

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"example.org/hotline/crypto/keys"
	"example.org/hotline/ops/ceremony"
)

// keyView is one key as people and scripts see it.
type keyView struct {
	Name        string `json:"name,omitempty"`
	Purpose     string `json:"purpose"`
	Algorithm   string `json:"algorithm"`
	Address     string `json:"address,omitempty"`
	Fingerprint string `json:"fingerprint"`
	Key         string `json:"key_id"`
	Private     bool   `json:"private,omitempty"`
}

func viewKey(k *ceremony.PublicKey) keyView {
	id := k.Signing.ID()
	if !k.Sealing.IsZero() {
		id = k.Sealing.ID()
	}
	return keyView{Name: k.Name, Purpose: k.Purpose, Algorithm: k.Algorithm(), Address: k.Address, Fingerprint: k.Fingerprint(), Key: id.String()}
}

// line shows a key with its fingerprint below: forty characters that two people read to each other.
func (v keyView) line(w io.Writer) {
	place := v.Purpose
	if v.Name != "" {
		place = v.Name + " " + place
	}
	if v.Address != "" {
		place += " at " + v.Address
	}
	fmt.Fprintf(w, "%s (%s)\n  %s\n", place, v.Algorithm, v.Fingerprint)
}

// kdfFlag adds --kdf and returns what resolves it.
func kdfFlag(cmd *cobra.Command) func() (keys.Cost, error) {
	kdf := cmd.Flags().String("kdf", "standard", "cost of one guess at the passphrase: standard (64 MiB, RFC 9106), or testnet, which protects nothing")
	return func() (keys.Cost, error) {
		switch *kdf {
		case "standard":
			return keys.DefaultCost(), nil
		case "testnet":
			return keys.TestnetCost(), nil
		}
		return keys.Cost{}, usage(cmd, "--kdf is standard or testnet, not %q", *kdf)
	}
}

func newKeyCmd(a *app) *cobra.Command {
	return newGroupCmd("key", "Look at key files, and give them another passphrase", newKeyShowCmd(a), newKeyPassphraseCmd(a))
}

func newKeyShowCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "show FILE...",
		Short: "Show purpose and fingerprint of public or private key files",
		Long: "Shows what key files say about themselves. No passphrase is asked for, so of a private key nothing is proved: compare the\n" +
			"fingerprint with its owner over another channel.",
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			views := []keyView{}
			for _, path := range args {
				k, private, err := ceremony.InspectKey(path)
				if err != nil {
					return err
				}
				v := viewKey(k)
				v.Private = private
				views = append(views, v)
			}
			return a.show(views, func(w io.Writer) {
				for _, v := range views {
					v.line(w)
				}
			})
		},
	}
}

func newKeyPassphraseCmd(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "passphrase FILE -o NEW",
		Short: "Write a private key file anew under another passphrase",
		Long: "The old file stays as it is, for nothing is ever overwritten: destroy it once the new one is in its place.\n" +
			"--passphrase opens the old file, --new-passphrase locks the new one.",
		Args: cobra.ExactArgs(1),
	}
	out := cmd.Flags().StringP("output", "o", "", "the new key file")
	next := cmd.Flags().String("new-passphrase", "prompt", "where the new passphrase comes from")
	cost := kdfFlag(cmd)
	required(cmd, "output")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := cost()
		if err != nil {
			return err
		}
		old, err := a.oldPassphrase()
		if err != nil {
			return err
		}
		pass, err := a.newPassphrase(*next, "passphrase")
		if err != nil {
			return err
		}
		if err := ceremony.Relock(args[0], *out, old, pass, c); err != nil {
			return err
		}
		return a.show(map[string]string{"file": *out}, func(w io.Writer) { fmt.Fprintf(w, "%s opens with the new passphrase\n", *out) })
	}
	return cmd
}

// required marks flags without which a verb means nothing. That a name is misspelt here is a fault of the program.
func required(cmd *cobra.Command, names ...string) {
	for _, name := range names {
		if err := cmd.MarkFlagRequired(name); err != nil {
			panic(err)
		}
	}
}

// loadRoot opens a root key with the passphrase of --passphrase.
func (a *app) loadRoot(path string) (*keys.Private, error) {
	if _, err := os.Stat(path); err != nil { // before anybody types a passphrase
		return nil, err
	}
	pass, err := a.oldPassphrase()
	if err != nil {
		return nil, err
	}
	defer clear(pass)
	return keys.Load(path, keys.PurposeRoot, pass)
}
