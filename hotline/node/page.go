package node

import (
	"context"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/ledger"
	"example.org/hotline/ops/page"
)

// Step 8 of a notification, outside the house: the leader wakes people over the
// channels of its node. The record says what is open (ledger.Pagings); here is
// only what is under way. Nothing is sent before its intent is committed.

// Bounds of waking people.
const (
	pageLook       = time.Second            // how often the leader looks whether a repeat is due
	pageAtOnce     = 256                    // pages under way
	pageFlashPlace = 64                     // of them, for FLASH alone
	pageLookCost   = 100 * time.Microsecond // how long is waited after a look, for each page that is open
	pageAgain      = time.Minute            // after an end that could not be recorded
)

// pages are the channels of this node and what is known of them.
type pages struct {
	channels *page.Pager
	nudge    chan struct{} // something about a page has changed
}

// openPages opens the channels. Secrets that cannot be read are found here.
func (n *Node) openPages() (err error) {
	n.pages.nudge = make(chan struct{}, 1)
	if n.pages.channels, err = page.Open(n.cfg.Pages); err != nil {
		return err
	}
	if len(n.cfg.Pages) == 0 {
		n.log.Warn("no page channel is configured: nobody is woken but by an open console")
	}
	return nil
}

func (p *pages) close() {
	if p.channels != nil {
		p.channels.Close()
	}
}

func (p *pages) changed() {
	select {
	case p.nudge <- struct{}{}:
	default:
	}
}

// keepPaging wakes people while this node leads. Without channels of its own it
// intends nothing, and brings to their end what a former leader intended.
func (n *Node) keepPaging(ctx context.Context) {
	w := &waker{n: n, ended: make(chan ended, pageAtOnce), jobs: map[uint64]*job{}, held: map[uint64]*heldPage{}}
	defer w.wg.Wait() // ctx has ended by now
	look := time.NewTicker(pageLook)
	defer look.Stop()
	for ctx.Err() == nil {
		// Looking holds the state: with many pages open it is done more seldom.
		pause(ctx, time.Duration(w.look(ctx))*pageLookCost)
		select {
		case <-ctx.Done():
		case <-n.pages.nudge:
		case <-look.C:
		case x := <-w.ended:
			w.drop(x)
		}
	}
}

// waker is one term's work on pages. Its fields belong to keepPaging alone.
type waker struct {
	n     *Node
	wg    sync.WaitGroup
	ended chan ended
	jobs  map[uint64]*job      // by due entry: under way
	held  map[uint64]*heldPage // by due entry: kept open by other systems
}

// job is one alarm of one page under way.
type job struct {
	ctx    context.Context // ends when the thing was done
	stop   context.CancelFunc
	enough chan struct{} // closed when its repetition is due: what fails is not tried again
	hasty  bool          // it is closed
}

// ended is a job that has come to its end, and what other systems have of it.
type ended struct {
	due  uint64
	held *heldPage // nil: nothing that the next look would not know
}

// drop takes a job away. What it leaves open is held at once: the record may forget
// the page before the next look.
func (w *waker) drop(x ended) {
	w.jobs[x.due].stop()
	delete(w.jobs, x.due)
	if x.held != nil {
		x.held.keep(w.held[x.due])
		w.held[x.due] = x.held
	}
}

// look brings what is under way to what the record says, and returns how many
// pages are open.
func (w *waker) look(ctx context.Context) int {
	for done := false; !done; {
		select {
		case x := <-w.ended:
			w.drop(x)
		default:
			done = true
		}
	}
	var open []ledger.Paging
	w.n.machine.view(func(s *ledger.State) { open = s.Pagings(w.n.now()) })
	still := make(map[uint64]bool, len(open))
	for i := range open {
		p := &open[i]
		due := p.Page.Index
		if p.Stage == ledger.PageBreak {
			if j := w.jobs[due]; j != nil {
				j.stop()
				continue
			}
		} else {
			still[due] = true
			w.hold(ctx, p)
		}
		if j := w.jobs[due]; j != nil && p.Again && !j.hasty {
			j.hasty = true
			close(j.enough)
		}
		if p.Stage == ledger.PageIntend && len(w.n.cfg.Pages) == 0 {
			continue
		}
		if p.Stage != ledger.PageRest && w.jobs[due] == nil && w.room(p) {
			w.start(ctx, p)
		}
	}
	for due, h := range w.held {
		if !still[due] {
			delete(w.held, due)
			for _, r := range h.routes {
				w.tell(ctx, r, page.Over, overTries)
			}
		}
	}
	return len(open)
}

