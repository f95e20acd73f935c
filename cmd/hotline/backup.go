package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"example.org/hotline/hotline"
	"example.org/hotline/ops/ceremony"
)

// newBackupCmd fetches what a party needs to go on without its disks.
func newBackupCmd(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "backup DIR",
		Short: "Fetch a backup of the group's log and state while it runs",
		Long: "Fetches every entry and the open state from a running node, checks that the log key signed both, and writes them with the\n" +
			"documents to DIR, which must not exist. No key is in it: keep the key directories of the nodes apart from it. hotlined restore\n" +
			"makes a data directory from it.",
		Args: cobra.ExactArgs(1),
	}
	cmd.RunE = a.atDesk(func(ctx context.Context, s *seat, args []string) error {
		b, err := s.backup(ctx, args[0])
		if err != nil {
			return err
		}
		return s.show(map[string]any{"dir": args[0], "size": b.Size, "root": plain(b.Root)}, func(w io.Writer) {
			fmt.Fprintf(w, "%s holds %d entries of %s and the state behind them, root %s\n", args[0], b.Size, b.Party, hotline.ID(b.Root).Short())
		})
	})
	return cmd
}

func (s *seat) backup(ctx context.Context, dir string) (*hotline.Backup, error) {
	documents := map[string][]byte{}
	for _, raw := range s.docs.Raw() {
		name, err := ceremony.DocumentName(raw)
		if err != nil {
			return nil, err
		}
		documents[name] = raw
	}
	return s.client.Backup(ctx, dir, s.page().Log, documents)
}
