package node

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"example.org/hotline/crypto/tlog"
	"example.org/hotline/hotline"
	"example.org/hotline/hotline/ledger"
	"example.org/hotline/hotline/link"
)

// The leader makes checkpoints and asks other parties to cosign them (SPEC §7.5,
// §7.8). Nothing waits for what comes of it.

const (
	// checkpointPause is the shortest time between two checkpoints.
	checkpointPause = time.Second
	// checkpointRetry is when witnesses that have not cosigned are asked again; it
	// doubles up to checkpointRetryMax while nothing changes.
	checkpointRetry    = 2 * time.Second
	checkpointRetryMax = 10 * time.Minute
	// witnessWait is how long one round waits for a witness: one that is away
	// holds up neither the others' cosignatures nor the next checkpoint.
	witnessWait = 3 * time.Second
	// cosignedHold is how long a checkpoint with more witnesses is kept although
	// a newer one with fewer is there.
	cosignedHold = time.Hour
	// cosignedFile holds, in the data directory, the newest cosigned checkpoint.
	cosignedFile = "cosigned"
)

// gathered is the newest checkpoint of the own log with its cosignatures.
type gathered struct {
	path string

	mu    sync.Mutex
	made  time.Time // when this node last made a checkpoint; zero: never
	note  []byte    // with cosignatures; nil: none
	size  uint64
	count int       // witnesses
	since time.Time // when note was taken; zero: read from the file

	anchor  *hotline.Anchor // newest; nil: none
	offered time.Time       // when it was last put into a command
}

func openGathered(data string) (*gathered, error) {
	g := &gathered{path: filepath.Join(data, cosignedFile)}
	b, err := os.ReadFile(g.path)
	if os.IsNotExist(err) {
		return g, nil
	}
	if err != nil {
		return nil, err
	}
	if c, err := tlog.ClaimedCheckpoint(b); err == nil { // who hands it out verifies it
		g.note, g.size = b, c.Size
	}
	return g, nil
}

// take keeps a note with its cosignatures of count witnesses, if it says more than
// the one that is kept.
func (g *gathered) take(note []byte, size uint64, count int) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if count == 0 || g.size == size && count <= g.count || count < g.count && time.Since(g.since) < cosignedHold {
		return nil
	}
	g.note, g.size, g.count, g.since = note, size, count, time.Now()
	tmp := g.path + ".new"
	if err := os.WriteFile(tmp, note, 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, g.path)
}

func (g *gathered) newest() []byte {
	g.mu.Lock()
	defer g.mu.Unlock()
	return bytes.Clone(g.note)
}

// round is one checkpoint on its way round the witnesses.
type round struct {
	checkpoint tlog.Checkpoint
	note       []byte
	lines      map[hotline.Party][]byte
	over       map[hotline.Party]bool // will not cosign this one
	missing    int                    // witnesses that have not answered yet
}

// asking is what the leader remembers of its checkpoints while it leads.
type asking struct {
	round   *round                   // nil: none was made yet
	covered uint64                   // entries that called for a checkpoint and are in one
	old     map[hotline.Party]uint64 // what each witness has cosigned last, as far as known
	wait    time.Duration            // before witnesses that have not cosigned are asked again
	retry   time.Time                // when they are
	refresh time.Time                // when it is looked whether the newest checkpoint must be cosigned again
}

// keepCheckpoints runs while this node leads. Whatever the group applies wakes
// it, so the time of the next asking is kept: a log that witnesses much would
// put off its own witnesses for ever. Where none is missing nothing is asked
// and no file is written.
func (n *Node) keepCheckpoints(ctx context.Context) {
	a := &asking{old: map[hotline.Party]uint64{}, refresh: time.Now().Add(hotline.AnchorRefresh), wait: checkpointRetry, retry: time.Now().Add(checkpointRetry)}
	for ctx.Err() == nil {
		grown := n.machine.growth()
		made := n.nextRound(a)
		n.recordWitnessed(ctx)
		if made {
			n.ask(ctx, a.round, a.old)
			pause(ctx, checkpointPause)
			continue
		}
		n.askAgain(ctx, a)
		due := time.NewTimer(min(time.Until(a.retry), time.Until(a.refresh)))
		select {
		case <-grown:
		case <-due.C:
		case <-ctx.Done():
		}
		due.Stop()
	}
}