func (w *waker) room(p *ledger.Paging) bool {
	if p.Page.Precedence == hotline.Flash {
		return len(w.jobs) < pageAtOnce
	}
	return len(w.jobs) < pageAtOnce-pageFlashPlace
}

// start takes up one page: it records the intent if that is to be done, tries,
// and records what came of it.
func (w *waker) start(ctx context.Context, p *ledger.Paging) {
	j := &job{enough: make(chan struct{})}
	j.ctx, j.stop = context.WithCancel(ctx)
	w.jobs[p.Page.Index] = j
	w.wg.Go(func() {
		held := w.wake(ctx, j, p)
		select {
		case w.ended <- ended{p.Page.Index, held}:
		case <-ctx.Done():
		}
	})
}

// wake carries one alarm of one page from its intent to its end. ctx ends when
// this node leads no longer. It returns what is open at other systems then, nil
// if nothing is or it is not known.
func (w *waker) wake(ctx context.Context, j *job, p *ledger.Paging) *heldPage {
	n := w.n
	entry := hotline.Page{Due: p.Page.Index, Key: p.Key[:], Repeat: p.Repeat}
	if p.Stage == ledger.PageIntend {
		p.Routes = n.routes(p.Page.Targets)
		intent := entry
		intent.Routes = p.Routes
		if !n.record(ctx, &intent) {
			return nil
		}
	}
	entry.Node, entry.End = n.cfg.Node, hotline.PageStopped
	if p.Stage != ledger.PageBreak {
		entry.End, entry.Attempts = n.deliverPage(j, p)
	}
	if ctx.Err() != nil {
		return nil
	}
	if !n.record(ctx, &entry) {
		pause(ctx, pageAgain) // without an end it is tried again, but never in a hurry
		return nil
	}
	n.metrics.pageEnds.WithLabelValues(entry.End.String()).Inc()
	if entry.End == hotline.PageFailed || entry.End == hotline.PagePartly {
		n.log.Error("a page did not reach everybody: call them", "office", p.Page.Office, "targets", p.Page.Targets, "end", entry.End,
			"duty", p.Page.Duty, "statement", p.Page.ID.Short(), "status", p.Page.Status)
	}
	if entry.End == hotline.PageStopped {
		w.takeBack(ctx, p, entry.Attempts)
		return nil
	}
	return w.holding(p, entry.Attempts)
}

// takeBack tells the lasting channels that have or may have a page which was
// broken off that it is over: those that were tried, or all of them where a
// former leader tried and its attempts are not known.
func (w *waker) takeBack(ctx context.Context, p *ledger.Paging, attempts []hotline.PageAttempt) {
	for i := range p.Routes {
		for _, name := range p.Routes[i].Channels {
			was := func(a hotline.PageAttempt) bool { return a.Route == uint64(i) && a.Channel == name }
			if lasting, _ := w.n.pages.channels.Lasting(name); lasting && (p.Stage == ledger.PageBreak || slices.ContainsFunc(attempts, was)) {
				w.tell(ctx, heldRoute{notice: w.n.notice(p, i), channel: name}, page.Over, overTries)
			}
		}
	}
}

// record commits a page entry, and reports whether it stands in the record.
func (n *Node) record(ctx context.Context, x *hotline.Page) bool {
	for ctx.Err() == nil {
		r, err := n.propose(ctx, &ledger.Command{Type: ledger.Paged, Page: x})
		if err == nil {
			err = refused(r)
		} else if transient(err) {
			pause(ctx, retryPause)
			continue
		}
		switch hotline.CodeOf(err) {
		case "":
			return true
		case hotline.CodeNotOwed, hotline.CodeDuplicate: // done meanwhile, or committed by an attempt whose outcome was unknown
			return !x.Intent() || n.intends(x)
		}
		n.log.Error("what is done about a page cannot be recorded", "entry", x.Due, "why", err)
		pause(ctx, retryPause)
		return false
	}
	return false
}

// intends reports whether this very intent stands in the record and has no end.
func (n *Node) intends(x *hotline.Page) (ok bool) {
	n.machine.view(func(s *ledger.State) {
		for _, p := range s.Pagings(n.now()) {
			if p.Page.Index == x.Due {
				ok = p.Stage == ledger.PageTry && p.Repeat == x.Repeat && slices.EqualFunc(p.Routes, x.Routes, func(a, b hotline.PageRoute) bool {
					return slices.Equal(a.Targets, b.Targets) && slices.Equal(a.Channels, b.Channels)
				})
			}
		}
	})
	return ok
}

