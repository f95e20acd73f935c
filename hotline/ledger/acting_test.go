package ledger_test

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"example.org/hotline/crypto/keys"
	"example.org/hotline/hotline"
	"example.org/hotline/hotline/hotlinetest"
	"example.org/hotline/hotline/ledger"
)

// act does one line of a story. Words that every line may carry: "unverified"
// skips State.Verify, "quiet" tells only a refusal, "readings=none" or "readings=XA-1:+1s,XA-2:-3s" says
// what the nodes' clocks read, "clock=+2s" how the leader's own is off.
func (s *story) act(m *member, verb string, a args) {
	w := s.w
	if verbs[verb] != nil {
		s.says(m, verb, a)
		return
	}
	switch verb {
	case "submit":
		s.do(m, a, &ledger.Command{Type: ledger.Submit, Statement: w.st(a.word(0)).Raw, Key: key(a.pairs["key"])})
	case "draft":
		s.do(m, a, &ledger.Command{Type: ledger.Draft, Statement: w.st(a.word(0)).Raw})
	case "sign":
		raw, err := hotline.Countersign(w.st(a.word(0)).Raw, m.Officer(a.pairs["by"]))
		if err != nil {
			s.t.Fatal(err)
		}
		w.name(w.parse(raw), "")
	case "receive":
		s.receive(m, a)
	case "receipt":
		s.receipt(m, a)
	case "send":
		s.send(m, a)
	case "again":
		s.again(m, a)
	case "compose":
		s.compose(m, a)
	case "tick":
		s.do(m, a, &ledger.Command{Type: ledger.Tick})
	case "members":
		s.do(m, a, &ledger.Command{Type: ledger.Members, Voters: a.words})
	case "rules":
		n, _ := strconv.ParseUint(a.word(0), 10, 64)
		s.do(m, a, &ledger.Command{Type: ledger.Rules, Rules: n})
	case "genesis":
		s.do(m, a, &ledger.Command{Type: ledger.Genesis, Genesis: &hotline.Genesis{Party: m.Code, Generation: 1, Convention: w.convention.ID, Rules: 1}})
	case "hit":
		s.do(m, a, &ledger.Command{Type: ledger.Hit, Hit: hit(a.word(0))})
	case "dismiss":
		s.do(m, a, &ledger.Command{Type: ledger.Dismiss, Key: key(a.word(0))})
	case "learn":
		s.do(m, a, &ledger.Command{Type: ledger.Document, Document: s.document(a.word(0))})
	case "page":
		s.page(m, a)
	case "intend":
		s.intend(m, a)
	case "woke":
		s.woke(m, a)
	case "cosign":
		s.cosign(m, a)
	case "witness":
		s.witness(m, a)
	case "amend":
		s.amend(a)
	default:
		s.show(m, verb, a)
	}
}

func key(name string) string {
	if name == "" {
		return ""
	}
	return strings.Repeat(name, hotline.HitKeyLength)[:hotline.HitKeyLength]
}

func hit(name string) *hotline.Hit {
	return &hotline.Hit{Key: key(name), Source: "suricata", First: 1, Last: 2, Count: 1, Direction: hotline.HitOutbound, From: []string{"192.0.2.1"},
		FromTotal: 1, To: []string{"198.51.100.1"}, ToTotal: 1, Protocol: "TCP", Signatures: []string{"rule"}, Evidence: hotline.HitObserved}
}

