package main

import (
	"fmt"
	"io"
	"path/filepath"

	"github.com/spf13/cobra"

	"example.org/hotline/hotline"
	"example.org/hotline/ops/ceremony"
)

func newPartyCmd(a *app) *cobra.Command {
	return newGroupCmd("party", "Make the keys of a party", newPartyInitCmd(a))
}

func newPartyInitCmd(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "init CODE --dir DIR",
		Short: "Make the root key of a party and the keys of its group",
		Long: "Makes DIR/root.key, which signs the convention and the directory and is kept offline, and in DIR/group the keys that all\n" +
			"nodes of the party share: log, service, witness, witness-pq and sealing. Beside each stands a public file (.pub), to hand on.\n" +
			"Do this on a machine without a network. Nothing is ever overwritten.",
		Example: "  hotline party init XA --dir /media/XA",
		Args:    cobra.ExactArgs(1),
	}
	dir := cmd.Flags().String("dir", "", "where the keys are written")
	group := cmd.Flags().String("group-passphrase", "", "where the passphrase of the group's keys comes from, if not from --passphrase")
	cost := kdfFlag(cmd)
	required(cmd, "dir")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := cost()
		if err != nil {
			return err
		}
		rootPass, err := a.newPassphrase(a.passphrase, "passphrase of the root key")
		if err != nil {
			return err
		}
		source := *group
		if source == "" {
			source = a.passphrase
		}
		groupPass, err := a.newPassphrase(source, "passphrase of the group's keys")
		if err != nil {
			return err
		}
		root, keys, err := ceremony.InitParty(*dir, hotline.Party(args[0]), rootPass, groupPass, c)
		if err != nil {
			return err
		}
		views := []keyView{viewKey(root)}
		for _, k := range keys {
			views = append(views, viewKey(k))
		}
		return a.show(views, func(w io.Writer) {
			for _, v := range views {
				v.line(w)
			}
			fmt.Fprintf(w, "\nKeep %s offline; hand on %s. The keys in %s go to the nodes (hotline node new).\n",
				filepath.Join(*dir, ceremony.RootKeyFile), filepath.Join(*dir, "root"+ceremony.PublicExt), filepath.Join(*dir, ceremony.GroupDir))
		})
	}
	return cmd
}
