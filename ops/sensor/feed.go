package sensor

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"time"

	"example.org/hotline/hotline"
)

const (
	// readAtOnce is about how many bytes of a feed one Poll reads.
	readAtOnce = 8 << 20
	// retellAfter is how long a hit that grows waits before its new totals are told.
	retellAfter = 10 * time.Second
	// saveAfter is how long a position that has moved waits before it is saved. What lies between is read again after a crash and
	// gives the same hits.
	saveAfter = 2 * time.Second
	// MaxOpenHits bounds the hits that grow at one time in a feed that is followed.
	MaxOpenHits = 1024
	// maxState bounds the file that a feed keeps, in bytes.
	maxState = 64 << 20
	// stateVersion is the form of that file.
	stateVersion = 1
)

// FeedConfig says what is followed and how it is judged.
type FeedConfig struct {
	Source    string // SourceSuricata or SourceIntelMQ
	Path      string
	State     string // file that keeps the position; its directory exists
	Territory *Prefixes
	Options   Options
}

// Stats are counts of a feed since it was opened.
type Stats struct {
	Lines, Events, Skipped, Broken uint64
	// Gaps counts times that lines may have been lost: the file was rotated away and its rest was not to be found.
	Gaps uint64
	// LeftOut counts hits that ring nowhere by the options.
	LeftOut uint64
	// Problem is the last line that could not be used.
	Problem string
}

// Feed follows a file of lines that grows. It is used by one goroutine: Poll, hand on what it returns, Commit; and again.
type Feed struct {
	cfg     FeedConfig
	g       *gatherer
	d       decoder
	tail    *follower
	report  Report
	stats   Stats
	told    []*aggregate // what Poll has returned and Commit has not confirmed
	savedAt time.Time
	saved   Position
}

// OpenFeed begins to follow where the state file says, or at the beginning of the file if there is none. An unreadable state file
// is told by the error, and Feed then begins at the beginning: known hits are known by their keys. No feed without Settle's approval.
func OpenFeed(c FeedConfig) (*Feed, error) {
	if c.Source == SourceNfdump {
		return nil, errors.New("sensor: nfdump writes a file for each interval and none that grows: read them with hotline detect")
	}
	if c.Options.MaxHits == 0 {
		c.Options.MaxHits = MaxOpenHits
	}
	if err := c.Options.Settle(); err != nil {
		return nil, err
	}
	f := &Feed{cfg: c, tail: newFollower(c.Path)}
	f.g = newGatherer(c.Source, c.Territory, &f.cfg.Options)
	f.g.follow = true
	var err error
	if f.d, err = newDecoder(c.Source, f.g); err != nil {
		return nil, err
	}
	return f, f.load()
}

// Poll reads what was added, and returns the hits that are new or have grown and that ring. If the last ones were not confirmed
// by Commit it returns those again and reads nothing. More says that there is more to read at once. An error concerns the file: try
// again later; hits that come with it are valid.
func (f *Feed) Poll(now time.Time) (hits []hotline.Hit, more bool, err error) {
	if f.told == nil {
		f.g.now = now
		if err := f.begin(now); err != nil {
			return nil, false, err
		}
		more, err = f.tail.read(readAtOnce, func(line []byte, long bool) { f.report.take(line, long, f.d, f.g) })
		f.g.flush()
		f.count()
		f.told = f.due(now)
	}
	for _, a := range f.told {
		hits = append(hits, f.g.close(a))
	}
	return hits, more, err
}

// begin keeps, of a file that is followed for the first time, from when on it counts, before anything of it is told: after a stop
// that comes before the first Commit it is else not known again once it was rotated. The next Commit saves as if nothing had been.
func (f *Feed) begin(now time.Time) error {
	if f.saved != (Position{}) {
		return nil
	}
	if err := f.tail.begin(now); err != nil {
		return err
	}
	err := f.save(now)
	f.savedAt = time.Time{}
	return err
}

// count moves the figures of the last reading into the totals.
func (f *Feed) count() {
	r := &f.report
	f.stats.Lines += uint64(r.Lines)
	f.stats.Events += uint64(r.Events)
	f.stats.Skipped += uint64(r.Skipped)
	f.stats.Broken += uint64(r.Broken)
	f.stats.Gaps += uint64(f.tail.gaps)
	if n := len(r.Problems); n > 0 {
		f.stats.Problem = r.Problems[n-1].Text
	}
	*r, f.tail.gaps = Report{}, 0
}

