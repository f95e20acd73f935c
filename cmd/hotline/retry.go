package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/desk"
	"example.org/hotline/ops/ceremony"
)

// newRetryCmd asks again for what became of submissions.
func newRetryCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "retry",
		Short: "Submit again, with the same ids, what was submitted without a known outcome",
		Long: "A statement that is submitted stands on this machine until the group has said what became of it. This submits all of those\n" +
			"again, unchanged: what stands in the ledger already is not entered twice.",
		Args: cobra.NoArgs,
		RunE: a.atDesk(func(ctx context.Context, s *seat, _ []string) error { return s.retry(ctx) }),
	}
}

func (s *seat) retry(ctx context.Context) error {
	dir := filepath.Join(s.home, unsettledDir)
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	entries = slices.DeleteFunc(entries, func(e fs.DirEntry) bool { return strings.HasPrefix(e.Name(), ".") }) // of a process that ended while it wrote
	var done []*desk.SubmitView
	var failed error
	for _, e := range entries {
		switch v, err := s.again(ctx, filepath.Join(dir, e.Name())); {
		case err == nil:
			done = append(done, v)
		case hotline.CodeOf(err) == hotline.CodeUnknown: // before the others: the exit code is that of the first
			failed = errors.Join(fmt.Errorf("%s: %w", e.Name(), err), failed)
		default:
			failed = errors.Join(failed, fmt.Errorf("%s: %w", e.Name(), err))
		}
	}
	err = s.show(plain(done), func(w io.Writer) {
		for _, v := range done {
			fmt.Fprintf(w, "%s is entry %d of the log, %s\n", v.ID, v.Index, clock(v.Time))
		}
		fmt.Fprintf(w, "%d of %d are settled\n", len(done), len(entries))
	})
	if failed != nil {
		return failed
	}
	return err
}

// again submits what stands in one file.
func (s *seat) again(ctx context.Context, path string) (*desk.SubmitView, error) {
	b, err := ceremony.ReadFile(path, hotline.MaxDeskMessage)
	if err != nil {
		return nil, err
	}
	var req desk.SubmitRequest
	if err := hotline.Unmarshal(b, &req, hotline.MaxDeskMessage); err != nil {
		return nil, err
	}
	return s.settle(ctx, path, &req, true)
}
