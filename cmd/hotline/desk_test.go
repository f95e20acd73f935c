package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/rogpeppe/go-internal/testscript"

	"example.org/hotline/crypto/keys"
	"example.org/hotline/hotline"
	"example.org/hotline/hotline/desk"
	"example.org/hotline/hotline/hotlinetest"
	"example.org/hotline/ops/ceremony"
	"example.org/hotline/ops/drill"
	"example.org/hotline/testnet"
)

// init lets the test's own executable be the process of a node, before anything of the test begins.
func init() {
	if len(os.Args) == 3 && os.Args[1] == "node" {
		if err := testnet.RunNode(os.Args[2]); err != nil {
			os.Stderr.WriteString(err.Error() + "\n")
			os.Exit(1)
		}
		os.Exit(0)
	}
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// patience bounds every wait of these tests: an end for what hangs, not a measure.
const patience = time.Minute

// scene is a running network of two parties with what the scripts have heard of it.
type scene struct {
	net     *testnet.Network
	watches map[string]*testnet.Watch
	ctx     context.Context // ends with the script
}

// TestDesk runs the scripts in testdata/desk against two parties of one node each, every node a process: what officers type, what
// they are told, and what becomes of it on the other side.
func TestDesk(t *testing.T) {
	terms, _ := hotline.Profile("crisis")
	runScenes(t, "desk", terms)
}

// TestExampleDrill runs the exercise that is shipped as an example, between officers who each sit at their own machine.
func TestExampleDrill(t *testing.T) {
	terms := testnet.DemoTerms()
	terms.Acknowledge[hotline.Flash-1] = (6 * time.Second).Milliseconds() // the last warning is left until this is over
	runScenes(t, "drill", terms)
}

func runScenes(t *testing.T, dir string, terms hotline.Terms) {
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", dir),
		Setup: func(env *testscript.Env) error {
			w, err := testnet.New(testnet.Options{Dir: filepath.Join(env.WorkDir, "net"), Parties: 2, Nodes: 1, Terms: terms,
				Territory: []string{"198.51.100.0/24", "2001:db8:a::/48"}, Program: []string{os.Args[0], "node"}})
			if err != nil {
				return err
			}
			ctx, cancel := context.WithCancel(context.Background())
			s := &scene{net: w, watches: map[string]*testnet.Watch{}, ctx: ctx}
			env.Values["scene"] = s
			env.Defer(func() {
				cancel()
				for _, x := range s.watches {
					x.Close()
				}
				if err := w.Close(); err != nil {
					t.Error(err)
				}
			})
			return s.begin(env)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "capture": capture, "await": await, "stop": stop, "shorten": shorten},
	})
}

// begin starts the network and watches both sides from the first moment, so that no event is missed.
func (s *scene) begin(env *testscript.Env) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	example, err := filepath.Abs("../../ops/deploy/drill.example.toml")
	if err != nil {
		return err
	}
	env.Setenv("EXAMPLE", example)
	if err := s.net.Start(ctx); err != nil {
		return err
	}
	if err := s.net.Ready(ctx); err != nil {
		return err
	}
	for _, p := range s.net.Parties {
		for _, o := range p.Officers {
			env.Setenv(strings.ReplaceAll(o.Name, "-", "_"), "--home="+o.Home)
		}
		w, err := p.Officer("L2").Watch(s.ctx)
		if err != nil {
			return err
		}
		s.watches[string(p.Code)] = w
	}
	return nil
}

// capture NAME REGEXP sets a variable to the first group of a match in the last output.
func capture(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: capture NAME REGEXP")
	}
	m := regexp.MustCompile(args[1]).FindStringSubmatch(ts.ReadFile("stdout"))
	if len(m) != 2 {
		ts.Fatalf("no match of %s in the output", args[1])
	}
	ts.Setenv(args[0], m[1])
}

