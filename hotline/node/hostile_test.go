package node_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/quic-go/quic-go"

	"example.org/hotline/crypto/keys"
	"example.org/hotline/crypto/seal"
	"example.org/hotline/hotline"
	"example.org/hotline/hotline/desk"
	"example.org/hotline/hotline/hotlinetest"
	"example.org/hotline/hotline/link"
)

// stranger is a peer that holds the keys of a party of the convention and
// keeps a log, but says whatever the test wants it to say.
type stranger struct {
	*hotlinetest.Party
	mu      sync.Mutex // held while the journal is used
	journal *hotlinetest.Journal
	line    *link.Line
	cert    tls.Certificate
	socket  *quic.Transport
	came    chan *hotline.Statement // what the node under test sends
	greet   func(*link.Hello)       // what it says of itself, if not the truth
	mute    bool                    // it gives no receipts
}

func (s *stranger) Deliver(_ context.Context, _ hotline.Party, _ string, d *link.Delivery) *link.Answer {
	st, err := hotline.Parse(d.Statement)
	if err != nil {
		return &link.Answer{Code: hotline.CodeMalformed}
	}
	select {
	case s.came <- st:
	default:
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mute {
		return &link.Answer{Code: hotline.CodeBusy}
	}
	receipt := s.journal.Receive(&hotlinetest.Delivery{Statement: st, Sender: d.Sender, Tender: d.Tender}, now())
	return &link.Answer{Receipt: receipt}
}
func (s *stranger) Document(context.Context, hotline.Party, []byte) *link.Answer {
	return &link.Answer{}
}
func (s *stranger) Hello(hotline.Party, string, *link.Hello) *link.Answer { return &link.Answer{} }
func (s *stranger) Greeting(context.Context, hotline.Party) *link.Hello {
	h := &link.Hello{Convention: s.Convention.ID, ConventionVersion: 1, Directory: 1}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.greet != nil {
		s.greet(h)
	}
	return h
}
func (s *stranger) Count(string, hotline.Party) {}

func (s *stranger) Dial(ctx context.Context, n hotline.Node) (*quic.Conn, error) {
	addr, err := net.ResolveUDPAddr("udp", n.Addr)
	if err != nil {
		return nil, err
	}
	pin := func(peer keys.Public) error { return nil }
	return s.socket.Dial(ctx, addr, keys.ClientTLS(s.cert, link.ALPN, pin), link.QUICConfig())
}

// meet starts the node of XA and a stranger with the keys of XB.
func meet(t *testing.T, change func(a, b *party)) (*network, *stranger) {
	t.Helper()
	return meetGroup(t, 1, change)
}

func meetGroup(t *testing.T, size int, change func(a, b *party)) (*network, *stranger) {
	t.Helper()
	w := prepare(t, hotlinetest.Terms("crisis"), size, "XA", "XB", "XC")
	a, b := w.parties["XA"], w.parties["XB"]
	if change != nil {
		change(a, b)
		w.write("directory-XA-1.cbor", a.SignDirectory(a.page))
		w.write("directory-XB-1.cbor", b.SignDirectory(b.page))
	}
	w.startAll(a)
	s := &stranger{Party: b.Party, journal: hotlinetest.NewJournal(b.Party, now()-60_000), came: make(chan *hotline.Statement, 64)}
	var err error
	if s.cert, err = b.Nodes["XB-1"].Certificate(); err != nil {
		t.Fatal(err)
	}
	udp, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	s.socket = &quic.Transport{Conn: udp}
	s.line = link.New(link.Config{Party: "XB", Node: "XB-1", Host: s, Dialer: s})
	t.Cleanup(func() { s.line.Close(); _ = s.socket.Close(); _ = udp.Close() })
	w.ready()
	s.line.SetPeers([]link.Peer{{Party: "XA", Nodes: a.page.Nodes}})
	return w, s
}

// say sends a delivery and returns the answer.
func (s *stranger) say(t *testing.T, d *link.Delivery) *link.Answer {
	t.Helper()
	return s.sayBy(t, 0, d)
}

func (s *stranger) sayBy(t *testing.T, path int, d *link.Delivery) *link.Answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	for ctx.Err() == nil {
		a, err := s.line.Ask(ctx, "XA", path, false, &link.Question{Deliver: d})
		if err == nil && a.Code != hotline.CodeBusy && a.Code != hotline.CodeNotLeader {
			return a
		}
		select {
		case <-ctx.Done():
		case <-time.After(20 * time.Millisecond): // the line is still being opened
		}
	}
	t.Fatal("no answer")
	return nil
}

