package main

import (
	"fmt"
	"io"
	"path/filepath"

	"github.com/spf13/cobra"

	"example.org/hotline/ops/ceremony"
)

func newNodeCmd(a *app) *cobra.Command {
	return newGroupCmd("node", "Make the key directory of a node", newNodeNewCmd(a))
}

func newNodeNewCmd(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "new NAME --addr IP:PORT --group DIR --dir OUT",
		Short: "Make a node's TLS key and put the group's keys beside it",
		Long: "Makes OUT, the key directory of one node: tls.key of its own, and copies of the group's key files. The passphrase is that of\n" +
			"the group's keys, and opens all of them. OUT/NAME.pub goes to whoever keeps the party's directory.",
		Example: "  hotline node new XA-1 --addr 192.0.2.1:4870 --group XA/group --dir XA-1",
		Args:    cobra.ExactArgs(1),
	}
	addr := cmd.Flags().String("addr", "", "IP address and UDP port under which others reach the node")
	group := cmd.Flags().String("group", "", "directory with the keys of the group, as hotline party init makes it")
	dir := cmd.Flags().String("dir", "", "the key directory to make")
	cost := kdfFlag(cmd)
	required(cmd, "addr", "group", "dir")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := cost()
		if err != nil {
			return err
		}
		pass, err := a.oldPassphrase()
		if err != nil {
			return err
		}
		k, err := ceremony.NewNode(*dir, args[0], *addr, *group, pass, c)
		if err != nil {
			return err
		}
		return a.show(viewKey(k), func(w io.Writer) {
			viewKey(k).line(w)
			fmt.Fprintf(w, "\n%s holds all keys of the node. Hand %s to whoever keeps the directory.\n",
				*dir, filepath.Join(*dir, args[0]+ceremony.PublicExt))
		})
	}
	return cmd
}