// show looks at a ledger and changes nothing.
func (s *story) show(m *member, verb string, a args) {
	switch verb {
	case "case":
		s.w.tellCase(&s.b, m, hotlinetest.CaseOf(s.w.st(a.word(0))))
	case "life":
		s.w.tellLife(&s.b, m, a)
	case "late":
		s.w.tellLate(&s.b, m, a)
	case "posts":
		for _, p := range m.state.Posts() {
			fmt.Fprintf(&s.b, "%s %s has %s since %s\n", m.Code, p.Role, s.w.legible(p.Officer.String()), clock(p.Since))
		}
	case "pair":
		s.w.tellPair(&s.b, m, hotline.Party(a.word(0)))
	case "line":
		s.w.tellLine(&s.b, m, hotline.Party(a.word(0)))
	case "house":
		s.w.tellDuties(&s.b, m.state.House())
	case "time":
		fmt.Fprintf(&s.b, "%s %s\n", m.Code, clock(m.state.Time()))
	case "next":
		if t, ok := m.state.NextDeadline(); ok {
			fmt.Fprintf(&s.b, "%s next deadline %s\n", m.Code, clock(t))
		} else {
			fmt.Fprintf(&s.b, "%s no deadline\n", m.Code)
		}
	case "repeats":
		after, ok := when(a.word(0), s.w.now)
		if !ok {
			s.t.Fatalf("repeats after %q", a.word(0))
		}
		pages, _ := m.state.Repeats(after, s.w.now, 16)
		for i := range pages {
			fmt.Fprintf(&s.b, "%s at %s", m.Code, clock(pages[i].Time))
			s.w.tellEffect(&s.b, &pages[i])
		}
	case "cosigned":
		s.tellCosigned(m)
	case "pagings":
		s.tellPagings(m)
	case "asks":
		for _, k := range m.state.Asks(s.w.now) {
			fmt.Fprintf(&s.b, "%s asks for %s about %s to %v because of %d\n", m.Code, k.Kind, s.w.called(k.Re), k.To, k.Cause)
		}
	case "working":
		for _, h := range m.state.Triage() {
			fmt.Fprintf(&s.b, "hit %c\n", h.Key[0])
		}
		for _, d := range m.state.Drafts() {
			st := s.w.parse(d.Raw)
			fmt.Fprintf(&s.b, "draft %s signed by %d\n", s.w.called(d.ID), st.Signed)
		}
	default:
		s.t.Fatalf("no verb %q", verb)
	}
}

// do proposes a command and tells what came of it.
func (s *story) do(m *member, a args, c *ledger.Command) *ledger.Result {
	s.t.Helper()
	w := s.w
	c.Time = w.now
	if v := a.pairs["clock"]; v != "" {
		c.Time, _ = when(v, w.now)
	}
	for _, reading := range list(a.pairs["readings"]) {
		c.Readings = []hotline.Reading{}
		if reading == "none" {
			break
		}
	}
	if v := a.pairs["readings"]; v != "none" {
		for _, reading := range list(v) {
			node, offset, _ := strings.Cut(reading, ":")
			t, _ := when(offset, w.now)
			c.Readings = append(c.Readings, hotline.Reading{Node: node, Time: t})
		}
	}
	r, err := w.propose(m, c, a.has("unverified"))
	if a.has("quiet") && err == nil && r.Code == "" && r.Reject == "" {
		w.tell(new(strings.Builder), m, r, nil) // names are given all the same
	} else {
		w.tell(&s.b, m, r, err)
	}
	return r
}

// says makes a statement. A ledger takes it, unless the line says "kept"; the
// log of a rogue writes it down whatever it is.
func (s *story) says(m *member, verb string, a args) {
	w := s.w
	st := w.made(m, verb, a)
	if a.has("kept") {
		return
	}
	if m.state != nil {
		s.do(m, a, &ledger.Command{Type: ledger.Submit, Statement: st.Raw, Key: key(a.pairs["key"])})
		return
	}
	s.log(m, st, a)
}

// log writes a statement into the log of a rogue, whatever it is.
func (s *story) log(m *member, st *hotline.Statement, a args) {
	sent := hotline.Sent{Directory: a.number("logged-dir"), Convention: a.number("logged-cv"), Marks: hotline.Marks(a.number("marks"))}
	if v, ok := a.pairs["seq"]; ok {
		for _, to := range st.Header.To {
			if v == "none" {
				break
			}
			sent.Sequences = append(sent.Sequences, hotline.Sequence{To: to, N: a.number("seq")})
		}
	}
	at := s.w.now
	if v := a.pairs["logged"]; v != "" {
		at, _ = when(v, s.w.now)
	}
	generation := max(a.number("generation"), 1)
	var scope *hotline.Scope
	if a.has("hidden") {
		common := hotline.Common()
		scope = &common
	}
	s.w.log(m, st, at, sent, scope, generation)
}

