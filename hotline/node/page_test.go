package node_test

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/desk"
	"example.org/hotline/hotline/hotlinetest"
	"example.org/hotline/hotline/node"
	"example.org/hotline/ops/config"
)

// waked is one page as the receiving system saw it.
type waked struct {
	ID, Key, Event, Status, Duty, Peer, Statement, Office, Node, Channel string
	Targets                                                              []string
}

// bell is the receiving end of a webhook: it keeps what it gets, and answers when answer lets it.
type bell struct {
	url    string
	got    chan waked
	answer func(waked) int
}

func newBell(t *testing.T, answer func(waked) int) *bell {
	t.Helper()
	b := &bell{got: make(chan waked, 256), answer: answer}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var x waked
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = json.Unmarshal(body, &x)
		}
		if err != nil {
			t.Error(err)
		}
		status := http.StatusOK
		if b.answer != nil {
			status = b.answer(x)
		}
		b.got <- x
		w.WriteHeader(status)
	}))
	t.Cleanup(s.Close)
	b.url = s.URL
	return b
}

func (b *bell) channel(t *testing.T, name string) config.Page {
	t.Helper()
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("whsec_"+base64.StdEncoding.EncodeToString(make([]byte, 32))), 0o600); err != nil {
		t.Fatal(err)
	}
	return config.Page{Name: name, Kind: "webhook", URL: b.url, Secret: "file:" + secret, Timeout: config.Duration{Duration: 2 * time.Second}}
}

// next is the next page of an event.
func (b *bell) next(t *testing.T, event string) waked {
	t.Helper()
	limit := time.NewTimer(deadline)
	defer limit.Stop()
	for {
		select {
		case x := <-b.got:
			if x.Event == event {
				return x
			}
		case <-limit.C:
			t.Fatalf("no %s came", event)
		}
	}
}

// paged starts XA with one node and XB with size nodes and the given channels.
func paged(t *testing.T, size int, channels ...config.Page) *network {
	t.Helper()
	w := prepare(t, hotlinetest.Terms("crisis"), size, "XA", "XB")
	for _, c := range w.parties["XB"].cfgs {
		c.Pages = channels
	}
	for _, p := range w.parties {
		w.startAll(p)
	}
	w.ready()
	return w
}

// pageEntries reads the page entries of a node's log, and the due entries that they are about.
func pageEntries(t *testing.T, n *node.Node, size uint64) (pages []*hotline.Page, at []uint64) {
	t.Helper()
	for i := range size {
		raw, err := n.Entry(i)
		if err != nil {
			t.Fatal(err)
		}
		_, content, err := hotline.DecodeEntry(raw)
		if err != nil {
			t.Fatal(err)
		}
		if x, ok := content.(*hotline.Page); ok {
			pages, at = append(pages, x), append(at, i)
		}
	}
	return pages, at
}

// untilPages waits until the log of party p holds n page entries.
func untilPages(t *testing.T, p *party, i, n int) []*hotline.Page {
	t.Helper()
	for end := time.Now().Add(deadline); time.Now().Before(end); <-time.After(20 * time.Millisecond) {
		re, err := p.ask(t, i, &desk.Request{Status: &desk.StatusRequest{}})
		if err != nil {
			t.Fatal(err)
		}
		if pages, _ := pageEntries(t, p.nodes[i], re.Status.Size); len(pages) >= n {
			return pages
		}
	}
	t.Fatalf("the log does not come to %d page entries", n)
	return nil
}

