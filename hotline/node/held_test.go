package node

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/ledger"
	"example.org/hotline/ops/config"
	"example.org/hotline/ops/page"
)

// Promise: a page that another system forgets if it is not told again is told again, also when the record says that it was taken at
// a time that has not come here: the clock was set back, or is that of a former leader.
func TestPageTakenInTheFutureIsToldAgain(t *testing.T) {
	t.Parallel()
	told := make(chan struct{}, 1)
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { told <- struct{}{} }))
	defer s.Close()
	list := []config.Page{{Name: "am", Kind: "alertmanager", URL: s.URL, Timeout: config.Duration{Duration: time.Minute}}}
	channels, err := page.Open(list)
	if err != nil {
		t.Fatal(err)
	}
	n := &Node{log: slog.New(slog.DiscardHandler), cfg: &config.Config{Pages: list}, pages: pages{channels: channels}}
	n.metrics = newMetrics(n)
	w := &waker{n: n, held: map[uint64]*heldPage{}}
	taken := hotline.PageAttempt{Channel: "am", Tries: 1, Result: hotline.PageTaken, Last: hotline.Time(time.Now().Add(time.Hour).UnixMilli())}
	p := &ledger.Paging{Stage: ledger.PageRest, Routes: []hotline.PageRoute{{Targets: []string{"XA-L1"}, Channels: []string{"am"}}},
		Taken: []hotline.PageAttempt{taken}}
	w.hold(context.Background(), p)
	w.wg.Wait()
	select {
	case <-told:
	default:
		t.Error("nothing is told, for an hour")
	}
	w.hold(context.Background(), p)
	w.wg.Wait()
	if len(told) > 0 {
		t.Error("it is told twice at once")
	}
}

// Promise: a system that took a page and answers too late to its repetition still has it, and is told again that it is open.
func TestPageTakenOnceStaysTaken(t *testing.T) {
	for _, c := range []struct{ before, now, want bool }{{false, true, false}, {true, true, true}, {true, false, false}, {false, false, false}} {
		h := &heldPage{repeat: 1, routes: []heldRoute{{channel: "am", unsure: c.now}}}
		h.keep(&heldPage{routes: []heldRoute{{channel: "am", unsure: c.before}}})
		if len(h.routes) != 1 || h.routes[0].unsure != c.want {
			t.Errorf("unsure %t, then %t: %+v", c.before, c.now, h.routes)
		}
	}
}
