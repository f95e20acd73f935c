package node

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"sync"
	"time"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/ledger"
	"example.org/hotline/hotline/link"
)

// Documents prove themselves, so they travel outside sequence and receipt:
// pushed when they are published, and sent again whenever a peer answers that
// it needs one.

// intake counts the documents that each peer hands in.
type intake struct {
	mu sync.Mutex
	by map[hotline.Party]*bucket // one for each party that has a line
}

// documentPace is what each peer may hand in (SPEC §9.5).
var documentPace = limit{each: time.Second / hotline.DocumentRate, burst: hotline.DocumentBurst}

// admit reports whether a peer may hand in one more.
func (i *intake) admit(p hotline.Party, now time.Time) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.by == nil {
		i.by = map[hotline.Party]*bucket{}
	}
	if i.by[p] == nil {
		i.by[p] = new(bucket)
	}
	return i.by[p].take(documentPace, now)
}

// Document takes a document from a peer. It may be of any party: what counts
// is the root key under it.
func (n *Node) Document(ctx context.Context, from hotline.Party, raw []byte) *link.Answer {
	if !n.intake.admit(from, time.Now()) {
		n.metrics.refused.WithLabelValues(string(from), string(hotline.CodeBusy)).Inc() // counted alone: a flood fills no log
		return &link.Answer{Code: hotline.CodeBusy, Text: "documents come too fast: send it again later", Time: n.now()}
	}
	t := n.askLeader(ctx, &ask{Command: &ledger.Command{Type: ledger.Document, Document: raw}})
	if t.Code == hotline.CodeOldNumber {
		return &link.Answer{Time: n.now()} // known already: nothing to send again
	}
	if t.Code != "" {
		n.metrics.refused.WithLabelValues(string(from), string(t.Code)).Inc()
		n.log.Warn("document refused", "from", from, "code", t.Code, "why", t.Text)
	}
	t = forPeer(t)
	a := &link.Answer{Code: t.Code, Text: t.Text, Time: n.now()}
	if t.Code == hotline.CodeNeed {
		a.Need = n.held(from, t)
	}
	return a
}

// checkDocument refuses a document that Apply would refuse, before it costs
// the group a commit: anybody with a line could otherwise fill the Raft log.
// What is known to the byte is answered without checking a signature, and the
// state is not held while one is checked: a large page takes its time.
func (m *machine) checkDocument(raw []byte, now hotline.Time) (err error) {
	st, err := hotline.Parse(raw)
	if err != nil {
		return err
	}
	var versions []*hotline.SignedConvention
	m.view(func(s *ledger.State) {
		versions = s.Conventions()
		err = knownDocument(s, st)
	})
	if err != nil {
		return err
	}
	switch st.Header.Kind {
	case hotline.KindConvention:
		var before *hotline.SignedConvention
		if len(versions) > 0 {
			before = versions[len(versions)-1]
		}
		_, err = hotline.ParseConvention(raw, before)
	case hotline.KindDirectory:
		if len(versions) == 0 {
			return nil // Apply says what is needed first
		}
		var d *hotline.SignedDirectory
		if d, err = hotline.ProveDirectory(raw, versions); err == nil {
			m.view(func(s *ledger.State) { err = s.TakesDirectory(d, now) })
		}
	default:
		err = hotline.Refuse(hotline.CodeDocument, "a %s is no document", st.Header.Kind)
	}
	return err
}

// knownDocument refuses a document that the state has to the byte.
func knownDocument(s *ledger.State, st *hotline.Statement) error {
	switch st.Header.Kind {
	case hotline.KindConvention:
		for _, c := range s.Conventions() {
			if bytes.Equal(c.Raw, st.Raw) {
				return hotline.Refuse(hotline.CodeOldNumber, "version %d of the convention is known", c.Version)
			}
		}
	case hotline.KindDirectory:
		for _, d := range s.Directories(st.Header.From) {
			if bytes.Equal(d.Raw, st.Raw) {
				return hotline.Refuse(hotline.CodeOldNumber, "directory %d of %s is known", d.Number, d.Party)
			}
		}
	}
	return nil
}

// documentsAfter returns the convention versions above one, and the own
// directories above another, in the order in which a peer can take them.
func (n *Node) documentsAfter(convention, directory uint64) [][]byte {
	var list [][]byte
	n.machine.view(func(s *ledger.State) {
		for _, c := range s.Conventions() {
			if c.Version > convention {
				list = append(list, c.Raw)
			}
		}
		for _, d := range s.Directories(s.Self()) {
			if d.Number > directory {
				list = append(list, d.Raw)
			}
		}
	})
	return list
}

// feedPause is the shortest time between two answers to needs of one peer.
const feedPause = 2 * time.Second

// feed answers a need: everything that follows what the peer holds. It reports
// false if the peer was fed just now or is being fed: a peer that always needs
// everything gets it at this pace, not once for each statement.
func (x *sender) feed(ctx context.Context, path int, need *link.Need) bool {
	x.mu.Lock()
	hungry := !x.feeding && time.Since(x.fed) >= feedPause
	x.feeding = x.feeding || hungry
	x.mu.Unlock()
	if !hungry {
		return false
	}
	defer func() {
		x.mu.Lock()
		x.feeding, x.fed = false, time.Now()
		x.mu.Unlock()
	}()
	n := x.s.n
	for _, raw := range n.documentsAfter(need.Convention, need.Directory) {
		a, err := n.line.Ask(ctx, x.peer, path, false, &link.Question{Document: raw})
		if err != nil || a.Code != "" {
			n.log.Warn("peer did not take a document that it needs", "peer", x.peer, "why", reason(a, err))
			return true
		}
	}
	return true
}