// nextRound makes a checkpoint if entries came that call for one.
func (n *Node) nextRound(a *asking) bool {
	var weighty uint64
	n.machine.view(func(s *ledger.State) { weighty = s.Weighty() })
	if weighty <= a.covered {
		return false
	}
	c, note, err := n.checkpoint()
	if err != nil {
		return false
	}
	a.round, a.covered, a.wait = &round{checkpoint: c, note: note, lines: map[hotline.Party][]byte{}, over: map[hotline.Party]bool{}}, weighty, checkpointRetry
	a.retry, a.refresh = time.Now().Add(a.wait), time.Now().Add(hotline.AnchorRefresh)
	n.gathered.making()
	return true
}

// askAgain asks those who have not cosigned, each time after a longer pause, and
// while there is work everybody: for an anchor's sake (SPEC §7.13 rule 6).
func (n *Node) askAgain(ctx context.Context, a *asking) {
	now := time.Now()
	if !now.Before(a.refresh) {
		a.refresh = now.Add(hotline.AnchorRefresh)
		atWork := false
		n.machine.view(func(s *ledger.State) { atWork = s.AtWork(n.now()) })
		if atWork && a.round != nil {
			n.renew(ctx, a.round, a.old)
		}
	}
	if !now.Before(a.retry) {
		if a.round != nil && a.round.missing > 0 {
			n.ask(ctx, a.round, a.old)
		}
		a.wait = min(a.wait*2, checkpointRetryMax)
		a.retry = now.Add(a.wait)
	}
}

// renew has a checkpoint cosigned again. What was gathered of it first stays: of
// the same tree an earlier time says more.
func (n *Node) renew(ctx context.Context, r *round, old map[hotline.Party]uint64) {
	again := &round{checkpoint: r.checkpoint, note: r.note, lines: map[hotline.Party][]byte{}, over: r.over}
	n.ask(ctx, again, old)
	for p, lines := range again.lines {
		if r.lines[p] == nil {
			r.lines[p] = lines
			r.missing--
		}
	}
}

func (g *gathered) making() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.made = time.Now()
}

// witnesses are the members that this log asks, in order (SPEC §7.8).
func (n *Node) witnesses() []hotline.Party {
	var list []hotline.Party
	n.machine.view(func(s *ledger.State) {
		if c := s.Convention(n.now()); c != nil {
			list = c.WitnessesOf(s.Self())
		}
	})
	return list
}

// ask asks every witness that has not cosigned yet, and counts those that still have
// not. old is the size that each has cosigned last, as far as known.
func (n *Node) ask(ctx context.Context, r *round, old map[hotline.Party]uint64) {
	ctx, cancel := context.WithTimeout(ctx, witnessWait)
	defer cancel()
	var mu sync.Mutex
	var wg sync.WaitGroup
	list := n.witnesses()
	for _, p := range list {
		mu.Lock()
		from, done := old[p], r.lines[p] != nil || r.over[p]
		mu.Unlock()
		if done {
			continue
		}
		wg.Go(func() {
			lines, last, over := n.askWitness(ctx, p, r, from)
			mu.Lock()
			defer mu.Unlock()
			old[p] = last
			if lines != nil {
				r.lines[p] = lines
			}
			r.over[p] = over
		})
	}
	wg.Wait()
	n.gathered.offer(r, n.now())
	note := bytes.Clone(r.note)
	r.missing = 0
	for _, p := range list {
		note = append(note, r.lines[p]...)
		if r.lines[p] == nil && !r.over[p] {
			r.missing++
		}
	}
	if err := n.gathered.take(note, r.checkpoint.Size, len(r.lines)); err != nil {
		n.log.Warn("the cosigned checkpoint cannot be kept in a file", "why", err)
	}
}