// Promise: for an alert that came in people are woken under a stable key, after the intent was committed; the first channel
// that fails costs no page; what came of it is in the record; and when the alert is acknowledged the receiving systems are
// told that it is over, and nobody is woken again.
func TestPageIsIntendedDeliveredAndOver(t *testing.T) {
	t.Parallel()
	dead := newBell(t, func(x waked) int {
		if x.Event == "page" {
			return http.StatusInternalServerError
		}
		return http.StatusOK
	})
	good := newBell(t, nil)
	w := paged(t, 1, dead.channel(t, "dead"), good.channel(t, "good"))
	b := w.parties["XB"]
	alert := w.warn("XA", "XB")
	first, got := dead.next(t, "page"), good.next(t, "page")
	if first.Key != got.Key || first.ID != got.ID {
		t.Errorf("the same page has the keys %s and %s", first.Key, got.Key)
	}
	if got.Status != "ACTUAL" || got.Duty != "acknowledge" || got.Peer != "XA" || got.Statement != alert.ID.String() || got.Office != "desk" ||
		strings.Join(got.Targets, " ") != "XB-L1 XB-L2" {
		t.Errorf("the page says %+v", got)
	}
	pages := untilPages(t, b, 0, 2)
	if x := pages[0]; !x.Intent() || got.Key != hex.EncodeToString(x.Key) || strings.Join(x.Routes[0].Channels, " ") != "dead good" {
		t.Errorf("intended: %+v, the page has the key %s", x, got.Key)
	}
	x := pages[1]
	if x.End != hotline.PageDelivered || x.Node != "XB-1" || len(x.Attempts) != 2 || x.Attempts[0].Result != hotline.PageRefused ||
		x.Attempts[1].Result != hotline.PageTaken {
		t.Errorf("came of it: %+v", x)
	}
	b.submit(t, 0, b.Acknowledgement(now(), alert))
	if over := good.next(t, "over"); over.Key != got.Key {
		t.Errorf("over is %s, the page was %s", over.Key, got.Key)
	}
	re, err := b.ask(t, 0, &desk.Request{Status: &desk.StatusRequest{}})
	if err != nil {
		t.Fatal(err)
	}
	if pages, _ := pageEntries(t, b.nodes[0], re.Status.Size); len(pages) != 2 {
		t.Errorf("after the acknowledgement there are %d page entries", len(pages))
	}
}

// Promise: a system that may have a page, since its answer did not come in time, is told that it is over, though another channel took
// the page: else it would call people to what is done.
func TestSystemThatAnsweredTooLateIsToldToo(t *testing.T) {
	t.Parallel()
	end := make(chan struct{})
	slow := newBell(t, func(x waked) int {
		if x.Event == "page" {
			<-end
		}
		return http.StatusOK
	})
	t.Cleanup(func() { close(end) }) // before the server is waited for
	good := newBell(t, nil)
	w := paged(t, 1, slow.channel(t, "slow"), good.channel(t, "good"))
	b := w.parties["XB"]
	alert := w.warn("XA", "XB")
	got := good.next(t, "page")
	b.submit(t, 0, b.Acknowledgement(now(), alert))
	for _, ring := range []*bell{good, slow} {
		if over := ring.next(t, "over"); over.Key != got.Key {
			t.Errorf("over is %s, the page was %s", over.Key, got.Key)
		}
	}
}

// Promise: a channel that hangs holds up neither the next channel nor the ledger nor another page.
func TestHangingPageChannelHoldsUpNothing(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0") // connections are taken by the kernel, and never answered
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	good := newBell(t, nil)
	hung := good.channel(t, "hung")
	hung.URL = "http://" + l.Addr().String()
	w := paged(t, 1, hung, good.channel(t, "good"))
	var alerts []*hotline.Statement
	for range 3 {
		alerts = append(alerts, w.warn("XA", "XB"))
	}
	b := w.parties["XB"]
	woken := map[string]bool{}
	for len(woken) < len(alerts) {
		woken[good.next(t, "page").Statement] = true
	}
	for _, st := range alerts {
		if !woken[st.ID.String()] {
			t.Errorf("nobody was woken for %s", st.ID.Short())
		}
		b.submit(t, 0, b.Acknowledgement(now(), st))
	}
}

// Promise: a page whose leader dies before anybody has taken it is taken up by the next leader, under the same key, and the
// record shows one intent.
func TestNextLeaderTakesUpThePage(t *testing.T) {
	t.Parallel()
	var w *network
	dead := make(chan struct{})
	ring := newBell(t, nil)
	var first string // node that tried first; only the handler and, after dead, the test look at it
	trying := make(chan waked, 16)
	ring.answer = func(x waked) int {
		if x.Event != "page" {
			return http.StatusOK
		}
		trying <- x
		select {
		case <-dead:
			if x.Node != first {
				return http.StatusOK
			}
		default:
		}
		return http.StatusInternalServerError
	}
	w = paged(t, 3, ring.channel(t, "ring"))
	b := w.parties["XB"]
	w.warn("XA", "XB")
	x := <-trying
	lead := b.leader(t)
	if b.cfgs[lead].Node != x.Node {
		t.Errorf("%s pages, the leader is %s", x.Node, b.cfgs[lead].Node)
	}
	first = x.Node
	close(dead)
	b.stop(t, lead)
	for {
		y := ring.next(t, "page")
		if y.Key != x.Key || y.ID != x.ID {
			t.Fatalf("the page was %s, then %s", x.ID, y.ID)
		}
		if y.Node != first {
			break
		}
	}
	rest := (lead + 1) % 3
	pages := untilPages(t, b, rest, 2)
	if !pages[0].Intent() || pages[1].Intent() || pages[1].End != hotline.PageDelivered || pages[1].Node == first {
		t.Errorf("the record says %+v, then %+v", pages[0], pages[1])
	}
}

