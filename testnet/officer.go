package testnet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"example.org/hotline/crypto/keys"
	"example.org/hotline/crypto/seal"
	"example.org/hotline/hotline"
	"example.org/hotline/hotline/desk"
	"example.org/hotline/ops/ceremony"
)

// Officer is one officer of a party at their own machine: key and documents are theirs, and everything they do goes through the desk
// protocol to any node of their group.
type Officer struct {
	Name  string // role name, XA-L1
	Role  hotline.Role
	Party *Party
	Home  string // fit for hotline --home

	key       *keys.Private
	documents *ceremony.Documents
	nodes     []desk.Node

	mu     sync.Mutex // guards client
	client *desk.Client
}

// desk returns the connection to the group, made on first use. A desk.Client finds another node by itself when one ends.
func (o *Officer) desk(ctx context.Context) (*desk.Client, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.client != nil {
		return o.client, nil
	}
	c, err := desk.Dial(ctx, o.key, o.nodes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.Name, err)
	}
	o.client = c
	return c, nil
}

// at is the same officer at a desk that asks one node alone. Whoever makes it closes it.
func (o *Officer) at(n *Node) *Officer {
	only := &Officer{Name: o.Name, Role: o.Role, Party: o.Party, Home: o.Home, key: o.key, documents: o.documents}
	for _, d := range o.nodes {
		if d.Name == n.Name {
			only.nodes = []desk.Node{d}
		}
	}
	return only
}

func (o *Officer) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.client != nil {
		o.client.Close()
		o.client = nil
	}
}

// Node is the name of the node that answered last, empty before the first request.
func (o *Officer) Node() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.client == nil {
		return ""
	}
	return o.client.Node()
}

// Ask puts a request with one reply to the group.
func (o *Officer) Ask(ctx context.Context, r *desk.Request) (*desk.Reply, error) {
	c, err := o.desk(ctx)
	if err != nil {
		return nil, err
	}
	reply, err := c.Do(ctx, r)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.Name, err)
	}
	return reply, nil
}

// Stream puts a request with many replies to the group.
func (o *Officer) Stream(ctx context.Context, r *desk.Request, fn func(*desk.Reply) error) error {
	c, err := o.desk(ctx)
	if err != nil {
		return err
	}
	if err := c.Stream(ctx, r, fn); err != nil {
		return fmt.Errorf("%s: %w", o.Name, err)
	}
	return nil
}

// Status asks how the group is.
func (o *Officer) Status(ctx context.Context) (*desk.StatusView, error) {
	r, err := o.Ask(ctx, &desk.Request{Status: &desk.StatusRequest{}})
	if err != nil {
		return nil, err
	}
	if r.Status == nil {
		return nil, fmt.Errorf("%s: %w: no status", o.Name, desk.ErrAnswer)
	}
	return r.Status, nil
}

// Show asks for one statement, and holds what comes to the id that was asked for.
func (o *Officer) Show(ctx context.Context, id hotline.ID) (*desk.ShowView, *hotline.Statement, error) {
	r, err := o.Ask(ctx, &desk.Request{Show: &desk.ShowRequest{ID: id.String()}})
	if err != nil {
		return nil, nil, err
	}
	if r.Show == nil {
		return nil, nil, fmt.Errorf("%s: %w: no statement", o.Name, desk.ErrAnswer)
	}
	st, err := hotline.Parse(r.Show.Raw)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", o.Name, err)
	}
	if st.ID != id {
		return nil, nil, fmt.Errorf("%s: %w: asked for %s, got %s", o.Name, desk.ErrAnswer, id.Short(), st.ID.Short())
	}
	return r.Show, st, nil
}

// Letter is what an officer says. The rest of the header follows from who says it, and when.
type Letter struct {
	Kind       hotline.Kind
	Precedence hotline.Precedence
	To         []hotline.Party
	Case       *hotline.CaseID
	Re         *hotline.ID
	Detected   hotline.Time
	Assessed   hotline.Time
	Verdict    hotline.Verdict
	Answers    []bool // of an assessment
	Notify     []hotline.Party
	With       *Officer // who signs after this officer; nil: nobody
	Body       hotline.Body

	Disposition hotline.Disposition
	Issued      hotline.Time // 0: now
}

