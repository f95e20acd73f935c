// Package audit decides again, without acting: it reads exported logs, checks
// every signature and the tree, makes every decision again with the ledger's
// own code, holds the proofs of each log against the others, and says what it
// observes and what the material does not show.
//
// Memory does not grow with the logs: entries pass through, and what must be
// remembered of each lies in temporary files.
package audit

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"

	"example.org/hotline/hotline"
)

// Options of an audit. The zero value is good.
type Options struct {
	// Convention is the id that all logs must belong to, known from elsewhere.
	// If it is zero, the id is what the logs say of themselves, and the report
	// says so.
	Convention hotline.ID
	// Cross has every statement and receipt looked for in the log of the other
	// side: Report.Exchanges and Report.Gaps.
	Cross bool
	// Workers that verify signatures; 0: one for each processor.
	Workers int
	// TempDir holds the temporary files, some 100 bytes a leaf and what is told
	// of it; "": the system's directory.
	TempDir string
	// Proofs is a directory, made if it is not there, into which a file is
	// written for each fork that is observed, if the exports suffice: it proves
	// the fork to whoever has nothing else (SPEC §7.11). "": none is written.
	Proofs string
	// Progress is called from the caller's goroutine after every
	// ProgressEvery leaves, and at the end.
	Progress func(done, total uint64)
}

// ProgressEvery is how often Options.Progress is called, in leaves.
const ProgressEvery = 256

// MaxLogs bounds the exports of one audit.
const MaxLogs = 512

// Bounds of the memory of a process that audits, for TuneMemory: garbage may be
// gcPercent of what is live before it is collected, as long as the whole stays
// below memoryLimit.
const (
	gcPercent   = 400
	memoryLimit = 112 << 20
)

// TuneMemory sets the garbage collector of this process to what suits an audit:
// little is live and much passes through. restore sets it back.
func TuneMemory() (restore func()) {
	percent, limit := debug.SetGCPercent(gcPercent), debug.SetMemoryLimit(memoryLimit)
	return func() {
		debug.SetGCPercent(percent)
		debug.SetMemoryLimit(limit)
	}
}

// Replay audits the exports in dirs. An error wraps ErrUnusable if an export
// cannot be judged; otherwise it is one of this machine, or that of ctx. The
// caller closes the report.
func Replay(ctx context.Context, dirs []string, opt Options) (*Report, error) {
	if len(dirs) == 0 || len(dirs) > MaxLogs {
		return nil, fmt.Errorf("%w: %d directories given, 1 to %d are possible", ErrUnusable, len(dirs), MaxLogs)
	}
	var open []*export
	defer func() {
		for _, x := range open {
			x.close()
		}
	}()
	for _, dir := range dirs {
		x, err := openExport(dir)
		if err != nil {
			return nil, err
		}
		open = append(open, x)
	}
	if err := agree(open, opt.Convention); err != nil {
		return nil, err
	}
	if opt.Proofs != "" {
		if err := os.MkdirAll(opt.Proofs, 0o700); err != nil {
			return nil, fmt.Errorf("directory for proofs: %w", err)
		}
	}
	slices.SortStableFunc(open, func(x, y *export) int { // a report does not depend on the order in which logs were given
		a, b := &x.head, &y.head
		return cmp.Or(cmp.Compare(a.Party, b.Party), cmp.Compare(a.Generation, b.Generation), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.With, b.With))
	})
	tmp, err := os.MkdirTemp(opt.TempDir, "hotline-audit-")
	if err != nil {
		return nil, fmt.Errorf("temporary directory: %w", err)
	}
	report := &Report{Convention: open[0].convention.String(), Pinned: !opt.Convention.IsZero(), dir: tmp,
		Observations: []Observation{}, NotJudged: []string{}}
	if err := report.judge(ctx, open, opt); err != nil {
		report.Close()
		return nil, err
	}
	return report, nil
}

// agree holds all exports to one convention, and refuses the same one twice.
func agree(open []*export, pin hotline.ID) error {
	for i, x := range open {
		if !pin.IsZero() && x.convention != pin {
			return unusable(x.dir, FileHead, "is of convention %s, not of %s which was demanded", x.convention, pin)
		}
		if x.convention != open[0].convention {
			return unusable(x.dir, FileHead, "is of another convention than %s: audit them apart", open[0].dir)
		}
		for _, y := range open[:i] {
			if filepath.Clean(x.dir) == filepath.Clean(y.dir) {
				return unusable(x.dir, "", "was given twice")
			}
		}
	}
	return nil
}

func (r *Report) judge(ctx context.Context, open []*export, opt Options) error {
	workers := opt.Workers
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	total, done := uint64(0), uint64(0)
	for _, x := range open {
		total += x.head.Size
	}
	progress := func() {
		if done++; opt.Progress != nil && (done%ProgressEvery == 0 || done == total) {
			opt.Progress(done, total)
		}
	}
	others := func(p hotline.Party, generation, index uint64, with hotline.Party, inCase string) bool {
		return slices.ContainsFunc(open, func(x *export) bool {
			return x.head.Party == p && x.head.Generation == generation && index < x.head.Size && x.head.mustShow(with, inCase)
		})
	}
	cross, err := newCrossing(r, opt.Proofs, total)
	defer cross.close()
	if err != nil {
		return err
	}
	rows, err := newBuckets(r.dir, "docket", total, (*docketRow).each)
	defer rows.close()
	if err != nil {
		return err
	}
	var sides *buckets[side]
	if opt.Cross {
		sides, err = newBuckets(r.dir, "sides", total, (*side).each)
		defer sides.close()
		if err != nil {
			return err
		}
	}
	for i, x := range open {
		j, err := newJudged(x, r.dir, i, rows, others)
		if err != nil {
			return err
		}
		j.sides = sides
		j.earlier = cross.of(&x.head)
		cross.logs = append(cross.logs, j)
		if err := j.read(ctx, workers, progress); err != nil {
			return err
		}
	}
	if r.weave, err = newWeave(r.dir, cross.logs); err != nil {
		return err
	}
	cross.weave = r.weave
	if err := cross.check(); err != nil {
		return err
	}
	if err := cross.exchange(sides); err != nil {
		return err
	}
	for _, j := range cross.logs {
		if err := r.collect(j); err != nil {
			return err
		}
	}
	if err := r.bringTogether(cross.logs); err != nil {
		return err
	}
	r.sort()
	return r.settle(rows)
}

// collect takes over what was found in one log.
func (r *Report) collect(j *judged) error {
	if err := j.teller.end(); err != nil {
		return err
	}
	r.events = append(r.events, j.teller.events)
	r.statements = append(r.statements, j.teller.rows)
	r.rungs = append(r.rungs, j.teller.ladder.rungs)
	r.tests = append(r.tests, j.teller.lines.tests)
	r.Logs = append(r.Logs, j.log)
	r.Observations = append(r.Observations, j.observations...)
	r.NotJudged = append(r.NotJudged, j.notJudged...)
	r.MoreProtocol += j.more[Protocol]
	r.MoreTerms += j.more[Terms]
	return nil
}