// due are the hits that are to be told: new ones at once, grown ones now and then, and those that end or had to make room.
func (f *Feed) due(now time.Time) (due []*aggregate) {
	consider := func(a *aggregate, last bool) {
		switch {
		case !a.dirty || !a.reached(f.g.opt):
		case !f.g.opt.Rings(&a.hit):
			if !a.told {
				f.stats.LeftOut++
			}
			a.dirty, a.told = false, true
		case !a.told || last || now.Sub(a.toldAt) >= retellAfter:
			due = append(due, a)
		}
	}
	for _, a := range f.g.evicted {
		consider(a, true)
	}
	f.g.evicted = nil
	f.g.all = slices.DeleteFunc(f.g.all, func(a *aggregate) bool {
		over := now.Sub(a.touched) > f.g.opt.Window
		consider(a, over)
		if over {
			f.g.forget(a)
		}
		return over
	})
	return due
}

// Commit says that the hits of the last Poll are where they belong, and saves the position. It must not be called before: whatever
// happens earlier is read again. An error means that the disk fails; the hits are read again after a restart.
func (f *Feed) Commit(now time.Time) error {
	for _, a := range f.told {
		a.dirty, a.told, a.toldAt = false, true, now
	}
	f.told = nil
	if p := f.tail.position(); p == f.saved || now.Sub(f.savedAt) < saveAfter {
		return nil
	}
	return f.save(now)
}

// Close saves the position, if nothing waits to be confirmed, and closes the file.
func (f *Feed) Close(now time.Time) error {
	defer f.tail.close()
	if f.told != nil {
		return nil
	}
	return f.save(now)
}

// Discard closes the file and saves nothing.
func (f *Feed) Discard() { f.tail.close() }

// Stats returns the counts.
func (f *Feed) Stats() Stats { return f.stats }

// makeRoom ends the hit that has not grown for the longest time; false in a feed that is read once, which rather leaves out new ones.
func (g *gatherer) makeRoom() bool {
	if !g.follow || len(g.all) == 0 {
		return false
	}
	i := 0
	for j, a := range g.all {
		if a.touched.Before(g.all[i].touched) {
			i = j
		}
	}
	a := g.all[i]
	g.all = slices.Delete(g.all, i, i+1)
	g.forget(a)
	g.evicted = append(g.evicted, a)
	return true
}

// forget takes a hit out of those that grow.
func (g *gatherer) forget(a *aggregate) {
	if o := g.opening(a.id, a.anchor); g.open[o] == a {
		delete(g.open, o)
	}
	g.spare += len(a.from) + len(a.to) + len(a.ports)
}

// feedState is the file that a feed keeps.
type feedState struct {
	Version  int        `json:"version"`
	Source   string     `json:"source"`
	Path     string     `json:"path"`
	Position Position   `json:"position"`
	Hits     []savedHit `json:"hits"`
}

// savedHit is a hit that still grows. Of the addresses and ports only the totals are kept, which are lower bounds from then on.
type savedHit struct {
	Sensor    string               `json:"sensor"`
	Family    string               `json:"family"`
	Protocol  string               `json:"protocol"`
	From      netip.Addr           `json:"from"`
	Dest      netip.Addr           `json:"dest"`
	Port      uint16               `json:"port"`
	Direction hotline.HitDirection `json:"direction"`
	Evidence  hotline.HitEvidence  `json:"evidence"`
	Nature    hotline.HitNature    `json:"nature"`
	Measure   measure              `json:"measure"`
	Named     bool                 `json:"named"`
	Known     bool                 `json:"known"`
	Anchor    time.Time            `json:"anchor"`
	Touched   time.Time            `json:"touched"`
	Told      bool                 `json:"told"`
	Dirty     bool                 `json:"dirty"`
	Lines     int                  `json:"lines"`
	Totals    [3]uint              `json:"totals"`
	Ports     []uint16             `json:"ports"` // while they are few
	Remarks   remark               `json:"remarks"`
	Hit       hotline.Hit          `json:"hit"`
}