// Sign makes the ACTUAL statement of a letter, seals its body to everybody who may read it, and signs it: a draft where a second officer
// is named.
func (o *Officer) Sign(l Letter) (*hotline.Statement, error) {
	at := cmp.Or(l.Issued, now())
	convention, page := o.documents.Convention(), o.documents.Directory(o.Party.Code)
	h := hotline.Header{Kind: l.Kind, Status: hotline.Actual, Precedence: l.Precedence, TLP: hotline.TLPAmber, From: o.Party.Code, To: l.To,
		Authors: []keys.ID{o.key.Public().ID()}, Convention: convention.ID, ConventionVersion: convention.Version, Directory: page.Number,
		Case: l.Case, Re: l.Re, Issued: at, Detected: l.Detected, Assessed: l.Assessed, Verdict: l.Verdict, Notify: l.Notify, Answers: l.Answers,
		Disposition: l.Disposition}
	if l.With != nil {
		h.Authors = append(h.Authors, l.With.key.Public().ID())
	}
	if err := l.Body.Validate(); err != nil {
		return nil, fmt.Errorf("%s: %w", o.Name, err)
	}
	payload, err := hotline.Marshal(l.Body)
	if err == nil && l.Kind.Rules().Sealed {
		payload, err = o.seal(&h, payload)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.Name, err)
	}
	raw, err := hotline.Sign(h, payload, o.key)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.Name, err)
	}
	return hotline.Parse(raw)
}

func (o *Officer) seal(h *hotline.Header, body []byte) ([]byte, error) {
	readers := append([]hotline.Party{h.From}, h.To...)
	readers = append(readers, h.Notify...)
	slices.Sort(readers[1:])
	var to []seal.Recipient
	for _, p := range slices.Compact(readers) {
		page := o.documents.Directory(p)
		if page == nil {
			return nil, hotline.Refuse(hotline.CodeWrongAddressee, "there is no directory of %s", p)
		}
		to = append(to, seal.Recipient{Party: string(p), Key: page.Sealing})
	}
	payload, commitment, err := seal.SealBody(body, hotline.BodyContext(h.Convention, h.From, h.Status), to)
	h.Commitment = commitment
	return payload, err
}

// Submit hands a statement in that every author has signed; adopts is the key of the sensor hit that a detection takes up, or empty.
func (o *Officer) Submit(ctx context.Context, st *hotline.Statement, adopts string) (*desk.SubmitView, error) {
	r, err := o.Ask(ctx, &desk.Request{Submit: &desk.SubmitRequest{Statement: st.Raw, Adopts: adopts}})
	if err != nil {
		return nil, fmt.Errorf("submit %s: %w", st.Header.Kind, err)
	}
	if r.Submit == nil {
		return nil, fmt.Errorf("%s: %w: no place of the %s", o.Name, desk.ErrAnswer, st.Header.Kind)
	}
	return r.Submit, nil
}

// Say signs a letter and submits it.
func (o *Officer) Say(ctx context.Context, l Letter) (*hotline.Statement, *desk.SubmitView, error) {
	st, err := o.Sign(l)
	if err != nil {
		return nil, nil, err
	}
	v, err := o.Submit(ctx, st, "")
	return st, v, err
}

// sayTwo has the letter's second officer sign at once, beside the first, and submits it.
func (o *Officer) sayTwo(ctx context.Context, l Letter) (*hotline.Statement, error) {
	st, err := o.Sign(l)
	if err != nil {
		return nil, err
	}
	raw, err := hotline.Countersign(st.Raw, l.With.key)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", l.With.Name, err)
	}
	if st, err = hotline.Parse(raw); err != nil {
		return nil, err
	}
	_, err = o.Submit(ctx, st, "")
	return st, err
}

// Draft signs a letter that a second officer must sign too, and leaves it with the group.
func (o *Officer) Draft(ctx context.Context, l Letter) (hotline.ID, error) {
	st, err := o.Sign(l)
	if err != nil {
		return hotline.ID{}, err
	}
	_, err = o.Ask(ctx, &desk.Request{Draft: &desk.DraftRequest{Statement: st.Raw}})
	return st.ID, err
}

