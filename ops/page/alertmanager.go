package page

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"example.org/hotline/ops/config"
)

// Alertmanager keeps a page open for alertLife without hearing of it, and hears of it every alertAgain: so it neither closes a
// page that is open nor keeps one for ever whose node is gone.
const (
	alertLife  = 10 * time.Minute
	alertAgain = 2 * time.Minute
	// alertBehind is how far its clock may be behind ours: an end that is still to come by its clock is none to it.
	alertBehind = time.Minute
)

// alertmanager posts to the API v2 of Prometheus Alertmanager. The key is a label: Alertmanager merges what has the same
// labels, and closes it when its end has passed.
type alertmanager struct {
	url      string
	client   *http.Client
	user     string
	password string
}

// alert is one element of POST /api/v2/alerts.
type alert struct {
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
	StartsAt    string            `json:"startsAt"`
	EndsAt      string            `json:"endsAt"`
}

func newAlertmanager(c *config.Page, trust *x509.CertPool) (Channel, error) {
	a := &alertmanager{url: strings.TrimSuffix(c.URL, "/") + "/api/v2/alerts", client: httpClient(trust), user: c.User}
	if c.User != "" {
		var err error
		if a.password, err = secret(c.Password); err != nil {
			return nil, fmt.Errorf("password: %w", err)
		}
	}
	return a, nil
}

func (a *alertmanager) Lasting() (bool, time.Duration) { return true, alertAgain }

func (a *alertmanager) Send(ctx context.Context, n *Notice) error {
	body, err := json.Marshal([]alert{alertOf(n)})
	if err != nil {
		return err
	}
	return post(ctx, a.client, a.url, body, func(r *http.Request) {
		if a.user != "" {
			r.SetBasicAuth(a.user, a.password)
		}
	})
}

// alertOf puts into labels what names the page and never changes under its key, and the rest into annotations.
func alertOf(n *Notice) alert {
	begins, ends := n.Due, n.At.Add(alertLife)
	if begins.IsZero() || begins.After(n.At) {
		begins = n.At
	}
	switch n.Event {
	case Over:
		ends = n.At.Add(-alertBehind)
		if begins.After(ends) {
			begins = ends
		}
	case Test:
		ends = n.At.Add(time.Second) // it shows that the way is open, and is to wake nobody
	}
	x := alert{Labels: map[string]string{"alertname": "Hotline"}, Annotations: map[string]string{}, StartsAt: utc(begins), EndsAt: utc(ends)}
	if n.Event == Test {
		x.Labels["alertname"] = "HotlineChannelTest"
	}
	for _, f := range n.fields() {
		switch f.name {
		case "key", "status", "precedence", "party", "duty", "peer", "office", "channel":
			x.Labels[f.name] = f.value
		case "sign", "colour", "due", "case", "statement", "targets":
			x.Annotations[f.name] = f.value
		}
	}
	// Over has another line; the summary of what ends stays as it was.
	due := *n
	if n.Event == Over {
		due.Event = Due
	}
	x.Annotations["summary"] = due.Line()
	return x
}