func (f *Feed) save(now time.Time) error {
	st := feedState{Version: stateVersion, Source: f.cfg.Source, Path: f.cfg.Path, Position: f.tail.position(), Hits: []savedHit{}}
	for _, a := range f.g.all {
		id := &a.id
		var ports []uint16
		if len(a.ports) <= hotline.MaxHitAddresses {
			ports = slices.Sorted(maps.Keys(a.ports))
		}
		st.Hits = append(st.Hits, savedHit{Sensor: id.sensor, Family: id.family, Protocol: id.protocol, From: id.from, Dest: id.dest,
			Port: id.port, Direction: id.direction, Evidence: id.evidence, Nature: id.nature, Measure: id.measure, Named: id.named,
			Known: id.known, Anchor: a.anchor, Touched: a.touched, Told: a.told, Dirty: a.dirty, Lines: a.lines,
			Totals: [3]uint{a.total(0), a.total(1), a.total(2)}, Ports: ports, Remarks: a.remarks, Hit: a.hit})
	}
	data, err := json.Marshal(&st)
	if err != nil {
		return fmt.Errorf("sensor position: %w", err)
	}
	if err := replaceFile(f.cfg.State, data); err != nil {
		return fmt.Errorf("sensor position: %w", err)
	}
	f.saved, f.savedAt = st.Position, now
	return nil
}

// replaceFile writes a file as a whole: after a crash either the old or the new one is there.
func replaceFile(path string, data []byte) error {
	tmp := path + ".tmp"
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(tmp))
	}
	if err := os.Rename(tmp, path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// load takes up the state file. An error leaves the feed at the beginning.
func (f *Feed) load() error {
	info, err := os.Stat(f.cfg.State)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var data []byte
	if err == nil && info.Size() > maxState {
		err = fmt.Errorf("it is larger than %d bytes", maxState)
	}
	if err == nil {
		data, err = os.ReadFile(f.cfg.State)
	}
	var st feedState
	if err == nil {
		err = json.Unmarshal(data, &st)
	}
	if err == nil && (st.Version != stateVersion || st.Source != f.cfg.Source || st.Path != f.cfg.Path || st.Position.Offset < 0 || len(st.Hits) > f.g.opt.MaxHits) {
		err = fmt.Errorf("it is of version %d, source %q, file %s", st.Version, st.Source, st.Path)
	}
	for i := range st.Hits {
		if err == nil {
			err = f.g.restore(&st.Hits[i])
		}
	}
	if err != nil {
		f.g.all, f.g.open = nil, make(map[opening]*aggregate)
		return fmt.Errorf("sensor position in %s cannot be used, the feed is read from its beginning: %w", f.cfg.State, err)
	}
	f.saved = st.Position
	return f.tail.resume(&st.Position)
}

// restore takes up a hit that grew before a restart.
func (g *gatherer) restore(s *savedHit) error {
	a := &aggregate{
		id: groupID{sensor: s.Sensor, family: s.Family, protocol: s.Protocol, from: s.From, dest: s.Dest, port: s.Port, direction: s.Direction,
			evidence: s.Evidence, nature: s.Nature, measure: s.Measure, named: s.Named, known: s.Known},
		anchor: s.Anchor, touched: s.Touched, told: s.Told, dirty: s.Dirty, lines: s.Lines, base: s.Totals, remarks: s.Remarks, hit: s.Hit,
		from: make(map[netip.Addr]struct{}), to: make(map[netip.Addr]struct{}), ports: make(map[uint16]struct{}),
	}
	for text, set := range map[*[]string]map[netip.Addr]struct{}{&a.hit.From: a.from, &a.hit.To: a.to} {
		for _, t := range *text {
			addr, err := netip.ParseAddr(t)
			if err != nil {
				return err
			}
			distinguish(set, addr, &g.spare)
		}
	}
	for _, port := range s.Ports {
		distinguish(a.ports, port, &g.spare)
	}
	if s.Totals[0] > uint(len(a.from)) || s.Totals[1] > uint(len(a.to)) || s.Totals[2] > uint(len(a.ports)) {
		a.remarks |= remarkInexact
	}
	if h := g.close(a); h.Source != g.source || h.Validate() != nil {
		return fmt.Errorf("hit %.12s is not one of this feed", s.Hit.Key)
	}
	g.enter(a)
	return nil
}
