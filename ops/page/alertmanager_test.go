package page

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"example.org/hotline/hotline"
	"example.org/hotline/ops/config"
)

// amAlert is an alert as Alertmanager gives it back.
type amAlert struct {
	Labels, Annotations map[string]string
	EndsAt              time.Time
	Status              struct{ State string }
}

// alertmanagerServer runs Debian's Alertmanager on loopback, over TLS and with a password, and sends what it notifies of to a
// web server of this test.
func alertmanagerServer(t *testing.T, id identity, user, password string) (url string, notified chan received) {
	t.Helper()
	program := need(t, "/usr/bin/prometheus-alertmanager")
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	web := write(t, "web.yml", fmt.Appendf(nil, "tls_server_config: {cert_file: %q, key_file: %q}\nbasic_auth_users: {%s: %q}\n", id.cert, id.key, user, hash))
	target, notified := receiver(t, id, http.StatusOK)
	conf := write(t, "alertmanager.yml", fmt.Appendf(nil, `
route: {receiver: test, group_by: [key], group_wait: 1ms, group_interval: 1ms, repeat_interval: 1h}
receivers: [{name: test, webhook_configs: [{url: %q, send_resolved: true, http_config: {tls_config: {ca_file: %q}}}]}]
`, target, id.cert))
	addr := freeAddr(t)
	serve(t, program, "--config.file="+conf, "--web.config.file="+web, "--web.listen-address="+addr, "--cluster.listen-address=",
		"--storage.path="+filepath.Join(t.TempDir(), "data"), "--log.level=warn")
	return "https://" + addr, notified
}

// Promise: Alertmanager takes a page once however often it is sent, tells its receivers, and closes it when the thing was done.
func TestAlertmanagerMergesAndCloses(t *testing.T) {
	id := newIdentity(t)
	url, notified := alertmanagerServer(t, id, "hotline", "a long word")
	p := openOne(t, config.Page{Kind: "alertmanager", URL: url + "/", CA: id.cert, User: "hotline", Password: "file:" + write(t, "word", []byte("a long word"))})
	n := alarm()
	untilTaken(t, p, n)
	first := <-notified
	try(t, p, n, hotline.PageTaken)
	repeat := n
	repeat.Repeat = 3
	try(t, p, repeat, hotline.PageTaken)

	alerts := fetchAlerts(t, p, url)
	if len(alerts) != 1 || alerts[0].Status.State != "active" {
		t.Fatalf("three messages of one key are %d alerts: %+v", len(alerts), alerts)
	}
	a := alerts[0]
	if a.Labels["alertname"] != "Hotline" || a.Labels["key"] != n.Key || a.Labels["status"] != "ACTUAL" || a.Labels["precedence"] != "FLASH" ||
		a.Labels["office"] != "director" || a.Annotations["targets"] != "XB-A1 XB-A2" || !strings.HasPrefix(a.Annotations["summary"], "ACTUAL [!] FLASH") {
		t.Errorf("the alert is %+v", a)
	}
	if left := time.Until(a.EndsAt); left > alertLife || left < alertLife-patience {
		t.Errorf("it lives for %v", left)
	}
	over := n
	over.Event = Over
	try(t, p, over, hotline.PageTaken)
	last := <-notified
	if alerts := fetchAlerts(t, p, url); len(alerts) != 0 {
		t.Errorf("the page is still open after its end: %+v", alerts)
	}
	for _, c := range []struct {
		r      received
		status string
	}{{first, "firing"}, {last, "resolved"}} {
		var w struct{ Status string }
		if err := json.Unmarshal(c.r.body, &w); err != nil || w.Status != c.status {
			t.Errorf("the receiver was told %q, want %q (%v)", w.Status, c.status, err)
		}
	}
}

// Promise: a page is closed at an Alertmanager whose clock is a little behind: else it would stay open there for as long as it lives
// without hearing of it, and people would be called to what is done.
func TestAlertmanagerClosesThoughItsClockIsBehind(t *testing.T) {
	id := newIdentity(t)
	url, notified := alertmanagerServer(t, id, "hotline", "a long word")
	p := openOne(t, config.Page{Kind: "alertmanager", URL: url, CA: id.cert, User: "hotline", Password: "file:" + write(t, "word", []byte("a long word"))})
	for key, open := range map[string]time.Duration{"new": 0, "old": time.Hour} {
		n := alarm()
		n.Key, n.Due = key, time.Now().Add(-open)
		untilTaken(t, p, n)
		<-notified
		over := n
		over.Event, over.At = Over, time.Now().Add(20*time.Second) // by our clock
		if err := p.lanes[0].channel.Send(t.Context(), &over); err != nil {
			t.Fatal(err)
		}
		if alerts := fetchAlerts(t, p, url); len(alerts) != 0 {
			t.Fatalf("the page is still open after its end: %+v", alerts)
		}
		var w struct{ Status string }
		if err := json.Unmarshal((<-notified).body, &w); err != nil || w.Status != "resolved" {
			t.Errorf("the receiver was told %q, want resolved (%v)", w.Status, err)
		}
	}
}

// Promise: without the password Alertmanager takes nothing, and that counts as failed.
func TestAlertmanagerThatRefusesHasFailed(t *testing.T) {
	id := newIdentity(t)
	url, _ := alertmanagerServer(t, id, "hotline", "right")
	good := config.Page{Kind: "alertmanager", URL: url, CA: id.cert, User: "hotline", Password: "file:" + write(t, "word", []byte("right"))}
	untilTaken(t, openOne(t, good), alarm())
	bad := good
	bad.Password = "file:" + write(t, "word", []byte("wrong"))
	try(t, openOne(t, bad), alarm(), hotline.PageRefused)
}

// untilTaken sends until the server is up.
func untilTaken(t *testing.T, p *Pager, n Notice) {
	t.Helper()
	end := time.Now().Add(patience)
	for {
		a := p.Try(t.Context(), n, "one")
		if a.Result == hotline.PageTaken {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("the server does not come up: %v", a.Err)
		}
		<-time.After(20 * time.Millisecond)
	}
}

func fetchAlerts(t *testing.T, p *Pager, url string) (list []amAlert) {
	t.Helper()
	channel := p.lanes[0].channel.(*alertmanager)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/api/v2/alerts", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth(channel.user, channel.password)
	answer, err := channel.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if err := json.NewDecoder(answer.Body).Decode(&list); err != nil {
		t.Fatal(err)
	}
	return list
}
