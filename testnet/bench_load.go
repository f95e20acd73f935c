package testnet

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/desk"
)

// benchPosts may send texts. Each has a connection of their own: one carries hotline.DeskStreams requests at a time.
var benchPosts = []string{"O1", "R1", "L1", "L2", "A1", "T1"}

// dialAt connects an officer to one node of their group alone. The caller closes the client.
func (o *Officer) dialAt(ctx context.Context, names ...string) (*desk.Client, error) {
	var nodes []desk.Node
	for _, name := range names {
		for _, n := range o.nodes {
			if n.Name == name {
				nodes = append(nodes, n)
				break
			}
		}
	}
	c, err := desk.Dial(ctx, o.key, nodes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.Name, err)
	}
	return c, nil
}

// benchDesk is one officer's connection during a load.
type benchDesk struct {
	officer *Officer
	client  *desk.Client
}

func (d *benchDesk) submit(ctx context.Context, st *hotline.Statement) error {
	_, err := d.client.Do(ctx, &desk.Request{Submit: &desk.SubmitRequest{Statement: st.Raw}})
	return err
}

// benchLoad sends statements from one party to another and hears what becomes of them.
type benchLoad struct {
	from, to *Party
	leader   *Node // of from; it takes all requests
	far      *Node // leader of to
	desks    []*benchDesk
	answers  []*benchDesk // of to's liaison officers
	ears     *desk.Client
	deaf     context.CancelFunc
	wg       sync.WaitGroup

	mu      sync.Mutex
	waiting map[hotline.ID]chan time.Time
}

func (w *Network) newLoad(ctx context.Context) (l *benchLoad, err error) {
	l = &benchLoad{from: w.Parties[0], to: w.Parties[1], waiting: map[hotline.ID]chan time.Time{}, deaf: func() {}}
	defer func() {
		if err != nil {
			l.close()
		}
	}()
	if l.leader, err = l.from.Leader(ctx, nil); err != nil {
		return l, err
	}
	if l.far, err = l.to.Leader(ctx, nil); err != nil {
		return l, err
	}
	for _, post := range benchPosts {
		o := l.from.Officer(post)
		c, err := o.dialAt(ctx, l.leader.Name)
		if err != nil {
			return l, err
		}
		l.desks = append(l.desks, &benchDesk{o, c})
	}
	for _, post := range []string{"L1", "L2"} {
		o := l.to.Officer(post)
		c, err := o.dialAt(ctx, l.far.Name)
		if err != nil {
			return l, err
		}
		l.answers = append(l.answers, &benchDesk{o, c})
	}
	return l, l.listen(ctx)
}

// listen begins to hear what is settled.
func (l *benchLoad) listen(ctx context.Context) (err error) {
	if l.ears, err = l.from.Officer("U1").dialAt(ctx, l.leader.Name); err != nil {
		return err
	}
	ctx, l.deaf = context.WithCancel(ctx)
	begun, ended := make(chan struct{}), make(chan error, 1)
	l.wg.Go(func() {
		ended <- l.ears.Stream(ctx, &desk.Request{Watch: &desk.WatchRequest{}}, func(r *desk.Reply) error {
			switch {
			case r.Event == nil:
				return errors.New("a watch yields events alone")
			case r.Event.Type == desk.EventBegin:
				close(begun)
			case r.Event.Type == desk.EventSettled:
				l.settled(r.Event.ID)
			}
			return nil
		})
	})
	select {
	case <-begun:
		return nil
	case err := <-ended:
		return err
	}
}

func (l *benchLoad) settled(id hotline.ID) {
	at := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if c := l.waiting[id]; c != nil {
		c <- at // it holds one
		delete(l.waiting, id)
	}
}

func (l *benchLoad) await(id hotline.ID) <-chan time.Time {
	c := make(chan time.Time, 1)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting[id] = c
	return c
}

func (l *benchLoad) close() {
	l.deaf()
	l.wg.Wait()
	for _, d := range append(l.desks, l.answers...) {
		d.client.Close()
	}
	if l.ears != nil {
		l.ears.Close()
	}
}