// Promise: every node tests its channels, a follower too, and a channel that fails is an alarm over the others, in the figures
// and in the status.
func TestFailingChannelIsAnAlarm(t *testing.T) {
	t.Parallel()
	good := newBell(t, nil)
	broken := newBell(t, func(waked) int { return http.StatusGone })
	w := paged(t, 1, good.channel(t, "good"), broken.channel(t, "broken"))
	b := w.parties["XB"]
	if x := good.next(t, "channel-test"); x.Status != "TEST" || x.Channel != "good" {
		t.Errorf("the test is %+v", x)
	}
	if x := good.next(t, "channel-fault"); x.Status != "ACTUAL" || x.Channel != "broken" || x.Node != "XB-1" {
		t.Errorf("the fault is %+v", x)
	}
	re, err := b.ask(t, 0, &desk.Request{Status: &desk.StatusRequest{}})
	if err != nil {
		t.Fatal(err)
	}
	if list := strings.Join(re.Status.Alarms, "\n"); !strings.Contains(list, "the page channel broken of XB-1 fails (refused)") {
		t.Errorf("alarms: %s", list)
	}
	families, err := b.nodes[0].Registry().Gather()
	if err != nil {
		t.Fatal(err)
	}
	failing := map[string]float64{}
	for _, f := range families {
		if f.GetName() == "hotline_page_channel_failing" {
			for _, m := range f.GetMetric() {
				failing[m.GetLabel()[0].GetValue()] = m.GetGauge().GetValue()
			}
		}
	}
	if failing["broken"] != 1 || failing["good"] != 0 || len(failing) != 2 {
		t.Errorf("figures: %v", failing)
	}
	b.stop(t, 0)
	b.nodes[0] = w.start(b.cfgs[0])
	if x := good.next(t, "channel-fault"); x.Channel != "broken" {
		t.Errorf("after a restart the fault is %+v", x)
	}
}

// Promise: when the thing is done while nobody could be reached, the attempts end, that is recorded, a system that may have the
// page all the same is told that it is over, and nobody is woken any more.
func TestBrokenOffPageIsRecordedAndTakenBack(t *testing.T) {
	t.Parallel()
	ring := newBell(t, func(x waked) int {
		if x.Event == "page" {
			return http.StatusServiceUnavailable
		}
		return http.StatusOK
	})
	w := paged(t, 1, ring.channel(t, "ring"))
	b := w.parties["XB"]
	alert := w.warn("XA", "XB")
	first := ring.next(t, "page")
	b.submit(t, 0, b.Acknowledgement(now(), alert))
	if over := ring.next(t, "over"); over.Key != first.Key {
		t.Errorf("over is %s, the page was %s", over.Key, first.Key)
	}
	pages := untilPages(t, b, 0, 2)
	if x := pages[1]; x.End != hotline.PageStopped || len(x.Attempts) != 1 || !brokenOff(x.Attempts[0].Result) {
		t.Errorf("came of it: %+v", x)
	}
	for len(ring.got) > 0 {
		if x := <-ring.got; x.Event == "page" {
			t.Errorf("after the end %s came", x.ID)
		}
	}
}

// brokenOff: the end came after the channel's refusal was read, or before.
func brokenOff(r hotline.PageResult) bool {
	return r == hotline.PageRefused || r == hotline.PageCancelled
}