// askWitness asks the nodes of one witness in turn. over says that asking again
// about this checkpoint is of no use.
func (n *Node) askWitness(ctx context.Context, p hotline.Party, r *round, old uint64) (lines []byte, last uint64, over bool) {
	path := 0
	for tries := n.paths(p) + 2; tries > 0 && path < n.paths(p); tries-- {
		x := &tlog.Extension{Old: old, Note: r.note}
		if old > r.checkpoint.Size {
			n.log.Error("a witness has cosigned more of this log than this node holds", "witness", p, "cosigned", old, "here", r.checkpoint.Size)
			return nil, old, true
		}
		if old > 0 && old < r.checkpoint.Size {
			var err error
			if x.Proof, err = n.machine.store.Consistency(old, r.checkpoint.Size); err != nil {
				n.log.Error("the log cannot be proven from its files", "why", err)
				return nil, old, false
			}
		}
		a, err := n.line.Ask(ctx, p, path, false, &link.Question{Checkpoint: x.Encode()})
		if ctx.Err() != nil {
			break
		}
		if err != nil {
			path++
			continue
		}
		n.metrics.cosignatures.WithLabelValues(string(p), orDone(a.Code)).Inc()
		switch a.Code {
		case "":
			if err := n.checkCosigned(p, r, a.Cosignature); err != nil {
				n.log.Warn("a witness answers with what is no cosignature", "witness", p, "why", err)
				return nil, old, true
			}
			return a.Cosignature, r.checkpoint.Size, false
		case hotline.CodeConflict:
			if old = 0; a.Head != nil && a.Head.Origin == r.checkpoint.Origin {
				old = a.Head.Size
			}
		case hotline.CodeInconsistent, hotline.CodeMalformed:
			n.log.Error("a witness refuses a checkpoint of this log", "witness", p, "code", a.Code, "why", a.Text)
			return nil, old, true
		default:
			path++
		}
	}
	return nil, old, false
}

// checkCosigned checks that an answer holds the two lines of the witness and no other.
func (n *Node) checkCosigned(p hotline.Party, r *round, lines []byte) error {
	var list []tlog.Cosigner
	n.machine.view(func(s *ledger.State) {
		if d := s.Directory(p); d != nil {
			list = []tlog.Cosigner{{Name: tlog.WitnessName(string(p)), Key: d.Witness}, {Name: tlog.WitnessName(string(p)), Key: d.WitnessPQ}}
		}
	})
	found, others, err := tlog.VerifyCosignatures(slices.Concat(r.note, lines), r.checkpoint, list)
	if err == nil && (len(found) != 2 || others != 0) {
		err = hotline.Refuse(hotline.CodeBadSignature, "%d lines of its two keys, and %d others", len(found), others)
	}
	return err
}

// cosigned returns the newest cosigned checkpoint that fits a log of this size, or
// nil. The leader has it; this node's own file is what it had when it led.
func (n *Node) cosigned(ctx context.Context, size uint64) []byte {
	ctx, cancel := context.WithTimeout(ctx, gateWait)
	defer cancel()
	for _, note := range [][]byte{n.askLeader(ctx, &ask{Cosigned: true}).Cosigned, n.gathered.newest()} {
		c, err := tlog.ClaimedCheckpoint(note)
		if err != nil || c.Origin == "" || c.Size > size {
			continue
		}
		var origin string
		n.machine.view(func(s *ledger.State) { origin = tlog.Origin(string(s.Self()), s.Generation()) })
		if c, err = tlog.ParseCheckpoint(note, origin, n.keys.log.Public()); err != nil {
			continue
		}
		if root, err := n.machine.store.RootAt(c.Size); err == nil && root == c.Root {
			return note
		}
	}
	return nil
}

// figures are for the metrics.
type figures struct{ made, size, witnesses float64 }

func (g *gathered) figures() (f figures) {
	if g == nil {
		return f
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.made.IsZero() {
		f.made = float64(g.made.UnixMilli()) / 1000
	}
	f.size, f.witnesses = float64(g.size), float64(g.count)
	return f
}