// texts signs n texts, by the officers of the desks in turn.
func (l *benchLoad) texts(n int) (list []*hotline.Statement, err error) {
	for i := range n {
		o := l.desks[i%len(l.desks)].officer
		st, err := o.Sign(Letter{Kind: hotline.KindText, Precedence: hotline.Flash + hotline.Precedence(i%4), To: []hotline.Party{l.to.Code},
			Body: &hotline.Note{Language: "en", Text: fmt.Sprintf("Load %d. %s", i, strings.Repeat("The line is measured. ", 10))}})
		if err != nil {
			return nil, err
		}
		list = append(list, st)
	}
	return list, nil
}

// passage is how long one statement took, in microseconds.
type passage struct{ accepted, settled float64 }

// missedWait is how long a settlement may not be heard of before the officer asks: a watch may lose events under load.
const missedWait = 3 * time.Second

// errMissed says that the moment of settlement is not known; that the statement is settled is.
var errMissed = errors.New("the moment of settlement was not heard")

func (l *benchLoad) pass(ctx context.Context, d *benchDesk, st *hotline.Statement) (p passage, err error) {
	heard := l.await(st.ID)
	began := time.Now()
	if err := d.submit(ctx, st); err != nil {
		return p, fmt.Errorf("submit: %w", err)
	}
	p.accepted = micros(time.Since(began))
	ask := time.NewTicker(missedWait)
	defer ask.Stop()
	for limit := time.Now().Add(waitLimit); time.Now().Before(limit); {
		select {
		case at := <-heard:
			p.settled = micros(at.Sub(began))
			return p, nil
		case <-ctx.Done():
			return p, context.Cause(ctx)
		case <-ask.C:
		}
		r, err := d.client.Do(ctx, &desk.Request{Show: &desk.ShowRequest{ID: st.ID.String()}})
		if err == nil && r.Show != nil && len(r.Show.Receipts) > 0 {
			return p, errMissed
		}
	}
	return p, fmt.Errorf("statement %s has no receipt after %v", st.ID.Short(), waitLimit)
}

// run sends statements with so many outstanding, and returns how long each took whose settlement was heard, and all of them together.
func (l *benchLoad) run(ctx context.Context, list []*hotline.Statement, outstanding int) (passed []passage, took time.Duration, err error) {
	return passAll(ctx, len(list), outstanding, func(ctx context.Context, i int) (passage, error) {
		return l.pass(ctx, l.desks[i%len(l.desks)], list[i])
	})
}

// passAll calls pass count times, with so many outstanding, and returns what came of it, and how long all took together. errMissed costs
// only the passage that it is the answer to, and may be that of one in ten.
func passAll(ctx context.Context, count, outstanding int, pass func(ctx context.Context, i int) (passage, error)) (passed []passage, took time.Duration, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	work := make(chan int)
	var wg sync.WaitGroup
	var mu sync.Mutex
	began := time.Now()
	for range min(outstanding, count) {
		wg.Go(func() {
			for i := range work {
				p, e := pass(ctx, i)
				mu.Lock()
				if e == nil {
					passed = append(passed, p)
				} else if !errors.Is(e, errMissed) && err == nil {
					err = e
					cancel() // the others would each wait as long
				}
				mu.Unlock()
			}
		})
	}
	for i := range count {
		work <- i
	}
	close(work)
	wg.Wait()
	took = time.Since(began)
	if err == nil && len(passed)*10 < count*9 {
		err = fmt.Errorf("of %d statements only %d were heard of", count, len(passed))
	}
	return passed, took, err
}

// acknowledgers is how many acknowledgements are handed in at a time.
const acknowledgers = 32