// Release fetches the draft with an id, signs it as its next author and submits it.
func (o *Officer) Release(ctx context.Context, id hotline.ID) (*hotline.Statement, *desk.SubmitView, error) {
	var raw []byte
	err := o.Stream(ctx, &desk.Request{Drafts: &desk.DraftsRequest{}}, func(r *desk.Reply) error {
		if r.Draft != nil && r.Draft.ID == id {
			raw = r.Draft.Raw
		}
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	if raw == nil {
		return nil, nil, fmt.Errorf("%s: no draft %s waits", o.Name, id.Short())
	}
	if raw, err = hotline.Countersign(raw, o.key); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", o.Name, err)
	}
	st, err := hotline.Parse(raw)
	if err != nil {
		return nil, nil, err
	}
	v, err := o.Submit(ctx, st, "")
	return st, v, err
}

// Acknowledge signs that this officer has a statement, in their own name.
func (o *Officer) Acknowledge(ctx context.Context, st *hotline.Statement) (*hotline.Statement, *desk.SubmitView, error) {
	return o.Say(ctx, Letter{Kind: hotline.KindAcknowledgement, Precedence: st.Header.Precedence, To: []hotline.Party{st.Header.From},
		Case: st.InCase(), Re: &st.ID, Body: &hotline.Note{}})
}

// Watch is what one officer has heard from the group since it began. It holds every event: it is for networks that live for minutes.
type Watch struct {
	officer *Officer
	cancel  context.CancelFunc
	done    chan struct{}

	mu     sync.Mutex
	events []desk.Event
	grown  chan struct{} // closed and replaced whenever an event comes
}

// watchPause is how long a watch waits before it begins anew after its connection ended.
const watchPause = 200 * time.Millisecond

// Watch begins to listen. It begins anew when its node ends; what happened in between is not heard. Close ends it.
func (o *Officer) Watch(ctx context.Context) (*Watch, error) {
	ctx, cancel := context.WithCancel(ctx)
	w := &Watch{officer: o, cancel: cancel, done: make(chan struct{}), grown: make(chan struct{})}
	go func() {
		defer close(w.done)
		for ctx.Err() == nil {
			_ = o.Stream(ctx, &desk.Request{Watch: &desk.WatchRequest{}}, w.hear)
			wait(ctx, watchPause)
		}
	}()
	_, err := w.Wait(ctx, "the watch of "+o.Name+" begins", func(e *desk.Event) bool { return e.Type == desk.EventBegin })
	if err != nil {
		w.Close()
		return nil, err
	}
	return w, nil
}

func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

func (w *Watch) hear(r *desk.Reply) error {
	if r.Event == nil {
		return errors.New("a watch yields events alone")
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events = append(w.events, *r.Event)
	close(w.grown)
	w.grown = make(chan struct{})
	return nil
}

// after returns the first event from index i on that fits, and otherwise where to look next and what to wait for.
func (w *Watch) after(i int, fits func(*desk.Event) bool) (*desk.Event, int, <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for ; i < len(w.events); i++ {
		if fits(&w.events[i]) {
			e := w.events[i]
			return &e, i, nil
		}
	}
	return nil, i, w.grown
}

// waitLimit bounds every wait for an event: several times the longest clock that the story lets run out.
const waitLimit = 60 * time.Second

// Wait returns the first event that fits, of all that were heard since the watch began. If none comes within waitLimit, the error says
// what was waited for.
func (w *Watch) Wait(ctx context.Context, what string, fits func(*desk.Event) bool) (*desk.Event, error) {
	limit := time.NewTimer(waitLimit)
	defer limit.Stop()
	for i := 0; ; {
		e, next, grown := w.after(i, fits)
		if e != nil {
			return e, nil
		}
		i = next
		select {
		case <-grown:
		case <-ctx.Done():
			return nil, fmt.Errorf("%s: waiting until %s: %w", w.officer.Name, what, context.Cause(ctx))
		case <-limit.C:
			return nil, fmt.Errorf("%s: waited %v until %s, in vain", w.officer.Name, waitLimit, what)
		}
	}
}

// Close ends the watch and waits for it.
func (w *Watch) Close() {
	w.cancel()
	<-w.done
}

// statusPause is how often a party's state is asked for where no event tells of it: a line that comes up.
const statusPause = 250 * time.Millisecond

// Ready waits until every party has a leader, all its voters, and the directories of and lines to all others.
func (w *Network) Ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, waitLimit, errors.New("the time is over"))
	defer cancel()
	for _, p := range w.Parties {
		for {
			s, err := p.Officer("U1").Status(ctx)
			missing := ""
			if err == nil {
				if missing = w.missing(p, s); missing == "" {
					break
				}
				err = errors.New(missing)
			}
			if wait(ctx, statusPause); ctx.Err() != nil {
				return fmt.Errorf("%s is not ready: %w: %w", p.Code, err, context.Cause(ctx))
			}
		}
	}
	return nil
}

// Leader waits until the party's group has a leader other than but (nil: any), by the word of another node than that, and returns it.
func (p *Party) Leader(ctx context.Context, but *Node) (*Node, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, waitLimit, errors.New("the time is over"))
	defer cancel()
	for {
		s, err := p.Officer("U1").Status(ctx)
		if err == nil && s.Leader != "" && (but == nil || s.Leader != but.Name && s.Node != but.Name) {
			for _, n := range p.Nodes {
				if n.Name == s.Leader {
					return n, nil
				}
			}
		}
		if wait(ctx, statusPause); ctx.Err() != nil {
			return nil, fmt.Errorf("%s has no new leader: %w", p.Code, errors.Join(err, context.Cause(ctx)))
		}
	}
}

// missing says what a party still lacks; empty: nothing.
func (w *Network) missing(p *Party, s *desk.StatusView) string {
	switch {
	case s.Leader == "":
		return "it has no leader"
	case s.Directory == 0 || len(s.Voters) != len(p.Nodes):
		return "its log has no directory or not all voters yet"
	case len(s.Peers) != len(w.Parties)-1:
		return "it does not know every party"
	}
	for _, peer := range s.Peers {
		if peer.Directory == 0 || peer.Link != desk.LinkUp {
			return fmt.Sprintf("its line to %s is %s", peer.Party, peer.Link)
		}
	}
	return ""
}