// enter logs a statement in the stranger's journal, for delivery.
func (s *stranger) enter(st *hotline.Statement, at hotline.Time) *hotlinetest.Delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.journal.Send(st, at)
}

// send logs a statement in the stranger's journal and delivers it.
func (s *stranger) send(t *testing.T, st *hotline.Statement) *link.Answer {
	t.Helper()
	return s.say(t, delivery(s.enter(st, now())))
}

func delivery(d *hotlinetest.Delivery) *link.Delivery {
	return &link.Delivery{Statement: d.Statement.Raw, Sender: d.Sender, Tender: d.Tender}
}

// good delivers a sound statement and demands the receipt: what was refused
// before it must not hold it up.
func (s *stranger) good(t *testing.T) {
	t.Helper()
	if a := s.send(t, s.Text(now(), "XA", "line check")); a.Code != "" || len(a.Receipt) == 0 {
		t.Fatalf("the next good statement is answered %q (%s)", a.Code, a.Text)
	}
}

// Promise: whatever a peer sends that is not provably a statement for us is
// refused with its own code, enters no log, and does not hold up the next one.
func TestHostileDeliveryIsRefused(t *testing.T) {
	t.Parallel()
	w, s := meet(t, nil)
	text := func(o ...hotlinetest.Option) *hotline.Statement { return s.Text(now(), "XA", "words", o...) }
	tampered := func(change func(d *link.Delivery)) *link.Delivery {
		d := delivery(s.enter(text(), now()))
		// The sequence that the journal gave is lost here: a hole, which the
		// receiver's window must bear.
		d.Statement = slices.Clone(d.Statement)
		change(d)
		return d
	}
	other := hotlinetest.NewParty("XB", "another network")
	hotlinetest.Convention(hotlinetest.Terms("crisis"), other, hotlinetest.NewParty("XA", "another network"))
	foreign := hotlinetest.NewJournal(other, now()).Send(other.Text(now(), "XA", "words"), now())
	stolen := text()
	cases := []struct {
		name string
		code hotline.Code
		d    *link.Delivery
	}{
		{"random bytes", hotline.CodeMalformed, tampered(func(d *link.Delivery) { d.Statement = bytes.Repeat([]byte{0x5a, 0xc3}, 300) })},
		{"truncated", hotline.CodeMalformed, tampered(func(d *link.Delivery) { d.Statement = d.Statement[:len(d.Statement)/2] })},
		{"trailing bytes", hotline.CodeMalformed, tampered(func(d *link.Delivery) { d.Statement = append(d.Statement, 0) })},
		{"deep nesting", hotline.CodeMalformed, tampered(func(d *link.Delivery) { d.Statement = bytes.Repeat([]byte{0x81}, 4000) })},
		{"mutilated signature", hotline.CodeBadSignature, tampered(func(d *link.Delivery) { d.Statement[len(d.Statement)-1] ^= 1 })},
		{"wrong addressee", hotline.CodeWrongAddressee, delivery(s.enter(s.Text(now(), "XC", "words"), now()))},
		{"another convention", hotline.CodeConvention, delivery(foreign)},
		{"tender of another statement", hotline.CodeTender, tampered(func(d *link.Delivery) { d.Statement = stolen.Raw })},
		{"mutilated tender", hotline.CodeTender, tampered(func(d *link.Delivery) { d.Tender = flip(d.Tender) })},
	}
	before := w.size(t)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			a := s.say(t, c.d)
			if a.Code != c.code || len(a.Receipt) != 0 {
				t.Errorf("answered %q (%s), want %q", a.Code, a.Text, c.code)
			}
			if after := w.size(t); after != before {
				t.Errorf("the log grew from %d to %d entries", before, after)
			}
			s.good(t)
			before = w.size(t)
		})
	}
}

// Promise: an officer is told how a statement ended at its addressee also when the ledger waits for nothing any more: what was
// rejected was not acknowledged.
func TestEndOfAStatementIsToldAsItWas(t *testing.T) {
	t.Parallel()
	w, s := meet(t, nil)
	p := w.parties["XA"]
	stage := func(st *hotline.Statement, want desk.Stage) {
		t.Helper()
		_, v := p.statement(t, st.ID)
		if got := v.Item.Addressees; len(got) != 1 || got[0].Stage != want {
			t.Errorf("the statement is shown as %+v, want %s", got, want)
		}
	}
	send := func() (*hotline.Statement, uint64) {
		st := p.Text(now(), "XB", "words")
		return st, p.submit(t, 0, st).Sequences[0].N
	}
	seen := p.watch(t, 0)
	taken, _ := send()
	wait(t, seen, func(e desk.Event) bool { return e.Type == desk.EventSettled && e.ID == taken.ID })
	stage(taken, desk.StageReceived)
	s.mu.Lock()
	s.mute = true
	s.mu.Unlock()
	bad, n := send()
	stage(bad, desk.StageTendered)
	if a := s.send(t, s.Reject(now(), bad, n, 1, hotline.CodeBusy)); a.Code != "" {
		t.Fatalf("the reject is answered %q (%s)", a.Code, a.Text)
	}
	if a := s.send(t, s.Acknowledgement(now(), taken)); a.Code != "" {
		t.Fatalf("the acknowledgement is answered %q (%s)", a.Code, a.Text)
	}
	stage(bad, desk.StageRejected)
	stage(taken, desk.StageAcknowledged)
}