// await PARTY EVENT ID waits until the party's desk has heard of the statement.
func await(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 3 {
		ts.Fatalf("usage: await PARTY EVENT ID")
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	w := ts.Value("scene").(*scene).watches[args[0]]
	_, err := w.Wait(ctx, strings.Join(args, " "), func(e *desk.Event) bool {
		return e.Type == desk.EventType(args[1]) && strings.HasPrefix(e.ID.String(), args[2])
	})
	ts.Check(err)
}

// stop PARTY ends the party's nodes.
func stop(ts *testscript.TestScript, _ bool, args []string) {
	for _, n := range ts.Value("scene").(*scene).net.Party(hotline.Party(args[0])).Nodes {
		ts.Check(n.Stop())
	}
}

// shorten FILE writes the example drill, in which each minute of the timeline takes 50 ms.
func shorten(ts *testscript.TestScript, _ bool, args []string) {
	text, err := os.ReadFile(ts.Getenv("EXAMPLE"))
	ts.Check(err)
	short := regexp.MustCompile(`(?m)^at = "([0-9]+)m"$`).ReplaceAllStringFunc(string(text), func(line string) string {
		minutes, err := strconv.Atoi(strings.Trim(line, `at ="m`))
		ts.Check(err)
		return fmt.Sprintf("at = %q", (time.Duration(minutes) * 50 * time.Millisecond).String())
	})
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(short), 0o600))
}

// hostFunc is a node of which only the answers are real.
type hostFunc func(ctx context.Context, req *desk.Request, send func(*desk.Reply) error) error

func (f hostFunc) Handle(ctx context.Context, _ desk.Officer, req *desk.Request, send func(*desk.Reply) error) error {
	return f(ctx, req, send)
}

// sitAt makes a seat of XA-O1 at a host.
func sitAt(t *testing.T, host desk.Host) *seat {
	t.Helper()
	a, b := hotlinetest.NewParty("XA", "seat"), hotlinetest.NewParty("XB", "seat")
	docs := new(ceremony.Documents)
	for _, raw := range [][]byte{hotlinetest.Convention(hotlinetest.Terms("crisis"), a, b).Raw, a.Directory(1).Raw, b.Directory(1).Raw} {
		if err := docs.Add(raw); err != nil {
			t.Fatal(err)
		}
	}
	cert, err := a.Nodes["XA-1"].Certificate()
	if err != nil {
		t.Fatal(err)
	}
	l, err := quic.ListenAddr("127.0.0.1:0", keys.ServerTLS(cert, []string{desk.ALPN}, func(tls.ConnectionState, keys.Public) error { return nil }), desk.QUICConfig())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := l.Accept(ctx)
			if err != nil {
				return
			}
			wg.Go(func() { desk.Serve(ctx, conn, desk.Officer{Name: "XA-O1", Roles: hotline.Roles}, host) })
		}
	})
	key := a.Officer("O1")
	client, err := desk.Dial(t.Context(), key, []desk.Node{{Name: "XA-1", Addr: l.Addr().String(), Key: a.Nodes["XA-1"].Public()}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		client.Close()
		cancel()
		wg.Wait()
		_ = l.Close()
	})
	home := t.TempDir()
	now := func() time.Time { return time.UnixMilli(int64(hotlinetest.Epoch) + 1000) }
	s := &seat{app: &app{in: strings.NewReader(""), out: new(strings.Builder), err: new(strings.Builder), now: now, home: home}, cmd: newRoot(),
		profile: &profile{Party: "XA", Officer: "XA-O1", Documents: home}, docs: docs, key: key, client: client}
	if err := s.know(); err != nil {
		t.Fatal(err)
	}
	return s
}

