package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"example.org/hotline/crypto/tlog"
	"example.org/hotline/hotline"
)

// The record service (SPEC §7.9): whoever asks may read the newest cosigned
// checkpoint and the hash tiles under it, over HTTP, and nothing else. It is off
// unless it is configured.

// record serves what anybody may read. Its goroutines end with close.
type record struct {
	n      *Node
	server *http.Server
	done   chan struct{} // closed when the listener's goroutine has ended
	conns  atomic.Int64

	damaged atomic.Bool // the last read of a tile failed: said once

	mu    sync.Mutex
	asked bucket
}

// openRecord begins to serve at addr; "" is off.
func (n *Node) openRecord(addr string) error {
	if addr == "" {
		return nil
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("record: cannot listen on %s: %w", addr, err)
	}
	r := &record{n: n, done: make(chan struct{})}
	r.server = &http.Server{Handler: r, ConnState: r.count, DisableGeneralOptionsHandler: true, MaxHeaderBytes: hotline.MaxRecordHeader,
		ReadTimeout: hotline.RecordExchange, WriteTimeout: hotline.RecordExchange, IdleTimeout: hotline.RecordIdle,
		ErrorLog: log.New(io.Discard, "", 0)} // what strangers send fills no log
	n.public = r
	go func() { // ends with close
		defer close(r.done)
		_ = r.server.Serve(l)
	}()
	return nil
}

// close lets requests that are under way end, and cuts those that do not in time.
func (r *record) close() {
	if r == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), recordEnd)
	defer cancel()
	if r.server.Shutdown(ctx) != nil {
		_ = r.server.Close()
	}
	<-r.done
}

// recordEnd bounds how long the end of the process waits for strangers.
const recordEnd = time.Second

// count closes a connection that is one too many, before anything is read of it.
func (r *record) count(c net.Conn, s http.ConnState) {
	switch s {
	case http.StateNew:
		if r.conns.Add(1) > hotline.MaxRecordConnections {
			_ = c.Close()
		}
	case http.StateClosed:
		r.conns.Add(-1)
	}
}

// recordPace is what all askers together may ask for (SPEC §7.9).
var recordPace = limit{each: time.Second / hotline.RecordRate, burst: hotline.RecordBurst}

// admit takes one request out of the bucket: one for all, since addresses cost
// nothing.
func (r *record) admit(now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.asked.take(recordPace, now)
}

// ServeHTTP answers one request.
func (r *record) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	status, text := r.answer(w, q)
	if status == 0 {
		return
	}
	if status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	w.Header().Set("Cache-Control", "no-store")
	http.Error(w, text, status)
}

// answer writes what was asked for and returns 0, or says why not.
func (r *record) answer(w http.ResponseWriter, q *http.Request) (status int, text string) {
	what := "refused"
	defer func() { r.n.metrics.record.WithLabelValues(what).Inc() }()
	if !r.admit(time.Now()) {
		what = "limited"
		return http.StatusTooManyRequests, "too many requests; come again later"
	}
	if q.Method != http.MethodGet && q.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		return http.StatusMethodNotAllowed, "GET and HEAD alone"
	}
	// As it was sent: another spelling, or a query, names nothing here.
	path, is := strings.CutPrefix(q.RequestURI, "/")
	switch {
	case is && (path == "tile/entries" || strings.HasPrefix(path, "tile/entries/")):
		return http.StatusForbidden, "entries are not served: hash tiles and the checkpoint alone"
	case is && path == "checkpoint":
		what = path
		return r.checkpoint(w)
	case is && strings.HasPrefix(path, "tile/"):
		what = "tile"
		return r.tile(w, path)
	}
	return http.StatusNotFound, "not here: /checkpoint and /tile/<L>/<N> alone (https://c2sp.org/tlog-tiles)"
}

func (r *record) checkpoint(w http.ResponseWriter) (status int, text string) {
	h := r.n.newestCosigned()
	if h == nil {
		return http.StatusNotFound, "no witness has cosigned a checkpoint of this log yet"
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "public, max-age="+strconv.Itoa(int(hotline.RecordFresh/time.Second)))
	send(w, h.note)
	return 0, ""
}

func (r *record) tile(w http.ResponseWriter, path string) (status int, text string) {
	h := r.n.newestCosigned()
	if h == nil {
		return http.StatusNotFound, "no witness has cosigned a checkpoint of this log yet"
	}
	b, err := r.n.machine.store.HashTile(path, h.checkpoint.Size)
	switch {
	case errors.Is(err, tlog.ErrNoTile):
		return http.StatusNotFound, fmt.Sprintf("no such hash tile of the tree of size %d", h.checkpoint.Size)
	case err != nil:
		// This request fails. Whether the process must stop, scrub and whoever signs
		// find out by themselves: a stranger's request does not stop a node.
		if !r.damaged.Swap(true) {
			r.n.log.Error("a hash tile cannot be served", "tile", path, "why", err)
		}
		return http.StatusInternalServerError, "this node cannot read its log; ask another"
	}
	r.damaged.Store(false)
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Cache-Control", "public, max-age="+strconv.Itoa(int(hotline.RecordKept/time.Second))+", immutable")
	send(w, b)
	return 0, ""
}

// send writes a whole answer; net/http leaves the body of an answer to HEAD out.
func send(w http.ResponseWriter, b []byte) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	_, _ = w.Write(b) // an asker that is gone has lost nothing
}