func flip(b []byte) []byte {
	c := slices.Clone(b)
	c[len(c)-1] ^= 1
	return c
}

func (w *network) size(t *testing.T) uint64 { return w.parties["XA"].size(t) }

func (p *party) size(t *testing.T) uint64 {
	t.Helper()
	re, err := p.ask(t, 0, &desk.Request{Status: &desk.StatusRequest{}})
	if err != nil {
		t.Fatal(err)
	}
	return re.Status.Size
}

// Promise: a statement that is verified but not acceptable is logged with its
// code, answered with a signed reject, uses its sequence up, and does not hold
// up the next one.
func TestUnacceptableStatementIsRejectedBySignature(t *testing.T) {
	t.Parallel()
	w, s := meet(t, func(_, b *party) {
		for i := range b.page.Officers {
			switch o := &b.page.Officers[i]; o.Name {
			case "XB-O2":
				o.Revoked = now() - 1000
			case "XB-R2":
				o.Until = now() - 1000
			}
		}
	})
	cases := []struct {
		name string
		code hotline.Code
		make func() *hotline.Statement
	}{
		{"revoked officer", hotline.CodeRevoked, func() *hotline.Statement {
			return s.By(s.Header(hotline.KindText, now(), hotlinetest.To("XA")), &hotline.Note{Text: "words"}, "O2")
		}},
		{"expired officer", hotline.CodeExpired, func() *hotline.Statement {
			return s.By(s.Header(hotline.KindText, now(), hotlinetest.To("XA")), &hotline.Note{Text: "words"}, "R2")
		}},
		{"role that may not", hotline.CodeRole, func() *hotline.Statement {
			return s.By(s.Header(hotline.KindText, now(), hotlinetest.To("XA")), &hotline.Note{Text: "words"}, "U1")
		}},
		{"acknowledgement of nothing", hotline.CodeNotOwed, func() *hotline.Statement {
			return s.Acknowledgement(now(), w.parties["XA"].Text(now(), "XB", "never sent"))
		}},
		{"case of a third party that did not include the sender", hotline.CodeCase, func() *hotline.Statement {
			c := hotline.CaseID{Party: "XC", ID: hotline.ID{7}}
			return s.By(s.Header(hotline.KindText, now(), hotlinetest.To("XA"), hotlinetest.In(c)), &hotline.Note{Text: "words"}, "O1")
		}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			st := c.make()
			before := w.size(t)
			if a := s.send(t, st); a.Code != c.code || len(a.Receipt) != 0 {
				t.Fatalf("answered %q (%s), want %q", a.Code, a.Text, c.code)
			}
			reject := s.next(t, hotline.KindReject)
			if *reject.Header.Re != st.ID || reject.Header.Reason != c.code {
				t.Errorf("reject of %s for %q, want %s for %q", reject.Header.Re.Short(), reject.Header.Reason, st.ID.Short(), c.code)
			}
			if err := reject.Verify(w.parties["XA"].Keys); err != nil {
				t.Errorf("the reject does not verify: %v", err)
			}
			if w.size(t) <= before {
				t.Error("the rejection is not in the log")
			}
			s.good(t)
		})
	}
}

