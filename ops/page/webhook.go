package page

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	neturl "net/url"
	"strconv"
	"strings"
	"time"

	"example.org/hotline/ops/config"
)

// webhook posts the JSON of a page, signed as the Standard Webhooks specification says: webhook-id, webhook-timestamp and
// webhook-signature, v1 (HMAC-SHA256) or v1a (Ed25519). A page is delivered when the answer is 2xx.
type webhook struct {
	url    string
	client *http.Client
	sign   func(content []byte) string
}

// Bounds of a symmetric secret in bytes (Standard Webhooks, "Symmetric signatures").
const (
	minHookSecret = 24
	maxHookSecret = 64
)

func newWebhook(c *config.Page, trust *x509.CertPool) (Channel, error) {
	text, err := secret(c.Secret)
	if err != nil {
		return nil, fmt.Errorf("secret: %w", err)
	}
	w := &webhook{url: c.URL, client: httpClient(trust)}
	w.sign, err = hookSigner(text)
	return w, err
}

func hookSigner(text string) (func([]byte) string, error) {
	encode := base64.StdEncoding.EncodeToString
	if raw, ok := strings.CutPrefix(text, "whsk_"); ok {
		b, err := base64.StdEncoding.DecodeString(raw)
		if err == nil && len(b) == ed25519.SeedSize {
			b = ed25519.NewKeyFromSeed(b)
		}
		if err != nil || len(b) != ed25519.PrivateKeySize {
			return nil, errors.New("secret: whsk_ is to be followed by base64 of an Ed25519 secret key of 32 or 64 bytes")
		}
		return func(content []byte) string { return "v1a," + encode(ed25519.Sign(b, content)) }, nil
	}
	raw, ok := strings.CutPrefix(text, "whsec_")
	key, err := base64.StdEncoding.DecodeString(raw)
	if !ok || err != nil || len(key) < minHookSecret || len(key) > maxHookSecret {
		return nil, fmt.Errorf("secret: write whsec_ and base64 of %d to %d random bytes, or whsk_ and base64 of an Ed25519 secret key", minHookSecret, maxHookSecret)
	}
	return func(content []byte) string {
		m := hmac.New(sha256.New, key)
		m.Write(content)
		return "v1," + encode(m.Sum(nil))
	}, nil
}

// httpClient asks no proxy, follows no redirect and keeps no cookie: a page goes to the configured address and nowhere else.
func httpClient(trust *x509.CertPool) *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			DialContext: connect, TLSClientConfig: tlsConfig(trust, ""),
			// A page is rare, and a connection that has died meanwhile would cost the attempt.
			DisableKeepAlives: true, ForceAttemptHTTP2: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func (w *webhook) Lasting() (bool, time.Duration) { return true, 0 }

func (w *webhook) Send(ctx context.Context, n *Notice) error {
	body := n.JSON()
	id, stamp := n.ID(), strconv.FormatInt(n.At.Unix(), 10)
	return post(ctx, w.client, w.url, body, func(r *http.Request) {
		r.Header.Set("Webhook-Id", id)
		r.Header.Set("Webhook-Timestamp", stamp)
		r.Header.Set("Webhook-Signature", w.sign([]byte(id+"."+stamp+"."+string(body))))
	})
}

// post sends JSON and wants an answer of 2xx.
func post(ctx context.Context, client *http.Client, url string, body []byte, head func(*http.Request)) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "hotlined")
	head(r)
	answer, err := client.Do(r)
	if err != nil {
		var at *neturl.Error // it tells the address, which may hold a secret and would stand in the log
		if errors.As(err, &at) {
			return at.Err
		}
		return err
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, answer.Body) // connect bounds it
	if answer.StatusCode < 200 || answer.StatusCode > 299 {
		return fmt.Errorf("the server answers %s", answer.Status)
	}
	return nil
}
