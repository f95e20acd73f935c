package node_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	sumdb "golang.org/x/mod/sumdb/tlog"

	"example.org/hotline/crypto/tlog"
	"example.org/hotline/hotline"
	"example.org/hotline/hotline/desk"
	"example.org/hotline/hotline/hotlinetest"
)

// reader reads a party's record over HTTP, as anybody may: it knows the log's
// name and key, and uses another implementation of tiles and notes.
type reader struct {
	t    *testing.T
	addr string
	log  note.Verifier
}

// publish lets a node serve its record, and is the reader of it.
func (w *network) publish(p *party, i int) *reader {
	w.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	defer l.Close()
	p.cfgs[i].Record.Listen = l.Addr().String()
	vkey, err := note.NewEd25519VerifierKey(tlog.Origin(string(p.Code), 1), p.Log.Public().Raw())
	if err != nil {
		w.t.Fatal(err)
	}
	v, err := note.NewVerifier(vkey)
	if err != nil {
		w.t.Fatal(err)
	}
	return &reader{w.t, p.cfgs[i].Record.Listen, v}
}

func (r *reader) get(path string) (*http.Response, []byte, error) {
	re, err := http.Get("http://" + r.addr + path)
	if err != nil {
		return nil, nil, err
	}
	defer re.Body.Close()
	b, err := io.ReadAll(re.Body)
	return re, b, err
}

// tree is the newest checkpoint, verified.
func (r *reader) tree() (t sumdb.Tree, b []byte, err error) {
	re, b, err := r.get("/checkpoint")
	if err != nil {
		return t, nil, err
	}
	if re.StatusCode != http.StatusOK {
		return t, nil, fmt.Errorf("%s: %s", re.Status, b)
	}
	n, err := note.Open(b, note.VerifierList(r.log))
	if err != nil {
		return t, nil, err
	}
	var root string
	if _, err := fmt.Sscanf(strings.TrimPrefix(n.Text, r.log.Name()+"\n"), "%d\n%s\n", &t.N, &root); err != nil {
		return t, nil, err
	}
	t.Hash, err = sumdb.ParseHash(root)
	return t, b, err
}

func (r *reader) Height() int                          { return 8 }
func (r *reader) SaveTiles(_ []sumdb.Tile, _ [][]byte) {}

func (r *reader) ReadTiles(tiles []sumdb.Tile) (list [][]byte, err error) {
	for _, t := range tiles {
		path := strings.Replace("/"+t.Path(), "/tile/8/", "/tile/", 1) // C2SP tlog-tiles leaves the height out
		re, b, err := r.get(path)
		if err != nil {
			return nil, err
		}
		if re.StatusCode != http.StatusOK || !strings.HasSuffix(re.Header.Get("Cache-Control"), ", immutable") ||
			re.Header.Get("Content-Type") != "application/octet-stream" {
			return nil, fmt.Errorf("%s: %s %v", path, re.Status, re.Header)
		}
		list = append(list, b)
	}
	return list, nil
}

// proves checks from the tiles alone that an entry stands in the log.
func (r *reader) proves(t sumdb.Tree, index uint64, entry []byte) error {
	p, err := sumdb.ProveRecord(t.N, int64(index), sumdb.TileHashReader(t, r))
	if err != nil {
		return err
	}
	return sumdb.CheckRecord(p, t.N, t.Hash, int64(index), sumdb.RecordHash(entry))
}

// until waits for a checkpoint of more than size entries.
func (r *reader) until(size int64) sumdb.Tree {
	r.t.Helper()
	var err error
	for end := time.Now().Add(deadline); time.Now().Before(end); <-time.After(50 * time.Millisecond) {
		var t sumdb.Tree
		if t, _, err = r.tree(); err == nil && t.N > size {
			return t
		}
	}
	r.t.Fatalf("no checkpoint of more than %d entries is served: %v", size, err)
	return sumdb.Tree{}
}

// Promise: anybody may read checkpoint and tiles of any node of a group, leader or not; each checkpoint bears the log's
// signature and a witness's, is covered by the tiles, never goes back, and proves the entries, while the log grows.
func TestRecordProvesEntriesToAnybody(t *testing.T) {
	t.Parallel()
	w := prepare(t, hotlinetest.Terms("crisis"), 3, "XA", "XB")
	a := w.parties["XA"]
	var readers []*reader
	for i := range a.cfgs {
		readers = append(readers, w.publish(a, i))
	}
	for _, p := range w.parties {
		w.startAll(p)
	}
	w.ready()
	first := readers[0].until(0)
	w.warn("XA", "XB")
	var wg sync.WaitGroup
	for i, r := range readers {
		wg.Go(func() {
			var last int64
			for end := time.Now().Add(deadline); last <= first.N+3; {
				tree, b, err := r.tree()
				if err != nil || tree.N < last || time.Now().After(end) {
					t.Errorf("node %d: size %d after %d: %v", i, tree.N, last, err)
					return
				}
				last = tree.N
				c := tlog.Checkpoint{Origin: r.log.Name(), Size: uint64(tree.N), Root: tlog.Hash(tree.Hash)}
				if found, _, err := tlog.VerifyCosignatures(b, c, w.cosigners("XB")); err != nil || len(found) != 2 {
					t.Errorf("node %d: cosignatures %v, %v", i, found, err)
				}
				for _, index := range []uint64{0, uint64(tree.N) - 1} {
					entry, err := a.nodes[i].Entry(index)
					if err == nil {
						err = r.proves(tree, index, entry)
					}
					if err != nil {
						t.Errorf("node %d: entry %d of %d: %v", i, index, tree.N, err)
					}
				}
				<-time.After(hotline.RecordFresh / 10)
			}
		})
	}
	wg.Wait()
}