// Promise: of one statement that a peer tenders twice, under two sequences, each place has one answer, however often it is asked: the first its receipt, the
// second a rejection, that is signed and names the second sequence. What comes behind is not held up.
func TestOneStatementInTwoPlacesIsTakenOnce(t *testing.T) {
	t.Parallel()
	_, s := meet(t, nil)
	st := s.Text(now(), "XA", "words")
	one, two := s.enter(st, now()), s.enter(st, now())
	first := s.say(t, delivery(one))
	if first.Code != "" || len(first.Receipt) == 0 {
		t.Fatalf("the first place is answered %q (%s)", first.Code, first.Text)
	}
	if a := s.say(t, delivery(two)); a.Code != hotline.CodeDuplicate || len(a.Receipt) != 0 {
		t.Errorf("the second place is answered %q (%s), with a receipt of %d bytes", a.Code, a.Text, len(a.Receipt))
	}
	reject := s.next(t, hotline.KindReject)
	body, err := reject.OpenBody()
	if err != nil {
		t.Fatal(err)
	}
	if n := body.(*hotline.Reject).Sequence; *reject.Header.Re != st.ID || reject.Header.Reason != hotline.CodeDuplicate || n != 2 {
		t.Errorf("a reject of %s for %q under sequence %d", reject.Header.Re.Short(), reject.Header.Reason, n)
	}
	s.good(t)
	if a := s.say(t, delivery(one)); !bytes.Equal(a.Receipt, first.Receipt) {
		t.Errorf("the first place again is answered %q (%s), not with its receipt", a.Code, a.Text)
	}
	if a := s.say(t, delivery(two)); a.Code != hotline.CodeDuplicate || len(a.Receipt) != 0 {
		t.Errorf("the second place again is answered %q (%s), with a receipt of %d bytes", a.Code, a.Text, len(a.Receipt))
	}
}

// next waits for a statement of a kind from the node under test.
func (s *stranger) next(t *testing.T, kind hotline.Kind) *hotline.Statement {
	t.Helper()
	limit := time.NewTimer(deadline)
	defer limit.Stop()
	for {
		select {
		case st := <-s.came:
			if st.Header.Kind == kind {
				return st
			}
		case <-limit.C:
			t.Fatalf("no %s came", kind)
		}
	}
}

// Promise: a mutilated copy that arrives first does not stand in the way of the
// good one, and the good one twice is receipted by the same bytes.
func TestMutilatedCopyDoesNotBlockTheGoodOne(t *testing.T) {
	t.Parallel()
	_, s := meet(t, nil)
	d := delivery(s.enter(s.Text(now(), "XA", "words"), now()))
	bad := *d
	bad.Statement = flip(d.Statement)
	if a := s.say(t, &bad); a.Code != hotline.CodeBadSignature {
		t.Fatalf("the mutilated copy is answered %q", a.Code)
	}
	first := s.say(t, d)
	again := s.say(t, d)
	if first.Code != "" || len(first.Receipt) == 0 || !bytes.Equal(first.Receipt, again.Receipt) {
		t.Errorf("answers %q and %q; receipts equal: %v", first.Code, again.Code, bytes.Equal(first.Receipt, again.Receipt))
	}
}

// Promise: what was signed as an exercise never passes as actual, and what an
// officer may not sign alone is not accepted with one signature.
func TestStatusAndSignaturesCannotBeChanged(t *testing.T) {
	t.Parallel()
	_, s := meet(t, nil)
	exercise := s.Text(now(), "XA", "words", hotlinetest.Status(hotline.Exercise))
	m, err := seal.Parse(exercise.Raw, hotline.MaxStatement)
	if err != nil {
		t.Fatal(err)
	}
	h := exercise.Header
	h.Status = hotline.Actual
	forged, err := hotline.Sign(h, exercise.Payload, s.Officer("O1"))
	if err != nil {
		t.Fatal(err)
	}
	fm, err := seal.Parse(forged, hotline.MaxStatement)
	if err != nil {
		t.Fatal(err)
	}
	// The ACTUAL header under the signature that was given for EXERCISE.
	replayed := bytes.Replace(forged, fm.Signatures[0].Bytes, m.Signatures[0].Bytes, 1)
	st, err := hotline.Parse(replayed)
	if err != nil {
		t.Fatal(err)
	}
	if a := s.send(t, st); a.Code != hotline.CodeBadSignature {
		t.Errorf("an exercise as actual is answered %q", a.Code)
	}
	s.good(t)
	if a := s.send(t, s.Alert(now(), s.Detection(now()), []hotline.Party{"XA"})); a.Code != "" {
		t.Errorf("an alert of two officers is answered %q (%s)", a.Code, a.Text)
	}
	alert := s.Alert(now(), s.Detection(now()), []hotline.Party{"XA"})
	draft, err := hotline.Sign(alert.Header, alert.Payload, s.Officer("O1"))
	if err != nil {
		t.Fatal(err)
	}
	half, err := hotline.Parse(draft)
	if err != nil {
		t.Fatal(err)
	}
	if a := s.send(t, half); a.Code != hotline.CodeMissingAuthor {
		t.Errorf("an alert without its second signature is answered %q (%s)", a.Code, a.Text)
	}
	s.good(t)
}