// Promise: each officer is woken by the channels that the signed ladder gives them; of two routes no receiving system merges
// one into the other; and an officer whose channels this node has not is woken by those that it has.
func TestEachOfficerIsWokenByTheirChannels(t *testing.T) {
	t.Parallel()
	east, west := newBell(t, nil), newBell(t, nil)
	w := paged(t, 1, east.channel(t, "east"), west.channel(t, "west"))
	b := w.parties["XB"]
	ladder := b.Rungs(1)
	ladder.Receiving[0].Targets = []string{"XB-L1", "XB-L2", "XB-A1"}
	for _, c := range []struct{ post, channel string }{{"A1", "elsewhere"}, {"L1", "east"}, {"L2", "west"}, {"O1", "east"}, {"R1", "east"}} {
		ladder.Contacts = append(ladder.Contacts, hotline.Reach{Officer: b.Name(c.post), Channels: []string{c.channel}})
	}
	b.submit(t, 0, b.By(b.Header(hotline.KindLadder, now()), ladder, "A1"))
	w.warn("XA", "XB")
	woken := map[string]string{}
	keys := map[string]bool{}
	for range 2 {
		x := east.next(t, "page")
		woken[strings.Join(x.Targets, " ")] = "east"
		keys[x.Key] = true
	}
	x := west.next(t, "page")
	woken[strings.Join(x.Targets, " ")] = "west"
	keys[x.Key] = true
	if woken["XB-L1"] != "east" || woken["XB-L2"] != "west" || woken["XB-A1"] != "east" || len(woken) != 3 || len(keys) != 3 {
		t.Errorf("woken: %v, under %d keys", woken, len(keys))
	}
	pages := untilPages(t, b, 0, 2)
	if len(pages[0].Routes) != 3 || pages[1].End != hotline.PageDelivered {
		t.Errorf("the record says %+v, then %+v", pages[0], pages[1])
	}
}

// Promise: while nobody acknowledges, the rung rings again under the same key as a message of its own, each time recorded, and
// an exercise says so.
func TestRepeatedPageRingsAgain(t *testing.T) {
	t.Parallel()
	ring := newBell(t, nil)
	w := prepare(t, hotlinetest.Terms("crisis"), 1, "XA", "XB")
	a, b := w.parties["XA"], w.parties["XB"]
	b.cfgs[0].Pages = []config.Page{ring.channel(t, "ring")}
	var ahead atomic.Int64 // of XB's clock
	w.startAll(a)
	b.nodes = append(b.nodes, w.startAt(b.cfgs[0], func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }))
	w.ready()
	text := a.Text(now(), "XB", "words", hotlinetest.Precedence(hotline.Flash), hotlinetest.Status(hotline.Exercise))
	a.submit(t, 0, text)
	first := ring.next(t, "page")
	if first.Status != "EXERCISE" || first.ID != first.Key {
		t.Errorf("the first alarm is %+v", first)
	}
	untilPages(t, b, 0, 2)
	ahead.Add(int64(61 * time.Second))
	again := ring.next(t, "page")
	if again.Key != first.Key || again.ID != first.Key+".1" || again.Status != "EXERCISE" {
		t.Errorf("the repeated alarm is %+v", again)
	}
	pages := untilPages(t, b, 0, 4)
	if pages[2].Repeat != 1 || !pages[2].Intent() || pages[3].Repeat != 1 || pages[3].End != hotline.PageDelivered {
		t.Errorf("the record says %+v, then %+v", pages[2], pages[3])
	}
	b.submit(t, 0, b.Acknowledgement(now(), text))
	if over := ring.next(t, "over"); over.Key != first.Key {
		t.Errorf("over is %s", over.Key)
	}
}