// TestUnknownOutcomeIsAskedAgainWithTheSameID: a submission whose outcome is not known is exit code 4, stays on this machine's disk,
// and retry hands in the very same bytes.
func TestUnknownOutcomeIsAskedAgainWithTheSameID(t *testing.T) {
	var mu sync.Mutex
	var got [][]byte
	answer := false
	ctx, giveUp := context.WithCancel(t.Context())
	s := sitAt(t, hostFunc(func(_ context.Context, req *desk.Request, send func(*desk.Reply) error) error {
		if req.Submit == nil {
			return send(&desk.Reply{Status: &desk.StatusView{Party: "XA"}})
		}
		mu.Lock()
		defer mu.Unlock()
		got = append(got, req.Submit.Statement)
		if !answer {
			giveUp() // whether before or after this reply arrives: the request was sent
			return hotline.Refuse(hotline.CodeUnknown, "no majority answered")
		}
		st, err := hotline.Parse(req.Submit.Statement)
		if err != nil {
			return err
		}
		return send(&desk.Reply{Submit: &desk.SubmitView{ID: st.ID, Index: 9, Existing: true}})
	}))
	err := atDeskFailure(s.detect(ctx, &opening{text: "seen", status: "ACTUAL", precedence: "FLASH"}, nil))
	var f *failure
	if !errors.As(err, &f) || f.exit != exitUnknown || f.Code != string(hotline.CodeUnknown) || !strings.Contains(f.Next, "hotline retry") {
		t.Fatalf("%+v", err)
	}
	left, err := os.ReadDir(filepath.Join(s.home, unsettledDir))
	if err != nil || len(left) != 1 {
		t.Fatalf("%v, %v", left, err)
	}
	mu.Lock()
	answer = true
	mu.Unlock()
	if err := s.retry(t.Context()); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	for _, raw := range got {
		if string(raw) != string(got[0]) {
			t.Error("another statement was handed in")
		}
	}
	if left, err := os.ReadDir(filepath.Join(s.home, unsettledDir)); err != nil || len(left) != 0 {
		t.Errorf("after the outcome is known %v is left, %v", left, err)
	}
	if out := s.out.(*strings.Builder).String(); !strings.Contains(out, "is entry 9") || !strings.Contains(out, "1 of 1 are settled") {
		t.Errorf("told %q", out)
	}
}