func reason(a *link.Answer, err error) string {
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%s: %s", a.Code, a.Text)
}

// offerRetry is how soon a document that a peer did not take is offered again.
const offerRetry = 30 * time.Second

// offerDocuments keeps pushing the newest own directory and convention version
// until the peer has taken them from this leader, at once when something was
// published or a path opened.
func (x *sender) offerDocuments() {
	retry := time.NewTicker(offerRetry)
	defer retry.Stop()
	for {
		select {
		case <-x.news:
		case <-retry.C:
		case <-x.s.ctx.Done():
			return
		}
		for _, raw := range x.s.n.newestDocuments() {
			if id := sha256.Sum256(raw); !x.taken[id] {
				x.taken[id] = x.offerDocument(raw)
			}
		}
	}
}

func (n *Node) newestDocuments() (list [][]byte) {
	n.machine.view(func(s *ledger.State) {
		if c := s.Conventions(); len(c) > 0 {
			list = append(list, c[len(c)-1].Raw)
		}
		if d := s.Directory(s.Self()); d != nil {
			list = append(list, d.Raw)
		}
	})
	return list
}

// offerDocument reports whether the peer has taken a document. A peer that
// lacks an earlier one says so, and gets it.
func (x *sender) offerDocument(raw []byte) bool {
	n, ctx := x.s.n, x.s.ctx
	for path := range n.paths(x.peer) {
		a, err := n.line.Ask(ctx, x.peer, path, false, &link.Question{Document: raw})
		if err != nil {
			continue
		}
		if a.Need != nil {
			x.feed(ctx, path, a.Need) // what is needed includes this one
		}
		return a.Code == ""
	}
	return false
}

func (n *Node) paths(p hotline.Party) int {
	for _, peer := range n.roster.get().peers {
		if peer.Party == p {
			return len(peer.Nodes)
		}
	}
	return 0
}

// pathOf is the path to a node of a peer; -1 if it has no such node.
func (n *Node) pathOf(p hotline.Party, name string) int {
	for _, peer := range n.roster.get().peers {
		if peer.Party == p {
			return slices.IndexFunc(peer.Nodes, func(n hotline.Node) bool { return n.Name == name })
		}
	}
	return -1
}

// Hello answers a peer's greeting. Another convention is another network.
func (n *Node) Hello(from hotline.Party, _ string, h *link.Hello) *link.Answer {
	var id hotline.ID
	n.machine.view(func(s *ledger.State) { id = s.ConventionID() })
	if id.IsZero() {
		id = n.docs.Conventions[0].ID
	}
	if h.Convention != id {
		return &link.Answer{Code: hotline.CodeConvention, Text: "another convention"}
	}
	n.hear(from, h)
	var held link.Hello
	n.heldHead(from, &held)
	return &link.Answer{Time: n.now(), Head: held.Head}
}

// Greeting is what this node says of itself when a connection opens. Before
// the ledger holds documents, those of the documents directory count.
func (n *Node) Greeting(ctx context.Context, to hotline.Party) *link.Hello {
	h := &link.Hello{Nonce: n.nonce, ConventionVersion: uint64(len(n.docs.Conventions)), Directory: newestOf(n.docs, hotline.Party(n.cfg.Party)).Number}
	n.machine.view(func(s *ledger.State) {
		h.Convention = s.ConventionID()
		if v := len(s.Conventions()); v > 0 {
			h.ConventionVersion = uint64(v)
		}
		if d := s.Directory(s.Self()); d != nil {
			h.Directory = d.Number
		}
	})
	if h.Convention.IsZero() {
		h.Convention = n.docs.Conventions[0].ID
	}
	whole := n.holdsAll(ctx)
	sure := n.heldHead(to, h)
	h.Unsure = !whole || !sure
	return h
}

// Count counts an event of the line.
func (n *Node) Count(event string, from hotline.Party) {
	n.metrics.events.WithLabelValues(event, string(from)).Inc()
}

// publishFiles proposes the documents of the documents directory that the
// ledger does not have. One that is refused is told of and passed over: it
// must not keep the node from its work.
func (n *Node) publishFiles(ctx context.Context) error {
	var versions int
	known := map[hotline.Party]uint64{}
	n.machine.view(func(s *ledger.State) {
		versions = len(s.Conventions())
		for _, d := range directoriesOf(s) {
			known[d.Party] = d.Number
		}
	})
	var raws [][]byte
	for _, c := range n.docs.Conventions[min(versions, len(n.docs.Conventions)):] {
		raws = append(raws, c.Raw)
	}
	for _, of := range n.docs.Directories {
		for _, d := range of {
			if d.Number > known[d.Party] {
				raws = append(raws, d.Raw)
			}
		}
	}
	for _, raw := range raws {
		err := n.must(ctx, &ledger.Command{Type: ledger.Document, Document: raw})
		if err != nil && (transient(err) || ctx.Err() != nil) {
			return err
		}
		if err != nil {
			n.log.Error("a document in the documents directory is refused", "why", err)
		}
	}
	return nil
}
