package main

import (
	"fmt"
	"io"
	"path/filepath"

	"github.com/spf13/cobra"

	"example.org/hotline/ops/ceremony"
)

func newOfficerCmd(a *app) *cobra.Command {
	return newGroupCmd("officer", "Make the key of an officer", newOfficerNewCmd(a))
}

func newOfficerNewCmd(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "new NAME --dir DIR",
		Short: "Make an officer's key, and the public file for whoever keeps the directory",
		Long: "Makes DIR/NAME.key, which stays with the officer, and DIR/NAME.pub, which goes to whoever keeps the party's directory.\n" +
			"Both read the fingerprint to each other. NAME is a role name such as XA-L3: nobody's own name stands anywhere.",
		Example: "  hotline officer new XA-L3 --dir ~/hotline",
		Args:    cobra.ExactArgs(1),
	}
	dir := cmd.Flags().String("dir", "", "where the key is written")
	algName := cmd.Flags().String("alg", "ed25519", "ed25519 or es256")
	cost := kdfFlag(cmd)
	required(cmd, "dir")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := cost()
		if err != nil {
			return err
		}
		alg, err := ceremony.OfficerAlgorithm(*algName)
		if err != nil {
			return err
		}
		pass, err := a.newPassphrase(a.passphrase, "passphrase")
		if err != nil {
			return err
		}
		k, err := ceremony.NewOfficer(*dir, args[0], alg, pass, c)
		if err != nil {
			return err
		}
		return a.show(viewKey(k), func(w io.Writer) {
			viewKey(k).line(w)
			fmt.Fprintf(w, "\nHand %s to whoever keeps the directory, and read the fingerprint to each other.\n",
				filepath.Join(*dir, args[0]+ceremony.PublicExt))
		})
	}
	return cmd
}