// acknowledge has the other side's officers sign that they have the texts, and waits until both sides owe nothing.
func (l *benchLoad) acknowledge(ctx context.Context, list []*hotline.Statement) error {
	errs := make(chan error, len(list))
	places := make(chan struct{}, acknowledgers)
	var wg sync.WaitGroup
	for i, st := range list {
		places <- struct{}{}
		wg.Go(func() {
			defer func() { <-places }()
			d := l.answers[i%len(l.answers)]
			ack, err := d.officer.Sign(Letter{Kind: hotline.KindAcknowledgement, Precedence: st.Header.Precedence, To: []hotline.Party{st.Header.From},
				Re: &st.ID, Body: &hotline.Note{}})
			if err == nil {
				err = d.submit(ctx, ack)
			}
			errs <- err
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			return fmt.Errorf("acknowledge: %w", err)
		}
	}
	return l.quiet(ctx)
}

// quiet waits until neither side has a statement under way or a duty open.
func (l *benchLoad) quiet(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, waitLimit, errors.New("the lines do not come to rest"))
	defer cancel()
	for _, p := range []*Party{l.to, l.from} {
		for {
			s, err := p.Officer("U1").Status(ctx)
			if err == nil && !slices.ContainsFunc(s.Duties, passing) && len(s.Peers) > 0 && s.Peers[0].Outbox == 0 {
				break
			}
			if wait(ctx, statusPause); ctx.Err() != nil {
				return errors.Join(err, context.Cause(ctx))
			}
		}
	}
	return nil
}

// passing says that a duty is over when its statement is dealt with; those of the line and of the contact data stand as long as the pair.
func passing(d desk.DutyView) bool {
	switch d.Class {
	case hotline.DutyLineTest, hotline.DutyLineAnswered, hotline.DutyLineHeard, hotline.DutyWatchTest, hotline.DutyContacts:
		return false
	}
	return true
}

// roles names the part that each node plays during a load.
func (l *benchLoad) roles() map[string]string {
	m := map[string]string{}
	for _, p := range []struct {
		party  *Party
		leader *Node
		name   string
	}{{l.from, l.leader, "sender"}, {l.to, l.far, "receiver"}} {
		for _, n := range p.party.Nodes {
			m[n.Name] = p.name + "'s followers"
			if n == p.leader {
				m[n.Name] = p.name + "'s leader"
			}
		}
	}
	return m
}

var benchRoles = []string{"sender's leader", "sender's followers", "receiver's leader", "receiver's followers"}

// spent is what one statement cost.
type spent struct {
	processor            map[string]float64 // us, by role
	all                  float64            // us, of all nodes
	wire, wrote, dirtied float64            // bytes
	peak                 float64            // MiB, of the largest node so far
}

// cost runs f and divides what the network has used by n statements.
func (w *Network) cost(roles map[string]string, n int, f func() error) (s spent, err error) {
	before, err := w.usage()
	if err != nil {
		return s, err
	}
	wire, err := loopbackBytes()
	if err != nil {
		return s, err
	}
	if err := f(); err != nil {
		return s, err
	}
	wired, err := loopbackBytes()
	if err != nil {
		return s, err
	}
	after, err := w.usage()
	if err != nil {
		return s, err
	}
	s.processor, s.wire = map[string]float64{}, float64(wired-wire)/float64(n)
	for name, u := range after {
		old, each := before[name], float64(n)
		us := micros(u.processor-old.processor) / each
		s.processor[roles[name]] += us
		s.all += us
		s.wrote += float64(u.wrote-old.wrote) / each
		s.dirtied += float64(u.dirtied-old.dirtied) / each
		s.peak = max(s.peak, mebibytes(u.peak))
	}
	return s, nil
}

// loadSeries collects the values of the repeats of a load.
type loadSeries struct {
	accepted, settled, late, rate, all, wire, wrote, dirtied, peak []float64
	processor                                                      map[string][]float64
}

func (s *loadSeries) take(passed []passage, took time.Duration, count int, c spent) {
	var accepted, settled []float64
	for _, p := range passed {
		accepted, settled = append(accepted, p.accepted), append(settled, p.settled)
	}
	s.accepted = append(s.accepted, quantile(accepted, 0.5))
	s.settled = append(s.settled, quantile(settled, 0.5))
	s.late = append(s.late, quantile(settled, 0.99))
	s.rate = append(s.rate, float64(count)/took.Seconds())
	s.all, s.wire = append(s.all, c.all), append(s.wire, c.wire)
	s.wrote, s.dirtied, s.peak = append(s.wrote, c.wrote), append(s.dirtied, c.dirtied), append(s.peak, c.peak)
	for role, us := range c.processor {
		s.processor[role] = append(s.processor[role], us)
	}
}

