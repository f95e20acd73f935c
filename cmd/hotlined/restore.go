package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/node"
	"example.org/hotline/ops/config"
)

// newRestoreCmd makes a data directory from a backup.
func newRestoreCmd(path *string) *cobra.Command {
	var from string
	var confirm bool
	cmd := &cobra.Command{
		Use: "restore", Short: "make the node's data directory from a backup", Args: cobra.NoArgs,
		Long: "restore --from DIR verifies a backup that hotline backup has made and writes the data directory of this node from it, which\n" +
			"must be absent or empty. The node then starts its group anew: it signs nothing before every other party has said which head of\n" +
			"the log it holds. If one holds a newer head than the backup, the node never signs on this log.\n\n" +
			"restore --confirm-without-peers ends the waiting when there is a party that cannot be asked. Only a person can know that nothing\n" +
			"was signed after the backup.",
	}
	cmd.Flags().StringVar(&from, "from", "", "directory of the backup")
	cmd.Flags().BoolVar(&confirm, "confirm-without-peers", false, "let a restored node sign without having heard every party")
	cmd.MarkFlagsMutuallyExclusive("from", "confirm-without-peers")
	cmd.MarkFlagsOneRequired("from", "confirm-without-peers")
	cmd.RunE = func(c *cobra.Command, _ []string) error {
		if confirm {
			return confirmWithoutPeers(c.OutOrStdout(), *path)
		}
		return restore(c.OutOrStdout(), *path, from)
	}
	return cmd
}

func restore(out io.Writer, path, from string) error {
	cfg, err := config.Load(path)
	if err != nil {
		return err
	}
	pass, err := passphrase(cfg.Keys.Passphrase)
	if err != nil {
		return err
	}
	b, err := node.Restore(cfg, from, pass, logger(cfg.Log))
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s holds %d entries of %s, root %s; the node signs when every other party has said what it holds\n",
		cfg.Data, b.Size, b.Party, hotline.ID(b.Root).Short())
	return nil
}

func confirmWithoutPeers(out io.Writer, path string) error {
	cfg, err := config.Load(path)
	if err != nil {
		return err
	}
	if err := node.ConfirmWithoutPeers(cfg); err != nil {
		return err
	}
	fmt.Fprintf(out, "node %s of %s signs from its next start on without having heard every party\n", cfg.Node, cfg.Party)
	return nil
}