// again writes a statement into the log of a rogue once more, under the next sequence, and gives the
// tender of this second place a name: again q1 tender=q1b seq=9 generation=2.
func (s *story) again(m *member, a args) {
	st := s.w.st(a.word(0))
	first := m.tenders[st.ID]
	s.log(m, st, a)
	m.again[a.pairs["tender"]], m.tenders[st.ID] = m.tenders[st.ID], first
}

// receive hands a statement to its addressee, with the tender and the sender's
// entry of itself or, as tender=w2 and sender=w2, of another; place=q1b: both of where it stands once more.
func (s *story) receive(m *member, a args) {
	st := s.w.st(a.word(0))
	from := s.w.members[st.Header.From]
	p := from.tenders[st.ID]
	c := &ledger.Command{Type: ledger.Receive, Statement: st.Raw}
	if p != nil {
		c.Sender, c.Tender = p.sender, p.tender
	}
	if v := a.pairs["place"]; v != "" {
		c.Sender, c.Tender = from.again[v].sender, from.again[v].tender
	}
	if v := a.pairs["sender"]; v != "" {
		c.Sender = from.tenders[s.w.st(v).ID].sender
	}
	if v := a.pairs["tender"]; v != "" {
		c.Tender = from.tenders[s.w.st(v).ID].tender
	}
	s.do(m, a, c)
}

// receipt hands a peer's receipt to the sender: receipt w1 XB.
func (s *story) receipt(m *member, a args) {
	st := s.w.st(a.word(0))
	peer := s.w.members[hotline.Party(a.word(1))]
	if m.tenders[st.ID] == nil {
		fmt.Fprintf(&s.b, "%s has not tendered %s\n", m.Code, a.word(0))
		return
	}
	c := &ledger.Command{Type: ledger.Receipt, Receipt: peer.receipts[st.ID], Tender: m.tenders[st.ID].tender}
	if v := a.pairs["of"]; v != "" {
		c.Receipt = peer.receipts[s.w.st(v).ID]
	}
	if a.has("tender") {
		c.Receipt = m.tenders[st.ID].tender
	}
	if v := a.pairs["tender"]; v != "" {
		c.Tender = m.tenders[s.w.st(v).ID].tender
	}
	s.do(m, a, c)
}

// send carries a statement to every addressee and the receipts back.
func (s *story) send(m *member, a args) {
	for _, to := range s.w.st(a.word(0)).Header.To {
		peer := s.w.members[to]
		s.receive(peer, a)
		if _, ok := peer.receipts[s.w.st(a.word(0)).ID]; ok && m.state != nil {
			s.receipt(m, args{words: append([]string{a.word(0), string(to)}, a.words[1:]...)})
		}
	}
}

// compose does what the entries ask for, all of it or one kind.
func (s *story) compose(m *member, a args) {
	for _, ask := range m.state.Asks(s.w.now) {
		if len(a.words) > 0 && !a.has(ask.Kind.String()) {
			continue
		}
		st := s.w.answer(m, ask)
		s.w.name(st, a.pairs["as"])
		s.do(m, args{pairs: map[string]string{}}, &ledger.Command{Type: ledger.Submit, Statement: st.Raw})
	}
}

func (s *story) document(name string) []byte {
	raw := s.w.documents[name]
	if raw == nil {
		s.t.Fatalf("no document %s", name)
	}
	return raw
}