// benchPart is one load: so many statements, with so many outstanding.
type benchPart struct{ outstanding, count int }

func (b *bench) loads() []benchPart {
	return []benchPart{{1, b.count.alone}, {benchOutstanding, b.count.crowd}}
}

// measureLoad sends statements with one and with benchOutstanding outstanding.
func (b *bench) measureLoad(ctx context.Context, w *Network, name string, floor serial) error {
	l, err := w.newLoad(ctx)
	if err != nil {
		return err
	}
	defer l.close()
	for _, part := range b.loads() {
		b.tell("%s: %d statements with %d outstanding", name, part.count, part.outstanding)
		s := &loadSeries{processor: map[string][]float64{}}
		for i := range 1 + b.opt.Repeats {
			list, err := l.texts(part.count)
			if err != nil {
				return err
			}
			if i == 0 { // once for the caches, unmeasured
				list = list[:max(1, len(list)/8)]
			}
			var passed []passage
			var took time.Duration
			c, err := w.cost(l.roles(), len(list), func() (err error) {
				passed, took, err = l.run(ctx, list, part.outstanding)
				return err
			})
			if err != nil {
				return err
			}
			if err := l.acknowledge(ctx, list); err != nil {
				return err
			}
			b.report.Statement = len(list[0].Raw)
			if i > 0 {
				s.take(passed, took, part.count, c)
			}
		}
		if b.wants("load") || name != "3+3" {
			b.addLoad(fmt.Sprintf("%s nodes, %d outstanding: ", name, part.outstanding), part.outstanding, part.count, len(w.Parties)*len(l.from.Nodes), floor, s)
		}
	}
	return nil
}

// addLoad turns a series into figures.
func (b *bench) addLoad(prefix string, outstanding, count, nodes int, floor serial, s *loadSeries) {
	on, way := b.serially(floor, "QUIC round trip")
	settled := func(name string, values []float64) *BenchFigure {
		f := b.add(prefix+name, "us", count, values)
		if outstanding == 1 {
			f.against(on, way)
		}
		return f
	}
	settled("submit to accepted, p50", s.accepted)
	f := settled("submit to settled, p50", s.settled)
	if outstanding == 1 && nodes == 6 {
		f.ratioAtMost(2.5)
	}
	settled("submit to settled, p99", s.late)
	if outstanding == 1 {
		b.add(prefix+"the same p50 beside processes at rest", "us", count, s.settled).against(b.serially(floor, restingTrip))
		if b.bare > 0 && nodes == 6 {
			b.add(prefix+"the same p50 beside Raft and QUIC alone", "us", count, s.settled).against(strings.TrimSuffix(bareName, ", "), b.bare)
		}
	}
	crypto := b.signatures(floor)
	f = b.add(prefix+"throughput", "1/s", count, s.rate).below(fmt.Sprintf("the signatures alone on %d cores", b.report.Cores), float64(b.report.Cores)*1e6/crypto)
	if outstanding == benchOutstanding && nodes == 6 {
		f.atLeast(1500)
	}
	b.add(prefix+"processor time of all nodes a statement", "us", count, s.all).against("the signatures alone", crypto)
	for _, role := range benchRoles {
		if values := s.processor[role]; len(values) > 0 {
			b.add(prefix+"processor time of "+role+" a statement", "us", count, values)
		}
	}
	b.add(prefix+"wire a statement", "bytes", count, s.wire).against("the statement", float64(b.report.Statement))
	copies := fmt.Sprintf("the statement on %d nodes", nodes)
	b.add(prefix+"written a statement", "bytes", count, s.wrote).against(copies, float64(b.report.Statement*nodes))
	b.add(prefix+"dirtied a statement", "bytes", count, s.dirtied).against(copies, float64(b.report.Statement*nodes))
	if outstanding > 1 {
		b.add(prefix+"memory of a busy node, peak", "MiB", 1, s.peak).against("this program before it does anything", b.floor["memory"])
	}
}
