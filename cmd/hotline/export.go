package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"example.org/hotline/crypto/tlog"
	"example.org/hotline/hotline"
	"example.org/hotline/hotline/audit"
	"example.org/hotline/hotline/desk"
)

// newExportCmd fetches the log for auditors.
func newExportCmd(a *app) *cobra.Command {
	var pair, inCase string
	cmd := &cobra.Command{
		Use:   "export DIR",
		Short: "Fetch the group's log and write it for auditors",
		Long: "Fetches every entry of the log, checks that they are the tree that the checkpoint names and that the log key of the directory\n" +
			"signed it, and writes them to DIR, which must not exist, in the form that hotline-audit reads. With --pair it shows only what\n" +
			"concerns the own party and one other, with --case only what concerns one case, and every other leaf as its hash. A case is named\n" +
			"by the id of any of its statements, or at least 8 of its first digits.",
		Args: cobra.ExactArgs(1),
	}
	cmd.Flags().StringVar(&pair, "pair", "", "show only what concerns this party and the own one")
	cmd.Flags().StringVar(&inCase, "case", "", "show only what concerns this case")
	cmd.RunE = a.atDesk(func(ctx context.Context, s *seat, args []string) error {
		var write func(full, dir string) error
		switch {
		case pair != "" && inCase != "":
			return usage(cmd, "--pair and --case: give one of them")
		case pair != "":
			list, err := parties(cmd, "pair", []string{pair})
			if err != nil {
				return err
			}
			if list[0] == s.party() {
				return usage(cmd, "--pair: %s is your own party: name the other one", pair)
			}
			if !slices.ContainsFunc(s.docs.Conventions, func(c *hotline.SignedConvention) bool { return c.Member(list[0]) != nil }) {
				return refused(hotline.CodeNotFound, "see hotline documents for the parties", "%s is no party of the convention", pair)
			}
			write = func(full, dir string) error { return audit.WritePair(full, dir, list[0]) }
		case inCase != "":
			_, id, err := s.findCase(ctx, inCase)
			if err != nil {
				return err
			}
			inCase = id.Key()
			write = func(full, dir string) error { return audit.WriteCase(full, dir, *id) }
		}
		c, by, err := s.export(ctx, args[0], write)
		if err != nil {
			return err
		}
		told := map[string]any{"dir": args[0], "size": c.Size, "root": plain(c.Root), "pair": pair, "case": inCase, "cosigned": plain(by)}
		return s.show(told, func(w io.Writer) {
			fmt.Fprintf(w, "%s holds %d entries of %s, root %s\n", args[0], c.Size, c.Origin, hotline.ID(c.Root).Short())
			s.sheet(w).witnesses(by, c.Size, uint64(len(s.convention(s.time()).Parties)), s.time())
		})
	})
	return cmd
}

// export fetches the log into a temporary directory beside dir, checks it, and writes it in its final form: whole, or the part
// that write makes of the whole. by is who has cosigned it.
func (s *seat) export(ctx context.Context, dir string, write func(full, dir string) error) (c tlog.Checkpoint, by *desk.CosignedView, err error) {
	if _, err := os.Lstat(dir); err == nil {
		return c, nil, &os.PathError{Op: "create", Path: dir, Err: os.ErrExist}
	}
	tmp, err := os.MkdirTemp(filepath.Dir(filepath.Clean(dir)), ".export-")
	if err != nil {
		return c, nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(tmp)) }()
	store, err := tlog.Open(filepath.Join(tmp, "log"))
	if err != nil {
		return c, nil, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	note, cosigned, err := s.fetch(ctx, store)
	if err != nil {
		return c, nil, err
	}
	if c, err = s.checkLog(store, note); err != nil {
		return c, nil, err
	}
	if by, err = s.checkCosigned(store, cosigned); err != nil {
		return c, nil, err
	}
	if write == nil {
		return c, by, audit.WriteFull(dir, store, note, cosigned)
	}
	full := filepath.Join(tmp, "full")
	if err := audit.WriteFull(full, store, note, cosigned); err != nil {
		return c, nil, err
	}
	return c, by, write(full, dir)
}

// fetch streams the entries into the store and returns the checkpoint, and the
// newest cosigned one if there is any.
func (s *seat) fetch(ctx context.Context, store *tlog.Store) (note, cosigned []byte, err error) {
	err = s.client.Stream(ctx, &desk.Request{Export: &desk.ExportRequest{}}, func(r *desk.Reply) error {
		e := r.Export
		if e == nil || note != nil || e.From != store.Size() || e.From+uint64(len(e.Entries)) > e.Size {
			return fmt.Errorf("%w: entries out of order", desk.ErrAnswer)
		}
		if len(e.Checkpoint) > 0 {
			note, cosigned = e.Checkpoint, e.Cosigned
		}
		if len(e.Entries) == 0 {
			return nil
		}
		return store.Append(e.Entries...)
	})
	if err == nil && note == nil {
		err = fmt.Errorf("%w: the export ends without a checkpoint", desk.ErrAnswer)
	}
	return note, cosigned, err
}

// checkCosigned checks that the cosigned checkpoint is of this log, and says who has cosigned it; nil: nobody yet.
func (s *seat) checkCosigned(store *tlog.Store, note []byte) (*desk.CosignedView, error) {
	if note == nil {
		return nil, nil
	}
	page := s.page()
	c, err := tlog.ParseCheckpoint(note, tlog.Origin(string(page.Party), page.Generation), page.Log)
	if err != nil {
		return nil, fmt.Errorf("%w: cosigned checkpoint: %w", desk.ErrAnswer, err)
	}
	if root, err := store.RootAt(c.Size); err != nil || root != c.Root {
		return nil, fmt.Errorf("%w: the cosigned checkpoint of size %d is of another history", desk.ErrAnswer, c.Size)
	}
	by, err := s.cosignedBy(note, c)
	if err != nil {
		return nil, fmt.Errorf("%w: cosigned checkpoint: %w", desk.ErrAnswer, err)
	}
	return s.cosignedView(c.Size, by), nil
}

// checkLog checks that the entries are those that the log key signed.
func (s *seat) checkLog(store *tlog.Store, note []byte) (tlog.Checkpoint, error) {
	page := s.page()
	c, err := tlog.ParseCheckpoint(note, tlog.Origin(string(page.Party), page.Generation), page.Log)
	if err != nil {
		return c, fmt.Errorf("%w: %w", desk.ErrAnswer, err)
	}
	if c.Size != store.Size() || c.Root != store.Root() {
		return c, fmt.Errorf("%w: %d entries are not the tree of size %d that the log key signed", desk.ErrAnswer, store.Size(), c.Size)
	}
	return c, nil
}