// Promise: nothing but checkpoint and hash tiles is served, under no spelling; entries least of all, and nothing that is
// not under the checkpoint yet.
func TestRecordServesNothingElse(t *testing.T) {
	t.Parallel()
	w := prepare(t, hotlinetest.Terms("crisis"), 1, "XA", "XB")
	a := w.parties["XA"]
	r := w.publish(a, 0)
	for _, p := range w.parties {
		w.startAll(p)
	}
	w.ready()
	size := r.until(4).N
	for path, want := range map[string]int{
		"/tile/entries/000":                         403,
		fmt.Sprintf("/tile/entries/000.p/%d", size): 403,
		"/tile/entries":                             403,
		"/tile/entries/":                            403,
		"/tile/entries/../../checkpoint":            403,
		fmt.Sprintf("/tile/0/000.p/%d", size):       200,
		"/tile/0/000.p/1":                           200,
		fmt.Sprintf("/tile/0/000.p/%d?x", size):     404,
		"/tile/0/000.p/255":                         404,
		"/tile/0/000":                               404,
		"/tile/1/000.p/1":                           404,
		"/tile/0/x000/000.p/1":                      404,
		"/tile/0/000.p/01":                          404,
		"/tile/0/000.p/%31":                         404,
		"/tile/%30/000.p/1":                         404,
		"/tile//0/000.p/1":                          404,
		"/tile/0/../0/000.p/1":                      404,
		"/tile/e%6etries/000":                       404,
		"/tile/0/../entries/000":                    404,
		"/tile/0/%2e%2e/entries/000":                404,
		"/tile/0/..%2fentries/000.p/1":              404,
		"/tile/0/000.p/1%00":                        404,
		"/tile/0/..\\..\\edge/mark":                 404,
		"//checkpoint":                              404,
		"/checkpoint/":                              404,
		"/checkpoint?":                              404,
		"/Checkpoint":                               404,
		"/":                                         404,
		"/edge/mark":                                404,
		"/edge/0":                                   404,
		"/metrics":                                  404,
		"/debug/pprof/":                             404,
		"/" + strings.Repeat("a", 3000):             404,
	} {
		if got := r.raw("GET " + path + " HTTP/1.1"); got != want {
			t.Errorf("%.80s is answered %d, want %d", path, got, want)
		}
	}
	for line, want := range map[string]int{
		"HEAD /checkpoint HTTP/1.1": 200, "POST /checkpoint HTTP/1.1": 405, "PUT /tile/0/000.p/1 HTTP/1.1": 405, "OPTIONS * HTTP/1.1": 405,
		"DELETE /tile/entries/000 HTTP/1.1": 405, "GET checkpoint HTTP/1.1": 400, "GET http://other.example.org/checkpoint HTTP/1.1": 404,
		"GET /checkpoint HTTP/1.1\r\nX: " + strings.Repeat("a", 2*hotline.MaxRecordHeader+4096): 431,
	} {
		if got := r.raw(line); got != want {
			t.Errorf("%.80s is answered %d, want %d", line, got, want)
		}
	}
	re, b, err := r.get("/tile/entries/000")
	if entry, _ := a.nodes[0].Entry(0); err != nil || bytes.Contains(b, entry) || re.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%v %q %v", re.Header, b, err)
	}
	if re, _, err = r.get("/checkpoint"); err != nil || re.Header.Get("Cache-Control") != "public, max-age=2" || re.Header.Get("Content-Type") != "text/plain; charset=utf-8" {
		t.Error(re.Header, err)
	}
}

// raw sends one request as it is written and returns the status.
func (r *reader) raw(line string) int {
	r.t.Helper()
	c, err := net.Dial("tcp", r.addr)
	if err != nil {
		r.t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, line+"\r\nHost: record.example.org\r\nConnection: close\r\n\r\n"); err != nil {
		r.t.Fatal(err)
	}
	re, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		r.t.Fatalf("%.80s: %v", line, err)
	}
	defer re.Body.Close()
	return re.StatusCode
}

// Promise: strangers who ask too much are told to come again later, those who hold too many connections lose the newest,
// and the desk does not feel it; the end of the node waits for neither.
func TestRecordIsBounded(t *testing.T) {
	t.Parallel()
	w := prepare(t, hotlinetest.Terms("crisis"), 1, "XA", "XB")
	a := w.parties["XA"]
	r := w.publish(a, 0)
	for _, p := range w.parties {
		w.startAll(p)
	}
	w.ready()
	r.until(0)
	limited := false
	for end := time.Now().Add(deadline); !limited && time.Now().Before(end); {
		re, _, err := r.get("/tile/0/000.p/1")
		if err != nil {
			t.Fatal(err)
		}
		limited = re.StatusCode == http.StatusTooManyRequests && re.Header.Get("Retry-After") != ""
	}
	if !limited {
		t.Error("a flood is answered as a whole")
	}
	for range 2 * hotline.MaxRecordConnections { // each held open, with half a request
		c, err := net.Dial("tcp", r.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_, _ = io.WriteString(c, "GET /checkpoint") // fails where it was closed already
	}
	c, err := net.Dial("tcp", r.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, _ = io.WriteString(c, "GET /checkpoint HTTP/1.0\r\n\r\n")
	if b, err := io.ReadAll(c); len(b) > 0 {
		t.Errorf("one connection too many is answered %q, %v", b, err)
	}
	if _, err := a.ask(t, 0, &desk.Request{Status: &desk.StatusRequest{}}); err != nil {
		t.Error(err)
	}
}
