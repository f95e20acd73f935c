package testnet

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/desk"
	"example.org/hotline/hotline/link"
	"example.org/hotline/ops/config"
)

// What a log of XB holds before bits are flipped: more than one full tile and several snapshots, so that every kind of file is there.
const (
	flipTexts    = 320
	flipSnapshot = 64 // commands
	flipAsked    = 4  // receipts that are asked for again after each flip
)

// oftenSnapshots has snapshots made after few commands.
func oftenSnapshots(c *config.Config) { c.Group.SnapshotEvery = flipSnapshot }

// flips is what came of all flips, by kind of file.
type flips struct {
	*field
	knocked []Logged // what XA sent to XB and holds a receipt for
	logs    Logs
	came    map[string]map[string]int
}

// tryFlip flips one bit of one file of one node of XB while the node does not run, in each round another, and starts the node. The
// others run on and their log grows. Before the next round the node gets back the files that it had.
func tryFlip(ctx context.Context, x *field) error {
	if err := x.begin(ctx); err != nil {
		return err
	}
	if err := x.fill(ctx); err != nil {
		return err
	}
	f := &flips{field: x, came: map[string]map[string]int{}}
	if err := f.remember(ctx); err != nil {
		return err
	}
	for i := range x.Rounds {
		n := x.xb.Nodes[x.chance.IntN(len(x.xb.Nodes))]
		if err := f.round(ctx, n); err != nil {
			return fmt.Errorf("round %d: %w", i+1, err)
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(f.came)) {
		x.Tell("%s: %v", kind, f.came[kind])
	}
	if err := x.xa.Nodes[2].Start(ctx); err != nil {
		return err
	}
	return x.reckon(ctx)
}

// fill has XA send many texts to XB.
func (x *field) fill(ctx context.Context) error {
	var wg sync.WaitGroup
	errs := make(chan error, flipTexts)
	places := make(chan struct{}, 16)
	for range flipTexts {
		places <- struct{}{}
		wg.Go(func() {
			defer func() { <-places }()
			errs <- x.text(ctx)
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			return err
		}
	}
	return x.well(ctx)
}

func (x *field) text(ctx context.Context) error {
	o := x.xa.Officer("O1")
	st, err := o.Sign(Letter{Kind: hotline.KindText, Precedence: hotline.Routine, To: []hotline.Party{x.xb.Code}, Body: &hotline.Note{Text: "Are you there?"}})
	if err == nil {
		_, err = o.insist(ctx, st)
	}
	return err
}

// remember keeps what both logs hold, and stops XA's last node: from here on the test stands in for it on the line.
func (f *flips) remember(ctx context.Context) (err error) {
	if f.logs, err = f.w.logs(ctx, filepath.Join(f.Dir, "exports")); err != nil {
		return err
	}
	for _, e := range f.logs[f.xa.Code] {
		if _, ok := e.Content.(*hotline.Receipted); ok {
			f.knocked = append(f.knocked, e)
		}
	}
	return f.xa.Nodes[2].Stop()
}

// flip is one flipped bit.
type flip struct {
	file string // below the data of the node
	kind string
	at   int
	bit  int
}

func (p flip) String() string { return fmt.Sprintf("%s, byte %d, bit %d", p.file, p.at, p.bit) }

// round damages a node, sees what it does, and heals it.
func (f *flips) round(ctx context.Context, n *Node) error {
	if err := n.Stop(); err != nil {
		return err
	}
	sound := n.data() + ".sound"
	if err := os.CopyFS(sound, os.DirFS(n.data())); err != nil {
		return err
	}
	p, err := f.damage(n.data())
	if err != nil {
		return err
	}
	logged, err := n.logged()
	if err != nil {
		return err
	}
	came, err := f.see(ctx, n, logged)
	if err != nil {
		return fmt.Errorf("%s: %s: %w", n.Name, p, err)
	}
	if f.came[p.kind] == nil {
		f.came[p.kind] = map[string]int{}
	}
	f.came[p.kind][came]++
	if err := n.Kill(); err != nil {
		return err
	}
	// What the damaged node took part in is on both others before it forgets it.
	if err := f.othersAgree(ctx, n); err != nil {
		return err
	}
	if err := errors.Join(os.RemoveAll(n.data()), os.Rename(sound, n.data())); err != nil {
		return err
	}
	if err := n.Start(ctx); err != nil {
		return fmt.Errorf("%s does not start with sound files: %w", n.Name, err)
	}
	return until(ctx, n.Name+" has caught up", func() error { return f.level(ctx, f.xb.Nodes...) })
}

// damage flips one bit of a byte that is not zero: what was never written is not read either. Each kind of file is as likely as any other.
func (f *flips) damage(dir string) (p flip, err error) {
	kinds := map[string][]string{}
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			if info, err := d.Info(); err == nil && info.Size() > 0 {
				kind := kindOf(strings.TrimPrefix(path, dir+"/"))
				kinds[kind] = append(kinds[kind], path)
			}
		}
		return err
	})
	if err != nil {
		return p, err
	}
	names := slices.Sorted(maps.Keys(kinds))
	p.kind = names[f.chance.IntN(len(names))]
	list := kinds[p.kind]
	path := list[f.chance.IntN(len(list))]
	b, err := os.ReadFile(path)
	if err != nil {
		return p, err
	}
	for p.at = f.chance.IntN(len(bytes.TrimRight(b, "\x00")) + 1); p.at >= len(b) || b[p.at] == 0; p.at = (p.at + 1) % len(b) {
		if len(bytes.Trim(b, "\x00")) == 0 {
			break // all of it is zero, and all of it may be read
		}
	}
	p.file, p.bit = strings.TrimPrefix(path, dir+"/"), f.chance.IntN(8)
	b[p.at] ^= 1 << p.bit
	return p, os.WriteFile(path, b, 0o600)
}