// routes says who is woken by which channels: the order that the ladder gives
// an officer, else that of the configuration. Where this node has none of the
// channels that the ladder names, all that it has are tried: nobody is passed
// over in silence.
func (n *Node) routes(targets []string) []hotline.PageRoute {
	var ladder *hotline.Ladder
	n.machine.view(func(s *ledger.State) { ladder = s.Ladder() })
	here := n.pages.channels.Names()
	var routes []hotline.PageRoute
	for _, target := range targets {
		order := ladder.Channels(target)
		if !slices.ContainsFunc(order, func(name string) bool { return slices.Contains(here, name) }) {
			if len(order) > 0 {
				n.log.Error("this node has none of the page channels that the ladder names", "officer", target, "channels", order)
			}
			order = here
		}
		i := slices.IndexFunc(routes, func(r hotline.PageRoute) bool { return slices.Equal(r.Channels, order) })
		if i < 0 {
			i = len(routes)
			routes = append(routes, hotline.PageRoute{Channels: order})
		}
		routes[i].Targets = append(routes[i].Targets, target)
	}
	return routes
}

// deliverPage tries all routes side by side and says what came of it.
func (n *Node) deliverPage(j *job, p *ledger.Paging) (hotline.PageEnd, []hotline.PageAttempt) {
	var mu sync.Mutex
	var attempts []hotline.PageAttempt
	taken := 0
	var wg sync.WaitGroup
	for i := range p.Routes {
		wg.Go(func() {
			by := n.pages.channels.Deliver(j.ctx, j.enough, n.notice(p, i), p.Routes[i].Channels, func(a page.Attempt) {
				n.tried(&a)
				mu.Lock()
				defer mu.Unlock()
				attempts = sum(attempts, uint64(i), &a)
			})
			mu.Lock()
			defer mu.Unlock()
			if by != "" {
				taken++
			}
		})
	}
	wg.Wait()
	switch {
	case taken == len(p.Routes):
		return hotline.PageDelivered, attempts
	case j.ctx.Err() != nil:
		return hotline.PageStopped, attempts
	case taken > 0:
		return hotline.PagePartly, attempts
	}
	return hotline.PageFailed, attempts
}

// sum adds an attempt to those of its route and channel.
func sum(list []hotline.PageAttempt, route uint64, a *page.Attempt) []hotline.PageAttempt {
	at := hotline.Time(a.At.UnixMilli())
	i := slices.IndexFunc(list, func(x hotline.PageAttempt) bool { return x.Route == route && x.Channel == a.Channel })
	if i < 0 {
		return append(list, hotline.PageAttempt{Route: route, Channel: a.Channel, Tries: 1, First: at, Last: at, Result: a.Result})
	}
	list[i].Tries++
	list[i].Last, list[i].Result = at, a.Result
	return list
}

// tried notes one attempt in figures and log.
func (n *Node) tried(a *page.Attempt) {
	n.metrics.pageAttempts.WithLabelValues(a.Channel, a.Result.String()).Inc()
	if a.Result == hotline.PageTaken {
		n.log.Info("a page channel took it", "channel", a.Channel, "took", a.Took)
		return
	}
	n.log.Warn("an attempt to page failed", "channel", a.Channel, "result", a.Result, "why", a.Err)
}

// notice is one route of a page as it leaves the house. Of several routes each
// has a key of its own: a system that gets two of them must not merge them.
func (n *Node) notice(p *ledger.Paging, route int) page.Notice {
	e := &p.Page
	x := page.Notice{Key: hex.EncodeToString(p.Key[:]), Event: page.Due, Repeat: p.Repeat, Party: hotline.Party(n.cfg.Party), Node: n.cfg.Node,
		Status: e.Status, Precedence: e.Precedence, Duty: e.Duty.String(), Peer: e.Peer, Office: e.Office, Targets: p.Routes[route].Targets,
		Due: time.UnixMilli(int64(e.Time)), Overdue: e.Overdue}
	if len(p.Routes) > 1 {
		x.Key = fmt.Sprintf("%s-%d", x.Key, route)
	}
	if !e.ID.IsZero() {
		x.Statement = e.ID.String()
	}
	if e.Case != nil {
		x.Case = e.Case.String()
	}
	return x
}

// heldPage is a page that other systems keep open.
type heldPage struct {
	repeat uint64
	routes []heldRoute
}

// heldRoute is one channel that has taken one route of it, or may have.
type heldRoute struct {
	notice  page.Notice
	channel string
	told    time.Time
	unsure  bool // its answer did not come in time: it is told of the end and of nothing else
}