// unsettled returns the submissions that stand on this machine's disk.
func (s *seat) unsettled(t *testing.T) []os.DirEntry {
	t.Helper()
	list, err := os.ReadDir(filepath.Join(s.home, unsettledDir))
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// TestOnlyTheLedgerSettlesWhatMayBeDone: while it is not known whether a statement stands in the ledger, it stays on this machine's
// disk, whatever a node says of the moment, and the exit code is 4. The same verb again asks for the same statement.
func TestOnlyTheLedgerSettlesWhatMayBeDone(t *testing.T) {
	var say atomic.Value // what the node answers to a submission
	ctx, giveUp := context.WithCancel(t.Context())
	say.Store(hotline.CodeUnknown)
	s := sitAt(t, hostFunc(func(_ context.Context, req *desk.Request, send func(*desk.Reply) error) error {
		if req.Submit == nil {
			return send(&desk.Reply{Status: &desk.StatusView{Party: "XA"}})
		}
		switch code := say.Load().(hotline.Code); code {
		case "":
			st, err := hotline.Parse(req.Submit.Statement)
			if err != nil {
				return err
			}
			return send(&desk.Reply{Submit: &desk.SubmitView{ID: st.ID, Index: 9}})
		case "empty":
			return send(&desk.Reply{})
		default:
			giveUp()
			return hotline.Refuse(code, "not now")
		}
	}))
	raw, err := s.detection(t.Context(), &opening{text: "seen", status: "ACTUAL", precedence: "FLASH"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	told := func(what string, err error) {
		t.Helper()
		if f := explain(atDeskFailure(err)); f.exit != exitUnknown {
			t.Errorf("%s: exit %d, %s", what, f.exit, f.Error())
		}
		if left := s.unsettled(t); len(left) != 1 {
			t.Fatalf("%s: %d submissions are kept", what, len(left))
		}
	}
	told("unknown", s.file(ctx, raw, ""))
	for _, code := range []hotline.Code{hotline.CodeBusy, hotline.CodeInternal, hotline.CodeBehind, hotline.CodeDenied, "empty"} {
		say.Store(code)
		told("retry, "+string(code), s.retry(t.Context()))
	}
	told("the same verb", s.file(t.Context(), raw, ""))
	say.Store(hotline.Code(""))
	if err := os.WriteFile(filepath.Join(s.home, unsettledDir, ".new-1"), nil, 0o600); err != nil { // of a process that ended while it wrote
		t.Fatal(err)
	}
	if err := s.file(t.Context(), raw, ""); err != nil {
		t.Error(err)
	}
	if err := s.retry(t.Context()); err != nil || len(s.unsettled(t)) != 1 {
		t.Errorf("%v, left %v", err, s.unsettled(t))
	}
}

// TestUnreachedRetryForgetsNothing: a retry that reaches no node leaves what may be done where it is.
func TestUnreachedRetryForgetsNothing(t *testing.T) {
	ctx, giveUp := context.WithCancel(t.Context())
	s := sitAt(t, hostFunc(func(context.Context, *desk.Request, func(*desk.Reply) error) error {
		giveUp()
		return hotline.Refuse(hotline.CodeUnknown, "no majority answered")
	}))
	_ = s.detect(ctx, &opening{text: "seen", status: "ACTUAL", precedence: "FLASH"}, nil)
	s.client.Close()
	if f := explain(atDeskFailure(s.retry(t.Context()))); f.exit != exitUnknown || len(s.unsettled(t)) != 1 {
		t.Errorf("exit %d, %s; %d kept", f.exit, f.Error(), len(s.unsettled(t)))
	}
}

// TestRetryTellsItsCodeOnce: what is still not known after a retry is told in the words of the first time.
func TestRetryTellsItsCodeOnce(t *testing.T) {
	var giveUp atomic.Value
	s := sitAt(t, hostFunc(func(context.Context, *desk.Request, func(*desk.Reply) error) error {
		giveUp.Load().(context.CancelFunc)()
		return hotline.Refuse(hotline.CodeUnknown, "no majority answered")
	}))
	within := func() context.Context {
		ctx, cancel := context.WithCancel(t.Context())
		giveUp.Store(cancel)
		return ctx
	}
	_ = s.detect(within(), &opening{text: "seen", status: "ACTUAL", precedence: "FLASH"}, nil)
	f := explain(atDeskFailure(s.retry(within())))
	if f.exit != exitUnknown || strings.Count(f.Error(), string(hotline.CodeUnknown)) != 1 {
		t.Errorf("exit %d, %s", f.exit, f.Error())
	}
}

// TestUnknownGoesBeforeOtherFailures: of several failures the exit code says the one after which something may have been done.
func TestUnknownGoesBeforeOtherFailures(t *testing.T) {
	err := errors.Join(hotline.Refuse(hotline.CodeUnknown, "not known"), fmt.Errorf("%w: gone", desk.ErrUnreachable))
	if f := explain(atDeskFailure(err)); f.exit != exitUnknown {
		t.Errorf("exit %d, %s", f.exit, f.Error())
	}
}

// TestEveryQuestionIsAnswered: answers that come through a pipe are taken one by one.
func TestEveryQuestionIsAnswered(t *testing.T) {
	s := &seat{app: &app{in: strings.NewReader("y\nyes\nn\n" + strings.Repeat("y", 2*maxAnswer)), err: io.Discard}}
	for i, want := range []bool{true, true, false, false} {
		if err := s.ask("sign? "); (err == nil) != want {
			t.Errorf("answer %d: %v", i+1, err)
		}
	}
}

func exampleDrill(t *testing.T) *drill.Script {
	t.Helper()
	text, err := ceremony.ReadFile("../../ops/deploy/drill.example.toml", drill.MaxFile)
	if err != nil {
		t.Fatal(err)
	}
	x, err := drill.Read(text)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// TestDrillStepIsEnteredOnce: a step that was entered and that the node does not show yet is not signed again.
func TestDrillStepIsEnteredOnce(t *testing.T) {
	x := exampleDrill(t)
	var mu sync.Mutex
	ids := map[hotline.ID]bool{}
	var clock atomic.Int64
	s := sitAt(t, hostFunc(func(_ context.Context, req *desk.Request, send func(*desk.Reply) error) error {
		switch {
		case req.Submit != nil:
			st, err := hotline.Parse(req.Submit.Statement)
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			ids[st.ID] = true
			return send(&desk.Reply{Submit: &desk.SubmitView{ID: st.ID, Index: 9}})
		case req.Inbox != nil:
			return send(&desk.Reply{Inbox: &desk.InboxView{}})
		}
		return send(&desk.Reply{Status: &desk.StatusView{Party: "XA", Clock: hotline.Time(clock.Load())}})
	}))
	clock.Store(int64(s.time()))
	p := newPlayer(s, x, &notice{until: s.time() + 1<<40}, true)
	p.leave = func(context.Context) error { return nil }
	for range 3 {
		if err := p.look(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, over, err := p.next(t.Context()); err != nil || over {
			t.Fatalf("%v, over %t", err, over)
		}
	}
	if len(ids) != 1 {
		t.Errorf("one step was entered as %d statements", len(ids))
	}
}

// TestDrillPlaysNoStepWithoutLeave: a step that has become due is not played when the window is over, or when the announcement that
// the others had consented to does not hold any more (SPEC §6.13 rules 2 and 3). It is the second step, of a run that began in time.
func TestDrillPlaysNoStepWithoutLeave(t *testing.T) {
	x := exampleDrill(t)
	submitted := make(chan struct{}, 2)
	s := sitAt(t, hostFunc(func(_ context.Context, req *desk.Request, send func(*desk.Reply) error) error {
		if req.Submit != nil {
			submitted <- struct{}{}
		}
		return send(&desk.Reply{Inbox: &desk.InboxView{}}) // no announcement: it was retracted
	}))
	for name, c := range map[string]struct {
		until hotline.Time
		leave func(context.Context) error
		over  bool
		code  hotline.Code
	}{
		"the window is over":      {until: s.time(), leave: func(context.Context) error { return nil }, over: true},
		"the notice is retracted": {until: s.time() + 1<<40, code: codeConsent},
	} {
		p := newPlayer(s, x, &notice{until: c.until}, true)
		if c.leave != nil {
			p.leave = c.leave
		}
		first := &x.Steps[0]
		detection := hotline.ID{1}
		p.in = &hotline.CaseID{Party: "XA", ID: detection}
		p.record = drill.Record{Party: "XA", Case: *p.in, T0: s.time() - hotline.Time(x.Last()), Now: s.time(), Statements: []drill.Statement{
			{ID: detection, Script: x.Short(), Step: first.ID, Kind: first.Do.Kind(), From: "XA"}}}
		_, over, err := p.next(t.Context())
		if f := (*failure)(nil); over != c.over || (err != nil) != (c.code != "") || errors.As(err, &f) && f.Code != string(c.code) || len(submitted) > 0 {
			t.Errorf("%s: over %t, %v, %d statements", name, over, err, len(submitted))
		}
	}
}

// TestHitOfASensorWhoseClockIsAheadHasItsT0Now: T0 is no time that is still to come (SPEC §4.1).
func TestHitOfASensorWhoseClockIsAheadHasItsT0Now(t *testing.T) {
	s := sitAt(t, hostFunc(func(context.Context, *desk.Request, func(*desk.Reply) error) error { return nil }))
	for name, first := range map[string]hotline.Time{"ahead": s.time() + 2*3600_000, "before": s.time() - 3600_000} {
		h := hotline.Hit{Key: strings.Repeat("ab", 32), Source: "suricata", First: int64(first), Last: int64(first), Count: 1, Direction: hotline.HitOutbound,
			From: []string{"198.51.100.7"}, FromTotal: 1, To: []string{}, Protocol: "TCP", Signatures: []string{"x"}, Evidence: hotline.HitObserved}
		raw, err := s.detection(t.Context(), &opening{status: "ACTUAL", precedence: "FLASH"}, &h)
		if err != nil {
			t.Fatal(err)
		}
		st, err := hotline.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		if got := st.Header.Detected; got > s.time() || name == "before" && got != first {
			t.Errorf("%s: T0 is %s, the hit of %s", name, clock(got), clock(first))
		}
	}
}

// TestRefusedSubmissionIsForgotten: a refusal is an outcome; nothing is left to be asked again.
func TestRefusedSubmissionIsForgotten(t *testing.T) {
	s := sitAt(t, hostFunc(func(_ context.Context, req *desk.Request, _ func(*desk.Reply) error) error {
		return hotline.Refuse(hotline.CodeStale, "too old")
	}))
	err := atDeskFailure(s.detect(t.Context(), &opening{text: "seen", status: "ACTUAL", precedence: "FLASH"}, nil))
	if f := explain(err); f.exit != exitRefused || f.Code != "stale" {
		t.Errorf("%+v", f)
	}
	if left, err := os.ReadDir(filepath.Join(s.home, unsettledDir)); err != nil || len(left) != 0 {
		t.Errorf("%v is left, %v", left, err)
	}
}

// TestComposedStatementsAreWhatTheySay: the header holds what is in force, the body is sealed to sender and addressees alone, the
// signature verifies, and the newest head of the addressee's log stands in it.
func TestComposedStatementsAreWhatTheySay(t *testing.T) {
	head := &hotline.PeerHead{Origin: "hotline/XB/1", Size: 77}
	s := sitAt(t, hostFunc(func(_ context.Context, _ *desk.Request, send func(*desk.Reply) error) error {
		return send(&desk.Reply{Status: &desk.StatusView{Party: "XA", Peers: []desk.PeerView{{Party: "XB", Head: head}}}})
	}))
	raw, err := s.compose(t.Context(), &letter{kind: hotline.KindText, status: hotline.Test, precedence: hotline.Routine,
		to: []hotline.Party{"XB"}, body: &hotline.Note{Text: "hello"}})
	if err != nil {
		t.Fatal(err)
	}
	st, err := hotline.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	h := &st.Header
	if h.Directory != 1 || h.ConventionVersion != 1 || h.Convention != s.docs.Convention().ID || h.Issued != s.time() || h.TLP != hotline.TLPAmber ||
		h.Peer == nil || *h.Peer != *head {
		t.Errorf("header %+v", h)
	}
	if err := s.verify(st); err != nil {
		t.Error(err)
	}
	for _, code := range []hotline.Party{"XA", "XB"} {
		if _, body, err := st.OpenSealed(hotlinetest.NewParty(code, "seat").Sealing); err != nil || string(body) != string(hotline.MustMarshal(&hotline.Note{Text: "hello"})) {
			t.Errorf("%s reads %x, %v", code, body, err)
		}
	}
	if _, _, err := st.OpenSealed(hotlinetest.NewParty("XC", "seat").Sealing); err == nil {
		t.Error("a third party reads it")
	}
	if _, err := s.compose(t.Context(), &letter{kind: hotline.KindText, status: hotline.Test, precedence: hotline.Routine,
		to: []hotline.Party{"XC"}, body: &hotline.Note{Text: "hello"}}); hotline.CodeOf(err) == "" || explain(err).Code != string(hotline.CodeWrongAddressee) {
		t.Errorf("to a party without a directory: %v", err)
	}
}

// TestDocumentsOfTheGroupAreVerified: a group that sends a directory which does not fit is not believed, and nothing is kept.
func TestDocumentsOfTheGroupAreVerified(t *testing.T) {
	b := hotlinetest.NewParty("XB", "seat")
	hotlinetest.Convention(hotlinetest.Terms("crisis"), hotlinetest.NewParty("XA", "seat"), b)
	forged := b.Directory(2).Raw
	forged[len(forged)-1] ^= 1
	s := sitAt(t, hostFunc(func(_ context.Context, _ *desk.Request, send func(*desk.Reply) error) error {
		return send(&desk.Reply{Documents: &desk.DocumentsView{Raw: [][]byte{forged}}})
	}))
	if err := s.catchUp(t.Context()); hotline.CodeOf(err) != hotline.CodeBadSignature {
		t.Errorf("%v", err)
	}
	if kept, err := filepath.Glob(filepath.Join(s.home, "*"+ceremony.DocumentExt)); err != nil || len(kept) != 0 || s.docs.Directory("XB").Number != 1 {
		t.Errorf("kept %v, %v", kept, err)
	}
}

// TestNodeThatShowsAnotherStatementIsNotBelieved: what is acknowledged is what was named.
func TestNodeThatShowsAnotherStatementIsNotBelieved(t *testing.T) {
	a := hotlinetest.NewParty("XA", "seat")
	hotlinetest.Convention(hotlinetest.Terms("crisis"), a, hotlinetest.NewParty("XB", "seat"))
	st := a.Detection(hotlinetest.Epoch + 1)
	s := sitAt(t, hostFunc(func(_ context.Context, _ *desk.Request, send func(*desk.Reply) error) error {
		return send(&desk.Reply{Show: &desk.ShowView{Raw: st.Raw, Item: desk.InboxItem{ID: st.ID}, Scope: hotline.Common()}})
	}))
	if _, _, err := s.find(t.Context(), st.ID.String()[:12]); err != nil {
		t.Error(err)
	}
	other := strings.Repeat("0", 63) + "1"
	if _, _, err := s.find(t.Context(), other); !errors.Is(err, desk.ErrAnswer) {
		t.Errorf("%v", err)
	}
}

// TestWatchRings: the bell rings for a page and once a minute while an acknowledgement is open, and stops when it is done; a
// program that reads JSON gets one event a line and no bell.
func TestWatchRings(t *testing.T) {
	var mu sync.Mutex
	open := true
	s := sitAt(t, hostFunc(func(_ context.Context, _ *desk.Request, send func(*desk.Reply) error) error {
		mu.Lock()
		defer mu.Unlock()
		v := &desk.StatusView{Party: "XA"}
		if open {
			v.Duties = []desk.DutyView{{Class: hotline.DutyAcknowledge, Peer: "XB", Precedence: hotline.Flash, Deadline: hotlinetest.Epoch + 61_000}}
		}
		return send(&desk.Reply{Status: v})
	}))
	out := s.out.(*strings.Builder)
	at := s.now()
	s.now = func() time.Time { return at }
	w := &watch{seat: s}
	bells := func() int { return strings.Count(out.String(), "\a") }
	w.event(t.Context(), &desk.Event{Type: desk.EventPage, Office: "desk", Targets: []string{"XA-L1"}})
	if bells() != 1 || len(w.open) != 1 {
		t.Fatalf("%d bells, %d open: %q", bells(), len(w.open), out)
	}
	w.remind()
	at = at.Add(ringEvery - time.Second)
	w.remind()
	if bells() != 1 {
		t.Errorf("it rang before a minute was over: %q", out)
	}
	at = at.Add(time.Second)
	w.remind()
	if bells() != 2 || !strings.Contains(out.String(), "acknowledge FLASH") {
		t.Errorf("%d bells after a minute: %q", bells(), out)
	}
	at = at.Add(ringEvery)
	w.remind()
	if bells() != 3 || !strings.Contains(out.String(), "OVERDUE by 1:00") {
		t.Errorf("%d bells after two minutes: %q", bells(), out)
	}
	mu.Lock()
	open = false
	mu.Unlock()
	w.event(t.Context(), &desk.Event{Type: desk.EventStop, Duty: hotline.DutyAcknowledge})
	at = at.Add(ringEvery)
	w.remind()
	if bells() != 3 {
		t.Errorf("it rang after it was done: %q", out)
	}
	out.Reset()
	s.json = true
	w.event(t.Context(), &desk.Event{Type: desk.EventPage, Time: 5})
	if got := out.String(); strings.Count(got, "\n") != 1 || strings.Contains(got, "\a") || !strings.Contains(got, `"type":"page"`) {
		t.Errorf("as JSON: %q", got)
	}
}