// kindOf says what a file below a node's data directory is.
func kindOf(path string) string {
	parts := strings.Split(path, "/")
	if ext := filepath.Ext(path); len(parts) > 2 && parts[1] == "log" && ext != "" {
		return "raft/log" + ext
	}
	return strings.Join(parts[:min(2, len(parts))], "/")
}

// see starts a damaged node and says what it does: it ends and says why, or it runs and everything that it serves is right. A flip that it
// mends or that hits what nobody reads cannot be told apart from outside but by its log.
func (f *flips) see(ctx context.Context, n *Node, logged int64) (string, error) {
	if err := n.Start(ctx); err != nil {
		said, err := n.since(logged)
		if err == nil && (strings.TrimSpace(said) == "" || strings.Contains(said, "goroutine ")) {
			err = fmt.Errorf("it ends by a panic, or does not say why:\n%s", said)
		}
		return "ends and says why", err
	}
	ends := n.mayEnd()
	if err := f.text(ctx); err != nil { // the log grows under the damaged node
		return "", err
	}
	err := until(ctx, n.Name+" has caught up or ended", func() error {
		select {
		case <-ends:
			return nil
		default:
			return f.level(ctx, n, f.xb.beside(n))
		}
	})
	if err == nil {
		err = f.serves(ctx, n)
	}
	said, readErr := n.since(logged)
	select {
	case <-ends:
		if !strings.Contains(said, "must stop") || strings.Contains(said, "goroutine ") {
			return "", errors.Join(fmt.Errorf("it ended without a reason: %s", n.Tail()), readErr)
		}
		return "stops and says why", readErr
	default:
	}
	if err = errors.Join(err, readErr); err != nil {
		return "", fmt.Errorf("%w; it says:\n%s", err, said)
	}
	for _, line := range strings.Split(said, "\n") {
		if strings.Contains(line, "damage") || strings.Contains(line, "corrupt") || strings.Contains(line, "made again") || strings.Contains(line, "cut back") {
			return "runs on and says what it mended", nil
		}
	}
	return "runs on, and all that it serves is right", nil
}

// level says whether nodes have the same log.
func (f *flips) level(ctx context.Context, nodes ...*Node) error {
	var first *desk.StatusView
	for _, n := range nodes {
		s, err := n.status(ctx)
		if err != nil {
			return err
		}
		if first == nil {
			first = s
		}
		if s.Leader == "" || s.Size != first.Size || s.Root != first.Root {
			return fmt.Errorf("%s has %d entries, %s %d", n.Name, s.Size, first.Node, first.Size)
		}
	}
	return nil
}

// othersAgree waits until the two nodes that were not damaged have one log.
func (f *flips) othersAgree(ctx context.Context, but *Node) error {
	others := slices.DeleteFunc(slices.Clone(f.xb.Nodes), func(n *Node) bool { return n == but })
	return until(ctx, "the others have one log", func() error { return f.level(ctx, others...) })
}

// serves asks a node that was damaged for its whole log and for receipts, and holds them to what was right before. A node that refuses
// because it has found the damage serves nothing that is wrong.
func (f *flips) serves(ctx context.Context, n *Node) error {
	dir := filepath.Join(f.w.Dir, "damaged")
	defer os.RemoveAll(dir)
	var entries [][]byte
	var err error
	again := until(ctx, n.Name+" exports its log", func() error { // a follower hears of a commit after its peers may: it says busy, and means it
		if entries, err = n.export(ctx, dir); hotline.CodeOf(err) == hotline.CodeBusy {
			return err
		}
		return nil
	})
	if err = errors.Join(err, again); err == nil {
		var log []Logged
		if log, err = ReadLog(entries); err != nil {
			return err
		}
		if len(log) < len(f.logs[f.xb.Code]) {
			return fmt.Errorf("it serves %d entries of at least %d", len(log), len(f.logs[f.xb.Code]))
		}
		err = CheckAgreement(f.logs[f.xb.Code], log)
	}
	if err != nil {
		return err
	}
	return f.receipts(ctx, n)
}

// receipts asks one node for some receipts again.
func (f *flips) receipts(ctx context.Context, n *Node) error {
	k, err := newKnocker(f.w, f.xa.Nodes[2])
	if err != nil {
		return err
	}
	defer k.close()
	line := link.New(link.Config{Party: f.xa.Code, Node: f.xa.Nodes[2].Name, Host: k, Dialer: k})
	defer line.Close()
	page := f.w.Documents.Directory(f.xb.Code)
	at := slices.IndexFunc(page.Nodes, func(d hotline.Node) bool { return d.Name == n.Name })
	line.SetPeers([]link.Peer{{Party: f.xb.Code, Nodes: page.Nodes[at : at+1]}})
	for range flipAsked {
		e := f.knocked[f.chance.IntN(len(f.knocked))]
		if err := f.knock(ctx, line, 0, n, f.logs[f.xa.Code], e.Content.(*hotline.Receipted)); err != nil {
			return err
		}
	}
	return nil
}
