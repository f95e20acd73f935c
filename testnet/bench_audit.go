package testnet

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/audit"
)

// measureAudit replays the receiver's log, as the load has left it.
func (b *bench) measureAudit(ctx context.Context, w *Network) error {
	b.tell("audit of the receiver's log")
	dir := filepath.Join(b.opt.Dir, "export")
	entries, err := w.Parties[1].Export(ctx, dir)
	if err != nil {
		return err
	}
	signatures, err := signaturesIn(entries)
	if err != nil {
		return err
	}
	size := len(entries)
	entries = nil // so that it does not count as the auditor's memory
	defer audit.TuneMemory()()
	var rates, lines, memory []float64
	for range b.opt.Repeats {
		debug.FreeOSMemory()
		if err := forgetPeak(); err != nil {
			return err
		}
		began := time.Now()
		r, err := audit.Replay(ctx, []string{dir}, audit.Options{TempDir: b.opt.Dir})
		if err != nil {
			return err
		}
		took := time.Since(began)
		if code := r.ExitCode(); code != audit.ExitClean {
			err = fmt.Errorf("the auditor observes %v", r.Observations)
		}
		r.Close()
		if err != nil {
			return err
		}
		own, err := usageOf(os.Getpid())
		if err != nil {
			return err
		}
		rates, lines = append(rates, float64(signatures)/took.Seconds()), append(lines, float64(size)/took.Seconds())
		memory = append(memory, mebibytes(own.peak))
	}
	f := b.add("audit: signatures verified", "1/s", signatures, rates).below("plain verification on all cores", b.floor["Ed25519 verify on all cores"])
	f.ratioAtMost(1 / 0.85)
	b.add("audit: entries replayed", "1/s", size, lines)
	b.add("audit: memory, with that of the bench itself", "MiB", 1, memory).against("this program before it does anything", b.floor["memory"]).atMost(150)
	return nil
}

// signaturesIn counts the signatures that an auditor of a log must verify: the author's of what was sent, the author's and the tender of what was
// received, and the receipt.
func signaturesIn(entries [][]byte) (n int, err error) {
	for i, raw := range entries {
		e, _, err := hotline.DecodeEntry(raw)
		if err != nil {
			return 0, fmt.Errorf("entry %d: %w", i, err)
		}
		switch e.Type {
		case hotline.EntrySent, hotline.EntryReceipted:
			n++
		case hotline.EntryReceived:
			n += 2
		}
	}
	return n, nil
}