// hold keeps open what the record says to have been taken by a lasting channel.
func (w *waker) hold(ctx context.Context, p *ledger.Paging) {
	h := w.held[p.Page.Index]
	if p.Stage == ledger.PageRest && (h == nil || h.repeat != p.Repeat) {
		fresh := w.holding(p, p.Taken)
		fresh.keep(h)
		h = fresh
		w.held[p.Page.Index] = h
	}
	if h == nil {
		return
	}
	for i := range h.routes {
		r := &h.routes[i]
		since := time.Since(r.told) // below 0: by the clock of a former leader, or one that was set back
		if _, again := w.n.pages.channels.Lasting(r.channel); again > 0 && !r.unsure && (since >= again || since < 0) {
			r.told = time.Now()
			w.tell(ctx, *r, page.Due, 1)
		}
	}
}

// holding is what the lasting channels have of a page, or may have, by what came of an alarm.
func (w *waker) holding(p *ledger.Paging, attempts []hotline.PageAttempt) *heldPage {
	h := &heldPage{repeat: p.Repeat}
	for _, a := range attempts {
		unsure := a.Result == hotline.PageTimedOut
		if lasting, _ := w.n.pages.channels.Lasting(a.Channel); lasting && (unsure || a.Result == hotline.PageTaken) {
			h.routes = append(h.routes, heldRoute{w.n.notice(p, int(a.Route)), a.Channel, time.UnixMilli(int64(a.Last)), unsure})
		}
	}
	return h
}

// keep adds what an earlier alarm of the page left open and this one did not
// reach.
func (h *heldPage) keep(before *heldPage) {
	if before == nil {
		return
	}
	for _, r := range before.routes {
		i := slices.IndexFunc(h.routes, func(x heldRoute) bool { return x.channel == r.channel && x.notice.Key == r.notice.Key })
		if i < 0 {
			h.routes = append(h.routes, r)
		} else {
			h.routes[i].unsure = h.routes[i].unsure && r.unsure // what it took once it has
		}
	}
}

// overTries is how often a lasting channel is told that a page is over.
const overTries = 5

// tell says one thing to one lasting channel, a few times if it must.
func (w *waker) tell(ctx context.Context, r heldRoute, e page.Event, tries int) {
	r.notice.Event = e
	w.wg.Go(func() {
		for try := 1; ctx.Err() == nil; try++ {
			a := w.n.pages.channels.Try(ctx, r.notice, r.channel)
			w.n.tried(&a)
			if a.Result == hotline.PageTaken || try == tries {
				return
			}
			pause(ctx, time.Duration(try)*5*time.Second)
		}
	})
}

// keepTestingChannels tests the channels of this node once a day, whether it
// leads or not: a follower with a dead channel would be found out only when it
// has to wake somebody.
func (n *Node) keepTestingChannels(ctx context.Context) {
	last := func(channel string) marker { return marker{filepath.Join(n.cfg.Data, "page-"+channel+".tested")} }
	n.pages.channels.KeepTesting(ctx, page.Tests{
		Notice: n.testNotice,
		Last: func(channel string) time.Time {
			if ms := last(channel).load(); ms > 0 {
				return time.UnixMilli(int64(ms))
			}
			return time.Time{}
		},
		Tested: func(a page.Attempt) {
			n.tried(&a)
			failing := 0.0
			if a.Result != hotline.PageTaken {
				failing = 1
				n.log.Error("a page channel fails its test", "channel", a.Channel, "result", a.Result, "why", a.Err)
			}
			n.metrics.pageFailing.WithLabelValues(a.Channel).Set(failing)
			if failing > 0 {
				return // a restart tests it again at once, and does not forget that it fails
			}
			if err := last(a.Channel).save(uint64(a.At.UnixMilli())); err != nil {
				n.fatal(err) // a second-class error: the disk fails
			}
		},
		Tried: func(a page.Attempt) { n.tried(&a) },
	})
}

func (n *Node) testNotice(e page.Event, channel string) page.Notice {
	x := page.Notice{Event: e, Party: hotline.Party(n.cfg.Party), Node: n.cfg.Node, Status: hotline.Test, Precedence: hotline.Routine, Channel: channel,
		Duty: string(e)}
	if e == page.Fault {
		x.Status, x.Precedence = hotline.Actual, hotline.Priority
	}
	x.Key = fmt.Sprintf("%s-%s-%s-%s", e, n.cfg.Node, channel, n.opt.Now().UTC().Format("20060102"))
	return x
}

// pageAlarms lists the channels whose last attempt failed.
func (n *Node) pageAlarms() (list []string) {
	for _, a := range n.pages.channels.Last() {
		if a.Result != hotline.PageTaken {
			list = append(list, fmt.Sprintf("the page channel %s of %s fails (%s); the log says why", a.Channel, n.cfg.Node, a.Result))
		}
	}
	return list
}