// page makes the next directory of a party and gives it a name; nobody learns
// of it yet: page 2 revoke=O1@09:30 without=O2 renew=O1:O9 steal=O1:XB-O1 generation=2.
func (s *story) page(m *member, a args) {
	n, _ := strconv.ParseUint(a.word(0), 10, 64)
	d := m.Page(n)
	if name, at, ok := strings.Cut(a.pairs["revoke"], "@"); ok {
		t, _ := when(at, s.w.now)
		d.OfficerByName(m.Name(name)).Revoked = t
	}
	if name, at, ok := strings.Cut(a.pairs["expire"], "@"); ok {
		t, _ := when(at, s.w.now)
		d.OfficerByName(m.Name(name)).Until = t
	}
	for _, name := range list(a.pairs["without"]) {
		d.Officers = slices.DeleteFunc(d.Officers, func(o hotline.Officer) bool { return o.Name == m.Name(name) })
	}
	if name, role, ok := strings.Cut(a.pairs["grant"], ":"); ok {
		o := d.OfficerByName(m.Name(name))
		o.Roles = append(slices.Clone(o.Roles), hotline.Role(role))
		slices.SortFunc(o.Roles, func(a, b hotline.Role) int {
			return cmp.Compare(slices.Index(hotline.Roles, a), slices.Index(hotline.Roles, b))
		})
	}
	for _, name := range list(a.pairs["person"]) {
		d.OfficerByName(m.Name(name)).Person = hotline.ID{7}
	}
	if name, post, ok := strings.Cut(a.pairs["renew"], ":"); ok { // a fresh key, which others may steal under the name of post
		m.Officers[m.Name(post)] = m.Key(keys.Ed25519, post)
		d.OfficerByName(m.Name(name)).Key = m.Officer(post).Public()
	}
	if mine, theirs, ok := strings.Cut(a.pairs["steal"], ":"); ok {
		peer, post, _ := strings.Cut(theirs, "-")
		key := s.w.members[hotline.Party(peer)].Officer(post)
		d.OfficerByName(m.Name(mine)).Key = key.Public()
		if a.has("held") { // the private key too
			m.Hold(key)
		}
	}
	if v := a.pairs["confirmed"]; v != "" {
		d.Confirmed, _ = when(v, s.w.now)
		d.Issued = s.w.now
	}
	if d.Generation = max(a.number("generation"), 1); d.Generation > 1 {
		d.Closed = &hotline.ClosedLog{Size: cmp.Or(a.number("closed"), 1000), Root: hotline.ID{1}}
	}
	as := string(m.Code) + "/" + a.word(0)
	if v := a.pairs["as"]; v != "" {
		as = v
	}
	s.w.documents[as] = m.SignDirectory(d)
	if a.has("inuse") {
		m.Number = n
	}
}

// amend makes the next version of the convention: amend valid=+1h
// acknowledge=5 overlap=60 by=XA,XB. Nobody learns of it yet.
func (s *story) amend(a args) {
	w := s.w
	c := w.convention.Convention
	c.Parties = slices.Clone(c.Parties)
	c.Version, c.Previous = c.Version+1, w.convention.Hash
	c.ValidFrom, _ = when(a.pairs["valid"], w.now)
	if n := a.number("version"); n > 0 {
		c.Version = n
	}
	changeTerms(&c, a)
	c.Parties = slices.DeleteFunc(c.Parties, func(m hotline.Member) bool { return m.Party == hotline.Party(a.pairs["without"]) })
	var signers []*hotlinetest.Party
	for _, code := range partiesOf(a.pairs["by"]) {
		signers = append(signers, w.members[code].Party)
	}
	name := fmt.Sprintf("convention/%d", c.Version)
	if a.has("bad") {
		w.documents[name+"bad"] = hotlinetest.SignConvention(w.convention, &c, signers...)
		return
	}
	w.convention = hotlinetest.Amend(w.convention, &c, signers...)
	w.documents[name] = w.convention.Raw
	for _, m := range w.members {
		m.Convention = w.convention
	}
}
