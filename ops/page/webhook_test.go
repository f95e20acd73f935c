package page

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"example.org/hotline/hotline"
	"example.org/hotline/ops/config"
)

// received is one request as the receiving end saw it.
type received struct {
	head http.Header
	body []byte
}

// receiver is a web server over TLS that keeps what it gets and answers with the given status.
func receiver(t *testing.T, id identity, status int) (url string, got chan received) {
	t.Helper()
	got = make(chan received, 8)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.Method != http.MethodPost {
			t.Errorf("%s: %v", r.Method, err)
		}
		got <- received{r.Header, body}
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(status)
	}))
	cert, err := tls.LoadX509KeyPair(id.cert, id.key)
	if err != nil {
		t.Fatal(err)
	}
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // what it says of clients that do not believe it
	s.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.URL + "/page", got
}

func hook(url string, id identity, source string) config.Page {
	return config.Page{Kind: "webhook", URL: url, CA: id.cert, Secret: source}
}

// Promise: whoever checks our webhooks with the specification's own library believes them, and the same page sent again has
// the same id, so that it can be merged; a repeated alarm and the end are messages of their own under the same key.
func TestWebhookIsBelievedByTheReferenceLibrary(t *testing.T) {
	id := newIdentity(t)
	key := make([]byte, 32)
	_, _ = rand.Read(key)
	text := "whsec_" + base64.StdEncoding.EncodeToString(key)
	verifier, err := standardwebhooks.NewWebhook(text)
	if err != nil {
		t.Fatal(err)
	}
	url, got := receiver(t, id, http.StatusNoContent)
	p := openOne(t, hook(url, id, "file:"+write(t, "secret", []byte(text+"\n"))))
	first, again, repeat, over := alarm(), alarm(), alarm(), alarm()
	repeat.Repeat, over.Event = 1, Over
	var ids, keys []string
	for _, n := range []Notice{first, again, repeat, over} {
		try(t, p, n, hotline.PageTaken)
		r := <-got
		if err := verifier.Verify(r.body, r.head); err != nil {
			t.Errorf("the reference library does not believe it: %v", err)
		}
		if err := verifier.Verify(append(bytes.Clone(r.body), ' '), r.head); err == nil {
			t.Error("the signature does not cover the body")
		}
		var w struct{ ID, Key string }
		if err := json.Unmarshal(r.body, &w); err != nil || w.ID != r.head.Get("webhook-id") {
			t.Errorf("id %q in the body, %q in the header: %v", w.ID, r.head.Get("webhook-id"), err)
		}
		ids, keys = append(ids, w.ID), append(keys, w.Key)
	}
	if k := first.Key; !reflect.DeepEqual(ids, []string{k, k, k + ".1", k + ".over"}) || !reflect.DeepEqual(keys, []string{k, k, k, k}) {
		t.Errorf("ids %v of keys %v", ids, keys)
	}
}

// Promise: with an asymmetric secret the receiver needs our public key alone (Standard Webhooks, v1a).
func TestWebhookAsymmetricSignatureVerifies(t *testing.T) {
	id := newIdentity(t)
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range [][]byte{private, private.Seed()} {
		url, got := receiver(t, id, http.StatusOK)
		p := openOne(t, hook(url, id, "file:"+write(t, "secret", []byte("whsk_"+base64.StdEncoding.EncodeToString(b)))))
		try(t, p, alarm(), hotline.PageTaken)
		r := <-got
		text, ok := strings.CutPrefix(r.head.Get("webhook-signature"), "v1a,")
		sig, err := base64.StdEncoding.DecodeString(text)
		content := r.head.Get("webhook-id") + "." + r.head.Get("webhook-timestamp") + "." + string(r.body)
		if !ok || err != nil || !ed25519.Verify(public, []byte(content), sig) {
			t.Errorf("signature %q does not verify", r.head.Get("webhook-signature"))
		}
	}
}

// Promise: nothing about the text of a statement leaves the house: these are all members that a page has.
func TestPageTellsNothingButItsFacts(t *testing.T) {
	n := alarm()
	n.At, n.Channel = time.Now(), "mail"
	var members map[string]any
	if err := json.Unmarshal(n.JSON(), &members); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"event": "page", "id": n.Key, "key": n.Key, "repeat": 0.0, "party": "XB", "node": "XB-1", "status": "ACTUAL",
		"precedence": "FLASH", "duty": "acknowledge", "peer": "XA", "case": "XA/1234", "statement": "abcd", "office": "director",
		"targets": []any{"XB-A1", "XB-A2"}, "due": utc(n.Due), "overdue": true, "channel": "mail", "at": utc(n.At),
		"sign": "[!]", "colour": "red", "summary": "ACTUAL [!] FLASH hotline XB: acknowledge, peer XA, OVERDUE [director]"}
	if !reflect.DeepEqual(members, want) {
		t.Errorf("got  %v\nwant %v", members, want)
	}
}

// Promise: only 2xx counts, no redirect is followed, and a server is believed only under the configured authority.
func TestWebhookThatIsNotTakenHasFailed(t *testing.T) {
	id := newIdentity(t)
	source := "file:" + write(t, "secret", []byte("whsec_"+base64.StdEncoding.EncodeToString(make([]byte, 24))))
	for _, status := range []int{http.StatusTemporaryRedirect, http.StatusBadRequest, http.StatusInternalServerError} {
		url, got := receiver(t, id, status)
		try(t, openOne(t, hook(url, id, source)), alarm(), hotline.PageRefused)
		if <-got; len(got) != 0 {
			t.Errorf("after %d the page was sent again elsewhere", status)
		}
	}
	url, _ := receiver(t, id, http.StatusOK)
	try(t, openOne(t, hook(url, newIdentity(t), source)), alarm(), hotline.PageRefused)
	gone := hook("https://"+freeAddr(t)+"/token-in-the-path", id, source)
	if a := try(t, openOne(t, gone), alarm(), hotline.PageRefused); strings.Contains(a.Err.Error(), "token") {
		t.Errorf("the log would hold the address: %v", a.Err)
	}
	slow := hook("https://"+hanging(t), id, source)
	slow.Timeout.Duration = time.Second
	try(t, openOne(t, slow), alarm(), hotline.PageTimedOut)
}

// Promise: a secret that cannot sign is found at the start, not at night.
func TestBadSecretsAreFoundAtTheStart(t *testing.T) {
	for _, text := range []string{"word", "whsec_short", "whsec_" + base64.StdEncoding.EncodeToString(make([]byte, 23)),
		"whsec_" + base64.StdEncoding.EncodeToString(make([]byte, 65)), "whsk_" + base64.StdEncoding.EncodeToString(make([]byte, 33)), "whsk_%%"} {
		c := config.Page{Name: "hook", Kind: "webhook", URL: "https://127.0.0.1:1", Secret: "file:" + write(t, "secret", []byte(text))}
		if _, err := Open([]config.Page{c}); err == nil || !strings.Contains(err.Error(), "page channel hook: secret: ") {
			t.Errorf("%q: %v", text, err)
		}
	}
	c := config.Page{Name: "hook", Kind: "webhook", URL: "https://127.0.0.1:1", Secret: "file:/nowhere/at/all"}
	if _, err := Open([]config.Page{c, {Name: "log", Kind: "syslog", Server: "127.0.0.1:1", TLS: "tls", CA: c.Secret}}); err == nil ||
		!strings.Contains(err.Error(), "channel hook") || !strings.Contains(err.Error(), "channel log: ca") {
		t.Errorf("not both channels are told: %v", err)
	}
}