// Promise: a channel on which one officer cannot be reached keeps the rung from ringing again for nobody: each repetition ends the
// attempts of the alarm before it, and tries everybody anew.
func TestDeadRouteHoldsBackNoRepeat(t *testing.T) {
	t.Parallel()
	ring := newBell(t, nil)
	dead := newBell(t, func(x waked) int {
		if x.Event == "page" {
			return http.StatusServiceUnavailable
		}
		return http.StatusOK
	})
	w := prepare(t, hotlinetest.Terms("crisis"), 1, "XA", "XB")
	a, b := w.parties["XA"], w.parties["XB"]
	b.cfgs[0].Pages = []config.Page{ring.channel(t, "ring"), dead.channel(t, "dead")}
	var ahead atomic.Int64 // of XB's clock
	w.startAll(a)
	b.nodes = append(b.nodes, w.startAt(b.cfgs[0], func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }))
	w.ready()
	ladder := b.Rungs(1)
	ladder.Receiving[0].Targets, ladder.Receiving[0].Repeat = []string{"XB-L1", "XB-L2"}, 100
	for _, c := range []struct{ post, channel string }{{"A1", "ring"}, {"L1", "ring"}, {"L2", "dead"}, {"O1", "ring"}, {"R1", "ring"}} {
		ladder.Contacts = append(ladder.Contacts, hotline.Reach{Officer: b.Name(c.post), Channels: []string{c.channel}})
	}
	b.submit(t, 0, b.By(b.Header(hotline.KindLadder, now()), ladder, "A1"))
	text := a.Text(now(), "XB", "words", hotlinetest.Precedence(hotline.Flash))
	a.submit(t, 0, text)
	first := ring.next(t, "page")
	dead.next(t, "page")
	for n := range 2 {
		ahead.Add(int64(61 * time.Second))
		if x := ring.next(t, "page"); x.ID != fmt.Sprintf("%s.%d", first.Key, n+1) {
			t.Errorf("%s rings as repetition %d of %s", x.ID, n+1, first.Key)
		}
		for x := dead.next(t, "page"); x.ID != fmt.Sprintf("%s.%d", x.Key, n+1); { // retries of the alarm before it
			x = dead.next(t, "page")
		}
	}
	pages := untilPages(t, b, 0, 4)
	if pages[1].End != hotline.PagePartly || pages[2].Repeat != 1 || !pages[2].Intent() || pages[3].End != hotline.PagePartly {
		t.Errorf("the record says %+v, then %+v, then %+v", pages[1], pages[2], pages[3])
	}
	b.submit(t, 0, b.Acknowledgement(now(), text))
	if over := ring.next(t, "over"); over.Key != first.Key {
		t.Errorf("over is %s", over.Key)
	}
}

// Promise: a leader without channels ends at once what a former one intended, as failed: the record does not leave a page open.
func TestLeaderWithoutChannelsEndsPages(t *testing.T) {
	t.Parallel()
	ring := newBell(t, func(waked) int { return http.StatusServiceUnavailable })
	w := paged(t, 1, ring.channel(t, "ring"))
	b := w.parties["XB"]
	w.warn("XA", "XB")
	ring.next(t, "page")
	b.stop(t, 0)
	b.cfgs[0].Pages = nil
	b.nodes[0] = w.start(b.cfgs[0])
	w.ready()
	pages := untilPages(t, b, 0, 2)
	if x := pages[1]; x.End != hotline.PageFailed || len(x.Attempts) != 1 || x.Attempts[0].Result != hotline.PageAbsent {
		t.Errorf("came of it: %+v", x)
	}
}

// heeded is a log that runs f before it takes a line with these words.
type heeded struct {
	slog.Handler
	words string
	f     func()
}

func (h *heeded) Enabled(context.Context, slog.Level) bool { return true }

func (h *heeded) WithAttrs([]slog.Attr) slog.Handler { return h }

func (h *heeded) Handle(_ context.Context, r slog.Record) error {
	if r.Message == h.words {
		h.f()
	}
	return nil
}

// Promise: a system that has taken a page is told that it is over also when the thing is done in the moment between that and the
// record of it.
func TestPageThatIsDoneWhileItIsTakenIsOver(t *testing.T) {
	t.Parallel()
	ring := newBell(t, nil)
	w := prepare(t, hotlinetest.Terms("crisis"), 1, "XA", "XB")
	a, b := w.parties["XA"], w.parties["XB"]
	b.cfgs[0].Pages = []config.Page{ring.channel(t, "ring")}
	taken, done := make(chan struct{}), make(chan struct{})
	alerted := atomic.Bool{}
	w.startAll(a)
	w.startStopping(b, func(o *node.Options) {
		o.Logger = slog.New(&heeded{slog.DiscardHandler, "a page channel took it", func() {
			if alerted.CompareAndSwap(true, false) {
				close(taken)
				<-done
			}
		}})
	})
	w.ready()
	for tested := filepath.Join(b.cfgs[0].Data, "page-ring.tested"); ; pause(t) { // its line in the log is written
		if _, err := os.Stat(tested); err == nil || t.Context().Err() != nil {
			break
		}
	}
	alerted.Store(true)
	alert := w.warn("XA", "XB")
	<-taken
	b.submit(t, 0, b.Acknowledgement(now(), alert))
	close(done)
	page := ring.next(t, "page")
	if over := ring.next(t, "over"); over.Key != page.Key {
		t.Errorf("over is %s, the page was %s", over.Key, page.Key)
	}
	if pages := untilPages(t, b, 0, 2); pages[1].End != hotline.PageDelivered {
		t.Errorf("came of it: %+v", pages[1])
	}
}
